"""Instagram: comments under a professional account's own media, answered as that account."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from collectors.graph import Graph, Listing, Made, MetaSettings, Moment, Reach, Seen, unread
from collectors.graph import knock as knock
from collectors.http import Now, in_time, writing_begins_by
from collectors.pages import joined
from collectors.records import readable
from collectors.text import fold, scrubbed, tidy
from desk.errors import BadAnswer, Gone, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="instagram",
    title="Instagram",
    can_reply=True,
    can_delete=True,
    can_look=True,
    longest=2_200,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=2),
    pace=30,
    hosts=("instagram.com",),
    calls="Webhooks (object instagram, field comments)",
    notes=(
        "Professional accounts only; the app needs Meta's review for accounts of clients.",
        "Comments are looked for under the 50 newest media; stories and live videos are not read.",
        "A reply cannot be edited, and to a reply it lands under the comment at the top.",
        "Mentions in other people's media come by webhook only, and are not read.",
    ),
)

MEDIA, COMMENTS, REPLIES, PAGES = 25, 50, 50, 2
RUSH, MORE = 10, 100
"""Further pages that are read of one list, and the replies of each."""
OVERLAP = timedelta(days=1)
NAMED = timedelta(hours=1)
"""An account may take another name: so long it goes by the one it had."""
ITEM = 200
"""Characters of a caption that say what a comment is about."""
WORDS = "id,text,timestamp,username,from"
THREAD = f"{WORDS},replies.limit({REPLIES}){{{WORDS}}}"
FIELDS = f"id,caption,permalink,timestamp,comments.limit({COMMENTS}){{{THREAD}}}"


class Settings(MetaSettings):
    account_id: str = Field(pattern=r"^\d+$", title="Account id", description="The professional account's number")


class Who(BaseModel):
    id: str = ""


class Comment(BaseModel):
    id: str = Field(min_length=1)
    at: Moment = Field(alias="timestamp")
    text: str = ""
    username: str = ""
    by: Who = Field(Who(), alias="from")
    replies: Listing = Listing()


class Media(BaseModel):
    id: str = Field(min_length=1)
    caption: str = ""
    url: str = Field("", alias="permalink")
    comments: Listing = Listing()


class Me(BaseModel):
    username: str = Field(min_length=1)


class Done(BaseModel):
    success: bool


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Instagram:
    return Instagram(settings, brand, source, http, now)


class Instagram:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.account_id
        self._graph = Graph(settings, CARD.title, http, now)
        self._brand = brand
        self._source = source
        self._now = now
        self._name = ""
        self._named: datetime | None = None

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        start = self._now()
        await self._introduce()
        state = Seen.model_validate_json(cursor) if cursor else Seen(until=since, since=since)
        reach = state.reach(OVERLAP)
        found, notes = await self._found(reach)
        fresh = [m for m in found if m.published_at is not None and m.published_at >= reach.floor]
        newest = max([state.until, *(min(m.published_at, start) for m in found if m.published_at is not None)])
        return Batch(fresh, state.model_copy(update={"until": newest}).model_dump_json(), joined(notes))

    async def look(self, mention: Mention) -> Look:
        await self._introduce()
        try:
            top = await self._top(mention)
            records, more = await self._thread(top)
        except Gone:
            return Look(None)
        if more:
            raise BadAnswer(f"{CARD.title}: more than {len(records)} replies, ours may be among those not read")
        replies, fault = readable(records, Comment, CARD.title, searched=True)
        here = next((c for c in (top, *replies) if c.id == mention.key.external_id), None)
        if here is None:
            if fault:
                raise BadAnswer(fault)
            return Look(None)
        ours = sorted((r for r in replies if self._is_own(r) and r.at >= here.at), key=lambda reply: reply.at)
        parent = mention.parent_id if here is not top else ""
        now_as = self._mention(here, mention.url, mention.item, parent)
        return Look(now_as, tuple(OfficialReply(r.id, tidy(r.text), r.at) for r in ours))

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        await in_time(writing_begins_by(), self._top(mention), CARD.title)
        made = (await self._graph.post(f"{_top_of(mention)}/replies", message=text)).parse(Made)
        return Posted(made.id, self._now(), mention.url)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        raise Refused("Instagram has no way to edit a reply; it can be deleted, and another one written")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            done = (await self._graph.delete(reply_id)).parse(Done)
        except Gone:
            return
        if not done.success:
            raise Refused(f"{CARD.title}: the reply was not deleted")

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _introduce(self) -> None:
        """Comments name their authors; only with some tokens their numbers."""
        start = self._now()
        if self._named is None or start >= self._named + NAMED:
            self._name = (await self._graph.get(self.account, fields="username")).parse(Me).username
            self._named = start

    async def _top(self, mention: Mention) -> Comment:
        return (await self._graph.get(_top_of(mention), fields=THREAD)).parse(Comment)

    async def _thread(self, top: Comment) -> tuple[list[Any], bool]:
        """The replies under it, and whether there are more: in which order they come is not written."""
        listing, records = top.replies, top.replies.data
        for _ in range(RUSH):
            if not listing.after:
                break
            asked: dict[str, str | int] = {"fields": WORDS, "limit": MORE, "after": listing.after}
            listing = (await self._graph.get(f"{top.id}/replies", **asked)).parse(Listing)
            records = [*records, *listing.data]
        return records, bool(listing.after)

    async def _found(self, reach: Reach) -> tuple[list[Mention], list[str]]:
        found: list[Mention] = []
        notes: list[str] = []
        after: dict[str, str | int] = {}
        for _ in range(PAGES):
            answer = await self._graph.get(f"{self.account}/media", fields=FIELDS, limit=MEDIA, **after)
            listing = answer.parse(Listing)
            several, note = readable(listing.data, Media, CARD.title)
            notes.append(note)
            for media in several:
                mentions, note = await self._under(media, reach)
                found += mentions
                notes.append(note)
            after = {"after": listing.after}
            if not listing.after:
                break
        return found, notes

    async def _under(self, media: Media, reach: Reach) -> tuple[list[Mention], str]:
        """Newest first; more pages while all of one are new."""
        listing = media.comments
        comments, note = readable(listing.data, Comment, CARD.title)
        for _ in range(RUSH):
            if not listing.after or not comments or comments[-1].at < reach.floor:
                break
            asked: dict[str, str | int] = {"fields": THREAD, "limit": COMMENTS, "after": listing.after}
            listing = (await self._graph.get(f"{media.id}/comments", **asked)).parse(Listing)
            more, another = readable(listing.data, Comment, CARD.title)
            comments, note = [*comments, *more], note or another
        if listing.after and comments and comments[-1].at >= reach.known:
            note = note or unread(CARD.title, media.url or media.id, len(comments))
        return await self._told(comments, media, note)

    async def _told(self, comments: list[Comment], media: Media, note: str) -> tuple[list[Mention], str]:
        """Comments of others, and others' replies to any."""
        item, found = fold(media.caption)[:ITEM], list[Mention]()
        for comment in comments:
            records, more = await self._thread(comment)
            replies, fault = readable(records, Comment, CARD.title)
            note = note or fault or (unread(CARD.title, media.url or media.id, len(records)) if more else "")
            found += [self._mention(one, media.url, item, "") for one in [comment] if self._is_foreign(one)]
            found += [self._mention(one, media.url, item, comment.id) for one in replies if self._is_foreign(one)]
        return found, note

    def _is_foreign(self, comment: Comment) -> bool:
        return not self._is_own(comment) and bool(comment.text.strip())

    def _is_own(self, comment: Comment) -> bool:
        return comment.by.id == self.account or (bool(comment.username) and comment.username == self._name)

    def _mention(self, comment: Comment, url: str, item: str, parent: str) -> Mention:
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, comment.id),
            source=self._source,
            kind="comment",
            text=tidy(comment.text),
            author=Author(
                id=comment.by.id or comment.username,
                name=tidy(comment.username),
                url=f"https://www.instagram.com/{comment.username}/" if comment.username else "",
            ),
            url=url,
            item=item,
            published_at=comment.at,
            parent_id=parent,
            raw=scrubbed(comment.model_dump(mode="json", by_alias=True, exclude={"replies"})),
        )


def _top_of(mention: Mention) -> str:
    """The comment at the top: replies stand under it, whichever of its thread they answer."""
    return mention.parent_id or mention.key.external_id
