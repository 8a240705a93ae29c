"""What becomes of two pieces of work with one merge_key: the earlier one, hastened, with the other's items."""

from __future__ import annotations

from datetime import datetime
from typing import Any


def merged(kept: Any, other: Any) -> dict[str, Any]:
    """Columns of the row `kept` that change when `other`, a row or a Work, is merged into it."""
    payload = dict(kept.payload)
    if kept.merge == "extend":
        payload["items"] = [*payload.get("items", []), *other.payload.get("items", [])]
    return {
        "payload": payload,
        "prio": min(kept.prio, other.prio),
        "deadline": _earlier(kept.deadline, other.deadline),
    }


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    known = [moment for moment in (one, other) if moment is not None]
    return min(known, default=None)
