"""Cases with their rounds, versions, approvals and replies, each in rows of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    Table,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    insert,
    literal_column,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from desk.case import FINISHED, Approval, Case, Event, Reply, Round, State, Version
from desk.errors import Gone, Retry, StaleVersion
from desk.rules import Sla
from storage.codec import CASE, MENTION
from storage.mentions import new_mention
from storage.part import Part, RulesOf
from storage.scoped import BRANDS
from storage.tables import approvals, case_events, cases, mentions, places, replies, rounds, versions

Item = Round | Version | Approval | Reply

ROWS: dict[str, Table] = {"rounds": rounds, "versions": versions, "approvals": approvals, "replies": replies}
"""Fields of Case that live in tables of their own."""

_ORDER = {
    "rounds": ("n",),
    "versions": ("n",),
    "approvals": ("version", "at", "step", "person"),
    "replies": ("n",),
}

Slots = tuple[list[TypeEngine[Any]], dict[str, list[int]]]


def _slots() -> Slots:
    """Columns that rows of all four tables fit in, and in which of them each table's own stand."""
    types: list[TypeEngine[Any]] = []
    taken: dict[str, list[int]] = {}
    for name, table in ROWS.items():
        mine = taken.setdefault(name, [])
        for column in table.c:
            free = (n for n, kind in enumerate(types) if n not in mine and type(kind) is type(column.type))
            slot = next(free, len(types))
            types += [column.type] if slot == len(types) else []
            mine.append(slot)
    return types, taken


TYPES, SLOTS = _slots()
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)

COLUMNS = {"client", "brand", "state", "owner", "found_at", "lock"}
"""Fields of Case that are columns of cases under the same name; what is not a row or a column goes into `data`."""

UNFINISHED = sorted(state.value for state in set(State) - FINISHED)

_ELSEWHERE = {"id", "mention", *COLUMNS, *ROWS}


def _head(case: Case) -> dict[str, Any]:
    return {
        "client": case.client,
        "brand": case.brand,
        "state": case.state.value,
        "owner": case.owner,
        "found_at": case.found_at,
        "mention": MENTION.dump_python(case.mention, mode="json"),
        "data": CASE.dump_python(case, mode="json", exclude=_ELSEWHERE),
    }


def _items(case: Case, name: str) -> dict[Any, Item]:
    """The rows of one of the case's tables, by what tells them apart."""
    if name == "approvals":
        return {(a.version, a.step, a.person): a for a in case.approvals}
    if name == "replies":
        return dict(enumerate(case.replies, 1))
    numbered: tuple[Round | Version, ...] = getattr(case, name)
    return {item.n: item for item in numbered}


def _values(item: Item) -> dict[str, Any]:
    return {f.name: getattr(item, f.name) for f in fields(item)}


async def load(db: AsyncConnection, heads: Iterable[Any]) -> list[Case]:
    """Whole cases for rows of the table cases, in the same order."""
    heads = list(heads)
    parts = await _parts(db, [head.id for head in heads])
    return [_whole(head, {name: parts.get((name, head.id), []) for name in ROWS}) for head in heads]


async def _parts(db: AsyncConnection, ids: list[int]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Rows by their field of Case and their case, each list in its order."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for start in range(0, len(ids), 500):
        for row in await db.execute(_of_cases(), {"ids": ids[start : start + 500]}):
            values = {key: row[slot] for key, slot in zip(ROWS[row.part].c.keys(), SLOTS[row.part], strict=True)}
            found.setdefault((row.part, values["case_id"]), []).append(values)
    for (name, _), rows in found.items():
        rows.sort(key=itemgetter(*_ORDER[name]))
    return found


@cache
def _of_cases() -> CompoundSelect[Any]:
    """The rows of all four tables in one statement, where four would each be waited for."""
    return union_all(*(_of_table(name, table).where(table.c.case_id.in_(_IDS)) for name, table in ROWS.items()))


def _of_table(name: str, table: Table) -> Select[Any]:
    own: dict[int, ColumnElement[Any]] = dict(zip(SLOTS[name], table.c, strict=True))
    columns = [own.get(slot, cast(null(), kind)).label(f"c{slot}") for slot, kind in enumerate(TYPES)]
    return select(*columns, literal_column(f"'{name}'").label("part"))


@cache
def _of_case(confined: bool) -> tuple[ColumnElement[bool], ...]:
    its = cases.c.id == bindparam("its_id")
    return (its, cases.c.brand.in_(BRANDS)) if confined else (its,)


@cache
def _hold(confined: bool) -> Any:
    return update(cases).where(*_of_case(confined)).values(lock=cases.c.lock + 1).returning(cases)


@cache
def _save(confined: bool) -> Any:
    same = cases.c.lock == bindparam("its_lock")
    return update(cases).where(*_of_case(confined), same).returning(cases.c.mention_id)


NEW_EVENTS = insert(case_events)


def _whole(head: Any, parts: dict[str, list[dict[str, Any]]]) -> Case:
    columns = {name: getattr(head, name) for name in COLUMNS}
    return CASE.validate_python({**head.data, **columns, **parts, "id": head.id, "mention": head.mention})


def by_time_left(found: list[Case], rules_of: RulesOf) -> list[Case]:
    """The least time to target first; those whose clock has stopped come last."""

    def key(case: Case) -> tuple[bool, datetime, int]:
        rules = rules_of(case.brand)
        target: timedelta = (rules.sla if rules else Sla()).target
        return case.round.posted_at is not None, case.round.clock_at + target, case.id

    return sorted(found, key=key)


async def open_cases(db: AsyncConnection, seen: ColumnElement[bool], rules_of: RulesOf) -> list[Case]:
    wanted = select(cases).where(cases.c.state.in_(UNFINISHED), seen)
    return by_time_left(await load(db, await db.execute(wanted)), rules_of)


@dataclass
class CasePart(Part):
    """`_seen`: cases as they stand in the database, so that only changes are written."""

    _seen: dict[int, Case] = field(default_factory=dict)

    async def new_case(self, case: Case, events: Sequence[Event]) -> Case:
        """Raises Retry when another transaction has just made a case of the same mention."""
        self.must_see(case.brand)
        self.must_see(case.mention.key.brand)
        try:
            mention = await new_mention(self, case)
            statement = insert(cases).values(**_head(case), mention_id=mention, lock=0).returning(cases.c.id)
            number: int = await self.value(statement)
        except IntegrityError as error:
            raise Retry("this mention has just become a case") from error
        await self.db.execute(update(mentions).where(mentions.c.id == mention).values(case_id=number))
        new = replace(case, id=number, lock=0)
        for name in ROWS:
            await self._write_rows(new, name, {}, mention)
        await self._write_events(number, events)
        self.saved.append((None, new))
        self._seen[number] = new
        return new

    async def case(self, number: int) -> Case:
        head = await self.first(_hold(self.confined), {"its_id": number, **self.confines})
        if head is None:
            raise Gone(f"there is no case {number}", what="case")
        [case] = await load(self.db, [head])
        self._seen[number] = case
        self.held.add(number)
        return case

    async def save(self, case: Case, events: Sequence[Event]) -> None:
        """Raises StaleVersion when the case was changed by another transaction since `case` was read."""
        self.must_see(case.brand)
        its = {"its_id": case.id, "its_lock": case.lock, **self.confines}
        mention = await self.value(_save(self.confined), {**its, **_head(case)})
        if mention is None:
            raise StaleVersion("stale_version", case=case.id)
        before = self._seen.get(case.id) or await self._as_stored(case.id)
        for name in ROWS:
            await self._write_rows(case, name, _items(before, name), mention)
        await self._write_events(case.id, events)
        self.saved.append((before, case))
        self._seen[case.id] = case

    async def _as_stored(self, number: int) -> Case:
        [case] = await load(self.db, await self.rows(select(cases).where(cases.c.id == number)))
        return case

    async def _write_rows(self, case: Case, name: str, before: dict[Any, Item], mention: int) -> None:
        table, after = ROWS[name], _items(case, name)
        more = {"mention_id": mention} if "mention_id" in table.c else {}
        for key in before.keys() - after.keys():
            await self._drop_row(table, case.id, key)
        for key, item in after.items():
            if before.get(key) != item:
                place = {"n": key} if name == "replies" else {}
                await self.put(table, case_id=case.id, **place, **_values(item), **more)

    async def _drop_row(self, table: Table, number: int, key: Any) -> None:
        columns = [column for column in table.primary_key if column.name != "case_id"]
        values = key if isinstance(key, tuple) else (key,)
        same = [column == value for column, value in zip(columns, values, strict=True)]
        await self.db.execute(delete(table).where(table.c.case_id == number, *same))

    async def _write_events(self, number: int, events: Sequence[Event]) -> None:
        rows = [
            {
                "case_id": number,
                "round": event.round,
                "kind": event.kind,
                "actor": event.actor,
                "at": event.at,
                "data": event.data,
            }
            for event in events
        ]
        if rows:
            await self.db.execute(NEW_EVENTS, rows)

    async def cases(self, numbers: Sequence[int], hold: bool = False) -> dict[int, Case]:
        wanted = select(cases).where(cases.c.id.in_(numbers), self.brand_in(cases.c.brand)).order_by(cases.c.id)
        held = wanted.with_for_update(read=True) if hold else wanted
        return {case.id: case for case in await load(self.db, await self.rows(held))}

    async def uncarded(self, room: str) -> list[Case]:
        """Cases without a card yet whose staff room this is, by time left."""
        wanted = select(cases).where(cases.c.id.in_(await self._uncarded(room)))
        return by_time_left(await load(self.db, await self.rows(wanted)), self.rules_of)

    async def count_uncarded(self, room: str) -> int:
        return len(await self._uncarded(room))

    async def _uncarded(self, room: str) -> list[int]:
        carded = exists().where(rounds.c.case_id == cases.c.id, rounds.c.carded_at.is_not(None))
        unfinished = cases.c.state.in_(UNFINISHED)
        placed = cases.outerjoin(places, and_(places.c.case_id == cases.c.id, places.c.side == "staff"))
        wanted = select(cases.c.id, cases.c.brand, places.c.room)
        wanted = wanted.select_from(placed).where(unfinished, ~carded, self.brand_in(cases.c.brand))
        return [row.id for row in await self.rows(wanted) if (row.room or self._staff_room(row.brand)) == room]

    def _staff_room(self, brand: str) -> str:
        rules = self.rules_of(brand)
        return rules.staff_room if rules else ""

    async def open_cases(self) -> list[Case]:
        return await open_cases(self.db, self.brand_in(cases.c.brand), self.rules_of)


def states_of(rows: Iterable[Any]) -> dict[tuple[str, State], int]:
    return {(brand, State(state)): count for brand, state, count in rows}
