from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from desk.case import State
from desk.people import Person
from desk.ports import Ask, Heard, Place, Post, SourceStatus, Stop
from desk.service import Desk, Pressed
from desk.work import Prio, Work
from storage.store import SqlStore, open_store
from storage.tables import dest
from tests.desk.world import rules
from tests.storage.helpers import START, WHOLE, Clock, blocked, rows, stored_case

OLD, NEW = "telegram:-1001", "telegram:-1002"
HEARD = Heard("r", "t", "77", "anna", "Anna", "привет", START, files=(("a.txt", "https://x", 5),))


async def test_a_place_is_found_by_case_and_by_thread(store: SqlStore) -> None:
    case = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        assert await unit.place(case.id, "staff") is None
        await unit.set_place(Place(case.id, "staff", OLD))
        await unit.set_place(Place(case.id, "staff", OLD, "5", 1))
        assert await unit.place(case.id, "staff") == Place(case.id, "staff", OLD, "5", 1)
        assert await unit.place_at(OLD, "5") == Place(case.id, "staff", OLD, "5", 1)
        assert await unit.place_at(OLD, "6") is None
    async with store.read(WHOLE) as reader:
        assert await reader.place(case.id, "staff") == Place(case.id, "staff", OLD, "5", 1)


async def test_two_cases_cannot_share_a_thread(store: SqlStore) -> None:
    one, two = await stored_case(store, external_id="1"), await stored_case(store, external_id="2")
    async with store.write(scope=WHOLE) as unit:
        await unit.set_place(Place(one.id, "staff", OLD))
        await unit.set_place(Place(two.id, "staff", OLD))
        await unit.set_place(Place(one.id, "staff", OLD, "5"))
    with pytest.raises(IntegrityError):
        async with store.write(scope=WHOLE) as unit:
            await unit.set_place(Place(two.id, "staff", OLD, "5"))


async def test_posts_are_found_by_slot_and_by_message(store: SqlStore) -> None:
    case = await stored_case(store)
    card, version = Post(case.id, "staff", "card", "r", "1", "d"), Post(case.id, "staff", "v1", "r", "2")
    async with store.write(scope=WHOLE) as unit:
        await unit.set_post(replace(card, digest="old"))
        await unit.set_post(card)
        await unit.set_post(version)
        assert await unit.post(case.id, "staff", "card") == card
        assert await unit.post_at("r", "2") == version
        assert await unit.posts(case.id, "staff") == [card, version]
        await unit.drop_posts(case.id, "staff")
        assert await unit.posts(case.id, "staff") == []


async def test_sayings_come_back_whole(store: SqlStore) -> None:
    case = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        saying = await unit.add_saying(case.id, "client", HEARD, 2, True)
        assert await unit.saying("r", "77") == saying
        await unit.update_saying(replace(saying, heard=replace(HEARD, text="пока", edited=True), mirrored=False))
        again = await unit.saying_by_id(saying.id)
        assert again is not None
        assert (again.heard.text, again.heard.files, again.mirrored) == ("пока", HEARD.files, False)
        assert await unit.saying("r", "78") is None


async def test_the_newest_unexpired_ask_is_meant(timed: SqlStore, clock: Clock) -> None:
    case = await stored_case(timed)
    ask = Ask(0, case.id, "staff", "anna", "r", "t", "dismiss", 1, {"why": "spam"})
    async with timed.write(scope=WHOLE) as unit:
        lasting = await unit.add_ask(ask)
        short = await unit.add_ask(replace(ask, action="close", expires_at=START + timedelta(minutes=5)))
        assert await unit.ask_of("r", "t", "anna") == short
        await unit.set_ask(replace(lasting, answers={"why": "other"}, message="9"))
    clock.forward(300)
    async with timed.write(scope=WHOLE) as unit:
        assert await unit.ask_of("r", "t", "anna") == replace(lasting, answers={"why": "other"}, message="9")
        assert await unit.ask_of("r", "t", "bob") is None
        await unit.drop_ask(lasting.id)
        assert await unit.ask(lasting.id) is None


async def test_stops_and_sources_are_kept(store: SqlStore) -> None:
    status = SourceStatus("acme-play", "cursor", START, START, None, 3, "время вышло", START)
    async with store.write(scope=WHOLE) as unit:
        await unit.set_stop(Stop("*", "anna", START))
        await unit.set_stop(Stop("acme", "bob", START))
        await unit.drop_stop("*")
        assert await unit.source("acme-play") == SourceStatus("acme-play")
        await unit.set_source(SourceStatus("acme-play"))
        await unit.set_source(status)
        assert await unit.source("acme-play") == status
    async with store.read(WHOLE) as reader:
        assert await reader.stops() == [Stop("acme", "bob", START)]
        assert await reader.sources() == [status]


async def test_a_moved_room_takes_everything_with_it(store: SqlStore) -> None:
    case = await stored_case(store)
    await store.ensure_dest(OLD, 3, 6, 2.5)
    async with store.write(scope=WHOLE) as unit:
        await unit.set_place(Place(case.id, "staff", OLD, "5"))
        await unit.set_post(Post(case.id, "staff", "card", OLD, "1"))
        await unit.add_saying(case.id, "staff", replace(HEARD, room=OLD), 0, False)
        ask = await unit.add_ask(Ask(0, case.id, "staff", "anna", OLD, "5", "dismiss", 0, {}))
        await unit.enqueue(
            Work("alarm", {"room": OLD, "items": [{"room": OLD}]}, dest=OLD, merge_key=f"alarm:{OLD}", merge="extend"),
            Work("summary", {"room": OLD}, dest=OLD, lane=f"summary:{OLD}"),
            Work("alarm", {"room": "telegram:-5"}, dest="telegram:-5"),
            Work("heard", {"room": OLD, "text": "not looked at yet"}, lane=f"talk:{OLD}:5"),
        )
    async with store.write(scope=WHOLE) as unit:
        await unit.move_room(OLD, NEW)
        [pace] = await unit.rows(select(dest.c.gap, dest.c.burst, dest.c.quick).where(dest.c.name == NEW))
        assert tuple(pace) == (3, 6, 2.5)
        assert await unit.place_at(NEW, "5") is not None
        assert await unit.post_at(NEW, "1") is not None
        saying = await unit.saying(NEW, "77")
        assert saying is not None
        assert saying.heard.room == NEW
        assert await unit.ask_of(NEW, "5", "anna") == replace(ask, room=NEW), "it is answered, and drawn, there"
        await unit.enqueue(Work("alarm", {"items": [2]}, dest=NEW, merge_key=f"alarm:{NEW}"))
    assert await rows(store, "dest", "lane", "payload") == [
        (NEW, "", {"room": NEW, "items": [{"room": NEW}, 2]}),
        (NEW, f"summary:{NEW}", {"room": NEW}),
        ("telegram:-5", "", {"room": "telegram:-5"}),
        ("", f"talk:{NEW}:5", {"room": NEW, "text": "not looked at yet"}),
    ]


ANNA = Person("anna", "Anna", "staff", ("acme",))
BOB = Person("bob", "Bob", "staff", ("acme",))
RULES = rules(people=(ANNA, BOB))
DIRECTORY: Any = SimpleNamespace(rules=lambda *_: RULES, brands_for=lambda _: ["acme-coffee"])


async def side_by_side(store: SqlStore, desk: Desk, *presses: Pressed) -> list[str]:
    """They begin together, and each has looked at what is pressed before the first of them may change its case."""
    async with store.write(Prio.CARD, WHOLE) as unit:
        await unit.case(presses[0].case)
        pressing = [asyncio.create_task(desk.press(pressed)) for pressed in presses]
        await blocked(store, len(presses))
    return sorted([(await press).key for press in pressing])


@pytest.mark.integration
async def test_of_two_who_tell_the_client_the_same_words_at_once_one_does(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    case = await stored_case(store, client_open=True)
    async with store.write(scope=WHOLE) as unit:
        saying = await unit.add_saying(case.id, "staff", HEARD, 0, mirrored=False)
    tell = Pressed("1", ANNA, "tell", case.id, None, OLD, "5", str(saying.id))
    said = await side_by_side(store, Desk(store, lambda: DIRECTORY), tell, replace(tell, idem="2", who=BOB))
    assert said == ["already_told", "did_tell"]
    assert (await rows(store, "kind")).count("say") == 1
    await store.close()


async def asked(store: SqlStore, case: int) -> Ask:
    """Anna is asked whom she hands the case over to."""
    soon = datetime.now(UTC) + timedelta(minutes=5)
    async with store.write(scope=WHOLE) as unit:
        return await unit.add_ask(Ask(0, case, "staff", "anna", OLD, "5", "handover", 0, {}, expires_at=soon))


@pytest.mark.integration
async def test_of_two_answers_to_one_question_one_counts(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    case = await stored_case(store, state=State.IN_WORK, owner="anna")
    ask = await asked(store, case.id)
    bob = Pressed("1", ANNA, "answer", case.id, None, OLD, "5", f"{ask.id}.bob")
    said = await side_by_side(
        store, Desk(store, lambda: DIRECTORY), bob, replace(bob, idem="2", extra=f"{ask.id}.anna")
    )
    assert said == ["did_hand_over", "question_over"]
    await store.close()


@pytest.mark.integration
async def test_of_an_answer_and_a_cancel_at_once_one_counts(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    case = await stored_case(store, state=State.IN_WORK, owner="anna")
    ask = await asked(store, case.id)
    cancel = Pressed("1", ANNA, "cancel", case.id, None, OLD, "5", str(ask.id))
    said = await side_by_side(
        store, Desk(store, lambda: DIRECTORY), cancel, replace(cancel, idem="2", action="answer", extra=f"{ask.id}.bob")
    )
    async with store.write(scope=WHOLE) as unit:
        handed_over = (await unit.case(case.id)).owner == "bob"
        closed = await unit.ask(ask.id)
    assert said == (["did_hand_over", "question_over"] if handed_over else ["cancelled", "question_over"])
    assert closed is not None
    assert closed.answers["="] == ("did_hand_over" if handed_over else "cancelled")
    await store.close()


async def test_a_question_is_answered_in_its_own_case_alone(store: SqlStore) -> None:
    """A forged button names another case, which its presser may see as well."""
    mine = await stored_case(store, state=State.IN_WORK, owner="anna")
    other = await stored_case(store, external_id="r-2")
    ask = await asked(store, mine.id)
    forged = Pressed("1", ANNA, "answer", other.id, None, OLD, "5", f"{ask.id}.bob")
    desk = Desk(store, lambda: DIRECTORY)
    assert (await desk.press(forged)).key == "question_over"
    cancel = replace(forged, idem="2", action="cancel", extra=str(ask.id))
    assert (await desk.press(cancel)).key == "not_your_question"
    async with store.read(WHOLE) as reader:
        assert [(await reader.case(case.id)).owner for case in (mine, other)] == ["anna", ""]


@pytest.mark.integration
async def test_of_one_press_delivered_twice_at_once_one_counts_and_both_are_answered_alike(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    case = await stored_case(store)
    take = Pressed("1", ANNA, "take", case.id, None, OLD, "5")
    said = await side_by_side(store, Desk(store, lambda: DIRECTORY), take, take)
    assert said == ["did_take", "did_take"]
    async with store.read(WHOLE) as reader:
        assert [event.kind for event in await reader.events(case.id)] == ["taken"]
    await store.close()
