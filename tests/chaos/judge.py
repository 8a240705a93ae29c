"""What a run came to, from the logs of the outside world alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tests.chaos import story
from tests.chaos.outside import Line, read_log

Sort = Literal["lost", "doubled", "disorder", "altered", "pace", "clock", "stuck"]
SORTS: tuple[Sort, ...] = ("lost", "doubled", "disorder", "altered", "pace", "clock", "stuck")

LATE = 30.0
"""Seconds a warning may be late: nobody may live for long enough to give it. Of what is never answered all are due."""

FROZEN_CALLS = 8
"""Calls above a window's rate: a desk that was frozen with calls in its hands lets them go when it thaws."""


class Fault(NamedTuple):
    sort: Sort
    what: str


@dataclass(frozen=True)
class Logs:
    """Each in the order in which it was written; times are seconds since 1970."""

    site: list[Line] = field(default_factory=list)
    telegram: list[Line] = field(default_factory=list)
    slack: list[Line] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Logs:
        return cls(*(read_log(folder / f"{name}.jsonl") for name in ("site", "telegram", "slack")))

    def calls(self) -> Iterator[Line]:
        return (line for line in (*self.telegram, *self.slack) if line["what"] == "call")

    def done(self) -> Iterator[Line]:
        return (line for line in (*self.telegram, *self.slack) if line["what"] == "done")

    def mentions(self) -> dict[int, float]:
        return {line["n"]: line["at"] for line in self.site if line["what"] == "mention"}

    def replies(self) -> dict[int, list[Line]]:
        found: dict[int, list[Line]] = defaultdict(list)
        for line in self.site:
            if line["what"] == "reply":
                found[line["n"]].append(line)
        return found


def mention_of(call: Line) -> int | None:
    key, args = call["shown"]["title"]
    return story.mention_in(args["text"]) if key == "title" else None


def judge(logs: Logs, tale: story.Story, digests: Iterable[tuple[str, str]] = ()) -> list[Fault]:
    """`digests`: (client, local date) of those that were due."""
    found = [fault for check in CHECKS for fault in check(logs, tale)]
    return [*found, *_digests(logs, digests)]


# Replies


def approved(logs: Logs) -> dict[int, str]:
    """The text each approver saw when they pressed, where the press was taken."""
    events = ((line["event"], line["outcome"]) for line in logs.done() if line["event"] is not None)
    pressed = ((e, o) for e, o in events if e["kind"] == "press" and e["action"] == "approve")
    return {event["n"]: event["saw"][0] for event, outcome in pressed if outcome["ok"]}


def _replies(logs: Logs, tale: story.Story) -> Iterator[Fault]:
    texts, public = approved(logs), logs.replies()
    for number in sorted(texts):
        if not public[number]:
            yield Fault("lost", f"mention {number}: approved, and no reply is public")
    for number, made in sorted(public.items()):
        if len(made) > 1:
            yield Fault("doubled", f"mention {number}: {len(made)} public replies")
        if any(reply["text"] != texts.get(number) for reply in made):
            yield Fault("altered", f"mention {number}: public is {made[0]['text']!r}, approved {texts.get(number)!r}")


def _cases(logs: Logs, tale: story.Story) -> Iterator[Fault]:
    """Each mention appeared, has its card with its staff and, unless it is left alone, came to an approval."""
    staff = {mention_of(call) for call in _sent(logs, "staff")}
    texts = approved(logs)
    for number in range(tale.cases):
        if number not in staff:
            yield Fault("lost", f"mention {number}: no card")
        elif story.temperament(number) != "silent" and number not in texts:
            yield Fault("lost", f"mention {number}: it never came to an approval")


def _sent(logs: Logs, side: str) -> Iterator[Line]:
    return (c for c in logs.calls() if c["op"] == "send" and story.side_of(c["room"]) == side)


# Talk


Told = dict[tuple[int, str], list[tuple[int, str]]]
"""(mention, side) → (number, key) of each message, as they were sent."""


def told(logs: Logs) -> Told:
    found: Told = defaultdict(list)
    carriers = {"staff": "client_wrote", "client": "from_staff"}
    for side, carrier in carriers.items():
        for call in _sent(logs, side):
            number, shown = mention_of(call), call["shown"]
            if number is not None and shown["lines"] and shown["lines"][0][0] == carrier:
                said = story.number_in(shown["quotes"][0])
                if said is not None:
                    found[number, side].append((said, call["key"]))
    return found


def _talk(logs: Logs, tale: story.Story) -> Iterator[Fault]:
    texts, all_told = approved(logs), told(logs)
    for number in sorted(texts):
        for side in ("staff", "client"):
            yield from _conversation(f"mention {number}, {side}", all_told.get((number, side), []))


def _conversation(where: str, messages: Sequence[tuple[int, str]]) -> Iterator[Fault]:
    numbers = [number for number, _ in messages]
    if any(later < earlier for earlier, later in pairwise(numbers)):
        yield Fault("disorder", f"{where}: {numbers}")
    if missing := sorted(set(range(1, story.CHATS + 1)) - set(numbers)):
        yield Fault("lost", f"{where}: message {missing} never arrived")
    # The same row twice is what Telegram leaves no choice about; two rows are two messages.
    rows = Counter(number for number, _ in set(messages))
    if any(many > 1 for many in rows.values()):
        yield Fault("doubled", f"{where}: {dict(rows)}")


def _slack_once(logs: Logs, tale: story.Story) -> Iterator[Fault]:
    """Where a lost message can be looked up, none is there twice."""
    keys = Counter(line["key"] for line in logs.slack if line["what"] == "call" and line["op"] == "send")
    for key, many in keys.items():
        if many > 1:
            yield Fault("doubled", f"Slack: {key} stands {many} times")


def _answers(logs: Logs, tale: story.Story) -> Iterator[Fault]:
    """A repeated delivery is answered like the first."""
    outcomes: dict[str, list[Any]] = defaultdict(list)
    for line in logs.done():
        outcomes[line["id"]].append(line["outcome"])
    for number, given in outcomes.items():
        if any(outcome != given[0] for outcome in given):
            yield Fault("altered", f"event {number}: answered {given}")
        if len(given) < 2:
            yield Fault("lost", f"event {number}: its second delivery was not taken in")


# Pace


def _pace(logs: Logs, tale: story.Story) -> Iterator[Fault]:
    """In each window of a minute, of a run's length of minute, no more calls than a group allows."""
    times: dict[str, list[float]] = defaultdict(list)
    for line in logs.telegram:
        if line["what"] in ("call", "refused"):
            times[line["room"]].append(line["at"])
    for room, moments in times.items():
        most = max(fullest(moments, tale.minute))
        if most > tale.per_minute + FROZEN_CALLS:
            yield Fault("pace", f"{room}: {most} calls in {tale.minute:g} s, allowed are {tale.per_minute}")


def fullest(moments: Sequence[float], window: float) -> Iterator[int]:
    """How many lie in the window that begins with each."""
    end = 0
    for start, moment in enumerate(moments):
        while end < len(moments) and moments[end] < moment + window:
            end += 1
        yield end - start


# Clock


class Alarm(NamedTuple):
    case: int
    mark: str
    room: str
    key: str
    at: float


def alarms(logs: Logs) -> Iterator[Alarm]:
    for call in logs.calls():
        for key, args in call["shown"]["lines"] if call["op"] == "send" else ():
            if key.startswith("warn_"):
                mark = str(args["percent"]) if key == "warn_percent" else key.removeprefix("warn_")
                yield Alarm(int(args["link"][1:]), mark, call["room"], call["key"], call["at"])


def cut_short(logs: Logs) -> list[float]:
    """When an alarm told of more cases than a message lists: which, nobody outside can tell."""
    calls = (call for call in logs.calls() if call["op"] == "send" and call["shown"]["title"][0] == "alarm")
    return [call["at"] for call in calls if any(key == "summary_more" for key, _ in call["shown"]["lines"])]


def numbers(logs: Logs) -> dict[int, int]:
    """Case → mention, from the titles."""
    titled = ((call["shown"]["title"][1], mention_of(call)) for call in logs.calls())
    return {args["case"]: number for args, number in titled if number is not None}


def answered_at(logs: Logs) -> dict[int, float]:
    """When the client was first shown that a mention is answered: from then on the desk knows."""
    found: dict[int, float] = {}
    for call in logs.calls():
        number = mention_of(call)
        if number is not None and any(key == "client_state_answered" for key, _ in call["shown"]["lines"]):
            found[number] = min(call["at"], found.get(number, call["at"]))
    return found


def _clock(logs: Logs, tale: story.Story) -> Iterator[Fault]:
    mention, known = numbers(logs), answered_at(logs)
    published, public = logs.mentions(), logs.replies()
    given: dict[int, list[Alarm]] = defaultdict(list)
    unlisted = cut_short(logs)
    for alarm in alarms(logs):
        if alarm.case in mention:  # else its card is still to come, and missed until then
            given[mention[alarm.case]].append(alarm)
    for number, at in published.items():
        end = min((reply["at"] for reply in public[number]), default=float("inf"))
        yield from _too_many(number, given[number])
        yield from _too_late(number, given[number], tale, at, known.get(number, float("inf")))
        if not any(at < told for told in unlisted):
            yield from _missing(number, given[number], tale, at, end)


def _too_many(number: int, given: Sequence[Alarm]) -> Iterator[Fault]:
    """A mark is one row in each room."""
    rows = Counter((mark, room) for mark, room in ((a.mark, a.room) for a in {x._replace(at=0.0) for x in given}))
    for (mark, room), many in rows.items():
        if many > 1:
            yield Fault("clock", f"mention {number}: warned of {mark} {many} times in {room}")


def _too_late(
    number: int, given: Sequence[Alarm], tale: story.Story, published: float, known: float
) -> Iterator[Fault]:
    for alarm in given:
        if published + tale.marks[alarm.mark] > known:
            yield Fault("clock", f"mention {number}: warned of {alarm.mark} after it was answered")


def _missing(number: int, given: Sequence[Alarm], tale: story.Story, published: float, end: float) -> Iterator[Fault]:
    """Of what passed unanswered while nobody was alive, the highest mark stands for all."""
    order = list(tale.marks)
    warned = [order.index(alarm.mark) for alarm in given]
    for place, (mark, after) in enumerate(tale.marks.items()):
        if published + after + LATE < end and not any(other >= place for other in warned):
            yield Fault("clock", f"mention {number}: nobody was warned of {mark}")


# Digests


def _digests(logs: Logs, due: Iterable[tuple[str, str]]) -> Iterator[Fault]:
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for call in logs.calls():
        key, args = call["shown"]["title"]
        if call["op"] == "send" and key in ("digest_title", "digest_quiet"):
            found[args["name"], args["day"], call["room"]].add(call["key"])
    wanted = {(c, day, story.room(c, side)) for c, day in due for side in ("staff", "client")}
    for what in sorted(wanted | set(found)):
        if what not in found:
            yield Fault("lost", f"digest {what}")
        elif len(found[what]) > 1 or what not in wanted:
            yield Fault("doubled", f"digest {what}: {len(found[what])}")


CHECKS: tuple[Callable[[Logs, story.Story], Iterator[Fault]], ...] = (
    _cases,
    _replies,
    _talk,
    _slack_once,
    _answers,
    _pace,
    _clock,
)
