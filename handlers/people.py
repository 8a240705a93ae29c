"""Who somebody of a messenger is to the desk, and in which language and time zone they are spoken to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, Protocol

from desk import ports
from desk.people import Person
from desk.service import Outcome, shown
from desk.view import Say
from handlers.words import PLAIN, Renderer, say
from handlers.words.catalogue import has


class Directory(ports.Directory, Protocol):
    """What handlers ask of bot.directory: the desk's own needs, and who a messenger's user is."""

    def by_telegram(self, id: int) -> Person | None: ...
    def by_slack(self, workspace: str, user: str) -> Person | None: ...


Current = Callable[[], Directory]
"""The directory in force now; a reload of the configuration makes a new one."""


class Tongue(NamedTuple):
    lang: str
    zone: str


def tongue(directory: ports.Directory, room: str, who: Person | None) -> Tongue:
    """A person's own language, else that of the room they are in; the room's time zone."""
    side = directory.side_of_room(room) or ("staff" if who is None or who.of_agency else "client")
    rules = next(iter(directory.brands_in(room) or directory.brands()), None)
    if rules is None:
        return Tongue(who.lang if who and who.lang else "en", "UTC")
    return Tongue(who.lang if who and who.lang else rules.lang(side), rules.zone(side))


CLIENT_SEES = {"new": "in_work", "failed": "in_work"}
"""States that are the agency's own affair: to the client, the desk works on the reply (as in desk.listing)."""


def addressed(outcome: Outcome, who: Person | None) -> Outcome:
    """An outcome for its reader: a client is not told of buttons that only staff have."""
    state = outcome.args.get("instead")
    if who is None or who.of_agency or not isinstance(state, str):
        return outcome
    seen = CLIENT_SEES.get(state, state)
    instead = next((f"client_{key}" for key in (seen, _ENDED.get(seen)) if has(f"instead_client_{key}")), seen)
    return replace(outcome, args={**outcome.args, "state": seen, "instead": instead})


_ENDED = dict.fromkeys(("closed", "dismissed", "deleted"), "finished")


def told(outcome: Outcome, to: Tongue, now: datetime, render: Renderer = PLAIN) -> str:
    """An outcome as the sentence that answers whoever caused it; "" where there is nothing to add."""
    if not outcome.key:
        return ""
    return say(Say(outcome.key, shown(outcome.args)), to.lang, to.zone, now, render)
