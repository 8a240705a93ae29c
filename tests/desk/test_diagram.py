"""The picture of the docs says what the table says, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Iterator

from desk.case import State
from desk.decide import TABLE
from desk.diagram import DESK, label, mermaid

Told = tuple[str, str, str, bool]
"""From, action, to, and whether the desk does it."""

ARROW = re.compile(r"^(\w+) --> (\w+) : (.+)$")
NOTE = re.compile(r"^note right of (\w+)$")


def _told() -> set[Told]:
    return {
        (state.value, label(kind), to.value, transition.by == "desk")
        for (state, kind), transition in TABLE.items()
        for to in transition.to
    }


def _drawn(text: str) -> Iterator[Told]:
    beside = ""
    for line in (line.strip() for line in text.splitlines()):
        if arrow := ARROW.match(line):
            names = arrow[3].removeprefix(DESK)
            yield from ((arrow[1], name, arrow[2], names != arrow[3]) for name in names.split(" / "))
        elif note := NOTE.match(line):
            beside = note[1]
        elif line == "end note":
            beside = ""
        elif beside:
            yield beside, line.removeprefix(DESK), beside, line.startswith(DESK)
        elif ", in every state" in line:
            yield from _in_every_state(line)


def _in_every_state(line: str) -> Iterator[Told]:
    name, _, but = line.removeprefix(DESK).partition(", in every state")
    left_out = but.removeprefix(" but ").split(", ")
    yield from ((s.value, name, s.value, line.startswith(DESK)) for s in State if s.value not in left_out)


def test_the_diagram_is_the_table() -> None:
    drawn = list(_drawn(mermaid()))
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == _told()


def test_a_changed_table_changes_the_diagram() -> None:
    smaller = dict(list(TABLE.items())[1:])
    assert mermaid(smaller) != mermaid()


def test_labels_read_like_the_buttons() -> None:
    assert {label(kind) for _, kind in TABLE} >= {"Take", "Send to client", "I posted it", "It is not published"}


def test_every_state_can_be_reached_and_left() -> None:
    moves = {(here, there) for here, _, there, _ in _told() if here != there}
    assert {there for _, there in moves} == {s.value for s in State}
    assert {here for here, _ in moves} == {s.value for s in State}


def test_it_is_small_enough_to_read() -> None:
    arrows = [line for line in mermaid().splitlines() if " --> " in line]
    assert len(arrows) < 60
    assert max(map(len, mermaid().splitlines())) < 160
