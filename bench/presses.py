"""Twenty presses a second with fifty open cases, against a bare aiogram handler with one committed INSERT."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import chain, cycle
from pathlib import Path

import pytest
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert

from bench.figures import at_percent, machine, table
from bench.stores import stores
from sandbox import world
from storage.database import Database
from tests.scenarios.world import TELEGRAM_IDS, World, a_sandbox, opened

CASES, RATE, SECONDS = 50, 20, 10
WAY = ("Hand over", "Dana", "Hand over", "Anna")
"""What is pressed on each case once it is taken, over and over: each press is decided, stored and shown."""
FLOOR = Table("floor", MetaData(), Column("id", Integer, primary_key=True), Column("press", Text, nullable=False))


async def run(folder: Path) -> None:
    rows = []
    with stores(folder) as urls:
        for name, url in urls.items():
            bare = await _bare(url)
            desk = await _desk(folder, url)
            rows += [_row(f"{name}: bare handler", bare), _row(f"{name}: the desk", desk)]
            rows.append([f"{name}: desk / bare", "", *(f"{_at(desk, p) / _at(bare, p):.2f}" for p in (50, 99, 100))])
    head = ("press → answer", "presses", "median", "99 %", "worst")
    print(f"{machine()}; {CASES} open cases, {RATE} presses a second\n\n{table(head, rows)}\n")


def _at(seconds: list[float], percent: int) -> float:
    return at_percent(seconds, percent)


def _row(what: str, seconds: list[float]) -> list[str]:
    return [what, str(len(seconds)), *(f"{_at(seconds, p) * 1000:.0f} ms" for p in (50, 99, 100))]


# the floor


async def _bare(url: str) -> list[float]:
    async with a_sandbox() as made, _bot(url, made.url):
        shown = made.telegram
        await _until(lambda: shown.messages(world.STAFF_ROOM))
        message = shown.messages(world.STAFF_ROOM)[-1]
        pressed = {}
        async for _ in _ticks(RATE * SECONDS):
            name = shown.press(TELEGRAM_IDS["anna"], world.STAFF_ROOM, message["id"], "press")
            pressed[name] = time.time()
        await _until(lambda: shown.answer_of(list(pressed)[-1]))
        return _answered(shown.calls, pressed)


@asynccontextmanager
async def _bot(url: str, sandbox: str) -> AsyncIterator[None]:
    floor = url if url.startswith("postgresql") else url.replace("desk.db", "floor.db")
    database, dispatcher = Database(floor), Dispatcher()
    async with database.writer.begin() as connection:
        await connection.run_sync(FLOOR.metadata.drop_all)
        await connection.run_sync(FLOOR.metadata.create_all)

    @dispatcher.callback_query()
    async def press(query: CallbackQuery) -> None:
        async with database.writer.begin() as connection:
            await connection.execute(insert(FLOOR).values(press=query.id))
        await query.answer("It is yours now")

    session = AiohttpSession(api=TelegramAPIServer.from_base(f"{sandbox}/telegram"))
    bot = Bot(world.TELEGRAM_TOKEN, session=session)
    keys = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Take", callback_data="press")]])
    await bot.send_message(world.STAFF_ROOM, "A case", reply_markup=keys)
    polling = asyncio.create_task(dispatcher.start_polling(bot, handle_signals=False, close_bot_session=False))
    try:
        yield
    finally:
        await dispatcher.stop_polling()
        await polling
        await bot.session.close()
        await database.close()


# the desk


async def _desk(folder: Path, url: str) -> list[float]:
    with pytest.MonkeyPatch.context() as patch:
        async with opened(folder, url, patch, rush=True) as w:
            for number in range(CASES):
                w.review(1, f"Cold coffee, number {number}")
            await w.until(lambda: all(w.staff.buttons(n + 1) for n in range(CASES)), within=120.0, what="the cards")
            pressed: dict[str, float] = {}
            turns = _turns()
            async for _ in _ticks(RATE * SECONDS):
                _press(w, *next(turns), pressed)
            last = list(pressed)[-1]
            await w.until(lambda: w.sandbox.telegram.answer_of(last), what="the last answer")
            assert len(pressed) > RATE * SECONDS * 0.9, "cards were not redrawn in time to be pressed"
            return _answered(w.sandbox.telegram.calls, pressed)


def _turns() -> Iterator[tuple[int, str]]:
    return ((case, label) for label in chain(["Take"], cycle(WAY)) for case in range(1, CASES + 1))


def _press(w: World, case: int, label: str, pressed: dict[str, float]) -> None:
    """Whatever stands on the card now: one that was not redrawn yet is left for its next turn."""
    found = w.staff._button(label, w.staff.messages(case))  # type: ignore[attr-defined]
    if found is not None:
        name = w.sandbox.telegram.press(TELEGRAM_IDS["anna"], world.STAFF_ROOM, *found)
        pressed[name] = time.time()


# both


async def _ticks(count: int) -> AsyncIterator[int]:
    """One each 1/RATE seconds, however long the last one took."""
    began = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        yield number


async def _until(happened: object) -> None:
    async with asyncio.timeout(30):
        while not happened():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _answered(calls: list, pressed: dict[str, float]) -> list[float]:  # type: ignore[type-arg]
    made = (c for c in calls if c.method == "answerCallbackQuery")
    return [c.at - pressed[name] for c in made if (name := str(c.params["callback_query_id"])) in pressed]
