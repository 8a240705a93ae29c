"""How the desk spends what a messenger allows: edits merge, limits are obeyed, no room waits for another's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import pytest

from bot.build import Parts
from desk.ports import Call, Sent
from desk.service import Pressed
from desk.showing import Summary
from desk.work import Row
from sandbox import world
from sandbox.server import Sandbox
from sandbox.slack import Slack
from sandbox.telegram import Telegram
from tests.scenarios.conftest import Opened
from tests.scenarios.people import PATIENCE, labels
from tests.scenarios.world import STAFF_CHANNEL, World, a_sandbox, free_of_429

SHORT_MINUTE = 4.0
"""Seconds: 13 calls of the backlog in each, one in 0.31 s."""

numbers = count(1)


async def press(w: World, who: str, case: int, action: str, version: int | None = None, **answers: str) -> None:
    """A press that is not waited for, as of somebody quick."""
    person = w.app.live.current.person(who)
    room = f"telegram:{world.STAFF_ROOM}"
    outcome = await w.app.desk.press(
        Pressed(f"test:{next(numbers)}", person, action, case, version, room, "1", answers=answers)
    )
    assert outcome.ok, outcome


def calls(made: Sandbox, method: str) -> list[Any]:
    return [c for c in made.telegram.calls if c.method == method and c.ok]


def summaries(made: Sandbox) -> list[dict[str, Any]]:
    messages = made.telegram.messages(world.STAFF_ROOM)
    return [m for m in messages if m["thread_id"] is None and "new cases" in m["text"]]


def many(w: World, number: int, words: str = "Cold coffee") -> None:
    for n in range(number):
        w.review(1, f"{words} {n}")


def cards(w: World, number: int) -> list[str]:
    return [text for text in w.staff.texts(number) if "Google Play" in text]


def takeable(w: World, last: int) -> set[int]:
    """From the summary's lines, or from a card that was there before it."""
    lines = labels(summaries(w.sandbox)[0])
    return {n for n in range(1, last + 1) if f"Take #{n}" in lines or cards(w, n)}


@contextmanager
def held(messenger: Telegram | Slack, method: str, many: int = 1) -> Iterator[None]:
    """So many calls of this method hang until the block ends, however long a slow machine takes for it."""
    let_go = asyncio.Event()
    messenger.fail(method, *[("hold", let_go)] * many)
    try:
        yield
    finally:
        let_go.set()


async def all_is_drawn(w: World) -> bool:
    return not any(waiting.kind == "draw" for waiting in await w.app.store.waiting())


async def carded(w: World, last: int, within: float = PATIENCE) -> None:
    await w.until(lambda: all(cards(w, n) for n in range(1, last + 1)), within, f"{last} cards")


async def test_five_quick_changes_are_two_edits_at_most(desk: Opened) -> None:
    """One is on its way when the others come; what they have in common is drawn once."""
    async with desk() as w:
        w.review()
        await carded(w, 1)
        with held(w.sandbox.telegram, "editMessageText"):
            await press(w, "boris", 1, "take")
            for _ in range(2):
                await press(w, "boris", 1, "dismiss", why="spam", text="")
                await press(w, "boris", 1, "reopen")
        await w.until(partial(all_is_drawn, w), what="nothing left to draw")
        assert "In work: Boris" in cards(w, 1)[0]
        assert len(calls(w.sandbox, "editMessageText")) <= 2


async def test_presses_in_a_summary_share_its_edits(desk: Opened) -> None:
    async with a_sandbox(fast=False) as made, desk(sandbox=made, fast=False) as w:
        await w.until(lambda: made.site.calls)
        many(w, 12)
        await w.until(lambda: summaries(made) and len(takeable(w, 12)) == 12, what="the summary")
        listed = [n for n in range(1, 13) if f"Take #{n}" in labels(summaries(made)[0])]
        assert len(listed) > 6, "the others had their card before it"
        before = len(calls(made, "editMessageText"))
        with held(made.telegram, "editMessageText"):
            for number in listed:
                await press(w, "dana", number, "take")
        await w.until(
            lambda: summaries(made)[0]["text"].count("taken: Dana") == len(listed), what="every line with its owner"
        )
        assert len(calls(made, "editMessageText")) <= before + 2


async def test_a_press_in_a_summary_that_is_not_yet_written_down_shows_in_it(
    desk: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is there for people before the desk has noted which lines it has."""
    sent = Summary.send
    async with a_sandbox(fast=False) as made, desk(sandbox=made, fast=False) as w:

        async def overtaken(summary: Summary, row: Row, call: Call) -> Sent:
            result = await sent(summary, row, call)
            if not call.data["message"]:
                await press(w, "dana", call.data["cases"][-1], "take")
            return result

        monkeypatch.setattr(Summary, "send", overtaken)
        many(w, 12)
        await w.until(lambda: summaries(made), what="the summary")
        # A redrawing for the sake of links comes after twenty seconds: that one is not waited for.
        await w.until(lambda: "taken: Dana" in summaries(made)[0]["text"], 15.0, "the line's owner")
        assert summaries(made)[0]["text"].count("taken: Dana") == 1


async def test_cases_that_come_late_join_the_summary_in_a_few_edits(desk: Opened) -> None:
    async with a_sandbox(fast=False) as made, desk(sandbox=made, fast=False) as w:
        await w.until(lambda: made.site.calls)
        many(w, 10)
        await w.until(lambda: summaries(made), what="the summary")
        for lot in range(6):
            many(w, 5, f"Late coffee, lot {lot},")
            await asyncio.sleep(0.3)
        await w.until(lambda: len(takeable(w, 40)) == 40, what="a line for each")
        assert len(summaries(made)) == 1
        assert len(calls(made, "editMessageText")) < 6, "fewer than there were lots"


async def test_a_429_that_comes_anyway_is_obeyed_and_nothing_is_lost(desk: Opened) -> None:
    async with (
        a_sandbox(fast=False, minute=SHORT_MINUTE) as made,
        desk(sandbox=made, fast=False, parts=Parts(minute=SHORT_MINUTE)) as w,
    ):
        made.telegram.fail("sendMessage", ("retry_after", 4))
        many(w, 3)
        await carded(w, 3)
        sends = [c for c in made.telegram.calls if c.method in ("sendMessage", "createForumTopic")]
        refused = next(c for c in sends if not c.ok)
        # What was on its way when the answer came is no disobedience.
        assert not [c for c in sends if 2.0 < c.at - refused.at < 3.95]
        assert [len(cards(w, n)) for n in (1, 2, 3)] == [1, 1, 1]


async def test_slack_that_says_ratelimited_is_obeyed_and_nothing_is_lost(desk: Opened) -> None:
    async with desk(staff="slack", client="telegram") as w:
        w.sandbox.slack.fail("chat.postMessage", ("retry_after", 4))
        many(w, 2)
        await carded(w, 2)
        posts = [c for c in w.sandbox.slack.calls if c.method == "chat.postMessage"]
        assert posts[0].error == "ratelimited"
        assert not [c for c in posts if 2.0 < c.at - posts[0].at < 3.95]
        assert sum(c.ok and c.params["channel"] == STAFF_CHANNEL for c in posts) == 2


async def test_a_slack_that_hangs_holds_up_no_telegram(desk: Opened) -> None:
    async with desk() as w:
        with held(w.sandbox.slack, "chat.postMessage", 500):
            many(w, 6)
            await carded(w, 6)
            for number in range(1, 7):
                await press(w, "anna", number, "take")
                await w.staff.reply("anna", number, "We are sorry.")
                await w.until(lambda number=number: "Send to client" in w.staff.buttons(number), what="version 1")
                await press(w, "anna", number, "send", version=1)
            w.review(1, "Wet napkins")
            await carded(w, 7)
            assert not any(c.ok and c.method == "chat.postMessage" for c in w.sandbox.slack.calls)


async def test_what_only_informs_waits_for_the_backlog_and_holds_up_nobody(desk: Opened) -> None:
    """The card of a case that has versions is such a thing: what happens shows on the newest version."""
    async with (
        a_sandbox(fast=False, minute=SHORT_MINUTE) as made,
        desk(sandbox=made, fast=False, parts=Parts(minute=SHORT_MINUTE)) as w,
    ):
        w.review(1, "Stale bun")
        await carded(w, 1)
        await press(w, "anna", 1, "take")
        await w.staff.reply("anna", 1, "We are sorry.")
        await w.until(lambda: "Send to client" in w.staff.buttons(1), what="version 1")
        many(w, 30)
        await carded(w, 3)
        await press(w, "anna", 1, "send", version=1)
        await w.client.press("marta", 1, "Approve")
        await w.until(lambda: "Edit reply" in w.staff.buttons(1), what="the reply is public")
        assert not cards(w, 31), "the backlog was over too soon to be in anybody's way"
        assert "Answered" not in cards(w, 1)[0]
        await carded(w, 31, within=90.0)
        await w.until(lambda: "Answered" in cards(w, 1)[0], what="the card too")
        sent = [c.at for c in calls(made, "sendMessage") if re.search("Cold coffee", c.params["text"])]
        edited = [c.at for c in calls(made, "editMessageText") if "Stale bun" in c.params["text"]]
        assert edited[-1] > max(sent)
        assert free_of_429(made)
