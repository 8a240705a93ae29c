"""Jobs: repeated harmlessly, counted once in the database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from desk.errors import DeskError, Retry
from desk.ports import Done, Drop, Later, Park, SourceStatus, Unit, Verdicts
from desk.work import Row, Work
from storage.claim import first_in_lane
from storage.queue import return_expired, take
from storage.runner import LONGEST_BACKOFF, backoff
from storage.store import SqlStore
from tests.storage.helpers import START, Clock, Told, an_engine, put, rows

LEASE = timedelta(seconds=10)


class Writer(Told):
    """Writes, and then does what it was told."""

    async def apply(self, unit: Unit, row: Row, fetched: object) -> Verdicts:
        status = await unit.source("s")
        await unit.set_source(SourceStatus("s", failures=status.failures + 1))
        return await super().apply(unit, row, fetched)


async def written(store: SqlStore) -> int:
    async with store.read() as reader:
        return sum(status.failures for status in await reader.sources())


async def test_what_a_job_writes_commits_with_its_row(store: SqlStore) -> None:
    await put(store, Work("step"))
    await an_engine(store, Writer()).drain()
    assert await written(store) == 1
    assert await rows(store, "state", "owner", "lease_until") == [("done", "", None)]


@pytest.mark.parametrize("error", [ValueError("a bug"), DeskError("no"), Retry("later")])
async def test_what_a_failed_job_wrote_is_undone(timed: SqlStore, clock: Clock, error: Exception) -> None:
    job = Writer(error)
    await put(timed, Work("step"))
    engine = an_engine(timed, job)
    await engine.drain()
    assert await written(timed) == 0
    assert job.failures == [error]
    assert await rows(timed, "state", "run_at", "last_error") == [("ready", START + timedelta(seconds=1), str(error))]
    clock.forward(1)
    await engine.drain()
    assert await written(timed) == 1


async def test_a_failed_fetch_is_tried_again_when_the_other_side_says(timed: SqlStore, clock: Clock) -> None:
    job = Told()

    async def away(row: Row) -> None:
        raise Retry("maintenance", after=3600)

    job.fetching = away
    await put(timed, Work("step"))
    await an_engine(timed, job).drain()
    assert await rows(timed, "state", "run_at", "attempts") == [("ready", START + timedelta(hours=1), 1)]


async def test_what_was_wrong_is_not_kept_once_the_work_is_done(timed: SqlStore, clock: Clock) -> None:
    """A platform's words may name people, and no lane leads to such a row when they are to be erased."""
    await put(timed, Work("step"))
    engine = an_engine(timed, Told(Retry("the comment of user_9 is not there")))
    await engine.drain()
    clock.forward(1)
    await engine.drain()
    assert await rows(timed, "state", "last_error") == [("done", "")]


async def test_after_its_attempts_a_job_is_tried_now_and_then_and_not_lost(timed: SqlStore, clock: Clock) -> None:
    job = Told(*(Retry(f"away {n}") for n in range(5)))
    await put(timed, Work("step", max_attempts=3, lane="l"), Work("step", lane="l"))
    engine = an_engine(timed, job, backoff=lambda attempt: min(LONGEST_BACKOFF, 2.0**attempt))
    for _ in range(10):
        await engine.drain()
        clock.forward(60)
    assert await rows(timed, "state", "last_error") == [("ready", "away 2"), ("ready", "")]
    assert [(one.kind, one.tired) for one in await engine.tired()] == [("step", 1)]
    for _ in range(3):
        clock.forward(2 * LONGEST_BACKOFF)
        await engine.drain()
    assert await rows(timed, "state") == ["done", "done"]
    assert await engine.tired() == []


async def test_a_job_whose_process_dies_each_time_is_tried_now_and_then(timed: SqlStore, clock: Clock) -> None:
    """The others that were claimed with it when it died are done at last."""
    await put(timed, Work("step", max_attempts=3), Work("step"))
    for _ in range(3):
        async with timed.write() as unit:
            await take(unit, {"step": LEASE}, "a process that dies", 1, first_in_lane())
        clock.forward(LEASE.total_seconds() + 1)
        async with timed.write() as unit:
            await return_expired(unit)
    job = Told()
    engine = an_engine(timed, job, backoff=lambda attempt: min(LONGEST_BACKOFF, 2.0**attempt))
    await engine.drain()
    assert len(job.ran) == 1, "it was not run: it may be what kills"
    clock.forward(2 * LONGEST_BACKOFF)
    await engine.drain()
    assert len(job.ran) == 2, "then once more"


@pytest.mark.parametrize(
    ("verdict", "state"),
    [(Done(), "done"), (Drop("why"), "cancelled"), (Park("look"), "parked"), (Later(START), "ready")],
)
async def test_a_job_may_say_what_its_failure_means(timed: SqlStore, verdict: Verdicts, state: str) -> None:
    job = Told(DeskError("no"), failing=verdict)
    await put(timed, Work("step", run_at=START - timedelta(days=1)))
    engine = an_engine(timed, job, slots=1)
    await engine._claim_pass()
    [task] = engine._tasks
    await task
    assert await rows(timed, "state") == [state]


async def test_a_failure_nobody_can_handle_backs_off(timed: SqlStore) -> None:
    class Hopeless(Told):
        async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
            raise ValueError("a bug in failed")

    await put(timed, Work("step"))
    await an_engine(timed, Hopeless(DeskError("no"))).drain()
    assert await rows(timed, "state", "last_error") == [("ready", "a bug in failed")]


async def test_each_verdict_is_told_with_its_time(store: SqlStore) -> None:
    told = []
    await put(store, Work("step"), Work("step"))
    engine = an_engine(store, Told(Done(), Drop()), slots=1, settled=lambda *what: told.append(what))
    await engine.drain()
    assert [(row.id, verdict) for row, verdict, _ in told] == [(1, Done()), (2, Drop())]
    assert all(seconds > 0 for _, _, seconds in told)


def test_backing_off_doubles_up_to_ten_minutes() -> None:
    for attempt, middle in ((1, 1), (2, 2), (5, 16), (30, 600)):
        assert {middle * 0.75 <= backoff(attempt) <= middle * 1.25 for _ in range(50)} == {True}


async def test_the_probe_sees_each_point_of_a_job(store: SqlStore) -> None:
    points = []

    async def probe(point: str, row: Row) -> None:
        points.append(point)

    await put(store, Work("step"))
    await an_engine(store, Told(), probe=probe).drain()
    assert points == ["claimed", "before_done"]
