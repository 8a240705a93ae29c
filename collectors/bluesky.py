"""Bluesky: mentions, replies and quotes of the brand's account, and posts found by words (AT Protocol's XRPC)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from pydantic import AliasChoices, AwareDatetime, BaseModel, Field, SecretStr, field_validator

from collectors.graphemes import graphemes
from collectors.http import Ask, Door, Maker, Now, gone, in_time, needs_login, readable, writing_begins_by
from collectors.login import Login, Pass, Tokens
from collectors.pages import Item, Page, Read, joined, newest_first
from collectors.settings import SourceSettings
from collectors.text import fold, scrubbed, tidy
from desk.errors import Gone, NeedsLogin, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="bluesky",
    title="Bluesky",
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

VENDOR = "https://bsky.social"
SITE = "https://bsky.app"
POST = "app.bsky.feed.post"
REASONS = ("mention", "reply", "quote")
PAGE = 100
OVERLAP = timedelta(hours=1)
SESSION = timedelta(hours=1)
"""How long an access token is used; where it ended earlier, the server's ExpiredToken renews it."""

CODES: dict[str, Maker] = {
    **dict.fromkeys(("ExpiredToken", "InvalidToken", "AuthMissing", "AuthenticationRequired"), needs_login),
    **dict.fromkeys(("AccountTakedown", "AccountDeactivated", "AuthFactorTokenRequired"), needs_login),
    **dict.fromkeys(("NotFound", "RecordNotFound"), gone),
}

DIGITS = "234567abcdefghijklmnopqrstuvwxyz"
SPREAD = 60_000_000
LINK = re.compile(r"""https?://[^\s<>"«»“”]*[^\s<>"«»“”.,;:!?'’…()\[\]]""")
NAME = re.compile(r"(?<![\w@./])@((?:[a-z0-9][a-z0-9-]*\.)+[a-z][a-z0-9-]*)", re.IGNORECASE | re.ASCII)
EPOCH = datetime.fromtimestamp(0, UTC)


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


class Session(BaseModel):
    access: str = Field(alias="accessJwt", min_length=1, repr=False)
    refresh: str = Field(alias="refreshJwt", min_length=1, repr=False)

    def as_pass(self, now: datetime) -> Pass:
        return Pass(token=self.access, until=now + SESSION, kept={"refresh": self.refresh})


class Me(BaseModel):
    did: str = Field(min_length=1)


class Ref(BaseModel):
    uri: str = Field(pattern=r"^at://[^/]+/[^/]+/[^/]+$")
    cid: str


class ReplyRef(BaseModel):
    root: Ref
    parent: Ref


class Record(BaseModel):
    text: str
    created: str = Field("", alias="createdAt")
    langs: list[str] = []
    reply: ReplyRef | None = None


class Profile(BaseModel):
    did: str = Field(min_length=1)
    handle: str = ""
    name: str = Field("", alias="displayName")


class Picture(BaseModel):
    full: str = Field("", alias="fullsize")


class Embed(BaseModel):
    images: list[Picture] = []


class Post(Ref):
    """A post as lists show it; a notification has the same fields."""

    author: Profile
    record: Record
    indexed: AwareDatetime = Field(alias="indexedAt")
    embed: Embed | None = None
    viewer: dict[str, Any] = {}

    @property
    def at(self) -> datetime:
        return self.indexed.astimezone(UTC)

    @property
    def ref(self) -> Ref:
        return Ref(uri=self.uri, cid=self.cid)

    @property
    def parent(self) -> str:
        return self.record.reply.parent.uri if self.record.reply else ""


class Listing(BaseModel):
    posts: list[Any] = Field(validation_alias=AliasChoices("posts", "notifications"))
    cursor: str = ""


class Shown(BaseModel):
    """A place in a thread: a post, or the note that there is none, or none for us."""

    post: Any = None
    replies: list[Any] = []
    missing: bool = Field(False, alias="notFound")
    blocked: bool = False


class Thread(BaseModel):
    thread: Shown


class Written(BaseModel):
    at: AwareDatetime = Field(alias="createdAt")


class Stored(BaseModel):
    uri: str
    value: Written


class Cursor(BaseModel):
    """Of the notifications and of the search, each as pages.Cursor."""

    notifications: str | None = None
    search: str | None = None


def said_by_bluesky(body: Any) -> tuple[str, str]:
    return body.get("message", ""), body["error"]


def said_at_login(body: Any) -> tuple[str, str]:
    # Not the message: the password is in the request's body, where errors are not masked.
    return body["error"], body["error"]


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
        self._base = settings.api_base or VENDOR
        self._door = Door(http, CARD.title, now, said_by_bluesky, CODES)
        self._entrance = Door(http, f"{CARD.title} login", now, said_at_login, CODES)
        name = f"{CARD.name}:{urlsplit(self._base).netloc}:{self.account}"
        self._login = Login(self._renew, now, CARD.title, name=name, tokens=tokens)
        self._me = ""

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        last = Cursor.model_validate_json(cursor) if cursor else Cursor()
        await self._known_as()
        told = await self._news(self._notifications, last.notifications, since)
        found = await self._news(self._search, last.search, since) if self._settings.query else Batch([], "")
        mentions = {mention.key: mention for mention in (*told.mentions, *found.mentions)}
        after = Cursor(notifications=told.cursor, search=found.cursor or None)
        note = joined([told.note, found.note])
        return Batch(list(mentions.values()), after.model_dump_json(exclude_defaults=True), note)

    async def look(self, mention: Mention) -> Look:
        me = await self._known_as()
        try:
            post, replies = await self._thread(mention.key.external_id)
        except Gone:
            return Look(None)
        ours = [reply for reply in replies if reply.author.did == me]
        return Look(self._mention(post), tuple(_official(p) for p in sorted(ours, key=lambda p: p.at)))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        rkey = record_key(mention, text, key)
        staged = await in_time(writing_begins_by(), self._staged(mention, text, rkey), CARD.title)
        if isinstance(staged, Posted):
            return staged
        try:
            answer = await self._login.call(self._door.write, staged)
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
        said = {"repo": await self._known_as(), "collection": POST, "rkey": reply_id.rsplit("/", 1)[-1]}
        try:
            await self._login.call(self._door.write, self._ask("com.atproto.repo.deleteRecord", json=said))
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, name: str, params: Mapping[str, Any] | None = None, json: object = None) -> Ask:
        # In the address, because a list's items stand in a query under one name.
        query = f"?{urlencode(params, doseq=True)}" if params else ""
        return Ask("GET" if json is None else "POST", f"{self._base}/xrpc/{name}{query}", json=json)

    async def _renew(self, last: Pass | None) -> Pass:
        """From the last session; a new one, of which a day has few, where that has ended."""
        refresh = last.kept.get("refresh") if last else None
        if refresh:
            ask = Ask("POST", f"{self._base}/xrpc/com.atproto.server.refreshSession")
            try:
                return await self._session(ask.signed(f"Bearer {refresh}"))
            except NeedsLogin:
                pass
        password = self._settings.app_password.get_secret_value()
        said = {"identifier": self.account, "password": password}
        return await self._session(self._ask("com.atproto.server.createSession", json=said))

    async def _session(self, ask: Ask) -> Pass:
        try:
            answer = await self._entrance.read(ask)
        except (Refused, Gone) as error:
            raise NeedsLogin(error.reason) from error
        return answer.parse(Session).as_pass(self._now())

    async def _known_as(self) -> str:
        """The account's DID: a handle may pass to somebody else, and records name DIDs."""
        if not self._me:
            answer = await self._login.call(self._door.read, self._ask("com.atproto.server.getSession"))
            self._me = answer.parse(Me).did
        return self._me

    async def _news(self, read: Read, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(read, cursor, since, now=self._now, overlap=OVERLAP)

    async def _notifications(self, page: str) -> Page:
        params = {"limit": PAGE, "reasons": REASONS} | _given("cursor", page)
        return await self._list(self._ask("app.bsky.notification.listNotifications", params))

    async def _search(self, page: str) -> Page:
        params = {"q": self._settings.query, "sort": "latest", "limit": PAGE} | _given("cursor", page)
        return await self._list(self._ask("app.bsky.feed.searchPosts", params))

    async def _list(self, ask: Ask) -> Page:
        listing = (await self._login.call(self._door.read, ask)).parse(Listing)
        posts, note = readable(listing.posts, Post, CARD.title)
        me = await self._known_as()
        items = [Item(post.at, None if post.author.did == me else self._mention(post)) for post in posts]
        return Page(items, listing.cursor, note)

    async def _thread(self, uri: str) -> tuple[Post, list[Post]]:
        """A post with the replies right under it. Raises Gone, and Refused where its author keeps it from us."""
        params = {"uri": uri, "depth": 1, "parentHeight": 0}
        answer = await self._login.call(self._door.read, self._ask("app.bsky.feed.getPostThread", params))
        thread = answer.parse(Thread).thread
        if thread.blocked:
            raise Refused(f"{CARD.title}: the brand's account and the author's do not see each other (a block)")
        if thread.missing:
            raise Gone(f"{CARD.title}: the post does not exist any more", what="mention")
        (post,), _ = readable([thread.post], Post, CARD.title)
        replies, _ = readable([reply["post"] for reply in thread.replies if _is_post(reply)], Post, CARD.title)
        return post, [reply for reply in replies if reply.parent == post.uri]

    async def _staged(self, mention: Mention, text: str, rkey: str) -> Posted | Ask:
        """All that goes before the write: what stands there already, or what is to be written."""
        me = await self._known_as()
        parent, _ = await self._thread(mention.key.external_id)
        standing = await self._standing(rkey)
        if standing is not None:
            return standing
        if parent.viewer.get("replyDisabled"):
            raise Refused(f"{CARD.title}: the author does not let this account reply under the post")
        record = self._record(parent, text) | _given("facets", await self._facets(text, parent.author))
        said = {"repo": me, "collection": POST, "rkey": rkey, "record": record}
        return self._ask("com.atproto.repo.createRecord", json=said)

    def _record(self, parent: Post, text: str) -> dict[str, Any]:
        root = parent.record.reply.root if parent.record.reply else parent.ref
        return {
            "$type": POST,
            "text": text,
            "createdAt": self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reply": {"root": root.model_dump(), "parent": parent.ref.model_dump()},
        }

    async def _standing(self, rkey: str) -> Posted | None:
        """Our record by its key, from the account's own server: it knows before any list does."""
        params = {"repo": await self._known_as(), "collection": POST, "rkey": rkey}
        try:
            answer = await self._login.call(self._door.read, self._ask("com.atproto.repo.getRecord", params))
        except (Gone, Refused):  # older servers call a record that is not there an invalid request
            return None
        stored = answer.parse(Stored)
        return Posted(stored.uri, stored.value.at.astimezone(UTC), _page(stored.uri))

    async def _facets(self, text: str, author: Profile) -> list[dict[str, Any]]:
        """Without these, addresses and names in a text are no links."""
        facets = [_facet(text, found, "link", uri=found[0]) for found in LINK.finditer(text)]
        for found in NAME.finditer(text):
            handle = found[1].lower()
            did = author.did if handle == author.handle.lower() else await self._did(handle)
            facets += [_facet(text, found, "mention", did=did)] if did else []
        return facets

    async def _did(self, handle: str) -> str:
        """Empty for what looks like a handle and is none."""
        ask = self._ask("com.atproto.identity.resolveHandle", {"handle": handle})
        try:
            return (await self._login.call(self._door.read, ask)).parse(Me).did
        except (Refused, Gone):
            return ""

    def _mention(self, post: Post) -> Mention:
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, post.uri),
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


def record_key(mention: Mention, text: str, key: str) -> str:
    """The reply's key, the same for the same reply: a second attempt is no second post.

    Posts have keys made of a time (a TID: 53 bits of microseconds, 10 bits of a clock's number). Ours is the mention's
    own time and up to a minute, by what is answered and how.
    """
    digest = hashlib.sha256("\x1f".join((mention.key.external_id, key, text)).encode()).digest()
    moment = ((mention.published_at or EPOCH) - EPOCH) // timedelta(microseconds=1)
    moment += int.from_bytes(digest[:8], "big") % SPREAD
    number = (moment << 10 | int.from_bytes(digest[8:10], "big") % 1024) % 2**63
    return "".join(DIGITS[number >> shift & 31] for shift in range(60, -1, -5))


def _official(post: Post) -> OfficialReply:
    return OfficialReply(post.uri, tidy(post.record.text), post.at, _page(post.uri))


def _page(uri: str) -> str:
    did, _, rkey = uri.removeprefix("at://").split("/")
    return f"{SITE}/profile/{did}/post/{rkey}"


def _given(name: str, value: object) -> dict[str, Any]:
    return {name: value} if value else {}


def _is_post(reply: Any) -> bool:
    return isinstance(reply, dict) and "post" in reply


def _facet(text: str, found: re.Match[str], kind: str, **feature: str) -> dict[str, Any]:
    """Places are counted in bytes of UTF-8."""
    start, end = (len(text[:place].encode("utf-8", "surrogatepass")) for place in found.span())
    features = [{"$type": f"app.bsky.richtext.facet#{kind}", **feature}]
    return {"index": {"byteStart": start, "byteEnd": end}, "features": features}
