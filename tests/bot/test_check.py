# ruff: noqa: E501 - one case a line in the tables
"""`check`: the file's faults for people and machines, and what the other sides say when asked."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiogram.client.session.aiohttp import AiohttpSession
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from bot.check import check, online, report
from bot.check.slack import SCOPES
from bot.config import load
from sandbox import world
from sandbox.server import Sandbox
from storage.migrations import upgrade
from tests.bot import sample
from tests.bot.sample import SECRETS, changed

# the file alone


def test_a_sound_file_has_no_faults(tmp_path):
    path = sample.write(tmp_path)
    assert check(path, env=SECRETS) == []
    assert report([]) == "no faults found"
    assert json.loads(report([], as_json=True)) == {"ok": True, "faults": []}


def test_faults_are_a_line_each_for_people_and_fields_for_machines(tmp_path):
    path = sample.write(tmp_path, changed(('"U0MARTA"', '"@marta"'), ('"env:TELEGRAM_TOKEN"', '"7:kept-secret"')))
    faults = check(path, env=SECRETS)
    lines = report(faults).splitlines()
    assert len(lines) == 2
    assert lines[1] == (
        f'{path}: people[1].slack (marta): "@marta" is not a person\'s id in Slack; write "U0ANNA" or "workspace/U0ANNA"'
    )
    told = json.loads(report(faults, as_json=True))
    assert told["ok"] is False
    assert told["faults"][1] == {
        "file": str(path),
        "key": "people[1].slack",
        "of": ["marta"],
        "what": '"@marta" is not a person\'s id in Slack',
        "mend": 'write "U0ANNA" or "workspace/U0ANNA"',
    }
    assert "kept-secret" not in report(faults, as_json=True)


def test_a_faulty_file_asks_nobody(tmp_path):
    path = sample.write(tmp_path, changed(('"U0MARTA"', '"@marta"')))
    assert len(check(path, online=True, env=SECRETS)) == 1


# the other sides, played by the sandbox


@dataclass
class Outside:
    """The sandbox, and a configuration that points at it."""

    sandbox: Sandbox
    folder: Path
    env: dict[str, str]

    async def faults(self, *changes: tuple[str, str], after: str = "", console: Console | None = None) -> list[str]:
        here = changed(
            ("[telegram]\n", f'[telegram]\napi_base = "{self.sandbox.url}/telegram"\n'),
            ("[[slack]]\n", f'[[slack]]\napi_base = "{self.sandbox.url}/slack/api/"\n'),
            ('key = "play"\n', f'key = "play"\napi_base = "{self.sandbox.url}/play"\n'),
        )
        for old, new in changes:
            assert old in here
            here = here.replace(old, new)
        path = sample.write(self.folder, here + after)
        found = await online.check_online(load(path, self.env), "config.toml", console)
        return [str(fault).removeprefix("config.toml: ") for fault in found]


async def _close(session: AiohttpSession) -> None:
    if session._session is not None:
        await session._session.close()


@pytest.fixture
async def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    # aiogram's own close() sleeps 250 ms so that TLS connections end; the sandbox has none.
    monkeypatch.setattr(AiohttpSession, "close", _close)
    sandbox = Sandbox()
    sandbox.demo_world()
    await sandbox.start()
    env = {
        **SECRETS,
        "TELEGRAM_TOKEN": world.TELEGRAM_TOKEN,
        "SLACK_BOT_TOKEN": world.SLACK_BOT_TOKEN,
        "SLACK_APP_TOKEN": world.SLACK_APP_TOKEN,
        "GOOGLE_PLAY_CREDENTIALS": json.dumps(sandbox.site.service_account()),
    }
    yield Outside(sandbox, tmp_path, env)
    await sandbox.stop()


pytestmark = pytest.mark.integration


async def test_all_is_well(outside):
    assert await outside.faults() == []
    assert not (outside.folder / "replydesk.db").exists()


async def test_telegram_refuses_the_token(outside):
    outside.env["TELEGRAM_TOKEN"] = "7:kept-secret"
    assert await outside.faults() == ["telegram.token: Telegram refuses the token; copy it again from @BotFather"]


async def test_the_room_has_no_topics(outside):
    outside.sandbox.telegram.set_forum(world.STAFF_ROOM, False)
    assert await outside.faults() == [
        'clients[0].staff_room (acme): "Acme · staff" has no topics; turn on Topics in the group\'s settings'
    ]


async def test_missing_rights_are_named(outside):
    outside.sandbox.telegram.set_rights(world.STAFF_ROOM, can_manage_topics=False, can_pin_messages=False)
    (fault,) = await outside.faults()
    assert fault == (
        'clients[0].staff_room (acme): in "Acme · staff" @replydesk_bot lacks the right can_manage_topics '
        "(Manage topics), can_pin_messages (Pin messages); give it: Manage topics, Pin messages"
    )


async def test_the_bot_is_no_administrator(outside):
    outside.sandbox.telegram.invite_bot(world.STAFF_ROOM, admin=False)
    (fault,) = await outside.faults()
    assert "@replydesk_bot is no administrator; make it one" in fault


async def test_the_bot_was_put_out_of_the_group(outside):
    outside.sandbox.telegram.kick_bot(world.STAFF_ROOM)
    (fault,) = await outside.faults()
    assert fault == (
        "clients[0].staff_room (acme): the bot is not in the group; add @replydesk_bot as an administrator"
    )


async def test_there_is_no_such_group(outside):
    (fault,) = await outside.faults(("-1001000000001", "-1001000000077"))
    assert fault.startswith("clients[0].staff_room (acme): Telegram says: ")
    assert fault.endswith("check the group's id, and that @replydesk_bot is in it")


async def test_the_leads_room_needs_no_topics(outside):
    outside.sandbox.telegram.add_group(-1001000000009, "Leads", forum=False, bot_admin=False)
    assert await outside.faults(("[desk]\n", '[desk]\nleads_room = "telegram:-1001000000009"\n')) == []


@pytest.mark.parametrize("fault", [("drop_before",), ("html",), ("status", 500)])
async def test_telegram_does_not_answer(outside, fault):
    outside.sandbox.telegram.fail("getMe", fault)
    (found,) = await outside.faults()
    assert found.startswith("telegram.api_base: ")
    assert world.TELEGRAM_TOKEN not in found


async def test_slack_refuses_the_token(outside):
    outside.sandbox.slack.revoke(world.TEAM)
    (fault,) = await outside.faults()
    assert fault.startswith("slack[0].bot_token (main): Slack refuses the token (token_revoked); ")


async def test_slack_refuses_the_app_token(outside):
    outside.env["SLACK_APP_TOKEN"] = "xapp-kept-secret"
    (fault,) = await outside.faults()
    assert fault.startswith("slack[0].app_token (main): Slack refuses the token (")


async def test_missing_scopes_are_named(outside):
    outside.sandbox.slack.set_scopes(world.TEAM, sorted({*SCOPES} - {"chat:write", "files:read"}))
    (fault,) = await outside.faults()
    assert fault.startswith("slack[0].bot_token (main): the token lacks the scopes chat:write, files:read; ")


async def test_the_bot_is_not_in_the_channel(outside):
    outside.sandbox.slack.remove_bot(world.TEAM, world.CLIENT_CHANNEL)
    (fault,) = await outside.faults()
    assert fault.startswith("clients[0].client_room (acme): @")
    assert "is not in #acme-replies; write /invite @" in fault


async def test_the_channel_is_archived(outside):
    outside.sandbox.slack.archive(world.TEAM, world.CLIENT_CHANNEL)
    (fault,) = await outside.faults()
    assert fault == "clients[0].client_room (acme): #acme-replies is archived; bring it back, or take another channel"


async def test_there_is_no_such_channel(outside):
    (fault,) = await outside.faults(("slack:C0ACME", "slack:C0NONE"))
    assert fault.startswith("clients[0].client_room (acme): Slack does not show this channel to the bot; ")


@pytest.mark.parametrize("fault", [("drop_before",), ("html",)])
async def test_slack_does_not_answer(outside, fault):
    outside.sandbox.slack.fail("auth.test", fault)
    (found,) = await outside.faults()
    assert found.startswith("slack[0].")


async def test_a_source_that_cannot_be_read_says_why(outside):
    (fault,) = await outside.faults(("kz.acme.coffee", "kz.acme.other"))
    assert fault.startswith(
        "clients[0].brands[0].sources[0] (acme / coffee / play): Google Play (127.0.0.1): 404 Not Found: Package"
    )


async def test_several_sides_are_told_at_once(outside):
    outside.sandbox.slack.revoke(world.TEAM)
    outside.sandbox.telegram.kick_bot(world.STAFF_ROOM)
    assert len(await outside.faults(("kz.acme.coffee", "kz.acme.other"))) == 3


# the database


async def test_a_database_of_this_version_is_fine(outside):
    await upgrade(f"sqlite+aiosqlite:///{outside.folder}/replydesk.db")
    assert await outside.faults() == []


async def test_a_database_of_a_newer_version_is_a_fault(outside):
    await upgrade(f"sqlite+aiosqlite:///{outside.folder}/replydesk.db")
    connection = sqlite3.connect(outside.folder / "replydesk.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    (fault,) = await outside.faults()
    assert fault.startswith("database.url: the schema is of a newer Replydesk; ")


async def test_a_file_that_is_no_database_is_a_fault(outside):
    (outside.folder / "replydesk.db").write_text("Dear diary, " * 100)
    (fault,) = await outside.faults()
    assert fault.startswith("database.url: the database does not answer (DatabaseError); ")


async def test_a_server_that_is_not_there_is_a_fault(outside):
    url = "postgresql+asyncpg://u:kept-secret@127.0.0.1:1/desk"
    (fault,) = await outside.faults(after=f'[database]\nurl = "{url}"\n')
    assert fault.startswith("database.url: the database does not answer (")
    assert "kept-secret" not in fault


# the AI server

Answer = Callable[[web.Request], web.Response]


def _said(status: int, body: object) -> Answer:
    return lambda request: web.json_response(body, status=status)


MODELS = _said(
    200, {"object": "list", "data": [{"id": "gpt-5-mini", "object": "model", "created": 1, "owned_by": "x"}]}
)
NO_MODELS = _said(404, {"error": {"message": "not found"}})
ONE_TOKEN = _said(200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": []})
NO_MODEL = _said(404, {"error": {"message": "no such model"}})
REFUSED = _said(401, {"error": {"message": "kept-secret is not a key"}})
BUSY = _said(429, {"error": {"message": "quota"}})
BROKEN = _said(500, {"error": {"message": "oops"}})

AI = {
    "in the list": (MODELS, BROKEN, "gpt-5-mini", []),
    "not in the list": (MODELS, NO_MODEL, "gpt-5-mino", ['ai.model: the server has no model "gpt-5-mino"; did you mean "gpt-5-mini"?']),
    "no list but a token": (NO_MODELS, ONE_TOKEN, "m", []),
    "refused": (REFUSED, REFUSED, "m", ["ai.api_key: the server refuses the key; renew it, and see that it may use this model"]),
    "busy": (MODELS, BUSY, "m", ["ai: the server takes no more requests now; check the account's balance and limits"]),
    "broken": (BROKEN, BROKEN, "m", ["ai: the server answers 500; check base_url and model"]),
}  # fmt: skip


@pytest.mark.parametrize("name", AI)
async def test_the_ai_server_is_asked_for_its_model(outside, name):
    models, chat, model, expected = AI[name]

    async def answer(request: web.Request) -> web.Response:
        return (models if request.path == "/v1/models" else chat)(request)

    app = web.Application()
    app.router.add_route("*", "/v1/{path:.*}", answer)
    async with TestServer(app) as server:
        table = f'[ai]\nbase_url = "{server.make_url("/v1")}"\napi_key = "env:OPENAI_API_KEY"\nmodel = "{model}"\n'
        assert await outside.faults(after=table) == expected


async def test_an_ai_server_that_is_not_there(outside):
    table = '[ai]\nbase_url = "http://127.0.0.1:1/v1"\napi_key = "env:OPENAI_API_KEY"\nmodel = "m"\n'
    assert await outside.faults(after=table) == [
        "ai.base_url: no good answer from the server; check the network and base_url"
    ]


# waiting


async def test_a_side_that_does_not_answer_in_time_is_a_fault(outside, monkeypatch):
    monkeypatch.setattr(online, "PART", 0.05)
    outside.sandbox.telegram.fail("getMe", ("delay", 1))
    assert "telegram: no answer within 0.05 s; try again, and check the network" in await outside.faults()


async def test_a_surprise_hides_nothing_and_quotes_nothing(outside, monkeypatch):
    async def surprise(*args: object) -> None:
        raise RuntimeError("https://api/bot7:kept-secret")

    monkeypatch.setattr(online, "connect_telegram", surprise)
    outside.sandbox.slack.revoke(world.TEAM)
    found = await outside.faults()
    assert found[0] == "telegram: could not be asked (RuntimeError); check the addresses in this table"
    assert len(found) == 2


@pytest.mark.parametrize("terminal", [True, False])
async def test_what_takes_long_shows_who_is_asked_on_a_terminal_only(outside, monkeypatch, terminal):
    monkeypatch.setattr(online, "QUIET", 0.01)
    monkeypatch.setenv("TERM", "xterm-256color")  # on a dumb terminal nothing moves, as it should
    outside.sandbox.telegram.fail("getMe", ("delay", 0.3))
    screen = io.StringIO()
    await outside.faults(console=Console(file=screen, force_terminal=terminal))
    assert ("asking Telegram" in screen.getvalue()) is terminal
