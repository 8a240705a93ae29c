"""The people's side: what staff and clients do in their own Telegram."""

import base64
import re
import secrets
from collections.abc import Callable
from typing import Any

from sandbox.telegram import entities, images, topics
from sandbox.telegram.entities import MAX_CAPTION, MAX_TEXT, Formatted
from sandbox.telegram.shapes import inaccessible, message_json, post_service, publish
from sandbox.telegram.state import (
    ANONYMOUS,
    PRESENT,
    Bot,
    Callback,
    Chat,
    File,
    Member,
    Message,
    User,
    World,
)

OWNER_RIGHTS = {"can_manage_topics": True, "can_pin_messages": True, "can_delete_messages": True}
POST_LINK = re.compile(r"https?://t\.me/(?:c/(?P<hidden>\d+)|(?P<name>\w+))/(?P<post>\d+)$")
Document = dict[str, Any]  # {"name", "data": bytes or base64, or "text", and "mime"}


class People:
    """Every method raises ValueError where a person could not do it in Telegram either."""

    def __init__(
        self,
        notify: Callable[[], None],
        now: Callable[[], float],
        limits: tuple[int, int, float],
        webhook_retry: float,
    ) -> None:
        self.world = World(notify, now, *limits)
        self._webhook_retry = webhook_retry

    # The world before anything happens.

    def add_bot(self, token: str, username: str) -> Bot:
        """The first bot is the desk's; private chats are with it."""
        return self.world.new_bot(token, username, self._webhook_retry)

    def add_user(self, id: int, name: str, username: str | None = None) -> None:
        self.world.users[id] = User(id, name, username)

    def add_group(
        self,
        chat_id: int,
        title: str,
        forum: bool = True,
        bot_admin: bool = True,
        rights: dict[str, bool] | None = None,
    ) -> None:
        """A supergroup (id below -1000000000000) or a basic group, with the first bot in it."""
        kind = "supergroup" if chat_id <= -1_000_000_000_000 else "group"
        if forum and kind == "group":
            raise ValueError("a basic group can have no topics")
        chat = Chat(chat_id, kind, title, forum)
        self.world.chats[chat_id] = chat
        chat.members[self.world.desk.user.id] = _bot_member(self.world.desk, bot_admin, rights)
        self.world.notify()

    def invite_bot(
        self, chat_id: int, admin: bool = True, rights: dict[str, bool] | None = None, bot: str | None = None
    ) -> None:
        """Brings a bot (its user name; the first one by default) in, or back after a kick."""
        chat, who = self.world.chat(chat_id), self._bot(bot)
        self._bot_place(chat, who, _bot_member(who, admin, rights))

    def set_rights(self, chat_id: int, **rights: bool) -> None:
        """Changes single rights of the first bot; it hears of it as my_chat_member."""
        chat, bot = self.world.chat(chat_id), self.world.desk
        old = chat.members[bot.user.id]
        self._bot_place(chat, bot, Member(bot.user, "administrator", old.rights | rights))

    def set_forum(self, chat_id: int, forum: bool) -> None:
        self.world.chat(chat_id).forum = forum
        self.world.notify()

    def join(self, chat_id: int, user_id: int, status: str = "member") -> None:
        self._move(chat_id, user_id, status)

    def leave(self, chat_id: int, user_id: int, status: str = "left") -> None:
        self._move(chat_id, user_id, status)

    def kick_bot(self, chat_id: int) -> None:
        bot = self.world.desk
        self._bot_place(self.world.chat(chat_id), bot, Member(bot.user, "kicked"))

    def block_bot(self, user_id: int) -> None:
        self._shut(user_id, "bot was blocked by the user", "kicked")

    def unblock_bot(self, user_id: int) -> None:
        self._shut(user_id, "", "member")

    def deactivate(self, user_id: int) -> None:
        self.world.private(user_id).shut = "user is deactivated"

    def migrate(self, old_id: int, new_id: int, forum: bool = True) -> None:
        """The group becomes a supergroup with a new id; topics and messages do not move along."""
        old = self.world.chat(old_id)
        new = Chat(new_id, "supergroup", old.title, forum, dict(old.members))
        self.world.chats[new_id] = new
        by = next((one.user for one in old.members.values() if not one.user.is_bot), self.world.desk.user)
        post_service(self.world, old, by, {"migrate_to_chat_id": new_id}, None)
        post_service(self.world, new, by, {"migrate_from_chat_id": old_id}, None)
        old.migrated_to = new_id

    # What people do.

    def start(self, user_id: int) -> int:
        """Presses Start in the private chat with the bot; before that the bot may not write there."""
        return self.write(user_id, user_id, "/start")

    def write(
        self,
        user_id: int,
        chat_id: int,
        text: str,
        thread_id: int | None = None,
        reply_to: int | None = None,
        document: Document | None = None,
        photo: bytes | str | None = None,
    ) -> int:
        """Writes a message; with a document or a photo the text is its caption. Returns its id."""
        chat, user = self._present(chat_id, user_id)
        file = self._file(document, photo)
        return self._say(chat, user, text, thread_id, reply_to=reply_to, file=file)

    def anonymous_write(self, chat_id: int, text: str, thread_id: int | None = None) -> int:
        """An administrator who hides: the bot sees the group, not the person."""
        chat = self.world.chat(chat_id)
        return self._say(chat, self.world.users[ANONYMOUS], text, thread_id, sender_chat=chat)

    def forward(
        self,
        user_id: int,
        chat_id: int,
        text: str,
        origin_name: str | None = None,
        origin_url: str | None = None,
        thread_id: int | None = None,
    ) -> int:
        """Forwards a text: from a channel (`origin_url` is its t.me post), from a hidden person, or their own."""
        chat, user = self._present(chat_id, user_id)
        return self._say(chat, user, text, thread_id, origin=self._origin(user, origin_name, origin_url))

    def edit(self, user_id: int, chat_id: int, message_id: int, text: str) -> None:
        message = self._message(chat_id, message_id)
        if message.sender.id != user_id or message.kind == "service" or message.origin:
            raise ValueError("people edit only their own messages")
        body = _typed(text, message.file)
        if body == message.body:
            return
        message.body, message.edit_date = body, int(self.world.now())
        self.world.notify()
        publish(self.world, "edited_message", message)

    def delete(self, chat_id: int, message_id: int) -> None:
        """A message vanishes; bots are not told."""
        self._message(chat_id, message_id)
        self.world.chat(chat_id).forget(message_id)
        self.world.notify()

    def press(
        self,
        user_id: int,
        chat_id: int,
        message_id: int,
        data: str,
        forged: bool = False,
        stale: bool = False,
    ) -> str:
        """Presses a button and returns the callback id.

        The data must be on the message's keyboard now; `stale` presses what an old screen still shows,
        `forged` what was never there. A press on a deleted message carries it as inaccessible (date 0).
        """
        chat, user = self._present(chat_id, user_id)
        message = chat.messages.get(message_id) or chat.deleted.get(message_id)
        if message is None:
            raise ValueError(f"no message {message_id}")
        if not (forged or stale or _has_button(message, data)):
            raise ValueError(f"no button {data!r} on message {message_id}")
        owner = next((bot for bot in self.world.bots.values() if bot.user is message.sender), self.world.desk)
        return self._press(owner, user, chat, message, data)

    def answer_of(self, callback_id: str) -> dict[str, Any] | None:
        """{"text", "show_alert"} the bot answered a press with, None while it has not."""
        return self.world.callbacks[callback_id].answer

    def create_topic(self, user_id: int, chat_id: int, name: str) -> int:
        chat, user = self._present(chat_id, user_id)
        if not chat.forum:
            raise ValueError("the chat has no topics")
        return topics.open_topic(self.world, chat, user, topics.clean_name(name), topics.COLORS[0]).id

    def close_topic(self, user_id: int, chat_id: int, thread_id: int, closed: bool = True) -> None:
        chat, user = self._present(chat_id, user_id)
        topics.set_closed(self.world, chat, user, chat.topics[thread_id], closed)

    def delete_topic(self, chat_id: int, thread_id: int) -> None:
        chat = self.world.chat(chat_id)
        if thread_id not in chat.topics:
            raise ValueError(f"no topic {thread_id}")
        topics.drop_topic(self.world, chat, thread_id)

    def redeliver(self, update_id: int) -> None:
        """Sends the same update to the bot again, as after a crash between handling and confirming."""
        self.world.desk.updates.again(update_id)

    # The small print.

    def _say(
        self, chat: Chat, user: User, text: str, thread_id: int | None, file: File | None = None, **fields: Any
    ) -> int:
        self._check_thread(chat, user, thread_id)
        answered = fields.get("reply_to")
        if answered is not None and answered not in chat.messages:
            raise ValueError(f"no message {answered} to reply to")
        kind = "text" if file is None else "photo" if file.width else "document"
        thread = thread_id if chat.forum else None
        body = _typed(text, file)
        message = self.world.post(chat, user, kind=kind, body=body, thread_id=thread, file=file, **fields)
        publish(self.world, "message", message)
        return message.id

    def _check_thread(self, chat: Chat, user: User, thread_id: int | None) -> None:
        if thread_id is None:
            return
        topic = chat.topics.get(thread_id)
        if topic is None:
            raise ValueError(f"no topic {thread_id}")
        member = chat.members.get(user.id)
        rules = user.id == ANONYMOUS or (member and member.status in ("creator", "administrator"))
        if topic.closed and not rules:
            raise ValueError("the topic is closed")

    def _press(self, owner: Bot, user: User, chat: Chat, message: Message, data: str) -> str:
        callback = Callback(str(secrets.randbits(62)), owner, user, self.world.now())
        self.world.callbacks[callback.id] = callback
        here = message.id in chat.messages
        query = {
            "id": callback.id,
            "from": user.json(),
            "chat_instance": str(abs(chat.id) * 31),
            "data": data,
            "message": message_json(message) if here else inaccessible(chat, message.id),
        }
        owner.updates.add("callback_query", query)
        return callback.id

    def _present(self, chat_id: int, user_id: int) -> tuple[Chat, User]:
        user = self.world.users.get(user_id)
        if user is None:
            raise ValueError(f"no user {user_id}")
        if chat_id == user_id:
            return self.world.private(user_id), user
        chat = self.world.chat(chat_id)
        if chat.place(user_id) is None:
            raise ValueError(f"{user.name} is not in {chat.title}")
        return chat, user

    def _message(self, chat_id: int, message_id: int) -> Message:
        found = self.world.chat(chat_id).messages.get(message_id)
        if found is None:
            raise ValueError(f"no message {message_id}")
        return found

    def _file(self, document: Document | None, photo: bytes | str | None) -> File | None:
        if photo is not None:
            picture = _bytes(photo)
            return self.world.keep("photo.png", "image/png", picture, *images.size(picture))
        if document is None:
            return None
        raw = document["text"].encode() if "text" in document else _bytes(document["data"])
        return self.world.keep(document["name"], document.get("mime", "text/plain"), raw)

    def _origin(self, user: User, name: str | None, url: str | None) -> dict[str, Any]:
        date = int(self.world.now()) - 3600
        if url is not None:
            post = POST_LINK.match(url)
            if post is None:
                raise ValueError("origin_url is the address of a t.me post")
            named = {"username": post["name"]} if post["name"] else {}
            channel_id = int(f"-100{post['hidden'] or 1000000000 + sum(url.encode())}")
            channel = {"id": channel_id, "type": "channel", "title": name or post["name"] or "Channel", **named}
            return {"type": "channel", "date": date, "chat": channel, "message_id": int(post["post"])}
        if name is not None:
            return {"type": "hidden_user", "date": date, "sender_user_name": name}
        return {"type": "user", "date": date, "sender_user": user.json()}

    def _bot(self, username: str | None) -> Bot:
        found = [one for one in self.world.bots.values() if username in (None, one.user.username)]
        if not found:
            raise ValueError(f"no bot {username}")
        return found[0]

    def _move(self, chat_id: int, user_id: int, status: str) -> None:
        """Someone's place changes; bots that named chat_member and are administrators hear of it."""
        if status not in (*PRESENT, "left", "kicked"):
            raise ValueError(f"no status {status!r}")
        chat, user = self.world.chat(chat_id), self.world.users[user_id]
        old = chat.members.get(user_id) or Member(user, "left")
        new = Member(user, status, dict(OWNER_RIGHTS) if status == "administrator" else {})
        chat.members[user_id] = new
        self.world.notify()
        for bot in self.world.bots_in(chat):
            if chat.members[bot.user.id].status == "administrator":
                bot.updates.add("chat_member", self._change(chat, user, old, new))

    def _bot_place(self, chat: Chat, bot: Bot, new: Member) -> None:
        old = chat.members.get(bot.user.id) or Member(bot.user, "left")
        chat.members[bot.user.id] = new
        by = next((one.user for one in chat.members.values() if not one.user.is_bot), bot.user)
        bot.updates.add("my_chat_member", self._change(chat, by, old, new))
        self.world.notify()

    def _shut(self, user_id: int, reason: str, status: str) -> None:
        chat, bot = self.world.private(user_id), self.world.desk
        chat.shut = reason
        self._bot_place(chat, bot, Member(bot.user, status))

    def _change(self, chat: Chat, by: User, old: Member, new: Member) -> dict[str, Any]:
        return {
            "chat": chat.json(),
            "from": by.json(),
            "date": int(self.world.now()),
            "old_chat_member": old.json(),
            "new_chat_member": new.json(),
        }


def _bot_member(bot: Bot, admin: bool, rights: dict[str, bool] | None) -> Member:
    given = dict(OWNER_RIGHTS) if rights is None else dict(rights)
    return Member(bot.user, "administrator" if admin else "member", given if admin else {})


def _bytes(data: bytes | str) -> bytes:
    """The page can send no bytes in JSON: text there is base64."""
    return base64.b64decode(data, validate=True) if isinstance(data, str) else data


def _typed(text: str, file: File | None) -> Formatted:
    body = entities.typed(text)
    if not body.text and file is None:
        raise ValueError("nobody can send an empty message")
    if len(body.text) > (MAX_CAPTION if file else MAX_TEXT):
        raise ValueError("the text is too long for one message")
    return body


def _has_button(message: Message, data: str) -> bool:
    return any(one.get("callback_data") == data for row in message.rows for one in row)
