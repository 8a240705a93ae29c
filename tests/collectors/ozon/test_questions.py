from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from collectors.ozon import Settings
from collectors.pages import Cursor
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from tests.collectors.ozon.fake import SHOP, SKU
from tests.collectors.ozon.test_ozon import SINCE, Bench
from tests.collectors.ozon.test_ozon import bench as bench  # a fixture
from tests.collectors.wire import NOW, Fault, When, answers, raises, takes_effect_then

LIST = "/v1/question/list"
ANSWERS = "/v1/question/answer/list"


def at(path: str) -> When:
    return lambda request: request.url.path == path


async def question(bench: Bench, text: str = "Is there a lamp inside?") -> Mention:
    number = bench.seller.ask(text)
    return next(m for m in (await bench.ozon.read(None, SINCE)).mentions if m.key.external_id == number)


def with_settings(bench: Bench, **changed: object) -> None:
    bench.ozon = bench.connected(Settings.model_validate({**bench.seller.settings.model_dump(), **changed}))


async def test_questions_are_read_beside_reviews(bench: Bench) -> None:
    bench.seller.publish("A review")
    number = bench.seller.ask(" Is there a lamp inside? ")
    batch = await bench.ozon.read(None, SINCE)
    (asked,) = [m for m in batch.mentions if m.kind == "question"]

    assert [m.text for m in batch.mentions if m.kind == "review"] == ["A review"]
    assert (asked.key.external_id, asked.text, asked.rating) == (number, "Is there a lamp inside?", None)
    assert (asked.author.name, asked.item, asked.published_at) == ("Марат", str(SKU), NOW)
    assert asked.url == f"https://www.ozon.ru/product/{SKU}/questions/?qid={number}"
    assert asked.raw["author_name"] == "Марат"


async def test_questions_are_left_alone_where_the_settings_say_so(bench: Bench) -> None:
    bench.seller.ask("Is there a lamp inside?")
    with_settings(bench, questions=False)

    assert (await bench.ozon.read(None, SINCE)).mentions == []
    assert bench.asked(LIST) == []


async def test_questions_are_read_on_from_where_they_were_when_they_are_switched_on_again(bench: Bench) -> None:
    bench.seller.ask("Known", NOW - timedelta(days=6))
    bench.seller.ask("Newest")
    cursor = (await bench.ozon.read(None, SINCE)).cursor
    with_settings(bench, questions=False)
    cursor = (await bench.ozon.read(cursor, SINCE)).cursor
    with_settings(bench)

    assert [m.text for m in (await bench.ozon.read(cursor, SINCE)).mentions] == ["Newest"]


async def test_a_cursor_from_before_questions_were_read_goes_on_for_reviews(bench: Bench) -> None:
    bench.seller.publish("Known", NOW - timedelta(days=6))
    bench.seller.publish("New")
    bench.seller.ask("Old enough", NOW - timedelta(days=6))
    stored = Cursor(until=NOW, polled=NOW).stored()

    assert {m.text for m in (await bench.ozon.read(stored, SINCE)).mentions} == {"New", "Old enough"}


@pytest.mark.parametrize("oldest_first", [True, False])
@pytest.mark.parametrize("says_what_follows", [True, False])
async def test_no_question_is_lost_in_whatever_order_and_pages_they_come(
    bench: Bench, oldest_first: bool, says_what_follows: bool
) -> None:
    bench.seller.page, bench.seller.oldest_first = 1, oldest_first
    bench.seller.says_what_follows = says_what_follows
    for hours in range(25):
        bench.seller.ask("x", NOW - timedelta(hours=3 * hours))
    found: set[str] = set()
    cursor, polls = None, 0
    while len(found) < 25:
        batch = await bench.ozon.read(cursor, SINCE)
        found |= {m.key.external_id for m in batch.mentions}
        cursor, polls = batch.cursor, polls + 1
        assert polls < 6
    newest = bench.seller.ask("last")
    later: set[str] = set()
    for _ in range(3):
        batch = await bench.ozon.read(cursor, SINCE)
        later |= {m.key.external_id for m in batch.mentions}
        cursor = batch.cursor

    assert newest in later


async def test_a_question_the_next_page_hung_on_may_be_deleted(bench: Bench) -> None:
    bench.seller.page = 1
    numbers = [bench.seller.ask("x", NOW - timedelta(hours=hours)) for hours in range(12)]
    cursor = (await bench.ozon.read(None, SINCE)).cursor
    bench.seller.remove(numbers[9])
    batch = await bench.ozon.read(cursor, SINCE)

    assert batch.mentions
    assert batch.note == ""


async def test_a_known_past_of_questions_is_not_asked_for_again(bench: Bench) -> None:
    bench.seller.ask("Known", NOW - timedelta(days=6))
    bench.seller.ask("Newest", NOW - timedelta(hours=1))
    cursor = (await bench.ozon.read(None, SINCE)).cursor
    again = await bench.ozon.read(cursor, SINCE)

    assert [m.text for m in again.mentions] == ["Newest"]
    assert json.loads(bench.asked(LIST)[-1].content)["filter"]["date_from"] == "2026-11-23T11:00:00Z"


async def test_a_list_that_says_it_ends_is_not_asked_further(bench: Bench) -> None:
    bench.seller.says_what_follows = True
    bench.seller.ask("Only")
    await bench.ozon.read(None, SINCE)

    assert len(bench.asked(LIST)) == 1


async def test_one_unreadable_question_harms_only_itself(bench: Bench) -> None:
    bench.seller.ask("good")
    bench.seller.questions["broken"] = {"id": "", "published_at": "2026-11-24T12:00:00Z"}
    batch = await bench.ozon.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (id:" in batch.note


@pytest.mark.parametrize("body", ['{"questions": null}', '{"questions": [], "last_id": ""}'])
async def test_no_questions_are_no_news(bench: Bench, body: str) -> None:
    bench.wire.fails(answers(200, body), at(LIST))
    batch = await bench.ozon.read(None, SINCE)

    assert (batch.mentions, batch.note) == ([], "")


LINKS = [
    ({"question_link": ""}, f"https://www.ozon.ru/product/{SKU}/"),
    ({"question_link": "", "product_url": ""}, f"https://www.ozon.ru/product/{SKU}/"),
    ({"question_link": "/product/1/questions/", "product_url": "https://ozon.kz/p-7/"}, "https://ozon.kz/p-7/"),
    ({"question_link": "https://ozon.evil.test/q"}, f"https://www.ozon.ru/product/{SKU}/"),
    ({"question_link": "javascript:alert(1)"}, f"https://www.ozon.ru/product/{SKU}/"),
]


@pytest.mark.parametrize(("given", "shown"), LINKS)
async def test_only_a_link_to_ozon_is_shown(bench: Bench, given: dict[str, str], shown: str) -> None:
    bench.seller.questions[bench.seller.ask("x")] |= given

    assert [m.url for m in (await bench.ozon.read(None, SINCE)).mentions] == [shown]


async def test_reviews_are_read_where_the_plan_holds_no_questions_and_staff_are_told(bench: Bench) -> None:
    bench.seller.publish("A review")
    number = bench.seller.ask("Is there a lamp inside?")
    bench.wire.fails(answers(403, bench.seller.error(403, "permission denied")), at(LIST))
    batch = await bench.ozon.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["A review"]
    assert "questions are not read" in batch.note
    assert "questions need a plan that includes them" in batch.note
    bench.wire.heals()
    assert number in {m.key.external_id for m in (await bench.ozon.read(batch.cursor, SINCE)).mentions}


FAULTS = [
    (answers(401), NeedsLogin),
    (answers(429, retry_after="9"), Retry),
    (answers(503), Retry),
    (answers(200, "<html>"), BadAnswer),
    (answers(200, '{"questions": "none"}'), BadAnswer),
    (answers(404, "404 page not found"), BadAnswer),
    (raises(httpx.ReadTimeout), Retry),
]


@pytest.mark.parametrize(("fault", "expected"), FAULTS)
async def test_questions_that_could_not_be_read_are_not_taken_for_none(
    bench: Bench, fault: Fault, expected: type[Exception]
) -> None:
    bench.seller.publish("A review")
    bench.wire.fails(fault, at(LIST))

    with pytest.raises(expected):
        await bench.ozon.read(None, SINCE)


async def test_a_question_is_answered_for_its_product_and_the_answer_found(bench: Bench) -> None:
    mention = await question(bench)
    posted = await bench.ozon.reply(mention, "Да, «две»…", "k1")
    look = await bench.ozon.look(mention)
    (sent,) = bench.asked("/v1/question/answer/create")

    assert json.loads(sent.content) == {"question_id": mention.key.external_id, "sku": SKU, "text": "Да, «две»…"}
    assert not posted.visible
    assert look.mention is not None
    assert (look.mention.fingerprint, look.mention.kind) == (mention.fingerprint, "question")
    assert [(r.external_id, r.text, r.standing) for r in look.replies] == [(posted.external_id, "Да, «две»…", "public")]


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ReadError])
async def test_an_answer_cut_off_after_its_effect_is_unsure_and_found_by_looking(
    bench: Bench, error: type[Exception]
) -> None:
    mention = await question(bench)
    bench.wire.fails(takes_effect_then(error), bench.seller.is_write)
    with pytest.raises(Unsure):
        await bench.ozon.reply(mention, "Yes", "k1")
    bench.wire.heals()

    assert [r.text for r in (await bench.ozon.look(mention)).replies] == ["Yes"]


async def test_an_answer_without_an_id_may_stand(bench: Bench) -> None:
    mention = await question(bench)
    bench.wire.fails(answers(200, "{}"), bench.seller.is_write)

    with pytest.raises(Unsure):
        await bench.ozon.reply(mention, "Yes", "k1")


async def test_an_answer_refused_for_the_plan_says_what_to_mend(bench: Bench) -> None:
    mention = await question(bench)
    bench.wire.fails(answers(403, bench.seller.error(403, "permission denied")), bench.seller.is_write)

    with pytest.raises(Refused, match="questions need a plan"):
        await bench.ozon.reply(mention, "Yes", "k1")


STATES = [
    ("PUBLISHED", "public"),
    ("AWAITING_MODERATION", "waiting"),
    ("MODERATION_FAILED", "refused"),
    ("DUPLICATE", "refused"),
    ("SOMETHING_NEW", "waiting"),
]


@pytest.mark.parametrize(("state", "standing"), STATES)
async def test_an_answer_stands_as_the_moderators_left_it(bench: Bench, state: str, standing: str) -> None:
    mention = await question(bench)
    bench.seller.answer(mention.key.external_id, "Yes", status_publication=state)

    assert [r.standing for r in (await bench.ozon.look(mention)).replies] == [standing]


async def test_answers_by_others_are_left_out_where_the_shop_has_a_name(bench: Bench) -> None:
    with_settings(bench, shop=f" {SHOP.upper()} ")
    mention = await question(bench)
    bench.seller.answer(mention.key.external_id, "Mine had one", author="Олег")
    ours = bench.seller.answer(mention.key.external_id, "Yes")
    unnamed = bench.seller.answer(mention.key.external_id, "Two of them", author="")

    assert [r.external_id for r in (await bench.ozon.look(mention)).replies] == [ours, unnamed]


async def test_without_a_name_any_answer_may_be_the_shops(bench: Bench) -> None:
    mention = await question(bench)
    theirs = bench.seller.answer(mention.key.external_id, "Mine had one", author="Олег")

    assert [r.external_id for r in (await bench.ozon.look(mention)).replies] == [theirs]


async def test_answers_are_found_over_all_pages_newest_last(bench: Bench) -> None:
    bench.seller.page = 2
    mention = await question(bench)
    number = mention.key.external_id
    waiting = bench.seller.answer(number, "Not shown yet", published_at=None)
    texts = [bench.seller.answer(number, f"Answer {n}") for n in range(5)]
    bench.seller.answers[number].reverse()

    assert [r.external_id for r in (await bench.ozon.look(mention)).replies] == [*texts, waiting]


async def test_more_answers_than_are_read_are_not_taken_for_no_answer(bench: Bench) -> None:
    bench.seller.page = 1
    mention = await question(bench)
    for _ in range(11):
        bench.seller.answer(mention.key.external_id, "Me too", author="Олег")

    with pytest.raises(BadAnswer, match="more than 10 pages"):
        await bench.ozon.look(mention)


async def test_an_unreadable_answer_is_not_taken_for_no_answer(bench: Bench) -> None:
    mention = await question(bench)
    bench.seller.answers[mention.key.external_id].append({"id": None, "text": "?"})

    with pytest.raises(BadAnswer):
        await bench.ozon.look(mention)


async def test_a_missing_list_of_answers_makes_no_question_vanish(bench: Bench) -> None:
    mention = await question(bench)
    bench.wire.fails(answers(404, bench.seller.error(404)), at(ANSWERS))
    assert (await bench.ozon.look(mention)).mention is not None
    bench.seller.questions[mention.key.external_id]["answers_count"] = 2

    with pytest.raises(BadAnswer, match="2 answers"):
        await bench.ozon.look(mention)


async def test_a_question_that_is_gone_is_gone_and_takes_no_answer(bench: Bench) -> None:
    mention = await question(bench)
    bench.seller.remove(mention.key.external_id)

    assert await bench.ozon.look(mention) == (None, ())
    with pytest.raises(Gone):
        await bench.ozon.reply(mention, "Too late", "k1")


async def test_a_404_in_other_words_makes_no_question_vanish(bench: Bench) -> None:
    mention = await question(bench)
    bench.wire.fails(answers(404, "404 page not found"))

    with pytest.raises(BadAnswer):
        await bench.ozon.look(mention)


async def test_an_answer_is_deleted_once_and_deleting_it_again_is_success(bench: Bench) -> None:
    mention = await question(bench)
    posted = await bench.ozon.reply(mention, "Yes", "k1")
    await bench.ozon.delete(mention, posted.external_id)
    await bench.ozon.delete(mention, posted.external_id)

    assert (await bench.ozon.look(mention)).replies == ()
    assert bench.asked("/v2/review/comment/delete") == []


async def test_an_answer_under_a_vanished_question_is_deleted_already(bench: Bench) -> None:
    mention = await question(bench)
    bench.seller.remove(mention.key.external_id)

    await bench.ozon.delete(mention, "0202-nothing")

    assert len(bench.asked("/v1/question/answer/delete")) == 1
    assert (await bench.ozon.look(mention)).mention is None


async def test_an_answer_that_is_still_shown_is_not_called_deleted(bench: Bench) -> None:
    mention = await question(bench)
    posted = await bench.ozon.reply(mention, "Yes", "k1")
    bench.wire.fails(answers(404, bench.seller.error(404)), at("/v1/question/answer/delete"))

    with pytest.raises(Refused, match="yet shows it"):
        await bench.ozon.delete(mention, posted.external_id)


async def test_a_delete_answered_by_a_web_page_may_have_been_done_to_the_answer(bench: Bench) -> None:
    mention = await question(bench)
    bench.wire.fails(answers(200, "<html>"), at("/v1/question/answer/delete"))

    with pytest.raises(Unsure):
        await bench.ozon.delete(mention, "x")


async def test_an_answer_cannot_be_edited(bench: Bench) -> None:
    mention = await question(bench)
    posted = await bench.ozon.reply(mention, "Yes", "k1")

    with pytest.raises(Refused, match="no way to edit"):
        await bench.ozon.edit(mention, posted.external_id, "Yes, two")
