from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from pydantic import ValidationError

from collectors import hacker_news
from collectors.hacker_news import HackerNews, Settings
from collectors.pages import PAGES
from desk.errors import BadAnswer, Refused
from desk.mention import Mention
from tests.collectors.hacker_news.fake import Search
from tests.collectors.wire import NOW, Wire, now

SINCE = NOW - timedelta(days=2)


@dataclass
class Bench:
    site: Search
    wire: Wire
    news: HackerNews

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.news.read(cursor, SINCE)).mentions


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    site = Search()
    wire = Wire(site.serve)
    async with wire.client() as http:
        yield Bench(site, wire, HackerNews(site.settings, "bank", "bank-hn", http, now))


def matched(**levels: str) -> dict[str, object]:
    return {name: {"value": "…", "matchLevel": level, "matchedWords": []} for name, level in levels.items()}


async def test_a_comment_is_plain_words_with_a_link_to_it_and_to_its_parent(bench: Bench) -> None:
    number = bench.site.publish("x", comment_text="Acme is <i>slow</i>.<p>It&#x27;s &quot;fixed&quot;?")
    (mention,) = await bench.read()

    assert mention.text == 'Acme is slow.\n\nIt\'s "fixed"?'
    assert (mention.kind, mention.title, mention.item) == ("comment", "", "Ask HN: banks?")
    assert mention.url == f"https://news.ycombinator.com/item?id={number}"
    assert mention.parent_id == "46000000"
    assert mention.parent_url == "https://news.ycombinator.com/item?id=46000000"
    assert (mention.author.id, mention.author.url) == ("user1", "https://news.ycombinator.com/user?id=user1")


def story(site: Search, title: str, text: str | None = None, url: str | None = None) -> None:
    empty = {"comment_text": None, "parent_id": None, "story_title": None, "_tags": ["story"]}
    site.publish("", **{**empty, "title": title, "story_text": text, "url": url})


async def test_a_story_that_is_only_a_link_says_its_title(bench: Bench) -> None:
    story(bench.site, "Acme went down", url="https://news.test/acme")
    (mention,) = await bench.read()

    assert (mention.kind, mention.title, mention.text) == ("post", "Acme went down", "Acme went down")
    assert (mention.item, mention.parent_id, mention.parent_url) == ("https://news.test/acme", "", "")


async def test_a_story_with_words_keeps_its_title_apart(bench: Bench) -> None:
    story(bench.site, "Ask HN: Acme?", text="Why is <b>Acme</b> down")
    (mention,) = await bench.read()

    assert (mention.title, mention.text) == ("Ask HN: Acme?", "Why is Acme down")


async def test_a_comment_that_only_stands_under_a_fitting_story_is_no_mention(bench: Bench) -> None:
    bench.site.publish("+1", _highlightResult=matched(comment_text="none", story_title="full", author="none"))
    about = bench.site.publish("Acme", _highlightResult=matched(comment_text="full", story_title="none"))
    linked = bench.site.publish("", title="x", _highlightResult=matched(title="none", url="partial"))

    assert {m.key.external_id for m in await bench.read()} == {about, linked}


def words(**found: str) -> dict[str, object]:
    """What matched where, of the query "acme bank"."""
    levels = {0: "none", 1: "partial", 2: "full"}
    named = {name: said.split() for name, said in found.items()}
    return {n: {"value": "…", "matchLevel": levels[len(w)], "matchedWords": w} for n, w in named.items()}


async def test_words_of_which_the_story_above_says_some_are_no_mention(bench: Bench) -> None:
    bench.site.publish("My bank", _highlightResult=words(comment_text="bank", story_title="acme bank", author=""))
    bench.site.publish("My bank", _highlightResult=words(comment_text="bank", story_title="", author="acme"))
    whole = bench.site.publish("Acme Bank", _highlightResult=words(comment_text="acme bank", story_title="bank"))
    shared = bench.site.publish("", title="x", _highlightResult=words(title="acme", story_text="bank"))

    assert {m.key.external_id for m in await bench.read()} == {whole, shared}


async def test_what_the_brand_itself_writes_is_no_mention_in_whatever_letters(bench: Bench) -> None:
    bench.site.publish("Ours", author="ACME_official")

    assert await bench.read() == []


async def test_two_queries_of_a_brand_name_an_item_alike(bench: Bench) -> None:
    bench.site.publish("Acme")
    async with bench.wire.client() as http:
        other = HackerNews(Settings(query='"acme bank"'), "bank", "bank-hn-2", http, now)
        second = (await other.read(None, SINCE)).mentions

    assert [m.key for m in second] == [m.key for m in await bench.read()]


async def test_more_than_a_thousand_hits_are_read_by_windows_of_time(bench: Bench) -> None:
    for n in range(1_250):
        bench.site.publish(f"Acme {n}", NOW - timedelta(seconds=n // 3))

    assert len({m.key.external_id for m in await bench.read()}) == 1_250
    assert not [r for r in bench.wire.seen if r.url.params.get("page")]


async def test_a_second_that_fills_a_window_does_not_stop_the_reading(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hacker_news, "PAGE", 3)
    for _ in range(3):
        bench.site.publish("Acme", NOW)
    older = bench.site.publish("Acme", NOW - timedelta(seconds=1))

    assert older in {m.key.external_id for m in await bench.read()}


async def test_a_poll_is_bounded_and_the_next_one_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hacker_news, "PAGE", 2)
    all_of_them = {bench.site.publish("Acme", NOW - timedelta(minutes=n)) for n in range(PAGES + 5)}
    first = await bench.news.read(None, SINCE)
    asked = len(bench.wire.seen)
    second = await bench.news.read(first.cursor, SINCE)

    assert asked == PAGES
    assert {m.key.external_id for m in (*first.mentions, *second.mentions)} == all_of_them


async def test_an_edit_within_two_hours_is_found_again(bench: Bench) -> None:
    number = bench.site.publish("Acme is fine", NOW - timedelta(minutes=100))
    bench.site.publish("Newer")
    batch = await bench.news.read(None, SINCE)
    bench.site.items[number]["comment_text"] = "Acme is down"

    assert {m.key.external_id: m.text for m in await bench.read(batch.cursor)}[number] == "Acme is down"


async def test_a_later_poll_asks_only_for_what_is_new(bench: Bench) -> None:
    bench.site.publish("Old", NOW - timedelta(hours=30))
    bench.site.publish("New")
    batch = await bench.news.read(None, SINCE)

    assert [m.text for m in await bench.read(batch.cursor)] == ["New"]
    asked = bench.wire.seen[-1].url.params["numericFilters"]
    assert asked == f"created_at_i>={int((NOW - timedelta(hours=2)).timestamp())}"


async def test_one_unreadable_hit_harms_only_itself(bench: Bench) -> None:
    bench.site.publish("Broken", created_at_i="soon")
    good = bench.site.publish("Good")
    bench.wire.serve = lambda _request: httpx.Response(200, json={"hits": list(bench.site.items.values())})
    batch = await bench.news.read(None, SINCE)

    assert [m.key.external_id for m in batch.mentions] == [good]
    assert "1 of 2" in batch.note


async def test_a_404_that_is_not_algolias_own_is_a_bad_answer(bench: Bench) -> None:
    bench.wire.serve = lambda _request: httpx.Response(404, content=b"<html>maintenance</html>")

    with pytest.raises(BadAnswer):
        await bench.read()


async def test_there_is_no_answering_by_program(bench: Bench) -> None:
    bench.site.publish("Acme")
    (mention,) = await bench.read()

    with pytest.raises(Refused, match="a person does it"):
        await bench.news.reply(mention, "Hello", "k1")


def test_a_query_of_nothing_is_a_fault() -> None:
    with pytest.raises(ValidationError, match="query"):
        Settings(query="  ")
