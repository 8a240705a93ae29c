"""`replydesk`: the commands people type. Each imports only what it needs, so that it answers at once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bot.config import Config

# Pydantic looks for plugins in the records of every installed package: for none, a tenth of what a command takes.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

cli = typer.Typer(
    help="A response desk in chat: negative reviews become cases, approved replies go back to the platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
db = typer.Typer(help="The database.", no_args_is_help=True)
cli.add_typer(db, name="db")

USAGE = 2
"""Exit status for faults of configuration or usage (contract §2)."""

ConfigPath = Annotated[
    Path, typer.Option("--config", envvar="REPLYDESK_CONFIG", help="The configuration file.", dir_okay=False)
]
DEFAULT = Path("config.toml")


def say(text: str) -> None:
    """For people: to stderr, where no result is disturbed."""
    print(text, file=sys.stderr, flush=True)


def stop(text: str, status: int = 1) -> typer.Exit:
    say(text)
    return typer.Exit(status)


def configured(path: Path) -> Config:
    """The configuration; all its faults, and exit status 2, where it has any."""
    from bot.config import ConfigFaults, load

    try:
        return load(path)
    except ConfigFaults as faults:
        raise stop("\n".join(str(fault) for fault in faults.faults), USAGE) from None


def go(work: Coroutine[Any, Any, int | None]) -> None:
    """Run to the end; the desk's own errors, and those of files and connections, become one line and status 1."""
    from sqlalchemy.exc import DBAPIError

    from desk.errors import DeskError
    from storage.database import StoreBusy

    try:
        status = asyncio.run(work)
    except (DeskError, StoreBusy, OSError) as error:
        raise stop(str(error) or type(error).__name__) from None
    except DBAPIError as error:
        # Its own text holds the statement, with what people wrote in it.
        cause = f"the database does not answer as it should ({type(error.orig).__name__})"
        raise stop(f"{cause}; look at database.url, then try `replydesk db upgrade`") from None
    except KeyboardInterrupt:
        raise stop("stopped") from None
    if status:
        raise typer.Exit(status)


@cli.command()
def run(config: ConfigPath = DEFAULT) -> None:
    """The desk, in the foreground, until SIGINT or SIGTERM."""
    settings = configured(config)
    from bot.run import run_desk

    go(run_desk(settings, config))


@cli.command()
def check(
    config: ConfigPath = DEFAULT,
    online: Annotated[bool, typer.Option(help="Also ask the messengers, sources, database and AI.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the faults as JSON.")] = False,
) -> None:
    """All faults of the configuration at once, each with its remedy."""
    from bot.check import check as find
    from bot.check import report

    faults = find(config, online=online)
    print(report(faults, as_json=as_json)) if as_json else say(report(faults, as_json=False))
    if faults:
        raise typer.Exit(USAGE)


@cli.command()
def demo(
    speed: Annotated[float, typer.Option(min=0.01, help="60 = sample reviews arrive 60 times faster.")] = 1.0,
    port: Annotated[int, typer.Option(help="Of the page; 0 takes a free one.")] = 8900,
) -> None:
    """The sandbox and a desk in it: play staff and client in the browser. No account, no key, no network."""
    from bot.demo import run_demo

    go(run_demo(speed, port))


@cli.command()
def sources(config: ConfigPath = DEFAULT) -> None:
    """Each source: platform, abilities, last success, lag, last error."""
    settings = configured(config)
    from bot.reports.sources import show_sources

    go(show_sources(settings, config))


@cli.command()
def collect(
    source: str,
    config: ConfigPath = DEFAULT,
    since: Annotated[datetime | None, typer.Option(help="Read from this time (UTC) instead of the cursor.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Print what was read, store nothing.")] = False,
) -> None:
    """One poll of SOURCE, printed as JSON lines."""
    settings = configured(config)
    from bot.reports.sources import collect_once

    go(collect_once(settings, config, source, since, dry_run))


@cli.command()
def digest(
    client: str,
    config: ConfigPath = DEFAULT,
    day: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Local date; today.")] = None,
    send: Annotated[bool, typer.Option(help="Send it to the client's rooms.")] = False,
) -> None:
    """The digest of CLIENT as its staff and the client see it."""
    settings = configured(config)
    from bot.reports.digest import show_digest

    go(show_digest(settings, config, client, _day(day), send))


@cli.command()
def export(
    client: str,
    out: Annotated[Path, typer.Option(help="A file ending in .csv, .xlsx or .jsonl.")],
    config: ConfigPath = DEFAULT,
    since: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")] = None,
    author: Annotated[str, typer.Option(help="PLATFORM:AUTHOR_ID; all that is held on one author, as .jsonl.")] = "",
) -> None:
    """One row a round of CLIENT's cases."""
    settings = configured(config)
    if author:
        from bot.privacy import export_author

        go(export_author(settings, config, client, author, out))
        return
    from bot.reports.exporting import export_client

    go(export_client(settings, config, client, _day(since), _day(until), out))


@cli.command()
def forget(platform: str, author_id: str, config: ConfigPath = DEFAULT) -> None:
    """Erase an author's personal data; the figures stay."""
    settings = configured(config)
    from bot.logs import setup_logs
    from bot.privacy import forget_author

    setup_logs(settings)
    go(forget_author(settings, config, platform, author_id))


@db.command()
def upgrade(config: ConfigPath = DEFAULT) -> None:
    """Bring the database's schema up to date (`run` does so at its start)."""
    settings = configured(config)
    from bot.upkeep import upgrade_store

    go(upgrade_store(settings))


@db.command("check")
def check_database(config: ConfigPath = DEFAULT) -> None:
    """Integrity, schema and rows that lack what they refer to; also beside a running desk."""
    settings = configured(config)
    from bot.upkeep import check_store

    go(check_store(settings))


@db.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to; must not exist yet.", dir_okay=False)],
    config: ConfigPath = DEFAULT,
) -> None:
    """A whole copy of a SQLite database while the desk works on it."""
    settings = configured(config)
    from bot.upkeep import backup_store

    go(backup_store(settings, file))


@db.command()
def copy(
    source: Annotated[str, typer.Option("--from", help="sqlite+aiosqlite:///FILE, or env:NAME.")],
    target: Annotated[str, typer.Option("--to", help="postgresql+asyncpg://…, an empty database; or env:NAME.")],
) -> None:
    """Move a stopped desk from SQLite to PostgreSQL: rows and checksum of each table, proved."""
    from bot.upkeep import copy_store

    go(copy_store(source, target))


def _day(moment: datetime | None) -> date | None:
    """Raises BadParameter for days around which no calendar goes on: zones and following days lie beyond them."""
    if moment is None:
        return None
    if not date.min.year < moment.year < date.max.year:
        raise typer.BadParameter(f"{moment:%Y-%m-%d} is no day of this desk's")
    return moment.date()


def main() -> None:
    cli()


if __name__ == "__main__":
    main()
