"""What a look at a case's reply tells: shown, held by moderators, refused by them, changed, vanished."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from desk import actions as a
from desk.case import Case, State
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Retry
from desk.mention import OfficialReply, Standing
from desk.platform import Look
from desk.ports import Call
from desk.posting import DeleteReply, Post, Publish, seen
from desk.receiving import pack
from tests.desk.world import CARD, T0, Story, mention

SHOP: Any = SimpleNamespace(card=CARD, same=lambda ours, theirs: ours == theirs)


def shown(case: Case, standing: Standing, text: str = "") -> Look:
    reply = case.reply
    assert reply is not None
    return Look(case.mention, (OfficialReply(reply.external_id, text or reply.text, T0, standing=standing),))


def told(case: Case, look: Look) -> list[str]:
    return [type(action).__name__ for action in seen(case, look, SHOP, T0)]


WAITING: list[tuple[Standing, list[str]]] = [
    ("waiting", []),
    ("public", ["BecameVisible"]),
    ("refused", ["ModeratorsRefused"]),
]


@pytest.mark.parametrize(("standing", "actions"), WAITING)
def test_a_reply_that_moderators_hold_is_public_only_when_they_say_so(standing: Standing, actions: list[str]) -> None:
    case = Story().to(State.MODERATED).case

    assert told(case, shown(case, standing)) == actions


def test_a_reply_that_moderators_refuse_fails_the_case_with_their_name() -> None:
    story = Story().to(State.MODERATED)
    (action,) = seen(story.case, shown(story.case, "refused"), SHOP, T0)
    story.do(action)

    assert story.case.state is State.FAILED
    assert isinstance(action, a.ModeratorsRefused)
    assert action.reason == "Shop Reviews"


def test_a_reply_that_stood_and_is_refused_later_has_vanished() -> None:
    case = Story().to(State.ANSWERED).case
    assert case.reply is not None
    assert case.reply.visible_at is not None

    assert told(case, shown(case, "refused")) == ["ReplyVanished"]


@pytest.mark.parametrize("standing", ["public", "waiting"])
async def test_a_reply_found_after_a_lost_answer_is_as_visible_as_the_platform_says(standing: Standing) -> None:
    found = OfficialReply("r9", "Sorry", T0, standing=standing)

    async def look(_mention: Any) -> Look:
        return Look(mention(), (found,))

    platform: Any = SimpleNamespace(card=replace(CARD, can_look=True), same=SHOP.same, look=look)
    post = Post(lambda: None, lambda _mention: platform)  # type: ignore[arg-type,return-value]
    row: Any = SimpleNamespace(sent_at=T0, created_at=T0)
    posted = await post.find(row, Call({"mention": pack(mention()), "text": "Sorry", "old": "", "known": []}))

    assert posted is not None
    assert (posted.external_id, posted.visible) == ("r9", standing == "public")


PASSES: list[tuple[Exception, bool]] = [
    (OSError("the database broke off"), True),
    (RuntimeError("a fault of ours"), True),
    (Retry("later"), True),
    (BadAnswer("a web page"), True),
    (Refused("no links"), False),
    (NeedsLogin("token ended"), False),
    (Gone("deleted"), False),
]


@pytest.mark.parametrize(("error", "passes"), PASSES, ids=lambda value: str(value))
@pytest.mark.parametrize("attempts", [1, 5], ids=["first attempt", "last attempt"])
async def test_only_an_answer_of_the_platforms_or_the_last_attempt_ends_a_posting(
    error: Exception, passes: bool, attempts: int
) -> None:
    row: Any = SimpleNamespace(attempts=attempts, max_attempts=5, payload={"case": 7, "version": 1, "attempt": 1})
    ended: list[int] = []

    async def case(number: int) -> Any:
        ended.append(number)
        raise LookupError("asked for its case: it is being ended")

    unit: Any = SimpleNamespace(case=case)
    makers: Any = (lambda: None, lambda mention: None)
    for work in (Publish(None, *makers), Post(*makers), DeleteReply(*makers)):  # type: ignore[arg-type]
        if passes and attempts < row.max_attempts:
            assert await work.failed(unit, row, error) is None
        else:
            with pytest.raises(LookupError):
                await work.failed(unit, row, error)
    assert len(ended) == (0 if passes and attempts == 1 else 3)
