from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from desk.case import Approval, Case, Event, Reply, State, Version
from desk.errors import Gone, Retry, StaleVersion
from desk.mention import OfficialReply
from desk.platform import PlatformCard
from desk.ports import Place
from desk.rules import Rules, Sla
from desk.scope import Scope
from storage.store import SqlStore, open_store
from storage.tables import cases
from tests.storage.helpers import START, WHOLE, a_case, a_mention, stored_case

LATER = START + timedelta(hours=1)


def busy(case: Case) -> Case:
    """A case that has seen everything."""
    other = replace(case.round, n=2, why="edited", return_reasons=("тон",), returns=1, first_version=2)
    return replace(
        case,
        state=State.ANSWERED,
        owner="anna",
        to_check=True,
        rounds=(replace(case.round, taken_at=LATER), other),
        versions=(
            Version(1, "Простите", ("anna",), "staff", LATER),
            Version(2, "Sorry 🙏", ("anna", "ai"), "ai", LATER),
        ),
        approvals=(Approval(1, 0, "bob", LATER), Approval(2, 0, "bob", LATER)),
        replies=(
            Reply(1, 1, "Простите", "x1", LATER, gone_at=LATER),
            Reply(2, 2, "Sorry 🙏", "x2", LATER, url="https://example.com", verified=True),
        ),
        sent=2,
        other_reply=OfficialReply("o1", "We are sorry", LATER),
        before_edit=("Кофе", None),
        mention_deleted_at=LATER,
        attempt=3,
    )


async def test_a_case_comes_back_as_it_was_saved(store: SqlStore) -> None:
    new = await stored_case(store)
    assert new.id == 1
    async with store.write(scope=WHOLE) as unit:
        case = await unit.case(new.id)
        assert case == replace(new, lock=1)
        await unit.save(busy(case), [])
    async with store.write(scope=WHOLE) as unit:
        assert await unit.case(new.id) == replace(busy(case), lock=2)
    async with store.read(WHOLE) as reader:
        assert await reader.case(new.id) == replace(busy(case), lock=2)


async def test_a_case_written_down_before_these_fields_were_known_is_read_with_none_of_them(store: SqlStore) -> None:
    new = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        await unit.save(busy(await unit.case(new.id)), [])
    async with store.write(scope=WHOLE) as unit:
        [row] = await unit.rows(select(cases.c.data).where(cases.c.id == new.id))
        kept = {name: value for name, value in row.data.items() if name not in ("by_moderators", "made_room")}
        del kept["other_reply"]["reason"]
        await unit.db.execute(update(cases).where(cases.c.id == new.id).values(data=kept))
    async with store.read(WHOLE) as reader:
        assert await reader.case(new.id) == replace(busy(new), lock=1)


async def test_voided_approvals_and_vanished_replies_leave_no_rows(store: SqlStore) -> None:
    new = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        await unit.save(busy(await unit.case(new.id)), [])
    async with store.write(scope=WHOLE) as unit:
        case = await unit.case(new.id)
        await unit.save(replace(case, approvals=case.approvals[1:], replies=case.replies[:1]), [])
    async with store.write(scope=WHOLE) as unit:
        case = await unit.case(new.id)
    assert [a.version for a in case.approvals] == [2]
    assert [r.external_id for r in case.replies] == ["x1"]


async def test_events_are_kept_in_order(store: SqlStore) -> None:
    new = await stored_case(store, Event("found", START, data={"late": 5}))
    async with store.write(scope=WHOLE) as unit:
        case = await unit.case(new.id)
        await unit.save(case, [Event("taken", LATER, "anna"), Event("drafted", LATER, "anna", 1, {"n": 1})])
    async with store.read(WHOLE) as reader:
        events = await reader.events(new.id)
    assert [(e.kind, e.actor, e.data) for e in events] == [
        ("found", "", {"late": 5}),
        ("taken", "anna", {}),
        ("drafted", "anna", {"n": 1}),
    ]


async def test_a_case_read_before_anothers_change_cannot_be_saved(store: SqlStore) -> None:
    new = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        early = await unit.case(new.id)
    async with store.write(scope=WHOLE) as unit:
        await unit.save(replace(await unit.case(new.id), owner="anna"), [])
    with pytest.raises(StaleVersion):
        async with store.write(scope=WHOLE) as unit:
            await unit.save(replace(early, owner="bob"), [])
    async with store.write(scope=WHOLE) as unit:
        assert (await unit.case(new.id)).owner == "anna"


async def test_what_fails_leaves_nothing_behind(store: SqlStore) -> None:
    new = await stored_case(store)

    async def fail() -> None:
        async with store.write(scope=WHOLE) as unit:
            await unit.save(busy(await unit.case(new.id)), [Event("taken", LATER)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.write(scope=WHOLE) as unit:
        assert await unit.case(new.id) == replace(new, lock=1)
    async with store.read(WHOLE) as reader:
        assert await reader.events(new.id) == []


async def test_changes_of_one_case_queue_up(store: SqlStore) -> None:
    new = await stored_case(store)

    async def press() -> None:
        async with store.write(scope=WHOLE) as unit:
            case = await unit.case(new.id)
            await asyncio.sleep(0)
            await unit.save(replace(case, attempt=case.attempt + 1), [])

    await asyncio.gather(*(press() for _ in range(12)))
    async with store.write(scope=WHOLE) as unit:
        assert (await unit.case(new.id)).attempt == 12


async def test_a_case_that_does_not_exist_is_gone(store: SqlStore) -> None:
    with pytest.raises(Gone):
        async with store.write(scope=WHOLE) as unit:
            await unit.case(404)


async def test_one_mention_becomes_one_case(store: SqlStore) -> None:
    async def find() -> bool:
        try:
            await stored_case(store)
        except Retry:
            return False
        return True

    assert sorted(await asyncio.gather(find(), find(), find())) == [False, False, True]
    async with store.write(scope=WHOLE) as unit:
        assert (await unit.mention(a_mention().key)) is not None
        assert len(await unit.open_cases()) == 1


def rules_of(brand: str) -> Rules:
    target = timedelta(minutes=30 if brand == "fast" else 90)
    return Rules(
        "acme", "Acme", brand, brand, f"room:{brand}", "client", PlatformCard("p", "P"), sla=Sla(target=target)
    )


@pytest.fixture
async def ruled(store_url: str) -> AsyncIterator[SqlStore]:
    opened = await open_store(store_url, rules=rules_of)
    yield opened
    await opened.close()


async def test_open_cases_come_by_time_left(ruled: SqlStore) -> None:
    store = ruled
    await stored_case(store, external_id="slow", clock_at=START)
    await stored_case(store, external_id="fast", brand="fast", clock_at=START + timedelta(minutes=30))
    answered = await stored_case(store, external_id="answered", clock_at=START - timedelta(hours=9))
    closed = await stored_case(store, external_id="closed")
    async with store.write(scope=WHOLE) as unit:
        await unit.save((await unit.case(answered.id)).in_round(posted_at=START), [])
        await unit.save(replace(await unit.case(closed.id), state=State.CLOSED), [])
    for brands, found in {("fast", "acme-coffee"): ["fast", "slow", "answered"], ("fast",): ["fast"], (): []}.items():
        async with store.read(Scope.of(brands)) as reader:
            assert [c.mention.key.external_id for c in await reader.open_cases()] == found


async def test_uncarded_cases_are_those_of_the_room(ruled: SqlStore) -> None:
    store = ruled
    second = await stored_case(store, external_id="2", brand="fast", clock_at=START + timedelta(hours=2))
    first = await stored_case(store, external_id="1", brand="fast")
    carded = await stored_case(store, external_id="3", brand="fast")
    elsewhere = await stored_case(store, external_id="4", brand="slow")
    moved = await stored_case(store, external_id="5", brand="slow")
    async with store.write(scope=WHOLE) as unit:
        await unit.save((await unit.case(carded.id)).stage(carded_at=LATER), [])
        await unit.set_place(Place(moved.id, "staff", "room:fast"))
        found = [case.id for case in await unit.uncarded("room:fast")]
        assert found == [first.id, moved.id, second.id]
        assert [case.id for case in await unit.uncarded("room:slow")] == [elsewhere.id]


async def test_case_numbers_are_never_used_again(store: SqlStore) -> None:
    async def fail() -> None:
        async with store.write(scope=WHOLE) as unit:
            await unit.new_case(a_case("a"), [])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    first = await stored_case(store, external_id="b")
    second = await stored_case(store, external_id="c")
    assert first.id < second.id
