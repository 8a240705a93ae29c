"""What stands in for the driver's cursor answers as it would."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.work import Prio
from storage.database import Database
from storage.onehop import AT_ONCE, Cursor

THINGS = Table("things", MetaData(), Column("id", Integer, primary_key=True), Column("name", Text, unique=True))
MANY = AT_ONCE * 2 + 7


@pytest.fixture
async def connection(sqlite_url: str) -> AsyncIterator[AsyncConnection]:
    database = Database(sqlite_url)
    async with database.writer.begin() as opened:
        await opened.run_sync(THINGS.metadata.create_all)
        await opened.execute(insert(THINGS), [{"name": f"thing {n}"} for n in range(MANY)])
        yield opened
    await database.close()


async def test_all_rows_come_however_many(connection: AsyncConnection) -> None:
    found = (await connection.execute(select(THINGS.c.id).order_by(THINGS.c.id))).scalars().all()
    assert found == list(range(1, MANY + 1))
    assert (await connection.execute(select(THINGS).where(THINGS.c.id < 0))).all() == []


@pytest.mark.parametrize("size", [1, 300, AT_ONCE, AT_ONCE + 1])
async def test_a_stream_gives_every_row_once(connection: AsyncConnection, size: int) -> None:
    seen: list[int] = []
    async for part in (await connection.stream(select(THINGS.c.id).order_by(THINGS.c.id))).scalars().partitions(size):
        seen += part
    assert seen == list(range(1, MANY + 1))


async def test_a_stream_that_is_left_early_holds_nothing_up(connection: AsyncConnection) -> None:
    async with connection.stream(select(THINGS.c.id)) as rows:
        assert await rows.first() is not None
    assert (await connection.execute(update(THINGS).values(name=THINGS.c.name))).rowcount == MANY


async def test_numbers_of_rows_and_of_the_new_one_are_told(connection: AsyncConnection) -> None:
    made = await connection.execute(insert(THINGS).values(name="one more"))
    assert made.inserted_primary_key == (MANY + 1,)
    changed = await connection.execute(update(THINGS).where(THINGS.c.id <= 3).values(name=THINGS.c.name + "!"))
    assert changed.rowcount == 3


async def test_an_error_is_the_stores_own_and_the_connection_goes_on(connection: AsyncConnection) -> None:
    with pytest.raises(IntegrityError):
        await connection.execute(insert(THINGS).values(name="thing 0"))
    assert (await connection.execute(text("SELECT count(*) FROM things"))).scalar_one() == MANY


async def test_statements_of_a_press_run_where_they_are_asked_for_and_no_others(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for the lock and for the disk stays the thread's, and so does all that may take long."""
    database = Database(sqlite_url)
    ran: dict[str, set[bool]] = {}
    plain = Cursor._run

    def run(self: Cursor, execute: Any, sql: str, parameters: Any) -> None:
        ran.setdefault(sql.split()[0], set()).add(threading.current_thread() is threading.main_thread())
        plain(self, execute, sql, parameters)

    monkeypatch.setattr(Cursor, "_run", run)
    async with database.writing(Prio.CARD) as (opened, *_):
        await opened.execute(text("CREATE TABLE things (id INTEGER)"))
    async with database.writing(Prio.NOW) as (opened, *_):
        await opened.execute(text("INSERT INTO things VALUES (1)"))
    async with database.writing(Prio.CARD) as (opened, *_):
        assert (await opened.execute(text("SELECT count(*) FROM things"))).scalar_one() == 1
    await database.close()
    assert {name: ran[name] for name in ("BEGIN", "CREATE", "INSERT", "SELECT")} == {
        "BEGIN": {False}, "CREATE": {False}, "INSERT": {True}, "SELECT": {False}
    }  # fmt: skip


async def _twice(database: Database) -> None:
    async with database.writing(Prio.NOW) as (opened, *_):
        for _ in range(2):
            await opened.execute(insert(THINGS).values(name="the same"))


async def test_a_press_that_fails_leaves_nothing_behind(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.writing(Prio.CARD) as (opened, *_):
        await opened.run_sync(THINGS.metadata.create_all)
    for _ in range(2):
        with pytest.raises(IntegrityError):
            await _twice(database)
    async with database.writing(Prio.NOW) as (opened, *_):
        assert (await opened.execute(select(THINGS))).all() == []
    await database.close()
