"""Where API calls come in: faults, tokens, budgets, the log of calls, and the answer's form."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from typing import Any

from aiohttp import web

from sandbox.slack.api import METHODS
from sandbox.slack.limits import Limits
from sandbox.slack.rooms import need
from sandbox.slack.socket import Sockets
from sandbox.slack.state import App, Call, Json, Refused, Team
from sandbox.slack.talk import Talk

CONNECT = "apps.connections.open"
HTML = "<!doctype html><title>Slack</title><h1>Server Error</h1><p>Something went wrong on our end."
FAULTS = {"status", "retry_after", "error", "drop_after", "drop_before", "html", "delay", "hold"}

Fault = tuple[Any, ...]


class Limited(Exception):
    """Too many calls; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Door:
    """The Web API. `calls` is everything that came in, `too_many` the part that was over budget."""

    def __init__(self, talk: Talk, sockets: Sockets, limits: Limits) -> None:
        self.talk = talk
        self.world = talk.world
        self.sockets = sockets
        self.limits = limits
        self.calls: list[Call] = []
        self.too_many: list[Call] = []
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def fail(self, method: str, *faults: Fault) -> None:
        """Queues faults for the next calls of a method. Raises ValueError for an unknown kind."""
        unknown = [fault[0] for fault in faults if fault[0] not in FAULTS]
        if unknown:
            raise ValueError(f"no such fault: {unknown[0]}")
        self._faults[method].extend(faults)

    async def call(self, request: web.Request) -> web.StreamResponse:
        """One API call over HTTP."""
        method = request.match_info["method"]
        self.meet(request)
        try:
            params, token = await _read(request)
        except Refused as refused:
            return web.json_response({"ok": False, "error": refused.code})
        fault = self._faults[method].popleft() if self._faults[method] else ("none",)
        if fault[0] == "delay":
            await asyncio.sleep(fault[1])
        elif fault[0] == "hold":
            await fault[1].wait()
        elif fault[0] not in ("none", "drop_after"):
            return self._broken(request, method, params, token, fault)
        response = self._answer(method, params, token)
        if fault[0] == "drop_after":
            _cut(request)
        return response

    def meet(self, request: web.Request) -> None:
        """Learns our own address, and starts what had to wait for a running loop."""
        self.world.origin = f"{request.scheme}://{request.host}"
        self.talk.courier.tasks.kick()

    def _broken(self, request: web.Request, method: str, params: Json, token: str, fault: Fault) -> web.StreamResponse:
        kind, detail = fault[0], (fault[1] if len(fault) > 1 else None)
        words = {"retry_after": "ratelimited", "error": detail}.get(kind, f"{kind} {detail or ''}".strip())
        self._log(method, params, token, str(words))
        if kind == "drop_before":
            _cut(request)
        if kind == "retry_after":
            return _limited(int(detail or 1))
        if kind == "error":
            return web.json_response({"ok": False, "error": detail})
        status = int(detail or 500) if kind == "status" else 200
        return web.Response(status=status, text=HTML, content_type="text/html")

    def _answer(self, method: str, params: Json, token: str) -> web.Response:
        try:
            body, headers = self._result(method, params, token), self._scopes(method, token)
        except Limited as limit:
            self._log(method, params, token, "ratelimited")
            self.too_many.append(self.calls[-1])
            return _limited(limit.seconds)
        except Refused as refused:
            self._log(method, params, token, refused.code)
            answer = {"ok": False, "error": refused.code, **refused.extra}
            return web.json_response(answer, headers=self._scopes(method, token))
        self._log(method, params, token)
        return web.json_response({"ok": True, **body}, headers=headers)

    def _result(self, method: str, params: Json, token: str) -> Json:
        if method == CONNECT:
            return self._connect(token)
        if method not in METHODS:
            raise Refused("unknown_method")
        team = self._authorize(token)
        channel = str(params.get("channel", ""))
        wait = self.limits.retry_after(team.id, method, channel, team.history_restricted)
        if wait:
            raise Limited(wait)
        if METHODS[method].scope:
            need(team, METHODS[method].scope)
        return METHODS[method].run(self.talk, team, params)

    def _connect(self, token: str) -> Json:
        app = self._app_of(token)
        if app is None:
            raise Refused(_refusal(token, bool(self._team_of(token))))
        wait = self.limits.retry_after(app.id, CONNECT, "", False)
        if wait:
            raise Limited(wait)
        return {"url": self.world.origin.replace("http", "ws", 1) + self.sockets.ticket(app)}

    def _authorize(self, token: str) -> Team:
        team = self._team_of(token)
        if team is None:
            raise Refused(_refusal(token, bool(self._app_of(token))))
        if team.token_error:
            raise Refused(team.token_error)
        return team

    def _team_of(self, token: str) -> Team | None:
        return next((team for team in self.world.teams.values() if token and team.bot_token == token), None)

    def _app_of(self, token: str) -> App | None:
        return next((app for app in self.world.apps.values() if token and app.token == token), None)

    def _scopes(self, method: str, token: str) -> dict[str, str]:
        team = self._team_of(token)
        if team is None or team.token_error:
            return {}
        accepted = METHODS[method].scope if method in METHODS else ""
        return {"x-oauth-scopes": ",".join(sorted(team.scopes)), "x-accepted-oauth-scopes": accepted}

    def _log(self, method: str, params: Json, token: str, error: str = "") -> None:
        team = self._team_of(token)
        self.calls.append(Call(self.world.now(), method, params, not error, error, team.id if team else ""))


def _refusal(token: str, other_kind: bool) -> str:
    if not token:
        return "not_authed"
    return "not_allowed_token_type" if other_kind else "invalid_auth"


def _limited(seconds: int) -> web.Response:
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(seconds)})


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _read(request: web.Request) -> tuple[Json, str]:
    """Arguments and token: from the query, a form or JSON; the token also from the Authorization header."""
    params: Json = dict(request.query)
    if request.content_type == "application/json":
        params |= await _json(request)
    elif request.can_read_body:
        params |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    token = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    return params, token or str(params.pop("token", ""))


async def _json(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError:
        raise Refused("invalid_json") from None
    if not isinstance(body, dict):
        raise Refused("json_not_object")
    return body
