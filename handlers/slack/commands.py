"""Commands with no thread of their own: /desk, the shortcut "Make a case", and the bot's home page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from desk.hearing import Typed
from desk.listing import help_text, open_list
from desk.people import Person, Side
from desk.scope import of_person
from desk.view import Drawing, Entry, Line, Say
from handlers.slack.blocks import BLOCKS, render
from handlers.slack.buttons import where_of
from handlers.slack.errors import CALL_ERRORS
from handlers.slack.values import message_text, plain
from handlers.slack.workspace import Where, Workspace, log
from handlers.words import blank

MAKE_CASE = "make_case"
"""The shortcut's callback_id in slack-manifest.yaml."""


def command_of(text: str) -> tuple[str, str]:
    """The first word, small and without a slash, and what follows it; nothing at all asks for help."""
    verb, rest = _parted(text)
    return verb.lower().removeprefix("/") or "help", "" if blank(rest) else rest


def _parted(text: str) -> tuple[str, str]:
    """The first word and what follows; unlike str.partition, whatever white space is between."""
    first, *rest = text.split(maxsplit=1) or [""]
    return first, "".join(rest).strip()


def tidy(verb: str, rest: str) -> str:
    """`case 7 reply TEXT` with single spaces between its first words: TEXT keeps its lines."""
    if verb != "case":
        return rest
    number, more = _parted(rest)
    inner, text = _parted(more)
    return " ".join(part for part in (number, inner.lower(), text) if not blank(part))


def own_words(text: str) -> str:
    """An edited command as the desk follows it: `case 7 reply TEXT` was a reply."""
    verb, rest = command_of(text)
    if verb == "case":
        verb, rest = command_of(_parted(rest)[1])
    return f"{verb} {rest}" if verb == "reply" else text


class Commands:
    def __init__(self, workspace: Workspace) -> None:
        self.ws = workspace

    async def typed(self, ack: Any, command: Mapping[str, Any]) -> None:
        """/desk …: answered in its own acknowledgement, for the asker alone; lists come as messages."""
        where = Where(command["user_id"], command.get("team_id") or "", command["channel_id"])
        first = command_of(plain(command.get("text") or "", self.ws.reading()))[0]
        verb, rest = command_of(plain(command.get("text") or "", self.ws.reading(whole_links=first == "add")))
        room = self.ws.answers_in(where.channel, where.user)
        idem = f"slack:command:{command['trigger_id']}"
        who = self.ws.person(where.user, where.home)
        work, done = await self.ws.settled(
            self.ws.hearing.command(Typed(idem, who, room, "", "", verb, tidy(verb, rest)))
        )
        if done and (message := self.ws.say(work.result(), where)) is not None:
            await ack(text=message.text, blocks=message.blocks)
            return
        await ack()
        if not done:
            self.ws.later(self._told(work, where))

    async def _told(self, work: Any, where: Where) -> None:
        await self.ws.tell(await work, where)

    async def make_case(self, ack: Any, body: Mapping[str, Any]) -> None:
        """The shortcut on a message: its link, or its words, become a case."""
        where = where_of(body)
        who, room = self.ws.person(where.user, where.home), self.ws.room(where.channel)
        url, text, author = self._brought(body["message"])
        idem = f"slack:shortcut:{body['trigger_id']}"
        work, _ = await self.ws.settled(self.ws.hearing.add(idem, who, room, where.thread, url, text, author))
        await ack()
        self.ws.later(self._told(work, where))

    def _brought(self, message: Mapping[str, Any]) -> tuple[str, str, str]:
        """(address, text, author). Of a shared link Slack keeps what its preview read there."""
        text = message_text(message, self.ws.reading(whole_links=True))
        preview: Mapping[str, Any] = next(iter(message.get("attachments") or ()), {})
        found = re.search(r"https?://\S+", text)
        url = found[0] if found else str(preview.get("original_url") or preview.get("from_url") or "")
        rest = " ".join(filter(None, (text.replace(url, "", 1).strip() if url else text, preview.get("text"))))
        return url, rest, str(preview.get("author_name") or "")

    # the home page

    async def home(self, user: str, home: str) -> None:
        """Help, and the person's open cases as they are when the page is opened."""
        who, where = self.ws.person(user, home), Where(user, home)
        drawings = [self._stranger(where)] if who is None else await self._page(who, where)
        blocks = [block for d in drawings for block in render(d, self.ws.now(), self.ws.key).blocks]
        try:
            await self.ws.client.views_publish(user_id=user, view={"type": "home", "blocks": blocks[: 2 * BLOCKS]})
        except CALL_ERRORS as error:
            log.warning("%s: the home page of %s was not drawn: %s", self.ws.key, user, error)

    def _stranger(self, where: Where) -> Drawing:
        what = Say("stranger")
        return Drawing(what, (Line(what),), (), *self.ws.tongue(where))

    async def _page(self, who: Person, where: Where) -> list[Drawing]:
        side: Side = "staff" if who.of_agency else "client"
        to, directory = self.ws.tongue(where), self.ws.directory()
        entries = []
        async with self.ws.desk.store.read(of_person(directory, who)) as reader:
            for case in await reader.open_cases():
                rules = directory.rules(case.brand, case.mention.key.platform)
                place = await reader.place(case.id, side)
                if rules is not None and (side == "staff" or case.client_open):
                    here = place is not None and place.room.startswith(f"slack:{self.ws.key}/") and place.thread
                    link = self.ws.chat.link(place.room, place.thread) if place is not None and here else ""
                    entries.append(Entry(case, rules, link, case.round.carded_at is not None))
        return [open_list(entries, side, *to), help_text(side, *to)]
