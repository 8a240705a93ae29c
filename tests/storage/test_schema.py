"""What the migrations make is what storage.tables says, on both stores."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import create_async_engine

import storage.migrations
from desk.ports import Stop
from storage.migrations import upgrade
from storage.store import SqlStore
from storage.tables import metadata, stops

SQLITE = "SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> 'alembic_version'"
POSTGRES = (
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns "
    "WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'",
)


def described(connection: Connection) -> set[Any]:
    """The schema as the database itself tells it, partial indexes with their conditions."""
    if connection.dialect.name == "postgresql":
        return {tuple(row) for query in POSTGRES for row in connection.execute(text(query))}
    # A column that was added later stands on the line of the one before it.
    texts = (sql.replace("\t", "") for (sql,) in connection.execute(text(SQLITE)))
    return {line.strip().rstrip(",").strip() for sql in texts for line in re.split(r"\n|, (?![^(]*\))", sql)}


async def ask(url: str, question: Callable[[Connection], Any]) -> Any:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        answer = await connection.run_sync(question)
    await engine.dispose()
    return answer


def recreate(connection: Connection) -> set[Any]:
    metadata.drop_all(connection)
    metadata.create_all(connection)
    return described(connection)


async def test_migrated_schema_is_that_of_the_tables(store_url: str) -> None:
    differences = await ask(store_url, lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    migrated = await ask(store_url, described)
    assert differences == []
    assert migrated == await ask(store_url, recreate)


async def test_migrating_twice_changes_nothing(store_url: str) -> None:
    before = await ask(store_url, described)
    await upgrade(store_url)
    assert await ask(store_url, described) == before


@pytest.mark.integration
async def test_replicas_that_start_together_migrate_once(postgres_url: str) -> None:
    await ask(postgres_url, lambda c: (metadata.drop_all(c), c.execute(text("DROP TABLE alembic_version"))))
    await asyncio.gather(*(upgrade(postgres_url) for _ in range(4)))
    assert await ask(postgres_url, lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []


async def test_migrations_are_undone_whole_when_one_fails(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}"
    await ask(url, lambda c: c.execute(text("CREATE TABLE versions (n INTEGER)")))
    with pytest.raises(Exception, match="already exists"):
        await upgrade(url)
    assert await ask(url, described) == {"CREATE TABLE versions (n INTEGER)"}


async def test_times_come_back_aware_and_in_utc(store: SqlStore) -> None:
    almaty = timezone(timedelta(hours=5))
    async with store.write() as unit:
        await unit.set_stop(Stop("*", "anna", datetime(2026, 11, 22, 14, 0, 0, 7, tzinfo=almaty)))
        [stop] = await unit.stops()
    assert stop.at == datetime(2026, 11, 22, 9, 0, 0, 7, tzinfo=UTC)
    assert stop.at.tzinfo is UTC


async def test_a_time_without_a_zone_is_refused(store: SqlStore) -> None:
    naive = datetime(2026, 11, 22)  # noqa: DTZ001
    with pytest.raises(Exception, match="without a zone"):
        async with store.write() as unit:
            await unit.db.execute(insert(stops).values(scope="*", by="anna", at=naive))
    async with store.write() as unit:
        assert await unit.rows(select(stops)) == []


def test_the_newest_step_is_known_without_alembic() -> None:
    scripts = ScriptDirectory(str(Path(storage.migrations.__file__).parent))
    assert scripts.get_current_head() == storage.migrations.NEWEST
