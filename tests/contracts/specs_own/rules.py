"""Rules of requests (tests/contracts/papers.py) in a few words."""

from __future__ import annotations

from typing import Any

Rule = dict[str, Any]


def text(shortest: int = 1, longest: int | None = None, **more: Any) -> Rule:
    limits = {"minLength": shortest} | ({} if longest is None else {"maxLength": longest})
    return {"type": "string", **limits, **more}


def form_of(pattern: str) -> Rule:
    return {"type": "string", "pattern": pattern}


def number(least: int | None = None, most: int | None = None) -> Rule:
    limits = {"minimum": least, "maximum": most}
    return {"type": "integer", **{name: limit for name, limit in limits.items() if limit is not None}}


def word(*known: str) -> Rule:
    return {"type": "string", "enum": known}


def words(*known: str) -> Rule:
    """Several of them, with commas between."""
    return {"type": "array", "separator": ",", "items": word(*known)}


def several(items: Rule, **more: Any) -> Rule:
    return {"type": "array", "items": items, **more}


def fields(**rules: Rule) -> Rule:
    return {"type": "object", "fields": rules}


def needed(rule: Rule) -> Rule:
    return {**rule, "required": True}


YES_OR_NO: Rule = {"type": "boolean"}
MOMENT: Rule = {"type": "string", "format": "date-time"}
DIGITS = form_of(r"\d+")
BEARER = {"Authorization": needed(form_of(r"Bearer \S+"))}
BASIC = {"Authorization": needed(form_of(r"Basic [\w+/]+=*"))}
