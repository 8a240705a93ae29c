"""The local Slack in HTTP mode: signed posts to the desk's one address."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp

from sandbox.slack import Slack
from sandbox.slack.events import signature
from tests.sandbox.test_slack import (
    ANNA,
    BOT_TOKEN,
    BUTTONS,
    PATIENCE,
    ROOM,
    SECRET,
    TEAM,
    acme,
    client_of,
    serving,
)

Seen = list[tuple[Any, bytes]]


class Endpoint:
    """The desk's /slack/events. `answers` are given one after another, then 200."""

    def __init__(self) -> None:
        self.seen: Seen = []
        self.answers: list[web.Response] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.seen.append((request.headers, await request.read()))
        return self.answers.pop(0) if self.answers else web.Response()


@pytest.fixture
def slack() -> Slack:
    return acme()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
async def url(slack: Slack, endpoint: Endpoint) -> AsyncIterator[str]:
    async with serving(slack, web.post("/slack/events", endpoint.serve)) as address:
        slack.world.teams[TEAM].request_url = f"{address}/slack/events"
        yield address


async def test_event_is_signed_and_stamped(slack: Slack, endpoint: Endpoint, url: str) -> None:
    slack.write(TEAM, ANNA, ROOM, "привет")
    await slack.settle(PATIENCE)
    headers, body = endpoint.seen[0]
    stamp = headers["X-Slack-Request-Timestamp"]
    assert headers["X-Slack-Signature"] == signature(SECRET, stamp, body)
    assert abs(int(stamp) - time.time()) < 60
    assert json.loads(body)["event"]["text"] == "привет"
    assert "X-Slack-Retry-Num" not in headers


async def test_event_not_answered_2xx_comes_again_with_its_number(slack: Slack, endpoint: Endpoint, url: str) -> None:
    endpoint.answers = [web.Response(status=500), web.Response(status=503)]
    slack.write(TEAM, ANNA, ROOM, "hello")
    await slack.settle(PATIENCE)
    retries = [(h.get("X-Slack-Retry-Num"), h.get("X-Slack-Retry-Reason")) for h, _ in endpoint.seen]
    assert retries == [(None, None), ("1", "http_error"), ("2", "http_error")]
    assert len({json.loads(body)["event_id"] for _, body in endpoint.seen}) == 1


async def test_app_can_ask_for_no_repetition(slack: Slack, endpoint: Endpoint, url: str) -> None:
    endpoint.answers = [web.Response(status=500, headers={"X-Slack-No-Retry": "1"})]
    slack.write(TEAM, ANNA, ROOM, "hello")
    await slack.settle(PATIENCE)
    assert len(endpoint.seen) == 1


async def test_closed_port_is_a_failed_connection(slack: Slack) -> None:
    slack.world.teams[TEAM].request_url = "http://127.0.0.1:9/slack/events"
    slack.write(TEAM, ANNA, ROOM, "hello")
    await slack.settle(PATIENCE)
    assert (slack.deliveries[0].attempts, slack.deliveries[0].acked) == (4, False)


async def test_challenge_is_asked_for(slack: Slack, url: str, endpoint: Endpoint) -> None:
    assert not await slack.verify_url(TEAM)
    assert json.loads(endpoint.seen[0][1])["type"] == "url_verification"


async def test_bolt_serves_everything_at_one_address() -> None:
    slack = acme()
    bolt = AsyncApp(client=client_of("http://127.0.0.1:1"), token=BOT_TOKEN, signing_secret=SECRET)
    texts: list[str] = []

    @bolt.event("message")
    async def on_message(event: dict[str, Any]) -> None:
        texts.append(event["text"])

    @bolt.action("approve")
    async def on_approve(ack: Any) -> None:
        await ack()

    @bolt.command("/desk")
    async def on_desk(ack: Any) -> None:
        await ack("Nothing open")

    async def endpoint(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await bolt.async_dispatch(await to_bolt_request(request)))

    async with serving(slack, web.post("/slack/events", endpoint)) as url:
        bolt.client.base_url = f"{url}/slack/api/"
        slack.world.teams[TEAM].request_url = f"{url}/slack/events"
        assert await slack.verify_url(TEAM)
        slack.write(TEAM, ANNA, ROOM, "hello")
        posted = await bolt.client.chat_postMessage(channel=ROOM, text="V", blocks=BUTTONS)
        await slack.settle(PATIENCE)
        assert (await slack.press(TEAM, ANNA, ROOM, posted["ts"], "approve"))["acked"]
        assert (await slack.command(TEAM, ANNA, ROOM, "/desk"))["payload"] == {"text": "Nothing open"}
    assert texts == ["hello"]


async def test_bolt_refuses_a_wrong_signature() -> None:
    slack = acme()
    bolt = AsyncApp(client=client_of("http://127.0.0.1:1"), token=BOT_TOKEN, signing_secret="another")

    async def endpoint(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await bolt.async_dispatch(await to_bolt_request(request)))

    async with serving(slack, web.post("/slack/events", endpoint)) as url:
        slack.world.teams[TEAM].request_url = f"{url}/slack/events"
        assert not await slack.verify_url(TEAM)
