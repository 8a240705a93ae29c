"""The inbound side in front of a desk that only notes what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiogram import Dispatcher

from desk.hearing import Typed
from desk.people import Person, Side
from desk.platform import PlatformCard
from desk.ports import Heard
from desk.rules import Rules
from desk.service import Outcome, Pressed
from handlers.telegram import Setup, dispatcher
from handlers.telegram.hands import Persist
from tests.sandbox.telegram_bench import ANNA, BORIS, BOT_ID, PATIENCE, STAFF, Bench, bench

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROOM = f"telegram:{STAFF}"
PEOPLE = {
    ANNA: Person("anna", "Anna", "lead", ("*",), telegram=ANNA),
    BORIS: Person("boris", "Boris", "staff", ("acme",), telegram=BORIS, lang="ru"),
}


class Away(Exception):
    """The store is away."""


class Directory:
    """One brand, one staff room, English."""

    def __init__(self) -> None:
        card = PlatformCard("shop", "Shop")
        self._rules = Rules("acme", "Acme", "acme", "Acme", ROOM, "slack:C1", card, tuple(PEOPLE.values()))

    def by_telegram(self, id: int) -> Person | None:
        return PEOPLE.get(id)

    def by_slack(self, workspace: str, user: str) -> Person | None:
        return None

    def side_of_room(self, room: str) -> Side | None:
        return "staff" if room == ROOM else None

    def brands_in(self, room: str) -> list[Rules]:
        return [self._rules] if room == ROOM else []

    def brands(self) -> list[Rules]:
        return [self._rules]

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"handlers have no business with {name}")


class Store:
    """`away` counts the writes that fail before it takes one again."""

    def __init__(self) -> None:
        self.away = 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        if self.away:
            self.away -= 1
            raise Away
        yield self

    async def stops(self) -> list[Any]:
        return []


@dataclass
class Desk:
    """`outcome` is what everything comes to; `before` runs before it, may wait or raise."""

    store: Store = field(default_factory=Store)
    outcome: Outcome = field(default_factory=lambda: Outcome("did_take", {"case": 7}, case=7))
    before: Callable[[], Any] = lambda: None
    pressed: list[Pressed] = field(default_factory=list)
    heard: list[tuple[Heard, str]] = field(default_factory=list)
    typed: list[Typed] = field(default_factory=list)
    added: list[tuple[Any, ...]] = field(default_factory=list)

    async def _come_to(self) -> Outcome:
        waits = self.before()
        if waits is not None:
            await waits
        async with self.store.write():
            return self.outcome

    async def press(self, pressed: Pressed) -> Outcome:
        self.pressed.append(pressed)
        return await self._come_to()

    async def take_in(self, heard: Heard, idem: str) -> None:
        await self._come_to()
        self.heard.append((heard, idem))

    async def command(self, typed: Typed) -> Outcome:
        self.typed.append(typed)
        return await self._come_to()

    async def add(self, *given: Any) -> Outcome:
        self.added.append(given)
        return await self._come_to()


class Hands:
    """The sandbox's Telegram, the desk behind it, and short ways to what tests ask most."""

    def __init__(self, world: Bench) -> None:
        self.world = world
        self.telegram = world.telegram
        self.desk = Desk()
        self.alarms: list[tuple[str, str]] = []
        self.setup = Setup(
            self.desk,
            self.desk,
            Directory,
            lambda room, reason: self.alarms.append((room, reason)),
            now=lambda: NOW,
            patience=0.05,
        )
        self.dispatcher = self.another()

    def another(self, **persist: Any) -> Dispatcher:
        """The dispatcher, its patience with the store scaled down."""
        made = dispatcher(self.setup)
        made.update.outer_middleware.unregister(made.update.outer_middleware[-1])
        made.update.outer_middleware(Persist(self.setup, **{"pause": 0.001, **persist}))
        return made

    async def deliver(self) -> None:
        """Every waiting update, one after another, and what is said of it."""
        for update in await self.world.updates():
            await self.dispatcher.feed_update(self.world.bot, update)
        await self.setup.voice.settled(PATIENCE)

    async def press(self, data: str, by: int = ANNA, thread: bool = True, **how: bool) -> str:
        """Presses a button that was never there, unless `how` says otherwise; gives the press's id."""
        topic = await self.world.topic() if thread else None
        sent = await self.world.bot.send_message(STAFF, "card", message_thread_id=topic)
        return self.telegram.press(by, STAFF, sent.message_id, data, **({"forged": True} | how))

    def answer(self, press: str) -> dict[str, Any] | None:
        return self.telegram.answer_of(press)

    def said(self) -> list[str]:
        """What the bot wrote in the staff room, cards aside."""
        wrote = [m for m in self.telegram.messages(STAFF) if m["from"]["id"] == BOT_ID and not m["service"]]
        return [m["text"] for m in wrote if m["text"] != "card"]


@asynccontextmanager
async def hands(**limits: Any) -> AsyncIterator[Hands]:
    async with bench(**limits) as world:
        made = Hands(world)
        try:
            yield made
        finally:
            await made.setup.voice.settled(0.1)


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110 - what is waited for happens in the sandbox
            await asyncio.sleep(0.005)
