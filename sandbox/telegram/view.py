"""What the page draws, and what tests read: chats and messages as plain data."""

from html import escape
from typing import Any

from sandbox.telegram.entities import safe_html
from sandbox.telegram.state import Chat, File, Message, World

# Words for service messages; the page shows them in the middle of the thread.
SERVICE = {
    "forum_topic_created": "topic created: {name}",
    "forum_topic_edited": "topic changed: {name}",
    "forum_topic_closed": "topic closed",
    "forum_topic_reopened": "topic reopened",
    "pinned_message": "message pinned",
    "migrate_to_chat_id": "the group was upgraded",
    "migrate_from_chat_id": "the group was upgraded",
}


def message_view(message: Message) -> dict[str, Any]:
    """One message. `html` is safe to insert; `service` names the kind of a service message, else null."""
    service = next(iter(message.service), None)
    text = _service_text(message) if service else message.body.text
    return {
        "id": message.id,
        "thread_id": message.thread_id,
        "from": {"id": message.sender.id, "name": message.sender.name, "is_bot": message.sender.is_bot},
        "html": escape(text) if service else safe_html(message.body),
        "text": text,
        "date": message.date,
        "edited": bool(message.edit_date),
        "reply_to": message.reply_to,
        "buttons": [[_button(one) for one in row] for row in message.rows],
        "document": _document(message.file),
        "pinned": message.pinned,
        "service": service,
        "reactions": sorted(message.reactions.values()),
        "forwarded": bool(message.origin),
    }


def _service_text(message: Message) -> str:
    kind, value = next(iter(message.service.items()))
    words = SERVICE.get(kind, kind)
    return words.format(name=value.get("name", "")) if "{" in words else words


def _button(raw: dict[str, Any]) -> dict[str, Any]:
    return {"text": raw["text"], "data": raw.get("callback_data"), "url": raw.get("url")}


def _document(file: File | None) -> dict[str, Any] | None:
    if file is None:
        return None
    return {"name": file.name, "url": f"/ui/telegram/file/{file.id}", "mime": file.mime, "size": len(file.data)}


def chat_view(chat: Chat) -> dict[str, Any]:
    return {
        "id": chat.id,
        "title": chat.title,
        "forum": chat.forum,
        "topics": topic_views(chat),
        "messages": [message_view(one) for one in chat.messages.values()],
    }


def topic_views(chat: Chat) -> list[dict[str, Any]]:
    return [
        {"id": one.id, "name": one.name, "closed": one.closed, "icon_color": one.icon_color, "icon": one.icon}
        for one in chat.topics.values()
    ]


def snapshot(world: World) -> dict[str, Any]:
    """All of it; times are Unix seconds."""
    typing = [one for one in world.typing if one.until > world.now()]
    return {
        "chats": [chat_view(one) for one in world.chats.values() if not one.migrated_to],
        "users": [{"id": one.id, "name": one.name} for one in world.users.values() if not one.is_bot],
        "typing": [{"chat_id": one.chat_id, "thread_id": one.thread_id, "until": one.until} for one in typing],
        "alerts": list(world.alerts),
    }
