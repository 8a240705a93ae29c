"""A statement on SQLite in one visit to its thread instead of four: cursor, execute, fetch and close together.

Each visit waits until the event loop lets go of the interpreter, so that under load four of them are what a press waits
for. Stands in for aiosqlite's own cursor below SQLAlchemy's adapter.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import aiosqlite

AT_ONCE = 1000
"""Rows fetched on the same visit; what is longer is streamed as it is asked for."""


class Cursor:
    def __init__(self, connection: Connection) -> None:
        self._on = connection
        self._open: sqlite3.Cursor | None = None
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount, self.lastrowid, self.arraysize = -1, 0, 1

    async def __aenter__(self) -> Cursor:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        run = partial(self._run, sqlite3.Cursor.execute, sql, parameters)
        if self._on.at_once:
            run()
        else:
            await self._on.visit(run)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Cursor:
        await self._on.visit(partial(self._run, sqlite3.Cursor.executemany, sql, parameters))
        return self

    def _run(self, execute: Callable[..., Any], sql: str, parameters: Any) -> None:
        cursor = self._on.plain.cursor()
        try:
            execute(cursor, sql, parameters)
            self._rows = cursor.fetchmany(AT_ONCE) if cursor.description else []
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid or 0
            if len(self._rows) == AT_ONCE:
                self._open, cursor = cursor, None  # type: ignore[assignment]
        finally:
            if cursor is not None:
                cursor.close()

    async def fetchone(self) -> Any:
        return next(iter(await self.fetchmany(1)), None)

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = size or self.arraysize
        if len(self._rows) < size and self._open is not None:
            self._rows += await self._on.visit(partial(self._open.fetchmany, max(size, AT_ONCE)))
        some, self._rows = self._rows[:size], self._rows[size:]
        return some

    async def fetchall(self) -> list[Any]:
        if self._open is not None:
            self._rows += await self._on.visit(self._open.fetchall)
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        left, self._open = self._open, None
        if left is not None:
            await self._on.visit(left.close)


class Connection(aiosqlite.Connection):
    at_once = False
    """Whether statements run where they are asked for, without a visit. For transactions of few and short ones that a
    person waits for, once they have begun: waiting for the file's lock and for the disk is the thread's."""

    @property
    def plain(self) -> sqlite3.Connection:
        """To be used on the connection's own thread, or while nothing runs there."""
        return self._conn

    async def visit(self, work: Callable[[], Any]) -> Any:
        return await self._execute(work)  # type: ignore[no-untyped-call]

    def cursor(self) -> Any:
        return Cursor(self)


def connect(database: str, **how: Any) -> Connection:
    """To be awaited. Its thread ends with the process, as that of SQLAlchemy's own connections does."""
    made = Connection(partial(sqlite3.connect, database, **how), iter_chunk_size=64)
    made._thread.daemon = True
    return made
