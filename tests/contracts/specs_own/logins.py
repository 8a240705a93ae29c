"""How tokens are asked for: OAuth 2.0 (RFC 6749 §4.4 and §6, RFC 7523 §2.1)."""

from __future__ import annotations

from typing import Any

from tests.contracts.specs_own.rules import BASIC, form_of, needed, text, word

JWT = form_of(r"[\w-]+\.[\w-]+\.[\w-]+")


def renews(place: str, **more: Any) -> dict[str, Any]:
    form = {"grant_type": needed(word("refresh_token")), "refresh_token": needed(text())}
    return {"ask": f"POST {place}", "form": {**form, **more}}


def renews_as(place: str) -> dict[str, Any]:
    """The client names itself in a header."""
    return {**renews(place), "headers": BASIC}


SECRETS = {"client_id": needed(text()), "client_secret": needed(text())}
ASSERTION = {
    "ask": "POST https://{login}/token",
    "form": {
        "grant_type": needed(word("urn:ietf:params:oauth:grant-type:jwt-bearer")),
        "assertion": needed(JWT),
    },
}
"""Its address stands in the key file of the service account."""

LOGINS = {
    "google_play": [ASSERTION],
    "google_business": [renews("https://oauth2.googleapis.com/token", **SECRETS)],
    "youtube": [renews("https://oauth2.googleapis.com/token", **SECRETS)],
    "reddit": [renews_as("https://{login}/api/v1/access_token")],
    "trustpilot": [renews_as("https://api.trustpilot.com/v1/oauth/oauth-business-users-for-applications/refresh")],
    "avito": [
        {
            "ask": "POST https://api.avito.ru/token",
            "form": {"grant_type": needed(word("client_credentials")), **SECRETS},
        }
    ],
}
