"""What an action does to a case: the one place where that is decided. Pure, and told what time it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from desk import actions as a
from desk import steps as s
from desk.acting import check_may
from desk.case import FINISHED, Case, Event, State
from desk.errors import NotAllowed, StaleVersion
from desk.follow import SIDES, follow
from desk.people import Person
from desk.rules import Rules
from desk.steps import Change
from desk.work import Work

NEW, IN_WORK, IN_APPROVAL, APPROVED = State.NEW, State.IN_WORK, State.IN_APPROVAL, State.APPROVED
POSTING, MANUAL, MODERATED, ANSWERED = State.POSTING, State.MANUAL, State.MODERATED, State.ANSWERED
FAILED, CLOSED, DISMISSED, DELETED = State.FAILED, State.CLOSED, State.DISMISSED, State.DELETED
TOLD_APART = s.ON_ITS_WAY | {ANSWERED}
"""States in which a deletion of our reply means more than that it is gone, or nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The changed case, what happened, the work that follows; groups of work that are moot, or wanted at once.

    `said` names the sentence that answers the press.
    """

    case: Case
    events: tuple[Event, ...]
    work: tuple[Work, ...] = ()
    cancel: tuple[str, ...] = ()
    hasten: tuple[str, ...] = ()
    said: str = ""


class Transition(NamedTuple):
    """`by` names who may (desk.acting.MAY, or "desk"); `to` lists every state the step can lead to."""

    by: str
    step: Callable[..., Change]
    to: tuple[State, ...]


def _t(by: str, step: Callable[..., Change], *to: State) -> Transition:
    return Transition(by, step, to)


TABLE: dict[tuple[State, type[a.Action]], Transition] = {
    # found
    (NEW, a.Take): _t("staff", s.take, IN_WORK),
    (NEW, a.WriteReply): _t("staff", s.write, IN_WORK),
    (NEW, a.Dismiss): _t("staff", s.dismiss, DISMISSED),
    (NEW, a.MentionEdited): _t("desk", s.mention_edited, NEW),
    (NEW, a.MentionDeleted): _t("desk", s.mention_deleted, DELETED),
    # staff work on a text
    (IN_WORK, a.WriteReply): _t("staff", s.write, IN_WORK),
    (IN_WORK, a.SuggestReply): _t("staff", s.suggest, IN_WORK),
    (IN_WORK, a.Suggested): _t("desk", s.suggested, IN_WORK),
    (IN_WORK, a.SuggestionFailed): _t("desk", s.suggestion_failed, IN_WORK),
    (IN_WORK, a.SendToClient): _t("staff", s.send, IN_APPROVAL),
    (IN_WORK, a.Dismiss): _t("staff", s.dismiss, DISMISSED),
    (IN_WORK, a.Close): _t("staff", s.close, CLOSED),
    (IN_WORK, a.Escalate): _t("staff", s.give_to, IN_WORK),
    (IN_WORK, a.HandOver): _t("staff", s.give_to, IN_WORK),
    (IN_WORK, a.AlreadyAnswered): _t("staff", s.already_answered, CLOSED),
    (IN_WORK, a.PostAnyway): _t("staff", s.post_anyway, IN_APPROVAL),
    (IN_WORK, a.MentionEdited): _t("desk", s.mention_edited, IN_WORK),
    (IN_WORK, a.MentionDeleted): _t("desk", s.mention_deleted, DELETED),
    # the client decides
    (IN_APPROVAL, a.Approve): _t("open step", s.approve, IN_APPROVAL, APPROVED, MANUAL),
    (IN_APPROVAL, a.ClientEdit): _t("open step", s.client_edit, IN_APPROVAL),
    (IN_APPROVAL, a.AskForChanges): _t("open step", s.ask_for_changes, IN_WORK),
    (IN_APPROVAL, a.DoNotReply): _t("open step", s.do_not_reply, DISMISSED),
    (IN_APPROVAL, a.TakeBack): _t("staff", s.take_back, IN_WORK),
    (IN_APPROVAL, a.WriteReply): _t("staff", s.write, IN_WORK),
    (IN_APPROVAL, a.MentionEdited): _t("desk", s.mention_edited, IN_WORK),
    (IN_APPROVAL, a.MentionDeleted): _t("desk", s.mention_deleted, DELETED),
    # approved, the undo window runs or the desk waits for its turn
    (APPROVED, a.Undo): _t("either", s.undo, IN_APPROVAL, IN_WORK),
    (APPROVED, a.PostNow): _t("either", s.post_now, APPROVED),
    (APPROVED, a.WriteReply): _t("staff", s.write, IN_WORK),
    (APPROVED, a.PostingStarts): _t("desk", s.posting_starts, POSTING),
    (APPROVED, a.PostingRefused): _t("desk", s.refused, FAILED),
    (APPROVED, a.OtherReplyFound): _t("desk", s.other_reply, IN_WORK),
    (APPROVED, a.MentionEdited): _t("desk", s.mention_edited, IN_WORK),
    (APPROVED, a.MentionDeleted): _t("desk", s.mention_deleted, DELETED),
    # being published; also while nobody knows whether it was
    (POSTING, a.ReplyPosted): _t("desk", s.posted, ANSWERED, MODERATED),
    (POSTING, a.PostingRefused): _t("desk", s.refused, FAILED),
    (POSTING, a.ReplyDeleted): _t("desk", s.room_made, POSTING),
    (POSTING, a.ReplyStays): _t("desk", s.no_room, FAILED),
    (POSTING, a.OutcomeUnknown): _t("desk", s.outcome_unknown, POSTING),
    (POSTING, a.ItIsPublished): _t("staff", s.it_is_published, ANSWERED),
    (POSTING, a.ItIsNotPublished): _t("staff", s.it_is_not_published, FAILED),
    (POSTING, a.MentionEdited): _t("desk", s.mention_noted, POSTING),
    (POSTING, a.MentionDeleted): _t("desk", s.mention_marked, POSTING),
    # a person posts it
    (MANUAL, a.IPostedIt): _t("staff", s.posted_by_hand, ANSWERED),
    (MANUAL, a.TakeBack): _t("staff", s.take_back, IN_WORK),
    (MANUAL, a.WriteReply): _t("staff", s.write, IN_WORK),
    (MANUAL, a.MentionEdited): _t("desk", s.mention_edited, IN_WORK),
    (MANUAL, a.MentionDeleted): _t("desk", s.mention_deleted, DELETED),
    # accepted, waits for the platform's moderators
    (MODERATED, a.BecameVisible): _t("desk", s.visible, ANSWERED),
    (MODERATED, a.ModeratorsRefused): _t("desk", s.moderators_refused, FAILED),
    (MODERATED, a.MentionEdited): _t("desk", s.mention_noted, MODERATED),
    (MODERATED, a.MentionDeleted): _t("desk", s.mention_marked, MODERATED),
    # refused
    (FAILED, a.TryAgain): _t("staff", s.try_again, APPROVED),
    (FAILED, a.WriteReply): _t("staff", s.write, IN_WORK),
    (FAILED, a.IPostedIt): _t("staff", s.posted_by_hand, ANSWERED),
    (FAILED, a.Close): _t("staff", s.close, CLOSED),
    (FAILED, a.MentionEdited): _t("desk", s.mention_edited, IN_WORK),
    (FAILED, a.MentionDeleted): _t("desk", s.mention_deleted, DELETED),
    # public
    (ANSWERED, a.Close): _t("staff", s.close, CLOSED),
    (ANSWERED, a.EditReply): _t("staff", s.edit_reply, IN_WORK),
    (ANSWERED, a.DeleteReply): _t("staff", s.delete_reply, ANSWERED),
    (ANSWERED, a.AskToCorrect): _t("client", s.ask_to_correct, IN_WORK),
    (ANSWERED, a.BecameVisible): _t("desk", s.visible, ANSWERED),
    (ANSWERED, a.PageRead): _t("desk", s.page_read, ANSWERED),
    (ANSWERED, a.ReplyDeleted): _t("desk", s.reply_deleted, IN_WORK),
    (ANSWERED, a.MentionEdited): _t("desk", s.comes_back, NEW),
    (ANSWERED, a.MentionDeleted): _t("desk", s.mention_marked, ANSWERED),
    # finished
    **{(state, a.Reopen): _t("staff", s.reopen, IN_WORK) for state in sorted(FINISHED)},
    **{(state, a.MentionEdited): _t("desk", s.comes_back, NEW) for state in sorted(FINISHED)},
    (CLOSED, a.BecameVisible): _t("desk", s.visible, CLOSED),
    (CLOSED, a.PageRead): _t("desk", s.page_read, CLOSED),
    (CLOSED, a.MentionDeleted): _t("desk", s.mention_marked, CLOSED),
    (DISMISSED, a.MentionDeleted): _t("desk", s.mention_marked, DISMISSED),
    # a press that came between our wish to delete a reply and the platform's answer
    **{(state, a.ReplyDeleted): _t("desk", s.reply_deleted, state) for state in State if state not in TOLD_APART},
    **{(state, a.ReplyStays): _t("desk", s.reply_stays, state) for state in State if state not in s.ON_ITS_WAY},
    # an earlier reply of ours, watched while people work on the next; not while the desk itself may be changing it
    **{(state, a.ReplyVanished): _t("desk", s.reply_vanished, state) for state in State if state not in s.ON_ITS_WAY},
    **{(state, a.ReplyChanged): _t("desk", s.reply_changed, state) for state in State if state not in s.ON_ITS_WAY},
    # whatever the state
    **{(state, a.Note): _t("staff", s.note, state) for state in State},
    **{(state, a.TellClient): _t("staff", s.tell_client, state) for state in State},
    **{(state, a.Carded): _t("desk", s.carded, state) for state in State},
    **{(state, a.Warn): _t("desk", s.warn, state) for state in State if state not in FINISHED},
}


def decide(case: Case, action: a.Action, now: datetime, rules: Rules) -> Decision:
    """Raises NotAllowed (who), StaleVersion (which version) or NotAllowed("not_now") with what happened instead."""
    rules = rules.at(case.mention)
    transition = admits(case, type(action), action.who, action.version, rules)
    change = transition.step(case, action, now, rules)
    return _decided(case, change, action, now, rules)


def admits(case: Case, kind: type[a.Action], who: Person | None, version: int | None, rules: Rules) -> Transition:
    """Whether such an action may be begun at all, before anything is typed for it. Raises as `decide` does."""
    if who is not None and not who.serves(case.client):
        raise NotAllowed("not_yours")
    transition = TABLE.get((case.state, kind))
    if transition is not None:
        check_may(transition.by, case, who, rules)
    if version is not None and version != case.n:
        raise StaleVersion("stale_version", version=version, newest=case.n, **told(case, rules))
    if transition is None:
        state = case.state.value
        raise NotAllowed("not_now", state=state, action=kind.__name__, instead=state, **told(case, rules))
    return transition


def _decided(old: Case, change: Change, action: a.Action, now: datetime, rules: Rules) -> Decision:
    events = tuple(Event(kind, now, action.actor, change.case.round.n, data) for kind, data in change.events)
    last = events[-1] if events and not change.quiet else old.last
    thinking = change.case.thinking and change.case.state is IN_WORK
    new = replace(change.case, last=last, thinking=thinking)
    work, cancel = ([], []) if change.quiet else follow(old, new, rules, action.actor, now)
    shown = () if action.who is None else tuple(f"show:{old.id}:{side}" for side in SIDES)
    hasten = (*change.hasten, *shown)
    # A lane keeps its order: what only informs comes last, or it would hold up what somebody waits for.
    work = sorted((*work, *change.work), key=lambda item: item.prio)
    return Decision(new, events, tuple(work), (*cancel, *change.cancel), hasten, change.said)


def told(case: Case, rules: Rules) -> dict[str, object]:
    """What happened last, by whom and when, for somebody who came too late."""
    if case.last is None:
        return {}
    person = rules.person(case.last.actor)
    return {"event": case.last.kind, "by": person.name if person else "", "at": case.last.at}
