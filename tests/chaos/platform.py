"""The review site: not idempotent, tells a mention twice and more, lists the brand's own replies."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

from tests.chaos import story
from tests.chaos.outside import Log, Temper, cut

OVERLAP = 4
"""Mentions told again at each reading."""
FAILING = 0.05
"""Share of readings answered with 500."""


@dataclass
class Site:
    """Mentions appear by themselves, from the first reading on."""

    log: Log
    tale: story.Story
    temper: Temper
    times: list[float]
    shown: dict[int, float] = field(default_factory=dict)
    replies: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    began: float = 0.0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{client}/mentions", self.list)
        app.router.add_get("/{client}/mentions/{number}", self.look)
        app.router.add_post("/{client}/mentions/{number}/replies", self.reply)
        return app

    def _appear(self) -> None:
        self.began = self.began or time.time()
        for number, after in enumerate(self.times):
            if number not in self.shown and self.began + after <= time.time():
                self.shown[number] = time.time()
                self.log.write("mention", n=number, client=story.client_of(number))

    async def list(self, request: web.Request) -> web.Response:
        """From `after` on, and some of those before, in no order."""
        self._appear()
        if self.temper.luck.random() < FAILING:
            return web.Response(status=500)
        after, client = int(request.query["after"]), request.match_info["client"]
        told = [n for n in sorted(self.shown, key=self.shown.__getitem__) if story.client_of(n) == client]
        some = told[max(0, after - OVERLAP) :]
        self.temper.luck.shuffle(some)
        return web.json_response({"mentions": [self._mention(n) for n in some], "next": len(told)})

    def _mention(self, number: int) -> dict[str, Any]:
        return {"id": number, "text": story.review(number), "at": self.shown[number]}

    async def look(self, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.json_response({"mention": self._mention(number), "replies": self.replies.get(number, [])})

    async def reply(self, request: web.Request) -> web.Response:
        number, text = int(request.match_info["number"]), (await request.json())["text"]
        if self.temper.refuses():
            return self.temper.refusal()
        standing = self.replies.setdefault(number, [])
        made = {"id": f"{number}/{len(standing) + 1}", "text": text, "at": time.time()}
        standing.append(made)
        dropped = self.temper.drops()
        self.log.write("reply", n=number, text=text, dropped=dropped)
        return cut(request) if dropped else web.json_response(made)


def site(log: Path, tale: story.Story, seed: int) -> web.Application:
    luck = Random(f"{seed}/site")
    times = sorted(luck.uniform(0, tale.spread) for _ in range(tale.cases))
    luck.shuffle(times)
    return Site(Log(log), tale, Temper(luck), times).app()
