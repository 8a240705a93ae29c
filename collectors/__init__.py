"""The register of platforms: one line each, and those of other packages. Importing it loads none of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from desk.platform import Platform, PlatformCard

if TYPE_CHECKING:
    import httpx

    from collectors.hooks import Call, Heed
    from collectors.login import Tokens
    from collectors.settings import CommonSettings


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
    def settings(self) -> type[CommonSettings]:
        return cast("type[CommonSettings]", self._part("Settings"))

    @property
    def open(self) -> Callable[..., Platform]:
        return cast(Callable[..., Platform], self._part("connect"))

    @property
    def knock(self) -> Callable[[CommonSettings, Call], Heed] | None:
        """Takes the platform's own notifications, where it has any."""
        found = getattr(import_module(self.module), "knock", None)
        return cast("Callable[[CommonSettings, Call], Heed] | None", found)

    def item(self, settings: CommonSettings, url: str) -> str | None:
        """The id of the source's own item that an address leads to; None also where links carry no ids."""
        known: Callable[[CommonSettings, str], str | None] | None = getattr(import_module(self.module), "item", None)
        return known(settings, url) if known else None

    @property
    def knows_items(self) -> bool:
        """Whether links to its items say which they lead to."""
        return hasattr(import_module(self.module), "item")

    def _part(self, name: str) -> Any:
        return getattr(import_module(self.module), name)


PLATFORMS: dict[str, Entry] = {
    "app_store": Entry("collectors.app_store"),
    "avito": Entry("collectors.avito"),
    "bluesky": Entry("collectors.bluesky", keeps_tokens=True),
    "csv": Entry("collectors.csv_folder"),
    "discourse": Entry("collectors.discourse"),
    "facebook": Entry("collectors.facebook"),
    "google_business": Entry("collectors.google_business"),
    "google_play": Entry("collectors.google_play"),
    "hacker_news": Entry("collectors.hacker_news"),
    "instagram": Entry("collectors.instagram"),
    "mail": Entry("collectors.mail"),
    "mastodon": Entry("collectors.mastodon"),
    "ozon": Entry("collectors.ozon"),
    "reddit": Entry("collectors.reddit"),
    "rss": Entry("collectors.rss"),
    "rustore": Entry("collectors.rustore"),
    "telegram": Entry("collectors.telegram"),
    "trustpilot": Entry("collectors.trustpilot", keeps_tokens=True),
    "vk": Entry("collectors.vk"),
    "webhook": Entry("collectors.webhook"),
    "wildberries": Entry("collectors.wildberries"),
    "wordpress": Entry("collectors.wordpress"),
    "x": Entry("collectors.x"),
    "yandex_market": Entry("collectors.yandex_market"),
    "youscan": Entry("collectors.youscan"),
    "youtube": Entry("collectors.youtube"),
}

GROUP = "replydesk.platforms"
"""Entry points by which other packages bring platforms (docs/howto/add-a-platform.md)."""


def known(name: str) -> bool:
    """Whether there is such a platform, here or in an installed package; that one is in PLATFORMS from then on."""
    from importlib.metadata import entry_points

    if name not in PLATFORMS:
        PLATFORMS.update((one.name, Entry(one.value)) for one in entry_points(group=GROUP, name=name))
    return name in PLATFORMS


def open_platform(
    name: str,
    settings: CommonSettings,
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

    own = getattr(settings, "proxy", None)
    proxy = None if own is None else own.get_secret_value()
    entry = PLATFORMS[name]
    kept = {"tokens": tokens} if entry.keeps_tokens else {}
    return entry.open(settings, brand, source_key, through(http, proxy), now, **kept)
