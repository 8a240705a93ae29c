"""How much a bot may say: Telegram's flood limits, kept as sliding windows.

Nobody publishes the exact table; these are the figures of the Bot API FAQ: 20 messages a minute
in one group (edits too, all topics together), about 30 a second in all, about one a second in a
private chat with short bursts.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable

PRIVATE_BURST = 10
MINUTE = 60.0


class Window:
    """At most `size` events in any `seconds`."""

    def __init__(self, size: int, seconds: float) -> None:
        self.size = size
        self.seconds = seconds
        self._times: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until the next event fits; 0 when it fits now."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if len(self._times) < self.size:
            return 0.0
        return self._times[0] + self.seconds - now

    def count(self, now: float) -> None:
        self._times.append(now)


class Bucket:
    """One event a second, with a burst saved up while nothing was said."""

    def __init__(self, burst: int) -> None:
        self._burst = burst
        self._left = float(burst)
        self._seen: float | None = None

    def wait(self, now: float) -> float:
        self._fill(now)
        return max(0.0, 1.0 - self._left)

    def count(self, now: float) -> None:
        self._fill(now)
        self._left -= 1.0

    def _fill(self, now: float) -> None:
        if self._seen is not None:
            self._left = min(self._burst, self._left + max(0.0, now - self._seen))
        self._seen = now


class Budget:
    """The limits of one bot over all its chats. `minute`: its length in seconds, shorter to see queues end."""

    def __init__(
        self, group_per_minute: int, per_second: int, now: Callable[[], float], minute: float = MINUTE
    ) -> None:
        self._now = now
        self._all = Window(per_second, 1.0)
        self._groups: defaultdict[int, Window] = defaultdict(lambda: Window(group_per_minute, minute))
        self._private: defaultdict[int, Bucket] = defaultdict(lambda: Bucket(PRIVATE_BURST))

    def spend(self, chat_id: int) -> int:
        """Counts a call and returns 0, or counts nothing and returns whole seconds to wait."""
        now = self._now()
        chat = self._groups[chat_id] if chat_id < 0 else self._private[chat_id]
        wait = max(chat.wait(now), self._all.wait(now))
        if wait > 0:
            return max(1, math.ceil(wait))
        chat.count(now)
        self._all.count(now)
        return 0
