"""Two clients in one desk, people who have no business with the first of them, and all they could try."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from desk.forms import PRESSES, Field
from desk.mention import Mention, MentionKey
from desk.receiving import receive
from handlers.slack import Workspace
from handlers.telegram import Setup
from handlers.telegram.callback import Data, pack
from sandbox import world
from sandbox.server import Sandbox
from storage.tables import metadata, stops, work
from tests.scenarios.conftest import Opened
from tests.scenarios.world import CLIENT_GROUP, STAFF_CHANNEL, World, a_sandbox
from tests.security.test_scope import CLIENTS_DATA

REVIEW, REPLY, NOTE, TALK = "Acme-review-91c2", "Acme-reply-7f3a", "Acme-note-55d0", "Acme-talk-13ab"
AUTHOR = "Acme-author-6e21"
SECRETS = (REVIEW, REPLY, NOTE, TALK, AUTHOR)
HACKED = "hacked-by-an-intruder"

NOVA_STAFF, NOVA_CLIENT = -1001000000003, -1001000000004
NOVA_CHANNELS = ("C0NOVASTAFF", "C0NOVA")
TELEGRAM = {"ivan": 2001, "nina": 2002, "stranger": 2009}
SLACK = {"ivan": "U0IVAN", "nina": "U0NINA", "stranger": "U0STRANGER"}
INTRUDERS = tuple(TELEGRAM)
"""An approver and a staff member of another client, and nobody at all."""

PEOPLE = "\n".join(
    f'[[people]]\nkey = "{key}"\nname = "{key.title()}"\nrole = "{role}"\nclients = ["nova"]\n'
    f'telegram = {TELEGRAM[key]}\nslack = "{SLACK[key]}"\n'
    for key, role in (("ivan", "approver"), ("nina", "staff"))
)

NOVA = """
[[clients]]
key = "nova"
name = "Nova Bank"
staff_room = "{staff}"
client_room = "{client}"

[[clients.brands]]
key = "nova-bank"
name = "Nova Bank"
"""

ROOMS = {
    "telegram": {"staff": f"telegram:{NOVA_STAFF}", "client": f"telegram:{NOVA_CLIENT}"},
    "slack": {"staff": f"slack:{NOVA_CHANNELS[0]}", "client": f"slack:{NOVA_CHANNELS[1]}"},
}


PATIENCE = 60.0


def unhurried(patch: pytest.MonkeyPatch) -> None:
    """Who presses is told the outcome itself: a desk on a slow machine would answer without it after two seconds."""
    patch.setattr("handlers.telegram.Setup", partial(Setup, patience=PATIENCE))
    patch.setattr("bot.slack.Workspace", partial(Workspace, within=PATIENCE, loading=PATIENCE))


@asynccontextmanager
async def two_clients(desk: Opened, messenger: str, **how: Any) -> AsyncIterator[World]:
    """Acme's case 1 waits for its client's approval; Nova has case 2. The intruders sit in all rooms."""
    with pytest.MonkeyPatch.context() as patch:
        async with a_sandbox() as made:
            _populate(made)
            unhurried(patch)
            nova = NOVA.format(**ROOMS[messenger])
            how = {"rush": True, "more": PEOPLE, "sources": nova, **how}
            async with desk(staff=messenger, client=messenger, sandbox=made, **how) as w:
                review = w.review(1, REVIEW, AUTHOR)
                await w.proposed(REPLY, 1, review)
                await w.staff.write("anna", 1, f"/note {NOTE}" if messenger == "telegram" else f"@desk note {NOTE}")
                await w.client.thread(1)
                await w.client.write("marta", 1, TALK)
                await w.until(lambda: any(TALK in text for text in w.staff.texts(1)))
                await _case_of_nova(w)
                await quiet(w)
                yield w


def _populate(made: Sandbox) -> None:
    for group, title in ((NOVA_STAFF, "Nova · staff"), (NOVA_CLIENT, "Nova · client")):
        made.telegram.add_group(group, title)
    for channel in NOVA_CHANNELS:
        made.slack.add_channel(world.TEAM, channel, channel.lower())
    for key in INTRUDERS:
        made.telegram.add_user(TELEGRAM[key], key.title(), username=key)
        made.slack.add_user(world.TEAM, SLACK[key], key.title())
        for group in (world.STAFF_ROOM, CLIENT_GROUP, NOVA_STAFF, NOVA_CLIENT):
            made.telegram.join(group, TELEGRAM[key])


async def _case_of_nova(w: World) -> None:
    key = MentionKey("nova-bank", "manual", "nova-bank", "n-1")
    async with w.app.store.write() as unit:
        await unit.enqueue(receive(Mention(key, "", "Nova's own", rating=1), "nova", case_by="nina"))

    async def there() -> bool:
        async with w.app.store.database.reader.begin() as connection:
            cases = metadata.tables["cases"]
            return (await connection.execute(select(cases.c.brand).where(cases.c.id == 2))).scalar() == "nova-bank"

    await w.until(there, what="Nova's case")


async def quiet(w: World) -> None:
    """Wait until all that came in is handled and all that follows has left."""
    await w.sandbox.slack.settle(PATIENCE)

    async def idle() -> bool:
        if w.sandbox.telegram.pending():
            return False
        waiting = select(work.c.id).where(
            work.c.state.in_(["ready", "running"]),
            work.c.kind.in_(["heard", "answer", "draw", "say", "open", "receive"]),
        )
        async with w.app.store.database.reader.begin() as connection:
            return (await connection.execute(waiting.limit(1))).first() is None

    for _ in range(2):
        await w.until(idle, what="an idle desk")


async def acmes(w: World) -> dict[str, Any]:
    """All that the store holds of Acme's case, but the mark by which two transactions queue up for it."""
    found: dict[str, Any] = {}
    mentions = metadata.tables["mentions"]
    acmes_mentions = select(mentions.c.id).where(mentions.c.brand == "acme-coffee")
    async with w.app.store.database.reader.begin() as connection:
        for name in sorted(CLIENTS_DATA):
            table = metadata.tables[name]
            own = table.c.brand == "acme-coffee" if "brand" in table.c else None
            own = table.c.case_id == 1 if "case_id" in table.c and own is None else own
            own = table.c.mention_id.in_(acmes_mentions) if name == "mention_versions" else own
            wanted = select(table) if own is None else select(table).where(own)
            rows = (await connection.execute(wanted)).mappings()
            found[name] = [{k: v for k, v in row.items() if k != "lock"} for row in rows]
        found["stops"] = [s.scope for s in await connection.execute(select(stops)) if s.scope != "nova-bank"]
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if before[name] != after[name]]


def leaks(said: Iterable[Any]) -> list[str]:
    """Texts that carry something of Acme's."""
    texts = (json.dumps(one, ensure_ascii=False, default=str) for one in said)
    return [text[:300] for text in texts if any(secret in text for secret in SECRETS)]


def commands(verbs: Iterable[str]) -> Iterator[str]:
    """Each command as an intruder would type it: a new one is tried by itself."""
    for verb in verbs:
        for rest in ("", f"1 reply {HACKED}", f"acme-coffee {HACKED}"):
            yield f"{verb} {rest}".strip()
    yield from (
        "case 1",
        f"case #1 note {HACKED}",
        "case ²",
        "case -1",
        f"case {'9' * 30}",
        f"case {'9' * 30} reply {HACKED}",
    )


class Forged(NamedTuple):
    """A press as its messenger would bring it."""

    action: str
    case: int
    version: int
    extra: str = ""

    @property
    def telegram(self) -> str:
        return pack(Data(self.action, self.case, self.version, self.extra))

    @property
    def slack(self) -> str:
        return f"1:{self.action}:{self.case}:{self.version}:{self.extra}"


def presses() -> list[Forged]:
    """Each button there is, and the further ones of questions, on Acme's case."""
    special = [Forged("answer", 1, 1, "1.spam"), Forged("cancel", 1, 1, "1"), Forged("tell", 1, 1, "1")]
    return [Forged(action, 1, 1) for action in PRESSES] + [Forged("approve", 1, 2), Forged("send", 1, 2)] + special


TELEGRAM_GARBAGE = (
    "", ":", "c1", "c1:", "c1:::::", "c1:approve:1:1", "c1:approve:-1:1:", "c1:approve:1:1:1.x;drop table",
    "c1:approve:zzzzzzzzzzz:1:", "c1:approve:1:zzzzzzzzzzz:", "c1:approve:²:1:", "c2:approve:1:1:", "C1:APPROVE:1:1:",
    "c1:a:1:1:99999999999999999.yes", "c1:x:1:1:0", "c1:t:1:1:999999999999999999", "c1:__class__:1:1:",
    "\u202ec1:approve:1:1:", "c1:approve:1:1:\n", "c1:answer:1:1:1.1.1", "1:approve:1:1:", "x" * 64, "{}", "null",
    "c1:approve:0:0:",
)  # fmt: skip

SLACK_GARBAGE = (
    "", ":", "1:", "1::::", "1:approve:1:1", "1:approve:-1:1:", "1:approve:1:-1:", "1:approve:²:1:", "2:approve:1:1:",
    "1:approve:999999999999999999:1:", "1:approve:9999999999999999999:1:", "1:APPROVE:1:1:", "1:answer:1:1:1.spam.x",
    "1:cancel:1:1:²", "1:tell:1:1:999999999999999999999", "1:nothing:1:1:", "c1:approve:1:1:",
    "1:approve:1:1:" + "x" * 1900, "1:approve:1:1:\n1:approve:1:1:", '{"action":"approve"}', "1:__init__:1:1:",
    "1:approve:1.5:1:",
)  # fmt: skip


def answers(action: str) -> dict[str, str]:
    """Something for every question a form can ask."""
    return {field.name: _answer(field) for field in PRESSES[action].fields}


def _answer(field: Field) -> str:
    if field.kind == "choice":
        return field.options[0]
    return "boris" if field.kind == "person" else HACKED


SLACK_ROOMS = {"staff": STAFF_CHANNEL, "client": world.CLIENT_CHANNEL}
