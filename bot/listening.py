"""Platforms that are waited for: each source whose platform listens has an ear, and is read when it hears."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from bot.build import App
from desk.errors import DeskError, told
from desk.platform import Listens
from desk.polling import knocked
from desk.work import Prio

log = logging.getLogger("replydesk.listening")

LOOK = 30.0
"""Seconds between two looks for sources that came into the configuration."""
REST = 1.0
"""Seconds between two questions: what comes meanwhile is in the next answer."""
PAUSE = 60.0
"""Seconds after a question that failed; the source is read by the clock all the while."""

AWAY = (DeskError, SQLAlchemyError, OSError)


async def listen(app: App, stop: asyncio.Event) -> None:
    ears: dict[str, asyncio.Task[None]] = {}
    try:
        while not stop.is_set():
            missing = [key for key in _sources(app) if key not in ears or ears[key].done()]
            ears |= {key: _grown(app, key) for key in missing}
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await stop.wait()
    finally:
        for ear in ears.values():
            ear.cancel()
        await asyncio.gather(*ears.values(), return_exceptions=True)


def _grown(app: App, key: str) -> asyncio.Task[None]:
    ear = asyncio.create_task(_ear(app, key), name=f"ear of {key}")
    ear.add_done_callback(_broken)
    return ear


def _broken(ear: asyncio.Task[None]) -> None:
    if not ear.cancelled() and (bug := ear.exception()) is not None:
        log.error("the %s broke off", ear.get_name(), exc_info=bug)


def _sources(app: App) -> list[str]:
    return [source.key for source in app.live.current.sources() if _listener(app, source.key) is not None]


def _listener(app: App, key: str) -> Listens | None:
    """None: the platform is only polled, or the source left the configuration."""
    ref = app.sources.ref(key)
    return ref.platform if ref is not None and isinstance(ref.platform, Listens) and ref.platform.listens else None


async def _ear(app: App, key: str) -> None:
    failed = ""
    while (platform := _listener(app, key)) is not None:
        try:
            if await platform.wait():
                async with app.store.write(Prio.PERSON) as unit:
                    await knocked(unit, key)
            failed = ""
        except AWAY as error:
            if told(error) != failed:
                failed = told(error)
                log.warning("%s: not listened to for a while: %s", key, failed)
        await asyncio.sleep(PAUSE if failed else REST)
