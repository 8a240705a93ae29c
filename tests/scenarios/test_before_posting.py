"""Before a reply goes out the mention is read again, and people can still stop it; after that it is watched."""

from __future__ import annotations

from typing import Any

import pytest

from bot.build import Parts
from sandbox import world as acme
from tests.scenarios.conftest import Opened
from tests.scenarios.world import Shifted, World, a_sandbox

REPLY = "Dina, the machine is repaired; your coffee is on us."
COLLEAGUE = "We are so sorry! Your Acme team"
LATER = "3600s"
"""A window that no busy machine sleeps through: clocks of the tests are moved past it."""
HOURS = 3600.0
SIDES = [("telegram", "slack"), ("slack", "telegram")]
both_ways = pytest.mark.parametrize(("staff", "client"), SIDES, ids=["-".join(s) for s in SIDES])


@pytest.fixture
def clock() -> Shifted:
    return Shifted()


def unread(w: World) -> None:
    """The source is not read any more: what happens there from now on is seen only by looking before posting."""
    w.sandbox.site.forbid(acme.PACKAGE, "reviews.list")


async def shown(w: World, words: str, side: str = "staff") -> None:
    room = getattr(w, side)
    await w.until(lambda: any(words in text for text in room.texts(1)), what=f"{side} read {words!r}")


EDITS: dict[str, tuple[int, str]] = {
    "text": (1, "Now it was warm, but salty."),
    "stars": (4, "The coffee was cold and nobody answered."),
}


@both_ways
@pytest.mark.parametrize("what", EDITS)
async def test_a_review_changed_since_the_approval_stops_the_reply(
    desk: Opened, what: str, staff: str, client: str
) -> None:
    stars, text = EDITS[what]
    async with desk(rush=True, staff=staff, client=client) as w:
        review = await w.proposed(REPLY)
        unread(w)
        w.sandbox.site.edit_review(review, stars, text)
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "in_work")
        assert case.approvals == ()
        assert w.posts(review) == []
        await shown(w, "Before the author's edit (★1)")
        await shown(w, f"As it reads now (★{stars})")
        await shown(w, "The coffee was cold and nobody answered.")
        await shown(w, text)
        await shown(w, "The author changed the review")
        await shown(w, "This text is withdrawn for now", "client")
        assert (await w.events(1)).count("mention_edited") == 1
        await w.staff.press("anna", 1, "Send to client")
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


async def test_a_deleted_review_is_not_answered(desk: Opened) -> None:
    async with desk(rush=True) as w:
        review = await w.proposed(REPLY)
        w.sandbox.site.delete_review(review)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "deleted")
        await shown(w, "The author deleted the review; nothing will be posted")
        await shown(w, "The author deleted the review, so nothing will be posted", "client")
        assert w.posts(review) == []
        assert not {"Approve", "Undo"} & set(w.client.buttons(1))


async def answered_by_a_colleague(w: World) -> str:
    review = await w.proposed(REPLY)
    w.sandbox.site.official_reply(review, COLLEAGUE)
    await w.client.press("marta", 1, "Approve")
    await w.state(1, "in_work")
    await shown(w, COLLEAGUE)
    await w.until(lambda: {"Already answered", "Post anyway"} <= set(w.staff.buttons(1)), what="the choice")
    return review


@both_ways
async def test_a_colleagues_answer_is_accepted(desk: Opened, staff: str, client: str) -> None:
    async with desk(rush=True, staff=staff, client=client) as w:
        review = await answered_by_a_colleague(w)
        assert "Send to client" not in w.staff.buttons(1)
        await w.staff.press("anna", 1, "Already answered")
        case = await w.state(1, "closed")
        assert case.round.outcome == "answered"
        assert case.round.posted_at is not None
        assert w.posts(review) == []
        assert w.reply_of(review) == COLLEAGUE


@both_ways
async def test_posting_anyway_asks_an_approver_who_sees_what_it_replaces(desk: Opened, staff: str, client: str) -> None:
    async with desk(rush=True, staff=staff, client=client) as w:
        review = await answered_by_a_colleague(w)
        await w.staff.press("anna", 1, "Post anyway")
        await w.state(1, "in_approval")
        await shown(w, "It replaces the official reply that stands there now", "client")
        await shown(w, COLLEAGUE, "client")
        assert w.posts(review) == []
        await w.client.press("oleg", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]
        assert w.reply_of(review) == REPLY


async def test_yet_another_answer_of_a_colleague_asks_again(desk: Opened) -> None:
    """What the approver agreed to replace is that one text, not whatever stands there."""
    async with desk(rush=True) as w:
        review = await answered_by_a_colleague(w)
        await w.staff.press("anna", 1, "Post anyway")
        await w.state(1, "in_approval")
        w.sandbox.site.official_reply(review, "Please write to help@acme.example")
        await w.client.press("oleg", 1, "Approve")
        await shown(w, "Please write to help@acme.example")
        assert (await w.state(1, "in_work")).approvals == ()
        assert w.posts(review) == []


# the undo window


@pytest.mark.parametrize(("side", "who", "then"), [("staff", "dana", "in_work"), ("client", "marta", "in_approval")])
@both_ways
async def test_undo_within_the_window(
    desk: Opened, clock: Shifted, side: str, who: str, then: str, staff: str, client: str
) -> None:
    async with desk(rush=True, staff=staff, client=client, undo=LATER, parts=Parts(clock=clock)) as w:
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "approved")
        await getattr(w, side).press(who, 1, "Undo")
        assert (await w.state(1, then)).approvals == ()
        clock.forward(10 * HOURS)
        await settled(w)
        assert w.posts(review) == []
        if then == "in_work":
            await w.staff.press("anna", 1, "Send to client")
        await w.client.press("oleg", 1, "Approve")
        await w.state(1, "approved")
        clock.forward(HOURS + 1)
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


async def settled(w: World) -> None:
    """Whatever was due has run."""

    async def idle() -> bool:
        now = w.app.now()
        return not any(x.state == "running" or x.oldest <= now for x in await w.app.store.waiting() if x.kind != "poll")

    await w.until(idle, what="nothing left that is due")


@pytest.mark.parametrize(("side", "who"), [("staff", "anna"), ("client", "oleg")])
async def test_post_now_does_not_wait(desk: Opened, side: str, who: str) -> None:
    async with desk(rush=True, undo=LATER) as w:
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "approved")
        await getattr(w, side).press(who, 1, "Post now")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]
        await w.until(lambda: "Undo" not in [*w.staff.buttons(1), *w.client.buttons(1)], what="no buttons of a window")


async def test_the_window_outlives_a_restart(desk: Opened, clock: Shifted) -> None:
    async with a_sandbox(clock=clock) as made:
        async with desk(rush=True, undo=LATER, sandbox=made, parts=Parts(clock=clock)) as w:
            review = await w.proposed(REPLY)
            await w.client.press("marta", 1, "Approve")
            await w.state(1, "approved")
        async with desk(rush=True, undo=LATER, sandbox=made, parts=Parts(clock=clock)) as w:
            assert w.posts(review) == []
            clock.forward(HOURS + 1)
            await w.state(1, "answered")
            assert w.posts(review) == [REPLY]


# posting stopped


@both_ways
async def test_stopped_posting_holds_what_was_approved_until_it_is_resumed(
    desk: Opened, clock: Shifted, staff: str, client: str
) -> None:
    async with a_sandbox(clock=clock) as made:
        how: dict[str, Any] = {"staff": staff, "client": client, "undo": LATER, "sandbox": made}
        async with desk(rush=True, parts=Parts(clock=clock), **how) as w:
            review = await w.proposed(REPLY)
            await w.client.press("marta", 1, "Approve")
            await w.state(1, "approved")
            await command(w, staff, "boris", "stop_posting")
            await shown(w, "Posting is stopped (Boris)")
            await shown(w, "Posting is paused at the moment", "client")
            clock.forward(2 * HOURS)
            await settled(w)
            assert (await w.case(1)).state == "approved"
            assert "Post now" not in [*w.staff.buttons(1), *w.client.buttons(1)]
        async with desk(rush=True, parts=Parts(clock=clock), **how) as w:
            clock.forward(2 * HOURS)
            await settled(w)
            assert (await w.case(1)).state == "approved"
            assert w.posts(review) == []
            await command(w, staff, "boris", "resume_posting")
            await w.state(1, "answered")
            assert w.posts(review) == [REPLY]


async def command(w: World, messenger: str, who: str, verb: str) -> None:
    """Typed in the room, outside the threads of cases."""
    if messenger == "telegram":
        w.sandbox.telegram.write(w.staff.ids[who], w.staff.room, f"/{verb}")  # type: ignore[attr-defined]
    else:
        ids, channel = w.staff.ids, w.staff.channel  # type: ignore[attr-defined]
        await w.sandbox.slack.command(acme.TEAM, ids[who], channel, "/desk", verb)


async def test_staff_may_not_stop_posting(desk: Opened) -> None:
    async with desk(rush=True) as w:
        review = await w.proposed(REPLY)
        await command(w, "telegram", "anna", "stop_posting")
        await w.until(lambda: any("for leads" in text for text in w.staff.room_texts()), what="a polite no")
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


# after the answer


async def answered(w: World) -> str:
    review = await w.proposed(REPLY)
    await w.client.press("marta", 1, "Approve")
    await w.state(1, "answered")
    return review


async def test_the_author_edits_after_the_answer_and_a_new_round_begins(desk: Opened, clock: Shifted) -> None:
    async with desk(rush=True, parts=Parts(clock=clock)) as w:
        review = await answered(w)
        first = (await w.case(1)).round
        clock.forward(5 * HOURS)
        edited_at = clock()
        w.sandbox.site.edit_review(review, 1, "Still cold, and now they do not even greet.")
        case = await w.state(1, "new")
        assert (case.round.n, case.owner) == (2, "")
        assert case.round.clock_at >= edited_at
        assert case.rounds[0].posted_at == first.posted_at
        await shown(w, "begins a new round")
        await shown(w, "Still cold, and now they do not even greet.")
        await w.staff.press("dana", 1, "Take")
        await w.staff.reply("dana", 1, "We are at it again.")
        await w.staff.press("dana", 1, "Send to client")
        await shown(w, "It replaces our reply of", "client")
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY, "We are at it again."]


async def test_the_same_edit_seen_by_the_watch_begins_one_round(desk: Opened) -> None:
    async with desk(rush=True) as w:
        review = await answered(w)
        unread(w)
        w.sandbox.site.edit_review(review, 2, "Better, not good.")
        await w.hasten("watch:1")
        case = await w.state(1, "new")
        assert case.round.n == 2
        w.sandbox.site.forbid(acme.PACKAGE)
        await w.until(lambda: polls_since(w) >= 2, what="two more polls")
        assert (await w.case(1)).round.n == 2


def polls_since(w: World) -> int:
    """Polls that succeeded since the last one that was forbidden."""
    told = [call.ok for call in w.sandbox.site.calls if call.method == "reviews.list"]
    return len(told) if False not in told else told[::-1].index(False)


@both_ways
async def test_a_reply_that_vanishes_is_an_alarm_said_once(
    desk: Opened, clock: Shifted, staff: str, client: str
) -> None:
    async with desk(rush=True, staff=staff, client=client, parts=Parts(clock=clock)) as w:
        review = await answered(w)
        w.sandbox.site.review(review).reply = None
        clock.forward(10 * 60)
        await shown(w, "Our reply to #1 is no longer on the platform")
        case = await w.case(1)
        assert (case.state, case.reply) == ("answered", None)
        clock.forward(10 * HOURS)
        await settled(w)
        assert (await w.events(1)).count("reply_vanished") == 1
        assert w.posts(review) == [REPLY]


@both_ways
async def test_a_reply_that_was_changed_is_an_alarm_said_once(
    desk: Opened, clock: Shifted, staff: str, client: str
) -> None:
    async with desk(rush=True, staff=staff, client=client, parts=Parts(clock=clock)) as w:
        review = await answered(w)
        w.sandbox.site.official_reply(review, COLLEAGUE)
        await w.hasten("watch:1")
        await shown(w, "was changed on the platform")
        await shown(w, COLLEAGUE)
        for _ in range(2):
            await w.hasten("watch:1")
            await settled(w)
        assert (await w.events(1)).count("reply_changed") == 1
        assert w.posts(review) == [REPLY]


async def test_a_reply_that_stands_is_watched_in_silence(desk: Opened, clock: Shifted) -> None:
    async with desk(rush=True, parts=Parts(clock=clock)) as w:
        await answered(w)
        await settled(w)
        before, events = w.staff.texts(1), await w.events(1)
        for _ in range(3):
            await w.hasten("watch:1")
            await settled(w)
        assert (await w.events(1), len(w.staff.texts(1))) == (events, len(before))
