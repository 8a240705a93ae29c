"""docs/ that is written from the code: `python -m bot.reports.docs` writes it, `--check` tells whether it is stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import time, timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from bot.config.durations import show_duration
from bot.config.models import Config, Model, Source
from bot.config.values import DatabaseUrl, Key, Listen, Proxy, PublicAddress, Room, SlackAddress, SlackUser, Zone
from collectors import PLATFORMS
from collectors.manual import SITES, Site
from collectors.settings import CommonSettings, FolderPath, SourceSettings, WebAddress
from desk.case import State
from desk.diagram import mermaid
from desk.people import Side
from desk.platform import PlatformCard
from desk.view import BUTTONS, Say
from handlers.words import say

DOCS = Path(__file__).resolve().parents[2] / "docs"
WRITTEN = "<!-- Written by `python -m bot.reports.docs`; changes made here are lost. -->"


# Markdown


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _words(text: str) -> str:
    """Text that Markdown must not take for HTML."""
    return text.replace("<", "&lt;")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


# config.toml

NAMES: tuple[tuple[Any, str], ...] = (
    (Room, "room"),
    (Key, "key"),
    (Zone, "time zone"),
    (DatabaseUrl, "address, or secret"),
    (Listen, "host:port"),
    (Proxy, "address, or secret"),
    (SlackUser, "Slack id"),
    (FolderPath, "folder"),
    *((address, "address") for address in (WebAddress, PublicAddress, SlackAddress)),
)
"""Types that say more by their name than by what they are made of."""

PLAIN: dict[Any, str] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    timedelta: "duration",
    time: "time of day",
    SecretStr: "secret",
    Path: "file",
}

TYPES = """\
A *secret* is written as `"env:NAME"` or `"file:PATH"`, never in plain text; a `.env` beside the file is read. A
*duration* is a whole number and `s`, `m`, `h` or `d`. A *room* is `telegram:<chat id>`, `slack:<channel>` or
`slack:<workspace>/<channel>`. Paths are relative to the file. An unknown key is a fault, and `replydesk check` names
the nearest known one."""


class Table(NamedTuple):
    """A table of the file under its name there. `about`: what it is for, where its model alone does not say."""

    name: str
    model: type[BaseModel]
    many: bool
    about: str = ""

    @property
    def head(self) -> str:
        return _code(f"[[{self.name}]]" if self.many else f"[{self.name}]")


def tables(outer: Table) -> Iterator[Table]:
    """A table and those in it, outermost first."""
    yield outer
    for key, hint in hints(outer.model).items():
        inner, about = _model_in(hint), outer.model.model_fields[key].description or ""
        if inner is not None:
            yield from tables(Table(f"{outer.name}.{key}".lstrip("."), inner, _is_list(hint), about))


def hints(model: type[BaseModel]) -> dict[str, Any]:
    known = get_type_hints(model, include_extras=True)
    return {name: known[name] for name in model.model_fields}


def _model_in(hint: Any) -> type[Model] | None:
    if isinstance(hint, type) and issubclass(hint, Model):
        return hint
    return next((found for inner in get_args(hint) if (found := _model_in(inner))), None)


def _is_list(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(_is_list(inner) for inner in get_args(hint))


def kind(hint: Any) -> str:
    """A type in the words of TYPES."""
    named = next((name for known, name in NAMES if hint == known), None)
    if named is not None:
        return named
    origin, inner = get_origin(hint), [one for one in get_args(hint) if one not in (type(None), Ellipsis)]
    if origin is Literal:
        return ", ".join(_code(str(one)) for one in inner)
    if origin is Annotated:
        return kind(inner[0])
    if origin in (Union, UnionType):
        return " or ".join(map(kind, inner))
    return f"list: {kind(inner[0])}" if origin is tuple else PLAIN.get(hint, "table")


def toml(value: Any) -> str:
    """A value as one would type it."""
    return next((show(value) for known, show in SHOWS.items() if isinstance(value, known)), str(value))


SHOWS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: str(value).lower(),
    str: lambda value: f'"{value}"',
    timedelta: lambda value: f'"{show_duration(value)}"',
    time: lambda value: f'"{value:%H:%M}"',
    SecretStr: lambda value: f'"{value.get_secret_value()}"',
    tuple: lambda value: f"[{', '.join(map(toml, value))}]",
    list: lambda value: f"[{', '.join(map(toml, value))}]",
    dict: lambda value: f"{{ {', '.join(f'{key} = {toml(one)}' for key, one in value.items())} }}",
}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    return "" if field.default is None or field.default == () else _code(toml(field.default))


def _fields(model: type[BaseModel], without: Iterable[str] = ()) -> str:
    """Keys that are tables themselves have a heading of their own."""
    rows = [
        (_code(name), kind(hint), _default(field), _words(field.description or field.title or ""), _example(field))
        for name, hint in hints(model).items()
        if _model_in(hint) is None and name not in without
        for field in [model.model_fields[name]]
    ]
    return table(("key", "type", "default", "meaning", "example"), rows) if rows else ""


def _example(field: FieldInfo) -> str:
    return _code(toml(field.examples[0])) if field.examples else ""


def configuration() -> str:
    parts, known = ["# config.toml", TYPES], dict[type[BaseModel], Table]()
    for one in list(tables(Table("", Config, False)))[1:]:
        parts.append(f"## {one.head}")
        first = known.setdefault(one.model, one)
        if first is one:
            parts += [_sentence(one.model), _fields(one.model, ("settings", "every") if one.model is Source else ())]
        else:
            parts.append(f"The keys of {first.head}: {one.about}.")
    parts += ["## Settings of the platforms", "They stand in `[[clients.brands.sources]]` beside `key` and `platform`."]
    for name, entry in sorted(PLATFORMS.items()):
        parts += [f"### {_code(name)}", _settings(entry.settings, entry.card)]
    return _page(parts)


def _sentence(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _settings(model: type[CommonSettings], card: PlatformCard) -> str:
    """What all that are polled by HTTP have comes last."""
    own = [name for name in model.model_fields if name not in SourceSettings.model_fields]
    shared = [] if card.pushed else [name for name in SHARED if name in model.model_fields]
    rows = [
        (
            _code(name),
            SHARED_KINDS.get(name) or kind(hints(model)[name]),
            _setting_default(name, field, card),
            _about(field),
        )
        for name in (*own, *shared)
        for field in [model.model_fields[name]]
    ]
    return table(("key", "type", "default", "meaning"), rows)


SHARED = sorted(SourceSettings.model_fields)
SHARED_KINDS = {"proxy": "address, or secret"}
"""Settings that `check` reads otherwise than their type says."""


def _setting_default(name: str, field: FieldInfo, card: PlatformCard) -> str:
    return _code(toml(card.every)) if name == "every" else _default(field)


def _about(field: FieldInfo) -> str:
    return _words(": ".join(filter(None, (field.title, field.description))))


# platforms


def platforms() -> str:
    cards = [(name, entry.card) for name, entry in sorted(PLATFORMS.items())]
    head = (
        "platform",
        "name",
        "reply",
        "edit",
        "delete",
        "reply read back",
        "longest reply",
        "polled",
        "requests a minute",
        "links to items",
        "its own calls",
    )
    parts = [
        "# Platforms",
        "What each can do, from its card. Without a reply API the desk offers the approved text, the link and "
        "`I posted it`. A platform with calls of its own may be given `/hooks/SOURCE` as their address: the source is "
        "read as soon as one comes. Where links say which item they lead to, `/add LINK` brings that very one, and the "
        "reply goes there.",
        table(head, (_abilities(name, card, PLATFORMS[name].knows_items) for name, card in cards)),
        "\n".join(f"- {_code(name)}: {_words(_cell(note))}" for name, card in cards for note in card.notes),
        "## Posted by hand",
        "Links to these sites are recognised; a mention from there, brought by a person, is shown under their name.",
        "While a reply waits to be posted by hand, staff see what to know and where to answer. A site that is a "
        "platform too has the limits of its card. Whoever posted it may name its page: that is read once, if the "
        "site's robots.txt allows it.",
        table(SITE_HEAD, map(_site, SITES)),
    ]
    return _page(parts)


def _abilities(name: str, card: PlatformCard, knows_items: bool) -> Iterator[str]:
    yield from (_code(name), card.title)
    yield "yes" if card.can_reply else "by hand"
    yield from ("yes" if can else "" for can in (card.can_edit, card.can_delete, card.can_look))
    yield "" if card.longest is None else f"{card.longest} {card.unit}"
    yield "pushed" if card.pushed else f"every {show_duration(card.every)}, at most every {show_duration(card.floor)}"
    yield "" if card.pushed else str(card.pace)
    yield "yes" if knows_items else ""
    yield card.calls


SITE_HEAD = ("site", "addresses", "longest answer", "what to know", "said to be so", "where a company answers")


def _site(site: Site) -> Iterator[str]:
    yield site.title
    yield ", ".join(map(_code, site.hosts))
    yield "" if site.longest is None else f"{site.longest} {site.card.unit}"
    for rules in (site.rules, site.said):
        yield ". ".join(say(Say(f"rule_{rule}"), "en", "UTC") for rule in rules)
    yield site.answer_at


# states


def states() -> str:
    parts = [
        "# States of a case",
        "```mermaid\n" + mermaid().strip() + "\n```",
        "## Buttons",
        "They stand on the newest message of a case. Those in *italics* are there only when they apply.",
        table(("state", "shown as", "staff", "client"), map(_state, State)),
    ]
    return _page(parts)


def _state(state: State) -> Iterator[str]:
    yield from (_code(state.value), say(Say(f"short_{state.value}"), "en", "UTC"))
    yield from (_buttons("staff", state), _buttons("client", state))


def _buttons(side: Side, state: State) -> str:
    shown = BUTTONS.get((side, state), ())
    return ", ".join(f"*{label(b.action)}*" if b.when is not ALWAYS else label(b.action) for b in shown)


ALWAYS = BUTTONS["staff", State.NEW][0]._field_defaults["when"]
"""The condition of a button that has none."""


def label(action: str) -> str:
    return say(Say(f"button_{action}"), "en", "UTC")


# files

PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "platforms.md": platforms,
    "states.md": states,
}


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join([WRITTEN, *filter(None, parts)]) + "\n"


def stale(folder: Path = DOCS) -> list[str]:
    """Names of the pages that are not as the code says."""
    return [name for name, page in PAGES.items() if _read(folder / name) != page()]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: list[str], folder: Path = DOCS) -> int:
    """0; 1 when `--check` finds stale pages; 2 for anything else asked."""
    if arguments == ["--check"]:
        old = stale(folder)
        if old:
            print(f"stale: {', '.join(old)}; write them with: python -m bot.reports.docs", file=sys.stderr)
        return 1 if old else 0
    if arguments:
        print("usage: python -m bot.reports.docs [--check]", file=sys.stderr)
        return 2
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
