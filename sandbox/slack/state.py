"""What a workspace holds: people, channels, messages, views, files; and the small clocks and counters of the face."""

from __future__ import annotations

import itertools
import secrets
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.text import encode

Json = dict[str, Any]

TOMBSTONE = "This message was deleted."
SLACKBOT = "USLACKBOT"
# chat-facts: the scopes the desk asks for; channels:join and chat:write.public are not among them.
DESK_SCOPES = (
    "app_mentions:read,channels:history,channels:read,chat:write,commands,files:read,files:write,groups:history,"
    "groups:read,im:history,im:write,pins:write,reactions:read,users:read,users:read.email"
)
_IDS = itertools.count(1)


def new_id(prefix: str) -> str:
    """An id as Slack makes them: a letter for the kind, then capitals and digits; never repeated in a process."""
    salt = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(4))
    return f"{prefix}0{salt}{next(_IDS):05d}"


class Impossible(ValueError):
    """A person asked for what Slack's own client would not let them do; the text says what."""


class Refused(Exception):
    """The Web API's `ok: false`. `code` is Slack's error, `extra` goes into the answer beside it."""

    def __init__(self, code: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.extra: Json = extra


@dataclass(frozen=True, slots=True)
class Call:
    """One API call as Slack saw it. `at` is Unix seconds; `error` is Slack's code or the fault, "" when fine."""

    at: float
    method: str
    params: Json
    ok: bool
    error: str = ""
    team: str = ""


@dataclass(slots=True)
class User:
    """`home_team` differs from the workspace for people who come through Slack Connect."""

    id: str
    name: str
    home_team: str
    email: str = ""
    is_bot: bool = False

    @property
    def handle(self) -> str:
        return self.name.lower().replace(" ", ".")


@dataclass(slots=True)
class File:
    id: str
    name: str
    length: int
    user: str
    title: str = ""
    mimetype: str = "application/octet-stream"
    content: bytes | None = None
    shares: dict[str, list[str]] = field(default_factory=dict)
    public: bool = False


@dataclass(slots=True)
class Message:
    """`past` keeps every earlier face of the message: a person's screen may still show one of them."""

    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str = ""
    bot: bool = False
    client_msg_id: str = ""
    edited: Json | None = None
    files: list[File] = field(default_factory=list)
    metadata: Json | None = None
    ephemeral_for: str = ""
    subtype: str = ""
    broadcast: bool = False
    pinned: bool = False
    reactions: dict[str, list[str]] = field(default_factory=dict)
    state: Json = field(default_factory=dict)
    past: list[Json] = field(default_factory=list)

    @property
    def is_reply(self) -> bool:
        return self.thread_ts not in ("", self.ts)


@dataclass(slots=True)
class Channel:
    """`kind` is channel, group (private) or im. Ephemeral messages lie among the others, marked."""

    id: str
    name: str
    kind: str
    members: list[str] = field(default_factory=list)
    archived: bool = False
    external: bool = False
    messages: list[Message] = field(default_factory=list)

    @property
    def kept(self) -> list[Message]:
        return [message for message in self.messages if not message.ephemeral_for]

    def find(self, ts: str) -> Message | None:
        return next((message for message in self.messages if message.ts == ts), None)

    def thread(self, ts: str) -> list[Message]:
        return [message for message in self.kept if message.thread_ts == ts and message.ts != ts]


@dataclass(slots=True)
class View:
    """`body` is what the app sent with ids filled in; `errors` is what the person sees under the inputs."""

    id: str
    user: str
    body: Json
    hash: str
    root: str
    previous: str = ""
    state: Json = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Trigger:
    """`view` is the modal the person acted in, "" outside one. `expires` is Unix seconds."""

    team: str
    user: str
    expires: float
    view: str = ""
    used: bool = False


@dataclass(slots=True)
class ResponseUrl:
    """Where an app may answer an interaction: 5 uses in 30 minutes [chat-facts, from memory]."""

    team: str
    user: str
    channel: str
    ts: str
    thread_ts: str
    expires: float
    uses: int = 0


@dataclass(slots=True)
class App:
    """One app installed in any number of workspaces: they share its sockets."""

    id: str
    token: str
    signing_secret: str


@dataclass(slots=True)
class Team:
    id: str
    name: str
    app: App
    bot_token: str
    bot_user: str
    request_url: str | None
    bot_id: str
    scopes: set[str]
    token_error: str = ""
    history_restricted: bool = False
    users: dict[str, User] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    stacks: dict[str, list[str]] = field(default_factory=dict)
    homes: dict[str, View] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    alerts: list[Json] = field(default_factory=list)

    @property
    def domain(self) -> str:
        return "".join(c if c.isascii() and c.isalnum() else "-" for c in self.name.lower()).strip("-") or "team"

    def user(self, user_id: str) -> User:
        """Raises Impossible for somebody who is not in the workspace."""
        if user_id not in self.users:
            raise Impossible(f"nobody with id {user_id} in {self.id}")
        return self.users[user_id]

    def channel(self, channel_id: str) -> Channel:
        """Raises Impossible for an unknown channel."""
        if channel_id not in self.channels:
            raise Impossible(f"no channel {channel_id} in {self.id}")
        return self.channels[channel_id]

    def any_view(self, view_id: str) -> View | None:
        home = next((view for view in self.homes.values() if view.id == view_id), None)
        return self.views.get(view_id) or home

    def direct(self, user_id: str) -> Channel:
        """The conversation between the app and one person, made at first need."""
        for channel in self.channels.values():
            if channel.kind == "im" and user_id in channel.members:
                return channel
        channel = Channel(new_id("D"), user_id, "im", [user_id, self.bot_user])
        self.channels[channel.id] = channel
        return channel

    def encode(self, typed: str, *, command: bool = False) -> tuple[str, list[Json]]:
        """Typed text as Slack stores it, with its rich text elements. See sandbox.slack.text."""
        handles: dict[str, str] = {}
        for user in self.users.values():
            handles |= {user.name.lower(): user.id, user.handle: user.id}
        return encode(typed, handles, command=command)


class World:
    """All workspaces of the face, and what they share: the clock (Unix seconds), ids, triggers, answer addresses."""

    def __init__(self, now: Callable[[], float], trigger_seconds: float) -> None:
        self.now = now
        self.trigger_seconds = trigger_seconds
        self.teams: dict[str, Team] = {}
        self.apps: dict[str, App] = {}
        self.triggers: dict[str, Trigger] = {}
        self.responses: dict[str, ResponseUrl] = {}
        # Known once the first request came in: files and answers need absolute addresses.
        self.origin = "http://127.0.0.1"
        self._last_ts = 0

    def team(self, team_id: str) -> Team:
        """Raises Impossible for an unknown workspace."""
        if team_id not in self.teams:
            raise Impossible(f"no workspace {team_id}")
        return self.teams[team_id]

    def new_ts(self) -> str:
        """The next message id: Unix seconds with six digits, always larger than the one before."""
        self._last_ts = max(self._last_ts + 1, int(self.now() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def new_trigger(self, team: Team, user: str, view: str = "") -> str:
        trigger_id = f"{secrets.randbelow(10**13):013d}.{secrets.randbelow(10**11):011d}.{secrets.token_hex(16)}"
        self.triggers[trigger_id] = Trigger(team.id, user, self.now() + self.trigger_seconds, view)
        return trigger_id

    def exchange(self, team: Team, trigger_id: str) -> Trigger:
        """Uses a trigger up. Raises Refused: invalid, exchanged or expired_trigger_id."""
        trigger = self.triggers.get(trigger_id)
        if trigger is None or trigger.team != team.id:
            raise Refused("invalid_trigger_id")
        if trigger.used:
            raise Refused("exchanged_trigger_id")
        if self.now() > trigger.expires:
            raise Refused("expired_trigger_id")
        trigger.used = True
        return trigger

    def new_response_url(self, team: Team, user: str, channel: Channel, message: Message | None = None) -> str:
        key = secrets.token_urlsafe(18)
        ts, thread = (message.ts, message.thread_ts) if message else ("", "")
        self.responses[key] = ResponseUrl(team.id, user, channel.id, ts, thread, self.now() + 1800)
        return f"{self.origin}/slack/response/{key}"

    def bot_profile(self, team: Team) -> Json:
        return {
            "id": team.bot_id,
            "app_id": team.app.id,
            "user_id": team.bot_user,
            "name": team.users[team.bot_user].name,
            "team_id": team.id,
            "deleted": False,
            "updated": 1767225600,
        }

    def file_json(self, team: Team, file: File) -> Json:
        url = f"{self.origin}/slack/files/{team.id}/{file.id}"
        return {
            "id": file.id,
            "name": file.name,
            "title": file.title or file.name,
            "mimetype": file.mimetype,
            "filetype": file.name.rpartition(".")[2].lower(),
            "size": file.length,
            "user": file.user,
            "mode": "hosted",
            "is_external": False,
            "url_private": url,
            "url_private_download": f"{url}/download",
            "permalink": f"https://{team.domain}.slack.com/files/{file.user}/{file.id}",
        }

    def message_json(self, team: Team, channel: Channel, message: Message, *, metadata: bool = False) -> Json:
        """The message as history and events show it; `metadata` adds what the app stored with it."""
        body: Json = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
        optional = {
            "subtype": message.subtype,
            "team": "" if message.user == SLACKBOT else team.users[message.user].home_team,
            "client_msg_id": message.client_msg_id,
            "thread_ts": message.thread_ts,
            "blocks": message.blocks,
            "files": [self.file_json(team, file) for file in message.files],
            "edited": message.edited,
            "pinned_to": [channel.id] if message.pinned else [],
            "reactions": _reactions(message),
            "metadata": message.metadata if metadata else None,
        }
        body |= {key: value for key, value in optional.items() if value}
        if message.bot:
            body |= {"bot_id": team.bot_id, "app_id": team.app.id, "bot_profile": self.bot_profile(team)}
        return body | self._thread_json(channel, message)

    def _thread_json(self, channel: Channel, message: Message) -> Json:
        if message.is_reply:
            parent = channel.find(message.thread_ts)
            return {"parent_user_id": parent.user} if parent else {}
        replies = channel.thread(message.ts)
        if not replies:
            return {}
        people = list(dict.fromkeys(reply.user for reply in replies))
        return {
            "reply_count": len(replies),
            "reply_users_count": len(people),
            "reply_users": people,
            "latest_reply": replies[-1].ts,
        }


def _reactions(message: Message) -> list[Json]:
    pairs: Iterable[tuple[str, list[str]]] = message.reactions.items()
    return [{"name": name, "users": users, "count": len(users)} for name, users in pairs]
