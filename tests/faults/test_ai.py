"""What goes wrong at the AI server, past tests/bot/test_ai.py: lost connections, odd answers, a revoked key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from sqlalchemy import select

from bot.ai import ANSWER
from bot.directory import Knowledge
from bot.drafter import OpenAiDrafter
from bot.judge import QUICKLY, build_judge
from desk import actions as a
from desk.errors import BadAnswer, DeskError, Retry
from desk.ports import Verdict
from desk.rules import Rules
from desk.suggesting import Suggest
from desk.work import Work
from storage.store import SqlStore, open_store
from storage.tables import work
from tests.bot.ai_server import Answer, fails, raw, talking
from tests.bot.test_ai import ASKED
from tests.desk.world import ANNA, RULES, Story, mention
from tests.faults.odd import cut_off, hangs, resets, says, trickles
from tests.storage.helpers import WHOLE, Clock, an_engine, put

TO_CHECK = Verdict("to_check", None, "none")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(sqlite_url: str, clock: Clock) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url, clock=clock)
    yield opened
    await opened.close()


async def no_reader(request: web.Request) -> web.StreamResponse:
    """Letters that are no UTF-8, called JSON."""
    return await says('{"choices": "Войдите"}'.encode("cp1251"))(request)


LOST: dict[str, tuple[Answer, type[DeskError], str]] = {
    "reset after the question was read": (resets, Retry, "ai_away"),
    "answer cut off": (cut_off, Retry, "ai_away"),
    "HTML with 403": (says("<h1>Blocked", 403, "text/html"), DeskError, "ai_login"),
    "HTML with 502": (says("<h1>Bad gateway", 502, "text/html"), Retry, "ai_away"),
    "HTML with 429": (says("<h1>Slowly", 429, "text/html"), Retry, "ai_busy"),
    "another alphabet": (no_reader, BadAnswer, "ai_unusable"),
    "numbers for words": (raw('{"choices": [{"message": {"content": 5}}]}'), BadAnswer, "ai_unusable"),
    "a list": (raw("[]"), BadAnswer, "ai_unusable"),
}


@pytest.mark.parametrize("name", LOST)
async def test_an_answer_that_is_none_says_what_to_do_next(store: SqlStore, name: str) -> None:
    answer, kind, reason = LOST[name]
    async with talking(store, answer) as (server, spoken):
        with pytest.raises(kind) as caught:
            await server.ask("draft", ASKED)
    assert caught.value.reason == reason
    assert len(spoken.asked) == 1


async def test_an_answer_that_drips_is_given_up_in_time(store: SqlStore) -> None:
    async with talking(store, trickles) as (server, _), asyncio.timeout(2 * ANSWER):
        with pytest.raises(Retry, match="ai_away"):
            await server.ask("draft", ASKED)


JUDGED: dict[str, Answer] = {
    "revoked key": fails(401),
    "forbidden": fails(403),
    "reset": resets,
    "answer cut off": cut_off,
    "time-out": hangs,
    "slow drip": trickles,
}


@pytest.mark.parametrize("name", JUDGED)
async def test_whatever_the_server_does_a_person_checks_the_mention(store: SqlStore, name: str) -> None:
    async with talking(store, JUDGED[name]) as (server, spoken), asyncio.timeout(2 * QUICKLY):
        assert await build_judge(server).judge(mention(rating=None), RULES) == TO_CHECK
    assert len(spoken.asked) == 1


# a suggestion somebody asked for


class Known:
    """One brand, and nothing known of it."""

    def rules(self, brand: str, platform: str = "") -> Rules:
        return RULES

    def brands(self) -> list[Rules]:
        return [RULES]


async def says_of_a_suggestion(store: SqlStore) -> list[str]:
    async with store.database.reader.begin() as connection:
        said = (await connection.execute(select(work.c.payload).where(work.c.kind == "say"))).scalars()
        return [payload["args"]["reason"] for payload in said if payload["key"] == "suggestion_failed"]


TRIES = 3
"""A desk tries eight times."""

ASKED_FOR: dict[str, tuple[Answer, int, str]] = {
    "revoked key": (fails(401), 1, "ai_login"),
    "forbidden": (fails(403), 1, "ai_login"),
    "reset": (resets, TRIES, "ai_away"),
    "500": (fails(500), TRIES, "ai_away"),
    "429 without a time": (fails(429), TRIES, "ai_busy"),
    "429 with a time": (fails(429, retry_after="12"), TRIES, "ai_busy"),
    "HTML": (raw("<html>", "text/html"), TRIES, "ai_unusable"),
}


@pytest.mark.parametrize("name", ASKED_FOR)
async def test_a_suggestion_is_tried_again_with_back_off_and_who_asked_is_told_once(
    store: SqlStore, name: str, clock: Clock
) -> None:
    answer, tries, reason = ASKED_FOR[name]
    story = Story()
    story.do(a.Take(who=ANNA), a.SuggestReply(who=ANNA))
    async with store.write(scope=WHOLE) as unit:
        case = await unit.new_case(replace(story.case, id=0), [])
    await put(store, Work("suggest", {"case": case.id, "version": 0, "person": "anna"}, max_attempts=TRIES))
    async with talking(store, answer, per_day=10**9) as (server, spoken):
        drafter = OpenAiDrafter(server, lambda brand: Knowledge(None, "", {}))
        engine = an_engine(store, jobs={"suggest": Suggest(store, Known, drafter)})  # type: ignore[arg-type]
        for tried in range(1, tries + 3):
            await engine.drain()
            assert len(spoken.asked) == min(tried, tries)
            assert await says_of_a_suggestion(store) == ([reason] if tried >= tries else [])
            clock.forward(60)
