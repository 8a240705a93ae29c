"""What became of a reply is not known: it is read back, and where it cannot be read people are asked. One reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from bot import unknown
from bot.build import Parts
from collectors.google_play import GooglePlay
from desk.work import Work
from sandbox import world as acme
from tests.scenarios.conftest import Opened
from tests.scenarios.world import WHOLE, Shifted, World, a_sandbox

REPLY = "Dina, the machine is repaired; your coffee is on us."
MINUTE = 60.0
SIDES = [("telegram", "slack"), ("slack", "telegram")]
both_ways = pytest.mark.parametrize(("staff", "client"), SIDES, ids=["-".join(s) for s in SIDES])

FINE = ("delay", 0)
FORBIDDEN = ("error", 403, "permissionDenied", "The caller does not have permission")
SIGNED_OUT = ("error", 401, "authError", "Request had invalid authentication credentials.")
AWAY = ("status", 503)


@asynccontextmanager
async def at(desk: Opened, clock: Shifted, **how: Any) -> AsyncIterator[World]:
    """Time may pass once Slack is connected: its tickets are good for half a minute."""
    async with desk(rush=True, parts=Parts(clock=clock), **how) as w:
        await w.until(lambda: any(w.sandbox.slack.sockets.links.values()), 20.0, "a connection to Slack")
        yield w


@pytest.fixture
def clock() -> Shifted:
    return Shifted()


def unreadable(w: World, *how: tuple[Any, ...]) -> None:
    """The reply's fate is lost, and the platform cannot be read after that: the look before posting is the last one."""
    w.sandbox.site.fail("reviews.reply", ("drop_after",))
    w.sandbox.site.fail("reviews.get", FINE, *how)


async def passing(w: World, clock: Shifted, number: int, check: Any, seconds: float = MINUTE) -> Any:
    """Time goes by until something is true of a case."""

    async def later() -> Any:
        case = await w.case(number)
        if check(case):
            return case
        clock.forward(seconds)
        return None

    return await w.until(later, 20.0, f"case {number} in time")


async def asked(w: World, clock: Shifted) -> str:
    """A case whose outcome is unknown, with the question standing in the staff's thread."""
    unreadable(w, *[FORBIDDEN] * 40)
    review = await w.proposed(REPLY)
    await w.client.press("marta", 1, "Approve")
    await passing(w, clock, 1, lambda case: case.unknown)
    await w.until(lambda: "It is published" in w.staff.buttons(1), what="the question")
    return review


async def test_a_lost_answer_is_read_back_and_nothing_is_sent_again(desk: Opened, clock: Shifted) -> None:
    async with at(desk, clock) as w:
        w.sandbox.site.fail("reviews.reply", ("drop_after",))
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "answered")
        assert w.posts(review) == [REPLY]
        assert case.reply.verified
        assert (await w.events(1)).count("posted") == 1


async def test_what_never_arrived_is_sent_once_more_after_the_grace(desk: Opened, clock: Shifted) -> None:
    async with at(desk, clock) as w:
        w.sandbox.site.fail("reviews.reply", ("drop_before",))
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await w.until(lambda: len(calls(w, "reviews.get")) >= 2, what="a look before posting and one after")
        assert w.posts(review) == []
        await passing(w, clock, 1, lambda case: case.state == "answered")
        assert w.posts(review) == [REPLY]
        assert len(calls(w, "reviews.reply")) == 2


def calls(w: World, method: str) -> list[Any]:
    return [call for call in w.sandbox.site.calls if call.method == method]


@pytest.mark.parametrize("how", [FORBIDDEN, AWAY, SIGNED_OUT], ids=["forbidden", "away", "signed-out"])
async def test_what_cannot_be_read_back_is_asked_of_staff(desk: Opened, clock: Shifted, how: tuple[Any, ...]) -> None:
    async with at(desk, clock) as w:
        unreadable(w, *[how] * 40)
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        case = await passing(w, clock, 1, lambda case: case.unknown)
        assert case.state == "posting"
        await w.until(lambda: {"It is published", "It is not published"} <= set(w.staff.buttons(1)), what="buttons")
        await w.until(lambda: any("not known whether the reply went out" in t for t in w.staff.texts(1)))
        assert not {"It is published", "It is not published"} & set(w.client.buttons(1))
        assert w.posts(review) == [REPLY]


@both_ways
async def test_meanwhile_no_other_version_is_taken(desk: Opened, clock: Shifted, staff: str, client: str) -> None:
    async with at(desk, clock, staff=staff, client=client) as w:
        review = await asked(w, clock)
        await w.staff.reply("anna", 1, "Another text.")
        await w.until(lambda: "Not now: the case is being posted" in " ".join(refusals(w)), what="a refusal")
        case = await w.case(1)
        assert (case.n, case.state) == (1, "posting")
        assert "Approve" not in w.client.buttons(1)
        assert w.posts(review) == [REPLY]


def refusals(w: World) -> list[str]:
    private = getattr(w.staff, "private", None)
    return [*w.staff.texts(1), *(private("anna") if private else [])]


@both_ways
async def test_it_is_published_ends_it_with_its_link(desk: Opened, clock: Shifted, staff: str, client: str) -> None:
    link = "https://play.example/reviews/1"
    async with at(desk, clock, staff=staff, client=client) as w:
        review = await asked(w, clock)
        await w.staff.press("anna", 1, "It is published", link=link)
        case = await w.state(1, "answered")
        assert (case.reply.url, case.reply.verified, case.unknown) == (link, False, False)
        await w.until(lambda: any("not verified yet" in t for t in w.staff.texts(1)))
        await w.until(lambda: "Ask to correct" in w.client.buttons(1))
        assert w.posts(review) == [REPLY]


@both_ways
async def test_it_is_not_published_and_try_again_gives_one_reply(
    desk: Opened, clock: Shifted, staff: str, client: str
) -> None:
    async with at(desk, clock, staff=staff, client=client) as w:
        w.sandbox.site.fail("reviews.reply", ("drop_before",))
        w.sandbox.site.fail("reviews.get", FINE, FORBIDDEN, FORBIDDEN)
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await passing(w, clock, 1, lambda case: case.unknown)
        await w.staff.press("anna", 1, "It is not published")
        await w.state(1, "failed")
        assert w.posts(review) == []
        await w.staff.press("anna", 1, "Try again")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


async def test_a_wrong_not_published_does_not_make_a_second_reply(desk: Opened, clock: Shifted) -> None:
    """Our very text is found standing there: that is the reply, and neither a stranger's nor to be sent again."""
    async with at(desk, clock) as w:
        w.sandbox.site.fail("reviews.reply", ("drop_after",))
        w.sandbox.site.fail("reviews.get", FINE, FORBIDDEN, FORBIDDEN)
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await passing(w, clock, 1, lambda case: case.unknown)
        await w.staff.press("anna", 1, "It is not published")
        await w.state(1, "failed")
        await w.staff.press("anna", 1, "Try again")
        case = await w.state(1, "answered")
        assert w.posts(review) == [REPLY]
        assert case.reply.verified


async def test_it_is_not_published_lets_a_new_text_be_written(desk: Opened, clock: Shifted) -> None:
    async with at(desk, clock) as w:
        w.sandbox.site.fail("reviews.reply", ("drop_before",))
        w.sandbox.site.fail("reviews.get", FINE, FORBIDDEN, FORBIDDEN)
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        await passing(w, clock, 1, lambda case: case.unknown)
        await w.staff.press("anna", 1, "It is not published")
        await w.state(1, "failed")
        await w.staff.reply("anna", 1, "A better text.")
        await w.state(1, "in_work")
        await w.staff.press("anna", 1, "Send to client")
        await w.client.press("oleg", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == ["A better text."]


@both_ways
async def test_the_question_outlives_a_restart(desk: Opened, clock: Shifted, staff: str, client: str) -> None:
    async with a_sandbox(clock=clock) as made:
        async with at(desk, clock, staff=staff, client=client, sandbox=made) as w:
            review = await asked(w, clock)
        clock.forward(2 * MINUTE)
        async with at(desk, clock, staff=staff, client=client, sandbox=made) as w:
            await w.staff.press("boris", 1, "It is published", link="https://play.example/r/1")
            await w.state(1, "answered")
            assert w.posts(review) == [REPLY]


REFUSALS = {
    "forbidden": FORBIDDEN,
    "too-long": ("error", 400, "replyTextTooLong", "Reply text is longer than 350 characters."),
    "gone": ("error", 404, "reviewNotFound", "Review not found."),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_definite_no_is_shown_and_may_be_tried_again(desk: Opened, clock: Shifted, name: str) -> None:
    async with at(desk, clock) as w:
        w.sandbox.site.fail("reviews.reply", REFUSALS[name])
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "failed")
        assert REFUSALS[name][3].rstrip(".") in case.failure
        await w.until(lambda: any(REFUSALS[name][3].rstrip(".") in t for t in w.staff.texts(1)), what="the reason")
        assert not any(REFUSALS[name][3].rstrip(".") in t for t in w.client.texts(1))
        await w.staff.press("anna", 1, "Try again")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


async def test_an_ended_login_is_shown_and_after_it_was_mended_one_reply_goes_out(desk: Opened, clock: Shifted) -> None:
    async with at(desk, clock) as w:
        w.sandbox.site.fail("reviews.reply", SIGNED_OUT, SIGNED_OUT)
        review = await w.proposed(REPLY)
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "failed")
        assert "invalid authentication credentials" in case.failure
        assert w.posts(review) == []
        await w.staff.press("anna", 1, "Try again")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


async def test_a_token_that_ran_out_is_renewed_without_a_word(desk: Opened, clock: Shifted) -> None:
    async with at(desk, clock) as w:
        review = await w.proposed(REPLY)
        w.sandbox.site.tokens.revoke_all()
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


ROOMS = {"telegram": ("createForumTopic", ("status", 502)), "slack": ("chat.postMessage", ("status", 502))}


@pytest.mark.parametrize("messenger", ROOMS)
async def test_a_messenger_that_is_away_for_hours_shows_every_case_after_it(
    desk: Opened, clock: Shifted, messenger: str
) -> None:
    """Nobody could be asked about a card, so it is never given up."""
    method, fault = ROOMS[messenger]
    other = "slack" if messenger == "telegram" else "telegram"
    async with at(desk, clock, staff=messenger, client=other) as w:
        face = getattr(w.sandbox, messenger)
        face.fail(method, *[fault] * 12)
        review = w.review()

        def lost() -> int:
            return sum(call.method == method and not call.ok for call in face.calls)

        async def later() -> bool:
            clock.forward(5 * MINUTE)
            return lost() >= 12

        await w.until(later, 20.0, "an outage of hours")
        await w.until(lambda: clock.forward(5 * MINUTE) or "Take" in w.staff.buttons(1), 20.0, "the card after all")
        await w.proposed(REPLY, review=review)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        assert w.posts(review) == [REPLY]


async def test_a_source_whose_reader_breaks_is_read_again_in_its_turn(
    desk: Opened, clock: Shifted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a fault of our own ends a source for good: it is told, and the next poll is another try."""
    read, broken = GooglePlay.read, 9

    async def breaking(self: GooglePlay, *asked: Any) -> Any:
        nonlocal broken
        broken -= 1
        if broken >= 0:
            raise ValueError("a field nobody has seen before")
        return await read(self, *asked)

    monkeypatch.setattr(GooglePlay, "read", breaking)
    async with at(desk, clock) as w:
        w.review()
        await w.until(lambda: clock.forward(2) or broken < 0, 20.0, "nine polls that failed")
        await w.staff.thread(1)

        def told() -> list[str]:
            return [text for text in w.staff.room_texts() if "acme-play does not answer: ValueError" in text]

        await w.until(told, what="the alarm")
        assert len(told()) == 1


async def test_a_file_that_cannot_be_read_does_not_silence_its_thread(desk: Opened, clock: Shifted) -> None:
    async with at(desk, clock, client="telegram") as w:
        w.review()
        await w.staff.press("anna", 1, "Take")
        await w.staff.press("anna", 1, "Write reply")
        await w.until(lambda: "Cancel" in w.staff.buttons(1), what="the question")
        w.sandbox.telegram.fail("getFile", ("error", "Bad Request: file is temporarily unavailable"))
        topic, room = await w.staff.thread(1), acme.STAFF_ROOM
        file = {"name": "reply.txt", "text": REPLY}
        w.sandbox.telegram.write(acme.ANNA, room, "", thread_id=topic, document=file)
        await w.until(lambda: any("I could not read this file" in t for t in w.staff.texts(1)), what="a polite no")
        assert (await w.case(1)).n == 0
        await w.staff.write("anna", 1, REPLY)
        await w.until(lambda: any("Version 1" in t for t in w.staff.texts(1)), what="the version")
        assert (await w.case(1)).version.text == REPLY


async def test_work_that_fails_again_and_again_is_kept_and_told_once(
    desk: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as w:
        async with w.app.store.write(scope=WHOLE) as unit:
            await unit.enqueue(Work("receive", {"spoilt": True}, lane="mention:spoilt", max_attempts=2))
        await w.until(w.app.engine.tired, what="a failure")
        assert await unknown.note(w.app) == "", "it may pass"
        monkeypatch.setattr(unknown, "PATIENCE", timedelta())

        def told() -> list[str]:
            return [text for text in w.staff.room_texts() if "receive fails again and again (1 pieces)" in text]

        async def noticed() -> list[str]:
            await unknown.tell(w.app)
            return told()

        await w.until(noticed, what="the alarm")
        assert "1 of kind 'receive' fail again and again" in await unknown.note(w.app)
        await unknown.tell(w.app)
        w.review(1, "Cold coffee")
        await w.until(lambda: w.staff.buttons(1), what="another mention's card")
        assert len(told()) == 1

        async def waits() -> bool:
            """Between two attempts."""
            return [(x.state, x.rows) for x in await w.app.store.waiting() if x.kind == "receive"] == [("ready", 1)]

        await w.until(waits, what="the work that is kept")
