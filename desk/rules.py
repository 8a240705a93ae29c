"""What is agreed with a client about one brand: who, where, how fast, in which steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple

from desk.mention import Mention
from desk.people import Person, Side
from desk.platform import PlatformCard


class Step(NamedTuple):
    """`need` of `who` must approve; `who` are people's keys."""

    who: tuple[str, ...]
    need: int = 1


class Sla(NamedTuple):
    """Counted from publication by the wall clock; `warn_at` in percent of `target`."""

    target: timedelta = timedelta(minutes=90)
    limit: timedelta = timedelta(hours=24)
    warn_at: tuple[int, ...] = (50, 75, 90)


@dataclass(frozen=True, slots=True)
class Rules:
    """`card`: of the platform a mention came by. `site`: that of the site it stands on, None where it is not known.
    `screenshots`: whether a picture is taken of each page that a case is about."""

    client: str
    client_name: str
    brand: str
    brand_name: str
    staff_room: str
    client_room: str
    card: PlatformCard
    people: tuple[Person, ...] = ()
    steps: tuple[Step, ...] = ()
    sla: Sla = field(default_factory=Sla)
    undo: timedelta = timedelta(seconds=60)
    staff_lang: str = "en"
    client_lang: str = "en"
    timezone: str = "UTC"
    leads_room: str = ""
    posting: bool = True
    ai: bool = False
    account: str = ""
    screenshots: bool = False
    site: Callable[[Mention], PlatformCard | None] = lambda mention: None

    def at(self, mention: Mention) -> Rules:
        """Where a person posts the reply, the limits are those of the site, whoever brought the mention."""
        card = None if self.card.can_reply else self.site(mention)
        return self if card is None else replace(self, card=card)

    def room(self, side: Side) -> str:
        return self.staff_room if side == "staff" else self.client_room

    def lang(self, side: Side) -> str:
        return self.staff_lang if side == "staff" else self.client_lang

    def zone(self, side: Side) -> str:
        return self.timezone

    def person(self, key: str | None) -> Person | None:
        return next((p for p in self.people if p.key == key), None)

    def of_role(self, *roles: str) -> tuple[Person, ...]:
        return tuple(p for p in self.people if p.role in roles and p.serves(self.client))

    @property
    def approval(self) -> tuple[Step, ...]:
        """The steps in force: those configured, else any one approver of the client."""
        return self.steps or (Step(tuple(p.key for p in self.of_role("approver"))),)
