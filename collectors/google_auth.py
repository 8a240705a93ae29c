"""Bearer tokens of a Google service account (RFC 7523: a signed JWT for an access token of about an hour)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import lru_cache
from typing import cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm
from pydantic import BaseModel, ConfigDict, Field

from collectors.http import Ask, Door, Maker, Now, needs_login
from collectors.settings import WebAddress
from desk.errors import Gone, NeedsLogin, Refused

EARLY = timedelta(minutes=5)
LIFE = timedelta(hours=1)
"""Google's longest life of an assertion."""
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class ServiceAccount(BaseModel):
    """The parts of a service account's JSON key that signing needs."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    client_email: str = Field(min_length=3)
    private_key: str = Field(min_length=1, repr=False)
    private_key_id: str | None = None
    token_uri: WebAddress = "https://oauth2.googleapis.com/token"


class Grant(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1)
    expires_in: int = Field(3600, ge=0, le=86_400)


def said_by_oauth(body: dict[str, str]) -> tuple[str, str]:
    return f"{body['error']} {body.get('error_description', '')}", body["error"]


CODES: dict[str, Maker] = dict.fromkeys(("invalid_grant", "invalid_client", "unauthorized_client"), needs_login)


@lru_cache(maxsize=64)
def _key(pem: str) -> RSAPrivateKey:
    """Reading one takes 50 ms in which the desk stands still: once an account, however often the file is reloaded."""
    return cast(RSAPrivateKey, RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(pem))


class Bearer:
    """One account's token. One refresher at a time; the others wait for what it brings."""

    def __init__(self, account: ServiceAccount, scope: str, door: Door, now: Now) -> None:
        self._account = account
        self._scope = scope
        self._door = door
        self._now = now
        self._lock = asyncio.Lock()
        self._token = ""
        self._until: datetime | None = None

    async def token(self, refused: str = "") -> str:
        """A token good for 5 minutes or more, other than `refused`. Raises NeedsLogin, Retry, BadAnswer."""
        async with self._lock:
            if self._token in ("", refused) or self._until is None or self._now() >= self._until:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        now = self._now()
        form = {"grant_type": GRANT, "assertion": self._assertion(now)}
        try:
            answer = await self._door.read(Ask("POST", self._account.token_uri, form=form))
        except (Refused, Gone) as error:
            raise NeedsLogin(error.reason) from error
        grant = answer.parse(Grant)
        self._token = grant.access_token
        self._until = now + timedelta(seconds=grant.expires_in) - EARLY

    def _assertion(self, now: datetime) -> str:
        claims = {
            "iss": self._account.client_email,
            "scope": self._scope,
            "aud": self._account.token_uri,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFE).timestamp()),
        }
        headers = {"kid": self._account.private_key_id} if self._account.private_key_id else None
        try:
            key = _key(self._account.private_key)
            return jwt.encode(claims, key, algorithm="RS256", headers=headers)
        except (ValueError, TypeError, jwt.PyJWTError):
            # `from None`: the library's error may quote the key.
            raise NeedsLogin("the service account's private_key cannot be read; download a new key") from None
