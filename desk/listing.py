"""Lists and digests as messages: open cases, one case, the day's figures, help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from desk.case import Case, State, progress
from desk.people import Side
from desk.ports import SourceStatus
from desk.sla import ticking
from desk.stats import Figures
from desk.view import At, Block, Drawing, Entry, Line, Link, Quote, Say, Scene, Span, beginning, buttons, stars

MOST_CASES = 30
"""Cases in one list; more are counted."""

LETTERS = 24
"""Of each text in a list: with them this many lines stay under Telegram's 4,096 characters."""


def open_list(entries: Sequence[Entry], side: Side, lang: str, zone: str) -> Drawing:
    """For the client: what waits for them or for us, without owners or load."""
    head = Say("open_title", {"n": len(entries)}) if entries else Say("open_none")
    blocks: list[Block] = [Line(head, "title")]
    blocks += [Line(_entry(e, side, LETTERS)) for e in entries[:MOST_CASES]]
    if len(entries) > MOST_CASES:
        blocks.append(Line(Say("list_more", {"n": len(entries) - MOST_CASES}), "dim"))
    return Drawing(head, tuple(blocks), (), lang, zone)


def _entry(entry: Entry, side: Side, letters: int = 0) -> Say:
    """`letters` of what the author wrote: by its number alone nobody knows a case."""
    case, rules = entry.case, entry.rules
    owner = rules.person(case.owner)
    args = {
        "link": Link(f"#{case.id}", entry.link),
        "stars": stars(case.mention.rating),
        "brand": rules.brand_name,
        "text": beginning(case, letters) if letters else "",
        "state": Say(f"short_{_shown_state(case, side)}"),
        "who": _who(entry),
        "owner": owner.name if owner else "—",
        "target": At(case.round.clock_at + rules.sla.target) if ticking(case) else "",
    }
    return Say("open_line" if side == "staff" else "open_line_client", args)


def _shown_state(case: Case, side: Side) -> str:
    """A refusal by the platform is ours to mend; the client is told that we work on it."""
    hidden = side == "client" and case.state in (State.FAILED, State.NEW)
    return (State.IN_WORK if hidden else case.state).value


def _who(entry: Entry) -> str:
    """Who it waits for, by name."""
    case, rules = entry.case, entry.rules
    if case.state is State.IN_APPROVAL:
        return ", ".join(p.name for key in progress(case, rules).who if (p := rules.person(key)))
    owner = rules.person(case.owner)
    return owner.name if owner else ""


def one_case(scene: Scene, side: Side, link: str, notes: Iterable[tuple[str, datetime, str]], zone: str) -> Drawing:
    """`case N`: where it stands, its newest text, and for staff its notes; with the buttons of the moment."""
    case, rules = scene.case, scene.rules
    blocks: list[Block] = [Line(_entry(Entry(case, rules, link, True), side), "title"), Quote(case.mention.text)]
    version = case.version if side == "staff" else next((v for v in case.versions if v.n == case.sent), None)
    if version is not None:
        blocks += [Line(Say("version_shown", {"version": version.n})), Quote(version.text, ours=True)]
    if side == "staff":
        blocks += [Line(Say("note_line", {"by": by, "at": At(at), "text": text}), "dim") for by, at, text in notes]
    return Drawing(Say("case_title", {"case": case.id}), tuple(blocks), buttons(scene, side), rules.lang(side), zone)


def help_text(side: Side, lang: str, zone: str) -> Drawing:
    keys = ("help_staff", "help_staff_case", "help_staff_lists") if side == "staff" else ("help_client",)
    return Drawing(Say("help_title"), tuple(Line(Say(k)) for k in keys), (), lang, zone)


def source_told(what: str, source: str, reason: str, lang: str, zone: str) -> Drawing:
    say = Say(what, {"source": source, "reason": reason})
    return Drawing(say, (Line(say, "alert"),), (), lang, zone)


# digests


def digest_staff(
    figures: Figures,
    entry: dict[int, Entry],
    failing: Sequence[SourceStatus],
    name: str,
    day: str,
    lang: str,
    zone: str,
) -> Drawing:
    """What waits for whom, what is overdue, how quick we were, which sources fail."""
    head = Say("digest_title", {"name": name, "day": day})
    if figures.quiet and not failing:
        line = Say("digest_quiet", {"name": name, "day": day})
        return Drawing(line, (Line(line),), (), lang, zone)
    blocks: list[Block] = [Line(head, "title"), Line(_numbers(figures, "digest_staff_numbers"))]
    lines = len(figures.overdue) + len(figures.waiting_staff) + len(figures.waiting_client)
    letters = LETTERS if lines <= MOST_CASES else 0
    blocks += _section("digest_overdue", figures.overdue, entry, "staff", letters)
    blocks += _section("digest_waits_staff", figures.waiting_staff, entry, "staff", letters)
    blocks += _section("digest_waits_client", figures.waiting_client, entry, "staff", letters)
    if failing:
        blocks.append(Line(Say("digest_failing", {"n": len(failing)}), "alert"))
        blocks += [Line(Say("digest_source", {"source": s.source, "reason": s.last_error})) for s in failing]
    return Drawing(head, tuple(blocks), (), lang, zone)


def digest_client(figures: Figures, entry: dict[int, Entry], name: str, day: str, lang: str, zone: str) -> Drawing:
    """New, answered, inside target, what waits for them; nothing internal."""
    head = Say("digest_title", {"name": name, "day": day})
    if not (figures.new or figures.answered or figures.waiting_client):
        line = Say("digest_quiet", {"name": name, "day": day})
        return Drawing(line, (Line(line),), (), lang, zone)
    blocks: list[Block] = [Line(head, "title"), Line(_numbers(figures, "digest_client_numbers"))]
    blocks += _section("digest_waits_you", figures.waiting_client, entry, "client", LETTERS)
    return Drawing(head, tuple(blocks), (), lang, zone)


def _numbers(figures: Figures, key: str) -> Say:
    args = {
        "new": figures.new,
        "answered": figures.answered,
        "inside": figures.inside,
        "median": Span(figures.median) if figures.median is not None else "—",
    }
    return Say(key, args)


def _section(key: str, cases: Sequence[Case], entry: dict[int, Entry], side: Side, letters: int) -> list[Block]:
    shown = [entry[c.id] for c in cases if c.id in entry]
    if not shown:
        return []
    lines: list[Block] = [Line(_entry(e, side, letters)) for e in shown[:MOST_CASES]]
    more = [Line(Say("list_more", {"n": len(shown) - MOST_CASES}), "dim")] if len(shown) > MOST_CASES else []
    return [Line(Say(key, {"n": len(shown)}), "title"), *lines, *more]


def stats(figures: Figures, side: Side, lang: str, zone: str) -> Drawing:
    """The last 24 hours in figures."""
    head = Say("stats_title")
    return Drawing(head, (Line(head, "title"), Line(_numbers(figures, f"digest_{side}_numbers"))), (), lang, zone)
