"""Whatever the desk can show of a case, in each state, side and language: complete, and taken by Telegram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from desk import listing, view
from desk.actions import Action
from desk.case import State
from desk.decide import TABLE
from desk.errors import NotAllowed
from desk.forms import PRESSES
from desk.people import Side
from desk.ports import SourceStatus
from desk.stats import Figures
from desk.view import Drawing, Entry, Line, Link, Say, Scene
from handlers.telegram.callback import unpack
from handlers.telegram.cards import LONGEST, render
from handlers.words import LANGUAGES, say
from handlers.words.catalogue import catalogue, sentence
from sandbox.telegram.entities import formatted
from tests.desk.world import SAMPLES, T0, Story, at

SIDES: tuple[Side, ...] = ("staff", "client")
LATER = T0 + timedelta(days=1)


def sayings(what: Any) -> Iterator[Say]:
    """Every sentence of a drawing, nested ones too."""
    if isinstance(what, Drawing):
        for part in (what.title, *what.blocks, *(b for row in what.rows for b in row)):
            yield from sayings(part)
    elif isinstance(what, Line):
        yield from sayings(what.say)
    elif isinstance(what, view.Button):
        yield from sayings(Say(what.label, what.args))
    elif isinstance(what, Say):
        yield what
        for value in what.args.values():
            yield from sayings(value)


def complete(what: Say, lang: str) -> None:
    parts = sentence(what.key, lang)
    assert [p.text for p in parts] != [what.key], f"{what.key} has no sentence"
    needed = {p.name for p in parts if p.name}
    assert needed <= what.args.keys(), f"{what.key} lacks {needed - what.args.keys()}"


def check(drawing: Drawing) -> str:
    """The text as people see it. Fails for a sentence that is missing or incomplete, and for what Telegram refuses."""
    for what in sayings(drawing):
        complete(what, drawing.lang)
    shown = render(drawing, LATER)
    text = formatted(shown.html, "HTML", None, lambda user: {"id": user}).text
    assert 0 < len(text) <= shown.length <= LONGEST
    for button in (b for row in (shown.keyboard.inline_keyboard if shown.keyboard else []) for b in row):
        assert button.url or unpack(button.callback_data) is not None
    return text


def drawings(story: Story, lang: str) -> Iterator[Drawing]:
    rules = story.rules
    for side in SIDES:
        slots = ["card", *(f"v{v.n}" for v in story.case.versions)]
        for slot in slots:
            for stopped in ("", "Vera"):
                drawn = view.draw(Scene(story.case, rules, story.now, stopped), side, slot)
                yield Drawing(drawn.title, drawn.blocks, drawn.rows, lang, drawn.zone)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("state", list(State))
def test_a_case_in_every_state_can_be_shown(state: State, lang: str):
    story = at(state)
    texts = [check(drawing) for drawing in drawings(story, lang)]
    assert len(texts) == 4 * (1 + len(story.case.versions)), "a card and each version, for both sides, stopped or not"


STEPS = [(state, kind) for state, kind in TABLE if kind in SAMPLES]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(("state", "kind"), STEPS, ids=[f"{s.value}-{k.__name__}" for s, k in STEPS])
def test_every_step_can_be_shown_and_told(state: State, kind: type[Action], lang: str):
    story = at(state)
    try:
        story.do(SAMPLES[kind])
    except NotAllowed as no:
        complete(Say(no.key, dict(no.details)), lang)
        return
    for work in story.works("say"):
        payload = work.payload
        drawn = view.said(story.rules, payload["side"], story.case, payload["key"], payload["args"], payload["mention"])
        check(Drawing(drawn.title, drawn.blocks, drawn.rows, lang, drawn.zone))
    said = Say(story.decision.said or "done", {"case": 7, "version": story.case.n})
    assert say(said, lang, "UTC") != said.key
    for drawing in drawings(story, lang):
        check(drawing)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("state", list(State))
def test_a_press_that_comes_too_late_is_told_what_happened(state: State, lang: str):
    for kind, sample in SAMPLES.items():
        if (state, kind) in TABLE or sample(at(State.ANSWERED).case).who is None:
            continue
        with pytest.raises(NotAllowed) as refused:
            at(state).do(sample)
        text = say(Say(refused.value.key, dict(refused.value.details)), lang, "UTC", LATER)
        assert text != refused.value.key
        assert "_" not in text.replace("@", "")


def lists(lang: str) -> Iterator[Drawing]:
    stories = [at(state) for state in State]
    entries = [Entry(replace(s.case, id=n), s.rules, "https://t.me/c/1/2", True) for n, s in enumerate(stories, 1)]
    cases, people = [e.case for e in entries], stories[0].rules.of_role("staff", "lead")
    busy = Figures(9, 5, 4, timedelta(minutes=70), tuple(cases), tuple(cases), tuple(cases))
    quiet = Figures(0, 0, 0, None, (), (), ())
    failing = [SourceStatus("acme-shop", failures=3, last_error="no answer")]
    known = {e.case.id: e for e in entries}
    for side in SIDES:
        yield listing.help_text(side, lang, "UTC")
        for figures in (busy, quiet):
            yield listing.stats(figures, side, lang, "UTC")
        for some in (entries, entries * 4, []):
            yield listing.open_list(some, side, lang, "UTC")
        for story in stories:
            scene = Scene(story.case, story.rules, LATER)
            drawn = listing.one_case(scene, side, "", [("Anna", LATER, "a note")] * 3, "UTC")
            yield Drawing(drawn.title, drawn.blocks, drawn.rows, lang, "UTC")
    for figures in (busy, quiet):
        yield listing.digest_client(figures, known, "Acme", "2026-11-24", lang, "UTC")
        yield listing.digest_staff(figures, known, failing, "Acme", "2026-11-24", lang, "UTC")
    for what in ("source_failing", "source_note"):
        yield listing.source_told(what, "acme-shop", "no answer", lang, "UTC")
    for breaches in (1, 3, 60):
        marks = [view.Breach(entries[0], mark) for mark in ("50", "target", "limit")] * 20
        yield view.alarm(marks[:breaches], people, lang, "UTC", LATER)
    drawn = view.summary(entries * 5, 7, stories[0].rules, LATER, people)
    yield Drawing(drawn.title, drawn.blocks, drawn.rows, lang, "UTC")


def questions(lang: str) -> Iterator[Drawing]:
    story = at(State.IN_WORK)
    dids = sorted({t for t in messages() if t.startswith("did_")} - {"did_add"} | {"cancelled", "done", ""})
    for action, press in PRESSES.items():
        asked: list[tuple[Any, str]] = [*((field, "") for field in press.fields), *((None, over) for over in dids)]
        for field, over in asked:
            drawn = view.question(
                story.rules, story.case, 9, action, field, over, story.rules.people[0], story.rules.people, "staff"
            )
            yield Drawing(drawn.title, drawn.blocks, drawn.rows, lang, "UTC")


def messages() -> set[str]:
    return {m.id if isinstance(m.id, str) else m.id[0] for m in catalogue("en") if m.id}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_list_and_digest_can_be_shown(lang: str):
    texts = [check(drawing) for drawing in lists(lang)]
    assert len(set(texts)) > 10, "they differ"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_question_can_be_put_and_closed(lang: str):
    texts = [check(drawing) for drawing in questions(lang)]
    assert len(set(texts)) > 1, "they differ"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_a_client_writes_can_be_shown_to_staff(lang: str):
    story = at(State.IN_APPROVAL)
    files = [Link("a.jpg", "https://files.example/a.jpg")]
    for edited in (False, True):
        drawn = view.mirrored(story.rules, story.case, "Mila", "hello", files, edited)
        text = check(Drawing(drawn.title, drawn.blocks, (), lang, "UTC"))
        assert all(word in text for word in ("Mila", "hello", "a.jpg"))
        drawn = view.crossing(story.rules, story.case, 5, edited)
        check(Drawing(drawn.title, drawn.blocks, drawn.rows, lang, "UTC"))
