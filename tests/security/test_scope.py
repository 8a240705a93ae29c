"""No statement about a client's data without a scope, and none beyond it."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from desk import actions as a
from desk import ports
from desk.case import Case, Event, Version
from desk.decide import decide
from desk.errors import Gone
from desk.mention import Mention, MentionKey
from desk.people import Side
from desk.ports import Ask, Bulletin, Heard, Place, Post, Saying, Screenshot, SourceStatus, Stop
from desk.scope import NOBODY, Scope, configured, in_room, of_person
from desk.work import Work
from storage.reader import SqlReader
from storage.scoped import Unscoped
from storage.store import SqlStore
from storage.tables import metadata
from storage.unit import SqlUnit
from tests.desk.world import ALINA, ANNA, BORIS, MILA, rules
from tests.storage.helpers import START, WHOLE, a_case, a_mention

ROOT = Path(__file__).parents[2]

CLIENTS_DATA = {
    "mentions",
    "mention_versions",
    "cases",
    "rounds",
    "versions",
    "approvals",
    "replies",
    "case_events",
    "places",
    "posts",
    "sayings",
    "asks",
    "pictures",
    "screenshots",
}
THE_DESKS_OWN = {
    "stops": "a brand's key and who stopped it",
    "bulletins": "numbers of cases, by room",
    "sources": "how each source fares",
    "work": "opened by the engine alone; people only add to it",
    "work_history": "as work",
    "dest": "pace",
    "schedules": "times",
    "tokens": "encrypted",
    "once": "what was seen before",
    "forgotten": "keyed hashes of those who are to stay forgotten",
    "forgetting": "who is being forgotten while cases of theirs are open",
}

ROOM, THREAD = "telegram:-1", "5"
OTHERS = Scope.of(["other"])


def test_each_table_is_a_clients_or_the_desks_own() -> None:
    assert set(metadata.tables) == CLIENTS_DATA | set(THE_DESKS_OWN)


# what the methods are called with


def the_case() -> Case:
    case = replace(a_case(), id=1, lock=1)
    return replace(case, versions=(Version(1, "Sorry", ("anna",), "staff", START),))


HEARD = Heard(ROOM, THREAD, "77", "anna", "Anna", "A secret of Acme", START)

SHOT = Screenshot("https://site.example/1", b"a page", "a" * 64)

BY_NAME: dict[str, Any] = {
    "room": ROOM,
    "old": ROOM,
    "new": "telegram:-2",
    "thread": THREAD,
    "message": "9",
    "said": "77",
    "slot": "card",
    "person": "anna",
    "idem": "an id",
    "idems": ["an id"],
    "outcomes": {"an id": {}},
    "group": "no group",
    "groups": ["no group"],
    "scope": "acme-coffee",
    "source": "acme-play",
    "dest": "nowhere",
    "dest_name": "nowhere",
    "tone": "negative",
    "digest": SHOT.digest,
    "by": "ai",
    "since": START - timedelta(days=1),
    "until": START + timedelta(days=1),
}

BY_TYPE: dict[Any, Any] = {
    int: 1,
    bool: False,
    float | None: None,
    int | None: 1,
    Side: "staff",
    Case: the_case(),
    Sequence[Event]: [Event("noted", START, "anna", data={"text": "ours"})],
    Sequence[int]: [1],
    MentionKey: a_mention().key,
    Iterable[MentionKey]: [a_mention().key],
    Mention: replace(a_mention(), text="Tampered"),
    Place: Place(1, "staff", "telegram:-9", "9"),
    Post: Post(1, "staff", "card", ROOM, "10"),
    Heard: HEARD,
    Saying: Saying(1, 1, "staff", replace(HEARD, text="Tampered")),
    Ask: Ask(1, 1, "staff", "anna", ROOM, THREAD, "write", 1, {"text": "Tampered"}),
    Stop: Stop("acme-coffee", "anna", START),
    SourceStatus: SourceStatus("acme-play"),
    Bulletin: Bulletin(ROOM, "9", START, (1,)),
    Work: Work("step"),
    Screenshot: Screenshot("https://site.example/1", b"Tampered", "t" * 64),
    dict[str, Any]: {},
}


def argument(name: str, kind: Any) -> Any:
    if name in BY_NAME:
        return BY_NAME[name]
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    if name.endswith("_at"):
        return START
    raise AssertionError(f"say in this test what {name}: {kind} may be")


def call(method: Any) -> Any:
    hints = typing.get_type_hints(method)
    given = inspect.signature(method).parameters.values()
    several = [argument(p.name, hints[p.name]) for p in given if p.kind is p.VAR_POSITIONAL]
    needed = [p.name for p in given if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    return method(*several, **{name: argument(name, hints[name]) for name in needed})


def methods(kind: type) -> list[str]:
    """Public coroutines. What takes a ready-made statement is a building block, watched by the register below."""
    found = inspect.getmembers(kind, inspect.iscoroutinefunction)
    blocks = {"rows", "first", "value", "change", "put", "must_hold"}
    return [name for name, _ in found if not name.startswith("_") and name not in blocks]


def touched(statements: list[str]) -> set[str]:
    words = {word for sql in statements for word in re.findall(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+(\w+)", sql)}
    return words & CLIENTS_DATA


@pytest.fixture
async def acmes(sqlite: SqlStore) -> SqlStore:
    """A store that holds one case of Acme's, with all that can belong to one."""
    async with sqlite.write(scope=WHOLE) as unit:
        await unit.new_case(a_case(), [Event("found", START)])
        await unit.save(replace(await unit.case(1), versions=the_case().versions), [])
        await unit.set_place(Place(1, "staff", ROOM, THREAD))
        await unit.set_post(Post(1, "staff", "card", ROOM, "9"))
        await unit.add_saying(1, "staff", HEARD, 0, mirrored=False)
        await unit.put_screenshot(1, SHOT)
        await unit.add_ask(Ask(0, 1, "staff", "anna", ROOM, THREAD, "write", 1, {}))
    return sqlite


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[SqlStore]:
    from storage.store import open_store

    opened = await open_store(sqlite_url, secret_key="s", rules=lambda brand: rules())
    yield opened
    await opened.close()


async def everything(store: SqlStore) -> dict[str, list[tuple[Any, ...]]]:
    async with store.database.reader.begin() as connection:
        return {
            name: [tuple(row) for row in await connection.execute(select(metadata.tables[name]))]
            for name in sorted(CLIENTS_DATA)
        }


@asynccontextmanager
async def opened(store: SqlStore, kind: type, scope: Scope | None) -> AsyncIterator[tuple[Any, list[str]]]:
    """A transaction and the statements that go through it. Committed, so that what it changed can be seen."""
    said: list[str] = []
    async with store.write(scope=scope) if kind is SqlUnit else store.read(scope) as part:
        sync = (await part.db.get_raw_connection()) and part.db.sync_connection

        def listen(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            said.append(statement)

        event.listen(sync, "before_cursor_execute", listen)
        yield part, said


EACH = [(kind, name) for kind in (SqlUnit, SqlReader) for name in methods(kind)]


@pytest.mark.parametrize(("kind", "name"), EACH, ids=[f"{k.__name__}.{n}" for k, n in EACH])
async def test_without_a_scope_no_method_reaches_a_clients_data(acmes: SqlStore, kind: type, name: str) -> None:
    refused = None
    async with opened(acmes, kind, None) as (part, said):
        try:
            await call(getattr(part, name))
        except Unscoped as error:
            refused = error
    assert not touched(said), f"{name} reads or writes {touched(said)} without asking whose it may see"
    assert refused is None or "scope" in str(refused)


@pytest.mark.parametrize(("kind", "name"), EACH, ids=[f"{k.__name__}.{n}" for k, n in EACH])
async def test_within_another_clients_scope_nothing_is_found_and_nothing_changes(
    acmes: SqlStore, kind: type, name: str
) -> None:
    before = await everything(acmes)
    found = None
    async with opened(acmes, kind, OTHERS) as (part, said):
        with suppress(Gone, Unscoped):
            found = await call(getattr(part, name))
    assert await everything(acmes) == before
    if touched(said):
        assert not found, f"{name} shows another client's {found}"


async def test_the_methods_do_find_and_change_it_within_its_own_scope(acmes: SqlStore) -> None:
    """Else the test above would pass on a store where nothing can be found at all."""
    own = Scope.of(["acme-coffee", "other"])
    for name in ("case", "mention", "place", "post", "saying", "saying_by_id", "ask", "ask_of", "open_cases"):
        async with opened(acmes, SqlUnit, own) as (part, said):
            assert await call(getattr(part, name)), name
        assert touched(said)
    for name in ("case", "open_cases", "rounds", "events", "stored", "place", "states", "screenshot"):
        async with opened(acmes, SqlReader, own) as (part, _):
            assert await call(getattr(part, name)), name


async def test_a_refusal_takes_no_lock_of_another_clients_case(acmes: SqlStore) -> None:
    async with acmes.write(scope=OTHERS) as unit:
        with pytest.raises(Gone, match="no case 1"):
            await unit.case(1)
    async with acmes.read(WHOLE) as reader:
        case = await reader.case(1)
    assert case is not None
    assert case.lock == 1


async def test_a_case_cannot_be_carried_over_to_another_client(acmes: SqlStore) -> None:
    async with acmes.write(scope=WHOLE) as unit:
        case = await unit.case(1)
    for moved in (replace(case, brand="other"), replace(case, brand="other", id=2)):
        with pytest.raises(Exception, match=r"stale_version|none of this"):
            async with acmes.write(scope=OTHERS) as unit:
                await unit.save(moved, [])
    async with acmes.write(scope=WHOLE) as unit:
        assert (await unit.case(1)).brand == "acme-coffee"


# scopes themselves


class Two:
    """Two clients; their staff share a room."""

    def brands(self) -> list[Any]:
        return [rules(), rules(brand="other", client="other", client_room="slack:C2")]

    def brands_for(self, person: Any) -> list[str]:
        return [r.brand for r in self.brands() if person.serves(r.client)]

    def brands_in(self, room: str) -> list[Any]:
        return [r for r in self.brands() if room in (r.staff_room, r.client_room)]


SCOPES: dict[str, tuple[Callable[[], Scope], set[str]]] = {
    "nobody": (lambda: of_person(Two(), None), set()),
    "a client's person": (lambda: of_person(Two(), MILA), {"acme-coffee"}),
    "another client's": (lambda: of_person(Two(), ALINA), {"other"}),
    "one who serves all": (lambda: of_person(Two(), BORIS), {"acme-coffee", "other"}),
    "all of it in a client's room": (lambda: in_room(Two(), BORIS, "slack:C2"), {"other"}),
    "in another client's room": (lambda: in_room(Two(), MILA, "slack:C2"), set()),
    "in the room that staff share": (lambda: in_room(Two(), BORIS, "telegram:-1"), {"acme-coffee", "other"}),
    "in a room of nobody's": (lambda: in_room(Two(), ANNA, "telegram:-77"), {"acme-coffee"}),
    "a stranger in a client's room": (lambda: in_room(Two(), None, "slack:C1"), set()),
    "configured": (lambda: configured(Two()), {"acme-coffee", "other"}),
    "narrowed": (lambda: Scope.of(["a", "b"]).both(["b", "c"]), {"b"}),
    "all narrowed": (lambda: WHOLE.both(["b"]), {"b"}),
}


@pytest.mark.parametrize("name", SCOPES)
def test_a_scope_is_what_somebody_may_see(name: str) -> None:
    make, brands = SCOPES[name]
    assert make().brands == brands


def test_everything_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="why"):
        Scope.everything(" ")
    assert NOBODY.brands == frozenset()


# where it is written


def sources(*folders: str) -> dict[str, str]:
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py") if "versions" not in file.parts]
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}


WHOLE_DATA = {"storage/runner.py", "bot/metrics.py", "desk/scope.py"}
"""Who works for every client at once. Whoever joins them answers to no single person."""


def test_all_clients_data_is_asked_for_in_few_places_each_with_a_reason() -> None:
    product = sources("bot", "collectors", "handlers", "desk", "storage")
    asking = {name for name, text in product.items() if "Scope.everything(" in text}
    assert asking <= WHOLE_DATA, f"{asking - WHOLE_DATA}: is there no person, room or brand to hold this to?"
    made = {name for name, text in product.items() if re.search(r"(?<![\w.])Scope\(", text)}
    assert made <= {"desk/scope.py"}, "a scope is made by Scope.of and Scope.everything"


TOUCHING = {
    "storage/cases.py": "scoped",
    "storage/mentions.py": "scoped",
    "storage/places.py": "scoped",
    "storage/reader.py": "scoped",
    "storage/moving.py": "all of it, to another store",
    "storage/screenshots.py": "scoped; dropped with what is erased",
    "storage/scoped.py": "what scoped means",
    "storage/part.py": "must_hold",
    "storage/waiting.py": "move_room, for every client",
    "storage/tables.py": "the tables",
    "storage/upkeep.py": "counts of what does not fit together",
    "storage/erasing.py": "what is erased by order or by age, whoever's it is",
}


def test_only_these_modules_name_the_tables_of_clients_data() -> None:
    names = "|".join(CLIENTS_DATA)
    imported = re.compile(r"from storage\.tables import \(?([^)]*?)(?:\)|\n(?!\s))")
    product = sources("bot", "collectors", "handlers", "desk", "storage")
    imports = {name: " ".join(imported.findall(text)) for name, text in product.items()}
    touching = {name for name, found in imports.items() if re.search(rf"\b(?:{names})\b", found)}
    assert touching <= set(TOUCHING), f"{touching - set(TOUCHING)}: through the parts that know scopes, or named here"


def test_the_ports_promise_what_the_store_keeps() -> None:
    """What the domain is given has no way around a scope either."""
    for port, kind in ((ports.Unit, SqlUnit), (ports.Reader, SqlReader)):
        promised = [name for name in vars(port) if not name.startswith("_") and callable(getattr(port, name))]
        assert set(promised) <= set(methods(kind))


def test_a_decision_needs_no_scope_because_it_has_one_case_in_hand() -> None:
    """decide() is given the case that the scope let through, and looks nothing up."""
    assert "unit" not in inspect.signature(decide).parameters
    assert not [n for n in vars(a) if "store" in n.lower()]
