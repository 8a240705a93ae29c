"""Slack's events as calls of the desk. Listeners only unpack; what they do stands in the modules beside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.async_context import AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient

from handlers.slack.buttons import Buttons, where_of
from handlers.slack.commands import MAKE_CASE, Commands
from handlers.slack.modals import Modals
from handlers.slack.thread import Talk
from handlers.slack.workspace import Background, Workspace, log

__all__ = ["Background", "Workspace", "build_app"]

ANYTHING = re.compile(".*", re.DOTALL)


def build_app(workspace: Workspace, signing_secret: str = "") -> AsyncApp:
    """A Bolt app for one workspace.

    Bolt acknowledges an event before its listener runs, unless it processes before it responds: only then is a
    message stored before Slack may forget it, and one that could not be stored is answered 500 and comes again.
    What may take long after a press goes on in `workspace.background`.
    """

    async def authorize(context: AsyncBoltContext) -> AuthorizeResult:
        """Asks nobody. Bolt's own way calls auth.test, and acknowledges, unheard, what comes while that fails."""
        token, bot = workspace.client.token, workspace.bot or None
        return AuthorizeResult(enterprise_id=None, team_id=context.team_id, bot_user_id=bot, bot_token=token)

    app = AsyncApp(
        # Bolt sets the level of the logger with this name to the root's: it must not be the desk's own.
        name="replydesk-slack",
        client=AsyncWebClient(base_url=workspace.client.base_url, retry_handlers=[]),
        signing_secret=signing_secret,
        process_before_response=True,
        before_authorize=_learning(workspace),
        authorize=authorize,
    )
    _interactivity(app, workspace)
    _events(app, workspace)
    return app


def _learning(workspace: Workspace) -> Any:
    """Which user is the bot: each event says so, for when Slack could not be asked at the start."""

    async def learn(body: Mapping[str, Any], next: Any) -> None:
        for one in body.get("authorizations") or ():
            if one.get("is_bot") and workspace.teams.get(one.get("team_id"), workspace.key) == workspace.key:
                workspace.bot = workspace.bot or one["user_id"]
        await next()

    return learn


def _interactivity(app: AsyncApp, workspace: Workspace) -> None:
    modals = Modals(workspace)
    buttons, commands = Buttons(workspace, modals), Commands(workspace)

    @app.action(ANYTHING)
    async def acted(ack: Any, body: Mapping[str, Any]) -> None:
        await buttons.acted(ack, body)

    @app.view(ANYTHING)
    async def submitted(ack: Any, body: Mapping[str, Any], view: Mapping[str, Any]) -> None:
        await modals.submitted(ack, view, where_of(body))

    @app.view_closed(ANYTHING)
    async def closed(ack: Any) -> None:
        await ack()

    @app.shortcut(MAKE_CASE)
    async def make_case(ack: Any, body: Mapping[str, Any]) -> None:
        await commands.make_case(ack, body)

    @app.command(ANYTHING)
    async def command(ack: Any, command: Mapping[str, Any]) -> None:
        await commands.typed(ack, command)


def _events(app: AsyncApp, workspace: Workspace) -> None:
    talk, commands = Talk(workspace), Commands(workspace)

    @app.event("message")
    async def message(event: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        await talk.heard(event, body["event_id"])

    @app.event("app_mention")
    async def mention(event: Mapping[str, Any]) -> None:
        await talk.mentioned(event)

    @app.event("app_home_opened")
    async def home(event: Mapping[str, Any]) -> None:
        if event.get("tab") == "home":
            workspace.later(commands.home(event["user"], ""))

    @app.event(re.compile("^(?:channel|group)_archive$"))
    async def archived(event: Mapping[str, Any]) -> None:
        room = workspace.room(event["channel"])
        if workspace.directory().side_of_room(room) is not None:
            workspace.alarm(room, "the channel was archived: bring it back, or name another room in config.toml")

    @app.event(re.compile("^(?:tokens_revoked|app_uninstalled)$"))
    async def removed(event: Mapping[str, Any]) -> None:
        reason = "the app was removed, or its token revoked: install it again and put its new token in place"
        workspace.alarm(f"slack:{workspace.key}", f"{reason} ({event['type']})")

    # Slack sends again what nobody acknowledged, four times in all: so everything else has a listener too.
    @app.event(ANYTHING)
    async def other(event: Mapping[str, Any]) -> None:
        log.debug("%s: %s", workspace.key, event.get("type"))
