"""A local server on a real socket that answers whatever it was told to, and the answers nobody wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

BETWEEN = 0.02
"""Seconds between two bytes of a slow drip: no pause is ever as long as a time-out."""


@dataclass
class Odd:
    """`calls`: when each request came, by the loop's clock."""

    answer: Answer
    url: str = ""
    calls: list[float] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(asyncio.get_running_loop().time())
        await request.read()
        return await self.answer(request)


@asynccontextmanager
async def odd(answer: Answer) -> AsyncIterator[Odd]:
    made = Odd(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def says(body: str | bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
    named = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body.encode() if isinstance(body, str) else body, status=status, headers=named)

    return answer


async def drips(request: web.Request) -> web.StreamResponse:
    """White space before the JSON, a byte now and then, for ever."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b" ")
            await asyncio.sleep(BETWEEN)
    return response


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def resets(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_off(request: web.Request) -> web.StreamResponse:
    """More was announced than comes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"ok": true, "result": {"message_i')
    return await resets(request)
