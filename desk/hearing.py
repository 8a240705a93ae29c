"""What people type: talk in a case's threads, commands, and mentions they bring."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from desk import follow as f
from desk.case import Case
from desk.errors import DeskError, Gone, NotAllowed, Retry
from desk.forms import missing
from desk.mention import Author, Mention, MentionKey
from desk.people import Person, Side
from desk.ports import Done, Heard, Place, Post, Saying, Unit, Verdicts
from desk.receiving import receive
from desk.rules import Rules
from desk.scope import of_person
from desk.service import MOST_DIGITS, Desk, Outcome, draw_saying, dumps, loads
from desk.showing import LARGEST_FILE, Chats
from desk.work import LEASES, Prio, Row, Work

LONGEST_TXT = 100_000
"""Bytes of a .txt file read as the text a person was asked for."""
LONGEST_KEY = 500
"""Characters of a mention's key that are the words or the address themselves."""

Recognise = Callable[[str, str], tuple[MentionKey, str] | None]
"""(brand, address) → the mention on one of the brand's own platforms and its source; None: none of them."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as typed. `said` is the message's id, so that an edit of it can be followed; "" where it has none."""

    idem: str
    who: Person | None
    room: str
    thread: str
    said: str
    verb: str
    text: str
    name: str = ""
    at: datetime | None = None


def heard_work(heard: Heard, idem: str) -> Work:
    data = {**asdict(heard), "at": heard.at.isoformat(), "files": [list(x) for x in heard.files]}
    return Work("heard", data, lane=f"talk:{heard.room}:{heard.thread}", idem=idem, prio=Prio.PERSON)


def _heard(data: dict[str, Any]) -> Heard:
    files = tuple((name, file, size) for name, file, size in data["files"])
    return Heard(**{**data, "at": datetime.fromisoformat(data["at"]), "files": files})


def strip_verb(text: str, verb: str) -> str:
    """The text of "/reply TEXT" or "@desk reply TEXT"; as it is where it does not begin so."""
    return re.sub(rf"^\s*(?:<@\w+>\s*|@\S+\s+)?/?{verb}(?:@\w+)?\s*", "", text, count=1, flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hearing:
    desk: Desk
    recognise: Recognise

    async def take_in(self, heard: Heard, idem: str) -> None:
        """Committed before it returns, so that the messenger may forget the message then."""
        async with self.desk.store.write() as unit:
            await unit.enqueue(heard_work(heard, idem))

    async def command(self, typed: Typed) -> Outcome:
        """One transaction; a repeated delivery gets the same outcome and does nothing."""
        async with self.desk.store.write(scope=of_person(self.desk.directory, typed.who)) as unit:
            if not await unit.once(typed.idem):
                return loads(await unit.recall(typed.idem))
            try:
                outcome = await self._run(unit, typed)
            except NotAllowed as no:
                outcome = Outcome(no.key, dict(no.details), ok=False)
            except Gone:
                outcome = Outcome("no_such_case", {"case": typed.text.split(" ")[0]}, ok=False)
            await unit.remember(typed.idem, dumps(outcome))
            return outcome

    async def add(
        self,
        idem: str,
        who: Person | None,
        room: str,
        thread: str,
        url: str,
        text: str,
        author: str = "",
        at: datetime | None = None,
    ) -> Outcome:
        """A mention brought by a person becomes a case, whatever a detector would say. `at`: when it was published."""
        return await self.command(Typed(idem, who, room, thread, "", "add", f"{url} {text}".strip(), author, at))

    async def _run(self, unit: Unit, typed: Typed) -> Outcome:
        if typed.who is None:
            raise NotAllowed("stranger")
        verb = VERBS.get(typed.verb)
        if verb is None:
            raise NotAllowed("unknown_command", verb=typed.verb)
        return await verb(self, unit, typed, typed.who)

    # verbs

    async def in_thread(self, unit: Unit, typed: Typed, who: Person) -> Outcome:
        place = await unit.place_at(typed.room, typed.thread)
        if place is None:
            raise NotAllowed("not_in_a_case", verb=typed.verb)
        return await self._in_case(unit, typed, who, place)

    async def _in_case(self, unit: Unit, typed: Typed, who: Person, place: Place) -> Outcome:
        outcome = await self.desk.typed(unit, who, typed.verb, typed.text, place)
        if typed.verb == "reply" and typed.said:
            heard = Heard(typed.room, typed.thread, typed.said, who.key, who.name, typed.text, unit.now)
            await unit.add_saying(place.case, place.side, heard, int(outcome.args["version"]), mirrored=False)
        return outcome

    async def case_(self, unit: Unit, typed: Typed, who: Person) -> Outcome:
        """`case N` shows it, `case N reply TEXT` acts on it from anywhere."""
        number, _, rest = typed.text.strip().lstrip("#").partition(" ")
        if not (number.isascii() and number.isdigit()):
            raise NotAllowed("which_case")
        if len(number) > MOST_DIGITS:
            raise NotAllowed("no_such_case", case=f"{number[:MOST_DIGITS]}…")
        verb, _, text = rest.strip().partition(" ")
        if verb:
            if verb not in ("reply", "client", "note"):
                raise NotAllowed("unknown_command", verb=verb)
            side: Side = "staff" if who.of_agency else "client"
            inner = replace(typed, verb=verb, text=text)
            return await self._in_case(unit, inner, who, Place(int(number), side, typed.room, typed.thread))
        return await self._list(unit, typed, who, case=int(number))

    async def list_(self, unit: Unit, typed: Typed, who: Person) -> Outcome:
        return await self._list(unit, typed, who)

    async def _list(self, unit: Unit, typed: Typed, who: Person, **more: Any) -> Outcome:
        payload = {"room": typed.room, "thread": typed.thread, "what": typed.verb, "person": who.key, **more}
        lane = f"answers:{typed.room}:{typed.thread}"
        await unit.enqueue(Work("answer", payload, lane=lane, dest=typed.room, prio=Prio.PERSON))
        return Outcome("")

    async def stop(self, unit: Unit, typed: Typed, who: Person) -> Outcome:
        return await self.desk.stop_posting(unit, who, typed.room, typed.verb == "stop_posting")

    async def add_(self, unit: Unit, typed: Typed, who: Person) -> Outcome:
        if not who.of_agency and who.role != "approver":
            raise NotAllowed("only_either", names="")
        rules, rest = self._brand(typed, who)
        url, text = _link_and_text(rest)
        if not url and not text:
            raise NotAllowed("what_to_add")
        mention = self._brought(rules, url, text, typed)
        known = await unit.mention(mention.key)
        if known is not None and known.case is not None:
            raise NotAllowed("already_a_case", case=known.case)
        await unit.enqueue(receive(mention, f"add:{typed.idem}", case_by=who.key))
        return Outcome("did_add", {"brand": rules.brand_name})

    def _brand(self, typed: Typed, who: Person) -> tuple[Rules, str]:
        """The brand of the room; where several share it, the first word names which."""
        allowed = set(self.desk.directory.brands_for(who))
        here = [r for r in self.desk.directory.brands_in(typed.room) if r.brand in allowed]
        first, _, rest = typed.text.strip().partition(" ")
        named = next((r for r in here if r.brand == first), None)
        if named is not None:
            return named, rest
        if len(here) != 1:
            raise NotAllowed("which_brand", names=", ".join(r.brand for r in here))
        return here[0], typed.text.strip()

    def _brought(self, rules: Rules, url: str, text: str, typed: Typed) -> Mention:
        """On one of the brand's own platforms it can be answered there; elsewhere by hand."""
        known = self.recognise(rules.brand, url) if url else None
        by_hand = MentionKey(rules.brand, "manual", rules.brand, _identity(url or " ".join(text.split())))
        key, source = known or (by_hand, "")
        site = "" if known else _site(url)
        author = Author(name=typed.name)
        return Mention(key, source, text or url, "post", site, url=url, author=author, published_at=typed.at)


Verb = Callable[[Hearing, Unit, Typed, Person], Awaitable[Outcome]]

VERBS: dict[str, Verb] = {
    "reply": Hearing.in_thread,
    "client": Hearing.in_thread,
    "note": Hearing.in_thread,
    "case": Hearing.case_,
    "open": Hearing.list_,
    "stats": Hearing.list_,
    "digest": Hearing.list_,
    "help": Hearing.list_,
    "add": Hearing.add_,
    "stop_posting": Hearing.stop,
    "resume_posting": Hearing.stop,
}


def _link_and_text(text: str) -> tuple[str, str]:
    found = re.match(r"(https?://\S+)\s*", text)
    return ("", text) if found is None else (found.group(1), text[found.end() :])


def _site(url: str) -> str:
    return re.sub(r"^https?://(?:www\.)?([^/?#]+).*$", r"\1", url) if url else ""


def _identity(said: str) -> str:
    """What is longer than a key may be is known by its hash: texts may begin alike, and PostgreSQL indexes no long
    one."""
    return said if len(said) <= LONGEST_KEY else sha256(said.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Hear:
    """Job of kind "heard": a person's message, from the queue."""

    hearing: Hearing
    chats: Chats
    lease: timedelta = LEASES["effect"]

    async def fetch(self, row: Row) -> str | None:
        """The content of a small .txt file: how a text too long for a message is given. None where it is not to be had:
        the words beside it, and all that was said after it, must not wait for it."""
        heard = _heard(row.payload)
        txt = next((x for x in heard.files if x[0].lower().endswith(".txt") and x[2] <= LONGEST_TXT), None)
        if txt is None:
            return ""
        try:
            content = await self.chats(heard.room).fetch(heard.room, txt[1])
        except DeskError as error:
            if isinstance(error, Retry) and row.attempts < row.max_attempts:
                raise
            return None
        return content.decode("utf-8-sig", "replace")

    async def apply(self, unit: Unit, row: Row, fetched: str | None) -> Verdicts:
        heard = _heard(row.payload)
        who = self.hearing.desk.directory.person(heard.person)
        if heard.edited:
            await self._edited(unit, heard, who)
        elif not (who is not None and await self._answers(unit, heard, who, fetched)):
            place = await unit.place_at(heard.room, heard.thread) if heard.thread else None
            if place is not None:
                await self._talk(unit, heard, place)
        return Done()

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return None

    async def _answers(self, unit: Unit, heard: Heard, who: Person, txt: str | None) -> bool:
        """Whether these words were the answer to a question put to this person here."""
        ask = await unit.ask_of(heard.room, heard.thread, who.key)
        field = None if ask is None else missing(ask.action, ask.answers)
        if ask is None or field is None or field.kind != "text":
            return False
        text = txt or heard.text or ", ".join(name for name, _, _ in heard.files)
        try:
            if txt is None:
                raise NotAllowed("file_unreadable")
            await self.hearing.desk.answer(unit, ask.case, ask.id, who, text)
        except NotAllowed as no:
            await self._refuse(unit, ask.case, ask.side, no, who)
        return True

    async def _refuse(self, unit: Unit, number: int, side: Side, no: NotAllowed, who: Person) -> None:
        case = await unit.case(number)
        args: dict[str, Any] = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in no.details.items()}
        await unit.enqueue(f.say(case, self._rules(case), side, no.key, [who.key], **args))

    def _rules(self, case: Case) -> Rules:
        rules = self.hearing.desk.directory.rules(case.brand, case.mention.key.platform)
        if rules is None:
            raise Gone(f"brand {case.brand} is not configured any more", what="brand")
        return rules

    async def _talk(self, unit: Unit, heard: Heard, place: Place) -> None:
        """In a staff thread all stays inside; in the client's it is mirrored to staff."""
        case = await unit.case(place.case)
        saying = await unit.add_saying(case.id, place.side, heard, 0, mirrored=place.side == "client")
        if place.side == "client":
            await unit.enqueue(draw_saying(saying, self._rules(case), case, "m"), *self._files(case, saying))
        elif heard.reply_to and await self._is_mirror(unit, heard):
            await unit.enqueue(draw_saying(saying, self._rules(case), case, "t"))

    async def _is_mirror(self, unit: Unit, heard: Heard) -> bool:
        post: Post | None = await unit.post_at(heard.room, heard.reply_to)
        return post is not None and post.slot.startswith("m")

    def _files(self, case: Case, saying: Saying) -> list[Work]:
        rules = self._rules(case)
        return [
            Work(
                "file",
                {"case": case.id, "side": "staff", "from": saying.heard.room, "name": name, "file": file},
                lane=f.lane(case, "staff"),
                dest=rules.staff_room,
                idem=f"file:{saying.id}:{file}",
                prio=Prio.PERSON,
            )
            for name, file, size in saying.heard.files
            if size <= LARGEST_FILE
        ]

    async def _edited(self, unit: Unit, heard: Heard, who: Person | None) -> None:
        saying = await unit.saying(heard.room, heard.said)
        if saying is None or saying.heard.text == heard.text:
            return
        case = await unit.case(saying.case)
        if saying.version and who is not None:
            await self._new_text(unit, saying, heard, who, case)
            return
        changed = replace(saying, heard=replace(saying.heard, text=heard.text, edited=True))
        await unit.update_saying(changed)
        if saying.mirrored and saying.side == "client":
            await unit.enqueue(draw_saying(changed, self._rules(case), case, "m"))

    async def _new_text(self, unit: Unit, saying: Saying, heard: Heard, who: Person, case: Case) -> None:
        """An edit of the message that carried the current version is a new version; of an older one, nothing."""
        text = strip_verb(heard.text, "reply")
        if saying.version != case.n or text == saying.heard.text or not text.strip():
            return
        try:
            place = Place(case.id, saying.side, heard.room, heard.thread)
            outcome = await self.hearing.desk.typed(unit, who, "reply", text, place)
        except NotAllowed as no:
            await self._refuse(unit, case.id, saying.side, no, who)
            return
        version = int(outcome.args["version"])
        await unit.update_saying(replace(saying, heard=replace(saying.heard, text=text), version=version))
