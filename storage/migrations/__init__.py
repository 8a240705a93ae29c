"""The schema's steps. Applied at start, all or nothing, by whichever replica comes first."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

LOCK = 0x5265706C79  # any number all replicas agree on: "Reply"


def configuration(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Bring the schema up to `revision` in one transaction; replicas that start together wait for the first."""
    async with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        await connection.run_sync(_upgrade, revision)


def _upgrade(connection: Connection, revision: str) -> None:
    config = configuration(connection)
    # Alembic's environment is one a process: a store that is up to date must not disturb one being migrated.
    newest = ScriptDirectory.from_config(config).get_current_head()
    if revision != "head" or MigrationContext.configure(connection).get_current_revision() != newest:
        command.upgrade(config, revision)


async def upgrade(url: str) -> None:
    """`replydesk db upgrade`. Raises storage.database.StoreBusy while a desk runs on the SQLite file."""
    from storage.database import Database

    database = Database(url)
    try:
        await migrate(database.writer)
    finally:
        await database.close()
