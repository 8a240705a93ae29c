"""Every button of a case, pressed by those it is for and by those it is not, in either messenger on either side."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.scenarios.conftest import Opened
from tests.scenarios.people import Surface
from tests.scenarios.world import World

TWO_WAYS = pytest.mark.parametrize(
    ("staff", "client"), [("telegram", "slack"), ("slack", "telegram")], ids=["telegram-slack", "slack-telegram"]
)

FIRST, SECOND, EDITED, CORRECTED = (
    "Sorry, Dina.",
    "Dina, we are sorry.",
    "Dina, sorry & thank you.",
    "Dina, it is fixed.",
)

TAKEN = {"Write reply", "Dismiss", "Close", "Escalate", "Hand over"}


async def shows(side: Surface, case: int, *wanted: str, w: World) -> None:
    """Exactly these buttons stand in the thread, on one message, apart from the link to the original."""

    def there() -> bool:
        return sorted(b for b in side.buttons(case) if b != "Open original") == sorted(wanted)

    await w.until(there, what=f"{sorted(wanted)} for case {case}")


async def drafted(w: World, case: int, text: str = FIRST, who: str = "anna") -> None:
    """A case taken, with its first text."""
    await w.staff.thread(case)
    await w.staff.press(who, case, "Take")
    await w.placed(case)
    await w.staff.reply(who, case, text)
    await w.until(lambda: "Send to client" in w.staff.buttons(case))


async def sent(w: World, case: int, text: str = FIRST) -> None:
    await drafted(w, case, text)
    await w.staff.press("anna", case, "Send to client")
    await w.until(lambda: "Approve" in w.client.buttons(case))


async def says(side: Surface, case: int, *words: str, w: World) -> None:
    """One message of the thread says all of these."""
    await w.until(lambda: any(all(x in t for x in words) for t in side.texts(case)), what=f"{words} in case {case}")


@TWO_WAYS
async def test_the_buttons_of_the_whole_way(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True, undo="5m") as w:
        review = w.review(1, "The coffee was cold.")
        await w.staff.thread(1)
        await shows(w.staff, 1, "Take", "Write reply", "Dismiss", w=w)
        await w.staff.press("anna", 1, "Take")
        await shows(w.staff, 1, *TAKEN, w=w)
        await says(w.staff, 1, "In work: Anna", w=w)

        await w.staff.press("dana", 1, "Write reply", text=FIRST)
        await says(w.staff, 1, "Version 1", "Dana", FIRST, w=w)
        await shows(w.staff, 1, *TAKEN, "Send to client", w=w)
        assert (await w.case(1)).owner == "anna", "who writes does not become the owner"
        await w.staff.press("anna", 1, "Send to client")
        await shows(w.client, 1, "Approve", "Edit", "Ask for changes", "Do not reply", w=w)
        await shows(w.staff, 1, "Take back", w=w)
        await says(w.client, 1, FIRST, "As Acme Coffee", "Google Play", "5 min", w=w)

        await w.client.press("oleg", 1, "Ask for changes", reason="Name her, please")
        await says(w.staff, 1, "Name her, please", w=w)
        await shows(w.client, 1, w=w)
        await w.staff.press("anna", 1, "Write reply", text=SECOND)
        await says(w.staff, 1, "Version 2", SECOND, w=w)
        await w.staff.press("anna", 1, "Send to client")
        await shows(w.client, 1, "Approve", "Edit", "Ask for changes", "Do not reply", w=w)
        await w.client.press("marta", 1, "Edit", text=EDITED)
        await says(w.client, 1, "Version 3, edited by Marta", EDITED, w=w)
        await says(w.staff, 1, "Version 3", "edited by the client", EDITED, w=w)
        assert (await w.state(1, "in_approval")).approvals == ()

        await w.client.press("marta", 1, "Approve")
        for side in (w.staff, w.client):
            await shows(side, 1, "Undo", "Post now", w=w)
        await w.client.press("marta", 1, "Undo")
        await w.state(1, "in_approval")
        await shows(w.staff, 1, "Take back", w=w)
        await w.client.press("oleg", 1, "Approve")
        await w.staff.press("dana", 1, "Undo")
        await w.state(1, "in_work")
        await w.staff.press("anna", 1, "Send to client")
        await w.client.press("oleg", 1, "Approve")
        await w.state(1, "approved")
        assert w.reply_of(review) is None
        await w.staff.press("dana", 1, "Post now")
        await w.state(1, "answered")
        assert w.reply_of(review) == EDITED

        await shows(w.staff, 1, "Close", "Edit reply", w=w)
        await shows(w.client, 1, "Ask to correct", w=w)
        await w.client.press("marta", 1, "Ask to correct", reason="A typo")
        await says(w.staff, 1, "A typo", w=w)
        await w.staff.press("anna", 1, "Write reply", text=CORRECTED)
        await says(w.staff, 1, "Version 4", CORRECTED, w=w)
        await w.staff.press("anna", 1, "Send to client")
        await says(w.client, 1, "It replaces our reply", EDITED, w=w)
        await w.client.press("marta", 1, "Approve")
        await w.client.press("marta", 1, "Post now")
        await w.until(lambda: w.reply_of(review) == CORRECTED)
        await shows(w.staff, 1, "Close", "Edit reply", w=w)
        await w.staff.press("anna", 1, "Edit reply", text=FIRST)
        await says(w.staff, 1, "Version 5", FIRST, w=w)
        assert (await w.state(1, "in_work")).correcting
        assert w.reply_of(review) == CORRECTED


@TWO_WAYS
async def test_the_ways_a_case_ends_and_begins_again(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        for text in ("One", "Two", "Three"):
            w.review(1, text)
        for case in (1, 2, 3):
            await w.staff.thread(case)
        await asyncio.gather(_dismissed_and_reopened(w, 1), _declined(w, 2), _handed_on_and_closed(w, 3))
        assert w.sandbox.slack.modal("T0ACME", w.staff.ids["anna"] if staff == "slack" else "U0MARTA") is None


async def _dismissed_and_reopened(w: World, case: int) -> None:
    await w.staff.press("dana", case, "Dismiss", why="Not about us", text="Another Acme")
    ended = await w.state(case, "dismissed")
    assert (ended.round.outcome, ended.reason) == ("not_about_us", "Another Acme")
    await says(w.staff, case, "Dismissed: not about us", w=w)
    await says(w.staff, case, "Dana dismissed", "Another Acme", w=w)
    await shows(w.staff, case, "Reopen", w=w)
    await w.staff.press("dana", case, "Reopen")
    again = await w.state(case, "in_work")
    assert (again.round.n, again.owner) == (2, "dana")


async def _declined(w: World, case: int) -> None:
    await sent(w, case)
    await w.client.press("oleg", case, "Do not reply", reason="It is about a rival")
    ended = await w.state(case, "dismissed")
    assert (ended.round.outcome, ended.reason) == ("client_declined", "It is about a rival")
    await says(w.staff, case, "chose not to reply", "Oleg", "It is about a rival", w=w)
    await shows(w.client, case, w=w)
    await shows(w.staff, case, "Reopen", w=w)


async def _handed_on_and_closed(w: World, case: int) -> None:
    await sent(w, case)
    await w.staff.press("boris", case, "Take back")
    assert (await w.state(case, "in_work")).owner == "anna", "taking back does not change the owner"
    await w.until(lambda: w.client.buttons(case) in ([], ["Open original"]))
    await says(w.client, case, "withdrawn", w=w)
    await w.staff.press("anna", case, "Hand over", to="Dana")
    await w.until(lambda: _owner(w, case, "dana"))
    await w.staff.press("dana", case, "Escalate", to="Boris")
    await w.until(lambda: _owner(w, case, "boris"))
    await w.staff.press("boris", case, "Close", outcome="Left without an answer", satisfied="No", reason="Too late")
    ended = await w.state(case, "closed")
    assert (ended.round.outcome, ended.round.satisfied, ended.reason) == ("not_answered", "no", "Too late")
    await says(w.staff, case, "Closed without an answer: Too late", w=w)


async def _owner(w: World, case: int, who: str) -> bool:
    return (await w.case(case)).owner == who


STEPS = '[{ who = ["marta", "oleg"], need = 2 }, { who = ["oleg"], need = 1 }]'


@TWO_WAYS
async def test_steps_are_approved_in_order_by_as_many_as_they_need(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True, steps=STEPS) as w:
        review = w.review()
        await sent(w, 1)
        await says(w.client, 1, "step 1 of 2", w=w)
        assert "another approval" in await w.client.press("marta", 1, "Approve") or client == "slack"
        assert "approved this already" in await w.client.refused("marta", 1, "Approve")
        await w.client.press("oleg", 1, "Approve")
        await says(w.client, 1, "step 2 of 2", w=w)
        told = await w.client.refused("marta", 1, "Approve")
        assert "approvers of this step: Oleg" in told
        assert w.reply_of(review) is None
        await w.client.press("oleg", 1, "Approve")
        await w.state(1, "answered")
        assert w.reply_of(review) == FIRST


@TWO_WAYS
async def test_what_no_program_can_post_is_posted_by_a_person(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True, undo="5m") as w:
        await brought(w, "https://otzovik.com/review_1.html Cold coffee")
        await sent(w, 1)
        await says(w.client, 1, "otzovik.com", "by hand", w=w)
        await w.client.press("marta", 1, "Approve")
        await shows(w.staff, 1, "I posted it", "Take back", w=w)
        await shows(w.client, 1, w=w)
        await w.staff.press("anna", 1, "Take back")
        await w.state(1, "in_work")
        await w.staff.press("anna", 1, "Send to client")
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "manual")
        await w.staff.press("dana", 1, "I posted it", proof="https://otzovik.com/review_1.html#reply")
        done = await w.state(1, "answered")
        assert (done.reply.url, done.reply.verified) == ("https://otzovik.com/review_1.html#reply", False)
        await says(w.staff, 1, "not verified yet", w=w)
        await shows(w.staff, 1, "Close", w=w)
        await shows(w.client, 1, "Ask to correct", w=w)


async def brought(w: World, text: str) -> None:
    """A mention brought to the staff's room by a command."""
    if w.staff.messenger == "telegram":
        w.sandbox.telegram.write(w.staff.ids["anna"], w.staff.room, f"/add {text}")
    else:
        await w.sandbox.slack.command("T0ACME", w.staff.ids["anna"], w.staff.channel, "/desk", f"add {text}")


@TWO_WAYS
async def test_a_press_that_comes_too_late_is_told_who_was_first_and_when(
    desk: Opened, staff: str, client: str
) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        w.review()
        await w.staff.thread(1)
        take = await w.staff.hold(1, "Take")
        await w.placed(1)
        await w.staff.press("dana", 1, "Take")
        told = await w.staff.press_held("anna", take)
        assert "taken" in told
        assert "Dana" in told
        assert any(sign.isdigit() for sign in told), "when"
        await w.staff.reply("dana", 1, FIRST)
        await w.staff.press("dana", 1, "Send to client")
        await w.client.thread(1)
        approve = await w.client.hold(1, "Approve")
        await w.staff.reply("dana", 1, SECOND)
        await w.state(1, "in_work")
        await w.until(lambda: "Send to client" in w.staff.buttons(1))
        told = await w.client.press_held("marta", approve)
        assert "newest is version 2" in told or "Not now" in told
        assert "Dana" in told
        await w.staff.press("dana", 1, "Send to client")
        await w.state(1, "in_approval")
        assert "newest is version 2" in await w.client.press_held("marta", approve)
        assert (await w.case(1)).approvals == ()


@TWO_WAYS
async def test_everybody_else_gets_a_polite_private_no(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        stranger(w)
        w.review()
        await w.staff.thread(1)
        assert "do not know you" in await w.staff.refused("nina", 1, "Take")
        await sent(w, 1)
        refusals = {
            "vera": "for the approvers of this step: Marta, Oleg",
            "nina": "do not know you",
            "anna": "for the approvers of this step",
        }
        for who, words in refusals.items():
            for label in ("Approve", "Ask for changes"):
                assert words in await w.client.refused(who, 1, label), (who, label)
        assert "staff team" in await w.staff.refused("marta", 1, "Take back")
        for value in FORGED[client]:
            assert await w.client.forge("vera", 1, value), value
            assert await w.staff.forge("marta", 1, value.replace("approve", "takeback")), value
        case = await w.state(1, "in_approval")
        assert case.approvals == ()
        for side in (w.staff, w.client):
            assert not any("do not know you" in text or "for the" in text for text in side.texts(1)), "said to all"


def stranger(w: World) -> None:
    """Somebody of both rooms whom the configuration does not name; and staff and clients see each other's rooms."""
    for side in (w.staff, w.client):
        side.ids = {**side.ids, "nina": 1999 if side.messenger == "telegram" else "U0NINA"}
    w.sandbox.telegram.add_user(1999, "Nina", username="nina")
    w.sandbox.slack.add_user("T0ACME", "U0NINA", "Nina")
    side = w.staff if w.staff.messenger == "telegram" else w.client
    for who in ("nina", "vera", "anna", "marta"):
        w.sandbox.telegram.join(side.room, side.ids[who])


FORGED: dict[str, tuple[Any, ...]] = {
    "telegram": ("c1:approve:1:1:", "c1:approve:zzz:1:", "c1:drop:1:1:", "c9:approve:1:1:", "approve", "c1:a:1:0:99.x"),
    "slack": ("1:approve:1:1:", "1:approve:999:1:", "1:drop:1:1:", "9:approve:1:1:", "approve", "1:answer:1:0:99.x"),
}


@TWO_WAYS
async def test_who_must_act_is_called_once_and_the_actor_never(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        w.review()
        await w.staff.thread(1)
        await w.until(lambda: "Take" in w.staff.buttons(1))
        assert [w.staff.called(who) for who in ("anna", "dana", "boris")] == [1, 1, 0], "staff on duty, in one message"
        await drafted(w, 1)
        await w.staff.press("anna", 1, "Send to client")
        await w.client.thread(1)
        await w.until(lambda: "Approve" in w.client.buttons(1))
        assert [w.client.called(who) for who in ("marta", "oleg", "vera")] == [1, 1, 0]
        await w.client.press("marta", 1, "Ask for changes", reason="Warmer")
        await w.until(lambda: w.staff.called("anna") == 2)
        await w.staff.reply("anna", 1, SECOND)
        await says(w.staff, 1, "Version 2", SECOND, w=w)
        await w.staff.press("anna", 1, "Send to client")
        await w.until(lambda: w.client.called("oleg") == 2)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        await w.until(lambda: "Close" in w.staff.buttons(1) and "Ask to correct" in w.client.buttons(1))
        assert [w.staff.called(who) for who in ("anna", "dana", "boris")] == [2, 1, 0]
        assert [w.client.called(who) for who in ("marta", "oleg", "vera")] == [2, 2, 0]
        asked = 1 if client == "telegram" else 0
        assert w.staff.posted() == 4, "the card, two versions, and one call after the changes asked for"
        assert w.client.posted() == 3 + asked, "the card and two proposals; Telegram has no form to ask for a reason"
        assert w.staff.room_texts() in ([], [t for t in w.staff.room_texts() if "#1" in t]), "nothing beside the thread"


async def test_who_reopens_a_colleagues_case_is_not_told_that_it_is_theirs(desk: Opened) -> None:
    async with desk(rush=True) as w:
        w.review()
        await drafted(w, 1)
        await w.staff.press("anna", 1, "Close")
        await w.staff.press("anna", 1, "The author was contacted")
        await w.staff.press("anna", 1, "Not known")
        await shows(w.staff, 1, "Reopen", w=w)
        assert await w.staff.press("dana", 1, "Reopen") == "It is open again"
        await says(w.staff, 1, "In work: Anna", w=w)


async def test_while_the_platform_is_silent_the_card_promises_no_moment(desk: Opened) -> None:
    async with desk(rush=True) as w:
        w.review()
        await sent(w, 1)
        w.sandbox.site.fail("reviews.get", *[("status", 503)] * 9)
        await w.client.press("marta", 1, "Approve")
        for side in (w.staff, w.client):
            await says(side, 1, "Approved: Marta. It goes out at", "at the earliest", w=w)


@TWO_WAYS
async def test_an_invisible_text_is_refused_wherever_it_is_typed(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        w.review()
        await drafted(w, 1)
        await w.staff.reply("anna", 1, "\u200b\u2060\u3164")
        await w.staff.reply("anna", 1, SECOND)
        await says(w.staff, 1, "Version 2", SECOND, w=w)
        assert (await w.case(1)).n == 2


async def test_an_invisible_reason_in_telegram_leaves_the_question_open(desk: Opened) -> None:
    async with desk(client="telegram", rush=True) as w:
        w.review()
        await sent(w, 1)
        await w.client.press("marta", 1, "Ask for changes", reason="\u200b\u2060")
        await w.client.write("marta", 1, "Warmer, please")
        await w.state(1, "in_work")
        assert (await w.case(1)).reason == "Warmer, please"
