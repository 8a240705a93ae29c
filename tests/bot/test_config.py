# ruff: noqa: E501 - one faulty snippet and its sentence a line
"""config.toml: what is accepted, what it means, and every fault in one list."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import Config, ConfigFaults, load, parse_duration, show_duration, terms
from bot.config.models import Model
from tests.bot import sample
from tests.bot.sample import ACME, ANNA, COFFEE, DESK, HOOK, MARTA, PLAY, SECRETS, SLACK, SOUND, TELEGRAM, changed

ROOT = Path(__file__).parents[2]
END = "\n"


@pytest.fixture
def read(tmp_path: Path):
    def read(text: str, env: dict[str, str] = SECRETS) -> Config:
        return load(sample.write(tmp_path, text), env)

    return read


@pytest.fixture
def faults(tmp_path: Path):
    def faults(text: str | bytes, env: dict[str, str] = SECRETS) -> list[str]:
        path = tmp_path / "config.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with pytest.raises(ConfigFaults) as refused:
            load(path, env)
        return [str(fault).removeprefix(f"{path}: ") for fault in refused.value.faults]

    return faults


# what a sound file means


def test_the_example_at_the_top_of_the_repository_is_sound():
    config = load(ROOT / "config.toml", SECRETS)
    assert [client.key for client in config.clients] == ["acme"]


def test_env_example_names_every_variable_of_the_example():
    named = set(re.findall(r'^[^#\n]*"env:(\w+)"', (ROOT / "config.toml").read_text(), re.MULTILINE))
    given_there = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert named == given_there


def test_defaults_are_those_of_the_contract(read):
    config = read(SOUND)
    client = config.clients[0]
    assert config.desk.address == ("127.0.0.1", 8080)
    assert config.telegram.api_base == "https://api.telegram.org"
    assert config.telegram.group_per_minute == 20
    assert config.slack[0].api_base == "https://slack.com/api/"
    assert (client.sla.target, client.sla.limit) == (timedelta(minutes=90), timedelta(hours=24))
    assert client.sla.warn_at == (50, 75, 90)
    assert client.approval.undo == timedelta(seconds=60)
    assert client.digest_at == time(9)
    assert client.ai is True
    assert config.ai is None


def test_slack_rooms_and_people_always_carry_their_workspace(read):
    config = read(SOUND)
    assert config.clients[0].client_room == "slack:main/C0ACME"
    assert config.people[1].slack == "main/U0MARTA"


def test_without_a_workspace_the_first_one_is_meant(read):
    other = SLACK.replace('"main"', '"other"')
    config = read(changed((SLACK, SLACK + other)))
    assert config.clients[0].client_room == "slack:main/C0ACME"


def test_the_database_lies_beside_the_file(read, tmp_path):
    assert read(SOUND).database.url.get_secret_value() == f"sqlite+aiosqlite:///{tmp_path.resolve()}/replydesk.db"


def test_the_database_may_be_a_secret(read):
    url = "postgresql+asyncpg://desk:kept-secret@db.example/desk"
    config = read(SOUND + '[database]\nurl = "env:DB"\n', {**SECRETS, "DB": url})
    assert config.database.url.get_secret_value() == url


def test_a_source_has_its_platforms_poll_interval_unless_it_says_otherwise(read):
    play = read(SOUND).clients[0].brands[0].sources[0]
    assert play.every == timedelta(minutes=5)
    play = read(changed((PLAY, PLAY + 'every = "7m"\n'))).clients[0].brands[0].sources[0]
    assert play.every == timedelta(minutes=7)


def test_a_platform_on_this_machine_has_no_floor(read):
    local = PLAY + 'every = "1s"\napi_base = "http://127.0.0.1:8900/play"\n'
    assert read(changed((PLAY, local))).clients[0].brands[0].sources[0].every == timedelta(seconds=1)


def test_what_a_brand_sets_wins_key_by_key(read):
    own = '[clients.brands.sla]\ntarget = "30m"\n[clients.brands.approval]\nundo = "0s"\n'
    client = read(changed((ACME, ACME + '[clients.sla]\nlimit = "12h"\n'), (COFFEE, COFFEE + own))).clients[0]
    agreed = terms(client, client.brands[0])
    assert (agreed.sla.target, agreed.sla.limit) == (timedelta(minutes=30), timedelta(hours=12))
    assert agreed.approval.undo == timedelta()
    assert client.sla.target == timedelta(minutes=90)


def test_secrets_come_from_env_from_files_and_from_dotenv(read, tmp_path):
    (tmp_path / "key.txt").write_text("kept-secret-of-the-desk-file\n")
    (tmp_path / "key.txt").chmod(0o600)
    (tmp_path / ".env").write_text("SLACK_BOT_TOKEN=from-dotenv\nTELEGRAM_TOKEN='1:dotenv'\n")
    env = {name: value for name, value in SECRETS.items() if name != "SLACK_BOT_TOKEN"}
    config = read(changed(('"env:REPLYDESK_SECRET"', '"file:key.txt"')), env)
    assert config.desk.secret_key.get_secret_value() == "kept-secret-of-the-desk-file"
    assert config.slack[0].bot_token.get_secret_value() == "from-dotenv"
    assert config.telegram.token.get_secret_value() == SECRETS["TELEGRAM_TOKEN"]


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode())
    assert load(path, SECRETS).clients[0].key == "acme"


def test_every_key_has_a_title_and_a_description():
    models = _all_models(Model)
    bare = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not (field.title and field.description)
    ]
    assert len(models) > 10
    assert bare == []


def _all_models(model: type) -> list[type]:
    own = [one for one in model.__subclasses__() if not one.__name__.endswith("Read")]
    return own + [deeper for one in own for deeper in _all_models(one)]


# faults, one by one: (what is changed, the whole line expected after the file's name)

STEPS = ACME + "[clients.approval]\nsteps = [{}]\n"
BREWER = MARTA.replace("marta", "brewer").replace("U0MARTA", "U0BREWER").replace("acme", "brew")
OSKAR = ANNA.replace("anna", "oskar").replace("1001", "1002")
BREW = ACME.replace('"acme"', '"brew"').replace("C0ACME", "C0BREW") + COFFEE.replace('"coffee"', '"ale"')
WEB = 'mode = "webhook"\npublic_url = "https://d.example"\nsecret = "env:ACME_HOOK_SECRET"\n'
AI = '[ai]\nbase_url = "https://ai.example/v1"\n'
TALK = '[[clients.brands.sources]]\nkey = "talk"\nplatform = "telegram"\ntoken = "env:TELEGRAM_TOKEN"\nchats = [-1001000000009]\n'
NEWS = HOOK + '[[clients.brands.sources]]\nkey = "news"\nplatform = "rss"\nurl = "{}"\nevery = "{}"\n'

DROPPED = '[[clients.brands.sources]]\nkey = "drop"\nplatform = "csv"\npath = "drop"\n'

FAULTY = {
    # unknown and not built
    "nearest key": ((ANNA, ANNA + 'tellegram = 5\n'), 'people[0].tellegram (anna): unknown key; did you mean "telegram"?'),
    "no key near": ((ANNA, ANNA + "zzz = 5\n"), "people[0].zzz (anna): unknown key; known keys: clients, key, language, name, role, slack, telegram"),
    "nearest table": ((END, END), 'databse: unknown key; did you mean "database"?', "[databse]\nx = 1\n"),
    "mail": ((END, END), "mail: not built yet; remove it", '[mail]\nhost = "smtp"\n'),
    "email": ((ANNA, ANNA + 'email = "a@b.c"\n'), "people[0].email (anna): not built yet; remove it"),
    "keywords": ((COFFEE, COFFEE + 'keywords = ["a"]\n'), "clients[0].brands[0].keywords (acme / coffee): not built yet; remove it"),
    "card": ((COFFEE, COFFEE + 'card = ["negative", "question"]\n'), 'clients[0].brands[0].card (acme / coffee): other cards than negative: not built yet; write ["negative"], or remove the key'),
    "hours": ((ACME, ACME + '[clients.sla]\nhours = "Mon-Fri 09:00-13:00"\n'), 'clients[0].sla.hours (acme): other hours than always: not built yet; write "always", or remove the key'),
    "holidays": ((ACME, ACME + '[clients.sla]\nholidays = "KZ"\n'), "clients[0].sla.holidays (acme): not built yet; remove it"),
    "deputies": ((ACME, ACME + "[clients.approval]\ndeputies = []\n"), "clients[0].approval.deputies (acme): not built yet; remove it"),
    "platform unknown": (('"google_play"', '"gogle_play"'), 'clients[0].brands[0].sources[0].platform (acme / coffee / play): there is no platform "gogle_play"; did you mean "google_play"?'),
    "source's key": ((PLAY, PLAY + 'pakage = "a.b"\n'), 'clients[0].brands[0].sources[0].pakage (acme / coffee / play): unknown key; did you mean "package"?'),
    "address of no API": ((COFFEE, COFFEE + DROPPED + 'api_base = "https://a.example"\n'), 'clients[0].brands[0].sources[0].api_base (acme / coffee / drop): unknown key; known keys: columns, every, key, path, platform, separator, timezone'),
    "proxy of a folder": ((COFFEE, COFFEE + DROPPED + 'proxy = "http://p.example:3128"\n'), 'clients[0].brands[0].sources[0].proxy (acme / coffee / drop): unknown key; known keys: columns, every, key, path, platform, separator, timezone'),
    # types and forms
    "missing": (('name = "Anna"\n', ""), "people[0].name (anna): is required; add it: as others see it, such as \"Anna\""),
    "missing table": ((DESK, ""), 'desk.secret_key: is required; add it: encrypts rotated tokens and sessions at rest (Fernet), such as "env:REPLYDESK_SECRET"'),
    "missing setting": (('package = "kz.acme.coffee"\n', ""), "clients[0].brands[0].sources[0].package (acme / coffee / play): is required; add it: The app's id, as in its Play Store address: com.example.app"),
    "text": (('name = "Anna"', "name = 5"), 'people[0].name (anna): must be text in quotes; write it as "Anna"'),
    "empty text": (('name = "Anna"', 'name = " "'), 'people[0].name (anna): must not be empty; write it as "Anna"'),
    "number": (("telegram = 1001", 'telegram = "1001"'), "people[0].telegram (anna): must be a whole number; write it as 1001"),
    "switch": ((DESK, DESK + 'posting = "no"\n'), "desk.posting: must be true or false, without quotes; write it as true"),
    "choice": (('"staff"', '"boss"'), "people[0].role (anna): must be 'staff', 'lead', 'approver' or 'viewer'; write it as \"staff\""),
    "list": (('clients = ["*"]', 'clients = "*"'), 'people[0].clients (anna): must be a list in [ ]; write it as ["acme"]'),
    "one bracket": (("[[slack]]", "[slack]"), "slack: must be a list of tables; write [[slack]] with two brackets"),
    "two brackets": (("[telegram]", "[[telegram]]"), "telegram: must be a table; write [telegram] with one bracket, its keys below"),
    "no table": ((COFFEE + PLAY + HOOK, 'brands = ["coffee"]'), "clients[0].brands[0] (acme): must be a table; write its keys as key = value"),
    "key": (('key = "anna"', 'key = "анна"'), 'people[0].key (анна): "анна" is not a key; use 1 to 40 of A-Z a-z 0-9 _ -, such as acme-coffee'),
    "language": ((DESK, DESK + 'language = "de"\n'), "desk.language: must be 'en', 'ru' or 'kk'; write it as \"ru\""),
    "zone": (("Asia/Almaty", "Asia/Almata"), 'desk.timezone: "Asia/Almata" is not a time zone of the IANA list; did you mean "Asia/Almaty"?'),
    "time": ((ACME, ACME + 'digest_at = "9:00"\n'), 'clients[0].digest_at (acme): "9:00" is not a time of day; write hours and minutes in quotes, such as "09:00"'),
    "time of TOML": ((ACME, ACME + "digest_at = 09:00:00\n"), 'clients[0].digest_at (acme): must be text in quotes; write hours and minutes in quotes, such as "09:00"'),
    "duration": ((ACME, ACME + '[clients.sla]\ntarget = "1h30m"\n'), 'clients[0].sla.target (acme): "1h30m" is not a length of time; write a whole number and s, m, h or d, such as "90s", "60m", "24h", "7d"'),
    "bare duration": ((ACME, ACME + "[clients.sla]\ntarget = 90\n"), 'clients[0].sla.target (acme): must be text in quotes; write a whole number and s, m, h or d, such as "90s", "60m", "24h", "7d"'),
    "no time": ((ACME, ACME + '[clients.sla]\ntarget = "0m"\n'), 'clients[0].sla.target (acme): must be longer than 0s; write, for example, "5m"'),
    "source's duration": ((PLAY, PLAY + 'every = "often"\n'), 'clients[0].brands[0].sources[0].every (acme / coffee / play): "often" is not a length of time; write a whole number and s, m, h or d, such as "90s", "60m", "24h", "7d"'),
    "below the floor": ((PLAY, PLAY + 'every = "30s"\n'), 'clients[0].brands[0].sources[0].every (acme / coffee / play): 30s is below the floor of Google Play; write "3m" or more'),
    "local but never": ((HOOK, NEWS.format("http://localhost/feed", "0s")), 'clients[0].brands[0].sources[2].every (acme / coffee / news): 0s is below the floor of RSS; write "1s" or more'),
    "percent": ((ACME, ACME + "[clients.sla]\nwarn_at = [50, 100]\n"), "clients[0].sla.warn_at[1] (acme): must be 99 or less; write it as [50, 75, 90]"),
    "percent order": ((ACME, ACME + "[clients.sla]\nwarn_at = [90, 50]\n"), "clients[0].sla.warn_at (acme): must rise, each number once; write it as [50, 90]"),
    "listen": ((DESK, DESK + 'listen = "8080"\n'), 'desk.listen: "8080" is not host:port; write, for example, "127.0.0.1:8080", or "" for none'),
    "address": ((TELEGRAM, TELEGRAM + 'api_base = "api.telegram.org"\n'), 'telegram.api_base: must be an http:// or https:// address; write it as "https://api.telegram.org"'),
    "room": (('"slack:C0ACME"', '"#acme"'), 'clients[0].client_room (acme): "#acme" is not a room; write "telegram:-100…" (the group\'s id) or "slack:C…" or "slack:workspace/C…" (the channel\'s id)'),
    "private chat": (('"telegram:-1001000000001"', '"telegram:1001"'), 'clients[0].staff_room (acme): "telegram:1001" is not a room; write "telegram:-100…" (the group\'s id) or "slack:C…" or "slack:workspace/C…" (the channel\'s id)'),
    "workspace": (('"slack:C0ACME"', '"slack:mian/C0ACME"'), 'clients[0].client_room (acme): names the workspace "mian", and no [[slack]] has that key; did you mean "main"?'),
    "no telegram": ((TELEGRAM, ""), "clients[0].staff_room (acme): is a room of Telegram, and there is no [telegram]; add [telegram] with the bot's token"),
    "slack user": (('"U0MARTA"', '"@marta"'), 'people[1].slack (marta): "@marta" is not a person\'s id in Slack; write "U0ANNA" or "workspace/U0ANNA"'),
    "facts": ((COFFEE, COFFEE + 'facts = "facts.md"\n'), "clients[0].brands[0].facts (acme / coffee): there is no file facts.md; make it, or remove the key; the path is taken from {folder}"),
    "database folder": ((END, END), "database.url: the folder {folder}/data does not exist; make the folder first", '[database]\nurl = "sqlite+aiosqlite:///data/desk.db"\n'),
    "database driver": ((END, END), 'database.url: "postgresql" is not a database the desk runs on; write "sqlite+aiosqlite:///replydesk.db" or "postgresql+asyncpg://user:password@host/name"', '[database]\nurl = "postgresql://u:kept-secret@h/d"\n'),
    "database in memory": ((END, END), 'database.url: a SQLite desk needs a file; write "sqlite+aiosqlite:///replydesk.db"', '[database]\nurl = "sqlite+aiosqlite://"\n'),
    "database nonsense": ((END, END), 'database.url: is not the address of a database; write "sqlite+aiosqlite:///replydesk.db" or "postgresql+asyncpg://user:password@host/name"', '[database]\nurl = "replydesk.db"\n'),
    # secrets
    "plain secret": (('"env:TELEGRAM_TOKEN"', '"7:kept-secret"'), 'telegram.token: a secret must not stand here in plain text; put it into .env beside config.toml and write "env:TOKEN" (or "file:PATH")'),
    "plain secret of a source": (('"env:ACME_HOOK_SECRET"', '"whsec_kept-secret"'), 'clients[0].brands[0].sources[1].secret (acme / coffee / hook): a secret must not stand here in plain text; put it into .env beside config.toml and write "env:SECRET" (or "file:PATH")'),
    "number for a secret": (('"env:TELEGRAM_TOKEN"', "7"), 'telegram.token: must be text in quotes; write "env:TOKEN"'),
    "unset": (("env:TELEGRAM_TOKEN", "env:NO_TOKEN"), "telegram.token: the environment variable NO_TOKEN is not set; set NO_TOKEN in the environment or in .env beside config.toml"),
    "secret as a name": (("env:TELEGRAM_TOKEN", "env:7:kept-secret"), 'telegram.token: what follows env: is not the name of a variable; write "env:" and a name such as TELEGRAM_TOKEN'),
    "no file": (("env:TELEGRAM_TOKEN", "file:token.txt"), "telegram.token: the file token.txt cannot be read (No such file or directory); the path is taken from {folder}"),
    "short key": (("env:REPLYDESK_SECRET", "env:SHORT"), 'desk.secret_key: is shorter than 16 characters; make one: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'),
    "empty": (("env:TELEGRAM_TOKEN", "env:EMPTY"), "telegram.token: the environment variable EMPTY is empty; set EMPTY in the environment or in .env beside config.toml"),
    "not a token": (("env:TELEGRAM_TOKEN", "env:SHORT"), "telegram.token: is not a bot's token; copy it from @BotFather: digits, a colon, letters"),
    # messengers
    "webhook without address": ((TELEGRAM, TELEGRAM + WEB.replace('public_url = "https://d.example"\n', "").replace("ACME_HOOK_SECRET", "SHORT")), "telegram.public_url: is required by mode webhook; add it, or use mode polling"),
    "webhook secret": ((TELEGRAM, TELEGRAM + WEB.replace("ACME_HOOK_SECRET", "SPACED")), "telegram.secret: is not a secret Telegram takes; use 1 to 256 of A-Z a-z 0-9 _ -"),
    "webhook in the clear": ((TELEGRAM, TELEGRAM + WEB.replace("https:", "http:").replace("ACME_HOOK_SECRET", "SHORT")), "telegram.public_url: must be an https:// address; Telegram calls no other"),
    "socket without token": (('app_token = "env:SLACK_APP_TOKEN"\n', ""), 'slack[0].app_token (main): is required by mode socket; add it: "env:SLACK_APP_TOKEN"'),
    "http without secret": ((SLACK, SLACK + 'mode = "http"\n'), 'slack[0].signing_secret (main): is required by mode http; add it: "env:SLACK_SIGNING_SECRET"'),
    "http without address": ((SLACK, SLACK + 'mode = "http"\nsigning_secret = "env:SLACK_SIGNING_SECRET"\n'), "slack[0].mode (main): needs an address to listen at; set listen in [desk]", "", (DESK, DESK + 'listen = ""\n')),
    "ai": ((END, END), 'ai.model: is required; add it: as the server calls it, such as "gpt-5-mini"', AI + 'api_key = "env:OPENAI_API_KEY"\n'),
    "ai without key": ((END, END), 'ai.api_key: is required; add it: any text where the server needs none, such as "env:OPENAI_API_KEY"', AI + 'model = "m"\n'),
    # across tables
    "same person": ((ANNA, ANNA + ANNA.replace("1001", "1002")), 'people[1].key (anna): "anna" is used twice, first at people[0].key; give each its own'),
    "same client": ((END, END), 'clients[1].key (acme): "acme" is used twice, first at clients[0].key; give each its own', ACME),
    "same brand": ((END, END), 'clients[0].brands[1].key (acme / coffee): "coffee" is used twice, first at clients[0].brands[0].key; give each its own', COFFEE),
    "same source": ((HOOK, HOOK.replace('"hook"', '"play"')), 'clients[0].brands[0].sources[1].key (acme / coffee / play): "play" is used twice, first at clients[0].brands[0].sources[0].key; give each its own'),
    "same place": ((COFFEE, COFFEE + 'places = [{id = "a", name = "A"}, {id = "a", name = "B"}]\n'), 'clients[0].brands[0].places[1].id (acme / coffee): "a" is used twice, first at clients[0].brands[0].places[0].id; give each its own'),
    "same bot as the desk's": ((END, END), "clients[0].brands[0].sources[2].token (acme / coffee / talk): this bot is read by telegram already, and one takes the other's messages; give each its own bot", TALK),
    "same bot of two sources": ((TELEGRAM, TELEGRAM.replace("TELEGRAM_TOKEN", "OTHER_BOT")), "clients[0].brands[0].sources[3].token (acme / coffee / chat): this bot is read by clients[0].brands[0].sources[2].token already, and one takes the other's messages; give each its own bot", TALK + TALK.replace("talk", "chat")),
    "same workspace": ((SLACK, SLACK + SLACK), 'slack[1].key (main): "main" is used twice, first at slack[0].key; give each its own'),
    "same telegram id": ((ANNA, ANNA + OSKAR.replace("1002", "1001")), 'people[1].telegram (oskar): "1001" is used twice, first at people[0].telegram; give each its own'),
    "same slack id": ((MARTA, MARTA + MARTA.replace("marta", "rita").replace('"U0', '"main/U0')), 'people[2].slack (rita): "main/U0MARTA" is used twice, first at people[1].slack; give each its own'),
    "person ai": ((ANNA, ANNA + OSKAR.replace("oskar", "ai")), 'people[1].key (ai): "ai" is the author of suggested texts; use another key'),
    "unknown client": (('["*"]', '["acme", "acne"]'), 'people[0].clients[1] (anna): there is no client "acne"; did you mean "acme"?'),
    "client rooms": ((MARTA, MARTA + BREWER), "clients[1].client_room (brew): slack:main/C0ACME is the client room of acme too; give each client a room of its own", BREW.replace("C0BREW", "C0ACME")),
    "brand's room": ((MARTA, MARTA + BREWER), "clients[1].brands[0].client_room (brew / ale): slack:main/C0ACME is the client room of acme too; give each client a room of its own", BREW + 'client_room = "slack:main/C0ACME"\n'),
    "staff in a client's room": ((ANNA + MARTA, ANNA.replace("telegram = 1001", 'slack = "U0ANNA"') + MARTA), "clients[0].staff_room (acme): slack:main/C0ACME is the client room of acme: the client would read what staff say there; take another room for staff", "", ('"telegram:-1001000000001"', '"slack:C0ACME"')),
    "leads in a client's room": ((DESK, DESK + 'leads_room = "slack:C0ACME"\n'), "desk.leads_room: slack:main/C0ACME is the client room of acme: the client would read what staff say there; take another room for staff"),
    "unknown approver": ((ACME, STEPS.format('{ who = ["marat"] }')), 'clients[0].approval.steps[0].who[0] (acme): there is no person "marat"; did you mean "marta"?'),
    "staff as approver": ((ACME, STEPS.format('{ who = ["anna"] }')), "clients[0].approval.steps[0].who[0] (acme): anna is staff, and only an approver can approve; name an approver, or change the role"),
    "approver of another": ((MARTA + ACME, MARTA + BREWER + STEPS.format('{ who = ["brewer"] }')), 'clients[0].approval.steps[0].who[0] (acme): brewer does not serve acme; add "acme" to their clients', BREW),
    "brand's step": ((COFFEE, COFFEE + 'approval.steps = [{ who = ["mart"] }]\n'), 'clients[0].brands[0].approval.steps[0].who[0] (acme / coffee): there is no person "mart"; did you mean "marta"?'),
    "too many needed": ((ACME, STEPS.format('{ who = ["marta"], need = 2 }')), "clients[0].approval.steps[0].need (acme): 2 approvals are needed, and who names 1; lower need, or name more people"),
    "none needed": ((ACME, STEPS.format('{ who = ["marta"], need = 0 }')), "clients[0].approval.steps[0].need (acme): must be 1 or more; write it as 1"),
    "named twice": ((ACME, STEPS.format('{ who = ["marta", "marta"] }')), "clients[0].approval.steps[0].who (acme): names somebody twice; name each once"),
    "nobody named": ((ACME, STEPS.format("{ who = [] }")), 'clients[0].approval.steps[0].who (acme): must not be empty; write it as ["marketing"]'),
    "no approver": ((MARTA, ""), 'clients[0].approval (acme): no approver: nobody in [[people]] with role approver serves acme; add a person with role = "approver", clients = ["acme"]'),
    "no staff": ((ANNA, ""), 'clients[0].staff_room (acme): nobody in [[people]] with role staff or lead serves acme; add a person with role = "staff", clients = ["acme"]'),
    "approver not in Slack": (('slack = "U0MARTA"', "telegram = 5"), 'people[1].slack (marta): Marta (approver) has no id in the Slack workspace main, and the client room of acme is there; add slack = "main/U…", or take the client out of their clients'),
    "staff not in Telegram": (("telegram = 1001", 'slack = "U0ANNA"'), "people[0].telegram (anna): Anna (staff) has no Telegram id, and the staff room of acme is there; add telegram = 1001, or take the client out of their clients"),
    "nowhere": ((MARTA, MARTA + BREWER.replace('slack = "U0BREWER"\n', "").replace('"approver"', '"viewer"').replace('"brew"', '"acme"')), "people[2].telegram (brewer): there is neither a telegram nor a slack id; add one of them"),
    "target over limit": ((ACME, ACME + '[clients.sla]\ntarget = "25h"\n'), "clients[0].sla.target (acme): must be shorter than limit; shorten target or lengthen limit"),
    "brand's target over limit": ((COFFEE, COFFEE + 'sla.limit = "1h"\n'), "clients[0].brands[0].sla.target (acme / coffee): must be shorter than limit; shorten target or lengthen limit"),
}  # fmt: skip

ODD = {"OTHER_BOT": "7000000002:kept-secret-other", "SHORT": "kept-secret", "EMPTY": " ", "SPACED": "kept secret"}


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_named_with_its_key_and_its_remedy(name, faults, tmp_path):
    change, expected, after, *more = (*FAULTY[name], "") if len(FAULTY[name]) == 2 else FAULTY[name]
    found = faults(changed(change, *more, after=after), {**SECRETS, **ODD})
    assert found == [expected.replace("{folder}", str(tmp_path.resolve()))]
    assert "kept-secret" not in found[0]


def test_a_fault_of_a_platforms_own_check_quotes_no_secret(faults):
    (found,) = faults(changed(("env:GOOGLE_PLAY_CREDENTIALS", "env:SHORT")), {**SECRETS, **ODD})
    assert found.startswith("clients[0].brands[0].sources[0].credentials (acme / coffee / play): is not a service acc")
    assert "kept-secret" not in found


TOML = {
    "no quotes": ("[desk]\nname = Northern\n", "line 2, column 8: is not TOML: Invalid value; correct this line; text stands in quotes"),
    "cut short": ("[desk]\nname = [", "end of document: is not TOML: Invalid value; correct this line; text stands in quotes"),
    "twice": ("[desk]\n[desk]\n", "line 2, column 6: is not TOML: Cannot declare ('desk',) twice; correct this line; text stands in quotes"),
    "not UTF-8": ('name = "Акме"'.encode("cp1251"), "file: is not UTF-8 text (byte 8); save it as UTF-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOML)
def test_what_is_not_toml_is_shown_by_line_and_column(name, faults):
    text, expected = TOML[name]
    assert faults(text) == [expected]


def test_a_missing_file_is_a_fault(tmp_path):
    with pytest.raises(ConfigFaults, match=r"cannot be read .*--config"):
        load(tmp_path / "none.toml", {})


def test_a_file_that_says_nothing_misses_what_is_required(faults):
    assert [line.split(":")[0] for line in faults("")] == ["desk.secret_key", "people", "clients"]


def test_fifteen_faults_are_listed_all_at_once(faults):
    text = changed(
        (DESK, DESK + 'language = "de"\nlisten = "nowhere"\ncolour = "red"\n'),  # 3
        ('"env:TELEGRAM_TOKEN"', '"7:kept-secret"'),  # 4
        ('app_token = "env:SLACK_APP_TOKEN"\n', ""),  # 5
        ('["*"]', '["acme", "nobody"]'),  # 6
        ('slack = "U0MARTA"', 'telegram = "x"\nemail = "m@example.com"\nslack = "@m"'),  # 9
        (
            ACME,
            ACME + '[clients.sla]\ntarget = "soon"\nwarn_at = [0]\n'  # 11
            '[clients.approval]\nundo = "x"\nsteps = [{ who = ["marta", "olga"], need = 3 }]\n',  # 14
        ),
        (COFFEE, COFFEE + 'keywords = ["a"]\n'),  # 15
        ('"google_play"', '"myspace"'),  # 16
        ("env:ACME_HOOK_SECRET", "env:NOT_SET"),  # 17
        after='[database]\nurl = "mysql://u:kept-secret@h/d"\n',  # 18
    )
    found = faults(text)
    assert len(found) == 18, "\n".join(found)
    assert len({line.partition(": ")[0] for line in found}) == 18
    assert "kept-secret" not in "".join(found)


def test_what_follows_from_a_fault_is_not_reported_besides(faults):
    found = faults(changed(('role = "approver"', 'role = "aprover"'), (ACME, STEPS.format('{ who = ["marta"] }'))))
    assert len(found) == 1


ODD_VALUES = ["", "x", -1, 0, 3.5, True, [], [1], ["x", {}], [[]], {}, {"x": 1}, {"key": ["x"]}, "telegram:-1", "env:A"]


def test_no_value_in_any_place_breaks_the_reading(tmp_path):
    sound = tomllib.loads(SOUND + STEPS_OF_ALL)
    path = tmp_path / "config.toml"
    tried = 0
    for place in _places(sound):
        for value in ODD_VALUES:
            path.write_text("\n".join(f"{key} = {_inline(v)}" for key, v in _with(sound, place, value).items()))
            with contextlib.suppress(ConfigFaults):
                load(path, SECRETS)
            tried += 1
    assert tried > 500


STEPS_OF_ALL = """
[[clients.brands]]
key = "tea"
name = "Tea"
sla = { target = "1h" }
approval = { steps = [{ who = ["marta"] }] }
places = [{ id = "d", name = "D" }]
[ai]
base_url = "https://ai.example"
"""


def _places(value: object) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (key,)
        yield from ((key, *rest) for rest in _places(one))


def _with(value: Any, place: tuple[str | int, ...], odd: object) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = odd
    return changed


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)


def test_a_default_can_be_at_fault(faults, tmp_path):
    (tmp_path / "replydesk.db").mkdir()
    assert faults(SOUND) == [f"database.url: {tmp_path.resolve()}/replydesk.db is a folder; name a file in it"]


def test_a_dotenv_that_is_not_text_is_a_fault(faults, tmp_path):
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe\n")
    assert faults(SOUND) == [".env: cannot be read as text; save it as UTF-8, readable by the desk"]


def test_secrets_are_in_no_repr(read):
    config = read(
        SOUND
        + AI
        + 'api_key = "env:OPENAI_API_KEY"\nmodel = "m"\n[database]\nurl = "postgresql+asyncpg://u:kept-secret@h/d"\n'
    )
    assert "kept-secret" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_secrets_are_in_no_traceback(tmp_path):
    path = sample.write(tmp_path, changed((ANNA, ANNA + "tellegram = 1\n")))
    with pytest.raises(ConfigFaults) as refused:
        load(path, SECRETS)
    assert "kept-secret" not in f"{refused.value!r} {refused.value.__cause__!r} {refused.value.__context__!r}"


# durations


@given(st.integers(0, 3650 * 24 * 3600))
def test_a_duration_is_written_as_it_is_read(seconds):
    length = timedelta(seconds=seconds)
    assert parse_duration(show_duration(length)) == length


@given(st.integers(0, 3650), st.sampled_from("smhd"))
def test_the_shortest_way_to_write_a_duration_is_shown(number, unit):
    text = f"{number}{unit}"
    assert len(show_duration(parse_duration(text))) <= len(text)


@given(st.text(max_size=8))
def test_anything_else_is_no_duration(text):
    if re.fullmatch("[0-9]{1,9}[smhd]", text):
        return
    with pytest.raises(ValueError, match="is not a length of time"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["3651d", "999999999d", "99999999h"])
def test_ten_years_are_the_most(text):
    with pytest.raises(ValueError, match="is longer than 3650d"):
        parse_duration(text)
