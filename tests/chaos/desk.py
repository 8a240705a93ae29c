"""One desk of a run: the real one, with the fakes in place of the world and a doom it carries from birth."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

# With all that is imported late, so that each new process is forked with it.
import bot.build
import bot.run
import desk.showing
import tests.chaos.account
import tests.chaos.messenger
import tests.chaos.platform  # noqa: F401
from bot.build import Parts, build
from bot.config import load
from bot.run import serve
from collectors import PLATFORMS, Entry
from desk.answering import Digest
from desk.clockwork import Warnings
from desk.work import Row
from tests.chaos import edge
from tests.storage.kill.desk import ENGINES

SCALE = 0.05
"""Of leases, time-outs and graces: an effect's lease is 3 s, its time-out 0.75 s, the platform's grace 0.5 s."""

PLAIN = timedelta(seconds=60)
"""Lease of timers and digests, scaled like the others: a tenth of an effect's would be too short on a busy machine."""

PACE = {"SLACK_GAP": 0.05, "SLACK_BURST": 20, "ACCOUNT_BURST": 20}
"""Seconds and calls. How fast Slack and the platform may be written to is not what binds here; Telegram's pace is."""


FELL = 3
"""Exit code of a desk that ended by itself."""


class Doom(NamedTuple):
    """What befalls a desk when it is for the `nth` time at this point of a row of this kind; "" is any."""

    reached: str
    kind: str
    nth: int
    how: signal.Signals


@dataclass(frozen=True)
class Orders:
    """`env`: what the configuration reads its secrets from."""

    config: Path
    env: dict[str, str]
    telegram: str
    slack: str
    minute: float
    engine: str
    log: Path
    doom: Doom | None = None


class Fate:
    """The probe of a desk that is to die, or to freeze."""

    def __init__(self, doom: Doom | None) -> None:
        self._doom = doom
        self._left = doom.nth if doom is not None else 0

    async def __call__(self, reached: str, row: Row) -> None:
        doom = self._doom
        if doom is None or doom.reached not in ("", reached) or doom.kind not in ("", row.kind):
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), doom.how)


def freeze() -> None:
    """Once no step of the loop is due: the next may be a client's that writes what went through the fence, and between
    the fence and the write a freeze is beyond any client (engine.md)."""
    loop = asyncio.get_running_loop()
    if loop._ready:  # type: ignore[attr-defined]
        loop.call_later(0.001, freeze)
    else:
        os.kill(os.getpid(), signal.SIGSTOP)


async def run(orders: Orders) -> None:
    parts = Parts(probe=Fate(orders.doom), scale=SCALE, minute=orders.minute)
    app = await build(load(orders.config), orders.config, parts)
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, freeze)
    try:
        await serve(app, orders.config, stop)
    finally:
        await app.close()


def start(orders: Orders) -> None:
    """Entry of the process."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    logging.basicConfig(
        filename=orders.log, level=logging.WARNING, format="%(asctime)s %(process)d %(name)s %(message)s"
    )
    os.environ.update(orders.env)
    PLATFORMS["chaos"] = Entry("tests.chaos.account")
    engine = partial(ENGINES[orders.engine], backoff=lambda attempt: 0.3 * random.uniform(1, attempt))
    patient = {"Warnings": partial(Warnings, lease=PLAIN), "Digest": partial(Digest, lease=PLAIN)}
    for name, value in {**PACE, **patient, "Engine": engine}.items():
        setattr(bot.build, name, value)
    desk.showing.BROKEN_FOR *= SCALE
    connect = partial(edge.connect, telegram=orders.telegram, slack=orders.slack)
    setattr(bot.run, "connect", connect)  # noqa: B010 - mypy would not have it assigned
    try:
        asyncio.run(run(orders))
    except Exception:
        logging.getLogger("chaos").exception("the desk ended by itself")
        raise SystemExit(FELL) from None
