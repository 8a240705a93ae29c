"""What each button asks for, and the action it makes. Slack shows a form as a modal, Telegram field by field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from desk import actions as a
from desk.case import Case
from desk.errors import NotAllowed
from desk.people import Person
from desk.rules import Rules

Answers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """`options` of a choice are words keys `option_<name>`; a person field offers the agency's people.

    `when`: asked only if true of the answers so far. `current`: starts from the newest version's text.
    """

    name: str
    kind: Literal["choice", "person", "text"]
    options: tuple[str, ...] = ()
    required: bool = True
    current: bool = False
    when: Callable[[Answers], bool] = lambda answers: True


@dataclass(frozen=True, slots=True)
class Press:
    """A button: `kind` is the action it leads to, `make` builds it from complete answers."""

    kind: type[a.Action]
    make: Callable[[Person, int | None, Answers, Rules], a.Action]
    fields: tuple[Field, ...] = ()


def _person(rules: Rules, key: str) -> Person:
    person = rules.person(key)
    if person is None:
        raise NotAllowed("nobody_chosen")
    return person


_REASON = Field("reason", "text")

PRESSES: dict[str, Press] = {
    "take": Press(a.Take, lambda who, v, _, r: a.Take(who=who)),
    "write": Press(
        a.WriteReply, lambda who, v, x, r: a.WriteReply(who=who, text=x["text"]), (Field("text", "text", current=True),)
    ),
    "suggest": Press(a.SuggestReply, lambda who, v, _, r: a.SuggestReply(who=who, version=v)),
    "send": Press(a.SendToClient, lambda who, v, _, r: a.SendToClient(who=who, version=v)),
    "dismiss": Press(
        a.Dismiss,
        lambda who, v, x, r: a.Dismiss(who=who, why=x["why"], text=x.get("text", "")),
        (Field("why", "choice", a.DISMISSALS), Field("text", "text", required=False)),
    ),
    "close": Press(
        a.Close,
        lambda who, v, x, r: a.Close(
            who=who, outcome=x["outcome"], satisfied=x.get("satisfied", "unknown"), reason=x.get("reason", "")
        ),
        (
            Field("outcome", "choice", a.OUTCOMES),
            Field("satisfied", "choice", a.SATISFIED),
            Field("reason", "text", when=lambda x: x.get("outcome") == "not_answered"),
        ),
    ),
    "escalate": Press(
        a.Escalate, lambda who, v, x, r: a.Escalate(who=who, to=_person(r, x["to"])), (Field("to", "person"),)
    ),
    "handover": Press(
        a.HandOver, lambda who, v, x, r: a.HandOver(who=who, to=_person(r, x["to"])), (Field("to", "person"),)
    ),
    "takeback": Press(a.TakeBack, lambda who, v, _, r: a.TakeBack(who=who, version=v)),
    "undo": Press(a.Undo, lambda who, v, _, r: a.Undo(who=who, version=v)),
    "postnow": Press(a.PostNow, lambda who, v, _, r: a.PostNow(who=who, version=v)),
    "published": Press(
        a.ItIsPublished,
        lambda who, v, x, r: a.ItIsPublished(who=who, version=v, link=x.get("link", "")),
        (Field("link", "text", required=False),),
    ),
    "notpublished": Press(a.ItIsNotPublished, lambda who, v, _, r: a.ItIsNotPublished(who=who, version=v)),
    "posted": Press(
        a.IPostedIt,
        lambda who, v, x, r: a.IPostedIt(who=who, version=v, proof=x.get("proof", "")),
        (Field("proof", "text", required=False),),
    ),
    "again": Press(a.TryAgain, lambda who, v, _, r: a.TryAgain(who=who, version=v)),
    "editreply": Press(
        a.EditReply,
        lambda who, v, x, r: a.EditReply(who=who, version=v, text=x["text"]),
        (Field("text", "text", current=True),),
    ),
    "delreply": Press(
        a.DeleteReply,
        lambda who, v, _, r: a.DeleteReply(who=who, version=v),
        (Field("sure", "choice", ("yes_delete",)),),
    ),
    "reopen": Press(a.Reopen, lambda who, v, _, r: a.Reopen(who=who)),
    "already": Press(a.AlreadyAnswered, lambda who, v, _, r: a.AlreadyAnswered(who=who)),
    "anyway": Press(a.PostAnyway, lambda who, v, _, r: a.PostAnyway(who=who, version=v)),
    "approve": Press(a.Approve, lambda who, v, _, r: a.Approve(who=who, version=v)),
    "edit": Press(
        a.ClientEdit,
        lambda who, v, x, r: a.ClientEdit(who=who, version=v, text=x["text"]),
        (Field("text", "text", current=True),),
    ),
    "changes": Press(
        a.AskForChanges, lambda who, v, x, r: a.AskForChanges(who=who, version=v, reason=x["reason"]), (_REASON,)
    ),
    "decline": Press(
        a.DoNotReply, lambda who, v, x, r: a.DoNotReply(who=who, version=v, reason=x["reason"]), (_REASON,)
    ),
    "correct": Press(
        a.AskToCorrect, lambda who, v, x, r: a.AskToCorrect(who=who, version=v, reason=x["reason"]), (_REASON,)
    ),
}


def missing(action: str, answers: Answers) -> Field | None:
    """The next field to ask for; None when the action can be made. An answered optional field may be ""."""
    asked = (f for f in PRESSES[action].fields if f.when(answers) and f.name not in answers)
    return next(asked, None)


def make(action: str, who: Person, version: int | None, answers: Answers, rules: Rules) -> a.Action:
    """Raises NotAllowed for a choice that was never offered (a forged press) or an empty required text."""
    press = PRESSES.get(action)
    if press is None:
        raise NotAllowed("unknown_button")
    for field in press.fields:
        if field.when(answers):
            _check(field, answers.get(field.name, ""))
    return press.make(who, version, answers, rules)


def _check(field: Field, answer: str) -> None:
    if field.kind == "choice" and answer not in field.options:
        raise NotAllowed("unknown_choice")
    if field.required and not answer.strip():
        raise NotAllowed(_NEEDED.get(field.name, "text_empty"))


_NEEDED = {"reason": "reason_needed", "to": "nobody_chosen"}


def initial(field: Field, case: Case) -> str:
    return case.version.text if field.current and case.version is not None else ""
