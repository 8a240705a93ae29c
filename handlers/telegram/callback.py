"""What a button carries: 64 bytes that old messages keep for months."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

MOST_BYTES = 64
"""Bot API: InlineKeyboardButton.callback_data."""

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

SHORT = {"answer": "a", "cancel": "x", "tell": "t"}
"""Actions whose `extra` needs the room."""
LONG = {short: action for action, short in SHORT.items()}


class Data(NamedTuple):
    """What was on the button; nothing of it is believed."""

    action: str
    case: int
    version: int | None
    extra: str = ""


def pack(data: Data) -> str:
    """Raises ValueError where it would not fit: an answer has 51 bytes for its question's number and its option."""
    version = "" if data.version is None else _base36(data.version)
    action = SHORT.get(data.action, data.action)
    packed = f"c1:{action}:{_base36(data.case)}:{version}:{data.extra}"
    if len(packed.encode()) > MOST_BYTES or ":" in data.action:
        raise ValueError(f"{packed!r} is over {MOST_BYTES} bytes, or its action has a colon")
    return packed


def unpack(packed: str | None) -> Data | None:
    """None for what no button of ours ever carried."""
    prefix, _, rest = (packed or "").partition(":")
    read = PREFIXES.get(prefix)
    return None if read is None else read(rest)


def _first(rest: str) -> Data | None:
    parts = rest.split(":", 3)
    if len(parts) != 4:
        return None
    action, case, version, extra = parts
    numbers = _number(case), _number(version) if version else None
    if numbers[0] is None or (version and numbers[1] is None) or not action:
        return None
    return Data(LONG.get(action, action), numbers[0], numbers[1], extra)


PREFIXES: dict[str, Callable[[str], Data | None]] = {"c1": _first}
"""Every shape ever sent: one that is taken out leaves dead buttons in people's chats."""


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits or "0"


def _number(text: str) -> int | None:
    """At most 11 digits of base 36: more is no number of ours, and no database's."""
    if not 0 < len(text) <= 11 or not set(text) <= set(DIGITS):
        return None
    return int(text, 36)
