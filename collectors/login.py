"""Access tokens that end: renewed by one holder at a time, kept before they are used where they rotate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from collectors.answers import Answer, Maker, needs_login
from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from desk.errors import Gone, NeedsLogin, Refused

EARLY = timedelta(minutes=5)
"""A token is renewed so long before its end; one that lives no longer than twice that, at half its life."""


class Pass(BaseModel):
    """An access token, and what the next one is asked for with."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    token: str = Field(min_length=1, repr=False)
    until: AwareDatetime
    kept: dict[str, str] = Field(default_factory=dict, repr=False)


class Grant(BaseModel):
    """A token endpoint's answer (RFC 6749 §5.1). `expires_in`: seconds."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1, repr=False)
    expires_in: int = Field(3600, ge=0)
    refresh_token: str = Field("", repr=False)

    def as_pass(self, now: datetime) -> Pass:
        """`kept["refresh"]`: the rotated refresh token, where one came."""
        life = timedelta(seconds=self.expires_in)
        kept = {"refresh": self.refresh_token} if self.refresh_token else {}
        return Pass(token=self.access_token, until=now + life - min(EARLY, life / 2), kept=kept)


class Tokens(Protocol):
    """Where rotated tokens are kept, encrypted. `alone`: one holder at a time over all replicas."""

    async def get_token(self, name: str) -> dict[str, Any] | None: ...

    async def set_token(self, name: str, value: dict[str, Any]) -> None: ...

    def alone(self, name: str) -> AbstractAsyncContextManager[Any]: ...


Renew = Callable[[Pass | None], Awaitable[Pass]]
"""The next pass; from the last one, None where there is none or it was refused. Raises NeedsLogin, Retry, BadAnswer."""

Sign = Callable[[Ask, str], Ask]


def bearer(ask: Ask, token: str) -> Ask:
    return ask.signed(f"Bearer {token}")


class Login:
    """One account's access. Others who need a token wait for what the one who renews it brings.

    `tokens`, for logins whose refresh token or session rotates: `name` is the account's there.
    """

    def __init__(
        self, renew: Renew, now: Now, title: str, *, sign: Sign = bearer, name: str = "", tokens: Tokens | None = None
    ) -> None:
        self._renew = renew
        self._now = now
        self._title = title
        self._sign = sign
        self._name = f"login:{name}"
        self._tokens = tokens
        self._lock = asyncio.Lock()
        self._pass: Pass | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def token(self, refused: str = "") -> str:
        """A token good for some minutes, other than `refused`. Raises NeedsLogin, Retry, BadAnswer."""
        async with self._lock:
            if self._good(refused) is None:
                await self._next(refused)
            assert self._pass is not None
            return self._pass.token

    async def call(self, how: Callable[[Ask], Awaitable[Answer]], ask: Ask) -> Answer:
        """`ask` with a token, and once more with a new one where that was refused: nothing had happened then."""
        begin_by = writing_begins_by()
        token = await in_time(begin_by, self.token(), self._title)
        try:
            return await how(self._sign(ask, token))
        except NeedsLogin:
            fresh = await in_time(begin_by, self.token(refused=token), self._title)
            return await how(self._sign(ask, fresh))

    def _good(self, refused: str) -> Pass | None:
        known = self._pass
        return known if known is not None and known.token != refused and self._now() < known.until else None

    async def _next(self, refused: str) -> None:
        if self._tokens is None:
            self._pass = await self._renew(self._pass)
            return
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._alone(self._tokens, refused))
        # To its end even where who asked gives up: a pair that is given and not kept ends the login for good.
        await asyncio.shield(self._renewal)

    async def _alone(self, tokens: Tokens, refused: str) -> None:
        async with tokens.alone(self._name):
            await self._shared(tokens, refused)

    async def _shared(self, tokens: Tokens, refused: str) -> None:
        """Another replica may have renewed it meanwhile. A new pair is kept before it is used: the old one is dead."""
        try:
            kept = await tokens.get_token(self._name)
        except NeedsLogin as error:
            fresh = await self._anew(error)
        else:
            self._pass = Pass.model_validate(kept) if kept else None
            if self._good(refused) is not None:
                return
            fresh = await self._after(self._pass)
        await tokens.set_token(self._name, fresh.model_dump(mode="json"))
        self._pass = fresh

    async def _after(self, last: Pass | None) -> Pass:
        try:
            return await self._renew(last)
        except NeedsLogin:
            if last is None:
                raise
            return await self._renew(None)  # what the configuration holds may be newer

    async def _anew(self, unreadable: NeedsLogin) -> Pass:
        """From the configuration, where what was kept cannot be read: kept with another secret_key."""
        try:
            return await self._renew(None)
        except NeedsLogin:
            raise unreadable from None


def said_by_oauth(body: Mapping[str, str]) -> tuple[str, str]:
    """RFC 6749 §5.2."""
    return f"{body['error']} {body.get('error_description', '')}", body["error"]


OAUTH_CODES: dict[str, Maker] = dict.fromkeys(
    ("invalid_grant", "invalid_client", "unauthorized_client", "invalid_token"), needs_login
)


async def granted(door: Door, url: str, form: Mapping[str, str], now: datetime) -> Pass:
    """What a token endpoint grants. Whatever it definitely refuses is a login that ended."""
    try:
        answer = await door.read(Ask("POST", url, form=form))
    except (Refused, Gone) as error:
        raise NeedsLogin(error.reason) from error
    return answer.parse(Grant).as_pass(now)
