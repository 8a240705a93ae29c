"""A desk that is called by all three: Slack and Telegram by HTTP, and a system that pushes mentions."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from standardwebhooks import Webhook

from bot.http import Listener
from sandbox import world
from sandbox.slack.events import signature
from tests.scenarios import world as scenarios
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World
from tests.security import intruders

SLACK_SECRET, TELEGRAM_SECRET = "8f742231b10e8888abcd99yyyzzz85a5", "Telegram-calls-with-this_1"
HOOKS = {
    "acme-push": "whsec_" + "YWNtZXMgc2VjcmV0IG9mIHR3ZW50eS1mb3Vy",
    "nova-push": "whsec_" + "bm92YXMgc2VjcmV0IG9mIHR3ZW50eS1mb3Vy",
}

SOURCE = '\n[[clients.brands.sources]]\nkey = "{key}"\nplatform = "webhook"\nsecret = "env:{env}"\n'


@asynccontextmanager
async def called_by_http(
    desk: Opened, monkeypatch: pytest.MonkeyPatch, secrets: dict[str, str] | None = None, **how: Any
) -> AsyncIterator[tuple[World, httpx.AsyncClient]]:
    """`secrets` replace those of the scenarios, by the name of their variable."""
    text = scenarios.CONFIG.replace(
        'app_token = "env:SLACK_APP_TOKEN"', 'mode = "http"\nsigning_secret = "env:SLACK_SIGNS"'
    )
    webhook = '\nmode = "webhook"\npublic_url = "https://desk.example"\nsecret = "env:TELEGRAM_SECRET"'
    text = text.replace('token = "env:TELEGRAM_TOKEN"', f'token = "env:TELEGRAM_TOKEN"{webhook}')
    monkeypatch.setattr(scenarios, "CONFIG", text)
    given = {"SLACK_SIGNS": SLACK_SECRET, "TELEGRAM_SECRET": TELEGRAM_SECRET}
    given |= {"ACME_HOOK": HOOKS["acme-push"], "NOVA_HOOK": HOOKS["nova-push"], **(secrets or {})}
    for name, secret in given.items():
        monkeypatch.setenv(name, secret)
    heard_at: list[Listener] = []

    def listening(*given: Any) -> Listener:
        heard_at.append(Listener(*given))
        return heard_at[-1]

    # A port that is looked for beforehand may be somebody else's by the time the desk wants it.
    monkeypatch.setattr("bot.connect.Listener", listening)
    nova = intruders.NOVA.format(**intruders.ROOMS["telegram"]) + SOURCE.format(key="nova-push", env="NOVA_HOOK")
    sources = SOURCE.format(key="acme-push", env="ACME_HOOK") + nova
    how = {"rush": True, "more": intruders.PEOPLE, "sources": sources, "listen": "127.0.0.1:0", **how}
    async with desk(staff="telegram", client="slack", **how) as w:
        base = f"http://127.0.0.1:{heard_at[0].port}"
        async with httpx.AsyncClient(base_url=base, timeout=intruders.PATIENCE) as http:
            yield w, http


def pushed(source: str, body: bytes, push: str = "msg_1", ago: float = 0, secret: str = "") -> dict[str, Any]:
    at = datetime.fromtimestamp(time.time() - ago, UTC)
    headers = {
        "webhook-id": push,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret or HOOKS[source]).sign(push, at, body.decode("utf-8", "replace")),
    }
    return {"url": f"/hooks/{source}", "content": body, "headers": headers}


def slacked(body: bytes, ago: float = 0, secret: str = SLACK_SECRET, form: bool = False) -> dict[str, Any]:
    stamp = str(int(time.time() - ago))
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    signed = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature(secret, stamp, body)}
    return {"url": "/slack/events", "content": body, "headers": {**signed, "Content-Type": kind}}


def telegrammed(update: Any, secret: str | bytes | None = TELEGRAM_SECRET) -> dict[str, Any]:
    headers = {} if secret is None else {"X-Telegram-Bot-Api-Secret-Token": secret}
    return {"url": "/telegram", "json": update, "headers": headers}


def said(text: str, user: int = world.ANNA, chat: int = world.STAFF_ROOM, update: int = 900001) -> dict[str, Any]:
    """An update: somebody's message in a group."""
    person = {"id": user, "is_bot": False, "first_name": "Anna"}
    message = {
        "message_id": update,
        "date": int(time.time()),
        "chat": {"id": chat, "type": "supergroup"},
        "from": person,
    }
    return {"update_id": update, "message": {**message, "text": text}}


def slack_press(value: str, user: str = "U0MARTA") -> bytes:
    """A press as Slack sends it, in its form."""
    payload = {
        "type": "block_actions",
        "team": {"id": world.TEAM, "domain": "acme"},
        "user": {"id": user, "team_id": world.TEAM},
        "api_app_id": "A0",
        "trigger_id": "1.1",
        "container": {"type": "message", "message_ts": "1.1", "channel_id": world.CLIENT_CHANNEL},
        "channel": {"id": world.CLIENT_CHANNEL},
        "actions": [{"type": "button", "action_id": "desk:x:0", "block_id": "b", "value": value, "action_ts": "1.2"}],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()
