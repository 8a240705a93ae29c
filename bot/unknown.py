"""Work that does not get done: it waits for newer code, in a rolling upgrade or after a way back, or it fails again and
again. Shown to whoever looks, told to leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from bot.build import App
from desk.errors import DeskError
from desk.rules import Rules
from desk.work import Prio, Work
from storage.store import Waiting

log = logging.getLogger("replydesk")

LOOK = 30.0
"""Seconds between two looks."""

PATIENCE = timedelta(minutes=5)
"""A rolling upgrade takes no longer: until then the newer replica does the work; and most failures pass by then."""


async def unknown(app: App) -> list[Waiting]:
    """Unfinished work of kinds that this code does not know; what newer replicas hold at this moment does not count."""
    return [waiting for waiting in await app.engine.unknown() if waiting.state == "ready"]


async def tired(app: App) -> list[Waiting]:
    """Jobs that fail again and again, and not for a moment only."""
    since = app.now() - PATIENCE
    return [one for one in await app.engine.tired() if one.tired_since is not None and one.tired_since <= since]


async def note(app: App) -> str:
    """For /readyz: no reason to send the requests elsewhere, but nothing to be silent about."""
    waits = [f"{one.rows} of kind {one.kind!r} wait for newer code" for one in await unknown(app)]
    fails = [f"{one.tired} of kind {one.kind!r} fail again and again" for one in await tired(app)]
    return "; ".join(waits + fails)


async def counted(app: App) -> dict[str, int]:
    """Rows by kind."""
    return {one.kind: one.rows for one in await unknown(app)}


async def watch(app: App, stop: asyncio.Event) -> None:
    """Until `stop`. The database being away is told by others."""
    while not stop.is_set():
        with suppress(DeskError, SQLAlchemyError, OSError):
            await tell(app)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await stop.wait()


async def tell(app: App) -> None:
    waits = [one for one in await unknown(app) if one.oldest < app.now() - PATIENCE]
    told = [("unknown_work", one.kind, one.rows) for one in waits]
    told += [("tired_work", one.kind, one.tired) for one in await tired(app)]
    if not told:
        return
    async with app.store.write(Prio.PERSON) as unit:
        for what, kind, rows in told:
            await unit.enqueue(*_alarms(app.live.current.brands(), what, kind, rows, unit.now))


def _alarms(brands: Iterable[Rules], what: str, kind: str, rows: int, now: datetime) -> list[Work]:
    """Whichever replica is the first to notice; once a day and kind."""
    rooms = {rules.leads_room or rules.staff_room: rules.brand for rules in brands}
    return [_alarm(room, brand, what, kind, rows, now) for room, brand in rooms.items()]


def _alarm(room: str, brand: str, what: str, kind: str, rows: int, now: datetime) -> Work:
    payload = {"room": room, "thread": "", "what": what, "brand": brand}
    payload |= {"source": kind, "reason": str(rows)}
    idem = f"told:{what.removesuffix('_work')}:{kind}:{now.date().isoformat()}:{room}"
    return Work("answer", payload, lane=f"answers:{room}:", dest=room, idem=idem, prio=Prio.ALARM)
