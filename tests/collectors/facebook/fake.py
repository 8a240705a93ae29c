"""A Page as the Graph API shows it: one post of the Page's, comments under it, visitors' posts beside it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
from pydantic import SecretStr

from collectors.facebook import Settings
from tests.collectors.wire import NOW

PAGE = "1000"
TOKEN = "page-token-of-the-bank"
POST = "1000_1"


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")


class Page:
    has_stars = False
    wrong_types = (b'{"data": "none"}', b'{"data": [{"id": 7}]}', b"[]", b'"text"')

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.size = 50
        self.marks: set[int] = set()
        self._add(POST, "New card of the bank", NOW, PAGE)

    @property
    def settings(self) -> Settings:
        return Settings(page_id=PAGE, token=SecretStr(TOKEN), app_secret=SecretStr("app-secret-words"))

    def _add(self, number: str, text: str, at: datetime, by: str, parent: str = "") -> dict[str, Any]:
        self.nodes[number] = {
            "id": number,
            "created_time": stamp(at),
            "message": text,
            "from": {"id": by, "name": "Bank" if by == PAGE else "Жанна"},
            "permalink_url": f"https://www.facebook.com/{number}",
            **({"parent": {"id": parent}} if parent else {}),
        }
        return self.nodes[number]

    def publish(self, text: str, at: datetime = NOW, by: str = "77", under: str = POST) -> str:
        number = f"{under}_{len(self.nodes)}"
        self._add(number, text, at, by, "" if under == POST else under)
        return number

    def visit(self, text: str, at: datetime = NOW) -> str:
        number = f"{PAGE}_70{len(self.nodes)}"
        self._add(number, text, at, "77")
        return number

    def publish_own(self) -> None:
        self.publish("We wrote this ourselves", by=PAGE)

    def remove(self, number: str) -> None:
        del self.nodes[number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_write(self, request: httpx.Request) -> bool:
        return request.method == "POST"

    def error(self, status: int, code: int = 0, sub: int = 0) -> bytes:
        known = {401: (190, 463), 403: (10, 0), 404: (100, 33), 429: (32, 0), 500: (2, 0), 503: (2, 0)}
        code, sub = (code, sub) if code else known.get(status, (100, 0))
        return json.dumps({"error": {"message": "No.", "code": code, "error_subcode": sub}}).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return httpx.Response(400, content=self.error(401))
        assert len(request.url.params["appsecret_proof"]) == 64
        number, edge = self._parts(request)
        if number == PAGE:
            return self._feed(request)
        if number not in self.nodes:
            return httpx.Response(400, content=self.error(404))
        return self._on_node(request, number, edge)

    def _parts(self, request: httpx.Request) -> tuple[str, str]:
        _, number, *edge = request.url.path.strip("/").split("/")
        return number, edge[0] if edge else ""

    def _on_node(self, request: httpx.Request, number: str, edge: str) -> httpx.Response:
        if request.method == "DELETE":
            del self.nodes[number]
            return httpx.Response(200, json={"success": True})
        if request.method == "GET":
            page = self._comments(number, request.url.params, int(request.url.params.get("limit", 50)))
            return httpx.Response(200, json=page if edge else {**self.nodes[number], "comments": page})
        text = parse_qs(request.content.decode(), keep_blank_values=True)["message"][0]
        if edge == "comments":
            return httpx.Response(200, json={"id": self.publish(text, by=PAGE, under=number)})
        self.nodes[number]["message"] = text
        return httpx.Response(200, json={"success": True})

    def _under(self, number: str) -> list[dict[str, Any]]:
        below = [one for key, one in self.nodes.items() if key.startswith(f"{number}_")]
        return sorted(below, key=lambda one: one["created_time"], reverse=True)

    def _comments(self, number: str, params: Any, most: int = 50) -> dict[str, Any]:
        start, found = int(params.get("after") or 0), self._under(number)
        end = start + most
        more = {"next": "https://graph.test/next"} if end < len(found) else {}
        return {"data": found[start:end], "paging": {"cursors": {"after": str(end)}, **more}}

    def _feed(self, request: httpx.Request) -> httpx.Response:
        posts = [one for key, one in self.nodes.items() if key.count("_") == 1]
        posts.sort(key=lambda one: one["created_time"], reverse=True)
        start = int(request.url.params.get("after") or 0)
        if start and start not in self.marks:
            return httpx.Response(400, content=self.error(400))
        end = start + min(int(request.url.params["limit"]), self.size)
        self.marks.add(end)
        most = int(request.url.params["fields"].rpartition(".limit(")[2].partition(")")[0])
        shown = [{**p, "comments": self._comments(p["id"], {}, most)} for p in posts[start:end]]
        more = {"next": "https://graph.test/next"} if end < len(posts) else {}
        return httpx.Response(200, json={"data": shown, "paging": {"cursors": {"after": str(end)}, **more}})


Fake = Page
