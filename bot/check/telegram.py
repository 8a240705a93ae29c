"""Telegram: the bot's identity, and its rights in each room."""

from __future__ import annotations

from aiogram import Bot
from aiogram.enums import ChatMemberStatus
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)

from bot.config import Telegram
from bot.config.crosschecks import RoomUse, each_room
from bot.config.faults import Faults, Where
from bot.net import Way
from bot.telegram import Session

ANSWER = 10
"""Seconds one call may take."""

RIGHTS = {"can_manage_topics": "Manage topics", "can_pin_messages": "Pin messages"}
"""What the bot does in a room, by the right's name in the Bot API and in the app."""


async def connect_telegram(telegram: Telegram, uses: list[RoomUse], way: Way, faults: Faults) -> None:
    session = Session(telegram.api_base, way, timeout=ANSWER)
    async with Bot(telegram.token.get_secret_value(), session=session) as bot:
        await ask_telegram(bot, uses, faults)


async def ask_telegram(bot: Bot, uses: list[RoomUse], faults: Faults) -> None:
    """The bot's identity, then its place in each room of Telegram."""
    try:
        me = await bot.get_me()
    except AiogramError as error:
        faults.add(Where().at("telegram", _telegram_key(error)), *_telegram_said(error, ""))
        return
    for use in each_room(uses, "telegram:"):
        try:
            await _ask_room(bot, me.id, f"@{me.username}", use, faults)
        except AiogramError as error:
            faults.add(use.where, *_telegram_said(error, f"@{me.username}"))


async def _ask_room(bot: Bot, me: int, name: str, use: RoomUse, faults: Faults) -> None:
    number = int(use.room.removeprefix("telegram:"))
    chat = await bot.get_chat(number)
    if use.side == "leads":
        return
    if not chat.is_forum:
        faults.add(use.where, f'"{chat.title}" has no topics', "turn on Topics in the group's settings")
        return
    member = await bot.get_chat_member(number, me)
    wanted = ", ".join(RIGHTS.values())
    if member.status == ChatMemberStatus.ADMINISTRATOR:
        missing = [f"{right} ({shown})" for right, shown in RIGHTS.items() if not getattr(member, right, False)]
        if missing:
            what = f'in "{chat.title}" {name} lacks the right {", ".join(missing)}'
            faults.add(use.where, what, f"give it: {wanted}")
    elif member.status != ChatMemberStatus.CREATOR:
        what = f'in "{chat.title}" {name} is no administrator'
        faults.add(use.where, what, f"make it one, with the rights: {wanted}")


def _telegram_key(error: AiogramError) -> str:
    return "token" if isinstance(error, TelegramUnauthorizedError | TelegramNotFound) else "api_base"


def _telegram_said(error: AiogramError, bot: str) -> tuple[str, str]:
    for kind, sentence in TELEGRAM_SAYS.items():
        if isinstance(error, kind):
            return sentence[0], sentence[1].format(bot=bot)
    if isinstance(error, TelegramMigrateToChat):
        return "the group has become a supergroup", f'write "telegram:{error.migrate_to_chat_id}"'
    if isinstance(error, TelegramAPIError):
        return f"Telegram says: {error.message}", f"check the group's id, and that {bot or 'the bot'} is in it"
    return f"Telegram could not be asked ({type(error).__name__})", "try again later"


TELEGRAM_SAYS: dict[type[AiogramError], tuple[str, str]] = {
    TelegramUnauthorizedError: ("Telegram refuses the token", "copy it again from @BotFather"),
    TelegramNotFound: ("Telegram does not know the token", "copy it again from @BotFather"),
    TelegramNetworkError: ("no answer from the server", "check the network and api_base"),
    TelegramRetryAfter: ("Telegram asks to wait", "try again in a minute"),
    TelegramForbiddenError: (
        "the bot is not in the group",
        "add {bot} as an administrator",
    ),
    ClientDecodeError: (
        "the server's answer is not that of the Bot API",
        "check api_base; update a server of your own",
    ),
}
