"""What a button carries: 64 bytes that old messages keep for months."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

MOST_BYTES = 64
"""Bot API: InlineKeyboardButton.callback_data."""

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

SHORT = {"answer": "a", "cancel": "x", "tell": "t"}
"""Actions whose `extra` needs the room."""
LONG = {short: action for action, short in SHORT.items()}

ACTION = re.compile("[a-z]{1,16}")
NUMBER = re.compile("[0-9a-z]{1,11}")
"""Base 36: more digits are no number of ours, and no database's."""
EXTRA = re.compile(r"(?:[0-9]{1,18}(?:\.[A-Za-z0-9_-]*)?)?")
"""A question's or a saying's number, and an option of a question."""


class Data(NamedTuple):
    """What was on the button; nothing of it is believed."""

    action: str
    case: int
    version: int | None
    extra: str = ""


def pack(data: Data) -> str:
    """Raises ValueError where it would not fit: an answer has 50 bytes for its question's number and its option."""
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
    if not (ACTION.fullmatch(action) and NUMBER.fullmatch(case) and EXTRA.fullmatch(extra)):
        return None
    if version and not NUMBER.fullmatch(version):
        return None
    return Data(LONG.get(action, action), int(case, 36), int(version, 36) if version else None, extra)


PREFIXES: dict[str, Callable[[str], Data | None]] = {"c1": _first}
"""Every shape ever sent: one that is taken out leaves dead buttons in people's chats."""


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits or "0"
