"""Ozon's Seller API over HTTP: what a seller asks with, and what its refusals mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from collectors.answers import Answer, Maker, Verdict, gone, later, lost, needs_login, refused, unsure
from collectors.http import Ask, Door, Now
from desk.errors import DeskError, NeedsLogin, Refused

if TYPE_CHECKING:
    import httpx

TITLE = "Ozon"
VENDOR = "https://api-seller.ozon.ru"
BAD_KEY = re.compile(r"(invalid|deactivated|expired|unknown).*api-?key|api-?key.*(invalid|deactivated|expired)", re.I)
GRPC_CODES = range(1, 17)
UNIMPLEMENTED = "12"
"""The server has not got this method: nothing was done."""
KEYS = "(seller.ozon.ru, Settings, API keys)"
MEND_REVIEWS = f"reviews need the plan 'Review management' or Premium Pro, and the API key a role for reviews {KEYS}"
MEND_QUESTIONS = f"questions need a plan that includes them, and the API key a role for them {KEYS}"


def forbidden(verdict: Verdict) -> DeskError:
    if BAD_KEY.search(verdict.reason):
        return NeedsLogin(verdict.reason)
    mend = MEND_QUESTIONS if "/question/" in verdict.answer.url else MEND_REVIEWS
    return Refused(f"{verdict.reason}: {mend}", code=verdict.code)


CODES: dict[str, Maker] = {
    "3": refused,
    "5": gone,
    "6": unsure,  # the same comment stands there already
    "7": forbidden,
    "8": later,
    UNIMPLEMENTED: refused,
    "16": needs_login,
    **dict.fromkeys(("1", "2", "4", "10", "13", "14", "15"), lost),
}
"""By gRPC's status codes, which Ozon answers with beside HTTP's."""


def said_by_ozon(body: Any) -> tuple[str, str]:
    """The code only where it is one of gRPC's: another 404 may be a proxy's."""
    code = body["code"]
    return body.get("message") or "", str(code) if code in GRPC_CODES else ""


class Calls:
    """A seller's calls; each is a POST of JSON. They raise what Door raises."""

    def __init__(self, http: httpx.AsyncClient, base: str | None, client_id: str, api_key: SecretStr, now: Now) -> None:
        self._base = base or VENDOR
        self._headers = {"Client-Id": client_id, "Api-Key": api_key.get_secret_value()}
        self._door = Door(http, TITLE, now, said_by_ozon, CODES)

    async def read(self, method: str, said: dict[str, object]) -> Answer:
        return await self._door.read(self._ask(method, said))

    async def write(self, method: str, said: dict[str, object]) -> Answer:
        return await self._door.write(self._ask(method, said))

    async def remove(self, method: str, said: dict[str, object]) -> None:
        """Answered by nothing or an object; by anything else it is Unsure."""
        answer = await self.write(method, said)
        if answer.body.strip():
            answer.parse(dict[str, Any])

    def _ask(self, method: str, said: dict[str, object]) -> Ask:
        return Ask("POST", f"{self._base}/{method}", headers=self._headers, json=said)
