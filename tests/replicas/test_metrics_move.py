"""Each figure of contract §7, as a scraper sees it, moves with what it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from prometheus_client.parser import text_string_to_metric_families

from desk.work import Work
from tests.bot.ai_server import Spoken, listening, says
from tests.replicas.fleet import _get, held_ports
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

MOVES: dict[str, dict[str, str]] = {
    "replydesk_mentions_total": {"brand": "acme-coffee", "platform": "google_play", "tone": "negative"},
    "replydesk_reaction_seconds_count": {"brand": "acme-coffee", "platform": "google_play"},
    **{f"replydesk_stage_seconds_count {stage}": {"stage": stage} for stage in ("found", "carded", "taken", "drafted")},
    **{f"replydesk_stage_seconds_count {stage}": {"stage": stage} for stage in ("approved", "posted", "visible")},
    "replydesk_deliveries_total telegram": {"surface": "telegram", "outcome": "done"},
    "replydesk_deliveries_total slack": {"surface": "slack", "outcome": "done"},
    "replydesk_deliveries_total google_play": {"surface": "google_play", "outcome": "done"},
    "replydesk_rate_limited_total": {"surface": "slack"},
    "replydesk_source_errors_total": {"source": "acme-play"},
    "replydesk_ai_tokens_total": {"purpose": "draft"},
    "replydesk_cases": {"brand": "acme-coffee", "state": "answered"},
}
"""What a case from its review to its reply adds to, with a 429, a failed poll and a draft on the way."""


async def scraped(port: int) -> Samples:
    text = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(samples: Samples, name: str, labels: dict[str, str]) -> float:
    """Summed over the labels that are not given."""
    name = name.partition(" ")[0]
    return sum(v for (n, has), v in samples.items() if n == name and labels.items() <= dict(has).items())


async def test_each_figure_moves_with_what_it_counts(desk: Opened) -> None:
    async with AsyncExitStack() as stack:
        [port] = stack.enter_context(held_ports(1))
        url = await listening(Spoken([says("We are sorry, Dina.")]), stack)
        ai = f'[ai]\nbase_url = "{url}"\napi_key = "env:REPLYDESK_SECRET"\nmodel = "m"\n'
        w = await stack.enter_async_context(desk(rush=True, listen=f"127.0.0.1:{port}", more=ai))
        before = await scraped(port)
        await a_whole_case(w)

        async def still() -> list[str]:
            now = await scraped(port)
            return [name for name, of in MOVES.items() if value(now, name, of) <= value(before, name, of)]

        assert await left_still(w, still) == []
        await what_stands(w, port)


async def left_still(w: World, still: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """Those that stood still for as long as anybody would wait."""
    left: list[str] = []

    async def all_moved() -> bool:
        left[:] = await still()
        return not left

    with suppress(AssertionError):
        await w.until(all_moved)
    return left


async def a_whole_case(w: World) -> None:
    w.sandbox.slack.fail("chat.postMessage", ("retry_after", 1))
    w.review()
    await w.staff.press("anna", 1, "Take")
    await w.staff.press("anna", 1, "Suggest reply")
    await w.staff.press("anna", 1, "Send to client")
    await w.client.press("marta", 1, "Approve")
    await w.state(1, "answered")
    await w.hasten("watch:1")
    w.sandbox.site.fail("reviews.list", *[("status", 500)] * 100)


async def what_stands(w: World, port: int) -> None:
    """Gauges of the store: a row that waits for a room, and the age of the last reading."""
    surface = {"surface": "telegram"}

    async def all_sent() -> bool:
        return value(await scraped(port), "replydesk_deliveries_pending", surface) == 0

    await w.until(all_sent, what="nothing on its way")
    async with w.app.store.write() as unit:
        await unit.enqueue(Work("newer", dest="telegram:-1"))

    async def that_row_waits() -> bool:
        now = await scraped(port)
        pending, newer = value(now, "replydesk_deliveries_pending", surface), {"kind": "newer"}
        return (pending, value(now, "replydesk_unknown_work", newer)) == (1, 1)

    # What staff are told of the failing source is on its way for a moment too, whenever that is.
    await w.until(that_row_waits, what="one row on its way, for newer code")

    async def lags() -> bool:
        return value(await scraped(port), "replydesk_source_lag_seconds", {"source": "acme-play"}) > 2

    await w.until(lags, what="a source that is not read lags")
