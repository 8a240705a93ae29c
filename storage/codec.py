"""Domain values as JSON and back: aggregates by their types, the journal of calls by names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter

from desk.case import Case
from desk.mention import Mention
from desk.ports import Heard

CASE: TypeAdapter[Case] = TypeAdapter(Case)
MENTION: TypeAdapter[Mention] = TypeAdapter(Mention)
HEARD: TypeAdapter[Heard] = TypeAdapter(Heard)

TAG = "$"


def pack(value: Any) -> Any:
    """JSON for a value made of plain types and desk's own dataclasses, tuples and enums, whole and exact.

    Raises TypeError for anything else: what cannot be written down cannot be found again after a crash.
    """
    if value is None or type(value) in (str, int, float, bool):
        return value
    if type(value) is list:
        return [pack(item) for item in value]
    if type(value) is dict and TAG not in value and all(type(key) is str for key in value):
        return {key: pack(item) for key, item in value.items()}
    name, inside = _tagged(value)
    return {TAG: name, "v": inside}


def _tagged(value: Any) -> tuple[str, Any]:
    if isinstance(value, datetime):
        return "at", value.isoformat()
    if isinstance(value, timedelta):
        return "span", value.total_seconds()
    if type(value) in (tuple, frozenset):
        return type(value).__name__, [pack(item) for item in value]
    return _named(value)


def _named(value: Any) -> tuple[str, Any]:
    cls = type(value)
    if not cls.__module__.startswith("desk."):
        raise TypeError(f"{cls.__module__}.{cls.__qualname__} cannot be written down: {value!r}")
    name = f"{cls.__module__}:{cls.__qualname__}"
    if isinstance(value, Enum):
        return name, value.value
    return name, {field: pack(getattr(value, field)) for field in _fields(cls)}


def _fields(cls: type) -> tuple[str, ...]:
    if is_dataclass(cls):
        return tuple(f.name for f in fields(cls))
    return tuple(getattr(cls, "_fields", ()))


_SIMPLE: dict[str, Callable[[Any], Any]] = {
    "at": datetime.fromisoformat,
    "span": lambda seconds: timedelta(seconds=seconds),
    "tuple": lambda items: tuple(unpack(item) for item in items),
    "frozenset": lambda items: frozenset(unpack(item) for item in items),
}


def unpack(value: Any) -> Any:
    """The inverse of `pack`. Fields a class no longer has are left out, so that a row outlives an upgrade."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {key: unpack(item) for key, item in value.items()}
    name, inside = value[TAG], value["v"]
    return _SIMPLE[name](inside) if name in _SIMPLE else _rebuild(name, inside)


def _rebuild(name: str, inside: Any) -> Any:
    module, _, path = name.partition(":")
    if not module.startswith("desk."):
        raise ValueError(f"not one of the desk's own types: {name}")
    cls = getattr(import_module(module), path)
    if issubclass(cls, Enum):
        return cls(inside)
    known = _fields(cls)
    return cls(**{field: unpack(item) for field, item in inside.items() if field in known})
