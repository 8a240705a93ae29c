"""What rooms see: the buttons of contract §5, and nothing in a client's room that is not theirs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from desk import actions as a
from desk.case import State
from desk.forms import PRESSES
from desk.listing import open_list
from desk.people import Person, Side
from desk.rules import Rules, Step
from desk.view import (
    MOST_LINES,
    At,
    Block,
    Breach,
    Call,
    Drawing,
    Entry,
    Line,
    Link,
    Quote,
    Say,
    Scene,
    Span,
    alarm,
    buttons,
    crossing,
    draw,
    mirrored,
    newest_slot,
    question,
    said,
    summary,
)  # fmt: skip
from tests.desk.keys import event_kinds, used_keys
from tests.desk.world import (
    AGENCY,
    ANNA,
    BY_HAND,
    CARD,
    HOUR,
    MILA,
    MINUTE,
    OLGA,
    RULES,
    T0,
    TWO_OF_TWO,
    TWO_STEPS,
    VERA,
    Story,
    at,
    edited,
    mention,
    new_case,
    other,
    posted,
    rules,
)  # fmt: skip

SIDES: tuple[Side, Side] = ("staff", "client")
OPEN = "open"


def _scene(story: Story, stopped_by: str = "") -> Scene:
    return Scene(story.case, story.rules, story.now, stopped_by)


def _shown(story: Story, side: Side, stopped_by: str = "") -> list[str]:
    return [b.action for row in buttons(_scene(story, stopped_by), side) for b in row]


def _keys(blocks: Iterator[Block] | tuple[Block, ...]) -> list[str]:
    return [b.say.key for b in blocks if isinstance(b, Line)]


def _args(drawing: Drawing, key: str) -> dict[str, Any]:
    return next(b.say.args for b in drawing.blocks if isinstance(b, Line) and b.say.key == key)


def _called(drawing: Drawing) -> list[str]:
    return [p.key for b in drawing.blocks if isinstance(b, Call) for p in b.people]


# buttons: the table of contract §5, word for word

STAFF: dict[State, list[str]] = {
    State.NEW: ["take", "write", "dismiss", OPEN],
    State.IN_WORK: ["send", "write", "suggest", "dismiss", "close", "escalate", "handover", OPEN],
    State.IN_APPROVAL: ["takeback"],
    State.APPROVED: ["undo", "postnow"],
    State.POSTING: [],
    State.MANUAL: ["posted", "takeback", OPEN],
    State.MODERATED: [],
    State.FAILED: ["again", "write", "posted", "close"],
    State.ANSWERED: ["close", "editreply", "delreply"],
    State.CLOSED: ["reopen"],
    State.DISMISSED: ["reopen"],
    State.DELETED: ["reopen"],
}
CLIENT: dict[State, list[str]] = {
    State.IN_APPROVAL: ["approve", "edit", "changes", "decline", OPEN],
    State.APPROVED: ["undo", "postnow"],
    State.ANSWERED: ["correct"],
}


@pytest.mark.parametrize("state", State, ids=lambda s: s.value)
def test_buttons_of_a_state(state: State) -> None:
    story = at(state)
    assert _shown(story, "staff") == STAFF[state]
    assert _shown(story, "client") == CLIENT.get(state, [])


def test_every_button_leads_to_a_press_and_carries_case_and_version() -> None:
    for state in State:
        story = at(state)
        for side in SIDES:
            for button in (b for row in buttons(_scene(story), side) for b in row):
                assert (button.case, button.version) == (7, story.case.n)
                assert button.label == f"button_{button.action}"
                assert (button.action == OPEN) == bool(button.url)
                assert button.action in PRESSES or button.action == OPEN


def _without_text() -> Story:
    story = at(State.NEW)
    story.do(a.Take(who=ANNA))
    return story


def _unknown() -> Story:
    story = at(State.POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"))
    return story


def _after(state: State, *actions: a.Action, **changes: Any) -> Story:
    story = at(state, **changes)
    story.do(*actions)
    return story


HANDLING = ("dismiss", "close", "escalate", "handover", OPEN)

CONDITIONS: list[tuple[str, Story, Side, list[str]]] = [
    ("no version", _without_text(), "staff", ["write", "suggest", *HANDLING]),
    (
        "no AI",
        at(State.IN_WORK, ai=False),
        "staff",
        ["send", "write", *HANDLING],
    ),
    (
        "the drafter is at it",
        _after(State.IN_WORK, a.SuggestReply(who=ANNA)),
        "staff",
        ["send", "write", *HANDLING],
    ),
    (
        "another official reply",
        _after(State.APPROVED, other()),
        "staff",
        ["already", "anyway", "write", "suggest", *HANDLING],
    ),
    (
        "a correction",
        _after(State.ANSWERED, a.AskToCorrect(who=MILA, version=1, reason="typo")),
        "staff",
        ["send", "write", "suggest", "close", "escalate", "handover", OPEN],
    ),
    ("at once", at(State.APPROVED, undo=timedelta(0)), "client", ["undo"]),
    ("outcome unknown", _unknown(), "staff", ["published", "notpublished"]),
    ("outcome unknown, to the client", _unknown(), "client", []),
    ("only to read", at(State.ANSWERED, card=replace(CARD, can_edit=False, can_delete=False)), "staff", ["close"]),
    ("posted by hand", _after(State.MANUAL, a.IPostedIt(who=ANNA, version=1)), "staff", ["close"]),
    ("nobody can approve", at(State.IN_APPROVAL, steps=(Step(("ghost",)),)), "client", [OPEN]),
    ("the author edited and left", _after(State.ANSWERED, edited()), "staff", ["take", "write", "dismiss", OPEN]),
    (
        "an old text only",
        _after(State.CLOSED, a.Reopen(who=ANNA)),
        "staff",
        ["write", "suggest", *HANDLING],
    ),
]


@pytest.mark.parametrize(("why", "story", "side", "shown"), CONDITIONS, ids=[c[0] for c in CONDITIONS])
def test_buttons_on_condition(why: str, story: Story, side: Side, shown: list[str]) -> None:
    assert _shown(story, side) == shown


def test_no_try_again_once_the_approval_does_not_hold() -> None:
    story = at(State.FAILED)
    story.rules = rules(steps=(Step(("oleg",)),))
    assert _shown(story, "staff") == ["write", "posted", "close"]


def test_post_now_goes_when_the_window_closes_or_posting_is_stopped() -> None:
    story = at(State.APPROVED)
    assert _shown(story, "client", stopped_by="Vera Lead") == ["undo"]
    story.now += MINUTE
    assert _shown(story, "staff") == ["undo"]


def test_no_link_button_without_an_address() -> None:
    story = Story(case=new_case(mention=mention(url="")))
    assert OPEN not in _shown(story, "staff")


def test_rows_are_three_wide_at_most() -> None:
    for state in State:
        for side in SIDES:
            assert all(len(row) <= 3 for row in buttons(_scene(at(state)), side))


# where they stand


def test_buttons_stand_on_the_card_then_on_the_newest_version_only() -> None:
    story = at(State.NEW)
    assert newest_slot(story.case, "staff") == "card"
    assert draw(_scene(story), "staff", "card").rows
    story.do(a.WriteReply(who=ANNA, text="one"), a.WriteReply(who=ANNA, text="two"))
    assert newest_slot(story.case, "staff") == "v2"
    with_buttons = [s for s in ("card", "v1", "v2") if draw(_scene(story), "staff", s).rows]
    assert with_buttons == ["v2"]


def test_a_version_the_client_has_not_seen_moves_nothing_there() -> None:
    story = at(State.IN_APPROVAL)
    story.do(a.WriteReply(who=ANNA, text="two"))
    assert (newest_slot(story.case, "staff"), newest_slot(story.case, "client")) == ("v2", "v1")
    assert draw(_scene(story), "client", "v1").rows == ()
    assert _keys(draw(_scene(story), "client", "v1").blocks) == ["proposal", "client_state_in_work"]
    story.do(a.SendToClient(who=ANNA, version=2))
    assert newest_slot(story.case, "client") == "v2"
    assert _keys(draw(_scene(story), "client", "v1").blocks) == ["proposal", "proposal_replaced"]
    assert _keys(draw(_scene(story), "staff", "v1").blocks) == ["version_staff", "length_of", "version_replaced"]


# the client's side

SECRETS = (*(p.name for p in AGENCY), "note for staff", "free text of staff", "reason of staff")


def _everything(story: Story, side: Side, stopped_by: str = "") -> Iterator[Drawing]:
    for slot in ("card", *(f"v{v.n}" for v in story.case.versions)):
        yield draw(_scene(story, stopped_by), side, slot)


ENDINGS: list[tuple[State, a.Action]] = [
    (State.IN_WORK, a.Close(who=ANNA, outcome="not_answered", reason="reason of staff")),
    (State.IN_WORK, a.Dismiss(who=ANNA, why="spam", text="free text of staff")),
    (State.IN_WORK, a.HandOver(who=ANNA, to=VERA)),
    (State.IN_WORK, a.Note(who=ANNA, text="note for staff")),
]


@pytest.mark.parametrize("stopped_by", ["", "Vera Lead"])
def test_a_client_sees_no_staff_names_notes_or_reasons(stopped_by: str) -> None:
    stories = [at(state) for state in State]
    for state, action in ENDINGS:
        story = at(state)
        story.do(a.TellClient(who=ANNA, text="hello"), action)
        stories.append(story)
    for story in stories:
        shown = "".join(str(d) for d in _everything(story, "client", stopped_by))
        assert [secret for secret in SECRETS if secret in shown] == [], story.case.state


def test_a_finished_case_is_finished_for_the_client_whatever_they_saw_of_it() -> None:
    story = at(State.IN_APPROVAL)
    story.do(a.WriteReply(who=ANNA, text="two"), a.Close(who=ANNA, outcome="contacted"))
    assert _keys(draw(_scene(story), "client", "card").blocks)[-1] == "client_state_finished"


def test_a_client_who_declined_reads_that_and_why() -> None:
    story = at(State.IN_APPROVAL)
    story.do(a.DoNotReply(who=MILA, version=1, reason="let it rest"))
    for slot in ("card", "v1"):
        assert _args(draw(_scene(story), "client", slot), "client_state_declined")["reason"] == "let it rest"


def test_the_link_to_a_posted_reply_outlives_the_closing_of_its_case() -> None:
    story = at(State.ANSWERED)
    story.do(a.Close(who=ANNA, outcome="answered"))
    link = Link("", "https://shop.example/r-1#p1")
    assert _args(draw(_scene(story), "client", "v1"), "client_state_finished")["link"] == link
    assert _args(draw(_scene(story), "staff", "v1"), "state_closed_answered")["link"] == link


def test_while_a_reply_is_corrected_the_client_still_finds_it() -> None:
    story = at(State.ANSWERED)
    story.do(a.AskToCorrect(who=MILA, version=1, reason="a typo"))
    drawing = draw(_scene(story), "client", "v1")
    assert _args(drawing, "client_state_correcting")["link"] == Link("", "https://shop.example/r-1#p1")


def test_when_the_author_writes_again_both_sides_still_read_that_our_reply_stands() -> None:
    story = at(State.ANSWERED)
    story.do(edited())
    link = Link("", "https://shop.example/r-1#p1")
    assert _args(draw(_scene(story), "staff", "card"), "ours_stands")["link"] == link
    for slot in ("card", "v1"):
        assert _args(draw(_scene(story), "client", slot), "client_state_correcting")["link"] == link
    story.do(a.WriteReply(who=ANNA, text="More"))
    assert "client_state_correcting" in _keys(draw(_scene(story), "client", "v1").blocks)


def test_a_text_is_not_said_to_replace_itself() -> None:
    story = at(State.ANSWERED)
    story.do(a.AskToCorrect(who=MILA, version=1, reason="a typo"))
    assert "replaces_ours" not in _keys(draw(_scene(story), "staff", "v1").blocks)
    story.do(a.WriteReply(who=ANNA, text="Corrected"))
    assert "replaces_ours" in _keys(draw(_scene(story), "staff", "v2").blocks)


LIMITS = [(350, 350, None), (5000, 5000, 4000), (None, None, 4000)]


@pytest.mark.parametrize(("longest", "said_", "typed"), LIMITS)
def test_who_is_asked_for_a_text_reads_how_long_it_may_be(
    longest: int | None, said_: int | None, typed: int | None
) -> None:
    limited = rules(card=replace(CARD, longest=longest))
    field = PRESSES["write"].fields[0]
    drawing = question(limited, new_case(), 3, "write", field, "", ANNA, (), "staff")
    args = _args(drawing, "ask_write_text")
    assert (args["longest"], args["typed"]) == (said_, typed)


def test_a_list_says_what_each_case_is_about() -> None:
    entries = [Entry(new_case(mention=mention("The coffee was cold again, and for the third time")), RULES, "", True)]
    for side in SIDES:
        line = open_list(entries, side, "en", "UTC").blocks[1]
        assert isinstance(line, Line)
        assert line.say.args["text"] == "The coffee was cold aga…"


CLIENT_STATES = {
    State.NEW: "in_work", State.IN_WORK: "in_work", State.IN_APPROVAL: "in_approval", State.APPROVED: "approved",
    State.POSTING: "posting", State.MANUAL: "manual", State.MODERATED: "moderated", State.ANSWERED: "answered",
    State.FAILED: "in_work", State.CLOSED: "finished", State.DISMISSED: "finished", State.DELETED: "deleted",
}  # fmt: skip


@pytest.mark.parametrize("state", State, ids=lambda s: s.value)
def test_what_a_client_is_told_of_each_state(state: State) -> None:
    card = draw(_scene(at(state)), "client", "card")
    assert _keys(card.blocks)[-1] == f"client_state_{CLIENT_STATES[state]}"


BEFORE: list[tuple[str, Rules, str]] = [
    ("after the undo window", RULES, "where_after_undo"),
    ("at once", rules(undo=timedelta(0)), "where_at_once"),
    ("by hand", rules(card=BY_HAND), "where_manual"),
]


@pytest.mark.parametrize(("when", "rules_", "key"), BEFORE, ids=[b[0] for b in BEFORE])
def test_before_any_press_the_client_sees_as_whom_where_and_when(when: str, rules_: Rules, key: str) -> None:
    story = Story(rules_).to(State.IN_APPROVAL)
    drawing = draw(_scene(story), "client", "v1")
    args = _args(drawing, key)
    assert (args["brand"], args["platform"]) == ("Acme Coffee", rules_.card.title)
    assert args["undo"] == Span(rules_.undo)
    assert Quote("Sorry 1", ours=True) in drawing.blocks
    assert _called(drawing) == ["mila", "olga"]


def test_a_mention_pushed_from_elsewhere_names_its_own_site() -> None:
    story = Story(case=new_case(mention=mention(site="2gis"))).to(State.IN_APPROVAL)
    assert _args(draw(_scene(story), "client", "v1"), "where_after_undo")["platform"] == "2gis"


def test_the_client_is_warned_of_what_it_replaces_or_stands_beside() -> None:
    for one_reply, key in ((True, "replaces_other"), (False, "beside_other")):
        story = at(State.APPROVED, card=replace(CARD, one_reply=one_reply))
        story.do(other("HQ words"), a.PostAnyway(who=ANNA, version=1))
        drawing = draw(_scene(story), "client", "v1")
        assert key in _keys(drawing.blocks)
        assert Quote("HQ words") in drawing.blocks


def test_the_client_is_warned_that_a_text_replaces_our_own() -> None:
    correction = at(State.ANSWERED)
    correction.do(a.EditReply(who=ANNA, version=1, text="Corrected"), a.SendToClient(who=ANNA, version=2))
    again = at(State.ANSWERED, card=replace(CARD, one_reply=True))
    again.do(edited(), a.WriteReply(who=ANNA, text="More"), a.SendToClient(who=ANNA, version=2))
    for story in (correction, again):
        drawing = draw(_scene(story), "client", "v2")
        assert "replaces_ours" in _keys(drawing.blocks)
        assert Quote("Sorry 1", ours=True) in drawing.blocks


@pytest.mark.parametrize("side", SIDES)
def test_before_the_old_reply_is_deleted_both_sides_see_it_and_that_none_will_stand(side: Side) -> None:
    story = at(State.ANSWERED, card=replace(CARD, one_reply=True, delete_first=True, can_edit=False))
    story.do(edited(), a.WriteReply(who=ANNA, text="More"), a.SendToClient(who=ANNA, version=2))
    drawing = draw(_scene(story), side, "v2")
    assert _args(drawing, "replaces_ours") == {"at": At(T0 + HOUR)}
    assert _args(drawing, "deleted_first") == {"platform": "Shop Reviews"}
    assert [b.text for b in drawing.blocks if isinstance(b, Quote)] == ["More", "Sorry 1"]


def test_what_is_changed_in_place_or_stands_beside_needs_no_deletion() -> None:
    for card in (replace(CARD, one_reply=True), CARD):
        story = at(State.ANSWERED, card=card)
        story.do(edited(), a.WriteReply(who=ANNA, text="More"), a.SendToClient(who=ANNA, version=2))
        assert "deleted_first" not in _keys(draw(_scene(story), "client", "v2").blocks)


def test_steps_are_shown_where_there_are_several() -> None:
    story = at(State.IN_APPROVAL, steps=TWO_STEPS)
    story.do(a.Approve(who=MILA, version=1))
    args = _args(draw(_scene(story), "client", "v1"), "step_of")
    assert (args["step"], args["steps"], args["waiting"]) == (2, 2, "Oleg Legal")
    assert "step_of" not in _keys(draw(_scene(at(State.IN_APPROVAL)), "client", "v1").blocks)


def test_who_edited_is_not_called_to_their_own_text() -> None:
    story = at(State.IN_APPROVAL, steps=TWO_OF_TWO)
    story.do(a.ClientEdit(who=MILA, version=1, text="Our own words"))
    drawing = draw(_scene(story), "client", "v2")
    assert _keys(drawing.blocks)[0] == "proposal_edited"
    assert _called(drawing) == ["olga"]


def test_nobody_to_call_makes_no_call() -> None:
    story = at(State.IN_APPROVAL, steps=(Step(("mila",)),))
    story.do(a.ClientEdit(who=MILA, version=1, text="Our own words"))
    assert not [b for b in draw(_scene(story), "client", "v2").blocks if isinstance(b, Call)]


def test_posting_stopped_is_said_on_both_sides_and_by_whom_to_staff_only() -> None:
    for state in (State.IN_APPROVAL, State.APPROVED):
        story = at(state)
        staff = draw(_scene(story, "Vera Lead"), "staff", "v1")
        assert _args(staff, "posting_stopped") == {"by": "Vera Lead"}
        assert "client_posting_stopped" in _keys(draw(_scene(story, "Vera Lead"), "client", "v1").blocks)


# the staff's side


def test_a_new_card_calls_the_staff_on_duty() -> None:
    drawing = draw(_scene(at(State.NEW)), "staff", "card")
    assert _called(drawing) == ["anna", "boris"]
    assert "due" in _keys(drawing.blocks)


def test_a_card_shows_stars_only_to_check_and_what_was_edited() -> None:
    story = Story(case=new_case(mention=mention("", rating=2), to_check=True))
    keys = _keys(draw(_scene(story), "staff", "card").blocks)
    assert {"stars_only", "to_check"} <= set(keys)
    story.do(edited("now with words"))
    keys = _keys(draw(_scene(story), "staff", "card").blocks)
    assert {"was_before_edit", "is_after_edit"} <= set(keys)


def test_a_card_owns_up_to_late_discovery() -> None:
    case = new_case(found_at=T0 + 2 * HOUR).in_round(found_at=T0 + 2 * HOUR)
    drawing = draw(_scene(Story(case=case, now=T0 + 2 * HOUR)), "staff", "card")
    assert _args(drawing, "found_late") == {"late": Span(2 * HOUR)}
    assert "due_passed" in _keys(drawing.blocks)


@pytest.mark.parametrize("note", ["no_time", "future"])
def test_a_card_says_where_its_clock_comes_from(note: str) -> None:
    drawing = draw(_scene(Story(case=new_case().in_round(clock_note=note))), "staff", "card")
    assert f"clock_{note}" in _keys(drawing.blocks)


def test_a_card_keeps_its_date_when_the_case_comes_back() -> None:
    story = at(State.ANSWERED)
    story.now = T0 + 50 * HOUR
    story.do(edited())
    assert _args(draw(_scene(story), "staff", "card"), "author_line")["at"] == At(T0)


def test_an_answered_card_shows_how_long_it_took() -> None:
    assert _args(draw(_scene(at(State.ANSWERED)), "staff", "card"), "reaction_in_target") == {"after": Span(HOUR)}
    late = at(State.POSTING)
    late.do(posted(when=T0 + 2 * HOUR))
    assert "reaction_late" in _keys(draw(_scene(late), "staff", "card").blocks)


DECLINED = a.DoNotReply(who=MILA, version=1, reason="no")

STATE_KEYS: list[tuple[str, Story, str]] = [
    ("unknown", _unknown(), "state_posting_unknown"),
    ("by hand", _after(State.MANUAL, a.IPostedIt(who=ANNA, version=1)), "state_answered_unverified"),
    ("vanished", _after(State.ANSWERED, a.ReplyVanished()), "state_answered_gone"),
    ("closed", at(State.CLOSED), "state_closed_contacted"),
    ("declined", _after(State.IN_APPROVAL, DECLINED), "state_dismissed_client_declined"),
    ("failed", at(State.FAILED), "failure"),
    ("turned down", _after(State.MODERATED, a.ModeratorsRefused(reason="rude")), "failure_moderators"),
    ("turned down, no reason", _after(State.MODERATED, a.ModeratorsRefused()), "failure_moderators"),
    ("room was made", Story(case=new_case(state=State.FAILED, made_room=True)), "none_stands"),
    ("asked", _after(State.IN_APPROVAL, a.AskForChanges(who=MILA, version=1, reason="warmer")), "client_asks"),
    ("thinking", _after(State.IN_WORK, a.SuggestReply(who=ANNA)), "thinking"),
    ("stuck", at(State.IN_APPROVAL, steps=(Step(("ghost",)),)), "nobody_can_approve"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "story", "key"), STATE_KEYS, ids=[s[0] for s in STATE_KEYS])
def test_staff_see_where_a_case_stands(why: str, story: Story, key: str) -> None:
    slot = newest_slot(story.case, "staff")
    assert key in _keys(draw(_scene(story), "staff", slot).blocks)
    assert key in _keys(draw(_scene(story), "staff", "card").blocks)


def test_length_is_shown_in_the_platforms_own_unit() -> None:
    story = Story(rules(card=replace(CARD, unit="bytes")))
    story.do(a.WriteReply(who=ANNA, text="Привет"))
    assert _args(draw(_scene(story), "staff", "v1"), "length_of") == {"length": 12, "longest": 200}


def test_titles_are_short_and_on_one_line() -> None:
    case = new_case(mention=mention("word\n" * 100, rating=None))
    title = draw(_scene(Story(case=case)), "staff", "card").title
    assert title.args["stars"] == ""
    assert len(title.args["text"]) <= 80
    assert "\n" not in title.args["text"]


def test_each_side_reads_its_own_language() -> None:
    story = Story(rules(staff_lang="kk", client_lang="ru", timezone="Asia/Almaty"))
    assert draw(_scene(story), "staff", "card").lang == "kk"
    assert draw(_scene(story), "client", "card").lang == "ru"
    assert draw(_scene(story), "client", "card").zone == "Asia/Almaty"


# short messages and questions


def test_a_short_message_names_people_and_quotes_texts() -> None:
    drawing = said(RULES, "staff", new_case(), "client_declined", {"by": "mila", "text": "no"}, ["anna", "ghost"])
    assert _args(drawing, "client_declined") == {"by": "Mila Marketing", "case": 7}
    assert drawing.blocks[1] == Quote("no", ours=True)
    assert _called(drawing) == ["anna"]


def test_what_a_client_writes_is_mirrored_with_name_and_files() -> None:
    drawing = mirrored(RULES, new_case(), "Mila", "see this", [Link("a.jpg", "https://x/a.jpg")], edited=True)
    assert _keys(drawing.blocks) == ["client_wrote_edited", "file"]
    assert drawing.rows == ()
    assert _keys(mirrored(RULES, new_case(), "Mila", "", [], edited=False).blocks) == ["client_wrote"]


def test_an_answer_to_a_mirrored_message_can_cross_over_once() -> None:
    offer, told = crossing(RULES, new_case(), 5, told=False), crossing(RULES, new_case(), 5, told=True)
    assert [(b.action, b.extra) for row in offer.rows for b in row] == [("tell", "5")]
    assert told.rows == ()


def _questions() -> Iterator[Drawing]:
    for name, press in PRESSES.items():
        for field in press.fields:
            yield question(RULES, new_case(), 3, name, field, "", ANNA, (VERA,), "staff")
        yield question(RULES, new_case(), 3, name, None, "did_close", ANNA, (VERA,), "staff")


def test_every_question_can_be_given_up_and_no_option_is_too_long_for_a_button() -> None:
    for drawing in _questions():
        actions = [b.action for row in drawing.rows for b in row]
        assert not actions or actions[-1] == "cancel"
        assert all(len(b.extra) <= 20 for row in drawing.rows for b in row)


# lists


def _entries(n: int) -> list[Entry]:
    return [Entry(new_case(id=i), RULES, f"https://t.example/{i}", False) for i in range(1, n + 1)]


def test_many_new_cases_are_one_message_with_take_for_each() -> None:
    taken = Entry(_after(State.NEW, a.Take(who=ANNA)).case, RULES, "", True)
    drawing = summary([*_entries(5), taken], 4, RULES, T0, (ANNA,))
    assert drawing.title.args == {"n": 10}
    assert [b.args["case"] for row in drawing.rows for b in row] == [1, 2, 3, 4, 5]
    assert _keys(drawing.blocks) == ["summary", *["summary_line"] * 5, "summary_line_taken", "summary_more"]
    assert _args(drawing, "summary_line_taken")["owner"] == "Anna Staff"
    assert _called(drawing) == ["anna"]


def test_a_summary_of_taken_cases_calls_nobody() -> None:
    taken = Entry(_after(State.NEW, a.Take(who=ANNA)).case, RULES, "", True)
    drawing = summary([taken], 0, RULES, T0, (ANNA,))
    assert (_called(drawing), drawing.rows) == ([], ())


def test_a_burst_of_warnings_is_one_message() -> None:
    breaches = [Breach(e, mark) for e, mark in zip(_entries(3), ("75", "target", "limit"), strict=True)]
    drawing = alarm(breaches, (ANNA, VERA), "en", "UTC", T0 + 100 * MINUTE)
    assert _keys(drawing.blocks) == ["alarm", "warn_percent", "warn_target", "warn_limit"]
    assert _called(drawing) == ["anna", "vera"]
    assert _args(drawing, "warn_percent")["left"] == Span(timedelta(0))
    one = alarm(breaches[:1], (), "en", "UTC", T0 + 60 * MINUTE)
    assert [type(b) for b in one.blocks] == [Line]
    assert _args(one, "warn_percent")["left"] == Span(30 * MINUTE)


def test_the_largest_burst_still_fits_one_message() -> None:
    drawing = alarm([Breach(e, "50") for e in _entries(500)], (), "en", "UTC", T0)
    assert len(drawing.blocks) == MOST_LINES + 2
    assert drawing.blocks[-1] == Line(Say("summary_more", {"n": 500 - MOST_LINES}))


# words


def _said_keys(value: Any) -> Iterator[str]:
    if isinstance(value, Say):
        yield value.key
        yield from _said_keys(list(value.args.values()))
    elif isinstance(value, Line):
        yield from _said_keys(value.say)
    elif isinstance(value, Drawing):
        yield from _said_keys([value.title, *value.blocks])
        yield from (b.label for row in value.rows for b in row)
    elif isinstance(value, list):
        for item in value:
            yield from _said_keys(item)


def _stories() -> Iterator[Story]:
    yield from (at(state) for state in State)
    yield from (story for _, story, _, _ in CONDITIONS)
    yield from (story for _, story, _ in STATE_KEYS)


def test_whatever_is_drawn_or_told_has_words() -> None:
    drawings = [d for story in _stories() for side in SIDES for d in _everything(story, side, "Vera Lead")]
    drawings += _questions()
    spoken = set(_said_keys(drawings))
    spoken |= {w.payload["key"] for story in _stories() for w in story.works("say")}
    spoken |= {story.decision.said for story in _stories()} - {""}
    assert spoken <= used_keys()


def test_the_list_of_keys_is_read_from_the_source() -> None:
    assert {"headline", "state_closed_removed", "turn_nobody_approves", "option_spam", "told_deleted"} <= used_keys()
    assert {"drafted", "approval", "mention_edited", "handed_over"} <= event_kinds()
    assert all(key.replace("_", "").isalnum() and key.islower() for key in used_keys())


def test_drawing_is_pure() -> None:
    story = at(State.IN_APPROVAL)
    assert [*_everything(story, "client")] == [*_everything(story, "client")]


@pytest.mark.parametrize("who", [MILA, OLGA])
def test_names_of_approvers_are_no_secret(who: Person) -> None:
    assert who.name in str(draw(_scene(at(State.IN_APPROVAL)), "client", "v1"))
