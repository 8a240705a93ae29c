"""Where cases live in the messengers: threads, messages of the desk's own, what people said, what they were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, insert, literal_column, select, update

from desk.people import Side
from desk.ports import Ask, Heard, Place, Post, Saying
from storage.codec import HEARD
from storage.part import Part
from storage.scoped import case_within
from storage.tables import asks, places, posts, sayings


def to_place(row: Any) -> Place | None:
    return row and Place(row.case_id, row.side, row.room, row.thread, row.generation)


def _to_post(row: Any) -> Post | None:
    return row and Post(row.case_id, row.side, row.slot, row.room, row.message, row.digest)


def _to_saying(row: Any) -> Saying | None:
    if row is None:
        return None
    heard = HEARD.validate_python({**row.heard, "room": row.room})
    return Saying(row.id, row.case_id, row.side, heard, row.version, row.mirrored)


def _to_ask(row: Any) -> Ask | None:
    if row is None:
        return None
    values = dict(row._mapping)
    return Ask(case=values.pop("case_id"), **values)


def _of_ask(ask: Ask) -> dict[str, Any]:
    names = ("side", "person", "room", "thread", "action", "version", "answers", "message", "expires_at")
    return {"case_id": ask.case, **{name: getattr(ask, name) for name in names}}


def _of_heard(heard: Heard) -> dict[str, Any]:
    return {"room": heard.room, "said": heard.said, "heard": HEARD.dump_python(heard, mode="json")}


class PlacePart(Part):
    async def place(self, case: int, side: Side) -> Place | None:
        wanted = select(places).where(places.c.case_id == case, places.c.side == side, self.case_in(places.c.case_id))
        return to_place(await self.first(wanted))

    async def places(self, cases: Sequence[int], side: Side) -> dict[int, Place]:
        wanted = select(places).where(places.c.case_id.in_(cases), places.c.side == side)
        wanted = wanted.where(self.case_in(places.c.case_id))
        return {place.case: place for row in await self.rows(wanted) if (place := to_place(row))}

    async def place_at(self, room: str, thread: str) -> Place | None:
        # The last condition is that of the index, which is not used without it.
        here = places.c.room == room, places.c.thread == thread, places.c.thread != literal_column("''")
        return to_place(await self.first(select(places).where(*here, self.case_in(places.c.case_id))))

    async def set_place(self, place: Place) -> None:
        await self.must_hold(place.case)
        await self.put(
            places,
            case_id=place.case,
            side=place.side,
            room=place.room,
            thread=place.thread,
            generation=place.generation,
        )

    async def post(self, case: int, side: Side, slot: str) -> Post | None:
        where = posts.c.case_id == case, posts.c.side == side, posts.c.slot == slot
        return _to_post(await self.first(select(posts).where(*where, self.case_in(posts.c.case_id))))

    async def post_at(self, room: str, message: str) -> Post | None:
        there = posts.c.room == room, posts.c.message == message
        return _to_post(await self.first(select(posts).where(*there, self.case_in(posts.c.case_id))))

    async def posts(self, case: int, side: Side) -> list[Post]:
        wanted = select(posts).where(posts.c.case_id == case, posts.c.side == side, self.case_in(posts.c.case_id))
        return [post for row in await self.rows(wanted.order_by(posts.c.slot)) if (post := _to_post(row))]

    async def set_post(self, post: Post) -> None:
        await self.must_hold(post.case)
        await self.put(
            posts,
            case_id=post.case,
            side=post.side,
            slot=post.slot,
            room=post.room,
            message=post.message,
            digest=post.digest,
        )

    async def drop_posts(self, case: int, side: Side) -> None:
        gone = posts.c.case_id == case, posts.c.side == side, self.case_in(posts.c.case_id)
        await self.db.execute(delete(posts).where(*gone))


class SayingPart(Part):
    async def add_saying(self, case: int, side: Side, heard: Heard, version: int, mirrored: bool) -> Saying:
        await self.must_hold(case)
        values = {"case_id": case, "side": side, "version": version, "mirrored": mirrored, **_of_heard(heard)}
        number = await self.value(insert(sayings).values(values).returning(sayings.c.id))
        return Saying(number, case, side, heard, version, mirrored)

    async def saying(self, room: str, said: str) -> Saying | None:
        return await self._saying(sayings.c.room == room, sayings.c.said == said)

    async def saying_by_id(self, id: int) -> Saying | None:
        return await self._saying(sayings.c.id == id)

    async def _saying(self, *which: ColumnElement[bool]) -> Saying | None:
        return _to_saying(await self.first(select(sayings).where(*which, self.case_in(sayings.c.case_id))))

    async def update_saying(self, saying: Saying) -> None:
        values = {"version": saying.version, "mirrored": saying.mirrored, **_of_heard(saying.heard)}
        kept = sayings.c.id == saying.id, self.case_in(sayings.c.case_id)
        await self.db.execute(update(sayings).where(*kept).values(values))


@cache
def _its_ask(confined: bool) -> tuple[ColumnElement[bool], ...]:
    return (asks.c.id == bindparam("its_id"), *case_within(asks.c.case_id, confined))


@cache
def _ask(confined: bool) -> Any:
    return select(asks).where(*_its_ask(confined))


@cache
def _set_ask(confined: bool) -> Any:
    return update(asks).where(*_its_ask(confined))


NEW_ASK = insert(asks).returning(asks.c.id)


class AskPart(Part):
    async def add_ask(self, ask: Ask) -> Ask:
        await self.must_hold(ask.case)
        number = await self.value(NEW_ASK, _of_ask(ask))
        return replace(ask, id=number)

    async def ask(self, id: int) -> Ask | None:
        return _to_ask(await self.first(_ask(self.confined), {"its_id": id, **self.confines}))

    async def ask_of(self, room: str, thread: str, person: str) -> Ask | None:
        here = asks.c.room == room, asks.c.thread == thread, asks.c.person == person, self.case_in(asks.c.case_id)
        lasting = asks.c.expires_at.is_(None) | (asks.c.expires_at > self.now)
        return _to_ask(await self.first(select(asks).where(*here, lasting).order_by(asks.c.id.desc()).limit(1)))

    async def set_ask(self, ask: Ask) -> None:
        await self.must_hold(ask.case)
        await self.db.execute(_set_ask(self.confined), {"its_id": ask.id, **self.confines, **_of_ask(ask)})

    async def drop_ask(self, id: int) -> None:
        await self.db.execute(delete(asks).where(asks.c.id == id, self.case_in(asks.c.case_id)))
