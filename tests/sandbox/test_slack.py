"""The local Slack with the real Bolt app over Socket Mode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack import Impossible, Slack

TEAM, ROOM, ANNA, BOT = "T0ACME", "C0ACME", "U0ANNA", "U0DESK"
BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-acme", "xapp-acme", "acme-secret"

PATIENCE = 60.0
"""Seconds for what has three of them or fewer in Slack: a machine that pauses is no part of what is tested."""

BUTTONS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Version 1"}},
    {
        "type": "actions",
        "block_id": "case",
        "elements": [
            {"type": "button", "action_id": "edit", "value": "7:1", "text": {"type": "plain_text", "text": "Edit"}},
            {"type": "button", "action_id": "approve", "value": "7:1", "text": {"type": "plain_text", "text": "OK"}},
        ],
    },
]
MODAL: dict[str, Any] = {
    "type": "modal",
    "callback_id": "edited",
    "private_metadata": "7:1",
    "notify_on_close": True,
    "title": {"type": "plain_text", "text": "Edit"},
    "submit": {"type": "plain_text", "text": "Save"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reply",
            "label": {"type": "plain_text", "text": "Reply"},
            "element": {"type": "plain_text_input", "action_id": "text", "initial_value": "Dear guest"},
        }
    ],
}


class Clock:
    """Unix seconds that move only when told."""

    def __init__(self) -> None:
        self.at = 1_780_000_000.0

    def __call__(self) -> float:
        return self.at


def acme(**options: Any) -> Slack:
    """One workspace, one channel, two people."""
    slack = Slack(**({"retry_delays": (0.0, 0.01, 0.02), "ack_seconds": PATIENCE} | options))
    slack.add_workspace(TEAM, "Acme", BOT_TOKEN, APP_TOKEN, SECRET)
    slack.add_user(TEAM, ANNA, "Anna", email="anna@acme.test")
    slack.add_user(TEAM, "U0BORIS", "Boris")
    slack.add_channel(TEAM, ROOM, "replies")
    return slack


@asynccontextmanager
async def serving(slack: Slack, *more: web.RouteDef) -> AsyncIterator[str]:
    """The face on a free port; gives its address."""
    app = web.Application()
    app.add_routes([*slack.routes(), *slack.ui_routes(), *more])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await slack.close()
        await runner.cleanup()


def client_of(url: str, token: str = BOT_TOKEN) -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=f"{url}/slack/api/", retry_handlers=[])


@asynccontextmanager
async def connected(app: AsyncApp, ping_interval: float = PATIENCE) -> AsyncIterator[AsyncSocketModeHandler]:
    """With a short `ping_interval` a lost connection is soon noticed; a pause of four of them counts as one."""
    handler = AsyncSocketModeHandler(app, APP_TOKEN, ping_interval=ping_interval)
    await handler.connect_async()
    try:
        yield handler
    finally:
        await handler.close_async()


async def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.005)


@pytest.fixture
def slack() -> Slack:
    return acme(trigger_seconds=PATIENCE)


@pytest.fixture
async def url(slack: Slack) -> AsyncIterator[str]:
    async with serving(slack) as address:
        yield address


@pytest.fixture
def client(url: str) -> AsyncWebClient:
    return client_of(url)


@pytest.fixture
def bolt(client: AsyncWebClient) -> AsyncApp:
    return AsyncApp(client=client, token=BOT_TOKEN)


@pytest.fixture
async def desk(bolt: AsyncApp) -> AsyncIterator[AsyncApp]:
    """A little desk: `Edit` opens a modal; a short text is refused; a good one updates the message."""

    @bolt.action("edit")
    async def on_edit(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        where = f"{body['container']['channel_id']}:{body['container']['message_ts']}"
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL | {"private_metadata": where})

    @bolt.view("edited")
    async def on_edited(ack: Any, view: dict[str, Any], client: AsyncWebClient) -> None:
        text = view["state"]["values"]["reply"]["text"]["value"]
        if len(text) < 5:
            await ack(response_action="errors", errors={"reply": "Too short"})
            return
        await ack()
        channel, ts = view["private_metadata"].split(":")
        await client.chat_update(channel=channel, ts=ts, text=text, blocks=[])

    async with connected(bolt):
        yield bolt


async def test_press_opens_a_modal_errors_show_and_a_good_text_updates_the_card(
    slack: Slack, desk: AsyncApp, client: AsyncWebClient
) -> None:
    posted = await client.chat_postMessage(channel=ROOM, text="Version 1", blocks=BUTTONS)

    pressed = await slack.press(TEAM, ANNA, ROOM, posted["ts"], "edit")
    await until(lambda: slack.modal(TEAM, ANNA))
    modal = slack.modal(TEAM, ANNA) or {}
    assert pressed["acked"]
    assert modal["view"]["state"]["values"]["reply"]["text"]["value"] == "Dear guest"

    refused = await slack.submit(TEAM, ANNA, modal["id"], {"reply": {"text": "No"}})
    assert refused["payload"] == {"response_action": "errors", "errors": {"reply": "Too short"}}
    assert slack.snapshot()["teams"][0]["views"][0]["errors"] == {"reply": "Too short"}

    accepted = await slack.submit(TEAM, ANNA, modal["id"], {"reply": {"text": "Thank you & sorry"}})
    assert accepted["acked"]
    assert slack.modal(TEAM, ANNA) is None
    await until(lambda: slack.messages(TEAM, ROOM)[0]["edited"])
    card = slack.messages(TEAM, ROOM)[0]
    assert (card["text"], card["blocks"]) == ("Thank you & sorry", [])


async def test_old_button_can_be_pressed_only_on_a_screen_that_did_not_refresh(
    slack: Slack, desk: AsyncApp, client: AsyncWebClient
) -> None:
    posted = await client.chat_postMessage(channel=ROOM, text="Version 1", blocks=BUTTONS)
    await client.chat_update(channel=ROOM, ts=posted["ts"], text="Version 2")
    with pytest.raises(Impossible):
        await slack.press(TEAM, ANNA, ROOM, posted["ts"], "edit")
    assert (await slack.press(TEAM, ANNA, ROOM, posted["ts"], "edit", stale=True))["acked"]


async def test_press_nobody_handles_is_not_acknowledged_and_the_person_is_warned(
    slack: Slack, desk: AsyncApp, client: AsyncWebClient
) -> None:
    posted = await client.chat_postMessage(channel=ROOM, text="Version 1", blocks=BUTTONS)
    slack.sockets.ack_seconds = 0.1
    pressed = await slack.press(TEAM, ANNA, ROOM, posted["ts"], "approve")
    assert (pressed["acked"], pressed["payload"]) == (False, None)
    assert slack.snapshot()["teams"][0]["alerts"][0]["user"] == ANNA


async def test_block_actions_carry_what_slack_sends(slack: Slack, bolt: AsyncApp, client: AsyncWebClient) -> None:
    seen: list[dict[str, Any]] = []

    @bolt.action("approve")
    async def on_approve(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        seen.append(body)

    parent = slack.write(TEAM, ANNA, ROOM, "A case")
    async with connected(bolt):
        posted = await client.chat_postMessage(channel=ROOM, thread_ts=parent, text="V", blocks=BUTTONS)
        await slack.press(TEAM, ANNA, ROOM, posted["ts"], "approve")
        await until(lambda: seen)
    body = seen[0]
    assert body["user"] == {"id": ANNA, "username": "anna", "name": "anna", "team_id": TEAM}
    assert body["team"] == {"id": TEAM, "domain": "acme"}
    assert body["channel"] == {"id": ROOM, "name": "replies"}
    assert body["container"] == {
        "type": "message",
        "message_ts": posted["ts"],
        "channel_id": ROOM,
        "is_ephemeral": False,
        "thread_ts": parent,
    }
    assert body["message"]["ts"] == posted["ts"]
    assert body["message"]["bot_id"].startswith("B")
    action = body["actions"][0]
    assert (action["action_id"], action["block_id"], action["value"]) == ("approve", "case", "7:1")
    assert (action["type"], action["text"]["text"]) == ("button", "OK")
    assert {"action_ts"} <= action.keys()
    assert {"trigger_id", "response_url", "api_app_id", "state"} <= body.keys()


async def test_typed_text_reaches_the_app_as_slack_stores_it(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[dict[str, Any]] = []

    @bolt.event("message")
    async def on_message(event: dict[str, Any]) -> None:
        seen.append(event)

    @bolt.event("app_mention")
    async def on_mention(event: dict[str, Any]) -> None:
        seen.append(event)

    async with connected(bolt):
        ts = slack.write(TEAM, ANNA, ROOM, "@desk reply <b> & co, see https://a.kz/?x=1&y=2. :smile: 👍")
        await until(lambda: len(seen) == 2)
    message = next(event for event in seen if event["type"] == "message")
    assert message["text"] == ("<@U0DESK> reply &lt;b&gt; &amp; co, see <https://a.kz/?x=1&amp;y=2>. :smile: :+1:")
    assert {event["type"] for event in seen} == {"message", "app_mention"}
    assert (message["ts"], message["event_ts"], message["user"], message["team"]) == (ts, ts, ANNA, TEAM)
    assert (message["channel"], message["channel_type"]) == (ROOM, "channel")
    assert message["client_msg_id"]
    assert message["blocks"][0]["type"] == "rich_text"


async def test_edits_and_deletions_carry_both_faces_of_the_message(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[dict[str, Any]] = []

    @bolt.event("message")
    async def on_message(event: dict[str, Any]) -> None:
        seen.append(event)

    async with connected(bolt):
        ts = slack.write(TEAM, ANNA, ROOM, "frist")
        slack.edit(TEAM, ANNA, ROOM, ts, "first")
        slack.delete(TEAM, ANNA, ROOM, ts)
        await until(lambda: len(seen) == 3)
    changed = next(event for event in seen if event.get("subtype") == "message_changed")
    deleted = next(event for event in seen if event.get("subtype") == "message_deleted")
    assert (changed["message"]["text"], changed["previous_message"]["text"]) == ("first", "frist")
    assert (changed["message"]["ts"], changed["message"]["edited"]["user"]) == (ts, ANNA)
    assert (deleted["deleted_ts"], deleted["previous_message"]["text"]) == (ts, "first")
    assert changed["ts"] != ts


async def test_deleted_parent_leaves_its_replies_behind(slack: Slack, client: AsyncWebClient) -> None:
    parent = slack.write(TEAM, ANNA, ROOM, "question")
    slack.write(TEAM, ANNA, ROOM, "detail", thread_ts=parent)
    slack.delete(TEAM, ANNA, ROOM, parent)
    found = (await client.conversations_replies(channel=ROOM, ts=parent))["messages"]
    assert [(row.get("subtype"), row["text"]) for row in found] == [
        ("tombstone", "This message was deleted."),
        (None, "detail"),
    ]


async def test_own_messages_come_back_as_events_which_bolt_acknowledges_itself(
    slack: Slack, desk: AsyncApp, client: AsyncWebClient
) -> None:
    await client.chat_postMessage(channel=ROOM, text="hello")
    await slack.settle(PATIENCE)
    event = slack.deliveries[0]
    assert event.payload["event"]["app_id"] == event.payload["api_app_id"]
    assert (event.acked, event.attempts) == (True, 1)


async def test_unacknowledged_event_comes_again_with_the_same_event_id(
    slack: Slack, bolt: AsyncApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = slack.sockets.send

    async def sent(team: Any, delivery: Any, attempt: int, reason: str) -> Any:
        """The attempt that is taken has all the time a slow machine needs: else another one would follow it."""
        slack.sockets.ack_seconds = 0.4 if attempt < 2 else PATIENCE
        return await send(team, delivery, attempt, reason)

    monkeypatch.setattr(slack.sockets, "send", sent)
    seen: list[tuple[str, str, str]] = []

    @bolt.middleware
    async def drop_the_first_two(req: Any, resp: Any, next: Any) -> Any:
        headers = req.headers
        seen.append((req.body["event_id"], headers["x-slack-retry-num"][0], headers["x-slack-retry-reason"][0]))
        if len(seen) < 3:
            resp.status = 404
            return resp
        return await next()

    @bolt.event("message")
    async def on_message() -> None: ...

    async with connected(bolt):
        slack.write(TEAM, ANNA, ROOM, "hello")
        await slack.settle(PATIENCE)
    assert [row[1:] for row in seen] == [("0", ""), ("1", "timeout"), ("2", "timeout")]
    assert len({row[0] for row in seen}) == 1
    assert slack.deliveries[0].acked


async def test_event_is_given_up_after_three_repetitions(slack: Slack, desk: AsyncApp) -> None:
    slack.sockets.ack_seconds = 0.1
    slack.write(TEAM, ANNA, ROOM, "nobody listens")
    await slack.settle(PATIENCE)
    assert (slack.deliveries[0].acked, slack.deliveries[0].attempts) == (False, 4)


async def test_acknowledged_event_can_be_delivered_once_more(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[str] = []

    @bolt.event("message")
    async def on_message(body: dict[str, Any]) -> None:
        seen.append(body["event_id"])

    async with connected(bolt):
        slack.write(TEAM, ANNA, ROOM, "hello")
        await slack.settle(PATIENCE)
        slack.redeliver(slack.deliveries[0].envelope_id)
        await until(lambda: len(seen) == 2)
    assert len(set(seen)) == 1


async def test_events_wait_for_a_connection(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[str] = []

    @bolt.event("message")
    async def on_message(event: dict[str, Any]) -> None:
        seen.append(event["text"])

    slack.write(TEAM, ANNA, ROOM, "early")
    async with connected(bolt):
        await until(lambda: seen)
    assert seen == ["early"]


async def test_desk_comes_back_after_a_refresh_and_after_a_cut(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[str] = []

    @bolt.event("message")
    async def on_message(event: dict[str, Any]) -> None:
        seen.append(event["text"])

    def links() -> list[Any]:
        return list(slack.sockets.links[slack.world.teams[TEAM].app.id])

    async with connected(bolt, ping_interval=1):
        await until(links)
        first = links()[0]
        slack.disconnect(TEAM, "refresh_requested")
        await until(lambda: links() and links()[0] is not first)
        second = links()[0]
        slack.cut(TEAM)
        slack.write(TEAM, ANNA, ROOM, "after the cut")
        await until(lambda: seen == ["after the cut"])
        assert links()[0] is not second


async def test_events_go_round_the_connections_and_the_eleventh_is_turned_away(slack: Slack, url: str) -> None:
    client = client_of(url)
    async with aiohttp.ClientSession() as session:
        sockets = []
        for _ in range(11):
            address = (await client.apps_connections_open(app_token=APP_TOKEN))["url"]
            sockets.append(await session.ws_connect(address))
        first = [await socket.receive_json() for socket in sockets]
        assert [one["type"] for one in first] == ["hello"] * 10 + ["disconnect"]
        assert first[0]["num_connections"] == 1
        assert first[10]["reason"] == "too_many_websockets"
        for number in range(10):
            slack.write(TEAM, ANNA, ROOM, f"number {number}")
        envelopes = [await socket.receive_json() for socket in sockets[:10]]
        assert {one["payload"]["event"]["text"] for one in envelopes} == {f"number {n}" for n in range(10)}
        assert envelopes[0]["accepts_response_payload"] is False
        for socket, envelope in zip(sockets, envelopes, strict=False):
            await socket.send_json({"envelope_id": envelope["envelope_id"]})
        await slack.settle(PATIENCE)
        assert all(delivery.acked for delivery in slack.deliveries)
        for socket in sockets:
            await socket.close()


async def test_websocket_address_works_once(slack: Slack, url: str) -> None:
    address = (await client_of(url).apps_connections_open(app_token=APP_TOKEN))["url"]
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(address):
            pass
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(address)


async def test_command_is_answered_in_the_acknowledgement_for_one_person(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[dict[str, Any]] = []

    @bolt.command("/desk")
    async def on_desk(ack: Any, command: dict[str, Any], respond: Any) -> None:
        seen.append(command)
        await ack("Open: 3")
        await respond("And one more", response_type="in_channel")

    async with connected(bolt):
        done = await slack.command(TEAM, ANNA, ROOM, "/desk", "open a & b @boris")
        await until(lambda: len(slack.messages(TEAM, ROOM)) == 2)
    assert (done["acked"], done["payload"]) == (True, {"text": "Open: 3"})
    assert seen[0]["text"] == "open a &amp; b <@U0BORIS|boris>"
    assert (seen[0]["channel_id"], seen[0]["user_id"], seen[0]["team_id"]) == (ROOM, ANNA, TEAM)
    found = {row["text"]: row["ephemeral_for"] for row in slack.messages(TEAM, ROOM)}
    assert found == {"Open: 3": ANNA, "And one more": None}


async def test_shortcut_carries_the_message(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[dict[str, Any]] = []

    @bolt.shortcut("make_a_case")
    async def on_shortcut(ack: Any, shortcut: dict[str, Any]) -> None:
        await ack()
        seen.append(shortcut)

    ts = slack.write(TEAM, ANNA, ROOM, "look at this review")
    async with connected(bolt):
        assert (await slack.shortcut(TEAM, ANNA, ROOM, ts, "make_a_case"))["acked"]
    assert (seen[0]["type"], seen[0]["message_ts"]) == ("message_action", ts)
    assert seen[0]["message"]["text"] == "look at this review"


async def test_closing_a_modal_tells_the_app_and_home_opens(slack: Slack, bolt: AsyncApp) -> None:
    seen: list[str] = []

    @bolt.action("edit")
    async def on_edit(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @bolt.view_closed("edited")
    async def on_closed(ack: Any, body: dict[str, Any]) -> None:
        await ack()
        seen.append(body["type"])

    @bolt.event("app_home_opened")
    async def on_home(event: dict[str, Any], client: AsyncWebClient) -> None:
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": BUTTONS})

    async with connected(bolt):
        posted = await bolt.client.chat_postMessage(channel=ROOM, text="V", blocks=BUTTONS)
        await slack.press(TEAM, ANNA, ROOM, posted["ts"], "edit")
        await until(lambda: slack.modal(TEAM, ANNA))
        slack.close_view(TEAM, ANNA, (slack.modal(TEAM, ANNA) or {})["id"])
        await until(lambda: seen == ["view_closed"])
        slack.open_home(TEAM, ANNA)
        await until(lambda: slack.snapshot()["teams"][0]["homes"])
        home = slack.snapshot()["teams"][0]["homes"][0]
        pressed = await slack.press_in_view(TEAM, ANNA, home["id"], "edit")
        assert pressed["acked"]


@pytest.mark.parametrize(
    ("answer", "titles"),
    [
        ({"response_action": "clear"}, []),
        ({"response_action": "update", "view": MODAL | {"title": {"type": "plain_text", "text": "New"}}}, ["New"]),
        (
            {"response_action": "push", "view": MODAL | {"title": {"type": "plain_text", "text": "Top"}}},
            ["Edit", "Top"],
        ),
        ({"response_action": "errors", "errors": {"no such block": "?"}}, ["Edit"]),
    ],
)
async def test_submission_answers_change_the_stack_of_modals(
    slack: Slack, bolt: AsyncApp, answer: dict[str, Any], titles: list[str]
) -> None:
    @bolt.action("edit")
    async def on_edit(ack: Any, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)

    @bolt.view("edited")
    async def on_edited(ack: Any) -> None:
        await ack(**answer)

    async with connected(bolt):
        posted = await bolt.client.chat_postMessage(channel=ROOM, text="V", blocks=BUTTONS)
        await slack.press(TEAM, ANNA, ROOM, posted["ts"], "edit")
        await until(lambda: slack.modal(TEAM, ANNA))
        await slack.submit(TEAM, ANNA, (slack.modal(TEAM, ANNA) or {})["id"])
    views = slack.snapshot()["teams"][0]["views"]
    assert [view["view"]["title"]["text"] for view in views] == titles
    trouble = answer.get("errors") is not None
    assert [bool(view["errors"]) for view in views] == [trouble] * len(titles)


async def test_required_input_left_empty_never_reaches_the_app(
    slack: Slack, desk: AsyncApp, client: AsyncWebClient
) -> None:
    posted = await client.chat_postMessage(channel=ROOM, text="V", blocks=BUTTONS)
    await slack.press(TEAM, ANNA, ROOM, posted["ts"], "edit")
    await until(lambda: slack.modal(TEAM, ANNA))
    before = len(slack.deliveries)
    with pytest.raises(Impossible, match="required"):
        await slack.submit(TEAM, ANNA, (slack.modal(TEAM, ANNA) or {})["id"], {"reply": {"text": ""}})
    assert len(slack.deliveries) == before


async def test_two_workspaces_do_not_see_each_other(slack: Slack, client: AsyncWebClient, url: str) -> None:
    slack.add_workspace("T0OTHER", "Other", "xoxb-other", "xapp-other", "other-secret")
    slack.add_user("T0OTHER", "U0ZED", "Zed")
    slack.add_channel("T0OTHER", "C0OTHER", "other")
    other = client_of(url, "xoxb-other")
    assert (await other.auth_test())["team_id"] == "T0OTHER"
    assert (await client.auth_test())["team_id"] == TEAM
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await other.chat_postMessage(channel=ROOM, text="hello")


async def test_page_acts_through_its_routes(slack: Slack, url: str) -> None:
    async with aiohttp.ClientSession() as session:
        body = {"team": TEAM, "user": ANNA, "channel": ROOM, "text": "from the page"}
        async with session.post(f"{url}/ui/slack/write", json=body) as response:
            done = await response.json()
        async with session.post(f"{url}/ui/slack/write", json=body | {"channel": "C0NONE"}) as response:
            refused = await response.json()
            status = response.status
    assert slack.messages(TEAM, ROOM)[0]["ts"] == done["result"]
    assert (status, refused["ok"]) == (400, False)
    assert "C0NONE" in refused["error"]
