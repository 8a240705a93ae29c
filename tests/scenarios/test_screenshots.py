"""A page is pictured when its case is opened, shown in the thread, and kept when the page is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from collectors.screenshots import find_browser
from desk.errors import Retry
from storage.erasing import Marks, erase_old
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


@dataclass
class Camera:
    """Stands in for the browser: what it is to show or to raise, picture by picture; then the last one again."""

    script: list[bytes | Exception]
    asked: list[str] = field(default_factory=list)
    drawn: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, url: str) -> bytes:
        self.asked.append(url)
        await self.drawn.wait()
        shown = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(shown, Exception):
            raise shown
        return shown


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Camera:
    made = Camera([b"\xff\xd8\xff a page"])
    made.drawn.set()
    monkeypatch.setattr("bot.build.Screenshots", lambda http, chromium: made)
    return made


async def brought(w: World, number: int = 1) -> None:
    await add(w.staff, "anna", f"https://board{number}.example/review Cold coffee {number}")


async def test_a_page_that_does_not_answer_is_tried_again(desk: Opened, camera: Camera) -> None:
    camera.script.insert(0, Retry("no answer", after=0.01))
    async with desk(rush=True, keys="screenshots = true") as w:
        await brought(w)
        await w.until(lambda: files(w.staff, 1) == ["case-1.jpg"], what="the picture")
        assert len(camera.asked) == 2


async def test_a_page_that_never_answers_is_given_up_and_nobody_is_asked(
    desk: Opened, camera: Camera, caplog: pytest.LogCaptureFixture
) -> None:
    camera.script = [Retry("no answer", after=0.01)]
    async with desk(rush=True, keys="screenshots = true") as w:
        await brought(w)
        row = await ended(w, "screenshot")
        assert (row.state, row.attempts) == ("cancelled", 5)
        await w.staff.thread(1)
        assert files(w.staff, 1) == []
    assert "case 1: no picture of its page was taken: no answer" in caplog.text


async def test_waiting_for_a_browser_loses_no_picture_even_at_the_last_attempt(desk: Opened, camera: Camera) -> None:
    away, busy = Retry("no answer", after=0.01), Retry("all browsers are busy", after=0.01, rate_limited=True)
    camera.script = [*[away] * 4, busy, busy, *camera.script]
    async with desk(rush=True, keys="screenshots = true") as w:
        await brought(w)
        await w.until(lambda: files(w.staff, 1) == ["case-1.jpg"], what="the picture")
        assert len(camera.asked) == 7


async def test_cases_of_one_page_have_one_picture(desk: Opened, camera: Camera) -> None:
    async with desk(rush=True, keys="screenshots = true") as w:
        for number in (1, 2):
            await brought(w, number)
            await w.until(lambda n=number: files(w.staff, n) == [f"case-{n}.jpg"], what="the picture")
        assert len(await kept(w)) == 1


async def test_a_case_erased_while_its_page_is_drawn_has_no_picture(desk: Opened, camera: Camera) -> None:
    camera.drawn.clear()
    async with desk(rush=True, keys="screenshots = true") as w:
        await brought(w)
        await w.until(lambda: camera.asked)
        await w.staff.press("anna", 1, "Dismiss", why="Not about us", text="Another Acme")
        await w.state(1, "dismissed")
        await erase_old(w.app.store, {"acme-coffee": timedelta(seconds=-1)}, Marks("a test's secret of some length"))
        camera.drawn.set()
        row = await ended(w, "screenshot")
        assert row.state == "cancelled"
        assert await kept(w) == []


async def test_a_picture_in_a_thread_that_people_deleted_is_shown_in_the_new_one(desk: Opened, camera: Camera) -> None:
    camera.drawn.clear()
    async with desk(rush=True, keys="screenshots = true") as w:
        await brought(w)
        await w.placed(1)
        first = await w.staff.thread(1)
        w.sandbox.telegram.delete_topic(w.staff.room, first)  # type: ignore[union-attr]
        camera.drawn.set()
        await w.until(lambda: any("was deleted, so here it is again" in text for text in w.staff.room_texts()))
        await w.placed(1)
        async with w.app.store.write() as unit:
            await unit.db.execute(update(work).where(work.c.kind == "show_screenshot").values(run_at=unit.now))
        await w.until(lambda: files(w.staff, 1) == ["case-1.jpg"], what="the picture")
        assert await w.staff.thread(1) != first
