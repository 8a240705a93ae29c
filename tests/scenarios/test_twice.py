"""Whatever is delivered twice, at once, or in the wrong order happens once, and every press is answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from bot.http import Listener
from sandbox import world as acme
from tests.scenarios.conftest import Opened
from tests.scenarios.people import SlackSide, TelegramSide, wait_for
from tests.scenarios.world import World

REPLY = "Dina, the machine is repaired; your coffee is on us."
LATER = "3600s"
SIDES = [("telegram", "slack"), ("slack", "telegram")]
both_ways = pytest.mark.parametrize(("staff", "client"), SIDES, ids=["-".join(s) for s in SIDES])


async def quiet(w: World) -> None:
    """Everything delivered was taken, and whatever followed from it has run."""

    async def idle() -> bool:
        now = w.app.now()
        due = [x for x in await w.app.store.waiting() if x.kind != "poll" and (x.state == "running" or x.oldest <= now)]
        return not due and not w.sandbox.telegram.pending()

    await w.sandbox.slack.settle(20.0)
    for _ in range(2):
        await w.until(idle, what="nothing left to do")
        await asyncio.sleep(0.05)


async def seen(w: World) -> tuple[Any, ...]:
    """All that must be the same after a repeat."""
    case = await w.case(1)
    return await w.events(1), case.n, case.state, case.owner, [r.text for r in case.replies], w.client.buttons(1)


async def everything_again(w: World) -> None:
    """Telegram and Slack deliver all they ever had once more."""
    for update in w.sandbox.telegram.updates():
        w.sandbox.telegram.redeliver(update)
    for delivery in list(w.sandbox.slack.deliveries):
        w.sandbox.slack.redeliver(delivery.envelope_id)
    await quiet(w)


@both_ways
async def test_a_whole_life_delivered_again_changes_nothing(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        review = await w.proposed("A first text.")
        await w.client.press("marta", 1, "Ask for changes", reason="Name the café, please.")
        await w.state(1, "in_work")
        await w.client.write("oleg", 1, "And mention the coffee.")
        await w.until(lambda: any("And mention the coffee." in t for t in w.staff.texts(1)), what="the mirror")
        await w.staff.reply("anna", 1, REPLY)
        await w.until(lambda: any("Version 2" in t for t in w.staff.texts(1)), what="version 2")
        await w.staff.press("anna", 1, "Send to client")
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        await quiet(w)
        before = await seen(w)
        mirrors = sum("And mention the coffee." in text for text in w.staff.texts(1))
        await everything_again(w)
        assert await seen(w) == before
        assert w.posts(review) == [REPLY]
        assert sum("And mention the coffee." in text for text in w.staff.texts(1)) == mirrors == 1


@both_ways
async def test_each_delivery_comes_twice_from_the_start(desk: Opened, staff: str, client: str) -> None:
    """Telegram's second one while the first is still being handled, Slack's right behind its acknowledgement."""
    async with desk(staff=staff, client=client, rush=True) as w:
        again = asyncio.create_task(doubling(w))
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        again.cancel()
        await quiet(w)
        case, events = await w.case(1), await w.events(1)
        assert case.n == 1
        for kind in ("taken", "drafted", "sent", "approval", "approved", "posted"):
            assert events.count(kind) == 1, events
        assert w.posts(review) == [REPLY]


async def doubling(w: World) -> None:
    telegram, slack = w.sandbox.telegram, w.sandbox.slack
    doubled: set[int | str] = set()
    while True:
        for update in set(telegram.updates()) - doubled:
            telegram.redeliver(update)
            doubled.add(update)
        for envelope in {d.envelope_id for d in slack.deliveries if d.acked} - doubled:
            slack.redeliver(envelope)
            doubled.add(envelope)
        await asyncio.sleep(0.001)


@both_ways
async def test_a_press_delivered_twice_is_answered_alike(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        w.review()
        told = await w.staff.press("anna", 1, "Take")
        await w.state(1, "in_work")
        await quiet(w)
        answers = list(answered(w, staff))
        await everything_again(w)
        assert told == ("It is yours now" if staff == "telegram" else "")
        wanted = answers * 2 if staff == "telegram" else answers
        await w.until(lambda: len(answered(w, staff)) >= len(wanted), what="an answer to each")
        assert answered(w, staff) == wanted
        assert (await w.events(1)).count("taken") == 1


def answered(w: World, messenger: str) -> list[str]:
    """What pressers were told so far, as their messenger shows it."""
    if messenger == "telegram":
        return [c.params.get("text", "") for c in w.sandbox.telegram.calls if c.method == "answerCallbackQuery"]
    return w.staff.private("anna")  # type: ignore[attr-defined]


async def test_a_connection_cut_in_the_middle_loses_nothing_and_doubles_nothing(desk: Opened) -> None:
    """What Slack could not bring, or saw no acknowledgement for, it brings again."""
    async with desk(rush=True) as w:
        w.sandbox.slack.sockets.ack_seconds = 3.0
        await w.proposed(REPLY)
        for word in ("First.", "Second."):
            await w.client.write("oleg", 1, word)
            w.sandbox.slack.cut(acme.TEAM)
        for word in ("First.", "Second."):
            await w.until(lambda word=word: word in " ".join(w.staff.texts(1)), 20.0, word)
        await w.sandbox.slack.settle(20.0)
        await quiet(w)
        assert [sum(word in text for text in w.staff.texts(1)) for word in ("First.", "Second.")] == [1, 1]


async def at_once(side: Any, who: Sequence[str], label: str) -> list[str]:
    """Several people press the same button at the same moment; what each is told."""
    held = await side.hold(1, label)
    if isinstance(side, TelegramSide):
        return list(await asyncio.gather(*(side.press_held(one, held) for one in who)))
    before = {one: len(side.private(one)) for one in who}

    def told() -> list[str]:
        return [" ".join(side.private(one)[before[one] :]) for one in who]

    await asyncio.gather(*(press_held(side, one, held) for one in who))
    # Nothing is said to who succeeded: the message itself changes.
    await wait_for(lambda: sum(map(bool, told())) >= len(who) - 1, "a word to all but one")
    return told()


async def press_held(side: Any, who: str, held: Any) -> None:
    """Slack acknowledges what a busy machine may be settling still."""
    if isinstance(side, SlackSide):
        ts, button = held
        user, action, value = side.ids[who], button["action_id"], button.get("value")
        assert (await side.face.press(acme.TEAM, user, side.channel, ts, action, value, stale=True))["acked"]
    else:
        await side.press_held(who, held)


@both_ways
async def test_two_people_take_a_case_at_once(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        w.review()
        told = await at_once(w.staff, ("anna", "dana"), "Take")
        case = await w.state(1, "in_work")
        assert (await w.events(1)).count("taken") == 1
        first, late = told if case.owner == "anna" else told[::-1]
        assert first == ("It is yours now" if staff == "telegram" else "")
        assert "Not now: the case is in work" in late
        assert case.owner.title() in late


@both_ways
async def test_two_people_approve_at_once(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        review = await w.proposed(REPLY)
        told = await at_once(w.client, ("marta", "oleg"), "Approve")
        await w.state(1, "answered")
        await quiet(w)
        events = await w.events(1)
        assert (events.count("approval"), events.count("approved"), events.count("posted")) == (1, 1, 1)
        assert sum("Not now" in text for text in told) == 1
        assert w.posts(review) == [REPLY]


async def test_one_person_is_not_two_approvals(desk: Opened) -> None:
    async with desk(rush=True, client="telegram", steps='[{ who = ["marta", "oleg"], need = 2 }]') as w:
        review = await w.proposed(REPLY)
        told = await at_once(w.client, ("marta", "marta"), "Approve")
        await quiet(w)
        assert sorted(told) == ["Thank you. It still waits for another approval", "You have approved this already"]
        assert (await w.case(1)).state == "in_approval"
        assert w.posts(review) == []
        await w.client.press("oleg", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


@both_ways
@pytest.mark.parametrize("label", ["Post now", "Undo"])
async def test_the_same_button_in_both_rooms_at_once(desk: Opened, label: str, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True, undo=LATER) as w:
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "approved")
        there, here = await w.staff.hold(1, label), await w.client.hold(1, label)
        await asyncio.gather(
            press_held(w.staff, "anna", there),
            press_held(w.client, "marta", here),
        )
        kind = "hastened" if label == "Post now" else "undone"
        await w.until(lambda: _happened(w, kind), what=kind)
        if label == "Post now":
            await w.state(1, "answered")
        await quiet(w)
        assert (await w.events(1)).count(kind) == 1
        assert w.posts(review) == ([REPLY] if label == "Post now" else [])


async def _happened(w: World, kind: str) -> bool:
    return kind in await w.events(1)


async def test_undo_and_post_now_at_once_give_one_of_both(desk: Opened) -> None:
    async with desk(rush=True, undo=LATER) as w:
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "approved")
        there, here = await w.staff.hold(1, "Undo"), await w.client.hold(1, "Post now")
        await asyncio.gather(press_held(w.staff, "anna", there), press_held(w.client, "marta", here))
        await quiet(w)
        case = await w.until(lambda: settled(w), what="posted or undone")
        assert w.posts(review) == ([REPLY] if case.state == "answered" else [])


async def settled(w: World) -> Any:
    case = await w.case(1)
    return case if case.state in ("answered", "in_work") else None


async def test_an_approval_and_a_change_of_mind_at_once(desk: Opened) -> None:
    """Staff take the text back while the client approves it: either it is posted or it is theirs again."""
    async with desk(rush=True) as w:
        review = await w.proposed(REPLY)
        approve, back = await w.client.hold(1, "Approve"), await w.staff.hold(1, "Take back")
        await asyncio.gather(press_held(w.client, "marta", approve), press_held(w.staff, "anna", back))
        case = await w.until(lambda: settled(w), what="posted or taken back")
        await quiet(w)
        assert w.posts(review) == ([REPLY] if case.state == "answered" else [])


# mentions pushed by webhook

SECRET = "whsec_c2VjcmV0IG9mIHR3ZW50eS1mb3VyIGI="
HOOK = """
[[clients.brands.sources]]
key = "acme-push"
platform = "webhook"
secret = "env:HOOK_SECRET"
"""


class Pushes:
    """Somebody's system that pushes mentions; each push has an id, and may come again."""

    port = 0

    async def __call__(self, push: str, **mention: Any) -> dict[str, Any]:
        body, now = json.dumps({"id": "r-1", "rating": 1, **mention}), datetime.now(UTC)
        headers = {
            "webhook-id": push,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(push, now, body),
        }
        await wait_for(lambda: self.port, "a desk that listens")
        async with httpx.AsyncClient() as http:
            answer = await http.post(f"http://127.0.0.1:{self.port}/hooks/acme-push", content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told


Hooked = tuple[Opened, Pushes]

COLD, SALTY = {"text": "The coffee was cold."}, {"text": "The coffee was cold, and salty."}


@pytest.fixture
def hooked(desk: Opened, monkeypatch: pytest.MonkeyPatch) -> Hooked:
    """A desk with a source that is pushed to, and who pushes."""
    push, start = Pushes(), Listener.start

    async def started(listener: Listener) -> None:
        await start(listener)
        push.port = listener.port

    monkeypatch.setattr(Listener, "start", started)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    return partial(desk, listen="127.0.0.1:0", sources=HOOK, rush=True), push


async def test_a_push_delivered_twice_is_one_case(hooked: Hooked) -> None:
    desk, push = hooked
    async with desk() as w:
        told = await asyncio.gather(*(push("msg_1", **COLD) for _ in range(3)))
        assert sorted(t["accepted"] for t in told) == [0, 0, 1]
        await w.state(1, "new")
        assert (await push("msg_1", **COLD))["duplicates"] == 1
        assert (await push("msg_2", **COLD))["duplicates"] == 1
        await quiet(w)
        assert await w.case(2) is None
        assert "mention_edited" not in await w.events(1)


async def test_an_edit_pushed_twice_is_one_edit(hooked: Hooked) -> None:
    desk, push = hooked
    async with desk() as w:
        await push("msg_1", **COLD)
        await w.state(1, "new")
        for _ in range(2):
            await push("msg_2", **SALTY)
            await push("msg_1", **COLD)
        await quiet(w)
        assert (await w.case(1)).mention.text == SALTY["text"]
        assert (await w.events(1)).count("mention_edited") == 1


async def test_an_edit_that_overtakes_the_mention_makes_one_case(hooked: Hooked) -> None:
    desk, push = hooked
    async with desk() as w:
        await push("msg_2", **SALTY)
        await push("msg_1", **COLD)
        await w.state(1, "new")
        await quiet(w)
        before = await w.events(1)
        for _ in range(2):
            await push("msg_1", **COLD)
            await push("msg_2", **SALTY)
        await quiet(w)
        assert await w.case(2) is None
        assert await w.events(1) == before
        assert before.count("mention_edited") == 1


async def test_a_deletion_pushed_twice_ends_it_once(hooked: Hooked) -> None:
    desk, push = hooked
    async with desk() as w:
        await push("msg_1", **COLD)
        await w.state(1, "new")
        await asyncio.gather(*(push("msg_2", deleted=True) for _ in range(2)))
        await w.state(1, "deleted")
        await push("msg_2", deleted=True)
        await push("msg_3", deleted=True)
        await push("msg_1", **COLD)
        await quiet(w)
        assert (await w.case(1)).state == "deleted"
        assert (await w.events(1)).count("mention_deleted") == 1


async def test_a_deletion_that_overtakes_the_mention_is_not_forgotten(hooked: Hooked) -> None:
    desk, push = hooked
    async with desk() as w:
        await push("msg_2", deleted=True, rating=None)
        await quiet(w)
        assert await w.case(1) is None
        await push("msg_1", **COLD)
        await w.state(1, "deleted")
        await push("msg_2", deleted=True, rating=None)
        await push("msg_1", **COLD)
        await quiet(w)
        assert await w.case(2) is None
        assert (await w.events(1)).count("mention_deleted") == 1
        assert w.staff.buttons(1) == ["Reopen"]


async def test_what_was_deleted_and_is_there_again_comes_back(hooked: Hooked) -> None:
    desk, push = hooked
    async with desk() as w:
        await push("msg_1", **COLD)
        await w.state(1, "new")
        await push("msg_2", deleted=True)
        await w.state(1, "deleted")
        await push("msg_3", **COLD)
        case = await w.state(1, "new")
        assert case.round.n == 2
        assert case.mention_deleted_at is None
