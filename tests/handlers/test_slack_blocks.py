"""Drawings as Block Kit: always within the limits the sandbox checks, and nothing foreign ever parsed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.people import Person
from desk.view import At, Block, Button, Call, Drawing, Line, Link, Quote, Say
from handlers.slack.blocks import ALL_TEXT, clip, escape, linkable, render, size
from handlers.slack.values import decode
from handlers.words import say
from sandbox.slack.blocks import problems_of_blocks, text_length

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
HOSTILE = "<!channel> <@U0BOSS> *bold* _it_ `code` <https://evil.example|bank> & :skull: \ufdd00\ufdd1 \u202eevil"


def literal(text: str) -> Say:
    return Say("literal", {"text": text})


def drawing(*blocks: Block, rows: tuple[tuple[Button, ...], ...] = (), title: str = "Title") -> Drawing:
    return Drawing(literal(title), blocks, rows, "en", "Asia/Almaty")


def shown(*blocks: Block) -> list[dict[str, Any]]:
    return render(drawing(*blocks), NOW).blocks


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


STYLES = [
    ("plain", {"type": "rich_text_section", "elements": [text("Hello")]}),
    ("title", {"type": "rich_text_section", "elements": [text("Hello", style={"bold": True})]}),
    ("alert", {"type": "rich_text_section", "elements": [text("⚠️ "), text("Hello")]}),
]


@pytest.mark.parametrize(("style", "element"), STYLES)
def test_line_is_rich_text(style: Any, element: dict[str, Any]) -> None:
    assert shown(Line(literal("Hello"), style)) == [{"type": "rich_text", "elements": [element]}]


def test_dim_line_is_context_that_parses_nothing() -> None:
    element = {"type": "plain_text", "text": "*Hello*", "emoji": False}
    assert shown(Line(literal("*Hello*"), "dim")) == [{"type": "context", "elements": [element]}]


def test_lines_that_follow_each_other_are_one_section_and_quotes_stand_between() -> None:
    (rich,) = shown(Line(literal("a")), Line(literal("b"), "title"), Quote("c\nd"), Line(literal("e")))
    assert rich["elements"] == [
        {"type": "rich_text_section", "elements": [text("a"), text("\n"), text("b", style={"bold": True})]},
        {"type": "rich_text_quote", "elements": [text("c\nd")]},
        {"type": "rich_text_section", "elements": [text("e")]},
    ]


def test_links_stand_in_their_sentence_and_bad_ones_are_only_text() -> None:
    say = Say("headline", {"link": Link("#7", "https://a.kz/?x=1&y=|"), "brand": "B", "platform": "P"})
    (rich,) = shown(Line(say))
    assert rich["elements"][0]["elements"] == [text("#7 · B · P")]
    good = Say("headline", {"link": Link("", "https://a.kz/very?x=1&y=2"), "brand": "B", "platform": "P"})
    (rich,) = shown(Line(good, "title"))
    link, rest = rich["elements"][0]["elements"]
    assert (link["url"], link["text"]) == ("https://a.kz/very?x=1&y=2", "a.kz/very")
    assert rest == text(" · B · P", style={"bold": True})


def test_hostile_text_is_never_parsed() -> None:
    made = render(
        drawing(
            Line(literal(HOSTILE)),
            Line(literal(HOSTILE), "dim"),
            Quote(HOSTILE),
            Call((Person("a", HOSTILE, "staff"), Person("b", "B", "staff", slack="main/U0B"))),
            rows=((Button("take", "literal", 7, args={"text": HOSTILE}),),),
            title=HOSTILE,
        ),
        NOW,
        "main",
    )
    assert problems_of_blocks(made.blocks) == []
    parsed = [made.text, *(b["text"]["text"] for b in made.blocks if b["type"] == "section")]
    assert len(parsed) == 2
    for one in parsed:
        assert "<!channel>" not in one
        assert "<@U0BOSS>" not in one
        assert "<https" not in one
    assert parsed[1].endswith(" <@U0B>")
    assert "mrkdwn" not in json.dumps([b for b in made.blocks if b["type"] != "section"])
    assert "⟨U+202E⟩" in json.dumps(made.blocks, ensure_ascii=False)


CALLS = [
    (Person("a", "Anna", "staff", slack="main/U0ANNA"), "<@U0ANNA>"),
    (Person("a", "Anna", "staff", slack="U0ANNA"), "<@U0ANNA>"),
    (Person("a", "Anna", "staff", slack="client/U0ANNA"), "Anna <@U0ANNA>"),
    (Person("a", "Anna & co", "staff"), "Anna &amp; co"),
    (Person("a", "Anna", "staff", slack="main/<!here>"), "Anna"),
]


@pytest.mark.parametrize(("person", "mention"), CALLS)
def test_people_are_called_by_mention_where_they_can_be(person: Person, mention: str) -> None:
    (block,) = render(drawing(Call((person,))), NOW, "main").blocks
    assert block == {"type": "section", "text": {"type": "mrkdwn", "text": mention}}


def test_buttons_keep_rows_have_unique_ids_and_carry_their_meaning() -> None:
    rows = (
        (Button("take", "button_take", 7, 2, style="primary"), Button("open", "button_open", 7, url="https://a.kz/x")),
        (Button("answer", "literal", 7, extra="5.not_about_us", args={"text": "x" * 200}),),
    )
    first, second = render(drawing(rows=rows), NOW).blocks
    take, link = first["elements"]
    assert (take["action_id"], take["value"], take["style"]) == ("desk:take:0", "1:take:7:2:", "primary")
    assert (link["action_id"], link["url"]) == ("desk:open:1", "https://a.kz/x")
    assert "value" not in link
    value = decode(second["elements"][0]["value"])
    assert value is not None
    assert value == ("answer", 7, 0, "5.not_about_us")
    assert len(second["elements"][0]["text"]["text"]) == 75


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://", "https://a b.kz", "ftp://a.kz", "https://a.kz/" + "x" * 3000]
)
def test_link_button_that_slack_would_refuse_is_left_out(url: str) -> None:
    assert not linkable(url)
    assert render(drawing(rows=((Button("open", "button_open", 7, url=url),),)), NOW).blocks == []


def test_hundred_buttons_fit() -> None:
    rows = tuple(tuple(Button("take", "button_take_case", n, args={"case": n}) for n in range(4)) for _ in range(25))
    made = render(drawing(Line(literal("x")), rows=rows), NOW)
    assert problems_of_blocks(made.blocks) == []
    assert sum(len(b["elements"]) for b in made.blocks if b["type"] == "actions") == 100


def test_long_quote_is_shortened_said_so_and_given_whole_beside() -> None:
    made = render(drawing(Quote("short"), Quote("long " * 4000)), NOW)
    assert made.whole == ("long " * 4000,)
    short, long = made.blocks[0]["elements"]
    assert short["elements"][0]["text"] == "short"
    assert long["elements"][0]["text"].endswith("…")
    assert say(Say("text_cut"), "en", "UTC") in json.dumps(made.blocks[1])
    assert text_length(made.blocks) <= ALL_TEXT


def test_today_has_no_date_and_rendering_without_now_is_the_same_every_day() -> None:
    at = drawing(Line(Say("due", {"target": At(NOW), "limit": At(NOW + timedelta(days=1))})))
    assert "13:15, " in json.dumps(render(at, NOW).blocks)
    assert "Nov" in json.dumps(render(at, None).blocks)


texts = st.text(max_size=400) | st.sampled_from(
    ["", " ", "\n", HOSTILE, "x" * 20_000, "👍" * 9_000, "a\u0301" * 5000, "\ufdd0" * 40, "&" * 3_000, "слово " * 600]
)
urls = st.sampled_from(["", "https://a.kz/x?y=1&z=2", "javascript:x", "http://localhost", "https://a.kz/" + "y" * 2990])
says = st.one_of(
    texts.map(literal),
    st.builds(lambda t, u: Say("file", {"link": Link(t, u)}), texts, urls),
    st.builds(lambda t, n: Say("summary", {"n": n, "x": t}), texts, st.integers(0, 10**9)),
)
people = st.builds(
    lambda name, slack: Person("k", name, "staff", slack=slack),
    texts,
    st.sampled_from(["", "U0A", "main/U0B", "x/U0C", "<!here>", "/"]),
)
blocks = st.one_of(
    st.builds(Line, says, st.sampled_from(["plain", "title", "dim", "alert"])),
    st.builds(Quote, texts),
    st.builds(Call, st.lists(people, max_size=60).map(tuple)),
)
buttons = st.builds(
    lambda label, url, style: Button("take", "literal", 7, 1, url=url, style=style, args={"text": label}),
    texts,
    urls,
    st.sampled_from(["", "primary", "danger"]),
)
drawings = st.builds(
    Drawing,
    says,
    st.lists(blocks, max_size=80).map(tuple),
    st.lists(st.lists(buttons, max_size=30).map(tuple), max_size=14).map(tuple),
    st.sampled_from(["en", "ru", "kk"]),
    st.just("UTC"),
)


@settings(max_examples=120)
@given(drawings)
def test_any_drawing_is_a_message_slack_takes(made: Drawing) -> None:
    rendered = render(made, NOW, "main")
    assert problems_of_blocks(rendered.blocks) == []
    assert text_length(rendered.blocks) <= 13_200
    assert 0 < len(rendered.text) <= 4_000


@given(st.text(max_size=200), st.integers(1, 100))
def test_clipping_never_exceeds_and_leaves_what_fits(value: str, most: int) -> None:
    value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    cut = clip(value, most)
    assert size(cut) <= most
    assert cut == value or cut.endswith("…")


def test_escaping_touches_three_signs_only() -> None:
    assert escape("a & b < c > *d*") == "a &amp; b &lt; c &gt; *d*"
