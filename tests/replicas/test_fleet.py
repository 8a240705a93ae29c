"""The simulation of docs/scale.md, in which rooms are paced by the desk's own statements."""

from __future__ import annotations

from bench.fleet import STAGES, Call, Costs, Fleet, Room, play, serve
from bot.build import group_pace
from desk.work import Prio
from storage.pace import quick_gap

COSTS = Costs(dict.fromkeys(STAGES, 2), dict.fromkeys(STAGES, 1), 0.1, 0.01)


def test_the_same_seed_gives_the_same_days() -> None:
    fleet = Fleet(20, 2, 1)
    assert play(fleet, COSTS) == play(fleet, COSTS) != play(Fleet(20, 2, 1, seed=2), COSTS)


def test_people_go_first_and_nothing_is_lost() -> None:
    made = sorted([*(Call(0.0, Prio.CARD) for _ in range(60)), *(Call(30.0 * n, Prio.PERSON) for n in range(10))])
    served = serve(made, Room(*group_pace(20), quick_gap(20)))
    assert len(served) == 70
    assert max(one.wait for one in served if one.person) < 5 < max(one.wait for one in served if not one.person)
    starts = [one.start for one in served]
    assert max(sum(0 <= later - start < 60 for later in starts) for start in starts) <= 20
