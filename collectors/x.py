"""X: posts of the last seven days that a search finds. Answered by hand: programs may reply only where summoned."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, AwareDatetime, BaseModel, Field, SecretStr

from collectors.answers import Maker, Verdict, needs_login
from collectors.http import Ask, Door, Now
from collectors.links import NUMBER, link_to, only
from collectors.manual import NoReply
from collectors.pages import joined
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import plain, scrubbed, tidy
from desk.errors import DeskError, Gone, Refused
from desk.mention import Author, Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

BARE = r"(?<![@\w.-])(?:[\w-]+\.)+(?:[a-z]{2}|com|org|net|info|biz|app|рф)(?![\w-])(?:/\S*)?"
"""An address without its scheme; X links more of them than not."""
LINKS = re.compile(rf"(?:https?://\S*|{BARE})(?<![.,:;!?)\]}}'\"»])", re.IGNORECASE)
LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""Code points that count once; all others count twice (western.md §8: Cyrillic once, emoji and CJK twice)."""
SHORTENED = 23
"""Whatever its length, a link counts so much."""


def weighted(text: str) -> int:
    """Length as X counts it; an emoji made of several signs counts for each of them here, so never too little."""
    links = len(LINKS.findall(text))
    rest = LINKS.sub("", text)
    return links * SHORTENED + sum(1 if any(a <= ord(sign) <= b for a, b in LIGHT) else 2 for sign in rest)


CARD = PlatformCard(
    name="x",
    title="X",
    longest=280,
    unit="weighted",
    measure=weighted,
    every=timedelta(minutes=15),
    floor=timedelta(minutes=1),
    pace=20,
    history=timedelta(days=7),
    hosts=("x.com", "twitter.com"),
    notes=(
        "Since February 2026 a program may reply only to authors who mention or quote the brand: replies go by hand.",
        "Each post that is read costs money: the query should be narrow.",
        "The search shows the last seven days; deletions are not told.",
    ),
)

VENDOR = "https://api.x.com"
PAGE, PAGES = 100, 5
FIELDS = {
    "tweet.fields": "created_at,author_id,lang,conversation_id,public_metrics,note_tweet",
    "expansions": "author_id",
    "user.fields": "username,name,public_metrics",
}
HISTORY = timedelta(days=7) - timedelta(minutes=5)
"""A start older than seven days is refused, by its time or by its id; the request takes its time."""
EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)
"""An id holds the milliseconds since then above its last 22 bits."""


class Settings(SourceSettings):
    bearer_token: SecretStr = Field(title="Bearer token", description="Of the app, from X's developer console")
    query: str = Field(
        min_length=1, max_length=480, title="Query", description='As in X\'s search: "Acme Coffee" -is:retweet'
    )
    handle: str = Field("", pattern=r"^@?\w*$", title="The brand's handle", description="Its own posts are left out")


class Metrics(BaseModel):
    followers: int | None = Field(None, alias="followers_count")
    impressions: int | None = Field(None, alias="impression_count")


class User(BaseModel):
    id: str
    name: str = ""
    username: str = ""
    metrics: Metrics | None = Field(None, alias="public_metrics")


class Note(BaseModel):
    text: str


class Post(BaseModel):
    """`text` ends where a short post has to; `long`: all of a longer one. `history`: its ids, one of each edit."""

    id: str = Field(pattern=r"^\d{1,19}$")
    text: str
    long: Note | None = Field(None, validation_alias=AliasChoices("note_tweet", "note_post"))
    history: list[str] = Field([], validation_alias=AliasChoices("edit_history_tweet_ids", "edit_history_post_ids"))
    at: AwareDatetime = Field(alias="created_at")
    author: str = Field("", alias="author_id")
    lang: str = ""
    thread: str = Field("", alias="conversation_id")
    metrics: Metrics | None = Field(None, alias="public_metrics")

    @property
    def first(self) -> str:
        """The id it was written under: an edit is no other post."""
        return next(iter(self.history), self.id)

    @property
    def answers(self) -> str:
        """The post that began the conversation, "" where it is this one."""
        return "" if self.thread in (self.id, *self.history) else self.thread

    @property
    def words(self) -> str:
        whole = self.long.text if self.long else self.text
        return plain(whole.replace("\n", "<br>"))


class Included(BaseModel):
    users: list[Any] = []


class Meta(BaseModel):
    next_token: str = ""
    newest_id: str = ""


class Found(BaseModel):
    data: list[Any] = []
    includes: Included = Included()
    meta: Meta


class Cursor(BaseModel):
    """Newest post that is stored with all before it; where an unfinished poll goes on, and the newest it saw."""

    newest: str = ""
    page: str = ""
    top: str = ""


def said_by_x(body: Any) -> tuple[str, str]:
    return body.get("detail") or body["title"], str(body.get("type") or body.get("title")).rpartition("/")[2]


def spent(verdict: Verdict) -> DeskError:
    return Refused(f"{verdict.reason}; the plan's posts are used up: raise its cap, or wait for its month to end")


CODES: dict[str, Maker] = {"usage-capped": spent, "unsupported-authentication": needs_login}


def item(settings: Settings, url: str) -> str | None:
    return only(rf"/(?:\w+|i/web)/status(?:es)?/({NUMBER})(?:/.*)?", link_to(CARD.hosts, url).path)


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> X:
    return X(settings, brand, source, http, now)


class X(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = "search"
        self._handle = settings.handle.removeprefix("@").lower()
        own = f" -from:{self._handle}" if self._handle else ""
        self._query = f"({settings.query}){own}"
        self._url = f"{settings.api_base or VENDOR}/2/tweets/search/recent"
        self._authorization = f"Bearer {settings.bearer_token.get_secret_value()}"
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_x, CODES)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.model_validate_json(cursor) if cursor else Cursor()
        page, top = state.page, state.top
        mentions: list[Mention] = []
        notes: list[str] = []
        for _ in range(PAGES):
            found = await self._resumed(state, page, since)
            posts, note = readable(found.data, Post, CARD.title)
            users = (
                {u.id: u for u in readable(found.includes.users, User, CARD.title)[0]} if found.includes.users else {}
            )
            notes.append(note)
            mentions += [self._mention(post, users.get(post.author)) for post in posts]
            top = _newer(top, *(post.id for post in posts))
            # A page that names itself leads nowhere, now and for ever.
            page = "" if found.meta.next_token == page else found.meta.next_token
            if not page:
                break
        after = Cursor(newest=state.newest, page=page, top=top) if page else Cursor(newest=_newer(state.newest, top))
        fresh = [
            m for m in mentions if m.author.url != f"https://x.com/{self._handle}" and (cursor or self._new(m, since))
        ]
        return Batch(fresh, after.model_dump_json(exclude_defaults=True), joined(notes))

    def _new(self, mention: Mention, since: datetime) -> bool:
        return mention.published_at is None or mention.published_at >= since

    async def _resumed(self, state: Cursor, page: str, since: datetime) -> Found:
        """That page; the newest one where the mark that the last poll left has grown too old."""
        try:
            return await self._page(state.newest, page, since)
        except (Refused, Gone):
            if not page or page != state.page:
                raise
            return await self._page(state.newest, "", since)

    async def _page(self, newest: str, page: str, since: datetime) -> Found:
        params: dict[str, str | int] = {"query": self._query, "max_results": PAGE, "sort_order": "recency", **FIELDS}
        oldest = self._now() - HISTORY
        if newest and _made_at(newest) > oldest:
            params["since_id"] = newest
        else:
            start = oldest if newest else max(since, oldest)
            params["start_time"] = start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if page:
            params["next_token"] = page
        answer = await self._door.read(Ask("GET", self._url, params=params).signed(self._authorization))
        return answer.parse(Found)

    def _mention(self, post: Post, user: User | None) -> Mention:
        handle = user.username if user else ""
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, post.first),
            source=self._source,
            kind="comment" if post.answers else "post",
            text=post.words,
            lang="" if post.lang == "und" else post.lang,
            author=Author(
                id=post.author,
                name=tidy(user.name) if user else "",
                url=f"https://x.com/{handle.lower()}" if handle else "",
                followers=user.metrics.followers if user and user.metrics else None,
            ),
            url=f"https://x.com/{handle or 'i'}/status/{post.id}",
            published_at=post.at,
            reach=post.metrics.impressions if post.metrics else None,
            parent_id=post.answers,
            raw=scrubbed(post.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        )


def _made_at(number: str) -> datetime:
    return EPOCH + timedelta(milliseconds=int(number) >> 22)


def _newer(*ids: str) -> str:
    """The largest id: they are numbers of any length, and grow."""
    return max((one for one in ids if one), key=int, default="")
