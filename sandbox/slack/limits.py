"""How often an app may call. Tiers and the budget of chat.postMessage: chat-facts, "Messages"."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

MINUTE = 60.0
TIERS = {1: 1, 2: 20, 3: 50, 4: 100}
# Slack promises "at least" these figures; only chat.update, which the desk leans on, is held to the letter.
GENEROSITY = 4
STRICT = {"chat.update": TIERS[3]}
TIER_OF = {
    "apps.connections.open": 2,
    "auth.test": 4,
    "chat.getPermalink": 4,
    "chat.postEphemeral": 4,
    "conversations.list": 2,
    "conversations.members": 4,
    "files.completeUploadExternal": 4,
    "files.getUploadURLExternal": 4,
    "files.info": 4,
    "pins.add": 2,
    "users.info": 4,
    "users.list": 2,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}
# "a workspace-wide limit of several hundred a minute"
POSTS_A_MINUTE = 400
HISTORY = ("conversations.history", "conversations.replies")


class Bucket:
    """`burst` calls at once, refilled at `refill` a second."""

    def __init__(self, burst: float, refill: float, now: float) -> None:
        self.burst, self.refill = burst, refill
        self.left, self.at = burst, now

    def wait(self, now: float) -> float:
        """Seconds until the next call is allowed; 0 takes one."""
        self.left = min(self.burst, self.left + (now - self.at) * self.refill)
        self.at = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.refill


class Window:
    """At most `most` calls in any minute."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.times: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until the next call is allowed; 0 counts one."""
        while self.times and self.times[0] <= now - MINUTE:
            self.times.popleft()
        if len(self.times) < self.most:
            self.times.append(now)
            return 0.0
        return self.times[0] + MINUTE - now


class Limits:
    """All budgets of the face. `burst` and `refill` (a second) are those of chat.postMessage in one channel."""

    def __init__(self, now: Callable[[], float], burst: float, refill: float) -> None:
        self._now = now
        self._burst, self._refill = burst, refill
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._windows: dict[tuple[str, str, int], Window] = {}

    def retry_after(self, team: str, method: str, channel: str, restricted: bool) -> int:
        """Whole seconds to wait, 0 when the call may go on and was counted.

        `restricted`: an app outside the Marketplace reads history once a minute.
        """
        now = self._now()
        if method == "chat.postMessage":
            bucket = self._buckets.setdefault((team, channel), Bucket(self._burst, self._refill, now))
            wait = bucket.wait(now) or self._window(team, method, POSTS_A_MINUTE).wait(now)
            return math.ceil(wait)
        most = 1 if restricted and method in HISTORY else _per_minute(method)
        return math.ceil(self._window(team, method, most).wait(now))

    def _window(self, team: str, method: str, most: int) -> Window:
        return self._windows.setdefault((team, method, most), Window(most))


def _per_minute(method: str) -> int:
    return STRICT.get(method) or TIERS[TIER_OF.get(method, 3)] * GENEROSITY
