"""The clock of the process: APScheduler wakes `fire_due` when the next schedule is due. Nothing durable lives in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from sqlalchemy.exc import SQLAlchemyError

from bot.directory import Directory
from desk.answering import digest_work, local_date
from desk.errors import told
from desk.polling import poll_work
from desk.work import Work
from storage.schedules import Planned, Schedules, Slot
from storage.store import SqlStore

log = logging.getLogger("replydesk.rounds")

LOOK = timedelta(seconds=30)
"""The longest sleep between two looks: another replica, or a changed file, may have moved a schedule forward."""

SOON = timedelta(seconds=2)
"""Until the next look after one that failed: the store is mostly away for a moment only."""

DIGEST_GRACE = timedelta(hours=12)
"""A digest missed while the desk was down still goes out within this time."""

KEEP_DONE = timedelta(days=30)
"""Finished work older than this moves to history; platforms redeliver for hours, at most days."""


def next_at(cron: str, zone: str, after: datetime) -> datetime:
    """The first moment after `after` that wall clocks in `zone` give: once where an hour comes twice, and an hour later
    where it is left out, at midnight too (with its own zone the trigger would leave that day out)."""
    there = ZoneInfo(zone)
    trigger = CronTrigger.from_crontab(cron, timezone=UTC)
    wall = after.astimezone(there).replace(tzinfo=UTC, fold=0)
    while True:
        shown = trigger.get_next_fire_time(None, wall + timedelta(microseconds=1))
        if shown is None:
            raise ValueError(f"{cron}: never")
        moment = shown.replace(tzinfo=there).astimezone(UTC)
        if moment > after:
            return moment
        wall = shown


def _planned(directory: Directory) -> Iterator[Planned]:
    yield Planned("housekeeping", cron="30 3 * * *", grace=timedelta(days=1))
    for source in directory.sources():
        if not source.pushed:
            yield Planned(f"poll:{source.key}", every=source.every)
    for client in directory.digests():
        cron = f"{client.digest_at.minute} {client.digest_at.hour} * * *"
        yield Planned(f"digest:{client.key}", cron=cron, tz=client.zone, grace=DIGEST_GRACE)


class Rounds:
    """Keeps the schedules as the configuration wants them, and fires those that are due."""

    def __init__(self, store: SqlStore, directory: Callable[[], Directory], now: Callable[[], datetime]) -> None:
        self._store = store
        self._directory = directory
        self._now = now
        self._schedules = Schedules(store, next_at)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._planned: list[str] = []
        self._away = False
        self.last_fired: datetime | None = None

    async def start(self) -> None:
        await self.plan()
        self._scheduler.start()
        await self._fire()

    async def plan(self) -> None:
        """One schedule a polled source, one a digest, one for housekeeping; others are dropped."""
        planned = list(_planned(self._directory()))
        await self._schedules.put_all(planned)
        self._planned = [one.name for one in planned]
        await self._schedules.keep(self._planned)

    async def _fire(self) -> None:
        """One failure is one look missed: the next one comes by itself."""
        try:
            if await self._schedules.lacks(self._planned):
                await self.plan()
            await self._schedules.fire_due(self._work, self._planned)
            self.last_fired = self._now()
            following = await self._schedules.next(self._planned)
        except asyncio.CancelledError:
            return  # the desk stops; the scheduler would log it as a failure
        except (SQLAlchemyError, OSError) as error:
            if not self._away:
                log.warning("schedules cannot be looked at, the database is away: %s", told(error))
            self._away, following = True, self._now() + SOON
        except Exception:
            log.exception("schedules could not be looked at; the next look is in %s", SOON)
            following = self._now() + SOON
        else:
            self._away = False
        self._again(following)

    def _again(self, following: datetime | None) -> None:
        now = self._now()
        wait = LOOK if following is None else min(max(following - now, timedelta(seconds=0.2)), LOOK)
        trigger = DateTrigger(datetime.now(UTC) + wait)
        self._scheduler.add_job(self._fire, trigger, id="fire_due", replace_existing=True, misfire_grace_time=None)

    def _work(self, slot: Slot) -> Sequence[Work]:
        kind, _, key = slot.name.partition(":")
        return WORK[kind](self, key, slot)

    def _poll(self, key: str, slot: Slot) -> Sequence[Work]:
        return [poll_work(key, slot.at)]

    def _digest(self, key: str, slot: Slot) -> Sequence[Work]:
        client = next((c for c in self._directory().digests() if c.key == key), None)
        return [] if client is None else [digest_work(key, local_date(slot.at, client.zone))]

    def _housekeeping(self, key: str, slot: Slot) -> Sequence[Work]:
        return [Work("housekeeping", idem=f"housekeeping:{slot.at.date()}", prio=50)]

    def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)


WORK: dict[str, Callable[[Rounds, str, Slot], Sequence[Work]]] = {
    "poll": Rounds._poll,
    "digest": Rounds._digest,
    "housekeeping": Rounds._housekeeping,
}
