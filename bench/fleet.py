"""A fleet on paper: what a case costs, measured once in the sandbox, then days of many brands' cases, simulated.

Groups and channels are queues with the desk's own pace, polls share the slots of the replicas. Nothing of that sleeps:
1,000 brands take seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import math
import random
import sqlite3
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Double, bindparam, literal, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from bench.figures import machine, table
from bot.build import SLACK_BURST, SLACK_GAP, group_pace
from desk.work import Prio
from storage import pace
from storage.pace import quick_gap
from storage.tables import dest
from tests.scenarios.world import World, opened

DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0

STAGES = ("found", "taken", "drafted", "sent", "approved")
BY_PEOPLE = frozenset(STAGES[1:])
AFTER = {"taken": 20 * MINUTE, "drafted": 10 * MINUTE, "sent": 2 * MINUTE, "approved": 30 * MINUTE}
"""Mean time from the stage before; each is drawn anew, exponentially."""

LATER = 0.1
"""Seconds until a call that got no token after all looks again."""

PAUSE = 2.0
"""Seconds in which all that follows from a press has been shown."""

POLLED = 2
"""Hours of polls that are played."""

SHARE = 16
"""Polls a replica runs at a time: storage.engine.Engine's `share`."""


@dataclass(frozen=True)
class Fleet:
    """`cases`: a brand's mean a day. Brands differ: the largest tenth has about a third of all cases. `bursts`: a
    brand's chance a day of `burst` cases within a minute."""

    brands: int
    brands_a_group: int
    replicas: int
    days: int = 3
    cases: float = 5.0
    bursts: float = 0.01
    burst: int = 60
    sources: int = 3
    every: float = 5 * MINUTE
    poll: float = 1.0
    seed: int = 1

    def __str__(self) -> str:
        desks = "1 desk" if self.replicas == 1 else f"{self.replicas} desks"
        return f"{self.brands}, {self.brands_a_group} a group, {desks}, {self.poll:g} s a reading"


class Costs(NamedTuple):
    """Calls of one case by stage, and CPU seconds of a case and of a poll, of desk and sandbox together."""

    telegram: dict[str, int]
    slack: dict[str, int]
    case: float
    poll: float


# measured


async def measure(folder: Path) -> Costs:
    database = f"sqlite+aiosqlite:///{folder / 'desk.db'}"
    with pytest.MonkeyPatch.context() as patch:
        async with opened(folder, database, patch, rush=True) as w:
            await w.until(lambda: w.sandbox.site.calls, what="the first poll")
            began, used = time.time(), time.process_time()
            await asyncio.sleep(10)
            poll = (time.process_time() - used) / (time.time() - began)
            await _walk(w, 1)
            began, used = time.time(), time.process_time()
            telegram, slack = await _walk(w, 2)
            case = time.process_time() - used - poll * (time.time() - began)
    return Costs(telegram, slack, max(case, 0.0), poll)


async def _walk(w: World, number: int) -> tuple[dict[str, int], dict[str, int]]:
    """A case from its review to its reply. Its calls count for the stage after which they came."""
    telegram: Counter[str] = Counter()
    slack: Counter[str] = Counter()
    marks = [(len(w.sandbox.telegram.calls), len(w.sandbox.slack.calls))]

    async def passed(stage: str, shown: Callable[[], bool]) -> None:
        await asyncio.sleep(PAUSE)  # rather than look again and again: that would be counted as the desk's work
        await w.until(shown, what=stage)
        marks.append((len(w.sandbox.telegram.calls), len(w.sandbox.slack.calls)))
        telegram[stage] = sum(_counts(c) for c in w.sandbox.telegram.calls[marks[-2][0] : marks[-1][0]])
        slack[stage] = sum(_posts(c) for c in w.sandbox.slack.calls[marks[-2][1] : marks[-1][1]])

    w.review(1, f"Cold coffee {number}")
    await passed("found", lambda: "Take" in w.staff.buttons(number))
    await w.staff.press("anna", number, "Take")
    await passed("taken", lambda: "Write reply" in w.staff.buttons(number))
    await w.staff.reply("anna", number, "We are sorry.")
    await passed("drafted", lambda: "Send to client" in w.staff.buttons(number))
    await w.staff.press("anna", number, "Send to client")
    await passed("sent", lambda: "Approve" in w.client.buttons(number))
    await w.client.press("marta", number, "Approve")
    await passed("approved", lambda: "Ask to correct" in w.client.buttons(number))
    return telegram, slack


def _counts(call: object) -> bool:
    """What a group's budget counts: answers to presses and reading are free."""
    return getattr(call, "method", "").lower() in ("sendmessage", "editmessagetext", "createforumtopic", "senddocument")


def _posts(call: object) -> bool:
    return getattr(call, "method", "") in ("chat.postMessage", "chat.update")


# simulated


class Call(NamedTuple):
    """`follow`: how many more go into the thread that this one opens."""

    ready: float
    prio: Prio
    follow: int = 0


class Served(NamedTuple):
    start: float
    wait: float
    person: bool


def arrivals(fleet: Fleet, dice: random.Random) -> Iterator[tuple[int, float]]:
    """(brand, when) of each case: quiet nights, busy evenings, and now and then a storm."""
    sizes = [dice.lognormvariate(-0.5, 1.0) for _ in range(fleet.brands)]
    for brand, size in enumerate(sizes):
        for day in range(fleet.days):
            for _ in range(_poisson(dice, fleet.cases * size)):
                yield brand, day * DAY + _hour(dice)
            if dice.random() < fleet.bursts:
                start = day * DAY + _hour(dice)
                yield from ((brand, start + dice.uniform(0, MINUTE)) for _ in range(fleet.burst))


def _hour(dice: random.Random) -> float:
    """Seconds into the day: most at 17:00."""
    return dice.triangular(6 * HOUR, 24 * HOUR, 17 * HOUR)


def _poisson(dice: random.Random, mean: float) -> int:
    limit, product, n = math.exp(-min(mean, 700.0)), dice.random(), 0
    while product > limit:
        product *= dice.random()
        n += 1
    return n


def calls(times: Iterable[float], costs: dict[str, int], dice: random.Random) -> list[Call]:
    """What cases that came at these times ask of one room, in order of time."""
    made = []
    for at in times:
        for stage in STAGES:
            at += dice.expovariate(1 / AFTER[stage]) if stage in AFTER else 0.0
            number = costs.get(stage, 0)
            if stage in BY_PEOPLE:
                made += [Call(at, Prio.PERSON)] * number
            elif number:
                made.append(Call(at, Prio.CARD, number - 1))
    return sorted(made)


AT: Any = bindparam("at", type_=Double)


def _compiled(statement: Any) -> tuple[str, dict[str, Any]]:
    made = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
    return str(made), dict(made.params)


SORTS = (Prio.PERSON, Prio.OPENED, Prio.CARD)
FREE = {prio: _compiled(select(pace.free_at(literal(int(prio)), AT))) for prio in SORTS}
TAKE = _compiled(pace.TAKE_TOKEN)


class Room:
    """One destination under the desk's own statements, in a database in memory."""

    def __init__(self, gap: float, burst: int, quick: float = 0.0) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.execute(str(CreateTable(dest).compile(dialect=sqlite.dialect())))
        self._db.execute("INSERT INTO dest (name, gap, burst, quick) VALUES ('', ?, ?, ?)", (gap, burst, quick))

    def free(self, prio: Prio, at: float) -> float:
        """When this sort of call gets a token, as things stand."""
        statement, values = FREE[prio]
        return max(at, float(self._db.execute(statement, {**values, "at": at}).fetchone()[0]))

    def take(self, prio: Prio, at: float) -> bool:
        statement, values = TAKE
        return self._db.execute(statement, {**values, **pace.token("", prio, at)}).rowcount == 1

    def close(self) -> None:
        self._db.close()


def serve(made: Sequence[Call], room: Room) -> list[Served]:
    """One room's calls at its pace, people first."""
    queues: dict[Prio, deque[Call]] = {prio: deque() for prio in SORTS}
    served, coming, now = [], deque(made), 0.0
    while coming or any(queues.values()):
        if not any(queues.values()):
            now = max(now, coming[0].ready)
        while coming and coming[0].ready <= now:
            call = coming.popleft()
            queues[call.prio].append(call)
        prio = next(prio for prio in SORTS if queues[prio])
        start = room.free(prio, now)
        if coming and coming[0].ready < start:
            now = coming[0].ready  # somebody may come who goes first
            continue
        now = start
        if not room.take(prio, start):
            now += LATER
        else:
            call = queues[prio].popleft()
            queues[Prio.OPENED].extend([Call(start, Prio.OPENED)] * call.follow)
            served.append(Served(start, start - call.ready, prio is Prio.PERSON))
    room.close()
    return served


def polls(fleet: Fleet, dice: random.Random) -> list[float]:
    """Hours of polls: how long each waits for a slot. A reading takes `poll` seconds in the mean, some far longer.

    A turn that comes while the source still waits for the one before is merged into it.
    """
    first = [dice.uniform(0, fleet.every) for _ in range(fleet.brands * fleet.sources)]
    turns = sorted(
        (start + n * fleet.every, source)
        for source, start in enumerate(first)
        for n in range(int(POLLED * HOUR // fleet.every))
    )
    free, begun, waits = [0.0] * (SHARE * fleet.replicas), [-1.0] * len(first), []
    for at, source in turns:
        if begun[source] <= at:
            begun[source] = max(at, heapq.heappop(free))
            heapq.heappush(free, begun[source] + fleet.poll * dice.lognormvariate(-0.5, 1.0))
            waits.append(begun[source] - at)
    return waits


class Day(NamedTuple):
    """What a fleet's days came to."""

    cases: list[float]
    telegram: list[Served]
    slack: list[Served]
    polls: list[float]


def play(fleet: Fleet, costs: Costs) -> Day:
    dice = random.Random(fleet.seed)
    rooms: dict[int, list[float]] = {}
    channels: dict[int, list[float]] = {}
    for brand, at in arrivals(fleet, dice):
        rooms.setdefault(brand // fleet.brands_a_group, []).append(at)
        channels.setdefault(brand, []).append(at)
    group = (*group_pace(20), quick_gap(20))
    telegram = [one for times in rooms.values() for one in serve(calls(times, costs.telegram, dice), Room(*group))]
    channel = (SLACK_GAP, SLACK_BURST)
    slack = [one for times in channels.values() for one in serve(calls(times, costs.slack, dice), Room(*channel))]
    return Day([at for times in channels.values() for at in times], telegram, slack, polls(fleet, dice))


# shown


def _at(values: Iterable[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0


def _shown(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def _spread(values: Sequence[float]) -> str:
    return " / ".join(_shown(_at(values, part)) for part in (0.5, 0.99, 1.0))


def busiest(starts: Iterable[float], window: float) -> int:
    """Most calls in one such stretch of the clock."""
    return max(Counter(int(at // window) for at in starts).values(), default=0)


def row(fleet: Fleet, costs: Costs) -> list[str]:
    day = play(fleet, costs)
    starts = [one.start for one in day.telegram]
    polling = fleet.brands * fleet.sources / fleet.every * costs.poll
    return [
        str(fleet),
        f"{len(day.cases) / fleet.days:.0f}",
        _spread([one.wait for one in day.telegram if not one.person]),
        _spread([one.wait for one in day.telegram if one.person]),
        _spread([one.wait for one in day.slack]),
        f"{busiest(starts, 1.0)}",
        f"{busiest((one.start for one in day.slack), MINUTE)}",
        _spread(day.polls),
        f"{busiest(day.cases, HOUR) / HOUR * costs.case + polling:.2f}",
    ]


ROOMS = ("brands", "cases a day", "card waits", "what people wait for", "Slack call waits")
REST = (
    "brands",
    "Telegram calls, busiest second",
    "Slack calls, busiest minute",
    "poll waits",
    "cores, busiest hour",
)


FLEETS = (
    Fleet(10, 1, 1),
    Fleet(100, 1, 1),
    Fleet(1000, 1, 1),
    Fleet(1000, 20, 1),
    Fleet(1000, 1, 1, poll=5.0),
    Fleet(1000, 1, 2, poll=5.0),
    Fleet(1000, 1, 4, poll=5.0),
)


async def run(folder: Path, fleets: Sequence[Fleet] = FLEETS) -> None:
    costs = await measure(folder)
    each = [[stage, str(costs.telegram[stage]), str(costs.slack[stage])] for stage in STAGES]
    print(f"{machine()}; calls of one case, staff in Telegram, client in Slack\n")
    print(table(("after", "Telegram", "Slack"), each))
    print(f"\nCPU, desk and sandbox together: {costs.case:.2f} s a case, {costs.poll * 1000:.0f} ms a poll\n")
    one = fleets[0]
    print(f"{one.days} days, seed {one.seed}, {one.cases:g} cases a brand and day, {one.bursts:.0%} chance of a storm")
    print(f"of {one.burst}; {one.sources} sources a brand, each read every {one.every / 60:g} min.")
    print("Waits: median / 99 % / worst.\n")
    rows = [row(fleet, costs) for fleet in fleets]
    print(table(ROOMS, [cells[:5] for cells in rows]), end="\n\n")
    print(table(REST, [[cells[0], *cells[5:]] for cells in rows]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--brands", type=int, default=1000)
    parser.add_argument("--brands-a-group", type=int, default=1)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--cases", type=float, default=5.0, help="of a brand, a day")
    parser.add_argument("--poll", type=float, default=1.0, help="seconds of one reading")
    parser.add_argument("--seed", type=int, default=1)
    fleet = Fleet(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="replydesk-bench-") as folder:
        asyncio.run(run(Path(folder), [fleet]))


if __name__ == "__main__":
    main()
