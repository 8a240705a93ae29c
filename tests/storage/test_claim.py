"""What may run, in which order, how often."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.build import group_pace
from desk.errors import Retry
from desk.ports import Done, Drop, Later, Park
from desk.work import Prio, Row, Work
from storage.store import SqlStore
from tests.storage.helpers import START, Clock, Told, an_engine, put, rows, tat

ROOM = "telegram:-1001"


async def test_people_before_backlog_then_deadline_then_age(store: SqlStore) -> None:
    job = Told()
    await put(
        store,
        Work("step", {"n": 5}, prio=Prio.CARD),
        Work("step", {"n": 4}, prio=Prio.CARD, deadline=START + timedelta(hours=2)),
        Work("step", {"n": 3}, prio=Prio.CARD, deadline=START + timedelta(hours=1)),
        Work("step", {"n": 1}, prio=Prio.PERSON),
        Work("step", {"n": 2}, prio=Prio.ALARM),
        Work("step", {"n": 6}, prio=Prio.CARD),
    )
    await an_engine(store, job, slots=1).drain()
    assert [payload["n"] for payload in job.payloads] == [1, 2, 3, 4, 5, 6]


async def test_a_lane_runs_in_the_order_of_insertion(store: SqlStore) -> None:
    job = Told()
    lanes = [Work("step", {"lane": lane, "n": n}, lane=f"case:{lane}:reply") for n in range(6) for lane in range(4)]
    await put(store, *lanes)
    await an_engine(store, job).drain()
    for lane in range(4):
        assert [p["n"] for p in job.payloads if p["lane"] == lane] == list(range(6))


async def test_a_retry_keeps_its_place(timed: SqlStore, clock: Clock) -> None:
    job = Told(Retry("server away", after=60))
    await put(timed, *(Work("step", {"n": n}, lane="case:7:staff") for n in range(2)))
    engine = an_engine(timed, job)
    await engine.drain()
    assert job.payloads == [{"n": 0}]
    clock.forward(61)
    await engine.drain()
    assert job.payloads == [{"n": 0}, {"n": 0}, {"n": 1}]


async def test_a_parked_row_blocks_its_lane_until_a_person_answers(store: SqlStore) -> None:
    for answer, state in ((True, "done"), (False, "cancelled")):
        job = Told(Park("nobody knows"))
        await put(store, Work("step", {"n": 1}, lane="l", group="g"), Work("step", {"n": 2}, lane="l"))
        engine = an_engine(store, job)
        await engine.drain()
        assert job.payloads == [{"n": 1}]
        async with store.write() as unit:
            assert await unit.cancel("g") == 0
            assert await unit.unpark("g", done=answer) == 1
        await engine.drain()
        assert job.payloads == [{"n": 1}, {"n": 2}]
        assert (await rows(store, "state"))[-2] == state


async def test_a_dropped_row_lets_its_lane_go_on(store: SqlStore) -> None:
    job = Told(Drop("moot"))
    await put(store, *(Work("step", {"n": n}, lane="l") for n in range(2)))
    await an_engine(store, job).drain()
    assert await rows(store, "state", "last_error") == [("cancelled", "moot"), ("done", "")]


async def test_work_waits_for_its_time(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await put(timed, Work("step", run_at=START + timedelta(seconds=30)))
    engine = an_engine(timed, job)
    await engine.drain()
    assert job.ran == []
    assert await timed.pause(["step"]) == pytest.approx(30)
    clock.forward(30)
    await engine.drain()
    assert len(job.ran) == 1
    assert await timed.pause(["step"]) is None


async def test_unknown_kinds_wait_in_sight(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    await put(store, Work("step"), Work("of tomorrow", lane="l"), Work("of tomorrow", lane="l"))
    engine = an_engine(store, Told())
    await engine.drain()
    assert await rows(store, "kind", "state", "attempts") == [
        ("step", "done", 1),
        ("of tomorrow", "ready", 0),
        ("of tomorrow", "ready", 0),
    ]
    [waiting] = await engine.unknown()
    await engine._tell_unknown()
    assert "2 rows of kind 'of tomorrow' wait" in caplog.text
    assert (waiting.kind, waiting.state, waiting.rows, waiting.unsure) == ("of tomorrow", "ready", 2, 0)


# Rates


async def spent(store: SqlStore, clock: Clock, job: Told, seconds: int) -> list[float]:
    """Run an engine second by second; when each row ran, in seconds."""
    engine = an_engine(store, job)
    times: list[float] = []
    for second in range(seconds):
        before = len(job.ran)
        await engine.drain()
        times += [second] * (len(job.ran) - before)
        clock.forward(1)
    return times


def most_in_a_window(times: list[float], window: float = 60) -> int:
    return max(sum(start <= t < start + window for t in times) for start in times)


async def test_no_minute_sees_more_than_its_rate(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await timed.ensure_dest(ROOM, 4, burst=5)
    await put(timed, *(Work("step", {"n": n}, dest=ROOM, prio=Prio.CARD) for n in range(25)))
    await put(
        timed, *(Work("step", dest=ROOM, prio=Prio.PERSON, run_at=START + timedelta(seconds=55)) for _ in range(12))
    )
    times = await spent(timed, clock, job, 150)
    assert len(times) == 37
    assert 15 < most_in_a_window(times) <= 20


async def test_the_backlog_leaves_the_burst_to_people(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await timed.ensure_dest(ROOM, 4, burst=5)
    await put(timed, *(Work("step", {"n": n}, dest=ROOM, prio=Prio.CARD) for n in range(60)))
    times = await spent(timed, clock, job, 70)
    assert most_in_a_window(times) == 15
    await put(timed, *(Work("step", {"person": n}, dest=ROOM, prio=Prio.PERSON) for n in range(4)))
    await an_engine(timed, job).drain()
    assert [p for p in job.payloads if "person" in p] == [{"person": n} for n in range(4)]


async def test_a_row_without_a_token_books_nothing(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await timed.ensure_dest(ROOM, 10)
    await put(timed, *(Work("step", {"n": n}, dest=ROOM, prio=Prio.CARD) for n in range(3)))
    engine = an_engine(timed, job)
    await engine.drain()
    assert await tat(timed, ROOM) == START.timestamp() + 10
    assert await rows(timed, "state", "attempts") == [("done", 1), ("ready", 0), ("ready", 0)]
    assert await timed.pause(["step"]) == pytest.approx(10)
    await put(timed, Work("step", {"person": 1}, dest=ROOM, prio=Prio.PERSON))
    clock.forward(10)
    await engine.drain()
    assert job.payloads == [{"n": 0}, {"person": 1}]


async def test_a_destination_nobody_limited_is_free(store: SqlStore) -> None:
    job = Told()
    await put(store, *(Work("step", {"n": n}, dest="slack:C1") for n in range(20)))
    await an_engine(store, job).drain()
    assert len(job.ran) == 20


async def test_limits_can_change_while_the_desk_runs(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await timed.ensure_dest(ROOM, 100)
    await put(timed, *(Work("step", {"n": n}, dest=ROOM) for n in range(4)))
    engine = an_engine(timed, job)
    await engine.drain()
    await timed.ensure_dest(ROOM, 1)
    clock.forward(100)
    await engine.drain()
    clock.forward(1)
    await engine.drain()
    assert len(job.ran) == 3


@pytest.mark.parametrize("known", [True, False])
async def test_a_429_holds_everybody_back(timed: SqlStore, clock: Clock, known: bool) -> None:
    job = Told(Retry("slow down", after=30, rate_limited=True))
    if known:
        await timed.ensure_dest(ROOM, 3, burst=5)
    await put(timed, *(Work("step", {"n": n}, dest=ROOM, prio=Prio.PERSON, max_attempts=1) for n in range(3)))
    engine = an_engine(timed, job, slots=1)
    await engine.drain()
    assert len(job.ran) == 1
    clock.forward(29.9)
    await engine.drain()
    assert len(job.ran) == 1
    clock.forward(0.1)
    await engine.drain()
    assert [p["n"] for p in job.payloads[:2]] == [0, 0]
    assert len(job.ran) == (2 if known else 4)
    assert (await rows(timed, "state", "attempts"))[0] == ("done", 1)


async def test_only_as_many_as_there_are_slots(store: SqlStore) -> None:
    running = 0
    most = 0
    job = Told()

    async def count(row: object) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await put(store, Work("other"))
        running -= 1

    job.fetching = count
    await put(store, *(Work("step") for _ in range(12)))
    await an_engine(store, job, slots=3).drain()
    assert most == 3


async def test_later_without_counting_uses_up_no_attempt(timed: SqlStore, clock: Clock) -> None:
    job = Told(*(Later(START, count=False) for _ in range(20)), Done())
    await put(timed, Work("step", max_attempts=1))
    await an_engine(timed, job).drain()
    assert len(job.ran) == 21
    assert await rows(timed, "state", "attempts") == [("done", 1)]


async def test_what_follows_from_presses_leaves_half_the_burst_to_the_next_press(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await timed.ensure_dest(ROOM, 4, burst=6)
    await put(timed, *(Work("step", {"card": n}, dest=ROOM, prio=Prio.TAKEN) for n in range(10)))
    engine = an_engine(timed, job)
    await engine.drain()
    assert len(job.ran) == 3
    await put(timed, *(Work("step", {"press": n}, dest=ROOM, prio=Prio.PERSON) for n in range(5)))
    await engine.drain()
    assert [p for p in job.payloads if "press" in p] == [{"press": n} for n in range(3)]


async def test_five_presses_find_a_token_each_whenever_they_come(timed: SqlStore, clock: Clock) -> None:
    gap, burst = group_pace(20)
    job = Told()
    await timed.ensure_dest(ROOM, gap, burst)
    await put(timed, *(Work("step", {"card": n}, dest=ROOM, prio=Prio.CARD) for n in range(60)))
    times = await spent(timed, clock, job, 62)
    await put(timed, *(Work("step", {"press": n}, dest=ROOM, prio=Prio.PERSON) for n in range(5)))
    await an_engine(timed, job).drain()
    assert [p for p in job.payloads if "press" in p] == [{"press": n} for n in range(5)]
    times += [62.0] * 5 + [62 + second for second in await spent(timed, clock, job, 60)]
    assert most_in_a_window(times) <= 19


@pytest.mark.parametrize("per_minute", [1, 2, 3, 5, 20, 30])
async def test_people_and_backlog_together_stay_within_the_budget(
    timed: SqlStore, clock: Clock, per_minute: int
) -> None:
    job = Told()
    await timed.ensure_dest(ROOM, *group_pace(per_minute))
    await put(timed, *(Work("step", dest=ROOM, prio=Prio.CARD) for _ in range(60)))
    later = START + timedelta(seconds=40)
    await put(timed, *(Work("step", dest=ROOM, prio=Prio.PERSON, run_at=later) for _ in range(20)))
    times = await spent(timed, clock, job, 120)
    assert most_in_a_window(times) <= per_minute


async def test_calls_without_a_row_use_up_the_budget_too(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await timed.ensure_dest(ROOM, 4)
    async with timed.write() as unit:
        await unit.spend(ROOM, 2)
        await unit.spend("nobody limited this one")
    await put(timed, Work("step", dest=ROOM))
    assert await spent(timed, clock, job, 10) == [8]


async def test_the_cosmetic_row_of_a_lane_is_overtaken_while_it_waits(timed: SqlStore, clock: Clock) -> None:
    job = Told(Retry("server away", after=60))
    await put(timed, Work("step", {"n": 1}, lane="l", prio=Prio.COSMETIC), Work("step", {"n": 2}, lane="l"))
    engine = an_engine(timed, job)
    await put(timed, Work("step", {"n": 3}, lane="l"), Work("step", {"n": 4}, lane="l", prio=Prio.COSMETIC))
    await engine.drain()
    assert job.payloads == [{"n": 2}], "a retry is in the way, cosmetic rows are not"
    clock.forward(61)
    await engine.drain()
    assert [payload["n"] for payload in job.payloads] == [2, 2, 3, 1, 4]


async def test_what_hangs_leaves_room_for_the_rest(store: SqlStore) -> None:
    hanging, over = asyncio.Event(), asyncio.Event()
    running: list[str] = []
    job = Told()

    async def hang(row: Row) -> None:
        if row.dest.startswith("slack:"):
            running.append(row.dest)
            if len(running) >= 4:
                hanging.set()
            await over.wait()

    job.fetching = hang
    engine = an_engine(store, job, slots=16, share=4)
    await put(store, *(Work("step", dest=f"slack:C{n}") for n in range(30)))
    draining = asyncio.create_task(engine.drain())
    await hanging.wait()
    await put(store, *(Work("step", {"n": n}, dest=ROOM, prio=Prio.COSMETIC) for n in range(3)))
    other = asyncio.create_task(engine.drain())
    while len([row for row in job.ran if row.dest == ROOM]) < 3:  # noqa: ASYNC110 - whatever the order they run in
        await asyncio.sleep(0.01)
    assert len(running) < 8
    over.set()
    await asyncio.gather(draining, other)
    assert len(job.ran) == 33
