"""Reading only, from one snapshot, and of a client's data only what the scope lets through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.case import Case, Event, State
from desk.people import Side
from desk.ports import CaseRow, Place, SourceStatus, Stop
from desk.scope import Scope
from storage.cases import load, open_cases, states_of
from storage.part import RulesOf
from storage.places import to_place
from storage.scoped import Scoped
from storage.switches import ALL_SOURCES, ALL_STOPS, to_stop
from storage.tables import case_events, cases, mentions, pictures, places, rounds, screenshots

MOMENTS = rounds.c.clock_at, rounds.c.posted_at, rounds.c.closed_at
OF_CASES = rounds.join(cases, cases.c.id == rounds.c.case_id)


@dataclass
class SqlReader(Scoped):
    db: AsyncConnection
    rules_of: RulesOf
    scope: Scope | None = None

    async def case(self, number: int) -> Case | None:
        wanted = select(cases).where(cases.c.id == number, self.brand_in(cases.c.brand))
        found = await load(self.db, await self.db.execute(wanted))
        return found[0] if found else None

    async def open_cases(self) -> list[Case]:
        return await open_cases(self.db, self.brand_in(cases.c.brand), self.rules_of)

    async def rounds(self, since: datetime, until: datetime) -> list[CaseRow]:
        within = or_(*(and_(moment >= since, moment < until) for moment in MOMENTS))
        wanted = (
            select(rounds.c.case_id, rounds.c.n, mentions.c.tone, mentions.c.score)
            .select_from(OF_CASES.join(mentions, mentions.c.id == cases.c.mention_id))
            .where(self.brand_in(cases.c.brand), within)
            .order_by(rounds.c.case_id, rounds.c.n)
        )
        rows = (await self.db.execute(wanted)).all()
        whole = await self._by_number({row.case_id for row in rows})
        return [CaseRow(whole[row.case_id], row.n, row.tone, row.score) for row in rows]

    async def first_round(self) -> datetime | None:
        firsts = select(*(func.min(moment) for moment in MOMENTS)).select_from(OF_CASES)
        found = (await self.db.execute(firsts.where(self.brand_in(cases.c.brand)))).one()
        return min((moment for moment in found if moment is not None), default=None)

    async def _by_number(self, numbers: set[int]) -> dict[int, Case]:
        found: dict[int, Case] = {}
        ordered = sorted(numbers)
        for start in range(0, len(ordered), 500):
            wanted = select(cases).where(cases.c.id.in_(ordered[start : start + 500]), self.brand_in(cases.c.brand))
            found |= {case.id: case for case in await load(self.db, await self.db.execute(wanted))}
        return found

    async def events(self, number: int) -> list[Event]:
        wanted = select(case_events).where(case_events.c.case_id == number, self.case_in(case_events.c.case_id))
        rows = (await self.db.execute(wanted.order_by(case_events.c.id))).all()
        return [Event(row.kind, row.at, row.actor, row.round, row.data) for row in rows]

    async def stored(self, since: datetime, until: datetime) -> dict[tuple[str, str, str], int]:
        by = mentions.c.brand, mentions.c.platform, mentions.c.tone
        found = mentions.c.found_at >= since, mentions.c.found_at < until
        wanted = select(*by, func.count()).where(self.brand_in(mentions.c.brand), *found).group_by(*by)
        rows = (await self.db.execute(wanted)).all()
        return {(brand, platform, tone): count for brand, platform, tone, count in rows}

    async def screenshot(self, case: int, digest: str) -> bytes | None:
        joined = pictures.join(screenshots, screenshots.c.digest == pictures.c.digest)
        here = screenshots.c.case_id == case, pictures.c.digest == digest, self.case_in(screenshots.c.case_id)
        found: bytes | None = (await self.db.execute(select(pictures.c.data).select_from(joined).where(*here))).scalar()
        return found

    async def place(self, case: int, side: Side) -> Place | None:
        wanted = select(places).where(places.c.case_id == case, places.c.side == side, self.case_in(places.c.case_id))
        return to_place((await self.db.execute(wanted)).first())

    async def sources(self) -> list[SourceStatus]:
        return [SourceStatus(**row._mapping) for row in (await self.db.execute(ALL_SOURCES)).all()]

    async def stops(self) -> list[Stop]:
        return [to_stop(row) for row in (await self.db.execute(ALL_STOPS)).all()]

    async def states(self) -> dict[tuple[str, State], int]:
        by = cases.c.brand, cases.c.state
        wanted = select(*by, func.count()).where(self.brand_in(cases.c.brand)).group_by(*by)
        return states_of((await self.db.execute(wanted)).all())
