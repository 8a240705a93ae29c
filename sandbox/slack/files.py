"""Files: an upload address, the bytes, and the sharing; and reading them back with the bot's token."""

from __future__ import annotations

import mimetypes

from aiohttp import web

from sandbox.slack.chat import own_room, parent_ts, parsed, refused_arguments, text
from sandbox.slack.state import Channel, File, Json, Message, Refused, Team
from sandbox.slack.talk import Talk

LOGIN_PAGE = "<!doctype html><title>Slack</title><p>Sign in to your workspace"
LARGEST = 1024**3


def get_upload_url(talk: Talk, team: Team, params: Json) -> Json:
    name, length = text(params, "filename"), text(params, "length")
    if not length.isdigit() or not 0 < int(length) <= LARGEST:
        raise refused_arguments("must be a positive number of bytes [json-pointer:/length]")
    file = talk.new_file(team, name, int(length), team.bot_user)
    file.mimetype = mimetypes.guess_type(name)[0] or file.mimetype
    return {"file_id": file.id, "upload_url": f"{talk.world.origin}/slack/upload/{team.id}/{file.id}"}


async def receive(talk: Talk, request: web.Request) -> web.Response:
    """The bytes, bare or as a form's file; their number must be exactly what was announced."""
    team = talk.world.teams.get(request.match_info["team"])
    file = team.files.get(request.match_info["file"]) if team else None
    if file is None or file.content is not None:
        return web.Response(status=404, text="no such upload")
    content = await _bytes(request)
    if len(content) != file.length:
        return web.Response(status=400, text=f"length mismatch: {file.length} announced, {len(content)} sent")
    file.content = content
    return web.Response(text=f"OK - {len(content)}")


async def _bytes(request: web.Request) -> bytes:
    if request.content_type != "multipart/form-data":
        return await request.read()
    form = await request.post()
    part = next((value for value in form.values() if isinstance(value, web.FileField)), None)
    return part.file.read() if part else b""


def complete_upload(talk: Talk, team: Team, params: Json) -> Json:
    """Without a channel the file stays private. The message's ts is not in the answer, as at Slack."""
    files = [_finished(team, entry) for entry in parsed(params, "files", "invalid_arguments") or []]
    if not files:
        raise refused_arguments("no fewer than 1 items allowed [json-pointer:/files]")
    wanted = str(params.get("channel_id") or params.get("channels") or "")
    for channel_id in filter(None, wanted.split(",")):
        _share(talk, team, own_room(talk, team, {"channel": channel_id}), files, params)
    return {"files": [talk.world.file_json(team, file) for file in files]}


def _finished(team: Team, entry: Json) -> File:
    if not isinstance(entry, dict):
        raise refused_arguments("must be an object [json-pointer:/files/0]")
    file = team.files.get(str(entry.get("id", "")))
    if file is None or file.content is None or file.user != team.bot_user:
        raise Refused("file_not_found")
    file.title = str(entry.get("title") or file.name)
    return file


def _share(talk: Talk, team: Team, channel: Channel, files: list[File], params: Json) -> None:
    comment, thread_ts = str(params.get("initial_comment") or ""), parent_ts(channel, params)
    message = Message(talk.world.new_ts(), team.bot_user, comment, thread_ts=thread_ts, bot=True, files=files)
    message.subtype = "file_share"
    talk.share(team, channel, message)


def info(talk: Talk, team: Team, params: Json) -> Json:
    file = team.files.get(text(params, "file"))
    if file is None or file.content is None:
        raise Refused("file_not_found")
    shares: Json = {}
    for channel_id, stamps in file.shares.items():
        channel = team.channels[channel_id]
        kind = "public" if channel.kind == "channel" else "private"
        rows = [{"ts": ts, "channel_name": channel.name} | _thread(channel, ts) for ts in stamps]
        shares.setdefault(kind, {})[channel_id] = rows
    return {"file": talk.world.file_json(team, file) | {"shares": shares, "channels": list(file.shares)}}


def _thread(channel: Channel, ts: str) -> Json:
    message = channel.find(ts)
    return {"thread_ts": message.thread_ts} if message and message.thread_ts else {}


def download(talk: Talk, request: web.Request) -> web.Response:
    """With the bot's token the bytes, without it the sign-in page with status 200, as at Slack."""
    team = talk.world.teams.get(request.match_info["team"])
    file = team.files.get(request.match_info["file"]) if team else None
    if team is None or file is None or file.content is None:
        return web.Response(status=404, text="no such file")
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token != team.bot_token or team.token_error or "files:read" not in team.scopes:
        return web.Response(text=LOGIN_PAGE, content_type="text/html")
    return web.Response(body=file.content, content_type=file.mimetype)
