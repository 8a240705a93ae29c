from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr, ValidationError

from collectors.app_store import AppStore, Settings
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Retry
from desk.mention import Mention
from tests.collectors.app_store.fake import APP, ISSUER, KEY_ID, Console, pem
from tests.collectors.wire import NOW, Wire, answers

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    console: Console
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    store: AppStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.connected(self.console.settings)

    def connected(self, settings: Settings) -> AppStore:
        return AppStore(settings, "bank", "bank-apple", self.http, lambda: self.time)

    def lists(self) -> int:
        return sum(1 for r in self.wire.seen if self.console.is_list(r))

    async def mention(self, text: str = "x", **said: str) -> Mention:
        number = self.console.publish(text, **said)
        batch = await self.store.read(None, SINCE)
        return next(m for m in batch.mentions if m.key.external_id == number)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    console = Console()
    wire = Wire(console.serve)
    async with wire.client() as http:
        yield Bench(console, wire, http)


async def test_a_review_brings_title_stars_author_and_time_in_utc(bench: Bench) -> None:
    mention = await bench.mention("Не входит в кабинет", title="Не работает")

    assert (mention.title, mention.text, mention.rating) == ("Не работает", "Не входит в кабинет", 1)
    assert mention.author.name == "Жанна"
    assert mention.published_at == NOW
    assert mention.raw["attributes"]["createdDate"].endswith("Z")
    assert mention.key.account == APP


LINKS = [
    ("KAZ", f"https://apps.apple.com/kz/app/id{APP}?see-all=reviews"),
    ("USA", f"https://apps.apple.com/us/app/id{APP}?see-all=reviews"),
    ("VUT", f"https://apps.apple.com/app/id{APP}?see-all=reviews"),
]


@pytest.mark.parametrize(("country", "expected"), LINKS)
async def test_a_link_leads_to_the_store_of_the_authors_country(bench: Bench, country: str, expected: str) -> None:
    assert (await bench.mention(country=country)).url == expected


async def test_a_review_without_title_or_words_is_a_mention(bench: Bench) -> None:
    number = bench.console.publish("")
    bench.console.reviews[number] |= {"title": None, "body": None}
    (mention,) = (await bench.store.read(None, SINCE)).mentions

    assert (mention.title, mention.text, mention.rating) == ("", "", 1)


async def test_a_response_comes_with_its_review(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.store.reply(mention, "Исправили", "k")
    bench.console.publish("unanswered")
    first, second = (await bench.store.read(None, SINCE)).mentions

    assert [(r.external_id, r.text, r.standing) for r in first.replies] == [("resp-0000-1", "Исправили", "waiting")]
    assert second.replies == ()


@pytest.mark.parametrize(
    ("state", "standing", "visible"),
    [("PENDING_PUBLISH", "waiting", False), ("PUBLISHED", "public", True), ("SOMETHING_NEW", "waiting", False)],
)
async def test_a_response_waits_until_apple_says_it_is_published(
    bench: Bench, state: str, standing: str, visible: bool
) -> None:
    bench.console.state = state
    mention = await bench.mention()
    posted = await bench.store.reply(mention, "Thanks", "k")
    (reply,) = (await bench.store.look(mention)).replies

    assert (reply.standing, posted.visible) == (standing, visible)
    assert (reply.at, posted.at) == (NOW, NOW)


async def test_a_second_reply_replaces_the_first(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.store.reply(mention, "One", "k1")
    await bench.store.reply(mention, "Two", "k2")

    assert [r.text for r in (await bench.store.look(mention)).replies] == ["Two"]


@pytest.mark.parametrize("status", [404, 409, 422])
async def test_a_reply_to_a_deleted_review_is_gone_however_apple_refuses_it(bench: Bench, status: int) -> None:
    bench.console.answers_gone_with = status
    mention = await bench.mention()
    bench.console.remove(mention.key.external_id)

    with pytest.raises(Gone):
        await bench.store.reply(mention, "Sorry", "k")


async def test_a_text_apple_refuses_stays_refused_with_its_code(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.papers = None  # too long on purpose

    with pytest.raises(Refused) as caught:
        await bench.store.reply(mention, "a" * 5971, "k")
    assert caught.value.code == "ENTITY_ERROR.ATTRIBUTE.INVALID.TOO_LONG"


async def test_a_refusal_that_cannot_be_looked_into_stays_a_refusal(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(409, bench.console.error(409)), bench.console.is_write)
    bench.wire.fails(answers(503))

    with pytest.raises(Refused):
        await bench.store.reply(mention, "Sorry", "k")


async def test_a_delete_apple_cannot_do_now_is_refused(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.store.reply(mention, "Sorry", "k")
    bench.wire.fails(answers(409, bench.console.error(409, "STATE_ERROR")), bench.console.is_write)

    with pytest.raises(Refused) as caught:
        await bench.store.delete(mention, posted.external_id)
    assert caught.value.code == "STATE_ERROR"


async def test_a_response_that_still_stands_is_not_called_deleted(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.store.reply(mention, "Sorry", "k")
    bench.wire.fails(answers(404, bench.console.error(404)), lambda r: r.method == "DELETE")

    with pytest.raises(Refused, match="404"):
        await bench.store.delete(mention, posted.external_id)


async def test_an_app_that_is_not_found_makes_neither_review_nor_response_vanish(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.store.reply(mention, "Sorry", "k")
    bench.wire.fails(answers(404, bench.console.error(404)))

    with pytest.raises(Refused, match="404"):
        await bench.store.look(mention)
    with pytest.raises(Refused, match="404"):
        await bench.store.delete(mention, posted.external_id)


async def test_a_response_that_apple_names_and_does_not_bring_is_not_called_absent(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.store.reply(mention, "A colleague's", "k")
    body = {"data": bench.console.shown(mention.key.external_id), "links": {}}
    bench.wire.fails(lambda _r, _s: httpx.Response(200, json=body))

    with pytest.raises(BadAnswer, match="response"):
        await bench.store.look(mention)


async def test_an_edited_review_of_last_week_is_found_again(bench: Bench) -> None:
    old = bench.console.publish("good", NOW - timedelta(days=6))
    bench.console.publish("newest", NOW)
    cursor = (await bench.store.read(None, SINCE)).cursor
    bench.console.reviews[old] |= {"body": "bad", "rating": 2}
    found = {m.key.external_id: m for m in (await bench.store.read(cursor, SINCE)).mentions}

    assert (found[old].text, found[old].rating) == ("bad", 2)


async def test_reviews_older_than_the_overlap_are_not_repeated(bench: Bench) -> None:
    bench.console.publish("old", NOW - timedelta(days=9))
    bench.console.publish("new", NOW)
    cursor = (await bench.store.read(None, NOW - timedelta(days=30))).cursor

    assert [m.text for m in (await bench.store.read(cursor, SINCE)).mentions] == ["new"]


async def test_reading_stops_at_the_first_page_that_is_wholly_known(bench: Bench) -> None:
    bench.console.page = 2
    for days in range(30, 0, -1):
        bench.console.publish("x", NOW - timedelta(days=days))
    await bench.store.read(None, NOW - timedelta(days=4))

    assert bench.lists() == 3


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.console.page = 1
    for hours in range(25):
        bench.console.publish("x", NOW - timedelta(hours=hours))
    found: set[str] = set()
    cursor, polls = None, 0
    while len(found) < 25:
        batch = await bench.store.read(cursor, SINCE)
        found |= {m.key.external_id for m in batch.mentions}
        cursor, polls = batch.cursor, polls + 1
        assert polls < 5

    assert polls == 3


async def test_a_mark_apple_forgot_starts_the_list_again(bench: Bench) -> None:
    bench.console.page = 1
    for hours in range(12):
        bench.console.publish("x", NOW - timedelta(hours=hours))
    cursor = (await bench.store.read(None, SINCE)).cursor
    bench.wire.fails(answers(400, bench.console.error(400)), lambda r: r.url.params.get("cursor") == "10")

    assert len((await bench.store.read(cursor, SINCE)).mentions) == 10


async def test_the_next_page_is_asked_of_the_configured_address_whatever_the_answer_names(bench: Bench) -> None:
    settings = bench.console.settings.model_copy(update={"api_base": "https://mirror.test"})
    bench.console.page = 1
    bench.console.publish("a")
    bench.console.publish("b")
    batch = await bench.connected(settings).read(None, SINCE)

    assert len(batch.mentions) == 2
    assert {r.url.host for r in bench.wire.seen} == {"mirror.test"}


BROKEN: list[dict[str, object]] = [
    {"createdDate": None},
    {"createdDate": "2026-11-24T12:00:00"},
    {"createdDate": "0001-01-01T00:00:00+08:00"},
    {"rating": "many"},
]


@pytest.mark.parametrize("change", BROKEN, ids=lambda change: str(change))
async def test_one_unreadable_review_harms_only_itself(bench: Bench, change: dict[str, object]) -> None:
    bench.console.publish("good")
    broken = bench.console.publish("broken")
    await bench.store.read(None, SINCE)
    listed = bench.console.shown(broken)
    body = {"data": [bench.console.shown("0000-1"), {**listed, "attributes": {**listed["attributes"], **change}}]}
    bench.wire.fails(lambda _r, _s: httpx.Response(200, json=body))
    batch = await bench.store.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read" in batch.note


async def test_a_token_holds_for_a_clock_a_minute_behind_ours(bench: Bench) -> None:
    await bench.store.read(None, SINCE)
    claims = jwt.decode(bench.console.tokens[0], options={"verify_signature": False})

    assert claims["iat"] <= (NOW - timedelta(minutes=1)).timestamp()
    assert claims["exp"] >= (NOW + timedelta(minutes=14)).timestamp()


async def test_a_token_serves_fourteen_minutes(bench: Bench) -> None:
    for minutes, tokens in ((0, 1), (13, 1), (14, 2)):
        bench.time = NOW + timedelta(minutes=minutes)
        await bench.store.read(None, SINCE)
        assert len(bench.console.tokens) == tokens


async def test_a_refused_token_is_signed_anew_once(bench: Bench) -> None:
    await bench.store.read(None, SINCE)
    bench.console.refused.update(bench.console.tokens)
    await asyncio.gather(*(bench.store.read(None, SINCE) for _ in range(5)))

    assert len(bench.console.tokens) == 2


async def test_a_key_apple_does_not_know_needs_a_person(bench: Bench) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret = SecretStr(other.private_bytes(*form).decode())

    with pytest.raises(NeedsLogin):
        await bench.connected(Settings(app_id=APP, issuer_id=ISSUER, key_id=KEY_ID, private_key=secret)).read(
            None, SINCE
        )


async def test_an_individual_key_names_no_issuer(bench: Bench) -> None:
    bench.console.individual = True
    bench.console.publish("x")
    batch = await bench.connected(Settings(app_id=APP, key_id=KEY_ID, private_key=SecretStr(pem()))).read(None, SINCE)

    assert len(batch.mentions) == 1


async def test_too_many_requests_without_a_time_is_tried_later(bench: Bench) -> None:
    bench.wire.fails(answers(429, bench.console.error(429)))

    with pytest.raises(Retry) as caught:
        await bench.store.read(None, SINCE)
    assert (caught.value.after, caught.value.rate_limited) == (None, True)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("Two\n\nlines ", "Two lines", True), ("5 < 6", "5 < 6", True), ("Hello", "Hello!", False)],
)
async def test_texts_are_compared_without_white_space(bench: Bench, ours: str, theirs: str, same: bool) -> None:
    assert bench.store.same(ours, theirs) is same


def other_curve() -> SecretStr:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return SecretStr(ec.generate_private_key(ec.SECP384R1()).private_bytes(*form).decode())


FAULTS = [
    ({"app_id": "com.example.bank"}, "app_id"),
    ({"issuer_id": "the issuer"}, "issuer_id"),
    ({"key_id": ""}, "key_id"),
    ({"private_key": SecretStr("topsecret")}, "private_key"),
    ({"private_key": SecretStr("-----BEGIN PRIVATE KEY-----\ntopsecret\n-----END PRIVATE KEY-----")}, "private_key"),
    ({"private_key": other_curve()}, "private_key"),
    ({"issuer": ISSUER}, "issuer"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    given = {"app_id": APP, "issuer_id": ISSUER, "key_id": KEY_ID, "private_key": SecretStr(pem())}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**given, **change})
    assert key in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "topsecret" not in str(caught.value)


def test_an_app_id_may_be_written_as_a_number() -> None:
    given = {"app_id": 1234567890, "key_id": KEY_ID, "private_key": SecretStr(pem())}

    assert Settings.model_validate(given).app_id == APP


async def test_times_are_kept_whatever_offset_apple_writes(bench: Bench) -> None:
    number = bench.console.publish("x")
    bench.console.reviews[number]["createdDate"] = "2026-11-23T23:30:00+05:30"
    (mention,) = (await bench.store.read(None, SINCE)).mentions

    assert mention.published_at == datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
