"""What a person types, turned into what Slack stores: entities escaped, links and mentions marked, emoji named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

TOKEN = re.compile(
    r"(?P<url>https?://[^\s<>]+)"
    r"|(?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<domain>(?<![\w.@/-])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|kz|ru|io)(?![\w-])(?:/[^\s<>]*)?)"
    r"|(?P<mention>(?<![\w@])@[\w.-]+)"
    r"|(?P<emoji>:(?:[a-z_][a-z0-9_+'-]*|[+-]1|100):|[❤👍👎🙏🔥😀😊😡✅⭐🎉👌]\ufe0f?)",
    re.IGNORECASE,
)
TAIL = ".,;:!?)]}'\""
# Slack's clients send the short name whatever keyboard the picture came from.
EMOJI = {
    "❤": "heart", "👍": "+1", "👎": "-1", "🙏": "pray", "🔥": "fire", "😀": "grinning", "😊": "blush",
    "😡": "rage", "✅": "white_check_mark", "⭐": "star", "🎉": "tada", "👌": "ok_hand",
}  # fmt: skip


def escape(text: str) -> str:
    """Only these three characters are special in Slack's text [chat-facts]."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def encode(typed: str, handles: Mapping[str, str], *, command: bool = False) -> tuple[str, list[Json]]:
    """The stored text and its rich text elements. `handles` maps a lower-case name to a user id.

    In a slash command a mention carries the name too: `<@U1|anna>`.
    """
    text, elements, done = "", [], 0
    for match in TOKEN.finditer(typed):
        stored, element, length = _token(match, handles, command)
        if not length:
            continue
        text += escape(typed[done : match.start()]) + stored
        elements += [*_plain(typed[done : match.start()]), element]
        done = match.start() + length
    return text + escape(typed[done:]), [*elements, *_plain(typed[done:])]


def _plain(text: str) -> list[Json]:
    return [{"type": "text", "text": text}] if text else []


def _token(match: re.Match[str], handles: Mapping[str, str], command: bool) -> tuple[str, Json, int]:
    kind, raw = str(match.lastgroup), match.group()
    if kind == "mention":
        return _mention(raw, handles, command)
    if kind == "emoji":
        name = EMOJI.get(raw.rstrip("\ufe0f"), raw.strip(":"))
        return f":{name}:", {"type": "emoji", "name": name}, len(raw)
    body = raw.rstrip(TAIL)
    return *_link(kind, body), len(body)


def _link(kind: str, body: str) -> tuple[str, Json]:
    if kind == "url":
        return f"<{escape(body)}>", {"type": "link", "url": body}
    url = f"mailto:{body}" if kind == "email" else f"http://{body}"
    return f"<{escape(url)}|{escape(body)}>", {"type": "link", "url": url, "text": body}


def _mention(raw: str, handles: Mapping[str, str], command: bool) -> tuple[str, Json, int]:
    name = raw[1:].rstrip(".-")
    user = handles.get(name.lower())
    if user is None:
        return "", {}, 0
    label = f"|{name}" if command else ""
    return f"<@{user}{label}>", {"type": "user", "user_id": user}, len(name) + 1
