"""Wildberries: reviews of and questions about the seller's goods (feedbacks-api)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, SecretStr

from collectors.answers import Maker, refused
from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from collectors.pages import joined
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import fold, fold_typography, scrubbed, tidy
from collectors.wildberries.shapes import (
    QUESTIONS,
    REVIEWS,
    SHELVES,
    SHOWN,
    Before,
    Cursor,
    Envelope,
    Listing,
    Record,
    Reply,
    Section,
    Shelf,
    Swept,
    claims_of,
    section_of,
)
from desk.errors import BadAnswer, DeskError, Gone, Refused, Retry, Unsure
from desk.mention import Author, Mention, MentionKey
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="wildberries",
    title="Wildberries",
    can_reply=True,
    can_edit=True,
    can_look=True,
    one_reply=True,
    moderated=True,
    shortest=2,
    longest=5000,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=180,
    history=timedelta(days=30),
    hosts=("wildberries.ru", "wildberries.kz", "wb.ru"),
    notes=(
        "An answer can be edited once, within 60 days, and cannot be deleted.",
        "Answers to reviews are shown after moderation; contacts in them are likely to be rejected.",
        "Whether answers to questions are moderated the API does not tell: they count as shown.",
        "3 requests a second with a Personal or Service token. A plain Basic token allows 5 an hour: set `every` to "
        "15 minutes or more, and expect replies, which take 4 requests each, to need an hour or more.",
        "Reviews without an answer go to an archive after 30 days, which is not read.",
        "What a buyer adds to a review later is a review of its own, with the first as its parent.",
        "The token ends after some months; a note warns for the last two weeks.",
        "The link leads to the product's reviews or questions: single ones have no page.",
    ),
)

VENDOR = "https://feedbacks-api.wildberries.ru"
LINK = "https://www.wildberries.ru/catalog/{product}/{part}"
PAGE = 500
PAGES = 10
OVERLAP = timedelta(hours=24)
"""For what a list shows later than its date says."""
AGAIN = timedelta(hours=2)
"""The same for a list too long for one poll: a whole day of it would keep the newest waiting at each reading. It covers
also what was answered, and so left one list for the other, before the first was read to its end."""
SECOND = timedelta(seconds=1)
KEPT = timedelta(minutes=30)
"""How long what was read before a write holds for the next try, where a limit kept the write itself from being made."""
WARNED = timedelta(days=14)

CODES: dict[str, Maker] = {"gateway:404": refused}
"""A wrong address, not a review that is gone."""


def _one_word(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if not (token.isascii() and token.isprintable()) or not token or " " in token:
        raise ValueError("must be one word of Latin letters, digits and signs")
    return value


class Settings(SourceSettings):
    token: Annotated[SecretStr, AfterValidator(_one_word)] = Field(
        title="Token",
        description="API token of the seller with the category of questions and reviews; not a read-only one",
    )
    questions: bool = Field(True, title="Questions", description="Whether buyers' questions are read beside reviews")


def said_by_wildberries(body: Any) -> tuple[str, str]:
    """The API's own words, or those of the gateway before it."""
    if "errorText" in body:
        return body["errorText"], "api"
    return f"{body['title']}: {body.get('detail', '')}", f"gateway:{body.get('status', '')}"


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Wildberries:
    return Wildberries(settings, brand, source, http, now)


class Wildberries:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self._brand = brand
        self._source = source
        self._now = now
        self._token = settings.token.get_secret_value()
        self._door = Door(http, CARD.title, now, said_by_wildberries, CODES)
        self._base = f"{settings.api_base or VENDOR}/api/v1"
        self._shelves = [shelf for shelf in SHELVES if settings.questions or shelf.section is REVIEWS]
        claims = claims_of(self._token)
        self.account = claims.seller
        self._ends = claims.exp
        self._kept: dict[str, Before] = {}

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.model_validate_json(cursor) if cursor else Cursor()
        warning = self._ending(state.told)
        after, began, notes, turn = dict(state.after), dict(state.began), [warning], ""
        mentions: dict[MentionKey, Mention] = {}
        for done, shelf in enumerate(self._in_turn(state.turn)):
            begin = after.get(shelf.name, since)
            floor = began.get(shelf.name, begin)
            try:
                swept = await self._sweep(shelf, begin, floor)
            except Retry as error:
                if not (error.rate_limited and done):
                    raise
                turn = shelf.name  # a Basic token pays for one request in 12 minutes: what came is kept
                break
            after[shelf.name] = swept.after
            began.pop(shelf.name, None)
            began |= {} if swept.whole else {shelf.name: floor}
            mentions |= {mention.key: mention for mention in swept.mentions}
            notes.append(swept.note)
            if swept.limited:
                turn = shelf.name
                break
        told = self._now().date() if warning else state.told
        following = Cursor(after=after, began=began, turn=turn, told=told)
        return Batch([*mentions.values()], following.model_dump_json(exclude_defaults=True), joined(notes))

    async def look(self, mention: Mention) -> Look:
        try:
            record = await self._one(mention)
        except Gone:
            return Look(None)
        return Look(self._mention(record, section_of(mention)), record.replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        # Wildberries takes an answer to whatever id, with 204: look before, read back after.
        return await self._answer(mention, text, await self._before(mention))

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        before = await self._before(mention)
        if before.record.answer is None:
            raise Gone(f"{CARD.title}: there is no answer to edit", what="reply")
        return await self._answer(mention, text, before)

    async def delete(self, mention: Mention, reply_id: str) -> None:
        raise Refused("Wildberries has no way to delete an answer; it can be edited once within 60 days")

    def same(self, ours: str, theirs: str) -> bool:
        return fold(fold_typography(ours)) == fold(fold_typography(theirs))

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, method: str, path: str, params: dict[str, str | int] | None = None, json: object = None) -> Ask:
        return Ask(method, f"{self._base}/{path}", params=params, json=json).signed(self._token)

    def _in_turn(self, first: str) -> Iterator[Shelf]:
        names = [shelf.name for shelf in self._shelves]
        start = names.index(first) if first in names else 0
        yield from self._shelves[start:]
        yield from self._shelves[:start]

    async def _sweep(self, shelf: Shelf, begin: datetime, floor: datetime) -> Swept:
        """What was written from `begin` on, oldest first. Pages go by date: a list by number shifts when one leaves.

        `floor`: where an earlier poll began to read this list.
        """
        start, after = self._now(), begin
        found: dict[str, Record] = {}
        notes: list[str] = []
        whole = limited = False
        for number in range(PAGES):
            raw = await self._page(shelf, after, first=number == 0)
            limited = raw is None
            if raw is None:
                break
            records, note = readable(raw, Record, CARD.title)
            notes.append(note)
            found |= {record.id: record for record in records if record.at >= begin}
            newest = max((min(record.at, start) for record in records), default=after)
            if len(raw) < PAGE:
                after, whole = max(floor, newest - (OVERLAP if floor == begin else AGAIN)), True
                break
            after = max(after + SECOND, newest - SECOND)
        mentions = [self._mention(one, shelf.section) for one in found.values()]
        return Swept(mentions, after, joined(notes), whole, limited)

    async def _page(self, shelf: Shelf, after: datetime, first: bool) -> list[Any] | None:
        """None where a limit is met after a first page: what came counts, or a long list would never be passed."""
        try:
            return await self._list(shelf, after)
        except Retry as error:
            if first or not error.rate_limited:
                raise
            return None

    async def _list(self, shelf: Shelf, after: datetime, until: datetime | None = None) -> list[Any]:
        params: dict[str, str | int] = {
            "isAnswered": "true" if shelf.answered else "false",
            "take": PAGE,
            "skip": 0,
            "order": "dateAsc",
            "dateFrom": int(after.timestamp()),
            **({"dateTo": int(until.timestamp())} if until else {}),
        }
        answer = await self._door.read(self._ask("GET", shelf.section.many, params))
        listing = answer.parse(Envelope[Listing]).data
        if listing is None:
            raise BadAnswer(f"{CARD.title}: answered a list without data")
        return listing.records or []

    async def _one(self, mention: Mention) -> Record:
        ask = self._ask("GET", section_of(mention).one, {"id": mention.key.external_id})
        try:
            answer = await self._door.read(ask)
        except Refused as error:
            if error.code != "api" or await self._is_listed(mention):
                raise
            raise Gone(error.reason, what="mention") from error
        record = answer.parse(Envelope[Record]).data
        if record is None:
            raise Gone(f"{CARD.title}: there is no such {mention.kind} any more", what="mention")
        return record

    async def _is_listed(self, mention: Mention) -> bool:
        """Asked where one record "cannot be given": the same words for what is gone and for what failed."""
        at = mention.published_at
        if at is None or at < self._now() - (CARD.history or timedelta()):
            return True  # perhaps in the archive: nothing is known to be gone
        shelves = [shelf for shelf in SHELVES if shelf.section is section_of(mention)]
        try:
            raw = [record for shelf in shelves for record in await self._list(shelf, at - SECOND, at + SECOND)]
        except Retry as error:
            if not error.rate_limited:
                raise
            return True  # a plain Basic token never pays for three requests in a row: people must decide
        return any(isinstance(record, dict) and record.get("id") == mention.key.external_id for record in raw)

    async def _before(self, mention: Mention) -> Before:
        """A plain Basic token pays for one request in 12 minutes: read anew before each try, nothing would be sent."""
        kept = self._kept.pop(mention.key.external_id, None)
        if kept is not None and kept.at > self._now() - KEPT:
            return kept
        return Before(self._now(), await in_time(writing_begins_by(), self._one(mention), CARD.title))

    async def _answer(self, mention: Mention, text: str, before: Before) -> Posted:
        try:
            await self._write(mention, text, _method(before.record.answer))
        except Retry as error:
            if error.rate_limited:
                self._kept[mention.key.external_id] = before
            raise
        try:
            answer = (await in_time(writing_begins_by(), self._one(mention), CARD.title)).answer
        except DeskError as error:
            raise Unsure(f"{CARD.title}: took the answer, but it could not be read back: {error.reason}") from error
        if answer is None or not self.same(text, answer.text):
            raise Unsure(f"{CARD.title}: took the answer, but does not show it yet")
        number, visible = mention.key.external_id, answer.standing == "public"
        return Posted(number, self._now(), mention.url, visible)

    async def _write(self, mention: Mention, text: str, method: str) -> None:
        number = mention.key.external_id
        if section_of(mention) is QUESTIONS:
            said = {"id": number, "answer": {"text": text}, "state": SHOWN}
            (await self._door.write(self._ask("PATCH", QUESTIONS.many, json=said))).parse(Envelope[Any])
            return
        answer = await self._door.write(self._ask(method, "feedbacks/answer", json={"id": number, "text": text}))
        if answer.body.strip():
            raise Unsure(f"{CARD.title}: answered something where its papers say nothing")

    def _mention(self, record: Record, section: Section) -> Mention:
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, record.id),
            source=self._source,
            kind=section.kind,
            text=record.words,
            rating=record.stars,
            author=Author(name=tidy(record.author or "")),
            url=LINK.format(product=(record.product and record.product.number) or 0, part=section.many),
            published_at=record.at,
            item=tidy((record.product and record.product.name) or ""),
            media=record.media,
            parent_id=record.parent or "",
            replies=record.replies,
            raw=scrubbed(record.model_dump(mode="json", by_alias=True)),
        )

    def _ending(self, told: date | None) -> str:
        """A warning in the token's last two weeks, once a day."""
        now = self._now()
        if self._ends is None or self._ends - now > WARNED or told == now.date():
            return ""
        left = max(0, (self._ends - now).days)
        return f"the Wildberries token ends on {self._ends:%Y-%m-%d}, in {left} days: make a new one in the cabinet"


def _method(earlier: Reply | None) -> str:
    if earlier is not None and earlier.editable:
        return "PATCH"
    if earlier is None or earlier.standing == "refused":
        return "POST"
    raise Refused(f"{CARD.title}: the answer cannot be changed (any more): once, within 60 days")
