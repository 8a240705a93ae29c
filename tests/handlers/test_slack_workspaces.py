"""Several workspaces, one app or many: events find theirs, and nobody is taken for somebody elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from pydantic import SecretStr

from bot.slack import SlackChat, SlackDoors, open_doors, web_client
from sandbox.slack import Slack
from tests.handlers.slack_world import (
    ANNA,
    APP_TOKEN,
    BOT_TOKEN,
    OTHER,
    SECRET,
    STAFF,
    TEAM,
    World,
    now,
    unhurried,
    until,
    words,
)

OTHER_TOKEN = "xoxb-other"


@asynccontextmanager
async def second_side(desk: World, mode: str) -> AsyncIterator[SlackDoors]:
    """The desk's other replica, with a second workspace that has the same app."""
    await desk.doors.stop()
    desk.slack.add_workspace(OTHER, "Other", OTHER_TOKEN, APP_TOKEN, SECRET)
    desk.slack.add_channel(OTHER, "C0OTHER", "other")
    desk.slack.add_user(OTHER, ANNA, "Another Anna")
    first = desk.app.config.slack[0].model_copy(update={"mode": mode})
    second = first.model_copy(update={"key": "other", "bot_token": SecretStr(OTHER_TOKEN)})
    chat = SlackChat({one.key: web_client(one) for one in (first, second)}, now)
    app = desk.app
    directory, alarm = lambda: app.live.current, lambda *a: desk.alarms.append(a)
    doors = unhurried(open_doors((first, second), chat, app.desk, app.hearing, directory, alarm, now))
    await doors.start()
    try:
        await doors.learn(doors.doors)
        yield doors
    finally:
        await doors.stop()


async def test_one_app_in_two_workspaces_shares_a_socket_and_tells_people_apart(desk: World) -> None:
    async with second_side(desk, "socket") as doors:
        app = desk.slack.world.teams[TEAM].app
        await until(lambda: desk.slack.sockets.links[app.id])
        assert len(desk.slack.sockets.links[app.id]) == 1
        ours = await desk.slack.command(TEAM, ANNA, STAFF, "/desk", "reply x")
        theirs = await desk.slack.command(OTHER, ANNA, "C0OTHER", "/desk", "reply x")
        assert ours["payload"]["text"] == words("not_in_a_case", verb="reply")
        assert theirs["payload"]["text"] == words("stranger")
        assert await doors.check() == ""
    assert doors.chat.sites == {"main": "https://acme.slack.com/", "other": "https://other.slack.com/"}


async def test_workspace_nobody_configured_is_not_heard(desk: World) -> None:
    desk.slack.add_workspace(OTHER, "Other", OTHER_TOKEN, APP_TOKEN, SECRET)
    desk.slack.add_channel(OTHER, "C0OTHER", "other")
    desk.slack.add_user(OTHER, ANNA, "Another Anna")
    answer = await desk.slack.command(OTHER, ANNA, "C0OTHER", "/desk", "open")
    await desk.work()
    assert (answer["acked"], answer["payload"]) == (True, None)
    assert desk.messages(STAFF) == []


async def test_guest_through_slack_connect_is_known_by_their_own_workspace(desk: World) -> None:
    ws = desk.doors.doors[0].workspace
    assert ws.person(ANNA, TEAM) is not None
    assert ws.person(ANNA, "T0UNKNOWN") is not None
    ws.teams[OTHER] = "other"
    assert ws.person("U0GUEST", OTHER) is None


async def test_guest_of_a_shared_channel_can_press(desk: World, slack: Slack) -> None:
    """Slack names the guest's own team in the payload; the message tells whose app it is."""
    card = await desk.new_case()
    slack.world.teams[TEAM].users[ANNA].home_team = "T0GUESTS"
    assert (await desk.press(ANNA, STAFF, card, "take"))["acked"]
    await desk.work()
    assert any(words("state_in_work", owner="Anna") in str(m["blocks"]) for m in desk.messages(STAFF))


async def test_lost_socket_shows_in_the_check(desk: World, slack: Slack) -> None:
    assert await desk.doors.check() == ""
    await desk.doors._sockets[0].client.disconnect()
    assert "main" in await desk.doors.check()


async def test_socket_that_slack_recycles_is_opened_again(desk: World, slack: Slack) -> None:
    slack.disconnect(TEAM)
    app = slack.world.teams[TEAM].app
    await until(lambda: len(slack.sockets.links[app.id]) == 1)
    answer = await slack.command(TEAM, ANNA, STAFF, "/desk", "reply x")
    assert answer["acked"]


async def test_desk_starts_while_slack_is_away(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = desk.app.config.slack[0].model_copy(update={"api_base": "http://127.0.0.1:9/slack/api/"})
    app = desk.app
    doors = open_doors((settings,), desk.chat, app.desk, app.hearing, lambda: app.live.current, lambda *a: None, now)
    await doors.start()
    assert "main" in await doors.check()
    await doors.stop()


async def test_client_repeats_nothing_by_itself(desk: World, slack: Slack) -> None:
    client = web_client(desk.app.config.slack[0])
    assert (client.retry_handlers, client.token) == ([], BOT_TOKEN)
    slack.fail("chat.postMessage", ("drop_after",))
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=STAFF, text="once")
    assert len(desk.messages(STAFF)) == 1
