"""One workspace as the listeners know it: who somebody is, where they are, how they are answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from slack_sdk.web.async_client import AsyncWebClient

from desk.errors import Gone, NotAllowed
from desk.hearing import Hearing
from desk.people import Person
from desk.ports import Chat
from desk.service import Desk, Outcome, shown
from desk.showing import Alarm
from desk.view import Drawing, Line, Say
from handlers.people import Current, Tongue, addressed, tongue
from handlers.slack.blocks import Rendered, render
from handlers.slack.errors import CALL_ERRORS, code_of
from handlers.slack.values import Reading

log = logging.getLogger("replydesk.slack")

T = TypeVar("T")

NOT_THERE = {"channel_not_found", "not_in_channel", "user_not_in_channel", "is_archived", "thread_not_found"}
LONGEST_TEXT = 3_000
"""Characters: what a modal's input holds, and what a typed reply may have (contract §4)."""

NAMED_WITHIN = 1.0
"""Seconds for the name of somebody we do not know; their id will do."""


class Where(NamedTuple):
    """Where an interaction came from. `thread` is the ts of the thread's parent, "" outside messages."""

    user: str
    home: str
    channel: str = ""
    thread: str = ""


class Background:
    """What goes on after Slack was answered. `settle` waits for all of it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(self._kept(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _kept(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception:
            log.exception("after an interaction was acknowledged")

    async def settle(self) -> None:
        while self._running:
            await asyncio.wait(self._running)


@dataclass
class Workspace:
    """`key` is that of [[slack]]; `teams` maps Slack's team ids to these keys, shared by all of them.

    `client` answers people: it may wait on 429, and repeats nothing else. `within`: seconds in which a press is
    settled before it is acknowledged without its outcome. `loading`: seconds after which an empty modal stands in.
    `bot` is the bot's user id, "" until Slack has told it.
    """

    key: str
    client: AsyncWebClient
    desk: Desk
    hearing: Hearing
    directory: Current
    chat: Chat
    now: Callable[[], datetime]
    alarm: Alarm = lambda room, reason: None
    teams: dict[str, str] = field(default_factory=dict)
    within: float = 2.0
    loading: float = 1.0
    background: Background = field(default_factory=Background)
    bot: str = ""
    bot_name: str = "desk"
    _names: dict[str, str] = field(default_factory=dict)

    def room(self, channel: str) -> str:
        return f"slack:{self.key}/{channel}"

    def answers_in(self, channel: str, user: str) -> str:
        """Lists go where they were asked for in the desk's own rooms; elsewhere only the asker sees them."""
        room = self.room(channel)
        return room if self.directory().side_of_room(room) is not None else self.room(user)

    def person(self, user: str, home: str = "") -> Person | None:
        """Somebody of this workspace, or of another configured one who comes in through Slack Connect."""
        keys = dict.fromkeys((self.teams.get(home, self.key), self.key))
        return next((p for key in keys if (p := self.directory().by_slack(key, user)) is not None), None)

    def tongue(self, where: Where) -> Tongue:
        return tongue(self.directory(), self.room(where.channel), self.person(where.user, where.home))

    # names

    def reading(self, whole_links: bool = False) -> Reading:
        return Reading(self.known_name, whole_links)

    def known_name(self, user: str) -> str:
        if user == self.bot:
            return self.bot_name
        person = self.person(user)
        return person.name if person is not None else self._names.get(user, "")

    async def name(self, user: str) -> str:
        """Of somebody we may not know; their id where Slack does not say in time."""
        if not self.known_name(user):
            try:
                async with asyncio.timeout(NAMED_WITHIN):
                    profile = (await self.client.users_info(user=user))["user"]
            except CALL_ERRORS:
                return user
            shown_as = profile.get("profile", {}).get("display_name") or profile.get("real_name") or user
            self._names[user] = str(shown_as)
        return self.known_name(user)

    # answers

    async def settled(self, work: Coroutine[Any, Any, T]) -> tuple[asyncio.Task[T], bool]:
        """The work, and whether it ended in time. It goes on in any case."""
        task = asyncio.create_task(work)
        done, _ = await asyncio.wait({task}, timeout=self.within)
        return task, bool(done)

    def say(self, outcome: Outcome, where: Where) -> Rendered | None:
        """An outcome as a message; None where there is nothing to add."""
        if not outcome.key:
            return None
        outcome = addressed(outcome, self.person(where.user, where.home))
        what = Say(outcome.key, shown(outcome.args))
        line = Line(what) if outcome.ok else Line(what, "alert")
        return render(Drawing(what, (line,), (), *self.tongue(where)), self.now(), self.key)

    async def tell(self, outcome: Outcome, where: Where) -> None:
        """To one person alone: in the thread they are in, else in their own conversation with the bot. Never raises."""
        message = self.say(outcome, where)
        if message is None:
            return
        try:
            if where.channel and await self._whispered(where, message):
                return
            await self.client.chat_postMessage(channel=where.user, text=message.text, blocks=message.blocks)
        except CALL_ERRORS as error:
            log.warning("%s: %s could not be answered: %s", self.key, where.user, error)

    async def _whispered(self, where: Where, message: Rendered) -> bool:
        """False where the bot or the person is not in that channel."""
        try:
            await self.client.chat_postEphemeral(
                channel=where.channel,
                user=where.user,
                thread_ts=where.thread or None,
                text=message.text,
                blocks=message.blocks,
            )
        except CALL_ERRORS as error:
            if code_of(getattr(error, "response", None)) in NOT_THERE:
                return False
            raise
        return True

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        self.background.start(work)

    def tell_later(self, key: str, where: Where, **args: Any) -> None:
        self.later(self.tell(Outcome(key, args, ok=False), where))


def refusal(error: NotAllowed | Gone, case: int) -> Outcome:
    if isinstance(error, NotAllowed):
        return Outcome(error.key, dict(error.details), ok=False, case=case)
    return Outcome("no_such_case", {"case": case}, ok=False, case=case)
