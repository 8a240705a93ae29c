"""Small checks that describe a JSON shape; each adds what is wrong, with a JSON pointer, as Slack words it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]
Problems = list[str]
Check = Callable[[Any, str, Problems], None]
Fields = Mapping[str, Check]

LINK = re.compile(r"https?://[^\s/?#<>]+[^\s<>]*|(?:mailto|tel):\S+|slack://\S+")


def report(problems: Problems, message: str, at: str) -> None:
    problems.append(f"{message} [json-pointer:{at}]")


def string(longest: int, shortest: int = 1) -> Check:
    def check(value: Any, at: str, problems: Problems) -> None:
        if not isinstance(value, str):
            report(problems, "must be a string", at)
        elif len(value) > longest:
            report(problems, f"must be less than {longest + 1} characters", at)
        elif len(value) < shortest:
            report(problems, f"must be more than {shortest - 1} characters", at)

    return check


def link(longest: int = 3000) -> Check:
    length = string(longest)

    def check(value: Any, at: str, problems: Problems) -> None:
        before = len(problems)
        length(value, at, problems)
        if len(problems) == before and not LINK.fullmatch(value):
            report(problems, "must be a valid URL", at)

    return check


def pattern(expression: str, words: str) -> Check:
    def check(value: Any, at: str, problems: Problems) -> None:
        if not isinstance(value, str) or not re.fullmatch(expression, value):
            report(problems, words, at)

    return check


def flag(value: Any, at: str, problems: Problems) -> None:
    if not isinstance(value, bool):
        report(problems, "must be a boolean", at)


def anything(value: Any, at: str, problems: Problems) -> None:
    """Where Slack's own rules are not known to us."""


def number(least: int, most: int) -> Check:
    def check(value: Any, at: str, problems: Problems) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            report(problems, "must be an integer", at)
        elif not least <= value <= most:
            report(problems, f"must be from {least} to {most}", at)

    return check


def choice(*allowed: str) -> Check:
    def check(value: Any, at: str, problems: Problems) -> None:
        if value not in allowed:
            report(problems, f"must be a valid enum value: {', '.join(allowed)}", at)

    return check


def items(each: Check, most: int, least: int = 1) -> Check:
    def check(value: Any, at: str, problems: Problems) -> None:
        if not isinstance(value, list):
            report(problems, "must be an array", at)
            return
        if len(value) > most:
            report(problems, f"no more than {most} items allowed", at)
        if len(value) < least:
            report(problems, f"no fewer than {least} items allowed", at)
        for index, item in enumerate(value):
            each(item, f"{at}/{index}", problems)

    return check


def shape(required: Fields, optional: Fields | None = None, *rules: Check) -> Check:
    """An object with exactly these fields (and `type`); `rules` look at the whole once the fields are sound."""
    known = {**required, **(optional or {}), "type": anything}

    def check(value: Any, at: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            report(problems, "must be an object", at)
            return
        before = len(problems)
        for name in required.keys() - value.keys():
            report(problems, f"missing required field: {name}", at)
        for name, item in value.items():
            if name in known:
                known[name](item, f"{at}/{name}", problems)
            else:
                report(problems, f"invalid additional property: {name}", at)
        for rule in rules if len(problems) == before else ():
            rule(value, at, problems)

    return check


def by_type(table: Mapping[str, Check]) -> Check:
    def check(value: Any, at: str, problems: Problems) -> None:
        if not isinstance(value, dict):
            report(problems, "must be an object", at)
        elif "type" not in value:
            report(problems, "missing required field: type", at)
        elif not isinstance(value["type"], str) or value["type"] not in table:
            report(problems, f"unsupported type: {value['type']}", f"{at}/type")
        else:
            table[value["type"]](value, at, problems)

    return check


def one_of(*names: str) -> Check:
    def check(value: Json, at: str, problems: Problems) -> None:
        if sum(name in value for name in names) != 1:
            report(problems, f"exactly one of these is needed: {', '.join(names)}", at)

    return check


def any_of(*names: str) -> Check:
    def check(value: Json, at: str, problems: Problems) -> None:
        if not any(name in value for name in names):
            report(problems, f"missing required field: {' or '.join(names)}", at)

    return check


def unique(values: list[tuple[str, str]], name: str, problems: Problems) -> None:
    """`values` are pairs of an id and its pointer; a second use of the same id is a problem."""
    seen: set[str] = set()
    for value, at in values:
        if value in seen:
            report(problems, f"`{name}` {value} already exists", at)
        seen.add(value)
