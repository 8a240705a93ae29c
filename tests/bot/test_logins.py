"""A login whose every use ends the one before: no command uses it up and locks the desk out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.check.online import check_online
from bot.config import Config, load
from bot.reports.sources import collect_once
from collectors import open_platform
from collectors.http import client
from storage.store import open_store
from tests.bot import sample
from tests.collectors.trustpilot.fake import UNIT, Pilot

LOGIN = {"TP_KEY": "app-key", "TP_SECRET": "app-secret", "TP_REFRESH": "refresh-0"}
SOURCE = f"""
[[clients.brands.sources]]
key = "trust"
platform = "trustpilot"
business_unit = "{UNIT}"
api_key = "env:TP_KEY"
api_secret = "env:TP_SECRET"
refresh_token = "env:TP_REFRESH"
api_base = "%s"
"""


@dataclass
class Bench:
    config: Config
    folder: Path
    pilot: Pilot = field(default_factory=Pilot)

    @property
    def url(self) -> str:
        return self.config.database.url.get_secret_value()

    async def desk_reads(self) -> int:
        """What a desk does with its source, after whatever commands did: how many mentions it finds."""
        (source,) = (s for s in self.config.clients[0].brands[0].sources if s.key == "trust")
        store, http = await open_store(self.url, secret_key=self.config.desk.secret_key.get_secret_value()), client()
        try:
            platform = open_platform(
                "trustpilot", source.settings, "coffee", "trust", http, lambda: datetime.now(UTC), store
            )
            return len((await platform.read(None, datetime.now(UTC) - timedelta(days=7))).mentions)
        finally:
            await http.aclose()
            await store.close()

    async def checked(self) -> list[str]:
        return [fault.what for fault in await check_online(self.config, "config.toml") if "trust" in fault.of]

    async def collected(self, dry_run: bool) -> int:
        return await collect_once(self.config, self.folder, "trust", None, dry_run)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    pilot = Pilot()

    async def serve(request: web.Request) -> web.Response:
        asked = httpx.Request(request.method, str(request.url), headers=request.headers, content=await request.read())
        said = pilot.serve(asked)
        return web.Response(status=said.status_code, body=said.content, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    async with TestServer(app) as server:
        pilot.publish("Cold coffee", datetime.now(UTC) - timedelta(hours=1))
        nowhere = sample.TELEGRAM + 'api_base = "http://127.0.0.1:1"\n'
        rooms = sample.ACME.replace("slack:C0ACME", "telegram:-2")
        approver = sample.MARTA.replace('slack = "U0MARTA"', "telegram = 1002")
        source = SOURCE % str(server.make_url("")).rstrip("/")
        text = "".join((sample.DESK, nowhere, sample.ANNA, approver, rooms, sample.COFFEE, source))
        yield Bench(load(sample.write(tmp_path, text), {**sample.SECRETS, **LOGIN}), tmp_path, pilot)


pytestmark = pytest.mark.integration


async def test_a_check_before_the_first_run_does_not_use_the_login_up(bench: Bench) -> None:
    assert await bench.checked() == []
    assert await bench.desk_reads() == 1


async def test_a_check_beside_a_desk_goes_by_the_login_that_the_desk_keeps(bench: Bench) -> None:
    assert await bench.desk_reads() == 1
    assert await bench.checked() == []
    bench.pilot.expire()
    assert await bench.checked() == []
    assert await bench.desk_reads() == 1


async def test_a_login_that_ended_is_a_fault(bench: Bench) -> None:
    assert await bench.desk_reads() == 1
    bench.pilot.expire()
    bench.pilot.refresh = "another"
    (fault,) = await bench.checked()
    assert "invalid_grant" in fault


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_poll_by_command_leaves_the_desk_its_login(
    bench: Bench, dry_run: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await bench.desk_reads() == 1
    bench.pilot.expire()
    assert await bench.collected(dry_run) == 0
    assert "Cold coffee" in capsys.readouterr().out
    bench.pilot.expire()
    assert await bench.desk_reads() == 1


async def test_a_dry_poll_before_the_first_run_is_refused_with_a_word(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await bench.collected(dry_run=True) == 1
    assert "replydesk db upgrade" in capsys.readouterr().err
    assert bench.pilot.logins == 0
