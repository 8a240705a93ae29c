from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, ValidationError

from collectors.telegram import Settings, Telegram
from desk.errors import Gone, NeedsLogin, Refused, Retry
from desk.mention import Mention
from tests.collectors.telegram.fake import GROUP, OTHER, TOKEN, Group
from tests.collectors.wire import NOW, Wire, answers, now, takes_effect_then

SINCE = NOW - timedelta(days=1)


@dataclass
class Bench:
    group: Group
    wire: Wire
    bot: Telegram

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.bot.read(cursor, SINCE)).mentions

    async def one(self, text: str = "Card blocked", **more: Any) -> Mention:
        self.group.publish(text, **more)
        return (await self.read())[-1]

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.wire.seen]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    group = Group()
    wire = Wire(group.serve)
    async with wire.client() as http:
        yield Bench(group, wire, Telegram(group.settings, "bank", "bank-chat", http, now))


async def test_a_message_is_a_mention_with_its_author_and_a_link(bench: Bench) -> None:
    mention = await bench.one()

    assert (mention.kind, mention.title, mention.text) == ("post", "Bank chat", "Card blocked")
    assert (mention.author.id, mention.author.name, mention.author.url) == ("7", "Жанна", "https://t.me/janna")
    assert mention.url == "https://t.me/c/1000000777/11"
    assert mention.key.account == "4242"


async def test_a_comment_under_a_post_names_it(bench: Bench) -> None:
    mention = await bench.one(message_thread_id=5)

    assert (mention.kind, mention.parent_id) == ("comment", f"{GROUP}/5")


async def test_a_pictures_caption_is_its_text(bench: Bench) -> None:
    mention = await bench.one("", caption="Look at this queue")

    assert mention.text == "Look at this queue"


async def test_a_public_group_is_known_by_its_name_in_any_case(bench: Bench) -> None:
    settings = Settings(token=SecretStr(TOKEN), chats=("@BankChat",))
    bench.bot._chats = Telegram(settings, "bank", "s", bench.bot._door._http, now)._chats
    mention = await bench.one(chat={"id": GROUP, "title": "Bank chat", "username": "bankchat"})

    assert mention.url == "https://t.me/bankchat/11"


async def test_what_is_said_in_other_chats_and_without_words_is_passed_over(bench: Bench) -> None:
    bench.group.publish("Elsewhere", chat={"id": OTHER, "title": "Other"})
    bench.group.publish("", photo=[{}])
    batch = await bench.bot.read(None, SINCE)
    bench.group.publish("Here")

    assert batch.mentions == []
    assert [m.text for m in await bench.read(batch.cursor)] == ["Here"]


async def test_updates_stay_at_telegram_until_the_next_poll_confirms_them(bench: Bench) -> None:
    bench.group.publish("One")
    batch = await bench.bot.read(None, SINCE)

    assert [m.text for m in await bench.read()] == ["One"], "nothing was stored: it comes again"
    assert await bench.read(batch.cursor) == []
    assert bench.group.updates == []


async def test_more_than_one_call_brings_comes_over_several_polls(bench: Bench) -> None:
    for number in range(130):
        bench.group.publish(f"n{number}")
    first = await bench.bot.read(None, SINCE)

    assert [m.text for m in [*first.mentions, *await bench.read(first.cursor)]] == [f"n{n}" for n in range(130)]


async def test_what_a_poll_that_fails_had_read_is_not_forgotten_by_telegram(bench: Bench) -> None:
    """A second call in the same poll would confirm the first one's messages before they are stored."""
    for number in range(130):
        bench.group.publish(f"n{number}")
    bench.wire.fails(takes_effect_then(httpx.ReadTimeout), lambda _request: len(bench.wire.seen) > 1)
    with suppress(Retry):
        await bench.read()
    bench.wire.heals()

    assert "n0" in [m.text for m in await bench.read()]


async def test_a_count_that_begins_elsewhere_is_gone_on_with(bench: Bench) -> None:
    """As after a quiet week, or with another bot: Telegram then answers from the beginning of what it has."""
    for number in range(130):
        bench.group.publish(f"n{number}")
    first = await bench.bot.read('{"offset": 700000000}', SINCE)

    assert [m.text for m in [*first.mentions, *await bench.read(first.cursor)]] == [f"n{n}" for n in range(130)]


CHANNEL_BOT = {"id": 136817688, "is_bot": True, "first_name": "Channel", "username": "Channel_Bot"}


async def test_who_writes_as_a_channel_is_named_by_it_and_not_by_telegrams_bot(bench: Bench) -> None:
    as_channel = {"id": -1005, "title": "Rates of Almaty", "username": "rates"}
    mention = await bench.one(sender_chat=as_channel, **{"from": CHANNEL_BOT})

    assert (mention.author.id, mention.author.name, mention.author.kind) == ("-1005", "Rates of Almaty", "")
    assert mention.author.url == "https://t.me/rates"


async def test_what_the_brand_says_as_its_channel_is_no_mention(bench: Bench) -> None:
    """Its posts, forwarded into the group by Telegram, say which channel that is; for later polls too."""
    channel = {"id": -1001, "title": "Bank"}
    bench.group.publish("New card", is_automatic_forward=True, sender_chat=channel)
    first = await bench.bot.read(None, SINCE)
    bench.group.publish("We are on it", sender_chat=channel, **{"from": CHANNEL_BOT})

    assert (first.mentions, await bench.read(first.cursor)) == ([], [])


async def test_a_comment_under_a_post_tells_the_brands_channel_too(bench: Bench) -> None:
    channel = {"id": -1001, "title": "Bank"}
    post = {"message_id": 5, "is_automatic_forward": True, "sender_chat": channel}
    bench.group.publish("Card blocked", reply_to_message=post)
    bench.group.publish("We are on it", sender_chat=channel, **{"from": CHANNEL_BOT})

    assert [m.text for m in await bench.read()] == ["Card blocked"]


async def test_the_channel_of_a_group_that_is_not_read_does_not_speak_for_the_brand(bench: Bench) -> None:
    channel = {"id": -1009, "title": "Partner"}
    bench.group.publish("News", chat={"id": OTHER, "title": "Other"}, is_automatic_forward=True, sender_chat=channel)
    bench.group.publish("Your card is bad", sender_chat=channel, **{"from": CHANNEL_BOT})

    assert [m.text for m in await bench.read()] == ["Your card is bad"]


async def test_a_message_of_a_basic_group_has_no_link_that_leads_nowhere(bench: Bench) -> None:
    bench.bot._chats = {"-777"}

    assert (await bench.one(chat={"id": -777, "title": "Bank chat"})).url == ""


async def test_a_group_that_became_another_is_read_on_and_staff_are_told(bench: Bench) -> None:
    new = {"id": OTHER, "title": "Bank chat"}
    bench.group.publish("", migrate_to_chat_id=OTHER)
    first = await bench.bot.read(None, SINCE)
    bench.group.publish("Card blocked", chat=new)
    second = await bench.bot.read(first.cursor, SINCE)

    assert f"the group {GROUP} is {OTHER} now" in first.note
    assert [m.text for m in second.mentions] == ["Card blocked"]
    assert second.note == ""


async def test_an_edit_is_the_same_mention_with_new_words(bench: Bench) -> None:
    first = await bench.one()
    bench.group.edit(first.key.external_id, "Card unblocked")
    (again,) = await bench.read()

    assert (again.key, again.text) == (first.key, "Card unblocked")
    assert again.fingerprint != first.fingerprint


async def test_an_update_of_a_new_kind_holds_up_nothing_and_is_told(bench: Bench) -> None:
    bench.group.tell(message={"message_id": "new"})
    batch = await bench.bot.read(None, SINCE)
    bench.group.publish("After it")

    assert "message" in batch.note
    assert [m.text for m in await bench.read(batch.cursor)] == ["After it"]


async def test_a_reply_hangs_under_the_message_and_can_be_edited_and_deleted(bench: Bench) -> None:
    mention = await bench.one()
    posted = await bench.bot.reply(mention, "We are on it", "k")

    assert bench.asked()[-1]["reply_parameters"] == {"message_id": 11}
    assert posted.url == "https://t.me/c/1000000777/12"
    await bench.bot.edit(mention, posted.external_id, "Done")
    await bench.bot.edit(mention, posted.external_id, "Done")
    assert bench.group.messages[12]["text"] == "Done"
    await bench.bot.delete(mention, posted.external_id)
    await bench.bot.delete(mention, posted.external_id)
    assert 12 not in bench.group.messages


async def test_a_message_that_was_deleted_takes_no_reply(bench: Bench) -> None:
    mention = await bench.one()
    bench.group.remove(mention.key.external_id)

    with pytest.raises(Gone):
        await bench.bot.reply(mention, "Too late", "k")


async def test_a_reply_that_is_gone_is_not_edited(bench: Bench) -> None:
    mention = await bench.one()

    with pytest.raises(Gone):
        await bench.bot.edit(mention, "99", "Hello")


async def test_the_time_to_wait_is_read_from_the_body(bench: Bench) -> None:
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 33}}
    bench.wire.fails(answers(429, json.dumps(body)))

    with pytest.raises(Retry) as caught:
        await bench.read()
    assert (caught.value.after, caught.value.rate_limited) == (33, True)


REFUSALS = [
    (401, "Unauthorized", NeedsLogin, "Unauthorized"),
    (403, "Forbidden: bot was kicked from the supergroup chat", Refused, "kicked"),
    (409, "Conflict: terminated by other getUpdates request", Refused, "another program"),
]


@pytest.mark.parametrize(("status", "words", "error", "told"), REFUSALS)
async def test_a_refusal_says_what_is_to_be_mended(
    bench: Bench, status: int, words: str, error: type[Exception], told: str
) -> None:
    bench.wire.fails(answers(status, bench.group.error(status, words)))

    with pytest.raises(error, match=told) as caught:
        await bench.read()
    assert "secret-of-the-bot" not in str(caught.value)


async def test_a_bot_cannot_look(bench: Bench) -> None:
    with pytest.raises(Refused):
        await bench.bot.look(await bench.one())


@pytest.mark.parametrize("token", ["", "4242", "x:y", "4242:"])
def test_a_token_has_a_number_and_letters(token: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(token=SecretStr(token), chats=(GROUP,))
    assert not token or token not in str(caught.value).replace("token", "")
