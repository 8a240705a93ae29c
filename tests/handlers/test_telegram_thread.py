"""What people write in the staff's Telegram, as the desk hears it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from aiogram.types import Message

from desk.service import Outcome
from handlers.telegram.thread import heard, idem, is_talk
from tests.handlers.telegram_hands import PEOPLE, ROOM, Hands, hands
from tests.sandbox.telegram_bench import ANNA, BOT_ID, PNG, STAFF, STRANGER

DATE = 1_790_000_000
ANNA_JSON = {"id": ANNA, "is_bot": False, "first_name": "Anna"}
CHAT = {"id": STAFF, "type": "supergroup", "title": "Staff"}


@pytest.fixture
async def desk() -> AsyncIterator[Hands]:
    async with hands() as made:
        made.telegram.join(STAFF, STRANGER)
        yield made


def message(**content: object) -> Message:
    base = {"message_id": 9, "date": DATE, "chat": CHAT, "from": ANNA_JSON}
    return Message.model_validate(base | content)


async def test_talk_in_a_topic_is_heard_whole(desk: Hands):
    thread = await desk.world.topic()
    said = desk.telegram.write(ANNA, STAFF, "looks <b>bad</b> & old", thread)
    await desk.deliver()
    found, key = desk.desk.heard[0]
    assert (found.room, found.thread, found.said) == (ROOM, str(thread), str(said))
    assert (found.person, found.name, found.text) == ("anna", "Anna", "looks <b>bad</b> & old")
    assert (found.edited, found.reply_to, found.files) == (False, "", ())
    assert found.at == datetime.fromtimestamp(DATE, UTC)
    assert key.startswith(f"tg:{BOT_ID}:{STAFF}:{said}:0:")
    assert desk.said() == []


async def test_a_real_answer_names_what_it_answers(desk: Hands):
    thread = await desk.world.topic()
    card = await desk.world.bot.send_message(STAFF, "card", message_thread_id=thread)
    desk.telegram.write(ANNA, STAFF, "yes", thread, reply_to=card.message_id)
    await desk.deliver()
    assert desk.desk.heard[0][0].reply_to == str(card.message_id)


async def test_an_answer_in_the_main_chat_has_no_thread(desk: Hands):
    card = await desk.world.card()
    desk.telegram.write(ANNA, STAFF, "yes", reply_to=card)
    await desk.deliver()
    found = desk.desk.heard[0][0]
    assert (found.thread, found.reply_to) == ("", str(card))


async def test_a_stranger_is_heard_by_name_only(desk: Hands):
    desk.telegram.write(STRANGER, STAFF, "hello")
    await desk.deliver()
    assert (desk.desk.heard[0][0].person, desk.desk.heard[0][0].name) == ("", "Stranger")


async def test_an_anonymous_administrator_is_the_group(desk: Hands):
    desk.telegram.anonymous_write(STAFF, "hello")
    await desk.deliver()
    assert (desk.desk.heard[0][0].person, desk.desk.heard[0][0].name) == ("", "Staff")


async def test_an_edit_is_heard_as_one_and_has_an_id_of_its_own(desk: Hands):
    said = desk.telegram.write(ANNA, STAFF, "first")
    desk.telegram.edit(ANNA, STAFF, said, "second")
    desk.telegram.edit(ANNA, STAFF, said, "third")
    await desk.deliver()
    assert [(h.text, h.edited) for h, _ in desk.desk.heard] == [("first", False), ("second", True), ("third", True)]
    assert len({key for _, key in desk.desk.heard}) == 3


async def test_an_edit_of_a_command_is_heard_too(desk: Hands):
    said = desk.telegram.write(ANNA, STAFF, "/reply old")
    desk.telegram.edit(ANNA, STAFF, said, "/reply new")
    await desk.deliver()
    assert [one.text for one in desk.desk.typed] == ["old"]
    assert [(h.text, h.edited) for h, _ in desk.desk.heard] == [("/reply new", True)]


async def test_a_repeated_delivery_has_the_same_id(desk: Hands):
    desk.telegram.write(ANNA, STAFF, "once")
    update = desk.telegram.pending()[-1]["update_id"]
    await desk.deliver()
    desk.telegram.redeliver(update)
    await desk.deliver()
    assert len({key for _, key in desk.desk.heard}) == 1


async def test_service_messages_are_not_talk(desk: Hands):
    thread = await desk.world.topic()
    await desk.world.bot.edit_forum_topic(STAFF, thread, name="#1 done")
    await desk.world.bot.close_forum_topic(STAFF, thread)
    card = await desk.world.card()
    await desk.world.bot.pin_chat_message(STAFF, card)
    await desk.deliver()
    assert desk.desk.heard == []


async def test_files_are_named_sized_and_can_be_fetched(desk: Hands):
    thread = await desk.world.topic()
    desk.telegram.write(ANNA, STAFF, "look", thread, document={"name": "a.txt", "text": "hi"})
    desk.telegram.write(ANNA, STAFF, "", thread, photo=PNG)
    await desk.deliver()
    (first, _), (second, _) = desk.desk.heard
    name, file, size = first.files[0]
    assert (first.text, name, size) == ("look", "a.txt", 2)
    assert (await desk.world.bot.get_file(file)).file_size == 2
    assert second.files[0][0].startswith("photo-")
    assert second.files[0][0].endswith(".jpg")


def test_a_file_too_large_to_fetch_comes_as_a_link():
    video = {"file_id": "v", "file_unique_id": "u", "width": 1, "height": 1, "duration": 1, "file_size": 21 * 2**20}
    found = heard(message(video=video, caption="see"), None)
    assert found.files == (("video-9.mp4", "https://t.me/c/1000000001/9", 21 * 2**20),)


def test_an_animation_is_one_file():
    document = {"file_id": "d", "file_unique_id": "u", "file_name": "cat.mp4", "file_size": 9}
    animation = {**document, "width": 1, "height": 1, "duration": 1}
    assert [name for name, _, _ in heard(message(animation=animation, document=document), None).files] == ["cat.mp4"]


STICKER = {"file_id": "s", "file_unique_id": "u", "type": "regular", "width": 1, "height": 1,
           "is_animated": False, "is_video": False, "emoji": "👍"}  # fmt: skip
MARKS = [
    ({"sticker": STICKER}, "👍"),
    ({"location": {"latitude": 1.0, "longitude": 2.0}}, "[location]"),
    ({"contact": {"phone_number": "1", "first_name": "A"}}, "[contact]"),
]


@pytest.mark.parametrize(("content", "text"), MARKS)
def test_what_is_no_text_leaves_a_mark(content: dict, text: str):
    assert heard(message(**content), None).text == text


def link(offset: int, length: int, url: str) -> dict:
    return {"type": "text_link", "offset": offset, "length": length, "url": url}


TEXTS = [
    ("see here", [link(4, 4, "https://x.example/1")], "see here (https://x.example/1)"),
    ("😀 here", [link(3, 4, "https://x.example/")], "😀 here (https://x.example/)"),
    ("a b", [link(0, 1, "https://a.ex/"), link(2, 1, "https://b.ex/")], "a (https://a.ex/) b (https://b.ex/)"),
    ("https://x.example", [link(0, 17, "https://x.example/")], "https://x.example"),
    ("bold", [{"type": "bold", "offset": 0, "length": 4}], "bold"),
    ("&amp; <b>", [], "&amp; <b>"),
]


@pytest.mark.parametrize(("text", "entities", "wanted"), TEXTS)
def test_text_is_plain_and_hidden_addresses_are_kept(text: str, entities: list, wanted: str):
    assert heard(message(text=text, entities=entities), None).text == wanted
    assert heard(message(document=DOCUMENT, caption=text, caption_entities=entities), None).text == wanted


DOCUMENT = {"file_id": "d", "file_unique_id": "u", "file_name": "a.pdf", "file_size": 9}


def test_another_bot_is_not_talk():
    assert not is_talk(message(text="x", **{"from": {"id": 5, "is_bot": True, "first_name": "Bot"}}))


def test_two_edits_within_a_second_are_told_apart():
    first, second = (message(text=text, edit_date=DATE + 5) for text in ("a", "b"))
    assert idem(first) != idem(second)


# forwards


async def test_a_forwarded_post_is_a_mention_brought(desk: Hands):
    desk.desk.outcome = Outcome("did_add", {"brand": "Acme"})
    said = desk.telegram.forward(ANNA, STAFF, "Awful", origin_name="City News", origin_url="https://t.me/city/42")
    await desk.deliver()
    key, *rest, at = desk.desk.added[0]
    assert rest == [PEOPLE[ANNA], ROOM, "", "https://t.me/city/42", "Awful", "City News"]
    assert at.tzinfo is not None
    assert key.startswith(f"tg:{BOT_ID}:{STAFF}:{said}:")
    assert desk.said() == ["Thank you: a case for Acme is on its way"]


ORIGINS = [
    ({"origin_name": "Somebody"}, "", "Somebody"),
    ({"origin_url": "https://t.me/c/1234567890/7"}, "https://t.me/c/1234567890/7", "Channel"),
    ({}, "", "Anna"),
]


@pytest.mark.parametrize(("given", "url", "author"), ORIGINS)
async def test_a_forward_keeps_where_it_comes_from(desk: Hands, given: dict, url: str, author: str):
    desk.telegram.forward(ANNA, STAFF, "Awful", **given)
    await desk.deliver()
    assert desk.desk.added[0][4:-1] == (url, "Awful", author)


async def test_a_forward_within_a_case_is_talk(desk: Hands):
    thread = await desk.world.topic()
    desk.telegram.forward(ANNA, STAFF, "Awful", origin_name="Somebody", thread_id=thread)
    await desk.deliver()
    assert (desk.desk.added, desk.desk.heard[0][0].text) == ([], "Awful")


async def test_a_strangers_forward_makes_no_case(desk: Hands):
    desk.telegram.forward(STRANGER, STAFF, "/add this", origin_name="Somebody")
    await desk.deliver()
    assert (desk.desk.added, desk.desk.typed, len(desk.desk.heard)) == ([], [], 1)


# the bot's own place


async def test_a_bot_that_is_removed_raises_an_alarm(desk: Hands):
    desk.telegram.kick_bot(STAFF)
    await desk.deliver()
    (room, reason), *more = desk.alarms
    assert (room, more) == (ROOM, [])
    assert reason.startswith("the bot was removed by ")
    assert "add it again" in reason


async def test_a_bot_that_loses_its_rights_raises_an_alarm(desk: Hands):
    desk.telegram.set_rights(STAFF, can_manage_topics=False)
    desk.telegram.invite_bot(STAFF, admin=False)
    await desk.deliver()
    assert [reason.split(";")[0] for _, reason in desk.alarms] == [
        "the bot may not manage topics any more",
        "the bot is no administrator any more",
    ]


async def test_a_bot_that_comes_back_raises_none(desk: Hands):
    desk.telegram.invite_bot(STAFF)
    await desk.deliver()
    assert desk.alarms == []


async def test_rooms_of_others_raise_none(desk: Hands):
    desk.telegram.start(STRANGER)
    desk.telegram.block_bot(STRANGER)
    await desk.deliver()
    assert desk.alarms == []
