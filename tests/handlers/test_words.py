"""What the desk says: every key in every language, filled in safely."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from babel.messages.catalog import Message
from hypothesis import given
from hypothesis import strategies as st

from desk.forms import PRESSES
from desk.view import BUTTONS, At, Link, Say, Span
from handlers.telegram import COMMANDS
from handlers.words import LANGUAGES, Renderer, blank, say, span, visible
from handlers.words.catalogue import catalogue, names, sentence
from tests.desk.keys import used_keys

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ALMATY = "Asia/Almaty"
PLURALS = {"en": 2, "ru": 3, "kk": 2}
FIELDS = {(a, f.name) for a, press in PRESSES.items() for f in press.fields if f.kind == "text"}
OWN = {
    *(f"slack_{action}_{field}" for action, field in FIELDS),
    "slack_nobody",
    "text_cut", "anonymous", "reply_as_file", "file_unreadable", "not_saved", *(f"command_{c}" for c in COMMANDS),
}  # fmt: skip
"""Keys of the surfaces themselves."""

LABELS = {
    "take": "Take", "write": "Write reply", "dismiss": "Dismiss", "open": "Open original", "suggest": "Suggest reply",
    "send": "Send to client", "close": "Close", "escalate": "Escalate", "handover": "Hand over",
    "takeback": "Take back", "undo": "Undo", "postnow": "Post now", "published": "It is published",
    "notpublished": "It is not published", "posted": "I posted it", "again": "Try again", "editreply": "Edit reply",
    "delreply": "Delete reply", "reopen": "Reopen", "approve": "Approve", "edit": "Edit",
    "changes": "Ask for changes", "decline": "Do not reply", "correct": "Ask to correct",
    "already": "Already answered", "anyway": "Post anyway", "tell": "Tell the client",
}  # fmt: skip
"""Contract §5, word for word."""


def messages(lang: str) -> dict[str, Message]:
    return {m.id if isinstance(m.id, str) else m.id[0]: m for m in catalogue(lang) if m.id}


def forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_key_the_desk_uses_has_a_sentence(lang: str):
    assert sorted((used_keys() | OWN) - messages(lang).keys()) == []


def test_all_languages_have_the_same_keys():
    assert messages("en").keys() == messages("ru").keys() == messages("kk").keys()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_sentence_is_empty_and_each_plural_has_its_forms(lang: str):
    for key, message in messages(lang).items():
        assert all(form.strip() for form in forms(message)), key
        assert len(forms(message)) == (1 if isinstance(message.id, str) else PLURALS[lang]), key


@pytest.mark.parametrize("lang", ["ru", "kk"])
def test_translations_fill_in_the_same_names(lang: str):
    english = messages("en")
    for key, message in messages(lang).items():
        wanted = set().union(*(names(form) for form in forms(english[key])))
        assert all(names(form) == wanted for form in forms(message)), key
        assert isinstance(message.id, str) == isinstance(english[key].id, str), key


@pytest.mark.parametrize("lang", ["ru", "kk"])
def test_no_english_is_left_in_a_translation(lang: str):
    for key, message in messages(lang).items():
        for form in forms(message):
            own = re.sub(r"\{\w+\}|/\w+|@desk \w+|\.txt|Slack", "", form)
            assert re.findall("[A-Za-z]{2,}", own) == [], key


@pytest.mark.parametrize("lang", ["ru", "kk"])
def test_translations_differ_from_english(lang: str):
    english = messages("en")
    same = [k for k, m in messages(lang).items() if forms(m) == forms(english[k])]
    worded = [k for k in same if re.search("[A-Za-z]{2,}", re.sub(r"\{\w+\}", "", forms(english[k])[0]))]
    assert worded == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_template_is_well_formed(lang: str):
    for key, message in messages(lang).items():
        for form in forms(message):
            left = re.sub(r"\{\w+\}", "", form)
            assert not re.search(r"[{}]", left), key
            assert not re.search(r"\[[^\]]*\[|\][^\[]*\]", f"{form}"), key
            assert form.count("[") == form.count("]"), key


def test_every_button_of_the_contract_has_its_label():
    shown = {b.action for row in BUTTONS.values() for b in row} | PRESSES.keys() | {"tell"}
    assert shown == LABELS.keys()
    assert {action: say(Say(f"button_{action}"), "en", "UTC") for action in shown} == LABELS


@pytest.mark.parametrize("lang", LANGUAGES)
def test_labels_of_one_state_can_be_told_apart(lang: str):
    for row in BUTTONS.values():
        labels = [say(Say(f"button_{b.action}"), lang, "UTC") for b in row]
        assert len(labels) == len(set(labels))
        assert all(len(label) <= 24 for label in labels)


PLURAL_CASES = [
    ("en", 1, "1 new case"),
    ("en", 2, "2 new cases"),
    ("ru", 1, "1 новый кейс"),
    ("ru", 3, "3 новых кейса"),
    ("ru", 11, "11 новых кейсов"),
    ("ru", 21, "21 новый кейс"),
    ("ru", 112, "112 новых кейсов"),
    ("kk", 1, "1 жаңа кейс"),
    ("kk", 5, "5 жаңа кейс"),
]


@pytest.mark.parametrize(("lang", "n", "wanted"), PLURAL_CASES)
def test_numbers_choose_their_plural(lang: str, n: int, wanted: str):
    assert say(Say("summary", {"n": n}), lang, "UTC") == wanted


def test_a_missing_key_falls_back_to_itself():
    assert say(Say("no_such_key_at_all", {"x": "1"}), "kk", "UTC") == "no_such_key_at_all"


def test_an_unknown_language_reads_english():
    assert say(Say("done"), "de", "UTC") == "Done"
    assert say(Say("done"), "ru-KZ", "UTC") == "Готово"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{name} {0} {", "{name} {0} {"),
        ("[x] [{y}]", "[x] [{y}]"),
        ("50 %s %(n)d", "50 %s %(n)d"),
        ("a\u200bb", "a⟨U+200B⟩b"),
    ],
)
def test_foreign_text_is_only_text(text: str, shown: str):
    assert say(Say("literal", {"text": text}), "en", "UTC") == shown


def test_a_group_goes_where_a_name_in_it_is_empty():
    args = {"case": 7, "stars": "", "brand": "Acme", "text": ""}
    assert say(Say("title", args), "en", "UTC") == "#7 Acme"
    assert say(Say("title", {**args, "stars": "★1", "text": "Cold"}), "en", "UTC") == "#7 ★1 Acme: Cold"


def test_missing_arguments_leave_no_trace():
    assert (
        say(Say("stale_version", {"newest": 3}), "en", "UTC") == "This message is out of date, the newest is version 3."
    )


def test_what_happened_is_said_in_words():
    args = {"newest": 2, "event": "approved", "by": "Olga", "at": At(NOW)}
    assert say(Say("stale_version", args), "ru", ALMATY, NOW).endswith("Последнее: согласован, 17:00 (Olga)")


def test_the_state_of_a_case_is_said_in_words():
    assert say(Say("not_now", {"state": "answered"}), "kk", "UTC") == "Қазір болмайды: кейс күйі — жауап берілген"


def test_a_refusal_has_one_full_stop_between_its_sentences_whatever_is_known():
    new = {"state": "new", "instead": "new"}
    assert say(Say("not_now", new), "en", "UTC") == "Not now: the case is new. Press “Take” first"
    known = {**new, "event": "undone", "at": At(NOW), "by": "Olga"}
    for lang in LANGUAGES:
        assert ".." not in say(Say("not_now", new), lang, "UTC")
        assert ". " in say(Say("not_now", known), lang, "UTC", NOW)
    assert say(Say("not_now", known), "en", "UTC", NOW) == (
        "Not now: the case is new. Last: undone, 12:00, Olga. Press “Take” first"
    )


TIMES = [
    ("en", NOW, NOW, False, "17:00"),
    ("en", NOW - timedelta(days=1), NOW, False, "23 Nov, 17:00"),
    ("en", NOW, NOW, True, "24 Nov, 17:00"),
    ("en", NOW - timedelta(days=365), NOW, False, "24 Nov 2025, 17:00"),
    ("en", NOW, None, False, "24 Nov 2026, 17:00"),
    ("en", NOW + timedelta(hours=8), NOW, False, "25 Nov, 01:00"),
    ("ru", NOW, NOW, True, "24 нояб., 17:00"),
    ("kk", NOW, NOW, True, "24 қар., 17:00"),
]


@pytest.mark.parametrize(("lang", "at", "now", "dated", "wanted"), TIMES)
def test_times_are_local_and_dated_unless_today(
    lang: str, at: datetime, now: datetime | None, dated: bool, wanted: str
):
    for value in (At(at), at.isoformat()):
        shown = say(Say("replaces_ours", {"at": value}), lang, ALMATY, now, dated=dated)
        assert wanted in shown


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0, "0 мин"), (45, "45 с"), (90, "1 мин 30 с"), (150, "2 мин"), (4800, "1 ч 20 мин"), (90_000, "1 дн. 1 ч")],
)
def test_spans_name_their_two_largest_units(seconds: int, wanted: str):
    assert span(timedelta(seconds=seconds), "ru") == wanted
    assert say(Say("found_late", {"late": Span(timedelta(seconds=-seconds))}), "ru", "UTC").count(wanted) == 1


def test_a_day_is_written_out():
    assert say(Say("digest_title", {"name": "Acme", "day": "2026-11-24"}), "en", "UTC") == "Acme · 24 Nov 2026"
    assert say(Say("digest_title", {"name": "Acme", "day": "2026-99-99"}), "en", "UTC") == "Acme · 2026-99-99"


def test_a_zone_nobody_knows_is_utc():
    assert "12:00" in say(Say("replaces_ours", {"at": At(NOW)}), "en", "Mars/Olympus", NOW)


SHOUT = Renderer(escape=str.upper, link=lambda text, url: f"<{text}|{url}>")


def test_a_renderer_escapes_everything_but_its_links():
    inner = Say("file", {"link": Link("a.jpg", "https://x.example/a")})
    assert say(inner, "en", "UTC", render=SHOUT) == "FILE: <a.jpg|https://x.example/a>"
    assert say(Say("asked_over", {"what": Say("done"), "how": inner}), "en", "UTC", render=SHOUT).startswith(
        "DONE: FILE"
    )


def test_a_link_without_address_is_its_text():
    assert say(Say("file", {"link": Link("a.jpg", "")}), "en", "UTC", render=SHOUT) == "FILE: A.JPG"


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("key", ["state_closed_answered", "client_state_finished", "client_state_correcting"])
def test_the_link_to_a_posted_reply_is_not_lost(key: str, lang: str):
    linked = say(Say(key, {"link": Link("", "https://shop.example/p1")}), lang, "UTC")
    assert "https://shop.example/p1" in linked
    assert "[" not in say(Say(key, {"link": ""}), lang, "UTC")


@pytest.mark.parametrize("text", ["", " \n", "\u200b\u2060", " \u3164 \u2800", "\ufeff\u202e"])
def test_signs_that_nobody_sees_are_no_text(text: str):
    assert blank(text)
    assert not blank(f"{text}x")


HIDDEN = [
    ("plain text, тест, қазақша", "plain text, тест, қазақша"),
    ("a\u202eb", "a⟨U+202E⟩b"),
    ("\u2066x\u2069", "⟨U+2066⟩x⟨U+2069⟩"),
    ("a\u200db", "a⟨U+200D⟩b"),
    ("\ufeffa", "⟨U+FEFF⟩a"),
    ("a\x00\x07b", "a⟨U+0000⟩⟨U+0007⟩b"),
    ("a\r\nb\rc\u2028d\te", "a\nb\nc\nd\te"),
    ("\ud83d", "⟨U+D83D⟩"),
    ("👨‍👩‍👧 👩🏽‍🚀 ❤️‍🔥", "👨‍👩‍👧 👩🏽‍🚀 ❤️‍🔥"),
    ("🏴\U000e0067\U000e0062\U000e007f", "🏴\U000e0067\U000e0062\U000e007f"),
    ("x\U000e0067", "x⟨U+E0067⟩"),
    ("می\u200cخواهم", "می\u200cخواهم"),
]


@pytest.mark.parametrize(("text", "shown"), HIDDEN)
def test_hidden_signs_are_shown(text: str, shown: str):
    assert visible(text) == shown


@given(st.text())
def test_what_is_shown_hides_nothing_more(text: str):
    assert visible(visible(text)) == visible(text)


@given(st.text(), st.sampled_from(sorted(messages("en"))))
def test_any_text_in_any_sentence_stays_a_text(text: str, key: str):
    args = dict.fromkeys(set().union(*(part.names for part in sentence(key, "en"))), text)
    said = say(Say(key, args), "en", "UTC", NOW)
    assert isinstance(said, str)
