"""What goes wrong at a messenger: each answer says what to do next, in time, and a lost room is told of once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from aiogram import Dispatcher
from aiohttp import web

from bot.slack import SlackChat
from bot.telegram import TelegramChat, make_bot, poll
from desk.errors import BadAnswer, Broken, DeskError, Refused, Retry, Unsure
from desk.ports import Chat
from sandbox.slack import Slack
from sandbox.telegram import Telegram
from tests.bot.test_slack_chat import NOW, calling, drawing
from tests.faults.odd import LONG, Answer, Odd, cut_off, hangs, odd, resets, says, trickles
from tests.faults.rooms import CHANNELS, GROUP, SMALL, rooms
from tests.handlers.slack_world import CLIENT, TEAM
from tests.sandbox.telegram_bench import STAFF, TOKEN
from tests.storage.helpers import until

ROOMS = {"telegram": GROUP, "slack": CHANNELS["client"]}
IN_TIME = 3 * LONG
"""Seconds by the clock of the loop for two calls, each of which is given up after fifteen."""


@asynccontextmanager
async def talking(messenger: str, answer: Answer) -> AsyncIterator[tuple[Chat, Odd]]:
    async with odd(answer) as server:
        if messenger == "slack":
            yield SlackChat({"main": calling(f"{server.url}/api/")}, lambda: NOW), server
            return
        bot = make_bot(TOKEN, server.url)
        yield TelegramChat(bot, lambda: NOW), server
        await bot.session.close()


class Row(NamedTuple):
    """What a fault means to a first message and to its redrawing, which may be repeated without harm."""

    answer: Answer
    send: type[DeskError]
    edit: type[DeskError]


TOO_MANY = '{"ok": false, "error_code": 429, "description": "Too Many Requests", "error": "ratelimited"}'

OTHER_LETTERS = says("<html>Войдите".encode("cp1251"), kind="text/html")
NO_REASON = says('{"ok": false, "error_code": 502}', 502)

TELEGRAM: dict[str, Row] = {
    "slow drip": Row(trickles, Unsure, Retry),
    "time-out": Row(hangs, Unsure, Retry),
    "reset": Row(resets, Unsure, Retry),
    "answer cut off": Row(cut_off, Unsure, Retry),
    "cut JSON": Row(says('{"ok": true, "result": {"message_i'), Unsure, BadAnswer),
    "HTML with 200": Row(says("<h1>Sign in", kind="text/html"), Unsure, BadAnswer),
    "HTML with 403": Row(says("<h1>Blocked", 403, "text/html"), Unsure, BadAnswer),
    "HTML with 429": Row(says("<h1>Slowly", 429, "text/html"), Unsure, BadAnswer),
    "429 without a time": Row(says(TOO_MANY, 429), Retry, Retry),
    "another alphabet": Row(OTHER_LETTERS, Unsure, BadAnswer),
    "400 without a reason": Row(says('{"ok": false, "error_code": 400}', 400), Refused, Refused),
    "502 without a reason": Row(NO_REASON, Unsure, BadAnswer),
    "no result": Row(says('{"ok": true}'), Unsure, BadAnswer),
    "a list": Row(says("[]"), Unsure, BadAnswer),
    "a number": Row(says("5"), Unsure, BadAnswer),
    "null": Row(says("null"), Unsure, BadAnswer),
    "a result of another type": Row(says('{"ok": true, "result": "sent"}'), Unsure, BadAnswer),
    "a reason of another type": Row(says('{"ok": false, "description": 7}', 400), Unsure, BadAnswer),
}
SLACK: dict[str, Row] = {
    "slow drip": Row(trickles, Unsure, Unsure),
    "time-out": Row(hangs, Unsure, Unsure),
    "reset": Row(resets, Unsure, Unsure),
    "answer cut off": Row(cut_off, Unsure, Unsure),
    "cut JSON": Row(says('{"ok": true, "t'), Unsure, Unsure),
    "HTML with 403": Row(says("<h1>Blocked", 403, "text/html"), BadAnswer, BadAnswer),
    "401": Row(says('{"ok": false, "error": "invalid_auth"}', 401), Broken, Broken),
    "429 without a time": Row(says(TOO_MANY, 429), Retry, Retry),
    "HTML with 429": Row(says("<h1>Slowly", 429, "text/html"), Retry, Retry),
    "a list": Row(says("[]"), Unsure, Unsure),
    "a number": Row(says("5"), Unsure, Unsure),
    "null": Row(says("null"), Unsure, Unsure),
    "a text": Row(says('"ok"'), Unsure, Unsure),
    "an error of another type": Row(says('{"ok": false, "error": 7}'), Refused, Refused),
    "no error at all": Row(says('{"ok": false}'), Unsure, Unsure),
}
CASES = [(messenger, name) for messenger, table in (("telegram", TELEGRAM), ("slack", SLACK)) for name in table]


@pytest.mark.parametrize(("messenger", "name"), CASES, ids=[f"{one}: {name}" for one, name in CASES])
async def test_an_answer_that_is_none_says_what_to_do_next_and_in_time(messenger: str, name: str) -> None:
    row = {"telegram": TELEGRAM, "slack": SLACK}[messenger][name]
    room = ROOMS[messenger]
    async with talking(messenger, row.answer) as (chat, server), asyncio.timeout(IN_TIME):
        with pytest.raises(DeskError) as sending:
            await chat.send(room, "", drawing(), "draw-1")
        with pytest.raises(DeskError) as editing:
            await chat.edit(room, "5", drawing())
    assert (type(sending.value), type(editing.value)) == (row.send, row.edit)
    assert len(server.calls) == 2, "nothing is repeated by the client itself"


@pytest.mark.parametrize("messenger", ["telegram", "slack"])
async def test_a_file_that_drips_is_given_up_in_time(messenger: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        named = '{"ok": true, "result": {"file_id": "f", "file_unique_id": "f", "file_path": "a.txt"}}'
        return await (says(named) if request.path.endswith("/getFile") else trickles)(request)

    async with talking(messenger, answer) as (chat, server), asyncio.timeout(IN_TIME):
        with pytest.raises(Retry):
            await chat.fetch(ROOMS[messenger], "f" if messenger == "telegram" else f"{server.url}/f.txt#9")


async def test_an_upload_that_hangs_shows_nothing_and_is_tried_again() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        asked = f'{{"ok": true, "file_id": "F1", "upload_url": "http://{request.host}/up"}}'
        return await (hangs if request.path == "/up" else says(asked))(request)

    async with talking("slack", answer) as (chat, server), asyncio.timeout(IN_TIME):
        with pytest.raises(Retry):
            await chat.send_file(ROOMS["slack"], "", "a.txt", b"x", drawing())
    assert len(server.calls) == 2, "the file was not shared"


@pytest.mark.parametrize("messenger", ["telegram", "slack"])
async def test_a_429_without_a_time_loses_no_message(messenger: str, sqlite_url: str, tmp_path: Path) -> None:
    async with rooms(sqlite_url, tmp_path, GROUP, CHANNELS["client"]) as r:
        r.telegram.telegram.fail("sendMessage", *[("error", 429, "Too Many Requests")] * 3)
        r.slack.fail("chat.postMessage", *[("error", "ratelimited")] * 3)
        room = ROOMS[messenger]
        await r.write(room)
        for _ in range(6):
            await r.later(60)
        assert [text for text in r.texts(room) if "note" in text] == ["note 0"]


async def test_a_429_without_a_time_is_not_asked_about_each_second(sqlite_url: str, tmp_path: Path) -> None:
    async with rooms(sqlite_url, tmp_path, GROUP, CHANNELS["client"]) as r:
        room = CHANNELS["client"]
        r.slack.fail("chat.postMessage", *[("error", "ratelimited")] * 100)
        await r.write(room)
        for _ in range(60):
            await r.later(1)
        assert r.calls(room) <= 12, "a minute of waits that grow"


@pytest.mark.parametrize("answer", [OTHER_LETTERS, NO_REASON], ids=["another alphabet", "502 without a reason"])
async def test_polling_waits_for_an_end_of_odd_answers(answer: Answer) -> None:
    async with odd(answer) as server:
        bot, stop = make_bot(TOKEN, server.url), asyncio.Event()
        polling = asyncio.create_task(poll(Dispatcher(disable_fsm=True), bot, stop))
        await until(lambda: server.calls)
        await asyncio.sleep(0.05)
        assert not polling.done()
        stop.set()
        await polling
        await bot.session.close()


@pytest.mark.parametrize("body", ['{"ok": true}', '{"ok": true, "ts": null}', '{"ok": true, "ts": {"a": 1}}'])
async def test_an_answer_of_slacks_that_names_no_message_is_unsure(body: str) -> None:
    async with talking("slack", says(body)) as (chat, _):
        with pytest.raises(Unsure):
            await chat.send(ROOMS["slack"], "", drawing(), "k")


# a room that is lost

MANY = 5
Do = Callable[[Telegram, Slack], None]


class Lost(NamedTuple):
    """`client`: the messenger of the room that is lost. `words`: the remedy that staff are told."""

    client: str
    hurt: Do
    mend: Do
    words: str


def back_from_the_archive(telegram: Telegram, slack: Slack) -> None:
    slack.world.team(TEAM).channel(CLIENT).archived = False


LOST: dict[str, Lost] = {
    "kicked bot": Lost(
        "telegram", lambda t, s: t.kick_bot(STAFF), lambda t, s: t.invite_bot(STAFF), "add the bot to the group again"
    ),
    "archived channel": Lost(
        "slack", lambda t, s: s.archive(TEAM, CLIENT), back_from_the_archive, "the channel is archived: bring it back"
    ),
    "revoked token": Lost(
        "slack", lambda t, s: s.revoke(TEAM), lambda t, s: s.revoke(TEAM, ""), "install the app again"
    ),
}


@pytest.mark.parametrize("name", LOST)
async def test_a_lost_room_is_told_of_once_however_much_waits_for_it(
    name: str, sqlite_url: str, tmp_path: Path
) -> None:
    lost = LOST[name]
    if lost.client == "telegram":
        staff, client = CHANNELS["staff"], GROUP
    else:
        staff, client = GROUP, CHANNELS["client"]
    async with rooms(sqlite_url, tmp_path, staff, client) as r:
        lost.hurt(r.telegram.telegram, r.slack)
        await r.write(client, MANY)
        await r.later(60)
        assert [lost.words in text for text in r.texts(staff)] == [True]
        assert len(r.alarms) == 1
        assert r.calls(client) == MANY, "not tried again after a minute"
        await r.later(601)
        assert len(r.texts(staff)) == 1, "nobody is told again"
        assert r.calls(client) == MANY * 2
        lost.mend(r.telegram.telegram, r.slack)
        await r.later(601)
        assert sorted(text for text in r.texts(client) if "note" in text) == [f"note {n}" for n in range(MANY)]
        assert await r.states() == {"done"}


async def test_a_group_that_became_a_supergroup_gets_what_waits_for_it_once(sqlite_url: str, tmp_path: Path) -> None:
    """The file still names the old address: what comes later finds the new one, too."""
    old, new = f"telegram:{SMALL}", -1001000000088
    async with rooms(sqlite_url, tmp_path, GROUP, CHANNELS["client"], leads=old) as r:
        r.telegram.telegram.migrate(SMALL, new, forum=False)
        await r.write(old, 3)
        await r.write(old, 4)
        await r.later(5)
        assert sorted(t for t in r.texts(f"telegram:{new}") if "note" in t) == [f"note {n}" for n in range(4)]
        assert r.calls(old) <= 5
        assert await r.states() == {"done"}
        told = [t for t in r.texts(f"telegram:{new}") if "note" not in t]
        assert sum("has a new address" in t and str(new) in t and "config.toml" in t for t in told) == 1, told


async def test_a_message_that_is_refused_is_told_of_once_where_it_would_have_stood(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with rooms(sqlite_url, tmp_path, GROUP, CHANNELS["client"]) as r:
        r.telegram.telegram.fail("sendMessage", *[("error", 400, "Bad Request: can't parse entities")] * 2)
        await r.write(GROUP, 2)
        await r.later(5)
        assert [f"A message for {GROUP} was refused" in text for text in r.texts(GROUP)] == [True]
        assert "can't parse entities" in r.texts(GROUP)[0]


async def test_a_refusal_that_cannot_be_told_either_is_not_told_for_ever(sqlite_url: str, tmp_path: Path) -> None:
    async with rooms(sqlite_url, tmp_path, GROUP, CHANNELS["client"]) as r:
        r.telegram.telegram.fail("sendMessage", *[("error", 400, "Bad Request: can't parse entities")] * 100)
        await r.write(GROUP)
        for _ in range(5):
            await r.later(601)
        assert r.calls(GROUP) == 2, "the message, and the word about it"


async def test_a_lost_leads_room_is_told_of_in_a_staff_room(sqlite_url: str, tmp_path: Path) -> None:
    leads = f"telegram:{SMALL}"
    async with rooms(sqlite_url, tmp_path, GROUP, CHANNELS["client"], leads=leads) as r:
        r.telegram.telegram.kick_bot(SMALL)
        await r.write(leads, 3)
        assert ["add the bot to the group again" in text for text in r.texts(GROUP)] == [True]
