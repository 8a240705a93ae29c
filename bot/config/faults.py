"""Faults of a configuration: gathered, never thrown one by one, and never quoting a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError


class Fault(NamedTuple):
    """`key` is a path such as clients[0].brands[1].name, `of` the keys of client, brand and source on it."""

    file: str
    key: str
    what: str
    mend: str
    of: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = f" ({' / '.join(self.of)})" if self.of else ""
        return f"{self.file}: {self.key}{named}: {self.what}; {self.mend}"

    def as_json(self) -> dict[str, Any]:
        return {**self._asdict(), "of": list(self.of)}


class ConfigFaults(Exception):
    """A configuration that cannot be used, with all that is wrong in it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = list(faults)
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the file. `names` are the keys of the tables on the way to it."""

    path: str = ""
    names: tuple[str, ...] = ()

    def at(self, *steps: str | int) -> Where:
        path = self.path
        for step in steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
        return Where(path, self.names)

    def named(self, key: object) -> Where:
        return Where(self.path, (*self.names, key)) if isinstance(key, str) and key else self


@dataclass(slots=True)
class Faults:
    """One fault a key: what follows from it is not reported besides."""

    file: str
    found: list[Fault] = field(default_factory=list)

    def add(self, where: Where, what: str, mend: str) -> None:
        if not self.has(where):
            self.found.append(Fault(self.file, where.path, what, mend, where.names))

    def has(self, where: Where) -> bool:
        """Whether this key, or one inside it, is at fault already."""
        inside = (f"{where.path}.", f"{where.path}[")
        return any(one.key == where.path or one.key.startswith(inside) for one in self.found)


def wrong(what: str, mend: str) -> PydanticCustomError:
    """What validators of bot.config raise: both halves of the sentence."""
    return PydanticCustomError("desk", "{what}; {mend}", {"what": what, "mend": mend})


def nearest(word: str, known: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(word, sorted(known), n=1, cutoff=0.6)), None)


def suggestion(word: str, known: Iterable[str], kind: str = "known keys") -> str:
    """How to mend an unknown word: the nearest known one, or all of them."""
    known = sorted(known)
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else f"{kind}: {', '.join(known) or 'none'}"


class Said(NamedTuple):
    """All that a sentence about one pydantic error may draw on."""

    error: Mapping[str, Any]
    field: FieldInfo | None

    @property
    def context(self) -> Mapping[str, Any]:
        context: Mapping[str, Any] = self.error.get("ctx", {})
        return context


def report(
    faults: Faults, model: type[BaseModel], where: Where, error: ValidationError, also: Iterable[str] = ()
) -> None:
    """Add each part of `error` in the desk's own words. `also` are keys known besides the model's fields."""
    for one in error.errors(include_url=False, include_input=False):
        place = where.at(*one["loc"])
        name = str(one["loc"][0]) if one["loc"] else ""
        if one["type"] == "extra_forbidden":
            faults.add(place, *_unknown(model, str(one["loc"][-1]), also))
            continue
        said = Said(one, model.model_fields.get(name))
        what, mend = SENTENCES.get(one["type"], _other)(said)
        faults.add(place, what, mend)


def _unknown(model: type[BaseModel], name: str, also: Iterable[str]) -> tuple[str, str]:
    if name in getattr(model, "later", ()):
        return "not built yet", "remove it"
    return "unknown key", suggestion(name, {*model.model_fields, *also})


def _ours(said: Said) -> tuple[str, str]:
    return said.context["what"], said.context["mend"]


def _other(said: Said) -> tuple[str, str]:
    text = str(said.error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:], _as_described(said)


def _is(what: str) -> Callable[[Said], tuple[str, str]]:
    return lambda said: (what.format(**said.context), _as_described(said))


def _as_described(said: Said) -> str:
    """The example beside the key, else what it is for: every key has the one or the other."""
    if said.field is None:
        return "correct it"
    if said.field.examples:
        return f"write it as {_toml(said.field.examples[0])}"
    return f"it is: {said.field.description or said.field.title}"


def _missing(said: Said) -> tuple[str, str]:
    about = (said.field and (said.field.description or said.field.title)) or "see docs/configuration.md"
    example = f", such as {_toml(said.field.examples[0])}" if said.field and said.field.examples else ""
    return "is required", f"add it: {about}{example}"


def _toml(value: object) -> str:
    """An example as one would type it."""
    shown = {True: "true", False: "false"}
    if isinstance(value, bool):
        return shown[value]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{k} = {_toml(v)}' for k, v in value.items())} }}"
    return f'"{value}"' if isinstance(value, str) else str(value)


SENTENCES: dict[str, Callable[[Said], tuple[str, str]]] = {
    "desk": _ours,
    "missing": _missing,
    "literal_error": _is("must be {expected}"),
    "greater_than_equal": _is("must be {ge} or more"),
    "greater_than": _is("must be more than {gt}"),
    "less_than_equal": _is("must be {le} or less"),
    "string_too_short": _is("must not be empty"),
    "too_short": _is("must not be empty"),
    "string_too_long": _is("must be at most {max_length} characters"),
    "string_pattern_mismatch": _is("has a form that is not allowed"),
    **dict.fromkeys(("string_type", "string_sub_type"), _is("must be text in quotes")),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _is("must be a whole number")),
    **dict.fromkeys(("bool_type", "bool_parsing"), _is("must be true or false, without quotes")),
    **dict.fromkeys(("tuple_type", "list_type"), _is("must be a list in [ ]")),
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _is("must be a table")),
}
