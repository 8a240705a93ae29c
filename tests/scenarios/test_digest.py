"""The daily digest: at the client's hour in the client's zone, once a local date, to each side what is theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from bot.build import Parts
from desk.polling import poll_work
from sandbox import world
from sandbox.server import Sandbox
from storage.tables import schedules
from tests.scenarios.conftest import Opened
from tests.scenarios.people import Surface
from tests.scenarios.test_clock import passes
from tests.scenarios.world import Shifted, World, a_sandbox

ALMATY = ZoneInfo("Asia/Almaty")
HOUR = 3600.0

SILENT_SOURCE = """
[[clients.brands.sources]]
key = "acme-silent"
platform = "google_play"
package = "kz.acme.nowhere"
credentials = "file:play.json"
api_base = "{url}/play"
every = "1h"
"""


@asynccontextmanager
async def morning(at: time) -> AsyncIterator[tuple[Shifted, Sandbox, date]]:
    """A world whose clock shows this time of tomorrow in Almaty; the date there."""
    clock = Shifted()
    there = datetime.combine(clock().astimezone(ALMATY).date() + timedelta(days=1), at, ALMATY)
    clock.ahead = there - clock()
    async with a_sandbox(clock=clock) as made:
        yield clock, made, there.date()


def digests(side: Surface, day: date) -> list[str]:
    """Messages of a room that are headed as the digest of a date."""
    return [text for text in side.room_texts() if f"Acme Coffee · {day.day} {day:%b %Y}" in text]


async def due(w: World) -> Any:
    """When the next digest is planned."""
    async with w.app.store.write() as unit:
        return await unit.value(select(schedules.c.next_at).where(schedules.c.name == "digest:acme"))


async def test_each_side_gets_its_digest_at_the_clients_hour_once_a_date(desk: Opened) -> None:
    async with morning(time(8, 0)) as (clock, made, today):
        how = {"sandbox": made, "parts": Parts(clock=clock), "rush": True}
        late = (clock() - timedelta(hours=3)).timestamp()
        made.site.leave(world.PACKAGE, "Egor", 1, "Nobody took it", lang="en", published=late)
        async with desk(**how, sources=SILENT_SOURCE.format(url=made.url)) as w:
            await _a_day_of_work(w)
            clock.ahead += datetime.combine(today, time(8, 59, 50), ALMATY) - clock()
            await w.until(lambda: _failed(w, 3), what="the source that fails")
            assert not digests(w.staff, today)
            passes(w, clock, 15)
            staff = (await w.until(lambda: digests(w.staff, today)))[0]
            client = (await w.until(lambda: digests(w.client, today)))[0]
            for words in ("New: 3", "answered: 1", "within the target: 1"):
                assert words in staff
                assert words in client
            for words in ("Overdue: 1", "Waits for us: 1", "Waits for the client: 1", "1 source does not answer"):
                assert words in staff
            assert "acme-silent: Google Play" in staff
            assert "Waits for you: 1" in client
            for word in ("Overdue", "Anna", "Dana", "source", "acme-silent", "#1"):
                assert word not in client, word
        async with desk(**how) as w:
            passes(w, clock, 2 * HOUR)
            await w.until(lambda: _next_is(w, today + timedelta(days=1)))
        async with desk(**how) as w:
            await w.until(lambda: w.app.rounds.last_fired)
            assert len(digests(w.staff, today)) == len(digests(w.client, today)) == 1
            passes(w, clock, 23 * HOUR)
            await w.until(lambda: digests(w.staff, today + timedelta(days=1)), what="the next day's")
            await w.until(lambda: digests(w.client, today + timedelta(days=1)))
            assert len(digests(w.staff, today)) == len(digests(w.client, today)) == 1


async def _a_day_of_work(w: World) -> None:
    """One answered, one with the client; a source failing."""
    await w.staff.thread(1)
    await w.proposed("Sorry, Dina", 2)
    await w.client.press("marta", 2, "Approve")
    await w.state(2, "answered")
    await w.proposed("Sorry, Dana", 3)
    for failed in (1, 2, 3):
        async with w.app.store.write() as unit:
            await unit.enqueue(poll_work("acme-silent", unit.now))
        await w.until(lambda failed=failed: _failed(w, failed))


async def _failed(w: World, times: int) -> bool:
    async with w.app.store.read() as reader:
        return any(s.failures >= times for s in await reader.sources() if s.source == "acme-silent")


async def _next_is(w: World, day: date) -> bool:
    planned = await due(w)
    return planned is not None and planned.astimezone(ALMATY).date() == day


@pytest.mark.parametrize(("staff", "client"), [("telegram", "slack"), ("slack", "telegram")], ids=["telegram", "slack"])
async def test_a_quiet_day_is_one_line(desk: Opened, staff: str, client: str) -> None:
    async with (
        morning(time(8, 58)) as (clock, made, today),
        desk(staff=staff, client=client, sandbox=made, parts=Parts(clock=clock), rush=True) as w,
    ):
        await w.until(lambda: w.app.rounds.last_fired)
        passes(w, clock, 120)
        for side in (w.staff, w.client):
            await w.until(lambda side=side: digests(side, today))
            assert "a quiet day, nothing new and nothing waiting" in digests(side, today)[0]
            assert side.posted() == 1


async def test_a_digest_missed_while_the_desk_was_down_still_goes_out_the_same_day(desk: Opened) -> None:
    async with morning(time(8, 0)) as (clock, made, today):
        how = {"sandbox": made, "parts": Parts(clock=clock), "rush": True}
        async with desk(**how) as w:
            await w.until(lambda: w.app.rounds.last_fired)
        clock.forward(5 * HOUR)
        async with desk(**how) as w:
            await w.until(lambda: digests(w.staff, today) and digests(w.client, today))
        clock.forward(33 * HOUR)
        async with desk(**how) as w:
            await w.until(lambda: _next_is(w, today + timedelta(days=2)))
            assert not digests(w.staff, today + timedelta(days=1)), "at ten in the evening it is no morning digest"
            assert len(digests(w.staff, today)) == 1
