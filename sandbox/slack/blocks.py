"""Block Kit as Slack checks it. Limits: chat-facts, "Block Kit limits" (SDK validators and vendor documentation)."""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Iterator
from typing import Any

from sandbox.slack.checks import (
    Check,
    Json,
    Problems,
    any_of,
    anything,
    by_type,
    choice,
    flag,
    items,
    link,
    number,
    one_of,
    pattern,
    report,
    shape,
    string,
    unique,
)

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
# Undocumented; measured by others near this figure (bolt-js issue 2509).
ALL_TEXT = 13_200
MARKDOWN_TEXT = 12_000
VIEW_BYTES = 250 * 1024


def words(longest: int, *kinds: str) -> Check:
    """A text object. Without `kinds` both plain_text and mrkdwn will do."""
    body = {"text": string(longest)}
    table = {
        "plain_text": shape(body, {"emoji": flag}),
        "mrkdwn": shape(body, {"verbatim": flag}),
    }
    return by_type({kind: table[kind] for kind in kinds or table})


def plain(longest: int) -> Check:
    return words(longest, "plain_text")


CONFIRM = shape(
    {"title": plain(100), "text": words(300), "confirm": plain(30), "deny": plain(30)},
    {"style": choice("primary", "danger")},
)
OPTION = shape({"text": words(75), "value": string(150)}, {"description": words(75)})
OVERFLOW_OPTION = shape({"text": plain(75), "value": string(150)}, {"description": plain(75), "url": link()})
GROUP = shape({"label": plain(75), "options": items(OPTION, 100)})
COMMON = {"action_id": string(255), "confirm": CONFIRM, "focus_on_load": flag}
HELD = COMMON | {"placeholder": plain(150)}
CHOICES = {"options": items(OPTION, 100), "option_groups": items(GROUP, 100)}
DATE = pattern(r"\d{4}-\d\d-\d\d", "must be a valid date")
TIME = pattern(r"\d\d:\d\d", "must be a valid time")
MANY = {"max_selected_items": number(1, 1000)}


def all_options(element: Json) -> list[Json]:
    """The options of a menu, those in groups too."""
    groups = [group["options"] for group in element.get("option_groups", [])]
    return [option for options in [element.get("options", []), *groups] for option in options]


def _initial_exists(element: Json, at: str, problems: Problems) -> None:
    chosen = [element["initial_option"]] if "initial_option" in element else element.get("initial_options", [])
    known = {option["value"] for option in all_options(element)}
    if any(option["value"] not in known for option in chosen):
        report(problems, "initial option must match one of the options", at)


def _menu(**optional: Check) -> Check:
    return shape({}, HELD | CHOICES | optional, one_of("options", "option_groups"), _initial_exists)


def _picker(kind: str) -> Json:
    one, many = string(255), items(string(255), 1000)
    extra: dict[str, Check] = {"response_url_enabled": flag}
    if kind == "conversation":
        extra |= {"default_to_current_conversation": flag, "filter": anything}
    return {
        f"{kind}s_select": shape({}, HELD | extra | {f"initial_{kind}": one}),
        f"multi_{kind}s_select": shape({}, HELD | extra | MANY | {f"initial_{kind}s": many}),
    }


BUTTON = shape(
    {"text": plain(75)},
    COMMON
    | {
        "url": link(),
        "value": string(2000),
        "style": choice("primary", "danger"),
        "accessibility_label": string(75),
    },
)
ALT = {"alt_text": string(2000)}
PICTURE = {"image_url": link(), "slack_file": anything}
IMAGE = shape(ALT, PICTURE, one_of("image_url", "slack_file"))
BOXES = {"options": items(OPTION, 10)}
SELECTS: dict[str, Check] = {
    "static_select": _menu(initial_option=OPTION),
    "multi_static_select": _menu(initial_options=items(OPTION, 100), **MANY),
    "external_select": shape({}, HELD | {"initial_option": OPTION, "min_query_length": number(1, 1000)}),
    **_picker("user"),
    **_picker("conversation"),
    **_picker("channel"),
    "checkboxes": shape(BOXES, COMMON | {"initial_options": items(OPTION, 10)}, _initial_exists),
    "radio_buttons": shape(BOXES, COMMON | {"initial_option": OPTION}, _initial_exists),
    "datepicker": shape({}, HELD | {"initial_date": DATE}),
    "timepicker": shape({}, HELD | {"initial_time": TIME, "timezone": string(255)}),
    "datetimepicker": shape({}, COMMON | {"initial_date_time": number(0, 9_999_999_999)}),
}
OVERFLOW = shape({"options": items(OVERFLOW_OPTION, 5)}, COMMON)
TYPED = HELD | {"dispatch_action_config": anything}
SHORT = shape({}, TYPED | {"initial_value": string(3000, 0)})


def _sound_bounds(element: Json, at: str, problems: Problems) -> None:
    if element.get("min_length", 0) > element.get("max_length", 3000):
        report(problems, "min_length must not be larger than max_length", at)
    if len(element.get("initial_value", "")) > element.get("max_length", 3000):
        report(problems, f"must be less than {element['max_length'] + 1} characters", f"{at}/initial_value")


INPUTS: dict[str, Check] = SELECTS | {
    "plain_text_input": shape(
        {},
        TYPED
        | {
            "multiline": flag,
            "initial_value": string(3000, 0),
            "min_length": number(0, 3000),
            "max_length": number(1, 3000),
        },
        _sound_bounds,
    ),
    "email_text_input": SHORT,
    "url_text_input": SHORT,
    "number_input": shape(
        {"is_decimal_allowed": flag},
        TYPED | {"initial_value": string(100), "min_value": string(100), "max_value": string(100)},
    ),
    "rich_text_input": shape({}, TYPED | {"initial_value": anything}),
    "file_input": shape({}, {"action_id": string(255), "filetypes": anything, "max_files": number(1, 10)}),
}

STYLE = shape(
    {}, dict.fromkeys(("bold", "italic", "strike", "code", "underline", "highlight", "client_highlight"), flag)
)
STYLED = {"style": STYLE}
RUNS: dict[str, Check] = {
    "text": shape({"text": string(ALL_TEXT)}, STYLED),
    "link": shape({"url": link()}, STYLED | {"text": string(ALL_TEXT), "unsafe": flag}),
    "emoji": shape({"name": string(255)}, {"unicode": string(255), "skin_tone": number(1, 6), **STYLED}),
    "user": shape({"user_id": string(255)}, STYLED),
    "usergroup": shape({"usergroup_id": string(255)}, STYLED),
    "channel": shape({"channel_id": string(255)}, STYLED),
    "broadcast": shape({"range": choice("here", "channel", "everyone")}, STYLED),
    "date": shape(
        {"timestamp": number(0, 9_999_999_999), "format": string(255)}, {"url": link(), "fallback": string(3000)}
    ),
    "color": shape({"value": string(255)}),
}
RUN = items(by_type(RUNS), 1000, 0)
BORDER = {"border": number(0, 1)}
SECTION_RUN = shape({"elements": RUN})
RICH: dict[str, Check] = {
    "rich_text_section": SECTION_RUN,
    "rich_text_quote": shape({"elements": RUN}, BORDER),
    "rich_text_preformatted": shape(
        {"elements": items(by_type({"text": RUNS["text"], "link": RUNS["link"]}), 1000, 0)},
        BORDER | {"language": string(255)},
    ),
    "rich_text_list": shape(
        {"style": choice("bullet", "ordered"), "elements": items(by_type({"rich_text_section": SECTION_RUN}), 1000)},
        BORDER | {"indent": number(0, 8), "offset": number(0, 100_000)},
    ),
}


def _unique_actions(block: Json, at: str, problems: Problems) -> None:
    named = [(e["action_id"], f"{at}/elements/{i}") for i, e in enumerate(block["elements"]) if "action_id" in e]
    unique(named, "action_id", problems)


ID = {"block_id": string(255)}
ACTIONS: dict[str, Check] = SELECTS | {"button": BUTTON, "overflow": OVERFLOW}
BLOCKS: dict[str, Check] = {
    "section": shape(
        {},
        ID
        | {
            "text": words(3000),
            "fields": items(words(2000), 10),
            "accessory": by_type(ACTIONS | {"image": IMAGE}),
            "expand": flag,
        },
        any_of("text", "fields"),
    ),
    "header": shape({"text": plain(150)}, ID),
    "divider": shape({}, ID),
    "context": shape(
        {"elements": items(by_type({"image": IMAGE, "plain_text": words(3000), "mrkdwn": words(3000)}), 10)}, ID
    ),
    "actions": shape({"elements": items(by_type(ACTIONS), 25)}, ID, _unique_actions),
    "image": shape(ALT, ID | PICTURE | {"title": plain(2000)}, one_of("image_url", "slack_file")),
    "input": shape(
        {"label": plain(2000), "element": by_type(INPUTS)},
        ID | {"hint": plain(2000), "optional": flag, "dispatch_action": flag},
    ),
    "rich_text": shape({"elements": items(by_type(RICH), 1000)}, ID),
}
MARKDOWN = shape({"text": string(MARKDOWN_TEXT)}, ID)
MESSAGE = items(by_type(BLOCKS | {"markdown": MARKDOWN}), MESSAGE_BLOCKS, 0)


def _submit_for_inputs(view: Json, at: str, problems: Problems) -> None:
    if "submit" not in view and any(block["type"] == "input" for block in view["blocks"]):
        report(problems, "missing required field: submit", at)


NAMED = {"private_metadata": string(3000, 0), "callback_id": string(255, 0), "external_id": string(255, 0)}
INSIDE = {"blocks": items(by_type(BLOCKS), VIEW_BLOCKS, 0)}
VIEWS: dict[str, Check] = {
    "modal": shape(
        INSIDE | {"title": plain(24)},
        NAMED
        | {"submit": plain(24), "close": plain(24)}
        | {"clear_on_close": flag, "notify_on_close": flag, "submit_disabled": flag},
        _submit_for_inputs,
    ),
    "home": shape(INSIDE, NAMED),
}


def _unique_blocks(blocks: Any, at: str, problems: Problems) -> None:
    sound = blocks if isinstance(blocks, list) else []
    named = [
        (block["block_id"], f"{at}/{index}/block_id")
        for index, block in enumerate(sound)
        if isinstance(block, dict) and isinstance(block.get("block_id"), str)
    ]
    unique(named, "block_id", problems)


def problems_of_blocks(blocks: Any) -> list[str]:
    """What is wrong with a message's blocks; empty when Slack would take them."""
    problems: Problems = []
    MESSAGE(blocks, "/blocks", problems)
    _unique_blocks(blocks, "/blocks", problems)
    markdown = [b["text"] for b in blocks if b["type"] == "markdown"] if not problems else []
    if sum(map(len, markdown)) > MARKDOWN_TEXT:
        report(problems, f"all markdown together must be less than {MARKDOWN_TEXT + 1} characters", "/blocks")
    return problems


def problems_of_view(view: Any, kind: str) -> list[str]:
    """What is wrong with a view of this `kind`, modal or home."""
    problems: Problems = []
    by_type({kind: VIEWS[kind]})(view, "/view", problems)
    if isinstance(view, dict):
        _unique_blocks(view.get("blocks"), "/view/blocks", problems)
    return problems


def too_large(view: Json) -> bool:
    """Over 250 KB, counted in UTF-8 bytes of its JSON."""
    return len(json.dumps(view, ensure_ascii=False).encode()) > VIEW_BYTES


def text_length(value: Any) -> int:
    """All text of some blocks together, in characters: every string called `text`, at any depth."""
    if isinstance(value, list):
        return sum(map(text_length, value))
    if not isinstance(value, dict):
        return 0
    return sum(
        len(item) if key == "text" and isinstance(item, str) else text_length(item) for key, item in value.items()
    )


def elements(block: Json) -> Iterator[Json]:
    """The elements of a block a person can act on."""
    found = [*block.get("elements", []), block.get("accessory"), block.get("element")]
    known = ACTIONS | INPUTS
    return (element for element in found if element and element.get("type") in known)


def with_ids(blocks: list[Json]) -> list[Json]:
    """A copy in which every block and every element has an id, as Slack returns them."""
    filled = copy.deepcopy(blocks)
    for block in filled:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        for element in elements(block):
            element.setdefault("action_id", secrets.token_urlsafe(4))
    return filled
