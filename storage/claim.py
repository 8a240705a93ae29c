"""Which rows may run now, and taking them: one statement, the same on both stores (engine.md, Claim)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Double,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)

from desk.work import Prio
from storage import pace
from storage.tables import dest, work
from storage.types import Utc
from storage.waiting import is_in, ready


def seconds(moment: datetime) -> float:
    return moment.timestamp()


@cache
def first_in_lane() -> ColumnElement[bool]:
    """No earlier row of the lane is unfinished: a retry keeps its place, and a parked row is not overtaken.

    Cosmetic rows come after all others of their lane: in a crowded room one waits for long, and nobody should with it.
    One that may have been sent has its place by number like any other, or it and those behind it would wait for each
    other.
    """
    other = work.alias("other")
    states: list[Any] = [literal_column(f"'{state}'") for state in ("ready", "running", "parked")]
    cosmetic, other_cosmetic = (
        and_(table.c.prio >= int(Prio.COSMETIC), table.c.effect_state.is_(None)) for table in (work, other)
    )
    overtaken = and_(other_cosmetic, other.c.state == literal_column("'ready'"), ~cosmetic)
    before = or_(and_(other.c.id < work.c.id, ~overtaken), and_(cosmetic, ~other_cosmetic))
    same_lane = and_(other.c.lane == work.c.lane, other.c.lane != literal_column("''"))
    return ~exists().where(same_lane, other.c.state.in_(states), before)


def not_of(sort: str) -> ColumnElement[bool]:
    """No row of this sort, as storage.queue.sort_of tells it."""
    return ~or_(work.c.dest.startswith(f"{sort}:", autoescape=True), and_(work.c.dest == "", work.c.kind == sort))


AT: BindParameter[float] = bindparam("at", type_=Double())
NOW: BindParameter[datetime] = bindparam("now", type_=Utc())
"""The moment, as seconds since 1970 and as a time: parameters, so that each statement is built once."""


def moment(now: datetime) -> dict[str, Any]:
    return {"at": seconds(now), "now": now}


def _token() -> ColumnElement[bool]:
    return or_(dest.c.name.is_(None), pace.has_token(work.c.prio, AT))


def _order(of: Any) -> tuple[Any, ...]:
    return of.c.prio, of.c.deadline.is_(None), of.c.deadline, of.c.id


def _fit(kinds: Iterable[str], may_run: ColumnElement[bool]) -> Select[Any]:
    """Rows that could run, numbered within their destination: each of its rows has to find a token of its own."""
    alone = case((dest.c.name.is_(None), work.c.id), else_=0)
    nth = func.row_number().over(partition_by=(func.coalesce(dest.c.name, ""), alone), order_by=_order(work))
    return (
        select(work.c.id, nth.label("nth"))
        .select_from(work.outerjoin(dest, dest.c.name == work.c.dest))
        .where(ready(), work.c.run_at <= NOW, work.c.kind.in_(list(kinds)), may_run, _token())
    )


Leases = tuple[tuple[str, timedelta], ...]


@lru_cache(maxsize=256)
def claim(leases: Leases, in_lane: ColumnElement[bool], full: tuple[str, ...]) -> Update:
    """`leases`: of each kind this code knows. Another replica's claim is skipped, not waited for.

    Parameters: those of `moment`, `mine` (the owner) and `most`, and one for each lease, of `untils`.
    """
    may_run = and_(in_lane, *map(not_of, full))
    fit = _fit([kind for kind, _ in leases], may_run).cte("fit")
    pick = (
        select(work.c.id)
        .join(fit, fit.c.id == work.c.id)
        .where(fit.c.nth == 1, ready())
        .order_by(*_order(work))
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(skip_locked=True, of=work)
        .cte("pick")
    )
    until = case(*((work.c.kind == kind, bindparam(_until(lease), type_=Utc())) for kind, lease in leases))
    return (
        update(work)
        .where(work.c.id.in_(select(pick.c.id)))
        .values(state="running", owner=bindparam("mine"), lease_until=until, attempts=work.c.attempts + 1)
        .returning(work)
    )


def untils(leases: Leases, now: datetime) -> dict[str, datetime]:
    return {_until(lease): now + lease for _, lease in leases}


def _until(lease: timedelta) -> str:
    return f"until_{lease // timedelta(microseconds=1)}"


def unclaim(ids: Sequence[int]) -> Update:
    return (
        update(work)
        .where(work.c.id.in_(ids))
        .values(state="ready", owner="", lease_until=null(), attempts=work.c.attempts - 1)
    )


@lru_cache(maxsize=64)
def next_turn(kinds: tuple[str, ...]) -> Select[Any]:
    """When the next row comes due, and the seconds since 1970 at which the next that is due gets a token."""
    run_at, token = _next_run(kinds).scalar_subquery(), _next_token(kinds).scalar_subquery()
    return select(run_at.label("run_at"), token.label("token"))


def _next_run(kinds: tuple[str, ...]) -> Select[Any]:
    return select(func.min(work.c.run_at)).where(ready(), work.c.run_at > NOW, work.c.kind.in_(kinds))


def _next_token(kinds: tuple[str, ...]) -> Select[Any]:
    free_at = pace.free_at(work.c.prio, AT)
    return (
        select(func.min(free_at))
        .select_from(work.join(dest, dest.c.name == work.c.dest))
        .where(ready(), work.c.run_at <= NOW, work.c.kind.in_(kinds), free_at > AT + pace.TICK)
    )


def running(*more: ColumnElement[bool]) -> Select[Any]:
    """Rows to give back; another replica that does the same is skipped."""
    return select(work).where(is_in("running"), *more).order_by(work.c.id).with_for_update(skip_locked=True)
