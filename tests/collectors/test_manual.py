"""The table of sites that people post to by hand: their limits, and what to know before posting there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from collectors import PLATFORMS
from collectors.manual import SITES, Site, card_of_site, recognise
from desk.mention import Mention, MentionKey
from desk.platform import problems
from handlers.words.catalogue import has

MENTION = Mention(MentionKey("cafe", "manual", "cafe", "1"), "", "Cold coffee")
BY_NAME = {site.name: site for site in SITES}


def on(url: str, site: str = "") -> Mention:
    return replace(MENTION, url=url, site=site)


def title(mention: Mention) -> str | None:
    card = card_of_site(mention)
    return None if card is None else card.title


@pytest.mark.parametrize(
    ("mention", "name"),
    [
        (on("https://2gis.kz/almaty/firm/1"), "2GIS"),
        (on("https://2gis.kz/almaty/firm/1", site="otzovik"), "2GIS"),
        (on("", site="otzovik"), "Otzovik"),
        (on("https://news.example/1", site="otzovik"), "Otzovik"),
        (on("https://news.example/1", site="news.example"), None),
        (on(""), None),
    ],
)
def test_a_site_is_known_by_its_address_else_by_the_name_its_source_gave(mention: Mention, name: str | None) -> None:
    assert title(mention) == name


def test_nothing_is_sent_to_a_site_by_program() -> None:
    assert not any(card.can_reply or card.can_look for card in (site.card for site in SITES))


@pytest.mark.parametrize(
    ("site", "sign", "most"),
    [
        ("google_play", "к", 350),
        ("google_business", "к", 2048),
        ("x", "к", 280),
        ("x", "👍", 140),
        ("bluesky", "к", 300),
        ("reddit", "к", 10_000),
    ],
)
def test_a_text_is_counted_as_the_site_counts_whoever_posts_it(site: str, sign: str, most: int) -> None:
    card = BY_NAME[site].card
    found = problems(sign * (most + 1), card)

    assert problems(sign * most, card) == []
    assert [problem.key for problem in found] == ["text_too_long"]
    assert found[0].details["platform"] == BY_NAME[site].title


def test_a_site_without_a_known_limit_takes_any_length() -> None:
    unlimited = [site for site in SITES if site.name not in PLATFORMS]

    assert {site.longest for site in unlimited} == {None}
    assert all(problems("к" * 50_000, site.card) == [] for site in unlimited)


def test_links_are_refused_where_the_market_refuses_them() -> None:
    found = problems("Write to help@cafe.kz or www.cafe.kz", BY_NAME["yandex_market"].card)

    assert [problem.key for problem in found] == ["text_has_links"]


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_what_to_know_is_said_in_words_and_nothing_is_both_known_and_hearsay(site: Site) -> None:
    assert all(has(f"rule_{rule}") for rule in (*site.rules, *site.said))
    assert not set(site.rules) & set(site.said)
    assert tuple(site.card.by_hand) == (site.rules, site.said, site.answer_at)
    assert not site.answer_at or site.answer_at.startswith("https://")


def test_a_site_of_hearsay_is_not_told_as_known() -> None:
    assert BY_NAME["yandex_maps"].rules == ()
    assert "one_answer" in BY_NAME["yandex_maps"].said


def test_every_address_of_the_table_is_recognised_as_its_own() -> None:
    told = {host: recognise(f"https://{host}/x") for site in SITES for host in site.hosts}

    assert told == {host: site.name for site in SITES for host in site.hosts}
