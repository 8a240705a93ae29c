"""kill -9 at each named point: each approved reply is public once, on both stores, however the platform answers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.forks import begin
from tests.storage.kill.desk import POINTS, Orders, start
from tests.storage.kill.harness import World, a_platform, approve, ended, live_and_die, stopped

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("forks")]

TROUBLES = ("plain", "drop", "500")
NEVER_REACHED = {("drop", "accepted")}
"""Cut off after it took effect, the reply is found, not accepted."""

Stores = Callable[[], Awaitable[str]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_platform(tmp_path_factory.mktemp("platform") / "log.jsonl") as started:
        yield started


TRIES = 3


async def killed_at(point: str, trouble: str, new_store: Stores, world: World, engine: str = "engine") -> list[str]:
    """What the platform shows after a desk was killed at the point and another one took over.

    A busy machine leads a desk past its point, by way of a time-out and of reading back: then another one is tried.
    """
    last = 0 if (trouble, point) in NEVER_REACHED else -signal.SIGKILL
    for _ in range(TRIES):
        url = await new_store()
        mention = f"{trouble}:{Path(url).name}:{point}:{engine}"
        await approve(url, mention)
        first, second = await live_and_die(Orders(url, world.address, point, engine=engine))
        assert second == 0
        if first == last:
            return world.published(mention)
    raise AssertionError(f"no desk died at {point} over {trouble}")


@pytest.mark.parametrize("point", POINTS)
async def test_each_reply_is_public_once(point: str, new_store: Stores, world: World) -> None:
    shown = await asyncio.gather(*(killed_at(point, trouble, new_store, world) for trouble in TROUBLES))
    assert dict(zip(TROUBLES, shown, strict=True)) == {trouble: ["Простите"] for trouble in TROUBLES}


async def test_without_the_journal_a_double_is_seen(new_store: Stores, world: World) -> None:
    """The proof above has teeth."""
    assert await killed_at("accepted", "plain", new_store, world, "forgetful") == ["Простите", "Простите"]


async def frozen(store_url: str, world: World, engine: str) -> list[str]:
    """A desk is frozen right before it sends and thaws when another one has long done its work."""
    mention = f"plain:{Path(store_url).name}:{engine}"
    await approve(store_url, mention)
    orders = Orders(store_url, world.address, "sending", signal.SIGSTOP, engine)
    first = begin(start, orders)
    await stopped(first)
    assert await ended(begin(start, replace(orders, kill_at="", engine="engine"))) == 0
    assert world.published(mention) == ["Простите"]
    os.kill(first.pid or 0, signal.SIGCONT)
    assert await ended(first) == 0
    return world.published(mention)


@pytest.mark.integration
async def test_a_frozen_desk_does_not_send_when_it_thaws(postgres_url: str, world: World) -> None:
    assert await frozen(postgres_url, world, "engine") == ["Простите"]


@pytest.mark.integration
async def test_without_the_fence_a_thawed_desk_repeats(postgres_url: str, world: World) -> None:
    """The proof above has teeth."""
    assert await frozen(postgres_url, world, "unfenced") == ["Простите", "Простите"]
