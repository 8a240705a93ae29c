"""Pictures of pages: one a page, seen within the client, gone with the last case that has them."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest
from sqlalchemy import func, select

from desk.errors import Gone
from desk.ports import Screenshot
from desk.scope import Scope
from storage.screenshots import drop_screenshots
from storage.store import SqlStore
from storage.tables import pictures, screenshots
from tests.storage.helpers import WHOLE, stored_case

URL = "https://board.example/review/1"
OTHERS = Scope.of(["somebody-elses"])


def shot(data: bytes = b"a page") -> Screenshot:
    return Screenshot(URL, data, sha256(data).hexdigest())


async def count(store: SqlStore) -> tuple[int, int]:
    async with store.database.reader.begin() as db:
        return tuple(  # type: ignore[return-value]
            [(await db.execute(select(func.count()).select_from(table))).scalar() for table in (pictures, screenshots)]
        )


async def put(store: SqlStore, case: int, taken: Screenshot) -> None:
    async with store.write(scope=WHOLE) as unit:
        await unit.put_screenshot(case, taken)


async def test_a_page_that_two_cases_stand_on_is_one_picture_until_the_last_of_them_goes(store: SqlStore) -> None:
    first, second = (await stored_case(store)).id, (await stored_case(store, external_id="r-2")).id
    for case in (first, first, second):
        await put(store, case, shot())
    assert await count(store) == (1, 2)
    for case, left in ((first, (1, 1)), (second, (0, 0))):
        async with store.write(scope=WHOLE) as unit:
            await drop_screenshots(unit.db, [case])
        assert await count(store) == left


async def test_a_page_that_changed_between_two_pictures_has_both(store: SqlStore) -> None:
    case = (await stored_case(store)).id
    await put(store, case, shot())
    await put(store, case, shot(b"the page, edited"))
    async with store.read(WHOLE) as reader:
        assert await reader.screenshot(case, shot().digest) == b"a page"
        assert await reader.screenshot(case, shot(b"the page, edited").digest) == b"the page, edited"
        assert await reader.screenshot(case, "0" * 64) is None


async def test_another_client_neither_sees_nor_adds_a_picture(store: SqlStore) -> None:
    case = (await stored_case(store)).id
    await put(store, case, shot())
    async with store.read(OTHERS) as reader:
        assert await reader.screenshot(case, shot().digest) is None
    with pytest.raises(Gone):
        async with store.write(scope=OTHERS) as unit:
            await unit.put_screenshot(case, shot(b"planted"))
    assert await count(store) == (1, 1)


async def test_a_picture_that_another_case_gets_at_that_very_moment_stays(store: SqlStore) -> None:
    first, second = (await stored_case(store)).id, (await stored_case(store, external_id="r-2")).id
    await put(store, first, shot())
    added = asyncio.Event()

    async def add() -> None:
        async with store.write(scope=WHOLE) as unit:
            await unit.put_screenshot(second, shot())
            added.set()
            await asyncio.sleep(0.3)

    adding = asyncio.create_task(add())
    await added.wait()
    async with store.write(scope=WHOLE) as unit:
        await drop_screenshots(unit.db, [first])
    await adding
    assert await count(store) == (1, 1)


async def test_a_picture_that_goes_with_its_last_case_at_that_very_moment_is_put_anew(store: SqlStore) -> None:
    first, second = (await stored_case(store)).id, (await stored_case(store, external_id="r-2")).id
    await put(store, first, shot())
    dropped = asyncio.Event()

    async def drop() -> None:
        async with store.write(scope=WHOLE) as unit:
            await drop_screenshots(unit.db, [first])
            dropped.set()
            await asyncio.sleep(0.3)

    dropping = asyncio.create_task(drop())
    await dropped.wait()
    await put(store, second, shot())
    await dropping
    assert await count(store) == (1, 1)
