"""What people write in Slack: stored before Slack may forget it, mirrored, or taken as a command."""

from __future__ import annotations

import re
from typing import Any

import pytest

from desk.ports import Heard
from sandbox.slack import Slack
from tests.handlers.slack_world import (
    ANNA,
    BORIS,
    CLIENT,
    ELSEWHERE,
    MILA,
    PATIENCE,
    STAFF,
    STRANGER,
    TEAM,
    World,
    text_of,
    words,
)


async def proposed(desk: World) -> str:
    """A case whose text waits with the client; returns the client's thread."""
    await desk.new_case()
    await desk.proposal()
    return str(desk.messages(CLIENT)[0]["ts"])


def staff_texts(desk: World) -> list[str]:
    return [text_of(m) for m in desk.messages(STAFF)]


async def test_client_talk_is_mirrored_to_staff_with_the_name_and_edits_edit_the_mirror(desk: World) -> None:
    thread = await proposed(desk)
    said = desk.slack.write(TEAM, MILA, CLIENT, "Is <b> & *this* fine? 👍 acme.kz", thread_ts=thread)
    await desk.work()
    mirror = desk.messages(STAFF)[-1]
    assert "Mila" in text_of(mirror)
    assert "Is <b> & *this* fine? 👍 acme.kz" in text_of(mirror)

    desk.slack.edit(TEAM, MILA, CLIENT, said, "It is fine")
    await desk.work()
    assert "It is fine" in text_of(desk.messages(STAFF)[-1])
    assert desk.messages(STAFF)[-1]["ts"] == mirror["ts"]


async def test_stranger_in_the_client_thread_is_mirrored_by_their_slack_name(desk: World) -> None:
    thread = await proposed(desk)
    desk.slack.write(TEAM, STRANGER, CLIENT, "hello", thread_ts=thread)
    await desk.work()
    assert "Nobody" in staff_texts(desk)[-1]


async def test_files_of_the_client_come_over_to_staff(desk: World) -> None:
    thread = await proposed(desk)
    desk.slack.write(TEAM, MILA, CLIENT, "see", thread_ts=thread, files=[{"name": "shot.png", "content": b"\x89PNG"}])
    await desk.work()
    assert [f["name"] for m in desk.messages(STAFF) for f in m["files"]] == ["shot.png"]
    assert all(delivery.attempts == 1 for delivery in desk.slack.deliveries)


async def test_event_is_stored_before_it_is_acknowledged_and_again_when_it_could_not_be(
    desk: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = await proposed(desk)
    talk_taken, hearing = [], desk.doors.doors[0].workspace.hearing
    take_in, acked = type(hearing).take_in, desk.slack.sockets._acknowledge

    async def failing_once(self: Any, heard: Heard, idem: str) -> None:
        talk_taken.append(idem)
        if len(talk_taken) == 1:
            raise OSError("the store is away")
        await take_in(self, heard, idem)
        talk_taken.append("stored")

    def acknowledged(text: str) -> None:
        talk_taken.append("acknowledged")
        acked(text)

    monkeypatch.setattr(type(hearing), "take_in", failing_once)
    monkeypatch.setattr(desk.slack.sockets, "_acknowledge", acknowledged)
    waited_for_in_vain_once(desk.slack, monkeypatch)
    desk.slack.write(TEAM, MILA, CLIENT, "hello", thread_ts=thread)
    await desk.slack.settle(PATIENCE)

    first, again, *after = talk_taken
    assert first == again
    assert first.startswith("slack:Ev")
    assert after == ["stored", "acknowledged"]


def waited_for_in_vain_once(slack: Slack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first attempt ends soon: a second one that ran out on a slow machine would be followed by a third."""
    send = slack.sockets.send

    async def sent(team: Any, delivery: Any, attempt: int, reason: str) -> Any:
        slack.sockets.ack_seconds = PATIENCE if attempt else 0.2
        return await send(team, delivery, attempt, reason)

    monkeypatch.setattr(slack.sockets, "send", sent)


async def test_redelivered_events_change_nothing(desk: World) -> None:
    thread = await proposed(desk)
    desk.slack.write(TEAM, MILA, CLIENT, "hello", thread_ts=thread)
    desk.slack.write(TEAM, ANNA, STAFF, "@desk note call them", thread_ts=desk.messages(STAFF)[0]["ts"])
    await desk.work()
    before, whispers = staff_texts(desk), desk.whispers(ANNA)
    for delivery in [d for d in desk.slack.deliveries if d.kind == "events_api"]:
        desk.slack.redeliver(delivery.envelope_id)
    await desk.work()
    assert staff_texts(desk) == before
    assert desk.whispers(ANNA) == whispers


async def test_our_own_posts_and_redrawings_are_not_heard(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Heard] = []

    async def take_in(self: Any, what: Heard, idem: str) -> None:
        heard.append(what)

    monkeypatch.setattr(type(desk.app.hearing), "take_in", take_in)
    card = await desk.new_case()
    await desk.press(ANNA, STAFF, card, "take")
    await desk.work()
    desk.slack.write(TEAM, ANNA, STAFF, "not in a thread")
    desk.slack.write(TEAM, ANNA, ELSEWHERE, "in a thread", thread_ts=desk.slack.write(TEAM, ANNA, ELSEWHERE, "root"))
    await desk.work()
    assert heard == []
    assert all(d.acked for d in desk.slack.deliveries)


async def test_mention_with_reply_is_a_version_and_its_edit_the_next_one(desk: World) -> None:
    card = await desk.new_case()
    said = desk.slack.write(TEAM, ANNA, STAFF, "@desk reply We are sorry.\nTruly & <deeply>", thread_ts=card)
    await desk.work()
    assert any("We are sorry.\nTruly & <deeply>" in text for text in staff_texts(desk))
    assert desk.whispers(ANNA) == [words("did_write", version=1)]

    desk.slack.edit(TEAM, ANNA, STAFF, said, "@desk reply We are very sorry")
    await desk.work()
    assert any("Version 2" in text and "We are very sorry" in text for text in staff_texts(desk))


async def test_edit_of_a_reply_given_by_case_number_is_followed_too(desk: World) -> None:
    await desk.new_case()
    said = desk.slack.write(TEAM, ANNA, STAFF, "@desk case 1 reply First")
    await desk.work()
    desk.slack.edit(TEAM, ANNA, STAFF, said, "@desk case 1 reply Second")
    await desk.work()
    version = next(text for text in staff_texts(desk) if "Version 2" in text)
    assert "Second" in version
    assert "case 1" not in version


async def test_client_cannot_write_notes_or_hear_of_them(desk: World) -> None:
    thread = await proposed(desk)
    desk.slack.write(TEAM, MILA, CLIENT, "@desk note secret", thread_ts=thread)
    await desk.work()
    assert desk.whispers(MILA) == ["⚠️ " + words("only_staff")]


async def test_client_speaking_to_the_bot_in_other_words_is_talk(desk: World) -> None:
    thread = await proposed(desk)
    desk.slack.write(TEAM, MILA, CLIENT, "@desk please make it warmer", thread_ts=thread)
    await desk.work()
    assert "@desk please make it warmer" in staff_texts(desk)[-1]
    assert desk.whispers(MILA) == []


async def test_unknown_command_outside_a_thread_is_said_so_once(desk: World) -> None:
    desk.slack.write(TEAM, ANNA, STAFF, "@desk dance")
    await desk.work()
    assert desk.whispers(ANNA) == ["⚠️ I do not know “dance”. /desk help lists what I can do"]


async def test_stranger_giving_a_command_gets_a_polite_no(desk: World) -> None:
    card = await desk.new_case()
    desk.slack.write(TEAM, STRANGER, STAFF, "@desk reply Me", thread_ts=card)
    await desk.work()
    assert words("stranger") in desk.whispers(STRANGER)[0]
    assert not any("Version" in text for text in staff_texts(desk))


async def test_list_asked_for_elsewhere_comes_to_the_asker_alone(desk: World) -> None:
    await desk.new_case()
    desk.slack.write(TEAM, ANNA, ELSEWHERE, "@desk open")
    await desk.work()
    assert len(desk.messages(ELSEWHERE)) == 1
    assert words("open_title", n=1) in desk.whispers(ANNA)[0]
    assert desk.alarms == []


async def test_typed_reply_over_3000_is_asked_for_as_a_file(desk: World) -> None:
    card = await desk.new_case()
    desk.slack.write(TEAM, ANNA, STAFF, "@desk reply " + "x" * 3001, thread_ts=card)
    await desk.work()
    assert len(desk.whispers(ANNA)) == 1
    assert not any("Version" in text for text in staff_texts(desk))


@pytest.mark.parametrize(
    ("file", "answer"),
    [
        ({"name": "reply.txt", "content": "Из файла"}, words("did_write", version=1)),
        ({"name": "reply.txt", "content": b"\xff\xfe\x00"}, words("file_unreadable")),
        ({"name": "reply.txt", "content": "x" * 100_001}, words("file_unreadable")),
        ({"name": "reply.png", "content": "Из файла"}, words("text_empty")),
    ],
)
async def test_reply_as_a_file(desk: World, file: dict[str, Any], answer: str) -> None:
    card = await desk.new_case()
    desk.slack.write(TEAM, ANNA, STAFF, "@desk reply", thread_ts=card, files=[file])
    await desk.work()
    assert [answer in told for told in desk.whispers(ANNA)] == [True]
    assert any("Из файла" in text for text in staff_texts(desk)) == (answer == words("did_write", version=1))


# commands without a thread


async def test_slash_command_answers_the_asker_in_its_acknowledgement(desk: World) -> None:
    await desk.new_case()
    answer = await desk.slack.command(
        TEAM, ANNA, STAFF, "/desk", "case 1 reply Sorry & <best> :heart: https://a.kz/?x=1&y=2"
    )
    assert answer["payload"]["text"] == words("did_write", version=1)
    await desk.work()
    assert any("Sorry & <best> ❤️ https://a.kz/?x=1&y=2" in text for text in staff_texts(desk))
    refused = await desk.slack.command(TEAM, ANNA, STAFF, "/desk", "reply Sorry")
    assert refused["payload"]["text"] == words("not_in_a_case", verb="reply")


async def test_slash_list_is_posted_in_the_room_and_bare_command_is_help(desk: World) -> None:
    await desk.new_case()
    assert (await desk.slack.command(TEAM, ANNA, STAFF, "/desk", "open"))["payload"] is None
    await desk.slack.command(TEAM, ANNA, STAFF, "/desk", "")
    await desk.work()
    assert any(words("open_title", n=1) in text for text in staff_texts(desk))
    assert any(words("help_staff") in text for text in staff_texts(desk))


async def test_shortcut_makes_a_case_of_a_message_with_a_link(desk: World) -> None:
    ts = desk.slack.write(TEAM, BORIS, STAFF, "look https://shop.example/r-9?a=1&b=2 awful")
    answer = await desk.slack.shortcut(TEAM, ANNA, STAFF, ts, "make_case")
    await desk.work()
    assert answer["acked"]
    assert desk.whispers(ANNA) == [words("did_add", brand="Coffee")]
    card = next(m for m in desk.messages(STAFF) if "awful" in text_of(m) and m["user"]["is_bot"])
    assert desk.button(STAFF, card["ts"], "open")["url"] == "https://shop.example/r-9?a=1&b=2"


async def test_home_page_lists_a_persons_open_cases_and_nothing_to_strangers(desk: World, slack: Slack) -> None:
    await desk.new_case()
    for user in (ANNA, MILA, STRANGER):
        slack.open_home(TEAM, user)
    await desk.work()
    homes = {h["user"]: text_of({"blocks": h["view"]["blocks"]}) for h in slack.snapshot()["teams"][0]["homes"]}
    assert words("open_title", n=1) in homes[ANNA]
    assert words("open_none") in homes[MILA]
    assert words("stranger") in homes[STRANGER]


async def test_channel_archived_and_app_removed_are_alarms(desk: World, slack: Slack) -> None:
    slack.archive(TEAM, CLIENT)
    slack.archive(TEAM, ELSEWHERE)
    slack.revoke(TEAM)
    await slack.settle(PATIENCE)
    assert sorted(room for room, _ in desk.alarms) == ["slack:main", "slack:main/C0ACME"]


async def test_every_event_has_a_listener(desk: World, slack: Slack) -> None:
    ts = slack.write(TEAM, ANNA, STAFF, "hello", files=[{"name": "a.txt", "content": "x"}])
    slack.react(TEAM, BORIS, STAFF, ts, "eyes")
    slack.delete(TEAM, ANNA, STAFF, ts)
    slack.add_channel(TEAM, "C0NEW", "new", bot_member=False)
    slack.invite_bot(TEAM, "C0NEW")
    await slack.settle(PATIENCE)
    assert {(d.attempts, d.acked) for d in slack.deliveries} == {(1, True)}


HELP = [
    (
        ANNA,
        STAFF,
        ("@desk reply TEXT", "/desk open lists", "/desk case N", "/desk stop_posting and /desk resume_posting"),
    ),
    (MILA, CLIENT, ("/desk open lists", "/desk digest gives")),
]


@pytest.mark.parametrize(("user", "channel", "named"), HELP)
async def test_help_names_commands_as_they_are_typed_in_slack(
    desk: World, user: str, channel: str, named: tuple[str, ...]
) -> None:
    await desk.slack.command(TEAM, user, channel, "/desk", "help")
    await desk.work()
    shown = text_of(desk.messages(channel)[-1])
    assert [name for name in named if name not in shown] == []
    assert not re.search(r"(?<!/desk )(?<![\w/])/(?!desk\b)\w", shown)


async def test_case_without_its_number_shows_how_it_is_typed_in_slack(desk: World) -> None:
    await desk.slack.command(TEAM, ANNA, STAFF, "/desk", "case")
    await desk.work()
    assert desk.whispers(ANNA)[-1].endswith("such as /desk case 7")


async def test_address_in_a_review_is_no_command(desk: World) -> None:
    await desk.new_case("They sent me to /open and /help me")
    assert "They sent me to /open and /help me" in text_of(desk.messages(STAFF)[0])
