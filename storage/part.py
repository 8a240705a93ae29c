"""What the parts of a unit of work share: its connection, its moment, and statements both stores understand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import CursorResult, Executable, Row, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.case import Case
from desk.errors import Gone
from desk.rules import Rules
from desk.scope import Scope
from storage.scoped import Scoped
from storage.tables import cases


def insert(dialect: str, table: Table) -> Insert:
    """An INSERT with ON CONFLICT, spelled alike by both dialects."""
    make: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: Insert = make(table)
    return statement


@cache
def _put(dialect: str, table: Table, names: frozenset[str]) -> Insert:
    keys = [column.name for column in table.primary_key]
    statement = insert(dialect, table)
    rest = {name: statement.excluded[name] for name in sorted(names) if name not in keys}
    if rest:
        return statement.on_conflict_do_update(index_elements=keys, set_=rest)
    return statement.on_conflict_do_nothing(index_elements=keys)


RulesOf = Callable[[str], Rules | None]
"""What is agreed for a brand, None where the configuration no longer has it."""


@dataclass
class Part(Scoped):
    """`now` is aware UTC and does not move within the transaction; `began`: the monotonic clock, read just before it.

    `stirred`: work was added or brought forward. `saved`: cases before and after, in order, for whoever counts them.
    """

    db: AsyncConnection
    now: datetime
    began: float
    rules_of: RulesOf
    stirred: bool = False
    saved: list[tuple[Case | None, Case]] = field(default_factory=list)
    scope: Scope | None = None
    held: set[int] = field(default_factory=set)
    """Cases that were read in this transaction, and so lie within its scope."""

    async def must_hold(self, case: int) -> None:
        """Raises Gone for a case outside of the scope: to who asks, it is not there."""
        if self._scope().brands is None or case in self.held:
            return
        if await self.value(select(cases.c.id).where(cases.c.id == case, self.brand_in(cases.c.brand))) is None:
            raise Gone(f"there is no case {case}", what="case")

    async def rows(
        self, statement: Executable, values: dict[str, Any] | list[dict[str, Any]] | None = None
    ) -> Sequence[Row[Any]]:
        return (await self.db.execute(statement, values)).all()

    async def first(self, statement: Executable, values: dict[str, Any] | None = None) -> Row[Any] | None:
        return (await self.db.execute(statement, values)).first()

    async def value(self, statement: Executable, values: dict[str, Any] | None = None) -> Any:
        return (await self.db.execute(statement, values)).scalar()

    async def change(self, statement: Executable, values: dict[str, Any] | None = None) -> int:
        """Rows touched."""
        result = await self.db.execute(statement, values)
        assert isinstance(result, CursorResult)
        return result.rowcount

    def insert(self, table: Table) -> Insert:
        return insert(self.dialect, table)

    @property
    def dialect(self) -> str:
        return self.db.dialect.name

    async def put(self, table: Table, **values: Any) -> None:
        """Insert, or overwrite the row with the same primary key."""
        await self.db.execute(_put(self.dialect, table, frozenset(values)), values)
