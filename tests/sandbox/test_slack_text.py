"""Typed text as Slack stores it."""

from __future__ import annotations

import pytest

from sandbox.slack.text import encode

HANDLES = {"desk": "U0DESK", "anna": "U0ANNA", "anna.k": "U0ANNAK"}


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("plain words", "plain words"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@U1&gt;"),
        ("@desk reply hello", "<@U0DESK> reply hello"),
        ("@Desk, please", "<@U0DESK>, please"),
        ("ask @anna.k.", "ask <@U0ANNAK>."),
        ("@nobody here", "@nobody here"),
        ("see https://a.kz/x?a=1&b=2", "see <https://a.kz/x?a=1&amp;b=2>"),
        ("(https://a.kz/x).", "(<https://a.kz/x>)."),
        ("look at acme.kz today", "look at <http://acme.kz|acme.kz> today"),
        ("mail anna@acme.kz", "mail <mailto:anna@acme.kz|anna@acme.kz>"),
        (":thumbsup: 👍 ❤️", ":thumbsup: :+1: :heart:"),
        ("10:30:00 o'clock", "10:30:00 o'clock"),
        ("*bold* _stays_", "*bold* _stays_"),
        ("reply.txt", "reply.txt"),
        ("", ""),
    ],
)
def test_typed_text_is_stored(typed: str, stored: str) -> None:
    assert encode(typed, HANDLES)[0] == stored


def test_rich_text_holds_the_words_unescaped() -> None:
    _, parts = encode("a & b @desk https://a.kz :smile:", HANDLES)
    assert parts == [
        {"type": "text", "text": "a & b "},
        {"type": "user", "user_id": "U0DESK"},
        {"type": "text", "text": " "},
        {"type": "link", "url": "https://a.kz"},
        {"type": "text", "text": " "},
        {"type": "emoji", "name": "smile"},
    ]


def test_command_names_the_person_too() -> None:
    assert encode("hand to @anna", HANDLES, command=True)[0] == "hand to <@U0ANNA|anna>"
