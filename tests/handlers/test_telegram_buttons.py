"""Presses in the staff's Telegram: each one is answered, once, in words."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.telegram import poll
from desk.service import Outcome
from handlers.telegram.callback import Data, pack
from tests.handlers.telegram_hands import NOW, PEOPLE, Away, Hands, hands, until
from tests.sandbox.telegram_bench import ANNA, BORIS, BOT_ID, PATIENCE, STAFF, STRANGER

TAKE = pack(Data("take", 7, 0))
STALE = Outcome("stale_version", {"version": 1, "newest": 2, "event": "taken", "by": "Boris", "at": NOW}, ok=False)


@pytest.fixture
async def desk() -> AsyncIterator[Hands]:
    async with hands() as made:
        yield made


async def test_a_press_reaches_the_desk_as_it_was_made(desk: Hands):
    press = await desk.press(pack(Data("answer", 7, 0, "12.boris")))
    await desk.deliver()
    pressed = desk.desk.pressed[0]
    assert (pressed.action, pressed.case, pressed.version, pressed.extra) == ("answer", 7, 0, "12.boris")
    assert (pressed.who, pressed.room) == (PEOPLE[ANNA], f"telegram:{STAFF}")
    assert pressed.thread == str(desk.telegram.topics(STAFF)[0]["id"])
    assert pressed.idem == f"tg:{BOT_ID}:cb:{press}"


async def test_a_press_in_the_main_chat_has_no_thread(desk: Hands):
    await desk.press(TAKE, thread=False)
    await desk.deliver()
    assert desk.desk.pressed[0].thread == ""


OUTCOMES = [
    (Outcome("did_take"), ANNA, "It is yours now", False),
    (Outcome("did_take"), BORIS, "Теперь это ваш кейс", False),
    (STALE, ANNA, "This message is out of date, the newest is version 2. Last: taken, 12:00 (Boris)", True),
    (Outcome("only_staff", ok=False), BORIS, "Это для команды, которая ведёт клиента", True),
    (
        Outcome("stranger", ok=False),
        STRANGER,
        "Sorry, I do not know you here yet. Please ask the lead to add you",
        True,
    ),
    (Outcome("asks", asks=True), ANNA, "There is a question for you in the thread", False),
    (Outcome(""), ANNA, "", False),
]


@pytest.mark.parametrize(("outcome", "by", "text", "alert"), OUTCOMES, ids=[f"{o[0].key}-{o[1]}" for o in OUTCOMES])
async def test_every_outcome_is_told_to_the_presser_alone(
    desk: Hands, outcome: Outcome, by: int, text: str, alert: bool
):
    desk.desk.outcome = outcome
    desk.telegram.join(STAFF, STRANGER)
    press = await desk.press(TAKE, by=by)
    await desk.deliver()
    assert desk.answer(press) == {"text": text, "show_alert": alert}
    assert desk.said() == []


@pytest.mark.parametrize("data", ["", "garbage", "c9:take:7:0:", "c1:take:²:0:", "c1:a:7:0:1.x;y", "\U0001f600" * 16])
async def test_a_forged_press_is_answered_politely(desk: Hands, data: str):
    desk.desk.outcome = Outcome("unknown_button", ok=False)
    press = await desk.press(data or "x")
    await desk.deliver()
    assert (desk.desk.pressed[0].action, desk.desk.pressed[0].case) == ("", 0)
    assert "newest message" in desk.answer(press)["text"]


async def test_a_press_on_a_deleted_message_is_answered(desk: Hands):
    sent = await desk.world.card("card", TAKE)
    desk.telegram.delete(STAFF, sent)
    press = desk.telegram.press(ANNA, STAFF, sent, TAKE, stale=True)
    await desk.deliver()
    assert (desk.desk.pressed[0].room, desk.desk.pressed[0].thread) == (f"telegram:{STAFF}", "")
    assert desk.answer(press)["text"] == "It is yours now"


async def test_a_press_without_a_message_is_answered(desk: Hands):
    press = await desk.press(TAKE)
    update = (await desk.world.updates())[-1]
    bare = update.model_copy(update={"callback_query": update.callback_query.model_copy(update={"message": None})})
    await desk.dispatcher.feed_update(desk.world.bot, bare)
    await desk.setup.voice.settled(PATIENCE)
    assert desk.desk.pressed[0].room == ""
    assert desk.answer(press)["text"] == "It is yours now"


async def test_a_doubled_delivery_has_the_same_id(desk: Hands):
    await desk.press(TAKE)
    update = desk.telegram.pending()[-1]["update_id"]
    await desk.deliver()
    desk.telegram.redeliver(update)
    await desk.deliver()
    first, second = desk.desk.pressed
    assert first.idem == second.idem


async def test_two_presses_have_two_ids(desk: Hands):
    sent = await desk.world.card("card", TAKE)
    for _ in range(2):
        desk.telegram.press(ANNA, STAFF, sent, TAKE)
    await desk.deliver()
    assert len({one.idem for one in desk.desk.pressed}) == 2


async def test_a_long_answer_is_cut_to_what_fits(desk: Hands):
    desk.desk.outcome = Outcome("only_open_step", {"names": "Имя, " * 100}, ok=False)
    press = await desk.press(TAKE)
    await desk.deliver()
    text = desk.answer(press)["text"]
    assert (len(text), text[-1]) == (200, "…")


async def test_an_answer_too_late_for_telegram_stops_nothing(desk: Hands):
    press = await desk.press(TAKE)
    desk.world.clock.tick(60)
    await desk.deliver()
    assert len(desk.desk.pressed) == 1
    assert desk.answer(press) is None


@pytest.mark.parametrize("fault", [("status", 500), ("drop_before",), ("error", 403, "Forbidden: x"), ("html",)])
async def test_an_answer_that_fails_stops_nothing(desk: Hands, fault: tuple):
    desk.telegram.fail("answerCallbackQuery", fault)
    await desk.press(TAKE)
    await desk.press(TAKE)
    await desk.deliver()
    assert len(desk.desk.pressed) == 2


async def test_a_slow_press_is_answered_bare_and_its_result_said_in_the_thread(desk: Hands):
    gate = asyncio.Event()
    desk.desk.before = gate.wait
    press = await desk.press(TAKE)
    delivering = asyncio.create_task(desk.deliver())
    await until(lambda: desk.answer(press) is not None)
    assert desk.answer(press) == {"text": "", "show_alert": False}
    assert desk.said() == []
    gate.set()
    await delivering
    assert desk.said() == ["Anna: It is yours now"]
    thread = desk.telegram.topics(STAFF)[0]["id"]
    assert desk.telegram.messages(STAFF, thread)[-1]["text"] == "Anna: It is yours now"


async def test_a_slow_press_on_a_deleted_message_says_its_result_in_the_room(desk: Hands):
    desk.desk.before = lambda: asyncio.sleep(0.1)
    sent = await desk.world.card("card", TAKE)
    desk.telegram.delete(STAFF, sent)
    desk.telegram.press(ANNA, STAFF, sent, TAKE, stale=True)
    await desk.deliver()
    assert desk.said() == ["Anna: It is yours now"]


async def test_a_press_waits_for_the_store_and_says_its_result_then(desk: Hands):
    press = await desk.press(TAKE)
    desk.desk.store.away = 7
    await desk.deliver()
    assert desk.answer(press) == {"text": "", "show_alert": False}
    assert desk.said() == ["Anna: It is yours now"]
    assert len({one.idem for one in desk.desk.pressed}) == 1


async def test_a_press_that_cannot_be_stored_though_the_store_is_well_is_given_up(desk: Hands):
    def fail() -> None:
        raise ValueError("a bug")

    desk.desk.before = fail
    await desk.press(TAKE)
    desk.telegram.write(ANNA, STAFF, "next")
    await desk.deliver()
    assert len(desk.desk.pressed) == 5
    assert desk.said() == ["Sorry, I could not save this. Please try once more"] * 2


async def test_a_crash_after_the_commit_answers_the_repeated_press(desk: Hands):
    press = await desk.press(TAKE)
    stop = asyncio.Event()
    gate = asyncio.Event()
    desk.desk.before = gate.wait
    polling = asyncio.create_task(poll(desk.dispatcher, desk.world.bot, stop))
    await until(lambda: desk.desk.pressed)
    stop.set()
    await polling
    assert any("callback_query" in update for update in desk.telegram.pending())
    gate.set()
    stop = asyncio.Event()
    polling = asyncio.create_task(poll(desk.another(), desk.world.bot, stop))
    await until(lambda: len(desk.desk.pressed) == 2)
    stop.set()
    await polling
    assert desk.desk.pressed[0].idem == desk.desk.pressed[1].idem
    assert desk.answer(press) is not None


async def test_nothing_is_confirmed_while_the_store_is_away(desk: Hands):
    desk.desk.store.away = 10**9
    desk.telegram.write(ANNA, STAFF, "one")
    desk.telegram.write(BORIS, STAFF, "two")
    stop = asyncio.Event()
    polling = asyncio.create_task(poll(desk.dispatcher, desk.world.bot, stop))
    await until(lambda: desk.desk.store.away < 10**9 - 5)
    assert len(desk.telegram.pending()) == 2
    desk.desk.store.away = 0
    await until(lambda: not desk.telegram.pending())
    assert [heard.text for heard, _ in desk.desk.heard] == ["one", "two"]
    stop.set()
    await polling


async def test_behind_a_webhook_a_store_that_stays_away_becomes_an_error(desk: Hands):
    desk.desk.store.away = 10**9
    desk.dispatcher = desk.another(limit=0.01)
    desk.telegram.write(ANNA, STAFF, "one")
    with pytest.raises(Away):
        await desk.deliver()
