from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.metrics import REACTION, Metrics, Snapshot, lags, snapshot, surface
from desk import actions as a
from desk.case import Case, State
from desk.errors import Retry
from desk.ports import Call, Done, Drop, Later, Park, SourceStatus
from desk.scope import Scope
from desk.work import Row, Work
from storage.store import SqlStore
from tests.desk.world import ANNA, HOUR, MINUTE, T0, Story, mention, new_case

CONTRACT = {
    "replydesk_mentions_total": {"brand", "platform", "tone"},
    "replydesk_cases": {"brand", "state"},
    "replydesk_reaction_seconds": {"brand", "platform"},
    "replydesk_stage_seconds": {"stage"},
    "replydesk_deliveries_total": {"surface", "outcome"},
    "replydesk_deliveries_pending": {"surface"},
    "replydesk_rate_limited_total": {"surface"},
    "replydesk_source_lag_seconds": {"source"},
    "replydesk_source_errors_total": {"source", "kind"},
    "replydesk_ai_tokens_total": {"purpose"},
    "replydesk_unknown_work": {"kind"},
}


def row(dest: str = "telegram:-1", **more: Any) -> Row:
    return Row(1, "draw", 1, {}, "case:1:staff", dest, 1, 8, False, T0, **more)


async def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and label values, in the order of the labels' names."""
    text = (await metrics.render()).decode()
    found = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {(s.name, tuple(value for _, value in sorted(s.labels.items()))): s.value for s in found}


async def everything() -> Metrics:
    metrics = Metrics()
    metrics.mention(mention(), "negative")
    metrics.source_error("play", "Retry")
    metrics.settled(row(), Done(), 0.1)
    metrics.rate_limited("telegram")
    metrics.ai_tokens("draft", 120)
    metrics.saved(None, Story().to(State.ANSWERED).case)

    async def take() -> Snapshot:
        return Snapshot({("acme-coffee", State.NEW): 2}, {"slack": 3}, {"play": 4.5}, {"step": 1})

    metrics.watch(take)
    return metrics


async def test_the_names_and_labels_are_those_of_the_contract_and_no_others() -> None:
    text = (await (await everything()).render()).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name
            for ending in ("_bucket", "_sum", "_count"):
                name = name.removesuffix(ending)
            found.setdefault(name, set()).update(label for label in sample.labels if label != "le")

    assert found == CONTRACT


async def test_counts_go_up_by_what_happened() -> None:
    metrics = await everything()
    metrics.mention(mention(), "negative")
    metrics.ai_tokens("draft", 30)
    got = await samples(metrics)

    assert got["replydesk_mentions_total", ("acme-coffee", "shop", "negative")] == 2
    assert got["replydesk_ai_tokens_total", ("draft",)] == 150
    assert got["replydesk_source_errors_total", ("Retry", "play")] == 1


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [(Done(), "done"), (Later(T0), "again"), (Park("look"), "parked"), (Drop("moot"), "dropped")],
)
async def test_a_delivery_is_counted_by_where_it_went_and_how_it_ended(verdict: Any, outcome: str) -> None:
    metrics = Metrics()
    for dest in ("telegram:-1001", "slack:main/C1", "platform:acme:google_play:kz.acme:2", ""):
        metrics.settled(row(dest), verdict, 0.1)

    got = {key: value for key, value in (await samples(metrics)).items() if "deliveries" in key[0]}
    assert got == {
        ("replydesk_deliveries_total", (outcome, where)): 1 for where in ("telegram", "slack", "google_play")
    }


@pytest.mark.parametrize(
    ("dest", "where"),
    [("telegram:-1", "telegram"), ("slack:main/C1", "slack"), ("platform:b:vk:77", "vk"), ("platform", "platform")],
)
def test_the_surface_of_a_destination(dest: str, where: str) -> None:
    assert surface(dest) == where


# times


def through(*moments: tuple[str, timedelta]) -> list[Case]:
    """A case as it stood after each stage, with the time each was reached since publication."""
    cases = [new_case()]
    for stage, at in moments:
        cases.append(cases[-1].in_round(**{f"{stage}_at": T0 + at}))
    return cases


async def test_each_stage_counts_from_the_one_before_it() -> None:
    metrics = Metrics()
    cases = through(("carded", MINUTE), ("taken", 5 * MINUTE), ("drafted", 9 * MINUTE), ("posted", HOUR))
    metrics.saved(None, cases[0])
    for before, after in pairwise(cases):
        metrics.saved(before, after)
    metrics.saved(cases[-1], replace(cases[-1], reason="nothing new"))
    got = await samples(metrics)

    spent = {"found": 0, "carded": 60, "taken": 240, "drafted": 240, "posted": 3060}
    for stage, seconds in spent.items():
        assert got["replydesk_stage_seconds_sum", (stage,)] == seconds
        assert got["replydesk_stage_seconds_count", (stage,)] == 1
    assert got["replydesk_reaction_seconds_sum", ("acme-coffee", "shop")] == 3600
    assert got["replydesk_reaction_seconds_count", ("acme-coffee", "shop")] == 1


async def test_a_stage_reached_before_an_earlier_one_counts_nothing_below_zero() -> None:
    metrics = Metrics()
    cases = through(("taken", 2 * MINUTE), ("carded", 3 * MINUTE))
    metrics.saved(cases[1], cases[2])
    metrics.saved(None, new_case(rounds=(replace(new_case().round, found_at=T0 - HOUR, posted_at=T0 - HOUR),)))
    got = await samples(metrics)

    assert got["replydesk_stage_seconds_sum", ("carded",)] == 180
    assert got["replydesk_stage_seconds_sum", ("posted",)] == 0
    assert got["replydesk_reaction_seconds_sum", ("acme-coffee", "shop")] == 0


async def test_a_new_round_is_measured_on_its_own() -> None:
    metrics, story = Metrics(), Story().to(State.CLOSED)
    before = story.case
    story.do(a.Reopen(who=ANNA))
    metrics.saved(before, story.case)

    assert (await samples(metrics))["replydesk_stage_seconds_count", ("found",)] == 1


def test_reaction_is_told_apart_around_the_usual_targets() -> None:
    assert {60 * 60, 75 * 60, 90 * 60, 24 * 3600} <= set(REACTION)
    assert list(REACTION) == sorted(REACTION)


# what stands in the store


async def test_gauges_are_read_from_the_store_at_each_scrape(store: SqlStore) -> None:
    metrics = Metrics()
    metrics.watch(lambda: snapshot(store, ["play"], T0 + HOUR))
    assert ("replydesk_cases", ("acme-coffee", "new")) not in await samples(metrics)

    async with store.write(scope=Scope.of(["acme-coffee"])) as unit:
        await unit.new_case(new_case(id=0), [])
        await unit.enqueue(
            Work("draw", dest="telegram:-1"),
            Work("draw", dest="telegram:-2"),
            Work("post", dest="platform:acme-coffee:shop:acme"),
            Work("warn"),
        )
        await unit.set_source(SourceStatus("play", last_success_at=T0))
        await unit.set_source(SourceStatus("gone", last_success_at=T0))
    got = await samples(metrics)

    assert got["replydesk_cases", ("acme-coffee", "new")] == 1
    assert got["replydesk_cases", ("acme-coffee", "closed")] == 0
    assert {key[1]: value for key, value in got.items() if key[0] == "replydesk_deliveries_pending"} == {
        ("telegram",): 2,
        ("shop",): 1,
    }
    assert {key[1]: value for key, value in got.items() if key[0] == "replydesk_source_lag_seconds"} == {
        ("play",): 3600
    }


async def test_a_scrape_without_the_store_still_brings_the_counters() -> None:
    metrics = await everything()

    async def away() -> Snapshot:
        raise ConnectionRefusedError

    metrics.watch(away)
    got = await samples(metrics)

    assert got["replydesk_ai_tokens_total", ("draft",)] == 120
    assert not [key for key in got if key[0] == "replydesk_cases"]


def test_lag_counts_from_the_last_success_or_the_first_attempt() -> None:
    statuses = [
        SourceStatus("good", last_try_at=T0 + HOUR, last_success_at=T0 + HOUR),
        SourceStatus("failing", last_try_at=T0 + HOUR, last_success_at=T0),
        SourceStatus("never", last_try_at=T0 + HOUR),
        SourceStatus("untried"),
        SourceStatus("clock", last_success_at=T0 + 9 * HOUR),
    ]

    assert lags(statuses, [s.source for s in statuses], T0 + 2 * HOUR) == {
        "good": 3600,
        "failing": 7200,
        "never": 3600,
        "clock": 0,
    }


# waiting for the other side


class Sends:
    lease = timedelta(seconds=60)

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked: list[str] = []

    async def send(self, row: Row, call: Call) -> str:
        if self.error is not None:
            raise self.error
        return "sent"

    def __getattr__(self, name: str) -> Any:
        async def note(*args: Any) -> str:
            self.asked.append(name)
            return name

        def grace(row: Row) -> timedelta:
            return timedelta(seconds=7)

        return grace if name == "grace" else note


@pytest.mark.parametrize(
    ("error", "counted"),
    [(Retry("slow down", 5, rate_limited=True), 1), (Retry("away"), 0), (ValueError("bug"), 0)],
)
async def test_each_wish_to_wait_is_counted_and_passed_on(error: Exception, counted: int) -> None:
    metrics = Metrics()
    effect = metrics.counting(Sends(error))
    with pytest.raises(type(error)):
        await effect.send(row(), Call())

    assert (await samples(metrics)).get(("replydesk_rate_limited_total", ("telegram",)), 0) == counted


async def test_all_else_of_an_effect_is_left_as_it_is() -> None:
    inner = Sends(None)
    effect = Metrics().counting(inner)
    unit: Any = None

    assert (effect.lease, effect.grace(row())) == (timedelta(seconds=60), timedelta(seconds=7))
    assert await effect.send(row(), Call()) == "sent"
    await effect.prepare(unit, row())
    await effect.record(unit, row(), Call(), "sent")
    await effect.failed(unit, row(), ValueError())
    await effect.find(row(), Call())
    await effect.unknown(unit, row(), ValueError())
    assert inner.asked == ["prepare", "record", "failed", "find", "unknown"]
