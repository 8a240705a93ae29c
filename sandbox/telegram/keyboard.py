"""Reply markup: what the server accepts under a message."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram import links
from sandbox.telegram.errors import bad
from sandbox.telegram.params import Params

MAX_DATA = 64  # Bot API: InlineKeyboardButton.callback_data, bytes
MAX_BUTTONS = 100
STYLES = ("danger", "success", "primary")
BROKEN = "can't parse reply keyboard markup JSON object"
OTHER_KINDS = ("keyboard", "remove_keyboard", "force_reply")
KEPT = ("text", "icon_custom_emoji_id", "style")

Rows = list[list[dict[str, Any]]]


@dataclass(slots=True)
class Markup:
    rows: Rows = field(default_factory=list)


def read(params: Params, private: bool, only_inline: bool = False) -> Markup:
    """The inline keyboard of a call; an absent one has no rows. Raises ApiError 400."""
    raw = params.json("reply_markup", BROKEN)
    if raw is None:
        return Markup()
    if not isinstance(raw, dict):
        raise bad("object expected as reply markup")
    if "inline_keyboard" not in raw:
        if only_inline or not any(kind in raw for kind in OTHER_KINDS):
            raise bad("inline keyboard expected" if only_inline else BROKEN)
        return Markup()
    rows = raw["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad('field "inline_keyboard" of the InlineKeyboardMarkup should be an Array of Arrays')
    if sum(len(row) for row in rows) > MAX_BUTTONS:
        raise bad("reply markup is too long")
    return Markup([made for row in rows if (made := [_button(one, private) for one in row])])


def _button(raw: Any, private: bool) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise bad("can't parse inline keyboard button: InlineKeyboardButton must be an Object")
    if not isinstance(raw.get("text"), str):
        raise bad('can\'t parse inline keyboard button: Field "text" must be of type String')
    if not raw["text"].strip():
        raise bad("inline keyboard button text must be non-empty")
    if raw.get("style") not in (None, *STYLES):
        raise bad("can't parse inline keyboard button: invalid button style specified")
    kept = {key: raw[key] for key in KEPT if raw.get(key) is not None}
    for kind, check in ACTIONS.items():
        if raw.get(kind) not in (None, ""):
            return kept | {kind: check(raw[kind], private)}
    raise bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")


def _url(value: Any, private: bool) -> str:
    try:
        return links.checked(str(value))
    except ValueError as wrong:
        raise bad(f"inline keyboard button URL '{value}' is invalid: {wrong}") from None


def _data(value: Any, private: bool) -> str:
    if len(str(value).encode()) > MAX_DATA:
        raise bad("BUTTON_DATA_INVALID")
    return str(value)


def _web_app(value: Any, private: bool) -> dict[str, Any]:
    url = str(value.get("url", "")) if isinstance(value, dict) else ""
    if not private or not url.startswith("https://"):
        raise bad("BUTTON_TYPE_INVALID")
    return {"url": _url(url, private)}


def _copy(value: Any, private: bool) -> dict[str, Any]:
    text = str(value.get("text", "")) if isinstance(value, dict) else ""
    if not 1 <= len(text) <= 256:
        raise bad("BUTTON_COPY_TEXT_INVALID")
    return {"text": text}


def _refused(value: Any, private: bool) -> Any:
    raise bad("BUTTON_TYPE_INVALID")


# The server looks at the kinds in this order and takes the first one present.
ACTIONS = {
    "url": _url,
    "callback_data": _data,
    "callback_game": _refused,
    "pay": _refused,
    "switch_inline_query": _refused,
    "switch_inline_query_current_chat": _refused,
    "switch_inline_query_chosen_chat": _refused,
    "login_url": _refused,
    "web_app": _web_app,
    "copy_text": _copy,
}
