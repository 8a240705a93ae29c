"""The world the bot lives in: people, chats, topics, messages, files."""

import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sandbox.telegram.budget import Budget
from sandbox.telegram.entities import Entity, Formatted
from sandbox.telegram.errors import bad, forbidden, migrated
from sandbox.telegram.updates import Updates

GENERAL = 1  # the General topic; the Bot API never accepts it as message_thread_id
ANONYMOUS = 1087968824  # @GroupAnonymousBot: how anonymous administrators write
FIRST_MESSAGE = 2  # id 1 is the service message about the chat's own creation
ADMIN_RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories",
    "can_delete_stories", "can_pin_messages", "can_manage_topics", "can_send_welcome_messages",
)  # fmt: skip
RESTRICTIONS = (
    "can_send_messages", "can_send_audios", "can_send_documents", "can_send_photos", "can_send_videos",
    "can_send_video_notes", "can_send_voice_notes", "can_send_polls", "can_send_other_messages",
    "can_add_web_page_previews", "can_react_to_messages", "can_edit_tag", "can_change_info", "can_invite_users",
    "can_pin_messages", "can_manage_topics",
)  # fmt: skip
PRESENT = ("creator", "administrator", "member", "restricted")


@dataclass(slots=True, eq=False)
class User:
    id: int
    name: str
    username: str | None = None
    is_bot: bool = False

    def json(self) -> dict[str, Any]:
        known: dict[str, Any] = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        return known | ({"username": self.username} if self.username else {})


@dataclass(slots=True, eq=False)
class Bot:
    token: str
    user: User
    updates: Updates
    budget: Budget
    commands: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Member:
    """A person's or a bot's place in a chat; `status` as getChatMember names it."""

    user: User
    status: str = "member"
    rights: dict[str, bool] = field(default_factory=dict)

    def can(self, right: str) -> bool:
        return self.status == "creator" or (self.status == "administrator" and self.rights.get(right, False))

    def json(self) -> dict[str, Any]:
        known: dict[str, Any] = {"status": self.status, "user": self.user.json()}
        if self.status == "creator":
            known["is_anonymous"] = False
        elif self.status == "administrator":
            known |= {right: self.rights.get(right, right == "can_manage_chat") for right in ADMIN_RIGHTS}
            known |= {"can_be_edited": False, "is_anonymous": False}
        elif self.status == "restricted":
            known |= dict.fromkeys(RESTRICTIONS, False) | {"is_member": True, "until_date": 0}
        elif self.status == "kicked":
            known["until_date"] = 0
        return known


@dataclass(slots=True, eq=False)
class Topic:
    id: int
    name: str
    icon_color: int
    creator: int
    icon: str = ""  # custom emoji id
    closed: bool = False

    def json(self) -> dict[str, Any]:
        known = {"message_thread_id": self.id, "name": self.name, "icon_color": self.icon_color}
        return known | ({"icon_custom_emoji_id": self.icon} if self.icon else {})


@dataclass(slots=True, eq=False)
class File:
    """Bytes somebody sent; kept in memory as long as the process."""

    id: str
    name: str
    mime: str
    data: bytes = field(repr=False)
    path: str
    width: int = 0
    height: int = 0

    def json(self) -> dict[str, Any]:
        known: dict[str, Any] = {"file_id": self.id, "file_unique_id": f"u{self.id}", "file_size": len(self.data)}
        if self.width:
            return known | {"width": self.width, "height": self.height}
        return known | {"file_name": self.name, "mime_type": self.mime}


@dataclass(slots=True, eq=False)
class Message:
    """One message. `kind`: text, document, photo or service; `body` is its text or caption."""

    id: int
    chat: "Chat"
    sender: User
    date: int
    kind: str = "text"
    body: Formatted = field(default_factory=Formatted)
    thread_id: int | None = None
    reply_to: int | None = None
    quote: str = ""
    rows: list[list[dict[str, Any]]] = field(default_factory=list)
    file: File | None = None
    service: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    sender_chat: "Chat | None" = None
    edit_date: int = 0
    pinned: bool = False
    reactions: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Chat:
    id: int
    kind: str  # private, group or supergroup
    title: str
    forum: bool = False
    members: dict[int, Member] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    deleted: dict[int, Message] = field(default_factory=dict)
    pins: list[int] = field(default_factory=list)
    last_id: int = FIRST_MESSAGE - 1
    migrated_to: int | None = None
    shut: str = ""  # private chats: why the bot may not write

    def json(self) -> dict[str, Any]:
        known: dict[str, Any] = {"id": self.id, "type": self.kind}
        if self.kind == "private":
            user = self.members[self.id].user
            return known | {"first_name": user.name} | ({"username": user.username} if user.username else {})
        return known | {"title": self.title} | ({"is_forum": True} if self.forum else {})

    def place(self, user_id: int) -> Member | None:
        member = self.members.get(user_id)
        return member if member and member.status in PRESENT else None

    def forget(self, message_id: int) -> None:
        message = self.messages.pop(message_id)
        self.deleted[message_id] = message
        if message_id in self.pins:
            self.pins.remove(message_id)


@dataclass(slots=True, eq=False)
class Callback:
    id: str
    bot: Bot
    user: User
    at: float
    answer: dict[str, Any] | None = None


@dataclass(slots=True)
class Typing:
    chat_id: int
    thread_id: int | None
    until: float


class World:
    """All state of the Telegram face, and the few rules that keep it whole."""

    def __init__(
        self,
        notify: Callable[[], None],
        now: Callable[[], float],
        group_per_minute: int,
        per_second: int,
        minute: float,
    ) -> None:
        self.notify = notify
        self.now = now
        self.bots: dict[str, Bot] = {}
        self.users: dict[int, User] = {
            ANONYMOUS: User(ANONYMOUS, "Group", "GroupAnonymousBot", is_bot=True),
        }
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, File] = {}
        self.callbacks: dict[str, Callback] = {}
        self.typing: list[Typing] = []
        self.alerts: deque[dict[str, Any]] = deque(maxlen=200)
        self._limits = (group_per_minute, per_second)
        self._minute = minute

    def new_bot(self, token: str, username: str, webhook_retry: float) -> Bot:
        user = User(int(token.split(":")[0]), username, username, is_bot=True)
        budget = Budget(*self._limits, self.now, self._minute)
        bot = Bot(token, user, Updates(self.now, webhook_retry), budget)
        self.bots[token] = bot
        self.users[user.id] = user
        return bot

    @property
    def desk(self) -> Bot:
        """The first bot: the one private chats and set-up calls are about."""
        if not self.bots:
            raise ValueError("add a bot first")
        return next(iter(self.bots.values()))

    def user_json(self, user_id: int) -> dict[str, Any] | None:
        user = self.users.get(user_id)
        return user.json() if user else None

    def chat(self, chat_id: int) -> Chat:
        """Raises ValueError for a chat nobody added."""
        if chat_id not in self.chats:
            raise ValueError(f"no chat {chat_id}")
        return self.chats[chat_id]

    def reach(self, bot: Bot, chat_id: int) -> Chat:
        """The chat, if this bot may act in it.

        Raises ApiError 400 "chat not found", 400 with migrate_to_chat_id, 403 when it was thrown out.
        """
        chat = self.chats.get(chat_id)
        if chat and chat.migrated_to:
            raise migrated(chat.migrated_to)
        if chat and chat.kind == "private":
            return self._reach_private(bot, chat)
        if chat is None and chat_id in self.users and not self.users[chat_id].is_bot:
            raise forbidden("bot can't initiate conversation with a user")
        member = chat.members.get(bot.user.id) if chat else None
        if chat is None or member is None:
            raise bad("chat not found")
        if member.status == "kicked":
            raise forbidden(f"bot was kicked from the {chat.kind} chat")
        if member.status == "left":
            raise forbidden(f"bot is not a member of the {chat.kind} chat")
        return chat

    def _reach_private(self, bot: Bot, chat: Chat) -> Chat:
        if bot is not self.desk:
            raise forbidden("bot can't initiate conversation with a user")
        if chat.shut:
            raise forbidden(chat.shut)
        return chat

    def private(self, user_id: int) -> Chat:
        """The person's chat with the first bot, made on first use."""
        if user_id not in self.chats:
            user, bot = self.users[user_id], self.desk.user
            members = {user.id: Member(user), bot.id: Member(bot)}
            self.chats[user_id] = Chat(user_id, "private", user.name, members=members)
        return self.chats[user_id]

    def bots_in(self, chat: Chat) -> Iterator[Bot]:
        return (bot for bot in self.bots.values() if chat.place(bot.user.id))

    def post(self, chat: Chat, sender: User, **fields: Any) -> Message:
        chat.last_id += 1
        message = Message(chat.last_id, chat, sender, int(self.now()), **fields)
        chat.messages[message.id] = message
        self.typing = [one for one in self.typing if (one.chat_id, one.thread_id) != (chat.id, message.thread_id)]
        self.notify()
        return message

    def keep(self, name: str, mime: str, data: bytes, width: int = 0, height: int = 0) -> File:
        number = len(self.files) + 1
        folder = "photos" if width else "documents"
        ending = name.rpartition(".")[2] if "." in name else "bin"
        path = f"{folder}/file_{number}.{ending}"
        file = File(f"F{number}-{secrets.token_urlsafe(12)}", name, mime, data, path, width, height)
        self.files[file.id] = file
        return file

    def right(self, bot: Bot, chat: Chat, right: str) -> bool:
        member = chat.place(bot.user.id)
        return member is not None and member.can(right)


def entity_texts(message: Message, kind: str) -> list[str]:
    """The pieces of a message's text that carry one kind of entity."""
    units = message.body.text.encode("utf-16-le")
    return [_piece(units, one) for one in message.body.entities if one["type"] == kind]


def _piece(units: bytes, one: Entity) -> str:
    return units[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode("utf-16-le")
