"""`replydesk db copy`: nothing of a desk is left behind, and what comes after finds its own place."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text

from desk.work import Work
from storage import moving
from storage.database import StoreBusy
from storage.moving import NotMoved, copy, summed
from storage.store import SqlStore, open_store
from storage.tables import mentions, metadata, once, work, work_history
from tests.conftest import NewStore
from tests.storage.helpers import put, rows, stored_case
from tests.storage.test_upkeep import everything, fill

pytestmark = pytest.mark.integration


def contents(url: str) -> str:
    file = Path(url.removeprefix("sqlite+aiosqlite:///"))
    return hashlib.sha256(file.read_bytes()).hexdigest()


async def sums(url: str) -> dict[str, moving.Sum]:
    store = await open_store(url, reading=True)
    async with store.database.reader.begin() as connection:
        found = {table.name: await summed(connection, table) for table in metadata.sorted_tables}
    await store.close()
    return found


async def test_a_desk_moves_to_postgres_and_goes_on(sqlite_url: str, postgres_url: str) -> None:
    await fill(sqlite_url)
    before, told = contents(sqlite_url), []
    copied = await copy(sqlite_url, postgres_url, lambda *report: told.append(report))
    assert contents(sqlite_url) == before
    assert (copied["cases"].rows, copied["versions"].rows, copied["work"].rows) == (1, 2, 2)
    assert (copied["pictures"].rows, copied["screenshots"].rows) == (12, 12)
    assert copied == await sums(sqlite_url) == await sums(postgres_url)
    assert [report for report in told if report[0] == "work"] == [("work", 0, 2), ("work", 2, 2)]
    old, new = await open_store(sqlite_url, secret_key="s"), await open_store(postgres_url, secret_key="s")
    assert await everything(new) == await everything(old)
    assert (await stored_case(new, external_id="next")).id == 2
    await put(new, Work("step", idem="i"), Work("step"))
    numbers = await rows(new, "id")
    assert (numbers[:2], len(numbers)) == ([1, 2], 3)
    await old.close()
    await new.close()
    with pytest.raises(NotMoved, match="not empty"):
        await copy(sqlite_url, postgres_url)


async def test_numbers_once_given_are_not_given_again(sqlite_url: str, postgres_url: str) -> None:
    """Work is known by its number to what it made, and keeps it when it becomes history."""
    store = await open_store(sqlite_url)
    await put(store, *(Work("step", idem=str(n)) for n in range(9)))
    async with store.write() as unit:
        names = [column.name for column in work_history.c]
        old = select(*(work.c[name] for name in names)).where(work.c.id.in_([3, 8]))
        await unit.db.execute(insert(work_history).from_select(names, old))
        await unit.db.execute(delete(work).where(work.c.id > 2))
    await store.close()
    await copy(sqlite_url, postgres_url)
    moved = await open_store(postgres_url)
    await put(moved, Work("step"))
    assert await rows(moved, "id") == [1, 2, 10]
    await moved.close()


async def test_a_desk_that_runs_is_not_moved(sqlite_url: str, postgres_url: str) -> None:
    desk = await open_store(sqlite_url)
    with pytest.raises(StoreBusy):
        await copy(sqlite_url, postgres_url)
    await desk.close()
    await copy(sqlite_url, postgres_url)
    assert await open_and_close(sqlite_url), "the source's lock was let go"


async def open_and_close(url: str) -> bool:
    await (await open_store(url)).close()
    return True


async def test_an_empty_desk_and_large_tables_move_too(new_sqlite: NewStore, new_postgres: NewStore) -> None:
    source, target = await new_sqlite(), await new_postgres()
    assert {one.rows for one in (await copy(source, target)).values()} == {0}
    store = await open_store(source)
    await put(store, *(Work("step", {"n": n, "big": 1e22, "half": 0.5, "q": 'ы"☕'}) for n in range(moving.BATCH + 7)))
    await store.close()
    assert (await copy(source, await new_postgres()))["work"].rows == moving.BATCH + 7


async def test_what_was_changed_on_its_way_is_found(
    sqlite_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(sqlite_url)
    whole = moving._insert

    async def bent(ours, table, some) -> None:  # type: ignore[no-untyped-def]
        await whole(ours, table, [{**row, "source": "bent"} if table is mentions else row for row in some])

    monkeypatch.setattr(moving, "_insert", bent)
    with pytest.raises(NotMoved, match="mentions: 1 rows left and 1 arrived, or not the same ones"):
        await copy(sqlite_url, postgres_url)
    assert {one.rows for one in (await sums(postgres_url)).values()} == {0}, "all or nothing"


async def test_what_postgres_does_not_take_is_named_without_its_words(sqlite_url: str, postgres_url: str) -> None:
    store = await open_store(sqlite_url)
    async with store.write() as unit:
        await unit.once("secret\x00words")
    await store.close()
    with pytest.raises(NotMoved, match="once: PostgreSQL does not take a row") as refused:
        await copy(sqlite_url, postgres_url)
    assert refused.value.__cause__ is None
    assert {one.rows for one in (await sums(postgres_url)).values()} == {0}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("postgresql+asyncpg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("sqlite+aiosqlite:///a.db", "sqlite+aiosqlite:///b.db"),
        ("sqlite+aiosqlite:///a.db", "mysql://h/d"),
    ],
)
async def test_only_this_way(source: str, target: str) -> None:
    with pytest.raises(ValueError, match="postgresql"):
        await copy(source, target)


async def test_what_is_not_there_is_not_moved(tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(FileNotFoundError):
        await copy(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}", postgres_url)
    assert not list(tmp_path.iterdir())


async def test_an_old_schema_is_brought_up_to_date_first(sqlite_url: str, postgres_url: str) -> None:
    store = await open_store(sqlite_url)
    async with store.write() as unit:
        await unit.db.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    await store.close()
    with pytest.raises(NotMoved, match="db upgrade"):
        await copy(sqlite_url, postgres_url)


async def test_a_checksum_tells_rows_apart_and_not_their_order(store: SqlStore) -> None:
    async def summed_once() -> moving.Sum:
        async with store.database.reader.begin() as connection:
            return await summed(connection, once)

    async def write(*idems: str) -> None:
        async with store.write() as unit:
            await unit.db.execute(delete(once))
            for idem in idems:
                await unit.db.execute(insert(once).values(idem=idem, at=moments[idem]))

    async with store.write() as unit:
        moments = dict.fromkeys("abc", unit.now)
    await write("a", "b")
    first = await summed_once()
    await write("b", "a")
    assert await summed_once() == first
    await write("a", "c")
    assert (await summed_once()).checksum != first.checksum
