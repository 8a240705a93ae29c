"""A YouScan account with one topic, as its external API shows it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from html import escape
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.youscan import Settings
from tests.collectors.wire import NOW

KEY = "key-of-the-agency"
TOPIC = 4711
PATH = f"/api/external/topics/{TOPIC}/mentions"
KNOWN = {"from", "to", "sinceSeq", "orderBy", "size", "deleted", "htmlSanitize"}
WEEK = timedelta(days=6)


class Topic:
    title = "youscan"
    has_stars = True

    def __init__(self) -> None:
        self.mentions: dict[str, dict[str, Any]] = {}
        self.binned: set[str] = set()
        self.bin_is_shown_with_the_rest = False

    @property
    def settings(self) -> Settings:
        return Settings(api_key=SecretStr(KEY), topic_id=TOPIC, own=("Acme Bank",))

    def publish(self, words: str, at: datetime = NOW, stars: float | None = 1, **more: Any) -> str:
        seq = 3_500_001 + len(self.mentions)
        number = str(241_000_000 + len(self.mentions))
        self.mentions[number] = {
            "id": number,
            "seq": seq,
            "published": at.isoformat(),
            "addedAt": (NOW + timedelta(minutes=51)).strftime("%Y-%m-%dT%H:%M:%S.9506137Z"),
            "url": f"https://reviews.test/review_{seq}.html",
            "title": None,
            "text": words[:200],
            "fullText": words,
            "source": "reviews.test",
            "sourceType": "reviews",
            "postType": "post",
            "author": {"profileId": "881", "name": "kot77", "url": "https://reviews.test/u/kot77", "gender": "unknown"},
            "rating": stars,
            "language": "rus",
            "tags": [],
            **more,
        }
        return number

    def publish_own(self) -> None:
        self.publish("We hear you", author={"name": "ACME Bank"})

    def remove(self, number: str) -> None:
        self.binned.add(number)

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_write(self, request: httpx.Request) -> bool:
        return False

    def error(self, status: int) -> bytes:
        if status == 429:
            return b"Please slow down"
        codes = {400: "VALIDATION_ERROR", 404: "RESOURCE_NOT_FOUND", 403: "THEME_PERMISSION_DENIED"}
        return json.dumps({"message": "No.", "errorCode": codes.get(status, f"ERROR_{status}")}).encode()

    wrong_types = (b'{"mentions": "none"}', b'{"mentions": [{"id": "x"}]}', b'{"total": 1}', b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("X-API-KEY") != KEY or "apiKey" in request.url.params:
            return httpx.Response(401, content=self.error(401))
        if request.method != "GET" or request.url.path != PATH:
            return httpx.Response(404, content=self.error(404))
        params = request.url.params
        if set(params) - KNOWN or int(params.get("size", "10")) > 1_000:
            return httpx.Response(400, content=self.error(400))
        return httpx.Response(200, json=self._answer(params))

    def _answer(self, params: httpx.QueryParams) -> dict[str, Any]:
        found = [m for m in self.mentions.values() if self._fits(m, params)]
        by_seq = params.get("orderBy") == "seqAsc"
        found.sort(key=lambda m: m["seq"] if by_seq else m["published"], reverse=not by_seq)
        shown = found[: int(params.get("size", "10"))]
        if params.get("htmlSanitize") != "false":
            shown = [{**m, "fullText": escape(m["fullText"])} for m in shown]
        return {"total": len(found), "lastSeq": 3_999_999, "mentions": shown}

    def _fits(self, mention: dict[str, Any], params: httpx.QueryParams) -> bool:
        binned = mention["id"] in self.binned
        shows_bin = params.get("deleted") == "true"
        placed = binned == shows_bin or (shows_bin and self.bin_is_shown_with_the_rest)
        at = datetime.fromisoformat(mention["published"])
        start = datetime.fromisoformat(params["from"]) if "from" in params else NOW - WEEK
        end = datetime.fromisoformat(params["to"]) if "to" in params else NOW
        return placed and start <= at < end + timedelta(days=1) and mention["seq"] > int(params.get("sinceSeq", "0"))


Fake = Topic
