"""The outgoing side against the sandbox's Telegram, through the real client."""

import asyncio
import gc
import traceback
import weakref
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiogram import Dispatcher
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import SendMessage
from aiogram.methods.base import Response
from aiogram.types import CallbackQuery, Message
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from bot.telegram import (
    POLL_SECONDS,
    TIMEOUT,
    Pulse,
    TelegramChat,
    chat_id,
    make_bot,
    poll,
    set_commands,
    set_webhook,
    webhook,
)
from desk.errors import BadAnswer, Broken, DeskError, Gone, Moved, Refused, Retry, Unsure
from desk.ports import Chat
from desk.view import Button, Drawing, Line, Quote, Say
from handlers.telegram import COMMANDS
from tests.faults.odd import deaf_port
from tests.sandbox.telegram_bench import ANNA, BORIS, PLAIN, STAFF, TOKEN, Bench, bench

ROOM = f"telegram:{STAFF}"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TAKE = ((Button("take", "button_take", 7, style="primary"),),)


@pytest.fixture
async def desk() -> AsyncIterator[Bench]:
    async with bench() as made:
        made.bot.session.timeout = TIMEOUT
        yield made


@pytest.fixture
def chat(desk: Bench) -> Chat:
    return TelegramChat(desk.bot, lambda: NOW)


def drawing(*texts: str, rows: Any = TAKE, quote: str = "") -> Drawing:
    lines = [Line(Say("literal", {"text": text}), "title") for text in texts]
    say = Say("title", {"case": 7, "stars": "★1", "brand": "Acme", "text": "Cold <coffee>"})
    return Drawing(say, (*lines, *((Quote(quote),) if quote else ())), rows, "en", "Asia/Almaty")


def last(desk: Bench, thread: str) -> dict[str, Any]:
    return desk.telegram.messages(STAFF, int(thread))[-1]


# what it does


async def test_a_case_lives_in_a_topic_of_its_own(desk: Bench, chat: Chat):
    thread = await chat.open(ROOM, drawing("card"))
    assert desk.telegram.topics(STAFF)[0]["name"] == "#7 ★1 Acme: Cold <coffee>"
    sent = await chat.send(ROOM, thread, drawing("<b>card</b> & co"), "draw-1")
    shown = last(desk, thread)
    assert (str(shown["id"]), sent.thread, shown["text"]) == (sent.message, thread, "<b>card</b> & co")
    assert shown["buttons"] == [[{"text": "Take", "data": "c1:take:7:0:", "url": None}]]


async def test_a_message_without_thread_stands_in_the_main_chat(desk: Bench, chat: Chat):
    sent = await chat.send(ROOM, "", drawing("summary"), "k")
    assert desk.telegram.message(STAFF, int(sent.message))["thread_id"] is None


async def test_an_edit_redraws_text_and_buttons(desk: Bench, chat: Chat):
    thread = await chat.open(ROOM, drawing("card"))
    sent = await chat.send(ROOM, thread, drawing("card"), "k")
    await chat.edit(ROOM, sent.message, drawing("taken", rows=()))
    assert (last(desk, thread)["text"], last(desk, thread)["buttons"]) == ("taken", [])


async def test_the_same_edit_again_is_success(desk: Bench, chat: Chat):
    sent = await chat.send(ROOM, "", drawing("card"), "k")
    await chat.edit(ROOM, sent.message, drawing("card"))
    last = [call for call in desk.telegram.calls if call.method == "editMessageText"][-1]
    assert "message is not modified" in last.error


async def test_a_text_too_long_comes_whole_as_a_file_before_its_message(desk: Bench, chat: Chat):
    whole = "слово " * 2000
    thread = await chat.open(ROOM, drawing("card"))
    await chat.send(ROOM, thread, drawing("version", quote=whole), "k")
    file, message = desk.telegram.messages(STAFF, int(thread))[-2:]
    assert file["document"]["name"] == "text-1.txt"
    assert file["document"]["size"] == len(whole.encode())
    assert "Shortened here" in message["text"]


async def test_a_button_whose_address_is_refused_is_left_out(desk: Bench, chat: Chat):
    desk.telegram.fail("sendMessage", ("error", "Bad Request: inline keyboard button URL 'x' is invalid: Wrong host"))
    rows = (*TAKE, (Button("open", "button_open", 7, url="https://shop.example/1"),))
    sent = await chat.send(ROOM, "", drawing("card", rows=rows), "k")
    assert len(desk.telegram.message(STAFF, int(sent.message))["buttons"]) == 1
    desk.telegram.fail("editMessageText", ("error", "Bad Request: BUTTON_URL_INVALID"))
    await chat.edit(ROOM, sent.message, drawing("edited", rows=rows))
    assert len(desk.telegram.message(STAFF, int(sent.message))["buttons"]) == 1


async def test_a_group_that_lost_its_topics_is_told_and_kept_clean(desk: Bench, chat: Chat):
    room = f"telegram:{PLAIN}"
    with pytest.raises(Broken, match="turn on Topics"):
        await chat.send(room, "77", drawing("card"), "k")
    assert desk.telegram.messages(PLAIN) == []


async def test_files_go_both_ways(desk: Bench, chat: Chat):
    thread = await chat.open(ROOM, drawing("card"))
    await chat.send_file(ROOM, thread, "дом.pdf", b"%PDF", drawing("Anna <x>"))
    shown = last(desk, thread)
    assert (shown["document"]["name"], shown["text"]) == ("дом.pdf", "Anna <x>")
    desk.telegram.write(ANNA, STAFF, "look", int(thread), document={"name": "a.txt", "text": "привет"})
    document = (await desk.updates())[-1].message.document
    assert await chat.fetch(ROOM, document.file_id) == "привет".encode()


async def test_a_file_over_the_limit_is_not_brought_over(desk: Bench, chat: Chat):
    desk.telegram.fail("getFile", ("error", "Bad Request: file is too big"))
    with pytest.raises(Refused, match="too big"):
        await chat.fetch(ROOM, "f1")


async def test_a_file_whose_size_nobody_told_is_cut_off_at_the_limit(
    desk: Bench, chat: Chat, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("bot.telegram.LARGEST_FILE", 5)
    desk.telegram.write(ANNA, STAFF, "look", document={"name": "a.txt", "text": "longer than that"})
    document = (await desk.updates())[-1].message.document
    told = desk.bot.get_file

    async def untold(file: str) -> Any:
        return (await told(file)).model_copy(update={"file_size": None})

    monkeypatch.setattr(desk.bot, "get_file", untold)
    with pytest.raises(Refused, match="over 20 MB"):
        await chat.fetch(ROOM, document.file_id)


async def test_a_file_that_is_gone_says_so(chat: Chat):
    with pytest.raises(Gone) as gone:
        await chat.fetch(ROOM, "no-such-file")
    assert gone.value.what == "file"


async def test_a_download_that_fails_never_tells_the_token(desk: Bench, chat: Chat):
    desk.telegram.write(ANNA, STAFF, "", document={"name": "a.txt", "text": "x"})
    document = (await desk.updates())[-1].message.document
    desk.bot.session.api = TelegramAPIServer(desk.bot.session.api.base, f"{desk.base}/nowhere/{{token}}/{{path}}")
    with pytest.raises(Retry) as failed:
        await chat.fetch(ROOM, document.file_id)
    assert str(failed.value) == "the file did not arrive: ClientResponseError"
    assert TOKEN not in "".join(traceback.format_exception(failed.value))


async def test_a_message_cannot_be_looked_up(chat: Chat):
    with pytest.raises(Unsure):
        await chat.find(ROOM, "1", "draw-1")


LINKS = [
    (ROOM, "5", "", "https://t.me/c/1000000001/5"),
    (ROOM, "5", "9", "https://t.me/c/1000000001/5/9"),
    (ROOM, "", "9", "https://t.me/c/1000000001/9"),
    (ROOM, "", "", ""),
    ("telegram:-4001", "5", "", ""),
    ("telegram:1001", "", "9", ""),
]


@pytest.mark.parametrize(("room", "thread", "message", "wanted"), LINKS)
def test_links_lead_into_the_topic(room: str, thread: str, message: str, wanted: str):
    assert TelegramChat(make_bot(TOKEN, "http://127.0.0.1:1")).link(room, thread, message) == wanted


def test_the_digest_is_stable_and_follows_the_content():
    chat = TelegramChat(make_bot(TOKEN, "http://127.0.0.1:1"), lambda: NOW)
    assert chat.digest(drawing("a")) == chat.digest(drawing("a"))
    assert len({chat.digest(drawing("a")), chat.digest(drawing("b")), chat.digest(drawing("a", rows=()))}) == 3


async def test_typing_is_shown_and_never_fails(desk: Bench):
    chat = TelegramChat(desk.bot)
    thread = await desk.topic()
    await chat.typing(ROOM, str(thread))
    assert [one["thread_id"] for one in desk.telegram.snapshot()["typing"]] == [thread]
    desk.telegram.kick_bot(STAFF)
    await chat.typing(ROOM, str(thread))
    await chat.typing("slack:C1", "1")


# what may go wrong

SENDS = [
    (("retry_after", 7), Retry, "too many"),
    (("status", 500), Unsure, "failed"),
    (("status", 502), Unsure, "failed"),
    (("drop_before",), Unsure, "did not answer"),
    (("drop_after",), Unsure, "did not answer"),
    (("html",), Unsure, "cannot be read"),
    (("error", 401, "Unauthorized"), Broken, "token"),
    (("error", 404, "Not Found"), Broken, "token"),
    (("error", 403, "Forbidden: bot was kicked from the supergroup chat"), Broken, "add the bot"),
    (("error", 403, "Forbidden: bot is not a member of the supergroup chat"), Broken, "add the bot"),
    (("error", 403, "Forbidden: bot was blocked by the user"), Broken, "start the bot"),
    (("error", 403, "Forbidden: bot can't initiate conversation with a user"), Broken, "start the bot"),
    (("error", 413, "Request Entity Too Large"), Refused, "too large"),
    (("error", "Bad Request: chat not found"), Broken, "check its id"),
    (("error", "Bad Request: message thread not found"), Gone, "thread"),
    (("error", "Bad Request: TOPIC_CLOSED"), Broken, "open the topic"),
    (("error", "Bad Request: not enough rights to send text messages to the chat"), Broken, "administrator"),
    (("error", "Bad Request: have no rights to send a message"), Broken, "administrator"),
    (("error", "Bad Request: need administrator rights in the channel chat"), Broken, "administrator"),
    (("error", "Bad Request: CHAT_WRITE_FORBIDDEN"), Broken, "administrator"),
    (("error", "Bad Request: can't parse entities: Unsupported start tag"), Refused, "parse"),
    (("error", "Bad Request: message is too long"), Refused, "too long"),
    (("error", 418, "Teapot"), Refused, "Teapot"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), SENDS, ids=[str(row[0]) for row in SENDS])
async def test_what_a_failed_send_means(desk: Bench, chat: Chat, fault: Any, kind: type[DeskError], words: str):
    desk.telegram.fail("sendMessage", fault)
    with pytest.raises(DeskError, match=words) as failed:
        await chat.send(ROOM, "", drawing("card"), "k")
    assert type(failed.value) is kind


EDITS = [
    (("retry_after", 7), Retry, "too many"),
    (("status", 500), Retry, "failed"),
    (("drop_after",), Retry, "did not answer"),
    (("html",), BadAnswer, "cannot be read"),
    (("error", "Bad Request: message to edit not found"), Gone, "message"),
    (("error", "Bad Request: MESSAGE_ID_INVALID"), Gone, "MESSAGE"),
    (("error", "Bad Request: message can't be edited"), Gone, "edited"),
    (("error", "Bad Request: there is no text in the message to edit"), Gone, "text"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), EDITS, ids=[str(row[0]) for row in EDITS])
async def test_what_a_failed_edit_means(desk: Bench, chat: Chat, fault: Any, kind: type[DeskError], words: str):
    sent = await chat.send(ROOM, "", drawing("card"), "k")
    desk.telegram.fail("editMessageText", fault)
    with pytest.raises(DeskError, match=words) as failed:
        await chat.edit(ROOM, sent.message, drawing("new"))
    assert type(failed.value) is kind


OPENS = [
    (("error", "Bad Request: the chat is not a forum"), Broken, "turn on Topics"),
    (("error", "Bad Request: not enough rights to create a topic"), Broken, "manage topics"),
    (("drop_after",), Unsure, "did not answer"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), OPENS, ids=[str(row[0]) for row in OPENS])
async def test_what_a_topic_that_cannot_be_opened_means(
    desk: Bench, chat: Chat, fault: Any, kind: type[DeskError], words: str
):
    desk.telegram.fail("createForumTopic", fault)
    with pytest.raises(kind, match=words):
        await chat.open(ROOM, drawing("card"))


async def test_a_crowded_chat_names_its_time(desk: Bench, chat: Chat):
    desk.telegram.fail("sendMessage", ("retry_after", 7))
    with pytest.raises(Retry) as crowded:
        await chat.send(ROOM, "", drawing("card"), "k")
    assert (crowded.value.after, crowded.value.rate_limited) == (7.0, True)


async def test_a_deleted_topic_and_a_deleted_message_are_gone(desk: Bench, chat: Chat):
    thread = await chat.open(ROOM, drawing("card"))
    sent = await chat.send(ROOM, thread, drawing("card"), "k")
    desk.telegram.delete(STAFF, int(sent.message))
    with pytest.raises(Gone) as gone:
        await chat.edit(ROOM, sent.message, drawing("new"))
    assert gone.value.what == "message"
    desk.telegram.delete_topic(STAFF, int(thread))
    with pytest.raises(Gone) as gone:
        await chat.send(ROOM, thread, drawing("card"), "k")
    assert gone.value.what == "thread"


async def test_a_group_that_became_a_supergroup_has_moved(desk: Bench, chat: Chat):
    desk.telegram.add_group(-4001, "Old", forum=False)
    desk.telegram.join(-4001, ANNA)
    desk.telegram.migrate(-4001, -1001000000099)
    with pytest.raises(Moved) as moved:
        await chat.send("telegram:-4001", "", drawing("card"), "k")
    assert moved.value.new == "telegram:-1001000000099"


async def test_a_server_that_cannot_be_reached_got_nothing():
    with deaf_port() as port:
        bot = make_bot(TOKEN, f"http://127.0.0.1:{port}")
        try:
            with pytest.raises(Retry, match="cannot be reached"):
                await TelegramChat(bot).send(ROOM, "", drawing("card"), "k")
        finally:
            await (await bot.session.create_session()).close()


async def test_an_answer_the_library_cannot_read_still_tells_what_was_sent(desk: Bench):
    """A self-hosted server older than the library leaves out fields the library requires."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "result": {"message_id": 5, "date": 1}})

    app = web.Application()
    app.router.add_post("/bot{token}/{method}", answer)
    server = TestServer(app)
    await server.start_server()
    bot = make_bot(TOKEN, str(server.make_url("/")))
    try:
        sent = await TelegramChat(bot).send(ROOM, "3", drawing("card"), "k")
        assert (sent.message, sent.thread) == ("5", "3")
        await TelegramChat(bot).edit(ROOM, "5", drawing("new"))
    finally:
        await (await bot.session.create_session()).close()
        await server.close()


async def test_the_type_of_an_answer_is_built_once(desk: Bench):
    """Building it takes longer than all else between a press and its handler."""
    bot = make_bot(TOKEN, desk.bot.session.api.base.partition("/bot")[0])
    try:
        await bot.send_message(STAFF, "card")
        built = weakref.ref(Response[SendMessage.__returning__])
        gc.collect()
        assert built() is not None
    finally:
        await bot.session.close()


@pytest.mark.parametrize("room", ["slack:C1", "telegram:abc", "telegram:", "-100"])
def test_a_room_of_another_messenger_is_no_room(room: str):
    with pytest.raises(Broken, match="telegram:<chat id>"):
        chat_id(room)


# is everything in place


async def test_a_good_room_has_no_faults(desk: Bench):
    assert await TelegramChat(desk.bot).faults([ROOM]) == []


async def test_faults_name_room_and_remedy(desk: Bench):
    desk.telegram.set_rights(STAFF, can_manage_topics=False)
    found = await TelegramChat(desk.bot).faults([ROOM, f"telegram:{PLAIN}", "telegram:-1009"])
    assert [f"{one.split(':')[0]}:{one.split(':')[1]}" for one in found] == [
        ROOM, f"telegram:{PLAIN}", "telegram:-1009",
    ]  # fmt: skip
    assert "can_manage_topics" in found[0]
    assert "turn on Topics" in found[1]
    assert "chat not found" in found[2]


async def test_a_bot_that_is_no_administrator_is_told_so(desk: Bench):
    desk.telegram.invite_bot(STAFF, admin=False)
    assert "no administrator" in (await TelegramChat(desk.bot).faults([ROOM]))[0]


async def test_a_wrong_token_is_the_only_fault(desk: Bench):
    found = await TelegramChat(desk.another_bot("700001:wrong")).faults([ROOM])
    assert len(found) == 1
    assert "@BotFather" in found[0]


async def test_commands_are_listed_in_three_languages(desk: Bench):
    await set_commands(desk.bot)
    calls = [call for call in desk.telegram.calls if call.method == "setMyCommands"]
    assert [call.params.get("language_code") for call in calls] == [None, "ru", "kk"]
    assert len(desk.telegram.world.desk.commands) == len(COMMANDS)


# inbound


class Kept:
    """A dispatcher that notes what it handled and may fail first."""

    def __init__(self, fail: int = 0) -> None:
        self.seen: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._fail = fail
        self.dispatcher = Dispatcher(disable_fsm=True)
        self.dispatcher.message.register(self._message)
        self.dispatcher.callback_query.register(self._press)

    async def _message(self, message: Message) -> None:
        await self.gate.wait()
        if self._fail:
            self._fail -= 1
            raise RuntimeError("the store is away")
        self.seen.append(message.text or "")

    async def _press(self, query: CallbackQuery) -> None:
        self.seen.append(query.data or "")


AT_ONCE = POLL_SECONDS / 2
"""Seconds: sooner than a question for updates that stays without an answer is over."""


async def until(true: Any) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for happens in the sandbox
            await asyncio.sleep(0.005)


async def test_polling_confirms_only_what_was_handled_and_stops_at_once(desk: Bench):
    kept, stop = Kept(), asyncio.Event()
    kept.gate.clear()
    desk.telegram.write(ANNA, STAFF, "one")
    desk.telegram.write(BORIS, STAFF, "two")
    polling = asyncio.create_task(poll(kept.dispatcher, desk.bot, stop))
    await until(lambda: any(call.method == "getUpdates" for call in desk.telegram.calls))
    assert len(desk.telegram.pending()) == 2
    kept.gate.set()
    await until(lambda: not desk.telegram.pending())
    assert kept.seen == ["one", "two"]
    stop.set()
    async with asyncio.timeout(AT_ONCE):
        await polling


async def test_what_was_being_handled_when_the_desk_stopped_comes_again(desk: Bench):
    kept, stop = Kept(), asyncio.Event()
    kept.gate.clear()
    desk.telegram.write(ANNA, STAFF, "one")
    polling = asyncio.create_task(poll(kept.dispatcher, desk.bot, stop))
    await until(lambda: any(call.method == "getUpdates" for call in desk.telegram.calls))
    stop.set()
    async with asyncio.timeout(AT_ONCE):
        await polling
    assert [update["message"]["text"] for update in desk.telegram.pending()] == ["one"]
    again, stop = Kept(), asyncio.Event()
    polling = asyncio.create_task(poll(again.dispatcher, desk.bot, stop))
    await until(lambda: again.seen == ["one"])
    stop.set()
    await polling


async def test_polling_waits_for_a_server_that_is_away(desk: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("bot.telegram.FIRST_WAIT", 0.01)
    kept, stop = Kept(), asyncio.Event()
    desk.telegram.fail("deleteWebhook", ("drop_before",), ("status", 502))
    desk.telegram.fail("getMe", ("status", 500))
    polling = asyncio.create_task(poll(kept.dispatcher, desk.bot, stop))
    desk.telegram.write(ANNA, STAFF, "one")
    await until(lambda: kept.seen == ["one"])
    stop.set()
    await polling
    begun = [call.ok for call in desk.telegram.calls if call.method in ("deleteWebhook", "getMe")]
    assert begun.count(False) >= 2, "it began again after each failure"
    assert kept.seen == ["one"]


async def test_a_stop_before_the_first_poll_ends_it(desk: Bench):
    stop = asyncio.Event()
    stop.set()
    await poll(Kept().dispatcher, desk.bot, stop)
    assert desk.telegram.calls == []


async def test_the_pulse_tells_whether_updates_arrive(desk: Bench):
    pulse = Pulse(lambda: NOW)
    desk.bot.session.middleware(pulse)
    desk.telegram.fail("getUpdates", ("status", 502))
    with pytest.raises(Exception, match="Bad Gateway"):
        await desk.bot.get_updates()
    assert (pulse.ok_at, pulse.error) == (None, "Telegram failed: Bad Gateway")
    await desk.bot.get_me()
    assert pulse.ok_at is None
    await desk.bot.get_updates()
    assert (pulse.ok_at, pulse.error) == (NOW, "")


@pytest.fixture
async def door(desk: Bench) -> AsyncIterator[tuple[Kept, TestServer]]:
    kept = Kept(fail=1)
    app = web.Application()
    app.add_routes([webhook(kept.dispatcher, desk.bot, "s3cret")])
    server = TestServer(app)
    await server.start_server()
    yield kept, server
    await server.close()


async def test_a_webhook_call_that_was_not_stored_is_delivered_again(desk: Bench, door: tuple[Kept, TestServer]):
    kept, server = door
    desk.telegram.world.desk.updates._retry = 0.01
    await set_webhook(kept.dispatcher, desk.bot, str(server.make_url("/telegram")), "s3cret")
    desk.telegram.write(ANNA, STAFF, "one")
    await until(lambda: kept.seen == ["one"])
    await until(lambda: not desk.telegram.pending())
    assert (await desk.bot.get_webhook_info()).last_error_message == (
        "Wrong response from the webhook: 500 Internal Server Error"
    )
    await desk.bot.delete_webhook()


@pytest.mark.parametrize("secret", ["", "wrong", "s3cret2", "секрет"])
async def test_a_webhook_without_its_secret_is_refused(door: tuple[Kept, TestServer], secret: str):
    kept, server = door
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret else {}
    address = server.make_url("/telegram")
    async with ClientSession() as session, session.post(address, json={"update_id": 1}, headers=headers) as answer:
        assert answer.status == 401
    assert kept.seen == []


async def test_a_webhook_address_telegram_refuses_is_an_error(desk: Bench):
    with pytest.raises(Refused, match="HTTPS"):
        await set_webhook(Kept().dispatcher, desk.bot, "http://desk.example/telegram", "s3cret")
