"""Each of the other sides in one small server, and each of the desk's clients making one call to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from bot import config as c
from bot.ai import http_client
from bot.net import Way
from bot.slack import Door, SlackChat, SlackDoors, _Socket, web_client
from bot.telegram import make_bot
from collectors.http import Ask, client
from collectors.http import Door as PlatformDoor

TOKEN = "12345:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


def now() -> datetime:
    return datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


@dataclass
class Sides:
    """`calls`: paths asked for, in order."""

    port: int
    scheme: str = "http"
    calls: list[str] = field(default_factory=list)
    connected: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self, host: str) -> str:
        return f"{self.scheme}://{host}:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request.path)
        if request.path == "/socket":
            return await self._socket(request)
        return web.json_response(self._says(request))

    def _says(self, request: web.Request) -> dict[str, Any]:
        if request.path.endswith("/getMe"):
            me = {"id": 12345, "is_bot": True, "first_name": "desk", "username": "desk"}
            return {"ok": True, "result": me}
        url = f"{self.scheme.replace('http', 'ws')}://{request.host}/socket"
        return {"ok": True, "url": url, "user": "desk", "data": [], "object": "list", "items": []}

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connected.set()
        async for _ in socket:
            pass
        return socket


@asynccontextmanager
async def sides(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Sides]:
    made = Sides(0, "https" if tls else "http")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, 0, ssl_context=tls).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


async def telegram(base: str, way: Way) -> None:
    bot = make_bot(TOKEN, base, way)
    try:
        await bot.get_me()
    finally:
        await bot.session.close()


def _slack(base: str) -> c.Slack:
    return c.Slack.model_validate({"bot_token": SecretStr("xoxb-1"), "api_base": f"{base}/api/"})


async def slack(base: str, way: Way) -> None:
    calling = web_client(_slack(base), way)
    try:
        await calling.auth_test()
    finally:
        await calling.close()


async def slack_file(base: str, way: Way) -> None:
    calling = web_client(_slack(base), way)
    assert await SlackChat({"main": calling}, now).fetch("slack:main/C1", f"{base}/files/1.txt")


async def slack_socket(base: str, way: Way) -> None:
    """Returns once the socket is open."""
    from slack_bolt.app.async_app import AsyncApp

    calling = web_client(_slack(base), way)
    app = AsyncApp(token="xoxb-1", request_verification_enabled=False)
    door = Door(_slack(base), None, app, calling)  # type: ignore[arg-type]  # no event comes
    door.workspace = type("Somewhere", (), {"key": "main"})()
    socket = _Socket(SlackDoors([door], SlackChat({"main": calling}, now)), [door], "xapp-1")
    try:
        await socket.connect_async()
        assert await socket.client.is_connected()
    finally:
        await socket.close_async()


async def platform(base: str, way: Way) -> None:
    async with client(way.proxy, way.ca_file) as http:
        await PlatformDoor(http, "Site", now).read(Ask("GET", f"{base}/feed"))


async def ai(base: str, way: Way) -> None:
    import openai

    async with openai.AsyncOpenAI(
        api_key="sk-1", base_url=f"{base}/v1", max_retries=0, http_client=http_client(way)
    ) as server:
        await server.models.list()


CLIENTS: dict[str, Callable[[str, Way], Awaitable[None]]] = {
    "telegram": telegram,
    "slack": slack,
    "slack_file": slack_file,
    "slack_socket": slack_socket,
    "platform": platform,
    "ai": ai,
}
