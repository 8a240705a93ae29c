"""Google Play: reviews of the brand's own apps (androidpublisher v3: reviews.list, get, reply)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator

from collectors.answers import Maker, later, refused
from collectors.google_auth import ServiceAccount, service_login
from collectors.http import Ask, Door, Now
from collectors.links import link_to, only
from collectors.login import OAUTH_CODES, said_by_oauth
from collectors.pages import Cursor, Item, Page, joined, newest_first
from collectors.records import first_fault, readable
from collectors.settings import SourceSettings, on_loopback
from collectors.text import fold, plain, scrubbed, tidy
from desk.errors import Gone, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

HISTORY = timedelta(days=7)
OVERLAP = timedelta(hours=1)
PAGE = 100
"""A poll of 10 pages each 5 minutes stays below the stricter published quota, 200 GET an hour for an app."""

MARKUP = "a|b|br|div|em|font|i|li|ol|p|s|small|span|strong|u|ul"
NO_MARKUP = re.compile(rf"<(?!/?(?:{MARKUP})[\s/>])[a-z/!?][^<>]*>", re.IGNORECASE)
"""What Google takes for a tag and strips, and people do not: <help@bank.kz>."""

CARD = PlatformCard(
    name="google_play",
    title="Google Play",
    can_reply=True,
    can_edit=True,
    can_look=True,
    one_reply=True,
    longest=350,
    lost=NO_MARKUP,
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
CODES: dict[str, Maker] = {
    "applicationNotFound": refused,
    # A quota that is used up comes with 403 here, as in Google's older APIs; nothing was done.
    **dict.fromkeys(("rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"), later),
}


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


def said_by_google(body: Any) -> tuple[str, str]:
    error = body["error"]
    details = error.get("errors") or [{}]
    return error.get("message") or "", details[0].get("reason") or error.get("status", "")


def item(settings: Settings, url: str) -> str | None:
    """In the Play Store's address, wherever it has more in it, or in one as the settings' template makes it."""
    link = link_to(CARD.hosts, url)
    if link.value("id") == settings.package:
        return only("([!-~]+)", link.value("reviewId"))
    before, mark, after = page_of(settings, "\n").partition(quote("\n"))
    found = only(f"{re.escape(before)}([!-~]+){re.escape(after)}", url) if mark else None
    return only("([!-~]+)", unquote(found or ""))


def page_of(settings: Settings, review: str) -> str:
    """Where people see a review."""
    base = settings.api_base or VENDOR
    template = settings.page or (SANDBOX_LINK if on_loopback(base) else LINK)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
    return template.format(origin=origin, package=quote(settings.package), review=quote(review, safe=":"))


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
        self._door = Door(http, CARD.title, now, said_by_google, CODES)
        account = ServiceAccount.model_validate_json(settings.credentials.get_secret_value())
        login = Door(http, f"{CARD.title} login", now, said_by_oauth, OAUTH_CODES)
        self._login = service_login(account, SCOPE, login, now, CARD.title)
        base = settings.api_base or VENDOR
        self._reviews = f"{base}/androidpublisher/v3/applications/{quote(settings.package, safe='')}/reviews"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        gap = self._gap(Cursor.of(cursor, since), self._now()) if cursor else ""
        batch = await newest_first(self._list, cursor, since, now=self._now, overlap=OVERLAP)
        return batch._replace(note=joined([gap, batch.note]))

    async def look(self, mention: Mention) -> Look:
        try:
            answer = await self._login.call(self._door.read, Ask("GET", self._address(mention)))
        except Gone:
            await self._app_is_there()
            return Look(None)
        review = answer.parse(Review)
        return Look(self._mention(review), review.replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        ask = Ask("POST", f"{self._address(mention)}:reply", json={"replyText": text})
        result = (await self._login.call(self._door.write, ask)).parse(ReplyAnswer).result
        at = result.edited.at if result.edited else self._now()
        return Posted(mention.key.external_id, at, page_of(self._settings, mention.key.external_id))

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self.reply(mention, text, "")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        raise Refused("Google Play has no way to delete a reply; it can be replaced")

    def same(self, ours: str, theirs: str) -> bool:
        return fold(plain(ours)) == fold(plain(theirs))

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _app_is_there(self) -> None:
        """A 404 may be about the app, with the reason of a missing review (notFound): then the list says so too."""
        try:
            await self._list("")
        except Gone as error:
            raise Refused(error.reason) from error

    async def _list(self, page: str) -> Page:
        params: dict[str, str | int] = {"maxResults": PAGE, **({"token": page} if page else {})}
        answer = await self._login.call(self._door.read, Ask("GET", self._reviews, params=params))
        listing = answer.parse(Listing)
        reviews, note = readable(listing.reviews, Review, CARD.title)
        items = [Item(review.changed, self._mention(review)) for review in reviews]
        return Page(items, listing.paging.next if listing.paging else "", note)

    def _address(self, mention: Mention) -> str:
        return f"{self._reviews}/{quote(mention.key.external_id, safe='')}"

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
            url=page_of(self._settings, review.id),
            published_at=said.modified.at,
            last_modified_only=True,
            replies=review.replies,
            raw=scrubbed(review.model_dump(mode="json", by_alias=True)),
        )

    def _gap(self, state: Cursor, start: datetime) -> str:
        if state.polled >= start - HISTORY:
            return ""
        return (
            f"Google Play shows the last 7 days only: reviews changed between {state.polled:%Y-%m-%d %H:%M} "
            f"and {start - HISTORY:%Y-%m-%d %H:%M} UTC were not seen; export them from the Play Console"
        )
