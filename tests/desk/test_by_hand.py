"""Replies that people post: the site's own limits and rules, and what its page showed afterwards."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from desk import actions as a
from desk.case import Case, State
from desk.errors import NotAllowed
from desk.people import Side
from desk.platform import ByHand, PlatformCard
from desk.ports import Done, Drop
from desk.posting import ReadPage
from desk.rules import Rules
from desk.suggesting import Suggest
from desk.view import Line, Link, Scene, draw, newest_slot
from desk.work import Prio
from tests.desk.world import ANNA, BY_HAND, CARD, MILA, MINUTE, RULES, Story, at, mention, new_case, rules

LINK = "https://board.example/1#answer"
BOARD = PlatformCard(
    "manual", "Notice Board", longest=10, by_hand=ByHand(("moderated",), ("one_answer",), "https://board.example/own")
)

HOW = ("rule_moderated", "said_to_be", "answer_at")


def on_board(card: PlatformCard = BY_HAND) -> Rules:
    """A brand whose mentions all stand on one board."""
    return rules(card=card, site=lambda mention: BOARD)


def lines(story: Story, side: Side, slot: str) -> list[str]:
    drawing = draw(Scene(story.case, story.rules, story.now), side, slot)
    return [block.say.key for block in drawing.blocks if isinstance(block, Line)]


def by_hand(proof: str = LINK) -> Story:
    story = at(State.MANUAL)
    story.do(a.IPostedIt(who=ANNA, version=1, proof=proof))
    return story


def read(shows: str, url: str = LINK) -> a.PageRead:
    return a.PageRead(url=url, shows=shows)


# before it is posted


def test_a_text_too_long_for_the_site_is_refused_while_it_is_written() -> None:
    story = Story(on_board())
    with pytest.raises(NotAllowed) as refused:
        story.do(a.WriteReply(who=ANNA, text="Sorry, Dina"))

    assert refused.value.key == "text_too_long"
    assert refused.value.details == {"platform": "Notice Board", "length": 11, "longest": 10}


def test_a_client_cannot_make_it_too_long_either() -> None:
    story = Story(on_board())
    story.do(a.WriteReply(who=ANNA, text="Sorry"), a.SendToClient(who=ANNA, version=1))
    with pytest.raises(NotAllowed, match="text_too_long"):
        story.do(a.ClientEdit(who=MILA, version=1, text="Sorry, Dina"))


def test_where_a_program_replies_the_platforms_own_card_counts() -> None:
    story = Story(on_board(card=CARD))
    story.do(a.WriteReply(who=ANNA, text="Sorry, Dina"))

    assert story.case.n == 1


def test_the_sites_length_is_shown_under_a_version() -> None:
    story = Story(on_board())
    story.do(a.WriteReply(who=ANNA, text="Sorry"))

    assert "length_of" in lines(story, "staff", "v1")


@pytest.mark.parametrize("slot", ["card", "v1"])
def test_whoever_posts_it_sees_what_to_know_and_where_to_answer(slot: str) -> None:
    story = Story(on_board()).to(State.MANUAL)
    drawing = draw(Scene(story.case, story.rules, story.now), "staff", slot)
    known = [b.say for b in drawing.blocks if isinstance(b, Line) and b.say.key in HOW]

    assert [say.key for say in known] == list(HOW)
    assert known[1].args["rule"].key == "rule_one_answer"
    assert known[2].args == {"link": Link("", "https://board.example/own")}


def test_a_client_sees_none_of_it_and_staff_only_while_it_is_to_be_posted() -> None:
    story = Story(on_board()).to(State.MANUAL)
    shown = [key for slot in ("card", "v1") for key in lines(story, "client", slot)]
    for state in (State.IN_WORK, State.IN_APPROVAL):
        shown += lines(Story(on_board()).to(state), "staff", "v1")

    assert not set(shown) & set(HOW)


def test_of_a_site_that_nobody_knows_nothing_is_said() -> None:
    assert not set(lines(at(State.MANUAL), "staff", "card")) & set(HOW)


# after it is posted


def test_the_page_that_was_named_is_looked_at_once_some_minutes_later() -> None:
    story = by_hand()
    (work,) = story.works("read_page")

    assert work.run_at == story.now + 5 * MINUTE
    assert work.payload == {"case": 7}
    assert work.prio == Prio.COSMETIC


@pytest.mark.parametrize("proof", ["", "shot.png", "ftp://board.example/1"])
def test_without_an_address_there_is_nothing_to_look_at(proof: str) -> None:
    assert by_hand(proof).works("read_page") == []


def test_a_platform_that_can_be_asked_is_asked_instead() -> None:
    story = at(State.POSTING)
    story.do(a.OutcomeUnknown(reason="timed out"), a.ItIsPublished(who=ANNA, version=1, link=LINK))

    assert story.rules.card.can_look
    assert story.works("watch")
    assert not story.works("read_page")


def test_a_second_reply_gets_a_look_of_its_own() -> None:
    story = by_hand()
    (first,) = story.works("read_page")
    story.do(read("absent"), a.AskToCorrect(who=MILA, version=1, reason="typo"), a.WriteReply(who=ANNA, text="Two"))
    story.do(a.SendToClient(who=ANNA, version=2), a.Approve(who=MILA, version=2))
    story.do(a.IPostedIt(who=ANNA, version=2, proof=LINK))
    (second,) = story.works("read_page")

    assert second.idem != first.idem
    assert "page_absent" not in lines(story, "staff", "card"), "what the first look found is not about this one"


SHOWN = [("seen", "page_seen"), ("absent", "page_absent"), ("robots", "page_unread"), ("login", "page_unread")]


@pytest.mark.parametrize("state", [State.ANSWERED, State.CLOSED])
@pytest.mark.parametrize(("shows", "key"), SHOWN)
def test_what_the_page_showed_is_one_line_for_staff_and_no_message(state: State, shows: str, key: str) -> None:
    story = by_hand()
    if state is State.CLOSED:
        story.do(a.Close(who=ANNA, outcome="answered"))
    story.do(read(shows))

    assert story.case.state is state
    assert [event.kind for event in story.decision.events] == [key]
    assert {work.kind for work in story.decision.work} == {"draw"}
    assert {(work.payload["side"], work.payload["slot"]) for work in story.decision.work} == {
        ("staff", "card"),
        ("staff", newest_slot(story.case, "staff")),
    }
    assert lines(story, "staff", "card").count(key) == 1
    assert key not in lines(story, "client", "card")


def test_what_was_seen_on_its_page_does_not_rest_on_a_persons_word_any_more() -> None:
    story = by_hand()
    assert "state_answered_unverified" in lines(story, "staff", "card")
    story.do(read("seen"))

    assert story.case.reply is not None
    assert (story.case.reply.verified, story.case.reply.visible_at) == (True, story.now)
    assert story.case.round.visible_at == story.now
    assert "state_answered" in lines(story, "staff", "card")


@pytest.mark.parametrize("shows", ["absent", "robots"])
def test_what_was_not_seen_still_does(shows: str) -> None:
    story = by_hand()
    before = story.case.replies
    story.do(read(shows))

    assert story.case.replies == before
    assert "state_answered_unverified" in lines(story, "staff", "card")


def test_the_reason_of_an_unread_page_is_named() -> None:
    story = by_hand()
    story.do(read("robots"))
    drawing = draw(Scene(story.case, story.rules, story.now), "staff", "card")

    assert [b.say.args for b in drawing.blocks if isinstance(b, Line) and b.say.key == "page_unread"] == [
        {"reason": "page_robots"}
    ]


def test_a_look_at_an_earlier_page_says_nothing_about_this_one() -> None:
    story = by_hand()
    story.do(read("seen", "https://board.example/another"))

    assert (story.decision.events, story.decision.work, story.case.page) == ((), (), "")


@pytest.mark.parametrize("state", [state for state in State if state not in (State.ANSWERED, State.CLOSED)])
def test_a_case_that_went_on_is_left_alone(state: State) -> None:
    with pytest.raises(NotAllowed):
        at(state).do(read("absent"))


# the work itself


class Kept:
    """A store and a unit that know one case."""

    def __init__(self, story: Story) -> None:
        self.story, self.now, self.events = story, story.now, list[str]()

    def read(self, scope: Any) -> Kept:
        return self

    async def __aenter__(self) -> Kept:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def case(self, number: int) -> Case:
        return self.story.case

    async def save(self, case: Case, events: Any) -> None:
        self.story.case = case
        self.events += [event.kind for event in events]

    async def enqueue(self, *works: Any) -> None: ...
    async def cancel(self, group: str) -> None: ...
    async def unpark(self, group: str, done: bool) -> None: ...
    async def hasten(self, groups: Any, prio: int, run_at: Any) -> None: ...


ROW: Any = SimpleNamespace(payload={"case": 7}, attempts=1, max_attempts=3)


def known(kept: Kept) -> Any:
    """The directory of one brand."""
    return SimpleNamespace(rules=lambda brand, platform: kept.story.rules, brands=lambda: [kept.story.rules])


def reader(kept: Kept, looked: list[tuple[str, str]], shows: str = "seen") -> ReadPage:
    async def look(url: str, text: str) -> str:
        looked.append((url, text))
        return shows

    return ReadPage(kept, lambda: known(kept), look)  # type: ignore[arg-type]


async def test_the_approved_text_is_looked_for_at_the_address_that_was_named() -> None:
    kept, looked = Kept(by_hand()), list[tuple[str, str]]()
    job = reader(kept, looked)
    verdict = await job.apply(kept, ROW, await job.fetch(ROW))  # type: ignore[arg-type]

    assert looked == [(LINK, "Sorry 1")]
    assert verdict == Done()
    assert kept.events == ["page_seen"]


async def test_a_reply_that_is_gone_meanwhile_is_not_looked_for() -> None:
    story = by_hand()
    story.case = replace(story.case, replies=(replace(story.case.replies[0], gone_at=story.now),))
    kept, looked = Kept(story), list[tuple[str, str]]()
    job = reader(kept, looked)

    assert isinstance(await job.apply(kept, ROW, await job.fetch(ROW)), Drop)  # type: ignore[arg-type]
    assert looked == []


async def test_a_case_that_came_back_meanwhile_takes_no_harm() -> None:
    kept = Kept(by_hand())
    job = reader(kept, [], "absent")
    fetched = await job.fetch(ROW)
    kept.story.do(a.MentionEdited(mention=mention("Even colder")))
    before = kept.story.case

    assert isinstance(await job.apply(kept, ROW, fetched), Drop)  # type: ignore[arg-type]
    assert kept.story.case == before


@pytest.mark.parametrize(("attempts", "given_up"), [(1, False), (2, False), (3, True)])
async def test_a_look_that_breaks_off_is_given_up_and_asks_nobody(attempts: int, given_up: bool) -> None:
    row: Any = SimpleNamespace(payload={"case": 7}, attempts=attempts, max_attempts=3)
    verdict = await reader(Kept(by_hand()), []).failed(None, row, OSError("the database broke off"))  # type: ignore[arg-type]

    assert isinstance(verdict, Drop) is given_up
    assert verdict is None or given_up


async def test_a_suggestion_is_made_for_the_site_and_refused_where_it_does_not_fit() -> None:
    story = Story(on_board())
    story.do(a.Take(who=ANNA), a.SuggestReply(who=ANNA))
    kept, told = Kept(story), list[int | None]()

    class Drafter:
        async def suggest(self, case: Case, rules: Rules) -> str:
            told.append(rules.card.longest)
            return "Sorry, Dina"

    job = Suggest(kept, lambda: known(kept), Drafter())  # type: ignore[arg-type]
    row: Any = SimpleNamespace(payload={"case": 7, "person": "anna", "version": 0})
    await job.apply(kept, row, await job.fetch(row))  # type: ignore[arg-type]

    assert told == [10]
    assert kept.events == ["suggestion_failed"]


def test_rules_at_a_site_change_nothing_but_the_card() -> None:
    here = on_board()

    assert here.at(new_case().mention) == replace(here, card=BOARD)
    assert here.at(mention()).at(mention()) == here.at(mention())
    assert RULES.at(mention()) is RULES
