"""What many tests in one process need not do again and again."""

from __future__ import annotations

import gc
from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.util import LRUCache

_all: LRUCache[Any, Any] = LRUCache(5_000)


def freeze() -> None:
    """What was imported stays: looking through it for garbage again and again took a seventh of the suite's time."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def share() -> None:
    """Statements are compiled once a process, not once an engine: each test opens engines of its own.

    The cache's keys name the dialect: two of a kind, connected alike, compile alike.
    """
    for dialect in (PGDialect_asyncpg, SQLiteDialect_aiosqlite):
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign,assignment]
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign,assignment]
    event.listen(Engine, "engine_connect", _shared)


def _shared(connection: Connection) -> None:
    connection.engine._compiled_cache = _all
