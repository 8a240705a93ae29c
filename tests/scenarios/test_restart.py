"""The process: how it ends, how it takes over a changed file, and that a second one is kept off its store."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sandbox import world
from sandbox.server import Sandbox
from tests.scenarios.conftest import Opened
from tests.scenarios.people import wait_for
from tests.scenarios.process import PATIENCE, running
from tests.scenarios.world import SLOW, TELEGRAM_IDS, _side, a_sandbox, write_config


def rewritten(path: Path, old: str, new: str, quietly: bool = False) -> None:
    """Edit the file; `quietly`: as a tool that keeps the time of change."""
    before = path.stat()
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    if quietly:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.xdist_group("forks")
async def test_a_process_from_its_start_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_sandbox() as made:
        database = f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}"
        path = write_config(tmp_path, made, database, monkeypatch, staff="telegram", client="slack")
        staff = _side(made, "staff", "telegram")
        with running(tmp_path) as desk:
            await desk.says("the desk is running")
            with running(tmp_path, forked=True) as second:
                assert (await second.ends())[0] == 1
                assert f"in use by another desk (process {desk.pid})" in " ".join(second.said)
                assert "Traceback" not in " ".join(second.said)

            rewritten(path, 'name = "Acme Coffee"', 'name = "Acme Koffee"', quietly=True)
            desk.signal(signal.SIGHUP)
            await desk.says("config.toml taken over")
            rewritten(path, "[clients.sla]", "[clients.sla]\ntarged = 5", quietly=True)
            desk.signal(signal.SIGHUP)
            await desk.says("config.toml was not taken over, the old one stays")
            await desk.says("target")
            leave(made, "One")
            await wait_for(lambda: staff.texts(1), "the desk goes on", PATIENCE)

            await wait_for(lambda: "Take" in staff.buttons(1), "the first card", PATIENCE)
            made.telegram.fail("sendMessage", ("delay", 60))
            leave(made, "Two")
            await wait_for(lambda: not made.telegram._api.faults._queues["sendmessage"], "a call that hangs", PATIENCE)
            desk.signal(signal.SIGTERM)
            status, seconds = await desk.ends()
            assert status == 0, desk.said
            assert seconds < 10 * SLOW
            assert "Take" not in staff.buttons(2), "its card was on its way"
            assert not any("Traceback" in line or world.TELEGRAM_TOKEN in line for line in desk.said)
        rewritten(path, "\ntarged = 5", "")
        with running(tmp_path, forked=True) as desk:
            await desk.says("the desk is running")
            await wait_for(lambda: "Take" in staff.buttons(2), "what was in flight is there", PATIENCE)
            desk.signal(signal.SIGINT)
            status, seconds = await desk.ends()
            assert (status, seconds < 10 * SLOW) == (0, True)


def leave(made: Sandbox, text: str) -> None:
    made.site.leave(world.PACKAGE, "Dina", 1, text, lang="en")


NINA = f"""
[[people]]
key = "nina"
name = "Nina"
role = "staff"
clients = ["acme"]
telegram = {TELEGRAM_IDS["vera"] + 100}

[[clients]]"""


async def test_a_changed_file_is_taken_over_and_a_faulty_one_is_not(
    desk: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.run.LOOK_AT_FILE", 0.1)
    caplog.set_level("INFO", "replydesk")
    async with desk(staff="telegram", client="slack", rush=True) as w:
        made, path = w.sandbox, w.folder / "config.toml"
        w.staff.ids = {**w.staff.ids, "nina": TELEGRAM_IDS["vera"] + 100}
        made.telegram.add_user(w.staff.ids["nina"], "Nina")
        made.telegram.join(w.staff.room, w.staff.ids["nina"])
        w.review()
        await w.staff.thread(1)
        assert "do not know you" in await w.staff.refused("nina", 1, "Take")
        rewritten(path, "\n[[clients]]", NINA)
        await w.until(lambda: "config.toml taken over" in caplog.text)
        await w.staff.press("nina", 1, "Take")
        assert (await w.state(1, "in_work")).owner == "nina"

        rewritten(path, 'role = "lead"', 'role = "boss"')
        await w.until(lambda: "the old one stays" in caplog.text)
        assert "role" in caplog.text
        await w.staff.reply("nina", 1, "Sorry, Dina")
        await w.until(lambda: "Send to client" in w.staff.buttons(1))
        rewritten(path, 'role = "boss"', 'role = "lead"')
        await w.until(lambda: caplog.text.count("config.toml taken over") == 2)

        rewritten(path, f'client_room = "slack:{world.CLIENT_CHANNEL}"', 'client_room = "slack:C0ACME2"')
        made.slack.add_channel(world.TEAM, "C0ACME2", "acme-2")
        await w.until(lambda: caplog.text.count("config.toml taken over") == 3)
        await w.staff.press("nina", 1, "Send to client")
        await w.until(lambda: any("#1" in str(m) for m in made.slack.messages(world.TEAM, "C0ACME2")))
        rewritten(path, 'listen = ""', 'listen = "127.0.0.1:0"')
        await w.until(lambda: "after a restart also: desk.listen" in caplog.text)
