"""A desk that has nothing to do, from its start on, against the mere import of the libraries it stands on."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import aiohttp
import psutil
import pytest

from bench.figures import machine, table
from bench.intake import free_port
from tests.scenarios.world import a_sandbox, write_config

SOURCES, WATCHED, TIMES = 20, 120.0, 3
"""WATCHED: seconds, two rounds of sources read once a minute."""
FLOOR = "import aiogram, slack_bolt.async_app, sqlalchemy.ext.asyncio, time; print('ready', flush=True); time.sleep(60)"
SOURCE = """
[[clients.brands.sources]]
key = "more-{number}"
platform = "google_play"
package = "com.example.more{number}"
credentials = "file:play.json"
api_base = "{url}/play"
every = "60s"
"""
COMMANDS = ("--help", "check", "sources", "digest acme", "export acme --out out.jsonl", "db check")
MEBI = 2**20


class Started(NamedTuple):
    seconds: float
    memory: int


async def run(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with a_sandbox() as made:
            port = free_port()
            more = "".join(SOURCE.format(number=n, url=made.url) for n in range(SOURCES - 1))
            for n in range(SOURCES - 1):
                made.site.add_app(f"com.example.more{n}", f"More {n}")
            database, sides = f"sqlite+aiosqlite:///{folder / 'desk.db'}", {"staff": "telegram", "client": "slack"}
            values = {"listen": f"127.0.0.1:{port}", "sources": more, "every": "60s"}
            write_config(folder, made, database, patch, **sides, **values)
            await _once(folder, port)
            floors = [await _floor() for _ in range(TIMES)]
            desks = [await _once(folder, port) for _ in range(TIMES)]
            busy = await _watched(folder, port)
            commands = [[name, f"{await _command(folder, name):.2f} s"] for name in COMMANDS]
    print(f"{machine()}; medians of {TIMES}\n\n{_told(floors, desks, busy)}\n")
    print(table(("command, no desk running", "from its start to its end"), commands), end="\n\n")


def _told(floors: list[Started], desks: list[Started], busy: float) -> str:
    floor, desk = _median(floors), _median(desks)
    rows = [
        ["time to ready", f"{floor.seconds:.2f} s", f"{desk.seconds:.2f} s", f"+ {desk.seconds - floor.seconds:.2f} s"],
        ["memory when ready", _mebi(floor.memory), _mebi(desk.memory), f"{desk.memory / floor.memory:.2f} times"],
        [f"CPU with {SOURCES} sources on 60 s", "", f"{busy * 100:.2f} % of a core", ""],
    ]
    return table(("", "import alone", "the desk", "desk / import"), rows)


def _median(found: list[Started]) -> Started:
    return Started(statistics.median(f.seconds for f in found), int(statistics.median(f.memory for f in found)))


def _mebi(size: int) -> str:
    return f"{size / MEBI:.0f} MiB"


async def _floor() -> Started:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", FLOOR, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    found = Started(time.perf_counter() - began, psutil.Process(process.pid).memory_info().rss)
    process.kill()
    await process.communicate()
    return found


@asynccontextmanager
async def _running(folder: Path, port: int) -> AsyncIterator[tuple[Process, float]]:
    """A desk that says it is ready, and how many seconds that took."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", cwd=folder, stdout=DEVNULL, stderr=DEVNULL, env={**os.environ}
    )
    try:
        async with aiohttp.ClientSession() as http:
            while not await _ready(http, port):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield process, time.perf_counter() - began
    finally:
        process.terminate()
        await process.wait()


async def _ready(http: aiohttp.ClientSession, port: int) -> bool:
    with suppress(aiohttp.ClientError):
        async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    return False


async def _once(folder: Path, port: int) -> Started:
    async with _running(folder, port) as (process, seconds):
        return Started(seconds, psutil.Process(process.pid).memory_info().rss)


async def _watched(folder: Path, port: int) -> float:
    """Part of a core."""
    async with _running(folder, port) as (process, _):
        await asyncio.sleep(20)
        desk = psutil.Process(process.pid)
        before = desk.cpu_times()
        await asyncio.sleep(WATCHED)
        after = desk.cpu_times()
    return (after.user + after.system - before.user - before.system) / WATCHED


async def _command(folder: Path, name: str) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *name.split(), cwd=folder, stdout=DEVNULL, stderr=DEVNULL
        )
        status = await process.wait()
        assert status == 0, f"replydesk {name}: {status}"
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
