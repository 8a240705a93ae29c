"""A seller's cabinet on Yandex Market, as its Partner API shows reviews and comments."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.yandex_market import Settings
from tests.collectors.wire import NOW

BUSINESS = 771
KEY = "ACMA:test:key"
BASE = f"/v2/businesses/{BUSINESS}/goods-feedback"
MOSCOW = timezone(timedelta(hours=3))
FILTERS = {"dateTimeFrom", "dateTimeTo", "reactionStatus", "ratingValues", "offerIds", "paid"}
HALF_A_YEAR = timedelta(days=184)


class Cabinet:
    title = "yandex_market"
    has_stars = True

    def __init__(self) -> None:
        self.reviews: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, dict[str, Any]] = {}
        self.last = 900
        self.page = 50
        self.newest_first = False
        self.forgets_pages = False

    @property
    def settings(self) -> Settings:
        return Settings(business_id=BUSINESS, api_key=SecretStr(KEY))

    def publish(self, text: str, at: datetime = NOW, stars: int = 1, **description: str) -> str:
        self.last += 1
        said = {**({"comment": text} if text else {}), **description}
        self.reviews[self.last] = {
            "feedbackId": self.last,
            "createdAt": at.astimezone(MOSCOW).isoformat(),
            "needReaction": True,
            "identifiers": {"orderId": 5501, "offerId": "SKU-9"},
            "author": "Ерлан",
            "statistics": {"rating": stars, "commentsCount": 0},
            **({"description": said} if said else {}),
        }
        return str(self.last)

    def publish_own(self) -> None:
        """On Market the cabinet writes only comments: one under a review that is not shown any more."""
        self.comment("1", "Ours")

    def comment(self, review: str, text: str, author: str = "BUSINESS", status: str = "PUBLISHED") -> str:
        self.last += 1
        self.comments[self.last] = {
            "id": self.last,
            "text": text,
            "canModify": author == "BUSINESS",
            "author": {"type": author, "name": "Somebody"},
            "status": status,
            "feedbackId": int(review),
        }
        return str(self.last)

    def edit(self, review: str, text: str) -> None:
        self.reviews[int(review)] |= {"description": {"comment": text}, "needReaction": True}

    def remove(self, number: str) -> None:
        del self.reviews[int(number)]
        self.comments = {k: c for k, c in self.comments.items() if c["feedbackId"] != int(number)}

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path == BASE

    def is_write(self, request: httpx.Request) -> bool:
        return request.url.path.endswith(("/update", "/delete"))

    def error(self, status: int) -> bytes:
        code = {404: "NOT_FOUND", 420: "LIMIT_EXCEEDED"}.get(status, f"CODE_{status}")
        return json.dumps({"status": "ERROR", "errors": [{"code": code, "message": "No."}]}).encode()

    wrong_types = (
        b'{"status": "OK", "result": {"feedbacks": "none"}}',
        b'{"status": "OK", "result": {"feedbacks": [{"feedbackId": "x"}]}}',
        b'{"status": "OK"}',
        b"[]",
        b'"text"',
    )

    def serve(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        if request.headers.get("Api-Key") != KEY:
            return self._no(401)
        call = {
            BASE: self._list,
            f"{BASE}/comments": self._comments,
            f"{BASE}/comments/update": self._update,
            f"{BASE}/comments/delete": self._delete,
        }.get(request.url.path)
        return call(request, json.loads(request.content)) if call else self._no(404)

    def _no(self, status: int) -> httpx.Response:
        return httpx.Response(status, content=self.error(status))

    def _ok(self, result: object = None) -> httpx.Response:
        return httpx.Response(200, json={"status": "OK", **({} if result is None else {"result": result})})

    def _list(self, request: httpx.Request, asked: dict[str, Any]) -> httpx.Response:
        if "feedbackIds" in asked:
            if FILTERS & set(asked):
                return self._no(400)
            found = [self.reviews[n] for n in asked["feedbackIds"] if n in self.reviews]
            return self._ok({"feedbacks": found, "paging": {}})
        start = datetime.fromisoformat(asked["dateTimeFrom"])
        if start < NOW - HALF_A_YEAR:
            return self._no(400)
        found = [r for r in self.reviews.values() if datetime.fromisoformat(r["createdAt"]) > start]
        found.sort(key=lambda r: datetime.fromisoformat(r["createdAt"]), reverse=self.newest_first)
        if asked.get("reactionStatus") == "NEED_REACTION":
            found = [r for r in found if r["needReaction"]]
        return self._paged(request, "feedbacks", found)

    def _paged(self, request: httpx.Request, name: str, found: list[dict[str, Any]]) -> httpx.Response:
        size, token = int(request.url.params["limit"]), request.url.params.get("pageToken", "")
        assert 1 <= size <= 50
        if token and self.forgets_pages:
            return self._no(400)
        start, size = int(token or 0), min(size, self.page)
        paging = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
        return self._ok({name: found[start : start + size], "paging": paging})

    def _comments(self, request: httpx.Request, asked: dict[str, Any]) -> httpx.Response:
        found = [c for c in self.comments.values() if c["feedbackId"] == asked["feedbackId"]]
        return self._paged(request, "comments", found)

    def _update(self, _request: httpx.Request, asked: dict[str, Any]) -> httpx.Response:
        said, review = asked["comment"], asked["feedbackId"]
        if not 1 <= len(said["text"]) <= 4096:
            return self._no(400)
        if review not in self.reviews or said.get("id", self.last) not in {*self.comments, self.last}:
            return self._no(404)
        number = said.get("id") or int(self.comment(str(review), ""))
        self.comments[number] |= {"text": said["text"], "status": "UNMODERATED"}
        self.reviews[review]["needReaction"] = False
        return self._ok(self.comments[number])

    def _delete(self, _request: httpx.Request, asked: dict[str, Any]) -> httpx.Response:
        if asked["id"] not in self.comments:
            return self._no(400)
        del self.comments[asked["id"]]
        return self._ok()


Fake = Cabinet
