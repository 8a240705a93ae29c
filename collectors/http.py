"""One door to every platform's HTTP: time limits, size limit, and answers turned into desk errors."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from collectors.answers import FAMILY, READ, STATUS, WRITE, Answer, Maker, Mode, Verdict, refused
from collectors.bodies import LARGEST, MEGABYTE, TooBig, body
from collectors.net import FOREIGN, Inside, Through, Ways, ssl_context
from collectors.records import QUOTED
from collectors.text import fold
from desk.errors import DeskError, Refused, Retry

TOTAL = 15.0
"""Seconds for one call, all of it. engine.md, fence: below a third of the 60 s lease."""
CONNECT = 5.0
HOPS = 5
REDIRECTS = {301, 302, 303, 307, 308}

SECRET = re.compile(r"authorization|token|key$|secret|password|signature|assertion", re.IGNORECASE)
"""Names of headers and fields that carry credentials."""


T = TypeVar("T")
Now = Callable[[], datetime]


class Client(httpx.AsyncClient):
    """It keeps no cookies: one account's session must not speak for another's. And no variable of the environment
    counts, only the configuration."""

    def __init__(self, ways: Ways | Through) -> None:
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


def trusted(http: httpx.AsyncClient) -> ssl.SSLContext:
    """The client's authorities, for a platform that speaks something else than HTTP."""
    return http.ways.context if isinstance(http, Client) else ssl_context()


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


Words = Callable[[Any], tuple[str, str]]
"""Vendor's error body (decoded JSON) to (message, code)."""


def no_words(_body: Any) -> tuple[str, str]:
    return "", ""


# Raised before a byte of the request has left.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
NOT_POSSIBLE = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeEncodeError)


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
        said = _masked(message, ask)[:QUOTED].strip()
        reason = ": ".join(filter(None, (where, _named(answer.status), said)))
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
