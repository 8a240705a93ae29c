from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from collectors.google_business import CARD, GoogleBusiness, Settings, original
from desk.errors import Gone, NeedsLogin, Refused, Retry
from desk.mention import Mention
from desk.platform import Batch, problems
from tests.collectors.google_business.fake import ACCOUNT, PLACE, Profile, settings, stamp
from tests.collectors.wire import NOW, Wire, answers

SINCE = NOW - timedelta(days=7)
PLACES = [PLACE, "333", "444"]


@dataclass
class Bench:
    profile: Profile
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    business: GoogleBusiness = field(init=False)

    def __post_init__(self) -> None:
        self.business = self.connected()

    def connected(self, **changes: Any) -> GoogleBusiness:
        return GoogleBusiness(settings(**changes), "bank", "bank-maps", self.http, lambda: self.time)

    def with_three_places(self) -> None:
        self.profile.places |= set(PLACES)
        self.business = self.connected(locations=PLACES)

    async def read(self, cursor: str | None = None) -> Batch:
        return await self.business.read(cursor, SINCE)

    async def mention(self) -> Mention:
        return (await self.read()).mentions[0]

    def fails_at(self, place: str, status: int, **more: Any) -> None:
        fault = answers(status, self.profile.error(status, **more))
        self.wire.fails(fault, lambda r: f"/locations/{place}/" in r.url.path)

    def lists(self) -> list[str]:
        return [r.url.path.split("/")[5] for r in self.wire.seen if self.profile.is_list(r)]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    profile = Profile()
    wire = Wire(profile.serve)
    async with wire.client() as http:
        yield Bench(profile, wire, http)


def ids(batch: Batch) -> set[str]:
    return {mention.key.external_id for mention in batch.mentions}


async def test_a_review_is_read_with_its_place_author_stars_and_pictures(bench: Bench) -> None:
    number = bench.profile.publish("Долго", stars=2)
    bench.profile.reviews[number] |= {
        "createTime": "2026-11-20T07:58:12.345678912Z",
        "reviewMediaItems": [
            {"thumbnailUrl": "https://lh3.test/t", "videoUrl": "https://lh3.test/v"},
            {"thumbnailUrl": "https://lh3.test/p"},
            {"thumbnailUrl": "//lh3.test/odd"},
        ],
    }
    mention = await bench.mention()

    assert (mention.key.account, mention.key.external_id) == (ACCOUNT, f"{PLACE}/AbFv-1")
    assert (mention.kind, mention.rating, mention.author.name, mention.place) == ("review", 2, "Айгуль С.", PLACE)
    assert mention.published_at == datetime(2026, 11, 20, 7, 58, 12, 345678, tzinfo=UTC)
    assert mention.media == ("https://lh3.test/v", "https://lh3.test/p")


async def test_an_anonymous_author_has_no_name(bench: Bench) -> None:
    number = bench.profile.publish("x")
    bench.profile.reviews[number]["reviewer"] = {"displayName": "A Google user", "isAnonymous": True}

    assert (await bench.mention()).author.name == ""


@pytest.mark.parametrize(("word", "rating"), [("THREE", 3), ("FIVE", 5), ("STAR_RATING_UNSPECIFIED", None)])
async def test_stars_are_words(bench: Bench, word: str, rating: int | None) -> None:
    bench.profile.reviews[bench.profile.publish("x")]["starRating"] = word

    assert (await bench.mention()).rating == rating


ADDRESSES = [
    ("https://business.test/reply/1", "https://business.test/reply/1"),
    ("javascript:alert(1)", f"https://business.google.com/reviews#{PLACE}/AbFv-1"),
    ("", f"https://business.google.com/reviews#{PLACE}/AbFv-1"),
]


@pytest.mark.parametrize(("given", "expected"), ADDRESSES)
async def test_a_link_leads_to_where_the_review_is_answered(bench: Bench, given: str, expected: str) -> None:
    bench.profile.reviews[bench.profile.publish("x")]["reviewReplyUrl"] = given

    assert (await bench.mention()).url == expected


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Плохо\n\n(Translated by Google)\nBad", "Плохо"),
        ("(Translated by Google) Bad\n\n(Original)\nПлохо\nи долго", "Плохо\nи долго"),
        ("(Translated by Google) Bad", "Bad"),
        ("They said (Translated by Google) here", "They said (Translated by Google) here"),
        ("(Original)\nrecipe", "(Original)\nrecipe"),
        ("", ""),
    ],
)
def test_translations_by_google_are_cut(text: str, kept: str) -> None:
    assert original(text) == kept


async def test_a_translated_reply_is_still_our_reply(bench: Bench) -> None:
    bench.profile.answer(bench.profile.publish("x"), "Спасибо!\n\n(Translated by Google)\nThanks!", "APPROVED")
    mention = await bench.mention()

    assert [r.text for r in mention.replies] == ["Спасибо!"]


@pytest.mark.parametrize(
    ("state", "standing"),
    [("PENDING", "waiting"), ("APPROVED", "public"), ("REJECTED", "refused"), ("SOMETHING_NEW", "waiting")],
)
async def test_a_reply_stands_as_google_judged_it(bench: Bench, state: str, standing: str) -> None:
    bench.profile.answer(bench.profile.publish("x"), "Sorry", state)
    look = await bench.business.look(await bench.mention())

    assert [r.standing for r in look.replies] == [standing]


async def test_a_reply_from_before_the_check_is_public(bench: Bench) -> None:
    number = bench.profile.publish("x")
    del bench.profile.answer(number, "Sorry")["reviewReplyState"]

    assert [r.standing for r in (await bench.mention()).replies] == ["public"]


async def test_why_a_reply_was_rejected_is_told_and_stands_in_the_raw_record(bench: Bench) -> None:
    bench.profile.answer(bench.profile.publish("x"), "Call us", "REJECTED", policyViolation="SPAM")
    mention = await bench.mention()

    assert [reply.reason for reply in (await bench.business.look(mention)).replies] == ["SPAM"]
    assert mention.raw["reviewReply"]["policyViolation"] == "SPAM"


async def test_a_second_reply_replaces_the_first(bench: Bench) -> None:
    bench.profile.publish("x")
    mention = await bench.mention()
    for text in ("First", "Second"):
        await bench.business.reply(mention, text, "k")

    assert [r.text for r in (await bench.business.look(mention)).replies] == ["Second"]


def test_a_reply_is_counted_in_bytes() -> None:
    assert problems("ж" * 2048, CARD) == []
    assert [problem.key for problem in problems("ж" * 2049, CARD)] == ["text_too_long"]


async def test_a_reply_over_the_limit_is_refused(bench: Bench) -> None:
    bench.profile.publish("x")
    bench.wire.papers = None  # too long on purpose

    with pytest.raises(Refused):
        await bench.business.reply(await bench.mention(), "ж" * 2049, "k")


async def test_a_key_that_names_no_location_is_gone_without_asking(bench: Bench) -> None:
    bench.profile.publish("x")
    mention = await bench.mention()
    foreign = mention.key._replace(external_id="by-hand")
    asked = len(bench.wire.seen)

    with pytest.raises(Gone):
        await bench.business.reply(Mention(foreign, "bank-maps", "x"), "Hello", "k")
    assert len(bench.wire.seen) == asked


async def test_a_place_that_is_not_found_makes_no_review_vanish(bench: Bench) -> None:
    bench.profile.publish("x")
    mention = await bench.mention()
    bench.fails_at(PLACE, 404)

    with pytest.raises(Refused, match="404"):
        await bench.business.look(mention)


async def test_a_reply_at_a_place_that_is_not_found_is_not_called_deleted(bench: Bench) -> None:
    bench.profile.publish("x")
    mention = await bench.mention()
    posted = await bench.business.reply(mention, "Sorry", "k")
    bench.fails_at(PLACE, 404)

    with pytest.raises(Refused, match="404"):
        await bench.business.delete(mention, posted.external_id)


async def test_a_reply_that_still_stands_is_not_called_deleted(bench: Bench) -> None:
    bench.profile.publish("x")
    mention = await bench.mention()
    posted = await bench.business.reply(mention, "Sorry", "k")
    bench.wire.fails(answers(404, bench.profile.error(404)), lambda r: r.method == "DELETE")

    with pytest.raises(Refused, match="404"):
        await bench.business.delete(mention, posted.external_id)


async def test_all_places_are_read_in_one_poll(bench: Bench) -> None:
    bench.with_three_places()
    numbers = {bench.profile.publish("x", place=place) for place in PLACES}

    assert ids(await bench.read()) == numbers


async def test_a_place_named_twice_is_read_once(bench: Bench) -> None:
    bench.business = bench.connected(locations=[PLACE, f"locations/{PLACE}"])
    await bench.read()

    assert bench.lists() == [PLACE]


async def test_each_place_has_its_own_cursor(bench: Bench) -> None:
    bench.with_three_places()
    bench.profile.publish("new", NOW, place="333")
    bench.profile.publish("old", NOW - timedelta(days=5), place="444")
    cursor = (await bench.read()).cursor
    late = bench.profile.publish("late", NOW - timedelta(days=5, hours=2), place="444")

    until = {place: one["until"] for place, one in json.loads(cursor)["at"].items()}
    assert until["333"] > until["444"]
    assert late in ids(await bench.read(cursor))


async def test_what_a_place_added_later_had_already_is_told_as_of_its_first_reading(bench: Bench) -> None:
    """Its last days are no news; of the whole source the first poll was long ago."""
    bench.profile.page = 10
    bench.profile.places |= {"333"}
    old = bench.profile.publish("Bad", NOW - timedelta(days=3))
    cursor = (await bench.read()).cursor
    for _ in range(25):
        bench.profile.publish("Bad", NOW - timedelta(days=2), place="333")
    bench.business = bench.connected(locations=[PLACE, "333"])
    bench.business._pages = 1
    told = set[str]()
    for _ in range(3):
        batch = await bench.read(cursor)
        cursor = batch.cursor
        told |= {key.external_id for key in batch.first}
        assert old not in told
    bench.profile.publish("New", NOW, place="333")

    assert len(told) == 25
    assert (await bench.read(cursor)).first == frozenset()


async def test_a_place_that_fails_hides_no_other_and_is_told(bench: Bench) -> None:
    bench.with_three_places()
    for place in PLACES:
        bench.profile.publish("x", place=place)
    bench.fails_at("333", 403)
    batch = await bench.read()

    assert {mention.place for mention in batch.mentions} == {PLACE, "444"}
    assert "location 333 was not read" in batch.note
    assert "403" in batch.note


async def test_a_place_that_comes_back_goes_on_where_it_was(bench: Bench) -> None:
    bench.with_three_places()
    cursor = (await bench.read()).cursor
    missed = bench.profile.publish("meanwhile", NOW + timedelta(hours=1), place="333")
    bench.time += timedelta(days=3)
    bench.fails_at("333", 503)
    cursor = (await bench.read(cursor)).cursor
    bench.wire.heals()

    assert missed in ids(await bench.business.read(cursor, bench.time))


@pytest.mark.parametrize("status", [404, 503])
async def test_a_place_that_fails_once_is_nobodys_trouble_but_one_that_stays_behind_is(
    bench: Bench, status: int
) -> None:
    bench.with_three_places()
    cursor = (await bench.read()).cursor
    bench.fails_at("333", status)
    notes = []
    for _ in range(3):
        bench.time += timedelta(minutes=5)
        batch = await bench.read(cursor)
        cursor = batch.cursor
        notes.append(batch.note)

    assert notes[:2] == ["", ""]
    assert "location 333 was not read since 2026-11-24 12:00 UTC" in notes[2]


async def test_a_second_outage_of_a_place_is_told_in_other_words_than_the_first(bench: Bench) -> None:
    """What reads as before is not told again."""
    bench.with_three_places()
    cursor = (await bench.read()).cursor
    notes = []
    for _ in range(2):
        bench.time += timedelta(days=1)
        bench.fails_at("333", 503)
        batch = await bench.read(cursor)
        notes.append(batch.note)
        bench.wire.heals()
        cursor = (await bench.read(batch.cursor)).cursor

    assert all("location 333" in note for note in notes)
    assert notes[0] != notes[1]


async def test_a_place_that_always_failed_is_read_from_the_start(bench: Bench) -> None:
    bench.with_three_places()
    number = bench.profile.publish("x", NOW - timedelta(days=6), place="333")
    bench.fails_at("333", 500)
    cursor = (await bench.read()).cursor
    bench.wire.heals()

    assert number in ids(await bench.read(cursor))


async def test_where_no_place_can_be_read_the_poll_fails(bench: Bench) -> None:
    bench.with_three_places()
    for place in PLACES:
        bench.fails_at(place, 403)

    with pytest.raises(Refused):
        await bench.read()


async def test_a_login_that_ended_is_not_hidden_among_places(bench: Bench) -> None:
    bench.with_three_places()
    bench.fails_at("333", 401)

    with pytest.raises(NeedsLogin):
        await bench.read()


async def test_too_many_requests_end_the_poll_and_the_others_come_first_next_time(bench: Bench) -> None:
    many = [str(number) for number in range(300, 312)]
    bench.profile.places |= set(many)
    bench.business = bench.connected(locations=many)
    bench.fails_at("300", 429)
    batch = await bench.read()
    first = bench.lists()
    bench.wire.heals()
    await bench.read(batch.cursor)

    assert first == many[:5]
    assert "location 300 was not read" in batch.note
    assert bench.lists()[5:10] == ["300", *many[5:9]]


async def test_places_there_was_no_time_for_come_first_next_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [str(number) for number in range(300, 307)]
    bench.profile.places |= set(many)
    bench.business = bench.connected(locations=many)
    monkeypatch.setattr("collectors.google_business.AT_MOST", -1.0)
    batch = await bench.read()
    bench.time += timedelta(minutes=5)
    await bench.read(batch.cursor)

    assert batch.note == ""
    assert bench.lists() == [*many[:5], *many[5:], *many[:3]]


async def test_a_place_taken_out_of_the_settings_leaves_the_cursor(bench: Bench) -> None:
    bench.with_three_places()
    cursor = (await bench.read()).cursor
    bench.business = bench.connected(locations=["333"])

    assert set(json.loads((await bench.read(cursor)).cursor)["at"]) == {"333"}


async def test_an_edited_review_is_found_again(bench: Bench) -> None:
    number = bench.profile.publish("bad", NOW - timedelta(days=3))
    cursor = (await bench.read()).cursor
    bench.profile.publish("filler", NOW)
    cursor = (await bench.read(cursor)).cursor
    bench.profile.reviews[number] |= {"comment": "worse", "updateTime": stamp(NOW + timedelta(minutes=4))}
    mentions = (await bench.read(cursor)).mentions

    assert {m.key.external_id: m.text for m in mentions}[number] == "worse"


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.profile.page = 1
    numbers = {bench.profile.publish("x", NOW - timedelta(hours=hours)) for hours in range(25)}
    found: set[str] = set()
    cursor = None
    for _ in range(3):
        batch = await bench.read(cursor)
        found |= ids(batch)
        cursor = batch.cursor

    assert found == numbers
    assert len(bench.lists()) == 25


async def test_a_page_token_google_forgot_starts_the_list_again(bench: Bench) -> None:
    bench.profile.page = 1
    for hours in range(12):
        bench.profile.publish("x", NOW - timedelta(hours=hours))
    cursor = (await bench.read()).cursor
    bench.wire.fails(answers(400, bench.profile.error(400)), lambda r: r.url.params.get("pageToken") == "10")
    batch = await bench.read(cursor)

    assert batch.note == ""
    assert f"{PLACE}/AbFv-1" in ids(batch)


async def test_one_unreadable_review_harms_only_itself(bench: Bench) -> None:
    bench.profile.publish("good")
    bench.profile.reviews[f"{PLACE}/broken"] = {"reviewId": 5, "createTime": "yesterday"}
    batch = await bench.read()

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read" in batch.note


async def test_a_project_without_quota_is_no_matter_of_waiting(bench: Bench) -> None:
    bench.fails_at(PLACE, 429, details=[{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit_value": "0"}}])

    with pytest.raises(Refused, match="no quota yet"):
        await bench.read()


async def test_a_quota_used_up_is_a_matter_of_waiting(bench: Bench) -> None:
    bench.fails_at(PLACE, 429, details=[{"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit_value": "300"}}])

    with pytest.raises(Retry) as caught:
        await bench.read()
    assert caught.value.rate_limited


async def test_a_consent_without_the_right_needs_a_person(bench: Bench) -> None:
    bench.fails_at(PLACE, 403, details=[{"@type": "x", "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}])

    with pytest.raises(NeedsLogin):
        await bench.read()


async def test_one_token_serves_many_calls_and_is_renewed_five_minutes_early(bench: Bench) -> None:
    for minutes, tokens in ((0, 1), (54, 1), (55, 2)):
        bench.time = NOW + timedelta(minutes=minutes)
        await bench.read()
        assert bench.profile.tokens == tokens


async def test_a_token_that_is_refused_is_renewed_at_once(bench: Bench) -> None:
    await bench.read()
    bench.profile.valid.clear()
    await bench.read()

    assert bench.profile.tokens == 2


async def test_a_refresh_token_google_does_not_take_needs_a_person_and_is_not_quoted(bench: Bench) -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": "old-refresh is revoked"})
    bench.wire.fails(answers(400, body), lambda r: r.url.path == "/token")

    with pytest.raises(NeedsLogin) as caught:
        await bench.connected(refresh_token="old-refresh").read(None, SINCE)
    assert "old-refresh" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "https://oauth2.googleapis.com/token"),
        ({"api_base": "https://twin.test/gb"}, "https://twin.test/gb/token"),
        ({"api_base": "https://twin.test", "token_uri": "https://login.test/t"}, "https://login.test/t"),
    ],
)
def test_the_credentials_go_where_the_api_is(change: dict[str, str], expected: str) -> None:
    assert settings(**change).tokens_at == expected


def test_ids_may_be_numbers_or_names_of_resources() -> None:
    given = settings(account="accounts/111", locations=[222, "locations/333", "accounts/111/locations/444"])

    assert (given.account, given.locations) == ("111", ("222", "333", "444"))


FAULTS = [
    ({"account": "a b"}, "account"),
    ({"locations": []}, "locations"),
    ({"locations": ["222/reviews"]}, "locations"),
    ({"client_id": ""}, "client_id"),
    ({"refresh_token": ""}, "refresh_token"),
    ({"api_base": "ftp://x.test"}, "api_base"),
    ({"place": "x"}, "place"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**settings().model_dump(), **change})
    assert key in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "client secret" not in str(caught.value)
