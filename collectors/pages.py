"""Lists that show the newest first and know no "since": read page by page until all is older than the cursor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from collectors.http import Now
from desk.errors import Gone, Refused
from desk.mention import Mention
from desk.platform import Batch

PAGES = 10
"""Pages of one poll; the rest waits for the next one, which goes on where this one ended."""


class Item(NamedTuple):
    """`changed`: when it was last written or answered. `mention`: None for what is none (the brand's own)."""

    changed: datetime
    mention: Mention | None


class Page(NamedTuple):
    """`next`: what asks for the page after it, "" where there is none. `note`: on what could not be read."""

    items: Sequence[Item]
    next: str = ""
    note: str = ""


class Cursor(BaseModel):
    """Newest change seen, time of the last poll, where an unfinished poll goes on, and where all of it began."""

    model_config = ConfigDict(frozen=True)

    until: AwareDatetime
    polled: AwareDatetime
    page: str = ""
    top: AwareDatetime | None = None
    since: AwareDatetime | None = None

    @classmethod
    def of(cls, stored: str | None, since: datetime) -> Cursor:
        return cls.model_validate_json(stored) if stored else cls(until=since, polled=since, since=since)

    def floor(self, overlap: timedelta) -> datetime:
        """What changed before it is known. Never before the beginning: of that the first poll alone is told quietly."""
        again = self.until - overlap
        return again if self.since is None else max(again, self.since)

    @property
    def begins(self) -> bool:
        """The very first reading has not come to its end."""
        return bool(self.page) and self.until == self.since

    def stored(self) -> str:
        return self.model_dump_json(exclude_defaults=True)


Read = Callable[[str], Awaitable[Page]]
"""A page by what its predecessor named; "" is the newest one. Refused or Gone: it is not taken any more."""


async def newest_first(
    read: Read, cursor: str | None, since: datetime, *, now: Now, overlap: timedelta, most: int = PAGES
) -> Batch:
    """Mentions changed after the cursor less `overlap`. `overlap` covers what a list sorts in late, and edits where
    nothing tells them: repeats are dropped later, by their fingerprint."""
    start, state = now(), Cursor.of(cursor, since)
    floor = state.floor(overlap)
    page, top = state.page, state.top or state.until
    mentions: list[Mention] = []
    notes: list[str] = []
    for _ in range(most):
        asked, shown = await _resumed(read, page)
        notes.append(shown.note)
        mentions += [item.mention for item in shown.items if item.mention is not None and item.changed >= floor]
        # A change dated in the future must not carry the cursor past all that is still to come.
        top = max([top, *(min(item.changed, start) for item in shown.items)])
        page = "" if shown.next == asked else shown.next  # one that names itself leads nowhere, now and for ever
        if not page or (shown.items and all(item.changed < floor for item in shown.items)):
            return Batch(mentions, Cursor(until=top, polled=start, since=state.since).stored(), joined(notes))
    unfinished = state.model_copy(update={"polled": start, "page": page, "top": top})
    return Batch(mentions, unfinished.stored(), joined(notes))


async def _resumed(read: Read, page: str) -> tuple[str, Page]:
    """That page with its mark; the newest one where the mark has grown too old."""
    try:
        return page, await read(page)
    except (Refused, Gone):
        if not page:
            raise
        return "", await read("")


def joined(notes: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))
