"""What the desk logs: JSON lines for machines, readable text on a terminal, and no secret in either."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TextIO
from urllib.parse import quote, quote_plus, unquote, urlsplit

import structlog
from pydantic import BaseModel, SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from desk import errors

HIDDEN = "***"
SHORTEST = 4
"""Characters. Hiding shorter values would blot out half of every line."""

LEVELS = {
    "aiogram.event": "WARNING",
    "aiohttp.access": "WARNING",
    "aiosqlite": "WARNING",
    "alembic": "WARNING",
    "apscheduler": "WARNING",
    "asyncio": "WARNING",
    "httpcore": "WARNING",
    "httpx": "WARNING",
    "httpx2": "WARNING",
    "httpcore2": "WARNING",
    "openai": "WARNING",
    "slack_bolt": "WARNING",
    "slack_sdk": "WARNING",
    "sqlalchemy": "WARNING",
}
"""Libraries that would log every call they make, addresses with tokens included."""

_SHAPES = (
    # Bot API: https://api.telegram.org/bot<token>/method
    (re.compile(r"(?<=/bot)\d+:[^/\s\"'?]+|\b\d{5,}:[A-Za-z0-9_-]{20,}"), HIDDEN),
    # Slack: xoxb-…, xoxe.xoxp-…, xapp-…
    (re.compile(r"\b(?:xox[a-z](?:\.xox[a-z])?|xapp)-[\w.-]+"), HIDDEN),
    (re.compile(r"(hooks\.slack\.com/)[^\s\"'<>]+"), rf"\1{HIDDEN}"),
    # Authorization, whatever its scheme, in headers, dumps of them and curl commands
    (re.compile(r"(authorization[\"']?\s*[:=,]\s*[\"']?)(?:\w+\s+)?[^\s\"',;}\])]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b((?i:bearer|basic))\s+(?=\S*[\dA-Z=])[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (
        re.compile(r"([?&](?:[a-z_]*token|ticket|key|api_key|secret|sig|signature|password|code)=)[^&\s\"'#]+", re.I),
        rf"\1{HIDDEN}",
    ),
    # Passwords in addresses: postgresql://user:password@host
    (re.compile(r"(\w://[^\s:/@\"']*:)[^\s/@\"']+(?=@)"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(?:sk-[\w-]{16,}|whsec_[\w+/=-]+|ya29\.[\w.-]+|eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+)"), HIDDEN),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
)

_NAMES = re.compile(
    r".*(?:token|secret|password|passwd|authorization|api[_-]?key|private[_-]?key|secret[_-]?key|credentials|cookie)",
    re.IGNORECASE,
)
"""Fields whose whole value is hidden, by their names."""


class _Known:
    """Values that were registered, in every spelling they may be logged in."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, values: Iterable[str]) -> None:
        for value in values:
            self._spellings |= {s for s in _spellings(value.strip()) if len(s) >= SHORTEST}
        longest_first = sorted(self._spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def hide(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def clear(self) -> None:
        self._spellings.clear()
        self._pattern = None


def _spellings(value: str) -> set[str]:
    """As it is, in an address, in JSON, in a repr; a key of several lines also line by line."""
    lines = [line.strip() for line in value.splitlines() if len(line.strip()) >= 16] if "\n" in value else []
    return {
        value,
        value.removeprefix("whsec_"),
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
        *lines,
    }


_known = _Known()


def secrets(values: Iterable[str]) -> None:
    """From now on none of these values appears in a log line. Values under 4 characters are not hidden."""
    _known.add(values)


def secrets_of(value: Any) -> set[str]:
    """Every SecretStr in a configuration. Of an address the password alone; of JSON also the secrets in it."""
    if isinstance(value, SecretStr):
        plain = value.get_secret_value()
        return {plain, *_keys_in(plain)} if plain.startswith("{") else {_password(plain) if "://" in plain else plain}
    if isinstance(value, BaseModel):
        value = [getattr(value, name) for name in type(value).model_fields]
    inner = value if isinstance(value, list | tuple) else value.values() if isinstance(value, Mapping) else ()
    return {secret for one in inner for secret in secrets_of(one)}


def _keys_in(text: str) -> set[str]:
    """Of a service account's file: its private key, and not its e-mail address."""
    try:
        found = json.loads(text)
    except ValueError:
        return set()
    return {value for name, value in found.items() if isinstance(value, str) and _NAMES.fullmatch(name)}


def _password(address: str) -> str:
    try:
        return unquote(urlsplit(address).password or "")
    except ValueError:
        return address


def hide_secrets(config: BaseModel | None) -> None:
    """From now on no error tells a secret of `config`, whatever a server repeats to us."""
    secrets(secrets_of(config))
    errors.hide_with(hidden)


def forget_secrets() -> None:
    """For tests: what was registered is plain text again."""
    _known.clear()


def hidden(text: str) -> str:
    """`text` without registered secrets and without anything that has the shape of one."""
    text = _known.hide(text)
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return text


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {hidden(str(name)): _field(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner) for inner in value]
    return hidden(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _field(name: str, value: Any) -> Any:
    return HIDDEN if value and _NAMES.fullmatch(name) else _clean(value)


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """structlog processor: the last one before the line is written."""
    return {name: _field(name, value) for name, value in event.items()}


_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def _printable(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Foreign text must not steer the terminal it is read on."""
    return {name: value.translate(_CONTROLS) if isinstance(value, str) else value for name, value in event.items()}


def _writable(logger: WrappedLogger, method: str, line: Any) -> str:
    """Half of a surrogate pair, which JSON lets in, can be encoded by no stream: it is shown as its number."""
    return line.encode("utf-8", "backslashreplace").decode()


def _reason(logger: WrappedLogger, method: str, event: MutableMapping[str, Any]) -> EventDict:
    """What a caller bound as `error` is worth its type too."""
    error = event.get("error")
    if isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event


SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    _reason,
)


def _rendering(stream: TextIO, json_lines: bool) -> tuple[Processor, ...]:
    if json_lines:
        return redact, structlog.processors.JSONRenderer(ensure_ascii=False), _writable
    plain = structlog.dev.plain_traceback
    console = structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="at", exception_formatter=plain)
    return redact, _printable, console, _writable


def setup_logs(
    config: BaseModel | None = None, stream: TextIO | None = None, as_json: bool | None = None, level: str = "INFO"
) -> logging.Handler:
    """Route structlog and all standard logging, warnings included, to `stream` (stderr), and hide `config`'s secrets.

    `as_json` None: JSON lines unless the stream is a terminal. Called again, it replaces what it set up before.
    """
    hide_secrets(config)
    stream = stream or sys.stderr
    json_lines = not stream.isatty() if as_json is None else as_json
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(stream, json_lines)],
        )
    )
    handler.set_name("replydesk")
    _install(handler, level)
    return handler


def _install(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.get_name() == handler.get_name()]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name, quiet in LEVELS.items():
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*SHARED[:3], *SHARED[4:], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def tear_down(handler: logging.Handler) -> None:
    """Undo `setup_logs`."""
    errors.hide_with(str)
    logging.getLogger().removeHandler(handler)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    handler.close()
