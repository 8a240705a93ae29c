"""A store that has served for two years, a million mentions and a hundred thousand cases, against an empty one."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Table, insert, select

from bench.figures import machine, table
from bench.intake import BATCH, BATCHES, handled, mentions, pushed_to, signed
from bench.stores import stores
from bot.reports.export import rows, write
from desk.answering import Answering
from desk.polling import poll_work
from desk.scope import Scope
from sandbox import world
from storage.database import Database
from storage.tables import metadata
from tests.scenarios.world import TELEGRAM_IDS, World

MENTIONS, CASES, OPEN = 1_000_000, 100_000, 50
CASE, MENTION_VERSIONS = metadata.tables["cases"], metadata.tables["mention_versions"]
APART = timedelta(minutes=10)
"""Between two cases: two years of them."""
TIMES = 7
CHUNK = 5_000
REPLY = "We are sorry, your next coffee is on us."
WHAT = ("intake, mentions a second", "/open, press to answer", "digest of a day", "export of a day", "export of all")


async def run(folder: Path) -> None:
    lines: list[list[str]] = []
    with stores(folder) as urls:
        for name, url in urls.items():
            empty = await _measured(folder, url, _first_cases)
            begun = time.monotonic()
            await fill(url)
            print(f"{name} filled in {time.monotonic() - begun:.0f} s", file=sys.stderr)
            full = await _measured(folder, url, _nothing)
            lines += [[f"{name}: {what}", *_line(what, empty[what], full[what])] for what in WHAT]
    head = ("", "empty", f"{MENTIONS:,} mentions, {CASES:,} cases", "full / empty")
    print(f"{machine()}; medians of {TIMES}\n\n{table(head, lines)}\n")


def _line(what: str, empty: float, full: float) -> list[str]:
    if what.startswith("intake"):
        return [f"{empty:,.0f}", f"{full:,.0f}", f"{empty / full:.2f} times the time"]
    return [_seconds(empty), _seconds(full), f"{full / empty:.2f}"]


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 10 else f"{value:.0f} s"


# measuring


async def _measured(folder: Path, url: str, begin: Callable[[World], Awaitable[None]]) -> dict[str, float]:
    with pytest.MonkeyPatch.context() as patch:
        async with pushed_to(folder, url, patch) as (w, port):
            await begin(w)
            found = [await _intake(w, port), await _open(w), await _digest(w), await _export(w, folder, days=1)]
            return dict(zip(WHAT, [*found, await _export(w, folder)], strict=True))


async def _first_cases(w: World) -> None:
    """One that went the whole way, to be copied, and those that are open."""
    await w.until(lambda: w.sandbox.site.calls, what="the first poll")
    await w.app.rounds.plan()
    review = w.review()
    async with w.app.store.write() as unit:
        await unit.enqueue(_poll(unit.now))
    await w.proposed(REPLY, review=review)
    await w.client.press("marta", 1, "Approve")
    await w.state(1, "answered")
    for number in range(OPEN):
        w.review(1, f"Cold coffee, number {number}")
    async with w.app.store.write() as unit:
        await unit.enqueue(_poll(unit.now))
    await w.until(lambda: all(w.staff.buttons(n + 2) for n in range(OPEN)), within=120.0, what="the cards")


def _poll(now: datetime) -> Any:
    return poll_work("acme-play", now)


async def _nothing(w: World) -> None:
    return None


async def _intake(w: World, port: int) -> float:
    rates = []
    async with aiohttp.ClientSession() as http:
        for _ in range(3):
            name, began = time.monotonic_ns(), time.perf_counter()
            for number in range(BATCHES):
                content = mentions(f"{name}-{number}", BATCH)
                address = f"http://127.0.0.1:{port}/hooks/pushed"
                async with http.post(address, data=content, headers=signed(content)) as answer:
                    assert answer.status == 202, await answer.text()
            rates.append(BATCH * BATCHES / (time.perf_counter() - began))
            await handled(w)
    return statistics.median(rates)


async def _open(w: World) -> float:
    """`/open` typed in the staff's room, until the list is there."""
    taken = []
    for _ in range(TIMES):
        before, began = len(w.sandbox.telegram.calls), time.perf_counter()
        w.sandbox.telegram.write(TELEGRAM_IDS["anna"], world.STAFF_ROOM, "/open")
        await w.until(lambda before=before: _sent_after(w, before), what="the list")
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _sent_after(w: World, index: int) -> bool:
    return any(call.method == "sendMessage" for call in w.sandbox.telegram.calls[index:])


async def _timed(work: Callable[[], Awaitable[Any]], times: int = TIMES) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def _digest(w: World) -> float:
    directory = w.app.live.current
    answering = Answering(w.app.store, lambda: directory, w.app.chat)
    payload = {"client": directory.digests()[0].key, "date": date.today().isoformat()}  # noqa: DTZ011

    async def make() -> None:
        async with w.app.store.write(scope=Scope.everything("a bench")) as unit:
            assert await answering.digest_staff(unit, payload) is not None

    return await _timed(make)


async def _export(w: World, folder: Path, days: int = 0) -> float:
    now = datetime.now(UTC)
    since = now - timedelta(days=days) if days else datetime(2000, 1, 1, tzinfo=UTC)
    directory = w.app.live.current

    async def make() -> None:
        async with w.app.store.read(Scope.everything("a bench")) as reader:
            await write(folder / "out.jsonl", rows(reader, since, now, directory.rules, now))

    return await _timed(make, TIMES if days else 1)


# filling


async def fill(url: str) -> None:
    """Copies of case 1 with all that belongs to it, each a little older, and mentions that became no case."""
    database = Database(url)
    try:
        whole = await _templates(database)
        for one, made in _copies(whole):
            await _insert(database, one, made)
    finally:
        await database.close()


Rows = list[dict[str, Any]]


async def _templates(database: Database) -> dict[str, Rows]:
    """Rows of case 1, by table, mentions before what names them."""
    mention = MENTION_VERSIONS.c.mention_id == select(CASE.c.mention_id).where(CASE.c.id == 1).scalar_subquery()
    wanted = {t.name: t.c.case_id == 1 for t in metadata.sorted_tables if "case_id" in t.c and t.name != "asks"}
    wanted |= {"cases": CASE.c.id == 1, "mention_versions": mention}
    async with database.reader.begin() as connection:
        return {
            one.name: [dict(row) for row in (await connection.execute(select(one).where(wanted[one.name]))).mappings()]
            for one in metadata.sorted_tables
            if one.name in wanted
        }


async def _insert(database: Database, one: Table, made: Iterator[dict[str, Any]]) -> None:
    while chunk := list(islice(made, CHUNK)):
        async with database.writer.begin() as connection:
            await connection.execute(insert(one), chunk)


def _copies(whole: dict[str, Rows]) -> Iterator[tuple[Table, Iterator[dict[str, Any]]]]:
    for name, rows_of in whole.items():
        count = MENTIONS if name in ("mentions", "mention_versions") else CASES
        yield metadata.tables[name], (_copy(row, n, k) for n in range(count) for k, row in enumerate(rows_of))


FIRST = 50_000_000
"""Numbers of the copies begin here; the desk's own go on below, or above on SQLite."""
NAMES = ("external_id", "thread", "message", "said")
"""Columns that must differ from copy to copy."""


def _copy(row: dict[str, Any], n: int, k: int) -> dict[str, Any]:
    older = APART * (n % CASES + 1)
    new = {name: value - older if isinstance(value, datetime) else value for name, value in row.items()}
    new |= {name: f"{row[name]}-{n}" for name in NAMES if row.get(name)}
    numbers = {"id": FIRST + n * 100 + k, "mention_id": FIRST + n * 100, "case_id": FIRST + n * 100}
    new |= {name: number for name, number in numbers.items() if row.get(name) is not None}
    if "lock" in row:
        new["state"] = "closed"
    if "tone" in row and n >= CASES:
        new["case_id"] = None
    return new
