"""What /readyz says of Telegram, by what this replica does and what Telegram answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from bot import connect
from bot.connect import QUIET, Naming, Polling
from desk.errors import NeedsLogin, Retry

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
LONG_AGO = NOW - QUIET - timedelta(seconds=5)


def polling(ours: bool, asked: datetime | None = None, answered: datetime | None = None, error: str = "") -> Polling:
    app: Any = SimpleNamespace(now=lambda: NOW)
    return Polling(app, SimpleNamespace(ok_at=answered, error=error), asyncio.sleep, ours, asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"ours": False}, ""),
        ({"ours": False, "asked": LONG_AGO, "error": "401 of an earlier turn"}, ""),
        ({"ours": True}, "no updates were asked for yet"),
        ({"ours": True, "asked": NOW}, ""),
        ({"ours": True, "asked": LONG_AGO}, "getUpdates was last answered 95 s ago"),
        ({"ours": True, "asked": LONG_AGO, "answered": NOW}, ""),
        ({"ours": True, "asked": NOW, "answered": LONG_AGO}, ""),
        ({"ours": True, "asked": NOW, "answered": NOW, "error": "409 Conflict"}, "409 Conflict"),
    ],
)
async def test_who_polls_answers_for_it_and_who_waits_lacks_nothing(how: dict[str, Any], says: str) -> None:
    made = polling(**how)
    assert await made.check() == says
    assert await made.note() == ("" if how["ours"] else "another replica asks for updates")


async def test_the_first_request_of_a_turn_is_noted_before_its_answer() -> None:
    made = polling(True)

    async def sent(bot: Any, method: Any) -> str:
        return method.__api_method__

    assert await made.asking(sent, None, SimpleNamespace(__api_method__="getMe")) == "getMe"
    assert made.asked_at is None
    assert await made.asking(sent, None, SimpleNamespace(__api_method__="getUpdates")) == "getUpdates"
    assert made.asked_at == NOW


async def test_a_webhook_is_named_until_telegram_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Exception | None] = [Retry("away"), NeedsLogin("401 Unauthorized"), None]
    seen: list[str] = []

    async def name() -> None:
        seen.append(await naming.check())
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    async def waited(stop: asyncio.Event, seconds: float) -> None:
        seen.append(f"waited {seconds:g}")

    monkeypatch.setattr(connect, "_waited", waited)
    naming, stop = Naming(name), asyncio.Event()
    listening = asyncio.create_task(naming.listen(stop))
    await asyncio.sleep(0.05)
    assert seen == ["the webhook is not set yet", "waited 1", "away", "waited 2", "401 Unauthorized"]
    assert await naming.check() == ""
    assert not listening.done(), "a part that ends by itself is a fault"
    stop.set()
    await listening
