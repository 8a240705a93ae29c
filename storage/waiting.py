"""Work as the domain writes it: inserted, merged, cancelled, brought forward; and what was seen before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Table,
    Update,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.sql.dml import ReturningInsert

from desk.work import Prio, Work
from storage import pace
from storage.merging import merged
from storage.part import Part, insert
from storage.tables import READY, asks, dest, once, places, posts, sayings, work, work_history
from storage.types import Utc

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


@cache
def _new(dialect: str, table: Table) -> Insert:
    """A row, unless it is there already."""
    return insert(dialect, table).on_conflict_do_nothing()


@cache
def _new_keyed(dialect: str) -> ReturningInsert[Any]:
    """Work, unless it is there already or some with its merge key waits; returns what was put in, by both keys."""
    return _new(dialect, work).returning(work.c.merge_key, work.c.idem)


@cache
def _new_after(dialect: str) -> ReturningInsert[Any]:
    """Work whose merge key was held a moment ago. An idem that is known raises: waiting for it would have no end."""
    fresh = insert(dialect, work).on_conflict_do_nothing(index_elements=["merge_key"], index_where=text(READY))
    return fresh.returning(work.c.merge_key)


class OncePart(Part):
    async def once(self, idem: str, outcome: dict[str, Any] | None = None) -> bool:
        """A transaction on PostgreSQL waits here for another one that uses the same id."""
        values = {"idem": idem, "at": self.now} | ({} if outcome is None else {"outcome": outcome})
        return await self.change(_new(self.dialect, once), values) == 1

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
        fresh = [item for item in works if item.merge_key is None or item.idem is None or await self._unseen(item)]
        if fresh:
            await self._insert(fresh)
            self.stirred = True

    async def _unseen(self, item: Work) -> bool:
        """Work merged away leaves no row to hold its idem, so that is kept aside."""
        return await self.once(f"work:{item.idem}")

    async def _insert(self, items: list[Work]) -> None:
        """All in one statement. What that leaves out is known already, or has a row that waits to be merged into."""
        values, keys = [_values(item, self.now) for item in items], {item.merge_key for item in items} - {None}
        if not keys:
            await self.db.execute(_new(self.dialect, work), values)
            return
        made = {(row.merge_key, row.idem) for row in await self.rows(_new_keyed(self.dialect), values)}
        for item in items:
            if (item.merge_key, item.idem) in made:
                made.remove((item.merge_key, item.idem))
            elif item.merge_key is not None:
                await self._merge(item)

    async def _merge(self, item: Work) -> None:
        """The row that waits may be claimed by another replica between two statements, hence the loop."""
        while True:
            waits = select(work).where(work.c.merge_key == item.merge_key, ready()).with_for_update()
            kept = await self.first(waits)
            if kept is not None:
                values = merged(kept, item) | {"run_at": self._when(kept, item)}
                await self.db.execute(update(work).where(work.c.id == kept.id).values(values))
                return
            if await self.rows(_new_after(self.dialect), [_values(item, self.now)]):
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
        gone = update(work).where(_of([group]), ready(), unsent)
        return await self.change(gone.values(state="cancelled", done_at=self.now, last_error="cancelled"))

    async def hasten(self, groups: Collection[str], prio: int | None = None, run_at: datetime | None = None) -> int:
        self.stirred = True
        values = {"its_groups": sorted(groups), "higher": prio, "sooner": run_at}
        given = {name: value for name, value in values.items() if value is not None}
        return await self.change(_hasten(prio is not None, run_at is not None), given)

    async def spend(self, dest_name: str, tokens: int = 1) -> None:
        await self.db.execute(pace.spend(dest_name, tokens, self.now.timestamp()))

    async def unpark(self, group: str, done: bool) -> int:
        values = {"state": "done", "effect_state": "sent"} if done else {"state": "cancelled", "effect_state": None}
        self.stirred = True
        parked = update(work).where(_of([group]), is_in("parked"))
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


def _of(groups: Any) -> ColumnElement[bool]:
    """Waiting work of these groups, in the words of its index."""
    return work.c.group_key.in_(groups) & is_in("ready", "parked") & (work.c.group_key != literal_column("''"))


@cache
def _hasten(higher: bool, sooner: bool) -> Update:
    """Cosmetics hold nobody up and stay last."""
    prio, run_at = bindparam("higher", type_=Integer()), bindparam("sooner", type_=Utc())
    below = (work.c.prio > prio) & (work.c.prio < literal_column(str(int(Prio.COSMETIC))))
    values = {
        "prio": case((below, prio), else_=work.c.prio) if higher else work.c.prio,
        "run_at": case((work.c.run_at > run_at, run_at), else_=work.c.run_at) if sooner else work.c.run_at,
    }
    waits = _of(bindparam("its_groups", expanding=True)), ready()
    return update(work).where(*waits).values(values)


def insert_dest(part: Part, name: str, gap: float, burst: int, tat: float, quick: float = 0.0) -> Any:
    return part.insert(dest).values(name=name, gap=gap, burst=burst, quick=quick, tat=tat)


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    return new if value == old else value
