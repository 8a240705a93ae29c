from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.world import World, opened

SLACK_WAITS = 15.0
"""Seconds for an acknowledgement, and for a modal after a press. Slack's own three are a busy machine's hiccup."""

Opened = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a running desk: `async with desk(staff="slack", client="telegram") as world`. SQLite unless told."""
    shutil.copy(sqlite_template, tmp_path / "desk.db")
    database = f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}"
    return partial(_open, tmp_path, database, monkeypatch)


@asynccontextmanager
async def _open(folder: Path, own: str, monkeypatch: pytest.MonkeyPatch, **how: Any) -> AsyncIterator[World]:
    async with opened(folder, how.pop("database", own), monkeypatch, **how) as world:
        slack = world.sandbox.slack
        slack.sockets.ack_seconds = slack.world.trigger_seconds = SLACK_WAITS
        yield world
