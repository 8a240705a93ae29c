"""One claimed row, from claim to verdict: jobs once in the database, effects once in the world (engine.md)."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from desk.errors import DeskError, Retry, Unsure, told
from desk.ports import Call, Done, Drop, Effect, Job, Later, Park, Probe, Verdicts
from desk.scope import Scope
from desk.work import Prio, Row
from storage import queue
from storage.codec import pack, unpack
from storage.database import away
from storage.queue import Held, Lost
from storage.store import SqlStore
from storage.unit import SqlUnit
from storage.waiting import LONGEST_NAMED

log = logging.getLogger("replydesk.engine")

Settled = Callable[[Row, Verdicts, float], None]
"""Told of each verdict after its commit: row, verdict, seconds since the claim. For metrics."""

EVERYBODYS = Scope.everything("the engine runs the work of all clients")

GIVE_BACK = 2.0
"""Seconds a cancelled row gets to be handed back; else its lease runs out."""

LONGEST_BACKOFF = 600.0
LONGEST_UNNAMED = 60.0
"""Seconds after a 429 that names no time, at most. It uses up no attempt, so that its row's age makes the wait grow."""
SPENT = 20
"""The attempt by whose back-off a job waits that has used up all of its own: ten minutes."""
ONCE_MORE = (0.0, 0.5, 2.0)
"""Seconds before what was sent is written down once more: all of them well within a lease."""
FETCH_TIMEOUT = 300.0
"""Seconds for one reading of the outside, all its pages; past it something hangs and the lane should not."""


def backoff(attempt: int) -> float:
    """Seconds before the next attempt: about 1, 2, 4 … 600, jittered so that rows that failed together do not return
    together."""
    return float(min(LONGEST_BACKOFF, 2.0 ** (attempt - 1)) * random.uniform(0.75, 1.25))


async def no_probe(point: str, row: Row) -> None:
    return None


def reason(error: BaseException) -> str:
    return told(error)


class Runner:
    """Runs rows; `storage.engine.Engine` finds them. Tests override `_journal`, `_in_time` to see what they prevent."""

    def __init__(
        self,
        store: SqlStore,
        jobs: Mapping[str, Job],
        effects: Mapping[str, Effect],
        *,
        probe: Probe = no_probe,
        scale: float = 1.0,
        http_timeout: timedelta = timedelta(seconds=15),
        backoff: Callable[[int], float] = backoff,
        settled: Settled | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._jobs = dict(jobs)
        self._effects = dict(effects)
        self._probe = probe
        self._scale = scale
        self._http_timeout = http_timeout * scale
        self._fetch_timeout = FETCH_TIMEOUT * scale
        self._backoff = backoff
        self._settled = settled
        self._monotonic = monotonic
        self._leases = {kind: job.lease * scale for kind, job in self._jobs.items()}
        self._leases |= {kind: effect.lease * scale for kind, effect in self._effects.items()}
        self._check_kinds()

    def _check_kinds(self) -> None:
        for kind in self._effects:
            if kind in self._jobs:
                raise ValueError(f"{kind}: either a job or an effect")
            if self._http_timeout * 3 >= self._leases[kind]:
                raise ValueError(f"{kind}: its lease must be longer than three HTTP time-outs")

    async def run_row(self, held: Held) -> None:
        """Never raises but CancelledError; a row it could not write about comes back when its lease runs out."""
        row = held.row
        try:
            await self._probe("claimed", row)
            if row.kind in self._effects:
                await self._run_effect(held, self._effects[row.kind])
            else:
                await self._run_job(held, self._jobs[row.kind])
            if self._settled is not None and held.verdict is not None:
                self._settled(row, held.verdict, self._monotonic() - held.claimed)
        except Lost:
            log.warning("%s %s: lease lost, nothing written", row.kind, row.id)
        except asyncio.CancelledError:
            # Not for ever: a store that is going away itself must not keep a cancelled task alive.
            await asyncio.wait({asyncio.ensure_future(self._give_back(held))}, timeout=GIVE_BACK)
            raise
        except Exception:
            log.exception("%s %s: left to its lease", row.kind, row.id)

    # Jobs

    async def _run_job(self, held: Held, job: Job) -> None:
        row = held.row
        try:
            self._check_attempts(row)
            fetched = await self._bounded(job.fetch(row))
            async with self._store.write(held.row.prio, EVERYBODYS) as unit:
                await self._own(unit, held)
                verdict = await job.apply(unit, row, fetched)
                await self._probe("before_done", row)
                await self._settle(unit, held, verdict)
        except Lost:
            raise
        except Exception as error:
            await self._failed(held, job, error)

    def _check_attempts(self, row: Row) -> None:
        """A row that takes its process down with it would come back for ever."""
        if row.attempts > row.max_attempts:
            raise DeskError(f"none of {row.max_attempts} attempts came to an end")

    async def _bounded(self, reading: Any) -> Any:
        try:
            async with asyncio.timeout(self._fetch_timeout):
                return await reading
        except TimeoutError as error:
            raise Retry(f"no answer within {self._fetch_timeout:g} s") from error

    # Effects

    async def _run_effect(self, held: Held, effect: Effect) -> None:
        if held.row.sending:
            if not await self._certainly_absent(held, effect):
                return
            held.row = replace(held.row, sending=False)
        try:
            self._check_attempts(held.row)
            call = await self._prepare(held, effect)
        except Lost:
            raise
        except Exception as error:
            await self._failed(held, effect, error)
            return
        if call is not None:
            await self._send(held, effect, call)

    async def _prepare(self, held: Held, effect: Effect) -> Call | None:
        async with self._store.write(held.row.prio, EVERYBODYS) as unit:
            await self._own(unit, held)
            call = await effect.prepare(unit, held.row)
            if isinstance(call, Call):
                await self._journal(unit, held, call)
                return call
            await self._settle(unit, held, call)
            await self._refund(unit, held, call)
            return None

    async def _refund(self, unit: SqlUnit, held: Held, verdict: Verdicts) -> None:
        """A message that shows already what it would be redrawn to costs its room nothing."""
        if held.row.dest and isinstance(verdict, (Done, Drop)):
            await unit.spend(held.row.dest, -1)

    async def _journal(self, unit: SqlUnit, held: Held, call: Call) -> None:
        """Before anything leaves: that it may have left, and what."""
        await queue.journal(unit, held, pack(call))

    async def _send(self, held: Held, effect: Effect, call: Call) -> None:
        await self._probe("sending", held.row)
        if not self._in_time(held):
            await self._hand_back_unsent(held)
            return
        error: Exception
        try:
            async with asyncio.timeout(self._http_timeout.total_seconds()):
                result = await effect.send(held.row, call)
        except DeskError as known:
            error = known
        except TimeoutError:
            error = Unsure(f"no answer within {self._http_timeout.total_seconds():g} s")
        except Exception as bug:
            log.exception("%s %s: sending broke off", held.row.kind, held.row.id)
            error = Unsure(reason(bug))
        else:
            await self._probe("accepted", held.row)
            await self._record(held, effect, call, result)
            return
        await self._failed(held, effect, error, sending=isinstance(error, Unsure))

    def _in_time(self, held: Held) -> bool:
        """The fence: sent now, the call ends before another replica may take the row for abandoned."""
        return self._monotonic() - held.since < (held.lease - self._http_timeout).total_seconds()

    async def _hand_back_unsent(self, held: Held) -> None:
        async with self._store.write(held.row.prio, EVERYBODYS) as unit:
            await self._own(unit, held)
            await self._settle(unit, held, Later(unit.now, "the lease was nearly over", count=False))

    async def _record(self, held: Held, effect: Effect, call: Call, result: Any) -> None:
        row = held.row
        try:
            await self._write_down(held, effect, call, result)
        except Lost:
            raise
        except Exception as error:
            log.exception("%s %s: sent, but not recorded", row.kind, row.id)
            await self._again(held, error, sending=True)

    async def _write_down(self, held: Held, effect: Effect, call: Call, result: Any) -> None:
        """Once more where the database gave it up or was away: what is known to have been sent need not be looked for,
        and where it could not be, it would be sent again."""
        for pause in ONCE_MORE:
            try:
                await self._recorded(held, effect, call, result)
            except Exception as error:
                if not (isinstance(error, Retry) or away(error)):
                    raise
                await asyncio.sleep(pause)
            else:
                return
        await self._recorded(held, effect, call, result)

    async def _recorded(self, held: Held, effect: Effect, call: Call, result: Any) -> None:
        row = held.row
        async with self._store.write(_turn(row, sending=True), EVERYBODYS) as unit:
            await self._own(unit, held)
            verdict = await effect.record(unit, row, call, result)
            if isinstance(verdict, Done) and verdict.external_id:
                await queue.name(unit, held, verdict.external_id)
            await self._probe("external_id", row)
            await self._probe("before_done", row)
            await self._settle(unit, held, verdict, sending=True)

    # An earlier attempt may have taken effect

    async def _certainly_absent(self, held: Held, effect: Effect) -> bool:
        """True: it may be sent. Otherwise the row is settled: recorded, looked for again later, or given up."""
        row, call = held.row, _journalled(held)
        try:
            found = await self._bounded(effect.find(row, call))
        except Exception as error:
            await self._not_read(held, effect, error)
            return False
        if found is not None:
            await self._record(held, effect, call, found)
            return False
        grace = effect.grace(row) * self._scale
        shown_by = (row.sent_at or row.created_at) + held.lease + self._http_timeout + grace
        if held.found_at >= shown_by:
            return True
        async with self._store.write(held.row.prio, EVERYBODYS) as unit:
            await self._own(unit, held)
            verdict = Later(shown_by, "not there yet", count=False, sending=True)
            await self._settle(unit, held, verdict, sending=True)
        return False

    async def _not_read(self, held: Held, effect: Effect, error: Exception) -> None:
        """Read again where that may help, else `unknown` decides."""
        definite = isinstance(error, DeskError) and not isinstance(error, Retry)
        if not definite and held.row.attempts < held.row.max_attempts:
            await self._again(held, error, sending=True)
            return
        async with self._store.write(held.row.prio, EVERYBODYS) as unit:
            await self._own(unit, held)
            verdict = await effect.unknown(unit, held.row, error)
            await self._settle(unit, held, verdict, sending=True)

    # Failures

    async def _failed(self, held: Held, work: Job | Effect, error: Exception, sending: bool = False) -> None:
        """What the work itself makes of it; where that fails too, the engine's own back-off."""
        if not isinstance(error, DeskError):
            log.error("%s %s failed", held.row.kind, held.row.id, exc_info=error)
        try:
            async with self._store.write(_turn(held.row, sending), EVERYBODYS) as unit:
                await self._own(unit, held)
                usual, silent = self._default(unit, held, error, sending)
                verdict = await work.failed(unit, held.row, error)
                await self._settle(unit, held, verdict or usual, sending)
                await self._hold(unit, held.row, silent)
        except Lost:
            raise
        except Exception as another:
            log.exception("%s %s: its failure could not be handled", held.row.kind, held.row.id)
            await self._again(held, another, sending)

    async def _again(self, held: Held, error: Exception, sending: bool) -> None:
        async with self._store.write(_turn(held.row, sending), EVERYBODYS) as unit:
            await self._own(unit, held)
            usual, silent = self._default(unit, held, error, sending)
            await self._settle(unit, held, usual, sending)
            await self._hold(unit, held.row, silent)

    async def _hold(self, unit: SqlUnit, row: Row, silent: float | None) -> None:
        """At the end: rows of work are taken before their destinations, as the claim does."""
        if silent is not None and row.dest:
            await queue.hold_dest(unit, row.dest, silent)

    def _default(self, unit: SqlUnit, held: Held, error: Exception, sending: bool) -> tuple[Verdicts, float | None]:
        """And the seconds for which nobody uses its destination. A limit of the other side's is nobody's fault and uses
        up no attempt. What may have been sent is read back even after the last one."""
        row, known = held.row, error if isinstance(error, Retry) else Retry()
        after = self._backoff(row.attempts) if known.after is None else min(known.after, LONGEST_NAMED.total_seconds())
        if known.rate_limited and known.after is None:
            age = (unit.now - row.created_at).total_seconds()
            after = max(after, min(age / 2, LONGEST_UNNAMED))
        attempts = row.attempts - 1 if sending else row.attempts
        if attempts >= row.max_attempts and not known.rate_limited:
            return self._spent(unit, row, reason(error)), None
        later = Later(unit.now + timedelta(seconds=after), reason(error), not known.rate_limited, sending)
        return later, after if known.rate_limited else None

    def _spent(self, unit: SqlUnit, row: Row, why: str) -> Verdicts:
        """All attempts are used up. An effect is parked: a person has to look. A job has changed nothing, and what it
        is about must not be lost, nor hold its lane for ever: it is tried now and then, and those who can mend it are
        told (bot/unknown.py). One that takes its process down with it does so seldom."""
        if row.kind in self._effects:
            return Park(why)
        log.error("%s %s: %s attempts in vain, tried now and then: %s", row.kind, row.id, row.max_attempts, why)
        return Later(unit.now + timedelta(seconds=self._backoff(SPENT)), why, count=False)

    # Shared

    async def _own(self, unit: SqlUnit, held: Held) -> None:
        await queue.own(unit, held)

    async def _settle(self, unit: SqlUnit, held: Held, verdict: Verdicts, sending: bool = False) -> None:
        row = held.row
        if isinstance(verdict, Later) and verdict.count and not verdict.sending and row.attempts >= row.max_attempts:
            verdict = self._spent(unit, row, verdict.error or f"{row.max_attempts} attempts")
        await queue.settle(unit, held, verdict, sending)
        held.verdict = verdict

    async def _give_back(self, held: Held) -> None:
        with suppress(Exception):
            async with self._store.write(held.row.prio, EVERYBODYS) as unit:
                await queue.give_back(unit, held)


def _turn(row: Row, sending: bool) -> int:
    """What has left is written down before other work: people may see it, and answer where the desk does not know it
    yet; and a lease that ends meanwhile sends it again."""
    return min(row.prio, Prio.PERSON) if sending else row.prio


def _journalled(held: Held) -> Call:
    call = unpack(held.call)
    return call if isinstance(call, Call) else Call()
