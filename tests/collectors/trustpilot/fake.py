"""Trustpilot's private reviews API with one business unit, and the login of a business user."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from pydantic import SecretStr

from collectors.trustpilot import Settings
from tests.collectors.wire import NOW

UNIT = "46d6a890ffa235a75b00021d"
AUTHOR = "5d0c8a7be1f2a30001a4c9ee"
LISTS = "/v1/private/business-units/{}/reviews"
LIST = LISTS.format(UNIT)
LOGIN = "/v1/oauth/oauth-business-users-for-applications/refresh"
PAIR = "Basic " + base64.b64encode(b"app-key:app-secret").decode()


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Pilot:
    title = "trustpilot"
    has_stars = True

    def __init__(self) -> None:
        self.reviews: dict[str, dict[str, Any]] = {}
        self.unit = UNIT
        self.logins = 0
        self.refresh = "refresh-0"
        self.valid = ""
        self.rotates = True
        self.answer_to_reply = b""

    @property
    def settings(self) -> Settings:
        return Settings(
            business_unit=UNIT,
            api_key=SecretStr("app-key"),
            api_secret=SecretStr("app-secret"),
            refresh_token=SecretStr("refresh-0"),
            author=AUTHOR,
        )

    def publish(self, text: str, at: datetime = NOW, stars: int = 1) -> str:
        number = f"65a1c0de{len(self.reviews):016x}"
        self.reviews[number] = {
            "id": number,
            "stars": stars,
            "title": None,
            "text": text or None,
            "language": "ru",
            "createdAt": stamp(at),
            "updatedAt": None,
            "consumer": {"id": "65a1c0de0000000000000abc", "displayName": "Жанна Д."},
            "businessUnit": {"id": UNIT},
            "status": "active",
            "referralEmail": "customer@example.test",
            "companyReply": None,
        }
        return number

    def publish_own(self) -> None:
        """On Trustpilot a business writes only replies: it has no reviews of its own."""

    def remove(self, number: str) -> None:
        del self.reviews[number]

    def expire(self) -> None:
        self.valid = ""

    def is_api(self, request: httpx.Request) -> bool:
        return request.url.path != LOGIN

    def is_write(self, request: httpx.Request) -> bool:
        return request.method == "POST" and request.url.path.endswith("/reply")

    def error(self, status: int) -> bytes:
        return json.dumps({"message": "No.", "errorCode": status * 10, "correlationId": "c1"}).encode()

    wrong_types = (b'{"reviews": "none"}', b'{"reviews": [{"id": 7}]}', b"{}", b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == LOGIN:
            return self._login(request)
        if not self.valid or request.headers.get("Authorization") != f"Bearer {self.valid}":
            return self._no(401)
        if request.url.path == LISTS.format(self.unit):
            return self._list(request)
        parts = request.url.path.strip("/").split("/")
        assert parts[:3] == ["v1", "private", "reviews"]
        review = self.reviews.get(parts[3])
        if review is None:
            return self._no(404)
        return self._reply(request, review) if parts[4:] == ["reply"] else httpx.Response(200, json=review)

    def _no(self, status: int) -> httpx.Response:
        return httpx.Response(status, content=self.error(status))

    def _login(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        assert request.headers.get("Authorization") == PAIR
        assert set(form) == {"grant_type", "refresh_token"}
        if form != {"grant_type": "refresh_token", "refresh_token": self.refresh}:
            return httpx.Response(400, json={"error": "invalid_grant"})
        self.logins += 1
        self.valid = f"token-{self.logins}"
        granted = {"access_token": self.valid, "expires_in": "359999"}
        if self.rotates:
            self.refresh = granted["refresh_token"] = f"refresh-{self.logins}"
        return httpx.Response(200, json=granted)

    def _list(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        assert asked["orderBy"] == "createdat.asc"
        size, page = int(asked["perPage"]), int(asked["page"])
        assert size <= 100
        found = sorted(self.reviews.values(), key=lambda review: (review["createdAt"], review["id"]))
        found = [review for review in found if review["createdAt"] >= asked["startDateTime"]]
        return httpx.Response(200, json={"reviews": found[(page - 1) * size : page * size], "links": []})

    def _reply(self, request: httpx.Request, review: dict[str, Any]) -> httpx.Response:
        if request.method == "DELETE":
            if review["companyReply"] is None:
                return self._no(400)
            review["companyReply"] = None
            return httpx.Response(204)
        said = json.loads(request.content)
        if set(said) != {"message", "authorBusinessUserId"}:
            return self._no(400)
        review["companyReply"] = {
            "text": said["message"],
            "createdAt": stamp(NOW).removesuffix("Z"),
            "updatedAt": None,
            "authorBusinessUserId": said["authorBusinessUserId"],
        }
        return httpx.Response(201, content=self.answer_to_reply)


Fake = Pilot
