"""Personal data: erased after the agreed time or when somebody asks to be forgotten, shown to who asks what is held."""

from __future__ import annotations

import base64
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO, cast

from bot.config import Config
from bot.directory import Directory
from desk.mention import Mention, MentionKey
from desk.platform import Batch
from desk.ports import Drop, Job, Unit, Verdicts
from desk.receiving import unpack
from desk.work import Row
from storage.erasing import Forgot, Marks, beside, blank, erase_old, forget, gone_among, held_on
from storage.store import SqlStore, open_store
from storage.unit import SqlUnit

log = logging.getLogger("replydesk.privacy")

NOT_THERE = 2
"""Exit status for what was asked wrongly (contract §2)."""


def marks_of(config: Config) -> Marks:
    return Marks(config.desk.secret_key.get_secret_value())


# after the agreed time


def keeping(config: Config) -> dict[str, timedelta]:
    """How long personal data of each brand is kept; brands that are not named: for ever."""
    kept = ((client.keep, client.brands) for client in config.clients)
    return {brand.key: keep for keep, brands in kept if keep is not None for brand in brands}


async def erase_what_is_due(store: SqlStore, config: Config) -> int:
    """Part of the nightly housekeeping. Returns how many mentions were erased."""
    erased = await erase_old(store, keeping(config), marks_of(config))
    if erased:
        log.info("the time to keep them is over: personal data of %s mentions and their cases was erased", erased)
    return erased


# who was forgotten does not come back


class _Gone:
    """Stands for a mention that is not taken in, and is not shown to an AI server first."""


@dataclass(frozen=True, slots=True)
class NotBack:
    """Job "receive": a mention that was erased, or that a forgotten author wrote before, comes to nothing."""

    inner: Job
    store: SqlStore
    marks: Marks

    @property
    def lease(self) -> timedelta:
        return self.inner.lease

    async def fetch(self, row: Row) -> Any:
        async with self.store.database.reader.begin() as db:
            if await gone_among(db, [_of(row)], self.marks):
                return _Gone()
        return await self.inner.fetch(row)

    async def apply(self, unit: Unit, row: Row, fetched: Any) -> Verdicts:
        """Asked once more: the author may have been forgotten while the mention was judged."""
        writing = cast(SqlUnit, unit)
        if isinstance(fetched, _Gone) or await gone_among(writing.db, [_of(row)], self.marks):
            await blank(writing, row.id)
            return Drop("erased, and not taken in again")
        return await self.inner.apply(unit, row, fetched)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return await self.inner.failed(unit, row, error)


def _of(row: Row) -> Mention:
    return unpack(row.payload["mention"])


@dataclass(frozen=True, slots=True)
class NotPolled:
    """Job "poll": what was erased is left out of what a source brings, so that no work is made of it."""

    inner: Job
    marks: Marks

    @property
    def lease(self) -> timedelta:
        return self.inner.lease

    async def fetch(self, row: Row) -> Any:
        return await self.inner.fetch(row)

    async def apply(self, unit: Unit, row: Row, fetched: Any) -> Verdicts:
        if isinstance(fetched, Batch):
            gone = await gone_among(cast(SqlUnit, unit).db, fetched.mentions, self.marks)
            fetched = fetched._replace(mentions=_without(fetched.mentions, gone)) if gone else fetched
        return await self.inner.apply(unit, row, fetched)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return await self.inner.failed(unit, row, error)


def _without(mentions: Iterable[Mention], gone: set[MentionKey]) -> list[Mention]:
    return [mention for mention in mentions if mention.key not in gone]


# commands


async def forget_author(config: Config, path: Path, platform: str, author: str) -> int:
    """`replydesk forget PLATFORM AUTHOR_ID`, beside a running desk too. The log says that it was done, not whose."""
    if not author.strip():
        print("AUTHOR_ID is empty: name one author", file=sys.stderr)
        return NOT_THERE
    async with beside(config.database.url.get_secret_value()) as store:
        done = await forget(store, platform, author, marks_of(config))
    log.info("an author of %s was forgotten: %s mentions erased, %s open cases", platform, *_counts(done))
    print(_told(done), file=sys.stderr)
    return 0


def _counts(done: Forgot) -> tuple[int, int]:
    return done.erased, len(done.open_cases)


def _told(done: Forgot) -> str:
    lines = [f"erased: {done.erased} mentions with their cases; figures stay as they are"]
    if done.open_cases:
        numbers = ", ".join(map(str, done.open_cases))
        lines.append(f"still open: {numbers}; their data is erased in the night after they are closed")
    lines.append("what stands in Telegram, Slack and backups is not the desk's to erase: see docs/privacy.md")
    return "\n".join(lines)


async def export_author(config: Config, path: Path, client: str, author: str, out: Path) -> int:
    """`replydesk export CLIENT --author PLATFORM:ID --out F.jsonl`: one JSON object a row held on one author."""
    directory = Directory(config)
    brands = [rules.brand for rules in directory.brands_of(client)]
    platform, _, who = author.partition(":")
    fault = _export_fault(brands, client, platform, who, out)
    if fault:
        print(fault, file=sys.stderr)
        return NOT_THERE
    store = await open_store(config.database.url.get_secret_value(), reading=True)
    try:
        with _private(out) as file:
            count = 0
            async for held in held_on(store, brands, platform, who):
                file.write(json.dumps({"table": held.table, **held.row}, ensure_ascii=False, default=_plain) + "\n")
                count += 1
    finally:
        await store.close()
    print(f"{count} rows in {out}", file=sys.stderr)
    return 0


@contextmanager
def _private(out: Path) -> Iterator[TextIO]:
    """A file that nobody but its owner may read, there whole or not at all; an old one is replaced.

    What cannot be written as UTF-8, half of an emoji for example, becomes a question mark.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "w", encoding="utf-8", errors="replace") as file:
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _export_fault(brands: list[str], client: str, platform: str, who: str, out: Path) -> str:
    checks: Mapping[str, bool] = {
        f"there is no client {client}": not brands,
        "--author: write PLATFORM:ID, such as google_play:u9": not (platform and who),
        "--out: with --author end the name in .jsonl": out.suffix != ".jsonl",
    }
    return next((fault for fault, found in checks.items() if found), "")


def _plain(value: Any) -> str:
    """A picture as base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else str(value)
