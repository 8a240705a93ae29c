"""The table of desk.decide as a picture (Mermaid), for the docs: drawn from the table, so it cannot rot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from desk.actions import Action
from desk.case import State
from desk.decide import TABLE, Transition

DESK = "⚙ "
"""Marks what no person presses."""

COMMON = len(State) // 2
"""An action that leaves more states than this as they are is told once, not beside each of them."""

Kind = type[Action]
Table = Mapping[tuple[State, Kind], Transition]


def label(kind: Kind) -> str:
    """`SendToClient` as people read it: "Send to client"."""
    return re.sub(r"(?<!^)([A-Z])", lambda found: " " + found[1].lower(), kind.__name__)


def mermaid(table: Table = TABLE) -> str:
    """A state diagram: first what people press, then what the desk does, last what changes no state."""
    common = _common(table)
    rest = {key: t for key, t in table.items() if key[1] not in common}
    return "\n".join(
        [
            "stateDiagram-v2",
            "    direction TB",
            "    [*] --> new",
            "    %% people",
            *_arrows({key: t for key, t in rest.items() if t.by != "desk"}, ""),
            "    %% the desk itself",
            *_arrows({key: t for key, t in rest.items() if t.by == "desk"}, DESK),
            "    %% what changes no state",
            *_notes(rest),
            *_common_note(common, table),
        ]
    )


def _common(table: Table) -> list[Kind]:
    kinds = dict.fromkeys(kind for _, kind in table)
    stays = {kind: [t.to == (state,) for (state, k), t in table.items() if k is kind] for kind in kinds}
    return [kind for kind, stay in stays.items() if all(stay) and len(stay) > COMMON]


def _arrows(table: Table, mark: str) -> Iterable[str]:
    between: dict[tuple[State, State], list[str]] = {}
    for (state, kind), transition in table.items():
        for to in transition.to:
            if to is not state:
                between.setdefault((state, to), []).append(label(kind))
    return [
        f"    {here.value} --> {there.value} : {mark}{' / '.join(names)}" for (here, there), names in between.items()
    ]


def _notes(table: Table) -> Iterable[str]:
    for state in State:
        stays = [
            f"{DESK if t.by == 'desk' else ''}{label(kind)}"
            for (here, kind), t in table.items()
            if here is state and state in t.to
        ]
        if stays:
            yield from (f"    note right of {state.value}", *(f"        {name}" for name in stays), "    end note")


def _common_note(kinds: Iterable[Kind], table: Table) -> Iterable[str]:
    yield "    note left of new"
    for kind in kinds:
        states = {state for state, k in table if k is kind}
        left_out = ", ".join(state.value for state in State if state not in states)
        mark = DESK if all(t.by == "desk" for (_, k), t in table.items() if k is kind) else ""
        yield f"        {mark}{label(kind)}, in every state{' but ' + left_out if left_out else ''}"
    yield "    end note"
