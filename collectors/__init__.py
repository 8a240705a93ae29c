"""The register of platforms: one line each. Importing it loads none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from desk.platform import Platform, PlatformCard

if TYPE_CHECKING:
    import httpx

    from collectors.login import Tokens
    from collectors.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """A platform by its module (CARD, Settings, connect()), which is loaded when first asked for. `keeps_tokens`: its
    login rotates, and connect() takes `tokens`."""

    module: str
    keeps_tokens: bool = False

    @property
    def card(self) -> PlatformCard:
        return cast(PlatformCard, self._part("CARD"))

    @property
    def settings(self) -> type[SourceSettings]:
        return cast("type[SourceSettings]", self._part("Settings"))

    @property
    def open(self) -> Callable[..., Platform]:
        return cast(Callable[..., Platform], self._part("connect"))

    def _part(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


PLATFORMS: dict[str, Entry] = {
    "google_play": Entry("collectors.google_play"),
    "rss": Entry("collectors.rss"),
    "webhook": Entry("collectors.webhook"),
    "wordpress": Entry("collectors.wordpress"),
}

PLANNED = frozenset(
    {"csv", "mail", "app_store", "google_business", "youtube", "facebook", "instagram", "trustpilot", "mastodon"}
    | {"bluesky", "discourse", "x", "reddit", "hacker_news", "vk", "telegram", "yandex_market", "ozon"}
    | {"wildberries", "avito", "rustore", "youscan"}
)
"""Names the contract (§9) lists and that are not built yet."""


def open_platform(
    name: str,
    settings: SourceSettings,
    brand: str,
    source_key: str,
    http: httpx.AsyncClient,
    now: Callable[[], datetime],
    tokens: Tokens | None = None,
) -> Platform:
    """A source's platform. `settings` is of the entry's model; `http` stays the caller's to close; `tokens`: where what
    rotates is kept, None: it is used once and forgotten.

    Raises KeyError for a name that is not in PLATFORMS.
    """
    from collectors.http import through

    proxy = None if settings.proxy is None else settings.proxy.get_secret_value()
    entry = PLATFORMS[name]
    kept = {"tokens": tokens} if entry.keeps_tokens else {}
    return entry.open(settings, brand, source_key, through(http, proxy), now, **kept)


def recognise(url: str) -> str | None:
    """The platform, or the site posted by hand, that a link belongs to; None where its host is not known."""
    from collectors import manual

    built = (name for name, entry in PLATFORMS.items() if manual.stands_at(url, entry.card.hosts))
    return next(built, None) or manual.recognise(url)
