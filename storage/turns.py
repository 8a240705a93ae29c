"""Whose turn it is to write to the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count

from desk.work import Prio

AFTER = 0.005
"""Seconds after a press in which nobody else begins: its answer is on its way by then, and not behind what it left to
be done."""


class Turns:
    """`at_once` at a time; the most urgent waits least, equals go in order of arrival. While one of Prio.NOW is
    inside, and AFTER it, nobody else begins: what they would do meanwhile, all on one processor, is what a press would
    wait for.

    The pool of connections alone is first come, first served: a press would stand behind all mentions of a burst.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._pressing = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrivals = count()

    @asynccontextmanager
    async def turn(self, prio: int) -> AsyncIterator[None]:
        """`prio` as in desk.work.Prio."""
        await self._enter(prio)
        try:
            yield
        finally:
            self._leave(prio)

    async def _enter(self, prio: int) -> None:
        if self._may(prio):
            self._take(prio)
            return
        mine = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (prio, next(self._arrivals), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._leave(prio)  # the turn had just been given to us
            raise

    def _may(self, prio: int) -> bool:
        return self._free > 0 and (prio == Prio.NOW or not self._pressing)

    def _take(self, prio: int) -> None:
        self._free -= 1
        self._pressing += prio == Prio.NOW

    def _leave(self, prio: int) -> None:
        self._free += 1
        if prio == Prio.NOW:
            asyncio.get_running_loop().call_later(AFTER, self._answered)
        self._give()

    def _answered(self) -> None:
        self._pressing -= 1
        self._give()

    def _give(self) -> None:
        while self._waiting and self._may(self._waiting[0][0]):
            following, _, theirs = heappop(self._waiting)
            if not theirs.done():
                self._take(following)
                theirs.set_result(None)
