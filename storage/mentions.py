"""Mentions as last read, and each text and rating they ever had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import insert, select, update

from desk.case import Case
from desk.mention import Mention, MentionKey
from desk.ports import StoredMention
from storage.codec import MENTION
from storage.part import Part
from storage.tables import mention_versions, mentions

AT_ONCE = 500
"""Parameters of one statement, far below either store's limit."""


def _is(key: MentionKey) -> tuple[Any, ...]:
    return (
        mentions.c.brand == key.brand,
        mentions.c.platform == key.platform,
        mentions.c.account == key.account,
        mentions.c.external_id == key.external_id,
    )


def any_of(brand: str, platform: str, account: str, external_ids: Sequence[str]) -> tuple[Any, ...]:
    """Mentions of one account, named together."""
    return (*_is(MentionKey(brand, platform, account, ""))[:3], mentions.c.external_id.in_(external_ids))


def _values(mention: Mention) -> dict[str, Any]:
    return {
        **mention.key._asdict(),
        "source": mention.source,
        "author_id": mention.author.id,
        "fingerprint": mention.fingerprint,
        "data": MENTION.dump_python(mention, mode="json"),
    }


async def new_mention(part: Part, case: Case) -> int:
    """The number of a new case's mention, stored now unless it was before."""
    number: int | None = await part.value(select(mentions.c.id).where(*_is(case.mention.key)))
    if number is not None:
        return number
    return await _insert(part, case.mention, found_at=case.found_at)


async def _insert(part: Part, mention: Mention, **more: Any) -> int:
    statement = insert(mentions).values(**_values(mention), **more).returning(mentions.c.id)
    number: int = await part.value(statement)
    await _keep_version(part, number, mention)
    return number


async def _keep_version(part: Part, number: int, mention: Mention) -> None:
    await part.db.execute(
        insert(mention_versions).values(
            mention_id=number,
            fingerprint=mention.fingerprint,
            data=MENTION.dump_python(mention, mode="json"),
            seen_at=part.now,
        )
    )


def _stored(row: Any) -> StoredMention:
    return StoredMention(row.id, MENTION.validate_python(row.data), row.found_at, row.tone, row.score, row.case_id)


class MentionPart(Part):
    async def mention(self, key: MentionKey) -> StoredMention | None:
        row = await self.first(select(mentions).where(*_is(key), self.brand_in(mentions.c.brand)))
        return None if row is None else _stored(row)

    async def mentions(self, keys: Iterable[MentionKey]) -> dict[MentionKey, StoredMention]:
        found: dict[MentionKey, StoredMention] = {}
        for account, same in groupby(sorted(keys), lambda key: (key.brand, key.platform, key.account)):
            ids = [key.external_id for key in same]
            for start in range(0, len(ids), AT_ONCE):
                some = any_of(*account, ids[start : start + AT_ONCE])
                rows = await self.rows(select(mentions).where(*some, self.brand_in(mentions.c.brand)))
                found.update((stored.mention.key, stored) for stored in map(_stored, rows))
        return found

    async def put_mention(
        self, mention: Mention, tone: str, score: float | None, by: str, found_at: datetime, case: int | None
    ) -> None:
        """`found_at` counts on the first reading only; a case once named stays where `case` is None."""
        self.must_see(mention.key.brand)
        judged = {"tone": tone, "score": score, "judged_by": by}
        known = await self.first(select(mentions.c.id, mentions.c.fingerprint).where(*_is(mention.key)))
        if known is None:
            await _insert(self, mention, **judged, found_at=found_at, case_id=case)
            return
        values = {**_values(mention), **judged, **({} if case is None else {"case_id": case})}
        await self.db.execute(update(mentions).where(mentions.c.id == known.id).values(values))
        if known.fingerprint != mention.fingerprint:
            await _keep_version(self, known.id, mention)
