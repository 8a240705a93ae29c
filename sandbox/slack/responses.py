"""Answers an app sends to a response_url: 5 uses in 30 minutes [chat-facts, from memory]."""

from __future__ import annotations

from aiohttp import web

from sandbox.slack.chat import content, truth
from sandbox.slack.state import Channel, Json, Message, Refused, ResponseUrl, Team
from sandbox.slack.talk import Talk

MOST_USES = 5


async def respond(talk: Talk, request: web.Request) -> web.Response:
    """The endpoint behind every response_url. Refusals are 404 (the address) or 400 (the message)."""
    place = talk.world.responses.get(request.match_info["key"])
    refusal = _refusal(talk, place)
    if place is None or refusal:
        return web.json_response({"ok": False, "error": refusal}, status=404)
    place.uses += 1
    body = await request.json()
    team = talk.world.teams[place.team]
    try:
        answer(talk, team, team.channels[place.channel], place, body)
    except Refused as error:
        return web.json_response({"ok": False, "error": error.code, **error.extra}, status=400)
    return web.json_response({"ok": True})


def _refusal(talk: Talk, place: ResponseUrl | None) -> str:
    if place is None:
        return "invalid_url"
    if talk.world.now() > place.expires:
        return "expired_url"
    return "used_url" if place.uses >= MOST_USES else ""


def answer(talk: Talk, team: Team, channel: Channel, place: ResponseUrl, body: Json) -> None:
    """Deletes or replaces the original, or posts, by default for the one person alone."""
    original = channel.find(place.ts) if place.ts else None
    if truth(body.get("delete_original")) and original:
        talk.remove(team, channel, original)
        return
    words, blocks = content(body)
    if truth(body.get("replace_original")) and original:
        talk.change(team, channel, original, words, blocks)
        return
    alone = "" if body.get("response_type") == "in_channel" else place.user
    thread_ts = str(body.get("thread_ts") or "")
    message = Message(talk.world.new_ts(), team.bot_user, words, blocks, thread_ts, bot=True, ephemeral_for=alone)
    talk.post(team, channel, message)
