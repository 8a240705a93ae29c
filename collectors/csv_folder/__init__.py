"""A folder to drop exports into: tables (.csv), workbooks (.xlsx) and JSON lines (.jsonl), one mention a row. Reads
only."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from collectors.csv_folder.columns import FIELDS, Columns
from collectors.csv_folder.cursor import Cursor, Seen
from collectors.csv_folder.files import changed, content, digest, is_ours, named, resumed, table
from collectors.csv_folder.mentions import NAME, Maker
from collectors.csv_folder.rows import Table, Unreadable
from collectors.http import Now
from collectors.manual import NoReply
from collectors.pages import joined
from collectors.settings import CommonSettings, FolderPath
from collectors.webhook import Pushed
from desk.errors import Refused
from desk.mention import Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name=NAME,
    title="Files",
    every=timedelta(minutes=1),
    floor=timedelta(seconds=10),
    notes=(
        "Files ending in .csv, .xlsx or .jsonl, up to 10 MB each; fields are those of the webhook's body, and "
        "author_name, author_id, author_url, author_followers, author_kind, parent_id and parent_url as columns of "
        "their own.",
        "Of an .xlsx the first sheet that has the columns is read, up to 20,000 rows; hidden sheets are not. A formula "
        "says what it gave when the file was saved. A merged cell counts for its first row.",
        "A row without id is known by its url and author or, where several rows share those, by author, time and text.",
        "A date without a time of day only keeps old rows out: the clock starts when the row is found.",
    ),
)

ROWS = 1_000
"""Mentions of one poll; the next one goes on in the same file."""
STILL = 2.0
"""Seconds without a change after which a file counts as whole."""
FAULTS, NOTES = 3, 600
"""How many rows of a file a note tells of, and after how many characters of notes other files wait for the next poll: a
note is told once, in one message."""


class Settings(CommonSettings):
    path: FolderPath = Field(
        title="Folder",
        description="Where exports are dropped, ending in .csv, .xlsx or .jsonl; files in it are only read",
    )
    columns: dict[str, str] = Field(
        {}, title="Columns", description="Our field to the header in the files, where they differ"
    )
    timezone: str | None = Field(
        None, title="Time zone", description="Of times that name none, such as Asia/Almaty; without it they are refused"
    )
    separator: str | None = Field(
        None, title="Separator", description='Between the cells of a .csv, "tab" for a tabulator; guessed if absent'
    )

    @field_validator("columns")
    @classmethod
    def _are_fields(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value) - FIELDS)
        if unknown:
            raise ValueError(f"there is no field {unknown[0]}; there are {', '.join(sorted(Pushed.model_fields))}")
        return value

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        try:
            return value and ZoneInfo(value).key
        except (LookupError, ValueError, OSError):
            raise ValueError("must be the name of a time zone, such as Asia/Almaty") from None

    @field_validator("separator")
    @classmethod
    def _is_one_character(cls, value: str | None) -> str | None:
        given = "\t" if value == "tab" else value
        if given is not None and (len(given) != 1 or given.isalnum() or given in '"\r\n'):
            raise ValueError('must be one character such as ";", or "tab"')
        return given

    @property
    def zone(self) -> ZoneInfo | None:
        return ZoneInfo(self.timezone) if self.timezone else None


class Step(NamedTuple):
    """What one file gave. `unread`: it could not be opened."""

    seen: Seen
    mentions: Sequence[Mention] = ()
    note: str = ""
    unread: bool = False


class Kept(NamedTuple):
    """A file of which rows are still to come: a workbook takes seconds to read, and is brought over many polls."""

    name: str
    sha: str
    table: Table


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Folder:
    return Folder(settings, brand, source, now)


class Folder(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, now: Now) -> None:
        # The folder may move: the source's key is what stays.
        self.account = source
        self._path = settings.path
        self._separator = settings.separator
        self._columns = Columns.named(settings.columns)
        self._maker = Maker(brand, source, settings.zone, self._columns)
        self._now = now
        self._kept: Kept | None = None
        shape = settings.model_dump_json(include={"columns", "timezone", "separator"})
        self._shape = hashlib.sha256(shape.encode()).hexdigest()[:8]

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await asyncio.to_thread(self._read, cursor, since)

    def _read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.model_validate_json(cursor) if cursor else Cursor(since=since)
        known, unknown = state.known(self._shape), Seen(early=cursor is None)
        mentions: dict[MentionKey, Mention] = {}
        notes: list[str] = []
        locked: list[str] = []
        files: dict[str, Seen] = {}
        for path in self._files():
            room = ROWS - len(mentions) if sum(map(len, notes)) < NOTES else 0
            step = self._step(path, known.get(named(path), unknown), room, state.since)
            mentions |= {mention.key: mention for mention in step.mentions}
            # A file that cannot be opened is told with each poll, and must not keep others waiting.
            (locked if step.unread else notes).append(step.note[:NOTES])
            files[named(path)] = step.seen
        # Of an empty folder nothing is forgotten: a disk of another machine may be away, and come back with old rows.
        after = Cursor(since=state.since, shape=self._shape, files=files or known)
        return Batch(
            [*mentions.values()], after.model_dump_json(exclude_defaults=True), joined([*notes, joined(locked)[:NOTES]])
        )

    def _files(self) -> list[Path]:
        """Those that may be read, the oldest first: what a later export says of a mention comes after."""
        try:
            return sorted(filter(is_ours, self._path.iterdir()), key=lambda path: (changed(path), path.name))
        except FileNotFoundError:
            raise Refused(f"{CARD.title}: there is no folder {self._path}; create it") from None
        except NotADirectoryError:
            raise Refused(f"{CARD.title}: {self._path} is a file; name the folder it is in") from None
        except OSError as error:
            raise Refused(f"{CARD.title}: the folder {self._path} cannot be read ({error.strerror})") from None

    def _step(self, path: Path, seen: Seen, room: int, since: datetime) -> Step:
        try:
            stat = path.stat()
            being_written = abs(self._now().timestamp() - stat.st_mtime) < STILL
            if seen.is_done(stat) or being_written or room <= 0:
                return Step(seen)
            return self._fresh(path, stat, seen, room, since)
        except OSError as error:
            return Step(seen, note=f"{named(path)}: cannot be read ({error.strerror})", unread=True)

    def _fresh(self, path: Path, stat: os.stat_result, seen: Seen, room: int, since: datetime) -> Step:
        done = Seen(size=stat.st_size, mtime=stat.st_mtime_ns, taken=None, early=seen.early)
        try:
            data = content(path, stat)
            done = done.model_copy(update={"sha": digest(data)})
            start = resumed(path, data, seen)
            if start is None:
                return Step(done)
            found = self._table(path, data, done.sha)
        except Unreadable as error:
            return Step(done, note=f"{named(path)}: {error}")
        taken = self._maker.taken(found, start, room, since if seen.early else None)
        self._kept = None if taken.until is None else Kept(path.name, done.sha, found)
        name = named(path)
        notes = _told(name, [found.note] if found.note and not start else []), _told(name, taken.faults)
        seen = done.model_copy(update={"taken": taken.until, "rows": len(found.rows)})
        return Step(seen, taken.mentions, joined(notes))

    def _table(self, path: Path, data: bytes, sha: str) -> Table:
        kept = self._kept
        if kept and (kept.name, kept.sha) == (path.name, sha):
            return kept.table
        return table(path, data, self._columns, self._separator)


def _told(name: str, faults: list[str]) -> str:
    if not faults:
        return ""
    more = f" (and {len(faults) - FAULTS} more rows)" if len(faults) > FAULTS else ""
    return f"{name}: {', '.join(faults[:FAULTS])}{more}"
