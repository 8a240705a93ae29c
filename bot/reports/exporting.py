"""`replydesk export`: one row a round, as a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from bot.config import Config
from bot.directory import Directory
from bot.reports.export import UnknownFormat, check_name, rows, write
from desk.scope import Scope
from storage.store import open_store


async def export_client(
    config: Config, path: Path, client: str, since: date | None, until: date | None, out: Path
) -> int:
    """0, or 2 for a client or a format that is not there. Days are the client's own, `until` included."""
    directory = Directory(config)
    brands = directory.brands_of(client)
    if not brands:
        print(f"there is no client {client}", file=sys.stderr)
        return 2
    try:
        check_name(out)
    except UnknownFormat as error:
        print(f"--out: {error}", file=sys.stderr)
        return 2
    zone = ZoneInfo(brands[0].timezone)
    begin = datetime.combine(since, time(), zone) if since else datetime(2000, 1, 1, tzinfo=UTC)
    end = datetime.combine(until + timedelta(days=1), time(), zone) if until else datetime.now(UTC)
    store = await open_store(config.database.url.get_secret_value(), rules=directory.rules, reading=True)
    try:
        async with store.read(Scope.of(r.brand for r in brands)) as reader:
            lines = rows(reader, begin, end, directory.rules, datetime.now(UTC))
            with _progress(out) as told:
                count = await write(out, lines, told)
    finally:
        await store.close()
    print(f"{count} rows in {out}", file=sys.stderr)
    return 0


@contextmanager
def _progress(out: Path) -> Iterator[Callable[[int], None]]:
    """A count that grows while a person waits; nothing where nobody looks."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.completed} rows for {task.description}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(out.name, total=None)
        yield lambda count: bar.update(task, completed=count)
