"""Bluesky: mentions, replies and quotes of the brand's account, and posts found by words (AT Protocol's XRPC)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, SecretStr, field_validator

from collectors.answers import Answer
from collectors.bluesky.calls import NAME, TITLE, Calls
from collectors.bluesky.facets import facets
from collectors.bluesky.records import POST, record_key, reply_to
from collectors.bluesky.shapes import Listing, Post, Ref, Stored, Thread
from collectors.graphemes import graphemes
from collectors.http import Now, in_time, writing_begins_by
from collectors.links import link_to
from collectors.login import Tokens
from collectors.pages import Cursor as Newest
from collectors.pages import Item, Page, Read, joined, newest_first
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import fold, scrubbed, tidy
from desk.errors import Gone, Refused, Retry
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name=NAME,
    title=TITLE,
    can_reply=True,
    can_delete=True,
    can_look=True,
    longest=300,
    unit="graphemes",
    measure=graphemes,
    bytes_at_most=3_000,
    every=timedelta(minutes=3),
    floor=timedelta(minutes=1),
    pace=60,
    grace=timedelta(minutes=1),
    hosts=("bsky.app",),
    notes=(
        "Replies cannot be edited: the apps would go on showing the first text.",
        "The clock starts when Bluesky indexed a post; the time its author's program states may be anything.",
        "A post that its author dated far back is listed among the old ones and may not be seen.",
        "Of a thread with more than about 200 replies not all may be shown to the desk.",
        "At most 30 logins in 5 minutes and 300 a day; the desk keeps its session and renews it.",
    ),
)

SITE = "https://bsky.app"
REASONS = ("mention", "reply", "quote")
PAGE = 100
OVERLAP = timedelta(hours=1)


class Settings(SourceSettings):
    handle: str = Field(
        pattern=r"^([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*$",
        title="Handle",
        description="The brand's account, without @: brand.bsky.social",
    )
    app_password: SecretStr = Field(
        min_length=1,
        title="App password",
        description="Made in the account's settings, Privacy and security; not the account's own",
    )
    query: str = Field("", title="Search words", description="Posts with these words are read too; none if absent")

    @field_validator("handle", mode="before")
    @classmethod
    def _without_at(cls, value: object) -> object:
        return value.strip().removeprefix("@").lower() if isinstance(value, str) else value


class Cursor(BaseModel):
    """Of the notifications and of the search, each as pages.Cursor."""

    notifications: str | None = None
    search: str | None = None


def item(settings: Settings, url: str) -> str | None:
    """Links name an author by DID or by handle; a post's id holds the DID, which a handle does not tell."""
    path = link_to(CARD.hosts, url).path
    found = re.fullmatch(r"/profile/(did:[a-z]+:[\w.:%-]+)/post/([\w.~:-]+)", path, re.ASCII)
    return f"at://{found[1]}/{POST}/{found[2]}" if found else None


def connect(
    settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now, tokens: Tokens | None = None
) -> Bluesky:
    return Bluesky(settings, brand, source, http, now, tokens)


class Bluesky:
    card = CARD

    def __init__(
        self,
        settings: Settings,
        brand: str,
        source: str,
        http: httpx.AsyncClient,
        now: Now,
        tokens: Tokens | None = None,
    ) -> None:
        self.account = settings.handle
        self._settings = settings
        self._brand = brand
        self._source = source
        self._now = now
        self._calls = Calls(http, settings.api_base, settings.handle, settings.app_password, now, tokens)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        last = Cursor.model_validate_json(cursor) if cursor else Cursor()
        await self._calls.me()
        told = await self._news(self._notifications, last.notifications, since)
        found = await self._searched(last.search, since) if self._settings.query else Batch([], "")
        mentions = {mention.key: mention for mention in (*told.mentions, *found.mentions)}
        after = Cursor(notifications=told.cursor, search=found.cursor or None)
        note = joined([told.note, found.note])
        return Batch(list(mentions.values()), after.model_dump_json(exclude_defaults=True), note)

    async def look(self, mention: Mention) -> Look:
        me = await self._calls.me()
        try:
            post, replies = await self._thread(mention.key.external_id)
        except Gone:
            return Look(None)
        ours = [reply for reply in replies if reply.author.did == me]
        return Look(self._mention(post), tuple(_official(p) for p in sorted(ours, key=lambda p: p.at)))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        rkey = record_key(mention, text, key)
        staged = await in_time(writing_begins_by(), self._staged(mention, text, rkey), TITLE)
        if isinstance(staged, Posted):
            return staged
        try:
            answer = await self._calls.write("com.atproto.repo.createRecord", staged)
        except Refused:
            # A key that is taken is refused too: by our own reply, if it is there.
            standing = await self._standing(rkey)
            if standing is None:
                raise
            return standing
        made = answer.parse(Ref)
        return Posted(made.uri, self._now(), _page(made.uri))

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        raise Refused("Bluesky has no way to edit a reply; it can be deleted")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        said = {"repo": await self._calls.me(), "collection": POST, "rkey": reply_id.rsplit("/", 1)[-1]}
        try:
            await self._calls.write("com.atproto.repo.deleteRecord", said)
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _searched(self, cursor: str | None, since: datetime) -> Batch:
        """What the search brings. One that fails hides no notification, and begins again at the newest: the page where
        it was may be the one it fails on."""
        try:
            return await self._news(self._search, cursor, since)
        except (Refused, Gone, Retry) as error:
            anew = Newest.of(cursor, since).model_copy(update={"page": ""})
            return Batch([], anew.stored(), f"search: {error.reason}")

    async def _news(self, read: Read, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(read, cursor, since, now=self._now, overlap=OVERLAP)

    async def _notifications(self, page: str) -> Page:
        params = {"limit": PAGE, "reasons": REASONS} | _given("cursor", page)
        return await self._page_of(await self._calls.read("app.bsky.notification.listNotifications", params))

    async def _search(self, page: str) -> Page:
        params = {"q": self._settings.query, "sort": "latest", "limit": PAGE} | _given("cursor", page)
        return await self._page_of(await self._calls.read("app.bsky.feed.searchPosts", params))

    async def _page_of(self, answer: Answer) -> Page:
        listing = answer.parse(Listing)
        posts, note = readable(listing.posts, Post, TITLE)
        me = await self._calls.me()
        items = [Item(post.at, None if post.author.did == me else self._mention(post)) for post in posts]
        return Page(items, listing.cursor, note)

    async def _thread(self, uri: str) -> tuple[Post, list[Post]]:
        """A post with the replies right under it. Raises Gone, and Refused where its author keeps it from us."""
        params = {"uri": uri, "depth": 1, "parentHeight": 0}
        shown = (await self._calls.read("app.bsky.feed.getPostThread", params)).parse(Thread).thread
        if shown.blocked:
            raise Refused(f"{TITLE}: the brand's account and the author's do not see each other (a block)")
        if shown.missing:
            raise Gone(f"{TITLE}: the post does not exist any more", what="mention")
        (post,), _ = readable([shown.post], Post, TITLE, searched=True)
        replies, _ = readable(shown.below, Post, TITLE, searched=True)
        return post, [reply for reply in replies if reply.parent == post.uri]

    async def _staged(self, mention: Mention, text: str, rkey: str) -> Posted | dict[str, Any]:
        """All that goes before the write: what stands there already, or what is to be written."""
        me = await self._calls.me()
        parent, _ = await self._thread(mention.key.external_id)
        standing = await self._standing(rkey)
        if standing is not None:
            return standing
        if parent.viewer.get("replyDisabled"):
            raise Refused(f"{TITLE}: the author does not let this account reply under the post")
        linked = _given("facets", await facets(text, parent.author, self._calls.did))
        return {"repo": me, "collection": POST, "rkey": rkey, "record": reply_to(parent, text, self._now()) | linked}

    async def _standing(self, rkey: str) -> Posted | None:
        """Our record by its key, from the account's own server: it knows before any list does."""
        params = {"repo": await self._calls.me(), "collection": POST, "rkey": rkey}
        try:
            answer = await self._calls.read("com.atproto.repo.getRecord", params)
        except (Gone, Refused):  # older servers call a record that is not there an invalid request
            return None
        stored = answer.parse(Stored)
        return Posted(stored.uri, stored.value.at.astimezone(UTC), _page(stored.uri))

    def _mention(self, post: Post) -> Mention:
        return Mention(
            key=MentionKey(self._brand, NAME, self.account, post.uri),
            source=self._source,
            kind="comment" if post.parent else "post",
            text=tidy(post.record.text),
            url=_page(post.uri),
            lang=next(iter(post.record.langs), ""),
            author=Author(
                id=post.author.did,
                name=tidy(post.author.name or post.author.handle),
                url=f"{SITE}/profile/{post.author.did}",
            ),
            published_at=post.at,
            media=tuple(picture.full for picture in post.embed.images if picture.full) if post.embed else (),
            parent_id=post.parent,
            parent_url=_page(post.parent) if post.parent else "",
            raw=scrubbed(post.model_dump(mode="json", by_alias=True, exclude={"viewer", "embed"})),
        )


def _official(post: Post) -> OfficialReply:
    return OfficialReply(post.uri, tidy(post.record.text), post.at, _page(post.uri))


def _page(uri: str) -> str:
    did, _, rkey = uri.removeprefix("at://").split("/")
    return f"{SITE}/profile/{did}/post/{rkey}"


def _given(name: str, value: object) -> dict[str, Any]:
    return {name: value} if value else {}
