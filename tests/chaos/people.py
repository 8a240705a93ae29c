"""People, as far as a messenger knows them: they act on what they see, once, as the story says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from tests.chaos import story
from tests.chaos.outside import Line

NOT_YET = frozenset({"not_in_a_case"})
"""Refusals that people meet by trying again: the desk did not know yet that they could see the thread."""

MOST_TRIES = 100


@dataclass
class People:
    messenger: str
    tale: story.Story
    luck: Random
    acted: set[tuple[Any, ...]] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def saw(self, call: Line) -> list[Line]:
        """What people do about a message that was shown or changed."""
        number = mention_of(call)
        if call["op"] == "open" or number is None:
            return []
        act = ACTS[story.side_of(call["room"])]
        return list(act(self, number, call))

    def told(self, event: Line, outcome: Any) -> list[Line]:
        """What they do about the answer to a press or a command."""
        tries = event.get("tries", 0)
        if outcome and not outcome["ok"] and outcome["key"] in NOT_YET and tries < MOST_TRIES:
            return [{**event, "id": self._id(), "due": time.time() + 0.3, "tries": tries + 1}]
        return []

    def _id(self) -> str:
        return f"{self.messenger}-{next(self.numbers)}"

    def _first(self, *what: Any) -> bool:
        known = what in self.acted
        self.acted.add(what)
        return not known

    def _event(self, kind: str, number: int, call: Line, wait: float, **data: Any) -> Line:
        thread = call["thread"] or call["message"]
        where = {"room": call["room"], "thread": thread, "n": number}
        return {"id": self._id(), "kind": kind, **where, "due": time.time() + wait, **data}

    def staff(self, number: int, call: Line) -> Iterator[Line]:
        shown, who = call["shown"], story.STAFF
        if button(shown, "take") and story.temperament(number) != "silent" and self._first("reply", number):
            text = story.reply(number)
            yield self._event("command", number, call, self.luck.uniform(0, 0.3), who=who, verb="reply", text=text)
        if (send := button(shown, "send")) and self._first("send", number, send["version"]):
            yield self._press(number, call, send, who, 0.05)
        for quote in shown["quotes"]:
            k = story.number_in(quote)
            if shown["lines"][0][0] == "client_wrote" and k is not None and self._first("answer", number, k):
                said = story.acknowledged(number, k)
                yield self._event("command", number, call, 0.0, who=who, verb="client", text=said)

    def client(self, number: int, call: Line) -> Iterator[Line]:
        approve = button(call["shown"], "approve")
        if approve is None or not self._first("approve", number, approve["version"]):
            return
        for k in range(1, story.CHATS + 1):
            yield self._event("chat", number, call, 0.0, who=story.APPROVER, text=story.chat(number, k))
        slow = story.temperament(number) == "slow"
        wait = self.tale.target * 1.2 if slow else self.luck.uniform(0, 0.5)
        yield self._press(number, call, approve, story.APPROVER, wait)

    def _press(self, number: int, call: Line, what: Line, who: str, wait: float) -> Line:
        """`saw`: the text the button stood under, which is what this person agrees to."""
        return self._event("press", number, call, wait, who=who, saw=call["shown"]["quotes"][:1], **what)


ACTS: dict[str, Callable[[People, int, Line], Iterator[Line]]] = {"staff": People.staff, "client": People.client}


def mention_of(call: Line) -> int | None:
    """The mention that a message is about, by its title; None: a list, an alarm, a digest."""
    key, args = call["shown"]["title"]
    return story.mention_in(args["text"]) if key == "title" else None


def button(shown: Line, action: str) -> Line | None:
    return next((b for b in shown["buttons"] if b["action"] == action), None)
