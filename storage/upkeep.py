"""What an operator does with a store as a whole: check it, back it up. Moving it is storage.moving."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, exists, func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import read_url
from storage.migrations import SchemaNewer
from storage.migrations.steps import standing
from storage.store import open_store
from storage.tables import approvals, cases, mentions, places, posts, replies, rounds, versions

PAGES = 1000
"""Copied between two reports of progress: four megabytes."""

NAMED = 5
"""Rows that a fault names; the rest is counted."""

Progress = Callable[[int, int], None]
"""(pages copied, pages in all)."""


def _untold(copied: int, pages: int) -> None:
    return None


async def backup(url: str, file: Path, progress: Progress = _untold) -> int:
    """A copy of a SQLite store, whole and consistent, while a desk works on it; returns its bytes. Its owner's alone.

    `progress` is called in another thread. Raises FileExistsError, FileNotFoundError, OSError where it cannot be
    written, and ValueError, with the command to use, for PostgreSQL.
    """
    parsed = read_url(url)
    if not parsed.drivername.startswith("sqlite"):
        raise ValueError(f"PostgreSQL makes its own backups, also while desks run: {dump_command(parsed, file)}")
    return await asyncio.to_thread(_backup, Path(parsed.database or ""), file, progress)


def dump_command(url: URL, file: Path) -> str:
    """Without the password: pg_dump asks for it, or reads ~/.pgpass."""
    address = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return f"pg_dump --format=custom --file={file} {address.render_as_string()}"


def _backup(database: Path, file: Path, progress: Progress) -> int:
    if file.exists():
        raise FileExistsError(f"{file} exists already: give the backup a name of its own")
    if not database.exists():
        raise FileNotFoundError(f"{database}: there is no such database yet")
    unfinished = file.with_name(f"{file.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        _copy_pages(database, unfinished, progress)
        return unfinished.rename(file).stat().st_size
    except sqlite3.Error as error:
        raise OSError(f"{file}: the backup could not be made: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _copy_pages(database: Path, file: Path, progress: Progress) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as source, closing(sqlite3.connect(file)) as target:
        # Its own snapshot: otherwise the copying begins anew with each commit of the desk, and may never end.
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_master").fetchone()
        source.backup(target, pages=PAGES, progress=lambda _, left, pages: progress(pages - left, pages))


# checking


async def faults(url: str) -> list[str]:
    """What is wrong with a store, each with what to do; empty: nothing. May be asked while a desk works on it.

    Raises FileNotFoundError where there is no such file.
    """
    store = await open_store(url, reading=True)
    try:
        async with store.database.reader.begin() as connection:
            found = await (_sqlite_faults if store.database.sqlite else _postgres_faults)(connection)
            schema = await _schema_faults(connection)
            return [*found, *schema, *([] if schema else await _dangling(connection))]
    finally:
        await store.close()


async def _schema_faults(connection: AsyncConnection) -> list[str]:
    try:
        found, newest = await connection.run_sync(standing)
    except SchemaNewer as newer:
        return [str(newer)]
    if found == newest:
        return []
    return [f"the schema is {found or 'not made yet'}, this Replydesk has {newest}: run `replydesk db upgrade`"]


async def _sqlite_faults(connection: AsyncConnection) -> list[str]:
    found = [str(row[0]) for row in await connection.execute(text("PRAGMA integrity_check"))]
    orphans = await connection.execute(text("PRAGMA foreign_key_check"))
    return [f"{line}: restore a backup" for line in found if line != "ok"] + [
        f"{row[0]} {row[1]} refers to a row of {row[2]} that is not there" for row in orphans
    ]


async def _postgres_faults(connection: AsyncConnection) -> list[str]:
    """Its own checks run when it writes; what an unfinished build of an index leaves behind is not seen there."""
    broken = await connection.execute(text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"))
    return [f"the index {row[0]} is not valid: REINDEX INDEX {row[0]}" for row in broken]


def _without(table: Table, other: Table, *same: ColumnElement[bool], where: ColumnElement[bool] | None = None) -> Any:
    """Case or row numbers of `table` that lack their row of `other`."""
    number = table.c.id if "id" in table.c else table.c.case_id
    wanted = select(number).where(~exists(select(1).select_from(other).where(*same)))
    return wanted if where is None else wanted.where(where)


DANGLING: dict[str, Select[Any]] = {
    "mentions whose case is not there": _without(
        mentions, cases, cases.c.id == mentions.c.case_id, where=mentions.c.case_id.is_not(None)
    ),
    "cases without a round": _without(cases, rounds, rounds.c.case_id == cases.c.id),
    "approvals of a version that is not there": _without(
        approvals, versions, versions.c.case_id == approvals.c.case_id, versions.c.n == approvals.c.version
    ),
    "replies of a round that is not there": _without(
        replies, rounds, rounds.c.case_id == replies.c.case_id, rounds.c.n == replies.c.round
    ),
    "messages of a side that has no place": _without(
        posts, places, places.c.case_id == posts.c.case_id, places.c.side == posts.c.side
    ),
}
"""What no foreign key watches over."""


async def _dangling(connection: AsyncConnection) -> list[str]:
    return [fault for what, wanted in DANGLING.items() if (fault := await _found(connection, what, wanted))]


async def _found(connection: AsyncConnection, what: str, wanted: Select[Any]) -> str:
    rows = wanted.subquery()
    count = (await connection.execute(select(func.count()).select_from(rows))).scalar_one()
    if not count:
        return ""
    some = (await connection.execute(wanted.distinct().order_by(wanted.selected_columns[0]).limit(NAMED))).scalars()
    more = ", …" if count > NAMED else ""
    return f"{count} {what}: {', '.join(map(str, some))}{more}"
