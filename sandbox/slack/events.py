"""HTTP mode: everything is posted to the workspace's request URL, signed as Slack signs."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp

from sandbox.slack.courier import Delivery, Receipt
from sandbox.slack.state import Json, Team, World

FORM = "application/x-www-form-urlencoded"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Slack's v0 signature of a raw body; `timestamp` is Unix seconds as text."""
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256)
    return f"v0={digest.hexdigest()}"


def encoded(delivery: Delivery) -> tuple[str, bytes]:
    """Content type and body: events are JSON, interactions a form with `payload`, commands a plain form."""
    if delivery.kind == "events_api":
        return "application/json", json.dumps(delivery.payload).encode()
    fields = delivery.payload if delivery.kind == "slash_commands" else {"payload": json.dumps(delivery.payload)}
    return FORM, urlencode(fields).encode()


class Http:
    """Posts to request URLs; an answer that is not 2xx within `ack_seconds` is no acknowledgement."""

    def __init__(self, world: World, ack_seconds: float) -> None:
        self.world = world
        self.ack_seconds = ack_seconds

    async def send(self, team: Team, delivery: Delivery, attempt: int, reason: str) -> Receipt:
        retry = {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason} if attempt else {}
        content_type, body = encoded(delivery)
        return await self._post(team, content_type, body, retry)

    async def verify(self, team: Team) -> bool:
        """Slack's url_verification: true when the app answers with our challenge."""
        challenge = secrets.token_urlsafe(32)
        body = {"token": "sandbox-verification-token", "challenge": challenge, "type": "url_verification"}
        receipt = await self._post(team, "application/json", json.dumps(body).encode(), {})
        answer = receipt.payload or {}
        return receipt.acked and challenge in (answer.get("challenge"), answer.get("text"))

    async def _post(self, team: Team, content_type: str, body: bytes, extra: Mapping[str, str]) -> Receipt:
        timestamp = str(int(self.world.now()))
        headers = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(team.app.signing_secret, timestamp, body),
            **extra,
        }
        limit = aiohttp.ClientTimeout(total=self.ack_seconds)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.post(str(team.request_url), data=body, headers=headers) as response,
            ):
                return _receipt(response.status, response.headers, await response.text())
        except TimeoutError:
            return Receipt(False, reason="http_timeout")
        except aiohttp.ClientError:
            return Receipt(False, reason="connection_failed")


def _receipt(status: int, headers: Mapping[str, str], text: str) -> Receipt:
    if not 200 <= status < 300:
        return Receipt(False, reason="http_error", stop=headers.get("X-Slack-No-Retry") == "1")
    return Receipt(True, payload=_answer(text))


def _answer(text: str) -> Json | None:
    if not text.strip():
        return None
    try:
        answer = json.loads(text)
    except ValueError:
        return {"text": text}
    return answer if isinstance(answer, dict) else {"text": text}
