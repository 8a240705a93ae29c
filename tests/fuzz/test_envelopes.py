"""Envelopes of Slack through the whole of Bolt and our listeners: answered, whatever is in them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import bolt_request
from desk.errors import NotAllowed
from desk.service import Outcome
from handlers.slack import Workspace, build_app
from handlers.slack.modals import CALLBACK, Meta, encode
from tests.fuzz.shapes import SLOW, anything, changed
from tests.fuzz.test_parsers import SAID, VALUES

TEAM = {"id": "T1", "domain": "acme"}
USER = {"id": "U1", "team_id": "T1"}
PRESSED = {"type": "button", "action_id": "desk:take:0", "block_id": "b", "value": "1:take:1:1:", "action_ts": "1.2"}
VIEW = {
    "id": "V1",
    "type": "modal",
    "callback_id": CALLBACK,
    "hash": "1.a",
    "private_metadata": encode(Meta("write", 1, 1, "C1", "1.1")),
    "state": {"values": VALUES},
    "blocks": [{"type": "input", "block_id": "text"}],
}
INTERACTION = {"team": TEAM, "user": USER, "api_app_id": "A1", "trigger_id": "1.1", "channel": {"id": "C1"}}
CONTAINER = {"type": "message", "message_ts": "1.1", "channel_id": "C1", "thread_ts": "1.0"}
EVENT = {
    "type": "event_callback",
    "team_id": "T1",
    "event_id": "E1",
    "authorizations": [{"is_bot": True, "team_id": "T1", "user_id": "B1"}],
}
EDIT = {
    "type": "message",
    "subtype": "message_changed",
    "channel": "C1",
    "message": SAID,
    "previous_message": SAID,
    "ts": "1.3",
}

ENVELOPES: list[Any] = [
    {**INTERACTION, "type": "block_actions", "container": CONTAINER, "message": SAID, "actions": [PRESSED]},
    {**INTERACTION, "type": "block_actions", "view": VIEW, "actions": [PRESSED]},
    {**INTERACTION, "type": "view_submission", "view": VIEW},
    {**INTERACTION, "type": "message_action", "callback_id": "make_case", "message": SAID, "message_ts": "1.1"},
    {"command": "/desk", "text": "open", "team_id": "T1", "channel_id": "C1", "user_id": "U1", "trigger_id": "1.1"},
    {**EVENT, "event": SAID},
    {**EVENT, "event": EDIT},
    {**EVENT, "event": {**SAID, "type": "app_mention", "text": "<@B1> open"}},
    {**EVENT, "event": {"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home"}},
    {**EVENT, "event": {"type": "channel_archive", "channel": "C1", "user": "U1"}},
    {**EVENT, "event": {"type": "tokens_revoked", "tokens": {"bot": ["B1"]}}},
]


class Nothing:
    """A desk that knows nobody and refuses all of it; a directory that names nothing."""

    async def press(self, pressed: Any) -> Outcome:
        return Outcome("stranger", ok=False)

    async def form(self, *asked: Any) -> Any:
        raise NotAllowed("stranger")

    async def command(self, typed: Any) -> Outcome:
        return Outcome("stranger", ok=False)

    async def add(self, *brought: Any) -> Outcome:
        return Outcome("stranger", ok=False)

    async def take_in(self, heard: Any, idem: str) -> None:
        json.dumps([heard.text, heard.room, heard.thread, heard.said, idem])

    def by_slack(self, workspace: str, user: str) -> None:
        return None

    def side_of_room(self, room: str) -> str:
        return "staff"

    def brands_in(self, *room: str) -> list[Any]:
        return []

    brands = brands_in


class Desk:
    """One workspace in a loop of its own, for all examples."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.runner.run(self._open())

    async def _open(self) -> None:
        nothing: Any = Nothing()
        client = AsyncWebClient(token="xoxb-1", base_url="http://127.0.0.1:1/", retry_handlers=[])
        now = lambda: datetime(2026, 11, 22, tzinfo=UTC)  # noqa: E731
        given = {"desk": nothing, "hearing": nothing, "directory": lambda: nothing, "chat": nothing, "now": now}
        self.workspace = Workspace("main", client, **given, teams={"T1": "main"})
        self.app = build_app(self.workspace)

    def send(self, body: Any) -> int:
        return self.runner.run(self._send(body))

    async def _send(self, body: Any) -> int:
        request = bolt_request(mode="socket_mode", body=body)
        if request is None:
            return 400
        async with asyncio.timeout(10):
            answer = await self.app.async_dispatch(request)
            await self.workspace.background.settle()
        return int(answer.status)

    def close(self) -> None:
        self.runner.close()


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.mark.parametrize("n", range(len(ENVELOPES)))
def test_the_envelopes_are_sound_to_begin_with(desk: Desk, n: int) -> None:
    assert desk.send(ENVELOPES[n]) == 200


@settings(suppress_health_check=SLOW)
@given(body=changed(ENVELOPES) | anything)
def test_an_envelope_of_slack(desk: Desk, body: Any) -> None:
    """200, 404 for what nobody listens to, 500 with which Slack delivers again, or 400 for what even Bolt cannot read;
    never an exception, never a wait."""
    if isinstance(body, dict):
        assert desk.send(body) in (200, 400, 404, 500)
