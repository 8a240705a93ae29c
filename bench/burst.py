"""Sixty reviews at once under Telegram's real limit: 20 calls in any 60 seconds of one group."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bench.figures import machine, table
from sandbox import world
from sandbox.server import Sandbox
from sandbox.telegram import Call
from tests.scenarios.people import labels, wait_for
from tests.scenarios.test_burst import OTHER_APP, OTHER_ROOM, SIXTY, another_client, button, cards, leave, said
from tests.scenarios.test_burst import summaries as in_room
from tests.scenarios.world import TELEGRAM_IDS, World, a_sandbox, opened

PRESSES = (60, 30, 45, 50, 20)
"""Cases taken from the summary, one each 12 seconds: five presses a minute."""


async def run(folder: Path) -> None:
    database = f"sqlite+aiosqlite:///{folder / 'desk.db'}"
    with pytest.MonkeyPatch.context() as patch:
        async with (
            a_sandbox(fast=False) as made,
            opened(folder, database, patch, sandbox=made, fast=False, sources=another_client(made)) as w,
        ):
            await w.until(lambda: made.site.calls, what="the first poll")
            rows = await _played(w, made)
    print(f"{machine()}; {SIXTY} reviews at once, 20 calls a minute\n\n{table(('', 'measured'), rows)}\n")


async def _played(w: World, made: Sandbox) -> list[tuple[str, str]]:
    stood = time.time()
    leave(made, SIXTY)
    await w.until(lambda: in_room(made), within=30.0, what="the summary")
    announced = time.time() - stood
    await w.until(lambda: len(labels(in_room(made)[0])) + len(cards(made)) >= SIXTY, within=30.0, what="all lines")
    complete = time.time() - stood
    other = asyncio.create_task(_other_client(w, made))
    pressed = [await _press(w, made, number) for number in PRESSES]
    await w.until(lambda: len(cards(made)) >= SIXTY, within=900.0, what="all cards")
    minutes, seconds = divmod(round(cards(made)[-1].at - stood), 60)
    answers, effects = zip(*pressed, strict=True)
    return [
        ("summary after the reviews stood", f"{announced:.1f} s"),
        ("… with a line for each", f"{complete:.1f} s"),
        ("press → answer, worst of five in a minute", f"{max(answers):.2f} s"),
        ("press → line shows who took it, worst of five", f"{max(effects):.2f} s"),
        ("another client's card meanwhile", f"{await other:.1f} s"),
        ("last of sixty cards", f"{minutes} min {seconds} s"),
        ("messages that announce", str(len(in_room(made)))),
        ("most calls in any minute of the room", str(_most_in_a_minute(shown(made)))),
        ("calls refused as too many", str(len(made.telegram.too_many) + len(made.slack.too_many))),
    ]


async def _other_client(w: World, made: Sandbox) -> float:
    """Its own room has a budget of its own: a topic at once, its card one gap later."""
    left = time.time()
    made.site.leave(OTHER_APP, "Guest", 1, "Cold coffee 0", lang="en")
    await w.until(lambda: said(made, "sendMessage", OTHER_ROOM), within=60.0, what="the other client's card")
    return time.time() - left


async def _press(w: World, made: Sandbox, number: int) -> tuple[float, float]:
    """Seconds until the answer, and until the summary shows it."""
    await asyncio.sleep(60 / len(PRESSES))
    message, data = await wait_for(lambda: button(f"Take #{number}", in_room(made)), f"Take #{number}")
    before = in_room(made)[0]["text"].count("taken")
    begun = time.monotonic()
    press = made.telegram.press(TELEGRAM_IDS["anna"], world.STAFF_ROOM, message, data)
    await w.until(lambda: made.telegram.answer_of(press), within=30.0, what="an answer")
    answered = time.monotonic() - begun
    await w.until(lambda: in_room(made)[0]["text"].count("taken") > before, within=30.0, what="the effect")
    return answered, time.monotonic() - begun


def shown(made: Sandbox) -> list[Call]:
    methods = ("sendMessage", "editMessageText", "createForumTopic")
    return sorted((c for method in methods for c in said(made, method)), key=lambda call: call.at)


def _most_in_a_minute(calls: list[Call]) -> int:
    return max(sum(0 <= later.at - call.at < 60 for later in calls) for call in calls)
