"""VK with one community, its wall and some other walls, as the method API (5.199) answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

import httpx
from pydantic import SecretStr

from collectors.vk import Settings
from tests.collectors.wire import NOW

GROUP = 501
CLIENT = 7007
POST = 40
READING = {"service-token", "user-token"}
TOKENS = {
    "wall.get": READING,
    "groups.getLongPollServer": {"community-token", "user-token"},
    "wall.getById": READING,
    "wall.getComments": READING,
    "newsfeed.search": READING,
    "wall.createComment": {"community-token", "user-token"},
    "wall.editComment": {"user-token"},
    "wall.deleteComment": {"user-token"},
}
CODES = {400: 100, 401: 5, 403: 15, 404: 104, 429: 29}

Form = dict[str, str]


class Fail(Exception):
    """An error VK answers."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = {"error": {"error_code": code, "error_msg": message, "request_params": []}}


@dataclass
class Comment:
    id: int
    post: int
    author: int
    text: str
    at: datetime
    root: int = 0
    target: int = 0
    deleted: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        record = {
            "id": self.id,
            "from_id": self.author,
            "owner_id": -GROUP,
            "post_id": self.post,
            "parents_stack": [self.root] if self.root else [],
            "date": int(self.at.timestamp()),
            "text": self.text,
        }
        target = {"reply_to_comment": self.target} if self.target else {}
        deleted = {"from_id": 0, "text": "", "deleted": True} if self.deleted else {}
        return record | target | deleted | self.more


class Network:
    title = "vk"
    has_stars = False
    wrong_types = (
        b'{"response": {"count": 1, "items": "none"}}',
        b'{"response": {"count": 1, "items": [{"id": "x"}]}}',
        b'{"response": []}',
        b"{}",
        b"[]",
        b'"text"',
    )

    def __init__(self) -> None:
        self.posts: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, Comment] = {}
        self.found: list[dict[str, Any]] = []
        self.guids: dict[str, int] = {}
        self.calls: list[tuple[str, Form]] = []
        self.last = 100
        self.per_search = 200
        self.refuses_a_missing_start = False
        self.line: list[str] = []
        """Events of the Long Poll; the key's number says how often it was asked for."""
        self.keys = 0
        self.post(POST, -GROUP)

    @property
    def settings(self) -> Settings:
        return self.settings_with(user_token=SecretStr("user-token"))

    def settings_with(self, **more: Any) -> Settings:
        tokens: dict[str, Any] = {
            "community_token": SecretStr("community-token"),
            "service_token": SecretStr("service-token"),
        }
        return Settings(group_id=GROUP, **tokens, **more)

    def post(self, number: int, author: int, text: str = "A post", at: datetime = NOW) -> str:
        said = {"id": number, "owner_id": -GROUP, "from_id": author, "date": int(at.timestamp()), "text": text}
        self.posts[number] = {**said, "post_type": "post"}
        return f"-{GROUP}_{number}"

    def publish(
        self, text: str, at: datetime = NOW, *, post: int = POST, author: int = CLIENT, target: int = 0, **more: Any
    ) -> str:
        self.last += 1
        root = (self.comments[target].root or target) if target else 0
        self.comments[self.last] = Comment(self.last, post, author, text, at, root, target, more=more)
        return "_".join(str(part) for part in (-GROUP, post, root, self.last) if part)

    def publish_own(self) -> None:
        self.publish("Ours", author=-GROUP)

    def elsewhere(self, owner: int, number: int, text: str, at: datetime = NOW, author: int = 0) -> str:
        said = {"id": number, "owner_id": owner, "from_id": author or owner, "text": text}
        self.found.append({**said, "date": int(at.timestamp()), "post_type": "post", "views": {"count": 90}})
        return f"{owner}_{number}"

    def remove(self, number: str) -> None:
        del self.comments[int(number.rsplit("_", 1)[1])]

    def leave_a_mark(self, number: str) -> None:
        """A deleted comment under which others stand stays as an empty place."""
        self.comments[int(number.rsplit("_", 1)[1])].deleted = True

    def asked(self, method: str) -> list[Form]:
        return [form for name, form in self.calls if name == method]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_write(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/wall.createComment")

    def error(self, status: int) -> bytes:
        return json.dumps({"error": {"error_code": CODES.get(status, 10), "error_msg": "No."}}).encode()

    def forget_the_line(self) -> None:
        self.keys, self.line = self.keys + 1, []

    def _check_line(self, request: httpx.Request) -> httpx.Response:
        asked = dict(request.url.params)
        assert (request.method, asked["act"]) == ("GET", "a_check")
        assert 1 <= int(asked["wait"]) <= 90
        if asked["key"] != f"key-{self.keys}":
            return httpx.Response(200, json={"failed": 2})
        begin, end = int(asked["ts"]), len(self.line)
        if begin > end:
            return httpx.Response(200, json={"failed": 1, "ts": end})
        return httpx.Response(200, json={"ts": str(end), "updates": [{"type": t} for t in self.line[begin:]]})

    def _line_server(self, form: Form) -> dict[str, Any]:
        assert form["group_id"] == str(GROUP)
        self.keys += 1
        return {"server": "https://lp.vk.example/wh17", "key": f"key-{self.keys}", "ts": len(self.line)}

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "lp.vk.example":
            return self._check_line(request)
        method = request.url.path.removeprefix("/method/")
        assert request.method == "POST"
        assert not request.url.query
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        form = dict(parse_qsl(request.content.decode(), strict_parsing=True))
        self.calls.append((method, form))
        try:
            self._admit(method, request, form)
            return httpx.Response(200, json={"response": self._methods[method](form)})
        except Fail as fail:
            return httpx.Response(200, json=fail.body)

    def _admit(self, method: str, request: httpx.Request, form: Form) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if form.pop("v", "") != "5.199":
            raise Fail(8, "Invalid request: v is required")
        if token not in {"service-token", "user-token", "community-token"}:
            raise Fail(5, "User authorization failed: invalid access_token")
        if token not in TOKENS[method]:
            raise Fail(27, "Group authorization failed: method is unavailable with group auth")

    @property
    def _methods(self) -> dict[str, Callable[[Form], Any]]:
        return {
            "wall.get": self._wall,
            "groups.getLongPollServer": self._line_server,
            "wall.getById": self._by_id,
            "wall.getComments": self._comments,
            "newsfeed.search": self._search,
            "wall.createComment": self._create,
            "wall.editComment": self._edit,
            "wall.deleteComment": self._delete,
        }

    def _with_people(self, answer: dict[str, Any], form: Form) -> dict[str, Any]:
        if form.get("extended") != "1":
            return answer
        profiles = [{"id": CLIENT, "first_name": "Асель", "last_name": "Н."}]
        groups = [{"id": GROUP, "name": "Банк"}, {"id": 9, "name": "Подслушано"}]
        return {**answer, "profiles": profiles, "groups": groups}

    def _wall(self, form: Form) -> dict[str, Any]:
        assert form["owner_id"] == str(-GROUP)
        newest = sorted(self.posts.values(), key=lambda post: -post["date"])[: int(form["count"])]
        items = [{**post, "comments": {"count": self._count(post["id"])}} for post in newest]
        return self._with_people({"count": len(self.posts), "items": items}, form)

    def _count(self, post: int) -> int:
        return sum(1 for comment in self.comments.values() if comment.post == post)

    def _by_id(self, form: Form) -> dict[str, Any]:
        everywhere = [*self.posts.values(), *self.found]
        items = [post for post in everywhere if f"{post['owner_id']}_{post['id']}" == form["posts"]]
        return self._with_people({"items": items}, form)

    def _comments(self, form: Form) -> dict[str, Any]:
        post, root = int(form["post_id"]), int(form.get("comment_id", 0))
        if form["owner_id"] != str(-GROUP) or post not in self.posts:
            raise Fail(15, "Access denied: post was not found check post_id param")
        if root and root not in self.comments:
            raise Fail(100, "One of the parameters specified was missing or invalid: comment_id is invalid")
        level = self._level(post, root, form.get("sort", "asc"))
        start = self._start(level, form) + int(form.get("offset", 0))
        shown = level[start : start + int(form["count"])]
        items = [comment.shown() | self._thread(comment, form) for comment in shown]
        answer = {"count": self._count(post), "current_level_count": len(level), "items": items}
        return self._with_people(answer, form)

    def _level(self, post: int, root: int, sort: str = "asc") -> list[Comment]:
        found = [c for c in self.comments.values() if (c.post, c.root) == (post, root)]
        return sorted(found, key=lambda c: (c.at, c.id), reverse=sort == "desc")

    def _start(self, level: list[Comment], form: Form) -> int:
        wanted = int(form.get("start_comment_id", 0))
        places = [place for place, comment in enumerate(level) if comment.id == wanted]
        if wanted and not places and self.refuses_a_missing_start:
            raise Fail(100, "One of the parameters specified was missing or invalid: start_comment_id is invalid")
        return places[0] if places else 0

    def _thread(self, comment: Comment, form: Form) -> dict[str, Any]:
        if comment.root:
            return {}
        under = self._level(comment.post, comment.id)
        shown = [inner.shown() for inner in under[: int(form.get("thread_items_count", 0))]]
        return {"thread": {"count": len(under), "items": shown}}

    def _search(self, form: Form) -> dict[str, Any]:
        earliest, latest = int(form["start_time"]), int(form.get("end_time", 10**11))
        fits = [p for p in self.found if earliest <= p["date"] <= latest and form["q"].lower() in p["text"].lower()]
        fits.sort(key=lambda post: -post["date"])
        size = min(self.per_search, int(form["count"]))
        going_on = {"next_from": "2/more"} if len(fits) > size else {}
        return self._with_people({"count": len(fits[:size]), "items": fits[:size], **going_on}, form)

    def _create(self, form: Form) -> dict[str, Any]:
        assert form["from_group"] == str(GROUP)
        if form["guid"] in self.guids:
            return {"comment_id": self.guids[form["guid"]]}
        target = int(form.get("reply_to_comment", 0))
        if target and target not in self.comments:
            raise Fail(100, "One of the parameters specified was missing or invalid: reply_to_comment is invalid")
        made = self.publish(form["message"], post=int(form["post_id"]), author=-GROUP, target=target)
        self.guids[form["guid"]] = self.last
        return {"comment_id": self.last, "parents_stack": [int(part) for part in made.split("_")[2:-1]]}

    def _edit(self, form: Form) -> int:
        self._own(form).text = form["message"]
        return 1

    def _delete(self, form: Form) -> int:
        del self.comments[self._own(form).id]
        return 1

    def _own(self, form: Form) -> Comment:
        comment = self.comments.get(int(form["comment_id"]))
        if comment is None:
            raise Fail(104, "Not found")
        if comment.author != -GROUP:
            raise Fail(211, "Access to wall's comment denied")
        return comment


Fake = Network
