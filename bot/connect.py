"""Messengers and the HTTP side: opened from the configuration, listened to while the desk runs, closed after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from bot.build import App
from bot.http import Check, HookSource, HttpDeps, Listener, http_app
from bot.metrics import snapshot
from desk.errors import DeskError

log = logging.getLogger("replydesk")

Listening = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
Closing = Callable[[], Awaitable[None]]

BEHIND = timedelta(minutes=2)
"""The schedule is looked at every half minute; longer without a look, and something is wrong."""


@dataclass
class Connections:
    """`listening`: what runs until the desk stops; `starting`: what goes on by itself once begun.

    `deafening`: ends the intake of events, before work is let go.
    """

    listening: dict[str, Listening] = field(default_factory=dict)
    starting: list[Closing] = field(default_factory=list)
    deafening: list[Closing] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)
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
    telegram = await _telegram(app, made) if app.config.telegram is not None else None
    slack = await _slack(app, made) if app.config.slack else None
    await _http(app, made, telegram, slack)
    return made


async def _telegram(app: App, made: Connections) -> Any:
    """The handler of POST /telegram in webhook mode, else None."""
    from bot import telegram as t
    from handlers.telegram import WEBHOOK_LIMIT, Setup, dispatcher

    settings = app.config.telegram
    assert settings is not None
    bot = t.make_bot(settings.token.get_secret_value(), settings.api_base)
    made.stack.push_async_callback(bot.session.close)
    app.messengers["telegram"] = t.TelegramChat(bot)
    pulse = t.Pulse()
    bot.session.middleware(pulse)
    setup = Setup(app.desk, app.hearing, lambda: app.live.current, app.alarm)
    by_webhook = settings.mode == "webhook"
    inbound = dispatcher(setup, WEBHOOK_LIMIT if by_webhook else None)
    made.stack.push_async_callback(setup.voice.settled, 1.0)
    made.listening["telegram menu"] = lambda stop: _menu(bot, stop)
    made.checks["telegram"] = _pulse_check(pulse, by_webhook)
    if not by_webhook:
        made.listening["telegram"] = lambda stop: _in_turn(app, stop, lambda ended: t.poll(inbound, bot, ended))
        return None
    assert settings.public_url is not None
    assert settings.secret is not None
    secret = settings.secret.get_secret_value()
    await t.set_webhook(inbound, bot, f"{str(settings.public_url).rstrip('/')}/telegram", secret)
    return t.webhook(inbound, bot, secret).handler


async def _in_turn(app: App, stop: asyncio.Event, poll: Listening) -> None:
    """Two pollers of one bot end each other with 409 Conflict: replicas on one database take turns."""
    while not stop.is_set():
        async with app.store.alone("telegram") as lost:
            ended = asyncio.Event()
            watching = asyncio.create_task(_first(stop, lost, ended))
            try:
                await poll(ended)
            finally:
                watching.cancel()


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


def _pulse_check(pulse: Any, by_webhook: bool) -> Check:
    async def check() -> str:
        if by_webhook or (pulse.ok_at is not None and not pulse.error):
            return ""
        return pulse.error or "no updates were asked for yet"

    return check


async def _politely(what: str, work: Awaitable[None]) -> None:
    """What the desk can do without, it does without."""
    try:
        await work
    except DeskError as error:
        log.warning("%s could not be set: %s", what, error)


async def _slack(app: App, made: Connections) -> Any:
    """The handler of POST /slack/events where a workspace calls us, else None."""
    from bot import slack as s

    clients = {one.key: s.web_client(one) for one in app.config.slack}
    chat = s.SlackChat(clients, app.now)
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
    app.metrics.watch(lambda: snapshot(app.store, [s.key for s in app.live.current.sources()], app.now()))
    made.checks["database"] = _database_check(app)
    made.checks["schedule"] = _schedule_check(app)
    deps = HttpDeps(
        store=app.store,
        hook=lambda key: _hook(app, key),
        metrics=app.metrics.render,
        checks=made.checks,
        now=app.now,
        slack=slack,
        telegram=telegram,
    )
    listener = Listener(http_app(deps), *address)
    await listener.start()
    made.deafening.append(listener.stop)


def _hook(app: App, key: str) -> HookSource | None:
    source = app.live.current.source(key)
    secret = getattr(source.settings, "secret", None) if source is not None else None
    if source is None or source.platform != "webhook" or not isinstance(secret, SecretStr):
        return None
    return HookSource(source.key, source.brand, secret)


def _database_check(app: App) -> Check:
    async def check() -> str:
        async with app.store.read() as reader:
            await reader.stops()
        return ""

    return check


def _schedule_check(app: App) -> Check:
    async def check() -> str:
        fired = app.rounds.last_fired
        return "" if fired is not None and app.now() - fired < BEHIND else "the schedule was not looked at lately"

    return check
