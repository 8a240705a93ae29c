"""Proxies to go through: HTTP (CONNECT and plain forwarding) and SOCKS5, with or without a login, and what they saw."""

from __future__ import annotations

import asyncio
import base64
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class No(Exception):
    """The proxy does not let this one in."""


@dataclass
class Proxy:
    """`seen`: host:port of each connection asked for. `names`: where a name leads, as only the proxy knows."""

    kind: str
    login: str = ""
    names: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    port: int = 0
    tls: bool = False
    writers: list[Writer] = field(default_factory=list)

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else self.kind
        return f"{scheme}://{f'{self.login}@' if self.login else ''}127.0.0.1:{self.port}"

    async def serve(self, reader: Reader, writer: Writer) -> None:
        self.writers.append(writer)
        with suppress(OSError, EOFError, No):
            await (self._socks if self.kind == "socks5" else self._http)(reader, writer)
        writer.close()

    async def _open(self, host: str, port: int) -> tuple[Reader, Writer]:
        self.seen.append(f"{host}:{port}")
        reader, writer = await asyncio.open_connection(self.names.get(host, host), port)
        self.writers.append(writer)
        return reader, writer

    async def _http(self, reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split(" ", 2)
        wanted = base64.b64encode(self.login.encode()).decode()
        if self.login and f"basic {wanted}".lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            raise No
        try:
            if method == "CONNECT":
                host, _, port = target.rpartition(":")
                far = await self._open(host.strip("[]"), int(port))
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                parts = urlsplit(target)
                far = await self._open(parts.hostname or "", parts.port or 80)
                far[1].write(head.replace(target, parts._replace(scheme="", netloc="").geturl(), 1).encode("latin-1"))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            return
        await _both_ways(reader, writer, *far)

    async def _socks(self, reader: Reader, writer: Writer) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        await self._log_in(methods, reader, writer)
        _, _, _, kind = await reader.readexactly(4)
        host = await _socks_host(kind, reader)
        [port] = struct.unpack("!H", await reader.readexactly(2))
        try:
            far = await self._open(host, port)
        except OSError:
            writer.write(b"\x05\x05\x00\x01" + bytes(6))
            return
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await _both_ways(reader, writer, *far)

    async def _log_in(self, methods: bytes, reader: Reader, writer: Writer) -> None:
        if not self.login:
            writer.write(b"\x05\x00")
            return
        if 2 not in methods:
            await _refuse(writer, b"\x05\xff")
        writer.write(b"\x05\x02")
        _, length = await reader.readexactly(2)
        user = await reader.readexactly(length)
        [length] = await reader.readexactly(1)
        password = await reader.readexactly(length)
        if user + b":" + password != self.login.encode():
            await _refuse(writer, b"\x01\x01")
        writer.write(b"\x01\x00")


async def _refuse(writer: Writer, answer: bytes) -> NoReturn:
    writer.write(answer)
    await writer.drain()
    raise No


async def _socks_host(kind: int, reader: Reader) -> str:
    import ipaddress

    if kind == 3:
        [length] = await reader.readexactly(1)
        return (await reader.readexactly(length)).decode()
    return str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))


async def _both_ways(reader: Reader, writer: Writer, far_reader: Reader, far_writer: Writer) -> None:
    async def copy(source: Reader, target: Writer) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))


@asynccontextmanager
async def proxy(kind: str, login: str = "", tls: ssl.SSLContext | None = None) -> AsyncIterator[Proxy]:
    made, talks = Proxy(kind, login, tls=tls is not None), set[asyncio.Task[None]]()

    def accept(reader: Reader, writer: Writer) -> None:
        talks.add(asyncio.create_task(made.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        for writer in made.writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
