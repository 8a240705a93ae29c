"""How long another side asks us to wait."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def _seconds(value: str, _now: datetime) -> float | None:
    return float(value) if re.fullmatch(r"\d{1,9}(\.\d+)?", value) else None


def _http_date(value: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, IndexError):
        return None
    return (at.astimezone(UTC) - now).total_seconds() if at.tzinfo else None


def _iso(value: str, now: datetime) -> float | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (at - now).total_seconds() if at.tzinfo else None


def _unix(value: str, now: datetime) -> float | None:
    return float(value) - now.timestamp() if re.fullmatch(r"\d{10}(\.\d+)?", value) else None


WAITS: dict[str, tuple[Callable[[str, datetime], float | None], ...]] = {
    "retry-after": (_seconds, _http_date),
    "ratelimit-reset": (_unix, _seconds, _iso),
    "x-ratelimit-reset": (_unix, _seconds, _iso),
    "x-rate-limit-reset": (_unix, _seconds, _iso),
    "x-ratelimit-retry": (_seconds,),
    "x-ratelimit-resource-until": (_http_date,),
}
"""Header to its readings, in order: vendors disagree on seconds, Unix time and ISO time (western.md §16)."""


def wait_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the other side asks us to wait; None where it names no time."""
    for name, readings in WAITS.items():
        for reading in readings:
            wait = reading(headers.get(name, "").strip(), now)
            if wait is not None:
                return max(wait, 0.0)
    return None
