"""Carries events and interactions to the app, by socket or by HTTP, and repeats what was not acknowledged."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.slack.state import Json, Team, World, new_id

# An event is sent only to an app that was granted its scope.
EVENT_SCOPES = {
    "app_mention": "app_mentions:read",
    "reaction_added": "reactions:read",
    "file_shared": "files:read",
    "channel_archive": "channels:read",
    "group_archive": "groups:read",
    "member_joined_channel": "channels:read",
}
MESSAGE_SCOPES = {"channel": "channels:history", "group": "groups:history", "im": "im:history"}

Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """How one attempt ended. `payload` is the app's answer, `stop` its wish not to be asked again."""

    acked: bool
    payload: Json | None = None
    reason: str = ""
    stop: bool = False


@dataclass(slots=True)
class Delivery:
    """One thing to tell the app. `kind` is events_api, interactive or slash_commands."""

    envelope_id: str
    team: str
    kind: str
    payload: Json
    accepts_payload: bool = False
    attempts: int = 0
    acked: bool = False


class Transport(Protocol):
    """Sends one attempt and waits for the acknowledgement, `ack_seconds` at most."""

    async def send(self, team: Team, delivery: Delivery, attempt: int, reason: str) -> Receipt: ...


class Tasks:
    """Background work that may be asked for before a loop runs; it starts with the next request."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self._waiting: list[Work] = []

    def start(self, work: Work) -> None:
        self._waiting.append(work)
        self.kick()

    def kick(self) -> None:
        """Starts what was asked for while no loop was running."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            task = loop.create_task(work())
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    async def close(self) -> None:
        running = list(self.running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Courier:
    """`retry_delays` are seconds before each repetition of an event that was not acknowledged."""

    def __init__(self, world: World, socket: Transport, http: Transport, retry_delays: Sequence[float]) -> None:
        self.world = world
        self.socket = socket
        self.http = http
        self.retry_delays = tuple(retry_delays)
        self.deliveries: list[Delivery] = []
        self.tasks = Tasks()

    def event(self, team: Team, event: Json, external: bool = False) -> None:
        """Queues an Events API event, when the app may see such events at all."""
        wanted = MESSAGE_SCOPES.get(event.get("channel_type", "")) if event["type"] == "message" else None
        scope = wanted or EVENT_SCOPES.get(event["type"])
        if scope is None or scope in team.scopes:
            delivery = self._delivery(team, "events_api", self._wrap(team, event, external))
            self.tasks.start(lambda: self._insist(team, delivery))

    def redeliver(self, envelope_id: str) -> None:
        """The same thing once more, as Slack does when it missed an acknowledgement. Raises KeyError."""
        delivery = next((d for d in self.deliveries if d.envelope_id == envelope_id), None)
        if delivery is None:
            raise KeyError(envelope_id)
        team = self.world.teams[delivery.team]

        async def again() -> None:
            await self._attempt(team, delivery, max(1, delivery.attempts), "timeout")

        self.tasks.start(again)

    async def interact(self, team: Team, kind: str, payload: Json, *, accepts_payload: bool = False) -> Json:
        """Sends an interaction or command, once. Returns {"acked", "payload", "seconds"}."""
        delivery = self._delivery(team, kind, payload, accepts_payload)
        started = time.monotonic()
        receipt = await self._attempt(team, delivery, 0, "")
        return {"acked": receipt.acked, "payload": receipt.payload, "seconds": time.monotonic() - started}

    async def settle(self, seconds: float = 5.0) -> None:
        """Waits until everything sent so far was acknowledged or given up. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while self.tasks.running:
                await asyncio.wait(list(self.tasks.running))

    def _delivery(self, team: Team, kind: str, payload: Json, accepts_payload: bool = False) -> Delivery:
        delivery = Delivery(str(uuid.uuid4()), team.id, kind, payload, accepts_payload)
        self.deliveries.append(delivery)
        return delivery

    async def _attempt(self, team: Team, delivery: Delivery, attempt: int, reason: str) -> Receipt:
        transport = self.http if team.request_url else self.socket
        delivery.attempts += 1
        receipt = await transport.send(team, delivery, attempt, reason)
        delivery.acked = delivery.acked or receipt.acked
        return receipt

    async def _insist(self, team: Team, delivery: Delivery) -> None:
        receipt = await self._attempt(team, delivery, 0, "")
        for attempt, delay in enumerate(self.retry_delays, 1):
            if receipt.acked or receipt.stop:
                return
            await asyncio.sleep(delay)
            receipt = await self._attempt(team, delivery, attempt, receipt.reason)

    def _wrap(self, team: Team, event: Json, external: bool) -> Json:
        return {
            "token": "sandbox-verification-token",
            "team_id": team.id,
            "context_team_id": team.id,
            "context_enterprise_id": None,
            "api_app_id": team.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": new_id("Ev"),
            "event_time": int(self.world.now()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": team.id,
                    "user_id": team.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": external,
            "event_context": f"4-{secrets.token_hex(20)}",
        }
