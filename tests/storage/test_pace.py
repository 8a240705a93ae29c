"""One group's twenty calls a minute: all of them for the backlog while nobody acts, room for people when they do."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import literal, select, update

from bot.build import group_pace
from desk.work import Prio, Work
from storage import pace
from storage.queue import hold_dest
from storage.store import SqlStore, open_store
from storage.tables import dest
from storage.unit import SqlUnit
from tests.storage.helpers import START, Clock, Told, an_engine, put, tat

ROOM = "telegram:-1001"
ALLOWED, MINUTE = 20, 60.0
Calls = list[tuple[float, Prio]]


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[SqlStore]:
    """Thousands of statements: on the quick store. That both reckon alike is shown by one of the tests."""
    opened = await open_store(sqlite_url)
    yield opened
    await opened.close()


async def free_at(unit: SqlUnit, prio: Prio, at: float) -> float:
    found: float = await unit.value(select(pace.free_at(literal(int(prio)), at)).where(dest.c.name == ROOM))
    return found


async def played(store: SqlStore, presses: list[float], seconds: float, calls: int = 10_000) -> tuple[Calls, Calls]:
    """A backlog without end, and people who press at these moments. What was sent when, in seconds from the start, and
    how long each press waited."""
    await store.ensure_dest(ROOM, *group_pace(ALLOWED), pace.quick_gap(ALLOWED))
    zero, at, sent, waited, left = START.timestamp(), 0.0, [], [], sorted(presses)
    async with store.write() as unit:
        while at < seconds and len(sent) < calls:
            prio = Prio.PERSON if left and left[0] <= at else Prio.CARD
            if await unit.change(pace.TAKE_TOKEN, pace.token(ROOM, prio, zero + at)):
                sent.append((at, prio))
                if prio is Prio.PERSON:
                    waited.append((at - left.pop(0), prio))
                continue
            following = await free_at(unit, prio, zero + at) - zero
            at = min(max(following, at + 0.001), at + 1.0, *left[:1] if prio is Prio.CARD else [])
    return sent, waited


JITTER = 0.25
"""Seconds by which the network may bring calls closer together."""


def most_in_a_minute(calls: Calls) -> int:
    times = [at for at, _ in calls]
    return max(sum(start <= at < start + MINUTE + JITTER for at in times) for start in times)


async def test_a_backlog_that_nobody_touches_uses_nearly_all_that_is_allowed(store: SqlStore) -> None:
    """Of ten minutes and more; the first one leaves room for people, who have just been told."""
    sent, _ = await played(store, [], 900)
    since = [at for at, _ in sent if at >= MINUTE]
    assert (len(since) - 1) / (since[-1] - since[0]) * MINUTE >= 0.95 * ALLOWED
    assert most_in_a_minute(sent) <= ALLOWED


@pytest.mark.parametrize(("late", "lost"), [(0.05, 0.0), (0.3, 0.2)], ids=["a little", "more than is made up for"])
async def test_a_late_claim_costs_the_backlog_what_cannot_be_made_up_for(
    timed: SqlStore, late: float, lost: float
) -> None:
    quick = pace.quick_gap(ALLOWED)
    await timed.ensure_dest(ROOM, *group_pace(ALLOWED), quick)
    at = began = START.timestamp() + 1000
    async with timed.write() as unit:
        await unit.db.execute(update(dest).values(tat=at))
        for _ in range(100):
            assert await unit.change(pace.TAKE_TOKEN, pace.token(ROOM, Prio.CARD, at))
            at = await free_at(unit, Prio.CARD, at) + late * quick
    assert at - began < 100 * (1 + lost) * quick + 1


PRESSES = {
    "one after a long silence": [150.0],
    "five a minute": [5.0 + 12 * n for n in range(16)],
    "five at once, after somebody was there": [130.0, *[150.0] * 5],
    "two at once after a long silence": [150.0, 150.0],
    "a crowd": [150 + n / 10 for n in range(60)],
    "now and then": [70.0 * n for n in range(1, 4)],
}


@pytest.mark.parametrize("presses", PRESSES.values(), ids=PRESSES)
async def test_no_minute_sees_more_than_is_allowed(store: SqlStore, presses: list[float]) -> None:
    sent, _ = await played(store, presses, 260)
    assert most_in_a_minute(sent) <= ALLOWED


async def test_both_stores_reckon_alike(timed: SqlStore, store: SqlStore) -> None:
    presses = PRESSES["now and then"]
    here, there = [[(round(at, 2), prio) for at, prio in (await played(s, presses, 150))[0]] for s in (store, timed)]
    assert here == there


@pytest.mark.parametrize("seed", range(4))
async def test_no_minute_sees_more_than_is_allowed_whoever_presses_when(store: SqlStore, seed: int) -> None:
    chance = random.Random(seed)
    gaps = [chance.expovariate(1 / chance.choice((0.5, 5, 80))) for _ in range(30)]
    presses = [sum(gaps[: n + 1]) for n in range(30)]
    sent, _ = await played(store, presses, 260)
    assert most_in_a_minute(sent) <= ALLOWED


@pytest.mark.parametrize("name", ["one after a long silence", "five a minute", "now and then"])
async def test_a_press_is_shown_within_a_second_while_the_backlog_runs(store: SqlStore, name: str) -> None:
    _, waited = await played(store, PRESSES[name], 260)
    assert max(seconds for seconds, _ in waited) < 1.0


async def test_whoever_presses_first_brings_the_room_for_the_next_ones(store: SqlStore) -> None:
    """Thirty seconds after the first press four more find a token at once, and the fifth soon."""
    _, waited = await played(store, [150.0, *[180.0] * 4], 200)
    assert [round(seconds, 3) for seconds, _ in waited[1:]] == [0.0] * 4


async def test_a_lone_case_is_carded_at_once(timed: SqlStore, clock: Clock) -> None:
    await timed.ensure_dest(ROOM, *group_pace(ALLOWED), pace.quick_gap(ALLOWED))
    job = Told()
    await put(timed, Work("step", {"topic": 1}, dest=ROOM, prio=Prio.CARD))
    await an_engine(timed, job).drain()
    await put(timed, *(Work("step", {"topic": n}, dest=ROOM, prio=Prio.CARD) for n in (2, 3)))
    await put(timed, Work("step", {"card": 1}, dest=ROOM, prio=Prio.OPENED))
    await an_engine(timed, job).drain()
    assert job.payloads == [{"topic": 1}, {"card": 1}]


async def test_a_call_without_a_row_is_a_persons_too(timed: SqlStore) -> None:
    """It was the first call for long: those that follow it find the room that a quiet minute leaves."""
    await timed.ensure_dest(ROOM, *group_pace(ALLOWED), pace.quick_gap(ALLOWED))
    async with timed.write() as unit:
        await unit.spend(ROOM, 1)
        at = START.timestamp()
        for _ in range(4):
            assert await unit.change(pace.TAKE_TOKEN, pace.token(ROOM, Prio.PERSON, at + 0.01))


async def test_after_a_429_nobody_is_quick(timed: SqlStore) -> None:
    await timed.ensure_dest(ROOM, *group_pace(ALLOWED), pace.quick_gap(ALLOWED))
    async with timed.write() as unit:
        await hold_dest(unit, ROOM, 10.0)
        zero = START.timestamp()
        assert await free_at(unit, Prio.PERSON, zero + 9.0) == pytest.approx(zero + 10.0)
        assert await unit.change(pace.TAKE_TOKEN, pace.token(ROOM, Prio.PERSON, zero + 10.0))
        assert await free_at(unit, Prio.PERSON, zero + 10.0) == pytest.approx(zero + 10.0 + group_pace(ALLOWED)[0])


@pytest.mark.parametrize("per_minute", [1, 3, 4, 5, 20, 30, 1000])
def test_the_quick_pace_stays_within_the_budget(per_minute: int) -> None:
    quick = pace.quick_gap(per_minute)
    assert quick == 0 or MINUTE / quick + pace.SPARE + pace.LATE < per_minute


async def test_a_room_is_written_to_at_once_after_the_clock_was_set_back(timed: SqlStore, clock: Clock) -> None:
    """Each of two desks on the store notices, and the room's pace is kept all the same."""
    job, desks = Told(), []
    for _ in range(2):
        desks.append(an_engine(timed, job))
        await desks[-1].drain()
    await timed.ensure_dest("room", 3.0, burst=2)
    clock.forward(600)
    await put(timed, *(Work("step", dest="room") for _ in range(3)))
    for desk in desks:
        await desk.drain()
    assert len(job.ran) == 1
    clock.forward(-600)
    for seconds, ran in ((0, 1), (7, 2), (1, 2), (3, 3)):
        clock.forward(seconds)
        for desk in desks:
            await desk.drain()
        assert len(job.ran) == ran, f"after {seconds} s more"


async def test_many_rooms_get_their_pace_at_once_and_keep_what_they_used(timed: SqlStore) -> None:
    await timed.ensure_dests([(f"room-{n}", 3.0, 5, 0.0) for n in range(50)])
    async with timed.write() as unit:
        assert await unit.change(pace.TAKE_TOKEN, pace.token("room-7", Prio.PERSON, START.timestamp()))
    used = await tat(timed, "room-7")
    assert used > 0
    await timed.ensure_dests([(f"room-{n}", 4.0, 6, 2.0) for n in reversed(range(50))])
    await timed.ensure_dests([])
    async with timed.database.reader.begin() as db:
        found = (await db.execute(select(dest.c.gap, dest.c.burst, dest.c.quick).distinct())).all()
    assert [tuple(row) for row in found] == [(4.0, 6, 2.0)]
    assert await tat(timed, "room-7") == used
