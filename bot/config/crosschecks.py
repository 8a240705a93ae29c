"""What no single table can know: keys used twice, rooms that coincide, people who are not there.

A table with a fault arrives with None for what could not be read; what depends on that is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from bot.config.faults import Faults, Where, suggestion
from bot.config.models import Approval, Brand, Client, Config, Person, Sla, Step, Terms, terms

EVERY = "*"
RESERVED = "ai"
"""Contract §4: the author of what a model suggested."""


class _At(NamedTuple):
    """A brand with its client and their places in the file."""

    client: Client
    brand: Brand
    of_client: Where
    of_brand: Where

    @property
    def terms(self) -> Terms:
        return terms(self.client, self.brand)


class _View(NamedTuple):
    config: Config
    faults: Faults

    def people(self) -> Iterator[tuple[Person, Where]]:
        for n, person in enumerate(self.config.people or ()):
            yield person, Where().at("people", n).named(person.key)

    def clients(self) -> Iterator[tuple[Client, Where]]:
        for n, client in enumerate(self.config.clients or ()):
            yield client, Where().at("clients", n).named(client.key)

    def brands(self) -> Iterator[_At]:
        for client, where in self.clients():
            for n, brand in enumerate(client.brands or ()):
                yield _At(client, brand, where, where.at("brands", n).named(brand.key))

    def serving(self, client: Client, *roles: str) -> list[Person]:
        return [p for p, _ in self.people() if p.role in roles and _serves(p, client)]

    @property
    def people_are_read(self) -> bool:
        """Nobody is missing because of a fault of their own."""
        return not any(_lost(p.key, p.role, p.clients) for p, _ in self.people())


def _lost(*values: object) -> bool:
    """Whether one of these could not be read: the models do not type it, a faulty table has it."""
    return any(value is None for value in values)


def _serves(person: Person, client: Client) -> bool:
    return bool(person.clients) and (EVERY in person.clients or client.key in person.clients)


def cross_check(config: Config, faults: Faults) -> None:
    """Add to `faults` what is wrong between the tables of `config`."""
    for check in CHECKS:
        check(_View(config, faults))


# keys


def _keys_are_unique(view: _View) -> None:
    config = view.config
    _once(
        view, ((one.key, Where().at("slack", n).named(one.key).at("key")) for n, one in enumerate(config.slack or ()))
    )
    _once(view, ((person.key, where.at("key")) for person, where in view.people()))
    _once(view, ((client.key, where.at("key")) for client, where in view.clients()))
    _once(view, ((at.brand.key, at.of_brand.at("key")) for at in view.brands()))
    _once(view, _source_keys(view))
    for at in view.brands():
        places = enumerate(at.brand.places or ())
        _once(view, ((place.id, at.of_brand.at("places", n, "id")) for n, place in places))


def _source_keys(view: _View) -> Iterator[tuple[str, Where]]:
    for at in view.brands():
        for n, source in enumerate(at.brand.sources or ()):
            yield source.key, at.of_brand.at("sources", n).named(source.key).at("key")


def _once(view: _View, keys: Iterable[tuple[str | None, Where]]) -> None:
    first: dict[str, Where] = {}
    for key, where in keys:
        if key is None:
            continue
        if key in first:
            view.faults.add(where, f'"{key}" is used twice, first at {first[key].path}', "give each its own")
        first.setdefault(key, where)


# messengers


def _telegram_is_complete(view: _View) -> None:
    telegram = view.config.telegram
    if telegram is None or telegram.mode != "webhook":
        return
    for name, value in (("public_url", telegram.public_url), ("secret", telegram.secret)):
        if value is None:
            view.faults.add(Where().at("telegram", name), "is required by mode webhook", "add it, or use mode polling")
    _listens(view, Where().at("telegram", "mode"))


def _bots_are_read_once(view: _View) -> None:
    """Who reads a bot's updates takes them from all others (Bot API: getUpdates)."""
    first: dict[str, Where] = {}
    for token, where in _bots(view):
        if token in first:
            fault = f"this bot is read by {first[token].path} already, and one takes the other's messages"
            view.faults.add(where, fault, "give each its own bot")
        first.setdefault(token, where)


def _bots(view: _View) -> Iterator[tuple[str, Where]]:
    desk = view.config.telegram
    if desk is not None and not _lost(desk.token):
        yield desk.token.get_secret_value(), Where().at("telegram")
    for at in view.brands():
        for n, source in enumerate(at.brand.sources or ()):
            token = getattr(source.settings, "token", None) if source.platform == "telegram" else None
            if token is not None:
                yield token.get_secret_value(), at.of_brand.at("sources", n).named(source.key).at("token")


def _slack_is_complete(view: _View) -> None:
    for n, slack in enumerate(view.config.slack or ()):
        where = Where().at("slack", n).named(slack.key)
        name, value = ("app_token", slack.app_token)
        if slack.mode == "http":
            name, value = ("signing_secret", slack.signing_secret)
            _listens(view, where.at("mode"))
        if value is None and not _lost(slack.mode):
            view.faults.add(where.at(name), f"is required by mode {slack.mode}", f'add it: "env:SLACK_{name.upper()}"')


def _listens(view: _View, where: Where) -> None:
    if not _lost(view.config.desk) and view.config.desk.listen == "":
        view.faults.add(where, "needs an address to listen at", "set listen in [desk]")


# people


def _people_are_known(view: _View) -> None:
    known = {client.key for client, _ in view.clients() if client.key}
    for person, where in view.people():
        if person.key == RESERVED:
            view.faults.add(where.at("key"), f'"{RESERVED}" is the author of suggested texts', "use another key")
        for n, key in enumerate(person.clients or ()):
            if key != EVERY and key not in known:
                mend = suggestion(key, known, "clients")
                view.faults.add(where.at("clients", n), f'there is no client "{key}"', mend)


def _people_have_ids(view: _View) -> None:
    for person, where in view.people():
        reachable = person.telegram is not None or person.slack is not None
        if not reachable and not view.faults.has(where.at("telegram")) and not view.faults.has(where.at("slack")):
            view.faults.add(where.at("telegram"), "there is neither a telegram nor a slack id", "add one of them")
    _once(view, ((_number(person.telegram), where.at("telegram")) for person, where in view.people()))
    _once(view, ((person.slack, where.at("slack")) for person, where in view.people()))


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


ROOM_OF = {"staff": "staff_room", "approver": "client_room"}


def _people_are_reached_in_their_rooms(view: _View) -> None:
    for person, where in view.people():
        for at in view.brands():
            side = ROOM_OF.get(person.role or "")
            room = getattr(at.terms, side) if side and _serves(person, at.client) else None
            if room and not _reached(person, room):
                _report_unreached(view, person, where, room, f"{(side or '').replace('_', ' ')} of {at.client.key}")


def _reached(person: Person, room: str) -> bool:
    messenger, _, rest = room.partition(":")
    if messenger == "telegram":
        return person.telegram is not None
    return person.slack is not None and person.slack.partition("/")[0] == rest.partition("/")[0]


def _report_unreached(view: _View, person: Person, where: Where, room: str, whose: str) -> None:
    messenger, _, rest = room.partition(":")
    if messenger == "telegram":
        what, example = "no Telegram id", "telegram = 1001"
    else:
        workspace = rest.partition("/")[0]
        what, example = f"no id in the Slack workspace {workspace}", f'slack = "{workspace}/U…"'
    say = f"{person.name} ({person.role}) has {what}, and the {whose} is there"
    view.faults.add(where.at(messenger), say, f"add {example}, or take the client out of their clients")


def _clients_have_people(view: _View) -> None:
    if not view.people_are_read:
        return
    for client, where in view.clients():
        if client.key is None:
            continue
        if client.brands and not view.serving(client, "approver"):
            what = f"no approver: nobody in [[people]] with role approver serves {client.key}"
            view.faults.add(
                where.at("approval"), what, f'add a person with role = "approver", clients = ["{client.key}"]'
            )
        if not view.serving(client, "staff", "lead"):
            what = f"nobody in [[people]] with role staff or lead serves {client.key}"
            view.faults.add(
                where.at("staff_room"), what, f'add a person with role = "staff", clients = ["{client.key}"]'
            )


# rooms


class RoomUse(NamedTuple):
    """A room where the file names it. `client` is "" for the leads' room."""

    room: str
    side: Literal["leads", "staff", "client"]
    client: str
    where: Where


def room_uses(config: Config) -> Iterator[RoomUse]:
    """Every room that is named, as often as it is named."""
    if not _lost(config.desk) and config.desk.leads_room:
        yield RoomUse(config.desk.leads_room, "leads", "", Where().at("desk", "leads_room"))
    view = _View(config, Faults(""))
    for client, where in view.clients():
        yield from _rooms_in(client, client.key, where)
    for at in view.brands():
        yield from _rooms_in(at.brand, at.client.key, at.of_brand)


def each_room(uses: list[RoomUse], prefix: str) -> list[RoomUse]:
    """Each room once, where it is named first; one for cases before one for alarms only."""
    first: dict[str, RoomUse] = {}
    for use in sorted(uses, key=lambda use: use.side == "leads"):
        if use.room.startswith(prefix):
            first.setdefault(use.room, use)
    return list(first.values())


def _rooms_in(table: Client | Brand, client: str, where: Where) -> Iterator[RoomUse]:
    if table.staff_room:
        yield RoomUse(table.staff_room, "staff", client, where.at("staff_room"))
    if table.client_room:
        yield RoomUse(table.client_room, "client", client, where.at("client_room"))


def _rooms_are_apart(view: _View) -> None:
    uses = list(room_uses(view.config))
    owners: dict[str, str] = {}
    for use in (one for one in uses if one.side == "client"):
        if owners.setdefault(use.room, use.client) != use.client:
            what = f"{use.room} is the client room of {owners[use.room]} too"
            view.faults.add(use.where, what, "give each client a room of its own")
    for use in (one for one in uses if one.side != "client" and one.room in owners):
        what = f"{use.room} is the client room of {owners[use.room]}: the client would read what staff say there"
        view.faults.add(use.where, what, "take another room for staff")


# what was agreed


def _deadlines_are_in_order(view: _View) -> None:
    for client, where in view.clients():
        _target_before_limit(view, client.sla, where.at("sla", "target"))
    for at in view.brands():
        if at.brand.sla is not None and not _lost(at.client.sla):
            _target_before_limit(view, at.terms.sla, at.of_brand.at("sla", "target"))


def _target_before_limit(view: _View, sla: Sla | None, where: Where) -> None:
    if sla is not None and not _lost(sla.target, sla.limit) and sla.target >= sla.limit:
        view.faults.add(where, "must be shorter than limit", "shorten target or lengthen limit")


def _approval_can_be_had(view: _View) -> None:
    for client, where in view.clients():
        _check_steps(view, client, client.approval, where.at("approval"))
        for n, brand in enumerate(client.brands or ()):
            of_brand = where.at("brands", n).named(brand.key)
            _check_steps(view, client, brand.approval, of_brand.at("approval"))


def _check_steps(view: _View, client: Client, approval: Approval | None, where: Where) -> None:
    for n, step in enumerate(approval.steps or () if approval else ()):
        place = where.at("steps", n)
        for m, key in enumerate(step.who or ()):
            _check_approver(view, client, key, place.at("who", m))
        _check_need(view, step, place)


def _check_approver(view: _View, client: Client, key: str, where: Where) -> None:
    person = next((one for one, _ in view.people() if one.key == key), None)
    if person is None:
        approvers = [one.key for one in view.serving(client, "approver") if one.key]
        view.faults.add(where, f'there is no person "{key}"', suggestion(key, approvers, "approvers"))
    elif person.role != "approver" and not _lost(person.role):
        what = f"{key} is {person.role}, and only an approver can approve"
        view.faults.add(where, what, "name an approver, or change the role")
    elif not _serves(person, client) and not _lost(person.clients, client.key):
        view.faults.add(where, f"{key} does not serve {client.key}", f'add "{client.key}" to their clients')


def _check_need(view: _View, step: Step, where: Where) -> None:
    if _lost(step.who, step.need):
        return
    if len(set(step.who)) < len(step.who):
        view.faults.add(where.at("who"), "names somebody twice", "name each once")
    elif step.need > len(step.who):
        what = f"{step.need} approvals are needed, and who names {len(step.who)}"
        view.faults.add(where.at("need"), what, "lower need, or name more people")


CHECKS: tuple[Callable[[_View], None], ...] = (
    _keys_are_unique,
    _telegram_is_complete,
    _bots_are_read_once,
    _slack_is_complete,
    _people_are_known,
    _people_have_ids,
    _rooms_are_apart,
    _clients_have_people,
    _people_are_reached_in_their_rooms,
    _deadlines_are_in_order,
    _approval_can_be_had,
)
