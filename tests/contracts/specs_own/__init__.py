"""Papers written by ourselves, platform by platform: where there is no specification, or none that may be copied.

They hold facts of each API alone (paths, names, limits), as its public documentation gives them.
"""

from __future__ import annotations

from typing import Any

from tests.contracts.specs_own import logins, meta, networks, shops, sites

TABLES: dict[str, dict[str, Any]] = {**shops.TABLES, **networks.TABLES, **meta.TABLES, **sites.TABLES}
LOGINS: dict[str, list[dict[str, Any]]] = logins.LOGINS
"""Calls beside those of a platform's own papers."""
