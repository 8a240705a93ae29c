"""Telegram: what people write in the brand's own groups and under its channel's posts, answered by the brand's bot."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, SecretStr, field_validator

from collectors.answers import Answer, Maker, Verdict, gone, later, lost, needs_login, refused
from collectors.http import Ask, Door, Now
from collectors.links import NUMBER, link_to, only
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
"""Updates of one call (Bot API: getUpdates, limit)."""
CALLS = 10
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


class Message(BaseModel):
    message_id: int
    date: int = Field(ge=0, le=253_402_300_799)
    chat: Room
    sender: Person | None = Field(None, alias="from")
    sender_chat: Room | None = None
    text: str = ""
    caption: str = ""
    thread: int | None = Field(None, alias="message_thread_id")
    automatic: bool = Field(False, alias="is_automatic_forward")
    parent: Parent | None = Field(None, alias="reply_to_message")

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
        number = str(self.chat.id).removeprefix("-100")
        return f"https://t.me/{self.chat.username or f'c/{number}'}/{self.message_id}"


class Update(BaseModel):
    update_id: int
    message: Message | None = None
    edited: Message | None = Field(None, alias="edited_message")


class Updates(BaseModel):
    result: list[Any]


class Sent(BaseModel):
    result: Message


class Cursor(BaseModel):
    """The update to go on with: asking for it tells Telegram that those before it are stored."""

    offset: int = 0


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
        state = Cursor.model_validate_json(cursor) if cursor else Cursor()
        offset, notes, mentions = state.offset, set[str](), dict[str, Mention]()
        for _ in range(CALLS):
            raw = await self._updates(offset)
            updates, note = _understood(raw)
            notes.add(note)
            mentions |= {m.key.external_id: m for m in self._mentions(updates)}
            offset = max([offset, *(number + 1 for number in _numbers(raw))])
            if len(raw) < MOST:
                break
        fresh = [m for m in mentions.values() if cursor or (m.published_at or since) >= since]
        return Batch(fresh, Cursor(offset=offset).model_dump_json(), "; ".join(sorted(filter(None, notes))))

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

    def _mentions(self, updates: Iterable[Update]) -> Iterable[Mention]:
        for update in updates:
            message = update.edited or update.message
            if message is not None and self._is_foreign(message):
                yield self._mention(message)

    def _is_foreign(self, message: Message) -> bool:
        wanted = {str(message.chat.id), message.chat.username.lower()} & self._chats
        own = message.by_the_brand or (message.sender is not None and str(message.sender.id) == self.account)
        return bool(wanted and message.words) and not own

    def _mention(self, message: Message) -> Mention:
        by = message.sender or Person(id=0)
        parent = message.parent.message_id if message.parent else message.thread
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, f"{message.chat.id}/{message.message_id}"),
            source=self._source,
            kind=message.kind,
            title=tidy(message.chat.title),
            text=message.words,
            author=Author(
                id=str(by.id),
                name=by.name,
                url=f"https://t.me/{by.username}" if by.username else "",
                kind="bot" if by.is_bot else "",
            ),
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
