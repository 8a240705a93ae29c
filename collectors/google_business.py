"""Google Business Profile: reviews of the brand's places on Google Maps (My Business v4: reviews and their reply)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from collectors.answers import Maker, needs_login, refused
from collectors.google_auth import UserSettings, user_login
from collectors.http import Ask, Door, Now
from collectors.login import OAUTH_CODES, said_by_oauth
from collectors.pages import PAGES, Cursor, Item, Page, joined, newest_first
from collectors.records import readable
from collectors.text import fold, scrubbed, tidy
from desk.errors import DeskError, Gone, NeedsLogin, Refused, Retry
from desk.mention import Author, Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

PAGE = 50
AT_ONCE = 5
FEWEST = 2
"""Pages of one location in a poll, however many locations there are."""
AT_MOST = 30.0
"""Seconds in which a poll begins with further locations; those left are the first of the next one."""
PATIENCE = timedelta(minutes=15)
"""A location that fails is told when it was not read for so long: three polls in a row, as of other sources."""
OVERLAP = timedelta(hours=24)
"""Google checks reviews before it shows them; so late one may appear below those already seen."""

CARD = PlatformCard(
    name="google_business",
    title="Google Business Profile",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    one_reply=True,
    moderated=True,
    longest=4096,
    unit="bytes",
    every=timedelta(minutes=5),
    floor=timedelta(minutes=2),
    pace=10,
    hosts=("maps.app.goo.gl", "maps.google.com", "google.com/maps", "g.page", "business.google.com"),
    notes=(
        "Only verified locations, and only for a Cloud project that Google approved: until then its quota is 0.",
        "Google checks each reply before it is public; one it rejects stays unseen, with the reason in the raw record.",
        "A reply takes the place of any other reply there, one written in Google's own pages too.",
        "4096 bytes are about 2000 Cyrillic letters.",
        "Translations by Google are cut from reviews; this is known for marks in English only.",
        "A review's link opens Google's page for answering it, or the list of reviews where Google gives none.",
        "Removed reviews are seen when a case is looked at, not by polling.",
    ),
)

VENDOR = "https://mybusiness.googleapis.com"
LIST_OF_REVIEWS = "https://business.google.com/reviews#{place}"
STARS = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5}
STANDINGS: dict[str, Standing] = {"": "public", "APPROVED": "public", "REJECTED": "refused"}
"""Replies older than the check have no state. States that are not known yet count as waiting."""

NO_QUOTA = "NO_QUOTA"
CODES: dict[str, Maker] = {NO_QUOTA: refused, "ACCESS_TOKEN_SCOPE_INSUFFICIENT": needs_login}

TRANSLATED = re.compile(r"^\(Translated by Google\)\s*", re.MULTILINE)
ORIGINAL = re.compile(r"^\(Original\)\s*", re.MULTILINE)


def _named_by(kind: str) -> BeforeValidator:
    """Ids as numbers or text, bare or as a resource's name: 222, accounts/111/locations/222."""
    return BeforeValidator(lambda value: str(value).strip().rpartition(f"{kind}/")[2] if value else value)


Id = Field(pattern=r"^[\w-]+$")
AccountId = Annotated[str, _named_by("accounts"), Id]
LocationId = Annotated[str, _named_by("locations"), Id]


class Settings(UserSettings):
    account: AccountId = Field(
        title="Account", description="Id of the Business Profile account, as accounts.list gives it: accounts/111"
    )
    locations: tuple[LocationId, ...] = Field(
        min_length=1, title="Locations", description="Ids of the places to read: a list of 222 or locations/222"
    )


class Reviewer(BaseModel):
    name: str = Field("", alias="displayName")
    anonymous: bool = Field(False, alias="isAnonymous")


class Media(BaseModel):
    video: str = Field("", alias="videoUrl")
    thumbnail: str = Field("", alias="thumbnailUrl")


class Reply(BaseModel):
    text: str = Field(alias="comment")
    at: AwareDatetime | None = Field(None, alias="updateTime")
    state: str = Field("", alias="reviewReplyState")
    violation: str = Field("", alias="policyViolation")

    @property
    def standing(self) -> Standing:
        return STANDINGS.get(self.state, "waiting")


class Review(BaseModel):
    id: str = Field(alias="reviewId", min_length=1)
    reviewer: Reviewer | None = None
    stars: str = Field("", alias="starRating")
    text: str = Field("", alias="comment")
    written: AwareDatetime = Field(alias="createTime")
    changed: AwareDatetime = Field(alias="updateTime")
    reply: Reply | None = Field(None, alias="reviewReply")
    media: list[Media] = Field([], alias="reviewMediaItems")
    page: str = Field("", alias="reviewReplyUrl")

    @property
    def author(self) -> Author:
        if self.reviewer is None or self.reviewer.anonymous:
            return Author()
        return Author(name=tidy(self.reviewer.name))


class Listing(BaseModel):
    reviews: list[Any] = []
    next: str = Field("", alias="nextPageToken")


class Cursors(BaseModel):
    """How far each location is read."""

    model_config = ConfigDict(frozen=True)

    at: dict[str, Cursor] = {}

    @classmethod
    def of(cls, stored: str | None) -> Cursors:
        return cls.model_validate_json(stored) if stored else cls()

    def begins(self, location: str) -> bool:
        """A place added to a source that runs is as new as a source is."""
        return location not in self.at or self.at[location].begins

    def polled(self, location: str) -> float:
        known = self.at.get(location)
        return known.polled.timestamp() if known else 0.0


class Outcome(NamedTuple):
    """`read_at`: when the location was last read, None for never."""

    location: str
    batch: Batch | None = None
    error: DeskError | None = None
    read_at: datetime | None = None

    def note(self, now: datetime) -> str:
        """Each outage has a time of its own in it: a note that reads as an earlier one is not told again."""
        if self.error is None:
            return self.batch.note if self.batch else ""
        # Google answers 404 at times where nothing is missing.
        if self.read_at and now - self.read_at < PATIENCE and isinstance(self.error, Retry | Gone):
            return ""
        since = f" since {self.read_at:%Y-%m-%d %H:%M} UTC" if self.read_at else ""
        return f"location {self.location} was not read{since}: {self.error}"


def said_by_google(body: Any) -> tuple[str, str]:
    """A quota of 0 is told as too many requests, but no waiting helps: the project is not approved."""
    error = body["error"]
    details = [one for one in error.get("details") or [] if isinstance(one, dict)]
    if any((one.get("metadata") or {}).get("quota_limit_value") == "0" for one in details):
        return f"the Cloud project has no quota yet: {error.get('message', '')}", NO_QUOTA
    reasons = [one["reason"] for one in details if one.get("reason") in CODES]
    return error.get("message", ""), next(iter(reasons), error.get("status", ""))


def original(text: str) -> str:
    """The author's own words of a text that Google may have put a translation before or after."""
    before, *translated = TRANSLATED.split(text, maxsplit=1)
    if not translated or before.strip():
        return tidy(before)
    return tidy(ORIGINAL.split(translated[0], maxsplit=1)[-1])


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> GoogleBusiness:
    return GoogleBusiness(settings, brand, source, http, now)


class GoogleBusiness:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.account
        self._locations = tuple(dict.fromkeys(settings.locations))
        self._pages = max(FEWEST, PAGES // len(self._locations))
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_google, CODES)
        login = Door(http, f"{CARD.title} login", now, said_by_oauth, OAUTH_CODES)
        self._login = user_login(settings, login, now, CARD.title)
        self._base = f"{settings.api_base or VENDOR}/v4/accounts/{quote(settings.account, safe='')}/locations"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        known = Cursors.of(cursor)
        outcomes = await self._poll(known, since)
        _raise_what_concerns_all(outcomes)
        batches = {outcome.location: outcome.batch for outcome in outcomes if outcome.batch}
        fresh = {location: Cursor.of(batch.cursor, since) for location, batch in batches.items()}
        kept = {location: at for location, at in known.at.items() if location in self._locations}
        mentions = [mention for batch in batches.values() for mention in batch.mentions]
        after_this = Cursors(at={**kept, **fresh}).model_dump_json(exclude_defaults=True)
        note = joined([outcome.note(self._now()) for outcome in outcomes])
        first = {m.key for location, batch in batches.items() if known.begins(location) for m in batch.mentions}
        return Batch(mentions, after_this, note, frozenset(first))

    async def look(self, mention: Mention) -> Look:
        ask = Ask("GET", self._address(mention))
        location = mention.key.external_id.partition("/")[0]
        try:
            answer = await self._login.call(self._door.read, ask)
        except Gone:
            await self._is_there(location)
            return Look(None)
        review = answer.parse(Review)
        return Look(self._mention(location, review), self._official(location, review))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        ask = Ask("PUT", f"{self._address(mention)}/reply", json={"comment": text})
        made = (await self._login.call(self._door.write, ask)).parse(Reply)
        return Posted(mention.key.external_id, made.at or self._now(), mention.url, made.standing == "public")

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self.reply(mention, text, "")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._login.call(self._door.write, Ask("DELETE", f"{self._address(mention)}/reply"))
        except Gone as error:
            # A 404 is not always true there.
            if (await self.look(mention)).replies:
                raise Refused(error.reason) from error

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _poll(self, known: Cursors, since: datetime) -> list[Outcome]:
        """Some locations at a time, the one read longest ago first, until time or Google's patience is over."""
        waiting = sorted(self._locations, key=known.polled)
        until = asyncio.get_running_loop().time() + AT_MOST
        done: list[Outcome] = []
        for start in range(0, len(waiting), AT_ONCE):
            some = waiting[start : start + AT_ONCE]
            done += await asyncio.gather(*(self._one(location, known, since) for location in some))
            if _hopeless(done) or asyncio.get_running_loop().time() > until:
                break
        return done

    async def _one(self, location: str, known: Cursors, since: datetime) -> Outcome:
        """One location that fails hides no other."""

        async def resume(page: str) -> Page:
            return await self._list(location, page)

        at = known.at.get(location)
        stored = at.stored() if at else None
        try:
            batch = await newest_first(resume, stored, since, now=self._now, overlap=OVERLAP, most=self._pages)
        except DeskError as error:
            return Outcome(location, error=error, read_at=at.polled if at else None)
        return Outcome(location, batch)

    async def _is_there(self, location: str) -> None:
        """A 404 may be about the location, when it went over to another account: its list says so too then."""
        try:
            await self._list(location, "")
        except Gone as error:
            raise Refused(error.reason) from error

    async def _list(self, location: str, page: str) -> Page:
        params: dict[str, str | int] = {
            "pageSize": PAGE,
            "orderBy": "updateTime desc",
            **({"pageToken": page} if page else {}),
        }
        ask = Ask("GET", f"{self._base}/{quote(location, safe='')}/reviews", params=params)
        listing = (await self._login.call(self._door.read, ask)).parse(Listing)
        reviews, note = readable(listing.reviews, Review, CARD.title)
        items = [Item(review.changed, self._mention(location, review)) for review in reviews]
        return Page(items, listing.next, note)

    def _address(self, mention: Mention) -> str:
        location, parted, review = mention.key.external_id.partition("/")
        if not (location and parted and review):
            raise Gone(f"{CARD.title}: there is no review with this id", what="mention")
        return f"{self._base}/{quote(location, safe='')}/reviews/{quote(review, safe='')}"

    def _url(self, place: str, review: Review) -> str:
        return review.page if review.page.startswith("https://") else LIST_OF_REVIEWS.format(place=quote(place))

    def _official(self, location: str, review: Review) -> tuple[OfficialReply, ...]:
        if review.reply is None:
            return ()
        place, reply = f"{location}/{review.id}", review.reply
        text, url = original(reply.text), self._url(place, review)
        return (OfficialReply(place, text, reply.at, url, reply.standing, fold(reply.violation)),)

    def _mention(self, location: str, review: Review) -> Mention:
        place = f"{location}/{review.id}"
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, place),
            source=self._source,
            text=original(review.text),
            rating=STARS.get(review.stars),
            author=review.author,
            url=self._url(place, review),
            published_at=review.written,
            place=location,
            media=_shown(review.media),
            replies=self._official(location, review),
            raw=scrubbed(review.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        )


def _hopeless(outcomes: Sequence[Outcome]) -> bool:
    """Whether asking for further locations would be in vain."""
    errors = [outcome.error for outcome in outcomes]
    return any(isinstance(e, NeedsLogin) or (isinstance(e, Retry) and e.rate_limited) for e in errors)


def _raise_what_concerns_all(outcomes: Sequence[Outcome]) -> None:
    """A login that ended, or whatever went wrong where nothing could be read."""
    errors = [outcome.error for outcome in outcomes if outcome.error]
    ended = [error for error in errors if isinstance(error, NeedsLogin)]
    if ended or len(errors) == len(outcomes):
        raise (ended or errors)[0]


def _shown(media: Sequence[Media]) -> tuple[str, ...]:
    addresses = (one.video or one.thumbnail for one in media)
    return tuple(address for address in addresses if address.startswith("https://"))
