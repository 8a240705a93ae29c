from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.avito import CARD, DEEPEST, Avito, Settings
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from desk.platform import problems
from tests.collectors.avito.fake import ANSWERS, CLIENT, ITEM, REVIEWS, SECRET, Account
from tests.collectors.wire import NOW, Serve, Wire, answers

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    shop: Account
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    avito: Avito = field(init=False)

    def __post_init__(self) -> None:
        self.avito = self.connected(self.shop.settings)

    def connected(self, settings: Settings) -> Avito:
        return Avito(settings, "shop", "shop-avito", self.http, lambda: self.time)

    async def mention(self, text: str = "Bad") -> Mention:
        number = self.shop.publish(text)
        return next(m for m in (await self.avito.read(None, SINCE)).mentions if m.key.external_id == number)

    def lists(self) -> int:
        return sum(1 for r in self.wire.seen if r.url.path == REVIEWS)

    def writes(self) -> int:
        return sum(1 for r in self.wire.seen if r.url.path.startswith(ANSWERS))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    shop = Account()
    wire = Wire(shop.serve)
    async with wire.client() as http:
        yield Bench(shop, wire, http)


async def test_a_review_carries_its_author_item_stars_and_link(bench: Bench) -> None:
    number = bench.shop.publish(" Поцарапали шкаф ", datetime(2026, 11, 23, 9, 30, tzinfo=UTC), stars=2)
    (mention,) = (await bench.avito.read(None, SINCE)).mentions

    assert (mention.key.external_id, mention.key.account) == (number, CLIENT)
    assert (mention.text, mention.rating, mention.item) == ("Поцарапали шкаф", 2, "Перевозка мебели")
    assert mention.published_at == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    assert (mention.author.name, mention.url) == ("Дина", f"https://www.avito.ru/{ITEM}")
    assert (mention.kind, mention.raw["stage"]) == ("review", "done")


async def test_a_review_of_a_removed_advert_links_to_the_account_s_rating(bench: Bench) -> None:
    number = bench.shop.publish("x")
    for name in ("item", "sender"):
        del bench.shop.reviews[int(number)][name]
    (mention,) = (await bench.avito.read(None, SINCE)).mentions

    assert (mention.url, mention.item, mention.author.name) == ("https://www.avito.ru/profile/rating", "", "")


async def test_each_picture_comes_once_and_in_its_largest_size(bench: Bench) -> None:
    sizes = [{"size": size, "url": f"https://img.test/{size}.jpg"} for size in ("64x48", "1280x960", "640x480", "")]
    bench.shop.publish("x", images=[{"number": 1, "sizes": sizes}, {"number": 2, "sizes": []}])
    (mention,) = (await bench.avito.read(None, SINCE)).mentions

    assert mention.media == ("https://img.test/1280x960.jpg",)


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.shop.page = 6
    for hours in range(25):
        bench.shop.publish("x", NOW - timedelta(hours=hours))
    found: set[str] = set()
    cursor, polls = None, 0
    while len(found) < 25:
        batch = await bench.avito.read(cursor, SINCE)
        found |= {m.key.external_id for m in batch.mentions}
        cursor, polls = batch.cursor, polls + 1
        assert polls < 6
    newest = bench.shop.publish("last")

    assert polls > 1
    assert newest in {m.key.external_id for m in (await bench.avito.read(cursor, SINCE)).mentions}


async def test_a_review_deleted_between_two_pages_hides_none_after_it(bench: Bench) -> None:
    numbers = [bench.shop.publish("x", NOW - timedelta(hours=hours)) for hours in range(60)]

    def deletes(request: httpx.Request, serve: Serve) -> httpx.Response:
        if request.url.params["offset"] != "0" and int(numbers[0]) in bench.shop.reviews:
            bench.shop.remove(numbers[0])
        return serve(request)

    bench.wire.fails(deletes, bench.shop.is_list)
    found = {m.key.external_id for m in (await bench.avito.read(None, SINCE)).mentions}

    assert found >= set(numbers[1:])


async def test_a_known_past_is_not_paged_through_again(bench: Bench) -> None:
    for days in range(200):
        bench.shop.publish("old", NOW - timedelta(days=days / 4))
    cursor = (await bench.avito.read(None, NOW - timedelta(days=60))).cursor
    before = bench.lists()
    await bench.avito.read(cursor, SINCE)

    assert bench.lists() - before == 2


async def test_a_review_let_through_late_is_found(bench: Bench) -> None:
    bench.shop.publish("prompt")
    cursor = (await bench.avito.read(None, SINCE)).cursor
    number = bench.shop.publish("checked for days", NOW - timedelta(days=2, hours=23))

    assert number in {m.key.external_id for m in (await bench.avito.read(cursor, SINCE)).mentions}


async def test_a_list_that_is_not_newest_first_is_told(bench: Bench) -> None:
    bench.shop.newest_first = False
    for hours in range(60):
        bench.shop.publish("x", NOW - timedelta(hours=hours))

    assert "not newest first" in (await bench.avito.read(None, SINCE)).note


async def test_one_unreadable_review_harms_only_itself(bench: Bench) -> None:
    bench.shop.publish("good")
    bench.shop.reviews[1] = {"id": 1, "createdAt": 1}
    bench.shop.reviews[1]["text"] = 5
    batch = await bench.avito.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (text:" in batch.note


STANDINGS = [("moderation", "waiting"), ("published", "public"), ("rejected", "refused"), ("something new", "waiting")]


@pytest.mark.parametrize(("status", "standing"), STANDINGS)
async def test_an_answer_stands_as_the_moderators_left_it(bench: Bench, status: str, standing: str) -> None:
    mention = await bench.mention()
    number = bench.shop.answer(mention.key.external_id, "Sorry", status)

    assert [(r.external_id, r.text, r.standing) for r in (await bench.avito.look(mention)).replies] == [
        (str(number), "Sorry", standing)
    ]


async def test_an_answer_waits_for_moderators(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.avito.reply(mention, "Sorry", "k1")

    assert not posted.visible
    assert posted.at == NOW


async def test_an_answer_without_an_id_may_stand(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(200, "{}"), bench.shop.is_write)

    with pytest.raises(Unsure):
        await bench.avito.reply(mention, "Sorry", "k1")


async def test_a_review_that_takes_no_answer_gets_none_and_says_so(bench: Bench) -> None:
    mention = await bench.mention()
    bench.shop.reviews[int(mention.key.external_id)]["canAnswer"] = False

    with pytest.raises(Refused, match="canAnswer is false"):
        await bench.avito.reply(mention, "Sorry", "k1")
    assert bench.writes() == 0


@pytest.mark.parametrize("status", ["moderation", "published"])
async def test_a_second_answer_is_refused_before_it_is_sent(bench: Bench, status: str) -> None:
    mention = await bench.mention()
    bench.shop.answer(mention.key.external_id, "First", status)

    with pytest.raises(Refused, match="one only; delete it first"):
        await bench.avito.reply(mention, "Second", "k2")
    assert bench.writes() == 0


async def test_after_a_refusal_by_moderators_the_reason_is_shown_and_a_new_answer_follows_the_delete(
    bench: Bench,
) -> None:
    mention = await bench.mention()
    reasons = [{"id": 1, "title": "Телефон в ответе"}, {"id": 2, "title": "Грубость"}]
    old = bench.shop.answer(mention.key.external_id, "Call us", "rejected", rejectReasons=reasons)
    (refused,) = (await bench.avito.look(mention)).replies
    assert (refused.standing, refused.reason) == ("refused", "Телефон в ответе, Грубость")
    with pytest.raises(Refused, match=r"Телефон в ответе, Грубость\); delete it first"):
        await bench.avito.reply(mention, "Sorry", "k2")
    await bench.avito.delete(mention, str(old))
    posted = await bench.avito.reply(mention, "Sorry", "k2")

    assert [r.external_id for r in (await bench.avito.look(mention)).replies] == [posted.external_id]


async def test_an_answer_cannot_be_edited(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.avito.reply(mention, "Sorry", "k1")

    with pytest.raises(Refused, match="no way to edit"):
        await bench.avito.edit(mention, posted.external_id, "Very sorry")
    assert [r.text for r in (await bench.avito.look(mention)).replies] == ["Sorry"]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_an_answer_that_is_gone_is_deleted_in_whatever_words(bench: Bench, status: int) -> None:
    mention = await bench.mention()
    bench.shop.says_gone = status
    await bench.avito.delete(mention, "424242")

    assert bench.writes() == 1


async def test_a_delete_that_is_declined_while_the_answer_stands_is_refused(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.avito.reply(mention, "Sorry", "k1")
    bench.wire.fails(answers(200, '{"success": false}'), lambda request: request.method == "DELETE")

    with pytest.raises(Refused, match="was not deleted"):
        await bench.avito.delete(mention, posted.external_id)


async def test_a_delete_in_other_words_may_have_been_done(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.avito.reply(mention, "Sorry", "k1")
    bench.wire.fails(answers(200, "<html>"), lambda request: request.method == "DELETE")

    with pytest.raises(Unsure):
        await bench.avito.delete(mention, posted.external_id)


async def test_an_old_review_is_found_pages_down(bench: Bench) -> None:
    number = bench.shop.publish("old", NOW - timedelta(days=6))
    (mention,) = (await bench.avito.read(None, SINCE)).mentions
    for hours in range(120):
        bench.shop.publish("newer", NOW - timedelta(hours=hours))
    bench.shop.reviews[int(number)]["text"] = "worse"
    seen = (await bench.avito.look(mention)).mention

    assert seen is not None
    assert seen.text == "worse"


async def test_a_deleted_review_is_known_to_be_gone_without_reading_all_that_is_older(bench: Bench) -> None:
    mention = await bench.mention()
    bench.shop.remove(mention.key.external_id)
    for days in range(300):
        bench.shop.publish("older", NOW - timedelta(days=4 + days))
    before = bench.lists()

    assert (await bench.avito.look(mention)).mention is None
    assert bench.lists() - before == 1


async def test_a_review_is_found_in_a_list_of_another_order(bench: Bench) -> None:
    mention = await bench.mention()
    for days in range(100):
        bench.shop.publish("older", NOW - timedelta(days=4 + days))
    bench.shop.newest_first = False

    assert (await bench.avito.look(mention)).mention is not None


async def test_a_review_too_far_down_is_not_called_gone(bench: Bench) -> None:
    mention = await bench.mention()
    bench.shop.page = 6
    for minutes in range(6 * DEEPEST):
        bench.shop.publish("newer", NOW + timedelta(minutes=minutes + 1))

    with pytest.raises(Refused, match="too far down"):
        await bench.avito.look(mention)


async def test_a_review_that_became_unreadable_is_not_called_gone(bench: Bench) -> None:
    mention = await bench.mention()
    bench.shop.publish("fine")
    bench.shop.reviews[int(mention.key.external_id)]["text"] = 5

    with pytest.raises(BadAnswer):
        await bench.avito.look(mention)


async def test_a_page_that_cannot_be_read_is_not_taken_for_one_of_older_reviews(bench: Bench) -> None:
    bench.shop.page = 1
    mention = await bench.mention()
    broken = int(bench.shop.publish("x", NOW + timedelta(hours=1)))
    bench.shop.reviews[broken]["text"] = 5

    with pytest.raises(BadAnswer):
        await bench.avito.look(mention)


async def test_a_missing_list_makes_no_review_vanish(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(404, bench.shop.error(404)), bench.shop.is_list)

    with pytest.raises(BadAnswer):
        await bench.avito.look(mention)
    with pytest.raises(BadAnswer):
        await bench.avito.reply(mention, "Sorry", "k1")
    assert bench.writes() == 0


async def test_a_review_that_vanishes_just_before_the_answer_is_gone(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(404, bench.shop.error(404)), bench.shop.is_write)

    with pytest.raises(Gone):
        await bench.avito.reply(mention, "Sorry", "k1")


async def test_one_token_serves_a_day_and_is_renewed_five_minutes_early(bench: Bench) -> None:
    for minutes, tokens in ((0, 1), (24 * 60 - 6, 1), (24 * 60 - 5, 2)):
        bench.time = NOW + timedelta(minutes=minutes)
        await bench.avito.read(None, SINCE)
        assert bench.shop.tokens == tokens


@pytest.mark.parametrize(("status", "message"), [(401, "No."), (403, "invalid access token")])
async def test_a_token_that_is_refused_is_renewed_once(bench: Bench, status: int, message: str) -> None:
    mention = await bench.mention()
    bench.shop.valid.clear()

    def old_token(request: httpx.Request) -> bool:
        return request.headers.get("Authorization") == "Bearer access-1"

    bench.wire.fails(answers(status, bench.shop.error(status, message)), old_token)
    await bench.avito.reply(mention, "Sorry", "k1")

    assert bench.shop.tokens == 2
    assert [r.text for r in (await bench.avito.look(mention)).replies] == ["Sorry"]


REFUSED_LOGINS = [(400, "invalid_request"), (401, "invalid_client"), (403, "access_denied")]


@pytest.mark.parametrize(("status", "error"), REFUSED_LOGINS)
async def test_a_client_avito_does_not_take_needs_a_person(bench: Bench, status: int, error: str) -> None:
    body = json.dumps({"error": error, "error_description": f"No. {SECRET}"})
    bench.wire.fails(answers(status, body), lambda request: request.url.path == "/token")

    with pytest.raises(NeedsLogin) as caught:
        await bench.avito.read(None, SINCE)
    assert SECRET not in str(caught.value)


async def test_a_login_that_is_down_is_tried_again_and_no_answer_is_sent(bench: Bench) -> None:
    mention = await bench.mention()
    bench.time += timedelta(days=2)
    bench.wire.fails(answers(502, "<html>"), lambda request: request.url.path == "/token")

    with pytest.raises(Retry):
        await bench.avito.reply(mention, "Sorry", "k1")
    assert bench.writes() == 0


async def test_a_tariff_without_the_api_says_what_to_mend(bench: Bench) -> None:
    bench.wire.fails(answers(403, bench.shop.error(403, "forbidden")), bench.shop.is_api)

    with pytest.raises(Refused, match="tariff must include the API"):
        await bench.avito.read(None, SINCE)


def test_an_answer_with_an_address_is_stopped_before_it_is_sent() -> None:
    assert [problem.key for problem in problems("Пишите на www.shop.test", CARD)] == ["text_has_links"]


FAULTS = [
    ({"client_id": "two words"}, "client_id"),
    ({"client_secret": SecretStr("short")}, "client_secret"),
    ({"api_base": "ftp://x.test"}, "api_base"),
    ({"secret": "x"}, "secret"),
]


@pytest.mark.parametrize(("change", "name"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"client_id": CLIENT, "client_secret": SECRET, **change})
    assert name in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "short" not in str(caught.value).replace("too_short", "")
