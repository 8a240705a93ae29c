"""Text and its marks: Telegram's HTML parsed as the server parses it, and safe HTML for the page."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram import links
from sandbox.telegram.errors import bad

Entity = dict[str, Any]
UserOf = Callable[[int], dict[str, Any] | None]

MAX_TEXT = 4096  # Bot API: sendMessage.text, code points after entity parsing
MAX_CAPTION = 1024  # Bot API: caption, code points after entity parsing
MAX_RAW = 1 << 15  # telegram-bot-api: bytes before entity parsing

SIMPLE_TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough",
    "tg-spoiler": "spoiler", "span": "spoiler",
}  # fmt: skip
TAGS = {*SIMPLE_TAGS, "a", "tg-emoji", "tg-time", "pre", "code", "blockquote"}
NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
SPACE = b" \t\r\n\0\v"
REFERENCE = re.compile(rb"&(?:#x(?P<hex>[0-9a-fA-F]+)|#(?P<dec>[0-9]+)|(?P<name>[a-zA-Z]+));?")
FOUND = (
    ("bot_command", re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")),
    ("url", re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]»]", re.IGNORECASE)),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{3,32}\b")),
)
GIVEN_TYPES = {
    "bold", "italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote",
    "code", "pre", "text_link", "text_mention", "custom_emoji", "date_time",
}  # fmt: skip


@dataclass(frozen=True)
class Formatted:
    """A text and its entities; offsets and lengths in UTF-16 units, as the Bot API counts."""

    text: str = ""
    entities: tuple[Entity, ...] = ()


@dataclass
class Tag:
    name: str
    attributes: dict[str, str]
    offset: int  # UTF-16 units
    begin: int  # index in the list of decoded pieces


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def formatted(raw: str, parse_mode: str, given: Any, user_of: UserOf) -> Formatted:
    """A text as the server keeps it: parsed, cleaned, trimmed, with the entities it finds itself.

    Raises ApiError 400 "text is too long" (raw bytes) and "can't parse entities: ...".
    """
    if len(raw.encode()) > MAX_RAW:
        raise bad("text is too long")
    mode = parse_mode.lower()
    if mode not in ("", "none", "html"):
        raise bad("unsupported parse_mode")
    if mode == "html":
        return with_found(_cleaned(HtmlParser(raw, user_of).parse()))
    return with_found(_cleaned(Formatted(raw, tuple(_given(given, raw, user_of)))))


def typed(text: str) -> Formatted:
    """What a person typed: no markup, only the entities the server finds."""
    return with_found(_cleaned(Formatted(text)))


class HtmlParser:
    """Telegram's HTML. Positions in error texts are bytes of UTF-8, as the server gives them."""

    def __init__(self, text: str, user_of: UserOf) -> None:
        self._raw = text.encode()
        self._user_of = user_of
        self._at = 0
        self._pieces: list[str] = []
        self._length = 0
        self._open: list[Tag] = []
        self._entities: list[Entity] = []

    def parse(self) -> Formatted:
        while self._at < len(self._raw):
            self._step()
        if self._open:
            name = self._open[-1].name
            raise bad(f"can't parse entities: Can't find end tag corresponding to start tag \"{name}\"")
        for entity in self._entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        ordered = sorted(self._entities, key=lambda one: (one["offset"], -one["length"]))
        return Formatted("".join(self._pieces), tuple(ordered))

    def _step(self) -> None:
        sign = self._raw[self._at : self._at + 1]
        if sign == b"<":
            closing = self._raw[self._at + 1 : self._at + 2] == b"/"
            self._end_tag() if closing else self._start_tag()
        elif sign == b"&":
            self._reference()
        else:
            ends = [end for stop in (b"<", b"&") if (end := self._raw.find(stop, self._at)) >= 0]
            end = min(ends, default=len(self._raw))
            self._put(self._raw[self._at : end].decode())
            self._at = end

    def _put(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += utf16(piece)

    def _reference(self) -> None:
        piece, end = _decoded(self._raw, self._at)
        self._put(piece)
        self._at = end

    def _start_tag(self) -> None:
        begin = self._at
        self._at += 1
        name = self._run(b">" + SPACE).lower()
        if self._at >= len(self._raw):
            raise self._broken(f"Unclosed start tag at byte offset {begin}")
        if name not in TAGS:
            raise self._broken(f'Unsupported start tag "{name}" at byte offset {begin}')
        attributes: dict[str, str] = {}
        while self._skip_space() != b">":
            key, value = self._attribute(name, begin)
            attributes[key] = value
        self._at += 1
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise self._broken(f'Tag "span" must have class "tg-spoiler" at byte offset {begin}')
        self._open.append(Tag(name, attributes, self._length, len(self._pieces)))

    def _attribute(self, tag: str, begin: int) -> tuple[str, str]:
        key = self._run(b"=>" + SPACE)
        if not key:
            raise self._broken(f'Empty attribute name in the tag "{tag}" at byte offset {begin}')
        if self._skip_space() != b"=":
            if (tag, key) == ("blockquote", "expandable"):
                return key, ""
            words = f'Expected equal sign in declaration of an attribute of the tag "{tag}"'
            raise self._broken(f"{words} at byte offset {begin}")
        self._at += 1
        quote = self._skip_space()
        if not quote:
            raise self._broken(f'Unclosed start tag "{tag}" at byte offset {begin}')
        value = self._quoted(quote, begin) if quote in (b"'", b'"') else self._token()
        if self._at >= len(self._raw):
            raise self._broken(f"Unclosed start tag at byte offset {begin}")
        return key, value

    def _quoted(self, quote: bytes, begin: int) -> str:
        end = self._raw.find(quote, self._at + 1)
        if end < 0:
            raise self._broken(f"Unclosed start tag at byte offset {begin}")
        inside, self._at = self._raw[self._at + 1 : end], end + 1
        return REFERENCE.sub(_literal, inside).decode()

    def _token(self) -> str:
        begin = self._at
        while self._raw[self._at : self._at + 1].isalnum() or self._raw[self._at : self._at + 1] in (b".", b"-"):
            self._at += 1
        if self._raw[self._at : self._at + 1] not in (b">", *(bytes([one]) for one in SPACE)):
            raise self._broken(f"Unexpected end of name token at byte offset {begin}")
        return self._raw[begin : self._at].decode().lower()

    def _end_tag(self) -> None:
        begin = self._at
        if not self._open:
            raise self._broken(f"Unexpected end tag at byte offset {begin}")
        self._at += 2
        found = self._run(b">" + SPACE).lower()
        if self._skip_space() != b">":
            raise self._broken(f"Unclosed end tag at byte offset {begin}")
        self._at += 1
        tag = self._open.pop()
        if found and found != tag.name:
            words = f'Unmatched end tag at byte offset {begin}, expected "</{tag.name}>", found "</{found}>"'
            raise self._broken(words)
        if self._length > tag.offset:
            self._close(tag)

    def _close(self, tag: Tag) -> None:
        if tag.name in ("pre", "code") and self._joined_code(tag):
            return
        entity = self._entity_of(tag)
        if entity is not None:
            spot = {"offset": tag.offset, "length": self._length - tag.offset}
            self._entities.append({"type": entity.pop("type"), **spot, **entity})

    def _joined_code(self, tag: Tag) -> bool:
        """<pre><code class="language-x"> is one "pre" with a language."""
        last = self._entities[-1] if self._entities else {"type": ""}
        other = "code" if tag.name == "pre" else "pre"
        covers = (last.get("offset"), last.get("length")) == (tag.offset, self._length - tag.offset)
        language = last.get("language") if tag.name == "pre" else _language(tag)
        if last["type"] != other or not covers or not language:
            return False
        last.update(type="pre", language=language)
        return True

    def _entity_of(self, tag: Tag) -> Entity | None:
        if kind := SIMPLE_TAGS.get(tag.name):
            return {"type": kind}
        return MAKERS[tag.name](self, tag)

    def _link(self, tag: Tag) -> Entity | None:
        return link_entity(tag.attributes.get("href") or "".join(self._pieces[tag.begin :]), self._user_of)

    def _code(self, tag: Tag) -> Entity:
        return {"type": "code", "language": _language(tag)}

    def _pre(self, tag: Tag) -> Entity:
        return {"type": "pre"}

    def _quote(self, tag: Tag) -> Entity:
        return {"type": "expandable_blockquote" if "expandable" in tag.attributes else "blockquote"}

    def _emoji(self, tag: Tag) -> Entity:
        emoji = tag.attributes.get("emoji-id", "")
        if not emoji.isdigit() or not int(emoji):
            raise bad("can't parse entities: Invalid custom emoji identifier specified")
        return {"type": "custom_emoji", "custom_emoji_id": emoji}

    def _time(self, tag: Tag) -> Entity:
        unix = tag.attributes.get("unix", "")
        if not unix.isdigit():
            raise bad("can't parse entities: Invalid date specified")
        return {"type": "date_time", "unix_time": int(unix), "date_time_format": tag.attributes.get("format", "")}

    def _run(self, stops: bytes) -> str:
        begin = self._at
        while self._at < len(self._raw) and self._raw[self._at] not in stops:
            self._at += 1
        return self._raw[begin : self._at].decode()

    def _skip_space(self) -> bytes:
        while self._at < len(self._raw) and self._raw[self._at] in SPACE:
            self._at += 1
        return self._raw[self._at : self._at + 1]

    @staticmethod
    def _broken(words: str) -> Exception:
        return bad(f"can't parse entities: {words}")


MAKERS: dict[str, Callable[[HtmlParser, Tag], Entity | None]] = {
    "a": HtmlParser._link,
    "code": HtmlParser._code,
    "pre": HtmlParser._pre,
    "blockquote": HtmlParser._quote,
    "tg-emoji": HtmlParser._emoji,
    "tg-time": HtmlParser._time,
}


def link_entity(url: str, user_of: UserOf) -> Entity | None:
    """A link, a mention by id, or None: the server drops a link it does not like without a word."""
    if person := re.fullmatch(r"tg://user\?id=(\d+)", url, re.IGNORECASE):
        user = user_of(int(person[1]))
        return {"type": "text_mention", "user": user} if user else None
    try:
        return {"type": "text_link", "url": links.checked(url)}
    except ValueError:
        return None


def with_found(body: Formatted) -> Formatted:
    """Adds commands, addresses and @names the server finds where no other mark overlaps."""
    found = list(body.entities)
    fixed = [(one["offset"], one["offset"] + one["length"]) for one in found if one["type"] in FIXED]
    for kind, pattern in FOUND:
        for match in pattern.finditer(body.text):
            begin = utf16(body.text[: match.start()])
            end = begin + utf16(match[0])
            if all(end <= one or begin >= other for one, other in fixed):
                fixed.append((begin, end))
                found.append({"type": kind, "offset": begin, "length": end - begin})
    return Formatted(body.text, tuple(sorted(found, key=lambda one: (one["offset"], -one["length"]))))


FIXED = {"code", "pre", "text_link", "text_mention", "custom_emoji", "date_time"}


def _language(tag: Tag) -> str:
    return tag.attributes.get("class", "").removeprefix("language-") if tag.name == "code" else ""


def _literal(found: re.Match[bytes]) -> bytes:
    piece, end = _decoded(found[0], 0)
    return piece.encode() if end > 1 else found[0]


def _decoded(raw: bytes, at: int) -> tuple[str, int]:
    """The character a reference stands for and where it ends; an unknown one stays as written."""
    found = REFERENCE.match(raw, at)
    if not found:
        return "&", at + 1
    if found["name"]:
        known = NAMED.get(found["name"].decode())
        return (known, found.end()) if known else ("&", at + 1)
    code = int(found["hex"], 16) if found["hex"] else int(found["dec"])
    if not 0 < code < 0x10FFFF or len(found[0].rstrip(b";")) >= 10:
        return "&", at + 1
    if 0xD800 <= code <= 0xDFFF:
        words = "Text contains invalid Unicode characters after decoding HTML entities"
        raise bad(f"can't parse entities: {words}, check for unmatched surrogate code units")
    return chr(code), found.end()


def _given(raw: Any, text: str, user_of: UserOf) -> list[Entity]:
    if isinstance(raw, str) and raw:
        try:
            raw = json.loads(raw)
        except ValueError:
            raise bad("can't parse entities JSON object") from None
    if raw and not isinstance(raw, list):
        raise bad("can't parse entities JSON object")
    known = [one for one in raw or [] if isinstance(one, dict) and one.get("type") in GIVEN_TYPES]
    kept = [_one_given(one, utf16(text), user_of) for one in known]
    return [one for one in kept if one]


def _one_given(one: Entity, length: int, user_of: UserOf) -> Entity | None:
    offset, size = one.get("offset"), one.get("length")
    if not isinstance(offset, int) or not isinstance(size, int):
        raise bad("can't parse entities JSON object")
    if offset < 0 or size <= 0 or offset + size > length:
        raise bad("ENTITY_BOUNDS_INVALID")
    kept: Entity | None = {key: value for key, value in one.items() if value is not None}
    if one["type"] == "text_link":
        kept = link_entity(str(one.get("url", "")), user_of)
    elif one["type"] == "text_mention":
        user = one.get("user")
        kept = link_entity(f"tg://user?id={user.get('id') if isinstance(user, dict) else 0}", user_of)
    return {**kept, "offset": offset, "length": size} if kept else None


def _cleaned(body: Formatted) -> Formatted:
    """Control signs become spaces, "\\r" goes, edges are trimmed; entities move along."""
    text = body.text
    first_mark = min((one["offset"] for one in body.entities), default=len(text.encode("utf-16-le")))
    left = 0
    while left < min(len(text), first_mark) and text[left] in " \n":
        left += 1
    right = len(text.rstrip())
    kept: list[str] = []
    places = [0]  # new UTF-16 position of each old UTF-16 position
    for index, sign in enumerate(text):
        gone = index < left or index >= right or sign == "\r"
        here = places[-1]
        places.extend(here + (0 if gone else step) for step in range(1, utf16(sign) + 1))
        if not gone:
            kept.append(" " if sign < " " and sign != "\n" else sign)
    moved = [_moved(one, places) for one in body.entities]
    return Formatted("".join(kept), tuple(one for one in moved if one["length"] > 0))


def _moved(one: Entity, places: list[int]) -> Entity:
    begin, end = places[one["offset"]], places[one["offset"] + one["length"]]
    return {**one, "offset": begin, "length": end - begin}


@dataclass
class Render:
    """Safe HTML of a text: all text escaped, only the marks below, only http(s) addresses."""

    body: Formatted
    _units: bytes = field(init=False)

    def __post_init__(self) -> None:
        self._units = self.body.text.encode("utf-16-le")

    def html(self) -> str:
        return self._span(list(self.body.entities), 0, len(self._units) // 2)

    def _span(self, entities: list[Entity], begin: int, end: int) -> str:
        out, at = [], begin
        while entities:
            first = entities.pop(0)
            start, stop = max(first["offset"], at), min(first["offset"] + first["length"], end)
            if start >= stop:
                continue
            inner = [one for one in entities if one["offset"] < stop]
            entities = [one for one in entities if one["offset"] >= stop]
            out += [self._text(at, start), self._wrapped(first, self._span(inner, start, stop))]
            at = stop
        return "".join([*out, self._text(at, end)])

    def _text(self, begin: int, end: int) -> str:
        return html.escape(self._units[2 * begin : 2 * end].decode("utf-16-le", "replace"))

    def _wrapped(self, entity: Entity, inside: str) -> str:
        if entity["type"] in ("text_link", "url"):
            begin, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
            address = entity.get("url") or self._units[begin:end].decode("utf-16-le", "replace")
            return _anchor(address, inside)
        before, after = WRAPS.get(entity["type"], ("", ""))
        return f"{before}{inside}{after}"


WRAPS = {
    "bold": ("<b>", "</b>"),
    "italic": ("<i>", "</i>"),
    "underline": ("<u>", "</u>"),
    "strikethrough": ("<s>", "</s>"),
    "spoiler": ('<span class="spoiler">', "</span>"),
    "code": ("<code>", "</code>"),
    "pre": ("<pre>", "</pre>"),
    "blockquote": ("<blockquote>", "</blockquote>"),
    "expandable_blockquote": ("<blockquote expandable>", "</blockquote>"),
    "mention": ('<span class="mention">', "</span>"),
    "text_mention": ('<span class="mention">', "</span>"),
    "bot_command": ('<span class="command">', "</span>"),
}


def _anchor(address: str, inside: str) -> str:
    if not re.match(r"https?://", address, re.IGNORECASE):
        return inside
    return f'<a href="{html.escape(address)}" target="_blank" rel="noopener noreferrer">{inside}</a>'


def safe_html(body: Formatted) -> str:
    return Render(body).html()
