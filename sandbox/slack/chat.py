"""chat.*, reactions.add and pins.add."""

from __future__ import annotations

import json
from typing import Any

from sandbox.slack.blocks import ALL_TEXT, problems_of_blocks, text_length
from sandbox.slack.state import Channel, Json, Message, Refused, Team
from sandbox.slack.talk import Talk

LONGEST_TEXT = 40_000


def truth(value: Any) -> bool:
    """A flag in whatever form clients send it."""
    return value in (True, 1, "1", "true", "True")


def parsed(params: Json, name: str, error: str) -> Any:
    """An argument that may come as JSON text. Raises Refused(error) when it is not JSON."""
    value = params.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError:
        raise Refused(error) from None


def text(params: Json, name: str) -> str:
    """A required text argument. Raises Refused: invalid_arguments."""
    value = params.get(name)
    if value in (None, ""):
        raise refused_arguments(f"missing required field: {name}")
    return str(value)


def refused_arguments(*problems: str) -> Refused:
    return Refused("invalid_arguments", response_metadata={"messages": [f"[ERROR] {one}" for one in problems]})


def room(talk: Talk, team: Team, params: Json, name: str = "channel") -> Channel:
    """A channel the app can see. Raises Refused: channel_not_found."""
    channel = team.channels.get(str(params.get(name, "")))
    if channel is None or (channel.kind != "channel" and team.bot_user not in channel.members):
        raise Refused("channel_not_found")
    return channel


def own_room(talk: Talk, team: Team, params: Json, name: str = "channel") -> Channel:
    """A channel the app may write to. Raises Refused: channel_not_found, is_archived, not_in_channel."""
    wanted = str(params.get(name, ""))
    if wanted in team.users and wanted != team.bot_user:
        return team.direct(wanted)
    channel = room(talk, team, params, name)
    if channel.archived:
        raise Refused("is_archived")
    if team.bot_user not in channel.members and "chat:write.public" not in team.scopes:
        raise Refused("not_in_channel")
    return channel


def message_in(channel: Channel, ts: Any) -> Message:
    message = channel.find(str(ts))
    if message is None or message.ephemeral_for:
        raise Refused("message_not_found")
    return message


def parent_ts(channel: Channel, params: Json) -> str:
    """The thread to answer in, "" for none. Raises Refused when it is not the ts of a parent."""
    ts = str(params.get("thread_ts") or "")
    if not ts:
        return ""
    parent = channel.find(ts)
    if parent is None or parent.ephemeral_for or parent.is_reply:
        raise Refused("thread_not_found")
    return ts


def content(params: Json) -> tuple[str, list[Json]]:
    """Text and blocks. Raises Refused: no_text, msg_too_long, invalid_blocks_format, invalid_blocks,
    msg_blocks_too_long."""
    words = str(params.get("text") or "")
    blocks = parsed(params, "blocks", "invalid_blocks_format") or []
    if len(words) > LONGEST_TEXT:
        raise Refused("msg_too_long")
    if not words and not blocks:
        raise Refused("no_text")
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    problems = problems_of_blocks(blocks)
    if problems:
        told = {"messages": [f"[ERROR] {problem}" for problem in problems]}
        raise Refused("invalid_blocks", errors=problems, response_metadata=told)
    if text_length(blocks) > ALL_TEXT:
        raise Refused("msg_blocks_too_long")
    return words, blocks


def metadata(params: Json) -> Json | None:
    """What the app keeps with the message: {event_type, event_payload}."""
    value = parsed(params, "metadata", "invalid_metadata_format")
    if not value:
        return None
    sound = isinstance(value, dict) and isinstance(value.get("event_payload"), dict)
    if not sound or not isinstance(value.get("event_type"), str) or not value["event_type"]:
        raise Refused("invalid_metadata_format")
    return {"event_type": value["event_type"], "event_payload": value["event_payload"]}


def post_message(talk: Talk, team: Team, params: Json) -> Json:
    channel = own_room(talk, team, params)
    thread_ts = parent_ts(channel, params)
    words, blocks = content(params)
    kept = metadata(params)
    message = Message(talk.world.new_ts(), team.bot_user, words, blocks, thread_ts, bot=True, metadata=kept)
    if thread_ts and truth(params.get("reply_broadcast")):
        message.broadcast, message.subtype = True, "thread_broadcast"
    talk.post(team, channel, message)
    shown = talk.world.message_json(team, channel, message, metadata=True)
    return {"channel": channel.id, "ts": message.ts, "message": shown}


def own_message(talk: Talk, team: Team, params: Json, refusal: str) -> tuple[Channel, Message]:
    channel = room(talk, team, params)
    message = message_in(channel, params.get("ts"))
    if not message.bot or message.user != team.bot_user:
        raise Refused(refusal)
    return channel, message


def update(talk: Talk, team: Team, params: Json) -> Json:
    """Without `blocks` the old blocks go: of two versions of the documentation, the stricter."""
    channel, message = own_message(talk, team, params, "cant_update_message")
    if channel.archived:
        raise Refused("is_archived")
    words, blocks = content(params)
    kept = metadata(params)
    if "metadata" in params:
        message.metadata = kept
    talk.change(team, channel, message, words, blocks)
    shown = talk.world.message_json(team, channel, message, metadata=True)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": shown}


def delete(talk: Talk, team: Team, params: Json) -> Json:
    channel, message = own_message(talk, team, params, "cant_delete_message")
    talk.remove(team, channel, message)
    return {"channel": channel.id, "ts": message.ts}


def post_ephemeral(talk: Talk, team: Team, params: Json) -> Json:
    channel = own_room(talk, team, params)
    user = text(params, "user")
    if user not in channel.members:
        raise Refused("user_not_in_channel")
    thread_ts = parent_ts(channel, params)
    words, blocks = content(params)
    message = Message(talk.world.new_ts(), team.bot_user, words, blocks, thread_ts, bot=True, ephemeral_for=user)
    talk.post(team, channel, message)
    return {"message_ts": message.ts}


def get_permalink(talk: Talk, team: Team, params: Json) -> Json:
    channel = room(talk, team, params)
    message = message_in(channel, params.get("message_ts"))
    link = f"https://{team.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def add_reaction(talk: Talk, team: Team, params: Json) -> Json:
    channel = own_room(talk, team, params)
    message = message_in(channel, params.get("timestamp"))
    name = text(params, "name").strip(":")
    if team.bot_user in message.reactions.get(name, []):
        raise Refused("already_reacted")
    talk.react(team, channel, message, team.bot_user, name)
    return {}


def add_pin(talk: Talk, team: Team, params: Json) -> Json:
    channel = own_room(talk, team, params)
    message = message_in(channel, params.get("timestamp"))
    if message.pinned:
        raise Refused("already_pinned")
    message.pinned = True
    talk.notify()
    return {}
