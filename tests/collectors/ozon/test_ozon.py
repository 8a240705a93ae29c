from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.ozon import CARD, Ozon, Settings
from desk.errors import BadAnswer, DeskError, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from desk.platform import problems
from tests.collectors.ozon.fake import CLIENT, KEY, SKU, Seller
from tests.collectors.wire import NOW, Fault, Serve, Wire, answers, raises

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    seller: Seller
    wire: Wire
    http: httpx.AsyncClient
    ozon: Ozon = field(init=False)

    def __post_init__(self) -> None:
        self.ozon = self.connected(self.seller.settings)

    def connected(self, settings: Settings) -> Ozon:
        return Ozon(settings, "shop", "shop-ozon", self.http, lambda: NOW)

    async def mention(self, text: str = "Bad") -> Mention:
        number = self.seller.publish(text)
        return next(m for m in (await self.ozon.read(None, SINCE)).mentions if m.key.external_id == number)

    def asked(self, path: str) -> list[httpx.Request]:
        return [r for r in self.wire.seen if r.url.path == path]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    seller = Seller()
    wire = Wire(seller.serve)
    async with wire.client() as http:
        yield Bench(seller, wire, http)


async def test_a_review_carries_its_goods_stars_and_link(bench: Bench) -> None:
    number = bench.seller.publish(" Крышка треснула ", NOW - timedelta(milliseconds=886), stars=2)
    (mention,) = (await bench.ozon.read(None, SINCE)).mentions

    assert (mention.text, mention.rating, mention.item) == ("Крышка треснула", 2, str(SKU))
    assert mention.published_at == datetime(2026, 11, 24, 11, 59, 59, 114000, tzinfo=UTC)
    assert mention.url == f"https://www.ozon.ru/product/{SKU}/?reviewUuid={number}"
    assert (mention.kind, mention.author.name, mention.key.account) == ("review", "", CLIENT)
    assert mention.raw["order_status"] == "DELIVERED"


async def test_numbers_in_quotes_and_times_with_an_offset_are_understood(bench: Bench) -> None:
    number = bench.seller.publish("x")
    bench.seller.reviews[number] |= {"sku": str(SKU), "published_at": "2026-11-24T12:00:00+05:00"}
    (mention,) = (await bench.ozon.read(None, SINCE)).mentions

    assert mention.item == str(SKU)
    assert mention.published_at == datetime(2026, 11, 24, 7, 0, tzinfo=UTC)
    assert mention.published_at.utcoffset() == timedelta(0)


async def test_pictures_come_when_a_review_is_looked_at(bench: Bench) -> None:
    mention = await bench.mention()
    bench.seller.pictures[mention.key.external_id] = ["https://cdn.test/1.jpg"]
    seen = (await bench.ozon.look(mention)).mention

    assert seen is not None
    assert seen.media == ("https://cdn.test/1.jpg",)
    assert seen.fingerprint == mention.fingerprint


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.seller.page = 1
    for hours in range(25):
        bench.seller.publish("x", NOW - timedelta(hours=hours))
    found: set[str] = set()
    cursor, polls = None, 0
    while len(found) < 25:
        batch = await bench.ozon.read(cursor, SINCE)
        found |= {m.key.external_id for m in batch.mentions}
        cursor, polls = batch.cursor, polls + 1
        assert polls < 5
    newest = bench.seller.publish("last")

    assert polls == 3
    assert newest in {m.key.external_id for m in (await bench.ozon.read(cursor, SINCE)).mentions}


async def test_a_review_the_next_page_hung_on_may_be_deleted(bench: Bench) -> None:
    bench.seller.page = 1
    numbers = [bench.seller.publish("x", NOW - timedelta(hours=hours)) for hours in range(12)]
    cursor = (await bench.ozon.read(None, SINCE)).cursor
    bench.seller.remove(numbers[9])

    assert (await bench.ozon.read(cursor, SINCE)).mentions


async def test_a_known_past_is_not_paged_through_again(bench: Bench) -> None:
    bench.seller.page = 2
    for days in range(20):
        bench.seller.publish("old", NOW - timedelta(days=days / 4))
    cursor = (await bench.ozon.read(None, SINCE)).cursor
    before = len(bench.asked("/v2/review/list"))
    await bench.ozon.read(cursor, SINCE)

    assert len(bench.asked("/v2/review/list")) - before <= 4


async def test_an_edit_within_a_day_is_found_again(bench: Bench) -> None:
    number = bench.seller.publish("bad", NOW - timedelta(hours=20))
    bench.seller.publish("filler")
    cursor = (await bench.ozon.read(None, SINCE)).cursor
    bench.seller.reviews[number]["text"] = "worse"

    assert "worse" in {m.text for m in (await bench.ozon.read(cursor, SINCE)).mentions}


async def test_a_page_that_names_itself_as_the_next_ends_the_poll(bench: Bench) -> None:
    body = json.dumps({"reviews": [], "has_next": True, "last_id": "0193-last"})
    bench.wire.fails(answers(200, body), bench.seller.is_list)
    await bench.ozon.read(None, SINCE)

    assert len(bench.asked("/v2/review/list")) == 2


async def test_one_unreadable_review_harms_only_itself(bench: Bench) -> None:
    bench.seller.publish("good")
    bench.seller.reviews["broken"] = {"id": "broken", "published_at": "2026-11-24 noon"}
    batch = await bench.ozon.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (published_at:" in batch.note


async def test_comments_of_others_are_not_our_replies(bench: Bench) -> None:
    mention = await bench.mention()
    bench.seller.comment(mention.key.external_id, "Me too", owner=False, official=False)
    bench.seller.comment(mention.key.external_id, "Ozon here", owner=False)
    first = bench.seller.comment(mention.key.external_id, "First")
    second = bench.seller.comment(mention.key.external_id, "Second")

    assert [r.external_id for r in (await bench.ozon.look(mention)).replies] == [first, second]


async def test_all_replies_are_found_under_a_review_with_many_comments(bench: Bench) -> None:
    mention = await bench.mention()
    ours = bench.seller.comment(mention.key.external_id, "Ours")
    for _ in range(230):
        bench.seller.comment(mention.key.external_id, "Me too", owner=False, official=False)

    assert [r.external_id for r in (await bench.ozon.look(mention)).replies] == [ours]


STANDINGS = [
    ({}, "public"),
    ({"is_published": True, "is_rejected": False}, "public"),
    ({"is_published": False, "is_rejected": False}, "waiting"),
    ({"is_published": True, "is_rejected": True, "deviation_reason": "contacts"}, "refused"),
]


@pytest.mark.parametrize(("said", "standing"), STANDINGS)
async def test_a_reply_stands_as_the_moderators_left_it(bench: Bench, said: dict[str, object], standing: str) -> None:
    mention = await bench.mention()
    bench.seller.comment(mention.key.external_id, "Ours", **said)

    assert [r.standing for r in (await bench.ozon.look(mention)).replies] == [standing]


async def test_an_unreadable_comment_is_not_taken_for_no_reply(bench: Bench) -> None:
    mention = await bench.mention()
    bench.seller.comments[mention.key.external_id].append({"id": None, "is_owner": True, "published_at": "?"})

    with pytest.raises(BadAnswer):
        await bench.ozon.look(mention)


async def test_a_missing_list_of_comments_makes_no_review_vanish(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(404, bench.seller.error(404)), lambda request: request.url.path.endswith("/comment/list"))
    assert (await bench.ozon.look(mention)).mention is not None
    bench.seller.reviews[mention.key.external_id]["comments_amount"] = 2

    with pytest.raises(BadAnswer, match="2 comments"):
        await bench.ozon.look(mention)


async def test_a_reply_waits_for_moderators_and_marks_the_review_processed(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.ozon.reply(mention, "Sorry", "k1")

    assert not posted.visible
    assert bench.seller.reviews[mention.key.external_id]["status"] == "PROCESSED"


async def test_a_reply_without_an_id_in_the_answer_may_stand(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(200, "{}"), bench.seller.is_write)

    with pytest.raises(Unsure):
        await bench.ozon.reply(mention, "Sorry", "k1")


async def test_a_reply_cannot_be_edited(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.ozon.reply(mention, "Sorry", "k1")

    with pytest.raises(Refused, match="no way to edit"):
        await bench.ozon.edit(mention, posted.external_id, "Very sorry")
    assert [r.text for r in (await bench.ozon.look(mention)).replies] == ["Sorry"]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_server_with_one_version_of_the_methods_is_enough(bench: Bench, version: str) -> None:
    bench.seller.versions = {version}
    mention = await bench.mention()
    posted = await bench.ozon.reply(mention, "Sorry", "k1")
    assert (await bench.ozon.look(mention)).replies
    await bench.ozon.delete(mention, posted.external_id)

    assert (await bench.ozon.look(mention)).replies == ()


async def test_the_version_that_works_is_remembered_and_left_when_it_is_switched_off(bench: Bench) -> None:
    bench.seller.versions = {"v1"}
    for _ in range(3):
        await bench.ozon.read(None, SINCE)
    tries = len(bench.asked("/v2/review/list"))
    bench.seller.versions = {"v2"}
    bench.seller.publish("after the switch")
    mentions = (await bench.ozon.read(None, SINCE)).mentions

    assert tries == 1
    assert [m.text for m in mentions] == ["after the switch"]


async def test_a_version_that_is_said_not_to_be_there_is_left_for_the_other(bench: Bench) -> None:
    absent = answers(501, json.dumps({"code": 12, "message": "Method Not Allowed", "details": []}))
    bench.wire.fails(absent, lambda request: request.url.path.startswith("/v2/"))
    mention = await bench.mention()
    posted = await bench.ozon.reply(mention, "Sorry", "k1")
    assert (await bench.ozon.look(mention)).replies
    bench.ozon = bench.connected(bench.seller.settings)
    await bench.ozon.delete(mention, posted.external_id)

    assert (await bench.ozon.look(mention)).replies == ()


async def test_a_review_is_gone_although_the_old_version_is_switched_off(bench: Bench) -> None:
    bench.seller.versions = {"v2"}
    mention = await bench.mention()
    bench.seller.remove(mention.key.external_id)

    assert (await bench.ozon.look(mention)).mention is None


@pytest.mark.parametrize("fault", [answers(429), answers(503), raises(httpx.ReadTimeout)])
async def test_a_review_one_version_does_not_find_is_not_gone_while_the_other_cannot_be_asked(
    bench: Bench, fault: Fault
) -> None:
    """A server without the newest version may say the same as one without the review."""
    mention = await bench.mention()
    bench.wire.fails(answers(404, bench.seller.error(404)), lambda request: request.url.path == "/v2/review/info")
    bench.wire.fails(fault, lambda request: request.url.path == "/v1/review/info")

    with pytest.raises(Retry):
        await bench.ozon.look(mention)


async def test_a_delete_that_one_version_does_not_know_is_done_by_the_other(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.ozon.reply(mention, "Sorry", "k1")
    bench.wire.fails(
        answers(404, bench.seller.error(404)), lambda request: request.url.path == "/v2/review/comment/delete"
    )
    await bench.ozon.delete(mention, posted.external_id)

    assert (await bench.ozon.look(mention)).replies == ()


async def test_a_reply_under_a_vanished_review_is_deleted_already(bench: Bench) -> None:
    mention = await bench.mention()
    bench.seller.remove(mention.key.external_id)
    await bench.ozon.delete(mention, "0199-nothing")

    assert len(bench.asked("/v1/review/comment/delete")) == 0


async def test_a_delete_answered_by_a_web_page_may_have_been_done(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(200, "<html>"), lambda request: request.url.path.endswith("/comment/delete"))

    with pytest.raises(Unsure):
        await bench.ozon.delete(mention, "x")


async def test_without_the_paid_plan_staff_are_told_what_to_mend(bench: Bench) -> None:
    bench.wire.fails(answers(403, bench.seller.error(403, "permission denied")))

    with pytest.raises(Refused, match="plan 'Review management' or Premium Pro, and the API key a role") as caught:
        await bench.ozon.read(None, SINCE)
    assert caught.value.code == "7"


BAD_KEYS = ["Invalid Api-Key, please contact support", "Api-key is deactivated", "api-key is expired"]


@pytest.mark.parametrize("message", BAD_KEYS)
async def test_a_key_ozon_does_not_take_needs_a_person(bench: Bench, message: str) -> None:
    bench.wire.fails(answers(403, bench.seller.error(403, message)))

    with pytest.raises(NeedsLogin):
        await bench.ozon.read(None, SINCE)


async def test_a_wrong_key_is_refused_and_not_quoted(bench: Bench) -> None:
    def echoes(request: httpx.Request, _serve: Serve) -> httpx.Response:
        return httpx.Response(400, content=bench.seller.error(400, f"bad {request.headers['Api-Key']}"))

    bench.wire.fails(echoes)
    with pytest.raises(Refused) as caught:
        await bench.ozon.read(None, SINCE)
    assert KEY not in str(caught.value)


CODES: list[tuple[int, int, type[DeskError], type[DeskError]]] = [
    (400, 3, Refused, Refused),
    (404, 5, Gone, Gone),
    (409, 6, Unsure, Unsure),
    (429, 8, Retry, Retry),
    (400, 9, Refused, Refused),
    (409, 10, Retry, Unsure),
    (501, 12, Refused, Refused),
    (500, 13, Retry, Unsure),
    (400, 14, Retry, Unsure),
    (401, 16, NeedsLogin, NeedsLogin),
    (403, 16, NeedsLogin, NeedsLogin),
]


@pytest.mark.parametrize(("status", "code", "reading", "writing"), CODES)
async def test_a_code_says_what_to_do_next(
    bench: Bench, status: int, code: int, reading: type[DeskError], writing: type[DeskError]
) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(status, json.dumps({"code": code, "message": "No.", "details": []})))

    with pytest.raises(DeskError) as read:
        await bench.ozon.read(None, SINCE)
    with pytest.raises(DeskError) as write:
        await bench.ozon.reply(mention, "Sorry", "k1")
    assert (type(read.value), type(write.value)) == (reading, writing)


@pytest.mark.parametrize("body", ["404 page not found", '{"code": 404, "message": "no route"}', '{"message": "?"}'])
async def test_a_404_in_other_words_makes_no_review_vanish(bench: Bench, body: str) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(404, body))

    with pytest.raises(BadAnswer):
        await bench.ozon.look(mention)


def test_a_reply_with_an_address_is_stopped_before_it_is_sent() -> None:
    assert [problem.key for problem in problems("Пишите на www.shop.test", CARD)] == ["text_has_links"]


FAULTS = [
    ({"client_id": "shop"}, "client_id"),
    ({"client_id": ""}, "client_id"),
    ({"api_key": SecretStr("secret")}, "api_key"),
    ({"questions": "perhaps"}, "questions"),
    ({"api_base": "ftp://x.test"}, "api_base"),
    ({"key": "x"}, "key"),
]


@pytest.mark.parametrize(("change", "name"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"client_id": CLIENT, "api_key": KEY, **change})
    assert name in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "secret" not in str(caught.value)
