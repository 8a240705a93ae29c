from __future__ import annotations

import base64
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from pydantic import BaseModel, SecretStr

from bot import config as c
from bot import logs
from tests.bot import sample

BOT = "7000000001:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQDZ\n-----END PRIVATE KEY-----\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Open = Callable[..., io.StringIO]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Sets logging up on a stream, and everything back afterwards."""
    levels = {name: logging.getLogger(name).level for name in ("", *logs.LEVELS)}
    handlers: list[logging.Handler] = []

    def make(stream: io.StringIO | None = None, **how: Any) -> io.StringIO:
        stream = stream or io.StringIO()
        handlers.append(logs.setup_logs(stream=stream, **how))
        return stream

    yield make
    for handler in handlers:
        logs.tear_down(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logs.forget_secrets()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


# form


def test_one_json_object_a_line_when_it_is_no_terminal(opened: Open) -> None:
    stream = opened()
    structlog.get_logger("replydesk.test").info("posted", case=7, брэнд="Акме")
    logging.getLogger("replydesk.other").warning("slow: %s s\nsecond line", 12, extra={"source": "play"})

    first, second = lines(stream)
    assert first["at"].endswith("Z")
    assert {k: v for k, v in first.items() if k != "at"} == {
        "event": "posted",
        "level": "info",
        "logger": "replydesk.test",
        "case": 7,
        "брэнд": "Акме",
    }
    assert (second["event"], second["level"], second["source"]) == ("slow: 12 s\nsecond line", "warning", "play")
    assert "Акме" in stream.getvalue()


def test_readable_text_on_a_terminal_that_foreign_text_cannot_steer(opened: Open) -> None:
    stream = opened(Terminal())
    logging.getLogger("replydesk").info("name: %s", "user\x1b[2J\x07")

    shown = stream.getvalue()
    assert "name: user\\x1b[2J\\x07" in shown
    with pytest.raises(json.JSONDecodeError):
        json.loads(shown)


@pytest.mark.parametrize("as_json", [True, False])
def test_half_a_surrogate_pair_can_be_written_to_any_stream(opened: Open, as_json: bool) -> None:
    stream = opened(as_json=as_json)
    logging.getLogger("slack_bolt").warning("no listener for %s", "\ud800", extra={"said": ["\udfff"]})

    shown = stream.getvalue().encode().decode()
    assert "no listener for \\ud800" in shown
    assert not as_json or lines(stream)[0]["said"] == ["\udfff"]


def test_exceptions_are_told_with_their_place(opened: Open) -> None:
    stream = opened()
    try:
        raise ValueError("no number")
    except ValueError:
        logging.getLogger("replydesk").exception("failed")
        structlog.get_logger().exception("failed too")

    for line in lines(stream):
        assert "test_logs.py" in line["exception"]
        assert line["exception"].endswith("ValueError: no number")


@pytest.mark.parametrize("name", ["aiogram", "slack_bolt.AsyncApp", "httpx", "apscheduler.scheduler", "asyncio"])
def test_libraries_that_log_in_their_own_way_come_out_the_same_way(opened: Open, name: str) -> None:
    stream = opened()
    logging.getLogger(name).error("%s broke", "it")

    assert [(line["logger"], line["event"]) for line in lines(stream)] == [(name, "it broke")]


@pytest.mark.parametrize("name", ["httpx", "aiogram.event", "apscheduler.executors.default", "aiosqlite", "openai"])
def test_libraries_do_not_tell_each_call(opened: Open, name: str) -> None:
    stream = opened(level="DEBUG")
    logging.getLogger(name).info("HTTP Request: POST https://api.telegram.org/bot%s/getUpdates", BOT)

    assert stream.getvalue() == ""


def test_warnings_are_log_lines_too(opened: Open) -> None:
    stream = opened()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(True)
        warnings.warn("an old call", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(False)

    assert "an old call" in lines(stream)[0]["event"]


def test_set_up_twice_each_line_comes_once(opened: Open) -> None:
    first, second = opened(), opened()
    logging.getLogger("replydesk").info("once")

    assert first.getvalue() == ""
    assert len(lines(second)) == 1


# secrets

SHAPES = {
    "bot token in an address": f"https://api.telegram.org/bot{BOT}/sendMessage",
    "file address": f"https://api.telegram.org/file/bot{BOT}/photos/1.jpg",
    "short bot token of a stand-in": "http://127.0.0.1:8900/bot7000000001:short/getMe",
    "bot token alone": f"token {BOT} refused",
    "slack bot token": "xoxb-7000000001-7000000002-AbCdEfGhIjKl",
    "slack app token": "xapp-1-A0123-7000000001-abcdef",
    "slack refresh token": "xoxe.xoxp-1-Mi0yLTcwMDA",
    "slack response address": "https://hooks.slack.com/commands/T01/7000000001/AbCdEfGhIjKl",
    "socket mode ticket": "wss://wss-primary.slack.com/link/?ticket=AbCdEfGhIjKl&app_id=1",
    "bearer": "{'Authorization': 'Bearer AbCdEfGhIjKl'}",
    "basic": "authorization: Basic dXNlcjpBYkNkRWZHaElqS2w=",
    "bare authorization": '"Authorization":"AbCdEfGhIjKl"',
    "header pair": "('Authorization', 'Token AbCdEfGhIjKl')",
    "query": "https://api.example.com/reviews?page=2&access_token=AbCdEfGhIjKl&lang=ru",
    "database": "postgresql+asyncpg://desk:AbCdEfGhIjKl@db.example.com/desk",
    "openai key": "sk-proj-AbCdEfGhIjKlMnOpQrSt",
    "webhook secret": "whsec_c2VjcmV0IG9mIHR3ZW50eQ==",
    "private key": PEM,
    "half of a private key": PEM[:80],
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.AbCdEfGhIjKl",
}
LEAKS = ("AAHdq", "AbCdEf", "dXNlcjpB", "7000000001-", "Mi0yLT", ":short", "c2VjcmV0", "MIIEv", "BKcw")


@pytest.mark.parametrize("shape", SHAPES)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(opened: Open, shape: str) -> None:
    stream, text = opened(), SHAPES[shape]
    structlog.get_logger().info(text, inside={"deep": [text, (text, text.encode())]}, error=ValueError(text))
    logging.getLogger("x").warning("told: %s", text, extra={"more": text})
    try:
        raise OSError(text)
    except OSError:
        logging.getLogger("x").exception("failed")

    logged = stream.getvalue()
    assert len(lines(stream)) == 3
    assert [leak for leak in LEAKS if leak in logged] == []
    assert logs.HIDDEN in logged


def test_ordinary_words_are_left_alone(opened: Open) -> None:
    stream = opened()
    told = "case 7: 12:30:45 basic questions, tokens=5, 100:1 https://shop.example/r-1?page=2#bot1 author: Bot"
    logging.getLogger("x").info(told)

    assert lines(stream)[0]["event"] == told


def test_fields_named_like_secrets_are_hidden_whole(opened: Open) -> None:
    stream = opened()
    named = {"token": "a", "X-Telegram-Bot-Api-Secret-Token": "b", "api_key": "c", "password": "d", "Cookie": "e"}
    structlog.get_logger().info("headers", headers=named, tokens=1200, secret="", client_secret="f")

    line = lines(stream)[0]
    assert line["headers"] == dict.fromkeys(named, logs.HIDDEN)
    assert (line["tokens"], line["secret"], line["client_secret"]) == (1200, "", logs.HIDDEN)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "in an address": lambda secret: f"https://x.example/?q={quote(secret, safe='')}",
    "in JSON": lambda secret: json.dumps({"body": secret}),
    "in a repr": lambda secret: repr([secret]),
    "among other words": lambda secret: f"<{secret}>",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "secret", ["pa ss/wo+rd&1", 'he said "x"\\', "line one is long enough\nand so is line two", "қүпия"]
)
def test_registered_secrets_are_hidden_in_every_spelling(opened: Open, secret: str, spelling: str) -> None:
    stream = opened()
    logs.secrets([secret])
    logging.getLogger("x").info("%s", SPELLINGS[spelling](secret))

    logged = lines(stream)[0]["event"]
    assert logs.HIDDEN in logged
    for part in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], *secret.splitlines()):
        assert part not in logged


def test_empty_and_tiny_values_do_not_blot_out_the_log(opened: Open) -> None:
    stream = opened()
    logs.secrets(["", "a", "abc"])
    logging.getLogger("x").info("an abc of a")

    assert lines(stream)[0]["event"] == "an abc of a"


def test_no_secret_of_a_real_configuration_is_logged(opened: Open, tmp_path: Path) -> None:
    config = c.load(sample.write(tmp_path), sample.SECRETS)
    used = [value for name, value in sample.SECRETS.items() if name not in ("OPENAI_API_KEY", "SLACK_SIGNING_SECRET")]
    used.append("kept-secret-key")
    stream = opened(config=config)
    for value in used:
        logging.getLogger("x").info("<%s>", value)
    structlog.get_logger().info("whole", config=config, words=used)

    assert [line["event"] for line in lines(stream)[:-1]] == ["<***>"] * len(used)
    assert [value for value in used if value in stream.getvalue()] == []


def test_secrets_are_found_however_deep_and_an_address_without_a_password_stays() -> None:
    config = _Config(
        desk=_Inner(key=SecretStr("kept-in-the-desk")),
        many=(_Inner(key=SecretStr("kept-in-a-list")),),
        named={"x": SecretStr("kept-in-a-table")},
        url=SecretStr("postgresql+asyncpg://desk:kept%2Fin%2Furl@db/desk"),
        file=SecretStr("sqlite+aiosqlite:///replydesk.db"),
    )

    assert logs.secrets_of(config) == {"kept-in-the-desk", "kept-in-a-list", "kept-in-a-table", "kept/in/url", ""}


class _Inner(BaseModel):
    key: SecretStr


class _Config(BaseModel):
    desk: _Inner
    many: tuple[_Inner, ...]
    named: dict[str, SecretStr]
    url: SecretStr
    file: SecretStr


def test_secrets_that_shorten_each_other_are_hidden_whole(opened: Open) -> None:
    stream = opened()
    logs.secrets(["secret", "secret-and-more", base64.b64encode(b"secret").decode()])
    logging.getLogger("x").info("secret-and-more c2VjcmV0 secret")

    assert lines(stream)[0]["event"] == "*** *** ***"
