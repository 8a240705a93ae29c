"""Methods that send, change and remove messages."""

from typing import Any

from sandbox.telegram import entities, images, keyboard
from sandbox.telegram.entities import MAX_CAPTION, MAX_TEXT, Formatted
from sandbox.telegram.errors import bad, not_modified
from sandbox.telegram.params import Params
from sandbox.telegram.shapes import message_json, post_service
from sandbox.telegram.state import GENERAL, Bot, Chat, File, Message, Typing, World

MAX_PHOTO = 10 * 1024 * 1024  # Bot API: sendPhoto
DELETABLE = 48 * 3600  # Bot API: deleteMessage, seconds
TYPING_SECONDS = 5  # Bot API: sendChatAction
ACTIONS = (
    "typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice",
    "upload_document", "choose_sticker", "find_location", "record_video_note", "upload_video_note",
)  # fmt: skip
# Bot API: ReactionTypeEmoji.emoji
REACTIONS = (
    "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 🌚 🌭 💯 🤣 ⚡ "
    "🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ "
    "💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡"
)


def send_message(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    return _send(world, bot, params, body=_text(world, params))


def send_document(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    return _send(world, bot, params, kind="document", body=_caption(world, params), file=_document(world, params))


def send_photo(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    return _send(world, bot, params, kind="photo", body=_caption(world, params), file=_photo(world, params))


def copy_message(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    source = _source(world, bot, params, "copied", "copy")
    body = _caption(world, params) if "caption" in params.values and source.file else source.body
    sent = _send(world, bot, params, kind=source.kind, body=body, file=source.file)
    return {"message_id": sent["message_id"]}


def forward_message(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    source = _source(world, bot, params, "forwarded", "forward")
    origin = source.origin or {"type": "user", "date": source.date, "sender_user": source.sender.json()}
    return _send(world, bot, params, kind=source.kind, body=source.body, file=source.file, origin=origin)


def _send(world: World, bot: Bot, params: Params, **fields: Any) -> dict[str, Any]:
    chat = world.reach(bot, params.number("chat_id"))
    markup = keyboard.read(params, private=chat.kind == "private")
    thread = thread_of(world, bot, chat, params.number("message_thread_id"))
    answered, quote = _answered(chat, params)
    if answered and thread is None and chat.forum:
        thread = thread_of(world, bot, chat, answered.thread_id or 0)
    reply = {"reply_to": answered.id if answered else None, "quote": quote}
    return message_json(world.post(chat, bot.user, rows=markup.rows, thread_id=thread, **reply, **fields))


def thread_of(world: World, bot: Bot, chat: Chat, thread_id: int) -> int | None:
    """The topic to write in; a chat without topics ignores the parameter, as the server does."""
    if not chat.forum or not thread_id:
        return None
    topic = chat.topics.get(thread_id)
    if thread_id == GENERAL or topic is None:
        raise bad("message thread not found")
    if topic.closed and not world.right(bot, chat, "can_manage_topics"):
        raise bad("TOPIC_CLOSED")
    return thread_id


def _answered(chat: Chat, params: Params) -> tuple[Message | None, str]:
    reply = params.object("reply_parameters", "can't parse reply parameters JSON object")
    target = Params(reply).number("message_id") or params.number("reply_to_message_id")
    if not target:
        return None, ""
    found = chat.messages.get(target)
    lenient = bool(reply.get("allow_sending_without_reply")) or params.flag("allow_sending_without_reply")
    if found is None and not lenient:
        raise bad("message to be replied not found")
    quote = str(reply.get("quote") or "")
    if found and quote not in found.body.text:
        raise bad("QUOTE_TEXT_INVALID")
    return found, quote


def _text(world: World, params: Params) -> Formatted:
    raw = params.text("text")
    if not raw:
        raise bad("message text is empty")
    given, mode = params.values.get("entities"), params.text("parse_mode")
    body = entities.formatted(raw, mode, given, world.user_json)
    if not body.text:
        raise bad("text must be non-empty")
    if len(body.text) > MAX_TEXT:
        raise bad("message is too long")
    return body


def _caption(world: World, params: Params) -> Formatted:
    given, mode = params.values.get("caption_entities"), params.text("parse_mode")
    body = entities.formatted(params.text("caption"), mode, given, world.user_json)
    if len(body.text) > MAX_CAPTION:
        raise bad("message caption is too long")
    return body


def _document(world: World, params: Params) -> File:
    sent = params.upload("document")
    if sent is None:
        return _known_file(world, params.text("document"), "document")
    if not sent.data:
        raise bad("file must be non-empty")
    return world.keep(sent.name, sent.mime, sent.data)


def _photo(world: World, params: Params) -> File:
    sent = params.upload("photo")
    if sent is None:
        return _known_file(world, params.text("photo"), "photo")
    if len(sent.data) > MAX_PHOTO:
        raise bad("file is too big")
    width, height = images.size(sent.data)
    if not width or not height:
        raise bad("IMAGE_PROCESS_FAILED")
    if width + height > 10000 or max(width, height) > 20 * min(width, height):
        raise bad("PHOTO_INVALID_DIMENSIONS")
    return world.keep(sent.name, sent.mime, sent.data, width, height)


def _known_file(world: World, sent: str, kind: str) -> File:
    """A file sent before, by its id; the sandbox fetches nothing from the internet."""
    if not sent:
        raise bad(f"there is no {kind} in the request")
    if "://" in sent:
        raise bad("failed to get HTTP URL content")
    if sent not in world.files:
        raise bad("wrong remote file identifier specified: Wrong padding in the string")
    return world.files[sent]


def _source(world: World, bot: Bot, params: Params, done: str, verb: str) -> Message:
    chat = world.reach(bot, params.number("from_chat_id"))
    found = chat.messages.get(params.number("message_id"))
    if found is None:
        raise bad(f"message to {verb} not found")
    if found.kind == "service":
        raise bad(f"message can't be {done}")
    return found


def edit_text(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    body = _text(world, params)
    message = _editable(world, bot, params)
    if message.kind != "text":
        raise bad("there is no text in the message to edit")
    return _edited(world, message, body, params)


def edit_caption(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    body = _caption(world, params)
    message = _editable(world, bot, params)
    if message.kind == "text":
        raise bad("there is no caption in the message to edit")
    return _edited(world, message, body, params)


def edit_markup(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    message = _editable(world, bot, params)
    return _edited(world, message, message.body, params)


def _editable(world: World, bot: Bot, params: Params) -> Message:
    chat = world.reach(bot, params.number("chat_id"))
    if params.number("message_id") <= 0:
        raise bad("message identifier is not specified")
    message = chat.messages.get(params.number("message_id"))
    if message is None:
        raise bad("message to edit not found")
    if message.sender is not bot.user or message.kind == "service" or message.origin:
        raise bad("message can't be edited")
    return message


def _edited(world: World, message: Message, body: Formatted, params: Params) -> dict[str, Any]:
    """Without reply_markup the keyboard goes away, whatever is edited."""
    rows = keyboard.read(params, message.chat.kind == "private", only_inline=True).rows
    if (body, rows) == (message.body, message.rows):
        raise not_modified()
    message.body, message.rows, message.edit_date = body, rows, int(world.now())
    world.notify()
    return message_json(message)


def delete_message(world: World, bot: Bot, params: Params) -> bool:
    chat = world.reach(bot, params.number("chat_id"))
    message = chat.messages.get(params.number("message_id"))
    if message is None:
        raise bad("message to delete not found")
    mine = message.sender is bot.user
    if "forum_topic_created" in message.service or not (mine or world.right(bot, chat, "can_delete_messages")):
        raise bad("message can't be deleted")
    if world.now() - message.date >= DELETABLE:
        raise bad("message can't be deleted for everyone")
    chat.forget(message.id)
    world.notify()
    return True


def pin(world: World, bot: Bot, params: Params) -> bool:
    chat = _pinning(world, bot, params)
    message = chat.messages.get(params.number("message_id"))
    if message is None or message.kind == "service":
        raise bad("message to pin not found")
    if not message.pinned:
        message.pinned = True
        chat.pins.append(message.id)
        post_service(world, chat, bot.user, {"pinned_message": message.id}, message.thread_id)
    return True


def unpin(world: World, bot: Bot, params: Params) -> bool:
    chat = _pinning(world, bot, params)
    target = params.number("message_id") or (chat.pins[-1] if chat.pins else 0)
    if target not in chat.pins:
        raise bad("message to unpin not found")
    chat.pins.remove(target)
    chat.messages[target].pinned = False
    world.notify()
    return True


def _pinning(world: World, bot: Bot, params: Params) -> Chat:
    chat = world.reach(bot, params.number("chat_id"))
    if chat.kind != "private" and not world.right(bot, chat, "can_pin_messages"):
        raise bad("not enough rights to manage pinned messages in the chat")
    return chat


def react(world: World, bot: Bot, params: Params) -> bool:
    chat = world.reach(bot, params.number("chat_id"))
    message = chat.messages.get(params.number("message_id"))
    if message is None:
        raise bad("message to react not found")
    reactions = params.objects("reaction", "can't parse reaction types JSON object")
    if len(reactions) > 1:
        raise bad("REACTIONS_TOO_MANY")
    emoji = [str(one.get("emoji", "")) for one in reactions]
    if any(one not in REACTIONS.split() for one in emoji):
        raise bad("REACTION_INVALID")
    message.reactions.pop(bot.user.id, None)
    if emoji:
        message.reactions[bot.user.id] = emoji[0]
    world.notify()
    return True


def chat_action(world: World, bot: Bot, params: Params) -> bool:
    chat = world.reach(bot, params.number("chat_id"))
    if params.text("action") not in ACTIONS:
        raise bad("wrong parameter action in request")
    thread = thread_of(world, bot, chat, params.number("message_thread_id"))
    world.typing = [one for one in world.typing if (one.chat_id, one.thread_id) != (chat.id, thread)]
    world.typing.append(Typing(chat.id, thread, world.now() + TYPING_SECONDS))
    world.notify()
    return True


def get_file(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    file = world.files.get(params.text("file_id"))
    if file is None:
        raise bad("wrong file_id or the file is temporarily unavailable")
    if len(file.data) > 20 * 1024 * 1024:  # Bot API: getFile
        raise bad("file is too big")
    return {
        "file_id": file.id,
        "file_unique_id": f"u{file.id}",
        "file_size": len(file.data),
        "file_path": file.path,
    }


def answer_callback(world: World, bot: Bot, params: Params, seconds: float) -> bool:
    """The first answer is shown; one later than `seconds` after the press is refused."""
    callback = world.callbacks.get(params.text("callback_query_id"))
    if callback is None or callback.bot is not bot or world.now() - callback.at > seconds:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    text, alert = params.text("text"), params.flag("show_alert")
    if len(text) > 200:  # Bot API: answerCallbackQuery.text
        raise bad("MESSAGE_TOO_LONG")
    if params.text("url"):
        raise bad("URL_INVALID")
    if callback.answer is None:
        callback.answer = {"text": text, "show_alert": alert}
        if text:
            shown = {"user_id": callback.user.id, "text": text, "at": world.now(), "show_alert": alert}
            world.alerts.append(shown)
        world.notify()
    return True
