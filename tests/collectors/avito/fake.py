"""An Avito account with reviews, as the ratings API answers."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from pydantic import SecretStr

from collectors.avito import Settings
from tests.collectors.wire import NOW

CLIENT = "sandbox_Client-1"
SECRET = "sandbox-client-secret"
ITEM = 2801000417
REVIEWS = "/ratings/v1/reviews"
ANSWERS = "/ratings/v1/answers"


class Account:
    title = "avito"
    has_stars = True

    def __init__(self) -> None:
        self.reviews: dict[int, dict[str, Any]] = {}
        self.last = 9000
        self.page = 50
        self.tokens = 0
        self.valid: set[str] = set()
        self.newest_first = True
        self.says_gone = 404

    @property
    def settings(self) -> Settings:
        return Settings(client_id=CLIENT, client_secret=SecretStr(SECRET))

    def publish(self, text: str, at: datetime = NOW, stars: int = 1, **more: Any) -> str:
        number = self._next()
        self.reviews[number] = {
            "id": number,
            "score": stars,
            "stage": "done",
            "text": text,
            "createdAt": int(at.timestamp()),
            "usedInScore": True,
            "canAnswer": True,
            "sender": {"name": "Дина"},
            "item": {"id": ITEM, "title": "Перевозка мебели"},
            **more,
        }
        return str(number)

    def answer(self, number: str, text: str, status: str = "moderation", **more: Any) -> int:
        answer = {"id": self._next(), "text": text, "createdAt": int(NOW.timestamp()), "status": status, **more}
        self.reviews[int(number)] |= {"answer": answer, "canAnswer": False}
        return int(answer["id"])

    def publish_own(self) -> None:
        """On Avito the brand writes only answers: one to a review of long ago."""
        self.answer(self.publish("Ancient", datetime.fromtimestamp(1_600_000_000, NOW.tzinfo)), "Ours", "published")

    def remove(self, number: str) -> None:
        del self.reviews[int(number)]

    def is_api(self, request: httpx.Request) -> bool:
        return request.url.path != "/token"

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path == REVIEWS

    def is_write(self, request: httpx.Request) -> bool:
        return request.url.path == ANSWERS

    def error(self, status: int, message: str = "No.") -> bytes:
        return json.dumps({"error": {"code": status, "message": message}}).encode()

    wrong_types = (
        b'{"total": 1, "reviews": "none"}',
        b'{"total": 1, "reviews": [{"id": "x"}]}',
        b"[]",
        b'{"total": 0}',
    )

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return self._token(request)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
            return self._no(401)
        if (request.method, request.url.path) == ("GET", REVIEWS):
            return self._list(request)
        if (request.method, request.url.path) == ("POST", ANSWERS):
            return self._answer(request)
        if request.method == "DELETE" and request.url.path.startswith(f"{ANSWERS}/"):
            return self._delete(int(request.url.path.rsplit("/", 1)[1]))
        return httpx.Response(404, content=b"<html>no such page</html>")

    def _next(self) -> int:
        self.last += 1
        return self.last

    def _no(self, status: int, message: str = "No.") -> httpx.Response:
        return httpx.Response(status, content=self.error(status, message))

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if form != {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}:
            return httpx.Response(401, json={"error": "invalid_client", "error_description": "No."})
        self.tokens += 1
        self.valid = {f"access-{self.tokens}"}
        body = {"access_token": f"access-{self.tokens}", "expires_in": 86400, "token_type": "Bearer"}
        return httpx.Response(200, json=body)

    def _list(self, request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        if not 0 < limit <= 50 or set(request.url.params) != {"offset", "limit"}:
            return self._no(400)
        found = sorted(self.reviews.values(), key=lambda r: (r["createdAt"], r["id"]), reverse=self.newest_first)
        shown = found[offset : offset + min(limit, self.page)]
        return httpx.Response(200, json={"total": len(found), "reviews": shown})

    def _answer(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        if set(asked) != {"reviewId", "message"} or not isinstance(asked["reviewId"], int) or not asked["message"]:
            return self._no(400)
        review = self.reviews.get(asked["reviewId"])
        if review is None:
            return self._no(404)
        if not review["canAnswer"]:
            return self._no(400, "cannot be answered")
        number = self.answer(str(review["id"]), asked["message"])
        return httpx.Response(200, json={"id": number, "createdAt": int(NOW.timestamp())})

    def _delete(self, number: int) -> httpx.Response:
        for review in self.reviews.values():
            if review.get("answer", {}).get("id") == number:
                del review["answer"]
                review["canAnswer"] = True
                return httpx.Response(200, json={"success": True})
        return self._no(self.says_gone)


Fake = Account
