"""The engine with messages for rooms, the real clients of both messengers, a real store, and the sandbox behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.config import load
from bot.directory import Directory
from bot.slack import SlackChat
from bot.telegram import TelegramChat
from desk.answering import Answering
from desk.ports import Chat, Unit
from desk.showing import Answer, Shows
from desk.view import Drawing, Line, Say
from desk.work import Work
from sandbox.slack import Slack
from storage.engine import Engine
from storage.store import SqlStore, open_store
from tests.bot import sample
from tests.bot.test_slack_chat import calling
from tests.handlers.slack_world import CLIENT, TEAM, acme, serving, text_of
from tests.handlers.slack_world import STAFF as STAFF_CHANNEL
from tests.sandbox.telegram_bench import ANNA, STAFF, Bench, bench
from tests.storage.helpers import Clock, put, rows

GROUP, SMALL = f"telegram:{STAFF}", -4001
CHANNELS = {"client": f"slack:main/{CLIENT}", "staff": f"slack:main/{STAFF_CHANNEL}"}


def note(number: int, room: str) -> Work:
    """A message in a lane of its own, as those of different cases are."""
    payload = {"room": room, "thread": "", "what": "note", "text": f"note {number}"}
    return Work("answer", payload, lane=f"case:{number}:client", dest=room, idem=f"note:{number}")


async def written(unit: Unit, payload: dict[str, Any]) -> Drawing:
    say = Say("literal", {"text": payload["text"]})
    return Drawing(say, (Line(say),), (), "en", "UTC")


@dataclass
class Rooms:
    """`alarms`: what the desk logs, once each. `telegram` holds the small group -4001 without topics, too."""

    telegram: Bench
    slack: Slack
    store: SqlStore
    clock: Clock
    directory: Directory
    alarms: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        url = f"{self.slack.world.origin}/slack/api/"
        telegram = TelegramChat(self.telegram.bot, self.clock)
        self.chats: dict[str, Chat] = {
            "telegram": telegram,
            "slack": SlackChat({"main": calling(url)}, self.clock),
        }
        answering = Answering(self.store, lambda: self.directory, self.chat)
        shows = Shows(lambda: self.directory, self.chat, lambda room, reason: self.alarms.add((room, reason)))
        effect = Answer(shows, {**answering.drawings, "note": written})
        self.engine = Engine(self.store, {}, {"answer": effect}, backoff=float)

    def chat(self, room: str) -> Chat:
        return self.chats[room.partition(":")[0]]

    async def write(self, room: str, count: int = 1) -> None:
        await put(self.store, *(note(number, room) for number in range(count)))
        await self.engine.drain()

    async def later(self, seconds: float) -> None:
        self.clock.forward(seconds)
        await self.engine.drain()

    def texts(self, room: str) -> list[str]:
        if room.startswith("telegram:"):
            return [
                m["text"] for m in self.telegram.telegram.messages(int(room.removeprefix("telegram:"))) if m["text"]
            ]
        return [text_of(m) for m in self.slack.messages(TEAM, room.rpartition("/")[2])]

    def calls(self, room: str) -> int:
        """How often the messenger was asked to send something there."""
        if room.startswith("telegram:"):
            sent = [c for c in self.telegram.telegram.calls if c.method == "sendMessage"]
            return sum(str(c.params["chat_id"]) == room.removeprefix("telegram:") for c in sent)
        sent_there = [c for c in self.slack.calls if c.method == "chat.postMessage"]
        return sum(c.params["channel"] == room.rpartition("/")[2] for c in sent_there)

    async def states(self) -> set[str]:
        return set(await rows(self.store, "state"))


@asynccontextmanager
async def rooms(url: str, folder: Path, staff: str, client: str, leads: str = "") -> AsyncIterator[Rooms]:
    clock, slack = Clock(), acme()
    named = f'leads_room = "{leads}"\n' if leads else ""
    text = sample.changed(
        ("[telegram]\n", f"{named}[telegram]\n"),
        ("telegram = 1001", 'telegram = 1001\nslack = "U0ANNA"'),
        ('slack = "U0MARTA"', 'slack = "U0MARTA"\ntelegram = 1002'),
        ('staff_room = "telegram:-1001000000001"', f'staff_room = "{staff}"'),
        ('client_room = "slack:C0ACME"', f'client_room = "{client}"'),
    )
    directory = Directory(load(sample.write(folder, text), sample.SECRETS))
    store = await open_store(url, clock=clock)
    async with bench() as telegram, serving(slack) as address:
        slack.world.origin = address
        telegram.telegram.add_group(SMALL, "Small", forum=False)
        telegram.telegram.join(SMALL, ANNA)
        try:
            yield Rooms(telegram, slack, store, clock, directory)
        finally:
            await store.close()
