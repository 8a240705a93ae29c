from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.vk import VK, Settings
from collectors.vk.shapes import Spot
from desk.errors import BadAnswer, DeskError, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from desk.platform import Batch
from tests.collectors.vk.fake import CLIENT, GROUP, POST, Network
from tests.collectors.wire import NOW, Fault, Wire, answers

SINCE = NOW - timedelta(days=2)
WALL = f"-{GROUP}_{POST}"


@dataclass
class Bench:
    network: Network
    wire: Wire
    http: httpx.AsyncClient
    slept: list[float]
    time: datetime = NOW
    vk: VK = field(init=False)

    def __post_init__(self) -> None:
        self.vk = self.connected(self.network.settings)

    def connected(self, settings: Settings) -> VK:
        return VK(settings, "bank", "bank-vk", self.http, lambda: self.time)

    async def read(self, cursor: str | None = None) -> Batch:
        return await self.vk.read(cursor, SINCE)

    async def found(self, cursor: str | None = None) -> dict[str, Mention]:
        return {m.key.external_id: m for m in (await self.read(cursor)).mentions}

    async def mention(self, number: str) -> Mention:
        return (await self.found())[number]

    def fails(self, method: str, fault: Fault) -> None:
        self.wire.fails(fault, lambda request: request.url.path.endswith(method))


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("collectors.vk.reading.sleep", sleep)
    network = Network()
    wire = Wire(network.serve)
    async with wire.client() as http:
        yield Bench(network, wire, http, slept)


def error(code: int, message: str = "No.") -> Fault:
    return answers(200, json.dumps({"error": {"error_code": code, "error_msg": message}}))


async def test_a_comment_tells_its_author_its_place_and_where_it_stands(bench: Bench) -> None:
    picture = {
        "type": "photo",
        "photo": {"sizes": [{"url": "https://i.test/s", "width": 1}, {"url": "https://i.test/l", "width": 9}]},
    }
    number = bench.network.publish("[id7|Асель], где деньги?", attachments=[picture, {"type": "sticker"}, 7])
    mention = await bench.mention(number)

    assert number == f"{WALL}_101"
    assert mention.text == "Асель, где деньги?"
    assert mention.kind == "comment"
    assert (mention.author.id, mention.author.name) == (str(CLIENT), "Асель Н.")
    assert mention.author.url == f"https://vk.com/id{CLIENT}"
    assert mention.url == f"https://vk.com/wall{WALL}?reply=101"
    assert (mention.parent_id, mention.parent_url) == (WALL, f"https://vk.com/wall{WALL}")
    assert mention.media == ("https://i.test/l",)
    assert mention.place == "Банк"


async def test_an_answer_in_a_thread_names_the_comment_above_it(bench: Bench) -> None:
    bench.network.publish("Above")
    number = bench.network.publish("Me too", target=101)
    mention = await bench.mention(number)

    assert number == f"{WALL}_101_102"
    assert mention.url == f"https://vk.com/wall{WALL}?reply=102&thread=101"
    assert mention.parent_id == f"{WALL}_101"


async def test_a_post_of_somebody_else_on_the_wall_is_a_mention_and_one_of_ours_is_not(bench: Bench) -> None:
    number = bench.network.post(41, CLIENT, "Your app is down")
    found = await bench.found()

    assert {key: (m.kind, m.url) for key, m in found.items()} == {number: ("post", f"https://vk.com/wall{number}")}


async def test_all_of_a_thread_longer_than_what_is_shown_with_its_comment_is_read(bench: Bench) -> None:
    bench.network.publish("Above")
    numbers = {bench.network.publish("Me too", target=101) for _ in range(130)}

    assert numbers <= (await bench.found()).keys()


async def test_a_new_answer_under_an_old_comment_is_found(bench: Bench) -> None:
    bench.network.publish("Old", NOW - timedelta(days=30))
    cursor = (await bench.read()).cursor
    number = bench.network.publish("New", target=101)

    assert (await bench.found(cursor)).keys() == {number}


async def test_comments_are_not_asked_for_where_their_number_is_the_same_under_an_old_post(bench: Bench) -> None:
    bench.network.post(POST, -GROUP, at=NOW - timedelta(days=20))
    bench.network.publish("Old", NOW - timedelta(days=19))
    cursor = (await bench.read()).cursor
    before = len(bench.network.asked("wall.getComments"))
    again = await bench.read(cursor)
    quiet = len(bench.network.asked("wall.getComments"))
    number = bench.network.publish("New")

    assert (before, quiet) == (1, 1)
    assert number in await bench.found(again.cursor)


async def test_an_edit_of_yesterday_is_seen_under_a_young_post(bench: Bench) -> None:
    number = bench.network.publish("Bad", NOW - timedelta(hours=20))
    cursor = (await bench.read()).cursor
    bench.network.comments[101].text = "Good"

    assert (await bench.found(cursor))[number].text == "Good"


async def test_a_deleted_comment_that_left_its_place_is_told(bench: Bench) -> None:
    number = bench.network.publish("Bad", NOW - timedelta(days=9))
    bench.network.publish("Me too", target=101)
    cursor = (await bench.read()).cursor
    bench.network.leave_a_mark(number)

    assert (await bench.found(cursor))[number].deleted


async def test_an_empty_place_with_hardly_anything_in_it_is_read_too(bench: Bench) -> None:
    record = {"id": 101, "parents_stack": [], "date": int(NOW.timestamp()), "thread": {"count": 0}, "deleted": True}
    bench.network.publish("x")
    bench.fails("wall.getComments", answers(200, json.dumps({"response": {"count": 1, "items": [record]}})))

    assert (await bench.found())[f"{WALL}_101"].deleted


async def test_a_large_wall_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    numbers = set()
    for post in range(100, 170):
        bench.network.post(post, -GROUP)
        numbers.add(bench.network.publish("x", post=post))
    found: set[str] = set()
    cursor, polls = None, 0
    while not numbers <= found:
        batch = await bench.read(cursor)
        found |= {m.key.external_id for m in batch.mentions}
        cursor, polls = batch.cursor, polls + 1
        assert polls < 6
    assert polls == 3


async def test_pages_of_one_post_go_on_in_the_next_poll(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.vk.reading.CALLS", 2)
    numbers = {bench.network.publish("x") for _ in range(350)}
    first = await bench.read()
    rest = await bench.read(first.cursor)

    assert len(first.mentions) == 200
    assert numbers == {m.key.external_id for m in (*first.mentions, *rest.mentions)}


async def test_too_many_a_second_are_waited_out(bench: Bench) -> None:
    number = bench.network.publish("x")
    turns = iter([error(6), error(6)])

    def busy_twice(request: httpx.Request, serve: Any) -> httpx.Response:
        return next(turns, lambda request, serve: serve(request))(request, serve)

    bench.fails("wall.getComments", busy_twice)

    assert number in await bench.found()
    assert bench.slept == [1, 1]


@pytest.mark.parametrize(("code", "pauses"), [(6, 2), (29, 0)])
async def test_what_a_limit_keeps_from_being_read_is_read_later(bench: Bench, code: int, pauses: int) -> None:
    number = bench.network.publish("x", NOW - timedelta(hours=30))
    bench.fails("wall.getComments", error(code))
    batch = await bench.read()
    bench.wire.heals()

    assert len(bench.slept) == pauses
    assert f"error {code}" in batch.note
    assert number in await bench.found(batch.cursor)


@pytest.mark.parametrize("code", [183, 211, 212, 213, 801])
async def test_a_post_with_closed_comments_is_noted_and_stops_nothing(bench: Bench, code: int) -> None:
    bench.network.publish("x")
    bench.network.post(41, -GROUP)
    number = bench.network.publish("y", post=41)
    bench.wire.fails(error(code), lambda r: b"post_id=40&" in r.content)
    batch = await bench.read()

    assert [m.key.external_id for m in batch.mentions] == [number]
    assert f"error {code}" in batch.note


async def test_a_post_deleted_meanwhile_is_passed_over(bench: Bench) -> None:
    bench.network.publish("x")
    bench.fails("wall.getComments", error(15, "Access denied: post was not found check post_id param"))
    batch = await bench.read()

    assert (batch.mentions, batch.note) == ([], "")


async def test_one_unreadable_comment_harms_only_itself(bench: Bench) -> None:
    bench.network.publish("x", date="yesterday")
    number = bench.network.publish("good")
    batch = await bench.read()

    assert [m.key.external_id for m in batch.mentions] == [number]
    assert "1 of 2 records cannot be read (date:" in batch.note


def searching(bench: Bench) -> None:
    bench.vk = bench.connected(bench.network.settings_with(query="банк"))


async def test_without_a_query_nothing_is_searched(bench: Bench) -> None:
    bench.network.elsewhere(-9, 5, "Банк опять")

    assert await bench.found() == {}
    assert bench.network.asked("newsfeed.search") == []


async def test_a_search_finds_public_posts_but_none_of_ours(bench: Bench) -> None:
    searching(bench)
    number = bench.network.elsewhere(-9, 5, "Банк опять")
    bench.network.elsewhere(-9, 6, "Банк отвечает", author=-GROUP)
    bench.network.elsewhere(-GROUP, 7, "Банк открылся")
    found = await bench.found()

    assert found.keys() == {number}
    assert (found[number].place, found[number].reach, found[number].kind) == ("Подслушано", 90, "post")
    assert found[number].author.kind == "community"


async def test_a_comment_the_search_finds_stands_under_its_post(bench: Bench) -> None:
    searching(bench)
    bench.network.elsewhere(8, 77, "Банк врёт")
    bench.network.found[-1] |= {"post_type": "reply", "post_id": 5}

    assert (await bench.found())["8_5_77"].kind == "comment"


async def test_a_search_goes_back_by_time_as_far_as_it_should(bench: Bench) -> None:
    searching(bench)
    bench.network.per_search = 3
    numbers = {bench.network.elsewhere(8, n, "банк", NOW - timedelta(minutes=n)) for n in range(1, 12)}
    bench.network.elsewhere(8, 99, "банк", SINCE - timedelta(minutes=1))

    assert (await bench.found()).keys() == numbers


async def test_more_posts_in_one_second_than_a_page_holds_stop_no_search(bench: Bench) -> None:
    searching(bench)
    bench.network.per_search = 2
    for number in range(1, 6):
        bench.network.elsewhere(8, number, "банк", NOW)
    older = bench.network.elsewhere(8, 9, "банк", NOW - timedelta(seconds=5))

    assert older in await bench.found()


async def test_a_search_looks_back_some_hours_for_what_came_late(bench: Bench) -> None:
    searching(bench)
    bench.network.elsewhere(8, 1, "банк", NOW)
    cursor = (await bench.read()).cursor
    late = bench.network.elsewhere(8, 2, "банк", NOW - timedelta(hours=5))

    assert late in await bench.found(cursor)


async def test_a_refused_search_is_noted_and_does_not_hide_the_wall(bench: Bench) -> None:
    searching(bench)
    number = bench.network.publish("x")
    bench.fails("newsfeed.search", error(15))
    batch = await bench.read()

    assert [m.key.external_id for m in batch.mentions] == [number]
    assert "newsfeed.search" in batch.note


async def test_a_search_refused_from_the_beginning_loses_nothing(bench: Bench) -> None:
    searching(bench)
    old = bench.network.elsewhere(-9, 1, "Банк обманул", NOW - timedelta(hours=47))
    bench.network.elsewhere(-9, 2, "Банк: до начала", SINCE - timedelta(hours=1))
    bench.fails("newsfeed.search", error(15))
    cursor = (await bench.read()).cursor
    bench.wire.heals()
    batch = await bench.read(cursor)

    assert [m.key.external_id for m in batch.mentions] == [old]


@pytest.mark.parametrize("code", [6, 9, 29])
async def test_a_search_that_was_asked_too_often_does_not_hide_the_wall(bench: Bench, code: int) -> None:
    searching(bench)
    number = bench.network.publish("x")
    bench.fails("newsfeed.search", error(code))
    batch = await bench.read()

    assert [m.key.external_id for m in batch.mentions] == [number]
    assert "newsfeed.search" in batch.note


async def test_a_search_without_an_answer_is_tried_again(bench: Bench) -> None:
    searching(bench)
    bench.fails("newsfeed.search", error(10))

    with pytest.raises(Retry):
        await bench.read()


async def test_a_reply_is_the_communitys_stands_in_the_thread_and_is_not_repeated(bench: Bench) -> None:
    mention = await bench.mention(bench.network.publish("x"))
    posted = await bench.vk.reply(mention, "Hello", "case-1-v1")
    again = await bench.vk.reply(mention, "Hello", "case-1-v1")
    other = await bench.vk.reply(mention, "Hello", "case-1-v2")
    write = bench.network.asked("wall.createComment")[0]

    assert posted.url == f"https://vk.com/wall{WALL}?reply=102&thread=101"
    assert (posted.external_id, again.external_id, other.external_id) == ("102", "102", "103")
    assert (write["from_group"], write["reply_to_comment"]) == (str(GROUP), "101")


async def test_only_our_answers_to_this_very_comment_are_its_replies(bench: Bench) -> None:
    first = bench.network.publish("First")
    second = bench.network.publish("Second", target=101)
    ours = bench.network.publish("To the first", author=-GROUP, target=101)
    bench.network.publish("To the second", author=-GROUP, target=102)
    bench.network.publish("A stranger's", target=101)
    gone = bench.network.publish("Taken back", author=-GROUP, target=101)
    bench.network.leave_a_mark(gone)
    found = await bench.found()

    assert ours not in found
    assert [r.text for r in (await bench.vk.look(found[first])).replies] == ["To the first"]
    assert [r.text for r in (await bench.vk.look(found[second])).replies] == ["To the second"]


async def test_replies_come_newest_last_and_lead_to_themselves(bench: Bench) -> None:
    number = bench.network.publish("x")
    for minutes in (1, 2):
        bench.network.publish(f"{minutes}", NOW + timedelta(minutes=minutes), author=-GROUP, target=101)
    replies = (await bench.vk.look(await bench.mention(number))).replies

    assert [r.text for r in replies] == ["1", "2"]
    assert replies[1].url == f"https://vk.com/wall{WALL}?reply=103&thread=101"


async def test_a_post_is_answered_under_it(bench: Bench) -> None:
    mention = await bench.mention(bench.network.post(41, CLIENT, "Help"))
    bench.network.publish("Me too", post=41)
    posted = await bench.vk.reply(mention, "We do", "k")
    look = await bench.vk.look(mention)

    assert "reply_to_comment" not in bench.network.asked("wall.createComment")[0]
    assert [(r.external_id, r.text) for r in look.replies] == [(posted.external_id, "We do")]
    assert look.mention is not None
    assert look.mention.text == "Help"


async def test_a_deleted_post_looks_gone(bench: Bench) -> None:
    mention = await bench.mention(bench.network.post(41, CLIENT, "Help"))
    del bench.network.posts[41]

    assert (await bench.vk.look(mention)).mention is None


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_vanished_comment_is_gone_however_vk_says_it(bench: Bench, refuses: bool) -> None:
    bench.network.refuses_a_missing_start = refuses
    number = bench.network.publish("x")
    bench.network.publish("y")
    mention = await bench.mention(number)
    bench.network.remove(number)

    assert (await bench.vk.look(mention)).mention is None


async def test_an_empty_place_looks_gone_and_takes_no_reply(bench: Bench) -> None:
    number = bench.network.publish("x")
    mention = await bench.mention(number)
    bench.network.leave_a_mark(number)

    assert (await bench.vk.look(mention)).mention is None
    with pytest.raises(Gone):
        await bench.vk.reply(mention, "Hello", "k")
    assert bench.network.asked("wall.createComment") == []


@pytest.mark.parametrize("items", [[], [{"id": 1, "date": 1}, {"id": "x"}]])
async def test_a_list_that_lacks_something_makes_no_comment_vanish(bench: Bench, items: list[Any]) -> None:
    mention = await bench.mention(bench.network.publish("x"))
    body = {"response": {"count": 2, "current_level_count": 2, "items": items}}
    bench.fails("wall.getComments", answers(200, json.dumps(body)))

    with pytest.raises(BadAnswer):
        await bench.vk.look(mention)


async def test_an_answer_is_gone_with_the_comment_it_stood_under(bench: Bench) -> None:
    above = bench.network.publish("Above")
    mention = await bench.mention(bench.network.publish("Me too", target=101))
    bench.network.remove(above)

    assert (await bench.vk.look(mention)).mention is None


async def test_an_answer_outlives_a_comment_that_left_its_place(bench: Bench) -> None:
    above = bench.network.publish("Above")
    mention = await bench.mention(bench.network.publish("Me too", target=101))
    bench.network.leave_a_mark(above)

    assert (await bench.vk.look(mention)).mention is not None


async def test_a_comment_among_too_many_is_not_called_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.vk.reading.PAGES", 2)
    mention = await bench.mention(bench.network.publish("x"))
    bench.network.remove(mention.key.external_id)
    for _ in range(201):
        bench.network.publish("y")

    with pytest.raises(BadAnswer):
        await bench.vk.look(mention)


READS: list[tuple[int, type[DeskError]]] = [
    (1, Retry),
    (5, NeedsLogin),
    (6, Retry),
    (10, Retry),
    (14, Refused),
    (15, Refused),
    (17, Refused),
    (18, NeedsLogin),
    (27, NeedsLogin),
    (28, NeedsLogin),
    (29, Retry),
    (36, Retry),
    (37, NeedsLogin),
    (43, Retry),
    (104, Gone),
    (777, Refused),
]


@pytest.mark.parametrize(("code", "expected"), READS)
async def test_an_error_with_status_200_is_an_error(bench: Bench, code: int, expected: type[DeskError]) -> None:
    bench.fails("wall.get", error(code))

    with pytest.raises(DeskError) as caught:
        await bench.read()
    assert type(caught.value) is expected
    assert "service_token" in str(caught.value)


WRITES: list[tuple[int, type[DeskError]]] = [
    *((code, Unsure) for code in (1, 10, 36)),
    *((code, Retry) for code in (6, 9, 29, 43, 223, 601)),
    *((code, Refused) for code in (14, 15, 17, 24, 25, 100, 210, 211, 212, 213, 214, 222, 801)),
    *((code, NeedsLogin) for code in (5, 27, 28)),
]


@pytest.mark.parametrize(("code", "expected"), WRITES)
async def test_an_error_after_a_reply_says_whether_it_may_stand(
    bench: Bench, code: int, expected: type[DeskError]
) -> None:
    mention = await bench.mention(bench.network.publish("x"))
    bench.fails("wall.createComment", error(code))

    with pytest.raises(DeskError) as caught:
        await bench.vk.reply(mention, "Hello", "k")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("code", "after", "limited"), [(6, 1, True), (9, 3600, True), (29, 3600, True), (43, 60, False)]
)
async def test_a_limit_says_how_long_to_wait(bench: Bench, code: int, after: float, limited: bool) -> None:
    bench.fails("wall.get", error(code))

    with pytest.raises(Retry) as caught:
        await bench.read()
    assert (caught.value.after, caught.value.rate_limited) == (after, limited)


@pytest.mark.parametrize(
    ("code", "advice"), [(14, "captcha"), (17, "make a new token"), (222, "links"), (801, "closed")]
)
async def test_what_needs_a_person_says_what_to_do(bench: Bench, code: int, advice: str) -> None:
    mention = await bench.mention(bench.network.publish("x"))
    bench.fails("wall.createComment", error(code))

    with pytest.raises(Refused) as caught:
        await bench.vk.reply(mention, "Hello", "k")
    assert advice in str(caught.value)
    assert caught.value.code == str(code)


async def test_an_error_with_status_200_shows_no_token(bench: Bench) -> None:
    bench.fails("wall.get", error(5, "invalid access_token service-token"))

    with pytest.raises(NeedsLogin) as caught:
        await bench.read()
    assert "service-token" not in str(caught.value)


async def test_tokens_stand_in_the_header_only(bench: Bench) -> None:
    await bench.vk.reply(await bench.mention(bench.network.publish("x")), "Hello", "k")

    tokens = [r.headers["Authorization"] for r in bench.wire.seen]
    assert set(tokens[:-1]) == {"Bearer service-token"}
    assert tokens[-1] == "Bearer community-token"
    assert not [r for r in bench.wire.seen if b"-token" in r.content or "token" in str(r.url)]


async def test_an_edit_needs_a_users_token(bench: Bench) -> None:
    number = bench.network.publish("x")
    mention = await bench.mention(number)
    posted = await bench.vk.reply(mention, "First", "k")
    edited = await bench.vk.edit(mention, posted.external_id, "Second")

    assert edited.url == posted.url
    assert [r.text for r in (await bench.vk.look(mention)).replies] == ["Second"]
    with pytest.raises(Refused, match="user_token"):
        await bench.connected(bench.network.settings_with()).edit(mention, posted.external_id, "Third")


async def test_a_reply_the_communitys_token_cannot_delete_asks_for_a_users(bench: Bench) -> None:
    mention = await bench.mention(bench.network.publish("x"))
    posted = await bench.vk.reply(mention, "First", "k")
    vk = bench.connected(bench.network.settings_with())

    with pytest.raises(Refused, match="set user_token"):
        await vk.delete(mention, posted.external_id)
    assert len((await vk.look(mention)).replies) == 1


async def test_a_users_token_that_ended_needs_a_login(bench: Bench) -> None:
    mention = await bench.mention(bench.network.publish("x"))
    bench.fails("wall.deleteComment", error(5))

    with pytest.raises(NeedsLogin, match="user_token"):
        await bench.vk.delete(mention, "102")


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Two\n\nlines ", "Two lines", True),
        ("[id7|Асель], привет", "Асель, привет", True),
        ("5 < 6 & 7", "5 &lt; 6 &amp; 7", True),
        ('Да -- «так» "и" так', "Да — «так» «и» так", True),
        ("Hello", "Hello!", False),
    ],
)
async def test_texts_are_compared_as_vk_shows_them(bench: Bench, ours: str, theirs: str, same: bool) -> None:
    assert bench.vk.same(ours, theirs) is same


@pytest.mark.parametrize("number", ["-501_40", "-501_40_101", "-501_40_101_102", "8_5"])
def test_a_place_is_read_from_the_id_made_of_it(number: str) -> None:
    assert Spot.of(number).external_id == number


@pytest.mark.parametrize("number", ["", "x", "-501", "-501_40_1_2_3", "٣_4"])
async def test_an_id_that_is_no_place_is_gone(bench: Bench, number: str) -> None:
    mention = await bench.mention(bench.network.publish("x"))
    key = mention.key._replace(external_id=number)

    assert (await bench.vk.look(Mention(key=key, source="", text=""))).mention is None


FAULTS: list[tuple[dict[str, object], str]] = [
    ({"group_id": -501}, "group_id"),
    ({"community_token": SecretStr("top secret")}, "community_token"),
    ({"service_token": SecretStr("")}, "service_token"),
    ({"user_token": SecretStr("topsecret\n1")}, "user_token"),
    ({"query": ""}, "query"),
    ({"group": 1}, "group"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    good = {"group_id": 1, "community_token": SecretStr("a"), "service_token": SecretStr("b")}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**good, **change})
    assert key in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "secret" not in str(caught.value).replace("SecretStr", "")


# the Long Poll


async def test_it_says_when_something_is_new_and_is_silent_else(bench: Bench) -> None:
    assert await bench.vk.wait(), "what came before it listened is read"
    assert not await bench.vk.wait()
    bench.network.line.append("wall_reply_new")
    assert await bench.vk.wait()
    assert not await bench.vk.wait(), "the same event again"
    assert len(bench.network.asked("groups.getLongPollServer")) == 1


async def test_when_the_key_is_over_it_begins_anew_and_what_came_in_between_is_read(bench: Bench) -> None:
    await bench.vk.wait()
    bench.network.forget_the_line()
    assert [await bench.vk.wait() for _ in range(3)] == [False, True, False]
    assert len(bench.network.asked("groups.getLongPollServer")) == 2


async def test_events_that_vk_no_longer_has_are_read(bench: Bench) -> None:
    bench.network.line += ["wall_post_new", "wall_reply_new"]
    await bench.vk.wait()
    bench.network.line.clear()
    assert [await bench.vk.wait() for _ in range(2)] == [True, False]


async def test_a_community_token_that_ended_is_a_login_that_ended(bench: Bench) -> None:
    vk = bench.connected(bench.network.settings.model_copy(update={"community_token": SecretStr("old")}))
    with pytest.raises(NeedsLogin, match="community_token"):
        await vk.wait()


def test_it_listens_where_the_settings_say_so(bench: Bench) -> None:
    assert not bench.vk.listens
    assert bench.connected(bench.network.settings_with(long_poll=True)).listens
