"""A running Telegram face with a real aiogram bot in front of it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import BufferedInputFile, InlineKeyboardButton, InlineKeyboardMarkup, Update
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from sandbox.telegram import Telegram

TLS = ssl.create_default_context()
TOKEN = "700001:TEST-token_of_the_desk"
BOT_ID = 700001
STAFF = -1001000000001
PLAIN = -1001000000002
ANNA, BORIS, STRANGER = 1001, 1002, 1003
PATIENCE = 60.0
"""Seconds to wait for what will happen, on a machine that does other things too."""
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x40\x00\x00\x00\x20\x08\x06\x00\x00\x00"


class Clock:
    def __init__(self) -> None:
        self.time = 1_790_000_000.0

    def __call__(self) -> float:
        return self.time

    def tick(self, seconds: float) -> None:
        self.time += seconds


class Bench:
    """The face, the bot, the clock, and short ways to what tests ask most."""

    def __init__(self, telegram: Telegram, clock: Clock, base: str) -> None:
        self.telegram = telegram
        self.clock = clock
        self.base = base
        self.plain = ClientSession()
        self.bots: list[Bot] = []
        self.bot = self.another_bot()

    def another_bot(self, token: str = TOKEN) -> Bot:
        # One TLS context for all: making it takes longer than most tests, and nothing here is TLS.
        with patch.object(ssl, "create_default_context", return_value=TLS):
            session = AiohttpSession(api=TelegramAPIServer.from_base(f"{self.base}/telegram"))
        self.bots.append(Bot(token, session=session))
        return self.bots[-1]

    async def topic(self, name: str = "#1 Coffee") -> int:
        return (await self.bot.create_forum_topic(STAFF, name)).message_thread_id

    async def card(self, text: str = "card", *data: str) -> int:
        return (await self.bot.send_message(STAFF, text, reply_markup=buttons(*data) if data else None)).message_id

    async def updates(self, **asked: Any) -> list[Update]:
        """Fetches what waits and confirms it."""
        got = await self.bot.get_updates(**asked)
        if got:
            await self.bot.get_updates(offset=got[-1].update_id + 1)
        return got

    async def raw(self, method: str, token: str = TOKEN, **request: Any) -> tuple[int, Any]:
        async with self.plain.post(f"{self.base}/telegram/bot{token}/{method}", **request) as answer:
            return answer.status, await answer.json()


def buttons(*data: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text=one, callback_data=one) for one in data]])


def link(url: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="open", url=url)]])


def file(data: bytes = b"hello", name: str = "note.txt") -> BufferedInputFile:
    return BufferedInputFile(data, name)


def small_world(telegram: Telegram) -> None:
    telegram.add_bot(TOKEN, "replydesk_bot")
    telegram.add_user(ANNA, "Anna", "anna")
    telegram.add_user(BORIS, "Boris")
    telegram.add_user(STRANGER, "Stranger")
    telegram.add_group(STAFF, "Staff")
    telegram.add_group(PLAIN, "Plain", forum=False)
    for chat in (STAFF, PLAIN):
        telegram.join(chat, ANNA, "administrator")
        telegram.join(chat, BORIS)


@asynccontextmanager
async def bench(**limits: Any) -> AsyncIterator[Bench]:
    clock = Clock()
    telegram = Telegram(now=clock, **({"group_per_minute": 1000, "per_second": 1000} | limits))
    small_world(telegram)
    app = web.Application()
    app.add_routes([*telegram.routes(), *telegram.ui_routes()])
    server = TestServer(app)
    await server.start_server()
    made = Bench(telegram, clock, str(server.make_url("")).rstrip("/"))
    try:
        yield made
    finally:
        await made.plain.close()
        for bot in made.bots:
            # Not session.close(): it sleeps a quarter of a second for TLS that is not there.
            if bot.session._session is not None:
                await bot.session._session.close()
        await telegram.close()
        await server.close()
