"""kill -9 at each named point, of a whole desk, on both stores: one reply, every time, and no case without a card.

Telegram, Slack and the review site live on in the test's own process, and their logs alone are believed.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import world as acme
from sandbox.server import Sandbox
from storage.store import open_store
from tests.scenarios.kill_desk import Life, Orders, Point, prepare
from tests.scenarios.people import SlackSide, TelegramSide, plain, wait_for
from tests.scenarios.world import SECRETS, _side, a_sandbox, write_config

pytestmark = pytest.mark.chaos

Stores = Callable[[], Awaitable[str]]

JOB = ("claimed", "before_done")
"""Points of work that only reads the outside: nothing is journalled, nothing accepted."""
EFFECT = ("claimed", "sending", "accepted", "external_id", "before_done")

BETWEEN_APPROVAL_AND_RECORD = [("publish", reached) for reached in JOB] + [("post", reached) for reached in EFFECT]
AROUND_THE_CARD = {
    "telegram": [("open", reached) for reached in EFFECT] + [("draw", reached) for reached in EFFECT],
    "slack": [("draw", reached) for reached in EFFECT],
}

LONG = 30.0


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


@pytest.fixture
async def stopped_store(new_store: Stores) -> str:
    return await new_store()


async def in_store(url: str, number: int) -> tuple[str, list[str]]:
    """A case's state and events, when no desk runs; and that no work hangs."""
    store = await open_store(url, reading=True)
    try:
        assert [w for w in await store.waiting() if w.state != "ready" or w.unsure] == []
        async with store.read() as reader:
            case = await reader.case(number, ["acme-coffee"])
            assert case is not None
            return case.state, [event.kind for event in await reader.events(number)]
    finally:
        await store.close()


async def test_one_reply_wherever_the_desk_dies(
    tmp_path: Path, stopped_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk for each point: it mends what the one before it left, and dies over the next case."""
    points = dict(enumerate(BETWEEN_APPROVAL_AND_RECORD, 1))
    async with outside(tmp_path, stopped_store, monkeypatch) as there:
        life = await there.born()
        for number in points:
            await there.proposed(number)
        assert await life.stopped() == 0
        for number, (kind, reached) in points.items():
            life = await there.born(Point(kind, reached, {"case": number}))
            await there.approve(number)
            assert await life.ended() == -signal.SIGKILL, f"{kind} {reached}"
        last = await there.born()
        for number in points:
            await there.answered(number)
        assert await last.stopped() == 0
        assert {p: there.posted(n) for n, p in points.items()} == {p: [text_of(n)] for n, p in points.items()}
        for number in points:
            state, events = await in_store(stopped_store, number)
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
        assert there.posted(1) == [text_of(1)] * 2


@pytest.mark.parametrize("staff", AROUND_THE_CARD)
async def test_no_case_is_without_a_card_wherever_the_desk_dies(
    tmp_path: Path, stopped_store: str, monkeypatch: pytest.MonkeyPatch, staff: str
) -> None:
    """A card may stand twice where a messenger cannot be asked; it never stands nowhere."""
    points = dict(enumerate(AROUND_THE_CARD[staff], 1))
    client = "slack" if staff == "telegram" else "telegram"
    async with outside(tmp_path, stopped_store, monkeypatch, staff, client) as there:
        for number, (kind, reached) in points.items():
            life = await there.born(Point(kind, reached, {"case": number, "side": "staff"}))
            there.review()
            assert await life.ended() == -signal.SIGKILL, f"{kind} {reached}"
        last = await there.born()
        for number in points:
            await wait_for(lambda n=number: "Take" in there.staff.buttons(n), f"a card for case {number}", LONG)
        await there.staff.press("dana", len(points), "Take")
        await wait_for(lambda: "Write reply" in there.staff.buttons(len(points)), "it goes on", LONG)
        assert await last.stopped() == 0
        shown = {point: cards(there.staff, number) for number, point in points.items()}
        if staff == "slack":
            assert shown == dict.fromkeys(points.values(), 1)
        else:
            assert all(1 <= count <= 2 for count in shown.values()), shown
        for number in points:
            _, events = await in_store(stopped_store, number)
            assert (events.count("found"), events.count("carded")) == (1, 1)


def cards(staff: Any, number: int) -> int:
    """Messages with the words of a case's review, in whatever thread."""
    words = re.compile(rf"Cold coffee, number {number}\.\s*$|Cold coffee, number {number}\.\s", re.MULTILINE)
    if isinstance(staff, TelegramSide):
        chat = next(c for c in staff.face.snapshot()["chats"] if c["id"] == staff.room)
        return sum(bool(words.search(m["text"])) for m in chat["messages"] if m["buttons"])
    assert isinstance(staff, SlackSide)
    found = staff.face.messages(acme.TEAM, staff.channel)
    return sum(bool(words.search(plain(m))) for m in found)
