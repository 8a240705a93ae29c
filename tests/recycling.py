"""PostgreSQL databases used again: to make one and drop it costs a tenth of a second, to empty it a hundredth."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

GROWN = 16_000_000
"""Bytes. Twice the size of an empty one: what a test has filled is thrown away."""

CUT_OFF = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
SIZE = text("SELECT pg_database_size(current_database())")
SHAPE = text("""
    SELECT (SELECT string_agg(version_num, ',') FROM alembic_version)
    || (SELECT string_agg(concat_ws(' ', relname, attname, atttypid, attnotnull), ',' ORDER BY relname, attnum)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND attnum > 0)
""")
EMPTY = text("""
    DO $$ DECLARE one text; BEGIN
        SET LOCAL session_replication_role = replica;
        FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
            EXECUTE format('DELETE FROM %I', one);
        END LOOP;
        FOR one IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
            EXECUTE format('ALTER SEQUENCE %I RESTART', one);
        END LOOP;
    END $$
""")


async def run_sql(url: URL, *statements: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()


@dataclass
class Databases:
    """Migrated, empty databases of one worker's server."""

    server: URL
    template: str
    spare: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _shape: str = ""

    async def take(self) -> str:
        if self.spare:
            return self.spare.pop()
        name = f"desk_{os.getpid()}_{next(self._numbers)}"
        await run_sql(self.server, f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return name

    async def give_back(self, name: str) -> None:
        engine = create_async_engine(self.server.set(database=name), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            emptied = await self._emptied(connection)
        await engine.dispose()
        if emptied:
            self.spare.append(name)
        else:
            await run_sql(self.server, f"DROP DATABASE {name} WITH (FORCE)")

    async def _emptied(self, connection: AsyncConnection) -> bool:
        """Whether it is as new again. False where a test changed its schema, or filled it."""
        await connection.execute(CUT_OFF)
        if await connection.scalar(SIZE) > GROWN or await connection.scalar(SHAPE) != await self._as_made():
            return False
        await connection.execute(EMPTY)
        return True

    async def _as_made(self) -> str:
        if not self._shape:
            engine = create_async_engine(self.server.set(database=self.template), poolclass=NullPool)
            async with engine.connect() as connection:
                self._shape = str(await connection.scalar(SHAPE))
            await engine.dispose()
        return self._shape

    async def close(self) -> None:
        await run_sql(self.server, *(f"DROP DATABASE {name} WITH (FORCE)" for name in self.spare))
