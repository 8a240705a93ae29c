"""All the other sides, asked at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import httpx
from rich.console import Console

from bot.check.ai import connect_ai
from bot.check.proxy import ask_proxy
from bot.check.slack import connect_slack
from bot.check.store import ask_database, ask_source
from bot.check.telegram import connect_telegram
from bot.config import Config, Fault, Source
from bot.config.crosschecks import room_uses
from bot.config.faults import Faults, Where
from bot.logs import hidden, hide_secrets
from bot.net import way
from collectors import PLATFORMS
from collectors.http import client as http_client
from collectors.screenshots import lacking

PART = 60
"""Seconds all calls to one of the other sides may take."""
QUIET = 2.0
"""Seconds before progress is shown."""


class Part(NamedTuple):
    """One of the other sides. `ask` adds to the faults what it hears."""

    title: str
    where: Where
    ask: Callable[[Faults], Awaitable[None]]


async def check_online(config: Config, file: str, console: Console | None = None) -> list[Fault]:
    """Asks Telegram, Slack, the sources, the database and the AI server, all at once."""
    hide_secrets(config)
    console = console or Console(stderr=True)
    default = way(config, None)
    async with http_client(default.proxy, default.ca_file) as http:
        parts = list(_parts(config, http))
        waiting = {part.title: asyncio.create_task(_asked(part, file)) for part in parts}
        progress = asyncio.create_task(_show_progress(waiting, console))
        try:
            found = await asyncio.gather(*waiting.values())
        finally:
            progress.cancel()
            with suppress(asyncio.CancelledError):
                await progress
    return [fault for faults in found for fault in faults]


def _parts(config: Config, http: httpx.AsyncClient) -> Iterator[Part]:
    yield from _proxies(config)
    if config.telegram is not None:
        where, out = Where().at("telegram"), way(config, config.telegram.proxy)
        yield Part("Telegram", where, partial(connect_telegram, config.telegram, list(room_uses(config)), out))
    for n, slack in enumerate(config.slack):
        where, out = Where().at("slack", n).named(slack.key), way(config, slack.proxy)
        yield Part(f"Slack {slack.key}", where, partial(connect_slack, slack, list(room_uses(config)), where, out))
    for source, brand, where in _sources(config):
        yield Part(source.key, where, partial(ask_source, source, brand, where, http, config))
    yield Part(
        "the database", Where().at("database", "url"), partial(ask_database, config.database.url.get_secret_value())
    )
    if config.desk.screenshots:
        yield Part("the browser", Where().at("desk", "screenshots"), partial(_find_browser, config.desk.chromium))
    if config.ai is not None:
        yield Part("the AI server", Where().at("ai"), partial(connect_ai, config.ai, way(config, config.ai.proxy)))


async def _find_browser(named: str, faults: Faults) -> None:
    what, mend = lacking(named)
    if what:
        faults.add(Where().at("desk", "screenshots"), what, mend)


def _proxies(config: Config) -> Iterator[Part]:
    """Each proxy once, where it is named first."""
    first: dict[str, Where] = {}
    for proxy, where in named_proxies(config):
        first.setdefault(proxy, where)
    for proxy, where in first.items():
        yield Part(f"the proxy of {where.path}", where, partial(ask_proxy, proxy, where, config.desk.ca_file))


def named_proxies(config: Config) -> Iterator[tuple[str, Where]]:
    tables: list[tuple[Any, Where]] = [(config.desk, Where().at("desk"))]
    tables += [(one, Where().at(name)) for name, one in (("telegram", config.telegram), ("ai", config.ai)) if one]
    tables += [(one, Where().at("slack", n).named(one.key)) for n, one in enumerate(config.slack)]
    tables += [(source.settings, where) for source, _, where in _sources(config)]
    for table, where in tables:
        own = getattr(table, "proxy", None)  # what makes no request has none
        proxy = own.get_secret_value() if own is not None else ""
        if proxy:
            yield proxy, where.at("proxy")


async def _asked(part: Part, file: str) -> list[Fault]:
    faults = Faults(file)
    try:
        async with asyncio.timeout(PART):
            await part.ask(faults)
    except TimeoutError:
        faults.add(part.where, f"no answer within {PART} s", "try again, and check the network")
    except Exception as error:
        # Its text may hold an address with a token.
        faults.add(part.where, f"could not be asked ({type(error).__name__})", "check the addresses in this table")
    return [fault._replace(what=hidden(fault.what), mend=hidden(fault.mend)) for fault in faults.found]


async def _show_progress(waiting: Mapping[str, asyncio.Task[Any]], console: Console) -> None:
    if not console.is_terminal:
        return
    await asyncio.sleep(QUIET)
    with console.status("") as status:
        while True:
            left = [title for title, task in waiting.items() if not task.done()]
            status.update(f"asking {', '.join(left)} ({len(waiting) - len(left)} of {len(waiting)} done)")
            await asyncio.sleep(0.2)


def _sources(config: Config) -> Iterator[tuple[Source, str, Where]]:
    for i, client in enumerate(config.clients):
        for j, brand in enumerate(client.brands):
            for k, source in enumerate(brand.sources):
                if not PLATFORMS[source.platform].card.pushed:
                    where = Where().at("clients", i).named(client.key).at("brands", j).named(brand.key)
                    yield source, brand.key, where.at("sources", k).named(source.key)
