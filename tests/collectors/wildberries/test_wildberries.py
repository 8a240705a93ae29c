from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.wildberries import CARD, Settings, Wildberries
from desk.errors import DeskError, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from desk.platform import Batch, problems
from tests.collectors.wildberries.fake import SELLER, Seller, token
from tests.collectors.wire import NOW, Wire, answers, raises

DATA = Path(__file__).parent / "data"
SINCE = NOW - timedelta(days=2)


@dataclass
class Bench:
    seller: Seller
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    site: Wildberries = field(init=False)

    def __post_init__(self) -> None:
        self.site = self.connected(self.seller.settings)

    def connected(self, settings: Settings) -> Wildberries:
        return Wildberries(settings, "bank", "bank-wb", self.http, lambda: self.time)

    def holding(self, new: str) -> Wildberries:
        self.seller.token = new
        self.site = self.connected(self.seller.settings)
        return self.site

    async def mention(self, number: str) -> Mention:
        batch = await self.site.read(None, SINCE - timedelta(days=60))
        return next(m for m in batch.mentions if m.key.external_id == number)

    def writes(self) -> list[tuple[str, str]]:
        return [(r.method, r.url.path) for r in self.wire.seen if self.seller.is_write(r)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    seller = Seller()
    wire = Wire(seller.serve)
    async with wire.client() as http:
        yield Bench(seller, wire, http)


def texts(batch: Batch) -> set[str]:
    return {m.text for m in batch.mentions}


async def recorded(bench: Bench) -> list[Mention]:
    bench.wire.fails(answers(200, (DATA / "feedbacks.json").read_bytes()), bench.seller.is_list)
    return (await bench.site.read(None, SINCE)).mentions


async def test_pros_and_cons_stand_in_the_text_under_their_names(bench: Bench) -> None:
    review, _ = await recorded(bench)

    assert review.text == "Достоинства: Быстро\nПришла не та лампа"
    assert (review.kind, review.rating, review.author.name, review.item) == ("review", 2, "Марат", "Лампа")
    assert review.published_at == datetime(2026, 11, 23, 22, 2, 3, tzinfo=UTC)
    assert review.media == ("https://p.test/full.webp", "https://v.test/i.m3u8")
    assert review.parent_id == "aB2"
    assert review.url == "https://www.wildberries.ru/catalog/2104/feedbacks"
    assert [(r.text, r.standing) for r in review.replies] == [("Простите!", "waiting")]


async def test_stars_alone_are_a_review_without_words(bench: Bench) -> None:
    _, stars = await recorded(bench)

    assert (stars.text, stars.rating, stars.media, stars.replies, stars.parent_id) == ("", 5, (), (), "")


async def test_questions_are_read_beside_reviews(bench: Bench) -> None:
    bench.seller.publish("A review")
    number = bench.seller.ask("Is there a lamp inside?")
    question = next(m for m in (await bench.site.read(None, SINCE)).mentions if m.kind == "question")

    assert (question.key.external_id, question.text, question.rating) == (number, "Is there a lamp inside?", None)
    assert question.url == "https://www.wildberries.ru/catalog/2104/questions"


async def test_questions_are_left_alone_where_the_settings_say_so(bench: Bench) -> None:
    bench.seller.ask("Is there a lamp inside?")
    site = bench.connected(Settings(token=SecretStr(bench.seller.token), questions=False))

    assert (await site.read(None, SINCE)).mentions == []
    assert {r.url.path for r in bench.wire.seen} == {"/api/v1/feedbacks"}


async def test_a_review_answered_between_two_polls_is_not_lost(bench: Bench) -> None:
    cursor = (await bench.site.read(None, SINCE)).cursor
    bench.seller.answered(bench.seller.publish("Answered at once"), "By a colleague")
    bench.seller.publish("")

    assert texts(await bench.site.read(cursor, SINCE)) == {"Answered at once", ""}


async def test_a_review_shown_late_is_found_though_newer_ones_are_known(bench: Bench) -> None:
    bench.seller.publish("Newest", NOW)
    cursor = (await bench.site.read(None, SINCE)).cursor
    bench.seller.publish("Late", NOW - timedelta(hours=20))

    assert texts(await bench.site.read(cursor, SINCE)) == {"Newest", "Late"}


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.wildberries.PAGE", 3)
    for hours in range(45):
        bench.seller.publish(f"review {hours}", NOW - timedelta(hours=hours))
    found: set[str] = set()
    cursor = None
    for _ in range(3):
        before = len(bench.wire.seen)
        batch = await bench.site.read(cursor, SINCE)
        assert len(bench.wire.seen) - before <= 13
        found |= texts(batch)
        cursor = batch.cursor
    bench.seller.publish("last", NOW + timedelta(minutes=1))

    assert found == {f"review {hours}" for hours in range(45)}
    for _ in range(3):
        batch = await bench.site.read(cursor, SINCE)
        found |= texts(batch)
        cursor = batch.cursor
    assert "last" in found


async def test_a_review_shown_late_is_found_though_the_list_was_read_over_several_polls(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.wildberries.PAGE", 3)
    monkeypatch.setattr("collectors.wildberries.PAGES", 1)
    for minutes in range(0, 60, 10):
        bench.seller.publish(f"review {minutes}", NOW - timedelta(minutes=minutes))
    cursor = None
    for _ in range(3):
        cursor = (await bench.site.read(cursor, SINCE)).cursor
    bench.seller.publish("Late", NOW - timedelta(minutes=45))
    found: set[str] = set()
    for _ in range(3):
        batch = await bench.site.read(cursor, SINCE)
        found |= texts(batch)
        cursor = batch.cursor

    assert "Late" in found


async def test_a_basic_token_reads_one_list_after_the_other(bench: Bench) -> None:
    for number in ("one", "two"):
        bench.seller.publish(number)
    bench.seller.publish("")
    bench.seller.ask("three")
    found: set[str] = set()
    cursor = None
    for _ in range(4):
        bench.seller.budget = 1
        batch = await bench.site.read(cursor, SINCE)
        found |= texts(batch)
        cursor = batch.cursor

    assert found == {"one", "two", "", "three"}


async def test_a_list_of_more_pages_than_a_limit_allows_is_read_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.wildberries.PAGE", 3)
    for hours in range(20):
        bench.seller.publish(f"review {hours}", NOW - timedelta(hours=hours))
    bench.seller.ask("question")
    found: set[str] = set()
    cursor = None
    for _ in range(9):
        bench.seller.budget = 2
        batch = await bench.site.read(cursor, SINCE)
        found |= texts(batch)
        cursor = batch.cursor

    assert found == {*(f"review {hours}" for hours in range(20)), "question"}


async def test_a_poll_that_gets_nothing_at_all_is_a_rate_limit(bench: Bench) -> None:
    bench.seller.budget = 0

    with pytest.raises(Retry) as caught:
        await bench.site.read(None, SINCE)
    assert caught.value.rate_limited


async def test_one_unreadable_review_harms_only_itself(bench: Bench) -> None:
    bench.seller.publish("good")
    bench.seller.publish("bad", productDetails="none")
    batch = await bench.site.read(None, SINCE)

    assert texts(batch) == {"good"}
    assert "1 of 2 records cannot be read (productDetails" in batch.note


async def test_the_end_of_the_token_is_told_once_a_day(bench: Bench) -> None:
    site = bench.holding(token(NOW + timedelta(days=10, hours=1)))
    first = await site.read(None, SINCE)
    second = await site.read(first.cursor, SINCE)
    bench.time += timedelta(days=1)
    third = await site.read(second.cursor, SINCE)

    assert "ends on 2026-12-04, in 10 days" in first.note
    assert second.note == ""
    assert "in 9 days" in third.note


@pytest.mark.parametrize("kept", [token(NOW + timedelta(days=15)), "no-jwt", token(NOW, exp="soon"), "a.b.c"])
async def test_a_token_with_time_left_or_without_an_end_is_no_news(bench: Bench, kept: str) -> None:
    assert (await bench.holding(kept).read(None, SINCE)).note == ""


ACCOUNTS = [
    (token(NOW), SELLER),
    (token(NOW, sid=""), "seller"),
    (token(NOW, sid="", oid=4411), "4411"),
    ("opaque", "seller"),
]


@pytest.mark.parametrize(("kept", "account"), ACCOUNTS)
async def test_the_account_is_the_seller_the_token_names(bench: Bench, kept: str, account: str) -> None:
    assert bench.holding(kept).account == account


async def test_the_token_is_sent_as_it_is_and_masked_in_errors(bench: Bench) -> None:
    body = bench.seller.error(403).replace(b"No.", bench.seller.token.encode())
    bench.wire.fails(answers(403, body))

    with pytest.raises(Refused) as caught:
        await bench.site.read(None, SINCE)
    assert bench.wire.seen[0].headers["Authorization"] == bench.seller.token
    assert bench.seller.token not in str(caught.value)
    assert "***" in str(caught.value)


@pytest.mark.parametrize(("status", "expected"), [(401, NeedsLogin), (402, Refused), (422, Refused), (500, Retry)])
async def test_a_refused_read_says_what_to_do_next(bench: Bench, status: int, expected: type[DeskError]) -> None:
    bench.wire.fails(answers(status, bench.seller.error(status)))

    with pytest.raises(DeskError) as caught:
        await bench.site.read(None, SINCE)
    assert type(caught.value) is expected


async def test_an_answer_the_site_took_but_does_not_show_is_unsure(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.seller.swallows_answers = True

    with pytest.raises(Unsure):
        await bench.site.reply(mention, "Sorry", "k")


async def test_a_basic_token_gets_a_reply_through_one_request_at_a_time(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    outcomes = []
    for _ in range(2):
        bench.seller.budget = 1
        with pytest.raises(DeskError) as caught:
            await bench.site.reply(mention, "Sorry", "k")
        outcomes.append(type(caught.value))
        bench.time += timedelta(minutes=12)
    bench.seller.budget = 1

    assert outcomes == [Retry, Unsure]
    assert [r.text for r in (await bench.site.look(mention)).replies] == ["Sorry"]


async def test_nothing_is_sent_to_what_was_read_too_long_ago(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.seller.budget = 1
    with pytest.raises(Retry):
        await bench.site.reply(mention, "Sorry", "k")
    bench.time += timedelta(hours=1)
    bench.seller.budget = 100
    bench.seller.remove(mention.key.external_id)

    with pytest.raises(Gone):
        await bench.site.reply(mention, "Sorry", "k")


async def test_an_answer_with_a_body_is_unsure(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.wire.fails(answers(200, '{"data": null, "error": false}'), bench.seller.is_write)

    with pytest.raises(Unsure):
        await bench.site.reply(mention, "Sorry", "k")


@pytest.mark.parametrize("fault", [answers(429), answers(401), answers(500), raises(httpx.ConnectError)])
async def test_an_answer_that_cannot_be_read_back_is_unsure(bench: Bench, fault: object) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.wire.fails(fault, lambda r: bool(bench.writes()) and not bench.seller.is_write(r))  # type: ignore[arg-type]

    with pytest.raises(Unsure):
        await bench.site.reply(mention, "Sorry", "k")
    assert bench.writes() == [("POST", "/api/v1/feedbacks/answer")]


async def test_nothing_is_sent_to_a_review_that_is_gone(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.seller.remove(mention.key.external_id)

    with pytest.raises(Gone):
        await bench.site.reply(mention, "Sorry", "k")
    assert bench.writes() == []


async def test_a_second_reply_takes_the_place_of_one_that_can_be_edited(bench: Bench) -> None:
    number = bench.seller.answered(bench.seller.publish("Bad"), "By a colleague", editable=True)
    posted = await bench.site.reply(await bench.mention(number), "Better", "k")

    assert (posted.external_id, posted.visible) == (number, False)
    assert bench.writes() == [("PATCH", "/api/v1/feedbacks/answer")]
    assert bench.seller.items[number]["answer"]["text"] == "Better"


async def test_a_rejected_answer_is_given_anew(bench: Bench) -> None:
    number = bench.seller.answered(bench.seller.publish("Bad"), "Call +7 700 000", "rejected")
    await bench.site.reply(await bench.mention(number), "Sorry", "k")

    assert bench.writes() == [("POST", "/api/v1/feedbacks/answer")]
    assert bench.seller.items[number]["answer"]["text"] == "Sorry"


async def test_an_answer_that_cannot_be_edited_any_more_is_refused_before_anything_is_sent(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    posted = await bench.site.reply(mention, "First", "k")
    await bench.site.edit(mention, posted.external_id, "Second")
    sent = len(bench.writes())

    with pytest.raises(Refused):
        await bench.site.edit(mention, posted.external_id, "Third")
    assert len(bench.writes()) == sent


async def test_there_is_nothing_to_edit_where_no_answer_stands(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))

    with pytest.raises(Gone) as caught:
        await bench.site.edit(mention, mention.key.external_id, "Second")
    assert caught.value.what == "reply"


async def test_an_answer_cannot_be_deleted(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))

    with pytest.raises(Refused):
        await bench.site.delete(mention, mention.key.external_id)


STANDINGS = [("wbRu", "public"), ("reviewRequired", "waiting"), ("rejected", "refused"), ("none", "waiting")]


@pytest.mark.parametrize(("state", "standing"), STANDINGS)
async def test_an_answer_stands_as_moderation_left_it(bench: Bench, state: str, standing: str) -> None:
    number = bench.seller.answered(bench.seller.publish("Bad"), "Sorry", state)
    look = await bench.site.look(await bench.mention(number))

    assert [r.standing for r in look.replies] == [standing]


async def test_a_question_is_answered_and_the_answer_edited(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.ask("Is there a lamp inside?"))
    posted = await bench.site.reply(mention, "Yes", "k")
    await bench.site.edit(mention, posted.external_id, "Yes, two")
    look = await bench.site.look(mention)

    assert posted.visible
    assert [(r.text, r.standing) for r in look.replies] == [("Yes, two", "public")]
    assert set(bench.writes()) == {("PATCH", "/api/v1/questions")}


async def test_a_question_that_is_gone_is_gone(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.ask("Is there a lamp inside?"))
    bench.seller.remove(mention.key.external_id)

    assert await bench.site.look(mention) == (None, ())


async def test_a_review_that_cannot_be_given_but_is_listed_is_not_gone(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.wire.fails(answers(422, bench.seller.error(422)), lambda r: r.url.path == "/api/v1/feedback")

    with pytest.raises(Refused):
        await bench.site.look(mention)


async def test_a_review_that_a_limit_keeps_from_being_looked_for_is_told_and_not_waited_for_for_ever(
    bench: Bench,
) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.seller.remove(mention.key.external_id)
    bench.seller.budget = 1

    with pytest.raises(Refused):
        await bench.site.look(mention)


async def test_a_review_that_may_be_in_the_archive_is_not_called_gone(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.seller.remove(mention.key.external_id)
    bench.time += timedelta(days=31)

    with pytest.raises(Refused):
        await bench.site.look(mention)


async def test_an_address_the_gateway_does_not_know_makes_no_review_vanish(bench: Bench) -> None:
    mention = await bench.mention(bench.seller.publish("Bad"))
    bench.wire.fails(answers(404, '{"title": "path not found", "detail": "No.", "status": 404}'))

    with pytest.raises(Refused):
        await bench.site.look(mention)


def test_a_reply_of_one_letter_is_too_short() -> None:
    assert [p.key for p in problems("a", CARD)] == ["text_too_short"]
    assert problems("ok", CARD) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("Да — «так»", 'Да - "так"', True), ("Two\n\nlines ", "Two lines", True), ("Hello", "Hello!", False)],
)
async def test_texts_are_compared_without_typography_and_white_space(
    bench: Bench, ours: str, theirs: str, same: bool
) -> None:
    assert bench.site.same(ours, theirs) is same


FAULTS = [
    ({"token": SecretStr("top secret")}, "token"),
    ({"token": SecretStr("")}, "token"),
    ({"questions": "perhaps"}, "questions"),
    ({"api_base": "ftp://x.test"}, "api_base"),
    ({"tokken": "x"}, "tokken"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"token": "x.y.z", **change})
    assert {str(fault["loc"][0]) for fault in caught.value.errors()} == {key}
    assert "top secret" not in str(caught.value)
