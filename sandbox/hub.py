"""Tells everybody who watches the sandbox that something changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator


class Hub:
    """A counter of changes that can be waited for. `debounce` is in seconds."""

    def __init__(self, debounce: float = 0.15) -> None:
        self.version = 0
        self.closed = False
        self._debounce = debounce
        self._stir = asyncio.Event()

    def notify(self) -> None:
        """Something changed. Cheap, may be called with no loop running."""
        self.version += 1
        stirred, self._stir = self._stir, asyncio.Event()
        stirred.set()

    def close(self) -> None:
        """Ends every `changes()`, so that a server can stop while pages watch it."""
        self.closed = True
        self.notify()

    async def changes(self, every: float = 15.0) -> AsyncGenerator[int, None]:
        """The version now, then after each burst of changes; also after `every` seconds of silence.

        The repeat makes a watcher write to its connection, which is how a dead one is noticed.
        """
        while not self.closed:
            seen = self.version
            yield seen
            await self._change_after(seen, every)

    async def _change_after(self, seen: int, every: float) -> None:
        if self.version == seen:
            try:
                await asyncio.wait_for(self._stir.wait(), every)
            except TimeoutError:
                return
        if not self.closed:
            await asyncio.sleep(self._debounce)
