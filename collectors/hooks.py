"""What others bring to /hooks/{source key}: how a caller proves itself, and how it is refused.

A platform with notifications of its own has `knock(settings, call)` in its module: whoever proves to be the platform is
answered as it expects, and its source is read at once. What a notification says is not used: one may be forged, come
twice, late or never. Reading tells the truth, and goes on all the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import SecretStr


class HookError(Exception):
    """A call that brings nothing; `status` is the HTTP answer. The text is safe to send back."""

    status = 400


class BadSignature(HookError):
    status = 401


class Call(NamedTuple):
    """`headers` are found whatever their case. `body`: as it came, at most 1 MiB. `at`: aware UTC."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: datetime


class Heed(NamedTuple):
    """What the platform waits for. `read`: there may be something new, with `accounts` in those of the platform's
    sources that they name: some platforms know one address for all accounts."""

    text: str = ""
    kind: str = "text/plain"
    read: bool = True
    accounts: frozenset[str] = frozenset()


def said(call: Call) -> dict[str, Any]:
    """The body as a JSON object. Raises HookError for anything else."""
    try:
        body = json.loads(call.body)
    except (ValueError, RecursionError):
        raise HookError("the body is no JSON") from None
    if not isinstance(body, dict):
        raise HookError("the body is no JSON object")
    return body


def needs_signature(call: Call, header: str, secret: SecretStr | None) -> None:
    """`sha256=` and the HMAC of the body in hexadecimal, as Meta and Discourse sign. Raises BadSignature."""
    if secret is None:
        raise BadSignature("the source has no secret to check signatures with")
    wanted = hmac.new(secret.get_secret_value().encode(), call.body, hashlib.sha256).hexdigest()
    if not same(call.headers.get(header, "").removeprefix("sha256="), wanted):
        raise BadSignature(f"{header} is not the body's signature")


def needs_password(call: Call, secret: SecretStr | None) -> None:
    """In the address they were given, for those who sign nothing: as its password (Basic), or as `?key=`."""
    if secret is None:
        raise BadSignature("the source has no push_secret")
    given = (_basic(call.headers.get("Authorization", "")), call.query.get("key", ""))
    if not any(same(one, secret.get_secret_value()) for one in given):
        raise BadSignature("the address lacks the source's push_secret")


def same(given: str, wanted: str) -> bool:
    """In a time that does not tell how much of it is right. Nothing is never right."""
    return bool(wanted) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())


def _basic(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
