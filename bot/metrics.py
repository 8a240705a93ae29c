"""What Prometheus is told: the names of contract §7 and no others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from desk.case import Case, Round, State
from desk.errors import Retry
from desk.mention import Mention
from desk.ports import Call, Done, Drop, Effect, Later, Park, SourceStatus, Unit, Verdicts
from desk.scope import Scope
from desk.stats import reaction
from desk.work import Row
from storage.store import SqlStore
from storage.tables import work
from storage.waiting import is_in

log = logging.getLogger("replydesk.metrics")

disable_created_metrics()

MINUTE = 60
REACTION = tuple(MINUTE * n for n in (5, 10, 15, 20, 30, 45, 60, 75, 90, 120, 180, 240, 360, 720, 1440, 2880))
"""Seconds; dense around the usual targets of 60 and 90 minutes, up to the hard limit of a day and past it."""
STAGE = (1, 5, 15, 30, *(MINUTE * n for n in (1, 2, 5, 10, 15, 30, 45, 60, 90, 120, 240, 720, 1440)))

STAGES = ("found", "carded", "taken", "drafted", "approved", "posted", "visible")
OUTCOMES: dict[type, str] = {Done: "done", Later: "again", Park: "parked", Drop: "dropped"}


class Snapshot(NamedTuple):
    """What stands in the store at the time of a scrape. `pending` by surface; `lag` in seconds by source; `unknown`:
    rows by kind."""

    cases: Mapping[tuple[str, State], int] = {}
    pending: Mapping[str, int] = {}
    lag: Mapping[str, float] = {}
    unknown: Mapping[str, int] = {}


Take = Callable[[], Awaitable[Snapshot]]


async def snapshot(store: SqlStore, sources: Collection[str], now: datetime) -> Snapshot:
    """`sources`: keys of those that are polled; what left the configuration has no lag to watch."""
    async with store.read(Scope.everything("gauges count cases, and show none")) as reader:
        states, statuses = await reader.states(), await reader.sources()
    return Snapshot(states, await _pending(store), lags(statuses, sources, now))


async def _pending(store: SqlStore) -> dict[str, int]:
    waiting = select(work.c.dest, func.count()).where(is_in("ready", "running", "parked"), work.c.dest != "")
    async with store.database.reader.begin() as connection:
        rows = (await connection.execute(waiting.group_by(work.c.dest))).all()
    found: dict[str, int] = {}
    for dest, count in rows:
        found[surface(dest)] = found.get(surface(dest), 0) + count
    return found


def lags(statuses: Iterable[SourceStatus], sources: Collection[str], now: datetime) -> dict[str, float]:
    """Seconds since a source was last read with success; since its first attempt where it never was."""
    since = {s.source: s.last_success_at or s.first_poll_at or s.last_try_at for s in statuses if s.source in sources}
    return {source: max(0.0, (now - at).total_seconds()) for source, at in since.items() if at is not None}


def surface(dest: str) -> str:
    """telegram or slack for a room, the platform's name for an account ("platform:<brand>:<platform>:<account>")."""
    kind, _, rest = dest.partition(":")
    return rest.split(":")[1] if kind == "platform" and ":" in rest else kind


class _Standing(Collector):
    def __init__(self) -> None:
        self.now = Snapshot()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        cases = GaugeMetricFamily("replydesk_cases", "Cases by state", labels=["brand", "state"])
        for brand in sorted({brand for brand, _ in self.now.cases}):
            for state in State:
                cases.add_metric([brand, state.value], self.now.cases.get((brand, state), 0))
        pending = GaugeMetricFamily(
            "replydesk_deliveries_pending", "Messages and replies not yet out", labels=["surface"]
        )
        for where, count in self.now.pending.items():
            pending.add_metric([where], count)
        lag = GaugeMetricFamily("replydesk_source_lag_seconds", "Since a source was last read", labels=["source"])
        for source, seconds in self.now.lag.items():
            lag.add_metric([source], seconds)
        unknown = GaugeMetricFamily("replydesk_unknown_work", "Rows that wait for newer code", labels=["kind"])
        for kind, count in self.now.unknown.items():
            unknown.add_metric([kind], count)
        yield from (cases, pending, lag, unknown)


@dataclass
class Metrics:
    """Counts of this process, and what the store holds at the time of a scrape."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    _take: Take | None = None

    def __post_init__(self) -> None:
        self._mentions = self._counter("mentions", "Mentions judged", "brand", "platform", "tone")
        self._deliveries = self._counter("deliveries", "Messages and replies by outcome", "surface", "outcome")
        self._limited = self._counter("rate_limited", "Times the other side asked to wait", "surface")
        self._errors = self._counter("source_errors", "Polls that failed", "source", "kind")
        self._tokens = self._counter("ai_tokens", "Tokens used by the AI server", "purpose")
        self._reaction = self._histogram("reaction", "Publication to first reply", REACTION, "brand", "platform")
        self._stages = self._histogram("stage", "From the stage before to this one", STAGE, "stage")
        self._standing = _Standing()
        self.registry.register(self._standing)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"replydesk_{name}_total", about, labels, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"replydesk_{name}_seconds", about, labels, buckets=buckets, registry=self.registry)

    # counted as it happens

    def mention(self, mention: Mention, tone: str) -> None:
        """As desk.receiving.Receive.count."""
        self._mentions.labels(mention.key.brand, mention.key.platform, tone).inc()

    def source_error(self, source: str, kind: str) -> None:
        """As desk.polling.Poll.errors."""
        self._errors.labels(source, kind).inc()

    def settled(self, row: Row, verdict: Verdicts, seconds: float) -> None:
        """As storage.runner.Settled. Work without a destination delivers nothing."""
        if row.dest:
            self._deliveries.labels(surface(row.dest), OUTCOMES[type(verdict)]).inc()

    def rate_limited(self, where: str) -> None:
        self._limited.labels(where).inc()

    def ai_tokens(self, purpose: str, tokens: int) -> None:
        self._tokens.labels(purpose).inc(tokens)

    def saved(self, before: Case | None, after: Case) -> None:
        """A case was committed: its stages that are new are observed, and its reaction time once it is posted."""
        old = before.round if before is not None and before.round.n == after.round.n else None
        for stage, spent in _stages_between(old, after.round):
            self._stages.labels(stage).observe(spent.total_seconds())
        taken = reaction(after.round)
        if taken is not None and (old is None or old.posted_at is None):
            key = after.mention.key
            self._reaction.labels(key.brand, key.platform).observe(max(0.0, taken.total_seconds()))

    def counting(self, effect: Effect) -> Effect:
        """The effect, with each request of the other side to wait counted."""
        return _Counting(effect, self)

    # read when asked

    def watch(self, take: Take) -> None:
        """Where `render` gets the figures that stand in the store."""
        self._take = take

    async def render(self) -> bytes:
        """Prometheus text. Without the store, the counters alone: a scrape never fails because the desk does."""
        self._standing.now = await self._taken()
        return generate_latest(self.registry)

    async def _taken(self) -> Snapshot:
        try:
            return await self._take() if self._take is not None else Snapshot()
        except Exception as error:
            log.warning("the store could not be read for metrics: %s", type(error).__name__)
            return Snapshot()


def _stages_between(old: Round | None, new: Round) -> Iterator[tuple[str, timedelta]]:
    """Each stage reached since `old`, with the time since the stage before it, or since the clock's start."""
    last = new.clock_at
    for stage in STAGES:
        at: datetime | None = getattr(new, f"{stage}_at")
        if at is None:
            continue
        if old is None or getattr(old, f"{stage}_at") is None:
            yield stage, max(at - last, timedelta())
        last = max(at, last)


@dataclass(frozen=True, slots=True)
class _Counting:
    effect: Effect
    metrics: Metrics

    @property
    def lease(self) -> timedelta:
        return self.effect.lease

    def grace(self, row: Row) -> timedelta:
        return self.effect.grace(row)

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        return await self.effect.prepare(unit, row)

    async def send(self, row: Row, call: Call) -> Any:
        try:
            return await self.effect.send(row, call)
        except Retry as error:
            if error.rate_limited:
                self.metrics.rate_limited(surface(row.dest))
            raise

    async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts:
        return await self.effect.record(unit, row, call, result)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return await self.effect.failed(unit, row, error)

    async def find(self, row: Row, call: Call) -> Any | None:
        return await self.effect.find(row, call)

    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts:
        return await self.effect.unknown(unit, row, error)
