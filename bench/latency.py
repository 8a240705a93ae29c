"""How long the desk itself takes: no budget of a messenger's or a platform's is in the way."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from bench.figures import SPREAD, machine, spread, table
from desk.scope import Scope
from desk.service import Pressed
from sandbox import world
from tests.scenarios.people import elements
from tests.scenarios.world import TELEGRAM_IDS, World, opened

SAMPLES = 200
ROOM = f"telegram:{world.STAFF_ROOM}"
POLLED = "Google Play is read once a second"


async def run(folder: Path) -> None:
    database = f"sqlite+aiosqlite:///{folder / 'desk.db'}"
    with pytest.MonkeyPatch.context() as patch:
        async with opened(folder, database, patch, rush=True) as w:
            await w.until(lambda: w.sandbox.site.calls, what="the first poll")
            await _without_budgets(w)
            rows = [*await _cards(w), *await _presses(w), *await _approvals(w)]
            assert not w.sandbox.telegram.too_many
            assert not w.sandbox.slack.too_many
    print(f"{machine()}; {POLLED}\n\n{table(SPREAD, rows)}\n")


async def _without_budgets(w: World) -> None:
    """Accounts of platforms have a pace as well."""
    account = f"platform:acme-coffee:google_play:{world.PACKAGE}"
    await w.app.store.ensure_dest(account, 0.001, 1000)


# From a review on the site to its card


async def _cards(w: World) -> list[list[str]]:
    """Reviews come at any moment between two polls."""
    left: dict[str, float] = {}
    for number in range(SAMPLES):
        await asyncio.sleep(random.uniform(0.4, 0.8))
        left[f"Review number {number:03}"] = time.time()
        w.review(1, f"Review number {number:03}")
    await w.until(lambda: len(_card_calls(w)) >= SAMPLES, within=60.0, what="all cards")
    shown = {text: at for text, at in _card_calls(w).items() if text in left}
    polls = [call.at for call in w.sandbox.site.calls if call.method == "reviews.list"]
    read = {text: min(poll for poll in polls if poll >= at) for text, at in left.items()}
    return [
        spread("review on the site → card in Telegram", [shown[text] - left[text] for text in left]),
        spread("the same from the poll that found it", [shown[text] - read[text] for text in left]),
    ]


def _card_calls(w: World) -> dict[str, float]:
    """When the card of each review was accepted by Telegram."""
    sent = [c for c in w.sandbox.telegram.calls if c.method == "sendMessage" and "Review number" in c.params["text"]]
    return {c.params["text"].partition("<blockquote>")[2][:17]: c.at for c in sent}


# From a press to its answer, and to what it changes


async def _presses(w: World) -> list[list[str]]:
    answered, drawn = [], []
    for number in range(1, SAMPLES + 1):
        at, before = time.time(), len(w.sandbox.telegram.calls)
        message, data = _take(w, number)
        w.sandbox.telegram.press(TELEGRAM_IDS["anna"], world.STAFF_ROOM, message, data)
        answered.append(await _call_after(w, before, "answerCallbackQuery") - at)
        drawn.append(await _call_after(w, before, "editMessageText") - at)
    return [spread("press → answer", answered), spread("press → card redrawn", drawn)]


def _take(w: World, number: int) -> tuple[int, str]:
    messages = w.sandbox.telegram.messages(world.STAFF_ROOM)
    found = next(m for m in messages if m["text"].startswith(f"#{number} ") and m["thread_id"])
    return found["id"], found["buttons"][0][0]["data"]


async def _call_after(w: World, index: int, method: str) -> float:
    def made() -> float:
        return next((c.at for c in w.sandbox.telegram.calls[index:] if c.method == method), 0.0)

    return await w.until(made, what=method)


# From the client's approval to the platform


async def _approvals(w: World) -> list[list[str]]:
    for number in range(1, SAMPLES + 1):
        await _send(w, number)
    await w.until(lambda: len(_approve_buttons(w)) == SAMPLES, within=60.0, what="texts that wait for approval")
    called = []
    for ts, element in _approve_buttons(w):
        at, before = time.time(), len(w.sandbox.site.calls)
        action, value = element["action_id"], element.get("value")
        await w.sandbox.slack.press(world.TEAM, world.MARTA, world.CLIENT_CHANNEL, ts, action, value)
        called.append(await _reply_after(w, before) - at)
    return [spread("approval in Slack → call to the platform", called)]


async def _send(w: World, number: int) -> None:
    anna = w.app.live.current.person("anna")
    async with w.app.store.write(scope=Scope.of(["acme-coffee"])) as unit:
        place = await unit.place(number, "staff")
        assert place is not None
        await w.app.desk.typed(unit, anna, "reply", "We are sorry, your next coffee is on us.", place)
    outcome = await w.app.desk.press(Pressed(f"send:{number}", anna, "send", number, 1, ROOM, place.thread))
    assert outcome.ok, outcome


def _approve_buttons(w: World) -> list[tuple[str, dict[str, Any]]]:
    messages = w.sandbox.slack.messages(world.TEAM, world.CLIENT_CHANNEL)
    return [(m["ts"], e) for m in messages for e in elements(m) if e["text"]["text"] == "Approve"]


async def _reply_after(w: World, index: int) -> float:
    def made() -> float:
        return next((c.at for c in w.sandbox.site.calls[index:] if c.method == "reviews.reply"), 0.0)

    return await w.until(made, what="the reply")
