"""`replydesk run` as a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# With all that is imported late, so that each new process is forked with it.
import bot.run
import bot.slack
import bot.telegram  # noqa: F401
from bot.__main__ import main
from tests.forks import begin
from tests.scenarios.people import wait_for
from tests.scenarios.world import SECRETS

PATIENCE = 60.0
"""Seconds for a process to start, on a machine that does other things too."""

LOOK = 0.1
"""Seconds between two looks at a process that ends."""


@dataclass
class Desk:
    """`replydesk run` as a process of its own. `join`: waits for its end, no longer than PATIENCE; gives its status."""

    pid: int
    join: Callable[[], int | None]
    heard: Path

    @property
    def said(self) -> list[str]:
        return self.heard.read_text("utf-8").splitlines()

    async def says(self, words: str) -> None:
        await wait_for(lambda: any(words in line for line in self.said), f"{words} in {self.heard}", PATIENCE)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def ends(self) -> tuple[int | None, float]:
        """Exit status, and after how many seconds; a longer pause of the machine counts as none."""
        ended, seconds = asyncio.create_task(asyncio.to_thread(self.join)), 0.0
        while not ended.done():
            await asyncio.wait({ended}, timeout=LOOK)
            seconds += LOOK
        return await ended, seconds


@contextmanager
def running(folder: Path, forked: bool = False) -> Iterator[Desk]:
    """`forked`: without the seconds that a new interpreter needs for its imports, and else alike."""
    heard = folder / f"said{len(list(folder.glob('said*')))}"
    heard.touch()
    with (_forked if forked else _started)(folder, heard) as desk:
        yield desk


@contextmanager
def _started(folder: Path, heard: Path) -> Iterator[Desk]:
    command = [sys.executable, "-m", "bot", "run"]
    with (
        heard.open("ab") as err,
        subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=err) as process,
    ):
        try:
            yield Desk(process.pid, lambda: process.wait(PATIENCE), heard)
        finally:
            process.kill()


@contextmanager
def _forked(folder: Path, heard: Path) -> Iterator[Desk]:
    process = begin(run_forked, folder, heard, {name: os.environ[name] for name in SECRETS})

    def join() -> int | None:
        process.join(PATIENCE)
        return process.exitcode

    try:
        assert process.pid is not None
        yield Desk(process.pid, join, heard)
    finally:
        process.kill()
        process.join()
        process.close()


def run_forked(folder: Path, heard: Path, secrets: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.update(secrets)
    os.dup2(os.open(heard, os.O_WRONLY | os.O_APPEND), 2)
    sys.argv = ["replydesk", "run"]
    main()
