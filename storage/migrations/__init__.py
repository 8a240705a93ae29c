"""The schema's steps. Applied at start, all or nothing, by whichever replica comes first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from desk.errors import DeskError

LOCK = 0x5265706C79  # any number all replicas agree on: "Reply"

_TURNS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""Alembic's environment is one a process: two stores migrated side by side would take each other's connection."""


def configuration(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the schema up to `revision` in one transaction; replicas that start together wait for the first."""
    turn = _TURNS.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    async with turn, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        await connection.run_sync(_upgrade, revision)


class SchemaNewer(DeskError):
    """The store was migrated by a newer Replydesk: this one does not know how to read it."""


def standing(connection: Connection) -> tuple[str | None, str | None]:
    """(revision the store has, newest this code knows). Raises SchemaNewer."""
    scripts = ScriptDirectory.from_config(configuration(connection))
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaNewer(f"the database's schema ({found}) is of a newer Replydesk: start that version")
    return found, scripts.get_current_head()


def _upgrade(connection: Connection, revision: str) -> None:
    found, newest = standing(connection)
    if revision != "head" or found != newest:
        command.upgrade(configuration(connection), revision)


async def upgrade(url: str) -> None:
    """`replydesk db upgrade`. Raises storage.database.StoreBusy while a desk runs on the SQLite file."""
    from storage.database import Database

    database = Database(url)
    try:
        await migrate(database.writer)
    finally:
        await database.close()
