"""X's recent search: newest first, in pages, after an id."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from html import escape
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.x import Settings
from tests.collectors.wire import NOW

TOKEN = "bearer-of-the-app"
EPOCH = 1288834974.657
"""Unix time of X's first id; each holds the milliseconds since then above its last 22 bits."""


def first_id_at(at: datetime) -> int:
    return int((at.timestamp() - EPOCH) * 1000) << 22


class Search:
    has_stars = False
    wrong_types = (b'{"data": "none", "meta": {}}', b'{"data": [{"id": 7}], "meta": {}}', b"[]", b'"text"')

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.page = 100
        self.time = NOW
        self.marks: set[str] = set()

    @property
    def settings(self) -> Settings:
        return Settings(bearer_token=SecretStr(TOKEN), query='"Bank"', handle="@TheBank")

    def publish(self, text: str, at: datetime = NOW, by: str = "7", **more: Any) -> str:
        number = str(first_id_at(NOW) + len(self.posts))
        post = {
            "id": number,
            "text": escape(text, quote=False),
            "created_at": at.isoformat(),
            "author_id": by,
            "lang": "ru",
        }
        self.posts.append({**post, "conversation_id": number, **more})
        return number

    def publish_own(self) -> None:
        self.publish("Ours", by="1")

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def error(self, status: int, kind: str = "") -> bytes:
        return json.dumps(
            {"title": "No.", "detail": "No.", "type": f"https://api.x.com/2/problems/{kind or status}"}
        ).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return httpx.Response(401, content=self.error(401))
        asked = request.url.params
        assert asked["query"] == '("Bank") -from:thebank'
        since = int(asked.get("since_id", 0))
        if since and since < first_id_at(self.time - timedelta(days=7)):
            return httpx.Response(400, content=self.error(400, "invalid-request"))
        if "next_token" in asked and asked["next_token"] not in self.marks:
            return httpx.Response(400, content=self.error(400, "invalid-request"))
        found = [post for post in reversed(self.posts) if int(post["id"]) > since]
        start = int(asked.get("next_token", 0))
        meta = {"next_token": str(start + self.page)} if start + self.page < len(found) else {}
        self.marks |= set(meta.values())
        body: dict[str, Any] = {"meta": meta, "data": found[start : start + self.page], "includes": {"users": USERS}}
        return httpx.Response(200, json=body if found else {"meta": {"result_count": 0}})


USERS = [
    {"id": "1", "name": "Bank", "username": "TheBank"},
    {"id": "7", "name": "Жанна", "username": "Janna", "public_metrics": {"followers_count": 120}},
]
Fake = Search
