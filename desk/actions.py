"""What a person, the clock or a platform may ask of a case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from desk.mention import Mention, OfficialReply
from desk.people import Person
from desk.platform import Posted

OUTCOMES = ("answered", "contacted", "removed", "process_changed", "not_answered")
SATISFIED = ("yes", "no", "unknown")
DISMISSALS = ("not_about_us", "not_negative", "spam", "duplicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`who` is None for the desk itself. `version` is the one on the message pressed; None: not bound to one."""

    who: Person | None = None
    version: int | None = None

    @property
    def actor(self) -> str:
        return self.who.key if self.who else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReply(Action):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestReply(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggested(Action):
    """The drafter's answer; `who` is the person who asked for it and so becomes an author too."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionFailed(Action):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToClient(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TellClient(Action):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Action):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismiss(Action):
    why: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Action):
    outcome: str
    satisfied: str = "unknown"
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate(Action):
    to: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver(Action):
    to: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEdit(Action):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskForChanges(Action):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoNotReply(Action):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskToCorrect(Action):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PostNow(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ItIsPublished(Action):
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItIsNotPublished(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IPostedIt(Action):
    """`proof` is a link, or the name of a picture; optional."""

    proof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EditReply(Action):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteReply(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyAnswered(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PostAnyway(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Carded(Action):
    """The card stands in the staff's room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn(Action):
    """A mark of the clock has come (desk.sla)."""

    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionEdited(Action):
    mention: Mention


@dataclass(frozen=True, slots=True, kw_only=True)
class MentionDeleted(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherReplyFound(Action):
    reply: OfficialReply


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingStarts(Action): ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPosted(Action):
    """The platform accepted the text. `read_back`: it was seen among our replies rather than only reported."""

    posted: Posted
    read_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingRefused(Action):
    """A definite no: nothing was published."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown(Action):
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameVisible(Action):
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRead(Action):
    """The page that a person named as that of their reply. `shows`: "seen", "absent", or why it could not be read."""

    url: str
    shows: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeratorsRefused(Action):
    """`reason`: as the platform told it, "" where it tells none."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyVanished(Action):
    """`reason`: of the moderators who took it down, where they told one."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyChanged(Action):
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDeleted(Action):
    """Our reply was removed on our own wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStays(Action):
    """The platform would not delete our reply."""

    reason: str
