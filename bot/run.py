"""`replydesk run`: the desk in the foreground, until it is asked to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from bot.build import App, build
from bot.config import Config
from bot.connect import Connections, connect
from bot.logs import secrets, secrets_of, setup_logs
from desk.errors import DeskError, told
from storage.runner import GIVE_BACK

log = logging.getLogger("replydesk")

LOOK_AT_FILE = 2.0
"""Seconds between two looks at config.toml's time of change."""

LATER = -1.0
"""No time of change: what could not be taken over is tried at the next look."""

STOP_WITHIN = 4.0
"""Seconds for what was taken in to be answered, and for what runs to finish; the rest is handed back."""

CLOSE_WITHIN = 1.0
"""Seconds for tasks, for connections and for the store to close, each."""

AT_LAST = 9.5
"""Seconds after which the process ends whatever hangs in it: a thread in a dead name server is waited for otherwise.
It has ten (contract §2); what was not handed back by then is left to its lease."""


async def run_desk(config: Config, path: Path) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _asked, stop)
    reload = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    setup_logs(config)
    app = await build(config, path)
    try:
        await serve(app, path, stop, reload)
    finally:
        await _within(CLOSE_WITHIN, "the store", app.close())
    return 0


def _asked(stop: asyncio.Event) -> None:
    """To stop in good order; asked again, at once: the store knows what was under way."""
    if stop.is_set():
        _end("a second signal", 1)
    stop.set()
    log.info("asked to stop")
    late = threading.Timer(AT_LAST, _end, ("something hangs", 0))
    late.daemon = True
    late.start()


def _end(why: str, status: int) -> None:
    log.warning("ended at once: %s", why)
    sys.stderr.flush()
    os._exit(status)


async def serve(app: App, path: Path, stop: asyncio.Event, reload: asyncio.Event | None = None) -> None:
    """Connect, work until `stop`, then let go of everything in order: no new events, no new work, no connections."""
    connections = await connect(app)
    tasks = [asyncio.create_task(app.engine.run(), name="engine")]
    try:
        await app.pace()
        await app.rounds.start()
        await connections.start()
        tasks += [asyncio.create_task(work(), name=name) for name, work in connections.listeners(stop).items()]
        tasks.append(asyncio.create_task(_watch_file(app, path, reload or asyncio.Event()), name="config"))
        log.info("the desk is running")
        app.running.set()
        await _until(stop, tasks)
    finally:
        await _let_go(app, connections, tasks)


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """A part that ends by itself is a fault: the desk does not go on half deaf."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    for task in tasks:
        if task.done() and not stop.is_set():
            task.result()
            raise RuntimeError(f"{task.get_name()} ended by itself")


async def _let_go(app: App, connections: Connections, tasks: list[asyncio.Task[None]]) -> None:
    """Others may have the rest from now on: nothing more is claimed while what was taken in is answered."""
    app.rounds.stop()
    await asyncio.gather(
        _within(STOP_WITHIN, "intake", connections.deafen()),
        _within(STOP_WITHIN + GIVE_BACK + CLOSE_WITHIN, "the engine", app.engine.stop(STOP_WITHIN)),
    )
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=CLOSE_WITHIN)
    await _within(CLOSE_WITHIN, "connections", connections.close())


async def _within(seconds: float, what: str, work: Awaitable[None]) -> None:
    """What does not come to its end in time is left behind: the process ends."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        log.warning("%s did not end within %g s", what, seconds)


async def _watch_file(app: App, path: Path, reload: asyncio.Event) -> None:
    """SIGHUP or a newer file: a sound one is put in force, a faulty one is told and left aside (contract §3)."""
    seen = _changed_at(path)
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AT_FILE):
                await reload.wait()
        now = _changed_at(path)
        if reload.is_set() or now != seen:
            reload.clear()
            try:
                await reload_now(app, path)
            except (DeskError, SQLAlchemyError, OSError) as error:
                if seen != LATER:
                    log.warning("config.toml is taken over once the database is back: %s", told(error))
                now = LATER
            seen = now


def _changed_at(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


async def reload_now(app: App, path: Path) -> None:
    faults = app.live.reload(path)
    if faults:
        log.error("config.toml was not taken over, the old one stays:\n%s", "\n".join(str(f) for f in faults))
        return
    secrets(secrets_of(app.live.config))
    await app.pace()
    await app.rounds.plan()
    late = app.live.after_restart()
    log.info("config.toml taken over%s", f"; after a restart also: {', '.join(late)}" if late else "")
