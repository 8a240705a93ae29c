from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.pages import PAGES
from collectors.trustpilot import PAGE, Settings, Trustpilot
from desk.errors import BadAnswer, NeedsLogin, Refused, Retry
from desk.mention import Author, Mention
from tests.collectors.trustpilot.fake import AUTHOR, LIST, LOGIN, UNIT, Pilot
from tests.collectors.wire import NOW, Wire, answers

SINCE = NOW - timedelta(days=7)


class Kept:
    """Where rotated tokens are kept."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, Any]] = {}
        self.lock = asyncio.Lock()

    async def get_token(self, name: str) -> dict[str, Any] | None:
        return self.values.get(name)

    async def set_token(self, name: str, value: dict[str, Any]) -> None:
        self.values[name] = value

    def alone(self, name: str) -> asyncio.Lock:
        return self.lock


@dataclass
class Bench:
    pilot: Pilot
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    kept: Kept = field(default_factory=Kept)
    desk: Trustpilot = field(init=False)

    def __post_init__(self) -> None:
        self.desk = self.connected()

    def connected(self, **changes: Any) -> Trustpilot:
        settings = self.pilot.settings.model_copy(update=changes)
        return Trustpilot(settings, "bank", "bank-trust", self.http, lambda: self.time, self.kept)

    async def mention(self, text: str = "Bad") -> Mention:
        number = self.pilot.publish(text)
        return next(m for m in (await self.desk.read(None, SINCE)).mentions if m.key.external_id == number)

    def asked(self, path: str) -> list[httpx.Request]:
        return [request for request in self.wire.seen if request.url.path == path]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    pilot = Pilot()
    wire = Wire(pilot.serve)
    async with wire.client() as http:
        yield Bench(pilot, wire, http)


async def test_a_review_is_read_with_stars_author_and_link(bench: Bench) -> None:
    number = bench.pilot.publish("Деньги не вернули", stars=2)
    bench.pilot.reviews[number] |= {"title": "Плохо", "location": {"id": "a1", "name": "Алматы"}}
    (mention,) = (await bench.desk.read(None, SINCE)).mentions

    assert (mention.title, mention.text, mention.rating, mention.lang) == ("Плохо", "Деньги не вернули", 2, "ru")
    assert mention.url == f"https://www.trustpilot.com/reviews/{number}"
    who = "65a1c0de0000000000000abc"
    assert mention.author == Author(who, "Жанна Д.", f"https://www.trustpilot.com/users/{who}")
    assert (mention.place, mention.key.account) == ("Алматы", UNIT)


async def test_the_customers_mail_address_is_not_kept(bench: Bench) -> None:
    assert "customer@example.test" not in json.dumps((await bench.mention()).raw)


async def test_a_review_with_hardly_any_fields_is_read(bench: Bench) -> None:
    bench.pilot.reviews["a1"] = {"id": "a1", "stars": 5, "createdAt": "2026-11-23T10:00:00", "consumer": {"id": None}}
    (mention,) = (await bench.desk.read(None, SINCE)).mentions

    assert mention.published_at is not None
    assert mention.published_at.isoformat() == "2026-11-23T10:00:00+00:00"
    assert (mention.title, mention.text, mention.author) == ("", "", Author())


async def test_the_list_is_asked_for_in_utc_from_the_oldest_on(bench: Bench) -> None:
    await bench.desk.read(None, SINCE)

    assert dict(bench.asked(LIST)[0].url.params) == {
        "startDateTime": "2026-11-17T12:00:00",
        "orderBy": "createdat.asc",
        "perPage": "100",
        "page": "1",
    }


async def test_later_polls_look_two_days_back_and_so_find_edits(bench: Bench) -> None:
    number = bench.pilot.publish("It was fine", NOW - timedelta(hours=40))
    bench.pilot.publish("Somebody else")
    cursor = (await bench.desk.read(None, SINCE)).cursor
    bench.pilot.reviews[number]["text"] = "It was bad"

    assert "It was bad" in {m.text for m in (await bench.desk.read(cursor, SINCE)).mentions}
    assert bench.asked(LIST)[-1].url.params["startDateTime"] == "2026-11-22T12:00:00"


async def test_later_polls_look_no_further_back_than_the_first(bench: Bench) -> None:
    bench.pilot.publish("From before", SINCE - timedelta(hours=1))
    bench.pilot.publish("The first", SINCE + timedelta(hours=1))
    first = await bench.desk.read(None, SINCE)
    second = await bench.desk.read(first.cursor, SINCE)
    third = await bench.desk.read(second.cursor, SINCE)

    assert [[m.text for m in batch.mentions] for batch in (first, second, third)] == [["The first"]] * 3


async def test_a_poll_is_bounded_and_the_next_one_goes_on(bench: Bench) -> None:
    for number in range(PAGE * PAGES + 20):
        bench.pilot.publish(f"review {number}", SINCE + timedelta(minutes=number))
    first = await bench.desk.read(None, SINCE)
    second = await bench.desk.read(first.cursor, SINCE)
    third = await bench.desk.read(second.cursor, SINCE)

    assert len(first.mentions) == PAGE * PAGES
    assert len({m.text for m in first.mentions + second.mentions}) == PAGE * PAGES + 20
    assert "resume" in first.cursor
    assert "resume" not in second.cursor
    assert len(third.mentions) < PAGE * PAGES + 20


async def test_an_unreadable_review_harms_only_itself(bench: Bench) -> None:
    bench.pilot.publish("Readable")
    bench.pilot.reviews[bench.pilot.publish("Broken")]["stars"] = "many"
    batch = await bench.desk.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["Readable"]
    assert "1 of 2 records" in batch.note


async def test_a_reply_names_its_author(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    write = next(r for r in bench.wire.seen if bench.pilot.is_write(r))

    assert json.loads(write.content) == {"message": "Здравствуйте!", "authorBusinessUserId": AUTHOR}
    assert (posted.external_id, posted.url) == (mention.key.external_id, mention.url)


async def test_a_source_without_the_author_of_its_replies_reads_and_says_what_replies_need(bench: Bench) -> None:
    bench.desk._author = None
    mention = await bench.mention()
    with pytest.raises(Refused, match="set `author`"):
        await bench.desk.reply(mention, "Здравствуйте!", "k1")

    assert not [r for r in bench.wire.seen if bench.pilot.is_write(r)]


def test_the_settings_of_the_contract_are_enough() -> None:
    given = {"business_unit": UNIT, "api_key": "k", "api_secret": "s", "refresh_token": "r"}
    assert Settings.model_validate(given).author is None


@pytest.mark.parametrize("body", [b"", b'{"reply": {"message": "x"}}', b"{}"])
async def test_whatever_a_reply_is_answered_with_it_was_taken(bench: Bench, body: bytes) -> None:
    mention = await bench.mention()
    bench.pilot.answer_to_reply = body

    assert (await bench.desk.reply(mention, "Здравствуйте!", "k1")).visible


async def test_a_colleagues_reply_is_the_companys_too(bench: Bench) -> None:
    mention = await bench.mention()
    said = {"text": "Из приложения", "createdAt": "2026-11-24T09:00:00", "authorBusinessUserId": "somebody"}
    bench.pilot.reviews[mention.key.external_id]["companyReply"] = said
    look = await bench.desk.look(mention)

    assert [r.text for r in look.replies] == ["Из приложения"]
    assert look.replies[0].at == NOW - timedelta(hours=3)
    assert look.mention is not None
    assert look.mention.fingerprint == mention.fingerprint


async def test_a_corrected_reply_has_the_time_of_its_correction(bench: Bench) -> None:
    mention = await bench.mention()
    said = {"text": "x", "createdAt": "2026-11-24T09:00:00Z", "updatedAt": "2026-11-24T11:00:00Z"}
    bench.pilot.reviews[mention.key.external_id]["companyReply"] = said

    assert (await bench.desk.look(mention)).replies[0].at == NOW - timedelta(hours=1)


async def test_a_reply_that_may_not_be_deleted_stays(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.desk.reply(mention, "Здравствуйте!", "k1")
    bench.wire.fails(answers(403, bench.pilot.error(403)), lambda request: request.method == "DELETE")

    with pytest.raises(Refused):
        await bench.desk.delete(mention, posted.external_id)


async def test_what_the_gateway_does_not_find_is_not_gone(bench: Bench) -> None:
    mention = await bench.mention()
    fault = {"fault": {"faultstring": "Unable to identify proxy", "detail": {"errorcode": "flow.NotFound"}}}
    bench.wire.fails(answers(404, json.dumps(fault)), bench.pilot.is_api)

    with pytest.raises(BadAnswer, match="Unable to identify proxy"):
        await bench.desk.look(mention)


async def test_an_ended_token_is_renewed_with_the_newest_refresh_token(bench: Bench) -> None:
    await bench.desk.read(None, SINCE)
    bench.pilot.expire()
    bench.pilot.publish("New")

    assert [m.text for m in (await bench.desk.read(None, SINCE)).mentions] == ["New"]
    assert bench.pilot.logins == 2


async def test_a_token_is_renewed_before_its_hundred_hours_are_over(bench: Bench) -> None:
    await bench.desk.read(None, SINCE)
    bench.time = NOW + timedelta(hours=99)
    await bench.desk.read(None, SINCE)
    assert bench.pilot.logins == 1

    bench.time = NOW + timedelta(hours=100)
    await bench.desk.read(None, SINCE)
    assert bench.pilot.logins == 2


async def test_after_a_restart_the_kept_login_is_used(bench: Bench) -> None:
    await bench.desk.read(None, SINCE)
    await bench.connected().read(None, SINCE)
    assert bench.pilot.logins == 1

    bench.pilot.expire()
    await bench.connected().read(None, SINCE)
    assert bench.pilot.logins == 2


async def test_units_with_one_login_share_what_it_became(bench: Bench) -> None:
    await bench.desk.read(None, SINCE)
    bench.pilot.unit = "5f00000000000000000000aa"
    await bench.connected(business_unit=bench.pilot.unit).read(None, SINCE)

    assert bench.pilot.logins == 1


async def test_a_kept_login_that_ended_gives_way_to_the_one_in_the_settings(bench: Bench) -> None:
    await bench.desk.read(None, SINCE)
    bench.pilot.expire()
    bench.pilot.refresh = "refresh-0"

    await bench.connected().read(None, SINCE)
    assert bench.pilot.valid == "token-2"


async def test_a_new_refresh_token_in_the_settings_begins_a_login_of_its_own(bench: Bench) -> None:
    await bench.desk.read(None, SINCE)
    bench.pilot.expire()
    bench.pilot.refresh = "by a person"

    await bench.connected(refresh_token=SecretStr("by a person")).read(None, SINCE)
    assert bench.pilot.logins == 2
    assert len(bench.kept.values) == 2
    assert "by a person" not in str(list(bench.kept.values))


async def test_a_refresh_token_that_stays_is_used_again(bench: Bench) -> None:
    bench.pilot.rotates = False
    await bench.desk.read(None, SINCE)
    bench.pilot.expire()
    await bench.desk.read(None, SINCE)

    assert bench.pilot.logins == 2


async def test_a_login_that_ended_needs_a_person_and_shows_no_secret(bench: Bench) -> None:
    bench.pilot.refresh = "another"

    with pytest.raises(NeedsLogin, match="invalid_grant") as caught:
        await bench.desk.read(None, SINCE)
    assert not [word for word in ("refresh-0", "app-secret") if word in str(caught.value)]
    assert bench.asked(LIST) == []


async def test_logins_that_come_too_often_wait(bench: Bench) -> None:
    bench.wire.fails(answers(429, retry_after="60"), lambda request: request.url.path == LOGIN)

    with pytest.raises(Retry) as caught:
        await bench.desk.read(None, SINCE)
    assert (caught.value.after, caught.value.rate_limited) == (60, True)


WRONG = [
    ("business_unit", "../46d6"),
    ("business_unit", ""),
    ("author", "a b"),
    ("api_secret", ""),
    ("refresh_token", ""),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_setting_of_the_wrong_form_is_refused_unquoted(name: str, value: str) -> None:
    right = {
        "business_unit": UNIT,
        "api_key": "k-123",
        "api_secret": "s-123",
        "refresh_token": "r-123",
        "author": AUTHOR,
    }
    Settings.model_validate(right)

    with pytest.raises(ValidationError, match=name) as caught:
        Settings.model_validate({**right, name: value})
    assert "-123" not in str(caught.value)
