"""Mentions pushed by others: Standard Webhooks signatures, body as in the contract §6."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn, TypedDict

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from standardwebhooks import Webhook

from collectors.hooks import BadSignature, HookError
from collectors.http import Now
from collectors.manual import NoReply
from collectors.records import first_fault
from collectors.settings import SourceSettings, web_address
from collectors.text import scrubbed
from desk.mention import Author, Kind, Mention, MentionKey
from desk.platform import PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="webhook",
    title="Webhook",
    pushed=True,
    notes=("Mentions are pushed to /hooks/{source key}, signed after the Standard Webhooks specification.",),
)

LARGEST = 1024 * 1024
MOST = 1_000
TOLERANCE = timedelta(minutes=5)
"""Between a push's timestamp and our clock; Standard Webhooks' own libraries allow 5 minutes."""


class Settings(SourceSettings):
    secret: SecretStr = Field(title="Signing secret", description="whsec_ and 24 to 64 bytes in base64")

    @field_validator("secret")
    @classmethod
    def _is_a_signing_secret(cls, value: SecretStr) -> SecretStr:
        try:
            key = base64.b64decode(value.get_secret_value().removeprefix("whsec_") + "==", validate=False)
        except binascii.Error:
            raise ValueError("must be base64, with or without whsec_ before it") from None
        if not key:
            raise ValueError("must not be empty")
        return value


class TooLarge(HookError):
    status = 413


class NothingUsable(HookError):
    status = 422

    def __init__(self, reason: str, rejected: list[Rejected] | None = None) -> None:
        super().__init__(reason)
        self.rejected = rejected or []


class Rejected(TypedDict):
    index: int
    error: str


class Received(NamedTuple):
    mentions: list[Mention]
    rejected: list[Rejected]


def _written_out(value: Any) -> Any:
    """Only a moment with its zone is taken: a bare date would start the clock at somebody's midnight."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be a time as text, such as 2026-11-22T08:15:00Z")
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError("must be a time such as 2026-11-22T08:15:00Z") from None
    if at.tzinfo is None:
        raise ValueError("must have a time and a zone, such as 2026-11-22T08:15:00Z or +05:00 at the end")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Moment = Annotated[datetime | None, BeforeValidator(_written_out)]


def _words(value: Any) -> Any:
    return "" if value is None else scrubbed(value)


def _address(value: Any) -> Any:
    return web_address(value) if isinstance(value, str) and value else _words(value)


Text = Annotated[str, BeforeValidator(_words)]
Link = Annotated[str, BeforeValidator(_address)]
Count = Annotated[int, Field(ge=0, le=2_000_000_000)]


class Lenient(BaseModel):
    """Unknown fields are tolerated and kept in `raw`; numbers are taken where an id is text."""

    model_config = ConfigDict(coerce_numbers_to_str=True, hide_input_in_errors=True)


class PushedAuthor(Lenient):
    id: Annotated[Text, Field(max_length=500)] = ""
    name: Text = ""
    url: Link = ""
    followers: Count | None = None
    kind: Text = ""


class Parent(Lenient):
    id: Text = ""
    url: Link = ""


class Place(Lenient):
    id: Text = ""


class Pushed(Lenient):
    id: Annotated[Text, Field(min_length=1, max_length=500)]
    url: Link = ""
    text: Text = ""
    title: Text = ""
    published_at: Moment = None
    platform: Annotated[Text, Field(max_length=100)] = ""
    kind: Kind | None = None
    author: PushedAuthor | None = None
    rating: int | None = Field(None, ge=1, le=5)
    lang: Text = ""
    reach: Count | None = None
    parent: Parent | None = None
    place: Place | None = None
    item: Text = ""
    media: list[Link] | None = None
    deleted: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Pushed:
        if not (self.text.strip() or self.rating or self.deleted):
            raise ValueError("text: required where there is no rating")
        return self


def parse(body: bytes, headers: Mapping[str, str], secret: str, brand: str, source_key: str, now: datetime) -> Received:
    """What a push brings, in its order. Checks size, signature, body: TooLarge, BadSignature, NothingUsable."""
    if len(body) > LARGEST:
        raise TooLarge("larger than 1 MiB")
    _verify(body, headers, secret, now)
    mentions: list[Mention] = []
    rejected: list[Rejected] = []
    for index, item in enumerate(_items(body)):
        try:
            mentions.append(_mention(Pushed.model_validate(item), item, brand, source_key))
        except ValidationError as error:
            rejected.append(Rejected(index=index, error=first_fault(error)))
        except RecursionError:
            rejected.append(Rejected(index=index, error="nested too deeply"))
    if not mentions:
        raise NothingUsable("nothing usable in the body", rejected)
    return Received(mentions, rejected)


def _verify(body: bytes, headers: Mapping[str, str], secret: str, now: datetime) -> None:
    given = {name.lower(): value for name, value in headers.items()}
    stamp, signatures = given.get("webhook-timestamp", ""), given.get("webhook-signature", "")
    if not (given.get("webhook-id") and signatures and re.fullmatch(r"[0-9]{1,11}", stamp)):
        raise BadSignature("headers webhook-id, webhook-timestamp and webhook-signature are required")
    at = datetime.fromtimestamp(int(stamp), UTC)
    if abs(now - at) > TOLERANCE:
        raise BadSignature("webhook-timestamp is more than 5 minutes from now")
    # The library's verify() reads the wall clock; its sign() is the same code and leaves the clock to us.
    try:
        expected = Webhook(secret).sign(given["webhook-id"], at, body.decode()).encode()
        fits = any(hmac.compare_digest(expected, one.encode()) for one in signatures.split())
    except UnicodeDecodeError:
        raise NothingUsable("the body is not UTF-8") from None
    except UnicodeEncodeError:  # bytes of a header that are no text
        fits = False
    if not fits:
        raise BadSignature("no signature fits")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    """No database takes another."""
    number = float(digits)
    return number if math.isfinite(number) else _no_constant(digits)


def _items(body: bytes) -> list[Any]:
    try:
        data = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise NothingUsable("the body is not JSON") from None
    items = data if isinstance(data, list) else [data]
    if len(items) > MOST:
        raise NothingUsable(f"{len(items)} mentions in one list; at most {MOST}")
    return items


def _mention(pushed: Pushed, raw: dict[str, Any], brand: str, source_key: str) -> Mention:
    author, parent = pushed.author or PushedAuthor(), pushed.parent or Parent()
    return Mention(
        key=MentionKey(brand, CARD.name, source_key, pushed.id),
        source=source_key,
        site=pushed.platform.lower(),
        kind=pushed.kind or "review",
        title=pushed.title,
        text=pushed.text,
        url=pushed.url,
        rating=pushed.rating,
        lang=pushed.lang,
        author=Author(author.id, author.name, author.url, author.followers, author.kind),
        published_at=pushed.published_at,
        place=pushed.place.id if pushed.place else "",
        item=pushed.item,
        reach=pushed.reach,
        media=tuple(pushed.media or ()),
        parent_id=parent.id,
        parent_url=parent.url,
        deleted=bool(pushed.deleted),
        raw=scrubbed(raw),
    )


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Hook:
    return Hook()


class Hook(NoReply):
    """A pushed source has nothing to poll."""

    card = CARD
