"""What people fill in: the state of inputs and menus in a view or message, shaped as Slack sends it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.slack.blocks import all_options, elements
from sandbox.slack.state import Impossible, Json

# element type: key of the answer, key of the initial value
STATE = {
    "plain_text_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "file_input": ("files", "initial_files"),
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "multi_static_select": ("selected_options", "initial_options"),
    "checkboxes": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
}
LISTS = {kind for kind, (key, _) in STATE.items() if key.endswith("s") and kind != "file_input"}


def _stateful(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    return ((block, element) for block in blocks for element in elements(block) if element["type"] in STATE)


def initial_state(blocks: list[Json]) -> Json:
    """`state.values` before anybody touched anything: {block_id: {action_id: answer}}."""
    state: Json = {}
    for block, element in _stateful(blocks):
        key, initial = STATE[element["type"]]
        empty: Any = [] if element["type"] in LISTS else None
        answer = {"type": element["type"], key: element.get(initial, empty)}
        state.setdefault(block["block_id"], {})[element["action_id"]] = answer
    return state


def kept_state(blocks: list[Json], before: Json) -> Json:
    """The state after a view changed: an answer survives where its block_id and action_id do."""
    state = initial_state(blocks)
    for block_id, answers in state.items():
        for action_id, answer in answers.items():
            old = before.get(block_id, {}).get(action_id)
            if old and old["type"] == answer["type"]:
                answers[action_id] = old
    return state


def answer_of(element: Json, value: Any) -> Json:
    """One answer as Slack shapes it. Raises Impossible for an option that is not offered."""
    kind = element["type"]
    key, _ = STATE[kind]
    if "selected_option" in key and kind != "external_select":
        offered = {option["value"]: option for option in all_options(element)}
        wanted = value if isinstance(value, list) else [value] if value is not None else []
        missing = [one for one in wanted if one not in offered]
        if missing:
            raise Impossible(f"no such option: {missing[0]}")
        chosen = [offered[one] for one in wanted]
        return {"type": kind, key: chosen if kind in LISTS else next(iter(chosen), None)}
    return {"type": kind, key: None if value == "" else value}


def fill(blocks: list[Json], state: Json, values: dict[str, dict[str, Any]]) -> None:
    """Puts a person's answers into `state`. Raises Impossible when there is no such input."""
    found = {(block["block_id"], element["action_id"]): element for block, element in _stateful(blocks)}
    for block_id, answers in values.items():
        for action_id, value in answers.items():
            element = found.get((block_id, action_id))
            if element is None:
                raise Impossible(f"no input {block_id}/{action_id} in this view")
            state.setdefault(block_id, {})[action_id] = answer_of(element, value)


def complaints(blocks: list[Json], state: Json) -> dict[str, str]:
    """What Slack's own client says under the inputs before it sends anything: {block_id: text}."""
    found: dict[str, str] = {}
    for block, element in _stateful(blocks):
        value = state[block["block_id"]][element["action_id"]][STATE[element["type"]][0]]
        if block["type"] == "input":
            complaint = _complaint(block, element, value)
            found |= {block["block_id"]: complaint} if complaint else {}
    return found


def _complaint(block: Json, element: Json, value: Any) -> str:
    if value in (None, "", []):
        return "" if block.get("optional") else "Please complete this required field."
    if element["type"] != "plain_text_input":
        return ""
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(value) < least:
        return f"Please enter at least {least} characters."
    return f"Please shorten this to {most} characters." if len(value) > most else ""
