"""Slack from the running desk's side: what goes out, and the connections that bring events in."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.adapter.socket_mode.internals import build_headers
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from bot.config import Slack
from bot.net import Way
from desk.errors import Broken, DeskError, Gone, Refused, Retry, Unsure
from desk.hearing import Hearing
from desk.ports import Chat, Sent
from desk.service import Desk
from desk.showing import LARGEST_FILE, Alarm
from desk.view import Drawing
from handlers.people import Current
from handlers.slack import Workspace, build_app
from handlers.slack.blocks import comment, render
from handlers.slack.errors import CALL_ERRORS, translated

log = logging.getLogger("replydesk.slack")

T = TypeVar("T")
Json = Mapping[str, Any]

TIMEOUT = 15
"""Seconds for one call: under a third of an effect's lease (engine.md, "Fence")."""

BODY_TIME = 30
"""Seconds a whole event may take to arrive; its size is bounded by the application."""

EVENT_TYPE = "replydesk"
"""Marks the metadata of our messages; its payload carries the key that finds one again."""

FRESH = 60.0
"""Seconds after which a socket that could not be opened is opened at another address: Slack's are good for one
connection within half a minute, and the SDK goes on trying the same one."""

PAGE, PAGES = 200, 5
"""How far back a message is looked for: 1,000 messages."""


class Client(AsyncWebClient):
    """The SDK's, by one way out and by no other: what it would take from HTTPS_PROXY is put aside."""

    def __init__(self, settings: Slack, way: Way, waits: list[AsyncRetryHandler]) -> None:
        token = settings.bot_token.get_secret_value()
        super().__init__(token, settings.api_base, timeout=TIMEOUT, ssl=way.context, retry_handlers=waits)
        self.way = way
        self.proxy = None

    async def _request(self, **how: Any) -> Any:
        if self.way.proxy and (self.session is None or self.session.closed):
            self.session = self.way.session(force_close=True, timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        return await super()._request(**how)

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()


def web_client(settings: Slack, way: Way | None = None, patient: bool = False) -> Client:
    """A client that repeats nothing: the SDK's own handlers post a message twice when the answer to it is lost.

    `patient`: it waits once where Slack said 429, for then nothing has happened. `way`: directly. By a proxy it keeps a
    session, to be closed.
    """
    waits: list[AsyncRetryHandler] = [AsyncRateLimitErrorRetryHandler(max_retry_count=1)] if patient else []
    return Client(settings, way or Way(), waits)


class SlackChat(Chat):
    """desk.ports.Chat over any number of workspaces; rooms are "slack:<key>/<channel>", threads are ts.

    `sites` maps a workspace's key to the address people know it by, such as https://acme.slack.com/.
    """

    makes_threads = False

    def __init__(self, clients: Mapping[str, Client], now: Callable[[], datetime]) -> None:
        self._clients = dict(clients)
        self._now = now
        self.sites: dict[str, str] = {}

    def way(self, workspace: str) -> Way:
        return self._clients[workspace].way

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    def _at(self, room: str) -> tuple[Client, str, str]:
        """(client, workspace's key, channel). Raises Broken for a workspace that is not configured."""
        key, _, channel = room.removeprefix("slack:").partition("/")
        if key not in self._clients:
            raise Broken(f"no [[slack]] with the key {key} is configured")
        return self._clients[key], key, channel

    # messages

    async def open(self, room: str, drawing: Drawing) -> str:
        return (await self.send(room, "", drawing, "")).message

    async def send(self, room: str, thread: str, drawing: Drawing, key: str) -> Sent:
        client, workspace, channel = self._at(room)
        shown = render(drawing, self._now(), workspace)
        posting = client.chat_postMessage(
            channel=channel,
            thread_ts=thread or None,
            text=shown.text,
            blocks=shown.blocks,
            metadata={"event_type": EVENT_TYPE, "event_payload": {"key": key}},
            unfurl_links=False,
            unfurl_media=False,
        )
        ts = (await _called(posting)).get("ts")
        if not isinstance(ts, str) or not ts:
            raise Unsure("Slack's answer names no message")
        sent = Sent(ts, thread or ts)
        await self._attach(room, sent, shown.whole)
        return sent

    async def _attach(self, room: str, sent: Sent, whole: Sequence[str]) -> None:
        """What was shortened, in full. The message stands already: a file that fails must not post it again."""
        for number, text in enumerate(whole, 1):
            try:
                await self._upload(room, sent.thread, f"text-{number}.txt", text.encode(), "")
            except DeskError as error:
                log.warning("%s: the whole text of %s was not attached: %s", room, sent.message, error)

    async def edit(self, room: str, message: str, drawing: Drawing) -> None:
        """With text and blocks: Slack takes away what an update leaves out."""
        client, workspace, channel = self._at(room)
        shown = render(drawing, self._now(), workspace)
        await _called(client.chat_update(channel=channel, ts=message, text=shown.text, blocks=shown.blocks))

    async def find(self, room: str, thread: str, key: str) -> Sent | None:
        client, _, channel = self._at(room)
        cursor = ""
        for _ in range(PAGES):
            try:
                page = await _called(_page(client, channel, thread, cursor))
            except DeskError as error:
                raise Unsure(f"messages could not be read back: {error.reason}") from error
            for message in page["messages"]:
                if _key(message) == key:
                    return Sent(str(message["ts"]), thread or str(message["ts"]))
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return None
        raise Unsure(f"not among the last {PAGE * PAGES} messages")

    # files

    async def fetch(self, room: str, file: str) -> bytes:
        """`file` is an address of Slack's with the size behind a #, as handlers.slack.thread makes it."""
        client, _, _ = self._at(room)
        url, _, size = file.partition("#")
        if not _slacks_own(url, client.base_url):
            raise Refused("the file does not lie with Slack")
        if size.isdigit() and int(size) > LARGEST_FILE:
            raise Refused("the file is over 20 MB")
        headers = {"Authorization": f"Bearer {client.token}"}
        try:
            async with (
                client.way.session(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session,
                session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                return await _content(response, size)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Retry(f"a file could not be fetched: {type(error).__name__}") from error

    async def send_file(self, room: str, thread: str, name: str, data: bytes, drawing: Drawing) -> Sent:
        """Slack does not tell the message's ts; the file's id stands for it."""
        return Sent(await self._upload(room, thread, name, data, comment(drawing, self._now())), thread)

    async def _upload(self, room: str, thread: str, name: str, data: bytes, words: str) -> str:
        """Nobody sees anything before the last of the three calls: until then a failure is only a Retry."""
        client, _, channel = self._at(room)
        if not data:
            raise Refused("the file is empty")
        try:
            asked = await _called(client.files_getUploadURLExternal(filename=name, length=len(data)))
        except Unsure as error:
            raise Retry(error.reason) from error
        if not _slacks_own(asked["upload_url"], client.base_url):
            raise Refused("Slack names an address of somebody else to upload to")
        await _put(asked["upload_url"], data, client.way)
        sharing = client.files_completeUploadExternal(
            files=[{"id": asked["file_id"], "title": name}],
            channel_id=channel,
            thread_ts=thread or None,
            initial_comment=words or None,
        )
        await _called(sharing)
        return str(asked["file_id"])

    # addresses

    def link(self, room: str, thread: str, message: str = "") -> str:
        """ "" where Slack is a stand-in, whose pages are elsewhere."""
        client, key, channel = self._at(room)
        if not _slack_host(client.base_url):
            return ""
        address = f"{self.sites.get(key, 'https://slack.com/')}archives/{channel}"
        ts = message or thread
        if not ts:
            return address
        inside = f"?thread_ts={thread}&cid={channel}" if thread and ts != thread else ""
        return f"{address}/p{ts.replace('.', '')}{inside}"

    def digest(self, drawing: Drawing) -> str:
        """Rendered with all dates, so that midnight alone changes nothing."""
        shown = render(drawing, None)
        return hashlib.sha256(json.dumps([shown.text, shown.blocks]).encode()).hexdigest()[:32]


async def _called(work: Awaitable[T]) -> T:
    try:
        return await work
    except CALL_ERRORS as error:
        raise translated(error) from error


def _page(client: AsyncWebClient, channel: str, thread: str, cursor: str) -> Awaitable[Any]:
    more: dict[str, Any] = {"channel": channel, "limit": PAGE, "include_all_metadata": True}
    if cursor:
        more["cursor"] = cursor
    return client.conversations_replies(ts=thread, **more) if thread else client.conversations_history(**more)


def _key(message: Json) -> str | None:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return payload.get("key") if metadata.get("event_type") == EVENT_TYPE else None


def _slack_host(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == "slack.com" or host.endswith((".slack.com", ".slack-gov.com")))


def _slacks_own(url: str, api_base: str) -> bool:
    """The token goes nowhere else, whatever address an event names."""
    wanted, own = urlsplit(url), urlsplit(api_base)
    return _slack_host(url) or (wanted.scheme, wanted.netloc) == (own.scheme, own.netloc)


async def _content(response: aiohttp.ClientResponse, size: str) -> bytes:
    if response.status in (404, 410):
        raise Gone("the file was deleted", what="file")
    if response.status in (301, 302, 303, 307, 308, 401, 403):
        raise Broken(_NO_FILES)
    if response.status != 200:
        raise Retry(f"the file's server answered {response.status}")
    content = bytearray()
    async for chunk in response.content.iter_chunked(1 << 16):
        content += chunk
        if len(content) > LARGEST_FILE:
            raise Refused("the file is over 20 MB")
    # Without the right Slack gives its sign-in page instead, and calls it a success.
    if response.content_type == "text/html" and size.isdigit() and len(content) != int(size):
        raise Broken(_NO_FILES)
    return bytes(content)


_NO_FILES = "Slack does not give the bot this file: add the scope files:read, and install the app again"


async def _put(url: str, data: bytes, way: Way) -> None:
    """The upload address is a secret of its own: no token goes with it."""
    try:
        async with (
            way.session(timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as session,
            session.post(url, data=data, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise Retry(f"the upload was answered {response.status}")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Retry(f"a file could not be uploaded: {type(error).__name__}") from error


# coming in


@dataclass
class Door:
    """One workspace with its Bolt app."""

    settings: Slack
    workspace: Workspace
    app: AsyncApp
    client: Client
    known: bool = False
    error: str = ""
    """Why it is not known."""


@dataclass
class SlackDoors:
    """Every way events come in: a socket for each app token, and POST /slack/events for workspaces in mode "http".

    Several workspaces may share one app; then what comes for one of them is told by its team's id.
    """

    doors: list[Door]
    chat: SlackChat
    clock_told: bool = False
    _sockets: list[_Socket] = field(default_factory=list)
    _starting: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Returns at once: a Slack that is away holds nothing else up."""
        by_token: dict[str, list[Door]] = {}
        for door in self.doors:
            if door.settings.mode == "socket" and door.settings.app_token is not None:
                by_token.setdefault(door.settings.app_token.get_secret_value(), []).append(door)
        self._sockets = [_Socket(self, doors, token) for token, doors in by_token.items()]
        self._spawn(self.learn(self.doors))
        for socket in self._sockets:
            self._spawn(socket.connect_async())

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def stop(self) -> None:
        """No more events; what was acknowledged is brought to its end."""
        for task in list(self._starting):
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for socket in self._sockets:
            await socket.close_async()
        for door in self.doors:
            await door.workspace.background.settle()
            await door.client.close()

    async def check(self) -> str:
        """What is not connected, "" when all is well. Events that come in by HTTP would not tell."""
        lost = [socket.name for socket in self._sockets if not await socket.client.is_connected()]
        if lost:
            return f"no socket to Slack: {', '.join(lost)}"
        await self.learn(self.doors)
        return "; ".join(f"{door.workspace.key}: {door.error}" for door in self.doors if not door.known)

    async def learn(self, doors: Sequence[Door]) -> None:
        """Each workspace's team, bot and address. One that does not answer now is asked again when it is needed."""
        for door in doors:
            if door.known:
                continue
            try:
                answer = await _called(door.workspace.client.auth_test())
            except DeskError as error:
                if door.error != error.reason:
                    log.warning("%s: %s", door.workspace.key, error.reason)
                door.error = error.reason
                continue
            door.workspace.bot, door.workspace.bot_name = str(answer["user_id"]), str(answer["user"])
            door.workspace.teams[str(answer["team_id"])] = door.workspace.key
            self.chat.sites[door.workspace.key] = str(answer["url"])
            door.known = True

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """POST /slack/events: Bolt checks the signature with the secret of the app it came for, and answers 401."""
        try:
            async with asyncio.timeout(BODY_TIME):
                raw = (await request.read()).decode("utf-8", "replace")
        except TimeoutError:
            return web.Response(status=408, text="the body did not arrive in time")
        doors = [door for door in self.doors if door.settings.mode == "http"]
        signed = [door for door in doors if _signed(door, raw, request.headers)]
        if not signed:
            self._tell_clock(doors, raw, request.headers)
            return web.Response(status=401, text="no app here knows this signature")
        bolt = bolt_request(body=raw, query=request.query_string, headers=dict(request.headers))
        if bolt is None:
            return web.Response(status=400, text="this is no event of Slack's")
        return await to_aiohttp_response(await self.dispatch(signed, bolt))

    def _tell_clock(self, doors: Sequence[Door], raw: str, headers: Mapping[str, str]) -> None:
        """Once: somebody may also send again what was recorded long ago."""
        off = next((off for door in doors if (off := _off(door, raw, headers))), None)
        if off is not None and not self.clock_told:
            self.clock_told = True
            log.error("Slack's events are refused, being %.0f s old by this machine's clock: is it right?", off)

    async def dispatch(self, doors: Sequence[Door], request: AsyncBoltRequest) -> BoltResponse:
        door = await self._door(doors, request.body)
        if door is None:
            log.warning("an event for a workspace that is not configured: %s", list(_teams(request.body)))
            return BoltResponse(status=200, body="")
        return await door.app.async_dispatch(request)

    async def _door(self, doors: Sequence[Door], body: Json) -> Door | None:
        """None for a team that is none of ours: an app may be installed where nobody configured it."""
        if len(doors) > 1:
            await self.learn(doors)
        keys, known = {door.workspace.key: door for door in doors}, doors[0].workspace.teams
        teams = list(_teams(body))
        for team in teams:
            if known.get(team) in keys:
                return keys[known[team]]
        alone = len(doors) == 1 and not doors[0].known
        return doors[0] if alone or not teams else None


def open_doors(
    settings: Sequence[Slack],
    chat: SlackChat,
    desk: Desk,
    hearing: Hearing,
    directory: Current,
    alarm: Alarm,
    now: Callable[[], datetime],
) -> SlackDoors:
    """A door for each [[slack]]. Nothing connects before `start`."""
    teams: dict[str, str] = {}
    doors = []
    for one in settings:
        client = web_client(one, chat.way(one.key), patient=True)
        workspace = Workspace(one.key, client, desk, hearing, directory, chat, now, alarm, teams)
        secret = one.signing_secret.get_secret_value() if one.signing_secret is not None else ""
        doors.append(Door(one, workspace, build_app(workspace, secret), client))
    return SlackDoors(doors, chat)


class _Socket(AsyncSocketModeHandler):
    """The socket of one app, whose envelopes may be for any of its workspaces."""

    def __init__(self, side: SlackDoors, doors: list[Door], token: str) -> None:
        self._way = doors[0].client.way
        self._asking = web_client(doors[0].settings, self._way)
        super().__init__(doors[0].app, token, web_client=self._asking)
        self.client.proxy = None
        self._open = self.client.connect
        self.client.connect = self._opened  # type: ignore[method-assign]  # the SDK's own reconnecting calls it too
        self._side, self._doors = side, doors
        self.name = ", ".join(door.workspace.key for door in doors)

    async def connect_async(self) -> None:
        if self._way.proxy:
            await self.client.aiohttp_client_session.close()
            self.client.aiohttp_client_session = self._way.session()
        await super().connect_async()

    async def _opened(self) -> None:
        while not self.client.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(FRESH):
                    await self._open()
                    return
            self.client.wss_uri = None

    async def close_async(self) -> None:
        await super().close_async()
        await self._asking.close()

    async def handle(self, client: Any, req: SocketModeRequest) -> None:
        started = time.time()
        request = bolt_request(mode="socket_mode", body=req.payload, headers=build_headers(req))
        if request is None:
            log.warning("an envelope that Bolt cannot read was left unanswered")
            return
        response = await self._side.dispatch(self._doors, request)
        await send_async_response(client, req, response, started)


def bolt_request(**how: Any) -> AsyncBoltRequest | None:
    """None for what Bolt falls over: it reads a body's parts before anybody can look at them."""
    try:
        return AsyncBoltRequest(**how)
    except Exception as error:
        log.warning("not an event of Slack's: %s", type(error).__name__)
        return None


def _signed(door: Door, raw: str, headers: Mapping[str, str]) -> bool:
    secret = door.settings.signing_secret
    try:
        return secret is not None and SignatureVerifier(secret.get_secret_value()).is_valid_request(raw, dict(headers))
    except (ValueError, TypeError):  # a time that is no number, a signature that is not ASCII
        return False


def _off(door: Door, raw: str, headers: Mapping[str, str]) -> float | None:
    """Seconds between our clock and the time of a call that is signed as it should be; None for any other call."""
    stamp = headers.get("X-Slack-Request-Timestamp", "")
    if door.settings.signing_secret is None or not stamp.isascii() or not stamp.isdigit():
        return None
    at = Clock()
    at.now = lambda: float(stamp)  # type: ignore[method-assign]
    verifier = SignatureVerifier(door.settings.signing_secret.get_secret_value(), at)
    try:
        signed = verifier.is_valid_request(raw, dict(headers))
    except (ValueError, TypeError):
        return None
    return time.time() - float(stamp) if signed else None


def _teams(body: Json) -> Iterator[str]:
    """The teams a payload may be for, the surest first: people of a shared channel bring their own team's id."""
    message, view, user = body.get("message") or {}, body.get("view") or {}, body.get("user")
    found = (
        *(one.get("team_id") for one in body.get("authorizations") or ()),
        view.get("app_installed_team_id"),
        (message.get("bot_profile") or {}).get("team_id"),
        body.get("team_id"),
        (body.get("team") or {}).get("id"),
        user.get("team_id") if isinstance(user, dict) else None,
    )
    return (str(team) for team in found if team)
