"""Timers: a mark of the clock has come. The case is read again; too late, and nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from desk import actions as a
from desk.decide import decide
from desk.ports import Directory, Done, Drop, Unit, Verdicts
from desk.service import apply
from desk.sla import fires
from desk.work import LEASES, Row


@dataclass(frozen=True, slots=True)
class Warnings:
    """Job of kind "warn". After a stop only the highest mark that passed is announced, once (contract §4)."""

    directory: Callable[[], Directory]
    lease: timedelta = LEASES["plain"]

    async def fetch(self, row: Row) -> None:
        return None

    async def apply(self, unit: Unit, row: Row, fetched: None) -> Verdicts:
        case = await unit.case(row.payload["case"])
        rules = self.directory().rules(case.brand, case.mention.key.platform)
        mark = row.payload["mark"]
        if rules is None or case.round.n != row.payload["round"] or not fires(case, mark, rules.sla, unit.now):
            return Drop("moot")
        await apply(unit, decide(case, a.Warn(mark=mark), unit.now, rules))
        return Done()

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return None
