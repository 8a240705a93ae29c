"""Reading config.toml: every fault at once, so a table that fails is still read as far as it goes."""

from __future__ import annotations

import copy
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast, get_args

from dotenv import dotenv_values
from pydantic import BaseModel, BeforeValidator, SecretStr, ValidationError, create_model
from pydantic.fields import FieldInfo

from bot.config.crosschecks import cross_check
from bot.config.durations import show_duration
from bot.config.faults import ConfigFaults, Faults, Where, report, suggestion
from bot.config.models import Config, Model, Source, SourceHead
from bot.config.values import Context, read_duration, read_proxy, read_secret
from collectors import PLATFORMS, known
from collectors.settings import CommonSettings, on_loopback
from desk.platform import PlatformCard


def load(path: str | Path, env: Mapping[str, str] | None = None) -> Config:
    """The configuration, whole and sound. `env` stands in for the process's own environment.

    Raises ConfigFaults with everything that is wrong.
    """
    path = Path(path)
    faults = Faults(str(path))
    raw = _toml(path, faults)
    variables = _environment(path, os.environ if env is None else env, faults)
    if raw is None:
        raise ConfigFaults(faults.found)
    folder = path.resolve().parent
    context = Context(path.name, folder, variables, _workspaces(raw), "telegram" in raw)
    config = cast(Config, _Reader(context, faults).table(Config, raw, Where()))
    cross_check(config, faults)
    if faults.found:
        raise ConfigFaults(faults.found)
    return config


def _toml(path: Path, faults: Faults) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read().decode("utf-8-sig"))
    except OSError as error:
        faults.add(
            Where("file"),
            f"cannot be read ({error.strerror})",
            "name it with --config, or begin with the config.toml of the repository",
        )
    except UnicodeDecodeError as error:
        faults.add(Where("file"), f"is not UTF-8 text (byte {error.start})", "save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        what, place = _toml_place(str(error))
        faults.add(Where(place), f"is not TOML: {what}", "correct this line; text stands in quotes")
    except RecursionError:
        faults.add(Where("file"), "is nested too deeply", "unwind the brackets")
    return None


def _toml_place(message: str) -> tuple[str, str]:
    """tomllib's sentence, and the line and column it ends in."""
    found = re.search(r" \(at (line \d+, column \d+|end of document)\)$", message)
    return (message[: found.start()], found[1]) if found else (message, "file")


def _environment(path: Path, env: Mapping[str, str], faults: Faults) -> dict[str, str]:
    """What the process has wins over .env."""
    beside = path.parent / ".env"
    try:
        kept = dotenv_values(beside, interpolate=False, encoding="utf-8-sig") if beside.is_file() else {}
    except (OSError, UnicodeDecodeError):
        faults.add(Where(".env"), "cannot be read as text", "save it as UTF-8, readable by the desk")
        kept = {}
    return {**{name: value for name, value in kept.items() if value is not None}, **env}


def _workspaces(raw: Mapping[str, Any]) -> tuple[str, ...]:
    tables = raw.get("slack", [])
    tables = tables if isinstance(tables, list) else [tables]
    keys = [one.get("key", "main") for one in tables if isinstance(one, dict)]
    return tuple(key for key in keys if isinstance(key, str))


class _Table(NamedTuple):
    model: type[Model]
    many: bool
    optional: bool


@cache
def _tables(model: type[BaseModel]) -> dict[str, _Table]:
    """Fields of a model that are tables themselves."""
    found = {}
    for name, field in model.model_fields.items():
        shapes = _shapes(field)
        inner = next((one for one in shapes if isinstance(one, type) and issubclass(one, Model)), None)
        if inner is not None:
            found[name] = _Table(inner, many=Ellipsis in shapes, optional=type(None) in shapes)
    return found


def _shapes(field: FieldInfo) -> tuple[Any, ...]:
    """The type of a field and what it is made of."""
    return (field.annotation, *get_args(field.annotation))


@cache
def _relaxed(model: type[BaseModel]) -> type[BaseModel]:
    """The model with nothing required: what can be read of a faulty table, for the checks across tables."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        loose = copy.copy(field)
        if field.is_required():
            loose.default = None
        fields[name] = (field.annotation, loose)
    return create_model(f"{model.__name__}Read", __base__=model, **fields)


@dataclass(slots=True)
class _Reader:
    context: Context
    faults: Faults

    def table(self, model: type[BaseModel], raw: Mapping[str, Any], where: Where) -> BaseModel:
        """`raw` as `model`, innermost tables first. With faults reported, what could be read of it."""
        where = where.named(raw.get("key"))
        data = dict(raw)
        for name, table in _tables(model).items():
            if name in data:
                self._inner(data, name, table, where.at(name))
            elif not (table.many or table.optional):
                data[name] = self.table(table.model, {}, where.at(name))
        return self._validated(model, data, where)

    def _inner(self, data: dict[str, Any], name: str, table: _Table, where: Where) -> None:
        """Reads the tables under a key in place; what is no table is reported and taken out."""
        value, read = data.pop(name), self._source if table.model is Source else partial(self.table, table.model)
        dotted = re.sub(r"\[\d+\]", "", where.path)
        if table.many and isinstance(value, list):
            places = [(one, where.at(n)) for n, one in enumerate(value)]
            data[name] = [read(one, place) for one, place in places if self._is_table(one, place)]
        elif table.many:
            self.faults.add(where, "must be a list of tables", f"write [[{dotted}]] with two brackets")
        elif isinstance(value, dict):
            data[name] = read(value, where)
        else:
            self.faults.add(where, "must be a table", f"write [{dotted}] with one bracket, its keys below")

    def _is_table(self, value: Any, where: Where) -> bool:
        if not isinstance(value, dict):
            self.faults.add(where, "must be a table", "write its keys as key = value")
        return isinstance(value, dict)

    def _validated(
        self, model: type[BaseModel], data: dict[str, Any], where: Where, also: tuple[str, ...] = ()
    ) -> BaseModel:
        try:
            return model.model_validate(data, context=self.context)
        except ValidationError as error:
            report(self.faults, model, where, error, also)
            return self._as_far_as_it_goes(model, data)

    def _as_far_as_it_goes(self, model: type[BaseModel], data: Mapping[str, Any]) -> BaseModel:
        """What is left of a table without the keys that are at fault."""
        try:
            return _relaxed(model).model_validate(data, context=self.context)
        except ValidationError as error:
            bad = {one["loc"][0] for one in error.errors(include_input=False) if one["loc"]}
            good = {name: value for name, value in data.items() if name not in bad}
            return self._as_far_as_it_goes(model, good) if len(good) < len(data) else _relaxed(model).model_construct()

    # sources: their keys depend on the platform

    def _source(self, raw: Mapping[str, Any], where: Where) -> BaseModel:
        where = where.named(raw.get("key"))
        head = {name: raw[name] for name in SourceHead.model_fields if name in raw}
        platform = self._platform(self._validated(SourceHead, head, where), where.at("platform"))
        if platform is None:
            return self._as_far_as_it_goes(Source, head)
        given = {name: value for name, value in raw.items() if name not in head}
        settings = self._validated(_readable(PLATFORMS[platform].settings), given, where, tuple(head))
        every = self._every(PLATFORMS[platform].card, settings, where.at("every"))
        return self._validated(Source, {**head, "every": every, "settings": settings}, where)

    def _platform(self, head: BaseModel, where: Where) -> str | None:
        """The name of a platform that there is."""
        name = getattr(head, "platform", None)
        if name is None or known(name):
            return cast("str | None", name)
        self.faults.add(where, f'there is no platform "{name}"', suggestion(name, set(PLATFORMS), "platforms"))
        return None

    def _every(self, card: PlatformCard, settings: BaseModel, where: Where) -> timedelta:
        asked = getattr(settings, "every", None)
        if asked is None:
            return card.every
        floor = timedelta(seconds=1) if _is_local(settings) else card.floor
        if asked < floor:
            what = f"{show_duration(asked)} is below the floor of {card.title}"
            self.faults.add(where, what, f'write "{show_duration(floor)}" or more')
        return cast(timedelta, asked)


def _is_local(settings: BaseModel) -> bool:
    """Contract §3: no floor where the other side is this very machine."""
    address = getattr(settings, "api_base", None) or getattr(settings, "url", None)
    return isinstance(address, str) and on_loopback(address)


READERS: dict[type, Callable[..., Any]] = {SecretStr: read_secret, timedelta: read_duration}
BY_NAME: dict[str, Callable[..., Any]] = {"proxy": read_proxy}


@cache
def _readable(model: type[CommonSettings]) -> type[CommonSettings]:
    """A platform's settings, which know neither env: nor "5m", made to take them where they are typed so."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        reader = BY_NAME.get(name) or next((READERS[one] for one in _shapes(field) if one in READERS), None)
        if reader is not None:
            fields[name] = (Annotated[field.annotation, BeforeValidator(reader)], field)
    return create_model(model.__name__, __base__=model, **fields)
