from __future__ import annotations

from tests.scenarios.conftest import desk

__all__ = ["desk"]
