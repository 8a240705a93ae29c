"""A drawing as Block Kit. Nothing foreign is ever parsed: it stands in rich_text and plain_text only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import count, groupby
from typing import Any, NamedTuple

from desk.people import Person
from desk.view import Block, Button, Call, Drawing, Line, Quote, Say
from handlers.slack.values import encode
from handlers.words import PLAIN, Renderer, say, short_url, visible

Json = dict[str, Any]

ALL_TEXT = 13_000
"""Characters of all text in one message. Slack refuses from about 13,200 on (msg_blocks_too_long, undocumented)."""

LINES_TEXT = 9_000
"""Of these, what lines may take before quotes get theirs."""

LINE, CONTEXT, SECTION = 2_500, 2_500, 3_000
"""Block Kit: 3,000 characters a text object."""

BLOCKS, ACTIONS, BUTTON, URL = 50, 25, 75, 3_000
"""Block Kit: blocks a message, elements an actions block, characters of a button and of its address."""

ROWS, LABELS = 10, 3_000
"""Up to this many rows of buttons stand as they were drawn; more are set one after the other, with shorter labels."""

PIECES = 200
"""Lines and quotes of one message; Slack names no limit for the elements of a rich_text block."""

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_LINKABLE = re.compile(r"https?://[^\s/?#<>]+[^\s<>]*")


class Rendered(NamedTuple):
    """`text` is the notification. `whole`: the texts that had to be shortened, for a file beside the message."""

    text: str
    blocks: list[Json]
    whole: tuple[str, ...] = ()


def escape(text: str) -> str:
    """Slack's only special characters in mrkdwn."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_COMMAND = re.compile(r"(?<![\w/])/(?:(reply|client|note)|(open|case|stats|digest|add|help|(?:stop|resume)_posting))\b")


def typed_here(words: str) -> str:
    """The desk's commands as they are typed in Slack: within a thread `@desk reply`, anywhere `/desk open`."""
    return _COMMAND.sub(lambda found: f"@desk {found[1]}" if found[1] else f"/desk {found[2]}", words)


MRKDWN = Renderer(
    escape=escape,
    link=lambda text, url: f"<{escape(url)}|{escape(text or short_url(url))}>" if linkable(url) else escape(text),
    own=typed_here,
)
"""For the notification's text, which Slack parses."""


def linkable(url: str) -> bool:
    return len(url) <= URL and "|" not in url and url.isprintable() and _LINKABLE.fullmatch(url) is not None


def size(text: str) -> int:
    """UTF-16 units: never less than what Slack may count."""
    return len(text) + sum(sign > "\uffff" for sign in text)


def clip(text: str, most: int) -> str:
    if size(text) <= most:
        return text
    return text.encode("utf-16-le")[: 2 * max(most - 1, 0)].decode("utf-16-le", "ignore").rstrip() + "…"


def render(drawing: Drawing, now: datetime | None, workspace: str = "") -> Rendered:
    """`now` tells today's times from others; None: each time with its date. `workspace` is the key of [[slack]]."""
    buttons = _actions(drawing, now)
    budget = ALL_TEXT - sum(size(e["text"]["text"]) for block in buttons for e in block["elements"])
    pieces, whole = _pieces(drawing, now, workspace, budget)
    body = _blocks(pieces)
    most = BLOCKS - len(buttons)
    if len(body) > most:
        body = [*body[: most - 1], *_blocks([_notice(drawing, now)])]
    text = clip(say(drawing.title, drawing.lang, drawing.zone, now, MRKDWN), LINE) or "…"
    return Rendered(text, [*body, *buttons], whole)


# what is said, before it becomes blocks


class _Piece(NamedTuple):
    """`kind` is section, quote, dim or call; `runs` are rich text elements, a dim or call piece has one text."""

    kind: str
    runs: list[Json]


def _pieces(
    drawing: Drawing, now: datetime | None, workspace: str, budget: int
) -> tuple[list[_Piece], tuple[str, ...]]:
    pieces: list[_Piece] = []
    for block in drawing.blocks:
        piece = _piece(block, drawing, now, workspace)
        if piece is not None:
            pieces.append(piece)
    kept = _first_lines(pieces)
    notice = _notice(drawing, now)
    spent = sum(_size(p) for p in kept if p.kind != "quote")
    shown, whole = _shortened(kept, budget - spent, _size(notice))
    if len(kept) < len(pieces) or whole:
        shown.append(notice)
    return shown, whole


def _notice(drawing: Drawing, now: datetime | None) -> _Piece:
    return _Piece("dim", [_text(say(Say("text_cut"), drawing.lang, drawing.zone, now, PLAIN))])


def _piece(block: Block, drawing: Drawing, now: datetime | None, workspace: str) -> _Piece | None:
    if isinstance(block, Quote):
        text = visible(block.text)
        return _Piece("quote", [_text(text)]) if text.strip() else None
    if isinstance(block, Call):
        called = _mentions(block.people, workspace)
        return _Piece("call", [_text(called)]) if called else None
    return _line(block, drawing, now)


def _line(line: Line, drawing: Drawing, now: datetime | None) -> _Piece | None:
    runs = _runs(line.say, drawing.lang, drawing.zone, now)
    if not any(run["text"].strip() for run in runs):
        return None
    if line.style == "dim" and all(run["type"] == "text" for run in runs):
        return _Piece("dim", [_text(clip("".join(run["text"] for run in runs), CONTEXT))])
    if line.style == "title":
        runs = [{**run, "style": {"bold": True}} for run in runs]
    return _Piece("section", [_text("⚠️ "), *runs] if line.style == "alert" else runs)


def _runs(what: Say, lang: str, zone: str, now: datetime | None) -> list[Json]:
    """A sentence as rich text elements: links are marked in it by two signs that no text can contain."""
    links: list[Json] = []

    def link(text: str, url: str) -> str:
        shown = _unmarked(text) or short_url(url)
        if not linkable(url):
            return shown
        links.append({"type": "link", "url": url, "text": clip(shown, LINE)})
        return f"{_OPEN}{len(links) - 1}{_CLOSE}"

    sentence = say(what, lang, zone, now, Renderer(escape=_unmarked, link=link, own=typed_here), dated=True)
    whole = re.sub(f"{_OPEN}\\d*…$", "…", clip(sentence, LINE))
    parts = re.split(f"{_OPEN}(\\d+){_CLOSE}", whole)
    runs = [links[int(part)] if odd % 2 else _text(_unmarked(part)) for odd, part in enumerate(parts)]
    return [run for run in runs if run["text"]]


def _unmarked(text: str) -> str:
    return re.sub(f"[{_OPEN}{_CLOSE}]", "\ufffd", text)


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _size(piece: _Piece) -> int:
    return sum(size(run["text"]) + 1 for run in piece.runs)


def _first_lines(pieces: list[_Piece]) -> list[_Piece]:
    """All pieces, save those behind the point where lines alone fill the message."""
    spent = 0
    for at, piece in enumerate(pieces):
        spent += _size(piece) if piece.kind != "quote" else 0
        if spent > LINES_TEXT or at == PIECES:
            return pieces[:at]
    return pieces


def _shortened(pieces: list[_Piece], room: int, notice: int) -> tuple[list[_Piece], tuple[str, ...]]:
    """Quotes share the room: short ones stay whole, long ones get the same."""
    texts = [p.runs[0]["text"] for p in pieces if p.kind == "quote"]
    if sum(map(size, texts)) <= room:
        return list(pieces), ()
    most = _share([size(t) for t in texts], room - notice)
    shown = [_Piece("quote", [_text(clip(p.runs[0]["text"], most))]) if p.kind == "quote" else p for p in pieces]
    return shown, tuple(t for t in texts if size(t) > most)


def _share(sizes: list[int], room: int) -> int:
    """The largest size that all may have, when smaller ones leave what they do not need."""
    left = room
    for done, one in enumerate(sorted(sizes)):
        even = left // (len(sizes) - done)
        if one > even:
            return max(even, 1)
        left -= one
    return room


def _mentions(people: Sequence[Person], workspace: str) -> str:
    """Within SECTION: a mention that does not fit would be cut in two."""
    text = ""
    for person in people:
        longer = f"{text} {_mention(person, workspace)}".strip()
        if size(longer) > SECTION:
            break
        text = longer
    return text


def _mention(person: Person, workspace: str) -> str:
    """Somebody of another workspace is only notified here when the channel is shared: their name stands there too."""
    home, _, user = person.slack.rpartition("/")
    name = escape(visible(person.name))
    if not re.fullmatch(r"[A-Z0-9]{1,40}", user):
        return name
    return f"<@{user}>" if home in ("", workspace) or not workspace else f"{name} <@{user}>"


# blocks


def _blocks(pieces: Iterable[_Piece]) -> list[Json]:
    blocks: list[Json] = []
    for kind, group in groupby(pieces, lambda piece: "rich" if piece.kind in ("section", "quote") else piece.kind):
        if kind == "rich":
            blocks.append({"type": "rich_text", "elements": _rich(group)})
        else:
            blocks += [_MAKE[kind](piece.runs[0]["text"]) for piece in group]
    return blocks


def _rich(pieces: Iterable[_Piece]) -> list[Json]:
    """Lines that follow each other are one section, parted by line ends."""
    elements: list[Json] = []
    for kind, group in groupby(pieces, lambda piece: piece.kind):
        if kind == "quote":
            elements += [{"type": "rich_text_quote", "elements": piece.runs} for piece in group]
            continue
        runs = [run for piece in group for run in (*piece.runs, _text("\n"))]
        elements.append({"type": "rich_text_section", "elements": runs[:-1]})
    return elements


def _context(text: str) -> Json:
    return {"type": "context", "elements": [{"type": "plain_text", "text": text, "emoji": False}]}


def _call(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


_MAKE = {"dim": _context, "call": _call}


def _actions(drawing: Drawing, now: datetime | None) -> list[Json]:
    rows = [row for row in drawing.rows if row]
    if len(rows) > ROWS or any(len(row) > ACTIONS for row in rows):
        flat = [button for row in rows for button in row][: ACTIONS * ROWS]
        rows = [tuple(flat[at : at + ACTIONS]) for at in range(0, len(flat), ACTIONS)]
    number = count()
    longest = min(BUTTON, LABELS // max(1, sum(map(len, rows))))
    made = [[_button(b, f"desk:{b.action}:{next(number)}", drawing, now, longest) for b in row] for row in rows]
    return [{"type": "actions", "elements": shown} for row in made if (shown := [b for b in row if b is not None])]


def _button(button: Button, action_id: str, drawing: Drawing, now: datetime | None, longest: int) -> Json | None:
    """None for a link that Slack would refuse: better none than no message at all."""
    if button.url and not linkable(button.url):
        return None
    label = say(Say(button.label, button.args), drawing.lang, drawing.zone, now, PLAIN)
    text = {"type": "plain_text", "text": clip(label, longest) or button.action, "emoji": False}
    element: Json = {"type": "button", "action_id": action_id, "text": text}
    element |= {"url": button.url} if button.url else {"value": encode(button)}
    return element | ({"style": button.style} if button.style else {})


def comment(drawing: Drawing, now: datetime | None) -> str:
    """The lines of a drawing as mrkdwn, for the words beside a file: those take no blocks."""
    lines = [say(b.say, drawing.lang, drawing.zone, now, MRKDWN) for b in drawing.blocks if isinstance(b, Line)]
    return clip("\n".join(lines), SECTION)
