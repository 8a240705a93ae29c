"""A database that cannot be written to, or reached: nothing is lost, nothing is done twice, and people are told."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from sqlalchemy import URL, make_url
from sqlalchemy.exc import DBAPIError

from bot import run
from bot.__main__ import go
from bot.build import build
from bot.config import load
from bot.connect import _database_check
from bot.directory import Directory
from bot.rounds import Rounds
from desk.hearing import Hearing
from desk.ports import Call, Heard, Unit, Verdicts
from desk.service import Desk
from desk.work import Row, Work
from handlers.telegram.hands import Persist, Setup
from storage import queue
from storage.database import Database, away
from storage.engine import Engine
from storage.store import SqlStore, open_store
from tests.bot import sample
from tests.bot.test_http import REVIEW, client, deps, push
from tests.conftest import full as shown
from tests.faults.odd import deaf_port
from tests.storage.helpers import START, Clock, Told, World, an_engine, put, rows, until

Fault = Callable[[SqlStore], AbstractAsyncContextManager[None]]

PAGES = 1_073_741_823
"""What SQLite allows by itself."""

HEAVY = "x" * 200_000
"""What needs pages of its own in a file."""


async def _told(store: SqlStore, pragma: str) -> None:
    async with store.database.writer.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.visit(lambda: driver.plain.execute(f"PRAGMA {pragma}").fetchall())


@asynccontextmanager
async def disk_full(store: SqlStore) -> AsyncIterator[None]:
    """The file grows no more."""
    await _told(store, "max_page_count=1")
    try:
        yield
    finally:
        await _told(store, f"max_page_count={PAGES}")


@asynccontextmanager
async def read_only(store: SqlStore) -> AsyncIterator[None]:
    await _told(store, "query_only=ON")
    try:
        yield
    finally:
        await _told(store, "query_only=OFF")


@asynccontextmanager
async def locked(store: SqlStore) -> AsyncIterator[None]:
    """By somebody's shell, a backup, a virus scanner."""
    other = sqlite3.connect(str(store.database.url.database), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.close()


FAULTS: dict[str, Fault] = {"disk full": disk_full, "read-only file": read_only, "database locked": locked}
Capture = pytest.CaptureFixture[str]
each = pytest.mark.parametrize("fault", FAULTS)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(sqlite_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqlStore]:
    """It waits for others' locks for a moment only; a desk waits ten seconds."""
    monkeypatch.setattr("storage.database.BUSY_TIMEOUT", 20)
    opened = await open_store(sqlite_url, clock=clock)
    yield opened
    await opened.close()


class Writing(Told):
    """A job whose result takes room."""

    async def apply(self, unit: Unit, row: Row, fetched: Any) -> Verdicts:
        await unit.enqueue(Work("kept", {"text": HEAVY}))
        return await super().apply(unit, row, fetched)


class Public(World):
    """A reply, and what follows from it: that takes room."""

    async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts:
        await unit.enqueue(Work("kept", {"text": HEAVY}))
        return await super().record(unit, row, call, result)


@each
async def test_work_waits_while_nothing_can_be_written_and_is_done_once_after_it(
    fault: str, store: SqlStore, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    job = Writing()
    engine = an_engine(store, job)
    await put(store, Work("step"), Work("step"))
    async with FAULTS[fault](store):
        for _ in range(3):
            await engine.drain()
            clock.forward(5)
        with pytest.raises(DBAPIError):
            await put(store, Work("step", {"text": HEAVY}))
    clock.forward(600)
    await engine.drain()
    assert await rows(store, "kind", "state") == [("step", "done")] * 2 + [("kept", "ready")] * 2
    assert any(words in caplog.text for words in ("is full", "readonly", "is locked")), "the log names it"


@each
async def test_a_reply_that_was_sent_but_could_not_be_written_down_is_found_and_not_sent_again(
    fault: str, store: SqlStore, clock: Clock
) -> None:
    world = Public()
    await put(store, Work("reply", {"text": "Sorry"}, lane="case:7:reply"))
    async with AsyncExitStack() as stack:

        async def begins(point: str, row: Row) -> None:
            if point == "accepted" and not world.recorded:
                await stack.enter_async_context(FAULTS[fault](store))

        await an_engine(store, effect=world, probe=begins).drain()
    clock.forward(61)
    async with store.write() as unit:
        await queue.return_expired(unit)
    await an_engine(store, effect=world).drain()
    assert world.sent == ["Sorry"]
    assert len(world.found) == 1
    assert await rows(store, "kind", "state", "external_id") == [("reply", "done", "id-found"), ("kept", "ready", "")]


@each
async def test_a_push_that_cannot_be_stored_is_refused_and_taken_when_it_comes_again(
    fault: str, store: SqlStore
) -> None:
    many = [{**REVIEW, "id": f"r-{number}", "text": "Cold coffee. " * 700} for number in range(20)]
    async with client(deps(store)) as edge:
        async with FAULTS[fault](store):
            status, said = await push(edge, many)
        again = await push(edge, many)
    assert (status, said["error"]) == (503, "the store is not available; nothing is lost if you send this again")
    assert again == (202, {"accepted": 20, "duplicates": 0, "rejected": []})


def directory(folder: Path) -> Directory:
    return Directory(load(sample.write(folder), sample.SECRETS))


def heard(text: str) -> Heard:
    return Heard("telegram:-1001000000001", "5", "7", "anna", "Anna", text, START)


@each
async def test_what_people_write_waits_unconfirmed_until_it_can_be_stored(
    fault: str, store: SqlStore, tmp_path: Path
) -> None:
    known = directory(tmp_path)
    desk = Desk(store, lambda: known)
    hearing = Hearing(desk, lambda brand, url: None)
    setup = Setup(desk, hearing, lambda: known, away=away)

    async def takes(event: Any, data: Any) -> None:
        await hearing.take_in(event, "telegram:1")

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(FAULTS[fault](store))
        update = asyncio.create_task(Persist(setup, pause=0.003)(takes, heard(HEAVY[:9000]), {}))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        assert not update.done(), "neither confirmed nor given up"
    async with asyncio.timeout(60):
        await update
    assert await rows(store, "kind") == ["heard"]


@pytest.mark.parametrize("fault", ["read-only file", "database locked"])
async def test_readyz_says_that_the_database_cannot_be_written_to(fault: str, store: SqlStore) -> None:
    app: Any = SimpleNamespace(store=store, engine=Engine(store, {"step": Told()}, {}))
    async with FAULTS[fault](store):
        await app.engine.drain()
        assert "takes no writes" in await _database_check(app)()
    await app.engine.drain()
    assert await _database_check(app)() == ""


async def test_a_database_that_is_away_is_logged_once(
    store: SqlStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.engine.POLL", 0.02)
    engine = Engine(store, {"step": Told()}, {})

    def said() -> int:
        return sum("nothing could be claimed" in record.getMessage() for record in caplog.records)

    async with FAULTS["database locked"](store):
        running = asyncio.create_task(engine.run())
        await until(said, 60)
        await asyncio.sleep(0.15)  # for some more tries
    await engine.stop()
    await running
    assert said() == 1


@pytest.mark.parametrize("fault", ["read-only file", "database locked"])
async def test_a_file_changed_while_the_database_is_away_does_not_end_the_desk(
    fault: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.BUSY_TIMEOUT", 20)
    monkeypatch.setattr(run, "LOOK_AT_FILE", 0.02)
    database = f'\n[database]\nurl = "{sqlite_url}"\n'
    path = sample.write(tmp_path, sample.changed(after=database))
    for name, value in sample.SECRETS.items():
        monkeypatch.setenv(name, value)
    app = await build(load(path), path)
    reload = asyncio.Event()
    watching = asyncio.create_task(run._watch_file(app, path, reload))
    async with FAULTS[fault](app.store):
        reload.set()
        await asyncio.sleep(0.1)
        ended = watching.done()
    watching.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await watching
    await app.close()
    assert not ended


@each
async def test_a_schedule_that_could_not_be_looked_at_fires_once_at_the_next_look(
    fault: str, store: SqlStore, clock: Clock, tmp_path: Path
) -> None:
    known = directory(tmp_path)
    rounds = Rounds(store, lambda: known, clock)
    await rounds.start()
    clock.now = START + timedelta(hours=21)
    async with FAULTS[fault](store):
        await rounds._fire()
    await rounds._fire()
    rounds.stop()
    assert rounds.last_fired == clock.now
    assert [idem for idem in await rows(store, "idem") if "digest" in (idem or "")] == ["digest:acme:2026-11-23"]


@pytest.mark.parametrize("fault", ["database locked"])
def test_a_desk_that_cannot_open_its_file_ends_with_one_line(
    fault: str, sqlite_template: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.BUSY_TIMEOUT", 20)
    url = f"sqlite+aiosqlite:///{shutil.copy(sqlite_template, tmp_path / 'desk.db')}"

    async def begin() -> None:
        held: Any = SimpleNamespace(database=SimpleNamespace(url=make_url(url)))
        async with FAULTS[fault](held):
            await open_store(url)

    assert said_at_the_end(begin(), capsys).startswith("the database does not answer as it should (OperationalError)")


def said_at_the_end(work: Coroutine[Any, Any, Any], capsys: Capture) -> str:
    """What people read when a command ends because of its database."""
    with pytest.raises(typer.Exit) as ended:
        go(work)
    assert ended.value.exit_code == 1
    [line] = capsys.readouterr().err.splitlines()
    return line


# PostgreSQL, behind a way that can be shut


@dataclass
class Way:
    """A TCP connection to a PostgreSQL, its address being `url`. `lose`: the answer to what contains this is lost.
    `port`: nobody else's either while it is shut."""

    server: URL
    port: int
    url: str = ""
    lose: bytes = b""
    _listening: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        self._listening = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.url = shown(self.server.set(host="127.0.0.1", port=self.port, query={}))

    async def shut(self) -> None:
        """What is open is reset, what comes is refused."""
        assert self._listening is not None
        self._listening.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await self._there()
        self._open |= {writer, back}
        with suppress(OSError):
            await asyncio.gather(self._pass_on(reader, back, writer), self._pass_on(there, writer))
        for one in (writer, back):
            one.transport.abort()
            self._open.discard(one)

    async def _there(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        folder = self.server.query.get("host")
        if folder:
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{self.server.port or 5432}")
        return await asyncio.open_connection(self.server.host, self.server.port or 5432)

    async def _pass_on(
        self, reader: asyncio.StreamReader, to: asyncio.StreamWriter, asker: asyncio.StreamWriter | None = None
    ) -> None:
        while data := await reader.read(1 << 16):
            lost = asker is not None and self.lose and self.lose in data
            to.write(data)
            await to.drain()
            if lost and asker is not None:
                self.lose = b""
                asker.transport.abort()
        to.close()


@pytest.fixture
async def way(postgres_url: str) -> AsyncIterator[Way]:
    with deaf_port() as port:
        made = Way(make_url(postgres_url), port)
        await made.open()
        yield made
        await made.shut()


@pytest.mark.integration
async def test_a_postgres_that_refuses_connections_and_comes_back(
    way: Way, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.engine.POLL", 0.05)
    job, world = Told(), World()
    here, beside = await open_store(way.url), await open_store(postgres_url)
    engine = an_engine(here, job, world)
    running = asyncio.create_task(engine.run())
    await put(beside, Work("step"))
    await until(lambda: len(job.ran) == 1)
    while await rows(beside, "state") != ["done"]:  # noqa: ASYNC110 - told of by another connection
        await asyncio.sleep(0.01)  # told of before its transaction is over
    await way.shut()
    await put(beside, Work("step"), Work("reply", {"text": "Sorry"}))
    await asyncio.sleep(0.15)
    assert not running.done(), "the desk waits for its database"
    assert (len(job.ran), world.sent) == (1, [])
    await way.open()
    await until(lambda: len(job.ran) == 2 and world.recorded)
    await engine.stop()
    await running
    assert (world.sent, await rows(beside, "state")) == (["Sorry"], ["done"] * 3)
    await here.close()
    await beside.close()


@pytest.mark.integration
async def test_a_commit_whose_answer_is_lost_is_repeated_without_harm(way: Way, postgres_url: str) -> None:
    here, beside = await open_store(way.url), await open_store(postgres_url)
    said = Work("step", {"text": "hello"}, idem="telegram:1")
    way.lose = b"COMMIT"
    with pytest.raises((DBAPIError, OSError)):
        await put(here, said)
    async with asyncio.timeout(15):
        while not await rows(beside, "idem"):  # noqa: ASYNC110 - it is another process's commit
            await asyncio.sleep(0.01)
    await put(here, said)
    assert await rows(beside, "idem") == ["telegram:1"]
    await here.close()
    await beside.close()


@pytest.mark.integration
@pytest.mark.parametrize("broken", ["claim", "end"])
async def test_work_whose_connection_breaks_at_its_commit_is_done_once(
    broken: str, way: Way, postgres_url: str
) -> None:
    here, beside = await open_store(way.url), await open_store(postgres_url)
    job = Told()

    async def breaks(point: str, row: Row) -> None:
        if broken == "end" and point == "before_done":
            way.lose = b"COMMIT"

    await put(here, Work("step"))
    if broken == "claim":
        way.lose = b"COMMIT"
    await an_engine(here, job, probe=breaks).drain()
    async with beside.write() as unit:
        await queue.void_leases(unit)
    await an_engine(here, job).drain()
    assert await rows(beside, "state") == ["done"]
    assert len(job.ran) == 1
    await here.close()
    await beside.close()


SAYS: dict[str, tuple[bytes, bytes]] = {
    "starting up": (b"57P03", b"the database system is starting up"),
    "too many connections": (b"53300", b"sorry, too many clients already"),
    "wrong password": (b"28P01", b"password authentication failed"),
    "disk full": (b"53100", b"could not extend file: No space left on device"),
}


@asynccontextmanager
async def turning_away(code: bytes, words: bytes) -> AsyncIterator[str]:
    """Whoever connects is told why not, as PostgreSQL does it (protocol 3.0, ErrorResponse)."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(8)
        if asked[4:] == SSL_REQUEST:
            writer.write(b"N")
            await reader.readexactly(8)
        said = b"SFATAL\0C" + code + b"\0M" + words + b"\0\0"
        writer.write(b"E" + (len(said) + 4).to_bytes(4) + said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"postgresql+asyncpg://desk:hunter2@127.0.0.1:{server.sockets[0].getsockname()[1]}/desk"


SSL_REQUEST = (80877103).to_bytes(4)


@pytest.mark.parametrize("name", SAYS)
async def test_a_postgres_that_turns_the_desk_away_ends_no_engine(name: str, caplog: pytest.LogCaptureFixture) -> None:
    code, words = SAYS[name]
    async with turning_away(code, words) as url:
        store = SqlStore(Database(url), None, lambda brand: None)
        engine = an_engine(store, Told())
        await engine.drain()
        await store.close()
    assert words.decode() in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("name", [*SAYS, "refused connection"])
def test_a_desk_that_is_turned_away_when_it_starts_ends_with_one_line(name: str, capsys: Capture) -> None:
    async def begin() -> None:
        async with turning_away(*SAYS.get(name, (b"", b""))) as url:
            with deaf_port() as port:
                await open_store(url if name in SAYS else f"postgresql+asyncpg://desk:hunter2@127.0.0.1:{port}/x")

    line = said_at_the_end(begin(), capsys)
    assert "does not answer as it should" in line or "Connect" in line
    assert "hunter2" not in line
