"""WordPress: comments under a site's posts, answered as the brand's account with an application password."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from collectors.answers import Answer, Maker, gone, later, needs_login, unsure
from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from collectors.links import NUMBER, link_below, only
from collectors.records import readable
from collectors.settings import SourceSettings, WebAddress
from collectors.text import fold, fold_typography, plain, scrubbed, tidy
from desk.errors import BadAnswer, DeskError, Gone, Refused, Unsure
from desk.mention import Author, Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="wordpress",
    title="WordPress",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    longest=65_525,
    unit="bytes",
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=60,
    notes=(
        "The account should be an editor: others cannot edit or delete replies by program.",
        "Comments that wait for the site's moderators are not seen until they are approved.",
        "Quotes and dashes are shown in the site's typography, markup as the letters it is written with.",
    ),
)

PAGE = 100
PAGES = 10
OVERLAP = timedelta(hours=48)
"""A comment approved late keeps the date it was written at; so far back each poll looks for such. An account that
moderates sees what waits, however long it does."""
SECOND = timedelta(seconds=1)
KNOWN = 300
CHECKED = 20
UNSEEN = {"trash", "spam"}
STANDINGS: dict[str, Standing] = {"approved": "public", "hold": "waiting"}

CODES: dict[str, Maker] = {
    "comment_duplicate": unsure,  # the same words of ours stand there already, in whatever state
    "comment_flood": later,
    "rest_comment_invalid_id": gone,
    "rest_already_trashed": gone,
    **dict.fromkeys(("incorrect_password", "invalid_username", "application_passwords_disabled"), needs_login),
}


class Settings(SourceSettings):
    api_base: WebAddress = Field(title="Address of the site", description="As visitors see it: https://example.com")
    user: str = Field(min_length=1, title="User", description="The brand's account on the site, an editor")
    app_password: SecretStr = Field(
        title="Application password", description="Made in the account's profile page; not the account's own"
    )
    post: tuple[int, ...] = Field((), title="Posts", description="Ids of the posts to read; all of the site if absent")


Gmt = Annotated[datetime | None, AfterValidator(lambda at: at and at.replace(tzinfo=UTC))]


class Content(BaseModel):
    rendered: str
    raw: str | None = None


class Comment(BaseModel):
    id: int
    post: int = 0
    parent: int = 0
    author: int = 0
    author_name: str = ""
    author_url: str = ""
    at: Gmt = Field(None, alias="date_gmt")
    content: Content
    link: str = ""
    status: str = "approved"

    @property
    def words(self) -> str:
        """As shown, also where the raw form is given: reading with other rights must not look like an edit."""
        return plain(self.content.rendered)

    @property
    def as_typed(self) -> str:
        """The raw form, its lines kept; the shown one where the account may not see the raw."""
        if self.content.raw is None:
            return self.words
        return plain(self.content.raw.replace("\n", "<br>"))


class Me(BaseModel):
    id: int
    capabilities: dict[str, Any] = {}

    @property
    def moderates(self) -> bool:
        return bool(self.capabilities.get("moderate_comments"))


class Cursor(BaseModel):
    """Newest date seen, where an unfinished sweep goes on, and fingerprints of recent comments by id, "" of those that
    wait for moderators."""

    model_config = ConfigDict(frozen=True)

    until: AwareDatetime
    resume: AwareDatetime | None = None
    known: dict[int, str] = {}


class Listed(NamedTuple):
    """One page; `note`: what was unreadable; `last`: none follows."""

    comments: list[Comment]
    note: str
    last: bool


def said_by_wordpress(body: Any) -> tuple[str, str]:
    return html.unescape(body["message"]), body["code"]


def item(settings: Settings, url: str) -> str | None:
    return only(f"comment-({NUMBER})", link_below(settings.api_base, url).fragment)


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> WordPress:
    return WordPress(settings, brand, source, http, now)


class WordPress:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self._base = settings.api_base
        self._posts = settings.post
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_wordpress, CODES)
        pair = f"{settings.user}:{settings.app_password.get_secret_value()}"
        self._authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self.account = self._base.split("://", 1)[1]
        self._pretty = True
        self._me: Me | None = None

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        start = self._now()
        # A refused password does not fail a public list: WordPress then answers as to a stranger.
        me = await self._introduce()
        last = Cursor.model_validate_json(cursor) if cursor else None
        state = last or Cursor(until=since)
        after = state.resume or (state.until - OVERLAP if last else since)
        swept, finished, note = await self._sweep(after)
        waiting = await self._waiting(me) if me.moderates else set()
        kept, lost = await self._recheck(set(state.known) - {c.id for c in swept} - waiting)
        comments = {c.id: c for c in [*kept, *swept] if c.author != me.id}
        mentions = [self._mention(c) for c in comments.values()]
        fresh = [m for m in mentions if state.known.get(int(m.key.external_id)) != _short(m.fingerprint)]
        dates = [min(c.at, start) for c in swept if c.at]
        known = {int(m.key.external_id): _short(m.fingerprint) for m in mentions}
        after_this = Cursor(
            until=max([state.until, *dates]),
            resume=None if finished else _resume(dates, after),
            known=_recent({**dict.fromkeys(waiting, ""), **state.known, **known}, lost),
        )
        gone_now = [self._deleted(number) for number in sorted(lost) if state.known[number]]
        return Batch(fresh + gone_now, after_this.model_dump_json(exclude_defaults=True), note)

    async def look(self, mention: Mention) -> Look:
        me = await self._known_as()
        try:
            comment = await self._comment(mention.key.external_id, me)
        except Gone:
            return Look(None)
        if comment.status in UNSEEN:
            return Look(None)
        return Look(self._mention(comment), tuple(_official(c) for c in await self._answers(comment.id, me)))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        # WordPress takes replies to comments that are deleted or in the bin, with 201: look before.
        parent = await in_time(writing_begins_by(), self._parent(mention), CARD.title)
        if parent.status != "approved":
            raise Gone(f"{CARD.title}: the comment is not public any more ({parent.status})", what="mention")
        said = {"post": parent.post, "parent": parent.id, "content": _escaped(text)}
        made = (await self._door.write(self._ask("POST", "comments", json=said))).parse(Comment)
        if made.parent != parent.id:
            await self._withdraw(mention, made)
        return self._posted(made)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        ask = self._ask("PUT", f"comments/{int(reply_id)}", json={"content": _escaped(text)})
        # Its date stays that of the first text.
        return self._posted((await self._door.write(ask)).parse(Comment))._replace(at=self._now())

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._door.write(self._ask("DELETE", f"comments/{int(reply_id)}", {"force": "true"}))
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return _comparable(ours) == _comparable(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, method: str, path: str, params: dict[str, str | int] | None = None, json: object = None) -> Ask:
        if self._pretty:
            url, params = f"{self._base}/wp-json/wp/v2/{path}", params or {}
        else:
            url, params = f"{self._base}/", {"rest_route": f"/wp/v2/{path}", **(params or {})}
        return Ask(method, url, params=params, json=json).signed(self._authorization)

    async def _introduce(self) -> Me:
        """Who we are there. Sites without readable addresses have the API at ?rest_route= only."""
        try:
            answer = await self._myself()
        except (Gone, BadAnswer):
            self._pretty = not self._pretty
            answer = await self._myself()
        self._me = answer.parse(Me)
        return self._me

    async def _myself(self) -> Answer:
        answer = await self._door.read(self._ask("GET", "users/me", {"context": "edit"}))
        answer.parse(Me)
        return answer

    async def _known_as(self) -> Me:
        return self._me or await self._introduce()

    async def _sweep(self, after: datetime) -> tuple[list[Comment], bool, str]:
        """Comments written after a moment, oldest first; whether that was all of them; what was unreadable."""
        params: dict[str, str | int] = {
            "after": after.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "orderby": "date_gmt",
            "order": "asc",
            "per_page": PAGE,
            **self._of_posts,
        }
        found: list[Comment] = []
        notes: list[str] = []
        for page in range(1, PAGES + 1):
            listed = await self._list({**params, "page": page})
            found += listed.comments
            notes += [listed.note] if listed.note else []
            if listed.last:
                return found, True, "; ".join(notes)
        return found, False, "; ".join(notes)

    @property
    def _of_posts(self) -> dict[str, str | int]:
        return {"post": ",".join(map(str, self._posts))} if self._posts else {}

    async def _waiting(self, me: Me) -> set[int]:
        """The newest comments of others that wait for moderators; none where the site keeps them from the account."""
        params: dict[str, str | int] = {"status": "hold", "orderby": "date_gmt", "order": "desc", "per_page": PAGE}
        try:
            listed = await self._list({**params, **self._of_posts})
        except Refused:
            return set()
        return {c.id for c in listed.comments if c.author != me.id}

    async def _list(self, params: dict[str, str | int], searched: bool = False) -> Listed:
        answer = await self._door.read(self._ask("GET", "comments", params))
        raw = answer.parse(list[Any])
        comments, note = readable(raw, Comment, CARD.title, searched=searched)
        # What the account may not see is counted into a page and then left out of it: a short one need not be the last.
        pages = answer.headers.get("x-wp-totalpages", "")
        more = len(raw) >= PAGE or (pages.isdecimal() and int(params.get("page", 1)) < int(pages))
        return Listed(comments, note, not more)

    async def _recheck(self, ids: Iterable[int]) -> tuple[list[Comment], set[int]]:
        """Recent comments read again: those that stand, and the ids of those that do not any more."""
        standing: list[Comment] = []
        asked = sorted(ids)
        for some in _chunks(asked, PAGE):
            standing += (await self._list({"include": ",".join(map(str, some)), "per_page": PAGE})).comments
        missing = set(asked) - {c.id for c in standing}
        return standing, {number for number in sorted(missing)[:CHECKED] if await self._is_gone(number)}

    async def _is_gone(self, number: int) -> bool:
        try:
            return (await self._comment(str(number), await self._known_as())).status in UNSEEN
        except Gone:
            return True
        except Refused:
            return False  # it waits for moderators again and is not for our eyes

    async def _parent(self, mention: Mention) -> Comment:
        return await self._comment(mention.key.external_id, await self._known_as())

    async def _comment(self, number: str, me: Me) -> Comment:
        params: dict[str, str | int] = {"context": "edit"} if me.moderates else {}
        if not (number.isascii() and number.isdigit()):
            raise Gone(f"{CARD.title}: there is no comment with this id", what="mention")
        return (await self._door.read(self._ask("GET", f"comments/{number}", params))).parse(Comment)

    async def _answers(self, parent: int, me: Me) -> list[Comment]:
        params: dict[str, str | int] = {"parent": parent, "orderby": "date_gmt", "order": "asc", "per_page": PAGE}
        if me.moderates:
            # Its "all" is without the bin and without spam: a reply that moderators put there would be missing.
            params |= {"author": me.id, "status": "any", "context": "edit"}
        found: list[Comment] = []
        for page in range(1, PAGES + 1):
            listed = await self._list({**params, "page": page}, searched=True)
            found += [c for c in listed.comments if c.author == me.id]
            if listed.last:
                return found
        raise BadAnswer(f"{CARD.title}: under the comment stand more answers than the desk reads")

    async def _withdraw(self, mention: Mention, made: Comment) -> NoReturn:
        """Takes back a reply that the site hung elsewhere than under the mention."""
        try:
            await self.delete(mention, str(made.id))
        except DeskError as error:
            raise Unsure(f"{CARD.title}: the reply stands in the wrong place: {made.link}") from error
        raise Gone(f"{CARD.title}: the site did not put the reply under the comment", what="mention")

    def _posted(self, made: Comment) -> Posted:
        return Posted(str(made.id), made.at or self._now(), made.link, visible=made.status == "approved")

    def _mention(self, comment: Comment) -> Mention:
        return Mention(
            key=self._key(comment.id),
            source=self._source,
            kind="comment",
            site=urlsplit(self._base).hostname or "",
            text=comment.words,
            url=comment.link,
            author=Author(
                id=str(comment.author or ""), name=tidy(html.unescape(comment.author_name)), url=comment.author_url
            ),
            published_at=comment.at,
            item=str(comment.post),
            parent_id=str(comment.parent or ""),
            raw=scrubbed(comment.model_dump(mode="json", by_alias=True, exclude={"content": {"raw"}})),
        )

    def _deleted(self, number: int) -> Mention:
        return Mention(key=self._key(number), source=self._source, kind="comment", text="", deleted=True)

    def _key(self, number: int) -> MentionKey:
        return MentionKey(self._brand, CARD.name, self.account, str(number))


def _official(comment: Comment) -> OfficialReply:
    standing = STANDINGS.get(comment.status, "refused")
    return OfficialReply(str(comment.id), comment.as_typed, comment.at, comment.link, standing)


def _escaped(text: str) -> str:
    # Comments are HTML: `<` and `&` of an approved text are letters, not markup.
    return html.escape(text, quote=False)


def _comparable(text: str) -> str:
    return fold(fold_typography(text))


def _short(fingerprint: str) -> str:
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:16]


def _resume(dates: list[datetime], after: datetime) -> datetime:
    """WordPress leaves out the second that `after` names: the last one's is read again, unless that leads nowhere."""
    newest = max(dates, default=after)
    return max(newest - SECOND, min(newest, after + SECOND))


def _recent(known: dict[int, str], lost: set[int]) -> dict[int, str]:
    return {number: known[number] for number in sorted(set(known) - lost)[-KNOWN:]}


def _chunks(ids: list[int], size: int) -> Iterable[list[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
