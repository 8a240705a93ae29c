"""Skips, and says so, where there is no Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.browser import hands


@pytest.fixture
async def people() -> AsyncIterator[hands.People]:
    """The page of a fresh demo, its sample customers kept away by a very slow feed."""
    if not hands.browser():
        pytest.skip("no Chromium here (on Debian: apt-get install chromium)")
    async with hands.demo(speed=0.01) as address, hands.window(address) as opened:
        yield opened
