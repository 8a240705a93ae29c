from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from collectors import csv_folder
from collectors.csv_folder import files, sheets
from collectors.csv_folder.columns import Columns
from collectors.csv_folder.files import LARGEST
from collectors.csv_folder.rows import Row, Table, Unreadable
from desk.mention import Mention
from desk.platform import Batch
from tests.collectors.csv.bench import SAID, WHOLE, Bench, flat, said

Rows = Sequence[Sequence[Any]]
BROKEN = "is broken, or no .xlsx; open it in a spreadsheet program and save it anew"
SHEET, STRINGS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def saved(book: Workbook) -> bytes:
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def book_of(tables: dict[str, Rows]) -> Workbook:
    book = Workbook()
    book.remove(book.worksheets[0])
    for title, rows in tables.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    return book


def workbook(*rows: Sequence[Any]) -> bytes:
    return saved(book_of({"Reviews": rows}))


def parts_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return held.getvalue()


def changed(data: bytes, part: str, old: str, new: str) -> bytes:
    """A workbook as another program would have written one of its parts."""
    parts = parts_of(data)
    assert old.encode() in parts[part]
    return packed({**parts, part: parts[part].replace(old.encode(), new.encode())})


def as_excel_has_it(data: bytes) -> bytes:
    """openpyxl writes texts into their cells; Excel into a list beside them, and their numbers into the cells."""
    texts: list[str] = []

    def moved(cell: re.Match[str]) -> str:
        texts.append(cell[1])
        return f't="s"><v>{len(texts) - 1}</v>'

    parts = parts_of(data)
    sheet = re.sub(r't="inlineStr"><is>(.*?)</is>', moved, parts[SHEET].decode(), flags=re.DOTALL)
    listed = "".join(f"<si>{text}</si>" for text in texts)
    named = f'<Override PartName="/{STRINGS}" ContentType="{KIND}.sharedStrings+xml"/></Types>'
    return packed(
        {
            **parts,
            SHEET: sheet.encode(),
            STRINGS: f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{listed}</sst>'.encode(),
            "[Content_Types].xml": parts["[Content_Types].xml"].replace(b"</Types>", named.encode()),
        }
    )


async def only(bench: Bench, *rows: Sequence[Any]) -> Mention:
    bench.drop_bytes("a.xlsx", workbook(*rows))
    batch = await bench.poll()
    assert batch.note == ""
    (mention,) = batch.mentions
    return mention


async def polled(bench: Bench, data: bytes) -> Batch:
    bench.drop_bytes("a.xlsx", data)
    return await bench.poll()


def ids(batch: Batch) -> list[str]:
    return [mention.key.external_id for mention in batch.mentions]


async def test_a_row_of_a_workbook_is_a_mention_as_a_webhook_brings_it(bench: Bench) -> None:
    cells = flat(WHOLE)

    assert said(await only(bench, [*cells], [*cells.values()])) == SAID


async def test_texts_are_found_in_the_list_that_excel_keeps_them_in(bench: Bench) -> None:
    data = as_excel_has_it(workbook(["id", "text"], ["1", "Slow\n& bad 😡"], [" 2 ", "Slow"]))
    batch = await polled(bench, data)

    assert b"Slow" not in parts_of(data)[SHEET]
    assert [(m.key.external_id, m.text) for m in batch.mentions] == [("1", "Slow\n& bad 😡"), ("2", "Slow")]


async def test_a_text_in_several_fonts_is_one_text(bench: Bench) -> None:
    fonts = '<r><t>Sl</t></r><r><rPr><b/></rPr><t xml:space="preserve">ow </t></r><r><t>bank</t></r>'
    data = as_excel_has_it(changed(workbook(["id", "text"], ["1", "Slow"]), SHEET, "<t>Slow</t>", fonts))

    assert [m.text for m in (await polled(bench, data)).mentions] == ["Slow bank"]


async def test_columns_may_have_other_names(bench: Bench) -> None:
    bench.opens(columns={"text": "Текст отзыва", "rating": "Оценка"})
    mention = await only(bench, ["ТЕКСТ ОТЗЫВА ", "оценка", "Прочее"], ["Долго, очень", 2, "x"])

    assert (mention.text, mention.rating, mention.raw["Прочее"]) == ("Долго, очень", 2, "x")


NUMBERS = [
    (123.0, "123"),
    (123, "123"),
    (1e6, "1000000"),
    (0.1 + 0.2, "0.3"),
    ("00123", "00123"),
    (999_999_999_999_999, "999999999999999"),
]


@pytest.mark.parametrize(("cell", "text"), NUMBERS)
async def test_a_number_where_an_id_should_be_is_the_id_without_a_fraction(bench: Bench, cell: Any, text: str) -> None:
    mention = await only(bench, ["id", "text", "author_id", "place"], [cell, "Slow", cell, cell])

    assert (mention.key.external_id, mention.author.id, mention.place) == (text, text, text)


@pytest.mark.parametrize("header", ["id", "author_id", "parent", "place_id"])
@pytest.mark.parametrize("cell", [1.23456789012345e18, 1_234_567_890_123_450_000])
async def test_an_id_whose_last_digits_a_spreadsheet_dropped_is_refused(bench: Bench, header: str, cell: Any) -> None:
    batch = await polled(bench, workbook([header, "text"], [cell, "Slow"], ["7", "Bad"]))

    assert batch.note == f"a.xlsx: row 2: {header}: the last digits of a long number are lost; write the column as text"
    assert [m.text for m in batch.mentions] == ["Bad"]


async def test_an_id_that_a_program_wrote_in_full_is_taken(bench: Bench) -> None:
    data = changed(workbook(["id", "text"], [7, "Slow"]), SHEET, "<v>7</v>", "<v>1234567890123456789</v>")

    assert ids(await polled(bench, data)) == ["1234567890123456789"]


async def test_a_long_number_that_is_no_id_is_taken_as_it_is(bench: Bench) -> None:
    mention = await only(bench, ["id", "text", "item"], ["1", 1.5e17, 4607001234567890])

    assert (mention.text, mention.item) == ("150000000000000000", "4607001234567890")


# Almaty is 5 hours ahead of UTC.
TIMES = [
    (datetime(2026, 11, 24, 8, 15), datetime(2026, 11, 24, 3, 15, tzinfo=UTC)),  # noqa: DTZ001
    (datetime(2026, 11, 24, 8, 20, 30), datetime(2026, 11, 24, 3, 20, 30, tzinfo=UTC)),  # noqa: DTZ001
    (date(2026, 11, 24), None),
    ("24.11.2026 08:15", datetime(2026, 11, 24, 3, 15, tzinfo=UTC)),
    ("2026-11-24T08:15:00Z", datetime(2026, 11, 24, 8, 15, tzinfo=UTC)),
    ("24.11.2026", None),
    (None, None),
]


@pytest.mark.parametrize(("cell", "at"), TIMES)
async def test_a_cell_with_a_time_is_of_the_zone_in_the_settings(bench: Bench, cell: Any, at: datetime | None) -> None:
    bench.opens(timezone="Asia/Almaty")
    mention = await only(bench, ["id", "text", "published_at"], ["1", "Slow", cell])

    assert mention.published_at == at


async def test_a_cell_with_a_time_is_refused_where_no_zone_is_known(bench: Bench) -> None:
    naive = datetime(2026, 11, 24, 8, 15)  # noqa: DTZ001
    batch = await polled(bench, workbook(["text", "published_at"], ["Slow", naive]))

    assert batch.mentions == []
    assert batch.note == "a.xlsx: row 2: published_at: names no zone; set timezone in the source's settings"


async def test_a_time_without_a_day_is_no_time_of_publication(bench: Bench) -> None:
    batch = await polled(bench, workbook(["text", "published_at"], ["Slow", time(8, 15)]))

    assert batch.note.startswith("a.xlsx: row 2: published_at: must be a time such as")


async def test_a_day_in_a_cell_keeps_old_rows_out_of_the_first_poll(bench: Bench) -> None:
    days = {"old": date(2026, 11, 20), "new": date(2026, 11, 24)}
    batch = await polled(
        bench, workbook(["id", "text", "published_at"], *([k, "Slow", day] for k, day in days.items()))
    )

    assert ids(batch) == ["new"]


async def test_yes_and_no_are_cells_too(bench: Bench) -> None:
    assert (await only(bench, ["id", "deleted"], ["1", True])).deleted


@pytest.mark.parametrize(("cell", "stars"), [(5, 5), (4.6, 5), ("4,0", 4)])
async def test_stars_are_read_as_in_a_csv(bench: Bench, cell: Any, stars: int) -> None:
    assert (await only(bench, ["id", "rating"], ["1", cell])).rating == stars


TEXTS = {
    "emoji": ("😡👎🏽", "😡👎🏽"),
    "lines": ("First\nsecond", "First\nsecond"),
    "escaped": ("First_x000D_\nsecond_x005F_x0041_", "First\r\nsecond_x0041_"),
    "like a formula": ("'=1+1", "'=1+1"),
}


@pytest.mark.parametrize(("cell", "text"), TEXTS.values(), ids=TEXTS)
async def test_a_text_is_what_the_spreadsheet_shows(bench: Bench, cell: str, text: str) -> None:
    assert (await only(bench, ["id", "text"], ["1", cell])).text == text


async def test_a_formula_says_what_it_gave_when_the_file_was_saved(bench: Bench) -> None:
    data = workbook(["id", "text"], ["1", '=CONCATENATE("Sl","ow")'])
    computed = changed(
        data, SHEET, '<c r="B2"><f>CONCATENATE("Sl","ow")</f><v />', '<c r="B2" t="str"><f>A1</f><v>Slow</v>'
    )

    assert [m.text for m in (await polled(bench, computed)).mentions] == ["Slow"]


async def test_a_formula_that_was_never_computed_says_nothing(bench: Bench) -> None:
    batch = await polled(bench, workbook(["id", "text"], ["1", "=A1"], ["2", "Slow"]))

    assert ids(batch) == ["2"]
    assert batch.note == "a.xlsx: row 2: text: required where there is no rating"


async def test_a_formula_that_failed_is_told_where_it_matters(bench: Bench) -> None:
    rows = ["id", "text", "place", "price"], ["1", "Slow", "#N/A", 1], ["2", "Bad", "dostyk", "#DIV/0!"]
    batch = await polled(bench, workbook(*rows))

    assert ids(batch) == ["2"]
    assert batch.note == "a.xlsx: row 2: place: the formula gives #N/A"


async def test_a_title_over_the_table_and_merged_and_empty_cells_do_no_harm(bench: Bench) -> None:
    book = book_of({"Reviews": [[], ["Reviews of November"], [], ["id", None, "text", "place"]]})
    sheet = book.worksheets[0]
    for row in (
        ["1", None, "Slow", "dostyk"],
        [],
        [None, " "],
        ["2", "note", "Bad"],
        ["3", None, "Worse", "", "", "far"],
    ):
        sheet.append(row)
    sheet.merge_cells("A2:D2")
    sheet.merge_cells("D5:D8")
    batch = await polled(bench, saved(book))

    assert [(m.key.external_id, m.text, m.place) for m in batch.mentions] == [
        ("1", "Slow", "dostyk"),
        ("2", "Bad", ""),
        ("3", "Worse", ""),
    ]
    assert batch.note == ""


async def test_a_fault_is_told_with_the_row_that_the_spreadsheet_shows(bench: Bench) -> None:
    batch = await polled(bench, workbook(["Title"], [], ["id", "rating"], ["1", 9], [], ["2", 8], ["3", 1]))

    assert ids(batch) == ["3"]
    assert batch.note.startswith("a.xlsx: row 4: rating: ")
    assert "row 6: rating: " in batch.note


async def test_the_first_sheet_that_has_the_columns_is_read_and_the_others_are_named(bench: Bench) -> None:
    rows = [["id", "text"], ["1", "Slow"]]
    tables = {"Summary": [["Month", "Count"], ["11", 7]], "Empty": [], "New": rows, "Old": rows, "Older": rows}
    batch = await polled(bench, saved(book_of(tables)))

    assert ids(batch) == ["1"]
    assert batch.note == "a.xlsx: only the sheet New was read, not Old, Older"


async def test_a_hidden_sheet_is_left_alone(bench: Bench) -> None:
    book = book_of({"Hidden": [["id", "text"], ["1", "Slow"]], "Seen": [["id", "text"], ["2", "Bad"]]})
    book.worksheets[0].sheet_state = "hidden"
    batch = await polled(bench, saved(book))

    assert (ids(batch), batch.note) == (["2"], "")


async def test_a_workbook_without_a_known_column_says_what_its_sheets_have(bench: Bench) -> None:
    batch = await polled(
        bench, saved(book_of({"A": [["Текст", " ", "Оценка"], ["x", "", 1]], "B": [], "C": [["Месяц"]]}))
    )

    assert batch.note == (
        "a.xlsx: no sheet has a column named text or rating; name them in columns (A has Текст, Оценка; C has Месяц)"
    )


async def test_a_file_without_a_known_column_is_read_once_the_columns_are_named(bench: Bench) -> None:
    first = await polled(bench, workbook(["Текст"], ["Slow"]))
    bench.opens(columns={"text": "Текст"})

    assert [m.text for m in (await bench.poll(first.cursor)).mentions] == ["Slow"]


@pytest.mark.parametrize("rows", [[], [[]], [["id", "text"]], [[" "]]])
async def test_an_empty_workbook_is_no_news(bench: Bench, rows: Rows) -> None:
    batch = await polled(bench, workbook(*rows))

    assert (batch.mentions, batch.note) == ([], "")


async def test_a_sheet_that_states_a_wrong_size_is_read_whole(bench: Bench) -> None:
    data = workbook(["id", "text"], ["1", "Slow"])

    assert ids(await polled(bench, changed(data, SHEET, 'ref="A1:B2"', 'ref="A1"'))) == ["1"]


async def test_what_openpyxl_cannot_keep_is_no_concern_of_ours(bench: Bench) -> None:
    choices = '<extLst><ext uri="{CCE6A557-97BC-4b89-ADB6-D9C93CAAB3DF}"/></extLst></worksheet>'
    data = changed(workbook(["id", "text"], ["1", "Slow"]), SHEET, "</worksheet>", choices)
    batch = await polled(bench, data)

    assert (ids(batch), batch.note) == (["1"], "")


# bounds


def bomb() -> bytes:
    held = io.BytesIO(workbook(["id", "text"], ["1", "Slow"]))
    with zipfile.ZipFile(held, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.bin", bytes(sheets.UNPACKED))
    return held.getvalue()


async def test_a_workbook_that_unpacks_to_too_much_is_refused_unread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "_opened", None)
    data = bomb()

    assert len(data) < LARGEST / 100
    assert (await polled(bench, data)).note == "a.xlsx: unpacks to more than 50 MB; split it"


async def test_a_part_that_unpacks_to_more_than_it_states_is_broken(bench: Bench) -> None:
    data = workbook(["id", "text"], *([str(n), "Slow"] for n in range(100)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.getinfo(SHEET).file_size.to_bytes(4, "little")

    assert (await polled(bench, data.replace(size, (100).to_bytes(4, "little")))).note == f"a.xlsx: {BROKEN}"


async def test_a_million_rows_are_refused_as_soon_as_they_are_too_many(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    monkeypatch.setattr(sheets, "ROWS", 3)
    monkeypatch.setattr(sheets, "_row", lambda headers, line, columns: read.append(line.number) or Row(1, {}))
    batch = await polled(bench, workbook(["id", "text"], *([str(n), "Slow"] for n in range(100))))

    assert (batch.mentions, batch.note) == ([], "a.xlsx: has more than 3 rows; split it")
    assert read == [2, 3, 4, 5]


async def test_a_long_text_in_many_cells_is_counted_in_each(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "TEXT", 1_000)
    rows = [["id", "text", "note"], *([str(n), "Slow", "x" * 99] for n in range(10))]
    batch = await polled(bench, workbook(*rows))

    assert (batch.mentions, batch.note) == ([], "a.xlsx: has more than 1,000 characters; split it")


@pytest.mark.parametrize("number", [2_000, 10**15])
async def test_a_cell_far_below_the_table_ends_the_sheet_at_its_tallest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(sheets, "TALLEST", 1_000)
    data = changed(workbook(["id", "text"], ["1", "Slow"], ["2", "Bad"]), SHEET, '<row r="3">', f'<row r="{number}">')

    assert ids(await polled(bench, data)) == ["1"]


async def test_a_column_far_to_the_right_is_not_looked_at(bench: Bench) -> None:
    book = book_of({"Reviews": [["id", "text"], ["1", "Slow"]]})
    book.worksheets[0]["XFD2"] = "far"

    assert ids(await polled(bench, saved(book))) == ["1"]


async def test_one_sheet_named_ten_thousand_times_is_given_up(bench: Bench) -> None:
    noise = random.Random(1).randbytes(60_000).hex()
    data = workbook(["id", "text"], *([noise[i : i + 20_000]] for i in range(0, len(noise), 20_000)))
    named = re.search("<sheets>(.*)</sheets>", parts_of(data)["xl/workbook.xml"].decode())
    assert named
    many = "".join(named[1].replace("Reviews", f"R{n}") for n in range(10_000))

    assert (await polled(bench, changed(data, "xl/workbook.xml", named[1], many))).note == (
        "a.xlsx: has far too many sheets; save the one with the mentions as a file of its own"
    )


async def test_entities_that_unfold_into_gigabytes_are_not_unfolded(bench: Bench) -> None:
    grown = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 9))
    data = workbook(["id", "text"], ["1", "Slow"])
    data = changed(data, SHEET, "<worksheet", f'<!DOCTYPE worksheet [<!ENTITY e0 "Slow">{grown}]><worksheet')

    assert (await polled(bench, changed(data, SHEET, "<t>Slow</t>", "<t>&e8;</t>"))).note == f"a.xlsx: {BROKEN}"


async def test_no_file_of_the_desks_machine_comes_in_by_an_entity(bench: Bench) -> None:
    kept = bench.path / "secret.txt"
    kept.write_text("hush", encoding="utf-8")
    data = workbook(["id", "text"], ["1", "Slow"])
    data = changed(data, SHEET, "<worksheet", f'<!DOCTYPE worksheet [<!ENTITY e SYSTEM "{kept.as_uri()}">]><worksheet')
    batch = await polled(bench, changed(data, SHEET, "<t>Slow</t>", "<t>&e;</t>"))

    assert batch.mentions == []
    assert batch.note.startswith("a.xlsx: ")


def without(part: str) -> bytes:
    parts = parts_of(workbook(["id", "text"], ["1", "Slow"]))
    return packed({name: data for name, data in parts.items() if name != part})


def unreadable() -> dict[str, tuple[bytes, str]]:
    whole = workbook(["id", "text"], ["1", "Slow"])
    return {
        "locked": (
            sheets.LOCKED + bytes(504),
            "is protected by a password, or an old .xls; save it as .xlsx without a password",
        ),
        "empty": (b"", BROKEN),
        "a page": (b"<html><table><tr><td>text</td></tr></table></html>", BROKEN),
        "cut": (whole[: len(whole) // 2], BROKEN),
        "no workbook in it": (without("xl/workbook.xml"), BROKEN),
        "no list of parts": (without("[Content_Types].xml"), BROKEN),
        "no XML": (changed(whole, SHEET, "<sheetData>", "<sheetData"), BROKEN),
        "a number that is none": (changed(whole, SHEET, "</row>", "<c><v>1.2.3</v></c></row>"), BROKEN),
    }


@pytest.mark.parametrize(("data", "fault"), unreadable().values(), ids=unreadable())
async def test_a_workbook_that_cannot_be_read_is_named_once_and_the_folder_goes_on(
    bench: Bench, data: bytes, fault: str
) -> None:
    bench.drop("b.csv", "id,text", "1,Slow")
    first = await polled(bench, data)
    second = await bench.poll(first.cursor)

    assert (ids(first), first.note) == (["1"], f"a.xlsx: {fault}")
    assert (second.mentions, second.note) == ([], "")


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=5))
def test_a_damaged_workbook_is_read_or_refused(damages: list[tuple[int, bytes]]) -> None:
    data = bytearray(workbook(["id", "text"], ["1", "Slow"]))
    for place, noise in damages:
        data[place % len(data) : place % len(data) + len(noise)] = noise
    with suppress(Unreadable):
        assert isinstance(sheets.sheet(bytes(data), Columns.named({}), None), Table)


# over several polls


async def test_a_workbook_is_parsed_once_for_all_the_polls_it_is_brought_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    monkeypatch.setattr(csv_folder, "ROWS", 2)
    monkeypatch.setitem(files.READERS, ".xlsx", lambda *given: parsed.append(1) or sheets.sheet(*given))
    rows = [["id", "text"], *([n, "Slow"] for n in range(5))]
    bench.drop_bytes("a.xlsx", saved(book_of({"New": rows, "Old": rows})))
    batches = [await bench.poll()]
    for _ in range(3):
        batches.append(await bench.poll(batches[-1].cursor))

    assert [ids(batch) for batch in batches] == [["0", "1"], ["2", "3"], ["4"], []]
    assert [batch.note for batch in batches] == ["a.xlsx: only the sheet New was read, not Old", "", "", ""]
    assert len(parsed) == 1


async def test_a_desk_that_starts_anew_goes_on_in_the_middle_of_a_workbook(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_folder, "ROWS", 2)
    first = await polled(bench, workbook(["id", "text"], *([n, "Slow"] for n in range(3))))
    bench.opens()

    assert ids(await bench.poll(first.cursor)) == ["2"]


async def test_another_workbook_under_the_same_name_is_read_from_its_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_folder, "ROWS", 2)
    first = await polled(bench, workbook(["id", "text"], *([n, "Slow"] for n in range(3))))
    bench.drop_bytes("a.xlsx", workbook(["id", "text"], *([n, "Slow"] for n in range(7, 10))))

    assert ids(await bench.poll(first.cursor)) == ["7", "8"]


def test_a_desk_that_reads_no_workbook_never_loads_openpyxl(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,Slow\n", encoding="utf-8")
    os.utime(tmp_path / "a.csv", (0, 0))
    program = (
        "import asyncio, json, sys, pathlib; from datetime import UTC, datetime\n"
        "from collectors.csv_folder import Folder, Settings\n"
        "folder = Folder(Settings(path=pathlib.Path(sys.argv[1])), 'b', 's', lambda: datetime.now(UTC))\n"
        "batch = asyncio.run(folder.read(None, datetime.now(UTC)))\n"
        "print(json.dumps([len(batch.mentions), 'openpyxl' in sys.modules]))"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)

    assert json.loads(run.stdout) == [1, False]
