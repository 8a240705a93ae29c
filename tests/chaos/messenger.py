"""A messenger: takes calls, shows them to people, and brings what people do, each event twice and more."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

from tests.chaos.outside import Line, Log, Temper, cut
from tests.chaos.people import People
from tests.chaos.story import Story

AGAIN_WITHIN = 2.0
"""Seconds after which an event that was taken in is brought once more."""
UNANSWERED = 1.5
"""Seconds after which one that nobody confirmed is brought again, to whoever asks."""
LONG_POLL = 0.5


@dataclass
class Post:
    """Events on their way. Of one thread the next comes when the one before was taken in; all else is shuffled."""

    luck: Random
    threads: dict[str, deque[Line]] = field(default_factory=dict)
    given: dict[str, float] = field(default_factory=dict)
    again: list[tuple[float, Line]] = field(default_factory=list)

    def put(self, event: Line) -> None:
        self.threads.setdefault(event["thread"], deque()).append(event)

    def due(self) -> list[Line]:
        now = time.time()
        heads = [queue[0] for queue in self.threads.values() if queue and self._may_go(queue[0], now)]
        self.given.update((event["id"], now) for event in heads)
        repeats = [event for at, event in self.again if at <= now]
        self.again = [(at, event) for at, event in self.again if at > now]
        # Not forgotten when whoever took it dies: until the second confirmation it comes again and again.
        self.again += [(now + UNANSWERED, event) for event in repeats]
        some = heads + repeats
        self.luck.shuffle(some)
        return some

    def _may_go(self, event: Line, now: float) -> bool:
        return bool(event["due"] <= now) and self.given.get(event["id"], 0.0) + UNANSWERED < now

    def confirmed(self, number: str) -> Line | None:
        """The event, where this was its first confirmation."""
        for queue in self.threads.values():
            if queue and queue[0]["id"] == number:
                event = queue.popleft()
                self.again.append((time.time() + self.luck.uniform(0, AGAIN_WITHIN), event))
                return event
        self.again = [(at, event) for at, event in self.again if event["id"] != number]
        return None


@dataclass
class Messenger:
    name: str
    log: Log
    temper: Temper
    people: People
    post: Post
    keys: dict[str, Line] = field(default_factory=dict)
    numbers: Iterable[int] = field(default_factory=lambda: count(1))

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/call", self.call)
        app.router.add_post("/find", self.find)
        app.router.add_post("/events", self.events)
        return app

    async def call(self, request: web.Request) -> web.Response:
        call = await request.json()
        if self.temper.refuses():
            self.log.write("refused", op=call["op"], room=call["room"])
            return self.temper.refusal()
        made = self._take(call)
        dropped = self.temper.drops()
        self.log.write("call", **{**call, **made}, dropped=dropped)
        for event in self.people.saw({**call, **made}):
            self.post.put(event)
        return cut(request) if dropped else web.json_response(made)

    def _take(self, call: Line) -> dict[str, str]:
        if call["op"] == "edit":
            return {}
        number = str(next(iter(self.numbers)))
        if call["op"] == "open":
            return {"thread": number}
        made = {"message": number, "thread": call["thread"] or (number if self.name == "slack" else "")}
        self.keys[call["key"]] = made
        return made

    async def find(self, request: web.Request) -> web.Response:
        return web.json_response(self.keys.get((await request.json())["key"], {}))

    async def events(self, request: web.Request) -> web.Response:
        """Takes confirmations, and gives what is due, waiting a little for it."""
        for number, outcome in (await request.json())["done"].items():
            self._done(number, outcome)
        end = time.monotonic() + LONG_POLL
        while not (some := self.post.due()) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.03)
        return web.json_response({"events": some})

    def _done(self, number: str, outcome: Any) -> None:
        event = self.post.confirmed(number)
        self.log.write("done", id=number, outcome=outcome, event=event)
        if event is not None:
            for more in self.people.told(event, outcome):
                self.post.put(more)


def messenger(name: str, log: Path, tale: Story, seed: int) -> web.Application:
    luck = Random(f"{seed}/{name}")
    people = People(name, tale, luck)
    return Messenger(name, Log(log), Temper(luck), people, Post(luck)).app()
