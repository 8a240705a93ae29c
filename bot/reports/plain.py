"""A drawing as plain text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from desk.view import Block, Call, Drawing, Line, Quote
from handlers.words import PLAIN, say


def plain(drawing: Drawing, now: datetime) -> str:
    return "\n".join(_line(block, drawing, now) for block in _worded(drawing.blocks))


def _worded(blocks: Iterable[Block]) -> Iterable[Line | Quote]:
    return (block for block in blocks if not isinstance(block, Call))


def _line(block: Line | Quote, drawing: Drawing, now: datetime) -> str:
    if isinstance(block, Quote):
        return "\n".join(f"  | {line}" for line in block.text.splitlines())
    return say(block.say, drawing.lang, drawing.zone, now, PLAIN)
