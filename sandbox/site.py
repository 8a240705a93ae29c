"""The review site: Google Play's reviews API (androidpublisher v3), its token endpoint and a public page."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from aiohttp import web

from sandbox import google, store_page
from sandbox.google import Refusal

WEEK = 7 * 24 * 3600
DEFAULT_PAGE, LONGEST_PAGE = 10, 100
LONGEST_REPLY = 350
METHODS = ("token", "reviews.list", "reviews.get", "reviews.reply")
TAG = re.compile(r"<[^<>]*>")
HTML_ERROR = "<!doctype html><title>Error</title><p>The server encountered a temporary error."

Params = dict[str, Any]
Act = Callable[[Params], dict[str, Any]]
Fault = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One API call as the site saw it. `at` is Unix seconds; `error` is Google's reason, "" when fine."""

    at: float
    method: str
    params: Params
    ok: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class OfficialReply:
    text: str
    at: float


@dataclass(slots=True)
class Review:
    """`at` is Unix seconds of the last change by its author; there is no other time, as on Google Play."""

    id: str
    package: str
    author: str
    stars: int
    text: str
    lang: str
    at: float
    number: int
    edited: bool = False
    reply: OfficialReply | None = None


@dataclass(slots=True)
class App:
    package: str
    title: str
    reviews: dict[str, Review] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)


class SiteError(ValueError):
    """A person asked for something the site can not do; the text says what."""


class ReviewSite:
    """One review site with any number of apps. `now` gives Unix seconds."""

    def __init__(self, notify: Callable[[], None] = lambda: None, now: Callable[[], float] = time.time) -> None:
        self.calls: list[Call] = []
        self.tokens = google.TokenDesk(now)
        self.origin = "http://127.0.0.1"
        self._notify, self._now = notify, now
        self._apps: dict[str, App] = {}
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._count = 0

    # People's side

    def add_app(self, package: str, title: str) -> None:
        self._apps[package] = App(package, title)
        self._notify()

    def leave(
        self,
        package: str,
        author: str,
        stars: int,
        text: str,
        lang: str = "ru",
        published: float | None = None,
    ) -> str:
        """A customer writes a review; gives its id. `published` is Unix seconds, now if not given."""
        app = self._app(package)
        self._count += 1
        review = Review(
            id=f"gp:AOqpTO{secrets.token_urlsafe(9)}",
            package=package,
            author=author.strip() or "A customer",
            stars=_stars(stars),
            text=text.strip(),
            lang=lang,
            at=self._now() if published is None else published,
            number=self._count,
        )
        app.reviews[review.id] = review
        self._notify()
        return review.id

    def edit_review(self, review_id: str, stars: int, text: str) -> None:
        review = self.review(review_id)
        review.stars, review.text = _stars(stars), text.strip()
        review.at, review.edited = self._now(), True
        self._notify()

    def delete_review(self, review_id: str) -> None:
        del self._app(self.review(review_id).package).reviews[review_id]
        self._notify()

    def official_reply(self, review_id: str, text: str) -> None:
        """A colleague answers in the console, past the desk."""
        self.review(review_id).reply = OfficialReply(text.strip(), self._now())
        self._notify()

    def review(self, review_id: str) -> Review:
        for app in self._apps.values():
            if review_id in app.reviews:
                return app.reviews[review_id]
        raise SiteError(f"no such review: {review_id}")

    def link(self, review_id: str) -> str:
        """Public address of a review."""
        review = self.review(review_id)
        return f"{self.origin}/site/{quote(review.package)}#{quote(review.id, safe=':')}"

    def snapshot(self) -> dict[str, Any]:
        return {"apps": [_app_view(app) for app in self._apps.values()]}

    def service_account(self) -> dict[str, str]:
        """A complete service account JSON for `origin`, which a started Sandbox sets to its own address."""
        return google.service_account(f"{self.origin}/play/token")

    def fail(self, method: str, *faults: Fault) -> None:
        """Faults for the next calls of a method, one a call. Raises ValueError for an unknown one.

        ("status", code), ("retry_after", seconds), ("error", reason), ("error", status, reason, message),
        ("drop_before",), ("drop_after",), ("html",), ("delay", seconds).
        """
        if method not in METHODS:
            raise ValueError(f"no such method: {method}")
        if unknown := [fault[0] for fault in faults if fault[0] not in (*INSTEAD, "delay", "drop_after")]:
            raise ValueError(f"no such fault: {unknown[0]}")
        self._faults[method].extend(faults)

    def forbid(self, package: str, *methods: str) -> None:
        """The service account lacks the right to these methods of one app; none = all rights back."""
        self._app(package).forbidden = set(methods)

    def _app(self, package: str) -> App:
        if package not in self._apps:
            raise SiteError(f"no such app: {package}")
        return self._apps[package]

    # The vendor's API

    def routes(self) -> list[web.RouteDef]:
        reviews = "/play/androidpublisher/v3/applications/{package}/reviews"
        return [
            web.post("/play/token", self._serve_token),
            web.get(reviews, self._serve_list),
            web.get(reviews + "/{review:.+}", self._serve_get),
            web.post(reviews + "/{review:.+}:reply", self._serve_reply),
            web.get("/site/{package}", self._serve_page),
            web.post("/site/{package}", self._serve_form),
        ]

    async def _serve_token(self, request: web.Request) -> web.StreamResponse:
        form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        url = str(request.url.with_query(None))
        return await self._serve(request, "token", form, lambda params: self.tokens.issue(params, url))

    async def _serve_list(self, request: web.Request) -> web.StreamResponse:
        params = {**request.query, **request.match_info}
        return await self._serve(request, "reviews.list", params, self._guarded(request, self._list))

    async def _serve_get(self, request: web.Request) -> web.StreamResponse:
        params = {**request.query, **request.match_info}
        return await self._serve(request, "reviews.get", params, self._guarded(request, self._get))

    async def _serve_reply(self, request: web.Request) -> web.StreamResponse:
        params = {**(await _json_body(request)), **request.match_info}
        return await self._serve(request, "reviews.reply", params, self._guarded(request, self._reply))

    def _guarded(self, request: web.Request, act: Act) -> Act:
        def guarded(params: Params) -> dict[str, Any]:
            self.tokens.check(request.headers.get("Authorization", ""))
            return act(params)

        return guarded

    async def _serve(self, request: web.Request, method: str, params: Params, act: Act) -> web.StreamResponse:
        fault = self._faults[method].popleft() if self._faults[method] else ("none",)
        if fault[0] in INSTEAD:
            self.calls.append(Call(self._now(), method, params, ok=False, error=str(fault[0])))
            return await INSTEAD[fault[0]](request, fault)
        if fault[0] == "delay":
            await asyncio.sleep(fault[1])
        answer = self._answer(method, params, act)
        return await _cut(request, fault) if fault[0] == "drop_after" else answer

    def _answer(self, method: str, params: Params, act: Act) -> web.Response:
        try:
            body = act(params)
        except Refusal as refusal:
            self.calls.append(Call(self._now(), method, params, ok=False, error=refusal.reason))
            return web.json_response(refusal.body(), status=refusal.status)
        self.calls.append(Call(self._now(), method, params, ok=True))
        return web.json_response(body)

    def _list(self, params: Params) -> dict[str, Any]:
        app = self._readable(params, "reviews.list")
        size = _whole(params, "maxResults", DEFAULT_PAGE, lowest=1)
        known = [review for review in _newest_first(app) if self._is_listed(review)]
        if token := params.get("token"):
            anchor = _read_token(token)
            known = [review for review in known if _order(review) < anchor]
        known = known[_whole(params, "startIndex", 0, lowest=0) :]
        page, rest = known[: min(size, LONGEST_PAGE)], known[min(size, LONGEST_PAGE) :]
        answer: dict[str, Any] = {}
        if page:
            answer["reviews"] = [_resource(review, params) for review in page]
        if rest:
            answer["tokenPagination"] = {"nextPageToken": _token(page[-1])}
        return answer

    def _get(self, params: Params) -> dict[str, Any]:
        return _resource(self._readable_review(params, "reviews.get"), params)

    def _reply(self, params: Params) -> dict[str, Any]:
        review = self._readable_review(params, "reviews.reply")
        raw = params.get("replyText")
        text = TAG.sub("", raw).strip() if isinstance(raw, str) else ""
        if not text:
            raise Refusal(400, "required", "The replyText is required.")
        if len(text) > LONGEST_REPLY:
            raise Refusal(400, "replyTextTooLong", f"Reply text is longer than {LONGEST_REPLY} characters.")
        review.reply = OfficialReply(text, self._now())
        self._notify()
        return {"result": {"replyText": text, "lastEdited": _timestamp(review.reply.at)}}

    def _readable(self, params: Params, method: str) -> App:
        app = self._apps.get(params["package"])
        if app is None:
            raise Refusal(404, "applicationNotFound", f"Package not found: {params['package']}.")
        if method in app.forbidden:
            raise Refusal(403, "permissionDenied", "The caller does not have permission")
        return app

    def _readable_review(self, params: Params, method: str) -> Review:
        review = self._readable(params, method).reviews.get(params["review"])
        if review is None or not review.text:
            raise Refusal(404, "reviewNotFound", "Review not found.")
        return review

    def _is_listed(self, review: Review) -> bool:
        return bool(review.text) and review.at > self._now() - WEEK

    # The public page and the sandbox's own page

    async def _serve_page(self, request: web.Request) -> web.Response:
        app = self._apps.get(request.match_info["package"])
        if app is None:
            raise web.HTTPNotFound(text="No such app.")
        html = store_page.render(app.title, app.package, _newest_first(app))
        return web.Response(text=html, content_type="text/html")

    async def _serve_form(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        package = request.match_info["package"]
        try:
            stars = int(form.get("stars", "0"))
            review_id = self.leave(package, form.get("author", ""), stars, form.get("text", ""))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        raise web.HTTPSeeOther(f"/site/{quote(package)}#{quote(review_id, safe=':')}")

    def ui_routes(self) -> list[web.RouteDef]:
        return [web.post("/ui/site/{action}", self._serve_action)]

    async def _serve_action(self, request: web.Request) -> web.Response:
        actions: dict[str, Callable[..., Any]] = {
            "leave": self.leave,
            "edit_review": self.edit_review,
            "delete_review": self.delete_review,
            "official_reply": self.official_reply,
        }
        action = actions.get(request.match_info["action"])
        if action is None:
            raise web.HTTPNotFound
        try:
            result = action(**await request.json())
        except (TypeError, ValueError) as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)
        return web.json_response({"ok": True, "result": result})


async def _status(request: web.Request, fault: Fault) -> web.StreamResponse:
    refusal = Refusal(fault[1], "backendError", "The service failed.")
    return web.json_response(refusal.body(), status=refusal.status)


async def _too_many(request: web.Request, fault: Fault) -> web.StreamResponse:
    body = Refusal(429, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'.").body()
    return web.json_response(body, status=429, headers={"Retry-After": str(fault[1])})


async def _named_error(request: web.Request, fault: Fault) -> web.StreamResponse:
    """("error", reason) or ("error", status, reason) or ("error", status, reason, message)."""
    given = fault[1:] if isinstance(fault[1], int) else (400, *fault[1:])
    status, reason, message = (*given, "Refused.")[:3]
    return web.json_response(Refusal(status, reason, message).body(), status=status)


async def _html(request: web.Request, fault: Fault) -> web.StreamResponse:
    return web.Response(text=HTML_ERROR, content_type="text/html")


async def _cut(request: web.Request, fault: Fault) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


INSTEAD: Mapping[str, Callable[[web.Request, Fault], Awaitable[web.StreamResponse]]] = {
    "status": _status,
    "retry_after": _too_many,
    "error": _named_error,
    "html": _html,
    "drop_before": _cut,
}


async def _json_body(request: web.Request) -> Params:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _stars(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5:
        raise SiteError("stars: a whole number from 1 to 5")
    return value


def _whole(params: Params, name: str, default: int, lowest: int) -> int:
    raw = str(params.get(name, default))
    if not raw.isdecimal() or int(raw) < lowest:
        raise Refusal(400, "badRequest", f"Invalid value at '{name}': {raw}")
    return int(raw)


def _order(review: Review) -> tuple[float, int]:
    return review.at, review.number


def _newest_first(app: App) -> list[Review]:
    return sorted(app.reviews.values(), key=_order, reverse=True)


def _token(review: Review) -> str:
    return base64.urlsafe_b64encode(json.dumps(_order(review)).encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[float, int]:
    try:
        at, number = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return float(at), int(number)
    except (ValueError, TypeError):
        raise Refusal(400, "badRequest", "Invalid page token.") from None


def _timestamp(at: float) -> dict[str, Any]:
    """Google Play writes seconds as a string and the rest as a number."""
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    return {"seconds": str(seconds), "nanos": micros * 1000}


def _resource(review: Review, params: Params) -> dict[str, Any]:
    comments: list[dict[str, Any]] = [{"userComment": _user_comment(review, params.get("translationLanguage"))}]
    if review.reply:
        reply = {"text": review.reply.text, "lastModified": _timestamp(review.reply.at)}
        comments.append({"developerComment": reply})
    return {"reviewId": review.id, "authorName": review.author, "comments": comments}


def _user_comment(review: Review, translate_to: str | None) -> dict[str, Any]:
    comment = {
        "text": review.text,
        "lastModified": _timestamp(review.at),
        "starRating": review.stars,
        "reviewerLanguage": review.lang,
        "device": "a51",
        "androidOsVersion": 34,
        "appVersionCode": 820,
        "appVersionName": "8.2.0",
        "thumbsUpCount": 0,
        "thumbsDownCount": 0,
    }
    if translate_to and translate_to != review.lang:
        # A client that asks for translations must not take them for the author's words.
        comment |= {"text": f"[{translate_to}] {review.text}", "originalText": review.text}
    return comment


def _app_view(app: App) -> dict[str, Any]:
    reviews = [_review_view(review) for review in _newest_first(app)]
    return {"package": app.package, "title": app.title, "reviews": reviews}


def _review_view(review: Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "author": review.author,
        "stars": review.stars,
        "text": review.text,
        "lang": review.lang,
        "at": review.at,
        "edited": review.edited,
        "reply": {"text": review.reply.text, "at": review.reply.at} if review.reply else None,
    }
