"""Slack: the bot's identity and scopes, and its place in each channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.config import Slack
from bot.config.crosschecks import RoomUse, each_room
from bot.config.faults import Faults, Where
from bot.net import Way

ANSWER = 10
"""Seconds one call may take."""

SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "users:read",
)
"""What the bot token must carry. The app's manifest asks for the same."""

TOKEN_ERRORS = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type"}
)


async def connect_slack(slack: Slack, uses: list[RoomUse], where: Where, way: Way, faults: Faults) -> None:
    token = slack.bot_token.get_secret_value()
    async with way.session(timeout=aiohttp.ClientTimeout(total=ANSWER)) as session:
        client = AsyncWebClient(token, slack.api_base, timeout=ANSWER, session=session, retry_handlers=[])
        client.proxy = None
        await ask_slack(client, slack, uses, where, faults)


async def ask_slack(client: AsyncWebClient, slack: Slack, uses: list[RoomUse], where: Where, faults: Faults) -> None:
    """The bot's identity, its scopes, the app token, then its place in each channel of this workspace."""
    async with _slack_may_refuse(faults, where.at("bot_token"), where.at("api_base")):
        answer = await client.auth_test()
        _check_scopes(answer.headers, faults, where.at("bot_token"))
    if faults.has(where.at("api_base")) or faults.has(where.at("bot_token")):
        return
    if slack.mode == "socket" and slack.app_token is not None:
        async with _slack_may_refuse(faults, where.at("app_token"), where.at("api_base")):
            await client.apps_connections_open(app_token=slack.app_token.get_secret_value())
    for use in each_room(uses, f"slack:{slack.key}/"):
        async with _slack_may_refuse(faults, use.where, use.where):
            await _ask_channel(client, str(answer["user"]), use, faults)


async def _ask_channel(client: AsyncWebClient, bot: str, use: RoomUse, faults: Faults) -> None:
    answer = await client.conversations_info(channel=use.room.partition("/")[2])
    channel: Mapping[str, Any] = answer["channel"]
    name = f"#{channel.get('name', '')}"
    if channel.get("is_archived"):
        faults.add(use.where, f"{name} is archived", "bring it back, or take another channel")
    elif not channel.get("is_member"):
        faults.add(use.where, f"@{bot} is not in {name}", f"write /invite @{bot} there")


def _check_scopes(headers: Mapping[str, str], faults: Faults, where: Where) -> None:
    given = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), None)
    if given is None:
        return
    missing = sorted(set(SCOPES) - {scope.strip() for scope in given.split(",")})
    if missing:
        mend = "add them to the app under OAuth & Permissions, and install it again"
        faults.add(where, f"the token lacks the scopes {', '.join(missing)}", mend)


@asynccontextmanager
async def _slack_may_refuse(faults: Faults, refused: Where, lost: Where) -> AsyncIterator[None]:
    try:
        yield
    except SlackApiError as error:
        faults.add(refused, *_slack_said(error.response))
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError):
        faults.add(lost, "no good answer from the server", "check the network and api_base")


def _slack_said(answer: Any) -> tuple[str, str]:
    code = str(answer.get("error", "")) if hasattr(answer, "get") else ""
    if code in TOKEN_ERRORS:
        return f"Slack refuses the token ({code})", "copy it again from the app's pages, or install the app again"
    if code == "channel_not_found":
        return (
            "Slack does not show this channel to the bot",
            "check its id; into a private channel invite the bot first",
        )
    if code == "missing_scope":
        return f"the token lacks the scope {answer.get('needed', '')}", "add it to the app, and install it again"
    return f"Slack says: {code or 'something that is not JSON'}", "look the word up in Slack's documentation"
