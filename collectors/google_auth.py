"""Bearer tokens of a Google service account (RFC 7523: a signed JWT for an access token of about an hour)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from collectors.http import Door, Now
from collectors.login import Login, Pass, granted
from collectors.settings import SourceSettings, WebAddress
from desk.errors import NeedsLogin

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

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
    from jwt.algorithms import RSAAlgorithm

    return cast("RSAPrivateKey", RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(pem))


def service_login(account: ServiceAccount, scope: str, door: Door, now: Now, title: str) -> Login:
    """A service account's access; `door` leads to its token endpoint."""

    async def renew(_last: Pass | None) -> Pass:
        form = {"grant_type": GRANT, "assertion": _assertion(account, scope, now())}
        return await granted(door, account.token_uri, form, now())

    return Login(renew, now, title)


def _assertion(account: ServiceAccount, scope: str, now: datetime) -> str:
    import jwt

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
    except (ValueError, TypeError, AttributeError, jwt.PyJWTError):  # a public key has no method to sign
        # `from None`: the library's error may quote the key.
        raise NeedsLogin("the service account's private_key cannot be read; download a new key") from None


TOKENS = "https://oauth2.googleapis.com/token"


class UserSettings(SourceSettings):
    """Settings of a source that acts as a Google user who gave the agency's OAuth client access."""

    client_id: str = Field(
        min_length=1, title="OAuth client", description="Id of the OAuth client in the Google Cloud project"
    )
    client_secret: SecretStr = Field(
        min_length=1, title="OAuth client's secret", description="Stands beside the client's id in the Cloud console"
    )
    refresh_token: SecretStr = Field(
        min_length=1,
        title="Refresh token",
        description="What the user's consent gave; a consent screen left in testing ends it after 7 days",
    )
    token_uri: WebAddress | None = Field(
        None,
        title="Address of the login",
        description="Where access tokens are given; Google's own if absent, or api_base/token beside api_base",
    )

    @property
    def tokens_at(self) -> str:
        """A server named by `api_base` must not send the credentials to Google, nor the other way round."""
        return self.token_uri or (f"{self.api_base}/token" if self.api_base else TOKENS)


def user_login(settings: UserSettings, door: Door, now: Now, title: str) -> Login:
    """A user's access (RFC 6749 §6); Google's refresh token stays the same."""
    form = {
        "grant_type": "refresh_token",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret.get_secret_value(),
        "refresh_token": settings.refresh_token.get_secret_value(),
    }

    async def renew(_last: Pass | None) -> Pass:
        return await granted(door, settings.tokens_at, form, now())

    return Login(renew, now, title)
