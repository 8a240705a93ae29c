"""The files of a folder: which are read, how much of them, and what reads them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from collectors.csv_folder.columns import Columns
from collectors.csv_folder.rows import Table, Unreadable
from collectors.csv_folder.sheets import sheet
from collectors.csv_folder.texts import json_lines, separated

LARGEST = 10 * 1024 * 1024

READERS: dict[str, Callable[[bytes, Columns, str | None], Table]] = {
    ".csv": separated,
    ".jsonl": json_lines,
    ".xlsx": sheet,
}
OTHERS = {".xls", ".ods"}
"""Tables too, but not read: it is told, lest somebody wait for them."""


def is_ours(path: Path) -> bool:
    """No hidden file, nor the lock (~$name) that office programs lay beside an open one."""
    known = path.suffix.lower() in {*READERS, *OTHERS}
    return known and not path.name.startswith((".", "~$")) and path.is_file()


def changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # moved away just now
        return 0


def content(path: Path, stat: os.stat_result) -> bytes:
    suffix = path.suffix.lower()
    if suffix in OTHERS:
        raise Unreadable(f"{suffix} is not read; save it as .xlsx or .csv (UTF-8)")
    if stat.st_size > LARGEST:
        raise Unreadable(f"larger than {LARGEST // 1024 // 1024} MB; split it")
    with path.open("rb") as file:
        return file.read(LARGEST)


def table(path: Path, data: bytes, columns: Columns, separator: str | None) -> Table:
    return READERS[path.suffix.lower()](data, columns, separator)
