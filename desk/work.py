"""Work to be done, as data: what the engine keeps and runs (engine.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Literal


class Prio(IntEnum):
    """Who goes first to a destination. A person's press overtakes the backlog; cosmetics give up first.

    PERSON and SUMMARY may use a destination's whole burst, TAKEN and ALARM half of it, the rest its pace alone.
    TAKEN: the card of a case that was taken before it had one. OPENED: what belongs into a thread that stands empty.
    MENTION: what comes in, behind what those before it are waiting for.
    NOW: a transaction during which somebody looks at a button; no row has it.
    """

    NOW = -1
    PERSON = 0
    SUMMARY = 5
    TAKEN = 8
    ALARM = 10
    NEWS = 15
    OPENED = 18
    CARD = 20
    MENTION = 25
    DIGEST = 30
    COSMETIC = 40


Merge = Literal["keep", "extend"]


@dataclass(frozen=True, slots=True)
class Work:
    """One row to insert.

    `lane`: rows of a lane run one after another, in order of insertion. `dest`: a rate-limited destination, "": none.
    `idem`: a second insert with the same one is dropped. `merge_key`: while a row with it is ready, a new one is
    merged into it: "keep" leaves its payload, "extend" appends to payload["items"]; the higher priority wins
    and the earlier run_at, save where the other side named one and nobody waits. `group`: what is cancelled together.
    """

    kind: str
    payload: dict[str, Any] = field(default_factory=dict)
    lane: str = ""
    dest: str = ""
    idem: str | None = None
    merge_key: str | None = None
    merge: Merge = "keep"
    group: str = ""
    prio: int = Prio.CARD
    deadline: datetime | None = None
    run_at: datetime | None = None
    v: int = 1
    max_attempts: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A claimed row as its runner sees it. `sending`: an earlier attempt may have taken effect."""

    id: int
    kind: str
    v: int
    payload: dict[str, Any]
    lane: str
    dest: str
    attempts: int
    max_attempts: int
    sending: bool
    created_at: datetime
    idem: str | None = None
    external_id: str = ""
    sent_at: datetime | None = None
    prio: int = Prio.CARD


LEASES: dict[str, timedelta] = {
    "effect": timedelta(seconds=60),
    "ai": timedelta(seconds=120),
    "plain": timedelta(seconds=10),
}
"""Engine.md: leases by sort of work; renewed at a third."""
