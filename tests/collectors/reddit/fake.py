"""Reddit's search, and the login that lets a program in for an hour."""

from __future__ import annotations

import json
from datetime import datetime
from html import escape
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.reddit import Settings
from tests.collectors.wire import NOW


class Board:
    has_stars = False
    wrong_types = (b'{"data": "none"}', b'{"data": {"children": [{"data": 7}]}}', b"[]", b'"text"')

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.page = 100
        self.tokens = 0

    @property
    def settings(self) -> Settings:
        return Settings(
            client_id="app",
            client_secret=SecretStr("secret-of-the-app"),
            refresh_token=SecretStr("refresh-of-the-bank"),
            query='"Bank"',
            username="TheBank",
            login_base="https://login.test",
        )

    def publish(self, text: str, at: datetime = NOW, by: str = "janna", **more: Any) -> str:
        number = f"t3_{len(self.posts)}"
        post = {
            "name": number,
            "title": "Bank",
            "selftext_html": f"<div><p>{escape(text)}</p></div>",
            "author": by,
            "created_utc": at.timestamp(),
            "permalink": f"/r/kz/comments/{number[3:]}/bank/",
            "subreddit": "kz",
        }
        self.posts.append({**post, **more})
        return number

    def publish_own(self) -> None:
        self.publish("Ours", by="thebank")

    def is_api(self, request: httpx.Request) -> bool:
        return request.url.host != "login.test"

    def error(self, status: int) -> bytes:
        return json.dumps({"message": "No.", "error": status}).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["User-Agent"].startswith("python:replydesk")
        if not self.is_api(request):
            return self._login(request)
        if request.headers.get("Authorization") != f"Bearer token-{self.tokens}":
            return httpx.Response(401, content=self.error(401))
        found = sorted(self.posts, key=lambda post: post["created_utc"], reverse=True)
        start = int(request.url.params.get("after", "0"))
        end = start + self.page
        children = [{"kind": "t3", "data": post} for post in found[start:end]]
        after = str(end) if end < len(found) else None
        return httpx.Response(200, json={"kind": "Listing", "data": {"children": children, "after": after}})

    def _login(self, request: httpx.Request) -> httpx.Response:
        if b"refresh-of-the-bank" not in request.content:
            return httpx.Response(400, json={"message": "Bad Request", "error": "invalid_grant"})
        self.tokens += 1
        return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 3600})


Fake = Board
