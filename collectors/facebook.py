"""Facebook: comments under a Page's posts, and visitors' posts on it, answered as the Page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pydantic import AwareDatetime, BaseModel, Field

from collectors.graph import Graph, Listing, Made, MetaSettings, Moment, Reach, Seen, unread
from collectors.graph import knock as knock
from collectors.http import Now, in_time, writing_begins_by
from collectors.links import NUMBER, Link, link_to, only
from collectors.pages import joined
from collectors.records import readable
from collectors.text import fold, scrubbed, tidy
from desk.errors import BadAnswer, Gone, Refused, Retry
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
    calls="Webhooks (object page, field feed)",
    notes=(
        "Own Pages only; the app needs Meta's review for Pages of clients.",
        "Comments are looked for under the newest posts, 50 at most, in each poll; under older ones 50 posts a poll, "
        "in turn: on a Page with a thousand posts a new comment there is found within two hours, push or no push.",
        "An edited comment is seen for a day, under an older post not at all; a deleted one when it is to be answered.",
        "Recommendations of a Page are not read: many Pages have them switched off.",
    ),
)

POSTS, COMMENTS, PAGES = 25, 50, 2
BACK = timedelta(days=30)
"""Posts older than this are looked at in turn: each poll would read the whole Page."""
OLDER, SHOWN = 50, 10
"""Of older posts: how many a poll looks at, and the comments that come with each."""
RUSH, MORE = 10, 100
"""Further pages of comments that are read under one post, and the comments of each."""
OVERLAP = timedelta(days=1)
"""Nothing tells of an edited comment: those of a day are compared."""
ITEM = 200
"""Characters of a post that say what a comment is about. No title: an edited post is no edit of its comments."""
COMMENT = "id,created_time,message,from,permalink_url,parent{id}"


def _with_comments(most: int) -> str:
    """Fields of a post that brings its newest comments."""
    comments = f"comments.filter(stream).order(reverse_chronological).limit({most}){{{COMMENT}}}"
    return f"id,created_time,message,from,permalink_url,{comments}"


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


class Cursor(Seen):
    """`page`: where the walk through older posts, begun at `begun`, goes on; `walked`: from when on comments under them
    are new, as the walk before began then."""

    walked: AwareDatetime | None = None
    begun: AwareDatetime | None = None
    page: str = ""

    def goes_on(self, page: str, begun: datetime) -> Cursor:
        """With the walk one page further; through the last page it is over."""
        whole = {"walked": begun, "begun": None} if not page else {"begun": begun}
        return self.model_copy(update={"page": page, **whole})


class Found(NamedTuple):
    """`items`: posts and comments, each comment with its post. `after`: where the list goes on, "" at its end."""

    items: list[tuple[Node, Node | None]]
    notes: list[str]
    after: str


def item(settings: Settings, url: str) -> str | None:
    """Of a comment its post's number and its own; of a post its page's, which links may leave out, and its own."""
    link = link_to(CARD.hosts, url)
    page, post = _post(link)
    comment = link.value("reply_comment_id") or link.value("comment_id")
    whole = only(rf"/({NUMBER}(?:_{NUMBER})+)/?", link.path)
    if page.isdecimal() and page != settings.page_id:
        return None
    if comment:
        return only(f"({NUMBER}_{NUMBER})", f"{post}_{comment}")
    return f"{page}_{post}" if page.isdecimal() and post else whole


def _post(link: Link) -> tuple[str, str]:
    """Its page, by number or name, and its number; "" for what the link does not say, or says in letters."""
    if link.path in ("/permalink.php", "/story.php"):
        return link.value("id"), only(f"({NUMBER})", link.value("story_fbid")) or ""
    page = only(r"/([^/]+)/posts/.*", link.path)
    return page or "", only(rf"/[^/]+/posts/(?:[^/]+/)?({NUMBER})/?", link.path) or ""


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
        state = Cursor.model_validate_json(cursor) if cursor else Cursor(until=since, since=since)
        state = state.model_copy(update={"walked": state.walked or state.until})
        reach = state.reach(OVERLAP)
        found = await self._feed(start, reach)
        older, walk = await self._older(state, found.after, start)
        newest = max([state.until, *(min(node.at, start) for node, _ in found.items)])
        after = walk.model_copy(update={"until": newest}).model_dump_json(exclude_defaults=True)
        mentions = [*self._new(found, reach.floor), *self._new(older, state.walked or reach.floor)]
        return Batch(mentions, after, joined([*found.notes, *older.notes]))

    async def look(self, mention: Mention) -> Look:
        try:
            node = await self._node(mention)
            children = await self._children(node)
        except Gone:
            return Look(None)
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

    async def _children(self, node: Node) -> list[Node]:
        """All answers to it: a reply of ours that is not seen would be posted again."""
        listing, records = node.comments, node.comments.data
        for _ in range(RUSH):
            if not listing.after:
                break
            listing = await self._further(node, listing.after)
            records = [*records, *listing.data]
        if listing.after:
            raise BadAnswer(f"{CARD.title}: more than {len(records)} answers, ours may be among those not read")
        return readable(records, Node, CARD.title, searched=True)[0]

    async def _further(self, node: Node, after: str, **asked: str) -> Listing:
        """The next page of the comments under it."""
        answer = await self._graph.get(f"{node.id}/comments", fields=COMMENT, limit=MORE, after=after, **asked)
        return answer.parse(Listing)

    def _new(self, found: Found, floor: datetime) -> list[Mention]:
        return [self._mention(node, post) for node, post in found.items if self._is_foreign(node) and node.at >= floor]

    async def _feed(self, start: datetime, reach: Reach) -> Found:
        """Posts of the last weeks and their comments."""
        items: list[tuple[Node, Node | None]] = []
        notes: list[str] = []
        after = ""
        for _ in range(PAGES):
            page = await self._page(after, POSTS, COMMENTS, reach)
            items, notes, after = [*items, *page.items], [*notes, *page.notes], page.after
            if not after or all(node.at < start - BACK for node, post in page.items if post is None):
                break
        return Found(items, notes, after)

    async def _older(self, state: Cursor, after: str, start: datetime) -> tuple[Found, Cursor]:
        """One page of the posts behind those, where the last poll left off: old posts get new comments too. What this
        meets costs nothing that was read before it."""
        page, begun = (state.page, state.begun or start) if state.page else (after, start)
        if not page:
            return Found([], [], ""), state.goes_on("", start)
        new = state.walked or state.until
        try:
            found = await self._page(page, OLDER, SHOWN, Reach(new, new))
        except Retry as error:
            return Found([], [error.reason], page), state
        except (Refused, Gone) as error:
            # Its mark has grown too old, or the post it named is deleted: the walk begins anew.
            return Found([], [error.reason], ""), state.model_copy(update={"page": "", "begun": None})
        return found, state.goes_on(found.after, begun)

    async def _page(self, after: str, most: int, comments: int, reach: Reach) -> Found:
        """Posts of one page, each followed by its comments."""
        asked: dict[str, str | int] = {"fields": _with_comments(comments), "limit": most}
        answer = await self._graph.get(f"{self.account}/feed", **asked, **({"after": after} if after else {}))
        listing = answer.parse(Listing)
        posts, note = readable(listing.data, Node, CARD.title)
        items, notes = list[tuple[Node, Node | None]](), [note]
        for post in posts:
            under, note = await self._comments(post, reach)
            items += [(post, None), *((comment, post) for comment in under)]
            notes.append(note)
        # A page that names itself leads nowhere, now and for ever.
        return Found(items, notes, "" if listing.after == after else listing.after)

    async def _comments(self, post: Node, reach: Reach) -> tuple[list[Node], str]:
        """Those that came with the post, and more where all of them are new."""
        comments, note = readable(post.comments.data, Node, CARD.title)
        listing = post.comments
        for _ in range(RUSH):
            if not listing.after or not comments or comments[-1].at < reach.floor:
                return comments, note
            listing = await self._further(post, listing.after, filter="stream", order="reverse_chronological")
            more, another = readable(listing.data, Node, CARD.title)
            comments, note = [*comments, *more], note or another
        if listing.after and comments and comments[-1].at >= reach.known:
            note = note or unread(CARD.title, post.id, len(comments))
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
