"""What a look at a case's reply tells: shown, held by moderators, refused by them, changed, vanished."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from desk import actions as a
from desk.case import Case, State
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Retry
from desk.follow import delete_reply, make_room
from desk.mention import OfficialReply, Standing
from desk.platform import Look
from desk.ports import Call, Later
from desk.posting import DeleteReply, Post, Publish, against, seen
from desk.receiving import pack, unpack
from tests.desk.world import ANNA, CARD, HOUR, MILA, T0, Story, edited, mention, posted, rules

SHOP: Any = SimpleNamespace(card=CARD, same=lambda ours, theirs: ours == theirs)


def shown(case: Case, standing: Standing, text: str = "", reason: str = "") -> Look:
    reply = case.reply
    assert reply is not None
    there = OfficialReply(reply.external_id, text or reply.text, T0, standing=standing, reason=reason)
    return Look(case.mention, (there,))


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


@pytest.mark.parametrize("reason", ["A phone number in the text", ""])
def test_a_reply_that_moderators_refuse_fails_the_case_with_their_reason_where_they_give_one(reason: str) -> None:
    story = Story().to(State.MODERATED)
    story.do(*seen(story.case, shown(story.case, "refused", reason=reason), SHOP, T0))
    (call,) = [w.payload for w in story.works("say") if w.payload["key"] == "turn_moderators_refused"]

    assert (story.case.state, story.case.failure, story.case.by_moderators) == (State.FAILED, reason, True)
    assert call["args"] == {"platform": "Shop Reviews", "reason": reason}
    assert call["mention"] == ["anna"]


def test_a_refusal_by_the_platform_itself_is_not_laid_to_its_moderators() -> None:
    story = Story().to(State.MODERATED)
    story.do(a.ModeratorsRefused(reason="rude"), a.TryAgain(who=ANNA, version=1), a.PostingStarts())
    story.do(a.PostingRefused(reason="too late"))

    assert (story.case.failure, story.case.by_moderators) == ("too late", False)
    assert story.told("staff") == ["turn_failed"]


def test_what_a_person_saw_not_to_be_published_is_not_laid_to_moderators_either() -> None:
    story = Story().to(State.MODERATED)
    story.do(a.ModeratorsRefused(reason="rude"), a.TryAgain(who=ANNA, version=1), a.PostingStarts())
    story.do(a.OutcomeUnknown(reason="timed out"), a.ItIsNotPublished(who=ANNA, version=1))

    assert not story.case.by_moderators


def test_a_reply_that_stood_and_is_refused_later_has_vanished_for_that_reason() -> None:
    story = Story().to(State.ANSWERED)
    assert story.case.reply is not None
    assert story.case.reply.visible_at is not None
    story.do(*seen(story.case, shown(story.case, "refused", reason="Spam"), SHOP, T0))
    (call,) = [w.payload for w in story.works("say") if w.payload["key"] == "reply_vanished"]

    assert call["args"] == {"reason": "Spam"}


def test_an_answer_written_down_before_reasons_were_known_is_still_read() -> None:
    known = replace(mention(), replies=(OfficialReply("r9", "Sorry", T0),))
    before = pack(known)
    del before["replies"][0]["reason"]

    assert unpack(before) == known


# making room: a platform that keeps one reply and changes none

ROOM = replace(CARD, one_reply=True, delete_first=True, can_edit=False)


def answered_again(*there: str) -> tuple[Story, Look]:
    """A second round up to its approval, and what the platform shows then."""
    story = Story(rules(card=ROOM)).to(State.ANSWERED)
    story.do(edited(), a.WriteReply(who=ANNA, text="More"), a.SendToClient(who=ANNA, version=2))
    story.do(a.Approve(who=MILA, version=2))
    return story, Look(story.case.mention, tuple(OfficialReply(f"p{n}", text) for n, text in enumerate(there)))


def test_a_reply_of_ours_that_was_gone_and_is_back_is_not_deleted_unseen() -> None:
    shop: Any = SimpleNamespace(card=ROOM, same=SHOP.same)
    story, look = answered_again("Sorry 1")
    back = replace(story.case, replies=tuple(replace(r, gone_at=T0) for r in story.case.replies))

    assert against(story.case, look, shop) is None
    assert isinstance(against(back, look, shop), a.OtherReplyFound)


def test_once_the_old_reply_is_deleted_the_case_says_so_until_the_new_one_is_seen() -> None:
    story, _ = answered_again()
    story.do(a.PostingStarts(), a.ReplyDeleted())
    assert (story.case.state, story.case.reply, story.case.made_room) == (State.POSTING, None, True)
    assert "watch:7" in story.decision.cancel
    story.do(posted("p2", visible=False))
    assert story.case.made_room
    story.do(a.BecameVisible(at=T0 + 2 * HOUR))
    assert not story.case.made_room


def test_a_reply_that_cannot_be_deleted_stops_the_one_that_waits_behind_it() -> None:
    story, _ = answered_again()
    story.do(a.PostingStarts(), a.ReplyStays(reason="not yours"))

    assert (story.case.state, story.case.failure) == (State.FAILED, "not yours")
    assert story.case.reply is not None
    assert "publish:7" in story.decision.cancel


async def test_no_reply_is_deleted_to_make_room_while_posting_is_stopped() -> None:
    story, _ = answered_again()
    story.do(a.PostingStarts())
    known: Any = SimpleNamespace(rules=lambda *_: story.rules)
    row: Any = SimpleNamespace(payload=make_room(story.case, "p1").payload, sending=False)
    work = DeleteReply(lambda: known, lambda _mention: None)

    assert isinstance(await work.prepare(_unit(story.case, "*"), row), Later)
    assert isinstance(await work.prepare(_unit(story.case), row), Call)


async def test_a_reply_that_a_person_deletes_goes_whether_or_not_posting_is_stopped() -> None:
    story = Story().to(State.ANSWERED)
    row: Any = SimpleNamespace(payload=delete_reply(story.case, "p1").payload, sending=False)
    work = DeleteReply(lambda: None, lambda _mention: None)  # type: ignore[arg-type,return-value]

    assert isinstance(await work.prepare(_unit(story.case, "*"), row), Call)


def _unit(case: Case, *stopped: str) -> Any:
    async def held() -> Case:
        return case

    async def stops() -> list[Any]:
        return [SimpleNamespace(scope=scope) for scope in stopped]

    return SimpleNamespace(case=lambda _number: held(), stops=stops, now=T0)


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
