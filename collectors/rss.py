"""RSS and Atom: media, forums, Google Alerts. Reads only."""

from __future__ import annotations

import asyncio
import calendar
import hashlib
import io
from datetime import UTC, datetime, timedelta
from time import struct_time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import feedparser
from pydantic import BaseModel, Field

from collectors.answers import Answer
from collectors.http import Ask, Door, Now
from collectors.manual import NoReply
from collectors.settings import SourceSettings, WebAddress
from collectors.text import fold, plain, scrubbed, tidy
from desk.errors import BadAnswer
from desk.mention import Author, Kind, Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="rss",
    title="RSS",
    every=timedelta(minutes=10),
    floor=timedelta(minutes=2),
    pace=30,
    notes=(
        "Title, link and a quote of up to 1,000 characters of an article are kept, not the article.",
        "An item without a date counts from the time it was found.",
    ),
)

QUOTE = 1_000
"""Characters of an article that are kept (western.md §15: title, link, short quote)."""
ENTRIES = 2_000
REMEMBERED = 500
"""Items that a feed does not show any more: one that was cut or empty for once shows them again."""
LONGEST_ID = 2_000
"""Bytes; PostgreSQL takes no key of more than 2,704, and would refuse all that came with it."""
NOT_MODIFIED = 304
TRACKING = ("utm_", "fbclid", "gclid", "yclid", "ysclid")


class Settings(SourceSettings):
    url: WebAddress = Field(title="Address of the feed", description="RSS or Atom; a Google Alert's too")
    kind: Kind = Field("article", title="What its items are", description="comment for a feed of comments")


class Cursor(BaseModel):
    """Validators of the last answer, and fingerprints of items by id: new and changed ones are reported. `feed`: the
    account it is of; another feed in its place begins anew."""

    feed: str = ""
    etag: str = ""
    modified: str = ""
    seen: dict[str, str] = {}


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Rss:
    return Rss(settings, brand, source, http, now)


class Rss(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self._settings = settings
        self._brand = brand
        self._source = source
        self._door = Door(http, CARD.title, now)
        self.account = account_of(settings.url)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        last = Cursor.model_validate_json(cursor) if cursor else Cursor()
        if last.feed not in ("", self.account):
            cursor, last = None, Cursor()
        answer = await self._door.read(Ask("GET", self._settings.url, headers=_conditions(last)))
        if answer.status == NOT_MODIFIED:
            return Batch([], cursor or "")
        mentions = await asyncio.to_thread(self._parse, answer)
        fresh = [m for m in mentions if last.seen.get(_short(m.key.external_id)) != _short(m.fingerprint)]
        if not cursor:
            fresh = [m for m in fresh if m.published_at is None or m.published_at >= since]
        after = Cursor(
            feed=self.account,
            etag=_ascii(answer, "etag"),
            modified=_ascii(answer, "last-modified"),
            seen=_remembered(last.seen, {_short(m.key.external_id): _short(m.fingerprint) for m in mentions}),
        )
        return Batch(fresh, after.model_dump_json(exclude_defaults=True))

    def _parse(self, answer: Answer) -> list[Mention]:
        kind = answer.headers.get("content-type", "")
        # A stream, because feedparser opens a string that looks like an address or a file's name.
        feed = feedparser.parse(
            io.BytesIO(answer.body), response_headers={"content-type": kind, "content-location": answer.url}
        )
        if not feed.get("version") and not feed.entries:
            raise BadAnswer(f"{CARD.title}: {urlsplit(answer.url).hostname} answered something that is not a feed")
        lang = feed.feed.get("language", "")[:2].lower()
        # RSS descriptions are HTML by its specification; feedparser only guesses, and misses short ones.
        always = feed.get("version", "").startswith("rss")
        return [self._mention(entry, lang, always) for entry in feed.entries[:ENTRIES]]

    def _mention(self, entry: Any, lang: str, html: bool) -> Mention:
        title, body = fold(_words(entry, "title")), _body(entry, html, whole=self._settings.kind != "article")
        if self._settings.kind == "article" and len(body) > QUOTE:
            body = body[: QUOTE - 1].rstrip() + "…"
        published, only_modified = _time(entry)
        link = unwrapped(entry.get("link", ""))
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, _identity(entry, link, title)),
            source=self._source,
            kind=self._settings.kind,
            site=urlsplit(link).hostname or "",
            title=tidy(title),
            text=body or tidy(title),
            url=link,
            lang=lang,
            author=Author(name=tidy(entry.get("author", ""))),
            published_at=published,
            last_modified_only=only_modified,
            raw=scrubbed({name: entry[name] for name in ("id", "link", "published") if name in entry}),
        )


def account_of(url: str) -> str:
    """A feed's account: its host and a mark of the whole address, which may hold a key and is not stored."""
    return f"{urlsplit(url).hostname}#{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def unwrapped(link: str) -> str:
    """The page itself where the link is Google's redirect (Alerts), and no tracking in its query; "" if not http(s)."""
    try:
        parts = urlsplit(link.strip())
    except ValueError:
        return ""
    if parts.path == "/url" and (parts.hostname or "").startswith("www.google."):
        query = parse_qs(parts.query)
        return unwrapped((query.get("url") or query.get("q") or [""])[0])
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    return parts._replace(query=_untracked(parts.query)).geturl()


def _untracked(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not name.startswith(TRACKING)]
    return query if len(kept) == len(pairs) else urlencode(kept)


def _identity(entry: Any, link: str, title: str) -> str:
    if entry.get("id"):
        return _bounded(tidy(str(entry["id"])))
    if link:
        parts = urlsplit(link)
        return _bounded(parts._replace(scheme="https", netloc=parts.netloc.lower(), fragment="").geturl())
    return _hashed(f"{title}\x1f{entry.get('published', '')}")


def _bounded(number: str) -> str:
    return number if len(number.encode()) <= LONGEST_ID else _hashed(number)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _words(entry: Any, name: str, html: bool = False) -> str:
    detail = entry.get(f"{name}_detail") or {}
    text = entry.get(name, "") or ""
    return plain(text) if html or "html" in detail.get("type", "text/html") else tidy(text)


def _body(entry: Any, html: bool, whole: bool) -> str:
    """The summary, or the content where there is none or the `whole` is wanted."""
    if entry.get("summary") and not (whole and entry.get("content")):
        return _words(entry, "summary", html)
    return plain("".join(part.get("value", "") for part in entry.get("content", [])[:1]))


def _time(entry: Any) -> tuple[datetime | None, bool]:
    # `in` before reading: feedparser answers a missing `updated` with `published`, and warns.
    for name in ("published_parsed", "updated_parsed"):
        if name in entry and entry[name] and (at := _utc(entry[name])):
            return at, name == "updated_parsed"
    return None, False


def _utc(parsed: struct_time) -> datetime | None:
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _remembered(before: dict[str, str], shown: dict[str, str]) -> dict[str, str]:
    rest = [(number, said) for number, said in before.items() if number not in shown]
    return {**dict(rest[-REMEMBERED:]), **shown}


def _conditions(last: Cursor) -> dict[str, str]:
    asked = {"If-None-Match": last.etag, "If-Modified-Since": last.modified}
    return {name: value for name, value in asked.items() if value}


def _ascii(answer: Answer, name: str) -> str:
    value: str = answer.headers.get(name, "")
    return value if value.isascii() else ""
