"""The clock: when a reply is due, which warning is next. Takes `now`, never reads it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from desk.case import UNANSWERED, Case, Round
from desk.rules import Sla

TARGET, LIMIT = "target", "limit"
LATE_DISCOVERY = timedelta(minutes=15)
"""Found later than this after publication, the delay is shown, and as ours."""


class Mark(NamedTuple):
    """A moment worth a word: a percentage of target ("50"), the target, or the limit."""

    name: str
    at: datetime


def marks(clock_at: datetime, sla: Sla) -> list[Mark]:
    """All marks of a round, earliest first."""
    warned = [Mark(str(pct), clock_at + sla.target * pct / 100) for pct in sla.warn_at]
    return sorted([*warned, Mark(TARGET, clock_at + sla.target), Mark(LIMIT, clock_at + sla.limit)], key=lambda m: m.at)


def planned(clock_at: datetime, sla: Sla, now: datetime) -> list[Mark]:
    """The marks to set timers for: those ahead, and of those behind only the highest (contract §4, Clock)."""
    all_marks = marks(clock_at, sla)
    passed = [m for m in all_marks if m.at <= now]
    return [*passed[-1:], *(m for m in all_marks if m.at > now)]


def ticking(case: Case) -> bool:
    return case.state in UNANSWERED and case.round.posted_at is None


def fires(case: Case, mark: str, sla: Sla, now: datetime) -> bool:
    """Whether this mark is to be announced: the highest one passed, and higher than any announced before."""
    if not ticking(case):
        return False
    passed = [m.name for m in marks(case.round.clock_at, sla) if m.at <= now]
    return bool(passed) and passed[-1] == mark and not _announced(case.round, mark, sla)


def _announced(round_: Round, mark: str, sla: Sla) -> bool:
    names = [m.name for m in marks(round_.clock_at, sla)]
    return round_.warned in names and names.index(round_.warned) >= names.index(mark)


class Clock(NamedTuple):
    """What people see. `left` is negative past the target; `found_late` is the desk's own delay, or None."""

    target_at: datetime
    limit_at: datetime
    left: timedelta
    stopped: bool
    reaction: timedelta | None
    target_met: bool | None
    limit_met: bool | None
    found_late: timedelta | None
    note: str


def clock(case: Case, sla: Sla, now: datetime) -> Clock:
    round_ = case.round
    target_at, limit_at = round_.clock_at + sla.target, round_.clock_at + sla.limit
    end = round_.posted_at
    late = round_.found_at - round_.clock_at
    return Clock(
        target_at=target_at,
        limit_at=limit_at,
        left=target_at - now,
        stopped=not ticking(case),
        reaction=None if end is None else end - round_.clock_at,
        target_met=_met(end, target_at, now),
        limit_met=_met(end, limit_at, now),
        found_late=late if late >= LATE_DISCOVERY else None,
        note=round_.clock_note,
    )


def _met(end: datetime | None, due: datetime, now: datetime) -> bool | None:
    """None while it is still open."""
    if end is None:
        return False if now > due else None
    return end <= due
