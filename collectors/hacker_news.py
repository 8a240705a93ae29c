"""Hacker News: stories and comments that name the brand, by Algolia's search. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from collectors.http import Ask, Door, Now
from collectors.links import NUMBER, link_to, only
from collectors.manual import NoReply
from collectors.pages import Cursor, Item, Page, newest_first
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import plain, scrubbed, tidy
from desk.mention import Author, Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="hacker_news",
    title="Hacker News",
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=60,
    hosts=("news.ycombinator.com",),
    notes=(
        "Stories and comments whose own words fit the query; a comment under a story that does is not enough.",
        "There is no API to answer: a person posts the reply and brings the link.",
        "Edits made within two hours are seen where the search takes them in; deletions are not told.",
    ),
)

VENDOR = "https://hn.algolia.com"
SITE = "https://news.ycombinator.com"
ACCOUNT = "news.ycombinator.com"
"""One item is one mention of a brand, whichever of its queries found it."""

PAGE = 200
"""The search shows 1,000 hits at most, whatever the page: each page is a query of its own, for what is older."""
OVERLAP = timedelta(hours=2)
"""As long as authors may edit, and longer than the search takes to hear of an item."""
OWN_WORDS = ("title", "story_text", "comment_text", "url")


class Settings(SourceSettings):
    query: str = Field(
        min_length=1, title="Words to look for", description='All of them must stand there; "…" keeps words together'
    )
    own: tuple[str, ...] = Field(
        (), title="Own user names", description="The brand's accounts; what they write is no mention"
    )


class Match(BaseModel):
    """`words`: those of the query that were found there."""

    level: str = Field("", alias="matchLevel")
    words: list[str] = Field([], alias="matchedWords")


class Hit(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: str = Field(alias="objectID", pattern=r"^\d+$")
    created: int = Field(alias="created_at_i", ge=0, le=253_402_300_799)
    author: str | None = None
    title: str | None = None
    url: str | None = None
    story_text: str | None = None
    comment_text: str | None = None
    story_title: str | None = None
    parent_id: str | None = None
    tags: list[str] = Field([], alias="_tags")
    matches: dict[str, Match | Any] = Field({}, alias="_highlightResult")

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.created, UTC)

    @property
    def is_comment(self) -> bool:
        return "comment" in self.tags or self.comment_text is not None

    @property
    def words(self) -> str:
        """A story that is only a link says its title."""
        return plain(self.comment_text or self.story_text or "") or tidy(self.title or "")

    @property
    def says_it(self) -> bool:
        """Whether its own words fit, all that matched, and not only with its author's name or the title of the story it
        stands under."""
        matches = {name: match for name, match in self.matches.items() if isinstance(match, Match)}
        own = [match for name, match in matches.items() if name in OWN_WORDS]
        levels = {match.level for match in own}
        some = bool(levels - {"none"})
        return not own or "full" in levels or (some and _words(own) >= _words(matches.values()))


def _words(matches: Iterable[Match]) -> set[str]:
    return {word for match in matches for word in match.words}


class Answered(BaseModel):
    hits: list[Any]


def said_by_algolia(body: Any) -> tuple[str, str]:
    return body["message"], str(body["status"])


def item(settings: Settings, url: str) -> str | None:
    link = link_to(CARD.hosts, url)
    return only(f"({NUMBER})", link.value("id")) if link.path == "/item" else None


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> HackerNews:
    return HackerNews(settings, brand, source, http, now)


class HackerNews(NoReply):
    card = CARD
    account = ACCOUNT

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self._query = settings.query
        self._own = {name.casefold() for name in settings.own}
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_algolia)
        self._search = f"{settings.api_base or VENDOR}/api/v1/search_by_date"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        after = int(Cursor.of(cursor, since).floor(OVERLAP).timestamp())

        async def window(before: str) -> Page:
            return await self._window(after, before)

        return await newest_first(window, cursor, since, now=self._now, overlap=OVERLAP)

    async def _window(self, after: int, before: str) -> Page:
        """The newest hits from `after` to `before` (Unix seconds, both counted in; "" is without end)."""
        bounds = [f"created_at_i>={after}", *([f"created_at_i<={before}"] if before else [])]
        params: dict[str, str | int] = {
            "query": self._query,
            "advancedSyntax": "true",
            "tags": "(story,comment)",
            "numericFilters": ",".join(bounds),
            "hitsPerPage": PAGE,
        }
        raw = (await self._door.read(Ask("GET", self._search, params=params))).parse(Answered).hits
        hits, note = readable(raw, Hit, CARD.title)
        items = [Item(hit.at, self._mention(hit) if self._counts(hit) else None) for hit in hits]
        return Page(items, _older(hits, before) if len(raw) >= PAGE else "", note)

    def _counts(self, hit: Hit) -> bool:
        return hit.says_it and (hit.author or "").casefold() not in self._own

    def _mention(self, hit: Hit) -> Mention:
        author = tidy(hit.author or "")
        parent = hit.parent_id if hit.is_comment and hit.parent_id else ""
        return Mention(
            key=MentionKey(self._brand, CARD.name, ACCOUNT, hit.id),
            source=self._source,
            kind="comment" if hit.is_comment else "post",
            title="" if hit.is_comment else tidy(hit.title or ""),
            text=hit.words,
            url=_item(hit.id),
            lang="en",
            author=Author(id=author, name=author, url=f"{SITE}/user?id={author}" if author else ""),
            published_at=hit.at,
            item=tidy(hit.story_title or hit.url or ""),
            parent_id=parent,
            parent_url=_item(parent) if parent else "",
            raw=scrubbed(hit.model_dump(mode="json", by_alias=True, exclude={"matches"})),
        )


def _older(hits: list[Hit], before: str) -> str:
    """Where the next window ends: at the oldest second seen, or before it where a window held nothing else."""
    oldest = str(min(hit.created for hit in hits))
    return oldest if oldest != before else str(int(oldest) - 1)


def _item(number: str) -> str:
    return f"{SITE}/item?id={number}"
