"""A whole desk in a process of its own that kills itself at a named point of one row's way."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

# With all that is imported late, so that each new process is forked with it.
import bot.build
import bot.slack
import bot.telegram
from bot.build import Parts, build
from bot.config import load
from bot.run import serve
from desk.ports import Probe
from desk.work import Row
from tests.forks import begin
from tests.storage.kill.desk import ENGINES

SCALE = 0.05
"""Of leases, time-outs and graces: an effect's lease is 3 s, its time-out 0.75 s, a platform's grace 1.5 s."""

PATIENCE = 30.0
"""Seconds in which a process ends by itself, on a busy machine."""


class Point(NamedTuple):
    """Where to die: at this point of the first row of this kind whose payload says so."""

    kind: str
    reached: str
    payload: Mapping[str, Any]

    def is_at(self, reached: str, row: Row) -> bool:
        here = (self.kind, self.reached) == (row.kind, reached)
        return here and all(row.payload.get(key) == value for key, value in self.payload.items())


@dataclass(frozen=True)
class Orders:
    """`die_at` None: it lives until SIGTERM. `env`: what the configuration reads its secrets from."""

    config: Path
    env: dict[str, str]
    die_at: Point | None = None
    engine: str = "engine"
    scale: float = field(default=SCALE)


def killer(point: Point | None) -> Probe:
    async def probe(reached: str, row: Row) -> None:
        if point is not None and point.is_at(reached, row):
            os.kill(os.getpid(), signal.SIGKILL)

    return probe


async def run(orders: Orders) -> None:
    parts = Parts(probe=killer(orders.die_at), scale=orders.scale)
    app = await build(load(orders.config), orders.config, parts)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        await serve(app, orders.config, stop)
    finally:
        await app.close()


def start(orders: Orders) -> None:
    """Entry of the process."""
    logging.disable()
    os.environ.update(orders.env)
    # How fast a channel or an account may be written to is not what the tests are about.
    bot.build.SLACK_GAP, bot.build.SLACK_BURST, bot.build.ACCOUNT_BURST = 0.001, 1000, 1000
    bot.build.Engine = ENGINES[orders.engine]  # type: ignore[misc]
    asyncio.run(run(orders))


# from outside


class Life:
    """One process of a desk."""

    def __init__(self, orders: Orders) -> None:
        self.process: ForkServerProcess = begin(start, orders)

    async def ended(self) -> int:
        """Its exit code, -9 when it was killed. Raises TimeoutError, and kills what outlasts PATIENCE."""
        await asyncio.to_thread(self.process.join, PATIENCE)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            await asyncio.to_thread(self.process.join)
            raise TimeoutError(f"a desk did not end within {PATIENCE:g} s")
        return code

    async def stopped(self) -> int:
        """Asked to stop, as `replydesk run` is."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        return await self.ended()
