"""Faults that wait for the next calls of a method."""

import asyncio
from collections import defaultdict, deque
from http import HTTPStatus
from typing import Any

from sandbox.telegram.errors import ApiError, too_many

Fault = tuple[Any, ...]
KINDS = {"status", "retry_after", "error", "drop_after", "drop_before", "html", "delay", "hold"}


class Dropped(Exception):
    """Cut the connection before the call takes effect."""


class PageInstead(Exception):
    """Answer with a web page, as a captive portal or a proxy does."""


class Faults:
    def __init__(self) -> None:
        self._queues: defaultdict[str, deque[Fault]] = defaultdict(deque)

    def add(self, method: str, faults: tuple[Fault, ...]) -> None:
        """Raises ValueError for a kind there is none of."""
        for fault in faults:
            if not fault or fault[0] not in KINDS:
                raise ValueError(f"no such fault: {fault!r}")
        self._queues[method.lower()].extend(faults)

    async def meet(self, method: str) -> bool:
        """Plays the next fault. True means: let the call take effect, then drop the reply.

        Raises ApiError, Dropped or PageInstead for the faults that keep the call from happening.
        """
        queue = self._queues[method.lower()]
        while queue:
            kind, *details = queue.popleft()
            if kind == "delay":
                await asyncio.sleep(details[0])
                return False
            if kind == "hold":
                await details[0].wait()
                return False
            if kind == "drop_after":
                return True
            raise _refusal(kind, details)
        return False


def _refusal(kind: str, details: list[Any]) -> Exception:
    if kind == "drop_before":
        return Dropped()
    if kind == "html":
        return PageInstead()
    if kind == "retry_after":
        return too_many(int(details[0]))
    if kind == "status":
        return ApiError(int(details[0]), HTTPStatus(int(details[0])).phrase)
    code, words = details if len(details) == 2 else (400, details[0])
    return ApiError(int(code), str(words))
