"""Mastodon: posts that mention the brand's account on its server, answered from that account."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from collectors.answers import Maker, needs_login
from collectors.graphemes import graphemes
from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from collectors.links import NUMBER, link_below, only
from collectors.pages import joined
from collectors.records import readable
from collectors.settings import SourceSettings, WebAddress
from collectors.text import fold, plain, scrubbed, tidy
from desk.errors import Gone
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

LINK = re.compile(r"https?://\S*[\w/]")
FAR = re.compile(r"(?<![\w@/.])(@\w+(?:[.-]\w+)*)@[\w-]+(?:\.[\w-]+)+")
"""An account of another server: shown, and counted, without the server's name."""
ADDRESSED = re.compile(r"^(\s*@[\w.-]+\s+)+")
LINK_LENGTH = 23
LONGEST = 500
ROOM = 32
"""For `@name ` before a reply; names have 30 characters at most."""


def length(text: str) -> int:
    """As Mastodon counts: every link is 23, and of an account's address the name only."""
    return graphemes(FAR.sub(r"\1", LINK.sub("x" * LINK_LENGTH, text)))


CARD = PlatformCard(
    name="mastodon",
    title="Mastodon",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    longest=LONGEST - ROOM,
    unit="graphemes",
    measure=length,
    every=timedelta(minutes=2),
    floor=timedelta(minutes=1),
    pace=30,
    hosts=("mastodon.social", "mastodon.online"),
    notes=(
        "Only posts that mention the brand's account are seen; not those about it that do not.",
        "A reply begins with the author's address, which is added where the text lacks it; 500 characters less 32 for "
        "it are left. Servers with another limit refuse a longer text.",
        "A reply is seen by those who see the post it answers: one to a private mention stays private.",
        "A post that was deleted, and one hidden from the brand's account, look the same: gone.",
        "Edits are noticed in the 20 newest mentions and in posts that are answered.",
        "At most 30 deletions in 30 minutes.",
    ),
)

PAGE = 40
PAGES = 10
OVERLAP = 20
"""Notifications read again each time: one with a lower number may appear late, and posts are edited."""

CODES: dict[str, Maker] = dict.fromkeys(
    (
        "This action is outside the authorized scopes",
        "This method requires an authenticated user",
        "Your login is currently disabled",
    ),
    needs_login,
)


class Settings(SourceSettings):
    api_base: WebAddress = Field(title="Address of the server", description="Of the brand's account: https://mas.to")
    access_token: SecretStr = Field(
        min_length=1,
        title="Access token",
        description="Of an application made in the account's preferences, Development; scopes "
        "read:accounts, read:notifications, read:statuses, write:statuses",
    )


class Account(BaseModel):
    id: str
    acct: str
    username: str = ""
    name: str = Field("", alias="display_name")
    url: str | None = None
    bot: bool = False
    followers: int | None = Field(None, alias="followers_count")


class Media(BaseModel):
    url: str | None = None


class Status(BaseModel):
    id: str
    created: AwareDatetime = Field(alias="created_at")
    edited: AwareDatetime | None = Field(None, alias="edited_at")
    parent: str | None = Field(None, alias="in_reply_to_id")
    visibility: str = "public"
    warning: str = Field("", alias="spoiler_text")
    content: str
    language: str | None = None
    uri: str = ""
    url: str | None = None
    account: Account
    media: list[Media] = Field([], alias="media_attachments")

    @property
    def at(self) -> datetime:
        return self.created.astimezone(UTC)

    @property
    def page(self) -> str:
        return self.url or self.uri


class Notification(BaseModel):
    """The post is read later: one that cannot be must not hold up the list."""

    id: str
    created: AwareDatetime = Field(alias="created_at")
    status: Any = None


class Context(BaseModel):
    descendants: list[Any]


class Me(BaseModel):
    id: str


class Cursor(BaseModel):
    """The newest notifications read, oldest first; and, until all since `since` are read, before which to go on."""

    model_config = ConfigDict(frozen=True)

    recent: tuple[str, ...] = ()
    since: AwareDatetime | None = None
    before: str = ""


class Swept(NamedTuple):
    """Notifications, oldest first; whether that was all of them; what was unreadable."""

    notifications: list[Notification]
    finished: bool
    note: str


def said_by_mastodon(body: Any) -> tuple[str, str]:
    return f"{body['error']} {body.get('error_description') or ''}", body["error"]


def item(settings: Settings, url: str) -> str | None:
    """As seen on the brand's own server: on its author's, a post has another number."""
    path = link_below(settings.api_base, url).path
    shown = only(rf"/(?:web/|deck/)?@[\w.-]+(?:@[\w.-]+)?/({NUMBER})/?", path)
    return shown or only(rf"/(?:users/[\w.-]+|web)/statuses/({NUMBER})/?", path)


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Mastodon:
    return Mastodon(settings, brand, source, http, now)


class Mastodon:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.api_base.split("://", 1)[1]
        self._settings = settings
        self._brand = brand
        self._source = source
        self._door = Door(http, CARD.title, now, said_by_mastodon, CODES)
        self._me = ""

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        me = await self._known_as()
        state = Cursor.model_validate_json(cursor) if cursor else Cursor(since=since)
        swept = await (self._back(state.since, state.before) if state.since else self._forth(state))
        told = [n for n in swept.notifications if n.status is not None and n.created >= (state.since or n.created)]
        statuses, note = readable([n.status for n in told], Status, CARD.title)
        mentions = {s.id: self._mention(s) for s in statuses if s.account.id != me}
        after = _next(state, swept).model_dump_json(exclude_defaults=True)
        return Batch(list(mentions.values()), after, joined([swept.note, note]))

    async def look(self, mention: Mention) -> Look:
        me = await self._known_as()
        try:
            status = await self._status(mention)
            answer = await self._door.read(self._ask("GET", f"{_path(mention.key.external_id)}/context"))
        except Gone:
            return Look(None)
        below, _ = readable(answer.parse(Context).descendants, Status, CARD.title, searched=True)
        ours = [s for s in below if s.account.id == me and s.parent == status.id]
        return Look(self._mention(status), tuple(_official(s) for s in sorted(ours, key=lambda s: s.at)))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        parent = await in_time(writing_begins_by(), self._status(mention), CARD.title)
        said = {
            "status": addressed(text, parent.account.acct),
            "in_reply_to_id": parent.id,
            "visibility": parent.visibility,
        }
        once = hashlib.sha256("\x1f".join((*mention.key, key)).encode()).hexdigest()[:32]
        ask = self._ask("POST", "statuses", json=said).with_header("Idempotency-Key", once)
        return _posted((await self._door.write(ask)).parse(Status))

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        said = {"status": addressed(text, mention.author.id)}
        return _posted((await self._door.write(self._ask("PUT", _path(reply_id), json=said))).parse(Status))

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._door.write(self._ask("DELETE", _path(reply_id)))
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return _comparable(ours) == _comparable(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, method: str, path: str, params: dict[str, str | int] | None = None, json: object = None) -> Ask:
        ask = Ask(method, f"{self._settings.api_base}/api/v1/{path}", params=params, json=json)
        return ask.signed(f"Bearer {self._settings.access_token.get_secret_value()}")

    async def _known_as(self) -> str:
        if not self._me:
            self._me = (await self._door.read(self._ask("GET", "accounts/verify_credentials"))).parse(Me).id
        return self._me

    async def _status(self, mention: Mention) -> Status:
        return (await self._door.read(self._ask("GET", _path(mention.key.external_id)))).parse(Status)

    async def _back(self, since: datetime, before: str) -> Swept:
        """Notifications from the newest, or those before one, back to a moment: numbers tell no time."""
        found: list[Notification] = []
        notes: list[str] = []
        for _ in range(PAGES):
            page = await self._page({"max_id": before} if before else {}, notes)
            found += [n for n in page if n.created >= since]
            older = [n for n in page if n.created < since]
            if older or not page:
                # One of the older ones stays, for the cursor to stand on.
                return Swept([*older[:1], *found[::-1]], True, joined(notes))
            before = page[-1].id
        return Swept(found[::-1], False, joined(notes))

    async def _forth(self, state: Cursor) -> Swept:
        """Notifications right after the cursor, page by page: with `min_id` none is skipped."""
        found: list[Notification] = []
        notes: list[str] = []
        after = state.recent[0] if state.recent else "0"
        for _ in range(PAGES):
            page = await self._page({"min_id": after}, notes)
            if not page:
                return Swept(found, True, joined(notes))
            found += page[::-1]
            after = page[0].id
        return Swept(found, False, joined(notes))

    async def _page(self, bounds: dict[str, str], notes: list[str]) -> list[Notification]:
        """Newest first; `notes` gets what was unreadable."""
        # Since 4.3 servers may hold back what strangers say; that is what the desk is for.
        params: dict[str, str | int] = {"types[]": "mention", "limit": PAGE, "include_filtered": "true", **bounds}
        raw = (await self._door.read(self._ask("GET", "notifications", params))).parse(list[Any])
        page, note = readable(raw, Notification, CARD.title)
        notes.append(note)
        return page

    def _mention(self, status: Status) -> Mention:
        author = status.account
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, status.id),
            source=self._source,
            kind="comment" if status.parent else "post",
            title=tidy(status.warning),
            text=plain(status.content),
            url=status.page,
            lang=status.language or "",
            author=Author(
                id=author.acct,
                name=tidy(author.name or author.username or author.acct),
                url=author.url or "",
                followers=author.followers,
                kind="bot" if author.bot else "",
            ),
            published_at=status.at,
            media=tuple(media.url for media in status.media if media.url),
            parent_id=status.parent or "",
            raw=scrubbed(status.model_dump(mode="json", by_alias=True)),
        )


def addressed(text: str, author: str) -> str:
    """`text` with the author's address before it, unless it names them: a reply without it is not told to them."""
    if not author:
        return text
    named = re.search(rf"(?<![\w@/.])@{re.escape(author)}(?![\w@-])", text, re.IGNORECASE)
    return text if named else f"@{author} {text}"


def _next(state: Cursor, swept: Swept) -> Cursor:
    ids = [n.id for n in swept.notifications]
    if state.since and not swept.finished:
        return Cursor(recent=state.recent or tuple(ids[-OVERLAP:]), since=state.since, before=ids[0])
    # Going back the newest ones were read first, going forth last.
    ordered = [*ids, *state.recent] if state.since else [*state.recent, *ids]
    # What is far behind goes on from its end: the overlap could be all that a poll gets through.
    return Cursor(recent=tuple(dict.fromkeys(ordered))[-OVERLAP if swept.finished else -1 :])


def _path(number: str) -> str:
    return f"statuses/{quote(number, safe='')}"


def _posted(status: Status) -> Posted:
    return Posted(status.id, (status.edited or status.created).astimezone(UTC), status.page)


def _official(status: Status) -> OfficialReply:
    return OfficialReply(status.id, ADDRESSED.sub("", plain(status.content)), status.at, status.page)


def _comparable(text: str) -> str:
    return fold(ADDRESSED.sub("", FAR.sub(r"\1", text)))
