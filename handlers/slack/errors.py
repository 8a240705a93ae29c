"""What Slack's error codes mean for the desk. Codes: docs.slack.dev, "Errors" of each method used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from desk.errors import BadAnswer, Broken, DeskError, Gone, Refused, Retry, Unsure

CALL_ERRORS = (SlackClientError, aiohttp.ClientError, OSError, TimeoutError, json.JSONDecodeError, AttributeError)
"""All that a call of the SDK raises for the network's or Slack's sake.

AttributeError: the SDK takes a 200 answer of type text/plain, as a proxy may give, for a dictionary.
"""


def _broken(reason: str) -> Callable[[str], DeskError]:
    return lambda code: Broken(f"{reason} ({code})")


def _gone(what: str) -> Callable[[str], DeskError]:
    return lambda code: Gone(f"Slack: {code}", what=what)


_INVITE = _broken("Slack does not let the bot write there: invite it with /invite in the channel")
_ARCHIVED = _broken("the channel is archived: bring it back, or name another room in config.toml")
_TOKEN = _broken("Slack refuses the bot token: install the app again and put its new token into the configuration")
_SCOPE = _broken("the app lacks a right: add its scope under OAuth & Permissions, and install the app again")
_RESTRICTED = _broken("the workspace's rules keep the bot from writing there: an administrator must let it")
_MESSAGE = _gone("message")
_THREAD = _gone("thread")


def _unsure(code: str) -> DeskError:
    """Slack's papers: "it's possible some aspect of the operation succeeded before the error was raised"."""
    return Unsure(f"Slack: {code}")


def _retry(code: str) -> DeskError:
    return Retry(f"Slack: {code}")


def _limited(code: str) -> DeskError:
    return Retry(f"Slack: {code}", rate_limited=True)


TABLE: dict[str, Callable[[str], DeskError]] = {
    "channel_not_found": _INVITE,
    "not_in_channel": _INVITE,
    "is_archived": _ARCHIVED,
    "account_inactive": _TOKEN,
    "invalid_auth": _TOKEN,
    "not_authed": _TOKEN,
    "not_allowed_token_type": _TOKEN,
    "token_expired": _TOKEN,
    "token_revoked": _TOKEN,
    "org_login_required": _TOKEN,
    "team_access_not_granted": _TOKEN,
    "missing_scope": _SCOPE,
    "no_permission": _SCOPE,
    "access_denied": _RESTRICTED,
    "ekm_access_denied": _RESTRICTED,
    "restricted_action": _RESTRICTED,
    "restricted_action_non_threadable_channel": _RESTRICTED,
    "restricted_action_read_only_channel": _RESTRICTED,
    "restricted_action_thread_locked": _RESTRICTED,
    "restricted_action_thread_only_channel": _RESTRICTED,
    "cant_update_message": _MESSAGE,
    "edit_window_closed": _MESSAGE,
    "message_not_found": _MESSAGE,
    "cannot_reply_to_message": _THREAD,
    "thread_not_found": _THREAD,
    "message_limit_exceeded": _limited,
    "rate_limited": _limited,
    "ratelimited": _limited,
    "fatal_error": _unsure,
    "internal_error": _unsure,
    "request_timeout": _retry,
    "service_unavailable": _retry,
    "team_added_to_org": _retry,
}
"""A code that is not here was a definite no to this very request."""


def translated(error: Exception) -> DeskError:
    """The desk's error for whatever a call raised; the caller chains the original as its cause."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Retry("Slack cannot be reached")
    if isinstance(error, SlackApiError):
        return _answered(error.response)
    return Unsure(f"no good answer from Slack: {type(error).__name__}")


def _answered(answer: Any) -> DeskError:
    status = int(getattr(answer, "status_code", 0) or getattr(answer, "status", 0) or 0)
    code = code_of(answer)
    if status == 429:
        return Retry("Slack: too many requests", after=_retry_after(answer.headers), rate_limited=True)
    if code:
        return TABLE.get(code, lambda code: Refused(_told(answer, code), code=code))(code)
    if 400 <= status < 500:
        return BadAnswer(f"something between us and Slack answered {status}")
    return Unsure(f"Slack answered {status} with something that is not its own")


def code_of(answer: Any) -> str:
    """Slack's code in an answer, "" where it is none of Slack's answers."""
    data = getattr(answer, "data", None)
    return str(data.get("error", "")) if isinstance(data, dict) else ""


def _told(answer: Any, code: str) -> str:
    more = (answer.data.get("response_metadata") or {}).get("messages") or []
    return f"Slack: {code}" + (f" ({'; '.join(map(str, more))})" if more else "")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = next((v for k, v in headers.items() if k.lower() == "retry-after"), "")
    return float(value) if value.isdigit() else None
