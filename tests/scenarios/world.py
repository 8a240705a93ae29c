"""A whole desk in a sandbox, in one process: the real clients of both messengers, a real store, people to play."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.build import App, Parts, build
from bot.config import load
from bot.run import serve
from desk.people import Side
from desk.scope import Scope
from sandbox import world
from sandbox.server import Sandbox
from tests.scenarios.people import PATIENCE, SlackSide, Surface, TelegramSide

T = TypeVar("T")

WHOLE = Scope.everything("a test looks at all of it")

CLIENT_GROUP = -1001000000002
STAFF_CHANNEL = "C0STAFF"
SLACK_IDS = {"anna": "U0ANNA", "boris": "U0BORIS", "dana": "U0DANA", "marta": world.MARTA, "oleg": world.OLEG}
TELEGRAM_IDS = {"anna": world.ANNA, "boris": world.BORIS, "dana": world.DANA, "marta": 1011, "oleg": 1012, "vera": 1013}
SLACK_IDS["vera"] = "U0VERA"
ROLES = {"anna": "staff", "boris": "lead", "dana": "staff", "marta": "approver", "oleg": "approver", "vera": "viewer"}

SECRETS = {
    "REPLYDESK_SECRET": "a-secret-for-the-tests-alone",
    "TELEGRAM_TOKEN": world.TELEGRAM_TOKEN,
    "SLACK_BOT_TOKEN": world.SLACK_BOT_TOKEN,
    "SLACK_APP_TOKEN": world.SLACK_APP_TOKEN,
}

CONFIG = """\
[desk]
name = "Test agency"
language = "{lang}"
timezone = "Asia/Almaty"
listen = "{listen}"
secret_key = "env:REPLYDESK_SECRET"
{keys}

[database]
url = "{database}"

[telegram]
token = "env:TELEGRAM_TOKEN"
api_base = "{url}/telegram"

[[slack]]
key = "main"
bot_token = "env:SLACK_BOT_TOKEN"
app_token = "env:SLACK_APP_TOKEN"
api_base = "{url}/slack/api/"
{more}
{people}
[[clients]]
key = "acme"
name = "Acme Coffee"
language = "{lang}"
timezone = "Asia/Almaty"
staff_room = "{staff_room}"
client_room = "{client_room}"

[clients.sla]
target = "{target}"
limit = "24h"

[clients.approval]
undo = "{undo}"
steps = {steps}

[[clients.brands]]
key = "acme-coffee"
name = "Acme Coffee"

[[clients.brands.sources]]
key = "acme-play"
platform = "google_play"
package = "{package}"
credentials = "file:play.json"
api_base = "{url}/play"
every = "{every}"
{sources}
"""

ROOMS = {
    "telegram": {"staff": f"telegram:{world.STAFF_ROOM}", "client": f"telegram:{CLIENT_GROUP}"},
    "slack": {"staff": f"slack:{STAFF_CHANNEL}", "client": f"slack:{world.CLIENT_CHANNEL}"},
}


def people_toml() -> str:
    return "\n".join(
        f'[[people]]\nkey = "{key}"\nname = "{key.title()}"\nrole = "{role}"\nclients = ["acme"]\n'
        f'telegram = {TELEGRAM_IDS[key]}\nslack = "{SLACK_IDS[key]}"\n'
        for key, role in ROLES.items()
    )


class Shifted:
    """The desk's clock: that of the machine, moved forward at will. Works on SQLite, for the desk and its store."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@dataclass
class World:
    """`staff` and `client` are the two sides as people use them, whichever messenger is behind."""

    sandbox: Sandbox
    app: App
    staff: Surface
    client: Surface
    folder: Path
    database: str
    reviews: list[str] = field(default_factory=list)

    def review(
        self, stars: int = 1, text: str = "The coffee was cold and nobody answered.", author: str = "Dina"
    ) -> str:
        number = self.sandbox.site.leave(world.PACKAGE, author, stars, text, lang="en")
        self.reviews.append(number)
        return number

    def reply_of(self, review: str) -> str | None:
        """What stands under a review in the brand's name."""
        reply = self.sandbox.site.review(review).reply
        return None if reply is None else reply.text

    async def until(self, check: Callable[[], T | Awaitable[T]], within: float = PATIENCE, what: str = "") -> T:
        """Wait for a truthy answer and return it."""
        end = time.monotonic() + within
        while True:
            found = check()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found  # type: ignore[return-value]
            if time.monotonic() > end:
                raise AssertionError(f"not within {within} s: {what or check}")
            await asyncio.sleep(0.04)

    async def case(self, number: int) -> Any:
        async with self.app.store.read(WHOLE) as reader:
            return await reader.case(number)

    async def state(self, number: int, wanted: str, within: float = PATIENCE) -> Any:
        """Wait until a case is in a state."""

        async def there() -> Any:
            case = await self.case(number)
            return case if case is not None and case.state == wanted else None

        return await self.until(there, within, f"case {number} {wanted}")

    async def placed(self, number: int, side: Side = "staff") -> None:
        """Wait until the desk knows a thread that people may see already: only then does it hear them there."""

        async def there() -> bool:
            async with self.app.store.read(WHOLE) as reader:
                place = await reader.place(number, side)
            return place is not None and bool(place.thread)

        await self.until(there, what=f"a place for case {number}")

    async def proposed(self, text: str, number: int = 1, review: str | None = None) -> str:
        """A review has its reply in the client's hands, `Approve` being the next press; returns the review."""
        found = self.review() if review is None else review
        await self.staff.press("anna", number, "Take")
        await self.placed(number)
        await self.staff.reply("anna", number, text)
        await self.staff.press("anna", number, "Send to client")
        await self.state(number, "in_approval")
        return found

    async def events(self, number: int) -> list[str]:
        """Kinds of what happened to a case, oldest first."""
        async with self.app.store.read(WHOLE) as reader:
            return [event.kind for event in await reader.events(number)]

    async def hasten(self, group: str) -> None:
        """Work of a group is due now: a timer, the watch over a reply."""
        async with self.app.store.write() as unit:
            await unit.hasten([group], run_at=unit.now)

    def posts(self, review: str) -> list[str]:
        """Texts of the replies that took effect on the platform, from the platform's own log."""
        made = [c for c in self.sandbox.site.calls if c.method == "reviews.reply" and c.params["review"] == review]
        return [call.params["replyText"] for call in made if call.ok]


@asynccontextmanager
async def a_sandbox(
    fast: bool = True, minute: float = 60.0, clock: Callable[[], datetime] | None = None
) -> AsyncIterator[Sandbox]:
    """An outside world that outlives a desk: give it to `opened` as often as the desk is started again.

    `minute`: how many seconds a minute of Telegram's limits has; the desk is told by `Parts(minute=…)`.
    `clock`: that of all its servers, to be shared with a desk by `Parts(clock=…)`.
    """
    made = _sandbox(fast, minute, clock)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def _sandbox(fast: bool, minute: float = 60.0, clock: Callable[[], datetime] | None = None) -> Sandbox:
    """All of the demo's people in both messengers, in rooms for either side."""
    now = time.time if clock is None else lambda: clock().timestamp()
    made = Sandbox(now, group_per_minute=100_000, per_second=1000) if fast else Sandbox(now, minute=minute)
    made.demo_world()
    for key, number in TELEGRAM_IDS.items():
        if number not in world.STAFF:
            made.telegram.add_user(number, key.title(), username=key)
    made.telegram.add_group(CLIENT_GROUP, "Acme · client")
    for key in ("marta", "oleg", "vera"):
        made.telegram.join(CLIENT_GROUP, TELEGRAM_IDS[key])
    made.slack.add_channel(world.TEAM, STAFF_CHANNEL, "acme-staff")
    for key, user in SLACK_IDS.items():
        if user not in world.CLIENT:
            made.slack.add_user(world.TEAM, user, key.title())
    return made


@asynccontextmanager
async def opened(
    folder: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    staff: str = "telegram",
    client: str = "slack",
    sandbox: Sandbox | None = None,
    fast: bool = True,
    rush: bool = False,
    parts: Parts | None = None,
    **values: Any,
) -> AsyncIterator[World]:
    """A running desk. With `fast` the Telegram group has no budget to speak of; `values` go into the file.

    `rush`: neither has Slack.
    """
    own = sandbox is None
    made = sandbox or _sandbox(fast, clock=parts.clock if parts is not None else None)
    if own:
        await made.start()
    if rush:
        made.slack.door.limits.retry_after = lambda *_: 0  # type: ignore[method-assign]
        monkeypatch.setattr("bot.build.SLACK_GAP", 0.001)
        monkeypatch.setattr("bot.build.SLACK_BURST", 1000)
    path = write_config(folder, made, database, monkeypatch, staff=staff, client=client, fast=fast, **values)
    app = await build(load(path), path, parts)
    stop = asyncio.Event()
    running = asyncio.create_task(serve(app, path, stop))
    await _started(app, running)
    try:
        yield World(made, app, _side(made, "staff", staff), _side(made, "client", client), folder, database)
    finally:
        stop.set()
        await running
        await app.close()
        if own:
            await made.stop()


async def _started(app: App, running: asyncio.Task[None]) -> None:
    """The first start in a process imports both messengers' libraries: that is no part of what a test waits for."""
    started = asyncio.create_task(app.running.wait())
    await asyncio.wait({started, running}, timeout=90, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if running.done():
        running.result()


def _side(made: Sandbox, side: str, messenger: str) -> Surface:
    if messenger == "telegram":
        room = world.STAFF_ROOM if side == "staff" else CLIENT_GROUP
        return TelegramSide(made.telegram, room, TELEGRAM_IDS)
    channel = STAFF_CHANNEL if side == "staff" else world.CLIENT_CHANNEL
    return SlackSide(made.slack, channel, SLACK_IDS)


def write_config(
    folder: Path,
    made: Sandbox,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    staff: str,
    client: str,
    fast: bool = True,
    **values: Any,
) -> Path:
    (folder / "play.json").write_text(json.dumps(made.site.service_account()))
    (folder / "play.json").chmod(0o600)
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    filled = {
        "lang": "en",
        "target": "90m",
        "undo": "0s",
        "steps": '[{ who = ["marta", "oleg"], need = 1 }]',
        "sources": "",
        "more": "",
        "keys": "",
        "listen": "",
        "every": "1s",
        **values,
    }
    text = CONFIG.format(
        url=made.url,
        database=database,
        people=people_toml(),
        staff_room=ROOMS[staff]["staff"],
        client_room=ROOMS[client]["client"],
        package=world.PACKAGE,
        **filled,
    )
    if fast:
        text = text.replace("[telegram]\n", "[telegram]\ngroup_per_minute = 10000\n")
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def free_of_429(made: Sandbox) -> bool:
    return not made.telegram.too_many and not made.slack.too_many


SLOW = float(os.environ.get("REPLYDESK_TEST_PATIENCE", "1"))
"""Multiplies how long scenarios wait, for machines that are busy."""
