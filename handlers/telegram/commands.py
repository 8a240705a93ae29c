"""Commands as people type them."""

from __future__ import annotations

import codecs
import re
from difflib import get_close_matches
from typing import NamedTuple

from aiogram import Bot, Router
from aiogram.exceptions import AiogramError
from aiogram.types import Message
from aiohttp import ClientError

from desk.hearing import LONGEST_TXT, Typed
from desk.people import Person
from desk.service import Outcome
from handlers.telegram.hands import Setup, room_of, thread_of
from handlers.telegram.thread import idem, is_anonymous, is_talk, plain, writer
from handlers.telegram.verbs import ALIASES, COMMANDS
from handlers.words import blank

SPOKEN = frozenset({"note", "client", "add", "stop_posting", "resume_posting"})
"""Commands whose success shows nowhere else in the thread."""

WITH_TEXT = frozenset({"reply", "client", "note"})
LONGEST_TYPED = 4000
"""Characters. Telegram cuts a message at 4,096: what comes close may be a part only (contract §4, Input)."""
FILE_SECONDS = 10


class Verb(NamedTuple):
    verb: str
    text: str


class Commands:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def router(self) -> Router:
        router = Router(name="commands")
        router.message.register(self.on_command, self._is_command)
        return router

    async def _is_command(self, message: Message, bot: Bot) -> dict[str, Verb] | bool:
        """Also a slip in one of ours, by our people in our rooms: told nothing, they would take it for done."""
        ours = writer(self._setup, message) is not None and self._setup.directory().side_of_room(
            room_of(message.chat.id)
        )
        return await is_command(message, bot, slips=bool(ours))

    async def on_command(self, message: Message, bot: Bot, typed: Verb) -> None:
        who = writer(self._setup, message)
        outcome = await self._run(message, bot, typed, who)
        if outcome.key and (not outcome.ok or typed.verb in SPOKEN):
            self._setup.reply(message, self._setup.words(outcome, room_of(message.chat.id), who))

    def _among_ourselves(self, message: Message) -> bool:
        """Whoever may add the bot to a group must not have a member of ours read our cases out to it."""
        room = room_of(message.chat.id)
        return message.chat.type == "private" or self._setup.directory().side_of_room(room) is not None

    async def _run(self, message: Message, bot: Bot, typed: Verb, who: Person | None) -> Outcome:
        if is_anonymous(message):
            return Outcome("anonymous", ok=False)
        if who is not None and not self._among_ourselves(message):
            return Outcome("not_in_this_room", ok=False)
        text = _seen(typed)
        if typed.verb in WITH_TEXT and len(text) > LONGEST_TYPED:
            return Outcome("reply_as_file", ok=False)
        if typed.verb in WITH_TEXT and not text and message.document is not None:
            text = await read_txt(message, bot)
            if not text:
                return Outcome("file_unreadable", ok=False)
        return await self._setup.hearing.command(
            Typed(
                idem=idem(message),
                who=who,
                room=room_of(message.chat.id),
                thread=thread_of(message),
                said=str(message.message_id),
                verb=typed.verb,
                text=text,
            )
        )


async def is_command(message: Message, bot: Bot, slips: bool = False) -> dict[str, Verb] | bool:
    """A command of ours, or one meant for us; others' and mere words that begin with "/" are talk."""
    if not is_talk(message) or message.forward_origin is not None:
        return False
    me = await bot.me()
    typed = parse(plain(message), me.username or "", private=message.chat.type == "private", slips=slips)
    return False if typed is None else {"typed": typed}


def parse(text: str, username: str, private: bool = False, slips: bool = False) -> Verb | None:
    """`private`: whatever the command, it is for us; `slips`: so is one that looks like a slip in one of ours."""
    found = re.match(r"\s*/(\w{1,32})(?:@(\w+))?(?:\s+|$)(.*)", text, re.DOTALL)
    if found is None:
        return None
    verb, named, rest = found.group(1).lower(), found.group(2), found.group(3).strip()
    verb = ALIASES.get(verb, verb)
    to_us = named is not None and named.lower() == username.lower()
    meant = to_us or private or verb in COMMANDS or (slips and like_ours(verb))
    if (named is not None and not to_us) or not meant:
        return None
    return Verb(verb, rest)


def _seen(typed: Verb) -> str:
    """What follows a command; nothing for a TEXT that nobody sees, also that of `/case 7 reply TEXT`."""
    number, *inner = typed.text.split(maxsplit=2) or [""]
    if typed.verb == "case" and len(inner) == 2 and blank(inner[1]):
        return f"{number} {inner[0]}"
    return "" if blank(typed.text) else typed.text


def like_ours(verb: str) -> bool:
    """As "/repy", "/opne", "/stop": no command, and hardly another bot's."""
    begun = len(verb) > 2 and any(command.startswith(verb) for command in COMMANDS)
    return begun or bool(get_close_matches(verb, COMMANDS, 1, 0.75))


async def read_txt(message: Message, bot: Bot) -> str:
    """The text of a .txt file of up to 100 KB; "" where there is none to be read."""
    file = message.document
    if file is None or not (file.file_name or "").lower().endswith(".txt") or (file.file_size or 0) > LONGEST_TXT:
        return ""
    try:
        stream = await bot.download(file, timeout=FILE_SECONDS)
    except (AiogramError, ClientError, TimeoutError):
        return ""
    text = "" if stream is None else decoded(stream.read(LONGEST_TXT)).strip()
    return "" if blank(text) else text


def decoded(data: bytes) -> str:
    """UTF-8 or UTF-16 by its mark, else UTF-8, else what Windows writes in Cyrillic. It is shown back anyway."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1251", "replace")
