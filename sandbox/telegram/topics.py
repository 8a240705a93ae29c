"""Forum topics: make, rename, close, reopen, delete."""

from typing import Any

from sandbox.telegram.errors import bad
from sandbox.telegram.params import Params
from sandbox.telegram.shapes import post_service
from sandbox.telegram.state import Bot, Chat, Topic, User, World

MAX_NAME = 128  # Bot API: createForumTopic.name; the server cuts it, it does not refuse
COLORS = (7322096, 16766590, 13338331, 9367192, 16749490, 16478047)  # Bot API: createForumTopic.icon_color
# Custom emoji of getForumTopicIconStickers; ids in the style of the real ones.
ICONS = {
    "5312536423851630001": "💡", "5312016608254762256": "⚡️", "5377544228505134960": "🎙",
    "5418085807791545980": "🔝", "5370870893004203704": "🗣", "5420216386448270341": "🆒",
    "5379748062124056162": "❗️", "5373251851074415873": "📝", "5433614043006903194": "📆",
    "5357315181649076022": "📁", "5309965701241379366": "🔎", "5309984423003823246": "📣",
    "5312241539987020022": "🔥", "5312138559556164615": "❤️", "5377316857231450742": "❓",
    "5350554349074391003": "💻", "5237699328843200968": "✅", "5238156910363950406": "👀",
}  # fmt: skip


def clean_name(raw: str) -> str:
    return " ".join(raw.split())[:MAX_NAME].strip()


def create(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    chat = _forum(world, bot, params)
    if not world.right(bot, chat, "can_manage_topics"):
        raise bad("not enough rights to create a topic")
    name = clean_name(params.text("name"))
    if not name:
        raise bad("Name must be non-empty")
    color = params.number("icon_color") or COLORS[0]
    if color not in COLORS:
        raise bad("invalid icon color specified")
    return open_topic(world, chat, bot.user, name, color, _icon(params)).json()


def open_topic(world: World, chat: Chat, by: User, name: str, color: int, icon: str = "") -> Topic:
    """A topic's id is the id of its first service message."""
    topic = Topic(chat.last_id + 1, name, color, by.id, icon)
    chat.topics[topic.id] = topic
    made = {"name": name, "icon_color": color} | ({"icon_custom_emoji_id": icon} if icon else {})
    post_service(world, chat, by, {"forum_topic_created": made}, topic.id)
    return topic


def edit(world: World, bot: Bot, params: Params) -> bool:
    """Changes name and icon; the colour can never change (Bot API: editForumTopic)."""
    chat, topic = _managed(world, bot, params, "not enough rights to edit the topic")
    changes: dict[str, str] = {}
    if params.text("name"):
        changes["name"] = clean_name(params.text("name"))
        if not changes["name"]:
            raise bad("Name must be non-empty")
    if "icon_custom_emoji_id" in params.values:
        changes["icon_custom_emoji_id"] = _icon(params)
    now = {"name": topic.name, "icon_custom_emoji_id": topic.icon}
    if changes and changes.items() <= now.items():
        raise bad("TOPIC_NOT_MODIFIED")
    if changes:
        topic.name = changes.get("name", topic.name)
        topic.icon = changes.get("icon_custom_emoji_id", topic.icon)
        new = {key: value for key, value in changes.items() if now[key] != value}
        post_service(world, chat, bot.user, {"forum_topic_edited": new}, topic.id)
    return True


def close(world: World, bot: Bot, params: Params) -> bool:
    return _toggle(world, bot, params, closed=True)


def reopen(world: World, bot: Bot, params: Params) -> bool:
    return _toggle(world, bot, params, closed=False)


def _toggle(world: World, bot: Bot, params: Params, closed: bool) -> bool:
    chat, topic = _managed(world, bot, params, "not enough rights to close or open the topic")
    if topic.closed == closed:
        raise bad("TOPIC_NOT_MODIFIED")
    set_closed(world, chat, bot.user, topic, closed)
    return True


def set_closed(world: World, chat: Chat, by: User, topic: Topic, closed: bool) -> None:
    topic.closed = closed
    kind = "forum_topic_closed" if closed else "forum_topic_reopened"
    post_service(world, chat, by, {kind: {}}, topic.id)


def delete(world: World, bot: Bot, params: Params) -> bool:
    chat = _forum(world, bot, params)
    topic = _topic(chat, params)
    if not world.right(bot, chat, "can_delete_messages"):
        raise bad("not enough rights to delete the topic")
    drop_topic(world, chat, topic.id)
    return True


def drop_topic(world: World, chat: Chat, thread_id: int) -> None:
    del chat.topics[thread_id]
    for message in [one for one in chat.messages.values() if one.thread_id == thread_id]:
        chat.forget(message.id)
    world.notify()


def icon_stickers(world: World, bot: Bot, params: Params) -> list[dict[str, Any]]:
    return [_sticker(emoji_id, emoji) for emoji_id, emoji in ICONS.items()]


def _sticker(emoji_id: str, emoji: str) -> dict[str, Any]:
    return {
        "file_id": f"S{emoji_id}",
        "file_unique_id": f"uS{emoji_id}",
        "type": "custom_emoji",
        "width": 512,
        "height": 512,
        "is_animated": True,
        "is_video": False,
        "emoji": emoji,
        "set_name": "Topics",
        "custom_emoji_id": emoji_id,
    }


def _forum(world: World, bot: Bot, params: Params) -> Chat:
    chat = world.reach(bot, params.number("chat_id"))
    if not chat.forum:
        raise bad("the chat is not a forum")
    return chat


def _topic(chat: Chat, params: Params) -> Topic:
    topic = chat.topics.get(params.number("message_thread_id"))
    if topic is None:
        raise bad("TOPIC_ID_INVALID")
    return topic


def _managed(world: World, bot: Bot, params: Params, refusal: str) -> tuple[Chat, Topic]:
    """Managing needs can_manage_topics, or the bot made the topic itself."""
    chat = _forum(world, bot, params)
    topic = _topic(chat, params)
    if topic.creator != bot.user.id and not world.right(bot, chat, "can_manage_topics"):
        raise bad(refusal)
    return chat, topic


def _icon(params: Params) -> str:
    icon = params.text("icon_custom_emoji_id")
    if icon and icon not in ICONS:
        raise bad("DOCUMENT_INVALID")
    return icon
