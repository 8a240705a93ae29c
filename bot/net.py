"""Ways out for the messengers and the AI server: directly or by a proxy, with the certificates that are trusted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError, ProxyType
from pydantic import SecretStr

from bot.config import Config
from collectors.net import ssl_context

NAMES_KEPT = 3600
"""Seconds an address is taken for granted, so that a resolver that fails for a while stops nothing."""


@dataclass(frozen=True)
class Way:
    """`proxy`: http, https or socks5 with user and password in it, "" for none; names are looked up by the proxy."""

    proxy: str = ""
    ca_file: Path | None = None

    @cached_property
    def context(self) -> ssl.SSLContext:
        return ssl_context(self.ca_file)

    def session(self, force_close: bool = False, **how: Any) -> aiohttp.ClientSession:
        """A session to be closed by whoever asked for it. No variable of the environment counts."""
        return aiohttp.ClientSession(connector=self.connector(force_close=force_close), trust_env=False, **how)

    def connector(self, **how: Any) -> aiohttp.TCPConnector:
        how = {"ssl": self.context, **how}
        if not self.proxy:
            return aiohttp.TCPConnector(ttl_dns_cache=NAMES_KEPT, **how)
        parts = urlsplit(self.proxy)
        return Connector(
            host=parts.hostname or "",
            port=parts.port or 0,
            proxy_type=ProxyType.SOCKS5 if parts.scheme.startswith("socks5") else ProxyType.HTTP,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            rdns=True,
            proxy_ssl=self.context if parts.scheme == "https" else None,
            **how,
        )


class Connector(ProxyConnector):
    """Its failures as aiohttp's own: what calls it knows no others."""

    async def _wrap_create_connection(self, *args: Any, **how: Any) -> Any:
        try:
            return await super()._wrap_create_connection(*args, **how)
        except ProxyTimeoutError as error:
            raise aiohttp.ConnectionTimeoutError("the proxy did not connect in time") from error
        except (ProxyConnectionError, ProxyError) as error:
            raise aiohttp.ClientConnectionError(f"the proxy: {error}") from error


def way(config: Config, own: SecretStr | None) -> Way:
    """By its own proxy where a table names one ("" is none), else by that of [desk]."""
    return Way((config.desk.proxy if own is None else own).get_secret_value(), config.desk.ca_file)
