"""Who works on cases, and what their role lets them press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["staff", "lead", "approver", "viewer"]
Side = Literal["staff", "client"]

AGENCY: frozenset[Role] = frozenset({"staff", "lead"})


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the configuration. `slack` is `team/user` or `user`; `clients` may be ("*",)."""

    key: str
    name: str
    role: Role
    clients: tuple[str, ...] = ()
    telegram: int | None = None
    slack: str = ""
    lang: str = ""

    def serves(self, client: str) -> bool:
        return "*" in self.clients or client in self.clients

    @property
    def of_agency(self) -> bool:
        return self.role in AGENCY
