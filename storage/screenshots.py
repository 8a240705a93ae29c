"""Pictures of pages: each stored once, by its hash, and gone with the last case that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.ports import Screenshot
from storage.part import Part
from storage.tables import pictures, screenshots


class ScreenshotPart(Part):
    async def put_screenshot(self, case: int, shot: Screenshot) -> None:
        await self.must_hold(case)
        add = self.insert(pictures).values(digest=shot.digest, data=shot.data)
        await self.db.execute(add.on_conflict_do_nothing(index_elements=["digest"]))
        await self.put(screenshots, case_id=case, digest=shot.digest, url=shot.url, taken_at=self.now)


async def drop_screenshots(db: AsyncConnection, numbers: Sequence[int]) -> None:
    """Those of these cases, and the pictures that no other case has."""
    theirs = screenshots.c.case_id.in_(numbers)
    digests = set((await db.execute(select(screenshots.c.digest).where(theirs))).scalars())
    if not digests:
        return
    # Waits for who just gives one of them to another case: what they add is not seen before they are done.
    held = select(pictures.c.digest).where(pictures.c.digest.in_(digests)).order_by(pictures.c.digest)
    await db.execute(held.with_for_update())
    await db.execute(delete(screenshots).where(theirs))
    shared = exists(select(1).select_from(screenshots).where(screenshots.c.digest == pictures.c.digest))
    await db.execute(delete(pictures).where(pictures.c.digest.in_(sorted(digests)), ~shared))
