"""What Telegram's refusals mean to the desk: one table, from the words of the server to what is to be done next."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiohttp import ClientConnectorError

from desk.errors import BadAnswer, Broken, DeskError, Gone, Moved, Refused, Retry, Unsure

Make = Callable[[str], DeskError]


class Row(NamedTuple):
    """`words` is searched in the server's description; `sends` False: the call can be repeated without harm."""

    kind: type[Exception]
    words: str
    make: Make
    sends: bool | None = None


def _gone(what: str) -> Make:
    return lambda said: Gone(said, what=what)


def _broken(remedy: str) -> Make:
    return lambda said: Broken(f"{said}; {remedy}" if said else remedy)


ADMIN = "make the bot an administrator who may manage topics, delete and pin messages"
FORUM = "turn on Topics in the group's settings"
TOKEN = "the bot's token is not accepted: ask @BotFather for a new one and put it into the configuration"

DONE = r"message is not modified|TOPIC_NOT_MODIFIED"
"""What was asked for stands there already: success."""

BAD_ADDRESS = r"button URL|BUTTON_URL_INVALID"
"""A link button whose address the server refuses."""

ROWS: tuple[Row, ...] = (
    Row(TelegramUnauthorizedError, "", _broken(TOKEN)),
    Row(TelegramNotFound, "", _broken(TOKEN)),
    Row(TelegramForbiddenError, "blocked|deactivated|initiate", _broken("ask this person to start the bot again")),
    Row(TelegramForbiddenError, "", _broken(f"add the bot to the group again and {ADMIN}")),
    Row(TelegramConflictError, "", lambda said: Retry(f"another program uses this bot: {said}")),
    Row(TelegramBadRequest, "message thread not found|TOPIC_ID_INVALID|TOPIC_DELETED", _gone("thread")),
    Row(TelegramBadRequest, "message to (edit|be replied|delete|pin) not found|MESSAGE_ID_INVALID", _gone("message")),
    Row(TelegramBadRequest, "message can't be edited|no text in the message to edit", _gone("message")),
    Row(TelegramBadRequest, "wrong file_id|file is temporarily unavailable", _gone("file")),
    Row(TelegramBadRequest, "not a forum", _broken(FORUM)),
    Row(TelegramBadRequest, "chat not found|CHAT_ID_INVALID|PEER_ID_INVALID", _broken(f"check its id and {ADMIN}")),
    Row(TelegramBadRequest, "TOPIC_CLOSED", _broken("open the topic again, or let the bot manage topics")),
    Row(
        TelegramBadRequest,
        "not enough rights|no rights|need administrator|CHAT_ADMIN_REQUIRED|FORBIDDEN|CHAT_RESTRICTED",
        _broken(ADMIN),
    ),
    Row(TelegramBadRequest, "", lambda said: Refused(said, code="400")),
    Row(TelegramEntityTooLarge, "", lambda said: Refused("the file is too large for Telegram", code="413")),
    Row(TelegramServerError, "", lambda said: Unsure(f"Telegram failed: {said}"), sends=True),
    Row(TelegramServerError, "", lambda said: Retry(f"Telegram failed: {said}"), sends=False),
    Row(TelegramNetworkError, "", lambda said: Unsure("Telegram did not answer"), sends=True),
    Row(TelegramNetworkError, "", lambda said: Retry("Telegram did not answer"), sends=False),
    Row(ClientDecodeError, "", lambda said: Unsure("Telegram's answer cannot be read"), sends=True),
    Row(ClientDecodeError, "", lambda said: BadAnswer("Telegram's answer cannot be read"), sends=False),
    Row(TelegramAPIError, "too many requests", lambda said: Retry("too many messages in this chat", rate_limited=True)),
    Row(TelegramAPIError, "", lambda said: Refused(said)),
)


def is_done(error: BaseException | None) -> bool:
    return isinstance(error, TelegramBadRequest) and re.search(DONE, error.message or "") is not None


def is_bad_address(error: BaseException | None) -> bool:
    return isinstance(error, TelegramBadRequest) and re.search(BAD_ADDRESS, error.message or "") is not None


def translate(error: Exception, sends: bool) -> DeskError:
    """The desk's error for aiogram's. `sends`: a repeated call would show a second message or topic."""
    if isinstance(error, TelegramRetryAfter):
        return Retry("too many messages in this chat", after=float(error.retry_after), rate_limited=True)
    if isinstance(error, TelegramMigrateToChat):
        return Moved("the group has become a supergroup", f"telegram:{error.migrate_to_chat_id}")
    if isinstance(error.__cause__, ClientConnectorError):
        return Retry("Telegram cannot be reached")
    said = (error.message or "") if isinstance(error, TelegramAPIError) else ""
    row = next(r for r in ROWS if _is(r, error, said, sends))
    return row.make(said.removeprefix("Bad Request: ").removeprefix("Forbidden: "))


def _is(row: Row, error: Exception, said: str, sends: bool) -> bool:
    fits = isinstance(error, row.kind) and row.sends in (None, sends)
    return fits and re.search(row.words, said, re.IGNORECASE) is not None
