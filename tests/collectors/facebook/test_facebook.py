from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pytest

from collectors.facebook import Facebook
from desk.errors import BadAnswer, DeskError, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from tests.collectors.facebook.fake import PAGE, POST, Page, stamp
from tests.collectors.wire import NOW, Serve, Wire, answers

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    page: Page
    wire: Wire
    book: Facebook
    time: datetime = NOW

    def patient(self) -> bool:
        assert len(self.wire.seen) < 50, "it asks for ever"
        return True

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.book.read(cursor, SINCE)).mentions

    async def texts(self, cursor: str | None = None) -> list[str]:
        return [mention.text for mention in await self.read(cursor)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    page = Page()
    wire = Wire(page.serve)
    async with wire.client() as http:
        made = Bench(page, wire, Facebook(page.settings, "bank", "bank-fb", http, lambda: made.time))
        yield made


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


async def test_a_rush_that_one_poll_cannot_read_to_its_end_is_told_and_what_is_known_is_not_missed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.facebook.RUSH", 1)
    for number in range(160):
        bench.page.publish(f"n{number}", NOW - timedelta(minutes=number))
    first = await bench.book.read(None, SINCE)
    bench.page.publish("Another one")
    second = await bench.book.read(first.cursor, SINCE)

    assert len(first.mentions) == 150
    assert "new comments" in first.note
    assert "Another one" in [m.text for m in second.mentions]
    assert second.note == ""


async def test_a_page_of_comments_that_leads_nowhere_ends_the_reading(bench: Bench) -> None:
    for number in range(60):
        bench.page.publish(f"n{number}", NOW - timedelta(minutes=number))
    nowhere = {"data": [], "paging": {"cursors": {"after": "50"}, "next": "https://graph.test/next"}}
    bench.wire.fails(answers(200, json.dumps(nowhere)), lambda r: r.url.path.endswith("/comments") and bench.patient())

    assert len(await bench.read()) == 50


async def test_what_was_said_before_the_first_poll_looked_is_no_news_to_the_second(bench: Bench) -> None:
    """The first poll tells quietly what is old; the day that later ones go back must not reach behind it."""
    bench.page.nodes[POST]["created_time"] = stamp(SINCE - timedelta(days=2))
    bench.page.publish("Long ago", SINCE - timedelta(hours=2))
    batch = await bench.book.read(None, SINCE)

    assert (batch.mentions, await bench.read(batch.cursor)) == ([], [])


async def test_posts_past_the_first_page_are_read_too(bench: Bench) -> None:
    for number in range(30):
        bench.page.visit(f"n{number}")

    assert len(await bench.read()) == 30


OLD = NOW - timedelta(days=40)


def old_posts(page: Page, count: int) -> list[str]:
    """Posts of the Page's, all of them older than what each poll reads, the newest first."""
    del page.nodes[POST]
    numbers = [f"{PAGE}_9{number:03}" for number in range(count)]
    for days, number in enumerate(numbers):
        page._add(number, f"Post {number}", OLD - timedelta(days=days), PAGE)
    return numbers


async def test_an_old_post_ends_the_reading_of_new_ones_and_each_poll_looks_at_one_page_behind_it(bench: Bench) -> None:
    bench.page.size = 1
    old_posts(bench.page, 5)
    await bench.read()

    assert [request.url.params.get("after") for request in bench.wire.seen] == [None, "1"]


async def walked(bench: Bench, polls: int, cursor: str | None = None) -> tuple[list[str], str]:
    """Texts that so many polls bring."""
    found: list[str] = []
    for _ in range(polls):
        batch = await bench.book.read(cursor, SINCE)
        found += [mention.text for mention in batch.mentions]
        cursor = batch.cursor
    assert cursor is not None
    return found, cursor


async def test_a_comment_under_a_post_of_any_age_is_found_in_turn(bench: Bench) -> None:
    posts = old_posts(bench.page, 120)
    bench.page.publish("Under the oldest", NOW - timedelta(days=2), under=posts[-1])
    bench.page.visit("Of this minute")
    found, cursor = await walked(bench, 2)
    assert "Under the oldest" in found

    bench.page.publish("And another one", under=posts[-1])
    again, _ = await walked(bench, 2, cursor)
    assert "And another one" in again


async def test_a_comment_made_behind_the_walk_is_found_by_the_next_one(bench: Bench) -> None:
    posts = old_posts(bench.page, 200)
    _, cursor = await walked(bench, 1)
    bench.time += timedelta(days=3)
    bench.page.publish("Just behind", bench.time, under=posts[60])
    bench.time += timedelta(days=3)
    bench.page.visit("Of this minute", bench.time)
    found, _ = await walked(bench, 6, cursor)

    assert "Just behind" in found


async def test_what_was_said_under_an_old_post_before_the_first_poll_stays_out(bench: Bench) -> None:
    posts = old_posts(bench.page, 60)
    bench.page.publish("Long ago", SINCE - timedelta(minutes=1), under=posts[-1])

    assert await walked(bench, 3) == ([], (await walked(bench, 3))[1])


async def test_a_rush_under_an_old_post_is_read_past_what_comes_with_it(bench: Bench) -> None:
    posts = old_posts(bench.page, 60)
    for number in range(35):
        bench.page.publish(f"n{number}", NOW - timedelta(minutes=number), under=posts[-1])
    found, _ = await walked(bench, 1)

    assert len(found) == 35


async def test_a_walk_whose_place_is_lost_begins_anew(bench: Bench) -> None:
    posts = old_posts(bench.page, 200)
    _, cursor = await walked(bench, 1)
    bench.page.marks.clear()
    bench.page.publish("Under an old one", under=posts[90])
    found, _ = await walked(bench, 3, cursor)

    assert found == ["Under an old one"]


async def test_a_page_of_old_posts_that_names_itself_ends_the_walk(bench: Bench) -> None:
    posts = old_posts(bench.page, 200)

    def names_itself(request: httpx.Request, serve: Serve) -> httpx.Response:
        page = serve(request).json()
        page["paging"]["cursors"]["after"] = request.url.params["after"]
        return httpx.Response(200, json=page)

    bench.wire.fails(names_itself, lambda request: request.url.params.get("after") == "75")
    _, cursor = await walked(bench, 3)
    bench.page.publish("Before it", under=posts[30])
    found, _ = await walked(bench, 2, cursor)

    assert "Before it" in found


async def test_a_page_of_old_posts_that_cannot_be_had_costs_no_new_comment(bench: Bench) -> None:
    bench.page.publish("Where is my card?")
    bench.page.size = 1
    for days in range(3):
        bench.page._add(f"{PAGE}_900{days}", "Old", OLD - timedelta(days=days), PAGE)
    bench.wire.fails(answers(400, bench.page.error(400, 32)), lambda r: r.url.params.get("after") == "2")
    batch = await bench.book.read(None, SINCE)
    assert [m.text for m in batch.mentions] == ["Where is my card?"]
    assert "Facebook" in batch.note

    bench.wire.heals()
    bench.page.publish("Under an old one", under=f"{PAGE}_9001")
    assert "Under an old one" in await bench.texts(batch.cursor)


async def test_a_cursor_of_before_the_walk_is_read(bench: Bench) -> None:
    posts = old_posts(bench.page, 60)
    bench.page.publish("Since then", under=posts[-1])
    before = f'{{"until": "{(NOW - timedelta(hours=1)).isoformat()}"}}'

    assert await bench.texts(before) == ["Since then"]


async def test_a_page_with_few_posts_costs_one_call(bench: Bench) -> None:
    bench.page.publish("Where is my card?")
    await bench.read()

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


async def test_our_reply_is_found_however_many_others_answered_after_it(bench: Bench) -> None:
    """One that is not found is taken for lost, and sent again."""
    number = bench.page.visit("Your app is down")
    (mention,) = await bench.read()
    posted = await bench.book.reply(mention, "We are on it", "k")
    for minutes in range(260):
        bench.page.publish("Same here", NOW + timedelta(minutes=minutes), under=number)

    assert [r.external_id for r in (await bench.book.look(mention)).replies] == [posted.external_id]


async def test_where_too_many_answered_to_read_them_all_our_reply_is_not_called_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.facebook.RUSH", 1)
    number = bench.page.visit("Your app is down")
    (mention,) = await bench.read()
    for _ in range(160):
        bench.page.publish("Same here", under=number)

    with pytest.raises(BadAnswer, match="ours may be"):
        await bench.book.look(mention)


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
