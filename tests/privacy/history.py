"""A store in which one author has left traces everywhere, and another one too."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import insert, select

from desk.case import Approval, Case, Event, Reply, State, Version
from desk.mention import Author, Mention, OfficialReply
from desk.ports import Ask, Heard, Place, Post, Screenshot
from desk.receiving import receive
from desk.scope import Scope
from desk.work import Work
from storage.store import SqlStore
from storage.tables import metadata, work, work_history
from tests.storage.helpers import START, a_case, a_mention

WHOLE = Scope.everything("a test looks at all of it")
DAY = timedelta(days=1)

TRACES = (
    "Анна Петрова",
    "u-anna",
    "profile-of-anna",
    "холодный суп Анны",
    "первый текст Анны",
    "заголовок Анны",
    "сырое имя Анны",
    "Уважаемая Анна",
    "причина про Анну",
    "заметка про Анну",
    "разговор об Анне",
    "anna.jpg",
    "ответ другим про Анну",
    "журнал про Анну",
    "ошибка про Анну",
    "review-of-anna",
    "picture of anna",
)
"""Each is said in one place or another of what `lived` stores of her."""


def by_anna(external_id: str = "review-of-anna", text: str = "холодный суп Анны", **more: Any) -> Mention:
    mention = a_mention(
        external_id,
        text=text,
        title="заголовок Анны",
        author=Author("u-anna", "Анна Петрова", "https://site.example/profile-of-anna"),
        media=("https://site.example/anna.jpg",),
        url="https://site.example/review-of-anna",
        raw={"shown": "сырое имя Анны"},
        replies=(OfficialReply("o1", "ответ другим про Анну"),),
    )
    return replace(mention, **more)


def her_case(mention: Mention, state: State, ended: Any) -> Case:
    case = a_case()
    one = replace(
        case.rounds[0], closed_at=ended, posted_at=START + DAY, returns=1, return_reasons=("причина про Анну",)
    )
    return replace(
        case,
        mention=mention,
        rounds=(one,),
        state=state,
        owner="anna",
        versions=(Version(1, "Уважаемая Анна", ("dana",), "staff", START),),
        approvals=(Approval(1, 0, "marta", START),),
        replies=(Reply(1, 1, "Уважаемая Анна", "p-1", START, "https://site.example/review-of-anna#p-1"),),
        reason="причина про Анну",
        failure="ошибка про Анну",
        before_edit=("первый текст Анны", 2),
        other_reply=OfficialReply("o1", "ответ другим про Анну"),
        approved_fingerprint=mention.fingerprint,
        last=Event("noted", START, "dana", data={"text": "заметка про Анну"}),
    )


async def lived(store: SqlStore, state: State = State.CLOSED, mention: Mention | None = None) -> Case:
    """A case that went all the way, closed on the tenth day."""
    mention = mention or by_anna()
    first = replace(mention, text="первый текст Анны", rating=2)
    async with store.write(scope=WHOLE) as unit:
        await unit.put_mention(first, "negative", 0.9, "ai", START, None)
        ended = START + 10 * DAY if state is State.CLOSED else None
        noted = Event("noted", START, "dana", data={"text": "заметка про Анну"})
        asked = Event("changes_asked", START, "marta", data={"version": 1, "reason": "причина про Анну"})
        case = await unit.new_case(her_case(mention, state, ended), [noted, asked])
        await unit.put_mention(mention, "negative", 0.9, "ai", START, case.id)
        await _talked(unit, case)
        shot = b"picture of anna"
        await unit.put_screenshot(case.id, Screenshot(mention.url, shot, sha256(shot).hexdigest()))
        await unit.enqueue(receive(mention, f"hook:{case.id}:review-of-anna"))
        say = {"case": case.id, "text": "разговор об Анне"}
        await unit.enqueue(Work("say", say, lane=f"case:{case.id}:staff", idem=f"say:{case.id}"))
    await _all_done(store)
    return case


async def _talked(unit: Any, case: Case) -> None:
    room, thread = "telegram:-1", str(70 + case.id)
    await unit.set_place(Place(case.id, "client", room, thread))
    await unit.set_post(Post(case.id, "client", "card", room, str(700 + case.id), "d1"))
    files = (("anna.jpg", "file-1", 10),)
    heard = Heard(room, thread, str(800 + case.id), "marta", "Marta", "разговор об Анне", START, files=files)
    await unit.add_saying(case.id, "client", heard, 0, True)
    await unit.add_ask(
        Ask(0, case.id, "client", "marta", room, thread, "ask_changes", 1, {"reason": "причина про Анну"})
    )
    heard_row = {"text": "разговор об Анне"}
    await unit.enqueue(Work("heard", heard_row, lane=f"talk:{room}:{thread}", idem=f"heard:{case.id}"))


async def _all_done(store: SqlStore) -> None:
    """Half of the finished work lies in history already."""
    async with store.write() as unit:
        journal = {"call": {"text": "журнал про Анну"}, "last_error": "ошибка про Анну"}
        done = {"state": "done", "done_at": START, **journal}
        await unit.db.execute(work.update().values(**done))
        names = [column.name for column in work_history.c]
        old = select(*(work.c[name] for name in names)).where(work.c.kind != "say")
        await unit.db.execute(
            insert(work_history).from_select(names, old.where(work.c.id.not_in(select(work_history.c.id))))
        )


async def everything(store: SqlStore) -> dict[str, str]:
    """All that every table says, as text."""
    async with store.database.reader.begin() as db:
        return {
            table.name: "\n".join(str(dict(row)) for row in (await db.execute(select(table))).mappings())
            for table in metadata.sorted_tables
        }


async def traces(store: SqlStore) -> set[tuple[str, str]]:
    """(table, words) wherever something of hers is left."""
    said = await everything(store)
    return {(table, trace) for table, text in said.items() for trace in TRACES if trace in text}
