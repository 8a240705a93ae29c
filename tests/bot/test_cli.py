"""The commands as people type them: exit status, what goes to stdout and what to stderr."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from typer.testing import CliRunner

from bot.__main__ import cli
from desk.ports import SourceStatus
from sandbox import world
from sandbox.server import Sandbox
from storage.store import open_store
from tests.bot import sample
from tests.scenarios.world import SECRETS, World, a_sandbox, opened, write_config

COMMANDS = {"run", "check", "demo", "sources", "collect", "digest", "export", "forget", "db"}


class Ran:
    """One command: `out` and `err` are what it wrote."""

    def __init__(self, result: Any) -> None:
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        self.status, self.out, self.err = result.exit_code, result.stdout, result.stderr

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


async def ran(*words: object) -> Ran:
    """Beside the servers of the test, in a thread of its own."""
    return Ran(await asyncio.to_thread(CliRunner().invoke, cli, [str(word) for word in words]))


def listed(text: str) -> set[str]:
    return set(re.findall(r"^│ (\w+)  ", text, re.MULTILINE))


def test_help_lists_what_there_is_and_nothing_else() -> None:
    run = subprocess.run([sys.executable, "-m", "bot", "--help"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert listed(run.stdout) == COMMANDS
    assert listed(CliRunner().invoke(cli, ["db", "--help"]).stdout) == {"upgrade", "check", "backup", "copy"}


def test_commands_that_need_no_messenger_load_none_and_no_ai() -> None:
    heavy = ("aiogram", "slack_bolt", "openai")
    code = (
        "import sys, bot.__main__, bot.config, bot.upkeep, bot.reports.digest, bot.reports.exporting, "
        f"bot.reports.sources; print([m for m in {heavy} if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


@pytest.mark.parametrize(
    "words",
    [
        ["init"],
        ["report", "acme"],
        ["db", "backup"],
        ["db", "copy", "--from", "sqlite+aiosqlite:///desk.db"],
        ["check", "--offline"],
        ["collect"],
        ["collect", "acme-play", "--since", "yesterday"],
        ["digest", "acme", "--date", "1.11.2026"],
        ["export", "acme"],
    ],
    ids=" ".join,
)
async def test_what_cannot_be_understood_is_a_fault_of_usage(words: list[str]) -> None:
    run = await ran(*words)
    assert (run.status, run.out) == (2, "")
    assert "Error" in run.err


# check


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in sample.SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REPLYDESK_CONFIG", raising=False)
    return monkeypatch


FAULTY = (('role = "staff"', 'role = "boss"'), ('platform = "webhook"', 'platform = "myspace"'))


async def test_check_tells_people_on_stderr_and_machines_on_stdout(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    account = json.dumps(Sandbox().site.service_account())
    env.setenv("GOOGLE_PLAY_CREDENTIALS", account)
    good = sample.write(tmp_path)
    run = await ran("check", "--config", good)
    assert (run.status, run.out, run.err) == (0, "", "no faults found\n")
    env.setenv("REPLYDESK_CONFIG", str(good))
    run = await ran("check", "--json")
    assert (run.status, json.loads(run.out), run.err) == (0, {"ok": True, "faults": []}, "")

    bad = sample.write(tmp_path, sample.changed(*FAULTY))
    run = await ran("check")
    assert (run.status, run.out) == (2, "")
    lines = run.err.splitlines()
    assert len(lines) == 2, "all at once, a line each"
    assert all(re.match(rf"{re.escape(str(bad))}: [\w\[\].]+.*: .+; .+", line) for line in lines)
    run = await ran("check", "--json")
    assert run.status == 2
    assert [fault["key"] for fault in json.loads(run.out)["faults"]] == [
        "people[0].role",
        lines[1].split(": ")[1].split(" ")[0],
    ]
    for command in (["run"], ["sources"], ["db", "upgrade"]):
        run = await ran(*command)
        assert (run.status, run.out, run.err.splitlines()) == (2, "", lines), command


async def test_a_file_that_is_not_there_is_named_with_a_way_on(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    run = await ran("run", "--config", tmp_path / "none.toml")
    assert run.status == 2
    assert "none.toml" in run.err
    assert "--config" in run.err
    assert " init" not in run.err, "what is not built is shown nowhere"


# beside the world


async def configured(made: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    database = f"sqlite+aiosqlite:///{folder / 'desk.db'}"
    path = write_config(folder, made, database, monkeypatch, staff="telegram", client="slack")
    monkeypatch.setenv("REPLYDESK_CONFIG", str(path))
    return path


async def test_commands_on_a_desk_that_has_not_run_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_sandbox() as made:
        await configured(made, tmp_path, monkeypatch)
        made.site.leave(world.PACKAGE, "Dina", 1, "Cold <coffee>", lang="en")
        assert ((await ran("check", "--online")).status) == 0

        run = await ran("collect", "acme-play", "--dry-run")
        assert run.status == 0
        assert [(m["text"], m["rating"], m["author"]["name"]) for m in run.lines] == [("Cold <coffee>", 1, "Dina")]
        assert not (tmp_path / "desk.db").exists(), "nothing is stored"
        assert (await ran("collect", "acme-play", "--dry-run", "--since", "2100-01-01")).lines == []
        run = await ran("collect", "none")
        assert (run.status, run.out) == (2, "")
        assert "acme-play" in run.err

        for command in (["sources"], ["digest", "acme"], ["export", "acme", "--out", tmp_path / "a.csv"]):
            run = await ran(*command)
            assert (run.status, run.out) == (1, ""), command
            assert "no such database yet" in run.err

        run = await ran("db", "upgrade")
        assert (run.status, run.out, run.err) == (0, "", "the database is up to date\n")
        assert len((await ran("collect", "acme-play")).lines) == 1
        run = await ran("sources")
        assert run.status == 0
        for words in ("acme-play", "google_play", "reply, edit, look"):
            assert words in run.out
        assert "never" not in run.out

        made.site.fail("reviews.list", *[("status", 401)] * 3)
        made.site.fail("token", *[("status", 401)] * 3)
        run = await ran("collect", "acme-play", "--dry-run")
        assert (run.status, run.out) == (1, "")
        assert "401" in run.err
        assert "Traceback" not in run.err


async def test_what_the_other_sides_say_is_a_fault_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_sandbox() as made:
        path = await configured(made, tmp_path, monkeypatch)
        made.telegram.set_forum(world.STAFF_ROOM, False)
        made.slack.remove_bot(world.TEAM, world.CLIENT_CHANNEL)
        made.site.forbid(world.PACKAGE, "reviews.list")
        run = await ran("check", "--online")
        assert (run.status, run.out) == (2, "")
        for words in ("turn on Topics", "write /invite @desk there", "acme-play", "403"):
            assert words in run.err, words
        text = path.read_text("utf-8")
        nowhere = re.sub('url = "sqlite[^"]*"', 'url = "postgresql+asyncpg://u:hush@127.0.0.1:1/x"', text)
        path.write_text(nowhere, encoding="utf-8")
        for command in (["sources"], ["db", "upgrade"]):
            run = await ran(*command)
            assert (run.status, run.out, run.err.count("\n")) == (1, "", 1), command
            assert "hush" not in run.err


async def test_commands_beside_a_running_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}"
    monkeypatch.setenv("REPLYDESK_CONFIG", str(tmp_path / "config.toml"))
    async with opened(tmp_path, database, monkeypatch, rush=True) as w:
        await _a_case_answered(w)
        run = await ran("sources")
        assert run.status == 0
        run = await ran("digest", "acme")
        assert run.status == 0
        staff, client = run.out.strip().split("\n\n")[:2]
        assert "Acme Coffee" in staff
        assert "Acme Coffee" in client
        assert (await ran("digest", "nobody")).status == 2
        run = await ran("digest", "acme", "--date", "2020-02-29")
        assert "29 Feb 2020" in run.out

        for name in ("acme.csv", "acme.jsonl", "acme.xlsx"):
            run = await ran("export", "acme", "--out", tmp_path / name)
            assert (run.status, run.out) == (0, ""), run.err
            assert "1 row" in run.err
        rows = list(csv.DictReader((tmp_path / "acme.csv").read_text("utf-8-sig").splitlines()))
        line = json.loads((tmp_path / "acme.jsonl").read_text("utf-8"))
        assert list(rows[0]) == list(line), "the same columns"
        assert rows[0]["reply_text"] == line["reply_text"] == "Sorry, Dina"
        headers, values = load_workbook(tmp_path / "acme.xlsx").worksheets[0].iter_rows(values_only=True)
        assert dict(zip(headers, values, strict=True)) == {n: None if v == "" else v for n, v in line.items()}
        run = await ran("export", "acme", "--from", "2020-01-01", "--to", "2020-01-31", "--out", tmp_path / "no.csv")
        assert "0 rows" in run.err
        assert not (await w.case(1)).unknown
        for words in (["acme", "--out", "a.xls"], ["acme", "--out", "a"], ["nobody", "--out", "a.csv"]):
            assert (await ran("export", *words)).status == 2, words
        days = (["export", "--out", "a.csv", "--from"], ["export", "--out", "a.csv", "--to"], ["digest", "--date"])
        for words in days:
            for day in ("0001-01-01", "9999-12-31"):
                run = await ran(*words, day, "acme")
                assert (run.status, "is no day of this desk's" in run.err) == (2, True), words
        assert (await ran("export", "acme", "--out", tmp_path / "none" / "a.csv")).status == 1

        for command in (["collect", "acme-play"], ["digest", "acme", "--send"], ["db", "upgrade"]):
            run = await ran(*command)
            assert (run.status, run.out) == (1, ""), command
            assert "in use by another desk" in run.err


REPEATED = (
    "check --online",
    "check --online --json",
    "collect acme-play --dry-run",
    "collect acme-play",
)


@pytest.mark.parametrize("command", REPEATED)
async def test_a_secret_that_a_server_repeats_to_us_is_not_shown(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_sandbox() as made:
        await configured(made, tmp_path, monkeypatch)
        echo = f"no {SECRETS['REPLYDESK_SECRET']} at /bot{SECRETS['TELEGRAM_TOKEN']}/x"
        made.site.fail("reviews.list", *[("error", 403, "authError", echo)] * 3)
        made.slack.fail("auth.test", ("error", f"no_{SECRETS['SLACK_BOT_TOKEN']}"))
        run = await ran(*command.split())
    assert run.status in (1, 2)
    assert "*** at /bot***/x" in run.out + run.err
    assert SECRETS["SLACK_BOT_TOKEN"] not in run.out + run.err


async def test_what_a_platform_said_is_shown_to_the_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "400: [/b] is no [red]tag[/red] :warning:"
    async with a_sandbox() as made:
        await configured(made, tmp_path, monkeypatch)
        store = await open_store(f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}")
        async with store.write() as unit:
            await unit.set_source(SourceStatus("acme-play", failures=1, last_error=said))
        await store.close()
        run = await ran("sources")
        assert run.status == 0
        assert said in run.out


async def _a_case_answered(w: World) -> None:
    await w.proposed("Sorry, Dina")
    await w.client.press("marta", 1, "Approve")
    await w.state(1, "answered")


async def test_a_digest_can_be_sent_when_the_desk_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path / 'desk.db'}"
    async with a_sandbox() as made:
        await configured(made, tmp_path, monkeypatch)
        run = await ran("digest", "acme", "--send")
        assert (run.status, run.out) == (0, "")
        async with opened(tmp_path, database, monkeypatch, sandbox=made, rush=True) as w:
            for side in (w.staff, w.client):
                await w.until(lambda side=side: any("a quiet day" in text for text in side.room_texts()))


# db


async def test_a_database_is_made_checked_and_backed_up(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("REPLYDESK_CONFIG", str(sample.write(tmp_path)))
    for command in (["db", "check"], ["db", "backup", tmp_path / "b.db"]):
        run = await ran(*command)
        assert (run.status, run.out) == (1, "")
        assert "no such database yet" in run.err
    assert (await ran("db", "upgrade")).status == 0
    run = await ran("db", "check")
    assert (run.status, run.out, run.err) == (0, "", "the database is sound\n")
    run = await ran("db", "backup", tmp_path / "b.db")
    assert (run.status, run.out) == (0, "")
    assert re.fullmatch(r"pages: \d+\n.*b\.db: [\d,]+ bytes\n", run.err)
    run = await ran("db", "backup", tmp_path / "b.db")
    assert (run.status, "exists already" in run.err) == (1, True)
    with sqlite3.connect(tmp_path / "replydesk.db") as desk:
        desk.execute("INSERT INTO mentions SELECT 1, 'b', 'p', 'a', 'x', 's', 'u', 'f', '{}', '', 0, '', '2026', 77")
    desk.close()
    run = await ran("db", "check")
    assert (run.status, run.out, run.err) == (1, "", "1 mentions whose case is not there: 1\n")


async def test_a_backup_of_postgres_is_left_to_it(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    url = '[database]\nurl = "postgresql+asyncpg://desk:hush@db.example/desk"\n'
    env.setenv("REPLYDESK_CONFIG", str(sample.write(tmp_path, sample.SOUND + url)))
    run = await ran("db", "backup", tmp_path / "b.dump")
    assert (run.status, run.out) == (2, "")
    assert f"pg_dump --format=custom --file={tmp_path / 'b.dump'} postgresql://desk@db.example/desk" in run.err


@pytest.mark.integration
async def test_a_database_is_copied(sqlite_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_URL", postgres_url)
    run = await ran("db", "copy", "--from", sqlite_url, "--to", "env:TARGET_URL")
    assert run.status == 0
    shown = {
        name: (rows, len(checksum)) for name, rows, checksum in (line.split("\t") for line in run.out.splitlines())
    }
    assert shown["cases"] == shown["work"] == ("0", 64)
    assert run.err.splitlines()[-1].startswith("0 rows are there; name the new address")
    for words, status, says in (
        (["--from", sqlite_url, "--to", "env:NOT_SET"], 2, "this variable is not set"),
        (["--from", "nonsense", "--to", postgres_url], 2, "this is no database url"),
        (["--from", postgres_url, "--to", postgres_url], 2, "moves from sqlite"),
        (["--from", f"{sqlite_url}.none", "--to", postgres_url], 1, "no such database yet"),
    ):
        run = await ran("db", "copy", *words)
        assert (run.status, run.out, says in run.err) == (status, "", True), run.err
