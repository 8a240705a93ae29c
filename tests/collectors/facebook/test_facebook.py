from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from collectors.facebook import Facebook
from desk.errors import DeskError, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from tests.collectors.facebook.fake import POST, Page
from tests.collectors.wire import NOW, Wire, answers, now

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    page: Page
    wire: Wire
    book: Facebook

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.book.read(cursor, SINCE)).mentions

    async def texts(self, cursor: str | None = None) -> list[str]:
        return [mention.text for mention in await self.read(cursor)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    page = Page()
    wire = Wire(page.serve)
    async with wire.client() as http:
        yield Bench(page, wire, Facebook(page.settings, "bank", "bank-fb", http, now))


async def test_a_comment_names_its_author_and_its_post(bench: Bench) -> None:
    bench.page.publish("Where is my card?")
    (mention,) = await bench.read()

    assert (mention.kind, mention.author.id, mention.author.name) == ("comment", "77", "Жанна")
    assert (mention.parent_id, mention.item) == (POST, "New card of the bank")


async def test_an_edit_of_the_post_is_no_edit_of_its_comments(bench: Bench) -> None:
    bench.page.publish("Where is my card?")
    (before,) = await bench.read()
    bench.page.nodes[POST]["message"] = "Another headline"
    (after,) = await bench.read()

    assert after.fingerprint == before.fingerprint


async def test_a_visitors_post_is_a_mention_and_the_pages_own_is_not(bench: Bench) -> None:
    bench.page.visit("Your app is down")

    assert [(m.kind, m.text) for m in await bench.read()] == [("post", "Your app is down")]


async def test_a_comment_under_a_comment_names_that(bench: Bench) -> None:
    first = bench.page.publish("Where is my card?")
    bench.page.publish("Mine is late too", under=first)

    assert {m.text: m.parent_id for m in await bench.read()} == {"Where is my card?": POST, "Mine is late too": first}


async def test_an_edited_comment_of_the_last_day_is_seen_again(bench: Bench) -> None:
    number = bench.page.publish("Fine", NOW - timedelta(hours=20))
    bench.page.publish("Newer")
    batch = await bench.book.read(None, SINCE)
    bench.page.nodes[number]["message"] = "Not fine at all"

    assert "Not fine at all" in await bench.texts(batch.cursor)


async def test_a_rush_under_one_post_is_read_past_its_first_page(bench: Bench) -> None:
    for number in range(130):
        bench.page.publish(f"n{number}", NOW - timedelta(minutes=number))

    assert len(await bench.read()) == 130


async def test_posts_past_the_first_page_are_read_too(bench: Bench) -> None:
    for number in range(30):
        bench.page.visit(f"n{number}")

    assert len(await bench.read()) == 30


async def test_an_old_post_ends_the_reading(bench: Bench) -> None:
    bench.page.size = 1
    bench.page.nodes[POST]["created_time"] = "2026-09-01T00:00:00+0000"
    bench.page.visit("Behind it")

    assert await bench.read() == []
    assert len(bench.wire.seen) == 1


async def test_one_comment_that_cannot_be_read_harms_only_itself(bench: Bench) -> None:
    number = bench.page.publish("Broken")
    bench.page.publish("Whole")
    bench.page.nodes[number]["created_time"] = "yesterday"
    batch = await bench.book.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["Whole"]
    assert "1 of 2 records" in batch.note


async def test_answers_of_others_are_not_ours(bench: Bench) -> None:
    number = bench.page.publish("Where is my card?")
    bench.page.publish("At the post office", under=number)
    (mention,) = [m for m in await bench.read() if m.key.external_id == number]
    posted = await bench.book.reply(mention, "On its way", "k")

    assert [r.external_id for r in (await bench.book.look(mention)).replies] == [posted.external_id]


CODES: list[tuple[int, int, type[DeskError], str]] = [
    (190, 463, NeedsLogin, "No."),
    (10, 0, Refused, "permission"),
    (230, 0, Refused, "permission"),
    (368, 0, Refused, "blocked"),
    (100, 0, Refused, "No."),
    (100, 33, Gone, "No."),
    (32, 0, Retry, "No."),
    (2, 0, Unsure, "No."),
    (506, 0, Unsure, "No."),
]


@pytest.mark.parametrize(("code", "sub", "error", "told"), CODES)
async def test_a_code_says_what_to_do_next(
    bench: Bench, code: int, sub: int, error: type[DeskError], told: str
) -> None:
    bench.page.publish("Where is my card?")
    (mention,) = await bench.read()
    bench.wire.fails(answers(400, bench.page.error(400, code, sub)), bench.page.is_write)

    with pytest.raises(error, match=told) as caught:
        await bench.book.reply(mention, "Hello", "k")
    assert type(caught.value) is error


async def test_the_time_to_wait_is_read_from_the_use_cases(bench: Bench) -> None:
    usage = {"1000": [{"type": "pages", "estimated_time_to_regain_access": 7}, {"estimated_time_to_regain_access": 3}]}
    shown = {"x_business_use_case_usage": json.dumps(usage)}
    bench.wire.fails(answers(400, bench.page.error(400, 32), **shown))

    with pytest.raises(Retry) as caught:
        await bench.read()
    assert (caught.value.after, caught.value.rate_limited) == (420, True)


async def test_what_was_not_carried_out_is_not_taken_for_done(bench: Bench) -> None:
    bench.page.publish("Where is my card?")
    (mention,) = await bench.read()
    bench.wire.fails(answers(200, b'{"success": false}'), lambda request: request.method != "GET")

    with pytest.raises(Refused):
        await bench.book.edit(mention, "5", "Hello")
    with pytest.raises(Refused):
        await bench.book.delete(mention, "5")
