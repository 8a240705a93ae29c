"""Presses on messages: settled in one transaction, then acknowledged; what was refused is told to the presser alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from desk.service import Outcome, Pressed
from handlers.slack.modals import Modals, asks
from handlers.slack.values import Value, decode
from handlers.slack.workspace import Where, Workspace

log = logging.getLogger("replydesk.slack")


def where_of(body: Mapping[str, Any]) -> Where:
    """Of an interaction. The first reply to a message makes its thread, so a parent stands for its own."""
    container, message = body.get("container") or {}, body.get("message") or {}
    channel = (body.get("channel") or {}).get("id") or container.get("channel_id") or ""
    thread = container.get("thread_ts") or message.get("thread_ts") or container.get("message_ts") or message.get("ts")
    user = body["user"]
    return Where(user["id"], user.get("team_id") or "", channel, thread or "")


def idem_of(body: Mapping[str, Any], action: Mapping[str, Any]) -> str:
    team = (body.get("team") or {}).get("id", "")
    ts = (body.get("container") or {}).get("message_ts", "")
    return f"slack:press:{team}:{body['user']['id']}:{ts}:{action['action_id']}:{action['action_ts']}"


class Buttons:
    def __init__(self, workspace: Workspace, modals: Modals) -> None:
        self.ws = workspace
        self.modals = modals

    async def acted(self, ack: Any, body: Mapping[str, Any]) -> None:
        """Anything people can press or pick: on messages, in modals, on the home page."""
        action, where = body["actions"][0], where_of(body)
        if body.get("view"):
            await ack()
            self.ws.later(self.modals.changed(body["view"], where))
        elif action.get("url"):
            await ack()
        elif (value := decode(action.get("value"))) is None:
            await ack()
            self.ws.tell_later("unknown_button", where)
        elif asks(value.action):
            await ack()
            self.ws.later(self.modals.open(body["trigger_id"], value, where, idem_of(body, action)))
        else:
            await self._press(ack, idem_of(body, action), value, where)

    async def _press(self, ack: Any, idem: str, value: Value, where: Where) -> None:
        who, room = self.ws.person(where.user, where.home), self.ws.room(where.channel)
        pressed = Pressed(idem, who, value.action, value.case, value.version, room, where.thread, value.extra)
        work, _ = await self.ws.settled(self.ws.desk.press(pressed))
        await ack()
        self.ws.later(self._answered(work, where))

    async def _answered(self, work: asyncio.Task[Outcome], where: Where) -> None:
        """What was done shows in the redrawn message; only a refusal needs words."""
        try:
            outcome = await work
        except Exception:
            log.exception("%s: a press was not taken", self.ws.key)
            outcome = Outcome("slack_failed", ok=False)
        if not outcome.ok:
            await self.ws.tell(outcome, where)
