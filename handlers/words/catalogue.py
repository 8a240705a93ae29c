"""The sentences themselves: gettext catalogues, one a language, read from their .po files at run time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("en", "ru", "kk")
FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a sentence: a text, a name to be filled in, or a group left out where a name in it is empty."""

    text: str = ""
    name: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.name} - {""}).union(*(p.names for p in self.parts))


def catalogue(lang: str) -> Catalog:
    with (FOLDER / lang / "LC_MESSAGES" / "replydesk.po").open("rb") as file:
        return read_po(file, locale=lang)


@cache
def _translations(lang: str) -> GNUTranslations:
    compiled = BytesIO()
    write_mo(compiled, catalogue(lang))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def _keys() -> frozenset[str]:
    return frozenset(m.id if isinstance(m.id, str) else m.id[0] for m in catalogue("en") if m.id)


def has(key: str) -> bool:
    return key in _keys()


def sentence(key: str, lang: str, n: int | None = None) -> tuple[Part, ...]:
    """The sentence of `key`, plural by `n`. Falls back to English, then to the key itself."""
    for tried in (lang, "en"):
        found = _found(key, tried, n)
        if found is not None:
            return parsed(found)
    return (Part(text=key),)


def _found(key: str, lang: str, n: int | None) -> str | None:
    translations = _translations(lang)
    text = translations.ngettext(key, key, 1 if n is None else n)
    if text == key:
        text = translations.gettext(key)
    return None if text == key else text


@cache
def parsed(template: str) -> tuple[Part, ...]:
    """`{name}` is filled in, `[…]` is a group; anything else stands for itself."""
    parts = []
    for text, name, group in re.findall(r"([^{}\[\]]+)|\{(\w+)\}|\[([^\[\]]*)\]", template):
        parts.append(Part(parts=parsed(group)) if group else Part(text=text, name=name))
    return tuple(parts)


def names(template: str) -> frozenset[str]:
    """Every name a template fills in."""
    return frozenset().union(*(part.names for part in parsed(template)))
