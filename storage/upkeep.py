"""What an operator does with a store as a whole: check it, back it up, move it to another database."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import read_url
from storage.store import SqlStore, open_store
from storage.tables import metadata

BATCH = 500


async def backup(url: str, file: Path) -> None:
    """A copy of a SQLite store, whole and consistent, while a desk works on it.

    Raises FileExistsError, FileNotFoundError, and ValueError for PostgreSQL, whose own pg_dump does this.
    """
    parsed = read_url(url)
    if not parsed.drivername.startswith("sqlite"):
        raise ValueError("back up a PostgreSQL desk with pg_dump")
    await asyncio.to_thread(_backup, Path(parsed.database or ""), file)


def _backup(database: Path, file: Path) -> None:
    if file.exists():
        raise FileExistsError(f"{file} exists already")
    if not database.exists():
        raise FileNotFoundError(f"{database}: there is no such database yet")
    unfinished = file.with_name(f"{file.name}.part")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    unfinished.rename(file)


async def faults(url: str) -> list[str]:
    """What is wrong with a store's data; empty: nothing. May be asked while a desk works on it."""
    store = await open_store(url, reading=True)
    try:
        async with store.database.reader.begin() as connection:
            return await (_sqlite_faults if store.database.sqlite else _postgres_faults)(connection)
    finally:
        await store.close()


async def _sqlite_faults(connection: AsyncConnection) -> list[str]:
    found = [str(row[0]) for row in await connection.execute(text("PRAGMA integrity_check"))]
    orphans = await connection.execute(text("PRAGMA foreign_key_check"))
    return [line for line in found if line != "ok"] + [
        f"{row[0]} {row[1]} refers to a row of {row[2]} that is not there" for row in orphans
    ]


async def _postgres_faults(connection: AsyncConnection) -> list[str]:
    """Its own checks run when it writes; what an unfinished build of an index leaves behind is not seen there."""
    broken = await connection.execute(text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"))
    return [f"the index {row[0]} is not valid: REINDEX INDEX {row[0]}" for row in broken]


async def copy(source_url: str, target_url: str) -> dict[str, int]:
    """Move a desk's data, in one transaction; returns the rows of each table.

    Nobody may work on either. Raises ValueError unless the target is empty, StoreBusy.
    """
    source = await open_store(source_url)
    try:
        target = await open_store(target_url)
        try:
            return await _copy(source, target)
        finally:
            await target.close()
    finally:
        await source.close()


async def _copy(source: SqlStore, target: SqlStore) -> dict[str, int]:
    async with source.database.reader.begin() as theirs, target.database.writer.begin() as ours:
        for table in metadata.sorted_tables:
            if (await ours.execute(select(func.count()).select_from(table))).scalar_one():
                raise ValueError(f"the target is not empty: it has rows in {table.name}")
        copied = {}
        for table in metadata.sorted_tables:
            copied[table.name] = 0
            async for batch in (await theirs.stream(select(table))).mappings().partitions(BATCH):
                await ours.execute(insert(table), [dict(row) for row in batch])
                copied[table.name] += len(batch)
        if not target.database.sqlite:
            await _continue_numbers(ours)
        return copied


async def _continue_numbers(connection: AsyncConnection) -> None:
    """PostgreSQL counts on by itself only for rows it numbered itself."""
    for table in metadata.sorted_tables:
        if table.autoincrement_column is not None and table.name != "work_history":
            sequence = func.pg_get_serial_sequence(table.name, table.autoincrement_column.name)
            newest = select(func.max(table.autoincrement_column)).scalar_subquery()
            await connection.execute(select(func.setval(sequence, func.coalesce(newest, 1), newest.is_not(None))))
