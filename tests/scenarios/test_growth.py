"""What a desk does all day takes no longer with a million mentions: each statement finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from sandbox import world as acme
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World

GROWS = {
    *("mentions", "mention_versions", "cases", "rounds", "versions", "approvals", "replies", "case_events"),
    *("places", "posts", "sayings", "asks", "once", "work_history"),
}
"""Tables that keep what is finished."""

Asked = dict[str, Any]


@pytest.fixture
def asked() -> Iterator[Asked]:
    """Each statement with the parameters of its first time."""
    heard: Asked = {}

    def hear(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        heard.setdefault(statement, values[0] if many else values)

    event.listen(Engine, "before_cursor_execute", hear)
    yield heard
    event.remove(Engine, "before_cursor_execute", hear)


def looked_through(database: sqlite3.Connection, statement: str, values: Any) -> set[str]:
    """Tables that grow of which it looks at every row."""
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    scanned = {found[1] for step in plan if (found := re.match(r"SCAN (\w+)", step)) is not None}
    return scanned & GROWS


async def a_day(w: World) -> None:
    """Mentions, an edit, presses of both sides, talk, the list of open cases, the reply, and its watch."""
    review = await w.proposed("Dina, the machine is repaired.")
    for number in range(8):
        w.review(1, f"Cold coffee, number {number}")
    await w.client.write("marta", 1, "Is it true?")
    await w.staff.press("anna", 2, "Take")
    await w.staff.press("anna", 2, "Hand over")
    await w.staff.press("anna", 2, "Dana")
    await w.client.press("marta", 1, "Approve")
    await w.state(1, "answered")
    w.sandbox.site.edit_review(w.reviews[3], 1, "Colder still.")
    before = len(w.staff.room_texts())
    w.sandbox.telegram.write(w.staff.ids["anna"], acme.STAFF_ROOM, "/open")  # type: ignore[attr-defined]
    await w.until(lambda: len(w.staff.room_texts()) > before + 1, what="the list")
    await w.hasten("watch:1")
    assert w.posts(review)


async def test_no_statement_of_a_day_looks_through_all_that_was_ever_stored(desk: Opened, asked: Asked) -> None:
    async with desk(rush=True) as w:
        asked.clear()
        await a_day(w)
        seen = dict(asked)
        database = sqlite3.connect(w.folder / "desk.db")
    plain = {s: v for s, v in seen.items() if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE)\b", s)}
    assert len(plain) > 40
    slow = {
        statement: found
        for statement, values in plain.items()
        if (found := looked_through(database, statement, values))
    }
    database.close()
    assert {statement: tables for statement, tables in slow.items() if tables} == {}
