"""Excel's workbooks (.xlsx) to rows: the first sheet in sight that has the columns, within bounds."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from collectors.csv_folder.columns import FIELDS, Columns
from collectors.csv_folder.rows import Row, Table, Unreadable

if TYPE_CHECKING:
    from openpyxl.workbook.workbook import Workbook, _WorksheetLike

MEGABYTE = 1024 * 1024
UNPACKED = 50 * MEGABYTE
"""Of the archive that a workbook is, all its parts together."""
TEXT = 10_000_000
"""Characters in all cells: one long text may stand in many cells, and takes no room in the file but once."""
ROWS = 20_000
TALLEST, WIDEST = 1_048_576, 500
"""Rows that Excel knows of, and columns that are looked at."""
TITLES = 10
"""Rows among which the headers are sought: reports have a title above their table."""
DIGITS = 15
"""Digits that spreadsheets keep of a number; those after them become zeros."""
LOCKED = bytes.fromhex("d0cf11e0a1b11ae1")
"""How files begin that hold a password-protected workbook, and those of Excel before 2007."""
ERRORS = {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#SPILL!", "#CALC!"}
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
"""How a cell has characters that XML does not take: _x000D_ for a carriage return."""


class Line(NamedTuple):
    """A row in which something stands."""

    number: int
    values: tuple[Any, ...]

    @property
    def headers(self) -> dict[int, str]:
        """By their places."""
        named = {place: _said(value).strip() for place, value in enumerate(self.values) if value is not None}
        return {place: header for place, header in named.items() if header}


class Archive(io.BytesIO):
    """Bytes that may be read a few times over and no more: a workbook may name one sheet ten thousand times."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = 4 * len(data) + MEGABYTE

    def read(self, size: int | None = -1, /) -> bytes:
        taken = super().read(size)
        self._left -= len(taken)
        if self._left < 0:
            raise Unreadable("has far too many sheets; save the one with the mentions as a file of its own")
        return taken


def sheet(data: bytes, columns: Columns, separator: str | None) -> Table:
    if data.startswith(LOCKED):
        raise Unreadable("is protected by a password, or an old .xls; save it as .xlsx without a password")
    try:
        _check_size(data)
        with closing(_opened(data)) as book:
            return _chosen(book, columns)
    except Unreadable:
        raise
    except Exception as error:  # openpyxl says of a broken file whatever it stumbles over
        raise Unreadable("is broken, or no .xlsx; open it in a spreadsheet program and save it anew") from error


def _check_size(data: bytes) -> None:
    """zipfile unpacks no more of a part than is stated of it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > UNPACKED:
        raise Unreadable(f"unpacks to more than {UNPACKED // MEGABYTE} MB; split it")


def _opened(data: bytes) -> Workbook:
    # Here, because it is slow to import and most desks read no workbook.
    from openpyxl import load_workbook

    # It warns of all that it would not write again (drawings, lists of choices); nothing is written here.
    warnings.filterwarnings("ignore", module=r"openpyxl\.")
    return load_workbook(Archive(data), read_only=True, data_only=True, keep_links=False)


def _chosen(book: Workbook, columns: Columns) -> Table:
    tops = {one.title: (one, [*islice(_lines(one), TITLES)]) for one in book.worksheets if one.sheet_state == "visible"}
    heads = {title: head for title, (_, top) in tops.items() if (head := _head(top, columns))}
    if not heads:
        _refuse({title: top[0] for title, (_, top) in tops.items() if top})
        return Table([])
    title, *others = heads
    head = heads[title]
    below = (line for line in _lines(tops[title][0]) if line.number > head.number)
    rows = [*_bounded(_row(head.headers, line, columns) for line in below)]
    return Table(rows, f"only the sheet {title} was read, not {', '.join(others)[:200]}" if others else "", "row")


def _head(top: Sequence[Line], columns: Columns) -> Line | None:
    return next((line for line in top if columns.suffice(line.headers.values())), None)


def _refuse(firsts: Mapping[str, Line]) -> None:
    """Where something stands in a sheet and none has the columns."""
    found = "; ".join(f"{title} has {', '.join(line.headers.values())}" for title, line in firsts.items())
    if found:
        raise Unreadable(f"no sheet has a column named text or rating; name them in columns ({found[:200]})")


def _lines(sheet: _WorksheetLike) -> Iterator[Line]:
    # The bounds are ours, because some programs state A1 whatever there is.
    for number, values in enumerate(sheet.iter_rows(max_row=TALLEST, max_col=WIDEST, values_only=True), 1):
        # Counted first, because a column that was coloured to its end is a million rows with nothing in them.
        if values.count(None) < len(values) and any(_said(value).strip() for value in values if value is not None):
            yield Line(number, values)


def _bounded(rows: Iterable[Row]) -> Iterator[Row]:
    room = TEXT
    for count, row in enumerate(rows, 1):
        room -= sum(map(len, row.cells.values()))
        if count > ROWS:
            raise Unreadable(f"has more than {ROWS:,} rows; split it")
        if room < 0:
            raise Unreadable(f"has more than {TEXT:,} characters; split it")
        yield row


def _row(headers: Mapping[int, str], line: Line, columns: Columns) -> Row:
    given = {header: line.values[place] for place, header in headers.items() if line.values[place] is not None}
    fault = next((fault for header, value in given.items() if (fault := _fault(header, value, columns))), "")
    return Row(line.number, {} if fault else {header: _said(value) for header, value in given.items()}, fault)


def _fault(header: str, value: Any, columns: Columns) -> str:
    """Why a cell does not say what was meant."""
    if value in ERRORS and columns.field(header) in FIELDS:
        return f"{header}: the formula gives {value}"
    if columns.are_ids(header) and _is_rounded(value):
        return f"{header}: the last digits of a long number are lost; write the column as text"
    return ""


def _is_rounded(value: Any) -> bool:
    """Whole numbers that a program wrote in full are still as they were."""
    if isinstance(value, float):
        return abs(value) >= float(10**DIGITS)
    digits = str(value) if isinstance(value, int) else ""
    return len(digits) > DIGITS and not digits[DIGITS:].strip("0")


def _said(value: Any) -> str:
    """A cell as somebody would have typed it into a .csv."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.{DIGITS}g}"
    if isinstance(value, datetime):
        # Cells know no day without a time: midnight is what a mere day is stored as.
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), str(value))
