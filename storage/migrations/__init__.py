"""The schema's steps. Applied at start, all or nothing, by whichever replica comes first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.errors import DeskError

LOCK = 0x5265706C79  # any number all replicas agree on: "Reply"

NEWEST = max(path.name for path in (Path(__file__).parent / "versions").glob("v*.py"))[1:5]

_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""Alembic's environment is one a process: two stores migrated side by side would take each other's connection."""


class SchemaNewer(DeskError):
    """The store was migrated by a newer Replydesk: this one does not know how to read it."""


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the schema up to `revision` in one transaction; replicas that start together wait for the first."""
    turn = _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn, engine.begin() as connection:
        if revision == "head" and await connection.run_sync(_is_newest):
            return
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        from storage.migrations.steps import upgrade

        await connection.run_sync(upgrade, revision)


def _is_newest(connection: Connection) -> bool:
    if not inspect(connection).has_table("alembic_version"):
        return False
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == NEWEST


async def upgrade(url: str) -> None:
    """`replydesk db upgrade`. Raises storage.database.StoreBusy while a desk runs on the SQLite file."""
    from storage.database import Database

    database = Database(url)
    try:
        await migrate(database.writer)
    finally:
        await database.close()
