"""What goes wrong at a platform, past what tests/contracts shows of each call: slow drips, and who is told, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from bot.config import load
from bot.directory import Directory
from collectors import http, open_platform
from collectors.google_play import Settings as GooglePlay
from collectors.http import Ask, Door, client
from collectors.rss import Settings as Rss
from collectors.wordpress import Settings as WordPress
from desk.errors import DeskError, NeedsLogin, Retry, Unsure
from desk.platform import Platform
from desk.polling import Poll, SourceRef, poll_work
from storage.engine import Engine
from storage.store import SqlStore, open_store
from storage.tables import work
from tests.bot import sample
from tests.collectors.google_play.fake import PACKAGE, Console, credentials
from tests.collectors.wire import NOW, Fault, Wire, answers, now, raises
from tests.collectors.wordpress.fake import Site
from tests.faults.odd import Answer, odd, says, trickles
from tests.storage.helpers import Clock, put

SINCE = NOW - timedelta(days=2)
IN_TIME = 3 * http.TOTAL
"""Seconds by the clock of the loop for a login and one call."""

DRIPPING: dict[str, Any] = {
    "google_play": lambda url: GooglePlay(package=PACKAGE, credentials=credentials(token_uri=f"{url}/t"), api_base=url),
    "rss": lambda url: Rss(url=f"{url}/feed"),
    "wordpress": lambda url: WordPress(api_base=url, user="brand", app_password=SecretStr("app pass word")),
}


@asynccontextmanager
async def opened(name: str, answer: Answer) -> AsyncIterator[Platform]:
    async with odd(answer) as server, client() as shared:
        platform = open_platform(name, DRIPPING[name](server.url), "bank", f"bank-{name}", shared, now)
        yield platform
        await platform.close()


@pytest.mark.parametrize("name", DRIPPING)
async def test_a_reading_that_drips_is_given_up_in_time(name: str) -> None:
    async with opened(name, trickles) as platform, asyncio.timeout(IN_TIME):
        with pytest.raises(Retry, match=r"no answer|too slow") as caught:
            await platform.read(None, SINCE)
    assert type(caught.value) is Retry


async def test_a_login_that_works_before_a_reading_that_drips_changes_nothing() -> None:
    login = says('{"access_token": "t", "expires_in": 3599, "token_type": "Bearer"}')

    async def answer(request: Any) -> Any:
        return await (login if request.path == "/t" else trickles)(request)

    async with opened("google_play", answer) as platform, asyncio.timeout(IN_TIME):
        with pytest.raises(Retry, match="no answer"):
            await platform.read(None, SINCE)


async def test_a_writing_that_drips_is_given_up_in_time_and_may_have_happened() -> None:
    async with odd(trickles) as server, client() as shared, asyncio.timeout(IN_TIME):
        with pytest.raises(Unsure, match="no answer"):
            await Door(shared, "Site", now).write(Ask("POST", server.url, json={}))


# what else a reply may be answered with

FAKES = {"google_play": Console, "wordpress": Site}
WRITES: dict[str, tuple[Fault, type[DeskError], float | None]] = {
    "429 without a time": (answers(429), Retry, None),
    "429 with a time": (answers(429, retry_after="17"), Retry, 17.0),
    "another type": (answers(200, '{"id": "x", "result": 7, "content": []}'), Unsure, None),
    "a list": (answers(200, "[]"), Unsure, None),
    "null": (answers(200, "null"), Unsure, None),
}


@pytest.mark.parametrize("name", FAKES)
@pytest.mark.parametrize("fault", WRITES)
async def test_a_reply_that_was_answered_oddly_says_whether_it_may_stand(name: str, fault: str) -> None:
    fake: Any = FAKES[name]()
    answer, kind, after = WRITES[fault]
    wire = Wire(fake.serve)
    async with wire.client() as shared:
        platform = open_platform(name, fake.settings, "bank", f"bank-{name}", shared, now)
        fake.publish("Card blocked")
        [mention] = (await platform.read(None, SINCE)).mentions
        wire.fails(answer, fake.is_write)
        with pytest.raises(DeskError) as caught:
            await platform.reply(mention, "Hello", "k1")
    assert (type(caught.value), getattr(caught.value, "after", None)) == (kind, after)


# a source that fails, poll after poll

POLLS: dict[str, tuple[Fault, int]] = {
    "refused connection": (raises(httpx.ConnectError), 3),
    "reset": (raises(httpx.ReadError), 3),
    "time-out": (raises(httpx.ReadTimeout), 3),
    "401": (answers(401), 1),
    "403": (answers(403), 3),
    "429 without a time": (answers(429), 3),
    "429 with a time": (answers(429, retry_after="60"), 3),
    "500": (answers(500), 3),
    "HTML": (answers(200, "<html>"), 3),
    "cut JSON": (answers(200, '{"reviews": ['), 3),
    "wrong types": (answers(200, '{"reviews": 5}'), 3),
}


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url, clock=Clock())
    yield opened
    await opened.close()


async def waiting(store: SqlStore, kind: str) -> list[dict[str, Any]]:
    async with store.database.reader.begin() as connection:
        wanted = select(work.c.payload).where(work.c.kind == kind).order_by(work.c.id)
        return list((await connection.execute(wanted)).scalars())


async def test_a_source_that_fails_is_told_of_once_an_outage_and_read_again_in_turn(
    store: SqlStore, tmp_path: Path
) -> None:
    directory = Directory(load(sample.write(tmp_path), sample.SECRETS))
    console, clock = Console(), store.database._clock
    assert isinstance(clock, Clock)
    wire = Wire(console.serve)
    async with wire.client() as shared:
        play = open_platform("google_play", console.settings, "coffee", "play", shared, clock)
        ref = SourceRef("play", "coffee", play)
        engine = Engine(store, {"poll": Poll(store, lambda: directory, lambda key: ref)}, {})

        async def polled() -> None:
            clock.forward(300)
            await put(store, poll_work("play", clock.now))
            await engine.drain()

        for outages, (name, (answer, told_at)) in enumerate(POLLS.items()):
            wire.fails(answer, console.is_api)
            for number in range(1, told_at + 2):
                await polled()
                told = await waiting(store, "answer")
                assert len(told) == outages + (number >= told_at), f"{name}, poll {number}"
            assert (told[-1]["what"], told[-1]["source"], bool(told[-1]["reason"])) == ("source_failing", "play", True)
            wire.heals()
            review = console.publish(f"Card blocked: {name}", clock.now)
            await polled()
            console.remove(review)
            texts = [payload["mention"]["text"] for payload in await waiting(store, "receive")]
            assert any(name in text for text in texts), "the source is read on"


async def test_a_login_that_a_person_must_mend_names_it(store: SqlStore) -> None:
    """A revoked key: what staff are told is what Google says of it."""
    console = Console()
    wire = Wire(console.serve)
    async with wire.client() as shared:
        play = open_platform("google_play", console.settings, "coffee", "play", shared, now)
        body = '{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'
        wire.fails(answers(400, body), lambda request: not console.is_api(request))
        with pytest.raises(NeedsLogin, match="Invalid JWT Signature"):
            await play.read(None, SINCE)
