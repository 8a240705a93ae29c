from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.world import World, opened

Opened = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens a running desk: `async with desk(staff="slack", client="telegram") as world`. SQLite unless told."""
    shutil.copy(sqlite_template, tmp_path / "desk.db")
    database = f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}"
    return partial(_open, tmp_path, database, monkeypatch)


def _open(folder: Path, own: str, monkeypatch: pytest.MonkeyPatch, **how: Any) -> Any:
    return opened(folder, how.pop("database", own), monkeypatch, **how)
