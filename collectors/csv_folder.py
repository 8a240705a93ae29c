"""A folder to drop exports into: tables (.csv) and JSON lines (.jsonl), one mention a row. Reads only."""

from __future__ import annotations

import asyncio
import codecs
import csv
import hashlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from collectors.http import Now, first_fault
from collectors.manual import NoReply, recognise
from collectors.pages import joined
from collectors.settings import SourceSettings
from collectors.text import scrubbed
from collectors.webhook import Parent, Pushed, PushedAuthor
from desk.errors import Refused
from desk.mention import Author, Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="csv",
    title="Files",
    every=timedelta(minutes=1),
    floor=timedelta(seconds=10),
    notes=(
        "Files ending in .csv or .jsonl, up to 10 MB each; fields are those of the webhook's body, and author_name, "
        "author_id, author_url, author_followers, author_kind, parent_id and parent_url as columns of their own.",
        "Save Excel sheets as .csv: .xlsx is not read.",
        "A row without id is known by its url or, where several rows share that, by author, time and text.",
        "A date without a time of day only keeps old rows out: the clock starts when the row is found.",
    ),
)

LARGEST = 10 * 1024 * 1024
ROWS = 1_000
"""Mentions of one poll; the next one goes on in the same file."""
STILL = 2.0
"""Seconds without a change after which a file counts as whole."""
FAULTS, FILES = 3, 10
"""How many rows of a file, and how many files, a note tells of."""
SHEETS = {".xlsx", ".xls", ".ods"}
SEPARATORS = ",;\t|"

NESTED = {
    "author": ("author", "name"),
    "parent": ("parent", "id"),
    "place": ("place", "id"),
    **{f"author_{part}": ("author", part) for part in PushedAuthor.model_fields},
    **{f"parent_{part}": ("parent", part) for part in Parent.model_fields},
    "place_id": ("place", "id"),
}
"""A column's name to the field inside a field."""
FIELDS = {*Pushed.model_fields, *NESTED}
NEEDED = {"text", "rating", "deleted"}
SAME = {"title", "text", "url", "rating", "lang", "item", "reach", "deleted"}
"""Fields that a mention has by the same name."""

DOTTED = re.compile(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})")
SHORT_HOUR = re.compile(r"(?<=[ T])(\d):")


def _from_config(path: Path, info: ValidationInfo) -> Path:
    """Relative to the folder of config.toml. It need not exist yet."""
    folder = getattr(info.context, "folder", None)
    path = path.expanduser()
    return folder / path if isinstance(folder, Path) else path


class Settings(SourceSettings):
    path: Annotated[Path, AfterValidator(_from_config)] = Field(
        title="Folder", description="Where exports are dropped, ending in .csv or .jsonl; files in it are only read"
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


class Seen(BaseModel):
    """A file as it was last read. `taken`: rows brought so far, None where that was all of them. `early`: it was there
    at the first poll."""

    model_config = ConfigDict(frozen=True)

    size: int = -1
    mtime: int = 0
    sha: str = ""
    taken: int | None = 0
    early: bool = False

    def is_done(self, stat: os.stat_result) -> bool:
        return self.taken is None and (self.size, self.mtime) == (stat.st_size, stat.st_mtime_ns)


class Cursor(BaseModel):
    """Files by name. `shape`: of the settings they were read with. `since`: older rows of early files stay out."""

    since: AwareDatetime
    shape: str = ""
    files: dict[str, Seen] = {}

    def known(self, shape: str) -> dict[str, Seen]:
        """Nothing but their names where other columns or another zone may bring rows that could not be read before."""
        if shape == self.shape:
            return self.files
        return {name: Seen(early=seen.early) for name, seen in self.files.items()}


class Row(NamedTuple):
    """`fault`: why it is none."""

    line: int
    cells: Mapping[str, Any]
    fault: str = ""


class When(NamedTuple):
    """`latest`: the last moment it may have been, where only the day is known."""

    at: datetime | None = None
    latest: datetime | None = None


class Step(NamedTuple):
    """What one file gave."""

    seen: Seen
    mentions: Sequence[Mention] = ()
    note: str = ""


class Unreadable(Exception):
    """A file that gives no rows; the text says what to do."""


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Folder:
    return Folder(settings, brand, source, now)


class Folder(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, now: Now) -> None:
        # The folder may move: the source's key is what stays.
        self.account = source
        self._settings = settings
        self._path = settings.path
        self._theirs = {theirs.strip().casefold(): ours for ours, theirs in settings.columns.items()}
        self._brand = brand
        self._now = now
        shape = settings.model_dump_json(include={"columns", "timezone", "separator"})
        self._shape = hashlib.sha256(shape.encode()).hexdigest()[:8]

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await asyncio.to_thread(self._read, cursor, since)

    def _read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.model_validate_json(cursor) if cursor else Cursor(since=since)
        known, unknown = state.known(self._shape), Seen(early=cursor is None)
        mentions: dict[MentionKey, Mention] = {}
        notes: list[str] = []
        files: dict[str, Seen] = {}
        for path in self._files():
            step = self._step(path, known.get(path.name, unknown), ROWS - len(mentions), state.since)
            mentions |= {mention.key: mention for mention in step.mentions}
            notes += [step.note] if step.note else []
            files[path.name] = step.seen
        after = Cursor(since=state.since, shape=self._shape, files=files)
        return Batch([*mentions.values()], after.model_dump_json(exclude_defaults=True), joined(notes[:FILES]))

    def _files(self) -> list[Path]:
        """Those that may be read, the oldest first: what a later export says of a mention comes after."""
        try:
            return sorted(filter(_is_ours, self._path.iterdir()), key=lambda path: (_changed(path), path.name))
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
            return Step(seen, note=f"{path.name}: cannot be read ({error.strerror})")

    def _fresh(self, path: Path, stat: os.stat_result, seen: Seen, room: int, since: datetime) -> Step:
        done = Seen(size=stat.st_size, mtime=stat.st_mtime_ns, taken=None, early=seen.early)
        try:
            data = _content(path, stat)
            done = done.model_copy(update={"sha": hashlib.sha256(data).hexdigest()[:16]})
            start = seen.taken if seen.sha == done.sha else 0
            if start is None:
                return Step(done)
            rows = [*READERS[path.suffix.lower()](_decoded(data), self._settings.separator)]
            self._check_columns(rows)
        except Unreadable as error:
            return Step(done, note=f"{path.name}: {error}")
        taken, mentions, faults = self._taken(rows, start, room, since if seen.early else None)
        return Step(done.model_copy(update={"taken": taken}), mentions, _told(path.name, faults))

    def _check_columns(self, rows: list[Row]) -> None:
        cells = [row.cells for row in rows if row.cells]
        if cells and not any(NEEDED & {self._field(header) for header in one} for one in cells):
            found = ", ".join(cells[0])[:200]
            raise Unreadable(f"no column is named text or rating; name them in columns (it has {found})")

    def _taken(
        self, rows: list[Row], start: int, room: int, since: datetime | None
    ) -> tuple[int | None, list[Mention], list[str]]:
        """Mentions from row `start` on, at most `room`; the row they end before, or None; faults."""
        shared = self._shared(rows)
        mentions: list[Mention] = []
        faults: list[str] = []
        for number, row in enumerate(rows[start:], start):
            if len(mentions) >= room:
                return number, mentions, faults
            try:
                mentions += self._mentions(row, shared, since)
            except ValidationError as error:
                faults.append(f"line {row.line}: {first_fault(error)}")
            except ValueError as error:
                faults.append(f"line {row.line}: {error}")
        return None, mentions, faults

    def _mentions(self, row: Row, shared: set[str], since: datetime | None) -> list[Mention]:
        """The row's mention, or none where it is older than what the first poll asks for."""
        if row.fault:
            raise ValueError(row.fault)
        filled = self._filled(row.cells)
        filled.setdefault("id", _identity(filled, shared))
        when = _when(filled.pop("published_at", None), self._settings.zone)
        if since and when.latest and when.latest < since:
            return []
        return [self._mention(Pushed.model_validate(filled), when.at, row.cells)]

    def _shared(self, rows: list[Row]) -> set[str]:
        """Addresses that several rows without an id have: of a page, then, and not of a mention."""
        filled = [self._filled(row.cells) for row in rows]
        counted = Counter(str(one.get("url", "")) for one in filled if "id" not in one)
        return {url for url, count in counted.items() if count > 1}

    def _field(self, header: str) -> str:
        named = header.strip().casefold()
        return self._theirs.get(named, named)

    def _filled(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """The cells that say something, by our fields."""
        filled: dict[str, Any] = {}
        for header, value in cells.items():
            name = self._field(header)
            said = value.strip() if isinstance(value, str) else value
            if said in (None, ""):
                continue
            if name in NESTED and not isinstance(said, dict):
                whole, part = NESTED[name]
                filled[whole] = {**filled.get(whole, {}), part: said}
            else:
                filled[name] = FORMS[name](said) if name in FORMS and isinstance(said, str) else said
        return filled

    def _mention(self, pushed: Pushed, at: datetime | None, cells: Mapping[str, Any]) -> Mention:
        parent = pushed.parent or Parent()
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, pushed.id),
            source=self.account,
            site=pushed.platform.lower() or recognise(pushed.url) or "",
            kind=pushed.kind or "review",
            author=Author(**(pushed.author or PushedAuthor()).model_dump()),
            published_at=at,
            place=pushed.place.id if pushed.place else "",
            media=tuple(pushed.media or ()),
            parent_id=parent.id,
            parent_url=parent.url,
            raw=scrubbed(dict(cells)),
            **pushed.model_dump(include=SAME),
        )


def _is_ours(path: Path) -> bool:
    """No hidden file, nor the lock (~$name) that office programs lay beside an open one."""
    known = path.suffix.lower() in {*READERS, *SHEETS}
    return known and not path.name.startswith((".", "~$")) and path.is_file()


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # moved away just now
        return 0


def _content(path: Path, stat: os.stat_result) -> bytes:
    if path.suffix.lower() in SHEETS:
        raise Unreadable("sheets are not read; save it as .csv (UTF-8)")
    if stat.st_size > LARGEST:
        raise Unreadable(f"larger than {LARGEST // 1024 // 1024} MB; split it")
    with path.open("rb") as file:
        return file.read(LARGEST)


def _decoded(data: bytes) -> str:
    """Excel's "Unicode text" is UTF-16 and says so; its plain .csv is in the code page of the country."""
    encodings = ("utf-16",) if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ("utf-8-sig", "cp1251")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable("neither UTF-8 nor windows-1251; save it as UTF-8")


def _table(text: str, separator: str | None) -> Iterator[Row]:
    # Strict, because a quote left open would otherwise swallow the rows after it without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator or _guessed(text), strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, {}, str(error))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = cells
        elif any(cells[len(header) :]):
            yield Row(line, {}, f"{len(cells)} cells, but {len(header)} headers: is a text not in quotes?")
        else:
            yield Row(line, dict(zip(header, cells, strict=False)))


def _guessed(text: str) -> str:
    """By the headers, as texts below them hold separators of their own: the most frequent, or what the sniffer says."""
    headers = next((line for line in text.splitlines() if line.strip()), "")
    try:
        sniffed = csv.Sniffer().sniff(headers, delimiters=SEPARATORS).delimiter
    except csv.Error:
        sniffed = SEPARATORS[0]
    return max(SEPARATORS, key=lambda one: (headers.count(one), one == sniffed))


def _objects(text: str, _separator: str | None) -> Iterator[Row]:
    # Not splitlines(): U+2028 may stand inside a JSON text.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            yield Row(number, {}, "is not JSON")
            continue
        yield Row(number, found) if isinstance(found, dict) else Row(number, {}, "is not a JSON object")


READERS: dict[str, Callable[[str, str | None], Iterator[Row]]] = {".csv": _table, ".jsonl": _objects}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _stars(given: str) -> Any:
    """`4,0` and `4.6` as whole stars; anything else is left to be refused."""
    try:
        return int(float(given.replace(",", ".")) + 0.5)
    except (ValueError, OverflowError):
        return given


FORMS: dict[str, Callable[[str], Any]] = {"rating": _stars, "media": re.compile(r"[\s;|]+").split, "kind": str.lower}
"""What a cell of a table is made into; JSON has its own forms."""


def _identity(filled: Mapping[str, Any], shared: set[str]) -> str:
    url = str(filled.get("url", ""))
    words = [str(filled.get(name, "")) for name in ("author", "published_at", "text")]
    whole = "\x1f".join([url] if url and url not in shared else words)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _when(value: Any, zone: ZoneInfo | None) -> When:
    """ISO 8601, or days as 21.11.2026. Raises ValueError for other forms, and for a time that no zone is known of."""
    if value is None:
        return When()
    written = DOTTED.sub(lambda m: f"{m[3]}-{m[2]:0>2}-{m[1]:0>2}", str(value))
    try:
        return When(None, datetime.combine(date.fromisoformat(written), time.max, zone or UTC) + timedelta(days=1))
    except (ValueError, OverflowError):
        return _moment(SHORT_HOUR.sub(r"0\1:", written), zone)


def _moment(written: str, zone: ZoneInfo | None) -> When:
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("published_at: must be a time such as 2026-11-22T08:15:00Z or 22.11.2026 08:15") from None
    if at.tzinfo is None and zone is None:
        raise ValueError("published_at: names no zone; set timezone in the source's settings")
    try:
        at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ValueError("published_at: is out of range") from None
    return When(at, at)


def _told(name: str, faults: list[str]) -> str:
    if not faults:
        return ""
    more = f" (and {len(faults) - FAULTS} more rows)" if len(faults) > FAULTS else ""
    return f"{name}: {', '.join(faults[:FAULTS])}{more}"
