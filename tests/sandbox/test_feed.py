from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field

import pytest

from sandbox.feed import Feed, Step, load
from sandbox.site import ReviewSite

PACKAGE = "kz.acme.coffee"


@dataclass
class Clock:
    """Time passes only when the feed sleeps."""

    at: float = 1_764_000_000.0
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.at += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(clock: Clock) -> ReviewSite:
    site = ReviewSite(now=clock)
    site.add_app(PACKAGE, "Acme Coffee")
    return site


def shown(site: ReviewSite) -> dict[str, tuple[int, str, bool]]:
    reviews = site.snapshot()["apps"][0]["reviews"]
    return {review["author"]: (review["stars"], review["text"], review["edited"]) for review in reviews}


async def test_the_whole_feed_plays_in_a_few_minutes(site: ReviewSite, clock: Clock) -> None:
    start = clock.at
    await Feed(site, PACKAGE, sleep=clock.sleep).run()
    assert clock.naps[0] <= 3
    assert 180 <= clock.at - start <= 600
    assert len(shown(site)) == len([step for step in load() if step.do == "leave"]) - 1


async def test_speed_60_plays_a_minute_in_a_second(site: ReviewSite, clock: Clock) -> None:
    start = clock.at
    await Feed(site, PACKAGE, speed=60, sleep=clock.sleep).run()
    assert clock.at - start <= 10


async def test_an_author_corrects_a_review_and_another_withdraws_one(site: ReviewSite, clock: Clock) -> None:
    steps = [
        Step(1, "leave", "a", "Юлия", 1, "Белый экран", "ru"),
        Step(2, "leave", "b", "Арман", 1, "Опять", "ru"),
        Step(5, "edit", "a", stars=4, text="Заработало"),
        Step(9, "delete", "b"),
    ]
    await Feed(site, PACKAGE, steps=steps, sleep=clock.sleep).run()
    assert clock.naps == [1, 1, 3, 4]
    assert shown(site) == {"Юлия": (4, "Заработало", True)}


async def test_a_review_deleted_by_a_person_does_not_stop_the_feed(site: ReviewSite, clock: Clock) -> None:
    feed = Feed(site, PACKAGE, steps=load(), sleep=clock.sleep)
    first = next(step for step in load() if step.do == "leave" and step.key == "yulia")
    feed.play(first)
    site.delete_review(site.snapshot()["apps"][0]["reviews"][0]["id"])
    feed.play(next(step for step in load() if step.do == "edit" and step.key == "yulia"))
    assert shown(site) == {}


def test_the_reviews_are_varied() -> None:
    left = [step for step in load() if step.do == "leave"]
    texts = [step.text for step in left]
    stars = Counter(step.stars for step in left)
    assert len(left) >= 40
    assert len(set(texts)) == len({step.author for step in left}) == len({step.key for step in left}) == len(left)
    assert {step.lang for step in left} == {"ru", "kk", "en"}
    assert set(stars) == {1, 2, 3, 4, 5}
    assert stars[1] + stars[2] > len(left) / 2
    assert max(map(len, texts)) > 1000
    assert "" in texts
    assert any(text and not any(char.isalnum() for char in text) for text in texts)


def test_kazakh_reviews_are_in_kazakh_letters() -> None:
    for step in load():
        if step.lang == "kk":
            assert set("әғқңөұүһі") & set(step.text.lower()), step.text
            assert unicodedata.is_normalized("NFC", step.text)


def test_every_change_follows_its_review() -> None:
    known: set[str] = set()
    for step in load():
        if step.do == "leave":
            known.add(step.key)
        else:
            assert step.do in ("edit", "delete")
            assert step.key in known
