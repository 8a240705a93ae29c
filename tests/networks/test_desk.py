"""A whole desk behind a proxy, and one that hears on IPv6."""

from __future__ import annotations

import aiohttp
import pytest

from bot.config.values import split_listen
from bot.http import HttpDeps, Listener, http_app
from storage.store import open_store
from tests.networks.proxies import proxy
from tests.scenarios.conftest import Opened

REPLY = "Dina, the machine is repaired; your coffee is on us."


@pytest.mark.integration
async def test_a_review_becomes_a_posted_reply_by_way_of_a_proxy(desk: Opened) -> None:
    async with proxy("socks5", "desk:kept-secret") as way_out:
        # The address of the [desk] table has no place of its own in the scenarios' file.
        behind = 'UTC"\nproxy = "env:TEST_PROXY'
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TEST_PROXY", way_out.url)
            patch.setattr("tests.scenarios.world.CONFIG", _config().replace("Asia/Almaty", behind, 1))
            async with desk() as w:
                review = await w.proposed(REPLY)
                await w.client.press("marta", 1, "Approve")
                await w.state(1, "answered")
                assert w.reply_of(review) == REPLY
        assert len(way_out.seen) > 3
        assert {seen.rpartition(":")[0] for seen in way_out.seen} == {"127.0.0.1"}


def _config() -> str:
    from tests.scenarios import world

    return world.CONFIG


@pytest.mark.integration
@pytest.mark.parametrize("listen", ["[::1]:0", "127.0.0.1:0"])
async def test_the_desk_hears_on_either_family(listen: str, sqlite_url: str) -> None:
    store = await open_store(sqlite_url)
    address = split_listen(listen)
    assert address is not None

    async def metrics() -> bytes:
        return b""

    listener = Listener(http_app(HttpDeps(store, lambda key: None, metrics)), *address)
    await listener.start()
    try:
        host = listen.rpartition(":")[0]
        url = f"http://{host}:{listener.port}/healthz"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
    finally:
        await listener.stop()
        await store.close()
