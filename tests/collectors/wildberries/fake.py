"""A seller on Wildberries, as the feedbacks API shows its reviews and questions."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import jwt
from pydantic import SecretStr

from collectors.wildberries import Settings
from tests.collectors.wire import NOW

MOSCOW = timezone(timedelta(hours=3))
SELLER = "5b0b2f6e-seller"


def token(ends: datetime, **claims: Any) -> str:
    return jwt.encode({"exp": int(ends.timestamp()), "sid": SELLER, **claims}, "k" * 32)


class Seller:
    title = "wildberries"
    has_stars = True

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.token = token(NOW + timedelta(days=150))
        self.budget = 10_000
        self.swallows_answers = False

    @property
    def settings(self) -> Settings:
        return Settings(token=SecretStr(self.token))

    def publish(self, text: str, at: datetime = NOW, stars: int = 1, **fields: Any) -> str:
        review = {"productValuation": stars, "pros": "", "cons": "", "userName": "Марат", "photoLinks": None}
        return self._put("feedbacks", {**self._base(text, at), **review, **fields})

    def ask(self, text: str, at: datetime = NOW) -> str:
        return self._put("questions", {**self._base(text, at), "state": "suppliersPortalSynch"})

    def _base(self, text: str, at: datetime) -> dict[str, Any]:
        product = {"nmId": 2104, "imtId": 77, "productName": "Лампа", "supplierArticle": "LAMP-3"}
        created = at.astimezone(MOSCOW).isoformat()
        return {"text": text, "createdDate": created, "answer": None, "productDetails": product}

    def _put(self, where: str, item: dict[str, Any]) -> str:
        number = f"wb{len(self.items) + 1:018d}"
        self.items[number] = {"id": number, **item, "_where": where}
        return number

    def publish_own(self) -> None:
        """On Wildberries the seller writes only answers: one under what is not shown any more."""
        self.remove(self.answered(self.publish("Gone"), "Ours"))

    def answered(self, number: str, text: str, state: str = "wbRu", editable: bool = False) -> str:
        self.items[number]["answer"] = {"text": text, "state": state, "editable": editable}
        return number

    def remove(self, number: str) -> None:
        del self.items[number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return request.method == "GET" and request.url.path == "/api/v1/feedbacks"

    def is_write(self, request: httpx.Request) -> bool:
        return request.method != "GET"

    def error(self, status: int) -> bytes:
        if status in {401, 402, 429}:
            body: dict[str, Any] = {"title": "refused", "detail": "No.", "origin": "s2s", "status": status}
        else:
            body = {"data": None, "error": True, "errorText": "No.", "additionalErrors": None, "requestId": "1"}
        return json.dumps(body).encode()

    wrong_types = (
        b'{"data": {"feedbacks": "none"}, "error": false}',
        b'{"data": {"feedbacks": [{"id": 7}]}, "error": false}',
        b'{"data": null, "error": true, "errorText": "Something went wrong"}',
        b'{"data": null, "error": false}',
        b"[]",
        b'"text"',
    )

    def serve(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("Authorization") != self.token:
            return self._no(401)
        self.budget -= 1
        if self.budget < 0:
            return self._no(429)
        call = {
            ("GET", "/api/v1/feedbacks"): self._list,
            ("GET", "/api/v1/questions"): self._list,
            ("GET", "/api/v1/feedback"): self._one,
            ("GET", "/api/v1/question"): self._one,
            ("POST", "/api/v1/feedbacks/answer"): self._answer,
            ("PATCH", "/api/v1/feedbacks/answer"): self._edit,
            ("PATCH", "/api/v1/questions"): self._answer_question,
        }.get((request.method, request.url.path))
        return call(request) if call else self._no(404)

    def _no(self, status: int) -> httpx.Response:
        return httpx.Response(status, content=self.error(status))

    def _ok(self, data: object) -> httpx.Response:
        return httpx.Response(200, json={"data": data, "error": False, "errorText": "", "additionalErrors": None})

    def _list(self, request: httpx.Request) -> httpx.Response:
        asked, where = request.url.params, request.url.path.rsplit("/", 1)[1]
        if not {"isAnswered", "take", "skip"} <= set(asked) or asked.get("order") not in {"dateAsc", "dateDesc"}:
            return self._no(400)
        take, skip = int(asked["take"]), int(asked["skip"])
        assert take <= 5000
        found = [i for i in self.items.values() if i["_where"] == where]
        found = [i for i in found if self._is_answered(i) is (asked["isAnswered"] == "true")]
        found = [i for i in found if self._second(i) >= int(asked["dateFrom"])]
        found = [i for i in found if self._second(i) <= int(asked.get("dateTo", "99999999999"))]
        found.sort(key=self._second, reverse=asked["order"] == "dateDesc")
        return self._ok({"countUnanswered": 0, where: [self._shown(i) for i in found[skip : skip + take]]})

    def _is_answered(self, item: dict[str, Any]) -> bool:
        """Stars without words count as answered."""
        return item["answer"] is not None or not item["text"]

    def _second(self, item: dict[str, Any]) -> int:
        return int(datetime.fromisoformat(item["createdDate"]).timestamp())

    def _shown(self, item: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in item.items() if name != "_where"}

    def _one(self, request: httpx.Request) -> httpx.Response:
        item = self.items.get(request.url.params["id"])
        there = item is not None and item["_where"] == request.url.path.rsplit("/", 1)[1] + "s"
        return self._ok(self._shown(item)) if item is not None and there else self._no(422)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        if not 2 <= len(said["text"]) <= 5000:
            return self._no(400)
        if said["id"] in self.items and not self.swallows_answers:
            self.answered(said["id"], said["text"], "reviewRequired", editable=True)
        return httpx.Response(204)

    def _edit(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        answer = self.items.get(said["id"], {}).get("answer")
        if answer and answer["editable"]:
            self.answered(said["id"], said["text"], "reviewRequired", editable=False)
        return httpx.Response(204)

    def _answer_question(self, request: httpx.Request) -> httpx.Response:
        said = json.loads(request.content)
        item = self.items.get(said["id"])
        if item is None or item["_where"] != "questions":
            return self._no(404)
        editable = item["answer"] is None
        item |= {"answer": {"text": said["answer"]["text"], "editable": editable}, "state": said["state"]}
        return self._ok(None)


Fake = Seller
