"""The files of a folder: which are read, how much of them, and what reads them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from collectors.csv_folder.columns import Columns
from collectors.csv_folder.cursor import Seen
from collectors.csv_folder.rows import Table, Unreadable
from collectors.csv_folder.sheets import sheet
from collectors.csv_folder.texts import json_lines, separated

LARGEST = 10 * 1024 * 1024

READERS: dict[str, Callable[[bytes, Columns, str | None], Table]] = {
    ".csv": separated,
    ".jsonl": json_lines,
    ".xlsx": sheet,
}
GROWING = {".csv", ".jsonl"}
"""To which lines may be added below those that were read."""
OTHERS = {".xls", ".ods"}
"""Tables too, but not read: it is told, lest somebody wait for them."""


def is_ours(path: Path) -> bool:
    """No hidden file, nor the lock (~$name) that office programs lay beside an open one."""
    known = path.suffix.lower() in {*READERS, *OTHERS}
    return known and not path.name.startswith((".", "~$")) and path.is_file()


def named(path: Path) -> str:
    """Its name as text that can be stored: disks keep bytes, of whatever alphabet."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


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


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def resumed(path: Path, data: bytes, seen: Seen) -> int | None:
    """The row to go on at, None where all was brought. A file that was changed begins anew, unless it only grew: it may
    grow with every poll, and would never come to its end. Its last row may not have been whole."""
    if seen.sha == digest(data):
        return seen.taken
    grown = path.suffix.lower() in GROWING and 0 < seen.size < len(data) and seen.sha == digest(data[: seen.size])
    if not grown:
        return 0
    return max(seen.rows - 1, 0) if seen.taken is None else seen.taken


def table(path: Path, data: bytes, columns: Columns, separator: str | None) -> Table:
    return READERS[path.suffix.lower()](data, columns, separator)
