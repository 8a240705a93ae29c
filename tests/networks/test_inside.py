"""Addresses that foreign words name: nothing inside the network is called, however it is written."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from aiohttp import web

from collectors import net
from collectors.http import Ask, Door, client
from collectors.net import addresses, is_public, plain_address
from desk.errors import Refused, Retry
from tests.networks.proxies import proxy
from tests.networks.sides import now

PRIVATE = (
    "127.0.0.1",
    "127.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "240.0.0.1",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
)
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1")


@pytest.mark.parametrize("text", PRIVATE)
def test_what_lies_inside_is_known(text: str) -> None:
    assert not is_public(plain_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_public_is_known(text: str) -> None:
    assert is_public(plain_address(text))


SPELLINGS = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "localhost",
    "inside.evil.test",
    "mixed.evil.test",
    "①②⑦.0.0.1",
)

LEADS = {"inside.evil.test": ["127.0.0.1"], "mixed.evil.test": ["93.184.216.34", "127.0.0.1"]}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and what they stand for, one more for each time they are asked; the last for ever."""
    known = {name: list(found) for name, found in LEADS.items()}
    real = socket.getaddrinfo

    def found(host: Any, port: Any, *args: Any, **how: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else str(host)
        leads = known.get(text)
        if leads is None:
            return real(host, port, *args, **how)
        if text.startswith("turning"):
            leads = [leads.pop(0)] if len(leads) > 1 else leads
        return [one for lead in leads for one in real(lead, port, *args, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return known


@dataclass
class Inner:
    """A server inside: `calls` that reached it. /to/… sends on to the address it is set to."""

    port: int = 0
    target: str = ""
    calls: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(request.path)
        if request.path == "/feed":
            raise web.HTTPFound(self.target)
        return web.Response(text="the keys of the house")


@asynccontextmanager
async def inner() -> AsyncIterator[Inner]:
    made = Inner()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@pytest.mark.integration
@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.usefixtures("names")
async def test_a_redirect_does_not_lead_inside(host: str) -> None:
    async with inner() as outer, inner() as hidden, client() as http:
        outer.target = f"http://{host}:{hidden.port}/secret"
        with pytest.raises((Refused, Retry)):
            await Door(http, "Site", now).read(Ask("GET", f"http://127.0.0.1:{outer.port}/feed"))
        assert outer.calls == ["/feed"]
        assert not hidden.calls


@pytest.mark.integration
async def test_a_connection_that_the_configuration_opened_is_not_lent_to_a_redirect() -> None:
    async with inner() as outer, inner() as own, client() as http:
        door = Door(http, "Site", now)
        await door.read(Ask("GET", f"http://127.0.0.1:{own.port}/mine"))
        outer.target = f"http://127.0.0.1:{own.port}/secret"
        with pytest.raises(Refused, match="leads to an address the desk does not call"):
            await door.read(Ask("GET", f"http://127.0.0.1:{outer.port}/feed"))
        assert own.calls == ["/mine"]


@pytest.mark.integration
async def test_a_redirect_on_the_configured_server_itself_is_followed() -> None:
    async with inner() as own, client() as http:
        own.target = "/other"
        answer = await Door(http, "Site", now).read(Ask("GET", f"http://127.0.0.1:{own.port}/feed"))
        assert answer.body == b"the keys of the house"


async def test_a_name_is_judged_and_connected_to_by_one_and_the_same_look(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: at first a public address, at the second look one inside."""
    names["turning.evil.test"] = ["93.184.216.34", "127.0.0.1"]
    reached: list[str] = []

    async def connect(self: Any, host: str, *args: Any, **how: Any) -> Any:
        reached.append(host)
        raise net.httpcore.ConnectError("played")

    monkeypatch.setattr(net.httpcore.AnyIOBackend, "connect_tcp", connect)
    async with client() as http:
        request = http.build_request("GET", "http://turning.evil.test/", extensions={net.FOREIGN: True})
        with pytest.raises(httpx.ConnectError):
            await http.send(request)
    assert reached == ["93.184.216.34"]


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.usefixtures("names")
async def test_a_proxy_is_not_asked_to_go_inside_either(kind: str) -> None:
    async with proxy(kind) as way_out, inner() as outer, client(way_out.url) as http:
        for host in ("127.0.0.1", "2130706433", "inside.evil.test", "[::ffff:127.0.0.1]"):
            outer.target = f"http://{host}:9/secret"
            with pytest.raises(Refused):
                await Door(http, "Site", now).read(Ask("GET", f"http://127.0.0.1:{outer.port}/feed"))
        assert {seen.rpartition(":")[2] for seen in way_out.seen} == {str(outer.port)}


CONFIGURED = {"10.0.0.1": True, "localhost": True, "169.254.169.254": True, "metadata.evil.test": False}


@pytest.mark.parametrize(("host", "allowed"), CONFIGURED.items())
async def test_the_configuration_may_name_what_lies_inside_but_no_name_may_lead_into_a_trap(
    host: str, allowed: bool, names: dict[str, list[str]]
) -> None:
    names["metadata.evil.test"] = ["169.254.169.254"]
    if allowed:
        assert await addresses(host, 80, foreign=False)
    else:
        with pytest.raises(net.Inside):
            await addresses(host, 80, foreign=False)
