from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors import youscan
from collectors.youscan import Settings, YouScan
from desk.errors import BadAnswer, NeedsLogin, Refused, Retry
from desk.mention import Mention
from tests.collectors.wire import NOW, Wire, answers, now
from tests.collectors.youscan.fake import KEY, TOPIC, Topic

SINCE = NOW - timedelta(days=2)


@dataclass
class Bench:
    topic: Topic
    wire: Wire
    source: YouScan

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.source.read(cursor, SINCE)).mentions

    async def only(self, text: str = "Slow", /, **more: Any) -> Mention:
        self.topic.publish(text, **more)
        (mention,) = await self.read()
        return mention


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    topic = Topic()
    wire = Wire(topic.serve)
    async with wire.client() as http:
        yield Bench(topic, wire, YouScan(topic.settings, "bank", "bank-youscan", http, now))


async def test_a_review_comes_with_all_that_youscan_knows(bench: Bench) -> None:
    mention = await bench.only(
        "Навязали страховку, вернуть не могу",
        text="Навязали страховку",
        title="Не связывайтесь",
        url="https://otzovik.com/review_1.html",
        source="otzovik.com",
        author={"profileId": 88, "name": "kot77", "url": "https://otzovik.com/u/kot77", "subscribers": 12},
        publicationPlace={"name": "Acme, branch 5"},
        engagement={"views": 310, "engagement": 2},
        images=["https://otzovik.com/1.jpg", "data:image/png;base64,AAAA"],
    )

    assert mention.key == ("bank", "youscan", str(TOPIC), "241000000")
    assert (mention.title, mention.text) == ("Не связывайтесь", "Навязали страховку, вернуть не могу")
    assert (mention.kind, mention.rating, mention.lang, mention.site) == ("review", 1, "ru", "otzovik")
    assert (mention.author.id, mention.author.name, mention.author.followers) == ("88", "kot77", 12)
    assert (mention.item, mention.reach) == ("Acme, branch 5", 310)
    assert mention.media == ("https://otzovik.com/1.jpg",)


SITES = [
    ({"url": "https://vk.com/wall-1_2", "source": "vk.com"}, "vk"),
    ({"url": "https://yandex.ru/maps/org/1", "source": "yandex.ru"}, "yandex_maps"),
    ({"url": None, "source": "telegram.me"}, "telegram"),
    ({"url": "https://forum.test/1", "source": "forum.test"}, "forum.test"),
    ({"url": None, "source": None}, ""),
]


@pytest.mark.parametrize(("where", "site"), SITES)
async def test_a_mention_stands_on_the_platform_it_was_found_on(bench: Bench, where: Any, site: str) -> None:
    assert (await bench.only(**where)).site == site


KINDS = [
    ("reviews", "post", "review"),
    ("reviews", "comment", "comment"),
    ("social", "comment", "comment"),
    ("social", "repost", "post"),
    ("news", "post", "article"),
    ("unheard of", "post", "post"),
]


@pytest.mark.parametrize(("source", "post", "kind"), KINDS)
async def test_the_kind_follows_from_source_and_post(bench: Bench, source: str, post: str, kind: str) -> None:
    assert (await bench.only(sourceType=source, postType=post)).kind == kind


async def test_of_an_article_only_the_piece_that_names_the_brand_is_kept(bench: Bench) -> None:
    mention = await bench.only("A long article about Acme and others", text="about Acme", sourceType="news")

    assert mention.text == "about Acme"
    assert "A long article" not in str(mention.raw)


RATINGS = [(None, None), (0, None), (0.4, 1), (1, 1), (2.4, 2), (2.5, 3), (4.9, 5), (5, 5)]


@pytest.mark.parametrize(("given", "stars"), RATINGS)
async def test_a_rating_is_rounded_to_whole_stars(bench: Bench, given: float | None, stars: int | None) -> None:
    assert (await bench.only(rating=given)).rating == stars


REACHES = [
    ({"engagement": {"views": 0, "engagement": 7}, "potentialReach": 9}, 0),
    ({"engagement": {"likes": 3, "engagement": 7}, "potentialReach": 9}, 9),
    ({"engagement": {"likes": 3, "engagement": 7}}, 7),
    ({"engagement": None}, None),
]


@pytest.mark.parametrize(("given", "reach"), REACHES)
async def test_reach_is_views_where_they_are_counted(bench: Bench, given: Any, reach: int | None) -> None:
    assert (await bench.only(**given)).reach == reach


async def test_a_post_of_x_without_words_still_has_a_link(bench: Bench) -> None:
    mention = await bench.only(
        "", text=None, fullText=None, url=None, source="twitter.com", postId="1987", author={"profileId": "5"}
    )

    assert (mention.text, mention.author.id, mention.author.name) == ("", "5", "")
    assert (mention.url, mention.site) == ("https://x.com/i/web/status/1987", "x")


async def test_a_language_without_a_short_name_is_kept_as_it_is(bench: Bench) -> None:
    assert (await bench.only(language="tgk")).lang == "tgk"


async def test_own_accounts_are_known_by_name_nickname_or_profile(bench: Bench) -> None:
    own = Settings(api_key=SecretStr(KEY), topic_id=TOPIC, own=("Acme", "acme_kz", "https://vk.com/acme/"))
    for author in ({"name": "ACME"}, {"nickname": "acme_kz"}, {"url": "https://vk.com/acme"}):
        bench.topic.publish("Ours", author=author)
    other = bench.topic.publish("Not ours", author=None)
    async with bench.wire.client() as http:
        found = (await YouScan(own, "bank", "s", http, now).read(None, SINCE)).mentions

    assert [m.key.external_id for m in found] == [other]


async def test_what_was_collected_late_is_found_however_long_ago_it_was_published(bench: Bench) -> None:
    bench.topic.publish("First")
    batch = await bench.source.read(None, SINCE)
    late = bench.topic.publish("Late", NOW - timedelta(hours=40))

    assert [m.key.external_id for m in await bench.read(batch.cursor)] == [late]


async def test_history_before_the_first_poll_stays_out_of_later_ones(bench: Bench) -> None:
    batch = await bench.source.read(None, SINCE)
    bench.topic.publish("From last year", NOW - timedelta(days=300))

    assert (await bench.source.read(batch.cursor, NOW - timedelta(days=900))).mentions == []


async def test_the_cursor_is_the_highest_number_seen_and_not_the_topics_last(bench: Bench) -> None:
    bench.topic.publish("One")
    batch = await bench.source.read(None, SINCE)
    await bench.source.read(batch.cursor, SINCE)

    assert [r.url.params.get("sinceSeq") for r in bench.wire.seen[:2]] == [None, "3500001"]


async def test_a_poll_is_bounded_and_the_next_one_goes_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(youscan, "PAGE", 2)
    all_of_them = {bench.topic.publish(f"No {n}", NOW - timedelta(hours=n)) for n in range(13)}
    first = await bench.source.read(None, SINCE)
    second = await bench.source.read(first.cursor, SINCE)

    assert len(first.mentions) == 2 * youscan.PAGES
    assert {m.key.external_id for m in (*first.mentions, *second.mentions)} == all_of_them


async def test_what_was_moved_to_the_bin_is_deleted(bench: Bench) -> None:
    number, other = bench.topic.publish("Not about us"), bench.topic.publish("Stays")
    batch = await bench.source.read(None, SINCE)
    bench.topic.remove(number)
    found = await bench.read(batch.cursor)

    assert [(m.key.external_id, m.deleted) for m in found] == [(number, True)]
    assert other not in {m.key.external_id for m in found}


async def test_the_bin_is_not_believed_where_it_shows_what_stands_too(bench: Bench) -> None:
    bench.topic.bin_is_shown_with_the_rest = True
    thrown, _ = bench.topic.publish("Thrown away"), bench.topic.publish("Stays")
    batch = await bench.source.read(None, SINCE)
    bench.topic.remove(thrown)

    assert await bench.read(batch.cursor) == []


async def test_a_full_poll_stays_below_the_limit_of_ten_requests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(youscan, "PAGE", 1)
    bench.topic.remove(bench.topic.publish("Thrown away"))
    batch = await bench.source.read(None, SINCE)
    for n in range(20):
        bench.topic.publish(f"No {n}")
    bench.wire.seen.clear()
    await bench.read(batch.cursor)

    assert len(bench.wire.seen) == youscan.PAGES + 2


async def test_one_unreadable_mention_harms_only_itself_and_is_not_asked_for_again(bench: Bench) -> None:
    good = bench.topic.publish("Good")
    bench.topic.publish("Broken", rating="many")
    batch = await bench.source.read(None, SINCE)
    later = await bench.source.read(batch.cursor, SINCE)

    assert [m.key.external_id for m in batch.mentions] == [good]
    assert "1 of 2" in batch.note
    assert (later.mentions, later.note) == ([], "")


async def test_a_plan_without_the_api_is_refused_with_the_way_out(bench: Bench) -> None:
    bench.wire.fails(answers(402, b'{"message": "No.", "errorCode": "PLAN"}'))

    with pytest.raises(Refused, match="ask YouScan for it") as caught:
        await bench.read()
    assert caught.value.code == "PLAN"


async def test_a_faulty_request_names_what_youscan_says(bench: Bench) -> None:
    bench.wire.fails(answers(400, b'{"message": "\'size\' is too much", "errorCode": "VALIDATION_ERROR"}'))

    with pytest.raises(Refused, match="'size' is too much") as caught:
        await bench.read()
    assert caught.value.code == "VALIDATION_ERROR"
    assert "plan" not in str(caught.value)


async def test_too_many_requests_are_told_in_plain_words(bench: Bench) -> None:
    bench.wire.fails(answers(429, b"Please slow down"))

    with pytest.raises(Retry) as caught:
        await bench.read()
    assert caught.value.rate_limited


async def test_a_key_of_somebody_else_needs_a_person_and_is_never_shown(bench: Bench) -> None:
    bench.wire.serve = lambda r: httpx.Response(
        401, json={"message": f"No {r.headers['X-API-KEY']}", "errorCode": "NO"}
    )

    with pytest.raises(NeedsLogin) as caught:
        await bench.read()
    assert KEY not in str(caught.value)


async def test_a_404_that_is_not_youscans_own_is_a_bad_answer(bench: Bench) -> None:
    bench.wire.fails(answers(404, b"<html>maintenance</html>"))

    with pytest.raises(BadAnswer):
        await bench.read()


async def test_there_is_no_answering_by_program(bench: Bench) -> None:
    mention = await bench.only()

    with pytest.raises(Refused, match="a person does it"):
        await bench.source.reply(mention, "Hello", "k1")


@pytest.mark.parametrize("topic", ["", "acme", 0, -1])
def test_a_topic_is_a_number(topic: Any) -> None:
    with pytest.raises(ValidationError, match="topic_id"):
        Settings(api_key=SecretStr(KEY), topic_id=topic)
