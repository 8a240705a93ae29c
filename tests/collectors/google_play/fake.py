"""A Google Play console with one app, as its reviews API shows it."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from collectors.google_play import Settings
from tests.collectors.wire import NOW

PACKAGE = "com.example.bank"
LIST = f"/androidpublisher/v3/applications/{PACKAGE}/reviews"


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key().private_bytes(*form).decode()


def public_pem() -> str:
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key().public_key().public_bytes(*form).decode()


def credentials(**changes: Any) -> SecretStr:
    account = {
        "type": "service_account",
        "client_email": "desk@example.test",
        "private_key": pem(),
        "private_key_id": "k1",
        "token_uri": "https://login.test/token",
    }
    return SecretStr(json.dumps({**account, **changes}))


def stamp(at: datetime) -> dict[str, Any]:
    return {"seconds": str(int(at.timestamp())), "nanos": at.microsecond * 1000}


class Console:
    title = "google_play"
    has_stars = True

    def __init__(self) -> None:
        self.reviews: dict[str, dict[str, Any]] = {}
        self.page = 100
        self.tokens = 0
        self.valid: set[str] = set()

    @property
    def settings(self) -> Settings:
        return Settings(package=PACKAGE, credentials=credentials())

    def publish(self, text: str, at: datetime = NOW, stars: int = 1) -> str:
        number = f"gp:{len(self.reviews) + 1}"
        user = {"text": f"\t{text}", "lastModified": stamp(at), "starRating": stars, "reviewerLanguage": "ru"}
        self.reviews[number] = {"reviewId": number, "authorName": "Жанна", "comments": [{"userComment": user}]}
        return number

    def answer(self, number: str, text: str, at: datetime = NOW) -> None:
        user = [c for c in self.reviews[number]["comments"] if "userComment" in c]
        self.reviews[number]["comments"] = [*user, {"developerComment": {"text": text, "lastModified": stamp(at)}}]

    def publish_own(self) -> None:
        """On Google Play the brand writes only replies: one under a review that nobody else changed."""
        self.reviews["gp:own"] = {
            "reviewId": "gp:own",
            "comments": [{"developerComment": {"text": "Ours", "lastModified": stamp(NOW)}}],
        }

    def remove(self, number: str) -> None:
        del self.reviews[number]

    def is_api(self, request: httpx.Request) -> bool:
        return request.url.host != "login.test"

    def is_write(self, request: httpx.Request) -> bool:
        return self.is_api(request) and request.method == "POST"

    def error(self, status: int) -> bytes:
        reason = {404: "reviewNotFound"}.get(status, f"reason{status}")
        body = {"code": status, "message": "No.", "errors": [{"reason": reason}]}
        return json.dumps({"error": body}).encode()

    wrong_types = (b'{"reviews": "none"}', b'{"reviews": [{"reviewId": 7}]}', b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "login.test":
            return self._login(request)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
            return httpx.Response(401, content=self.error(401))
        if request.method == "POST":
            return self._reply(request)
        if request.url.path.endswith(LIST):
            return self._list(request)
        number = unquote(request.url.path.rsplit("/", 1)[1])
        review = self.reviews.get(number)
        return httpx.Response(200, json=review) if review else httpx.Response(404, content=self.error(404))

    def _login(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        claims = jwt.decode(
            form["assertion"][0],
            key().public_key(),
            algorithms=["RS256"],
            audience="https://login.test/token",
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims["iss"] == "desk@example.test"
        assert claims["exp"] - claims["iat"] == 3600
        self.tokens += 1
        token = f"token-{self.tokens}"
        self.valid = {token}
        return httpx.Response(200, json={"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _newest_first(self) -> list[dict[str, Any]]:
        def changed(review: dict[str, Any]) -> int:
            return max(int(part["lastModified"]["seconds"]) for c in review["comments"] for part in c.values())

        return sorted(self.reviews.values(), key=changed, reverse=True)

    def _list(self, request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("token", "0"))
        found = self._newest_first()
        body: dict[str, Any] = {"reviews": found[start : start + self.page]} if found else {}
        if start + self.page < len(found):
            body["tokenPagination"] = {"nextPageToken": str(start + self.page)}
        return httpx.Response(200, json=body)

    def _reply(self, request: httpx.Request) -> httpx.Response:
        number = unquote(request.url.path.rsplit("/", 1)[1]).removesuffix(":reply")
        if number not in self.reviews:
            return httpx.Response(404, content=self.error(404))
        text = json.loads(request.content)["replyText"]
        if len(text) > 350:
            return httpx.Response(400, content=self.error(400))
        self.answer(number, text)
        return httpx.Response(200, json={"result": {"replyText": text, "lastEdited": stamp(NOW)}})


Fake = Console
