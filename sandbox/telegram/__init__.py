"""A local Telegram: the Bot API as strict as the real one, and the people on the other side."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.telegram import view
from sandbox.telegram.api import Api, Call
from sandbox.telegram.budget import MINUTE
from sandbox.telegram.people import People

__all__ = ["Call", "Telegram"]

UI = (
    "write", "edit", "delete", "forward", "press", "start", "anonymous_write", "create_topic", "close_topic",
    "delete_topic", "kick_bot", "invite_bot", "join", "leave", "block_bot", "unblock_bot", "migrate",
    "redeliver", "add_user", "add_group", "set_rights", "answer_of",
)  # fmt: skip


class Telegram(People):
    """The Telegram face of the sandbox.

    `group_per_minute` calls that show in one group in any `minute` of seconds (all topics together),
    `per_second` in all; `callback_seconds` after a press its answer is refused; `webhook_retry` seconds before
    the first repeat of a webhook call, doubled each time. Call `close()` when the server stops.
    """

    def __init__(
        self,
        notify: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
        *,
        group_per_minute: int = 20,
        per_second: int = 30,
        minute: float = MINUTE,
        callback_seconds: float = 15.0,
        webhook_retry: float = 1.0,
    ) -> None:
        super().__init__(notify, now, (group_per_minute, per_second, minute), webhook_retry)
        self._api = Api(self.world, callback_seconds)

    @property
    def calls(self) -> list[Call]:
        """Every call of every bot, oldest first, refused ones too."""
        return self._api.calls

    @property
    def too_many(self) -> list[Call]:
        """Calls refused because the bot was over a limit (not those refused by `fail`)."""
        return self._api.too_many

    def fail(self, method: str, *faults: tuple[Any, ...]) -> None:
        """Queues faults for the next calls of a method, one a call.

        ("status", 500), ("retry_after", seconds), ("error", description), ("error", code, description),
        ("drop_before",), ("drop_after",), ("html",), ("delay", seconds), ("hold", asyncio.Event): until it is set.
        Raises ValueError for others.
        """
        if self._api.name_of(method) is None:
            raise ValueError(f"no method {method}")
        self._api.faults.add(method, faults)

    def message(self, chat_id: int, message_id: int) -> dict[str, Any] | None:
        found = self.world.chat(chat_id).messages.get(message_id)
        return view.message_view(found) if found else None

    def messages(self, chat_id: int, thread_id: int | None = None) -> list[dict[str, Any]]:
        """Messages of one topic, or with None of the whole chat, service messages too, oldest first."""
        chat = self.world.chat(chat_id)
        shown = [one for one in chat.messages.values() if thread_id in (None, one.thread_id)]
        return [view.message_view(one) for one in shown]

    def topics(self, chat_id: int) -> list[dict[str, Any]]:
        return view.topic_views(self.world.chat(chat_id))

    def pending(self) -> list[dict[str, Any]]:
        """Updates of the first bot that nobody confirmed yet."""
        return self.world.desk.updates.waiting()

    def updates(self) -> list[int]:
        """Ids of all updates of the first bot, confirmed or not, oldest first; `redeliver` takes them."""
        return self.world.desk.updates.ids

    def snapshot(self) -> dict[str, Any]:
        return view.snapshot(self.world)

    def routes(self) -> list[web.RouteDef]:
        return self._api.routes()

    def ui_routes(self) -> list[web.RouteDef]:
        posts = [web.post(f"/ui/telegram/{name}", self._ui(name)) for name in UI]
        return [*posts, web.get("/ui/telegram/file/{id}", self._ui_file)]

    async def close(self) -> None:
        """Ends waiting polls and webhook senders."""
        await asyncio.gather(*(bot.updates.close() for bot in self.world.bots.values()))

    def _ui(self, name: str) -> Callable[[web.Request], Any]:
        act = getattr(self, name)

        async def handle(request: web.Request) -> web.Response:
            try:
                asked = inspect.signature(act).bind(**await request.json())
                return web.json_response({"ok": True, "result": act(*asked.args, **asked.kwargs)})
            except (ValueError, TypeError, KeyError) as wrong:
                return web.json_response({"ok": False, "error": str(wrong)}, status=400)

        return handle

    async def _ui_file(self, request: web.Request) -> web.Response:
        file = self.world.files.get(request.match_info["id"])
        if file is None:
            raise web.HTTPNotFound
        kind = file.mime if file.width else "application/octet-stream"
        named = {"Content-Disposition": f'attachment; filename="{file.id}"', "X-Content-Type-Options": "nosniff"}
        return web.Response(body=file.data, content_type=kind, headers={} if file.width else named)
