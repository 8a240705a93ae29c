from __future__ import annotations

import unicodedata

import pytest

from collectors.graphemes import graphemes

ONE = {
    "letter": "ж",
    "letter and accent": "e\u0301",
    "letter and several marks": "а\u0301\u0323\u0308",
    "composed Hangul": "한",
    "Hangul in parts": unicodedata.normalize("NFD", "한"),
    "line end of Windows": "\r\n",
    "emoji": "🙂",
    "emoji with a variation selector": "❤\ufe0f",
    "keycap": "1\ufe0f\u20e3",
    "skin tone": "👎🏽",
    "flag": "🇰🇿",
    "flag made of tags": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "family": "👨‍👩‍👧‍👦",
    "profession with skin tone": "👩🏽‍💻",
    "sign as the second half": "🙂\u200d↔\ufe0f",
    "rainbow flag": "🏳\ufe0f\u200d🌈",
    "vowel sign": "कि",
    "Thai with a vowel": "กำ",
}


@pytest.mark.parametrize("text", ONE.values(), ids=ONE.keys())
def test_what_is_read_as_one_character_counts_as_one(text: str) -> None:
    assert graphemes(text) == 1
    assert graphemes(f"a{text}z{text}") == 4


SEVERAL = {
    "nothing": ("", 0),
    "words": ("Қайырлы таң!", 12),
    "two flags": ("🇰🇿🇷🇺", 2),
    "three flag letters": ("🇰🇿🇷", 2),
    "pictures side by side": ("😡👎🏽", 2),
    "joiner between letters": ("a\u200db", 2),
    "joiner before a letter": ("👩\u200da", 2),
    "picture after a joined letter": ("a\u200d👩", 2),
    "two line ends": ("\n\n", 2),
    "mark after a line end": ("\n\u0301", 2),
    "mark at the start": ("\u0301a", 2),
    "invisible space": ("a\u200bb", 3),
}


@pytest.mark.parametrize(("text", "number"), SEVERAL.values(), ids=SEVERAL.keys())
def test_what_is_read_as_several_counts_as_several(text: str, number: int) -> None:
    assert graphemes(text) == number


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_way_accents_are_stored_makes_no_difference(form: str) -> None:
    assert graphemes(unicodedata.normalize(form, "ёлка, naïve, Đà Nẵng")) == 20
