"""Telegram's HTML and entities, without a server."""

import pytest

from sandbox.telegram.entities import Formatted, formatted, safe_html, typed


def parsed(text: str) -> Formatted:
    return formatted(text, "HTML", None, lambda user_id: {"id": user_id} if user_id == 1001 else None)


def marks(body: Formatted) -> list[tuple[str, int, int]]:
    return [(one["type"], one["offset"], one["length"]) for one in body.entities]


PARSED = {
    "bold": ("<b>x</b>", "x", [("bold", 0, 1)]),
    "other names": ("<STRONG>x</STRONG><em>y</em>", "xy", [("bold", 0, 1), ("italic", 1, 1)]),
    "nested": ("<b>a<i>b</i></b>", "ab", [("bold", 0, 2), ("italic", 1, 1)]),
    "utf-16 offsets": ("😀<b>x</b>", "😀x", [("bold", 2, 1)]),
    "short end tag": ("<b>x</>", "x", [("bold", 0, 1)]),
    "empty mark": ("<b></b>x", "x", []),
    "known references": ("&lt;&gt;&amp;&quot;&#33;&#x21;", '<>&"!!', []),
    "reference without its end": ("a&ltb &lt b", "a&ltb < b", []),
    "unknown references stay": ("&nbsp;&copy; &;", "&nbsp;&copy; &;", []),
    "link": ('<a href="https://e.com/?a=1&amp;b=2">x</a>', "x", [("text_link", 0, 1)]),
    "link without a host is dropped": ('<a href="http://localhost">x</a>', "x", []),
    "mention by id": ('<a href="tg://user?id=1001">x</a>', "x", [("text_mention", 0, 1)]),
    "mention of a stranger is dropped": ('<a href="tg://user?id=5">x</a>', "x", []),
    "spoilers": (
        '<tg-spoiler>a</tg-spoiler><span class="tg-spoiler">b</span>',
        "ab",
        [("spoiler", 0, 1), ("spoiler", 1, 1)],
    ),
    "quote": ("<blockquote expandable>x</blockquote>", "x", [("expandable_blockquote", 0, 1)]),
    "code with language": ('<pre><code class="language-py">x</code></pre>', "x", [("pre", 0, 1)]),
    "code": ("<code class='language-py'>x</code>", "x", [("code", 0, 1)]),
    "emoji": ('<tg-emoji emoji-id="5312536423851630001">💡</tg-emoji>', "💡", [("custom_emoji", 0, 2)]),
    "time": ('<tg-time unix="1790000000">noon</tg-time>', "noon", [("date_time", 0, 4)]),
    "trimmed with its marks": (" \n x <b>y </b>\n", "x y", [("bold", 2, 1)]),
    "no command inside code": ("<code>/reply</code> /reply", "/reply /reply", [("code", 0, 6), ("bot_command", 7, 6)]),
}


@pytest.mark.parametrize(("raw", "text", "expected"), PARSED.values(), ids=PARSED)
def test_html_is_parsed_as_the_server_does(raw: str, text: str, expected: list[tuple[str, int, int]]):
    body = parsed(raw)
    assert (body.text, marks(body)) == (text, expected)


def test_a_link_keeps_its_address():
    assert parsed('<a href="https://e.com/?a=1&amp;b=2">x</a>').entities[0]["url"] == "https://e.com/?a=1&b=2"


def test_a_language_is_kept_only_in_a_block():
    assert parsed('<pre><code class="language-py">x</code></pre>').entities[0]["language"] == "py"
    assert "language" not in parsed("<code class='language-py'>x</code>").entities[0]


def test_carriage_returns_go_and_marks_move():
    body = formatted("a\r\nb", "", [{"type": "bold", "offset": 3, "length": 1}], lambda _: None)
    assert (body.text, marks(body)) == ("a\nb", [("bold", 2, 1)])


TYPED = {
    "command at the start": ("/reply thanks", [("bot_command", 0, 6)]),
    "command in the middle": ("so /open", [("bot_command", 3, 5)]),
    "path is no command": ("a/b and /usr/bin", []),
    "mail is no mention": ("me@example.com", []),
    "mention": ("hi @anna_k!", [("mention", 3, 7)]),
    "address": ("see https://e.com/a?b=1, ok", [("url", 4, 19)]),
    "tags are just text": ("<b>x</b>", []),
}


@pytest.mark.parametrize(("text", "expected"), TYPED.values(), ids=TYPED)
def test_what_people_type_is_marked(text: str, expected: list[tuple[str, int, int]]):
    assert marks(typed(text)) == expected


def test_crossing_marks_still_give_wellformed_html():
    entities = ({"type": "bold", "offset": 0, "length": 2}, {"type": "italic", "offset": 1, "length": 2})
    assert safe_html(Formatted("abc", entities)) == "<b>a<i>b</i></b>c"


def test_only_web_addresses_become_links():
    body = Formatted("x", ({"type": "text_link", "offset": 0, "length": 1, "url": "javascript:alert(1)"},))
    assert safe_html(body) == "x"
