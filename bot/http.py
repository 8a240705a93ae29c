"""What others call: health, metrics, mentions pushed by webhook, and the messengers' own callbacks (contract §6)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from bot.intake import Gate, take_in
from bot.logs import hidden
from collectors.hooks import Call, Heed, HookError
from collectors.webhook import LARGEST, NothingUsable, Rejected, TooLarge, parse
from desk.errors import DeskError
from desk.polling import knocked
from desk.ports import Store
from desk.work import Prio

log = logging.getLogger("replydesk.http")

BODY_TIME = 30.0
"""Seconds a whole body may take to arrive."""
STORE_TIME = 25.0
"""Seconds until a push that could not be stored is refused; senders wait 15 to 30."""
CHECK_TIME = 5.0
"""Seconds for one check of /readyz."""
CLOSING = 8.0
"""Seconds for requests under way when the desk stops; the whole desk has 10 (contract §2)."""

AWAY = (SQLAlchemyError, OSError, TimeoutError, DeskError)
"""How a store fails that cannot be written to at the moment."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check = Callable[[], Awaitable[str]]
"""Returns what is wrong, "" when all is well; raising is a fault too."""


class HookSource(NamedTuple):
    """A source that mentions are pushed to. `secret`: whsec_…"""

    key: str
    brand: str
    secret: SecretStr


class Knocker(NamedTuple):
    """A source whose platform calls when something is new. `heed` judges a call, and raises HookError; `to_read`: the
    sources it is about."""

    key: str
    heed: Callable[[Call], Heed]
    to_read: Callable[[Heed], list[str]]


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class HttpDeps:
    """`hook` finds a pushed source in the configuration in force, `knocker` one whose platform calls when something is
    new; `slack` and `telegram` only where they call us.

    `notes`: what /readyz tells beside the reasons, and is ready all the same.
    """

    store: Store
    hook: Callable[[str], HookSource | None]
    metrics: Callable[[], Awaitable[bytes]]
    knocker: Callable[[str], Knocker | None] = lambda key: None
    checks: Mapping[str, Check] = field(default_factory=dict)
    notes: Mapping[str, Check] = field(default_factory=dict)
    now: Callable[[], datetime] = _utc_now
    slack: Handler | None = None
    telegram: Handler | None = None
    gate: Gate = field(default_factory=Gate)


@web.middleware
async def _unpacked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A body that is not packed as it says is no failure of ours, at the messengers' addresses neither."""
    try:
        return await handler(request)
    except web.RequestPayloadError:
        return _error(400, "the body cannot be unpacked")


def http_app(deps: HttpDeps) -> web.Application:
    app = web.Application(client_max_size=LARGEST, middlewares=[_unpacked])
    edge = _Edge(deps)
    app.router.add_get("/healthz", edge.alive)
    app.router.add_get("/readyz", edge.ready)
    app.router.add_get("/metrics", edge.metrics)
    app.router.add_post("/hooks/{source}", edge.hook)
    app.router.add_get("/hooks/{source}", edge.knock, allow_head=False)
    for path, handler in (("/slack/events", deps.slack), ("/telegram", deps.telegram)):
        if handler is not None:
            app.router.add_post(path, handler)
    return app


@dataclass(frozen=True, slots=True)
class _Edge:
    deps: HttpDeps

    async def alive(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, request: web.Request) -> web.Response:
        reasons, notes = await asyncio.gather(_told(self.deps.checks), _told(self.deps.notes))
        told = {"ready": not reasons, "reasons": reasons, "notes": notes}
        return web.json_response(told, status=503 if reasons else 200)

    async def metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=await self.deps.metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def hook(self, request: web.Request) -> web.Response:
        source = self.deps.hook(request.match_info["source"])
        if source is None:
            return await self.knock(request)
        try:
            body = await _body(request)
            secret = source.secret.get_secret_value()
            got = parse(body, request.headers, secret, source.brand, source.key, self.deps.now())
            with self.deps.gate.pushing():
                async with asyncio.timeout(STORE_TIME):
                    counts = await take_in(self.deps.store, source.key, request.headers["webhook-id"], body, got)
        except HookError as refused:
            return _refused(source, refused)
        except AWAY as error:
            log.error("hook %s: not stored: %s", source.key, type(error).__name__)
            return _error(503, "the store is not available; nothing is lost if you send this again")
        log.info("hook %s: %s accepted, %s known, %s rejected", source.key, *counts, len(got.rejected))
        return web.json_response({**counts._asdict(), "rejected": got.rejected}, status=202)

    async def knock(self, request: web.Request) -> web.Response:
        source = self.deps.knocker(request.match_info["source"])
        if source is None:
            return _error(404, "no such source")
        try:
            body, at = await _body(request), self.deps.now()
            heed = source.heed(Call(request.method, request.query, request.headers, body, at))
            await self._read(source.to_read(heed) if heed.read else [])
        except HookError as refused:
            return _refused(source, refused)
        except AWAY as error:
            log.error("hook %s: not noted: %s", source.key, type(error).__name__)
            return _error(503, "the store is not available; nothing is lost if you send this again")
        return web.Response(text=heed.text, content_type=heed.kind)

    async def _read(self, sources: list[str]) -> None:
        for source in sources:
            async with asyncio.timeout(STORE_TIME), self.deps.store.write(Prio.PERSON) as unit:
                await knocked(unit, source)


async def _told(checks: Mapping[str, Check]) -> dict[str, str]:
    """What has something to say."""
    names = list(checks)
    found = await asyncio.gather(*(_wrong(name, checks[name]) for name in names))
    return {name: said for name, said in zip(names, found, strict=True) if said}


async def _wrong(name: str, check: Check) -> str:
    """Never raises: a check that does not come to an end is a reason of its own."""
    try:
        async with asyncio.timeout(CHECK_TIME):
            return hidden(await check())
    except TimeoutError:
        return f"no answer within {CHECK_TIME:g} s"
    except DeskError as error:
        return hidden(str(error)) or type(error).__name__
    except Exception as error:
        log.warning("the check of %s failed: %s", name, type(error).__name__)
        return type(error).__name__


async def _body(request: web.Request) -> bytes:
    """Raises TooLarge before anything is read where the size is announced, else as soon as it is exceeded."""
    if (request.content_length or 0) > LARGEST:
        raise TooLarge("larger than 1 MiB")
    try:
        async with asyncio.timeout(BODY_TIME):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise TooLarge("larger than 1 MiB") from None
    except web.RequestPayloadError:
        raise NothingUsable("the body cannot be unpacked") from None
    except TimeoutError:
        raise _TooSlow("the body did not arrive in time") from None


class _TooSlow(HookError):
    status = 408


def _refused(source: HookSource | Knocker, refused: HookError) -> web.Response:
    log.warning("hook %s: refused with %s: %s", source.key, refused.status, refused)
    rejected = refused.rejected if isinstance(refused, NothingUsable) else None
    return _error(refused.status, str(refused), rejected)


def _error(status: int, text: str, rejected: list[Rejected] | None = None) -> web.Response:
    more = {} if rejected is None else {"accepted": 0, "duplicates": 0, "rejected": rejected}
    headers = {"Retry-After": "30"} if status == 503 else None
    return web.json_response({"error": text, **more}, status=status, headers=headers)


# listening


class Listener:
    """The application on its address. `port` is the one in use, when 0 was asked for."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._app, self._host, self.port = app, host, port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Raises OSError where the address cannot be had."""
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=CLOSING)
        await runner.setup()
        self._runner = runner
        await web.TCPSite(runner, self._host, self.port).start()
        addresses: Sequence[tuple[str, int]] = runner.addresses
        self.port = addresses[0][1]

    async def stop(self) -> None:
        """No new requests; those under way are answered, for CLOSING seconds at most."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
