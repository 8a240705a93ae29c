"""What rooms are told on request or by the clock: lists, one case, figures, digests, help. Drawn when they leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from desk import listing
from desk.case import Case, State
from desk.people import Side
from desk.ports import Client, Directory, Done, Drop, SourceStatus, Store, Unit, Verdicts
from desk.rules import Rules
from desk.scope import Scope, in_room
from desk.showing import Chats, stopped_by
from desk.stats import Day, Figures, digest_day, figures
from desk.view import Drawing, Entry, Line, Link, Say, Scene
from desk.work import LEASES, Prio, Row, Work

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answering:
    """Makes the drawing of an "answer" row; `drawings` is the table that desk.showing.Answer goes by."""

    store: Store
    directory: Callable[[], Directory]
    chats: Chats

    @property
    def drawings(self) -> dict[str, Callable[[Unit, Payload], Awaitable[Drawing | None]]]:
        return {
            "open": self.open,
            "case": self.case,
            "stats": self.stats,
            "digest": self.digest,
            "digest_staff": self.digest_staff,
            "digest_client": self.digest_client,
            "help": self.help,
            "thread_again": self.thread_again,
            "source_failing": self.source_told,
            "source_note": self.source_told,
            "ai_budget": self.source_told,
            "unknown_work": self.source_told,
            "tired_work": self.source_told,
            "room_broken": self.room_told,
            "room_moved": self.room_told,
            "message_refused": self.room_told,
        }

    # who sees what

    def _audience(self, payload: Payload) -> tuple[Scope, Side, list[str]]:
        """In a client room everybody sees the client's view; never more than the asker's own brands."""
        directory, room = self.directory(), payload["room"]
        person = directory.person(payload.get("person", ""))
        scope = in_room(directory, person, room)
        side = directory.side_of_room(room) or ("staff" if person and person.of_agency else "client")
        return scope, side, [r.brand for r in directory.brands() if scope.sees(r.brand)]

    def _style(self, brands: list[str], side: Side) -> tuple[str, str]:
        """Language and time zone of the first brand concerned."""
        rules = next((r for b in brands if (r := self.directory().rules(b))), None)
        return ("en", "UTC") if rules is None else (rules.lang(side), rules.zone(side))

    def _rules(self, case: Case) -> Rules | None:
        return self.directory().rules(case.brand, case.mention.key.platform)

    async def _entries(self, unit: Unit, cases: list[Case], side: Side) -> list[Entry]:
        entries = []
        for case in cases:
            rules = self._rules(case)
            if rules is not None and (side == "staff" or case.client_open):
                entries.append(Entry(case, rules, await self._link(unit, case, side), case.round.carded_at is not None))
        return entries

    async def _link(self, unit: Unit, case: Case, side: Side) -> str:
        place = await unit.place(case.id, side)
        if place is None or not place.thread:
            return ""
        return self.chats(place.room).link(place.room, place.thread)

    # lists

    async def open(self, unit: Unit, payload: Payload) -> Drawing | None:
        scope, side, brands = self._audience(payload)
        async with self.store.read(scope) as reader:
            waiting = [case for case in await reader.open_cases() if case.state is not State.ANSWERED]
        entries = await self._entries(unit, waiting, side)
        return listing.open_list(entries, side, *self._style(brands, side))

    async def case(self, unit: Unit, payload: Payload) -> Drawing | None:
        scope, side, brands = self._audience(payload)
        async with self.store.read(scope) as reader:
            case = await reader.case(payload["case"])
            events = await reader.events(payload["case"]) if case is not None else []
        lang, zone = self._style(brands, side)
        rules = None if case is None else self._rules(case)
        if case is None or rules is None or (side == "client" and not case.client_open):
            say = Say("no_such_case", {"case": payload["case"]})
            return Drawing(say, (Line(say),), (), lang, zone)
        notes = [(_name(rules, e.actor), e.at, str(e.data["text"])) for e in events if e.kind == "noted"]
        scene = Scene(case, rules, unit.now, await stopped_by(unit, rules))
        return listing.one_case(scene, side, await self._link(unit, case, side), notes, zone)

    async def help(self, unit: Unit, payload: Payload) -> Drawing | None:
        _, side, brands = self._audience(payload)
        return listing.help_text(side, *self._style(brands, side))

    async def thread_again(self, unit: Unit, payload: Payload) -> Drawing | None:
        case = await unit.case(payload["case"])
        rules = self._rules(case)
        if rules is None:
            return None
        side: Side = payload["side"]
        say = Say("thread_again", {"link": Link(f"#{case.id}", await self._link(unit, case, side)), "case": case.id})
        return Drawing(say, (Line(say),), (), rules.lang(side), rules.zone(side))

    async def source_told(self, unit: Unit, payload: Payload) -> Drawing | None:
        style = self._style([payload["brand"]], "staff")
        return listing.source_told(payload["what"], payload["source"], payload["reason"], *style)

    async def room_told(self, unit: Unit, payload: Payload) -> Drawing | None:
        lang, zone = self._style([payload["brand"]], "staff")
        named = {"room": payload["broken"], "reason": payload["reason"], "file": "config.toml"}
        say = Say(payload["what"], named)
        return Drawing(say, (Line(say, "alert"),), (), lang, zone)

    # figures

    async def _figures(self, scope: Scope, day: Day) -> Figures:
        async with self.store.read(scope) as reader:
            rows = await reader.rounds(day.since, day.until)
            waiting = await reader.open_cases()
        known = {r.brand: r.sla for r in self.directory().brands()}
        return figures(rows, waiting, lambda case: known[case.brand], day.since, day.until)

    async def stats(self, unit: Unit, payload: Payload) -> Drawing | None:
        scope, side, brands = self._audience(payload)
        lang, zone = self._style(brands, side)
        now = unit.now
        day = Day(now.astimezone(ZoneInfo(zone)).date(), now - timedelta(days=1), now)
        return listing.stats(await self._figures(scope, day), side, lang, zone)

    async def digest(self, unit: Unit, payload: Payload) -> Drawing | None:
        """On request: the day that ends now, for the client whose room this is, or the first of the asker's."""
        _, side, brands = self._audience(payload)
        client = next((c for c in self.directory().clients() if set(c.brands) & set(brands)), None)
        if client is None:
            return Drawing(Say("nothing_here"), (Line(Say("nothing_here")),), (), *self._style(brands, side))
        today = unit.now.astimezone(ZoneInfo(client.zone)).date()
        return await self._digest(unit, client, side, Day(today, unit.now - timedelta(days=1), unit.now))

    async def digest_staff(self, unit: Unit, payload: Payload) -> Drawing | None:
        return await self._scheduled(unit, payload, "staff")

    async def digest_client(self, unit: Unit, payload: Payload) -> Drawing | None:
        return await self._scheduled(unit, payload, "client")

    async def _scheduled(self, unit: Unit, payload: Payload, side: Side) -> Drawing | None:
        client = next((c for c in self.directory().digests() if c.key == payload["client"]), None)
        if client is None:
            return None
        day = digest_day(date.fromisoformat(payload["date"]), client.digest_at, client.zone)
        return await self._digest(unit, client, side, day)

    async def _digest(self, unit: Unit, client: Client, side: Side, day: Day) -> Drawing:
        brands = list(client.brands)
        found = await self._figures(Scope.of(brands), day)
        cases = list({c.id: c for c in (*found.overdue, *found.waiting_staff, *found.waiting_client)}.values())
        entry = {e.case.id: e for e in await self._entries(unit, cases, side)}
        lang, zone = self._style(brands, side)
        shown = day.date.isoformat()
        if side == "client":
            return listing.digest_client(found, entry, client.name, shown, lang, zone)
        return listing.digest_staff(found, entry, await self._failing(brands), client.name, shown, lang, zone)

    async def _failing(self, brands: list[str]) -> list[SourceStatus]:
        async with self.store.read() as reader:
            return [s for s in await reader.sources() if s.failures and s.source in self._sources(brands)]

    def _sources(self, brands: list[str]) -> set[str]:
        return {key for brand in brands for key in self.directory().sources_of(brand)}


def _name(rules: Rules, key: str) -> str:
    person = rules.person(key)
    return person.name if person else key


@dataclass(frozen=True, slots=True)
class Digest:
    """Job of kind "digest": once a client and local date, to both of its sides."""

    directory: Callable[[], Directory]
    lease: timedelta = LEASES["plain"]

    async def fetch(self, row: Row) -> None:
        return None

    async def apply(self, unit: Unit, row: Row, fetched: None) -> Verdicts:
        client = next((c for c in self.directory().digests() if c.key == row.payload["client"]), None)
        if client is None:
            return Drop("the client is not configured any more")
        await unit.enqueue(*digest_answers(self.directory(), client, row.payload["date"]))
        return Done()

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        return None


def digest_work(client: str, local: date) -> Work:
    payload = {"client": client, "date": local.isoformat()}
    return Work("digest", payload, idem=f"digest:{client}:{local.isoformat()}", prio=Prio.DIGEST)


def digest_answers(directory: Directory, client: Client, local: str, again: str = "") -> list[Work]:
    """One message to each room of the client; brands with rooms of their own share the client's digest there."""
    rooms: dict[str, Side] = {}
    for rules in directory.brands():
        if rules.brand in client.brands:
            rooms[rules.staff_room] = "staff"
            rooms[rules.client_room] = "client"
    return [
        Work(
            "answer",
            {"room": room, "thread": "", "what": f"digest_{side}", "client": client.key, "date": local},
            lane=f"answers:{room}:",
            dest=room,
            idem=f"digest:{client.key}:{local}:{room}{again}",
            prio=Prio.DIGEST,
        )
        for room, side in rooms.items()
    ]


def local_date(now: datetime, zone: str) -> date:
    return now.astimezone(UTC).astimezone(ZoneInfo(zone)).date()
