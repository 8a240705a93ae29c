from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook

from collectors.webhook import BadSignature, HookError, NothingUsable, Received, Settings, TooLarge, parse
from desk.mention import Author, MentionKey
from tests.collectors.wire import NOW

DATA = Path(__file__).parent / "data"
SECRET = "whsec_" + "c2VjcmV0IG9mIHR3ZW50eS1mb3VyIGI="


def signed(body: bytes, at: datetime = NOW, secret: str = SECRET) -> dict[str, str]:
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign("msg_1", at, body.decode()),
    }


def pushed(data: Any) -> Received:
    body = json.dumps(data).encode()
    return parse(body, signed(body), SECRET, "bank", "bank-push", NOW)


def rejected(data: dict[str, Any]) -> str:
    with pytest.raises(NothingUsable) as caught:
        pushed(data)
    return caught.value.rejected[0]["error"]


def test_every_field_of_the_contract_arrives() -> None:
    mention = pushed(json.loads((DATA / "push.json").read_bytes())).mentions[0]

    assert mention.key == MentionKey("bank", "webhook", "bank-push", "r-1")
    assert (mention.source, mention.site, mention.platform_shown, mention.kind) == (
        "bank-push",
        "2gis",
        "2gis",
        "review",
    )
    assert (mention.title, mention.text, mention.rating, mention.lang) == ("Очередь", "Очередь два часа", 2, "ru")
    assert mention.published_at == datetime(2026, 11, 22, 3, 15, tzinfo=UTC)
    assert mention.author == Author("9", "Гость", "https://2gis.test/u/9", 120, "customer")
    assert (mention.parent_id, mention.parent_url) == ("p1", "https://2gis.test/p/1")
    assert (mention.place, mention.item, mention.reach) == ("dostyk", "SKU 7", 300)
    assert mention.media == ("https://2gis.test/1.jpg",)
    assert mention.raw["sentiment"] == "negative"


def test_good_items_of_a_list_are_taken_and_bad_ones_named_by_place() -> None:
    received = pushed(json.loads((DATA / "push.json").read_bytes()))

    assert [(m.key.external_id, m.deleted) for m in received.mentions] == [
        ("r-1", False),
        ("r-2", False),
        ("r-1", True),
    ]
    assert received.rejected == [
        {
            "index": 2,
            "error": "published_at: must have a time and a zone, such as 2026-11-22T08:15:00Z or +05:00 at the end",
        }
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"id": "1", "text": "😡"},
        {"id": "1", "rating": 1},
        {"id": "1", "text": "a" * 10_000},
        {"id": "1", "deleted": True},
        {"id": 1, "text": "number as id", "unknown": {"deep": [1]}},
        {"id": "1", "text": "in the future", "published_at": "2030-01-01T00:00:00Z"},
        {"id": "1", "text": "no kind", "kind": None, "url": "", "place": {}},
        {"id": "1", "text": "nothing said of it", "deleted": None, "platform": None, "lang": None, "media": None},
    ],
)
def test_what_is_enough_is_taken(item: dict[str, Any]) -> None:
    (mention,) = pushed(item).mentions

    assert mention.text == item.get("text", "")
    assert mention.key.external_id == "1"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"id": None}, "id: "),
        ({"id": ""}, "id: "),
        ({"text": "  "}, "text: required where there is no rating"),
        ({"published_at": "2026-11-21"}, "published_at: must have a time and a zone"),
        ({"published_at": "2026-11-21T10:00:00"}, "published_at: must have a time and a zone"),
        ({"published_at": "yesterday"}, "published_at: must be a time such as"),
        ({"published_at": 1795161426}, "published_at: must be a time as text"),
        ({"published_at": "0001-01-01T00:00:00+14:00"}, "published_at: is out of range"),
        ({"rating": 6}, "rating: "),
        ({"rating": 0}, "rating: "),
        ({"rating": "many"}, "rating: "),
        ({"url": "javascript:alert(1)"}, "url: must be an http"),
        ({"kind": "rumour"}, "kind: "),
        ({"author": {"url": "nowhere"}}, "author.url: must be an http"),
        ({"author": {"id": "a" * 5000}}, "author.id: "),
        ({"media": "https://x.test/1.jpg"}, "media: "),
        ({"text": "\ud83d"}, "text: "),
    ],
)
def test_what_is_wrong_is_said_by_field(change: dict[str, Any], error: str) -> None:
    assert rejected({"id": "1", "text": "Bad", **change}).startswith(error)


def test_an_item_that_is_no_object_is_rejected_alone() -> None:
    received = pushed([7, {"id": "1", "text": "ok"}])

    assert [r["index"] for r in received.rejected] == [0]
    assert len(received.mentions) == 1


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"id": "1", "text": "x", "score": 1e999}', b"null", b"\xff\xfe", b"[" * 200_000]
)
def test_a_body_with_nothing_usable_is_422(body: bytes) -> None:
    headers = signed(body) if body != b"\xff\xfe" else signed(b"")
    with pytest.raises(NothingUsable) as caught:
        parse(body, headers, SECRET, "bank", "bank-push", NOW)
    assert caught.value.status == 422


def test_a_thousand_mentions_are_taken_and_one_more_is_not() -> None:
    items = [{"id": str(n), "text": "x"} for n in range(1001)]

    assert len(pushed(items[:1000]).mentions) == 1000
    with pytest.raises(NothingUsable, match="1001 mentions"):
        pushed(items)


def test_a_body_over_one_mebibyte_is_413_before_anything_else() -> None:
    with pytest.raises(TooLarge) as caught:
        parse(b" " * (1024 * 1024 + 1), {}, SECRET, "bank", "bank-push", NOW)
    assert caught.value.status == 413


BODY = b'{"id": "1", "text": "x"}'


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,"},
        {"Webhook-Signature": "nonsense"},
        {"Webhook-Signature": signed(b"another body")["Webhook-Signature"]},
        {"Webhook-Signature": signed(BODY, secret="whsec_" + "b3RoZXIgc2VjcmV0")["Webhook-Signature"]},
        {"Webhook-Id": ""},
        {"Webhook-Id": "msg_2"},
        {"Webhook-Id": "msg_\udcff"},
        {"Webhook-Signature": "v1,\udcff"},
        {"Webhook-Timestamp": ""},
        {"Webhook-Timestamp": "soon"},
        {"Webhook-Timestamp": "1e9"},
        {"Webhook-Timestamp": "٣"},
        {"Webhook-Timestamp": str(int(NOW.timestamp()) + 1)},
        signed(BODY, NOW - timedelta(minutes=6)),
        signed(BODY, NOW + timedelta(minutes=6)),
    ],
)
def test_a_push_that_is_not_ours_or_not_of_now_is_401(change: dict[str, str]) -> None:
    with pytest.raises(BadSignature) as caught:
        parse(BODY, {**signed(BODY), **change}, SECRET, "bank", "bank-push", NOW)
    assert caught.value.status == 401
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("minutes", [-5, 5])
def test_five_minutes_either_way_are_tolerated(minutes: int) -> None:
    headers = signed(BODY, NOW + timedelta(minutes=minutes))

    assert parse(BODY, headers, SECRET, "bank", "bank-push", NOW).mentions


def test_one_of_several_signatures_is_enough_while_secrets_change() -> None:
    headers = signed(BODY)
    headers["Webhook-Signature"] = f"v1a,zzz v1,b2xk {headers['Webhook-Signature']}"

    assert parse(BODY, headers, SECRET, "bank", "bank-push", NOW).mentions


def test_the_same_id_with_other_words_is_an_edit_of_the_same_mention() -> None:
    first = pushed({"id": "1", "text": "bad"}).mentions[0]
    second = pushed({"id": "1", "text": "worse"}).mentions[0]

    assert first.key == second.key
    assert first.fingerprint != second.fingerprint


@given(st.binary(max_size=200))
def test_no_body_is_more_than_a_hook_error(body: bytes) -> None:
    headers = {"webhook-id": "1", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": "v1,x"}
    with pytest.raises(HookError):
        parse(body, headers, SECRET, "bank", "bank-push", NOW)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda c: (
            st.lists(c) | st.dictionaries(st.sampled_from(["id", "text", "author", "rating", "published_at", "url"]), c)
        ),
    )
)
def test_no_signed_json_is_more_than_mentions_or_a_hook_error(data: Any) -> None:
    try:
        received = pushed(data)
    except NothingUsable:
        return
    assert all(m.key.external_id for m in received.mentions)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_я"])
def test_a_secret_that_signs_nothing_is_a_fault(secret: str) -> None:
    with pytest.raises(ValidationError):
        Settings(secret=SecretStr(secret))
