"""Every client of the desk goes by the configured proxy, trusts the configured authority, and speaks IPv6."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import warnings
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from aiogram.exceptions import AiogramError
from slack_sdk.errors import SlackApiError

from bot.net import Way
from collectors.net import ssl_context
from desk.errors import DeskError
from tests.networks.authority import ca_file, server_context
from tests.networks.proxies import proxy
from tests.networks.sides import CLIENTS, sides

pytestmark = pytest.mark.integration

HOST = "site.inside.test"
"""Only the proxies of these tests know it."""

KINDS = ("http", "socks5")

BY_HTTPX = ("platform", "ai")
NO = (aiohttp.ClientError, AiogramError, DeskError, openai.APIError, SlackApiError, TimeoutError)
"""How the clients say that a call was not made. The socket's tries again and again: it is given half a second."""


async def fails(name: str, base: str, way: Way) -> None:
    await _fails(name, base, way)
    if name not in BY_HTTPX:
        return
    # httpcore leaves the connection to a proxy that said no to the garbage collector.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


async def _fails(name: str, base: str, way: Way) -> None:
    with pytest.raises(NO):
        async with asyncio.timeout(0.5 if name == "slack_socket" else 10):
            await CLIENTS[name](base, way)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_plain_calls_go_by_the_proxy(name: str, kind: str) -> None:
    async with sides() as there, proxy(kind, "anna:p@ss") as way_out:
        way_out.names[HOST] = "127.0.0.1"
        login = way_out.url.replace("p@ss", "p%40ss")
        await CLIENTS[name](there.at(HOST), Way(login))
        assert set(way_out.seen) == {f"{HOST}:{there.port}"}
        assert there.calls


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("kind", [*KINDS, "tls proxy"])
async def test_calls_with_tls_go_by_the_proxy_and_trust_the_own_authority(name: str, kind: str, tmp_path: Path) -> None:
    tls = server_context(tmp_path)
    behind = proxy("http", tls=tls) if kind == "tls proxy" else proxy(kind)
    async with sides(tls=tls) as there, behind as way_out:
        way_out.names[HOST] = "127.0.0.1"
        await CLIENTS[name](there.at(HOST), Way(way_out.url, ca_file(tmp_path)))
        assert set(way_out.seen) == {f"{HOST}:{there.port}"}
        assert there.calls


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_server_of_an_unknown_authority_is_not_talked_to(name: str, tmp_path: Path) -> None:
    async with sides(tls=server_context(tmp_path)) as there:
        await fails(name, there.at("127.0.0.1"), Way())
        assert not there.calls


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("tls", [False, True])
async def test_ipv6(name: str, tls: bool, tmp_path: Path) -> None:
    async with sides("::1", server_context(tmp_path) if tls else None) as there:
        await CLIENTS[name](there.at("[::1]"), Way(ca_file=ca_file(tmp_path)))
        assert there.calls


@pytest.mark.parametrize("name", BY_HTTPX)
async def test_what_cannot_be_said_to_a_proxy_is_refused_and_not_tried(name: str) -> None:
    async with proxy("http") as way_out:
        await fails(name, "http://[::1]:9", Way(way_out.url))
        assert not way_out.seen


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in CLIENTS for k in KINDS if k != "http" or n not in BY_HTTPX])
async def test_an_ipv6_address_by_a_proxy(name: str, kind: str) -> None:
    async with sides("::1") as there, proxy(kind) as way_out:
        await CLIENTS[name](there.at("[::1]"), Way(way_out.url))
        assert set(way_out.seen) == {f"::1:{there.port}"}


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOST stands for this machine in both families."""
    real = socket.getaddrinfo

    def found(host: Any, *args: Any, **how: Any) -> Any:
        names = ("::1", "127.0.0.1") if host in (HOST, HOST.encode()) else (host,)
        return [one for name in names for one in real(name, *args, **how)]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.usefixtures("both")
async def test_a_name_of_both_families_is_reached_by_whichever_answers(name: str, host: str) -> None:
    async with sides(host) as there:
        await CLIENTS[name](there.at(HOST), Way())
        assert there.calls


@pytest.mark.parametrize("name", CLIENTS)
async def test_variables_of_the_environment_do_not_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sides() as there, proxy("http") as way_out:
        for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, way_out.url)
        await CLIENTS[name](there.at("127.0.0.1"), Way())
        assert there.calls
        assert not way_out.seen


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_refuses_the_login_is_not_gone_round(name: str, kind: str) -> None:
    async with sides() as there, proxy(kind, "anna:right") as way_out:
        await fails(name, there.at("127.0.0.1"), Way(way_out.url.replace("right", "wrong")))
        assert not there.calls


def test_a_context_is_built_once_and_knows_both_authorities(tmp_path: Path) -> None:
    file = ca_file(tmp_path)
    assert Way(ca_file=file).context is Way("http://127.0.0.1:1", file).context
    assert Way().context is ssl_context()
    added = ssl_context(file).cert_store_stats()["x509_ca"] - ssl_context().cert_store_stats()["x509_ca"]
    assert added == 1
    assert ssl_context(file).verify_mode is ssl.CERT_REQUIRED
