"""What the desk says to people, in their language: a Say of desk.view becomes a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.units import format_unit

from desk.view import At, Link, Say, Span
from handlers.words.catalogue import LANGUAGES, Part, has, sentence
from handlers.words.hidden import blank, visible

__all__ = ["LANGUAGES", "PLAIN", "Renderer", "blank", "language", "say", "short_url", "span", "visible"]

LOCALES = {"en": Locale("en", "GB"), "ru": Locale("ru"), "kk": Locale("kk")}

NAMED = {"event": "event_", "state": "short_", "why": "option_", "instead": "instead_", "reason": "cause_"}
"""Arguments that name something of the desk's own rather than quote people: their words come from the catalogue."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """How a surface writes. `escape` makes any text harmless; `link` gets text and address as they are.

    `foreign`: what people's own words go through first, where a surface would make something of them by itself.
    `own`: what the desk's words go through, where a surface has other names for what they name.
    """

    escape: Callable[[str], str]
    link: Callable[[str, str], str]
    foreign: Callable[[str], str] = str
    own: Callable[[str], str] = str


def short_url(url: str) -> str:
    """Host and the beginning of the path, for people to recognise: shop.example/reviews/4…"""
    parts = urlsplit(url)
    whole = visible(f"{parts.netloc.removeprefix('www.')}{parts.path.rstrip('/')}" or url)
    return whole if len(whole) <= 40 else f"{whole[:39]}…"


PLAIN = Renderer(escape=lambda text: text, link=lambda text, url: text or url)


class Reading(NamedTuple):
    """For whom a sentence is written. `dated`: a time never goes without its day, for texts that stay."""

    lang: str
    zone: tzinfo
    now: datetime | None
    render: Renderer
    dated: bool


def language(wanted: str) -> str:
    """The nearest language there is: "ru-KZ" reads Russian, what is not there reads English."""
    short = wanted[:2].lower()
    return short if short in LANGUAGES else "en"


def say(
    what: Say,
    lang: str,
    zone: str,
    now: datetime | None = None,
    render: Renderer = PLAIN,
    *,
    dated: bool = False,
) -> str:
    """The sentence in `lang`, its times in `zone`. Today's times go without a date unless `dated` or `now` is None."""
    return _say(what, Reading(language(lang), _zone(zone), now, render, dated))


@cache
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _say(what: Say, to: Reading) -> str:
    n = what.args.get("n")
    parts = sentence(what.key, to.lang, n if isinstance(n, int) else None)
    return "".join(_filled(parts, what.args, to))


def _filled(parts: tuple[Part, ...], args: dict[str, Any], to: Reading) -> list[str]:
    done = []
    for part in parts:
        if part.parts:
            inner = {name: _value(name, args.get(name), to) for name in part.names}
            done += _filled(part.parts, args, to) if all(inner.values()) else []
        elif part.name:
            done.append(_value(part.name, args.get(part.name), to))
        else:
            done.append(to.render.escape(to.render.own(part.text)))
    return done


def _value(name: str, value: Any, to: Reading) -> str:
    if isinstance(value, str):
        return _text(name, value, to)
    write = WRITERS.get(type(value))
    return to.render.escape("" if value is None else str(value)) if write is None else write(value, to)


def _text(name: str, value: str, to: Reading) -> str:
    if name in NAMED and has(NAMED[name] + value):
        return _say(Say(NAMED[name] + value), to)
    if name in ("at", "day") and (moment := _iso(value)) is not None:
        return _value(name, moment, to)
    return to.render.escape(to.render.foreign(visible(value)))


def _iso(text: str) -> At | date | None:
    """Times that went through the work table come back as ISO texts."""
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        return None
    try:
        return date.fromisoformat(text) if len(text) == 10 else At(datetime.fromisoformat(text))
    except ValueError:
        return None


def _moment(at: At, to: Reading) -> str:
    local = at.at.astimezone(to.zone)
    time = format_datetime(local, "HH:mm", locale=LOCALES[to.lang])
    day = _day(local, to)
    return to.render.escape(f"{day}, {time}" if day else time)


def _day(local: datetime, to: Reading) -> str:
    """Empty for today; the year only where it is another one."""
    today = to.now.astimezone(to.zone).date() if to.now is not None else None
    if today == local.date() and not to.dated:
        return ""
    same_year = today is not None and today.year == local.year
    return str(format_skeleton("MMMd" if same_year else "yMMMd", local, locale=LOCALES[to.lang]))


def span(length: timedelta, lang: str) -> str:
    """The two largest units: "1 hr 20 mins". Seconds only below two minutes."""
    seconds = abs(int(length.total_seconds()))
    if seconds >= 120:
        seconds -= seconds % 60
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    counts = [(days, "day"), (hours, "hour"), (rest // 60, "minute"), (rest % 60, "second")]
    first = next((i for i, (count, _) in enumerate(counts) if count), 2)
    shown = [(count, unit) for count, unit in counts[first : first + 2] if count] or [(0, "minute")]
    locale = LOCALES[language(lang)]
    return " ".join(format_unit(count, f"duration-{unit}", length="short", locale=locale) for count, unit in shown)


def _link(link: Link, to: Reading) -> str:
    text = to.render.foreign(visible(link.text))
    if not link.url:
        return to.render.escape(text)
    return to.render.link(text, link.url)


WRITERS: dict[type, Callable[[Any, Reading], str]] = {
    At: _moment,
    datetime: lambda value, to: _moment(At(value), to),
    date: lambda value, to: to.render.escape(format_date(value, "medium", locale=LOCALES[to.lang])),
    Span: lambda value, to: to.render.escape(span(value.length, to.lang)),
    timedelta: lambda value, to: to.render.escape(span(value, to.lang)),
    Link: _link,
    Say: _say,
}
