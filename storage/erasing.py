"""Personal data taken out of the store for good, figures left in it; and what an author left, gathered.

An erased mention keeps brand, platform, stars, tone and times. Its fingerprint is "", its external id a keyed hash: a
later reading of the same mention is recognised by it, and by nothing else.
"""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.case import FINISHED
from desk.mention import Author, Mention, MentionKey
from desk.work import Prio
from storage.codec import MENTION
from storage.database import BUSY_TIMEOUT, Database
from storage.mentions import any_of
from storage.screenshots import drop_screenshots
from storage.store import SqlStore
from storage.tables import (
    approvals,
    asks,
    case_events,
    cases,
    forgetting,
    forgotten,
    mention_versions,
    mentions,
    once,
    pictures,
    places,
    replies,
    rounds,
    sayings,
    screenshots,
    versions,
    work,
    work_history,
)
from storage.unit import SqlUnit
from storage.waiting import is_in

AT_ONCE = 100
"""Mentions erased in one transaction: presses wait for the same writer."""

ERASED = ""
"""The fingerprint of an erased mention: no other has it."""

EVENT_KEEPS = frozenset(
    {"version", "step", "ai", "why", "outcome", "satisfied", "to", "attempt", "rating", "mark", "anyway"}
    | {"elsewhere", "read_back", "tone", "by"}
)
"""What an event still says once it is erased; the rest are texts, reasons and addresses."""

CASE_LANES = ("staff", "client", "reply", "ai", "screenshot", "staff:ask", "client:ask")
ENDED = [state.value for state in FINISHED]


class Marks:
    """Keyed hashes by a key derived from `[desk] secret_key`: with another key nothing is recognised any more."""

    def __init__(self, secret_key: str) -> None:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        derive = HKDF(SHA256(), length=32, salt=None, info=b"replydesk forgotten 1")
        self._key = derive.derive(secret_key.encode())

    def _mark(self, *parts: str) -> str:
        return hmac.new(self._key, "\x1f".join(parts).encode(), sha256).hexdigest()[:40]

    def author(self, platform: str, author: str) -> str:
        return self._mark("author", platform, author)

    def external_id(self, key: MentionKey) -> str:
        """What stands in its place once the mention is erased."""
        return f"erased:{self._mark('mention', *key)}"

    def authors(self, mention: Mention) -> set[str]:
        """All marks by which this mention's author may have been forgotten; a platform without ids knows names."""
        who = mention.author.id or mention.author.name
        places = {mention.key.platform, mention.platform_shown}
        return {self.author(place, who) for place in places} if who else set()


class Forgot(NamedTuple):
    """`open_cases`: numbers of cases whose data goes when they are finished."""

    erased: int
    open_cases: tuple[int, ...]


def _chunks(items: Sequence[Any], size: int = AT_ONCE) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


# what is to be erased


def by_author(platform: str, author: str) -> ColumnElement[bool]:
    """Mentions of an author; `platform` as the desk calls it or as people do (a mention pushed in from 2gis)."""
    who = or_(
        mentions.c.author_id == author,
        and_(mentions.c.author_id == "", mentions.c.data["author"]["name"].as_string() == author),
    )
    return and_(who, or_(mentions.c.platform == platform, mentions.c.data["site"].as_string() == platform))


async def forget(store: SqlStore, platform: str, author: str, marks: Marks) -> Forgot:
    """Erases an author's mentions and finished cases, now; those of open cases when they are finished.

    Raises ValueError for an author without a name, which would be everybody who has none.
    """
    if not author.strip():
        raise ValueError("name the author: an id, or the name where the platform gives none")
    async with store.write(Prio.COSMETIC) as unit:
        await unit.put(forgotten, mark=marks.author(platform, author), at=unit.now)
        found = await unit.rows(select(mentions.c.id, mentions.c.case_id).where(by_author(platform, author)))
        numbers = [row.case_id for row in found if row.case_id is not None]
        still_open = await _open_among(unit, numbers)
        for row in found:
            # All of them: a case may be reopened, or this process ended, before it is their turn.
            await unit.put(forgetting, mention_id=row.id, at=unit.now)
    now = [row.id for row in found if row.case_id not in still_open]
    erased = await _erase_all(store, now, marks)
    await _wipe(store)
    return Forgot(erased, tuple(sorted(still_open)))


async def _open_among(unit: SqlUnit, numbers: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for some in _chunks(numbers, 500):
        alive = select(cases.c.id).where(cases.c.id.in_(some), cases.c.state.not_in(ENDED))
        found |= {row.id for row in await unit.rows(alive)}
    return found


async def erase_old(store: SqlStore, keep: Mapping[str, timedelta], marks: Marks) -> int:
    """Erases what is older than a brand's time (finished cases by their end, mentions without one by when they were
    found), and what waited for its case, or for work about it, to be finished. Returns how many mentions."""
    erased = 0
    for brand, length in keep.items():
        last = 0
        while some := await _old(store, brand, length, last):
            last = some[-1]
            erased += await _erase_all(store, some, marks)
    async with store.database.reader.begin() as db:
        waiting = [row.mention_id for row in await db.execute(_finished_waiting())]
    return erased + await _erase_all(store, waiting, marks)


async def _old(store: SqlStore, brand: str, length: timedelta, after: int) -> list[int]:
    ended = select(func.max(rounds.c.closed_at)).where(rounds.c.case_id == cases.c.id).scalar_subquery()
    joined = mentions.outerjoin(cases, cases.c.mention_id == mentions.c.id)
    async with store.database.reader.begin() as db:
        before = await store.database.now(db) - length
        finished = and_(cases.c.state.in_(ENDED), func.coalesce(ended, cases.c.found_at) < before)
        wanted = (
            select(mentions.c.id)
            .select_from(joined)
            .where(mentions.c.brand == brand, mentions.c.fingerprint != ERASED, mentions.c.id > after)
            .where(mentions.c.found_at < before, or_(cases.c.id.is_(None), finished))
            .order_by(mentions.c.id)
            .limit(AT_ONCE)
        )
        return [row.id for row in await db.execute(wanted)]


def _finished_waiting() -> Any:
    joined = forgetting.outerjoin(cases, cases.c.mention_id == forgetting.c.mention_id)
    ended = or_(cases.c.id.is_(None), cases.c.state.in_(ENDED))
    return select(forgetting.c.mention_id).select_from(joined).where(ended)


# erasing


async def _erase_all(store: SqlStore, ids: Sequence[int], marks: Marks) -> int:
    erased = 0
    for some in _chunks(ids):
        async with store.write(Prio.COSMETIC) as unit:
            erased += await _erase(unit, some, marks)
    return erased


async def _erase(unit: SqlUnit, ids: Sequence[int], marks: Marks) -> int:
    """Takes the cases first: one that was reopened meanwhile stays as it is, to be erased when it is finished again."""
    if unit.db.dialect.name == "sqlite":
        await unit.db.execute(text("PRAGMA secure_delete=ON"))
    held = update(cases).where(cases.c.mention_id.in_(ids), cases.c.state.in_(ENDED)).values(lock=cases.c.lock + 1)
    taken = {row.mention_id: row.id for row in await unit.rows(held.returning(cases.c.id, cases.c.mention_id))}
    found = await unit.rows(select(mentions).where(mentions.c.id.in_(ids)))
    free = [row for row in found if row.case_id is None or row.id in taken]
    fresh = [row for row in free if row.fingerprint != ERASED]
    lanes = {row.id: await _lanes(unit, row, taken.get(row.id)) for row in free}
    await _erase_work(unit, [lane for some in lanes.values() for lane in some])
    await _erase_mentions(unit, fresh, taken, marks)
    numbers = [taken[row.id] for row in fresh if row.id in taken]
    for number in numbers:
        # Nobody looks any more for a mention that is known by a hash: it would be missed, and staff alarmed.
        await unit.cancel(f"watch:{number}")
    await _erase_cases(unit, numbers)
    await _come_again(unit, lanes)
    return len(fresh)


async def _lanes(unit: SqlUnit, row: Any, number: int | None) -> list[str]:
    own = ":".join(("mention", row.brand, row.platform, row.account, row.external_id))
    if number is None:
        return [own]
    return [own, *(f"case:{number}:{of}" for of in CASE_LANES), *await _talk_lanes(unit, number)]


async def _come_again(unit: SqlUnit, lanes: Mapping[int, Sequence[str]]) -> None:
    """What is still to be done says something of them until it is done: they stay on the list for the next night."""
    busy: set[str] = set()
    for some in _chunks([lane for one in lanes.values() for lane in one], 500):
        wanted = select(work.c.lane).where(work.c.lane.in_(some), is_in("ready", "running", "parked"))
        busy |= {row.lane for row in await unit.rows(wanted)}
    for number, own in lanes.items():
        if busy.isdisjoint(own):
            await unit.db.execute(delete(forgetting).where(forgetting.c.mention_id == number))
        else:
            await unit.put(forgetting, mention_id=number, at=unit.now)


async def _talk_lanes(unit: SqlUnit, number: int) -> list[str]:
    """Of all threads the case ever had: people delete one, and it gets another."""
    places_ = select(places.c.room, places.c.thread).where(places.c.case_id == number)
    said = select(sayings.c.room, sayings.c.heard["thread"].as_string()).where(sayings.c.case_id == number)
    asked = select(asks.c.room, asks.c.thread).where(asks.c.case_id == number)
    where = [tuple(row) for wanted in (places_, said, asked) for row in await unit.rows(wanted)]
    return sorted({f"talk:{room}:{thread}" for room, thread in where if thread})


async def _erase_work(unit: SqlUnit, lanes: Sequence[str]) -> None:
    """Finished work only: what is still to be done must know what it is about."""
    empty: dict[str, Any] = {"payload": {}, "call": None, "last_error": ""}
    done = is_in("done", "cancelled")
    for some in _chunks(lanes, 500):
        await unit.db.execute(update(work).where(work.c.lane.in_(some), done).values(**empty))
        await unit.db.execute(update(work_history).where(work_history.c.lane.in_(some)).values(**empty))
        named = [lane for lane in some if lane.startswith("mention:")]
        away = {"lane": "", "idem": None}
        await unit.db.execute(update(work).where(work.c.lane.in_(named), done).values(**away))
        await unit.db.execute(update(work_history).where(work_history.c.lane.in_(named)).values(**away))


def without_person(mention: Mention, marks: Marks) -> Mention:
    """What figures need of a mention, and nothing by which a person could be found."""
    return Mention(
        key=mention.key._replace(external_id=marks.external_id(mention.key)),
        source=mention.source,
        text="",
        kind=mention.kind,
        site=mention.site,
        rating=mention.rating,
        lang=mention.lang,
        author=Author(),
        published_at=mention.published_at,
        last_modified_only=mention.last_modified_only,
        place=mention.place,
        item=mention.item,
        reach=mention.reach,
        deleted=mention.deleted,
    )


async def _erase_mentions(unit: SqlUnit, rows: Sequence[Any], taken: Mapping[int, int], marks: Marks) -> None:
    ids = [row.id for row in rows]
    for row in rows:
        was = MENTION.validate_python(row.data)
        left = MENTION.dump_python(without_person(was, marks), mode="json")
        values = {"data": left, "author_id": "", "fingerprint": ERASED, "external_id": marks.external_id(was.key)}
        await unit.db.execute(update(mentions).where(mentions.c.id == row.id).values(**values))
        if row.id in taken:
            await unit.db.execute(update(cases).where(cases.c.id == taken[row.id]).values(mention=left))
        await unit.db.execute(delete(once).where(once.c.idem == f"hook:{was.source}:last:{was.key.external_id}"))
    await unit.db.execute(delete(mention_versions).where(mention_versions.c.mention_id.in_(ids)))


async def _erase_cases(unit: SqlUnit, numbers: Sequence[int]) -> None:
    if not numbers:
        return
    for table in (sayings, asks):
        await unit.db.execute(delete(table).where(table.c.case_id.in_(numbers)))
    await unit.db.execute(update(versions).where(versions.c.case_id.in_(numbers)).values(text=""))
    gone = {"text": "", "url": "", "external_id": ""}
    await unit.db.execute(update(replies).where(replies.c.case_id.in_(numbers)).values(**gone))
    for row in await unit.rows(select(cases.c.id, cases.c.data).where(cases.c.id.in_(numbers))):
        await unit.db.execute(update(cases).where(cases.c.id == row.id).values(data=_case_data(row.data)))
    await drop_screenshots(unit.db, numbers)
    await _erase_reasons(unit, numbers)
    await _erase_events(unit, numbers)


def _case_data(data: dict[str, Any]) -> dict[str, Any]:
    last = data.get("last")
    last = last and {**last, "data": _kept(last["data"])}
    texts = {"reason": "", "failure": "", "before_edit": None, "other_reply": None, "approved_fingerprint": ""}
    return {**data, **texts, "last": last}


def _kept(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in EVENT_KEEPS}


async def _erase_reasons(unit: SqlUnit, numbers: Sequence[int]) -> None:
    """How often the client asked for changes is a figure, what they wrote is not."""
    for row in await unit.rows(select(rounds).where(rounds.c.case_id.in_(numbers), rounds.c.returns > 0)):
        here = rounds.c.case_id == row.case_id, rounds.c.n == row.n
        empty = [""] * len(row.return_reasons)
        await unit.db.execute(update(rounds).where(*here).values(return_reasons=empty))


async def _erase_events(unit: SqlUnit, numbers: Sequence[int]) -> None:
    found = await unit.rows(select(case_events.c.id, case_events.c.data).where(case_events.c.case_id.in_(numbers)))
    changed = [{"number": row.id, "left": _kept(row.data)} for row in found if _kept(row.data) != row.data]
    if changed:
        one = update(case_events).where(case_events.c.id == bindparam("number")).values(data=bindparam("left"))
        await unit.db.execute(one, changed)


async def _wipe(store: SqlStore) -> None:
    """SQLite's write-ahead log still holds the pages as they were. It is emptied, unless somebody reads in it for
    longer than a second: the next checkpoints do so by and by."""
    if not store.database.sqlite:
        return
    async with store.database.writer.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for pragma in ("busy_timeout=1000", "wal_checkpoint(TRUNCATE)", f"busy_timeout={BUSY_TIMEOUT}"):
            cursor = await driver.execute(f"PRAGMA {pragma}")
            await cursor.close()


# who comes again


async def gone_among(db: AsyncConnection, found: Sequence[Mention], marks: Marks) -> set[MentionKey]:
    """Mentions that were erased, or that a forgotten author wrote before they were: these must not come back.

    What they write later is a new matter, and what is still stored as it was is looked after as ever.
    """
    erased: dict[tuple[str, str, str], dict[str, MentionKey]] = defaultdict(dict)
    for mention in found:
        erased[mention.key[:3]][marks.external_id(mention.key)] = mention.key
    authors = {mark: mention for mention in found for mark in marks.authors(mention)}
    gone: set[MentionKey] = set()
    for (brand, platform, account), ours in erased.items():
        for some in _chunks(list(ours), 500):
            known = select(mentions.c.external_id).where(*any_of(brand, platform, account, some))
            gone |= {ours[row.external_id] for row in await db.execute(known)}
    since: dict[str, datetime] = {}
    for some in _chunks(list(authors), 500):
        rows = await db.execute(select(forgotten).where(forgotten.c.mark.in_(some)))
        since |= {row.mark: row.at for row in rows}
    if since:
        gone |= {m.key for m in found if _before(m, since, marks) and not await _stored(db, m.key)}
    return gone


def _before(mention: Mention, since: Mapping[str, datetime], marks: Marks) -> bool:
    at = max((since[mark] for mark in marks.authors(mention) if mark in since), default=None)
    return at is not None and mention.published_at is not None and mention.published_at <= at


async def _stored(db: AsyncConnection, key: MentionKey) -> bool:
    same = [getattr(mentions.c, name) == value for name, value in key._asdict().items()]
    return (await db.execute(select(mentions.c.id).where(*same))).scalar() is not None


async def blank(unit: SqlUnit, row: int) -> None:
    """A delivery that came to nothing leaves nothing: its row of work keeps its id alone."""
    await unit.db.execute(update(work).where(work.c.id == row).values(payload={}, lane="", last_error=""))


# what is held on one author


@dataclass(frozen=True, slots=True)
class Held:
    """One row, with the table it stands in."""

    table: str
    row: dict[str, Any]


OF_CASES: tuple[Table, ...] = (rounds, versions, approvals, replies, case_events, places, sayings, asks, screenshots)


async def held_on(store: SqlStore, brands: Sequence[str], platform: str, author: str) -> AsyncIterator[Held]:
    """Every row of these brands that an author's mentions led to, from one snapshot, table by table."""
    async with store.database.reader.begin() as db:
        mine = await _all(db, mentions, mentions.c.brand.in_(brands), by_author(platform, author))
        ids, numbers = [row["id"] for row in mine], [row["case_id"] for row in mine if row["case_id"]]
        for row in mine:
            yield Held("mentions", row)
        for some in _chunks(ids):
            for row in await _all(db, mention_versions, mention_versions.c.mention_id.in_(some)):
                yield Held("mention_versions", row)
        for some in _chunks(numbers):
            for table in (cases, *OF_CASES):
                column = table.c.id if table is cases else table.c.case_id
                for row in await _all(db, table, column.in_(some)):
                    yield Held(table.name, row)
            theirs = select(screenshots.c.digest).where(screenshots.c.case_id.in_(some))
            for row in await _all(db, pictures, pictures.c.digest.in_(theirs)):
                yield Held("pictures", row)


async def _all(db: AsyncConnection, table: Table, *where: ColumnElement[bool]) -> list[dict[str, Any]]:
    return [dict(row) for row in (await db.execute(select(table).where(*where))).mappings()]


# beside a running desk


class _Beside(Database):
    """Writes without the lock of a SQLite file. Whoever holds that may void leases; who only erases needs no such
    right, and SQLite lets one writer in after another."""

    def __init__(self, url: str) -> None:
        super().__init__(url, reading=True)
        self._reading = False


@asynccontextmanager
async def beside(url: str) -> AsyncIterator[SqlStore]:
    """A store to erase in while a desk runs on it. Its schema is as it is. Raises FileNotFoundError, ValueError."""
    store = SqlStore(_Beside(url), None, lambda brand: None)
    try:
        yield store
    finally:
        await store.close()
