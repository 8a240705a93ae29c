"""What the tests of storage share: a clock, cases, and work whose course a test scripts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text

from desk.case import Case, Event, Round
from desk.errors import DeskError
from desk.mention import Author, Mention, MentionKey
from desk.ports import Call, Done, Unit, Verdicts
from desk.scope import Scope
from desk.work import Row, Work
from storage.engine import Engine
from storage.store import SqlStore
from storage.tables import dest, work

START = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
WHOLE = Scope.everything("a test looks at all of it")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def a_mention(external_id: str = "r-1", brand: str = "acme-coffee", **more: Any) -> Mention:
    key = MentionKey(brand, "google_play", "app", external_id)
    defaults: dict[str, Any] = {
        "text": "Кофе был холодный ☕",
        "rating": 1,
        "author": Author("u9", "user_9", followers=120),
        "published_at": START,
        "media": ("https://example.com/1.jpg",),
        "raw": {"stars": [1, None]},
    }
    return Mention(key, "acme-play", **(defaults | more))


def a_case(external_id: str = "r-1", brand: str = "acme-coffee", clock_at: datetime = START, **more: Any) -> Case:
    first = Round(1, clock_at, clock_at + timedelta(minutes=5))
    return Case(0, "acme", brand, a_mention(external_id, brand), first.found_at, rounds=(first,), **more)


async def stored_case(store: SqlStore, *more: Event, **how: Any) -> Case:
    async with store.write(scope=WHOLE) as unit:
        return await unit.new_case(a_case(**how), list(more))


class Told:
    """A job that does what it was told, attempt by attempt: raise, or return a verdict. Then it is done."""

    lease = timedelta(seconds=10)

    def __init__(self, *script: Exception | Verdicts, failing: Verdicts | None = None) -> None:
        self.script = list(script)
        self.failing = failing
        self.ran: list[Row] = []
        self.failures: list[Exception] = []
        self.fetching: Callable[[Row], Any] | None = None

    async def fetch(self, row: Row) -> Any:
        return await self.fetching(row) if self.fetching else None

    async def apply(self, unit: Unit, row: Row, fetched: Any) -> Verdicts:
        self.ran.append(row)
        now = self.script.pop(0) if self.script else Done()
        if isinstance(now, Exception):
            raise now
        return now

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        self.failures.append(error)
        return self.failing

    @property
    def payloads(self) -> list[Any]:
        return [row.payload for row in self.ran]


class World:
    """An effect on a world that keeps what it was sent, and answers by a script; `happens`: before an error, too."""

    lease = timedelta(seconds=60)

    def __init__(self, *script: DeskError | Exception | None, happens: bool = True) -> None:
        self.script = list(script)
        self.happens = happens
        self.sent: list[str] = []
        self.prepared: list[Row] = []
        self.recorded: list[tuple[Call, Any]] = []
        self.failures: list[Exception] = []
        self.finding: Exception | None = None
        self.found: list[Call] = []
        self.verdict: Verdicts | None = None
        self.unknown_verdict: Verdicts | None = None
        self.asked: list[Exception] = []
        self.waiting: timedelta = timedelta(seconds=30)

    def grace(self, row: Row) -> timedelta:
        return self.waiting

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        self.prepared.append(row)
        return Call({"text": row.payload["text"]})

    async def send(self, row: Row, call: Call) -> Any:
        error = self.script.pop(0) if self.script else None
        if error is None or self.happens:
            self.sent.append(call.data["text"])
        if error is not None:
            raise error
        return f"id-{len(self.sent)}"

    async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts:
        self.recorded.append((call, result))
        return Done(result)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        self.failures.append(error)
        return self.verdict

    async def find(self, row: Row, call: Call) -> Any | None:
        self.found.append(call)
        if self.finding is not None:
            raise self.finding
        return "id-found" if call.data["text"] in self.sent else None

    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts:
        self.asked.append(error)
        assert self.unknown_verdict is not None
        return self.unknown_verdict


def an_engine(store: SqlStore, job: Any = None, effect: Any = None, **how: Any) -> Engine:
    """Kind "step" is the job, kind "reply" the effect; back-off is a second an attempt."""
    jobs = {"step": job} if job is not None else {}
    effects = {"reply": effect} if effect is not None else {}
    return Engine(store, how.pop("jobs", jobs), effects, **({"backoff": float} | how))


async def rows(store: SqlStore, *columns: str) -> list[Any]:
    """The table of work, by id: one column as a list, several as tuples."""
    async with store.write() as unit:
        found: Sequence[Any] = await unit.rows(select(*(work.c[name] for name in columns)).order_by(work.c.id))
    return [row[0] if len(columns) == 1 else tuple(row) for row in found]


async def tat(store: SqlStore, name: str) -> float:
    async with store.write() as unit:
        value: float = await unit.value(select(dest.c.tat).where(dest.c.name == name))
    return value


async def put(store: SqlStore, *works: Work) -> None:
    async with store.write() as unit:
        await unit.enqueue(*works)


async def until(happened: Callable[[], Any], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - what is waited for happens in many ways
            await asyncio.sleep(0.01)


async def blocked(store: SqlStore, many: int = 1) -> None:
    """Until so many transactions on this PostgreSQL database wait for another one's lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(60):
        while True:
            async with store.database.reader.begin() as connection:  # each transaction looks anew
                if await connection.scalar(waiting) >= many:
                    return
            await asyncio.sleep(0.01)
