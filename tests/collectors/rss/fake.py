"""A feed of comments, one item per published text."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime
from html import escape

import httpx

from collectors.rss import Settings
from tests.collectors.wire import NOW


class Feed:
    title = "rss"
    has_stars = False

    def __init__(self) -> None:
        self.items: dict[str, str] = {}

    @property
    def settings(self) -> Settings:
        return Settings(url="https://news.test/feed", kind="comment")

    def publish(self, text: str, at: datetime = NOW) -> str:
        number = f"item-{len(self.items) + 1}"
        self.items[number] = (
            f"<item><guid isPermaLink='false'>{number}</guid><title>Title</title>"
            f"<link>https://news.test/{number}</link><pubDate>{format_datetime(at)}</pubDate>"
            f"<description>{escape(escape(text))}</description></item>"
        )
        return number

    def publish_own(self) -> None:
        """A feed has no account of ours."""

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def error(self, status: int) -> bytes:
        return b"No."

    wrong_types = (b'{"items": []}', b"\x00\x01\x02", b"plain words")

    def serve(self, request: httpx.Request) -> httpx.Response:
        body = f"<rss version='2.0'><channel><title>t</title>{''.join(self.items.values())}</channel></rss>"
        return httpx.Response(
            200, content=body.encode(), headers={"Content-Type": "application/rss+xml; charset=utf-8"}
        )


Fake = Feed
