"""One row a round, with the columns of contract §8, as .csv, .xlsx or .jsonl."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from desk.actions import DISMISSALS
from desk.case import Case, Event, Reply, Round, State
from desk.ports import CaseRow, Reader
from desk.rules import Rules
from desk.stats import reaction

# fmt: off
COLUMNS = (
    "case", "round", "client", "brand", "place", "platform", "source", "kind", "external_id", "url", "author_id",
    "author_name", "rating", "lang", "tone", "tone_score", "published_at", "found_at", "carded_at", "taken_at",
    "drafted_at", "sent_at", "approved_at", "posted_at", "visible_at", "closed_at", "state", "owner", "approver",
    "versions", "returns", "return_reasons", "reaction_seconds", "target_met", "limit_met", "reply_text", "reply_url",
    "reply_external_id", "outcome", "satisfied", "reach", "loss",
)
# fmt: on

STAGES = tuple(name for name in COLUMNS if name.endswith("_at") and name != "published_at")

WINDOW = timedelta(days=31)
"""Read at a time, so that years of rounds need no more memory than a month."""

ENOUGH = 50
"""Rows between two calls of `progress`."""

Line = dict[str, Any]
RulesOf = Callable[[str, str], Rules | None]
Progress = Callable[[int], None]


class UnknownFormat(ValueError):
    """A file name that ends in nothing this version can write: a fault of usage."""


def check_name(path: Path) -> None:
    """Raises UnknownFormat. To be asked before anything is read."""
    if path.suffix not in SINKS:
        raise UnknownFormat(f"{path.name}: end the name in {ENDINGS}")


# rows


async def rows(
    reader: Reader, since: datetime, until: datetime, rules_of: RulesOf, now: datetime
) -> AsyncIterator[Line]:
    """Rounds of the reader's scope whose clock began, or that were posted or closed, in [since, until), each once;
    by case within a month.

    Values are str, int, float, bool or None, times RFC 3339 in UTC. `now` decides what is overdue.
    """
    seen: set[tuple[int, int]] = set()
    begin = max(since, await reader.first_round() or until)
    while begin < until:
        end = min(begin + WINDOW, until)
        for row in await reader.rounds(begin, end):
            if (row.case.id, row.round) not in seen:
                seen.add((row.case.id, row.round))
                yield await _line(reader, row, rules_of, now)
        begin = end


async def _line(reader: Reader, row: CaseRow, rules_of: RulesOf, now: datetime) -> Line:
    case, round_ = row.case, row.case.rounds[row.round - 1]
    told = len(case.rounds) > 1 or round_.approved_at is not None
    events = await reader.events(case.id) if told else []
    line = {
        **_about(case),
        **_spent(round_),
        "case": case.id,
        "round": round_.n,
        "tone": row.tone,
        "tone_score": row.score,
        "state": _state(case, round_),
        "owner": case.owner if round_ is case.round else _owner(events, round_.n),
        "approver": ", ".join(_approvers(events, round_)),
        "versions": _versions(case, round_),
        **_met(case, round_, rules_of, now),
        **_reply(_reply_of(case, round_)),
        "loss": None,
    }
    return {name: line[name] for name in COLUMNS}


def _about(case: Case) -> Line:
    mention = case.mention
    return {
        "client": case.client,
        "brand": case.brand,
        "place": mention.place,
        "platform": mention.platform_shown,
        "source": mention.source,
        "kind": mention.kind,
        "external_id": mention.key.external_id,
        "url": mention.url,
        "author_id": mention.author.id,
        "author_name": mention.author.name,
        "rating": mention.rating,
        "lang": mention.lang,
        "published_at": _utc(mention.published_at),
        "reach": mention.reach,
    }


def _spent(round_: Round) -> Line:
    taken = reaction(round_)
    return {
        **{name: _utc(getattr(round_, name)) for name in STAGES},
        "returns": round_.returns,
        "return_reasons": "; ".join(round_.return_reasons),
        "reaction_seconds": None if taken is None else int(taken.total_seconds()),
        "outcome": round_.outcome,
        "satisfied": round_.satisfied,
    }


def _utc(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _state(case: Case, round_: Round) -> str:
    """Of an earlier round: the state it ended in."""
    if round_ is case.round:
        return case.state.value
    if _dismissed(round_):
        return State.DISMISSED.value
    if round_.outcome:
        return State.CLOSED.value
    return State.ANSWERED.value if round_.posted_at else ""


def _dismissed(round_: Round) -> bool:
    return round_.outcome in (*DISMISSALS, "client_declined")


def _owner(events: Sequence[Event], n: int) -> str:
    """Who had the case when round `n` ended."""
    owner = ""
    for event in events:
        if event.round <= n:
            owner = OWNS.get(event.kind, _same)(owner, event)
    return owner


def _same(owner: str, event: Event) -> str:
    return owner


def _first(owner: str, event: Event) -> str:
    return owner or ("" if event.data.get("ai") else event.actor)


OWNS: dict[str, Callable[[str, Event], str]] = {
    "taken": lambda owner, event: event.actor,
    "escalated": lambda owner, event: str(event.data["to"]),
    "handed_over": lambda owner, event: str(event.data["to"]),
    "drafted": _first,
    "correcting": _first,
    "reopened": _first,
    "came_back": lambda owner, event: "",
}


def _approvers(events: Sequence[Event], round_: Round) -> list[str]:
    """Who approved the text that was approved last in this round."""
    mine = [event for event in events if event.round == round_.n]
    version = next((e.data["version"] for e in reversed(mine) if e.kind == "approved"), None)
    given = (e.actor for e in mine if e.kind == "approval" and e.data["version"] == version)
    return list(dict.fromkeys(given))


def _versions(case: Case, round_: Round) -> int:
    later = case.rounds[round_.n :]
    end = later[0].first_version if later else case.n + 1
    return sum(1 for version in case.versions if round_.first_version <= version.n < end)


def _met(case: Case, round_: Round, rules_of: RulesOf, now: datetime) -> Line:
    """Empty while it is open, and where no reply was due any more before the time was up."""
    rules = rules_of(case.brand, case.mention.key.platform)
    if rules is None:
        return {"target_met": None, "limit_met": None}
    dropped = _dismissed(round_) or (round_ is case.round and case.state is State.DELETED)
    due = {"target_met": round_.clock_at + rules.sla.target, "limit_met": round_.clock_at + rules.sla.limit}
    return {name: _in_time(round_, at, dropped, now) for name, at in due.items()}


def _in_time(round_: Round, due: datetime, dropped: bool, now: datetime) -> bool | None:
    if round_.posted_at is not None:
        return round_.posted_at <= due
    return False if not dropped and (round_.closed_at or now) > due else None


def _reply_of(case: Case, round_: Round) -> Reply | None:
    return next((reply for reply in reversed(case.replies) if reply.round == round_.n), None)


def _reply(reply: Reply | None) -> Line:
    if reply is None:
        return dict.fromkeys(("reply_text", "reply_url", "reply_external_id"))
    return {"reply_text": reply.text, "reply_url": reply.url, "reply_external_id": reply.external_id}


# files


async def write(path: Path, lines: AsyncIterable[Line], progress: Progress = lambda count: None) -> int:
    """Write the rows as they come; returns how many. The file is there whole or not at all. Raises UnknownFormat."""
    check_name(path)
    count = 0
    with _whole(path) as part, SINKS[path.suffix](part) as put:
        async for line in lines:
            put(line)
            count += 1
            if count % ENOUGH == 0:
                progress(count)
    progress(count)
    return count


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.touch()  # a folder that is not there is told before anything is read
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


Put = Callable[[Line], object]


def _text(part: Path) -> TextIO:
    """What cannot be written as UTF-8, half of an emoji for example, becomes a question mark."""
    return part.open("w", encoding="utf-8", errors="replace", newline="")


@contextmanager
def _jsonl(part: Path) -> Iterator[Put]:
    with _text(part) as file:
        yield lambda line: file.write(json.dumps(line, ensure_ascii=False) + "\n")


@contextmanager
def _csv(part: Path) -> Iterator[Put]:
    """RFC 4180: CRLF, quotes doubled."""
    with _text(part) as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        yield lambda line: writer.writerow([cell(line[name]) for name in COLUMNS])


@contextmanager
def _xlsx(part: Path) -> Iterator[Put]:
    from bot.reports.sheet import Book  # slow to import, and most exports are none

    book = Book("Rounds", COLUMNS, FORMULA)
    try:
        yield lambda line: book.put([line[name] for name in COLUMNS])
    except BaseException:
        book.drop()
        raise
    book.save(part)


SINKS: dict[str, Callable[[Path], AbstractContextManager[Put]]] = {".csv": _csv, ".xlsx": _xlsx, ".jsonl": _jsonl}
ENDINGS = ".csv, .xlsx or .jsonl"

FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def cell(value: Any) -> str:
    """A value as a cell. Foreign text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text
