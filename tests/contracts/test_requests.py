"""What each platform is asked stands in its papers (tests/contracts/papers.py), and the papers refuse all else.

The wire to the fake sites checks every request of the contract suite and of the platforms' own tests. Here a day of
each platform is played, and each of its requests spoiled in every way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.collectors.wire import Wire, now
from tests.contracts.papers import EXTRACTS, KNOWN, Call, Papers, papers_from, papers_of_fake
from tests.contracts.spoiling import WAYS, spoiled
from tests.contracts.test_platforms import ANSWERED, PLATFORMS, POLLED, SINCE, Case, fake_of
from tests.contracts.test_platforms import case as case  # a fixture

PARTS = ("path", "query", "headers", "body", "form")
answered = pytest.mark.parametrize("case", ANSWERED, indirect=True)


@dataclass
class Day:
    papers: Papers
    asked: dict[str, tuple[Call, httpx.Request]]
    """One request of each call, by the call's name."""


DAYS: dict[str, Day] = {}

UNASKED = {
    "bluesky": {
        "GET /xrpc/app.bsky.feed.searchPosts",
        "GET /xrpc/com.atproto.identity.resolveHandle",
        "POST /xrpc/com.atproto.server.refreshSession",
    },
    "facebook": {"GET /{id}/comments"},
    "instagram": {"GET /{id}/comments", "GET /{id}/replies"},
    "ozon": {
        "POST /v1/review/list",
        "POST /v1/review/info",
        "POST /v1/review/comment/delete",
        "POST /v1/question/info",
        "POST /v1/question/answer/list",
        "POST /v1/question/answer/create",
        "POST /v1/question/answer/delete",
    },
    "reddit": {"GET /r/{subreddit}/search"},
    "vk": {
        "POST /method/wall.getById",
        "POST /method/newsfeed.search",
        "POST /method/wall.editComment",
        "POST /method/groups.getLongPollServer",
        "GET https://lp.vk.{zone}/{line}",
    },
    "wildberries": {"GET /api/v1/question", "PATCH /api/v1/questions"},
}
"""What a day of these settings has no need of: searches, long threads, older versions, logins that run out."""


async def day_of(name: str) -> Day:
    """Reads page after page, answers, looks, edits, deletes. Played once, for several tests ask what happened."""
    if name not in DAYS:
        DAYS[name] = await _played(name)
    return DAYS[name]


async def _played(name: str) -> Day:
    fake = fake_of(name)
    fake.page = 2
    wire = Wire(fake.serve)
    async with wire.client() as http:
        platform = PLATFORMS[name].open(fake.settings, "bank", f"bank-{name}", http, now)
        await _live(Case(fake, wire, platform))
        await platform.close()
    assert wire.papers is not None
    judged = [(wire.papers.call_of(request), request) for request in wire.seen]
    return Day(wire.papers, {call.name: (call, request) for call, request in judged if call is not None})


async def _live(case: Case) -> None:
    for number in range(5):
        case.fake.publish(f"Card blocked {number}")
    batch = await case.platform.read(None, SINCE)
    await case.platform.read(batch.cursor, SINCE)
    mention, card = batch.mentions[0], case.platform.card
    if not card.can_reply:
        return
    reply = (await case.platform.reply(mention, "Sorry", "k1")).external_id
    if card.can_look:
        await case.platform.look(mention)
    if card.can_edit:
        await case.platform.edit(mention, reply, "So sorry")
    if card.can_delete:
        await case.platform.delete(mention, reply)


def calls_of(name: str) -> list[str]:
    papers = papers_of_fake(fake_of(name).serve)
    return [] if papers is None else list(dict.fromkeys(call.name for call in papers.calls))


@pytest.mark.parametrize("name", POLLED)
def test_every_platform_has_papers(name: str) -> None:
    papers = papers_of_fake(fake_of(name).serve)

    assert papers is not None, f"a table for {name} is missing: tests/contracts/specs_own, or `papers` of its fake"
    assert papers.calls


@pytest.mark.parametrize("name", POLLED)
async def test_a_day_asks_all_that_the_papers_name_but_for_what_is_known(name: str) -> None:
    asked = (await day_of(name)).asked

    assert set(calls_of(name)) - set(asked) == UNASKED.get(name, set())


@pytest.mark.parametrize("name", POLLED)
async def test_a_day_asks_nothing_but_what_the_papers_allow(name: str) -> None:
    day = await day_of(name)

    assert day.asked
    assert not [fault for _, request in day.asked.values() for fault in day.papers.faults(request)]


@pytest.mark.parametrize("name", POLLED)
async def test_papers_refuse_each_request_of_the_day_however_it_is_spoiled(name: str) -> None:
    day = await day_of(name)
    let_through = [
        (call.name, way, str(bad.url), bad.content)
        for call, request in day.asked.values()
        for way, bad in spoiled(day.papers, call, request)
        if not call.faults(bad, day.papers.seen_as(bad.url)) and call.is_at(day.papers.place(bad))
    ]

    assert let_through == []


async def test_requests_are_spoiled_in_every_way_there_is() -> None:
    days = [await day_of(name) for name in POLLED]
    tried = {
        way for day in days for call, request in day.asked.values() for way, _ in spoiled(day.papers, call, request)
    }

    assert tried == WAYS


@answered
async def test_the_longest_reply_a_card_allows_is_not_too_long_for_the_papers(case: Case) -> None:
    before = len(case.wire.seen)
    await case.platform.reply(await case.mention(), "a" * (case.platform.card.longest or 2_000), "k1")

    papers = case.wire.papers
    assert papers is not None
    sent = [request for request in case.wire.seen[before:] if case.fake.is_write(request)]
    assert sent
    assert not [fault for request in sent for fault in papers.faults(request)]


def _words_of(rule: Mapping[str, Any]) -> Iterator[str]:
    yield from rule
    inner = [*rule.get("fields", {}).values(), *rule.get("any_of", []), *([rule["items"]] if "items" in rule else [])]
    for one in inner:
        yield from _words_of(one)


@pytest.mark.parametrize("name", POLLED)
def test_rules_hold_no_word_that_the_check_does_not_know(name: str) -> None:
    papers = papers_of_fake(fake_of(name).serve)
    assert papers is not None
    tables = [call.rules.get(part, {}) for call in papers.calls for part in PARTS]
    rules = [{"type": "object", "any_of": t["any_of"]} if "any_of" in t else {"fields": t} for t in tables]

    assert {word for rule in rules for word in _words_of(rule)} <= KNOWN
    assert {word for call in papers.calls for word in call.rules} <= {"ask", "one_of", "any_query", *PARTS}


def test_extracts_name_their_licence_and_there_are_none_of_what_may_not_be_copied() -> None:
    extracts = {path.name for path in EXTRACTS.iterdir()} - {"LICENSES.md"}
    licences = (EXTRACTS / "LICENSES.md").read_text("utf-8")

    assert sorted(extracts) == sorted(re.findall(r"^\| `([\w.]+)` \|", licences, re.MULTILINE))
    assert not extracts & {
        f"{name}.toml" for name in ("app_store", "facebook", "instagram", "ozon", "wildberries", "x")
    }


async def test_a_request_that_the_papers_forbid_is_heard_at_the_wire() -> None:
    fake = fake_of("google_play")
    url = "https://androidpublisher.googleapis.com/androidpublisher/v3/applications/com.example.bank/reviews"
    async with Wire(fake.serve).client() as http:
        with pytest.raises(AssertionError, match="query pages: is not in the papers"):
            await http.get(url, params={"pages": 3}, headers={"Authorization": "Bearer x"})


async def test_another_server_is_none_of_the_papers_business() -> None:
    wire = Wire(fake_of("google_play").serve)
    async with wire.client() as http:
        await http.get("https://mirror.test/androidpublisher/v3/applications/com.example.bank/reviews")

    assert [str(request.url.host) for request in wire.strays] == ["mirror.test"]


WORD = {"type": "string"}
TEXT = {"type": "string", "required": True, "minLength": 2, "maxLength": 5}
HOUSE = papers_from(
    {
        "host": "https://house.test",
        "headers": {"Key": {"type": "string", "required": True, "pattern": r"k\d"}},
        "shapes": {"day": {"type": "string", "format": "date-time"}},
        "calls": [
            {
                "ask": "GET /rooms/{room}/guests",
                "path": {"room": {"type": "integer", "minimum": 1}},
                "query": {
                    "limit": {"type": "integer", "required": True, "maximum": 10},
                    "sort": {"type": "array", "separator": ",", "items": {"type": "string", "enum": ["name", "age"]}},
                    "kinds": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
                    "gone": {"type": "boolean"},
                    "since": {"shape": "day"},
                },
            },
            {"ask": "GET /rooms", "one_of": ["id", "name"], "query": {"id": WORD, "name": WORD}},
            {
                "ask": "POST /guests",
                "body": {
                    "name": TEXT,
                    "ages": {"type": "array", "items": {"type": "integer"}},
                    "home": {"type": "object", "fields": {"city": TEXT}},
                    "pet": {"type": "object", "any_of": [{"type": "object", "fields": {"cat": TEXT}}]},
                    "note": {"type": "string", "maxGraphemes": 2, "maxBytes": 8},
                },
            },
            {"ask": "POST /doors", "form": {"code": {"type": "integer", "minimum": 0, "maximum": 9}}},
        ],
    }
)
GUESTS = "https://house.test/rooms/7/guests?limit=10"
NEW = "https://house.test/guests"
DOORS = "https://house.test/doors"
ALLOWED = {
    "a query": ("GET", f"{GUESTS}&sort=age,name&kinds=a&kinds=b&gone=false&since=2026-11-24T12:00:00Z", {}),
    "one of two": ("GET", "https://house.test/rooms?id=ab", {}),
    "a body": ("POST", NEW, {"json": {"name": "Dina", "ages": [1], "home": {"city": "Oral"}}}),
    "one form of several": ("POST", NEW, {"json": {"name": "Dina", "pet": {"cat": "Mia"}}}),
    "two thumbs": ("POST", NEW, {"json": {"name": "Dina", "note": "👎👎"}}),
    "a form": ("POST", DOORS, {"data": {"code": "9"}}),
}
FORBIDDEN: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "another method": ("PUT", GUESTS, {}, "the papers say GET"),
    "another address": ("GET", "https://house.test/rooms/7/cats", {}, "is not in the papers"),
    "a word in the path": ("GET", "https://house.test/rooms/seven/guests?limit=1", {}, "path room: is no integer"),
    "a number in the path": ("GET", "https://house.test/rooms/0/guests?limit=1", {}, "path room: breaks minimum 1"),
    "an unknown parameter": ("GET", f"{GUESTS}&max=3", {}, "query max: is not in the papers"),
    "a missing parameter": ("GET", "https://house.test/rooms/7/guests", {}, "query limit: is missing"),
    "a parameter twice": ("GET", f"{GUESTS}&limit=9", {}, "query limit: is given twice"),
    "a word for a number": ("GET", GUESTS.replace("10", "ten"), {}, "query limit: is no integer"),
    "a number too large": ("GET", GUESTS.replace("10", "11"), {}, "query limit: breaks maximum 10"),
    "one wrong word of several": ("GET", f"{GUESTS}&sort=age,size", {}, "query sort[1]: breaks enum"),
    "too many words": ("GET", f"{GUESTS}&kinds=a&kinds=b&kinds=c", {}, "query kinds: breaks maxItems 2"),
    "a number for yes": ("GET", f"{GUESTS}&gone=1", {}, "query gone: is no boolean"),
    "a day without a zone": ("GET", f"{GUESTS}&since=2026-11-24T12:00:00", {}, "query since: breaks format date-time"),
    "neither of two": ("GET", "https://house.test/rooms", {}, "exactly one of id, name"),
    "both of two": ("GET", "https://house.test/rooms?id=ab&name=cd", {}, "exactly one of id, name"),
    "a body where there is none": ("GET", GUESTS, {"json": {}}, "body: there should be none"),
    "no body": ("POST", NEW, {}, "body: is no application/json"),
    "broken JSON": (
        "POST",
        NEW,
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        "body: is no object",
    ),
    "a form for JSON": ("POST", NEW, {"data": {"name": "Dina"}}, "body: is no application/json"),
    "JSON for a form": ("POST", DOORS, {"json": {"code": 3}}, "body: is no application/x-www-form"),
    "a missing field": ("POST", NEW, {"json": {}}, "body.name: is missing"),
    "an unknown field": ("POST", NEW, {"json": {"name": "Dina", "x": 1}}, "body.x: is not in"),
    "a text too long": ("POST", NEW, {"json": {"name": "Dinara"}}, "body.name: breaks maxLength"),
    "a text too short": ("POST", NEW, {"json": {"name": "D"}}, "body.name: breaks minLength 2"),
    "a number for a text": ("POST", NEW, {"json": {"name": 7}}, "body.name: is no string"),
    "yes for a number": ("POST", NEW, {"json": {"name": "Dina", "ages": [True]}}, "body.ages[0]: is no integer"),
    "a missing field inside": ("POST", NEW, {"json": {"name": "Dina", "home": {}}}, "body.home.city: is missing"),
    "no form of several": (
        "POST",
        NEW,
        {"json": {"name": "Dina", "pet": {"dog": "Rex"}}},
        "body.pet.dog: is not in the papers",
    ),
    "three letters seen": ("POST", NEW, {"json": {"name": "Dina", "note": "abc"}}, "body.note: breaks maxGraphemes 2"),
    "two of many bytes": ("POST", NEW, {"json": {"name": "Dina", "note": "👎🏽👎"}}, "body.note: breaks maxBytes 8"),
    "a number too small in a form": ("POST", DOORS, {"data": {"code": "-1"}}, "form code: breaks minimum 0"),
}


def request_of(method: str, url: str, more: dict[str, Any]) -> httpx.Request:
    headers = {"Key": "k1", **more.get("headers", {})}
    return httpx.Request(method, url, **{**more, "headers": headers})


@pytest.mark.parametrize(("method", "url", "more"), ALLOWED.values(), ids=ALLOWED.keys())
def test_papers_allow_what_they_say(method: str, url: str, more: dict[str, Any]) -> None:
    assert HOUSE.faults(request_of(method, url, more)) == []


@pytest.mark.parametrize(("method", "url", "more", "fault"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_papers_name_what_is_wrong(method: str, url: str, more: dict[str, Any], fault: str) -> None:
    assert fault in "; ".join(HOUSE.faults(request_of(method, url, more)))


@pytest.mark.parametrize("key", [None, "key-1"])
def test_a_header_that_is_missing_or_wrong_is_a_fault(key: str | None) -> None:
    headers = {} if key is None else {"Key": key}

    assert "header Key" in "; ".join(HOUSE.faults(httpx.Request("GET", GUESTS, headers=headers)))
