"""What a call brought along, from JSON, urlencoded or multipart."""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from sandbox.telegram.errors import ApiError, bad

MAX_UPLOAD = 50 * 1024 * 1024  # Bot API: uploads of other files than photos


@dataclass(slots=True)
class Upload:
    name: str
    mime: str
    data: bytes = field(repr=False)


@dataclass(slots=True)
class Params:
    """Parameters as sent; numbers and objects may come as text, as the Bot API allows."""

    values: dict[str, Any] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        text = "" if value is None else str(value)
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise bad("strings must be encoded in UTF-8")
        return text

    def number(self, key: str) -> int:
        try:
            return int(self.text(key))
        except ValueError:
            return 0

    def flag(self, key: str) -> bool:
        return self.text(key).lower() in ("true", "yes", "1")

    def json(self, key: str, broken: str) -> Any:
        """The parsed value, None when absent; raises ApiError 400 with `broken` when it is not JSON."""
        value = self.values.get(key)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad(broken) from None

    def object(self, key: str, broken: str) -> dict[str, Any]:
        """An object, empty when absent; anything else is ApiError 400 with `broken`."""
        value = self.json(key, broken)
        if value is not None and not isinstance(value, dict):
            raise bad(broken)
        return value or {}

    def objects(self, key: str, broken: str) -> list[dict[str, Any]]:
        """A list of objects, empty when absent; anything else is ApiError 400 with `broken`."""
        value = self.json(key, broken)
        if value is not None and not (isinstance(value, list) and all(isinstance(one, dict) for one in value)):
            raise bad(broken)
        return value or []

    def names(self, key: str, broken: str) -> list[str] | None:
        """A list of texts, None when absent."""
        value = self.json(key, broken)
        if value is not None and not isinstance(value, list):
            raise bad(broken)
        return None if value is None else [str(one) for one in value]

    def upload(self, key: str) -> Upload | None:
        sent = self.text(key)
        return self.uploads.get(sent.removeprefix("attach://") if sent.startswith("attach://") else key)

    def for_log(self) -> dict[str, Any]:
        files = {key: {"name": one.name, "size": len(one.data)} for key, one in self.uploads.items()}
        return {**self.values, **files}


async def read(request: web.Request) -> Params:
    """Raises ApiError 413 for a body over 50 MB, 400 for one that cannot be read."""
    request = request.clone(client_max_size=MAX_UPLOAD)
    params = Params(dict(request.query))
    try:
        await _read_body(request, params)
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "Request Entity Too Large") from None
    return params


async def _read_body(request: web.Request, params: Params) -> None:
    if request.content_type == "multipart/form-data":
        await _read_parts(request, params)
    elif request.can_read_body and request.content_type == "application/json":
        params.values |= await _read_json(request)
    elif request.can_read_body:
        params.values |= {key: str(value) for key, value in (await request.post()).items()}


async def _read_json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise bad("can't parse JSON object") from None
    if not isinstance(body, dict):
        raise bad("can't parse JSON object")
    return {key: value for key, value in body.items() if value is not None}


async def _read_parts(request: web.Request, params: Params) -> None:
    left = MAX_UPLOAD
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or not part.name:
            continue
        data = bytes(await part.read())
        left -= len(data)
        if left < 0:
            raise ApiError(413, "Request Entity Too Large")
        if part.filename is None:
            params.values[part.name] = data.decode()
        else:
            mime = part.headers.get("Content-Type", "application/octet-stream")
            params.uploads[part.name] = Upload(part.filename, mime, data)
