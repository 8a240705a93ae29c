"""A desk whose secrets can be recognised, through success and failure at every edge: nothing of them stays anywhere."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import logs
from desk import errors
from desk.errors import Broken, Refused, Retry
from desk.service import Pressed
from sandbox.server import Sandbox
from tests.scenarios import world as scenarios
from tests.scenarios.conftest import Opened
from tests.scenarios.world import SECRETS, World, a_sandbox
from tests.security.doors import (
    HOOKS,
    SLACK_SECRET,
    TELEGRAM_SECRET,
    called_by_http,
    pushed,
    said,
    slack_press,
    slacked,
    telegrammed,
)
from tests.security.intruders import _populate

REVIEW = json.dumps({"id": "r-1", "text": "Cold coffee", "rating": 1}).encode()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """All that every library logs at DEBUG, as the desk writes it, set up where `run` does: once it is configured."""
    stream, handlers, load = io.StringIO(), [], scenarios.load
    levels = {name: logging.getLogger(name).level for name in ("", *logs.LEVELS)}

    def loaded(path: Path) -> Any:
        config = load(path)
        handlers.append(logs.setup_logs(config, stream=stream, as_json=True, level="DEBUG"))
        for name in logs.LEVELS:
            logging.getLogger(name).setLevel("DEBUG")
        return config

    monkeypatch.setattr(scenarios, "load", loaded)
    yield stream
    for handler in handlers:
        logs.tear_down(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logs.forget_secrets()


def secrets(made: Sandbox) -> dict[str, str]:
    """Each by its name, and as much of it as would give it away."""
    key = made.site.service_account()["private_key"].splitlines()
    return {
        "the bot's token": SECRETS["TELEGRAM_TOKEN"].partition(":")[2],
        "Slack's token": SECRETS["SLACK_BOT_TOKEN"],
        "Slack's signing secret": SLACK_SECRET,
        "Telegram's secret": TELEGRAM_SECRET,
        "the desk's key": SECRETS["REPLYDESK_SECRET"],
        "the service account's key": key[1],
        "the end of that key": key[-2] if len(key[-2]) > 16 else key[-3],
        "an access token": "ya29.sandbox-",
        **{f"the secret of {name}": secret.removeprefix("whsec_") for name, secret in HOOKS.items()},
    }


def echoing(made: Sandbox) -> None:
    """Every edge fails in each of its ways, some with our own secrets in what they say."""
    token, slack = SECRETS["TELEGRAM_TOKEN"], SECRETS["SLACK_BOT_TOKEN"]
    faults: list[tuple[Any, ...]] = [("status", 502), ("html",), ("drop_before",), ("retry_after", 0)]
    for method in ("sendMessage", "createForumTopic", "editMessageText"):
        made.telegram.fail(method, *faults, ("error", 400, f"Bad Request: no rights for https://x/bot{token}/{method}"))
    made.telegram.fail("answerCallbackQuery", ("error", 400, f"Bad Request: {token}"))
    made.slack.fail("chat.postMessage", ("status", 503), ("html",), ("error", f"invalid_{slack}"))
    made.slack.fail("chat.update", ("error", "internal_error"), ("drop_before",))
    made.slack.fail("chat.postEphemeral", ("error", f"no_such_{slack}"))
    for method in ("reviews.list", "reviews.get"):
        made.site.fail(method, ("status", 500), ("html",), ("error", 401, "authError", f"Bad token {token}"))
    made.site.fail("reviews.reply", ("error", 400, "invalid", f"The key {SECRETS['REPLYDESK_SECRET']} is wrong"))


async def _through_everything(w: World, http: Any) -> list[str]:
    """Success and failure; returns what the doors answered."""
    answers = []
    for ask in (
        pushed("acme-push", REVIEW, secret=HOOKS["nova-push"]),
        slacked(slack_press("1:take:1:0:", "U0ANNA"), secret=SLACK_SECRET[::-1], form=True),
        telegrammed(said("/open"), TELEGRAM_SECRET[:-1]),
        pushed("acme-push", REVIEW),
        telegrammed(said("/open", update=900001)),
        telegrammed(said(f"/add https://x.example/?token={TELEGRAM_SECRET}", update=900002)),
    ):
        answers.append((await http.post(**ask)).text)
    await w.state(1, "new")
    for n, value in enumerate(("1:take:1:0:", "1:suggest:1:0:", "1:approve:1:1:")):
        ask = slacked(slack_press(value, ("U0ANNA", "U0ANNA", "U0MARTA")[n]), form=True)
        answers.append((await http.post(**ask)).text)
    return answers


def _outside(made: Sandbox) -> str:
    """What rooms and platforms were sent. The secret that Telegram is to call us with is given to it, once."""
    telegram = [c.params for c in made.telegram.calls if c.method.lower() != "setwebhook"]
    return json.dumps([telegram, [c.params for c in made.slack.calls]], default=str, ensure_ascii=False)


async def test_no_secret_stays_in_logs_errors_metrics_rooms_or_the_database(
    desk: Opened, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    async with a_sandbox() as made:
        _populate(made)
        async with called_by_http(desk, monkeypatch, sandbox=made) as (w, http):
            review = w.review(1, "From the platform")
            echoing(made)
            answers = await _through_everything(w, http)
            await _a_reply_that_is_refused(w, review)
            answers += [(await http.get(path)).text for path in ("/metrics", "/readyz", "/healthz")]
            sent = _outside(made)
            folder = w.folder
    places = {
        "the log": log.getvalue(),
        "an answer over HTTP": "\n".join(answers),
        "a room": sent.replace(f"?token={TELEGRAM_SECRET}", ""),
        **{file.name: file.read_bytes().decode("latin-1") for file in folder.glob("desk.db*")},
    }
    assert "chat.postMessage" in places["the log"], "the libraries do log at DEBUG"
    assert "From the platform" in places["desk.db"]
    # A person wrote this one into a chat themselves: it is their text, which the desk keeps to the letter.
    places["desk.db"] = places["desk.db"].replace(f"?token={TELEGRAM_SECRET}", "")
    places["the log"] = places["the log"].replace(f"?token={TELEGRAM_SECRET}", "")
    found = [
        f"{name} in {place}"
        for place, text in places.items()
        for name, secret in secrets(made).items()
        if secret in text
    ]
    assert found == []


async def _a_reply_that_is_refused(w: World, review: str) -> None:
    """The platform says no, with a secret in its reason, which is shown to staff and kept."""

    async def there() -> int:
        for number in (1, 2, 3, 4):
            case = await w.case(number)
            if case is not None and case.mention.key.external_id == review:
                return number
        return 0

    number = await w.until(there, what="the review's case")
    anna, marta = (w.app.live.current.person(key) for key in ("anna", "marta"))
    steps = (anna, "take", None), (anna, "write", None), (anna, "send", 1), (marta, "approve", 1)
    for n, (who, action, version) in enumerate(steps):
        answers = {"text": "Sorry, Dina"} if action == "write" else {}
        pressed = Pressed(f"p{n}", who, action, number, version, "telegram:-1001000000001", answers=answers)
        outcome = await w.app.desk.press(pressed)
        assert outcome.ok, outcome
    await w.state(number, "failed")
    case = await w.case(number)
    assert "is wrong" in case.failure
    assert "***" in case.failure


@pytest.mark.parametrize("kind", [Retry, Refused, Broken])
def test_what_a_server_says_is_cleaned_before_anybody_keeps_it(kind: type[errors.DeskError]) -> None:
    logs.secrets(["a-password-of-ours"])
    errors.hide_with(logs.hidden)
    try:
        error = kind("401: a-password-of-ours is not known at https://api.telegram.org/bot12345:AAAA-bbbb/getMe")
        assert error.reason == str(error) == "401: *** is not known at https://api.telegram.org/bot***/getMe"
    finally:
        errors.hide_with(str)
        logs.forget_secrets()
