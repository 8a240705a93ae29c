"""The steps of the table in desk.decide, one function each: (case, action, now, rules) -> Change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from desk import actions as a
from desk import follow as f
from desk.acting import must_act, on_duty, owner
from desk.case import Approval, Case, Origin, Reply, Round, State, Version, holds, progress
from desk.errors import NotAllowed
from desk.platform import problems
from desk.rules import Rules
from desk.sla import LIMIT, TARGET
from desk.work import Prio, Work

WATCH_FIRST = timedelta(minutes=5)
"""First look at a reply after it was posted; later ones are further apart (desk.posting)."""


ON_ITS_WAY = frozenset({State.POSTING, State.MODERATED})
"""The platform may be changing a reply of ours at this moment: what it shows is no alarm."""


@dataclass(frozen=True, slots=True)
class Change:
    """`quiet`: nothing to redraw and nobody to call, save what `work` says."""

    case: Case
    events: tuple[tuple[str, dict[str, Any]], ...] = ()
    work: tuple[Work, ...] = ()
    cancel: tuple[str, ...] = ()
    hasten: tuple[str, ...] = ()
    said: str = ""
    quiet: bool = False


def _event(kind: str, **data: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
    return ((kind, data),)


def _fit(text: str, rules: Rules) -> None:
    """A text that does not fit the platform is refused before approval, never cut (contract §4)."""
    found = problems(text, rules.card)
    if found:
        raise NotAllowed(found[0].key, **found[0].details)


def _new_version(case: Case, text: str, authors: tuple[str, ...], origin: Origin, now: datetime) -> Case:
    """Approval belongs to one version: any change of text voids it."""
    version = Version(case.n + 1, text, authors, origin, now)
    drafted = replace(case, versions=(*case.versions, version), approvals=(), post_at=None)
    return drafted.stage(drafted_at=now)


def _withdrawn(case: Case, rules: Rules, key: str = "told_withdrawn") -> tuple[Work, ...]:
    """The client is told that the text they saw is no longer offered; nobody is mentioned."""
    if case.state not in (State.IN_APPROVAL, State.APPROVED, State.MANUAL, State.FAILED) or not case.client_open:
        return ()
    return (f.say(case, rules, "client", key),)


# found and in work


def carded(case: Case, action: a.Carded, now: datetime, rules: Rules) -> Change:
    return Change(case.stage(carded_at=now), _event("carded"), quiet=True)


def take(case: Case, action: a.Take, now: datetime, rules: Rules) -> Change:
    taken = replace(case, state=State.IN_WORK, owner=action.actor, to_check=False).stage(taken_at=now)
    return Change(taken, _event("taken"), said="did_take")


def write(case: Case, action: a.WriteReply, now: datetime, rules: Rules) -> Change:
    """A new version; in `new` it also takes the case, later it calls back what the client had."""
    _fit(action.text, rules)
    owner = case.owner or action.actor
    drafted = _new_version(case, action.text, (action.actor,), "staff", now)
    drafted = replace(drafted, state=State.IN_WORK, owner=owner, failure="", before_edit=None, to_check=False)
    return Change(
        drafted.stage(taken_at=now),
        _event("drafted", version=drafted.n),
        _withdrawn(case, rules),
        said="did_write",
    )


def suggest(case: Case, action: a.SuggestReply, now: datetime, rules: Rules) -> Change:
    if not rules.ai:
        raise NotAllowed("no_ai")
    if case.thinking:
        raise NotAllowed("already_thinking")
    thinking = replace(case, thinking=True)
    return Change(thinking, _event("suggestion_asked"), (f.suggest(case, action.actor, now),), said="did_suggest")


def suggested(case: Case, action: a.Suggested, now: datetime, rules: Rules) -> Change:
    drafted = replace(_new_version(case, action.text, ("ai", action.actor), "ai", now), thinking=False)
    return Change(drafted, _event("drafted", version=drafted.n, ai=True))


def suggestion_failed(case: Case, action: a.SuggestionFailed, now: datetime, rules: Rules) -> Change:
    told = f.say(case, rules, "staff", "suggestion_failed", [action.actor], reason=action.reason)
    return Change(replace(case, thinking=False), _event("suggestion_failed", reason=action.reason), (told,))


def send(case: Case, action: a.SendToClient, now: datetime, rules: Rules) -> Change:
    version = case.fresh
    if version is None:
        raise NotAllowed("no_version")
    if case.other_reply is not None:
        raise NotAllowed("other_reply_first")
    _fit(version.text, rules)
    return Change(_in_approval(case, now), _event("sent", version=version.n), said="did_send")


def _in_approval(case: Case, now: datetime) -> Case:
    """The mention as it is now is what the approvers see; the text is approved for that one only."""
    sent = replace(
        case,
        state=State.IN_APPROVAL,
        sent=case.n,
        client_open=True,
        approvals=(),
        reason="",
        failure="",
        before_edit=None,
        replace_agreed=False,
        approved_fingerprint=case.mention.fingerprint,
    )
    return sent.stage(sent_at=now)


def dismiss(case: Case, action: a.Dismiss, now: datetime, rules: Rules) -> Change:
    if action.why not in a.DISMISSALS:
        raise NotAllowed("reason_needed")
    leads = [p.key for p in rules.of_role("lead") if p.key != action.actor]
    ended = replace(case, state=State.DISMISSED, reason=action.text).stage(closed_at=now).in_round(outcome=action.why)
    told = f.say(ended, rules, "staff", "lead_dismissed", leads, why=action.why, text=action.text, by=action.actor)
    return Change(
        ended,
        _event("dismissed", why=action.why, text=action.text),
        (told,) if leads else (),
        said="did_dismiss",
    )


def close(case: Case, action: a.Close, now: datetime, rules: Rules) -> Change:
    if action.outcome not in a.OUTCOMES or action.satisfied not in a.SATISFIED:
        raise NotAllowed("outcome_needed")
    if action.outcome == "not_answered" and not action.reason.strip():
        raise NotAllowed("reason_needed")
    ended = replace(case, state=State.CLOSED, reason=action.reason, unknown=False).stage(closed_at=now)
    ended = ended.in_round(outcome=action.outcome, satisfied=action.satisfied)
    return Change(
        ended,
        _event("closed", outcome=action.outcome, satisfied=action.satisfied, reason=action.reason),
        said="did_close",
    )


def give_to(case: Case, action: a.Escalate | a.HandOver, now: datetime, rules: Rules) -> Change:
    if not (action.to.of_agency and action.to.serves(case.client)):
        raise NotAllowed("not_of_staff", name=action.to.name)
    kind = "escalated" if isinstance(action, a.Escalate) else "handed_over"
    return Change(replace(case, owner=action.to.key), _event(kind, to=action.to.key), said="did_hand_over")


def note(case: Case, action: a.Note, now: datetime, rules: Rules) -> Change:
    return Change(case, _event("noted", text=action.text), said="did_note", quiet=True)


def tell_client(case: Case, action: a.TellClient, now: datetime, rules: Rules) -> Change:
    """Crosses over with the writer's name; opens the client's thread if this is the first thing for them."""
    if not action.text.strip():
        raise NotAllowed("text_empty")
    told = f.say(case, rules, "client", "from_staff", text=action.text, by=action.actor)
    opened = replace(case, client_open=True)
    return Change(opened, _event("told_client", text=action.text), (told,), said="did_tell", quiet=case.client_open)


# the client decides


def approve(case: Case, action: a.Approve, now: datetime, rules: Rules) -> Change:
    version, at = case.versions[-1], progress(case, rules)
    if at.step is None or action.actor not in at.who:
        raise NotAllowed("already_approved")
    if version.bars(action.actor):
        raise NotAllowed("own_text")
    _fit(version.text, rules)
    given = replace(case, approvals=(*case.approvals, Approval(version.n, at.step, action.actor, now)))
    event = _event("approval", version=version.n, step=at.step)
    if progress(given, rules).step is not None:
        return Change(given, event, said="did_approve_step")
    return _approved(given, event, now, rules)


def _approved(case: Case, event: tuple[tuple[str, dict[str, Any]], ...], now: datetime, rules: Rules) -> Change:
    event += _event("approved", version=case.n)
    if not rules.card.can_reply:
        by_hand = replace(case, state=State.MANUAL).stage(approved_at=now)
        return Change(by_hand, event, said="did_approve_manual")
    agreed = case.other_reply is not None
    ready = replace(
        case, state=State.APPROVED, post_at=now + rules.undo, attempt=case.attempt + 1, replace_agreed=agreed
    )
    ready = ready.stage(approved_at=now)
    return Change(ready, event, (f.publish(ready, now + rules.undo),), said="did_approve")


def client_edit(case: Case, action: a.ClientEdit, now: datetime, rules: Rules) -> Change:
    """The new version's message tells staff; a second one would be noise."""
    _fit(action.text, rules)
    edited = replace(_new_version(case, action.text, (action.actor,), "client", now), sent=case.n + 1)
    return Change(edited, _event("edited_by_client", version=edited.n), said="did_edit")


def ask_for_changes(case: Case, action: a.AskForChanges, now: datetime, rules: Rules) -> Change:
    _required(action.reason)
    back = replace(case, state=State.IN_WORK, approvals=(), reason=action.reason)
    reasons = (*back.round.return_reasons, action.reason)
    back = back.in_round(returns=back.round.returns + 1, return_reasons=reasons)
    return Change(back, _event("changes_asked", version=case.n, reason=action.reason), said="did_ask_changes")


def _required(reason: str) -> None:
    if not reason.strip():
        raise NotAllowed("reason_needed")


def do_not_reply(case: Case, action: a.DoNotReply, now: datetime, rules: Rules) -> Change:
    _required(action.reason)
    ended = replace(case, state=State.DISMISSED, approvals=(), reason=action.reason).stage(closed_at=now)
    ended = ended.in_round(outcome="client_declined")
    called = _called(case, rules)
    told = f.say(ended, rules, "staff", "client_declined", called, text=action.reason, by=action.actor)
    return Change(ended, _event("declined_by_client", reason=action.reason), (told,), said="did_decline")


def take_back(case: Case, action: a.TakeBack, now: datetime, rules: Rules) -> Change:
    back = replace(case, state=State.IN_WORK, approvals=(), reason="")
    return Change(back, _event("taken_back", version=case.n), _withdrawn(case, rules), said="did_take_back")


# approved, posting


def undo(case: Case, action: a.Undo, now: datetime, rules: Rules) -> Change:
    """The approver withdraws an approval and decides again; staff take the text back into work."""
    by_client = action.who is not None and not action.who.of_agency
    state = State.IN_APPROVAL if by_client else State.IN_WORK
    undone = replace(case, state=state, approvals=(), post_at=None, replace_agreed=False, reason="")
    told = () if by_client else _withdrawn(case, rules)
    return Change(undone, _event("undone", version=case.n), told, said="did_undo")


def post_now(case: Case, action: a.PostNow, now: datetime, rules: Rules) -> Change:
    """The waiting row is brought forward; a new one would be a second reply."""
    if case.post_at is None or case.post_at <= now:
        raise NotAllowed("window_over")
    hastened = replace(case, post_at=now)
    return Change(hastened, _event("hastened", version=case.n), hasten=(f"publish:{case.id}",), said="did_post_now")


def posting_starts(case: Case, action: a.PostingStarts, now: datetime, rules: Rules) -> Change:
    return Change(replace(case, state=State.POSTING, post_at=None), _event("posting", version=case.n))


def other_reply(case: Case, action: a.OtherReplyFound, now: datetime, rules: Rules) -> Change:
    back = replace(
        case, state=State.IN_WORK, approvals=(), post_at=None, other_reply=action.reply, replace_agreed=False
    )
    told = f.say(back, rules, "staff", "other_reply", text=action.reply.text)
    return Change(back, _event("other_reply", text=action.reply.text), (told, *_withdrawn(case, rules)))


def already_answered(case: Case, action: a.AlreadyAnswered, now: datetime, rules: Rules) -> Change:
    if case.other_reply is None:
        raise NotAllowed("no_other_reply")
    at = min(max(case.other_reply.at or now, case.round.clock_at), now)
    ended = replace(case, state=State.CLOSED).stage(posted_at=at, visible_at=at, closed_at=now)
    ended = ended.in_round(outcome="answered", satisfied="unknown")
    return Change(ended, _event("closed", outcome="answered", elsewhere=True), said="did_close")


def post_anyway(case: Case, action: a.PostAnyway, now: datetime, rules: Rules) -> Change:
    """Asks an approver, who sees that another official reply stands there."""
    if case.other_reply is None:
        raise NotAllowed("no_other_reply")
    if case.fresh is None:
        raise NotAllowed("no_version")
    _fit(case.fresh.text, rules)
    return Change(_in_approval(case, now), _event("sent", version=case.n, anyway=True), said="did_send")


def posted(case: Case, action: a.ReplyPosted, now: datetime, rules: Rules) -> Change:
    post = action.posted
    visible = post.at if post.visible else None
    reply = Reply(
        case.round.n,
        case.n,
        case.versions[-1].text,
        post.external_id,
        post.at,
        post.url,
        visible,
        verified=True,
    )
    stands = replace(
        case,
        state=State.ANSWERED if post.visible else State.MODERATED,
        replies=(*_replaced(case, rules, now), reply),
        unknown=False,
        page="",
        correcting=False,
        other_reply=None,
        made_room=case.made_room and not post.visible,
        failure="",
    )
    stands = stands.stage(posted_at=post.at, **({"visible_at": visible} if visible else {}))
    event = _event("posted", version=case.n, external_id=post.external_id, url=post.url, read_back=action.read_back)
    return Change(stands, event, (f.watch(stands, now + WATCH_FIRST),))


def _replaced(case: Case, rules: Rules, now: datetime) -> tuple[Reply, ...]:
    """Correcting a reply leaves one standing, as does a platform that keeps one: the earlier text is kept as gone."""
    if rules.card.one_reply:
        return tuple(replace(r, gone_at=r.gone_at or now) for r in case.replies)
    return _newest(case, gone_at=now) if case.correcting else case.replies


def _newest(case: Case, **fields: Any) -> tuple[Reply, ...]:
    """The replies with the newest standing one changed: replies of earlier rounds have a life of their own."""
    return tuple(replace(r, **fields) if r is case.reply else r for r in case.replies)


def refused(case: Case, action: a.PostingRefused, now: datetime, rules: Rules) -> Change:
    failed = replace(case, state=State.FAILED, failure=action.reason, by_moderators=False, unknown=False, post_at=None)
    return Change(failed, _event("refused", version=case.n, reason=action.reason))


def room_made(case: Case, action: a.ReplyDeleted, now: datetime, rules: Rules) -> Change:
    """The old reply went so that the new one can be posted: the case knows that none stands until that is done."""
    bare = case.made_room or case.reply is not None or case.other_reply is not None
    gone = replace(case, replies=_newest(case, gone_at=now), other_reply=None, made_room=bare)
    return Change(gone, _event("reply_deleted"), cancel=(f"watch:{case.id}",), quiet=True)


def no_room(case: Case, action: a.ReplyStays, now: datetime, rules: Rules) -> Change:
    """The old reply stands, so the new one, which waits behind its deletion, is not sent."""
    failed = replace(case, state=State.FAILED, failure=action.reason, by_moderators=False, post_at=None)
    return Change(failed, _event("reply_stays", reason=action.reason), cancel=(f"publish:{case.id}",))


def outcome_unknown(case: Case, action: a.OutcomeUnknown, now: datetime, rules: Rules) -> Change:
    if case.unknown:
        return Change(case, quiet=True)
    return Change(
        replace(case, unknown=True, failure=action.reason),
        _event("unknown", version=case.n, reason=action.reason),
    )


def it_is_published(case: Case, action: a.ItIsPublished, now: datetime, rules: Rules) -> Change:
    if not case.unknown:
        raise NotAllowed("still_posting")
    return replace(_by_hand(case, action.link, now, rules), cancel=(f"publish:{case.id}",))


def it_is_not_published(case: Case, action: a.ItIsNotPublished, now: datetime, rules: Rules) -> Change:
    """A person's word is a definite no, yet posting again is a press of its own."""
    if not case.unknown:
        raise NotAllowed("still_posting")
    failed = replace(case, state=State.FAILED, unknown=False, failure="", by_moderators=False)
    event = _event("not_published", version=case.n)
    return Change(failed, event, cancel=(f"publish:{case.id}",), said="did_not_published")


def posted_by_hand(case: Case, action: a.IPostedIt, now: datetime, rules: Rules) -> Change:
    if case.version is None:
        raise NotAllowed("no_version")
    return _by_hand(case, action.proof, now, rules)


def _by_hand(case: Case, proof: str, now: datetime, rules: Rules) -> Change:
    """Not verified: it rests on a person's word until it is read back."""
    url = proof if proof.startswith(("http://", "https://")) else ""
    reply = Reply(case.round.n, case.n, case.versions[-1].text, "", now, url)
    stands = replace(
        case,
        state=State.ANSWERED,
        replies=(*_replaced(case, rules, now), reply),
        unknown=False,
        page="",
        failure="",
        other_reply=None,
    )
    stands = replace(stands, correcting=False, made_room=False).stage(posted_at=now)
    return Change(
        stands,
        _event("posted_by_hand", version=case.n, proof=proof),
        tuple(_looks(stands, now, rules)),
        said="did_post_by_hand",
    )


def _looks(case: Case, now: datetime, rules: Rules) -> Iterable[Work]:
    """Where no platform can be asked, the page itself is looked at, if it is known."""
    yield f.watch(case, now + WATCH_FIRST)
    if case.reply is not None and case.reply.url and not rules.card.can_look:
        yield f.read_page(case, now + WATCH_FIRST)


def try_again(case: Case, action: a.TryAgain, now: datetime, rules: Rules) -> Change:
    """Only after a definite refusal, and only with the text that its approvers still stand by."""
    if not holds(case, rules) or not rules.card.can_reply:
        raise NotAllowed("not_approved")
    again = replace(case, state=State.APPROVED, failure="", attempt=case.attempt + 1, post_at=now)
    return Change(
        again,
        _event("again", version=case.n, attempt=again.attempt),
        (f.publish(again, now),),
        said="did_try_again",
    )


# public


def visible(case: Case, action: a.BecameVisible, now: datetime, rules: Rules) -> Change:
    if case.reply is None:
        return Change(case, quiet=True)
    seen = _newest(case, visible_at=case.reply.visible_at or action.at, verified=True)
    shown = replace(case, replies=seen, made_room=False).stage(visible_at=action.at)
    if case.state is State.MODERATED:
        shown = replace(shown, state=State.ANSWERED)
    return Change(shown, _event("visible"))


def page_read(case: Case, action: a.PageRead, now: datetime, rules: Rules) -> Change:
    """One more line on what staff have already; a page that shows nothing is no reason to do anything by itself."""
    if case.reply is None or case.reply.url != action.url:
        return Change(case, quiet=True)
    read = replace(case, page=action.shows)
    lines = tuple(f.draw(case, rules, "staff", slot, Prio.COSMETIC) for slot in (f"v{case.n}", "card"))
    if action.shows == "seen":
        seen = _newest(read, visible_at=case.reply.visible_at or now, verified=True)
        return Change(replace(read, replies=seen).stage(visible_at=now), _event("page_seen"), lines, quiet=True)
    if action.shows == "absent":
        return Change(read, _event("page_absent"), lines, quiet=True)
    return Change(read, _event("page_unread", reason=action.shows), lines, quiet=True)


def moderators_refused(case: Case, action: a.ModeratorsRefused, now: datetime, rules: Rules) -> Change:
    """The clock runs on: nothing was ever public."""
    gone = _newest(case, gone_at=now)
    failed = replace(case, state=State.FAILED, replies=gone, failure=action.reason, by_moderators=True)
    failed = failed.in_round(posted_at=None)
    return Change(failed, _event("moderators_refused", reason=action.reason), cancel=(f"watch:{case.id}",))


def edit_reply(case: Case, action: a.EditReply, now: datetime, rules: Rules) -> Change:
    if not _can_correct(case, rules):
        raise NotAllowed("cannot_edit")
    _fit(action.text, rules)
    drafted = _new_version(case, action.text, (action.actor,), "staff", now)
    drafted = replace(drafted, state=State.IN_WORK, owner=case.owner or action.actor, correcting=True)
    return Change(drafted, _event("correcting", version=drafted.n), said="did_write")


def _can_correct(case: Case, rules: Rules) -> bool:
    return case.reply is not None and bool(case.reply.external_id) and rules.card.can_edit


def ask_to_correct(case: Case, action: a.AskToCorrect, now: datetime, rules: Rules) -> Change:
    _required(action.reason)
    back = replace(
        case,
        state=State.IN_WORK,
        reason=action.reason,
        correcting=_can_correct(case, rules),
    )
    back = back.in_round(returns=back.round.returns + 1, return_reasons=(*back.round.return_reasons, action.reason))
    return Change(back, _event("correction_asked", reason=action.reason), said="did_ask_changes")


def delete_reply(case: Case, action: a.DeleteReply, now: datetime, rules: Rules) -> Change:
    if case.reply is None or not rules.card.can_delete or not case.reply.external_id:
        raise NotAllowed("cannot_delete")
    work = f.delete_reply(case, case.reply.external_id)
    return Change(case, _event("deletion_asked"), (work,), said="did_delete")


def reply_deleted(case: Case, action: a.ReplyDeleted, now: datetime, rules: Rules) -> Change:
    """Watched until it is gone: a deletion that the platform refuses leaves a reply that still matters."""
    state = State.IN_WORK if case.state is State.ANSWERED else case.state
    gone = replace(case, state=state, replies=_newest(case, gone_at=now), correcting=False)
    return Change(gone, _event("reply_deleted"), cancel=(f"watch:{case.id}",))


def reply_stays(case: Case, action: a.ReplyStays, now: datetime, rules: Rules) -> Change:
    told = f.say(case, rules, "staff", "reply_stays", owner(case, rules), reason=action.reason)
    return Change(case, _event("reply_stays", reason=action.reason), (told,))


def reply_vanished(case: Case, action: a.ReplyVanished, now: datetime, rules: Rules) -> Change:
    if case.reply is None:
        return Change(case, quiet=True)
    gone = replace(case, replies=_newest(case, gone_at=now), correcting=False)
    told = f.say(case, rules, "staff", "reply_vanished", _called(case, rules), reason=action.reason)
    return Change(gone, _event("reply_vanished"), (told,))


def reply_changed(case: Case, action: a.ReplyChanged, now: datetime, rules: Rules) -> Change:
    """Said once: the changed text is what is watched from now on."""
    if case.reply is None or case.reply.text == action.text:
        return Change(case, quiet=True)
    changed = replace(case, replies=_newest(case, text=action.text))
    told = f.say(case, rules, "staff", "reply_changed", _called(case, rules), text=action.text)
    return Change(changed, _event("reply_changed", text=action.text), (told,))


def _called(case: Case, rules: Rules) -> list[str]:
    return [
        p.key
        for p in rules.people
        if p.of_agency and (p.key == case.owner or p.role == "lead") and p.serves(case.client)
    ]


# the mention changes


def mention_edited(case: Case, action: a.MentionEdited, now: datetime, rules: Rules) -> Change:
    """Before the answer: the difference is shown, approvals are void, the clock stays where it was."""
    seen = {case.mention.fingerprint}
    if case.approvals or case.state is State.IN_APPROVAL:
        seen.add(case.approved_fingerprint)
    _news(seen != {action.mention.fingerprint})
    before = case.before_edit or (case.mention.text, case.mention.rating)
    state = case.state if case.state in (State.NEW, State.IN_WORK) else State.IN_WORK
    edited = replace(
        case,
        state=state,
        mention=case.mention.edited(action.mention),
        before_edit=before,
        approvals=(),
        post_at=None,
        failure="",
    )
    acting = must_act(case, rules)
    called = acting.people if acting.side == "staff" and case.state is not State.NEW else ()
    told = f.say(edited, rules, "staff", "author_edited", called)
    return Change(
        edited,
        _event("mention_edited", text=action.mention.text, rating=action.mention.rating),
        (told, *_withdrawn(case, rules)),
    )


def _news(changed: bool) -> None:
    """The same text and stars reported twice void no approval and begin no round."""
    if not changed:
        raise NotAllowed("not_now")


def mention_noted(case: Case, action: a.MentionEdited, now: datetime, rules: Rules) -> Change:
    """Too late to stop: a reply is on its way. Staff see the difference and decide."""
    _news(action.mention.fingerprint != case.mention.fingerprint)
    before = case.before_edit or (case.mention.text, case.mention.rating)
    edited = replace(case, mention=case.mention.edited(action.mention), before_edit=before)
    told = f.say(edited, rules, "staff", "author_edited", owner(case, rules))
    return Change(edited, _event("mention_edited", text=action.mention.text, rating=action.mention.rating), (told,))


def comes_back(case: Case, action: a.MentionEdited, now: datetime, rules: Rules) -> Change:
    """The author writes again after the end: a new round, nobody has it, its own clock from now."""
    _news(action.mention.fingerprint != case.mention.fingerprint or case.mention_deleted_at is not None)
    before = (case.mention.text, case.mention.rating)
    mention = case.mention.edited(action.mention)
    again = _new_round(case, "author_edited", now)
    again = replace(again, state=State.NEW, owner="", mention=mention, before_edit=before, mention_deleted_at=None)
    told = f.say(again, rules, "staff", "came_back", on_duty(rules))
    return Change(again, _event("came_back", text=action.mention.text, rating=action.mention.rating), (told,))


def reopen(case: Case, action: a.Reopen, now: datetime, rules: Rules) -> Change:
    """The owner changes only by `Take`, `Hand over` and `Escalate`; a case that had none is the presser's."""
    again = replace(_new_round(case, "reopened", now), state=State.IN_WORK, owner=case.owner or action.actor)
    return Change(again.stage(taken_at=now), _event("reopened"), said="did_reopen")


def _new_round(case: Case, why: str, now: datetime) -> Case:
    round_ = Round(case.round.n + 1, clock_at=now, found_at=now, why=why, first_version=case.n + 1)
    return replace(
        case,
        rounds=(*case.rounds, round_),
        approvals=(),
        failure="",
        reason="",
        unknown=False,
        page="",
        other_reply=None,
        replace_agreed=False,
        correcting=False,
        post_at=None,
    )


def mention_deleted(case: Case, action: a.MentionDeleted, now: datetime, rules: Rules) -> Change:
    """Nothing will be posted; what was said is kept."""
    ended = replace(case, state=State.DELETED, approvals=(), post_at=None, mention_deleted_at=now).stage(closed_at=now)
    told = f.say(ended, rules, "staff", "author_deleted")
    return Change(ended, _event("mention_deleted"), (told, *_withdrawn(case, rules, "told_deleted")))


def mention_marked(case: Case, action: a.MentionDeleted, now: datetime, rules: Rules) -> Change:
    if case.mention_deleted_at is not None:
        return Change(case, quiet=True)
    return Change(replace(case, mention_deleted_at=now), _event("mention_deleted"))


# the clock


def warn(case: Case, action: a.Warn, now: datetime, rules: Rules) -> Change:
    """Whether this mark is the one to announce is desk.sla.fires, asked by the timer before."""
    warned = case.in_round(warned=action.mark)
    work = f.warning(case, rules, action.mark, now)
    if action.mark in (TARGET, LIMIT):
        work.append(f.draw(warned, rules, "staff", "card", Prio.COSMETIC))
    return Change(warned, _event("warned", mark=action.mark), tuple(work), quiet=True)
