"""Messages and views change here, for people and apps alike, and the app hears of it as Slack would tell it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from sandbox.slack.blocks import with_ids
from sandbox.slack.courier import Courier
from sandbox.slack.inputs import initial_state, kept_state
from sandbox.slack.state import SLACKBOT, TOMBSTONE, Channel, File, Json, Message, Refused, Team, View, World, new_id

MOST_VIEWS = 3
CHANNEL_TYPES = {"channel": "C", "group": "G", "im": "D"}


class Talk:
    """What happens in workspaces. Every method tells the app and calls `notify`."""

    def __init__(self, world: World, courier: Courier, notify: Callable[[], None]) -> None:
        self.world = world
        self.courier = courier
        self.notify = notify

    def post(self, team: Team, channel: Channel, message: Message) -> None:
        message.blocks = with_ids(message.blocks)
        message.state = initial_state(message.blocks)
        channel.messages.append(message)
        if not message.ephemeral_for:
            parent = channel.find(message.thread_ts)
            if parent is not None:
                parent.thread_ts = parent.ts
            self._tell_of_new(team, channel, message)
        self.notify()

    def change(self, team: Team, channel: Channel, message: Message, text: str, blocks: list[Json]) -> None:
        """New text and blocks; the earlier face is kept for people whose screen is behind."""
        previous = self.world.message_json(team, channel, message)
        message.past.append(previous)
        message.text = text
        message.blocks = with_ids(blocks)
        message.state = kept_state(message.blocks, message.state)
        message.edited = {"user": message.user, "ts": self.world.new_ts()}
        if not message.ephemeral_for:
            self._tell_of_change(team, channel, message, previous)
        self.notify()

    def remove(self, team: Team, channel: Channel, message: Message) -> None:
        """Deletes a message; a parent with replies stays as a tombstone, and its replies with it."""
        previous = self.world.message_json(team, channel, message)
        if channel.thread(message.ts) and not message.ephemeral_for:
            message.past.append(previous)
            message.user, message.text, message.subtype, message.bot = SLACKBOT, TOMBSTONE, "tombstone", False
            message.blocks, message.files, message.metadata = [], [], None
            self._tell_of_change(team, channel, message, previous)
        else:
            channel.messages.remove(message)
            if not message.ephemeral_for:
                gone = {"deleted_ts": message.ts, "previous_message": previous}
                self._tell(team, channel, {"subtype": "message_deleted", "hidden": True, **gone})
        self.notify()

    def share(self, team: Team, channel: Channel, message: Message) -> None:
        """Posts a message that carries files; the app is told of the files too."""
        for file in message.files:
            file.shares.setdefault(channel.id, []).append(message.ts)
        self.post(team, channel, message)
        for file in message.files:
            shared = {"channel_id": channel.id, "file_id": file.id, "user_id": message.user, "file": {"id": file.id}}
            self.tell(team, channel, {"type": "file_shared", **shared})

    def new_file(self, team: Team, name: str, length: int, user: str, content: bytes | None = None) -> File:
        file = File(new_id("F"), name, length, user, content=content)
        team.files[file.id] = file
        return file

    def join(self, team: Team, channel: Channel, user: str) -> None:
        """Puts somebody into a channel, the app's bot too."""
        if user in channel.members:
            return
        channel.members.append(user)
        kind = {"channel_type": CHANNEL_TYPES[channel.kind], "team": team.id, "channel": channel.id}
        self.tell(team, channel, {"type": "member_joined_channel", "user": user, **kind})
        self.notify()

    def react(self, team: Team, channel: Channel, message: Message, user: str, name: str) -> None:
        message.reactions.setdefault(name, []).append(user)
        item = {"type": "message", "channel": channel.id, "ts": message.ts}
        event = {"type": "reaction_added", "user": user, "reaction": name, "item": item, "item_user": message.user}
        self.tell(team, channel, event)
        self.notify()

    def new_view(self, team: Team, user: str, body: Json, previous: View | None = None) -> View:
        view_id = new_id("V")
        filled = body | {"blocks": with_ids(body["blocks"])}
        root, before = (previous.root, previous.id) if previous else (view_id, "")
        return View(view_id, user, filled, self.new_hash(), root, before, initial_state(filled["blocks"]))

    def open_view(self, team: Team, user: str, body: Json) -> View:
        """A modal on the person's screen in place of whatever modal was there."""
        self.clear_views(team, user)
        view = self.new_view(team, user, body)
        team.views[view.id] = view
        team.stacks[user] = [view.id]
        self.notify()
        return view

    def push_view(self, team: Team, user: str, body: Json) -> View:
        """One more modal on top. Raises Refused: push_limit_reached after the third."""
        stack = team.stacks[user]
        if len(stack) >= MOST_VIEWS:
            raise Refused("push_limit_reached")
        view = self.new_view(team, user, body, team.views[stack[-1]])
        team.views[view.id] = view
        stack.append(view.id)
        self.notify()
        return view

    def update_view(self, view: View, body: Json) -> None:
        view.body = body | {"blocks": with_ids(body["blocks"])}
        view.hash = self.new_hash()
        view.state = kept_state(view.body["blocks"], view.state)
        view.errors = {}
        self.notify()

    def pop_view(self, team: Team, view: View) -> None:
        """Takes one modal away; the one below it shows again."""
        del team.views[view.id]
        team.stacks[view.user].remove(view.id)
        self.notify()

    def clear_views(self, team: Team, user: str) -> None:
        for view_id in team.stacks.pop(user, []):
            del team.views[view_id]
        self.notify()

    def new_hash(self) -> str:
        return f"{int(self.world.now())}.{secrets.token_hex(4)}"

    def view_json(self, team: Team, view: View) -> Json:
        defaults: Json = {
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "title": None,
            "close": None,
            "submit": None,
            "clear_on_close": False,
            "notify_on_close": False,
        }
        return {
            "id": view.id,
            "team_id": team.id,
            **defaults,
            **view.body,
            "state": {"values": view.state},
            "hash": view.hash,
            "root_view_id": view.root,
            "previous_view_id": view.previous or None,
            "app_id": team.app.id,
            "bot_id": team.bot_id,
            "app_installed_team_id": team.id,
        }

    def tell(self, team: Team, channel: Channel, event: Json) -> None:
        """An event of a channel, told only to an app whose bot is in it."""
        if team.bot_user in channel.members:
            event.setdefault("event_ts", self.world.new_ts())
            self.courier.event(team, event, channel.external)

    def _tell(self, team: Team, channel: Channel, fields: Json) -> None:
        ts = self.world.new_ts()
        where = {"channel": channel.id, "channel_type": channel.kind, "ts": ts, "event_ts": ts}
        self.tell(team, channel, {"type": "message", **where, **fields})

    def _tell_of_change(self, team: Team, channel: Channel, message: Message, previous: Json) -> None:
        now = self.world.message_json(team, channel, message)
        fields: Json = {"subtype": "message_changed", "hidden": True, "message": now, "previous_message": previous}
        self._tell(team, channel, fields)

    def _tell_of_new(self, team: Team, channel: Channel, message: Message) -> None:
        where: Json = {"channel": channel.id, "event_ts": message.ts}
        event = self.world.message_json(team, channel, message, metadata=True) | where
        event |= _from_elsewhere(team, message)
        self.tell(team, channel, event | {"channel_type": channel.kind})
        mentioned = f"<@{team.bot_user}>" in message.text and not message.bot
        if mentioned and channel.kind != "im":
            self.tell(team, channel, event | {"type": "app_mention"})


def _from_elsewhere(team: Team, message: Message) -> dict[str, Any]:
    home = team.users[message.user].home_team
    return {} if home == team.id else {"user_team": home, "source_team": home}
