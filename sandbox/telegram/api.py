"""The Bot API over HTTP: who calls, what, within which limits, and how it is answered."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.telegram import messages, params, rooms, topics
from sandbox.telegram.errors import ApiError, bad, too_many
from sandbox.telegram.faults import Dropped, Faults, PageInstead
from sandbox.telegram.params import Params
from sandbox.telegram.state import Bot, World

Handler = Callable[[World, Bot, Params], Any]

METHODS: dict[str, Handler] = {
    "getMe": rooms.get_me,
    "setWebhook": rooms.set_webhook,
    "deleteWebhook": rooms.delete_webhook,
    "getWebhookInfo": rooms.webhook_info,
    "sendMessage": messages.send_message,
    "sendDocument": messages.send_document,
    "sendPhoto": messages.send_photo,
    "copyMessage": messages.copy_message,
    "forwardMessage": messages.forward_message,
    "editMessageText": messages.edit_text,
    "editMessageCaption": messages.edit_caption,
    "editMessageReplyMarkup": messages.edit_markup,
    "deleteMessage": messages.delete_message,
    "pinChatMessage": messages.pin,
    "unpinChatMessage": messages.unpin,
    "setMessageReaction": messages.react,
    "sendChatAction": messages.chat_action,
    "getFile": messages.get_file,
    "createForumTopic": topics.create,
    "editForumTopic": topics.edit,
    "closeForumTopic": topics.close,
    "reopenForumTopic": topics.reopen,
    "deleteForumTopic": topics.delete,
    "getForumTopicIconStickers": topics.icon_stickers,
    "getChat": rooms.get_chat,
    "getChatMember": rooms.get_member,
    "getChatAdministrators": rooms.get_administrators,
    "leaveChat": rooms.leave_chat,
    "setMyCommands": rooms.set_commands,
}
OWN = ("getUpdates", "answerCallbackQuery")  # bound to the face, see Api.__init__
# What shows in the chat spends the budget of the chat, whether it is new or an edit.
COUNTED = frozenset({
    "sendMessage", "sendDocument", "sendPhoto", "copyMessage", "forwardMessage",
    "editMessageText", "editMessageCaption", "editMessageReplyMarkup",
    "createForumTopic", "editForumTopic", "closeForumTopic", "reopenForumTopic", "pinChatMessage",
})  # fmt: skip
# Parameters that change who sees a message: ignoring them would show it to the wrong people.
UNSERVED = (
    "business_connection_id", "inline_message_id", "direct_messages_topic_id", "ephemeral_message_parameters",
    "receiver_user_id", "suggested_post_parameters",
)  # fmt: skip
PAGE = "<html><head><title>Sign in to the network</title></head><body>Please sign in.</body></html>"


@dataclass(slots=True)
class Call:
    """One call of the bot. `at` in Unix seconds; `error` is the server's description."""

    at: float
    method: str
    params: dict[str, Any]
    ok: bool
    error: str | None = None


class Api:
    """Serves one World below /telegram; keeps the log of calls and of calls over the limit."""

    def __init__(self, world: World, callback_seconds: float) -> None:
        self._world = world
        self.callback_seconds = callback_seconds
        self.faults = Faults()
        self.calls: list[Call] = []
        self.too_many: list[Call] = []
        self._names = {name.lower(): name for name in (*METHODS, *OWN)}

    def routes(self) -> list[web.RouteDef]:
        path = "/telegram/bot{token}/{method}"
        file = "/telegram/file/bot{token}/{path:.+}"
        return [web.get(path, self._call), web.post(path, self._call), web.get(file, self._file)]

    def name_of(self, method: str) -> str | None:
        return self._names.get(method.lower())

    async def _call(self, request: web.Request) -> web.StreamResponse:
        name = self.name_of(request.match_info["method"])
        call = Call(self._world.now(), name or request.match_info["method"], {}, ok=True)
        self.calls.append(call)
        try:
            result = await self._answer(request, call, name)
            return web.json_response({"ok": True, "result": result})
        except ApiError as refusal:
            call.ok, call.error = False, refusal.description
            return web.json_response(refusal.body(), status=refusal.code)
        except PageInstead:
            call.ok, call.error = False, "a web page instead"
            return web.Response(text=PAGE, content_type="text/html")
        except Dropped as dropped:
            call.ok, call.error = bool(dropped.args), "connection dropped"
            return _cut(request)

    async def _answer(self, request: web.Request, call: Call, name: str | None) -> Any:
        sent = await params.read(request)
        call.params = sent.for_log()
        bot = self._world.bots.get(request.match_info["token"])
        if bot is None:
            raise ApiError(401, "Unauthorized")
        if name is None:
            raise ApiError(404, "Not Found: method not found")
        drop = await self.faults.meet(name)
        self._check_served(sent)
        if name in COUNTED:
            self._spend(bot, call, sent)
        result = self._handle(name, bot, sent, request)
        if inspect.isawaitable(result):
            result = await result
        if drop:
            raise Dropped("after")
        return result

    def _handle(self, name: str, bot: Bot, sent: Params, request: web.Request) -> Any:
        if name == "getUpdates":
            return rooms.get_updates(self._world, bot, sent, lambda: _is_gone(request))
        if name == "answerCallbackQuery":
            return messages.answer_callback(self._world, bot, sent, self.callback_seconds)
        return METHODS[name](self._world, bot, sent)

    @staticmethod
    def _check_served(sent: Params) -> None:
        for key in UNSERVED:
            if sent.text(key):
                raise bad(f"the sandbox does not serve the parameter {key}")

    def _spend(self, bot: Bot, call: Call, sent: Params) -> None:
        chat = self._world.reach(bot, sent.number("chat_id"))
        wait = bot.budget.spend(chat.id)
        if wait:
            self.too_many.append(call)
            raise too_many(wait)

    async def _file(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        file = next((one for one in self._world.files.values() if one.path == path), None)
        if request.match_info["token"] not in self._world.bots or file is None:
            return web.json_response(ApiError(404, "Not Found").body(), status=404)
        return web.Response(body=file.data, content_type="application/octet-stream")


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
