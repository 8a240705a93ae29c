"""The Bot API as a brand's bot meets it: updates until they are confirmed, and messages of its own."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.telegram import Settings
from tests.collectors.wire import NOW

TOKEN = "4242:secret-of-the-bot"
GROUP = -1001000000777
OTHER = -1001000000778


class Group:
    has_stars = False
    wrong_types = (b'{"result": "none"}', b'{"result": [{"message": 7}]}', b"[]", b'"text"')

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.messages: dict[int, dict[str, Any]] = {}
        self.number = 10

    @property
    def settings(self) -> Settings:
        return Settings(token=SecretStr(TOKEN), chats=(GROUP,))

    def publish(self, text: str, at: datetime = NOW, **more: Any) -> str:
        self.number += 1
        person = {"id": 7, "is_bot": False, "first_name": "Жанна", "username": "janna"}
        message = {
            "message_id": self.number,
            "date": int(at.timestamp()),
            "chat": {"id": GROUP, "title": "Bank chat", "type": "supergroup"},
            "from": person,
            "text": text,
            **more,
        }
        self.messages[self.number] = message
        self.tell(message=message)
        return f"{message['chat']['id']}/{self.number}"

    def tell(self, **what: Any) -> None:
        self.updates.append({"update_id": 500 + len(self.updates), **what})

    def edit(self, external_id: str, text: str) -> None:
        message = self.messages[int(external_id.partition("/")[2])]
        message["text"] = text
        self.tell(edited_message={**message, "edit_date": int(NOW.timestamp())})

    def publish_own(self) -> None:
        """The channel's post in its group, an anonymous admin, and the bot itself."""
        self.publish("New card", is_automatic_forward=True, sender_chat={"id": -1001, "title": "Bank"})
        self.publish("We are on it", sender_chat={"id": GROUP, "title": "Bank chat"})
        self.publish("Ours", **{"from": {"id": 4242, "is_bot": True, "first_name": "Bank"}})

    def remove(self, external_id: str) -> None:
        del self.messages[int(external_id.partition("/")[2])]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_write(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/sendMessage")

    def error(self, status: int, words: str = "No.") -> bytes:
        return json.dumps({"ok": False, "error_code": status, "description": words}).encode()

    def serve(self, request: httpx.Request) -> httpx.Response:
        _, bot, method = request.url.path.split("/")
        if bot != f"bot{TOKEN}":
            return httpx.Response(401, content=self.error(401))
        return METHODS[method](self, json.loads(request.content))

    def _updates(self, asked: dict[str, Any]) -> httpx.Response:
        # An offset far beyond the newest update is passed over (tdlib: TQueue.cpp, get).
        if self.updates and asked["offset"] <= self.updates[-1]["update_id"] + 10:
            self.updates = [one for one in self.updates if one["update_id"] >= asked["offset"]]
        return _result(self.updates[: asked["limit"]])

    def _send(self, asked: dict[str, Any]) -> httpx.Response:
        if asked["reply_parameters"]["message_id"] not in self.messages:
            return self._refusal("Bad Request: message to be replied not found")
        self.number += 1
        sender = {"id": 4242, "is_bot": True, "first_name": "Bank"}
        chat = {"id": asked["chat_id"], "title": "Bank chat"}
        stamp = int(NOW.timestamp())
        sent = {"message_id": self.number, "date": stamp, "chat": chat, "from": sender, "text": asked["text"]}
        self.messages[self.number] = sent
        return _result(sent)

    def _edit(self, asked: dict[str, Any]) -> httpx.Response:
        message = self.messages.get(asked["message_id"])
        if message is None:
            return self._refusal("Bad Request: message to edit not found")
        if message["text"] == asked["text"]:
            return self._refusal("Bad Request: message is not modified: it is the same")
        message["text"] = asked["text"]
        return _result(message)

    def _delete(self, asked: dict[str, Any]) -> httpx.Response:
        if self.messages.pop(asked["message_id"], None) is None:
            return self._refusal("Bad Request: message to delete not found")
        return _result(True)

    def _refusal(self, words: str) -> httpx.Response:
        return httpx.Response(400, content=self.error(400, words))


METHODS = {
    "getUpdates": Group._updates,
    "sendMessage": Group._send,
    "editMessageText": Group._edit,
    "deleteMessage": Group._delete,
}


def _result(what: Any) -> httpx.Response:
    return httpx.Response(200, json={"ok": True, "result": what})


Fake = Group
