"""Ozon: reviews of the seller's goods (Seller API: review list, info and comments), answered as the seller."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, SecretStr

from collectors.answers import Answer, Maker, Verdict, gone, later, lost, needs_login, refused, unsure
from collectors.http import Ask, Door, Now
from collectors.links import link_to, only
from collectors.pages import Item, Page, newest_first
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import fold, scrubbed, tidy
from desk.errors import BadAnswer, DeskError, Gone, NeedsLogin, Refused
from desk.mention import Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="ozon",
    title="Ozon",
    can_reply=True,
    can_delete=True,
    can_look=True,
    moderated=True,
    links=False,
    longest=1000,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=120,
    grace=timedelta(hours=1),
    hosts=("ozon.ru", "ozon.kz"),
    notes=(
        "Needs the paid plan 'Review management' or Premium Pro, and an API key with a role for reviews.",
        "Ozon names no author of a review; what buyers write under a review is not read as a mention.",
        "A reply cannot be edited, only deleted and written anew; Ozon's moderators may refuse it.",
        "Replies that wait for moderators may be missing from Ozon's list, so a lost one is sent again after an hour.",
        "Ozon states no longest reply: 1,000 characters and the ban on links and contacts are from experience.",
        "A review edited more than a day after its publication is noticed only when its case is looked at again.",
    ),
)

VENDOR = "https://api-seller.ozon.ru"
LINK = "https://www.ozon.ru/product/{sku}/?reviewUuid={review}"
OVERLAP = timedelta(days=1)
PAGE = 100
COMMENT_PAGES = 10
NEWEST, BEFORE = "v2", "v1"
OTHER = {NEWEST: BEFORE, BEFORE: NEWEST}
"""Ozon means to switch v1 of list, info and comment/delete off; servers that imitate it may not have v2 yet."""
EXTRA: dict[tuple[str, str], dict[str, str]] = {(BEFORE, "list"): {"status": "ALL"}}
BAD_KEY = re.compile(r"(invalid|deactivated|expired|unknown).*api-?key|api-?key.*(invalid|deactivated|expired)", re.I)
GRPC_CODES = range(1, 17)


def forbidden(verdict: Verdict) -> DeskError:
    if BAD_KEY.search(verdict.reason):
        return NeedsLogin(verdict.reason)
    mend = (
        "reviews need the plan 'Review management' or Premium Pro, "
        "and the API key a role for reviews (seller.ozon.ru, Settings, API keys)"
    )
    return Refused(f"{verdict.reason}: {mend}", code=verdict.code)


CODES: dict[str, Maker] = {
    "3": refused,
    "5": gone,
    "6": unsure,  # the same comment stands there already
    "7": forbidden,
    "8": later,
    "16": needs_login,
    **dict.fromkeys(("1", "2", "4", "10", "13", "14", "15"), lost),
}
"""By gRPC's status codes, which Ozon answers with beside HTTP's."""


class Settings(SourceSettings):
    client_id: str = Field(
        pattern=r"^\d{1,20}$", title="Client ID", description="The seller's number, from Settings, API keys"
    )
    api_key: SecretStr = Field(
        min_length=8, title="API key", description="Made in Settings, API keys; its role must allow reviews"
    )


Utc = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]


class File(BaseModel):
    url: str = ""


class Review(BaseModel):
    id: str = Field(min_length=1)
    sku: int = 0
    text: str = ""
    rating: int | None = None
    at: Utc = Field(alias="published_at")
    status: str = ""
    order_status: str = ""
    comments_amount: int = 0
    photos_amount: int = 0
    videos_amount: int = 0
    is_rating_participant: bool | None = None
    photos: list[File] = []
    videos: list[File] = []

    @property
    def media(self) -> tuple[str, ...]:
        """Ozon gives addresses of pictures with single reviews only, not in the list."""
        return tuple(file.url for file in (*self.photos, *self.videos) if file.url)


class Comment(BaseModel):
    id: str = Field(min_length=1)
    text: str = ""
    at: Utc | None = Field(None, alias="published_at")
    is_owner: bool = False
    is_published: bool | None = None
    is_rejected: bool = False

    @property
    def standing(self) -> Standing:
        if self.is_rejected:
            return "refused"
        return "waiting" if self.is_published is False else "public"


class Reviews(BaseModel):
    reviews: list[Any]
    last_id: str = ""
    has_next: bool = False


class Comments(BaseModel):
    comments: list[Comment]


class Made(BaseModel):
    comment_id: str = Field(min_length=1)


def said_by_ozon(body: Any) -> tuple[str, str]:
    """The code only where it is one of gRPC's: another 404 may be a proxy's."""
    code = body["code"]
    return body.get("message") or "", str(code) if code in GRPC_CODES else ""


def item(settings: Settings, url: str) -> str | None:
    return only(r"([0-9A-Za-z-]+)", link_to(CARD.hosts, url).value("reviewUuid"))


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Ozon:
    return Ozon(settings, brand, source, http, now)


class Ozon:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.client_id
        self._base = settings.api_base or VENDOR
        self._headers = {"Client-Id": settings.client_id, "Api-Key": settings.api_key.get_secret_value()}
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_ozon, CODES)
        self._version = NEWEST

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(self._list, cursor, since, now=self._now, overlap=OVERLAP)

    async def look(self, mention: Mention) -> Look:
        try:
            review = (await self._read("info", {"review_id": mention.key.external_id})).parse(Review)
        except Gone:
            return Look(None)
        return Look(self._mention(review), await self._replies_to(review))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        said = {"review_id": mention.key.external_id, "text": text, "mark_review_as_processed": True}
        made = (await self._door.write(self._ask("v1", "comment/create", said))).parse(Made)
        return Posted(made.comment_id, self._now(), mention.url, visible=False)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        raise Refused("Ozon has no way to edit a reply; delete it and answer again")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._remove(self._version, mention, reply_id)
        except Gone:
            # A server without this version of the method may say the same as one without the comment.
            if await self._stands(mention, reply_id):
                await self._remove(OTHER[self._version], mention, reply_id)

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, version: str, method: str, body: dict[str, object]) -> Ask:
        whole = {**body, **EXTRA.get((version, method), {})}
        return Ask("POST", f"{self._base}/{version}/review/{method}", headers=self._headers, json=whole)

    async def _read(self, method: str, body: dict[str, object]) -> Answer:
        """A method in the version that worked last, or in the other where the server has not got it."""
        try:
            return await self._door.read(self._ask(self._version, method, body))
        except (Gone, BadAnswer) as error:
            return await self._read_in(OTHER[self._version], method, body, error)

    async def _read_in(self, version: str, method: str, body: dict[str, object], before: DeskError) -> Answer:
        try:
            answer = await self._door.read(self._ask(version, method, body))
        except DeskError:
            raise before from None
        self._version = version
        return answer

    async def _list(self, last: str) -> Page:
        asked: dict[str, object] = {"limit": PAGE, "sort_dir": "DESC", "last_id": last}
        listing = (await self._read("list", asked)).parse(Reviews)
        reviews, note = readable(listing.reviews, Review, CARD.title)
        items = [Item(review.at, self._mention(review)) for review in reviews]
        moves_on = listing.has_next and listing.last_id != last
        return Page(items, listing.last_id if moves_on else "", note)

    async def _replies_to(self, review: Review) -> tuple[OfficialReply, ...]:
        """Of a review that is there: where the list of its comments is not, it must be because there are none."""
        try:
            return await self._replies(self._mention(review))
        except Gone as error:
            if review.comments_amount:
                raise BadAnswer(f"{CARD.title}: {review.comments_amount} comments are not shown") from error
            return ()

    async def _replies(self, mention: Mention) -> tuple[OfficialReply, ...]:
        """The seller's comments, newest last. The newest are asked for first: a reply just made must not be missed."""
        found: list[Comment] = []
        for page in range(COMMENT_PAGES):
            comments = await self._comments(mention.key.external_id, page * PAGE)
            found += comments
            if len(comments) < PAGE:
                break
        ours = {comment.id: comment for comment in reversed(found) if comment.is_owner}
        return tuple(OfficialReply(c.id, tidy(c.text), c.at, mention.url, c.standing) for c in ours.values())

    async def _comments(self, review: str, offset: int) -> list[Comment]:
        """All or none: an unreadable comment may be the reply that is looked for."""
        asked: dict[str, object] = {"review_id": review, "limit": PAGE, "offset": offset, "sort_dir": "DESC"}
        return (await self._door.read(self._ask("v1", "comment/list", asked))).parse(Comments).comments

    async def _stands(self, mention: Mention, reply_id: str) -> bool:
        try:
            return any(reply.external_id == reply_id for reply in await self._replies(mention))
        except Gone:
            return False

    async def _remove(self, version: str, mention: Mention, reply_id: str) -> None:
        sku = {"sku": int(mention.item or 0)} if version == NEWEST else {}
        answer = await self._door.write(self._ask(version, "comment/delete", {"comment_id": reply_id, **sku}))
        if answer.body.strip():
            answer.parse(dict[str, Any])

    def _mention(self, review: Review) -> Mention:
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, review.id),
            source=self._source,
            text=tidy(review.text),
            rating=review.rating or None,
            url=LINK.format(sku=review.sku, review=quote(review.id, safe="")),
            published_at=review.at,
            item=str(review.sku or ""),
            media=review.media,
            raw=scrubbed(review.model_dump(mode="json", by_alias=True, exclude_none=True)),
        )
