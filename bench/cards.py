"""Five hundred cases at once in one forum where nobody acts, and what other rooms notice of it.

Telegram's minute is `MINUTE` seconds here, in the sandbox that enforces its limit and in the desk that keeps it: fifty
minutes become seventeen, and the network's jitter weighs three times as much. CARDS_MINUTE=60 plays them in full.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import pytest

from bench.burst import shown
from bench.figures import at_percent, machine, table
from bot.build import Parts
from sandbox import world
from sandbox.server import Sandbox
from tests.scenarios.test_burst import OTHER_APP, OTHER_ROOM, another_client, cards, said
from tests.scenarios.world import World, a_sandbox, opened

MANY, MINUTE, ALLOWED = 500, float(os.environ.get("CARDS_MINUTE", "20")), 20
CARD = ("sendMessage", OTHER_ROOM)
APART = MINUTE
"""Seconds between two cases of the other client: a minute."""


async def run(folder: Path) -> None:
    database = f"sqlite+aiosqlite:///{folder / 'desk.db'}"
    with pytest.MonkeyPatch.context() as patch:
        async with (
            a_sandbox(fast=False, minute=MINUTE) as made,
            opened(
                folder,
                database,
                patch,
                sandbox=made,
                fast=False,
                parts=Parts(minute=MINUTE),
                sources=another_client(made),
            ) as w,
        ):
            await w.until(lambda: made.site.calls, what="the first poll")
            rows = await _played(w, made)
    print(f"{machine()}; {MANY} cases at once, {ALLOWED} calls in {MINUTE:.0f} s\n\n{table(('', 'measured'), rows)}\n")


async def _played(w: World, made: Sandbox) -> list[tuple[str, str]]:
    for number in range(MANY):
        at = time.time() - 60 - number
        made.site.leave(world.PACKAGE, "Guest", 1, f"Cold coffee {number}", lang="en", published=at)
    others = asyncio.create_task(_others(w, made))
    await w.until(lambda: len(cards(made)) >= MANY, within=4 * MANY / ALLOWED * MINUTE, what="all cards")
    others.cancel()
    calls = shown(made)
    rate = (len(calls) - 1) / (calls[-1].at - calls[0].at) * MINUTE
    whole, waits = _waits(made)
    return [
        ("calls to the room", str(len(calls))),
        ("of the allowed rate", f"{rate / ALLOWED:.1%}"),
        ("refused as too many", str(len(made.telegram.too_many) + len(made.slack.too_many))),
        ("cards in other rooms meanwhile", str(len(waits))),
        *_two("review on the site → card there", whole),
        *_two("from the poll that found it", waits),
    ]


async def _others(w: World, made: Sandbox) -> None:
    """A review of the other client's each minute."""
    number = 0
    while True:
        await asyncio.sleep(APART)
        made.site.leave(OTHER_APP, "Guest", 1, f"Warm tea {time.time()}", lang="en")
        number += 1
        await w.until(lambda n=number: len(said(made, *CARD)) >= n, within=60.0, what="its card")


def _waits(made: Sandbox) -> tuple[list[float], list[float]]:
    """Seconds to each card, from the review, whose own text says when it was left, and from the poll that found it."""
    read = [call for call in made.site.calls if call.method == "reviews.list" and call.params["package"] == OTHER_APP]
    texts = [(call.at, re.search(r"Warm tea ([\d.]+)", str(call.params["text"]))) for call in said(made, *CARD)]
    stood = [(at, float(found[1])) for at, found in texts if found is not None]
    return [at - left for at, left in stood], [at - min(c.at for c in read if c.at >= left) for at, left in stood]


def _two(what: str, seconds: list[float]) -> list[tuple[str, str]]:
    return [(f"{what}, {percent} %", f"{at_percent(seconds, percent):.2f} s") for percent in (50, 99)]
