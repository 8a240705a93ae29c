from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import ValidationError

from collectors.pages import PAGES
from collectors.youtube import KNOWN, WHOLE, Settings, YouTube
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Retry
from desk.mention import Mention
from desk.platform import Batch
from tests.collectors.wire import NOW, Wire, answers
from tests.collectors.youtube.fake import OWN, VIDEO, Channel, settings, stamp

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    channel: Channel
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    youtube: YouTube = field(init=False)

    def __post_init__(self) -> None:
        self.youtube = YouTube(settings(), "bank", "bank-youtube", self.http, lambda: self.time)

    async def read(self, cursor: str | None = None) -> Batch:
        return await self.youtube.read(cursor, SINCE)

    async def mention(self, number: str) -> Mention:
        return by_id(await self.read())[number]

    def fails(self, status: int, reason: str = "", method: str = "GET") -> None:
        fault = answers(status, self.channel.error(status, reason))
        self.wire.fails(fault, lambda r: self.channel.is_api(r) and r.method == method)

    def asked(self, what: str) -> int:
        return sum(1 for r in self.wire.seen if r.url.path.endswith(f"/{what}") and r.method == "GET")

    def long_thread(self, replies: int = 3, at: datetime = NOW - timedelta(hours=1)) -> str:
        thread = self.channel.publish("Top", at)
        for _ in range(replies):
            self.channel.publish("Me too", at, parent=thread)
        return thread


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    channel = Channel()
    wire = Wire(channel.serve)
    async with wire.client() as http:
        yield Bench(channel, wire, http)


def by_id(batch: Batch) -> dict[str, Mention]:
    return {mention.key.external_id: mention for mention in batch.mentions}


async def test_a_comment_is_read_with_its_author_video_and_link(bench: Bench) -> None:
    number = bench.channel.publish("Ужасная поддержка", NOW - timedelta(hours=3))
    mention = await bench.mention(number)

    assert (mention.kind, mention.key.account, mention.item) == ("comment", OWN, VIDEO)
    assert (mention.author.id, mention.author.name) == ("UCuser", "@aigul")
    assert mention.author.url == "https://www.youtube.com/channel/UCuser"
    assert mention.url == f"https://www.youtube.com/watch?v={VIDEO}&lc={number}"
    assert mention.published_at == NOW - timedelta(hours=3)


async def test_the_picture_of_a_comment_comes_along(bench: Bench) -> None:
    number = bench.channel.publish("")
    bench.channel.comments[number]["snippet"]["imageUrl"] = "https://pictures.example/1.gif"

    assert (await bench.mention(number)).media == ("https://pictures.example/1.gif",)


async def test_a_picture_without_words_is_a_comment(bench: Bench) -> None:
    number = bench.channel.publish("")
    del bench.channel.comments[number]["snippet"]["textDisplay"]

    assert (await bench.mention(number)).text == ""


async def test_a_reply_of_somebody_is_a_mention_that_names_its_parent(bench: Bench) -> None:
    thread = bench.channel.publish("Top")
    mention = await bench.mention(bench.channel.publish("Me too", parent=thread))

    assert (mention.parent_id, mention.item) == (thread, VIDEO)
    assert mention.parent_url == f"https://www.youtube.com/watch?v={VIDEO}&lc={thread}"


async def test_a_reply_under_our_own_comment_is_a_mention(bench: Bench) -> None:
    ours = bench.channel.publish("Ask us anything", author=OWN)
    number = bench.channel.publish("Where is my card?", parent=ours)
    mentions = by_id(await bench.read())

    assert set(mentions) == {number}
    assert mentions[number].replies == ()


async def test_a_comment_on_a_post_has_a_link_without_a_video(bench: Bench) -> None:
    number = bench.channel.publish("x")
    del bench.channel.comments[number]["snippet"]["videoId"]

    assert (await bench.mention(number)).url == f"https://www.youtube.com/channel/{OWN}/community?lc={number}"


async def test_an_answer_that_stands_comes_with_the_comment(bench: Bench) -> None:
    thread = bench.channel.publish("Top")
    reply = bench.channel.publish("Sorry", parent=thread, author=OWN)

    assert [r.external_id for r in (await bench.mention(thread)).replies] == [reply]


async def test_our_words_from_before_a_reply_do_not_answer_it(bench: Bench) -> None:
    thread = bench.channel.publish("Top", NOW - timedelta(hours=3))
    bench.channel.publish("Sorry", NOW - timedelta(hours=2), parent=thread, author=OWN)
    again = bench.channel.publish("Still broken", NOW - timedelta(hours=1), parent=thread)
    mention = await bench.mention(again)

    assert mention.replies == ()
    assert (await bench.youtube.look(mention)).replies == ()


async def test_a_reply_to_a_reply_goes_under_the_top_comment(bench: Bench) -> None:
    thread = bench.channel.publish("Top", NOW - timedelta(hours=3))
    mention = await bench.mention(bench.channel.publish("Me too", parent=thread))
    posted = await bench.youtube.reply(mention, "@aigul sorry", "k")

    assert [one["id"] for one in bench.channel.replies(thread)][-1] == posted.external_id
    assert [r.external_id for r in (await bench.youtube.look(mention)).replies] == [posted.external_id]


async def test_looking_finds_our_reply_on_the_last_page_of_a_thread(bench: Bench) -> None:
    thread = bench.long_thread(replies=5)
    mention = await bench.mention(thread)
    reply = bench.channel.publish("Sorry", parent=thread, author=OWN)
    bench.channel.page = 2

    assert [r.external_id for r in (await bench.youtube.look(mention)).replies] == [reply]


async def test_a_thread_too_long_to_read_does_not_say_that_we_never_replied(bench: Bench) -> None:
    thread = bench.long_thread(replies=PAGES)
    mention = await bench.mention(thread)
    bench.channel.publish("Sorry", parent=thread, author=OWN)
    bench.channel.page = 1

    with pytest.raises(BadAnswer):
        await bench.youtube.look(mention)
    assert thread in by_id(await bench.read())


async def test_a_reply_of_which_only_the_address_is_known_is_found_in_its_thread(bench: Bench) -> None:
    thread = bench.channel.publish("Top", NOW - timedelta(hours=3))
    number = bench.channel.publish("Me too", NOW - timedelta(hours=2), parent=thread)
    reply = bench.channel.publish("Sorry", NOW - timedelta(hours=1), parent=thread, author=OWN)
    known = await bench.mention(number)
    brought = Mention(known.key, "", known.url, url=known.url)
    look = await bench.youtube.look(brought)

    assert [r.external_id for r in look.replies] == [reply]
    assert look.mention is not None
    assert (look.mention.text, look.mention.parent_id, look.mention.url) == ("Me too", thread, known.url)


async def test_our_replies_come_oldest_first(bench: Bench) -> None:
    thread = bench.channel.publish("Top", NOW - timedelta(hours=5))
    for hours in (1, 3, 2):
        bench.channel.publish(f"{hours} hours ago", NOW - timedelta(hours=hours), parent=thread, author=OWN)
    look = await bench.youtube.look(await bench.mention(thread))

    assert [r.text for r in look.replies] == ["3 hours ago", "2 hours ago", "1 hours ago"]


async def test_our_reply_is_compared_as_we_typed_it(bench: Bench) -> None:
    thread = bench.channel.publish("Top")
    reply = bench.channel.publish("See https://youtu.be/x", parent=thread, author=OWN)
    bench.channel.comments[reply]["snippet"]["textDisplay"] = "See How to unblock a card"
    look = await bench.youtube.look(await bench.mention(thread))

    assert [r.text for r in look.replies] == ["See https://youtu.be/x"]


@pytest.mark.parametrize(
    ("status", "standing"),
    [("published", "public"), ("heldForReview", "waiting"), ("likelySpam", "waiting"), ("rejected", "refused")],
)
async def test_a_reply_stands_as_youtube_shows_it(bench: Bench, status: str, standing: str) -> None:
    thread = bench.channel.publish("Top")
    reply = bench.channel.publish("Sorry", parent=thread, author=OWN)
    bench.channel.comments[reply]["snippet"]["moderationStatus"] = status

    assert [r.standing for r in (await bench.mention(thread)).replies] == [standing]


async def test_a_comment_that_is_gone_while_its_thread_stands_looks_gone(bench: Bench) -> None:
    thread = bench.channel.publish("Top")
    number = bench.channel.publish("Me too", parent=thread)
    mention = await bench.mention(number)
    bench.channel.remove(number)

    assert (await bench.youtube.look(mention)).mention is None


async def test_an_edited_comment_is_found_again(bench: Bench) -> None:
    number = bench.channel.publish("bad", NOW - timedelta(days=3))
    bench.channel.publish("filler", NOW)
    cursor = (await bench.read()).cursor
    snippet = bench.channel.comments[number]["snippet"]
    snippet |= {"textDisplay": "worse", "updatedAt": stamp(NOW + timedelta(minutes=1))}
    mention = by_id(await bench.read(cursor))[number]

    assert (mention.text, mention.published_at) == ("worse", NOW - timedelta(days=3))


async def test_a_comment_let_through_hours_later_is_found(bench: Bench) -> None:
    bench.channel.publish("filler", NOW)
    cursor = (await bench.read()).cursor
    number = bench.channel.publish("was held for review", NOW - timedelta(hours=20))

    assert number in by_id(await bench.read(cursor))


async def test_a_new_reply_under_an_old_comment_is_found(bench: Bench) -> None:
    thread = bench.channel.publish("Top", NOW - timedelta(days=300))
    bench.channel.publish("Recent", NOW)
    cursor = (await bench.read()).cursor
    number = bench.channel.publish("Me too", NOW + timedelta(minutes=1), parent=thread)

    assert number in by_id(await bench.read(cursor))


async def test_a_long_thread_is_read_to_its_end(bench: Bench) -> None:
    bench.long_thread(replies=5)
    bench.channel.page = 2

    assert len((await bench.read()).mentions) == 6


async def test_a_long_thread_is_read_again_only_when_it_has_grown(bench: Bench) -> None:
    thread = bench.long_thread()
    cursor = (await bench.read()).cursor
    await bench.read(cursor)
    once = bench.asked("comments")
    number = bench.channel.publish("Me too", NOW, parent=thread)
    batch = await bench.read(cursor)

    assert (once, bench.asked("comments")) == (1, 2)
    assert number in by_id(batch)


async def test_one_poll_reads_few_long_threads_and_the_next_one_the_others(bench: Bench) -> None:
    for _ in range(WHOLE + 2):
        bench.long_thread()
    cursor = (await bench.read()).cursor
    first = bench.asked("comments")
    await bench.read(cursor)

    assert (first, bench.asked("comments")) == (WHOLE, WHOLE + 2)


async def test_replies_of_long_threads_that_have_to_wait_are_not_lost(bench: Bench) -> None:
    bench.channel.publish("New")
    for _ in range(2 * WHOLE + 2):
        bench.long_thread(replies=4, at=NOW - timedelta(days=3))
    bench.long_thread(replies=4, at=SINCE - timedelta(days=1))
    wanted = {number for number, one in bench.channel.comments.items() if one["snippet"]["publishedAt"] > stamp(SINCE)}
    found: dict[str, Mention] = {}
    cursor = None
    for _ in range(3):
        batch = await bench.read(cursor)
        cursor, found = batch.cursor, found | by_id(batch)
    before = bench.channel.units
    await bench.read(cursor)

    assert set(found) == wanted
    assert {mention.item for mention in found.values()} == {VIDEO}
    assert bench.channel.units - before == 1


async def test_a_waiting_thread_that_vanished_or_was_closed_stops_nothing(bench: Bench) -> None:
    threads = [bench.long_thread(at=NOW - timedelta(hours=hours)) for hours in range(1, WHOLE + 3)]
    cursor = (await bench.read()).cursor
    bench.channel.remove(threads[-1])
    fault = answers(403, bench.channel.error(403, "commentsDisabled"))
    bench.wire.fails(fault, lambda r: r.url.params.get("parentId") == threads[-2])
    bench.channel.publish("Still here")
    batch = await bench.read(cursor)

    assert "Still here" in {mention.text for mention in batch.mentions}
    assert "waiting" not in json.loads(batch.cursor)


@pytest.mark.parametrize(("status", "reason"), [(404, "commentNotFound"), (403, "commentsDisabled")])
async def test_a_thread_that_vanishes_while_it_is_read_stops_nothing(bench: Bench, status: int, reason: str) -> None:
    thread = bench.long_thread()
    fault = answers(status, bench.channel.error(status, reason))
    bench.wire.fails(fault, lambda r: "parentId" in r.url.params)

    assert thread in by_id(await bench.read())


async def test_the_cursor_stays_small(bench: Bench) -> None:
    cursor = json.loads((await bench.read()).cursor)
    cursor["counts"] = {f"Ug{number}": 9 for number in range(KNOWN + 50)}
    batch = await bench.read(json.dumps(cursor))

    assert list(json.loads(batch.cursor)["counts"]) == [f"Ug{number}" for number in range(50, KNOWN + 50)]


async def test_a_quiet_poll_costs_one_unit(bench: Bench) -> None:
    bench.channel.publish("x")
    cursor = (await bench.read()).cursor
    before = bench.channel.units
    await bench.read(cursor)

    assert bench.channel.units - before == 1


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.channel.page = 1
    numbers = {bench.channel.publish("x", NOW - timedelta(hours=hours)) for hours in range(25)}
    found: set[str] = set()
    cursor = None
    for _ in range(3):
        batch = await bench.read(cursor)
        found |= set(by_id(batch))
        cursor = batch.cursor

    assert found == numbers
    assert bench.asked("commentThreads") == 25


async def test_a_page_token_youtube_forgot_starts_the_list_again(bench: Bench) -> None:
    bench.channel.page = 1
    newest = bench.channel.publish("x", NOW)
    for hours in range(1, 12):
        bench.channel.publish("x", NOW - timedelta(hours=hours))
    cursor = (await bench.read()).cursor
    fault = answers(400, bench.channel.error(400, "invalidPageToken"))
    bench.wire.fails(fault, lambda r: r.url.params.get("pageToken") == "10")

    assert newest in by_id(await bench.read(cursor))


async def test_one_unreadable_reply_harms_only_itself(bench: Bench) -> None:
    thread = bench.channel.publish("good")
    broken = bench.channel.publish("broken", parent=thread)
    bench.channel.comments[broken]["snippet"]["publishedAt"] = "yesterday"
    batch = await bench.read()

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read" in batch.note


DAYS = [
    # California: UTC-8 in winter, UTC-7 in summer, and both on the days the clocks change.
    (datetime(2026, 11, 24, 12, 0, tzinfo=UTC), timedelta(hours=20)),
    (datetime(2026, 11, 24, 7, 59, 30, tzinfo=UTC), timedelta(seconds=30)),
    (datetime(2026, 11, 24, 8, 0, tzinfo=UTC), timedelta(hours=24)),
    (datetime(2026, 7, 1, 12, 0, tzinfo=UTC), timedelta(hours=19)),
    (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), timedelta(hours=25)),
    (datetime(2027, 3, 14, 8, 0, tzinfo=UTC), timedelta(hours=23)),
]


@pytest.mark.parametrize(("time", "wait"), DAYS)
async def test_a_day_without_quota_ends_at_midnight_in_california(
    bench: Bench, time: datetime, wait: timedelta
) -> None:
    bench.time = time
    bench.fails(403, "quotaExceeded")

    with pytest.raises(Retry) as caught:
        await bench.read()
    assert (caught.value.after, caught.value.rate_limited) == (wait.total_seconds(), True)


async def test_a_reply_without_quota_waits_as_well(bench: Bench) -> None:
    mention = await bench.mention(bench.channel.publish("x"))
    bench.fails(403, "quotaExceeded", "POST")

    with pytest.raises(Retry) as caught:
        await bench.youtube.reply(mention, "Sorry", "k")
    assert caught.value.after == timedelta(hours=20).total_seconds()


REASONS: list[tuple[int, str, type[Exception]]] = [
    (403, "rateLimitExceeded", Retry),
    (403, "insufficientPermissions", NeedsLogin),
    (403, "ineligibleAccount", Refused),
    (403, "commentsDisabled", Refused),
    (400, "processingFailure", Refused),
    (400, "parentCommentIsPrivate", Refused),
    (404, "videoNotFound", Gone),
]


@pytest.mark.parametrize(("status", "reason", "expected"), REASONS)
async def test_a_reason_says_what_to_do_next(bench: Bench, status: int, reason: str, expected: type[Exception]) -> None:
    mention = await bench.mention(bench.channel.publish("x"))
    bench.fails(status, reason, "POST")

    with pytest.raises(expected):
        await bench.youtube.reply(mention, "Sorry", "k")


async def test_a_channel_that_is_not_found_is_no_vanished_comment(bench: Bench) -> None:
    bench.fails(404, "channelNotFound")

    with pytest.raises(Refused):
        await bench.read()


async def test_a_reply_over_the_limit_is_refused_with_youtubes_reason(bench: Bench) -> None:
    mention = await bench.mention(bench.channel.publish("x"))
    bench.wire.papers = None  # too long on purpose

    with pytest.raises(Refused) as caught:
        await bench.youtube.reply(mention, "a" * 10_001, "k")
    assert caught.value.code == "commentTextTooLong"


async def test_a_reply_that_is_gone_cannot_be_edited(bench: Bench) -> None:
    mention = await bench.mention(bench.channel.publish("x"))

    with pytest.raises(Gone):
        await bench.youtube.edit(mention, "Ug1.r9", "Better")


async def test_a_refresh_token_google_does_not_take_needs_a_person(bench: Bench) -> None:
    bench.wire.fails(answers(400, json.dumps({"error": "invalid_grant"})), lambda r: r.url.path == "/token")

    with pytest.raises(NeedsLogin):
        await bench.read()


FAULTS = [
    ({"channel_id": "@brand"}, "channel_id"),
    ({"channel_id": None}, "channel_id"),
    ({"client_secret": ""}, "client_secret"),
    ({"channel": "x"}, "channel"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**settings().model_dump(), **change})
    assert key in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "client secret" not in str(caught.value)
