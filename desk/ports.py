"""What the domain needs from the world. Each Protocol says what an implementation promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple, Protocol

from desk.case import Case, Event, State
from desk.mention import Mention, MentionKey
from desk.people import Person, Side
from desk.rules import Rules
from desk.scope import Scope
from desk.view import Drawing
from desk.work import Prio, Row, Work


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case lives for one side. `thread` is a topic id or a thread's ts, "" until it is open.

    `generation` counts how often it had to be made anew because people deleted it.
    """

    case: int
    side: Side
    room: str
    thread: str = ""
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """A message of the desk's own, found again by its slot ("card", "v3", "m12"). `digest` is of what it shows now."""

    case: int
    side: Side
    slot: str
    room: str
    message: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a person in a room, as the messenger gave it, decoded to plain Unicode.

    `said` is its id in the messenger; `person` is empty for strangers; `files` are (name, url or id, size in bytes);
    `edited` tells an edit of an earlier one. `reply_to` is the message it answers, when a person chose to.
    """

    room: str
    thread: str
    said: str
    person: str
    name: str
    text: str
    at: datetime
    edited: bool = False
    reply_to: str = ""
    files: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Saying:
    """A stored message of a person. `version`: it carried that version. `id` names its mirror's slot."""

    id: int
    case: int
    side: Side
    heard: Heard
    version: int = 0
    mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """A question put to one person who must answer by further buttons or by a message (Telegram's modal)."""

    id: int
    case: int
    side: Side
    person: str
    room: str
    thread: str
    action: str
    version: int
    answers: dict[str, str]
    message: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredMention:
    id: int
    mention: Mention
    found_at: datetime
    tone: str
    score: float | None
    case: int | None


@dataclass(frozen=True, slots=True)
class Bulletin:
    """A room's newest summary of a burst: its message, when it was first sent, and the cases it lists."""

    room: str
    message: str
    at: datetime
    cases: tuple[int, ...]


class Screenshot(NamedTuple):
    """What a public page looked like at a time. `digest`: SHA-256 of `data`, a JPEG, in hexadecimal."""

    url: str
    data: bytes
    digest: str


class Stop(NamedTuple):
    """Posting is stopped for `scope` ("*" or a brand's key)."""

    scope: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """`failures` counts polls failed in a row; `cursor` is the platform's own."""

    source: str
    cursor: str | None = None
    first_poll_at: datetime | None = None
    last_try_at: datetime | None = None
    last_success_at: datetime | None = None
    failures: int = 0
    last_error: str = ""
    newest_at: datetime | None = None


class Unit(Protocol):
    """One writing transaction: all of it or nothing. Leaving the context commits; an exception rolls back.

    Of clients' data it sees and changes what its scope lets through: the rest is not there.

    `now` is aware UTC, fixed for the transaction; on PostgreSQL it is the database's clock.
    """

    now: datetime

    async def once(self, idem: str, outcome: dict[str, Any] | None = None) -> bool:
        """True the first time this id is seen, ever; False for a repeat. Part of the transaction.

        `outcome`: kept with the id, so that a repeat gets the same answer.
        """
        ...

    async def remember(self, idem: str, outcome: dict[str, Any]) -> None:
        """Keep the outcome of an id passed to `once` before it was known."""
        ...

    async def recall(self, idem: str, hold: bool = False) -> dict[str, Any] | None:
        """`hold`: until the end of this transaction nobody else remembers it anew."""
        ...

    async def recall_all(self, idems: Collection[str]) -> dict[str, dict[str, Any]]:
        """Outcomes of those of the ids that have one."""
        ...

    async def remember_all(self, outcomes: Mapping[str, dict[str, Any]]) -> None:
        """The newest outcome of each id, seen before or not."""
        ...

    async def new_case(self, case: Case, events: Sequence[Event]) -> Case:
        """Insert; returns it with its number."""
        ...

    async def case(self, number: int) -> Case:
        """Read for change: takes the row first (`lock = lock + 1`), so that two transactions on a case queue up.

        Raises desk.errors.Gone where there is none.
        """
        ...

    async def cases(self, numbers: Sequence[int], hold: bool = False) -> dict[int, Case]:
        """Many at once by number, to be shown and not changed. Missing ones are left out.

        `hold`: nobody changes them until the end of this transaction; whoever is about to is waited for.
        """
        ...

    async def save(self, case: Case, events: Sequence[Event]) -> None: ...

    async def mention(self, key: MentionKey) -> StoredMention | None: ...
    async def mentions(self, keys: Iterable[MentionKey]) -> dict[MentionKey, StoredMention]: ...

    async def put_mention(
        self, mention: Mention, tone: str, score: float | None, by: str, found_at: datetime, case: int | None
    ) -> None:
        """Insert or update; a new fingerprint is kept as a mention version besides."""
        ...

    async def enqueue(self, *works: Work) -> None: ...

    async def cancel(self, group: str) -> int:
        """Cancel the ready rows of a group; returns how many."""
        ...

    async def hasten(self, groups: Collection[str], prio: int | None = None, run_at: datetime | None = None) -> int:
        """Bring the ready rows of a group forward. Cosmetic ones keep their priority."""
        ...

    async def spend(self, dest: str, tokens: int = 1) -> None:
        """Calls that were made to a limited destination without a row, or beyond the one its row paid for.

        Negative: calls that were paid for and not made.
        """
        ...

    async def unpark(self, group: str, done: bool) -> int:
        """Answer parked rows of a group: done=True finishes them, False cancels them."""
        ...

    async def place(self, case: int, side: Side) -> Place | None: ...
    async def places(self, cases: Sequence[int], side: Side) -> dict[int, Place]: ...
    async def place_at(self, room: str, thread: str) -> Place | None: ...
    async def set_place(self, place: Place) -> None: ...
    async def post(self, case: int, side: Side, slot: str) -> Post | None: ...
    async def post_at(self, room: str, message: str) -> Post | None: ...
    async def posts(self, case: int, side: Side) -> list[Post]: ...
    async def set_post(self, post: Post) -> None: ...
    async def drop_posts(self, case: int, side: Side) -> None: ...
    async def add_saying(self, case: int, side: Side, heard: Heard, version: int, mirrored: bool) -> Saying: ...
    async def saying(self, room: str, said: str) -> Saying | None: ...
    async def saying_by_id(self, id: int) -> Saying | None: ...
    async def update_saying(self, saying: Saying) -> None: ...

    async def add_ask(self, ask: Ask) -> Ask: ...
    async def ask(self, id: int) -> Ask | None: ...
    async def ask_of(self, room: str, thread: str, person: str) -> Ask | None:
        """The newest unexpired one waiting for a message of this person there."""
        ...

    async def set_ask(self, ask: Ask) -> None: ...
    async def drop_ask(self, id: int) -> None: ...

    async def stops(self) -> list[Stop]: ...
    async def set_stop(self, stop: Stop) -> None: ...
    async def drop_stop(self, scope: str) -> None: ...

    async def source(self, source: str) -> SourceStatus: ...
    async def set_source(self, status: SourceStatus) -> None: ...

    async def bulletin(self, room: str) -> Bulletin | None: ...
    async def set_bulletin(self, bulletin: Bulletin) -> None: ...

    async def put_screenshot(self, case: int, shot: Screenshot) -> None:
        """One picture is kept once, however many cases it belongs to."""
        ...

    async def uncarded(self, room: str) -> list[Case]:
        """Cases without a card yet whose staff room this is, by time left."""
        ...

    async def count_uncarded(self, room: str) -> int: ...

    async def open_cases(self) -> list[Case]:
        """Unfinished cases, by time left."""
        ...

    async def move_room(self, old: str, new: str) -> None:
        """A room has a new address: places, posts, destinations and waiting work follow."""
        ...


class CaseRow(NamedTuple):
    """One case with one of its rounds, for figures and exports."""

    case: Case
    round: int
    tone: str
    score: float | None


class Reader(Protocol):
    """Reading only; sees what is committed, and of clients' data what its scope lets through."""

    async def case(self, number: int) -> Case | None: ...
    async def open_cases(self) -> list[Case]: ...
    async def rounds(self, since: datetime, until: datetime) -> list[CaseRow]:
        """Rounds whose clock began, or that were posted or closed, in [since, until)."""
        ...

    async def first_round(self) -> datetime | None:
        """The earliest moment that `rounds` goes by; None: there is no round."""
        ...

    async def events(self, number: int) -> list[Event]: ...
    async def stored(self, since: datetime, until: datetime) -> dict[tuple[str, str, str], int]:
        """Count of mentions found in [since, until) by (brand, platform, tone)."""
        ...

    async def screenshot(self, case: int, digest: str) -> bytes | None:
        """None: it was erased meanwhile."""
        ...

    async def place(self, case: int, side: Side) -> Place | None: ...
    async def sources(self) -> list[SourceStatus]: ...
    async def stops(self) -> list[Stop]: ...
    async def states(self) -> dict[tuple[str, State], int]: ...


class Store(Protocol):
    """`scope` None: no client's data, only work, switches and what was seen before."""

    def write(self, prio: int = Prio.NOW, scope: Scope | None = None) -> AbstractAsyncContextManager[Unit]: ...
    def read(self, scope: Scope | None = None) -> AbstractAsyncContextManager[Reader]: ...


class Client(NamedTuple):
    """A client of the agency. `digest_at` is local to `zone`."""

    key: str
    name: str
    digest_at: time
    zone: str
    brands: tuple[str, ...]


class Directory(Protocol):
    """Who and what the configuration names, as it is in force now."""

    def rules(self, brand: str, platform: str = "") -> Rules | None:
        """What is in force for a brand's mentions on a platform; a platform that cannot be asked is a manual one."""
        ...

    def brands(self) -> list[Rules]: ...
    def clients(self) -> list[Client]: ...
    def digests(self) -> list[Client]:
        """What a daily digest covers: a client, or those of its brands that share a time of their own."""
        ...

    def person(self, key: str) -> Person | None: ...
    def brands_for(self, person: Person) -> list[str]:
        """Keys of the brands this person may see."""
        ...

    def sources_of(self, brand: str) -> list[str]: ...
    def side_of_room(self, room: str) -> Side | None: ...
    def brands_in(self, room: str) -> list[Rules]:
        """Brands whose staff or client room this is."""
        ...


class Sent(NamedTuple):
    """`calls`: how many the room's budget counts for it."""

    message: str
    thread: str = ""
    calls: int = 1


class Chat(Protocol):
    """One messenger. Raises desk.errors: Retry, Unsure, Gone(what="thread" or "message"), Broken, Moved, Refused."""

    makes_threads: bool
    """True: a thread is opened by a call of its own (a forum topic); False: the first message is the thread."""

    async def open(self, room: str, drawing: Drawing) -> str:
        """Open a thread titled `drawing.title`; returns its id."""
        ...

    async def send(self, room: str, thread: str, drawing: Drawing, key: str) -> Sent:
        """Post a message; `key` finds it again where the messenger can carry one."""
        ...

    async def edit(self, room: str, message: str, drawing: Drawing) -> None:
        """Redraw a message of ours. The same content is success."""
        ...

    async def find(self, room: str, thread: str, key: str) -> Sent | None:
        """The message sent with `key`, None when certainly not there. Raises Unsure where that cannot be known."""
        ...

    async def fetch(self, room: str, file: str) -> bytes:
        """The bytes of a file a person sent there. Raises Refused where it is too large to bring over."""
        ...

    async def send_file(self, room: str, thread: str, name: str, data: bytes, drawing: Drawing) -> Sent: ...

    def link(self, room: str, thread: str, message: str = "") -> str:
        """An address people can open, or ""."""
        ...

    def digest(self, drawing: Drawing) -> str:
        """Changes exactly when what is shown changes."""
        ...


class Verdict(NamedTuple):
    """score: probability of negative, if estimated. tone: negative, other or to_check. by: rating, ai, none."""

    tone: str
    score: float | None
    by: str


class Judge(Protocol):
    async def judge(self, mention: Mention, rules: Rules) -> Verdict: ...


class Drafter(Protocol):
    """Suggests a reply. Raises Retry when the server is away, Refused when there is no budget left."""

    async def suggest(self, case: Case, rules: Rules) -> str: ...


Probe = Callable[[str, Row], Awaitable[None]]
"""Called at the named points of engine.md; tests kill the process there. Production passes one that does nothing."""


@dataclass(frozen=True, slots=True)
class Done:
    """The row is finished; `external_id` is what the other side called the result."""

    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing happened or can happen yet: back to ready at `at`. `count` False: no attempt is used up."""

    at: datetime
    error: str = ""
    count: bool = True
    sending: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """A person must look; the lane waits."""

    error: str


@dataclass(frozen=True, slots=True)
class Drop:
    """No longer wanted: cancelled."""

    why: str = ""


Verdicts = Done | Later | Park | Drop


class Job(Protocol):
    """Work whose effect is in the database, or that only reads outside: repeating it is harmless.

    `apply` runs in the transaction that marks the row done, so its writes happen exactly once.
    """

    @property
    def lease(self) -> timedelta: ...

    async def fetch(self, row: Row) -> Any:
        """Read the outside world; may raise desk.errors.Retry. No transaction is open."""
        ...

    async def apply(self, unit: Unit, row: Row, fetched: Any) -> Verdicts: ...

    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
        """`fetch` or `apply` raised. None: the engine's own back-off, parked after max_attempts."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """An effect about to leave: what `send` needs, decided in the transaction that marks the row as sending."""

    data: dict[str, Any] = field(default_factory=dict)


class Effect(Protocol):
    """Work whose effect is outside and cannot be taken back. The engine journals `sending` before `send`.

    `prepare` runs in a transaction: a Call goes on, anything else ends this attempt.
    `record` runs in the transaction that marks the row done.
    `failed` runs in a transaction after `send` raised one of desk.errors.
    `find` is asked instead of `send` when an earlier attempt may have taken effect. Its result is recorded as if sent;
    None: certainly not there, so the engine sends again once the row is older than lease + time-out + `grace(row)`;
    Unsure: cannot be known, `unknown` decides.
    """

    @property
    def lease(self) -> timedelta: ...

    def grace(self, row: Row) -> timedelta: ...
    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts: ...
    async def send(self, row: Row, call: Call) -> Any: ...
    async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts: ...
    async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None: ...
    async def find(self, row: Row, call: Call) -> Any | None: ...
    async def unknown(self, unit: Unit, row: Row, error: Exception) -> Verdicts: ...
