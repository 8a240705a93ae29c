"""Facebook and Instagram: Graph API v25.0, whose `fields` are a little language of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.contracts.specs_own.rules import BEARER, DIGITS, form_of, needed, number, text, word


class Edge(NamedTuple):
    """A field behind which others stand; `asks`: what may be asked of it, by name and form."""

    node: Mapping[str, Any]
    asks: Mapping[str, str] = {}


def node(*names: str, **edges: Edge) -> dict[str, Any]:
    return {**dict.fromkeys(names), **edges}


FIELD = re.compile(r"(\w+)((?:\.\w+\([^()]*\))*)(?:\{(.*)\})?")
ASK = re.compile(r"\.(\w+)\(([^()]*)\)")


def _parts(asked: str) -> Iterator[str]:
    """At the commas that stand in no brackets."""
    depth, part = 0, ""
    for letter in f"{asked},":
        depth += (letter in "{(") - (letter in "})")
        if letter == "," and not depth:
            yield part
            part = ""
        else:
            part += letter


def knows(known: Mapping[str, Any], asked: str) -> bool:
    return all(_knows_one(known, FIELD.fullmatch(part)) for part in _parts(asked))


def _knows_one(known: Mapping[str, Any], field: re.Match[str] | None) -> bool:
    if field is None or field[1] not in known:
        return False
    edge = known[field[1]] or Edge({})
    asks = ASK.findall(field[2])
    right = all(name in edge.asks and re.fullmatch(edge.asks[name], value) for name, value in asks)
    return right and (field[3] is None or knows(edge.node, field[3]))


def selects(known: Mapping[str, Any]) -> dict[str, Any]:
    def fields_of_the_node(asked: str) -> bool:
        return knows(known, asked)

    return {"type": "string", "check": fields_of_the_node}


HUNDRED = r"[1-9]\d?|100"
WHO = Edge(node("id", "name", "username"))
FB_COMMENTS = {"filter": "stream|toplevel", "order": "chronological|reverse_chronological", "limit": HUNDRED}
FB_COMMENT = node(
    "id",
    "created_time",
    "message",
    "permalink_url",
    "is_hidden",
    "comment_count",
    "like_count",
    "can_comment",
    parent=Edge(node("id", "message", "created_time")),
    **{"from": WHO},
)
FB_COMMENT["comments"] = Edge(FB_COMMENT, FB_COMMENTS)
FB_POST = node(
    "id",
    "created_time",
    "updated_time",
    "message",
    "permalink_url",
    "is_hidden",
    "parent_id",
    "status_type",
    comments=Edge(FB_COMMENT, FB_COMMENTS),
    **{"from": WHO},
)

ANY_CALL = {"appsecret_proof": form_of("[0-9a-f]{64}")}
PAGED = {**ANY_CALL, "limit": number(1, 100), "after": text()}
FB_ID = {"id": form_of(r"\d+(_\d+)*")}
FACEBOOK = {
    "host": "https://graph.facebook.com/v25.0",
    "headers": BEARER,
    "calls": [
        {"ask": "GET /{page}/feed", "path": {"page": DIGITS}, "query": {**PAGED, "fields": selects(FB_POST)}},
        {
            "ask": "GET /{id}/comments",
            "path": FB_ID,
            "query": {
                **PAGED,
                "fields": selects(FB_COMMENT),
                "filter": word("stream", "toplevel"),
                "order": word("chronological", "reverse_chronological"),
            },
        },
        {"ask": "GET /{id}", "path": FB_ID, "query": {**ANY_CALL, "fields": selects(FB_COMMENT)}},
        {
            "ask": "POST /{id}/comments",
            "path": FB_ID,
            "query": ANY_CALL,
            "form": {"message": needed(text(longest=8000))},
        },
        {"ask": "POST /{id}", "path": FB_ID, "query": ANY_CALL, "form": {"message": needed(text(longest=8000))}},
        {"ask": "DELETE /{id}", "path": FB_ID, "query": ANY_CALL},
    ],
}

PAGES_ONLY = {"limit": HUNDRED}
IG_WORDS = ("id", "text", "timestamp", "username", "hidden", "like_count", "parent_id")
IG_REPLY = node(*IG_WORDS, **{"from": WHO})
IG_COMMENT = node(*IG_WORDS, replies=Edge(IG_REPLY, PAGES_ONLY), **{"from": WHO})
IG_MEDIA = node(
    "id",
    "caption",
    "permalink",
    "timestamp",
    "username",
    "media_type",
    "comments_count",
    comments=Edge(IG_COMMENT, PAGES_ONLY),
)
IG_USER = node("id", "name", "username")
INSTAGRAM = {
    "host": "https://graph.facebook.com/v25.0",
    "headers": BEARER,
    "calls": [
        {"ask": "GET /{user}/media", "path": {"user": DIGITS}, "query": {**PAGED, "fields": selects(IG_MEDIA)}},
        {"ask": "GET /{id}/comments", "query": {**PAGED, "fields": selects(IG_COMMENT)}},
        {"ask": "GET /{id}/replies", "query": {**PAGED, "fields": selects(IG_REPLY)}},
        # The account itself, or a comment: Graph tells them apart by the number.
        {"ask": "GET /{id}", "query": {**ANY_CALL, "fields": selects(IG_USER)}},
        {"ask": "GET /{id}", "query": {**ANY_CALL, "fields": selects(IG_COMMENT)}},
        {"ask": "POST /{id}/replies", "query": ANY_CALL, "form": {"message": needed(text(longest=2200))}},
        {"ask": "DELETE /{id}", "query": ANY_CALL},
    ],
}

TABLES = {"facebook": FACEBOOK, "instagram": INSTAGRAM}
