"""Whose turn it is to write to the database."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from desk.work import Prio

AFTER = 0.005
"""Seconds after a press in which nobody else begins: its answer is on its way by then, and not behind what it left to
be done."""

LONGEST = 4.0
"""Seconds that somebody waits while more urgent ones come and go; then it is their turn, save for a press. Those who
wait here hold their messenger's places in the engine: once, while Telegram was busy on a slow disk, sixteen cosmetic
redrawings kept all else away from Slack for a minute."""


class Waits(NamedTuple):
    """`since`: the loop's clock. The order is that of the first two."""

    prio: int
    number: int
    since: float
    turn: asyncio.Future[None]


class Turns:
    """`at_once` at a time; the most urgent waits least, equals go in order of arrival. While one of Prio.NOW is
    inside, and AFTER it, nobody else begins: what they would do meanwhile, all on one processor, is what a press would
    wait for.

    The pool of connections alone is first come, first served: a press would stand behind all mentions of a burst.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._pressing = 0
        self._waiting: list[Waits] = []
        """A heap. Who has had their turn, or gave up, is taken out when found at its top."""
        self._oldest: deque[Waits] = deque()
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
        loop = asyncio.get_running_loop()
        mine = loop.create_future()
        waits = Waits(prio, next(self._arrivals), loop.time(), mine)
        heappush(self._waiting, waits)
        self._oldest.append(waits)
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
        while (following := self._next()) is not None and self._may(following.prio):
            self._take(following.prio)
            following.turn.set_result(None)

    def _next(self) -> Waits | None:
        while self._waiting and self._waiting[0].turn.done():
            heappop(self._waiting)
        while self._oldest and self._oldest[0].turn.done():
            self._oldest.popleft()
        if not self._waiting:
            return None
        first, oldest = self._waiting[0], self._oldest[0]
        overdue = asyncio.get_running_loop().time() - oldest.since > LONGEST
        return oldest if overdue and first.prio != Prio.NOW else first
