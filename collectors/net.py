"""Ways out for platforms: directly or through a proxy, and never by foreign words to an address inside the network."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from socket import SOCK_STREAM, gaierror

import httpcore
import httpx

Address = IPv4Address | IPv6Address

PROXY = "replydesk.proxy"
FOREIGN = "replydesk.foreign"
"""Extensions of a request: the proxy to take ("": none), and that its address was not read in the configuration."""


class Inside(Exception):
    """An address that is not public, or that nothing but a trap would name. Nothing was sent there."""


def ssl_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """The public authorities and those of `ca_file`; built once a process, for building one takes 16 ms."""
    return _built(ca_file)


@cache
def _built(ca_file: Path | None) -> ssl.SSLContext:
    context: ssl.SSLContext = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


NAT64 = 0x64FF9B << 96
"""RFC 6052: the prefix behind which a gateway finds an IPv4 address."""


def plain_address(text: str) -> Address:
    """An address as the kernel gives it, unwrapped where IPv6 carries an IPv4 one. Raises ValueError."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv4Address):
        return address
    if int(address) >> 32 == NAT64 >> 32:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


NOT_PUBLIC = tuple(map(ip_network, ("192.0.0.0/24", "fec0::/10", "3fff::/20")))
"""Besides what Python 3.11 knows: IETF's own (a cloud's metadata lies there), site-local, documentation."""


def is_public(address: Address) -> bool:
    listed = any(address in network for network in NOT_PUBLIC)
    return address.is_global and not (address.is_multicast or address.is_reserved or listed)


def is_trap(address: Address) -> bool:
    """What no name of a server stands for: link-local (a cloud's metadata among it), multicast, "any"."""
    return address.is_link_local or address.is_multicast or address.is_unspecified


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def addresses(host: str, port: int, foreign: bool) -> list[str]:
    """What a name stands for, in the system's order. Raises Inside if any of it is not allowed, OSError if nothing.

    `foreign`: only public addresses are. In the configuration anything may be written, but not reached by a name
    that leads to a trap. Whoever connects must take what is returned: asked again, the name may say something else.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
    shown = [str(one[4][0]) for one in found]
    for text in shown:
        address = plain_address(text)
        if not is_public(address) if foreign else is_trap(address) and not _is_literal(host):
            raise Inside(f"{host} stands for {address}")
    return list(dict.fromkeys(shown))


class Checked(httpcore.AsyncNetworkBackend):
    """Looks a name up, judges the addresses and connects to those very addresses, the first that answers."""

    def __init__(self, foreign: bool) -> None:
        self._foreign = foreign
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                found = await addresses(host, port, self._foreign)
        except (gaierror, UnicodeError) as error:
            raise httpcore.ConnectError(f"{type(error).__name__}: the name is not known") from error
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not found in time") from error
        share = None if timeout is None else timeout / len(found)
        for address in found[:-1]:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return await self._inner.connect_tcp(address, port, share, local_address, socket_options)
        return await self._inner.connect_tcp(found[-1], port, share, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Pool(httpx.AsyncHTTPTransport):
    """Connections of one way out. A proxy connects by itself: `Ways` judges before it is asked."""

    def __init__(self, proxy: str, foreign: bool, context: ssl.SSLContext, limits: httpx.Limits) -> None:
        through = httpx.Proxy(proxy, ssl_context=context if proxy.startswith("https:") else None) if proxy else None
        super().__init__(verify=context, trust_env=False, limits=limits, proxy=through)
        if not proxy:
            # httpx has no argument for the backend of its pool; tests/networks sees that it is in place.
            self._pool._network_backend = Checked(foreign)


class Ways(httpx.AsyncBaseTransport):
    """A pool for each way out, made when first taken. Foreign addresses never share a connection with configured ones:
    one of those may lead inside."""

    def __init__(self, proxy: str, context: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._proxy = proxy
        self.context = context
        """By which authorities a server is known, whatever is spoken with it."""
        self._limits = limits
        self._pools: dict[tuple[str, bool], Pool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy, foreign = request.extensions.get(PROXY, self._proxy), bool(request.extensions.get(FOREIGN))
        if proxy.startswith("http") and ":" in request.url.host:
            raise httpx.UnsupportedProtocol("httpx cannot name an IPv6 address to an HTTP proxy: use a server's name")
        if foreign and proxy:
            await _judged(request.url)
        way = (proxy, foreign)
        if way not in self._pools:
            self._pools[way] = Pool(proxy, foreign, self.context, self._limits)
        return await self._pools[way].handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


async def _judged(url: httpx.URL) -> None:
    """A name that only the proxy can look up is the proxy's to judge."""
    with suppress(gaierror, UnicodeError):
        await addresses(url.host, url.port or 0, foreign=True)


class Through(httpx.AsyncBaseTransport):
    """The shared ways, always by one proxy. Closing it closes nothing: the ways are their owner's."""

    def __init__(self, ways: Ways | Through, proxy: str) -> None:
        self.context: ssl.SSLContext = ways.context
        self._ways = ways
        self._proxy = proxy

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, PROXY: self._proxy}
        return await self._ways.handle_async_request(request)
