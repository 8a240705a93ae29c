"""Records as a platform promises them: one that is not so harms only itself."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from desk.errors import BadAnswer

QUOTED = 300
"""Letters of what another side says that are repeated."""

FIELD = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
"""A field's name; what is a key and yet looks otherwise may be somebody's number or name."""

log = logging.getLogger("replydesk.collectors")

M = TypeVar("M", bound=BaseModel)


def first_fault(error: ValidationError) -> str:
    """`field: what is wrong`, without the value: it may be a secret."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    said = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def readable(raw: list[Any], shape: type[M], title: str, *, searched: bool = False) -> tuple[list[M], str]:
    """Records that are as promised, and a note on those that are not: one bad record harms only itself, also where it
    is the only one.

    Raises BadAnswer when none of several is readable. `searched`: something is looked for among them, and must not be
    called gone; then a single one is enough.
    """
    good, faults = [], []
    for record in raw:
        try:
            good.append(shape.model_validate(record))
        except ValidationError as error:
            faults.append(first_fault(error))
            _log_once(title, faults[-1], _kinds(record))
    if faults and not good and (searched or len(raw) > 1):
        raise BadAnswer(f"{title}: answered something else than its papers say: {faults[0]}")
    if not faults:
        return good, ""
    return good, f"{title}: {len(faults)} of {len(raw)} records cannot be read ({faults[0]})"


@lru_cache(maxsize=256)
def _log_once(title: str, fault: str, kinds: str) -> None:
    """For whoever mends the reading. A poll meets the same record for days: one line is enough."""
    log.warning("%s: a record cannot be read (%s); it holds %s", title, fault, kinds)


def _kinds(record: Any, depth: int = 2) -> str:
    """What a record is made of, without what it says: that may be about people. Names of fields are the platform's."""
    if not isinstance(record, dict) or not depth:
        return type(record).__name__
    named = (f"{key}: {_kinds(value, depth - 1)}" for key, value in record.items() if FIELD.fullmatch(str(key)))
    return f"{{{', '.join(named)}}}"[:QUOTED]
