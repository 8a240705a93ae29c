"""Whose turn it is to write to the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count


class Turns:
    """`at_once` at a time; the most urgent waits least, equals go in order of arrival.

    The pool of connections alone is first come, first served: a press would stand behind all mentions of a burst.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    @asynccontextmanager
    async def turn(self, prio: int) -> AsyncIterator[None]:
        """`prio` as in desk.work.Prio."""
        await self._enter(prio)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, prio: int) -> None:
        if self._free:
            self._free -= 1
            return
        mine = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (prio, next(self._arrivals), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._leave()  # the turn had just been given to us
            raise

    def _leave(self) -> None:
        while self._waiting:
            _, _, following = heappop(self._waiting)
            if not following.done():
                following.set_result(None)
                return
        self._free += 1
