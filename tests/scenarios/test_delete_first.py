"""A platform that keeps one answer and changes none: the old one is deleted first, and never lost from sight."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web

from desk.case import Case
from tests.collectors.avito.fake import ANSWERS, CLIENT, SECRET, Account
from tests.faults.odd import odd, resets, says
from tests.scenarios.conftest import Opened
from tests.scenarios.world import World

REPLY, BETTER = "Диана, перезвоним сегодня.", "Диана, деньги вернули, простите нас!"
SOURCE = """
[[clients.brands.sources]]
key = "acme-avito"
platform = "avito"
client_id = "{client}"
client_secret = "env:AVITO_SECRET"
api_base = "{url}"
every = "1s"
"""

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Shop:
    """An Avito account behind a real socket. `faults`: what a method is answered with instead, once each;
    `after_effect` ones come when it was done."""

    account: Account = field(default_factory=Account)
    faults: dict[str, Fault] = field(default_factory=dict)
    after_effect: dict[str, Fault] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.method in self.faults and request.path.startswith(ANSWERS):
            return await self.faults.pop(request.method)(request)
        asked = httpx.Request(
            request.method, str(request.url), headers=dict(request.headers), content=await request.read()
        )
        done = self.account.serve(asked)
        if request.path.startswith(ANSWERS):
            self.writes.append(f"{request.method} {done.status_code}")
            if request.method in self.after_effect:
                return await self.after_effect.pop(request.method)(request)
        return web.Response(status=done.status_code, body=done.content, content_type="application/json")

    def publish(self) -> str:
        return self.account.publish("Везли шкаф три дня и поцарапали", datetime.now(UTC))

    def answer(self, review: str) -> str:
        return str(self.account.reviews[int(review)].get("answer", {}).get("text", ""))

    def moderated(self, review: str, status: str, *reasons: str) -> None:
        told = [{"id": number, "title": title} for number, title in enumerate(reasons)]
        self.account.reviews[int(review)]["answer"] |= {"status": status, "rejectReasons": told}

    def rewritten(self, review: str, text: str) -> None:
        self.account.reviews[int(review)]["text"] = text


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    monkeypatch.setenv("AVITO_SECRET", SECRET)
    made = Shop()
    async with odd(made.serve) as server:
        made.url = server.url
        yield made


def how(shop: Shop) -> dict[str, object]:
    source = SOURCE.format(client=CLIENT, url=shop.url)
    return {"rush": True, "sources": source}


async def answered(w: World, shop: Shop) -> str:
    """The first round is over: our answer is public."""
    review = await w.proposed(REPLY, review=shop.publish())
    await w.client.press("marta", 1, "Approve")
    await w.state(1, "moderated")
    shop.moderated(review, "published")
    await w.hasten("watch:1")
    await w.state(1, "answered")
    return review


async def proposed_again(w: World, shop: Shop, review: str) -> None:
    """The author wrote again, and a second answer waits for its approval."""
    shop.rewritten(review, "И деньги не вернули")
    await w.state(1, "new")
    await w.staff.press("dana", 1, "Take")
    await w.staff.reply("dana", 1, BETTER)
    await w.staff.press("dana", 1, "Send to client")
    await w.state(1, "in_approval")
    shop.writes.clear()


async def shown(w: World, words: str, side: str = "staff") -> None:
    room = getattr(w, side)
    await w.until(lambda: any(words in text for text in room.texts(1)), what=f"{side} read {words!r}")


async def test_a_second_answer_is_shown_beside_the_old_one_which_is_deleted_only_after_the_approval(
    desk: Opened, shop: Shop
) -> None:
    async with desk(**how(shop)) as w:
        review = await answered(w, shop)
        await proposed_again(w, shop, review)
        for side in ("staff", "client"):
            await shown(w, "It replaces our reply of", side)
            await shown(w, REPLY, side)
            await shown(w, BETTER, side)
            await shown(w, "the old one is deleted first", side)
        assert shop.writes == []
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "moderated")
        assert shop.writes == ["DELETE 200", "POST 200"]
        assert shop.answer(review) == BETTER
        await shown(w, "nothing of ours stands on Avito now")
        shop.moderated(review, "published")
        await w.hasten("watch:1")
        case = await w.state(1, "answered")
        assert (case.reply.text, case.made_room) == (BETTER, False)
        assert [reply.gone_at is None for reply in case.replies] == [False, True]


async def test_an_answer_that_is_refused_after_the_deletion_is_told_and_tried_again(desk: Opened, shop: Shop) -> None:
    async with desk(**how(shop)) as w:
        review = await answered(w, shop)
        await proposed_again(w, shop, review)
        shop.faults["POST"] = says(shop.account.error(400, "contacts"), 400)
        await w.client.press("marta", 1, "Approve")
        case: Case = await w.state(1, "failed")
        assert (case.reply, case.made_room) == (None, True)
        await shown(w, "contacts")
        await shown(w, "nothing of ours stands on Avito now")
        await w.staff.press("dana", 1, "Try again")
        await w.state(1, "moderated")
        assert shop.answer(review) == BETTER


@pytest.mark.parametrize("lost", ["DELETE", "POST"])
async def test_a_call_whose_answer_is_lost_leaves_one_answer_the_new_one(desk: Opened, shop: Shop, lost: str) -> None:
    async with desk(**how(shop)) as w:
        review = await answered(w, shop)
        await proposed_again(w, shop, review)
        shop.after_effect[lost] = resets
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "moderated")
        assert shop.answer(review) == BETTER
        assert shop.writes.count("POST 200") == 1


async def test_an_answer_that_cannot_be_deleted_keeps_its_place(desk: Opened, shop: Shop) -> None:
    async with desk(**how(shop)) as w:
        review = await answered(w, shop)
        await proposed_again(w, shop, review)
        shop.faults["DELETE"] = says(b'{"success": false}')
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "failed")
        assert (case.reply.text, case.made_room) == (REPLY, False)
        await shown(w, "the answer was not deleted")
        assert (shop.writes, shop.answer(review)) == ([], REPLY)
        await w.staff.press("dana", 1, "Try again")
        await w.state(1, "moderated")
        assert shop.answer(review) == BETTER


async def test_an_answer_refused_by_moderators_says_why_and_makes_room_for_the_next(desk: Opened, shop: Shop) -> None:
    async with desk(**how(shop)) as w:
        review = await w.proposed(REPLY, review=shop.publish())
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "moderated")
        shop.moderated(review, "rejected", "Телефон в ответе", "Грубость")
        await w.hasten("watch:1")
        await w.state(1, "failed")
        await shown(w, "Avito's moderators turned it down: Телефон в ответе, Грубость")
        await w.staff.reply("anna", 1, BETTER)
        await w.staff.press("anna", 1, "Send to client")
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "moderated")
        assert shop.answer(review) == BETTER
        assert not case.made_room, "what moderators refused never stood there"


async def test_a_colleagues_answer_is_deleted_only_for_an_approver_who_saw_it(desk: Opened, shop: Shop) -> None:
    async with desk(**how(shop)) as w:
        review = await w.proposed(REPLY, review=shop.publish())
        shop.account.answer(review, "Мы всё исправим", "published")
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "in_work")
        assert shop.writes == []
        await w.staff.press("anna", 1, "Post anyway")
        await shown(w, "Мы всё исправим", "client")
        await shown(w, "the old one is deleted first", "client")
        await w.client.press("oleg", 1, "Approve")
        case = await w.state(1, "moderated")
        assert (shop.writes, shop.answer(review)) == (["DELETE 200", "POST 200"], REPLY)
        assert (case.other_reply, case.made_room) == (None, True)
