"""Yandex Market: reviews of the seller's goods, answered as the cabinet (Partner API, goods-feedback)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from collectors.answers import Answer
from collectors.hooks import Call, Heed, needs_password
from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from collectors.pages import joined
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import fold, fold_typography, scrubbed, tidy
from desk.errors import BadAnswer, Gone, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="yandex_market",
    title="Yandex Market",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    moderated=True,
    links=False,
    longest=4096,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=2),
    pace=16,
    history=timedelta(days=180),
    hosts=("market.yandex.ru", "reviews.yandex.ru"),
    calls="API notifications",
    notes=(
        "Links (other than to Market), phones and other contacts of the shop are forbidden in replies.",
        "Replies are shown after moderation; an edited one may be moderated again.",
        "Edits are seen of reviews written since the source was connected, at most 6 months back.",
        "Comments of buyers under reviews, and questions about goods, are not collected.",
        "The API names no page of a review: the link leads to the seller's cabinet.",
        "Every comment of a seller's cabinet counts as the brand's own, other sellers' too where Market shows them.",
        "1000 replies and edits an hour.",
        "That its calls are answered with name, version and time is from memory of its papers.",
    ),
)

VENDOR = "https://api.partner.market.yandex.ru"
LINK = "https://partner.market.yandex.ru/business/{business}"
PAGE = 50
PAGES = 10
OVERLAP = timedelta(hours=24)
"""For reviews shown late that somebody has already read in the cabinet; the rest of those need a reaction."""
PERIOD = timedelta(days=180)
"""Lists reach back 6 months at most."""
STANDINGS: dict[str, Standing] = {"PUBLISHED": "public", "UNMODERATED": "waiting", "BANNED": "refused"}
OURS = "BUSINESS"
DELETED = "DELETED"

T = TypeVar("T")


def _one_word(value: SecretStr) -> SecretStr:
    key = value.get_secret_value()
    if not (key.isascii() and key.isprintable()) or not key or " " in key:
        raise ValueError("must be one word of Latin letters, digits and signs")
    return value


class Settings(SourceSettings):
    business_id: int = Field(
        ge=1,
        title="Number of the cabinet",
        description="From the cabinet's address: partner.market.yandex.ru/business/NUMBER",
    )
    api_key: Annotated[SecretStr, AfterValidator(_one_word)] = Field(
        title="API key",
        description="Api-Key of the cabinet with access to communication with buyers",
    )
    push_secret: SecretStr | None = Field(
        None,
        min_length=16,
        title="Secret of its calls",
        description="At the end of the address its calls are given: https://desk.example/hooks/KEY?key=SECRET",
    )


def knock(settings: Settings, call: Call) -> Heed:
    """A notification, or its PING. Market signs none, and wants name, version and time of who takes them."""
    needs_password(call, settings.push_secret)
    answer = {"name": "Replydesk", "version": "1.0.0", "time": call.at.isoformat()}
    return Heed(json.dumps(answer), "application/json")


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of the calendar") from None


Utc = Annotated[AwareDatetime, AfterValidator(_utc)]


class Identifiers(BaseModel):
    offer: str = Field("", alias="offerId")


class Description(BaseModel):
    advantages: str | None = None
    disadvantages: str | None = None
    comment: str | None = None

    @property
    def words(self) -> str:
        """The comment as it is; pros and cons under the names Market shows them by."""
        parts = (("Достоинства: ", self.advantages), ("Недостатки: ", self.disadvantages), ("", self.comment))
        return "\n".join(name + tidy(part) for name, part in parts if part and tidy(part))


class Media(BaseModel):
    photos: list[str] | None = None
    videos: list[str] | None = None


class Statistics(BaseModel):
    rating: int | None = None


class Feedback(BaseModel):
    id: int = Field(alias="feedbackId")
    at: Utc = Field(alias="createdAt")
    identifiers: Identifiers | None = None
    author: str | None = None
    description: Description | None = None
    media: Media | None = None
    statistics: Statistics | None = None


class CommentAuthor(BaseModel):
    type: str = ""
    name: str = ""


class Comment(BaseModel):
    id: int
    text: str
    status: str
    author: CommentAuthor | None = None
    can_modify: bool = Field(False, alias="canModify")

    @property
    def is_ours(self) -> bool:
        """Market may name no author; then it is ours where the cabinet may change it."""
        author = self.author.type if self.author else ""
        return self.status != DELETED and (author == OURS or (not author and self.can_modify))

    @property
    def standing(self) -> Standing:
        return STANDINGS.get(self.status, "waiting")


class Paging(BaseModel):
    next: str = Field("", alias="nextPageToken")


class Feedbacks(BaseModel):
    feedbacks: list[Any]
    paging: Paging | None = None


class Comments(BaseModel):
    """Strict: a comment that cannot be read may be ours."""

    comments: list[Comment]
    paging: Paging | None = None


class Result(BaseModel, Generic[T]):
    result: T


class Done(BaseModel):
    status: Literal["OK"]


class Cursor(BaseModel):
    """Since when reviews are read, the newest seen; `after` and pages: where unfinished lists go on."""

    model_config = ConfigDict(frozen=True)

    start: AwareDatetime
    until: AwareDatetime
    after: AwareDatetime | None = None
    page: str = ""
    unread: str = ""


class Swept(NamedTuple):
    feedbacks: list[Feedback]
    next: str
    note: str


def said_by_market(body: Any) -> tuple[str, str]:
    error = body["errors"][0]
    return error.get("message", ""), error["code"]


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> YandexMarket:
    return YandexMarket(settings, brand, source, http, now)


class YandexMarket:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = str(settings.business_id)
        self._brand = brand
        self._source = source
        self._now = now
        self._key = settings.api_key.get_secret_value()
        self._door = Door(http, CARD.title, now, said_by_market)
        self._base = f"{settings.api_base or VENDOR}/v2/businesses/{settings.business_id}/goods-feedback"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        start = self._now()
        state = Cursor.model_validate_json(cursor) if cursor else Cursor(start=since, until=since)
        after = state.after or max(state.until - OVERLAP, state.start)
        new = await self._sweep(self._written_after(after), state.page)
        # An edited review needs a reaction again; nothing else tells of the edit.
        unread = await self._sweep(self._unread(state.start), state.unread) if cursor else Swept([], "", "")
        following = Cursor(
            start=state.start,
            until=max([state.until, *(min(one.at, start) for one in new.feedbacks)]),
            after=after if new.next else None,
            page=new.next,
            unread=unread.next,
        )
        found = {one.id: one for one in [*new.feedbacks, *unread.feedbacks]}
        mentions = [self._mention(one) for one in found.values()]
        return Batch(mentions, following.model_dump_json(exclude_defaults=True), joined([new.note, unread.note]))

    async def look(self, mention: Mention) -> Look:
        try:
            feedback = await self._feedback(mention)
        except Gone:
            return Look(None)
        return Look(self._mention(feedback), await self._replies(mention))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        await in_time(writing_begins_by(), self._feedback(mention), CARD.title)
        return await self._write(mention, {"text": text})

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self._write(mention, {"id": int(reply_id), "text": text})

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            standing = await in_time(writing_begins_by(), self._replies(mention), CARD.title)
            if reply_id in {reply.external_id for reply in standing}:
                (await self._door.write(self._ask("/comments/delete", {"id": int(reply_id)}))).parse(Done)
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return fold(fold_typography(ours)) == fold(fold_typography(theirs))

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, path: str, body: Mapping[str, object], page: str | None = None) -> Ask:
        """`page` for lists only: "" is the first one."""
        paging: dict[str, str | int] = {} if page is None else {"limit": PAGE, **({"pageToken": page} if page else {})}
        return Ask("POST", f"{self._base}{path}", params=paging, json=body).with_header("Api-Key", self._key)

    def _written_after(self, at: datetime) -> dict[str, object]:
        return {"dateTimeFrom": max(at, self._now() - PERIOD).astimezone(UTC).isoformat(timespec="seconds")}

    def _unread(self, start: datetime) -> dict[str, object]:
        return {**self._written_after(start), "reactionStatus": "NEED_REACTION"}

    async def _sweep(self, wanted: Mapping[str, object], page: str) -> Swept:
        """Reviews from a page on, and the page an unfinished list goes on with."""
        found: list[Feedback] = []
        notes: list[str] = []
        for _ in range(PAGES):
            listing = (await self._resumed(wanted, page)).parse(Result[Feedbacks]).result
            feedbacks, note = readable(listing.feedbacks, Feedback, CARD.title)
            found += feedbacks
            notes.append(note)
            page = listing.paging.next if listing.paging else ""
            if not page:
                break
        return Swept(found, page, joined(notes))

    async def _resumed(self, wanted: Mapping[str, object], page: str) -> Answer:
        """That page, or the first one where Market no longer takes the page's token."""
        try:
            return await self._door.read(self._ask("", wanted, page))
        except (Refused, Gone):
            if not page:
                raise
            return await self._door.read(self._ask("", wanted, ""))

    async def _feedback(self, mention: Mention) -> Feedback:
        wanted = {"feedbackIds": [_number(mention)]}
        listing = (await self._searched(wanted)).parse(Result[Feedbacks]).result
        found, _ = readable(listing.feedbacks, Feedback, CARD.title, searched=True)
        if found:
            return found[0]
        if mention.published_at is None or mention.published_at < self._now() - PERIOD:
            raise Refused(f"{CARD.title}: reviews older than 6 months are not shown any more")
        raise Gone(f"{CARD.title}: there is no such review any more", what="mention")

    async def _searched(self, wanted: Mapping[str, object]) -> Answer:
        """Lists leave deleted reviews out: where the list itself is missing, no review is known to be gone."""
        try:
            return await self._door.read(self._ask("", wanted, ""))
        except Gone as error:
            raise BadAnswer(error.reason) from error

    async def _replies(self, mention: Mention) -> tuple[OfficialReply, ...]:
        comments = sorted(await self._comments(_number(mention)), key=lambda comment: comment.id)
        return tuple(OfficialReply(str(c.id), tidy(c.text), standing=c.standing) for c in comments if c.is_ours)

    async def _comments(self, feedback: int) -> list[Comment]:
        found: list[Comment] = []
        page = ""
        for _ in range(PAGES):
            answer = await self._door.read(self._ask("/comments", {"feedbackId": feedback}, page))
            listing = answer.parse(Result[Comments]).result
            found += listing.comments
            page = listing.paging.next if listing.paging else ""
            if not page:
                return found
        raise BadAnswer(f"{CARD.title}: more than {PAGES * PAGE} comments, ours may be among those not read")

    async def _write(self, mention: Mention, comment: Mapping[str, object]) -> Posted:
        ask = self._ask("/comments/update", {"feedbackId": _number(mention), "comment": comment})
        made = (await self._door.write(ask)).parse(Result[Comment]).result
        return Posted(str(made.id), self._now(), self._url, visible=made.standing == "public")

    @property
    def _url(self) -> str:
        return LINK.format(business=self.account)

    def _mention(self, feedback: Feedback) -> Mention:
        media = feedback.media or Media()
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, str(feedback.id)),
            source=self._source,
            text=(feedback.description or Description()).words,
            rating=feedback.statistics.rating if feedback.statistics else None,
            author=Author(name=tidy(feedback.author or "")),
            url=self._url,
            published_at=feedback.at,
            item=tidy(feedback.identifiers.offer) if feedback.identifiers else "",
            media=(*(media.photos or []), *(media.videos or [])),
            raw=scrubbed(feedback.model_dump(mode="json", by_alias=True)),
        )


def _number(mention: Mention) -> int:
    number = mention.key.external_id
    if not (number.isascii() and number.isdigit()):
        raise Gone(f"{CARD.title}: there is no review with this id", what="mention")
    return int(number)
