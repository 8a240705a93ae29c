"""What a reader calls one character, counted: some platforms limit texts by that."""

from __future__ import annotations

import regex

CLUSTER = regex.compile(r"\X")


def graphemes(text: str) -> int:
    """Extended grapheme clusters of `text` (Unicode's annex 29)."""
    return sum(1 for _ in CLUSTER.finditer(text))
