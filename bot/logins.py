"""Logins whose every use ends the one before: commands use what the desk keeps, and keep what comes for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from bot.config import Config
from collectors import PLATFORMS
from collectors.settings import CommonSettings

if TYPE_CHECKING:
    from collectors.login import Tokens


def rotates(platform: str, settings: CommonSettings) -> bool:
    """Whether the desk would be locked out by a use of which nothing is kept; a password may be used again."""
    return PLATFORMS[platform].keeps_tokens and hasattr(settings, "refresh_token")


@asynccontextmanager
async def kept(config: Config) -> AsyncIterator[Tokens | None]:
    """Where the desk keeps its logins, beside a running one too. None: there is no such database, or it is away."""
    async with AsyncExitStack() as stack:
        yield await _opened(config, stack)


async def _opened(config: Config, stack: AsyncExitStack) -> Tokens | None:
    from storage.erasing import beside
    from storage.store import SqlStore
    from storage.vault import Vault

    url, secret = config.database.url.get_secret_value(), config.desk.secret_key.get_secret_value()
    try:
        plain = await stack.enter_async_context(beside(url))
        store = SqlStore(plain.database, Vault(secret), lambda brand: None)
        await store.get_token("")  # whether the table is there
    except (SQLAlchemyError, OSError):
        return None
    return store
