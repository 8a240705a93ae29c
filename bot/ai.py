"""One AI server that speaks the OpenAI API, its errors in the desk's words.

Imported only where there is one: the library takes most of a second and many megabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpx
import openai

from bot.budget import Budget
from bot.config import Ai
from bot.judge import Message
from bot.net import Way
from bot.redacting import Redactor
from collectors.http import LIMITS
from collectors.net import Ways
from desk.errors import BadAnswer, DeskError, NeedsLogin, Refused, Retry

ANSWER = 60.0
"""Seconds for one answer."""
LETTERS_A_TOKEN = 2
"""Where a server does not say what it used: Cyrillic takes about a token for two letters, English for four."""

Count = Callable[[str, int], None]


def http_client(way: Way) -> Any:
    """The platforms' own way out, given to the library; it sends no text on to where an answer points."""
    return httpx.AsyncClient(
        transport=Ways(way.proxy, way.context, LIMITS), timeout=ANSWER, trust_env=False, follow_redirects=False
    )


class AiServer:
    """`count` is told the tokens used, by purpose. Close it with `close()`."""

    def __init__(
        self,
        settings: Ai,
        budget: Budget,
        count: Count = lambda purpose, tokens: None,
        way: Way | None = None,
        **how: Any,
    ) -> None:
        self._client = openai.AsyncOpenAI(
            api_key=settings.api_key.get_secret_value(),
            base_url=settings.base_url,
            max_retries=0,
            timeout=ANSWER,
            http_client=http_client(way or Way()),
            **how,
        )
        self._redacts = settings.redact
        self._model = settings.model
        self._budget = budget
        self._count = count

    def redactor(self, names: Iterable[str], links: Iterable[str] = ()) -> Redactor:
        """For one request; with `[ai] redact` off it changes nothing."""
        return Redactor(names, links, active=self._redacts)

    async def ask(self, purpose: str, messages: Sequence[Message], within: float = ANSWER) -> str:
        """The whole answer's text. Raises Refused (no budget, a no of the server's), NeedsLogin, Retry, BadAnswer.

        `within` is in seconds. Neither temperature nor a limit of tokens is sent: servers disagree about
        both, and a cut text is no use.
        """
        await self._budget.check()
        try:
            async with asyncio.timeout(within):  # the client's own counts from one byte to the next
                answer = await self._client.chat.completions.create(
                    model=self._model,
                    messages=list(messages),  # type: ignore[arg-type]  # plain role and content
                    timeout=within,
                )
        except TimeoutError as error:
            raise Retry("ai_away") from error
        except openai.OpenAIError as error:
            raise meaning(error) from error
        except ValueError as error:
            raise BadAnswer("ai_unusable") from error
        text, reason = _read(answer)
        await self._spent(purpose, answer, messages, text)
        return _whole(text, reason)

    async def _spent(self, purpose: str, answer: Any, messages: Sequence[Message], text: str) -> None:
        told = getattr(getattr(answer, "usage", None), "total_tokens", None)
        guess = sum(len(m["content"]) for m in messages) + len(text)
        tokens = told if isinstance(told, int) and told > 0 else guess // LETTERS_A_TOKEN
        self._count(purpose, tokens)
        await self._budget.spend(tokens)

    async def close(self) -> None:
        await self._client.close()


def _read(answer: Any) -> tuple[str, str]:
    """Text and finish reason, whatever came back: the client does not check shapes."""
    try:
        choice = answer.choices[0]
        text, refusal = choice.message.content, getattr(choice.message, "refusal", None)
    except (AttributeError, IndexError, TypeError):
        return "", ""
    reason = "refusal" if refusal else str(choice.finish_reason)
    return text if isinstance(text, str) else "", reason


_UNFINISHED: dict[str, type[DeskError]] = {"content_filter": Refused, "refusal": Refused, "length": BadAnswer}


def _whole(text: str, reason: str) -> str:
    if reason in _UNFINISHED:
        raise _UNFINISHED[reason]("ai_refused" if _UNFINISHED[reason] is Refused else "ai_unusable")
    if not text.strip():
        raise BadAnswer("ai_unusable")
    return text.strip()


def meaning(error: openai.OpenAIError) -> DeskError:
    """What to do next about an error of the client; its reason is a key of handlers/words."""
    if isinstance(error, openai.RateLimitError):
        empty = error.code == "insufficient_quota"
        return Refused("ai_quota", str(error.code)) if empty else Retry("ai_busy", _after(error))
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return NeedsLogin("ai_login")
    if isinstance(error, openai.APIResponseValidationError):
        return BadAnswer("ai_unusable")
    if (
        isinstance(error, openai.APIStatusError)
        and 400 <= error.status_code < 500
        and error.status_code not in (408, 409)
    ):
        return Refused("ai_refused", str(error.code or error.status_code))
    return Retry("ai_away", _after(error))


def _after(error: openai.OpenAIError) -> float | None:
    """Seconds the server asked for, five minutes at most: a person waits."""
    headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    named = headers.get("retry-after", "")
    return min(float(named), 300.0) if named.isdigit() else None
