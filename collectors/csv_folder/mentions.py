"""Rows as mentions."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from collectors.csv_folder.columns import Columns
from collectors.csv_folder.rows import Row, Table
from collectors.csv_folder.times import when
from collectors.manual import recognise
from collectors.records import first_fault
from collectors.text import scrubbed
from collectors.webhook import Parent, Pushed, PushedAuthor
from desk.mention import Author, Mention, MentionKey

NAME = "csv"
SAME = {"title", "text", "url", "rating", "lang", "item", "reach"}
"""Fields that a mention has by the same name."""


class Taken(NamedTuple):
    """`until`: the row they end before, None where that was all of them."""

    until: int | None
    mentions: list[Mention]
    faults: list[str]


@dataclass(frozen=True, slots=True)
class Maker:
    brand: str
    source: str
    zone: ZoneInfo | None
    columns: Columns

    def taken(self, table: Table, start: int, room: int, since: datetime | None) -> Taken:
        """Mentions from row `start` on, at most `room`. `since`: older rows stay out."""
        shared = self._shared(table.rows)
        mentions: list[Mention] = []
        faults: list[str] = []
        for number, row in enumerate(table.rows[start:], start):
            if len(mentions) >= room:
                return Taken(number, mentions, faults)
            try:
                mentions += self._mentions(row, shared, since)
            except ValidationError as error:
                faults.append(f"{table.called} {row.line}: {first_fault(error)}")
            except ValueError as error:
                faults.append(f"{table.called} {row.line}: {error}")
        return Taken(None, mentions, faults)

    def _shared(self, rows: Sequence[Row]) -> set[str]:
        """What several rows without an id are known by: that of a page, then, and not of a mention."""
        filled = [self.columns.filled(row.cells) for row in rows]
        counted = Counter(_place(one) for one in filled if "id" not in one)
        return {place for place, count in counted.items() if count > 1}

    def _mentions(self, row: Row, shared: set[str], since: datetime | None) -> list[Mention]:
        """The row's mention, or none where it is too old."""
        if row.fault:
            raise ValueError(row.fault)
        filled = self.columns.filled(row.cells)
        filled.setdefault("id", _identity(filled, shared))
        published = when(filled.pop("published_at", None), self.zone)
        if since and published.latest and published.latest < since:
            return []
        return [self._mention(Pushed.model_validate(filled), published.at, row.cells)]

    def _mention(self, pushed: Pushed, at: datetime | None, cells: Mapping[str, Any]) -> Mention:
        parent = pushed.parent or Parent()
        return Mention(
            key=MentionKey(self.brand, NAME, self.source, pushed.id),
            source=self.source,
            site=pushed.platform.lower() or recognise(pushed.url) or "",
            kind=pushed.kind or "review",
            author=Author(**(pushed.author or PushedAuthor()).model_dump()),
            published_at=at,
            place=pushed.place.id if pushed.place else "",
            media=tuple(pushed.media or ()),
            parent_id=parent.id,
            parent_url=parent.url,
            deleted=bool(pushed.deleted),
            raw=scrubbed(dict(cells)),
            **pushed.model_dump(include=SAME),
        )


def _identity(filled: Mapping[str, Any], shared: set[str]) -> str:
    place = _place(filled)
    words = [_author(filled), *(str(filled.get(name, "")) for name in ("published_at", "text"))]
    whole = place if place and place not in shared else "\x1f".join(words)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _place(filled: Mapping[str, Any]) -> str:
    """Address and author: another file may hold another review of the same page. "" where there is no address."""
    url = str(filled.get("url", ""))
    return "\x1f".join(filter(None, (url, _author(filled)))) if url else ""


def _author(filled: Mapping[str, Any]) -> str:
    """What is always told of them: how many follow them changes from export to export."""
    author = filled.get("author", "")
    return str(author.get("id") or author.get("name") or "") if isinstance(author, dict) else str(author)
