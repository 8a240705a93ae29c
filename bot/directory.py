"""Who and what config.toml names, in the words of the domain; and the directory in force now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import NamedTuple

from bot import config as c
from collectors import PLATFORMS
from collectors.manual import MANUAL, card_of_site
from collectors.settings import CommonSettings
from desk.people import Person, Side
from desk.ports import Client
from desk.rules import Rules, Sla, Step


class SourceConfig(NamedTuple):
    """One account to read; `every` is the time between two polls."""

    key: str
    brand: str
    platform: str
    settings: CommonSettings
    every: timedelta

    @property
    def pushed(self) -> bool:
        """Mentions are brought to it: it is never polled."""
        return PLATFORMS[self.platform].card.pushed


class Knowledge(NamedTuple):
    """What a suggested reply may draw on. `facts` is a Markdown file; `places` are names by their id."""

    facts: Path | None
    signature: str
    places: dict[str, str]


class Directory:
    """Fixed once made; a changed file makes a new one. Fulfils desk.ports.Directory."""

    def __init__(self, config: c.Config) -> None:
        self.people = tuple(map(_person, config.people))
        self._people = {person.key: person for person in self.people}
        self._telegram = {person.telegram: person for person in self.people if person.telegram is not None}
        self._slack = {person.slack: person for person in self.people if person.slack}
        self._sources = {source.key: source for source in _sources(config)}
        self._rules = {rules.brand: rules for rules in _rules_of_all(config, self.people)}
        self._clients = {client.key: _client(client, config) for client in config.clients}
        self._brands = {brand.key: (client, brand) for client in config.clients for brand in client.brands}
        self._sides = _sides(config)
        self._owners = _owners(config)

    # brands

    def rules(self, brand: str, platform: str = "") -> Rules | None:
        """What is in force for a brand's mentions on a platform; one it has no source on is posted by hand.

        Without a platform: that of the brand's first source.
        """
        rules = self._rules.get(brand)
        if rules is None or platform in ("", rules.card.name):
            return rules
        own = any(source.brand == brand and source.platform == platform for source in self._sources.values())
        return replace(rules, card=PLATFORMS[platform].card if own else MANUAL)

    def brands(self) -> list[Rules]:
        return list(self._rules.values())

    def brands_of(self, client: str) -> list[Rules]:
        return [rules for rules in self._rules.values() if rules.client == client]

    def brands_for(self, person: Person) -> list[str]:
        """Keys of the brands this person may see."""
        return [rules.brand for rules in self._rules.values() if person.serves(rules.client)]

    def brands_in(self, room: str) -> list[Rules]:
        """Brands whose staff or client room this is."""
        return [rules for rules in self._rules.values() if room in (rules.staff_room, rules.client_room)]

    def clients(self) -> list[Client]:
        return list(self._clients.values())

    def digests(self) -> list[Client]:
        """Clients with the brands of one daily digest; a brand with a time of its own is parted from the rest.

        The key of a part is the client's, with the time where there are several.
        """
        parts: dict[tuple[str, time], list[str]] = defaultdict(list)
        for client, brand in self._brands.values():
            parts[client.key, c.terms(client, brand).digest_at].append(brand.key)
        several = Counter(client for client, _ in parts)
        return [
            self._clients[client]._replace(
                key=f"{client}:{at:%H.%M}" if several[client] > 1 else client, digest_at=at, brands=tuple(brands)
            )
            for (client, at), brands in parts.items()
        ]

    def knowledge(self, brand: str) -> Knowledge | None:
        found = self._brands.get(brand)
        if found is None:
            return None
        places = {place.id: ", ".join(filter(None, (place.name, place.city))) for place in found[1].places}
        return Knowledge(found[1].facts, found[1].signature, places)

    # people

    def person(self, key: str) -> Person | None:
        return self._people.get(key)

    def by_telegram(self, id: int) -> Person | None:
        return self._telegram.get(id)

    def by_slack(self, workspace: str, user: str) -> Person | None:
        """`workspace` is the key of [[slack]], `user` the id Slack gives."""
        return self._slack.get(f"{workspace}/{user}")

    # rooms

    def side_of_room(self, room: str) -> Side | None:
        """The leads' room is a staff room; None: not a room of the desk."""
        return self._sides.get(room)

    def client_of_room(self, room: str) -> str | None:
        """The client whose room this is; None where it is nobody's, or staff of several clients share it."""
        owners = self._owners.get(room, frozenset())
        return next(iter(owners)) if len(owners) == 1 else None

    # sources

    def sources(self) -> list[SourceConfig]:
        return list(self._sources.values())

    def source(self, key: str) -> SourceConfig | None:
        return self._sources.get(key)

    def sources_of(self, brand: str) -> list[str]:
        return [source.key for source in self._sources.values() if source.brand == brand]


def _person(one: c.Person) -> Person:
    return Person(one.key, one.name, one.role, one.clients, one.telegram, one.slack or "", one.language or "")


def _client(client: c.Client, config: c.Config) -> Client:
    brands = tuple(brand.key for brand in client.brands)
    return Client(client.key, client.name, client.digest_at, client.timezone or config.desk.timezone, brands)


def _sources(config: c.Config) -> Iterator[SourceConfig]:
    for client in config.clients:
        for brand in client.brands:
            for one in brand.sources:
                yield SourceConfig(one.key, brand.key, one.platform, one.settings, one.every)


def _rules_of_all(config: c.Config, people: tuple[Person, ...]) -> Iterator[Rules]:
    """Rules name only those who serve the client: nobody else is ever mentioned or asked."""
    for client in config.clients:
        serving = tuple(person for person in people if person.serves(client.key))
        for brand in client.brands:
            yield _rules(config, client, brand, serving)


def _rules(config: c.Config, client: c.Client, brand: c.Brand, people: tuple[Person, ...]) -> Rules:
    agreed = c.terms(client, brand)
    return Rules(
        client=client.key,
        client_name=client.name,
        brand=brand.key,
        brand_name=brand.name,
        staff_room=agreed.staff_room,
        client_room=agreed.client_room,
        card=PLATFORMS[brand.sources[0].platform].card if brand.sources else MANUAL,
        people=people,
        steps=tuple(Step(step.who, step.need) for step in agreed.approval.steps),
        sla=Sla(agreed.sla.target, agreed.sla.limit, agreed.sla.warn_at),
        undo=agreed.approval.undo,
        staff_lang=config.desk.language,
        client_lang=agreed.language or config.desk.language,
        timezone=client.timezone or config.desk.timezone,
        leads_room=config.desk.leads_room or "",
        posting=config.desk.posting,
        ai=config.ai is not None and client.ai,
        account=brand.signature or brand.name,
        screenshots=config.desk.screenshots,
        site=card_of_site,
    )


def _rooms(config: c.Config) -> Iterator[tuple[str, Side, str]]:
    """Every room of a client with its side, brands' own ones too."""
    for client in config.clients:
        yield client.staff_room, "staff", client.key
        yield client.client_room, "client", client.key
        for agreed in (c.terms(client, brand) for brand in client.brands):
            yield agreed.staff_room, "staff", client.key
            yield agreed.client_room, "client", client.key


def _sides(config: c.Config) -> dict[str, Side]:
    sides: dict[str, Side] = {room: side for room, side, _ in _rooms(config)}
    if config.desk.leads_room:
        sides[config.desk.leads_room] = "staff"
    return sides


def _owners(config: c.Config) -> dict[str, frozenset[str]]:
    owners: dict[str, frozenset[str]] = {}
    for room, _, client in _rooms(config):
        owners[room] = owners.get(room, frozenset()) | {client}
    return owners


AT_START = ("database", "telegram", "slack", "ai")
"""Tables that are read once, when the desk starts."""
DESK_AT_START = ("listen", "secret_key", "proxy", "ca_file", "chromium")


class Live:
    """The directory in force. A sound file replaces it as a whole; a faulty one changes nothing."""

    def __init__(self, config: c.Config) -> None:
        self._started_with = config
        self.config = config
        self.current = Directory(config)

    def reload(self, path: str | Path, env: Mapping[str, str] | None = None) -> list[c.Fault]:
        """Read the file again. The faults for which it was refused; none: it is in force."""
        try:
            config = c.load(path, env)
        except c.ConfigFaults as refused:
            return refused.faults
        self.config, self.current = config, Directory(config)
        return []

    def after_restart(self) -> list[str]:
        """Keys whose new values wait for a restart, such as database or desk.listen."""
        old, new = self._started_with, self.config
        return [*_changed(old, new, AT_START), *(f"desk.{one}" for one in _changed(old.desk, new.desk, DESK_AT_START))]


def _changed(old: object, new: object, names: Iterable[str]) -> list[str]:
    return [name for name in names if getattr(old, name) != getattr(new, name)]
