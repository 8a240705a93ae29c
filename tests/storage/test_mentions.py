from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from desk.case import State
from desk.scope import Scope
from storage.store import SqlStore
from storage.tables import mention_versions
from tests.storage.helpers import START, WHOLE, a_case, a_mention, stored_case

LATER = START + timedelta(hours=1)


async def test_a_mention_comes_back_with_what_was_judged(store: SqlStore) -> None:
    mention = a_mention()
    async with store.write(scope=WHOLE) as unit:
        assert await unit.mention(mention.key) is None
        await unit.put_mention(mention, "negative", 0.93, "ai", START, None)
    async with store.write(scope=WHOLE) as unit:
        stored = await unit.mention(mention.key)
    assert stored is not None
    assert stored.mention == mention
    assert (stored.tone, stored.score, stored.found_at, stored.case) == ("negative", 0.93, START, None)


async def test_an_edit_is_kept_beside_the_first_text(store: SqlStore) -> None:
    mention = a_mention()
    edited = replace(mention, text="Теперь горячий", rating=4)
    async with store.write(scope=WHOLE) as unit:
        await unit.put_mention(mention, "negative", None, "rating", START, None)
        await unit.put_mention(mention, "negative", None, "rating", LATER, None)
        await unit.put_mention(edited, "other", None, "rating", LATER, None)
        await unit.put_mention(mention, "negative", None, "rating", LATER, None)
        texts = [row.data["text"] for row in await unit.rows(select(mention_versions).order_by(mention_versions.c.id))]
        stored = await unit.mention(mention.key)
    assert texts == [mention.text, edited.text, mention.text]
    assert stored is not None
    assert stored.found_at == START


async def test_a_mention_keeps_its_case(store: SqlStore) -> None:
    case = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        await unit.put_mention(case.mention, "negative", None, "rating", START, case.id)
        await unit.put_mention(replace(case.mention, rating=2), "negative", None, "rating", LATER, None)
        stored = await unit.mention(case.mention.key)
    assert stored is not None
    assert stored.case == case.id


async def test_a_later_reading_does_not_change_what_the_case_knows(store: SqlStore) -> None:
    case = await stored_case(store)
    async with store.write(scope=WHOLE) as unit:
        await unit.put_mention(replace(case.mention, text="иное"), "negative", None, "rating", LATER, case.id)
        assert (await unit.case(case.id)).mention == case.mention


async def test_a_mention_stored_first_can_become_a_case_later(store: SqlStore) -> None:
    async with store.write(scope=WHOLE) as unit:
        await unit.put_mention(a_mention(), "to_check", 0.5, "ai", START, None)
    async with store.write(scope=WHOLE) as unit:
        case = await unit.new_case(a_case(), [])
        stored = await unit.mention(a_mention().key)
    assert stored is not None
    assert (stored.case, stored.tone) == (case.id, "to_check")


async def test_readers_count_mentions_and_states_of_their_brands(store: SqlStore) -> None:
    async with store.write(scope=WHOLE) as unit:
        for number in range(3):
            tone = "negative" if number else "other"
            await unit.put_mention(a_mention(str(number)), tone, None, "ai", START + timedelta(days=number), None)
        await unit.put_mention(a_mention("9", "secret"), "negative", None, "ai", START, None)
        await unit.new_case(a_case("0"), [])
    async with store.read(Scope.of(["acme-coffee"])) as reader:
        counted = await reader.stored(START, START + timedelta(days=2))
        assert counted == {("acme-coffee", "google_play", "other"): 1, ("acme-coffee", "google_play", "negative"): 1}
        assert await reader.states() == {("acme-coffee", State.NEW): 1}


async def test_rounds_are_those_begun_posted_or_closed_within(store: SqlStore) -> None:
    day = timedelta(days=1)
    ids = {}
    for name, clock_at in {
        "before": START - 3 * day,
        "begun": START,
        "posted": START - day,
        "closed": START - day,
    }.items():
        ids[name] = (await stored_case(store, external_id=name, clock_at=clock_at)).id
    async with store.write(scope=WHOLE) as unit:
        await unit.save((await unit.case(ids["posted"])).in_round(posted_at=START), [])
        await unit.save((await unit.case(ids["closed"])).in_round(closed_at=LATER), [])
        await unit.put_mention(a_mention("begun"), "negative", 0.9, "ai", START, ids["begun"])
    async with store.read(WHOLE) as reader:
        rows = await reader.rounds(START, START + day)
        assert {row.case.mention.key.external_id for row in rows} == {"begun", "posted", "closed"}
        [begun] = [row for row in rows if row.case.id == ids["begun"]]
        assert (begun.round, begun.tone, begun.score) == (1, "negative", 0.9)
    async with store.read(Scope.of(["other"])) as reader:
        assert await reader.rounds(START, START + day) == []


async def test_the_first_round_is_the_scopes_own(store: SqlStore) -> None:
    """From there an export reads month by month, and not from the year 2000."""
    async with store.read(WHOLE) as reader:
        assert await reader.first_round() is None
    await stored_case(store, external_id="ours", clock_at=START)
    await stored_case(store, external_id="theirs", brand="other", clock_at=START - timedelta(days=900))
    async with store.read(Scope.of(["acme-coffee"])) as reader:
        assert await reader.first_round() == START
    async with store.write(scope=WHOLE) as unit:
        await unit.save((await unit.case(1)).in_round(posted_at=START - timedelta(days=1)), [])
    async with store.read(Scope.of(["acme-coffee"])) as reader:
        assert await reader.first_round() == START - timedelta(days=1)


async def test_many_mentions_are_found_together(store: SqlStore) -> None:
    known = [a_mention(f"r{n}") for n in range(3)]
    async with store.write(scope=WHOLE) as unit:
        for mention in known:
            await unit.put_mention(mention, "negative", 0.9, "ai", START, None)
    async with store.write(scope=WHOLE) as unit:
        found = await unit.mentions(a_mention(f"r{n}").key for n in range(1200))
        assert {k: stored.mention for k, stored in found.items()} == {m.key: m for m in known}
        assert await unit.mentions([]) == {}
