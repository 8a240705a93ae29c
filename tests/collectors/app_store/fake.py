"""App Store Connect with one app, as its customer reviews API shows it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any
from urllib.parse import unquote

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from collectors.app_store import Settings
from tests.collectors.wire import NOW

APP = "1234567890"
ISSUER = "0f0f0f0f-1111-2222-3333-444444444444"
KEY_ID = "DESKKEY001"
BASE = "https://api.appstoreconnect.apple.com"
PACIFIC = timezone(timedelta(hours=-8))
LIST = f"/v1/apps/{APP}/customerReviews"
ASKED = {"sort": "-createdDate", "limit": "200", "include": "response"}


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem() -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key().private_bytes(*form).decode()


def stamp(at: datetime) -> str:
    return at.astimezone(PACIFIC).isoformat(timespec="seconds")


class Console:
    has_stars = True
    wrong_types = (b'{"data": "none", "links": {}}', b'{"data": [{"id": 7}], "links": {}}', b"[]", b'"text"')

    def __init__(self) -> None:
        self.reviews: dict[str, dict[str, Any]] = {}
        self.responses: dict[str, dict[str, Any]] = {}
        self.page = 200
        self.state = "PENDING_PUBLISH"
        self.refused: set[str] = set()
        self.tokens: list[str] = []
        self.individual = False
        self.answers_gone_with = 409

    @property
    def settings(self) -> Settings:
        return Settings(app_id=APP, issuer_id=ISSUER, key_id=KEY_ID, private_key=SecretStr(pem()))

    def publish(self, text: str, at: datetime = NOW, stars: int = 1, title: str = "", country: str = "KAZ") -> str:
        number = f"0000-{len(self.reviews) + 1}"
        self.reviews[number] = {
            "rating": stars,
            "title": title,
            "body": text,
            "reviewerNickname": "Жанна",
            "createdDate": stamp(at),
            "territory": country,
        }
        return number

    def publish_own(self) -> None:
        """In the App Store the brand writes only responses: one whose review is not shown."""
        self.responses["nowhere"] = self._response("resp-nowhere", "Ours")

    def remove(self, number: str) -> None:
        del self.reviews[number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path == LIST

    def is_write(self, request: httpx.Request) -> bool:
        return request.method != "GET"

    def error(self, status: int, code: str = "") -> bytes:
        code = code or {404: "NOT_FOUND", 403: "FORBIDDEN_ERROR", 429: "RATE_LIMIT_EXCEEDED"}.get(status, f"E{status}")
        return json.dumps({"errors": [{"status": str(status), "code": code, "title": "No.", "detail": "No."}]}).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        if not self._knows(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return self._no(401, "NOT_AUTHORIZED")
        kind, *rest = request.url.path.removeprefix("/v1/").split("/")
        if request.url.path == LIST:
            return self._list(request)
        if kind == "customerReviewResponses":
            return self._answer(request) if request.method == "POST" else self._withdraw(unquote(rest[0]))
        return self._one(request, unquote(rest[0]))

    def _no(self, status: int, code: str = "") -> httpx.Response:
        return httpx.Response(status, content=self.error(status, code))

    def _knows(self, token: str) -> bool:
        if token in self.refused:
            return False
        lax = {"verify_exp": False, "verify_iat": False}
        try:
            claims = jwt.decode(token, key().public_key(), ["ES256"], audience="appstoreconnect-v1", options=lax)
        except jwt.InvalidTokenError:
            return False
        who = {"sub": "user"} if self.individual else {"iss": ISSUER}
        assert {name: claims.get(name) for name in ("iss", "sub") if name in claims} == who
        assert 0 < claims["exp"] - claims["iat"] <= 1200
        assert jwt.get_unverified_header(token)["kid"] == KEY_ID
        self.tokens += [] if token in self.tokens else [token]
        return True

    def shown(self, number: str) -> dict[str, Any]:
        answer = self.responses.get(number)
        named = {"data": {"type": "customerReviewResponses", "id": answer["id"]}} if answer else {}
        link = {"links": {"related": f"{BASE}/v1/customerReviews/{number}/response"}}
        return {
            "type": "customerReviews",
            "id": number,
            "attributes": self.reviews[number],
            "relationships": {"response": {**link, **named}},
        }

    def _response(self, number: str, text: str) -> dict[str, Any]:
        said = {"responseBody": text, "lastModifiedDate": stamp(NOW), "state": self.state}
        return {"type": "customerReviewResponses", "id": number, "attributes": said}

    def _list(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        assert ASKED.items() <= dict(asked).items()
        start = int(asked.get("cursor", "0"))
        order = sorted(self.reviews, key=lambda n: datetime.fromisoformat(self.reviews[n]["createdDate"]), reverse=True)
        shown = order[start : start + self.page]
        links = {"self": str(request.url)}
        if start + self.page < len(order):
            links["next"] = f"{BASE}{LIST}?cursor={start + self.page}&limit=200"
        included = [self.responses[number] for number in shown if number in self.responses]
        body = {"data": [self.shown(n) for n in shown], "links": links, "meta": {"paging": {"limit": self.page}}}
        return httpx.Response(200, json={**body, **({"included": included} if included else {})})

    def _one(self, request: httpx.Request, number: str) -> httpx.Response:
        assert request.url.params.get("include") == "response"
        if number not in self.reviews:
            return self._no(404)
        included = [self.responses[number]] if number in self.responses else []
        return httpx.Response(200, json={"data": self.shown(number), "included": included, "links": {}})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)["data"]
        assert said["type"] == "customerReviewResponses"
        number = said["relationships"]["review"]["data"]["id"]
        if number not in self.reviews:
            code = {409: "ENTITY_ERROR.RELATIONSHIP.INVALID"}.get(self.answers_gone_with, "")
            return self._no(self.answers_gone_with, code)
        text = said["attributes"]["responseBody"]
        if len(text) > 5970:
            return self._no(409, "ENTITY_ERROR.ATTRIBUTE.INVALID.TOO_LONG")
        self.responses[number] = self._response(f"resp-{number}", text)
        return httpx.Response(201, json={"data": self.responses[number], "links": {}})

    def _withdraw(self, number: str) -> httpx.Response:
        review = next((n for n, answer in self.responses.items() if answer["id"] == number), None)
        if review is None:
            return self._no(404)
        del self.responses[review]
        return httpx.Response(204)


Fake = Console
