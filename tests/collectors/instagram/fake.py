"""A professional account with one picture, as the Graph API shows it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from pydantic import SecretStr

from collectors.instagram import Settings
from tests.collectors.facebook.fake import stamp
from tests.collectors.wire import NOW

ACCOUNT = "17800"
TOKEN = "token-of-the-account"
PICTURE = "900"


class Account:
    has_stars = False
    wrong_types = (b'{"data": "none"}', b'{"data": [{"id": 7}]}', b"[]", b'"text"')

    def __init__(self) -> None:
        self.comments: dict[str, dict[str, Any]] = {}
        self.number = 0
        self.name = "bank"

    @property
    def settings(self) -> Settings:
        return Settings(account_id=ACCOUNT, token=SecretStr(TOKEN))

    def publish(self, text: str, at: datetime = NOW, by: str = "janna", under: str = "") -> str:
        self.number += 1
        number = f"c{self.number}"
        self.comments[number] = {
            "id": number,
            "text": text,
            "timestamp": stamp(at),
            "username": by,
            "under": under,
        }
        return number

    def publish_own(self) -> None:
        self.publish("Ours", by=self.name)

    def remove(self, number: str) -> None:
        del self.comments[number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/media")

    def is_write(self, request: httpx.Request) -> bool:
        return request.method == "POST"

    def error(self, status: int) -> bytes:
        known = {401: (190, 463), 403: (10, 0), 404: (100, 33), 429: (32, 0), 500: (2, 0), 503: (2, 0)}
        code, sub = known.get(status, (100, 0))
        return json.dumps({"error": {"message": "No.", "code": code, "error_subcode": sub}}).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return httpx.Response(400, content=self.error(401))
        _, number, *edge = request.url.path.strip("/").split("/")
        if number == ACCOUNT:
            return self._own(edge)
        if number == PICTURE:
            return self._further(request, "")
        if number not in self.comments:
            return httpx.Response(400, content=self.error(404))
        if edge and request.method == "GET":
            return self._further(request, number)
        return self._on_comment(request, number)

    def _own(self, edge: list[str]) -> httpx.Response:
        if not edge:
            return httpx.Response(200, json={"username": self.name, "id": ACCOUNT})
        picture = {"id": PICTURE, "caption": "New card", "permalink": "https://www.instagram.com/p/x/"}
        return httpx.Response(200, json={"data": [{**picture, "comments": self._page("", 0)}]})

    def _further(self, request: httpx.Request, under: str) -> httpx.Response:
        asked = request.url.params
        return httpx.Response(200, json=self._page(under, int(asked["after"]), int(asked["limit"])))

    def _on_comment(self, request: httpx.Request, number: str) -> httpx.Response:
        if request.method == "DELETE":
            del self.comments[number]
            return httpx.Response(200, json={"success": True})
        if request.method == "POST":
            assert not self.comments[number]["under"], "replies go under the comment at the top"
            text = parse_qs(request.content.decode(), keep_blank_values=True)["message"][0]
            return httpx.Response(200, json={"id": self.publish(text, by=self.name, under=number)})
        return httpx.Response(200, json=self._shown(self.comments[number]))

    def _shown(self, comment: dict[str, Any]) -> dict[str, Any]:
        shown = {name: value for name, value in comment.items() if name != "under"}
        return {**shown, "replies": self._page(comment["id"], 0)} if not comment["under"] else shown

    def _page(self, under: str, start: int, most: int = 50) -> dict[str, Any]:
        """Comments come the newest first; replies as they were written."""
        below = [one for one in self.comments.values() if one["under"] == under]
        newest = sorted(below, key=lambda one: one["timestamp"], reverse=not under)
        end = start + most
        more = {"next": "https://graph.test/next"} if end < len(newest) else {}
        data = [self._shown(one) for one in newest[start:end]]
        return {"data": data, "paging": {"cursors": {"after": str(end)}, **more}}


Fake = Account
