"""The Telegram face as a bot and the people see it, through the real aiogram client."""

import asyncio

import pytest
from aiogram import Dispatcher
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetUserProfilePhotos
from aiogram.types import (
    BotCommand,
    CallbackQuery,
    InaccessibleMessage,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)
from aiohttp import ClientSession

from sandbox.telegram import Telegram
from tests.sandbox.telegram_bench import (
    ANNA,
    BORIS,
    BOT_ID,
    PATIENCE,
    PLAIN,
    PNG,
    STAFF,
    STRANGER,
    TOKEN,
    Bench,
    bench,
    buttons,
    file,
)


@pytest.fixture
async def desk():
    async with bench() as made:
        yield made


async def test_the_bot_knows_itself(desk: Bench):
    me = await desk.bot.me()
    assert (me.id, me.is_bot, me.username) == (BOT_ID, True, "replydesk_bot")


async def test_a_topic_is_named_by_its_first_service_message(desk: Bench):
    topic = await desk.bot.create_forum_topic(STAFF, "#1 Coffee", icon_color=16766590)
    first = desk.telegram.message(STAFF, topic.message_thread_id)
    assert first["service"] == "forum_topic_created"
    assert (topic.name, topic.icon_color) == ("#1 Coffee", 16766590)


async def test_a_long_topic_name_is_cut_not_refused(desk: Bench):
    topic = await desk.bot.create_forum_topic(STAFF, "ж" * 140)
    assert topic.name == "ж" * 128


async def test_a_message_in_a_topic_answers_its_creation(desk: Bench):
    thread = await desk.topic()
    sent = await desk.bot.send_message(STAFF, "card", message_thread_id=thread)
    assert (sent.message_thread_id, sent.is_topic_message) == (thread, True)
    assert sent.reply_to_message.forum_topic_created.name == "#1 Coffee"


async def test_a_person_writing_in_a_topic_seems_to_answer_its_creation(desk: Bench):
    thread = await desk.topic()
    desk.telegram.write(ANNA, STAFF, "looks bad", thread)
    message = (await desk.updates())[-1].message
    assert (message.from_user.id, message.text, message.chat.is_forum) == (ANNA, "looks bad", True)
    assert (message.message_thread_id, message.is_topic_message) == (thread, True)
    assert message.reply_to_message.message_id == thread


async def test_a_real_answer_names_the_message_answered(desk: Bench):
    thread = await desk.topic()
    card = await desk.bot.send_message(STAFF, "card", message_thread_id=thread)
    desk.telegram.write(ANNA, STAFF, "yes", thread, reply_to=card.message_id)
    message = (await desk.updates())[-1].message
    assert message.reply_to_message.message_id == card.message_id
    assert message.reply_to_message.from_user.id == BOT_ID


async def test_an_answer_in_general_has_a_thread_id_but_is_no_topic_message(desk: Bench):
    card = await desk.card()
    desk.telegram.write(ANNA, STAFF, "yes", reply_to=card)
    message = (await desk.updates())[-1].message
    assert (message.message_thread_id, message.is_topic_message) == (card, None)
    with pytest.raises(TelegramBadRequest, match="message thread not found"):
        await desk.bot.send_message(STAFF, "x", message_thread_id=message.message_thread_id)


async def test_own_texts_do_not_come_back_but_service_messages_do(desk: Bench):
    thread = await desk.topic()
    card = await desk.bot.send_message(STAFF, "card", message_thread_id=thread)
    await desk.bot.edit_forum_topic(STAFF, thread, name="#1 done")
    await desk.bot.close_forum_topic(STAFF, thread)
    await desk.bot.reopen_forum_topic(STAFF, thread)
    await desk.bot.pin_chat_message(STAFF, card.message_id)
    kinds = [one.message.content_type for one in await desk.updates()]
    assert kinds == [
        "forum_topic_created", "forum_topic_edited", "forum_topic_closed", "forum_topic_reopened", "pinned_message",
    ]  # fmt: skip


async def test_a_chat_without_topics_ignores_the_thread_silently(desk: Bench):
    sent = await desk.bot.send_message(PLAIN, "card", message_thread_id=77)
    assert (sent.message_thread_id, sent.is_topic_message) == (None, None)


async def test_a_reply_without_a_thread_lands_in_the_thread_of_the_answered(desk: Bench):
    thread = await desk.topic()
    said = desk.telegram.write(ANNA, STAFF, "hi", thread)
    sent = await desk.bot.send_message(STAFF, "hello", reply_parameters=ReplyParameters(message_id=said))
    assert (sent.message_thread_id, sent.reply_to_message.message_id) == (thread, said)


async def test_a_deleted_topic_takes_its_messages_along(desk: Bench):
    thread = await desk.topic()
    card = await desk.bot.send_message(STAFF, "card", message_thread_id=thread)
    desk.telegram.delete_topic(STAFF, thread)
    assert desk.telegram.message(STAFF, card.message_id) is None
    with pytest.raises(TelegramBadRequest, match="message thread not found"):
        await desk.bot.send_message(STAFF, "more", message_thread_id=thread)


async def test_the_bot_deletes_a_topic(desk: Bench):
    thread = await desk.topic()
    assert await desk.bot.delete_forum_topic(STAFF, thread)
    assert desk.telegram.topics(STAFF) == []


async def test_the_icon_of_a_topic_is_one_of_the_stickers(desk: Bench):
    thread = await desk.topic()
    sticker = (await desk.bot.get_forum_topic_icon_stickers())[0]
    await desk.bot.edit_forum_topic(STAFF, thread, icon_custom_emoji_id=sticker.custom_emoji_id)
    assert desk.telegram.topics(STAFF)[0]["icon"] == sticker.custom_emoji_id


# Buttons.


async def test_a_press_is_answered(desk: Bench):
    card = await desk.card("card", "take:1")
    press = desk.telegram.press(BORIS, STAFF, card, "take:1")
    query = (await desk.updates())[-1].callback_query
    assert (query.data, query.from_user.id, query.message.message_id) == ("take:1", BORIS, card)
    assert desk.telegram.answer_of(press) is None
    assert await query.as_(desk.bot).answer("Taken", show_alert=True)
    assert desk.telegram.answer_of(press) == {"text": "Taken", "show_alert": True}
    assert desk.telegram.snapshot()["alerts"] == [
        {"user_id": BORIS, "text": "Taken", "at": desk.clock(), "show_alert": True}
    ]


async def test_the_first_answer_is_the_one_shown(desk: Bench):
    press = desk.telegram.press(BORIS, STAFF, await desk.card("card", "x"), "x")
    await desk.bot.answer_callback_query(press, "one")
    await desk.bot.answer_callback_query(press, "two")
    assert desk.telegram.answer_of(press)["text"] == "one"


async def test_a_late_answer_is_refused(desk: Bench):
    press = desk.telegram.press(BORIS, STAFF, await desk.card("card", "x"), "x")
    desk.clock.tick(16)
    with pytest.raises(
        TelegramBadRequest, match="query is too old and response timeout expired or query ID is invalid"
    ):
        await desk.bot.answer_callback_query(press)


async def test_only_a_button_that_is_there_can_be_pressed(desk: Bench):
    card = await desk.card("card", "one")
    await desk.bot.edit_message_reply_markup(chat_id=STAFF, message_id=card, reply_markup=buttons("two"))
    with pytest.raises(ValueError, match="no button 'one'"):
        desk.telegram.press(ANNA, STAFF, card, "one")
    desk.telegram.press(ANNA, STAFF, card, "one", stale=True)
    desk.telegram.press(ANNA, STAFF, card, "never", forged=True)
    assert [one.callback_query.data for one in await desk.updates()] == ["one", "never"]


async def test_a_press_on_a_deleted_message_is_inaccessible(desk: Bench):
    card = await desk.card("card", "x")
    await desk.bot.delete_message(STAFF, card)
    desk.telegram.press(ANNA, STAFF, card, "x")
    message = (await desk.updates())[-1].callback_query.message
    assert isinstance(message, InaccessibleMessage)
    assert message.message_id == card


async def test_a_stranger_presses_nothing(desk: Bench):
    with pytest.raises(ValueError, match="Stranger is not in Staff"):
        desk.telegram.press(STRANGER, STAFF, await desk.card("card", "x"), "x")


# Edits.


async def test_an_edit_without_a_keyboard_takes_it_away(desk: Bench):
    card = await desk.card("card", "x")
    edited = await desk.bot.edit_message_text("new", chat_id=STAFF, message_id=card)
    assert (edited.text, edited.reply_markup) == ("new", None)
    assert edited.edit_date == int(desk.clock())
    assert desk.telegram.message(STAFF, card)["buttons"] == []


async def test_a_caption_is_edited(desk: Bench):
    sent = await desk.bot.send_document(STAFF, file(), caption="one")
    await desk.bot.edit_message_caption(
        chat_id=STAFF, message_id=sent.message_id, caption="<b>two</b>", parse_mode="HTML"
    )
    assert desk.telegram.message(STAFF, sent.message_id)["html"] == "<b>two</b>"


async def test_a_person_edits_their_message(desk: Bench):
    said = desk.telegram.write(ANNA, STAFF, "one")
    desk.telegram.edit(ANNA, STAFF, said, "two")
    desk.telegram.edit(ANNA, STAFF, said, "two")
    updates = await desk.updates()
    assert [bool(one.edited_message) for one in updates] == [False, True]
    assert updates[-1].edited_message.text == "two"


async def test_pins_come_and_go(desk: Bench):
    card = await desk.card()
    await desk.bot.pin_chat_message(STAFF, card)
    assert (await desk.bot.get_chat(STAFF)).pinned_message.message_id == card
    await desk.bot.unpin_chat_message(STAFF)
    assert not desk.telegram.message(STAFF, card)["pinned"]


async def test_one_reaction_of_the_bot(desk: Bench):
    card = await desk.card()
    await desk.bot.set_message_reaction(STAFF, card, reaction=[ReactionTypeEmoji(emoji="👍")])
    assert desk.telegram.message(STAFF, card)["reactions"] == ["👍"]
    await desk.bot.set_message_reaction(STAFF, card, reaction=[])
    assert desk.telegram.message(STAFF, card)["reactions"] == []


# What people send.


async def test_commands_and_names_are_marked(desk: Bench):
    desk.telegram.write(ANNA, STAFF, "😀 /reply@replydesk_bot thanks @anna, https://example.com/1.")
    message = (await desk.updates())[-1].message
    assert [(one.type, one.extract_from(message.text)) for one in message.entities] == [
        ("bot_command", "/reply@replydesk_bot"),
        ("mention", "@anna"),
        ("url", "https://example.com/1"),
    ]
    assert message.entities[0].offset == 3


FORWARDS = {
    "channel": ({"origin_url": "https://t.me/coffee_news/42"}, "channel"),
    "hidden": ({"origin_name": "A guest"}, "hidden_user"),
    "own": ({}, "user"),
}


@pytest.mark.parametrize(("given", "kind"), FORWARDS.values(), ids=FORWARDS)
async def test_a_forward_names_its_origin(desk: Bench, given: dict[str, str], kind: str):
    desk.telegram.forward(ANNA, STAFF, "bad coffee", **given)
    assert (await desk.updates())[-1].message.forward_origin.type == kind


async def test_an_anonymous_administrator_hides_behind_the_group(desk: Bench):
    desk.telegram.anonymous_write(STAFF, "approve")
    message = (await desk.updates())[-1].message
    assert (message.from_user.id, message.from_user.username) == (1087968824, "GroupAnonymousBot")
    assert message.sender_chat.id == STAFF


async def test_a_file_of_a_person_is_downloaded(desk: Bench):
    desk.telegram.write(ANNA, STAFF, "see", document={"name": "reply.txt", "data": "Спасибо".encode()})
    document = (await desk.updates())[-1].message.document
    assert document.file_name == "reply.txt"
    assert (await desk.bot.download(document)).read().decode() == "Спасибо"


async def test_a_picture_of_a_person_has_a_size(desk: Bench):
    desk.telegram.write(ANNA, STAFF, "", photo=PNG)
    message = (await desk.updates())[-1].message
    assert (message.photo[0].width, message.photo[0].height, message.caption) == (64, 32, None)


async def test_over_20_megabytes_cannot_be_downloaded(desk: Bench):
    desk.telegram.write(ANNA, STAFF, "big", document={"name": "a.bin", "data": bytes(20 * 1024 * 1024 + 1)})
    document = (await desk.updates())[-1].message.document
    with pytest.raises(TelegramBadRequest, match="file is too big"):
        await desk.bot.get_file(document.file_id)


async def test_documents_and_photos_are_sent_and_kept(desk: Bench):
    thread = await desk.topic()
    sent = await desk.bot.send_document(STAFF, file("отчёт".encode(), "отчёт.csv"), message_thread_id=thread)
    again = await desk.bot.send_document(STAFF, sent.document.file_id)
    photo = await desk.bot.send_photo(STAFF, file(PNG, "chart.png"), caption="chart")
    assert (sent.document.file_name, sent.document.file_size) == ("отчёт.csv", 10)
    assert again.document.file_id == sent.document.file_id
    assert (photo.photo[0].width, photo.caption) == (64, "chart")
    assert desk.telegram.message(STAFF, sent.message_id)["document"]["name"] == "отчёт.csv"


async def test_copies_and_forwards(desk: Bench):
    said = desk.telegram.write(ANNA, STAFF, "bad coffee")
    copy = await desk.bot.copy_message(PLAIN, STAFF, said)
    forward = await desk.bot.forward_message(PLAIN, STAFF, said)
    assert desk.telegram.message(PLAIN, copy.message_id)["text"] == "bad coffee"
    assert forward.forward_origin.sender_user.id == ANNA


async def test_mention_by_id_reaches_the_text(desk: Bench):
    sent = await desk.bot.send_message(STAFF, f'<a href="tg://user?id={ANNA}">Anna</a>, look', parse_mode="HTML")
    assert sent.entities[0].user.id == ANNA


# Chats, members, rights.


async def test_a_chat_is_described_in_full(desk: Bench):
    chat = await desk.bot.get_chat(STAFF)
    assert (chat.title, chat.type, chat.is_forum) == ("Staff", "supergroup", True)


async def test_members_have_their_status(desk: Bench):
    for status in ("creator", "administrator", "member", "restricted", "left", "kicked"):
        desk.telegram.join(STAFF, BORIS, status)
        assert (await desk.bot.get_chat_member(STAFF, BORIS)).status == status
    assert (await desk.bot.get_chat_member(STAFF, STRANGER)).status == "left"
    assert (await desk.bot.get_chat_member(STAFF, BOT_ID)).status == "administrator"


async def test_administrators_are_listed_with_their_rights(desk: Bench):
    listed = {one.user.id: one for one in await desk.bot.get_chat_administrators(STAFF)}
    assert set(listed) == {ANNA, BOT_ID}
    assert listed[BOT_ID].can_manage_topics


async def test_the_bot_hears_when_its_place_changes(desk: Bench):
    desk.telegram.set_rights(STAFF, can_pin_messages=False)
    desk.telegram.kick_bot(STAFF)
    changes = [one.my_chat_member for one in await desk.updates()]
    assert changes[0].new_chat_member.can_pin_messages is False
    assert (changes[1].old_chat_member.status, changes[1].new_chat_member.status) == ("administrator", "kicked")


async def test_joins_are_told_only_to_a_bot_that_asked(desk: Bench):
    desk.telegram.join(STAFF, STRANGER)
    assert await desk.updates() == []
    await desk.bot.get_updates(allowed_updates=["message", "chat_member"])
    desk.telegram.leave(STAFF, STRANGER)
    change = (await desk.updates())[-1].chat_member
    assert (change.new_chat_member.user.id, change.new_chat_member.status) == (STRANGER, "left")


async def test_a_bot_that_is_no_administrator_hears_only_what_concerns_it(desk: Bench):
    desk.telegram.invite_bot(STAFF, admin=False)
    card = await desk.card()
    desk.telegram.write(ANNA, STAFF, "chatter")
    desk.telegram.write(ANNA, STAFF, "/help")
    desk.telegram.write(ANNA, STAFF, "@replydesk_bot help")
    desk.telegram.write(ANNA, STAFF, "why", reply_to=card)
    texts = [one.message.text for one in await desk.updates() if one.message]
    assert texts == ["/help", "@replydesk_bot help", "why"]


async def test_a_second_bot_has_its_own_updates(desk: Bench):
    desk.telegram.add_bot("700002:brand", "brand_bot")
    desk.telegram.invite_bot(PLAIN, bot="brand_bot")
    desk.telegram.write(ANNA, PLAIN, "hello")
    brand = desk.another_bot("700002:brand")
    assert [one.event_type for one in await brand.get_updates()] == ["my_chat_member", "message"]
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await brand.send_message(STAFF, "hi")


async def test_nobody_is_written_to_before_they_press_start(desk: Bench):
    with pytest.raises(TelegramForbiddenError, match="bot can't initiate conversation with a user"):
        await desk.bot.send_message(ANNA, "hi")
    desk.telegram.start(ANNA)
    assert (await desk.bot.send_message(ANNA, "hi")).chat.type == "private"


SHUT = {
    "block_bot": "Forbidden: bot was blocked by the user",
    "deactivate": "Forbidden: user is deactivated",
}


@pytest.mark.parametrize(("act", "words"), SHUT.items(), ids=SHUT)
async def test_a_person_may_shut_the_door(desk: Bench, act: str, words: str):
    desk.telegram.start(ANNA)
    getattr(desk.telegram, act)(ANNA)
    with pytest.raises(TelegramForbiddenError, match=words):
        await desk.bot.send_message(ANNA, "hi")


async def test_a_bot_thrown_out_may_do_nothing(desk: Bench):
    desk.telegram.kick_bot(STAFF)
    for act in (desk.bot.send_message(STAFF, "x"), desk.bot.get_chat(STAFF), desk.bot.create_forum_topic(STAFF, "x")):
        with pytest.raises(TelegramForbiddenError, match="bot was kicked from the supergroup chat"):
            await act
    desk.telegram.invite_bot(STAFF)
    await desk.bot.send_message(STAFF, "back")


async def test_a_bot_that_left_is_no_member(desk: Bench):
    await desk.bot.leave_chat(STAFF)
    with pytest.raises(TelegramForbiddenError, match="bot is not a member of the supergroup chat"):
        await desk.bot.send_message(STAFF, "x")


async def test_an_upgraded_group_names_its_new_id(desk: Bench):
    desk.telegram.migrate(PLAIN, -1001000000077)
    with pytest.raises(TelegramMigrateToChat) as refused:
        await desk.bot.send_message(PLAIN, "x")
    assert refused.value.migrate_to_chat_id == -1001000000077
    assert (await desk.bot.send_message(-1001000000077, "x")).chat.is_forum
    moved = [one.message.migrate_to_chat_id or one.message.migrate_from_chat_id for one in await desk.updates()]
    assert moved == [-1001000000077, PLAIN]


async def test_commands_are_set(desk: Bench):
    assert await desk.bot.set_my_commands([BotCommand(command="open", description="Open cases")])


# The budget.


async def test_all_topics_share_twenty_a_minute():
    async with bench(group_per_minute=20) as desk:
        thread = await desk.topic()
        card = await desk.card()
        for number in range(17):
            await desk.bot.send_message(STAFF, f"{number}", message_thread_id=thread if number % 2 else None)
        desk.clock.tick(20)
        await desk.bot.edit_message_text("edits count too", chat_id=STAFF, message_id=card)
        with pytest.raises(TelegramRetryAfter) as refused:
            await desk.bot.send_message(STAFF, "one too many")
        assert refused.value.retry_after == 40
        assert [one.method for one in desk.telegram.too_many] == ["sendMessage"]
        await desk.bot.send_message(PLAIN, "another group has its own")
        desk.clock.tick(40)
        await desk.bot.send_message(STAFF, "now")


async def test_answers_and_reads_cost_nothing():
    async with bench(group_per_minute=1) as desk:
        card = await desk.card("card", "x")
        press = desk.telegram.press(ANNA, STAFF, card, "x")
        await desk.bot.answer_callback_query(press, "ok")
        await desk.bot.send_chat_action(STAFF, "typing")
        await desk.bot.get_chat(STAFF)
        await desk.bot.get_updates()
        await desk.bot.delete_message(STAFF, card)
        assert desk.telegram.too_many == []


async def test_a_refused_edit_was_counted_on_arrival():
    async with bench(group_per_minute=2) as desk:
        card = await desk.card()
        with pytest.raises(TelegramBadRequest, match="message is not modified"):
            await desk.bot.edit_message_text("card", chat_id=STAFF, message_id=card)
        with pytest.raises(TelegramRetryAfter):
            await desk.bot.edit_message_text("new", chat_id=STAFF, message_id=card)


async def test_a_private_chat_takes_a_burst_then_one_a_second(desk: Bench):
    desk.telegram.start(ANNA)
    for number in range(10):
        await desk.bot.send_message(ANNA, f"{number}")
    with pytest.raises(TelegramRetryAfter, match="retry after 1"):
        await desk.bot.send_message(ANNA, "more")
    desk.clock.tick(1)
    await desk.bot.send_message(ANNA, "more")


async def test_thirty_a_second_over_all_chats():
    async with bench(per_second=30) as desk:
        for number in range(30):
            await desk.bot.send_message((STAFF, PLAIN)[number % 2], "x")
        with pytest.raises(TelegramRetryAfter):
            await desk.bot.send_message(STAFF, "x")
        desk.clock.tick(1)
        await desk.bot.send_message(STAFF, "x")


# Faults and the log.

FAULTS = {
    "server error": (("status", 502), TelegramServerError, "Bad Gateway"),
    "told to wait": (("retry_after", 7), TelegramRetryAfter, "retry after 7"),
    "refusal": (("error", "Bad Request: CHAT_WRITE_FORBIDDEN"), TelegramBadRequest, "CHAT_WRITE_FORBIDDEN"),
    "refusal with a code": (("error", 403, "Forbidden: no"), TelegramForbiddenError, "no"),
    "cut before": (("drop_before",), TelegramNetworkError, "disconnect"),
    "web page": (("html",), ClientDecodeError, "Failed to decode object"),
}


@pytest.mark.parametrize(("fault", "error", "words"), FAULTS.values(), ids=FAULTS)
async def test_a_fault_keeps_the_call_from_happening(desk: Bench, fault, error, words):
    desk.telegram.fail("sendMessage", fault)
    with pytest.raises(error, match=words):
        await desk.bot.send_message(STAFF, "once")
    assert desk.telegram.messages(STAFF) == []
    assert not desk.telegram.calls[-1].ok
    await desk.bot.send_message(STAFF, "twice")
    assert [one["text"] for one in desk.telegram.messages(STAFF)] == ["twice"]
    assert desk.telegram.too_many == []


async def test_a_lost_reply_leaves_the_message_sent(desk: Bench):
    desk.telegram.fail("sendMessage", ("drop_after",))
    with pytest.raises(TelegramNetworkError):
        await desk.bot.send_message(STAFF, "sent all the same")
    assert [one["text"] for one in desk.telegram.messages(STAFF)] == ["sent all the same"]
    assert [(one.method, one.ok, one.error) for one in desk.telegram.calls] == [
        ("sendMessage", True, "connection dropped")
    ]


async def test_a_delay_only_delays(desk: Bench):
    desk.telegram.fail("sendMessage", ("delay", 0.01), ("status", 500))
    await desk.bot.send_message(STAFF, "late")
    with pytest.raises(TelegramServerError):
        await desk.bot.send_message(STAFF, "never")


async def test_a_call_that_is_held_waits_until_it_is_let_go(desk: Bench):
    let_go = asyncio.Event()
    desk.telegram.fail("sendMessage", ("hold", let_go))
    sending = asyncio.create_task(desk.bot.send_message(STAFF, "late"))
    done, _ = await asyncio.wait([sending], timeout=0.1)
    assert not done
    assert desk.telegram.messages(STAFF) == []
    let_go.set()
    assert (await sending).text == "late"


@pytest.mark.parametrize("wrong", [("sendMesage", ("status", 500)), ("sendMessage", ("explode",))])
def test_a_misspelt_fault_is_refused(wrong):
    with pytest.raises(ValueError, match="no "):
        Telegram().fail(*wrong)


async def test_the_log_keeps_what_was_asked(desk: Bench):
    await desk.bot.send_document(STAFF, file(), caption="see")
    call = desk.telegram.calls[-1]
    assert (call.method, call.ok, call.at) == ("sendDocument", True, desk.clock())
    assert call.params["caption"] == "see"
    assert {"name": "note.txt", "size": 5} in call.params.values()


# The door.


async def test_a_wrong_token_is_unauthorized(desk: Bench):
    with pytest.raises(TelegramUnauthorizedError, match="Unauthorized"):
        await desk.another_bot("700001:wrong").me()


async def test_an_unserved_method_is_not_found(desk: Bench):
    with pytest.raises(TelegramNotFound, match="Not Found"):
        await desk.bot(GetUserProfilePhotos(user_id=ANNA))


SENT_AS = {
    "json": {"json": {"chat_id": STAFF, "text": "hi", "reply_markup": {"inline_keyboard": []}}},
    "form": {"data": {"chat_id": str(STAFF), "text": "hi"}},
    "query": {"params": {"chat_id": str(STAFF), "text": "hi"}},
}


@pytest.mark.parametrize("request_", SENT_AS.values(), ids=SENT_AS)
async def test_parameters_come_in_any_form(desk: Bench, request_):
    status, answer = await desk.raw("SENDMESSAGE", **request_)
    assert (status, answer["ok"], answer["result"]["text"]) == (200, True, "hi")


# The page.


async def test_the_snapshot_is_safe_to_insert(desk: Bench):
    await desk.bot.send_message(
        STAFF, "<b>&lt;img src=x onerror=1&gt;</b> &amp; <a href='https://e.com/?a=1'>l</a>", parse_mode="HTML"
    )
    desk.telegram.write(ANNA, STAFF, '<script>alert(1)</script> javascript:x https://e.com/"onclick')
    await desk.topic("<img src=x>")
    shown = [one["html"] for one in desk.telegram.snapshot()["chats"][0]["messages"]]
    assert shown[0] == (
        "<b>&lt;img src=x onerror=1&gt;</b> &amp; "
        '<a href="https://e.com/?a=1" target="_blank" rel="noopener noreferrer">l</a>'
    )
    assert shown[1].startswith("&lt;script&gt;")
    assert "<img" not in "".join(shown)


async def test_typing_is_shown_for_five_seconds_or_until_the_message(desk: Bench):
    thread = await desk.topic()
    await desk.bot.send_chat_action(STAFF, "typing", message_thread_id=thread)
    assert desk.telegram.snapshot()["typing"] == [{"chat_id": STAFF, "thread_id": thread, "until": desk.clock() + 5}]
    await desk.bot.send_message(STAFF, "there", message_thread_id=thread)
    assert desk.telegram.snapshot()["typing"] == []


async def test_the_page_acts_through_plain_posts(desk: Bench):
    card = await desk.card("card", "x")
    async with ClientSession(desk.base) as page:
        said = await page.post("/ui/telegram/write", json={"user_id": ANNA, "chat_id": STAFF, "text": "hi"})
        wrong = await page.post(
            "/ui/telegram/press", json={"user_id": ANNA, "chat_id": STAFF, "message_id": card, "data": "y"}
        )
        typo = await page.post("/ui/telegram/write", json={"user": ANNA})
        assert (await said.json())["ok"]
        assert (wrong.status, (await wrong.json())["error"]) == (400, f"no button 'y' on message {card}")
        assert typo.status == 400


async def test_a_file_shown_on_the_page_can_be_fetched(desk: Bench):
    sent = await desk.bot.send_document(STAFF, file(b"<script>", "a.html"))
    async with ClientSession(desk.base) as page:
        answer = await page.get(desk.telegram.message(STAFF, sent.message_id)["document"]["url"])
        assert (await answer.read(), answer.content_type) == (b"<script>", "application/octet-stream")


async def test_every_change_is_notified():
    changes = []
    telegram = Telegram(notify=lambda: changes.append(1))
    telegram.add_bot(TOKEN, "replydesk_bot")
    telegram.add_user(ANNA, "Anna")
    telegram.add_group(STAFF, "Staff")
    telegram.join(STAFF, ANNA)
    before = len(changes)
    telegram.write(ANNA, STAFF, "hi")
    assert len(changes) == before + 1


PEOPLE_CANNOT = {
    "write where they are not": (lambda t: t.write(STRANGER, STAFF, "x"), "Stranger is not in Staff"),
    "write nothing": (lambda t: t.write(ANNA, STAFF, "  "), "empty message"),
    "write too much": (lambda t: t.write(ANNA, STAFF, "x" * 4097), "too long"),
    "write in no topic": (lambda t: t.write(ANNA, STAFF, "x", 55), "no topic 55"),
    "answer nothing": (lambda t: t.write(ANNA, STAFF, "x", reply_to=55), "no message 55"),
    "edit what is not theirs": (lambda t: t.edit(BORIS, STAFF, t.write(ANNA, STAFF, "x"), "y"), "their own"),
    "forward from nowhere": (lambda t: t.forward(ANNA, STAFF, "x", origin_url="https://e.com"), "t.me post"),
    "delete no topic": (lambda t: t.delete_topic(STAFF, 55), "no topic 55"),
    "see no chat": (lambda t: t.messages(-5), "no chat -5"),
    "repeat no update": (lambda t: t.redeliver(5), "no update 5"),
}


@pytest.mark.parametrize(("act", "words"), PEOPLE_CANNOT.values(), ids=PEOPLE_CANNOT)
async def test_people_cannot_do_the_impossible(desk: Bench, act, words: str):
    with pytest.raises(ValueError, match=words):
        act(desk.telegram)


async def test_a_closed_topic_is_for_administrators(desk: Bench):
    thread = await desk.topic()
    desk.telegram.close_topic(ANNA, STAFF, thread)
    desk.telegram.write(ANNA, STAFF, "still", thread)
    with pytest.raises(ValueError, match="closed"):
        desk.telegram.write(BORIS, STAFF, "hello", thread)


async def test_a_whole_round_with_the_real_dispatcher(desk: Bench):
    dispatcher, answered = Dispatcher(), asyncio.Event()

    @dispatcher.callback_query()
    async def on_press(query: CallbackQuery) -> None:
        await query.message.edit_text(f"taken by {query.from_user.first_name}")
        await query.answer("Yours")
        answered.set()

    card = await desk.card("new", "take")
    polling = asyncio.create_task(dispatcher.start_polling(desk.bot, handle_signals=False, polling_timeout=5))
    press = desk.telegram.press(BORIS, STAFF, card, "take")
    async with asyncio.timeout(PATIENCE):
        await answered.wait()
        while desk.telegram.pending():  # noqa: ASYNC110 - the next question confirms it, beside the handler
            await asyncio.sleep(0.005)
    await dispatcher.stop_polling()
    await polling
    assert desk.telegram.message(STAFF, card)["text"] == "taken by Boris"
    assert desk.telegram.answer_of(press)["text"] == "Yours"
    assert desk.telegram.pending() == []


async def test_given_entities_are_kept(desk: Bench):
    sent = await desk.bot.send_message(STAFF, "😀 bold", entities=[MessageEntity(type="bold", offset=3, length=4)])
    assert desk.telegram.message(STAFF, sent.message_id)["html"] == "😀 <b>bold</b>"
