"""Addresses of single items, as people bring them. Whatever was typed is no error: it leads nowhere.

A platform whose links carry the id of what they show has `item(settings, url)` in its module: that id, as `read` gives
it; None for what is not the source's own, or cannot be known without asking.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

from collectors.manual import stands_at

NUMBER = r"[1-9][0-9]{0,18}"
LONGEST = 500
"""Characters of an id."""


class Link(NamedTuple):
    path: str = ""
    query: Mapping[str, str] = {}
    fragment: str = ""

    def value(self, name: str) -> str:
        """What the query says under a name, "" where nothing."""
        return self.query.get(name, "")


NOWHERE = Link()


def link_to(hosts: tuple[str, ...], url: str) -> Link:
    """A link to a card's `hosts`; NOWHERE for any other."""
    return _link(urlsplit(url.strip())) if stands_at(url, hosts) else NOWHERE


def link_below(base: str, url: str) -> Link:
    """A link into the site at `base`, its path counted from there; NOWHERE for any other."""
    here = urlsplit(base)
    if not stands_at(url, (here.hostname or "",)):
        return NOWHERE
    there = urlsplit(url.strip())
    same = there.netloc.lower() == here.netloc.lower() and f"{there.path}/".startswith(f"{here.path}/")
    return _link(there._replace(path=there.path.removeprefix(here.path))) if same else NOWHERE


def _link(parts: SplitResult) -> Link:
    return Link(parts.path, dict(parse_qsl(parts.query)), parts.fragment)


def only(pattern: str, text: str) -> str | None:
    """The group of a pattern which all of `text` fits."""
    found = re.fullmatch(pattern, text, re.ASCII)
    return found[1] if found and len(found[1]) <= LONGEST else None
