"""The conditions by which a transaction is held to its scope. Whatever reads or writes a client's data asks here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select, true

from desk.scope import Scope
from storage.tables import cases


class Unscoped(RuntimeError):
    """A transaction without a scope, or with another one, went for a client's data: a fault of the program."""


class Scoped:
    """`scope` None: no client's data may be touched, only work, switches and what was seen before."""

    scope: Scope | None

    def _scope(self) -> Scope:
        if self.scope is None:
            raise Unscoped("whose data? Open the transaction with a scope: store.write(scope=…), store.read(scope)")
        return self.scope

    def brand_in(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """`column` holds a brand's key."""
        brands = self._scope().brands
        return true() if brands is None else column.in_(sorted(brands))

    def case_in(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """`column` holds a case's number."""
        if self._scope().brands is None:
            return true()
        return column.in_(select(cases.c.id).where(self.brand_in(cases.c.brand)))

    def must_see_all(self) -> None:
        """For what touches the data of whoever it may be: the move of a room, for one."""
        if self._scope().brands is not None:
            raise Unscoped("this is for the desk's own work alone")

    def must_see(self, brand: str) -> None:
        if not self._scope().sees(brand):
            raise Unscoped(f"brand {brand} is none of this transaction's")
