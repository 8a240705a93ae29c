"""RuStore's public API with one app, its reviews and the brand's answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA512
from pydantic import SecretStr

from collectors.rustore import Settings
from tests.collectors.wire import NOW

PACKAGE = "kz.example.bank"
KEY_ID = "2351000001"
APP = f"/public/v1/application/{PACKAGE}"
MOSCOW = timezone(timedelta(hours=3))
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    return key().private_bytes(serialization.Encoding.PEM, PKCS8, PLAIN).decode()


def bare() -> str:
    return base64.b64encode(key().private_bytes(serialization.Encoding.DER, PKCS8, PLAIN)).decode()


def naive(at: datetime) -> str:
    return at.astimezone(MOSCOW).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


class Console:
    has_stars = True
    wrong_types = (
        b'{"code": "OK", "body": "none"}',
        b'{"code": "OK", "body": [{"commentId": {}}]}',
        b'{"code": "OK", "body": {"pages": 1}}',
        b"[]",
        b'"text"',
    )

    def __init__(self) -> None:
        self.reviews: dict[int, dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []
        self.last = 748_000
        self.valid: set[str] = set()
        self.tokens = 0
        self.ttl = 900
        self.newest_first = True
        self.picks_by_id = True
        self.pages_have_content = False
        self.ids: Callable[[int], int | str] = int
        self.refusal = 400

    @property
    def settings(self) -> Settings:
        return Settings(package=PACKAGE, key_id=KEY_ID, private_key=SecretStr(pem()))

    def publish(self, text: str, at: datetime = NOW, stars: int = 1) -> str:
        self.last += 1
        self.reviews[self.last] = {
            "packageName": PACKAGE,
            "appId": 17,
            "commentId": self.last,
            "userName": "Айгуль",
            "appRating": stars,
            "commentStatus": "PUBLISHED",
            "commentDate": naive(at),
            "commentText": text,
            "likeCounter": 0,
            "dislikeCounter": 0,
            "updatedAt": naive(at),
            "appVersionName": "5.4.1",
            "edited": False,
        }
        return str(self.last)

    def publish_own(self) -> None:
        """In RuStore the brand writes only answers: one to a review that is not listed."""
        self.answer(1, "Ours")

    def answer(self, review: int, text: str, status: str = "MODERATION", at: datetime = NOW) -> int:
        self.last += 1
        said = {"id": self.last, "commentId": review, "text": text, "status": status, "date": naive(at)}
        self.answers.insert(0, said)
        return self.last

    def remove(self, number: str) -> None:
        del self.reviews[int(number)]

    def is_api(self, request: httpx.Request) -> bool:
        return request.url.path != "/public/auth/"

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path == f"{APP}/comment"

    def is_write(self, request: httpx.Request) -> bool:
        return self.is_api(request) and request.method != "GET"

    def error(self, status: int) -> bytes:
        return json.dumps({"code": "error", "message": "No.", "body": None, "timestamp": NOW.isoformat()}).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/public/auth/":
            return self._login(request)
        if request.headers.get("Public-Token") not in self.valid:
            return self.no(401)
        path = request.url.path.removeprefix(APP)
        if path == "/comment":
            return self._list(request, self._ordered(), "commentId")
        if path == "/feedback":
            return self._reply(request) if request.method == "POST" else self._list(request, self.answers, "id")
        return self._change(request, int(path.removeprefix("/feedback/")))

    def no(self, status: int) -> httpx.Response:
        return httpx.Response(status, content=self.error(status))

    def ok(self, body: Any) -> httpx.Response:
        at = "2026-11-24T15:00:00.2000000+03:00"
        return httpx.Response(200, json={"code": "OK", "message": None, "timestamp": at, "body": body})

    def _login(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        assert datetime.fromisoformat(said["timestamp"]).utcoffset() is not None
        signed = (KEY_ID + said["timestamp"]).encode()
        try:
            key().public_key().verify(base64.b64decode(said["signature"]), signed, PKCS1v15(), SHA512())
        except InvalidSignature:
            return self.no(400)
        self.tokens += 1
        token = f"jwe.header.{self.tokens}"
        self.valid = {token}
        return self.ok({"jwe": token, "ttl": self.ttl})

    def _ordered(self) -> list[dict[str, Any]]:
        return sorted(self.reviews.values(), key=lambda r: r.get("commentDate", ""), reverse=self.newest_first)

    def _list(self, request: httpx.Request, records: list[dict[str, Any]], name: str) -> httpx.Response:
        asked = request.url.params
        assert not ("id" in asked and "page" in asked), "they cannot be combined"
        size, page = int(asked.get("size", "20")), int(asked.get("page", "0"))
        assert size <= 100
        found = records[page * size : (page + 1) * size]
        if "id" in asked and self.picks_by_id:
            found = [record for record in records if str(record[name]) == asked["id"]]
        shown = [self._numbered(record) for record in found]
        return self.ok({"content": shown} if self.pages_have_content else shown)

    def _numbered(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record, **{name: self.ids(record[name]) for name in ("id", "commentId") if record.get(name)}}

    def _reply(self, request: httpx.Request) -> httpx.Response:
        review, text = int(request.url.params["commentId"]), json.loads(request.content)["message"]
        if review not in self.reviews or len(text) > 500:
            return self.no(self.refusal)
        return self.ok({"id": self.ids(self.answer(review, text))})

    def _change(self, request: httpx.Request, number: int) -> httpx.Response:
        known = next((a for a in self.answers if a["id"] == number and a["status"] != "DELETED"), None)
        if known is None:
            return self.no(self.refusal)
        known["status"] = "DELETED"
        if request.method == "DELETE":
            return self.ok(None)
        return self.ok({"id": self.ids(self.answer(known["commentId"], json.loads(request.content)["message"]))})


Fake = Console
