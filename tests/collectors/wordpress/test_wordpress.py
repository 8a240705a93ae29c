from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx
import pytest
from pydantic import SecretStr

from collectors.wordpress import PAGE, PAGES, Settings, WordPress
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Retry, Unsure
from desk.mention import Mention
from tests.collectors.wire import NOW, Wire, answers
from tests.collectors.wordpress.fake import OWN, POST, SITE, Site

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    site: Site
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    press: WordPress = field(init=False)

    def __post_init__(self) -> None:
        self.press = self.connected(self.site.settings)

    def connected(self, settings: Settings) -> WordPress:
        return WordPress(settings, "bank", "bank-site", self.http, lambda: self.time)

    async def mention(self, text: str = "Bad") -> Mention:
        number = self.site.publish(text)
        return next(m for m in (await self.press.read(None, SINCE)).mentions if m.key.external_id == number)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    site = Site()
    wire = Wire(site.serve)
    async with wire.client() as http:
        yield Bench(site, wire, http)


async def test_a_comment_is_shown_as_the_site_shows_it(bench: Bench) -> None:
    parent = bench.site.publish("first")
    number = bench.site.publish('<b>Очень</b> "плохо"<br />\nи <img alt="🙂" src="x"> 5 &lt; 6', parent=1, markup=True)
    mention = {m.key.external_id: m for m in (await bench.press.read(None, SINCE)).mentions}[number]

    assert mention.text == "Очень ”плохо”\nи 🙂 5 < 6"
    assert mention.kind == "comment"
    assert mention.author.name == "Айгуль & Ко"
    assert mention.key.account == "site.test"
    assert (mention.item, mention.parent_id) == (str(POST), parent)
    assert mention.raw["post"] == POST


async def test_a_public_list_that_answers_a_refused_password_is_not_believed(bench: Bench) -> None:
    settings = Settings(api_base=SITE, user="brand", app_password=SecretStr("revoked"))

    with pytest.raises(NeedsLogin):
        await bench.connected(settings).read(None, SINCE)


async def test_a_site_without_readable_addresses_is_read_by_rest_route(bench: Bench) -> None:
    bench.site.pretty = False
    mention = await bench.mention()
    posted = await bench.press.reply(mention, "Sorry", "k")

    assert (await bench.press.look(mention)).replies[0].external_id == posted.external_id
    assert "/wp-json/" not in str(bench.wire.seen[-1].url)


async def test_only_the_posts_of_the_settings_are_asked_for(bench: Bench) -> None:
    bench.site.publish("here")
    settings = Settings(api_base=SITE, user="brand", app_password=SecretStr("app pass word"), post=(POST + 1,))

    assert (await bench.connected(settings).read(None, SINCE)).mentions == []


async def test_an_edit_by_the_author_is_reported_once(bench: Bench) -> None:
    number = bench.site.publish("bad")
    cursor = (await bench.press.read(None, SINCE)).cursor
    bench.site.comments[int(number)]["raw"] = "worse"
    edited = await bench.press.read(cursor, SINCE)
    quiet = await bench.press.read(edited.cursor, SINCE)

    assert [m.text for m in edited.mentions] == ["worse"]
    assert quiet.mentions == []


async def test_an_edit_of_a_comment_older_than_the_sweep_is_reported(bench: Bench) -> None:
    number = bench.site.publish("bad", NOW - timedelta(days=6))
    bench.site.publish("new")
    cursor = (await bench.press.read(None, SINCE)).cursor
    bench.site.comments[int(number)]["raw"] = "worse"

    assert [m.text for m in (await bench.press.read(cursor, SINCE)).mentions] == ["worse"]


@pytest.mark.parametrize("how", ["removed", "trash", "spam"])
async def test_a_comment_that_is_taken_away_is_reported_deleted_once(bench: Bench, how: str) -> None:
    number = bench.site.publish("bad")
    cursor = (await bench.press.read(None, SINCE)).cursor
    if how == "removed":
        bench.site.remove(number)
    else:
        bench.site.comments[int(number)]["status"] = how
    batch = await bench.press.read(cursor, SINCE)

    assert [(m.key.external_id, m.deleted) for m in batch.mentions] == [(number, True)]
    assert (await bench.press.read(batch.cursor, SINCE)).mentions == []


async def test_a_comment_back_in_moderation_is_not_called_deleted(bench: Bench) -> None:
    number = bench.site.publish("bad")
    cursor = (await bench.press.read(None, SINCE)).cursor
    bench.site.comments[int(number)]["status"] = "hold"

    assert (await bench.press.read(cursor, SINCE)).mentions == []


async def test_a_comment_approved_a_day_late_is_found(bench: Bench) -> None:
    number = bench.site.publish("waits", NOW - timedelta(hours=30))
    bench.site.comments[int(number)]["status"] = "hold"
    bench.site.publish("newer")
    cursor = (await bench.press.read(None, SINCE)).cursor
    bench.site.comments[int(number)]["status"] = "approved"

    assert [m.key.external_id for m in (await bench.press.read(cursor, SINCE)).mentions] == [number]


async def test_a_comment_approved_after_a_long_weekend_is_found(bench: Bench) -> None:
    number = bench.site.publish("waits", NOW - timedelta(hours=60))
    bench.site.comments[int(number)]["status"] = "hold"
    first = await bench.press.read(None, SINCE)
    bench.site.publish("newer")
    waiting = await bench.press.read(first.cursor, SINCE)
    bench.site.comments[int(number)]["status"] = "approved"
    approved = await bench.press.read(waiting.cursor, SINCE)
    quiet = await bench.press.read(approved.cursor, SINCE)

    assert number not in {m.key.external_id for m in [*first.mentions, *waiting.mentions]}
    assert [m.key.external_id for m in approved.mentions] == [number]
    assert quiet.mentions == []


async def test_a_site_that_does_not_show_what_waits_is_read_all_the_same(bench: Bench) -> None:
    number = bench.site.publish("bad")
    no = answers(403, bench.site.error(403, "rest_forbidden_param"))
    bench.wire.fails(no, lambda r: r.url.params.get("status") == "hold")

    assert [m.key.external_id for m in (await bench.press.read(None, SINCE)).mentions] == [number]


async def test_a_comment_that_waited_and_became_spam_is_nobodys_deletion(bench: Bench) -> None:
    number = bench.site.publish("waits")
    bench.site.comments[int(number)]["status"] = "hold"
    first = await bench.press.read(None, SINCE)
    bench.site.comments[int(number)]["status"] = "spam"
    second = await bench.press.read(first.cursor, SINCE)

    assert first.mentions == second.mentions == []
    assert (await bench.press.read(second.cursor, SINCE)).mentions == []


async def test_an_account_that_does_not_moderate_asks_for_nothing_that_waits(bench: Bench) -> None:
    bench.site.moderates = False
    await bench.press.read(None, SINCE)

    assert not any("status" in request.url.params for request in bench.wire.seen)


async def test_a_busy_site_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    many = PAGE * PAGES + 50
    for n in range(many):
        bench.site.publish(f"n{n}", NOW - timedelta(minutes=many - n))
    first = await bench.press.read(None, SINCE)
    second = await bench.press.read(first.cursor, SINCE)

    assert len({m.key.external_id for m in [*first.mentions, *second.mentions]}) == many


async def test_a_page_without_the_comments_the_account_may_not_see_is_not_the_last_one(bench: Bench) -> None:
    bench.site.moderates = False
    many = PAGE * 2 + 5
    for n in range(many):
        bench.site.publish(f"n{n}", NOW - timedelta(minutes=many - n))
    bench.site.hidden = {3, 103}
    found = {m.key.external_id for m in (await bench.press.read(None, SINCE)).mentions}

    assert len(found) == many - 2


async def test_comments_of_one_second_are_not_parted_between_two_polls(bench: Bench) -> None:
    """An import, or a site under attack; `after` leaves out the second it names."""
    border = NOW - timedelta(days=5)
    for n in range(PAGE * PAGES - 3):
        bench.site.publish(f"n{n}", border - timedelta(seconds=PAGE * PAGES - n))
    together = {bench.site.publish(f"at once {n}", border) for n in range(6)}
    bench.site.publish("newest", NOW)
    first = await bench.press.read(None, SINCE)
    second = await bench.press.read(first.cursor, SINCE)
    third = await bench.press.read(second.cursor, SINCE)
    found = {m.key.external_id for batch in (first, second, third) for m in batch.mentions}

    assert together <= found


async def test_a_second_with_more_comments_than_a_poll_reads_does_not_hold_up_what_follows(bench: Bench) -> None:
    for n in range(PAGE * PAGES + 1):
        bench.site.publish(f"n{n}", NOW - timedelta(days=5))
    last = bench.site.publish("newest", NOW)
    cursor, found = None, set()
    for _ in range(3):
        batch = await bench.press.read(cursor, SINCE)
        found |= {m.key.external_id for m in batch.mentions}
        cursor = batch.cursor

    assert last in found


async def test_the_cursor_stays_small(bench: Bench) -> None:
    for n in range(900):
        bench.site.publish(f"n{n}", NOW - timedelta(minutes=n))

    assert len((await bench.press.read(None, SINCE)).cursor) < 16_000


@pytest.mark.parametrize("number", ["abc", "7/../../users/1", "²", "", "erased:0f"])
async def test_an_id_that_is_no_number_is_of_no_comment(bench: Bench, number: str) -> None:
    mention = await bench.mention()
    elsewhere = replace(mention, key=mention.key._replace(external_id=number))

    assert (await bench.press.look(elsewhere)).mention is None
    with pytest.raises(Gone):
        await bench.press.reply(elsewhere, "Sorry", "k")
    assert not any("users" in request.url.path and "me" not in request.url.path for request in bench.wire.seen)


async def test_the_same_reply_twice_is_unsure_because_it_stands_there(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.press.reply(mention, "Sorry", "k")

    with pytest.raises(Unsure):
        await bench.press.reply(mention, "Sorry", "k")
    assert len((await bench.press.look(mention)).replies) == 1


@pytest.mark.parametrize("status", ["trash", "spam", "hold"])
async def test_no_reply_goes_to_a_comment_that_is_not_public(bench: Bench, status: str) -> None:
    mention = await bench.mention()
    bench.site.comments[int(mention.key.external_id)]["status"] = status

    with pytest.raises(Gone):
        await bench.press.reply(mention, "Sorry", "k")
    assert not [r for r in bench.wire.seen if r.method == "POST"]


async def test_a_reply_hung_in_the_wrong_place_is_taken_back(bench: Bench) -> None:
    mention = await bench.mention()
    bench.site.hangs_replies_at_the_top = True

    with pytest.raises(Gone):
        await bench.press.reply(mention, "Sorry", "k")
    assert [c["author"] for c in bench.site.comments.values()] == [0]


async def test_a_reply_hung_in_the_wrong_place_that_stays_is_unsure(bench: Bench) -> None:
    mention = await bench.mention()
    bench.site.hangs_replies_at_the_top = True
    bench.wire.fails(answers(403, bench.site.error(403)), lambda r: r.method == "DELETE")

    with pytest.raises(Unsure, match="wrong place"):
        await bench.press.reply(mention, "Sorry", "k")


async def test_a_reply_that_waits_for_moderators_is_not_visible_but_found(bench: Bench) -> None:
    mention = await bench.mention()
    bench.site.held.add(int(mention.key.external_id))
    posted = await bench.press.reply(mention, "Sorry", "k")

    assert not posted.visible
    assert [r.external_id for r in (await bench.press.look(mention)).replies] == [posted.external_id]


@pytest.mark.parametrize("status", ["spam", "trash"])
async def test_a_reply_the_sites_moderators_put_away_is_refused_and_not_missing(bench: Bench, status: str) -> None:
    mention = await bench.mention()
    bench.site.held.add(int(mention.key.external_id))
    posted = await bench.press.reply(mention, "Sorry", "k")
    bench.site.comments[int(posted.external_id)]["status"] = status
    (reply,) = (await bench.press.look(mention)).replies

    assert (reply.external_id, reply.standing) == (posted.external_id, "refused")


async def test_a_reply_after_a_hundred_answers_of_others_is_found(bench: Bench) -> None:
    bench.site.moderates = False
    mention = await bench.mention()
    for n in range(PAGE + 1):
        bench.site.publish(f"me too {n}", parent=int(mention.key.external_id))
    posted = await bench.press.reply(mention, "Sorry", "k")

    assert [r.external_id for r in (await bench.press.look(mention)).replies] == [posted.external_id]


async def test_more_answers_than_are_read_are_not_taken_for_none_of_ours(bench: Bench) -> None:
    bench.site.moderates = False
    mention = await bench.mention()
    for n in range(PAGE * PAGES + 1):
        bench.site.publish(f"me too {n}", parent=int(mention.key.external_id))
    await bench.press.reply(mention, "Sorry", "k")

    with pytest.raises(BadAnswer):
        await bench.press.look(mention)


async def test_a_corrected_reply_is_of_now_and_not_of_its_first_text(bench: Bench) -> None:
    mention = await bench.mention()
    posted = await bench.press.reply(mention, "Sorry", "k")
    bench.site.comments[int(posted.external_id)]["date_gmt"] = (NOW - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S")

    assert (await bench.press.edit(mention, posted.external_id, "Sorry!")).at == NOW


async def test_answers_of_others_are_not_ours(bench: Bench) -> None:
    mention = await bench.mention()
    bench.site.publish("a neighbour", parent=int(mention.key.external_id))

    assert (await bench.press.look(mention)).replies == ()


async def test_a_reply_written_in_the_sites_own_page_is_seen(bench: Bench) -> None:
    mention = await bench.mention()
    bench.site.publish("By a colleague", author=OWN, parent=int(mention.key.external_id))

    assert [r.text for r in (await bench.press.look(mention)).replies] == ["By a colleague"]


async def test_an_account_that_does_not_moderate_sees_replies_as_shown(bench: Bench) -> None:
    bench.site.moderates = False
    mention = await bench.mention()
    text = '"Мы" -- it\'s <b>us</b>'
    await bench.press.reply(mention, text, "k")
    (reply,) = (await bench.press.look(mention)).replies

    assert "”Мы”" in reply.text
    assert bench.press.same(text, reply.text)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ('"quoted"', "“quoted”", True),
        ("«ёлочки»", '"ёлочки"', True),
        ("it's -- so...", "it’s — so…", True),
        ("a --- b", "a — b", True),
        ("one\n\ntwo", "one two", True),
        ("10 x 5", "10 × 5", True),
        ("<b>bold</b>", "bold", False),
        ("yes", "no", False),
    ],
)
async def test_typography_is_not_a_difference(bench: Bench, ours: str, theirs: str, same: bool) -> None:
    assert bench.press.same(ours, theirs) is same


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "comment_flood", Retry),
        (400, "comment_content_column_length", Refused),
        (403, "rest_comment_closed", Refused),
        (401, "incorrect_password", NeedsLogin),
        (403, "application_passwords_disabled", NeedsLogin),
        (410, "rest_already_trashed", Gone),
    ],
)
async def test_wordpress_codes_go_before_the_status(
    bench: Bench, status: int, code: str, expected: type[Exception]
) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(status, bench.site.error(status, code)), lambda r: r.method == "POST")

    with pytest.raises(expected):
        await bench.press.reply(mention, "Sorry", "k")


async def test_credentials_do_not_follow_to_another_host(bench: Bench) -> None:
    bench.wire.fails(answers(301, location="https://www.site.test/wp-json/"))

    with pytest.raises(Refused, match=r"https://www\.site\.test"):
        await bench.press.read(None, SINCE)
    assert {r.url.host for r in bench.wire.seen} == {"site.test"}


async def test_credentials_follow_to_https_of_the_same_host(bench: Bench) -> None:
    settings = bench.site.settings.model_copy(update={"api_base": "http://site.test"})
    bench.site.publish("x")

    def upgrades(request: httpx.Request, _serve: object) -> httpx.Response:
        return httpx.Response(301, headers={"location": str(request.url.copy_with(scheme="https"))})

    bench.wire.fails(upgrades, lambda r: r.url.scheme == "http")

    assert (await bench.connected(settings).read(None, SINCE)).mentions
