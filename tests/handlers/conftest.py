from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.slack import Slack
from tests.handlers.slack_world import ENV, PATIENCE, World, acme, world_of


@pytest.fixture
def slack() -> Slack:
    """A local Slack with one workspace."""
    return acme()


@pytest.fixture
async def desk(slack: Slack, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """The desk connected to it over Socket Mode."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("handlers.slack.workspace.NAMED_WITHIN", PATIENCE)
    async with world_of(slack, sqlite_url, tmp_path) as world:
        yield world
