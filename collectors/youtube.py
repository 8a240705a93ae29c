"""YouTube: comments under the brand's own channel, answered as that channel (Data API v3: commentThreads, comments)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, Field

from collectors.answers import Maker, Verdict, gone, later, needs_login, refused
from collectors.google_auth import UserSettings, user_login
from collectors.http import Ask, Door, Now
from collectors.links import link_to, only
from collectors.login import OAUTH_CODES, said_by_oauth
from collectors.pages import PAGES, Cursor, Item, Page, joined, newest_first
from collectors.records import readable
from collectors.text import fold, scrubbed, tidy
from desk.errors import BadAnswer, DeskError, Gone, Refused, Retry
from desk.mention import Author, Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

PAGE = 100
OVERLAP = timedelta(hours=24)
"""The list shows nothing of edits and late replies: so far back each poll reads again."""
WHOLE = 10
"""Long threads whose replies one poll reads to the end: each costs a unit of the day's quota, as a page does."""
KNOWN = 200

CARD = PlatformCard(
    name="youtube",
    title="YouTube",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    longest=10_000,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=3),
    pace=30,
    hosts=("youtube.com", "youtu.be"),
    notes=(
        "Comments under the channel's own videos and posts only; those held for review or as spam are not read.",
        "A Cloud project has 10,000 units a day: reading costs 1, writing 50, failures too: about 25 channels.",
        "When the day's units are used up, all waits until midnight Pacific time.",
        "New replies are found under the newest 100 comments, not under older ones.",
        "There is one level of replies: an answer to a reply stands at the end of the same thread.",
        "The length limit of 10,000 characters is not in YouTube's papers.",
        "YouTube wants stored texts refreshed or deleted after 30 days.",
    ),
)

VENDOR = "https://youtube.googleapis.com"
SITE = "https://www.youtube.com"
PACIFIC = ZoneInfo("America/Los_Angeles")
STANDINGS: dict[str, Standing] = {"": "public", "published": "public", "rejected": "refused"}
"""heldForReview, likelySpam and whatever comes later: waiting."""


def tomorrow(verdict: Verdict) -> DeskError:
    """The day of quotas begins at midnight in California."""
    today = verdict.now.astimezone(PACIFIC).date()
    midnight = datetime.combine(today + timedelta(days=1), time.min, PACIFIC)
    wait = midnight.timestamp() - verdict.now.timestamp()
    return Retry(f"{verdict.reason} It begins anew at midnight Pacific time.", after=wait, rate_limited=True)


CODES: dict[str, Maker] = {
    **dict.fromkeys(("quotaExceeded", "dailyLimitExceeded"), tomorrow),
    **dict.fromkeys(("rateLimitExceeded", "userRateLimitExceeded"), later),
    **dict.fromkeys(("insufficientPermissions", "authError"), needs_login),
    **dict.fromkeys(("commentNotFound", "parentCommentNotFound", "commentThreadNotFound", "videoNotFound"), gone),
    # A wrong channel in the settings must not make its comments vanish.
    "channelNotFound": refused,
}


class Settings(UserSettings):
    channel_id: str = Field(
        pattern=r"^UC[\w-]+$", title="Channel", description="Id of the brand's channel; it begins with UC"
    )


class AuthorChannel(BaseModel):
    value: str = ""


class Snippet(BaseModel):
    text: str = Field("", alias="textDisplay")
    typed: str = Field("", alias="textOriginal")
    author: str = Field("", alias="authorDisplayName")
    author_channel: AuthorChannel = Field(AuthorChannel(), alias="authorChannelId")
    video: str = Field("", alias="videoId")
    parent: str = Field("", alias="parentId")
    image: str = Field("", alias="imageUrl")
    status: str = Field("", alias="moderationStatus")
    published: AwareDatetime = Field(alias="publishedAt")
    updated: AwareDatetime | None = Field(None, alias="updatedAt")


class Comment(BaseModel):
    id: str = Field(min_length=1)
    said: Snippet = Field(alias="snippet")

    @property
    def thread(self) -> str:
        return self.said.parent or self.id

    @property
    def changed(self) -> datetime:
        return self.said.updated or self.said.published

    @property
    def standing(self) -> Standing:
        return STANDINGS.get(self.said.status, "waiting")

    @property
    def typed(self) -> str:
        """As written: what is shown may have a video's title for its link. Only authors get it of their own."""
        return tidy(self.said.typed or self.said.text)


class Head(BaseModel):
    top: Any = Field(alias="topLevelComment")
    total: int = Field(0, alias="totalReplyCount")
    video: str = Field("", alias="videoId")


class Thread(BaseModel):
    id: str = Field(min_length=1)
    head: Head = Field(alias="snippet")
    replies: dict[str, Any] = {}

    @property
    def shown(self) -> list[Any]:
        """Some of the replies; `head.total` counts all."""
        replies = self.replies.get("comments")
        return replies if isinstance(replies, list) else []


class Listing(BaseModel):
    items: list[Any] = []
    next: str = Field("", alias="nextPageToken")


class Waiting(BaseModel):
    """A long thread one poll could not read as well: its replies count from `since` on, whenever they are read."""

    since: AwareDatetime
    total: int
    video: str = ""


class State(BaseModel):
    """The cursor: how far the list is read, how many replies each long thread had when it was read whole, and which
    still wait for that."""

    threads: Cursor | None = None
    counts: dict[str, int] = {}
    waiting: dict[str, Waiting] = {}
    _left: int = WHOLE

    @classmethod
    def of(cls, stored: str | None) -> State:
        return cls.model_validate_json(stored) if stored else cls()

    def floor(self, since: datetime) -> datetime:
        """As newest_first has it."""
        return self.threads.floor(OVERLAP) if self.threads else since

    def wants(self, thread: Thread, floor: datetime) -> bool:
        grown = thread.head.total not in (len(thread.shown), self.counts.get(thread.id))
        if grown and self._left <= 0 and len(self.waiting) < KNOWN:
            self.waiting.setdefault(thread.id, Waiting(since=floor, total=thread.head.total, video=thread.head.video))
        return grown and self._left > 0

    def next_waiting(self) -> tuple[str, Waiting] | None:
        return next(iter(self.waiting.items()), None) if self._left > 0 else None

    def has_read(self, thread: str, total: int) -> None:
        self._left -= 1
        self.waiting.pop(thread, None)
        self.counts.pop(thread, None)
        self.counts[thread] = total

    def stored(self, threads: Cursor) -> str:
        recent = dict(list(self.counts.items())[-KNOWN:])
        after = State(threads=threads, counts=recent, waiting=self.waiting)
        return after.model_dump_json(exclude_defaults=True)


def said_by_google(body: Any) -> tuple[str, str]:
    error = body["error"]
    details = error.get("errors") or [{}]
    return error.get("message", ""), details[0].get("reason") or error.get("status") or error["code"]


def item(settings: Settings, url: str) -> str | None:
    """A comment's. Whose video it is under, a link says of a channel's posts only."""
    link = link_to(CARD.hosts, url)
    elsewhere = only(r"/channel/([^/]+)/.*", link.path) not in (None, settings.channel_id)
    return None if elsewhere else only(r"([\w-]+(?:\.[\w-]+)?)", link.value("lc"))


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> YouTube:
    return YouTube(settings, brand, source, http, now)


class YouTube:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.channel_id
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_google, CODES)
        login = Door(http, f"{CARD.title} login", now, said_by_oauth, OAUTH_CODES)
        self._login = user_login(settings, login, now, CARD.title)
        self._base = f"{settings.api_base or VENDOR}/youtube/v3"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        state = State.of(cursor)
        known = state.threads.stored() if state.threads else None
        late, note = await self._late(state)
        listed = partial(self._list, state, state.floor(since))
        batch = await newest_first(listed, known, since, now=self._now, overlap=OVERLAP)
        after = state.stored(Cursor.of(batch.cursor, since))
        return Batch([*late, *batch.mentions], after, joined([note, batch.note]))

    async def look(self, mention: Mention) -> Look:
        number = mention.key.external_id
        try:
            found = await self._comments({"id": number})
            comment = next((comment for comment in found if comment.id == number), None)
            thread = await self._comments({"parentId": mention.parent_id or comment.thread}) if comment else []
        except Gone:
            return Look(None)
        if comment is None:
            return Look(None)
        now = self._mention(comment, [one for one in thread if self._is_own(one)], mention.item)
        # A comment by itself does not say its video; the address it was brought by does.
        return Look(replace(now, url=mention.url or now.url), now.replies)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        thread = mention.parent_id or mention.key.external_id
        return await self._write("POST", {"snippet": {"parentId": thread, "textOriginal": text}}, mention.item)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self._write("PUT", {"id": reply_id, "snippet": {"textOriginal": text}}, mention.item)

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._login.call(self._door.write, self._ask("DELETE", "comments", {"id": reply_id}))
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, method: str, what: str, params: dict[str, str | int], json: object = None) -> Ask:
        return Ask(method, f"{self._base}/{what}", params=params, json=json)

    async def _write(self, method: str, record: dict[str, Any], video: str) -> Posted:
        ask = self._ask(method, "comments", {"part": "snippet"}, record)
        made = (await self._login.call(self._door.write, ask)).parse(Comment)
        return Posted(made.id, made.changed, _url(made, video, self.account), made.standing == "public")

    async def _late(self, state: State) -> tuple[list[Mention], str]:
        """Replies in long threads that an earlier poll put off: its list went on without them."""
        mentions: list[Mention] = []
        notes: list[str] = []
        while (following := state.next_waiting()) is not None:
            thread, waiting = following
            replies, note = readable(await self._replies(thread) or [], Comment, CARD.title)
            items = self._items(replies, {thread: waiting.video})
            mentions += [item.mention for item in items if item.mention is not None and item.changed >= waiting.since]
            notes.append(note)
            state.has_read(thread, waiting.total)
        return mentions, joined(notes)

    async def _list(self, state: State, floor: datetime, page: str) -> Page:
        asked = {"allThreadsRelatedToChannelId": self.account, "order": "time", "part": "snippet,replies"}
        listing = await self._page("commentThreads", asked, page)
        threads, note = readable(listing.items, Thread, CARD.title)
        records = [
            record for thread in threads for record in (thread.head.top, *await self._under(state, thread, floor))
        ]
        comments, also = readable(records, Comment, CARD.title)
        videos = {thread.id: thread.head.video for thread in threads}
        return Page(self._items(comments, videos), listing.next, joined([note, also]))

    async def _under(self, state: State, thread: Thread, floor: datetime) -> list[Any]:
        """A thread's replies: those listed with it, or all of a long one that has more than it had."""
        replies = await self._replies(thread.id) if state.wants(thread, floor) else None
        if replies is None:
            return thread.shown
        state.has_read(thread.id, thread.head.total)
        return replies

    async def _replies(self, thread: str) -> list[Any] | None:
        """All in a thread; None where it is gone or closed: that stops no other."""
        try:
            return (await self._all({"parentId": thread}))[0]
        except (Gone, Refused):
            return None

    async def _comments(self, which: dict[str, str]) -> list[Comment]:
        """All of them: in which order they come is not written, and a reply not seen would be posted again."""
        records, more = await self._all(which)
        if more:
            raise BadAnswer(f"{CARD.title}: more than {PAGES * PAGE} replies, ours may be among those not read")
        return readable(records, Comment, CARD.title, searched=True)[0]

    async def _all(self, which: dict[str, str]) -> tuple[list[Any], bool]:
        """At most PAGES pages; whether there are more."""
        found: list[Any] = []
        page = ""
        for _ in range(PAGES):
            listing = await self._page("comments", {**which, "part": "snippet"}, page)
            found += listing.items
            page = listing.next
            if not page:
                break
        return found, bool(page)

    async def _page(self, what: str, asked: dict[str, str], page: str) -> Listing:
        # `id` does not go together with paging.
        paging: dict[str, str | int] = {} if "id" in asked else {"maxResults": PAGE}
        following = {"pageToken": page} if page else {}
        ask = self._ask("GET", what, {**asked, "textFormat": "plainText", **paging, **following})
        return (await self._login.call(self._door.read, ask)).parse(Listing)

    def _is_own(self, comment: Comment) -> bool:
        return comment.said.author_channel.value == self.account

    def _items(self, comments: Sequence[Comment], videos: dict[str, str]) -> list[Item]:
        own = [comment for comment in comments if self._is_own(comment)]
        return [
            Item(one.changed, None if self._is_own(one) else self._mention(one, own, videos.get(one.thread, "")))
            for one in comments
        ]

    def _mention(self, comment: Comment, own: Iterable[Comment], video: str) -> Mention:
        said = comment.said
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, comment.id),
            source=self._source,
            kind="comment",
            text=tidy(said.text),
            url=_url(comment, video, self.account),
            author=_author(said),
            published_at=said.published,
            item=said.video or video,
            media=(said.image,) if said.image else (),
            parent_id=said.parent,
            parent_url=_address(said.video or video, said.parent, self.account) if said.parent else "",
            replies=tuple(_official(one, video, self.account) for one in _after(comment, own)),
            raw=scrubbed(comment.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        )


def _after(comment: Comment, own: Iterable[Comment]) -> list[Comment]:
    """Ours in the same thread since the comment: what came before does not answer it."""
    there = [one for one in own if one.said.parent == comment.thread]
    return sorted((o for o in there if o.said.published >= comment.said.published), key=lambda o: o.said.published)


def _official(comment: Comment, video: str, channel: str) -> OfficialReply:
    address = _url(comment, video, channel)
    return OfficialReply(comment.id, comment.typed, comment.said.published, address, comment.standing)


def _author(said: Snippet) -> Author:
    channel = said.author_channel.value
    return Author(id=channel, name=tidy(said.author), url=f"{SITE}/channel/{quote(channel)}" if channel else "")


def _url(comment: Comment, video: str, channel: str) -> str:
    """`video`: where YouTube leaves it out, as it does in lists of replies."""
    return _address(comment.said.video or video, comment.id, channel)


def _address(video: str, comment: str, channel: str) -> str:
    if video:
        return f"{SITE}/watch?v={quote(video)}&lc={quote(comment)}"
    return f"{SITE}/channel/{quote(channel)}/community?lc={quote(comment)}"
