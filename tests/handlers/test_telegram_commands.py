"""Commands typed in Telegram."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from desk.service import Outcome
from handlers.telegram import COMMANDS
from handlers.telegram.commands import Verb, decoded, parse
from tests.handlers.telegram_hands import PEOPLE, ROOM, Hands, hands
from tests.sandbox.telegram_bench import ANNA, BORIS, BOT_ID, STAFF, STRANGER


@pytest.fixture
async def desk() -> AsyncIterator[Hands]:
    async with hands() as made:
        made.telegram.join(STAFF, STRANGER)
        yield made


PARSED = [
    ("/reply Thank you", Verb("reply", "Thank you")),
    ("/reply@replydesk_bot Thank you", Verb("reply", "Thank you")),
    ("/reply@ReplyDesk_Bot x", Verb("reply", "x")),
    ("/REPLY x", Verb("reply", "x")),
    ("  /reply\nline one\n\nline two ", Verb("reply", "line one\n\nline two")),
    ("/reply", Verb("reply", "")),
    ("/case 7 reply Hello", Verb("case", "7 reply Hello")),
    ("/stop_posting", Verb("stop_posting", "")),
    ("/start", Verb("help", "")),
    ("/dance@replydesk_bot", Verb("dance", "")),
    ("/reply@other_bot x", None),
    ("/dance", None),
    ("/etc/passwd is gone", None),
    ("/reply/this", None),
    ("reply x", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "wanted"), PARSED)
def test_what_is_a_command(text: str, wanted: Verb | None):
    assert parse(text, "replydesk_bot") == wanted


def test_in_private_every_command_is_for_the_bot():
    assert parse("/dance", "replydesk_bot", private=True) == Verb("dance", "")


SLIPS = ["repy", "opne", "cleint", "stop", "staus", "notes"]


@pytest.mark.parametrize("verb", SLIPS)
async def test_a_slip_in_a_command_is_answered_rather_than_taken_for_talk(desk: Hands, verb: str):
    assert parse(f"/{verb} hello", "replydesk_bot") is None
    desk.desk.outcome = Outcome("unknown_command", {"verb": verb}, ok=False)
    desk.telegram.write(ANNA, STAFF, f"/{verb} hello", await desk.world.topic())
    await desk.deliver()
    assert desk.desk.heard == []
    assert desk.said() == [f"I do not know “{verb}”. /help lists what I can do"]


@pytest.mark.parametrize("text", ["/dance", "/ban him", "/repy@other_bot x"])
async def test_commands_of_other_bots_stay_talk(desk: Hands, text: str):
    desk.telegram.write(ANNA, STAFF, text, await desk.world.topic())
    await desk.deliver()
    assert (desk.desk.typed, len(desk.desk.heard)) == ([], 1)


async def test_what_strangers_type_is_no_slip(desk: Hands):
    desk.telegram.write(STRANGER, STAFF, "/repy hello", await desk.world.topic())
    await desk.deliver()
    assert (desk.desk.typed, len(desk.desk.heard)) == ([], 1)


@pytest.mark.parametrize("text", ["/reply \u200b\u2060", "/client \u3164", "/note\n\ufeff"])
async def test_a_text_that_nobody_sees_is_no_text(desk: Hands, text: str):
    desk.telegram.write(ANNA, STAFF, text, await desk.world.topic())
    await desk.deliver()
    assert desk.desk.typed[0].text == ""


async def test_a_text_that_nobody_sees_is_none_behind_a_number_either(desk: Hands):
    for text in ("/case 7 reply \u200b", "/reply a b \u200b"):
        desk.telegram.write(ANNA, STAFF, text)
    await desk.deliver()
    assert [typed.text for typed in desk.desk.typed] == ["7 reply", "a b \u200b"]


@pytest.mark.parametrize("verb", COMMANDS)
async def test_every_command_reaches_the_desk(desk: Hands, verb: str):
    thread = await desk.world.topic()
    said = desk.telegram.write(ANNA, STAFF, f"/{verb} 7 words", thread)
    await desk.deliver()
    typed = desk.desk.typed[0]
    assert (typed.verb, typed.text, typed.who) == (verb, "7 words", PEOPLE[ANNA])
    assert (typed.room, typed.thread, typed.said) == (ROOM, str(thread), str(said))
    assert typed.idem.startswith(f"tg:{BOT_ID}:{STAFF}:{said}:0:")
    assert desk.desk.heard == []


TOLD = [
    ("/note call them", ANNA, Outcome("did_note"), ["Noted, for staff only"]),
    ("/client hello", BORIS, Outcome("did_tell"), ["→ клиенту"]),
    ("/stop_posting", ANNA, Outcome("did_stop"), ["Posting is stopped: nothing goes out until /resume_posting"]),
    ("/reply x", ANNA, Outcome("did_write", {"version": 1}), []),
    ("/open", ANNA, Outcome(""), []),
    ("/reply x", STRANGER, Outcome("no_version", ok=False), ["There is no text yet. Press “Write reply” first"]),
    ("/case", BORIS, Outcome("which_case", ok=False), ["Какой кейс? Укажите номер, например /case 7"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "by", "outcome", "said"), TOLD, ids=[row[0] + row[2].key for row in TOLD])
async def test_what_shows_nowhere_else_is_said_under_the_command(
    desk: Hands, text: str, by: int, outcome: Outcome, said: list[str]
):
    desk.desk.outcome = outcome
    thread = await desk.world.topic()
    typed = desk.telegram.write(by, STAFF, text, thread)
    await desk.deliver()
    assert desk.said() == said
    replies = [m for m in desk.telegram.messages(STAFF, thread) if m["text"] in said]
    assert [m["reply_to"] for m in replies] == [typed] * len(said)


async def test_an_anonymous_administrator_is_refused_with_the_way_out(desk: Hands):
    desk.telegram.anonymous_write(STAFF, "/reply x")
    await desk.deliver()
    assert desk.desk.typed == []
    assert "Remain anonymous" in desk.said()[0]


async def test_a_reply_that_may_have_been_cut_is_asked_for_as_a_file(desk: Hands):
    desk.telegram.write(ANNA, STAFF, "/reply " + "я" * 4001)
    await desk.deliver()
    assert desk.desk.typed == []
    assert ".txt file with the caption /reply" in desk.said()[0]
    desk.telegram.write(ANNA, STAFF, "/reply " + "я" * 4000)
    await desk.deliver()
    assert len(desk.desk.typed[0].text) == 4000


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1251"]


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_a_txt_file_with_the_caption_reply_is_read(desk: Hands, encoding: str):
    text = "Спасибо за отзыв.\n" * 500
    document = {"name": "Ответ.TXT", "data": text.encode(encoding)}
    desk.telegram.write(ANNA, STAFF, "/reply", document=document)
    await desk.deliver()
    assert desk.desk.typed[0].text == text.strip()


BAD_FILES: list[dict[str, Any]] = [
    {"name": "a.pdf", "data": b"%PDF"},
    {"name": "a.txt", "data": b"x" * 100_001},
    {"name": "a.txt", "data": b"  \n"},
]


@pytest.mark.parametrize("document", BAD_FILES, ids=["no text file", "too large", "empty"])
async def test_a_file_that_cannot_be_read_is_asked_for_again(desk: Hands, document: dict[str, Any]):
    desk.telegram.write(ANNA, STAFF, "/reply", document=document)
    await desk.deliver()
    assert desk.desk.typed == []
    assert desk.said() == ["I could not read this file. Please send a .txt file of up to 100 KB"]


async def test_a_file_that_does_not_arrive_is_asked_for_again(desk: Hands):
    desk.telegram.fail("getFile", ("status", 500))
    desk.telegram.write(ANNA, STAFF, "/reply", document={"name": "a.txt", "text": "x"})
    await desk.deliver()
    assert desk.said() == ["I could not read this file. Please send a .txt file of up to 100 KB"]


async def test_a_caption_with_words_needs_no_file(desk: Hands):
    desk.telegram.write(ANNA, STAFF, "/note see this", document={"name": "a.pdf", "data": b"%PDF"})
    await desk.deliver()
    assert (desk.desk.typed[0].verb, desk.desk.typed[0].text) == ("note", "see this")


async def test_words_that_only_begin_with_a_slash_are_talk(desk: Hands):
    desk.telegram.write(ANNA, STAFF, "/etc is full")
    desk.telegram.write(ANNA, STAFF, "/reply@other_bot x")
    await desk.deliver()
    assert [heard.text for heard, _ in desk.desk.heard] == ["/etc is full", "/reply@other_bot x"]


async def test_help_is_what_start_gives(desk: Hands):
    desk.telegram.start(ANNA)
    await desk.deliver()
    assert (desk.desk.typed[0].verb, desk.desk.typed[0].room) == ("help", f"telegram:{ANNA}")


async def test_an_answer_waits_for_a_crowded_chat(desk: Hands, monkeypatch: pytest.MonkeyPatch):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("handlers.telegram.hands.asyncio.sleep", sleep)
    desk.desk.outcome = Outcome("did_note")
    desk.telegram.fail("sendMessage", ("retry_after", 3))
    desk.telegram.write(ANNA, STAFF, "/note x")
    await desk.deliver()
    assert (slept, desk.said()) == ([3], ["Noted, for staff only"])


@pytest.mark.parametrize("fault", [("retry_after", 600), ("error", 403, "Forbidden: x"), ("drop_after",)])
async def test_an_answer_that_fails_stops_nothing(desk: Hands, fault: tuple):
    desk.desk.outcome = Outcome("did_note")
    desk.telegram.fail("sendMessage", fault)
    desk.telegram.write(ANNA, STAFF, "/note x")
    desk.telegram.write(ANNA, STAFF, "/note y")
    await desk.deliver()
    assert len(desk.desk.typed) == 2
    assert desk.said()[-1] == "Noted, for staff only"


async def test_a_command_waits_for_the_store(desk: Hands):
    desk.desk.store.away = 4
    desk.telegram.write(ANNA, STAFF, "/reply x")
    await desk.deliver()
    assert len({typed.idem for typed in desk.desk.typed}) == 1
    assert desk.said() == []


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff\xfe\x00", bytes(range(256))])
def test_any_bytes_are_some_text(data: bytes):
    assert isinstance(decoded(data), str)
