"""`[desk] leads_room`: what leads have to know comes there, whichever client it is about; without it, to staff."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from bot import unknown
from bot.build import Parts
from desk.work import Work
from sandbox import world
from sandbox.server import Sandbox
from tests.scenarios.conftest import Opened
from tests.scenarios.people import TelegramSide
from tests.scenarios.test_clock import GATHERED, MINUTE, carded, passes, warned
from tests.scenarios.world import TELEGRAM_IDS, Shifted, World, a_sandbox

LEADS = -1001000000009


@asynccontextmanager
async def outside() -> AsyncIterator[tuple[Shifted, Sandbox]]:
    clock = Shifted()
    async with a_sandbox(clock=clock) as made:
        made.telegram.add_group(LEADS, "Leads")
        made.telegram.join(LEADS, TELEGRAM_IDS["boris"])
        yield clock, made


def named(room: int | None) -> dict[str, str]:
    """A line more of [desk]."""
    return {} if room is None else {"listen": f'"\nleads_room = "telegram:{room}'}


async def late(w: World, clock: Shifted) -> None:
    """A case passes its target, and then its limit."""
    w.review()
    await carded(w, 1)
    for mark, minutes in (("target", 91), ("limit", 24 * 60)):
        passes(w, clock, minutes * MINUTE)
        await warned(w, 1, mark)
        passes(w, clock, GATHERED)


async def source_failing(w: World, clock: Shifted) -> None:
    """Its credentials are refused."""
    w.sandbox.site.fail("reviews.list", *[("status", 401)] * 50)
    w.sandbox.site.fail("token", *[("status", 401)] * 50)


async def room_broken(w: World, clock: Shifted) -> None:
    """The client's channel turned the bot out, and something is to be said there."""
    w.sandbox.slack.remove_bot(world.TEAM, world.CLIENT_CHANNEL)
    w.review()
    await w.staff.press("anna", 1, "Take")
    await w.staff.reply("anna", 1, "Sorry, Dina")
    await w.staff.press("anna", 1, "Send to client")


async def newer_code(w: World, clock: Shifted) -> None:
    async with w.app.store.write() as unit:
        await unit.enqueue(Work("newer", run_at=unit.now - timedelta(hours=1)))
    await unknown.tell(w.app)


ALARMS: dict[str, tuple[Callable[[World, Shifted], Any], tuple[str, ...]]] = {
    "late": (late, ("has passed, there is no answer yet", "the hard limit of")),
    "a source that fails": (source_failing, ("acme-play",)),
    "a room that is broken": (room_broken, ("The desk cannot write to slack:main/C0ACME",)),
    "work for newer code": (newer_code, ("Work of the kind newer waits for a newer version of the desk",)),
}


@pytest.mark.parametrize("what", ALARMS)
@pytest.mark.parametrize("room", [LEADS, None], ids=["a leads room", "none"])
async def test_an_alarm_comes_to_the_leads_room_or_else_to_staff(desk: Opened, what: str, room: int | None) -> None:
    happens, says = ALARMS[what]
    async with (
        outside() as (clock, made),
        desk(sandbox=made, parts=Parts(clock=clock), rush=True, **named(room)) as w,
    ):
        await happens(w, clock)
        leads = TelegramSide(made.telegram, LEADS, TELEGRAM_IDS)

        def told() -> list[str]:
            return leads.room_texts() if room else [*w.staff.room_texts(), *w.staff.texts(1)]

        for words in says:
            await w.until(lambda words=words: any(words in one for one in told()), what=f"{words} in {told()}")
        assert bool(leads.room_texts()) == bool(room)
