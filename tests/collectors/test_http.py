"""The shared door, against a mock and against real sockets."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from collectors import http
from collectors.bodies import LARGEST
from collectors.http import Ask, Door, client, in_time
from collectors.records import log, readable
from collectors.waits import wait_seconds
from desk.errors import BadAnswer, DeskError, Refused, Retry, Unsure
from tests.collectors.wire import NOW, Wire, answers, now, silent_port

Respond = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry-after": "7"}, 7),
    ({"retry-after": "0.5"}, 0.5),
    ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90),
    ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True)}, 0),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "-5"}, None),
    ({"retry-after": "1" * 400}, None),
    ({"ratelimit-reset": "12"}, 12),
    ({"x-ratelimit-reset": "2026-11-24T12:05:00.000Z"}, 300),
    ({"x-rate-limit-reset": str(int(NOW.timestamp()) + 40)}, 40),
    ({"x-ratelimit-retry": "0.4"}, 0.4),
    ({"x-ratelimit-resource-until": format_datetime(NOW + timedelta(seconds=60), usegmt=True)}, 60),
    ({"retry-after": "3", "ratelimit-reset": "12"}, 3),
]


@pytest.mark.parametrize(("headers", "expected"), WAITS)
def test_the_time_to_wait_is_read_in_each_vendors_way(headers: dict[str, str], expected: float | None) -> None:
    assert wait_seconds(headers, NOW) == expected


@asynccontextmanager
async def server(respond: Respond) -> AsyncIterator[str]:
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await respond(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(talk(reader, writer)))

    running = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/x"
    finally:
        # With one who hung up at once the talk may not have begun: a server closed before that leaves it open for good.
        for _ in range(5):
            await asyncio.sleep(0)
        running.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def raised(method: str, respond: Respond) -> DeskError:
    async with server(respond) as url, client() as shared:
        door = Door(shared, "Site", now)
        with pytest.raises(DeskError) as caught:
            await (door.read if method == "GET" else door.write)(Ask(method, url))
    return caught.value


def says(head: str, body: bytes = b"") -> Respond:
    async def respond(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\n\r\n".encode() + body)
        await writer.drain()

    return respond


async def hangs(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
    await asyncio.sleep(5)


async def drops(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.integration
@pytest.mark.parametrize(("method", "expected"), [("GET", Retry), ("POST", Unsure)])
@pytest.mark.parametrize("respond", [drops, hangs, says("200 OK\r\ncontent-length: 100", b"abc"), says("nonsense")])
async def test_a_real_connection_that_breaks_after_sending(
    method: str, expected: type[DeskError], respond: Respond, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TOTAL", 0.2)

    assert type(await raised(method, respond)) is expected


@pytest.mark.integration
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_real_refused_connection_changed_nothing(method: str) -> None:
    with silent_port() as port:
        async with client() as shared:
            door, ask = Door(shared, "Site", now), Ask(method, f"http://127.0.0.1:{port}/x")
            with pytest.raises(Retry) as caught:
                await (door.read if method == "GET" else door.write)(ask)
    assert "ConnectError" in str(caught.value)


@pytest.mark.integration
@pytest.mark.parametrize(("method", "expected"), [("GET", BadAnswer), ("POST", Unsure)])
async def test_a_small_answer_that_unpacks_to_a_big_one_is_stopped(method: str, expected: type[DeskError]) -> None:
    body = gzip.compress(bytes(LARGEST + 1))
    error = await raised(method, says(f"200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}", body))

    assert type(error) is expected
    assert "more than 10 MB" in str(error)


@pytest.mark.integration
async def test_a_declared_size_is_enough_to_refuse() -> None:
    error = await raised("GET", says("200 OK\r\ncontent-length: 99000000"))

    assert isinstance(error, BadAnswer)
    assert "answered 94 MB, more than 10 MB" in str(error)


@pytest.mark.integration
async def test_a_body_that_cannot_be_unpacked_is_a_bad_answer() -> None:
    error = await raised("GET", says("200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3", b"abc"))

    assert isinstance(error, BadAnswer)


@pytest.mark.integration
async def test_the_shared_client_keeps_no_cookies() -> None:
    respond = says("200 OK\r\nset-cookie: session=1; path=/\r\ncontent-length: 2", b"{}")
    async with server(respond) as url, client() as shared:
        await Door(shared, "Site", now).read(Ask("GET", url))
        assert not shared.cookies


async def test_an_address_in_an_error_has_no_path_and_no_query() -> None:
    wire = Wire(lambda _request: httpx.Response(500))
    async with wire.client() as shared:
        with pytest.raises(Retry) as caught:
            await Door(shared, "Site", now).read(Ask("GET", "https://a.test/secret-path?key=secret-key"))
    assert "a.test" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://\x00/", "gopher://a.test/", "nonsense"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    async with client() as shared:
        with pytest.raises(Refused):
            await Door(shared, "Site", now).write(Ask("POST", url))


@pytest.mark.integration
@pytest.mark.parametrize("value", ["line\r\nbreak", "кириллица"])
async def test_a_header_that_cannot_be_sent_is_refused_before_sending(value: str) -> None:
    async with server(drops) as url, client() as shared:
        with pytest.raises(Refused):
            await Door(shared, "Site", now).write(Ask("POST", url, headers={"X-Key": value}))


async def test_redirects_that_go_round_end() -> None:
    wire = Wire(lambda _request: httpx.Response(302, headers={"location": "/again"}))
    async with wire.client() as shared:
        with pytest.raises(Retry):
            await Door(shared, "Site", now).read(Ask("GET", "https://a.test/"))
    assert len(wire.seen) == 5


async def test_a_write_is_never_sent_on_by_a_redirect() -> None:
    wire = Wire(lambda _request: httpx.Response(500))
    wire.fails(answers(307, location="https://a.test/there"))
    async with wire.client() as shared:
        with pytest.raises(Refused):
            await Door(shared, "Site", now).write(Ask("POST", "https://a.test/"))
    assert len(wire.seen) == 1


async def test_what_goes_before_a_write_may_not_take_the_lease_away() -> None:
    soon = asyncio.get_running_loop().time() + 0.01
    with pytest.raises(Retry, match="nothing was sent"):
        await in_time(soon, asyncio.sleep(5), "Site")


SECRETS = {
    "in a header": {"headers": {"X-API-KEY": "k" * 40}},
    "longer than what is quoted": {"headers": {"Authorization": f"Bearer {'j' * 900}"}},
    "in the query": {"params": {"access_token": "q" * 40}},
    "in a form": {"form": {"client_secret": "f" * 40}},
    "in a JSON body": {"json": {"identifier": "bank", "password": "p" * 40}},
    "deep in a JSON body": {"json": {"login": [{"refreshToken": "r" * 40}]}},
    "in an object that is a secret": {"json": {"assertion": {"kid": "a" * 40, "parts": ["b" * 40]}}},
}


@pytest.mark.parametrize("given", SECRETS.values(), ids=SECRETS)
async def test_a_secret_that_is_repeated_in_an_answer_is_not_shown(given: dict[str, Any]) -> None:
    ask = Ask("POST", "https://site.test/", **given)
    body = f'{{"message": "{"x" * 250} {" ".join(ask.secrets)}", "code": "c"}}'
    wire = Wire(lambda request: httpx.Response(400, content=body))
    async with wire.client() as shared:
        door = Door(shared, "Site", now, lambda said: (said["message"], said["code"]))
        with pytest.raises(Refused) as caught:
            await door.read(ask)
    assert ask.secrets
    assert not [word for word in ask.secrets if word[:20] in str(caught.value)]


def test_what_is_said_in_a_json_body_is_no_secret() -> None:
    said = {"comment": {"text": "Sorry for the long wait", "monkey": 7}, "repliesTo": ["review-1234567"]}

    assert Ask("POST", "https://site.test/", json=said).secrets == []


class Record(BaseModel):
    id: str
    stars: int = 0


GOOD, BAD = {"id": "r1"}, {"id": "r2", "stars": "many"}


@pytest.mark.parametrize(("raw", "read"), [([], 0), ([GOOD], 1), ([GOOD, BAD], 1), ([BAD], 0)])
def test_a_record_that_cannot_be_read_is_skipped_with_a_note_even_where_it_is_the_only_one(
    raw: list[Any], read: int
) -> None:
    records, note = readable(raw, Record, "Site")

    assert len(records) == read
    assert note == ("" if BAD not in raw else f"Site: 1 of {len(raw)} records cannot be read (stars: {REASON})")


REASON = "Input should be a valid integer, unable to parse string as an integer"


def test_several_records_of_which_none_can_be_read_are_another_api() -> None:
    with pytest.raises(BadAnswer, match="something else than its papers say: stars"):
        readable([BAD, BAD], Record, "Site")


def test_what_is_looked_for_is_not_called_gone_because_it_cannot_be_read() -> None:
    with pytest.raises(BadAnswer):
        readable([BAD], Record, "Site", searched=True)


def test_the_log_tells_once_what_an_unreadable_record_is_made_of_and_nothing_it_says(
    caplog: pytest.LogCaptureFixture,
) -> None:
    raw = {"id": "r2", "stars": "many", "author": {"name": "Дина", "Дина Ахметова": 1, "phone": None}, "photos": []}
    for _ in range(2):
        readable([raw], Record, "Site of the log")

    (line,) = [record.getMessage() for record in caplog.records if record.name == log.name]
    assert line.endswith("it holds {id: str, stars: str, author: {name: str, phone: NoneType}, photos: list}")
    assert "Дина" not in line
