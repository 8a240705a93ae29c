"""Whose turn it is to write."""

from __future__ import annotations

import asyncio

import pytest

from desk.work import Prio
from storage.turns import AFTER, LONGEST, Turns


class LoopClock:
    """The loop's own: five milliseconds are nothing on a machine that does other things too."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
async def clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    made = LoopClock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", made)
    return made


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def answered(clock: LoopClock) -> None:
    """The time in which the answer to a press goes out is over."""
    clock.now += 1.001 * AFTER
    await settled()


class Queue:
    """People and jobs that want to write; each holds its turn until it is told to go."""

    def __init__(self, at_once: int = 1) -> None:
        self.turns = Turns(at_once)
        self.inside: list[str] = []
        self.leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, prio: int = Prio.CARD) -> None:
        self.leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._write(name, prio))
        await settled()

    async def _write(self, name: str, prio: int) -> None:
        async with self.turns.turn(prio):
            self.inside.append(name)
            await self.leave[name].wait()
        self.inside.remove(name)

    async def go(self, name: str) -> None:
        self.leave[name].set()
        await settled()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.tasks[name]
        await settled()


async def test_a_press_goes_before_what_came_earlier() -> None:
    queue = Queue()
    for name in ("first", "second", "third"):
        await queue.come(name)
    await queue.come("press", Prio.PERSON)
    for name in ("first", "press", "second", "third"):
        assert queue.inside == [name]
        await queue.go(name)
    assert queue.inside == []


async def test_what_is_least_urgent_is_overtaken_for_some_seconds_and_not_for_ever(clock: LoopClock) -> None:
    queue = Queue()
    await queue.come("first", Prio.PERSON)
    await queue.come("cosmetic", Prio.COSMETIC)
    await queue.come("card", Prio.CARD)
    clock.now += 0.9 * LONGEST
    await queue.come("person", Prio.PERSON)
    await queue.go("first")
    assert queue.inside == ["person"], "it has not waited for long"
    await queue.come("another person", Prio.PERSON)
    await queue.come("press", Prio.NOW)
    clock.now += 0.2 * LONGEST
    for following in ("press", "cosmetic", "card", "another person"):
        await queue.go(*queue.inside)
        await answered(clock)
        assert queue.inside == [following]


async def test_while_somebody_presses_nobody_else_begins(clock: LoopClock) -> None:
    queue = Queue(at_once=3)
    await queue.come("card")
    await queue.come("press", Prio.NOW)
    await queue.come("draw", Prio.PERSON)
    await queue.come("another press", Prio.NOW)
    assert queue.inside == ["card", "press", "another press"]
    await queue.go("press")
    assert queue.inside == ["card", "another press"], "the other one is still waited for"
    await queue.go("another press")
    clock.now += 0.9 * AFTER
    await settled()
    assert queue.inside == ["card"], "its answer goes out first"
    await answered(clock)
    assert queue.inside == ["card", "draw"]


async def test_many_begin_together_when_the_press_is_over(clock: LoopClock) -> None:
    queue = Queue(at_once=3)
    await queue.come("press", Prio.NOW)
    for name in ("a", "b", "c", "d"):
        await queue.come(name)
    await queue.go("press")
    assert queue.inside == []
    await answered(clock)
    assert queue.inside == ["a", "b", "c"]


async def test_a_press_right_after_another_waits_for_nothing(clock: LoopClock) -> None:
    queue = Queue(at_once=3)
    await queue.come("press", Prio.NOW)
    await queue.go("press")
    await queue.come("draw")
    await queue.come("another press", Prio.NOW)
    assert queue.inside == ["another press"]
    await answered(clock)
    assert queue.inside == ["another press"], "there is one more to be answered"
    await queue.go("another press")
    await answered(clock)
    assert queue.inside == ["draw"]


async def test_only_so_many_at_once() -> None:
    queue = Queue(at_once=2)
    for name in ("a", "b", "c"):
        await queue.come(name)
    assert queue.inside == ["a", "b"]
    await queue.go("a")
    assert queue.inside == ["b", "c"]


async def test_who_gives_up_waiting_is_passed_over() -> None:
    queue = Queue()
    for name in ("a", "b", "c"):
        await queue.come(name)
    await queue.cancel("b")
    await queue.go("a")
    assert queue.inside == ["c"]


async def test_a_turn_given_to_somebody_cancelled_at_that_moment_is_not_lost() -> None:
    queue = Queue()
    for name in ("a", "b", "c"):
        await queue.come(name)
    queue.leave["a"].set()
    while not queue.tasks["a"].done():
        await asyncio.sleep(0)
        if not queue.inside:
            queue.tasks["b"].cancel()
    await settled()
    assert queue.tasks["b"].cancelled() or "b" in queue.inside
    if queue.tasks["b"].cancelled():
        assert queue.inside == ["c"]


async def test_a_failed_transaction_gives_its_turn_back() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="broken"):
        async with turns.turn(Prio.CARD):
            raise ValueError("broken")
    async with turns.turn(Prio.CARD):
        pass
