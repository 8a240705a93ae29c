"""Signs that nobody sees, and that can make a text read otherwise than it is."""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
TAGGED_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f")
"""A flag of a region, and nothing longer: tags can spell out whole sentences that nobody sees."""
SELECTORS = "\ufe0e\ufe0f"
TEXT_EMOJI = "0123456789#*‼⁉〰ℹ"
"""Signs that become emoji by a selector although Unicode does not call them symbols."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """Zero-width, direction-changing and control signs as marks such as ⟨U+202E⟩; emoji and scripts that join stay.

    A selector of how a sign looks stays behind one that has two looks, once: a row of them can carry a hidden text.
    """
    text = re.sub("\r\n?|[\x0b\x0c\x85\u2028\u2029]", "\n", text)
    if _HIDDEN.search(text) is None:
        return text
    flags = [(m.start(), m.end()) for m in TAGGED_FLAG.finditer(text)]

    def mark(found: re.Match[str]) -> str:
        at, sign = found.start(), found.group()
        before, after = text[max(at - 1, 0) : at], text[at + 1 : at + 2]
        joins = sign in JOINERS and _joins(before, after)
        selects = sign in SELECTORS and bool(before) and (before in TEXT_EMOJI or _symbol(before))
        if joins or selects or any(begin < at < end for begin, end in flags):
            return sign
        return f"⟨U+{ord(sign):04X}⟩"

    return _HIDDEN.sub(mark, text)


def blank(text: str) -> bool:
    """Whether nobody would see anything of it: a reason or a reply of zero-width signs says nothing."""
    return not _HIDDEN.sub("", text).strip()


def _joins(before: str, after: str) -> bool:
    """Between parts of an emoji, or letters of Arabic and Indic scripts, a joiner has its proper work."""
    return (_emoji(before) and _emoji(after)) or (_joining_script(before) and _joining_script(after))


def _emoji(sign: str) -> bool:
    return sign == "\ufe0f" or _symbol(sign)


def _symbol(sign: str) -> bool:
    return bool(sign) and unicodedata.category(sign) in ("So", "Sk", "Sm")


def _joining_script(sign: str) -> bool:
    return bool(sign) and "\u0600" <= sign <= "\u0dff"
