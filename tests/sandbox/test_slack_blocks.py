"""Block Kit limits: the largest thing that passes, and the first that does not."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.slack.blocks import problems_of_blocks, problems_of_view, text_length

Json = dict[str, Any]


def plain(length: int) -> Json:
    return {"type": "plain_text", "text": "x" * length}


def section(length: int) -> list[Json]:
    return [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * length}}]


def button(**fields: Any) -> list[Json]:
    return actions([{"type": "button", "text": plain(3), **fields}])


def actions(elements: list[Json]) -> list[Json]:
    return [{"type": "actions", "elements": elements}]


def buttons(count: int) -> list[Json]:
    return actions([{"type": "button", "action_id": str(n), "text": plain(1)} for n in range(count)])


def menu(count: int) -> list[Json]:
    options = [{"text": plain(1), "value": str(n)} for n in range(count)]
    return actions([{"type": "static_select", "options": options}])


def overflow(count: int) -> list[Json]:
    options = [{"text": plain(1), "value": str(n)} for n in range(count)]
    return actions([{"type": "overflow", "options": options}])


def confirm(**lengths: int) -> list[Json]:
    texts = {"title": 1, "text": 1, "confirm": 1, "deny": 1} | lengths
    return button(confirm={name: plain(length) for name, length in texts.items()})


def quote(length: int) -> list[Json]:
    inside = [{"type": "text", "text": "x" * length}]
    return [{"type": "rich_text", "elements": [{"type": "rich_text_quote", "elements": inside}]}]


def typed(**fields: Any) -> list[Json]:
    element = {"type": "plain_text_input", **fields}
    return [{"type": "input", "label": plain(1), "element": element}]


PAIRS: list[tuple[str, Any, Any]] = [
    ("section", section(3000), section(3001)),
    ("section empty", section(1), section(0)),
    (
        "fields",
        [{"type": "section", "fields": [plain(2000)] * 10}],
        [{"type": "section", "fields": [plain(1)] * 11}],
    ),
    (
        "field",
        [{"type": "section", "fields": [plain(2000)]}],
        [{"type": "section", "fields": [plain(2001)]}],
    ),
    ("header", [{"type": "header", "text": plain(150)}], [{"type": "header", "text": plain(151)}]),
    ("blocks", [{"type": "divider"}] * 50, [{"type": "divider"}] * 51),
    (
        "context",
        [{"type": "context", "elements": [plain(1)] * 10}],
        [{"type": "context", "elements": [plain(1)] * 11}],
    ),
    ("actions", buttons(25), buttons(26)),
    ("button text", button(text=plain(75)), button(text=plain(76))),
    ("button kind", button(text=plain(3)), button(text={"type": "mrkdwn", "text": "x"})),
    ("button value", button(value="x" * 2000), button(value="x" * 2001)),
    ("button url", button(url="https://a.kz/" + "x" * 2987), button(url="https://a.kz/" + "x" * 2988)),
    ("button url form", button(url="https://a.kz"), button(url="a.kz")),
    ("button style", button(style="danger"), button(style="default")),
    ("action_id", button(action_id="x" * 255), button(action_id="x" * 256)),
    (
        "block_id",
        [{"type": "divider", "block_id": "x" * 255}],
        [{"type": "divider", "block_id": "x" * 256}],
    ),
    (
        "block_id twice",
        [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "b"}],
        [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}],
    ),
    (
        "action_id twice",
        [*button(action_id="a"), *button(action_id="a")],
        actions([{"type": "button", "action_id": "a", "text": plain(1)}] * 2),
    ),
    ("menu", menu(100), menu(101)),
    ("overflow", overflow(5), overflow(6)),
    ("confirm title", confirm(title=100), confirm(title=101)),
    ("confirm text", confirm(text=300), confirm(text=301)),
    ("confirm button", confirm(deny=30), confirm(deny=31)),
    (
        "image",
        [{"type": "image", "image_url": "https://a.kz/1.png", "alt_text": "x" * 2000}],
        [{"type": "image", "image_url": "https://a.kz/1.png", "alt_text": "x" * 2001}],
    ),
    ("markdown", [{"type": "markdown", "text": "x" * 12_000}], [{"type": "markdown", "text": "x" * 12_001}]),
    (
        "markdown together",
        [{"type": "markdown", "text": "x" * 6_000}] * 2,
        [{"type": "markdown", "text": "x" * 6_001}] * 2,
    ),
    ("quote", quote(5_000), quote(0)),
    ("input", typed(initial_value="x" * 3000, max_length=3000), typed(initial_value="x" * 3001)),
    ("input max", typed(max_length=3000), typed(max_length=3001)),
    ("input placeholder", typed(placeholder=plain(150)), typed(placeholder=plain(151))),
    ("type", [{"type": "divider"}], [{"type": "table"}]),
    ("unknown field", [{"type": "divider"}], [{"type": "divider", "colour": "red"}]),
    ("input outside an input block", typed(), actions([{"type": "plain_text_input"}])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sound", "broken"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_largest_passes_and_the_next_does_not(name: str, sound: list[Json], broken: list[Json]) -> None:
    assert problems_of_blocks(sound) == []
    assert problems_of_blocks(broken)


def modal(**fields: Any) -> Json:
    return {"type": "modal", "title": plain(1), "submit": plain(1), "blocks": typed(), **fields}


VIEWS: list[tuple[str, Json, Json]] = [
    ("title", modal(title=plain(24)), modal(title=plain(25))),
    ("submit", modal(submit=plain(24)), modal(submit=plain(25))),
    ("close", modal(close=plain(24)), modal(close=plain(25))),
    ("metadata", modal(private_metadata="x" * 3000), modal(private_metadata="x" * 3001)),
    ("callback_id", modal(callback_id="x" * 255), modal(callback_id="x" * 256)),
    ("blocks", modal(blocks=[{"type": "divider"}] * 100), modal(blocks=[{"type": "divider"}] * 101)),
    ("kind", modal(), {"type": "home", "blocks": []}),
    ("submit for inputs", modal(), {"type": "modal", "title": plain(1), "blocks": typed()}),
    ("ids of an answer", modal(), modal(id="V1", hash="1.2")),
    ("markdown", modal(), modal(blocks=[{"type": "markdown", "text": "x"}])),
]


@pytest.mark.parametrize(("name", "sound", "broken"), VIEWS, ids=[view[0] for view in VIEWS])
def test_largest_view_passes_and_the_next_does_not(name: str, sound: Json, broken: Json) -> None:
    assert problems_of_view(sound, "modal") == []
    assert problems_of_view(broken, "modal")


@pytest.mark.parametrize("nonsense", [None, 1, "x", {}, [1], [{"type": []}], [{"type": "section", "text": "x"}]])
def test_nonsense_is_reported_not_raised(nonsense: Any) -> None:
    assert problems_of_blocks(nonsense)
    assert problems_of_view({"type": "modal", "blocks": nonsense}, "modal")


def test_all_text_of_blocks_counts() -> None:
    assert text_length([*section(10), *button(), *quote(5), {"type": "markdown", "text": "xx"}]) == 20
