"""Times as exports write them: with a zone or without, or a day alone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

DOTTED = re.compile(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})")
SHORT_HOUR = re.compile(r"(?<=[ T])(\d):")


class When(NamedTuple):
    """`latest`: the last moment it may have been, where only the day is known."""

    at: datetime | None = None
    latest: datetime | None = None


def when(value: Any, zone: ZoneInfo | None) -> When:
    """ISO 8601, or days as 21.11.2026. Raises ValueError for other forms, and for a time that no zone is known of."""
    if value is None:
        return When()
    written = DOTTED.sub(lambda m: f"{m[3]}-{m[2]:0>2}-{m[1]:0>2}", str(value))
    try:
        return When(None, datetime.combine(date.fromisoformat(written), time.max, zone or UTC) + timedelta(days=1))
    except (ValueError, OverflowError):
        return _moment(SHORT_HOUR.sub(r"0\1:", written), zone)


def _moment(written: str, zone: ZoneInfo | None) -> When:
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise ValueError("published_at: must be a time such as 2026-11-22T08:15:00Z or 22.11.2026 08:15") from None
    if at.tzinfo is None and zone is None:
        raise ValueError("published_at: names no zone; set timezone in the source's settings")
    try:
        at = (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ValueError("published_at: is out of range") from None
    return When(at, at)
