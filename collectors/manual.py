"""Sites by their addresses. Where no reply API is open to brands, the desk offers text and link, and a person posts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from collectors import PLATFORMS
from collectors.text import fold
from desk.errors import Refused
from desk.mention import Mention
from desk.platform import Batch, ByHand, Look, PlatformCard, Posted

MANUAL = PlatformCard(
    name="manual",
    title="Posted by hand",
    pushed=True,
    notes=("For mentions brought by people: staff post the reply themselves and press `I posted it`.",),
)


LIMITS = ("shortest", "longest", "unit", "measure", "bytes_at_most", "links")
"""What the card of a platform says about a text, whoever posts it."""


class Site(NamedTuple):
    """`hosts`: host names, each may go on with a path; subdomains count. The rest as in desk.platform.ByHand."""

    name: str
    title: str
    hosts: tuple[str, ...]
    rules: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    answer_at: str = ""

    @property
    def card(self) -> PlatformCard:
        """Of a reply that a person posts there. Where a program could do so too, its limits are the site's."""
        known = PLATFORMS[self.name].card if self.name in PLATFORMS else MANUAL
        limits: dict[str, Any] = {name: getattr(known, name) for name in LIMITS}
        by_hand = ByHand(self.rules, self.said, self.answer_at)
        return replace(MANUAL, title=self.title, notes=(), by_hand=by_hand, **limits)

    @property
    def longest(self) -> int | None:
        """Of an official answer, in the card's unit. None: no paper or person names a limit."""
        return self.card.longest


# No site that is posted to by hand alone names its longest answer. Facts of which only a memory is at hand are `said`.
SITES = (
    Site(
        "2gis",
        "2GIS",
        ("2gis.kz", "2gis.ru", "2gis.com", "2gis.kg", "2gis.uz", "2gis.ae", "go.2gis.com"),
        rules=("company_account",),
        answer_at="https://account.2gis.com/",
    ),
    Site(
        "yandex_market",
        "Yandex Market",
        ("market.yandex.ru", "reviews.yandex.ru"),
        rules=("no_links", "moderated"),
        answer_at="https://partner.market.yandex.ru/",
    ),
    Site(
        "yandex_maps",
        "Yandex Maps",
        tuple(f"yandex.{tld}/{path}" for tld in ("ru", "kz", "com", "by", "uz") for path in ("maps", "profile")),
        said=("company_account", "one_answer", "editable"),
    ),
    Site(
        "google_play", "Google Play", ("play.google.com/store/apps",), rules=("replaces", "no_markup"), said=("no_ads",)
    ),
    Site(
        "google_business",
        "Google Maps",
        ("maps.app.goo.gl", "maps.google.com", "google.com/maps", "g.page", "business.google.com"),
        rules=("replaces", "moderated"),
        said=("no_ads",),
        answer_at="https://business.google.com/",
    ),
    Site(
        "app_store",
        "App Store",
        ("apps.apple.com", "itunes.apple.com"),
        rules=("replaces", "moderated"),
        said=("no_ads",),
        answer_at="https://appstoreconnect.apple.com/",
    ),
    Site("rustore", "RuStore", ("rustore.ru/catalog", "apps.rustore.ru"), rules=("moderated",)),
    Site("banki_ru", "banki.ru", ("banki.ru",), said=("company_account",)),
    Site("sravni", "Sravni", ("sravni.ru",)),
    Site("otzovik", "Otzovik", ("otzovik.com",), said=("paid_account",)),
    Site("irecommend", "IRecommend", ("irecommend.ru",), said=("paid_account",)),
    Site("flamp", "Flamp", ("flamp.ru", "flamp.kz"), said=("through_2gis",)),
    Site("zoon", "Zoon", ("zoon.ru", "zoon.kz"), said=("company_account", "one_answer")),
    Site("kaspi", "Kaspi.kz", ("kaspi.kz",), said=("merchant_account",)),
    Site("ozon", "Ozon", ("ozon.ru", "ozon.kz"), said=("no_contacts",)),
    Site(
        "wildberries",
        "Wildberries",
        ("wildberries.ru", "wildberries.kz", "wb.ru"),
        rules=("edit_once", "moderated"),
        said=("no_contacts",),
    ),
    Site("avito", "Avito", ("avito.ru",), rules=("one_answer", "moderated")),
    Site("habr_career", "Habr Career", ("career.habr.com",), said=("verified_employer",)),
    Site("trustpilot", "Trustpilot", ("trustpilot.com",)),
    Site("tripadvisor", "Tripadvisor", ("tripadvisor.com", "tripadvisor.ru")),
    Site("vk", "VK", ("vk.com", "vk.ru", "vkvideo.ru"), said=("alike",)),
    Site("ok", "Odnoklassniki", ("ok.ru",)),
    Site("telegram", "Telegram", ("t.me", "telegram.me")),
    Site("youtube", "YouTube", ("youtube.com", "youtu.be")),
    Site("facebook", "Facebook", ("facebook.com", "fb.com", "fb.me")),
    Site("instagram", "Instagram", ("instagram.com",), said=("no_edit",)),
    Site("threads", "Threads", ("threads.net", "threads.com")),
    Site("tiktok", "TikTok", ("tiktok.com",)),
    Site("x", "X", ("x.com", "twitter.com"), rules=("no_edit",), said=("no_twice",)),
    Site("reddit", "Reddit", ("reddit.com", "redd.it"), rules=("new_account",)),
    Site("hacker_news", "Hacker News", ("news.ycombinator.com",)),
    Site("bluesky", "Bluesky", ("bsky.app",), said=("no_edit",)),
    Site("mastodon", "Mastodon", ("mastodon.social", "mastodon.online")),
)


def stands_at(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether an http(s) address belongs to one of `hosts` (`host` or `host/path`, subdomains included)."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and any(_covers(entry, host, parts.path) for entry in hosts)


def _covers(entry: str, host: str, path: str) -> bool:
    name, _, prefix = entry.partition("/")
    if host != name and not host.endswith(f".{name}"):
        return False
    return not prefix or f"{path}/".startswith(f"/{prefix}/")


def recognise(url: str) -> str | None:
    """Name of the manual site an address belongs to."""
    return next((site.name for site in SITES if stands_at(url, site.hosts)), None)


def card_of_site(mention: Mention) -> PlatformCard | None:
    """Of the site a mention stands on: by its address, else by the name its source gave."""
    name = recognise(mention.url) or mention.site
    return next((site.card for site in SITES if site.name == name), None)


class NoReply:
    """What a source that only brings mentions answers when asked for more. `read` is the source's own."""

    card = MANUAL
    account = ""

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return Batch([], cursor or "")

    async def look(self, mention: Mention) -> Look:
        raise self._no("read again one by one")

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        raise self._no("answered by a program")

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        raise self._no("answered by a program")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        raise self._no("answered by a program")

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """Nothing is held open."""

    def _no(self, what: str) -> Refused:
        return Refused(f"{self.card.title}: mentions cannot be {what}; a person does it", code="manual")
