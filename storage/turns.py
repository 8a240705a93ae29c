"""Whose turn it is to write to the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count
from math import inf

from desk.work import Prio

AFTER = 0.005
"""Seconds after a press in which nobody else begins: its answer is on its way by then, and not behind what it left to
be done."""


PUT_OFF = 0.1
"""Seconds that a turn is later for each step of Prio: a cosmetic one is overtaken by whoever waits for a person, but
for four seconds and not for ever. Those who wait here hold their messenger's places in the engine: once, while Telegram
was busy on a slow disk, sixteen cosmetic redrawings kept all else away from Slack for a minute."""


class Turns:
    """`at_once` at a time; the most urgent waits least, equals go in order of arrival. While one of Prio.NOW is
    inside, and AFTER it, nobody else begins: what they would do meanwhile, all on one processor, is what a press would
    wait for.

    The pool of connections alone is first come, first served: a press would stand behind all mentions of a burst.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._pressing = 0
        self._waiting: list[tuple[float, int, int, asyncio.Future[None]]] = []
        """When each wants its turn, by the loop's clock, its place in the order of arrival, and its prio."""
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
        mine, wants = loop.create_future(), -inf if prio == Prio.NOW else loop.time() + PUT_OFF * prio
        heappush(self._waiting, (wants, next(self._arrivals), prio, mine))
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
        while self._waiting and self._may(self._waiting[0][2]):
            _, _, following, theirs = heappop(self._waiting)
            if not theirs.done():
                self._take(following)
                theirs.set_result(None)
