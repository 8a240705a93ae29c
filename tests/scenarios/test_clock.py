"""The clock of a case: warnings to who must act, the lead at the end, nothing twice and nothing after the answer."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bot.build import Parts
from bot.reports.exporting import export_client
from sandbox import world
from sandbox.server import Sandbox
from tests.scenarios.conftest import Opened
from tests.scenarios.world import Shifted, World, a_sandbox

MINUTE, HOUR = 60.0, 3600.0
GATHERED = 4.0
"""Seconds: alarms that come within three leave as one."""


@asynccontextmanager
async def outside() -> AsyncIterator[tuple[Shifted, Sandbox]]:
    clock = Shifted()
    async with a_sandbox(clock=clock) as made:
        yield clock, made


def passes(w: World, clock: Shifted, seconds: float) -> None:
    clock.forward(seconds)
    w.app.engine._stir.set()


async def warned(w: World, case: int, mark: str) -> None:
    """The mark came and was put into words."""

    async def there() -> bool:
        return bool((await w.case(case)).round.warned == mark)

    await w.until(there, what=f"mark {mark} of case {case}")


async def carded(w: World, *cases: int) -> None:
    for case in cases:
        await w.staff.thread(case)
        await w.until(lambda case=case: "Take" in w.staff.buttons(case))


async def test_warnings_go_to_who_must_act_and_at_the_end_to_the_lead(desk: Opened) -> None:
    async with outside() as (clock, made), desk(sandbox=made, parts=Parts(clock=clock), rush=True) as w:

        def called() -> dict[str, int]:
            staff = {who: w.staff.called(who) for who in ("anna", "dana", "boris")}
            return staff | {who: w.client.called(who) for who in ("marta", "oleg", "vera")}

        async def mark(name: str, minutes: float, says: str, **more: int) -> None:
            """At this mark these people are called, nobody else."""
            wanted = {who: n + more.get(who, 0) for who, n in called().items()}
            passes(w, clock, minutes * MINUTE)
            await warned(w, 1, name)
            passes(w, clock, GATHERED)
            side = w.client if "marta" in more else w.staff
            await w.until(lambda: any(says in text for text in side.texts(1)), what=says)
            await w.until(lambda: called() == wanted, what=f"{wanted} at {name}, not {called()}")

        review = w.review()
        await carded(w, 1)
        await mark("50", 45, "50 % of the time is gone", anna=1, dana=1)
        await w.staff.press("anna", 1, "Take")
        await mark("75", 23, "75 % of the time is gone", anna=1)
        await w.staff.reply("anna", 1, "Sorry, Dina")
        await w.until(lambda: "Send to client" in w.staff.buttons(1))
        await w.staff.press("anna", 1, "Send to client")
        await w.until(lambda: "Approve" in w.client.buttons(1))
        await mark("90", 13, "90 % of the time is gone", marta=1, oleg=1)
        await mark("target", 10, "has passed, there is no answer yet", marta=1, oleg=1, boris=1)
        await w.until(lambda: any("The target of" in text for text in w.staff.texts(1)), what="the card says so")
        await mark("limit", 23 * 60, "the hard limit of", marta=1, oleg=1, boris=1)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        assert w.reply_of(review)
        await w.until(lambda: any("later than the target" in text for text in w.staff.texts(1)))


async def test_nothing_is_said_about_a_case_that_was_answered_in_time(desk: Opened) -> None:
    async with outside() as (clock, made), desk(sandbox=made, parts=Parts(clock=clock), rush=True) as w:
        first = w.review(1, "One")
        await carded(w, 1)
        w.review(1, "Two")
        await carded(w, 2)
        await w.proposed("Sorry, Dina", review=first)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        passes(w, clock, 45 * MINUTE)
        await warned(w, 2, "50")
        passes(w, clock, GATHERED)
        await w.until(lambda: any("50 %" in text for text in w.staff.texts(2)))
        assert "warned" not in await w.events(1)
        assert not any("of the time is gone" in text for text in w.staff.texts(1) + w.client.texts(1))
        await w.until(lambda: any("within the target" in text for text in w.staff.texts(1)))


async def test_after_a_stop_only_the_highest_mark_is_announced_and_a_clock_set_back_repeats_none(desk: Opened) -> None:
    async with outside() as (clock, made):
        how = {"sandbox": made, "parts": Parts(clock=clock), "rush": True}
        async with desk(**how) as w:
            w.review()
            await carded(w, 1)
        # Minutes away from the next mark, at 81: the desks take their time to start.
        clock.forward(70 * MINUTE)
        async with desk(**how) as w:
            await warned(w, 1, "75")
            passes(w, clock, GATHERED)
            await w.until(lambda: any("75 %" in text for text in w.staff.texts(1)))
            # Its half time comes when the clock has caught up with itself.
            published = clock() - timedelta(minutes=42)
            made.site.leave(world.PACKAGE, "Dana", 1, "Another", lang="en", published=published.timestamp())
            await carded(w, 2)
            assert "warned" not in await w.events(2)
            passes(w, clock, -60 * MINUTE)
        async with desk(**how) as w:
            passes(w, clock, 64 * MINUTE)
            await warned(w, 2, "50")
            passes(w, clock, GATHERED)
            await w.until(lambda: any("50 %" in text for text in w.staff.texts(2)))
            said = [text for text in w.staff.texts(1) if "of the time is gone" in text]
            assert len(said) == 1, said
            assert (await w.events(1)).count("warned") == 1


async def test_sources_are_read_on_when_the_clock_was_set_back(desk: Opened) -> None:
    async with outside() as (clock, made), desk(sandbox=made, parts=Parts(clock=clock), rush=True) as w:
        await w.until(lambda: made.site.calls)
        passes(w, clock, -HOUR)
        read = len(made.site.calls)
        await w.until(lambda: len(made.site.calls) > read + 2)
        async with w.app.store.read() as reader:
            (status,) = await reader.sources()
        assert (status.failures, status.last_error) == (0, "")


async def test_a_burst_of_breaches_is_one_message(desk: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    # Six marks need not be put into words within three seconds, on a busy machine.
    monkeypatch.setattr("desk.follow.GATHER", timedelta(minutes=5))
    async with outside() as (clock, made), desk(sandbox=made, parts=Parts(clock=clock), rush=True) as w:
        for number in range(6):
            w.review(1, f"Cold {number}")
        await carded(w, *range(1, 7))
        before = w.staff.called("anna")
        passes(w, clock, 46 * MINUTE)
        for case in range(1, 7):
            await warned(w, case, "50")
        passes(w, clock, 5 * MINUTE)
        found = await w.until(lambda: [t for t in w.staff.room_texts() if "6 cases need attention" in t])
        assert all(f"#{case} " in found[0] for case in range(1, 7))
        await asyncio.sleep(0.1)
        assert w.staff.called("anna") == before + 1
        assert not any("of the time is gone" in text for case in range(1, 7) for text in w.staff.texts(case))


async def test_what_is_found_late_is_shown_as_ours(desk: Opened) -> None:
    async with outside() as (clock, made):
        hours_ago = {name: (clock() - timedelta(hours=h)).timestamp() for name, h in (("two", 2), ("old", 25))}
        for name, at in hours_ago.items():
            made.site.leave(world.PACKAGE, "Dina", 1, name, lang="en", published=at)
        async with desk(sandbox=made, parts=Parts(clock=clock), rush=True) as w:
            await carded(w, 1)
            assert any("We found it 2 h" in text for text in w.staff.texts(1))
            await warned(w, 1, "target")
            passes(w, clock, GATHERED)
            await w.until(lambda: any("has passed, there is no answer yet" in text for text in w.staff.texts(1)))
            assert await w.case(2) is None, "older than the limit at the first poll: kept, without a card"
            made.site.leave(world.PACKAGE, "Dina", 1, "older", lang="en", published=hours_ago["two"] - 20)
            await carded(w, 2)


STAGES = ("found_at", "carded_at", "taken_at", "drafted_at", "sent_at", "approved_at", "posted_at", "visible_at")


async def test_each_stage_is_kept_and_exported(desk: Opened, tmp_path: Path) -> None:
    async with desk(rush=True) as w:
        await w.proposed("Sorry, Dina")
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "answered")
        times = [getattr(case.round, stage) for stage in STAGES]
        assert None not in times
        assert times[2:6] == sorted(times[2:6])
        assert times[0] <= times[1]
        out = tmp_path / "acme.csv"
        assert await export_client(w.app.config, tmp_path / "config.toml", "acme", None, None, out) == 0
    rows = list(csv.DictReader(out.read_text("utf-8-sig").splitlines()))
    assert len(rows) == 1
    for stage, at in zip(STAGES, times, strict=True):
        assert rows[0][stage] == at.isoformat(timespec="seconds").replace("+00:00", "Z"), stage
    assert (rows[0]["owner"], rows[0]["approver"], rows[0]["reply_text"]) == ("anna", "marta", "Sorry, Dina")
