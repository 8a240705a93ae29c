"""A Discourse forum as its API shows it to the brand's account; behaviour compared with the forum's sources."""

from __future__ import annotations

import html
import json
from datetime import datetime
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.discourse import Settings
from tests.collectors.wire import NOW

FORUM = "https://forum.test"
OWN = "Brand"
TOPIC = 555
PAGE = 50
REPLIES = 20


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").replace("000Z", "Z")


class Forum:
    title = "discourse"
    has_stars = False

    def __init__(self) -> None:
        self.posts: dict[int, dict[str, Any]] = {}
        self.queue: list[dict[str, Any]] = []
        self.last = 9000
        self.moderates = False
        self.staff = False
        self.shows_queue = True
        self.pages_replies = True
        self.before_itself = False
        self.similar: set[str] = set()

    @property
    def settings(self) -> Settings:
        return Settings(api_base=FORUM, api_key=SecretStr("forum-key"), api_user=OWN)

    def publish(
        self, text: str, at: datetime = NOW, *, user: str = "user1", answers: int | None = None, topic: int = TOPIC
    ) -> str:
        self.last += 1
        number = 1 + sum(post["topic_id"] == topic for post in self.posts.values())
        self.posts[self.last] = {
            "id": self.last,
            "name": "Айгуль",
            "username": user,
            "user_id": 7,
            "created_at": stamp(at),
            "updated_at": stamp(at),
            "raw": text,
            "cooked": f"<p>{html.escape(text, quote=False)}</p>",
            "post_number": number,
            "post_type": 1,
            "reply_to_post_number": answers,
            "topic_id": topic,
            "topic_slug": "reviews",
            "topic_title": "Отзывы о банке",
            "category_id": 4,
            "reads": 12,
            "hidden": False,
            "deleted_at": None,
            "user_deleted": False,
        }
        return str(self.last)

    def publish_own(self) -> None:
        self.publish("Our own announcement", user=OWN)

    def edit(self, number: str, text: str, at: datetime = NOW) -> None:
        self.posts[int(number)] |= {"raw": text, "cooked": f"<p>{text}</p>", "updated_at": stamp(at)}

    def remove(self, number: str) -> None:
        del self.posts[int(number)]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return request.method == "GET" and request.url.path == "/posts.json"

    def is_write(self, request: httpx.Request) -> bool:
        return request.method == "POST"

    def error(self, status: int, code: str = "", message: str = "No.", **extras: Any) -> bytes:
        code = code or {404: "not_found", 429: "rate_limit"}.get(status, "invalid_access")
        return json.dumps({"errors": [message], "error_type": code, **({"extras": extras} if extras else {})}).encode()

    wrong_types = (b'{"latest_posts": "none"}', b'{"latest_posts": [{"id": "x"}]}', b"{}", b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        asked = (request.headers.get("Api-Key"), request.headers.get("Api-Username", "").casefold())
        if asked != ("forum-key", OWN.casefold()):
            return self._no(403, message="You may not. The API username or key is invalid.")
        parts = request.url.path.removesuffix(".json").strip("/").split("/")
        assert request.url.path.endswith(".json")
        assert parts[0] == "posts"
        if len(parts) == 1:
            return self._create(request) if request.method == "POST" else self._latest(request)
        if parts[2:] == ["pending"]:
            return self._pending()
        post = self.posts.get(int(parts[1]))
        if post is None:
            return self._no(404)
        return self._replies(request, post) if parts[2:] == ["replies"] else self._one(request, post)

    def _no(self, status: int, code: str = "", message: str = "No.") -> httpx.Response:
        return httpx.Response(status, content=self.error(status, code, message))

    def _latest(self, request: httpx.Request) -> httpx.Response:
        before = int(request.url.params.get("before", self.last + 1))
        # The API's page says "lower than this value", the forum's sources (posts_controller) say `<=`.
        below = before + self.before_itself
        found = [post for number, post in sorted(self.posts.items(), reverse=True) if number < below]
        return httpx.Response(200, json={"latest_posts": [post for post in found if not post["hidden"]][:PAGE]})

    def _alone(self, post: dict[str, Any], *, raw: bool = True) -> dict[str, Any]:
        """A single post comes without its topic's title, one of a list of answers without the raw text as well."""
        left_out = {"topic_title", "category_id"} | (set() if raw else {"raw"})
        return {name: value for name, value in post.items() if name not in left_out}

    def _replies(self, request: httpx.Request, post: dict[str, Any]) -> httpx.Response:
        place = (post["topic_id"], post["post_number"])
        found = [p for p in self.posts.values() if (p["topic_id"], p["reply_to_post_number"]) == place]
        if self.pages_replies:
            after = int(request.url.params.get("after", "1"))
            found = [p for p in found if p["post_number"] > after][:REPLIES]
        return httpx.Response(200, json=[self._alone(p, raw=False) for p in found])

    def _pending(self) -> httpx.Response:
        return httpx.Response(200, json={"pending_posts": self.queue}) if self.shows_queue else self._no(403)

    def _create(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        assert set(said) == {"raw", "topic_id", "reply_to_post_number"}
        if said["raw"] in self.similar:
            # In whatever language the forum speaks.
            return httpx.Response(422, json={"action": "create_post", "errors": ["Такой текст уже был"]})
        if self.moderates:
            return self._hold(said)
        number = self.publish(said["raw"], user=OWN, answers=said["reply_to_post_number"], topic=said["topic_id"])
        return httpx.Response(200, json=self._alone(self.posts[int(number)]))

    def _hold(self, said: dict[str, Any]) -> httpx.Response:
        number = 70 + len(self.queue)
        waiting = {"id": number, "created_at": stamp(NOW)}
        self.queue.append({**waiting, "raw_text": said["raw"], "topic_id": said["topic_id"]})
        held = {"success": True, "action": "enqueued", "pending_post": {**waiting, "raw": said["raw"]}}
        return httpx.Response(200, json=held)

    def _one(self, request: httpx.Request, post: dict[str, Any]) -> httpx.Response:
        if request.method == "DELETE":
            return self._delete(post)
        if request.method == "PUT":
            self.edit(str(post["id"]), json.loads(request.content)["post"]["raw"])
            return httpx.Response(200, json={"post": self._alone(post)})
        return httpx.Response(200, json=self._alone(post))

    def _delete(self, post: dict[str, Any]) -> httpx.Response:
        if self.staff:
            self.remove(str(post["id"]))
        elif post["user_deleted"]:
            return self._no(403)
        else:
            self.edit(str(post["id"]), "(post deleted by author)")
            post["user_deleted"] = True
        return httpx.Response(200)


Fake = Forum
