"""What the whole desk keeps: stops of posting, how each source fares, each room's newest summary."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import bindparam, delete, select

from desk.ports import Bulletin, SourceStatus, Stop
from storage.part import Part
from storage.tables import bulletins, sources, stops

ALL_STOPS = select(stops).order_by(stops.c.at, stops.c.scope)
ALL_SOURCES = select(sources).order_by(sources.c.source)

BULLETIN = select(bulletins).where(bulletins.c.room == bindparam("its_room"))


def to_stop(row: Any) -> Stop:
    return Stop(row.scope, row.by, row.at)


class SwitchPart(Part):
    async def stops(self) -> list[Stop]:
        return [to_stop(row) for row in await self.rows(ALL_STOPS)]

    async def set_stop(self, stop: Stop) -> None:
        await self.put(stops, **stop._asdict())

    async def drop_stop(self, scope: str) -> None:
        await self.db.execute(delete(stops).where(stops.c.scope == scope))

    async def source(self, source: str) -> SourceStatus:
        """One never polled has an empty status."""
        row = await self.first(select(sources).where(sources.c.source == source))
        return SourceStatus(source) if row is None else SourceStatus(**row._mapping)

    async def set_source(self, status: SourceStatus) -> None:
        await self.put(sources, **asdict(status))

    async def bulletin(self, room: str) -> Bulletin | None:
        row = await self.first(BULLETIN, {"its_room": room})
        return None if row is None else Bulletin(row.room, row.message, row.at, tuple(row.cases))

    async def set_bulletin(self, bulletin: Bulletin) -> None:
        await self.put(bulletins, **{**asdict(bulletin), "cases": list(bulletin.cases)})
