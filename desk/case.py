"""The case: one mention people work on, from discovery to its end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from desk.mention import Mention, OfficialReply
from desk.rules import Rules, Step

Origin = Literal["staff", "ai", "client"]


class State(StrEnum):
    NEW = "new"
    IN_WORK = "in_work"
    IN_APPROVAL = "in_approval"
    APPROVED = "approved"
    POSTING = "posting"
    MANUAL = "manual"
    MODERATED = "moderated"
    ANSWERED = "answered"
    FAILED = "failed"
    CLOSED = "closed"
    DISMISSED = "dismissed"
    DELETED = "deleted"


FINISHED = frozenset({State.CLOSED, State.DISMISSED, State.DELETED})
UNANSWERED = frozenset(
    {State.NEW, State.IN_WORK, State.IN_APPROVAL, State.APPROVED, State.POSTING, State.MANUAL, State.FAILED}
)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a case, once and for good. `actor` is a person's key, "" for the desk itself."""

    kind: str
    at: datetime
    actor: str = ""
    round: int = 1
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Version:
    """One text of a reply. Numbered per case from 1, never reused, never changed."""

    n: int
    text: str
    authors: tuple[str, ...]
    origin: Origin
    at: datetime

    def bars(self, person: str) -> bool:
        """Nobody approves a text they wrote, save an approver of the client their own edit (contract §4)."""
        return person in self.authors and self.origin != "client"


@dataclass(frozen=True, slots=True)
class Approval:
    version: int
    step: int
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Round:
    """One run of the clock. A stage's time is that of its first occurrence in the round; None: not yet."""

    n: int
    clock_at: datetime
    found_at: datetime
    clock_note: str = ""
    why: str = "found"
    carded_at: datetime | None = None
    taken_at: datetime | None = None
    drafted_at: datetime | None = None
    sent_at: datetime | None = None
    approved_at: datetime | None = None
    posted_at: datetime | None = None
    visible_at: datetime | None = None
    closed_at: datetime | None = None
    warned: str = ""
    returns: int = 0
    return_reasons: tuple[str, ...] = ()
    outcome: str = ""
    satisfied: str = ""
    first_version: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What stands on the platform in the brand's name. `verified`: it was read back, not only reported."""

    round: int
    version: int
    text: str
    external_id: str
    posted_at: datetime
    url: str = ""
    visible_at: datetime | None = None
    verified: bool = False
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """The whole of a case as it is now; only `desk.decide` makes a changed one.

    `sent`: the version the client last saw. `approved_fingerprint`: the mention's text and stars the approvers saw.
    `correcting`: a reply of ours stands and the next text replaces it. `other_reply`: an official reply that is not
    ours; `replace_agreed`: an approver agreed to post although it is there. `made_room`: a reply that stood was deleted
    for one that is not shown yet.
    `unknown`: the outcome of posting could not be read, staff are asked. `failure`: why it was not posted;
    `by_moderators`: that was the word of the platform's moderators, who may have given no reason. `post_at`: when the
    undo window ends.
    `page`: what the page of a reply posted by hand showed (desk.actions.PageRead), "" while nobody looked.
    `before_edit`: text and stars before the author changed them, until somebody acts. `last`: the newest event that
    changed what people see, so never a note.
    """

    id: int
    client: str
    brand: str
    mention: Mention
    found_at: datetime
    state: State = State.NEW
    owner: str = ""
    to_check: bool = False
    rounds: tuple[Round, ...] = ()
    versions: tuple[Version, ...] = ()
    approvals: tuple[Approval, ...] = ()
    replies: tuple[Reply, ...] = ()
    sent: int = 0
    client_open: bool = False
    approved_fingerprint: str = ""
    correcting: bool = False
    other_reply: OfficialReply | None = None
    replace_agreed: bool = False
    made_room: bool = False
    unknown: bool = False
    attempt: int = 0
    failure: str = ""
    by_moderators: bool = False
    before_edit: tuple[str, int | None] | None = None
    mention_deleted_at: datetime | None = None
    reason: str = ""
    thinking: bool = False
    page: str = ""
    post_at: datetime | None = None
    last: Event | None = None
    lock: int = 0

    @property
    def round(self) -> Round:
        return self.rounds[-1]

    @property
    def version(self) -> Version | None:
        return self.versions[-1] if self.versions else None

    @property
    def n(self) -> int:
        """Number of the newest version, 0 while there is none."""
        return self.versions[-1].n if self.versions else 0

    @property
    def fresh(self) -> Version | None:
        """The newest version of this round; texts of earlier rounds answer something else."""
        return self.version if self.n >= self.round.first_version else None

    @property
    def reply(self) -> Reply | None:
        """Our reply that stands on the platform, as far as the desk knows."""
        return next((r for r in reversed(self.replies) if r.gone_at is None), None)

    def stage(self, **times: Any) -> Case:
        """The case with stage times set in its round, those already known kept: a stage is its first occurrence."""
        fresh = {k: v for k, v in times.items() if getattr(self.round, k) is None}
        return self.in_round(**fresh)

    def in_round(self, **fields: Any) -> Case:
        return replace(self, rounds=(*self.rounds[:-1], replace(self.round, **fields)))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a version is approved: the open step's number (None: all done), what it lacks, who may still press."""

    step: int | None
    lacks: int = 0
    who: tuple[str, ...] = ()
    given: tuple[Approval, ...] = field(default=())


def progress(case: Case, rules: Rules) -> Progress:
    """Where the newest version stands among the steps of approval."""
    given = tuple(a for a in case.approvals if a.version == case.n)
    for number, step in enumerate(rules.approval):
        got = _got(given, number, step)
        if len(got) < step.need:
            return Progress(number, step.need - len(got), tuple(k for k in step.who if k not in got), given)
    return Progress(None, given=given)


def holds(case: Case, rules: Rules) -> bool:
    """All steps stand by the newest version, and it answers the mention as it is now."""
    return progress(case, rules).step is None and case.approved_fingerprint == case.mention.fingerprint


def _got(given: tuple[Approval, ...], number: int, step: Step) -> set[str]:
    return {a.person for a in given if a.step == number and a.person in step.who}
