"""Replies as records of the account's repository: the key of one, and what is written under it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from collectors.bluesky.shapes import Post
from desk.mention import Mention

POST = "app.bsky.feed.post"
DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
SPREAD = 60_000_000
EPOCH = datetime.fromtimestamp(0, UTC)


def record_key(mention: Mention, text: str, key: str) -> str:
    """The reply's key, the same for the same reply: a second attempt is no second post.

    Posts have keys made of a time (a TID: 53 bits of microseconds, 10 bits of a clock's number). Ours is the mention's
    own time and up to a minute, by what is answered and how.
    """
    digest = hashlib.sha256("\x1f".join((mention.key.external_id, key, text)).encode()).digest()
    moment = ((mention.published_at or EPOCH) - EPOCH) // timedelta(microseconds=1)
    moment += int.from_bytes(digest[:8], "big") % SPREAD
    number = (moment << 10 | int.from_bytes(digest[8:10], "big") % 1024) % 2**63
    return "".join(DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def reply_to(parent: Post, text: str, now: datetime) -> dict[str, Any]:
    root = parent.record.reply.root if parent.record.reply else parent.ref
    return {
        "$type": POST,
        "text": text,
        "createdAt": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reply": {"root": root.model_dump(), "parent": parent.ref.model_dump()},
    }
