"""How fast a destination may be used: GCRA on one row, kept by all replicas in the statement that claims.

A destination has two paces. While people act, one call each `gap`, and a `burst` ahead of it that only people and what
they wait for may use. When a backlog has run without a rest for QUIET bursts and nobody acted, one each `quick`: nearly
all that the other side allows, with SPARE of a gap left so that the first press need not wait, and brings the other
pace back.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Case, ColumnElement, Double, Integer, Text, Update, and_, bindparam, case, or_, update

from desk.work import Prio
from storage.tables import dest

TICK = 1e-6
"""Seconds. Sums of floats near 2**31 are off by less; without it a token is refused at the very moment it is due."""
QUIET = 2.2
"""Times it takes to fill a burst, without a person and without a rest, after which the quick pace begins: a minute."""
SPARE, LATE = 0.5, 0.1
"""Parts of a quick gap: how far people may be ahead of it, and how much of being late the backlog makes up for.
Together below LEFT, so that a tenth of a gap remains for the network's jitter."""
LEFT = 0.7
"""Calls of a minute's allowance that the quick pace does not plan for."""
CALM, RUSH, RUSH_FOR = 8, 2, 1.5
"""In gaps: in a destination unused for CALM what belongs into a thread just opened may be RUSH ahead, for RUSH_FOR: the
card of a lone case does not keep its topic empty. Of a burst only the first gains: the rest goes in its order."""


def quick_gap(per_minute: int, minute: float = 60.0) -> float:
    """Seconds between two calls when nobody acts; 0 where so few are allowed that nothing could be left for a press.

    In any minute floor(per_minute - LEFT + SPARE + LATE) + 1 calls at most, which is per_minute.
    """
    return minute / (per_minute - LEFT) if per_minute >= 5 else 0.0


Seconds = float | ColumnElement[float]
"""Since 1970; in statements that are built once, a parameter."""


def free_ahead(prio: ColumnElement[int], at: Seconds) -> Case[float]:
    """Seconds a destination may be used ahead of its pace."""
    hurried, rush = prio <= int(Prio.ALARM), and_(prio <= int(Prio.OPENED), dest.c.rush_until > at)
    burst = (dest.c.burst - 1) * dest.c.gap
    busy = case((_waited_for(prio), burst), (hurried, burst / 2), (rush, RUSH * dest.c.gap), else_=0.0)
    quick = case((hurried, SPARE * dest.c.quick), (rush, RUSH * dest.c.quick), else_=0.0)
    return case((_busy(at), busy), else_=quick)


def has_token(prio: ColumnElement[int], at: Seconds) -> ColumnElement[bool]:
    return dest.c.tat <= at + free_ahead(prio, at) + TICK


def token(name: str, prio: int, at: float) -> dict[str, Any]:
    """Parameters of TAKE_TOKEN."""
    return {"its_name": name, "its_prio": int(prio), "at": at}


def _take_token() -> Update:
    at: ColumnElement[float] = bindparam("at", type_=Double())
    of: ColumnElement[int] = bindparam("its_prio", type_=Integer())
    acted = or_(_waited_for(of), _rested(at, 1))
    values: dict[str, Any] = {
        "tat": case((_busy(at), after(1, at)), (acted, _people_again(at)), else_=_on_time(at) + dest.c.quick),
        "acted_at": case((acted, at), else_=dest.c.acted_at),
        "rush_until": case((_rested(at, CALM), at + RUSH_FOR * dest.c.gap), else_=dest.c.rush_until),
    }
    name = bindparam("its_name", type_=Text())
    return update(dest).where(dest.c.name == name, has_token(of, at)).values(**values)


def spend(name: str, tokens: int, at: float) -> Update:
    """Calls that no row paid for; fewer than none are given back. What they find rested has not been run by a backlog,
    so that they do not count as one."""
    gap = case((_busy(at), dest.c.gap), else_=dest.c.quick)
    values: dict[str, Any] = {
        "tat": case((dest.c.tat > at, dest.c.tat), else_=at) + tokens * gap,
        "acted_at": case((_rested(at, 1), at), else_=dest.c.acted_at),
    }
    return update(dest).where(dest.c.name == name).values(**values)


def set_back(at: float) -> Update:
    """Marks that a clock has made which was ahead: at most a burst is used up, and nobody acts in the future."""
    full = at + dest.c.burst * dest.c.gap
    values: dict[str, Any] = {
        "tat": case((dest.c.tat > full, full), else_=dest.c.tat),
        "acted_at": case((dest.c.acted_at > at, at), else_=dest.c.acted_at),
        "rush_until": case((dest.c.rush_until > full, at), else_=dest.c.rush_until),
    }
    return update(dest).where(or_(dest.c.tat > full, dest.c.acted_at > at, dest.c.rush_until > full)).values(values)


def after(tokens: int, at: Seconds) -> ColumnElement[float]:
    """A destination's mark (GCRA's theoretical arrival time) once so many tokens are used at `at`."""
    return case((dest.c.tat > at, dest.c.tat), else_=at) + tokens * dest.c.gap


def free_at(prio: ColumnElement[int], at: Seconds) -> ColumnElement[float]:
    """Seconds since 1970 at which a row of this priority gets a token, as things stand."""
    return dest.c.tat - free_ahead(prio, at)


def _waited_for(prio: ColumnElement[int]) -> ColumnElement[bool]:
    return prio <= int(Prio.SUMMARY)


def _busy(at: Seconds) -> ColumnElement[bool]:
    return or_(dest.c.quick == 0, dest.c.acted_at > at - QUIET * dest.c.burst * dest.c.gap)


def _rested(at: Seconds, gaps: int) -> ColumnElement[bool]:
    return and_(dest.c.quick > 0, dest.c.tat <= at - gaps * dest.c.gap)


def _on_time(at: Seconds) -> ColumnElement[float]:
    """A call that came late moves those after it by what exceeds LATE alone: lateness would add up to a slower pace."""
    lately = at - LATE * dest.c.quick
    return case((dest.c.tat > lately, dest.c.tat), else_=lately)


def _people_again(at: Seconds) -> ColumnElement[float]:
    """The mark after the press that ends the quick pace. A minute of that leaves nothing but its own trickle to the
    next presses; each quick gap of rest before leaves them one token more."""
    rested = (at - dest.c.tat) / dest.c.quick * dest.c.gap
    empty = (dest.c.burst - 1) * dest.c.gap + dest.c.quick
    return case((empty - rested > dest.c.gap, at + empty - rested), else_=at + dest.c.gap)


TAKE_TOKEN = _take_token()
"""Touches one row, or none where the destination has no token left. Built once: building it takes a millisecond."""
