"""Single values of config.toml: secrets, rooms, addresses, times, zones."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from bot.config.durations import parse_duration
from bot.config.faults import nearest, suggestion, wrong
from collectors.settings import WebAddress


@dataclass(frozen=True, slots=True)
class Context:
    """What values are read against. Without one (a model built by hand) nothing is looked up."""

    file: str
    folder: Path
    env: Mapping[str, str]
    workspaces: tuple[str, ...] = ()
    telegram: bool = False


Reader = Callable[[Any, ValidationInfo], Any]


def _of(info: ValidationInfo) -> Context | None:
    return info.context if isinstance(info.context, Context) else None


def _text(value: Any, mend: str) -> str:
    if not isinstance(value, str):
        raise wrong("must be text in quotes", mend)
    return value.strip()


# secrets

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LARGEST_SECRET = 1024 * 1024
OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


def read_secret(value: Any, info: ValidationInfo) -> Any:
    """`env:NAME` or `file:PATH` becomes what it names. Nothing of the value is ever quoted."""
    context = _of(info)
    if isinstance(value, SecretStr) or value is None or context is None:
        return value
    suggested = f"env:{(info.field_name or 'secret').upper()}"
    kind, _, name = _text(value, f'write "{suggested}"').partition(":")
    if kind not in SECRETS or not name:
        how = f'put it into .env beside {Path(context.file).name} and write "{suggested}" (or "file:PATH")'
        raise wrong("a secret must not stand here in plain text", how)
    return SecretStr(SECRETS[kind](name.strip(), context))


def _from_env(name: str, context: Context) -> str:
    if not VARIABLE.fullmatch(name):
        raise wrong("what follows env: is not the name of a variable", 'write "env:" and a name such as TELEGRAM_TOKEN')
    found = context.env.get(name)
    mend = f"set {name} in the environment or in .env beside {Path(context.file).name}"
    if found is None:
        raise wrong(f"the environment variable {name} is not set", mend)
    if not found.strip():
        raise wrong(f"the environment variable {name} is empty", mend)
    return found.strip()


def _from_file(name: str, context: Context) -> str:
    path = context.folder / Path(name).expanduser()
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found = file.read(LARGEST_SECRET).decode("utf-8-sig").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
        raise wrong(f"the file {name} cannot be read ({reason})", f"the path is taken from {context.folder}") from None
    if os.name == "posix" and mode & OTHERS_MAY_READ:
        raise wrong(f"the file {name} can be read by others than its owner (mode {mode:o})", f"chmod 600 {path}")
    if not found:
        raise wrong(f"the file {name} is empty", "put the secret into it")
    return found


SECRETS: dict[str, Callable[[str, Context], str]] = {"env": _from_env, "file": _from_file}

Secret = Annotated[SecretStr, BeforeValidator(read_secret)]

SHORTEST_KEY = 16
"""Characters. What is shorter can be guessed, whatever is derived from it."""


def _key_for_encryption(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_KEY:
        raise wrong(
            f"is shorter than {SHORTEST_KEY} characters",
            'make one: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"',
        )
    return value


EncryptionKey = Annotated[Secret, AfterValidator(_key_for_encryption)]


def _bot_token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[0-9]+:\S+", value.get_secret_value()):
        raise wrong("is not a bot's token", "copy it from @BotFather: digits, a colon, letters")
    return value


BotToken = Annotated[Secret, AfterValidator(_bot_token)]


def _webhook_secret(value: SecretStr) -> SecretStr:
    # Bot API, setWebhook: secret_token.
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
        raise wrong("is not a secret Telegram takes", "use 1 to 256 of A-Z a-z 0-9 _ -")
    return value


WebhookSecret = Annotated[Secret, AfterValidator(_webhook_secret)]


# times


def read_duration(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    mend = 'write a whole number and s, m, h or d, such as "90s", "60m", "24h", "7d"'
    text = _text(value, mend)
    try:
        return parse_duration(text)
    except ValueError as error:
        raise wrong(str(error), mend) from None


def _longer_than_nothing(value: timedelta) -> timedelta:
    if not value:
        raise wrong("must be longer than 0s", 'write, for example, "5m"')
    return value


Duration = Annotated[timedelta, BeforeValidator(read_duration)]
Interval = Annotated[Duration, AfterValidator(_longer_than_nothing)]


def _read_clock(value: Any) -> Any:
    mend = 'write hours and minutes in quotes, such as "09:00"'
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value.strip()):
        return time.fromisoformat(value.strip())
    if isinstance(value, str):
        raise wrong(f'"{value}" is not a time of day', mend)
    raise wrong("must be text in quotes", mend)


Clock = Annotated[time, BeforeValidator(_read_clock)]


@cache
def zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: str) -> str:
    if value not in zones():
        near = nearest(value, zones())
        mend = f'did you mean "{near}"?' if near else 'write a name such as "Asia/Almaty"'
        raise wrong(f'"{value}" is not a time zone of the IANA list', mend)
    return value


Zone = Annotated[str, AfterValidator(_zone)]


# keys, rooms, people's ids

LONGEST_KEY = 40
"""Characters: a person's key must find room in a Telegram button, 64 bytes in all (Bot API: callback_data)."""


def _key(value: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_KEY - 1}}}", value):
        raise wrong(f'"{value}" is not a key', f"use 1 to {LONGEST_KEY} of A-Z a-z 0-9 _ -, such as acme-coffee")
    return value


Key = Annotated[str, AfterValidator(_key)]

_TELEGRAM_ROOM = re.compile(r"telegram:(-[0-9]{1,15})")
_SLACK_ROOM = re.compile(r"slack:(?:([^/]+)/)?([CG][A-Z0-9]{1,20})")
_SLACK_USER = re.compile(r"(?:([^/]+)/)?([UW][A-Z0-9]{1,20})")
_ROOM_MEND = 'write "telegram:-100…" (the group\'s id) or "slack:C…" or "slack:workspace/C…" (the channel\'s id)'


def _read_room(value: str, info: ValidationInfo) -> str:
    """Rooms of Slack always come out with their workspace."""
    value = value.strip()
    if _TELEGRAM_ROOM.fullmatch(value):
        return _telegram_room(value, _of(info))
    found = _SLACK_ROOM.fullmatch(value)
    if found is None:
        raise wrong(f'"{value}" is not a room', _ROOM_MEND)
    return f"slack:{_in_workspace(found[1], found[2], _of(info))}"


def _telegram_room(value: str, context: Context | None) -> str:
    if context is not None and not context.telegram:
        raise wrong("is a room of Telegram, and there is no [telegram]", "add [telegram] with the bot's token")
    return value


def _in_workspace(workspace: str | None, what: str, context: Context | None) -> str:
    if context is None:
        return f"{workspace}/{what}" if workspace else what
    if not context.workspaces:
        raise wrong("belongs to Slack, and there is no [[slack]]", "add [[slack]] with the workspace's tokens")
    if workspace is None:
        return f"{context.workspaces[0]}/{what}"
    if workspace not in context.workspaces:
        mend = suggestion(workspace, context.workspaces, "workspaces")
        raise wrong(f'names the workspace "{workspace}", and no [[slack]] has that key', mend)
    return f"{workspace}/{what}"


Room = Annotated[str, AfterValidator(_read_room)]


def _read_slack_user(value: str, info: ValidationInfo) -> str:
    found = _SLACK_USER.fullmatch(value.strip())
    if found is None:
        raise wrong(f'"{value}" is not a person\'s id in Slack', 'write "U0ANNA" or "workspace/U0ANNA"')
    return _in_workspace(found[1], found[2], _of(info))


SlackUser = Annotated[str, AfterValidator(_read_slack_user)]


# addresses


def _with_slash(value: str) -> str:
    return f"{value.rstrip('/')}/"


SlackAddress = Annotated[WebAddress, AfterValidator(_with_slash)]


def _secure(value: str) -> str:
    if not value.startswith("https://"):
        raise wrong("must be an https:// address", "Telegram calls no other")
    return value


PublicAddress = Annotated[WebAddress, AfterValidator(_secure)]


PROXIES = ("http", "https", "socks5", "socks5h")
_PROXY_MEND = 'write "http://host:port", "https://host:port" or "socks5://host:port", or "" for none'


def read_proxy(value: Any, info: ValidationInfo) -> Any:
    """A plain address, or a secret where it carries a password; "" goes directly."""
    if value is None or isinstance(value, SecretStr):
        return value
    text = _text(value, _PROXY_MEND)
    if text.partition(":")[0] in SECRETS:
        return _checked_proxy(read_secret(text, info))
    if "@" in text:
        raise wrong("a user and a password must not stand here in plain text", 'put the address into .env: "env:PROXY"')
    return _checked_proxy(SecretStr(text))


def _checked_proxy(value: SecretStr) -> SecretStr:
    """Nothing of the address is quoted: it may hold a password."""
    try:
        parts = urlsplit(value.get_secret_value())
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        raise wrong("is not the address of a proxy", _PROXY_MEND) from None
    if not value.get_secret_value():
        return value
    if parts.scheme not in PROXIES:
        raise wrong(f'"{parts.scheme}" is not a kind of proxy the desk can use', _PROXY_MEND)
    if not complete or parts.path.strip("/") or parts.query or parts.fragment:
        raise wrong("is not the address of a proxy: host and port, and nothing behind them", _PROXY_MEND)
    return value


Proxy = Annotated[SecretStr, BeforeValidator(read_proxy)]


def split_listen(value: str) -> tuple[str, int] | None:
    """Host and port to listen at, None for "". Raises ValueError."""
    if not value:
        return None
    host, _, port = value.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError("not host:port")
    if host.startswith("["):
        ip_address(host.strip("[]"))
    return host.strip("[]"), int(port)


def _listen(value: str) -> str:
    try:
        split_listen(value.strip())
    except ValueError:
        raise wrong(f'"{value}" is not host:port', 'write, for example, "127.0.0.1:8080", or "" for none') from None
    return value.strip()


Listen = Annotated[str, AfterValidator(_listen)]


# files


def _existing_file(value: Path, info: ValidationInfo) -> Path:
    context = _of(info)
    path = (context.folder / value) if context else value
    if context is not None and not path.is_file():
        raise wrong(f"there is no file {value}", f"make it, or remove the key; the path is taken from {context.folder}")
    return path


ExistingFile = Annotated[Path, AfterValidator(_existing_file)]


def _certificates(value: Path, info: ValidationInfo) -> Path:
    path = _existing_file(value, info)
    if _of(info) is not None:
        try:
            certificates_in(path)
        except (OSError, ValueError):
            raise wrong(f"{value} holds no certificates", "it is text with -----BEGIN CERTIFICATE----- in it") from None
    return path


def certificates_in(path: Path) -> int:
    """How many certificates a PEM file holds. Raises OSError, and ValueError where there is none or a broken one."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=path)
    return len(context.get_ca_certs())


CaFile = Annotated[Path, AfterValidator(_certificates)]

_URL_MEND = 'write "sqlite+aiosqlite:///replydesk.db" or "postgresql+asyncpg://user:password@host/name"'


def _read_url(value: Any, info: ValidationInfo) -> Any:
    """A plain address, or a secret where it carries a password."""
    if isinstance(value, str) and value.partition(":")[0] in SECRETS:
        value = read_secret(value, info)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    text = _text(value, _URL_MEND)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise wrong("is not the address of a database", _URL_MEND) from None
    return SecretStr(_checked_url(url, _of(info)).render_as_string(hide_password=False))


def _checked_url(url: URL, context: Context | None) -> URL:
    if url.drivername == "postgresql+asyncpg":
        return url
    if url.drivername != "sqlite+aiosqlite":
        raise wrong(f'"{url.drivername}" is not a database the desk runs on', _URL_MEND)
    if url.database in (None, "", ":memory:"):
        raise wrong("a SQLite desk needs a file", 'write "sqlite+aiosqlite:///replydesk.db"')
    return _sqlite_file(url, context)


def _sqlite_file(url: URL, context: Context | None) -> URL:
    if context is None:
        return url
    path = context.folder / str(url.database)
    if not path.parent.is_dir():
        raise wrong(f"the folder {path.parent} does not exist", "make the folder first")
    if path.is_dir():
        raise wrong(f"{path} is a folder", "name a file in it")
    return url.set(database=str(path))


DatabaseUrl = Annotated[SecretStr, BeforeValidator(_read_url)]
