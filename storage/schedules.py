"""What happens by the calendar: polls, digests, housekeeping. Each slot becomes work once, whoever fires it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, func, or_, select, true, update

from desk.work import Prio, Work
from storage.store import SqlStore
from storage.tables import schedules

NextAt = Callable[[str, str, datetime], datetime]
"""(cron, time zone, after) -> the first moment later than `after`, aware."""


class Slot(NamedTuple):
    """A schedule's turn: `at` is when it was due, which may be a while ago."""

    name: str
    at: datetime


class Planned(NamedTuple):
    """A schedule by calendar or by interval; with `every` the first turn is now.

    `grace`: a turn missed by more is left out; None: it is made up for, once.
    """

    name: str
    cron: str = ""
    every: timedelta | None = None
    tz: str = "UTC"
    grace: timedelta | None = None

    def columns(self) -> dict[str, Any]:
        if bool(self.cron) == (self.every is not None):
            raise ValueError(f"{self.name}: either cron or every")
        every, grace = (None if one is None else one.total_seconds() for one in (self.every, self.grace))
        return {"cron": self.cron, "every": every, "tz": self.tz, "grace": grace}


class Schedules:
    """`next_at` knows calendars and daylight changes; this class knows what to do after a night switched off."""

    def __init__(self, store: SqlStore, next_at: NextAt) -> None:
        self._store = store
        self._next_at = next_at

    async def put(self, name: str, **how: Any) -> None:
        """Add or change one, as `Planned` has it."""
        await self.put_all([Planned(name, **how)])

    async def put_all(self, planned: Iterable[Planned]) -> None:
        """Add or change many in one transaction; where nothing changed, the next turn stays.

        Raises ValueError for one that has not either a calendar or an interval.
        """
        # By name: replicas that start together take the rows in the same order.
        wanted = {one.name: one.columns() for one in sorted(planned, key=lambda one: one.name)}
        async with self._store.write(Prio.PERSON) as unit:
            known = {row.name: row for row in await unit.rows(select(schedules).where(_among(wanted)))}
            for name, how in wanted.items():
                if name not in known or any(getattr(known[name], key) != value for key, value in how.items()):
                    first = unit.now if how["every"] else self._next_at(how["cron"], how["tz"], unit.now)
                    await unit.put(schedules, name=name, next_at=first, **how)

    async def keep(self, names: Iterable[str]) -> None:
        """Drop all others: sources and digests that left the configuration."""
        async with self._store.write(Prio.PERSON) as unit:
            await unit.db.execute(delete(schedules).where(schedules.c.name.not_in(list(names))))

    async def lacks(self, names: Collection[str]) -> bool:
        """Whether somebody dropped one of these: a replica that started with an older configuration."""
        async with self._store.database.reader.begin() as connection:
            found = await connection.execute(select(func.count()).select_from(schedules).where(_among(names)))
            return found.scalar_one() < len(set(names))

    async def next(self, names: Collection[str] | None = None) -> datetime | None:
        """When the earliest turn is due, of these schedules or of all."""
        async with self._store.write(Prio.PERSON) as unit:
            moment: datetime | None = await unit.value(select(func.min(schedules.c.next_at)).where(_among(names)))
            return moment

    async def fire_due(
        self, make_work: Callable[[Slot], Sequence[Work]], names: Collection[str] | None = None
    ) -> list[Slot]:
        """Turn what is due into work, each schedule at most once; returns the slots fired.

        `names`: those the caller knows to turn into work; others are left to a replica with a newer configuration.
        Moving `next_at` on and inserting the work are one transaction; another replica that does the same is skipped.
        """
        fired = []
        async with self._store.write(Prio.PERSON) as unit:
            due = or_(schedules.c.next_at <= unit.now, schedules.c.every.is_not(None))
            wanted = select(schedules).where(due, _among(names)).order_by(schedules.c.next_at)
            for row in await unit.rows(wanted.with_for_update(skip_locked=True)):
                if row.next_at > unit.now and not _set_back(row, unit.now):
                    continue
                slot, following = self._turn(row, unit.now)
                await unit.db.execute(update(schedules).where(schedules.c.name == row.name).values(next_at=following))
                if row.grace is None or (unit.now - slot.at).total_seconds() <= row.grace:
                    await unit.enqueue(*make_work(slot))
                    fired.append(slot)
        return fired

    def _turn(self, row: Any, now: datetime) -> tuple[Slot, datetime]:
        """The newest turn that is due, and the one after it: turns missed are one."""
        at = min(row.next_at, now)
        following = self._after(row, at)
        while following <= now:
            at, following = following, self._after(row, following)
        return Slot(row.name, at), following

    def _after(self, row: Any, moment: datetime) -> datetime:
        if row.every:
            return moment + timedelta(seconds=float(row.every))
        return self._next_at(row.cron, row.tz, moment)


def _among(names: Collection[str] | None) -> ColumnElement[bool]:
    return true() if names is None else schedules.c.name.in_(sorted(names))


def _set_back(row: Any, now: datetime) -> bool:
    """Whether the clock was: what comes every so often is never further ahead than one turn."""
    return bool(row.every) and row.next_at > now + timedelta(seconds=float(row.every))
