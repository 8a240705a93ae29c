"""Reddit: posts that a search finds. Answered by hand; each use of its API needs Reddit's approval first."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, SecretStr

from collectors.http import Ask, Door, Now
from collectors.links import link_below, link_to, only
from collectors.login import OAUTH_CODES, Grant, Login, Pass
from collectors.manual import NoReply
from collectors.pages import Item, Page, newest_first
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import plain, scrubbed, tidy
from desk.errors import Gone, NeedsLogin, Refused
from desk.mention import Author, Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="reddit",
    title="Reddit",
    longest=10_000,
    every=timedelta(minutes=10),
    floor=timedelta(minutes=1),
    pace=60,
    hosts=("reddit.com", "redd.it"),
    notes=(
        "Reddit's rules ask for written approval before any use of its API, and for a contract for commercial use.",
        "Posts are found, comments under them are not: Reddit's search does not show those.",
        "A listing ends at about 1,000 posts; deleted posts drop out of it without a word.",
    ),
)

VENDOR = "https://oauth.reddit.com"
LOGIN = "https://www.reddit.com"
SITE = "https://www.reddit.com"
SHORT = "https://redd.it"
AGENT = "python:replydesk:v1 (response desk)"
"""Reddit turns away clients that do not say who they are."""
LIMIT = 100
OVERLAP = timedelta(hours=6)
"""Edits within it are seen again."""
DELETED = ("[deleted]", "[removed]")


class Settings(SourceSettings):
    client_id: str = Field(min_length=1, title="Client id", description="Of the approved app")
    client_secret: SecretStr = Field(title="Client secret", description="Of the approved app")
    refresh_token: SecretStr = Field(title="Refresh token", description="Of a permanent authorisation with scope read")
    query: str = Field(min_length=1, max_length=512, title="Query", description='As in Reddit\'s search: "Acme Coffee"')
    subreddit: str = Field("", pattern=r"^\w*$", title="Subreddit", description="Only there; everywhere if absent")
    username: str = Field(
        "", pattern=r"^[\w-]*$", title="The brand's user name", description="Its own posts are left out"
    )
    login_base: str = Field(LOGIN, title="Address of the login", description="Reddit's own if absent")


class Post(BaseModel):
    id: str = Field(alias="name", pattern=r"^t3_\w+$")
    title: str = ""
    text: str | None = Field(None, alias="selftext_html")
    author: str = ""
    at: float = Field(alias="created_utc", ge=0, le=253_402_300_799)
    link: str = Field(alias="permalink", pattern=r"^/")
    subreddit: str = ""

    @property
    def published(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


class Listed(BaseModel):
    children: list[Any]
    after: str | None = None


class Listing(BaseModel):
    data: Listed


def said_by_reddit(body: Any) -> tuple[str, str]:
    return str(body.get("message") or body["error"]), str(body.get("reason") or body["error"])


def item(settings: Settings, url: str) -> str | None:
    """A post's; comments are not read, nor what stands in another subreddit than the source's."""
    path = link_to(CARD.hosts, url).path
    number = only(r"(?:/r/\w+|/user/[\w-]+)?/comments/([0-9a-z]+)(?:/[^/]*)?/?", path)
    number = number or only(r"/([0-9a-z]+)/?", link_below(SHORT, url).path)
    named = only(r"/r/(\w+)/.*", path) or settings.subreddit
    elsewhere = settings.subreddit and named.lower() != settings.subreddit.lower()
    return f"t3_{number}" if number and not elsewhere else None


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Reddit:
    return Reddit(settings, brand, source, http, now)


class Reddit(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = "search"
        self._settings = settings
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_reddit)
        self._entry = Door(http, f"{CARD.title} login", now, said_by_reddit, OAUTH_CODES)
        self._login = Login(self._renew, now, CARD.title)
        within = f"/r/{settings.subreddit}" if settings.subreddit else ""
        self._url = f"{settings.api_base or VENDOR}{within}/search"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(self._page, cursor, since, now=self._now, overlap=OVERLAP)

    async def _renew(self, _last: Pass | None) -> Pass:
        known = self._settings
        pair = f"{known.client_id}:{known.client_secret.get_secret_value()}"
        form = {"grant_type": "refresh_token", "refresh_token": known.refresh_token.get_secret_value()}
        ask = Ask("POST", f"{known.login_base}/api/v1/access_token", form=form, headers={"User-Agent": AGENT})
        try:
            answer = await self._entry.read(ask.signed(f"Basic {base64.b64encode(pair.encode()).decode()}"))
        except (Refused, Gone) as error:
            raise NeedsLogin(error.reason) from error
        return answer.parse(Grant).as_pass(self._now())

    async def _page(self, after: str) -> Page:
        params: dict[str, str | int] = {"q": self._settings.query, "sort": "new", "limit": LIMIT, "raw_json": 1}
        if self._settings.subreddit:
            params["restrict_sr"] = "true"
        if after:
            params["after"] = after
        ask = Ask("GET", self._url, params=params, headers={"User-Agent": AGENT})
        listed = (await self._login.call(self._door.read, ask)).parse(Listing).data
        shown = [child.get("data") if isinstance(child, dict) else child for child in listed.children]
        posts, note = readable(shown, Post, CARD.title)
        return Page([Item(post.published, self._mention(post)) for post in posts], listed.after or "", note)

    def _mention(self, post: Post) -> Mention | None:
        text = plain(post.text or "")
        nobody = post.author in DELETED
        own = post.author.lower() == self._settings.username.lower() and bool(self._settings.username)
        if own or (nobody and not text):
            return None
        key = MentionKey(self._brand, CARD.name, self.account, post.id)
        if text in DELETED:
            return Mention(key=key, source=self._source, kind="post", text="", deleted=True)
        return Mention(
            key=key,
            source=self._source,
            kind="post",
            title=tidy(post.title),
            text=text,
            author=Author() if nobody else Author(post.author, post.author, f"{SITE}/user/{post.author}"),
            url=f"{SITE}{post.link}",
            published_at=post.published,
            place=post.subreddit,
            raw=scrubbed(post.model_dump(mode="json", by_alias=True)),
        )
