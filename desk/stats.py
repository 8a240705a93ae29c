"""Figures of a time: computed from rounds, shown by digests and reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from desk.case import FINISHED, Case, Round, State
from desk.ports import CaseRow
from desk.rules import Sla


class Day(NamedTuple):
    """From one digest to the next, in UTC; 23 or 25 hours long where the clocks change."""

    date: date
    since: datetime
    until: datetime


def digest_day(local: date, at: time, zone: str) -> Day:
    """The day that a digest sent on `local` at `at` looks back on."""
    there = ZoneInfo(zone)
    start = datetime.combine(local - timedelta(days=1), at, there)
    end = datetime.combine(local, at, there)
    return Day(local, start.astimezone(UTC), end.astimezone(UTC))


SlaOf = Callable[[Case], Sla]


@dataclass(frozen=True, slots=True)
class Figures:
    """`inside`: answered within target, of `answered`. `median`: from publication to the first public reply."""

    new: int
    answered: int
    inside: int
    median: timedelta | None
    overdue: tuple[Case, ...]
    waiting_staff: tuple[Case, ...]
    waiting_client: tuple[Case, ...]

    @property
    def quiet(self) -> bool:
        return not (self.new or self.answered or self.waiting_staff or self.waiting_client)


def figures(
    rows: Iterable[CaseRow], open_cases: Sequence[Case], sla: SlaOf, since: datetime, until: datetime
) -> Figures:
    rounds = [(row.case, row.case.rounds[row.round - 1]) for row in rows]
    answered = [(c, t) for c, r in rounds if (t := reaction(r)) is not None and since <= r.clock_at + t < until]
    return Figures(
        new=sum(1 for _, r in rounds if since <= r.found_at < until),
        answered=len(answered),
        inside=sum(1 for case, taken in answered if taken <= sla(case).target),
        median=_median([taken for _, taken in answered]),
        overdue=tuple(c for c in open_cases if _overdue(c, sla(c), until)),
        waiting_staff=tuple(c for c in open_cases if c.state in WAIT_FOR_STAFF or c.unknown),
        waiting_client=tuple(c for c in open_cases if c.state is State.IN_APPROVAL),
    )


WAIT_FOR_STAFF = frozenset({State.NEW, State.IN_WORK, State.MANUAL, State.FAILED})


def _overdue(case: Case, sla: Sla, now: datetime) -> bool:
    return case.state not in FINISHED and case.round.posted_at is None and case.round.clock_at + sla.target < now


def _median(lengths: list[timedelta]) -> timedelta | None:
    return timedelta(seconds=median(t.total_seconds() for t in lengths)) if lengths else None


def reaction(round_: Round) -> timedelta | None:
    return None if round_.posted_at is None else round_.posted_at - round_.clock_at
