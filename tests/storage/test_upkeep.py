from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from desk.ports import Place, Post, Screenshot, SourceStatus
from desk.work import Work
from storage import upkeep
from storage.migrations import SchemaNewer
from storage.store import SqlStore, open_store
from storage.upkeep import backup, faults
from tests.storage.helpers import START, WHOLE, put, rows, stored_case, until
from tests.storage.test_cases import busy


async def fill(url: str) -> None:
    store = await open_store(url, secret_key="s")
    case = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        await unit.save(busy(await unit.case(case.id)), [])
        await unit.once("seen")
        for n in range(12):
            await unit.put_screenshot(case.id, Screenshot("https://a.example", bytes([n]) * 9, f"{n:064x}"))
        await unit.set_source(SourceStatus("acme-play", "cursor", START))
    await store.set_token("slack", {"token": "x"})
    await put(store, Work("step", {"n": 1}, idem="i", run_at=START), Work("step", {"n": 2}, merge_key="m"))
    await store.close()


async def everything(store: SqlStore) -> tuple[object, ...]:
    async with store.write(scope=WHOLE) as unit:
        case = await unit.case(1)
        source = await unit.source("acme-play")
    return replace(case, lock=0), source, await store.get_token("slack"), await rows(store, "id", "payload", "run_at")


async def test_a_backup_is_whole_while_the_desk_runs(sqlite_url: str, tmp_path: Path) -> None:
    await fill(sqlite_url)
    desk = await open_store(sqlite_url, secret_key="s")
    async with desk.write() as unit:
        await unit.once("uncommitted")
        await backup(sqlite_url, tmp_path / "backup.db")
    with pytest.raises(FileExistsError):
        await backup(sqlite_url, tmp_path / "backup.db")
    copied = await open_store(f"sqlite+aiosqlite:///{tmp_path / 'backup.db'}", secret_key="s")
    assert await everything(copied) == await everything(desk)
    async with copied.write() as unit:
        assert not await unit.once("seen")
        assert await unit.once("uncommitted")
    await copied.close()
    await desk.close()


async def test_a_backup_comes_to_its_end_however_much_is_written_meanwhile(sqlite_url: str, tmp_path: Path) -> None:
    """Without a snapshot of its own it would begin anew with each commit."""
    store = await open_store(sqlite_url)
    async with store.write() as unit:
        await unit.enqueue(*(Work("step", {"n": "x" * 2000}, idem=str(n)) for n in range(500)))
    database = Path(store.database.url.database or "")
    writer = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    reports: list[tuple[int, int]] = []

    def written(copied: int, pages: int) -> None:
        reports.append((copied, pages))
        assert len(reports) < 1000
        writer.execute("UPDATE work SET last_error = last_error || 'x' WHERE id = 1")

    upkeep.PAGES, pages = 10, upkeep.PAGES
    try:
        await backup(sqlite_url, tmp_path / "backup.db", written)
    finally:
        upkeep.PAGES = pages
        writer.close()
        await store.close()
    assert [copied for copied, _ in reports] == sorted({copied for copied, _ in reports})
    assert reports[-1][0] == reports[-1][1]
    assert len(reports) > 10
    assert await faults(f"sqlite+aiosqlite:///{tmp_path / 'backup.db'}") == []
    assert (tmp_path / "backup.db").stat().st_mode & 0o077 == 0, "it holds what the desk knows about people"


async def test_a_backup_that_fails_leaves_nothing_behind(sqlite_url: str, tmp_path: Path) -> None:
    def full(copied: int, pages: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(OSError, match="could not be made: database or disk is full"):
        await backup(sqlite_url, tmp_path / "backup.db", full)
    assert not list(tmp_path.glob("backup*"))


@pytest.mark.integration
async def test_a_postgres_desk_is_backed_up_by_its_own_means(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pg_dump --format=custom") as told:
        await backup("postgresql+asyncpg://desk:hush@db.example:5433/desk", tmp_path / "b.dump")
    assert str(told.value).endswith(f"--file={tmp_path / 'b.dump'} postgresql://desk@db.example:5433/desk")


async def test_a_sound_store_has_no_faults(store: SqlStore, store_url: str) -> None:
    case = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        await unit.save(busy(await unit.case(case.id)), [])
    assert await faults(store_url) == []


async def test_a_case_without_its_mention_is_a_fault(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    await stored_case(store)
    await _unguarded(store, "DELETE FROM mentions")
    await store.close()
    assert "cases 1 refers to a row of mentions that is not there" in await faults(sqlite_url)


async def _unguarded(store: SqlStore, statement: str) -> None:
    async with store.database.writer.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.executescript(f"PRAGMA foreign_keys=OFF; {statement}; PRAGMA foreign_keys=ON")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE mentions SET case_id = 77", "1 mentions whose case is not there: 1"),
        ("DELETE FROM rounds WHERE n > 0", "1 cases without a round: 1"),
        ("UPDATE approvals SET version = version + 8", "2 approvals of a version that is not there: 1"),
        ("UPDATE replies SET round = 9", "2 replies of a round that is not there: 1"),
        ("DELETE FROM places", "1 messages of a side that has no place: 1"),
    ],
)
async def test_what_no_foreign_key_watches_over_is_checked(
    store: SqlStore, store_url: str, change: str, fault: str
) -> None:
    case = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        await unit.save(busy(await unit.case(case.id)), [])
        await unit.set_place(Place(case.id, "staff", "telegram:-1", "7"))
        await unit.set_post(Post(case.id, "staff", "card", "telegram:-1", "8"))
    assert await faults(store_url) == []
    async with store.write() as unit:
        await unit.db.execute(text(change))
    assert fault in await faults(store_url)


async def test_a_schema_of_another_version_is_named_with_the_way_on(store: SqlStore, store_url: str) -> None:
    for revision, says in (("0001", "run `replydesk db upgrade`"), ("9999", "is of a newer Replydesk")):
        async with store.write() as unit:
            await unit.db.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
        [fault] = await faults(store_url)
        assert says in fault


async def test_a_desk_does_not_start_on_the_schema_of_a_newer_one(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    async with store.write() as unit:
        await unit.db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await store.close()
    with pytest.raises(SchemaNewer, match="9999"):
        await open_store(sqlite_url)


async def test_a_store_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await faults(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}")
    assert not list(tmp_path.iterdir())


HERE = "(SELECT oid FROM pg_database WHERE datname = current_database())"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody loses a turn because the machine stood still for a moment."""
    monkeypatch.setattr("storage.database.SILENT", 600.0)


@pytest.mark.integration
@pytest.mark.usefixtures("patient")
async def test_one_replica_at_a_time_is_inside(postgres_url: str) -> None:
    stores = [await open_store(postgres_url) for _ in range(2)]
    inside: list[str] = []

    async def poll(store: SqlStore, name: str) -> None:
        async with store.alone("telegram") as lost:
            inside.append(name)
            await lost.wait()
            inside.append(f"{name} lost")

    first = asyncio.create_task(poll(stores[0], "a"))
    await until(lambda: inside)
    second = asyncio.create_task(poll(stores[1], "b"))
    await asyncio.sleep(0.1)
    assert inside == ["a"]
    async with stores[0].write() as unit:
        holders = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = {HERE}"
        await unit.db.execute(text(holders))
    await until(lambda: "b" in inside)
    await first
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    # The lock is free a moment before its holder can know that the connection is gone.
    assert sorted(inside) == ["a", "a lost", "b"]
    for store in stores:
        await store.close()


@pytest.mark.integration
@pytest.mark.usefixtures("patient")
async def test_who_waits_for_a_turn_goes_on_waiting_when_the_connection_is_lost(
    postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    holder, waiter = [await open_store(postgres_url) for _ in range(2)]
    inside = asyncio.Event()

    async def wait() -> None:
        async with waiter.alone("telegram"):
            inside.set()

    async with holder.alone("telegram") as lost:
        waiting = asyncio.create_task(wait())
        tries = "datname = current_database() AND query LIKE '%pg_try_advisory_lock%' AND pid <> pg_backend_pid()"
        free = "NOT EXISTS (SELECT FROM pg_locks WHERE pg_locks.pid = a.pid AND locktype = 'advisory')"
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity a WHERE {tries} AND {free}"

        async def cut() -> bool:
            async with holder.write() as unit:
                return bool(await unit.rows(text(ended)))

        async with asyncio.timeout(30):
            while not await cut():  # noqa: ASYNC110 - it is PostgreSQL that has to see it
                await asyncio.sleep(0.05)
        await until(lambda: "the turn at telegram could not be asked for" in caplog.text)
        assert not lost.is_set()
        assert not inside.is_set()
    await asyncio.wait_for(inside.wait(), 30)
    await waiting
    for store in (holder, waiter):
        await store.close()


async def test_alone_on_sqlite_is_at_once(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    async with store.alone("telegram") as lost:
        assert not lost.is_set()
    await store.close()
