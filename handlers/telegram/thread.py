"""What people write in a room: kept as it was given, handled from the queue."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiogram import Router
from aiogram.types import (
    ChatMemberAdministrator,
    ChatMemberOwner,
    ChatMemberUpdated,
    Message,
    MessageOriginChannel,
    MessageOriginChat,
    MessageOriginHiddenUser,
    MessageOriginUser,
    PhotoSize,
)

from desk.people import Person
from desk.ports import Heard
from desk.showing import LARGEST_FILE
from handlers.telegram.errors import ADMIN
from handlers.telegram.hands import ANONYMOUS, Setup, room_of, thread_of
from handlers.words import blank

FILES = ("document", "video", "audio", "voice", "animation", "video_note")
ALSO_TALK = ("location", "venue", "contact", "poll", "dice", "story", "sticker", "paid_media", "checklist")
"""What people send that is neither text nor file; kept as a mark, so that nothing said goes unseen."""


class Thread:
    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def router(self) -> Router:
        router = Router(name="thread")
        router.message.register(self.on_message)
        router.edited_message.register(self.on_edit)
        router.my_chat_member.register(self.on_membership)
        return router

    async def on_message(self, message: Message) -> None:
        if not is_talk(message):
            return
        who = writer(self._setup, message)
        origin = forwarded(message)
        if origin is not None and who is not None and not thread_of(message) and (origin.url or plain(message)):
            await self._add(message, who, origin)
            return
        await self._setup.hearing.take_in(heard(message, who), idem(message))

    async def on_edit(self, message: Message) -> None:
        """Also of a message that carried /reply: the desk knows which version it became."""
        if is_talk(message):
            await self._setup.hearing.take_in(heard(message, writer(self._setup, message)), idem(message))

    async def _add(self, message: Message, who: Person, origin: Origin) -> None:
        room = room_of(message.chat.id)
        outcome = await self._setup.hearing.add(
            idem(message), who, room, thread_of(message), origin.url, plain(message), origin.author, origin.at
        )
        if outcome.key:
            self._setup.reply(message, self._setup.words(outcome, room, who))

    async def on_membership(self, changed: ChatMemberUpdated) -> None:
        """The bot was removed from a room, or lost the rights it works with."""
        room = room_of(changed.chat.id)
        reason = lost(changed)
        if reason and self._setup.directory().side_of_room(room) is not None:
            self._setup.alarm(room, reason)


def lost(changed: ChatMemberUpdated) -> str:
    """What is wrong with the bot's new place, and how to mend it; "" where all is well."""
    new = changed.new_chat_member
    if new.status in ("left", "kicked"):
        return f"the bot was removed by {changed.from_user.full_name}; add it again and {ADMIN}"
    if not isinstance(new, (ChatMemberAdministrator, ChatMemberOwner)):
        return f"the bot is no administrator any more; {ADMIN}"
    lacks = isinstance(new, ChatMemberAdministrator) and not new.can_manage_topics
    return f"the bot may not manage topics any more; {ADMIN}" if lacks else ""


def is_talk(message: Message) -> bool:
    """Written by a person: not a service message, not another bot's."""
    by_bot = message.from_user is not None and message.from_user.is_bot and message.sender_chat is None
    kinds = ("text", "photo", *FILES, *ALSO_TALK)
    return not by_bot and any(getattr(message, kind, None) for kind in kinds)


def is_anonymous(message: Message) -> bool:
    return message.sender_chat is not None and message.from_user is not None and message.from_user.id == ANONYMOUS


def writer(setup: Setup, message: Message) -> Person | None:
    """None for strangers, and for whoever writes in the name of a chat."""
    if message.sender_chat is not None or message.from_user is None:
        return None
    return setup.person(message.from_user.id)


def idem(message: Message) -> str:
    """The same for a repeated delivery, another for an edit: two edits within a second differ by their text."""
    bot = message.bot.id if message.bot else 0
    text = zlib.crc32((message.text or message.caption or "").encode("utf-8", "replace"))
    return f"tg:{bot}:{message.chat.id}:{message.message_id}:{message.edit_date or 0}:{text:x}"


def heard(message: Message, who: Person | None) -> Heard:
    edited = message.edit_date is not None
    return Heard(
        room=room_of(message.chat.id),
        thread=thread_of(message),
        said=str(message.message_id),
        person=who.key if who else "",
        name=who.name if who else _name(message),
        text=plain(message),
        at=datetime.fromtimestamp(message.edit_date, UTC) if message.edit_date else message.date.astimezone(UTC),
        edited=edited,
        reply_to=_answered(message),
        files=tuple(_files(message)),
    )


def _name(message: Message) -> str:
    if message.sender_chat is not None:
        return message.author_signature or message.sender_chat.full_name
    return message.from_user.full_name if message.from_user else ""


def _answered(message: Message) -> str:
    """In a topic a message that answers nothing "answers" the topic's creation."""
    target = message.reply_to_message
    if target is None or target.forum_topic_created is not None or str(target.message_id) == thread_of(message):
        return ""
    return str(target.message_id)


# content


def plain(message: Message) -> str:
    """The text as Unicode; an address hidden behind words stands after them. Offsets are in UTF-16 units (Bot API)."""
    text = message.text or message.caption or ""
    if blank(text):
        return next((mark for kind, mark in _marks(message) if kind not in FILES), "")
    raw = text.encode("utf-16-le", "surrogatepass")
    links = [e for e in message.entities or message.caption_entities or () if e.type == "text_link" and e.url]
    for link in sorted(links, key=lambda e: e.offset, reverse=True):
        end = 2 * (link.offset + link.length)
        shown = raw[2 * link.offset : end].decode("utf-16-le", "replace")
        if link.url and link.url.rstrip("/") != shown.rstrip("/"):
            raw = raw[:end] + f" ({link.url})".encode("utf-16-le") + raw[end:]
    return raw.decode("utf-16-le", "replace").replace("\x00", "")


def _marks(message: Message) -> list[tuple[str, str]]:
    if message.sticker is not None:
        return [("sticker", message.sticker.emoji or "[sticker]")]
    return [(kind, f"[{kind}]") for kind in ALSO_TALK if getattr(message, kind, None)]


def _files(message: Message) -> list[tuple[str, str, int]]:
    """(name, id for fetching, bytes). One too large to fetch has the address of its message instead."""
    found: list[Any] = [getattr(message, kind) for kind in FILES if getattr(message, kind, None)]
    if message.animation is not None:
        # An animation comes as a document as well, for clients that do not know animations.
        found = [message.animation]
    if message.photo:
        found.append(max(message.photo, key=lambda size: size.width * size.height))
    return [_file(message, file) for file in found]


def _file(message: Message, file: Any) -> tuple[str, str, int]:
    kind = "photo" if isinstance(file, PhotoSize) else type(file).__name__.lower()
    name = getattr(file, "file_name", None) or f"{kind}-{message.message_id}{ENDINGS.get(kind, '')}"
    size = file.file_size or 0
    return name, (message.get_url() or "") if size > LARGEST_FILE else file.file_id, size


ENDINGS = {"photo": ".jpg", "voice": ".ogg", "video": ".mp4", "videonote": ".mp4", "animation": ".mp4", "audio": ".mp3"}


# forwards


class Origin(NamedTuple):
    """Where a forwarded message comes from: the address of a channel's post, who wrote it and when."""

    url: str
    author: str
    at: datetime | None = None


def forwarded(message: Message) -> Origin | None:
    origin = message.forward_origin
    return None if origin is None else ORIGINS[type(origin)](origin)._replace(at=origin.date)


def _channel(origin: MessageOriginChannel) -> Origin:
    chat = origin.chat
    place = chat.username or f"c/{str(chat.id).removeprefix('-100')}"
    return Origin(f"https://t.me/{place}/{origin.message_id}", chat.title or "")


ORIGINS: dict[type, Callable[[Any], Origin]] = {
    MessageOriginChannel: _channel,
    MessageOriginChat: lambda origin: Origin("", origin.author_signature or origin.sender_chat.title or ""),
    MessageOriginHiddenUser: lambda origin: Origin("", origin.sender_user_name),
    MessageOriginUser: lambda origin: Origin("", origin.sender_user.full_name),
}
