"""Requests a platform must not make: one that it made, spoiled in each way its papers speak of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.contracts.papers import Call, Papers, Rule, Rules

ALIEN = "alien-name"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WAYS = {
    "method",
    "address",
    "path",
    "header missing",
    "body missing",
    "body of another type",
    "unknown parameter",
    "unknown field",
    "missing",
    "twice",
    "type",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "maxBytes",
    "maxGraphemes",
    "maxItems",
    "pattern",
    "format",
    "check",
}

Spoiled = Iterator[tuple[str, Any]]


def spoiled_values(rule: Rule, value: Any) -> Spoiled:
    """(way, what must not stand in the place of `value`)."""
    yield "type", 7.5 if rule["type"] == "string" else "seven"
    yield from _beyond_limits(rule, value)
    if "items" in rule and value:
        yield from ((way, [bad, *value[1:]]) for way, bad in spoiled_values(rule["items"], value[0]))
    if "fields" in rule:
        yield from spoiled_fields(rule["fields"], value)


def _beyond_limits(rule: Rule, value: Any) -> Spoiled:
    wrong = {
        "enum": lambda _known: ALIEN,
        "minimum": lambda least: least - 1,
        "maximum": lambda most: most + 1,
        "minLength": lambda least: value[: least - 1],
        "maxLength": lambda most: "a" * (most + 1),
        "maxBytes": lambda most: "é" * (most // 2 + 1),
        "maxGraphemes": lambda most: "a" * (most + 1),
        "maxItems": lambda most: value * (most + 1),
        "pattern": lambda _pattern: "\n",
        "format": lambda _name: "\n",
        "check": lambda _check: f"id,{ALIEN}",
    }
    yield from ((way, make(rule[way])) for way, make in wrong.items() if rule.get(way))


def spoiled_fields(rules: Rules, given: Mapping[str, Any]) -> Spoiled:
    yield "unknown field", {**given, ALIEN: 1}
    for name, rule in rules.items():
        if name not in given:
            continue
        if rule.get("required"):
            yield "missing", {key: value for key, value in given.items() if key != name}
        yield from ((way, {**given, name: bad}) for way, bad in spoiled_values(rule, given[name]))


def spoiled_pairs(rules: Rules, given: list[tuple[str, str]]) -> Spoiled:
    """Of a query or a form, where all is words: only what is no word there can be of a wrong type."""
    yield "unknown parameter", [*given, (ALIEN, "1")]
    for place, (name, word) in enumerate(given):
        rule, others = rules[name], [*given[:place], *given[place + 1 :]]
        if rule["type"] != "array":
            yield "twice", [*given, (name, word)]
        if rule.get("required"):
            yield "missing", others
        one = rule.get("items", rule)
        if one["type"] != "string":
            yield "type", [*others, (name, "seven")]
        yield from ((way, [*others, (name, str(bad))]) for way, bad in _beyond_limits(one, word))


def spoiled(papers: Papers, call: Call, request: httpx.Request) -> Iterator[tuple[str, httpx.Request]]:
    yield "method", _like(request, method=_no_method_of(papers, request))
    if call.rules.get("any_query"):
        return
    yield "address", _like(request, url=request.url.copy_with(path=f"{request.url.path}/{ALIEN}/{ALIEN}"))
    yield from (("path", _like(request, url=url)) for url in _other_paths(papers, call, request))
    yield from _with_spoiled_head(call, request)
    for way, pairs in spoiled_pairs(call.rules.get("query", {}), request.url.params.multi_items()):
        yield way, _like(request, url=request.url.copy_with(query=urlencode(pairs).encode()))
    yield from _with_spoiled_body(call, request)


def _other_paths(papers: Papers, call: Call, request: httpx.Request) -> Iterator[str]:
    place = papers.place(request)
    found = call.address.fullmatch(place)
    assert found is not None
    for name in call.rules.get("path", {}):
        start, end = found.span(name)
        yield f"{place[:start]}no%20{ALIEN}{place[end:]}?{request.url.query.decode()}"


def _with_spoiled_head(call: Call, request: httpx.Request) -> Iterator[tuple[str, httpx.Request]]:
    for name, rule in call.rules["headers"].items():
        if rule.get("required"):
            kept = {key: value for key, value in request.headers.items() if key != name.lower()}
            yield "header missing", httpx.Request(request.method, request.url, headers=kept, content=request.content)


def _with_spoiled_body(call: Call, request: httpx.Request) -> Iterator[tuple[str, httpx.Request]]:
    if not request.content:
        return
    yield "body missing", _like(request, content=b"")
    yield "body of another type", _like(request, kind="text/plain")
    if "form" in call.rules:
        given = list(httpx.QueryParams(request.content.decode()).multi_items())
        yield from (
            (way, _like(request, content=urlencode(bad).encode()))
            for way, bad in spoiled_pairs(call.rules["form"], given)
        )
    else:
        said = json.loads(request.content)
        rule = {"type": "object", "fields": call.rules["body"]}
        yield from ((way, _like(request, content=json.dumps(bad).encode())) for way, bad in spoiled_values(rule, said))


def _no_method_of(papers: Papers, request: httpx.Request) -> str:
    used = {call.method for call in papers.calls if call.is_at(papers.place(request))}
    return next(method for method in METHODS if method not in used)


def _like(request: httpx.Request, **changed: Any) -> httpx.Request:
    headers = {name: value for name, value in request.headers.items() if name not in ("content-length", "host")}
    headers |= {"content-type": changed["kind"]} if "kind" in changed else {}
    return httpx.Request(
        changed.get("method", request.method),
        changed.get("url", request.url),
        headers=headers,
        content=changed.get("content", request.content),
    )
