"""The judge itself: logs written by hand, one thing wrong in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos import story
from tests.chaos.judge import Fault, Logs, fullest, judge
from tests.chaos.outside import Line

TALE = story.Story(cases=1, spread=0, target=10, limit=20, warn_at=(50,), minute=1.0, per_minute=3)
STAFF, CLIENT = story.room("north", "staff"), story.room("north", "client")
TEXT = "Sorry!"
DIGEST = ("north", "2026-11-25")


class Script:
    """A run in which all went well, line by line; tests spoil it. Mention 0 of case 7 appears at second 100."""

    def __init__(self) -> None:
        self.site: list[Line] = [{"what": "mention", "at": 100.0, "n": 0, "client": "north"}]
        self.telegram: list[Line] = []
        self.slack: list[Line] = []
        self.call(101, STAFF, "draw-1", "headline", buttons=[{"action": "take"}])
        for number in range(1, story.CHATS + 1):
            self.call(101.5 + number, STAFF, f"draw-{number + 1}", "client_wrote", story.chat(0, number))
            self.call(101.7 + number, CLIENT, f"say-{number}", "from_staff", story.acknowledged(0, number))
        self.press(106)
        self.reply(107, TEXT)
        self.call(108, CLIENT, "", "client_state_answered", op="edit")
        for room, key in ((STAFF, "answer-1"), (CLIENT, "answer-2")):
            self.digest(109, room, key)

    @property
    def logs(self) -> Logs:
        return Logs(self.site, self.telegram, self.slack)

    def _line(self, room: str, line: Line) -> None:
        (self.telegram if room.startswith("telegram:") else self.slack).append(line)

    def call(
        self,
        at: float,
        room: str,
        key: str,
        say: str,
        *quotes: str,
        op: str = "send",
        args: dict[str, Any] | None = None,
        **shown: Any,
    ) -> None:
        title = ["title", {"case": 7, "text": story.review(0)}]
        drawn = {"title": title, "lines": [[say, args or {}]], "quotes": list(quotes), "buttons": [], **shown}
        self._line(room, {"what": "call", "at": at, "op": op, "room": room, "key": key, "shown": drawn})

    def digest(self, at: float, room: str, key: str) -> None:
        title = ["digest_title", {"name": DIGEST[0], "day": DIGEST[1]}]
        self.call(at, room, key, "digest_title", title=title)

    def alarm(self, at: float, mark: str, key: str) -> None:
        say = "warn_percent" if mark.isdigit() else f"warn_{mark}"
        self.call(at, STAFF, key, say, args={"link": "#7", "percent": mark}, title=["alarm", {"n": 1}])

    def press(self, at: float) -> None:
        event = {"id": "slack-1", "kind": "press", "action": "approve", "n": 0, "saw": [TEXT]}
        done = {"what": "done", "id": "slack-1", "outcome": {"ok": True, "key": "did_approve"}}
        self.slack += [{**done, "at": at, "event": event}, {**done, "at": at + 1, "event": None}]

    def reply(self, at: float, text: str) -> None:
        self.site.append({"what": "reply", "at": at, "n": 0, "text": text})

    def forget(self, key: str) -> None:
        """A call that never was."""
        self.telegram = [line for line in self.telegram if line.get("key") != key]
        self.slack = [line for line in self.slack if line.get("key") != key]


def verdict(script: Script) -> list[Fault]:
    return judge(script.logs, TALE, [DIGEST])


def test_a_run_in_which_all_went_well() -> None:
    assert verdict(Script()) == []


def _swap(script: Script) -> None:
    calls = {line["key"]: line for line in script.telegram}
    calls["draw-3"]["shown"], calls["draw-4"]["shown"] = calls["draw-4"]["shown"], calls["draw-3"]["shown"]


def _no_reply(script: Script) -> None:
    script.site.pop()
    script.slack = [line for line in script.slack if line.get("op") != "edit"]


def _answered_otherwise(script: Script) -> None:
    again = [line for line in script.slack if line["what"] == "done"][1]
    again["outcome"] = {"ok": False, "key": "already_approved"}


def _taken_once(script: Script) -> None:
    script.slack = [line for line in script.slack if line["what"] != "done" or line["event"]]


def _rush(script: Script) -> None:
    for number in range(20):
        script.call(150, STAFF, "", f"line {number}", op="edit")


WRONG: dict[str, tuple[str, Callable[[Script], None]]] = {
    "an approved reply that is not public": ("lost", _no_reply),
    "a second public reply": ("doubled", lambda s: s.reply(108, TEXT)),
    "a public reply that nobody approved": ("altered", lambda s: s.site[-1].update(text="Sorry")),
    "a mention without a card": ("lost", lambda s: s.telegram.clear()),
    "a message before an earlier one": ("disorder", _swap),
    "a message that did not arrive": ("lost", lambda s: s.forget("say-2")),
    "a message by two rows": (
        "doubled",
        lambda s: s.call(104.9, STAFF, "draw-9", "client_wrote", story.chat(0, story.CHATS)),
    ),
    "a message twice where it could be looked up": (
        "doubled",
        lambda s: s.call(105, CLIENT, "say-3", "from_staff", story.acknowledged(0, story.CHATS)),
    ),
    "a press answered in two ways": ("altered", _answered_otherwise),
    "an event that was never taken in again": ("lost", _taken_once),
    "more calls than a group takes": ("pace", _rush),
    "a warning after the answer": ("clock", lambda s: s.alarm(121, "target", "alarm-1")),
    "a warning by two rows": ("clock", lambda s: [s.alarm(105.5, "50", f"alarm-{n}") for n in (1, 2)] and None),
    "no warning": ("clock", lambda s: s.site[-1].update(at=140.0)),
    "no digest": ("lost", lambda s: s.forget("answer-2")),
    "a second digest": ("doubled", lambda s: s.digest(111, STAFF, "answer-3")),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_sees(what: str) -> None:
    sort, spoil = WRONG[what]
    script = Script()
    spoil(script)
    assert sort in {fault.sort for fault in verdict(script)}


FINE: dict[str, Callable[[Script], None]] = {
    "a Telegram message sent twice by one row": lambda s: s.call(
        104.9, STAFF, "draw-4", "client_wrote", story.chat(0, story.CHATS)
    ),
    "a warning that was due before the answer": lambda s: s.alarm(105.5, "50", "alarm-1"),
    "an edit out of order": lambda s: s.call(109, STAFF, "", "client_wrote", story.chat(0, 1), op="edit"),
}


@pytest.mark.parametrize("what", FINE)
def test_it_lets_pass(what: str) -> None:
    script = Script()
    FINE[what](script)
    assert verdict(script) == []


def test_a_later_warning_stands_for_one_that_nobody_was_alive_to_give() -> None:
    script = Script()
    script.site[-1]["at"] = 130.0
    script.slack[-2]["at"] = 131.0
    script.alarm(125.0, "target", "alarm-1")
    assert verdict(script) == []


@pytest.mark.parametrize(("at", "missed"), [(160.0, []), (99.0, ["target", "limit"])])
def test_what_an_alarm_had_no_room_for_is_not_taken_for_missed(at: float, missed: list[str]) -> None:
    tale = story.Story(cases=1, spread=0, target=10, limit=20, warn_at=())
    logs = Logs(site=[{"what": "mention", "at": 100.0, "n": 0, "client": "north"}])
    shown = {"title": ["alarm", {"n": 90}], "lines": [["summary_more", {"n": 30}]], "quotes": [], "buttons": []}
    logs.telegram.append({"what": "call", "at": at, "op": "send", "room": STAFF, "key": "alarm-9", "shown": shown})
    told = [fault.what for fault in judge(logs, tale) if fault.sort == "clock"]
    assert told == [f"mention 0: nobody was warned of {mark}" for mark in missed]


def test_the_fullest_window_is_found() -> None:
    assert max(fullest([0.0, 0.6, 0.9, 1.2, 1.5, 3.0], 1.0)) == 4


def test_a_silent_mention_needs_no_reply_and_all_its_warnings() -> None:
    tale = story.Story(cases=4, spread=0, target=10, limit=20, warn_at=(50,))
    logs = Logs(site=[{"what": "mention", "at": 100.0, "n": 3, "client": "north"}])
    seen = [fault.what for fault in judge(logs, tale) if "mention 3" in fault.what]
    assert seen == ["mention 3: no card", *(f"mention 3: nobody was warned of {m}" for m in tale.marks)]
