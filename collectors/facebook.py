"""Facebook: comments under a Page's posts, and visitors' posts on it, answered as the Page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, Field

from collectors.graph import Graph, Listing, Made, MetaSettings, Moment
from collectors.http import Now, in_time, readable, writing_begins_by
from collectors.pages import joined
from collectors.text import fold, scrubbed, tidy
from desk.errors import Gone, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="facebook",
    title="Facebook",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    longest=8_000,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=2),
    pace=30,
    hosts=("facebook.com", "fb.com"),
    notes=(
        "Own Pages only; the app needs Meta's review for Pages of clients.",
        "Comments are looked for under the posts of the last 30 days, 50 posts at most.",
        "Recommendations of a Page are not read: many Pages have them switched off.",
    ),
)

POSTS, COMMENTS, PAGES = 25, 50, 2
BACK = timedelta(days=30)
"""Posts older than this are not looked at: each poll would read the whole Page."""
OVERLAP = timedelta(days=1)
"""Nothing tells of an edited comment: those of a day are compared."""
ITEM = 200
"""Characters of a post that say what a comment is about. No title: an edited post is no edit of its comments."""
COMMENT = "id,created_time,message,from,permalink_url,parent{id}"
FIELDS = (
    "id,created_time,message,from,permalink_url,"
    f"comments.filter(stream).order(reverse_chronological).limit({COMMENTS}){{{COMMENT}}}"
)


class Settings(MetaSettings):
    page_id: str = Field(pattern=r"^\d+$", title="Page id", description="The number under About on the Page")


class Who(BaseModel):
    id: str = ""
    name: str = ""


class Node(BaseModel):
    """A comment, or a post: Graph shows both alike."""

    id: str = Field(min_length=1)
    at: Moment = Field(alias="created_time")
    message: str = ""
    by: Who = Field(Who(), alias="from")
    url: str = Field("", alias="permalink_url")
    parent: Made | None = None
    comments: Listing = Listing()


class Done(BaseModel):
    success: bool


class Cursor(BaseModel):
    until: AwareDatetime


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Facebook:
    return Facebook(settings, brand, source, http, now)


class Facebook:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.page_id
        self._graph = Graph(settings, CARD.title, http, now)
        self._brand = brand
        self._source = source
        self._now = now

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        start = self._now()
        until = Cursor.model_validate_json(cursor).until if cursor else since
        floor = until - OVERLAP if cursor else since
        found, notes = await self._feed(start, floor)
        mentions = [self._mention(node, post) for node, post in found if self._is_foreign(node) and node.at >= floor]
        newest = max([until, *(min(node.at, start) for node, _ in found)])
        return Batch(mentions, Cursor(until=newest).model_dump_json(), joined(notes))

    async def look(self, mention: Mention) -> Look:
        try:
            node = await self._node(mention)
        except Gone:
            return Look(None)
        children, _ = readable(node.comments.data, Node, CARD.title)
        ours = sorted((c for c in children if c.by.id == self.account), key=lambda child: child.at)
        return Look(self._mention(node, None, mention), tuple(_official(child) for child in ours))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        await in_time(writing_begins_by(), self._node(mention), CARD.title)
        made = (await self._graph.post(f"{mention.key.external_id}/comments", message=text)).parse(Made)
        return Posted(made.id, self._now(), f"https://www.facebook.com/{made.id}")

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        self._certain((await self._graph.post(reply_id, message=text)).parse(Done))
        return Posted(reply_id, self._now(), f"https://www.facebook.com/{reply_id}")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            self._certain((await self._graph.delete(reply_id)).parse(Done))
        except Gone:
            return

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _certain(self, done: Done) -> None:
        if not done.success:
            raise Refused(f"{CARD.title}: it was not carried out")

    async def _node(self, mention: Mention) -> Node:
        fields = f"{COMMENT},comments.limit({COMMENTS}){{{COMMENT}}}"
        return (await self._graph.get(mention.key.external_id, fields=fields)).parse(Node)

    async def _feed(self, start: datetime, floor: datetime) -> tuple[list[tuple[Node, Node | None]], list[str]]:
        """Posts of the last weeks and their comments, each with its post."""
        found: list[tuple[Node, Node | None]] = []
        notes: list[str] = []
        after: dict[str, str | int] = {}
        for _ in range(PAGES):
            listing = (await self._graph.get(f"{self.account}/feed", fields=FIELDS, limit=POSTS, **after)).parse(
                Listing
            )
            posts, note = readable(listing.data, Node, CARD.title)
            notes.append(note)
            for post in posts:
                found.append((post, None))
                comments, note = await self._comments(post, floor)
                found += [(comment, post) for comment in comments]
                notes.append(note)
            after = {"after": listing.after}
            if not listing.after or all(post.at < start - BACK for post in posts):
                break
        return found, notes

    async def _comments(self, post: Node, floor: datetime) -> tuple[list[Node], str]:
        """Those that came with the post, and more where all of them are new."""
        comments, note = readable(post.comments.data, Node, CARD.title)
        listing = post.comments
        while listing.after and comments and comments[-1].at >= floor and len(comments) < COMMENTS * 10:
            asked: dict[str, str | int] = {"filter": "stream", "order": "reverse_chronological", "fields": COMMENT}
            answer = await self._graph.get(f"{post.id}/comments", **asked, limit=COMMENTS, after=listing.after)
            listing = answer.parse(Listing)
            more, another = readable(listing.data, Node, CARD.title)
            comments, note = [*comments, *more], note or another
        return comments, note

    def _is_foreign(self, node: Node) -> bool:
        return node.by.id != self.account and bool(node.message.strip())

    def _mention(self, node: Node, post: Node | None, known: Mention | None = None) -> Mention:
        parent = node.parent.id if node.parent else post.id if post else known.parent_id if known else ""
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, node.id),
            source=self._source,
            kind="comment" if parent else "post",
            text=tidy(node.message),
            author=Author(id=node.by.id, name=tidy(node.by.name)),
            url=node.url or f"https://www.facebook.com/{node.id}",
            published_at=node.at,
            item=fold(post.message)[:ITEM] if post else known.item if known else "",
            parent_id=parent,
            parent_url=post.url if post else known.parent_url if known else "",
            raw=scrubbed(node.model_dump(mode="json", by_alias=True, exclude={"comments"})),
        )


def _official(node: Node) -> OfficialReply:
    return OfficialReply(node.id, tidy(node.message), node.at, node.url)
