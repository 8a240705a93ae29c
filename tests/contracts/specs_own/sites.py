"""Sites of one's own and services about others: WordPress (wp/v2), feeds, YouScan."""

from __future__ import annotations

import httpx

from tests.contracts.specs_own.rules import BASIC, MOMENT, YES_OR_NO, form_of, needed, number, text, word

ROUTE = "rest_route"


def by_route(url: httpx.URL) -> httpx.URL:
    """A site without pretty links takes the path as a parameter."""
    route = url.params.get(ROUTE)
    return url if route is None else url.copy_remove_param(ROUTE).copy_with(path=f"/wp-json{route}")


NUMBERS = {"type": "array", "separator": ",", "items": number(0), "maxItems": 100}
CONTEXT = {"context": word("view", "embed", "edit")}
COMMENT = {"id": number(1)}
WORDS = text(maxBytes=65_525)
WORDPRESS = {
    "host": "https://{host}",
    "headers": BASIC,
    "seen_as": by_route,
    "calls": [
        {"ask": "GET /wp-json/wp/v2/users/me", "query": CONTEXT},
        {
            "ask": "GET /wp-json/wp/v2/comments",
            "query": {
                **CONTEXT,
                "after": MOMENT,
                "before": MOMENT,
                "author": NUMBERS,
                "include": NUMBERS,
                "parent": NUMBERS,
                "post": NUMBERS,
                "order": word("asc", "desc"),
                "orderby": word("date", "date_gmt", "id", "include", "post", "parent", "type"),
                "page": number(1),
                "per_page": number(1, 100),
                "search": text(),
                "status": text(),
            },
        },
        {"ask": "GET /wp-json/wp/v2/comments/{id}", "path": COMMENT, "query": CONTEXT},
        {
            "ask": "POST /wp-json/wp/v2/comments",
            "body": {"post": needed(number(1)), "parent": number(0), "content": needed(WORDS)},
        },
        {"ask": "PUT /wp-json/wp/v2/comments/{id}", "path": COMMENT, "body": {"content": needed(WORDS)}},
        {"ask": "DELETE /wp-json/wp/v2/comments/{id}", "path": COMMENT, "query": {"force": YES_OR_NO}},
    ],
}

RSS = {
    "host": "https://{host}",
    "calls": [
        {
            "ask": "GET /{+feed}",
            "any_query": True,  # whatever the feed's own address holds
            "headers": {
                "If-None-Match": text(),
                "If-Modified-Since": {"type": "string", "format": "http-date"},
            },
        }
    ],
}

YOUSCAN = {
    "host": "https://api.youscan.io",
    "headers": {"X-API-KEY": needed(text())},
    "calls": [
        {
            "ask": "GET /api/external/topics/{topic}/mentions",
            "path": {"topic": number(1)},
            "query": {
                "from": needed(MOMENT),
                "to": needed(MOMENT),
                "addedFrom": MOMENT,
                "sinceSeq": number(0),
                "size": number(1, 1000),
                "skip": number(0, 9999),
                "orderBy": form_of("(seq|published|added)(Asc|Desc)"),
                "htmlSanitize": YES_OR_NO,
                "deleted": YES_OR_NO,
                "spam": YES_OR_NO,
            },
        }
    ],
}

TABLES = {"rss": RSS, "wordpress": WORDPRESS, "youscan": YOUSCAN}
