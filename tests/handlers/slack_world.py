"""A desk whose staff and client both sit in Slack: the real desk, store and Bolt app, and the sandbox's Slack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.build import App, Parts, build
from bot.config import load
from bot.slack import SlackChat, SlackDoors, open_doors, web_client
from desk.mention import Author, Mention, MentionKey
from desk.receiving import receive
from desk.view import Say
from handlers.words import say
from sandbox.slack import Slack

TEAM, OTHER = "T0ACME", "T0OTHER"
STAFF, CLIENT, ELSEWHERE = "C0STAFF", "C0ACME", "C0RANDOM"
ANNA, BORIS, MILA, VICTOR, STRANGER = "U0ANNA", "U0BORIS", "U0MILA", "U0VICTOR", "U0NOBODY"
BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-acme", "xapp-acme", "acme-secret"

PATIENCE = 60.0
"""Seconds for all that has three of them or fewer in Slack: a machine that pauses is no part of what is tested."""

CONFIG = """
[desk]
secret_key = "env:REPLYDESK_SECRET"
listen = "127.0.0.1:8080"

[database]
url = "{database}"

[[slack]]
key = "main"
bot_token = "env:SLACK_BOT_TOKEN"
app_token = "env:SLACK_APP_TOKEN"
signing_secret = "env:SLACK_SIGNING_SECRET"
mode = "{mode}"
api_base = "{url}/slack/api/"

[[people]]
key = "anna"
name = "Anna"
role = "staff"
clients = ["acme"]
slack = "U0ANNA"

[[people]]
key = "boris"
name = "Boris"
role = "lead"
clients = ["*"]
slack = "U0BORIS"

[[people]]
key = "mila"
name = "Mila"
role = "approver"
clients = ["acme"]
slack = "U0MILA"

[[people]]
key = "victor"
name = "Victor"
role = "viewer"
clients = ["acme"]
slack = "U0VICTOR"

[[clients]]
key = "acme"
name = "Acme Coffee"
staff_room = "slack:C0STAFF"
client_room = "slack:C0ACME"

[[clients.brands]]
key = "coffee"
name = "Coffee"
"""
ENV = {
    "REPLYDESK_SECRET": "kept-secret-of-the-desk-0123456789",
    "SLACK_BOT_TOKEN": BOT_TOKEN,
    "SLACK_APP_TOKEN": APP_TOKEN,
    "SLACK_SIGNING_SECRET": SECRET,
}


def acme(**options: Any) -> Slack:
    unhurried = {"trigger_seconds": PATIENCE, "ack_seconds": PATIENCE}
    slack = Slack(**({"retry_delays": (0.0, 0.01, 0.02), "burst": 200.0} | unhurried | options))
    slack.add_workspace(TEAM, "Acme", BOT_TOKEN, APP_TOKEN, SECRET)
    for user, name in ((ANNA, "Anna"), (BORIS, "Boris"), (MILA, "Mila"), (VICTOR, "Victor"), (STRANGER, "Nobody")):
        slack.add_user(TEAM, user, name)
    for channel, name in ((STAFF, "staff"), (CLIENT, "acme"), (ELSEWHERE, "random")):
        slack.add_channel(TEAM, channel, name)
    return slack


@asynccontextmanager
async def serving(slack: Slack, *more: web.RouteDef) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes([*slack.routes(), *more])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await slack.close()
        await runner.cleanup()


async def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.005)


def unhurried(doors: SlackDoors) -> SlackDoors:
    """Presses, commands and forms are settled before they are answered, however long that takes."""
    for door in doors.doors:
        door.workspace.within = door.workspace.loading = PATIENCE
    return doors


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    """What a test holds: people act through `slack`; `work` lets the desk do all that is due."""

    slack: Slack
    app: App
    doors: SlackDoors
    chat: SlackChat
    alarms: list[tuple[str, str]] = field(default_factory=list)

    async def work(self) -> None:
        await self.slack.settle(PATIENCE)
        for door in self.doors.doors:
            await door.workspace.background.settle()
        await self.app.engine.drain()

    async def new_case(self, text: str = "Cold coffee", **more: Any) -> str:
        """A case shown to staff; returns the ts of its card, which is its thread."""
        number = len(self.messages(STAFF))
        given = {"text": text, "rating": 1, "url": "https://shop.example/r-1", "author": Author("u9", "user_9")}
        mention = Mention(
            key=MentionKey("coffee", "manual", "coffee", f"r-{number}"),
            source="",
            published_at=now(),
            **{**given, **more},
        )
        async with self.app.store.write() as unit:
            await unit.enqueue(receive(mention, f"r-{number}", case_by="boris"))
        await self.work()
        return str([m for m in self.messages(STAFF) if not m["thread_ts"] or m["thread_ts"] == m["ts"]][-1]["ts"])

    async def version(self, text: str = "We are sorry", case: int = 1) -> str:
        """A version by Anna; returns the ts of its message in the staff thread."""
        answer = await self.slack.command(TEAM, ANNA, STAFF, "/desk", f"case {case} reply {text}")
        assert answer["acked"]
        await self.work()
        return str(self.messages(STAFF)[-1]["ts"])

    async def proposal(self, text: str = "We are sorry", case: int = 1) -> str:
        """A version sent to the client; returns the ts of the message that asks for approval."""
        await self.press(ANNA, STAFF, await self.version(text, case), "send")
        await self.work()
        return self.last_with_buttons(CLIENT)

    def messages(self, channel: str) -> list[dict[str, Any]]:
        return self.slack.messages(TEAM, channel)

    def last_with_buttons(self, channel: str) -> str:
        shown = [m for m in self.messages(channel) if any(b["type"] == "actions" for b in m["blocks"])]
        return str(shown[-1]["ts"])

    def whispers(self, user: str) -> list[str]:
        """What only this person saw, in channels and in their own conversation with the bot."""
        team = self.slack.world.teams[TEAM]
        own = [m for c in team.channels.values() for m in c.messages if m.ephemeral_for == user]
        direct = [m for c in team.channels.values() if c.kind == "im" and user in c.members for m in c.messages]
        return [text_of({"text": m.text, "blocks": m.blocks}) for m in (*own, *direct)]

    def button(self, channel: str, ts: str, action: str) -> dict[str, Any]:
        message = next(m for m in self.messages(channel) if m["ts"] == ts)
        buttons = [e for b in message["blocks"] if b["type"] == "actions" for e in b["elements"]]
        return next(b for b in buttons if b["action_id"].split(":")[1] == action)

    async def press(self, user: str, channel: str, ts: str, action: str, stale_id: str = "") -> dict[str, Any]:
        """Presses a button; `stale_id` is one that was there before, on a screen that did not refresh."""
        action_id = stale_id or self.button(channel, ts, action)["action_id"]
        answer = await self.slack.press(TEAM, user, channel, ts, action_id, stale=bool(stale_id))
        for door in self.doors.doors:
            await door.workspace.background.settle()
        return dict(answer)

    def modal(self, user: str) -> dict[str, Any]:
        modal = self.slack.modal(TEAM, user)
        assert modal is not None
        return modal


def words(key: str, **args: Any) -> str:
    """A sentence of the desk's, as people of these tests read it."""
    return say(Say(key, args), "en", "UTC")


def text_of(message: Any) -> str:
    """All words of a message, whatever block they stand in."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.extend(str(v) for k, v in value.items() if k in ("text", "user_id") and isinstance(v, str))
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(message["blocks"] or message["text"])
    return "".join(found)


Opened = Callable[..., Awaitable[World]]


@asynccontextmanager
async def world_of(slack: Slack, database: str, folder: Path, mode: str = "socket") -> AsyncIterator[World]:
    """The desk connected to the sandbox. In mode "http" the workspace's events are posted to the desk's address."""
    places: list[SlackDoors] = []

    async def receive_events(request: web.Request) -> web.StreamResponse:
        return await places[0].receive(request)

    async with serving(slack, web.post("/slack/events", receive_events)) as url:
        slack.world.origin = url
        path = folder / "config.toml"
        path.write_text(CONFIG.format(database=database, url=url, mode=mode), encoding="utf-8")
        config = load(path)
        chat = SlackChat({one.key: web_client(one) for one in config.slack}, now)
        app = await build(config, path, Parts(chats={"slack": chat}))
        alarms: list[tuple[str, str]] = []
        doors = unhurried(
            open_doors(
                config.slack, chat, app.desk, app.hearing, lambda: app.live.current, lambda *a: alarms.append(a), now
            )
        )
        places.append(doors)
        await doors.start()
        try:
            if mode == "http":
                slack.world.teams[TEAM].request_url = f"{url}/slack/events"
            else:
                await until(lambda: slack.sockets.links[slack.world.teams[TEAM].app.id])
            await doors.learn(doors.doors)
            yield World(slack, app, doors, chat, alarms)
        finally:
            await doors.stop()
            await app.close()
