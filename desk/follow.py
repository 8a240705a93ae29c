"""What follows from a changed case: messages to draw, people to call, timers to set or cancel."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from desk.acting import Acting, must_act
from desk.case import Case, State
from desk.people import Side
from desk.rules import Rules
from desk.sla import LIMIT, TARGET, planned, ticking
from desk.work import Prio, Work

GATHER = timedelta(seconds=3)
"""Alarms of one room that come within this time leave as one message (issue: a burst of breaches is one message)."""

SIDES: tuple[Side, Side] = ("staff", "client")


def shown(case: Case) -> bool:
    """Whether staff ever got its card."""
    return any(r.carded_at is not None for r in case.rounds)


def due(case: Case, rules: Rules) -> datetime:
    return case.round.clock_at + rules.sla.target


def lane(case: Case, of: str) -> str:
    return f"case:{case.id}:{of}"


def account(case: Case) -> str:
    """The rate-limited destination of replies: one account on one platform."""
    return ":".join(("platform", *case.mention.key[:3]))


def open_thread(case: Case, rules: Rules, side: Side, generation: int = 0, prio: int = Prio.CARD) -> Work:
    return Work(
        "open",
        {"case": case.id, "side": side},
        lane=lane(case, side),
        dest=rules.room(side),
        idem=f"open:{case.id}:{side}:{generation}",
        group=f"show:{case.id}:{side}",
        prio=prio,
        deadline=due(case, rules),
    )


def draw(case: Case, rules: Rules, side: Side, slot: str, prio: int = Prio.CARD) -> Work:
    """Bring one message of the desk's own up to date with the case as it is when drawn."""
    return Work(
        "draw",
        {"case": case.id, "side": side, "slot": slot},
        lane=lane(case, side),
        dest=rules.room(side),
        merge_key=f"draw:{case.id}:{side}:{slot}",
        group=f"show:{case.id}:{side}",
        prio=prio,
        deadline=due(case, rules),
    )


def say(
    case: Case,
    rules: Rules,
    side: Side,
    key: str,
    mention: Iterable[str] = (),
    prio: int = Prio.PERSON,
    **args: Any,
) -> Work:
    """One short message in the case's thread; `args` are JSON values (desk.view has the wrappers)."""
    return Work(
        "say",
        {"case": case.id, "side": side, "key": key, "args": args, "mention": list(mention)},
        lane=lane(case, side),
        dest=rules.room(side),
        prio=prio,
        deadline=due(case, rules),
    )


def publish(case: Case, run_at: datetime) -> Work:
    return Work(
        "publish",
        {"case": case.id, "version": case.n, "attempt": case.attempt},
        lane=lane(case, "reply"),
        dest=account(case),
        idem=f"publish:{case.id}:{case.n}:{case.attempt}",
        group=f"publish:{case.id}",
        prio=Prio.PERSON,
        run_at=run_at,
    )


def post(case: Case, rules: Rules) -> Work:
    """The call itself, behind its "publish" row in the same lane."""
    return Work(
        "post",
        {"case": case.id, "version": case.n, "attempt": case.attempt, "grace": rules.card.grace.total_seconds()},
        lane=lane(case, "reply"),
        dest=account(case),
        idem=f"post:{case.id}:{case.n}:{case.attempt}",
        group=f"publish:{case.id}",
        prio=Prio.PERSON,
    )


def delete_reply(case: Case, external_id: str, **then: int) -> Work:
    """`then`: version and attempt that are posted next, where the old reply only makes room for a new one."""
    return Work(
        "delete_reply",
        {"case": case.id, "reply": external_id, **then},
        lane=lane(case, "reply"),
        dest=account(case),
        merge_key=f"delete:{case.id}:{external_id}",
        prio=Prio.PERSON,
    )


def make_room(case: Case, external_id: str) -> Work:
    """Ahead of "post" in its lane, which waits until this is done."""
    return delete_reply(case, external_id, version=case.n, attempt=case.attempt)


def watch(case: Case, run_at: datetime, turn: int = 0) -> Work:
    """Read our reply again: is it visible, does it still stand, has the author answered."""
    return Work(
        "watch",
        {"case": case.id, "round": case.round.n, "turn": turn},
        idem=f"watch:{case.id}:{len(case.replies)}:{turn}",
        group=f"watch:{case.id}",
        run_at=run_at,
        prio=Prio.COSMETIC,
    )


def read_page(case: Case, run_at: datetime) -> Work:
    """Look once whether a reply posted by hand stands on the page that was named."""
    return Work(
        "read_page",
        {"case": case.id},
        idem=f"read_page:{case.id}:{len(case.replies)}",
        group=f"watch:{case.id}",
        run_at=run_at,
        prio=Prio.COSMETIC,
        max_attempts=3,
    )


def screenshot(case: Case, rules: Rules) -> list[Work]:
    """A picture of the public page as it stands now, if there is one."""
    if not rules.screenshots or not case.mention.url.startswith(("http://", "https://")):
        return []
    taken = Work(
        "screenshot",
        {"case": case.id},
        lane=lane(case, "screenshot"),
        idem=f"screenshot:{case.id}",
        prio=Prio.MENTION,
        max_attempts=5,
    )
    return [taken]


def show_screenshot(case: Case, rules: Rules, digest: str) -> Work:
    """After the card, and after all that somebody waits for: it informs, and stands in the thread for later."""
    return Work(
        "show_screenshot",
        {"case": case.id, "side": "staff", "digest": digest},
        lane=lane(case, "screenshot"),
        dest=rules.room("staff"),
        idem=f"show_screenshot:{case.id}:{digest}",
        prio=Prio.COSMETIC,
        max_attempts=5,
    )


def suggest(case: Case, person: str, now: datetime) -> Work:
    return Work(
        "suggest",
        {"case": case.id, "person": person, "version": case.n},
        lane=lane(case, "ai"),
        idem=f"suggest:{case.id}:{now.isoformat()}",
        prio=Prio.PERSON,
        max_attempts=3,
    )


def timers(case: Case, rules: Rules, now: datetime) -> list[Work]:
    """Replies are part of their names: when moderators refuse one, the clock of the same round runs again."""
    round_ = case.round
    return [
        Work(
            "warn",
            {"case": case.id, "round": round_.n, "mark": mark.name},
            idem=f"warn{mark.name}:case{case.id}:{round_.n}:{len(case.replies)}",
            group=f"clock:{case.id}:{round_.n}",
            run_at=mark.at,
            prio=Prio.ALARM,
        )
        for mark in planned(round_.clock_at, rules.sla, now)
    ]


def alarm(room: str, item: dict[str, Any], now: datetime) -> Work:
    return Work(
        "alarm",
        {"room": room, "items": [item]},
        dest=room,
        merge_key=f"alarm:{room}",
        merge="extend",
        prio=Prio.ALARM,
        run_at=now + GATHER,
    )


def warning(case: Case, rules: Rules, mark: str, now: datetime) -> list[Work]:
    """To who must act, in the room where they act; at target and limit to the leads as well."""
    side, people = must_act(case, rules)
    people = people or ((case.owner,) if case.owner else ())
    item = {"case": case.id, "round": case.round.n, "mark": mark, "side": side, "people": list(people)}
    if mark not in (TARGET, LIMIT):
        return [alarm(rules.room(side), item, now)]
    leads = [p.key for p in rules.of_role("lead") if p.key not in people]
    room = rules.leads_room or rules.staff_room
    if room == rules.room(side):
        return [alarm(room, {**item, "people": [*people, *leads]}, now)]
    return [alarm(rules.room(side), item, now), alarm(room, {**item, "side": "staff", "people": leads}, now)]


def summary(room: str, now: datetime, prio: int, wait: timedelta) -> Work:
    """One message that announces all cases of a room that still wait for their card. First among its equals: one edit
    shows what many pressed."""
    return Work(
        "summary",
        {"room": room},
        dest=room,
        lane=f"summary:{room}",
        merge_key=f"summary:{room}",
        prio=prio,
        deadline=now,
        run_at=now + wait,
    )


def opening(case: Case, rules: Rules, now: datetime) -> list[Work]:
    """A new case: its place, its card, its timers."""
    return [
        open_thread(case, rules, "staff"),
        draw(case, rules, "staff", "card"),
        *timers(case, rules, now),
        *screenshot(case, rules),
    ]


def follow(old: Case, new: Case, rules: Rules, actor: str, now: datetime) -> tuple[list[Work], list[str]]:
    """Work and cancelled groups that any change of a case brings, whatever the step was."""
    work = [*_client_opens(old, new, rules), *_redraw(old, new, rules, actor), *_turn(old, new, rules, actor)]
    cancel = []
    if ticking(old) and (not ticking(new) or new.round.n != old.round.n):
        cancel.append(f"clock:{old.id}:{old.round.n}")
    if old.state is State.APPROVED and new.state not in (State.APPROVED, State.POSTING):
        cancel.append(f"publish:{old.id}")
    if ticking(new) and (not ticking(old) or new.round.n != old.round.n):
        work.extend(timers(new, rules, now))
    return work, cancel


def _client_opens(old: Case, new: Case, rules: Rules) -> list[Work]:
    if new.client_open and not old.client_open:
        return [
            open_thread(new, rules, "client", prio=Prio.PERSON),
            draw(new, rules, "client", "card", Prio.PERSON),
        ]
    return []


def _redraw(old: Case, new: Case, rules: Rules, actor: str) -> list[Work]:
    """First the message that carries the buttons, then whatever lost them; the card last, it only informs."""
    first = Prio.PERSON if shown(old) else Prio.TAKEN if actor else Prio.CARD
    work = [*_redraw_side(new, rules, "staff", (old.n, new.n), first)]
    if new.client_open:
        work += _redraw_side(new, rules, "client", (old.sent, new.sent), Prio.PERSON)
    return work


def _redraw_side(new: Case, rules: Rules, side: Side, versions: tuple[int, int], prio: int) -> list[Work]:
    before, after = versions
    slot = f"v{after}" if after else "card"
    work = [draw(new, rules, side, slot, prio)]
    if before and before != after:
        work.append(draw(new, rules, side, f"v{before}", Prio.CARD))
    if slot != "card":
        work.append(draw(new, rules, side, "card", Prio.COSMETIC if before else Prio.CARD))
    return work


def _turn(old: Case, new: Case, rules: Rules, actor: str) -> list[Work]:
    """A change of who must act posts one short message that mentions them; the actor is never mentioned.

    A version that goes to the client mentions its approvers itself, a new case its staff: no second message.
    """
    was, now_ = must_act(old, rules), must_act(new, rules)
    waited = was.people if was.side == now_.side else ()
    called = [key for key in now_.people if key != actor and key not in waited]
    if not called or new.state is State.NEW or _arrives(old, new, now_):
        return []
    if now_.side == "client":
        return [say(new, rules, "client", f"turn_{new.state.value}", called)]
    if new.state is State.FAILED and new.by_moderators:
        who, why = rules.card.title, new.failure
        return [say(new, rules, "staff", "turn_moderators_refused", called, platform=who, reason=why)]
    key = "turn_nobody_approves" if new.state is State.IN_APPROVAL else f"turn_{new.state.value}"
    return [say(new, rules, "staff", key, called, reason=new.failure or new.reason)]


def _arrives(old: Case, new: Case, acting: Acting) -> bool:
    return acting.side == "client" and new.sent != old.sent
