"""A reply that a person posted by hand is looked for on the page they name; what comes of it is a line on the card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.faults.odd import odd
from tests.scenarios.conftest import Opened
from tests.scenarios.test_before_posting import settled
from tests.scenarios.test_brought import TWO_WAYS, WORDS, add, approved
from tests.scenarios.world import World


@dataclass
class Board:
    """A board of reviews on this machine. `forbids`: its robots.txt lets no programs in."""

    url: str = ""
    page: str = "<p>Nothing here yet, but whoever waits long enough will see an answer</p>"
    forbids: bool = False
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path == "/robots.txt":
            return web.Response(text=f"User-agent: *\nDisallow: {'/' if self.forbids else ''}")
        return web.Response(text=self.page, content_type="text/html")


@asynccontextmanager
async def a_board() -> AsyncIterator[Board]:
    board = Board()
    async with odd(board.answer) as site:
        board.url = site.url
        yield board


@pytest.fixture
def nothing_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board of these tests stands where the desk would never look."""
    monkeypatch.setattr("collectors.net.is_public", lambda address: True)


async def looked(w: World, board: Board, words: str) -> Any:
    """Anna posts a reply by hand; the desk looks at the page she names and says `words` on the card."""
    await add(w.staff, "anna", "https://otzovik.com/review_1.html Cold coffee")
    await w.staff.thread(1)
    await approved(w, 1)
    await w.state(1, "manual")
    await w.until(lambda: any("paid or verified account" in text for text in w.staff.texts(1)), what="what to know")
    await w.staff.press("anna", 1, "I posted it", proof=f"{board.url}/review/1")
    await w.state(1, "answered")
    await w.until(lambda: any("not verified yet" in text for text in w.staff.texts(1)))
    await settled(w)
    said, told = w.staff.posted(), w.client.posted()
    await w.hasten("watch:1")
    await w.until(lambda: any(words in text for text in w.staff.texts(1)), what=words)
    assert (w.staff.posted(), w.client.posted()) == (said, told), "a line on the card is no message"
    return await w.state(1, "answered")


@TWO_WAYS
@pytest.mark.usefixtures("nothing_is_inside")
async def test_a_reply_that_stands_on_its_page_is_read_back(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w, a_board() as board:
        board.page += f"<div>{WORDS}</div>"
        case = await looked(w, board, "the approved text stands there")
        assert case.reply.verified
        assert board.asked == ["/robots.txt", "/review/1"]
        assert (await w.events(1))[-1] == "page_seen"


@pytest.mark.usefixtures("nothing_is_inside")
async def test_a_reply_that_is_not_there_leaves_the_case_answered_and_says_so(desk: Opened) -> None:
    async with desk(staff="telegram", client="slack", rush=True) as w, a_board() as board:
        case = await looked(w, board, "the approved text was not found there")
        assert not case.reply.verified


@pytest.mark.usefixtures("nothing_is_inside")
async def test_a_site_that_forbids_it_is_not_read_and_staff_are_told_why(desk: Opened) -> None:
    async with desk(staff="telegram", client="slack", rush=True) as w, a_board() as board:
        board.forbids = True
        await looked(w, board, "the site lets no programs read it")
        assert board.asked == ["/robots.txt"]


async def test_a_page_inside_the_network_is_not_asked_for(desk: Opened) -> None:
    async with desk(staff="telegram", client="slack", rush=True) as w, a_board() as board:
        await looked(w, board, "its address is not a public one")
        assert board.asked == []
