from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.text import plain, scrubbed, tidy

MARKUP = [
    ("", ""),
    ("plain", "plain"),
    ("<p>one</p>\n<p>two<br />\nthree</p>", "one\n\ntwo\nthree"),
    ("a &amp;amp; b &lt;b&gt;", "a &amp; b <b>"),
    ("<script>x</script><style>y</style>z", "z"),
    ('😡<img class="emoji" alt="👎" src="x.png">', "😡👎"),
    ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
    ("5 < 6 and 7 > 3", "5 < 6 and 7 > 3"),
    ("<b>unclosed", "unclosed"),
    ("<p>   </p>", ""),
]


@pytest.mark.parametrize(("markup", "words"), MARKUP)
def test_markup_becomes_words(markup: str, words: str) -> None:
    assert plain(markup) == words


@given(st.text())
def test_any_markup_becomes_something(markup: str) -> None:
    assert "\x00" not in plain(markup)


def test_deeply_nested_markup_is_read() -> None:
    assert plain("<div>" * 20_000 + "deep") == "deep"


def test_what_no_database_takes_is_left_out() -> None:
    assert tidy(" a\x00b\ud83d \n") == "ab"
    assert scrubbed({"a\x00": ["b\ud83d", {"c": None, "d": 1.5}]}) == {"a": ["b", {"c": None, "d": 1.5}]}
