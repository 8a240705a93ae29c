"""The table of Web API methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sandbox.slack import chat, files, rooms, views
from sandbox.slack.state import Json, Team
from sandbox.slack.talk import Talk

Handler = Callable[[Talk, Team, Json], Json]


class Method(NamedTuple):
    """`scope` is what the bot token needs, "" for nothing or for what the handler decides by kind of channel."""

    run: Handler
    scope: str = ""


def auth_test(talk: Talk, team: Team, params: Json) -> Json:
    return {
        "url": f"https://{team.domain}.slack.com/",
        "team": team.name,
        "user": team.users[team.bot_user].handle,
        "team_id": team.id,
        "user_id": team.bot_user,
        "bot_id": team.bot_id,
        "is_enterprise_install": False,
    }


METHODS: dict[str, Method] = {
    "auth.test": Method(auth_test),
    "bots.info": Method(rooms.bot_info, "users:read"),
    "chat.delete": Method(chat.delete, "chat:write"),
    "chat.getPermalink": Method(chat.get_permalink),
    "chat.postEphemeral": Method(chat.post_ephemeral, "chat:write"),
    "chat.postMessage": Method(chat.post_message, "chat:write"),
    "chat.update": Method(chat.update, "chat:write"),
    "conversations.history": Method(rooms.history),
    "conversations.info": Method(rooms.info),
    "conversations.join": Method(rooms.join, "channels:join"),
    "conversations.list": Method(rooms.list_channels),
    "conversations.members": Method(rooms.members),
    "conversations.open": Method(rooms.open_direct, "im:write"),
    "conversations.replies": Method(rooms.replies),
    "files.completeUploadExternal": Method(files.complete_upload, "files:write"),
    "files.getUploadURLExternal": Method(files.get_upload_url, "files:write"),
    "files.info": Method(files.info, "files:read"),
    "pins.add": Method(chat.add_pin, "pins:write"),
    "reactions.add": Method(chat.add_reaction, "reactions:write"),
    "team.info": Method(rooms.team_info, "team:read"),
    "users.info": Method(rooms.user_info, "users:read"),
    "users.list": Method(rooms.list_users, "users:read"),
    "users.lookupByEmail": Method(rooms.user_by_email, "users:read.email"),
    "views.open": Method(views.open_view),
    "views.publish": Method(views.publish),
    "views.push": Method(views.push),
    "views.update": Method(views.update),
}
