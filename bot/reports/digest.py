"""`replydesk digest`: the digest of a client, printed as both sides see it, or sent to its rooms."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

from bot.config import Config
from bot.directory import Directory
from bot.reports.plain import plain
from desk.answering import Answering, digest_answers, local_date
from desk.errors import Broken
from desk.people import Side
from desk.ports import Chat, Client, Place, Unit
from storage.store import SqlStore, open_store


class Onlooker:
    """Beside a running desk: what a digest needs of a transaction, without one. Links lead nowhere from a terminal."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    async def place(self, case: int, side: Side) -> Place | None:
        return None


async def show_digest(config: Config, path: Path, client: str, day: date | None, send: bool) -> int:
    """0, or 2 for a client that is not configured. `--send` puts it into the rooms; a running desk delivers it."""
    directory = Directory(config)
    wanted = [c for c in directory.digests() if c.key.partition(":")[0] == client]
    if not wanted:
        print(f"there is no client {client}", file=sys.stderr)
        return 2
    url = config.database.url.get_secret_value()
    store = await open_store(url, rules=directory.rules, reading=not send)
    try:
        for one in wanted:
            await (_send if send else _print)(store, directory, one, day)
    finally:
        await store.close()
    return 0


async def _print(store: SqlStore, directory: Directory, client: Client, day: date | None) -> None:
    answering = Answering(store, lambda: directory, _no_chat)
    now = datetime.now(UTC)
    local = (day or local_date(now, client.zone)).isoformat()
    unit = cast(Unit, Onlooker(now))
    for make in (answering.digest_staff, answering.digest_client):
        drawing = await make(unit, {"client": client.key, "date": local})
        if drawing is not None:
            print(plain(drawing, now), end="\n\n")


async def _send(store: SqlStore, directory: Directory, client: Client, day: date | None) -> None:
    async with store.write() as unit:
        local = (day or local_date(unit.now, client.zone)).isoformat()
        await unit.enqueue(*digest_answers(directory, client, local, again=f":{unit.now.isoformat()}"))
    print("the digest is on its way as soon as the desk runs", file=sys.stderr)


def _no_chat(room: str) -> Chat:
    raise Broken(f"{room}: a terminal has no rooms")
