"""What comes from outside and is not as it should be: one part suffers, who can mend it is told, nothing is lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from bot.build import Parts
from desk.mention import Author, Mention, MentionKey
from desk.polling import poll_work
from desk.receiving import receive
from sandbox import world
from sandbox.server import Sandbox
from tests.faults.odd import odd
from tests.scenarios.conftest import Opened
from tests.scenarios.people import Surface
from tests.scenarios.world import CLIENT_GROUP, SECRETS, Shifted, World, a_sandbox

MEGABYTE = 2**20


class OddSite:
    """A review API that answers whatever it was told to."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Callable[[web.Request], web.StreamResponse] = lambda request: web.json_response({})

    async def serve(self, request: web.Request) -> web.StreamResponse:
        return self.answer(request)


@asynccontextmanager
async def odd_site() -> AsyncIterator[OddSite]:
    site = OddSite()
    async with odd(site.serve) as server:
        site.url = server.url
        yield site


def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _error(status: int) -> Callable[[web.Request], web.StreamResponse]:
    body = {"error": {"code": status, "message": "Not today", "errors": [{"reason": "no"}]}}
    return lambda request: web.json_response(body, status=status)


ODD: dict[str, tuple[Callable[[web.Request], web.StreamResponse], str]] = {
    "a web page": (lambda _: web.Response(text="<!doctype html><p>Hi", content_type="text/html"), "JSON"),
    "10 MB": (lambda _: web.json_response({"reviews": [], "pad": "x" * 11 * MEGABYTE}), "more than 10 MB"),
    "half an answer": (lambda _: web.Response(text='{"reviews": [', content_type="application/json"), "JSON"),
    "other types": (lambda _: web.json_response({"reviews": 5}), "reviews"),
    "a number": (lambda _: web.json_response(5), ""),
    "500": (_error(500), "500"),
    "nothing": (_cut, "no answer"),
}


async def polled(w: World, source: str) -> None:
    """One reading of a source, now."""
    async with w.app.store.write() as unit:
        await unit.enqueue(poll_work(source, unit.now))


async def test_a_source_that_talks_nonsense_harms_only_itself(desk: Opened) -> None:
    async with odd_site() as site:
        second = f"""
[[clients.brands.sources]]
key = "acme-odd"
platform = "google_play"
package = "kz.acme.odd"
credentials = "file:play.json"
api_base = "{site.url}"
every = "1h"
"""
        async with desk(rush=True, sources=second) as w:
            await w.until(lambda: _failures(w, 0))
            for number, (name, (answer, words)) in enumerate(ODD.items(), 1):
                site.answer = answer
                await polled(w, "acme-odd")
                await w.until(lambda number=number: _failures(w, number), what=name)
                status = await _status(w)
                assert words in status.last_error, name
                assert status.cursor, "the mark of what was seen stays"
            await w.until(lambda: _silent(w), what="the alarm")
            w.review(1, "The other one goes on")
            await w.staff.thread(1)
            assert len(_silent(w)) == 1, "told at the third in a row, once"

            site.answer = lambda request: web.json_response({})
            await polled(w, "acme-odd")
            await w.until(lambda: _failures(w, 0))
            site.answer = _error(401)
            await polled(w, "acme-odd")
            await w.until(lambda: len(_silent(w)) == 2)
            assert "401" in _silent(w)[-1], "a login that ended is told at once"
            site.answer = lambda request: web.json_response(_reviews())
            await polled(w, "acme-odd")
            await w.staff.thread(2)
            assert any("Good among bad" in text for text in w.staff.texts(2))
            assert (await w.case(3)) is None


def _silent(w: World) -> list[str]:
    return [text for text in w.staff.room_texts() if "The source acme-odd does not answer" in text]


def _reviews() -> dict[str, Any]:
    """One good review among records that are none."""
    stamp = {"seconds": str(int(time.time()))}
    words = {"text": "Good among bad", "starRating": 1, "lastModified": stamp}
    good = {"reviewId": "odd-1", "authorName": "Odd", "comments": [{"userComment": words}]}
    bad: list[Any] = [None, "a text", {"reviewId": ""}, {"reviewId": "odd-2", "comments": "none"}]
    return {"reviews": [*bad, good]}


async def _status(w: World) -> Any:
    async with w.app.store.read() as reader:
        return next((s for s in await reader.sources() if s.source == "acme-odd"), None)


async def _failures(w: World, number: int) -> bool:
    status = await _status(w)
    return status is not None and status.failures == number


# reviews


LONG = "".join(f"{n} years of cold coffee, and nobody answered. " for n in range(1, 400))[:10_000].rstrip()

TEXTS: dict[str, str] = {
    "emoji": "😡😡😡",
    "markup": "5 < 6 & <b>bold</b> *x* _y_ [z](http://a.kz) </blockquote>",
    "call": "<!channel> <@U0VERA> @vera <http://a.kz|b>",
    "letters": "Добрый день\u200b \u202eолеh e\u0301\u0302\u0303 \x07",
    "long": LONG,
}


@pytest.mark.parametrize(("staff", "client"), [("telegram", "slack"), ("slack", "telegram")], ids=["telegram", "slack"])
async def test_odd_reviews_are_shown_as_they_are(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        for number, (name, text) in enumerate(TEXTS.items(), 1):
            w.review(1, text)
            await polled(w, "acme-play")
            await w.staff.thread(number)
            start = {"letters": "Добрый день", "call": "<!channel>"}.get(name, text[:40])
            await w.until(lambda number=number, start=start: _shown(w.staff, number, start), what=name)
        if staff == "telegram":
            await w.until(lambda: any("Shortened here" in text for text in w.staff.texts(5)))
            assert [m["document"]["size"] for m in w.staff.messages(5) if m["document"]] == [len(LONG)]
        else:
            assert _shown(w.staff, 5, LONG), "within what Slack takes"

        async with w.app.store.write() as unit:
            await unit.enqueue(receive(_mention("stars-only", rating=1), "stars"))
            ahead = unit.now + timedelta(hours=3)
            await unit.enqueue(
                receive(_mention("ahead", rating=1, text="From the future", published_at=ahead), "ahead")
            )
        for number in (6, 7):
            await w.staff.thread(number)
        texts = " ".join(w.staff.texts(6) + w.staff.texts(7))
        await w.until(lambda: "Stars only, no text" in " ".join(w.staff.texts(6) + w.staff.texts(7)), what=texts)
        await w.until(lambda: "lies ahead" in " ".join(w.staff.texts(6) + w.staff.texts(7)), what=texts)

        await w.staff.press("anna", 5, "Take")
        await w.placed(5)
        await w.staff.reply("anna", 5, "Sorry")
        await w.until(lambda: "Send to client" in w.staff.buttons(5))
        await w.staff.press("anna", 5, "Send to client")
        await w.until(lambda: "Approve" in w.client.buttons(5))
        assert _shown(w.client, 5, LONG[:40])


def _mention(id: str, **fields: Any) -> Mention:
    key = MentionKey("acme-coffee", "webhook", "hook", id)
    return replace(Mention(key=key, source="", text="", author=Author(name="Odd")), **fields)


def _shown(side: Surface, case: int, start: str) -> bool:
    return any(start in text for text in side.texts(case) if "topic created" not in text)


# rooms


Do = Callable[[Sandbox], None]

BROKEN_ROOMS: dict[str, tuple[str, Do, Do, str]] = {
    "the bot was put out of the group": (
        "telegram",
        lambda made: made.telegram.kick_bot(CLIENT_GROUP),
        lambda made: made.telegram.invite_bot(CLIENT_GROUP),
        "add the bot to the group again",
    ),
    "the group is no forum": (
        "telegram",
        lambda made: made.telegram.set_forum(CLIENT_GROUP, False),
        lambda made: made.telegram.set_forum(CLIENT_GROUP, True),
        "turn on Topics",
    ),
    "the bot may not manage topics": (
        "telegram",
        lambda made: made.telegram.set_rights(CLIENT_GROUP, can_manage_topics=False),
        lambda made: made.telegram.set_rights(CLIENT_GROUP, can_manage_topics=True),
        "make the bot an administrator",
    ),
    "the bot is not in the channel": (
        "slack",
        lambda made: made.slack.remove_bot(world.TEAM, world.CLIENT_CHANNEL),
        lambda made: made.slack.invite_bot(world.TEAM, world.CLIENT_CHANNEL),
        "invite it with /invite",
    ),
    "the token was revoked": (
        "slack",
        lambda made: made.slack.revoke(world.TEAM),
        lambda made: made.slack.revoke(world.TEAM, ""),
        "install the app again",
    ),
}


@pytest.mark.parametrize(("client", "hurt", "mend", "words"), BROKEN_ROOMS.values(), ids=BROKEN_ROOMS)
async def test_a_room_that_cannot_be_written_to_is_told_in_the_other_one(
    desk: Opened, client: str, hurt: Do, mend: Do, words: str
) -> None:
    clock = Shifted()
    staff = "slack" if client == "telegram" else "telegram"
    async with a_sandbox(clock=clock) as made:
        hurt(made)
        async with desk(staff=staff, client=client, sandbox=made, parts=Parts(clock=clock), rush=True) as w:
            w.review()
            await w.staff.press("anna", 1, "Take")
            await w.placed(1)
            await w.staff.reply("anna", 1, "Sorry, Dina")
            await w.until(lambda: "Send to client" in w.staff.buttons(1))
            await w.staff.press("anna", 1, "Send to client")
            await w.state(1, "in_approval")
            await w.until(lambda: any(words in text for text in w.staff.room_texts()), what=words)
            w.review(1, "The rest goes on")
            await w.staff.press("dana", 2, "Take")
            await w.state(2, "in_work")
            mend(made)
            clock.forward(601)
            w.app.engine._stir.set()
            await w.client.press("marta", 1, "Approve")
            await w.state(1, "answered")
            assert len([text for text in w.staff.room_texts() if words in text]) == 1, "told once"


async def test_a_wrong_token_of_one_messenger_leaves_the_other_at_work(
    desk: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_sandbox() as made:
        monkeypatch.setitem(SECRETS, "TELEGRAM_TOKEN", "7000000001:AAE-of-another-bot-entirely-000000001")
        async with desk(staff="slack", client="telegram", sandbox=made, rush=True) as w:
            w.review()
            await w.staff.press("anna", 1, "Take")
            await w.placed(1)
            await w.staff.reply("anna", 1, "Sorry, Dina")
            await w.until(lambda: "Send to client" in w.staff.buttons(1))
            await w.staff.press("anna", 1, "Send to client")
            await w.until(lambda: any("ask @BotFather" in text for text in w.staff.room_texts()))
    said = [r.getMessage() for r in caplog.records if r.levelname in ("ERROR", "WARNING")]
    assert any("token is not accepted" in text for text in said)
    assert "AAE-of-another" not in " ".join(said), "no secret is logged"
