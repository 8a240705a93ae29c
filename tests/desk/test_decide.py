"""What every action does in every state, who may press, and what is refused: contract §4 and §5, line by line."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from desk import actions as a
from desk.acting import must_act
from desk.case import FINISHED, State, progress
from desk.decide import TABLE, admits
from desk.errors import NotAllowed, StaleVersion
from desk.follow import opening
from desk.forms import PRESSES, make, missing
from desk.people import Person
from desk.platform import PlatformCard, Posted, problems
from desk.rules import Step
from tests.desk.world import (
    ANNA,
    APPROVERS,
    BORIS,
    CARD,
    HOUR,
    MILA,
    MINUTE,
    OLEG,
    OLGA,
    PEOPLE,
    SAMPLES,
    SECOND,
    T0,
    TWO_OF_TWO,
    TWO_STEPS,
    VERA,
    VICTOR,
    Story,
    at,
    edited,
    mention,
    new_case,
    other,
    posted,
    rules,
    sample,
)

NEW, IN_WORK, IN_APPROVAL, APPROVED = State.NEW, State.IN_WORK, State.IN_APPROVAL, State.APPROVED
POSTING, MANUAL, MODERATED, ANSWERED = State.POSTING, State.MANUAL, State.MODERATED, State.ANSWERED
FAILED, CLOSED, DISMISSED, DELETED = State.FAILED, State.CLOSED, State.DISMISSED, State.DELETED

ALWAYS: dict[type[a.Action], State | None] = {a.Note: None, a.TellClient: None, a.Carded: None}
"""What changes no state whatever it is."""

EARLIER_REPLY: dict[type[a.Action], State | str | None] = dict.fromkeys(
    (a.ReplyVanished, a.ReplyChanged, a.ReplyDeleted, a.ReplyStays)
)
FINISHES: dict[type[a.Action], State | str | None] = {a.Reopen: IN_WORK, a.MentionEdited: NEW, **EARLIER_REPLY}

GIVES: dict[State, dict[type[a.Action], State | str | None]] = {
    NEW: {
        a.Take: IN_WORK, a.WriteReply: IN_WORK, a.Dismiss: DISMISSED, a.MentionEdited: NEW, a.MentionDeleted: DELETED,
        a.Warn: None, **EARLIER_REPLY,
    },
    IN_WORK: {
        a.WriteReply: IN_WORK, a.SuggestReply: IN_WORK, a.Suggested: IN_WORK, a.SuggestionFailed: IN_WORK,
        a.SendToClient: IN_APPROVAL, a.Dismiss: DISMISSED, a.Close: CLOSED, a.Escalate: IN_WORK, a.HandOver: IN_WORK,
        a.AlreadyAnswered: "no_other_reply", a.PostAnyway: "no_other_reply", a.MentionEdited: IN_WORK,
        a.MentionDeleted: DELETED, a.Warn: None, **EARLIER_REPLY,
    },
    IN_APPROVAL: {
        a.Approve: APPROVED, a.ClientEdit: IN_APPROVAL, a.AskForChanges: IN_WORK, a.DoNotReply: DISMISSED,
        a.TakeBack: IN_WORK, a.WriteReply: IN_WORK, a.MentionEdited: IN_WORK, a.MentionDeleted: DELETED, a.Warn: None,
        **EARLIER_REPLY,
    },
    APPROVED: {
        a.Undo: IN_WORK, a.PostNow: APPROVED, a.WriteReply: IN_WORK, a.PostingStarts: POSTING, a.PostingRefused: FAILED,
        a.OtherReplyFound: IN_WORK, a.MentionEdited: IN_WORK, a.MentionDeleted: DELETED, a.Warn: None, **EARLIER_REPLY,
    },
    POSTING: {
        a.ReplyPosted: ANSWERED, a.PostingRefused: FAILED, a.OutcomeUnknown: POSTING, a.ItIsPublished: "still_posting",
        a.ItIsNotPublished: "still_posting", a.MentionEdited: POSTING, a.MentionDeleted: POSTING, a.Warn: None,
        a.ReplyDeleted: POSTING, a.ReplyStays: FAILED,
    },
    MANUAL: {
        a.IPostedIt: ANSWERED, a.TakeBack: IN_WORK, a.WriteReply: IN_WORK, a.MentionEdited: IN_WORK,
        a.MentionDeleted: DELETED, a.Warn: None, **EARLIER_REPLY,
    },
    MODERATED: {
        a.BecameVisible: ANSWERED, a.ModeratorsRefused: FAILED, a.MentionEdited: MODERATED, a.MentionDeleted: MODERATED,
        a.Warn: None,
    },
    FAILED: {
        a.TryAgain: APPROVED, a.WriteReply: IN_WORK, a.IPostedIt: ANSWERED, a.Close: CLOSED, a.MentionEdited: IN_WORK,
        a.MentionDeleted: DELETED, a.Warn: None, **EARLIER_REPLY,
    },
    ANSWERED: {
        a.Close: CLOSED, a.EditReply: IN_WORK, a.DeleteReply: ANSWERED, a.AskToCorrect: IN_WORK,
        a.BecameVisible: ANSWERED, a.MentionEdited: NEW, a.MentionDeleted: ANSWERED, a.PageRead: ANSWERED,
        a.Warn: None, **EARLIER_REPLY, a.ReplyDeleted: IN_WORK,
    },
    CLOSED: {a.BecameVisible: CLOSED, a.MentionDeleted: CLOSED, a.PageRead: CLOSED, **FINISHES},
    DISMISSED: {a.MentionDeleted: DISMISSED, **FINISHES},
    DELETED: FINISHES,
}  # fmt: skip
"""The state after each action, None where it stays, a key where the sample is refused for a reason of its own."""

PAIRS = [(state, kind) for state in State for kind in SAMPLES]


def _kinds(pairs: list[tuple[State, type[a.Action]]]) -> list[str]:
    return [f"{state.value}-{kind.__name__}" for state, kind in pairs]


def test_every_action_has_a_sample() -> None:
    kinds = {kind for kind in vars(a).values() if isinstance(kind, type) and issubclass(kind, a.Action)}
    assert kinds - {a.Action} == set(SAMPLES)


@pytest.mark.parametrize(("state", "kind"), PAIRS, ids=_kinds(PAIRS))
def test_state_after_an_action(state: State, kind: type[a.Action]) -> None:
    story = at(state)
    gives = {**GIVES[state], **ALWAYS}.get(kind, "not_now")
    if isinstance(gives, str) and not isinstance(gives, State):
        with pytest.raises(NotAllowed) as refused:
            story.do(SAMPLES[kind])
        assert refused.value.key == gives
        return
    story.do(SAMPLES[kind])
    assert story.case.state is (gives or state)
    assert story.case.state in TABLE[state, kind].to


def test_the_table_holds_nothing_that_these_tests_do_not_know() -> None:
    assert {(s, k) for s in State for k in {**GIVES[s], **ALWAYS}} == set(TABLE)


# who may press


STAFF_PRESSES = {
    NEW: ("take", "write", "dismiss"),
    IN_WORK: ("write", "suggest", "send", "dismiss", "close", "escalate", "handover"),
    IN_APPROVAL: ("takeback",),
    APPROVED: ("undo", "postnow"),
    MANUAL: ("posted", "takeback"),
    FAILED: ("again", "write", "posted", "close"),
    ANSWERED: ("close", "editreply", "delreply"),
    CLOSED: ("reopen",),
    DISMISSED: ("reopen",),
    DELETED: ("reopen",),
}
CLIENT_PRESSES = {
    IN_APPROVAL: ("approve", "edit", "changes", "decline"),
    APPROVED: ("undo", "postnow"),
    ANSWERED: ("correct",),
}
IN_STEP = (MILA, OLGA)


def _who_may(state: State, press: str) -> set[str]:
    allowed: set[str] = set()
    if press in STAFF_PRESSES.get(state, ()):
        allowed |= {ANNA.key, BORIS.key, VERA.key}
    if press in CLIENT_PRESSES.get(state, ()):
        people = IN_STEP if state is IN_APPROVAL else APPROVERS
        allowed |= {p.key for p in people}
    return allowed


RIGHTS = [(s, p) for table in (STAFF_PRESSES, CLIENT_PRESSES) for s, presses in table.items() for p in presses]


@pytest.mark.parametrize(("state", "press"), RIGHTS, ids=lambda x: getattr(x, "value", x))
@pytest.mark.parametrize("who", PEOPLE, ids=lambda p: p.key)
def test_who_may_press(state: State, press: str, who: Person) -> None:
    story = at(state)
    if who.key in _who_may(state, press):
        admits(story.case, PRESSES[press].kind, who, story.case.n, story.rules)
    else:
        with pytest.raises(NotAllowed):
            admits(story.case, PRESSES[press].kind, who, story.case.n, story.rules)


def test_unknown_outcome_is_answered_by_staff_only() -> None:
    story = at(POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"))
    for kind in (a.ItIsPublished, a.ItIsNotPublished):
        with pytest.raises(NotAllowed) as refused:
            story.do(sample(kind, story.case, who=MILA))
        assert refused.value.key == "only_staff"


def test_a_viewer_reads_only() -> None:
    for state, kind in TABLE:
        if TABLE[state, kind].by == "desk":
            continue
        story = at(state)
        with pytest.raises(NotAllowed):
            story.do(sample(kind, story.case, who=VICTOR))


def test_somebody_of_another_client_is_told_nothing_of_the_case() -> None:
    story = at(IN_APPROVAL)
    for kind in (a.Approve, a.Reopen):
        with pytest.raises(NotAllowed) as refused:
            story.do(sample(kind, story.case, who=PEOPLE[-1]))
        assert (refused.value.key, refused.value.details) == ("not_yours", {})


def test_a_press_of_nobody_is_refused() -> None:
    story = at(IN_APPROVAL)
    with pytest.raises(NotAllowed):
        story.do(a.Approve(version=1))


def test_a_refusal_names_who_can_approve() -> None:
    story = at(IN_APPROVAL)
    with pytest.raises(NotAllowed) as refused:
        story.do(a.Approve(who=ANNA, version=1))
    assert refused.value.key == "only_open_step"
    assert refused.value.details == {"names": "Mila Marketing, Olga Owner"}


# stale presses


def test_a_press_on_an_old_version_is_told_who_was_first_and_when() -> None:
    story = at(IN_APPROVAL)
    story.do(a.ClientEdit(who=OLGA, version=1, text="Our own words"))
    then = story.now
    with pytest.raises(StaleVersion) as stale:
        story.do(a.Approve(who=MILA, version=1))
    assert stale.value.details == {
        "version": 1, "newest": 2, "event": "edited_by_client", "by": "Olga Owner", "at": then,
    }  # fmt: skip
    assert story.case.state is IN_APPROVAL


def test_the_second_to_take_a_case_is_told_who_took_it() -> None:
    story = at(NEW)
    story.do(a.Take(who=ANNA))
    with pytest.raises(NotAllowed) as refused:
        story.do(a.Take(who=BORIS))
    assert refused.value.key == "not_now"
    assert refused.value.details["by"] == "Anna Staff"
    assert story.case.owner == "anna"


def test_a_note_is_not_what_a_late_press_is_told_of() -> None:
    story = at(APPROVED)
    story.do(a.Note(who=ANNA, text="the client is touchy"), a.TellClient(who=ANNA, text="soon"), a.Warn(mark="50"))
    with pytest.raises(NotAllowed) as refused:
        story.do(a.Approve(who=MILA, version=1))
    assert refused.value.details["event"] == "approved"


def test_two_approve_at_once() -> None:
    story = at(IN_APPROVAL)
    story.do(a.Approve(who=MILA, version=1))
    with pytest.raises(NotAllowed) as refused:
        story.do(a.Approve(who=OLGA, version=1))
    assert refused.value.key == "not_now"
    assert refused.value.details["by"] == "Mila Marketing"


# /reply


REPLY = {
    NEW: (IN_WORK, True), IN_WORK: (IN_WORK, False), IN_APPROVAL: (IN_WORK, True), APPROVED: (IN_WORK, True),
    MANUAL: (IN_WORK, True), FAILED: (IN_WORK, True),
}  # fmt: skip


@pytest.mark.parametrize("state", REPLY, ids=lambda s: s.value)
def test_reply_gives_a_new_version_and_voids_what_was_approved(state: State) -> None:
    story = at(state)
    before = story.case.versions
    story.do(a.WriteReply(who=BORIS, text="New words"))
    assert story.case.state is IN_WORK
    assert story.case.versions[:-1] == before
    assert (story.case.version.n, story.case.version.authors) == (len(before) + 1, ("boris",))  # type: ignore[union-attr]
    assert story.case.approvals == ()
    assert story.case.owner == ("boris" if state is NEW else "anna")
    told = ["told_withdrawn"] if state in (IN_APPROVAL, APPROVED, MANUAL, FAILED) else []
    assert story.told("client") == told


@pytest.mark.parametrize("state", sorted({POSTING, MODERATED, ANSWERED} | FINISHED), ids=lambda s: s.value)
def test_reply_is_refused_once_it_is_out_or_over(state: State) -> None:
    with pytest.raises(NotAllowed) as refused:
        at(state).do(a.WriteReply(who=ANNA, text="New words"))
    assert refused.value.key == "not_now"
    assert refused.value.details["state"] == state.value


def test_a_reply_to_an_approved_text_stops_its_posting() -> None:
    story = at(APPROVED)
    story.do(a.WriteReply(who=ANNA, text="New words"))
    assert "publish:7" in story.decision.cancel
    assert story.case.post_at is None


# texts that do not fit


@pytest.mark.parametrize(
    ("text", "key"),
    [("x" * 201, "text_too_long"), ("x" * 200, None), ("", "text_empty"), (" \n", "text_empty")],
)
def test_a_text_that_does_not_fit_is_refused_never_cut(text: str, key: str | None) -> None:
    writes: list[tuple[State, Any]] = [
        (IN_WORK, lambda c: a.WriteReply(who=ANNA, text=text)),
        (IN_APPROVAL, lambda c: a.ClientEdit(who=MILA, version=c.n, text=text)),
        (ANSWERED, lambda c: a.EditReply(who=ANNA, version=c.n, text=text)),
    ]
    for state, write in writes:
        story = at(state)
        if key is None:
            story.do(write)
            assert story.case.version is not None
            assert story.case.version.text == text
            continue
        with pytest.raises(NotAllowed) as refused:
            story.do(write)
        assert refused.value.key == key


FORMS = {
    "under the shortest": (replace(CARD, shortest=3), "Hi", "text_too_short"),
    "at the shortest": (replace(CARD, shortest=2), "Hi", None),
    "within its letters, not within its bytes": (replace(CARD, bytes_at_most=9), "спаси", "text_too_many_bytes"),
    "within both": (replace(CARD, bytes_at_most=10), "спаси", None),
    "a link where none is taken": (replace(CARD, links=False), "See https://acme.kz", "text_has_links"),
    "a bare address where none is taken": (replace(CARD, links=False), "Напишите на acme.kz", "text_has_links"),
    "a full stop without a space is no link": (replace(CARD, links=False), "Простите.Мы исправим", None),
    "what would be taken for markup": (replace(CARD, lost=re.compile("<.*>")), "To <a@b.kz>", "text_would_lose"),
    "what would not": (replace(CARD, lost=re.compile("<.*>")), "5 < 6", None),
    "in the platform's own count": (replace(CARD, longest=2, measure=lambda text: 3), "a", "text_too_long"),
}


@pytest.mark.parametrize(("card", "text", "key"), FORMS.values(), ids=FORMS)
def test_a_text_keeps_to_the_platforms_form(card: PlatformCard, text: str, key: str | None) -> None:
    assert [problem.key for problem in problems(text, card)] == ([key] if key else [])


def test_a_suggestion_that_is_too_long_cannot_go_to_the_client() -> None:
    story = at(IN_WORK)
    story.do(a.Suggested(who=ANNA, text="x" * 300))
    with pytest.raises(NotAllowed, match="text_too_long"):
        story.do(a.SendToClient(who=ANNA, version=2))


def test_an_approval_is_refused_when_the_limit_shrank_meanwhile() -> None:
    story = at(IN_APPROVAL)
    story.rules = rules(card=replace(CARD, longest=3))
    with pytest.raises(NotAllowed) as refused:
        story.do(a.Approve(who=MILA, version=1))
    assert refused.value.details == {"length": 7, "longest": 3, "platform": "Shop Reviews"}


def test_a_limit_in_bytes_counts_bytes() -> None:
    story = at(NEW, card=replace(CARD, longest=10, unit="bytes"))
    story.do(a.WriteReply(who=ANNA, text="спаси"))
    with pytest.raises(NotAllowed, match="text_too_long"):
        story.do(a.WriteReply(who=ANNA, text="спасиб"))


# approval


def test_nobody_approves_a_text_they_wrote() -> None:
    """Nina wrote it as staff and approves for the client by now."""
    nina = Person("nina", "Nina", "approver", ("acme",))
    story = at(IN_APPROVAL, people=(*PEOPLE, nina), steps=(Step(("nina", "mila")),))
    story.case = replace(story.case, versions=(replace(story.case.versions[0], authors=("nina",)),))
    with pytest.raises(NotAllowed, match="own_text"):
        story.do(a.Approve(who=nina, version=1))
    story.do(a.Approve(who=MILA, version=1))
    assert story.case.state is APPROVED


def test_asking_for_a_suggestion_makes_an_author() -> None:
    story = at(IN_WORK)
    story.do(a.SuggestReply(who=BORIS), a.Suggested(who=BORIS, text="Suggested"))
    assert story.case.version is not None
    assert (story.case.version.authors, story.case.version.origin) == (("ai", "boris"), "ai")


def test_an_approver_may_approve_their_own_edit() -> None:
    story = at(IN_APPROVAL)
    story.do(a.ClientEdit(who=MILA, version=1, text="Our own words"))
    assert story.case.state is IN_APPROVAL
    assert story.case.approvals == ()
    assert story.told("staff") == []
    story.do(a.Approve(who=MILA, version=2))
    assert story.case.state is APPROVED


def test_an_edit_in_the_second_step_goes_back_to_the_first() -> None:
    story = at(IN_APPROVAL, steps=TWO_STEPS)
    story.do(a.Approve(who=MILA, version=1), a.ClientEdit(who=OLEG, version=1, text="Legal words"))
    assert must_act(story.case, story.rules) == ("client", ("mila", "olga"))
    with pytest.raises(NotAllowed, match="only_open_step"):
        story.do(a.Approve(who=OLEG, version=2))


def test_two_of_two_must_both_approve() -> None:
    story = at(IN_APPROVAL, steps=TWO_OF_TWO)
    story.do(a.Approve(who=MILA, version=1))
    assert (story.case.state, story.decision.said) == (IN_APPROVAL, "did_approve_step")
    assert story.works("publish") == []
    with pytest.raises(NotAllowed, match="already_approved"):
        story.do(a.Approve(who=MILA, version=1))
    story.do(a.Approve(who=OLGA, version=1))
    assert story.case.state is APPROVED


def test_nobody_is_called_again_when_the_other_approved() -> None:
    story = at(IN_APPROVAL, steps=TWO_OF_TWO)
    story.do(a.Approve(who=MILA, version=1))
    assert story.works("say") == []


def test_steps_come_in_order_and_call_who_is_next() -> None:
    story = at(IN_APPROVAL, steps=TWO_STEPS)
    with pytest.raises(NotAllowed, match="only_open_step"):
        story.do(a.Approve(who=OLEG, version=1))
    story.do(a.Approve(who=OLGA, version=1))
    assert story.called("turn_in_approval") == ["oleg"]
    story.do(a.Approve(who=OLEG, version=1))
    assert story.case.state is APPROVED


def test_one_person_named_in_both_steps_presses_twice() -> None:
    story = at(IN_APPROVAL, steps=(Step(("mila",)), Step(("mila", "oleg"))))
    story.do(a.Approve(who=MILA, version=1))
    assert story.case.state is IN_APPROVAL
    story.do(a.Approve(who=MILA, version=1))
    assert story.case.state is APPROVED


def test_any_approver_of_the_client_where_no_steps_are_agreed() -> None:
    story = at(IN_APPROVAL, steps=())
    story.do(a.Approve(who=OLEG, version=1))
    assert story.case.state is APPROVED


def test_steps_that_name_people_who_left_wait_for_the_owner() -> None:
    story = Story(rules(steps=(Step(("ghost", "mila"), 2),))).to(IN_APPROVAL)
    assert must_act(story.case, story.rules) == ("staff", ("anna",))
    story.do(a.TakeBack(who=ANNA, version=1))
    assert story.case.state is IN_WORK


def test_the_owner_is_told_when_the_client_sends_a_text_nobody_can_approve() -> None:
    story = Story(rules(steps=(Step(("ghost",)),))).to(IN_WORK)
    story.do(a.SendToClient(who=BORIS, version=1))
    assert story.told("staff") == []  # Anna was and remains the one to act
    story = Story(rules(steps=(Step(("mila",)), Step(("ghost",))))).to(IN_APPROVAL)
    story.do(a.Approve(who=MILA, version=1))
    assert story.called("turn_nobody_approves") == ["anna"]


def test_an_approval_given_under_other_rules_counts_where_they_still_name_it() -> None:
    story = at(IN_APPROVAL, steps=TWO_STEPS)
    story.do(a.Approve(who=MILA, version=1))
    story.rules = rules(steps=(Step(("olga",)), Step(("oleg",))))
    assert progress(story.case, story.rules).step == 0
    story.rules = rules(steps=(Step(("mila", "olga", "oleg"), 2),))
    story.do(a.Approve(who=OLEG, version=1))
    assert story.case.state is APPROVED


def test_a_platform_without_a_reply_api_is_posted_by_hand() -> None:
    story = at(MANUAL)
    assert story.decision.said == "did_approve_manual"
    assert story.works("publish") == []
    assert must_act(story.case, story.rules) == ("staff", ("anna",))


@pytest.mark.parametrize("undo", [timedelta(0), timedelta(seconds=60)])
def test_posting_waits_for_the_undo_window(undo: timedelta) -> None:
    story = at(APPROVED, undo=undo)
    (row,) = story.works("publish")
    assert row.run_at == story.now + undo == story.case.post_at
    assert row.payload == {"case": 7, "version": 1, "attempt": 1}


# undo, post now


@pytest.mark.parametrize(("who", "state"), [(MILA, IN_APPROVAL), (OLGA, IN_APPROVAL), (ANNA, IN_WORK), (VERA, IN_WORK)])
def test_undo(who: Person, state: State) -> None:
    story = at(APPROVED)
    story.do(a.Undo(who=who, version=1))
    assert (story.case.state, story.case.approvals, story.case.post_at) == (state, (), None)
    assert "publish:7" in story.decision.cancel
    assert story.told("client") == (["told_withdrawn"] if state is IN_WORK else ["turn_in_approval"])


def test_approved_again_after_undo_is_a_row_of_its_own() -> None:
    story = at(APPROVED)
    first = story.works("publish")[0]
    story.do(a.Undo(who=MILA, version=1), a.Approve(who=MILA, version=1))
    assert story.works("publish")[0].idem != first.idem


def test_post_now_brings_the_waiting_row_forward_once() -> None:
    story = at(APPROVED)
    story.do(a.PostNow(who=MILA, version=1))
    assert story.decision.hasten[0] == "publish:7"
    assert story.works("publish") == []
    with pytest.raises(NotAllowed, match="window_over"):
        story.do(a.PostNow(who=ANNA, version=1))


def test_post_now_after_the_window_is_too_late() -> None:
    story = at(APPROVED)
    story.now += MINUTE
    with pytest.raises(NotAllowed, match="window_over"):
        story.do(a.PostNow(who=ANNA, version=1))


def test_undo_after_posting_began_is_too_late() -> None:
    with pytest.raises(NotAllowed, match="not_now"):
        at(POSTING).do(a.Undo(who=MILA, version=1))


# reasons


REASONS: list[tuple[State, type[a.Action], dict[str, Any], str]] = [
    (IN_APPROVAL, a.AskForChanges, {"reason": " "}, "reason_needed"),
    (IN_APPROVAL, a.DoNotReply, {"reason": ""}, "reason_needed"),
    (ANSWERED, a.AskToCorrect, {"reason": ""}, "reason_needed"),
    (NEW, a.Dismiss, {"why": ""}, "reason_needed"),
    (NEW, a.Dismiss, {"why": "client_declined"}, "reason_needed"),
    (IN_WORK, a.Close, {"outcome": "not_answered", "reason": " "}, "reason_needed"),
    (IN_WORK, a.Close, {"outcome": "", "reason": ""}, "outcome_needed"),
    (IN_WORK, a.Close, {"outcome": "answered", "satisfied": "perhaps"}, "outcome_needed"),
    (IN_WORK, a.TellClient, {"text": " "}, "text_empty"),
]


@pytest.mark.parametrize(("state", "kind", "answers", "key"), REASONS)
def test_reasons_are_required(state: State, kind: type[a.Action], answers: dict[str, Any], key: str) -> None:
    story = at(state)
    with pytest.raises(NotAllowed, match=key):
        story.do(sample(kind, story.case, **answers))


@pytest.mark.parametrize("outcome", a.OUTCOMES)
@pytest.mark.parametrize("satisfied", a.SATISFIED)
def test_close_keeps_how_it_ended(outcome: str, satisfied: str) -> None:
    story = at(ANSWERED)
    story.do(a.Close(who=ANNA, outcome=outcome, satisfied=satisfied, reason="because"))
    assert (story.case.round.outcome, story.case.round.satisfied) == (outcome, satisfied)
    assert story.case.round.closed_at == story.now


def test_dismissing_tells_the_leads_of_this_client() -> None:
    story = at(NEW)
    story.do(a.Dismiss(who=ANNA, why="spam", text="a bot"))
    assert story.called("lead_dismissed") == ["vera"]
    story = at(NEW)
    story.do(a.Dismiss(who=VERA, why="spam"))
    assert story.works("say") == []


def test_do_not_reply_dismisses_and_tells_owner_and_lead() -> None:
    elsewhere = Person("lena", "Lena", "lead", ("other",))
    story = at(IN_APPROVAL, people=(*PEOPLE, elsewhere))
    story.do(a.DoNotReply(who=MILA, version=1, reason="let it rest"))
    assert story.case.round.outcome == "client_declined"
    assert story.called("client_declined") == ["anna", "vera"]


def test_changes_asked_are_counted_and_shown_until_the_next_version_is_sent() -> None:
    story = at(IN_APPROVAL)
    story.do(a.AskForChanges(who=MILA, version=1, reason="warmer"))
    assert (story.case.reason, story.case.round.returns, story.case.round.return_reasons) == ("warmer", 1, ("warmer",))
    assert story.called("turn_in_work") == ["anna"]
    story.do(a.WriteReply(who=ANNA, text="Warm words"))
    assert story.case.reason == "warmer"
    story.do(a.SendToClient(who=ANNA, version=2), a.TakeBack(who=ANNA, version=2))
    assert story.case.reason == ""


# suggestions


def test_one_suggestion_at_a_time() -> None:
    story = at(IN_WORK)
    story.do(a.SuggestReply(who=ANNA))
    with pytest.raises(NotAllowed, match="already_thinking"):
        story.do(a.SuggestReply(who=BORIS))
    story.do(a.SuggestionFailed(who=ANNA, reason="no budget"))
    assert story.called("suggestion_failed") == ["anna"]
    story.do(a.SuggestReply(who=BORIS))


def test_no_suggestion_without_ai() -> None:
    with pytest.raises(NotAllowed, match="no_ai"):
        at(IN_WORK, ai=False).do(a.SuggestReply(who=ANNA))


def test_a_suggestion_nobody_waits_for_any_more_leaves_the_button_usable() -> None:
    story = at(IN_WORK)
    story.do(a.SuggestReply(who=ANNA, version=1), a.SendToClient(who=ANNA, version=1))
    with pytest.raises(NotAllowed):
        story.do(a.Suggested(who=ANNA, text="too late"))
    story.do(a.TakeBack(who=ANNA, version=1), a.SuggestReply(who=ANNA))
    assert story.case.thinking


# owners


def test_the_owner_changes_only_by_take_hand_over_and_escalate() -> None:
    story = at(IN_WORK)
    story.do(
        a.WriteReply(who=BORIS, text="mine"), a.SendToClient(who=VERA, version=2), a.TakeBack(who=BORIS, version=2)
    )
    assert story.case.owner == "anna"
    story.do(a.HandOver(who=VERA, to=BORIS))
    assert story.case.owner == "boris"
    assert story.called("turn_in_work") == ["boris"]
    story.do(a.Close(who=BORIS, outcome="contacted"), a.Reopen(who=VERA))
    assert (story.case.owner, story.called("turn_in_work")) == ("boris", ["boris"])


@pytest.mark.parametrize("to", [MILA, VICTOR, PEOPLE[-1], PEOPLE[-2]], ids=lambda p: p.key)
def test_a_case_goes_to_staff_of_this_client_only(to: Person) -> None:
    with pytest.raises(NotAllowed, match="not_of_staff"):
        at(IN_WORK).do(a.Escalate(who=ANNA, to=to))


def test_a_dismissed_case_that_had_no_owner_is_its_reopeners() -> None:
    story = at(DISMISSED)
    story.do(a.Reopen(who=BORIS))
    assert (story.case.state, story.case.owner) == (IN_WORK, "boris")


def test_an_owner_who_left_leaves_no_case_waiting_for_nobody() -> None:
    story = at(IN_WORK)
    story.rules = rules(people=tuple(p for p in PEOPLE if p is not ANNA))
    assert must_act(story.case, story.rules) == ("staff", ("boris",))
    story.rules = rules(people=(VERA, MILA))
    assert must_act(story.case, story.rules) == ("staff", ("vera",))


MUST_ACT = {
    NEW: ("staff", ("anna", "boris")), IN_WORK: ("staff", ("anna",)), IN_APPROVAL: ("client", ("mila", "olga")),
    APPROVED: ("staff", ()), POSTING: ("staff", ()), MANUAL: ("staff", ("anna",)), MODERATED: ("staff", ()),
    ANSWERED: ("staff", ()), FAILED: ("staff", ("anna",)), CLOSED: ("staff", ()), DISMISSED: ("staff", ()),
    DELETED: ("staff", ()),
}  # fmt: skip


@pytest.mark.parametrize("state", State, ids=lambda s: s.value)
def test_who_must_act(state: State) -> None:
    story = at(state)
    assert must_act(story.case, story.rules) == MUST_ACT[state]


def test_an_unknown_outcome_is_the_owners() -> None:
    story = at(POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"))
    assert must_act(story.case, story.rules) == ("staff", ("anna",))
    assert story.called("turn_posting") == ["anna"]


def test_the_actor_is_never_called() -> None:
    story = at(IN_WORK)
    story.do(a.HandOver(who=BORIS, to=BORIS))
    assert story.works("say") == []


# before publishing


def test_a_mention_edited_after_approval_goes_back_to_work() -> None:
    for state in (IN_APPROVAL, APPROVED, MANUAL, FAILED):
        story = at(state)
        story.do(edited())
        assert (story.case.state, story.case.approvals) == (IN_WORK, ())
        assert story.case.before_edit == ("Cold coffee", 1)
        assert "told_withdrawn" in story.told("client")
        called = [key for w in story.works("say") for key in w.payload["mention"]]
        assert called == ["anna"], state


def test_the_same_edit_reported_twice_voids_no_approval() -> None:
    story = at(IN_WORK)
    story.do(edited("Cold"), a.SendToClient(who=ANNA, version=1), a.Approve(who=MILA, version=1))
    with pytest.raises(NotAllowed):
        story.do(edited("Cold"))
    assert story.case.state is APPROVED


def test_a_change_of_stars_alone_is_an_edit() -> None:
    story = at(APPROVED)
    story.do(edited("Cold coffee", rating=5))
    assert story.case.state is IN_WORK
    assert story.case.before_edit == ("Cold coffee", 1)


def test_an_edit_while_posting_is_noted_and_bars_a_second_try() -> None:
    story = at(POSTING)
    story.do(edited(), a.PostingRefused(reason="no links"))
    with pytest.raises(NotAllowed, match="not_approved"):
        story.do(a.TryAgain(who=ANNA, version=1))


def test_review_vanishes_before_posting() -> None:
    story = at(APPROVED)
    story.do(a.MentionDeleted())
    assert story.case.state is DELETED
    assert "publish:7" in story.decision.cancel
    assert story.told("client") == ["told_deleted"]


def test_a_review_that_vanishes_after_the_answer_is_marked_only() -> None:
    story = at(ANSWERED)
    story.do(a.MentionDeleted())
    assert story.case.state is ANSWERED
    assert story.case.mention_deleted_at == story.now


def test_another_official_reply_stops_posting_until_somebody_decides() -> None:
    story = at(APPROVED)
    story.do(other())
    assert (story.case.state, story.case.approvals) == (IN_WORK, ())
    with pytest.raises(NotAllowed, match="other_reply_first"):
        story.do(a.SendToClient(who=ANNA, version=1))


def test_post_anyway_asks_an_approver_who_agrees_for_that_reply() -> None:
    story = at(APPROVED)
    story.do(other(), a.PostAnyway(who=ANNA, version=1))
    assert (story.case.state, story.case.replace_agreed) == (IN_APPROVAL, False)
    story.do(a.Approve(who=MILA, version=1))
    assert (story.case.state, story.case.replace_agreed) == (APPROVED, True)
    story.do(a.PostingStarts(), posted())
    assert (story.case.state, story.case.other_reply) == (ANSWERED, None)


def test_an_agreement_withdrawn_is_no_agreement() -> None:
    story = at(APPROVED)
    story.do(other(), a.PostAnyway(who=ANNA, version=1), a.Approve(who=MILA, version=1), a.Undo(who=MILA, version=1))
    assert not story.case.replace_agreed


def test_already_answered_counts_the_other_reply() -> None:
    story = at(APPROVED)
    story.do(other(), a.AlreadyAnswered(who=ANNA))
    assert (story.case.state, story.case.round.outcome) == (CLOSED, "answered")
    assert story.case.round.posted_at == T0 + 30 * SECOND


def test_an_old_reply_of_another_account_does_not_stop_a_later_clock() -> None:
    story = at(CLOSED)
    story.now = T0 + 30 * HOUR
    story.do(a.Reopen(who=ANNA), lambda c: a.WriteReply(who=ANNA, text="again"))
    story.do(lambda c: a.SendToClient(who=ANNA, version=c.n), lambda c: a.Approve(who=MILA, version=c.n))
    story.do(other(), a.AlreadyAnswered(who=ANNA))
    assert story.case.round.posted_at == story.case.round.clock_at


# posting, unknown outcomes, refusals


def test_what_stands_is_to_the_letter_what_was_approved() -> None:
    story = at(ANSWERED)
    assert story.case.reply is not None
    assert (story.case.reply.text, story.case.reply.version) == (story.case.versions[0].text, 1)
    assert story.case.round.posted_at == T0 + HOUR
    assert story.case.round.visible_at == T0 + HOUR


def test_unknown_outcome_then_it_is_published() -> None:
    story = at(POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"), a.ItIsPublished(who=ANNA, version=1, link="https://shop.example/p1"))
    reply = story.case.reply
    assert reply is not None
    assert (reply.verified, reply.url, story.case.unknown) == (False, "https://shop.example/p1", False)
    assert "publish:7" in story.decision.cancel


def test_unknown_outcome_then_it_is_not_published_then_try_again() -> None:
    story = at(POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"), a.ItIsNotPublished(who=ANNA, version=1))
    assert (story.case.state, "publish:7" in story.decision.cancel) == (FAILED, True)
    assert story.works("publish") == []
    story.do(a.TryAgain(who=ANNA, version=1))
    (row,) = story.works("publish")
    assert (row.payload["version"], row.payload["attempt"]) == (1, 2)


def test_unknown_outcome_lets_no_other_version_in() -> None:
    story = at(POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"))
    for kind in (a.WriteReply, a.Approve, a.ClientEdit, a.TryAgain, a.IPostedIt, a.Undo, a.TakeBack):
        with pytest.raises(NotAllowed, match="not_now"):
            story.do(SAMPLES[kind])


def test_the_desk_finds_out_by_itself_after_asking() -> None:
    story = at(POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"), a.OutcomeUnknown(reason="again"))
    assert story.decision.events == ()
    story.do(posted())
    assert (story.case.state, story.case.unknown) == (ANSWERED, False)


def test_a_refusal_shows_its_reason_and_the_clock_runs_on() -> None:
    story = at(FAILED)
    assert story.case.failure == "no links"
    assert story.called("turn_failed") == ["anna"]
    assert story.case.round.posted_at is None


def test_trying_again_needs_an_approval_that_still_holds() -> None:
    story = at(FAILED)
    story.rules = rules(steps=(Step(("oleg",)),))
    with pytest.raises(NotAllowed, match="not_approved"):
        story.do(a.TryAgain(who=ANNA, version=1))


def test_moderators_let_it_through() -> None:
    story = at(MODERATED)
    assert story.case.round.posted_at == T0 + HOUR
    assert not story.case.round.visible_at
    story.do(a.BecameVisible(at=T0 + 2 * HOUR))
    assert story.case.state is ANSWERED
    assert story.case.round.visible_at == T0 + 2 * HOUR


def test_moderators_refuse_and_the_clock_runs_on_with_its_timers() -> None:
    story = at(MODERATED)
    story.do(a.ModeratorsRefused(reason="rude"))
    assert (story.case.state, story.case.failure, story.case.round.posted_at) == (FAILED, "rude", None)
    assert story.case.reply is None
    timers = story.works("warn")
    assert [w.payload["mark"] for w in timers] == ["50", "75", "90", "target", "limit"]
    first = {w.idem for w in opening(new_case(), story.rules, T0)}
    assert not first & {w.idem for w in timers}, "rows of these names were cancelled and would be dropped"


def test_moderators_refusing_a_second_reply_leave_the_first_standing() -> None:
    story = at(ANSWERED)
    story.do(a.Close(who=ANNA, outcome="answered"), a.Reopen(who=ANNA), a.WriteReply(who=ANNA, text="More"))
    story.do(lambda c: a.SendToClient(who=ANNA, version=c.n), lambda c: a.Approve(who=MILA, version=c.n))
    story.do(a.PostingStarts(), posted("p2", T0 + 2 * HOUR, visible=False), a.ModeratorsRefused(reason="rude"))
    assert story.case.reply is not None
    assert story.case.reply.external_id == "p1"


def test_by_hand_is_not_verified_until_it_is_read_back() -> None:
    story = at(MANUAL)
    story.do(a.IPostedIt(who=ANNA, version=1, proof="https://board.example/1"))
    assert story.case.reply is not None
    assert (story.case.reply.verified, story.case.reply.url) == (False, "https://board.example/1")
    assert story.case.round.posted_at == story.now
    story.do(a.BecameVisible(at=T0 + HOUR))
    assert story.case.reply.verified


def test_a_picture_is_no_link() -> None:
    story = at(MANUAL)
    story.do(a.IPostedIt(who=ANNA, version=1, proof="shot.png"))
    assert story.case.reply is not None
    assert story.case.reply.url == ""
    assert story.decision.events[0].data["proof"] == "shot.png"


# after the answer


def test_edit_reply_is_approved_and_replaces() -> None:
    story = at(ANSWERED)
    story.do(a.EditReply(who=ANNA, version=1, text="Corrected"))
    assert (story.case.state, story.case.correcting, story.case.approvals) == (IN_WORK, True, ())
    story.do(a.SendToClient(who=ANNA, version=2), a.Approve(who=MILA, version=2), a.PostingStarts(), posted("p1"))
    standing = [r.version for r in story.case.replies if r.gone_at is None]
    assert (standing, story.case.correcting) == ([2], False)


def test_a_correction_confirmed_by_a_person_replaces_too() -> None:
    story = at(ANSWERED)
    story.do(a.EditReply(who=ANNA, version=1, text="Corrected"))
    story.do(a.SendToClient(who=ANNA, version=2), a.Approve(who=MILA, version=2), a.PostingStarts())
    story.do(a.OutcomeUnknown(reason="timed out"), a.ItIsPublished(who=ANNA, version=2))
    assert [r.version for r in story.case.replies if r.gone_at is None] == [2]


def test_a_second_reply_replaces_the_first_where_the_platform_keeps_one() -> None:
    for one_reply, standing in ((True, [2]), (False, [1, 2])):
        story = at(ANSWERED, card=replace(CARD, one_reply=one_reply))
        story.do(edited(), a.WriteReply(who=ANNA, text="More"), a.SendToClient(who=ANNA, version=2))
        story.do(a.Approve(who=MILA, version=2), a.PostingStarts(), posted("p2", T0 + 2 * HOUR))
        assert [r.version for r in story.case.replies if r.gone_at is None] == standing


@pytest.mark.parametrize(
    ("card", "kind", "key"),
    [
        (replace(CARD, can_edit=False), a.EditReply, "cannot_edit"),
        (replace(CARD, can_delete=False), a.DeleteReply, "cannot_delete"),
    ],
)
def test_what_the_platform_cannot_is_refused(card: Any, kind: type[a.Action], key: str) -> None:
    with pytest.raises(NotAllowed, match=key):
        at(ANSWERED, card=card).do(SAMPLES[kind])


def test_a_reply_without_a_number_of_its_own_can_be_neither_edited_nor_deleted() -> None:
    story = at(POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"), a.ItIsPublished(who=ANNA, version=1))
    for kind in (a.EditReply, a.DeleteReply):
        with pytest.raises(NotAllowed):
            story.do(SAMPLES[kind])
    story.do(a.AskToCorrect(who=MILA, version=1, reason="typo"))
    assert not story.case.correcting


def test_ask_to_correct_returns_the_case_with_its_reason() -> None:
    story = at(ANSWERED)
    story.do(a.AskToCorrect(who=OLEG, version=1, reason="a typo"))
    assert (story.case.state, story.case.correcting, story.case.round.returns) == (IN_WORK, True, 1)
    assert story.called("turn_in_work") == ["anna"]
    assert story.case.round.posted_at == T0 + HOUR


def test_deleting_a_reply_is_asked_of_the_platform_and_leads_back_to_work() -> None:
    story = at(ANSWERED)
    story.do(a.DeleteReply(who=ANNA, version=1))
    assert story.works("delete_reply")[0].payload == {"case": 7, "reply": "p1"}
    assert story.case.state is ANSWERED
    story.do(a.ReplyDeleted())
    assert (story.case.state, story.case.reply) == (IN_WORK, None)
    assert "watch:7" in story.decision.cancel


@pytest.mark.parametrize("since", [a.AskToCorrect, a.MentionEdited, a.Close])
def test_a_reply_that_is_deleted_stands_no_more_whatever_came_in_between(since: type[a.Action]) -> None:
    """The author may write again, and people send the next version, before the platform has answered."""
    story = at(ANSWERED)
    story.do(a.DeleteReply(who=ANNA, version=1), sample(since, story.case))
    before = story.case.state
    story.do(a.ReplyDeleted())
    assert (story.case.state, story.case.reply) == (before, None)


def test_a_deletion_refused_can_be_asked_again_and_the_reply_is_still_watched() -> None:
    story = at(ANSWERED)
    story.do(a.DeleteReply(who=ANNA, version=1))
    assert story.decision.cancel == ()
    assert story.works("delete_reply")[0].idem is None
    story.do(a.ReplyStays(reason="too late"))
    assert (story.case.state, story.called("reply_stays")) == (ANSWERED, ["anna"])
    story.do(a.DeleteReply(who=ANNA, version=1))


@pytest.mark.parametrize("action", [a.ReplyVanished(), a.ReplyChanged(text="hacked")])
@pytest.mark.parametrize("since", [None, a.Close, a.AskToCorrect])
def test_a_reply_that_vanishes_or_changes_is_an_alarm_whatever_we_do_by_then(
    action: a.Action, since: type[a.Action] | None
) -> None:
    story = at(ANSWERED)
    if since is not None:
        story.do(SAMPLES[since])
    story.do(action)
    called = [w.payload["mention"] for w in story.works("say") if w.payload["side"] == "staff"]
    assert called == [["anna", "vera"]]


def test_a_vanished_reply_cannot_be_corrected_only_written_anew() -> None:
    story = at(ANSWERED)
    story.do(a.AskToCorrect(who=MILA, version=1, reason="typo"), a.ReplyVanished())
    assert not story.case.correcting


def test_a_vanished_reply_is_told_once() -> None:
    story = at(ANSWERED)
    story.do(a.ReplyVanished(), a.ReplyVanished())
    assert (story.decision.work, story.decision.events) == ((), ())


# rounds


def test_the_author_edits_after_the_answer_and_a_new_round_begins() -> None:
    story = at(ANSWERED)
    first = story.case.round
    story.do(edited("Still cold", published_at=T0 + 5 * HOUR))
    case = story.case
    assert (case.state, case.owner, case.round.n, case.round.why) == (NEW, "", 2, "author_edited")
    assert case.rounds[0] == first
    assert case.round.clock_at == story.now
    assert case.mention.published_at == T0
    assert story.called("came_back") == ["anna", "boris"]
    assert [w.payload["round"] for w in story.works("warn")] == [2] * 5


def test_reopening_begins_a_round_with_its_own_clock_and_no_old_text() -> None:
    story = at(CLOSED)
    story.do(a.Reopen(who=ANNA))
    assert (story.case.round.n, story.case.round.why, story.case.round.taken_at) == (2, "reopened", story.now)
    assert story.case.fresh is None
    with pytest.raises(NotAllowed, match="no_version"):
        story.do(a.SendToClient(who=ANNA))
    story.do(a.WriteReply(who=ANNA, text="New words"))
    assert story.case.n == 2


def test_an_edit_reported_twice_begins_one_round() -> None:
    story = at(CLOSED)
    story.do(edited())
    story.do(a.Dismiss(who=ANNA, why="spam"))
    with pytest.raises(NotAllowed):
        story.do(edited())


def test_a_review_that_comes_back_unchanged_after_deletion_begins_a_round() -> None:
    story = at(DELETED)
    story.do(a.MentionEdited(mention=mention()))
    assert (story.case.state, story.case.mention_deleted_at) == (NEW, None)


def test_an_edit_before_the_answer_does_not_move_the_clock() -> None:
    story = at(IN_WORK)
    story.do(edited(published_at=T0 + HOUR))
    assert story.case.round.clock_at == T0
    assert story.case.mention.published_at == T0


def test_timers_are_cancelled_when_answered_or_finished() -> None:
    ends: list[tuple[State, a.Action]] = [
        (POSTING, posted()),
        (POSTING, posted(visible=False)),
        (NEW, a.Dismiss(who=ANNA, why="spam")),
        (IN_WORK, a.Close(who=ANNA, outcome="contacted")),
        (IN_APPROVAL, a.MentionDeleted()),
        (MANUAL, a.IPostedIt(who=ANNA, version=1)),
    ]
    for state, action in ends:
        story = at(state)
        story.do(action)
        assert "clock:7:1" in story.decision.cancel, state


# the client's thread


def test_the_clients_thread_opens_at_the_first_text_for_them_and_once() -> None:
    story = at(IN_WORK)
    assert not story.case.client_open
    story.do(a.TellClient(who=ANNA, text="We are on it"))
    assert [w.kind for w in story.decision.work if w.payload.get("side") == "client"] == ["open", "draw", "draw", "say"]
    story.do(a.SendToClient(who=ANNA, version=1))
    assert story.works("open") == []
    story = at(IN_WORK)
    story.do(a.SendToClient(who=ANNA, version=1))
    assert [w.payload["side"] for w in story.works("open")] == ["client"]


def test_what_staff_say_to_the_client_carries_their_name() -> None:
    story = at(IN_APPROVAL)
    story.do(a.TellClient(who=ANNA, text="We are on it"))
    (said,) = story.works("say")
    assert said.payload["args"] == {"text": "We are on it", "by": "anna"}


# warnings


def test_who_must_act_is_warned_and_nobody_else() -> None:
    story = at(NEW)
    story.do(a.Warn(mark="50"))
    (alarm,) = story.works("alarm")
    assert alarm.payload["items"][0]["people"] == ["anna", "boris"]
    story = at(IN_APPROVAL)
    story.do(a.Warn(mark="75"))
    (alarm,) = story.works("alarm")
    assert (alarm.payload["room"], alarm.payload["items"][0]["people"]) == ("slack:C1", ["mila", "olga"])


@pytest.mark.parametrize("mark", ["target", "limit"])
def test_at_target_and_limit_leads_are_told_too(mark: str) -> None:
    story = at(IN_APPROVAL)
    story.do(a.Warn(mark=mark))
    rooms = {w.payload["room"]: w.payload["items"][0]["people"] for w in story.works("alarm")}
    assert rooms == {"slack:C1": ["mila", "olga"], "telegram:-1": ["vera"]}
    story = at(IN_WORK)
    story.do(a.Warn(mark=mark))
    assert [w.payload["items"][0]["people"] for w in story.works("alarm")] == [["anna", "vera"]]
    story = at(IN_WORK, leads_room="telegram:-9")
    story.do(a.Warn(mark=mark))
    assert [w.payload["room"] for w in story.works("alarm")] == ["telegram:-1", "telegram:-9"]


# forms


def test_every_press_asks_for_what_its_action_needs() -> None:
    answers = {
        "text": "words", "why": "spam", "outcome": "not_answered", "satisfied": "no", "reason": "because", "to": "vera",
        "link": "", "proof": "", "sure": "yes_delete",
    }  # fmt: skip
    for name, press in PRESSES.items():
        given: dict[str, str] = {}
        while (field := missing(name, given)) is not None:
            given[field.name] = answers[field.name]
        assert isinstance(make(name, ANNA, 1, given, rules()), press.kind)


@pytest.mark.parametrize(
    ("name", "given", "key"),
    [
        ("nothing", {}, "unknown_button"),
        ("dismiss", {"why": "rude"}, "unknown_choice"),
        ("close", {"outcome": "answered", "satisfied": "maybe"}, "unknown_choice"),
        ("changes", {"reason": " "}, "reason_needed"),
        ("write", {"text": ""}, "text_empty"),
        ("handover", {"to": ""}, "nobody_chosen"),
        ("handover", {"to": "ghost"}, "nobody_chosen"),
        ("delreply", {}, "unknown_choice"),
    ],
)
def test_a_forged_or_empty_form_is_refused(name: str, given: dict[str, str], key: str) -> None:
    with pytest.raises(NotAllowed, match=key):
        make(name, ANNA, 1, given, rules())


def test_a_reason_is_asked_only_when_nothing_was_answered() -> None:
    assert missing("close", {"outcome": "answered", "satisfied": "yes"}) is None
    field = missing("close", {"outcome": "not_answered", "satisfied": "yes"})
    assert field is not None
    assert field.name == "reason"


# small promises of the data


def test_deciding_changes_nothing_of_what_it_was_given() -> None:
    story = at(IN_APPROVAL)
    before = story.case
    copy = replace(before)
    story.do(a.Approve(who=MILA, version=1))
    assert before == copy


def test_a_posted_time_before_the_case_was_found_is_kept_as_the_platform_tells_it() -> None:
    story = at(POSTING)
    story.do(a.ReplyPosted(posted=Posted("p1", T0 - SECOND)))
    assert story.case.round.posted_at == T0 - SECOND
