"""What a reader calls one character, counted: some platforms limit texts by that."""

from __future__ import annotations

from enum import Enum, auto
from unicodedata import category, normalize


class Kind(Enum):
    CONTROL = auto()
    CARRIAGE_RETURN = auto()
    EXTEND = auto()
    JOINER = auto()
    FLAG = auto()
    FLAG_PAIR = auto()
    PICTURE = auto()
    OTHER = auto()


SINGLE = {
    "\r": Kind.CARRIAGE_RETURN,
    "\u200d": Kind.JOINER,
    "↔": Kind.PICTURE,
    **dict.fromkeys("\u200c\uff9e\uff9f\u0e33\u0eb3", Kind.EXTEND),
}
RANGES = (
    (0x1F1E6, 0x1F1FF, Kind.FLAG),
    (0x1F3FB, 0x1F3FF, Kind.EXTEND),  # skin tones
    (0x1F000, 0x1FAFF, Kind.PICTURE),
    (0xE0020, 0xE007F, Kind.EXTEND),  # tags: the flags of England, Scotland, Wales
)
CATEGORIES = {
    **dict.fromkeys(("Cc", "Cf", "Zl", "Zp"), Kind.CONTROL),
    **dict.fromkeys(("Mn", "Me", "Mc"), Kind.EXTEND),
    "So": Kind.PICTURE,
}
STANDS_ALONE = {None, Kind.CONTROL, Kind.CARRIAGE_RETURN}


def graphemes(text: str) -> int:
    """Extended grapheme clusters of `text` (Unicode's annex 29), nearly.

    Left out: joined consonants of Indic scripts, marks that stand before their letter, and old Hangul that has no
    composed syllable; those count as more than they are. A few spacing marks of Myanmar and its neighbours count as
    less.
    """
    number, after_joiner = 0, False
    base: Kind | None = None
    for char in normalize("NFC", text):
        kind = _kind(char)
        joined = _joined(base, kind, char, after_joiner)
        number += joined is None
        base = joined or kind
        after_joiner = kind is Kind.JOINER
    return number


def _kind(char: str) -> Kind:
    if char in SINGLE:
        return SINGLE[char]
    within = (kind for first, last, kind in RANGES if first <= ord(char) <= last)
    return next(within, None) or CATEGORIES.get(category(char), Kind.OTHER)


def _joined(base: Kind | None, kind: Kind, char: str, after_joiner: bool) -> Kind | None:
    """What the cluster is with `char` in it; None where `char` begins the next one."""
    if base is Kind.CARRIAGE_RETURN and char == "\n":
        return Kind.CONTROL
    if kind in (Kind.EXTEND, Kind.JOINER):
        return None if base in STANDS_ALONE else base
    if kind is Kind.PICTURE and after_joiner:
        return base if base is Kind.PICTURE else None
    return Kind.FLAG_PAIR if (base, kind) == (Kind.FLAG, Kind.FLAG) else None
