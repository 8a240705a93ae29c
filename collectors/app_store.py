"""App Store: reviews of the brand's own apps (App Store Connect API: customerReviews, customerReviewResponses)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, SecretStr, field_validator

from collectors.http import Ask, Door, Now
from collectors.login import Login, Pass
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
    name="app_store",
    title="App Store",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    one_reply=True,
    moderated=True,
    longest=5970,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=2),
    pace=30,
    grace=timedelta(minutes=2),
    hosts=("apps.apple.com", "itunes.apple.com"),
    notes=(
        "A review has no update time: an edit is noticed within a week of the newest review, later only in open cases.",
        "A reply is pending at first and seems to become public within 24 hours.",
        "The limit of 5970 characters is that of App Store Connect's page; the API's papers name none.",
        "There is no link to a single review: the link opens the app's reviews in the author's country.",
        "The key needs the role Customer Support, App Manager or Admin; 3500 requests an hour for all who use it.",
    ),
)

VENDOR = "https://api.appstoreconnect.apple.com"
AUDIENCE = "appstoreconnect-v1"
LONGEST_LIFE = timedelta(minutes=20)
SKEW = timedelta(minutes=1)
"""So far our clock may run ahead of Apple's."""
RENEWED = timedelta(minutes=14)
OVERLAP = timedelta(days=7)
PAGE = 200
STANDINGS: dict[str, Standing] = {"PUBLISHED": "public", "PENDING_PUBLISH": "waiting"}
LINK = "https://apps.apple.com/{country}app/id{app}?see-all=reviews"
STOREFRONTS = (
    "RUS:ru KAZ:kz BLR:by UZB:uz KGZ:kg TJK:tj TKM:tm ARM:am AZE:az GEO:ge MDA:md MNG:mn UKR:ua USA:us GBR:gb CAN:ca "
    "AUS:au NZL:nz IRL:ie DEU:de AUT:at CHE:ch FRA:fr BEL:be NLD:nl ITA:it ESP:es PRT:pt POL:pl CZE:cz SVK:sk HUN:hu "
    "ROU:ro BGR:bg SRB:rs GRC:gr CYP:cy TUR:tr LTU:lt LVA:lv EST:ee FIN:fi SWE:se NOR:no DNK:dk ISR:il ARE:ae SAU:sa "
    "QAT:qa EGY:eg IND:in CHN:cn HKG:hk JPN:jp KOR:kr SGP:sg THA:th VNM:vn IDN:id BRA:br MEX:mx ARG:ar ZAF:za"
)
COUNTRIES = dict(pair.split(":") for pair in STOREFRONTS.split())
"""Apple names countries by three letters, its links by two. Elsewhere a link without a country does."""


@lru_cache(maxsize=64)
def _key(pem: str) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # `from None`: the library's error may quote the key.
        raise ValueError("is not a private key in PEM form (the .p8 file's contents)") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("is not a key of App Store Connect (EC, P-256)")
    return key


class Settings(SourceSettings):
    app_id: str = Field(
        pattern=r"^\d+$",
        coerce_numbers_to_str=True,
        title="App's Apple ID",
        description="Digits, as in its App Store address: apps.apple.com/app/id123456789",
    )
    issuer_id: str = Field(
        "", pattern=r"^[0-9A-Fa-f-]*$", title="Issuer ID", description="Of a team key; empty for an individual key"
    )
    key_id: str = Field(pattern=r"^\w+$", title="Key ID", description="The API key's id in App Store Connect")
    private_key: SecretStr = Field(
        title="Private key", description="The API key's .p8 file, usually file:PATH; it can be downloaded only once"
    )

    @field_validator("private_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        _key(value.get_secret_value())
        return value


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of the calendar") from None


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


class Named(BaseModel):
    id: str = Field(min_length=1)


class Relation(BaseModel):
    data: Named | None = None


class Relations(BaseModel):
    response: Relation = Relation()


class Said(BaseModel):
    rating: int | None = None
    title: str | None = None
    body: str | None = None
    nickname: str | None = Field(None, alias="reviewerNickname")
    created: Moment = Field(alias="createdDate")
    territory: str | None = None


class Review(Named):
    attributes: Said
    relationships: Relations = Relations()

    @property
    def answered_by(self) -> str:
        """Id of the brand's response, "" where there is none."""
        answer = self.relationships.response.data
        return answer.id if answer else ""


class Words(BaseModel):
    text: str | None = Field(None, alias="responseBody")
    modified: Moment | None = Field(None, alias="lastModifiedDate")
    state: str = ""


class Response(Named):
    attributes: Words

    @property
    def standing(self) -> Standing:
        return STANDINGS.get(self.attributes.state, "waiting")


class Links(BaseModel):
    next: str = ""

    @property
    def cursor(self) -> str:
        """Only the mark is taken from an answer, never the address to go to."""
        return parse_qs(urlsplit(self.next).query).get("cursor", [""])[0]


class Listing(BaseModel):
    data: list[Any]
    included: list[Any] = []
    links: Links = Links()


class OneReview(BaseModel):
    data: Review
    included: list[Any] = []


class OneResponse(BaseModel):
    data: Response


def said_by_apple(body: Any) -> tuple[str, str]:
    error = body["errors"][0]
    return f"{error.get('title', '')} {error.get('detail', '')}", error["code"]


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> AppStore:
    return AppStore(settings, brand, source, http, now)


class AppStore:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.app_id
        self._settings = settings
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_apple)
        self._login = Login(self._renew, now, CARD.title)
        self._base = f"{settings.api_base or VENDOR}/v1"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(self._list, cursor, since, now=self._now, overlap=OVERLAP)

    async def look(self, mention: Mention) -> Look:
        ask = Ask("GET", self._address("customerReviews", mention.key.external_id), params={"include": "response"})
        try:
            found = (await self._login.call(self._door.read, ask)).parse(OneReview)
        except Gone:
            await self._app_is_there()
            return Look(None)
        replies, _ = _replies(found.included, searched=True)
        if found.data.answered_by not in ("", *replies):
            raise BadAnswer(f"{CARD.title}: names a response and does not bring it")
        seen = self._mention(found.data, replies)
        return Look(seen, seen.replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        ask = Ask("POST", f"{self._base}/customerReviewResponses", json=_response_to(mention.key.external_id, text))
        try:
            made = (await self._login.call(self._door.write, ask)).parse(OneResponse).data
        except Refused as error:
            # Apple's papers do not say how an answer to a deleted review is refused.
            if await self._is_gone(mention):
                raise Gone(error.reason, what="mention") from error
            raise
        at = made.attributes.modified or self._now()
        return Posted(made.id, at, mention.url, visible=made.standing == "public")

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self.reply(mention, text, "")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._login.call(self._door.write, Ask("DELETE", self._address("customerReviewResponses", reply_id)))
        except Gone as error:
            if reply_id in {reply.external_id for reply in (await self.look(mention)).replies}:
                raise Refused(error.reason) from error

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _renew(self, _last: Pass | None) -> Pass:
        """Signed here, granted by nobody: Apple takes each token by its signature."""
        settings, now = self._settings, self._now()
        issued = now - SKEW
        who = {"iss": settings.issuer_id} if settings.issuer_id else {"sub": "user"}
        times = {"iat": int(issued.timestamp()), "exp": int((issued + LONGEST_LIFE).timestamp())}
        key = _key(settings.private_key.get_secret_value())
        token = jwt.encode({**who, **times, "aud": AUDIENCE}, key, algorithm="ES256", headers={"kid": settings.key_id})
        return Pass(token=token, until=now + RENEWED)

    async def _is_gone(self, mention: Mention) -> bool:
        try:
            return (await self.look(mention)).mention is None
        except DeskError:
            return False

    async def _app_is_there(self) -> None:
        """A 404 may be about the app, which the key may not see any more: then the list of its reviews says so too."""
        try:
            await self._list("")
        except Gone as error:
            raise Refused(error.reason) from error

    async def _list(self, mark: str) -> Page:
        params: dict[str, str | int] = {"sort": "-createdDate", "limit": PAGE, "include": "response"}
        ask = Ask(
            "GET",
            f"{self._address('apps', self.account)}/customerReviews",
            params={**params, **({"cursor": mark} if mark else {})},
        )
        listing = (await self._login.call(self._door.read, ask)).parse(Listing)
        reviews, note = readable(listing.data, Review, CARD.title)
        replies, unread = _replies(listing.included)
        items = [Item(review.attributes.created, self._mention(review, replies)) for review in reviews]
        return Page(items, listing.links.cursor, joined([note, unread]))

    def _address(self, kind: str, number: str) -> str:
        return f"{self._base}/{kind}/{quote(number, safe='')}"

    def _url(self, territory: str) -> str:
        country = COUNTRIES.get(territory)
        return LINK.format(country=f"{country}/" if country else "", app=self.account)

    def _mention(self, review: Review, replies: dict[str, OfficialReply]) -> Mention:
        said, reply = review.attributes, replies.get(review.answered_by)
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, review.id),
            source=self._source,
            title=tidy(said.title or ""),
            text=tidy(said.body or ""),
            rating=said.rating,
            author=Author(name=tidy(said.nickname or "")),
            url=self._url(said.territory or ""),
            published_at=said.created,
            replies=(reply,) if reply else (),
            raw=scrubbed(review.model_dump(mode="json", by_alias=True)),
        )


def _replies(included: list[Any], searched: bool = False) -> tuple[dict[str, OfficialReply], str]:
    """Responses that came along, by their ids, and a note on those that cannot be read."""
    responses, note = readable(included, Response, CARD.title, searched=searched)
    return {response.id: _official(response) for response in responses}, note


def _official(response: Response) -> OfficialReply:
    said = response.attributes
    return OfficialReply(response.id, tidy(said.text or ""), said.modified, standing=response.standing)


def _response_to(review: str, text: str) -> dict[str, Any]:
    return {
        "data": {
            "type": "customerReviewResponses",
            "attributes": {"responseBody": text},
            "relationships": {"review": {"data": {"type": "customerReviews", "id": review}}},
        }
    }
