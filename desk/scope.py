"""Whose cases a transaction may see and change. Storage builds no statement about a client's data without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from desk.people import Person
from desk.rules import Rules


@dataclass(frozen=True, slots=True)
class Scope:
    """Keys of brands; None: those of every client, for the reason `why`. Made by `of` and `everything` alone."""

    brands: frozenset[str] | None
    why: str = ""

    @classmethod
    def of(cls, brands: Iterable[str]) -> Scope:
        return cls(frozenset(brands))

    @classmethod
    def everything(cls, why: str) -> Scope:
        """For the desk's own work and its operator, never for what a person asks. Raises ValueError."""
        if not why.strip():
            raise ValueError("say why every client's data is needed")
        return cls(None, why)

    def sees(self, brand: str) -> bool:
        return self.brands is None or brand in self.brands

    def both(self, brands: Iterable[str]) -> Scope:
        """No more than before, and of that only these."""
        return Scope.of(brand for brand in brands if self.sees(brand))


NOBODY = Scope.of(())
"""What somebody unknown may see."""


class Known(Protocol):
    """desk.ports.Directory, as far as scopes go."""

    def brands(self) -> list[Rules]: ...
    def brands_for(self, person: Person) -> list[str]: ...
    def brands_in(self, room: str) -> list[Rules]: ...


def of_person(directory: Known, who: Person | None) -> Scope:
    return NOBODY if who is None else Scope.of(directory.brands_for(who))


def in_room(directory: Known, who: Person | None, room: str) -> Scope:
    """What a person may be shown in a room: of their own brands, in a client's room that client's alone."""
    own = of_person(directory, who)
    here = [rules.brand for rules in directory.brands_in(room)]
    return own.both(here) if here else own


def configured(directory: Known) -> Scope:
    """What the configuration still names: work for a brand that left it comes to nothing."""
    return Scope.of(rules.brand for rules in directory.brands())
