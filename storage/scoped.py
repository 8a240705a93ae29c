"""The conditions by which a transaction is held to its scope. Whatever reads or writes a client's data asks here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, select, true

from desk.scope import Scope
from storage.tables import cases

BRANDS: BindParameter[Any] = bindparam("its_brands", expanding=True)
"""The brands of a scope, in statements that are built once."""


def case_within(column: ColumnElement[Any], confined: bool) -> tuple[ColumnElement[bool], ...]:
    """The condition of `Scoped.case_in` for a statement built once, to be given `Scoped.confines`."""
    return (column.in_(select(cases.c.id).where(cases.c.brand.in_(BRANDS))),) if confined else ()


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

    @property
    def confined(self) -> bool:
        """Whether there is data that must not be seen: then a statement built once has BRANDS among its conditions."""
        return self._scope().brands is not None

    @property
    def confines(self) -> dict[str, Any]:
        """The values that such a statement needs."""
        brands = self._scope().brands
        return {} if brands is None else {BRANDS.key: sorted(brands)}

    def must_see_all(self) -> None:
        """For what touches the data of whoever it may be: the move of a room, for one."""
        if self._scope().brands is not None:
            raise Unscoped("this is for the desk's own work alone")

    def must_see(self, brand: str) -> None:
        if not self._scope().sees(brand):
            raise Unscoped(f"brand {brand} is none of this transaction's")
