"""What a platform's papers say of requests, and what a request has against them.

A table has the platform's `host`, `headers` of every call, `calls`, and `shapes` that rules may name. A call says what
it is (`ask`: a method and a path or a whole address) and has rules for `path`, `query`, `headers`, and for the `body`
(JSON) or the `form`; `one_of` names parameters of which exactly one is given. In an address {name} stands for one part
of a path, {+name} for anything.

A rule has a `type` and the limits of LIMITS; `required`; `items` and, in a query, `separator` of a list; `fields` of an
object, or its `shape`, or `any_of` several. Names are those of JSON Schema where it has them.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import ge, le
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx

from collectors.graphemes import graphemes

Rule = Mapping[str, Any]
Rules = Mapping[str, Rule]

EXTRACTS = Path(__file__).parent / "specs"
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
FORMATS = {
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "local-date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
    "http-date": r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    "uri": r"https?://\S+",
    "at-uri": r"at://did:[\w.:-]+/[\w.]+/[\w.~-]+",
    "at-identifier": r"did:[a-z]+:[\w.:%-]+|[\w-]+(\.[\w-]+)+",
    "nsid": r"[a-z][\w-]*(\.[\w-]+){2,}",
    "record-key": r"[\w.~:-]{1,512}",
}
LIMITS: dict[str, Callable[[Any, Any], bool]] = {
    "enum": lambda value, known: value in known,
    "minimum": ge,
    "maximum": le,
    "minLength": lambda value, least: len(value) >= least,
    "maxLength": lambda value, most: len(value) <= most,
    "maxBytes": lambda value, most: len(value.encode()) <= most,
    "maxGraphemes": lambda value, most: graphemes(value) <= most,
    "maxItems": lambda value, most: len(value) <= most,
    "pattern": lambda value, pattern: re.fullmatch(pattern, value) is not None,
    "format": lambda value, name: re.fullmatch(FORMATS[name], value) is not None,
    "check": lambda value, is_right: is_right(value),
}
KNOWN = {"type", "required", "shape", "items", "separator", "fields", "any_of", *LIMITS}
"""All words of a rule."""
BODIES = {"body": "application/json", "form": "application/x-www-form-urlencoded"}
NOTHING: Rule = {"type": "string"}


def value_faults(rule: Rule, value: Any, where: str) -> Iterator[str]:
    if not _is_a(rule["type"], value):
        yield f"{where}: is no {rule['type']}"
        return
    for limit in LIMITS.keys() & rule.keys():
        if not LIMITS[limit](value, rule[limit]):
            yield f"{where}: breaks {limit} {getattr(rule[limit], '__name__', rule[limit])}"
    for number, item in enumerate(value if "items" in rule else ()):
        yield from value_faults(rule["items"], item, f"{where}[{number}]")
    if "fields" in rule:
        yield from fields_faults(rule["fields"], value, f"{where}.")
    if "any_of" in rule:
        yield from min(([*value_faults(one, value, where)] for one in rule["any_of"]), key=len)


def fields_faults(rules: Rules, given: Mapping[str, Any], where: str) -> Iterator[str]:
    for name in sorted(given.keys() - rules.keys()):
        yield f"{where}{name}: is not in the papers"
    for name, rule in rules.items():
        if name in given:
            yield from value_faults(rule, given[name], f"{where}{name}")
        elif rule.get("required"):
            yield f"{where}{name}: is missing"


def _is_a(kind: str, value: Any) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _read(rule: Rule, word: str) -> Any:
    """A word of a query or form as its rule's type; as it is where it cannot be that."""
    if rule["type"] == "array":
        return [_read(rule["items"], part) for part in word.split(rule["separator"])]
    if rule["type"] in ("integer", "number") and re.fullmatch(r"-?\d+", word):
        return int(word)
    return {"true": True, "false": False}.get(word, word) if rule["type"] == "boolean" else word


def pairs_faults(rules: Rules, pairs: list[tuple[str, str]], where: str) -> Iterator[str]:
    given: dict[str, Any] = {}
    for name, word in pairs:
        rule = rules.get(name, NOTHING)
        if rule["type"] == "array" and "separator" not in rule:
            given.setdefault(name, []).append(_read(rule["items"], word))
        elif name in given:
            yield f"{where}{name}: is given twice"
        else:
            given[name] = _read(rule, word)
    yield from fields_faults(rules, given, where)


@dataclass(frozen=True)
class Call:
    name: str
    method: str
    address: re.Pattern[str]
    rules: Mapping[str, Any]

    def is_at(self, address: str) -> bool:
        return self.address.fullmatch(address) is not None

    def faults(self, request: httpx.Request, url: httpx.URL) -> list[str]:
        """`url`: as the papers would write it."""
        if request.method != self.method:
            return [f"{request.method} {url.path}: the papers say {self.method}"]
        found = [*self._head_faults(request), *self._address_faults(url), *self._body_faults(request)]
        return [f"{self.name}: {fault}" for fault in found]

    def _head_faults(self, request: httpx.Request) -> Iterator[str]:
        rules = self.rules.get("headers", {})
        given = {name: request.headers[name] for name in rules if name in request.headers}
        yield from fields_faults(rules, given, "header ")

    def _address_faults(self, url: httpx.URL) -> Iterator[str]:
        parts = self.address.fullmatch(_place(url))
        rules = self.rules.get("path", {})
        given = [(name, unquote(word)) for name, word in parts.groupdict().items() if name in rules] if parts else []
        yield from pairs_faults(rules, given, "path ")
        query = url.params.multi_items()
        if not self.rules.get("any_query"):
            yield from pairs_faults(self.rules.get("query", {}), query, "query ")
        alternatives = self.rules.get("one_of", ())
        if alternatives and len({name for name, _ in query} & {*alternatives}) != 1:
            yield f"query: exactly one of {', '.join(alternatives)} is needed"

    def _body_faults(self, request: httpx.Request) -> Iterator[str]:
        kind = next((kind for kind in BODIES if kind in self.rules), None)
        if kind is None:
            yield from ["body: there should be none"] if request.content else []
            return
        if request.headers.get("Content-Type", "").partition(";")[0] != BODIES[kind]:
            yield f"body: is no {BODIES[kind]}"
        elif kind == "form":
            pairs = parse_qsl(request.content.decode(), keep_blank_values=True)
            yield from pairs_faults(self.rules["form"], pairs, "form ")
        else:
            yield from value_faults({"type": "object", **_as_object(self.rules["body"])}, _json(request), "body")


@dataclass(frozen=True)
class Papers:
    host: re.Pattern[str]
    calls: tuple[Call, ...]
    seen_as: Callable[[httpx.URL], httpx.URL]

    def concern(self, request: httpx.Request) -> bool:
        """Whether this is the platform's server, or another one that its papers name."""
        place = self.place(request)
        return self.host.match(place) is not None or any(call.is_at(place) for call in self.calls)

    def place(self, request: httpx.Request) -> str:
        """Its address as the papers write it, without the query."""
        return _place(self.seen_as(request.url))

    def faults(self, request: httpx.Request) -> list[str]:
        return self._best(request)[1]

    def call_of(self, request: httpx.Request) -> Call | None:
        return self._best(request)[0]

    def _best(self, request: httpx.Request) -> tuple[Call | None, list[str]]:
        """One address may stand in the papers more than once, for what may not be combined."""
        url = self.seen_as(request.url)
        place = _place(url)
        here = [call for call in self.calls if call.is_at(place)]
        likely = [call for call in here if call.method == request.method] or here
        judged: list[tuple[Call | None, list[str]]] = [(call, call.faults(request, url)) for call in likely]
        unknown = (None, [f"{request.method} {url.path}: is not in the papers"])
        return min(judged or [unknown], key=lambda one: len(one[1]))


def _place(url: httpx.URL) -> str:
    path = url.raw_path.partition(b"?")[0]
    return f"{url.scheme}://{url.netloc.decode()}{path.decode()}"


def _json(request: httpx.Request) -> Any:
    try:
        return json.loads(request.content)
    except ValueError:
        return None


def _as_object(rules: Mapping[str, Any]) -> Rule:
    """A body is a table of fields, or a rule of its own where it has several forms."""
    return rules if isinstance(rules.get("any_of"), list) else {"fields": rules}


def _pattern(template: str) -> re.Pattern[str]:
    words = re.split(r"(\{\+?\w+\})", template)
    return re.compile("".join(_group(word) if word.startswith("{") else re.escape(word) for word in words))


def _group(word: str) -> str:
    name = word.strip("{+}")
    return f"(?P<{name}>.*)" if word.startswith("{+") else f"(?P<{name}>[^/?]+)"


def _resolved(rule: Any, shapes: Rules) -> Any:
    if isinstance(rule, list):
        return [_resolved(one, shapes) for one in rule]
    if not isinstance(rule, Mapping):
        return rule
    whole = {**shapes[rule["shape"]], **rule} if isinstance(rule.get("shape"), str) else rule
    return {name: _resolved(one, shapes) for name, one in whole.items() if whole is rule or name != "shape"}


def papers_from(table: Mapping[str, Any]) -> Papers:
    host = table["host"]
    calls = tuple(_call(call, host, table.get("headers", {}), table.get("shapes", {})) for call in table["calls"])
    return Papers(re.compile(_pattern(host).pattern + "(/|$)"), calls, table.get("seen_as", lambda url: url))


def _call(call: Mapping[str, Any], host: str, headers: Rules, shapes: Rules) -> Call:
    method, place = call["ask"].split(" ", 1)
    elsewhere = place.startswith("https://")
    rules = _resolved(call, shapes)
    rules["headers"] = {**({} if elsewhere else headers), **rules.get("headers", {})}
    return Call(call["ask"], method, _pattern(place if elsewhere else host + place), rules)


@cache
def papers_of(name: str) -> Papers | None:
    """Of one of our platforms: an extract of its specification, or a table written by ourselves."""
    from tests.contracts.specs_own import LOGINS, TABLES

    extract = EXTRACTS / f"{name}.toml"
    table = tomllib.loads(extract.read_text("utf-8")) if extract.exists() else TABLES.get(name)
    if table is None:
        return None
    return papers_from({**table, "calls": [*table["calls"], *LOGINS.get(name, [])]})


FAKES = re.compile(r"tests\.collectors\.(\w+)\.fake")


def papers_of_fake(serve: Callable[..., Any]) -> Papers | None:
    """By the folder the fake site stands in, or those it brings along itself; None for what is no platform's."""
    fake = getattr(serve, "__self__", None)
    ours = FAKES.fullmatch(type(fake).__module__)
    if ours:
        return papers_of(ours[1])
    return papers_from(fake.papers) if hasattr(fake, "papers") else None
