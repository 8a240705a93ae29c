"""Trustpilot: service reviews of the brand's own business unit (private reviews API), one reply each."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter

from collectors.hooks import Call, Heed, needs_password
from collectors.http import Ask, Door, Now
from collectors.links import link_to, only
from collectors.login import OAUTH_CODES, Grant, Login, Pass, Tokens, said_by_oauth
from collectors.pages import PAGES, joined
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import fold, scrubbed, tidy
from desk.errors import Gone, NeedsLogin, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

PAGE = 100
OVERLAP = timedelta(hours=48)
"""The list knows times of writing only: so far back each poll looks for edits and for reviews that appear late."""

CARD = PlatformCard(
    name="trustpilot",
    title="Trustpilot",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    one_reply=True,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=60,
    hosts=("trustpilot.com",),
    calls="Webhooks",
    notes=(
        "API access is an add-on of paid plans.",
        "A review edited more than two days after it was written is seen when its case is looked at, not before.",
        "A second reply is sent to the same address as the first. That it replaces the first is said by other "
        "programs, not by Trustpilot's own papers: look at the first correction by hand.",
        "Replies name the business user who writes them, by `author`. By Trustpilot's papers none is taken without it.",
        "The longest reply Trustpilot takes is not published, nor are its error texts.",
        "A login that is not used for 30 days ends; then a new refresh token is needed.",
    ),
)

VENDOR = "https://api.trustpilot.com"
LOGIN = "/v1/oauth/oauth-business-users-for-applications/refresh"
LINK = "https://www.trustpilot.com/reviews/{}"
AUTHOR = "https://www.trustpilot.com/users/{}"
ID = r"^[0-9A-Za-z]+$"


class Settings(SourceSettings):
    business_unit: str = Field(pattern=ID, title="Business unit", description="Its id, 24 letters and digits")
    api_key: SecretStr = Field(min_length=1, title="API key", description="Of the application in Trustpilot Business")
    api_secret: SecretStr = Field(min_length=1, title="API secret", description="Stands beside the API key")
    refresh_token: SecretStr = Field(
        min_length=1,
        title="Refresh token",
        description="Of a business user's login; the desk keeps the newer ones Trustpilot gives for it",
    )
    push_secret: SecretStr | None = Field(
        None,
        min_length=16,
        title="Secret of its calls",
        description="Password in the address its calls are given: https://any:SECRET@desk.example/hooks/KEY",
    )
    author: str | None = Field(
        None,
        pattern=ID,
        title="Author of replies",
        description="The business user's id, as on that user's profile page in Trustpilot Business; replies need it",
    )


def knock(settings: Settings, call: Call) -> Heed:
    """A webhook's events. No signature is documented."""
    needs_password(call, settings.push_secret)
    return Heed()


def _in_utc(at: datetime) -> datetime:
    """Some of Trustpilot's times name no zone; they are UTC too."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Utc = Annotated[datetime, AfterValidator(_in_utc)]


class Consumer(BaseModel):
    id: str | None = None
    name: str | None = Field(default=None, alias="displayName")


class Location(BaseModel):
    name: str | None = None


class CompanyReply(BaseModel):
    text: str = ""
    at: Utc | None = Field(None, alias="createdAt")
    updated: Utc | None = Field(None, alias="updatedAt")


class Review(BaseModel):
    id: str = Field(min_length=1)
    stars: int
    title: str | None = None
    text: str | None = None
    language: str | None = None
    at: Utc = Field(alias="createdAt")
    updated: Utc | None = Field(None, alias="updatedAt")
    consumer: Consumer | None = None
    location: Location | None = None
    status: str | None = None
    reply: CompanyReply | None = Field(None, alias="companyReply")

    @property
    def replies(self) -> tuple[OfficialReply, ...]:
        """The company's one reply, whichever colleague wrote it."""
        if self.reply is None:
            return ()
        at = self.reply.updated or self.reply.at
        return (OfficialReply(self.id, tidy(self.reply.text), at, LINK.format(self.id)),)


class Listing(BaseModel):
    reviews: list[Any]


class Cursor(BaseModel):
    """Newest time of writing seen, where an unfinished sweep goes on, and where all of it began."""

    model_config = ConfigDict(frozen=True)

    until: AwareDatetime
    resume: AwareDatetime | None = None
    since: AwareDatetime | None = None

    @property
    def after(self) -> datetime:
        """From where on the next sweep reads; never from before the beginning."""
        again = self.until - OVERLAP
        return self.resume or (again if self.since is None else max(again, self.since))


ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


def said_by_trustpilot(body: Any) -> tuple[str, str]:
    """A fault of the gateway before the API has no code: what it does not find is not known to be gone."""
    if "fault" in body:
        return body["fault"]["faultstring"], ""
    return body["message"], str(body.get("errorCode") or "said")


def item(settings: Settings, url: str) -> str | None:
    return only(r"/reviews/([0-9A-Za-z]+)/?", link_to(CARD.hosts, url).path)


def connect(
    settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now, tokens: Tokens | None = None
) -> Trustpilot:
    return Trustpilot(settings, brand, source, http, now, tokens)


class Trustpilot:
    card = CARD

    def __init__(
        self,
        settings: Settings,
        brand: str,
        source: str,
        http: httpx.AsyncClient,
        now: Now,
        tokens: Tokens | None = None,
    ) -> None:
        self.account = settings.business_unit
        self._author = settings.author
        self._brand = brand
        self._source = source
        self._now = now
        self._base = settings.api_base or VENDOR
        self._door = Door(http, CARD.title, now, said_by_trustpilot)
        self._login = _login(settings, Door(http, f"{CARD.title} login", now, said_by_oauth, OAUTH_CODES), now, tokens)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        start = self._now()
        state = Cursor.model_validate_json(cursor) if cursor else Cursor(until=since, since=since)
        after = state.after
        reviews, finished, note = await self._sweep(after)
        # A time in the future must not carry the cursor past all that is still to come.
        dates = [min(review.at, start) for review in reviews]
        resume = None if finished else max([after, *dates])
        after_this = Cursor(until=max([state.until, *dates]), resume=resume, since=state.since)
        mentions = [self._mention(review) for review in reviews if review.at >= after]
        return Batch(mentions, after_this.model_dump_json(exclude_defaults=True), note)

    async def look(self, mention: Mention) -> Look:
        try:
            review = await self._review(mention)
        except Gone:
            return Look(None)
        return Look(self._mention(review), review.replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        if not self._author:
            raise Refused("Trustpilot takes no reply without its author: set `author`, a business user's id")
        said = {"message": text, "authorBusinessUserId": self._author}
        answer = await self._login.call(self._door.write, Ask("POST", self._reply_to(mention), json=said))
        if answer.body:
            answer.parse(ANYTHING)  # what a reply is answered with is not documented, but it is no web page
        number = mention.key.external_id
        return Posted(number, self._now(), LINK.format(number))

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self.reply(mention, text, "")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._login.call(self._door.write, Ask("DELETE", self._reply_to(mention)))
        except Gone:
            return
        except Refused:
            if (await self.look(mention)).replies:
                raise

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _sweep(self, after: datetime) -> tuple[list[Review], bool, str]:
        """Reviews written from a moment on, oldest first; whether that was all of them; what was unreadable."""
        found: list[Review] = []
        notes: list[str] = []
        for page in range(1, PAGES + 1):
            raw = await self._list(after, page)
            reviews, note = readable(raw, Review, CARD.title)
            found += reviews
            notes.append(note)
            if len(raw) < PAGE:
                return found, True, joined(notes)
        return found, False, joined(notes)

    async def _list(self, after: datetime, page: int) -> list[Any]:
        params: dict[str, str | int] = {
            "startDateTime": after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "orderBy": "createdat.asc",
            "perPage": PAGE,
            "page": page,
        }
        ask = Ask("GET", f"{self._base}/v1/private/business-units/{self.account}/reviews", params=params)
        return (await self._login.call(self._door.read, ask)).parse(Listing).reviews

    async def _review(self, mention: Mention) -> Review:
        return (await self._login.call(self._door.read, Ask("GET", self._address(mention)))).parse(Review)

    def _address(self, mention: Mention) -> str:
        return f"{self._base}/v1/private/reviews/{quote(mention.key.external_id, safe='')}"

    def _reply_to(self, mention: Mention) -> str:
        return f"{self._address(mention)}/reply"

    def _mention(self, review: Review) -> Mention:
        by = review.consumer or Consumer()
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, review.id),
            source=self._source,
            title=tidy(review.title or ""),
            text=tidy(review.text or ""),
            rating=review.stars,
            lang=review.language or "",
            author=Author(by.id or "", tidy(by.name or ""), AUTHOR.format(by.id) if by.id else ""),
            url=LINK.format(review.id),
            published_at=review.at,
            place=tidy(review.location.name or "") if review.location else "",
            replies=review.replies,
            raw=scrubbed(review.model_dump(mode="json", by_alias=True)),
        )


def _login(settings: Settings, door: Door, now: Now, tokens: Tokens | None) -> Login:
    """A business user's access. Each renewal brings a new refresh token; units with one login share it."""
    key, secret = settings.api_key.get_secret_value(), settings.api_secret.get_secret_value()
    pair = f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"
    url = f"{settings.api_base or VENDOR}{LOGIN}"

    async def renew(last: Pass | None) -> Pass:
        refresh = (last and last.kept.get("refresh")) or settings.refresh_token.get_secret_value()
        form = {"grant_type": "refresh_token", "refresh_token": refresh}
        try:
            answer = await door.read(Ask("POST", url, form=form).signed(pair))
        except (Refused, Gone) as error:
            raise NeedsLogin(error.reason) from error
        grant = answer.parse(Grant)
        return grant.model_copy(update={"refresh_token": grant.refresh_token or refresh}).as_pass(now())

    # The chain of refresh tokens belongs to the one it began with, not to a unit, and a person's new one begins anew.
    chain = hashlib.sha256(f"{key}:{settings.refresh_token.get_secret_value()}".encode()).hexdigest()[:16]
    return Login(renew, now, CARD.title, name=f"{CARD.name}:{chain}", tokens=tokens)
