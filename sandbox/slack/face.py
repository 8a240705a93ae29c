"""The Slack face of the sandbox: its workspaces, its routes, what the page sees."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any

from aiohttp import web

from sandbox.slack import files, responses
from sandbox.slack.courier import Courier, Delivery
from sandbox.slack.door import Door, Fault
from sandbox.slack.events import Http
from sandbox.slack.limits import Limits
from sandbox.slack.people import People
from sandbox.slack.socket import Sockets
from sandbox.slack.state import DESK_SCOPES, App, Call, Channel, Json, Message, Team, User, View, World, new_id
from sandbox.slack.talk import Talk

UI_METHODS = (
    "add_user", "add_channel", "write", "edit", "delete", "react", "press", "press_in_view", "submit", "close_view",
    "command", "shortcut", "open_home", "direct", "redeliver", "revoke", "archive", "disconnect",
)  # fmt: skip


class Slack(People):
    """One Slack with any number of workspaces.

    `now` gives Unix seconds; `trigger_seconds` is how long a trigger_id lives; `ack_seconds` how long an
    acknowledgement is waited for; `retry_delays` are seconds before each repetition of a missed event;
    `burst` and `refill` (a second) are the budget of chat.postMessage in one channel.
    """

    def __init__(
        self,
        notify: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.time,
        *,
        trigger_seconds: float = 3.0,
        ack_seconds: float = 3.0,
        retry_delays: Sequence[float] = (0.0, 60.0, 300.0),
        burst: float = 5.0,
        refill: float = 1.0,
    ) -> None:
        self.world = World(now, trigger_seconds)
        self.sockets = Sockets(self.world, ack_seconds)
        self.http = Http(self.world, ack_seconds)
        self.courier = Courier(self.world, self.sockets, self.http, retry_delays)
        self.talk = Talk(self.world, self.courier, notify)
        self.door = Door(self.talk, self.sockets, Limits(now, burst, refill))

    @property
    def calls(self) -> list[Call]:
        """Every API call of the app, oldest first."""
        return self.door.calls

    @property
    def too_many(self) -> list[Call]:
        """The calls that went over a budget and were answered 429."""
        return self.door.too_many

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything sent to the app: envelope_id, kind, payload, attempts, acked."""
        return self.courier.deliveries

    def fail(self, method: str, *faults: Fault) -> None:
        """Queues faults for the next calls of `method`: ("status", 500), ("retry_after", seconds),
        ("error", code), ("drop_after",), ("drop_before",), ("html",), ("delay", seconds), ("hold", asyncio.Event).
        Raises ValueError for another kind."""
        self.door.fail(method, *faults)

    def add_workspace(
        self,
        team_id: str,
        name: str,
        bot_token: str,
        app_token: str,
        signing_secret: str,
        bot_user: str = "U0DESK",
        request_url: str | None = None,
    ) -> None:
        """A workspace with the app installed. Workspaces with one app_token share one app and its sockets."""
        key = app_token or signing_secret
        app = self.world.apps.setdefault(key, App(new_id("A"), app_token, signing_secret))
        team = Team(team_id, name, app, bot_token, bot_user, request_url, new_id("B"), set(DESK_SCOPES.split(",")))
        team.users[bot_user] = User(bot_user, "desk", team_id, is_bot=True)
        self.world.teams[team_id] = team
        self.talk.notify()

    def add_user(self, team: str, user_id: str, name: str, email: str = "", home_team: str | None = None) -> None:
        """A person, in every public channel from the start. `home_team` is another workspace's id for a guest
        through Slack Connect."""
        space = self.world.team(team)
        space.users[user_id] = User(user_id, name, home_team or team, email)
        for channel in space.channels.values():
            if channel.kind == "channel":
                channel.members.append(user_id)
        self.talk.notify()

    def add_channel(
        self,
        team: str,
        channel_id: str,
        name: str,
        bot_member: bool = True,
        private: bool = False,
        members: Sequence[str] | None = None,
        external: bool = False,
    ) -> None:
        """A channel with all people of the workspace, or with `members`. `external`: shared by Slack Connect."""
        space = self.world.team(team)
        people = [user.id for user in space.users.values() if not user.is_bot] if members is None else [*members]
        everybody = [*people, space.bot_user] if bot_member else people
        kind = "group" if private else "channel"
        space.channels[channel_id] = Channel(channel_id, name, kind, everybody, external=external)
        self.talk.notify()

    def invite_bot(self, team: str, channel: str) -> None:
        space = self.world.team(team)
        self.talk.join(space, space.channel(channel), space.bot_user)

    def remove_bot(self, team: str, channel: str) -> None:
        """The bot is put out of a channel: not_in_channel from now on."""
        space = self.world.team(team)
        space.channel(channel).members.remove(space.bot_user)
        self.talk.notify()

    def archive(self, team: str, channel: str) -> None:
        space = self.world.team(team)
        room = space.channel(channel)
        room.archived = True
        kind = "group_archive" if room.kind == "group" else "channel_archive"
        self.talk.tell(space, room, {"type": kind, "channel": channel, "user": room.members[0]})
        self.talk.notify()

    def set_scopes(self, team: str, scopes: Sequence[str]) -> None:
        """The scopes of the bot token from now on."""
        self.world.team(team).scopes = set(scopes)

    def revoke(self, team: str, error: str = "token_revoked") -> None:
        """Every call is refused with `error`; "" makes the token good again."""
        space = self.world.team(team)
        space.token_error = error
        if error:
            gone = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [space.bot_user]}}
            self.courier.event(space, gone | {"event_ts": self.world.new_ts()})

    def restrict_history(self, team: str, restricted: bool = True) -> None:
        """An app outside the Marketplace: history and replies once a minute, 15 messages."""
        self.world.team(team).history_restricted = restricted

    def disconnect(self, team: str, reason: str = "refresh_requested") -> None:
        """Slack recycles the app's connections."""
        app = self.world.team(team).app
        self.courier.tasks.start(lambda: self.sockets.disconnect(app, reason))

    def cut(self, team: str) -> None:
        """The app's connections die without a word."""
        self.sockets.cut(self.world.team(team).app)

    async def verify_url(self, team: str) -> bool:
        """Slack's check of a request URL: whether the app answers with the challenge."""
        return await self.http.verify(self.world.team(team))

    async def settle(self, seconds: float = 5.0) -> None:
        """Waits until all events are acknowledged or given up. Raises TimeoutError after `seconds`."""
        await self.courier.settle(seconds)

    async def close(self) -> None:
        """Ends background work and websockets; call it before the server is cleaned up."""
        await self.courier.tasks.close()
        await self.sockets.close()

    def messages(self, team: str, channel: str, thread_ts: str | None = None) -> list[Json]:
        """What stands in a channel, or in one thread with its parent, oldest first, as in the snapshot."""
        space = self.world.team(team)
        found = space.channel(channel).messages
        wanted = [one for one in found if thread_ts in (None, one.ts, one.thread_ts)]
        return [self._message(space, message) for message in wanted]

    def modal(self, team: str, user: str) -> Json | None:
        """The modal on top of a person's screen: {"id", "user", "view", "errors"}."""
        space = self.world.team(team)
        stack = space.stacks.get(user)
        return self._view_json(space, space.views[stack[-1]]) if stack else None

    def routes(self) -> list[web.RouteDef]:
        """The vendor's side: the API, uploads, files, answers, the websocket."""
        return [
            web.get("/slack/api/{method}", self.door.call),
            web.post("/slack/api/{method}", self.door.call),
            web.post("/slack/upload/{team}/{file}", self._upload),
            web.get("/slack/files/{team}/{file}", self._download),
            web.get("/slack/files/{team}/{file}/download", self._download),
            web.post("/slack/response/{key}", self._respond),
            web.get("/slack/socket/{ticket}", self.sockets.serve),
        ]

    def ui_routes(self) -> list[web.RouteDef]:
        """The page's side: one POST for each method of a person, and files without a token."""
        posts = [web.post(f"/ui/slack/{name}", self._ui(getattr(self, name))) for name in UI_METHODS]
        return [*posts, web.get("/ui/slack/file/{team}/{file}", self._show_file)]

    def snapshot(self) -> Json:
        """Everything the page draws: teams with users, channels, messages, modals, homes, alerts."""
        return {"teams": [self._team(team) for team in self.world.teams.values()]}

    def _team(self, team: Team) -> Json:
        channels = [
            {
                "id": channel.id,
                "name": channel.name,
                "kind": channel.kind,
                "archived": channel.archived,
                "members": channel.members,
                "messages": [self._message(team, message) for message in channel.messages],
            }
            for channel in team.channels.values()
        ]
        stacked = [team.views[view_id] for stack in team.stacks.values() for view_id in stack]
        return {
            "id": team.id,
            "name": team.name,
            "users": [_user(user) for user in team.users.values()],
            "channels": channels,
            "views": [self._view_json(team, view) for view in stacked],
            "homes": [self._view_json(team, view) for view in team.homes.values()],
            "alerts": team.alerts,
        }

    def _message(self, team: Team, message: Message) -> Json:
        author = team.users.get(message.user) or User(message.user, "Slackbot", team.id, is_bot=True)
        return {
            "ts": message.ts,
            "thread_ts": message.thread_ts or None,
            "user": _user(author),
            "text": message.text,
            "blocks": message.blocks,
            "edited": message.edited is not None,
            "ephemeral_for": message.ephemeral_for or None,
            "files": [
                {"id": one.id, "name": one.name, "url": f"/ui/slack/file/{team.id}/{one.id}"} for one in message.files
            ],
            "broadcast": message.broadcast,
            "metadata": message.metadata,
            "pinned": message.pinned,
            "reactions": message.reactions,
        }

    def _view_json(self, team: Team, view: View) -> Json:
        return {"id": view.id, "user": view.user, "view": self.talk.view_json(team, view), "errors": view.errors}

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        return await files.receive(self.talk, request)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        return files.download(self.talk, request)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        return await responses.respond(self.talk, request)

    async def _show_file(self, request: web.Request) -> web.StreamResponse:
        team = self.world.teams.get(request.match_info["team"])
        file = team.files.get(request.match_info["file"]) if team else None
        if file is None or file.content is None:
            raise web.HTTPNotFound
        # Somebody's HTML must not run as a page of ours.
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=file.content, content_type=file.mimetype, headers=headers)

    def _ui(self, method: Callable[..., Any]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.door.meet(request)
            try:
                result = method(**json.loads(await request.text() or "{}"))
                answer = await result if isawaitable(result) else result
            except (ValueError, TypeError, KeyError) as error:
                return web.json_response({"ok": False, "error": str(error)}, status=400)
            return web.json_response({"ok": True, "result": answer})

        return handle


def _user(user: User) -> Json:
    return {"id": user.id, "name": user.name, "is_bot": user.is_bot}
