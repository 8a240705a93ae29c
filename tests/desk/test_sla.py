"""Times: when a clock starts, which marks are set and announced, what people are told of it. Contract §4, Clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import actions as a
from desk.case import Case, Round, State
from desk.follow import opening, timers
from desk.mention import clock_start
from desk.rules import Sla
from desk.sla import LATE_DISCOVERY, clock, fires, marks, planned, ticking
from tests.desk.world import ANNA, HOUR, MINUTE, RULES, SECOND, T0, Story, at, edited, mention, new_case

SLA = Sla()
NAMES = ["50", "75", "90", "target", "limit"]


def _min(minutes: float) -> datetime:
    return T0 + minutes * MINUTE


# where the clock starts

STARTS = [
    ("published a while ago", T0 - 3 * HOUR, T0 - 3 * HOUR, ""),
    ("published this moment", T0, T0, ""),
    ("no time given", None, T0, "no_time"),
    ("a little ahead of us", T0 + 5 * MINUTE, T0 + 5 * MINUTE, ""),
    ("too far ahead", T0 + 5 * MINUTE + SECOND, T0, "future"),
    ("next year", T0 + timedelta(days=365), T0, "future"),
]


@pytest.mark.parametrize(("why", "published", "starts", "note"), STARTS, ids=lambda x: x if isinstance(x, str) else "")
def test_clock_starts(why: str, published: datetime | None, starts: datetime, note: str) -> None:
    assert clock_start(mention(published_at=published), T0) == (starts, note)


def test_last_modified_only_is_noted() -> None:
    assert clock_start(mention(last_modified_only=True), T0).note == "last_modified"
    assert clock_start(mention(last_modified_only=True, published_at=None), T0).note == "no_time"


def test_publication_stays_as_first_seen() -> None:
    first = mention(last_modified_only=True)
    assert first.edited(mention("other words", published_at=T0 + HOUR)).published_at == T0
    assert mention(published_at=None).edited(mention(published_at=T0)).published_at == T0


# marks


def test_marks_of_the_default_agreement() -> None:
    assert marks(T0, SLA) == [
        ("50", _min(45)), ("75", _min(67.5)), ("90", _min(81)), ("target", _min(90)), ("limit", T0 + 24 * HOUR),
    ]  # fmt: skip


def test_marks_come_in_order_however_the_percents_are_written() -> None:
    assert [m.name for m in marks(T0, Sla(warn_at=(90, 50)))] == ["50", "90", "target", "limit"]
    assert [m.name for m in marks(T0, Sla(warn_at=(50, 150)))] == ["50", "target", "150", "limit"]
    assert [m.name for m in marks(T0, Sla(warn_at=()))] == ["target", "limit"]


def test_marks_fall_on_the_second_for_odd_targets() -> None:
    assert marks(T0, Sla(target=timedelta(minutes=7), warn_at=(33,)))[0].at == T0 + timedelta(seconds=138.6)


PLANNED = [
    (0, NAMES),
    (44.9, NAMES),
    (45, NAMES),
    (50, NAMES),
    (68, ["75", "90", "target", "limit"]),
    (89, ["90", "target", "limit"]),
    (90, ["target", "limit"]),
    (600, ["target", "limit"]),
    (24 * 60, ["limit"]),
    (99 * 60, ["limit"]),
]


@pytest.mark.parametrize(("after", "names"), PLANNED)
def test_planned_sets_what_is_ahead_and_the_highest_behind(after: float, names: list[str]) -> None:
    assert [m.name for m in planned(T0, SLA, _min(after))] == names


FIRES = [
    # minutes passed, announced before, the mark that may fire
    (0, "", None),
    (44.9, "", None),
    (45, "", "50"),
    (67, "50", None),
    (68, "50", "75"),
    (82, "50", "90"),
    (82, "90", None),
    (90, "90", "target"),
    (91, "target", None),
    (24 * 60, "target", "limit"),
    (24 * 60, "", "limit"),
    (99 * 60, "limit", None),
]


@pytest.mark.parametrize(("after", "warned", "expected"), FIRES)
def test_the_highest_mark_passed_fires_once(after: float, warned: str, expected: str | None) -> None:
    case = new_case().in_round(warned=warned)
    assert [m for m in NAMES if fires(case, m, SLA, _min(after))] == ([expected] if expected else [])


STOPS = st.lists(st.floats(0, 30 * 60), min_size=1, max_size=12)


@given(moments=STOPS)
def test_whenever_the_desk_runs_each_mark_is_announced_once_and_never_downwards(moments: list[float]) -> None:
    """The desk is up at these moments only, in any order: a clock that jumps back and forth is one of them."""
    case, told = new_case(), []
    for after in moments:
        now = _min(after)
        for mark in NAMES:
            if fires(case, mark, SLA, now):
                told.append(mark)
                case = case.in_round(warned=mark)
    assert told == sorted(set(told), key=NAMES.index)
    passed = [m.name for m in marks(T0, SLA) if m.at <= _min(max(moments))]
    assert told[-1:] == passed[-1:]


def test_after_a_stop_over_the_target_one_timer_speaks() -> None:
    """The desk was down from 40 to 95 minutes: all timers are due at once, in any order."""
    for order in (NAMES, NAMES[::-1]):
        story = Story(now=_min(95))
        said = []
        for mark in order:
            if fires(story.case, mark, SLA, story.now):
                story.do(a.Warn(mark=mark))
                said.append(mark)
        assert said == ["target"]


def test_a_mark_renamed_by_a_reload_is_silent() -> None:
    case = new_case().in_round(warned="75")
    assert not fires(case, "75", Sla(warn_at=(60,)), _min(70))


@pytest.mark.parametrize("state", State, ids=lambda s: s.value)
def test_only_an_unanswered_case_ticks(state: State) -> None:
    ticks = state in (
        State.NEW, State.IN_WORK, State.IN_APPROVAL, State.APPROVED, State.POSTING, State.MANUAL, State.FAILED,
    )  # fmt: skip
    case = at(state).case
    assert ticking(case) == ticks
    assert fires(case, "50", SLA, _min(46)) == ticks


def test_a_correction_after_the_answer_does_not_start_the_clock_again() -> None:
    story = at(State.ANSWERED)
    story.do(a.EditReply(who=ANNA, version=1, text="Corrected"))
    assert not ticking(story.case)
    assert story.works("warn") == []


# timers


def test_a_new_case_sets_its_timers() -> None:
    rows = [w for w in opening(new_case(), RULES, T0 + SECOND) if w.kind == "warn"]
    assert [(w.payload["mark"], w.run_at) for w in rows] == [(m.name, m.at) for m in marks(T0, RULES.sla)]
    assert {w.group for w in rows} == {"clock:7:1"}


def test_a_case_found_too_late_sets_the_highest_timer_for_now() -> None:
    case = new_case(rounds=(Round(1, clock_at=T0 - 2 * HOUR, found_at=T0, first_version=1),))
    rows = timers(case, RULES, T0)
    assert [w.payload["mark"] for w in rows] == ["target", "limit"]
    assert rows[0].run_at is not None
    assert rows[0].run_at <= T0


# what people see


def _clock(case: Case, after: float) -> tuple[timedelta, bool, bool | None, bool | None]:
    c = clock(case, SLA, _min(after))
    return c.left, c.stopped, c.target_met, c.limit_met


def test_time_left_and_what_was_met_while_it_runs() -> None:
    assert _clock(new_case(), 30) == (60 * MINUTE, False, None, None)
    assert _clock(new_case(), 100) == (-10 * MINUTE, False, False, None)
    assert _clock(new_case(), 25 * 60) == (-1410 * MINUTE, False, False, False)


@pytest.mark.parametrize(
    ("after", "target_met", "limit_met"),
    [(0, True, True), (90, True, True), (90.1, False, True), (24 * 60, False, True), (24 * 60 + 1, False, False)],
)
def test_what_was_met_is_judged_by_acceptance(after: float, target_met: bool, limit_met: bool) -> None:
    case = replace(new_case(), state=State.ANSWERED).in_round(posted_at=_min(after))
    c = clock(case, SLA, _min(10_000))
    assert (c.reaction, c.target_met, c.limit_met, c.stopped) == (after * MINUTE, target_met, limit_met, True)


@pytest.mark.parametrize(
    ("late", "shown"),
    [(timedelta(0), False), (LATE_DISCOVERY - SECOND, False), (LATE_DISCOVERY, True), (5 * HOUR, True)],
)
def test_our_own_delay_is_shown_as_ours(late: timedelta, shown: bool) -> None:
    case = new_case(rounds=(Round(1, clock_at=T0, found_at=T0 + late),))
    assert clock(case, SLA, T0 + late).found_late == (late if shown else None)


def test_a_round_of_its_own_is_never_found_late() -> None:
    story = at(State.ANSWERED)
    story.now = T0 + 50 * HOUR
    story.do(edited())
    assert clock(story.case, SLA, story.now).found_late is None


def test_the_night_the_clocks_change_is_as_long_as_any() -> None:
    """Wall clocks in Berlin go back an hour within this target; 90 minutes stay 90 minutes."""
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 25, 2, 30, tzinfo=berlin).astimezone(T0.tzinfo)
    target = next(m for m in marks(start, SLA) if m.name == "target")
    assert target.at - start == 90 * MINUTE
    assert target.at.astimezone(berlin).strftime("%H:%M") == "03:00"
