"""Every refusal with the server's own words, as the real client reads them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiogram.exceptions import TelegramAPIError, TelegramBadRequest
from aiogram.methods import SetMyCommands
from aiogram.types import (
    BotCommand,
    CopyTextButton,
    EphemeralMessageParameters,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
    WebAppInfo,
)

from sandbox.telegram.api import METHODS, OWN
from sandbox.telegram.budget import Budget
from tests.sandbox.telegram_bench import ANNA, BOT_ID, PLAIN, PNG, STAFF, Bench, bench, buttons, file, link

Act = Callable[[Bench], Awaitable[Any]]


@pytest.fixture
async def desk():
    async with bench() as made:
        yield made


def html(text: str) -> Act:
    return lambda desk: desk.bot.send_message(STAFF, text, parse_mode="HTML")


def keyboard(**button: Any) -> Act:
    markup = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="x", **button)]])
    return lambda desk: desk.bot.send_message(STAFF, "x", reply_markup=markup)


async def edit_same(desk: Bench) -> None:
    card = await desk.card("same", "x")
    await desk.bot.edit_message_text("same", chat_id=STAFF, message_id=card, reply_markup=buttons("x"))


async def edit_same_keyboard(desk: Bench) -> None:
    card = await desk.card("same", "x")
    await desk.bot.edit_message_reply_markup(chat_id=STAFF, message_id=card, reply_markup=buttons("x"))


async def edit_of_another(desk: Bench) -> None:
    said = desk.telegram.write(ANNA, STAFF, "mine")
    await desk.bot.edit_message_text("yours", chat_id=STAFF, message_id=said)


async def text_of_document(desk: Bench) -> None:
    sent = await desk.bot.send_document(STAFF, file())
    await desk.bot.edit_message_text("x", chat_id=STAFF, message_id=sent.message_id)


async def caption_of_text(desk: Bench) -> None:
    await desk.bot.edit_message_caption(chat_id=STAFF, message_id=await desk.card(), caption="x")


async def old_message(desk: Bench) -> None:
    card = await desk.card()
    desk.clock.tick(48 * 3600)
    await desk.bot.delete_message(STAFF, card)


async def delete_creation(desk: Bench) -> None:
    await desk.bot.delete_message(STAFF, await desk.topic())


async def delete_of_another(desk: Bench) -> None:
    said = desk.telegram.write(ANNA, STAFF, "mine")
    desk.telegram.set_rights(STAFF, can_delete_messages=False)
    await desk.bot.delete_message(STAFF, said)


async def same_topic_name(desk: Bench) -> None:
    await desk.bot.edit_forum_topic(STAFF, await desk.topic("#1"), name="#1")


async def close_twice(desk: Bench) -> None:
    thread = await desk.topic()
    await desk.bot.close_forum_topic(STAFF, thread)
    await desk.bot.close_forum_topic(STAFF, thread)


async def reopen_open(desk: Bench) -> None:
    await desk.bot.reopen_forum_topic(STAFF, await desk.topic())


async def without_topic_right(desk: Bench) -> None:
    desk.telegram.set_rights(STAFF, can_manage_topics=False)
    await desk.topic()


def on_topic_of_another(act: str) -> Act:
    async def run(desk: Bench) -> None:
        thread = desk.telegram.create_topic(ANNA, STAFF, "Anna's")
        desk.telegram.set_rights(STAFF, can_manage_topics=False, can_delete_messages=False)
        more = {"name": "x"} if act == "edit_forum_topic" else {}
        await getattr(desk.bot, act)(STAFF, thread, **more)

    return run


async def write_in_closed(desk: Bench) -> None:
    thread = await desk.topic()
    await desk.bot.close_forum_topic(STAFF, thread)
    desk.telegram.set_rights(STAFF, can_manage_topics=False)
    await desk.bot.send_message(STAFF, "x", message_thread_id=thread)


async def pin_without_right(desk: Bench) -> None:
    card = await desk.card()
    desk.telegram.set_rights(STAFF, can_pin_messages=False)
    await desk.bot.pin_chat_message(STAFF, card)


async def other_member_unseen(desk: Bench) -> None:
    desk.telegram.invite_bot(STAFF, admin=False)
    await desk.bot.get_chat_member(STAFF, ANNA)


async def long_answer(desk: Bench) -> None:
    press = desk.telegram.press(ANNA, STAFF, await desk.card("card", "x"), "x")
    await desk.bot.answer_callback_query(press, "x" * 201)


async def react_with(desk: Bench, *emoji: str) -> None:
    card = await desk.card()
    await desk.bot.set_message_reaction(STAFF, card, reaction=[ReactionTypeEmoji(emoji=one) for one in emoji])


async def forward_service(desk: Bench) -> None:
    await desk.bot.forward_message(PLAIN, STAFF, await desk.topic())


async def quote_nothing(desk: Bench) -> None:
    card = await desk.card("card")
    reply = ReplyParameters(message_id=card, quote="not there")
    await desk.bot.send_message(STAFF, "x", reply_parameters=reply)


def missing_reply(desk: Bench) -> Awaitable[Any]:
    return desk.bot.send_message(STAFF, "x", reply_parameters=ReplyParameters(message_id=999))


REFUSED: dict[str, tuple[Act, str]] = {
    # Texts.
    "no text": (lambda d: d.bot.send_message(STAFF, ""), "message text is empty"),
    "blank text": (lambda d: d.bot.send_message(STAFF, " \n "), "text must be non-empty"),
    "only tags": (html("<b> </b>"), "text must be non-empty"),
    "4097 letters": (lambda d: d.bot.send_message(STAFF, "ж" * 4097), "message is too long"),
    "over 32768 bytes raw": (html("<b>x</b>" * 4097), "text is too long"),
    "long edit": (lambda d: d.bot.edit_message_text("x" * 4097, chat_id=STAFF, message_id=2), "message is too long"),
    "long caption": (
        lambda d: d.bot.send_document(STAFF, file(), caption="x" * 1025),
        "message caption is too long",
    ),
    "markdown": (lambda d: d.bot.send_message(STAFF, "x", parse_mode="MarkdownV2"), "unsupported parse_mode"),
    "entity outside": (
        lambda d: d.bot.send_message(STAFF, "x", entities=[MessageEntity(type="bold", offset=0, length=2)]),
        "ENTITY_BOUNDS_INVALID",
    ),
    # HTML. Offsets are bytes.
    "price below five": (html("цена < 5"), 'can\'t parse entities: Unsupported start tag "" at byte offset 9'),
    "open to the end": (html("цена <5"), "can't parse entities: Unclosed start tag at byte offset 9"),
    "unknown tag": (html("я <p>x</p>"), 'can\'t parse entities: Unsupported start tag "p" at byte offset 3'),
    "line break tag": (html("a<br>b"), 'can\'t parse entities: Unsupported start tag "br" at byte offset 1'),
    "unclosed": (html("<b>x"), "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
    "never opened": (html("x</b>"), "can't parse entities: Unexpected end tag at byte offset 1"),
    "crossed": (
        html("<b><i>x</b></i>"),
        'can\'t parse entities: Unmatched end tag at byte offset 7, expected "</i>", found "</b>"',
    ),
    "plain span": (
        html("<span class='red'>x</span>"),
        'can\'t parse entities: Tag "span" must have class "tg-spoiler" at byte offset 0',
    ),
    "attribute without value": (
        html("<a href>x</a>"),
        'can\'t parse entities: Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0',
    ),
    "emoji without id": (
        html("<tg-emoji emoji-id='x'>x</tg-emoji>"),
        "can't parse entities: Invalid custom emoji identifier specified",
    ),
    # Buttons.
    "65 bytes of data": (keyboard(callback_data="x" * 65), "BUTTON_DATA_INVALID"),
    "33 cyrillic letters": (keyboard(callback_data="ж" * 33), "BUTTON_DATA_INVALID"),
    "no action": (
        keyboard(),
        "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
    ),
    "localhost": (
        lambda d: d.bot.send_message(STAFF, "x", reply_markup=link("http://localhost:8080/a")),
        "inline keyboard button URL 'http://localhost:8080/a' is invalid: Wrong HTTP URL",
    ),
    "loopback": (
        lambda d: d.bot.send_message(STAFF, "x", reply_markup=link("http://127.0.0.1/a")),
        "inline keyboard button URL 'http://127.0.0.1/a' is invalid: Wrong HTTP URL",
    ),
    "no dot in host": (
        lambda d: d.bot.send_message(STAFF, "x", reply_markup=link("https://intranet/a")),
        "inline keyboard button URL 'https://intranet/a' is invalid: Wrong HTTP URL",
    ),
    "space in url": (
        lambda d: d.bot.send_message(STAFF, "x", reply_markup=link("https://e.com/a b")),
        "inline keyboard button URL 'https://e.com/a b' is invalid: Wrong HTTP URL",
    ),
    "ftp": (
        lambda d: d.bot.send_message(STAFF, "x", reply_markup=link("ftp://e.com/a")),
        "inline keyboard button URL 'ftp://e.com/a' is invalid: Unsupported URL protocol",
    ),
    "web app in a group": (keyboard(web_app=WebAppInfo(url="https://e.com/")), "BUTTON_TYPE_INVALID"),
    "long copy": (keyboard(copy_text=CopyTextButton(text="x" * 257)), "BUTTON_COPY_TEXT_INVALID"),
    "too many buttons": (
        lambda d: d.bot.send_message(STAFF, "x", reply_markup=buttons(*map(str, range(101)))),
        "reply markup is too long",
    ),
    "long answer": (long_answer, "MESSAGE_TOO_LONG"),
    "answer to nothing": (
        lambda d: d.bot.answer_callback_query("12345"),
        "query is too old and response timeout expired or query ID is invalid",
    ),
    # Edits and deletions.
    "edit to the same": (
        edit_same,
        "message is not modified: specified new message content and reply markup are exactly the same "
        "as a current content and reply markup of the message",
    ),
    "same keyboard": (
        edit_same_keyboard,
        "message is not modified: specified new message content and reply markup are exactly the same "
        "as a current content and reply markup of the message",
    ),
    "edit of nothing": (
        lambda d: d.bot.edit_message_text("x", chat_id=STAFF, message_id=999),
        "message to edit not found",
    ),
    "edit without an id": (
        lambda d: d.bot.edit_message_text("x", chat_id=STAFF),
        "message identifier is not specified",
    ),
    "edit of another's": (edit_of_another, "message can't be edited"),
    "text of a document": (text_of_document, "there is no text in the message to edit"),
    "caption of a text": (caption_of_text, "there is no caption in the message to edit"),
    "delete nothing": (lambda d: d.bot.delete_message(STAFF, 999), "message to delete not found"),
    "delete after 48 h": (old_message, "message can't be deleted for everyone"),
    "delete a topic's first": (delete_creation, "message can't be deleted"),
    "delete another's": (delete_of_another, "message can't be deleted"),
    "answer a missing message": (missing_reply, "message to be replied not found"),
    "quote what is not there": (quote_nothing, "QUOTE_TEXT_INVALID"),
    "copy nothing": (lambda d: d.bot.copy_message(PLAIN, STAFF, 999), "message to copy not found"),
    "forward nothing": (lambda d: d.bot.forward_message(PLAIN, STAFF, 999), "message to forward not found"),
    "forward a service message": (forward_service, "message can't be forwarded"),
    "two reactions": (lambda d: react_with(d, "👍", "👎"), "REACTIONS_TOO_MANY"),
    "odd reaction": (lambda d: react_with(d, "🧦"), "REACTION_INVALID"),
    "react to nothing": (
        lambda d: d.bot.set_message_reaction(STAFF, 999),
        "message to react not found",
    ),
    # Topics.
    "unknown thread": (
        lambda d: d.bot.send_message(STAFF, "x", message_thread_id=555),
        "message thread not found",
    ),
    "general by its number": (
        lambda d: d.bot.send_message(STAFF, "x", message_thread_id=1),
        "message thread not found",
    ),
    "typing in no thread": (
        lambda d: d.bot.send_chat_action(STAFF, "typing", message_thread_id=555),
        "message thread not found",
    ),
    "closed topic": (write_in_closed, "TOPIC_CLOSED"),
    "topic in a plain chat": (lambda d: d.bot.create_forum_topic(PLAIN, "x"), "the chat is not a forum"),
    "topic without the right": (without_topic_right, "not enough rights to create a topic"),
    "nameless topic": (lambda d: d.bot.create_forum_topic(STAFF, ""), "Name must be non-empty"),
    "blank topic": (lambda d: d.bot.create_forum_topic(STAFF, " \n "), "Name must be non-empty"),
    "odd colour": (
        lambda d: d.bot.create_forum_topic(STAFF, "x", icon_color=255),
        "invalid icon color specified",
    ),
    "odd icon": (
        lambda d: d.bot.create_forum_topic(STAFF, "x", icon_custom_emoji_id="1"),
        "DOCUMENT_INVALID",
    ),
    "same name": (same_topic_name, "TOPIC_NOT_MODIFIED"),
    "closed twice": (close_twice, "TOPIC_NOT_MODIFIED"),
    "reopened while open": (reopen_open, "TOPIC_NOT_MODIFIED"),
    "unknown topic": (lambda d: d.bot.close_forum_topic(STAFF, 555), "TOPIC_ID_INVALID"),
    "rename another's": (on_topic_of_another("edit_forum_topic"), "not enough rights to edit the topic"),
    "close another's": (on_topic_of_another("close_forum_topic"), "not enough rights to close or open the topic"),
    "delete without the right": (on_topic_of_another("delete_forum_topic"), "not enough rights to delete the topic"),
    # Pins.
    "pin without the right": (
        pin_without_right,
        "not enough rights to manage pinned messages in the chat",
    ),
    "pin nothing": (lambda d: d.bot.pin_chat_message(STAFF, 999), "message to pin not found"),
    "unpin nothing": (lambda d: d.bot.unpin_chat_message(STAFF), "message to unpin not found"),
    # Files.
    "empty file": (lambda d: d.bot.send_document(STAFF, file(b"")), "file must be non-empty"),
    "not a picture": (lambda d: d.bot.send_photo(STAFF, file(b"text")), "IMAGE_PROCESS_FAILED"),
    "a ribbon": (
        lambda d: d.bot.send_photo(STAFF, file(PNG[:16] + b"\0\0\x10\0\0\0\0\x01" + PNG[24:])),
        "PHOTO_INVALID_DIMENSIONS",
    ),
    "file from the net": (
        lambda d: d.bot.send_document(STAFF, "https://e.com/a.pdf"),
        "failed to get HTTP URL content",
    ),
    "unknown file": (
        lambda d: d.bot.get_file("nothing"),
        "wrong file_id or the file is temporarily unavailable",
    ),
    # Chats.
    "unknown chat": (lambda d: d.bot.send_message(-100999, "x"), "chat not found"),
    "unknown user": (lambda d: d.bot.get_chat_member(STAFF, 5), "user not found"),
    "members without being administrator": (other_member_unseen, "member list is inaccessible"),
    "odd action": (lambda d: d.bot.send_chat_action(STAFF, "sing"), "wrong parameter action in request"),
    "odd command": (
        lambda d: d.bot(SetMyCommands(commands=[BotCommand(command="Открыть", description="x")])),
        "BOT_COMMAND_INVALID",
    ),
    # What the sandbox would otherwise show to the wrong people.
    "ephemeral": (
        lambda d: d.bot.send_message(
            STAFF, "x", ephemeral_message_parameters=EphemeralMessageParameters(receiver_user_id=ANNA)
        ),
        "the sandbox does not serve the parameter ephemeral_message_parameters",
    ),
    # Webhooks.
    "plain webhook": (
        lambda d: d.bot.set_webhook("http://desk.example/hook"),
        "bad webhook: An HTTPS URL must be provided for webhook",
    ),
    "odd port": (
        lambda d: d.bot.set_webhook("https://desk.example:8080/hook"),
        "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
    ),
    "odd secret": (
        lambda d: d.bot.set_webhook("https://desk.example/hook", secret_token="a b"),
        "secret token contains unallowed characters",
    ),
}


@pytest.mark.parametrize(("act", "words"), REFUSED.values(), ids=REFUSED)
async def test_refused_with_the_words_of_the_server(desk: Bench, act: Act, words: str):
    with pytest.raises(TelegramBadRequest) as refused:
        await act(desk)
    assert refused.value.message == f"Bad Request: {words}"
    assert desk.telegram.calls[-1].error == f"Bad Request: {words}"


LIMITS: dict[str, Act] = {
    "4096 letters beyond the first plane": lambda d: d.bot.send_message(STAFF, "😀" * 4096),
    "4096 after parsing": html("<b>&lt;</b>" + "x" * 4095),
    "1024 in a caption": lambda d: d.bot.send_document(STAFF, file(), caption="ж" * 1024),
    "64 bytes of data": keyboard(callback_data="ж" * 32),
    "an answer of 200": lambda d: _answer(d, "ж" * 200),
    "reply allowed without": lambda d: d.bot.send_message(
        STAFF, "x", reply_parameters=ReplyParameters(message_id=999, allow_sending_without_reply=True)
    ),
    "a link of telegram": keyboard(url="tg://user?id=1001"),
    "a dotted host": keyboard(url="https://отзывы.рф/путь?q=1"),
    "a style": keyboard(callback_data="x", style="danger"),
    "own topic without the right": lambda d: _own_topic(d),
}


async def _answer(desk: Bench, text: str) -> None:
    press = desk.telegram.press(ANNA, STAFF, await desk.card("card", "x"), "x")
    await desk.bot.answer_callback_query(press, text)


async def _own_topic(desk: Bench) -> None:
    thread = await desk.topic()
    desk.telegram.set_rights(STAFF, can_manage_topics=False)
    await desk.bot.edit_forum_topic(STAFF, thread, name="still mine")


@pytest.mark.parametrize("act", LIMITS.values(), ids=LIMITS)
async def test_the_limit_itself_is_allowed(desk: Bench, act: Act):
    await act(desk)
    assert desk.telegram.calls[-1].ok


async def test_a_broken_keyboard_is_told_apart(desk: Bench):
    status, answer = await desk.raw("sendMessage", data={"chat_id": str(STAFF), "text": "x", "reply_markup": "{"})
    assert (status, answer["description"]) == (400, "Bad Request: can't parse reply keyboard markup JSON object")


ODD = ("", "{", "[", "[1]", '["x"]', "{}", '{"message_id": "x"}', '[{"type": 1}]', "-1", "\ud83d", "null", "☃" * 99)


@pytest.mark.parametrize("method", sorted({*METHODS, *OWN}))
async def test_nonsense_is_refused_and_never_breaks_the_server(desk: Bench, method: str):
    desk.telegram.world.desk.budget = Budget(10_000, 10_000, desk.clock)
    card = await desk.card()
    keys = ("text", "reply_markup", "reply_parameters", "entities", "reaction", "commands", "allowed_updates", "url")
    for key in (*keys, "message_id", "message_thread_id", "document", "name", "offset", "icon_color"):
        for odd in ODD:
            sent = {"chat_id": STAFF, "from_chat_id": STAFF, "message_id": card, "text": "x", key: odd}
            status, answer = await desk.raw(method, json=sent)
            assert status in (200, 400, 409), (key, odd, answer)
            assert answer["ok"] == (status == 200)
            if method == "leaveChat":
                desk.telegram.invite_bot(STAFF)


async def test_over_50_megabytes_is_too_large(desk: Bench):
    with pytest.raises(TelegramAPIError) as refused:
        await desk.bot.send_document(STAFF, file(bytes(50 * 1024 * 1024 + 1)))
    assert "Request Entity Too Large" in str(refused.value)


async def test_under_50_megabytes_is_taken(desk: Bench):
    sent = await desk.bot.send_document(STAFF, file(bytes(5 * 1024 * 1024), "big.pdf"), caption="report")
    assert (sent.document.file_size, sent.caption) == (5 * 1024 * 1024, "report")


async def test_the_administrator_bot_may_delete_what_others_wrote(desk: Bench):
    said = desk.telegram.write(ANNA, STAFF, "spam")
    assert await desk.bot.delete_message(STAFF, said)
    assert (await desk.bot.get_chat_member(STAFF, BOT_ID)).can_delete_messages
