"""JSON as nobody promised it: anything at all, and sound answers with something changed in them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck
from hypothesis import strategies as st

SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large)

ODD = (
    "",
    "0",
    "²",
    "\x00",
    "\ud800",
    "‮",
    "9" * 40,
    "<!channel>",
    "2026-99-99T99:99:99Z",
    "https://[::1",
    "NaN",
    "-1",
    "x" * 5_000,
)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(ODD),
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)

Path = tuple[Any, ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, itself first."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from paths(one, (*at, name))


def placed(value: Any, at: Path, new: Any) -> Any:
    """A copy with something else in one place."""
    if not at:
        return new
    made = copy.deepcopy(value)
    inner = made
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = new
    return made


def without(value: Any, at: Path) -> Any:
    if not at:
        return None
    made = copy.deepcopy(value)
    inner = made
    for name in at[:-1]:
        inner = inner[name]
    del inner[at[-1]]
    return made


def changed(samples: list[Any]) -> st.SearchStrategy[Any]:
    """One of the samples with one or two places replaced by anything, or left out."""

    @st.composite
    def make(draw: Any) -> Any:
        value = draw(st.sampled_from(samples))
        for _ in range(draw(st.integers(1, 2))):
            at = draw(st.sampled_from(list(paths(value))))
            value = without(value, at) if at and draw(st.booleans()) else placed(value, at, draw(anything))
        return value

    return make()


def dumped(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def cut(body: bytes) -> st.SearchStrategy[bytes]:
    """A body that ends early, or has bytes turned."""

    def turned(seed: int) -> bytes:
        rng, made = random.Random(seed), bytearray(body)
        for _ in range(rng.randint(1, 5)):
            if made:
                made[rng.randrange(len(made))] = rng.randrange(256)
        return bytes(made[: rng.randint(0, len(made))])

    return st.integers(0, 2**32).map(turned)
