"""What a look at a case's reply tells: shown, held by moderators, refused by them, changed, vanished."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from desk import actions as a
from desk.case import Case, Reply, State
from desk.errors import BadAnswer, Gone, NeedsLogin, NotAllowed, Refused, Retry, Unsure
from desk.follow import delete_reply, make_room, post
from desk.mention import Author, OfficialReply, Standing
from desk.platform import Look, Posted
from desk.ports import Ask, Call, Done, Drop, Later
from desk.posting import STOPPED_FOR, DeleteReply, Post, Publish, ReadPage, Watch, against, seen
from desk.receiving import pack, unpack
from desk.service import Desk, Pressed
from tests.desk.world import ANNA, CARD, HOUR, MILA, T0, VERA, Story, edited, mention, other, posted, rules

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


async def test_a_second_press_while_a_reply_is_being_deleted_takes_no_other_reply_for_deleted() -> None:
    """That of an earlier round still stands, and would be the newest one then."""
    story = Story().to(State.ANSWERED)
    earlier = replace(story.case.replies[0], external_id="p0", text="Sorry 0")
    story.case = replace(story.case, replies=(earlier, *story.case.replies))
    story.do(a.DeleteReply(who=ANNA), a.ReplyDeleted())
    row: Any = SimpleNamespace(payload=delete_reply(story.case, "p1").payload, sending=False)
    work = DeleteReply(lambda: None, lambda _mention: None)  # type: ignore[arg-type,return-value]

    assert isinstance(await work.prepare(_unit(story.case), row), Drop)
    assert story.case.reply == earlier


async def test_where_all_replies_have_one_id_the_one_that_stands_is_deleted() -> None:
    story = Story().to(State.ANSWERED)
    replaced = replace(story.case.replies[0], text="Sorry 0", gone_at=T0)
    case = replace(story.case, replies=(replaced, *story.case.replies))
    row: Any = SimpleNamespace(payload=delete_reply(case, "p1").payload, sending=False)

    assert isinstance(await DeleteReply(lambda: None, lambda _mention: None).prepare(_unit(case), row), Call)  # type: ignore[arg-type,return-value]


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
    work = Post(lambda: None, lambda _mention: platform)  # type: ignore[arg-type,return-value]
    row: Any = SimpleNamespace(sent_at=T0, created_at=T0)
    posted = await work.find(row, Call({"mention": pack(mention()), "text": "Sorry", "old": "", "known": []}))

    assert posted is not None
    assert (posted.external_id, posted.visible) == ("r9", standing == "public")


async def test_a_correction_found_after_a_lost_answer_is_of_now_and_not_of_the_first_text() -> None:
    found = OfficialReply("r1", "Sorry, Dina", T0, standing="public")

    async def look(_mention: Any) -> Look:
        return Look(mention(), (found,))

    platform: Any = SimpleNamespace(card=replace(CARD, can_look=True), same=SHOP.same, look=look)
    row: Any = SimpleNamespace(sent_at=T0 + HOUR, created_at=T0)
    edit = Call({"mention": pack(mention()), "text": "Sorry, Dina", "old": "r1", "known": ["r1"]})
    posted = await Post(lambda: None, lambda _mention: platform).find(row, edit)  # type: ignore[arg-type,return-value]

    assert posted is not None
    assert posted.at == T0 + HOUR


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


# what stands in the way of a reply that was not sent yet


def _posting(*happened: a.Action, card: Any = CARD) -> tuple[Case, Any]:
    """A case whose reply waits to be sent, and its row."""
    story = Story(rules(card=card)).to(State.POSTING)
    row = _row(payload=post(story.case, story.rules).payload)
    story.do(*happened)
    return story.case, row


def _row(**given: Any) -> Any:
    return SimpleNamespace(**{"sending": False, "attempts": 1, "max_attempts": 8, **given})


class _Saving:
    """A transaction that keeps what is saved."""

    def __init__(self, case: Case, *stopped: str) -> None:
        self.now, self.kept, self.stopped = T0 + HOUR, case, stopped

    async def case(self, number: int) -> Case:
        return self.kept

    async def save(self, case: Case, events: Any) -> None:
        self.kept = case

    async def stops(self) -> list[Any]:
        return [SimpleNamespace(scope=scope) for scope in self.stopped]

    async def nothing(self, *args: Any, **more: Any) -> int:
        return 0

    cancel = unpark = hasten = enqueue = nothing


KNOWN: Any = SimpleNamespace(rules=lambda *_: rules())
GONE: Any = SimpleNamespace(rules=lambda *_: None)


@pytest.mark.parametrize("happened", [edited(), a.MentionDeleted()], ids=["edited", "deleted"])
async def test_a_reply_that_waits_to_be_sent_does_not_answer_what_its_author_has_changed_meanwhile(
    happened: a.Action,
) -> None:
    """Posting was stopped, or the platform was away, after the review had been read for the last time."""
    case, row = _posting(happened)
    unit: Any = _Saving(case)

    assert await Post(lambda: KNOWN, lambda _mention: None).prepare(unit, row) == Done()
    assert (unit.kept.state, unit.kept.failure) == (State.FAILED, "approval_lost")


async def test_a_reply_to_a_review_that_was_gone_before_its_approval_and_is_back_is_sent() -> None:
    story = Story().to(State.ANSWERED)
    story.do(a.MentionDeleted(), edited("Cold again"))
    story.do(a.WriteReply(who=ANNA, text="More"), a.SendToClient(who=ANNA, version=2), a.Approve(who=MILA, version=2))
    story.do(a.PostingStarts())
    marked = replace(story.case, mention_deleted_at=T0)
    row = _row(payload=post(marked, story.rules).payload)

    assert isinstance(await Post(lambda: KNOWN, lambda _mention: None).prepare(_Saving(marked), row), Call)


BRAND_BACK = Later(T0 + HOUR + STOPPED_FOR, "brand acme-coffee is not configured any more", count=False)


async def test_while_its_brand_is_out_of_the_configuration_a_reply_waits_and_goes_on_once_it_is_back() -> None:
    """Put aside for people it would be stuck for ever: nobody is asked, and no button leads on from there."""
    case, row = _posting()
    unit: Any = _Saving(case)
    post_ = Post(lambda: GONE, lambda _mention: None)
    sent = Posted("p1", T0)

    assert await Publish(None, lambda: GONE, lambda _mention: None).apply(unit, row, None) == BRAND_BACK  # type: ignore[arg-type]
    assert await post_.prepare(unit, row) == BRAND_BACK
    assert await post_.failed(unit, row, Refused("no links")) == BRAND_BACK
    assert await post_.record(unit, row, Call(), sent) == replace(BRAND_BACK, sending=True)
    assert await post_.unknown(unit, row, Unsure("cannot be read")) == replace(BRAND_BACK, sending=True)
    deleting = _row(payload=make_room(case, "p1").payload)
    assert await DeleteReply(lambda: GONE, lambda _mention: None).prepare(unit, deleting) == BRAND_BACK


async def test_a_page_of_a_brand_that_left_is_not_looked_at_again() -> None:
    case, row = _posting()
    verdict = await ReadPage(None, lambda: GONE, None).apply(_Saving(case), row, a.PageRead(url="", shows="seen"))  # type: ignore[arg-type]

    assert isinstance(verdict, Drop)


@pytest.mark.parametrize(("state", "watched"), [(State.MODERATED, True), (State.ANSWERED, False)])
async def test_a_reply_that_moderators_hold_is_looked_at_once_its_source_is_back(state: State, watched: bool) -> None:
    """No button leads on from there."""
    case = Story().to(state).case
    row = _row(payload={"case": 7, "turn": 9})
    verdict = await Watch(None, lambda: KNOWN, lambda _mention: None).apply(_Saving(case), row, None)  # type: ignore[arg-type]

    assert isinstance(verdict, Later if watched else Drop)
    assert verdict != Later(T0, "", count=True)


async def test_a_reply_whose_author_blocked_us_is_looked_at_as_often_as_any_other_and_no_more() -> None:
    case, further = Story().to(State.ANSWERED).case, []
    unit: Any = _Saving(case)

    async def enqueue(work: Any) -> None:
        further.append((work.payload["turn"], work.run_at - unit.now))

    unit.enqueue = enqueue
    watch = Watch(None, lambda: KNOWN, lambda _mention: None)  # type: ignore[arg-type]
    for turn in (1, 4, 5):
        assert await watch.failed(unit, _row(payload={"case": 7, "turn": turn}), Refused("a block")) == Done()

    assert further == [(2, timedelta(hours=1)), (5, timedelta(days=1))]


@pytest.mark.parametrize("state", [State.APPROVED, State.POSTING])
async def test_posting_that_is_resumed_goes_on_at_once_wherever_it_was_stopped(state: State) -> None:
    case, woken = Story().to(state).case, []
    unit: Any = _Saving(case)

    async def hasten(groups: list[str], run_at: Any = None) -> int:
        woken.append((groups, run_at))
        return 1

    async def open_cases() -> list[Case]:
        return [case]

    unit.hasten, unit.open_cases, unit.drop_stop = hasten, open_cases, unit.nothing
    await Desk(None, lambda: KNOWN).stop_posting(unit, VERA, "telegram:-1", stop=False)  # type: ignore[arg-type]

    assert woken == [(["publish:7"], case.post_at or unit.now)]


async def test_what_was_erased_while_it_was_read_again_does_not_come_back_with_what_was_read() -> None:
    case = Story().to(State.CLOSED).case
    left = replace(mention(""), key=case.mention.key._replace(external_id="erased:1"), author=Author())
    erased = replace(case, mention=left, replies=(Reply(1, 1, "", "", T0),))
    unit: Any = _Saving(erased)
    shop: Any = SimpleNamespace(card=CARD, same=SHOP.same)
    read = case, Look(case.mention)
    verdict = await Watch(None, lambda: KNOWN, lambda _mention: shop).apply(
        unit, _row(payload={"case": 7, "turn": 0}), read
    )  # type: ignore[arg-type]

    assert isinstance(verdict, Drop)
    assert unit.kept == erased


@pytest.mark.parametrize("meanwhile", [[edited("Still cold")], [edited("Cold"), a.WriteReply(who=ANNA, text="More")]])
@pytest.mark.parametrize("answered", [False, True])
async def test_a_look_from_before_the_case_changed_is_looked_again(meanwhile: list[a.Action], answered: bool) -> None:
    """Else a reply just posted would be missed, and an older text of the review be taken for an edit."""
    story = Story().to(State.ANSWERED)
    read = story.case, shown(story.case, "public")
    story.do(*meanwhile)
    if answered:
        again = replace(story.case.replies[0], external_id="p2", text="More", version=2)
        story.case = replace(story.case, mention=read[0].mention, replies=(*story.case.replies, again))
    unit: Any = _Saving(story.case)
    unit.now = T0 + 9 * HOUR
    verdict = await Watch(None, lambda: KNOWN, lambda _mention: SHOP).apply(
        unit, _row(payload={"case": 7, "turn": 0}), read
    )  # type: ignore[arg-type]

    assert verdict == Later(unit.now, "the case changed while it was looked at", count=False)
    assert unit.kept == story.case


# beside a colleague's answer


def _agreed_beside() -> Story:
    """An approver has agreed that the reply is posted although headquarters have answered."""
    story = Story().to(State.APPROVED)
    story.do(other("HQ is sorry"), a.PostAnyway(who=ANNA, version=1), a.Approve(who=MILA, version=1))
    return story


def _standing(*texts: str) -> Look:
    return Look(mention(), tuple(OfficialReply(f"o{n}", text, T0) for n, text in enumerate(texts)))


def test_a_second_answer_of_a_colleague_that_nobody_saw_stops_the_reply() -> None:
    case = _agreed_beside().case

    assert against(case, _standing("HQ is sorry"), SHOP) is None
    stop = against(case, _standing("HQ is sorry", "So is the branch"), SHOP)
    assert isinstance(stop, a.OtherReplyFound)
    assert stop.reply.text == "So is the branch"


@pytest.mark.parametrize("there", [("HQ is sorry", "Sorry 1"), ("Sorry 1",), ("So is the branch", "Sorry 1")])
async def test_a_reply_that_was_taken_for_lost_is_not_posted_again_whoever_else_has_answered(
    there: tuple[str, ...],
) -> None:
    story = _agreed_beside()
    unit: Any = _Saving(story.case)
    posted: list[str] = []

    async def enqueue(*works: Any) -> None:
        posted.extend(work.kind for work in works if work.kind == "post")

    unit.enqueue = enqueue
    row = _row(payload=post(story.case, story.rules).payload)
    publish = Publish(None, lambda: KNOWN, lambda _mention: SHOP)  # type: ignore[arg-type]

    assert await publish.apply(unit, row, _standing(*there)) == Done()
    assert (unit.kept.state, posted) == (State.ANSWERED, [])
    assert [reply.text for reply in unit.kept.replies] == ["Sorry 1"]


# questions


async def test_a_question_that_was_answered_cannot_be_cancelled_any_more() -> None:
    """Its message would say so, and what was answered has been done."""
    over = Ask(5, 7, "staff", "anna", "telegram:-1", "", "dismiss", 0, {"=": "did_dismiss"}, expires_at=T0)
    unit: Any = _Saving(Story().case)
    kept: list[Ask] = []

    async def ask(number: int) -> Ask:
        return over

    async def set_ask(changed: Ask) -> None:
        kept.append(changed)

    unit.ask, unit.set_ask = ask, set_ask
    desk = Desk(None, lambda: KNOWN)  # type: ignore[arg-type]
    with pytest.raises(NotAllowed, match="question_over"):
        await desk.pressed(unit, Pressed("i", ANNA, "cancel", 7, None, "telegram:-1", extra="5"))

    assert kept == []
