"""Twenty sources, one of which answers a byte now and then: the others are read as if it were not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aiohttp import web

from desk.ports import SourceStatus
from tests.faults.odd import drips, odd, says
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World

MANY = 20
DRIPPING = "feed-0"
AGAIN, LATE = timedelta(seconds=3), timedelta(seconds=8)
"""Each is read every three seconds, on a busy machine; the one that drips is given up after fifteen."""
SOURCE = """
[[clients.brands.sources]]
key = "{key}"
platform = "rss"
url = "{url}/{key}"
every = "3s"
"""
FEED = "<rss version='2.0'><channel><title>t</title></channel></rss>"


async def feeds(request: web.Request) -> web.StreamResponse:
    if request.path.endswith(f"/{DRIPPING}"):
        return await drips(request)
    return await says(FEED, kind="application/rss+xml")(request)


async def statuses(w: World) -> dict[str, SourceStatus]:
    async with w.app.store.read() as reader:
        return {status.source: status for status in await reader.sources() if status.source.startswith("feed-")}


def fresh(status: SourceStatus, begun: datetime) -> bool:
    """Read again since, and not long ago."""
    at = status.last_success_at
    return at is not None and at > begun + AGAIN and datetime.now(UTC) - at < LATE


async def test_one_source_that_drips_delays_no_other(desk: Opened) -> None:
    async with odd(feeds) as server:
        lines = "".join(SOURCE.format(key=f"feed-{n}", url=server.url) for n in range(MANY))
        async with desk(rush=True, sources=lines) as w:
            begun = datetime.now(UTC)

            async def others_are_read() -> bool:
                known = await statuses(w)
                return len(known) >= MANY - 1 and all(fresh(s, begun) for key, s in known.items() if key != DRIPPING)

            await w.until(others_are_read, what="nineteen sources read while one drips")
            slow = (await statuses(w)).get(DRIPPING)
            assert slow is None or slow.last_success_at is None
