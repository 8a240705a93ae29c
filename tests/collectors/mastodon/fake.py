"""A Mastodon server as the brand's account sees it: notifications, statuses and their threads (API v1)."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import httpx
from pydantic import SecretStr

from collectors.mastodon import Settings
from tests.collectors.wire import NOW

SITE = "https://mas.test"
OWN = "1"
AIGUL = "7"
FAR = "8"
ACCOUNTS = {OWN: "brand", AIGUL: "aigul", FAR: "Timur.K@far.example"}
TOKEN = "topsecrettoken"
ADDRESS = re.compile(r"(?<![\w@])@([\w.-]*\w)(?:@[\w-]+(?:\.[\w-]+)+)?")


def account(number: str) -> dict[str, Any]:
    name = ACCOUNTS[number]
    return {
        "id": number,
        "acct": name,
        "username": name.partition("@")[0],
        "display_name": "Айгуль",
        "url": f"{SITE}/@{name}",
        "bot": False,
        "followers_count": 12,
    }


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def shown(text: str) -> str:
    """Paragraphs, and addresses without the server's name."""
    escaped = ADDRESS.sub(r'<span class="h-card"><a href="#">@<span>\1</span></a></span>', html.escape(text))
    return "".join(f"<p>{part.replace(chr(10), '<br />')}</p>" for part in escaped.split("\n\n"))


class Server:
    title = "mastodon"
    has_stars = False

    def __init__(self) -> None:
        self.statuses: dict[str, dict[str, Any]] = {}
        self.notifications: list[dict[str, Any]] = []
        self.sent: dict[str, str] = {}
        self.page = 40

    @property
    def settings(self) -> Settings:
        return Settings(api_base=SITE, access_token=SecretStr(TOKEN))

    def publish(self, text: str, at: datetime = NOW, *, author: str = AIGUL, **status: Any) -> str:
        number = self.write(text, at, author=author, **status)
        self.notifications.append(
            {
                "id": str(len(self.notifications) + 9001),
                "type": "mention",
                "created_at": stamp(min(at, NOW)),
                "account": self.statuses[number]["account"],
                "status": self.statuses[number],
            }
        )
        return number

    def write(self, text: str, at: datetime = NOW, *, author: str = AIGUL, **status: Any) -> str:
        number = str(115_000_000_000_000_000 + len(self.statuses))
        name = ACCOUNTS[author]
        self.statuses[number] = {
            "id": number,
            "created_at": stamp(at),
            "edited_at": None,
            "in_reply_to_id": None,
            "visibility": "public",
            "spoiler_text": "",
            "language": "ru",
            "uri": f"{SITE}/users/{name}/statuses/{number}",
            "url": f"{SITE}/@{name}/{number}",
            "content": shown(text),
            "account": account(author),
            "media_attachments": [],
            **status,
        }
        return number

    def publish_own(self) -> None:
        self.publish("Our own announcement", author=OWN)

    def remove(self, number: str) -> None:
        del self.statuses[number]
        self.notifications = [n for n in self.notifications if n["status"]["id"] != number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/notifications")

    def is_write(self, request: httpx.Request) -> bool:
        return request.method == "POST"

    def error(self, status: int, said: str = "No.") -> bytes:
        return json.dumps({"error": said}).encode()

    wrong_types = (b'{"notifications": []}', b'[{"id": 5, "created_at": "today"}]', b'"text"', b"7")

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._no(401, "The access token is invalid")
        path = request.url.path.removeprefix("/api/v1/")
        if path == "accounts/verify_credentials":
            return httpx.Response(200, json={"id": OWN, "acct": "brand"})
        if path == "notifications":
            return self._list(request.url.params)
        if path == "statuses":
            return self._create(json.loads(request.content), request.headers["Idempotency-Key"])
        return self._one(request, *unquote(path).split("/")[1:])

    def _no(self, status: int, said: str) -> httpx.Response:
        return httpx.Response(status, content=self.error(status, said))

    def _list(self, asked: httpx.QueryParams) -> httpx.Response:
        assert asked["types[]"] == "mention"
        size = min(int(asked["limit"]), self.page)
        found = sorted(self.notifications, key=lambda n: int(n["id"]))
        if "min_id" in asked:
            page = [n for n in found if int(n["id"]) > int(asked["min_id"])][:size]
        else:
            below = int(asked.get("max_id", 10**18))
            page = [n for n in found if int(n["id"]) < below][-size:]
        return httpx.Response(200, json=page[::-1])

    def _create(self, said: dict[str, str], key: str) -> httpx.Response:
        if key in self.sent:
            return httpx.Response(200, json=self.statuses[self.sent[key]])
        if said["in_reply_to_id"] not in self.statuses:
            return self._no(404, "The post you are trying to reply to does not appear to exist.")
        if len(said["status"]) > 500:
            return self._no(422, "Validation failed: Text character limit of 500 exceeded")
        place = {name: said[name] for name in ("in_reply_to_id", "visibility")}
        number = self.sent[key] = self.write(said["status"], author=OWN, **place)
        return httpx.Response(200, json=self.statuses[number])

    def _one(self, request: httpx.Request, number: str, part: str = "") -> httpx.Response:
        status = self.statuses.get(number)
        if status is None:
            return self._no(404, "Record not found")
        if part == "context":
            below = [s for s in reversed(self.statuses.values()) if s["in_reply_to_id"]]
            return httpx.Response(200, json={"ancestors": [], "descendants": below})
        if request.method != "GET" and status["account"]["id"] != OWN:
            return self._no(404, "Record not found")
        if request.method == "PUT":
            text = json.loads(request.content)["status"]
            self.statuses[number] = status | {"content": shown(text), "edited_at": stamp(NOW)}
        if request.method == "DELETE":
            self.remove(number)
        return httpx.Response(200, json=self.statuses.get(number, status))


Fake = Server
