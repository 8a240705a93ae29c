from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.mastodon import Mastodon, Settings, addressed
from desk.errors import NeedsLogin, Refused, Retry
from desk.mention import Author, Mention
from desk.platform import Batch, problems
from tests.collectors.mastodon.fake import FAR, OWN, SITE, TOKEN, Server, stamp
from tests.collectors.wire import NOW, Wire, answers, now

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    server: Server
    wire: Wire
    http: httpx.AsyncClient
    desk: Mastodon = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Mastodon(self.server.settings, "bank", "bank-mastodon", self.http, now)

    async def mention(self, text: str = "@brand is down", **status: Any) -> Mention:
        number = self.server.publish(text, **status)
        return next(m for m in (await self.desk.read(None, SINCE)).mentions if m.key.external_id == number)

    async def texts(self, cursor: str | None) -> tuple[list[str], str]:
        batch = await self.desk.read(cursor, SINCE)
        return [m.text for m in batch.mentions], batch.cursor

    def content(self, number: str) -> str:
        content: str = self.server.statuses[number]["content"]
        return content

    def sent(self) -> dict[str, str]:
        body: dict[str, str] = json.loads([r for r in self.wire.seen if r.method in ("POST", "PUT")][-1].content)
        return body


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    server = Server()
    wire = Wire(server.serve)
    async with wire.client() as http:
        yield Bench(server, wire, http)


async def test_a_post_tells_who_wrote_it_and_in_which_language(bench: Bench) -> None:
    mention = await bench.mention(author=FAR, language="kk")

    assert (mention.kind, mention.lang, mention.text) == ("post", "kk", "@brand is down")
    assert mention.author == Author("Timur.K@far.example", "Айгуль", f"{SITE}/@Timur.K@far.example", 12)
    assert mention.url == f"{SITE}/@Timur.K@far.example/{mention.key.external_id}"
    assert mention.key.account == "mas.test"


async def test_a_content_warning_is_the_title_and_pictures_come_along(bench: Bench) -> None:
    media = [{"url": "https://mas.test/1.png"}, {"url": None}]
    mention = await bench.mention(spoiler_text="Rant", media_attachments=media)

    assert (mention.title, mention.media) == ("Rant", ("https://mas.test/1.png",))


async def test_a_reply_in_a_thread_is_a_comment(bench: Bench) -> None:
    mention = await bench.mention(in_reply_to_id="5")

    assert (mention.kind, mention.parent_id) == ("comment", "5")


async def test_links_and_names_in_a_post_read_as_they_are_shown(bench: Bench) -> None:
    content = (
        '<p><span class="h-card"><a href="https://mas.test/@brand">@<span>brand</span></a></span> see '
        '<a href="https://x.test/a/b"><span class="invisible">https://</span><span class="ellipsis">x.test/a</span>'
        '<span class="invisible">/b</span></a><br />now</p><p>Bye</p>'
    )
    mention = await bench.mention(content=content)

    assert mention.text == "@brand see https://x.test/a/b\nnow\n\nBye"


async def test_the_first_poll_goes_back_to_since_and_no_further(bench: Bench) -> None:
    bench.server.page = 2
    for days in range(12, 0, -1):
        bench.server.publish(f"{days} days ago", NOW - timedelta(days=days))
    texts, cursor = await bench.texts(None)

    assert texts == [f"{days} days ago" for days in range(7, 0, -1)]
    assert "10 days ago" not in (await bench.texts(cursor))[0]


async def test_what_was_there_before_since_never_comes_back(bench: Bench) -> None:
    for days in (9, 8):
        bench.server.publish(f"{days} days ago", NOW - timedelta(days=days))
    _, cursor = await bench.texts(None)
    bench.server.publish("today")

    assert (await bench.texts(cursor))[0] == ["today"]


async def test_a_long_history_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.server.page = 2
    wanted = [f"{hours} hours ago" for hours in range(50, 0, -1)]
    for hours in range(50, 0, -1):
        bench.server.publish(f"{hours} hours ago", NOW - timedelta(hours=hours))
    first, cursor = await bench.texts(None)
    bench.server.publish("meanwhile")
    second, cursor = await bench.texts(cursor)
    third, cursor = await bench.texts(cursor)
    fourth, _ = await bench.texts(cursor)

    assert sorted(first + second + third) == sorted(wanted)
    assert fourth[-1] == "meanwhile"


async def test_what_piled_up_is_read_forward_without_gaps(bench: Bench) -> None:
    bench.server.page = 2
    _, cursor = await bench.texts(None)
    wanted = [f"post {number}" for number in range(30)]
    for text in wanted:
        bench.server.publish(text)
    first, cursor = await bench.texts(cursor)
    second, _ = await bench.texts(cursor)

    assert first == wanted[:20]
    assert second == wanted[20:]


async def test_an_edit_of_a_recent_post_is_read_again(bench: Bench) -> None:
    bench.server.publish("filler")
    number = bench.server.publish("bad")
    _, cursor = await bench.texts(None)
    bench.server.statuses[number] |= {"content": "<p>worse</p>", "edited_at": stamp(NOW)}

    assert (await bench.texts(cursor))[0] == ["worse"]


async def test_one_unreadable_post_harms_only_itself_wherever_it_stands(bench: Bench) -> None:
    bench.server.publish("good")
    bench.server.publish("bad", content=None)
    batch = await bench.desk.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (content:" in batch.note


async def test_one_unreadable_notification_harms_only_itself(bench: Bench) -> None:
    bench.server.publish("good")
    bench.server.publish("bad")
    bench.server.notifications[1]["created_at"] = "today"
    batch = await bench.desk.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (created_at:" in batch.note


async def test_a_notification_whose_post_is_gone_is_passed_over(bench: Bench) -> None:
    bench.server.publish("gone")
    bench.server.notifications[0]["status"] = None

    assert await bench.desk.read(None, SINCE) == Batch([], '{"recent":["9001"]}')


ADDRESSES = [
    ("Sorry!", "aigul", "@aigul Sorry!"),
    ("@aigul sorry!", "aigul", "@aigul sorry!"),
    ("Sorry, @Aigul!", "aigul", "Sorry, @Aigul!"),
    ("@aigulim sorry", "aigul", "@aigul @aigulim sorry"),
    ("mail me@aigul please", "aigul", "@aigul mail me@aigul please"),
    ("@timur sorry", "timur@far.example", "@timur@far.example @timur sorry"),
    ("@timur@far.example: sorry", "timur@far.example", "@timur@far.example: sorry"),
    ("Sorry!", "", "Sorry!"),
]


@pytest.mark.parametrize(("text", "author", "expected"), ADDRESSES)
def test_the_author_is_addressed_once(text: str, author: str, expected: str) -> None:
    assert addressed(text, author) == expected


async def test_the_address_is_no_part_of_the_reply_that_is_read_back(bench: Bench) -> None:
    mention = await bench.mention(author=FAR)
    posted = await bench.desk.reply(mention, "Sorry!\n\nFixed", "1-1")

    assert bench.sent()["status"] == "@Timur.K@far.example Sorry!\n\nFixed"
    (reply,) = (await bench.desk.look(mention)).replies
    assert (reply.external_id, reply.text) == (posted.external_id, "Sorry!\n\nFixed")


@pytest.mark.parametrize("visibility", ["public", "unlisted", "private", "direct"])
async def test_a_reply_is_seen_by_those_who_see_the_post(bench: Bench, visibility: str) -> None:
    mention = await bench.mention(visibility=visibility)
    await bench.desk.reply(mention, "Sorry", "1-1")

    assert bench.sent()["visibility"] == visibility


async def test_a_repeated_reply_is_the_same_post_and_another_version_is_not(bench: Bench) -> None:
    mention = await bench.mention()
    posted = [await bench.desk.reply(mention, "Sorry", key) for key in ("1-1", "1-1", "1-2")]
    ids = [p.external_id for p in posted]

    assert ids[0] == ids[1] != ids[2]


async def test_the_same_case_number_under_another_post_is_another_reply(bench: Bench) -> None:
    one, other = await bench.mention(), await bench.mention()
    posted = {(await bench.desk.reply(mention, "Sorry", "1-1")).external_id for mention in (one, other)}

    assert len(posted) == 2


async def test_only_the_brands_replies_right_under_the_mention_are_ours(bench: Bench) -> None:
    mention = await bench.mention()
    number = mention.key.external_id
    first = bench.server.write("First", NOW - timedelta(hours=1), author=OWN, in_reply_to_id=number)
    last = bench.server.write("Last", author=OWN, in_reply_to_id=number)
    bench.server.write("Deeper", author=OWN, in_reply_to_id=last)
    bench.server.write("Me too", in_reply_to_id=number)

    assert [r.external_id for r in (await bench.desk.look(mention)).replies] == [first, last]


async def test_an_edit_keeps_the_address_and_tells_its_time(bench: Bench) -> None:
    mention = await bench.mention()
    number = bench.server.write("Old", NOW - timedelta(hours=1), author=OWN, in_reply_to_id=mention.key.external_id)
    edited = await bench.desk.edit(mention, number, "New")

    assert (bench.sent(), edited.at) == ({"status": "@aigul New"}, NOW)


async def test_an_edit_under_a_forgotten_author_needs_no_address(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.desk.reply(mention, "Old", "1-1")
    await bench.desk.edit(replace(mention, author=Author()), posted.external_id, "New")

    assert bench.content(posted.external_id) == "<p>New</p>"


SAME = [
    ("Hello", "@aigul Hello", True),
    ("@timur@far.example Hello", "@timur Hello", True),
    ("Ask @help@far.example or help@far.example", "Ask @help or help@far.example", True),
    ("Two\n\nparts", "Two parts", True),
    ("5 < 6 & more", "5 < 6 & more", True),
    ("Hello", "Hello!", False),
    ("Ask @help@far.example", "Ask @other", False),
]


@pytest.mark.parametrize(("ours", "theirs", "same"), SAME)
async def test_texts_are_compared_without_the_address(bench: Bench, ours: str, theirs: str, same: bool) -> None:
    assert bench.desk.same(ours, theirs) is same


LENGTHS = [
    ("a" * 468, True),
    ("a" * 469, False),
    ("👩🏽‍💻" * 468, True),
    ("a" * 444 + " https://example.test/" + "long/" * 100, True),
    ("a" * 445 + " https://x.kz", False),
    ("a" * 460 + " @timur@far.example.test", True),
]


@pytest.mark.parametrize(("text", "fits"), LENGTHS)
def test_links_and_names_of_other_servers_have_a_length_of_their_own(text: str, fits: bool) -> None:
    assert (problems(text, Mastodon.card) == []) is fits


LOGINS = [
    (401, "The access token was revoked"),
    (403, "This action is outside the authorized scopes"),
    (403, "Your login is currently disabled"),
]


@pytest.mark.parametrize(("status", "said"), LOGINS)
async def test_a_token_that_may_not_do_this_needs_a_person(bench: Bench, status: int, said: str) -> None:
    bench.wire.fails(answers(status, bench.server.error(status, said)))

    with pytest.raises(NeedsLogin, match=said):
        await bench.desk.read(None, SINCE)


async def test_a_text_the_server_finds_too_long_is_refused_with_its_reason(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.papers = None  # too long on purpose

    with pytest.raises(Refused, match="limit of 500"):
        await bench.desk.reply(mention, "a" * 500, "1-1")


async def test_the_time_to_wait_is_read_in_mastodons_way(bench: Bench) -> None:
    at = stamp(NOW + timedelta(seconds=90))
    bench.wire.fails(answers(429, bench.server.error(429, "Too many requests"), x_ratelimit_reset=at))

    with pytest.raises(Retry) as caught:
        await bench.desk.read(None, SINCE)
    assert (caught.value.after, caught.value.rate_limited) == (90, True)


FAULTS = [
    ({"access_token": ""}, "access_token"),
    ({"api_base": "mas.to"}, "api_base"),
    ({"api_base": None}, "api_base"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"api_base": SITE, "access_token": SecretStr(TOKEN), **change})
    assert [str(fault["loc"][0]) for fault in caught.value.errors()] == [key]
    assert TOKEN not in str(caught.value)
