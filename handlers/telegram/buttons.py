"""Presses. Whatever is pressed, by whomever, is answered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import suppress

from aiogram import Router
from aiogram.types import CallbackQuery, InaccessibleMessage, Message

from desk.service import Outcome, Pressed
from handlers.telegram.callback import Data, unpack
from handlers.telegram.cards import harmless
from handlers.telegram.hands import Setup, room_of, thread_of
from handlers.words import visible

UNKNOWN = Data("", 0, None)
"""A button of nobody's: the desk has the polite answer."""

REMEMBERED = 1000
"""Presses answered without a result whose result is still owed in the thread."""


class Buttons:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._owed: OrderedDict[str, None] = OrderedDict()

    def router(self) -> Router:
        router = Router(name="buttons")
        router.callback_query.register(self.on_press)
        return router

    async def on_press(self, query: CallbackQuery) -> None:
        """One transaction, then the answer; past `patience` an empty answer, and the result in the thread."""
        pressed = self._pressed(query)
        pressing = asyncio.ensure_future(self._setup.desk.press(pressed))
        try:
            await asyncio.wait({pressing}, timeout=self._setup.patience)
            if not pressing.done() or pressing.exception() is not None:
                self._answer_bare(query)
            outcome = await pressing
        finally:
            if not pressing.done():
                pressing.cancel()
                with suppress(asyncio.CancelledError):
                    await pressing
        self._tell(query, pressed, outcome)

    def _pressed(self, query: CallbackQuery) -> Pressed:
        data = unpack(query.data) or UNKNOWN
        message = query.message
        return Pressed(
            idem=f"tg:{query.bot.id if query.bot else 0}:cb:{query.id}",
            who=self._setup.person(query.from_user.id),
            action=data.action,
            case=data.case,
            version=data.version,
            room=room_of(message.chat.id) if message else "",
            thread=thread_of(message) if isinstance(message, Message) else "",
            extra=data.extra,
        )

    def _answer_bare(self, query: CallbackQuery) -> None:
        if query.id not in self._owed:
            self._setup.voice.answer(query)
            self._owed[query.id] = None
        while len(self._owed) > REMEMBERED:
            self._owed.popitem(last=False)

    def _tell(self, query: CallbackQuery, pressed: Pressed, outcome: Outcome) -> None:
        text = self._setup.words(outcome, pressed.room, pressed.who)
        if query.id not in self._owed:
            self._setup.voice.answer(query, text, alert=not outcome.ok)
            return
        del self._owed[query.id]
        self._post(query, text)

    def _post(self, query: CallbackQuery, text: str) -> None:
        """Too late for the button: said under the message it stands on."""
        message, bot = query.message, query.bot
        if not text or message is None or bot is None:
            return
        name = harmless(visible(query.from_user.full_name))
        if isinstance(message, InaccessibleMessage):
            self._setup.voice.soon(lambda: bot.send_message(message.chat.id, f"{name}: {text}"))
        else:
            self._setup.reply(message, f"{name}: {text}")
