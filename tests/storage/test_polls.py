"""What polls bring becomes work; what was there long before the source is told of quietly."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from desk.errors import DeskError, NeedsLogin, Retry
from desk.platform import Batch
from desk.polling import CATCHING_UP, Poll, SourceRef, store_batch
from storage.store import SqlStore
from storage.tables import work
from tests.desk.world import rules
from tests.storage.helpers import START, WHOLE, Clock, a_mention

PLAY: Any = SimpleNamespace(card=SimpleNamespace(name="google_play"))
REF = SourceRef("acme-play", "acme-coffee", PLAY)
DIRECTORY: Any = SimpleNamespace(rules=lambda brand, platform: rules())


async def quiet_before(store: SqlStore, number: int) -> str | None:
    """A poll brings one mention; before when it would have had to be published to make no case."""
    async with store.write(scope=WHOLE) as unit:
        batch = Batch([a_mention(f"r-{number}")], f"after {number}")
        await store_batch(unit, DIRECTORY, REF, batch, str(number), unit.now)
        (row,) = await unit.rows(select(work.c.payload).where(work.c.lane.endswith(f":r-{number}")))
        found: str | None = row.payload["quiet_before"]
        return found


async def test_what_was_past_its_limit_at_the_first_poll_is_quiet_in_all_that_catch_up(
    timed: SqlStore, clock: Clock
) -> None:
    limit = rules().sla.limit
    for number, passed in enumerate([timedelta(), timedelta(minutes=5), CATCHING_UP - timedelta(seconds=1)]):
        clock.now = START + passed
        assert await quiet_before(timed, number) == (START - limit).isoformat(), passed
    clock.now = START + CATCHING_UP
    assert await quiet_before(timed, 9) is None, "from now on whatever turns up is news"


async def test_a_place_added_to_a_source_that_runs_is_quiet_at_first_too(timed: SqlStore, clock: Clock) -> None:
    await quiet_before(timed, 1)
    clock.now = START + timedelta(days=30)
    async with timed.write(scope=WHOLE) as unit:
        old, new = a_mention("old-place"), a_mention("new-place")
        await store_batch(unit, DIRECTORY, REF, Batch([old, new], "", "", frozenset({new.key})), "2", unit.now)
        rows = await unit.rows(select(work.c.lane, work.c.payload))
        found = {row.lane.rpartition(":")[2]: row.payload["quiet_before"] for row in rows}
    assert found["old-place"] is None
    assert found["new-place"] == (clock.now - rules().sla.limit).isoformat()


async def told(store: SqlStore, note: str, number: int) -> int:
    """How many messages to staff there are after a poll with this note."""
    async with store.write(scope=WHOLE) as unit:
        await store_batch(unit, DIRECTORY, REF, Batch([], f"after {number}", note), str(number), unit.now)
        return len(await unit.rows(select(work.c.id).where(work.c.kind == "answer")))


async def test_a_fault_that_each_poll_meets_is_told_once_a_week(timed: SqlStore, clock: Clock) -> None:
    """START is a Sunday."""
    counted = []
    for number, passed in enumerate([timedelta(), timedelta(hours=1), timedelta(days=1), timedelta(days=7)]):
        clock.now = START + passed
        counted.append(await told(timed, "reviews.csv: row 3 has no date", number))
    assert counted == [1, 1, 2, 2]


async def test_a_note_longer_than_any_key_is_told(timed: SqlStore) -> None:
    assert await told(timed, "no date; " * 2_000, 1) == 1


async def told_of_failures(store: SqlStore, *errors: DeskError) -> list[int]:
    """How many messages to staff there are after each of these polls."""
    poll, counted = Poll(store, lambda: DIRECTORY, lambda key: REF), []
    row: Any = SimpleNamespace(payload={"source": REF.key})
    for error in errors:
        async with store.write(scope=WHOLE) as unit:
            await poll.failed(unit, row, error)
            counted.append(len(await unit.rows(select(work.c.id).where(work.c.kind == "answer"))))
    return counted


async def test_a_login_that_ends_while_a_source_fails_is_told_all_the_same(timed: SqlStore) -> None:
    away, ended = Retry("no connection"), NeedsLogin("the key was revoked")
    assert await told_of_failures(timed, away, ended, ended, away) == [0, 1, 1, 2]


async def test_a_source_that_wants_to_be_left_alone_for_long_is_told_at_once(timed: SqlStore) -> None:
    crowded = Retry("too many requests", after=3600, rate_limited=True)
    assert await told_of_failures(timed, Retry("no connection"), crowded, crowded) == [0, 1, 1]
