from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.bluesky import Bluesky, Settings
from collectors.bluesky.records import record_key
from desk.errors import NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from desk.platform import problems
from tests.collectors.bluesky.fake import AUTHOR, HANDLE, OWN, PASSWORD, Server
from tests.collectors.wire import NOW, Wire, answers, takes_effect_then

SINCE = NOW - timedelta(days=7)


class Kept:
    """Tokens as the store keeps them."""

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
    server: Server
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    kept: Kept = field(default_factory=Kept)
    sky: Bluesky = field(init=False)

    def __post_init__(self) -> None:
        self.sky = self.connected()

    def connected(self, **settings: Any) -> Bluesky:
        chosen = self.server.settings.model_copy(update=settings)
        return Bluesky(chosen, "bank", "bank-bluesky", self.http, lambda: self.time, self.kept)

    async def mention(self, text: str = "App is down", **record: Any) -> Mention:
        uri = self.server.publish(text, **record)
        return next(m for m in (await self.sky.read(None, SINCE)).mentions if m.key.external_id == uri)

    def calls(self, name: str) -> int:
        return sum(1 for request in self.wire.seen if request.url.path.endswith(name))

    def record(self, uri: str) -> dict[str, Any]:
        record: dict[str, Any] = self.server.posts[uri]["record"]
        return record


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    server = Server()
    wire = Wire(server.serve)
    async with wire.client() as http:
        yield Bench(server, wire, http)


async def test_a_post_tells_who_wrote_it_where_and_in_which_language(bench: Bench) -> None:
    mention = await bench.mention(langs=["kk", "ru"])

    assert (mention.kind, mention.lang, mention.parent_id) == ("post", "kk", "")
    assert (mention.author.id, mention.author.name) == (AUTHOR, "Айгуль")
    assert re.fullmatch(rf"https://bsky\.app/profile/{AUTHOR}/post/\w+", mention.url)


async def test_a_reply_to_the_brand_is_a_comment_under_its_post(bench: Bench) -> None:
    own = bench.server.publish("We are open", author=OWN)
    ref = bench.server.ref(own)
    mention = await bench.mention(reply={"root": ref, "parent": ref})

    assert (mention.kind, mention.parent_id) == ("comment", own)
    assert mention.parent_url == f"https://bsky.app/profile/{OWN}/post/{own.rsplit('/', 1)[1]}"


async def test_the_time_is_the_indexers_and_not_the_authors(bench: Bench) -> None:
    mention = await bench.mention(createdAt="1999-01-01T00:00:00Z")

    assert mention.published_at == NOW


async def test_words_are_searched_beside_the_notifications_and_nothing_comes_twice(bench: Bench) -> None:
    told = bench.server.publish("brand is slow")
    found = bench.server.publish("I do not tag brand at all")
    bench.server.publish("brand news from ourselves", author=OWN)
    bench.server.untold = {found}
    mentions = (await bench.connected(query="brand").read(None, SINCE)).mentions

    assert sorted(m.key.external_id for m in mentions) == sorted([told, found])
    assert found not in {m.key.external_id for m in (await bench.sky.read(None, SINCE)).mentions}


async def test_pictures_of_a_found_post_come_along(bench: Bench) -> None:
    uri = bench.server.publish("brand broke this")
    bench.server.posts[uri]["embed"] = {"images": [{"fullsize": "https://cdn.test/1.jpg", "alt": ""}]}
    (mention,) = (await bench.connected(query="brand").read(None, SINCE)).mentions

    assert mention.media == ("https://cdn.test/1.jpg",)


async def test_a_search_added_later_begins_where_the_first_poll_would(bench: Bench) -> None:
    cursor = (await bench.sky.read(None, SINCE)).cursor
    old = bench.server.publish("brand was bad", NOW - timedelta(days=5))
    bench.server.untold = {old}
    mentions = (await bench.connected(query="brand").read(cursor, SINCE)).mentions

    assert [m.key.external_id for m in mentions] == [old]


async def test_a_search_that_fails_hides_no_notification_and_keeps_its_beginning(bench: Bench) -> None:
    found = bench.server.publish("brand was bad", NOW - timedelta(days=5))
    bench.server.untold = {found}
    told = bench.server.publish("you are slow")
    sky = bench.connected(query="brand")
    for status, name in ((400, "BadQueryString"), (502, "UpstreamFailure"), (429, "RateLimitExceeded")):
        body = bench.server.error(status, name)
        bench.wire.fails(answers(status, body), lambda r: r.url.path.endswith("searchPosts"))
        batch = await sky.read(None, SINCE)
        bench.wire.heals()
        assert [m.key.external_id for m in batch.mentions] == [told]
        assert batch.note
        bench.time = NOW + timedelta(days=4)
        later = await sky.read(batch.cursor, SINCE + timedelta(days=4))
        bench.time = NOW
        assert found in [m.key.external_id for m in later.mentions]


async def test_a_search_that_cannot_be_paged_on_begins_anew(bench: Bench) -> None:
    """It counts pages, and shows no more than some thousands of posts."""
    bench.server.page = 1
    for minutes in range(15):
        bench.server.untold.add(bench.server.publish(f"brand {minutes}", NOW - timedelta(minutes=minutes)))
    sky = bench.connected(query="brand")
    cursor = (await sky.read(None, SINCE)).cursor
    broken = answers(500, bench.server.error(500, "InternalServerError"))
    bench.wire.fails(broken, lambda r: r.url.params.get("cursor") == "10")
    cursor = (await sky.read(cursor, SINCE)).cursor
    fresh = bench.server.publish("brand again", NOW)
    bench.server.untold.add(fresh)

    assert fresh in [m.key.external_id for m in (await sky.read(cursor, SINCE)).mentions]


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    bench.server.page = 1
    wanted = {bench.server.publish("x", NOW - timedelta(hours=hours)) for hours in range(25)}
    found: set[str] = set()
    cursor: str | None = None
    for _ in range(3):
        batch = await bench.sky.read(cursor, SINCE)
        found |= {m.key.external_id for m in batch.mentions}
        cursor = batch.cursor

    assert found == wanted


async def test_one_unreadable_post_harms_only_itself(bench: Bench) -> None:
    broken = bench.server.publish("broken")
    bench.server.posts[broken]["record"] = {"text": 5}
    bench.server.publish("good")
    batch = await bench.sky.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read (record.text:" in batch.note


async def test_a_reply_names_the_root_of_the_thread_and_its_parent(bench: Bench) -> None:
    root, other = (bench.server.ref(bench.server.publish(text)) for text in ("root", "other"))
    mention = await bench.mention(reply={"root": root, "parent": other})
    posted = await bench.sky.reply(mention, "Sorry", "1-1")

    parent = bench.server.ref(mention.key.external_id)
    assert bench.record(posted.external_id)["reply"] == {"root": root, "parent": parent}
    assert posted.url == f"https://bsky.app/profile/{OWN}/post/{posted.external_id.rsplit('/', 1)[1]}"


async def test_a_reply_to_a_first_post_has_that_as_its_root(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.sky.reply(mention, "Sorry", "1-1")

    parent = bench.server.ref(mention.key.external_id)
    assert bench.record(posted.external_id)["reply"] == {"root": parent, "parent": parent}


async def linked(bench: Bench, text: str) -> list[tuple[str, dict[str, str]]]:
    posted = await bench.sky.reply(await bench.mention(), text, "1-1")
    facets = bench.record(posted.external_id).get("facets", [])
    places = [(facet["index"]["byteStart"], facet["index"]["byteEnd"]) for facet in facets]
    return [
        (text.encode()[start:end].decode(), feature)
        for (start, end), facet in zip(places, facets, strict=True)
        for feature in facet["features"]
    ]


async def link_in(bench: Bench, text: str) -> list[str]:
    return [words for words, _ in await linked(bench, text)]


LINK = "app.bsky.richtext.facet#link"
MENTION = "app.bsky.richtext.facet#mention"


async def test_addresses_and_names_become_links_at_their_bytes(bench: Bench) -> None:
    text = "Сәлем 👋🏽 @aigul.example.test! Толығырақ: https://example.test/көмек?a=1, ал @nobody.example.test жоқ"

    assert await linked(bench, text) == [
        ("https://example.test/көмек?a=1", {"$type": LINK, "uri": "https://example.test/көмек?a=1"}),
        ("@aigul.example.test", {"$type": MENTION, "did": AUTHOR}),
    ]


@pytest.mark.parametrize("text", ["No links here", "Write to help@brand.example.test", "@home all day", "50% off…"])
async def test_what_is_no_link_stays_text(bench: Bench, text: str) -> None:
    assert await linked(bench, text) == []


@pytest.mark.parametrize("around", ["({})", "«{}»", "{}.", "{}…", '"{}"', "see {}!"])
async def test_a_link_ends_before_the_signs_of_the_sentence(bench: Bench, around: str) -> None:
    address = "https://example.test/a_b"

    assert [text for text, _ in await linked(bench, around.format(address))] == [address]


WITH_BRACKETS = [
    ("https://example.test/wiki/Банк_(Алматы)", "https://example.test/wiki/Банк_(Алматы)"),
    ("(see https://example.test/wiki/Bank_(Almaty).)", "https://example.test/wiki/Bank_(Almaty)"),
    ("https://example.test/(a)/b, and so on", "https://example.test/(a)/b"),
    ("https://example.test/a)(b", "https://example.test/a)(b"),
    ("https://example.test/(((((((((((((((((((((((((((((((", "https://example.test/"),
]


@pytest.mark.parametrize(("text", "address"), WITH_BRACKETS)
async def test_brackets_that_belong_to_an_address_stay_in_its_link(bench: Bench, text: str, address: str) -> None:
    assert await link_in(bench, text) == [address]


async def test_a_name_inside_an_address_is_no_second_link_over_it(bench: Bench) -> None:
    address = "https://example.test/?to=@aigul.example.test"

    assert await link_in(bench, address) == [address]


async def test_a_repeated_reply_is_the_same_record(bench: Bench) -> None:
    mention = await bench.mention()
    first = await bench.sky.reply(mention, "Sorry", "1-1")
    bench.time += timedelta(minutes=5)
    again = await bench.sky.reply(mention, "Sorry", "1-1")

    assert (again.external_id, again.at) == (first.external_id, first.at)
    assert bench.calls("createRecord") == 1


async def test_a_reply_whose_answer_was_lost_is_not_posted_twice(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(takes_effect_then(httpx.ReadTimeout), bench.server.is_write)
    with pytest.raises(Unsure):
        await bench.sky.reply(mention, "Sorry", "1-1")
    bench.wire.heals()
    await bench.sky.reply(mention, "Sorry", "1-1")

    assert len((await bench.sky.look(mention)).replies) == 1


async def test_a_key_that_was_taken_meanwhile_by_our_own_reply_is_success(bench: Bench) -> None:
    mention = await bench.mention()

    def late(request: httpx.Request, serve: Any) -> httpx.Response:
        serve(request)
        return httpx.Response(409, content=bench.server.error(409, "RecordAlreadyExists"))

    bench.wire.fails(late, bench.server.is_write)
    posted = await bench.sky.reply(mention, "Sorry", "1-1")

    assert [r.external_id for r in (await bench.sky.look(mention)).replies] == [posted.external_id]


async def test_another_text_or_version_is_another_record(bench: Bench) -> None:
    mention = await bench.mention()
    keys = {record_key(mention, text, key) for text, key in (("A", "1-1"), ("B", "1-1"), ("A", "1-2"))}
    keys.add(record_key(replace(mention, key=mention.key._replace(external_id="at://x/y/z")), "A", "1-1"))

    assert len(keys) == 4


async def test_a_record_key_is_a_time_near_the_mentions(bench: Bench) -> None:
    mention = await bench.mention()
    key = record_key(mention, "A", "1-1")
    digits = "234567abcdefghijklmnopqrstuvwxyz"
    number = 0
    for digit in key:
        number = number * 32 + digits.index(digit)

    assert re.fullmatch(r"[2-7a-j][2-7a-z]{12}", key)
    assert timedelta(0) <= datetime.fromtimestamp((number >> 10) / 1e6, NOW.tzinfo) - NOW <= timedelta(minutes=1)


async def test_an_author_who_closed_the_thread_gets_no_reply(bench: Bench) -> None:
    mention = await bench.mention()
    bench.server.closed = {mention.key.external_id}

    with pytest.raises(Refused, match="does not let"):
        await bench.sky.reply(mention, "Sorry", "1-1")
    assert bench.calls("createRecord") == 0


async def test_an_author_who_blocked_the_brand_has_not_vanished(bench: Bench) -> None:
    mention = await bench.mention()
    bench.server.blocked = {mention.key.external_id}

    with pytest.raises(Refused, match="block"):
        await bench.sky.look(mention)


async def test_a_post_the_thread_calls_missing_is_gone(bench: Bench) -> None:
    mention = await bench.mention()
    body = json.dumps({"thread": {"uri": mention.key.external_id, "notFound": True}})
    bench.wire.fails(answers(200, body), lambda r: r.url.path.endswith("getPostThread"))

    assert (await bench.sky.look(mention)).mention is None


async def test_only_the_brands_replies_right_under_the_mention_are_ours(bench: Bench) -> None:
    mention = await bench.mention()
    parent = bench.server.ref(mention.key.external_id)
    reply = {"root": parent, "parent": parent}
    first = bench.server.publish("First", NOW - timedelta(hours=1), author=OWN, reply=reply)
    last = bench.server.publish("Last", author=OWN, reply=reply)
    bench.server.publish("Me too", reply=reply)

    assert [r.external_id for r in (await bench.sky.look(mention)).replies] == [first, last]


async def test_a_reply_cannot_be_edited(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.sky.reply(mention, "Sorry", "1-1")

    with pytest.raises(Refused, match="no way to edit"):
        await bench.sky.edit(mention, posted.external_id, "Sorry!")


async def test_one_login_serves_many_calls_and_restarts(bench: Bench) -> None:
    await bench.sky.read(None, SINCE)
    await bench.sky.read(None, SINCE)
    await bench.connected().read(None, SINCE)

    assert (bench.server.logins, bench.server.refreshes) == (1, 0)


async def test_a_session_is_renewed_by_its_refresh_token_and_the_new_pair_is_kept(bench: Bench) -> None:
    await bench.sky.read(None, SINCE)
    bench.time += timedelta(hours=1)
    await bench.sky.read(None, SINCE)

    assert (bench.server.logins, bench.server.refreshes) == (1, 1)
    (kept,) = bench.kept.values.values()
    assert (kept["token"], kept["kept"]) == (bench.server.access, {"refresh": bench.server.refresh})


async def test_a_token_that_ended_early_is_renewed_once(bench: Bench) -> None:
    await bench.sky.read(None, SINCE)
    bench.server.access = "another"
    await bench.sky.read(None, SINCE)

    assert (bench.server.logins, bench.server.refreshes) == (1, 1)


async def test_a_session_that_was_ended_is_begun_anew(bench: Bench) -> None:
    await bench.sky.read(None, SINCE)
    bench.server.access = bench.server.refresh = "another"
    await bench.sky.read(None, SINCE)

    assert (bench.server.logins, bench.server.refreshes) == (2, 0)


async def test_a_server_that_is_away_costs_no_login(bench: Bench) -> None:
    await bench.sky.read(None, SINCE)
    bench.time += timedelta(hours=1)
    bench.wire.fails(answers(503), lambda r: r.url.path.endswith("refreshSession"))

    with pytest.raises(Retry):
        await bench.sky.read(None, SINCE)
    assert bench.calls("createSession") == 1


LOGINS = [(401, "AuthenticationRequired"), (400, "AccountTakedown"), (401, "AuthFactorTokenRequired"), (400, "Other")]


@pytest.mark.parametrize(("status", "name"), LOGINS)
async def test_a_login_that_is_refused_needs_a_person_and_quotes_no_password(
    bench: Bench, status: int, name: str
) -> None:
    body = json.dumps({"error": name, "message": f"Wrong: {PASSWORD}"})
    bench.wire.fails(answers(status, body), lambda r: not bench.server.is_api(r))

    with pytest.raises(NeedsLogin, match=name) as caught:
        await bench.sky.read(None, SINCE)
    assert PASSWORD not in str(caught.value)


async def test_a_wrong_password_does_not_use_up_the_days_logins(bench: Bench) -> None:
    """Or the right one would be kept waiting until the day is over."""
    await bench.sky.read(None, SINCE)
    bench.server.access = bench.server.refresh = "ended"
    wrong = bench.connected(app_password=SecretStr("wrong"))
    asked = bench.calls("createSession")
    for _ in range(24 * 20):
        bench.time += timedelta(minutes=3)
        with pytest.raises(NeedsLogin, match="AuthenticationRequired"):
            await wrong.read(None, SINCE)

    assert bench.calls("createSession") - asked <= 50
    assert (await bench.connected().read(None, SINCE)).mentions == []


async def test_a_login_that_works_again_is_found_by_itself(bench: Bench) -> None:
    body = bench.server.error(400, "AccountDeactivated")
    bench.wire.fails(answers(400, body), lambda r: not bench.server.is_api(r))
    with pytest.raises(NeedsLogin):
        await bench.sky.read(None, SINCE)
    bench.wire.heals()
    bench.time += timedelta(minutes=30)

    await bench.sky.read(None, SINCE)


async def test_too_many_logins_name_the_time_to_wait_for(bench: Bench) -> None:
    at = str(int(NOW.timestamp()) + 90)
    body = bench.server.error(429, "RateLimitExceeded")
    bench.wire.fails(answers(429, body, ratelimit_reset=at), lambda r: not bench.server.is_api(r))

    with pytest.raises(Retry) as caught:
        await bench.sky.read(None, SINCE)
    assert (caught.value.after, caught.value.rate_limited) == (90, True)


LENGTHS = [
    ("👨‍👩‍👧‍👦" * 120, []),
    ("👨‍👩‍👧‍👦" * 121, ["text_too_many_bytes"]),
    ("ә" * 300, []),
    ("ә" * 301, ["text_too_long"]),
]


@pytest.mark.parametrize(("text", "expected"), LENGTHS)
def test_characters_as_read_and_bytes_are_both_limited(text: str, expected: list[str]) -> None:
    assert [problem.key for problem in problems(text, Bluesky.card)] == expected


def test_a_handle_is_taken_with_its_sign_too() -> None:
    settings = Settings(handle=f"@{HANDLE.upper()}", app_password=SecretStr(PASSWORD))

    assert settings.handle == HANDLE


FAULTS = [({"handle": "brand"}, "handle"), ({"app_password": ""}, "app_password"), ({"api_base": "x"}, "api_base")]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"handle": HANDLE, "app_password": PASSWORD, **change})
    assert [str(fault["loc"][0]) for fault in caught.value.errors()] == [key]
    assert PASSWORD not in str(caught.value)
