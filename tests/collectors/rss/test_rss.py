from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import httpx
import pytest

from collectors.rss import Rss, Settings, account_of, unwrapped
from desk.errors import BadAnswer, Refused
from desk.mention import Mention
from tests.collectors.wire import NOW, Wire, answers, now

DATA = Path(__file__).parent / "data"
SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    wire: Wire
    feed: Rss
    body: bytes = b""
    etag: str = ""

    def serve(self, request: httpx.Request) -> httpx.Response:
        if self.etag and request.headers.get("If-None-Match") == self.etag:
            return httpx.Response(304)
        headers = {"ETag": self.etag, "Last-Modified": "Mon, 23 Nov 2026 08:15:00 GMT"}
        return httpx.Response(200, content=self.body, headers=headers)

    async def read(self) -> list[Mention]:
        return (await self.feed.read(None, SINCE)).mentions


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    wire = Wire(lambda _request: httpx.Response(500))
    async with wire.client() as http:
        feed = Rss(Settings(url="https://news.test/feed?key=hidden"), "bank", "bank-rss", http, now)
        bench = Bench(wire, feed)
        wire.serve = bench.serve
        yield bench


def rss(*items: str, head: str = "<?xml version='1.0' encoding='utf-8'?>") -> str:
    return f"{head}<rss version='2.0'><channel><title>t</title>{''.join(items)}</channel></rss>"


async def test_a_google_alert_gives_the_page_itself_and_plain_words(bench: Bench) -> None:
    bench.body = (DATA / "alerts.xml").read_bytes()
    (mention,) = await bench.read()

    assert mention.key.external_id == "tag:google.com,2013:googlealerts/feed:123"
    assert mention.url == "https://news.test/a?id=1"
    assert mention.site == "news.test"
    assert mention.title == "Client sues Acme Bank & wins"
    assert mention.text == "Court backs Acme client ..."
    assert mention.published_at == datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
    assert mention.kind == "article"


async def test_items_without_id_date_or_link_are_told_apart(bench: Bench) -> None:
    bench.body = (DATA / "media.xml").read_bytes()
    by_title = {m.title: m for m in await bench.read()}

    assert by_title["Банк опять"].key.external_id == "https://news.test/1"
    assert by_title["Банк опять"].text == "Первый абзац.\n\nВторой со ссылкой."
    assert by_title["Банк опять"].published_at == datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
    assert by_title["Банк опять"].lang == "ru"
    assert (by_title["Без даты"].key.external_id, by_title["Без даты"].published_at) == ("x-1", None)
    assert by_title["Без даты"].text == "Без даты"
    assert len(by_title["Без ссылки"].key.external_id) == 32
    assert by_title["Дата испорчена"].published_at is None
    assert by_title["Дата испорчена"].url == ""


async def test_a_feed_that_did_not_change_is_asked_for_politely(bench: Bench) -> None:
    bench.body, bench.etag = (DATA / "media.xml").read_bytes(), '"v1"'
    first = await bench.feed.read(None, SINCE)
    second = await bench.feed.read(first.cursor, SINCE)

    assert (second.mentions, second.cursor) == ([], first.cursor)
    assert bench.wire.seen[1].headers["If-None-Match"] == '"v1"'
    assert bench.wire.seen[1].headers["If-Modified-Since"] == "Mon, 23 Nov 2026 08:15:00 GMT"


async def test_only_new_and_changed_items_are_reported(bench: Bench) -> None:
    item = "<item><guid>{0}</guid><title>{1}</title></item>"
    bench.body = rss(item.format(1, "one"), item.format(2, "two")).encode()
    cursor = (await bench.feed.read(None, SINCE)).cursor
    bench.body = rss(item.format(1, "one"), item.format(2, "changed"), item.format(3, "three")).encode()
    mentions = (await bench.feed.read(cursor, SINCE)).mentions

    assert [m.title for m in mentions] == ["changed", "three"]


async def test_a_feed_that_was_empty_for_once_does_not_make_old_items_news(bench: Bench) -> None:
    item = "<item><guid>{0}</guid><title>{0}</title><pubDate>Fri, 20 Nov 2020 08:15:00 GMT</pubDate></item>"
    items = [item.format(n) for n in range(50)]
    bench.body = rss(*items).encode()
    first = await bench.feed.read(None, SINCE)
    bench.body = rss().encode()
    empty = await bench.feed.read(first.cursor, SINCE)
    bench.body = rss(*items).encode()
    again = await bench.feed.read(empty.cursor, SINCE)

    assert first.mentions == again.mentions == []


async def test_what_was_seen_is_remembered_in_a_small_cursor(bench: Bench) -> None:
    item = "<item><guid>{0}</guid><title>{0}</title></item>"
    cursor: str | None = None
    for day in range(100):
        bench.body = rss(*(item.format(day * 20 + n) for n in range(40))).encode()
        cursor = (await bench.feed.read(cursor, SINCE)).cursor

    assert cursor is not None
    assert len(cursor) < 30_000


async def test_a_feed_that_took_anothers_place_is_read_from_its_beginning(bench: Bench) -> None:
    """Its old items are no news, and its validators are its own."""
    item = "<item><guid>{0}</guid><title>{0}</title><pubDate>{1}</pubDate></item>"
    bench.body, bench.etag = rss(item.format(1, "Mon, 23 Nov 2026 08:15:00 GMT")).encode(), '"v1"'
    cursor = (await bench.feed.read(None, SINCE)).cursor
    old, new = "Fri, 20 Nov 2020 08:15:00 GMT", "Sun, 22 Nov 2026 08:15:00 GMT"
    bench.body = rss(item.format("old", old), item.format("new", new)).encode()
    wire = Wire(bench.serve)
    async with wire.client() as shared:
        other = Rss(Settings(url="https://other.test/feed"), "bank", "bank-rss", shared, now)
        mentions = (await other.read(cursor, SINCE)).mentions

    assert [m.title for m in mentions] == ["new"]
    assert not {"If-None-Match", "If-Modified-Since"} & {name.title() for name in wire.seen[0].headers}


@pytest.mark.parametrize("where", ["<guid>{}</guid>", "<link>{}</link>"])
async def test_an_endless_id_is_kept_short_and_apart_from_others(bench: Bench, where: str) -> None:
    """PostgreSQL takes no key longer than 2,704 bytes, and refuses the whole poll for one."""
    ids = [f"https://news.test/{'a' * 5000}{n}" for n in range(2)]
    bench.body = rss(*(f"<item>{where.format(long)}<title>t</title></item>" for long in ids)).encode()
    found = {m.key.external_id for m in await bench.read()}

    assert len(found) == 2
    assert all(len(one) <= 2_000 for one in found)


async def test_russian_in_windows_1251_is_read(bench: Bench) -> None:
    head = "<?xml version='1.0' encoding='windows-1251'?>"
    bench.body = rss("<item><guid>1</guid><title>Жалоба</title></item>", head=head).encode("windows-1251")

    assert (await bench.read())[0].title == "Жалоба"


async def test_an_article_is_quoted_not_kept(bench: Bench) -> None:
    bench.body = rss(f"<item><guid>1</guid><title>t</title><description>{'слово ' * 500}</description></item>").encode()
    (mention,) = await bench.read()

    assert 990 < len(mention.text) <= 1000
    assert mention.text.endswith("…")


async def test_a_description_is_html_even_where_it_hardly_looks_so(bench: Bench) -> None:
    words = escape('In reply to <a href="https://news.test/1">Айгуль</a>. Нет &#8212; «да»', quote=False)
    bench.body = rss(f"<item><guid>1</guid><title>t</title><description>{words}</description></item>").encode()

    assert (await bench.read())[0].text == "In reply to Айгуль. Нет — «да»"


async def test_of_a_comment_the_content_is_taken_not_the_excerpt(bench: Bench) -> None:
    """As WordPress gives them: markup in the excerpt is escaped twice."""
    item = (
        "<item><guid>1</guid><title>t</title><description>In reply to &amp;lt;a&amp;gt;. Очень</description>"
        "<content:encoded xmlns:content='http://purl.org/rss/1.0/modules/content/'>"
        "<![CDATA[<p>In reply to <a href='x'>Айгуль</a>.</p><p>Очень плохо</p>]]></content:encoded></item>"
    )
    wire = Wire(lambda _request: httpx.Response(200, content=rss(item).encode()))
    async with wire.client() as shared:
        feed = Rss(Settings(url="https://news.test/feed", kind="comment"), "bank", "bank-rss", shared, now)
        (mention,) = (await feed.read(None, SINCE)).mentions

    assert mention.text == "In reply to Айгуль.\n\nОчень плохо"


async def test_an_update_without_publication_is_known_as_such(bench: Bench) -> None:
    bench.body = (
        b"<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title><entry><id>1</id><title>x</title>"
        b"<updated>2026-11-23T08:15:00Z</updated></entry></feed>"
    )
    (mention,) = await bench.read()

    assert mention.published_at == datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
    assert mention.last_modified_only


async def test_a_body_that_names_a_local_file_is_not_opened(bench: Bench, tmp_path: Path) -> None:
    feed = tmp_path / "feed.xml"
    feed.write_text(rss("<item><guid>1</guid><title>stolen</title></item>"))
    bench.body = str(feed).encode()

    with pytest.raises(BadAnswer, match="not a feed"):
        await bench.read()


async def test_entities_that_multiply_stay_small(bench: Bench) -> None:
    levels = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(8))
    bench.body = rss(
        "<item><guid>1</guid><title>&a8;</title></item>",
        head=f"<?xml version='1.0'?><!DOCTYPE rss [<!ENTITY a0 'ha'>{levels}]>",
    ).encode()

    assert all(len(m.title) < 1000 for m in await bench.read())


async def test_a_feed_may_move_to_another_host(bench: Bench) -> None:
    bench.body = rss("<item><guid>1</guid><title>x</title></item>").encode()
    moved = answers(301, location="https://new.test/feed")
    bench.wire.fails(moved, lambda request: request.url.host == "news.test")

    assert len(await bench.read()) == 1
    assert bench.wire.seen[-1].url == "https://new.test/feed"


async def test_a_redirect_to_a_file_is_not_followed(bench: Bench) -> None:
    bench.wire.fails(answers(302, location="file:///etc/passwd"))

    with pytest.raises(Refused):
        await bench.read()


async def test_a_feed_cannot_be_answered(bench: Bench) -> None:
    bench.body = (DATA / "media.xml").read_bytes()
    mention = (await bench.read())[0]

    for attempt in (
        bench.feed.look(mention),
        bench.feed.reply(mention, "x", "k"),
        bench.feed.edit(mention, "1", "x"),
        bench.feed.delete(mention, "1"),
    ):
        with pytest.raises(Refused):
            await attempt


def test_the_account_does_not_show_the_feeds_key() -> None:
    assert account_of("https://news.test/feed?key=hidden").startswith("news.test#")
    assert "hidden" not in account_of("https://news.test/feed?key=hidden")


LINKS = [
    ("https://www.google.com/url?url=https://a.test/x%3Fp%3D1&ct=ga", "https://a.test/x?p=1"),
    ("https://www.google.kz/url?q=http://a.test/", "http://a.test/"),
    ("https://www.google.com/url?url=javascript:alert(1)", ""),
    ("https://www.google.com/url", ""),
    ("https://a.test/url?url=https://b.test/", "https://a.test/url?url=https://b.test/"),
    ("https://a.test/x?utm_source=y&id=2&fbclid=z#part", "https://a.test/x?id=2#part"),
    ("https://a.test/x?a=%20b&c", "https://a.test/x?a=%20b&c"),
    ("http://[broken", ""),
    ("", ""),
]


@pytest.mark.parametrize(("link", "expected"), LINKS)
def test_links_are_unwrapped(link: str, expected: str) -> None:
    assert unwrapped(link) == expected
