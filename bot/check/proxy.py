"""A proxy: whether it is there, and lets us in."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from bot.config.faults import Faults, Where
from collectors.net import ssl_context

ANSWER = 10
"""Seconds for the connection and its greeting together."""
NOWHERE = "replydesk.invalid"
"""A name that stands for nothing (RFC 2606): only whether the proxy lets us in is asked."""


async def ask_proxy(proxy: str, where: Where, ca_file: Path | None, faults: Faults) -> None:
    """Connects, and says who we are. Where the proxy can go is seen by those who go through it."""
    parts = urlsplit(proxy)
    secure = ssl_context(ca_file) if parts.scheme == "https" else None
    try:
        async with asyncio.timeout(ANSWER):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=secure)
            try:
                greet = _greet_socks if parts.scheme.startswith("socks5") else _greet_http
                refused = await greet(parts, reader, writer)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, EOFError) as error:
        reason = type(error).__name__
        faults.add(where, f"the proxy does not answer ({reason})", "check its address, and that it runs")
        return
    if refused:
        faults.add(where, f"the proxy {refused}", "check its kind, user and password")


async def _greet_socks(parts: SplitResult, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """RFC 1928 and 1929: the methods we have, then user and password."""
    known = parts.username is not None
    writer.write(b"\x05\x02\x00\x02" if known else b"\x05\x01\x00")
    version, method = await reader.readexactly(2)
    if version != 5:
        return "does not speak SOCKS5"
    if method == 0:
        return ""
    if method != 2 or not known:
        return "wants a user and a password" if method in (2, 0xFF) else "takes none of our ways to log in"
    user, password = (unquote(one or "").encode()[:255] for one in (parts.username, parts.password))
    writer.write(b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password)
    return "refuses user or password" if (await reader.readexactly(2))[1] else ""


async def _greet_http(parts: SplitResult, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """A tunnel to nowhere: 407 says who we are is wrong, anything else that it would go further."""
    lines = [f"CONNECT {NOWHERE}:443 HTTP/1.1", f"Host: {NOWHERE}:443"]
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    status = await reader.readline()
    if not status.startswith(b"HTTP/"):
        return "does not speak HTTP"
    return "refuses user or password" if b" 407" in status[:13] else ""
