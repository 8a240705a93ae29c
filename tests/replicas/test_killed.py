"""Replicas as processes: one is killed, frozen or asked to go, and what it held is taken over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import or_, select

import storage.database
from desk.work import LEASES, Row
from sandbox.server import Sandbox
from storage.store import SqlStore, open_store
from storage.tables import work
from tests.forks import begin, prepare
from tests.scenarios import kill_desk
from tests.scenarios.kill_desk import Life, Orders
from tests.scenarios.people import wait_for
from tests.scenarios.world import SECRETS, SLOW, _side, a_sandbox, write_config

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.xdist_group("forks")]

LONG = 60.0

LONGER, LONGEST = 0.1, 0.2
"""Scales of leases and time-outs. At the shorter one an effect's lease is 6 s; at the longer one its time-out is 3 s: a
call that a busy machine answers after it is made once more, and the card is there twice."""


def start(orders: Orders, silent: float, hangs: bool) -> None:
    """Entry of a replica's process. `silent`: seconds without a word after which it loses its turn; `hangs`: at the
    first card it is about to show."""
    storage.database.SILENT = silent
    if hangs:
        kill_desk.killer = lambda point: _hang  # type: ignore[assignment]
    kill_desk.start(orders)


async def _hang(reached: str, row: Row) -> None:
    if (row.kind, reached) == ("draw", "sending"):
        await asyncio.Event().wait()


class Replica(Life):
    def __init__(self, orders: Orders, silent: float, hangs: bool) -> None:
        self.process: Any = begin(start, orders, silent, hangs)

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)


@dataclass
class Scene:
    """`looker` reads the store beside the replicas."""

    sandbox: Sandbox
    staff: Any
    client: Any
    config: Path
    looker: SqlStore
    replicas: list[Replica] = field(default_factory=list)

    async def joins(self, scale: float, silent: float = 10.0, hangs: bool = False) -> Replica:
        """One more, connected to Slack: then it works too."""
        before = self._links()
        made = Replica(Orders(self.config, SECRETS, scale=scale), silent, hangs)
        self.replicas.append(made)
        await wait_for(lambda: self._links() > before, "a replica connected to Slack", LONG)
        return made

    def _links(self) -> int:
        return sum(map(len, self.sandbox.slack.sockets.links.values()))

    async def polled(self) -> None:
        """Somebody asks Telegram for updates: what is written there is confirmed."""
        await wait_for(lambda: any(c.method == "getUpdates" for c in self.sandbox.telegram.calls), "polling", LONG)

    async def held(self) -> Any:
        """The card's row, once it is claimed."""
        async with self.looker.database.reader.begin() as connection:
            wanted = select(work).where(work.c.kind == "draw", work.c.state == "running")
            return (await connection.execute(wanted.order_by(work.c.id))).first()

    async def taken_over(self, row: Any) -> Any:
        """Somebody else has it, or has it behind them: that they have it may be over between two looks."""
        async with self.looker.database.reader.begin() as connection:
            others = (work.c.state == "running") & (work.c.owner != row.owner)
            wanted = select(work.c.id).where(work.c.id == row.id, or_(others, work.c.state == "done"))
            return (await connection.execute(wanted)).first()

    async def now(self) -> datetime:
        async with self.looker.database.reader.begin() as connection:
            return await self.looker.database.now(connection)

    async def waits_for(self, what: Any, words: str) -> Any:
        end = time.monotonic() + LONG
        while not (found := await what()):
            assert time.monotonic() < end, words
            await asyncio.sleep(0.02)
        return found

    def review(self) -> None:
        self.sandbox.site.leave("kz.acme.coffee", "Dina", 1, "Cold coffee.", "en")

    async def over(self) -> None:
        for one in self.replicas:
            one.process.kill()
            await one.ended()
        await self.looker.close()


@asynccontextmanager
async def a_scene(folder: Path, url: str, patch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    prepare()
    async with a_sandbox() as made:
        made.slack.door.limits.retry_after = lambda *_: 0  # type: ignore[method-assign]
        config = write_config(folder, made, url, patch, staff="telegram", client="slack")
        looker = await open_store(url, reading=True)
        scene = Scene(made, _side(made, "staff", "telegram"), _side(made, "client", "slack"), config, looker)
        try:
            yield scene
        finally:
            await scene.over()


@pytest.fixture
async def scene(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    async with a_scene(tmp_path, postgres_url, monkeypatch) as made:
        yield made


async def test_what_a_killed_replica_held_is_taken_over_within_two_leases(scene: Scene) -> None:
    """By the database's clock. Polling goes on too: a press is answered by the one that is left."""
    lease = LEASES["effect"] * LONGER
    killed = await scene.joins(LONGER, hangs=True)
    await scene.polled()
    scene.review()
    row = await scene.waits_for(scene.held, "a row that hangs")
    await scene.joins(LONGER)
    killed.signal(signal.SIGKILL)
    died = await scene.now()
    await scene.waits_for(lambda: scene.taken_over(row), "taken over")
    assert await scene.now() - died < 2 * lease + timedelta(seconds=SLOW)
    await wait_for(lambda: "Take" in scene.staff.buttons(1), "its card", LONG)
    await scene.staff.press("anna", 1, "Take")
    await wait_for(lambda: "Write reply" in scene.staff.buttons(1), "the press had its effect", LONG)


async def test_a_replica_that_is_asked_to_go_hands_back_at_once(scene: Scene) -> None:
    """With leases of full length: nobody waits for one to run out."""
    goes = await scene.joins(scale=1.0, hangs=True)
    await scene.polled()
    scene.review()
    row = await scene.waits_for(scene.held, "a row that hangs")
    await scene.joins(scale=1.0)
    assert await goes.stopped() == 0
    assert await scene.now() < row.lease_until
    await wait_for(lambda: "Take" in scene.staff.buttons(1), "its card", LONG)
    assert await scene.now() < row.lease_until
    await scene.staff.press("anna", 1, "Take")
    await wait_for(lambda: "Write reply" in scene.staff.buttons(1), "the press had its effect", LONG)


async def test_a_frozen_replica_loses_its_turn_and_does_no_harm_when_it_thaws(scene: Scene) -> None:
    frozen = await scene.joins(LONGEST, silent=2.0)
    await scene.polled()
    scene.review()
    await wait_for(lambda: "Take" in scene.staff.buttons(1), "a card", LONG)
    await scene.joins(LONGEST, silent=2.0)
    frozen.signal(signal.SIGSTOP)
    await scene.staff.press("anna", 1, "Take")
    await wait_for(lambda: "Write reply" in scene.staff.buttons(1), "the press had its effect", LONG)
    frozen.signal(signal.SIGCONT)
    scene.review()
    await wait_for(lambda: "Take" in scene.staff.buttons(2), "the second card", LONG)
    await scene.staff.press("dana", 2, "Take")
    await wait_for(lambda: "Write reply" in scene.staff.buttons(2), "the second press had its effect", LONG)
    assert [len(scene.staff.texts(number)) for number in (1, 2)] == [2, 2], "a topic and a card each"
