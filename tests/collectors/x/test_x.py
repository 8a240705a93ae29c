from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from pydantic import SecretStr

from collectors.x import CARD, Settings, X, weighted
from desk.errors import NeedsLogin, Refused
from desk.mention import Mention
from desk.platform import problems
from tests.collectors.wire import NOW, Wire, answers, now
from tests.collectors.x.fake import TOKEN, Search, first_id_at

SINCE = NOW - timedelta(days=30)


@dataclass
class Bench:
    search: Search
    wire: Wire
    x: X

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.x.read(cursor, SINCE)).mentions


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    search = Search()
    wire = Wire(search.serve)
    async with wire.client() as http:
        yield Bench(search, wire, X(search.settings, "bank", "bank-x", http, now))


async def test_a_post_names_its_author_with_followers_and_a_link(bench: Bench) -> None:
    number = bench.search.publish("Your app is down &amp; out", public_metrics={"impression_count": 900})
    (mention,) = await bench.read()

    assert mention.url == f"https://x.com/Janna/status/{number}"
    assert (mention.author.name, mention.author.followers, mention.reach) == ("Жанна", 120, 900)
    assert mention.kind == "post"


async def test_an_answer_in_a_conversation_names_its_start(bench: Bench) -> None:
    bench.search.publish("Me too", conversation_id="42")

    assert [(m.kind, m.parent_id) for m in await bench.read()] == [("comment", "42")]


async def test_no_more_than_seven_days_are_asked_for(bench: Bench) -> None:
    await bench.read()

    assert bench.wire.seen[0].url.params["start_time"] == "2026-11-17T12:05:00Z"


async def test_only_what_is_newer_is_asked_for_and_paid_for(bench: Bench) -> None:
    number = bench.search.publish("One")
    batch = await bench.x.read(None, SINCE)
    again = await bench.x.read(batch.cursor, SINCE)

    assert again.mentions == []
    assert bench.wire.seen[-1].url.params["since_id"] == number


async def test_a_long_list_is_gone_through_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.search.page = 2
    for number in range(13):
        bench.search.publish(f"n{number}")
    first = await bench.x.read(None, SINCE)
    second = await bench.x.read(first.cursor, SINCE)
    bench.search.publish("later")

    assert sorted(m.text for m in [*first.mentions, *second.mentions]) == sorted(f"n{n}" for n in range(13))
    assert [m.text for m in await bench.read(second.cursor)] == ["later"]


async def test_a_search_that_found_nothing_for_a_week_is_not_refused_for_ever(bench: Bench) -> None:
    """X takes no since_id that is older than what it searches."""
    bench.search.publish("One")
    batch = await bench.x.read(None, SINCE)
    bench.search.time = later = NOW + timedelta(days=8)
    bench.search.posts[0]["created_at"] = later.isoformat()
    bench.search.posts[0]["id"] = bench.search.posts[0]["conversation_id"] = str(first_id_at(later))
    async with bench.wire.client() as http:
        found = await X(bench.search.settings, "bank", "bank-x", http, lambda: later).read(batch.cursor, SINCE)

    assert [m.text for m in found.mentions] == ["One"]
    assert bench.wire.seen[-1].url.params["start_time"] == "2026-11-25T12:05:00Z"


async def test_a_long_list_whose_place_is_lost_is_gone_through_anew(bench: Bench) -> None:
    bench.search.page = 2
    for number in range(13):
        bench.search.publish(f"n{number}")
    first = await bench.x.read(None, SINCE)
    bench.search.marks.clear()
    bench.search.page = 100
    second = await bench.x.read(first.cursor, SINCE)

    assert {m.text for m in second.mentions} == {f"n{n}" for n in range(13)}


async def test_a_place_that_names_itself_is_the_end_of_the_list(bench: Bench) -> None:
    bench.search.publish("One")
    body = {"data": bench.search.posts, "meta": {"next_token": "again"}}
    bench.wire.fails(answers(200, json.dumps(body)))
    batch = await bench.x.read(None, SINCE)
    bench.wire.heals()
    bench.search.publish("Two")

    assert "Two" in [m.text for m in await bench.read(batch.cursor)]
    assert bench.wire.seen[-1].url.params.get("since_id")


async def test_an_edited_post_is_the_same_mention_with_new_words(bench: Bench) -> None:
    """X gives each edit an id of its own."""
    first = bench.search.publish("Your app is down", edit_history_tweet_ids=[str(first_id_at(NOW))])
    batch = await bench.x.read(None, SINCE)
    second = bench.search.publish("Your app is down again", edit_history_tweet_ids=[first, str(first_id_at(NOW) + 1)])
    (before,), (after,) = batch.mentions, await bench.read(batch.cursor)

    assert (after.key, after.kind) == (before.key, "post")
    assert after.url.endswith(second), "the one that can still be answered"


async def test_a_long_post_is_read_to_its_end(bench: Bench) -> None:
    bench.search.publish(
        "Your app is fine when", note_tweet={"text": "Your app is fine when it works &amp; it does not"}
    )

    assert [m.text for m in await bench.read()] == ["Your app is fine when it works & it does not"]
    assert "note_tweet" in bench.wire.seen[0].url.params["tweet.fields"].split(",")


async def test_posts_whose_author_is_not_named_are_read_too(bench: Bench) -> None:
    number = bench.search.publish("Who am I", by="99")

    assert [m.url for m in await bench.read()] == [f"https://x.com/i/status/{number}"]


async def test_a_plan_that_is_used_up_is_no_matter_of_waiting(bench: Bench) -> None:
    bench.wire.fails(answers(429, bench.search.error(429, "usage-capped")))

    with pytest.raises(Refused, match="used up"):
        await bench.read()


async def test_a_token_of_the_wrong_kind_is_a_login(bench: Bench) -> None:
    bench.wire.fails(answers(403, bench.search.error(403, "unsupported-authentication")))

    with pytest.raises(NeedsLogin):
        await bench.read()


@pytest.mark.parametrize(
    ("text", "length"),
    [("abc", 3), ("привет", 6), ("咖啡", 4), ("☕", 2), ("see https://example.com/a/very/long/address/indeed", 27)],
)
def test_length_is_counted_as_x_does(text: str, length: int) -> None:
    assert weighted(text) == length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("see acme.com", 27),
        ("see acme.kz/a/very/long/address/indeed", 27),
        ("(see https://acme.kz/a).", 30),
        ("mail to a@acme.com", 18),
        ("so.Then it", 10),
        ("v1.2", 4),
    ],
)
def test_an_address_without_its_scheme_is_counted_as_one_and_the_dot_after_it_is_not_part_of_it(
    text: str, length: int
) -> None:
    assert weighted(text) == length


def test_a_text_too_long_for_x_is_refused_before_approval() -> None:
    assert [p.key for p in problems("咖" * 141, CARD)] == ["text_too_long"]
    assert problems("咖" * 140, CARD) == []


def test_without_a_handle_nobody_is_left_out() -> None:
    settings = Settings(bearer_token=SecretStr(TOKEN), query="Bank")

    assert X(settings, "bank", "s", None, now)._query == "(Bank)"  # type: ignore[arg-type]
