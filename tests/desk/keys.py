"""Every key of handlers/words that the domain can utter, read from its source: what all languages must have."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import desk
from collectors.manual import SITES
from desk.actions import DISMISSALS, OUTCOMES
from desk.case import State
from desk.decide import TABLE
from desk.forms import PRESSES
from desk.view import BUTTONS

SOURCES = sorted(Path(desk.__file__).parent.glob("*.py"))

ENDED = {
    *(f"closed_{outcome}" for outcome in OUTCOMES),
    *(f"dismissed_{why}" for why in (*DISMISSALS, "client_declined")),
}
FAMILIES: dict[str, set[str]] = {
    "state_{}": {f"state_{s.value}" for s in State} - {"state_closed", "state_dismissed"},
    "state_{}_{}": {f"state_{end}" for end in ENDED},
    "short_{}": {f"short_{s.value}" for s in State},
    "client_state_{}": {
        f"client_state_{s}"
        for s in (
            "in_work",
            "correcting",
            "declined",
            "in_approval",
            "approved",
            "posting",
            "manual",
            "moderated",
            "answered",
            "finished",
            "deleted",
        )
    },
    "rule_{}": {f"rule_{rule}" for site in SITES for rule in (*site.rules, *site.said)},
    "clock_{}": {"clock_no_time", "clock_future"},
    "version_{}": {"version_staff", "version_ai", "version_client"},
    "turn_{}": {f"turn_{s}" for s in ("in_work", "in_approval", "posting", "manual", "failed")},
    "warn_{}": {"warn_target", "warn_limit"},
    "button_{}": {f"button_{b.action}" for shown in BUTTONS.values() for b in shown} | {f"button_{p}" for p in PRESSES},
    "option_{}": {f"option_{o}" for press in PRESSES.values() for field in press.fields for o in field.options},
    "ask_{}_{}": {f"ask_{name}_{field.name}" for name, press in PRESSES.items() for field in press.fields},
    "only_{}": {f"only_{t.by.replace(' ', '_')}" for t in TABLE.values() if t.by != "desk"},
    "digest_{}_numbers": {"digest_staff_numbers", "digest_client_numbers"},
}
"""What the holes of an f-string can be filled with."""

BY_NAME = {"source_failing", "source_note"}
"""Keys that travel as the `what` of an "answer" row."""

SINKS = {"Say": 0, "NotAllowed": 0, "StaleVersion": 0, "Problem": 0, "Outcome": 0, "Button": 1, "say": 3}
"""Which argument of a call is a key."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Unknown(AssertionError):
    """A key is made in a way this reading does not follow: name its family here, or make it plainer there."""


def used_keys() -> frozenset[str]:
    said = {key for path in SOURCES for key in _keys_of(path)}
    return frozenset(BY_NAME | said | {f"event_{kind}" for kind in event_kinds()}) - {""}


def event_kinds() -> frozenset[str]:
    """Kinds of events; what happened is told to somebody who came too late as event_<kind>."""
    return frozenset(key for path in SOURCES for key in _events_of(path))


@cache
def _trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in SOURCES}


@cache
def _calls() -> dict[str, list[tuple[Path, Function | None, ast.Call]]]:
    found: dict[str, list[tuple[Path, Function | None, ast.Call]]] = {}
    for path, tree in _trees().items():
        for function, node in _within(tree, None):
            if isinstance(node, ast.Call):
                found.setdefault(_name(node.func), []).append((path, function, node))
    return found


def _within(node: ast.AST, function: Function | None) -> Iterator[tuple[Function | None, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        inner = child if isinstance(child, Function) else function
        yield inner, child
        yield from _within(child, inner)


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def _keys_of(path: Path) -> Iterator[str]:
    for name, position in SINKS.items():
        for where, function, call in _calls().get(name, []):
            if where == path and len(call.args) > position:
                yield from _resolve(call.args[position], function, path)
    for function, node in _within(_trees()[path], None):
        if isinstance(node, ast.keyword) and node.arg == "said":
            yield from _resolve(node.value, function, path)


def _events_of(path: Path) -> Iterator[str]:
    for where, _, call in [*_calls().get("_event", []), *_calls().get("Event", [])]:
        if where == path and isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)
        elif where == path:
            yield from _literals(call.args[0], _trees()[path])


def _literals(plain: ast.expr, tree: ast.Module) -> Iterator[str]:
    """The values given anywhere in the file to a plain name."""
    for assign in ast.walk(tree):
        if isinstance(assign, ast.Assign) and isinstance(plain, ast.Name) and _name(assign.targets[0]) == plain.id:
            values = assign.value.values if isinstance(assign.value, ast.Dict) else [assign.value]
            for node in (n for value in values for n in ast.walk(value)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def _resolve(node: ast.expr, function: Function | None, path: Path) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield from _family(node, path)
    elif isinstance(node, ast.IfExp):
        yield from _resolve(node.body, function, path)
        yield from _resolve(node.orelse, function, path)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _resolve(value, function, path)
    elif isinstance(node, ast.Tuple | ast.List):
        for element in node.elts:
            yield from _resolve(element, function, path)
    elif isinstance(node, ast.Call):
        yield from _returned(node, path)
    elif isinstance(node, ast.Name):
        yield from _named(node.id, function, path)
    elif not isinstance(node, ast.Subscript | ast.Attribute):  # payloads and errors carry keys made elsewhere
        raise Unknown(f"{path.name}:{node.lineno}: {ast.unparse(node)}")


def _family(node: ast.JoinedStr, path: Path) -> set[str]:
    pattern = "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
    if pattern not in FAMILIES:
        raise Unknown(f"{path.name}:{node.lineno}: no family for {pattern!r} in tests/desk/keys.py")
    return FAMILIES[pattern]


def _returned(call: ast.Call, path: Path) -> Iterator[str]:
    """A helper that returns the key, or a look-up in a table of keys."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "get":
        yield from _literals(call.func.value, _trees()[path])
        for default in call.args[1:]:
            yield from _resolve(default, None, path)
        return
    for function in ast.walk(_trees()[path]):
        if isinstance(function, Function) and function.name == _name(call.func):
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    yield from _resolve(node.value, function, path)


def _named(name: str, function: Function | None, path: Path) -> Iterator[str]:
    """A local name, a variable of a comprehension, or a parameter: then whatever callers pass."""
    if function is None:
        raise Unknown(f"{path.name}: {name}")
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(_name(t) == name for t in node.targets):
            yield from _resolve(node.value, function, path)
        if isinstance(node, ast.comprehension) and _name(node.target) == name:
            yield from _resolve(node.iter, function, path)
    yield from _passed(name, function, path)


def _passed(name: str, function: Function, path: Path) -> Iterator[str]:
    parameters = [arg.arg for arg in function.args.args]
    if name not in parameters:
        return
    at = parameters.index(name)
    from_end = len(parameters) - at
    if from_end <= len(function.args.defaults):
        yield from _resolve(function.args.defaults[-from_end], function, path)
    method = parameters[0] == "self"
    for where, caller, call in _calls().get(function.name, []):
        position = at - method
        given = call.args[position] if len(call.args) > position else None
        given = next((k.value for k in call.keywords if k.arg == name), given)
        if given is not None and not (isinstance(given, ast.Name) and caller is function):
            yield from _resolve(given, caller, where)
