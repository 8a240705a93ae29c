"""Pushed mentions become work: a hundred in one transaction and a few statements, before the sender has its answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from collectors.webhook import Received
from desk.mention import Mention, MentionKey
from desk.ports import Job, Store, StoredMention, Unit, Verdicts
from desk.receiving import receive
from desk.scope import Scope
from desk.work import Prio, Row, Work

AT_ONCE = 100
"""Mentions stored in one transaction: presses wait for the same writer and must not wait for a thousand mentions."""
LINGER, LONGEST = 0.05, 2.0
"""Seconds: how soon after a push the next one of the same sender comes, and for how long pushes may hold up what
follows from them."""


class Counts(NamedTuple):
    accepted: int = 0
    duplicates: int = 0


class Gate:
    """What was pushed is judged when nobody pushes: a sender waits for its answer, a card does not see the moment."""

    def __init__(self) -> None:
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextmanager
    def pushing(self) -> Iterator[None]:
        self._under_way += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            asyncio.get_running_loop().call_later(LINGER, self._rest)

    def _rest(self) -> None:
        if not self._under_way:
            self._quiet.set()

    async def quiet(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST):
                await self._quiet.wait()


@dataclass(frozen=True, slots=True)
class Patient:
    """A job that lets pushes go first."""

    job: Job
    gate: Gate

    @property
    def lease(self) -> timedelta:
        return self.job.lease

    async def fetch(self, row: Row) -> Any:
        await self.gate.quiet()
        return await self.job.fetch(row)

    async def apply(self, unit: Unit, row: Row, fetched: Any) -> Verdicts:
        return await self.job.apply(unit, row, fetched)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return await self.job.failed(unit, row, error)


async def take_in(store: Store, source: str, push: str, body: bytes, got: Received) -> Counts:
    """Store what a push brings as work; returns once it is committed. The same push again changes nothing.

    A sender may use an id twice for different bodies: then each mention is judged for itself.
    """
    whole = f"hook:{source}:{push}:{hashlib.sha256(body).hexdigest()[:32]}"
    counts, scope = Counts(), Scope.of(mention.key.brand for mention in got.mentions)
    for start in range(0, len(got.mentions), AT_ONCE):
        some = got.mentions[start : start + AT_ONCE]
        async with store.write(prio=Prio.PERSON, scope=scope) as unit:
            first = await unit.once(f"{whole}:{start}")
            new = await _take(unit, source, whole, start, some) if first else 0
        counts = Counts(counts.accepted + new, counts.duplicates + len(some) - new)
    return counts


async def _take(unit: Unit, source: str, push: str, start: int, some: Sequence[Mention]) -> int:
    """How many are new, or say something else than they said last. `push` names it with its body.

    What was pushed last is remembered here, and not only read from the mention: between the push and the work that
    stores it another push may take the words back.
    """
    said = await _said(unit, source, some)
    works: list[Work] = []
    changed: dict[str, dict[str, Any]] = {}
    for index, mention in enumerate(some, start):
        last, says = _last(source, mention), _says(mention)
        if said.get(last) != says:
            said[last] = says
            changed[last] = {"says": says}
            works.append(receive(mention, f"{push}:{index}:{mention.key.external_id}:{mention.fingerprint}"))
    await unit.remember_all(changed)
    await unit.enqueue(*works)
    return len(works)


async def _said(unit: Unit, source: str, some: Sequence[Mention]) -> dict[str, str]:
    """What each said when it was last heard of, by a push or otherwise."""
    pushed = await unit.recall_all({_last(source, mention) for mention in some})
    unheard = [mention for mention in some if _last(source, mention) not in pushed]
    stored: dict[MentionKey, StoredMention] = await unit.mentions(mention.key for mention in unheard) if unheard else {}
    known = {_last(source, found.mention): _says(found.mention) for found in stored.values()}
    return known | {last: outcome.get("says", "") for last, outcome in pushed.items()}


def _last(source: str, mention: Mention) -> str:
    return f"hook:{source}:last:{mention.key.external_id}"


def _says(mention: Mention) -> str:
    return "deleted" if mention.deleted else mention.fingerprint
