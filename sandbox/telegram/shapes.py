"""Messages and chats as the Bot API writes them, and who of the bots hears of them."""

from typing import Any

from sandbox.telegram.state import RESTRICTIONS, Bot, Chat, Message, World, entity_texts


def message_json(message: Message, nested: bool = False) -> dict[str, Any]:
    """A Message object. A nested one (what is replied to) carries no further reply, as on the server."""
    out: dict[str, Any] = {
        "message_id": message.id,
        "from": message.sender.json(),
        "chat": message.chat.json(),
        "date": message.date,
        **_thread(message),
        **_content(message),
    }
    if message.sender_chat:
        out["sender_chat"] = message.sender_chat.json()
    if message.edit_date:
        out["edit_date"] = message.edit_date
    if message.origin:
        out["forward_origin"] = message.origin
    if message.rows:
        out["reply_markup"] = {"inline_keyboard": message.rows}
    return out if nested else out | _reply(message)


def _thread(message: Message) -> dict[str, Any]:
    if message.thread_id:
        return {"message_thread_id": message.thread_id, "is_topic_message": True}
    if message.reply_to and message.chat.kind == "supergroup":
        return {"message_thread_id": _root(message)}
    return {}


def _root(message: Message) -> int:
    """Outside topics a chain of replies is a thread too, named by its first message."""
    known = message.chat.messages | message.chat.deleted
    seen = message
    while seen.reply_to and seen.reply_to in known:
        seen = known[seen.reply_to]
    return seen.id if seen is not message else message.reply_to or message.id


def _content(message: Message) -> dict[str, Any]:
    if message.kind == "service":
        return _service(message)
    name = "text" if message.kind == "text" else "caption"
    marks = "entities" if message.kind == "text" else "caption_entities"
    out: dict[str, Any] = {}
    if message.file:
        media = message.file.json()
        out[message.kind] = [media] if message.kind == "photo" else media
    if message.body.text:
        out[name] = message.body.text
    if message.body.entities:
        out[marks] = list(message.body.entities)
    return out


def _service(message: Message) -> dict[str, Any]:
    kind, value = next(iter(message.service.items()))
    if kind != "pinned_message":
        return {kind: value}
    pinned = message.chat.messages.get(value)
    return {kind: message_json(pinned, nested=True) if pinned else inaccessible(message.chat, value)}


def _reply(message: Message) -> dict[str, Any]:
    """In a topic a message that replies to nothing "replies" to the topic's creation."""
    target = message.reply_to or (message.thread_id if message.thread_id != message.id else None)
    found = message.chat.messages.get(target or 0)
    if not found:
        return {}
    out: dict[str, Any] = {"reply_to_message": message_json(found, nested=True)}
    if message.quote:
        out["quote"] = {"text": message.quote, "position": found.body.text.find(message.quote), "is_manual": True}
    return out


def inaccessible(chat: Chat, message_id: int) -> dict[str, Any]:
    return {"chat": chat.json(), "message_id": message_id, "date": 0}


def full_chat(chat: Chat) -> dict[str, Any]:
    """A ChatFullInfo object with the fields every client library requires."""
    out = chat.json() | {
        "accent_color_id": abs(chat.id) % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": {
            "unlimited_gifts": False,
            "limited_gifts": False,
            "unique_gifts": False,
            "premium_subscription": False,
            "gifts_from_channels": False,
        },
    }
    if chat.kind != "private":
        out["permissions"] = dict.fromkeys(RESTRICTIONS[:10], True)
    if chat.pins:
        out["pinned_message"] = message_json(chat.messages[chat.pins[-1]], nested=True)
    return out


def publish(world: World, kind: str, message: Message) -> None:
    """Tells every bot of the chat that may hear this message; ordinary messages of bots are not told."""
    if message.sender.is_bot and message.kind != "service" and not message.sender_chat:
        return
    for bot in world.bots_in(message.chat):
        if hears(bot, message):
            bot.updates.add(kind, message_json(message))


def hears(bot: Bot, message: Message) -> bool:
    """Privacy mode: a bot that is no administrator gets commands, mentions, replies to itself, service messages."""
    member = message.chat.place(bot.user.id)
    if message.chat.kind == "private" or message.kind == "service":
        return True
    if member and member.status == "administrator":
        return True
    answered = message.chat.messages.get(message.reply_to or 0)
    if answered and answered.sender is bot.user:
        return True
    mentions = entity_texts(message, "mention")
    return f"@{bot.user.username}" in mentions or bool(entity_texts(message, "bot_command"))


def post_service(world: World, chat: Chat, by: Any, service: dict[str, Any], thread_id: int | None) -> Message:
    """A service message; unlike a bot's ordinary ones it reaches the bot itself [telegram-bot-api]."""
    message = world.post(chat, by, kind="service", service=service, thread_id=thread_id)
    publish(world, "message", message)
    return message
