"""Moving a desk from SQLite to PostgreSQL: every row, proved to have arrived; numbers go on where they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Table, func, insert, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.errors import DeskError
from storage.database import FileLock, read_url
from storage.migrations.steps import standing
from storage.store import SqlStore, open_store
from storage.tables import metadata, pictures, work, work_history

BATCH, FEW = 500, 10
"""Rows at a time, and pictures: some hundred kilobytes each."""

Told = Callable[[str, int, int], None]
"""(table, rows copied, rows in all)."""


class Sum(NamedTuple):
    """`checksum`: the same rows give the same one, in whatever order a database lists them."""

    rows: int
    checksum: str


class NotMoved(DeskError):
    """Nothing was written to the target."""


def _untold(table: str, copied: int, rows: int) -> None:
    return None


async def copy(source_url: str, target_url: str, told: Told = _untold) -> dict[str, Sum]:
    """Copy a stopped desk's data in one transaction of the target's; returns what arrived, table by table.

    The source is only read. Raises ValueError for addresses that cannot be moved between, StoreBusy while a desk runs
    on the source, FileNotFoundError, and NotMoved where the schema is old, the target holds rows or a row is different
    when read back.
    """
    file = _file_of(source_url, target_url)
    with ExitStack() as stack:
        lock = FileLock(file)
        stack.callback(lock.release)
        source = await open_store(source_url, reading=True)
        try:
            lock.take()
            async with source.database.reader.begin() as theirs:
                await _check_source(theirs)
                return await _to(target_url, theirs, told)
        finally:
            await source.close()


def _file_of(source_url: str, target_url: str) -> Path:
    source, target = read_url(source_url), read_url(target_url)
    if not _is_sqlite(source) or _is_sqlite(target):
        raise ValueError("a desk moves from sqlite+aiosqlite:///… (--from) to postgresql+asyncpg://… (--to)")
    return Path(source.database or "")


def _is_sqlite(url: URL) -> bool:
    return url.drivername.startswith("sqlite")


async def _check_source(theirs: AsyncConnection) -> None:
    found, known = await theirs.run_sync(standing)
    if found != known:
        raise NotMoved(
            f"the source's schema is {found or 'empty'}, not {known}: run `replydesk db upgrade` on it first"
        )


async def _to(target_url: str, theirs: AsyncConnection, told: Told) -> dict[str, Sum]:
    target = await open_store(target_url)
    try:
        return await _copy(theirs, target, told)
    finally:
        await target.close()


async def _copy(theirs: AsyncConnection, target: SqlStore, told: Told) -> dict[str, Sum]:
    async with target.database.writer.begin() as ours:
        await _check_empty(ours)
        sent = {table.name: await _table(theirs, ours, table, told) for table in metadata.sorted_tables}
        arrived = {table.name: await summed(ours, table) for table in metadata.sorted_tables}
        for name, one in sent.items():
            if arrived[name] != one:
                raise NotMoved(f"{name}: {one.rows} rows left and {arrived[name].rows} arrived, or not the same ones")
        await _continue_numbers(ours, await _numbered(theirs))
        return arrived


async def _check_empty(ours: AsyncConnection) -> None:
    """A desk that runs on the target keeps its schedules there: it is not empty either."""
    for table in metadata.sorted_tables:
        await ours.execute(text(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE"))
        if await _count(ours, table):
            raise NotMoved(f"the target is not empty: it has rows in {table.name}; give it a database of its own")


async def _count(connection: AsyncConnection, table: Table) -> int:
    return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def _table(theirs: AsyncConnection, ours: AsyncConnection, table: Table, told: Told) -> Sum:
    rows = await _count(theirs, table)
    adding = _Adding(table)
    told(table.name, 0, rows)
    async for batch in _batches(theirs, table):
        await _insert(ours, table, [dict(row) for row in batch])
        adding.add(batch)
        told(table.name, adding.rows, rows)
    return adding.sum


async def _insert(ours: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    try:
        await ours.execute(insert(table), rows)
    except DBAPIError as error:
        # Its own words would show what people wrote.
        cause = type(error.orig).__name__
        first, last = (_name_of(table, row) for row in (rows[0], rows[-1]))
        raise NotMoved(f"{table.name}: PostgreSQL does not take a row between {first} and {last} ({cause})") from None


def _name_of(table: Table, row: Mapping[str, Any]) -> str:
    return "/".join(str(row[column.name]) for column in table.primary_key)


# the proof


async def summed(connection: AsyncConnection, table: Table) -> Sum:
    """Count and checksum of a table, on either store."""
    adding = _Adding(table)
    async for batch in _batches(connection, table):
        adding.add(batch)
    return adding.sum


async def _batches(connection: AsyncConnection, table: Table) -> AsyncIterator[Sequence[Any]]:
    """All rows. Pictures are asked for few at a time: drivers fetch many rows ahead, and these are large."""
    if table is not pictures:
        async for batch in (await connection.stream(select(table))).mappings().partitions(BATCH):
            yield batch
        return
    digests = list((await connection.execute(select(pictures.c.digest).order_by(pictures.c.digest))).scalars())
    for start in range(0, len(digests), FEW):
        wanted = select(pictures).where(pictures.c.digest.in_(digests[start : start + FEW]))
        yield (await connection.execute(wanted)).mappings().all()


class _Adding:
    """Hashes of rows added up: the order, in which stores differ, does not count, and a row twice does."""

    def __init__(self, table: Table) -> None:
        self._columns = [column.name for column in table.columns]
        self._total = 0
        self.rows = 0

    def add(self, rows: Any) -> None:
        for row in rows:
            plain = json.dumps([_plain(row[name]) for name in self._columns], sort_keys=True, ensure_ascii=False)
            self._total += int.from_bytes(hashlib.sha256(plain.encode()).digest())
            self.rows += 1

    @property
    def sum(self) -> Sum:
        return Sum(self.rows, f"{self._total % 2**256:064x}")


def _plain(value: Any) -> Any:
    """As JSON that says the same for the same value: PostgreSQL writes 1e22 out, Python does not."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value


# numbers


async def _numbered(theirs: AsyncConnection) -> dict[str, int]:
    """The last number each table ever gave: rows that had it may be gone, or be history by now, and be known by it."""
    rows = await theirs.execute(text("SELECT name, seq FROM sqlite_sequence"))
    last = {name: int(number) for name, number in rows}
    archived = (await theirs.execute(select(func.max(work_history.c.id)))).scalar() or 0
    return {**last, work.name: max(last.get(work.name, 0), archived)}


async def _continue_numbers(ours: AsyncConnection, last: Mapping[str, int]) -> None:
    """PostgreSQL counts on by itself only for rows it numbered itself."""
    for table, column in _counted():
        sequence = func.pg_get_serial_sequence(table.name, column)
        newest = last.get(table.name, 0)
        await ours.execute(select(func.setval(sequence, max(newest, 1), newest > 0)))


def _counted() -> Iterator[tuple[Table, str]]:
    for table in metadata.sorted_tables:
        if table.autoincrement_column is not None and table.name != work_history.name:
            yield table, table.autoincrement_column.name
