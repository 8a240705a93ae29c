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
        return Acting("staff", tuple(p.key for p in rules.of_role("staff", "lead")))
    if case.state is State.IN_APPROVAL:
        return Acting("client", progress(case, rules).who)
    if case.state in (State.IN_WORK, State.MANUAL, State.FAILED) or (case.state is State.POSTING and case.unknown):
        return Acting("staff", _owner(case, rules))
    return Acting("staff")


def _owner(case: Case, rules: Rules) -> tuple[str, ...]:
    """The owner; where they left the configuration, all staff, so that no case waits for nobody."""
    owner = rules.person(case.owner)
    if owner is not None and owner.of_agency and owner.serves(case.client):
        return (owner.key,)
    return tuple(p.key for p in rules.of_role("staff", "lead"))


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
    named = ", ".join(p.name for key in progress(case, rules).who if (p := rules.person(key)))
    raise NotAllowed(f"only_{by.replace(' ', '_')}", names=named)
