"""A page is pictured when its case is opened, shown in the thread, and kept when the page is gone."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from collectors.screenshots import find_browser
from storage.tables import pictures, work
from tests.scenarios.conftest import Opened
from tests.scenarios.test_brought import TWO_WAYS, add
from tests.scenarios.test_posted_by_hand import a_board, nothing_is_inside
from tests.scenarios.test_talk import files
from tests.scenarios.world import World

__all__ = ["nothing_is_inside"]

pytestmark = pytest.mark.usefixtures("nothing_is_inside")
needs_browser = pytest.mark.skipif(not find_browser(), reason="no Chromium here (on Debian: apt-get install chromium)")


async def kept(w: World) -> list[bytes]:
    async with w.app.store.database.reader.begin() as db:
        return list((await db.execute(select(pictures.c.data))).scalars())


async def ended(w: World, kind: str) -> Any:
    """The row of the job, once it has come to an end."""

    async def there() -> Any:
        async with w.app.store.database.reader.begin() as db:
            found = (await db.execute(select(work).where(work.c.kind == kind))).first()
        return found if found is not None and found.state in ("done", "cancelled") else None

    return await w.until(there, within=60.0, what=f"{kind} at its end")


@needs_browser
@TWO_WAYS
async def test_the_page_stands_in_the_thread_and_stays_when_it_is_gone(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True, keys="screenshots = true") as w, a_board() as board:
        await add(w.staff, "anna", f"{board.url}/review/1 Cold coffee")
        await w.staff.thread(1)
        await w.until(lambda: files(w.staff, 1) == ["case-1.jpg"], within=60.0, what="the picture")
        assert any("The page as it was found" in text for text in w.staff.texts(1))
        board.page = "Gone"
        (picture,) = await kept(w)
        assert picture[:3] == b"\xff\xd8\xff"
        assert board.asked.count("/review/1") == 1


@needs_browser
async def test_a_page_that_lets_no_programs_in_has_no_picture_and_the_case_goes_on(desk: Opened) -> None:
    async with desk(rush=True, keys="screenshots = true") as w, a_board() as board:
        board.forbids = True
        await add(w.staff, "anna", f"{board.url}/review/1 Cold coffee")
        row = await ended(w, "screenshot")
        assert "robots" in row.last_error
        assert (await kept(w), board.asked) == ([], ["/robots.txt"])
        await w.staff.press("anna", 1, "Take")
        await w.state(1, "in_work")


async def test_without_the_setting_no_page_is_looked_at(desk: Opened) -> None:
    async with desk(rush=True) as w, a_board() as board:
        await add(w.staff, "anna", f"{board.url}/review/1 Cold coffee")
        await w.staff.press("anna", 1, "Take")
        await w.state(1, "in_work")
        async with w.app.store.database.reader.begin() as db:
            assert (await db.execute(select(work.c.id).where(work.c.kind == "screenshot"))).all() == []
        assert board.asked == []
