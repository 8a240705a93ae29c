"""A folder that files are dropped into, and what a whole mention is."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collectors.csv_folder import Folder, Settings
from desk.mention import Author, Mention
from desk.platform import Batch
from tests.collectors.wire import NOW, now

SINCE = NOW - timedelta(days=2)
LONG_AGO = NOW - timedelta(hours=1)


@dataclass
class Bench:
    path: Path
    folder: Folder = field(init=False)

    def __post_init__(self) -> None:
        self.opens()

    def opens(self, **settings: Any) -> None:
        self.folder = Folder(Settings(path=self.path, **settings), "bank", "bank-files", now)

    def drop(self, name: str, *lines: str, at: datetime = LONG_AGO, encoding: str = "utf-8") -> Path:
        return self.drop_bytes(name, "\r\n".join(lines).encode(encoding), at)

    def drop_bytes(self, name: str, data: bytes, at: datetime = LONG_AGO) -> Path:
        path = self.path / name
        path.write_bytes(data)
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    async def poll(self, cursor: str | None = None) -> Batch:
        return await self.folder.read(cursor, SINCE)

    async def read(self) -> list[Mention]:
        return (await self.poll()).mentions

    async def only(self, *lines: str, name: str = "a.csv") -> Mention:
        self.drop(name, *lines)
        batch = await self.poll()
        assert batch.note == ""
        (mention,) = batch.mentions
        return mention


WHOLE = {
    "id": "r-1",
    "url": "https://2gis.kz/almaty/firm/1",
    "text": "Slow",
    "published_at": "2026-11-24T08:15:00+05:00",
    "platform": "2GIS",
    "kind": "review",
    "author": {"id": 9, "name": "user_9", "url": "https://2gis.kz/u/9", "followers": 120, "kind": "customer"},
    "rating": 1,
    "lang": "ru",
    "reach": 300,
    "title": "Never again",
    "parent": {"id": "p1", "url": "https://2gis.kz/p1"},
    "place": {"id": "dostyk"},
    "item": "SKU 7",
    "media": ["https://2gis.kz/1.jpg", "https://2gis.kz/2.jpg"],
}


def flat(mention: dict[str, Any]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in mention.items():
        if isinstance(value, dict):
            cells |= {f"{name}_{part}": str(inner) for part, inner in value.items()}
        else:
            cells[name] = " ".join(value) if isinstance(value, list) else str(value)
    return cells


AUTHOR = Author("9", "user_9", "https://2gis.kz/u/9", 120, "customer")
SAID: dict[str, Any] = {
    "key": ("bank", "csv", "bank-files", "r-1"),
    "source": "bank-files",
    "site": "2gis",
    "kind": "review",
    "title": "Never again",
    "text": "Slow",
    "rating": 1,
    "lang": "ru",
    "published_at": datetime(2026, 11, 24, 3, 15, tzinfo=UTC),
    "author": AUTHOR,
    "parent_id": "p1",
    "parent_url": "https://2gis.kz/p1",
    "place": "dostyk",
    "item": "SKU 7",
    "reach": 300,
    "deleted": False,
    "media": ("https://2gis.kz/1.jpg", "https://2gis.kz/2.jpg"),
}


def said(mention: Mention) -> dict[str, Any]:
    return {name: getattr(mention, name) for name in SAID}
