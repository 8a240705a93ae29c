"""One case played to its end in the server that desks are forked from.

What a first case loads, builds and compiles is half of its processor time; each fork then has it already.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

import pytest

from tests.economy import freeze, share
from tests.scenarios.world import opened


async def _play(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with opened(folder, f"sqlite+aiosqlite:///{folder}/desk.db", patch, rush=True) as world:
            await world.proposed("Dina, we are sorry: the machine is repaired.")
            await world.client.press("marta", 1, "Approve")
            await world.state(1, "answered")


share()
logging.disable()
with tempfile.TemporaryDirectory() as where:
    asyncio.run(_play(Path(where)))
logging.disable(logging.NOTSET)
freeze()
