"""Polls: one source is read, what it brought is put to work, and only then its cursor moves on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

from desk.errors import NeedsLogin, Retry
from desk.mention import Mention
from desk.platform import Batch, Platform
from desk.ports import Directory, Done, Later, SourceStatus, Store, StoredMention, Unit, Verdicts
from desk.posting import reason
from desk.receiving import FIRST_DAYS, receive
from desk.work import LEASES, Prio, Row, Work

KNOCK_GAP = timedelta(seconds=10)
"""Between two readings that a platform's own notifications ask for, however many come."""
CATCHING_UP = timedelta(hours=1)
"""The first reading of a busy account takes several polls: what is past its limit by then makes no case in any."""
ALARM_AFTER = 3
"""Polls failed in a row before staff are told, once; a login that ended is told at the first."""
LONG = 900.0
"""Seconds for which a source asks to be left alone, that staff are told of at once: three polls of most."""


class SourceRef(NamedTuple):
    """A configured source: its key, its brand's key, and the account opened for it."""

    key: str
    brand: str
    platform: Platform


def poll_work(source: str, slot: datetime) -> Work:
    """Missed polls merge: one ready row a source."""
    return Work(
        "poll",
        {"source": source},
        lane=f"poll:{source}",
        idem=f"poll:{source}:{slot.isoformat()}",
        merge_key=f"poll:{source}",
        prio=30,
    )


async def knocked(unit: Unit, source: str) -> None:
    """The platform says that something is new: its source is read at once, and by the clock as ever."""
    tried_at = (await unit.source(source)).last_try_at
    soonest = unit.now if tried_at is None else max(unit.now, tried_at + KNOCK_GAP)
    await unit.enqueue(replace(poll_work(source, soonest), idem=None, run_at=soonest))


@dataclass(frozen=True, slots=True)
class Poll:
    """Job of kind "poll". A source that fails harms only itself: it is noted, told once, and polled again in turn."""

    store: Store
    directory: Callable[[], Directory]
    source: Callable[[str], SourceRef | None]
    errors: Callable[[str, str], None] = lambda source, kind: None
    lease: timedelta = LEASES["ai"]

    async def fetch(self, row: Row) -> Batch | None:
        ref = self.source(row.payload["source"])
        if ref is None:
            return None
        async with self.store.read() as reader:
            status = next((s for s in await reader.sources() if s.source == ref.key), SourceStatus(ref.key))
        return await ref.platform.read(status.cursor, row.created_at - FIRST_DAYS)

    async def apply(self, unit: Unit, row: Row, fetched: Batch | None) -> Verdicts:
        ref = self.source(row.payload["source"])
        if ref is not None and fetched is not None:
            await store_batch(unit, self.directory(), ref, fetched, str(row.id), row.created_at)
        return Done()

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        ref = self.source(row.payload["source"])
        if ref is None:
            return None
        self.errors(ref.key, type(error).__name__)
        before = await unit.source(ref.key)
        status = replace(before, last_try_at=unit.now, failures=before.failures + 1, last_error=reason(error))
        await unit.set_source(status)
        if status.failures >= (1 if _lasts(error) else ALARM_AFTER):
            since = status.last_success_at.isoformat() if status.last_success_at else "the beginning"
            needs = "login" if isinstance(error, NeedsLogin) else "time"
            told = _told(self.directory(), ref, "source_failing", reason(error), f"{ref.key}:{since}:{needs}")
            await unit.enqueue(*told)
        if isinstance(error, Retry) and error.after is not None:
            return Later(unit.now + timedelta(seconds=error.after), reason(error), count=False)
        return Done()


async def store_batch(
    unit: Unit, directory: Directory, ref: SourceRef, batch: Batch, name: str, asked_at: datetime
) -> None:
    """What a poll brought becomes work, and the cursor moves on, in one transaction. `name` tells this poll apart."""
    status = await unit.source(ref.key)
    rules = directory.rules(ref.brand, ref.platform.card.name)
    began = status.first_poll_at or asked_at
    catching_up = asked_at - began < CATCHING_UP
    known = await unit.mentions(mention.key for mention in batch.mentions)
    for mention in batch.mentions:
        # The overlap of two readings goes no further than this: only what is new or says something else is work.
        if _news(mention, known.get(mention.key)):
            begun = began if catching_up else asked_at if mention.key in batch.first else None
            quiet_before = begun - rules.sla.limit if begun is not None and rules is not None else None
            await unit.enqueue(receive(mention, f"receive:{name}:{':'.join(mention.key)}", quiet_before))
    if batch.note:
        await unit.enqueue(*_told(directory, ref, "source_note", batch.note, _weekly(ref, batch.note, unit.now)))
    await unit.set_source(_success(status, batch, unit.now))


def _lasts(error: Exception) -> bool:
    """Nobody needs to wait for further failures: a person has to mend it, or it was said to take long."""
    return isinstance(error, NeedsLogin) or (isinstance(error, Retry) and (error.after or 0) > LONG)


def _told(directory: Directory, ref: SourceRef, what: str, why: str, idem: str) -> list[Work]:
    rules = directory.rules(ref.brand, ref.platform.card.name)
    if rules is None:
        return []
    room = (what == "source_failing" and rules.leads_room) or rules.staff_room
    payload = {"room": room, "thread": "", "what": what, "source": ref.key, "reason": why, "brand": ref.brand}
    return [Work("answer", payload, lane=f"answers:{room}:", dest=room, idem=f"told:{idem}", prio=Prio.ALARM)]


def _weekly(ref: SourceRef, note: str, now: datetime) -> str:
    """The same fault may be there with each poll, or in each week's file. A database takes no long key."""
    return f"{ref.key}:{now:%G-W%V}:{sha256(note.encode()).hexdigest()[:32]}"


def _news(mention: Mention, known: StoredMention | None) -> bool:
    if known is None:
        return not mention.deleted
    if mention.deleted:
        return not known.mention.deleted
    return known.mention.deleted or mention.fingerprint != known.mention.fingerprint


def _success(status: SourceStatus, batch: Batch, now: datetime) -> SourceStatus:
    times = [m.published_at for m in batch.mentions if m.published_at is not None and m.published_at <= now]
    return replace(
        status,
        cursor=batch.cursor,
        first_poll_at=status.first_poll_at or now,
        last_try_at=now,
        last_success_at=now,
        failures=0,
        last_error="",
        newest_at=max([*times, *([status.newest_at] if status.newest_at else [])], default=None),
    )
