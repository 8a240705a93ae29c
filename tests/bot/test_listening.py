"""Platforms that are waited for: a source is read when its platform says so, and nothing harms another's ear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from bot import listening, unknown
from desk.errors import NeedsLogin, Retry
from storage.store import SqlStore, open_store
from storage.tables import work
from tests.storage.helpers import until


class Talks:
    """A platform that says what it is told to say, and then nothing."""

    def __init__(self, *says: bool | Exception, listens: bool = True) -> None:
        self.says, self.listens, self.asked = list(says), listens, 0

    async def wait(self) -> bool:
        self.asked += 1
        if not self.says:
            await asyncio.Event().wait()
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK", "REST", "PAUSE"):
        monkeypatch.setattr(listening, name, 0.01)


@asynccontextmanager
async def heard(store: SqlStore, platforms: dict[str, Any]) -> AsyncIterator[None]:
    def ref(key: str) -> Any:
        return SimpleNamespace(platform=platforms[key]) if key in platforms else None

    directory = SimpleNamespace(sources=lambda: [SimpleNamespace(key=key) for key in platforms])
    app: Any = SimpleNamespace(store=store, sources=SimpleNamespace(ref=ref), live=SimpleNamespace(current=directory))
    stop = asyncio.Event()
    listens = asyncio.create_task(listening.listen(app, stop))
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await listens


async def polls(store: SqlStore) -> list[str]:
    async with store.database.reader.begin() as connection:
        rows = await connection.execute(select(work.c.payload).where(work.c.kind == "poll").order_by(work.c.id))
        return [row.payload["source"] for row in rows]


async def test_a_source_is_read_when_its_platform_says_so(store: SqlStore) -> None:
    quiet, news = Talks(False, False), Talks(False, True)
    async with heard(store, {"quiet": quiet, "news": news, "deaf": Talks(True, listens=False), "plain": object()}):
        await until(lambda: quiet.asked == news.asked == 3)
    assert await polls(store) == ["news"]


async def test_a_platform_that_fails_is_asked_again_and_told_of_once(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "replydesk.listening")
    failing, fine = Talks(*[NeedsLogin("the token is over")] * 3, True), Talks(True)
    async with heard(store, {"failing": failing, "fine": fine}):
        await until(lambda: failing.asked == 5 and fine.asked == 2)
    assert sorted(await polls(store)) == ["failing", "fine"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["failing"]


async def test_a_source_that_comes_into_the_configuration_is_listened_to_and_one_that_left_is_not(
    store: SqlStore,
) -> None:
    platforms: dict[str, Any] = {"old": Talks(*[False] * 1000)}
    old = platforms["old"]
    async with heard(store, platforms):
        await until(lambda: old.asked > 1)
        platforms["new"] = Talks(True)
        await until(lambda: platforms["new"].asked == 2)
        del platforms["old"]
        before = old.asked
        await asyncio.sleep(0.2)
        assert old.asked <= before + 1
    assert await polls(store) == ["new"]


async def test_an_ear_that_broke_is_logged_and_grown_again(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    broken = Talks(RuntimeError("a fault of ours"), True)
    async with heard(store, {"broken": broken}):
        await until(lambda: broken.asked == 3)
    assert await polls(store) == ["broken"]
    assert [record.getMessage() for record in caplog.records] == ["the ear of broken broke off"]


async def test_it_ends_when_the_desk_does(store: SqlStore) -> None:
    with suppress(TimeoutError):
        async with heard(store, {"news": Talks()}):
            await asyncio.sleep(0.05)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("ear of")]


async def test_two_changes_that_cross_do_not_end_the_look_for_work_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL gives one of two up; what watches beside the work ends the desk when it ends."""
    looks: list[int] = []

    async def crosses(app: Any) -> None:
        looks.append(len(looks))
        raise Retry("two changes crossed each other", after=0)

    monkeypatch.setattr(unknown, "tell", crosses)
    monkeypatch.setattr(unknown, "LOOK", 0.01)
    app: Any = None
    watching = asyncio.create_task(unknown.watch(app, asyncio.Event()))
    await until(lambda: len(looks) > 1 or watching.done())
    assert not watching.done()
    watching.cancel()
