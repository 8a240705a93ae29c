"""Slack's notation as people meant it, and the values on buttons."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.view import Button
from handlers.slack.commands import command_of, own_words, tidy
from handlers.slack.modals import Meta, answers_of
from handlers.slack.modals import decode as read_meta
from handlers.slack.modals import encode as write_meta
from handlers.slack.values import Reading, Value, decode, encode, message_text, plain

NAMES = {"U0ANNA": "Anna"}
READING = Reading(lambda user: NAMES.get(user, ""))
WHOLE = READING._replace(whole_links=True)

NOTATION = [
    ("5 &lt; 6 &amp;&amp; 7 &gt; 6", "5 < 6 && 7 > 6"),
    ("&amp;lt;", "&lt;"),
    ("&copy; &quot;", "&copy; &quot;"),
    ("<https://a.kz/?x=1&amp;y=2>", "https://a.kz/?x=1&y=2"),
    ("<http://acme.kz|acme.kz>", "acme.kz"),
    ("<https://acme.kz/|acme.kz>", "acme.kz"),
    ("<https://acme.kz/terms|our terms>", "our terms (https://acme.kz/terms)"),
    ("<mailto:a@acme.kz|a@acme.kz>", "a@acme.kz"),
    ("<tel:+77010000000|+77010000000>", "+77010000000"),
    ("<@U0ANNA> <@U0X|boris> <@U0Y>", "@Anna @boris @U0Y"),
    ("<#C0A|general> <#C0B>", "#general #C0B"),
    ("<!here> <!channel> <!subteam^S1|@team> <!date^1^{date}|today>", "@here @channel @team today"),
    (":+1: :heart: :flag-kz: :man-shrugging: :wave::skin-tone-4:", "👍 ❤️ 🇰🇿 🤷‍♂️ 👋🏽"),
    (":party_parrot: 10:100:5 a:100:b :)", ":party_parrot: 10:100:5 a:100:b :)"),
    ("<b> </b> <notes> a<b>c", "<b> </b> <notes> a<b>c"),
    ("*bold* _it_ `code`", "*bold* _it_ `code`"),
]


@pytest.mark.parametrize(("stored", "meant"), NOTATION)
def test_slack_notation_becomes_plain_text(stored: str, meant: str) -> None:
    assert plain(stored, READING) == meant


def test_whole_links_are_given_by_their_address() -> None:
    assert plain("<http://acme.kz/r|acme.kz/r> <https://a.kz|here>", WHOLE) == "http://acme.kz/r https://a.kz"


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"text": "fallback", "blocks": [{"type": "rich_text", "elements": list(elements)}]}


def section(*runs: dict[str, Any], kind: str = "section", **more: Any) -> dict[str, Any]:
    return {"type": f"rich_text_{kind}", "elements": list(runs), **more}


def run(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **({"style": style} if style else {})}


RICH = [
    ([section(run("Dear "), run("Anna", bold=True), run(" <&> &amp;"))], "Dear Anna <&> &amp;"),
    ([section({"type": "emoji", "name": "+1", "unicode": "1f44d-1f3fd"}, run("!"))], "👍🏽!"),
    ([section({"type": "emoji", "name": "heart"}, {"type": "emoji", "name": "acme_logo"})], "❤️:acme_logo:"),
    ([section({"type": "link", "url": "http://acme.kz", "text": "acme.kz"})], "acme.kz"),
    ([section({"type": "user", "user_id": "U0ANNA"}, {"type": "broadcast", "range": "here"})], "@Anna@here"),
    (
        [
            section(run("a\n")),
            section(section(run("b")), section(run("c")), kind="list", style="bullet"),
            section(section(run("d")), kind="list", style="ordered", offset=2, indent=1),
            section(run("e\nf"), kind="quote"),
            section(run("g < h"), kind="preformatted"),
        ],
        "a\n• b\n• c\n    3. d\n> e\n> f\ng < h",
    ),
    ([section({"type": "hologram"})], "fallback"),
    ([{"type": "rich_text_unheard_of", "elements": []}], "fallback"),
    ([], "fallback"),
]


@pytest.mark.parametrize(("elements", "meant"), RICH)
def test_rich_text_is_read_without_its_formatting(elements: list[dict[str, Any]], meant: str) -> None:
    assert message_text(rich(*elements), READING) == meant


def test_message_with_other_blocks_is_read_from_its_text() -> None:
    assert message_text({"text": "a &amp; b", "blocks": [{"type": "section"}]}, READING) == "a & b"
    assert message_text({}, READING) == ""


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    plain(text, READING)
    assert plain(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace(":", ""), READING) == (
        text.replace(":", "")
    )


@given(st.integers(1, 10**9), st.integers(0, 10**6), st.text(st.characters(exclude_characters="\n"), max_size=100))
def test_value_of_a_button_comes_back(case: int, version: int, extra: str) -> None:
    value = encode(Button("answer", "literal", case, version, extra))
    assert len(value) <= 2000
    assert decode(value) == Value("answer", case, version, extra)


@pytest.mark.parametrize(
    "value", [None, 5, "", ":", "1", "1:", "1:a", "9:take:1:0:", "1:take:1:0", "1:ta ke:1:0:", "1::1:0:"]
)
def test_value_we_never_made_is_none(value: object) -> None:
    assert decode(value) is None


def test_first_form_of_a_value_is_read_for_ever() -> None:
    assert decode("1:take:7:2:") == Value("take", 7, 2)
    assert read_meta('{"v":1,"action":"write","case":7,"version":2,"channel":"C1","thread":"1.2"}') == Meta(
        "write", 7, 2, "C1", "1.2"
    )


@given(st.text(max_size=80), st.text(max_size=80))
def test_what_a_modal_remembers_comes_back(channel: str, thread: str) -> None:
    meta = Meta("write", 7, 2, channel, thread)
    assert read_meta(write_meta(meta)) == meta


COMMANDS = [
    ("", ("help", "")),
    ("  open ", ("open", "")),
    ("/Reply  Hello\n\nworld ", ("reply", "Hello\n\nworld")),
    ("reply\nHello", ("reply", "Hello")),
    ("case 7  reply a  b", ("case", "7  reply a  b")),
]


@pytest.mark.parametrize(("text", "command"), COMMANDS)
def test_command_is_its_first_word(text: str, command: tuple[str, str]) -> None:
    assert command_of(text) == command


def test_reply_by_number_keeps_its_lines() -> None:
    assert tidy("case", "#7\nReply\n a\n  b") == "#7 reply a\n  b"
    assert tidy("case", "7") == "7"
    assert tidy("reply", "a  b") == "a  b"


@pytest.mark.parametrize(
    ("typed", "followed"),
    [("reply A\nB", "reply A\nB"), ("case 7 reply A\nB", "reply A\nB"), ("note A", "note A"), ("case 7", "case 7")],
)
def test_edited_command_is_followed_as_the_reply_it_was(typed: str, followed: str) -> None:
    assert own_words(typed) == followed


def test_answers_of_a_form_are_decoded_and_an_empty_text_is_one() -> None:
    values = {
        "text": {"text": {"type": "plain_text_input", "value": "5 &lt; 6 :tada:"}},
        "why": {"why": {"type": "radio_buttons", "selected_option": {"value": "spam"}}},
        "to": {"to": {"type": "static_select", "selected_option": None}},
        "link": {"link": {"type": "plain_text_input", "value": None}},
    }
    assert answers_of(values, READING) == {"text": "5 < 6 🎉", "why": "spam", "link": ""}
