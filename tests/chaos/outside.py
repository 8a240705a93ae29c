"""What the fakes share: an append-only log, a temper, and a process each that outlives the desks."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web

Line = dict[str, Any]


class Log:
    """Append-only JSON lines: written before anybody hears of what they tell, and all that the judge believes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")

    def write(self, what: str, **data: Any) -> None:
        self._file.write(json.dumps({"at": time.time(), "what": what, **data}, ensure_ascii=False) + "\n")
        self._file.flush()


def read_log(path: Path) -> list[Line]:
    """Whole lines only: the last one may be half written."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


@dataclass
class Temper:
    """How often the other side misbehaves. `drop`: share of effects that take place before the connection is cut.

    `limited`: share of calls refused with 429 and `retry_after` seconds.
    """

    luck: random.Random
    drop: float = 0.2
    limited: float = 0.03
    retry_after: float = 0.2

    def refuses(self) -> bool:
        return self.luck.random() < self.limited

    def drops(self) -> bool:
        return self.luck.random() < self.drop

    def refusal(self) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": str(self.retry_after)})


def cut(request: web.Request) -> web.Response:
    """The connection is gone before the answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def serve(make: Callable[[], web.Application], address: Connection) -> None:
    """Entry of a fake's process: tells its address and stays until it is killed."""
    asyncio.run(_serve(make(), address))


async def _serve(app: web.Application, address: Connection) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    address.send(f"http://{host}:{port}")
    await asyncio.Event().wait()
