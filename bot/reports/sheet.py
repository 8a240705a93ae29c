"""Rows as a workbook (.xlsx), written as they come. Texts stay texts: none is a formula, whatever it begins with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell

TALLEST = 1_048_576
"""Rows that Excel knows of in a sheet; what comes after them stands in the next one."""

UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""What XML does not take, and what would be read as the sign for it."""


class Book:
    """`guarded`: how texts begin that stay texts also when a person edits their cell."""

    def __init__(self, title: str, headers: Sequence[str], guarded: tuple[str, ...]) -> None:
        self._title = title
        self._headers = headers
        self._guarded = guarded
        self._book = Workbook(write_only=True)
        self._begin()

    def put(self, values: Sequence[Any]) -> None:
        if self._rows == TALLEST:
            self._sheet.close()
            self._begin()
        self._sheet.append([self._cell(value) for value in values])
        self._rows += 1

    def save(self, path: Path) -> None:
        self._book.save(path)

    def drop(self) -> None:
        """Close what it holds open; its temporary file goes when the program ends."""
        self._sheet.close()

    def _begin(self) -> None:
        number = len(self._book.worksheets) + 1
        self._sheet = self._book.create_sheet(self._title if number == 1 else f"{self._title} {number}")
        self._sheet.freeze_panes = "A2"
        self._sheet.append([*self._headers])
        self._rows = 1

    def _cell(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        cell: Cell = WriteOnlyCell(self._sheet, _writable(value))
        cell.data_type = "s"  # or what begins with = is a formula, and #N/A an error
        cell.quotePrefix = value.startswith(self._guarded)
        return cell


def _writable(text: str) -> str:
    """Half of an emoji becomes a question mark, as in the other forms."""
    return UNWRITABLE.sub(_escaped, text.encode("utf-8", "replace").decode())


def _escaped(found: re.Match[str]) -> str:
    return f"_x{ord(found[0]):04X}_"
