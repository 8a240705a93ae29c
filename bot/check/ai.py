"""The AI server: whether it lets us in and has the model."""

from __future__ import annotations

import openai

from bot.ai import http_client
from bot.config import Ai
from bot.config.faults import Faults, Where, suggestion
from bot.net import Way

ANSWER = 10
"""Seconds one call may take."""


async def connect_ai(ai: Ai, way: Way, faults: Faults) -> None:
    async with openai.AsyncOpenAI(
        api_key=ai.api_key.get_secret_value(),
        base_url=ai.base_url,
        timeout=ANSWER,
        max_retries=0,
        http_client=http_client(way),
    ) as client:
        await ask_ai(client, ai.model, faults)


async def ask_ai(client: openai.AsyncOpenAI, model: str, faults: Faults) -> None:
    """Whether the server has the model; one that gives no list is asked for a single token."""
    where, known = Where().at("ai"), list[str]()
    try:
        known = await _models(client)
        if model not in known:
            await client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Hello"}], max_completion_tokens=1
            )
    except (openai.AuthenticationError, openai.PermissionDeniedError):
        faults.add(where.at("api_key"), "the server refuses the key", "renew it, and see that it may use this model")
    except openai.NotFoundError:
        faults.add(where.at("model"), f'the server has no model "{model}"', suggestion(model, known, "models"))
    except openai.RateLimitError:
        faults.add(where, "the server takes no more requests now", "check the account's balance and limits")
    except openai.APIStatusError as error:
        faults.add(where, f"the server answers {error.status_code}", "check base_url and model")
    except openai.APIError:
        faults.add(where.at("base_url"), "no good answer from the server", "check the network and base_url")


async def _models(client: openai.AsyncOpenAI) -> list[str]:
    try:
        return [model.id async for model in client.models.list()]
    except (openai.NotFoundError, openai.BadRequestError, openai.APIResponseValidationError):
        return []
