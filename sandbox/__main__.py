"""`python -m sandbox`: the sandbox in the foreground."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sandbox import world
from sandbox.feed import Feed
from sandbox.server import Sandbox


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A local Telegram, Slack and review site.")
    parser.add_argument("--port", type=int, default=8900, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="60 = sample reviews arrive 60 times faster")
    parser.add_argument("--feed", action=argparse.BooleanOptionalAction, default=True, help="sample reviews")
    parser.add_argument("--credentials", type=Path, help="write the review site's service account JSON to this file")
    given = parser.parse_args(argv)
    if given.speed <= 0:
        parser.error("--speed: must be above 0")
    return given


async def main(given: argparse.Namespace) -> None:
    """Prints the address, runs until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    sandbox = Sandbox()
    sandbox.demo_world()
    address = await sandbox.start(given.port)
    if given.credentials:
        given.credentials.touch(mode=0o600)
        given.credentials.chmod(0o600)
        given.credentials.write_text(json.dumps(sandbox.site.service_account(), indent=2), encoding="utf-8")
    print(address, flush=True)
    feeding = asyncio.create_task(_feed(sandbox, given))
    await stop.wait()
    feeding.cancel()
    with suppress(asyncio.CancelledError):
        await feeding
    await sandbox.stop()


async def _feed(sandbox: Sandbox, given: argparse.Namespace) -> None:
    if given.feed:
        await Feed(sandbox.site, world.PACKAGE, speed=given.speed).run()


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments()))
    except OSError as error:
        sys.exit(f"The sandbox could not start: {error}")
