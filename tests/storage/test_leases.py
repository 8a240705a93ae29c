"""Who holds a row, for how long, and what happens when they fall silent."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from desk.errors import NeedsLogin, Retry, Unsure
from desk.ports import Call, Done, Unit, Verdicts
from desk.work import Prio, Row, Work
from storage import queue
from storage.claim import first_in_lane
from storage.database import StoreBusy
from storage.engine import AWAY, Engine
from storage.queue import Held, Lost
from storage.store import SqlStore, open_store
from tests.forks import context as forking
from tests.storage.helpers import (
    START,
    WHOLE,
    Clock,
    Told,
    World,
    an_engine,
    blocked,
    put,
    rows,
    stored_case,
    until,
)

LEASES = {"step": timedelta(seconds=10), "reply": timedelta(seconds=60)}


async def taken(store: SqlStore, owner: str, limit: int = 10) -> list[Held]:
    async with store.write() as unit:
        return await queue.take(unit, LEASES, owner, limit, first_in_lane())


async def test_a_row_of_a_silent_replica_is_returned_when_its_lease_is_over(timed: SqlStore, clock: Clock) -> None:
    await put(timed, Work("step"), Work("reply"))
    assert len(await taken(timed, "dead")) == 2
    clock.forward(10.1)
    async with timed.write() as unit:
        assert await queue.return_expired(unit) == 1
    assert await rows(timed, "kind", "state", "attempts", "owner") == [
        ("step", "ready", 1, ""),
        ("reply", "running", 1, "dead"),
    ]


async def test_who_lost_a_row_writes_nothing(timed: SqlStore, clock: Clock) -> None:
    world = World()
    await put(timed, Work("reply", {"text": "Sorry"}))

    async def taken_over(point: str, row: Row) -> None:
        if point == "accepted":
            clock.forward(61)
            async with timed.write() as unit:
                await queue.return_expired(unit)
            [other] = await taken(timed, "other")
            assert other.row.sending

    await an_engine(timed, effect=world, probe=taken_over).drain()
    assert (world.sent, world.recorded) == (["Sorry"], [])
    assert await rows(timed, "state", "owner", "effect_state") == [("running", "other", "sending")]


async def test_a_row_claimed_anew_by_the_same_process_is_not_the_old_claim(timed: SqlStore, clock: Clock) -> None:
    await put(timed, Work("step"))
    [first] = await taken(timed, "desk/1")
    clock.forward(11)
    async with timed.write() as unit:
        await queue.return_expired(unit)
    [second] = await taken(timed, "desk/2")
    async with timed.write() as unit:
        await queue.renew(unit, [first, second])
        await queue.own(unit, second)
        with pytest.raises(Lost):
            await queue.own(unit, first)
    assert first.since < second.since


async def test_leases_are_renewed_while_work_runs(store: SqlStore) -> None:
    job = Told()

    async def long(row: Row) -> None:
        await asyncio.sleep(1.5)

    job.fetching = long
    await put(store, Work("step"))
    engine = an_engine(store, job, scale=0.06)  # a lease of 0.6 s
    running = asyncio.create_task(engine.run())
    await until(lambda: len(job.ran) == 1)
    await engine.stop()
    await running
    assert await rows(store, "state", "attempts") == [("done", 1)]


async def test_what_may_be_out_already_goes_before_what_is_not_begun(timed: SqlStore, clock: Clock) -> None:
    """Else a card that people see waits behind a whole backlog until the desk knows its thread."""
    world = World(Unsure("cut off"))
    card = Work("reply", {"text": "a card"}, lane="case:1", prio=Prio.CARD)
    await put(timed, card)
    await an_engine(timed, effect=world).drain()
    for number, prio in enumerate((Prio.CARD, Prio.PERSON)):
        work = Work("reply", {"text": "another"}, lane=f"another:{number}", prio=prio, deadline=START)
        await put(timed, work)
    clock.forward(600)
    (first,) = await taken(timed, "next", limit=1)
    assert (first.row.payload["text"], first.row.sending) == ("a card", True)


async def test_what_is_sent_is_written_down_before_all_that_waits(
    timed: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []
    write = timed.write

    def watched(prio: int = Prio.NOW, scope: Any = None) -> Any:
        turns.append(prio)
        return write(prio, scope)

    await put(timed, Work("reply", {"text": "a digest"}, prio=Prio.DIGEST))
    monkeypatch.setattr(timed, "write", watched)
    await an_engine(timed, effect=World()).drain()
    assert turns == [Prio.PERSON, Prio.DIGEST, Prio.PERSON, Prio.PERSON], "claim, prepare, record, claim"


async def test_the_loop_wakes_for_new_work_and_for_what_comes_due(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for poll in ("POLL", "POLL_ALONE"):  # what is done was woken for, not found by the poll
        monkeypatch.setattr(f"storage.engine.{poll}", 3600.0)
    job = Told()
    engine = an_engine(store, job)
    running = asyncio.create_task(engine.run())
    await asyncio.sleep(0.05)
    await put(store, Work("step", {"n": 1}, lane="l"), Work("step", {"n": 2}, lane="l"))
    await until(lambda: len(job.ran) == 2)
    async with store.write() as unit:
        await unit.enqueue(Work("step", run_at=unit.now + timedelta(seconds=0.2)))
    await until(lambda: len(job.ran) == 3)
    await engine.stop()
    await running
    assert await rows(store, "state") == ["done"] * 3


async def test_stopping_finishes_what_is_short(store: SqlStore) -> None:
    job = Told()

    async def short(row: Row) -> None:
        await asyncio.sleep(0.2)

    job.fetching = short
    await put(store, Work("step"))
    engine = an_engine(store, job)
    running = asyncio.create_task(engine.run())
    await until(lambda: engine._tasks)
    await engine.stop(within=60)
    await running
    assert await rows(store, "state") == ["done"]


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a row is handed back is shown here, and not how fast: what is too slow for it waits for its lease."""
    for module in ("engine", "runner"):
        monkeypatch.setattr(f"storage.{module}.GIVE_BACK", 60.0)


@pytest.mark.usefixtures("unhurried")
async def test_stopping_hands_back_what_is_long(store: SqlStore) -> None:
    class Hanging(World):
        async def send(self, row: Row, call: Call) -> Any:
            self.sent.append(call.data["text"])
            await asyncio.sleep(30)

    job = Told()

    async def long(row: Row) -> None:
        await asyncio.sleep(30)

    job.fetching = long
    world = Hanging()
    await put(store, Work("step"), Work("reply", {"text": "Sorry"}))
    engine = an_engine(store, job, world)
    running = asyncio.create_task(engine.run())
    await until(lambda: world.sent)
    await engine.stop(within=0.05)
    await running
    assert await rows(store, "state", "attempts", "effect_state", "owner") == [
        ("ready", 0, None, ""),
        ("ready", 0, "sending", ""),
    ]


@pytest.mark.usefixtures("unhurried")
async def test_an_engine_that_is_cancelled_hands_back_too(store: SqlStore) -> None:
    job = Told()

    async def long(row: Row) -> None:
        await asyncio.sleep(30)

    job.fetching = long
    await put(store, Work("step"))
    engine = an_engine(store, job)
    running = asyncio.create_task(engine.run())
    await until(lambda: engine._tasks)
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await rows(store, "state", "owner") == [("ready", "")]


async def test_an_effect_that_kills_its_process_ends_before_people(timed: SqlStore, clock: Clock) -> None:
    world = World()
    await put(timed, Work("reply", {"text": "Sorry"}, max_attempts=2))
    for _ in range(2):
        await taken(timed, "dead")
        clock.forward(61)
        async with timed.write() as unit:
            await queue.return_expired(unit)
    await an_engine(timed, effect=world).drain()
    assert world.sent == []
    assert await rows(timed, "state", "last_error") == [("parked", "none of 2 attempts came to an end")]


# SQLite


async def test_at_start_every_lease_in_the_file_is_void(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    await put(store, Work("step"), Work("reply"))
    held = await taken(store, "dead")
    async with store.write() as unit:
        await queue.journal(unit, held[1], None)
    await store.close()
    store = await open_store(sqlite_url)
    assert await rows(store, "state", "effect_state") == [("ready", None), ("ready", "sending")]
    await store.close()


def _open_and_say(url: str, answer: Any) -> None:
    async def attempt() -> None:
        await (await open_store(url)).close()

    try:
        asyncio.run(attempt())
        answer.put("opened")
    except StoreBusy as error:
        answer.put(str(error))


@pytest.mark.xdist_group("forks")
async def test_a_second_process_on_the_file_is_told_who_has_it(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    context = forking()
    answer = context.Queue()
    for expected in (f"in use by another desk (process {os.getpid()})", "opened"):
        process = context.Process(target=_open_and_say, args=(sqlite_url, answer))
        process.start()
        said = await asyncio.to_thread(answer.get, timeout=20)
        process.join()
        assert expected in said
        await store.close()
    answer.close()
    answer.join_thread()


async def test_a_command_may_read_beside_a_running_desk(store_url: str) -> None:
    desk = await open_store(store_url)
    case = await stored_case(desk)
    beside = await open_store(store_url, reading=True)
    async with beside.read(WHOLE) as reader:
        assert await reader.case(case.id) == case
    with pytest.raises(RuntimeError, match="reading"):
        async with beside.write():
            pass
    await beside.close()
    await desk.close()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("sqlite:///x.db", ValueError),
        ("mysql://x", ValueError),
        ("sqlite+aiosqlite://", ValueError),
    ],
)
async def test_other_databases_are_refused(url: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"SQLite|starts with"):
        await open_store(url)


# PostgreSQL


@pytest.mark.integration
async def test_two_desks_share_the_work_and_keep_every_lane(postgres_url: str) -> None:
    stores = [await open_store(postgres_url) for _ in range(2)]
    seen: list[tuple[int, int]] = []

    class Noting(Told):
        async def apply(self, unit: Unit, row: Row, fetched: Any) -> Verdicts:
            seen.append((row.payload["lane"], row.payload["n"]))
            return Done()

    engines = [Engine(store, {"step": Noting()}, {}) for store in stores]
    for n in range(10):
        await put(stores[n % 2], *(Work("step", {"lane": lane, "n": n}, lane=f"case:{lane}") for lane in range(10)))
    running = [asyncio.create_task(engine.run()) for engine in engines]
    await until(lambda: len(seen) == 100)
    for engine in engines:
        await engine.stop()
    await asyncio.gather(*running)
    for lane in range(10):
        assert [n for at, n in seen if at == lane] == list(range(10))
    owners = await rows(stores[0], "state", "attempts")
    assert set(owners) == {("done", 1)}
    for store in stores:
        await store.close()


@pytest.mark.integration
async def test_two_desks_share_one_rate(postgres_url: str) -> None:
    clock = Clock()
    stores = [await open_store(postgres_url, clock=clock) for _ in range(2)]
    job = Told()
    engines = [an_engine(store, job) for store in stores]
    await stores[0].ensure_dest("room", 10, burst=3)
    await put(stores[0], *(Work("step", {"n": n}, dest="room", prio=0) for n in range(20)))
    await asyncio.gather(*(engine.drain() for engine in engines))
    assert len(job.ran) == 3
    for _ in range(5):
        clock.forward(10)
        await asyncio.gather(*(engine.drain() for engine in engines))
    assert len(job.ran) == 8
    for store in stores:
        await store.close()


async def test_a_faulty_address_does_not_tell_its_password() -> None:
    with pytest.raises(ValueError, match="not mysql://") as caught:
        await open_store("mysql://desk:hunter2@host/desk")
    assert "hunter2" not in str(caught.value)


@pytest.mark.integration
async def test_another_desks_commit_wakes_this_one(postgres_url: str) -> None:
    woken = asyncio.Event()
    here, there = await open_store(postgres_url, on_commit=woken.set), await open_store(postgres_url)
    await asyncio.wait_for(woken.wait(), 60)  # once when it begins to listen
    woken.clear()
    assert await rows(here, "id") == []
    await put(there, Work("step"))
    await asyncio.wait_for(woken.wait(), 60)
    assert len(await rows(here, "id")) == 1, "and what it was woken for is there"
    await here.close()
    await there.close()


@pytest.mark.integration
async def test_a_cut_connection_is_made_anew(postgres_url: str) -> None:
    woken = asyncio.Event()
    here, there = await open_store(postgres_url, on_commit=woken.set), await open_store(postgres_url)
    await asyncio.wait_for(woken.wait(), 60)
    woken.clear()  # before the cut: a new connection, which wakes once, may be there before the cut is committed
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
    async with there.write() as unit:
        await unit.db.execute(text(others + "current_database()"))
    await asyncio.wait_for(woken.wait(), 60)
    woken.clear()
    await put(there, Work("step"))
    await asyncio.wait_for(woken.wait(), 60)
    await put(here, Work("step"))
    assert len(await rows(here, "id")) == 2
    await here.close()
    await there.close()


@pytest.mark.integration
async def test_a_transaction_begins_anew_on_a_connection_that_was_cut_off(postgres_url: str) -> None:
    """No ping is sent before each: the pool's connections are found to be lost by the first statement of the next."""
    store, other = await open_store(postgres_url), await open_store(postgres_url)
    await asyncio.gather(*(put(store, Work("step")) for _ in range(4)))
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
    async with other.write() as unit:
        await unit.db.execute(text(others + "current_database()"))
    await asyncio.gather(*(put(store, Work("step")) for _ in range(4)))
    assert len(await rows(store, "id")) == 8
    await store.close()
    await other.close()


@pytest.mark.integration
async def test_one_that_is_cut_off_later_is_not_repeated(postgres_url: str) -> None:
    store, other = await open_store(postgres_url), await open_store(postgres_url)
    begun = 0

    async def cut_off() -> None:
        nonlocal begun
        async with store.write() as unit:
            begun += 1
            async with other.write() as another:
                cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                await another.db.execute(text(cut + " AND datname = current_database()"))
            await unit.enqueue(Work("step"))

    with pytest.raises(AWAY):
        await cut_off()
    assert begun == 1
    assert await rows(store, "id") == []
    await store.close()
    await other.close()


@pytest.mark.integration
async def test_a_replica_is_not_told_of_its_own_work_and_of_many_rows_once(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.TOLD_AFTER", 1.0)  # time for all five, on a slow machine too
    own: list[int] = []
    others: list[int] = []
    here = await open_store(postgres_url, on_commit=lambda: own.append(1))
    there = await open_store(postgres_url, on_commit=lambda: others.append(1))
    await until(lambda: own and others)
    own.clear()
    others.clear()
    for _ in range(5):
        await put(here, Work("step"))
    await until(lambda: others)
    await asyncio.sleep(0.1)
    assert len(own) == 5, "by each commit, and not once more by the database"
    assert len(others) < 5
    await here.close()
    await there.close()


@pytest.mark.integration
async def test_a_statement_without_an_answer_is_given_up(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.database.ANSWERED", 4.0)  # as much as the other statements need where it is slow
    store = await open_store(postgres_url)
    with pytest.raises(AWAY):
        async with store.write() as unit:
            await unit.db.execute(text("SELECT pg_sleep(60)"))
    assert await rows(store, "id") == []
    await store.close()


@pytest.mark.integration
async def test_of_two_changes_that_wait_for_each_other_one_is_to_be_repeated(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    one, two = await stored_case(store, external_id="1"), await stored_case(store, external_id="2")
    both = asyncio.Barrier(2)

    async def change(first: int, second: int) -> str:
        try:
            async with store.write(scope=WHOLE) as unit:
                await unit.db.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
                await unit.case(first)
                await both.wait()
                await unit.case(second)
        except Retry:
            return "repeat"
        return "done"

    assert sorted(await asyncio.gather(change(one.id, two.id), change(two.id, one.id))) == ["done", "repeat"]
    await store.close()


@pytest.mark.integration
async def test_a_crowded_room_is_held_after_the_row_that_waits_to_be_merged(postgres_url: str) -> None:
    """As the claim takes them: the other way round each would wait for the other."""
    store, world = await open_store(postgres_url), World(Retry("slow down", after=1, rate_limited=True), happens=False)
    await store.ensure_dest("room", 0.0)
    alarm = Work("reply", {"text": "late"}, dest="room", merge_key="alarm:room")
    await put(store, alarm)
    [held] = await taken(store, "me", 1)
    await put(store, alarm)
    failing = asyncio.create_task(an_engine(store, effect=world).run_row(held))
    async with store.write(Prio.PERSON) as unit:
        await unit.db.execute(text("SELECT id FROM work WHERE state = 'ready' FOR UPDATE"))
        await blocked(store)
        await unit.db.execute(text("SELECT name FROM dest FOR UPDATE NOWAIT"))
    await failing
    assert await rows(store, "state") == ["ready", "cancelled"]
    await store.close()


@pytest.mark.integration
async def test_a_claim_that_is_given_up_for_another_change_ends_no_engine(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim takes rows of work and then their rooms; something takes them the other way round."""
    store, job = await open_store(postgres_url), Told()
    pay, rows_taken = queue._pay, asyncio.Event()

    async def crossing(unit: Any, rows: Any) -> set[int]:
        if not rows_taken.is_set():
            rows_taken.set()
            await blocked(store)
            await unit.db.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
        return await pay(unit, rows)

    monkeypatch.setattr(queue, "_pay", crossing)
    await store.ensure_dest("room", 0.0)
    await put(store, Work("step", dest="room"))
    async with store.write(Prio.CARD) as unit:
        await unit.db.execute(text("SET LOCAL deadlock_timeout = '1min'"))  # it is the claim that is given up
        await queue.hold_dest(unit, "room", 0.0)
        running = asyncio.create_task((engine := an_engine(store, job)).run())
        await rows_taken.wait()
        await unit.db.execute(text("SELECT id FROM work FOR UPDATE"))
    await until(lambda: job.ran or running.done())
    assert not running.done(), "the whole desk would end with it"
    await engine.stop()
    await store.close()


async def test_leases_that_are_not_renewed_for_another_change_are_renewed_at_the_next_turn(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And until then the fence knows that they are not."""
    turns: list[float] = []
    job, over = Told(), asyncio.Event()

    async def crossing(unit: Any) -> int:
        known = len(turns)
        turns.extend(held.since for held in engine._tasks.values())  # none until the claim, which may be slow, is over
        if (known, len(turns)) == (0, 1):
            raise Retry("two changes crossed each other", after=0)
        return 0

    async def long(row: Row) -> None:
        await over.wait()

    monkeypatch.setattr(queue, "return_expired", crossing)
    job.fetching = long
    await put(store, Work("step"))
    engine = an_engine(store, job, scale=0.1)
    running = asyncio.create_task(engine.run())
    await until(lambda: len(turns) > 2 or running.done())
    assert not running.done()
    assert turns[0] == turns[1] < turns[2]
    over.set()
    await engine.stop()


@pytest.mark.integration
async def test_leases_follow_the_databases_clock(postgres_url: str) -> None:
    store = await open_store(postgres_url)
    async with store.write() as unit:
        begun, later = (await unit.db.execute(text("SELECT now(), clock_timestamp()"))).one()
        assert begun <= unit.now <= later
        assert unit.now.tzinfo is not None
    await store.close()


# Tokens


async def test_tokens_are_kept_encrypted(store: SqlStore, store_url: str) -> None:
    assert await store.get_token("slack") is None
    await store.set_token("slack", {"refresh": "xoxe-1"})
    await store.set_token("slack", {"refresh": "xoxe-2"})
    assert await store.get_token("slack") == {"refresh": "xoxe-2"}
    async with store.write() as unit:
        [secret] = await unit.rows(text("SELECT secret FROM tokens"))
    assert b"xoxe" not in bytes(secret[0])
    beside = await open_store(store_url, secret_key="another", reading=True)
    with pytest.raises(NeedsLogin):
        await beside.get_token("slack")
    await beside.close()
    keyless = await open_store(store_url, reading=True)
    with pytest.raises(ValueError, match="secret_key"):
        await keyless.get_token("slack")
    await keyless.close()
