"""Bodies of answers, unpacked while they are counted."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import cast

import httpx

MEGABYTE = 1024 * 1024
LARGEST = 10 * MEGABYTE


class TooBig(Exception):
    """Megabytes answered, or read until we stopped."""


WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""zlib's name for each packing that is understood (RFC 9110 §8.4.1)."""


async def body(response: httpx.Response, most: int = LARGEST) -> bytes:
    """Unpacked here and not by the client, which unpacks a whole piece before it can be counted. Raises TooBig."""
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise TooBig(int(declared) // MEGABYTE)
    unpack = _unpacking(response.headers.get("content-encoding", "").strip().lower())
    content = bytearray()
    async for piece in cast(httpx.AsyncByteStream, response.stream):
        content += unpack(piece, most + 1 - len(content))
        if len(content) > most:
            raise TooBig(-(-len(content) // MEGABYTE))
    return bytes(content)


def _unpacking(packing: str) -> Callable[[bytes, int], bytes]:
    """(piece, most bytes wanted) to unpacked bytes. Raises httpx.DecodingError."""
    if packing in ("", "identity"):
        return lambda piece, most: piece
    if packing not in WINDOWS:
        raise httpx.DecodingError(f"packed as {packing[:20]}, which the desk cannot read")
    packed = zlib.decompressobj(WINDOWS[packing])

    def unpack(piece: bytes, most: int) -> bytes:
        try:
            return packed.decompress(piece, most)
        except zlib.error as error:
            raise httpx.DecodingError(str(error)) from error

    return unpack
