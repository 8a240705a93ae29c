"""Reviews: Ozon's list, info and comments, in the newest version of these methods that the server has."""

from __future__ import annotations

from collectors.answers import Answer
from collectors.http import Now
from collectors.ozon.calls import TITLE, UNIMPLEMENTED, Calls
from collectors.ozon.shapes import Comment, CommentList, CommentMade, Owner, Review, ReviewList
from collectors.pages import Item, Page
from collectors.records import readable
from collectors.text import tidy
from desk.errors import BadAnswer, DeskError, Gone, Refused, Retry
from desk.mention import Mention, OfficialReply
from desk.platform import Look, Posted

PAGE = 100
COMMENT_PAGES = 10
NEWEST, BEFORE = "v2", "v1"
OTHER = {NEWEST: BEFORE, BEFORE: NEWEST}
"""Ozon means to switch v1 of list, info and comment/delete off; servers that imitate it may not have v2 yet."""
EXTRA: dict[tuple[str, str], dict[str, str]] = {(BEFORE, "list"): {"status": "ALL"}}


class Reviews:
    def __init__(self, calls: Calls, owner: Owner, now: Now) -> None:
        self._calls = calls
        self._owner = owner
        self._now = now
        self._version = NEWEST

    async def page(self, last: str) -> Page:
        asked: dict[str, object] = {"limit": PAGE, "sort_dir": "DESC", "last_id": last}
        listing = (await self._read("list", asked)).parse(ReviewList)
        reviews, note = readable(listing.reviews, Review, TITLE)
        items = [Item(review.at, self._mention(review)) for review in reviews]
        moves_on = listing.has_next and listing.last_id != last
        return Page(items, listing.last_id if moves_on else "", note)

    async def look(self, mention: Mention) -> Look:
        try:
            review = (await self._read("info", {"review_id": mention.key.external_id})).parse(Review)
        except Gone:
            return Look(None)
        return Look(self._mention(review), await self._replies_to(review))

    async def reply(self, mention: Mention, text: str) -> Posted:
        said: dict[str, object] = {
            "review_id": mention.key.external_id,
            "text": text,
            "mark_review_as_processed": True,
        }
        made = (await self._calls.write("v1/review/comment/create", said)).parse(CommentMade)
        return Posted(made.comment_id, self._now(), mention.url, visible=False)

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._remove(self._version, mention, reply_id)
        except (Gone, Refused) as error:
            # A server without this version of the method may say the same as one without the comment.
            if not _may_lack_it(error):
                raise
            if await self._stands(mention, reply_id):
                await self._remove(OTHER[self._version], mention, reply_id)

    async def _read(self, method: str, body: dict[str, object]) -> Answer:
        """A method in the version that worked last, or in the other where the server has not got it."""
        try:
            return await self._read_as(self._version, method, body)
        except (Gone, BadAnswer, Refused) as error:
            if not _may_lack_it(error):
                raise
            return await self._read_in(OTHER[self._version], method, body, error)

    async def _read_in(self, version: str, method: str, body: dict[str, object], before: DeskError) -> Answer:
        try:
            answer = await self._read_as(version, method, body)
        except DeskError as error:
            if isinstance(error, Retry) and not isinstance(error, BadAnswer):
                raise  # it may have what the first has not: one alone cannot tell that something is gone
            raise before from None
        self._version = version
        return answer

    async def _read_as(self, version: str, method: str, body: dict[str, object]) -> Answer:
        return await self._calls.read(f"{version}/review/{method}", {**body, **EXTRA.get((version, method), {})})

    async def _replies_to(self, review: Review) -> tuple[OfficialReply, ...]:
        """Of a review that is there: where the list of its comments is not, it must be because there are none."""
        try:
            return await self._replies(self._mention(review))
        except Gone as error:
            if review.comments_amount:
                raise BadAnswer(f"{TITLE}: {review.comments_amount} comments are not shown") from error
            return ()

    async def _replies(self, mention: Mention) -> tuple[OfficialReply, ...]:
        """The seller's comments, newest last. The newest are asked for first: a reply just made must not be missed."""
        found: list[Comment] = []
        for page in range(COMMENT_PAGES):
            comments = await self._comments(mention.key.external_id, page * PAGE)
            found += comments
            if len(comments) < PAGE:
                break
        ours = {comment.id: comment for comment in reversed(found) if comment.is_owner}
        return tuple(OfficialReply(c.id, tidy(c.text), c.at, mention.url, c.standing) for c in ours.values())

    async def _comments(self, review: str, offset: int) -> list[Comment]:
        """All or none: an unreadable comment may be the reply that is looked for."""
        asked: dict[str, object] = {"review_id": review, "limit": PAGE, "offset": offset, "sort_dir": "DESC"}
        return (await self._calls.read("v1/review/comment/list", asked)).parse(CommentList).comments

    async def _stands(self, mention: Mention, reply_id: str) -> bool:
        try:
            return any(reply.external_id == reply_id for reply in await self._replies(mention))
        except Gone:
            return False

    async def _remove(self, version: str, mention: Mention, reply_id: str) -> None:
        sku: dict[str, object] = {"sku": int(mention.item or 0)} if version == NEWEST else {}
        await self._calls.remove(f"{version}/review/comment/delete", {"comment_id": reply_id, **sku})

    def _mention(self, review: Review) -> Mention:
        return Mention(
            key=self._owner.key(review.id),
            source=self._owner.source,
            text=tidy(review.text),
            rating=review.rating or None,
            url=review.url,
            published_at=review.at,
            item=review.item,
            media=review.media,
            raw=review.raw,
        )


def _may_lack_it(error: DeskError) -> bool:
    """Whether the server may be without this version of the method; the other one can tell."""
    return not isinstance(error, Refused) or error.code == UNIMPLEMENTED
