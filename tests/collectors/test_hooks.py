"""A platform's own calls: who proves to be the platform is answered as it expects, and nobody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import PLATFORMS
from collectors.hooks import BadSignature, Call, Heed, HookError
from tests.collectors.wire import NOW

SECRET = "s3cret of their calls"
SETTINGS: dict[str, dict[str, Any]] = {
    "discourse": {"api_base": "https://forum.example", "api_key": "k", "api_user": "acme", "push_secret": SECRET},
    "facebook": {"token": "t", "page_id": "17", "app_secret": SECRET, "verify_token": "is it you"},
    "instagram": {"token": "t", "account_id": "17", "app_secret": SECRET, "verify_token": "is it you"},
    "trustpilot": {
        "business_unit": "b1",
        "api_key": "k",
        "api_secret": "s",
        "refresh_token": "r",
        "author": "u1",
        "push_secret": SECRET,
    },
    "vk": {
        "group_id": 17,
        "community_token": "c",
        "service_token": "s",
        "push_secret": SECRET,
        "confirmation": "0a1b2c3d",
    },
    "yandex_market": {"business_id": 17, "api_key": "k", "push_secret": SECRET},
    "youscan": {"topic_id": 17, "api_key": "k", "push_secret": SECRET},
}
SECRETS = ("push_secret", "app_secret", "verify_token")


def heed(name: str, call: Call, **more: Any) -> Heed:
    entry = PLATFORMS[name]
    knock = entry.knock
    assert knock is not None
    return knock(entry.settings.model_validate({**SETTINGS[name], **more}), call)


def post(body: Any = b"", query: dict[str, str] | None = None, **headers: str) -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call("POST", query or {}, {name.replace("_", "-"): value for name, value in headers.items()}, data, NOW)


def signed(body: Any, header: str, secret: str = SECRET) -> Call:
    data = json.dumps(body).encode()
    return post(data, **{header: "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()})


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"any:{password}".encode()).decode()


VK_EVENT = {"type": "wall_reply_new", "group_id": 17, "event_id": "e", "secret": SECRET, "object": {"id": 5}}
META = "X-Hub-Signature-256"
META_EVENT = {"object": "page", "entry": [{"id": "17", "changes": []}, {"id": 18}, {}, "x"]}
META_CALL = signed(META_EVENT, META)

GOOD: dict[str, list[tuple[Call, Heed]]] = {
    "discourse": [(signed({"ping": "OK"}, "X-Discourse-Event-Signature"), Heed())],
    "facebook": [(META_CALL, Heed(accounts=frozenset({"17", "18"})))],
    "instagram": [(META_CALL, Heed(accounts=frozenset({"17", "18"})))],
    "trustpilot": [(post({"events": []}, Authorization=basic(SECRET)), Heed())],
    "vk": [(post(VK_EVENT), Heed("ok"))],
    "yandex_market": [
        (
            post({"notificationType": "PING"}, {"key": SECRET}),
            Heed('{"name": "Replydesk", "version": "1.0.0", "time": "2026-11-24T12:00:00+00:00"}', "application/json"),
        )
    ],
    "youscan": [(post({"mentionId": 5}, Authorization=basic(SECRET)), Heed())],
}

BAD: dict[str, list[Call]] = {
    "discourse": [post({}), signed({}, "X-Discourse-Event-Signature", "another")],
    "facebook": [post(META_EVENT), signed(META_EVENT, META, "another"), META_CALL._replace(body=b'{"entry": []}')],
    "instagram": [post(META_EVENT), signed(META_EVENT, META, "another"), META_CALL._replace(body=b'{"entry": []}')],
    "trustpilot": [post({}), post({}, Authorization=basic("another")), post({}, Authorization=f"Bearer {SECRET}")],
    "vk": [
        post({**VK_EVENT, "secret": "another"}),
        post({**VK_EVENT, "group_id": 18}),
        post({name: value for name, value in VK_EVENT.items() if name != "secret"}),
    ],
    "yandex_market": [post({}), post({}, {"key": "another"}), post({}, {"key": ""})],
    "youscan": [post({}), post({}, Authorization=basic("")), post({}, Authorization="Basic !!!")],
}


def test_every_platform_that_names_calls_takes_them_and_is_shown_here() -> None:
    taking = {name for name, entry in PLATFORMS.items() if entry.knock is not None}
    assert taking == {name for name, entry in PLATFORMS.items() if entry.card.calls} == set(SETTINGS)


@pytest.mark.parametrize(("name", "call", "answer"), [(n, *one) for n, some in GOOD.items() for one in some])
def test_who_proves_to_be_the_platform_is_answered_as_it_expects(name: str, call: Call, answer: Heed) -> None:
    assert heed(name, call) == answer


@pytest.mark.parametrize(("name", "call"), [(n, call) for n, some in BAD.items() for call in some])
def test_who_proves_nothing_is_turned_away_and_told_no_secret(name: str, call: Call) -> None:
    with pytest.raises(BadSignature) as refused:
        heed(name, call)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("name", "call"), [(n, one[0]) for n, some in GOOD.items() for one in some])
def test_a_source_without_a_secret_believes_nobody(name: str, call: Call) -> None:
    with pytest.raises(BadSignature):
        heed(name, call, **{secret: None for secret in SECRETS if secret in SETTINGS[name]})


@pytest.mark.parametrize("name", ["facebook", "instagram"])
def test_meta_asks_whether_the_address_is_ours_and_hears_its_challenge(name: str) -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": "is it you", "hub.challenge": "1158201444"}
    question = Call("GET", asked, {}, b"", NOW)
    assert heed(name, question) == Heed("1158201444", read=False)
    for wrong in ({"hub.verify_token": "another"}, {"hub.mode": "unsubscribe"}):
        with pytest.raises(BadSignature):
            heed(name, question._replace(query={**asked, **wrong}))


def test_vk_asks_for_the_confirmation_and_nothing_is_read() -> None:
    question = post({"type": "confirmation", "group_id": 17})
    assert heed("vk", question) == Heed("0a1b2c3d", read=False)
    with pytest.raises(BadSignature):
        heed("vk", post({"type": "confirmation", "group_id": 18}))


@pytest.mark.parametrize("name", sorted(SETTINGS))
@given(body=st.binary(max_size=60), query=st.dictionaries(st.just("key"), st.text(max_size=9)), said=st.text())
def test_whatever_comes_is_refused_in_words_the_desk_knows(
    name: str, body: bytes, query: dict[str, str], said: str
) -> None:
    for method in ("GET", "POST"):
        with pytest.raises(HookError):
            heed(name, Call(method, query, {"Authorization": f"Basic {said}", "X-Hub-Signature-256": said}, body, NOW))
