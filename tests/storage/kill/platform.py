"""A platform in a process of its own: not idempotent, unreliable on order, and its log tells what it was sent.

The first call about a mention goes as the word before the colon of its id says: `drop:7` is accepted and then cut off.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web

Trouble = Callable[["FakePlatform", web.Request, dict[str, Any]], Awaitable[web.Response]]


async def _plain(platform: FakePlatform, request: web.Request, body: dict[str, Any]) -> web.Response:
    return web.json_response({"id": platform.accept(body)})


async def _drop(platform: FakePlatform, request: web.Request, body: dict[str, Any]) -> web.Response:
    platform.accept(body)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def _error(platform: FakePlatform, request: web.Request, body: dict[str, Any]) -> web.Response:
    return web.Response(status=500)


async def _error_after(platform: FakePlatform, request: web.Request, body: dict[str, Any]) -> web.Response:
    platform.accept(body)
    return web.Response(status=500)


async def _slow(platform: FakePlatform, request: web.Request, body: dict[str, Any]) -> web.Response:
    number = platform.accept(body)
    await asyncio.sleep(1)
    return web.json_response({"id": number})


async def _limited(platform: FakePlatform, request: web.Request, body: dict[str, Any]) -> web.Response:
    return web.Response(status=429, headers={"Retry-After": "0.2"})


TROUBLES: dict[str, Trouble] = {
    "plain": _plain,
    "drop": _drop,
    "500": _error,
    "500after": _error_after,
    "slow": _slow,
    "429": _limited,
}


class FakePlatform:
    def __init__(self, log: Path) -> None:
        self._log = log
        self._calls: dict[str, int] = {}
        self._replies: dict[str, list[dict[str, Any]]] = {}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/replies", self._post)
        app.router.add_get("/replies", self._list)
        return app

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.json()
        first = self._calls.setdefault(body["mention"], 0) == 0
        self._calls[body["mention"]] += 1
        how = body["mention"].partition(":")[0] if first else "plain"
        return await TROUBLES[how](self, request, body)

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response(self._replies.get(request.query["mention"], []))

    def accept(self, body: dict[str, Any]) -> str:
        """It is public now, and written down before anybody hears of it."""
        replies = self._replies.setdefault(body["mention"], [])
        reply = {"id": f"{body['mention']}/{len(replies) + 1}", **body, "at": time.time()}
        replies.append(reply)
        with self._log.open("a") as log:
            log.write(json.dumps(reply) + "\n")
        return str(reply["id"])


def serve(log: Path, address: Connection) -> None:
    """Entry of the process: tells its address and stays until it is terminated."""
    asyncio.run(_serve(log, address))


async def _serve(log: Path, address: Connection) -> None:
    runner = web.AppRunner(FakePlatform(log).app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    address.send(f"http://{host}:{port}")
    await asyncio.Event().wait()


def published(log: Path, mention: str) -> list[str]:
    """The texts that stand under a mention, from the log alone."""
    if not log.exists():
        return []
    replies = map(json.loads, log.read_text().splitlines())
    return [reply["text"] for reply in replies if reply["mention"] == mention]
