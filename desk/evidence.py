"""What a page looked like when its case was opened: taken in the background, kept whatever becomes of the page."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from desk import follow as f
from desk import view
from desk.errors import DeskError, Gone, Refused, Retry
from desk.ports import Call, Directory, Done, Drop, Later, Screenshot, Sent, Store, Unit, Verdicts
from desk.scope import configured
from desk.showing import File
from desk.work import LEASES, Row

log = logging.getLogger("replydesk.evidence")

TakesScreenshot = Callable[[str], Awaitable[bytes]]
"""A page's picture as JPEG. Raises Refused where it will not be had, Retry where it may be later."""

NOT_OPEN = timedelta(minutes=1)
"""Until a picture looks again whether its thread stands: in a burst the cards themselves wait for their turn."""


@dataclass(frozen=True, slots=True)
class TakeScreenshot:
    """Job of kind "screenshot"."""

    store: Store
    directory: Callable[[], Directory]
    take: TakesScreenshot
    lease: timedelta = LEASES["ai"]

    async def fetch(self, row: Row) -> Screenshot | None:
        async with self.store.read(configured(self.directory())) as reader:
            case = await reader.case(row.payload["case"])
        if case is None or not case.mention.url:
            return None
        data = await self.take(case.mention.url)
        return Screenshot(case.mention.url, data, sha256(data).hexdigest())

    async def apply(self, unit: Unit, row: Row, fetched: Screenshot | None) -> Verdicts:
        if fetched is None:
            return Drop("there is no page")
        case = await unit.case(row.payload["case"])
        if case.mention.url != fetched.url:
            return Drop("the mention was erased, or moved, meanwhile")
        rules = self.directory().rules(case.brand, case.mention.key.platform)
        if rules is None:
            return Drop(f"brand {case.brand} is not configured any more")
        await unit.put_screenshot(case.id, fetched)
        await unit.enqueue(f.show_screenshot(case, rules, fetched.digest))
        return Done()

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """The text is kept in any case: nobody is asked to see to a picture."""
        if isinstance(error, Retry) and error.rate_limited:
            return None  # it was not this page's turn: no attempt is used up
        if not isinstance(error, Refused) and row.attempts < row.max_attempts:
            return None
        reason = error.reason if isinstance(error, DeskError) else type(error).__name__
        log.warning("case %s: no picture of its page was taken: %s", row.payload["case"], reason)
        return Drop(reason)


@dataclass(frozen=True, slots=True)
class ShowScreenshot(File):
    """Effect of kind "show_screenshot": the picture, brought into the case's thread."""

    store: Store = field(kw_only=True)

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        case = await unit.case(row.payload["case"])
        place = await unit.place(case.id, "staff")
        if place is None or not place.thread:
            return Later(unit.now + NOT_OPEN, "the thread is not open yet", count=False)
        said = view.said(self.rules(case), "staff", case, "page_as_found", {}, ())
        return Call({"room": place.room, "thread": place.thread, "drawing": said, **row.payload})

    async def send(self, row: Row, call: Call) -> Sent:
        data = call.data
        async with self.store.read(configured(self.directory())) as reader:
            picture = await reader.screenshot(data["case"], data["digest"])
        if picture is None:
            raise Gone("the picture was erased", what="screenshot")
        name = f"case-{data['case']}.jpg"
        return await self.chats(data["room"]).send_file(data["room"], data["thread"], name, picture, data["drawing"])

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """A thread that people deleted is opened anew, and the picture belongs into that one."""
        verdicts = await File.failed(self, unit, row, error)
        if isinstance(error, Gone) and error.what == "thread":
            return Later(unit.now + NOT_OPEN, "its thread is opened anew", count=False)
        return verdicts
