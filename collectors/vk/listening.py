"""VK's Long Poll: the community's events, waited for by a desk that nobody can call. They only say: read now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from collectors.http import Ask, Door, Now
from collectors.vk.calls import CODES, TITLE, Methods, Params, Said, Token, said_by_vk

if TYPE_CHECKING:
    import httpx

WAIT = 10
"""Seconds VK holds a question open; it allows 90, an HTTP call of ours ends after 15."""
OLD, EXPIRED = 1, (2, 3)
"""`failed`: events before `ts` are gone; the key is over, or all is forgotten."""


class Line(BaseModel):
    """Where to ask, with which key, and from which event on."""

    server: str = Field(pattern=r"^https?://")
    key: str = Field(min_length=1)
    ts: str = Field(coerce_numbers_to_str=True)


class Heard(BaseModel):
    ts: str | None = Field(None, coerce_numbers_to_str=True)
    updates: list[object] = []
    failed: int = 0


class Listener:
    def __init__(self, http: httpx.AsyncClient, methods: Methods, group: int, token: Token, now: Now) -> None:
        self._door = Door(http, TITLE, now, said_by_vk, CODES)
        self._methods = methods
        self._group = group
        self._token = token
        self._line: Line | None = None

    async def wait(self) -> bool:
        """As desk.platform.Listens. After a new beginning too: what came in between is read."""
        if self._line is None:
            asked = {"group_id": self._group}
            self._line = await self._methods.read(Said[Line], "groups.getLongPollServer", self._token, asked)
            return True
        heard = await self._ask(self._line)
        if heard.failed in EXPIRED or heard.ts is None:
            self._line = None
            return False
        self._line = self._line.model_copy(update={"ts": heard.ts})
        return bool(heard.updates) or heard.failed == OLD

    async def _ask(self, line: Line) -> Heard:
        params: Params = {"act": "a_check", "key": line.key, "ts": line.ts, "wait": WAIT}
        return (await self._door.read(Ask("GET", line.server, params=params))).parse(Heard)
