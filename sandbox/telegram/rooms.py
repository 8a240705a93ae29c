"""Methods about the bot itself, chats and members, and how updates are fetched."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sandbox.telegram.errors import bad
from sandbox.telegram.params import Params
from sandbox.telegram.shapes import full_chat
from sandbox.telegram.state import Bot, Member, World
from sandbox.telegram.updates import Webhook

WEBHOOK_PORTS = (443, 80, 88, 8443)  # Bot API: setWebhook
LOCAL = ("127.0.0.1", "localhost")
SECRET = re.compile(r"[A-Za-z0-9_-]*")
COMMAND = re.compile(r"[a-z0-9_]{1,32}")


def get_me(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    return bot.user.json() | {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def get_chat(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    return full_chat(world.reach(bot, params.number("chat_id")))


def get_member(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    """Guaranteed for others only when the bot is an administrator (Bot API: getChatMember)."""
    chat = world.reach(bot, params.number("chat_id"))
    user = world.users.get(params.number("user_id"))
    if user is None:
        raise bad("user not found")
    me = chat.members[bot.user.id]
    if user is not bot.user and chat.kind != "private" and me.status not in ("administrator", "creator"):
        raise bad("member list is inaccessible")
    return (chat.members.get(user.id) or Member(user, "left")).json()


def get_administrators(world: World, bot: Bot, params: Params) -> list[dict[str, Any]]:
    chat = world.reach(bot, params.number("chat_id"))
    if chat.kind == "private":
        raise bad("there are no administrators in the private chat")
    admins = [one for one in chat.members.values() if one.status in ("creator", "administrator")]
    return [one.json() for one in admins if one.user is bot.user or not one.user.is_bot]


def leave_chat(world: World, bot: Bot, params: Params) -> bool:
    chat = world.reach(bot, params.number("chat_id"))
    if chat.kind == "private":
        raise bad("chat can't be left")
    chat.members[bot.user.id] = Member(bot.user, "left")
    world.notify()
    return True


def set_commands(world: World, bot: Bot, params: Params) -> bool:
    commands = params.objects("commands", "can't parse commands JSON array")
    if len(commands) > 100:  # Bot API: setMyCommands
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for one in commands:
        if not COMMAND.fullmatch(str(one.get("command", "")).removeprefix("/")):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(str(one.get("description", ""))) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    bot.commands = commands
    return True


async def get_updates(world: World, bot: Bot, params: Params, gone: Callable[[], bool]) -> list[dict[str, Any]]:
    bot.updates.name_allowed(params.names("allowed_updates", "can't parse allowed updates list"))
    offset, limit, timeout = (params.number(key) for key in ("offset", "limit", "timeout"))
    return await bot.updates.poll(offset, limit, timeout, gone)


def set_webhook(world: World, bot: Bot, params: Params) -> bool:
    url = params.text("url")
    if not url:
        return delete_webhook(world, bot, params)
    _check_webhook_url(url)
    secret = params.text("secret_token")
    if len(secret) > 256:
        raise bad("secret token is too long")
    if not SECRET.fullmatch(secret):
        raise bad("secret token contains unallowed characters")
    bot.updates.name_allowed(params.names("allowed_updates", "can't parse allowed updates list"))
    if params.flag("drop_pending_updates"):
        bot.updates.drop()
    connections = min(max(params.number("max_connections") or 40, 1), 100)
    bot.updates.set_webhook(Webhook(url, secret, connections))
    return True


def _check_webhook_url(url: str) -> None:
    """HTTPS on four ports. The sandbox has no certificate, so its own machine may listen plainly."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise bad("bad webhook: URL host is empty") from None
    if parts.scheme == "http" and parts.hostname in LOCAL:
        return
    if parts.scheme != "https":
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if port not in WEBHOOK_PORTS:
        raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")


def delete_webhook(world: World, bot: Bot, params: Params) -> bool:
    if params.flag("drop_pending_updates"):
        bot.updates.drop()
    if bot.updates.webhook:
        bot.updates.set_webhook(None)
    return True


def webhook_info(world: World, bot: Bot, params: Params) -> dict[str, Any]:
    hook = bot.updates.webhook
    out: dict[str, Any] = {
        "url": hook.url if hook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(bot.updates.waiting()),
    }
    if bot.updates.named:
        out["allowed_updates"] = bot.updates.named
    if hook:
        out |= {"max_connections": hook.max_connections, "ip_address": "127.0.0.1"}
    if hook and hook.last_error:
        out |= {"last_error_date": hook.last_error_at, "last_error_message": hook.last_error}
    return out
