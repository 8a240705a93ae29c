"""A drawing of the desk as a Telegram message. Pure: drawing stays apart from sending."""

from __future__ import annotations

import hashlib
import html
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from desk.view import Button, Call, Drawing, Line, Quote, Say
from handlers.telegram.callback import Data, pack
from handlers.telegram.verbs import ALIASES, COMMANDS
from handlers.words import Renderer, say, short_url, visible

LONGEST = 4096
"""Code points after parsing. Bot API: sendMessage."""
LONGEST_CAPTION = 1024
"""Code points after parsing. Bot API: sendDocument."""
LONGEST_NAME = 128
"""Characters. Bot API: createForumTopic."""
MOST_BUTTONS = 100
"""Of one message, as the server counts."""
FOLDED_FROM = 700
"""Characters from which a quote is folded, to be opened with a tap."""
LONGEST_ARGUMENT = 1000
"""Characters of foreign text within a line."""
LEAST_QUOTE = 160
"""Characters a shortened quote keeps, however many there are."""

LETTERS = {4: 8, 3: 11, 2: 21}
"""Buttons side by side and the Latin letters of each that a phone shows."""

STYLES = {"title": ("<b>", "</b>"), "dim": ("<i>", "</i>"), "alert": ("⚠️ ", ""), "plain": ("", "")}


def escape(text: str) -> str:
    """The three signs Telegram reads as markup (Bot API: HTML style)."""
    return html.escape(text, quote=False)


_OURS = "|".join((*COMMANDS, *ALIASES))
_LIVE = re.compile(
    rf"(?<![A-Za-z0-9_.@-])@(?!BotFather\b)(?=[A-Za-z0-9_]{{3}})|(?<![\w/<>])/(?=(?:{_OURS})\b)", re.IGNORECASE
)
_DEAD = {"@": "＠", "/": "／"}


def harmless(text: str) -> str:
    """Of the same length, without what Telegram itself finds in a text: a name that calls somebody, and a command of
    ours, which whoever taps on it has sent. E-mail and web addresses stay."""
    return _LIVE.sub(lambda found: _DEAD[found[0]], text)


def linkable(url: str) -> bool:
    """Whether Telegram takes the address: it refuses "http://localhost" as "Wrong HTTP URL"."""
    if not url.isprintable() or any(sign.isspace() or sign in '<>"' for sign in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and _public(host)


def _public(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." in host.strip(".") and not host.rstrip(".").endswith(".localhost")
    return not address.is_loopback and not address.is_unspecified


def _anchor(text: str, url: str) -> str:
    shown = escape(_anchor_text(text, url))
    return f'<a href="{html.escape(url)}">{shown}</a>' if linkable(url) else shown


def _anchor_text(text: str, url: str) -> str:
    """An address that cannot be linked is shown whole where there is nothing else to show, for copying."""
    return text or (short_url(url) if linkable(url) else visible(url))


TELEGRAM = Renderer(escape=escape, link=_anchor, foreign=harmless)
READ = Renderer(escape=lambda text: text, link=_anchor_text, foreign=harmless)
"""The same text as the server counts it, without marks."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """`length` in code points as the server counts them; `cut` holds the texts that were shortened, whole."""

    html: str
    keyboard: InlineKeyboardMarkup | None
    length: int
    cut: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        keyboard = self.keyboard.model_dump_json(exclude_none=True) if self.keyboard else ""
        return hashlib.sha256(f"{self.html}\x1f{keyboard}".encode()).hexdigest()[:32]


def render(drawing: Drawing, now: datetime, longest: int = LONGEST, links: bool = True) -> Rendered:
    """The message. Long quotes are shortened first, by equal shares, and the message says so.

    `links` False leaves link buttons out, for an address the server refused after all.
    """
    pen = _Pen(drawing, now)
    drawn, cut = _quotes_fitted(pen, longest)
    drawn = _lines_fitted(drawn, longest)
    body = "\n".join(piece.html for piece in drawn)
    return Rendered(body, keyboard(drawing, pen.words, links), _length(drawn), cut)


def _quotes_fitted(pen: _Pen, longest: int) -> tuple[list[_Piece], tuple[str, ...]]:
    drawn = pen.blocks()
    quotes = [piece.quote for piece in drawn if piece.quote is not None]
    room = longest + 1 - sum(piece.length + 1 for piece in drawn if piece.quote is None)
    if sum(len(quote) + 1 for quote in quotes) <= room:
        return drawn, ()
    note = pen.line(Line(Say("text_cut"), "dim"))
    shortened = _shortened(drawn, room - note.length - 1)
    left = {piece.quote for piece in shortened}
    return [*shortened, note], tuple(quote for quote in quotes if quote not in left)


def topic_name(drawing: Drawing, now: datetime) -> str:
    """The name of a new topic, the case number first."""
    name = " ".join(say(drawing.title, drawing.lang, drawing.zone, now, dated=True).split())
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


@dataclass(frozen=True, slots=True)
class _Piece:
    html: str
    length: int
    quote: str | None = None
    call: bool = False


MORE = _Piece("…", 1)


class _Pen:
    """Writes the blocks of one drawing."""

    def __init__(self, drawing: Drawing, now: datetime) -> None:
        self._drawing = drawing
        self._now = now

    def words(self, what: Say, render: Renderer = READ) -> str:
        drawing = self._drawing
        return say(what, drawing.lang, drawing.zone, self._now, render, dated=True)

    def blocks(self) -> list[_Piece]:
        pieces = (WRITE[type(block)](self, block) for block in self._drawing.blocks)
        drawn = [piece for piece in pieces if piece.length and (piece.quote is None or piece.quote.strip())]
        return drawn or [self.line(Line(self._drawing.title))]

    def line(self, line: Line) -> _Piece:
        what = _brief(line.say)
        before, after = STYLES[line.style]
        sign = "" if before.startswith("<") else before
        return _Piece(f"{before}{self.words(what, TELEGRAM)}{after}", len(sign) + len(self.words(what)))

    def quote(self, quote: Quote) -> _Piece:
        shown = visible(quote.text)
        return quoted(shown if quote.ours else harmless(shown))

    def call(self, call: Call) -> _Piece:
        names = [visible(p.name) for p in call.people]
        links = [
            f'<a href="tg://user?id={p.telegram}">{escape(name)}</a>' if p.telegram else escape(name)
            for p, name in zip(call.people, names, strict=True)
        ]
        return _Piece(", ".join(links), len(", ".join(names)), call=True)


def _brief(what: Say) -> Say:
    """Foreign text within a line: one endless title or reason must not push out all the rest."""
    return Say(what.key, {name: _brief_value(value) for name, value in what.args.items()})


def _brief_value(value: Any) -> Any:
    if isinstance(value, Say):
        return _brief(value)
    return _cut(value, LONGEST_ARGUMENT) if isinstance(value, str) and len(value) > LONGEST_ARGUMENT else value


WRITE: dict[type, Callable[[_Pen, Any], _Piece]] = {Line: _Pen.line, Quote: _Pen.quote, Call: _Pen.call}
"""One line for each kind of desk.view.Block."""


def quoted(text: str) -> _Piece:
    tag = "blockquote expandable" if len(text) > FOLDED_FROM else "blockquote"
    return _Piece(f"<{tag}>{escape(text)}</blockquote>", len(text), text)


def _shortened(drawn: Sequence[_Piece], room: int) -> list[_Piece]:
    """Short quotes stay whole; what they leave is shared by the long ones."""
    share = _share([len(p.quote) + 1 for p in drawn if p.quote is not None], room) - 1
    return [p if p.quote is None or len(p.quote) <= share else quoted(_cut(p.quote, share)) for p in drawn]


def _share(lengths: Iterable[int], room: int) -> int:
    """The most each may take so that all together fit into `room`."""
    waiting = sorted(lengths)
    while waiting and waiting[0] * len(waiting) <= room:
        room -= waiting.pop(0)
    return max(room // len(waiting), LEAST_QUOTE) if waiting else room


def _cut(text: str, length: int) -> str:
    """Ends at a space where there is one near; never between a sign and what modifies it."""
    kept = text[: length - 1]
    while kept and _modifies(text[len(kept)]):
        kept = kept[:-1]
    head, space, tail = kept.rpartition(" ")
    return f"{head if space and len(tail) < 30 else kept}…"


def _modifies(sign: str) -> bool:
    return sign in "\u200d\ufe0f" or "\U0001f3fb" <= sign <= "\U0001f3ff" or "\u0300" <= sign <= "\u036f"


def _lines_fitted(drawn: Sequence[_Piece], longest: int) -> list[_Piece]:
    """Where even the lines are too many, the last ones give way to a "…"; who is called stays."""
    if _length(drawn) <= longest:
        return list(drawn)
    kept, at = list(drawn), len(drawn)
    while len(kept) > 1 and _length([*kept, MORE]) > longest:
        last = next((i for i in reversed(range(1, len(kept))) if not kept[i].call), len(kept) - 1)
        del kept[last]
        at = last
    return [*kept[:at], MORE, *kept[at:]]


def _length(drawn: Sequence[_Piece]) -> int:
    return sum(piece.length for piece in drawn) + len(drawn) - 1


# buttons


def keyboard(drawing: Drawing, words: Callable[[Say], str], links: bool = True) -> InlineKeyboardMarkup | None:
    rows = [[made for b in row if (made := _button(b, words, links)) is not None] for row in drawing.rows]
    rows = _legible([row for row in rows if row])
    while sum(map(len, rows)) > MOST_BUTTONS:
        rows.pop()
    return InlineKeyboardMarkup(inline_keyboard=rows) if rows else None


def _legible(rows: list[list[InlineKeyboardButton]]) -> list[list[InlineKeyboardButton]]:
    """In the same order, and no more side by side than were drawn so: what a phone does not show of a label is lost."""
    widest = max(map(len, rows), default=0)
    set_: list[list[InlineKeyboardButton]] = []
    for button in (b for row in rows for b in row):
        row = [*set_[-1], button] if set_ else []
        if row and len(row) <= widest and max(map(_width, row)) <= LETTERS[len(row)]:
            set_[-1] = row
        else:
            set_.append([button])
    return set_


def _width(button: InlineKeyboardButton) -> float:
    """In Latin letters; those of other scripts are broader."""
    return sum(1 if sign.isascii() else 1.2 for sign in button.text)


def _button(button: Button, words: Callable[[Say], str], links: bool) -> InlineKeyboardButton | None:
    label = words(Say(button.label, button.args))
    style = button.style or None
    if button.action == "open" or button.url:
        shown = links and linkable(button.url)
        return InlineKeyboardButton(text=label, url=button.url, style=style) if shown else None
    data = pack(Data(button.action, button.case, button.version, button.extra))
    return InlineKeyboardButton(text=label, callback_data=data, style=style)
