"""A burst's summary and who is quicker than its record, in a real store."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from desk.people import Person
from desk.ports import Bulletin, Call, Place, Sent
from desk.service import Desk, Pressed
from desk.showing import Summary
from desk.work import Row
from storage.codec import pack, unpack
from storage.store import SqlStore, open_store
from tests.desk.world import rules
from tests.storage.helpers import START, WHOLE, blocked, rows, stored_case

ANNA = Person("anna", "Anna", "staff", ("acme",))
RULES = rules(people=(ANNA,))
ROOM = RULES.staff_room
DIRECTORY: Any = SimpleNamespace(rules=lambda *_: RULES, brands_for=lambda _: ["acme-coffee"])
CHAT: Any = SimpleNamespace(link=lambda room, thread: f"https://t.me/{thread}")
SUMMARY = Summary(lambda: DIRECTORY, lambda room: CHAT)
ROW = Row(1, "summary", 1, {"room": ROOM}, f"summary:{ROOM}", ROOM, 1, 8, False, START)
TAKE = Pressed("1", ANNA, "take", 1, None, ROOM, "9")


async def sent(url: str) -> tuple[SqlStore, Call]:
    """Five new cases, and the summary of them that is on its way."""
    store = await open_store(url, rules=lambda brand: RULES)
    for number in range(5):
        await stored_case(store, external_id=f"r{number}")
    async with store.write(scope=WHOLE) as unit:
        call = await SUMMARY.prepare(unit, ROW)
    assert isinstance(call, Call)
    return store, call


async def recorded(store: SqlStore, call: Call, summary: Summary = SUMMARY) -> Bulletin | None:
    async with store.write(scope=WHOLE) as unit:
        await summary.record(unit, ROW, call, Sent("9"))
        return await unit.bulletin(ROOM)


async def redrawn(store: SqlStore) -> bool:
    return "summary" in await rows(store, "kind")


async def test_a_press_before_the_record_is_drawn_after_it(store_url: str) -> None:
    store, call = await sent(store_url)
    assert (await Desk(store, lambda: DIRECTORY).press(TAKE)).ok
    assert not await redrawn(store), "there is no summary yet that it could stand in"
    await recorded(store, call)
    assert await redrawn(store)
    await store.close()


@pytest.mark.integration
async def test_a_press_at_the_moment_of_the_record_is_waited_for(postgres_url: str) -> None:
    """Neither would see what the other writes: the press no summary, the record no press."""
    store, call = await sent(postgres_url)
    async with store.write(scope=WHOLE) as press:
        assert (await Desk(store, lambda: DIRECTORY).pressed(press, TAKE)).ok
        recording = asyncio.create_task(recorded(store, call))
        await blocked(store)
    await recording
    assert await redrawn(store)
    await store.close()


async def test_a_thread_that_opens_before_the_record_hurries_nobody(store_url: str) -> None:
    """Its link is added when there is time: a call of the room's is worth more than that."""
    store, call = await sent(store_url)
    async with store.write(scope=WHOLE) as unit:
        await unit.set_place(Place(1, "staff", ROOM, "77"))
    await recorded(store, call)
    assert not await redrawn(store)
    await store.close()


async def test_a_summary_is_noted_though_its_brand_has_left_meanwhile(store_url: str) -> None:
    store, call = await sent(store_url)
    left: Any = SimpleNamespace(rules=lambda *_: None)
    assert await recorded(store, call, Summary(lambda: left, lambda room: CHAT)) is not None
    await store.close()


async def test_what_an_older_desk_sent_is_noted(store_url: str) -> None:
    """Its journal says less of a summary."""
    store, call = await sent(store_url)
    older = Call({name: value for name, value in call.data.items() if name != "stood"})
    assert await recorded(store, unpack(pack(older))) is not None
    await store.close()
