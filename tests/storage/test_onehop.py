"""What stands in for the driver's cursor answers as it would."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import Database
from storage.onehop import AT_ONCE

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
