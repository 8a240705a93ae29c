"""Guestbook: entries of a book on a site, each with one answer of the house. An example of a platform of one's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, Field, SecretStr

from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from collectors.links import link_below, only
from collectors.pages import Item, Page, newest_first
from collectors.records import readable
from collectors.settings import SourceSettings, WebAddress
from collectors.text import fold, tidy
from desk.errors import Gone
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="guestbook",
    title="Guestbook",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    one_reply=True,
    longest=1_000,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=60,
    notes=("One answer an entry; a second one replaces it.",),
)

OVERLAP = timedelta(hours=1)


class Settings(SourceSettings):
    api_base: WebAddress = Field(title="Address of the book", description="https://example.com/book")
    key: SecretStr = Field(title="Key", description="Of the house, from the book's owner")


class Answer(BaseModel):
    text: str
    at: AwareDatetime


class Entry(BaseModel):
    id: str = Field(min_length=1)
    text: str
    author: str = ""
    house: bool = False
    changed: AwareDatetime
    answer: Answer | None = None


class Entries(BaseModel):
    entries: list[Any]
    next: str = ""


def said_by_the_book(body: Any) -> tuple[str, str]:
    return body["error"], body["code"]


def item(settings: Settings, url: str) -> str | None:
    """The entry an address leads to, where it is of this book: such a link is answered here, not by hand."""
    return only(r"([\w-]+)", link_below(settings.api_base, url).fragment)


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Guestbook:
    return Guestbook(settings, brand, source, http, now)


class Guestbook:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.api_base.split("://", 1)[1]
        self._base = settings.api_base
        self._key = settings.key.get_secret_value()
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_the_book)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(self._page, cursor, since, now=self._now, overlap=OVERLAP)

    async def look(self, mention: Mention) -> Look:
        try:
            entry = await self._entry(mention)
        except Gone:
            return Look(None)
        return Look(self._mention(entry), _answers(entry))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        await in_time(writing_begins_by(), self._entry(mention), CARD.title)
        ask = self._ask("PUT", f"entries/{mention.key.external_id}/answer", json={"text": text})
        answer = (await self._door.write(ask)).parse(Answer)
        return Posted(mention.key.external_id, answer.at, mention.url)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self.reply(mention, text, "")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._door.write(self._ask("DELETE", f"entries/{reply_id}/answer"))
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, method: str, path: str, **more: Any) -> Ask:
        return Ask(method, f"{self._base}/{path}", **more).with_header("X-Key", self._key)

    async def _page(self, page: str) -> Page:
        params: dict[str, str | int] = {"page": page} if page else {}
        found = (await self._door.read(self._ask("GET", "entries", params=params))).parse(Entries)
        entries, note = readable(found.entries, Entry, CARD.title)
        return Page([Item(one.changed, None if one.house else self._mention(one)) for one in entries], found.next, note)

    async def _entry(self, mention: Mention) -> Entry:
        return (await self._door.read(self._ask("GET", f"entries/{mention.key.external_id}"))).parse(Entry)

    def _mention(self, entry: Entry) -> Mention:
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, entry.id),
            source=self._source,
            text=tidy(entry.text),
            author=Author(name=tidy(entry.author)),
            url=f"{self._base}#{entry.id}",
            published_at=entry.changed,
            replies=_answers(entry),
        )


def _answers(entry: Entry) -> tuple[OfficialReply, ...]:
    return (OfficialReply(entry.id, tidy(entry.answer.text), entry.answer.at),) if entry.answer else ()
