"""The one wiring point: configuration in, a desk ready to run out. Nothing else knows all the parts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from math import ceil
from pathlib import Path

from bot.config import Config
from bot.directory import Directory, Live
from bot.drafter import ai_parts
from bot.intake import Gate, Patient
from bot.metrics import Metrics
from bot.privacy import NotBack, NotPolled, erase_what_is_due, marks_of
from bot.rounds import KEEP_DONE, Rounds
from bot.sources import Sources
from collectors.http import client
from collectors.readback import PageReader
from collectors.screenshots import Screenshots
from desk.answering import Answering, Digest
from desk.clockwork import Warnings
from desk.errors import Broken
from desk.evidence import ShowScreenshot, TakeScreenshot
from desk.hearing import Hear, Hearing
from desk.polling import Poll
from desk.ports import Chat, Done, Effect, Job, Probe, Unit, Verdicts
from desk.posting import DeleteReply, Post, Publish, ReadPage, Watch
from desk.receiving import Receive
from desk.service import Desk
from desk.showing import Answer, Breaches, Draw, File, Open, SayIt, Shows, Summary
from desk.suggesting import Suggest
from desk.work import LEASES, Row
from storage.engine import Engine
from storage.pace import quick_gap
from storage.runner import no_probe
from storage.store import SqlStore, open_store

log = logging.getLogger("replydesk")

PEOPLE_SHARE = 0.3
"""Of a Telegram group's budget: kept free of backlog, so that what a person waits for never queues (engine.md)."""

SLACK_GAP, SLACK_BURST = 1.3, 4
"""Seconds between two messages of a channel's backlog: with the burst, 50 a minute, the floor of chat.update's tier."""


ACCOUNT_BURST = 5
"""Requests to a platform account that people wait for, on top of its pace."""


@dataclass
class Parts:
    """What tests and the sandbox put in place of the real ones. `minute`: seconds in a minute of Telegram's limits."""

    clock: Callable[[], datetime] | None = None
    probe: Probe = no_probe
    scale: float = 1.0
    minute: float = 60.0
    chats: Mapping[str, Chat] | None = None


@dataclass
class Housekeeping:
    """Job of kind "housekeeping": finished work moves to history, ids nobody redelivers any more are forgotten, and
    what clients no longer want kept is erased."""

    store: SqlStore
    config: Callable[[], Config]
    lease: timedelta = LEASES["ai"]

    async def fetch(self, row: Row) -> None:
        await self.store.archive(KEEP_DONE)
        await self.store.forget_seen(KEEP_DONE)
        await erase_what_is_due(self.store, self.config())

    async def apply(self, unit: Unit, row: Row, fetched: None) -> Verdicts:
        return Done()

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return None


@dataclass
class App:
    """A desk: everything it is made of, and how it ends."""

    config: Config
    live: Live
    store: SqlStore
    desk: Desk
    hearing: Hearing
    sources: Sources
    rounds: Rounds
    metrics: Metrics
    now: Callable[[], datetime]
    minute: float = 60.0
    engine: Engine = field(init=False)
    told: dict[str, date] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)
    running: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once everything is connected and work is done."""
    messengers: dict[str, Chat] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def chat(self, room: str) -> Chat:
        messenger = self.messengers.get(room.partition(":")[0])
        if messenger is None:
            raise Broken(f"{room}: no such messenger is configured")
        return messenger

    def alarm(self, room: str, reason: str) -> None:
        """A room cannot be written to: logged once a day and reason."""
        today, what = self.now().date(), f"{room}: {reason}"
        if self.told.get(what) != today:
            self.told = {known: day for known, day in self.told.items() if day == today} | {what: today}
            log.error("%s cannot be written to: %s", room, reason)

    async def pace(self) -> None:
        """Tell the store how fast each room and each account may be written to."""
        await self.store.ensure_dests(paces(self.config, self.live.current, self.sources, self.minute))

    async def close(self) -> None:
        await self.sources.close()
        await self.stack.aclose()


def group_pace(per_minute: int, minute: float = 60.0) -> tuple[float, int]:
    """(gap in seconds, burst) that together stay one under `per_minute` in any minute, whatever the network's jitter.

    The backlog gets the gap alone; people and alarms the burst on top: of 20, six, so that five presses find a token
    each at whatever moment they come.
    """
    burst = max(1, ceil(per_minute * PEOPLE_SHARE))
    return minute / max(1, per_minute - 1 - burst), burst


Pace = tuple[str, float, int, float]


def paces(config: Config, directory: Directory, sources: Sources, minute: float = 60.0) -> list[Pace]:
    """(destination, gap in seconds, burst, gap while nobody acts) of every room and account."""
    allowed = config.telegram.group_per_minute if config.telegram else 20
    telegram = (*group_pace(allowed, minute), quick_gap(allowed, minute))
    found: list[Pace] = [
        (room, *(telegram if room.startswith("telegram:") else (SLACK_GAP, SLACK_BURST, 0.0)))
        for room in sorted(_rooms(directory))
    ]
    for source in directory.sources():
        ref = sources.ref(source.key)
        if ref is not None:
            key = ":".join(("platform", source.brand, source.platform, ref.platform.account))
            found.append((key, 60 / ref.platform.card.pace, ACCOUNT_BURST, 0.0))
    return found


def _rooms(directory: Directory) -> set[str]:
    named = ((r.staff_room, r.client_room, r.leads_room) for r in directory.brands())
    return {room for three in named for room in three if room}


async def build(config: Config, path: Path, parts: Parts | None = None) -> App:
    """Opens the store and whatever needs no network. The caller closes the App."""
    parts = parts or Parts()
    stack = AsyncExitStack()
    live = Live(config)
    now = parts.clock or (lambda: datetime.now(UTC))
    http = client(config.desk.proxy.get_secret_value(), config.desk.ca_file)
    stack.push_async_callback(http.aclose)
    url, secret = config.database.url.get_secret_value(), config.desk.secret_key.get_secret_value()
    store = await open_store(url, clock=parts.clock, secret_key=secret, rules=lambda brand: live.current.rules(brand))
    stack.push_async_callback(store.close)
    metrics = Metrics()
    store.on_saved = metrics.saved
    sources = Sources(lambda: live.current, http, now, store)
    desk = Desk(store, lambda: live.current)
    hearing = Hearing(desk, sources.recognise)
    rounds = Rounds(store, lambda: live.current, now)
    app = App(config, live, store, desk, hearing, sources, rounds, metrics, now, parts.minute, stack=stack)
    app.messengers.update(parts.chats or {})
    jobs, effects = _jobs(app, PageReader(http), Screenshots(http, config.desk.chromium)), _effects(app)
    app.engine = Engine(store, jobs, effects, probe=parts.probe, scale=parts.scale, settled=metrics.settled)
    return app


def _jobs(app: App, pages: PageReader, screenshots: Screenshots) -> dict[str, Job]:
    def directory() -> Directory:
        return app.live.current

    store, sources = app.store, app.sources
    drafter, judge = ai_parts(app.config, directory, app.metrics, store, app.stack)
    return {
        "receive": NotBack(
            Patient(Receive(directory, judge, app.metrics.mention, sources.of), app.gate), store, marks_of(app.config)
        ),
        "poll": NotPolled(Poll(store, directory, sources.ref, app.metrics.source_error), marks_of(app.config)),
        "heard": Hear(app.hearing, app.chat),
        "warn": Warnings(directory),
        "suggest": Suggest(store, directory, drafter),
        "publish": Publish(store, directory, sources.of),
        "watch": Watch(store, directory, sources.of),
        "read_page": ReadPage(store, directory, pages.shows),
        "screenshot": TakeScreenshot(store, directory, screenshots.take),
        "digest": Digest(directory),
        "housekeeping": Housekeeping(store, lambda: app.live.config),
    }


def _effects(app: App) -> dict[str, Effect]:
    def directory() -> Directory:
        return app.live.current

    shows = (directory, app.chat, app.alarm)
    answering = Answering(app.store, directory, app.chat)
    effects: dict[str, Effect] = {
        "open": Open(*shows),
        "draw": Draw(*shows),
        "say": SayIt(*shows),
        "summary": Summary(*shows),
        "alarm": Breaches(*shows),
        "file": File(*shows),
        "show_screenshot": ShowScreenshot(*shows, store=app.store),
        "answer": Answer(Shows(*shows), answering.drawings),
        "post": Post(directory, app.sources.of),
        "delete_reply": DeleteReply(directory, app.sources.of),
    }
    return {kind: app.metrics.counting(effect) for kind, effect in effects.items()}
