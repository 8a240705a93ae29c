"""`make bench`: figures of a whole desk in the sandbox, as docs/performance.md shows them."""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench import burst, cards, fleet, full, idle, intake, latency, presses

Bench = Callable[[Path], Coroutine[Any, Any, None]]

BENCHES: dict[str, Bench] = {
    "latency": latency.run,
    "burst": burst.run,
    "cards": cards.run,
    "fleet": fleet.run,
    "full": full.run,
    "idle": idle.run,
    "intake": intake.run,
    "presses": presses.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="*",
        choices=[*BENCHES, []],
        help="latency (four minutes), burst (ten), cards (ten), intake, presses, full (long), idle, fleet",
    )
    asked = parser.parse_args().what or ["latency"]
    logging.disable(logging.WARNING)
    for name in asked:
        with tempfile.TemporaryDirectory(prefix="replydesk-bench-") as folder:
            asyncio.run(BENCHES[name](Path(folder)))


main()
