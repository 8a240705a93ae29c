"""The use cases of people: load, decide, save, all in one transaction and all through ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from desk import actions as a
from desk import follow as f
from desk.case import Case, Event
from desk.decide import Decision, admits, decide
from desk.errors import DeskError, Gone, NotAllowed
from desk.forms import PRESSES, Answers, Field, initial, make, missing
from desk.people import Person
from desk.ports import Ask, Bulletin, Directory, Place, Saying, Stop, Store, Unit
from desk.rules import Rules
from desk.scope import of_person
from desk.view import At
from desk.work import Prio, Work

ASK_FOR = timedelta(minutes=15)
"""How long a question waits for a person's message before their words are ordinary talk again."""


MOST_DIGITS = 18
"""Of a number that people may name: a longer one fits no column of a database."""

FEW = 3
"""Up to this many new cases need no summary: their cards come within seconds."""

BURST_LASTS = timedelta(minutes=30)
"""Cases later than this after a summary begin one of their own, so that people notice it."""

SUMMARY_PAUSE = timedelta(seconds=20)
"""Between two edits of a summary that nobody waits for."""

SUMMARY_SOON = timedelta(seconds=1)
"""What a summary waits for more cases to come."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a press came to: the sentence `key` with `args` (desk.view values) says it to the presser."""

    key: str
    args: dict[str, Any] = field(default_factory=dict)
    ok: bool = True
    case: int = 0
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    """A press as a messenger brings it, whatever it claims. `idem` is the same for a repeated delivery.

    `room` and `thread`: where it was pressed, and where a further question would be put.
    """

    idem: str
    who: Person | None
    action: str
    case: int
    version: int | None
    room: str
    thread: str = ""
    extra: str = ""
    answers: Answers = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Form:
    """What a modal asks: every field, with what it starts from."""

    action: str
    case: Case
    rules: Rules
    fields: tuple[tuple[Field, str], ...]
    people: tuple[Person, ...]


class _Repeated(Exception):
    """This press was done before: what it would do once more is rolled back."""


class Desk:
    """What people can do. Handlers call nothing else."""

    def __init__(self, store: Store, directory: Callable[[], Directory]) -> None:
        self.store = store
        self._directory = directory

    @property
    def directory(self) -> Directory:
        return self._directory()

    # presses

    async def press(self, pressed: Pressed) -> Outcome:
        """Every press is answered; the same press twice is answered alike and done once.

        Whether it is the second time is asked last, with the outcome to keep: repeats are rare, and a press waits for
        each statement.
        """
        try:
            async with self.store.write(scope=of_person(self.directory, pressed.who)) as unit:
                outcome = await self._guarded(unit, pressed)
                if not await unit.once(pressed.idem, dumps(outcome)):
                    raise _Repeated
                return outcome
        except _Repeated:
            async with self.store.write() as unit:
                return loads(await unit.recall(pressed.idem))

    async def _guarded(self, unit: Unit, pressed: Pressed) -> Outcome:
        try:
            return await self.pressed(unit, pressed)
        except NotAllowed as no:
            return Outcome(no.key, dict(no.details), ok=False, case=pressed.case)
        except Gone:
            return Outcome("no_such_case", {"case": pressed.case}, ok=False)

    async def pressed(self, unit: Unit, pressed: Pressed) -> Outcome:
        """Raises NotAllowed; whatever was begun is rolled back with the transaction only by other errors."""
        if pressed.who is None:
            raise NotAllowed("stranger")
        special = {"answer": self._answered, "cancel": self._cancelled, "tell": self._tell}.get(pressed.action)
        if special is not None:
            return await special(unit, pressed, pressed.who)
        if pressed.action not in PRESSES:
            raise NotAllowed("unknown_button")
        case, rules = await self._case(unit, pressed.case, pressed.who)
        admits(case, PRESSES[pressed.action].kind, pressed.who, pressed.version, rules)
        if missing(pressed.action, pressed.answers) is not None:
            return await self._ask(unit, pressed, pressed.who, case, rules)
        action = make(pressed.action, pressed.who, pressed.version, pressed.answers, rules)
        return await self.do(unit, case, action, rules, pressed)

    async def _case(self, unit: Unit, number: int, who: Person) -> tuple[Case, Rules]:
        """A case of another client is told apart from a missing one to nobody."""
        case = await unit.case(number)
        rules = self.directory.rules(case.brand, case.mention.key.platform)
        if rules is None:
            raise NotAllowed("brand_gone", brand=case.brand)
        if not who.serves(case.client):
            raise NotAllowed("not_yours")
        return case, rules

    async def do(
        self,
        unit: Unit,
        case: Case,
        action: a.Action,
        rules: Rules,
        pressed: Pressed | None = None,
        ask: Ask | None = None,
    ) -> Outcome:
        """`ask`: the question that is over with this."""
        decision = decide(case, action, unit.now, rules)
        said = decision.said or "done"
        over = [] if ask is None else [_over(ask, said, unit.now)]
        await apply(unit, decision, *(draw_ask(closed, unit.now) for closed in over))
        for closed in over:
            await unit.set_ask(closed)
        await _in_summary(unit, case, rules.staff_room, pressed)
        return Outcome(said, {"case": case.id, "version": decision.case.n}, case=case.id)

    async def form(self, who: Person | None, action: str, number: int, version: int | None) -> Form:
        """What a modal must ask. Raises NotAllowed or Gone before anybody types in vain."""
        if who is None:
            raise NotAllowed("stranger")
        async with self.store.read(of_person(self.directory, who)) as reader:
            case = await reader.case(number)
        if case is None or (rules := self.directory.rules(case.brand, case.mention.key.platform)) is None:
            raise NotAllowed("no_such_case", case=number)
        press = PRESSES[action]
        admits(case, press.kind, who, version, rules)
        people = tuple(p for p in rules.of_role("staff", "lead") if p.key != who.key)
        return Form(action, case, rules, tuple((x, initial(x, case)) for x in press.fields), people)

    # questions answered by further buttons or by a message

    async def _ask(self, unit: Unit, pressed: Pressed, who: Person, case: Case, rules: Rules) -> Outcome:
        side = self.directory.side_of_room(pressed.room) or "staff"
        place = None if pressed.thread else await unit.place(case.id, side)
        ask = Ask(
            id=0,
            case=case.id,
            side=side,
            person=who.key,
            room=pressed.room,
            thread=place.thread if place is not None and place.room == pressed.room else pressed.thread,
            action=pressed.action,
            version=pressed.version or 0,
            answers=dict(pressed.answers),
            expires_at=unit.now + ASK_FOR,
        )
        ask = await unit.add_ask(ask)
        await unit.enqueue(draw_ask(ask, unit.now))
        return Outcome("asks", {"case": case.id}, case=case.id, asks=True)

    async def _answered(self, unit: Unit, pressed: Pressed, who: Person) -> Outcome:
        """A further button of a question: `extra` is "ask id.option"."""
        number, _, option = pressed.extra.partition(".")
        return await self.answer(unit, pressed.case, _number(number), who, option)

    async def answer(self, unit: Unit, about: int, number: int, who: Person, answer: str) -> Outcome:
        """`about`: the question's case. A refused answer leaves the question open, so that a text too long can be sent
        again, shorter."""
        # First the case, which is ours then: whoever answered at the same moment has done so.
        case, rules = await self._case(unit, about, who)
        ask = await unit.ask(number)
        if ask is None or ask.case != case.id or "=" in ask.answers:
            raise NotAllowed("question_over")
        if ask.expires_at is None or ask.expires_at <= unit.now:
            raise NotAllowed("question_over")
        if ask.person != who.key:
            raise NotAllowed("not_your_question")
        field_ = missing(ask.action, ask.answers)
        if field_ is None:
            raise NotAllowed("question_over")
        ask = replace(ask, answers={**ask.answers, field_.name: answer})
        if missing(ask.action, ask.answers) is not None:
            await unit.set_ask(ask)
            await unit.enqueue(draw_ask(ask, unit.now))
            return Outcome("asks", {"case": ask.case}, case=ask.case, asks=True)
        action = make(ask.action, who, ask.version or None, ask.answers, rules)
        return await self.do(unit, case, action, rules, ask=ask)

    async def _cancelled(self, unit: Unit, pressed: Pressed, who: Person) -> Outcome:
        case = await unit.case(pressed.case)
        ask = await unit.ask(_number(pressed.extra))
        if ask is None or ask.case != case.id or ask.person != who.key:
            raise NotAllowed("not_your_question")
        if "=" in ask.answers:
            raise NotAllowed("question_over")
        closed = _over(ask, "cancelled", unit.now)
        await unit.set_ask(closed)
        await unit.enqueue(draw_ask(closed, unit.now))
        return Outcome("cancelled", {"case": ask.case}, case=ask.case)

    # crossing over

    async def _tell(self, unit: Unit, pressed: Pressed, who: Person) -> Outcome:
        """`Tell the client`, under a staff answer to a mirrored message: `extra` is the saying. Read once the case is
        held: of two who press at once the second is told."""
        case, rules = await self._case(unit, pressed.case, who)
        saying = await unit.saying_by_id(_number(pressed.extra))
        if saying is None or saying.case != pressed.case:
            raise NotAllowed("unknown_button")
        if saying.mirrored:
            raise NotAllowed("already_told")
        outcome = await self.do(unit, case, a.TellClient(who=who, text=saying.heard.text), rules)
        told = replace(saying, mirrored=True)
        await unit.update_saying(told)
        await unit.enqueue(draw_saying(told, rules, case, "t"))
        return outcome

    # typed commands within a case

    async def typed(self, unit: Unit, who: Person | None, verb: str, text: str, place: Place) -> Outcome:
        """`/reply`, `/client` and `/note` where they were typed: an approver's reply is their edit."""
        if who is None:
            raise NotAllowed("stranger")
        case, rules = await self._case(unit, place.case, who)
        if not text.strip():
            raise NotAllowed("text_empty")
        return await self.do(unit, case, _typed_action(verb, who, case, text), rules)

    # posting stopped and resumed

    async def stop_posting(self, unit: Unit, who: Person | None, room: str, stop: bool) -> Outcome:
        """A lead for everything they serve; an approver for the brands of their own client."""
        if who is None or who.role not in ("lead", "approver"):
            raise NotAllowed("only_lead")
        scopes = ["*"] if who.role == "lead" and "*" in who.clients else self.directory.brands_for(who)
        for scope in scopes:
            if stop:
                await unit.set_stop(Stop(scope, who.key, unit.now))
            else:
                await unit.drop_stop(scope)
        await self._redraw_waiting(unit)
        return Outcome("did_stop" if stop else "did_resume", {"n": len(scopes)})

    async def _redraw_waiting(self, unit: Unit) -> None:
        for case in await unit.open_cases():
            rules = self.directory.rules(case.brand, case.mention.key.platform)
            if rules is None or case.state.value not in ("in_approval", "approved", "posting"):
                continue
            await unit.hasten([f"publish:{case.id}"], run_at=case.post_at or unit.now)
            await unit.enqueue(f.draw(case, rules, "staff", f"v{case.n}"), f.draw(case, rules, "client", f"v{case.n}"))


def _number(text: str) -> int:
    """0, which no row has, for what a forged press may carry; str.isdigit alone lets "²" through."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else 0


def _typed_action(verb: str, who: Person, case: Case, text: str) -> a.Action:
    if verb == "reply":
        return a.WriteReply(who=who, text=text) if who.of_agency else a.ClientEdit(who=who, text=text)
    if verb == "client":
        return a.TellClient(who=who, text=text)
    return a.Note(who=who, text=text)


async def apply(unit: Unit, decision: Decision, *more: Work) -> None:
    """Save a decision with all that follows from it, and `more` work, in the caller's transaction."""
    await unit.save(decision.case, decision.events)
    for group in decision.cancel:
        await unit.cancel(group)
        await unit.unpark(group, done=False)
    # Before the new rows go in: what stands ahead of them in their lanes would else hold up what a person waits for.
    prio = Prio.PERSON if f.shown(decision.case) else Prio.TAKEN
    if decision.hasten:
        await unit.hasten(decision.hasten, prio=prio, run_at=unit.now)
    await unit.enqueue(*decision.work, *more)


async def announce(unit: Unit, room: str) -> None:
    """One more new case: a summary if there are many, or a line in the one that stands there.

    Asked here and not when the message leaves: work that turns out to be unwanted has waited for a token of the room.
    """
    current = await burst(unit, room)
    if current is not None:
        age = unit.now - current.at
        # The tail of a burst belongs into the summary at once; who comes later waits as long as those before did.
        prio = Prio.SUMMARY if age < SUMMARY_PAUSE else Prio.NEWS
        await unit.enqueue(f.summary(room, unit.now, prio, min(max(SUMMARY_SOON, age), SUMMARY_PAUSE)))
    elif await unit.count_uncarded(room) > FEW:
        await unit.enqueue(f.summary(room, unit.now, Prio.SUMMARY, SUMMARY_SOON))


async def burst(unit: Unit, room: str) -> Bulletin | None:
    """The summary that new cases of a room still belong to."""
    current = await unit.bulletin(room)
    return current if current is not None and unit.now - current.at < BURST_LASTS else None


async def _in_summary(unit: Unit, case: Case, room: str, pressed: Pressed | None) -> None:
    """What was pressed there, or has no card yet, shows in the summary at once; else when there is time."""
    current = await burst(unit, room)
    if current is not None and case.id in current.cases:
        there = pressed is not None and pressed.room == room and pressed.thread in ("", current.message)
        waits = there or case.round.carded_at is None
        prio, wait = (Prio.PERSON, timedelta()) if waits else (Prio.COSMETIC, SUMMARY_PAUSE)
        await unit.enqueue(f.summary(room, unit.now, prio, wait))


def _over(ask: Ask, how: str, now: datetime) -> Ask:
    return replace(ask, expires_at=now, answers={**ask.answers, "=": how})


def draw_ask(ask: Ask, now: datetime) -> Work:
    return Work(
        "draw",
        {"case": ask.case, "side": ask.side, "slot": f"a{ask.id}"},
        lane=f"case:{ask.case}:{ask.side}:ask",
        dest=ask.room,
        merge_key=f"draw:{ask.case}:{ask.side}:a{ask.id}",
        prio=Prio.PERSON,
        deadline=now,
    )


def draw_saying(saying: Saying, rules: Rules, case: Case, letter: str, prio: int = Prio.PERSON) -> Work:
    """Slot "m5" mirrors what the client said, "t5" offers a staff answer for crossing over; both stand with staff."""
    return f.draw(case, rules, "staff", f"{letter}{saying.id}", prio)


# outcomes are kept as data, so that a repeated press is answered alike


def dumps(outcome: Outcome) -> dict[str, Any]:
    args = {k: {"at": v.isoformat()} if isinstance(v, datetime) else v for k, v in outcome.args.items()}
    return {"key": outcome.key, "args": args, "ok": outcome.ok, "case": outcome.case, "asks": outcome.asks}


def loads(data: dict[str, Any] | None) -> Outcome:
    if data is None:
        return Outcome("done")
    args = {k: datetime.fromisoformat(v["at"]) if isinstance(v, dict) else v for k, v in data["args"].items()}
    return Outcome(data["key"], args, data["ok"], data["case"], data["asks"])


def shown(args: dict[str, Any]) -> dict[str, Any]:
    """Arguments of an outcome as words take them."""
    return {k: At(v) if isinstance(v, datetime) else v for k, v in args.items()}


def explain(error: DeskError) -> Outcome:
    if isinstance(error, NotAllowed):
        return Outcome(error.key, dict(error.details), ok=False)
    return Outcome("failed_because", {"reason": error.reason}, ok=False)


def happened(kind: str, now: datetime, actor: str = "", **data: Any) -> Event:
    return Event(kind, now, actor, data=data)
