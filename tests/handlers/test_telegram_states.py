"""Whatever the desk can show of a case, in each state, side and language: complete, and taken by Telegram."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from desk import view
from desk.actions import Action
from desk.case import State
from desk.decide import TABLE
from desk.errors import NotAllowed
from desk.people import Side
from desk.view import Drawing, Line, Say, Scene
from handlers.telegram.callback import unpack
from handlers.telegram.cards import LONGEST, render
from handlers.words import LANGUAGES, say
from handlers.words.catalogue import sentence
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


def check(drawing: Drawing) -> None:
    for what in sayings(drawing):
        complete(what, drawing.lang)
    shown = render(drawing, LATER)
    assert 0 < len(formatted(shown.html, "HTML", None, lambda user: {"id": user}).text) <= shown.length <= LONGEST
    for button in (b for row in (shown.keyboard.inline_keyboard if shown.keyboard else []) for b in row):
        assert button.url or unpack(button.callback_data) is not None


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
    for drawing in drawings(at(state), lang):
        check(drawing)


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
