"""Who must act, and who may press."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from desk.case import Case, State, progress
from desk.errors import NotAllowed
from desk.people import Person, Side
from desk.rules import Rules


class Acting(NamedTuple):
    """People's keys on one side; empty: the desk itself acts, or nobody needs to."""

    side: Side
    people: tuple[str, ...] = ()


def must_act(case: Case, rules: Rules) -> Acting:
    """Contract §4: the third column of the table of states."""
    if case.state is State.NEW:
        return Acting("staff", on_duty(rules))
    if case.state is State.IN_APPROVAL and (asked := approvers(case, rules)):
        return Acting("client", asked)
    if case.state in _OWNED or (case.state is State.POSTING and case.unknown):
        return Acting("staff", owner(case, rules))
    return Acting("staff")


_OWNED = frozenset({State.IN_WORK, State.IN_APPROVAL, State.MANUAL, State.FAILED})
"""An approval that nobody can give any more (people or steps changed) is back with the owner, to be taken back."""


def on_duty(rules: Rules) -> tuple[str, ...]:
    """The client's staff. Leads are called at target and limit; where there is no staff, from the start."""
    return tuple(p.key for p in rules.of_role("staff") or rules.of_role("lead"))


def owner(case: Case, rules: Rules) -> tuple[str, ...]:
    """The owner; where they left the configuration, all staff, so that no case waits for nobody."""
    person = rules.person(case.owner)
    if person is not None and _may_staff(case, person, rules):
        return (person.key,)
    return on_duty(rules)


def approvers(case: Case, rules: Rules) -> tuple[str, ...]:
    """Who can still approve in the open step; empty where its people left, or as many as are left do not suffice."""
    at, version = progress(case, rules), case.version
    able = tuple(
        key
        for key in at.who
        if (p := rules.person(key)) and _may_client(case, p, rules) and not (version and version.bars(key))
    )
    return able if len(able) >= at.lacks else ()


def _may_staff(case: Case, who: Person, rules: Rules) -> bool:
    return who.of_agency and who.serves(case.client)


def _may_client(case: Case, who: Person, rules: Rules) -> bool:
    return who.role == "approver" and who.serves(case.client)


def _may_approver(case: Case, who: Person, rules: Rules) -> bool:
    """The approvers named in the open step; one who has just approved is let through to be told so."""
    at = progress(case, rules)
    named = at.who + tuple(a.person for a in at.given if a.step == at.step)
    return _may_client(case, who, rules) and who.key in named


def _may_either(case: Case, who: Person, rules: Rules) -> bool:
    return _may_staff(case, who, rules) or _may_client(case, who, rules)


MAY: dict[str, Callable[[Case, Person, Rules], bool]] = {
    "staff": _may_staff,
    "client": _may_client,
    "open step": _may_approver,
    "either": _may_either,
}


def may(by: str, case: Case, who: Person | None, rules: Rules) -> bool:
    return who is not None and MAY[by](case, who, rules)


def check_may(by: str, case: Case, who: Person | None, rules: Rules) -> None:
    """Raises NotAllowed unless the presser is one of those the table names. The desk's own actions carry no right."""
    if by == "desk" or may(by, case, who, rules):
        return
    named = ", ".join(p.name for key in approvers(case, rules) if (p := rules.person(key)))
    raise NotAllowed(f"only_{by.replace(' ', '_')}", names=named)
