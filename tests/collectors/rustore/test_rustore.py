from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import SecretStr, ValidationError

from collectors.rustore import RuStore, Settings
from desk.errors import BadAnswer, Gone, NeedsLogin, Refused, Unsure
from desk.mention import Mention
from tests.collectors.rustore.fake import APP, KEY_ID, PACKAGE, PKCS8, PLAIN, Console, bare, naive, pem
from tests.collectors.wire import NOW, Wire, answers

SINCE = NOW - timedelta(days=7)


@dataclass
class Bench:
    console: Console
    wire: Wire
    http: httpx.AsyncClient
    time: datetime = NOW
    store: RuStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.connected(self.console.settings)

    def connected(self, settings: Settings) -> RuStore:
        return RuStore(settings, "bank", "bank-rustore", self.http, lambda: self.time)

    async def mention(self, text: str = "x", at: datetime = NOW) -> Mention:
        number = self.console.publish(text, at)
        batch = await self.store.read(None, SINCE)
        return next(m for m in batch.mentions if m.key.external_id == number)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    console = Console()
    wire = Wire(console.serve)
    async with wire.client() as http:
        yield Bench(console, wire, http)


async def test_a_review_brings_words_stars_author_and_link(bench: Bench) -> None:
    mention = await bench.mention("После обновления не входит")

    assert (mention.text, mention.rating, mention.author.name) == ("После обновления не входит", 1, "Айгуль")
    assert mention.url == f"https://www.rustore.ru/catalog/app/{PACKAGE}"
    assert mention.raw["appVersionName"] == "5.4.1"


TIMES = [
    ({"commentDate": "2026-11-24 12:58:10.043"}, datetime(2026, 11, 24, 9, 58, 10, 43000, UTC)),
    ({"commentDate": "2026-11-24T09:58:10Z"}, datetime(2026, 11, 24, 9, 58, 10, 0, UTC)),
    (
        {"commentDate": "2026-11-24 12:58:10.043", "commentDateIso": "2026-11-24T12:58:10+05:00"},
        datetime(2026, 11, 24, 7, 58, 10, 0, UTC),
    ),
]


@pytest.mark.parametrize(("change", "expected"), TIMES)
async def test_a_time_without_a_zone_is_moscows(bench: Bench, change: dict[str, str], expected: datetime) -> None:
    number = bench.console.publish("x")
    bench.console.reviews[int(number)] |= change
    (mention,) = (await bench.store.read(None, SINCE)).mentions

    assert mention.published_at == expected


async def test_a_review_without_times_is_a_mention_found_now(bench: Bench) -> None:
    bench.console.reviews[7] = {"commentId": 7, "commentText": "When?"}
    (mention,) = (await bench.store.read(None, SINCE)).mentions

    assert (mention.text, mention.published_at, mention.rating) == ("When?", None, None)


@pytest.mark.parametrize("ids", [int, str])
@pytest.mark.parametrize("content", [True, False], ids=["content", "list"])
async def test_ids_and_lists_are_read_in_both_their_forms(
    bench: Bench, ids: Callable[[int], int | str], content: bool
) -> None:
    bench.console.ids, bench.console.pages_have_content = ids, content
    mention = await bench.mention()
    posted = await bench.store.reply(mention, "Разбираемся", "k")
    (reply,) = (await bench.store.look(mention)).replies

    assert mention.key.external_id == "748001"
    assert reply.external_id == posted.external_id == "748002"


@pytest.mark.parametrize(
    ("status", "standing"), [("PUBLISHED", "public"), ("MODERATION", "waiting"), ("REJECTED", "refused")]
)
async def test_an_answer_stands_as_its_moderators_say(bench: Bench, status: str, standing: str) -> None:
    mention = await bench.mention()
    bench.console.answer(int(mention.key.external_id), "Ждите", status)
    (reply,) = (await bench.store.look(mention)).replies

    assert (reply.text, reply.standing, reply.at) == ("Ждите", standing, NOW)


async def test_only_answers_under_this_review_are_its_replies_newest_last(bench: Bench) -> None:
    mention = await bench.mention(at=NOW - timedelta(days=1))
    number = int(mention.key.external_id)
    bench.console.answer(number, "Second", at=NOW)
    bench.console.answer(number, "First", at=NOW - timedelta(hours=1))
    bench.console.answer(number, "Taken back", "DELETED")
    bench.console.answer(5, "To somebody else")

    assert [r.text for r in (await bench.store.look(mention)).replies] == ["First", "Second"]


async def test_an_edited_answer_may_get_a_new_number(bench: Bench) -> None:
    mention = await bench.mention()
    first = await bench.store.reply(mention, "One", "k")
    second = await bench.store.edit(mention, first.external_id, "Two")

    assert [r.external_id for r in (await bench.store.look(mention)).replies] == [second.external_id]
    assert (second.external_id != first.external_id, second.visible) == (True, False)


async def test_an_answer_among_many_is_found(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.store.reply(mention, "Ours", "k")
    for _ in range(150):
        bench.console.answer(5, "To somebody else")

    assert [r.text for r in (await bench.store.look(mention)).replies] == ["Ours"]


async def test_answers_older_than_the_review_are_not_searched(bench: Bench) -> None:
    for days in range(3000, 0, -1):
        bench.console.answer(5, "To somebody else", at=NOW - timedelta(days=days))
    mention = await bench.mention(at=NOW - timedelta(hours=1))
    await bench.store.reply(mention, "Ours", "k")

    assert [r.text for r in (await bench.store.look(mention)).replies] == ["Ours"]
    assert sum(r.url.path == f"{APP}/feedback" and r.method == "GET" for r in bench.wire.seen) == 1


async def test_a_search_that_does_not_end_is_no_silence(bench: Bench) -> None:
    mention = await bench.mention()
    for _ in range(1001):
        bench.console.answer(5, "To somebody else")

    with pytest.raises(BadAnswer):
        await bench.store.look(mention)


@pytest.mark.parametrize("change", [{"status": None}, {"date": "yesterday"}, {"id": None}, {"commentId": None}])
async def test_an_answer_that_cannot_be_read_may_be_ours(bench: Bench, change: dict[str, object]) -> None:
    """One taken for missing is sent a second time."""
    mention = await bench.mention()
    await bench.store.reply(mention, "Ours", "k")
    bench.console.answers[0] |= change
    bench.console.answer(5, "To somebody else")

    with pytest.raises(BadAnswer):
        await bench.store.look(mention)


async def test_an_answer_to_somebody_else_that_cannot_be_read_is_in_nobodys_way(bench: Bench) -> None:
    mention = await bench.mention()
    await bench.store.reply(mention, "Ours", "k")
    bench.console.answer(5, "To somebody else")
    bench.console.answers[0]["status"] = None

    assert [r.text for r in (await bench.store.look(mention)).replies] == ["Ours"]


async def test_a_review_is_searched_for_where_the_list_does_not_pick_it(bench: Bench) -> None:
    bench.console.picks_by_id = False
    mention = await bench.mention("old", NOW - timedelta(days=3))
    for minutes in range(150):
        bench.console.publish("newer", NOW - timedelta(minutes=minutes))
    standing = await bench.store.look(mention)
    bench.console.remove(mention.key.external_id)

    assert standing.mention is not None
    assert standing.mention.text == "old"
    assert (await bench.store.look(mention)).mention is None


async def test_a_review_that_may_be_the_unreadable_one_is_not_gone(bench: Bench) -> None:
    bench.console.picks_by_id = False
    mention = await bench.mention()
    bench.console.publish("another")
    bench.console.reviews[int(mention.key.external_id)]["appRating"] = "many"

    with pytest.raises(BadAnswer):
        await bench.store.look(mention)


async def test_a_404_for_the_review_alone_is_a_deletion(bench: Bench) -> None:
    mention = await bench.mention()
    bench.console.remove(mention.key.external_id)
    bench.wire.fails(answers(404, bench.console.error(404)), lambda r: "id" in r.url.params)

    assert (await bench.store.look(mention)).mention is None


async def test_a_404_for_the_whole_app_makes_no_review_vanish(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(404, bench.console.error(404)), bench.console.is_api)

    with pytest.raises(Gone):
        await bench.store.look(mention)


async def test_a_review_marked_as_deleted_is_gone(bench: Bench) -> None:
    mention = await bench.mention()
    bench.console.reviews[int(mention.key.external_id)]["commentStatus"] = "DELETED"
    (again,) = (await bench.store.read(None, SINCE)).mentions

    assert again.deleted
    assert (await bench.store.look(mention)).mention is None


@pytest.mark.parametrize("status", [200, 400, 404, 422])
async def test_a_reply_to_a_deleted_review_is_gone_however_it_is_refused(bench: Bench, status: int) -> None:
    bench.console.refusal = status
    mention = await bench.mention()
    bench.console.remove(mention.key.external_id)

    with pytest.raises(Gone):
        await bench.store.reply(mention, "Sorry", "k")


@pytest.mark.parametrize("status", [200, 400])
async def test_a_text_rustore_refuses_is_refused_also_with_status_200(bench: Bench, status: int) -> None:
    bench.console.refusal = status
    mention = await bench.mention()
    bench.wire.papers = None  # too long on purpose

    with pytest.raises(Refused) as caught:
        await bench.store.reply(mention, "a" * 501, "k")
    assert caught.value.code == "error"
    assert "No." in str(caught.value)


async def test_a_refused_list_with_status_200_is_no_empty_list(bench: Bench) -> None:
    bench.wire.fails(answers(200, bench.console.error(200)), bench.console.is_api)

    with pytest.raises(Refused):
        await bench.store.read(None, SINCE)


async def test_a_reply_without_its_number_may_stand(bench: Bench) -> None:
    mention = await bench.mention()
    bench.wire.fails(answers(200, '{"code": "OK", "body": null}'), bench.console.is_write)

    with pytest.raises(Unsure):
        await bench.store.reply(mention, "Hello", "k")


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_deleting_what_is_deleted_is_success_however_it_is_answered(bench: Bench, status: int) -> None:
    bench.console.refusal = status
    mention = await bench.mention()
    posted = await bench.store.reply(mention, "Sorry", "k")
    await bench.store.delete(mention, posted.external_id)
    await bench.store.delete(mention, posted.external_id)

    assert (await bench.store.look(mention)).replies == ()


@pytest.mark.parametrize("picks", [True, False])
async def test_a_delete_that_is_refused_while_the_answer_stands_is_refused(bench: Bench, picks: bool) -> None:
    bench.console.picks_by_id = picks
    mention = await bench.mention()
    posted = await bench.store.reply(mention, "Sorry", "k")
    for _ in range(30):
        bench.console.answer(5, "To somebody else")
    bench.wire.fails(answers(400, bench.console.error(400)), bench.console.is_write)

    with pytest.raises(Refused):
        await bench.store.delete(mention, posted.external_id)


async def test_an_edited_review_is_found_again_by_its_update_time(bench: Bench) -> None:
    old = bench.console.publish("good", NOW - timedelta(days=20))
    bench.console.publish("newest", NOW)
    first = await bench.store.read(None, SINCE)
    bench.console.reviews[int(old)] |= {"commentText": "bad", "updatedAt": naive(NOW), "edited": True}
    found = {m.key.external_id: m for m in (await bench.store.read(first.cursor, SINCE)).mentions}

    assert [m.text for m in first.mentions] == ["newest"]
    assert found[old].text == "bad"
    assert found[old].published_at == NOW - timedelta(days=20)


async def test_a_long_list_is_read_over_several_polls_and_loses_nothing(bench: Bench) -> None:
    for minutes in range(1150):
        bench.console.publish("x", NOW - timedelta(minutes=minutes))
    first = await bench.store.read(None, SINCE)
    second = await bench.store.read(first.cursor, SINCE)

    assert (len(first.mentions), len(second.mentions)) == (1000, 150)
    assert (first.note, second.note) == ("", "")


async def test_a_list_with_the_oldest_first_is_told(bench: Bench) -> None:
    bench.console.newest_first = False
    for minutes in range(150):
        bench.console.publish("x", NOW - timedelta(minutes=minutes))

    assert "oldest reviews first" in (await bench.store.read(None, SINCE)).note


@pytest.mark.parametrize("change", [{"appRating": "many"}, {"commentDate": "0001-01-01 00:00:00"}])
async def test_one_unreadable_review_harms_only_itself(bench: Bench, change: dict[str, str]) -> None:
    bench.console.publish("good")
    broken = bench.console.publish("broken")
    bench.console.reviews[int(broken)] |= change
    batch = await bench.store.read(None, SINCE)

    assert [m.text for m in batch.mentions] == ["good"]
    assert "1 of 2 records cannot be read" in batch.note


async def test_a_token_is_renewed_five_minutes_before_its_end(bench: Bench) -> None:
    for minutes, tokens in ((0, 1), (9, 1), (10, 2)):
        bench.time = NOW + timedelta(minutes=minutes)
        await bench.store.read(None, SINCE)
        assert bench.console.tokens == tokens


async def test_a_refused_token_is_renewed_once_for_all_who_hold_it(bench: Bench) -> None:
    await bench.store.read(None, SINCE)
    bench.console.valid.clear()
    await asyncio.gather(*(bench.store.read(None, SINCE) for _ in range(5)))

    assert bench.console.tokens == 2


@pytest.mark.parametrize("status", [200, 400, 403, 404])
async def test_a_login_that_is_refused_needs_a_person(bench: Bench, status: int) -> None:
    bench.wire.fails(answers(status, bench.console.error(status)), lambda r: not bench.console.is_api(r))

    with pytest.raises(NeedsLogin):
        await bench.store.read(None, SINCE)


async def test_a_login_in_another_language_is_a_bad_answer(bench: Bench) -> None:
    body = json.dumps({"code": "OK", "body": {"token": "jwe"}})
    bench.wire.fails(answers(200, body), lambda r: not bench.console.is_api(r))

    with pytest.raises(BadAnswer):
        await bench.store.read(None, SINCE)


@pytest.mark.parametrize("status", [200, 400, 403, 500])
async def test_a_token_rustore_repeats_is_not_shown(bench: Bench, status: int) -> None:
    await bench.store.read(None, SINCE)
    (token,) = bench.console.valid
    body = json.dumps({"code": "error", "message": f"bad token {token}"})
    bench.wire.fails(answers(status, body), bench.console.is_api)

    with pytest.raises(Exception, match=r"bad token \*\*\*"):
        await bench.store.read(None, SINCE)


@pytest.mark.parametrize("form", [pem, bare])
async def test_the_key_is_taken_with_and_without_the_lines_around_it(bench: Bench, form: Callable[[], str]) -> None:
    settings = Settings(package=PACKAGE, key_id=KEY_ID, private_key=SecretStr(form()))
    await bench.connected(settings).read(None, SINCE)

    assert bench.console.tokens == 1


async def test_another_accounts_key_needs_a_person(bench: Bench) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = SecretStr(other.private_bytes(serialization.Encoding.PEM, PKCS8, PLAIN).decode())

    with pytest.raises(NeedsLogin):
        await bench.connected(Settings(package=PACKAGE, key_id=KEY_ID, private_key=secret)).read(None, SINCE)


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [("Two\n\nlines ", "Two lines", True), ("5 < 6", "5 < 6", True), ("Hello", "Hello!", False)],
)
async def test_texts_are_compared_without_white_space(bench: Bench, ours: str, theirs: str, same: bool) -> None:
    assert bench.store.same(ours, theirs) is same


def elliptic() -> SecretStr:
    key = ec.generate_private_key(ec.SECP256R1())
    return SecretStr(key.private_bytes(serialization.Encoding.PEM, PKCS8, PLAIN).decode())


FAULTS = [
    ({"package": "not a package"}, "package"),
    ({"key_id": ""}, "key_id"),
    ({"private_key": SecretStr("topsecret")}, "private_key"),
    ({"private_key": SecretStr("dG9wc2VjcmV0")}, "private_key"),
    ({"private_key": SecretStr("-----BEGIN PRIVATE KEY-----\ntopsecret\n-----END PRIVATE KEY-----")}, "private_key"),
    ({"private_key": elliptic()}, "private_key"),
    ({"keyid": KEY_ID}, "keyid"),
]


@pytest.mark.parametrize(("change", "key"), FAULTS)
def test_a_faulty_setting_is_named_and_not_quoted(change: dict[str, object], key: str) -> None:
    given = {"package": PACKAGE, "key_id": KEY_ID, "private_key": SecretStr(pem())}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({**given, **change})
    assert key in {str(fault["loc"][0]) for fault in caught.value.errors()}
    assert "topsecret" not in str(caught.value)
    assert "dG9wc2VjcmV0" not in str(caught.value)


def test_a_key_id_may_be_written_as_a_number() -> None:
    given = {"package": PACKAGE, "key_id": int(KEY_ID), "private_key": SecretStr(pem())}

    assert Settings.model_validate(given).key_id == KEY_ID
