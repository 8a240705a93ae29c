"""How fast a destination may be used: GCRA on one row, kept by all replicas in the statement that claims.

A destination has two paces. While people act, one call each `gap`, and a `burst` ahead of it that only people and what
they wait for may use. When a backlog has run without a rest for QUIET bursts and nobody acted, one each `quick`: nearly
all that the other side allows, with SPARE of a gap left so that the first press need not wait, and brings the other
pace back.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Case, ColumnElement, Update, and_, case, literal, or_, update

from desk.work import Prio
from storage.tables import dest

TICK = 1e-6
"""Seconds. Sums of floats near 2**31 are off by less; without it a token is refused at the very moment it is due."""
QUIET = 2.2
"""Times it takes to fill a burst, without a person and without a rest, after which the quick pace begins: a minute."""
SPARE, LATE = 0.7, 0.06
"""Parts of a quick gap: how far people may be ahead of it, and how late the backlog may be without losing it. Together
below LEFT, so that a tenth of a gap remains for the network's jitter."""
LEFT = 0.86
"""Calls of a minute's allowance that the quick pace does not plan for."""
CALM, RUSH, RUSH_FOR = 8, 2, 1.5
"""In gaps: a destination unused for CALM may be used RUSH ahead, for RUSH_FOR: a lone case is carded at once."""


def quick_gap(per_minute: int, minute: float = 60.0) -> float:
    """Seconds between two calls when nobody acts; 0 where so few are allowed that nothing could be left for a press.

    In any minute floor(per_minute - LEFT + SPARE + LATE) + 1 calls at most, which is per_minute.
    """
    return minute / (per_minute - LEFT) if per_minute >= 5 else 0.0


def free_ahead(prio: ColumnElement[int], at: float) -> Case[float]:
    """Seconds a destination may be used ahead of its pace."""
    hurried, rush = prio <= int(Prio.ALARM), and_(prio <= int(Prio.CARD), dest.c.rush_until > at)
    burst = (dest.c.burst - 1) * dest.c.gap
    busy = case((_waited_for(prio), burst), (hurried, burst / 2), (rush, RUSH * dest.c.gap), else_=0.0)
    quick = case((hurried, SPARE * dest.c.quick), (rush, RUSH * dest.c.quick), else_=0.0)
    return case((_busy(at), busy), else_=quick)


def has_token(prio: ColumnElement[int], at: float) -> ColumnElement[bool]:
    return dest.c.tat <= at + free_ahead(prio, at) + TICK


def take_token(name: str, prio: int, at: float) -> Update:
    """Touches one row, or none where the destination has no token left."""
    of = literal(int(prio))
    acted = or_(_waited_for(of), _rested(at, 1))
    values: dict[str, Any] = {
        "tat": case((_busy(at), after(1, at)), (acted, _people_again(at)), else_=_on_time(at) + dest.c.quick),
        "acted_at": case((acted, at), else_=dest.c.acted_at),
        "rush_until": case((_rested(at, CALM), at + RUSH_FOR * dest.c.gap), else_=dest.c.rush_until),
    }
    return update(dest).where(dest.c.name == name, has_token(of, at)).values(**values)


def after(tokens: int, at: float) -> ColumnElement[float]:
    """A destination's mark (GCRA's theoretical arrival time) once so many tokens are used at `at`."""
    return case((dest.c.tat > at, dest.c.tat), else_=at) + tokens * dest.c.gap


def free_at(prio: ColumnElement[int], at: float) -> ColumnElement[float]:
    """Seconds since 1970 at which a row of this priority gets a token, as things stand."""
    return dest.c.tat - free_ahead(prio, at)


def _waited_for(prio: ColumnElement[int]) -> ColumnElement[bool]:
    return prio <= int(Prio.SUMMARY)


def _busy(at: float) -> ColumnElement[bool]:
    return or_(dest.c.quick == 0, dest.c.acted_at > at - QUIET * dest.c.burst * dest.c.gap)


def _rested(at: float, gaps: int) -> ColumnElement[bool]:
    return and_(dest.c.quick > 0, dest.c.tat <= at - gaps * dest.c.gap)


def _on_time(at: float) -> ColumnElement[float]:
    """A call that came a little late does not move those after it: lateness would add up to a slower pace."""
    return case((dest.c.tat > at - LATE * dest.c.quick, dest.c.tat), else_=at)


def _people_again(at: float) -> ColumnElement[float]:
    """The mark after the press that ends the quick pace. A minute of that leaves nothing but its own trickle to the
    next presses; each quick gap of rest before leaves them one token more."""
    rested = (at - dest.c.tat) / dest.c.quick * dest.c.gap
    empty = (dest.c.burst - 1) * dest.c.gap + dest.c.quick
    return case((empty - rested > dest.c.gap, at + empty - rested), else_=at + dest.c.gap)
