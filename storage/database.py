"""Connections: what SQLite and PostgreSQL need so that the rest of the code is the same for both."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import event, func, make_url, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as SQLAlchemyTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from desk.work import Prio
from storage import onehop
from storage.turns import Turns

try:
    import fcntl
except ImportError:  # Windows has no flock: there the desk relies on being started once.
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("replydesk.store")

BUSY_TIMEOUT = 10_000
"""Milliseconds SQLite waits for another connection's lock, of a backup for example."""

IDLE_TIMEOUT = 10_000
"""Milliseconds after which PostgreSQL undoes a transaction that does nothing. No transaction of the desk waits for the
outside; one of a frozen replica would hold its rows, and with them the others, for as long as it is frozen."""

SILENT = 10.0
"""Seconds without a word from a replica after which PostgreSQL (14 and later) lets others have what it did alone."""

ANSWERED = 300.0
"""Seconds PostgreSQL has for a statement, an index over millions of rows included. A server that went silent would else
hold a connection until the kernel gives it up, after hours."""

DEADLOCK = "40P01"

POOL = 8
"""Connections of a replica that write, and that read or listen: with several replicas well under PostgreSQL's 100."""

POOL_TIMEOUT = 60
"""Seconds to wait for a connection of the pool; a transaction takes milliseconds."""

CHANNEL = "replydesk_work"
NOTIFY = text(f"NOTIFY {CHANNEL}")
CLOCK = select(func.clock_timestamp())
TOLD_AFTER = 0.005
"""Seconds until the other replicas are told of work: all that comes within them at once, and not before the answer to a
press is on its way."""


class StoreBusy(Exception):
    """Another process works on this SQLite file."""


def read_url(url: str) -> URL:
    """Raises ValueError for anything but the two stores the desk runs on."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("this is no database url: sqlite+aiosqlite:///replydesk.db is one") from None
    if parsed.drivername not in ("sqlite+aiosqlite", "postgresql+asyncpg"):
        known = "sqlite+aiosqlite:// or postgresql+asyncpg://"
        raise ValueError(f"the database url starts with {known}, not {parsed.drivername}://")
    if parsed.drivername.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise ValueError("a SQLite desk needs a file: sqlite+aiosqlite:///replydesk.db")
    return parsed


def connect_sqlite(url: URL, *, writing: bool) -> AsyncEngine:
    """Writers queue for one connection and begin IMMEDIATE.

    With the driver's deferred BEGIN two thirds of read-then-write transactions fail as "database is locked": the second
    one to write cannot go on from a snapshot that is no longer the newest, however long it waits.
    """
    size = 1 if writing else POOL
    engine = create_async_engine(
        url,
        connect_args={"isolation_level": None, "async_creator_fn": onehop.connect},
        hide_parameters=True,
        pool_size=size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
    )
    pragmas = [f"busy_timeout={BUSY_TIMEOUT}", "foreign_keys=ON", "synchronous=FULL"]
    pragmas.append("journal_mode=WAL" if writing else "query_only=ON")

    @event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def connect_postgres(url: URL, *, writing: bool) -> AsyncEngine:
    """A connection that was cut off while nobody used it is found by a ping, of three statements, before it is read by;
    by the first statement, and made anew, where it writes (`Database.writing`)."""
    how: dict[str, Any] = {} if writing else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return create_async_engine(
        url,
        hide_parameters=True,
        pool_size=POOL,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=not writing,
        execution_options=how,
        connect_args={
            "command_timeout": ANSWERED,
            "server_settings": {"idle_in_transaction_session_timeout": str(IDLE_TIMEOUT)},
        },
    )


class Begun(NamedTuple):
    """A transaction: its moment by the store's clock, aware UTC, and the monotonic clock just before that was read."""

    connection: AsyncConnection
    now: datetime
    began: float


class FileLock:
    """One process a SQLite file, by a lock the system drops when the process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}.lock")
        self._fd: int | None = None

    def take(self) -> None:
        """Raises StoreBusy, naming the holder."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise StoreBusy(
                f"{self._path.with_suffix('')} is in use by another desk (process {holder}). Stop it first, "
                "or move to PostgreSQL, which several desks can share."
            ) from None
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class Database:
    """Both engines of one store. `clock`, where given, stands in for the database's own clock.

    `reading`: no lock is taken and writing fails, so that a command can look while a desk runs.
    """

    def __init__(self, url: str, clock: Callable[[], datetime] | None = None, *, reading: bool = False) -> None:
        self.url = read_url(url)
        self.sqlite = self.url.drivername.startswith("sqlite")
        connect = connect_sqlite if self.sqlite else connect_postgres
        file = Path(self.url.database or "")
        if self.sqlite and reading and not file.exists():
            raise FileNotFoundError(f"{file}: there is no such database yet")
        self._lock = FileLock(file) if self.sqlite and not reading else None
        if self._lock is not None:
            self._lock.take()
        self.writer = connect(self.url, writing=True)
        self.reader = connect(self.url, writing=False)
        self._turns = Turns(1 if self.sqlite else POOL)
        self._clock = clock
        self._reading = reading

    @asynccontextmanager
    async def writing(self, prio: int) -> AsyncIterator[Begun]:
        """A transaction, in its turn. Raises RuntimeError where the store was opened for reading."""
        if self._reading:
            raise RuntimeError("this store was opened for reading")
        async with self._turns.turn(prio), self._begun() as begun:
            if not self.sqlite or prio != Prio.NOW:
                yield begun
                return
            driver: Any = (await begun.connection.get_raw_connection()).driver_connection
            driver.at_once = True
            try:
                yield begun
            finally:
                driver.at_once = False

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[Begun]:
        """Begun once more where the connection turns out to be lost: nothing was done on it yet, and with it the pool
        gives up all that are as old."""
        for last in (False, True):
            answered = last
            try:
                async with self.writer.begin() as connection:
                    began = time.monotonic()
                    now = await self.now(connection)
                    answered = True
                    yield Begun(connection, now, began)
                return
            except DBAPIError as error:
                if answered or not error.connection_invalidated:
                    raise

    async def now(self, connection: AsyncConnection) -> datetime:
        """Aware UTC. On PostgreSQL the server's clock, so that replicas agree about leases."""
        if self._clock is not None:
            return self._clock()
        if self.sqlite:
            return datetime.now(UTC)
        moment: datetime = (await connection.execute(CLOCK)).scalar_one()
        return moment.astimezone(UTC)

    async def notify(self, connection: AsyncConnection) -> None:
        """Wake the replicas when this transaction commits."""
        if not self.sqlite:
            await connection.execute(NOTIFY)

    async def close(self) -> None:
        await self.reader.dispose()
        await self.writer.dispose()
        if self._lock is not None:
            self._lock.release()


NO_WRITES = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
     sqlite3.SQLITE_CANTOPEN}
)  # fmt: skip
"""SQLite's codes for what is the file's fault and not the statement's."""
NO_SERVER = ("08", "53", "57")
"""Classes of PostgreSQL's codes for the same: connection, resources (a full disk too), an operator's hand."""


def away(error: BaseException) -> bool:
    """Whether the database could not be reached or written to, whatever was asked of it."""
    if isinstance(error, OSError):
        return True
    if not isinstance(error, DBAPIError):
        return isinstance(error, SQLAlchemyTimeout)
    code = getattr(error.orig, "sqlite_errorcode", None)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or (code is not None and code & 0xFF in NO_WRITES) or state[:2] in NO_SERVER


def crossed(error: DBAPIError) -> bool:
    """PostgreSQL gave up one of two transactions that waited for each other: it did nothing and may be repeated."""
    return getattr(error.orig, "sqlstate", None) == DEADLOCK


@asynccontextmanager
async def _session(engine: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, asyncio.Event]]:
    """A connection kept for what lasts as long as it does, and the event that it is lost. It never goes back to the
    pool."""
    lost = asyncio.Event()
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.add_termination_listener(lambda _: lost.set())
        try:
            yield connection, lost
        finally:
            await connection.invalidate()


async def listen(engine: AsyncEngine, heard: Callable[[], None], news: asyncio.Event, again: float = 1.0) -> None:
    """Call `heard` for each notification of another replica, and notify them when `news` is set, for ever; a lost
    connection is made anew after `again` seconds."""
    while True:
        with suppress(SQLAlchemyError, OSError):
            async with _session(engine) as (connection, lost):
                driver: Any = (await connection.get_raw_connection()).driver_connection
                driver.add_termination_listener(lambda _: news.set())
                await driver.add_listener(CHANNEL, partial(_of_others, driver.get_server_pid(), heard))
                heard()
                while not lost.is_set():
                    await _pass_on(connection, news)
        await asyncio.sleep(again)


def _of_others(mine: int, heard: Callable[[], None], driver: Any, pid: int, *more: str) -> None:
    if pid != mine:
        heard()


async def _pass_on(connection: AsyncConnection, news: asyncio.Event) -> None:
    await news.wait()
    await asyncio.sleep(TOLD_AFTER)
    news.clear()
    try:
        await connection.execute(NOTIFY)
    except BaseException:
        news.set()
        raise


@asynccontextmanager
async def alone(engine: AsyncEngine, name: str, again: float = 1.0) -> AsyncIterator[asyncio.Event]:
    """Wait until no other process is inside under this name, however often the database goes away meanwhile. The event
    is set when that can no longer be promised."""
    async with AsyncExitStack() as stack:
        yield await _turn(stack, engine, name, again)


HEARD = text(
    "SELECT set_config(name, :silent, false) FROM pg_settings WHERE name = 'idle_session_timeout'"  # not before 14
)


async def _turn(stack: AsyncExitStack, engine: AsyncEngine, name: str, again: float) -> asyncio.Event:
    ours = select(func.pg_try_advisory_lock(func.hashtextextended(name, 0)))
    while True:
        try:
            connection, lost = await stack.enter_async_context(_session(engine))
            await connection.execute(HEARD, {"silent": str(int(SILENT * 1000))})
            while not (await connection.execute(ours)).scalar_one():  # noqa: ASYNC110 - it is another process's lock
                await asyncio.sleep(again)
        except (SQLAlchemyError, OSError) as error:
            log.warning("the turn at %s could not be asked for: %s", name, type(error).__name__)
            await stack.aclose()
            await asyncio.sleep(again)
        else:
            await stack.enter_async_context(_alive(connection, lost))
            return lost


@asynccontextmanager
async def _alive(connection: AsyncConnection, lost: asyncio.Event) -> AsyncIterator[None]:
    """Tell PostgreSQL of it, which by silence alone knows a frozen replica or a dead network."""
    telling = asyncio.create_task(_tell(connection, lost))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def _tell(connection: AsyncConnection, lost: asyncio.Event) -> None:
    try:
        while True:
            await asyncio.sleep(SILENT / 4)
            async with asyncio.timeout(SILENT / 4):
                await connection.execute(text("SELECT 1"))
    except (DBAPIError, OSError, TimeoutError):
        lost.set()
