"""The desk's end of the fake messengers: a Chat over plain HTTP, and the intake that calls what the handlers call."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from bot.build import App
from bot.connect import Connections, _in_turn
from desk import view
from desk.errors import Refused, Retry, Unsure
from desk.hearing import Typed
from desk.ports import Heard, Sent
from desk.service import Pressed, dumps
from tests.chaos.outside import Line

log = logging.getLogger("chaos")


def flat(value: Any) -> Any:
    """An argument of a sentence, as plain data."""
    if isinstance(value, view.Link):
        return value.text
    if isinstance(value, view.At):
        return value.at.timestamp()
    if isinstance(value, (view.Span, timedelta)):
        return (value.length if isinstance(value, view.Span) else value).total_seconds()
    return said(value) if isinstance(value, view.Say) else value


def said(say: view.Say) -> list[Any]:
    return [say.key, {name: flat(value) for name, value in say.args.items()}]


def shown(drawing: view.Drawing) -> Line:
    """A drawing as the judge and the people read it."""
    buttons = [
        {"action": b.action, "case": b.case, "version": b.version, "extra": b.extra}
        for row in drawing.rows
        for b in row
    ]
    return {
        "title": said(drawing.title),
        "lines": [said(block.say) for block in drawing.blocks if isinstance(block, view.Line)],
        "quotes": [block.text for block in drawing.blocks if isinstance(block, view.Quote)],
        "buttons": buttons,
    }


@dataclass
class FakeChat:
    """desk.ports.Chat. `findable`: a lost message can be looked up by its key, as in Slack; in Telegram it cannot."""

    session: aiohttp.ClientSession
    address: str
    makes_threads: bool
    findable: bool

    async def _call(self, op: str, room: str, drawing: view.Drawing, **more: str) -> Line:
        data = {"op": op, "room": room, "shown": shown(drawing), "thread": "", "message": "", "key": "", **more}
        try:
            async with self.session.post(f"{self.address}/call", json=data) as answer:
                if answer.status == 429:
                    raise Retry("too many", after=float(answer.headers["Retry-After"]), rate_limited=True)
                made: Line = await answer.json()
                return made
        except aiohttp.ClientConnectorError as error:
            raise Retry(str(error)) from error
        except aiohttp.ClientError as error:
            raise Unsure(repr(error)) from error

    async def open(self, room: str, drawing: view.Drawing) -> str:
        return str((await self._call("open", room, drawing))["thread"])

    async def send(self, room: str, thread: str, drawing: view.Drawing, key: str) -> Sent:
        made = await self._call("send", room, drawing, thread=thread, key=key)
        return Sent(made["message"], made["thread"])

    async def edit(self, room: str, message: str, drawing: view.Drawing) -> None:
        await self._call("edit", room, drawing, message=message)

    async def find(self, room: str, thread: str, key: str) -> Sent | None:
        if not self.findable:
            raise Unsure("a message cannot be looked up")
        async with self.session.post(f"{self.address}/find", json={"key": key}) as answer:
            found = await answer.json()
        return Sent(found["message"], found["thread"]) if found else None

    async def fetch(self, room: str, file: str) -> bytes:
        raise Refused("nobody sends files here")

    async def send_file(self, room: str, thread: str, name: str, data: bytes, drawing: view.Drawing) -> Sent:
        raise Refused("nobody sends files here")

    def link(self, room: str, thread: str, message: str = "") -> str:
        return ""

    def digest(self, drawing: view.Drawing) -> str:
        return hashlib.sha256(json.dumps(shown(drawing), sort_keys=True).encode()).hexdigest()


# What people do


async def _press(app: App, event: Line) -> Any:
    pressed = Pressed(
        event["id"],
        app.live.current.person(event["who"]),
        event["action"],
        event["case"],
        event["version"],
        event["room"],
        event["thread"],
        event["extra"],
    )
    return dumps(await app.desk.press(pressed))


async def _command(app: App, event: Line) -> Any:
    who = app.live.current.person(event["who"])
    typed = Typed(event["id"], who, event["room"], event["thread"], event["id"], event["verb"], event["text"])
    return dumps(await app.hearing.command(typed))


async def _chat(app: App, event: Line) -> Any:
    who, at = event["who"], datetime.fromtimestamp(event["due"], UTC)
    heard = Heard(event["room"], event["thread"], event["id"], who, who.title(), event["text"], at)
    await app.hearing.take_in(heard, event["id"])
    return None


TAKES: dict[str, Callable[[App, Line], Awaitable[Any]]] = {"press": _press, "command": _command, "chat": _chat}


async def intake(app: App, session: aiohttp.ClientSession, address: str, stop: asyncio.Event) -> None:
    """Asks for events for ever; each is confirmed with the next question, and only when it is stored."""
    done: dict[str, Any] = {}
    while not stop.is_set():
        try:
            async with session.post(f"{address}/events", json={"done": done}) as answer:
                events = (await answer.json())["events"]
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.1)
            continue
        done = dict(await _taken(app, events))


async def _taken(app: App, events: Sequence[Line]) -> list[tuple[str, Any]]:
    """All at once, as the real connections bring them; what could not be stored is left out and comes again."""
    outcomes = await asyncio.gather(*(TAKES[e["kind"]](app, e) for e in events), return_exceptions=True)
    for event, outcome in zip(events, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            log.warning("%s was not taken in: %r", event["id"], outcome)
    pairs = zip(events, outcomes, strict=True)
    return [(event["id"], outcome) for event, outcome in pairs if not isinstance(outcome, BaseException)]


async def connect(app: App, telegram: str, slack: str) -> Connections:
    """In place of bot.connect.connect: Telegram is asked by one replica at a time, Slack by all of them."""
    made = Connections()
    session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
    made.stack.push_async_callback(session.close)
    app.messengers["telegram"] = FakeChat(session, telegram, makes_threads=True, findable=False)
    app.messengers["slack"] = FakeChat(session, slack, makes_threads=False, findable=True)
    made.listening["telegram"] = lambda stop: _in_turn(app, stop, lambda ended: intake(app, session, telegram, ended))
    made.listening["slack"] = lambda stop: intake(app, session, slack, stop)
    return made
