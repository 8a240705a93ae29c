"""What goes to an AI server without what names or reaches a person: placeholders go out, and come back as what they
stood for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_BETWEEN = r"[\s().\-/‐-―\u00a0\u00ad\u200b-\u200f\u202f\u2060\ufeff]{0,3}"
"""What people and machines put between digits, what cannot be seen among it."""

_SHAPES = {
    "LINK": r"(?:https?://|www\.)[^\s<>\"']+",
    "EMAIL": r"[\w.!#$%&*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{2,63}",
    "CARD": rf"(?<!\w)\d(?:{_BETWEEN}\d){{12,}}(?!\d)",
    "PHONE": rf"(?<!\w)\+?\d(?:{_BETWEEN}\d){{8,14}}(?!\d)|(?<!\w)\d{{3}}[- ]\d{{2}}[- ]\d{{2}}(?!\d)",
}

_SECRET = re.compile(
    r"[?&#;][^=&#\s]*(?:token|key|secret|sig|code|pass|session|sid|auth|hash|ticket|jwt|invite|otp|signature)[^=&#\s]*="
    r"|//[^/\s]*@|[\w-]{24,}|/(?=[^/\s]*\d)(?=[^/\s]*[A-Za-z])[\w-]{16,}",
    re.IGNORECASE,
)
"""A link that lets in whoever has it: a key among its parameters, a login before its host, a long word nobody types."""

_ENDINGS = "аяоеиуыйьюё"
SHORTEST_PART = 3
"""Letters: parts of a name shorter than this are too common to be taken for it."""

_PLACEHOLDER = re.compile(r"\[\s*(LINK|EMAIL|CARD|PHONE|AUTHOR)[\s_-]*(\d{1,6})\s*\]", re.IGNORECASE)


class Redactor:
    """Of one request. `names`: of the authors in it, `links`: of their pages. Not `active`: everything stays."""

    def __init__(self, names: Iterable[str] = (), links: Iterable[str] = (), active: bool = True) -> None:
        self._active = active
        self._links = {link for link in links if link}
        shapes = {**_SHAPES, "AUTHOR": _names(names)}
        self._pattern = _any_of(shapes)
        self._in_links = _any_of({kind: shape for kind, shape in shapes.items() if kind != "LINK"})
        self._known: dict[str, str] = {}
        self._stands_for: dict[tuple[str, int], str] = {}
        self._taken: set[tuple[str, int]] = set()

    def hide(self, value: Any) -> Any:
        """A text, or a JSON value with every text in it. The same word is the same placeholder throughout."""
        if not self._active:
            return value
        self._take(value)
        return self._hidden(value)

    def restore(self, text: str) -> str:
        """Placeholders as what they stood for, however a model spells them; what was none of ours stays."""
        return _PLACEHOLDER.sub(lambda found: self._stands_for.get(_number(found), found[0]), text)

    def _take(self, value: Any) -> None:
        """What looks like a placeholder in the text itself must never come to mean anything."""
        if isinstance(value, str):
            self._taken |= {_number(found) for found in _PLACEHOLDER.finditer(value)} - self._stands_for.keys()
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
            self._take(inner)

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._pattern.sub(self._replace, value)
        if isinstance(value, dict):
            return {name: self._hidden(inner) for name, inner in value.items()}
        return [self._hidden(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _replace(self, found: re.Match[str]) -> str:
        kind, word = found.lastgroup or "", found[0]
        if kind == "LINK" and not (_SECRET.search(word) or any(word.startswith(link) for link in self._links)):
            # It lets nobody in, and may still hold a name or a phone.
            return self._in_links.sub(self._replace, word)
        return self._placeholder(kind, word)

    def _placeholder(self, kind: str, word: str) -> str:
        if word not in self._known:
            number = 1
            while (kind, number) in self._taken or (kind, number) in self._stands_for:
                number += 1
            self._stands_for[kind, number] = word
            self._known[word] = f"[{kind}_{number}]"
        return self._known[word]


def _any_of(shapes: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{kind}>{one})" for kind, one in shapes.items() if one), re.IGNORECASE)


def _number(found: re.Match[str]) -> tuple[str, int]:
    return found[1].upper(), int(found[2])


def _names(names: Iterable[str]) -> str:
    """Whole names first, then the words in them with whatever ending Russian gives them."""
    whole = sorted({name.strip() for name in names if name.strip()}, key=len, reverse=True)
    parts = sorted({part for name in whole for part in re.split(r"\W+", name)}, key=len, reverse=True)
    found = [rf"(?<!\w){_spelled(name)}(?!\w)" for name in whole]
    found += [rf"(?<!\w){_stem(part)}(?!\w)" for part in parts if len(part) >= SHORTEST_PART]
    return "|".join(found)


def _stem(part: str) -> str:
    stem = part.rstrip(_ENDINGS + _ENDINGS.upper())
    bare = stem if len(stem) >= SHORTEST_PART else part
    return rf"{_spelled(bare)}\w{{0,3}}"


def _spelled(word: str) -> str:
    """Most people leave the dots of ё away."""
    return re.sub("[её]", "[её]", re.escape(word), flags=re.IGNORECASE)
