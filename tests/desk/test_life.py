"""Whatever people, platforms and clocks do in whatever order, the promises of contract §4 hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import desk.acting
import desk.case
import desk.decide
import desk.steps
from desk import actions as a
from desk import follow as f
from desk.acting import approvers, must_act
from desk.case import FINISHED, Case, State, progress
from desk.decide import TABLE, Decision, admits, decide
from desk.errors import NotAllowed
from desk.forms import PRESSES
from desk.people import Person
from desk.rules import Rules, Step
from desk.sla import fires, marks, ticking
from desk.view import Scene, buttons, draw, newest_slot
from desk.work import Work
from tests.desk import world as w

STEPS: dict[str, tuple[Step, ...]] = {
    "any approver": (),
    "one of two": w.STEP,
    "two of two": w.TWO_OF_TWO,
    "two steps": w.TWO_STEPS,
    "one person in both steps": (Step(("mila",), 1), Step(("mila", "oleg"), 1)),
    "a step names somebody unknown": (Step(("ghost", "mila"), 1),),
    "nobody known": (Step(("ghost",), 1),),
}
STAGES = ("carded_at", "taken_at", "drafted_at", "sent_at", "approved_at", "posted_at", "visible_at", "closed_at")
UNANSWERED = {State.NEW, State.IN_WORK, State.IN_APPROVAL, State.APPROVED, State.MANUAL, State.FAILED}

WRITES = {a.WriteReply: "staff", a.EditReply: "staff", a.Suggested: "ai", a.ClientEdit: "client"}
EITHERS = {a.Undo, a.PostNow}
CLIENTS = {a.Approve, a.ClientEdit, a.AskForChanges, a.DoNotReply, a.AskToCorrect, *EITHERS}
VOIDS = {
    *WRITES, a.SendToClient, a.PostAnyway, a.AskForChanges, a.DoNotReply, a.TakeBack, a.Undo, a.AskToCorrect,
    a.OtherReplyFound, a.Reopen,
}  # fmt: skip
"""After these an approval given before is worth nothing."""


WAYS_ON: dict[State, tuple[type[a.Action], ...]] = {
    State.NEW: (a.WriteReply, a.Take),
    State.IN_WORK: (a.SendToClient, a.SendToClient, a.WriteReply, a.PostAnyway, a.SuggestReply),
    State.IN_APPROVAL: (a.Approve, a.Approve, a.Approve, a.ClientEdit),
    State.POSTING: (a.ItIsNotPublished, a.ItIsPublished),
    State.MANUAL: (a.IPostedIt,),
    State.FAILED: (a.TryAgain, a.TryAgain, a.WriteReply, a.IPostedIt),
    State.ANSWERED: (a.DeleteReply, a.EditReply, a.AskToCorrect, a.Close),
    **dict.fromkeys(FINISHED, (a.Reopen,)),
}
Choose = Callable[[Sequence[Any]], Any]


def _first(options: Sequence[Any]) -> Any:
    return options[0]


def _by_chance(data: st.DataObject) -> Choose:
    return lambda options: data.draw(st.sampled_from(options))


@dataclass
class Queued:
    work: Work
    state: str = "ready"  # ready, running, parked, done, cancelled
    took: bool = False


@dataclass
class Agreed:
    """An approval that became complete: of which text, for which mention, and what posting it came to."""

    version: int
    text: str
    fingerprint: str
    attempts: list[str] = field(default_factory=list)


@dataclass
class Ledger:
    """What an onlooker writes down of the texts and presses, without asking the desk what it makes of them."""

    texts: dict[int, tuple[str, tuple[str, ...], str]] = field(default_factory=dict)
    presses: list[str] = field(default_factory=list)
    agreed: Agreed | None = None

    def written(self, case: Case, action: Any) -> None:
        authors = ("ai", action.actor) if isinstance(action, a.Suggested) else (action.actor,)
        self.texts[max(self.texts, default=0) + 1] = (action.text, authors, WRITES[type(action)])

    def void(self) -> None:
        self.presses, self.agreed = [], None

    def complete(self, rules: Rules) -> bool:
        """Walk the presses in the order they came through the steps in theirs."""
        waiting = list(rules.steps) or [Step(tuple(p.key for p in w.APPROVERS))]
        got: set[str] = set()
        for person in self.presses:
            if waiting and person in waiting[0].who:
                got.add(person)
                if len(got) >= waiting[0].need:
                    waiting.pop(0)
                    got = set()
        return not waiting


REACHED: set[State] = set()
"""States that any life came to."""


class Life(RuleBasedStateMachine):
    @initialize(
        steps=st.sampled_from(sorted(STEPS)),
        card=st.sampled_from(
            [
                w.CARD,
                w.CARD,
                replace(w.CARD, one_reply=True),
                replace(w.CARD, can_edit=False, can_delete=False),
                w.BY_HAND,
            ]
        ),
        undo=st.sampled_from([timedelta(), timedelta(seconds=60)]),
        head_start=st.integers(0, 9),
    )
    def begin(self, steps: str, card: Any, undo: timedelta, head_start: int) -> None:
        self.terms = w.rules(steps=STEPS[steps], card=card, undo=undo)
        self.now = w.T0 + w.SECOND
        self.case = w.new_case()
        self.rows: list[Queued] = []
        self.idems: set[str] = set()
        self.ledger = Ledger()
        self.count = 0
        self._enqueue(f.opening(self.case, self.terms, self.now))
        for _ in range(head_start):
            self._go_on(_first)

    # people

    @rule(data=st.data())
    def somebody_presses_a_button(self, data: st.DataObject) -> None:
        side = data.draw(st.sampled_from(f.SIDES))
        shown = [b for row in buttons(Scene(self.case, self.terms, self.now), side) for b in row if b.action != "open"]
        if not shown:
            return
        kind = PRESSES[data.draw(st.sampled_from(shown)).action].kind
        here = w.AGENCY if side == "staff" else w.APPROVERS
        who = data.draw(st.sampled_from(w.PEOPLE if data.draw(st.integers(0, 2)) == 0 else here))
        self._try(self._made(kind, who, self.case.n))

    @rule(data=st.data())
    def staff_type(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from([a.WriteReply, a.WriteReply, a.Note, a.TellClient]))
        self._try(self._made(kind, data.draw(st.sampled_from(w.AGENCY)), None))

    @rule(data=st.data())
    def anybody_tries_anything(self, data: st.DataObject) -> None:
        now = [kind for state, kind in TABLE if state is self.case.state]
        anything = now if data.draw(st.booleans()) else list(w.SAMPLES)
        kind = data.draw(st.sampled_from([k for k in anything if w.SAMPLES[k](self.case).who]))
        version = data.draw(st.sampled_from([None, self.case.n, self.case.n - 1]))
        self._try(self._made(kind, data.draw(st.sampled_from(w.PEOPLE)), version))

    def _made(self, kind: type[a.Action], who: Person, version: int | None) -> a.Action:
        self.count += 1
        changes: dict[str, Any] = {"who": who, "version": version}
        if kind in WRITES:
            changes["text"] = f"text {self.count}"
        return w.sample(kind, self.case, **changes)

    def _try(self, action: a.Action) -> None:
        if isinstance(action, a.Suggested | a.SuggestionFailed):
            return
        try:
            decision = decide(self.case, action, self.now, self.terms)
        except NotAllowed:
            return
        assert action.version in (None, self.case.n), "a stale press did something"
        assert action.who is not None
        assert action.who.serves("acme")
        agency = action.who.role in ("staff", "lead")
        assert agency or type(action) in CLIENTS, f"{action.who.role} did what staff do"
        assert not agency or type(action) not in CLIENTS - EITHERS, f"{action.who.role} did what clients do"
        assert action.who.role != "viewer", "viewer did something"
        self._settle(action, decision)

    # the way it mostly goes, so that the far ends of the table are reached

    @rule(data=st.data(), often=st.integers(1, 6))
    def work_goes_on(self, data: st.DataObject, often: int) -> None:
        for _ in range(often):
            self._go_on(_by_chance(data))

    def _go_on(self, choose: Choose) -> None:
        if self.case.state in (State.APPROVED, State.POSTING) and not self.case.unknown:
            self.now = max(self.now, self.case.post_at or self.now)
            self._run_all("publish", choose)
        elif self.case.state is State.MODERATED:
            self._run_all("watch", choose)
        else:
            bare = self.case.state is State.IN_WORK and self.case.fresh is None
            kind = a.WriteReply if bare else choose(WAYS_ON[self.case.state])
            able = approvers(self.case, self.terms) or [p.key for p in w.APPROVERS]
            client = kind in (a.Approve, a.ClientEdit, a.AskToCorrect)
            who = self.terms.person(choose(able)) if client else choose(w.AGENCY)
            assert who is not None
            self._try(self._made(kind, who, self.case.n))

    @rule(data=st.data())
    def the_reply_is_looked_at(self, data: st.DataObject) -> None:
        self._run_all("watch", _by_chance(data))

    def _run_all(self, kind: str, choose: Choose) -> None:
        for row in [r for r in self.rows if r.work.kind == kind and r.state in ("ready", "running")]:
            self.RUNNERS[kind](self, row, choose)

    # the desk's own

    @rule(data=st.data())
    def the_desk_works(self, data: st.DataObject) -> None:
        due = [r for r in self.rows if r.state == "running" or (r.state == "ready" and self._due(r.work))]
        waiting = [r for r in due if r.work.kind in self.RUNNERS]
        if waiting:
            row = data.draw(st.sampled_from(waiting))
            self.RUNNERS[row.work.kind](self, row, _by_chance(data))

    def _due(self, work: Work) -> bool:
        return work.run_at is None or work.run_at <= self.now

    def _publish(self, row: Queued, choose: Choose) -> None:
        if row.state == "running":
            self._platform_answers(row, choose)
            return
        row.state = "done"
        here = (self.case.n, self.case.attempt) == (row.work.payload["version"], row.work.payload["attempt"])
        if self.case.state is not State.APPROVED or not here:
            return
        if progress(self.case, self.terms).step is not None:
            self._desk(a.PostingRefused(reason="its approval does not hold any more"))
            return
        self.count += 1
        against = [w.edited(f"edited {self.count}"), w.other(f"HQ {self.count}"), a.PostingRefused(reason="no login")]
        found = choose([None, None, None, None, *against])
        if found is not None:
            self._desk(found)
            return
        self._check_publishing()
        row.state = "running"
        self._desk(a.PostingStarts())

    def _check_publishing(self) -> None:
        agreed = self.ledger.agreed
        assert agreed is not None, "published without an approval"
        assert self.case.versions[-1].text == agreed.text == self.ledger.texts[agreed.version][0]
        assert self.case.mention.fingerprint == agreed.fingerprint, "approved for another text of the mention"
        assert agreed.attempts[-1:] in ([], ["refused"]), f"a second attempt after {agreed.attempts}"
        agreed.attempts.append("open")

    def _platform_answers(self, row: Queued, choose: Choose) -> None:
        answer = choose(["visible", "moderated", "refused", "lost after", "lost before"])
        if answer.startswith("lost"):
            row.state, row.took = "parked", answer == "lost after"
            self._desk(a.OutcomeUnknown(reason="timed out"))
            return
        row.state = "done"
        if answer == "refused":
            self._desk(a.PostingRefused(reason="no links"))
        else:
            self.count += 1
            self._desk(w.posted(f"p{self.count}", self.now, answer == "visible"))

    @rule()
    def the_platform_can_be_read_again(self) -> None:
        for row in self.rows:
            if row.state == "parked" and row.took:
                row.state = "done"
                self._desk(w.posted("found", self.now))
            elif row.state == "parked":
                row.state = "running"

    def _watch(self, row: Queued, choose: Choose) -> None:
        row.state = "done"
        seen: list[a.Action | None] = [a.BecameVisible(at=self.now), None, None]
        if self.case.reply is not None and self.case.reply.visible_at is not None:
            self.count += 1
            seen += [a.ReplyVanished(), a.ReplyChanged(text=f"changed {self.count}")]
        if self.case.state is State.MODERATED:
            seen = [a.BecameVisible(at=self.now), a.ModeratorsRefused(reason="rude"), None]
        action = choose(seen)
        if action is not None:
            self._desk(action)
        if self.case.reply is not None and self.case.state is not State.FAILED:
            self._enqueue([f.watch(self.case, self.now + w.HOUR, row.work.payload["turn"] + 1)])

    def _warn(self, row: Queued, choose: Choose) -> None:
        row.state = "done"
        mark, round_ = row.work.payload["mark"], row.work.payload["round"]
        if self.case.round.n == round_ and fires(self.case, mark, self.terms.sla, self.now):
            self._desk(a.Warn(mark=mark))

    def _suggest(self, row: Queued, choose: Choose) -> None:
        row.state = "done"
        who = self.terms.person(row.work.payload["person"])
        self.count += 1
        overtaken = self.case.n != row.work.payload["version"]
        failed = a.SuggestionFailed(who=who, reason="overtaken")
        self._desk(failed if overtaken else choose([a.Suggested(who=who, text=f"text {self.count}"), failed]))

    def _delete_reply(self, row: Queued, choose: Choose) -> None:
        row.state = "done"
        self._desk(choose([a.ReplyDeleted(), a.ReplyStays(reason="too late")]))

    RUNNERS: ClassVar[dict[str, Callable[..., None]]] = {
        "publish": _publish, "watch": _watch, "warn": _warn, "suggest": _suggest, "delete_reply": _delete_reply,
    }  # fmt: skip

    @rule(data=st.data())
    def the_author_acts(self, data: st.DataObject) -> None:
        self.count += 1
        same = w.edited(self.case.mention.text)
        deleted = a.MentionDeleted() if data.draw(st.integers(0, 3)) == 0 else same
        self._desk(data.draw(st.sampled_from([w.edited(f"edited {self.count}"), same, deleted])))

    @rule(length=st.sampled_from([w.SECOND, 30 * w.SECOND, 61 * w.SECOND, 40 * w.MINUTE, 25 * w.HOUR]))
    def time_passes(self, length: timedelta) -> None:
        self.now += length

    @rule(steps=st.sampled_from(sorted(STEPS)), really=st.integers(0, 3))
    def the_steps_of_approval_change(self, steps: str, really: int) -> None:
        if really == 0:
            self.terms = replace(self.terms, steps=STEPS[steps])

    def _desk(self, action: a.Action) -> None:
        """As the desk's jobs do: a state that has no use for it drops it."""
        try:
            decision = decide(self.case, action, self.now, self.terms)
        except NotAllowed:
            return
        self._settle(action, decision)

    # what a decision must keep

    def _settle(self, action: a.Action, decision: Decision) -> None:
        old, new = self.case, decision.case
        assert new.state in TABLE[old.state, type(action)].to, f"{old.state} {action} gave {new.state}"
        assert not set(decision.cancel) & {x.group for x in decision.work}, "cancels what it orders"
        _check_texts(old, new)
        _check_rounds(old, new, action)
        if old.unknown and old.state is State.POSTING:
            assert (new.versions, new.approvals) == (old.versions, old.approvals), "decided on while unknown"
        self._note(action, old, new)
        REACHED.add(new.state)
        self.case = new
        self.now += timedelta(microseconds=1)
        for group in decision.cancel:
            for row in self.rows:
                if row.work.group == group and row.state in ("ready", "parked"):
                    row.state = "cancelled"
        self._enqueue(list(decision.work))
        for row in self.rows:
            if row.work.group in decision.hasten and row.state == "ready":
                row.work = replace(row.work, run_at=self.now)

    def _note(self, action: a.Action, old: Case, new: Case) -> None:
        """Keep the ledger, and hold the desk against it where a press or an answer of the platform decides."""
        ledger = self.ledger
        changed = isinstance(action, a.MentionEdited | a.MentionDeleted) and old.mention != new.mention
        if type(action) in VOIDS or (changed and old.state in UNANSWERED) or new.state is State.DELETED:
            ledger.void()
        if type(action) in WRITES:
            ledger.written(old, action)
        if isinstance(action, a.Approve):
            self._note_approval(action, old, new)
        if new.state is State.FAILED and old.state is not State.FAILED:
            assert isinstance(action, a.PostingRefused | a.ItIsNotPublished | a.ModeratorsRefused), "a no that was none"
        if isinstance(action, a.PostingRefused | a.ItIsNotPublished | a.ModeratorsRefused) and ledger.agreed:
            ledger.agreed.attempts[-1:] = ["refused"]
        if isinstance(action, a.ReplyPosted | a.ItIsPublished | a.IPostedIt):
            assert ledger.agreed is not None, "stands in public without an approval"
            assert new.replies[-1].text == ledger.agreed.text
            ledger.agreed.attempts.append("posted")

    def _note_approval(self, action: a.Approve, old: Case, new: Case) -> None:
        ledger, person = self.ledger, action.who
        text, authors, origin = ledger.texts[old.n]
        assert person is not None
        assert person.role == "approver"
        assert person.key not in authors or origin == "client", "approved a text of their own"
        assert old.state is State.IN_APPROVAL
        ledger.presses.append(person.key)
        assert (new.state is not State.IN_APPROVAL) == ledger.complete(self.terms), "steps miscounted"
        if ledger.complete(self.terms):
            ledger.agreed = Agreed(old.n, text, old.mention.fingerprint)

    def _enqueue(self, works: list[Work]) -> None:
        for work in works:
            if work.idem is not None and work.idem in self.idems:
                continue
            if work.merge_key and any(r.work.merge_key == work.merge_key and r.state == "ready" for r in self.rows):
                continue
            if work.idem is not None:
                self.idems.add(work.idem)
            if work.kind in self.RUNNERS:
                self.rows.append(Queued(work))

    # what holds at any time

    def _live(self, kind: str, *states: str) -> list[Work]:
        return [r.work for r in self.rows if r.work.kind == kind and r.state in states]

    @invariant()
    def texts_are_the_ones_people_wrote(self) -> None:
        if hasattr(self, "case"):
            known = {v.n: (v.text, v.authors, v.origin) for v in self.case.versions}
            assert known == self.ledger.texts

    @invariant()
    def somebody_or_the_desk_must_act(self) -> None:
        if not hasattr(self, "case") or self.case.state in FINISHED | {State.ANSWERED}:
            return
        case, acting = self.case, must_act(self.case, self.terms)
        for key in acting.people:
            person = self.terms.person(key)
            assert person is not None
            assert any(_admitted(case, kind, person, self.terms) for kind in w.SAMPLES if kind not in (a.Note,))
        if not acting.people:
            assert self._desk_is_at_it(), f"{case.state} waits for nobody"

    def _desk_is_at_it(self) -> bool:
        case = self.case
        if case.state is State.APPROVED:
            rows = self._live("publish", "ready")
            return any((x.payload["version"], x.payload["attempt"]) == (case.n, case.attempt) for x in rows)
        if case.state is State.POSTING:
            return bool(self._live("publish", "running"))
        return case.state is State.MODERATED and bool(self._live("watch", "ready"))

    @invariant()
    def a_reply_can_be_on_its_way_once_at_most(self) -> None:
        if hasattr(self, "case"):
            assert len(self._live("publish", "ready", "running", "parked")) <= 1, "two on their way"
            if self.case.state is not State.APPROVED:
                assert not self._live("publish", "ready"), "a reply waits that nobody wants any more"
            if self.case.unknown:
                assert self.case.state is State.POSTING

    @invariant()
    def timers_run_while_the_clock_does(self) -> None:
        if not hasattr(self, "case"):
            return
        ready = {(x.payload["round"], x.payload["mark"]) for x in self._live("warn", "ready")}
        case = self.case
        if not ticking(case):
            assert not ready, "a timer outlived its reason"
            return
        ahead = {(case.round.n, m.name) for m in marks(case.round.clock_at, self.terms.sla) if m.at > self.now}
        assert ahead <= ready, "a mark without its timer"

    @invariant()
    def thinking_ends(self) -> None:
        if hasattr(self, "case") and self.case.thinking:
            assert self._live("suggest", "ready")

    @invariant()
    def a_correction_has_something_to_correct(self) -> None:
        if hasattr(self, "case") and self.case.correcting:
            assert self.case.reply is not None
            assert self.case.reply.external_id

    @invariant()
    def every_button_on_show_works(self) -> None:
        if not hasattr(self, "case"):
            return
        scene = Scene(self.case, self.terms, self.now)
        for side in f.SIDES:
            for button in (b for row in draw(scene, side, newest_slot(self.case, side)).rows for b in row):
                if button.action != "open":
                    kind = PRESSES[button.action].kind
                    assert any(_works(self.case, kind, p, self.now, self.terms) for p in w.PEOPLE), button.action

    @invariant()
    def the_client_learns_nothing_of_the_desk(self) -> None:
        if not hasattr(self, "case") or not self.case.client_open:
            return
        slots = ["card", *(f"v{v.n}" for v in self.case.versions)]
        shown = "".join(str(draw(Scene(self.case, self.terms, self.now, "Vera Lead"), "client", s)) for s in slots)
        assert not [p.name for p in w.AGENCY if p.name in shown]
        assert "of staff" not in shown
        assert "for staff" not in shown


def _check_texts(old: Case, new: Case) -> None:
    assert new.versions[: old.n] == old.versions, "a written text changed"
    assert [v.n for v in new.versions] == list(range(1, len(new.versions) + 1)), "a number twice or left out"


def _check_rounds(old: Case, new: Case, action: a.Action) -> None:
    assert new.rounds[: len(old.rounds) - 1] == old.rounds[:-1]
    again = len(new.rounds) > len(old.rounds)
    assert not again or isinstance(action, a.Reopen | a.MentionEdited)
    before, after = old.round, new.rounds[len(old.rounds) - 1]
    assert (before.clock_at, before.found_at) == (after.clock_at, after.found_at), "the clock was moved"
    for stage in STAGES:
        was, is_ = getattr(before, stage), getattr(after, stage)
        reset = stage == "posted_at" and isinstance(action, a.ModeratorsRefused)
        assert was in (None, is_) or (reset and is_ is None), f"{stage} moved"


def _admitted(case: Case, kind: type[a.Action], who: Person, rules: Rules) -> bool:
    try:
        return admits(case, kind, who, case.n, rules).by != "desk"
    except NotAllowed:
        return False


def _works(case: Case, kind: type[a.Action], who: Person, now: datetime, rules: Rules) -> bool:
    try:
        decide(case, w.sample(kind, case, who=who, version=case.n), now, rules)
    except NotAllowed:
        return False
    return True


_NO_SHRINKING = (Phase.explicit, Phase.generate)

FULL = settings(
    max_examples=100,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)

UNTIL_FOUND = settings(FULL, max_examples=500, phases=_NO_SHRINKING, report_multiple_bugs=False)


def test_no_order_of_events_breaks_a_promise() -> None:
    REACHED.clear()
    run_state_machine_as_test(Life, settings=FULL)
    assert set(State) == REACHED, "the promises were put to the test in every state"


def _carries_approvals_over(monkeypatch: pytest.MonkeyPatch) -> None:
    real = desk.steps._new_version

    def kept(case: Case, *args: Any) -> Case:
        new = real(case, *args)
        return replace(new, approvals=tuple(replace(x, version=new.n) for x in case.approvals))

    monkeypatch.setattr(desk.steps, "_new_version", kept)


def _asks_one_where_two_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = desk.case.progress

    def hasty(case: Case, rules: Rules) -> Any:
        return real(case, replace(rules, steps=tuple(step._replace(need=1) for step in rules.steps)))

    monkeypatch.setattr(desk.steps, "progress", hasty)


def _forgets_to_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    real = f.follow

    def forgetful(*args: Any) -> Any:
        work, cancel = real(*args)
        return work, [group for group in cancel if not group.startswith("publish")]

    monkeypatch.setattr(desk.decide, "follow", forgetful)


def _takes_silence_for_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    key: tuple[State, type[a.Action]] = (State.POSTING, a.OutcomeUnknown)
    monkeypatch.setitem(TABLE, key, desk.decide.Transition("desk", desk.steps.refused, (State.FAILED,)))


def _starts_the_clock_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    real = desk.steps.write

    def fresh(case: Case, action: Any, now: datetime, rules: Rules) -> Any:
        change = real(case, action, now, rules)
        return replace(change, case=change.case.in_round(clock_at=now))

    key: tuple[State, type[a.Action]] = (State.IN_WORK, a.WriteReply)
    monkeypatch.setitem(TABLE, key, TABLE[key]._replace(step=fresh))


def _counts_from_one_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real = desk.steps._new_round
    monkeypatch.setattr(desk.steps, "_new_round", lambda *args: replace(real(*args), versions=()))


def _lets_anybody_approve(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = tuple(p.key for p in w.PEOPLE)
    monkeypatch.setitem(desk.acting.MAY, "open step", lambda case, who, rules: True)
    monkeypatch.setattr(desk.steps, "progress", lambda case, rules: replace(progress(case, rules), who=everybody))


def _forgets_the_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f, "timers", lambda *args: [])


BROKEN: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    _carries_approvals_over: "steps miscounted",
    _asks_one_where_two_are_needed: "steps miscounted",
    _forgets_to_cancel: "that nobody wants any more",
    _takes_silence_for_a_no: "a no that was none",
    _starts_the_clock_anew: "the clock was moved",
    _counts_from_one_again: "a written text changed",
    _lets_anybody_approve: "did what clients do|did something",
    _forgets_the_timers: "a mark without its timer",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda f: f.__name__.strip("_"))
def test_a_desk_that_is_broken_on_purpose_is_found_out(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError, match=BROKEN[broken]):
        run_state_machine_as_test(Life, settings=UNTIL_FOUND)
