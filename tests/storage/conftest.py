from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.store import SqlStore, open_store
from tests.storage.helpers import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(store_url: str, clock: Clock) -> AsyncIterator[SqlStore]:
    """A store whose time stands still until the test moves it."""
    opened = await open_store(store_url, clock=clock)
    yield opened
    await opened.close()
