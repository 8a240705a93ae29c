"""What the desk writes into rooms: threads opened, messages drawn from the case as it is when they leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from desk import actions as a
from desk import follow as f
from desk import view
from desk.acting import on_duty
from desk.case import Case
from desk.decide import decide
from desk.errors import Broken, DeskError, Gone, Moved, Refused, Unsure
from desk.forms import missing
from desk.people import Side
from desk.ports import Ask, Bulletin, Call, Chat, Directory, Done, Drop, Later, Place, Post, Sent, Unit, Verdicts
from desk.rules import Rules
from desk.service import BURST_LASTS, SUMMARY_PAUSE, apply, burst
from desk.work import LEASES, Prio, Row, Work

Chats = Callable[[str], Chat]
"""The messenger of a room ("telegram:…", "slack:…"). Raises Broken where none is configured."""

BROKEN_FOR = timedelta(minutes=10)
"""How long work for a room that cannot be written to waits before the room is tried again."""

WAITS = timedelta(minutes=1)
"""Between two looks whether a thread is there."""

LARGEST_FILE = 20 * 1024 * 1024
"""Bytes. Larger files are linked, not brought over (contract §5; Bot API: getFile gives 20 MB)."""

TOLD = ("room_broken", "room_moved", "message_refused")
"""What is said of rooms, to those who can mend them."""

Alarm = Callable[[str, str], None]
"""(room, reason): told once per breakage by whoever implements it."""


@dataclass(frozen=True, slots=True)
class Shows:
    """What all effects on rooms share: a lost answer is looked up where a messenger can, else sent again,

    because a visible duplicate card is preferred to silence (engine.md).
    """

    directory: Callable[[], Directory]
    chats: Chats
    alarm: Alarm = lambda room, reason: None
    lease: timedelta = LEASES["effect"]

    def grace(self, row: Row) -> timedelta:
        return timedelta()

    def rules(self, case: Case) -> Rules:
        rules = self.directory().rules(case.brand, case.mention.key.platform)
        if rules is None:
            raise Gone(f"brand {case.brand} is not configured any more", what="brand")
        return rules

    async def find(self, row: Row, call: Call) -> Any | None:
        """Only a first sending can have made a message. Raises Unsure for the rest: drawing again is harmless."""
        if call.data.get("message") or call.data.get("opens"):
            raise Unsure("drawn again")
        try:
            return await self.chats(call.data["room"]).find(call.data["room"], call.data["thread"], key(row))
        except DeskError as error:
            raise Unsure(error.reason) from error

    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts:
        return Later(unit.now, str(error), count=False)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """What a room's answer means for the row; None: the engine's own back-off."""
        room = row.payload.get("room") or row.dest
        if isinstance(error, Moved):
            await unit.move_room(room, error.new)
            await unit.enqueue(*self._told(unit, "room_moved", room, error.new, beside=False))
            return Later(unit.now, "the room has moved", count=False)
        if isinstance(error, Broken):
            self.alarm(room, error.reason)
            await unit.enqueue(*self._told(unit, "room_broken", room, error.reason))
            return Later(unit.now + BROKEN_FOR, error.reason, count=False)
        if isinstance(error, Gone):
            return await self._gone(unit, row, error)
        if isinstance(error, Refused):
            self.alarm(room, error.reason)
            if row.payload.get("what") not in TOLD:
                await unit.enqueue(*self._told(unit, "message_refused", room, error.reason, beside=False))
            return Drop(error.reason)
        return None if row.attempts < row.max_attempts else self._patiently(unit, room, error)

    def _patiently(self, unit: Unit, room: str, error: Exception) -> Verdicts:
        """However long a messenger is away, what was to be shown is shown after it. Parked, a row would hold its lane
        for ever: here there is nobody to be asked."""
        why = str(error) or type(error).__name__
        self.alarm(room, why)
        return Later(unit.now + BROKEN_FOR, why, count=False, sending=isinstance(error, Unsure))

    async def _gone(self, unit: Unit, row: Row, error: Gone) -> Verdicts:
        if error.what == "brand":
            return Drop(error.reason)
        placed = self._placed(row)
        if error.what == "thread" and placed is not None:
            await self._anew(unit, *placed)
            await unit.enqueue(*once_more(row, unit.now))
            return Done()
        return await self._message_gone(unit, row)

    def _placed(self, row: Row) -> tuple[int, Side] | None:
        """The case in whose thread it stands, and its side. What answers a question may speak of another case."""
        data = row.payload
        return (data["case"], data["side"]) if {"case", "side"} <= data.keys() else None

    def _told(self, unit: Unit, what: str, room: str, why: str, beside: bool = True) -> list[Work]:
        """Those who can mend it are told once a day; `beside`: in another room, since this one takes nothing."""
        known = self.directory()
        lost_by = (*known.brands_in(room), *(r for r in known.brands() if r.leads_room == room))
        concerned = next(iter(lost_by), None)
        if concerned is None:
            return []
        rooms = [r for r in (concerned.leads_room, concerned.staff_room) if r and not (beside and r == room)]
        payload = {"thread": "", "what": what, "broken": room, "reason": why, "brand": concerned.brand}
        idem = f"{what}:{room}:{why}" if what != "room_broken" else f"broken:{room}"
        day = unit.now.date().isoformat()
        return [
            Work(
                "answer",
                {"room": r, **payload},
                lane=f"answers:{r}:",
                dest=r,
                idem=f"{idem}:{r}:{day}",
                prio=Prio.ALARM,
            )
            for r in rooms[:1]
        ]

    async def _place(self, unit: Unit, row: Row) -> Place | Drop:
        """Where the case stands. While its thread is being made, what is said once waits behind that."""
        place = await unit.place(row.payload["case"], row.payload["side"])
        if place is None:
            return Drop("this side has no thread")
        later = [] if place.thread else once_more(row, unit.now)
        await unit.enqueue(*later)
        return Drop("its thread is being made") if later else place

    async def _anew(self, unit: Unit, number: int, side: Side) -> None:
        """People deleted the thread: it is made again, and everything that shows the case is drawn there."""
        case = await unit.case(number)
        place = await unit.place(case.id, side)
        if place is not None and place.thread:
            await unit.set_place(replace(place, thread="", generation=place.generation + 1))
            await unit.drop_posts(case.id, side)
            await unit.cancel(f"show:{case.id}:{side}")
            await unit.enqueue(*remake(case, self.rules(case), side, place.generation + 1))

    async def _message_gone(self, unit: Unit, row: Row) -> Verdicts:
        """People deleted one message: it is posted again."""
        if row.kind != "draw":
            return Done()
        case, side, slot = row.payload["case"], row.payload["side"], row.payload["slot"]
        post = await unit.post(case, side, slot)
        if post is not None:
            await unit.set_post(replace(post, message="", digest=""))
        return Later(unit.now, "its message was deleted", count=False)


def remake(case: Case, rules: Rules, side: Side, generation: int) -> list[Work]:
    slots = [slot for slot in ("card", view.newest_slot(case, side)) if slot != "card"]
    return [
        f.open_thread(case, rules, side, generation, Prio.PERSON),
        f.draw(case, rules, side, "card", Prio.PERSON),
        *(f.draw(case, rules, side, slot, Prio.PERSON) for slot in slots),
        Work(
            "answer",
            {"room": rules.room(side), "thread": "", "what": "thread_again", "case": case.id, "side": side},
            lane=f.lane(case, side),
            dest=rules.room(side),
            prio=Prio.PERSON,
        ),
    ]


ONCE = ("say", "file", "alarm")
"""Kinds of work whose message nothing draws again."""
MOST_AGAIN = 3
"""How often such a message is put off while its thread is not there; then it goes to the room itself."""


def once_more(row: Row, now: datetime) -> list[Work]:
    """The same words behind what makes their thread anew, which stands at the end of their lane; later each time."""
    times = row.payload.get("again", 0)
    if row.kind not in ONCE or times >= MOST_AGAIN:
        return []
    after = now + times * WAITS
    return [Work(row.kind, {**row.payload, "again": times + 1}, row.lane, row.dest, prio=row.prio, run_at=after)]


def key(row: Row) -> str:
    """Finds this very message again; stable over attempts."""
    return f"{row.kind}-{row.id}"


class Open(Shows):
    """Effect of kind "open": a thread for one side of a case. Where the first message makes the thread, nothing."""

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        case = await unit.case(row.payload["case"])
        side: Side = row.payload["side"]
        room = self.rules(case).room(side)
        place = await unit.place(case.id, side) or Place(case.id, side, room)
        await unit.set_place(place)
        if place.thread or not self.chats(place.room).makes_threads:
            return Done()
        drawing = view.draw(view.Scene(case, self.rules(case), unit.now), side, "card")
        return Call({"room": place.room, "thread": "", "opens": True, "drawing": drawing})

    async def send(self, row: Row, call: Call) -> str:
        return await self.chats(call.data["room"]).open(call.data["room"], call.data["drawing"])

    async def record(self, unit: Unit, row: Row, call: Call, result: str) -> Verdicts:
        place = await unit.place(row.payload["case"], row.payload["side"])
        assert place is not None
        await unit.set_place(replace(place, thread=result))
        # Else it would stand empty until all cases with less time left have theirs.
        await unit.hasten([f"show:{place.case}:{place.side}"], prio=Prio.OPENED)
        return Done(result)


class Draw(Shows):
    """Effect of kind "draw": one message of the desk's own, sent the first time and edited ever after."""

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        case = await unit.case(row.payload["case"])
        side, slot = row.payload["side"], row.payload["slot"]
        where = await self._where(unit, case, side, slot)
        drawing = await drawn(unit, self, case, side, slot)
        if where is None or drawing is None:
            return Drop("nothing to draw")
        room, thread = where
        chat = self.chats(room)
        post = await unit.post(case.id, side, slot)
        digest = chat.digest(drawing)
        if post is not None and post.message and post.digest == digest:
            return Done(post.message)
        message = post.message if post is not None else ""
        return Call({"room": room, "thread": thread, "message": message, "drawing": drawing, "digest": digest})

    async def _where(self, unit: Unit, case: Case, side: Side, slot: str) -> tuple[str, str] | None:
        if slot[0] == "a":
            ask = await unit.ask(int(slot[1:]))
            return None if ask is None else (ask.room, ask.thread)
        place = await unit.place(case.id, side)
        return None if place is None else (place.room, place.thread)

    async def send(self, row: Row, call: Call) -> Sent:
        chat, data = self.chats(call.data["room"]), call.data
        if data["message"]:
            await chat.edit(data["room"], data["message"], data["drawing"])
            return Sent(data["message"])
        return await chat.send(data["room"], data["thread"], data["drawing"], key(row))

    async def record(self, unit: Unit, row: Row, call: Call, result: Sent) -> Verdicts:
        case, side, slot = row.payload["case"], row.payload["side"], row.payload["slot"]
        await unit.set_post(Post(case, side, slot, call.data["room"], result.message, call.data["digest"]))
        if slot == "card":
            await self._carded(unit, case, side, result)
        if result.calls > 1:
            await unit.spend(row.dest, result.calls - 1)
        return Done(result.message)

    async def _carded(self, unit: Unit, number: int, side: Side, sent: Sent) -> None:
        place = await unit.place(number, side)
        if place is not None and not place.thread:
            await unit.set_place(replace(place, thread=sent.thread or sent.message))
        if side != "staff":
            return
        case = await unit.case(number)
        if case.round.carded_at is None:
            await apply(unit, decide(case, a.Carded(), unit.now, self.rules(case)))
            await self._link_in_summary(unit, case)

    async def _link_in_summary(self, unit: Unit, case: Case) -> None:
        """Now and then, at the very end of the queue: people have the card itself."""
        current = await unit.bulletin(self.rules(case).staff_room)
        if current is not None and case.id in current.cases:
            room = self.rules(case).staff_room
            await unit.enqueue(f.summary(room, unit.now, Prio.COSMETIC, SUMMARY_PAUSE))


async def drawn(unit: Unit, shows: Shows, case: Case, side: Side, slot: str) -> view.Drawing | None:
    """What a slot shows: "card", "v3", a question "a7", a mirrored message "m9", an offer to cross over "t9"."""
    rules = shows.rules(case)
    if slot[0] == "a":
        ask = await unit.ask(int(slot[1:]))
        return None if ask is None else question(ask, case, rules)
    if slot[0] in "mt" and slot != "card":
        saying = await unit.saying_by_id(int(slot[1:]))
        if saying is None:
            return None
        if slot[0] == "t":
            return view.crossing(rules, case, saying.id, saying.mirrored)
        files = tuple(view.Link(name, url) for name, url, size in saying.heard.files if size > LARGEST_FILE)
        return view.mirrored(rules, case, saying.heard.name, saying.heard.text, files, saying.heard.edited)
    stopped = await stopped_by(unit, rules)
    return view.draw(view.Scene(case, rules, unit.now, stopped), side, slot)


async def stopped_by(unit: Unit, rules: Rules) -> str:
    """The name of who stopped posting for this brand, "" while it goes on."""
    if not rules.posting:
        return "config.toml"
    stop = next((s for s in await unit.stops() if s.scope in ("*", rules.brand)), None)
    if stop is None:
        return ""
    person = rules.person(stop.by)
    return person.name if person else stop.by


def question(ask: Ask, case: Case, rules: Rules) -> view.Drawing:
    person = rules.person(ask.person)
    over = ask.answers.get("=")
    field = missing(ask.action, {k: v for k, v in ask.answers.items() if k != "="}) if over is None else None
    people = tuple(p for p in rules.of_role("staff", "lead") if p.key != ask.person)
    return view.question(rules, case, ask.id, ask.action, field, over or "", person, people, ask.side)


class SayIt(Shows):
    """Effect of kind "say": one short message in the case's thread."""

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        case = await unit.case(row.payload["case"])
        side: Side = row.payload["side"]
        place = await self._place(unit, row)
        if isinstance(place, Drop):
            return place
        data = row.payload
        drawing = view.said(self.rules(case), side, case, data["key"], data["args"], data["mention"])
        return Call({"room": place.room, "thread": place.thread, "drawing": drawing})

    async def send(self, row: Row, call: Call) -> Sent:
        data = call.data
        return await self.chats(data["room"]).send(data["room"], data["thread"], data["drawing"], key(row))

    async def record(self, unit: Unit, row: Row, call: Call, result: Sent) -> Verdicts:
        return Done(result.message)


class Summary(SayIt):
    """Effect of kind "summary": a burst of new cases in one message, edited while the burst lasts.

    Each line gains its owner when it is taken and its link when its thread is there.
    """

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        room = row.payload["room"]
        waiting = await unit.uncarded(room)
        current = await burst(unit, room)
        if current is None and not waiting:
            return Drop("every case has its card")
        listed = current.cases if current is not None else ()
        numbers = [*listed, *(c.id for c in waiting if c.id not in listed)]
        message = current.message if current is not None else ""
        entries = await self._entries(unit, numbers[: view.MOST_LINES])
        rules = entries[0].rules
        called = tuple(p for p in rules.people if p.key in on_duty(rules))
        drawing = view.summary(entries, max(len(numbers) - view.MOST_LINES, 0), rules, unit.now, called)
        stood = self._standing([entry.case for entry in entries])
        return Call(
            {"room": room, "thread": "", "message": message, "drawing": drawing, "cases": numbers, "stood": stood}
        )

    def _standing(self, cases: Iterable[Case]) -> list[list[str]]:
        """What presses change of the lines."""
        return sorted([str(case.id), case.state.value, case.owner] for case in cases)

    async def _entries(self, unit: Unit, numbers: list[int]) -> list[view.Entry]:
        """Read together: sixty one by one would keep everybody else from writing for a while."""
        cases, places = await unit.cases(numbers), await unit.places(numbers, "staff")
        return [self._entry(cases[number], places.get(number)) for number in numbers]

    def _entry(self, case: Case, place: Place | None) -> view.Entry:
        thread = place.thread if place is not None else ""
        link = self.chats(place.room).link(place.room, thread) if place is not None and thread else ""
        return view.Entry(case, self.rules(case), link, bool(thread))

    async def send(self, row: Row, call: Call) -> Sent:
        data = call.data
        if data["message"]:
            await self.chats(data["room"]).edit(data["room"], data["message"], data["drawing"])
            return Sent(data["message"])
        return await self.chats(data["room"]).send(data["room"], "", data["drawing"], key(row))

    async def record(self, unit: Unit, row: Row, call: Call, result: Sent) -> Verdicts:
        room, numbers = call.data["room"], call.data["cases"]
        before = await burst(unit, room)
        at = before.at if before is not None else unit.now
        await unit.set_bulletin(Bulletin(room, result.message, at, tuple(numbers)))
        listed = before.cases if before is not None else ()
        if not set(numbers) <= set(listed):
            await self._overtaken(unit, call)
        return Done(result.message)

    async def _overtaken(self, unit: Unit, call: Call) -> None:
        """Who pressed a new line before it was written down that the line is there, did not find it to redraw; who
        presses at this very moment either finds it or is waited for here."""
        stand = await unit.cases(call.data["cases"][: view.MOST_LINES], hold=True)
        if call.data.get("stood") != self._standing(stand.values()):
            await unit.enqueue(f.summary(call.data["room"], unit.now, Prio.PERSON, timedelta()))

    async def _message_gone(self, unit: Unit, row: Row) -> Verdicts:
        """People deleted the summary: the next burst gets a new one."""
        current = await unit.bulletin(row.payload["room"])
        if current is not None:
            await unit.set_bulletin(replace(current, at=current.at - BURST_LASTS))
        return Done()


class Breaches(SayIt):
    """Effect of kind "alarm": warnings that came together, as one message; a single one goes to its case's thread."""

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        room = row.payload["room"]
        breaches, people, thread, rules = [], {}, "", None
        cases = await unit.cases([item["case"] for item in row.payload["items"]])
        for item in row.payload["items"]:
            case = cases[item["case"]]
            rules = self.rules(case)
            place = await unit.place(case.id, item["side"])
            thread = place.thread if place is not None and place.room == room else ""
            link = self.chats(room).link(room, thread) if thread else ""
            breaches.append(view.Breach(view.Entry(case, rules, link, bool(thread)), item["mark"]))
            people.update({k: p for k in item["people"] if (p := rules.person(k))})
        if rules is None:
            return Drop("nothing to say")
        side: Side = row.payload["items"][0]["side"]
        drawing = view.alarm(breaches, tuple(people.values()), rules.lang(side), rules.zone(side), unit.now)
        return Call({"room": room, "thread": thread if len(breaches) == 1 else "", "drawing": drawing})

    def _placed(self, row: Row) -> tuple[int, Side] | None:
        first = row.payload["items"][0]
        return first["case"], first["side"]


class File(Shows):
    """Effect of kind "file": a file the client sent, brought over to staff."""

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        case = await unit.case(row.payload["case"])
        place = await self._place(unit, row)
        if isinstance(place, Drop):
            return place
        said = view.said(self.rules(case), place.side, case, "file_from_client", {"name": row.payload["name"]}, ())
        return Call({"room": place.room, "thread": place.thread, "drawing": said, **row.payload})

    async def send(self, row: Row, call: Call) -> Sent:
        data = call.data
        content = await self.chats(data["from"]).fetch(data["from"], data["file"])
        return await self.chats(data["room"]).send_file(
            data["room"], data["thread"], data["name"], content, data["drawing"]
        )

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """Given up after the last attempt: the case's cards, which wait behind it, matter more."""
        if isinstance(error, Broken) or row.attempts < row.max_attempts:
            return await Shows.failed(self, unit, row, error)
        return Drop(str(error) or type(error).__name__)

    async def record(self, unit: Unit, row: Row, call: Call, result: Sent) -> Verdicts:
        return Done(result.message)


Answers = dict[str, Callable[[Unit, dict[str, Any]], Awaitable["view.Drawing | None"]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Effect of kind "answer": what a typed command asked for, or the digest, drawn when it leaves."""

    shows: Shows
    drawings: Answers
    lease: timedelta = LEASES["effect"]

    def grace(self, row: Row) -> timedelta:
        return timedelta()

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        make = self.drawings.get(row.payload["what"])
        drawing = None if make is None else await make(unit, row.payload)
        if drawing is None:
            return Drop("nothing to say")
        return Call({"room": row.payload["room"], "thread": row.payload["thread"], "drawing": drawing})

    async def send(self, row: Row, call: Call) -> Sent:
        data = call.data
        return await self.shows.chats(data["room"]).send(data["room"], data["thread"], data["drawing"], key(row))

    async def record(self, unit: Unit, row: Row, call: Call, result: Sent) -> Verdicts:
        return Done(result.message)

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return await self.shows.failed(unit, row, error)

    async def find(self, row: Row, call: Call) -> Any | None:
        return await self.shows.find(row, call)

    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts:
        return await self.shows.unknown(unit, row, error)
