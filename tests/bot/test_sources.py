"""An address that a person brings, and the brand's own sources: whose item it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from bot.directory import SourceConfig
from bot.sources import Sources
from desk.mention import Mention, MentionKey
from tests.collectors.hacker_news import fake as hacker_news
from tests.collectors.vk import fake as vk
from tests.collectors.wire import now
from tests.collectors.wordpress import fake as wordpress
from tests.collectors.youtube import fake as youtube

LC = "https://www.youtube.com/watch?v=1&lc=Ugx"
WALL = vk.Fake().settings
SITE = wordpress.Fake().settings
STORY = hacker_news.Fake().settings


def source(key: str, platform: str, settings: Any, brand: str = "bank") -> SourceConfig:
    return SourceConfig(key, brand, platform, settings, None)


def recognised(url: str, *sources: SourceConfig, brand: str = "bank") -> tuple[MentionKey, str] | None:
    directory: Any = SimpleNamespace(sources=lambda: list(sources))
    return Sources(lambda: directory, httpx.AsyncClient(), now).recognise(brand, url)


@pytest.mark.parametrize(
    ("one", "url", "account", "number"),
    [
        (source("a", "vk", WALL), f"https://vk.com/wall-{vk.GROUP}_1?reply=2", str(vk.GROUP), f"-{vk.GROUP}_1_2"),
        (source("a", "wordpress", SITE), "https://site.test/reviews/#comment-7", "site.test", "7"),
        (source("a", "youtube", youtube.settings()), LC, youtube.OWN, "Ugx"),
    ],
)
def test_an_item_of_the_brands_has_the_key_its_source_gives_it(
    one: SourceConfig, url: str, account: str, number: str
) -> None:
    assert recognised(url, one) == (MentionKey("bank", one.platform, account, number), "a")
    assert recognised(url, one, brand="another") is None


def test_the_source_whose_account_the_address_names_has_it() -> None:
    second = SITE.model_copy(update={"api_base": "https://second.test"})
    both = source("a", "wordpress", SITE), source("b", "wordpress", second)

    assert recognised("https://second.test/x/#comment-7", *both) == (
        MentionKey("bank", "wordpress", "second.test", "7"),
        "b",
    )


def test_what_may_be_of_either_account_is_answered_by_hand() -> None:
    """The wrong channel would answer in its own name."""
    both = source("a", "youtube", youtube.settings()), source("b", "youtube", youtube.settings(channel_id="UCsecond"))

    assert recognised(LC, *both) is None


def test_two_searches_find_the_same_item() -> None:
    both = source("a", "hacker_news", STORY), source("b", "hacker_news", STORY)

    assert recognised("https://news.ycombinator.com/item?id=7", *both) == (
        MentionKey("bank", "hacker_news", "news.ycombinator.com", "7"),
        "a",
    )


@pytest.mark.parametrize(
    "url", ["https://otzovik.com/review_1.html", "https://vk.com/wall-1_2", "https://[::1", "what"]
)
def test_all_else_is_answered_by_hand(url: str) -> None:
    assert recognised(url, source("a", "vk", WALL), source("b", "rss", None), source("c", "wordpress", SITE)) is None


# whose account answers


def answers(key: MentionKey, by: str, *sources: SourceConfig) -> str | None:
    """The account by which a mention of `key` that source `by` brought is answered."""
    named = {one.key: one for one in sources}
    directory: Any = SimpleNamespace(sources=lambda: list(sources), source=named.get)
    found = Sources(lambda: directory, httpx.AsyncClient(), now).of(Mention(key, by, "Bad"))
    return found.account if found is not None else None


OURS = MentionKey("bank", "youtube", youtube.OWN, "Ugx")
CHANNEL = source("a", "youtube", youtube.settings())
SECOND = source("b", "youtube", youtube.settings(channel_id="UCsecond"))


def test_a_mention_is_answered_by_the_account_that_brought_it() -> None:
    assert answers(OURS, "a", SECOND, CHANNEL) == youtube.OWN


def test_a_source_whose_key_was_given_to_another_brand_or_platform_answers_nothing_of_its_old_one() -> None:
    """The other client's channel would answer in its own name."""
    theirs = source("a", "youtube", youtube.settings(channel_id="UCtheirs"), brand="shop")

    assert answers(OURS, "a", theirs) is None
    assert answers(OURS, "a", source("a", "wordpress", SITE)) is None
    assert answers(OURS, "a", theirs, source("b", "youtube", youtube.settings())) == youtube.OWN


def test_where_its_source_is_gone_a_mention_is_answered_by_no_other_account_of_the_brand() -> None:
    assert answers(OURS, "gone", SECOND, CHANNEL) == youtube.OWN
    assert answers(OURS, "gone", SECOND) is None
    assert answers(OURS, "", CHANNEL) == youtube.OWN


def test_an_account_that_was_renamed_goes_on_answering() -> None:
    renamed = source("a", "youtube", youtube.settings(channel_id="UCrenamed"))

    assert answers(OURS, "a", renamed) == "UCrenamed"
