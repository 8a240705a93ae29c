from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from desk.work import Work
from storage.schedules import Schedules, Slot
from storage.store import SqlStore, open_store
from tests.storage.helpers import START, Clock, rows

HOUR = timedelta(hours=1)


def next_at(cron: str, tz: str, after: datetime) -> datetime:
    """Every day at the hour that stands for a cron line here."""
    local = after.astimezone(ZoneInfo(tz))
    day = local.replace(hour=int(cron), minute=0, second=0, microsecond=0)
    return (
        day if day > local else (local + timedelta(days=1)).replace(hour=int(cron), minute=0, second=0, microsecond=0)
    )


def make_work(slot: Slot) -> Sequence[Work]:
    return [Work("step", {"name": slot.name}, idem=f"{slot.name}:{slot.at.isoformat()}")]


async def test_each_slot_becomes_work_once(timed: SqlStore, clock: Clock) -> None:
    schedules = Schedules(timed, next_at)
    await schedules.put("digest:acme", cron="9", tz="Asia/Almaty", grace=6 * HOUR)
    assert await schedules.fire_due(make_work) == []
    clock.now = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
    assert await schedules.fire_due(make_work) == [Slot("digest:acme", clock.now)]
    assert await schedules.fire_due(make_work) == []
    assert await schedules.next() == clock.now + timedelta(days=1)
    assert await rows(timed, "idem") == ["digest:acme:2026-11-23T04:00:00+00:00"]


async def test_missed_polls_are_one(timed: SqlStore, clock: Clock) -> None:
    schedules = Schedules(timed, next_at)
    await schedules.put("poll:acme-play", every=timedelta(minutes=5))
    assert [slot.at for slot in await schedules.fire_due(make_work)] == [START]
    clock.forward(3600 + 60)
    assert [slot.at for slot in await schedules.fire_due(make_work)] == [START + HOUR]
    assert await schedules.next() == START + HOUR + timedelta(minutes=5)
    assert len(await rows(timed, "id")) == 2


@pytest.mark.parametrize(("late", "fired"), [(5.9, 1), (6.1, 0), (24 * 3 + 1, 1)])
async def test_a_missed_digest_goes_out_within_its_grace(
    timed: SqlStore, clock: Clock, late: float, fired: int
) -> None:
    schedules = Schedules(timed, next_at)
    await schedules.put("digest:acme", cron="9", tz="UTC", grace=6 * HOUR)
    clock.now = datetime(2026, 11, 22, 9, 0, tzinfo=UTC) + late * HOUR
    assert len(await schedules.fire_due(make_work)) == fired
    assert len(await rows(timed, "id")) == fired
    following = await schedules.next()
    assert following is not None
    assert following > clock.now


async def test_a_change_of_the_configuration_moves_the_next_turn(timed: SqlStore, clock: Clock) -> None:
    schedules = Schedules(timed, next_at)
    await schedules.put("digest:acme", cron="9", tz="UTC")
    clock.forward(1800)
    await schedules.put("digest:acme", cron="9", tz="UTC")
    assert await schedules.next() == START + HOUR
    await schedules.put("digest:acme", cron="11", tz="UTC")
    assert await schedules.next() == START + 3 * HOUR
    await schedules.put("digest:gone", cron="9", tz="UTC")
    await schedules.keep(["digest:acme"])
    assert await schedules.next() == START + 3 * HOUR


async def test_replicas_that_fire_together_fire_once(store_url: str) -> None:
    clock = Clock()
    store = await open_store(store_url, clock=clock)
    schedules = Schedules(store, next_at)
    for n in range(5):
        await schedules.put(f"poll:{n}", every=timedelta(minutes=5))
    await asyncio.gather(*(schedules.fire_due(make_work) for _ in range(4)))
    assert len(await rows(store, "id")) == 5
    await store.close()


async def test_a_slot_whose_work_cannot_be_made_stays_due(timed: SqlStore) -> None:
    schedules = Schedules(timed, next_at)
    await schedules.put("poll:1", every=timedelta(minutes=5))

    def broken(slot: Slot) -> Sequence[Work]:
        raise KeyError(slot.name)

    with pytest.raises(KeyError):
        await schedules.fire_due(broken)
    assert len(await schedules.fire_due(make_work)) == 1


@pytest.mark.parametrize("how", [{}, {"cron": "9", "every": HOUR}])
async def test_a_schedule_has_either_a_calendar_or_an_interval(timed: SqlStore, how: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either"):
        await Schedules(timed, next_at).put("x", **how)  # type: ignore[arg-type]
