"""Socket Mode: hello, envelopes with acknowledgements, ten connections an app, disconnects."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import defaultdict
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.slack.courier import Delivery, Receipt
from sandbox.slack.state import App, Json, Team, World

MOST_CONNECTIONS = 10
TICKET_SECONDS = 30.0


class Link:
    """One open websocket of an app. After a disconnect message it gets nothing more, but may still acknowledge."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self._request = request

    async def send(self, message: Json) -> bool:
        """False when the connection turns out to be gone."""
        if self.socket.closed:
            return False
        try:
            await self.socket.send_str(json.dumps(message))
        except ConnectionError:
            return False
        return True

    def cut(self) -> None:
        """As when a cable is pulled: no close frame."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Sockets:
    """All sockets of all apps. An envelope not acknowledged within `ack_seconds` counts as missed."""

    def __init__(self, world: World, ack_seconds: float) -> None:
        self.world = world
        self.ack_seconds = ack_seconds
        self.links: defaultdict[str, list[Link]] = defaultdict(list)
        self._tickets: dict[str, tuple[App, float]] = {}
        self._turn: defaultdict[str, int] = defaultdict(int)
        self._waiting: dict[str, asyncio.Future[Json | None]] = {}
        self._connected: dict[str, asyncio.Event] = {}

    def ticket(self, app: App) -> str:
        """The path of a websocket address that is good for one connection, within half a minute."""
        key = secrets.token_urlsafe(24)
        self._tickets[key] = (app, self.world.now() + TICKET_SECONDS)
        return f"/slack/socket/{key}?app_id={app.id}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The websocket itself, until either side ends it."""
        app, expires = self._tickets.pop(request.match_info["ticket"], (None, 0.0))
        if app is None or self.world.now() > expires:
            return web.Response(status=408, text="invalid or expired ticket")
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        link = Link(socket, request)
        links = self.links[app.id]
        if len(links) >= MOST_CONNECTIONS:
            await link.send(_disconnect("too_many_websockets"))
            await socket.close()
            return socket
        links.append(link)
        try:
            await link.send(_hello(app, len(links)))
            self._event(app).set()
            await self._listen(socket)
        finally:
            self._forget(app.id, link)
        return socket

    async def send(self, team: Team, delivery: Delivery, attempt: int, reason: str) -> Receipt:
        """Waits for a connection (an event for ever, an interaction as long as the person would), then sends."""
        envelope = {
            "envelope_id": delivery.envelope_id,
            "type": delivery.kind,
            "accepts_response_payload": delivery.accepts_payload,
            "payload": delivery.payload,
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        answer: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._waiting[delivery.envelope_id] = answer
        patience = None if delivery.kind == "events_api" else self.ack_seconds
        try:
            await asyncio.wait_for(self._to_next(team.app, envelope), patience)
            return Receipt(True, payload=await asyncio.wait_for(answer, self.ack_seconds))
        except TimeoutError:
            return Receipt(False, reason="timeout")
        finally:
            if self._waiting.get(delivery.envelope_id) is answer:
                del self._waiting[delivery.envelope_id]

    async def disconnect(self, app: App, reason: str) -> None:
        """Tells every connection of the app to go; it is closed a moment later if it stays."""
        links = list(self.links[app.id])
        for link in links:
            if reason != "warning":
                self._forget(app.id, link)
            await link.send(_disconnect(reason))
        if reason != "warning":
            await asyncio.sleep(self.ack_seconds)
            await _close(links)

    def cut(self, app: App) -> None:
        for link in list(self.links[app.id]):
            self._forget(app.id, link)
            link.cut()

    async def close(self) -> None:
        await _close([link for links in self.links.values() for link in list(links)])

    async def _to_next(self, app: App, envelope: Json) -> None:
        while True:
            await self._event(app).wait()
            links = self.links[app.id]
            if not links:
                continue
            self._turn[app.id] += 1
            link = links[self._turn[app.id] % len(links)]
            if await link.send(envelope):
                return
            self._forget(app.id, link)

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self._acknowledge(message.data)

    def _acknowledge(self, text: str) -> None:
        try:
            body: Any = json.loads(text)
        except ValueError:
            return
        waiting = self._waiting.get(body.get("envelope_id", "")) if isinstance(body, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(body.get("payload"))

    def _event(self, app: App) -> asyncio.Event:
        return self._connected.setdefault(app.id, asyncio.Event())

    def _forget(self, app_id: str, link: Link) -> None:
        with contextlib.suppress(ValueError):
            self.links[app_id].remove(link)
        if not self.links[app_id] and app_id in self._connected:
            self._connected[app_id].clear()


async def _close(links: list[Link]) -> None:
    await asyncio.gather(*(link.socket.close(code=1001) for link in links), return_exceptions=True)


def _hello(app: App, connections: int) -> Json:
    return {
        "type": "hello",
        "num_connections": connections,
        "debug_info": {"host": "applink-sandbox", "build_number": 1, "approximate_connection_time": 18060},
        "connection_info": {"app_id": app.id},
    }


def _disconnect(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}}
