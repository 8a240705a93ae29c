"""The open accounts: one platform a configured source, opened when first needed, closed when it leaves the file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import httpx

from bot.directory import Directory, SourceConfig
from collectors import PLATFORMS, open_platform
from collectors.login import Tokens
from desk.mention import Mention, MentionKey
from desk.platform import Platform
from desk.polling import SourceRef


class Sources:
    """`directory` gives the configuration in force; a source whose settings changed is opened anew."""

    def __init__(
        self,
        directory: Callable[[], Directory],
        http: httpx.AsyncClient,
        now: Callable[[], datetime],
        tokens: Tokens | None = None,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._http = http
        self._now = now
        self._open: dict[str, tuple[SourceConfig, Platform]] = {}

    def ref(self, key: str) -> SourceRef | None:
        """The account of a source, None where it is not configured (any more)."""
        config = self._directory().source(key)
        return None if config is None else SourceRef(key, config.brand, self._platform(config))

    def of(self, mention: Mention) -> Platform | None:
        """The account a mention stands under: that of its own source, else the same one by another source.

        A key may have been given to another brand's source meanwhile, and another account would answer in its own name.
        """
        own = self._directory().source(mention.source) if mention.source else None
        if own is not None and _stands_on(own, mention.key):
            return self._platform(own)
        here = (self._platform(one) for one in self._directory().sources() if _stands_on(one, mention.key))
        return next((platform for platform in here if platform.account == mention.key.account), None)

    def recognise(self, brand: str, url: str) -> tuple[MentionKey, str] | None:
        """The mention an address leads to on one of the brand's own platforms, with its source; None: by hand.

        By hand also where it may be that of several accounts: the wrong one would answer in its own name, or cannot.
        """
        ours = [source for source in reversed(self._directory().sources()) if source.brand == brand]
        found = {self._key(source, number): source.key for source in ours if (number := _item(source, url))}
        return next(iter(found.items())) if len(found) == 1 else None

    def _key(self, source: SourceConfig, number: str) -> MentionKey:
        return MentionKey(source.brand, source.platform, self._platform(source).account, number)

    def _platform(self, config: SourceConfig) -> Platform:
        known = self._open.get(config.key)
        if known is None or known[0] != config:
            platform = open_platform(
                config.platform, config.settings, config.brand, config.key, self._http, self._now, self._tokens
            )
            known = self._open[config.key] = (config, platform)
        return known[1]

    async def close(self) -> None:
        for _, platform in self._open.values():
            await platform.close()


def _stands_on(source: SourceConfig, key: MentionKey) -> bool:
    return (source.brand, source.platform) == (key.brand, key.platform)


def _item(source: SourceConfig, url: str) -> str | None:
    return PLATFORMS[source.platform].item(source.settings, url)
