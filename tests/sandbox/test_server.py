from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import world
from sandbox.__main__ import arguments
from sandbox.hub import Hub
from sandbox.server import PAGE, Sandbox

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""Seconds to wait for what will happen, on a machine that does other things too."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(debounce=0.01)
    sandbox.demo_world()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def page(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=PATIENCE) as client:
        yield client


async def state(page: httpx.AsyncClient) -> Any:
    return (await page.get("/ui/state")).json()


async def next_version(lines: AsyncIterator[str]) -> int:
    async for line in lines:
        if line.startswith("data: "):
            return int(json.loads(line.removeprefix("data: "))["version"])
    raise AssertionError("the stream ended")


# The world


async def test_the_demo_world_has_its_people_rooms_and_app(page: httpx.AsyncClient) -> None:
    seen = await state(page)
    (chat,) = seen["telegram"]["chats"]
    (team,) = seen["slack"]["teams"]
    (app,) = seen["site"]["apps"]
    assert (chat["id"], chat["forum"]) == (world.STAFF_ROOM, True)
    assert {user["id"] for user in seen["telegram"]["users"]} == set(world.STAFF)
    assert [channel["id"] for channel in team["channels"]] == [world.CLIENT_CHANNEL]
    assert set(world.CLIENT) <= set(team["channels"][0]["members"])
    assert (app["package"], app["reviews"]) == (world.PACKAGE, [])


async def test_the_vendors_clients_find_their_doors(page: httpx.AsyncClient) -> None:
    me = (await page.get(f"/telegram/bot{world.TELEGRAM_TOKEN}/getMe")).json()
    assert me["result"]["username"] == world.TELEGRAM_BOT
    headers = {"Authorization": f"Bearer {world.SLACK_BOT_TOKEN}"}
    auth = (await page.post("/slack/api/auth.test", headers=headers)).json()
    assert auth["team_id"] == world.TEAM
    reviews = await page.get(f"/play/androidpublisher/v3/applications/{world.PACKAGE}/reviews")
    assert reviews.status_code == 401


async def test_the_service_account_names_the_running_server(sandbox: Sandbox) -> None:
    assert sandbox.site.service_account()["token_uri"] == f"{sandbox.url}/play/token"


# The page


async def test_the_page_and_all_its_parts_are_served(page: httpx.AsyncClient) -> None:
    index = await page.get("/")
    assert index.status_code == 200
    for part in re.findall(r'(?:src|href)="(/[^"]+)"', index.text):
        assert (await page.get(part)).status_code == 200, part
    assert "default-src 'self'" in index.headers["Content-Security-Policy"]


@pytest.mark.parametrize("script", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_scripts_import_only_what_is_there_and_nothing_from_elsewhere(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    for module in re.findall(r'from "([^"]+)"', text):
        assert (PAGE / module).is_file(), module
    assert not re.search(r"""["'`]https?://""", text)
    assert not re.search(r"\beval\b|insertAdjacentHTML|outerHTML|document\.write", text)


def test_markup_is_inserted_in_one_place_and_comes_from_telegram_only() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in PAGE.glob("*.js")}
    assert [name for name, text in scripts.items() if "innerHTML" in text] == ["dom.js"]
    assert [name for name, text in scripts.items() if re.search(r"\bhtml:", text)] == ["telegram.js"]


async def test_what_people_do_on_the_page_happens(page: httpx.AsyncClient) -> None:
    await page.post("/ui/site/leave", json={"package": world.PACKAGE, "author": "Лена", "stars": 1, "text": "Плохо"})
    staff = {"user_id": world.ANNA, "chat_id": world.STAFF_ROOM, "text": "/open"}
    client = {"team": world.TEAM, "user": world.MARTA, "channel": world.CLIENT_CHANNEL, "text": "a < b"}
    assert (await page.post("/ui/telegram/write", json=staff)).json()["ok"]
    assert (await page.post("/ui/slack/write", json=client)).json()["ok"]
    seen = await state(page)
    assert seen["site"]["apps"][0]["reviews"][0]["author"] == "Лена"
    assert seen["telegram"]["chats"][0]["messages"][-1]["text"] == "/open"
    assert seen["slack"]["teams"][0]["channels"][0]["messages"][-1]["text"] == "a &lt; b"


async def test_files_travel_with_messages(page: httpx.AsyncClient) -> None:
    staff = {"user_id": world.ANNA, "chat_id": world.STAFF_ROOM, "text": "/reply"}
    client = {"team": world.TEAM, "user": world.MARTA, "channel": world.CLIENT_CHANNEL, "text": "Смотрите"}
    for face, message in (("telegram", staff), ("slack", client)):
        files = {"file": ("ответ.txt", "Здравствуйте!".encode(), "text/plain")}
        answer = await page.post(f"/ui/{face}/upload", data={"message": json.dumps(message)}, files=files)
        assert answer.json()["ok"], answer.text
    seen = await state(page)
    document = seen["telegram"]["chats"][0]["messages"][-1]["document"]
    (shared,) = seen["slack"]["teams"][0]["channels"][0]["messages"][-1]["files"]
    for file in (document, shared):
        assert file["name"] == "ответ.txt"
        assert (await page.get(file["url"])).content.decode() == "Здравствуйте!"


@pytest.mark.parametrize("data", [{}, {"message": "no json"}, {"message": '{"user_id": 1}'}])
async def test_a_broken_upload_is_explained(page: httpx.AsyncClient, data: dict[str, str]) -> None:
    answer = await page.post("/ui/telegram/upload", data=data, files={"file": ("a.txt", b"a", "text/plain")})
    assert (answer.status_code, answer.json()["ok"]) == (400, False)


async def test_other_web_pages_may_not_act_here(sandbox: Sandbox, page: httpx.AsyncClient) -> None:
    body = {"package": world.PACKAGE, "author": "Лена", "stars": 1, "text": "Плохо"}
    foreign = await page.post("/ui/site/leave", json=body, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    own = await page.post("/ui/site/leave", json=body, headers={"Origin": sandbox.url})
    assert own.status_code == 200


# Live changes


async def test_a_change_reaches_a_page_that_watches(sandbox: Sandbox, page: httpx.AsyncClient) -> None:
    async with page.stream("GET", "/ui/events") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        first = await next_version(lines)
        sandbox.site.leave(world.PACKAGE, "Лена", 1, "Плохо")
        assert await next_version(lines) > first


async def test_a_burst_of_changes_is_told_once(sandbox: Sandbox, page: httpx.AsyncClient) -> None:
    async with page.stream("GET", "/ui/events") as stream:
        lines = stream.aiter_lines()
        await next_version(lines)
        for _ in range(50):
            sandbox.site.leave(world.PACKAGE, "Лена", 1, "Плохо")
        assert await next_version(lines) == sandbox.hub.version
        assert (await state(page))["version"] == sandbox.hub.version


async def test_the_hub_speaks_again_after_silence_and_ends_when_closed() -> None:
    hub = Hub(debounce=0)
    changes = hub.changes(every=0.01)
    assert [await anext(changes), await anext(changes)] == [0, 0]
    hub.notify()
    assert await anext(changes) == 1
    hub.close()
    assert [version async for version in changes] == []


async def test_a_change_between_two_looks_is_not_missed() -> None:
    hub = Hub(debounce=0)
    changes = hub.changes(every=60)
    await anext(changes)
    hub.notify()
    assert await anext(changes) == 1
    await changes.aclose()


# Start and stop


async def test_stopping_ends_watchers_and_frees_the_port() -> None:
    sandbox = Sandbox(debounce=0.01)
    sandbox.demo_world()
    url = await sandbox.start()
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        async with client.stream("GET", "/ui/events") as stream:
            lines = stream.aiter_lines()
            await next_version(lines)
            await asyncio.wait_for(sandbox.stop(), PATIENCE)
            with pytest.raises((AssertionError, httpx.HTTPError)):
                await next_version(lines)
        with pytest.raises(httpx.ConnectError):
            await client.get("/")
    await sandbox.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_program_prints_its_address_and_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    credentials = tmp_path / "play.json"
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--speed", "1000", "--credentials", str(credentials)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        assert (await client.get("/")).status_code == 200
        assert json.loads(credentials.read_text())["token_uri"] == f"{url}/play/token"
    process.send_signal(number)
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, errors.decode()) == (0, "")


async def test_a_taken_port_is_said_in_one_line(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    with pytest.raises(OSError, match="in use"):
        await Sandbox().start(int(port))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", "--port", port, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert len(errors.decode().splitlines()) == 1


@pytest.mark.parametrize("wrong", [["--speed", "0"], ["--port", "x"], ["--unknown"]])
def test_wrong_options_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        arguments(wrong)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_defaults_are_those_of_the_demo() -> None:
    given = arguments([])
    assert (given.port, given.speed, given.feed) == (8900, 1.0, True)
    assert arguments(["--no-feed"]).feed is False
