"""One look at a public page: whether the text that a person posted there stands on it. Polite, and never inside."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import httpx
from protego import Protego

from collectors.bodies import MEGABYTE, TooBig, body
from collectors.http import HOPS, REDIRECTS, TOTAL
from collectors.net import FOREIGN, Inside
from collectors.text import fold, fold_typography, plain

NAME = "Replydesk"
"""As robots.txt may call us."""
WHO = f"{NAME} (looks once whether a reply that a person has just posted stands on this page)"
NOTHING = "User-agent: *\nDisallow: /"
CLOSED, CROWDED, BROKEN = (401, 403), 429, 500
STATUS = {401: "login", 404: "no_page", 407: "login", 410: "no_page"}
GATES = {
    "login": re.compile(r"\blog[-_]?in\b|\bsign[-_]?in\b|\bo?auth\b|\bpassport\b", re.IGNORECASE),
    "turned_away": re.compile(r"captcha", re.IGNORECASE),
}
"""Addresses to which a site sends those whom it does not let in, by what they say."""
WORDS = re.compile(r"text/|application/(?:xhtml|xml|json)|$")
"""Kinds of content that hold words; a person may as well have named a picture."""
UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
"""Signs that say where a word may be broken; sites put them into what people wrote."""
CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)


class Unread(Exception):
    """The page stays unread; `str()` is a `cause_page_…` of handlers/words."""


class Got(NamedTuple):
    url: str
    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def target(self) -> str | None:
        """Where it sends us on."""
        there = self.headers.get("location")
        return urljoin(self.url, there) if self.status in REDIRECTS and there else None

    @property
    def text(self) -> str:
        """Old boards write windows-1251, and many say so in the page alone."""
        head = self.content[:2048].decode("ascii", "replace")
        named = CHARSET.search(self.headers.get("content-type", "")) or CHARSET.search(head)
        try:
            return self.content.decode(named[1] if named else "utf-8", "replace")
        except (LookupError, UnicodeError):
            return self.content.decode("utf-8", "replace")


May = Callable[[str], Awaitable[None]]
"""Raises Unread where an address may not be asked for."""


class PageReader:
    """`http` stays the caller's to close; of its ways out the one for foreign addresses is taken. `who`: what it says
    of itself; `largest`: bytes of a page."""

    def __init__(self, http: httpx.AsyncClient, who: str = WHO, largest: int = MEGABYTE) -> None:
        self._http = http
        self._headers = {"User-Agent": who, "Accept": "text/html, text/plain;q=0.8"}
        self._largest = largest

    async def shows(self, url: str, text: str) -> str:
        """Whether it is "seen" or "absent", or why the page could not be read. Whatever a site does, it answers."""
        try:
            async with asyncio.timeout(2 * TOTAL):
                page = await self.page(url)
        except Unread as no:
            return str(no)
        except Inside:
            return "inside"
        except TooBig:
            return "too_long"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError):
            return "no_answer"
        return await asyncio.to_thread(_found, page.text, text)

    async def page(self, url: str) -> Got:
        """A page of words, at the end of its redirects. Raises Unread, Inside, TooBig and what httpx has."""
        known: dict[str, Protego] = {}

        async def may(address: str) -> None:
            host = httpx.URL(address).host
            if host not in known:
                known[host] = await self._robots(address)
            if not known[host].can_fetch(address, NAME):
                raise Unread("robots")

        page = await self._followed(url, may)
        if not 200 <= page.status < 300:
            raise Unread(STATUS.get(page.status, "no_answer" if page.status >= BROKEN else "turned_away"))
        if not WORDS.match(page.headers.get("content-type", "").strip().lower()):
            raise Unread("no_text")
        return page

    async def _robots(self, url: str) -> Protego:
        """Where there is no such file all is allowed; where it is kept from us nothing is, nor while it is away."""
        answer = await self._followed(urljoin(url, "/robots.txt"), _anything)
        if answer.status == CROWDED or answer.status >= BROKEN:
            raise Unread("no_answer")
        text = answer.text if answer.status < 300 else NOTHING if answer.status in CLOSED else ""
        return Protego.parse(text.removeprefix("\ufeff"))

    async def _followed(self, url: str, may: May) -> Got:
        for _ in range(HOPS):
            await may(url)
            got = await self._get(url)
            if got.target is None:
                return got
            url = got.target
            _let_in(url)
        raise Unread("turned_away")

    async def _get(self, url: str) -> Got:
        request = self._http.build_request("GET", _sound(url), headers=self._headers, extensions={FOREIGN: True})
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            content = await body(response, self._largest)
        finally:
            await response.aclose()
        return Got(str(request.url), response.status_code, response.headers, content)


async def _anything(_url: str) -> None:
    return None


def _sound(url: str) -> httpx.URL:
    """Raises ValueError for a port that is none: connecting to it fails in no way that a caller would expect."""
    return httpx.URL(url, port=urlsplit(url).port)


def _let_in(url: str) -> None:
    """Raises Unread where a redirect does not lead to a page."""
    why = next((why for why, gate in GATES.items() if gate.search(url)), None)
    if why is not None or httpx.URL(url).scheme not in ("http", "https"):
        raise Unread(why or "turned_away")


def _found(page: str, text: str) -> str:
    """A page with fewer words than the text itself is a picture, or is put together by a browser only."""
    words, wanted = _folded(plain(page)), _folded(text)
    if wanted in words:
        return "seen"
    return "absent" if len(words) >= len(wanted) else "no_text"


def _folded(text: str) -> str:
    return fold(fold_typography(text.translate(UNSEEN)))
