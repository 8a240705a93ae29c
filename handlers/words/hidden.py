"""Signs that nobody sees, and that can make a text read otherwise than it is."""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007f]+")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """Zero-width, direction-changing and control signs as marks such as ⟨U+202E⟩; emoji and scripts that join stay."""
    text = re.sub("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)
    if _HIDDEN.search(text) is None:
        return text
    flags = [(m.start(), m.end()) for m in TAGGED_FLAG.finditer(text)]

    def mark(found: re.Match[str]) -> str:
        at, sign = found.start(), found.group()
        joins = sign in JOINERS and _joins(text[at - 1 : at], text[at + 1 : at + 2])
        if joins or any(begin < at < end for begin, end in flags):
            return sign
        return f"⟨U+{ord(sign):04X}⟩"

    return _HIDDEN.sub(mark, text)


def _joins(before: str, after: str) -> bool:
    """Between parts of an emoji, or letters of Arabic and Indic scripts, a joiner has its proper work."""
    return (_emoji(before) and _emoji(after)) or (_joining_script(before) and _joining_script(after))


def _emoji(sign: str) -> bool:
    return sign == "\ufe0f" or (bool(sign) and unicodedata.category(sign) in ("So", "Sk", "Sm"))


def _joining_script(sign: str) -> bool:
    return bool(sign) and "\u0600" <= sign <= "\u0dff"
