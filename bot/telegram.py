"""Telegram from the desk's side: rooms are forum supergroups, a case's thread is a topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache, partial
from io import BytesIO
from secrets import compare_digest
from typing import Any, TypeVar

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.session.base import BaseSession
from aiogram.client.session.middlewares.base import BaseRequestMiddleware
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import AiogramError, ClientDecodeError
from aiogram.methods import GetUpdates
from aiogram.methods.base import Response
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    ChatMemberAdministrator,
    ChatMemberOwner,
    LinkPreviewOptions,
    Message,
)
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import ClientError, ClientSession, web
from aiohttp.hdrs import USER_AGENT

from bot.net import Way
from desk.errors import Broken, DeskError, Refused, Retry, Unsure
from desk.ports import Sent
from desk.showing import LARGEST_FILE
from desk.view import Drawing, Say
from handlers.telegram import COMMANDS
from handlers.telegram.cards import LONGEST_CAPTION, Rendered, render, topic_name
from handlers.telegram.errors import ADMIN, FORUM, is_bad_address, is_done, translate
from handlers.words import LANGUAGES, say

log = logging.getLogger(__name__)

TIMEOUT = 15
"""Seconds for one call: less than a third of the lease of an effect (engine.md)."""
POLL_SECONDS = 25
"""How long getUpdates waits. Bot API: up to 50."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds between attempts to begin polling."""
RIGHTS = ("can_manage_topics", "can_delete_messages", "can_pin_messages")

NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
PREFIX = "telegram:"
T = TypeVar("T")


class Session(AiohttpSession):
    """aiogram's, by one way out. At its end that gives TLS connections a quarter of a second to close: plain ones need
    none."""

    def __init__(self, api_base: str, way: Way, timeout: float = TIMEOUT) -> None:
        # Past aiogram's own: it builds another TLS context, and puts aside the one it has for a proxy's.
        BaseSession.__init__(self, api=TelegramAPIServer.from_base(api_base), timeout=timeout)
        self._session: ClientSession | None = None
        self._way = way

    async def create_session(self) -> ClientSession:
        if self._session is None or self._session.closed:
            self._session = self._way.session(headers={USER_AGENT: "replydesk"})
        return self._session

    async def make_request(self, bot: Bot, method: Any, timeout: int | None = None) -> Any:  # noqa: ASYNC109
        """What is no answer of the Bot API is one error, whichever line of the library it trips up."""
        _kept(method.__returning__)
        try:
            result = await super().make_request(bot, method, timeout)
        except (UnicodeDecodeError, TypeError) as error:
            raise ClientDecodeError("not an answer of the Bot API", error, None) from error
        if result is None:
            raise ClientDecodeError("an answer without its result", ValueError("no result"), None)
        return result

    async def close(self) -> None:
        if self._session is not None and not self.api.base.startswith("https:"):
            await self._session.close()
        await super().close()


@cache
def _kept(returning: Any) -> Any:
    """The type by which aiogram reads an answer. pydantic holds such types weakly: let go, it builds 1 to 5 ms at each
    answer, and longest at the updates, before anybody hears of them."""
    return Response[returning]


def make_bot(token: str, api_base: str, way: Way | None = None) -> Bot:
    """The client. `api_base` is https://api.telegram.org, a self-hosted server or the sandbox; `way`: directly."""
    return Bot(token, session=Session(api_base, way or Way()))


def chat_id(room: str) -> int:
    """Raises Broken for a room that is none of Telegram's."""
    number = room.removeprefix(PREFIX)
    if not room.startswith(PREFIX) or not number.removeprefix("-").isdigit():
        raise Broken(f"{room} is no Telegram room: write telegram:<chat id>")
    return int(number)


class TelegramChat:
    """desk.ports.Chat over the Bot API. `now` decides which dates are written with their year."""

    makes_threads = True

    def __init__(self, bot: Bot, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.bot = bot
        self._now = now

    async def open(self, room: str, drawing: Drawing) -> str:
        name = topic_name(drawing, self._now())
        topic = await self._call(self.bot.create_forum_topic(chat_id(room), name), sends=True)
        return str(topic.message_thread_id)

    async def send(self, room: str, thread: str, drawing: Drawing, key: str) -> Sent:
        """`key` is not used: a Telegram message cannot carry one. Texts that had to be cut go before, as files."""
        shown = render(drawing, self._now())
        for number, text in enumerate(shown.cut, 1):
            file = BufferedInputFile(text.encode(), f"text-{number}.txt")
            await self._posted(room, thread, partial(self.bot.send_document, document=file))
        calls = 1 + len(shown.cut)
        try:
            sent = await self._sent(room, thread, shown)
        except Refused as refused:
            if not is_bad_address(refused.__cause__):
                raise
            sent = await self._sent(room, thread, render(drawing, self._now(), links=False))
            calls += 1
        return sent._replace(calls=calls)

    async def _sent(self, room: str, thread: str, shown: Rendered) -> Sent:
        call = partial(
            self.bot.send_message,
            text=shown.html,
            parse_mode="HTML",
            reply_markup=shown.keyboard,
            link_preview_options=NO_PREVIEW,
        )
        return await self._posted(room, thread, call)

    async def _posted(self, room: str, thread: str, call: Callable[..., Awaitable[Message]]) -> Sent:
        chat = chat_id(room)
        topic = int(thread) if thread else None
        try:
            message = await self._call(call(chat_id=chat, message_thread_id=topic), sends=True)
        except Unsure as unsure:
            return Sent(_salvaged(unsure), thread)
        if topic is not None and message.message_thread_id != topic:
            await self._astray(chat, message.message_id)
        return Sent(str(message.message_id), thread)

    async def _astray(self, chat: int, message: int) -> None:
        """A group without topics ignores the thread in silence: the card would stand in the main chat."""
        await self._call(self.bot.delete_message(chat, message), sends=False)
        raise Broken(f"the group has no topics any more; {FORUM}")

    async def edit(self, room: str, message: str, drawing: Drawing) -> None:
        try:
            await self._edited(room, message, render(drawing, self._now()))
        except Refused as refused:
            if not is_bad_address(refused.__cause__):
                raise
            await self._edited(room, message, render(drawing, self._now(), links=False))

    async def _edited(self, room: str, message: str, shown: Rendered) -> None:
        call = self.bot.edit_message_text(
            shown.html,
            chat_id=chat_id(room),
            message_id=int(message),
            parse_mode="HTML",
            reply_markup=shown.keyboard,
            link_preview_options=NO_PREVIEW,
        )
        try:
            await self._call(call, sends=False)
        except DeskError as error:
            if not is_done(error.__cause__) and _accepted(error.__cause__) is None:
                raise

    async def find(self, room: str, thread: str, key: str) -> Sent | None:
        raise Unsure("Telegram messages cannot be looked up")

    async def fetch(self, room: str, file: str) -> bytes:
        found = await self._call(self.bot.get_file(file), sends=False)
        if found.file_path is None or (found.file_size or 0) > LARGEST_FILE:
            raise Refused("the file is over 20 MB")
        try:
            stream = await self.bot.download_file(found.file_path, _Bounded(), timeout=TIMEOUT)
        except (ClientError, TimeoutError) as error:
            # The client's own words contain the address, and the address the token.
            raise Retry(f"the file did not arrive: {type(error).__name__}") from None
        return b"" if stream is None else stream.read()

    async def send_file(self, room: str, thread: str, name: str, data: bytes, drawing: Drawing) -> Sent:
        """The drawing becomes the caption, up to 1,024 characters (Bot API), without buttons."""
        shown = render(drawing, self._now(), LONGEST_CAPTION)
        file = BufferedInputFile(data, name)
        call = partial(self.bot.send_document, document=file, caption=shown.html, parse_mode="HTML")
        return await self._posted(room, thread, call)

    def link(self, room: str, thread: str, message: str = "") -> str:
        """https://t.me/c/<id>/<topic>[/<message>]; only supergroups have such addresses."""
        hidden = room.removeprefix(f"{PREFIX}-100")
        if hidden == room or not (thread or message):
            return ""
        return "/".join(("https://t.me/c", hidden, *filter(None, (thread, message))))

    def digest(self, drawing: Drawing) -> str:
        return render(drawing, self._now()).digest

    async def typing(self, room: str, thread: str) -> None:
        """Shows "typing…" for five seconds. Never a reason to fail."""
        try:
            await self.bot.send_chat_action(
                chat_id(room), "typing", message_thread_id=int(thread) if thread else None, request_timeout=3
            )
        except (AiogramError, DeskError) as error:
            log.debug("no typing in %s: %s", room, type(error).__name__)

    async def faults(self, rooms: list[str]) -> list[str]:
        """What a person must mend before the desk can work: the token, each room, the bot's rights there."""
        try:
            me = await self._call(self.bot.me(), sends=False)
        except DeskError as error:
            return [error.reason]
        return [f"{room}: {fault}" for room in rooms for fault in await self._room_faults(room, me.id)]

    async def _room_faults(self, room: str, me: int) -> list[str]:
        try:
            chat = await self._call(self.bot.get_chat(chat_id(room)), sends=False)
            member = await self._call(self.bot.get_chat_member(chat.id, me), sends=False)
        except DeskError as error:
            return [error.reason]
        found = [] if chat.is_forum else [f"the group has no topics; {FORUM}"]
        if not isinstance(member, (ChatMemberAdministrator, ChatMemberOwner)):
            return [*found, f"the bot is no administrator; {ADMIN}"]
        lacks = [right for right in RIGHTS if getattr(member, right, True) is False]
        return [*found, f"the bot lacks {', '.join(lacks)}; {ADMIN}"] if lacks else found

    async def _call(self, call: Awaitable[T], sends: bool) -> T:
        """Raises desk.errors, with aiogram's as the cause."""
        try:
            return await call
        except AiogramError as error:
            raise translate(error, sends) from error


class _Bounded(BytesIO):
    """A server that does not tell a file's size must not fill the memory with it. Raises Refused."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > LARGEST_FILE:
            raise Refused("the file is over 20 MB")
        return super().write(data)


def _accepted(error: BaseException | None) -> dict[str, Any] | None:
    """The result in an answer that the library could not read: it is stricter than an older server is complete."""
    answer = error.data if isinstance(error, ClientDecodeError) else None
    result = answer.get("result") if isinstance(answer, dict) and answer.get("ok") is True else None
    return result if isinstance(result, dict) else None


def _salvaged(unsure: Unsure) -> str:
    """The number of a message that was sent for sure. Raises the Unsure again where it was not."""
    number = (_accepted(unsure.__cause__) or {}).get("message_id")
    if isinstance(number, int):
        return str(number)
    raise unsure


# inbound


class Pulse(BaseRequestMiddleware):
    """Whether updates arrive: `ok_at` is when getUpdates last succeeded, `error` what it says instead."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.ok_at: datetime | None = None
        self.error = ""

    async def __call__(self, make_request: Any, bot: Bot, method: Any) -> Any:
        if not isinstance(method, GetUpdates):
            return await make_request(bot, method)
        try:
            result = await make_request(bot, method)
        except AiogramError as error:
            self.error = translate(error, sends=False).reason
            raise
        self.ok_at, self.error = self._now(), ""
        return result


async def poll(dispatcher: Dispatcher, bot: Bot, stop: asyncio.Event) -> None:
    """Long polling until `stop`; ends promptly. An update is confirmed only after its handler returned.

    What was handled but not confirmed comes again at the next start: handlers know it by its id.
    """
    wait = FIRST_WAIT
    while not stop.is_set():
        try:
            await bot.delete_webhook()
            await _polling(dispatcher, bot, stop)
            return
        except AiogramError as error:
            log.warning("Telegram polling cannot begin: %s", translate(error, sends=False).reason)
        await _stopped(stop, wait)
        wait = min(wait * 2, LONGEST_WAIT)


async def _polling(dispatcher: Dispatcher, bot: Bot, stop: asyncio.Event) -> None:
    polling = asyncio.create_task(
        dispatcher.start_polling(
            bot,
            polling_timeout=POLL_SECONDS,
            handle_as_tasks=False,
            handle_signals=False,
            close_bot_session=False,
            allowed_updates=dispatcher.resolve_used_update_types(),
        )
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({polling, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not polling.done():
            await dispatcher.stop_polling()
    await polling


async def _stopped(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


class WebhookDoor(SimpleRequestHandler):
    """Persists before it answers, so that what was not stored is delivered again."""

    def verify_secret(self, telegram_secret_token: str, bot: Bot) -> bool:
        """Compared as bytes: compare_digest refuses other letters than ASCII in a str."""
        given = telegram_secret_token.encode("utf-8", "surrogateescape")
        return compare_digest(given, (self.secret_token or "").encode())


def webhook(dispatcher: Dispatcher, bot: Bot, secret: str) -> web.RouteDef:
    """POST /telegram. `secret` (A-Z a-z 0-9 _ -, 1 to 256) comes in X-Telegram-Bot-Api-Secret-Token."""
    door = WebhookDoor(dispatcher, bot, handle_in_background=False, secret_token=secret)
    return web.post("/telegram", door.handle)


async def set_webhook(dispatcher: Dispatcher, bot: Bot, url: str, secret: str) -> None:
    """One connection: updates of a chat keep their order. Raises desk.errors."""
    try:
        await bot.set_webhook(
            url,
            secret_token=secret,
            max_connections=1,
            allowed_updates=dispatcher.resolve_used_update_types(),
        )
    except AiogramError as error:
        raise translate(error, sends=False) from error


async def set_commands(bot: Bot) -> None:
    """The menu of commands in each language; English is what all others see. Raises desk.errors."""
    try:
        for lang in LANGUAGES:
            listed = [BotCommand(command=c, description=say(Say(f"command_{c}"), lang, "UTC")) for c in COMMANDS]
            await bot.set_my_commands(listed, language_code=None if lang == "en" else lang)
    except AiogramError as error:
        raise translate(error, sends=False) from error
