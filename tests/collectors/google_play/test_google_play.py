from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.google_play import CARD, GooglePlay, Settings
from desk.errors import NeedsLogin, Refused, Retry
from desk.mention import Mention
from desk.platform import problems
from tests.collectors.google_play.fake import PACKAGE, Console, credentials, public_pem
from tests.collectors.wire import NOW, Wire, answers

DATA = Path(__file__).parent / "data"
SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    console: Console
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    play: GooglePlay = field(init=False)

    def __post_init__(self) -> None:
        self.play = self.connected(self.console.settings)

    def connected(self, settings: Settings) -> GooglePlay:
        return GooglePlay(settings, "bank", "bank-play", self.http, lambda: self.time)

    def lists(self) -> int:
        return sum(1 for r in self.wire.seen if r.method == "GET")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    console = Console()
    wire = Wire(console.serve)
    async with wire.client() as http:
        yield Bench(console, wire, http)


async def recorded(bench: Bench) -> list[Mention]:
    await bench.play.read(None, SINCE)
    bench.wire.fails(answers(200, (DATA / "reviews.json").read_bytes()), bench.console.is_api)
    return (await bench.play.read(None, datetime(2026, 11, 18, tzinfo=UTC))).mentions


async def test_title_and_text_are_parted_at_the_tab(bench: Bench) -> None:
    first, second, untitled = await recorded(bench)

    assert (first.title, first.text) == ("Падает", "После обновления не открывается")
    assert first.published_at == datetime(2026, 11, 20, 7, 57, 6, 713000, tzinfo=UTC)
    assert first.last_modified_only
    assert (first.rating, first.lang, first.author.name) == (1, "ru", "Жанна Б.")
    assert (untitled.title, untitled.text) == ("", "Так себе")
    assert second.text == "Медленно", "the original, not the translation"


async def test_a_standing_reply_comes_with_the_mention(bench: Bench) -> None:
    second = (await recorded(bench))[1]

    assert [(r.external_id, r.text) for r in second.replies] == [("gp:two", "Please update to 8.2.2")]


async def test_a_link_leads_to_the_review_in_the_store(bench: Bench) -> None:
    bench.console.publish("x")
    (mention,) = (await bench.play.read(None, SINCE)).mentions

    assert mention.url == f"https://play.google.com/store/apps/details?id={PACKAGE}&reviewId=gp:1"


LINKS = [
    ({"api_base": "http://127.0.0.1:9/play"}, f"http://127.0.0.1:9/site/{PACKAGE}#gp:1"),
    ({"page": "https://x.test/{package}/{review}"}, f"https://x.test/{PACKAGE}/gp:1"),
]


@pytest.mark.parametrize(("settings", "expected"), LINKS)
async def test_a_link_follows_the_settings(bench: Bench, settings: dict[str, str], expected: str) -> None:
    bench.console.publish("x")
    play = bench.connected(Settings(package=PACKAGE, credentials=credentials(), **settings))

    assert (await play.read(None, SINCE)).mentions[0].url == expected


async def test_reading_stops_at_the_first_page_that_is_wholly_known(bench: Bench) -> None:
    bench.console.page = 2
    for hours in range(40, 0, -4):
        bench.console.publish("old", NOW - timedelta(hours=hours))
    batch = await bench.play.read(None, SINCE)
    before = bench.lists()
    number = bench.console.publish("new", NOW)
    again = await bench.play.read(batch.cursor, SINCE)

    assert len(batch.mentions) == 10
    assert number in {m.key.external_id for m in again.mentions}
    assert bench.lists() - before <= 2


async def test_an_edit_jumps_up_and_is_read_again(bench: Bench) -> None:
    number = bench.console.publish("bad", NOW - timedelta(days=3))
    cursor = (await bench.play.read(None, SINCE)).cursor
    bench.time += timedelta(minutes=5)
    bench.console.publish("filler", NOW)
    user = bench.console.reviews[number]["comments"][0]["userComment"]
    user |= {"text": "\tworse", "lastModified": {"seconds": str(int(NOW.timestamp()) + 60)}}
    mentions = (await bench.play.read(cursor, SINCE)).mentions

    assert {m.key.external_id: m.text for m in mentions}[number] == "worse"


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.console.page = 1
    for hours in range(25):
        bench.console.publish("x", NOW - timedelta(hours=hours))
    found: set[str] = set()
    cursor, polls = None, 0
    while len(found) < 25:
        batch = await bench.play.read(cursor, SINCE)
        found |= {m.key.external_id for m in batch.mentions}
        cursor, polls = batch.cursor, polls + 1
        assert polls < 5
    newest = bench.console.publish("last", NOW + timedelta(minutes=1))

    assert polls == 3
    assert newest in {m.key.external_id for m in (await bench.play.read(cursor, SINCE)).mentions}


async def test_a_page_token_google_forgot_starts_the_list_again(bench: Bench) -> None:
    bench.console.page = 1
    for hours in range(12):
        bench.console.publish("x", NOW - timedelta(hours=hours))
    cursor = (await bench.play.read(None, SINCE)).cursor
    bench.wire.fails(answers(400, bench.console.error(400)), lambda r: r.url.params.get("token") == "10")

    assert (await bench.play.read(cursor, SINCE)).mentions


async def test_a_stop_longer_than_a_week_is_told_once(bench: Bench) -> None:
    bench.console.publish("x", NOW)
    cursor = (await bench.play.read(None, SINCE)).cursor
    bench.time += timedelta(days=8)
    late = await bench.play.read(cursor, SINCE)
    next_one = await bench.play.read(late.cursor, SINCE)

    assert "2026-11-24 12:00" in late.note
    assert "2026-11-25 12:00" in late.note
    assert next_one.note == ""


async def test_a_quiet_week_without_a_stop_is_no_gap(bench: Bench) -> None:
    bench.console.publish("x", NOW)
    cursor = (await bench.play.read(None, SINCE)).cursor
    for _ in range(10):
        bench.time += timedelta(days=1)
        batch = await bench.play.read(cursor, SINCE)
        cursor = batch.cursor
        assert batch.note == ""


async def test_one_unreadable_review_harms_only_itself(bench: Bench) -> None:
    bench.console.publish("good")
    bench.console.reviews["broken"] = {"reviewId": 5, "comments": [{"userComment": {"lastModified": {"seconds": "1"}}}]}
    batch = await bench.play.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (reviewId:" in batch.note


async def test_one_token_serves_many_calls_and_is_renewed_five_minutes_early(bench: Bench) -> None:
    for minutes, tokens in ((0, 1), (54, 1), (55, 2)):
        bench.time = NOW + timedelta(minutes=minutes)
        await bench.play.read(None, SINCE)
        assert bench.console.tokens == tokens


async def test_calls_at_once_ask_for_one_token(bench: Bench) -> None:
    await asyncio.gather(*(bench.play.read(None, SINCE) for _ in range(5)))

    assert bench.console.tokens == 1


async def test_a_refused_token_is_renewed_once_for_all_who_hold_it(bench: Bench) -> None:
    await bench.play.read(None, SINCE)
    bench.console.valid.clear()
    await asyncio.gather(*(bench.play.read(None, SINCE) for _ in range(5)))

    assert bench.console.tokens == 2


async def test_a_fresh_token_that_is_refused_too_needs_a_person(bench: Bench) -> None:
    bench.wire.fails(answers(401, bench.console.error(401)), bench.console.is_api)

    with pytest.raises(NeedsLogin):
        await bench.play.read(None, SINCE)
    assert bench.console.tokens == 2


@pytest.mark.parametrize(("status", "error"), [(400, "invalid_grant"), (401, "invalid_client"), (403, "access_denied")])
async def test_a_key_google_does_not_take_needs_a_person(bench: Bench, status: int, error: str) -> None:
    body = json.dumps({"error": error, "error_description": "No."})
    bench.wire.fails(answers(status, body), lambda r: not bench.console.is_api(r))

    with pytest.raises(NeedsLogin):
        await bench.play.read(None, SINCE)


UNREADABLE = "-----BEGIN PRIVATE KEY-----\nsecretsecret\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("key", [UNREADABLE, public_pem()], ids=["no key", "the public one"])
async def test_a_key_that_cannot_be_read_needs_a_person_and_is_not_quoted(bench: Bench, key: str) -> None:
    play = bench.connected(Settings(package=PACKAGE, credentials=credentials(private_key=key)))

    with pytest.raises(NeedsLogin) as caught:
        await play.read(None, SINCE)
    assert key.splitlines()[1] not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_reply_that_is_too_long_is_refused_with_googles_reason(bench: Bench) -> None:
    bench.console.publish("x")
    (mention,) = (await bench.play.read(None, SINCE)).mentions
    bench.wire.papers = None  # too long on purpose

    with pytest.raises(Refused) as caught:
        await bench.play.reply(mention, "a" * 351, "k")
    assert caught.value.code == "reason400"


async def test_a_reply_cannot_be_deleted(bench: Bench) -> None:
    bench.console.publish("x")
    (mention,) = (await bench.play.read(None, SINCE)).mentions

    with pytest.raises(Refused):
        await bench.play.delete(mention, mention.key.external_id)


async def test_an_app_that_is_not_found_makes_no_review_vanish(bench: Bench) -> None:
    bench.console.publish("x")
    (mention,) = (await bench.play.read(None, SINCE)).mentions
    body = json.dumps({"error": {"code": 404, "errors": [{"reason": "applicationNotFound"}]}})
    bench.wire.fails(answers(404, body), bench.console.is_api)

    with pytest.raises(Refused):
        await bench.play.look(mention)


async def test_an_app_that_is_missed_in_the_words_for_a_review_makes_no_review_vanish(bench: Bench) -> None:
    bench.console.publish("x")
    (mention,) = (await bench.play.read(None, SINCE)).mentions
    error = {"code": 404, "message": f"Package not found: {PACKAGE}.", "errors": [{"reason": "notFound"}]}
    bench.wire.fails(answers(404, json.dumps({"error": error})), bench.console.is_api)

    with pytest.raises(Refused, match="Package not found"):
        await bench.play.look(mention)


def usage_limit(reason: str) -> str:
    errors = [{"message": "Quota exceeded", "domain": "usageLimits", "reason": reason}]
    return json.dumps({"error": {"code": 403, "errors": errors, "status": "PERMISSION_DENIED"}})


@pytest.mark.parametrize(
    "reason", ["rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"]
)
async def test_a_quota_used_up_is_a_matter_of_waiting_though_google_calls_it_forbidden(
    bench: Bench, reason: str
) -> None:
    bench.console.publish("x")
    (mention,) = (await bench.play.read(None, SINCE)).mentions
    bench.wire.fails(answers(403, usage_limit(reason)), bench.console.is_api)

    with pytest.raises(Retry) as caught:
        await bench.play.read(None, SINCE)
    assert caught.value.rate_limited
    with pytest.raises(Retry):
        await bench.play.reply(mention, "Sorry", "k")


async def test_an_error_without_words_is_not_told_as_none(bench: Bench) -> None:
    bench.wire.fails(answers(500, '{"error": {"code": 500, "message": null}}'), bench.console.is_api)

    with pytest.raises(Retry) as caught:
        await bench.play.read(None, SINCE)
    assert caught.value.reason.endswith("500 Internal Server Error")


@pytest.mark.parametrize("text", ["Write to <help@bank.kz>!", "See <https://bank.kz/a>", "Ask for <Dostyk 5>, please"])
def test_words_that_google_would_take_for_a_tag_are_told_while_people_write(text: str) -> None:
    (problem,) = problems(text, CARD)
    assert problem.key == "text_would_lose"
    assert str(problem.details["lost"]) in text


@pytest.mark.parametrize("text", ["<b>Sorry</b>, <br/>fixed", "5 < 6 & 7 > 3", "<3", "From <5 to >7", "a<b"])
def test_markup_and_signs_of_less_and_more_may_go(text: str) -> None:
    assert problems(text, CARD) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("Hello <b>there</b>", "Hello there", True),
        ("Two\n\nlines ", "Two lines", True),
        ("Цена < 5 & > 3", "Цена < 5 & > 3", True),
        ("Hello", "Hello!", False),
    ],
)
async def test_texts_are_compared_without_markup_and_white_space(
    bench: Bench, ours: str, theirs: str, same: bool
) -> None:
    assert bench.play.same(ours, theirs) is same


FAULTS = [
    ({"package": "not a package"}, "package"),
    ({"credentials": SecretStr("{}")}, "credentials"),
    ({"credentials": SecretStr("topsecret")}, "credentials"),
    ({"credentials": credentials(token_uri="http://elsewhere.test/token")}, "credentials"),
    ({"page": "https://x.test/{nothing}"}, "page"),
    ({"api_base": "ftp://x.test"}, "api_base"),
    ({"pakage": "x"}, "pakage"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"package": PACKAGE, "credentials": credentials(), **change})
    assert key in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "topsecret" not in str(caught.value)
