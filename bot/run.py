"""`replydesk run`: the desk in the foreground, until it is asked to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress
from pathlib import Path

from bot.build import App, build
from bot.config import Config
from bot.connect import Connections, connect
from bot.logs import secrets, secrets_of, setup_logs

log = logging.getLogger("replydesk")

LOOK_AT_FILE = 2.0
"""Seconds between two looks at config.toml's time of change."""

DEAF_WITHIN, STOP_WITHIN = 2.0, 4.0
"""Seconds for what was taken in to be answered, and for what runs to finish; the rest is handed back.

Together with closing they stay well under the ten in which the process ends (contract §2), on a busy machine too.
"""


async def run_desk(config: Config, path: Path) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    setup_logs(config)
    app = await build(config, path)
    reload = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    try:
        await serve(app, path, stop, reload)
    finally:
        await app.close()
    return 0


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
    app.rounds.stop()
    with suppress(TimeoutError):
        async with asyncio.timeout(DEAF_WITHIN):
            await connections.deafen()
    await app.engine.stop(STOP_WITHIN)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
    await connections.close()


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
            seen = now
            await reload_now(app, path)


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
