"""What these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot import logs
from desk import errors


@pytest.fixture(autouse=True)
def nothing_stays_hidden() -> Iterator[None]:
    """Commands hide the secrets of their configuration for as long as their process lasts."""
    yield
    errors.hide_with(str)
    logs.forget_secrets()
