"""`replydesk demo`: the sandbox in one process, a desk in another, the real clients in between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from zoneinfo import available_timezones

from sandbox import world

SECRETS = {
    "REPLYDESK_SECRET": "the-demo-keeps-nothing-worth-a-secret",
    "TELEGRAM_TOKEN": world.TELEGRAM_TOKEN,
    "SLACK_BOT_TOKEN": world.SLACK_BOT_TOKEN,
    "SLACK_APP_TOKEN": world.SLACK_APP_TOKEN,
}

CONFIG = """\
[desk]
name = "Demo agency"
language = "en"
timezone = "{zone}"
listen = ""
secret_key = "env:REPLYDESK_SECRET"

[database]
url = "sqlite+aiosqlite:///demo.db"

[telegram]
token = "env:TELEGRAM_TOKEN"
api_base = "{url}/telegram"

[[slack]]
key = "main"
bot_token = "env:SLACK_BOT_TOKEN"
app_token = "env:SLACK_APP_TOKEN"
api_base = "{url}/slack/api/"

{people}
[[clients]]
key = "acme"
name = "Acme Coffee"
language = "en"
timezone = "{zone}"
staff_room = "telegram:{staff}"
client_room = "slack:{channel}"

[clients.sla]
target = "90m"
limit = "24h"

[clients.approval]
undo = "{undo}"

[[clients.brands]]
key = "acme-coffee"
name = "Acme Coffee"
signature = "Acme Coffee"

[[clients.brands.sources]]
key = "acme-play"
platform = "google_play"
package = "{package}"
credentials = "file:play.json"
api_base = "{url}/play"
every = "{every}"
"""

PEOPLE = (
    ("anna", "Anna", "staff", f"telegram = {world.ANNA}"),
    ("boris", "Boris", "lead", f"telegram = {world.BORIS}"),
    ("dana", "Dana", "staff", f"telegram = {world.DANA}"),
    ("marta", "Marta", "approver", f'slack = "{world.MARTA}"'),
    ("oleg", "Oleg", "approver", f'slack = "{world.OLEG}"'),
)


def demo_config(url: str, undo: str = "20s", every: str = "2s") -> str:
    """The demo's config.toml for a sandbox at `url`."""
    people = "\n".join(
        f'[[people]]\nkey = "{key}"\nname = "{name}"\nrole = "{role}"\nclients = ["acme"]\n{where}\n'
        for key, name, role, where in PEOPLE
    )
    return CONFIG.format(
        url=url,
        people=people,
        staff=world.STAFF_ROOM,
        channel=world.CLIENT_CHANNEL,
        package=world.PACKAGE,
        undo=undo,
        every=every,
        zone=local_zone(),
    )


def local_zone() -> str:
    """The machine's time zone: the desk then writes the same times that the browser shows beside its messages."""
    linked = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    known = available_timezones()
    return next((name for name in (os.environ.get("TZ", ""), linked) if name in known), "UTC")


HOW = """
Open {url} in a browser. Anna and Dana are staff and Boris leads them; Marta and Oleg are the client. Ctrl-C ends it.
"""


async def run_demo(speed: float, port: int) -> int:
    """Until SIGINT or SIGTERM, or until either process ends by itself (then 1)."""
    with tempfile.TemporaryDirectory(prefix="replydesk-demo-") as folder:
        return await _play(Path(folder), speed, port)


async def _play(folder: Path, speed: float, port: int) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    sandbox = await _sandbox(folder, speed, port)
    try:
        url = await _address(sandbox)
        if not url:
            return 1
        desk = await _desk(folder, url)
        print(HOW.format(url=url), flush=True)
        try:
            return await _until(stop, sandbox, desk)
        finally:
            await _end(desk)
    finally:
        await _end(sandbox)


async def _sandbox(folder: Path, speed: float, port: int) -> asyncio.subprocess.Process:
    credentials = ["--credentials", str(folder / "play.json")]
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--speed", str(speed), *credentials]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, start_new_session=True)


async def _address(sandbox: asyncio.subprocess.Process) -> str:
    """The line the sandbox prints when its page answers; "" if it ended before (it has said why)."""
    assert sandbox.stdout is not None
    return (await sandbox.stdout.readline()).decode().strip()


async def _desk(folder: Path, url: str) -> asyncio.subprocess.Process:
    config = folder / "config.toml"
    config.write_text(demo_config(url), encoding="utf-8")
    command = [sys.executable, "-m", "bot", "run", "--config", str(config)]
    return await asyncio.create_subprocess_exec(*command, env={**os.environ, **SECRETS}, start_new_session=True)


async def _until(stop: asyncio.Event, *processes: asyncio.subprocess.Process) -> int:
    waits = [asyncio.create_task(stop.wait()), *(asyncio.create_task(p.wait()) for p in processes)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    return 0 if stop.is_set() else 1


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, ten seconds to hand back what is held (contract §2), then SIGKILL."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
