"""Processes forked from one that has imported everything: a desk is born in a tenth of a second."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

PATIENCE = 30.0
"""Seconds for a fake to start, on a busy machine."""

IMPORTED = ["tests.chaos.desk", "tests.chaos.messenger", "tests.chaos.platform"]


def prepare() -> None:
    """Before the first process: what a fork server has imported is settled when it starts."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(IMPORTED)
    forkserver.ensure_running()


def context() -> ForkServerContext:
    return multiprocessing.get_context("forkserver")


def begin(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    process = context().Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


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
