"""How a desk ends: in good order under load, and at once when it is asked a second time."""

from __future__ import annotations

import asyncio
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot import run
from sandbox import world
from sandbox.server import Sandbox
from storage.store import open_store
from storage.tables import work
from tests.scenarios.people import wait_for
from tests.scenarios.process import PATIENCE, running
from tests.scenarios.world import SLOW, a_sandbox, write_config

MANY = 60


def hang(made: Sandbox) -> None:
    for method in ("sendMessage", "createForumTopic", "editMessageText"):
        made.telegram.fail(method, *[("delay", 120)] * 500)
    made.slack.fail("chat.postMessage", *[("delay", 120)] * 500)


async def counts(url: str) -> dict[str, int]:
    """Rows by state, beside the desk."""
    store = await open_store(url, reading=True)
    async with store.database.reader.begin() as connection:
        rows = await connection.execute(select(work.c.state, func.count()).group_by(work.c.state))
        found = {state: int(count) for state, count in rows}
    await store.close()
    return found


@pytest.mark.xdist_group("forks")
async def test_under_load_it_ends_in_time_and_a_second_signal_ends_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_sandbox() as made:
        url = f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}"
        write_config(tmp_path, made, url, monkeypatch, staff="telegram", client="slack")
        hang(made)
        for number in range(MANY):
            made.site.leave(world.PACKAGE, "Dina", 1, f"Cold coffee {number}", lang="en")
        with running(tmp_path, forked=True) as desk:
            await desk.says("the desk is running")
            await until_busy(url)
            desk.signal(signal.SIGTERM)
            status, seconds = await desk.ends()
            assert (status, seconds < 10 * SLOW) == (0, True), (seconds, desk.said)
            assert not any("Traceback" in line for line in desk.said), desk.said
        left = await counts(url)
        assert "running" not in left, "all of it was handed back"
        assert left["ready"] >= MANY

        with running(tmp_path, forked=True) as desk:
            await desk.says("the desk is running")
            await until_busy(url)
            desk.signal(signal.SIGTERM)
            await desk.says("asked to stop")
            desk.signal(signal.SIGINT)
            assert (await desk.ends())[0] == 1
            assert any("a second signal" in line for line in desk.said)
        assert (await counts(url))["running"], "nobody waited for what hung"


async def until_busy(url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await counts(url)).get("running", 0) < 16:  # noqa: ASYNC110 - it is another process's work
            await asyncio.sleep(0.1)


async def test_what_hangs_for_good_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread in a dead name server, for one, is waited for when the interpreter ends."""
    ended: list[tuple[str, int]] = []
    monkeypatch.setattr(run, "_end", lambda why, status: ended.append((why, status)))
    monkeypatch.setattr(run, "AT_LAST", 0.01)
    stop = asyncio.Event()
    run._asked(stop)
    assert stop.is_set()
    await wait_for(lambda: ended, "the end")
    assert ended == [("something hangs", 0)]
    assert not any(isinstance(one, threading.Timer) and not one.daemon for one in threading.enumerate())


async def test_what_does_not_close_in_time_keeps_nothing_else_from_closing(caplog: pytest.LogCaptureFixture) -> None:
    async def hangs() -> Any:
        await asyncio.Event().wait()

    await run._within(0.01, "the store", hangs())
    assert "the store did not end within 0.01 s" in caplog.text
