"""What the desk writes into Slack, what it makes of Slack's refusals, and how events find their workspace."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError

from bot import config
from bot.check.slack import SCOPES
from bot.slack import FRESH, Client, SlackChat, web_client
from desk.errors import BadAnswer, Broken, DeskError, Gone, Refused, Retry, Unsure
from desk.hearing import VERBS
from desk.ports import Chat, Sent
from desk.view import Button, Drawing, Line, Quote, Say
from handlers.slack.commands import MAKE_CASE
from handlers.slack.errors import TABLE, translated
from sandbox.slack import Slack
from sandbox.slack.events import signature
from sandbox.slack.state import App
from tests.handlers.slack_world import (
    ANNA,
    CLIENT,
    ENV,
    MILA,
    SECRET,
    STAFF,
    TEAM,
    World,
    acme,
    serving,
    text_of,
    until,
    words,
    world_of,
)

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
ROOM = f"slack:main/{CLIENT}"


def calling(url: str, seconds: float = 15) -> Client:
    made = web_client(config.Slack.model_validate({"bot_token": SecretStr("xoxb-acme"), "api_base": url}))
    made.timeout = seconds  # type: ignore[assignment]  # seconds, also parts of them
    return made


def drawing(text: str = "Hello", *quotes: str) -> Drawing:
    say = Say("literal", {"text": text})
    rows = ((Button("take", "button_take", 7, 0),),)
    return Drawing(say, (Line(say), *(Quote(q) for q in quotes)), rows)


@pytest.fixture
def slack() -> Slack:
    return acme()


@pytest.fixture
async def url(slack: Slack) -> AsyncIterator[str]:
    async with serving(slack) as address:
        slack.world.origin = address
        yield address


@pytest.fixture
def chat(url: str) -> SlackChat:
    client = calling(f"{url}/slack/api/")
    return SlackChat({"main": client}, lambda: NOW)


# writing


async def test_first_message_is_the_thread_and_carries_our_key(chat: Chat, slack: Slack) -> None:
    sent = await chat.send(ROOM, "", drawing(), "draw-1")
    reply = await chat.send(ROOM, sent.thread, drawing("Reply"), "draw-2")
    first, second = slack.messages(TEAM, CLIENT)
    assert not chat.makes_threads
    assert (sent.message, sent.thread) == (first["ts"], first["ts"])
    assert (reply.message, reply.thread) == (second["ts"], first["ts"])
    assert second["thread_ts"] == first["ts"]
    assert first["metadata"] == {"event_type": "replydesk", "event_payload": {"key": "draw-1"}}
    assert first["text"] == "Hello"


async def test_thread_can_be_opened_by_itself(chat: Chat, slack: Slack) -> None:
    assert await chat.open(ROOM, drawing()) == slack.messages(TEAM, CLIENT)[0]["ts"]


async def test_edit_sends_text_and_blocks_and_can_be_repeated(chat: Chat, slack: Slack) -> None:
    sent = await chat.send(ROOM, "", drawing(), "draw-1")
    for _ in range(2):
        await chat.edit(ROOM, sent.message, drawing("Changed"))
    (message,) = slack.messages(TEAM, CLIENT)
    assert text_of(message).startswith("Changed")
    assert message["blocks"][-1]["type"] == "actions"


async def test_text_too_long_for_a_message_comes_whole_in_a_file_of_its_thread(chat: Chat, slack: Slack) -> None:
    sent = await chat.send(ROOM, "", drawing("Version 1", "Слово " * 3000), "draw-1")
    _, file = slack.messages(TEAM, CLIENT)
    assert file["thread_ts"] == sent.message
    stored = next(iter(slack.world.teams[TEAM].files.values()))
    assert stored.content == ("Слово " * 3000).encode()


async def test_file_that_cannot_be_attached_does_not_post_the_message_again(chat: Chat, slack: Slack) -> None:
    slack.fail("files.completeUploadExternal", ("drop_after",))
    assert (await chat.send(ROOM, "", drawing("Version 1", "x" * 20_000), "draw-1")).message


@pytest.mark.parametrize("thread", [False, True])
async def test_message_whose_answer_was_lost_is_found_by_its_key(chat: Chat, slack: Slack, thread: bool) -> None:
    parent = (await chat.send(ROOM, "", drawing(), "draw-0")).message if thread else ""
    slack.fail("chat.postMessage", ("drop_after",))
    with pytest.raises(Unsure):
        await chat.send(ROOM, parent, drawing("Lost"), "draw-1")
    posted = slack.messages(TEAM, CLIENT)[-1]["ts"]
    assert await chat.find(ROOM, parent, "draw-1") == Sent(posted, parent or posted)
    assert await chat.find(ROOM, parent, "draw-2") is None


async def test_message_is_found_behind_many_others(chat: Chat, slack: Slack) -> None:
    parent = (await chat.send(ROOM, "", drawing(), "draw-0")).message
    for number in range(250):
        slack.write(TEAM, MILA, CLIENT, f"talk {number}", thread_ts=parent)
    sent = await chat.send(ROOM, parent, drawing(), "draw-1")
    assert await chat.find(ROOM, parent, "draw-1") == sent


@pytest.mark.parametrize("fault", [("retry_after", 3), ("error", "missing_scope"), ("status", 500), ("html",)])
async def test_where_messages_cannot_be_read_back_the_outcome_stays_unknown(
    chat: Chat, slack: Slack, fault: tuple[Any, ...]
) -> None:
    slack.fail("conversations.history", fault)
    with pytest.raises(Unsure):
        await chat.find(ROOM, "", "draw-1")


async def test_digest_changes_exactly_with_what_is_shown(chat: Chat) -> None:
    assert chat.digest(drawing("a")) == chat.digest(drawing("a"))
    assert chat.digest(drawing("a")) != chat.digest(drawing("b"))


# refusals


FAULTS: list[tuple[tuple[Any, ...], type[DeskError]]] = [
    (("retry_after", 7), Retry),
    (("error", "ratelimited"), Retry),
    (("error", "channel_not_found"), Broken),
    (("error", "not_in_channel"), Broken),
    (("error", "is_archived"), Broken),
    (("error", "account_inactive"), Broken),
    (("error", "token_revoked"), Broken),
    (("error", "token_expired"), Broken),
    (("error", "invalid_auth"), Broken),
    (("error", "missing_scope"), Broken),
    (("error", "restricted_action"), Broken),
    (("error", "thread_not_found"), Gone),
    (("error", "message_not_found"), Gone),
    (("error", "msg_too_long"), Refused),
    (("error", "invalid_blocks"), Refused),
    (("error", "never_heard_of"), Refused),
    (("error", "service_unavailable"), Retry),
    (("error", "internal_error"), Unsure),
    (("status", 500), Unsure),
    (("status", 404), BadAnswer),
    (("html",), Unsure),
    (("drop_before",), Unsure),
    (("drop_after",), Unsure),
    (("delay", 3), Unsure),
]


@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=str)
async def test_refusal_says_what_to_do_next(
    url: str, slack: Slack, fault: tuple[Any, ...], error: type[DeskError]
) -> None:
    client = calling(f"{url}/slack/api/", 0.5 if fault[0] == "delay" else 15)
    slack.fail("chat.postMessage", fault)
    with pytest.raises(error) as raised:
        await SlackChat({"main": client}, lambda: NOW).send(ROOM, "", drawing(), "draw-1")
    assert type(raised.value) is error
    assert raised.value.__cause__ is not None
    assert len([call for call in slack.calls if call.method == "chat.postMessage"]) <= 1
    if fault[0] == "retry_after":
        assert isinstance(raised.value, Retry)
        assert (raised.value.after, raised.value.rate_limited) == (7, True)


async def test_real_refusals_of_a_room_tell_their_remedy(chat: Chat, slack: Slack) -> None:
    slack.remove_bot(TEAM, CLIENT)
    with pytest.raises(Broken, match="/invite"):
        await chat.send(ROOM, "", drawing(), "k")
    slack.revoke(TEAM)
    with pytest.raises(Broken, match="install the app again"):
        await chat.send(ROOM, "", drawing(), "k")
    with pytest.raises(Broken, match="elsewhere"):
        await chat.send("slack:elsewhere/C1", "", drawing(), "k")


async def test_gone_says_whether_message_or_thread(chat: Chat) -> None:
    with pytest.raises(Gone) as gone:
        await chat.edit(ROOM, "1.000001", drawing())
    assert gone.value.what == "message"
    with pytest.raises(Gone) as gone:
        await chat.send(ROOM, "1.000001", drawing(), "k")
    assert gone.value.what == "thread"


async def test_slack_that_cannot_be_reached_has_done_nothing() -> None:
    client = calling("http://127.0.0.1:9/slack/api/")
    with pytest.raises(Retry):
        await SlackChat({"main": client}, lambda: NOW).send(ROOM, "", drawing(), "k")


async def test_answer_in_plain_text_from_something_in_between_is_not_a_success() -> None:
    async def proxy(request: web.Request) -> web.Response:
        return web.Response(text="Please sign in to the network")

    async with serving(acme(), web.post("/proxy/{method}", proxy)) as url:
        client = calling(f"{url}/proxy/")
        with pytest.raises(Unsure):
            await SlackChat({"main": client}, lambda: NOW).send(ROOM, "", drawing(), "k")


def test_every_code_of_the_table_becomes_an_error_with_words() -> None:
    for code, make in TABLE.items():
        assert code in make(code).reason


def test_half_an_answer_is_unsure() -> None:
    assert isinstance(translated(SlackApiError("cut JSON", None)), Unsure)
    assert isinstance(translated(json.JSONDecodeError("cut", "{", 1)), Unsure)


# files


async def test_file_is_fetched_with_the_token_and_sent_on(chat: Chat, slack: Slack) -> None:
    slack.write(TEAM, MILA, CLIENT, "see", files=[{"name": "shot.png", "content": b"\x89PNG\x00"}])
    file = next(iter(slack.world.teams[TEAM].files.values()))
    url = slack.world.file_json(slack.world.teams[TEAM], file)["url_private"]
    assert await chat.fetch(ROOM, f"{url}#5") == b"\x89PNG\x00"

    thread = (await chat.send(f"slack:main/{STAFF}", "", drawing(), "k")).message
    await chat.send_file(f"slack:main/{STAFF}", thread, "снимок.png", b"\x89PNG\x00", drawing("From <@U0A> & co"))
    shared = slack.messages(TEAM, STAFF)[-1]
    assert (shared["files"][0]["name"], shared["thread_ts"]) == ("снимок.png", thread)
    assert shared["text"] == "From &lt;@U0A&gt; &amp; co"


async def test_token_goes_to_slack_alone(url: str) -> None:
    chat = SlackChat({"main": calling(f"{url}/slack/api/")}, lambda: NOW)
    for address in (
        "https://evil.example/f",
        "https://slack.com.evil.example/f",
        "http://files.slack.com/f",
        "file:///x",
    ):
        with pytest.raises(Refused):
            await chat.fetch(ROOM, f"{address}#10")


async def test_sign_in_page_is_not_taken_for_a_file(chat: Chat, slack: Slack) -> None:
    slack.write(TEAM, MILA, CLIENT, "see", files=[{"name": "page.html", "content": "<p>hello"}])
    team = slack.world.teams[TEAM]
    url = slack.world.file_json(team, next(iter(team.files.values())))["url_private"]
    assert await chat.fetch(ROOM, f"{url}#8") == b"<p>hello"
    team.scopes.discard("files:read")
    with pytest.raises(Broken, match="files:read"):
        await chat.fetch(ROOM, f"{url}#8")


async def test_file_too_large_or_gone_is_said_so(chat: Chat, slack: Slack, url: str) -> None:
    with pytest.raises(Refused, match="20 MB"):
        await chat.fetch(ROOM, f"{url}/slack/files/T0ACME/F1#{21 * 1024 * 1024}")
    with pytest.raises(Gone):
        await chat.fetch(ROOM, f"{url}/slack/files/T0ACME/F1#5")
    with pytest.raises(Refused, match="empty"):
        await chat.send_file(ROOM, "", "a.txt", b"", drawing())


@pytest.mark.parametrize(
    ("method", "error"), [("files.getUploadURLExternal", Retry), ("files.completeUploadExternal", Unsure)]
)
async def test_upload_is_unsure_only_from_its_last_call_on(
    chat: Chat, slack: Slack, method: str, error: type[DeskError]
) -> None:
    slack.fail(method, ("drop_after",))
    with pytest.raises(error):
        await chat.send_file(ROOM, "", "a.txt", b"x", drawing())


# addresses


def test_links_lead_to_the_thread_or_the_message_in_it() -> None:
    clients = {"main": calling("https://slack.com/api/"), "demo": calling("http://127.0.0.1:1/api/")}
    chat = SlackChat(clients, lambda: NOW)
    assert chat.link("slack:main/C1", "1.000002") == "https://slack.com/archives/C1/p1000002"
    chat.sites["main"] = "https://acme.slack.com/"
    assert chat.link("slack:main/C1", "1.000002") == "https://acme.slack.com/archives/C1/p1000002"
    inside = "https://acme.slack.com/archives/C1/p1000003?thread_ts=1.000002&cid=C1"
    assert chat.link("slack:main/C1", "1.000002", "1.000003") == inside
    assert chat.link("slack:demo/C1", "1.000002") == ""


def test_manifest_asks_for_what_check_looks_for_and_names_what_we_listen_to() -> None:
    manifest = (Path(__file__).parents[2] / "slack-manifest.yaml").read_text(encoding="utf-8")

    def listed(name: str) -> list[str]:
        found = re.search(rf"^ +{name}:\n((?: +- [\w:.]+\n)+)", manifest, re.MULTILINE)
        assert found is not None
        return re.findall(r"- ([\w:.]+)", found[1])

    assert sorted(listed("bot")) == sorted(SCOPES)
    assert {"message.channels", "message.groups", "app_mention", "tokens_revoked"} <= set(listed("bot_events"))
    assert f"callback_id: {MAKE_CASE}\n" in manifest
    (hint,) = re.findall(r'usage_hint: "(.+)"', manifest)
    assert {part.split()[0] for part in hint.split(" | ")} <= set(VERBS)


# coming in by socket


def stale(slack: Slack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The next address Slack gives is dead when it is used; returns all that it gives."""
    given: list[str] = []
    ticket = slack.sockets.ticket

    def dead_once(app: App) -> str:
        given.append(ticket(app))
        if len(given) == 1:
            slack.sockets._tickets.clear()
        else:
            # This one is good; if it takes too long all the same, the next has the time it needs.
            monkeypatch.setattr("bot.slack.FRESH", FRESH)
        return given[-1]

    monkeypatch.setattr(slack.sockets, "ticket", dead_once)
    monkeypatch.setattr("bot.slack.FRESH", 0.5)
    return given


async def connected(world: World) -> None:
    """Slack may see a connection a moment before the desk does, or one that the desk has given up."""
    async with asyncio.timeout(60):
        while await world.doors.check():  # noqa: ASYNC110 - the check tells of nothing by itself
            await asyncio.sleep(0.01)


async def test_an_address_of_a_socket_that_went_stale_is_asked_for_anew(
    slack: Slack, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    given = stale(slack, monkeypatch)
    async with world_of(slack, sqlite_url, tmp_path) as world:
        await connected(world)
        assert len(given) > 1


async def test_a_socket_that_was_lost_comes_back_though_the_first_new_address_is_dead(
    slack: Slack, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    async with world_of(slack, sqlite_url, tmp_path) as world:
        given = stale(slack, monkeypatch)
        links = slack.sockets.links[slack.world.teams[TEAM].app.id]
        slack.disconnect(TEAM)
        await until(lambda: len(given) > 1 and links)
        await connected(world)
        assert (await slack.command(TEAM, ANNA, STAFF, "/desk", "open"))["acked"]


# coming in over HTTP


@pytest.fixture
async def posted(
    slack: Slack, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    async with world_of(slack, sqlite_url, tmp_path, "http") as world:
        yield world


async def test_everything_comes_in_at_one_address(posted: World, slack: Slack) -> None:
    assert await slack.verify_url(TEAM)
    card = await posted.new_case()
    assert (await posted.press(ANNA, STAFF, card, "take"))["acked"]
    slack.write(TEAM, ANNA, STAFF, "@desk note hello", thread_ts=card)
    answer = await slack.command(TEAM, ANNA, STAFF, "/desk", "case 1 reply Sorry")
    await posted.work()
    assert answer["payload"]["text"] == words("did_write", version=1)
    assert any(words("state_in_work", owner="Anna") in text_of(m) for m in posted.messages(STAFF))
    assert posted.whispers(ANNA)


async def test_a_workspace_that_refuses_the_token_shows_in_the_check_until_it_takes_it(
    slack: Slack, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a socket nothing else would tell: events do come in, and no answer would go out."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    slack.fail("auth.test", *[("error", "invalid_auth")] * 3)
    async with world_of(slack, sqlite_url, tmp_path, "http") as world:
        assert re.match(r"main: .*invalid_auth", await world.doors.check())
        assert await world.doors.check() == ""
        assert world.chat.sites == {"main": "https://acme.slack.com/"}


FORM = "application/x-www-form-urlencoded"
SIGNED = [
    ("right", SECRET, 0, 200),
    ("of another app", "another-secret", 0, 401),
    ("six minutes old", SECRET, -360, 401),
    ("none", None, 0, 401),
]


@pytest.mark.parametrize(("what", "secret", "age", "status"), SIGNED, ids=[s[0] for s in SIGNED])
async def test_only_slack_itself_is_heard(
    posted: World, slack: Slack, what: str, secret: str | None, age: int, status: int
) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "x" * 20}).encode()
    stamp = str(int(time.time()) + age)
    headers = {"Content-Type": "application/json", "X-Slack-Request-Timestamp": stamp}
    if secret is not None:
        headers["X-Slack-Signature"] = signature(secret, stamp, body)
    address = str(slack.world.teams[TEAM].request_url)
    async with aiohttp.ClientSession() as session, session.post(address, data=body, headers=headers) as answer:
        assert answer.status == status


async def test_body_that_is_no_text_is_refused(posted: World, slack: Slack) -> None:
    address = str(slack.world.teams[TEAM].request_url)
    async with aiohttp.ClientSession() as session, session.post(address, data=b"\xff\xfe{") as answer:
        assert answer.status == 401
