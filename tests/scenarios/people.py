"""People at either messenger, with the same verbs: what a case's thread shows, pressing, typing, filling forms."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox import world
from sandbox.slack import Slack
from sandbox.telegram import Telegram

PATIENCE = 30.0
"""Seconds: an upper bound for a machine that does other things too."""


class Surface(Protocol):
    """One room. Cases are named by number; people by their key in the configuration."""

    async def thread(self, case: int) -> Any:
        """Wait for the case's thread."""
        ...

    def texts(self, case: int) -> list[str]: ...
    def buttons(self, case: int) -> list[str]: ...
    def room_texts(self) -> list[str]:
        """What stands in the room outside the threads of cases."""
        ...

    async def press(self, who: str, case: int, label: str, **answers: str) -> str:
        """Press a button of the thread; `answers` fill what it asks, by field. Returns what the presser is told."""
        ...

    async def refused(self, who: str, case: int, label: str) -> str:
        """Press a button that will not work for them; returns what they alone are told."""
        ...

    async def hold(self, case: int, label: str) -> Any:
        """A button as it is on somebody's screen now, to be pressed later."""
        ...

    async def press_held(self, who: str, held: Any) -> str:
        """Press it, whatever became of its message; returns what they are told."""
        ...

    async def forge(self, who: str, case: int, value: str) -> str:
        """Press a button that never was, under the newest message."""
        ...

    def posted(self) -> int:
        """How many messages the desk has sent to the room; edits do not count."""
        ...

    def called(self, who: str) -> int:
        """How many of these mentioned somebody, so that their messenger notified them."""
        ...

    async def write(self, who: str, case: int, text: str) -> Any: ...
    async def reply(self, who: str, case: int, text: str) -> Any:
        """Type a version of the reply, as this messenger has it."""
        ...


async def wait_for(find: Any, what: str, within: float = PATIENCE) -> Any:
    end = time.monotonic() + within
    while not (found := find()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within} s: {what}")
        await asyncio.sleep(0.04)
    return found


@dataclass
class TelegramSide:
    face: Telegram
    room: int
    ids: dict[str, int]
    messenger = "telegram"

    def _topic(self, case: int) -> int | None:
        found = [t["id"] for t in self._chat()["topics"] if re.search(rf"#{case}\b", t["name"])]
        return found[-1] if found else None

    def _chat(self) -> dict[str, Any]:
        return next(c for c in self.face.snapshot()["chats"] if c["id"] == self.room)

    async def thread(self, case: int) -> int:
        found: int = await wait_for(lambda: self._topic(case), f"a topic for case {case}")
        return found

    def messages(self, case: int) -> list[dict[str, Any]]:
        topic = self._topic(case)
        return [m for m in self._chat()["messages"] if topic is not None and m["thread_id"] == topic]

    def texts(self, case: int) -> list[str]:
        return [m["text"] for m in self.messages(case)]

    def room_texts(self) -> list[str]:
        return [m["text"] for m in self._chat()["messages"] if m["thread_id"] is None]

    def buttons(self, case: int) -> list[str]:
        return [b["text"] for m in self.messages(case) for row in m["buttons"] or [] for b in row]

    def _button(self, label: str, messages: list[dict[str, Any]]) -> tuple[int, str] | None:
        for message in reversed(messages):
            for row in message["buttons"] or []:
                for button in row:
                    if button["text"] == label and button.get("data"):
                        return message["id"], button["data"]
        return None

    async def press(self, who: str, case: int, label: str, **answers: str) -> str:
        newest = max((m["id"] for m in self._chat()["messages"]), default=0)
        told = await self._press(who, label, lambda: self.messages(case), f"{label} for case {case}")
        for answer in answers.values():
            await self._answer(who, case, answer, newest)
        return told

    async def refused(self, who: str, case: int, label: str) -> str:
        return await self.press(who, case, label)

    async def hold(self, case: int, label: str) -> tuple[int, str]:
        held: tuple[int, str] = await wait_for(lambda: self._button(label, self.messages(case)), f"the button {label}")
        return held

    async def press_held(self, who: str, held: tuple[int, str]) -> str:
        return await self._answered(self.face.press(self.ids[who], self.room, *held, stale=True))

    async def forge(self, who: str, case: int, value: str) -> str:
        return await self._answered(
            self.face.press(self.ids[who], self.room, self.messages(case)[-1]["id"], value, forged=True)
        )

    async def _answered(self, press: str) -> str:
        answer = await wait_for(lambda: self.face.answer_of(press), "an answer to a press")
        return answer["text"] or ""

    def _sends(self) -> list[Any]:
        sends = ("sendmessage", "senddocument")
        here = [c for c in self.face.calls if str(c.params.get("chat_id")) == str(self.room)]
        return [c for c in here if c.ok and c.method.lower() in sends]

    def posted(self) -> int:
        return len(self._sends())

    def called(self, who: str) -> int:
        link = f"tg://user?id={self.ids[who]}"
        return sum(link in str(c.params.get("text")) for c in self._sends())

    async def press_in_room(self, who: str, label: str) -> str:
        return await self._press(who, label, lambda: self._chat()["messages"], label)

    async def _press(self, who: str, label: str, messages: Any, what: str) -> str:
        message, data = await wait_for(lambda: self._button(label, messages()), f"the button {what}")
        press = self.face.press(self.ids[who], self.room, message, data)
        answer = await wait_for(lambda: self.face.answer_of(press), f"an answer to {what}")
        return answer["text"] or ""

    async def _answer(self, who: str, case: int, answer: str, after: int) -> None:
        """A further button of the question if one says so; where it offers none, a message.

        `after`: the question is a newer message than this one.
        """
        topic = await self.thread(case)
        found = await wait_for(lambda: self._question(case, answer, after), f"a question to answer with {answer}")
        if found[1]:
            await self._answered(self.face.press(self.ids[who], self.room, *found))
        else:
            self.face.write(self.ids[who], self.room, answer, thread_id=topic)

    def _question(self, case: int, answer: str, after: int) -> tuple[int, str] | None:
        """The message that asks, with the data of the button that gives this answer; "" for a text to be written."""
        new = (m for m in reversed(self.messages(case)) if m["id"] > after)
        asked = next((m for m in new if "Cancel" in labels(m)), None)
        if asked is None:
            return None
        button = self._button(answer, [asked])
        return button or (None if set(labels(asked)) - {"Cancel", "Skip"} else (asked["id"], ""))

    async def write(self, who: str, case: int, text: str) -> int:
        return self.face.write(self.ids[who], self.room, text, thread_id=await self.thread(case))

    async def reply(self, who: str, case: int, text: str) -> int:
        return await self.write(who, case, f"/reply {text}")


@dataclass
class SlackSide:
    face: Slack
    channel: str
    ids: dict[str, str]
    messenger = "slack"

    def _all(self) -> list[dict[str, Any]]:
        team = next(t for t in self.face.snapshot()["teams"] if t["id"] == world.TEAM)
        channel: dict[str, Any] = next(c for c in team["channels"] if c["id"] == self.channel)
        found: list[dict[str, Any]] = channel["messages"]
        return found

    def _root(self, case: int) -> str | None:
        roots = [m for m in self._all() if not m["thread_ts"] or m["thread_ts"] == m["ts"]]
        found = [m["ts"] for m in roots if re.match(rf"#{case}\b", plain(m)) and m["user"]["is_bot"]]
        return found[-1] if found else None

    async def thread(self, case: int) -> str:
        found: str = await wait_for(lambda: self._root(case), f"a thread for case {case}")
        return found

    def messages(self, case: int) -> list[dict[str, Any]]:
        root = self._root(case)
        return [m for m in self._all() if root and root in (m["ts"], m["thread_ts"]) and not m["ephemeral_for"]]

    def texts(self, case: int) -> list[str]:
        return [plain(m) for m in self.messages(case)]

    def room_texts(self) -> list[str]:
        return [plain(m) for m in self._all() if not m["thread_ts"] or m["thread_ts"] == m["ts"]]

    def private(self, who: str) -> list[str]:
        return [plain(m) for m in self._all() if m["ephemeral_for"] == self.ids[who]]

    def buttons(self, case: int) -> list[str]:
        return [e["text"]["text"] for m in self.messages(case) for e in elements(m)]

    def _button(self, label: str, messages: list[dict[str, Any]]) -> tuple[str, dict[str, Any]] | None:
        for message in reversed(messages):
            for element in elements(message):
                if element["text"]["text"] == label and "url" not in element:
                    return message["ts"], element
        return None

    async def press(self, who: str, case: int, label: str, **answers: str) -> str:
        ts, button = await wait_for(lambda: self._button(label, self.messages(case)), f"{label} for case {case}")
        user, before = self.ids[who], len(self.private(who))
        got = await self.face.press(world.TEAM, user, self.channel, ts, button["action_id"], button.get("value"))
        assert got["acked"], f"{label} was not acknowledged"
        if answers:
            return await self._submit(user, answers)
        await asyncio.sleep(0.05)
        told = self.private(who)[before:]
        return told[-1] if told else ""

    async def refused(self, who: str, case: int, label: str) -> str:
        return await self._told(who, await self.hold(case, label), stale=False)

    async def hold(self, case: int, label: str) -> tuple[str, dict[str, Any]]:
        held: tuple[str, dict[str, Any]] = await wait_for(
            lambda: self._button(label, self.messages(case)), f"the button {label}"
        )
        return held

    async def press_held(self, who: str, held: tuple[str, dict[str, Any]]) -> str:
        return await self._told(who, held, stale=True)

    async def _told(self, who: str, held: tuple[str, dict[str, Any]], stale: bool) -> str:
        (ts, button), user, before = held, self.ids[who], len(self.private(who))
        action, value = button["action_id"], button.get("value")
        got = await self.face.press(world.TEAM, user, self.channel, ts, action, value, stale=stale)
        assert got["acked"]
        told: list[str] = await wait_for(lambda: self.private(who)[before:], f"a word to {who}")
        return told[-1]

    async def forge(self, who: str, case: int, value: str) -> str:
        button = {"type": "button", "action_id": "desk:forged:0", "value": value, "text": {"text": "Forged"}}
        block = {"type": "actions", "block_id": "forged", "elements": [button]}
        ts = self.messages(case)[-1]["ts"]
        message = self.face.world.team(world.TEAM).channel(self.channel).find(ts)
        assert message is not None
        message.past.append({"blocks": [block]})
        return await self.press_held(who, (ts, button))

    def _sends(self) -> list[Any]:
        return [
            c
            for c in self.face.calls
            if c.ok and c.method == "chat.postMessage" and c.params.get("channel") == self.channel
        ]

    def posted(self) -> int:
        return len(self._sends())

    def called(self, who: str) -> int:
        return sum(f"<@{self.ids[who]}>" in str(c.params) for c in self._sends())

    async def _submit(self, user: str, answers: dict[str, str]) -> str:
        view = await wait_for(lambda: self._form(user, {}), "a modal")
        for block in inputs(view):
            if block.get("dispatch_action") and block["block_id"] in answers:
                value = _value(block["element"], answers[block["block_id"]])
                await self.face.press_in_view(world.TEAM, user, view["id"], block["element"]["action_id"], value)
        view = await wait_for(lambda: self._form(user, answers), f"a modal that asks for {', '.join(answers)}")
        values = {
            block["block_id"]: {block["element"]["action_id"]: _value(block["element"], answers[block["block_id"]])}
            for block in inputs(view)
            if block["block_id"] in answers
        }
        got = await self.face.submit(world.TEAM, user, view["id"], values)
        assert got["acked"]
        return str(got["payload"] or "")

    def _form(self, user: str, answers: dict[str, str]) -> dict[str, Any] | None:
        """The modal on top, once it asks for all of these."""
        view = self.face.modal(world.TEAM, user)
        asked = {block["block_id"] for block in inputs(view)} if view else set()
        return view if asked and asked >= set(answers) else None

    async def write(self, who: str, case: int, text: str) -> str:
        thread = await self.thread(case)
        return self.face.write(world.TEAM, self.ids[who], self.channel, text, thread_ts=thread)

    async def reply(self, who: str, case: int, text: str) -> str:
        return await self.write(who, case, f"@desk reply {text}")


def labels(message: dict[str, Any]) -> list[str]:
    return [button["text"] for row in message["buttons"] or [] for button in row]


def inputs(modal: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for block in modal["view"]["blocks"] if block["type"] == "input"]


def _value(element: dict[str, Any], answer: str) -> Any:
    """An option by its label, or the text itself."""
    for option in element.get("options", []):
        if option["text"]["text"] == answer:
            return option["value"]
    return answer


def elements(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [e for block in message["blocks"] or [] if block["type"] == "actions" for e in block["elements"]]


def plain(message: dict[str, Any]) -> str:
    """All text of a message, blocks included."""
    return " ".join([message["text"] or "", *_texts(message["blocks"] or [])])


def _texts(part: Any) -> list[str]:
    if isinstance(part, list):
        return [t for each in part for t in _texts(each)]
    if isinstance(part, dict):
        own = [part["text"]] if isinstance(part.get("text"), str) else []
        return own + [
            t for key, each in part.items() if key != "text" or not isinstance(each, str) for t in _texts(each)
        ]
    return []
