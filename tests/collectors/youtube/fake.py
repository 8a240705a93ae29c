"""YouTube with one brand's channel, as the Data API shows its comments."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import httpx

from collectors.youtube import Settings
from tests.collectors.wire import NOW

OWN = "UCbrand-0123"
VIDEO = "vid-1"
USER = {"client_id": "desk.apps.example", "client_secret": "client secret", "refresh_token": "refresh token"}
SHOWN_REPLIES = 2


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"channel_id": OWN, **USER, **changes})


class Channel:
    title = "youtube"
    has_stars = False

    def __init__(self) -> None:
        self.comments: dict[str, dict[str, Any]] = {}
        self.last = 0
        self.page = 100
        self.units = 0
        self.tokens = 0
        self.valid: set[str] = set()

    @property
    def settings(self) -> Settings:
        return settings()

    def publish(self, text: str, at: datetime = NOW, *, parent: str = "", author: str = "UCuser") -> str:
        self.last += 1
        number = f"{parent}.r{self.last}" if parent else f"Ug{self.last}"
        self.comments[number] = {
            "kind": "youtube#comment",
            "id": number,
            "snippet": {
                "channelId": OWN,
                **({"parentId": parent} if parent else {"videoId": VIDEO}),
                "textDisplay": text,
                **({"textOriginal": text} if author == OWN else {}),
                "authorDisplayName": "@aigul",
                "authorChannelId": {"value": author},
                "publishedAt": stamp(at),
                "updatedAt": stamp(at),
            },
        }
        return number

    def publish_own(self) -> None:
        self.publish("Our own announcement", author=OWN)

    def remove(self, number: str) -> None:
        del self.comments[number]

    def replies(self, thread: str) -> list[dict[str, Any]]:
        return [one for one in self.comments.values() if one["snippet"].get("parentId") == thread]

    def is_api(self, request: httpx.Request) -> bool:
        return request.url.host == "youtube.googleapis.com"

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path == "/youtube/v3/commentThreads"

    def is_write(self, request: httpx.Request) -> bool:
        return self.is_api(request) and request.method == "POST"

    def error(self, status: int, reason: str = "") -> bytes:
        named = {401: "authError", 403: "forbidden", 404: "commentNotFound", 429: "rateLimitExceeded"}
        reason = reason or named.get(status, f"reason{status}")
        body = {"code": status, "message": "No.", "errors": [{"message": "No.", "domain": "x", "reason": reason}]}
        return json.dumps({"error": body}).encode()

    wrong_types = (b'{"items": "none"}', b'{"items": [{"id": 7}]}', b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.url == "https://oauth2.googleapis.com/token":
            return self._login(request)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
            return self._no(401)
        self.units += 1 if request.method == "GET" else 50
        if self.is_list(request):
            return self._threads(request)
        assert request.url.path == "/youtube/v3/comments"
        return {"GET": self._list, "POST": self._insert, "PUT": self._update, "DELETE": self._delete}[request.method](
            request
        )

    def _no(self, status: int, reason: str = "") -> httpx.Response:
        return httpx.Response(status, content=self.error(status, reason))

    def _login(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        if form != {"grant_type": "refresh_token", **USER}:
            return httpx.Response(400, json={"error": "invalid_grant", "error_description": "No."})
        self.tokens += 1
        self.valid = {f"token-{self.tokens}"}
        return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 3599})

    def _threads(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        assert asked["allThreadsRelatedToChannelId"] == OWN
        assert (asked["order"], asked["part"], asked["textFormat"]) == ("time", "snippet,replies", "plainText")
        tops = [one for one in self.comments.values() if "parentId" not in one["snippet"]]
        newest = sorted(tops, key=lambda one: one["snippet"].get("publishedAt", ""), reverse=True)
        return self._paged(request, [self._thread(one) for one in newest])

    def _thread(self, top: dict[str, Any]) -> dict[str, Any]:
        replies = self.replies(top["id"])
        snippet = {"channelId": OWN, "videoId": top["snippet"].get("videoId", ""), "topLevelComment": top}
        thread = {"id": top["id"], "snippet": {**snippet, "canReply": True, "totalReplyCount": len(replies)}}
        return {**thread, "replies": {"comments": replies[:SHOWN_REPLIES]}} if replies else thread

    def _paged(self, request: httpx.Request, found: list[dict[str, Any]]) -> httpx.Response:
        start, size = int(request.url.params.get("pageToken", "0")), self.page
        assert int(request.url.params["maxResults"]) <= 100
        more = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
        return httpx.Response(200, json={"items": found[start : start + size], **more})

    def _list(self, request: httpx.Request) -> httpx.Response:
        asked = request.url.params
        assert (asked["part"], asked["textFormat"]) == ("snippet", "plainText")
        if "id" in asked:
            assert "maxResults" not in asked
            return httpx.Response(200, json={"items": [self.comments[n] for n in [asked["id"]] if n in self.comments]})
        if asked["parentId"] not in self.comments:
            return self._no(404)
        return self._paged(request, self.replies(asked["parentId"]))

    def _insert(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)["snippet"]
        assert set(said) == {"parentId", "textOriginal"}
        parent = self.comments.get(said["parentId"])
        if parent is None:
            return self._no(404, "parentCommentNotFound")
        if "parentId" in parent["snippet"]:
            return self._no(400, "operationNotSupported")
        return self._long(said["textOriginal"]) or self._shown(self._answer(said))

    def _answer(self, said: dict[str, str]) -> str:
        return self.publish(said["textOriginal"], parent=said["parentId"], author=OWN)

    def _long(self, text: str) -> httpx.Response | None:
        return self._no(400, "commentTextTooLong") if len(text) > 10_000 else None

    def _shown(self, number: str) -> httpx.Response:
        return httpx.Response(200, json=self.comments[number])

    def _update(self, request: httpx.Request) -> httpx.Response:
        record = json.loads(request.content)
        if record["id"] not in self.comments:
            return self._no(404)
        text = record["snippet"]["textOriginal"]
        self.comments[record["id"]]["snippet"] |= {"textDisplay": text, "textOriginal": text}
        return self._shown(record["id"])

    def _delete(self, request: httpx.Request) -> httpx.Response:
        known = self.comments.pop(request.url.params["id"], None)
        return httpx.Response(204) if known else self._no(404)


Fake = Channel
