"""Columns as fields of a mention: headers by their names in the settings, cells in the forms a webhook's body has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from collectors.webhook import Parent, Pushed, PushedAuthor

NESTED = {
    "author": ("author", "name"),
    "parent": ("parent", "id"),
    "place": ("place", "id"),
    **{f"author_{part}": ("author", part) for part in PushedAuthor.model_fields},
    **{f"parent_{part}": ("parent", part) for part in Parent.model_fields},
    "place_id": ("place", "id"),
}
"""A column's name to the field inside a field."""
FIELDS = {*Pushed.model_fields, *NESTED}
NEEDED = {"text", "rating", "deleted"}


@dataclass(frozen=True, slots=True)
class Columns:
    """`ours`: a header in small letters to our field, where they differ."""

    ours: Mapping[str, str]

    @classmethod
    def named(cls, theirs: Mapping[str, str]) -> Columns:
        """From the settings: our field to their header."""
        return cls({header.strip().casefold(): field for field, header in theirs.items()})

    def field(self, header: str) -> str:
        said = header.strip().casefold()
        return self.ours.get(said, said)

    def suffice(self, headers: Iterable[str]) -> bool:
        """Whether rows under these headers may be mentions."""
        return any(self.field(header) in NEEDED for header in headers)

    def are_ids(self, header: str) -> bool:
        field = self.field(header)
        return NESTED.get(field, (field,))[-1] == "id"

    def filled(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """The cells that say something, by our fields."""
        filled: dict[str, Any] = {}
        for header, value in cells.items():
            name = self.field(header)
            said = value.strip() if isinstance(value, str) else value
            if said in (None, ""):
                continue
            if name in NESTED and not isinstance(said, dict):
                whole, part = NESTED[name]
                filled[whole] = {**filled.get(whole, {}), part: said}
            else:
                filled[name] = FORMS[name](said) if name in FORMS and isinstance(said, str) else said
        return filled


def _stars(given: str) -> Any:
    """`4,0` and `4.6` as whole stars; anything else is left to be refused."""
    try:
        return int(float(given.replace(",", ".")) + 0.5)
    except (ValueError, OverflowError):
        return given


FORMS: dict[str, Callable[[str], Any]] = {"rating": _stars, "media": re.compile(r"[\s;|]+").split, "kind": str.lower}
"""What a cell of a table is made into; JSON has its own forms."""
