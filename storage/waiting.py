"""Work as the domain writes it: inserted, merged, cancelled, brought forward; and what was seen before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, literal_column, or_, select, text, update

from desk.work import Prio, Work
from storage import pace
from storage.merging import merged
from storage.part import Part
from storage.tables import READY, asks, dest, once, places, posts, sayings, work, work_history

SENDING = "sending"

LONGEST_NAMED = timedelta(days=1)
"""What another side may ask to be left alone for: allowances begin anew once a day. A broken server names years."""
PUT_OFF = timedelta(hours=1)
"""For how long work that comes in its turn leaves it alone: a source that is read no more must not go unnoticed."""


def is_in(*states: str) -> ColumnElement[bool]:
    """Spelled out instead of bound: a partial index is only used where the condition is there to read."""
    return work.c.state.in_([literal_column(f"'{state}'") for state in states])


def ready() -> ColumnElement[bool]:
    return work.c.state == literal_column("'ready'")


def _values(item: Work, now: datetime) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "v": item.v,
        "lane": item.lane,
        "dest": item.dest,
        "idem": item.idem,
        "merge_key": item.merge_key,
        "merge": item.merge,
        "group_key": item.group,
        "payload": item.payload,
        "state": "ready",
        "prio": int(item.prio),
        "deadline": item.deadline,
        "run_at": item.run_at or now,
        "max_attempts": item.max_attempts,
        "created_at": now,
    }


class OncePart(Part):
    async def once(self, idem: str) -> bool:
        """A transaction on PostgreSQL waits here for another one that uses the same id."""
        statement = self.insert(once).values(idem=idem, at=self.now).on_conflict_do_nothing()
        return await self.change(statement) == 1

    async def remember(self, idem: str, outcome: dict[str, Any]) -> None:
        await self.db.execute(update(once).where(once.c.idem == idem).values(outcome=outcome))

    async def recall(self, idem: str, hold: bool = False) -> dict[str, Any] | None:
        wanted = select(once.c.outcome).where(once.c.idem == idem)
        outcome: dict[str, Any] | None = await self.value(wanted.with_for_update() if hold else wanted)
        return outcome

    async def recall_all(self, idems: Collection[str]) -> dict[str, dict[str, Any]]:
        """For some hundreds of ids: they are parameters of one statement."""
        rows = await self.rows(select(once.c.idem, once.c.outcome).where(once.c.idem.in_(sorted(idems))))
        return {row.idem: row.outcome for row in rows if row.outcome is not None}

    async def remember_all(self, outcomes: Mapping[str, dict[str, Any]]) -> None:
        """In the order of the ids, so that two transactions never wait for each other's."""
        if not outcomes:
            return
        fresh = self.insert(once)
        kept = fresh.on_conflict_do_update(index_elements=["idem"], set_={"outcome": fresh.excluded.outcome})
        await self.db.execute(kept, [{"idem": i, "at": self.now, "outcome": outcomes[i]} for i in sorted(outcomes)])


class WorkPart(OncePart):
    async def enqueue(self, *works: Work) -> None:
        for key, some in groupby(works, lambda item: item.merge_key):
            if key is None:
                await self._insert(list(some))
            else:
                for item in some:
                    await self._merge(item, key)
        self.stirred = self.stirred or bool(works)

    async def _insert(self, items: list[Work]) -> None:
        statement = self.insert(work).on_conflict_do_nothing(index_elements=["idem"])
        await self.db.execute(statement, [_values(item, self.now) for item in items])

    async def _merge(self, item: Work, key: str) -> None:
        """Insert, or merge into the row that waits.

        The row that waits may be claimed by another replica between two statements, hence the loop. Work merged
        away leaves no row to hold its idem, so that is kept aside.
        """
        if item.idem is not None and not await self.once(f"work:{item.idem}"):
            return
        fresh = self.insert(work).values(_values(item, self.now))
        fresh = fresh.on_conflict_do_nothing(index_elements=["merge_key"], index_where=text(READY))
        while not await self.change(fresh):
            waits = select(work).where(work.c.merge_key == key, ready()).with_for_update()
            kept = await self.first(waits)
            if kept is not None:
                values = merged(kept, item) | {"run_at": self._when(kept, item)}
                await self.db.execute(update(work).where(work.c.id == kept.id).values(values))
                return

    def _when(self, kept: Any, item: Work) -> datetime:
        """The earlier time, save where the other side named one and nobody waits: a source that is asked before it
        wanted to be is blocked for longer."""
        named: datetime = kept.run_at
        put_off = kept.last_error and self.now < named <= self.now + PUT_OFF
        return named if put_off and item.prio > Prio.ALARM else min(named, item.run_at or self.now)

    async def cancel(self, group: str) -> int:
        """A row whose effect may have happened stays: its outcome must be known before anything else is decided."""
        unsent = work.c.effect_state.is_distinct_from(SENDING)
        gone = update(work).where(self._of(group), ready(), unsent)
        return await self.change(gone.values(state="cancelled", done_at=self.now, last_error="cancelled"))

    def _of(self, *groups: str) -> ColumnElement[bool]:
        return work.c.group_key.in_(groups) & is_in("ready", "parked") & (work.c.group_key != literal_column("''"))

    async def hasten(self, groups: Collection[str], prio: int | None = None, run_at: datetime | None = None) -> int:
        higher = work.c.prio if prio is None else case((_below(prio), int(prio)), else_=work.c.prio)
        sooner = work.c.run_at if run_at is None else case((work.c.run_at > run_at, run_at), else_=work.c.run_at)
        self.stirred = True
        return await self.change(update(work).where(self._of(*groups), ready()).values(prio=higher, run_at=sooner))

    async def spend(self, dest_name: str, tokens: int = 1) -> None:
        await self.db.execute(pace.spend(dest_name, tokens, self.now.timestamp()))

    async def unpark(self, group: str, done: bool) -> int:
        values = {"state": "done", "effect_state": "sent"} if done else {"state": "cancelled", "effect_state": None}
        self.stirred = True
        parked = update(work).where(self._of(group), is_in("parked"))
        return await self.change(parked.values(**values, call=None, done_at=self.now))

    async def move_room(self, old: str, new: str) -> None:
        """A room has a new address: places, posts, questions, destinations and waiting work follow."""
        self.must_see_all()
        for table in (places, posts, sayings, asks):
            await self.db.execute(update(table).where(table.c.room == old).values(room=new))
        await self._move_dest(old, new)
        talk = work.c.lane.startswith(f"talk:{old}:", autoescape=True)
        waiting = select(work).where(or_(work.c.dest == old, talk), is_in("ready", "running", "parked"))
        for row in await self.rows(waiting.order_by(work.c.id).with_for_update()):
            await self.db.execute(update(work).where(work.c.id == row.id).values(await self._moved(row, old, new)))
        await self._move_talk(f"talk:{old}:", f"talk:{new}:")
        self.stirred = True

    async def _move_talk(self, old: str, new: str) -> None:
        """What was said is found by the lane of its thread when it is to be erased, long after it was heard."""
        for table in (work, work_history):
            moved = literal(new) + func.substr(table.c.lane, len(old) + 1)
            said = table.c.lane.startswith(old, autoescape=True)
            await self.db.execute(update(table).where(said).values(lane=moved))

    async def _move_dest(self, old: str, new: str) -> None:
        row = await self.first(select(dest).where(dest.c.name == old))
        if row is not None:
            known = insert_dest(self, new, row.gap, row.burst, row.tat, row.quick)
            await self.db.execute(known.on_conflict_do_nothing())

    async def _moved(self, row: Any, old: str, new: str) -> dict[str, Any]:
        """Lanes and merge keys name rooms too; a key that is taken at the new address is given up."""
        key = row.merge_key and row.merge_key.replace(old, new)
        taken = select(work.c.id).where(work.c.merge_key == key, ready(), work.c.id != row.id)
        if key != row.merge_key and await self.value(taken) is not None:
            key = None
        lane = row.lane.replace(old, new)
        to = new if row.dest == old else row.dest
        return {"dest": to, "lane": lane, "merge_key": key, "payload": _renamed(row.payload, old, new)}


def _below(prio: int) -> ColumnElement[bool]:
    """Rows that are to gain by a higher priority; cosmetics hold nobody up and stay last."""
    return (work.c.prio > int(prio)) & (work.c.prio < int(Prio.COSMETIC))


def insert_dest(part: Part, name: str, gap: float, burst: int, tat: float, quick: float = 0.0) -> Any:
    return part.insert(dest).values(name=name, gap=gap, burst=burst, quick=quick, tat=tat)


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    return new if value == old else value
