"""A local server on a real socket that answers whatever it was told to, and the answers nobody wants."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

BETWEEN, APART = 0.02, 1.0
"""Seconds between two bytes of a slow drip, of real ones and of the loop's: no pause is ever as long as a time-out."""

LONG = 25.0
"""Seconds: more than any call may take."""


class Ahead:
    """A loop's clock that can be put forward."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.real, self.by = loop.time, 0.0
        loop.time = self  # type: ignore[method-assign]

    def __call__(self) -> float:
        return self.real() + self.by


def passes(seconds: float) -> None:
    """So much time, by the clock of the loop, is over at once.

    The time-outs may be those of a desk, then: no test waits for one, and a machine that stands still for a moment
    reaches none before the request has come.
    """
    loop = asyncio.get_running_loop()
    clock = loop.time if isinstance(loop.time, Ahead) else Ahead(loop)
    clock.by += seconds


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


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port of this machine that refuses connections, as nobody listens there, and that nobody else is given. Whoever
    holds it may."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def says(body: str | bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
    named = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body.encode() if isinstance(body, str) else body, status=status, headers=named)

    return answer


async def drips(request: web.Request) -> web.StreamResponse:
    """White space before the JSON, a byte now and then, for ever."""
    return await _byte_by_byte(request, lambda: asyncio.sleep(BETWEEN))


async def trickles(request: web.Request) -> web.StreamResponse:
    """As `drips`, with a second of the loop's between two bytes."""

    async def a_second() -> None:
        await asyncio.sleep(0.001)  # for the byte to be read
        passes(APART)

    return await _byte_by_byte(request, a_second)


async def _byte_by_byte(request: web.Request, between: Callable[[], Awaitable[None]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b" ")
            await between()
    return response


async def hangs(request: web.Request) -> web.StreamResponse:
    """Nothing comes until whoever asks has waited for long enough, by the clock of the loop."""
    passes(LONG)
    await asyncio.sleep(3600)
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
