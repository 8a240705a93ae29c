"""The local Slack's Web API: what it refuses, how it limits, what it gives back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack import Slack
from sandbox.slack.state import DESK_SCOPES
from tests.sandbox.test_slack import (
    ANNA,
    APP_TOKEN,
    BOT_TOKEN,
    BUTTONS,
    MODAL,
    ROOM,
    TEAM,
    Clock,
    acme,
    client_of,
    serving,
)

PLAIN = {"type": "plain_text", "text": "x"}
LONG = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2700}}]


def scopes_without(scope: str) -> list[str]:
    return [one for one in DESK_SCOPES.split(",") if one != scope]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack(clock: Clock) -> Slack:
    slack = acme(now=clock)
    slack.add_channel(TEAM, "C0CLOSED", "closed", bot_member=False)
    slack.add_channel(TEAM, "G0SECRET", "secret", bot_member=False, private=True)
    slack.add_channel(TEAM, "C0OLD", "old")
    slack.archive(TEAM, "C0OLD")
    return slack


@pytest.fixture
async def url(slack: Slack) -> AsyncIterator[str]:
    async with serving(slack) as address:
        yield address


@pytest.fixture
def client(url: str) -> AsyncWebClient:
    return client_of(url)


REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("chat.nothing", {}, "unknown_method"),
    ("chat.postMessage", {"channel": "C0NONE", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "G0SECRET", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "C0CLOSED", "text": "x"}, "not_in_channel"),
    ("chat.postMessage", {"channel": "C0OLD", "text": "x"}, "is_archived"),
    ("chat.postMessage", {"channel": ROOM}, "no_text"),
    ("chat.postMessage", {"channel": ROOM, "text": "x" * 40_001}, "msg_too_long"),
    ("chat.postMessage", {"channel": ROOM, "text": "x", "blocks": LONG * 5}, "msg_blocks_too_long"),
    ("chat.postMessage", {"channel": ROOM, "text": "x", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
    ("chat.postMessage", {"channel": ROOM, "text": "x", "blocks": "[{"}, "invalid_blocks_format"),
    ("chat.postMessage", {"channel": ROOM, "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
    ("chat.postMessage", {"channel": ROOM, "text": "x", "metadata": {"a": 1}}, "invalid_metadata_format"),
    ("chat.update", {"channel": ROOM, "ts": "1.000001", "text": "x"}, "message_not_found"),
    ("chat.delete", {"channel": ROOM, "ts": "1.000001"}, "message_not_found"),
    ("chat.postEphemeral", {"channel": ROOM, "user": "U0NONE", "text": "x"}, "user_not_in_channel"),
    ("chat.getPermalink", {"channel": ROOM, "message_ts": "1.000001"}, "message_not_found"),
    ("views.open", {"trigger_id": "nonsense", "view": MODAL}, "invalid_trigger_id"),
    ("views.open", {"trigger_id": "nonsense", "view": {"type": "modal"}}, "invalid_arguments"),
    ("views.update", {"view_id": "V0NONE", "view": MODAL}, "not_found"),
    ("views.publish", {"user_id": ANNA, "view": MODAL}, "invalid_arguments"),
    ("conversations.info", {"channel": "C0NONE"}, "channel_not_found"),
    ("conversations.history", {"channel": "C0CLOSED"}, "not_in_channel"),
    ("conversations.replies", {"channel": ROOM, "ts": "1.000001"}, "thread_not_found"),
    ("conversations.history", {"channel": ROOM, "limit": 1001}, "invalid_limit"),
    ("conversations.history", {"channel": ROOM, "cursor": "?"}, "invalid_cursor"),
    ("conversations.open", {}, "users_list_not_supplied"),
    ("conversations.open", {"users": "U0NONE"}, "user_not_found"),
    ("conversations.join", {"channel": "C0CLOSED"}, "missing_scope"),
    ("users.info", {"user": "U0NONE"}, "user_not_found"),
    ("users.lookupByEmail", {"email": "nobody@acme.test"}, "users_not_found"),
    ("files.info", {"file": "F0NONE"}, "file_not_found"),
    ("files.getUploadURLExternal", {"filename": "a.txt", "length": 0}, "invalid_arguments"),
    ("files.completeUploadExternal", {"files": '[{"id": "F0NONE"}]'}, "file_not_found"),
    ("reactions.add", {"channel": ROOM, "timestamp": "1.000001", "name": "eyes"}, "missing_scope"),
    ("pins.add", {"channel": ROOM, "timestamp": "1.000001"}, "message_not_found"),
    ("bots.info", {"bot": "B0NONE"}, "bot_not_found"),
    ("team.info", {}, "missing_scope"),
]


@pytest.mark.parametrize(("method", "params", "code"), REFUSALS)
@pytest.mark.parametrize("form", ["json", "data"])
async def test_call_is_refused_as_slack_would(
    client: AsyncWebClient, slack: Slack, method: str, params: dict[str, Any], code: str, form: str
) -> None:
    given: Any = params if form == "json" else _as_form(params)
    with pytest.raises(SlackApiError) as refusal:
        await client.api_call(method, **{form: given})
    assert refusal.value.response["error"] == code
    last = slack.calls[-1]
    assert (last.method, last.ok, last.error, last.team) == (method, False, code, TEAM)


def _as_form(params: dict[str, Any]) -> dict[str, Any]:
    return {k: json.dumps(v) if isinstance(v, (dict, list)) else str(v) for k, v in params.items()}


@pytest.mark.parametrize(
    ("token", "code"),
    [("", "not_authed"), ("xoxb-wrong", "invalid_auth"), (APP_TOKEN, "not_allowed_token_type")],
)
async def test_wrong_token_is_refused(url: str, token: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/slack/api/auth.test", headers=headers) as response,
    ):
        assert await response.json() == {"ok": False, "error": code}


async def test_bot_token_opens_no_socket(client: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError, match="not_allowed_token_type"):
        await client.apps_connections_open(app_token=BOT_TOKEN)


async def test_revoked_token_is_refused_until_it_is_good_again(slack: Slack, client: AsyncWebClient) -> None:
    slack.revoke(TEAM)
    with pytest.raises(SlackApiError, match="token_revoked"):
        await client.auth_test()
    slack.revoke(TEAM, "")
    assert (await client.auth_test())["ok"]


async def test_missing_scope_names_what_is_needed_and_what_is_there(slack: Slack, client: AsyncWebClient) -> None:
    assert "chat:write" in (await client.auth_test()).headers["x-oauth-scopes"].split(",")
    slack.set_scopes(TEAM, scopes_without("chat:write"))
    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel=ROOM, text="x")
    answer = refusal.value.response
    assert (answer["error"], answer["needed"]) == ("missing_scope", "chat:write")
    assert "chat:write" not in answer["provided"].split(",")


async def test_refused_blocks_are_named_by_json_pointer(client: AsyncWebClient) -> None:
    blocks = [{"type": "divider"}, {"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]
    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel=ROOM, text="x", blocks=blocks)
    told = "must be less than 151 characters [json-pointer:/blocks/1/text/text]"
    assert refusal.value.response["errors"] == [told]
    assert refusal.value.response["response_metadata"]["messages"] == [f"[ERROR] {told}"]


async def test_other_peoples_messages_can_not_be_changed(slack: Slack, client: AsyncWebClient) -> None:
    ts = slack.write(TEAM, ANNA, ROOM, "mine")
    with pytest.raises(SlackApiError, match="cant_update_message"):
        await client.chat_update(channel=ROOM, ts=ts, text="yours")
    with pytest.raises(SlackApiError, match="cant_delete_message"):
        await client.chat_delete(channel=ROOM, ts=ts)


async def test_answer_to_a_reply_is_refused(slack: Slack, client: AsyncWebClient) -> None:
    parent = slack.write(TEAM, ANNA, ROOM, "parent")
    reply = (await client.chat_postMessage(channel=ROOM, text="reply", thread_ts=parent))["ts"]
    with pytest.raises(SlackApiError, match="thread_not_found"):
        await client.chat_postMessage(channel=ROOM, text="deeper", thread_ts=reply)


async def test_update_without_blocks_removes_them_and_keeps_metadata(slack: Slack, client: AsyncWebClient) -> None:
    mark = {"event_type": "case", "event_payload": {"case": 7}}
    posted = await client.chat_postMessage(channel=ROOM, text="V1", blocks=BUTTONS, metadata=mark)
    await client.chat_update(channel=ROOM, ts=posted["ts"], text="V2")
    card = slack.messages(TEAM, ROOM)[0]
    assert (card["text"], card["blocks"], card["metadata"]) == ("V2", [], mark)


async def test_history_is_newest_first_in_pages_and_shows_metadata_when_asked(client: AsyncWebClient) -> None:
    mark = {"event_type": "case", "event_payload": {"case": 7}}
    for text in ("one", "two"):
        await client.chat_postMessage(channel=ROOM, text=text, metadata=mark)
    parent = await client.chat_postMessage(channel=ROOM, text="three", metadata=mark)
    await client.chat_postMessage(channel=ROOM, text="hidden", thread_ts=parent["ts"])
    await client.chat_postMessage(channel=ROOM, text="shown", thread_ts=parent["ts"], reply_broadcast=True)

    first = await client.conversations_history(channel=ROOM, limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = await client.conversations_history(channel=ROOM, limit=2, cursor=cursor, include_all_metadata=True)
    assert [row["text"] for row in first["messages"]] == ["shown", "three"]
    assert [row["text"] for row in second["messages"]] == ["two", "one"]
    assert "metadata" not in first["messages"][1]
    assert second["messages"][0]["metadata"] == mark
    assert (first["has_more"], second["has_more"]) == (True, False)

    thread = await client.conversations_replies(channel=ROOM, ts=parent["ts"])
    assert [row["text"] for row in thread["messages"]] == ["three", "hidden", "shown"]
    assert thread["messages"][0]["reply_count"] == 2


async def test_restricted_app_reads_history_once_a_minute(slack: Slack, client: AsyncWebClient, clock: Clock) -> None:
    for number in range(20):
        slack.write(TEAM, ANNA, ROOM, str(number))
    slack.restrict_history(TEAM)
    assert len((await client.conversations_history(channel=ROOM, limit=100))["messages"]) == 15
    with pytest.raises(SlackApiError) as refusal:
        await client.conversations_history(channel=ROOM)
    assert refusal.value.response.headers["Retry-After"] == "60"
    clock.at += 61
    assert (await client.conversations_history(channel=ROOM))["ok"]


async def test_posting_is_about_one_a_second_a_channel_after_a_burst(
    slack: Slack, client: AsyncWebClient, clock: Clock
) -> None:
    slack.add_channel(TEAM, "C0TWO", "two")
    for _ in range(5):
        await client.chat_postMessage(channel=ROOM, text="x")
    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel=ROOM, text="x")
    assert refusal.value.response.status_code == 429
    assert refusal.value.response.headers["Retry-After"] == "1"
    assert refusal.value.response["error"] == "ratelimited"
    assert [call.method for call in slack.too_many] == ["chat.postMessage"]
    await client.chat_postMessage(channel="C0TWO", text="x")
    clock.at += 1
    await client.chat_postMessage(channel=ROOM, text="x")
    assert len(slack.messages(TEAM, ROOM)) == 6


async def test_updates_are_fifty_a_minute_in_a_workspace(slack: Slack, client: AsyncWebClient, clock: Clock) -> None:
    ts = (await client.chat_postMessage(channel=ROOM, text="x"))["ts"]
    for number in range(50):
        clock.at += 0.5
        await client.chat_update(channel=ROOM, ts=ts, text=str(number))
    with pytest.raises(SlackApiError) as refusal:
        await client.chat_update(channel=ROOM, ts=ts, text="one too many")
    assert int(refusal.value.response.headers["Retry-After"]) == 36
    assert slack.messages(TEAM, ROOM)[0]["text"] == "49"


async def test_trigger_is_good_once_and_for_three_seconds(slack: Slack, client: AsyncWebClient, clock: Clock) -> None:
    team = slack.world.teams[TEAM]
    used, old = slack.world.new_trigger(team, ANNA), slack.world.new_trigger(team, ANNA)
    await client.views_open(trigger_id=used, view=MODAL)
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await client.views_open(trigger_id=used, view=MODAL)
    clock.at += 3.1
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await client.views_open(trigger_id=old, view=MODAL)


async def test_view_changes_only_with_the_newest_hash(slack: Slack, client: AsyncWebClient) -> None:
    trigger = slack.world.new_trigger(slack.world.teams[TEAM], ANNA)
    view = (await client.views_open(trigger_id=trigger, view=MODAL))["view"]
    updated = (await client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL))["view"]
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await client.views_update(view_id=view["id"], hash=view["hash"], view=MODAL)
    assert updated["hash"] != view["hash"]
    assert updated["root_view_id"] == view["id"]


async def test_three_modals_stand_on_each_other_and_no_fourth(slack: Slack, client: AsyncWebClient) -> None:
    team = slack.world.teams[TEAM]
    view = (await client.views_open(trigger_id=slack.world.new_trigger(team, ANNA), view=MODAL))["view"]
    for _ in range(2):
        trigger = slack.world.new_trigger(team, ANNA, view["id"])
        pushed = (await client.views_push(trigger_id=trigger, view=MODAL))["view"]
        assert (pushed["previous_view_id"], pushed["root_view_id"]) == (view["id"], pushed["root_view_id"])
        view = pushed
    with pytest.raises(SlackApiError, match="push_limit_reached"):
        await client.views_push(trigger_id=slack.world.new_trigger(team, ANNA, view["id"]), view=MODAL)
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        await client.views_push(trigger_id=slack.world.new_trigger(team, ANNA), view=MODAL)


async def test_post_that_lost_its_answer_still_stands_there(slack: Slack, client: AsyncWebClient) -> None:
    slack.fail("chat.postMessage", ("drop_after",))
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=ROOM, text="once")
    assert [row["text"] for row in slack.messages(TEAM, ROOM)] == ["once"]
    assert slack.calls[-1].ok


async def test_sdk_with_its_default_retries_posts_twice_when_the_answer_is_lost(slack: Slack, url: str) -> None:
    careless = AsyncWebClient(token=BOT_TOKEN, base_url=f"{url}/slack/api/")
    slack.fail("chat.postMessage", ("drop_after",))
    assert (await careless.chat_postMessage(channel=ROOM, text="twice"))["ok"]
    assert [row["text"] for row in slack.messages(TEAM, ROOM)] == ["twice", "twice"]


@pytest.mark.parametrize(("body", "code"), [(b"{", "invalid_json"), (b"[]", "json_not_object")])
async def test_body_that_is_no_json_object_is_refused(url: str, body: bytes, code: str) -> None:
    headers = {"Authorization": f"Bearer {BOT_TOKEN}", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/slack/api/auth.test", data=body, headers=headers) as response,
    ):
        assert await response.json() == {"ok": False, "error": code}


async def test_channels_are_listed_by_kind_and_only_those_the_bot_may_see(slack: Slack, client: AsyncWebClient) -> None:
    public = await client.conversations_list(exclude_archived=True)
    assert [row["id"] for row in public["channels"]] == [ROOM, "C0CLOSED"]
    both = await client.conversations_list(types="public_channel,private_channel", limit=1)
    assert both["response_metadata"]["next_cursor"]
    slack.set_scopes(TEAM, scopes_without("groups:read"))
    with pytest.raises(SlackApiError, match="missing_scope"):
        await client.conversations_list(types="private_channel")


async def test_unknown_fault_is_a_mistake_of_the_test(slack: Slack) -> None:
    with pytest.raises(ValueError, match="explode"):
        slack.fail("chat.postMessage", ("explode",))


@pytest.mark.parametrize("fault", [("status", 500), ("html",), ("error", "fatal_error"), ("retry_after", 7)])
async def test_faults_answer_in_place_of_slack(slack: Slack, client: AsyncWebClient, fault: tuple[Any, ...]) -> None:
    slack.fail("chat.postMessage", fault)
    with pytest.raises(SlackApiError) as refusal:
        await client.chat_postMessage(channel=ROOM, text="x")
    assert slack.messages(TEAM, ROOM) == []
    if fault[0] == "retry_after":
        assert refusal.value.response.headers["Retry-After"] == "7"
    assert slack.too_many == []
    assert (await client.chat_postMessage(channel=ROOM, text="x"))["ok"]


async def test_call_dropped_before_it_took_effect_leaves_nothing(slack: Slack, client: AsyncWebClient) -> None:
    slack.fail("chat.postMessage", ("drop_before",), ("delay", 0.01))
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=ROOM, text="x")
    assert slack.messages(TEAM, ROOM) == []
    assert (await client.chat_postMessage(channel=ROOM, text="x"))["ok"]


async def test_a_call_that_is_held_waits_until_it_is_let_go(slack: Slack, client: AsyncWebClient) -> None:
    let_go = asyncio.Event()
    slack.fail("chat.postMessage", ("hold", let_go))
    posting = asyncio.create_task(client.chat_postMessage(channel=ROOM, text="late"))
    done, _ = await asyncio.wait([posting], timeout=0.1)
    assert not done
    assert slack.messages(TEAM, ROOM) == []
    let_go.set()
    assert (await posting)["ok"]


async def test_file_goes_up_in_three_steps_and_comes_back_with_the_token(
    slack: Slack, client: AsyncWebClient, url: str
) -> None:
    parent = slack.write(TEAM, ANNA, ROOM, "send it as a file")
    done = await client.files_upload_v2(
        channel=ROOM, thread_ts=parent, filename="reply.txt", content="Здравствуйте", initial_comment="The reply"
    )
    assert "ts" not in done.data
    file = (await client.files_info(file=done["file"]["id"]))["file"]
    shared = file["shares"]["public"][ROOM][0]
    assert shared["thread_ts"] == parent
    row = slack.messages(TEAM, ROOM, parent)[1]
    assert (row["ts"], row["text"], row["files"][0]["name"]) == (shared["ts"], "The reply", "reply.txt")
    assert await _get(file["url_private"], BOT_TOKEN) == ("text/plain", "Здравствуйте")
    assert (await _get(file["url_private"], "xoxb-wrong"))[0] == "text/html"


async def _get(url: str, token: str) -> tuple[str, str]:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.content_type, (await response.read()).decode()


async def test_wrong_length_of_a_file_is_refused(client: AsyncWebClient) -> None:
    place = await client.files_getUploadURLExternal(filename="a.txt", length=3)
    async with aiohttp.ClientSession() as session, session.post(place["upload_url"], data=b"four") as response:
        assert response.status == 400
    with pytest.raises(SlackApiError, match="file_not_found"):
        await client.files_completeUploadExternal(files=[{"id": place["file_id"]}], channel_id=ROOM)


async def test_persons_file_can_be_read_by_the_app(slack: Slack, client: AsyncWebClient, url: str) -> None:
    await client.auth_test()
    slack.write(TEAM, ANNA, ROOM, "", files=[{"name": "reply.txt", "content": "Dear guest"}])
    row = (await client.conversations_history(channel=ROOM))["messages"][0]
    assert row["subtype"] == "file_share"
    assert await _get(row["files"][0]["url_private"], BOT_TOKEN) == ("text/plain", "Dear guest")


async def test_direct_message_opens_by_person(slack: Slack, client: AsyncWebClient) -> None:
    room = (await client.conversations_open(users=ANNA))["channel"]["id"]
    posted = await client.chat_postMessage(channel=ANNA, text="privately")
    assert posted["channel"] == room == slack.direct(TEAM, ANNA)


async def test_guest_through_slack_connect_shows_little(slack: Slack, client: AsyncWebClient) -> None:
    slack.add_user(TEAM, "U0GUEST", "Guest", email="guest@other.test", home_team="T0OTHER")
    guest = (await client.users_info(user="U0GUEST"))["user"]
    assert (guest["team_id"], guest["is_stranger"]) == ("T0OTHER", False)
    assert "email" not in guest["profile"]
    with pytest.raises(SlackApiError, match="users_not_found"):
        await client.users_lookupByEmail(email="guest@other.test")
    assert (await client.users_lookupByEmail(email="anna@acme.test"))["user"]["id"] == ANNA


async def test_bot_without_the_right_joins_nothing_and_with_it_joins_and_writes(
    slack: Slack, client: AsyncWebClient
) -> None:
    slack.set_scopes(TEAM, [*DESK_SCOPES.split(","), "channels:join", "reactions:write", "team:read"])
    assert (await client.conversations_join(channel="C0CLOSED"))["channel"]["is_member"]
    posted = await client.chat_postMessage(channel="C0CLOSED", text="here")
    await client.reactions_add(channel="C0CLOSED", timestamp=posted["ts"], name="eyes")
    await client.pins_add(channel="C0CLOSED", timestamp=posted["ts"])
    with pytest.raises(SlackApiError, match="already_pinned"):
        await client.pins_add(channel="C0CLOSED", timestamp=posted["ts"])
    assert (await client.team_info())["team"]["id"] == TEAM
    members = await client.conversations_members(channel="C0CLOSED")
    assert set(members["members"]) == {ANNA, "U0BORIS", "U0DESK"}
    link = (await client.chat_getPermalink(channel="C0CLOSED", message_ts=posted["ts"]))["permalink"]
    assert link.endswith(f"/archives/C0CLOSED/p{posted['ts'].replace('.', '')}")


async def test_response_url_works_five_times(slack: Slack, client: AsyncWebClient, url: str) -> None:
    await client.auth_test()
    team = slack.world.teams[TEAM]
    address = slack.world.new_response_url(team, ANNA, team.channels[ROOM])
    async with aiohttp.ClientSession() as session:
        statuses = []
        for _ in range(6):
            async with session.post(address, json={"text": "just for you"}) as response:
                statuses.append(response.status)
    assert statuses == [200] * 5 + [404]
    assert {row["ephemeral_for"] for row in slack.messages(TEAM, ROOM)} == {ANNA}


async def test_calls_side_by_side_get_different_stamps(slack: Slack, client: AsyncWebClient) -> None:
    posts = await asyncio.gather(*(client.chat_postMessage(channel=ROOM, text=str(n)) for n in range(5)))
    assert len({post["ts"] for post in posts}) == 5


async def test_app_hears_only_what_its_scopes_and_membership_allow(slack: Slack, url: str) -> None:
    slack.write(TEAM, ANNA, "C0CLOSED", "the bot is not here")
    slack.set_scopes(TEAM, scopes_without("channels:history"))
    slack.write(TEAM, ANNA, ROOM, "@desk no right to read, but mentioned")
    slack.archive(TEAM, ROOM)
    kinds = [delivery.payload["event"]["type"] for delivery in slack.deliveries]
    assert kinds == ["channel_archive", "app_mention", "channel_archive"]


async def test_archived_channel_takes_no_update(slack: Slack, client: AsyncWebClient) -> None:
    posted = await client.chat_postMessage(channel=ROOM, text="x")
    slack.archive(TEAM, ROOM)
    with pytest.raises(SlackApiError, match="is_archived"):
        await client.chat_update(channel=ROOM, ts=posted["ts"], text="y")
