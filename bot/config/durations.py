"""Lengths of time as config.toml writes them: "90s", "60m", "24h", "7d"."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
LONGEST = timedelta(days=3650)
"""Nothing agreed with a client lasts ten years; more is a slip of the hand, and would leave the calendar."""

_SHAPE = re.compile(r"([0-9]{1,9})([smhd])")


def parse_duration(text: str) -> timedelta:
    """A whole number and one unit. Raises ValueError for anything else, and above LONGEST."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not a length of time')
    length = int(found[1]) * UNITS[found[2]]
    if length > LONGEST:
        raise ValueError(f'"{text}" is longer than {show_duration(LONGEST)}')
    return length


def show_duration(length: timedelta) -> str:
    """The shortest way to write `length` (whole seconds, not negative); parse_duration reads it back."""
    unit = next((name for name, one in UNITS.items() if length and not length % one), "s")
    return f"{length // UNITS[unit]}{unit}"
