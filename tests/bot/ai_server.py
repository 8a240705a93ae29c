"""A local server that speaks /chat/completions, tells what it was asked and answers as it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from bot.ai import AiServer
from bot.budget import Budget
from bot.config import Ai
from desk.ports import Store

Answer = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]
KEY = "sk-kept-secret-openai"


def says(text: str | None, reason: str = "stop", tokens: int | None = 100, **message: Any) -> Answer:
    usage = None if tokens is None else {"prompt_tokens": 1, "completion_tokens": tokens - 1, "total_tokens": tokens}
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text, **message}}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return lambda request: web.json_response(body)


def fails(status: int, code: str = "", **headers: str) -> Answer:
    body = {"error": {"message": "no", "type": "x", "code": code or None}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: web.json_response(body, status=status, headers=named)


def raw(text: str, kind: str = "application/json") -> Answer:
    return lambda request: web.Response(text=text, content_type=kind)


@dataclass
class Spoken:
    """`asked`: bodies of the requests. The last of `answers` is given again and again."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.keys.append(request.headers["Authorization"])
        answer = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)
        return await answer if isawaitable(answer) else answer

    def count(self, purpose: str, tokens: int) -> None:
        self.used[purpose] = self.used.get(purpose, 0) + tokens

    @property
    def prompts(self) -> list[str]:
        """All that each request said, as one text."""
        return ["\n".join(m["content"] for m in body["messages"]) for body in self.asked]

    def data(self, number: int = 0) -> dict[str, Any]:
        """The JSON object among the messages of a request."""
        text = self.asked[number]["messages"][1]["content"]
        found: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
        return found


async def listening(spoken: Spoken, stack: AsyncExitStack) -> str:
    """The address to give as base_url."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", spoken.answer)
    local = await stack.enter_async_context(TestServer(app))
    return str(local.make_url("/v1"))


@asynccontextmanager
async def talking(store: Store, *answers: Answer, **budget: Any) -> AsyncIterator[tuple[AiServer, Spoken]]:
    spoken = Spoken(list(answers))
    async with AsyncExitStack() as stack:
        settings = Ai(base_url=await listening(spoken, stack), api_key=SecretStr(KEY), model="small")
        server = AiServer(settings, Budget(store, **{"per_day": 10_000, **budget}), spoken.count)
        stack.push_async_callback(server.close)
        yield server, spoken
