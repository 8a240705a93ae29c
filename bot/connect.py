"""Messengers and the HTTP side: opened from the configuration, listened to while the desk runs, closed after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import SecretStr

from bot import listening, unknown
from bot.build import App
from bot.directory import SourceConfig
from bot.http import Check, HookSource, HttpDeps, Knocker, Listener, http_app
from bot.metrics import Snapshot, snapshot
from bot.net import way
from collectors import PLATFORMS
from collectors.hooks import Heed
from desk.errors import DeskError
from storage.database import away

log = logging.getLogger("replydesk")

Listening = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
Closing = Callable[[], Awaitable[None]]

QUIET = timedelta(seconds=90)
"""Telegram answers getUpdates after 25 s at the latest; longer without an answer, and something is wrong."""

LONGEST_WAIT = 30.0
"""Seconds between two attempts to name the webhook."""

BEHIND = timedelta(minutes=2)
"""The schedule is looked at every half minute; longer without a look, and something is wrong."""


@dataclass
class Connections:
    """`listening`: what runs until the desk stops; `starting`: what goes on by itself once begun.

    `deafening`: ends the intake of events. `notes`: what /readyz tells although it keeps nobody from being ready.
    """

    listening: dict[str, Listening] = field(default_factory=dict)
    starting: list[Closing] = field(default_factory=list)
    deafening: list[Closing] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)
    notes: dict[str, Check] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def listeners(self, stop: asyncio.Event) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {name: lambda listen=listen: listen(stop) for name, listen in self.listening.items()}  # type: ignore[misc]

    async def start(self) -> None:
        for start in self.starting:
            await start()

    async def deafen(self) -> None:
        for close in self.deafening:
            await close()

    async def close(self) -> None:
        await self.stack.aclose()


async def connect(app: App) -> Connections:
    """Messengers that the configuration names, and the HTTP side if it listens anywhere."""
    made = Connections()
    try:
        telegram = await _telegram(app, made) if app.config.telegram is not None else None
        slack = await _slack(app, made) if app.config.slack else None
        made.notes["work"] = lambda: unknown.note(app)
        made.listening["platforms"] = lambda stop: listening.listen(app, stop)
        made.listening["unknown work"] = lambda stop: unknown.watch(app, stop)
        await _http(app, made, telegram, slack)
    except BaseException:
        await made.close()
        raise
    return made


async def _telegram(app: App, made: Connections) -> Any:
    """The handler of POST /telegram in webhook mode, else None."""
    from bot import telegram as t
    from handlers.telegram import WEBHOOK_LIMIT, Setup, dispatcher

    settings = app.config.telegram
    assert settings is not None
    bot = t.make_bot(settings.token.get_secret_value(), settings.api_base, way(app.config, settings.proxy))
    made.stack.push_async_callback(bot.session.close)
    app.messengers["telegram"] = t.TelegramChat(bot)
    pulse = t.Pulse(app.now)
    bot.session.middleware(pulse)
    setup = Setup(app.desk, app.hearing, lambda: app.live.current, app.alarm, away=away)
    by_webhook = settings.mode == "webhook"
    inbound = dispatcher(setup, WEBHOOK_LIMIT if by_webhook else None)
    made.stack.push_async_callback(setup.voice.settled, 1.0)
    made.listening["telegram menu"] = lambda stop: _menu(bot, stop)
    if by_webhook:
        return _webhook(app, made, inbound, bot)
    polling = Polling(app, pulse, lambda ended: t.poll(inbound, bot, ended))
    bot.session.middleware(polling.asking)
    made.listening["telegram"] = polling.listen
    made.checks["telegram"] = polling.check
    made.notes["telegram"] = polling.note
    return None


@dataclass
class Polling:
    """Telegram's long polling. Two pollers of one bot end each other with 409 Conflict: replicas take turns."""

    app: App
    pulse: Any
    poll: Listening
    ours: bool = False
    asked_at: datetime | None = None

    async def listen(self, stop: asyncio.Event) -> None:
        await _in_turn(self.app, stop, self._ask)

    async def asking(self, make_request: Any, bot: Any, method: Any) -> Any:
        """Around each call: the first getUpdates of a turn may be answered only when somebody says something."""
        if self.asked_at is None and method.__api_method__ == "getUpdates":
            self.asked_at = self.app.now()
        return await make_request(bot, method)

    async def _ask(self, ended: asyncio.Event) -> None:
        self.ours, self.asked_at = True, None
        log.info("this replica asks Telegram for updates")
        try:
            await self.poll(ended)
        finally:
            self.ours = False

    async def check(self) -> str:
        """A replica that waits for its turn lacks nothing."""
        if not self.ours or self.pulse.error:
            return str(self.pulse.error) if self.ours else ""
        if self.asked_at is None:
            return "no updates were asked for yet"
        quiet = self.app.now() - max(self.asked_at, self.pulse.ok_at or self.asked_at)
        return "" if quiet < QUIET else f"getUpdates was last answered {quiet.total_seconds():.0f} s ago"

    async def note(self) -> str:
        return "" if self.ours else "another replica asks for updates"


async def _in_turn(app: App, stop: asyncio.Event, poll: Listening) -> None:
    while not stop.is_set():
        async with app.store.alone("telegram") as lost:
            ended = asyncio.Event()
            watching = asyncio.create_task(_first(stop, lost, ended))
            try:
                await poll(ended)
            finally:
                watching.cancel()


def _webhook(app: App, made: Connections, inbound: Any, bot: Any) -> Any:
    """The handler of POST /telegram. All replicas name the same address, and whichever is asked answers."""
    from bot import telegram as t

    settings = app.config.telegram
    assert settings is not None
    assert settings.public_url is not None
    assert settings.secret is not None
    url, secret = f"{str(settings.public_url).rstrip('/')}/telegram", settings.secret.get_secret_value()
    naming = Naming(lambda: t.set_webhook(inbound, bot, url, secret))
    made.listening["telegram"] = naming.listen
    made.checks["telegram"] = naming.check
    return t.webhook(inbound, bot, secret).handler


@dataclass
class Naming:
    """Tells Telegram where its updates are to go, however long it is away: that must not hold up the start."""

    name: Callable[[], Awaitable[None]]
    error: str = "the webhook is not set yet"

    async def listen(self, stop: asyncio.Event) -> None:
        wait = 1.0
        while self.error and not stop.is_set():
            try:
                await self.name()
                self.error = ""
            except DeskError as error:
                self.error = error.reason or type(error).__name__
                log.warning("the webhook could not be set: %s", self.error)
                await _waited(stop, wait)
                wait = min(wait * 2, LONGEST_WAIT)
        await stop.wait()

    async def check(self) -> str:
        return self.error


async def _waited(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


async def _first(stop: asyncio.Event, lost: asyncio.Event, ended: asyncio.Event) -> None:
    waits = [asyncio.create_task(stop.wait()), asyncio.create_task(lost.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        ended.set()
    finally:
        for wait in waits:
            wait.cancel()


async def _menu(bot: Any, stop: asyncio.Event) -> None:
    """Set beside the work: a Telegram that is away must not hold up the start."""
    from bot.telegram import set_commands

    await _politely("the menu of commands", set_commands(bot))
    await stop.wait()


async def _politely(what: str, work: Awaitable[None]) -> None:
    """What the desk can do without, it does without."""
    try:
        await work
    except DeskError as error:
        log.warning("%s could not be set: %s", what, error)


async def _slack(app: App, made: Connections) -> Any:
    """The handler of POST /slack/events where a workspace calls us, else None."""
    from bot import slack as s

    clients = {one.key: s.web_client(one, way(app.config, one.proxy)) for one in app.config.slack}
    chat = s.SlackChat(clients, app.now)
    made.stack.push_async_callback(chat.close)
    doors = s.open_doors(app.config.slack, chat, app.desk, app.hearing, lambda: app.live.current, app.alarm, app.now)
    app.messengers["slack"] = chat
    made.checks["slack"] = doors.check
    made.starting.append(doors.start)
    made.deafening.append(doors.stop)
    return doors.receive if any(one.mode == "http" for one in app.config.slack) else None


async def _http(app: App, made: Connections, telegram: Any, slack: Any) -> None:
    address = app.config.desk.address
    if address is None:
        return
    app.metrics.watch(lambda: _snapshot(app))
    made.checks["database"] = _database_check(app)
    made.checks["schedule"] = _schedule_check(app)
    deps = HttpDeps(
        store=app.store,
        hook=lambda key: _hook(app, key),
        metrics=app.metrics.render,
        knocker=lambda key: _knocker(app, key),
        checks=made.checks,
        notes=made.notes,
        now=app.now,
        slack=slack,
        telegram=telegram,
        gate=app.gate,
    )
    listener = Listener(http_app(deps), *address)
    await listener.start()
    made.deafening.append(listener.stop)


async def _snapshot(app: App) -> Snapshot:
    taken = await snapshot(app.store, [source.key for source in app.live.current.sources()], app.now())
    return taken._replace(unknown=await unknown.counted(app))


def _hook(app: App, key: str) -> HookSource | None:
    source = app.live.current.source(key)
    secret = getattr(source.settings, "secret", None) if source is not None else None
    if source is None or source.platform != "webhook" or not isinstance(secret, SecretStr):
        return None
    return HookSource(source.key, source.brand, secret)


def _knocker(app: App, key: str) -> Knocker | None:
    source = app.live.current.source(key)
    knock = PLATFORMS[source.platform].knock if source is not None else None
    if source is None or knock is None:
        return None
    return Knocker(source.key, partial(knock, source.settings), partial(_to_read, app, source))


def _to_read(app: App, source: SourceConfig, heed: Heed) -> list[str]:
    """Those of the platform's sources that the call names, else the one whose address was called."""
    if not heed.accounts:
        return [source.key]
    alike = [one.key for one in app.live.current.sources() if one.platform == source.platform]
    return [key for key in alike if (ref := app.sources.ref(key)) and ref.platform.account in heed.accounts]


def _database_check(app: App) -> Check:
    async def check() -> str:
        async with app.store.read() as reader:
            await reader.stops()
        return f"the database takes no writes: {app.engine.away}" if app.engine.away else ""

    return check


def _schedule_check(app: App) -> Check:
    async def check() -> str:
        fired = app.rounds.last_fired
        return "" if fired is not None and app.now() - fired < BEHIND else "the schedule was not looked at lately"

    return check
