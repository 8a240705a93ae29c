"""The whole way of a review, from found to posted, in either messenger on either side."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Opened

SIDES = [("telegram", "slack"), ("slack", "telegram"), ("telegram", "telegram"), ("slack", "slack")]

REPLY = "Dina, the machine at Dostyk 5 is repaired; your coffee is on us. We are sorry it was cold."


@pytest.mark.parametrize(("staff", "client"), SIDES, ids=["-".join(s) for s in SIDES])
async def test_a_review_becomes_a_posted_reply(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client) as w:
        review = w.review(1, "The coffee was cold & nobody <answered>.")
        await w.staff.thread(1)
        assert any("nobody <answered>" in text for text in w.staff.texts(1))
        await w.staff.press("anna", 1, "Take")
        await w.state(1, "in_work")
        await w.placed(1)
        await w.staff.reply("anna", 1, REPLY)
        await w.staff.press("anna", 1, "Send to client")
        await w.client.thread(1)
        await w.client.press("marta", 1, "Approve")
        case = await w.state(1, "answered")
        assert w.reply_of(review) == REPLY
        assert case.reply.version == 1
        assert not w.sandbox.telegram.too_many
        assert not w.sandbox.slack.too_many
