"""Several desks on one PostgreSQL and one sandbox, in this process."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from bot.build import Parts
from desk.work import Row
from sandbox.server import Sandbox
from tests.scenarios.world import World, a_sandbox, opened


@dataclass
class Replica:
    """One desk. `claimed`: the rows it took, in order."""

    world: World
    port: int
    stack: AsyncExitStack
    claimed: list[Row] = field(default_factory=list)
    lives: bool = True

    async def stop(self) -> None:
        self.lives = False
        await self.stack.aclose()

    async def asked(self, path: str) -> str:
        """What it answers over HTTP, whatever the status."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.port}{path}")

    async def ready(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(await self.asked("/readyz"))
        return told

    async def polls(self) -> bool:
        return "telegram" not in (await self.ready())["notes"]


def _get(address: str) -> str:
    try:
        with urlopen(address, timeout=30) as answer:
            return str(answer.read().decode())
    except HTTPError as refused:
        with refused:
            return refused.read().decode()


@contextmanager
def held_ports(count: int) -> Iterator[list[int]]:
    """To listen on while they are held: the system gives none of them to anybody who asks for just any."""
    with ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0))
        yield [one.getsockname()[1] for one in held]


@dataclass
class Fleet:
    sandbox: Sandbox
    folder: Path
    url: str
    patch: pytest.MonkeyPatch
    ports: Iterator[int]
    replicas: list[Replica] = field(default_factory=list)

    async def join(self, **values: Any) -> Replica:
        """One more desk, as identical as its address allows."""
        number, port = len(self.replicas), next(self.ports)
        folder = self.folder / f"replica{number}"
        folder.mkdir()
        claimed: list[Row] = []

        async def probe(point: str, row: Row) -> None:
            if point == "claimed":
                claimed.append(row)

        stack = AsyncExitStack()
        how = {"listen": f"127.0.0.1:{port}", "sandbox": self.sandbox, "rush": True, **values}
        world = await stack.enter_async_context(opened(folder, self.url, self.patch, parts=Parts(probe=probe), **how))
        self.replicas.append(Replica(world, port, stack, claimed))
        return self.replicas[-1]

    async def poller(self) -> Replica:
        """The one that asks Telegram for updates, once there is one."""
        return await self.replicas[0].world.until(self._poller, what="a replica that polls")

    async def all_ready(self) -> None:
        """Each is connected to Slack too, which a desk is a moment after it began to work."""
        await self.replicas[0].world.until(self._all_ready, what="all replicas ready")

    async def _all_ready(self) -> bool:
        return not any([(await one.ready())["reasons"] for one in self.replicas if one.lives])

    async def _poller(self) -> Replica | None:
        for one in self.replicas:
            if one.lives and await one.polls() and (await one.ready())["ready"]:
                return one
        return None


@asynccontextmanager
async def a_fleet(folder: Path, url: str, patch: pytest.MonkeyPatch, count: int) -> AsyncIterator[Fleet]:
    async with a_sandbox() as made:
        with held_ports(count) as ports:
            fleet = Fleet(made, folder, url, patch, iter(ports))
            try:
                for _ in range(count):
                    await fleet.join()
                yield fleet
            finally:
                for one in reversed(fleet.replicas):
                    await one.stop()
