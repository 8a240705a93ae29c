"""Processes forked from one that has imported everything: a desk is born in a tenth of a second."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

IMPORTED = [
    "tests.storage.kill.desk",
    "tests.storage.kill.platform",
    "tests.scenarios.kill_desk",
    "tests.scenarios.process",
    "tests.chaos.desk",
    "tests.chaos.messenger",
    "tests.chaos.platform",
    "tests.rehearsal",
]
"""For all who fork: what a fork server has imported is settled when it starts, and a process has only one."""


def context() -> ForkServerContext:
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(IMPORTED)
    return made


def prepare() -> None:
    """Have it started before anything waits for a process."""
    context()
    forkserver.ensure_running()


def begin(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    process = context().Process(target=target, args=arguments, daemon=True)
    process.start()
    return process
