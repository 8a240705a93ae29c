"""A drawing as a Telegram message: what is shown, escaped, shortened, linked."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.people import Person
from desk.view import Block, Button, Call, Drawing, Line, Link, Quote, Say
from handlers.telegram.cards import LONGEST, LONGEST_CAPTION, linkable, render, topic_name
from sandbox.telegram.entities import Formatted, formatted

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ANNA = Person("anna", "Anna <Lead>", "staff", ("*",), telegram=1001)
OLGA = Person("olga", "Olga & Co", "approver", ("acme",))


def text(words: str, style: str = "plain") -> Line:
    return Line(Say("literal", {"text": words}), style)  # type: ignore[arg-type]


def drawing(
    *blocks: Block, rows: tuple[tuple[Button, ...], ...] = (), lang: str = "en", title: str = "Cold"
) -> Drawing:
    say = Say("title", {"case": 7, "stars": "★1", "brand": "Acme", "text": title})
    return Drawing(say, blocks, rows, lang, "Asia/Almaty")


def as_read(html: str) -> Formatted:
    """As the server reads it; raises where it would refuse."""
    return formatted(html, "HTML", None, lambda user: {"id": user})


def kinds(html: str) -> list[str]:
    return [entity["type"] for entity in as_read(html).entities]


ROWS = [
    (("Take", "Write reply", "Dismiss"), [3]),
    (("Send to client", "Write reply", "Dismiss"), [2, 1]),
    (("Отклонить", "Закрыть", "Эскалировать"), [2, 1]),
    (("Алу", "Жауап жазу", "Қабылдамау"), [2, 1]),
    (("Опубликовать сейчас", "Отменить"), [1, 1]),
    (("Take #1", "Take #2", "Take #3", "Take #4"), [4]),
]


@pytest.mark.parametrize(("labels", "rows"), ROWS)
def test_no_label_is_cut_off_on_a_phone(labels: tuple[str, ...], rows: list[int]):
    row = tuple(Button("take", "literal", 7, args={"text": label}) for label in labels)
    keyboard = render(drawing(text("x"), rows=(row,)), NOW).keyboard
    assert keyboard is not None
    assert [len(shown) for shown in keyboard.inline_keyboard] == rows
    assert tuple(b.text for shown in keyboard.inline_keyboard for b in shown) == labels


def test_buttons_are_set_anew_over_all_rows_and_options_stay_one_below_the_other():
    def drawn(*rows: tuple[str, ...]) -> list[list[str]]:
        buttons = tuple(tuple(Button("take", "literal", 7, args={"text": label}) for label in row) for row in rows)
        keyboard = render(drawing(text("x"), rows=buttons), NOW).keyboard
        assert keyboard is not None
        return [[b.text for b in row] for row in keyboard.inline_keyboard]

    assert drawn(("Send to client", "Write reply", "Dismiss"), ("Close", "Escalate", "Hand over")) == [
        ["Send to client", "Write reply"],
        ["Dismiss", "Close", "Escalate"],
        ["Hand over"],
    ]
    assert drawn(("Yes",), ("No",), ("Cancel",)) == [["Yes"], ["No"], ["Cancel"]]


STYLES = [("title", "<b>x</b>"), ("dim", "<i>x</i>"), ("alert", "⚠️ x"), ("plain", "x")]


@pytest.mark.parametrize(("style", "html"), STYLES)
def test_each_style_of_line(style: str, html: str):
    assert render(drawing(text("x", style)), NOW).html == html


HOSTILE = [
    "<b>", "</blockquote>", "&amp;", "&lt;b&gt;", "цена < 5 & > 3", '"quoted" \'too\'', "<a href='tg://user?id=1'>x</a>",
    "{name} [x] %s", "`*_~|", "&#60;script&#62;",
]  # fmt: skip


@pytest.mark.parametrize("foreign", HOSTILE)
def test_hostile_text_arrives_as_it_was_written(foreign: str):
    for block in (Quote(foreign), text(foreign)):
        shown = render(drawing(block), NOW)
        assert as_read(shown.html).text == foreign
        assert kinds(shown.html) in ([], ["blockquote"])


def test_everyone_is_only_a_word():
    shown = render(drawing(Quote("@everyone <!channel> look")), NOW)
    assert as_read(shown.html).text == "＠everyone <!channel> look"
    assert not {"mention", "text_mention"} & set(kinds(shown.html))


def test_hidden_signs_are_shown():
    assert as_read(render(drawing(Quote("a\u202eb")), NOW).html).text == "a⟨U+202E⟩b"


def test_people_are_mentioned_by_their_telegram():
    shown = render(drawing(Call((ANNA, OLGA))), NOW)
    assert shown.html == '<a href="tg://user?id=1001">Anna &lt;Lead&gt;</a>, Olga &amp; Co'
    assert kinds(shown.html) == ["text_mention"]


def test_a_long_quote_is_folded_and_a_short_one_is_not():
    assert render(drawing(Quote("x" * 800)), NOW).html.startswith("<blockquote expandable>")
    assert render(drawing(Quote("x" * 80)), NOW).html.startswith("<blockquote>")


LONG = ["x" * 10_000, "слово " * 2000, "😀" * 5000, "<&>" * 3000, "👨‍👩‍👧" * 2000, "a\n" * 4000, "\u202e" * 3000]


@pytest.mark.parametrize("foreign", LONG, ids=["x", "words", "emoji", "markup", "families", "lines", "hidden"])
@pytest.mark.parametrize("longest", [LONGEST, LONGEST_CAPTION])
def test_a_long_text_is_shortened_and_the_message_says_so(foreign: str, longest: int):
    shown = render(drawing(text("head", "title"), Quote(foreign), text("foot")), NOW, longest)
    read = as_read(shown.html).text
    assert len(read) <= longest
    assert read.startswith("head\n")
    assert read.endswith("foot\nShortened here: the whole text is in the attached file or behind the link")
    assert "…" in read
    assert len(shown.cut) == 1
    assert len(read) > longest - 120


def test_a_text_that_fits_exactly_is_left_alone():
    shown = render(drawing(Quote("x" * LONGEST)), NOW)
    assert (shown.cut, shown.length, len(as_read(shown.html).text)) == ((), LONGEST, LONGEST)
    assert render(drawing(Quote("x" * (LONGEST + 1))), NOW).cut == ("x" * (LONGEST + 1),)


def test_of_two_quotes_only_the_long_one_is_shortened():
    shown = render(drawing(Quote("short " * 20), Quote("y" * 9000)), NOW)
    assert "short " * 19 in as_read(shown.html).text
    assert shown.cut == ("y" * 9000,)


def test_two_long_quotes_share_the_room():
    read = as_read(render(drawing(Quote("x" * 9000), Quote("y" * 9000)), NOW).html).text
    assert abs(read.count("x") - read.count("y")) < 20
    assert read.count("x") > 1900


def test_an_endless_line_does_not_push_out_the_rest():
    shown = render(drawing(text("z" * 9000), text("still here")), NOW)
    assert as_read(shown.html).text.endswith("still here")


def test_too_many_lines_give_way_at_the_end_but_who_is_called_stays():
    shown = render(drawing(text("head"), *(text("z" * 300) for _ in range(40)), Call((ANNA,))), NOW)
    read = as_read(shown.html).text
    assert len(read) == shown.length <= LONGEST
    assert read.startswith("head\nzzz")
    assert read.endswith("zzz\n…\nAnna <Lead>")
    assert read.count("\n") == 15


@pytest.mark.parametrize("nothing", [(), (Quote(""),), (Quote(" \n "), Call(()))])
def test_a_message_without_content_shows_its_title(nothing: tuple[Block, ...]):
    assert as_read(render(drawing(*nothing), NOW).html).text == "#7 ★1 Acme: Cold"


blocks = st.lists(
    st.one_of(
        st.builds(text, st.text(max_size=80), st.sampled_from(["title", "dim", "alert", "plain"])),
        st.builds(Quote, st.text(max_size=6000)),
        st.builds(Quote, st.text(alphabet="<>&\u202e😀", max_size=6000)),
    ),
    max_size=5,
)


@settings(max_examples=60)
@given(blocks)
def test_any_message_is_one_that_the_server_takes(made: list[Block]):
    shown = render(drawing(text("#7"), *made), NOW)
    read = as_read(shown.html).text
    assert 0 < len(read) <= shown.length <= LONGEST


LINKS = [
    ("https://play.google.com/store?id=1&r=2", True),
    ("http://shop.example/ö?x=я", True),
    ("http://93.184.216.34/x", True),
    ("http://localhost:8080/x", False),
    ("http://127.0.0.1:8080/x", False),
    ("http://[::1]/x", False),
    ("http://0.0.0.0/", False),
    ("http://site.localhost/", False),
    ("http://nodots/", False),
    ("ftp://x.example/", False),
    ("javascript:alert(1)", False),
    ("https://x.example/a b", False),
    ('https://x.example/"><b>', False),
    ("https://[broken", False),
    ("", False),
]


@pytest.mark.parametrize(("url", "taken"), LINKS)
def test_only_addresses_telegram_takes_become_links(url: str, taken: bool):
    assert linkable(url) is taken
    shown = render(drawing(Line(Say("file", {"link": Link("a", url)})), rows=((_open(url),),)), NOW)
    assert ("text_link" in kinds(shown.html)) is taken
    assert (shown.keyboard is not None) is taken


def _open(url: str) -> Button:
    return Button("open", "button_open", 7, url=url)


def test_an_address_that_cannot_be_linked_is_shown_for_copying():
    shown = render(drawing(Line(Say("state_answered", {"link": Link("", "http://127.0.0.1:8080/r/7")}))), NOW)
    assert as_read(shown.html).text == "Answered: http://127.0.0.1:8080/r/7"


def test_a_nameless_link_shows_where_it_leads():
    shown = render(drawing(Line(Say("state_answered", {"link": Link("", "https://www.shop.example/r/7?x=1")}))), NOW)
    assert shown.html == 'Answered: <a href="https://www.shop.example/r/7?x=1">shop.example/r/7</a>'


def test_link_buttons_can_be_left_out():
    rows = ((Button("take", "button_take", 7), _open("https://x.example/")), (_open("https://x.example/"),))
    shown = render(drawing(text("x"), rows=rows), NOW, links=False)
    assert shown.keyboard is not None
    assert [[b.text for b in row] for row in shown.keyboard.inline_keyboard] == [["Take"]]


def test_buttons_carry_case_version_and_style():
    rows = ((Button("approve", "button_approve", 7, 3, style="primary"), Button("edit", "button_edit", 7, 3)),)
    keyboard = render(drawing(text("x"), rows=rows, lang="ru"), NOW).keyboard
    assert keyboard is not None
    first, second = keyboard.inline_keyboard[0]
    assert (first.text, first.callback_data, first.style) == ("Согласовать", "c1:approve:7:3:", "primary")
    assert (second.text, second.style) == ("Изменить", None)


def test_a_message_never_has_more_buttons_than_the_server_takes():
    rows = tuple(tuple(Button("take", "button_take", n) for n in range(4)) for _ in range(30))
    keyboard = render(drawing(text("x"), rows=rows), NOW).keyboard
    assert keyboard is not None
    assert sum(map(len, keyboard.inline_keyboard)) == 100


@pytest.mark.parametrize("title", ["Cold", "кофе " * 60, "a\nb\tc", "😀" * 200])
def test_a_topic_begins_with_its_case_number_and_fits(title: str):
    name = topic_name(drawing(title=title), NOW)
    assert name.startswith("#7 ★1 Acme: ")
    assert len(name) <= 128
    assert "\n" not in name


def test_the_digest_changes_exactly_when_the_message_does():
    take = ((Button("take", "button_take", 7),),)
    same = [render(drawing(text("x"), rows=take), NOW).digest for _ in range(2)]
    others = [drawing(text("y"), rows=take), drawing(text("x")), drawing(text("x", "dim"), rows=take)]
    assert len({*same, *(render(d, NOW).digest for d in others)}) == 4
    assert len(set(same)) == 1
