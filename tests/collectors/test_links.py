"""Addresses of single items, as people copy them from each platform, and the ids that the platform's `read` gives them.

That these are the ids `read` gives is shown by tests/contracts/test_platforms.py, with the platforms' own addresses.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import PLATFORMS
from collectors.links import LONGEST, NOWHERE, link_below, link_to, only
from collectors.settings import SourceSettings
from desk.mention import Mention
from tests.collectors.vk import fake as vk
from tests.collectors.wire import NOW, Wire, now

PLAY = "https://play.google.com/store/apps/details"
WALL = f"https://vk.com/wall-{vk.GROUP}"

LINKS = {
    "bluesky": [
        ("https://bsky.app/profile/did:plc:aigul/post/3kabc", "at://did:plc:aigul/app.bsky.feed.post/3kabc"),
        ("https://bsky.app/profile/aigul.bsky.social/post/3kabc", None),
        ("https://bsky.app/profile/did:plc:aigul", None),
        ("https://bsky.app.evil.test/profile/did:plc:aigul/post/3kabc", None),
    ],
    "discourse": [
        ("https://forum.test/p/77", "77"),
        ("https://forum.test/p/77/5", "77"),
        ("https://forum.test/t/cold-coffee/12/3", None),
        ("https://other.test/p/77", None),
        ("https://forum.test.evil.test/p/77", None),
        ("https://sub.forum.test/p/77", None),
        ("https://forum.test/p/seven", None),
    ],
    "facebook": [
        ("https://www.facebook.com/acme/posts/12?comment_id=34", "12_34"),
        ("https://m.facebook.com/acme/posts/12/?comment_id=34&reply_comment_id=56", "12_56"),
        ("https://www.facebook.com/1000/posts/12?comment_id=34", "12_34"),
        ("https://www.facebook.com/acme/posts/some-words/12/?comment_id=34&__tn__=R", "12_34"),
        ("https://www.facebook.com/permalink.php?story_fbid=12&id=1000&comment_id=34", "12_34"),
        ("https://www.facebook.com/permalink.php?story_fbid=12&id=1000", "1000_12"),
        ("https://www.facebook.com/1000/posts/12", "1000_12"),
        ("https://www.facebook.com/1000_12", "1000_12"),
        ("https://www.facebook.com/acme/posts/12", None),
        ("https://www.facebook.com/2000/posts/12?comment_id=34", None),
        ("https://www.facebook.com/permalink.php?story_fbid=12&id=2000&comment_id=34", None),
        ("https://www.facebook.com/permalink.php?story_fbid=pfbid0Ab&id=1000&comment_id=34", None),
        ("https://www.facebook.com/1000/posts/12?comment_id=Y29tbWVudDox", None),
        ("https://www.facebook.com/acme/posts/pfbid0Ab?comment_id=34", None),
        ("https://www.facebook.com/acme/", None),
    ],
    "google_play": [
        (f"{PLAY}?id=kz.bank.app&reviewId=gp%3A1", "gp:1"),
        (f"{PLAY}?reviewId=f0e1-22&hl=ru&id=kz.bank.app", "f0e1-22"),
        (f"{PLAY}?id=kz.other.app&reviewId=gp%3A1", None),
        (f"{PLAY}?id=kz.bank.app", None),
        ("https://play.google.com/store/books/details?id=kz.bank.app&reviewId=1", None),
    ],
    "hacker_news": [
        ("https://news.ycombinator.com/item?id=46000001", "46000001"),
        ("https://news.ycombinator.com/item?id=46000001#46000002", "46000001"),
        ("https://news.ycombinator.com/user?id=46000001", None),
        ("https://news.ycombinator.com/item?id=x", None),
        ("https://news.ycombinator.com/item", None),
    ],
    "mastodon": [
        ("https://mas.test/@zhanna/115", "115"),
        ("https://mas.test/@zhanna@far.test/115", "115"),
        ("https://mas.test/users/zhanna/statuses/115", "115"),
        ("https://mas.test/web/statuses/115", "115"),
        ("https://mas.test/deck/@zhanna/115", "115"),
        ("https://far.test/@zhanna/115", None),
        ("https://mas.test/@zhanna", None),
        ("https://mas.test/@zhanna/115/embed/x", None),
    ],
    "ozon": [
        ("https://www.ozon.ru/product/160/?reviewUuid=0193-ab", "0193-ab"),
        ("https://ozon.kz/product/coffee-160/reviews/?page=2&reviewUuid=0193-ab", "0193-ab"),
        ("https://www.ozon.ru/product/160/", None),
        ("https://ozon.evil.test/product/160/?reviewUuid=0193-ab", None),
    ],
    "reddit": [
        ("https://www.reddit.com/r/kz/comments/1abc/bank/", "t3_1abc"),
        ("https://old.reddit.com/r/kz/comments/1abc", "t3_1abc"),
        ("https://www.reddit.com/comments/1abc/", "t3_1abc"),
        ("https://redd.it/1abc", "t3_1abc"),
        ("https://www.reddit.com/r/kz/comments/1abc/bank/xyz9/", None),
        ("https://i.redd.it/1abc", None),
        ("https://www.reddit.com/r/kz/s/AbCd", None),
    ],
    "telegram": [
        ("https://t.me/c/1000000777/15", "-1001000000777/15"),
        ("https://t.me/c/1000000777/3/15", "-1001000000777/15"),
        ("https://t.me/c/1000000777/15?thread=3", "-1001000000777/15"),
        ("https://t.me/c/1000000778/15", None),
        ("https://t.me/c/1000000777/15?comment=4", None),
        ("https://t.me/c/1000000777", None),
        ("https://t.me/bank_chat/15", None),
    ],
    "trustpilot": [
        ("https://www.trustpilot.com/reviews/65a1c0de00", "65a1c0de00"),
        ("https://de.trustpilot.com/reviews/65a1c0de00?utm_source=x", "65a1c0de00"),
        ("https://www.trustpilot.com/review/bank.kz", None),
    ],
    "vk": [
        (f"{WALL}_5", f"-{vk.GROUP}_5"),
        (f"{WALL}_5?reply=7", f"-{vk.GROUP}_5_7"),
        (f"{WALL}_5?reply=9&thread=7", f"-{vk.GROUP}_5_7_9"),
        (f"{WALL}_5?thread=7&reply=7", f"-{vk.GROUP}_5_7"),
        (f"https://m.vk.ru/wall-{vk.GROUP}_5?reply=9&thread=7#reply9", f"-{vk.GROUP}_5_7_9"),
        (f"https://vk.com/bank?w=wall-{vk.GROUP}_5", f"-{vk.GROUP}_5"),
        (f"https://vk.com/bank?w=wall-{vk.GROUP}_5_r7", None),
        (f"{WALL}_5?reply=x", None),
        (f"https://vk.com/wall-{vk.GROUP}0_5", None),
        ("https://vk.com/wall77_5", None),
        ("https://vk.com/video-1_5", None),
    ],
    "wordpress": [
        ("https://site.test/reviews/#comment-7", "7"),
        ("http://site.test/?p=4#comment-7", "7"),
        ("https://site.test/reviews/#comment-07", None),
        ("https://site.test/reviews/#respond", None),
        ("https://shop.site.test/reviews/#comment-7", None),
        ("https://site.test:8443/reviews/#comment-7", None),
    ],
    "x": [
        ("https://x.com/zhanna/status/1790000000000000001?s=20", "1790000000000000001"),
        ("https://twitter.com/zhanna/statuses/1790000000000000001/photo/1", "1790000000000000001"),
        ("https://mobile.twitter.com/i/web/status/1790000000000000001", "1790000000000000001"),
        ("https://x.com/zhanna", None),
    ],
    "youtube": [
        ("https://www.youtube.com/watch?v=vid-1&lc=Ugx_1-aB", "Ugx_1-aB"),
        ("https://www.youtube.com/watch?lc=Ugx_1-aB.9xY&v=vid-1", "Ugx_1-aB.9xY"),
        ("https://youtu.be/vid-1?lc=Ugx_1-aB", "Ugx_1-aB"),
        ("https://www.youtube.com/channel/UCbrand-0123/community?lc=Ugx_1-aB", "Ugx_1-aB"),
        ("https://www.youtube.com/channel/UCother/community?lc=Ugx_1-aB", None),
        ("https://www.youtube.com/watch?v=vid-1", None),
    ],
}
WITH = {name for name, entry in PLATFORMS.items() if hasattr(import_module(entry.module), "item")}


def settings_of(name: str) -> SourceSettings:
    settings: SourceSettings = import_module(f"tests.collectors.{name}.fake").Fake().settings
    return settings


@pytest.mark.parametrize(
    ("name", "url", "number"), [(name, url, number) for name, table in LINKS.items() for url, number in table]
)
def test_an_address_leads_to_the_id(name: str, url: str, number: str | None) -> None:
    settings = settings_of(name)
    if name == "discourse":
        settings = settings.model_copy(update={"api_base": "https://forum.test"})
    if name == "google_play":
        settings = settings.model_copy(update={"package": "kz.bank.app"})

    assert PLATFORMS[name].item(settings, url) == number


def test_each_platform_whose_links_carry_ids_has_its_addresses_here() -> None:
    assert set(LINKS) >= WITH


async def read(name: str, fake: Any) -> dict[str, Mention]:
    async with Wire(fake.serve).client() as http:
        platform = PLATFORMS[name].open(fake.settings, "bank", f"bank-{name}", http, now)
        batch = await platform.read(None, NOW - timedelta(days=2))
    return {mention.key.external_id: mention for mention in batch.mentions}


@pytest.mark.parametrize(("name", "under"), [("vk", "target"), ("youtube", "parent")])
async def test_so_does_that_of_an_answer_to_a_comment(name: str, under: str) -> None:
    fake = import_module(f"tests.collectors.{name}.fake").Fake()
    above = fake.publish("Cold coffee")
    number = fake.publish("Here too", **{under: int(above.rsplit("_", 1)[1]) if name == "vk" else above})
    found = await read(name, fake)

    assert above != number
    assert [PLATFORMS[name].item(fake.settings, found[one].url) for one in (above, number)] == [above, number]


def test_a_post_elsewhere_is_a_vk_sources_own_where_it_searches_for_posts() -> None:
    settings = vk.Fake().settings_with(query="Acme")

    assert PLATFORMS["vk"].item(settings, "https://vk.com/wall77_5") == "77_5"


def test_a_source_that_searches_one_subreddit_has_nothing_in_another() -> None:
    settings = settings_of("reddit").model_copy(update={"subreddit": "KZ"})

    assert PLATFORMS["reddit"].item(settings, "https://www.reddit.com/r/kz/comments/1abc/") == "t3_1abc"
    assert PLATFORMS["reddit"].item(settings, "https://www.reddit.com/r/ru/comments/1abc/") is None


@pytest.mark.parametrize(
    ("changes", "url", "number"),
    [
        ({"api_base": "http://127.0.0.1:80/play"}, "http://127.0.0.1:80/site/{package}#gp:1", "gp:1"),
        ({"api_base": "http://127.0.0.1:80/play"}, "http://127.0.0.1:81/site/{package}#gp:1", None),
        ({"page": "https://a.test/{package}/r/{review}/"}, "https://a.test/{package}/r/gp%3A1/", "gp:1"),
        ({"page": "https://a.test/reviews"}, "https://a.test/reviews/7", None),
    ],
)
def test_where_the_settings_say_how_links_to_reviews_look_such_lead_to_them(
    changes: dict[str, str], url: str, number: str | None
) -> None:
    settings = settings_of("google_play")
    url = url.format(package=settings.model_dump()["package"])

    assert PLATFORMS["google_play"].item(settings.model_copy(update=changes), url) == number


def test_a_site_in_a_folder_is_not_the_one_beside_it() -> None:
    blog = "https://a.test/blog"

    assert link_below(blog, "https://A.test/blog/post?x=1#c").path == "/post"
    assert link_below(blog, "https://a.test/blogs/post") == NOWHERE
    assert link_below(blog, "https://a.test@evil.test/blog/post") == NOWHERE
    assert link_to(("a.test/blog",), "https://sub.a.test/blog/post").path == "/blog/post"


def test_an_id_of_endless_length_is_none() -> None:
    assert only("(x+)", "x" * LONGEST) is not None
    assert only("(x+)", "x" * (LONGEST + 1)) is None


ODD = (
    "",
    "https://",
    "https://[::1",
    "https://[::1]:x/",
    "https://vk.com:99999/wall-1_2",
    "http://\ud800/",
    "//x",
    "\x00",
)
URLS = [url for table in LINKS.values() for url, _ in table]


@st.composite
def forged(draw: st.DrawFn) -> str:
    """A true address with something else in one place."""
    url = draw(st.sampled_from(URLS))
    start = draw(st.integers(0, len(url)))
    end = draw(st.integers(start, len(url)))
    return url[:start] + draw(st.text(max_size=12)) + url[end:]


SETTINGS = {name: settings_of(name) for name in sorted(WITH)}


@given(st.one_of(st.text(), st.sampled_from(ODD), forged()))
def test_whatever_is_typed_is_an_id_or_none(url: str) -> None:
    for name, known in SETTINGS.items():
        number = PLATFORMS[name].item(known, url)
        assert number is None or (number.isascii() and number.isprintable() and 0 < len(number) < 2 * LONGEST)
