"""config.toml: its models, and how it is read with all its faults at once."""

from __future__ import annotations

from bot.config.durations import parse_duration, show_duration
from bot.config.faults import ConfigFaults, Fault
from bot.config.load import load
from bot.config.models import Ai, Brand, Client, Config, Database, Desk, Person, Slack, Source, Telegram, Terms, terms

__all__ = [
    "Ai",
    "Brand",
    "Client",
    "Config",
    "ConfigFaults",
    "Database",
    "Desk",
    "Fault",
    "Person",
    "Slack",
    "Source",
    "Telegram",
    "Terms",
    "load",
    "parse_duration",
    "show_duration",
    "terms",
]
