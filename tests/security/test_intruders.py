"""Each command, button, modal, shortcut and home page, tried by those who have no business with the case."""

from __future__ import annotations

import json
from typing import Any

from desk.forms import PRESSES
from desk.hearing import VERBS
from desk.view import Say
from handlers.slack.commands import MAKE_CASE
from handlers.slack.modals import CALLBACK, Meta, encode
from handlers.telegram import COMMANDS
from handlers.words import say
from sandbox import world
from tests.scenarios.conftest import Opened
from tests.scenarios.people import plain
from tests.scenarios.world import CLIENT_GROUP, STAFF_CHANNEL, TELEGRAM_IDS, World
from tests.security import intruders as i

# Telegram


async def _pressed(w: World, who: int, room: int, message: int, data: str) -> dict[str, Any]:
    face = w.sandbox.telegram
    press = face.press(who, room, message, data, forged=True)
    answer = await w.until(lambda: face.answer_of(press), what=f"an answer to {data!r}")
    return dict(answer, data=data)


def _messages_of_acme(w: World) -> list[tuple[int, int]]:
    """(room, message) of the newest message on both sides, and one in a room of Nova's."""
    staff, client = w.staff.messages(1)[-1]["id"], w.client.messages(1)[-1]["id"]  # type: ignore[attr-defined]
    nova = w.sandbox.telegram.messages(i.NOVA_STAFF)[-1]["id"]
    return [(world.STAFF_ROOM, staff), (CLIENT_GROUP, client), (i.NOVA_STAFF, nova)]


async def test_no_button_in_telegram_works_for_who_has_no_business_with_the_case(desk: Opened) -> None:
    async with i.two_clients(desk, "telegram") as w:
        before, base = await i.acmes(w), len(w.sandbox.telegram.calls)
        for who in i.INTRUDERS:
            for room, message in _messages_of_acme(w):
                tried = [p.telegram for p in i.presses()] + list(i.TELEGRAM_GARBAGE)
                for data in tried if room == world.STAFF_ROOM else tried[::7]:
                    answer = await _pressed(w, i.TELEGRAM[who], room, message, data)
                    assert answer["text"], f"{who} is told nothing about {data!r}"
                    assert answer["show_alert"], f"{who}: {data!r} seems to have worked: {answer}"
        await i.quiet(w)
        assert i.changed(before, await i.acmes(w)) == []
        assert i.leaks(call.params for call in w.sandbox.telegram.calls[base:]) == []


async def test_who_may_not_see_a_case_cannot_tell_it_from_none(desk: Opened) -> None:
    async with i.two_clients(desk, "telegram") as w:
        room, message = _messages_of_acme(w)[2]
        for who in ("ivan", "nina"):
            for action in ("take", "approve", "tell", "write"):
                there = await _pressed(w, i.TELEGRAM[who], room, message, i.Forged(action, 1, 1).telegram)
                none = await _pressed(w, i.TELEGRAM[who], room, message, i.Forged(action, 77, 1).telegram)
                assert there["text"] == none["text"].replace("77", "1"), action


async def test_a_viewer_and_the_other_side_press_in_vain(desk: Opened) -> None:
    """A viewer no button at all; the agency none of the client's, and the client none of the agency's."""
    async with i.two_clients(desk, "telegram") as w:
        before = await i.acmes(w)
        room, message = _messages_of_acme(w)[0]
        w.sandbox.telegram.join(world.STAFF_ROOM, TELEGRAM_IDS["vera"])
        for press in i.presses():
            answer = await _pressed(w, TELEGRAM_IDS["vera"], room, message, press.telegram)
            assert answer["show_alert"], press
        for who, actions in {"anna": ("approve", "changes", "decline"), "marta": ("take", "send", "takeback")}.items():
            w.sandbox.telegram.join(world.STAFF_ROOM, TELEGRAM_IDS[who])
            for action in actions:
                forged = i.Forged(action, 1, 1).telegram
                assert (await _pressed(w, TELEGRAM_IDS[who], room, message, forged))["show_alert"], (who, action)
        await i.quiet(w)
        assert i.changed(before, await i.acmes(w)) == []


def _places(w: World) -> list[tuple[str, int, int | None]]:
    """(who, room, topic): all of them in the case's own topic, and somebody with rights elsewhere in other rooms."""
    topic = w.staff.messages(1)[-1]["thread_id"]  # type: ignore[attr-defined]
    return [(who, world.STAFF_ROOM, topic) for who in i.INTRUDERS] + [
        ("ivan", CLIENT_GROUP, None),
        ("nina", i.NOVA_STAFF, None),
    ]


async def test_no_command_in_telegram_shows_or_changes_another_clients_case(desk: Opened) -> None:
    async with i.two_clients(desk, "telegram") as w:
        face = w.sandbox.telegram
        before, base, typed = await i.acmes(w), len(face.calls), 0
        for who, room, thread in _places(w):
            for text in i.commands(COMMANDS):
                face.write(i.TELEGRAM[who], room, f"/{text}", thread_id=thread)
                typed += 1
        for text in COMMANDS:
            face.anonymous_write(world.STAFF_ROOM, f"/{text}", w.staff.messages(1)[-1]["thread_id"])  # type: ignore[attr-defined]
            typed += 1
        await i.quiet(w)
        await w.until(
            lambda: sum(c.method.lower() == "sendmessage" for c in face.calls[base:]) >= typed, what="answers"
        )
        said = face.calls[base:]
        assert i.changed(before, await i.acmes(w)) == []
        assert i.leaks(call.params for call in said) == []
        texts = " ".join(str(call.params.get("text")) for call in said)
        assert say(Say("stranger"), "en", "UTC") in texts
        assert say(Say("anonymous"), "en", "UTC") in texts


async def test_what_a_stranger_says_or_forwards_is_never_a_command(desk: Opened) -> None:
    async with i.two_clients(desk, "telegram") as w:
        face, room = w.sandbox.telegram, world.STAFF_ROOM
        before = await i.acmes(w)
        for who in i.INTRUDERS:
            face.forward(i.TELEGRAM[who], room, i.HACKED, "Somebody", "https://t.me/almaty_food/77")
            face.write(i.TELEGRAM[who], room, f"/add acme-coffee https://t.me/almaty_food/78 {i.HACKED}")
        await i.quiet(w)
        assert i.changed(before, await i.acmes(w)) == []


# Slack


def _forge(w: World, channel: str, ts: str, values: list[str]) -> list[str]:
    """Buttons that never were, for `press(stale=True)`; returns their action ids."""
    made = [
        {"type": "button", "action_id": f"desk:x:{n}", "value": value, "text": {"text": "X"}}
        for n, value in enumerate(values)
    ]
    message = w.sandbox.slack.world.team(world.TEAM).channel(channel).find(ts)
    assert message is not None
    message.past.append({"blocks": [{"type": "actions", "block_id": "forged", "elements": made}]})
    return [button["action_id"] for button in made]


def _private(w: World, user: str, channel: str) -> list[str]:
    found = w.sandbox.slack.snapshot()["teams"][0]["channels"]
    here = next(c for c in found if c["id"] == channel)
    return [plain(m) for m in here["messages"] if m["ephemeral_for"] == user]


async def _calls(w: World, base: int) -> list[Any]:
    await w.sandbox.slack.settle(i.PATIENCE)
    return [call.params for call in w.sandbox.slack.calls[base:]]


async def test_no_button_in_slack_works_for_who_has_no_business_with_the_case(desk: Opened) -> None:
    async with i.two_clients(desk, "slack") as w:
        face, before, base = w.sandbox.slack, await i.acmes(w), len(w.sandbox.slack.calls)
        for side, channel in i.SLACK_ROOMS.items():
            ts = (w.staff if side == "staff" else w.client).messages(1)[-1]["ts"]  # type: ignore[attr-defined]
            values = [press.slack for press in i.presses()] + list(i.SLACK_GARBAGE)
            ids = _forge(w, channel, ts, values)
            for who in i.INTRUDERS:
                user, chosen = i.SLACK[who], slice(None, None, 1 if side == "staff" else 7)
                told = len(_private(w, user, channel))
                tried = list(zip(ids, values, strict=True))[chosen]
                for action, value in tried:
                    got = await face.press(world.TEAM, user, channel, ts, action, value, stale=True)
                    assert got["acked"], f"{who} waits for ever after {value!r}"
                await w.until(lambda: len(_private(w, user, channel)) - told == len(tried), what=f"words to {who}")  # noqa: B023
                assert face.modal(world.TEAM, user) is None
        await i.quiet(w)
        assert i.changed(before, await i.acmes(w)) == []
        assert i.leaks(await _calls(w, base)) == []


def _view(action: str, case: int, version: int, metadata: str | None = None) -> dict[str, Any]:
    """A modal's submission as a forger would make it: each answer given."""
    given = {name: {name: {"type": "plain_text_input", "value": text}} for name, text in i.answers(action).items()}
    choices = {f.name for f in PRESSES[action].fields if f.kind != "text"}
    for name in choices:
        given[name] = {name: {"type": "static_select", "selected_option": {"value": i.answers(action)[name]}}}  # type: ignore[dict-item]
    return {
        "id": f"V{action}{case}{version}",
        "type": "modal",
        "callback_id": CALLBACK,
        "hash": "1.a",
        "title": {"type": "plain_text", "text": "X"},
        "private_metadata": encode(Meta(action, case, version, STAFF_CHANNEL, "1.1")) if metadata is None else metadata,
        "state": {"values": given},
        "blocks": [{"type": "input", "block_id": name} for name in given],
    }


async def _submitted(w: World, user: str, view: dict[str, Any]) -> dict[str, Any]:
    face = w.sandbox.slack
    space = face.world.team(world.TEAM)
    payload = face._payload(space, space.user(user), "view_submission") | {"view": view, "response_urls": []}
    return await face.courier.interact(space, "interactive", payload, accepts_payload=True)


ASKING = [action for action in PRESSES if PRESSES[action].fields]

GARBAGE_METADATA = (
    "", "{}", "[]", "null", "1", '{"v":2}', "{" * 3000, '{"v":1,"action":"nothing","case":1,"version":1}',
    '{"v":1,"action":"write","case":"1","version":1}', '{"v":1,"action":"write","case":1,"version":1,"more":1}',
)  # fmt: skip


async def test_no_modal_in_slack_is_taken_from_who_has_no_business_with_the_case(desk: Opened) -> None:
    async with i.two_clients(desk, "slack") as w:
        before, base = await i.acmes(w), len(w.sandbox.slack.calls)
        for who in i.INTRUDERS:
            views = [_view(action, 1, version) for action in ASKING for version in (1, 9)]
            views += [_view("write", 1, 1, metadata) for metadata in GARBAGE_METADATA]
            for view in views:
                got = await _submitted(w, i.SLACK[who], view)
                assert got["acked"], (who, view["private_metadata"])
                payload = got["payload"] or {}
                assert payload.get("response_action") in ("errors", "update"), (who, view["private_metadata"], payload)
                assert not i.leaks([payload])
        await i.quiet(w)
        assert i.changed(before, await i.acmes(w)) == []
        assert i.leaks(await _calls(w, base)) == []


async def test_no_command_shortcut_or_home_page_in_slack_shows_another_clients_case(desk: Opened) -> None:
    async with i.two_clients(desk, "slack") as w:
        face = w.sandbox.slack
        before, base = await i.acmes(w), len(face.calls)
        root = await w.staff.thread(1)
        for who in i.INTRUDERS:
            user = i.SLACK[who]
            for text in i.commands(VERBS):
                got = await face.command(world.TEAM, user, world.CLIENT_CHANNEL, "/desk", text)
                assert got["acked"], text
                assert not i.leaks([got["payload"]])
            for text in i.commands(("reply", "note", "case", "open")):
                face.write(world.TEAM, user, STAFF_CHANNEL, f"@desk {text}", thread_ts=root)
            got = await face.shortcut(world.TEAM, user, STAFF_CHANNEL, root, MAKE_CASE)
            assert got["acked"]
            face.open_home(world.TEAM, user)
        await i.quiet(w)
        assert i.changed(before, await i.acmes(w)) == []
        assert i.leaks(await _calls(w, base)) == []
        homes = face.world.team(world.TEAM).homes
        assert {i.SLACK[who] for who in i.INTRUDERS} <= set(homes)
        assert "Nova" in json.dumps(homes[i.SLACK["nina"]].body, ensure_ascii=False)


async def test_a_case_is_not_read_out_to_a_group_that_is_none_of_ours(desk: Opened) -> None:
    """Anybody may add the bot to a group of theirs, and wait for a member of the agency to ask it something there."""
    async with i.two_clients(desk, "telegram") as w:
        face, elsewhere, anna = w.sandbox.telegram, -1001000000009, TELEGRAM_IDS["anna"]
        face.add_group(elsewhere, "Somebody's group")
        face.join(elsewhere, anna)
        before, base = await i.acmes(w), len(face.calls)
        for text in i.commands(COMMANDS):
            face.write(anna, elsewhere, f"/{text}")
        await i.quiet(w)
        words = say(Say("not_in_this_room"), "en", "UTC")
        asked = len(list(i.commands(COMMANDS)))
        await w.until(lambda: [c.params.get("text") for c in face.calls[base:]].count(words) == asked, what="refusals")
        assert i.changed(before, await i.acmes(w)) == []
        assert i.leaks(call.params for call in face.calls[base:]) == []
