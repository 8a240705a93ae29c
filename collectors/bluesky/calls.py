"""AT Protocol's XRPC over HTTP, and the session it is called with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from pydantic import SecretStr

from collectors.answers import Answer, Maker, gone, needs_login
from collectors.bluesky.shapes import Me, Session
from collectors.http import Ask, Door, Now
from collectors.login import Login, Pass, Tokens
from desk.errors import Gone, NeedsLogin, Refused

if TYPE_CHECKING:
    import httpx

NAME, TITLE = "bluesky", "Bluesky"
VENDOR = "https://bsky.social"
REST = timedelta(minutes=30)
"""Between two logins after a refused one: refused ones count too, and a day has 300 (western.md §12)."""

CODES: dict[str, Maker] = {
    **dict.fromkeys(("ExpiredToken", "InvalidToken", "AuthMissing", "AuthenticationRequired"), needs_login),
    **dict.fromkeys(("AccountTakedown", "AccountDeactivated", "AuthFactorTokenRequired"), needs_login),
    **dict.fromkeys(("NotFound", "RecordNotFound"), gone),
}


def said_by_bluesky(body: Any) -> tuple[str, str]:
    return body.get("message", ""), body["error"]


def said_at_login(body: Any) -> tuple[str, str]:
    # Not the message: the password is in the request's body, where errors are not masked.
    return body["error"], body["error"]


class Calls:
    """An account's calls. It logs in by itself, and renews its session where that ended."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base: str | None,
        handle: str,
        password: SecretStr,
        now: Now,
        tokens: Tokens | None,
    ) -> None:
        self._base = base or VENDOR
        self._handle = handle
        self._password = password
        self._now = now
        self._door = Door(http, TITLE, now, said_by_bluesky, CODES)
        self._entrance = Door(http, f"{TITLE} login", now, said_at_login, CODES)
        name = f"{NAME}:{urlsplit(self._base).netloc}:{handle}"
        self._login = Login(self._renew, now, TITLE, name=name, tokens=tokens)
        self._me = ""
        self._refused = ""
        self._refused_at: datetime | None = None

    async def read(self, method: str, params: Mapping[str, Any] | None = None) -> Answer:
        return await self._login.call(self._door.read, self._ask(method, params))

    async def write(self, method: str, said: Mapping[str, Any]) -> Answer:
        return await self._login.call(self._door.write, self._ask(method, json=said))

    async def me(self) -> str:
        """The account's DID: a handle may pass to somebody else, and records name DIDs."""
        if not self._me:
            self._me = (await self.read("com.atproto.server.getSession")).parse(Me).did
        return self._me

    async def did(self, handle: str) -> str:
        """Empty for what looks like a handle and is none."""
        try:
            return (await self.read("com.atproto.identity.resolveHandle", {"handle": handle})).parse(Me).did
        except (Refused, Gone):
            return ""

    def _ask(self, method: str, params: Mapping[str, Any] | None = None, json: object = None) -> Ask:
        # In the address, because a list's items stand in a query under one name.
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        return Ask("GET" if json is None else "POST", f"{self._base}/xrpc/{method}{query}", json=json)

    async def _renew(self, last: Pass | None) -> Pass:
        """From the last session; a new one, of which a day has few, where that has ended."""
        refresh = last.kept.get("refresh") if last else None
        if refresh:
            ask = Ask("POST", f"{self._base}/xrpc/com.atproto.server.refreshSession")
            try:
                return await self._session(ask.signed(f"Bearer {refresh}"))
            except NeedsLogin:
                pass
        return await self._begin()

    async def _begin(self) -> Pass:
        if self._refused_at is not None and self._now() < self._refused_at + REST:
            raise NeedsLogin(self._refused)
        said = {"identifier": self._handle, "password": self._password.get_secret_value()}
        try:
            return await self._session(self._ask("com.atproto.server.createSession", json=said))
        except NeedsLogin as error:
            self._refused, self._refused_at = error.reason, self._now()
            raise

    async def _session(self, ask: Ask) -> Pass:
        try:
            answer = await self._entrance.read(ask)
        except (Refused, Gone) as error:
            raise NeedsLogin(error.reason) from error
        return answer.parse(Session).as_pass(self._now())
