"""Alembic's side of it. Only imported where a schema is looked into or not the newest: it takes megabytes."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from storage.migrations import SchemaNewer


def configuration(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def standing(connection: Connection) -> tuple[str | None, str | None]:
    """(revision the store has, newest this code knows). Raises SchemaNewer."""
    scripts = ScriptDirectory.from_config(configuration(connection))
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise SchemaNewer(f"the database's schema ({found}) is of a newer Replydesk: start that version")
    return found, scripts.get_current_head()


def upgrade(connection: Connection, revision: str) -> None:
    found, newest = standing(connection)
    if revision != "head" or found != newest:
        command.upgrade(configuration(connection), revision)
