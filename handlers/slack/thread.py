"""What people write in channels: talk in a case's thread, and commands addressed to the bot."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from desk.errors import Gone, Refused
from desk.hearing import LONGEST_TXT, VERBS, Typed
from desk.ports import Heard
from desk.service import Outcome
from handlers.slack.blocks import size
from handlers.slack.commands import command_of, own_words, tidy
from handlers.slack.errors import CALL_ERRORS
from handlers.slack.values import message_text
from handlers.slack.workspace import LONGEST_TEXT, Where, Workspace
from handlers.words import blank

Event = Mapping[str, Any]

SPOKEN = ("", "file_share", "thread_broadcast", "me_message")
"""Subtypes of messages that people write; all others tell of something."""

IN_THREAD = ("reply", "client", "note")
SLACKBOT = "USLACKBOT"
REMEMBERED = 500


class Talk:
    def __init__(self, workspace: Workspace) -> None:
        self.ws = workspace
        # Envelopes are handled side by side: without it an edit could be stored before the message it changes.
        self._order = asyncio.Lock()
        self._told: OrderedDict[str, None] = OrderedDict()

    async def heard(self, event: Event, event_id: str) -> None:
        """A message event. Returns once all of it is committed; raises where it could not be, and Slack sends again."""
        async with self._order:
            if event.get("subtype", "") == "message_changed":
                await self._edited(event, event_id)
            elif event.get("subtype", "") in SPOKEN and _by_person(event):
                await self._said(event, event_id)

    async def mentioned(self, event: Event) -> None:
        """The same message as an app_mention: a command once more, with the same id; talk comes as a message event."""
        async with self._order:
            if _by_person(event) and self._addressed(event):
                command = command_of(self._own_text(event))
                if command[0] in VERBS:
                    await self._command(event, *command)

    async def _said(self, event: Event, event_id: str) -> None:
        verb, rest = command_of(self._own_text(event)) if self._addressed(event) else ("", "")
        if verb in VERBS or (verb and not event.get("thread_ts")):
            await self._command(event, verb, rest)
        elif event.get("thread_ts") and self._ours(event):
            await self.ws.hearing.take_in(await self._as_heard(event, event["channel"], event), f"slack:{event_id}")

    async def _edited(self, event: Event, event_id: str) -> None:
        """Slack also tells of changes nobody made: previews, reply counts, and our own redrawing."""
        message, before = event.get("message") or {}, event.get("previous_message") or {}
        if not _by_person(message) or message.get("subtype", "") not in SPOKEN or not self._ours(event):
            return
        if message.get("text") == before.get("text"):
            return
        heard = await self._as_heard(message, event["channel"], event)
        text, addressed = heard.text, self._addressed(message)
        if addressed:
            text = own_words(self._own_text(message))
        if addressed and size(text) > LONGEST_TEXT:
            self.ws.tell_later("slack_as_file", _where(message, event["channel"]))
        elif addressed or heard.thread:
            await self.ws.hearing.take_in(replace(heard, text=text), f"slack:{event_id}")

    async def _as_heard(self, message: Event, channel: str, event: Event) -> Heard:
        user = message["user"]
        person = self.ws.person(user, _home(message))
        return Heard(
            room=self.ws.room(channel),
            thread=message.get("thread_ts") or "",
            said=message["ts"],
            person=person.key if person else "",
            name=await self.ws.name(user),
            text=message_text(message, self.ws.reading()),
            at=datetime.fromtimestamp(float(event.get("event_ts") or message["ts"]), UTC),
            edited=event.get("subtype", "") == "message_changed",
            files=tuple([one for file in message.get("files") or () if (one := await self._file(file))]),
        )

    async def _file(self, file: Event) -> tuple[str, str, int] | None:
        """Name, address and size. Of a file that came through Slack Connect, Slack gives these only on request."""
        if file.get("file_access") == "check_file_info":
            try:
                file = (await self.ws.client.files_info(file=file["id"]))["file"]
            except CALL_ERRORS:
                return None
        url, size_ = file.get("url_private"), int(file.get("size") or 0)
        return (str(file.get("name") or "file"), f"{url}#{size_}", size_) if url else None

    # commands

    async def _command(self, event: Event, verb: str, rest: str) -> None:
        outcome = await self._run(event, verb, rest)
        if self._first_time(f"{event['channel']}:{event['ts']}"):
            self.ws.later(self.ws.tell(outcome, _where(event, event["channel"])))

    async def _run(self, event: Event, verb: str, rest: str) -> Outcome:
        if _reply_in(verb, rest) and size(rest) > LONGEST_TEXT:
            return Outcome("slack_as_file", ok=False)
        if verb in IN_THREAD and not rest:
            try:
                rest = await self._from_file(event)
            except (Refused, Gone, UnicodeDecodeError):
                return Outcome("file_unreadable", ok=False)
        return await self.ws.hearing.command(self._typed(event, verb, rest))

    def _typed(self, event: Event, verb: str, rest: str) -> Typed:
        channel, user = event["channel"], event["user"]
        idem = f"slack:said:{self.ws.key}:{channel}:{event['ts']}"
        room = self.ws.answers_in(channel, user)
        thread = (event.get("thread_ts") or "") if room == self.ws.room(channel) else ""
        return Typed(idem, self.ws.person(user, _home(event)), room, thread, event["ts"], verb, tidy(verb, rest))

    async def _from_file(self, event: Event) -> str:
        """The content of a .txt file sent with the command: how a text too long to type is given."""
        files = [one for file in event.get("files") or () if (one := await self._file(file))]
        txt = next((x for x in files if x[0].lower().endswith(".txt")), None)
        if txt is None:
            return ""
        if txt[2] > LONGEST_TXT:
            raise Refused("the file is too large for a text")
        content = await self.ws.chat.fetch(self.ws.room(event["channel"]), txt[1])
        text = content.decode("utf-8-sig").strip()
        return "" if blank(text) else text

    def _first_time(self, message: str) -> bool:
        """A message comes as two events, and may be delivered again: it is answered once."""
        if message in self._told:
            return False
        self._told[message] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    # what a message is

    def _ours(self, event: Event) -> bool:
        """Only the desk's own rooms are listened to, whatever channels the bot was invited into."""
        return self.ws.directory().side_of_room(self.ws.room(event["channel"])) is not None

    def _addressed(self, message: Event) -> bool:
        mention = rf"\s*<@{re.escape(self.ws.bot)}(?:\|[^>]*)?>"
        return bool(self.ws.bot) and re.match(mention, message.get("text") or "") is not None

    def _own_text(self, message: Event) -> str:
        """What follows the bot's mention; of `add`, with the address of its link rather than the link's words."""
        first = command_of(self._after_mention(message, whole_links=False))[0]
        return self._after_mention(message, whole_links=first == "add")

    def _after_mention(self, message: Event, whole_links: bool) -> str:
        reading = self.ws.reading(whole_links)
        text = message_text(message, reading).lstrip()
        return text.removeprefix(reading.user(self.ws.bot)).strip()


def _reply_in(verb: str, rest: str) -> bool:
    """`reply TEXT`, or `case 7 reply TEXT`."""
    return verb == "reply" or (verb == "case" and re.match(r"#?\d+\s+reply\b", rest) is not None)


def _by_person(message: Event) -> bool:
    return bool(message.get("user")) and not message.get("bot_id") and message["user"] != SLACKBOT


def _home(message: Event) -> str:
    return str(message.get("user_team") or message.get("team") or "")


def _where(message: Event, channel: str) -> Where:
    return Where(message["user"], _home(message), channel, message.get("thread_ts") or "")
