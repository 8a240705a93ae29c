"""Opening a desk's store, and what is asked of it outside a unit of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, delete, func, insert, select
from sqlalchemy.exc import DBAPIError

from desk.case import Case
from desk.errors import Retry
from desk.scope import Scope
from desk.work import Prio
from storage import queue
from storage.database import Database, alone, crossed, listen
from storage.migrations import migrate
from storage.part import RulesOf
from storage.reader import SqlReader
from storage.tables import dest, once, tokens, work, work_history
from storage.unit import SqlUnit
from storage.waiting import SENDING, is_in

if TYPE_CHECKING:
    from storage.vault import Vault

BATCH = 1000
"""Rows moved to history in one transaction, so that nobody waits long for the writer."""


class Waiting(NamedTuple):
    """Unfinished work of one kind and state. `oldest`: when the first of it should have run; `unsure`: how many may
    have had their effect; `tired`: how many have failed as often as they may, or will have at the next failure, and
    `tired_since` the time of the first of these."""

    kind: str
    state: str
    rows: int
    oldest: datetime
    unsure: int
    tired: int
    tired_since: datetime | None


class SqlStore:
    """desk.ports.Store. Made by `open_store`; close it with `close()`."""

    def __init__(self, database: Database, vault: Vault | None, rules_of: RulesOf) -> None:
        self.database = database
        self._vault = vault
        self._rules_of = rules_of
        self._watchers: list[Callable[[], None]] = []
        self.on_saved: Callable[[Case | None, Case], None] = lambda before, after: None
        """Told of each changed case after its commit. For metrics."""
        self._listener: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._alone: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def write(self, prio: int = Prio.NOW, scope: Scope | None = None) -> AsyncIterator[SqlUnit]:
        """`prio`: who goes first when many want to write; people, unless it is told. Without a scope no client's data
        can be touched.

        Raises desk.errors.Retry where PostgreSQL gave this transaction up in favour of another.
        """
        try:
            async with self.database.writing(prio) as (connection, now, began):
                unit = SqlUnit(connection, now, began, self._rules_of, scope=scope)
                yield unit
                if unit.stirred and self._listener is None:
                    await self.database.notify(connection)
        except DBAPIError as error:
            if crossed(error):
                raise Retry("two changes crossed each other", after=0) from error
            raise
        for before, after in unit.saved:
            self.on_saved(before, after)
        if unit.stirred:
            self._wake()
            self._news.set()

    @asynccontextmanager
    async def read(self, scope: Scope | None = None) -> AsyncIterator[SqlReader]:
        async with self.database.reader.begin() as connection:
            yield SqlReader(connection, self._rules_of, scope)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each commit that added or hastened work, here or elsewhere; returns how to end it."""
        self._watchers.append(wake)
        if self._listener is None and not self.database.sqlite:
            self._listener = asyncio.create_task(listen(self.database.reader, self._wake, self._news))
        return lambda: self._watchers.remove(wake)

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[asyncio.Event]:
        """For what one holder at a time may do, Telegram's long polling for one: waits for its turn.

        The event is set when the turn is lost, with the connection to the database that held it.
        """
        if self.database.sqlite:
            async with self._alone.setdefault(name, asyncio.Lock()):
                yield asyncio.Event()
        else:
            async with alone(self.database.reader, name) as lost:
                yield lost

    def _wake(self) -> None:
        for wake in list(self._watchers):
            wake()

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        await self.database.close()

    # Work

    async def ensure_dest(self, name: str, gap: float, burst: int = 1, quick: float = 0.0) -> None:
        """Limit a destination: one token each `gap` seconds, `burst` of them at once for people and alarms.

        In any window of T seconds no more than T / gap + burst rows are sent there, T / gap of them from the backlog.
        `quick`: the gap while nobody acts (storage.pace); 0: there is no such pace.
        """
        await self.ensure_dests([(name, gap, burst, quick)])

    async def ensure_dests(self, paces: Iterable[tuple[str, float, int, float]]) -> None:
        """Many at once, each as `ensure_dest` has it, in one transaction. A name that comes twice has its last pace."""
        named = {name: {"name": name, "gap": gap, "burst": burst, "quick": quick} for name, gap, burst, quick in paces}
        if not named:
            return
        async with self.write() as unit:
            known = unit.insert(dest).values(tat=0.0)
            set_ = {column: known.excluded[column] for column in ("gap", "burst", "quick")}
            # In one order, or replicas that start together wait for each other's rows.
            rows = [named[name] for name in sorted(named)]
            await unit.db.execute(known.on_conflict_do_update(index_elements=["name"], set_=set_), rows)

    async def pause(self, kinds: Iterable[str]) -> float | None:
        """Seconds until a row of these kinds comes due or gets its token; None: nothing waits for either."""
        async with self.write(Prio.PERSON) as unit:
            return await queue.pause(unit, kinds)

    async def waiting(self) -> list[Waiting]:
        """All unfinished work, counted."""
        unsure = func.count().filter(work.c.effect_state == SENDING)
        failed = and_(work.c.attempts > 0, work.c.attempts >= work.c.max_attempts - 1)
        tired = func.count().filter(failed), func.min(work.c.created_at).filter(failed)
        by = work.c.kind, work.c.state
        wanted = select(*by, func.count(), func.min(work.c.run_at), unsure, *tired).group_by(*by).order_by(*by)
        async with self.database.reader.begin() as connection:
            rows = await connection.execute(wanted.where(is_in("ready", "running", "parked")))
            return [Waiting(*row) for row in rows]

    async def archive(self, older_than: timedelta) -> int:
        """Move finished work to history; returns how many rows. An idem is free again with its row."""
        moved = 0
        while batch := await self._archive_some(older_than):
            moved += batch
        return moved

    async def _archive_some(self, older_than: timedelta) -> int:
        async with self.write(Prio.COSMETIC) as unit:
            old = select(work.c.id).where(is_in("done", "cancelled"), work.c.done_at < unit.now - older_than)
            ids = [row.id for row in await unit.rows(old.order_by(work.c.done_at).limit(BATCH))]
            some = work.c.id.in_(ids)
            columns = [column.name for column in work_history.c]
            copied = select(*(work.c[name] for name in columns)).where(some)
            await unit.db.execute(insert(work_history).from_select(columns, copied))
            await unit.db.execute(delete(work).where(some))
            return len(ids)

    async def forget_seen(self, older_than: timedelta) -> int:
        """Drop ids of inbound events, and their outcomes, that nobody redelivers any more."""
        async with self.write(Prio.COSMETIC) as unit:
            return await unit.change(delete(once).where(once.c.at < unit.now - older_than))

    # Tokens

    async def get_token(self, name: str) -> dict[str, Any] | None:
        """Raises desk.errors.NeedsLogin when it was stored with another secret_key."""
        async with self.database.reader.begin() as connection:
            secret = (await connection.execute(select(tokens.c.secret).where(tokens.c.name == name))).scalar()
        return None if secret is None else self._key().open(name, secret)

    async def set_token(self, name: str, value: dict[str, Any]) -> None:
        async with self.write() as unit:
            await unit.put(tokens, name=name, secret=self._key().close(value), at=unit.now)

    def _key(self) -> Vault:
        if self._vault is None:
            raise ValueError("[desk] secret_key is not set: tokens cannot be kept")
        return self._vault


def _no_rules(brand: str) -> None:
    return None


def _vault(secret_key: str | None) -> Vault | None:
    """Cryptography is imported where a key is: most commands have no business with tokens."""
    if not secret_key:
        return None
    from storage.vault import Vault

    return Vault(secret_key)


async def open_store(
    url: str,
    *,
    clock: Callable[[], datetime] | None = None,
    secret_key: str | None = None,
    on_commit: Callable[[], None] | None = None,
    rules: RulesOf | None = None,
    reading: bool = False,
) -> SqlStore:
    """Open `sqlite+aiosqlite:///file` or `postgresql+asyncpg://…`, its schema brought up to date.

    `clock` stands in for the database's (tests); `on_commit` as for `SqlStore.watch`; `rules` tell a brand's target
    and staff room; `reading`: beside a running desk, nothing can be written. Raises StoreBusy, ValueError.
    """
    database = Database(url, clock, reading=reading)
    store = SqlStore(database, _vault(secret_key), rules or _no_rules)
    try:
        if not reading:
            await _prepare(store)
    except BaseException:
        await store.close()
        raise
    if on_commit is not None:
        store.watch(on_commit)
    return store


async def _prepare(store: SqlStore) -> None:
    await migrate(store.database.writer)
    if store.database.sqlite:
        # The file's lock is ours: whoever held these leases is dead, nobody needs to wait for them to run out.
        async with store.write() as unit:
            await queue.void_leases(unit)
