"""Tables of figures."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence


def machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown, the first column to the left."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    rule = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
    return "\n".join(_line(cells, widths) for cells in (head, rule, *rows))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    return " | ".join(["| " + first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)]) + " |"


def at_percent(seconds: Sequence[float], percent: int) -> float:
    """The value below which so many of a hundred lie; 100: the worst."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(what: str, seconds: Sequence[float]) -> list[str]:
    """A row: how many, median, 95th of a hundred, worst."""
    shown = (statistics.median(seconds), at_percent(seconds, 95), max(seconds))
    return [what, str(len(seconds)), *(f"{value * 1000:.0f} ms" for value in shown)]


SPREAD = ("", "samples", "median", "95 %", "worst")
