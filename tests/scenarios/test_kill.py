"""kill -9 at each named point, of a whole desk, on both stores: one reply, every time, and no case without a card.

Telegram, Slack and the review site live on in the test's own process, and their logs alone are believed.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox import world as acme
from sandbox.server import Sandbox
from storage.store import SqlStore, Waiting, open_store
from tests.forks import prepare
from tests.scenarios.kill_desk import Life, Orders, Point
from tests.scenarios.people import SlackSide, TelegramSide, elements, plain, wait_for
from tests.scenarios.world import SECRETS, WHOLE, _side, a_sandbox, write_config

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("forks")]
"""One worker: the server that the desks are forked from takes seconds of imports to make ready."""

JOB = ("claimed", "before_done")
"""Points of work that only reads the outside: nothing is journalled, nothing accepted."""
EFFECT = ("claimed", "sending", "accepted", "external_id", "before_done")

BETWEEN_APPROVAL_AND_RECORD = {
    # Backwards: what takes longest to mend is mended while the others die.
    "before the call": [("post", reached) for reached in EFFECT[1::-1]] + [("publish", reached) for reached in JOB],
    "after the call": [("post", reached) for reached in EFFECT[2:]],
}
AROUND_THE_CARD = {
    "telegram-topic": [("open", reached) for reached in EFFECT],
    "telegram-card": [("draw", reached) for reached in EFFECT],
    "slack-card": [("draw", reached) for reached in EFFECT],
}

LONG = 30.0
"""Seconds for what takes one or a few, leases included, on a busy machine."""


TRIES = 3

Act = Callable[[int], Awaitable[None]]


def text_of(number: int) -> str:
    return f"Dina, this is the reply number {number}."


@dataclass
class Outside:
    """What outlives the desks, and the desk that lives now."""

    sandbox: Sandbox
    staff: Any
    client: Any
    orders: Orders
    life: Life | None = None
    presses: list[asyncio.Task[Any]] = field(default_factory=list)
    reviews: list[str] = field(default_factory=list)

    async def born(self, die_at: Point | None = None, engine: str = "engine") -> Life:
        """A desk whose connection to Slack stands; Telegram keeps what it has to say."""
        await wait_for(lambda: not self._linked(), "the old connection gone", LONG)
        self.life = Life(Orders(self.orders.config, self.orders.env, die_at, engine))
        await wait_for(self._linked, "a desk connected to Slack", LONG)
        return self.life

    def _linked(self) -> bool:
        return any(self.sandbox.slack.sockets.links.values())

    def review(self) -> str:
        """One more; its words tell its case."""
        number = len(self.reviews) + 1
        self.reviews.append(self.sandbox.site.leave(acme.PACKAGE, "Dina", 1, f"Cold coffee, number {number}.", "en"))
        return self.reviews[-1]

    async def proposed(self, number: int) -> None:
        self.review()
        await wait_for(lambda: "Take" in self.staff.buttons(number), f"a card for case {number}", LONG)
        await self.staff.press("anna", number, "Take")
        await self.staff.reply("anna", number, text_of(number))
        await wait_for(lambda: "Send to client" in self.staff.buttons(number), "a version", LONG)
        await self.staff.press("anna", number, "Send to client")
        await wait_for(lambda: "Approve" in self.client.buttons(number), "the client's thread", LONG)

    async def approve(self, number: int) -> None:
        """Pressed, whatever becomes of the acknowledgement: the desk may die before it gives one."""
        ts, button = await self.client.hold(number, "Approve")
        user, channel, action = self.client.ids["marta"], self.client.channel, button["action_id"]
        press = self.sandbox.slack.press(acme.TEAM, user, channel, ts, action, button["value"])
        self.presses.append(asyncio.create_task(press))

    def posted(self, number: int) -> list[str]:
        """Replies that took effect under a review, from the site's own log."""
        review = self.reviews[number - 1]
        calls = [c for c in self.sandbox.site.calls if c.method == "reviews.reply" and c.params["review"] == review]
        return [call.params["replyText"] for call in calls if call.ok]

    async def dies(self, url: str, kind: str, reached: str, act: Act, done: str, **payload: Any) -> int:
        """The case over which a desk died at this point. One that a busy machine led past it, by way of a time-out and
        of reading back, comes to its end instead (event `done`), and another one is tried."""
        for _ in range(TRIES):
            number = len(self.reviews) + 1
            life = await self.born(Point(kind, reached, {"case": number, **payload}))
            await act(number)
            while life.process.is_alive() and done not in await events_of(url, number):
                await asyncio.to_thread(life.process.join, 3.0)
            if await life.stopped() == -signal.SIGKILL:
                return number
        raise AssertionError(f"no desk died at {kind} {reached}")

    async def answered(self, number: int) -> None:
        """Both sides are shown that it is public."""
        await wait_for(lambda: "Ask to correct" in self.client.buttons(number), f"case {number} answered", LONG)
        await wait_for(lambda: "Close" in self.staff.buttons(number), f"case {number} answered", LONG)

    async def over(self) -> None:
        if self.life is not None:
            self.life.process.kill()
            await self.life.ended()
        await asyncio.gather(*self.presses)


@asynccontextmanager
async def outside(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, staff: str = "telegram", client: str = "slack"
) -> AsyncIterator[Outside]:
    prepare()
    async with a_sandbox() as made:
        made.slack.door.limits.retry_after = lambda *_: 0  # type: ignore[method-assign]
        config = write_config(folder, made, url, monkeypatch, staff=staff, client=client)
        there = Outside(made, _side(made, "staff", staff), _side(made, "client", client), Orders(config, SECRETS))
        try:
            yield there
        finally:
            await there.over()


@asynccontextmanager
async def looking(url: str) -> AsyncIterator[SqlStore]:
    """The store, beside whatever desk runs on it."""
    store = await open_store(url, reading=True)
    try:
        yield store
    finally:
        await store.close()


async def idle(url: str) -> None:
    """All that was due has run to its end; the desk that lives goes on."""
    async with looking(url) as store:
        end = time.monotonic() + LONG
        while hanging := [w for w in await store.waiting() if unfinished(w)]:
            assert time.monotonic() < end, hanging
            await asyncio.sleep(0.1)


def unfinished(waiting: Waiting) -> bool:
    due = waiting.oldest <= datetime.now(UTC) and waiting.kind != "poll"
    return waiting.state == "parked" or waiting.unsure > 0 or due


async def in_store(url: str, number: int) -> tuple[str, list[str]]:
    """A case's state and events; "" while there is no such case."""
    async with looking(url) as store, store.read(WHOLE) as reader:
        case = await reader.case(number)
        return case.state if case else "", [event.kind for event in await reader.events(number)]


async def events_of(url: str, number: int) -> list[str]:
    return (await in_store(url, number))[1]


@pytest.mark.parametrize("where", BETWEEN_APPROVAL_AND_RECORD)
async def test_one_reply_wherever_the_desk_dies(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A desk for each point: it mends what the one before it left, and dies over a case of its own."""
    async with outside(tmp_path, store_url, monkeypatch) as there:

        async def approved(number: int) -> None:
            await there.proposed(number)
            await there.approve(number)

        points = {
            (kind, reached): await there.dies(store_url, kind, reached, approved, "posted")
            for kind, reached in BETWEEN_APPROVAL_AND_RECORD[where]
        }
        await there.born()
        for number in points.values():
            await there.answered(number)
        await idle(store_url)
        assert {p: there.posted(n) for p, n in points.items()} == {p: [text_of(n)] for p, n in points.items()}
        for number in points.values():
            state, events = await in_store(store_url, number)
            assert (state, events.count("approved"), events.count("posted")) == ("answered", 1, 1)


async def test_without_the_journal_a_double_is_seen(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof above has teeth."""
    async with outside(tmp_path, sqlite_url, monkeypatch) as there:
        life = await there.born(Point("post", "accepted", {"case": 1}), "forgetful")
        await there.proposed(1)
        await there.approve(1)
        assert await life.ended() == -signal.SIGKILL
        await there.born(engine="forgetful")
        await there.answered(1)
        posted = there.posted(1)
        assert len(posted) > 1
        assert set(posted) == {text_of(1)}


@pytest.mark.parametrize("what", AROUND_THE_CARD)
async def test_no_case_is_without_a_card_wherever_the_desk_dies(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A card may stand twice where a messenger cannot be asked; it never stands nowhere."""
    staff, client = ("telegram", "slack") if what.startswith("telegram") else ("slack", "telegram")
    async with outside(tmp_path, store_url, monkeypatch, staff, client) as there:

        async def found(number: int) -> None:
            there.review()

        points = {
            reached: await there.dies(store_url, kind, reached, found, "carded", side="staff")
            for kind, reached in AROUND_THE_CARD[what]
        }
        await there.born()
        for number in points.values():
            await wait_for(lambda n=number: "Take" in there.staff.buttons(n), f"a card for case {number}", LONG)
        await idle(store_url)
        shown = {reached: cards(there.staff, number) for reached, number in points.items()}
        for number in points.values():
            await there.staff.press("dana", number, "Take")
            await wait_for(lambda n=number: "Hand over" in there.staff.buttons(n), f"case {number} taken", LONG)
            state, events = await in_store(store_url, number)
            assert (state, events.count("found"), events.count("carded")) == ("in_work", 1, 1)
        if staff == "slack":
            assert shown == dict.fromkeys(EFFECT, 1)
        else:
            assert all(shown.values()), shown


def cards(staff: Any, number: int) -> int:
    """Cards of a case, in whatever thread; not lines of a summary."""
    words = f"Cold coffee, number {number}."
    if isinstance(staff, TelegramSide):
        shown = [m for m in staff.face.messages(staff.room) if m["thread_id"] is not None and m["buttons"]]
        return sum(words in m["text"] for m in shown)
    assert isinstance(staff, SlackSide)
    shown = [m for m in staff.face.messages(acme.TEAM, staff.channel) if m["text"].startswith(f"#{number} ")]
    return sum(words in plain(m) and bool(elements(m)) for m in shown)
