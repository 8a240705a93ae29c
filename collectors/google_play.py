"""Google Play: reviews of the brand's own apps (androidpublisher v3: reviews.list, get, reply)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, ValidationError, field_validator

from collectors.google_auth import CODES, Bearer, ServiceAccount, said_by_oauth
from collectors.http import Answer, Ask, Door, Now, first_fault, in_time, readable, refused, writing_begins_by
from collectors.settings import SourceSettings, on_loopback
from collectors.text import fold, plain, scrubbed, tidy
from desk.errors import Gone, NeedsLogin, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

HISTORY = timedelta(days=7)
OVERLAP = timedelta(hours=1)
PAGE = 100
PAGES = 10
"""A poll of 10 pages each 5 minutes stays below the stricter published quota, 200 GET an hour for an app."""

CARD = PlatformCard(
    name="google_play",
    title="Google Play",
    can_reply=True,
    can_edit=True,
    can_look=True,
    one_reply=True,
    longest=350,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=3),
    pace=20,
    history=HISTORY,
    hosts=("play.google.com/store/apps",),
    notes=(
        "Only reviews with text, written or changed within the last 7 days.",
        "No creation time: the clock starts at the first 'last modified' seen.",
        "HTML is stripped from replies; a reply cannot be deleted, only replaced.",
    ),
)

VENDOR = "https://androidpublisher.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/androidpublisher"
LINK = "https://play.google.com/store/apps/details?id={package}&reviewId={review}"
SANDBOX_LINK = "{origin}/site/{package}#{review}"


class Settings(SourceSettings):
    package: str = Field(
        pattern=r"^[A-Za-z][\w]*(\.[A-Za-z][\w]*)+$",
        title="Package name",
        description="The app's id, as in its Play Store address: com.example.app",
    )
    credentials: SecretStr = Field(
        title="Service account key",
        description="The service account's JSON key, usually file:PATH; it needs 'Reply to reviews'",
    )
    page: str | None = Field(
        None,
        title="Link to a review",
        description="Template with {package} and {review}; the Play Store's page if absent",
    )

    @field_validator("credentials")
    @classmethod
    def _is_a_service_account(cls, value: SecretStr) -> SecretStr:
        try:
            account = ServiceAccount.model_validate_json(value.get_secret_value())
        except ValidationError as error:
            raise ValueError(f"is not a service account's JSON key ({first_fault(error)})") from None
        if not account.token_uri.startswith("https://") and not on_loopback(account.token_uri):
            raise ValueError("token_uri must be an https:// address")
        return value

    @field_validator("page")
    @classmethod
    def _is_a_template(cls, value: str | None) -> str | None:
        try:
            (value or "").format(origin="", package="", review="")
        except (LookupError, ValueError, AttributeError):
            raise ValueError("takes {package}, {review} and {origin} only") from None
        return value


class Stamp(BaseModel):
    """Google's timestamp: Unix seconds as a string, and nanoseconds."""

    seconds: int = Field(ge=0, le=253_402_300_799)
    nanos: int = Field(0, ge=0, le=999_999_999)

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC) + timedelta(microseconds=self.nanos // 1000)


class UserComment(BaseModel):
    text: str = ""
    original: str = Field("", alias="originalText")
    modified: Stamp = Field(alias="lastModified")
    stars: int | None = Field(None, alias="starRating")
    lang: str = Field("", alias="reviewerLanguage")


class DeveloperComment(BaseModel):
    text: str = ""
    modified: Stamp | None = Field(None, alias="lastModified")


class Comment(BaseModel):
    user: UserComment | None = Field(None, alias="userComment")
    developer: DeveloperComment | None = Field(None, alias="developerComment")


class Review(BaseModel):
    id: str = Field(alias="reviewId", min_length=1)
    author: str = Field("", alias="authorName")
    comments: list[Comment]

    @property
    def said(self) -> UserComment | None:
        """The newest words of the author."""
        return max((c.user for c in self.comments if c.user), key=lambda user: user.modified.at, default=None)

    @property
    def changed(self) -> datetime:
        parts = [part for c in self.comments for part in (c.user, c.developer)]
        stamps = [part.modified.at for part in parts if part and part.modified]
        return max(stamps, default=datetime.fromtimestamp(0, UTC))

    @property
    def replies(self) -> tuple[OfficialReply, ...]:
        ours = [c.developer for c in self.comments if c.developer]
        return tuple(OfficialReply(self.id, tidy(o.text), o.modified.at if o.modified else None) for o in ours)


class Paging(BaseModel):
    next: str = Field("", alias="nextPageToken")


class Listing(BaseModel):
    reviews: list[Any] = []
    paging: Paging | None = Field(None, alias="tokenPagination")


class ReplyResult(BaseModel):
    edited: Stamp | None = Field(None, alias="lastEdited")


class ReplyAnswer(BaseModel):
    result: ReplyResult


class Cursor(BaseModel):
    """Newest change seen, time of the last poll, and the page where an unfinished poll goes on."""

    until: AwareDatetime
    polled: AwareDatetime
    page: str = ""
    top: AwareDatetime | None = None


def said_by_google(body: Any) -> tuple[str, str]:
    error = body["error"]
    details = error.get("errors") or [{}]
    return error.get("message", ""), details[0].get("reason") or error.get("status", "")


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> GooglePlay:
    return GooglePlay(settings, brand, source, http, now)


class GooglePlay:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.package
        self._settings = settings
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_google, {"applicationNotFound": refused})
        account = ServiceAccount.model_validate_json(settings.credentials.get_secret_value())
        login = Door(http, f"{CARD.title} login", now, said_by_oauth, CODES)
        self._bearer = Bearer(account, SCOPE, login, now)
        base = settings.api_base or VENDOR
        self._reviews = f"{base}/androidpublisher/v3/applications/{quote(settings.package, safe='')}/reviews"
        self._link = settings.page or (SANDBOX_LINK if on_loopback(base) else LINK)
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        start = self._now()
        state = self._cursor(cursor, since)
        floor, page, top = state.until - OVERLAP, state.page, state.top or state.until
        mentions: list[Mention] = []
        notes = [self._gap(state, start)] if cursor else []
        for _ in range(PAGES):
            listing = await self._resume(page)
            reviews, note = readable(listing.reviews, Review, CARD.title)
            notes.append(note)
            mentions += [m for r in reviews if r.changed >= floor and (m := self._mention(r))]
            # A change dated in the future must not carry the cursor past all that is still to come.
            top = max([top, *(min(r.changed, start) for r in reviews)])
            page = listing.paging.next if listing.paging else ""
            if not page or (reviews and all(r.changed < floor for r in reviews)):
                return Batch(mentions, self._save(Cursor(until=top, polled=start)), _joined(notes))
        unfinished = Cursor(until=state.until, polled=start, page=page, top=top)
        return Batch(mentions, self._save(unfinished), _joined(notes))

    async def look(self, mention: Mention) -> Look:
        try:
            answer = await self._call(self._door.read, Ask("GET", self._address(mention)))
        except Gone:
            return Look(None)
        review = answer.parse(Review)
        return Look(self._mention(review), review.replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        ask = Ask("POST", f"{self._address(mention)}:reply", json={"replyText": text})
        result = (await self._call(self._door.write, ask)).parse(ReplyAnswer).result
        at = result.edited.at if result.edited else self._now()
        return Posted(mention.key.external_id, at, self._url(mention.key.external_id))

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self.reply(mention, text, "")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        raise Refused("Google Play has no way to delete a reply; it can be replaced")

    def same(self, ours: str, theirs: str) -> bool:
        return fold(plain(ours)) == fold(plain(theirs))

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _call(self, how: Callable[[Ask], Awaitable[Answer]], ask: Ask) -> Answer:
        begin_by = writing_begins_by()
        token = await in_time(begin_by, self._bearer.token(), CARD.title)
        try:
            return await how(ask.signed(f"Bearer {token}"))
        except NeedsLogin:
            fresh = await in_time(begin_by, self._bearer.token(refused=token), CARD.title)
            return await how(ask.signed(f"Bearer {fresh}"))

    async def _resume(self, page: str) -> Listing:
        """That page, or the newest one where Google no longer takes the page's token."""
        try:
            return await self._list(page)
        except (Refused, Gone):
            if not page:
                raise
            return await self._list("")

    async def _list(self, page: str) -> Listing:
        params: dict[str, str | int] = {"maxResults": PAGE, **({"token": page} if page else {})}
        answer = await self._call(self._door.read, Ask("GET", self._reviews, params=params))
        return answer.parse(Listing)

    def _address(self, mention: Mention) -> str:
        return f"{self._reviews}/{quote(mention.key.external_id, safe='')}"

    def _url(self, review: str) -> str:
        package = quote(self._settings.package)
        return self._link.format(origin=self._origin, package=package, review=quote(review, safe=":"))

    def _mention(self, review: Review) -> Mention | None:
        said = review.said
        if said is None:
            return None
        title, tab, text = (said.original or said.text).partition("\t")
        if not tab:
            title, text = "", title
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, review.id),
            source=self._source,
            title=tidy(title),
            text=tidy(text),
            rating=said.stars,
            lang=said.lang,
            author=Author(name=tidy(review.author)),
            url=self._url(review.id),
            published_at=said.modified.at,
            last_modified_only=True,
            replies=review.replies,
            raw=scrubbed(review.model_dump(mode="json", by_alias=True)),
        )

    def _cursor(self, cursor: str | None, since: datetime) -> Cursor:
        return Cursor.model_validate_json(cursor) if cursor else Cursor(until=since, polled=since)

    def _save(self, cursor: Cursor) -> str:
        return cursor.model_dump_json(exclude_defaults=True)

    def _gap(self, state: Cursor, start: datetime) -> str:
        if state.polled >= start - HISTORY:
            return ""
        return (
            f"Google Play shows the last 7 days only: reviews changed between {state.polled:%Y-%m-%d %H:%M} "
            f"and {start - HISTORY:%Y-%m-%d %H:%M} UTC were not seen; export them from the Play Console"
        )


def _joined(notes: list[str]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))
