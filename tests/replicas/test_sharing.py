"""Identical desks on one PostgreSQL: what one does alone, what they share, and what must not happen twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from bot import unknown
from desk.work import Work
from sandbox.world import STAFF_ROOM
from storage.engine import Engine
from storage.tables import schedules, work
from tests.replicas.fleet import Fleet, Replica, a_fleet
from tests.scenarios.world import TELEGRAM_IDS
from tests.storage.helpers import Told

pytestmark = pytest.mark.integration

Fleets = Callable[[int], AbstractAsyncContextManager[Fleet]]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Fleets:
    return partial(a_fleet, tmp_path, postgres_url, monkeypatch)


async def test_a_case_goes_through_whichever_replica_hears_of_it(fleet: Fleets) -> None:
    """Telegram's presses come to the one that polls, Slack's to either in turn; the other is ready all the same."""
    async with fleet(2) as f:
        first, second = f.replicas
        one = first.world
        await f.poller()
        await f.all_ready()
        assert sorted([await first.polls(), await second.polls()]) == [False, True]
        links = f.sandbox.slack.sockets.links.values()
        await one.until(lambda: max(map(len, links), default=0) == 2, what="both connected to Slack")
        for number in (1, 2, 3):
            review = await one.proposed(f"Sorry, Dina, number {number}", number)
            await one.client.press("marta", number, "Approve")
            await one.state(number, "answered")
            assert one.posts(review) == [f"Sorry, Dina, number {number}"]
        await one.until(lambda: first.claimed and second.claimed, what="work shared")
        assert not f.sandbox.telegram.too_many


async def test_polling_goes_on_at_once_when_its_replica_stops(fleet: Fleets) -> None:
    async with fleet(2) as f:
        before = await f.poller()
        [other] = [one for one in f.replicas if one is not before]
        review = other.world.review()
        await other.world.staff.thread(1)
        await before.stop()
        await other.world.staff.press("anna", 1, "Take")
        assert await other.polls()
        assert (await other.world.state(1, "in_work")).owner == "anna"
        assert other.world.posts(review) == []


async def test_a_replica_that_loses_its_connection_goes_on(fleet: Fleets) -> None:
    """With its connection it loses its turn; whoever has it next, people notice nothing."""
    async with fleet(2) as f:
        await f.poller()
        world = f.replicas[0].world
        async with world.app.store.write() as unit:
            await unit.db.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                    " AND datname = current_database()"
                )
            )
        world.review()
        await world.staff.press("anna", 1, "Take")
        assert (await world.state(1, "in_work")).owner == "anna"
        assert await f.poller() in f.replicas


async def test_a_digest_goes_out_once(fleet: Fleets) -> None:
    async with fleet(3) as f:
        world = f.replicas[0].world
        async with world.app.store.write() as unit:
            due = update(schedules).where(schedules.c.name == "digest:acme")
            await unit.db.execute(due.values(next_at=unit.now - timedelta(seconds=1)))
        await asyncio.gather(*(one.world.app.rounds._fire() for one in f.replicas))
        for side in (world.staff, world.client):
            await world.until(lambda side=side: digests(side.room_texts()), what="a digest")
        async with world.app.store.write() as unit:
            kinds = [row.kind for row in await unit.rows(select(work.c.kind).where(work.c.idem.startswith("digest:")))]
        assert sorted(kinds) == ["answer", "answer", "digest"]
        assert [digests(side.room_texts()) for side in (world.staff, world.client)] == [1, 1]


def digests(texts: list[str]) -> int:
    return sum("a quiet day" in one for one in texts)


async def test_a_schedule_that_one_replica_does_not_know_yet_is_left_to_one_that_does(fleet: Fleets) -> None:
    """A configuration reaches replicas one after another."""
    async with fleet(1) as f:
        [old] = f.replicas
        async with old.world.app.store.write() as unit:
            known = select(schedules).where(schedules.c.name == "digest:acme")
            row = (await unit.rows(known))[0]
            late = {**row._mapping, "name": "digest:late", "next_at": unit.now - timedelta(seconds=1)}
            await unit.put(schedules, **late)
        await old.world.app.rounds._fire()
        async with old.world.app.store.write() as unit:
            left = await unit.value(select(schedules.c.next_at).where(schedules.c.name == "digest:late"))
        assert left == late["next_at"]


async def test_a_schedule_dropped_by_a_replica_with_an_older_configuration_comes_back(fleet: Fleets) -> None:
    async with fleet(1) as f:
        store, rounds = f.replicas[0].world.app.store, f.replicas[0].world.app.rounds

        async def names() -> list[str]:
            async with store.write() as unit:
                return [row.name for row in await unit.rows(select(schedules.c.name).order_by(schedules.c.name))]

        before = await names()
        await rounds._schedules.keep(["housekeeping"])
        await rounds._fire()
        assert await names() == before
        assert len(before) == 3


async def test_work_of_an_unknown_kind_waits_where_everybody_can_see_it(
    fleet: Fleets, caplog: pytest.LogCaptureFixture
) -> None:
    async with fleet(2) as f:
        await f.all_ready()
        store = f.replicas[0].world.app.store
        async with store.write() as unit:
            await unit.enqueue(Work("newer", run_at=unit.now - timedelta(minutes=10)))
        says = "1 of kind 'newer' wait for newer code"
        for one in f.replicas:
            told = await one.ready()
            assert (told["ready"], told["notes"]["work"]) == (True, says)
            assert 'replydesk_unknown_work{kind="newer"} 1.0' in await one.asked("/metrics")
        await f.replicas[0].world.until(lambda: "of kind 'newer' wait for code that knows it" in caplog.text)
        for _ in range(2):
            await asyncio.gather(*(unknown.tell(one.world.app) for one in f.replicas))
        async with store.write() as unit:
            alarms = await unit.rows(select(work).where(work.c.idem.startswith("told:unknown:")))
        assert {(row.payload["what"], row.payload["source"], row.dest) for row in alarms} == {
            ("unknown_work", "newer", f.replicas[0].world.app.live.current.brands()[0].staff_room)
        }
        assert len(alarms) == len({row.created_at.date() for row in alarms}), "once a day"

        newer = Told()
        await Engine(store, {"newer": newer}, {}).drain()
        assert [row.kind for row in newer.ran] == ["newer"]
        assert "work" not in (await f.replicas[1].ready())["notes"]


async def test_what_waits_for_minutes_only_is_no_alarm(fleet: Fleets) -> None:
    async with fleet(1) as f:
        [one] = f.replicas
        async with one.world.app.store.write() as unit:
            await unit.enqueue(Work("newer"))
        await unknown.tell(one.world.app)
        async with one.world.app.store.write() as unit:
            assert await unit.rows(select(work).where(work.c.idem.startswith("told:"))) == []


async def test_a_replica_whose_polling_fails_is_not_ready_and_the_others_are(fleet: Fleets) -> None:
    async with fleet(2) as f:
        await f.all_ready()
        polling: Replica = await f.poller()
        [other] = [one for one in f.replicas if one is not polling]
        f.sandbox.telegram.fail("getUpdates", *[("status", 502)] * 200)
        f.sandbox.telegram.write(TELEGRAM_IDS["anna"], STAFF_ROOM, "what ends the long poll that runs")

        async def told() -> bool:
            return "telegram" in (await polling.ready())["reasons"]

        await polling.world.until(told, what="a reason")
        assert (await other.ready())["ready"]
