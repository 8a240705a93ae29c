"""Suggest reply: the drafter's text becomes a version like any other and goes nowhere without a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from desk import actions as a
from desk.case import Case
from desk.decide import decide
from desk.errors import DeskError, NotAllowed, Retry
from desk.platform import problems
from desk.ports import Directory, Done, Drafter, Drop, Store, Unit, Verdicts
from desk.posting import reason
from desk.rules import Rules
from desk.scope import configured
from desk.service import apply
from desk.work import LEASES, Row


@dataclass(frozen=True, slots=True)
class Suggest:
    """Job of kind "suggest"."""

    store: Store
    directory: Callable[[], Directory]
    drafter: Drafter
    lease: timedelta = LEASES["ai"]

    async def fetch(self, row: Row) -> str:
        directory = self.directory()
        async with self.store.read(configured(directory)) as reader:
            case = await reader.case(row.payload["case"])
        rules = None if case is None else directory.rules(case.brand, case.mention.key.platform)
        if case is None or rules is None:
            return ""
        return await self.drafter.suggest(case, rules.at(case.mention))

    async def apply(self, unit: Unit, row: Row, fetched: str) -> Verdicts:
        case = await unit.case(row.payload["case"])
        rules = self.directory().rules(case.brand, case.mention.key.platform)
        if rules is None:
            return Drop("the brand is gone")
        return await _act(unit, case, rules, _outcome(row, case, rules, fetched.strip()))

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        definite = isinstance(error, DeskError) and not isinstance(error, Retry)
        if not definite and row.attempts < row.max_attempts:
            return None
        case = await unit.case(row.payload["case"])
        rules = self.directory().rules(case.brand, case.mention.key.platform)
        if rules is None:
            return Drop("the brand is gone")
        person = rules.person(row.payload["person"])
        return await _act(unit, case, rules, a.SuggestionFailed(who=person, reason=reason(error)))


def _outcome(row: Row, case: Case, rules: Rules, text: str) -> a.Action:
    """A text written by a person meanwhile is newer than the suggestion and stays the newest."""
    person = rules.person(row.payload["person"])
    if case.n != row.payload["version"]:
        return a.SuggestionFailed(who=person, reason="overtaken")
    if not text or problems(text, rules.at(case.mention).card):
        return a.SuggestionFailed(who=person, reason="unfit")
    return a.Suggested(who=person, text=text)


async def _act(unit: Unit, case: Case, rules: Rules, action: a.Action) -> Verdicts:
    try:
        await apply(unit, decide(case, action, unit.now, rules))
    except NotAllowed:
        return Drop(f"the case is {case.state.value}")
    return Done()
