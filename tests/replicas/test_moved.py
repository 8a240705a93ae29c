"""A desk that moved from SQLite to PostgreSQL goes on with its cases where it left them."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.moving import copy
from tests.conftest import NewStore
from tests.scenarios.world import a_sandbox, opened

pytestmark = pytest.mark.integration


async def test_a_moved_desk_goes_on_with_its_cases(
    tmp_path: Path, sqlite_url: str, new_postgres: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_sandbox() as made:
        async with opened(tmp_path, sqlite_url, monkeypatch, sandbox=made, rush=True) as w:
            review = await w.proposed("Sorry, Dina")
            w.review(text="A second one.", author="Timur")
            await w.placed(2)
        url = await new_postgres()
        copied = await copy(sqlite_url, url)
        assert copied["cases"].rows == 2
        async with opened(tmp_path, url, monkeypatch, sandbox=made, rush=True) as w:
            await w.client.press("marta", 1, "Approve")
            await w.state(1, "answered")
            assert w.posts(review) == ["Sorry, Dina"]
            await w.staff.press("anna", 2, "Take")
            await w.state(2, "in_work")
            w.review(text="A third one.", author="Aliya")
            await w.staff.press("dana", 3, "Take")
            await w.state(3, "in_work")
            assert [len([t for t in w.staff.texts(n) if "topic created" in t]) for n in (1, 2, 3)] == [1, 1, 1]
