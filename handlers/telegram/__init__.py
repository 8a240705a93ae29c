"""Telegram in: each update becomes a call of the desk, and is confirmed only once that is stored."""

from __future__ import annotations

from aiogram import Dispatcher

from handlers.telegram.buttons import Buttons
from handlers.telegram.commands import Commands
from handlers.telegram.hands import Persist, Setup, Voice
from handlers.telegram.thread import Thread
from handlers.telegram.verbs import COMMANDS

__all__ = ["COMMANDS", "WEBHOOK_LIMIT", "Setup", "Voice", "dispatcher"]

WEBHOOK_LIMIT = 40.0
"""Seconds. At 55 the library would answer a webhook call whose update is not stored yet."""


def dispatcher(setup: Setup, limit: float | None = None) -> Dispatcher:
    """All of Telegram's inbound side. `limit` is WEBHOOK_LIMIT behind a webhook, None for polling."""
    made = Dispatcher(disable_fsm=True)
    made.update.outer_middleware(Persist(setup, limit))
    for part in (Buttons(setup), Commands(setup), Thread(setup)):
        made.include_router(part.router())
    made.shutdown.register(setup.voice.settled)
    return made
