"""What a file gives before anybody knows what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Row(NamedTuple):
    """`fault`: why it is none."""

    line: int
    cells: Mapping[str, Any]
    fault: str = ""


class Table(NamedTuple):
    """`note`: on what of the file was left out. `called`: what a person calls one of its rows."""

    rows: Sequence[Row]
    note: str = ""
    called: str = "line"


class Unreadable(Exception):
    """A file that gives no rows; the text says what to do."""
