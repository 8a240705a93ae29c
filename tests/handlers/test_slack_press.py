"""Presses and forms in Slack, against the sandbox's strict Slack and the real desk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from desk.forms import PRESSES
from desk.platform import PlatformCard
from desk.service import Form, Outcome, Pressed
from handlers.people import Tongue
from handlers.slack.modals import Meta, encode, form_view
from sandbox.slack import Slack
from tests.desk.world import new_case, rules
from tests.handlers.slack_world import (
    ANNA,
    BORIS,
    CLIENT,
    MILA,
    STAFF,
    STRANGER,
    TEAM,
    VICTOR,
    World,
    text_of,
    until,
    words,
)


def workspace(desk: World) -> Any:
    return desk.doors.doors[0].workspace


async def test_card_is_the_parent_of_its_thread_and_take_redraws_it(desk: World) -> None:
    card = await desk.new_case("Cold coffee")
    assert "Cold coffee" in text_of(desk.messages(STAFF)[0])

    pressed = await desk.press(ANNA, STAFF, card, "take")
    await desk.work()

    assert pressed["acked"]
    assert words("state_in_work", owner="Anna") in text_of(desk.messages(STAFF)[0])
    assert desk.whispers(ANNA) == []


async def test_stale_press_is_told_what_happened_and_who_did_it_alone(desk: World) -> None:
    card = await desk.new_case()
    old = desk.button(STAFF, card, "take")["action_id"]
    await desk.press(ANNA, STAFF, card, "take")
    await desk.work()

    pressed = await desk.press(BORIS, STAFF, card, "take", stale_id=old)

    assert pressed["acked"]
    (told,) = desk.whispers(BORIS)
    assert words("event_taken") in told
    assert "Anna" in told
    assert all(m["thread_ts"] == card for m in desk.messages(STAFF) if m["ephemeral_for"])


async def test_the_same_press_delivered_twice_is_done_once(desk: World, slack: Slack) -> None:
    await proposed(desk)
    slack.redeliver(next(d for d in slack.deliveries if d.kind == "interactive").envelope_id)
    await desk.work()
    assert desk.whispers(ANNA) == [words("did_write", version=1)]
    assert len([m for m in desk.messages(CLIENT) if any(b["type"] == "actions" for b in m["blocks"])]) == 1


async def test_stranger_gets_a_polite_no_alone(desk: World) -> None:
    card = await desk.new_case()
    pressed = await desk.press(STRANGER, STAFF, card, "take")
    await desk.work()
    assert pressed["acked"]
    assert desk.whispers(STRANGER) == ["⚠️ " + words("stranger")]
    assert words("state_new") in text_of(desk.messages(STAFF)[0])


async def test_person_of_another_workspace_is_not_taken_for_ours_by_their_id(desk: World, slack: Slack) -> None:
    card = await desk.new_case()
    ws = workspace(desk)
    assert ws.person(ANNA) is not None
    assert replace(ws, key="other").person(ANNA) is None
    slack.add_user(TEAM, "U0GUEST", "Guest", home_team="T0OTHER")
    slack.world.teams[TEAM].channels[STAFF].members.append("U0GUEST")
    await desk.press("U0GUEST", STAFF, card, "take")
    assert words("stranger") in desk.whispers("U0GUEST")[0]


async def test_viewer_may_not_approve_and_is_told_who_may(desk: World) -> None:
    proposal = await proposed(desk)
    await desk.press(VICTOR, CLIENT, proposal, "approve")
    assert "Mila" in desk.whispers(VICTOR)[0]


async def test_approver_approves_and_the_staff_go_on(desk: World) -> None:
    proposal = await proposed(desk)
    shown = text_of(next(m for m in desk.messages(CLIENT) if m["ts"] == proposal))
    assert "We are sorry" in shown
    await desk.press(MILA, CLIENT, proposal, "approve")
    await desk.work()
    assert desk.button(STAFF, desk.last_with_buttons(STAFF), "posted")
    assert [b for m in desk.messages(CLIENT) for b in m["blocks"] if b["type"] == "actions"] == []
    assert desk.whispers(MILA) == []


async def proposed(desk: World, text: str = "We are sorry") -> str:
    await desk.new_case()
    return await desk.proposal(text)


FORGED = [
    "",
    "take",
    "1:take",
    "1:take:x:1:",
    "1:" + "a" * 50 + ":1:1:",
    "2:take:1:0:",
    "1:take:1:0:" + "x" * 300,
    "1:TAKE:1:0:",
    "0:take:1:0:\n",
    "1:take:999999999999999999999:0:",
]


async def test_garbage_on_a_button_gets_a_polite_answer(desk: World, slack: Slack) -> None:
    card = await desk.new_case()
    for forged in FORGED:
        await pressed_with(desk, slack, card, forged, "desk:take:0")
    said = "⚠️ " + words("unknown_button")
    assert desk.whispers(ANNA) == [said] * len(FORGED)
    assert words("state_new") in text_of(desk.messages(STAFF)[0])


async def pressed_with(desk: World, slack: Slack, card: str, value: str, action_id: str) -> None:
    """Presses a button of the card after its value was tampered with."""
    message = slack.world.teams[TEAM].channels[STAFF].find(card)
    assert message is not None
    button = next(e for b in message.blocks if b["type"] == "actions" for e in b["elements"] if "value" in e)
    button |= {"value": value, "action_id": action_id}
    assert (await slack.press(TEAM, ANNA, STAFF, card, action_id))["acked"]
    await desk.work()


async def test_value_of_a_case_or_action_that_is_not_there_says_so(desk: World, slack: Slack) -> None:
    card = await desk.new_case()
    await pressed_with(desk, slack, card, "1:take:404:0:", "desk:take:0")
    await pressed_with(desk, slack, card, "1:explode:1:0:", "whatever")
    missing, unknown = desk.whispers(ANNA)
    assert words("no_such_case", case=404) in missing
    assert words("unknown_button") in unknown


async def test_link_button_is_only_acknowledged(desk: World, slack: Slack) -> None:
    card = await desk.new_case()
    button = desk.button(STAFF, card, "open")
    assert button["url"] == "https://shop.example/r-1"
    assert (await desk.press(ANNA, STAFF, card, "open"))["acked"]
    assert desk.whispers(ANNA) == []


# forms


async def test_press_opens_a_form_errors_stand_under_it_and_a_good_text_redraws_the_card(desk: World) -> None:
    card = await desk.new_case()
    assert (await desk.press(ANNA, STAFF, card, "write"))["acked"]
    modal = desk.modal(ANNA)
    assert modal["view"]["title"]["text"] == words("button_write")

    refused = await desk.slack.submit(TEAM, ANNA, modal["id"], {"text": {"text": "   "}})
    assert refused["payload"] == {
        "response_action": "errors",
        "errors": {"text": words("text_empty")},
    }
    assert desk.modal(ANNA)["errors"] == {"text": words("text_empty")}

    taken = await desk.slack.submit(TEAM, ANNA, modal["id"], {"text": {"text": "Dear guest, 5 < 6 &amp; :+1:"}})
    await desk.work()
    assert taken["acked"]
    assert desk.slack.modal(TEAM, ANNA) is None
    assert "Dear guest, 5 < 6 & 👍" in text_of(desk.messages(STAFF)[-1])
    assert desk.whispers(ANNA) == []


async def test_form_starts_from_the_current_text_and_a_double_submit_is_one_version(desk: World) -> None:
    await desk.new_case()
    ts = await desk.version("First words")
    await desk.press(ANNA, STAFF, ts, "write")
    modal = desk.modal(ANNA)
    element = modal["view"]["blocks"][0]["element"]
    assert (element["initial_value"], element["max_length"]) == ("First words", 3000)
    await desk.slack.submit(TEAM, ANNA, modal["id"], {"text": {"text": "Second words"}})
    desk.slack.redeliver(desk.slack.deliveries[-1].envelope_id)
    await desk.work()
    shown = [text_of(m) for m in desk.messages(STAFF)]
    assert sum("Second words" in text for text in shown) == 1
    assert not any("Version 3" in text for text in shown)


async def test_form_submitted_too_late_says_who_was_first(desk: World) -> None:
    proposal = await proposed(desk)
    await desk.press(MILA, CLIENT, proposal, "changes")
    modal = desk.modal(MILA)
    await desk.slack.command(TEAM, ANNA, STAFF, "/desk", "case 1 reply A newer text")
    late = await desk.slack.submit(TEAM, MILA, modal["id"], {"reason": {"reason": "warmer, please"}})
    error = late["payload"]["errors"]["reason"]
    assert words("event_drafted") in error
    assert "Anna" in error


async def test_reason_is_asked_only_where_a_case_is_closed_without_answer(desk: World) -> None:
    await desk.new_case()
    ts = await desk.version()
    await desk.press(ANNA, STAFF, ts, "close")
    modal = desk.modal(ANNA)
    assert [b["block_id"] for b in modal["view"]["blocks"]] == ["outcome", "satisfied"]

    await desk.slack.press_in_view(
        TEAM, ANNA, modal["id"], "form:outcome", "not_answered", values={"satisfied": {"satisfied": "no"}}
    )
    await until(lambda: len(desk.modal(ANNA)["view"]["blocks"]) == 3)
    modal = desk.modal(ANNA)
    assert modal["view"]["state"]["values"]["satisfied"]["satisfied"]["selected_option"]["value"] == "no"

    answer = await desk.slack.submit(TEAM, ANNA, modal["id"], {"reason": {"reason": "The author sued"}})
    await desk.work()
    assert answer["acked"]
    assert desk.slack.modal(TEAM, ANNA) is None
    assert any(words("state_closed_not_answered", reason="The author sued") in text_of(m) for m in desk.messages(STAFF))


async def test_further_question_that_was_not_shown_in_time_is_put_in_the_thread(desk: World) -> None:
    await desk.new_case()
    ts = await desk.version()
    await desk.press(ANNA, STAFF, ts, "close")
    chosen = {"outcome": {"form:outcome": "not_answered"}, "satisfied": {"satisfied": "no"}}
    await desk.slack.submit(TEAM, ANNA, desk.modal(ANNA)["id"], chosen)
    await desk.work()
    asked = desk.messages(STAFF)[-1]
    assert words("ask_close_reason", case=1, name="Anna") in text_of(asked)
    desk.slack.write(TEAM, ANNA, STAFF, "No *author* left :cry:", thread_ts=asked["thread_ts"])
    await desk.work()
    assert any(
        words("state_closed_not_answered", reason="No *author* left 😢") in text_of(m) for m in desk.messages(STAFF)
    )


async def test_handing_over_offers_colleagues_only(desk: World) -> None:
    await desk.new_case()
    ts = await desk.version()
    await desk.press(ANNA, STAFF, ts, "handover")
    modal = desk.modal(ANNA)
    options = modal["view"]["blocks"][0]["element"]["options"]
    assert [(o["value"], o["text"]["text"]) for o in options] == [("boris", "Boris")]
    await desk.slack.submit(TEAM, ANNA, modal["id"], {"to": {"to": "boris"}})
    await desk.work()
    assert any(words("state_in_work", owner="Boris") in text_of(m) for m in desk.messages(STAFF))
    assert any(f"<@{BORIS}>" in text_of(m) for m in desk.messages(STAFF))


async def test_form_is_refused_before_anybody_types_in_vain(desk: World) -> None:
    proposal = await proposed(desk)
    await desk.press(VICTOR, CLIENT, proposal, "edit")
    assert desk.slack.modal(TEAM, VICTOR) is None
    assert "Mila" in desk.whispers(VICTOR)[0]


async def test_text_over_3000_is_asked_for_as_a_file_in_the_thread(desk: World) -> None:
    await desk.new_case()
    ts = await desk.version()
    thread = desk.messages(STAFF)[0]["ts"]
    long = "Слово " * 700
    file = {"name": "reply.txt", "content": long}
    desk.slack.write(TEAM, ANNA, STAFF, "@desk reply", thread_ts=thread, files=[file])
    await desk.work()
    ts = desk.last_with_buttons(STAFF)
    await desk.press(ANNA, STAFF, ts, "write")
    await desk.work()
    assert desk.slack.modal(TEAM, ANNA) is None
    assert ".txt" in text_of(desk.messages(STAFF)[-1])
    desk.slack.write(TEAM, ANNA, STAFF, "", thread_ts=thread, files=[{"name": "reply.txt", "content": long + "конец"}])
    await desk.work()
    assert any("конец" in text_of(m) for m in desk.messages(STAFF))


async def test_form_that_takes_long_opens_empty_first(desk: World) -> None:
    card = await desk.new_case()
    ws = workspace(desk)
    ws.loading, form, gate = 0.0, ws.desk.form, asyncio.Event()

    async def slow(*args: Any) -> Any:
        await gate.wait()
        return await form(*args)

    ws.desk.form = slow
    answer = await desk.slack.press(TEAM, ANNA, STAFF, card, desk.button(STAFF, card, "write")["action_id"])
    assert answer["acked"]
    await until(lambda: desk.slack.modal(TEAM, ANNA))
    assert not desk.modal(ANNA)["view"]["submit"]
    gate.set()
    await ws.background.settle()
    assert desk.modal(ANNA)["view"]["submit"]


async def test_trigger_that_ran_out_is_said_so(desk: World) -> None:
    card = await desk.new_case()
    desk.slack.fail("views.open", ("error", "expired_trigger_id"))
    await desk.press(ANNA, STAFF, card, "write")
    assert desk.slack.modal(TEAM, ANNA) is None
    assert len(desk.whispers(ANNA)) == 1


FORGED_META = [
    "",
    "{}",
    "[]",
    '{"v":1}',
    '{"v":2,"action":"write","case":1,"version":0}',
    '{"v":1,"action":"take","case":"x","version":0}',
    encode(Meta("explode", 1, 0)),
    '{"v":1,"action":"write","case":1,"version":0,"channel":5}',
]


async def test_forged_form_gets_a_polite_answer(desk: World, slack: Slack) -> None:
    card = await desk.new_case()
    for forged in FORGED_META:
        await desk.press(ANNA, STAFF, card, "write")
        modal = desk.modal(ANNA)
        slack.world.teams[TEAM].views[modal["id"]].body["private_metadata"] = forged
        answer = await slack.submit(TEAM, ANNA, modal["id"], {"text": {"text": "hello"}})
        assert answer["payload"]["response_action"] == "update"
        assert words("unknown_button") in str(desk.modal(ANNA)["view"]["blocks"])
    assert slack.world.teams[TEAM].alerts == []


async def test_form_for_a_case_of_others_is_refused_by_the_desk_itself(desk: World, slack: Slack) -> None:
    card = await desk.new_case()
    await desk.press(ANNA, STAFF, card, "write")
    modal = desk.modal(ANNA)
    slack.world.teams[TEAM].views[modal["id"]].body["private_metadata"] = encode(Meta("write", 99, 0, STAFF, card))
    answer = await slack.submit(TEAM, ANNA, modal["id"], {"text": {"text": "hello"}})
    assert answer["payload"] == {"response_action": "errors", "errors": {"text": words("no_such_case", case=99)}}


async def test_press_not_settled_in_time_is_acknowledged_bare_and_answered_later(desk: World) -> None:
    card = await desk.new_case()
    ws, gate = workspace(desk), asyncio.Event()
    press = ws.desk.press
    ws.within = 0.01

    async def slow(pressed: Pressed) -> Outcome:
        await gate.wait()
        return await press(pressed)

    ws.desk.press = slow
    answer = await desk.slack.press(TEAM, VICTOR, STAFF, card, desk.button(STAFF, card, "take")["action_id"])
    assert answer["acked"]
    assert desk.whispers(VICTOR) == []
    gate.set()
    await ws.background.settle()
    assert len(desk.whispers(VICTOR)) == 1


async def test_press_the_store_cannot_take_is_answered_too(desk: World) -> None:
    card = await desk.new_case()

    async def down(pressed: Pressed) -> Outcome:
        raise OSError("the store is away")

    workspace(desk).desk.press = down
    assert (await desk.press(ANNA, STAFF, card, "take"))["acked"]
    assert len(desk.whispers(ANNA)) == 1


async def test_answer_to_somebody_who_left_the_channel_goes_to_their_own_conversation(desk: World) -> None:
    card = await desk.new_case()
    desk.slack.fail("chat.postEphemeral", ("error", "user_not_in_channel"))
    await desk.press(STRANGER, STAFF, card, "take")
    assert words("stranger") in desk.whispers(STRANGER)[0]


async def test_reason_that_nobody_sees_is_none(desk: World) -> None:
    proposal = await proposed(desk)
    for action in ("changes", "decline"):
        await desk.press(MILA, CLIENT, proposal, action)
        modal = desk.modal(MILA)
        await desk.slack.submit(TEAM, MILA, modal["id"], {"reason": {"reason": "\u200b \u2060"}})
        assert desk.modal(MILA)["errors"] == {"reason": words("reason_needed")}
        desk.slack.close_view(TEAM, MILA, modal["id"])


async def test_client_too_late_is_told_of_no_button_that_only_staff_have(desk: World) -> None:
    proposal = await proposed(desk)
    post_now = desk.button(CLIENT, proposal, "approve")["action_id"].replace("approve", "postnow")
    await pressed_in_vain(desk, proposal, "1:postnow:1:1:", post_now)
    said = desk.whispers(MILA)[-1]
    assert "It waits for your side's decision" in said
    assert "Take back" not in said


async def pressed_in_vain(desk: World, ts: str, value: str, action_id: str) -> None:
    """Presses a button of the proposal's message as it may stand on a screen that did not refresh."""
    message = desk.slack.world.teams[TEAM].channels[CLIENT].find(ts)
    assert message is not None
    button = next(e for b in message.blocks if b["type"] == "actions" for e in b["elements"] if "value" in e)
    button |= {"value": value, "action_id": action_id}
    assert (await desk.slack.press(TEAM, MILA, CLIENT, ts, action_id))["acked"]
    await desk.work()


async def test_client_is_not_told_to_take_a_case(desk: World) -> None:
    await desk.new_case()
    await desk.slack.command(TEAM, MILA, CLIENT, "/desk", "case 1 reply Our own words")
    await desk.work()
    assert "Not now: the case is in work" in desk.whispers(MILA)[-1]
    assert desk.whispers(MILA)[-1].endswith("We show the next text here")


HINTS = [
    (350, "Shop Reviews takes up to 350 characters"),
    (5000, "Over 3,000 characters: close this"),
    (None, "Over 3,000 characters: close this"),
]


@pytest.mark.parametrize(("longest", "hint"), HINTS)
def test_form_says_the_nearest_limit(longest: int | None, hint: str) -> None:
    card = PlatformCard("shop", "Shop Reviews", can_reply=True, longest=longest)
    form = Form("write", new_case(), rules(card=card), ((PRESSES["write"].fields[0], ""),), ())
    view = form_view(form, Meta("write", 7, 0), {}, Tongue("en", "UTC"))
    assert view["blocks"][0]["hint"]["text"].startswith(hint)
