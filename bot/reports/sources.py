"""`replydesk sources` and `replydesk collect`: what each source can do, how it fares, what one poll brings."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from httpx import AsyncClient
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from bot.config import Config
from bot.directory import Directory, SourceConfig
from bot.logins import kept, rotates
from bot.sources import Sources
from collectors import PLATFORMS
from collectors.http import client
from desk.mention import Mention
from desk.platform import Batch, Platform, PlatformCard
from desk.polling import SourceRef, store_batch
from desk.ports import SourceStatus
from desk.receiving import FIRST_DAYS, pack
from desk.scope import Scope
from storage.store import open_store

if TYPE_CHECKING:
    from collectors.login import Tokens

ABILITIES = ("can_reply", "can_edit", "can_delete", "can_look", "pushed")


async def show_sources(config: Config, path: Path) -> None:
    """Reads beside a running desk; nothing is written."""
    directory = Directory(config)
    store = await open_store(config.database.url.get_secret_value(), reading=True)
    try:
        async with store.read() as reader:
            known = {status.source: status for status in await reader.sources()}
    finally:
        await store.close()
    _print(directory.sources(), known, datetime.now(UTC))


def _print(sources: Iterable[SourceConfig], known: dict[str, SourceStatus], now: datetime) -> None:
    table = Table("source", "brand", "platform", "can", "last success", "lag", "last error")
    for source in sources:
        status = known.get(source.key, SourceStatus(source.key))
        card = PLATFORMS[source.platform].card
        success = status.last_success_at
        table.add_row(
            source.key,
            source.brand,
            source.platform,
            abilities(card),
            success.strftime("%Y-%m-%d %H:%M:%SZ") if success else "never",
            f"{(now - success).total_seconds():.0f} s" if success else "",
            status.last_error,
        )
    # What servers say is no markup of ours.
    Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False).print(table)


def abilities(card: PlatformCard) -> str:
    names = (name.removeprefix("can_") for name in ABILITIES if getattr(card, name))
    return ", ".join(names) or "read"


async def collect_once(config: Config, path: Path, source: str, since: datetime | None, dry_run: bool) -> int:
    """0, or 2 for a source that is not configured. A store in use by a running desk is refused with a word."""
    from bot.logs import hide_secrets  # what only lists sources has no use for it

    directory = Directory(config)
    if directory.source(source) is None:
        names = ", ".join(s.key for s in directory.sources())
        print(f"there is no source {source}; configured: {names}", file=sys.stderr)
        return 2
    hide_secrets(config)
    http = client(config.desk.proxy.get_secret_value(), config.desk.ca_file)
    try:
        if dry_run:
            return await _dry(config, directory, http, source, since)
        await _stored(config, directory, http, source, since)
    finally:
        await http.aclose()
    return 0


async def _dry(config: Config, directory: Directory, http: AsyncClient, source: str, since: datetime | None) -> int:
    async with AsyncExitStack() as stack:
        tokens = None
        if _rotates(directory, source):
            tokens = await stack.enter_async_context(kept(config))
            if tokens is None:
                print(f"each use of the login of {source} ends the one before: {KEEP_IT}", file=sys.stderr)
                return 1
        ref = await stack.enter_async_context(_account(directory, http, source, tokens))
        show((await _read(ref.platform, source, None, since)).mentions)
    return 0


KEEP_IT = "`replydesk db upgrade` makes the database that the next one is kept in"


def _rotates(directory: Directory, source: str) -> bool:
    found = directory.source(source)
    return found is not None and rotates(found.platform, found.settings)


@asynccontextmanager
async def _account(
    directory: Directory, http: AsyncClient, source: str, tokens: Tokens | None
) -> AsyncIterator[SourceRef]:
    accounts = Sources(lambda: directory, http, lambda: datetime.now(UTC), tokens)
    try:
        ref = accounts.ref(source)
        assert ref is not None
        yield ref
    finally:
        await accounts.close()


async def _stored(config: Config, directory: Directory, http: AsyncClient, source: str, since: datetime | None) -> None:
    # Cryptography is loaded where a key is given, and few sources keep anything that needs one.
    secret = config.desk.secret_key.get_secret_value() if _rotates(directory, source) else None
    store = await open_store(config.database.url.get_secret_value(), secret_key=secret, rules=directory.rules)
    try:
        async with store.read() as reader:
            status = next((s for s in await reader.sources() if s.source == source), SourceStatus(source))
        async with _account(directory, http, source, store if secret else None) as ref:
            batch = await _read(ref.platform, source, None if since else status.cursor, since)
            async with store.write(scope=Scope.of([ref.brand])) as unit:
                await store_batch(unit, directory, ref, batch, f"collect:{unit.now.isoformat()}", unit.now)
    finally:
        await store.close()
    show(batch.mentions)


async def _read(platform: Platform, source: str, cursor: str | None, since: datetime | None) -> Batch:
    start = since.replace(tzinfo=UTC) if since else datetime.now(UTC) - FIRST_DAYS
    with _waiting(source):
        return await platform.read(cursor, start)


def _waiting(source: str) -> Progress:
    """Something moves while a person waits; nothing where nobody looks."""
    console = Console(stderr=True)
    progress = Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True)
    progress.disable = not console.is_terminal
    progress.add_task(f"reading {source}")
    return progress


def show(mentions: Iterable[Mention]) -> None:
    for mention in mentions:
        data = {k: v for k, v in pack(mention).items() if k != "raw"}
        print(json.dumps(data, ensure_ascii=False))
