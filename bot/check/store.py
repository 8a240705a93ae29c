"""What the desk reads and where it keeps it: each source, and the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.config import Config, Source
from bot.config.faults import Faults, Where
from bot.logins import kept, rotates
from collectors import open_platform
from collectors.login import Tokens
from desk.errors import DeskError, Gone, NeedsLogin, Refused
from storage.database import Database
from storage.migrations.steps import configuration

LOOK_BACK = timedelta(days=1)


async def ask_source(
    source: Source, brand: str, where: Where, http: httpx.AsyncClient, config: Config, faults: Faults
) -> None:
    """Reads once, without a cursor; what it brings is dropped.

    Before there is a database to keep it in, a login that rotates is left to the desk.
    """
    if not rotates(source.platform, source.settings):
        await _ask(source, brand, where, http, None, faults)
        return
    async with kept(config) as tokens:
        if tokens is not None:
            await _ask(source, brand, where, http, tokens, faults)


async def _ask(
    source: Source, brand: str, where: Where, http: httpx.AsyncClient, tokens: Tokens | None, faults: Faults
) -> None:
    platform = open_platform(source.platform, source.settings, brand, source.key, http, _now, tokens)
    try:
        await platform.read(None, _now() - LOOK_BACK)
    except DeskError as error:
        mend = next((how for kind, how in SOURCE_MENDS.items() if isinstance(error, kind)), "try again later")
        faults.add(where, error.reason or type(error).__name__, mend)
    finally:
        await platform.close()


SOURCE_MENDS: dict[type[DeskError], str] = {
    NeedsLogin: "renew the credentials, and see that they belong to this account",
    Refused: "check the settings of this source against the platform's page",
    Gone: "check the settings of this source: what they name is not there",
}


def _now() -> datetime:
    return datetime.now(UTC)


async def ask_database(url: str, faults: Faults) -> None:
    """Whether it answers and its schema is not newer than this program. A file that is not there yet is fine."""
    where = Where().at("database", "url")
    try:
        database = Database(url, reading=True)
    except FileNotFoundError:
        return
    try:
        async with database.reader.connect() as connection:
            unknown = await connection.run_sync(_unknown_revisions)
    except (SQLAlchemyError, OSError) as error:
        cause = type(getattr(error, "orig", None) or error).__name__
        faults.add(
            where, f"the database does not answer ({cause})", "check address, user and password, and that it runs"
        )
        return
    finally:
        await database.close()
    if unknown:
        faults.add(where, "the schema is of a newer Replydesk", "install that version, or name another database")


def _unknown_revisions(connection: Connection) -> set[str]:
    known = {one.revision for one in ScriptDirectory.from_config(configuration(connection)).walk_revisions()}
    return set(MigrationContext.configure(connection).get_current_heads()) - known
