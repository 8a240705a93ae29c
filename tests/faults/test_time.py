"""A clock ten minutes off, and the nights the clocks change: what is due comes, and once."""

from __future__ import annotations

import asyncio
import json
import logging
import time as wall
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import aiohttp
import httpx
import pytest
from pydantic import SecretStr

from bot.rounds import DIGEST_GRACE, next_at
from collectors import open_platform
from collectors.google_play import Settings
from collectors.waits import wait_seconds
from desk.answering import digest_work, local_date
from desk.errors import NeedsLogin
from desk.stats import digest_day
from desk.work import Row, Work
from sandbox.google import TokenDesk, TokenRefusal, service_account
from sandbox.slack.events import signature
from storage.schedules import Schedules, Slot
from storage.store import SqlStore, open_store
from tests.bot import test_http as pushes
from tests.bot.test_slack_chat import posted, slack, url
from tests.collectors.google_play.fake import PACKAGE, Console
from tests.collectors.wire import NOW, Serve, Wire
from tests.handlers.slack_world import SECRET, TEAM
from tests.storage.helpers import Clock, Told, an_engine, put, rows, until

__all__ = ["posted", "slack", "url"]

TEN = timedelta(minutes=10)
OFF = pytest.mark.parametrize("off", [TEN, -TEN], ids=["ten minutes ahead", "ten minutes behind"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(sqlite_url: str, clock: Clock) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url, clock=clock)
    yield opened
    await opened.close()


# a clock ten minutes off


def google(request: httpx.Request, serve: Serve) -> httpx.Response:
    """Google's login by its own, right clock; what it lets in, the console knows."""
    form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
    try:
        return httpx.Response(200, json=TokenDesk(NOW.timestamp).issue(form, str(request.url)))
    except TokenRefusal as refused:
        return httpx.Response(400, json=refused.body())


async def read_at(now: datetime) -> list[Any]:
    """One reading of Google Play by a desk whose clock shows `now`."""
    console = Console()
    console.publish("Card blocked")
    wire = Wire(console.serve)

    def logged_in(request: httpx.Request, serve: Serve) -> httpx.Response:
        answer = google(request, serve)
        console.valid = {answer.json().get("access_token", "")}
        return answer

    wire.fails(logged_in, lambda request: not console.is_api(request))
    async with wire.client() as http:
        account = SecretStr(json.dumps(service_account("https://login.test/token")))
        settings = Settings(package=PACKAGE, credentials=account)
        play = open_platform("google_play", settings, "bank", "bank-play", http, lambda: now)
        return (await play.read(None, NOW - timedelta(days=2))).mentions


async def test_a_desk_ahead_of_googles_clock_is_told_what_google_says_of_it() -> None:
    with pytest.raises(NeedsLogin, match="reasonable timeframe"):
        await read_at(NOW + TEN)


async def test_a_desk_behind_googles_clock_is_let_in() -> None:
    assert len(await read_at(NOW - TEN)) == 1


@OFF
async def test_a_push_to_a_desk_whose_clock_is_off_is_refused_by_name_on_both_sides(
    off: timedelta, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with pushes.client(pushes.deps(store, now=lambda: pushes.NOW + off)) as edge:
            status, said = await pushes.push(edge, pushes.REVIEW)
    assert (status, said["error"]) == (401, "webhook-timestamp is more than 5 minutes from now")
    assert said["error"] in caplog.text
    assert await rows(store, "id") == []


@pytest.mark.parametrize(("off", "waits"), [(TEN, 0.0), (-TEN, 690.0)], ids=["ahead", "behind"])
def test_a_time_to_wait_that_was_named_as_a_date_is_off_by_as_much_and_never_below_zero(
    off: timedelta, waits: float
) -> None:
    at = (NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert wait_seconds({"retry-after": at}, NOW + off) == waits


@OFF
async def test_work_under_way_while_the_clock_is_put_right_is_done_once(
    off: timedelta, store: SqlStore, clock: Clock
) -> None:
    job, begun, go_on = Told(), asyncio.Event(), asyncio.Event()

    async def long(row: Row) -> None:
        begun.set()
        await go_on.wait()

    job.fetching, job.lease = long, timedelta(seconds=0.06)
    await put(store, Work("step"))
    engine = an_engine(store, job)
    running = asyncio.create_task(engine.run())
    await begun.wait()
    clock.now += off
    await asyncio.sleep(0.1)
    go_on.set()
    await until(lambda: job.ran)
    await engine.stop()
    await running
    assert len(job.ran) == 1
    assert await rows(store, "state", "attempts") == [("done", 1)]


async def test_a_clock_that_is_off_is_named_where_slack_is_turned_away(
    posted: Any, slack: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "x" * 20}).encode()
    for _ in range(5):
        stamp = str(int(wall.time()) - 600)
        headers = {"Content-Type": "application/json", "X-Slack-Request-Timestamp": stamp}
        headers["X-Slack-Signature"] = signature(SECRET, stamp, body)
        address = str(slack.world.teams[TEAM].request_url)
        async with aiohttp.ClientSession() as session, session.post(address, data=body, headers=headers) as answer:
            assert answer.status == 401
    said = [r.getMessage() for r in caplog.records if "clock" in r.getMessage()]
    assert len(said) == 1


# the nights the clocks change


class Night:
    """Digests of a client, looked for each hour of some days."""

    def __init__(self, store: SqlStore, clock: Clock, zone: str, at: time) -> None:
        self.store, self.clock, self.zone, self.at = store, clock, zone, at
        self.schedules = Schedules(store, next_at)

    async def passes(self, first: date, days: int) -> None:
        self.clock.now = datetime.combine(first, time(0), ZoneInfo(self.zone)).astimezone(UTC) - timedelta(minutes=5)
        cron = f"{self.at.minute} {self.at.hour} * * *"
        await self.schedules.put("digest:acme", cron=cron, tz=self.zone, grace=DIGEST_GRACE)
        end = self.clock.now + timedelta(days=days)
        while self.clock.now < end:
            self.clock.forward(3600)
            await self.schedules.fire_due(self._work)

    def _work(self, slot: Slot) -> Sequence[Work]:
        return [digest_work("acme", local_date(slot.at, self.zone))]


NIGHTS = {
    "Berlin, forward": ("Europe/Berlin", date(2027, 3, 27), time(2, 30)),
    "Berlin, back": ("Europe/Berlin", date(2026, 10, 24), time(2, 30)),
    "New York, forward": ("America/New_York", date(2027, 3, 13), time(2, 0)),
    "New York, back": ("America/New_York", date(2026, 10, 31), time(1, 0)),
    "Almaty, which keeps its time": ("Asia/Almaty", date(2026, 10, 24), time(9, 0)),
}


@pytest.mark.parametrize("name", NIGHTS)
async def test_each_date_has_one_digest_whatever_the_clocks_do(name: str, store: SqlStore, clock: Clock) -> None:
    zone, first, at = NIGHTS[name]
    await Night(store, clock, zone, at).passes(first, 3)
    wanted = [f"digest:acme:{first + timedelta(days=day)}" for day in range(3)]
    assert await rows(store, "idem") == wanted


MIDNIGHTS = {
    "Cairo": ("Africa/Cairo", date(2027, 4, 29), time(0, 15)),
    "Santiago": ("America/Santiago", date(2026, 9, 5), time(0, 0)),
}


@pytest.mark.parametrize("name", MIDNIGHTS)
async def test_a_date_without_its_midnight_has_a_digest_too(name: str, store: SqlStore, clock: Clock) -> None:
    zone, first, at = MIDNIGHTS[name]
    await Night(store, clock, zone, at).passes(first, 3)
    assert (await rows(store, "idem"))[:3] == [f"digest:acme:{first + timedelta(days=day)}" for day in range(3)]


@pytest.mark.parametrize("name", NIGHTS)
def test_the_days_of_the_digests_leave_nothing_out_and_count_nothing_twice(name: str) -> None:
    zone, first, at = NIGHTS[name]
    days = [digest_day(first + timedelta(days=day), at, zone) for day in range(4)]
    assert [one.until for one in days[:-1]] == [one.since for one in days[1:]]
    lengths = {(one.until - one.since) / timedelta(hours=1) for one in days}
    changes = {23.0} if "forward" in name else {25.0} if "back" in name else set()
    assert lengths == {24.0} | changes


async def test_polls_go_on_through_the_hour_that_comes_twice(store: SqlStore, clock: Clock) -> None:
    clock.now = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    schedules = Schedules(store, next_at)
    await schedules.put("poll:acme", every=timedelta(minutes=5), tz="Europe/Berlin")
    fired = []
    for _ in range(18):
        fired += await schedules.fire_due(lambda slot: [Work("step", idem=slot.at.isoformat())])
        clock.forward(300)
    assert [slot.at - fired[0].at for slot in fired] == [timedelta(minutes=5) * n for n in range(18)]
