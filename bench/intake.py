"""Mentions pushed by webhook, in batches of a hundred, against the least that any web server would have to do."""

from __future__ import annotations

import json
import socket
import statistics
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert
from standardwebhooks import Webhook

from bench.figures import machine, table
from bench.stores import stores
from storage.database import Database
from tests.scenarios.world import World, opened

BATCH, BATCHES, ROUNDS = 100, 30, 3
SECRET = "whsec_" + b64encode(b"a secret of the bench, 32 bytes.").decode()
HOOK = f"""
[[clients.brands.sources]]
key = "pushed"
platform = "webhook"
secret = "{SECRET}"
"""
FLOOR = Table("floor", MetaData(), Column("id", Integer, primary_key=True), Column("text", Text, nullable=False))

Send = Callable[[aiohttp.ClientSession, int], Awaitable[None]]


async def run(folder: Path) -> None:
    rows = []
    with stores(folder) as urls:
        for name, url in urls.items():
            rows.append(await _compared(folder, name, url))
    head = ("mentions a second, batches of 100", "the desk", "the floor", "desk / floor")
    print(f"{machine()}; median of {ROUNDS} times {BATCHES} batches, one after another\n\n{table(head, rows)}\n")


async def _compared(folder: Path, name: str, url: str) -> list[str]:
    """Turn by turn, so that both meet the same machine."""
    desk, floor = [], []
    with pytest.MonkeyPatch.context() as patch:
        async with pushed_to(folder, url, patch) as (w, port), bare(url) as bare_port:
            await w.until(lambda: w.sandbox.site.calls, what="the first poll")
            for turn in range(ROUNDS):
                floor.append(await _rate(f"http://127.0.0.1:{bare_port}/", _plain, turn))
                desk.append(await _rate(f"http://127.0.0.1:{port}/hooks/pushed", signed, turn))
                await handled(w)
    ours, theirs = statistics.median(desk), statistics.median(floor)
    return [name, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.2f}"]


@asynccontextmanager
async def pushed_to(folder: Path, url: str, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, int]]:
    """A whole desk that listens; the work that the pushes make goes on meanwhile, as it does in life."""
    patch.setenv("HOOK_SECRET", SECRET)
    port = free_port()
    secret = HOOK.replace(SECRET, "env:HOOK_SECRET")
    async with opened(folder, url, patch, rush=True, listen=f"127.0.0.1:{port}", sources=secret, every="1h") as w:
        yield w, port


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def handled(w: World) -> None:
    """Until no mention waits to be judged."""

    async def idle() -> bool:
        return not any(waiting.kind == "receive" for waiting in await w.app.store.waiting())

    await w.until(idle, within=300.0, what="all mentions judged")


async def _rate(url: str, body: Callable[[bytes], dict[str, str]], turn: int) -> float:
    async with aiohttp.ClientSession() as http:
        began = time.perf_counter()
        for number in range(BATCHES):
            content = mentions(f"{turn}-{number}", BATCH)
            async with http.post(url, data=content, headers=body(content)) as answer:
                assert answer.status in (200, 202), await answer.text()
        return BATCH * BATCHES / (time.perf_counter() - began)


def mentions(name: str, count: int) -> bytes:
    """Five stars: stored and counted, no case."""
    at = datetime.now(UTC).isoformat()
    body = [
        {
            "id": f"{name}-{number}",
            "url": f"https://example.org/reviews/{name}-{number}",
            "text": f"The coffee was warm and everybody answered, number {number} of {name}.",
            "rating": 5,
            "published_at": at,
            "platform": "2gis",
            "author": {"id": f"u{number}", "name": f"user_{number}", "followers": number},
        }
        for number in range(count)
    ]
    return json.dumps(body).encode()


def signed(content: bytes) -> dict[str, str]:
    at = datetime.now(UTC)
    name = f"msg_{time.perf_counter_ns()}"
    signature = Webhook(SECRET).sign(name, at, content.decode())
    return {"webhook-id": name, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def _plain(content: bytes) -> dict[str, str]:
    return {}


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[int]:
    """aiohttp, a parsed body, a hundred INSERTs in one transaction of the same store: the floor."""
    floor = url if url.startswith("postgresql") else url.replace("desk.db", "floor.db")
    database = Database(floor)
    async with database.writer.begin() as connection:
        await connection.run_sync(FLOOR.metadata.drop_all)
        await connection.run_sync(FLOOR.metadata.create_all)

    async def take(request: web.Request) -> web.Response:
        items: list[Any] = json.loads(await request.read())
        async with database.writer.begin() as connection:
            for item in items:
                await connection.execute(insert(FLOOR).values(text=json.dumps(item)))
        return web.json_response({"accepted": len(items)})

    app = web.Application(client_max_size=2**20)
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()
        await database.close()
