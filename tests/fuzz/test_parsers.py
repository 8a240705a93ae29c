"""Whatever comes from outside is read, or refused with an error the desk knows: never another one, never for ever."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiogram.types import ChatMemberOwner, ChatMemberUpdated, Message, Update
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks import Webhook

from bot.config import ConfigFaults, load
from collectors.webhook import HookError, Received, parse
from desk.errors import DeskError
from desk.mention import Mention
from desk.receiving import pack, unpack
from handlers.slack import modals, values
from handlers.telegram import callback, thread
from handlers.telegram.commands import COMMANDS, Verb, decoded
from handlers.telegram.commands import parse as typed
from tests.bot import sample
from tests.collectors.wire import NOW, now
from tests.contracts.test_platforms import PLATFORMS, POLLED, fake_of
from tests.fuzz.atheris_parsers import one
from tests.fuzz.shapes import SLOW, anything, changed, cut, dumped

bounded = settings(suppress_health_check=SLOW)
"""As many examples as the profile says. How long one may take is no matter of the machine's load."""

fewer = settings(bounded, max_examples=settings().max_examples // 3)
"""For what opens a client each time."""

READING = values.Reading(lambda user: "")
SINCE = NOW - timedelta(days=2)

# buttons


@bounded
@given(st.text(max_size=80) | st.binary(max_size=64).map(lambda raw: raw.decode("latin-1")) | st.none())
def test_callback_data(packed: str | None) -> None:
    data = callback.unpack(packed)
    assert data is None or (0 <= data.case < 36**11 and data.action.isascii())


@bounded
@given(st.text(max_size=300) | anything)
def test_slack_values(value: Any) -> None:
    found = values.decode(value)
    assert found is None or (0 <= found.case < 10**18 and found.version < 10**9)


META = json.loads(modals.encode(modals.Meta("write", 1, 1, "C1", "1.1")))


@bounded
@given(st.text(max_size=100) | anything | changed([META]).map(json.dumps))
def test_what_a_modal_remembers(text: Any) -> None:
    assert modals.decode(text) is None or isinstance(modals.decode(text), modals.Meta)


# Slack's texts and interactions


RUNS = [
    {"type": "text", "text": "Sorry"},
    {"type": "link", "url": "https://x.example", "text": "x"},
    {"type": "user", "user_id": "U1"},
    {"type": "usergroup", "usergroup_id": "S1"},
    {"type": "channel", "channel_id": "C1"},
    {"type": "broadcast", "range": "here"},
    {"type": "emoji", "name": "tada", "unicode": "1f389", "skin_tone": 2},
    {"type": "date", "fallback": "today"},
    {"type": "color", "value": "#fff"},
]
SECTION = {"type": "rich_text_section", "elements": RUNS}
RICH = [
    {
        "type": "rich_text",
        "elements": [
            SECTION,
            {"type": "rich_text_quote", "elements": RUNS[:2]},
            {"type": "rich_text_list", "style": "ordered", "offset": 1, "indent": 1, "elements": [SECTION]},
        ],
    }
]
SAID = {"type": "message", "user": "U1", "team": "T1", "channel": "C1", "ts": "1.1", "text": "<@U1> hi", "blocks": RICH}


@bounded
@given(changed([SAID]))
def test_a_message_of_slack(message: Any) -> None:
    if isinstance(message, dict):
        assert isinstance(values.message_text(message, READING), str)


@bounded
@given(st.text(max_size=200))
def test_slacks_notation(text: str) -> None:
    assert isinstance(values.plain(text, READING), str)


VALUES = {
    "text": {"text": {"type": "plain_text_input", "value": "Sorry"}},
    "to": {"to": {"selected_option": {"value": "x"}}},
}


@bounded
@given(changed([VALUES]))
def test_answers_of_a_modal(state: Any) -> None:
    assert isinstance(modals.answers_of(state, READING), dict)


# Telegram's updates


PERSON = {"id": 1001, "is_bot": False, "first_name": "Anna"}
GROUP = {"id": -1001, "type": "supergroup", "title": "Acme", "is_forum": True}
LINK = {"type": "text_link", "offset": 0, "length": 4, "url": "https://x.example"}
MESSAGE = {
    "message_id": 7,
    "date": 1764000000,
    "chat": GROUP,
    "from": PERSON,
    "message_thread_id": 5,
    "is_topic_message": True,
}
PHOTO = {"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9, "file_size": 10**8}
UPDATES = [
    {"update_id": 1, "message": {**MESSAGE, "text": "/reply Sorry 😀", "entities": [LINK]}},
    {"update_id": 2, "edited_message": {**MESSAGE, "edit_date": 1764000001, "caption": "x", "photo": [PHOTO]}},
    {
        "update_id": 3,
        "message": {
            **MESSAGE,
            "text": "Cold",
            "forward_origin": {
                "type": "channel",
                "date": 1764000000,
                "chat": {"id": -1002, "type": "channel"},
                "message_id": 3,
            },
        },
    },
    {
        "update_id": 4,
        "callback_query": {"id": "9", "from": PERSON, "chat_instance": "1", "data": "c1:take:1::", "message": MESSAGE},
    },
    {
        "update_id": 5,
        "my_chat_member": {
            "chat": GROUP,
            "from": PERSON,
            "date": 1764000000,
            "old_chat_member": {"status": "member", "user": PERSON},
            "new_chat_member": {"status": "kicked", "user": PERSON, "until_date": 0},
        },
    },
]


class Nobody:
    """A setup that knows nobody."""

    def person(self, user: int | None) -> None:
        return None


def check_message(message: Message) -> None:
    """All that is asked of a message before anything of it is stored."""
    heard = thread.heard(message, thread.writer(Nobody(), message))  # type: ignore[arg-type]
    assert "\x00" not in heard.text
    assert (heard.said, heard.edited) == (str(message.message_id), message.edit_date is not None)
    assert thread.idem(message).startswith(f"tg:0:{message.chat.id}:{message.message_id}:")
    assert thread.is_talk(message) or not message.text or (message.from_user is not None and message.from_user.is_bot)
    assert (thread.forwarded(message) is None) == (message.forward_origin is None)
    assert message.sender_chat is not None or not thread.is_anonymous(message)


def check_place(changed: ChatMemberUpdated) -> None:
    new = changed.new_chat_member
    keeps_topics = isinstance(new, ChatMemberOwner) or bool(getattr(new, "can_manage_topics", False))
    assert (thread.lost(changed) == "") == keeps_topics, "nobody is told that the bot cannot work"


def check_update(update: Any) -> None:
    try:
        known = Update.model_validate(update)
    except ValidationError:
        return
    for message in (known.message, known.edited_message):
        if message is not None:
            check_message(message)
    if known.callback_query is not None and known.callback_query.data is not None:
        data = callback.unpack(known.callback_query.data)
        assert data is None or known.callback_query.data.startswith("c1:")
    if known.my_chat_member is not None:
        check_place(known.my_chat_member)


@bounded
@given(changed(UPDATES))
def test_an_update_of_telegram(update: Any) -> None:
    check_update(update)


entities = st.builds(
    lambda offset, length: {**LINK, "offset": offset, "length": length}, st.integers(-9, 99), st.integers(-9, 99)
)


@bounded
@given(st.text(max_size=40), st.lists(entities, max_size=4))
def test_entities_beyond_the_text(text: str, given_: list[dict[str, Any]]) -> None:
    said = {
        **MESSAGE,
        "text": text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"),
        "entities": given_,
    }
    assert isinstance(thread.plain(Message.model_validate(said)), str)


@bounded
@given(st.text(max_size=200), st.text(max_size=10))
def test_what_is_typed(text: str, username: str) -> None:
    found = typed(text, username, private=True)
    assert found is None or (text.lstrip().startswith("/") and found.text in text and found.text == found.text.strip())


BOTS = st.sampled_from(("replydesk_bot", "REPLYDESK_BOT", "other_bot"))


@bounded
@given(st.sampled_from(sorted(COMMANDS)), BOTS, st.text(max_size=200))
def test_a_command_is_for_the_bot_it_names(verb: str, bot: str, text: str) -> None:
    found = typed(f"/{verb}@{bot} {text}", "replydesk_bot")
    assert found == (None if bot == "other_bot" else Verb(verb, text.strip()))


@bounded
@given(st.binary(max_size=200))
def test_files_with_a_text(data: bytes) -> None:
    assert isinstance(decoded(data), str)


# webhooks


SECRET = "whsec_" + "c2VjcmV0IG9mIHR3ZW50eS1mb3VyIGJ5dGVz"
AT = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
PUSH = {
    "id": "r-1",
    "text": "Cold coffee",
    "title": "x",
    "rating": 1,
    "url": "https://x.example/1",
    "published_at": "2026-11-22T08:00:00Z",
    "author": {"id": "u", "name": "Dina", "url": "https://x.example/u", "followers": 3},
    "media": ["https://x.example/1.jpg"],
    "lang": "en",
    "deleted": False,
}


def received(body: bytes) -> Received | HookError:
    """What becomes of a push that is signed as it should be."""
    signed = {
        "webhook-id": "m",
        "webhook-timestamp": str(int(AT.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("m", AT, body.decode("utf-8", "surrogateescape")),
    }
    try:
        return parse(body, signed, SECRET, "acme-coffee", "acme-push", AT)
    except HookError as refused:
        return refused


@bounded
@given(changed([PUSH, [PUSH, PUSH], {"mentions": [PUSH]}]).map(dumped) | anything.map(dumped) | cut(dumped(PUSH)))
def test_a_push(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    got = received(body)
    if isinstance(got, HookError):
        assert str(got)
        assert got.status in (400, 413, 422), "it was signed"
        return
    assert all(one["error"] for one in got.rejected)
    for mention in got.mentions:
        assert unpack(json.loads(json.dumps(pack(mention)))) == mention
        assert mention.key[:3] == ("acme-coffee", "webhook", "acme-push")


@bounded
@given(st.dictionaries(st.sampled_from(("webhook-id", "webhook-timestamp", "webhook-signature")), st.text(max_size=30)))
def test_the_headers_of_a_push(headers: dict[str, str]) -> None:
    with pytest.raises(HookError):
        parse(dumped(PUSH), headers, SECRET, "acme-coffee", "acme-push", AT)


# platforms


@cache
def answers_of(name: str) -> list[tuple[bytes, str]]:
    """(body, content type) of all that a platform's fake answers to one reading."""
    fake, seen = fake_of(name), []
    fake.publish("Card blocked")

    def serve(request: httpx.Request) -> httpx.Response:
        answer: httpx.Response = fake.serve(request)
        if fake.is_api(request):
            seen.append((answer.content, answer.headers.get("content-type", "")))
        return answer

    asyncio.run(_reading(name, fake, serve))
    return seen


async def _reading(name: str, fake: Any, serve: Any) -> list[Mention] | DeskError:
    async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as http:
        platform = PLATFORMS[name].open(fake.settings, "bank", f"bank-{name}", http, now)
        async with asyncio.timeout(20):
            try:
                return list((await platform.read(None, SINCE)).mentions)
            except DeskError as known:
                return known
            finally:
                await platform.close()


def bodies(name: str) -> st.SearchStrategy[bytes]:
    known = [body for body, _ in answers_of(name)]
    samples = [json.loads(body) for body, kind in answers_of(name) if "json" in kind]
    odd = changed(samples).map(dumped) | anything.map(dumped) if samples else st.nothing()
    return odd | st.sampled_from(known).flatmap(cut) | st.binary(max_size=200)


def check_answer(name: str, body: bytes) -> None:
    fake, kind = fake_of(name), answers_of(name)[0][1]
    fake.publish("Card blocked")

    def serve(request: httpx.Request) -> httpx.Response:
        if not fake.is_api(request):
            return httpx.Response(
                200, content=fake.serve(request).content, headers={"content-type": "application/json"}
            )
        return httpx.Response(200, content=body, headers={"content-type": kind})

    got = asyncio.run(_reading(name, fake, serve))
    if isinstance(got, DeskError):
        assert got.reason, "a person is told what is wrong"
        return
    for mention in got:
        assert unpack(json.loads(json.dumps(pack(mention)))) == mention
        assert mention.key[:2] == ("bank", name)


@pytest.mark.parametrize("name", POLLED)
@fewer
@given(data=st.data())
def test_an_answer_of_a_platform(name: str, data: st.DataObject) -> None:
    check_answer(name, data.draw(bodies(name)))


# the configuration


def refusals(folder: Path, text: str) -> list[str] | None:
    """What a configuration is refused for; None where it is taken."""
    path = folder / "config.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(path, sample.SECRETS)
    except ConfigFaults as found:
        return [str(fault) for fault in found.faults]
    return None


LINES = [line for line in sample.SOUND.splitlines() if "=" in line]
ODD_VALUES = (
    '""',
    "[]",
    "{}",
    "-1",
    "1e400",
    "true",
    "2026-11-22",
    '"env:"',
    '"file:/dev/zero"',
    '"²"',
    "nan",
    '"\\u0000"',
    "[[]]",
)


@bounded
@given(st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ODD_VALUES)), min_size=1, max_size=3))
def test_a_configuration_with_odd_values(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str]]
) -> None:
    text = sample.SOUND
    for line, value in changes:
        text = text.replace(line, f"{line.partition('=')[0]}= {value}")
    told = refusals(tmp_path_factory.getbasetemp(), text)
    assert told is None or (told and all(told)), "refused with something to mend, not with an empty no"


@bounded
@given(st.text(max_size=200))
def test_a_configuration_that_is_none(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    assert refusals(tmp_path_factory.getbasetemp(), text), "no client, and nobody is told"


@fewer
@given(st.binary(max_size=120))
def test_what_atheris_would_feed(data: bytes) -> None:
    assert not set(one(data)) & set("\x00\u202e\u200b\u2066"), "what nobody sees stays unseen"
