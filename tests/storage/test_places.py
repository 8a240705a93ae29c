from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from desk.ports import Ask, Heard, Place, Post, SourceStatus, Stop
from desk.work import Work
from storage.store import SqlStore
from tests.storage.helpers import START, WHOLE, Clock, rows, stored_case

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
    await store.ensure_dest(OLD, 3, 6)
    async with store.write(scope=WHOLE) as unit:
        await unit.set_place(Place(case.id, "staff", OLD, "5"))
        await unit.set_post(Post(case.id, "staff", "card", OLD, "1"))
        await unit.add_saying(case.id, "staff", replace(HEARD, room=OLD), 0, False)
        await unit.enqueue(
            Work("alarm", {"room": OLD, "items": [{"room": OLD}]}, dest=OLD, merge_key=f"alarm:{OLD}", merge="extend"),
            Work("summary", {"room": OLD}, dest=OLD, lane=f"summary:{OLD}"),
            Work("alarm", {"room": "telegram:-5"}, dest="telegram:-5"),
        )
    async with store.write(scope=WHOLE) as unit:
        await unit.move_room(OLD, NEW)
        assert await unit.place_at(NEW, "5") is not None
        assert await unit.post_at(NEW, "1") is not None
        saying = await unit.saying(NEW, "77")
        assert saying is not None
        assert saying.heard.room == NEW
        await unit.enqueue(Work("alarm", {"items": [2]}, dest=NEW, merge_key=f"alarm:{NEW}"))
    assert await rows(store, "dest", "lane", "payload") == [
        (NEW, "", {"room": NEW, "items": [{"room": NEW}, 2]}),
        (NEW, f"summary:{NEW}", {"room": NEW}),
        ("telegram:-5", "", {"room": "telegram:-5"}),
    ]
