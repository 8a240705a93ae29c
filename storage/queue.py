"""Taking work, holding it, and giving it back or finishing it, each in a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from desk.ports import Done, Drop, Later, Park, Verdicts
from desk.work import Prio, Row
from storage import claim, pace
from storage.merging import merged
from storage.tables import dest, work
from storage.types import Utc
from storage.unit import SqlUnit
from storage.waiting import SENDING, insert_dest, ready

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""The deadline of what goes before all else."""


class Lost(Exception):
    """The lease ran out and the row is no longer ours: whatever was about to be written must not be."""


@dataclass(slots=True)
class Held:
    """A claimed row. `since`: the monotonic clock just before the lease was last taken or renewed. `claimed` and
    `found_at`: the monotonic and the store's clock at the claim. `call`: the journalled one of an earlier attempt."""

    row: Row
    owner: str
    lease: timedelta
    since: float
    claimed: float
    found_at: datetime
    call: Any = None
    verdict: Verdicts | None = None

    @property
    def mine(self) -> tuple[ColumnElement[bool], ...]:
        return work.c.id == self.row.id, work.c.owner == self.owner, work.c.state == "running"


RENEW = (
    update(work)
    .where(work.c.id == bindparam("its_id"), work.c.owner == bindparam("mine"), work.c.state == "running")
    .values(lease_until=bindparam("until", type_=Utc()))
)


def to_row(row: Any) -> Row:
    return Row(
        id=row.id,
        kind=row.kind,
        v=row.v,
        payload=row.payload,
        lane=row.lane,
        dest=row.dest,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        sending=row.effect_state == SENDING,
        created_at=row.created_at,
        idem=row.idem,
        external_id=row.external_id,
        sent_at=row.sent_at,
        prio=row.prio,
    )


def sort_of(row: Row) -> str:
    """Where a row leads, "telegram" for one, or for a job without a destination its kind: what may hang together."""
    return row.dest.partition(":")[0] or row.kind


async def take(
    unit: SqlUnit,
    leases: Mapping[str, timedelta],
    owner: str,
    limit: int,
    in_lane: ColumnElement[bool],
    full: Collection[str] = (),
) -> list[Held]:
    """Claim up to `limit` rows, the most urgent first, none of the sorts that are `full`. `owner` must be new for each
    call: by it a row that was lost and claimed once more by the same process is told from the first claim."""
    known = tuple(leases.items())
    given = claim.moment(unit.now) | claim.untils(known, unit.now) | {"mine": owner, "most": limit}
    rows = sorted(await unit.rows(claim.claim(known, in_lane, tuple(full)), given), key=_urgency)
    without = await _pay(unit, rows)
    if without:
        await unit.db.execute(claim.unclaim(sorted(without)))
    return [
        Held(to_row(row), owner, leases[row.kind], unit.began, unit.began, unit.now, row.call)
        for row in rows
        if row.id not in without
    ]


async def pause(unit: SqlUnit, kinds: Iterable[str]) -> float | None:
    """Seconds until a row of these kinds comes due or gets its token; None: nothing waits for either."""
    turn = (await unit.rows(claim.next_turn(tuple(kinds)), claim.moment(unit.now)))[0]
    run_at, token = turn.run_at, turn.token
    waits = [run_at and (run_at - unit.now).total_seconds(), token and token - claim.seconds(unit.now)]
    return min((wait for wait in waits if wait is not None), default=None)


def _urgency(row: Any) -> tuple[Any, ...]:
    return row.prio, row.deadline is None, row.deadline or row.created_at, row.id


async def _pay(unit: SqlUnit, rows: Sequence[Any]) -> set[int]:
    """Take a token for each row; returns the rows whose destination another replica has meanwhile used up.

    Sorted, so that two replicas never wait for each other's destinations.
    """
    names = {row.dest for row in rows if row.dest}
    limited = select(dest.c.name).where(dest.c.name.in_(sorted(names)))
    known = {row.name for row in await unit.rows(limited)} if names else set()
    without = set()
    for row in sorted((row for row in rows if row.dest in known), key=lambda row: str(row.dest)):
        if not await unit.change(pace.TAKE_TOKEN, pace.token(row.dest, row.prio, claim.seconds(unit.now))):
            without.add(row.id)
    return without


async def set_back(unit: SqlUnit, before: datetime) -> None:
    """The store's clock was, from `before`: marks made by it and messages due by it are no later than now. Done twice
    it changes nothing more, for each replica notices. A wait that a 429 named may be lost: it is then named again."""
    await unit.db.execute(pace.set_back(claim.seconds(unit.now)))
    waiting = (work.c.state == "ready", work.c.dest != "", work.c.run_at > unit.now, work.c.run_at <= before)
    await unit.db.execute(update(work).where(*waiting).values(run_at=unit.now))


async def own(unit: SqlUnit, held: Held) -> None:
    """First statement of each transaction about a row: still ours, and for a whole lease more. Raises Lost."""
    if not await _renewed(unit, held):
        raise Lost(held.row.id)
    held.since = unit.began


async def renew(unit: SqlUnit, rows: Iterable[Held]) -> list[Held]:
    """Renew what is still ours, and return it: its `since` moves with the commit. The rest is left to find out at its
    next write."""
    return [held for held in rows if await _renewed(unit, held)]


async def _renewed(unit: SqlUnit, held: Held) -> bool:
    mine = {"its_id": held.row.id, "mine": held.owner, "until": unit.now + held.lease}
    return bool(await unit.change(RENEW, mine))


async def journal(unit: SqlUnit, held: Held, call: Any) -> None:
    values = {"effect_state": SENDING, "sent_at": unit.now, "call": call}
    await unit.db.execute(update(work).where(*held.mine).values(values))


async def name(unit: SqlUnit, held: Held, external_id: str) -> None:
    await unit.db.execute(update(work).where(*held.mine).values(external_id=external_id))


async def settle(unit: SqlUnit, held: Held, verdict: Verdicts, sending: bool) -> None:
    """Write what became of a row. `sending`: its effect may have happened, or did."""
    if isinstance(verdict, Later):
        await _later(unit, held, verdict)
        return
    values: dict[str, Any] = {"owner": "", "lease_until": None}
    if isinstance(verdict, Done):
        values |= {"state": "done", "done_at": unit.now, "call": None, "last_error": ""}
        values |= {"effect_state": "sent" if sending else None}
        values |= {"external_id": verdict.external_id} if verdict.external_id else {}
    elif isinstance(verdict, Park):
        values |= {"state": "parked", "last_error": verdict.error, **_journalled(sending)}
    elif isinstance(verdict, Drop):
        values |= {"state": "cancelled", "done_at": unit.now, "last_error": verdict.why, **_journalled(False)}
    await unit.db.execute(update(work).where(*held.mine).values(values))


def _journalled(sending: bool) -> dict[str, Any]:
    """What certainly did not happen leaves no call: it quotes what people wrote."""
    return {"effect_state": SENDING} if sending else {"effect_state": None, "call": None}


async def _later(unit: SqlUnit, held: Held, verdict: Later) -> None:
    values: dict[str, Any] = {
        "run_at": verdict.at,
        "last_error": verdict.error,
        "attempts": _attempts(held.row, verdict),
        **_journalled(verdict.sending),
    }
    await _back(unit, held.row.id, values)


def _attempts(row: Row, verdict: Later) -> int:
    """Used up so far. What may have been sent after the last one is looked for as often as needed, and not sent anew
    for that; a job that has none left is tried now and then."""
    if verdict.sending and not verdict.count:
        return row.attempts - 1
    return min(row.attempts, row.max_attempts) - (0 if verdict.count else 1)


async def give_back(unit: SqlUnit, held: Held) -> None:
    """Ready again at once, as if never claimed; what was journalled stays. Nothing happens when it was lost."""
    row = await unit.first(select(work).where(*held.mine).with_for_update())
    if row is not None:
        await _back(unit, row.id, {"attempts": row.attempts - 1, "effect_state": row.effect_state})


async def return_expired(unit: SqlUnit) -> int:
    """Rows of replicas that fell silent, their attempt counted; returns how many."""
    return await _return(unit, claim.running(work.c.lease_until < unit.now))


async def void_leases(unit: SqlUnit) -> int:
    """All that is running, for a store of which it is proved that nobody else works on it."""
    return await _return(unit, claim.running())


async def _return(unit: SqlUnit, wanted: Any) -> int:
    rows = await unit.rows(wanted)
    for row in rows:
        await _back(unit, row.id, {"effect_state": row.effect_state})
    return len(rows)


async def _back(unit: SqlUnit, number: int, values: dict[str, Any]) -> None:
    """Ready again, in its place. Work that came in meanwhile with the same merge_key is merged into it, as if it had
    been ready all along.

    A row that may have been sent takes nothing in: found to have been sent, it would swallow what is new. And it goes
    before all else, what people wait for too: they may see it, and answer in a thread that the desk does not know yet.
    """
    values = {"state": "ready", "owner": "", "lease_until": None, **values}
    unit.stirred = True
    kept = await unit.first(select(work).where(work.c.id == number))
    if kept is not None and values["effect_state"] == SENDING:
        values |= {"prio": Prio.PERSON, "deadline": LONG_AGO}
    if kept is not None and kept.merge_key is not None and values["effect_state"] != SENDING:
        await _back_merged(unit, kept, values)
    else:
        same = update(work).where(work.c.id == number)
        await unit.db.execute(same.values({**values, "merge_key": None}))


async def _back_merged(unit: SqlUnit, kept: Any, values: dict[str, Any]) -> None:
    """On PostgreSQL another transaction may insert work with this key between our two statements; then once more."""
    same = update(work).where(work.c.id == kept.id)
    for _ in range(3):
        more = await _absorbed(unit, kept)
        try:
            async with unit.db.begin_nested():
                await unit.db.execute(same.values({**values, **more}))
            return
        except IntegrityError:
            continue
    await unit.db.execute(same.values({**values, "merge_key": None}))


async def _absorbed(unit: SqlUnit, kept: Any) -> dict[str, Any]:
    same = work.c.merge_key == kept.merge_key, ready(), work.c.id != kept.id
    other = await unit.first(select(work).where(*same).with_for_update())
    if other is None:
        return {}
    gone = {"state": "cancelled", "done_at": unit.now, "last_error": f"merged into {kept.id}"}
    await unit.db.execute(update(work).where(work.c.id == other.id).values(gone))
    return merged(kept, other)


async def hold_dest(unit: SqlUnit, dest_name: str, after: float) -> None:
    """Nobody uses this destination for `after` seconds, on any replica, and no burst is left then."""
    until = claim.seconds(unit.now) + after
    await unit.db.execute(insert_dest(unit, dest_name, 0.0, 1, 0.0).on_conflict_do_nothing())
    pushed = until + (dest.c.burst - 1) * dest.c.gap
    held = {"tat": pushed, "acted_at": until}
    await unit.db.execute(update(dest).where(dest.c.name == dest_name, dest.c.tat < pushed).values(held))
