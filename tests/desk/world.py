"""People, rules and cases that the tests of the domain share, and a short way to play a story with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from desk import actions as a
from desk.case import Case, Round, State
from desk.decide import Decision, decide
from desk.mention import Author, Mention, MentionKey, OfficialReply
from desk.people import Person
from desk.platform import PlatformCard, Posted
from desk.rules import Rules, Step
from desk.work import Work

T0 = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

ANNA = Person("anna", "Anna Staff", "staff", ("acme",))
BORIS = Person("boris", "Boris Staff", "staff", ("*",))
VERA = Person("vera", "Vera Lead", "lead", ("*",))
MILA = Person("mila", "Mila Marketing", "approver", ("acme",))
OLGA = Person("olga", "Olga Owner", "approver", ("acme",))
OLEG = Person("oleg", "Oleg Legal", "approver", ("acme",))
VICTOR = Person("victor", "Victor Viewer", "viewer", ("acme",))
SASHA = Person("sasha", "Sasha Elsewhere", "staff", ("other",))
ALINA = Person("alina", "Alina Elsewhere", "approver", ("other",))
PEOPLE = (ANNA, BORIS, VERA, MILA, OLGA, OLEG, VICTOR, SASHA, ALINA)
AGENCY = (ANNA, BORIS, VERA)
APPROVERS = (MILA, OLGA, OLEG)

CARD = PlatformCard("shop", "Shop Reviews", can_reply=True, can_edit=True, can_delete=True, can_look=True, longest=200)
BY_HAND = PlatformCard("board", "Notice Board")

STEP = (Step(("mila", "olga"), 1),)
TWO_OF_TWO = (Step(("mila", "olga"), 2),)
TWO_STEPS = (Step(("mila", "olga"), 1), Step(("oleg",), 1))


def rules(**changes: Any) -> Rules:
    given: dict[str, Any] = {
        "client": "acme",
        "client_name": "Acme Coffee",
        "brand": "acme-coffee",
        "brand_name": "Acme Coffee",
        "staff_room": "telegram:-1",
        "client_room": "slack:C1",
        "card": CARD,
        "people": PEOPLE,
        "steps": STEP,
        "ai": True,
    }
    return Rules(**{**given, **changes})


RULES = rules()


def mention(text: str = "Cold coffee", **changes: Any) -> Mention:
    given: dict[str, Any] = {
        "key": MentionKey("acme-coffee", "shop", "acme", "r-1"),
        "source": "acme-shop",
        "text": text,
        "rating": 1,
        "url": "https://shop.example/r-1",
        "author": Author("u9", "user_9"),
        "published_at": T0,
    }
    return Mention(**{**given, **changes})


def new_case(**changes: Any) -> Case:
    given: dict[str, Any] = {
        "id": 7,
        "client": "acme",
        "brand": "acme-coffee",
        "mention": mention(),
        "found_at": T0,
        "rounds": (Round(1, clock_at=T0, found_at=T0, first_version=1),),
    }
    return Case(**{**given, **changes})


class Story:
    """A case to which things happen, one second apart."""

    def __init__(self, rules_: Rules = RULES, case: Case | None = None, now: datetime = T0 + MINUTE) -> None:
        self.rules, self.now = rules_, now
        self.case = case if case is not None else new_case()
        self.decision = Decision(self.case, ())

    def do(self, *actions: a.Action | Callable[[Case], a.Action]) -> Decision:
        for action in actions:
            self.now += SECOND
            made = action if isinstance(action, a.Action) else action(self.case)
            self.decision = decide(self.case, made, self.now, self.rules)
            self.case = self.decision.case
        return self.decision

    def to(self, state: State) -> Story:
        """Lead the case there by the shortest way."""
        self.do(*PATHS[state])
        assert self.case.state is state
        return self

    def works(self, kind: str) -> list[Work]:
        return [w for w in self.decision.work if w.kind == kind]

    def told(self, side: str) -> list[str]:
        """Keys of the short messages that the last decision sends to one side."""
        return [w.payload["key"] for w in self.works("say") if w.payload["side"] == side]

    def called(self, key: str) -> list[str]:
        return next(w.payload["mention"] for w in self.works("say") if w.payload["key"] == key)


def at(state: State, **changes: Any) -> Story:
    """A story whose case is in that state; MANUAL on a platform without a reply API."""
    return Story(rules(**{**({"card": BY_HAND} if state is State.MANUAL else {}), **changes})).to(state)


def posted(id_: str = "p1", when: datetime = T0 + HOUR, visible: bool = True) -> a.ReplyPosted:
    return a.ReplyPosted(posted=Posted(id_, when, "https://shop.example/r-1#p1", visible))


def edited(text: str = "Cold coffee, and rude", **changes: Any) -> a.MentionEdited:
    return a.MentionEdited(mention=mention(text, **changes))


def other(text: str = "We are sorry - HQ") -> a.OtherReplyFound:
    return a.OtherReplyFound(reply=OfficialReply("hq", text, T0 + 30 * SECOND))


Maker = Callable[[Case], a.Action]

_WRITE: Maker = lambda c: a.WriteReply(who=ANNA, text=f"Sorry {c.n + 1}")  # noqa: E731
_SEND: Maker = lambda c: a.SendToClient(who=ANNA, version=c.n)  # noqa: E731
_APPROVE: Maker = lambda c: a.Approve(who=MILA, version=c.n)  # noqa: E731

PATHS: dict[State, tuple[a.Action | Maker, ...]] = {
    State.NEW: (),
    State.IN_WORK: (_WRITE,),
    State.IN_APPROVAL: (_WRITE, _SEND),
    State.APPROVED: (_WRITE, _SEND, _APPROVE),
    State.MANUAL: (_WRITE, _SEND, _APPROVE),
    State.POSTING: (_WRITE, _SEND, _APPROVE, a.PostingStarts()),
    State.MODERATED: (_WRITE, _SEND, _APPROVE, a.PostingStarts(), posted(visible=False)),
    State.ANSWERED: (_WRITE, _SEND, _APPROVE, a.PostingStarts(), posted()),
    State.FAILED: (_WRITE, _SEND, _APPROVE, a.PostingStarts(), a.PostingRefused(reason="no links")),
    State.CLOSED: (_WRITE, a.Close(who=ANNA, outcome="contacted")),
    State.DISMISSED: (a.Dismiss(who=ANNA, why="spam"),),
    State.DELETED: (a.MentionDeleted(),),
}

SAMPLES: dict[type[a.Action], Maker] = {
    a.Take: lambda c: a.Take(who=ANNA),
    a.WriteReply: _WRITE,
    a.SuggestReply: lambda c: a.SuggestReply(who=ANNA, version=c.n),
    a.Suggested: lambda c: a.Suggested(who=ANNA, text="Suggested words"),
    a.SuggestionFailed: lambda c: a.SuggestionFailed(who=ANNA, reason="no budget"),
    a.SendToClient: _SEND,
    a.TellClient: lambda c: a.TellClient(who=ANNA, text="We are on it"),
    a.Note: lambda c: a.Note(who=ANNA, text="a note for staff"),
    a.Dismiss: lambda c: a.Dismiss(who=ANNA, why="spam", text="free text of staff"),
    a.Close: lambda c: a.Close(who=ANNA, outcome="not_answered", reason="reason of staff"),
    a.Escalate: lambda c: a.Escalate(who=ANNA, to=VERA),
    a.HandOver: lambda c: a.HandOver(who=ANNA, to=BORIS),
    a.TakeBack: lambda c: a.TakeBack(who=ANNA, version=c.n),
    a.Approve: _APPROVE,
    a.ClientEdit: lambda c: a.ClientEdit(who=MILA, version=c.n, text="Our own words"),
    a.AskForChanges: lambda c: a.AskForChanges(who=MILA, version=c.n, reason="warmer"),
    a.DoNotReply: lambda c: a.DoNotReply(who=MILA, version=c.n, reason="let it rest"),
    a.AskToCorrect: lambda c: a.AskToCorrect(who=MILA, version=c.n, reason="a typo"),
    a.Undo: lambda c: a.Undo(who=ANNA, version=c.n),
    a.PostNow: lambda c: a.PostNow(who=ANNA, version=c.n),
    a.ItIsPublished: lambda c: a.ItIsPublished(who=ANNA, version=c.n, link="https://shop.example/r-1#p1"),
    a.ItIsNotPublished: lambda c: a.ItIsNotPublished(who=ANNA, version=c.n),
    a.IPostedIt: lambda c: a.IPostedIt(who=ANNA, version=c.n, proof="shot.png"),
    a.TryAgain: lambda c: a.TryAgain(who=ANNA, version=c.n),
    a.EditReply: lambda c: a.EditReply(who=ANNA, version=c.n, text="Corrected words"),
    a.DeleteReply: lambda c: a.DeleteReply(who=ANNA, version=c.n),
    a.Reopen: lambda c: a.Reopen(who=ANNA),
    a.AlreadyAnswered: lambda c: a.AlreadyAnswered(who=ANNA),
    a.PostAnyway: lambda c: a.PostAnyway(who=ANNA, version=c.n),
    a.Carded: lambda c: a.Carded(),
    a.Warn: lambda c: a.Warn(mark="50"),
    a.MentionEdited: lambda c: edited(),
    a.MentionDeleted: lambda c: a.MentionDeleted(),
    a.OtherReplyFound: lambda c: other(),
    a.PostingStarts: lambda c: a.PostingStarts(),
    a.ReplyPosted: lambda c: posted(),
    a.PostingRefused: lambda c: a.PostingRefused(reason="no links"),
    a.OutcomeUnknown: lambda c: a.OutcomeUnknown(reason="timed out"),
    a.BecameVisible: lambda c: a.BecameVisible(at=T0 + 2 * HOUR),
    a.PageRead: lambda c: a.PageRead(url=c.reply.url if c.reply else "", shows="absent"),
    a.ModeratorsRefused: lambda c: a.ModeratorsRefused(reason="rude"),
    a.ReplyVanished: lambda c: a.ReplyVanished(),
    a.ReplyChanged: lambda c: a.ReplyChanged(text="somebody else's words"),
    a.ReplyDeleted: lambda c: a.ReplyDeleted(),
    a.ReplyStays: lambda c: a.ReplyStays(reason="too late"),
}
"""One sensible instance of every action, by somebody who may."""


def sample(kind: type[a.Action], case: Case, **changes: Any) -> a.Action:
    return replace(SAMPLES[kind](case), **changes)
