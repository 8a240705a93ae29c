"""Long polling and the webhook."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramConflictError
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.sandbox.telegram_bench import ANNA, PATIENCE, STAFF, Bench, bench


@pytest.fixture
async def desk():
    async with bench(webhook_retry=0.01) as made:
        yield made


async def polling(desk: Bench, bot: Bot) -> asyncio.Task[Any]:
    """A poll that has reached the server and waits there."""
    updates = desk.telegram.world.desk.updates
    bell = updates._bell
    poll = asyncio.create_task(bot.get_updates(timeout=50))
    async with asyncio.timeout(PATIENCE):
        while updates._bell is bell:  # noqa: ASYNC110 - each poll brings a bell of its own
            await asyncio.sleep(0.005)
    return poll


async def test_a_poll_waits_until_something_happens(desk: Bench):
    poll = await polling(desk, desk.bot)
    await asyncio.sleep(0.05)
    assert not poll.done()
    desk.telegram.write(ANNA, STAFF, "hi")
    async with asyncio.timeout(PATIENCE):
        assert [one.message.text for one in await poll] == ["hi"]


async def test_an_empty_poll_ends_by_itself(desk: Bench):
    assert await desk.bot.get_updates(timeout=0) == []


async def test_only_the_next_offset_confirms(desk: Bench):
    for text in ("one", "two", "three"):
        desk.telegram.write(ANNA, STAFF, text)
    first = await desk.bot.get_updates(limit=2)
    assert [one.message.text for one in first] == ["one", "two"]
    assert [one.update_id for one in await desk.bot.get_updates()] == [
        one["update_id"] for one in desk.telegram.pending()
    ]
    rest = await desk.bot.get_updates(offset=first[-1].update_id + 1)
    assert [one.message.text for one in rest] == ["three"]
    assert len(desk.telegram.pending()) == 1


async def test_a_negative_offset_keeps_only_the_end(desk: Bench):
    for text in ("one", "two"):
        desk.telegram.write(ANNA, STAFF, text)
    assert [one.message.text for one in await desk.bot.get_updates(offset=-1)] == ["two"]
    assert len(desk.telegram.pending()) == 1


async def test_a_second_poller_ends_the_first(desk: Bench):
    first = await polling(desk, desk.bot)
    second = asyncio.create_task(desk.another_bot().get_updates(timeout=50))
    with pytest.raises(TelegramConflictError, match="Conflict: terminated by other getUpdates request"):
        await first
    desk.telegram.write(ANNA, STAFF, "hi")
    assert len(await second) == 1


async def test_a_confirmed_update_can_come_again(desk: Bench):
    desk.telegram.write(ANNA, STAFF, "hi")
    update = (await desk.updates())[0]
    desk.telegram.redeliver(update.update_id)
    again = await desk.bot.get_updates(offset=update.update_id + 1)
    assert [one.update_id for one in again] == [update.update_id]
    assert await desk.bot.get_updates(offset=update.update_id + 1) == []


async def test_an_update_shows_the_message_as_it_was_then(desk: Bench):
    said = desk.telegram.write(ANNA, STAFF, "one")
    desk.telegram.edit(ANNA, STAFF, said, "two")
    assert [(one.message or one.edited_message).text for one in await desk.updates()] == ["one", "two"]


async def test_allowed_updates_hold_until_changed(desk: Bench):
    await desk.bot.get_updates(allowed_updates=["callback_query"])
    await desk.bot.get_updates()
    desk.telegram.write(ANNA, STAFF, "unheard")
    await desk.bot.get_updates(allowed_updates=["message"])
    desk.telegram.write(ANNA, STAFF, "heard")
    assert [one.message.text for one in await desk.updates()] == ["heard"]


async def test_updates_are_kept_a_day(desk: Bench):
    desk.telegram.write(ANNA, STAFF, "old")
    desk.clock.tick(24 * 3600)
    desk.telegram.write(ANNA, STAFF, "new")
    assert [one.message.text for one in await desk.updates()] == ["new"]


class Receiver:
    """A webhook that answers as told, then 200."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.texts: list[str] = []
        self.secrets: set[str | None] = set()
        self.changed = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.texts.append((await request.json())["message"]["text"])
        self.secrets.add(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        self.changed.set()
        return self.answers.pop(0) if self.answers else web.Response()

    async def got(self, count: int) -> list[str]:
        async with asyncio.timeout(PATIENCE):
            while len(self.texts) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.texts


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    made, app = Receiver(), web.Application()
    app.router.add_post("/telegram", made.take)
    server = TestServer(app)
    await server.start_server()
    try:
        yield made, str(server.make_url("/telegram"))
    finally:
        await server.close()


async def quiet(desk: Bench) -> None:
    """Waits until the webhook took all there was."""
    async with asyncio.timeout(PATIENCE):
        while desk.telegram.pending():  # noqa: ASYNC110 - what is waited for happens in the sandbox
            await asyncio.sleep(0.01)


async def test_a_webhook_gets_updates_with_the_secret(desk: Bench):
    async with receiver() as (hook, url):
        desk.telegram.write(ANNA, STAFF, "before")
        await desk.bot.set_webhook(url, secret_token="s3cret", allowed_updates=["message"])
        desk.telegram.write(ANNA, STAFF, "after")
        assert await hook.got(2) == ["before", "after"]
        assert hook.secrets == {"s3cret"}
        await quiet(desk)
        info = await desk.bot.get_webhook_info()
        assert (info.url, info.pending_update_count, info.max_connections) == (url, 0, 40)
        await desk.bot.delete_webhook()


async def test_a_webhook_is_repeated_until_it_answers_2xx(desk: Bench):
    async with receiver() as (hook, url):
        hook.answers = [web.Response(status=500), web.Response(status=302), web.Response(status=404)]
        await desk.bot.set_webhook(url)
        desk.telegram.write(ANNA, STAFF, "hi")
        assert await hook.got(4) == ["hi"] * 4
        await quiet(desk)
        info = await desk.bot.get_webhook_info()
        assert info.last_error_message == "Wrong response from the webhook: 404 Not Found"


async def test_a_webhook_can_get_an_update_again(desk: Bench):
    async with receiver() as (hook, url):
        await desk.bot.set_webhook(url)
        desk.telegram.write(ANNA, STAFF, "hi")
        await hook.got(1)
        await quiet(desk)
        desk.telegram.redeliver(100_001)
        assert await hook.got(2) == ["hi", "hi"]
        await quiet(desk)


async def test_an_unreachable_webhook_keeps_updates(desk: Bench):
    with socket.socket() as kept:
        # Held and not listened at: nobody else can take it and answer.
        kept.bind(("127.0.0.1", 0))
        await desk.bot.set_webhook(f"http://127.0.0.1:{kept.getsockname()[1]}/telegram")
        desk.telegram.write(ANNA, STAFF, "hi")
        hook = desk.telegram.world.desk.updates.webhook
        async with asyncio.timeout(PATIENCE):
            while not hook.last_error:  # noqa: ASYNC110 - what is waited for happens in the sandbox
                await asyncio.sleep(0.01)
        assert (await desk.bot.get_webhook_info()).last_error_message == "Connection refused"
    await desk.bot.delete_webhook()
    assert [one.message.text for one in await desk.updates()] == ["hi"]


async def test_nobody_polls_while_a_webhook_is_set(desk: Bench):
    poll = await polling(desk, desk.another_bot())
    await desk.bot.set_webhook("https://desk.example/telegram")
    with pytest.raises(TelegramConflictError, match="terminated by setWebhook request"):
        await poll
    with pytest.raises(TelegramConflictError, match="can't use getUpdates method while webhook is active"):
        await desk.bot.get_updates()
    desk.telegram.write(ANNA, STAFF, "dropped")
    await desk.bot.delete_webhook(drop_pending_updates=True)
    assert await desk.bot.get_updates() == []
