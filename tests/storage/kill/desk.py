"""A desk in a process of its own that can be killed at a named point: `python -m tests.storage.kill.desk --help`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from sqlalchemy import ColumnElement, or_

from desk.errors import Retry, Unsure
from desk.ports import Call, Done, Park, Probe, Unit, Verdicts
from desk.work import Row
from storage import claim
from storage.engine import Engine
from storage.queue import Held
from storage.store import SqlStore, open_store
from storage.tables import work
from storage.unit import SqlUnit

POINTS = ("claimed", "sending", "accepted", "external_id", "before_done")


class PublicReply:
    """The real thing in small: posts a text under a mention, and looks for it before it would post it again."""

    lease = timedelta(seconds=60)

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._url = f"{address}/replies"

    def grace(self, row: Row) -> timedelta:
        return timedelta(seconds=0.05)

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        return Call({"mention": row.payload["mention"], "text": row.payload["text"]})

    async def send(self, row: Row, call: Call) -> str:
        try:
            async with self._session.post(self._url, json=call.data) as answer:
                return await self._read(answer)
        except aiohttp.ClientError as error:
            raise Unsure(repr(error)) from error

    async def _read(self, answer: aiohttp.ClientResponse) -> str:
        if answer.status == 429:
            raise Retry("too many", after=float(answer.headers["Retry-After"]), rate_limited=True)
        if answer.status != 200:
            raise Unsure(f"HTTP {answer.status}")
        reply: dict[str, str] = await answer.json()
        return reply["id"]

    async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts:
        return Done(result)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return None

    async def find(self, row: Row, call: Call) -> str | None:
        try:
            async with self._session.get(self._url, params={"mention": call.data["mention"]}) as answer:
                replies: list[dict[str, str]] = await answer.json()
        except aiohttp.ClientError as error:
            raise Retry(repr(error)) from error
        return next((reply["id"] for reply in replies if reply["text"] == call.data["text"]), None)

    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts:
        return Park(str(error))


class Forgetful(Engine):
    """Writes nothing down before it sends: what the journal is for."""

    async def _journal(self, unit: SqlUnit, held: Held, call: Call) -> None:
        return None


class Unfenced(Engine):
    """Sends however long ago it took the row."""

    def _in_time(self, held: Held) -> bool:
        return True


class Laneless(Engine):
    """Lets what people say overtake each other. Without any lane their thread would be lost before they say it."""

    def _in_lane(self) -> ColumnElement[bool]:
        mirrored = work.c.payload["slot"].as_string().startswith("m")
        return or_(claim.first_in_lane(), work.c.kind == "say", mirrored)


ENGINES: dict[str, type[Engine]] = {
    "engine": Engine,
    "forgetful": Forgetful,
    "unfenced": Unfenced,
    "laneless": Laneless,
}


@dataclass(frozen=True)
class Orders:
    """`kill_at`: the point at which the process sends itself `how`; "" for never. `scale`: of leases and time-outs."""

    store: str
    platform: str
    kill_at: str = ""
    how: signal.Signals = signal.SIGKILL
    engine: str = "engine"
    scale: float = 0.02
    until_idle: bool = True


def killer(point: str, how: signal.Signals) -> Probe:
    left = [point] if point else []

    async def probe(reached: str, row: Row) -> None:
        if reached in left:
            left.clear()
            os.kill(os.getpid(), how)

    return probe


async def run(orders: Orders) -> None:
    store = await open_store(orders.store)
    async with aiohttp.ClientSession() as session:
        engine = ENGINES[orders.engine](
            store,
            {},
            {"reply": PublicReply(session, orders.platform)},
            probe=killer(orders.kill_at, orders.how),
            scale=orders.scale,
            backoff=lambda attempt: 0.05,
        )
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
        running = loop.create_task(engine.run())
        await (_idle(store) if orders.until_idle else stopped.wait())
        await engine.stop()
        await running
    await store.close()


async def _idle(store: SqlStore) -> None:
    """Until nothing is left but what waits for people."""
    while any(waiting.state != "parked" for waiting in await store.waiting()):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def start(orders: Orders) -> None:
    """Entry of the process."""
    logging.disable()
    asyncio.run(run(orders))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store")
    parser.add_argument("platform")
    parser.add_argument("--kill-at", choices=POINTS, default="")
    parser.add_argument("--engine", choices=sorted(ENGINES), default="engine")
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--until-idle", action="store_true")
    start(Orders(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
