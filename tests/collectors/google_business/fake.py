"""A Google Business Profile account with places, as the reviews API (v4) shows them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx

from collectors.google_business import STARS, Settings
from tests.collectors.wire import NOW

ACCOUNT = "111"
PLACE = "222"
REVIEWS = f"/v4/accounts/{ACCOUNT}/locations/{{}}/reviews"
WORDS = {stars: word for word, stars in STARS.items()}
USER = {"client_id": "desk.apps.example", "client_secret": "client secret", "refresh_token": "refresh token"}


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"account": ACCOUNT, "locations": [PLACE], **USER, **changes})


class Profile:
    title = "google_business"
    has_stars = True

    def __init__(self) -> None:
        self.reviews: dict[str, dict[str, Any]] = {}
        self.places = {PLACE}
        self.page = 50
        self.tokens = 0
        self.valid: set[str] = set()

    @property
    def settings(self) -> Settings:
        return settings()

    def publish(self, text: str, at: datetime = NOW, stars: int = 1, place: str = PLACE) -> str:
        self.places.add(place)
        review = f"AbFv-{len(self.reviews) + 1}"
        self.reviews[f"{place}/{review}"] = {
            "name": f"accounts/{ACCOUNT}/locations/{place}/reviews/{review}",
            "reviewId": review,
            "reviewer": {"displayName": "Айгуль С.", "isAnonymous": False},
            "starRating": WORDS[stars],
            **({"comment": text} if text else {}),
            "createTime": stamp(at),
            "updateTime": stamp(at),
        }
        return f"{place}/{review}"

    def answer(self, number: str, text: str, state: str = "PENDING", **more: str) -> dict[str, Any]:
        reply = {"comment": text, "updateTime": stamp(NOW), "reviewReplyState": state, **more}
        self.reviews[number]["reviewReply"] = reply
        return reply

    def publish_own(self) -> None:
        """There the brand writes only replies: one under a review that is older than what is asked for."""
        self.answer(self.publish("Old", datetime.fromtimestamp(0, NOW.tzinfo)), "Ours", "APPROVED")

    def remove(self, number: str) -> None:
        del self.reviews[number]

    def is_api(self, request: httpx.Request) -> bool:
        return request.url.host == "mybusiness.googleapis.com"

    def is_list(self, request: httpx.Request) -> bool:
        return self.is_api(request) and request.url.path.endswith("/reviews")

    def is_write(self, request: httpx.Request) -> bool:
        return self.is_api(request) and request.method == "PUT"

    def error(self, status: int, **more: Any) -> bytes:
        named = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        said = {"code": status, "message": "No.", "status": named.get(status, "UNKNOWN"), **more}
        return json.dumps({"error": said}).encode()

    wrong_types = (b'{"reviews": "none"}', b'{"reviews": [{"reviewId": 7}]}', b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url == "https://oauth2.googleapis.com/token":
            return self._login(request)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
            return self._no(401)
        path = request.url.path
        place = path.split("/")[5]
        if place not in self.places:
            return self._no(403)
        if path == REVIEWS.format(place):
            return self._list(request, place)
        return self._review(request, f"{place}/{unquote(path.split('/')[7])}")

    def _no(self, status: int) -> httpx.Response:
        return httpx.Response(status, content=self.error(status))

    def _login(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if form != {"grant_type": "refresh_token", **USER}:
            return httpx.Response(400, json={"error": "invalid_grant", "error_description": "No."})
        self.tokens += 1
        self.valid = {f"token-{self.tokens}"}
        return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 3599})

    def _list(self, request: httpx.Request, place: str) -> httpx.Response:
        assert request.url.params["orderBy"] == "updateTime desc"
        assert int(request.url.params["pageSize"]) <= 50
        start = int(request.url.params.get("pageToken", "0"))
        here = [review for number, review in self.reviews.items() if number.startswith(f"{place}/")]
        found = sorted(here, key=lambda review: review.get("updateTime", ""), reverse=True)
        body: dict[str, Any] = {"reviews": found[start : start + self.page]} if found else {}
        if start + self.page < len(found):
            body["nextPageToken"] = str(start + self.page)
        return httpx.Response(200, json=body)

    def _review(self, request: httpx.Request, number: str) -> httpx.Response:
        review = self.reviews.get(number)
        if review is None:
            return self._no(404)
        if request.method == "GET":
            return httpx.Response(200, json=review)
        assert request.url.path.endswith("/reply")
        if request.method == "DELETE":
            return httpx.Response(200, json={}) if review.pop("reviewReply", None) else self._no(404)
        return self._replace(number, json.loads(request.content)["comment"])

    def _replace(self, number: str, text: str) -> httpx.Response:
        if len(text.encode()) > 4096:
            return self._no(400)
        return httpx.Response(200, json=self.answer(number, text))


Fake = Profile
