"""A whole desk: its author is forgotten while it runs, its logs name nobody, its commands do what they say."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.config import load
from bot.logs import setup_logs, tear_down
from bot.privacy import NotBack, NotPolled, erase_what_is_due, export_author, forget_author, keeping
from desk.case import State
from desk.platform import Batch
from desk.polling import poll_work
from desk.ports import Done, Drop
from desk.receiving import receive
from desk.work import Row
from storage.erasing import Held, Marks, forget
from storage.store import SqlStore, open_store
from storage.tables import mentions, work
from tests.bot import sample
from tests.privacy.history import START, WHOLE, by_anna, everything, lived, traces
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World
from tests.storage.helpers import Clock

SECRET = sample.SECRETS["REPLYDESK_SECRET"]
BRAND = "acme-coffee"


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url)
    yield opened
    await opened.close()


# jobs


@dataclass
class Inner:
    """A job that notes what reaches it."""

    lease = timedelta(seconds=10)
    fetched: list[Any] = field(default_factory=list)
    applied: list[Any] = field(default_factory=list)

    async def fetch(self, row: Row) -> Any:
        self.fetched.append(row)
        return "fetched"

    async def apply(self, unit: Any, row: Row, fetched: Any) -> Any:
        self.applied.append(fetched)
        return Done()

    async def failed(self, unit: Any, row: Row, error: Exception) -> Any:
        return None


async def row_of(store: SqlStore, mention: Any) -> Row:
    async with store.write() as unit:
        await unit.enqueue(receive(mention, "hook:1"))
        found = (await unit.rows(select(work).order_by(work.c.id.desc()).limit(1)))[0]
    return Row(found.id, found.kind, 1, found.payload, found.lane, "", 0, 8, False, found.created_at)


async def test_a_forgotten_mention_is_not_judged_not_taken_in_and_leaves_no_payload(sqlite: SqlStore) -> None:
    await lived(sqlite)
    marks = Marks(SECRET)
    await forget(sqlite, "google_play", "u-anna", marks)
    inner = Inner()
    job, row = NotBack(inner, sqlite, marks), await row_of(sqlite, by_anna())

    fetched = await job.fetch(row)
    async with sqlite.write(scope=WHOLE) as unit:
        assert isinstance(await job.apply(unit, row, fetched), Drop)

    assert (inner.fetched, inner.applied) == ([], [])
    said = await everything(sqlite)
    assert "Анна" not in said["work"]
    assert "холодный суп" not in said["work"]


async def test_who_is_forgotten_while_the_mention_is_judged_is_not_taken_in_either(sqlite: SqlStore) -> None:
    marks, inner = Marks(SECRET), Inner()
    job, row = NotBack(inner, sqlite, marks), await row_of(sqlite, by_anna())

    fetched = await job.fetch(row)
    await forget(sqlite, "google_play", "u-anna", marks)
    async with sqlite.write(scope=WHOLE) as unit:
        assert isinstance(await job.apply(unit, row, fetched), Drop)
    assert inner.applied == []


async def test_anybody_else_is_taken_in_as_ever(sqlite: SqlStore) -> None:
    inner = Inner()
    job, row = NotBack(inner, sqlite, Marks(SECRET)), await row_of(sqlite, by_anna())
    fetched = await job.fetch(row)
    async with sqlite.write(scope=WHOLE) as unit:
        assert await job.apply(unit, row, fetched) == Done()
    assert inner.applied == ["fetched"]
    assert job.lease == inner.lease


async def test_a_poll_leaves_out_what_was_erased(sqlite: SqlStore) -> None:
    await lived(sqlite)
    marks, inner = Marks(SECRET), Inner()
    await forget(sqlite, "google_play", "u-anna", marks)
    new = replace(by_anna("r-new"), author=replace(by_anna().author, id="u-boris"))
    async with sqlite.write(scope=WHOLE) as unit:
        await NotPolled(inner, marks).apply(
            unit, Row(1, "poll", 1, {}, "", "", 0, 8, False, START), Batch([by_anna(), new], "c")
        )
    assert inner.applied == [Batch([new], "c")]


# a running desk


async def test_a_statement_that_fails_is_told_without_its_values(store: SqlStore) -> None:
    with pytest.raises(SQLAlchemyError) as caught:
        async with store.write() as unit:
            await unit.db.execute(text("SELECT :who FROM nowhere"), {"who": "Ludmila Zykina"})
    assert "Ludmila" not in str(caught.value)


async def test_an_author_is_forgotten_while_the_desk_runs_and_stays_so(desk: Opened) -> None:
    async with desk(every="1h") as w:
        review = w.review(1, "The soup of Ludmila was cold.", author="Ludmila Zykina")
        await polled(w)
        await w.staff.press("anna", 1, "Dismiss", why="Not about us", text="Ludmila is a friend")
        await w.state(1, "dismissed")
        await quiet(w)
        author = await author_of(w)

        assert await forget_author(load(w.folder / "config.toml"), w.folder, "google_play", author) == 0
        w.sandbox.site.edit_review(review, 1, "The soup of Ludmila was cold, and the tea.")
        await polled(w)

        assert (await w.case(1)).mention.text == ""
        async with w.app.store.write() as unit:
            assert len(await unit.rows(select(mentions.c.id))) == 1
        said = await everything(w.app.store)
        assert {table for table, text in said.items() if "Ludmila" in text or author in text} == set()


async def polled(w: World) -> None:
    """One reading of the source, and all that it brings done."""
    async with w.app.store.write() as unit:
        await unit.enqueue(poll_work("acme-play", unit.now))
    await quiet(w)


async def quiet(w: World) -> None:
    """Until nothing is left to do, save what has its time."""

    async def nothing() -> bool:
        async with w.app.store.write() as unit:
            due = select(work.c.id).where(work.c.state.in_(["ready", "running"]), work.c.run_at <= unit.now)
            return not await unit.rows(due)

    await w.until(nothing, what="all is done")


async def author_of(w: World) -> str:
    async with w.app.store.write() as unit:
        return str(await unit.value(select(mentions.c.author_id))) or str((await w.case(1)).mention.author.name)


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """All that a desk logs, as it does for its operator."""
    stream = io.StringIO()
    handler = setup_logs(stream=stream, as_json=True)
    try:
        yield stream
    finally:
        tear_down(handler)
        logging.getLogger().setLevel(logging.WARNING)


async def test_the_logs_name_nobody_and_quote_nothing(desk: Opened) -> None:
    with logged() as stream:
        await _through_a_case(desk)
    said = stream.getvalue()
    assert "the desk is running" in said
    assert "an author of google_play was forgotten" in said
    for word in ("Ludmila", "Zykina", "soup", "77011234567", "secret sauce", "will not like"):
        assert word not in said


async def _through_a_case(desk: Opened) -> None:
    async with desk() as w:
        review = await w.proposed(
            "Dear Ludmila, our secret sauce.",
            review=w.review(1, "Ludmila's soup, +77011234567", author="Ludmila Zykina"),
        )
        await w.client.write("marta", 1, "What does Ludmila want?")
        await w.client.press("marta", 1, "Ask for changes", reason="Ludmila will not like it")
        await w.state(1, "in_work")
        # Edited before, it would take the button away whenever it was read before the press.
        w.sandbox.site.edit_review(review, 2, "Ludmila's soup and tea")

        async def read_again() -> bool:
            return "tea" in (await w.case(1)).mention.text

        await w.until(read_again, what="the edited review")
        await w.staff.reply("anna", 1, "Dear Ludmila, once more.")
        await forget_author(load(w.folder / "config.toml"), w.folder, "google_play", "Ludmila Zykina")


# commands


@pytest.fixture
async def config(tmp_path: Path, sqlite_url: str) -> Any:
    database = f'[database]\nurl = "{sqlite_url}"\n'
    keep = sample.ACME + 'keep = "365d"\n'
    brand = sample.COFFEE.replace('key = "coffee"', f'key = "{BRAND}"')
    text = sample.changed((sample.ACME, keep), (sample.COFFEE, brand), after=database)
    return load(sample.write(tmp_path, text), sample.SECRETS)


async def filled(config: Any, state: State = State.CLOSED) -> None:
    store = await open_store(config.database.url.get_secret_value())
    await lived(store, state)
    await store.close()


async def test_forget_says_what_it_did(config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(config)
    assert await forget_author(config, tmp_path, "google_play", "u-anna") == 0
    said = capsys.readouterr()
    assert "erased: 1 mentions" in said.err
    assert said.out == ""
    assert "u-anna" not in said.err


async def test_forget_names_the_cases_that_are_open(
    config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await filled(config, State.IN_WORK)
    assert await forget_author(config, tmp_path, "google_play", "u-anna") == 0
    assert "still open: 1;" in capsys.readouterr().err
    assert await forget_author(config, tmp_path, "google_play", "") == 2


async def test_export_of_one_author(config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await filled(config)
    out = tmp_path / "anna.jsonl"
    assert await export_author(config, tmp_path, "acme", "google_play:u-anna", out) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert f"{len(rows)} rows in" in capsys.readouterr().err
    assert {row["table"] for row in rows} >= {"mentions", "cases", "sayings", "versions", "case_events"}
    assert next(row for row in rows if row["table"] == "mentions")["data"]["text"] == "холодный суп Анны"
    assert out.stat().st_mode & 0o077 == 0


async def test_half_an_emoji_does_not_stop_the_export_of_an_author(config: Any, tmp_path: Path) -> None:
    """A model, or a platform of another package, may bring one."""
    store = await open_store(config.database.url.get_secret_value())
    await lived(store, mention=by_anna(raw={"shown": "soup \ud83c"}))
    await store.close()
    out = tmp_path / "anna.jsonl"
    assert await export_author(config, tmp_path, "acme", "google_play:u-anna", out) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert "soup ?" in str(rows)


async def test_an_export_of_an_author_that_breaks_off_leaves_the_old_file(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(config)
    out = tmp_path / "anna.jsonl"
    assert await export_author(config, tmp_path, "acme", "google_play:u-anna", out) == 0
    before = out.read_text(encoding="utf-8")

    async def breaks(*args: Any) -> AsyncIterator[Any]:
        yield Held("mentions", {"id": 1})
        raise OSError("the database is away")

    monkeypatch.setattr("bot.privacy.held_on", breaks)
    with pytest.raises(OSError, match="away"):
        await export_author(config, tmp_path, "acme", "google_play:u-anna", out)
    assert out.read_text(encoding="utf-8") == before
    assert list(tmp_path.glob(".*.part")) == []


WRONG = {
    "no such client": ("nobody", "google_play:u-anna", "a.jsonl", "there is no client nobody"),
    "no author": ("acme", "google_play", "a.jsonl", "write PLATFORM:ID"),
    "another form": ("acme", "google_play:u-anna", "a.csv", "end the name in .jsonl"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_export_asked_wrongly(what: str, config: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client, author, name, told = WRONG[what]
    assert await export_author(config, tmp_path, client, author, tmp_path / name) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / name).exists()


async def test_the_nightly_job_goes_by_the_clients_time(
    config: Any, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert keeping(config) == {BRAND: timedelta(days=365)}
    clock = Clock()
    store = await open_store(sqlite_url, clock=clock)
    try:
        await lived(store)
        assert await erase_what_is_due(store, config) == 0
        clock.forward(timedelta(days=376).total_seconds())
        with caplog.at_level(logging.INFO):
            assert await erase_what_is_due(store, config) == 1
        assert await traces(store) == set()
    finally:
        await store.close()
    assert "personal data of 1 mentions" in caplog.text
    assert "Анна" not in caplog.text
