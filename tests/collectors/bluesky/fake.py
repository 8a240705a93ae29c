"""Bluesky as one account's server shows it: sessions, notifications, search, threads, and the account's records."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.bluesky import Settings
from collectors.bluesky.records import POST
from tests.collectors.wire import NOW

OWN = "did:plc:brand"
AUTHOR = "did:plc:aigul"
HANDLE = "brand.example.test"
PASSWORD = "abcd-efgh-ijkl-mnop"
HANDLES = {AUTHOR: "aigul.example.test", OWN: HANDLE}
LOGIN = ("com.atproto.server.createSession", "com.atproto.server.refreshSession")


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Server:
    title = "bluesky"
    has_stars = False

    def __init__(self) -> None:
        self.posts: dict[str, dict[str, Any]] = {}
        self.untold: set[str] = set()
        self.logins = 0
        self.refreshes = 0
        self.access = ""
        self.refresh = ""
        self.page = 100
        self.blocked: set[str] = set()
        self.closed: set[str] = set()

    @property
    def settings(self) -> Settings:
        return Settings(handle=HANDLE, app_password=SecretStr(PASSWORD))

    def publish(self, text: str, at: datetime = NOW, *, author: str = AUTHOR, **record: Any) -> str:
        return self._put(author, f"3k{len(self.posts):011d}", {"text": text, "createdAt": stamp(NOW), **record}, at)

    def publish_own(self) -> None:
        self.publish("Our own announcement", author=OWN)

    def remove(self, uri: str) -> None:
        del self.posts[uri]

    def ref(self, uri: str) -> dict[str, str]:
        return {"uri": uri, "cid": self.posts[uri]["cid"]}

    def _put(self, author: str, rkey: str, record: dict[str, Any], at: datetime) -> str:
        uri = f"at://{author}/{POST}/{rkey}"
        self.posts[uri] = {
            "uri": uri,
            "cid": f"bafy{len(self.posts)}",
            "author": {"did": author, "handle": HANDLES[author], "displayName": "Айгуль"},
            "record": {"$type": POST, **record},
            "indexedAt": stamp(at),
        }
        return uri

    def is_api(self, request: httpx.Request) -> bool:
        return not request.url.path.endswith(LOGIN)

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("listNotifications")

    def is_write(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("createRecord")

    def error(self, status: int, name: str = "") -> bytes:
        return json.dumps({"error": name or f"Error{status}", "message": "No."}).encode()

    wrong_types = (b'{"notifications": "none"}', b'{"notifications": [{"uri": 7}]}', b"{}", b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.removeprefix("/xrpc/")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        said = json.loads(request.content) if request.content else {}
        if name in LOGIN:
            return self._login(name, token, said)
        if token != self.access:
            return self._no("ExpiredToken")
        asked = request.url.params
        return {
            "com.atproto.server.getSession": lambda: self._yes({"did": OWN, "handle": HANDLE}),
            "com.atproto.identity.resolveHandle": lambda: self._resolve(asked["handle"]),
            "app.bsky.notification.listNotifications": lambda: self._notifications(asked),
            "app.bsky.feed.searchPosts": lambda: self._search(asked),
            "app.bsky.feed.getPostThread": lambda: self._thread(asked["uri"]),
            "com.atproto.repo.getRecord": lambda: self._record(asked),
            "com.atproto.repo.createRecord": lambda: self._create(said),
            "com.atproto.repo.deleteRecord": lambda: self._delete(said),
        }[name]()

    def _yes(self, body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(200, json=body)

    def _no(self, name: str, status: int = 400) -> httpx.Response:
        return httpx.Response(status, content=self.error(status, name))

    def _login(self, name: str, token: str, said: dict[str, str]) -> httpx.Response:
        if name.endswith("refreshSession"):
            if token != self.refresh:
                return self._no("ExpiredToken")
            self.refreshes += 1
        elif said == {"identifier": HANDLE, "password": PASSWORD}:
            self.logins += 1
        else:
            return self._no("AuthenticationRequired", 401)
        number = self.logins + self.refreshes
        self.access, self.refresh = f"access-{number}", f"refresh-{number}"
        return self._yes({"accessJwt": self.access, "refreshJwt": self.refresh, "handle": HANDLE, "did": OWN})

    def _resolve(self, handle: str) -> httpx.Response:
        did = next((did for did, known in HANDLES.items() if known == handle), None)
        return self._yes({"did": did}) if did else self._no("InvalidRequest")

    def _cut(self, name: str, posts: list[dict[str, Any]], asked: httpx.QueryParams) -> httpx.Response:
        assert int(asked["limit"]) <= 100
        newest = sorted(posts, key=lambda post: post["indexedAt"], reverse=True)
        start = int(asked.get("cursor", "0"))
        more = {"cursor": str(start + self.page)} if start + self.page < len(newest) else {}
        return self._yes({name: newest[start : start + self.page], **more})

    def _notifications(self, asked: httpx.QueryParams) -> httpx.Response:
        assert asked.get_list("reasons") == ["mention", "reply", "quote"]
        told = [post for uri, post in self.posts.items() if uri not in self.untold]
        return self._cut("notifications", [{**post, "reason": "mention", "isRead": False} for post in told], asked)

    def _search(self, asked: httpx.QueryParams) -> httpx.Response:
        assert asked["sort"] == "latest"
        words = asked["q"].lower()
        return self._cut("posts", [p for p in self.posts.values() if words in p["record"]["text"].lower()], asked)

    def _thread(self, uri: str) -> httpx.Response:
        if uri not in self.posts:
            return self._no("NotFound")
        if uri in self.blocked:
            return self._yes({"thread": {"$type": "app.bsky.feed.defs#blockedPost", "uri": uri, "blocked": True}})
        replies = [p for p in self.posts.values() if p["record"].get("reply", {}).get("parent", {}).get("uri") == uri]
        post = {**self.posts[uri], "viewer": {"replyDisabled": uri in self.closed}}
        shown = [{"post": reply, "replies": []} for reply in reversed(replies)]
        return self._yes({"thread": {"post": post, "replies": shown}})

    def _record(self, asked: httpx.QueryParams) -> httpx.Response:
        uri = f"at://{asked['repo']}/{asked['collection']}/{asked['rkey']}"
        post = self.posts.get(uri)
        return self._yes({"uri": uri, "value": post["record"]}) if post else self._no("RecordNotFound")

    def _create(self, said: dict[str, Any]) -> httpx.Response:
        record, uri = said["record"], f"at://{said['repo']}/{said['collection']}/{said['rkey']}"
        assert (said["repo"], said["collection"], record["$type"]) == (OWN, POST, POST)
        assert len(said["rkey"]) == 13
        if uri in self.posts:
            return self._no("InternalServerError", 500)
        if len(record["text"].encode()) > 3000:
            return self._no("InvalidRequest")
        self._put(OWN, said["rkey"], {k: v for k, v in record.items() if k != "$type"}, NOW)
        return self._yes(self.ref(uri))

    def _delete(self, said: dict[str, str]) -> httpx.Response:
        self.posts.pop(f"at://{said['repo']}/{said['collection']}/{said['rkey']}", None)
        return self._yes({})


Fake = Server
