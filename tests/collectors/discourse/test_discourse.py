from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.discourse import Discourse, Settings
from collectors.pages import PAGES
from desk.errors import BadAnswer, DeskError, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Author, Mention
from tests.collectors.discourse.fake import FORUM, OWN, PAGE, REPLIES, TOPIC, Forum
from tests.collectors.wire import NOW, Wire, answers, now, raises

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    forum: Forum
    wire: Wire
    http: httpx.AsyncClient
    desk: Discourse = field(init=False)

    def __post_init__(self) -> None:
        self.desk = self.connected()

    def connected(self, **changes: Any) -> Discourse:
        settings = self.forum.settings.model_copy(update=changes)
        return Discourse(settings, "bank", "bank-forum", self.http, now)

    async def texts(self, desk: Discourse | None = None, cursor: str | None = None) -> list[str]:
        return [m.text for m in (await (desk or self.desk).read(cursor, SINCE)).mentions]

    async def mention(self, text: str = "Bad", **more: Any) -> Mention:
        number = self.forum.publish(text, **more)
        return next(m for m in (await self.desk.read(None, SINCE)).mentions if m.key.external_id == number)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    forum = Forum()
    wire = Wire(forum.serve)
    async with wire.client() as http:
        yield Bench(forum, wire, http)


async def test_a_post_is_read_with_its_topic_place_and_author(bench: Bench) -> None:
    bench.forum.publish("Кто пробовал?")
    mention = await bench.mention("Не отвечают", answers=1)

    assert (mention.title, mention.text, mention.kind) == ("Отзывы о банке", "Не отвечают", "comment")
    assert mention.url == f"{FORUM}/t/{TOPIC}/2"
    assert mention.parent_url == f"{FORUM}/t/{TOPIC}/1"
    assert (mention.author.name, mention.author.id, mention.author.url) == ("Айгуль", "7", f"{FORUM}/u/user1")
    assert (mention.item, mention.reach, mention.site) == (str(TOPIC), 12, "forum.test")
    assert mention.key.account == "forum.test"
    assert "cooked" not in mention.raw


async def test_what_opens_a_topic_is_a_post(bench: Bench) -> None:
    assert (await bench.mention()).kind == "post"


async def test_without_the_raw_text_the_shown_one_is_read_as_words(bench: Bench) -> None:
    number = bench.forum.publish("x")
    del bench.forum.posts[int(number)]["raw"]
    bench.forum.posts[int(number)]["cooked"] = '<p>Very <b>bad</b> <img alt=":rage:" src="x"></p><p>5 &lt; 6</p>'

    assert await bench.texts() == ["Very bad :rage:\n\n5 < 6"]


async def test_a_long_list_is_read_page_by_page_without_a_gap(bench: Bench) -> None:
    for number in range(PAGE * 2 + 5):
        bench.forum.publish(f"post {number}")

    assert len(set(await bench.texts())) == PAGE * 2 + 5
    asked = [request.url.params.get("before") for request in bench.wire.seen]
    assert asked[:3] == [None, str(9001 + PAGE + 5), str(9001 + 5)]


async def test_a_young_forum_whose_pages_repeat_their_border_is_read_to_its_end_and_then_anew(bench: Bench) -> None:
    bench.forum.before_itself = True
    for number in range(PAGE + 5):
        bench.forum.publish(f"post {number}")
    first = await bench.desk.read(None, SINCE)
    bench.forum.publish("The newest")

    assert {m.text for m in first.mentions} == {f"post {number}" for number in range(PAGE + 5)}
    assert "The newest" in await bench.texts(cursor=first.cursor)


async def test_an_edit_is_found_though_the_post_is_old(bench: Bench) -> None:
    number = bench.forum.publish("It was fine", NOW - timedelta(days=3))
    bench.forum.publish("Somebody else", NOW)
    cursor = (await bench.desk.read(None, SINCE)).cursor
    bench.forum.edit(number, "It was bad")

    assert "It was bad" in await bench.texts(cursor=cursor)


async def test_old_posts_of_a_quiet_forum_stay_out_of_every_poll(bench: Bench) -> None:
    bench.forum.publish("Years ago", NOW - timedelta(days=900))
    cursor = (await bench.desk.read(None, SINCE)).cursor

    assert await bench.texts(cursor=cursor) == []


async def test_a_post_its_author_deleted_is_told_as_deleted(bench: Bench) -> None:
    mention = await bench.mention()
    bench.forum.posts[int(mention.key.external_id)]["user_deleted"] = True
    read = (await bench.desk.read(None, SINCE)).mentions

    assert [(m.key, m.deleted, m.text) for m in read] == [(mention.key, True, "")]
    assert (await bench.desk.look(mention)).mention is None


async def test_an_unreadable_post_harms_only_itself(bench: Bench) -> None:
    bench.forum.publish("Readable")
    bench.forum.posts[int(bench.forum.publish("Broken"))]["created_at"] = "yesterday"
    batch = await bench.desk.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["Readable"]
    assert "1 of 2 records" in batch.note


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Мой БАНК молчит", "Погода", "Kaspi?"}),
        ("банк", {"Мой БАНК молчит"}),
        ("kaspi, погод", {"Kaspi?", "Погода"}),
        (" , ", {"Мой БАНК молчит", "Погода", "Kaspi?"}),
    ],
)
async def test_only_posts_with_one_of_the_words_are_read(bench: Bench, query: str, found: set[str]) -> None:
    for text in ("Мой БАНК молчит", "Погода", "Kaspi?"):
        bench.forum.posts[int(bench.forum.publish(text))]["topic_title"] = "Разное"

    assert set(await bench.texts(bench.connected(query=query))) == found


async def test_a_topic_named_after_the_brand_is_read_whole(bench: Bench) -> None:
    bench.forum.publish("И у меня")

    assert await bench.texts(bench.connected(query="банк")) == ["И у меня"]


async def test_other_categories_are_left_out(bench: Bench) -> None:
    bench.forum.publish("In four")

    assert await bench.texts(bench.connected(categories=(4, 5))) == ["In four"]
    assert await bench.texts(bench.connected(categories=(5,))) == []


async def test_the_accounts_name_is_known_in_whatever_case(bench: Bench) -> None:
    bench.forum.publish("Ours", user=OWN.upper())

    assert await bench.texts() == []


async def test_a_reply_stands_under_the_very_post(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.desk.reply(mention, "Мы уже разбираемся", "k1")
    said = json.loads(next(r for r in bench.wire.seen if r.method == "POST").content)

    assert said == {"raw": "Мы уже разбираемся", "topic_id": TOPIC, "reply_to_post_number": 1}
    assert (posted.url, posted.visible) == (f"{FORUM}/t/{TOPIC}/2", True)


async def test_a_reply_is_compared_as_it_was_written_not_as_markup_shows_it(bench: Bench) -> None:
    mention = await bench.mention()
    text = "Пишите: *поддержка* и _чат_, [сайт](https://bank.test)"
    await bench.desk.reply(mention, text, "k1")
    replies = (await bench.desk.look(mention)).replies

    assert [r.text for r in replies] == [text]


async def test_what_others_answer_is_no_reply_of_ours(bench: Bench) -> None:
    mention = await bench.mention()
    bench.forum.publish("Me too", answers=1, user="user2")
    bench.forum.publish("To somebody else", answers=2, user=OWN)

    assert (await bench.desk.look(mention)).replies == ()


@pytest.mark.parametrize("paged", [True, False])
async def test_our_reply_is_found_behind_many_others(bench: Bench, paged: bool) -> None:
    bench.forum.pages_replies = paged
    mention = await bench.mention()
    for number in range(REPLIES * 2):
        bench.forum.publish(f"+{number}", answers=1, user="user2")
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")

    assert [r.external_id for r in (await bench.desk.look(mention)).replies] == [posted.external_id]


async def test_more_replies_than_are_searched_are_no_silence(bench: Bench) -> None:
    mention = await bench.mention()
    for number in range(REPLIES * PAGES + 1):
        bench.forum.publish(f"+{number}", answers=1, user="user2")
    await bench.desk.reply(mention, "Здравствуйте!", "k1")

    with pytest.raises(BadAnswer):
        await bench.desk.look(mention)


async def test_what_colleagues_whisper_to_staff_is_no_public_reply(bench: Bench) -> None:
    mention = await bench.mention()
    whisper = bench.forum.publish("Who knows this client?", answers=1, user=OWN)
    bench.forum.posts[int(whisper)]["post_type"] = 4

    assert (await bench.desk.look(mention)).replies == ()


async def test_a_spammer_deleted_with_his_posts_leaves_a_mention_that_is_gone(bench: Bench) -> None:
    mention = await bench.mention()
    nobody = {"username": None, "name": None, "user_id": None}
    bench.forum.posts[int(mention.key.external_id)] |= {**nobody, "deleted_at": "2026-11-24T11:00:00.000Z"}

    assert (await bench.desk.look(mention)).mention is None


async def test_a_post_of_an_account_that_is_no_more_has_no_author_and_hides_no_reply(bench: Bench) -> None:
    mention = await bench.mention()
    other = bench.forum.publish("Me too", answers=1)
    bench.forum.posts[int(other)] |= {"username": None, "name": None, "user_id": None}
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    read = {m.key.external_id: m for m in (await bench.desk.read(None, SINCE)).mentions}

    assert (read[other].text, read[other].author) == ("Me too", Author())
    assert [r.external_id for r in (await bench.desk.look(mention)).replies] == [posted.external_id]


async def test_a_reply_that_waits_for_moderators_is_not_public(bench: Bench) -> None:
    mention = await bench.mention()
    bench.forum.moderates = True
    bench.forum.queue.append({"id": 69, "raw_text": "Elsewhere", "topic_id": TOPIC + 1})
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    replies = (await bench.desk.look(mention)).replies

    assert not posted.visible
    assert [(r.external_id, r.text, r.standing) for r in replies] == [(posted.external_id, "Здравствуйте!", "waiting")]


async def test_a_reply_that_waits_is_left_to_the_moderators(bench: Bench) -> None:
    mention = await bench.mention()
    bench.forum.moderates = True
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    sent = len(bench.wire.seen)

    with pytest.raises(Refused, match="moderators"):
        await bench.desk.edit(mention, posted.external_id, "Добрый день!")
    with pytest.raises(Refused, match="moderators"):
        await bench.desk.delete(mention, posted.external_id)
    assert len(bench.wire.seen) == sent


async def test_a_key_that_may_not_see_the_queue_still_reads_replies(bench: Bench) -> None:
    mention = await bench.mention()
    bench.forum.shows_queue = False
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")

    assert [r.external_id for r in (await bench.desk.look(mention)).replies] == [posted.external_id]


async def test_a_reply_hidden_by_flags_is_refused_and_a_hidden_mention_stays_as_it_was(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    for post in bench.forum.posts.values():
        post["hidden"] = True
    bench.forum.edit(mention.key.external_id, "This post was flagged")
    look = await bench.desk.look(mention)

    assert look.mention == mention
    assert [(r.external_id, r.standing) for r in look.replies] == [(posted.external_id, "refused")]


@pytest.mark.parametrize("staff", [True, False])
async def test_a_deleted_reply_is_no_reply_whether_it_vanishes_or_is_marked(bench: Bench, staff: bool) -> None:
    bench.forum.staff = staff
    mention = await bench.mention()
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    await bench.desk.delete(mention, posted.external_id)
    await bench.desk.delete(mention, posted.external_id)

    assert (await bench.desk.look(mention)).replies == ()


async def test_a_reply_that_may_not_be_deleted_stays(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    bench.wire.fails(answers(403, bench.forum.error(403)), lambda request: request.method == "DELETE")

    with pytest.raises(Refused):
        await bench.desk.delete(mention, posted.external_id)
    assert len((await bench.desk.look(mention)).replies) == 1


async def test_words_refused_as_a_repeat_may_be_ours(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.desk.reply(mention, "Здравствуйте!", "k1")
    bench.forum.similar = {"Здравствуйте!"}

    with pytest.raises(Unsure):
        await bench.desk.reply(mention, "Здравствуйте!", "k1")


async def test_words_refused_where_none_of_ours_stand_are_refused(bench: Bench) -> None:
    mention = await bench.mention()
    bench.forum.similar = {"Здравствуйте!"}

    with pytest.raises(Refused, match="Такой текст уже был"):
        await bench.desk.reply(mention, "Здравствуйте!", "k1")


async def test_words_refused_by_a_forum_that_then_falls_silent_are_in_doubt(bench: Bench) -> None:
    mention = await bench.mention()
    bench.forum.similar = {"Здравствуйте!"}
    bench.wire.fails(raises(httpx.ReadTimeout), lambda request: request.url.path.endswith("replies.json"))

    with pytest.raises(Unsure):
        await bench.desk.reply(mention, "Здравствуйте!", "k1")


WAITS = [
    ({}, {"wait_seconds": 12, "time_left": "12 seconds"}, 12),
    ({"retry_after": "30"}, {"wait_seconds": 12}, 30),
    ({}, {}, None),
    ({}, {"wait_seconds": "soon"}, None),
]


@pytest.mark.parametrize(("headers", "extras", "after"), WAITS)
async def test_the_time_to_wait_is_in_the_body_where_no_header_names_it(
    bench: Bench, headers: dict[str, str], extras: dict[str, Any], after: float | None
) -> None:
    bench.wire.fails(answers(429, bench.forum.error(429, **extras), **headers))

    with pytest.raises(Retry) as caught:
        await bench.desk.read(None, SINCE)
    assert (caught.value.after, caught.value.rate_limited) == (after, True)


SAID = [
    (403, "invalid_access", "The API username or key is invalid.", NeedsLogin),
    (403, "invalid_access", "This topic is closed.", Refused),
    (403, "not_logged_in", "Log in first.", NeedsLogin),
    (503, "read_only", "Maintenance.", Retry),
    (422, "", "Post must be at least 20 characters", Refused),
]


@pytest.mark.parametrize(("status", "code", "message", "expected"), SAID)
async def test_a_refused_write_says_what_to_do_next(
    bench: Bench, status: int, code: str, message: str, expected: type[DeskError]
) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(status, bench.forum.error(status, code, message)), bench.forum.is_write)

    with pytest.raises(DeskError, match=message) as caught:
        await bench.desk.reply(mention, "Здравствуйте!", "k1")
    assert type(caught.value) is expected


async def test_a_wrong_key_needs_a_new_one_and_is_not_shown(bench: Bench) -> None:
    desk = bench.connected(api_key=SecretStr("stolen-key"))
    with pytest.raises(NeedsLogin):
        await desk.read(None, SINCE)

    bench.wire.fails(answers(403, bench.forum.error(403, message="API key stolen-key is wrong")))
    with pytest.raises(NeedsLogin) as caught:
        await desk.read(None, SINCE)
    assert "stolen-key" not in str(caught.value)


async def test_an_answer_without_a_post_leaves_the_reply_in_doubt(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(200, b'{"success": true, "action": "other"}'), bench.forum.is_write)

    with pytest.raises(Unsure):
        await bench.desk.reply(mention, "Здравствуйте!", "k1")


async def test_a_list_of_strange_answers_is_a_bad_answer_not_an_empty_one(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(200, b'{"posts": []}'), lambda request: request.url.path.endswith("replies.json"))

    with pytest.raises(BadAnswer):
        await bench.desk.look(mention)


@pytest.mark.parametrize("missing", ["api_base", "api_key", "api_user"])
def test_forum_key_and_user_are_required(missing: str) -> None:
    given = {"api_base": FORUM, "api_key": "forum-key", "api_user": OWN}
    del given[missing]

    with pytest.raises(ValidationError, match=missing):
        Settings.model_validate(given)


async def test_typography_of_the_forum_is_no_difference(bench: Bench) -> None:
    assert bench.desk.same('"Да" -  it\'s...', "“Да” – it’s…")
    assert not bench.desk.same("Да", "Нет")
