"""What any chat shows of a case, and which buttons stand on it now. Messengers only draw this."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from desk.acting import approvers, must_act
from desk.case import FINISHED, Case, State, Version, holds, progress
from desk.forms import Field
from desk.people import Person, Side
from desk.platform import ByHand, length_of
from desk.rules import Rules
from desk.sla import Clock, clock, ticking

Style = Literal["plain", "title", "dim", "alert"]


class At(NamedTuple):
    """A moment, shown in the reader's time zone."""

    at: datetime


class Span(NamedTuple):
    """A length of time, shown in the reader's words."""

    length: timedelta


class Link(NamedTuple):
    text: str
    url: str


class Say(NamedTuple):
    """A sentence of handlers/words. `args`: str (foreign, to be escaped), int, At, Span, Link or Say.

    An int named `n` picks the plural form.
    """

    key: str
    args: dict[str, Any] = {}  # noqa: RUF012 - never written to


@dataclass(frozen=True, slots=True)
class Line:
    say: Say
    style: Style = "plain"


@dataclass(frozen=True, slots=True)
class Quote:
    """Foreign text, whole; a messenger that cannot show it all shortens it and says so.

    `ours`: written by the desk's own people, and shown to the letter, because it is copied from here.
    """

    text: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """People mentioned, so that their messenger notifies them."""

    people: tuple[Person, ...]


Block = Line | Quote | Call


@dataclass(frozen=True, slots=True)
class Button:
    """`action` is a key of desk.forms.PRESSES; `label` names words; a `url` makes it a link."""

    action: str
    label: str
    case: int
    version: int = 0
    extra: str = ""
    url: str = ""
    style: Literal["", "primary", "danger"] = ""
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawing:
    """One message. `title` names a new thread and stands for the message in notifications."""

    title: Say
    blocks: tuple[Block, ...]
    rows: tuple[tuple[Button, ...], ...] = ()
    lang: str = "en"
    zone: str = "UTC"


class Scene(NamedTuple):
    """All that a drawing of a case depends on. `link` leads to the case's own thread."""

    case: Case
    rules: Rules
    now: datetime
    stopped_by: str = ""


# Buttons: contract §5


Condition = Callable[[Scene], bool]


class _B(NamedTuple):
    action: str
    style: Literal["", "primary", "danger"] = ""
    when: Condition = lambda scene: True


def _fresh(scene: Scene) -> bool:
    return scene.case.fresh is not None


def _other(scene: Scene) -> bool:
    return scene.case.other_reply is not None


def _window(scene: Scene) -> bool:
    return scene.case.post_at is not None and scene.case.post_at > scene.now and not scene.stopped_by


def _editable(scene: Scene) -> bool:
    return scene.rules.card.can_edit and scene.case.reply is not None and bool(scene.case.reply.external_id)


def _deletable(scene: Scene) -> bool:
    return scene.rules.card.can_delete and scene.case.reply is not None and bool(scene.case.reply.external_id)


def _approved(scene: Scene) -> bool:
    """A definite refusal can be tried again while the approval holds."""
    return holds(scene.case, scene.rules) and scene.rules.card.can_reply


def _asked(scene: Scene) -> bool:
    """Somebody is left who can decide; else the text waits for staff to take it back."""
    return bool(approvers(scene.case, scene.rules))


_OPEN = _B("open", when=lambda scene: bool(scene.case.mention.url))

BUTTONS: dict[tuple[Side, State], tuple[_B, ...]] = {
    ("staff", State.NEW): (_B("take", "primary"), _B("write"), _B("dismiss"), _OPEN),
    ("staff", State.IN_WORK): (
        _B("send", "primary", when=lambda scene: _fresh(scene) and not _other(scene)),
        _B("already", when=_other),
        _B("anyway", when=lambda scene: _other(scene) and _fresh(scene)),
        _B("write"),
        _B("suggest", when=lambda scene: scene.rules.ai and not scene.case.thinking),
        _B("dismiss", when=lambda scene: not scene.case.correcting),
        _B("close"),
        _B("escalate"),
        _B("handover"),
        _OPEN,
    ),
    ("staff", State.IN_APPROVAL): (_B("takeback"),),
    ("staff", State.APPROVED): (_B("undo"), _B("postnow", when=_window)),
    ("client", State.APPROVED): (_B("undo"), _B("postnow", when=_window)),
    ("staff", State.POSTING): (
        _B("published", when=lambda scene: scene.case.unknown),
        _B("notpublished", when=lambda scene: scene.case.unknown),
    ),
    ("staff", State.MANUAL): (_B("posted", "primary"), _B("takeback"), _OPEN),
    ("staff", State.FAILED): (_B("again", "primary", when=_approved), _B("write"), _B("posted"), _B("close")),
    ("staff", State.ANSWERED): (
        _B("close"),
        _B("editreply", when=_editable),
        _B("delreply", "danger", when=_deletable),
    ),
    **{("staff", state): (_B("reopen"),) for state in sorted(FINISHED)},
    ("client", State.IN_APPROVAL): (
        _B("approve", "primary", when=_asked),
        _B("edit", when=_asked),
        _B("changes", when=_asked),
        _B("decline", when=_asked),
        _OPEN,
    ),
    ("client", State.ANSWERED): (_B("correct"),),
}


def buttons(scene: Scene, side: Side) -> tuple[tuple[Button, ...], ...]:
    """Rows of at most three; the first row is what is most likely wanted."""
    case = scene.case
    shown = [
        Button(
            b.action,
            f"button_{b.action}",
            case.id,
            case.n,
            url=case.mention.url if b.action == "open" else "",
            style=b.style,
        )
        for b in BUTTONS.get((side, case.state), ())
        if b.when(scene)
    ]
    return tuple(tuple(shown[i : i + 3]) for i in range(0, len(shown), 3))


def newest_slot(case: Case, side: Side) -> str:
    """The message that carries the buttons: the newest version's, the card while there is none."""
    n = case.n if side == "staff" else case.sent
    return f"v{n}" if n else "card"


# Messages


def draw(scene: Scene, side: Side, slot: str) -> Drawing:
    """The card ("card") or the message of a version ("v3")."""
    scene = scene._replace(rules=scene.rules.at(scene.case.mention))
    case, rules = scene.case, scene.rules
    rows = buttons(scene, side) if slot == newest_slot(case, side) and _answers_current(case, side) else ()
    blocks = _card(scene, side) if slot == "card" else _version(scene, side, case.versions[int(slot[1:]) - 1])
    return Drawing(title(case, rules), tuple(blocks), rows, rules.lang(side), rules.zone(side))


def _answers_current(case: Case, side: Side) -> bool:
    """A client's buttons stand only on a text that waits, or stands, as they saw it."""
    return side == "staff" or case.state is not State.IN_APPROVAL or case.sent == case.n


def title(case: Case, rules: Rules) -> Say:
    return Say(
        "title",
        {"case": case.id, "stars": stars(case.mention.rating), "brand": rules.brand_name, "text": beginning(case, 80)},
    )


def beginning(case: Case, most: int) -> str:
    """The beginning of what the author wrote, on one line of up to `most` characters."""
    text = " ".join((case.mention.title or case.mention.text).split())
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def stars(rating: int | None) -> str:
    return "" if rating is None else f"★{rating}"


def _card(scene: Scene, side: Side) -> Iterable[Block]:
    case, rules = scene.case, scene.rules
    yield Line(_headline(case, rules), "title")
    yield Line(_author(case), "dim")
    yield from _text(case)
    if side == "staff":
        yield from _staff_notes(scene)
    else:
        yield from _client_state_lines(scene)


def _headline(case: Case, rules: Rules) -> Say:
    args = {
        "case": case.id,
        "stars": stars(case.mention.rating),
        "brand": rules.brand_name,
        "platform": rules.card.title if not case.mention.site else case.mention.site,
        "link": Link(f"#{case.id}", case.mention.url),
    }
    return Say("headline", args)


def _author(case: Case) -> Say:
    mention, undated = case.mention, case.rounds[0].clock_note == "no_time"
    args = {
        "name": mention.author.name or ("" if undated else "—"),
        "at": At(case.rounds[0].clock_at),
        "place": mention.place,
        "item": mention.item,
    }
    return Say("author_line_undated" if undated else "author_line", args)


def _text(case: Case) -> Iterable[Block]:
    if case.before_edit is not None:
        text, rating = case.before_edit
        yield Line(Say("was_before_edit", {"stars": stars(rating)}), "alert")
        yield Quote(text)
        yield Line(Say("is_after_edit", {"stars": stars(case.mention.rating)}), "alert")
    if case.mention.title:
        yield Line(Say("literal", {"text": case.mention.title}), "title")
    if case.mention.text:
        yield Quote(case.mention.text)
    else:
        yield Line(Say("stars_only"), "dim")
    if case.mention_deleted_at is not None:
        yield Line(Say("author_deleted_mark", {"at": At(case.mention_deleted_at)}), "alert")


WORKED_ON = frozenset({State.NEW, State.IN_WORK, State.IN_APPROVAL, State.APPROVED, State.FAILED, State.MANUAL})
"""States in which a reply of ours may stand already, because the author wrote again or it is being corrected."""


def _staff_notes(scene: Scene) -> Iterable[Block]:
    case = scene.case
    if case.to_check:
        yield Line(Say("to_check"), "alert")
    if case.other_reply is not None:
        yield Line(Say("other_reply_stands"), "alert")
        yield Quote(case.other_reply.text)
    yield from _clock_lines(clock(case, scene.rules.sla, scene.now), case)
    if case.reply is not None and case.state in WORKED_ON:
        link = Link("", case.reply.url) if case.reply.url else ""
        yield Line(Say("ours_stands", {"at": At(case.reply.posted_at), "link": link}))
    yield from _state_lines(scene)
    if case.state is State.NEW:
        yield from _call(_people(scene.rules, must_act(case, scene.rules).people))


def _clock_lines(c: Clock, case: Case) -> Iterable[Block]:
    """Moments instead of a countdown: a card is not redrawn for the clock's sake."""
    if c.found_late is not None:
        yield Line(Say("found_late", {"late": Span(c.found_late)}), "alert")
    if c.note in ("no_time", "future"):
        yield Line(Say(f"clock_{c.note}"), "dim")
    if c.reaction is not None:
        yield Line(Say("reaction_in_target" if c.target_met else "reaction_late", {"after": Span(c.reaction)}))
    elif ticking(case):
        yield Line(
            Say(
                "due_passed" if c.left < timedelta() else "due",
                {"target": At(c.target_at), "limit": At(c.limit_at)},
            )
        )


def _state_lines(scene: Scene) -> Iterable[Block]:
    case = scene.case
    yield Line(Say(_state_key(case), _state_args(scene)), "title" if case.state is State.NEW else "plain")
    if case.state is State.FAILED and (case.failure or case.by_moderators):
        yield Line(_failure(scene), "alert")
    if case.made_room:
        yield Line(Say("none_stands", {"platform": scene.rules.card.title}), "alert")
    if case.state is State.IN_WORK and case.reason:
        yield Line(Say("client_asks", {"reason": case.reason}), "alert")
    if case.thinking:
        yield Line(Say("thinking"), "dim")
    if case.state is State.IN_APPROVAL and not approvers(case, scene.rules):
        yield Line(Say("nobody_can_approve"), "alert")
    if case.state is State.MANUAL:
        yield from _how_by_hand(scene.rules.card.by_hand)
    if case.state in (State.ANSWERED, State.CLOSED) and case.page:
        yield _page_line(case.page)
    if scene.stopped_by and case.state in (State.APPROVED, State.IN_APPROVAL):
        yield Line(Say("posting_stopped", {"by": scene.stopped_by}), "alert")


def _failure(scene: Scene) -> Say:
    case = scene.case
    if case.by_moderators:
        return Say("failure_moderators", {"platform": scene.rules.card.title, "reason": case.failure})
    return Say("failure", {"reason": case.failure})


def _how_by_hand(known: ByHand) -> Iterable[Block]:
    """For whoever is about to post it there."""
    for rule in known.rules:
        yield Line(Say(f"rule_{rule}"), "dim")
    for rule in known.said:
        yield Line(Say("said_to_be", {"rule": Say(f"rule_{rule}")}), "dim")
    if known.answer_at:
        yield Line(Say("answer_at", {"link": Link("", known.answer_at)}))


def _page_line(shows: str) -> Line:
    if shows == "seen":
        return Line(Say("page_seen"), "dim")
    if shows == "absent":
        return Line(Say("page_absent"), "alert")
    return Line(Say("page_unread", {"reason": f"page_{shows}"}), "dim")


def _state_key(case: Case) -> str:
    if case.state is State.POSTING and case.unknown:
        return "state_posting_unknown"
    if case.state is State.ANSWERED and (case.reply is None or not case.reply.verified):
        return "state_answered_unverified" if case.reply else "state_answered_gone"
    if case.state in (State.DISMISSED, State.CLOSED):
        return f"state_{case.state.value}_{case.round.outcome}"
    return f"state_{case.state.value}"


def _state_args(scene: Scene) -> dict[str, Any]:
    case, rules = scene.case, scene.rules
    owner = rules.person(case.owner)
    return {**_open_args(scene), "owner": owner.name if owner else "—", "reason": case.reason}


def _open_args(scene: Scene) -> dict[str, Any]:
    """What both sides may know."""
    case, rules = scene.case, scene.rules
    at, reply = progress(case, rules), case.reply
    return {
        "waiting": ", ".join(p.name for p in _people(rules, approvers(case, rules))),
        "approvers": ", ".join(p.name for p in _people(rules, (a.person for a in at.given))),
        "step": (at.step or 0) + 1,
        "steps": len(rules.approval),
        "version": case.n,
        "brand": rules.brand_name,
        "platform": case.mention.site or rules.card.title,
        "post_at": At(case.post_at) if case.post_at and not scene.stopped_by else "",
        "link": Link("", reply.url) if reply and reply.url else "",
    }


def _client_state_lines(scene: Scene) -> Iterable[Block]:
    args = _open_args(scene)
    if scene.case.state is State.DISMISSED and scene.case.round.outcome == "client_declined":
        args["reason"] = scene.case.reason
    yield Line(Say(f"client_state_{_client_state(scene.case)}", args))
    if scene.stopped_by and scene.case.state is State.APPROVED:
        yield Line(Say("client_posting_stopped"), "alert")


def _client_state(case: Case) -> str:
    """What the client may know: nothing of who works on it, nothing of notes or talk."""
    if case.state in FINISHED:
        declined = case.state is State.DISMISSED and case.round.outcome == "client_declined"
        return "declined" if declined else "deleted" if case.state is State.DELETED else "finished"
    if case.state in (State.NEW, State.IN_WORK, State.FAILED) or case.sent != case.n:
        return "in_work" if case.reply is None else "correcting"
    return case.state.value


def _people(rules: Rules, keys: Iterable[str]) -> tuple[Person, ...]:
    return tuple(p for key in keys if (p := rules.person(key)))


def _version(scene: Scene, side: Side, version: Version) -> Iterable[Block]:
    return _version_staff(scene, version) if side == "staff" else _version_client(scene, version)


def _version_staff(scene: Scene, version: Version) -> Iterable[Block]:
    case, card = scene.case, scene.rules.card
    names = ", ".join(p.name for p in _people(scene.rules, version.authors))
    yield Line(Say(f"version_{version.origin}", {"version": version.n, "by": names}), "title")
    yield Quote(version.text, ours=True)
    if card.longest is not None:
        yield Line(Say("length_of", {"length": length_of(version.text, card), "longest": card.longest}), "dim")
    if version.n != case.n:
        yield Line(Say("version_replaced", {"version": case.n}), "dim")
        return
    if case.state in (State.IN_WORK, State.IN_APPROVAL):
        yield from _replaces_ours(scene)
    yield from _state_lines(scene)


def _version_client(scene: Scene, version: Version) -> Iterable[Block]:
    """Before any press: the text, as whom, where and when it will be posted (contract §5)."""
    case, rules = scene.case, scene.rules
    yield Line(_proposal(version, rules), "title")
    yield Quote(version.text, ours=True)
    current = version.n == case.n == case.sent
    if current and case.state is State.IN_APPROVAL:
        yield from _before_approval(scene)
        yield from _call(_people(rules, (key for key in approvers(case, rules) if key not in version.authors)))
    elif current:
        yield from _client_state_lines(scene)
        if case.state is State.IN_WORK and case.reason:
            yield Line(Say("client_asked", {"reason": case.reason}))
    elif case.sent > version.n:
        yield Line(Say("proposal_replaced"), "dim")
    else:
        yield Line(Say(f"client_state_{_client_state(case)}", _open_args(scene)), "dim")


def _proposal(version: Version, rules: Rules) -> Say:
    """Only the client's own people are named to the client."""
    if version.origin != "client":
        return Say("proposal", {"version": version.n})
    by = ", ".join(p.name for p in _people(rules, version.authors))
    return Say("proposal_edited", {"version": version.n, "by": by})


def _call(people: tuple[Person, ...]) -> Iterable[Block]:
    if people:
        yield Call(people)


def _before_approval(scene: Scene) -> Iterable[Block]:
    rules, case = scene.rules, scene.case
    args = {**_open_args(scene), "undo": Span(rules.undo)}
    if not rules.card.can_reply:
        yield Line(Say("where_manual", args))
    elif rules.undo > timedelta():
        yield Line(Say("where_after_undo", args))
    else:
        yield Line(Say("where_at_once", args))
    if case.other_reply is not None:
        yield Line(Say("replaces_other" if rules.card.one_reply else "beside_other"), "alert")
        yield Quote(case.other_reply.text)
    yield from _replaces_ours(scene)
    if len(rules.approval) > 1:
        yield Line(Say("step_of", args), "dim")
    if scene.stopped_by:
        yield Line(Say("client_posting_stopped"), "alert")


def _replaces_ours(scene: Scene) -> Iterable[Block]:
    """Both texts, the old one under the new one, and what becomes of the old one meanwhile."""
    case, card = scene.case, scene.rules.card
    ours = case.reply if case.correcting or card.one_reply else None
    if ours is not None and (case.version is None or case.version.text != ours.text):
        yield Line(Say("replaces_ours", {"at": At(ours.posted_at)}), "alert")
        yield Quote(ours.text, ours=True)
    if card.delete_first and (ours or case.other_reply):
        yield Line(Say("deleted_first", {"platform": card.title}), "alert")


# Short messages


def said(rules: Rules, side: Side, case: Case, key: str, args: dict[str, Any], mention: Iterable[str]) -> Drawing:
    """A short message in the case's thread; people's keys in `by` and `to` become names, a long text a quote."""
    shown = {k: _named(rules, k, v) for k, v in args.items() if k != "text"}
    blocks: list[Block] = [Line(Say(key, {**shown, "case": case.id}))]
    if args.get("text"):
        blocks.append(Quote(str(args["text"]), ours="by" in args))
    blocks += _call(_people(rules, mention))
    return Drawing(title(case, rules), tuple(blocks), (), rules.lang(side), rules.zone(side))


def _named(rules: Rules, name: str, value: Any) -> Any:
    if name in ("by", "to"):
        person = rules.person(value)
        return person.name if person else value
    if name == "at" and isinstance(value, str):
        return At(datetime.fromisoformat(value))
    return value


def mirrored(rules: Rules, case: Case, name: str, text: str, files: Iterable[Link], edited: bool) -> Drawing:
    """What the client wrote, shown to staff with their name."""
    blocks: list[Block] = [Line(Say("client_wrote_edited" if edited else "client_wrote", {"name": name}), "title")]
    if text:
        blocks.append(Quote(text))
    blocks += [Line(Say("file", {"link": link})) for link in files]
    return Drawing(title(case, rules), tuple(blocks), (), rules.lang("staff"), rules.zone("staff"))


def crossing(rules: Rules, case: Case, saying: int, told: bool) -> Drawing:
    """Under a staff answer to a mirrored message: an offer to send it across, then the mark that it went."""
    key = "crossed" if told else "cross_offer"
    row = () if told else ((Button("tell", "button_tell", case.id, extra=str(saying)),),)
    return Drawing(title(case, rules), (Line(Say(key), "dim"),), row, rules.lang("staff"), rules.zone("staff"))


def question(
    rules: Rules,
    case: Case,
    ask: int,
    action: str,
    field: Field | None,
    over: str,
    person: Person | None,
    people: tuple[Person, ...],
    side: Side,
) -> Drawing:
    """One field of a form as a message: options as buttons, or a text to be sent as the next message."""
    about = Say(f"button_{action}")
    name = person.name if person else ""
    rows: list[tuple[Button, ...]] = []
    if field is None:
        line = Line(
            Say("asked_over", {"what": about, "how": Say(over or "done", {"case": case.id}), "name": name}), "dim"
        )
    else:
        line = Line(Say(f"ask_{action}_{field.name}", {"case": case.id, "name": name, **_limits(rules, case)}), "title")
        rows = [(b,) for b in _options(case, ask, field, people)]
        if field.kind == "text" and not field.required:
            rows.append((Button("answer", "button_skip", case.id, extra=f"{ask}."),))
        rows.append((Button("cancel", "button_cancel", case.id, extra=str(ask)),))
    return Drawing(about, (line,), tuple(rows), rules.lang(side), rules.zone(side))


LONGEST_TYPED = 4000
"""Characters of a text typed in Telegram; a longer one comes as a file (contract §4)."""


def _limits(rules: Rules, case: Case) -> dict[str, Any]:
    """How long a text may be, before it is written; how a long one is sent, where the platform takes one at all."""
    card = rules.at(case.mention).card
    longest = card.longest if card.unit == "characters" else None
    return {"longest": longest, "typed": LONGEST_TYPED if longest is None or longest > LONGEST_TYPED else None}


def _options(case: Case, ask: int, field: Field, people: tuple[Person, ...]) -> list[Button]:
    if field.kind == "person":
        return [Button("answer", "literal", case.id, extra=f"{ask}.{p.key}", args={"text": p.name}) for p in people]
    return [Button("answer", f"option_{o}", case.id, extra=f"{ask}.{o}") for o in field.options]


class Entry(NamedTuple):
    """One case in a list: `link` leads to its thread, if it has one."""

    case: Case
    rules: Rules
    link: str
    carded: bool


MOST_LINES = 60
"""Lines of one summary: with 24 letters of each text they stay under Telegram's 4,096 characters and 100 buttons."""


def summary(entries: list[Entry], more: int, rules: Rules, now: datetime, people: tuple[Person, ...]) -> Drawing:
    """Many new cases at once, by time left, each with `Take`."""
    head = Say("summary", {"n": len(entries) + more})
    several = len({e.case.brand for e in entries}) > 1
    blocks: list[Block] = [Line(head, "title"), *(Line(_summary_line(e, several)) for e in entries)]
    if more:
        blocks.append(Line(Say("summary_more", {"n": more}), "dim"))
    if any(e.case.state is State.NEW for e in entries):
        blocks += _call(people)
    takes = [
        Button("take", "button_take_case", e.case.id, e.case.n, args={"case": e.case.id})
        for e in entries
        if e.case.state is State.NEW
    ]
    rows = tuple(tuple(takes[i : i + 4]) for i in range(0, len(takes), 4))
    return Drawing(head, tuple(blocks), rows, rules.staff_lang, rules.zone("staff"))


def _summary_line(entry: Entry, several: bool) -> Say:
    """The brand is named only where the lines are of several."""
    case, rules = entry.case, entry.rules
    owner = rules.person(case.owner)
    args = {
        "link": Link(f"#{case.id}", entry.link),
        "stars": stars(case.mention.rating),
        "brand": rules.brand_name if several else "",
        "text": beginning(case, 24),
        "target": At(case.round.clock_at + rules.sla.target),
        "owner": owner.name if owner else "",
    }
    return Say("summary_line_taken" if case.state is not State.NEW else "summary_line", args)


class Breach(NamedTuple):
    entry: Entry
    mark: str


def alarm(breaches: list[Breach], people: tuple[Person, ...], lang: str, zone: str, now: datetime) -> Drawing:
    """A burst of warnings is one message."""
    one = len(breaches) == 1
    lines = [Line(_breach(b, now), "alert" if one else "plain") for b in breaches[:MOST_LINES]]
    blocks: list[Block] = [] if one else [Line(Say("alarm", {"n": len(breaches)}), "title")]
    blocks += lines
    if len(breaches) > MOST_LINES:
        blocks.append(Line(Say("summary_more", {"n": len(breaches) - MOST_LINES})))
    blocks += _call(people)
    return Drawing(Say("alarm", {"n": len(breaches)}), tuple(blocks), (), lang, zone)


def _breach(b: Breach, now: datetime) -> Say:
    case, sla = b.entry.case, b.entry.rules.sla
    key = f"warn_{b.mark}" if b.mark in ("target", "limit") else "warn_percent"
    args = {
        "link": Link(f"#{case.id}", b.entry.link),
        "brand": b.entry.rules.brand_name,
        "percent": b.mark,
        "left": Span(max(case.round.clock_at + sla.target - now, timedelta())),
        "target": At(case.round.clock_at + sla.target),
        "limit": At(case.round.clock_at + sla.limit),
    }
    return Say(key, args)
