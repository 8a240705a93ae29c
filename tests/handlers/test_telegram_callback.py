"""What a button carries, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.forms import PRESSES
from handlers.telegram.callback import MOST_BYTES, Data, pack, unpack

ACTIONS = sorted([*PRESSES, "answer", "cancel", "tell"])
KEY = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", fullmatch=True)
EXTRA = st.one_of(
    st.just(""),
    st.integers(0, 10**8).map(str),
    st.builds(lambda n, key: f"{n}.{key}", st.integers(0, 10**8), KEY),
    st.integers(0, 10**8).map(lambda n: f"{n}."),
)


@given(st.sampled_from(ACTIONS), st.integers(0, 2**31), st.none() | st.integers(0, 9999), EXTRA)
def test_every_button_comes_back_as_it_was(action: str, case: int, version: int | None, extra: str):
    questions = action in ("answer", "cancel", "tell")
    data = Data(action, case, 0 if questions else version, extra if questions else "")
    packed = pack(data)
    assert len(packed.encode()) <= MOST_BYTES
    assert unpack(packed) == data


def test_the_longest_key_of_a_person_finds_room():
    packed = pack(Data("answer", 36**6 - 1, 0, f"{10**8}.{'k' * 40}"))
    assert len(packed) <= MOST_BYTES
    assert unpack(packed) == Data("answer", 36**6 - 1, 0, f"{10**8}.{'k' * 40}")


def test_what_does_not_fit_is_refused_at_once():
    with pytest.raises(ValueError, match="64 bytes"):
        pack(Data("answer", 1, 0, "я" * 40))


SHIPPED = [
    ("c1:take:7:0:", Data("take", 7, 0)),
    ("c1:approve:z:3:", Data("approve", 35, 3)),
    ("c1:a:7::12.not_about_us", Data("answer", 7, None, "12.not_about_us")),
    ("c1:x:7:0:12", Data("cancel", 7, 0, "12")),
    ("c1:t:7:0:5", Data("tell", 7, 0, "5")),
]


@pytest.mark.parametrize(("packed", "data"), SHIPPED)
def test_every_prefix_ever_shipped_is_understood(packed: str, data: Data):
    assert unpack(packed) == data


GARBAGE = [
    None, "", "c1", "c1:", "c1:take", "c1:take:7:0", "c1::7:0:", "c1:take::0:", "c1:take:-7:0:", "c1:take:7:x!:",
    "c1:take:²:0:", "c1:take:zzzzzzzzzzzz:0:", "c2:take:7:0:", "c0:take:7:0:", "take:7", "case_take_7",
    "c1:answer:7:0:²", "c1:a:7:0:٣.x", "c1:a:7:0:1.x;drop", "c1:a:7:0:99999999999999999999", "c1:TAKE:7:0:\x00",
]  # fmt: skip


@pytest.mark.parametrize("packed", GARBAGE)
def test_garbage_is_nobodys_button(packed: str | None):
    assert unpack(packed) is None


@given(st.text(max_size=64))
def test_no_text_breaks_the_reading(packed: str):
    for tried in (packed, f"c1:{packed}"):
        found = unpack(tried)
        assert found is None or found.case >= 0
