"""A WordPress site with comments, as its REST API (6.1) answers; behaviour compared with a real one."""

from __future__ import annotations

import base64
import html
import json
import re
from datetime import datetime
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.wordpress import Settings
from tests.collectors.wire import NOW

OWN = 2
POST = 4
SITE = "https://site.test"
AUTHORIZED = "Basic " + base64.b64encode(b"brand:app pass word").decode()
TEXTURE = str.maketrans({'"': "”", "'": "’"})


class Site:
    title = "wordpress"
    has_stars = False

    def __init__(self) -> None:
        self.comments: dict[int, dict[str, Any]] = {}
        self.last = 0
        self.moderates = True
        self.pretty = True
        self.held: set[int] = set()
        self.hidden: set[int] = set()
        """Comments under posts that the account may not read: they are counted into a page and left out of it."""
        self.hangs_replies_at_the_top = False

    @property
    def settings(self) -> Settings:
        return Settings(api_base=SITE, user="brand", app_password=SecretStr("app pass word"))

    def publish(self, text: str, at: datetime = NOW, *, author: int = 0, parent: int = 0, markup: bool = False) -> str:
        self.last += 1
        raw = text if markup else html.escape(text, quote=False)
        self.comments[self.last] = {
            "id": self.last,
            "post": POST,
            "parent": parent,
            "author": author,
            "author_name": "Айгуль &amp; Ко",
            "author_url": "",
            "date_gmt": at.strftime("%Y-%m-%dT%H:%M:%S"),
            "raw": raw,
            "link": f"{SITE}/reviews/#comment-{self.last}",
            "status": "approved",
        }
        return str(self.last)

    def publish_own(self) -> None:
        self.publish("Our own announcement", author=OWN)

    def remove(self, number: str) -> None:
        del self.comments[int(number)]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return "users/me" not in request.url.path

    def is_write(self, request: httpx.Request) -> bool:
        return request.method != "GET"

    def error(self, status: int, code: str = "") -> bytes:
        code = code or {404: "rest_comment_invalid_id"}.get(status, f"rest_{status}")
        return json.dumps({"code": code, "message": "No.", "data": {"status": status}}).encode()

    wrong_types = (b'{"comments": []}', b'[{"id": "x"}]', b'"text"', b"7")

    def serve(self, request: httpx.Request) -> httpx.Response:
        path = self._path(request)
        if path is None:
            return httpx.Response(404, content=b"<!DOCTYPE html><title>Nothing here</title>")
        known = request.headers.get("Authorization") == AUTHORIZED
        if path == "users/me":
            body = {"id": OWN, "capabilities": {"moderate_comments": self.moderates}}
            return httpx.Response(200, json=body) if known else self._no(401, "rest_not_logged_in")
        if request.url.params.get("context") == "edit" and not (known and self.moderates):
            return self._no(403 if known else 401, "rest_forbidden_context")
        if path == "comments":
            return self._create(request) if request.method == "POST" else self._list(request)
        return self._one(request, int(path.split("/")[1]))

    def _path(self, request: httpx.Request) -> str | None:
        route = request.url.params.get("rest_route") or (request.url.path if self.pretty else "")
        _, found, path = route.removeprefix("/wp-json").partition("/wp/v2/")
        return path if found else None

    def _no(self, status: int, code: str) -> httpx.Response:
        return httpx.Response(status, content=self.error(status, code))

    def _shown(self, comment: dict[str, Any], request: httpx.Request) -> dict[str, Any]:
        # Quotes of attributes stay.
        parts = re.split(r"(<[^>]*>)", comment["raw"])
        shown = "".join(part if part.startswith("<") else part.translate(TEXTURE) for part in parts)
        content = {"rendered": f"<p>{shown}</p>\n"}
        if request.url.params.get("context") == "edit" or request.method != "GET":
            content["raw"] = comment["raw"]
        return {**{k: v for k, v in comment.items() if k != "raw"}, "content": content}

    def _list(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        size, page = int(asked.get("per_page", "10")), int(asked.get("page", "1"))
        newest_first = asked.get("order", "desc") == "desc"
        found = sorted(self.comments.values(), key=lambda c: (c["date_gmt"], c["id"]), reverse=newest_first)
        wanted = asked.get("status", "approve")
        # As WP_Comment_Query has it: neither the bin nor spam is part of "all".
        kinds = {"approve": {"approved"}, "all": {"approved", "hold"}}.get(wanted, {wanted})
        found = [c for c in found if wanted == "any" or c["status"] in kinds]
        if "after" in asked:
            found = [c for c in found if c["date_gmt"] + "Z" > asked["after"]]
        for name, field in (("include", "id"), ("parent", "parent"), ("post", "post"), ("author", "author")):
            if name in asked:
                numbers = {int(number) for number in asked[name].split(",")}
                found = [c for c in found if c[field] in numbers]
        here = [c for c in found[(page - 1) * size : page * size] if c["id"] not in self.hidden]
        counted = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(-(-len(found) // size))}
        return httpx.Response(200, json=[self._shown(c, request) for c in here], headers=counted)

    def _create(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        place = (said["parent"], OWN, said["content"])
        if place in {(c["parent"], c["author"], c["raw"]) for c in self.comments.values()}:
            return self._no(409, "comment_duplicate")
        parent = 0 if self.hangs_replies_at_the_top else said["parent"]
        number = int(self.publish(said["content"], author=OWN, parent=parent, markup=True))
        if said["parent"] in self.held:
            self.comments[number]["status"] = "hold"
        return httpx.Response(201, json=self._shown(self.comments[number], request))

    def _one(self, request: httpx.Request, number: int) -> httpx.Response:
        comment = self.comments.get(number)
        if comment is None:
            return self._no(404, "rest_comment_invalid_id")
        if request.method == "DELETE":
            self.remove(str(number))
            return httpx.Response(200, json={"deleted": True})
        if request.method == "PUT":
            comment["raw"] = json.loads(request.content)["content"]
        return httpx.Response(200, json=self._shown(comment, request))


Fake = Site
