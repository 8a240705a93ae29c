"""Bearer tokens of a Google service account (RFC 7523: a signed JWT for an access token of about an hour)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm
from pydantic import BaseModel, ConfigDict, Field

from collectors.http import Door, Now
from collectors.login import Login, Pass, granted
from collectors.settings import WebAddress
from desk.errors import NeedsLogin

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


@lru_cache(maxsize=64)
def _key(pem: str) -> RSAPrivateKey:
    """Reading one takes 50 ms in which the desk stands still: once an account, however often the file is reloaded."""
    return cast(RSAPrivateKey, RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(pem))


def service_login(account: ServiceAccount, scope: str, door: Door, now: Now, title: str) -> Login:
    """A service account's access; `door` leads to its token endpoint."""

    async def renew(_last: Pass | None) -> Pass:
        form = {"grant_type": GRANT, "assertion": _assertion(account, scope, now())}
        return await granted(door, account.token_uri, form, now())

    return Login(renew, now, title)


def _assertion(account: ServiceAccount, scope: str, now: datetime) -> str:
    claims = {
        "iss": account.client_email,
        "scope": scope,
        "aud": account.token_uri,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
    }
    headers = {"kid": account.private_key_id} if account.private_key_id else None
    try:
        return jwt.encode(claims, _key(account.private_key), algorithm="RS256", headers=headers)
    except (ValueError, TypeError, jwt.PyJWTError):
        # `from None`: the library's error may quote the key.
        raise NeedsLogin("the service account's private_key cannot be read; download a new key") from None
