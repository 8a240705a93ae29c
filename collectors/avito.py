"""Avito: reviews of the brand's account (ratings API), one answer to each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, SecretStr

from collectors.answers import Answer, Verdict, needs_login
from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from collectors.login import OAUTH_CODES, Login, Pass, granted, said_by_oauth
from collectors.pages import Item, Page, joined, newest_first
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import fold, scrubbed, tidy
from desk.errors import BadAnswer, DeskError, Gone, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="avito",
    title="Avito",
    can_reply=True,
    can_delete=True,
    can_look=True,
    one_reply=True,
    delete_first=True,
    moderated=True,
    links=False,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=60,
    grace=timedelta(minutes=1),
    hosts=("avito.ru",),
    notes=(
        "One answer to a review, and only where Avito allows it; its moderators see the answer first.",
        "An answer cannot be edited: the desk deletes the old one, shown or refused by moderators, before it sends the "
        "next; none stands there until that one is let through, and the approvers are told so.",
        "A deleted review just disappears from the list; Avito gives no single review, so looking pages through it.",
        "That the list is newest first, and that 403 means a tariff without API, is from memory.",
        "A review changed or let through more than three days after it was written may be noticed late.",
        "Avito states no longest answer and no request limit; contacts and links are refused by its moderators.",
    ),
)

VENDOR = "https://api.avito.ru"
ITEM_LINK = "https://www.avito.ru/{item}"
RATING_LINK = "https://www.avito.ru/profile/rating"
PAGE = 50
MARGIN = 5
"""A page begins so many reviews before the end of the last one: one that is deleted meanwhile moves all after it up."""
OVERLAP = timedelta(days=3)
"""Avito checks reviews before it shows them, dated when they were written."""
DEEPEST = 20
"""Pages a look goes down to find its review."""
STANDINGS: dict[str, Standing] = {"published": "public", "rejected": "refused"}


def forbidden(verdict: Verdict) -> DeskError:
    if "token" in verdict.reason.lower():
        return needs_login(verdict)
    mend = "the account's tariff must include the API, and its application the right to read and answer reviews"
    return Refused(f"{verdict.reason}: {mend} (avito.ru, For professionals, API)", code=verdict.code)


class Settings(SourceSettings):
    client_id: str = Field(
        pattern=r"^[\w-]{4,}$", title="Client ID", description="Of the account's API keys (For professionals, API)"
    )
    client_secret: SecretStr = Field(min_length=8, title="Client secret", description="Shown beside the client ID")


Stamp = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
"""Avito's times are Unix seconds."""


class Reason(BaseModel):
    title: str = ""


class Response(BaseModel):
    """Avito's "answer": ours, under a review."""

    id: int
    text: str = ""
    at: Stamp | None = Field(None, alias="createdAt")
    status: str = ""
    reasons: list[Reason] | None = Field(None, alias="rejectReasons")

    @property
    def standing(self) -> Standing:
        return STANDINGS.get(self.status, "waiting")

    @property
    def why(self) -> str:
        return ", ".join(fold(reason.title) for reason in self.reasons or [] if reason.title)


class Size(BaseModel):
    size: str = ""
    url: str = ""

    @property
    def width(self) -> int:
        digits = self.size.partition("x")[0]
        return int(digits) if digits.isascii() and digits.isdigit() else 0


class Image(BaseModel):
    sizes: list[Size] = []

    @property
    def largest(self) -> str:
        return max(self.sizes, key=lambda size: size.width, default=Size()).url


class Sender(BaseModel):
    name: str = ""


class Advert(BaseModel):
    id: int | None = None
    title: str = ""


class Review(BaseModel):
    id: int
    score: int | None = None
    stage: str = ""
    text: str = ""
    at: Stamp = Field(alias="createdAt")
    used_in_score: bool | None = Field(None, alias="usedInScore")
    can_answer: bool = Field(False, alias="canAnswer")
    sender: Sender | None = None
    item: Advert | None = None
    images: list[Image] | None = None
    answer: Response | None = None

    @property
    def refusal(self) -> str:
        """Why it takes no answer now."""
        if self.answer is None:
            return "Avito takes no answer to this review (canAnswer is false)"
        if self.answer.standing == "refused":
            why = self.answer.why or "no reason given"
            return f"Avito's moderators refused the answer before ({why}); delete it first"
        return "this review has an answer already, and Avito takes one only; delete it first"


class Reviews(BaseModel):
    total: int
    reviews: list[Any]

    def after(self, offset: int) -> int | None:
        """Where the next page begins."""
        shown = len(self.reviews)
        return offset + max(shown - MARGIN, 1) if shown and offset + shown < self.total else None


class Made(BaseModel):
    id: int
    at: Stamp | None = Field(None, alias="createdAt")


class Removed(BaseModel):
    success: bool


def said_by_avito(body: Any) -> tuple[str, str]:
    error = body["error"]
    return error.get("message") or "", str(error.get("code") or "")


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Avito:
    return Avito(settings, brand, source, http, now)


class Avito:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.client_id
        self._base = settings.api_base or VENDOR
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_avito, {"401": needs_login, "403": forbidden})
        self._login = _login(settings, f"{self._base}/token", http, now)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(self._page, cursor, since, now=self._now, overlap=OVERLAP)

    async def look(self, mention: Mention) -> Look:
        review = await self._find(mention)
        if review is None:
            return Look(None)
        answers = (review.answer,) if review.answer else ()
        url = _link(review)
        replies = tuple(OfficialReply(str(a.id), tidy(a.text), a.at, url, a.standing, a.why) for a in answers)
        return Look(self._mention(review), replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        review = await in_time(writing_begins_by(), self._find(mention), CARD.title)
        if review is None:
            raise Gone(f"{CARD.title}: the review is not in the list any more", what="mention")
        if not review.can_answer:
            raise Refused(f"{CARD.title}: {review.refusal}", code="canAnswer")
        said = {"reviewId": review.id, "message": text}
        made = (await self._write("POST", "answers", said)).parse(Made)
        return Posted(str(made.id), made.at or self._now(), mention.url, visible=False)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        raise Refused("Avito has no way to edit an answer; delete it and answer again")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._remove(reply_id)
        except Gone:
            return
        except Refused:
            # What Avito says of an answer that is deleted already is written nowhere.
            if await self._stands(mention, reply_id):
                raise

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _write(self, method: str, path: str, json: object = None) -> Answer:
        return await self._login.call(self._door.write, Ask(method, f"{self._base}/ratings/v1/{path}", json=json))

    async def _remove(self, reply_id: str) -> None:
        removed = (await self._write("DELETE", f"answers/{quote(reply_id, safe='')}")).parse(Removed)
        if not removed.success:
            raise Refused(f"{CARD.title}: the answer was not deleted")

    async def _stands(self, mention: Mention, reply_id: str) -> bool:
        return any(reply.external_id == reply_id for reply in (await self.look(mention)).replies)

    async def _list(self, offset: int) -> Reviews:
        ask = Ask("GET", f"{self._base}/ratings/v1/reviews", params={"offset": offset, "limit": PAGE})
        return (await self._login.call(self._door.read, ask)).parse(Reviews)

    async def _page(self, page: str) -> Page:
        offset = int(page or 0)
        listing = await self._list(offset)
        reviews, note = readable(listing.reviews, Review, CARD.title)
        following = listing.after(offset)
        items = [Item(review.at, self._mention(review)) for review in reviews]
        return Page(items, "" if following is None else str(following), joined([note, _order(reviews, following)]))

    async def _find(self, mention: Mention) -> Review | None:
        """The review as it stands in the list; None where it certainly is not there any more."""
        nameless = False
        async for listing in self._down_to(mention.published_at):
            ours = [record for record in listing.reviews if _is(record, mention.key.external_id)]
            if ours:
                return readable(ours, Review, CARD.title, searched=True)[0][0]
            nameless = nameless or any(map(_is_nameless, listing.reviews))
        if nameless:
            raise BadAnswer(f"{CARD.title}: a review in the list has no readable number; it may be this one")
        return None

    async def _down_to(self, at: datetime | None) -> AsyncIterator[Reviews]:
        """The list from its newest on, as far down as a review of that time may stand. Raises Refused if too far."""
        offset = 0
        for _ in range(DEEPEST):
            listing = await self._searched(offset)
            yield listing
            following = listing.after(offset)
            if following is None or _past(listing, at):
                return
            offset = following
        raise Refused(f"{CARD.title}: the review is too far down the list to be read again; look at it on the site")

    async def _searched(self, offset: int) -> Reviews:
        """A page that is looked through: where the list itself is missing, no review is known to be gone."""
        try:
            return await self._list(offset)
        except Gone as error:
            raise BadAnswer(error.reason) from error

    def _mention(self, review: Review) -> Mention:
        item = review.item or Advert()
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, str(review.id)),
            source=self._source,
            text=tidy(review.text),
            rating=review.score or None,
            author=Author(name=tidy(review.sender.name) if review.sender else ""),
            url=_link(review),
            published_at=review.at,
            item=tidy(item.title) or str(item.id or ""),
            media=tuple(image.largest for image in review.images or [] if image.largest),
            raw=scrubbed(review.model_dump(mode="json", by_alias=True, exclude_none=True)),
        )


def _login(settings: Settings, url: str, http: httpx.AsyncClient, now: Now) -> Login:
    """Client credentials: each token is asked for anew, nothing rotates."""
    door = Door(http, f"{CARD.title} login", now, said_by_oauth, OAUTH_CODES)
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret.get_secret_value(),
    }

    async def renew(_last: Pass | None) -> Pass:
        return await granted(door, url, form, now())

    return Login(renew, now, CARD.title)


def _is(record: Any, number: str) -> bool:
    return isinstance(record, dict) and str(record.get("id")) == number


def _is_nameless(record: Any) -> bool:
    return not isinstance(record, dict) or not isinstance(record.get("id"), int)


def _past(listing: Reviews, at: datetime | None) -> bool:
    """Whether this page lies wholly behind a review of that time. Only a page that is in order tells."""
    reviews, _ = readable(listing.reviews, Review, CARD.title, searched=True)
    in_order = all(newer.at >= older.at for newer, older in pairwise(reviews))
    return at is not None and in_order and all(review.at < at - OVERLAP for review in reviews)


def _order(reviews: list[Review], following: int | None) -> str:
    """Said where the newest reviews would be on a page that is not read."""
    if following is None or not reviews or reviews[0].at >= reviews[-1].at:
        return ""
    return f"{CARD.title}: the list is not newest first any more; new reviews may be missed"


def _link(review: Review) -> str:
    return ITEM_LINK.format(item=review.item.id) if review.item and review.item.id else RATING_LINK
