"""The loop: claim what may run, run it, renew what is held, return what others let fall."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count

from sqlalchemy import ColumnElement
from sqlalchemy.exc import SQLAlchemyError

from desk.errors import Retry
from desk.ports import Effect, Job, Probe
from desk.work import Prio
from storage import claim, queue
from storage.queue import Held
from storage.runner import GIVE_BACK, Runner, Settled, backoff, no_probe, reason
from storage.store import SqlStore, Waiting
from storage.unit import SqlUnit

log = logging.getLogger("replydesk.engine")

POLL, POLL_ALONE = 1.0, 5.0
"""Seconds between two looks at the table when nothing wakes the loop. A notification of another replica may be lost; on
SQLite there is no other, and a clock that was set forward is all that is looked for."""

AWAY = (SQLAlchemyError, OSError)

SET_BACK = timedelta(seconds=5)
"""What a clock may go back by itself."""


class Engine(Runner):
    """Runs a store's work in this process. Any number of them may share a PostgreSQL store.

    `slots`: rows at a time. `share`: with so many of one sort running (one messenger, the platforms, one kind of job)
    no more of it is claimed; what hangs holds less than twice as many, and the rest goes on. `scale` shortens leases
    and time-outs for tests. Kinds that neither `jobs` nor `effects` know stay ready; `unknown` tells of them.
    """

    def __init__(
        self,
        store: SqlStore,
        jobs: Mapping[str, Job],
        effects: Mapping[str, Effect],
        *,
        name: str = "desk",
        probe: Probe = no_probe,
        slots: int = 128,
        share: int = 16,
        scale: float = 1.0,
        http_timeout: timedelta = timedelta(seconds=15),
        backoff: Callable[[int], float] = backoff,
        settled: Settled | None = None,
    ) -> None:
        super().__init__(
            store,
            jobs,
            effects,
            probe=probe,
            scale=scale,
            http_timeout=http_timeout,
            backoff=backoff,
            settled=settled,
        )
        self._poll = POLL_ALONE if store.database.sqlite else POLL
        self._name = f"{name}/{os.getpid()}/{secrets.token_hex(4)}"
        self._passes = count(1)
        self._pause: float | None = None
        self._slots = slots
        self._share = share
        self._tasks: dict[asyncio.Task[None], Held] = {}
        self._stir = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._stop_within: float | None = None
        self._told: set[str] = set()
        self._seen: datetime | None = None
        self.away = ""
        """Why the database took no writes at the last attempt, "" where it did."""

    async def run(self) -> None:
        """Until `stop()`."""
        self._ended.clear()
        unwatch = self._store.watch(self._stir.set)
        keeper = asyncio.create_task(self._keep())
        try:
            while self._stop_within is None:
                if keeper.done():
                    keeper.result()  # without it leases would silently run out
                self._stir.clear()
                if not await self._claim_pass():
                    await self._rest()
        finally:
            unwatch()
            await self._let_go(self._stop_within or 0.0)
            keeper.cancel()
            await asyncio.wait([keeper])
            self._ended.set()

    async def stop(self, within: float = 8.0) -> None:
        """Claim nothing more; rows not finished `within` seconds are handed back. Returns when `run` is over."""
        self._stop_within = within
        self._stir.set()
        await self._ended.wait()

    async def drain(self) -> None:
        """Run all that is due now, and what follows from it, to its end, without the loop."""
        while True:
            claimed = await self._claim_pass()
            if self._tasks:
                await asyncio.wait(self._tasks)
            elif not claimed:
                return

    async def unknown(self) -> list[Waiting]:
        """Waiting work of kinds this code does not know, newer code's for example."""
        return [waiting for waiting in await self._store.waiting() if waiting.kind not in self._leases]

    async def tired(self) -> list[Waiting]:
        """Jobs that fail again and again, and effects put aside for the same: a fault of ours, of which nobody knows.
        Others are parked with a question to staff, or wait for their room."""
        return [one for one in await self._store.waiting() if one.tired and self._untold(one)]

    def _untold(self, waiting: Waiting) -> bool:
        aside = waiting.state == "parked" and waiting.rows > waiting.unsure
        return waiting.kind in self._jobs or (waiting.kind in self._effects and aside)

    async def _claim_pass(self) -> int:
        self._pause = None
        free = min(self._slots - len(self._tasks), self._share)
        if free <= 0 or not self._leases:
            return 0
        owner = f"{self._name}/{next(self._passes)}"
        try:
            async with self._store.write(Prio.PERSON) as unit:
                await self._set_back(unit)
                taken = await queue.take(unit, self._leases, owner, free, self._in_lane(), self._full())
                self._pause = None if taken else await queue.pause(unit, self._leases)
        except Retry:
            self._pause = 0.0  # given up in favour of another transaction: at once once more
            return 0
        except AWAY as error:
            self._is_away("nothing could be claimed", reason(error))
            self._pause = POLL
            return 0
        self._is_away("", "")
        for held in taken:
            self._start(held)
        return len(taken)

    async def _set_back(self, unit: SqlUnit) -> None:
        """Marks of pace are times: after a clock that was ahead they would keep their rooms silent until it has caught
        up, and so would what was due by it."""
        before, self._seen = self._seen, unit.now
        if before is not None and before - unit.now > SET_BACK:
            await queue.set_back(unit, before)

    def _is_away(self, what: str, why: str) -> None:
        """Said when it begins and when it is over, however often it is tried in between."""
        if why and not self.away:
            log.warning("%s: %s", what, why)
        elif self.away and not why:
            log.warning("the database takes writes again")
        self.away = why

    def _full(self) -> list[str]:
        counted = Counter(queue.sort_of(held.row) for held in self._tasks.values())
        return sorted(sort for sort, running in counted.items() if running >= self._share)

    def _in_lane(self) -> ColumnElement[bool]:
        return claim.first_in_lane()

    def _start(self, held: Held) -> None:
        task = asyncio.create_task(self.run_row(held), name=f"{held.row.kind} {held.row.id}")
        self._tasks[task] = held
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._stir.set()

    async def _rest(self) -> None:
        """Until something is stirred, comes due or gets its token, and never longer than a poll."""
        wait = self._poll if self._pause is None else min(self._poll, max(self._pause, 0.0) + 0.001)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._stir.wait()

    async def _keep(self) -> None:
        """Renew at a third of the shortest lease; first our own, so that a loop that was held up loses nothing."""
        third = min((lease.total_seconds() for lease in self._leases.values()), default=POLL) / 3
        while True:
            await asyncio.sleep(third)
            try:
                async with self._store.write(Prio.PERSON) as unit:
                    renewed = await queue.renew(unit, list(self._tasks.values()))
                    returned = await queue.return_expired(unit)
                for held in renewed:
                    held.since = max(held.since, unit.began)
                await self._tell_unknown()
            except Retry:
                continue  # given up in favour of another transaction: two turns are left before a lease is over
            except AWAY as error:
                self._is_away("leases could not be renewed", reason(error))
                continue
            if returned:
                log.warning("%s abandoned rows are ready again", returned)

    async def _tell_unknown(self) -> None:
        for waiting in await self.unknown():
            if waiting.kind not in self._told:
                self._told.add(waiting.kind)
                log.error("%s rows of kind %r wait for code that knows it", waiting.rows, waiting.kind)

    async def _let_go(self, within: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=GIVE_BACK)
