from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.yandex_market import CARD, PAGES, Settings, YandexMarket
from desk.errors import BadAnswer, DeskError, Gone, Refused, Retry, Unsure
from desk.mention import Mention
from desk.platform import problems
from tests.collectors.wire import NOW, Serve, Wire, answers
from tests.collectors.yandex_market.fake import BUSINESS, KEY, Cabinet

DATA = Path(__file__).parent / "data"
SINCE = NOW - timedelta(days=2)


@dataclass
class Bench:
    cabinet: Cabinet
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    market: YandexMarket = field(init=False)

    def __post_init__(self) -> None:
        self.market = YandexMarket(self.cabinet.settings, "bank", "bank-market", self.http, lambda: self.time)

    async def mention(self, text: str = "Broken", at: datetime = NOW) -> Mention:
        number = self.cabinet.publish(text, at)
        batch = await self.market.read(None, at - timedelta(days=1))
        return next(m for m in batch.mentions if m.key.external_id == number)

    async def found(self, cursor: str | None) -> set[str]:
        return {m.text for m in (await self.market.read(cursor, SINCE)).mentions}


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    cabinet = Cabinet()
    wire = Wire(cabinet.serve)
    async with wire.client() as http:
        yield Bench(cabinet, wire, http)


async def recorded(bench: Bench) -> list[Mention]:
    bench.wire.fails(answers(200, (DATA / "reviews.json").read_bytes()), bench.cabinet.is_list)
    return (await bench.market.read(None, SINCE)).mentions


async def test_pros_and_cons_stand_in_the_text_under_their_names(bench: Bench) -> None:
    review, _ = await recorded(bench)

    assert review.text == "Достоинства: Яркая\nНедостатки: Греется\nВернула через день"
    assert (review.rating, review.author.name, review.item) == (2, "Сауле", "LAMP-3")
    assert review.published_at == datetime(2026, 11, 23, 23, 15, 30, tzinfo=UTC)
    assert review.media == ("https://img.test/1.jpg", "https://img.test/2.mp4")


async def test_stars_alone_are_a_review_without_words(bench: Bench) -> None:
    _, stars = await recorded(bench)

    assert (stars.text, stars.rating, stars.author.name, stars.item, stars.media) == ("", 5, "", "", ())
    assert stars.published_at == datetime(2026, 11, 24, 3, tzinfo=UTC)


async def test_a_link_leads_to_the_cabinet_and_the_account_is_its_number(bench: Bench) -> None:
    mention = await bench.mention()

    assert mention.url == f"https://partner.market.yandex.ru/business/{BUSINESS}"
    assert mention.key.account == str(BUSINESS)


async def test_an_edited_review_is_found_again(bench: Bench) -> None:
    number = bench.cabinet.publish("Bad", NOW - timedelta(hours=40))
    bench.cabinet.publish("Newer", NOW)
    cursor = (await bench.market.read(None, SINCE)).cursor
    bench.cabinet.reviews[int(number)]["needReaction"] = False
    assert await bench.found(cursor) == {"Newer"}
    bench.cabinet.edit(number, "Worse")

    assert await bench.found(cursor) == {"Newer", "Worse"}


async def test_an_unread_review_of_the_time_before_the_source_stays_out(bench: Bench) -> None:
    bench.cabinet.publish("Ancient", SINCE - timedelta(days=20))
    cursor = (await bench.market.read(None, SINCE)).cursor

    assert await bench.found(cursor) == set()


async def test_a_read_review_of_just_before_the_source_stays_out_of_every_poll(bench: Bench) -> None:
    number = bench.cabinet.publish("Answered in the cabinet", SINCE - timedelta(hours=5))
    bench.cabinet.reviews[int(number)]["needReaction"] = False
    cursor = (await bench.market.read(None, SINCE)).cursor

    assert await bench.found(cursor) == set()


async def test_a_review_shown_late_is_found_though_newer_ones_are_known(bench: Bench) -> None:
    bench.cabinet.publish("Newest", NOW)
    cursor = (await bench.market.read(None, SINCE)).cursor
    late = bench.cabinet.publish("Late and read in the cabinet", NOW - timedelta(hours=20))
    bench.cabinet.reviews[int(late)]["needReaction"] = False
    bench.cabinet.publish("Late and unread", NOW - timedelta(hours=44))

    assert await bench.found(cursor) == {"Newest", "Late and read in the cabinet", "Late and unread"}


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench, newest_first: bool) -> None:
    bench.cabinet.page, bench.cabinet.newest_first = 1, newest_first
    for hours in range(25):
        number = bench.cabinet.publish(f"review {hours}", NOW - timedelta(hours=hours))
        bench.cabinet.reviews[int(number)]["needReaction"] = False
    found: set[str] = set()
    cursor = None
    for _ in range(3):
        before = len(bench.wire.seen)
        batch = await bench.market.read(cursor, SINCE)
        assert len(bench.wire.seen) - before <= 11
        found |= {m.text for m in batch.mentions}
        cursor = batch.cursor
    bench.cabinet.publish("last", NOW + timedelta(minutes=1))

    assert found == {f"review {hours}" for hours in range(25)}
    assert "last" in await bench.found(cursor)


async def test_many_unread_reviews_are_gone_through_over_several_polls(bench: Bench) -> None:
    bench.cabinet.page = 1
    cursor = (await bench.market.read(None, SINCE)).cursor
    for minutes in range(15):
        bench.cabinet.publish(f"unread {minutes}", SINCE + timedelta(minutes=minutes + 1))
    found: set[str] = set()
    for _ in range(2):
        batch = await bench.market.read(cursor, SINCE)
        found |= {m.text for m in batch.mentions}
        cursor = batch.cursor

    assert len(found) == 15


async def test_a_page_token_market_forgot_starts_the_list_again(bench: Bench) -> None:
    bench.cabinet.page = 1
    for hours in range(12):
        bench.cabinet.publish(f"review {hours}", NOW - timedelta(hours=hours))
    cursor = (await bench.market.read(None, SINCE)).cursor
    bench.cabinet.forgets_pages = True

    assert await bench.found(cursor)


async def test_no_list_is_asked_for_further_back_than_half_a_year(bench: Bench) -> None:
    bench.cabinet.publish("x", NOW)
    batch = await bench.market.read(None, NOW - timedelta(days=700))

    assert [m.text for m in batch.mentions] == ["x"]


async def test_one_unreadable_review_harms_only_itself(bench: Bench) -> None:
    bench.cabinet.publish("good")
    number = int(bench.cabinet.publish("bad"))
    bench.cabinet.reviews[number]["statistics"] = "none"
    batch = await bench.market.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (statistics" in batch.note


async def test_420_is_a_rate_limit(bench: Bench) -> None:
    bench.wire.fails(answers(420, bench.cabinet.error(420), retry_after="60"))

    with pytest.raises(Retry) as caught:
        await bench.market.read(None, SINCE)
    assert (caught.value.after, caught.value.rate_limited) == (60, True)


@pytest.mark.parametrize(("status", "expected"), [(420, Retry), (400, Refused), (404, Gone), (500, Unsure)])
async def test_a_write_that_failed_says_what_to_do_next(bench: Bench, status: int, expected: type[DeskError]) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(status, bench.cabinet.error(status)), bench.cabinet.is_write)

    with pytest.raises(DeskError) as caught:
        await bench.market.reply(mention, "Sorry", "k")
    assert type(caught.value) is expected


async def test_the_key_is_sent_in_its_header_and_masked_in_errors(bench: Bench) -> None:
    body = bench.cabinet.error(403).replace(b"No.", KEY.encode())
    bench.wire.fails(answers(403, body))

    with pytest.raises(Refused) as caught:
        await bench.market.read(None, SINCE)
    assert bench.wire.seen[0].headers["Api-Key"] == KEY
    assert KEY not in str(caught.value)
    assert "***" in str(caught.value)


STANDINGS = [("PUBLISHED", ["public"]), ("UNMODERATED", ["waiting"]), ("BANNED", ["refused"]), ("DELETED", [])]


@pytest.mark.parametrize(("status", "standings"), STANDINGS)
async def test_a_comment_stands_as_moderation_left_it(bench: Bench, status: str, standings: list[str]) -> None:
    mention = await bench.mention()
    bench.cabinet.comment(mention.key.external_id, "Ours", status=status)

    assert [r.standing for r in (await bench.market.look(mention)).replies] == standings


async def test_comments_of_buyers_and_brands_are_not_our_replies(bench: Bench) -> None:
    mention = await bench.mention()
    bench.cabinet.comment(mention.key.external_id, "Me too", author="USER")
    bench.cabinet.comment(mention.key.external_id, "The maker answers", author="BRAND")
    ours = bench.cabinet.comment(mention.key.external_id, "Ours")

    assert [r.external_id for r in (await bench.market.look(mention)).replies] == [ours]


@pytest.mark.parametrize("author", [{}, {"author": None}, {"author": {}}, {"author": {"name": "Shop"}}])
async def test_a_comment_without_an_author_is_ours_where_we_may_change_it(
    bench: Bench, author: dict[str, object]
) -> None:
    """Market's papers promise no author; a reply that is taken for missing is sent a second time."""
    mention = await bench.mention()
    for name in ("BUSINESS", "USER"):
        number = bench.cabinet.comment(mention.key.external_id, name, author=name)
        del bench.cabinet.comments[int(number)]["author"]
        bench.cabinet.comments[int(number)] |= author

    assert [r.text for r in (await bench.market.look(mention)).replies] == ["BUSINESS"]


async def test_all_our_comments_are_seen_the_newest_last(bench: Bench) -> None:
    bench.cabinet.page = 1
    mention = await bench.mention()
    numbers = [bench.cabinet.comment(mention.key.external_id, text) for text in ("one", "two", "three")]
    bench.cabinet.comments = dict(reversed(bench.cabinet.comments.items()))

    assert [r.external_id for r in (await bench.market.look(mention)).replies] == numbers


async def test_a_comment_that_cannot_be_read_may_be_ours(bench: Bench) -> None:
    mention = await bench.mention()
    number = bench.cabinet.comment(mention.key.external_id, "Ours")
    bench.cabinet.comments[int(number)]["text"] = None

    with pytest.raises(BadAnswer):
        await bench.market.look(mention)


async def test_more_comments_than_are_read_are_no_silence(bench: Bench) -> None:
    bench.cabinet.page = 1
    mention = await bench.mention()
    for number in range(PAGES):
        bench.cabinet.comment(mention.key.external_id, f"+{number}", author="USER")
    ours = bench.cabinet.comment(mention.key.external_id, "Ours")

    with pytest.raises(BadAnswer):
        await bench.market.look(mention)
    with pytest.raises(BadAnswer):
        await bench.market.delete(mention, ours)


async def test_a_404_for_the_whole_cabinet_makes_no_review_vanish(bench: Bench) -> None:
    """A deleted review is left out of a list; only the cabinet itself can be missing."""
    mention = await bench.mention()
    bench.wire.fails(answers(404, bench.cabinet.error(404)), bench.cabinet.is_list)

    with pytest.raises(BadAnswer):
        await bench.market.look(mention)
    with pytest.raises(BadAnswer):
        await bench.market.reply(mention, "Sorry", "k")


async def test_a_time_out_of_the_calendar_harms_only_its_review(bench: Bench) -> None:
    bench.cabinet.publish("good")
    number = int(bench.cabinet.publish("bad"))

    def spoilt(request: httpx.Request, serve: Serve) -> httpx.Response:
        body = serve(request).json()
        for one in body["result"]["feedbacks"]:
            if one["feedbackId"] == number:
                one["createdAt"] = "0001-01-01T00:00:00+03:00"
        return httpx.Response(200, json=body)

    bench.wire.fails(spoilt, bench.cabinet.is_list)
    batch = await bench.market.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read" in batch.note


async def test_an_edit_keeps_the_comment_and_waits_for_moderation_again(bench: Bench) -> None:
    mention = await bench.mention()
    number = bench.cabinet.comment(mention.key.external_id, "Ours")
    posted = await bench.market.edit(mention, number, "Ours, better")

    assert (posted.external_id, posted.visible) == (number, False)
    assert bench.cabinet.comments[int(number)]["text"] == "Ours, better"


async def test_a_comment_gone_meanwhile_is_not_asked_to_be_deleted(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.market.delete(mention, "4242")

    assert not [r for r in bench.wire.seen if bench.cabinet.is_write(r)]


async def test_a_deletion_market_does_not_confirm_is_unsure(bench: Bench) -> None:
    mention = await bench.mention()
    number = bench.cabinet.comment(mention.key.external_id, "Ours")
    bench.wire.fails(answers(200, '{"status": "ERROR"}'), bench.cabinet.is_write)

    with pytest.raises(Unsure):
        await bench.market.delete(mention, number)


async def test_a_review_too_old_to_be_shown_is_not_called_gone(bench: Bench) -> None:
    mention = await bench.mention()
    bench.cabinet.remove(mention.key.external_id)
    bench.time += timedelta(days=200)

    with pytest.raises(Refused):
        await bench.market.look(mention)


async def test_an_id_that_is_no_number_is_no_review(bench: Bench) -> None:
    mention = await bench.mention()
    strange = Mention(key=mention.key._replace(external_id="x/../1"), source="s", text="")

    assert await bench.market.look(strange) == (None, ())


def test_a_link_in_a_reply_is_named_before_approval() -> None:
    assert [p.key for p in problems("Пишите на https://shop.test", CARD)] == ["text_has_links"]


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("Да — «так»", 'Да - "так"', True), ("Two\n\nlines ", "Two lines", True), ("Hello", "Hello!", False)],
)
async def test_texts_are_compared_without_typography_and_white_space(
    bench: Bench, ours: str, theirs: str, same: bool
) -> None:
    assert bench.market.same(ours, theirs) is same


FAULTS = [
    ({"business_id": 0}, "business_id"),
    ({"business_id": "shop"}, "business_id"),
    ({"api_key": SecretStr("top secret")}, "api_key"),
    ({"api_key": SecretStr("")}, "api_key"),
    ({"api_base": "ftp://x.test"}, "api_base"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"business_id": BUSINESS, "api_key": KEY, **change})
    assert {str(fault["loc"][0]) for fault in caught.value.errors()} == {key}
    assert "top secret" not in str(caught.value)
