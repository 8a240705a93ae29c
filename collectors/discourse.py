"""Discourse: posts of one forum, answered as the brand's account with a key of the forum's administrator."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, TypeAdapter, ValidationError

from collectors.answers import Maker, Verdict, needs_login
from collectors.hooks import Call, Heed, needs_signature
from collectors.http import Ask, Door, Now, in_time, writing_begins_by
from collectors.links import NUMBER, link_below, only
from collectors.pages import PAGES, Item, Page, newest_first
from collectors.records import readable
from collectors.settings import SourceSettings, WebAddress
from collectors.text import fold, fold_typography, plain, scrubbed, tidy
from collectors.waits import wait_seconds
from desk.errors import BadAnswer, DeskError, Gone, Refused, Retry, Unsure
from desk.mention import Author, Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

OVERLAP = timedelta(hours=1)
REPLIES = 20
"""Answers to one post come in pages of so many."""
WHISPER = 4
"""Posts of this type are seen by the forum's staff only."""
WAITING = "pending:"
"""What the id of a reply begins with as long as it waits for the forum's moderators: it is no post yet."""

CARD = PlatformCard(
    name="discourse",
    title="Discourse",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    shortest=20,
    longest=32_000,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=50,
    calls="Webhooks",
    notes=(
        "The forum's administrator makes the key, for the brand's account.",
        "20 and 32,000 characters are a forum's usual limits; it may have set others, and then it refuses the reply.",
        "An edit is seen when a post is among the latest 50 of the forum or belongs to an open case.",
        "Only posts written as answers to a post count as replies to it.",
        "A forum may hold replies of new accounts for its moderators. One that waits is known by its topic only, "
        "and cannot be edited or deleted from here; keys of limited scope do not show it.",
    ),
)


class Settings(SourceSettings):
    api_base: WebAddress = Field(title="Address of the forum", description="As visitors see it: https://forum.example")
    api_key: SecretStr = Field(min_length=1, title="API key", description="Made by the forum's administrator")
    api_user: str = Field(min_length=1, title="User", description="User name of the brand's account on the forum")
    push_secret: SecretStr | None = Field(
        None, min_length=1, title="Secret of its calls", description="Of the webhook which the administrator sets up"
    )
    query: str = Field(
        "",
        title="Words",
        description="Separated by commas; only posts that hold one, or whose topic's title does. All posts if absent",
    )
    categories: tuple[int, ...] = Field(
        (), title="Categories", description="Numbers of the categories to read; all that the account sees if absent"
    )


def knock(settings: Settings, call: Call) -> Heed:
    """A webhook's event, or its ping."""
    needs_signature(call, "X-Discourse-Event-Signature", settings.push_secret)
    return Heed()


class Post(BaseModel):
    id: int
    topic: int = Field(alias="topic_id")
    number: int = Field(alias="post_number")
    answers: int | None = Field(None, alias="reply_to_post_number")
    type: int = Field(1, alias="post_type")
    user: str | None = Field(None, alias="username")
    """None where the account was deleted."""
    user_id: int | None = None
    name: str | None = None
    at: AwareDatetime = Field(alias="created_at")
    updated: AwareDatetime | None = Field(None, alias="updated_at")
    raw: str | None = None
    cooked: str = ""
    topic_title: str = ""
    category: int | None = Field(None, alias="category_id")
    reads: int | None = None
    hidden: bool = False
    deleted_at: str | None = None
    user_deleted: bool = False

    @property
    def words(self) -> str:
        return tidy(self.raw) if self.raw is not None else plain(self.cooked)

    @property
    def changed(self) -> datetime:
        return max(self.at, self.updated or self.at)

    @property
    def shown_name(self) -> str:
        return tidy(self.name or self.user or "")

    @property
    def is_gone(self) -> bool:
        """One that its author deleted stays for a day, with other words."""
        return self.user_deleted or self.deleted_at is not None


class Listing(BaseModel):
    posts: list[Any] = Field(alias="latest_posts")


class Edited(BaseModel):
    post: Post


class Waiting(BaseModel):
    """A reply in the moderators' queue."""

    id: int
    topic: int | None = Field(None, alias="topic_id")
    at: AwareDatetime | None = Field(None, alias="created_at")
    raw: str = Field("", alias="raw_text")


class Queued(BaseModel):
    action: Literal["enqueued"]
    pending: Waiting | None = Field(None, alias="pending_post")


class Queue(BaseModel):
    waiting: list[Waiting] = Field([], alias="pending_posts")


class Extras(BaseModel):
    wait: float = Field(alias="wait_seconds", ge=0)


class Slow(BaseModel):
    extras: Extras


POSTS = TypeAdapter(list[Post])
MADE: TypeAdapter[Post | Queued] = TypeAdapter(Post | Queued)

NOT_MADE = "create_post"
KEY = re.compile(r"\bAPI\b.*\b(key|username)\b", re.IGNORECASE)
"""A wrong key is refused with the code of any other missing right; only the sentence tells."""


def said_by_discourse(body: Any) -> tuple[str, str]:
    message = "; ".join(body["errors"])
    code = body.get("error_type") or body.get("action") or ""
    return message, "wrong_key" if code == "invalid_access" and KEY.search(message) else code


def slow_down(verdict: Verdict) -> DeskError:
    after = wait_seconds(verdict.answer.headers, verdict.now)
    return Retry(verdict.reason, after=_told(verdict.answer.body) if after is None else after, rate_limited=True)


def _told(body: bytes) -> float | None:
    try:
        return Slow.model_validate_json(body).extras.wait
    except ValidationError:
        return None


def read_only(verdict: Verdict) -> DeskError:
    return Retry(verdict.reason, after=wait_seconds(verdict.answer.headers, verdict.now))


CODES: dict[str, Maker] = {
    "wrong_key": needs_login,
    "not_logged_in": needs_login,
    "rate_limit": slow_down,
    "read_only": read_only,  # a forum under maintenance, which certainly wrote nothing
}


def item(settings: Settings, url: str) -> str | None:
    """Short links name a post; others its place in a topic, which is no post's id."""
    return only(rf"/p/({NUMBER})(?:/\d+)?", link_below(settings.api_base, url).path)


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Discourse:
    return Discourse(settings, brand, source, http, now)


class Discourse:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self._base = settings.api_base
        self._user = settings.api_user
        self._headers = {"Api-Key": settings.api_key.get_secret_value(), "Api-Username": settings.api_user}
        self._query = [fold(word).casefold() for word in settings.query.split(",") if word.strip()]
        self._categories = settings.categories
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_discourse, CODES)
        self.account = self._base.split("://", 1)[1]

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(self._list, cursor, since, now=self._now, overlap=OVERLAP)

    async def look(self, mention: Mention) -> Look:
        try:
            post = await self._post(mention.key.external_id)
        except Gone:
            return Look(None)
        if post.is_gone:
            return Look(None)
        # The words of a hidden post are not shown to everybody; a single post comes without its topic's title.
        shown = mention if post.hidden else replace(self._mention(post), title=mention.title)
        return Look(shown, (*await self._answers(post), *await self._waiting(post.topic)))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        parent = await in_time(writing_begins_by(), self._standing(mention), CARD.title)
        said = {"raw": text, "topic_id": parent.topic, "reply_to_post_number": parent.number}
        try:
            made = (await self._door.write(self._ask("POST", "posts", json=said))).parse(MADE)
        except Refused as no:
            if no.code == NOT_MADE:
                await self._not_ours(mention, text)
            raise
        return self._queued(made) if isinstance(made, Queued) else self._posted(made)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        ask = self._ask("PUT", f"posts/{_published(reply_id)}", json={"post": {"raw": text}})
        return self._posted((await self._door.write(ask)).parse(Edited).post)

    async def delete(self, mention: Mention, reply_id: str) -> None:
        number = _published(reply_id)
        try:
            await self._door.write(self._ask("DELETE", f"posts/{number}"))
        except Gone:
            return
        except Refused:
            if not await self._was_deleted(number):
                raise

    def same(self, ours: str, theirs: str) -> bool:
        return _comparable(ours) == _comparable(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _ask(self, method: str, path: str, params: dict[str, str | int] | None = None, json: object = None) -> Ask:
        return Ask(method, f"{self._base}/{path}.json", params=params, headers=self._headers, json=json)

    async def _list(self, before: str) -> Page:
        """Posts below an id, the highest first: ids grow, so nothing is passed over between two pages.

        Forums show the very post of `before` again, whatever their papers say: where it is the lowest, it is the last.
        """
        answer = await self._door.read(self._ask("GET", "posts", {"before": before} if before else {}))
        posts, note = readable(answer.parse(Listing).posts, Post, CARD.title)
        items = [Item(post.changed, self._wanted(post)) for post in posts]
        lowest = min((post.id for post in posts), default=0)
        is_last = not posts or lowest == int(before or 0)
        return Page(items, "" if is_last else str(lowest), note)

    def _wanted(self, post: Post) -> Mention | None:
        if self._is_ours(post) or (self._categories and post.category not in self._categories):
            return None
        if post.is_gone:
            return Mention(key=self._key(post), source=self._source, text="", deleted=True)
        said = fold(f"{post.topic_title} {post.words}").casefold()
        return self._mention(post) if not self._query or any(word in said for word in self._query) else None

    async def _post(self, number: str) -> Post:
        if not (number.isascii() and number.isdigit()):
            raise Gone(f"{CARD.title}: there is no post with this id", what="mention")
        return (await self._door.read(self._ask("GET", f"posts/{number}"))).parse(Post)

    async def _standing(self, mention: Mention) -> Post:
        post = await self._post(mention.key.external_id)
        if post.is_gone:
            raise Gone(f"{CARD.title}: the post was deleted", what="mention")
        return post

    async def _answers(self, post: Post) -> list[OfficialReply]:
        """Ours, each read again: the list has no raw texts, and the forum's markup hides what was sent."""
        public = [one for one in await self._replies(post) if not one.is_gone and one.type != WHISPER]
        ours = [one for one in public if self._is_ours(one)]
        return [self._official(await self._post(str(one.id))) for one in ours]

    async def _replies(self, post: Post) -> list[Post]:
        found: list[Post] = []
        after = post.number
        for _ in range(PAGES):
            ask = self._ask("GET", f"posts/{post.id}/replies", {"after": after})
            # Older forums know no pages and show all of them each time.
            new = [one for one in (await self._door.read(ask)).parse(POSTS) if one.number > after]
            found += new
            if len(new) < REPLIES:
                return found
            after = max(one.number for one in new)
        raise BadAnswer(f"{CARD.title}: more than {PAGES * REPLIES} answers, ours may be among those not read")

    async def _waiting(self, topic: int) -> list[OfficialReply]:
        try:
            answer = await self._door.read(self._ask("GET", f"posts/{quote(self._user, safe='')}/pending"))
        except (Refused, Gone):
            return []  # the key's scope leaves it out, or the forum is too old to have it
        here = [one for one in answer.parse(Queue).waiting if one.topic == topic]
        return [OfficialReply(f"{WAITING}{one.id}", tidy(one.raw), one.at, standing="waiting") for one in here]

    async def _not_ours(self, mention: Mention, text: str) -> None:
        """A forum refuses words that were posted some minutes ago: maybe by an attempt of ours that was taken for
        failed. Its reasons come in its own language, so the post is read. Raises Unsure."""
        try:
            replies = (await self.look(mention)).replies
        except DeskError as error:
            raise Unsure(f"{CARD.title}: refused, maybe because the reply stands already") from error
        if any(self.same(text, reply.text) for reply in replies):
            raise Unsure(f"{CARD.title}: the same words of ours stand there already")

    async def _was_deleted(self, number: str) -> bool:
        try:
            return (await self._post(number)).is_gone
        except Gone:
            return True

    def _is_ours(self, post: Post) -> bool:
        return (post.user or "").casefold() == self._user.casefold()

    def _queued(self, made: Queued) -> Posted:
        waiting = made.pending
        at = (waiting and waiting.at) or self._now()
        return Posted(f"{WAITING}{waiting.id if waiting else ''}", at, visible=False)

    def _posted(self, made: Post) -> Posted:
        return Posted(str(made.id), made.changed, self._link(made.topic, made.number), visible=not made.hidden)

    def _official(self, post: Post) -> OfficialReply:
        standing: Standing = "refused" if post.hidden else "public"
        return OfficialReply(str(post.id), post.words, post.at, self._link(post.topic, post.number), standing)

    def _link(self, topic: int, number: int) -> str:
        return f"{self._base}/t/{topic}/{number}"

    def _page_of(self, user: str | None) -> str:
        return f"{self._base}/u/{quote(user)}" if user else ""

    def _key(self, post: Post) -> MentionKey:
        return MentionKey(self._brand, CARD.name, self.account, str(post.id))

    def _mention(self, post: Post) -> Mention:
        return Mention(
            key=self._key(post),
            source=self._source,
            kind="post" if post.number == 1 else "comment",
            site=urlsplit(self._base).hostname or "",
            title=tidy(post.topic_title),
            text=post.words,
            url=self._link(post.topic, post.number),
            author=Author(str(post.user_id or ""), post.shown_name, self._page_of(post.user)),
            published_at=post.at,
            item=str(post.topic),
            reach=post.reads,
            parent_url=self._link(post.topic, post.answers) if post.answers else "",
            raw=scrubbed(post.model_dump(mode="json", by_alias=True, exclude={"raw", "cooked"})),
        )


def _published(reply_id: str) -> str:
    if reply_id.startswith(WAITING):
        raise Refused(f"{CARD.title}: the reply still waits for the forum's moderators; ask them")
    return reply_id


def _comparable(text: str) -> str:
    return fold(fold_typography(text))
