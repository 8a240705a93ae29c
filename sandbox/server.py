"""The sandbox as one HTTP server: three faces, their people's side and the page."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox import world
from sandbox.hub import Hub
from sandbox.site import ReviewSite
from sandbox.slack import Slack
from sandbox.telegram import Telegram
from sandbox.telegram.topics import ICONS

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE = Path(__file__).parent / "page"
# Foreign text is drawn as text; should that ever fail, the browser still runs and loads nothing of it.
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
    " base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
PICTURES = ("image/png", "image/jpeg", "image/gif")
# Seconds that open requests get to end by themselves.
STOP_AFTER = 0.5


class Sandbox:
    """Telegram, Slack and a review site on one port of 127.0.0.1. `now` gives Unix seconds.

    `group_per_minute` and `per_second` are Telegram's limits (about 20 and 30); `minute` is the length of that minute
    in seconds, so that a long queue can be seen to end.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        debounce: float = 0.15,
        group_per_minute: int = 20,
        per_second: int = 30,
        minute: float = 60.0,
    ) -> None:
        self.hub = Hub(debounce)
        self.telegram = Telegram(
            notify=self.hub.notify, now=now, group_per_minute=group_per_minute, per_second=per_second, minute=minute
        )
        self.slack = Slack(notify=self.hub.notify, now=now)
        self.site = ReviewSite(notify=self.hub.notify, now=now)
        self.url = ""
        self._now = now
        self._runner: web.AppRunner | None = None

    def demo_world(self) -> None:
        """The people, rooms and app named in sandbox.world."""
        self._demo_telegram()
        self._demo_slack()
        self.site.add_app(world.PACKAGE, world.APP_TITLE)

    def _demo_telegram(self) -> None:
        self.telegram.add_bot(world.TELEGRAM_TOKEN, world.TELEGRAM_BOT)
        self.telegram.add_group(world.STAFF_ROOM, world.STAFF_TITLE)
        for user_id, name in world.STAFF.items():
            self.telegram.add_user(user_id, name, username=name.lower())
            self.telegram.join(world.STAFF_ROOM, user_id)

    def _demo_slack(self) -> None:
        self.slack.add_workspace(
            world.TEAM,
            world.TEAM_NAME,
            bot_token=world.SLACK_BOT_TOKEN,
            app_token=world.SLACK_APP_TOKEN,
            signing_secret=world.SLACK_SIGNING_SECRET,
        )
        self.slack.add_channel(world.TEAM, world.CLIENT_CHANNEL, world.CLIENT_CHANNEL_NAME)
        for user_id, name in world.CLIENT.items():
            self.slack.add_user(world.TEAM, user_id, name)

    def snapshot(self) -> dict[str, Any]:
        return {
            "telegram": {**self.telegram.snapshot(), "icons": ICONS},
            "slack": self.slack.snapshot(),
            "site": self.site.snapshot(),
            "now": self._now(),
            "version": self.hub.version,
        }

    def app(self) -> web.Application:
        app = web.Application(middlewares=[_local_only], client_max_size=64 * 2**20)
        for face in (self.telegram, self.slack, self.site):
            app.add_routes([*face.routes(), *face.ui_routes()])
        app.add_routes(
            [
                web.get("/", _index),
                web.get("/ui/state", self._state),
                web.get("/ui/events", self._events),
                web.post("/ui/telegram/upload", self._upload(self._telegram_file)),
                web.post("/ui/slack/upload", self._upload(self._slack_file)),
                web.static("/page", PAGE),
            ]
        )
        app.on_response_prepare.append(_secure)
        app.on_shutdown.append(self._close)
        return app

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Listens and gives the address. Port 0 takes a free one. Raises OSError when the port is taken."""
        self._runner = web.AppRunner(self.app(), shutdown_timeout=STOP_AFTER, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self.stop()
            raise
        taken = self._runner.addresses[0][1]
        self.url = self.site.origin = f"http://{host}:{taken}"
        return self.url

    async def stop(self) -> None:
        """Ends open connections and gives the port back. Stopping twice does no harm."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _close(self, app: web.Application) -> None:
        """Ends what would hold connections open: watchers, sockets, long polls."""
        self.hub.close()
        await self.slack.close()
        await self.telegram.close()

    def _upload(self, write: Callable[[Json, web.FileField], Any]) -> Handler:
        """A person's message with a file: form fields `message` (the JSON body of write) and `file`."""

        async def handle(request: web.Request) -> web.Response:
            form = await request.post()
            file, message = form.get("file"), form.get("message")
            try:
                if not isinstance(file, web.FileField) or not isinstance(message, str):
                    raise ValueError("a message and a file are needed")
                return web.json_response({"ok": True, "result": write(json.loads(message), file)})
            except (TypeError, ValueError, KeyError) as error:
                return web.json_response({"ok": False, "error": str(error)}, status=400)

        return handle

    def _telegram_file(self, message: Json, file: web.FileField) -> int:
        data = file.file.read()
        if file.content_type in PICTURES:
            return self.telegram.write(**message, photo=data)
        return self.telegram.write(**message, document={"name": file.filename, "data": data, "mime": file.content_type})

    def _slack_file(self, message: Json, file: web.FileField) -> str:
        sent = {"name": file.filename, "content": file.file.read(), "mimetype": file.content_type}
        return self.slack.write(**message, files=[sent])

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self.snapshot())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the version after each change. What changed is read from /ui/state."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        try:
            async for version in self.hub.changes():
                await response.write(f"data: {json.dumps({'version': version})}\n\n".encode())
        except ConnectionError:
            pass
        return response


async def _index(request: web.Request) -> web.FileResponse:
    return web.FileResponse(PAGE / "index.html")


async def _secure(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)


@web.middleware
async def _local_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Web pages open in the same browser must not press buttons here."""
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        raise web.HTTPForbidden(text="Other sites may not use the sandbox.")
    return await handler(request)
