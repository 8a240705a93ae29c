"""Hacker News as Algolia's search shows it: newest first, no hit past the thousandth."""

from __future__ import annotations

import json
import operator
import re
from datetime import UTC, datetime
from html import escape
from typing import Any

import httpx

from collectors.hacker_news import Settings
from tests.collectors.wire import NOW

SEEN_AT_MOST = 1_000
KNOWN = {"query", "advancedSyntax", "tags", "numericFilters", "hitsPerPage", "page"}
BOUND = re.compile(r"created_at_i(>=|<=|>|<)(\d+)")
OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


class Search:
    title = "hacker_news"
    has_stars = False

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    @property
    def settings(self) -> Settings:
        return Settings(query="acme", own=("acme_official",))

    def publish(self, text: str, at: datetime = NOW, author: str = "user1", **more: Any) -> str:
        number = str(46_000_001 + len(self.items))
        self.items[number] = {
            "objectID": number,
            "created_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "created_at_i": int(at.timestamp()),
            "author": author,
            "comment_text": escape(text),
            "story_id": 46_000_000,
            "story_title": "Ask HN: banks?",
            "parent_id": 46_000_000,
            "_tags": ["comment", f"author_{author}", "story_46000000"],
            **more,
        }
        return number

    def publish_own(self) -> None:
        self.publish("We hear you", author="Acme_Official")

    def remove(self, number: str) -> None:
        del self.items[number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_write(self, request: httpx.Request) -> bool:
        return False

    def error(self, status: int) -> bytes:
        return json.dumps({"message": "No.", "status": status}).encode()

    wrong_types = (b'{"hits": "none"}', b'{"hits": [{"objectID": 7}]}', b'{"nbHits": 0}', b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if request.method != "GET" or request.url.path != "/api/v1/search_by_date":
            return httpx.Response(404, content=self.error(404))
        if set(params) - KNOWN or params["tags"] != "(story,comment)" or int(params["hitsPerPage"]) > SEEN_AT_MOST:
            return httpx.Response(400, content=self.error(400))
        return httpx.Response(200, json=self._answer(params))

    def _answer(self, params: httpx.QueryParams) -> dict[str, Any]:
        bounds = [(OPERATORS[sign], int(at)) for sign, at in BOUND.findall(params.get("numericFilters", ""))]
        fits = [i for i in self.items.values() if all(holds(i["created_at_i"], at) for holds, at in bounds)]
        found = sorted(fits, key=lambda item: item["created_at_i"], reverse=True)[:SEEN_AT_MOST]
        page, size = int(params.get("page", "0")), int(params["hitsPerPage"])
        hits = found[page * size : (page + 1) * size]
        return {"hits": hits, "nbHits": len(fits), "page": page, "hitsPerPage": size}


Fake = Search
