from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from openpyxl.utils.escape import unescape

from bot.reports import sheet
from bot.reports.export import COLUMNS, Line, UnknownFormat, cell, check_name, rows, write
from collectors.csv_folder.columns import Columns
from collectors.csv_folder.sheets import sheet as read_sheet
from desk import actions as a
from desk.case import State
from desk.decide import decide
from desk.mention import Author, MentionKey
from desk.platform import Posted
from desk.rules import Rules
from desk.scope import Scope
from storage.store import SqlStore, open_store
from tests.desk.world import ANNA, BORIS, HOUR, MILA, MINUTE, OLGA, T0, TWO_OF_TWO, mention, new_case, rules

BRANDS = ["acme-coffee"]
SINCE, UNTIL = T0 - HOUR, T0 + timedelta(days=60)
CONTRACT = """
case round client brand place platform source kind external_id url author_id author_name rating lang tone tone_score
published_at found_at carded_at taken_at drafted_at sent_at approved_at posted_at visible_at closed_at state owner
approver versions returns return_reasons reaction_seconds target_met limit_met reply_text reply_url reply_external_id
outcome satisfied reach loss"""


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[SqlStore]:
    opened = await open_store(sqlite_url)
    yield opened
    await opened.close()


class Life:
    """A case in the store to which things happen at given times after publication."""

    def __init__(self, store: SqlStore, agreed: Rules | None = None) -> None:
        self.store, self.rules = store, agreed or rules()
        self.number = 0

    async def begin(self, tone: str = "negative", score: float | None = 0.9, **changes: Any) -> Life:
        found = mention(**changes)
        async with self.store.write(scope=Scope.of(BRANDS)) as unit:
            case = await unit.new_case(replace(new_case(id=0), mention=found), [])
            await unit.put_mention(found, tone, score, "ai", T0, case.id)
        self.number = case.id
        return self

    async def then(self, after: timedelta, action: a.Action) -> Life:
        async with self.store.write(scope=Scope.of(BRANDS)) as unit:
            decision = decide(await unit.case(self.number), action, T0 + after, self.rules)
            await unit.save(decision.case, decision.events)
        return self

    async def written(self, at: timedelta = 10 * MINUTE) -> Life:
        await self.then(at, a.Take(who=ANNA))
        return await self.then(at + MINUTE, a.WriteReply(who=ANNA, text="Sorry"))


async def exported(store: SqlStore, now: datetime = UNTIL, agreed: Rules | None = None, **span: Any) -> list[Line]:
    given = {"since": SINCE, "until": UNTIL, **span}
    async with store.read(Scope.of(BRANDS)) as reader:
        found = rows(reader, given["since"], given["until"], lambda brand, platform: agreed or rules(), now)
        return [line async for line in found]


def test_the_columns_are_those_of_the_contract_in_their_order() -> None:
    assert list(COLUMNS) == CONTRACT.split()


async def test_a_round_from_found_to_closed_fills_its_row(store: SqlStore) -> None:
    agreed = rules(steps=TWO_OF_TWO)
    life = await Life(store, agreed).begin(
        lang="en",
        reach=300,
        place="dostyk",
        site="2gis",
        author=Author("u9", "Гость"),
    )
    await life.then(2 * MINUTE, a.Carded())
    await life.written()
    await life.then(20 * MINUTE, a.SendToClient(who=ANNA, version=1))
    await life.then(25 * MINUTE, a.AskForChanges(who=MILA, version=1, reason="warmer; please"))
    await life.then(30 * MINUTE, a.WriteReply(who=ANNA, text="So sorry"))
    await life.then(31 * MINUTE, a.SendToClient(who=ANNA, version=2))
    await life.then(40 * MINUTE, a.Approve(who=MILA, version=2))
    await life.then(41 * MINUTE, a.Approve(who=OLGA, version=2))
    await life.then(42 * MINUTE, a.PostingStarts())
    await life.then(43 * MINUTE, a.ReplyPosted(posted=Posted("p1", T0 + 43 * MINUTE, "https://shop.example/p1")))
    await life.then(HOUR, a.Close(who=ANNA, outcome="answered", satisfied="yes"))

    assert await exported(store, agreed=agreed) == [
        {
            "case": 1,
            "round": 1,
            "client": "acme",
            "brand": "acme-coffee",
            "place": "dostyk",
            "platform": "2gis",
            "source": "acme-shop",
            "kind": "review",
            "external_id": "r-1",
            "url": "https://shop.example/r-1",
            "author_id": "u9",
            "author_name": "Гость",
            "rating": 1,
            "lang": "en",
            "tone": "negative",
            "tone_score": 0.9,
            "published_at": "2026-11-22T08:15:00Z",
            "found_at": "2026-11-22T08:15:00Z",
            "carded_at": "2026-11-22T08:17:00Z",
            "taken_at": "2026-11-22T08:25:00Z",
            "drafted_at": "2026-11-22T08:26:00Z",
            "sent_at": "2026-11-22T08:35:00Z",
            "approved_at": "2026-11-22T08:56:00Z",
            "posted_at": "2026-11-22T08:58:00Z",
            "visible_at": "2026-11-22T08:58:00Z",
            "closed_at": "2026-11-22T09:15:00Z",
            "state": "closed",
            "owner": "anna",
            "approver": "mila, olga",
            "versions": 2,
            "returns": 1,
            "return_reasons": "warmer; please",
            "reaction_seconds": 2580,
            "target_met": True,
            "limit_met": True,
            "reply_text": "So sorry",
            "reply_url": "https://shop.example/p1",
            "reply_external_id": "p1",
            "outcome": "answered",
            "satisfied": "yes",
            "reach": 300,
            "loss": None,
        }
    ]


async def test_each_round_is_a_row_with_its_own_owner_texts_and_end(sqlite: SqlStore) -> None:
    life = await (await Life(sqlite).begin()).written()
    await life.then(HOUR, a.HandOver(who=ANNA, to=BORIS))
    await life.then(2 * HOUR, a.Close(who=BORIS, outcome="contacted"))
    await life.then(3 * HOUR, a.MentionEdited(mention=mention("Still cold")))
    await life.then(4 * HOUR, a.WriteReply(who=ANNA, text="Sorry again"))
    await life.then(5 * HOUR, a.WriteReply(who=ANNA, text="Sorry again, really"))
    first, second = await exported(sqlite)

    assert (first["round"], first["state"], first["owner"], first["versions"]) == (1, "closed", "boris", 1)
    assert (second["round"], second["state"], second["owner"], second["versions"]) == (2, "in_work", "anna", 2)
    assert (first["outcome"], second["outcome"]) == ("contacted", "")
    assert second["found_at"] == "2026-11-22T11:15:00Z"


ENDS: dict[str, tuple[a.Action | None, timedelta, bool | None, bool | None]] = {
    "still open and in time": (None, HOUR, None, None),
    "open past the target": (None, 2 * HOUR, False, None),
    "open past the limit": (None, 25 * HOUR, False, False),
    "closed without a reply in time": (a.Close(who=ANNA, outcome="removed"), 48 * HOUR, None, None),
    "not about us": (a.Dismiss(who=ANNA, why="not_about_us"), 48 * HOUR, None, None),
    "deleted by its author": (a.MentionDeleted(), 48 * HOUR, None, None),
}


@pytest.mark.parametrize("end", ENDS)
async def test_target_and_limit_are_empty_until_they_are_met_or_missed(sqlite: SqlStore, end: str) -> None:
    action, looked_at, target, limit = ENDS[end]
    life = await (await Life(sqlite).begin()).written()
    if action is not None:
        await life.then(HOUR, action)
    line = (await exported(sqlite, now=T0 + looked_at))[0]

    assert (line["target_met"], line["limit_met"], line["reaction_seconds"]) == (target, limit, None)


async def test_a_late_reply_missed_its_target_and_kept_the_limit(sqlite: SqlStore) -> None:
    life = await (await Life(sqlite).begin()).written()
    await life.then(HOUR, a.SendToClient(who=ANNA, version=1))
    await life.then(2 * HOUR, a.Approve(who=MILA, version=1))
    await life.then(2 * HOUR, a.PostingStarts())
    await life.then(3 * HOUR, a.ReplyPosted(posted=Posted("p1", T0 + 3 * HOUR)))
    line = (await exported(sqlite))[0]

    assert (line["state"], line["target_met"], line["limit_met"]) == (State.ANSWERED.value, False, True)


async def test_approvals_taken_back_do_not_name_an_approver(sqlite: SqlStore) -> None:
    life = await (await Life(sqlite).begin()).written()
    await life.then(HOUR, a.SendToClient(who=ANNA, version=1))
    await life.then(2 * HOUR, a.Approve(who=OLGA, version=1))
    await life.then(2 * HOUR, a.WriteReply(who=ANNA, text="Better"))
    await life.then(3 * HOUR, a.SendToClient(who=ANNA, version=2))
    await life.then(4 * HOUR, a.Approve(who=MILA, version=2))

    assert (await exported(sqlite))[0]["approver"] == "mila"


async def test_only_the_brands_and_the_time_asked_for_are_there_and_each_round_once(sqlite: SqlStore) -> None:
    life = Life(sqlite)
    for number in range(3):
        published = T0 + timedelta(days=30 * number)
        await life.begin(key=MentionKey("acme-coffee", "shop", "acme", f"r-{number}"), published_at=published)
    await (await Life(sqlite).begin(key=MentionKey("acme-coffee", "shop", "acme", "r-9"))).written()
    await life.then(timedelta(days=45), a.Dismiss(who=ANNA, why="spam"))
    async with sqlite.write(scope=Scope.of(["other"])) as unit:
        await unit.new_case(
            replace(new_case(id=0, brand="other"), mention=mention(key=MentionKey("other", "x", "y", "z"))), []
        )

    assert [line["case"] for line in await exported(sqlite)] == [1, 2, 3, 4]
    assert [line["case"] for line in await exported(sqlite, since=T0 + timedelta(days=40))] == [3]
    assert await exported(sqlite, until=SINCE) == []


async def test_a_brand_that_left_the_configuration_has_no_target(sqlite: SqlStore) -> None:
    await Life(sqlite).begin()
    async with sqlite.read(Scope.of(BRANDS)) as reader:
        found = [line async for line in rows(reader, SINCE, UNTIL, lambda brand, platform: None, UNTIL)]

    assert (found[0]["target_met"], found[0]["limit_met"]) == (None, None)


# files


def line(**fields: Any) -> Line:
    return {**dict.fromkeys(COLUMNS), "case": 7, "round": 1, **fields}


async def several(*lines: Line) -> AsyncIterator[Line]:
    for one in lines:
        yield one


async def test_csv_has_a_header_and_survives_any_text(tmp_path: Path) -> None:
    path, hard = tmp_path / "out.csv", 'first, "second"\r\nthird; Қазақша 😀'
    count = await write(path, several(line(reply_text=hard, target_met=True, limit_met=False, tone_score=0.25), line()))

    assert count == 2
    data = path.read_bytes()
    assert not data.startswith(b"\xef\xbb\xbf")
    assert data.startswith(",".join(COLUMNS).encode() + b"\r\n")
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["reply_text"] == hard
    assert (first["case"], first["target_met"], first["limit_met"], first["tone_score"]) == (
        "7",
        "true",
        "false",
        "0.25",
    )
    assert (second["reply_text"], second["rating"]) == ("", "")


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "＝"])
async def test_no_cell_is_run_as_a_formula(tmp_path: Path, first: str) -> None:
    path = tmp_path / "out.csv"
    await write(path, several(line(author_name=f"{first}HYPERLINK(1)", rating=-1)))

    with path.open(encoding="utf-8", newline="") as file:
        got = next(csv.DictReader(file))
    assert got["author_name"] == f"'{first}HYPERLINK(1)"
    assert got["rating"] == "-1"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (True, "true"), (0, "0"), (-5, "-5"), ("a=b", "a=b"), ("", ""), ("'x", "'x")]
)
def test_cells(value: object, shown: str) -> None:
    assert cell(value) == shown


async def test_jsonl_has_one_object_a_line_with_its_types(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    await write(path, several(line(author_name="=1+1", rating=1, target_met=False), line(reply_text="a\nб")))

    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert list(first) == list(COLUMNS)
    assert (first["author_name"], first["rating"], first["target_met"], first["loss"]) == ("=1+1", 1, False, None)
    assert second["reply_text"] == "a\nб"


def cells(path: Path) -> list[dict[str, Any]]:
    """The rows of a workbook's first sheet, by their headers."""
    headers, *found = load_workbook(path).worksheets[0].iter_rows(values_only=True)
    return [dict(zip(headers, one, strict=True)) for one in found]


async def test_a_workbook_has_the_same_columns_and_keeps_the_types(tmp_path: Path) -> None:
    path, hard = tmp_path / "out.xlsx", 'first, "second"\nthird; Қазақша 😀'
    kept = {"rating": 1, "tone_score": 0.25, "target_met": True, "found_at": "2026-11-24T08:15:00Z"}
    count = await write(path, several(line(reply_text=hard, **kept), line()))
    first, second = cells(path)

    assert count == 2
    assert list(first) == list(COLUMNS)
    assert first == line(reply_text=hard, **kept)
    assert second == line()


async def test_a_workbook_without_rows_has_the_headers(tmp_path: Path) -> None:
    path = tmp_path / "out.xlsx"
    await write(path, several())
    (headers,) = load_workbook(path).worksheets[0].iter_rows(values_only=True)

    assert headers == COLUMNS


RUN = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", '=HYPERLINK("https://a.test","x")']


@pytest.mark.parametrize("text", [*RUN, "#N/A", "TRUE", "12"])
async def test_no_text_in_a_workbook_is_run_or_turned_into_something_else(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.xlsx"
    await write(path, several(line(author_name=text)))
    got = load_workbook(path).worksheets[0].cell(2, COLUMNS.index("author_name") + 1)

    assert (got.value, got.data_type) == (text, "s")
    assert got.quotePrefix is (text in RUN)
    assert b"<f>" not in zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml")


ODD = {"bell": "a\x07b", "return": "a\r\nb", "no character": "a\uffffb", "like an escape": "_x0041_", "NUL": "a\x00b"}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
async def test_what_xml_does_not_take_is_escaped_as_excel_does(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.xlsx"
    await write(path, several(line(reply_text=text)))

    assert unescape(cells(path)[0]["reply_text"]) == text
    assert cells(path)[0]["reply_text"] != text


async def test_more_rows_than_a_sheet_holds_go_on_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "TALLEST", 3)
    await write(tmp_path / "out.xlsx", several(*(line(case=number) for number in range(5))))
    book = load_workbook(tmp_path / "out.xlsx")

    assert book.sheetnames == ["Rounds", "Rounds 2", "Rounds 3"]
    assert [[row[0] for row in one.iter_rows(values_only=True)] for one in book.worksheets] == [
        ["case", 0, 1],
        ["case", 2, 3],
        ["case", 4],
    ]


async def test_a_workbook_is_read_again_by_the_platform_for_files(tmp_path: Path) -> None:
    texts = ["=1+1", "a\r\nb _x0041_ 😀"]
    path = tmp_path / "out.xlsx"
    await write(path, several(*(line(reply_text=text) for text in texts)))
    table = read_sheet(path.read_bytes(), Columns.named({"text": "reply_text"}), None)

    assert [row.cells["reply_text"] for row in table.rows] == texts


async def test_half_an_emoji_does_not_stop_an_export(tmp_path: Path) -> None:
    for name in ("out.csv", "out.jsonl", "out.xlsx"):
        assert await write(tmp_path / name, several(line(author_name="\ud83d"))) == 1
    assert cells(tmp_path / "out.xlsx")[0]["author_name"] == "?"


@pytest.mark.parametrize("name", ["out.xls", "out", "out.CSV", "out.txt"])
async def test_another_ending_is_a_fault_of_usage(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownFormat, match=r"end the name in \.csv, \.xlsx or \.jsonl"):
        check_name(tmp_path / name)
    with pytest.raises(UnknownFormat):
        await write(tmp_path / name, several(line()))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.xlsx"])
async def test_an_export_that_fails_leaves_the_old_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet, "TALLEST", 3)
    path = tmp_path / name
    path.write_text("old", encoding="utf-8")

    async def breaks() -> AsyncIterator[Line]:
        for number in range(5):
            yield line(case=number)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await write(path, breaks())
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert path.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.xlsx"])
async def test_a_folder_that_is_not_there_is_told_before_anything_is_read(tmp_path: Path, name: str) -> None:
    read: list[Line] = []

    async def lines() -> AsyncIterator[Line]:
        read.append(line())
        yield read[0]

    with pytest.raises(FileNotFoundError):
        await write(tmp_path / "none" / name, lines())
    assert read == []


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.xlsx"])
async def test_progress_is_told_now_and_then_and_at_the_end(tmp_path: Path, name: str) -> None:
    told: list[int] = []
    await write(tmp_path / name, several(*[line()] * 120), told.append)

    assert told == [50, 100, 120]
