from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import select

from bot.ai import AiServer
from bot.budget import Budget, _used, telling
from bot.config import Ai, load
from bot.directory import Directory
from bot.drafter import ai_parts
from bot.judge import unfenced
from bot.metrics import Metrics
from desk.errors import BadAnswer, DeskError, NeedsLogin, Refused, Retry
from desk.work import Work
from storage.store import SqlStore, open_store
from storage.tables import work
from tests.bot import sample
from tests.bot.ai_server import KEY, Answer, Spoken, fails, listening, raw, says, talking
from tests.desk.world import mention, new_case, rules

ASKED = ({"role": "system", "content": "rules"}, {"role": "user", "content": "words"})


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sqlite(sqlite_url: str, clock: Clock) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url, clock=clock)
    yield opened
    await opened.close()


async def test_an_answer_comes_back_trimmed_and_its_tokens_are_counted(sqlite: SqlStore) -> None:
    async with talking(sqlite, says("  words \n", tokens=77)) as (server, spoken):
        assert await server.ask("draft", ASKED) == "words"

    assert spoken.used == {"draft": 77}
    assert spoken.keys == [f"Bearer {KEY}"]
    assert spoken.asked == [{"model": "small", "messages": list(ASKED)}]


async def test_a_server_that_does_not_tell_what_it_used_is_not_free(sqlite: SqlStore) -> None:
    async with talking(sqlite, says("words", tokens=None), per_day=7) as (server, spoken):
        await server.ask("draft", ASKED)
        with pytest.raises(Refused, match="ai_budget"):
            await server.ask("draft", ASKED)

    assert spoken.used == {"draft": 7}


ERRORS: dict[str, tuple[Answer, type[DeskError], str, float | None]] = {
    "key refused": (fails(401), NeedsLogin, "ai_login", None),
    "key not for this model": (fails(403), NeedsLogin, "ai_login", None),
    "no such model": (fails(404, "model_not_found"), Refused, "ai_refused", None),
    "bad request": (fails(400), Refused, "ai_refused", None),
    "too many requests": (fails(429, retry_after="12"), Retry, "ai_busy", 12),
    "too many requests, no time named": (fails(429), Retry, "ai_busy", None),
    "too many requests, for ever": (fails(429, retry_after="999999"), Retry, "ai_busy", 300),
    "no money left": (fails(429, "insufficient_quota"), Refused, "ai_quota", None),
    "server error": (fails(500), Retry, "ai_away", None),
    "overloaded": (fails(503, retry_after="3"), Retry, "ai_away", 3),
    "a page instead of JSON": (raw("<html>", "text/html"), BadAnswer, "ai_unusable", None),
    "cut JSON": (raw('{"choices": ['), BadAnswer, "ai_unusable", None),
    "another shape": (raw('{"choices": "none"}'), BadAnswer, "ai_unusable", None),
    "no choice": (raw('{"choices": []}'), BadAnswer, "ai_unusable", None),
    "null": (raw("null"), BadAnswer, "ai_unusable", None),
    "empty text": (says("  "), BadAnswer, "ai_unusable", None),
    "no text": (says(None), BadAnswer, "ai_unusable", None),
    "text cut off": (says("We are so", reason="length"), BadAnswer, "ai_unusable", None),
    "filtered": (says("", reason="content_filter"), Refused, "ai_refused", None),
    "declined": (says("", refusal="I cannot"), Refused, "ai_refused", None),
}


@pytest.mark.parametrize("case", ERRORS)
async def test_each_failure_says_what_to_do_next(sqlite: SqlStore, case: str) -> None:
    answer, kind, reason, after = ERRORS[case]
    async with talking(sqlite, answer) as (server, spoken):
        with pytest.raises(kind) as caught:
            await server.ask("draft", ASKED)

    assert type(caught.value) is kind
    assert caught.value.reason == reason
    assert getattr(caught.value, "after", None) == after
    assert len(spoken.asked) == 1, "the client does not try again by itself"
    assert KEY not in str(caught.value)


async def test_a_server_that_is_not_there_is_asked_again_later(sqlite: SqlStore) -> None:
    settings = Ai(base_url="http://127.0.0.1:9/v1", api_key=SecretStr(KEY), model="small")
    server = AiServer(settings, Budget(sqlite, 100))
    with pytest.raises(Retry, match="ai_away"):
        await server.ask("draft", ASKED)
    await server.close()


async def test_a_server_that_says_nothing_is_given_up(sqlite: SqlStore) -> None:
    release = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    async with talking(sqlite, hang) as (server, _):
        with pytest.raises(Retry, match="ai_away"):
            await server.ask("draft", ASKED, 0.05)
        release.set()


# the budget


async def test_past_the_budget_nothing_is_asked_until_the_next_day(sqlite: SqlStore, clock: Clock) -> None:
    async with talking(sqlite, says("words", tokens=60), per_day=100) as (server, spoken):
        await server.ask("draft", ASKED)
        await server.ask("judge", ASKED)
        for purpose in ("draft", "judge"):
            with pytest.raises(Refused) as caught:
                await server.ask(purpose, ASKED)
            assert (caught.value.reason, len(spoken.asked)) == ("ai_budget", 2)

        clock.now += timedelta(hours=1)
        await server.ask("draft", ASKED)

    assert spoken.used == {"draft": 120, "judge": 60}


async def test_a_used_up_budget_outlives_a_restart_and_is_shared_by_replicas(store: SqlStore) -> None:
    await Budget(store, 100).spend(99)
    await Budget(store, 100).check()
    await Budget(store, 100).spend(1)

    with pytest.raises(Refused, match="ai_budget"):
        await Budget(store, 100).check()


async def test_what_is_spent_at_once_is_counted_to_the_last_token(store: SqlStore) -> None:
    await asyncio.gather(*(Budget(store, 1000).spend(7) for _ in range(12)))
    async with store.write() as unit:
        assert await _used(unit) == 84


async def test_people_are_told_once_a_day(sqlite: SqlStore, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    def told(day: date) -> list[Work]:
        return [Work("answer", {"day": day.isoformat()})]

    budget = Budget(sqlite, 100, told)
    for _ in range(5):
        await budget.spend(60)
    assert [(w.kind, w.rows) for w in await sqlite.waiting()] == [("answer", 1)]
    assert caplog.text.count("is used up") == 1

    clock.now += timedelta(days=1)
    await budget.spend(200)
    assert [(w.kind, w.rows) for w in await sqlite.waiting()] == [("answer", 2)]


async def test_it_is_said_once_in_each_leads_room_or_staff_room_of_those_with_ai(sqlite: SqlStore) -> None:
    agreed = [
        rules(brand="a", leads_room="telegram:-9"),
        rules(brand="b", leads_room="telegram:-9"),
        rules(brand="c", staff_room="telegram:-3"),
        rules(brand="d", staff_room="telegram:-4", ai=False),
    ]
    budget = Budget(sqlite, 100, telling(lambda: agreed, 100))
    await budget.spend(100)
    async with sqlite.database.reader.begin() as connection:
        rows = (await connection.execute(select(work.c.dest, work.c.payload))).all()

    assert sorted(row.dest for row in rows) == ["telegram:-3", "telegram:-9"]
    assert {row.payload["what"] for row in rows} == {"ai_budget"}


@pytest.mark.parametrize("answer", [says("words"), None])
async def test_the_configuration_decides_whether_there_is_a_server(
    sqlite: SqlStore, tmp_path: Path, answer: Answer | None
) -> None:
    spoken = Spoken([answer or fails(500)])
    async with AsyncExitStack() as stack:
        ai = f'[ai]\nbase_url = "{await listening(spoken, stack)}"\napi_key = "env:OPENAI_API_KEY"\nmodel = "small"\n'
        config = load(sample.write(tmp_path, sample.changed(after=ai if answer else "")), sample.SECRETS)
        directory, metrics = Directory(config), Metrics()
        drafter, judge = ai_parts(config, lambda: directory, metrics, sqlite, stack)
        brand = directory.rules("coffee")
        assert brand is not None
        if answer is None:
            with pytest.raises(Refused, match="no_ai"):
                await drafter.suggest(new_case(brand="coffee"), brand)
        else:
            assert await drafter.suggest(new_case(brand="coffee"), brand) == "words"
        assert (await judge.judge(mention(rating=None), brand)).tone == "to_check"

    used = metrics.registry.get_sample_value("replydesk_ai_tokens_total", {"purpose": "draft"})
    assert (used, len(spoken.asked)) == ((100, 2) if answer else (None, 0))


async def test_tokens_of_an_unusable_answer_are_spent_all_the_same(sqlite: SqlStore) -> None:
    async with talking(sqlite, says("cut", reason="length", tokens=500), per_day=400) as (server, spoken):
        with pytest.raises(BadAnswer):
            await server.ask("draft", ASKED)
        with pytest.raises(Refused, match="ai_budget"):
            await server.ask("draft", ASKED)

    assert spoken.used == {"draft": 500}


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("words", "words"),
        ("```\nwords\n```", "words"),
        ('```json\n{"a": 1}\n```\n', '{"a": 1}'),
        ("before\n```\nwords\n```", "before\n```\nwords\n```"),
    ],
)
def test_a_fence_around_everything_is_taken_off(answer: str, plain: str) -> None:
    assert unfenced(answer) == plain
