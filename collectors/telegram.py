"""Telegram: what people write in the brand's own groups and under its channel's posts, answered by the brand's bot."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, SecretStr, field_validator

from collectors.answers import Answer, Maker, Verdict, gone, later, lost, needs_login, refused
from collectors.http import Ask, Door, Now
from collectors.links import NUMBER, link_to, only
from collectors.pages import joined
from collectors.records import readable
from collectors.settings import SourceSettings
from collectors.text import fold, scrubbed, tidy
from desk.errors import BadAnswer, DeskError, Gone, Refused, Retry
from desk.mention import Author, Kind, Mention, MentionKey
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="telegram",
    title="Telegram",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    longest=4_096,
    every=timedelta(seconds=30),
    floor=timedelta(seconds=10),
    pace=20,
    hosts=("t.me", "telegram.me"),
    notes=(
        "The bot is the brand's own, not the desk's; in each group its privacy mode is off, or it is an admin.",
        "Replies are the bot's: a bot cannot speak in a channel's name.",
        "A bot sees no history and no deletions. It cannot read its replies back: unsure ones are asked of staff.",
        "Telegram keeps unread messages for 24 hours: what a longer stop missed is lost.",
    ),
)

VENDOR = "https://api.telegram.org"
MOST = 100
"""Updates of one call (Bot API: getUpdates, limit), and so of one poll."""
WANTED = ("message", "edited_message")

Chat = int | str
GONE = ("message to be replied not found", "replied message not found", "message to edit not found")
ABSENT = "message to delete not found"
UNCHANGED = "message is not modified"


class Settings(SourceSettings):
    token: SecretStr = Field(
        title="Bot token", description="Of the brand's own bot, from @BotFather; not the desk's bot"
    )
    chats: tuple[Chat, ...] = Field(
        min_length=1, title="Chats", description="Groups to read: their ids (-100…), or @names of public ones"
    )

    @field_validator("token")
    @classmethod
    def _is_a_token(cls, value: SecretStr) -> SecretStr:
        number, _, rest = value.get_secret_value().partition(":")
        if not number.isdigit() or not rest:
            raise ValueError("is no bot token: digits, a colon, letters")
        return value


class Person(BaseModel):
    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""

    @property
    def name(self) -> str:
        return tidy(f"{self.first_name} {self.last_name}")


class Room(BaseModel):
    id: int
    title: str = ""
    username: str = ""


class Parent(BaseModel):
    message_id: int
    sender_chat: Room | None = None
    automatic: bool = Field(False, alias="is_automatic_forward")

    @property
    def channel(self) -> set[int]:
        """The channel whose post this is, as Telegram forwards it into the channel's own group."""
        return {self.sender_chat.id} if self.automatic and self.sender_chat else set()


class Message(Parent):
    date: int = Field(ge=0, le=253_402_300_799)
    chat: Room
    sender: Person | None = Field(None, alias="from")
    text: str = ""
    caption: str = ""
    thread: int | None = Field(None, alias="message_thread_id")
    parent: Parent | None = Field(None, alias="reply_to_message")
    moved: int | None = Field(None, alias="migrate_to_chat_id")

    @property
    def words(self) -> str:
        return tidy(self.text or self.caption)

    @property
    def by_the_brand(self) -> bool:
        """A channel's post forwarded into its group, or somebody who writes as the group itself."""
        return self.automatic or (self.sender_chat is not None and self.sender_chat.id == self.chat.id)

    @property
    def kind(self) -> Kind:
        return "comment" if self.thread or self.parent else "post"

    @property
    def url(self) -> str:
        """Empty in a basic group: its messages have no links."""
        number = only(rf"-100({NUMBER})", str(self.chat.id))
        room = self.chat.username or (number and f"c/{number}")
        return f"https://t.me/{room}/{self.message_id}" if room else ""

    @property
    def author(self) -> Author:
        """Who writes as a channel or a group is that: Telegram names one and the same bot as the sender of them all."""
        if self.sender_chat is not None:
            return _author(self.sender_chat.id, self.sender_chat.title, self.sender_chat.username)
        by = self.sender or Person(id=0)
        return _author(by.id, by.name, by.username, "bot" if by.is_bot else "")


def _author(number: int, name: str, username: str, kind: str = "") -> Author:
    url = f"https://t.me/{username}" if username else ""
    return Author(id=str(number), name=tidy(name), url=url, kind=kind)


class Update(BaseModel):
    update_id: int
    message: Message | None = None
    edited: Message | None = Field(None, alias="edited_message")

    @property
    def said(self) -> Message | None:
        return self.edited or self.message


class Updates(BaseModel):
    result: list[Any]


class Sent(BaseModel):
    result: Message


class Cursor(BaseModel):
    """The update to go on with: asking for it tells Telegram that those before it are stored.

    `moved`: what groups of the settings became. `channels`: those that the groups belong to; they speak for the brand.
    """

    offset: int = 0
    moved: frozenset[int] = frozenset()
    channels: frozenset[int] = frozenset()


def said_by_telegram(body: Any) -> tuple[str, str]:
    return body["description"], str(body["error_code"])


def flooded(verdict: Verdict) -> DeskError:
    """The time to wait stands in the body."""
    try:
        after = float(json.loads(verdict.answer.body)["parameters"]["retry_after"])
    except (ValueError, LookupError, TypeError):
        return later(verdict)
    return Retry(verdict.reason, after=after, rate_limited=True)


def bad_request(verdict: Verdict) -> DeskError:
    return (gone if any(words in verdict.reason for words in GONE) else refused)(verdict)


def contested(verdict: Verdict) -> DeskError:
    return Refused(
        f"{verdict.reason}; another program, or a webhook, reads this bot's updates: end it", code=verdict.code
    )


CODES: dict[str, Maker] = {"400": bad_request, "401": needs_login, "409": contested, "429": flooded, "500": lost}


def item(settings: Settings, url: str) -> str | None:
    """A private group's link holds its id; a public one's its name, and a channel's comments stand in another chat."""
    link = link_to(CARD.hosts, url)
    chat = f"-100{only(rf'/c/({NUMBER})/.*', link.path)}"
    message = only(rf"/c/{NUMBER}/(?:{NUMBER}/)?({NUMBER})", link.path)
    ours = chat in map(str, settings.chats) and "comment" not in link.query
    return f"{chat}/{message}" if ours and message else None


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Telegram:
    return Telegram(settings, brand, source, http, now)


class Telegram:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        token = settings.token.get_secret_value()
        self.account = token.partition(":")[0]
        self._base = f"{settings.api_base or VENDOR}/bot{token}"
        self._chats = {str(chat).lower().removeprefix("@") for chat in settings.chats}
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_telegram, CODES)

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        """One call a poll: a second one would have Telegram forget what the first one brought before it is stored."""
        state = Cursor.model_validate_json(cursor) if cursor else Cursor()
        raw = await self._updates(state.offset)
        updates, note = _understood(raw)
        said = [update.said for update in updates if update.said is not None]
        after, moves = self._learned(state, said)
        # Not the largest ever: another bot, or a quiet week, begins to count elsewhere (Bot API: update_id).
        after = after.model_copy(update={"offset": max(_numbers(raw), default=state.offset - 1) + 1})
        mentions = {m.key.external_id: m for m in (self._mention(s) for s in said if self._is_foreign(s, after))}
        fresh = [m for m in mentions.values() if cursor or (m.published_at or since) >= since]
        return Batch(fresh, after.model_dump_json(exclude_defaults=True), joined([note, *moves]))

    async def look(self, mention: Mention) -> Look:
        raise Refused(f"{CARD.title}: a bot cannot read messages again", code="manual")

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        chat, message = _address(mention)
        said = {"chat_id": chat, "text": text, "reply_parameters": {"message_id": message}}
        return self._posted((await self._write("sendMessage", said)).parse(Sent).result)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        chat, _ = _address(mention)
        try:
            answer = await self._write("editMessageText", {"chat_id": chat, "message_id": int(reply_id), "text": text})
        except Refused as error:
            if UNCHANGED not in error.reason:
                raise
            return Posted(reply_id, self._now())
        return self._posted(answer.parse(Sent).result)

    async def delete(self, mention: Mention, reply_id: str) -> None:
        chat, _ = _address(mention)
        try:
            await self._write("deleteMessage", {"chat_id": chat, "message_id": int(reply_id)})
        except (Refused, Gone) as error:
            if ABSENT not in error.reason:
                raise

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _updates(self, offset: int) -> list[Any]:
        asked = {"offset": offset, "limit": MOST, "timeout": 0, "allowed_updates": WANTED}
        answer = await self._door.read(Ask("POST", f"{self._base}/getUpdates", json=asked))
        return answer.parse(Updates).result

    async def _write(self, method: str, said: dict[str, Any]) -> Answer:
        return await self._door.write(Ask("POST", f"{self._base}/{method}", json=said))

    def _posted(self, message: Message) -> Posted:
        return Posted(str(message.message_id), datetime.fromtimestamp(message.date, UTC), message.url)

    def _learned(self, state: Cursor, said: list[Message]) -> tuple[Cursor, list[str]]:
        """What the messages tell about the groups, and what staff are told of it."""
        moved, channels, notes = set(state.moved), set(state.channels), list[str]()
        for one in said:
            if not self._is_wanted(one.chat, moved):
                continue
            channels |= one.channel | (one.parent.channel if one.parent else set())
            if one.moved is not None:
                moved.add(one.moved)
                notes.append(f"{CARD.title}: the group {one.chat.id} is {one.moved} now; name that in its `chats`")
        return state.model_copy(update={"moved": frozenset(moved), "channels": frozenset(channels)}), notes

    def _is_wanted(self, chat: Room, moved: Collection[int]) -> bool:
        return chat.id in moved or bool({str(chat.id), chat.username.lower()} & self._chats)

    def _is_foreign(self, message: Message, state: Cursor) -> bool:
        by_bot = message.sender is not None and str(message.sender.id) == self.account
        by_channel = message.sender_chat is not None and message.sender_chat.id in state.channels
        wanted = self._is_wanted(message.chat, state.moved) and bool(message.words)
        return wanted and not (message.by_the_brand or by_bot or by_channel)

    def _mention(self, message: Message) -> Mention:
        parent = message.parent.message_id if message.parent else message.thread
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, f"{message.chat.id}/{message.message_id}"),
            source=self._source,
            kind=message.kind,
            title=tidy(message.chat.title),
            text=message.words,
            author=message.author,
            url=message.url,
            published_at=datetime.fromtimestamp(message.date, UTC),
            parent_id=f"{message.chat.id}/{parent}" if parent else "",
            raw=scrubbed(message.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        )


def _understood(raw: list[Any]) -> tuple[list[Update], str]:
    """An update of a new kind is passed over and told: it would come again for ever, and hold up those after it."""
    try:
        return readable(raw, Update, CARD.title)
    except BadAnswer as error:
        if not list(_numbers(raw)):
            raise
        return [], error.reason


def _numbers(raw: Iterable[Any]) -> Iterable[int]:
    """Of unreadable updates too: Telegram gives them again until they are passed."""
    return (one["update_id"] for one in raw if isinstance(one, dict) and isinstance(one.get("update_id"), int))


def _address(mention: Mention) -> tuple[int, int]:
    chat, _, message = mention.key.external_id.partition("/")
    return int(chat), int(message)
