"""The review site as the desk knows it: a platform of the register, for the desks of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import BaseModel

from collectors.http import Ask, Door, Now
from collectors.settings import SourceSettings
from desk.errors import Refused
from desk.mention import Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

CARD = PlatformCard(
    name="chaos",
    title="Chaos",
    can_reply=True,
    can_look=True,
    pace=3000,
    grace=timedelta(seconds=10),
)


class Settings(SourceSettings):
    """`api_base` ends in the client's name."""


class Item(BaseModel):
    id: int
    text: str
    at: float


class Items(BaseModel):
    mentions: list[Item]
    next: int


class Reply(BaseModel):
    id: str
    text: str
    at: float


class Looked(BaseModel):
    mention: Item
    replies: list[Reply]


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class Account:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = source
        self._brand, self._source, self._base = brand, source, f"{settings.api_base}/mentions"
        self._door = Door(http, CARD.title, now)

    def _mention(self, item: Item) -> Mention:
        key = MentionKey(self._brand, CARD.name, self.account, str(item.id))
        return Mention(key, self._source, item.text, rating=1, published_at=_at(item.at))

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        answer = await self._door.read(Ask("GET", self._base, params={"after": cursor or "0"}))
        items = answer.parse(Items)
        return Batch([self._mention(item) for item in items.mentions], str(items.next))

    async def look(self, mention: Mention) -> Look:
        looked = (await self._door.read(Ask("GET", self._item(mention)))).parse(Looked)
        replies = tuple(OfficialReply(r.id, r.text, _at(r.at)) for r in looked.replies)
        return Look(self._mention(looked.mention), replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        ask = Ask("POST", f"{self._item(mention)}/replies", json={"text": text})
        made = (await self._door.write(ask)).parse(Reply)
        return Posted(made.id, _at(made.at))

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        raise Refused("this platform only takes replies; its card says so")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        raise Refused("this platform only takes replies; its card says so")

    def same(self, ours: str, theirs: str) -> bool:
        return ours == theirs

    async def close(self) -> None:
        return None

    def _item(self, mention: Mention) -> str:
        return f"{self._base}/{mention.key.external_id}"


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Any:
    return Account(settings, brand, source, http, now)
