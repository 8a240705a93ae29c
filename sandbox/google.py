"""Google's side doors: service account, token endpoint, error bodies."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SCOPE = "https://www.googleapis.com/auth/androidpublisher"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EMAIL = "replies@acme-sandbox.iam.gserviceaccount.com"
KEY_ID = "5a9dbox000000000000000000000000000000001"
TOKEN_LIFE = 3600
SKEW = 300
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Refusal(Exception):
    """An answer in Google's error format."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message

    def body(self) -> dict[str, Any]:
        detail = {"message": self.message, "domain": "androidpublisher", "reason": self.reason}
        error: dict[str, Any] = {"code": self.status, "message": self.message, "errors": [detail]}
        if self.status in STATUS_NAMES:
            error["status"] = STATUS_NAMES[self.status]
        return {"error": error}


class TokenRefusal(Refusal):
    """An answer in the OAuth error format (RFC 6749 §5.2), always 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(400, error, description)

    def body(self) -> dict[str, Any]:
        return {"error": self.reason, "error_description": self.message}


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """One key a process: making an RSA key takes a noticeable part of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account(token_uri: str) -> dict[str, str]:
    """The JSON a console would give to download; complete, so any Google client can read it."""
    pem = signing_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "acme-sandbox",
        "private_key_id": KEY_ID,
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url": f"https://www.googleapis.com/robot/v1/metadata/x509/{EMAIL.replace('@', '%40')}",
        "universe_domain": "googleapis.com",
    }


class TokenDesk:
    """Gives bearer tokens for signed assertions (RFC 7523) and knows which are alive."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._alive: dict[str, float] = {}

    def issue(self, form: Mapping[str, Any], url: str) -> dict[str, Any]:
        """`url` is the address the client called: the audience its assertion must name."""
        if form.get("grant_type") != GRANT:
            raise TokenRefusal("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        self._check(_claims(str(form.get("assertion", ""))), url)
        token = f"ya29.sandbox-{secrets.token_urlsafe(24)}"
        self._alive[token] = self._now() + TOKEN_LIFE
        return {"access_token": token, "expires_in": TOKEN_LIFE - 1, "token_type": "Bearer"}

    def check(self, authorization: str) -> None:
        """Raises Refusal 401 unless the header carries a living token."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or self._alive.get(token, 0.0) <= self._now():
            raise Refusal(401, "authError", "Request had invalid authentication credentials.")

    def revoke_all(self) -> None:
        self._alive.clear()

    def _check(self, claims: Mapping[str, Any], url: str) -> None:
        if claims.get("iss") != EMAIL:
            raise TokenRefusal("invalid_grant", "Invalid grant: account not found")
        if claims.get("aud") != url:
            raise TokenRefusal("invalid_grant", "Invalid JWT: Failed audience check.")
        if SCOPE not in str(claims.get("scope", "")).split():
            raise TokenRefusal("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
        if not self._timely(claims.get("iat"), claims.get("exp")):
            raise TokenRefusal(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
                " Check your iat and exp values in the JWT claim.",
            )

    def _timely(self, issued: object, expires: object) -> bool:
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            return False
        now = self._now()
        return issued <= now + SKEW and expires > now - SKEW and 0 < expires - issued <= TOKEN_LIFE


def _claims(assertion: str) -> dict[str, Any]:
    try:
        head, body, signature = assertion.split(".")
        header, claims = json.loads(_unpack(head)), json.loads(_unpack(body))
        signed = _unpack(signature)
    except ValueError:
        raise TokenRefusal("invalid_grant", "Invalid JWT: malformed assertion") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefusal("invalid_grant", "Invalid JWT: malformed assertion")
    if header.get("alg") != "RS256" or header.get("kid", KEY_ID) != KEY_ID:
        raise TokenRefusal("invalid_grant", "Invalid JWT Signature.")
    try:
        signing_key().public_key().verify(signed, f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise TokenRefusal("invalid_grant", "Invalid JWT Signature.") from None
    return claims


def _unpack(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
