"""Sites by their addresses. Where no reply API is open to brands, the desk offers text and link, and a person posts."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

from collectors.text import fold
from desk.errors import Refused
from desk.mention import Mention
from desk.platform import Batch, Look, PlatformCard, Posted

MANUAL = PlatformCard(
    name="manual",
    title="Posted by hand",
    pushed=True,
    notes=("For mentions brought by people: staff post the reply themselves and press `I posted it`.",),
)


class Site(NamedTuple):
    """`hosts`: host names, each may go on with a path; subdomains count."""

    name: str
    title: str
    hosts: tuple[str, ...]


SITES = (
    Site("2gis", "2GIS", ("2gis.kz", "2gis.ru", "2gis.com", "2gis.kg", "2gis.uz", "2gis.ae", "go.2gis.com")),
    Site("yandex_market", "Yandex Market", ("market.yandex.ru", "reviews.yandex.ru")),
    Site(
        "yandex_maps",
        "Yandex Maps",
        tuple(f"yandex.{tld}/{path}" for tld in ("ru", "kz", "com", "by", "uz") for path in ("maps", "profile")),
    ),
    Site("google_play", "Google Play", ("play.google.com/store/apps",)),
    Site(
        "google_business",
        "Google Maps",
        ("maps.app.goo.gl", "maps.google.com", "google.com/maps", "g.page", "business.google.com"),
    ),
    Site("app_store", "App Store", ("apps.apple.com", "itunes.apple.com")),
    Site("rustore", "RuStore", ("rustore.ru/catalog", "apps.rustore.ru")),
    Site("banki_ru", "banki.ru", ("banki.ru",)),
    Site("sravni", "Sravni", ("sravni.ru",)),
    Site("otzovik", "Otzovik", ("otzovik.com",)),
    Site("irecommend", "IRecommend", ("irecommend.ru",)),
    Site("flamp", "Flamp", ("flamp.ru", "flamp.kz")),
    Site("zoon", "Zoon", ("zoon.ru", "zoon.kz")),
    Site("kaspi", "Kaspi.kz", ("kaspi.kz",)),
    Site("ozon", "Ozon", ("ozon.ru", "ozon.kz")),
    Site("wildberries", "Wildberries", ("wildberries.ru", "wildberries.kz", "wb.ru")),
    Site("avito", "Avito", ("avito.ru",)),
    Site("habr_career", "Habr Career", ("career.habr.com",)),
    Site("trustpilot", "Trustpilot", ("trustpilot.com",)),
    Site("tripadvisor", "Tripadvisor", ("tripadvisor.com", "tripadvisor.ru")),
    Site("vk", "VK", ("vk.com", "vk.ru", "vkvideo.ru")),
    Site("ok", "Odnoklassniki", ("ok.ru",)),
    Site("telegram", "Telegram", ("t.me", "telegram.me")),
    Site("youtube", "YouTube", ("youtube.com", "youtu.be")),
    Site("facebook", "Facebook", ("facebook.com", "fb.com", "fb.me")),
    Site("instagram", "Instagram", ("instagram.com",)),
    Site("threads", "Threads", ("threads.net", "threads.com")),
    Site("tiktok", "TikTok", ("tiktok.com",)),
    Site("x", "X", ("x.com", "twitter.com")),
    Site("reddit", "Reddit", ("reddit.com", "redd.it")),
    Site("hacker_news", "Hacker News", ("news.ycombinator.com",)),
    Site("bluesky", "Bluesky", ("bsky.app",)),
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
