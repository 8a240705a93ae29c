"""How much of a body is read before it is refused, in both directions."""

from __future__ import annotations

import asyncio
import gzip
import io
import resource
import zlib
from collections.abc import AsyncIterator
from functools import cache

import httpx
import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from aiohttp.test_utils import TestServer

from bot.http import HookSource, HttpDeps, http_app
from collectors.bodies import LARGEST
from collectors.http import Ask, Door, client
from collectors.webhook import LARGEST as PUSHED
from desk.errors import BadAnswer
from storage.store import SqlStore, open_store
from tests.bot import sample
from tests.collectors.wire import Wire
from tests.networks.sides import now

MEGABYTE = 1 << 20


def peak() -> int:
    """Bytes this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@cache
def bomb(megabytes: int) -> bytes:
    """gzip of so many zeros, made without holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return b"".join([*(packer.compress(bytes(MEGABYTE)) for _ in range(megabytes)), packer.flush()])


def wire(body: bytes, **headers: str) -> Wire:
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return Wire(lambda request: httpx.Response(200, headers=shown, stream=Pieces(body)))


class Pieces(httpx.AsyncByteStream):
    """A body that comes in pieces of 64 KiB, as from a socket."""

    def __init__(self, body: bytes) -> None:
        self.body, self.sent = body, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.body), 1 << 16):
            self.sent += 1
            yield self.body[start : start + (1 << 16)]


async def test_an_answer_that_unpacks_without_end_is_stopped_and_takes_no_memory() -> None:
    before = peak()
    async with wire(bomb(300), content_encoding="gzip").client() as http:
        with pytest.raises(BadAnswer, match="more than 10 MB"):
            await Door(http, "Site", now).read(Ask("GET", "https://site.test/"))
    assert peak() - before < 100 * MEGABYTE


ENCODINGS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes, "": bytes}


@pytest.mark.parametrize("name", ENCODINGS)
async def test_packed_answers_are_read(name: str) -> None:
    async with wire(ENCODINGS[name](b'{"a": 1}' * 20_000), content_encoding=name).client() as http:
        answer = await Door(http, "Site", now).read(Ask("GET", "https://site.test/"))
    assert answer.body == b'{"a": 1}' * 20_000


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip"])
async def test_a_packing_nobody_asked_for_is_a_bad_answer(name: str) -> None:
    async with wire(b"x", content_encoding=name).client() as http:
        with pytest.raises(BadAnswer, match="cannot be decompressed"):
            await Door(http, "Site", now).read(Ask("GET", "https://site.test/"))


async def test_only_what_can_be_unpacked_is_asked_for() -> None:
    async with client() as http:
        assert http.headers["Accept-Encoding"] == "gzip"
        assert LARGEST == 10 * MEGABYTE


# coming in


@pytest.fixture
async def edge(sqlite_url: str) -> AsyncIterator[TestServer]:
    store: SqlStore = await open_store(sqlite_url)
    from pydantic import SecretStr

    async def read(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def metrics() -> bytes:
        return b""

    source = HookSource("acme-hook", "acme-coffee", SecretStr(sample.SECRETS["ACME_HOOK_SECRET"]))
    async with TestServer(http_app(HttpDeps(store, lambda key: source, metrics, slack=read, telegram=read))) as server:
        yield server
    await store.close()


async def chunks(total: int, sent: list[int]) -> AsyncIterator[bytes]:
    for _ in range(total // 65536):
        sent[0] += 65536
        yield b" " * 65536
        await asyncio.sleep(0)


PATHS = ("/hooks/acme-hook", "/slack/events", "/telegram")


@pytest.mark.integration
@pytest.mark.parametrize("path", PATHS)
async def test_a_body_without_an_announced_size_is_cut_off(path: str, edge: TestServer) -> None:
    sent = [0]
    async with ClientSession() as session:
        try:
            async with session.post(edge.make_url(path), data=chunks(400 * MEGABYTE, sent)) as answer:
                assert answer.status == 413
        except (TimeoutError, OSError, ClientConnectionError):
            pass  # the server closed while we were still writing
    assert sent[0] < 100 * MEGABYTE


@pytest.mark.integration
@pytest.mark.parametrize("path", PATHS)
async def test_an_announced_size_that_is_too_large_is_refused(path: str, edge: TestServer) -> None:
    async with (
        ClientSession() as session,
        session.post(edge.make_url(path), data=io.BytesIO(bytes(PUSHED + 1))) as answer,
    ):
        assert answer.status == 413


@pytest.mark.integration
@pytest.mark.parametrize("path", PATHS)
async def test_a_packed_body_is_counted_as_it_unpacks(path: str, edge: TestServer) -> None:
    before = peak()
    async with ClientSession() as session:
        headers = {"Content-Encoding": "gzip"}
        async with session.post(edge.make_url(path), data=bomb(300), headers=headers) as answer:
            assert answer.status in (400, 413)
    assert peak() - before < 100 * MEGABYTE


@pytest.mark.integration
@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_is_not_packed_as_it_says_is_the_callers_fault(path: str, edge: TestServer) -> None:
    async with ClientSession() as session:
        headers = {"Content-Encoding": "gzip"}
        async with session.post(edge.make_url(path), data=b"{}", headers=headers) as answer:
            assert answer.status == (422 if path.startswith("/hooks/") else 400)
