"""Effects that cannot be taken back: once in the world, whatever breaks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from desk.case import State
from desk.errors import DeskError, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Author
from desk.ports import Call, Done, Drop, Later, Park, Unit, Verdicts
from desk.work import Row, Work
from storage.codec import pack, unpack
from storage.engine import Engine
from storage.store import SqlStore
from tests.storage.helpers import START, Clock, World, an_engine, put, rows, tat

REPLY = Work("reply", {"text": "Sorry"}, lane="case:7:reply", group="publish:7")
SHOWN_BY = START + timedelta(seconds=60 + 15 + 30)


async def test_an_effect_is_sent_and_recorded_once(store: SqlStore) -> None:
    world, points = World(), []

    async def probe(point: str, row: Row) -> None:
        points.append((point, await rows(store, "effect_state") if point in ("sending", "accepted") else None))

    await put(store, REPLY)
    await an_engine(store, effect=world, probe=probe).drain()
    assert world.sent == ["Sorry"]
    assert world.recorded == [(Call({"text": "Sorry"}), "id-1")]
    assert await rows(store, "state", "effect_state", "external_id", "call") == [("done", "sent", "id-1", None)]
    assert points == [
        ("claimed", None),
        ("sending", ["sending"]),
        ("accepted", ["sending"]),
        ("external_id", None),
        ("before_done", None),
    ]


@pytest.mark.parametrize("verdict", [Drop("moot"), Park("stopped"), Done(), Later(START + timedelta(hours=1))])
async def test_what_prepare_holds_back_is_not_sent(timed: SqlStore, verdict: Verdicts) -> None:
    class Held(World):
        async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
            return verdict

    world = Held()
    await put(timed, REPLY)
    await an_engine(timed, effect=world).drain()
    assert world.sent == []
    assert await rows(timed, "effect_state", "sent_at") == [(None, None)]


@pytest.mark.parametrize("error", [Unsure("cut off"), TimeoutError(), ValueError("a bug in the client")])
async def test_what_may_have_happened_is_looked_for_first(timed: SqlStore, clock: Clock, error: Exception) -> None:
    world = World(error)
    await put(timed, REPLY)
    engine = an_engine(timed, effect=world)
    await engine.drain()
    assert await rows(timed, "state", "effect_state") == [("ready", "sending")]
    clock.forward(1)
    await engine.drain()
    assert world.sent == ["Sorry"]
    assert world.found == [Call({"text": "Sorry"})]
    assert world.recorded == [(Call({"text": "Sorry"}), "id-found")]
    assert await rows(timed, "state", "external_id") == [("done", "id-found")]


async def test_a_call_that_hangs_is_cut_off_and_unsure(timed: SqlStore) -> None:
    class Hanging(World):
        async def send(self, row: Row, call: Call) -> Any:
            await super().send(row, call)
            await asyncio.sleep(30)

    world = Hanging()
    await put(timed, REPLY)
    await an_engine(timed, effect=world, scale=0.01).drain()
    assert [type(error) for error in world.failures] == [Unsure]
    assert await rows(timed, "state", "effect_state") == [("ready", "sending")]


async def test_what_is_not_there_is_sent_again_only_when_it_would_show(timed: SqlStore, clock: Clock) -> None:
    world = World(Unsure("cut off"), happens=False)
    await put(timed, REPLY)
    engine = an_engine(timed, effect=world)
    await engine.drain()
    for _ in range(3):
        clock.forward(20)
        await engine.drain()
    assert world.sent == []
    assert await rows(timed, "state", "effect_state", "run_at", "attempts") == [("ready", "sending", SHOWN_BY, 1)]
    clock.now = SHOWN_BY
    await engine.drain()
    assert world.sent == ["Sorry"]
    assert [row.sending for row in world.prepared] == [False, False]
    assert await rows(timed, "state", "external_id", "sent_at") == [("done", "id-1", SHOWN_BY)]


async def test_what_never_arrives_is_not_sent_more_often_than_it_may_be(timed: SqlStore, clock: Clock) -> None:
    """Each attempt is looked for before and after it would show: looking uses up none, and gives none back."""
    world = World(*(Unsure("cut off") for _ in range(9)), happens=False)
    await put(timed, Work("reply", {"text": "Sorry"}, max_attempts=3))
    engine = an_engine(timed, effect=world)
    for _ in range(40):
        await engine.drain()
        clock.forward(40)
    assert len(world.prepared) == 3
    assert [str(error) for error in world.failures[3:]] == ["none of 3 attempts came to an end"]
    assert await rows(timed, "state", "effect_state") == [("parked", None)]


@pytest.mark.parametrize("error", [Unsure("no list"), NeedsLogin("token"), Gone("mention", "mention")])
async def test_what_cannot_be_read_back_is_for_people(timed: SqlStore, clock: Clock, error: DeskError) -> None:
    world = World(Unsure("cut off"))
    world.finding, world.unknown_verdict = error, Park("published or not?")
    await put(timed, REPLY, Work("reply", {"text": "Sorry again"}, lane="case:7:reply"))
    engine = an_engine(timed, effect=world)
    for _ in range(4):
        await engine.drain()
        clock.forward(60)
    assert world.sent == ["Sorry"]
    assert world.asked == [error]
    assert await rows(timed, "state", "effect_state") == [("parked", "sending"), ("ready", None)]
    async with timed.write() as unit:
        await unit.unpark("publish:7", done=True)
    await engine.drain()
    assert world.sent == ["Sorry", "Sorry again"]
    assert await rows(timed, "state", "effect_state") == [("done", "sent"), ("done", "sent")]


async def test_reading_back_is_tried_again_before_people_are_asked(timed: SqlStore, clock: Clock) -> None:
    world = World(Unsure("cut off"))
    world.finding, world.unknown_verdict = Retry("502"), Park("published or not?")
    await put(timed, Work("reply", {"text": "Sorry"}, max_attempts=4))
    engine = an_engine(timed, effect=world)
    for _ in range(6):
        await engine.drain()
        clock.forward(60)
    assert len(world.found) == 3
    assert len(world.asked) == 1
    assert await rows(timed, "state") == ["parked"]


async def test_an_effect_may_prefer_a_double_to_silence(timed: SqlStore, clock: Clock) -> None:
    world = World(Unsure("cut off"))
    world.finding, world.unknown_verdict = Unsure("cannot be looked up"), Later(START)
    await put(timed, REPLY)
    engine = an_engine(timed, effect=world)
    await engine.drain()
    clock.forward(1)
    await engine.drain()
    assert world.sent == ["Sorry", "Sorry"]


async def test_a_definite_retry_is_just_sent_again(timed: SqlStore, clock: Clock) -> None:
    world = World(Retry("503", after=5), happens=False)
    await put(timed, REPLY)
    engine = an_engine(timed, effect=world)
    await engine.drain()
    assert await rows(timed, "state", "effect_state", "run_at") == [("ready", None, START + timedelta(seconds=5))]
    clock.forward(5)
    await engine.drain()
    assert (world.sent, world.found) == (["Sorry"], [])


async def test_a_429_pushes_the_destination_and_counts_nothing(timed: SqlStore, clock: Clock) -> None:
    world = World(Retry("slow down", after=40, rate_limited=True), happens=False)
    await timed.ensure_dest("room", 3, burst=5)
    await put(timed, Work("reply", {"text": "Sorry"}, dest="room", max_attempts=1, prio=0))
    engine = an_engine(timed, effect=world)
    await engine.drain()
    assert await tat(timed, "room") == START.timestamp() + 40 + 4 * 3
    clock.forward(40)
    await engine.drain()
    assert await rows(timed, "state", "attempts") == [("done", 1)]


async def test_a_time_that_no_server_means_holds_nothing_up_for_longer_than_a_day(timed: SqlStore) -> None:
    world = World(Retry("slow down", after=999_999_999, rate_limited=True), happens=False)
    await timed.ensure_dest("room", 3)
    await put(timed, Work("reply", {"text": "Sorry"}, dest="room"))
    await an_engine(timed, effect=world).drain()
    assert await rows(timed, "run_at") == [START + timedelta(days=1)]
    assert await tat(timed, "room") == START.timestamp() + 86_400


async def test_a_refusal_is_the_effects_own_business(timed: SqlStore) -> None:
    world = World(Refused("too long", "E1"), happens=False)
    world.verdict = Drop("shown to its owner")
    await put(timed, REPLY)
    await an_engine(timed, effect=world).drain()
    assert [str(error) for error in world.failures] == ["too long"]
    assert await rows(timed, "state", "effect_state") == [("cancelled", None)]


@pytest.mark.parametrize("verdict", [Drop("refused"), Park("look"), Later(START + timedelta(hours=1)), None])
async def test_a_call_that_certainly_did_not_happen_is_not_kept(timed: SqlStore, verdict: Verdicts | None) -> None:
    """It quotes what people wrote, and no lane leads to all of whom it quotes."""
    world = World(Retry("503"), happens=False)
    world.verdict = verdict
    await put(timed, REPLY)
    await an_engine(timed, effect=world).drain()
    assert await rows(timed, "effect_state", "call") == [(None, None)]


@pytest.mark.parametrize("published", [True, False])
async def test_a_call_is_not_kept_once_people_have_answered(timed: SqlStore, clock: Clock, published: bool) -> None:
    world = World(Unsure("cut off"))
    world.finding, world.unknown_verdict = Unsure("no list"), Park("published or not?")
    await put(timed, REPLY)
    engine = an_engine(timed, effect=world)
    await engine.drain()
    clock.forward(60)
    await engine.drain()
    assert await rows(timed, "state") == ["parked"]
    async with timed.write() as unit:
        await unit.unpark("publish:7", done=published)
    assert await rows(timed, "call") == [None]


async def test_what_was_sent_but_not_recorded_is_recorded_later(timed: SqlStore, clock: Clock) -> None:
    class Clumsy(World):
        async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts:
            if not self.found:
                raise ValueError("a bug in record")
            return await super().record(unit, row, call, result)

    world = Clumsy()
    await put(timed, REPLY)
    engine = an_engine(timed, effect=world)
    await engine.drain()
    clock.forward(1)
    await engine.drain()
    assert world.sent == ["Sorry"]
    assert await rows(timed, "state", "external_id") == [("done", "id-found")]


@pytest.mark.parametrize("asked", [False, True])
async def test_an_effect_that_is_put_aside_is_told_of_unless_staff_were_asked(
    timed: SqlStore, clock: Clock, asked: bool
) -> None:
    class Broken(World):
        async def failed(self, unit: Unit, row: Row, error: Exception) -> Verdicts | None:
            raise ValueError("a bug in failed")

    world = World(Unsure("cut off")) if asked else Broken(Refused("no links"), Refused("no links"), happens=False)
    world.finding, world.unknown_verdict = Unsure("no list"), Park("published or not?")
    await put(timed, Work("reply", {"text": "Sorry"}, max_attempts=2))
    engine = an_engine(timed, effect=world)
    for _ in range(3):
        await engine.drain()
        clock.forward(60)
    assert await rows(timed, "state") == ["parked"]
    assert [one.kind for one in await engine.tired()] == ([] if asked else ["reply"])


@pytest.mark.parametrize(
    "error", [Retry("two changes crossed each other", after=0), ConnectionResetError(), RuntimeError("a bug in record")]
)
async def test_what_was_sent_is_written_down_as_soon_as_the_database_takes_it(
    timed: SqlStore, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a message would be sent anew, and staff be asked about a reply of which the desk was told that it stands."""

    class Crossing(World):
        async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts:
            verdict = await super().record(unit, row, call, result)
            if len(self.recorded) == 1:
                raise error
            return verdict

    world, passing = Crossing(), not isinstance(error, RuntimeError)
    monkeypatch.setattr("storage.runner.ONCE_MORE", (0.0, 0.0))
    await put(timed, REPLY)
    await an_engine(timed, effect=world).drain()
    assert (world.sent, world.found) == (["Sorry"], [])
    assert await rows(timed, "state", "effect_state") == [("done", "sent") if passing else ("ready", "sending")]


async def test_what_can_never_be_recorded_ends_before_people(timed: SqlStore, clock: Clock) -> None:
    class Broken(World):
        async def record(self, unit: Unit, row: Row, call: Call, result: Any) -> Verdicts:
            raise ValueError("a bug in record")

    world = Broken()
    await put(timed, Work("reply", {"text": "Sorry"}, max_attempts=2))
    engine = an_engine(timed, effect=world)
    for _ in range(6):
        await engine.drain()
        clock.forward(60)
    assert world.sent == ["Sorry"]
    assert await rows(timed, "state", "effect_state") == [("parked", "sending")]


async def test_cancelling_spares_what_may_have_been_sent(timed: SqlStore, clock: Clock) -> None:
    world = World(Unsure("cut off"))
    await put(timed, REPLY)
    engine = an_engine(timed, effect=world)
    await engine.drain()
    async with timed.write() as unit:
        assert await unit.cancel("publish:7") == 0
    clock.forward(1)
    await engine.drain()
    assert await rows(timed, "state") == ["done"]


async def test_work_merged_while_unsure_is_not_swallowed(timed: SqlStore, clock: Clock) -> None:
    """A card that may show the old state is found and done; the new state must still be drawn after it."""
    world = World(Unsure("cut off"))
    await put(timed, Work("reply", {"text": "old"}, merge_key="card:7", lane="l"))
    engine = an_engine(timed, effect=world)
    await engine.drain()
    await put(timed, Work("reply", {"text": "new"}, merge_key="card:7", lane="l"))
    clock.forward(1)
    await engine.drain()
    assert world.sent == ["old", "new"]


async def test_a_definite_retry_takes_in_what_came_meanwhile(timed: SqlStore, clock: Clock) -> None:
    class Slow(World):
        async def send(self, row: Row, call: Call) -> Any:
            if not self.failures:
                item = Work("reply", {"text": "new", "items": [2]}, merge_key="k", merge="extend", lane="l", prio=0)
                await put(timed, item)
            return await super().send(row, call)

    world = Slow(Retry("503", after=5), happens=False)
    await put(timed, Work("reply", {"text": "old", "items": [1]}, merge_key="k", merge="extend", lane="l"))
    engine = an_engine(timed, effect=world)
    await engine.drain()
    assert await rows(timed, "state", "payload", "prio") == [
        ("ready", {"text": "old", "items": [1, 2]}, 0),
        ("cancelled", {"text": "new", "items": [2]}, 0),
    ]
    clock.forward(5)
    await engine.drain()
    assert world.sent == ["old"]


async def test_too_near_the_end_of_the_lease_nothing_is_sent(timed: SqlStore) -> None:
    """The fence: this process was frozen between its last write and the call."""

    class Frozen(Engine):
        frozen = 46.0

        def _in_time(self, held: Any) -> bool:
            held.since -= self.frozen
            self.frozen = 0.0
            return super()._in_time(held)

    world, points = World(), []

    async def probe(point: str, row: Row) -> None:
        points.append(point)

    await put(timed, REPLY)
    engine = Frozen(timed, {}, {"reply": world}, probe=probe)
    await engine.drain()
    assert points[:3] == ["claimed", "sending", "claimed"]
    assert (world.sent, world.found) == (["Sorry"], [])
    assert await rows(timed, "attempts") == [1]


def test_a_lease_must_outlast_three_time_outs(store_url: str) -> None:
    with pytest.raises(ValueError, match="three HTTP time-outs"):
        Engine(None, {}, {"reply": World()}, http_timeout=timedelta(seconds=20))  # type: ignore[arg-type]


async def test_what_was_sent_can_be_any_of_the_desks_values(store: SqlStore) -> None:
    data = {
        "state": State.NEW,
        "author": Author("u1", followers=3),
        "at": (START, timedelta(seconds=1.5)),
        "names": frozenset({"a"}),
        "nested": [{"x": None}],
    }
    assert unpack(pack(Call(data))) == Call(data)


@pytest.mark.parametrize("value", [object(), b"bytes", {"$": 1}, {1: 2}, Exception])
def test_what_cannot_be_written_down_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        pack({"x": value})


def test_fields_of_an_older_version_are_let_go() -> None:
    packed = pack(Author("u1"))
    packed["v"]["shoe_size"] = 42
    assert unpack(packed) == Author("u1")


class Shown(World):
    """Every other message shows already what it would be redrawn to."""

    async def prepare(self, unit: Unit, row: Row) -> Call | Verdicts:
        call = await super().prepare(unit, row)
        return Done("as it was") if len(self.prepared) % 2 else call


async def test_what_need_not_be_sent_costs_no_token(timed: SqlStore, clock: Clock) -> None:
    world = Shown()
    await timed.ensure_dest("room", 10)
    await put(timed, *(Work("reply", {"text": str(n)}, dest="room") for n in range(6)))
    engine = an_engine(timed, effect=world)
    for sent in (["1"], ["1", "3"], ["1", "3", "5"]):
        await engine.drain()
        assert world.sent == sent
        clock.forward(10)
