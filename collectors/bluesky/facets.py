"""Without facets, addresses and names in a text are no links."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from collectors.bluesky.shapes import Profile

BRACKETS = r"""\([^\s<>"«»“”()]*\)"""
"""A pair of them belongs to the address: https://example.test/Bank_(Almaty)."""
LINK = re.compile(rf"""https?://(?:{BRACKETS}|(?!{BRACKETS})[^\s<>"«»“”])*(?:{BRACKETS}|[^\s<>"«»“”.,;:!?'’…()\[\]])""")
NAME = re.compile(r"(?<![\w@./])@((?:[a-z0-9][a-z0-9-]*\.)+[a-z][a-z0-9-]*)", re.IGNORECASE | re.ASCII)


async def facets(text: str, author: Profile, did_of: Callable[[str], Awaitable[str]]) -> list[dict[str, Any]]:
    """`author`: of the post that is answered. `did_of`: a handle's DID, "" for none."""
    links = list(LINK.finditer(text))
    found = [_facet(text, link, "link", uri=link[0]) for link in links]
    for name in NAME.finditer(text):
        if any(link.start() <= name.start() < link.end() for link in links):
            continue
        handle = name[1].lower()
        did = author.did if handle == author.handle.lower() else await did_of(handle)
        found += [_facet(text, name, "mention", did=did)] if did else []
    return found


def _facet(text: str, found: re.Match[str], kind: str, **feature: str) -> dict[str, Any]:
    """Places are counted in bytes of UTF-8."""
    start, end = (len(text[:place].encode("utf-8", "surrogatepass")) for place in found.span())
    features = [{"$type": f"app.bsky.richtext.facet#{kind}", **feature}]
    return {"index": {"byteStart": start, "byteEnd": end}, "features": features}
