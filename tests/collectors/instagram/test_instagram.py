from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pytest

from collectors.instagram import Instagram
from desk.errors import BadAnswer, Refused
from desk.mention import Mention
from tests.collectors.instagram.fake import Account
from tests.collectors.wire import NOW, Serve, Wire

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    account: Account
    wire: Wire
    gram: Instagram
    time: datetime = NOW

    async def read(self, cursor: str | None = None) -> dict[str, Mention]:
        return {mention.text: mention for mention in (await self.gram.read(cursor, SINCE)).mentions}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    account = Account()
    wire = Wire(account.serve)
    async with wire.client() as http:
        made = Bench(account, wire, Instagram(account.settings, "bank", "bank-ig", http, lambda: made.time))
        yield made


async def test_a_comment_names_its_author_and_its_picture(bench: Bench) -> None:
    bench.account.publish("Obman!")
    mention = (await bench.read())["Obman!"]

    assert (mention.kind, mention.item, mention.url) == ("comment", "New card", "https://www.instagram.com/p/x/")
    assert (mention.author.name, mention.author.url) == ("janna", "https://www.instagram.com/janna/")


async def test_what_others_write_under_a_comment_is_a_mention_too(bench: Bench) -> None:
    top = bench.account.publish("Obman!")
    bench.account.publish("I agree", under=top)
    bench.account.publish("We are sorry", by="bank", under=top)

    assert {text: m.parent_id for text, m in (await bench.read()).items()} == {"Obman!": "", "I agree": top}


async def test_a_reply_to_a_reply_stands_under_the_comment_at_the_top_and_is_found_there(bench: Bench) -> None:
    top = bench.account.publish("Obman!", NOW - timedelta(hours=2))
    bench.account.publish("We are sorry", NOW - timedelta(hours=1), by="bank", under=top)
    bench.account.publish("Not enough", NOW - timedelta(minutes=5), under=top)
    mention = (await bench.read())["Not enough"]
    posted = await bench.gram.reply(mention, "Please write to us", "k")

    look = await bench.gram.look(mention)
    assert [r.external_id for r in look.replies] == [posted.external_id], "the earlier one answers somebody else"
    assert look.mention is not None
    assert look.mention.fingerprint == mention.fingerprint


async def test_a_reply_of_others_that_was_deleted_looks_gone(bench: Bench) -> None:
    top = bench.account.publish("Obman!")
    number = bench.account.publish("I agree", under=top)
    mention = (await bench.read())["I agree"]
    bench.account.remove(number)

    assert (await bench.gram.look(mention)).mention is None


async def test_a_reply_of_others_that_cannot_be_read_is_not_called_gone(bench: Bench) -> None:
    top = bench.account.publish("Obman!")
    number = bench.account.publish("I agree", under=top)
    bench.account.publish("Me too", under=top)
    mention = (await bench.read())["I agree"]
    bench.account.comments[number]["timestamp"] = "yesterday"

    with pytest.raises(BadAnswer, match="1 of 2 records"):
        await bench.gram.look(mention)


async def test_a_rush_under_one_picture_is_read_past_its_first_page(bench: Bench) -> None:
    for number in range(120):
        bench.account.publish(f"n{number}", NOW - timedelta(minutes=number))

    assert len(await bench.read()) == 120


async def test_a_rush_that_one_poll_cannot_read_to_its_end_is_told_and_what_is_known_is_not_missed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.instagram.RUSH", 1)
    for number in range(160):
        bench.account.publish(f"n{number}", NOW - timedelta(minutes=number))
    first = await bench.gram.read(None, SINCE)
    bench.account.publish("Another one")
    second = await bench.gram.read(first.cursor, SINCE)

    assert len(first.mentions) == 100
    assert "new comments" in first.note
    assert "Another one" in [m.text for m in second.mentions]
    assert second.note == ""


async def test_a_page_of_comments_that_leads_nowhere_ends_the_reading(bench: Bench) -> None:
    for minutes in range(60):
        bench.account.publish("Thank you all", NOW - timedelta(minutes=minutes), by="bank")

    def leads_back(request: httpx.Request, serve: Serve) -> httpx.Response:
        assert len(bench.wire.seen) < 50, "it asks for ever"
        page = serve(request).json()
        return httpx.Response(200, json={**page, "paging": {"cursors": {"after": "10"}, "next": "https://graph.test"}})

    bench.wire.fails(leads_back, lambda request: request.url.path.endswith("/comments"))

    assert await bench.read() == {}


def a_long_thread(bench: Bench) -> str:
    top = bench.account.publish("Obman!", NOW - timedelta(hours=5))
    for minutes in range(160):
        at = NOW - timedelta(hours=4) + timedelta(minutes=minutes)
        bench.account.publish(f"Same here {minutes}", at, under=top)
    return top


async def test_what_others_write_at_the_end_of_a_long_thread_is_found(bench: Bench) -> None:
    bench.account.publish("Nobody answers", under=a_long_thread(bench))

    assert "Nobody answers" in await bench.read()


async def test_our_reply_at_the_end_of_a_long_thread_is_found_and_what_it_answers_is_not_called_gone(
    bench: Bench,
) -> None:
    """A reply that is not found is taken for lost and sent again; a case whose mention is gone is given up."""
    bench.account.publish("Nobody answers", under=a_long_thread(bench))
    mention = (await bench.read())["Nobody answers"]
    posted = await bench.gram.reply(mention, "We do", "k")
    look = await bench.gram.look(mention)

    assert look.mention is not None
    assert [r.external_id for r in look.replies] == [posted.external_id]


async def test_where_a_thread_is_too_long_to_read_our_reply_is_not_called_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.instagram.RUSH", 1)
    a_long_thread(bench)
    mention = (await bench.read())["Obman!"]

    with pytest.raises(BadAnswer, match="ours may be"):
        await bench.gram.look(mention)


async def test_what_was_said_before_the_first_poll_looked_is_no_news_to_the_second(bench: Bench) -> None:
    """The first poll tells quietly what is old; the day that later ones go back must not reach behind it."""
    bench.account.publish("Long ago", SINCE - timedelta(hours=2))
    batch = await bench.gram.read(None, SINCE)

    assert (batch.mentions, await bench.read(batch.cursor)) == ([], {})


async def test_a_comment_without_words_is_none(bench: Bench) -> None:
    bench.account.publish("")

    assert await bench.read() == {}


async def test_a_reply_that_cannot_be_read_is_told(bench: Bench) -> None:
    number = bench.account.publish("I agree", under=bench.account.publish("Obman!"))
    bench.account.comments[number]["timestamp"] = "yesterday"

    assert "1 of 1 records" in (await bench.gram.read(None, SINCE)).note


async def test_who_we_are_is_asked_once(bench: Bench) -> None:
    await bench.read()
    await bench.read()

    assert sum(not bench.account.is_list(request) for request in bench.wire.seen) == 1


async def test_an_account_that_takes_another_name_still_knows_its_own_words(bench: Bench) -> None:
    bench.account.publish("Obman!")
    mention = (await bench.read())["Obman!"]
    bench.account.name = "bank_kz"
    posted = await bench.gram.reply(mention, "We are sorry", "k")
    bench.time += timedelta(hours=2)

    assert [r.external_id for r in (await bench.gram.look(mention)).replies] == [posted.external_id]
    assert list(await bench.read()) == ["Obman!"]


async def test_a_reply_cannot_be_edited_and_staff_are_told_the_way_out(bench: Bench) -> None:
    bench.account.publish("Obman!")
    mention = (await bench.read())["Obman!"]

    with pytest.raises(Refused, match="deleted"):
        await bench.gram.edit(mention, "c9", "Other words")
