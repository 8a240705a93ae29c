"""Personal data goes; figures stay; what went does not come back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from desk.case import State
from desk.mention import Author, Mention
from desk.rules import Sla
from desk.stats import figures
from desk.work import Work
from storage import erasing
from storage.erasing import Marks, beside, erase_old, forget, gone_among, held_on
from storage.store import SqlStore, open_store
from storage.tables import forgetting, metadata, work
from tests.privacy.history import DAY, START, TRACES, WHOLE, by_anna, everything, lived, traces
from tests.storage.helpers import Clock, a_mention

MARKS = Marks("a test's secret of some length")
YEAR = {"acme-coffee": timedelta(days=365)}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(store_url: str, clock: Clock) -> AsyncIterator[SqlStore]:
    opened = await open_store(store_url, clock=clock, secret_key="a test's secret")
    yield opened
    await opened.close()


async def put(store: SqlStore, mention: Mention) -> None:
    async with store.write(scope=WHOLE) as unit:
        await unit.put_mention(mention, "other", 0.1, "ai", unit.now, None)


async def shown(store: SqlStore) -> Any:
    """All that statistics, digests and exports count."""
    async with store.read(WHOLE) as reader:
        rows = await reader.rounds(START - DAY, START + 4000 * DAY)
        counted = figures(rows, [], lambda case: Sla(), START - DAY, START + 400 * DAY)
        stages = [(row.case.id, row.round, row.tone, row.score, row.case.state, row.case.owner) for row in rows]
        rounds = [replace(row.case.round, return_reasons=()) for row in rows]
        versions = [[(v.n, v.authors, v.origin, v.at) for v in row.case.versions] for row in rows]
        mentions = [(m.rating, m.published_at, m.kind, m.lang, m.place) for m in (row.case.mention for row in rows)]
        stored = await reader.stored(START - DAY, START + 4000 * DAY)
    return counted, stages, rounds, versions, mentions, stored


def test_each_table_that_may_hold_personal_data_is_thought_of() -> None:
    """A new table must be erased, or named here as one that holds nothing of an author's."""
    erased = {t.name for t in (*erasing.OF_CASES, erasing.mentions, erasing.mention_versions, erasing.cases)}
    erased |= {"pictures", "work", "work_history", "once", "forgotten", "forgetting"}
    harmless = {"posts", "stops", "bulletins", "sources", "dest", "schedules", "tokens"}
    assert {table.name for table in metadata.sorted_tables} == erased | harmless


async def test_the_history_of_these_tests_leaves_every_trace(store: SqlStore) -> None:
    await lived(store)
    assert {trace for _, trace in await traces(store)} == set(TRACES)


async def test_after_the_agreed_time_nothing_is_left_but_figures(store: SqlStore, clock: Clock) -> None:
    await lived(store)
    await put(store, by_anna("review-of-anna-2"))
    before = await shown(store)
    clock.now = START + 376 * DAY

    assert await erase_old(store, YEAR, MARKS) == 2

    assert await traces(store) == set()
    assert await shown(store) == before
    assert await erase_old(store, YEAR, MARKS) == 0


KEPT: dict[str, tuple[State, int, dict[str, timedelta]]] = {
    "younger than agreed": (State.CLOSED, 374, YEAR),
    "still open": (State.IN_WORK, 3000, YEAR),
    "answered, not closed": (State.ANSWERED, 3000, YEAR),
    "another brand's time": (State.CLOSED, 3000, {"acme-tea": timedelta(days=1)}),
    "no time agreed": (State.CLOSED, 3000, {}),
}


@pytest.mark.parametrize("what", KEPT)
async def test_what_is_kept(what: str, store: SqlStore, clock: Clock) -> None:
    state, days, keep = KEPT[what]
    await lived(store, state)
    before = await everything(store)
    clock.now = START + days * DAY

    assert await erase_old(store, keep, MARKS) == 0
    assert await everything(store) == before


async def test_a_mention_without_a_case_goes_by_when_it_was_found(store: SqlStore, clock: Clock) -> None:
    await put(store, by_anna())
    clock.now = START + 364 * DAY
    assert await erase_old(store, YEAR, MARKS) == 0
    clock.now = START + 366 * DAY
    assert await erase_old(store, YEAR, MARKS) == 1
    assert await traces(store) == set()


async def test_many_go_a_batch_at_a_time(store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "AT_ONCE", 3)
    for number in range(8):
        await put(store, by_anna(f"review-of-anna-{number}"))
    clock.now = START + 366 * DAY
    assert await erase_old(store, YEAR, MARKS) == 8
    assert await traces(store) == set()


async def test_an_author_is_forgotten_and_others_are_not(store: SqlStore) -> None:
    await lived(store)
    boris = a_mention("r-boris", text="слова Бориса", author=Author("u-boris", "Борис"))
    await put(store, boris)
    before = await shown(store)

    done = await forget(store, "google_play", "u-anna", MARKS)

    assert done == (1, ())
    assert await traces(store) == set()
    assert await shown(store) == before
    said = await everything(store)
    assert "слова Бориса" in said["mentions"]
    assert "Борис" in said["mention_versions"]


@pytest.mark.parametrize(
    ("platform", "who", "mention"),
    [
        ("google_play", "u-anna", by_anna()),
        ("2gis", "u-anna", replace(by_anna(), site="2gis")),
        ("google_play", "Анна Петрова", replace(by_anna(), author=Author(name="Анна Петрова"))),
    ],
    ids=["by id", "by the site people know", "by name where there is no id"],
)
async def test_how_an_author_is_named(platform: str, who: str, mention: Mention, store: SqlStore) -> None:
    await put(store, mention)
    assert (await forget(store, platform, who, MARKS)).erased == 1
    assert await traces(store) == set()


async def test_nobody_is_forgotten_by_an_empty_name_or_another_platforms(store: SqlStore) -> None:
    await put(store, replace(by_anna(), author=Author()))
    with pytest.raises(ValueError, match="name the author"):
        await forget(store, "google_play", " ", MARKS)
    assert (await forget(store, "vk", "u-anna", MARKS)).erased == 0


async def test_an_open_case_is_worked_to_its_end_and_then_forgotten(store: SqlStore) -> None:
    case = await lived(store, State.IN_APPROVAL)

    assert await forget(store, "google_play", "u-anna", MARKS) == (0, (case.id,))
    assert await erase_old(store, {}, MARKS) == 0
    assert await traces(store) != set()

    async with store.write(scope=WHOLE) as unit:
        held = await unit.case(case.id)
        await unit.save(replace(held, state=State.CLOSED), [])
    assert await erase_old(store, {}, MARKS) == 1
    assert await traces(store) == set()


async def test_a_case_that_is_reopened_while_its_author_is_forgotten_goes_when_it_ends_again(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await lived(store)

    async def state(of: State) -> None:
        async with store.write(scope=WHOLE) as unit:
            await unit.save(replace(await unit.case(case.id), state=of), [])

    erase_all = erasing._erase_all

    async def reopened_first(*asked: Any) -> int:
        await state(State.IN_WORK)
        return await erase_all(*asked)

    with monkeypatch.context() as patch:
        patch.setattr(erasing, "_erase_all", reopened_first)
        assert (await forget(store, "google_play", "u-anna", MARKS)).erased == 0
    await state(State.CLOSED)
    assert await erase_old(store, {}, MARKS) == 1
    assert await traces(store) == set()


async def test_what_forgetting_did_not_come_to_is_done_in_the_night(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command was ended after its first transactions."""
    await put(store, by_anna())
    with monkeypatch.context() as patch:
        patch.setattr(erasing, "_erase_all", lambda *asked: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await forget(store, "google_play", "u-anna", MARKS)
    assert await erase_old(store, {}, MARKS) == 1
    assert await traces(store) == set()
    async with store.write() as unit:
        assert await unit.rows(select(forgetting)) == []


async def test_work_about_them_that_is_still_to_be_done_is_erased_once_it_is_done(store: SqlStore) -> None:
    case = await lived(store)
    async with store.write() as unit:
        payload = {"case": case.id, "text": "разговор об Анне"}
        await unit.enqueue(Work("say", payload, lane=f"case:{case.id}:staff", idem="late"))
    await forget(store, "google_play", "u-anna", MARKS)
    assert await traces(store) == {("work", "разговор об Анне")}

    assert await erase_old(store, {}, MARKS) == 0
    assert await traces(store) == {("work", "разговор об Анне")}
    async with store.write() as unit:
        await unit.db.execute(work.update().where(work.c.idem == "late").values(state="done", done_at=unit.now))
    assert await erase_old(store, {}, MARKS) == 0
    assert await traces(store) == set()
    async with store.write() as unit:
        assert await unit.rows(select(forgetting)) == []


async def test_what_was_said_in_a_thread_that_people_deleted_or_before_a_room_moved_goes_too(store: SqlStore) -> None:
    case = await lived(store)
    async with store.write(scope=WHOLE) as unit:
        place = await unit.place(case.id, "client")
        assert place is not None
        await unit.set_place(replace(place, thread="99", generation=1))
        await unit.move_room(place.room, "telegram:-1002")
    await forget(store, "google_play", "u-anna", MARKS)
    assert await traces(store) == set()


async def test_a_reply_to_an_erased_mention_is_watched_no_longer(store: SqlStore) -> None:
    case = await lived(store)
    async with store.write() as unit:
        await unit.enqueue(Work("watch", {"case": case.id}, lane=f"case:{case.id}:reply", group=f"watch:{case.id}"))
    await forget(store, "google_play", "u-anna", MARKS)
    async with store.write() as unit:
        assert await unit.rows(select(work.c.id).where(work.c.kind == "watch", work.c.state == "ready")) == []


BACK = by_anna()
COMES = {
    "the same again": (BACK, True),
    "the same, edited": (by_anna(text="другой текст"), True),
    "another, written before": (by_anna("r-8", published_at=START), True),
    "another, written later": (by_anna("r-9", published_at=START + 30 * DAY), False),
    "another, nobody knows when": (by_anna("r-7", published_at=None), False),
    "of somebody else": (a_mention("r-6"), False),
}


@pytest.mark.parametrize("what", COMES)
async def test_who_was_forgotten_does_not_come_back(what: str, store: SqlStore, clock: Clock) -> None:
    await lived(store)
    clock.now = START + 20 * DAY
    await forget(store, "google_play", "u-anna", MARKS)
    mention, gone = COMES[what]
    async with store.database.reader.begin() as db:
        assert await gone_among(db, [mention], MARKS) == ({mention.key} if gone else set())


async def test_what_was_erased_by_age_is_known_again_too(store: SqlStore, clock: Clock) -> None:
    await put(store, by_anna())
    clock.now = START + 400 * DAY
    await erase_old(store, YEAR, MARKS)
    async with store.database.reader.begin() as db:
        assert await gone_among(db, [by_anna()], MARKS)
        assert not await gone_among(db, [by_anna()], Marks("another secret of some length"))


async def test_an_open_case_still_hears_of_its_mention(store: SqlStore) -> None:
    await lived(store, State.IN_WORK)
    await forget(store, "google_play", "u-anna", MARKS)
    async with store.database.reader.begin() as db:
        assert not await gone_among(db, [by_anna(text="другой текст")], MARKS)


async def test_all_that_is_held_on_an_author_is_shown(store: SqlStore) -> None:
    await lived(store)
    await put(store, a_mention("r-boris", text="слова Бориса"))
    held = [one async for one in held_on(store, ["acme-coffee"], "google_play", "u-anna")]

    said = str([one.row for one in held])
    assert {one.table for one in held} >= {"mentions", "mention_versions", "cases", "versions", "sayings", "replies"}
    for trace in set(TRACES) - {"журнал про Анну"}:
        assert trace in said
    assert "слова Бориса" not in said
    assert [one async for one in held_on(store, ["acme-tea"], "google_play", "u-anna")] == []


async def test_a_sqlite_file_is_erased_beside_a_running_desk_and_to_the_last_byte(sqlite_url: str) -> None:
    file = Path(sqlite_url.removeprefix("sqlite+aiosqlite:///"))
    desk = await open_store(sqlite_url)
    try:
        await lived(desk)
        assert left_in(file) == set(TRACES)
        async with beside(sqlite_url) as store:
            await forget(store, "google_play", "u-anna", MARKS)
        assert left_in(file) == set()
        async with desk.write(scope=WHOLE) as unit:
            assert (await unit.case(1)).mention.text == ""
    finally:
        await desk.close()


def left_in(file: Path) -> set[str]:
    """Traces among the database's bytes, its write-ahead log among them; JSON spells Cyrillic in escapes."""
    said = b"".join(one.read_bytes() for one in file.parent.glob(f"{file.name}*"))
    return {trace for trace in TRACES if trace.encode() in said or json.dumps(trace)[1:-1].encode() in said}


def test_marks_tell_nothing_and_do_not_mix() -> None:
    marks = {
        MARKS.author("vk", "1"),
        MARKS.author("vk1", ""),
        MARKS.author("v", "k1"),
        Marks("x" * 20).author("vk", "1"),
    }
    assert len(marks) == 4
    assert all(len(mark) == 40 for mark in marks)
