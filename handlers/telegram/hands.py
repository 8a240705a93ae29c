"""What all Telegram handlers share: the desk they call, the voice they answer with, the patience they have."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from aiogram import BaseMiddleware
from aiogram.dispatcher.event.bases import CancelHandler, SkipHandler
from aiogram.exceptions import AiogramError, TelegramRetryAfter
from aiogram.types import CallbackQuery, Message, TelegramObject, Update

from desk.hearing import Typed
from desk.people import Person
from desk.ports import Heard, Store
from desk.service import Outcome, Pressed
from handlers.people import Current, addressed, told, tongue
from handlers.telegram.cards import READ

log = logging.getLogger(__name__)

ANONYMOUS = 1087968824
"""@GroupAnonymousBot: an administrator who hides behind the group."""

LONGEST_ANSWER = 200
"""Characters. Bot API: answerCallbackQuery.text."""

LONGEST_PAUSE = 60
"""Seconds a short reply waits for a crowded chat; later it would only puzzle."""


class Presses(Protocol):
    """desk.service.Desk, as far as Telegram goes."""

    store: Store

    async def press(self, pressed: Pressed) -> Outcome: ...


class Hears(Protocol):
    """desk.hearing.Hearing, as far as Telegram goes."""

    async def take_in(self, heard: Heard, idem: str) -> None: ...
    async def command(self, typed: Typed) -> Outcome: ...
    async def add(
        self,
        idem: str,
        who: Person | None,
        room: str,
        thread: str,
        url: str,
        text: str,
        author: str = "",
        at: datetime | None = None,
    ) -> Outcome: ...


class Voice:
    """Short answers outside of the engine: never waited for by an update, never a reason to fail."""

    def __init__(self) -> None:
        self._saying: set[asyncio.Task[None]] = set()

    def soon(self, call: Callable[[], Awaitable[Any]]) -> None:
        task = asyncio.create_task(_said(call))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    def answer(self, query: CallbackQuery, text: str = "", alert: bool = False) -> None:
        short = text if len(text) <= LONGEST_ANSWER else f"{text[: LONGEST_ANSWER - 1]}…"
        self.soon(lambda: query.answer(short or None, show_alert=alert and bool(short)))

    def reply(self, message: Message, text: str) -> None:
        self.soon(lambda: message.reply(text, allow_sending_without_reply=True))

    async def settled(self, seconds: float = 3.0) -> None:
        """Waits for what is being said; what takes longer is let go."""
        if self._saying:
            _, late = await asyncio.wait(set(self._saying), timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def _said(call: Callable[[], Awaitable[Any]]) -> None:
    try:
        await call()
    except TelegramRetryAfter as crowded:
        if crowded.retry_after <= LONGEST_PAUSE:
            await asyncio.sleep(crowded.retry_after)
            await _once_more(call)
    except AiogramError as error:
        log.info("an answer did not arrive: %s", error)


async def _once_more(call: Callable[[], Awaitable[Any]]) -> None:
    try:
        await call()
    except AiogramError as error:
        log.info("an answer did not arrive: %s", error)


@dataclass(frozen=True, slots=True)
class Setup:
    """`alarm(room, reason)` is told when a room is lost. `patience`: seconds a press may wait for its answer. `away`:
    whether an error is the store's, which may take small writes and no large one on a full disk."""

    desk: Presses
    hearing: Hears
    directory: Current
    alarm: Callable[[str, str], None] = lambda room, reason: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    patience: float = 2.0
    away: Callable[[BaseException], bool] = lambda error: False
    voice: Voice = field(default_factory=Voice)

    def person(self, user: int | None) -> Person | None:
        return None if user is None else self.directory().by_telegram(user)

    def words(self, outcome: Outcome, room: str, who: Person | None) -> str:
        return told(addressed(outcome, who), tongue(self.directory(), room, who), self.now(), READ)

    def reply(self, message: Message, text: str) -> None:
        """A short reply in the room. It is not the engine's, but the room's budget has to know of it."""
        self.voice.soon(lambda: self._spent(room_of(message.chat.id)))
        self.voice.reply(message, text)

    async def _spent(self, room: str) -> None:
        try:
            async with self.desk.store.write() as unit:
                await unit.spend(room)
        except Exception as error:  # whatever a database can raise: the reply goes out all the same
            log.warning("a reply in %s was not counted: %s", room, type(error).__name__)

    async def alive(self) -> bool:
        """Whether the store takes writes at this moment."""
        try:
            async with self.desk.store.write() as unit:
                await unit.stops()
        except Exception as error:  # whatever a database can raise means the same here
            log.warning("the store does not answer: %s", type(error).__name__)
            return False
        return True


def room_of(chat: int) -> str:
    return f"telegram:{chat}"


def thread_of(message: Message) -> str:
    """The topic; a thread of replies in a plain chat has an id too, and is none."""
    return str(message.message_thread_id) if message.is_topic_message and message.message_thread_id else ""


class Persist(BaseMiddleware):
    """Around every update: it counts as received only once it is stored.

    The library would log an error and confirm the update all the same. While the store is away the update waits, and
    those behind it; one that fails although the store is well is given up after `tries`, so that it blocks nobody.
    `limit`: seconds after which the error is raised instead, for a webhook, where Telegram then delivers again.
    """

    def __init__(self, setup: Setup, limit: float | None = None, tries: int = 5, pause: float = 0.5) -> None:
        self._setup = setup
        self._limit = limit
        self._tries = tries
        self._pause = pause

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        failures, waited, pause = 0, 0.0, self._pause
        while True:
            try:
                return await handler(event, data)
            except (SkipHandler, CancelHandler):
                raise
            except Exception as error:
                failures += not self._setup.away(error) and await self._setup.alive()
                if failures >= self._tries:
                    return self._give_up(event)
                if self._limit is not None and waited >= self._limit:
                    raise
                log.warning("an update is not stored yet: %s: %s", type(error).__name__, error)
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, 10.0)

    def _give_up(self, event: TelegramObject) -> None:
        """Whoever waits for something is told; what was mere talk is only logged."""
        log.exception("an update was given up")
        query = event.callback_query if isinstance(event, Update) else None
        message = event.message if isinstance(event, Update) else None
        about, user = (query.message, query.from_user) if query else (message, message.from_user if message else None)
        who = self._setup.person(user.id if user else None)
        if who is not None and isinstance(about, Message):
            words = self._setup.words(Outcome("not_saved", ok=False), room_of(about.chat.id), who)
            self._setup.reply(about, words)
