"""Reading VK: a community's wall with all that stands under it, and public posts by their words."""

from __future__ import annotations

from asyncio import sleep
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict

from collectors.http import Now
from collectors.pages import joined
from collectors.vk.calls import HOUR, TITLE, Methods, Params, Said, Token
from collectors.vk.shapes import Found, Item, Listing, Spot
from desk.errors import BadAnswer, Gone, Refused, Retry

PAGE = 100
PAGES = 10
SHOWN = 10
"""Answers VK shows together with the comment they stand under, at most."""
CALLS = 30
"""Pages of comments of one poll; the rest waits in the cursor for the next one."""
TRIES = 3
BRIEF = 2.0
"""Seconds: what VK asks to wait after too many requests in one second is waited out on the spot."""
CLOSED = {"7", "15", "100", "183", "210", "211", "212", "213", "801"}
"""Refusals that concern one post or comment: what stands under it is closed, or for subscribers only."""
OVERLAP = timedelta(days=1)
FRESH = timedelta(days=2)
"""Posts so young are read at each poll, for edits; older ones when their number of comments changes."""
SEARCH_PAGE = 200


class Job(NamedTuple):
    """A page of comments to read: of a post, or of the thread under one comment."""

    post: int
    thread: int = 0
    offset: int = 0


class Cursor(BaseModel):
    """What is older than `floor` was read; how many comments each post had; pages the last poll did not come to."""

    model_config = ConfigDict(frozen=True)

    floor: AwareDatetime
    counts: dict[int, int] = {}
    unread: tuple[Job, ...] = ()
    search: str = ""

    @classmethod
    def of(cls, stored: str | None, since: datetime) -> Cursor:
        return cls.model_validate_json(stored) if stored else cls(floor=since)


class Walked(NamedTuple):
    found: list[Found]
    cursor: Cursor
    note: str


class Page(NamedTuple):
    found: list[Found]
    more: list[Job]
    note: str


class Reader:
    def __init__(self, methods: Methods, group: int, token: Token, now: Now) -> None:
        self._methods = methods
        self._wall = -group
        self._token = token
        self._now = now

    async def walk(self, state: Cursor) -> Walked:
        """Posts of others on the wall, and comments under what is new there or has changed."""
        start = self._now()
        posts, listing, note = await self._posts()
        waiting = {job.post for job in state.unread}
        due = [post.id for post in posts if post.id not in waiting and self._is_due(post, state, start)]
        jobs = [*state.unread, *map(Job, due)]
        found, left, notes = await self._work(jobs, state.floor)
        on_wall = [Found(Spot(self._wall, post.id), post, listing.people) for post in posts]
        # A post still waiting keeps its old count: what came to it meanwhile makes it due again.
        known = {post.id: state.counts.get(post.id, 0) if post.id in waiting else post.comments.count for post in posts}
        after = Cursor(
            floor=state.floor if left else max(state.floor, start - OVERLAP),
            counts={number: count for number, count in known.items() if count},
            unread=tuple(left),
            search=state.search,
        )
        return Walked([*_since(on_wall, state.floor), *found], after, joined([note, *notes]))

    async def find(self, spot: Spot) -> Found:
        """What stands at a place. Raises Gone."""
        found = await (self._comment(spot) if spot.comment else self._post(spot))
        if found is None or found.item.deleted:
            raise Gone(f"{TITLE}: it does not stand there any more", what="mention")
        return found

    async def answers(self, spot: Spot, author: int) -> list[Item]:
        """What `author` wrote in answer to a post or comment, newest last."""
        found: list[Item] = []
        for number in range(PAGES):
            listing = await self._comments(spot.owner, Job(spot.post, spot.thread, number * PAGE), "desc")
            found += listing.searched()
            if not _goes_on(listing, number * PAGE):
                break
        ours = [item for item in found if item.author == author and not item.deleted]
        to_it = [item for item in ours if (item.answered or spot.thread) == spot.comment]
        return sorted(to_it, key=lambda item: (item.at, item.id))

    async def search(self, query: str, floor: datetime, end: int | None) -> tuple[Listing, list[Found], str]:
        """Public posts with these words, from `floor` on and not younger than `end` (Unix time)."""
        window: Params = {"start_time": int(floor.timestamp()), **({} if end is None else {"end_time": end})}
        listing = await self._list("newsfeed.search", {"q": query, "count": SEARCH_PAGE, "extended": 1, **window})
        items, note = listing.read()
        return listing, [Found(_found_at(item), item, listing.people) for item in items], note

    async def _posts(self) -> tuple[list[Item], Listing, str]:
        listing = await self._list("wall.get", {"owner_id": self._wall, "count": PAGE, "filter": "all", "extended": 1})
        posts, note = listing.read()
        return posts, listing, note

    def _is_due(self, post: Item, state: Cursor, start: datetime) -> bool:
        count = post.comments.count
        return count != state.counts.get(post.id, 0) or (count > 0 and post.at >= start - FRESH)

    async def _work(self, jobs: Sequence[Job], floor: datetime) -> tuple[list[Found], list[Job], list[str]]:
        queue, found, notes = deque(jobs), list[Found](), list[str]()
        for _ in range(CALLS):
            if not queue:
                break
            try:
                page = await self._open_page(queue[0], floor)
            except Retry as error:
                if not error.rate_limited:
                    raise
                # What was read so far counts; the rest waits in the cursor.
                notes.append(error.reason)
                break
            queue.popleft()
            queue.extend(page.more)
            found += page.found
            notes.append(page.note)
        return found, list(queue), notes

    async def _open_page(self, job: Job, floor: datetime) -> Page:
        """A page; an empty one where the post is gone or closed."""
        try:
            return await self._page(job, floor)
        except Gone:
            return Page([], [], "")
        except Refused as error:
            if error.code not in CLOSED:
                raise
            return Page([], [], error.reason)

    async def _page(self, job: Job, floor: datetime) -> Page:
        """A post's comments oldest first, all of them: old ones have new answers. A thread newest first."""
        listing = await self._comments(self._wall, job, "desc" if job.thread else "asc")
        items, note = listing.read()
        found = [Found(Spot(self._wall, job.post, job.thread, item.id), item, listing.people) for item in items]
        inner, notes = _threads(found)
        more = [Job(job.post, item.id) for item in items if item.thread.count > len(item.thread.items)]
        known = bool(job.thread) and bool(items) and all(item.at < floor for item in items)
        if _goes_on(listing, job.offset) and not known:
            more.append(job._replace(offset=job.offset + PAGE))
        return Page(_since([*found, *inner], floor), more, joined([note, *notes]))

    async def _post(self, spot: Spot) -> Found | None:
        listing = await self._list("wall.getById", {"posts": f"{spot.owner}_{spot.post}", "extended": 1})
        return next((Found(spot, item, listing.people) for item in listing.searched() if item.id == spot.post), None)

    async def _comment(self, spot: Spot) -> Found | None:
        try:
            there = await self._starting_with(spot)
        except Refused as error:
            if error.code != "100":
                raise
            there = None
        if there is None and spot.root and await self._comment(Spot(spot.owner, spot.post, 0, spot.root)) is None:
            return None  # gone with the comment its thread hung on
        return there or await self._sought(spot)

    async def _starting_with(self, spot: Spot) -> Found | None:
        job = Job(spot.post, spot.root)
        return _among(await self._comments(spot.owner, job, "asc", start_comment_id=spot.comment, count=1), spot)

    async def _sought(self, spot: Spot) -> Found | None:
        """Page by page: what VK does where the comment to start with is gone is not written anywhere."""
        for number in range(PAGES):
            listing = await self._comments(spot.owner, Job(spot.post, spot.root, number * PAGE), "desc")
            there = _among(listing, spot)
            if there is not None:
                return there
            _trust(listing, number * PAGE)
            if not _goes_on(listing, number * PAGE):
                return None
        raise BadAnswer(f"{TITLE}: among {PAGES * PAGE} comments this one is not found; there are more")

    async def _comments(self, owner: int, job: Job, sort: str, **more: int) -> Listing:
        asked: dict[str, str | int] = {
            "owner_id": owner,
            "post_id": job.post,
            "sort": sort,
            "count": PAGE,
            "offset": job.offset,
            "preview_length": 0,
            "extended": 1,
            **({"comment_id": job.thread} if job.thread else {"thread_items_count": SHOWN}),
        }
        return await self._list("wall.getComments", {**asked, **more})

    async def _list(self, method: str, params: Params) -> Listing:
        for _ in range(TRIES - 1):
            try:
                return await self._methods.read(Said[Listing], method, self._token, params)
            except Retry as error:
                if not error.rate_limited or (error.after or HOUR) > BRIEF:
                    raise
                await sleep(error.after or BRIEF)
        return await self._methods.read(Said[Listing], method, self._token, params)


def _goes_on(listing: Listing, offset: int) -> bool:
    if listing.level is None:
        return len(listing.items) >= PAGE
    return bool(listing.items) and offset + PAGE < listing.level


def _trust(listing: Listing, offset: int) -> None:
    """Raises BadAnswer for a list that does not show all it should: what it lacks need not be gone."""
    note = listing.read()[1]
    if note or (not listing.items and (listing.level or 0) > offset):
        raise BadAnswer(note or f"{TITLE}: a list that should hold comments came empty")


def _among(listing: Listing, spot: Spot) -> Found | None:
    return next((Found(spot, item, listing.people) for item in listing.searched() if item.id == spot.comment), None)


def _threads(found: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """Answers shown together with the comments they stand under."""
    inner, notes = list[Found](), list[str]()
    for spot, item, people in found:
        shown, note = Listing.model_validate({"items": item.thread.items}).read()
        inner += [Found(spot._replace(root=item.id, comment=answer.id), answer, people) for answer in shown]
        notes.append(note)
    return inner, notes


def _since(found: Sequence[Found], floor: datetime) -> list[Found]:
    """Deletions of whatever age: the comment is as old as ever, its deletion is news."""
    return [one for one in found if one.item.deleted or one.item.at >= floor]


def _found_at(item: Item) -> Spot:
    if not item.post:
        return Spot(item.owner, item.id)
    return Spot(item.owner, item.post, item.parents[0] if item.parents else 0, item.id)
