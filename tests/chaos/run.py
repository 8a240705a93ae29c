"""One run: the outside world, desks, chaos, peace, and the verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from sqlalchemy import update

from bot.rounds import DIGEST_GRACE, next_at
from storage.schedules import Schedules
from storage.store import SqlStore, Waiting, open_store
from storage.tables import schedules
from tests.chaos import messenger, platform, story
from tests.chaos.desk import Doom, Orders
from tests.chaos.judge import Fault, Logs, judge
from tests.chaos.nemesis import DECK, Nemesis
from tests.chaos.outside import serve
from tests.chaos.processes import fake
from tests.chaos.stores import Server
from tests.forks import prepare

STALL = 60.0
"""Seconds without a new line in any log, after which what is missing is taken for lost."""
LONGEST = 1800.0
"""Seconds after chaos in which a run that still moves is waited for."""
LOOK = 0.5
QUIET = 1.0
"""Seconds that a finished run is watched for more: a double would come now."""

FINAL = ("doubled", "disorder", "altered", "pace")
"""Faults that no waiting mends."""

ZONE = "Asia/Almaty"
SECRETS = {"REPLYDESK_SECRET": "a-secret-for-the-tests-alone", "TOKEN": "1:chaos", "SLACK": "xoxb-chaos"}

HEAD = """\
[desk]
name = "Chaos"
timezone = "{zone}"
listen = ""
secret_key = "env:REPLYDESK_SECRET"

[database]
url = "{database}"

[telegram]
token = "env:TOKEN"
group_per_minute = {per_minute}

[[slack]]
key = "main"
bot_token = "env:SLACK"
app_token = "env:SLACK"

[[people]]
key = "{staff}"
name = "Anna"
role = "staff"
clients = ["*"]
telegram = 1
slack = "main/U0ANNA"

[[people]]
key = "{approver}"
name = "Marta"
role = "approver"
clients = {clients}
telegram = 2
slack = "main/U0MARTA"
"""

CLIENT = """
[[clients]]
key = "{client}"
name = "{client}"
timezone = "{zone}"
staff_room = "{staff_room}"
client_room = "{client_room}"
digest_at = "{digest_at}"
sla = {{ target = "{target}s", limit = "{limit}s", warn_at = {warn_at} }}
approval = {{ undo = "0s" }}

[[clients.brands]]
key = "{client}-brand"
name = "{client}"

[[clients.brands.sources]]
key = "{client}-source"
platform = "chaos"
api_base = "{site}/{client}"
every = "1s"
"""


@dataclass(frozen=True)
class Plan:
    """What to play. `seconds` of chaos, then peace, until all is done, nothing moves for `patience` seconds, or it took
    `longest`.

    `engine` other than "engine" leaves something out that the judge must miss; `until`: the sort of fault with which
    the run is over. `relief`: who freezes is joined by another desk, and thaws after the first public reply.
    """

    seed: int
    url: str
    tale: story.Story
    seconds: float
    replicas: int = 1
    engine: str = "engine"
    deck: tuple[Doom, ...] = DECK
    strikes: bool = True
    relief: bool = False
    until: str = ""
    patience: float = STALL
    longest: float = LONGEST
    server: Server | None = None


@dataclass(frozen=True)
class Result:
    faults: list[Fault]
    chaos: Counter[str]
    seconds: float

    def count(self, sort: str) -> int:
        return sum(fault.sort == sort for fault in self.faults)


def _fakes(stack: ExitStack, folder: Path, plan: Plan) -> dict[str, str]:
    makers = {
        "site": partial(platform.site, folder / "site.jsonl", plan.tale, plan.seed),
        **{
            name: partial(messenger.messenger, name, folder / f"{name}.jsonl", plan.tale, plan.seed)
            for name in ("telegram", "slack")
        },
    }
    return {name: stack.enter_context(fake(serve, make)) for name, make in makers.items()}


def _config(folder: Path, plan: Plan, site: str, digest_at: str) -> Path:
    tale, zone = plan.tale, ZONE
    people = {"staff": story.STAFF, "approver": story.APPROVER, "clients": list(story.CLIENTS)}
    text = HEAD.format(database=plan.url, per_minute=tale.per_minute, zone=zone, **people).replace("'", '"')
    for client in story.CLIENTS:
        rooms = {f"{side}_room": story.room(client, side) for side in ("staff", "client")}
        sla = {"target": tale.target, "limit": tale.limit, "warn_at": list(tale.warn_at)}
        text += CLIENT.format(client=client, site=site, zone=zone, digest_at=digest_at, **rooms, **sla)
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def _digests(url: str, plan: Plan, at: datetime) -> list[tuple[str, str]]:
    """Digests come due in the middle of chaos: the store stands as if their hour had always been then."""
    hour, moments = _digest_hour(at), {}
    store = await open_store(url)
    try:
        kept = Schedules(store, next_at)
        for place, client in enumerate(story.CLIENTS):
            due = moments[client] = at + timedelta(seconds=plan.seconds * (place + 1) / 4)
            name = f"digest:{client}"
            await kept.put(name, cron=f"{hour.minute} {hour.hour} * * *", tz=ZONE, grace=DIGEST_GRACE)
            async with store.write() as unit:
                await unit.db.execute(update(schedules).where(schedules.c.name == name).values(next_at=due))
    finally:
        await store.close()
    return [(client, due.astimezone(ZoneInfo(ZONE)).date().isoformat()) for client, due in moments.items()]


def _digest_hour(at: datetime) -> datetime:
    """Half a day away, so that the clock's own turn does not come during a run."""
    return at.astimezone(ZoneInfo(ZONE)) + timedelta(hours=12)


async def play(plan: Plan, folder: Path, tell: Callable[[str], None] = lambda line: None) -> Result:
    """Raises nothing for what goes wrong with the desks: that is in the result."""
    prepare()
    began, at = time.monotonic(), datetime.now(UTC)
    with ExitStack() as stack:
        addresses = _fakes(stack, folder, plan)
        digests = await _digests(plan.url, plan, at)
        config = _config(folder, plan, addresses["site"], f"{_digest_hour(at):%H:%M}")
        messengers = {name: addresses[name] for name in ("telegram", "slack")}
        orders = Orders(
            config, SECRETS, **messengers, minute=plan.tale.minute, engine=plan.engine, log=folder / "desks.log"
        )
        seen = Seen(plan, folder, digests)
        nemesis = _nemesis(plan, orders, seen)
        stack.callback(nemesis.abandon)
        nemesis.begin()
        await nemesis.rage(plan.seconds, seen.enough)
        tell(f"chaos is over: {dict(nemesis.done)}")
        nemesis.peace()
        faults = await _settled(plan, seen, nemesis)
        faults += await _stopped(nemesis, plan.url)
    return Result(faults, nemesis.done, time.monotonic() - began)


def _nemesis(plan: Plan, orders: Orders, seen: Seen) -> Nemesis:
    made = Nemesis(orders, plan.url, Random(plan.seed), plan.replicas, plan.deck, plan.server, plan.strikes)
    made.later = max(1, plan.tale.cases // 10)
    if plan.relief:
        made.relief, made.may_thaw = True, seen.replied
    return made


@dataclass
class Seen:
    """The verdict as it stands, looked at now and then."""

    plan: Plan
    folder: Path
    digests: list[tuple[str, str]]
    at: float = 0.0
    size: int = 0
    moved: float = field(default_factory=time.monotonic)

    def stalled(self) -> bool:
        """Whether the outside world has seen nothing new for a while."""
        size = sum(path.stat().st_size for path in self.folder.glob("*.jsonl"))
        if size != self.size:
            self.size, self.moved = size, time.monotonic()
        return time.monotonic() - self.moved > self.plan.patience

    def replied(self) -> bool:
        return bool(Logs.of(self.folder).replies())

    def faults(self) -> list[Fault]:
        return judge(Logs.of(self.folder), self.plan.tale, self.digests)

    def enough(self) -> bool:
        """Whether the fault is there that this run waits for."""
        if not self.plan.until or time.monotonic() < self.at + LOOK:
            return False
        self.at = time.monotonic()
        return any(fault.sort == self.plan.until for fault in self.faults())


async def _settled(plan: Plan, seen: Seen, nemesis: Nemesis) -> list[Fault]:
    """The verdict, when nothing is missing and nothing moves any more, or when patience ends."""
    began, quiet = time.monotonic(), 0.0
    while True:
        faults, hanging = seen.faults(), await _hanging(plan.url)
        quiet = quiet + LOOK if not hanging and all(f.sort in FINAL for f in faults) else 0.0
        lasted = time.monotonic() - began
        if quiet > QUIET or seen.enough() or seen.stalled() or lasted > plan.longest:
            return [*faults, *(Fault("stuck", str(one)) for one in hanging)]
        await nemesis.tend()
        await asyncio.sleep(max(LOOK, lasted / 50))


async def _hanging(url: str) -> list[Waiting]:
    """Work that runs, waits for people, may have been sent, or should have run by now."""
    async with _looking(url) as store:
        now = datetime.now(UTC)
        return [w for w in await store.waiting() if _unfinished(w, now)]


def _unfinished(waiting: Waiting, now: datetime) -> bool:
    if waiting.state == "parked" or waiting.unsure:
        return True
    return waiting.kind != "poll" and (waiting.state == "running" or waiting.oldest < now)


async def _stopped(nemesis: Nemesis, url: str) -> list[Fault]:
    """The desks go, and leave nothing in the middle."""
    try:
        await nemesis.end()
    except TimeoutError as late:
        return [Fault("stuck", str(late))]
    async with _looking(url) as store:
        left = [w for w in await store.waiting() if w.state == "running" or w.unsure]
    return [Fault("stuck", f"after the end: {one}") for one in left]


@asynccontextmanager
async def _looking(url: str) -> AsyncIterator[SqlStore]:
    """The store, beside whatever desk runs on it."""
    store = await open_store(url, reading=True)
    try:
        yield store
    finally:
        await store.close()
