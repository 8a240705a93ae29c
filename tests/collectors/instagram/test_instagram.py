from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from collectors.instagram import Instagram
from desk.errors import Refused
from desk.mention import Mention
from tests.collectors.instagram.fake import Account
from tests.collectors.wire import NOW, Wire, now

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    account: Account
    wire: Wire
    gram: Instagram

    async def read(self, cursor: str | None = None) -> dict[str, Mention]:
        return {mention.text: mention for mention in (await self.gram.read(cursor, SINCE)).mentions}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    account = Account()
    wire = Wire(account.serve)
    async with wire.client() as http:
        yield Bench(account, wire, Instagram(account.settings, "bank", "bank-ig", http, now))


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


async def test_a_rush_under_one_picture_is_read_past_its_first_page(bench: Bench) -> None:
    for number in range(120):
        bench.account.publish(f"n{number}", NOW - timedelta(minutes=number))

    assert len(await bench.read()) == 120


async def test_who_we_are_is_asked_once(bench: Bench) -> None:
    await bench.read()
    await bench.read()

    assert sum(not bench.account.is_list(request) for request in bench.wire.seen) == 1


async def test_a_reply_cannot_be_edited_and_staff_are_told_the_way_out(bench: Bench) -> None:
    bench.account.publish("Obman!")
    mention = (await bench.read())["Obman!"]

    with pytest.raises(Refused, match="deleted"):
        await bench.gram.edit(mention, "c9", "Other words")
