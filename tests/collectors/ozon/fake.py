"""A seller's reviews and questions on Ozon, as the Seller API answers: v2 of list, info and delete of reviews, or v1
as it was before; questions as older papers have them, or with the states of newer ones."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from collectors.ozon import Settings
from tests.collectors.wire import NOW

CLIENT = "771204"
KEY = "0c2f8f6e-sandbox-key"
SHOP = "Лампы и свет"
SKU = 160249683
GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 429: 8, 500: 13, 503: 14}
FIELDS = {
    "v2/review/list": {"limit", "last_id", "sort_dir", "filters"},
    "v1/review/list": {"limit", "last_id", "sort_dir", "status"},
    "v2/review/info": {"review_id"},
    "v1/review/info": {"review_id"},
    "v1/review/comment/list": {"review_id", "limit", "offset", "sort_dir", "filter"},
    "v1/review/comment/create": {"review_id", "text", "parent_comment_id", "mark_review_as_processed"},
    "v2/review/comment/delete": {"comment_id", "sku"},
    "v1/review/comment/delete": {"comment_id"},
    "v1/question/list": {"filter", "last_id"},
    "v1/question/info": {"question_id"},
    "v1/question/answer/list": {"question_id", "sku", "last_id"},
    "v1/question/answer/create": {"question_id", "sku", "text"},
    "v1/question/answer/delete": {"answer_id", "sku"},
}


def rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


class Seller:
    title = "ozon"
    has_stars = True

    def __init__(self) -> None:
        self.reviews: dict[str, dict[str, Any]] = {}
        self.comments: dict[str, list[dict[str, Any]]] = {}
        self.pictures: dict[str, list[str]] = {}
        self.questions: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list[dict[str, Any]]] = {}
        self.oldest_first = False
        self.says_what_follows = False
        self.versions = {"v1", "v2"}
        self.page = 100
        self.last = 0

    @property
    def settings(self) -> Settings:
        return Settings(client_id=CLIENT, api_key=SecretStr(KEY))

    def publish(self, text: str, at: datetime = NOW, stars: int = 1) -> str:
        number = self._next("0193")
        self.reviews[number] = {
            "id": number,
            "sku": SKU,
            "text": text,
            "rating": stars,
            "published_at": rfc3339(at),
            "status": "NEW",
            "order_status": "DELIVERED",
            "comments_amount": 0,
            "photos_amount": 0,
            "videos_amount": 0,
            "is_rating_participant": True,
        }
        self.comments[number] = []
        return number

    def comment(self, review: str, text: str, *, owner: bool = True, official: bool = True, **more: Any) -> str:
        number = self._next("0199")
        self.comments[review].append(
            {
                "id": number,
                "text": text,
                "is_owner": owner,
                "is_official": official,
                "parent_comment_id": "",
                "published_at": rfc3339(NOW + timedelta(seconds=self.last)),
                **more,
            }
        )
        return number

    def ask(self, text: str, at: datetime = NOW) -> str:
        number = self._next("0201")
        self.questions[number] = {
            "id": number,
            "sku": SKU,
            "text": text,
            "author_name": "Марат",
            "published_at": rfc3339(at),
            "status": "NEW",
            "answers_count": 0,
            "product_url": f"https://www.ozon.ru/product/{SKU}/",
            "question_link": f"https://www.ozon.ru/product/{SKU}/questions/?qid={number}",
        }
        self.answers[number] = []
        return number

    def answer(self, question: str, text: str, *, author: str = SHOP, **more: Any) -> str:
        number = self._next("0202")
        self.answers[question].append(
            {
                "id": number,
                "question_id": question,
                "sku": SKU,
                "text": text,
                "author_name": author,
                "published_at": rfc3339(NOW + timedelta(seconds=self.last)),
                **more,
            }
        )
        self.questions[question]["answers_count"] += 1
        return number

    def publish_own(self) -> None:
        """On Ozon the seller writes only comments: one under a review of long ago."""
        self.comment(self.publish("Ancient", NOW - timedelta(days=300)), "Ours")

    def remove(self, number: str) -> None:
        del (self.reviews if number in self.reviews else self.questions)[number]

    def is_api(self, request: httpx.Request) -> bool:
        return True

    def is_list(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/review/list")

    def is_write(self, request: httpx.Request) -> bool:
        return request.url.path.endswith(("/comment/create", "/answer/create"))

    def error(self, status: int, message: str = "No.") -> bytes:
        return json.dumps({"code": GRPC.get(status, 2), "message": message, "details": []}).encode()

    wrong_types = (b'{"reviews": "none"}', b'{"reviews": [{"id": 7}]}', b"[]", b'"text"')

    def serve(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.strip("/")
        if path not in FIELDS or path[:2] not in self._versions_of(path):
            return httpx.Response(404, content=b"404 page not found")
        if (request.headers.get("Client-Id"), request.headers.get("Api-Key")) != (CLIENT, KEY):
            return self._no(403, "Invalid Api-Key, please contact support")
        asked = json.loads(request.content)
        if request.method != "POST" or not set(asked) <= FIELDS[path]:
            return self._no(400)
        return getattr(self, "_" + path.split("/", 1)[1].replace("/", "_"))(asked, path[:2])

    def _versions_of(self, path: str) -> set[str]:
        return {"v1"} if path.endswith(("comment/list", "comment/create")) or "/question/" in path else self.versions

    def _next(self, prefix: str) -> str:
        self.last += 1
        return f"{prefix}1a5c-7b61-7d3f-a0a1-{self.last:012}"

    def _no(self, status: int, message: str = "No.") -> httpx.Response:
        return httpx.Response(status, content=self.error(status, message))

    def _review_list(self, asked: dict[str, Any], version: str) -> httpx.Response:
        if not 20 <= asked["limit"] <= 100 or asked["sort_dir"] != "DESC":
            return self._no(400)
        if version == "v1" and asked.get("status") != "ALL":
            return self._no(400)
        found = sorted(self.reviews.values(), key=lambda r: (r["published_at"], r["id"]), reverse=True)
        ids = [r["id"] for r in found]
        last = asked.get("last_id") or ""
        if last and last not in ids:
            return self._no(400)
        start = ids.index(last) + 1 if last else 0
        shown = found[start : start + self.page]
        rest = start + self.page < len(found)
        return httpx.Response(
            200, json={"reviews": shown, "has_next": rest, "last_id": shown[-1]["id"] if shown else ""}
        )

    def _review_info(self, asked: dict[str, Any], version: str) -> httpx.Response:
        review = self.reviews.get(asked["review_id"])
        if review is None:
            return self._no(404)
        photos = [{"url": url, "height": 10, "width": 10} for url in self.pictures.get(review["id"], [])]
        return httpx.Response(200, json={**review, "photos": photos, "videos": [], "likes_amount": 0})

    def _review_comment_list(self, asked: dict[str, Any], version: str) -> httpx.Response:
        if asked["review_id"] not in self.reviews:
            return self._no(404)
        if not 20 <= asked["limit"] <= 100:
            return self._no(400)
        found = sorted(self.comments[asked["review_id"]], key=lambda c: c["published_at"])
        found = found[::-1] if asked["sort_dir"] == "DESC" else found
        shown = found[asked["offset"] : asked["offset"] + asked["limit"]]
        return httpx.Response(200, json={"comments": shown, "offset": asked["offset"] + len(shown)})

    def _review_comment_create(self, asked: dict[str, Any], version: str) -> httpx.Response:
        review = self.reviews.get(asked["review_id"])
        if review is None:
            return self._no(404)
        if not asked["text"]:
            return self._no(400)
        if asked.get("mark_review_as_processed"):
            review["status"] = "PROCESSED"
        number = self.comment(review["id"], asked["text"], is_published=False, is_rejected=False, deviation_reason="")
        return httpx.Response(200, json={"comment_id": number})

    def _review_comment_delete(self, asked: dict[str, Any], version: str) -> httpx.Response:
        if version == "v2" and asked.get("sku") != SKU:
            return self._no(400)
        for comments in self.comments.values():
            for comment in comments:
                if comment["id"] == asked["comment_id"]:
                    comments.remove(comment)
                    return httpx.Response(200, json={})
        return self._no(404)

    def _question_list(self, asked: dict[str, Any], version: str) -> httpx.Response:
        if asked["filter"]["status"] != "ALL":
            return self._no(400)
        since = datetime.fromisoformat(asked["filter"]["date_from"])
        found = [q for q in self.questions.values() if datetime.fromisoformat(q["published_at"]) >= since]
        found.sort(key=lambda q: (q["published_at"], q["id"]), reverse=not self.oldest_first)
        return self._marked("questions", found, asked["last_id"])

    def _question_info(self, asked: dict[str, Any], version: str) -> httpx.Response:
        question = self.questions.get(asked["question_id"])
        return self._no(404) if question is None else httpx.Response(200, json=question)

    def _question_answer_list(self, asked: dict[str, Any], version: str) -> httpx.Response:
        if asked["question_id"] not in self.questions:
            return self._no(404)
        return self._marked("answers", self.answers[asked["question_id"]], asked["last_id"])

    def _marked(self, name: str, found: list[dict[str, Any]], last: str) -> httpx.Response:
        """The page after `last`. Older servers do not say whether it is the last one."""
        ids = [one["id"] for one in found]
        if last and last not in ids:
            return self._no(400)
        start = ids.index(last) + 1 if last else 0
        shown = found[start : start + self.page]
        more = {"has_next": start + self.page < len(found)} if self.says_what_follows else {}
        return httpx.Response(200, json={name: shown, "last_id": shown[-1]["id"] if shown else last, **more})

    def _question_answer_create(self, asked: dict[str, Any], version: str) -> httpx.Response:
        if asked["question_id"] not in self.questions:
            return self._no(404)
        if asked["sku"] != SKU or len(asked["text"]) < 2:
            return self._no(400)
        return httpx.Response(200, json={"answer_id": self.answer(asked["question_id"], asked["text"])})

    def _question_answer_delete(self, asked: dict[str, Any], version: str) -> httpx.Response:
        if asked["sku"] != SKU:
            return self._no(404)
        for answers in self.answers.values():
            for answer in answers:
                if answer["id"] == asked["answer_id"]:
                    answers.remove(answer)
                    return httpx.Response(200, json={})
        return self._no(404)


Fake = Seller
