"""Lists that show the newest first: nothing is missed, whatever the list does between two polls."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.pages import Cursor, Item, Page, newest_first
from desk.errors import Refused
from desk.mention import Mention, MentionKey
from tests.collectors.wire import NOW, now

SINCE = NOW - timedelta(days=2)
HOUR = timedelta(hours=1)


def item(number: int, at: datetime) -> Item:
    return Item(at, Mention(MentionKey("bank", "site", "a", str(number)), "s", f"n{number}", published_at=at))


class Site:
    def __init__(self, size: int = 3) -> None:
        self.items: list[Item] = []
        self.size = size
        self.asked: list[str] = []
        self.forgetful = False

    async def read(self, page: str) -> Page:
        self.asked.append(page)
        if page and self.forgetful:
            raise Refused("this page is too old")
        newest = sorted(self.items, key=lambda one: one.changed, reverse=True)
        start = int(page or 0)
        end = start + self.size
        return Page(newest[start:end], str(end) if end < len(newest) else "")

    async def poll(self, cursor: str | None, most: int = 10) -> tuple[set[str], str]:
        batch = await newest_first(self.read, cursor, SINCE, now=now, overlap=HOUR, most=most)
        return {mention.key.external_id for mention in batch.mentions}, batch.cursor


@settings(max_examples=50)
@given(st.lists(st.integers(0, 60 * 47), min_size=1, max_size=40), st.integers(1, 7), st.integers(1, 4))
async def test_polls_that_end_early_miss_nothing(minutes: list[int], size: int, most: int) -> None:
    site = Site(size)
    site.items = [item(n, SINCE + timedelta(minutes=m)) for n, m in enumerate(minutes)]
    found: set[str] = set()
    cursor: str | None = None
    for _ in range(len(minutes) + 2):
        more, cursor = await site.poll(cursor, most)
        found |= more
    assert found == {str(n) for n in range(len(minutes))}


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 300), max_size=6), min_size=1, max_size=6))
async def test_what_comes_between_two_polls_is_found(waves: list[list[int]]) -> None:
    site, found, cursor, number = Site(), set[str](), None, 0
    for place, wave in enumerate(waves):
        for seconds in wave:
            site.items.append(item(number, SINCE + HOUR * place + timedelta(seconds=seconds)))
            number += 1
        more, cursor = await site.poll(cursor)
        found |= more
    assert found == {str(n) for n in range(number)}


async def test_a_quiet_poll_stops_at_the_first_page_that_is_wholly_known() -> None:
    site = Site()
    site.items = [item(n, NOW - HOUR * (n + 2)) for n in range(30)]
    _, cursor = await site.poll(None)
    site.asked.clear()
    await site.poll(cursor)

    assert site.asked == ["", "3"]


@pytest.mark.parametrize("most", [10, 1], ids=["a finished poll", "an unfinished one"])
async def test_a_later_poll_goes_no_further_back_than_the_first_one(most: int) -> None:
    """The first poll alone is quiet: what lies before it would come as news."""
    site = Site(size=10 if most == 10 else 2)
    site.items = [item(n, SINCE + timedelta(minutes=20 * n)) for n in range(-5, 3)]
    found, cursor = await site.poll(None, most)
    for _ in range(3):
        more, cursor = await site.poll(cursor, most)
        found |= more
    assert found == {"0", "1", "2"}


async def test_a_mark_that_grew_too_old_means_the_newest_page() -> None:
    site = Site()
    site.items = [item(n, NOW - timedelta(minutes=n)) for n in range(9)]
    _, cursor = await site.poll(None, most=1)
    assert Cursor.of(cursor, SINCE).page == "3"
    site.forgetful = True
    found, _ = await site.poll(cursor, most=1)

    assert found == {"0", "1", "2"}


async def test_a_page_that_names_itself_as_the_next_is_the_last_one() -> None:
    site = Site(size=3)
    site.items = [item(n, NOW - timedelta(minutes=n)) for n in range(9)]
    read = site.read

    async def stuck(page: str) -> Page:
        shown = await read(page)
        return shown._replace(next=page) if page == "6" else shown

    site.read = stuck  # type: ignore[method-assign]
    _, cursor = await site.poll(None)
    site.items.append(item(9, NOW))
    found, _ = await site.poll(cursor)

    assert "9" in found


async def test_a_newest_page_that_is_refused_is_refused() -> None:
    site = Site()
    site.forgetful = True
    site.items = []

    async def no(page: str) -> Page:
        raise Refused("no right to read")

    with pytest.raises(Refused):
        await newest_first(no, None, SINCE, now=now, overlap=HOUR)
