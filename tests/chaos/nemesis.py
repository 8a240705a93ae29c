"""Chaos from outside: desks are born with a doom, struck at random, thawed, and replaced when they are dead."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from random import Random

import psutil

from tests.chaos.desk import FELL, SCALE, Doom, Orders, start
from tests.chaos.stores import Server
from tests.forks import begin

TICK = 0.05
PAST_THE_LEASE = 60 * SCALE + 0.6
"""Seconds a desk alone is frozen: longer than the lease of an effect."""
TAKEN_OVER = 120 * SCALE
"""Seconds one of several is frozen: until another has certainly taken over, looked in vain, and sent."""
STRIKE_EVERY = 3.0
"""Seconds between two strikes at random, on average."""
FALLS = 20
"""Desks that may end by themselves in one run: while PostgreSQL restarts, they do."""
AFTER_A_FALL = 0.5
"""Seconds until the next one is tried."""
LAST_BREATH = 12.0
"""Seconds in which a desk that is asked to stop ends; the contract says ten."""

KILL, FREEZE = signal.SIGKILL, signal.SIGSTOP

DECK: tuple[Doom, ...] = (
    *(Doom(reached, "post", 1, KILL) for reached in ("claimed", "sending", "accepted", "external_id", "before_done")),
    *(Doom(reached, "draw", 3, KILL) for reached in ("claimed", "sending", "accepted", "external_id", "before_done")),
    *(Doom(reached, kind, 2, KILL) for reached in ("claimed", "before_done") for kind in ("receive", "heard")),
    *(Doom("before_done", kind, 1, KILL) for kind in ("publish", "warn", "digest", "poll")),
    *(Doom("accepted", kind, 1, KILL) for kind in ("say", "alarm", "answer", "open")),
    *(Doom("sending", kind, 1, FREEZE) for kind in ("post", "post", "draw", "say")),
    Doom("accepted", "post", 1, FREEZE),
    Doom("claimed", "", 10, FREEZE),
)
"""Each named point of engine.md, for what leaves and for what stays; a shuffled deck of them is dealt out."""


@dataclass
class Slot:
    """Where one replica lives. `frozen_at`: the monotonic clock when it was first seen stopped."""

    process: ForkServerProcess
    frozen_at: float | None = None
    born_after: float = 0.0


@dataclass
class Nemesis:
    """`server`: the PostgreSQL below, to be cut and restarted. `strikes` False: only what the deck says.

    `later`: a doom waits for up to so many times its turn, so that lives are longer where there is more to do.
    `may_thaw` is asked besides the time. `relief`: a desk that freezes is joined by one without a doom.
    """

    orders: Orders
    url: str
    luck: Random
    replicas: int
    deck: tuple[Doom, ...] = DECK
    server: Server | None = None
    strikes: bool = True
    later: int = 1
    relief: bool = False
    may_thaw: Callable[[], bool] = lambda: True
    slots: list[Slot] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    dealt: list[Doom] = field(default_factory=list)
    calm: bool = False

    def begin(self) -> None:
        self.slots = [Slot(self._born()) for _ in range(self.replicas)]

    def _born(self) -> ForkServerProcess:
        if not self.dealt and not self.calm:
            self.dealt = self.luck.sample(self.deck, len(self.deck))
        doom = None if self.calm or not self.dealt else self.dealt.pop()
        if doom is not None:
            doom = doom._replace(nth=doom.nth * self.luck.randint(1, self.later))
        return begin(start, replace(self.orders, doom=doom))

    async def rage(self, seconds: float, enough: Callable[[], bool]) -> None:
        """Strike for so long, or until it is enough; with PostgreSQL, its server is restarted once, in the middle."""
        began = time.monotonic()
        strike_at = began + self.luck.expovariate(1 / STRIKE_EVERY)
        restart_at = began + seconds / 2 if self.strikes and self.server else float("inf")
        while time.monotonic() < began + seconds and not enough():
            await self.tend()
            if self.strikes and time.monotonic() > strike_at:
                strike_at += self.luck.expovariate(1 / STRIKE_EVERY)
                await self._strike()
            if time.monotonic() > restart_at:
                restart_at = float("inf")
                await self._restart()
            await asyncio.sleep(TICK)

    async def tend(self) -> None:
        """The dead are replaced, the frozen thawed when their leases are over."""
        for slot in list(self.slots):
            if slot.born_after:
                self._again(slot)
            elif not slot.process.is_alive():
                self._bury(slot)
            elif _is_stopped(slot.process):
                self._thaw(slot)

    def _again(self, slot: Slot) -> None:
        if time.monotonic() >= slot.born_after:
            slot.process, slot.frozen_at, slot.born_after = self._born(), None, 0.0

    def _bury(self, slot: Slot) -> None:
        """Raises RuntimeError when desks cannot live at all."""
        code, fell = slot.process.exitcode, slot.process.exitcode == FELL
        # Told to freeze before it knew how to, it died of it.
        if not self.calm:
            self.done["killed" if code in (-KILL, -signal.SIGUSR1) else f"exit {code}"] += 1
        slot.process.close()
        slot.born_after = time.monotonic() + (AFTER_A_FALL if fell else 0.0)
        if self.done[f"exit {FELL}"] > FALLS:
            raise RuntimeError(f"desks end by themselves: {self.orders.log}")

    def _thaw(self, slot: Slot) -> None:
        if slot.frozen_at is None:
            slot.frozen_at = time.monotonic()
            self.slots += [Slot(begin(start, self.orders))] if self.relief else []
        long = TAKEN_OVER if len(self.slots) > 1 else PAST_THE_LEASE
        if time.monotonic() - slot.frozen_at > long and self.may_thaw():
            slot.frozen_at = None
            self.done["frozen"] += 1
            _signal(slot, signal.SIGCONT)

    async def _strike(self) -> None:
        weapons: list[Callable[[], Awaitable[None]]] = [self._kill, self._freeze]
        if self.server is not None:
            weapons.append(self._cut)
        await self.luck.choice(weapons)()

    async def _kill(self) -> None:
        _signal(self.luck.choice(self.slots), KILL)

    async def _freeze(self) -> None:
        _signal(self.luck.choice(self.slots), signal.SIGUSR1)

    async def _cut(self) -> None:
        assert self.server is not None
        self.done["cut"] += 1
        with suppress(OSError):
            await self.server.cut_one(self.url)

    async def _restart(self) -> None:
        assert self.server is not None
        self.done["restart"] += await self.server.restart()

    def peace(self) -> None:
        """No more chaos: whoever is doomed makes room for one who is not."""
        self.calm = True
        self.abandon()

    def abandon(self) -> None:
        """Nobody outlives a run, however it ended."""
        for slot in self.slots:
            _signal(slot, KILL)

    async def end(self) -> None:
        """All are asked to stop. Raises TimeoutError, after killing it, for one that does not."""
        for slot in self.slots:
            _signal(slot, signal.SIGCONT)
            _signal(slot, signal.SIGTERM)
        alive = [slot for slot in self.slots if not slot.born_after]
        await asyncio.gather(*(asyncio.to_thread(slot.process.join, LAST_BREATH) for slot in alive))
        late = [slot for slot in alive if slot.process.is_alive()]
        for slot in late:
            slot.process.kill()
            slot.process.join()
        if late:
            raise TimeoutError(f"{len(late)} desks did not stop within {LAST_BREATH:g} s")


def _is_stopped(process: ForkServerProcess) -> bool:
    try:
        return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def _signal(slot: Slot, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        if not slot.born_after and slot.process.is_alive() and slot.process.pid is not None:
            os.kill(slot.process.pid, number)
