"""Work as the domain writes it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from desk.ports import Later
from desk.work import Prio, Work
from storage.store import SqlStore
from tests.storage.helpers import START, Clock, Told, an_engine, put, rows

SOON = START + timedelta(minutes=1)


async def test_the_same_idem_is_inserted_once(store: SqlStore) -> None:
    await put(store, Work("step", {"n": 1}, idem="event:1"), Work("step", {"n": 2}, idem="event:1"))
    await put(store, Work("step", {"n": 3}, idem="event:1"), Work("step", {"n": 4}), Work("step", {"n": 5}))
    assert await rows(store, "payload") == [{"n": 1}, {"n": 4}, {"n": 5}]


async def test_work_of_a_failed_transaction_never_was(store: SqlStore) -> None:
    async def fail() -> None:
        async with store.write() as unit:
            await unit.enqueue(Work("step", idem="event:1"))
            assert await unit.once("event:1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.write() as unit:
        assert await unit.once("event:1")
    assert await rows(store, "id") == []


async def test_kept_work_merges_into_what_waits(timed: SqlStore) -> None:
    def card(n: int, prio: int, run_at: timedelta) -> Work:
        late = START + timedelta(hours=n)
        return Work("draw", {"n": n}, merge_key="card:7", prio=prio, run_at=START + run_at, deadline=late)

    await put(timed, card(3, Prio.CARD, timedelta(minutes=5)), card(2, Prio.PERSON, timedelta(minutes=9)))
    await put(timed, card(4, Prio.COSMETIC, timedelta(minutes=1)))
    assert await rows(timed, "payload", "prio", "run_at", "deadline") == [
        ({"n": 3}, Prio.PERSON, SOON, START + timedelta(hours=2))
    ]


LATER = START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("prio", "run_at"),
    [(Prio.DIGEST, LATER), (Prio.COSMETIC, LATER), (Prio.CARD, LATER), (Prio.ALARM, START), (Prio.PERSON, START)],
)
async def test_what_the_other_side_put_off_is_hastened_only_by_what_somebody_waits_for(
    timed: SqlStore, prio: int, run_at: datetime
) -> None:
    """A source that says when to come back would else be asked at its next turn, and block the desk for it."""
    poll = Work("step", lane="poll:acme", merge_key="poll:acme", prio=prio)
    await put(timed, poll)
    await an_engine(timed, Told(Later(LATER, "429", count=False))).drain()
    await put(timed, poll)
    assert await rows(timed, "state", "run_at") == [("ready", run_at)]


async def test_who_asks_to_be_left_alone_for_longer_is_asked_again_all_the_same(timed: SqlStore) -> None:
    poll = Work("step", lane="poll:acme", merge_key="poll:acme", prio=Prio.DIGEST)
    await put(timed, poll)
    await an_engine(timed, Told(Later(LATER + timedelta(minutes=1), "429", count=False))).drain()
    await put(timed, poll)
    assert await rows(timed, "run_at") == [START]


async def test_what_comes_together_keeps_its_order_and_merges_where_it_must(store: SqlStore) -> None:
    """One statement for all of it: a lane's order is that of its rows."""

    def talk(n: int, merge_key: str | None = None, idem: str | None = None) -> Work:
        return Work("step", {"items": [n]}, lane="case:7", idem=idem, merge_key=merge_key, merge="extend")

    await put(store, talk(0, "card:7"), talk(1, idem="event:1"))
    await put(store, talk(2), talk(3, "card:7"), talk(4, idem="event:1"), talk(5, "v1"), talk(6), talk(7, "v1"))
    assert await rows(store, "payload") == [{"items": n} for n in ([0, 3], [1], [2], [5, 7], [6])]


async def test_work_whose_idem_alone_is_known_ends_in_an_error_and_not_in_waiting(store: SqlStore) -> None:
    """No row waits to be merged into, and none can be put in: who forgot an idem too early is to hear of it."""
    await put(store, Work("step", idem="event:1"))
    with pytest.raises(IntegrityError):
        async with asyncio.timeout(60):
            await put(store, Work("step", idem="event:1", merge_key="card:7"))


async def test_of_two_pieces_with_one_key_the_known_one_is_not_taken_for_the_new_one(store: SqlStore) -> None:
    await put(store, Work("step", {"items": [0]}, idem="event:1"))
    known = Work("step", {"items": [1]}, idem="event:1", merge_key="card:7", merge="extend")
    await put(store, known, Work("step", {"items": [2]}, merge_key="card:7", merge="extend"))
    assert await rows(store, "payload") == [{"items": [0]}, {"items": [2, 1]}], "merged once, and not with itself"


async def test_extended_work_gathers_items(store: SqlStore) -> None:
    for n in range(3):
        await put(store, Work("alarm", {"room": "r", "items": [n]}, merge_key="alarm:r", merge="extend"))
    assert await rows(store, "payload") == [{"room": "r", "items": [0, 1, 2]}]


async def test_a_repeated_event_is_not_merged_twice(store: SqlStore) -> None:
    for _ in range(2):
        await put(store, Work("alarm", {"items": [1]}, merge_key="alarm:r", merge="extend"))
        await put(store, Work("alarm", {"items": [2]}, idem="two", merge_key="alarm:r", merge="extend"))
    assert await rows(store, "payload") == [{"items": [1, 2, 1]}]


async def test_many_at_once_make_one_row_and_lose_nothing(store: SqlStore) -> None:
    same = [Work("alarm", {"items": [n]}, merge_key="alarm:r", merge="extend") for n in range(20)]
    await asyncio.gather(*(put(store, item) for item in same))
    [payload] = await rows(store, "payload")
    assert sorted(payload["items"]) == list(range(20))


async def test_merging_never_loses_to_a_claim_at_the_same_moment(store: SqlStore) -> None:
    job = Told()
    engine = an_engine(store, job)
    for n in range(15):
        item = Work("step", {"items": [n]}, merge_key="k", merge="extend")
        await asyncio.gather(put(store, item), engine.drain(), put(store, item))
    await engine.drain()
    seen = [item for payload in job.payloads for item in payload["items"]]
    assert sorted(seen) == sorted([*range(15), *range(15)])


async def test_work_that_comes_while_it_runs_waits_its_turn(store: SqlStore) -> None:
    job = Told()

    async def meanwhile(row: object) -> None:
        if not job.ran:
            await put(store, Work("step", {"n": 2}, merge_key="card:7"))

    job.fetching = meanwhile
    await put(store, Work("step", {"n": 1}, merge_key="card:7"))
    await an_engine(store, job).drain()
    assert job.payloads == [{"n": 1}, {"n": 2}]


async def test_cancel_takes_the_ready_rows_of_its_group(timed: SqlStore) -> None:
    await put(timed, *(Work("warn", {"n": n}, group="clock:7:1", run_at=SOON) for n in range(2)))
    await put(timed, Work("warn", {"n": 2}, group="clock:8:1"), Work("warn", {"n": 3}))
    async with timed.write() as unit:
        assert await unit.cancel("clock:7:1") == 2
        assert await unit.cancel("") == 0
    assert await rows(timed, "state") == ["cancelled", "cancelled", "ready", "ready"]


async def test_hasten_brings_forward_and_never_back(timed: SqlStore, clock: Clock) -> None:
    await put(timed, Work("warn", group="g", run_at=SOON, prio=Prio.ALARM))
    await put(timed, Work("warn", group="g", run_at=SOON + timedelta(hours=1), prio=Prio.DIGEST))
    async with timed.write() as unit:
        assert await unit.hasten(["g"], prio=Prio.CARD) == 2
        assert await unit.hasten(["g"], run_at=SOON) == 2
    assert await rows(timed, "prio", "run_at") == [(Prio.ALARM, SOON), (Prio.CARD, SOON)]


async def test_once_is_true_once(store: SqlStore) -> None:
    async def see() -> bool:
        async with store.write() as unit:
            first = await unit.once("callback:5")
            if first:
                await asyncio.sleep(0.01)
                await unit.remember("callback:5", {"said": "approved"})
            else:
                assert await unit.recall("callback:5") == {"said": "approved"}
            return first

    assert sorted(await asyncio.gather(*(see() for _ in range(5)))) == [False] * 4 + [True]
    async with store.write() as unit:
        assert await unit.recall("callback:6") is None


async def test_seen_ids_are_forgotten_when_old(timed: SqlStore, clock: Clock) -> None:
    async with timed.write() as unit:
        await unit.once("old")
    clock.forward(7200)
    async with timed.write() as unit:
        await unit.once("new")
    assert await timed.forget_seen(timedelta(hours=1)) == 1
    async with timed.write() as unit:
        assert await unit.once("old")
        assert not await unit.once("new")


async def test_finished_work_moves_to_history_and_frees_its_idem(timed: SqlStore, clock: Clock) -> None:
    job = Told()
    await put(timed, Work("step", idem="a"), Work("step", idem="b", run_at=START + timedelta(hours=2)))
    await an_engine(timed, job).drain()
    clock.forward(3 * 3600)
    await put(timed, Work("step", idem="a"))
    assert await rows(timed, "idem", "state") == [("a", "done"), ("b", "ready")]
    assert await timed.archive(timedelta(hours=1)) == 1
    await put(timed, Work("step", idem="a"))
    assert await rows(timed, "idem", "state") == [("b", "ready"), ("a", "ready")]
