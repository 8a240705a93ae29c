"""How many tokens of an AI server a day may take, and who is told when they are used up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from desk.errors import Refused
from desk.ports import Store, Unit
from desk.rules import Rules
from desk.work import Prio, Work

log = logging.getLogger("replydesk.ai")


def _nobody(day: date) -> Sequence[Work]:
    return ()


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens of one UTC day, kept in the store: a restart or a second replica does not begin anew.

    `told` makes the work that says so to people; it is stored once a day, in the transaction that used the budget up.
    """

    store: Store
    per_day: int
    told: Callable[[date], Sequence[Work]] = _nobody

    async def check(self) -> None:
        """Raises Refused("ai_budget") when the day's tokens are used up."""
        async with self.store.write(Prio.PERSON) as unit:
            if await _used(unit) >= self.per_day:
                raise Refused("ai_budget")

    async def spend(self, tokens: int) -> None:
        async with self.store.write(Prio.PERSON) as unit:
            await unit.once(_key(unit))
            used = await _used(unit, hold=True) + tokens
            await unit.remember(_key(unit), {"tokens": used})
            if used >= self.per_day and await unit.once(f"{_key(unit)}:told"):
                log.warning("the AI budget of %s tokens is used up; the desk goes on without AI today", self.per_day)
                await unit.enqueue(*self.told(unit.now.date()))


def _key(unit: Unit) -> str:
    return f"ai:{unit.now.date().isoformat()}"


async def _used(unit: Unit, hold: bool = False) -> int:
    kept = await unit.recall(_key(unit), hold)
    return int(kept["tokens"]) if kept else 0


def telling(brands: Callable[[], Iterable[Rules]], per_day: int) -> Callable[[date], Sequence[Work]]:
    """Says in the leads' rooms, else the staff rooms of clients with AI, that the day's budget is used up."""

    def told(day: date) -> Sequence[Work]:
        rooms = {rules.leads_room or rules.staff_room: rules.brand for rules in brands() if rules.ai}
        return [_say(room, brand, per_day, day) for room, brand in rooms.items()]

    return told


def _say(room: str, brand: str, per_day: int, day: date) -> Work:
    payload = {"room": room, "thread": "", "what": "ai_budget", "source": "", "reason": str(per_day), "brand": brand}
    idem = f"told:ai_budget:{day.isoformat()}:{room}"
    return Work("answer", payload, lane=f"answers:{room}:", dest=room, idem=idem, prio=Prio.ALARM)
