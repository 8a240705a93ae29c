"""What people write: what stays inside, what crosses over, what becomes a version, what is asked for as a file."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from desk import follow
from desk.work import Work
from sandbox import world
from storage.tables import work
from tests.scenarios.conftest import Opened
from tests.scenarios.people import Surface
from tests.scenarios.world import WHOLE, World

TWO_WAYS = pytest.mark.parametrize(
    ("staff", "client"), [("telegram", "slack"), ("slack", "telegram")], ids=["telegram-slack", "slack-telegram"]
)

SECRET = "She is a regular, between us"


def command(side: Surface, words: str) -> str:
    return f"/{words}" if side.messenger == "telegram" else f"@desk {words}"


def say(side: Surface, who: str, case: int, text: str, reply_to: Any = None, file: Any = None) -> Any:
    """Write in a case's thread: answering a message (Telegram), or with a file (name, bytes)."""
    if side.messenger == "telegram":
        document = None if file is None else {"name": file[0], "data": file[1]}
        topic = side._topic(case)
        return side.face.write(side.ids[who], side.room, text, thread_id=topic, reply_to=reply_to, document=document)
    files = None if file is None else [{"name": file[0], "content": file[1]}]
    return side.face.write(world.TEAM, side.ids[who], side.channel, text, thread_ts=side._root(case), files=files)


def edit(side: Surface, who: str, message: Any, text: str) -> None:
    if side.messenger == "telegram":
        side.face.edit(side.ids[who], side.room, message, text)
    else:
        side.face.edit(world.TEAM, side.ids[who], side.channel, message, text)


async def says(side: Surface, case: int, *words: str, w: World) -> None:
    await w.until(lambda: any(all(x in t for x in words) for t in side.texts(case)), what=f"{words} in case {case}")


async def ready(w: World, text: str = "The coffee was cold.") -> int:
    w.review(1, text)
    number = len(w.reviews)
    await w.staff.thread(number)
    await w.until(lambda: "Take" in w.staff.buttons(number))
    await w.placed(number)
    return number


@TWO_WAYS
async def test_what_is_said_among_staff_stays_there_and_what_is_told_crosses_over(
    desk: Opened, staff: str, client: str
) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        await ready(w)
        say(w.staff, "anna", 1, SECRET)
        say(w.staff, "dana", 1, command(w.staff, "note Called her twice"))
        await w.until(lambda: _noted(w, "Called her twice"))
        assert w.client.room_texts() == [], "nothing has crossed over yet"
        say(w.staff, "anna", 1, command(w.staff, "client Which shop was it? <Dostyk> & co"))
        await w.client.thread(1)
        await says(w.client, 1, "Anna writes", "Which shop was it? <Dostyk> & co", w=w)
        await w.until(lambda: not w.client.buttons(1) or w.client.buttons(1) == ["Open original"])
        await w.placed(1, "client")

        heard = say(w.client, "vera", 1, "Dostyk 5, I think")
        await says(w.staff, 1, "Client, Vera", "Dostyk 5, I think", w=w)
        before = len(w.staff.texts(1))
        edit(w.client, "vera", heard, "Dostyk 50, I think")
        await says(w.staff, 1, "Client, Vera (edited)", "Dostyk 50, I think", w=w)
        assert len(w.staff.texts(1)) == before, "the mirror was edited, not repeated"
        say(w.client, "oleg", 1, "", file=("receipt.pdf", b"%PDF-1.4 paid"))
        await w.until(lambda: "receipt.pdf" in files(w.staff, 1), what="the file brought over")

        if staff == "telegram":
            await _answer_crosses(w)
        shown = " ".join(w.client.texts(1) + w.client.room_texts())
        assert SECRET not in shown
        assert "Called her twice" not in shown


async def _answer_crosses(w: World) -> None:
    """An answer to a mirrored message stays inside, until its button sends it across, once."""
    mirror = next(m for m in w.staff.messages(1) if "Dostyk 50" in m["text"])
    say(w.staff, "dana", 1, "Thank you, we look into it", reply_to=mirror["id"])
    await w.until(lambda: "Tell the client" in w.staff.buttons(1))
    assert not any("look into it" in text for text in w.client.texts(1))
    tell = await w.staff.hold(1, "Tell the client")
    await w.staff.press("dana", 1, "Tell the client")
    await says(w.client, 1, "Dana writes", "Thank you, we look into it", w=w)
    await says(w.staff, 1, "→ client", w=w)
    assert "has it already" in await w.staff.press_held("anna", tell)


async def _noted(w: World, text: str) -> bool:
    async with w.app.store.read(WHOLE) as reader:
        return any(e.kind == "noted" and e.data["text"] == text for e in await reader.events(1))


def files(side: Surface, case: int) -> list[str]:
    if side.messenger == "telegram":
        return [m["document"]["name"] for m in side.messages(case) if m["document"]]
    return [f["name"] for m in side.messages(case) for f in m["files"]]


@TWO_WAYS
async def test_a_file_over_20_mb_is_linked(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        await ready(w)
        say(w.staff, "anna", 1, command(w.staff, "client Please send the video"))
        await w.client.thread(1)
        await says(w.client, 1, "send the video", w=w)
        await w.placed(1, "client")
        say(w.client, "oleg", 1, "Here", file=("video.mp4", bytes(20 * 1024 * 1024 + 1)))
        await says(w.staff, 1, "Client, Oleg", "Here", "File:", w=w)
        if client == "telegram":
            assert "t.me/c/" in str(w.staff.messages(1))
        assert files(w.staff, 1) == []


ODD = 'It cost < 5 & "free" :) 10:30 👍'
TYPED = {"telegram": ODD, "slack": 'It cost < 5 & "free" :) 10:30 :+1:'}


@TWO_WAYS
async def test_the_text_people_typed_is_the_text_that_is_published(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        await ready(w)
        review = w.reviews[0]
        typed = await w.staff.reply("anna", 1, TYPED[staff])
        await says(w.staff, 1, "Version 1", ODD, w=w)
        edit(w.staff, "anna", typed, command(w.staff, f"reply {TYPED[staff]} See acme.kz/a_b*c"))
        await says(w.staff, 1, "Version 2", f"{ODD} See acme.kz/a_b*c", w=w)
        assert (await w.case(1)).versions[1].text == f"{ODD} See acme.kz/a_b*c"
        await w.staff.press("anna", 1, "Send to client")
        await says(w.client, 1, ODD, w=w)
        edit(w.staff, "anna", typed, command(w.staff, f"reply {TYPED[staff]} The end"))
        await w.state(1, "in_work")
        await says(w.staff, 1, "Version 3", f"{ODD} The end", w=w)
        await says(w.client, 1, "withdrawn", w=w)
        assert await w.client.press("marta", 1, "Approve") if "Approve" in w.client.buttons(1) else True
        say(w.staff, "anna", 1, command(w.staff, f"case 1 reply {TYPED[staff]} At last"))
        await says(w.staff, 1, "Version 4", f"{ODD} At last", w=w)
        await w.staff.press("anna", 1, "Send to client")
        await says(w.client, 1, f"{ODD} At last", w=w)
        await w.client.press("marta", 1, "Approve")
        await w.state(1, "answered")
        assert w.reply_of(review) == f"{ODD} At last"
        edit(w.staff, "anna", typed, command(w.staff, "reply Too late"))
        say(w.staff, "anna", 1, command(w.staff, "reply Too late as well"))
        await w.until(lambda: "“Edit reply” changes what stands" in " ".join(refusals(w.staff, "anna", 1)))
        assert (await w.case(1)).n == 4


def refusals(side: Surface, who: str, case: int) -> list[str]:
    """What somebody was answered: in Telegram under their message, in Slack to them alone."""
    return side.texts(case) if side.messenger == "telegram" else side.private(who)


@pytest.mark.parametrize(
    ("staff", "client", "over", "asked"),
    [("telegram", "slack", 4_001, "over 4,000 characters"), ("slack", "telegram", 3_001, "over 3,000 characters")],
    ids=["telegram", "slack"],
)
async def test_a_text_too_long_to_type_is_taken_from_a_file(
    desk: Opened, staff: str, client: str, over: int, asked: str
) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        await _brought(w, "https://otzovik.com/review_7.html Cold coffee")
        await w.staff.thread(1)
        await w.until(lambda: "Take" in w.staff.buttons(1))
        await w.placed(1)
        await w.staff.reply("anna", 1, "a" * over)
        await w.until(lambda: asked in " ".join(refusals(w.staff, "anna", 1)))
        assert (await w.case(1)).n == 0
        text = "Дина, здравствуйте!\n" + "b" * over
        say(w.staff, "anna", 1, command(w.staff, "reply"), file=("reply.txt", text.encode("utf-8-sig")))
        await w.until(lambda: _text_of(w, 1, text), what="the version from the file")
        await w.until(lambda: "Send to client" in w.staff.buttons(1))
        if staff == "slack":
            # No input of a modal holds such a text: the desk asks for it in the thread.
            await w.staff.press("anna", 1, "Write reply")
            await says(w.staff, 1, "as your next message", w=w)
            say(w.staff, "anna", 1, "", file=("next.txt", (text + "c").encode()))
            await w.until(lambda: _text_of(w, 2, text + "c"), what="the second version from a file")


async def _text_of(w: World, version: int, text: str) -> bool:
    case = await w.case(1)
    return case is not None and case.n == version and case.version.text == text


async def _brought(w: World, text: str) -> None:
    if w.staff.messenger == "telegram":
        w.sandbox.telegram.write(w.staff.ids["anna"], w.staff.room, f"/add {text}")
    else:
        w.sandbox.slack.write(world.TEAM, w.staff.ids["anna"], w.staff.channel, f"@desk add {text}")


async def test_an_anonymous_administrator_is_told_the_way_out(desk: Opened) -> None:
    async with desk(staff="telegram", client="slack", rush=True) as w:
        await ready(w)
        topic = await w.staff.thread(1)
        w.sandbox.telegram.anonymous_write(w.staff.room, "/reply Sorry, Dina", thread_id=topic)
        await says(w.staff, 1, "anonymous administrator", "Remain anonymous", w=w)
        case = await w.case(1)
        assert (case.state, case.n) == ("new", 0)


async def test_what_was_to_be_said_in_a_thread_that_people_deleted_is_said_in_the_new_one(desk: Opened) -> None:
    """And neither lost nor told to the whole room."""
    async with desk(staff="telegram", client="slack", rush=True) as w:
        await ready(w)
        first = await w.staff.thread(1)
        w.staff.face.delete_topic(w.staff.room, first)
        case, rules = await w.case(1), w.app.live.current.rules("acme-coffee", "google_play")
        async with w.app.store.write(scope=WHOLE) as unit:
            for text in ("They changed it", "They changed it again", "And once more"):
                await unit.enqueue(follow.say(case, rules, "staff", "reply_changed", text=text))
        await w.until(lambda: w.staff._topic(1) != first, what="the topic anew")
        for text in ("They changed it", "They changed it again", "And once more"):
            await says(w.staff, 1, text, w=w)
        in_general = [text for text in w.staff.room_texts() if "They changed it" in text or "And once more" in text]
        assert in_general == []


async def test_an_answer_to_who_asked_in_a_thread_that_is_gone_by_then_is_put_aside_for_nobody(desk: Opened) -> None:
    async with desk(staff="telegram", client="slack", rush=True) as w:
        await ready(w)
        gone = w.staff.face.create_topic(w.staff.ids["anna"], w.staff.room, "Talk")
        w.staff.face.delete_topic(w.staff.room, gone)
        asked = {"room": f"telegram:{w.staff.room}", "thread": str(gone), "what": "case", "case": 1, "person": "anna"}
        async with w.app.store.write() as unit:
            await unit.enqueue(Work("answer", asked, lane="answers:1", dest=asked["room"]))

        async def ended() -> list[str]:
            async with w.app.store.write() as unit:
                rows = await unit.rows(select(work.c.state).where(work.c.lane == "answers:1"))
            return [row.state for row in rows if row.state not in ("ready", "running")]

        state = await w.until(ended, what="the end of it")
        refused = [call for call in w.sandbox.telegram.calls if "thread not found" in (call.error or "")]
        assert (state, len(refused)) == (["done"], 1), "tried once, and not parked for people who know nothing of it"


@TWO_WAYS
async def test_a_thread_that_people_deleted_is_made_anew(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        await ready(w)
        await w.staff.reply("anna", 1, "Sorry, Dina")
        await says(w.staff, 1, "Version 1", w=w)
        await w.staff.press("anna", 1, "Send to client")
        await w.until(lambda: "Approve" in w.client.buttons(1))
        side = w.staff if staff == "telegram" else w.client
        first = await side.thread(1)
        side.face.delete_topic(side.room, first)
        if staff == "telegram":
            await w.client.press("marta", 1, "Ask for changes", reason="Warmer")
            await w.until(lambda: "Send to client" in w.staff.buttons(1), what="the topic anew")
            assert any("Warmer" in text for text in w.staff.texts(1))
        else:
            await w.staff.press("anna", 1, "Take back")
            await w.until(lambda: w.client.texts(1), what="the topic anew")
        second = await side.thread(1)
        assert second != first
        await w.placed(1)
        await w.until(lambda: any("was deleted, so here it is again" in text for text in side.room_texts()))
        again = [m for m in side._chat()["messages"] if "was deleted, so here it is again" in m["text"]]
        assert f"/{second}" in again[0]["html"], "with a link to the new one"
        await w.staff.reply("anna", 1, "Dina, we are sorry")
        await says(w.staff, 1, "Version 2", "Dina, we are sorry", w=w)
