"""`replydesk db …`: what its operator does with a desk's database."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bot.config import Config

USAGE = 2
BETWEEN = 0.2
"""Seconds between two signs of progress on a terminal."""


def _say(text: str, end: str = "\n") -> None:
    print(text, file=sys.stderr, end=end, flush=True)


class Progress:
    """One line that moves on a terminal; elsewhere a line for each thing that is done."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, what: str, done: int, whole: int) -> None:
        if done == whole:
            _say(f"{self._clear}{what}: {whole}")
        elif self._moves and time.monotonic() >= self._next:
            self._next = time.monotonic() + BETWEEN
            _say(f"{self._clear}{what}: {done} of {whole}", end="")

    @property
    def _clear(self) -> str:
        return "\r\x1b[K" if self._moves else ""


async def upgrade_store(config: Config) -> None:
    from storage.migrations import upgrade

    await upgrade(config.database.url.get_secret_value())
    _say("the database is up to date")


async def check_store(config: Config) -> int:
    """Each fault is a line; 1 where there is one."""
    from storage.upkeep import faults

    found = await faults(config.database.url.get_secret_value())
    for fault in found:
        _say(fault)
    if not found:
        _say("the database is sound")
    return 1 if found else 0


async def backup_store(config: Config, file: Path) -> int:
    from storage.upkeep import backup

    url, progress = config.database.url.get_secret_value(), Progress()
    try:
        size = await backup(url, file, lambda done, pages: progress("pages", done, pages))
    except ValueError as other:
        _say(str(other))
        return USAGE
    _say(f"{file}: {size:,} bytes")
    return 0


async def copy_store(source: str, target: str) -> int:
    """Rows and checksum of each table on stdout, as they were read back from the target."""
    from storage.moving import copy

    try:
        copied = await copy(address(source), address(target), Progress())
    except ValueError as wrong:
        _say(str(wrong))
        return USAGE
    for table, (rows, checksum) in copied.items():
        print(f"{table}\t{rows}\t{checksum}")
    _say(f"{sum(one.rows for one in copied.values())} rows are there; name the new address as database.url, then run")
    return 0


def address(given: str) -> str:
    """A database's address, or env:NAME of the variable that holds it: passwords are no business of `ps`."""
    kind, _, name = given.partition(":")
    if kind != "env":
        return given
    if not os.environ.get(name):
        raise ValueError(f"{given}: this variable is not set")
    return os.environ[name]
