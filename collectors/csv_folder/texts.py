"""Files of text to rows: tables (.csv) and JSON lines (.jsonl)."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import NoReturn

from collectors.csv_folder.columns import Columns
from collectors.csv_folder.rows import Row, Table, Unreadable

SEPARATORS = ",;\t|"
FAULT = "\ufffd"
BEYOND = re.compile(r"[^\x00-\x7f]+")


def separated(data: bytes, columns: Columns, separator: str | None) -> Table:
    text = _decoded(data)
    return _checked(_cells(text, separator or guessed(text)), columns)


def json_lines(data: bytes, columns: Columns, separator: str | None) -> Table:
    return _checked(_objects(_decoded(data)), columns)


def _decoded(data: bytes) -> str:
    """Excel's "Unicode text" is UTF-16 and says so; its plain .csv is in the code page of the country."""
    encodings = ("utf-16",) if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ("utf-8-sig", "cp1251")
    if len(encodings) > 1 and (mended := _mended(data)) is not None:
        return mended
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable("neither UTF-8 nor windows-1251; save it as UTF-8")


def _mended(data: bytes) -> str | None:
    """UTF-8, even where a program cut a text in the middle of a letter. In the code page of a country nearly every
    letter beyond ASCII would be such a fault."""
    text = data.decode("utf-8-sig", "replace")
    faults = text.count(FAULT)
    beyond = sum(map(len, BEYOND.findall(text))) if faults else 0
    return text if faults * 10 <= beyond - faults else None


def _checked(found: Iterable[Row], columns: Columns) -> Table:
    rows = [*found]
    cells = [row.cells for row in rows if row.cells]
    if cells and not any(columns.suffice(one) for one in cells):
        headers = ", ".join(cells[0])[:200]
        raise Unreadable(f"no column is named text or rating; name them in columns (it has {headers})")
    return Table(rows)


def _cells(text: str, separator: str) -> Iterator[Row]:
    # Strict, because a quote left open would otherwise swallow the rows after it without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, {}, str(error))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = cells
        elif any(cells[len(header) :]):
            yield Row(line, {}, f"{len(cells)} cells, but {len(header)} headers: is a text not in quotes?")
        else:
            yield Row(line, dict(zip(header, cells, strict=False)))


def guessed(text: str) -> str:
    """By the headers, as texts below them hold separators of their own: the most frequent, or what the sniffer says."""
    headers = next((line for line in text.splitlines() if line.strip()), "")
    try:
        sniffed = csv.Sniffer().sniff(headers, delimiters=SEPARATORS).delimiter
    except csv.Error:
        sniffed = SEPARATORS[0]
    return max(SEPARATORS, key=lambda one: (headers.count(one), one == sniffed))


def _objects(text: str) -> Iterator[Row]:
    # Not splitlines(): U+2028 may stand inside a JSON text.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, parse_constant=_no_constant, parse_float=_bounded)
        except (ValueError, RecursionError):
            yield Row(number, {}, "is not JSON")
            continue
        yield Row(number, found) if isinstance(found, dict) else Row(number, {}, "is not a JSON object")


def _bounded(number: str) -> float:
    """No database takes an infinity in its JSON."""
    if math.isinf(found := float(number)):
        raise ValueError(f"{number} is out of range")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
