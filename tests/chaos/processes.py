"""The fakes, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.forks import begin, context

PATIENCE = 30.0
"""Seconds for a fake to start, on a busy machine."""


@contextmanager
def fake(target: Callable[..., None], *arguments: Any) -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    ours, theirs = context().Pipe(duplex=False)
    process = begin(target, *arguments, theirs)
    try:
        if not ours.poll(PATIENCE):
            raise TimeoutError("a fake did not start")
        yield ours.recv()
    finally:
        ours.close()
        theirs.close()
        process.kill()
        process.join()
        process.close()
