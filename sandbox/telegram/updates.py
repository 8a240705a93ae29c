"""What waits for a bot: the queue of updates, long polling, and the webhook."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout

from sandbox.telegram.errors import conflict

KEPT_SECONDS = 24 * 3600  # Bot API: updates are kept at most 24 hours
LONGEST_POLL = 50  # telegram-bot-api: seconds
LONGEST_BATCH = 100  # Bot API: getUpdates.limit
SLICE = 0.2  # how often a waiting poll looks whether its client is still there
CALL: dict[str, Any] = {"timeout": ClientTimeout(total=60), "allow_redirects": False}
ALL_KINDS = frozenset({
    "message", "edited_message", "callback_query", "my_chat_member", "chat_member",
    "message_reaction", "message_reaction_count", "channel_post", "edited_channel_post", "inline_query",
    "chosen_inline_result", "shipping_query", "pre_checkout_query", "poll", "poll_answer", "chat_join_request",
    "chat_boost", "removed_chat_boost", "business_connection", "business_message", "edited_business_message",
    "deleted_business_messages", "purchased_paid_media",
})  # fmt: skip
NAMED_ONLY = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
TAKEN_OVER = "terminated by other getUpdates request; make sure that only one bot instance is running"
WEBHOOK_ON = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


@dataclass(slots=True)
class Waiting:
    at: float
    update: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.update["update_id"])


@dataclass(slots=True)
class Webhook:
    url: str
    secret: str = ""
    max_connections: int = 40
    last_error: str = ""
    last_error_at: int = 0
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Updates:
    """One bot's queue. An update stays until a later getUpdates or a 2xx of the webhook confirms it."""

    def __init__(self, now: Callable[[], float], webhook_retry: float) -> None:
        self._now = now
        self._retry = webhook_retry
        self._next_id = 100_001
        self._pending: list[Waiting] = []
        self._again: list[dict[str, Any]] = []
        self._sent: dict[int, dict[str, Any]] = {}
        self._bell = asyncio.Event()
        self._ended = TAKEN_OVER
        self.named: list[str] = []
        self.webhook: Webhook | None = None

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset(self.named) if self.named else ALL_KINDS - NAMED_ONLY

    @property
    def ids(self) -> list[int]:
        """Of all updates there ever were, oldest first; `again` takes them."""
        return list(self._sent)

    def name_allowed(self, kinds: list[str] | None) -> None:
        """None keeps the last value, as the server does; an empty list is the default set."""
        if kinds is not None:
            self.named = [kind for kind in kinds if kind in ALL_KINDS]

    def add(self, kind: str, body: dict[str, Any]) -> None:
        """Freezes the event as it is now; kinds not asked for are never stored."""
        if kind not in self.allowed:
            return
        update = json.loads(json.dumps({"update_id": self._next_id, kind: body}))
        self._sent[self._next_id] = update
        self._next_id += 1
        self._pending.append(Waiting(self._now(), update))
        self._bell.set()

    def again(self, update_id: int) -> None:
        """Delivers an update once more, confirmed or not. Raises ValueError for an unknown id."""
        if update_id not in self._sent:
            raise ValueError(f"no update {update_id}")
        self._again.append(self._sent[update_id])
        self._bell.set()

    def drop(self) -> None:
        self._pending.clear()
        self._again.clear()

    def waiting(self) -> list[dict[str, Any]]:
        """Updates not confirmed yet, oldest first."""
        old = self._now() - KEPT_SECONDS
        self._pending = [one for one in self._pending if one.at > old]
        return [*self._again, *(one.update for one in self._pending)]

    async def poll(self, offset: int, limit: int, seconds: float, gone: Callable[[], bool]) -> list[dict[str, Any]]:
        """getUpdates. Raises ApiError 409 when a webhook is set or a second poller takes over."""
        if self.webhook:
            raise conflict(WEBHOOK_ON)
        bell = self._take_over(TAKEN_OVER)
        self._confirm(offset)
        ends = asyncio.get_running_loop().time() + min(seconds, LONGEST_POLL)
        while not self.waiting() and not gone():
            left = ends - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await _ring(bell, min(left, SLICE))
            if bell is not self._bell:
                raise conflict(self._ended)
        batch = self.waiting()[: limit if 0 < limit <= LONGEST_BATCH else LONGEST_BATCH]
        del self._again[: len(batch)]
        return batch

    def _take_over(self, words: str) -> asyncio.Event:
        old, self._bell = self._bell, asyncio.Event()
        self._ended = words
        old.set()
        return self._bell

    def _confirm(self, offset: int) -> None:
        if offset > 0:
            self._pending = [one for one in self._pending if one.id >= offset]
        elif offset < 0:
            self._pending = self._pending[offset:]

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Ends the old webhook and a waiting poll; starts sending to the new one."""
        if self.webhook and self.webhook.task:
            self.webhook.task.cancel()
        self.webhook = webhook
        bell = self._take_over("terminated by setWebhook request")
        if webhook:
            webhook.task = asyncio.create_task(self._send_all(webhook, bell))

    async def close(self) -> None:
        task = self.webhook.task if self.webhook else None
        self.set_webhook(None)
        if task:
            await asyncio.gather(task, return_exceptions=True)

    async def _send_all(self, webhook: Webhook, bell: asyncio.Event) -> None:
        delay = self._retry
        async with ClientSession() as session:
            while True:
                waiting = self.waiting()
                if not waiting:
                    await bell.wait()
                    bell.clear()
                    continue
                wait = await self._send(session, webhook, waiting[0])
                if wait is None:
                    self._arrived(waiting[0])
                    delay = self._retry
                    continue
                await asyncio.sleep(wait or delay)
                delay = min(delay * 2, 60.0)

    async def _send(self, session: ClientSession, webhook: Webhook, update: dict[str, Any]) -> float | None:
        """None when taken; else seconds the receiver asked to wait, or 0."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret} if webhook.secret else {}
        try:
            async with session.post(webhook.url, json=update, headers=headers, **CALL) as answer:
                if 200 <= answer.status < 300:
                    return None
                reason = answer.reason or HTTPStatus(answer.status).phrase
                self._failed(webhook, f"Wrong response from the webhook: {answer.status} {reason}")
                return _asked_to_wait(answer)
        except (ClientError, TimeoutError):
            self._failed(webhook, "Connection refused")
            return 0.0

    def _failed(self, webhook: Webhook, words: str) -> None:
        webhook.last_error, webhook.last_error_at = words, int(self._now())

    def _arrived(self, update: dict[str, Any]) -> None:
        if update in self._again:
            self._again.remove(update)
        else:
            self._pending = [one for one in self._pending if one.update is not update]


def _asked_to_wait(answer: ClientResponse) -> float:
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


async def _ring(bell: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await bell.wait()
        bell.clear()
    except TimeoutError:
        return
