"""conversations.*, users.*, bots.info and team.info."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sandbox.slack.chat import room, text, truth
from sandbox.slack.state import Channel, Json, Message, Refused, Team, User
from sandbox.slack.talk import Talk

FAMILY = {"channel": "channels", "group": "groups", "im": "im"}
TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
MOST, RESTRICTED_MOST = 999, 15


def need(team: Team, scope: str) -> None:
    """Raises Refused: missing_scope, naming what is needed and what is there."""
    if scope not in team.scopes:
        raise Refused("missing_scope", needed=scope, provided=",".join(sorted(team.scopes)))


def page(rows: list[Any], params: Json, default: int = 100, most: int = MOST) -> tuple[list[Any], Json]:
    """One page and its response_metadata. Raises Refused: invalid_limit, invalid_cursor."""
    raw = str(params.get("limit") or default)
    if not raw.isdigit() or not 1 <= int(raw) <= 1000:
        raise Refused("invalid_limit")
    size, start = min(int(raw), most), _start(str(params.get("cursor") or ""))
    following = start + size
    more = following < len(rows)
    cursor = base64.b64encode(f"next:{following}".encode()).decode() if more else ""
    return rows[start:following], {"has_more": more, "response_metadata": {"next_cursor": cursor}}


def _start(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        word, _, offset = base64.b64decode(cursor, validate=True).decode().partition(":")
        return int(offset) if word == "next" else int("")
    except (binascii.Error, ValueError):
        raise Refused("invalid_cursor") from None


def channel_json(team: Team, channel: Channel) -> Json:
    if channel.kind == "im":
        other = next(user for user in channel.members if user != team.bot_user)
        return {"id": channel.id, "is_im": True, "user": other, "is_archived": False, "is_open": True}
    private = channel.kind == "group"
    return {
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not private,
        "is_group": private,
        "is_im": False,
        "is_mpim": False,
        "is_private": private,
        "is_archived": channel.archived,
        "is_general": False,
        "is_member": team.bot_user in channel.members,
        "is_shared": channel.external,
        "is_ext_shared": channel.external,
        "is_org_shared": False,
        "context_team_id": team.id,
        "created": 1767225600,
        "creator": next(iter(channel.members), ""),
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def readable(talk: Talk, team: Team, params: Json, right: str) -> Channel:
    """A channel the app can see and has the scope for, such as channels:read or groups:history."""
    channel = room(talk, team, params)
    need(team, f"{FAMILY[channel.kind]}:{right}")
    return channel


def info(talk: Talk, team: Team, params: Json) -> Json:
    channel = readable(talk, team, params, "read")
    count = {"num_members": len(channel.members)} if truth(params.get("include_num_members")) else {}
    return {"channel": channel_json(team, channel) | count}


def list_channels(talk: Talk, team: Team, params: Json) -> Json:
    asked = str(params.get("types") or "public_channel").split(",")
    kinds = {TYPES.get(one.strip(), "") for one in asked}
    if "" in kinds:
        raise Refused("invalid_types")
    for kind in kinds & FAMILY.keys():
        need(team, f"{FAMILY[kind]}:read")
    hide = truth(params.get("exclude_archived"))
    found = [
        channel
        for channel in team.channels.values()
        if channel.kind in kinds
        and not (hide and channel.archived)
        and (channel.kind == "channel" or team.bot_user in channel.members)
    ]
    rows, more = page(found, params)
    return {"channels": [channel_json(team, channel) for channel in rows]} | more


def members(talk: Talk, team: Team, params: Json) -> Json:
    channel = readable(talk, team, params, "read")
    rows, more = page(channel.members, params)
    return {"members": rows} | more


def _in_channel(team: Team, channel: Channel) -> None:
    if team.bot_user not in channel.members:
        raise Refused("not_in_channel")


def _between(messages: list[Message], params: Json) -> list[Message]:
    oldest, latest = str(params.get("oldest") or "0"), str(params.get("latest") or "9999999999.999999")
    edge = truth(params.get("inclusive"))
    return [
        message
        for message in messages
        if float(oldest) < float(message.ts) < float(latest) or (edge and message.ts in (oldest, latest))
    ]


def _messages(talk: Talk, team: Team, channel: Channel, found: list[Message], params: Json) -> Json:
    most = RESTRICTED_MOST if team.history_restricted else MOST
    rows, more = page(found, params, default=min(100, most), most=most)
    whole = truth(params.get("include_all_metadata"))
    return {"messages": [talk.world.message_json(team, channel, row, metadata=whole) for row in rows]} | more


def history(talk: Talk, team: Team, params: Json) -> Json:
    """Newest first, without replies that were not also sent to the channel."""
    channel = readable(talk, team, params, "history")
    _in_channel(team, channel)
    found = [message for message in channel.kept if not message.is_reply or message.broadcast]
    return _messages(talk, team, channel, _between(found[::-1], params), params)


def replies(talk: Talk, team: Team, params: Json) -> Json:
    """The parent, then its replies, oldest first; a reply's own ts gives that reply alone."""
    channel = readable(talk, team, params, "history")
    _in_channel(team, channel)
    message = channel.find(text(params, "ts"))
    if message is None or message.ephemeral_for:
        raise Refused("thread_not_found")
    found = _between(channel.thread(message.ts), params)
    return _messages(talk, team, channel, [message, *found], params)


def open_direct(talk: Talk, team: Team, params: Json) -> Json:
    if params.get("channel"):
        channel = room(talk, team, params)
    else:
        users = [user for user in str(params.get("users") or "").split(",") if user]
        if not users:
            raise Refused("users_list_not_supplied")
        if len(users) > 1:
            need(team, "mpim:write")
        if users[0] not in team.users or users[0] == team.bot_user:
            raise Refused("user_not_found")
        channel = team.direct(users[0])
    whole = truth(params.get("return_im"))
    return {"channel": channel_json(team, channel) if whole else {"id": channel.id}}


def join(talk: Talk, team: Team, params: Json) -> Json:
    channel = room(talk, team, params)
    if channel.kind != "channel":
        raise Refused("method_not_supported_for_channel_type")
    if channel.archived:
        raise Refused("is_archived")
    there = team.bot_user in channel.members
    talk.join(team, channel, team.bot_user)
    warning = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
    return {"channel": channel_json(team, channel)} | (warning if there else {})


def user_json(team: Team, user: User) -> Json:
    """The full profile; of a Slack Connect guest only the little that Slack shows."""
    profile: Json = {"real_name": user.name, "display_name": user.name, "team": user.home_team}
    body: Json = {"id": user.id, "team_id": user.home_team, "name": user.handle, "real_name": user.name}
    body |= {"deleted": False, "is_bot": user.is_bot, "is_app_user": False, "profile": profile}
    if user.home_team != team.id:
        together = any({user.id, team.bot_user} <= set(channel.members) for channel in team.channels.values())
        return body | {"is_stranger": not together}
    if user.email and "users:read.email" in team.scopes:
        profile["email"] = user.email
    if user.is_bot:
        profile |= {"bot_id": team.bot_id, "api_app_id": team.app.id}
    return body | {"tz": "Asia/Almaty", "tz_label": "Almaty", "tz_offset": 18000, "is_admin": False, "updated": 0}


def user_info(talk: Talk, team: Team, params: Json) -> Json:
    user = team.users.get(str(params.get("user", "")))
    if user is None:
        raise Refused("user_not_found")
    return {"user": user_json(team, user)}


def list_users(talk: Talk, team: Team, params: Json) -> Json:
    rows, more = page(list(team.users.values()), params)
    return {"members": [user_json(team, user) for user in rows], "cache_ts": int(talk.world.now())} | more


def user_by_email(talk: Talk, team: Team, params: Json) -> Json:
    """Finds people of the installed workspace only."""
    email = text(params, "email").lower()
    for user in team.users.values():
        if user.email.lower() == email and user.home_team == team.id:
            return {"user": user_json(team, user)}
    raise Refused("users_not_found")


def bot_info(talk: Talk, team: Team, params: Json) -> Json:
    if params.get("bot") != team.bot_id:
        raise Refused("bot_not_found")
    return {"bot": talk.world.bot_profile(team)}


def team_info(talk: Talk, team: Team, params: Json) -> Json:
    wanted = params.get("team") or team.id
    if wanted != team.id:
        raise Refused("team_not_found")
    return {"team": {"id": team.id, "name": team.name, "domain": team.domain, "email_domain": "", "icon": {}}}
