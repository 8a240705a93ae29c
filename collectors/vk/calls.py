"""VK's methods over HTTP: form in, JSON out, and errors that come with status 200."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel, Field, SecretStr

from collectors.answers import Answer, Maker, Verdict, gone, lost, needs_login, refused
from collectors.http import Ask, Door, Now
from collectors.records import QUOTED
from collectors.text import fold
from collectors.waits import wait_seconds
from desk.errors import DeskError, Refused, Retry

if TYPE_CHECKING:
    import httpx

TITLE = "VK"
VENDOR = "https://api.vk.com"
VERSION = "5.199"
HOUR = 3600.0
MISSING = "missing"
"""Our own code for "not found": VK says it in words, under the codes of a refused access or a wrong parameter."""
SAYS_MISSING = {"15", "100", "104"}

T = TypeVar("T")
Params = Mapping[str, str | int]


def waits(seconds: float, rate_limited: bool = True) -> Maker:
    """Nothing happened; again after `seconds`, or when the answer says."""

    def make(verdict: Verdict) -> DeskError:
        named = wait_seconds(verdict.answer.headers, verdict.now)
        return Retry(verdict.reason, after=seconds if named is None else named, rate_limited=rate_limited)

    return make


def person(advice: str) -> Maker:
    def make(verdict: Verdict) -> DeskError:
        return Refused(f"{verdict.reason}: {advice}", code=verdict.code)

    return make


CAPTCHA = "VK wants a captcha: post this one by hand on vk.com, and leave some hours before the next try"
CONFIRM = "log in to vk.com as the token's owner, confirm what VK asks for, then make a new token"

CODES: dict[str, Maker] = {
    MISSING: gone,
    "6": waits(1),
    "43": waits(60, rate_limited=False),
    **dict.fromkeys(("1", "10", "36"), lost),
    **dict.fromkeys(("9", "29", "223", "601"), waits(HOUR)),
    **dict.fromkeys(("5", "18", "27", "28", "37", "1114", "1116", "1117", "3610"), needs_login),
    **dict.fromkeys(("14", "3300"), person(CAPTCHA)),
    **dict.fromkeys(("17", "24", "25", "3301", "3302", "3303", "3304", "11500"), person(CONFIRM)),
    "222": person("links are forbidden under this post: take them out"),
    "801": person("comments are closed under this post"),
}


def said_by_vk(body: Any) -> tuple[str, str]:
    message, code = str(body["error"].get("error_msg", "")), str(body["error"]["error_code"])
    missing = code == "104" or (code in SAYS_MISSING and "not found" in message.lower())
    return message, MISSING if missing else code


class Fault(BaseModel):
    code: int = Field(alias="error_code")
    message: str = Field("", alias="error_msg")


class Envelope(BaseModel):
    error: Fault | None = None


class Said(BaseModel, Generic[T]):
    response: T


@dataclass(frozen=True, slots=True)
class Token:
    """`name`: what the settings call it, for the person who has to renew it."""

    name: str
    value: SecretStr = field(repr=False)


class Methods:
    """Calls of VK's methods, each with a token that may make it."""

    def __init__(self, http: httpx.AsyncClient, base: str | None, now: Now) -> None:
        self._door = Door(http, TITLE, now, said_by_vk, CODES)
        self._base = base or VENDOR
        self._now = now

    async def read(self, shape: type[Said[T]], method: str, token: Token, params: Params) -> T:
        ask = self._ask(method, token, params)
        return self._heard(await self._door.read(ask), ask, f"{method}, {token.name}").parse(shape).response

    async def write(self, shape: type[Said[T]], method: str, token: Token, params: Params) -> T:
        ask = self._ask(method, token, params)
        return self._heard(await self._door.write(ask), ask, f"{method}, {token.name}").parse(shape).response

    def _ask(self, method: str, token: Token, params: Params) -> Ask:
        form = {name: str(value) for name, value in params.items()} | {"v": VERSION}
        ask = Ask("POST", f"{self._base}/method/{method}", form=form)
        return ask.signed(f"Bearer {token.value.get_secret_value()}")

    def _heard(self, answer: Answer, ask: Ask, what: str) -> Answer:
        """The answer, unless it is an error under status 200."""
        fault = answer.parse(Envelope).error
        if fault is None:
            return answer
        message, code = said_by_vk({"error": fault.model_dump(by_alias=True)})
        for secret in ask.secrets:
            message = message.replace(secret, "***")
        reason = f"{TITLE} ({what}): error {fault.code} {fold(message)[:QUOTED]}".strip()
        raise CODES.get(code, refused)(Verdict(reason, code, answer, self._now()))
