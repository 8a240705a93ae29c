"""Meta's Graph API, for Facebook and Instagram: one token, one way of saying errors."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, SecretStr

from collectors.answers import Answer, Maker, Verdict, gone, later, lost, needs_login, refused, unsure
from collectors.hooks import BadSignature, Call, Heed, needs_signature, said, same
from collectors.http import Ask, Door, Now
from collectors.settings import SourceSettings
from desk.errors import DeskError, Refused, Retry

if TYPE_CHECKING:
    import httpx

VENDOR = "https://graph.facebook.com/v25.0"
MINUTE = 60.0


class MetaSettings(SourceSettings):
    token: SecretStr = Field(title="Page token", description="Long-lived, of the Page or of a system user")
    app_secret: SecretStr | None = Field(
        None, title="App secret", description="Calls are signed with it (appsecret_proof) where the app demands that"
    )
    verify_token: SecretStr | None = Field(
        None, min_length=1, title="Verify token", description="As typed in where the app's webhook is set up"
    )


def _moment(value: Any) -> Any:
    """`+0000` without a colon, which ISO 8601 as Python reads it knows since 3.11."""
    return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else value


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Made(BaseModel):
    id: str = Field(min_length=1)


class Listing(BaseModel):
    data: list[Any] = []
    paging: dict[str, Any] = {}

    @property
    def after(self) -> str:
        """Asks for the next page, "" where there is none."""
        return str(self.paging.get("cursors", {}).get("after", "")) if "next" in self.paging else ""


class Reach(NamedTuple):
    """Of a poll: what is older than `floor` is not told; what is older than `known` was read before."""

    floor: datetime
    known: datetime


class Seen(BaseModel):
    """`until`: the newest that was read. `since`: where the first poll began; later ones do not go behind it."""

    until: AwareDatetime
    since: AwareDatetime | None = None

    def reach(self, overlap: timedelta) -> Reach:
        again = self.until - overlap
        return Reach(max(again, self.since) if self.since else again, self.until)


def unread(title: str, under: str, most: int) -> str:
    """Told to staff, where one poll does not come to the end of what is new."""
    return f"{title}: {under} has more new comments than the {most} that were read; look at the others there"


def said_by_meta(body: Any) -> tuple[str, str]:
    error = body["error"]
    code = str(error["code"])
    return error.get("message", ""), f"{code}/33" if error.get("error_subcode") == 33 else code


def throttled(verdict: Verdict) -> DeskError:
    """The header of a business use case names minutes (western.md §6)."""
    minutes = [0.0]
    try:
        for cases in json.loads(verdict.answer.headers["x-business-use-case-usage"]).values():
            minutes += [float(case["estimated_time_to_regain_access"]) for case in cases]
    except (ValueError, LookupError, TypeError, AttributeError):
        return later(verdict)
    return Retry(verdict.reason, after=max(minutes) * MINUTE or None, rate_limited=True)


def blocked(verdict: Verdict) -> DeskError:
    return Refused(
        f"{verdict.reason}; Meta has blocked this for a while: see the Page's quality page", code=verdict.code
    )


def not_allowed(verdict: Verdict) -> DeskError:
    return Refused(f"{verdict.reason}; the token lacks a permission, or the app its review", code=verdict.code)


CODES: dict[str, Maker] = {
    **dict.fromkeys(("1", "2"), lost),
    **dict.fromkeys(("4", "17", "32", "341", "613", "80001", "80002"), throttled),
    **dict.fromkeys(("102", "190"), needs_login),
    **dict.fromkeys(("10", *map(str, range(200, 300))), not_allowed),
    "100": refused,
    "100/33": gone,
    "368": blocked,
    "506": unsure,  # the same words stand there already, perhaps ours
}


def knock(settings: MetaSettings, call: Call) -> Heed:
    """A webhook's event, signed with the app's secret; or Meta's question whether the address is ours."""
    if call.method == "POST":
        needs_signature(call, "X-Hub-Signature-256", settings.app_secret)
        return Heed(accounts=_named(said(call).get("entry")))
    wanted = settings.verify_token.get_secret_value() if settings.verify_token else ""
    if call.query.get("hub.mode") != "subscribe" or not same(call.query.get("hub.verify_token", ""), wanted):
        raise BadSignature("the question lacks the source's verify_token")
    return Heed(call.query.get("hub.challenge", ""), read=False)


def _named(entries: Any) -> frozenset[str]:
    """The Pages or accounts of an event: an app has one address for all of them."""
    named = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return frozenset(str(one) for one in named if one)


class Graph:
    """Calls in the name of one Page or account."""

    def __init__(self, settings: MetaSettings, title: str, http: httpx.AsyncClient, now: Now) -> None:
        self._base = settings.api_base or VENDOR
        self._token = settings.token.get_secret_value()
        self._proof = _proof(self._token, settings.app_secret)
        self._door = Door(http, title, now, said_by_meta, CODES)

    async def get(self, path: str, **params: str | int) -> Answer:
        return await self._door.read(self._ask("GET", path, params))

    async def post(self, path: str, **form: str) -> Answer:
        return await self._door.write(self._ask("POST", path, {}, form))

    async def delete(self, path: str) -> Answer:
        return await self._door.write(self._ask("DELETE", path, {}))

    def _ask(self, method: str, path: str, params: dict[str, str | int], form: dict[str, str] | None = None) -> Ask:
        asked = Ask(method, f"{self._base}/{path}", params={**params, **self._proof}, form=form)
        return asked.signed(f"Bearer {self._token}")


def _proof(token: str, secret: SecretStr | None) -> dict[str, str | int]:
    if secret is None:
        return {}
    key = secret.get_secret_value().encode()
    return {"appsecret_proof": hmac.new(key, token.encode(), hashlib.sha256).hexdigest()}
