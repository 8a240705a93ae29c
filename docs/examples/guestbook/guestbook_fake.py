"""A guestbook that can be told to publish, answer and fail: what the contract suite plays against."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx
from guestbook import Settings
from pydantic import SecretStr

from tests.collectors.wire import NOW

KEY = "key-of-the-house"
TEXT = {"type": "string", "required": True, "minLength": 1, "maxLength": 1_000}
PAPERS = {
    "host": "https://book.test",
    "headers": {"X-Key": {"type": "string", "required": True}},
    "calls": [
        {"ask": "GET /entries"},
        {"ask": "GET /entries/{id}"},
        {"ask": "PUT /entries/{id}/answer", "body": {"text": TEXT}},
        {"ask": "DELETE /entries/{id}/answer"},
    ],
}


class Fake:
    has_stars = False
    papers = PAPERS
    wrong_types = (b'{"entries": "none"}', b'{"entries": [{"id": 7}]}', b"[]", b'"text"')

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    @property
    def settings(self) -> Settings:
        return Settings(api_base="https://book.test", key=SecretStr(KEY))

    def publish(self, text: str, at: datetime = NOW, house: bool = False) -> str:
        number = f"e{len(self.entries) + 1}"
        self.entries[number] = {"id": number, "text": text, "author": "Dina", "house": house, "changed": at.isoformat()}
        return number

    def publish_own(self) -> None:
        self.publish("Welcome", house=True)

    def remove(self, number: str) -> None:
        del self.entries[number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_write(self, request: httpx.Request) -> bool:
        return request.method == "PUT"

    def error(self, status: int) -> bytes:
        return json.dumps({"error": "No.", "code": f"e{status}"}).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("X-Key") != KEY:
            return httpx.Response(401, content=self.error(401))
        _, *path = request.url.path.strip("/").split("/")
        if not path:
            newest = sorted(self.entries.values(), key=lambda entry: entry["changed"], reverse=True)
            return httpx.Response(200, json={"entries": newest})
        entry = self.entries.get(path[0])
        if entry is None:
            return httpx.Response(404, content=self.error(404))
        return self._on_entry(request, entry)

    def _on_entry(self, request: httpx.Request, entry: dict[str, Any]) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=entry)
        if request.method == "DELETE":
            known = entry.pop("answer", None)
            return httpx.Response(200 if known else 404, content=b"{}" if known else self.error(404))
        entry["answer"] = {"text": json.loads(request.content)["text"], "at": NOW.isoformat()}
        return httpx.Response(200, json=entry["answer"])
