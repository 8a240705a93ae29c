"""Starting, killing and judging processes. What a test believes comes from the platform's log alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import psutil

from desk.work import Work
from storage.store import open_store
from tests.forks import begin, context
from tests.storage.kill import desk, platform

PATIENCE = 30.0
"""Seconds for one life of a desk; it takes about one."""


async def ended(process: ForkServerProcess) -> int:
    """Its exit code, -9 when it was killed. Kills what outlasts PATIENCE."""
    await asyncio.to_thread(process.join, PATIENCE)
    if process.is_alive():
        process.kill()
        await asyncio.to_thread(process.join)
        raise TimeoutError(f"{process.name} did not end within {PATIENCE:g} s")
    code = process.exitcode
    process.close()
    assert code is not None
    return code


async def stopped(process: ForkServerProcess) -> None:
    """Until it froze itself."""
    async with asyncio.timeout(PATIENCE):
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class World(NamedTuple):
    address: str
    log: Path

    def published(self, mention: str) -> list[str]:
        return platform.published(self.log, mention)


@contextmanager
def a_platform(log: Path) -> Iterator[World]:
    ours, theirs = context().Pipe(duplex=False)
    process = begin(platform.serve, log, theirs)
    try:
        if not ours.poll(PATIENCE):
            raise TimeoutError("the platform did not start")
        yield World(ours.recv(), log)
    finally:
        ours.close()
        theirs.close()
        process.terminate()
        process.join()
        process.close()


async def approve(store_url: str, mention: str, text: str = "Простите") -> None:
    """What an approval leaves in the store."""
    store = await open_store(store_url)
    work = Work("reply", {"mention": mention, "text": text}, lane=f"case:{mention}:reply", idem=f"publish:{mention}")
    async with store.write() as unit:
        await unit.enqueue(work)
    await store.close()


async def live_and_die(orders: desk.Orders) -> tuple[int, int]:
    """A desk that kills itself where ordered, and then another one; the exit codes of both."""
    first = await ended(begin(desk.start, orders))
    second = await ended(begin(desk.start, replace(orders, kill_at="")))
    return first, second
