"""Each address the desk answers under, called by those who hold no key to it, or an old one, or another client's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.http import HttpDeps, http_app
from storage.tables import mentions, work
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World
from tests.security.doors import HOOKS, called_by_http, pushed, said, slack_press, slacked, telegrammed

REVIEW = json.dumps({"id": "r-1", "text": "Cold coffee", "rating": 1}).encode()
PRESS = slack_press("1:approve:1:1:")

Ask = dict[str, Any]


def changed(ask: Ask, body: bytes) -> Ask:
    """The same signature, other words."""
    return {**ask, "content": body}


def without(ask: Ask, *headers: str) -> Ask:
    return {**ask, "headers": {name: v for name, v in ask["headers"].items() if name.lower() not in headers}}


def with_(ask: Ask, **headers: str | bytes) -> Ask:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {**ask, "headers": {**ask["headers"], **named}}


EVENT = json.dumps(
    {"type": "event_callback", "team_id": "T0ACME", "event_id": "Ev1", "event": {"type": "message"}}
).encode()


def refused() -> dict[str, tuple[Ask, set[int]]]:
    """Signed anew each time: a signature holds for minutes, and a run of the tests may take longer."""
    return {
        "a push without a signature": (without(pushed("acme-push", REVIEW), "webhook-signature"), {400, 401}),
        "a push with nothing": ({"url": "/hooks/acme-push", "content": REVIEW}, {400, 401}),
        "a push with another client's key": (pushed("acme-push", REVIEW, secret=HOOKS["nova-push"]), {401}),
        "a push of other words": (changed(pushed("acme-push", REVIEW), REVIEW.replace(b"Cold", b"Warm")), {401}),
        "a push under another id": (with_(pushed("acme-push", REVIEW), webhook_id="msg_2"), {401}),
        "a push under another time": (with_(pushed("acme-push", REVIEW), webhook_timestamp="1"), {400, 401}),
        "a push of ten minutes ago": (pushed("acme-push", REVIEW, ago=600), {400, 401}),
        "a push of the future": (pushed("acme-push", REVIEW, ago=-3600), {400, 401}),
        "a push with a time that is none": (with_(pushed("acme-push", REVIEW), webhook_timestamp="soon"), {400, 401}),
        "a push to another's address": ({**pushed("nova-push", REVIEW), "url": "/hooks/acme-push"}, {401}),
        "a push to nobody": (pushed("acme-push", REVIEW) | {"url": "/hooks/nobody"}, {404}),
        "a push up the path": (pushed("acme-push", REVIEW) | {"url": "/hooks/..%2f..%2fconfig.toml"}, {404}),
        "a push of 2 MB": (pushed("acme-push", b'{"text": "' + b"x" * 2**21 + b'"}'), {413}),
        "a push that is no JSON": (pushed("acme-push", b"<xml/>"), {400, 422}),
        "a push nested deep": (pushed("acme-push", b"[" * 100_000), {400, 422}),
        "a press without a signature": (without(slacked(PRESS, form=True), "x-slack-signature"), {401}),
        "a press signed by somebody else": (slacked(PRESS, secret="another app's", form=True), {401}),
        "a press of ten minutes ago": (slacked(PRESS, ago=600, form=True), {401}),
        "a press of the future": (slacked(PRESS, ago=-3600, form=True), {401}),
        "another press": (changed(slacked(PRESS, form=True), slack_press("1:approve:2:1:")), {401}),
        "a press in an old way": (with_(slacked(PRESS, form=True), X_Slack_Signature="v1=00"), {401}),
        "a press at no time": (with_(slacked(PRESS, form=True), X_Slack_Request_Timestamp="soon"), {401}),
        "a press signed in other letters": (
            with_(slacked(PRESS, form=True), X_Slack_Signature="v0=\xe9".encode()),
            {401},
        ),
        "an event of 2 MB": (slacked(b"x" * 2**21), {413}),
        "an event with nothing": ({"url": "/slack/events", "content": EVENT}, {401}),
        "an update without the secret": (telegrammed(said("/open"), None), {401}),
        "an update with another secret": (telegrammed(said("/open"), "Telegram-calls-with-this_2"), {401}),
        "an update with other letters": (telegrammed(said("/open"), "\xe9".encode()), {401}),
        "an update with a beginning": (telegrammed(said("/open"), "Telegram"), {401}),
        "an update of 2 MB": (telegrammed({"update_id": 1, "x": "y" * 2**21}), {413}),
    }


READ_ONLY = ("/healthz", "/readyz", "/metrics")
"""Open to whoever reaches the port: docs/security.md says to keep it inside."""


async def work_there(w: World) -> tuple[int, int]:
    async with w.app.store.database.reader.begin() as connection:
        kinds = select(func.count()).select_from(work).where(work.c.kind.in_(["receive", "heard", "answer"]))
        known = select(func.count()).select_from(mentions)
        return (await connection.execute(kinds)).scalar_one(), (await connection.execute(known)).scalar_one()


async def test_who_holds_no_key_changes_nothing_at_any_door(
    desk: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with called_by_http(desk, monkeypatch) as (w, http):
        before = await work_there(w)
        for name, (ask, statuses) in refused().items():
            answer = await http.post(**ask)
            assert answer.status_code in statuses, f"{name}: {answer.status_code} {answer.text}"
            assert "Traceback" not in answer.text, name
            assert not [secret for secret in HOOKS.values() if secret in answer.text], name
        assert await work_there(w) == before
        for path in READ_ONLY:
            assert (await http.post(path)).status_code == 405
            page = await http.get(path)
            assert page.status_code in (200, 503)
        for path in ("/", "/hooks/", "/hooks/acme-push", "/slack", "/telegram", "/config.toml", "/../config.toml"):
            assert (await http.get(path)).status_code in (404, 405), path
    assert "Traceback" not in caplog.text


async def test_every_address_is_tried_here() -> None:
    async def answer(request: Any) -> Any: ...

    app = http_app(HttpDeps(None, lambda key: None, answer, {}, slack=answer, telegram=answer))  # type: ignore[arg-type]
    paths = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    posted = {"/hooks/{source}" if "/hooks/" in ask["url"] else ask["url"] for ask, _ in refused().values()}
    assert {path for method, path in paths if method == "POST"} == posted
    assert {path for method, path in paths if method == "GET"} == {*READ_ONLY, "/hooks/{source}"}


async def test_what_is_signed_and_comes_again_changes_nothing_more(
    desk: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded within the minutes in which its signature holds, and sent once more."""
    async with called_by_http(desk, monkeypatch) as (w, http):
        push = pushed("acme-push", REVIEW)
        assert (await http.post(**push)).json()["accepted"] == 1
        await w.state(1, "new")
        told = (await http.post(**push)).json()
        assert (told["accepted"], told["duplicates"]) == (0, 1)

        taken = telegrammed(said("/open", update=900002))
        for _ in range(2):
            assert (await http.post(**taken)).status_code == 200
        await w.staff.thread(1)
        pressed = slacked(slack_press("1:take:1:0:", "U0ANNA"), form=True)
        for _ in range(2):
            assert (await http.post(**pressed)).status_code == 200
        await w.state(1, "in_work")
        assert (await w.events(1)).count("taken") == 1
        async with w.app.store.database.reader.begin() as connection:
            lists = select(func.count()).select_from(work).where(work.c.kind == "answer")
            assert (await connection.execute(lists)).scalar_one() == 1


async def test_a_client_of_webhooks_reaches_its_own_brand_only(desk: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"id": "r-1", "text": "Cold coffee", "rating": 1, "brand": "acme-coffee", "source": "acme-push"})
    async with called_by_http(desk, monkeypatch) as (w, http):
        assert (await http.post(**pushed("acme-push", REVIEW))).json()["accepted"] == 1
        await w.state(1, "new")
        await http.post(**pushed("nova-push", body.encode(), "msg_9"))
        gone = json.dumps({"id": "r-1", "deleted": True}).encode()
        await http.post(**pushed("nova-push", gone, "msg_10"))

        async def at_rest() -> bool:
            return not [waits for waits in await w.app.store.waiting() if waits.kind == "receive"]

        await w.until(at_rest)
        case = await w.case(1)
        assert (case.brand, case.mention.text, case.state.value) == ("acme-coffee", "Cold coffee", "new")


async def test_metrics_and_health_say_nothing_about_people(desk: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    async with called_by_http(desk, monkeypatch) as (w, http):
        w.review(1, "A-text-of-a-person", "A-name-of-a-person")
        await w.state(1, "new")
        pages = [(await http.get(path)).text for path in READ_ONLY]
        assert "replydesk_cases" in pages[2]
        assert not [page for page in pages if "of-a-person" in page]
