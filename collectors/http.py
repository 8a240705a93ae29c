"""One door to every platform's HTTP: time limits, size limit, and answers turned into desk errors."""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from collectors.net import FOREIGN, Inside, Through, Ways, ssl_context
from collectors.text import fold
from desk.errors import BadAnswer, DeskError, Gone, NeedsLogin, Refused, Retry, Unsure

TOTAL = 15.0
"""Seconds for one call, all of it. engine.md, fence: below a third of the 60 s lease."""
CONNECT = 5.0
LARGEST = 10 * 1024 * 1024
MEGABYTE = 1024 * 1024
HOPS = 5
QUOTED = 300
REDIRECTS = {301, 302, 303, 307, 308}

SECRET = re.compile(r"authorization|token|key$|secret|password|signature|assertion", re.IGNORECASE)
"""Names of headers and fields that carry credentials."""

FIELD = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)
"""A field's name; what is a key and yet looks otherwise may be somebody's number or name."""

log = logging.getLogger("replydesk.collectors")

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Now = Callable[[], datetime]


class Client(httpx.AsyncClient):
    """It keeps no cookies: one account's session must not speak for another's. And no variable of the environment
    counts, only the configuration."""

    def __init__(self, ways: httpx.AsyncBaseTransport) -> None:
        super().__init__(
            transport=ways,
            timeout=httpx.Timeout(TOTAL, connect=CONNECT, pool=CONNECT),
            follow_redirects=False,
            headers={"User-Agent": "replydesk", "Accept-Encoding": "gzip"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
        )
        self.ways = ways


# Idle connections go before servers drop them: a write into a closing one would be Unsure for nothing.
LIMITS = httpx.Limits(max_connections=100, keepalive_expiry=2.0)


def client(proxy: str = "", ca_file: Path | None = None) -> Client:
    """The client all sources share. `proxy`: for those that have none of their own."""
    return Client(Ways(proxy, ssl_context(ca_file), LIMITS))


def through(http: httpx.AsyncClient, proxy: str | None) -> httpx.AsyncClient:
    """The same client by another proxy, "" for none; None: as it is. It needs no closing."""
    return http if proxy is None or not isinstance(http, Client) else Client(Through(http.ways, proxy))


class Mode(NamedTuple):
    """What an exchange that went wrong means: `lost` without an answer, `unreadable` with one."""

    lost: type[DeskError]
    unreadable: type[DeskError]


READ = Mode(lost=Retry, unreadable=BadAnswer)
WRITE = Mode(lost=Unsure, unreadable=Unsure)


@dataclass(frozen=True, slots=True)
class Ask:
    method: str
    url: str
    params: Mapping[str, str | int] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object | None = None
    form: Mapping[str, str] | None = None

    def signed(self, authorization: str) -> Ask:
        return self.with_header("Authorization", authorization)

    def with_header(self, name: str, value: str) -> Ask:
        return replace(self, headers={**self.headers, name: value})

    @property
    def secrets(self) -> list[str]:
        """What must not be shown, nor leave for another server: credentials in headers, query, form and JSON."""
        fields = [*self.headers.items(), *(self.params or {}).items(), *(self.form or {}).items(), *_leaves(self.json)]
        named = (str(value) for name, value in fields if SECRET.search(name))
        return [word for value in named for word in value.split() if len(word) > len("Bearer")]


def _leaves(body: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Each value of a JSON body under its name; what lies inside a field that is named as a secret is one too."""
    if isinstance(body, Mapping):
        for key, inner in body.items():
            yield from _leaves(inner, name if SECRET.search(name) else str(key))
    elif isinstance(body, list | tuple):
        for inner in body:
            yield from _leaves(inner, name)
    else:
        yield name, body


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes
    url: str
    mode: Mode
    title: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300 or self.status == HTTPStatus.NOT_MODIFIED

    def parse(self, shape: type[T] | TypeAdapter[T]) -> T:
        """The JSON body as `shape`; anything else raises the mode's `unreadable`."""
        adapter = shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)
        try:
            return adapter.validate_json(self.body)
        except ValidationError as error:
            raise self.mode.unreadable(f"{self.title}: {self._fault(error)}") from None

    def _fault(self, error: ValidationError) -> str:
        if self.body.lstrip()[:1] == b"<":
            return "answered a web page instead of JSON"
        return f"answered something else than its papers say: {first_fault(error)}"


class Verdict(NamedTuple):
    """All that is needed to say what an unsuccessful status means."""

    reason: str
    code: str
    answer: Answer
    now: datetime


Maker = Callable[[Verdict], DeskError]


def needs_login(verdict: Verdict) -> DeskError:
    return NeedsLogin(verdict.reason)


def refused(verdict: Verdict) -> DeskError:
    return Refused(verdict.reason, code=verdict.code)


def gone(verdict: Verdict) -> DeskError:
    return Gone(verdict.reason)


def later(verdict: Verdict) -> DeskError:
    return Retry(verdict.reason, after=wait_seconds(verdict.answer.headers, verdict.now), rate_limited=True)


def unsure(verdict: Verdict) -> DeskError:
    return Unsure(verdict.reason)


def lost(verdict: Verdict) -> DeskError:
    if verdict.answer.mode.lost is Retry:
        return Retry(verdict.reason, after=wait_seconds(verdict.answer.headers, verdict.now))
    return verdict.answer.mode.lost(verdict.reason)


def moved(verdict: Verdict) -> DeskError:
    where = httpx.URL(verdict.answer.url).join(verdict.answer.headers.get("location", ""))
    return Refused(f"{verdict.reason}: moved to {where.scheme}://{where.host}; set that address in the settings")


def elsewhere(verdict: Verdict) -> DeskError:
    """After a POST a 302 or 303 may be "done, look there"."""
    return lost(verdict) if verdict.answer.mode is WRITE else moved(verdict)


STATUS: dict[int, Maker] = {
    301: moved,
    302: elsewhere,
    303: elsewhere,
    307: moved,
    308: moved,
    401: needs_login,
    403: refused,
    404: gone,
    408: lost,
    410: gone,
    420: later,
    425: later,
    429: later,
}
FAMILY: dict[int, Maker] = {3: moved, 4: refused, 5: lost}

Words = Callable[[Any], tuple[str, str]]
"""Vendor's error body (decoded JSON) to (message, code)."""


def no_words(_body: Any) -> tuple[str, str]:
    return "", ""


# Raised before a byte of the request has left.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
NOT_POSSIBLE = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeEncodeError)


class TooBig(Exception):
    """Megabytes answered, or read until we stopped."""


class Door:
    """Calls in the name of one source. `words` reads the vendor's errors, `codes` go before STATUS."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        title: str,
        now: Now,
        words: Words = no_words,
        codes: Mapping[str, Maker] | None = None,
    ) -> None:
        self._http = http
        self._title = title
        self._now = now
        self._words = words
        self._codes = codes or {}

    async def read(self, ask: Ask) -> Answer:
        """A call that changes nothing. Raises Retry, BadAnswer, NeedsLogin, Refused, Gone."""
        return await self._call(ask, READ)

    async def write(self, ask: Ask) -> Answer:
        """A call that may take effect. As `read`, but Unsure wherever it may have taken effect."""
        return await self._call(ask, WRITE)

    async def _call(self, ask: Ask, mode: Mode) -> Answer:
        answer = await self._exchange(ask, mode)
        if answer.is_success:
            return answer
        raise self._judge(answer, ask)

    async def _exchange(self, ask: Ask, mode: Mode) -> Answer:
        where = f"{self._title} ({_host(ask.url)})"
        try:
            async with asyncio.timeout(TOTAL):
                return await self._follow(ask, mode)
        except Inside as error:
            raise Refused(f"{where}: leads to an address the desk does not call ({error})") from None
        except NOT_POSSIBLE as error:
            raise Refused(f"{where}: the request cannot be made ({type(error).__name__})") from None
        except NOT_SENT as error:
            raise Retry(f"{where}: no connection ({type(error).__name__})") from error
        except (httpx.TransportError, TimeoutError) as error:
            raise mode.lost(f"{where}: no answer ({type(error).__name__})") from error
        except httpx.DecodingError as error:
            raise mode.unreadable(f"{where}: answered something that cannot be decompressed") from error
        except TooBig as error:
            limit = LARGEST // MEGABYTE
            raise mode.unreadable(f"{where}: answered {error} MB, more than {limit} MB") from None

    async def _follow(self, ask: Ask, mode: Mode) -> Answer:
        configured, foreign = ask.url, False
        for _ in range(HOPS):
            answer = await self._send(ask, mode, foreign)
            target = _redirect(ask, answer)
            if target is None:
                return answer
            ask, foreign = replace(ask, url=target, params=None), not _same_server(configured, target)
        raise httpx.RemoteProtocolError(f"more than {HOPS} redirects")

    async def _send(self, ask: Ask, mode: Mode, foreign: bool) -> Answer:
        """`foreign`: an answer named the address, so it must be a public one."""
        request = self._http.build_request(
            ask.method,
            ask.url,
            params=ask.params,
            headers=dict(ask.headers),
            json=ask.json,
            data=ask.form,
            extensions={FOREIGN: foreign},
        )
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            content = await body(response)
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, content, str(request.url), mode, self._title)

    def _judge(self, answer: Answer, ask: Ask) -> DeskError:
        message, code = self._said(answer)
        where = f"{self._title} ({_host(answer.url)})"
        reason = f"{where}: {_named(answer.status)} {_masked(message, ask)[:QUOTED]}".strip()
        if answer.status == HTTPStatus.NOT_FOUND and not code and self._words is not no_words:
            # Somebody before the platform said it (a proxy, a site in maintenance): nothing is known to be gone.
            return answer.mode.unreadable(f"{reason}: not in the platform's own words")
        make = self._codes.get(code) or STATUS.get(answer.status) or FAMILY.get(answer.status // 100, refused)
        return make(Verdict(reason, code, answer, self._now()))

    def _said(self, answer: Answer) -> tuple[str, str]:
        try:
            message, code = self._words(TypeAdapter(Any).validate_json(answer.body))
        except (ValidationError, LookupError, TypeError, AttributeError):
            return "", ""
        return fold(str(message)), str(code)


def writing_begins_by() -> float:
    """Loop time by which a write has to begin, for the fence: the lease is checked before the platform is called."""
    return asyncio.get_running_loop().time() + TOTAL


async def in_time(deadline: float, work: Awaitable[T], title: str) -> T:
    """What goes before a write. Raises Retry if it is not over by `deadline` (loop time)."""
    try:
        async with asyncio.timeout_at(deadline):
            return await work
    except TimeoutError as error:
        raise Retry(f"{title}: too slow; nothing was sent") from error


def _redirect(ask: Ask, answer: Answer) -> str | None:
    """Where a GET goes on. With credentials only within the same host, and never from https down to http."""
    if ask.method != "GET" or answer.status not in REDIRECTS or not answer.headers.get("location"):
        return None
    here = httpx.URL(answer.url)
    there = here.join(answer.headers["location"])
    if there.scheme not in ("http", "https"):
        return None
    upgrade = (here.scheme, there.scheme) == ("http", "https")
    same_door = (there.scheme, there.port) == (here.scheme, here.port)
    ours = there.host == here.host and (upgrade or same_door)
    return str(there) if ours or not ask.secrets else None


def _same_server(one: str, other: str) -> bool:
    """Scheme, host and port; or the same host with TLS, at its usual port."""
    here, there = httpx.URL(one), httpx.URL(other)
    upgrade = (here.scheme, there.scheme) == ("http", "https") and there.port is None
    return here.host == there.host and (upgrade or (here.scheme, here.port) == (there.scheme, there.port))


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


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _host(url: str) -> str:
    # Only the host: paths and queries may carry keys.
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "?"


def _masked(message: str, ask: Ask) -> str:
    for secret in ask.secrets:
        message = message.replace(secret, "***")
    return message


def first_fault(error: ValidationError) -> str:
    """`field: what is wrong`, without the value: it may be a secret."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    said = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said


def readable(raw: list[Any], shape: type[M], title: str, *, searched: bool = False) -> tuple[list[M], str]:
    """Records that are as promised, and a note on those that are not: one bad record harms only itself, also where it
    is the only one.

    Raises BadAnswer when none of several is readable. `searched`: something is looked for among them, and must not be
    called gone; then a single one is enough.
    """
    good, faults = [], []
    for record in raw:
        try:
            good.append(shape.model_validate(record))
        except ValidationError as error:
            faults.append(first_fault(error))
            _log_once(title, faults[-1], _kinds(record))
    if faults and not good and (searched or len(raw) > 1):
        raise BadAnswer(f"{title}: answered something else than its papers say: {faults[0]}")
    if not faults:
        return good, ""
    return good, f"{title}: {len(faults)} of {len(raw)} records cannot be read ({faults[0]})"


@lru_cache(maxsize=256)
def _log_once(title: str, fault: str, kinds: str) -> None:
    """For whoever mends the reading. A poll meets the same record for days: one line is enough."""
    log.warning("%s: a record cannot be read (%s); it holds %s", title, fault, kinds)


def _kinds(record: Any, depth: int = 2) -> str:
    """What a record is made of, without what it says: that may be about people. Names of fields are the platform's."""
    if not isinstance(record, dict) or not depth:
        return type(record).__name__
    named = (f"{key}: {_kinds(value, depth - 1)}" for key, value in record.items() if FIELD.fullmatch(str(key)))
    return f"{{{', '.join(named)}}}"[:QUOTED]


def _seconds(value: str, _now: datetime) -> float | None:
    return float(value) if re.fullmatch(r"\d{1,9}(\.\d+)?", value) else None


def _http_date(value: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, IndexError):
        return None
    return (at.astimezone(UTC) - now).total_seconds() if at.tzinfo else None


def _iso(value: str, now: datetime) -> float | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (at - now).total_seconds() if at.tzinfo else None


def _unix(value: str, now: datetime) -> float | None:
    return float(value) - now.timestamp() if re.fullmatch(r"\d{10}(\.\d+)?", value) else None


WAITS: dict[str, tuple[Callable[[str, datetime], float | None], ...]] = {
    "retry-after": (_seconds, _http_date),
    "ratelimit-reset": (_unix, _seconds, _iso),
    "x-ratelimit-reset": (_unix, _seconds, _iso),
    "x-rate-limit-reset": (_unix, _seconds, _iso),
    "x-ratelimit-retry": (_seconds,),
    "x-ratelimit-resource-until": (_http_date,),
}
"""Header to its readings, in order: vendors disagree on seconds, Unix time and ISO time (western.md §16)."""


def wait_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the other side asks us to wait; None where it names no time."""
    for name, readings in WAITS.items():
        for reading in readings:
            wait = reading(headers.get(name, "").strip(), now)
            if wait is not None:
                return max(wait, 0.0)
    return None
