from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import SecretStr

from collectors.reddit import Reddit
from desk.errors import NeedsLogin
from desk.mention import Author, Mention
from tests.collectors.reddit.fake import Board
from tests.collectors.wire import NOW, Wire, now

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    board: Board
    wire: Wire
    reddit: Reddit

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.reddit.read(cursor, SINCE)).mentions


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    board = Board()
    wire = Wire(board.serve)
    async with wire.client() as http:
        yield Bench(board, wire, Reddit(board.settings, "bank", "bank-reddit", http, now))


async def test_a_post_has_its_title_its_words_and_its_subreddit(bench: Bench) -> None:
    bench.board.publish("Queue of an hour")
    (mention,) = await bench.read()

    assert (mention.title, mention.text, mention.place) == ("Bank", "Queue of an hour", "kz")
    assert mention.url == "https://www.reddit.com/r/kz/comments/0/bank/"
    assert mention.author.url == "https://www.reddit.com/user/janna"


async def test_a_link_without_words_is_a_mention_by_its_title(bench: Bench) -> None:
    bench.board.publish("", selftext_html="")

    assert [(m.title, m.text) for m in await bench.read()] == [("Bank", "")]


async def test_a_link_whose_words_are_null_is_a_mention_too(bench: Bench) -> None:
    """So Reddit shows each post that holds no words of its own."""
    bench.board.publish("", selftext_html=None)
    bench.board.publish("", selftext_html=None)
    batch = await bench.reddit.read(None, SINCE)

    assert ([m.title for m in batch.mentions], batch.note) == (["Bank", "Bank"], "")


async def test_what_its_author_took_back_is_told_as_deleted_and_not_as_an_edit(bench: Bench) -> None:
    bench.board.publish("Queue of an hour")
    bench.board.publish("Queue of two hours")
    batch = await bench.reddit.read(None, SINCE)
    bench.board.posts[0] |= {"author": "[deleted]", "selftext_html": "<p>[deleted]</p>"}
    bench.board.posts[1] |= {"selftext_html": "<p>[removed]</p>"}

    assert [m.deleted for m in batch.mentions] == [False, False]
    assert [m.deleted for m in await bench.read(batch.cursor)] == [True, True]


async def test_words_of_a_deleted_account_stand_without_their_author(bench: Bench) -> None:
    bench.board.publish("Queue of an hour", by="[deleted]")
    (mention,) = await bench.read()

    assert (mention.text, mention.deleted, mention.author) == ("Queue of an hour", False, Author())


async def test_pages_are_read_on_until_what_is_known(bench: Bench) -> None:
    bench.board.page = 3
    for number in range(8):
        bench.board.publish(f"n{number}", NOW - timedelta(minutes=number))

    assert len(await bench.read()) == 8


async def test_an_edit_within_hours_is_seen(bench: Bench) -> None:
    bench.board.publish("First words", NOW - timedelta(hours=5))
    bench.board.publish("Newer")
    batch = await bench.reddit.read(None, SINCE)
    bench.board.posts[0]["selftext_html"] = "<p>Other words</p>"

    assert "Other words" in [m.text for m in await bench.read(batch.cursor)]


async def test_one_token_serves_for_its_hour(bench: Bench) -> None:
    await bench.read()
    await bench.read()

    assert bench.board.tokens == 1


async def test_a_login_that_ended_is_told_without_its_secrets(bench: Bench) -> None:
    settings = bench.board.settings.model_copy(update={"refresh_token": SecretStr("old-refresh")})
    async with bench.wire.client() as http:
        with pytest.raises(NeedsLogin) as caught:
            await Reddit(settings, "bank", "s", http, now).read(None, SINCE)
    assert "old-refresh" not in str(caught.value)
