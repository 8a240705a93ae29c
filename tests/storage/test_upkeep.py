from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from desk.ports import SourceStatus
from desk.work import Work
from storage.store import SqlStore, open_store
from storage.upkeep import backup, copy, faults
from tests.storage.helpers import START, put, rows, stored_case, until
from tests.storage.test_cases import busy


async def fill(url: str) -> None:
    store = await open_store(url, secret_key="s")
    case = await stored_case(store)
    async with store.write() as unit:
        await unit.save(busy(await unit.case(case.id)), [])
        await unit.once("seen")
        await unit.set_source(SourceStatus("acme-play", "cursor", START))
    await store.set_token("slack", {"token": "x"})
    await put(store, Work("step", {"n": 1}, idem="i", run_at=START), Work("step", {"n": 2}, merge_key="m"))
    await store.close()


async def everything(store: SqlStore) -> tuple[object, ...]:
    async with store.write() as unit:
        case = await unit.case(1)
        source = await unit.source("acme-play")
    return replace(case, lock=0), source, await store.get_token("slack"), await rows(store, "id", "payload", "run_at")


@pytest.mark.integration
async def test_a_desk_moves_to_postgres_and_goes_on(sqlite_url: str, postgres_url: str) -> None:
    await fill(sqlite_url)
    copied = await copy(sqlite_url, postgres_url)
    assert (copied["cases"], copied["versions"], copied["work"]) == (1, 2, 2)
    old, new = await open_store(sqlite_url, secret_key="s"), await open_store(postgres_url, secret_key="s")
    assert await everything(new) == await everything(old)
    assert (await stored_case(new, external_id="next")).id == 2
    await put(new, Work("step", idem="i"), Work("step"))
    numbers = await rows(new, "id")
    assert (numbers[:2], len(numbers)) == ([1, 2], 3)
    await old.close()
    await new.close()
    with pytest.raises(ValueError, match="not empty"):
        await copy(sqlite_url, postgres_url)


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


@pytest.mark.integration
async def test_a_postgres_desk_is_backed_up_by_its_own_means(postgres_url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pg_dump"):
        await backup(postgres_url, tmp_path / "backup.db")


async def test_a_sound_store_has_no_faults(store: SqlStore, store_url: str) -> None:
    await stored_case(store)
    assert await faults(store_url) == []


async def test_a_case_without_its_mention_is_a_fault(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    await stored_case(store)
    async with store.database.writer.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.executescript("PRAGMA foreign_keys=OFF; DELETE FROM mentions; PRAGMA foreign_keys=ON")
    await store.close()
    assert "cases 1 refers to a row of mentions that is not there" in await faults(sqlite_url)


async def test_a_store_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await faults(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}")
    assert not list(tmp_path.iterdir())


@pytest.mark.integration
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
        holders = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        await unit.db.execute(text(holders))
    await until(lambda: "b" in inside)
    await first
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert inside == ["a", "a lost", "b"]
    for store in stores:
        await store.close()


async def test_alone_on_sqlite_is_at_once(sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    async with store.alone("telegram") as lost:
        assert not lost.is_set()
    await store.close()
