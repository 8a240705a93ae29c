"""What happens in a run, told once: who writes what about mention 7, and when. Fakes play it, the judge knows it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Temperament = Literal["prompt", "slow", "silent"]

CLIENTS = ("north", "south", "east")
"""`north` and `east`: staff in Telegram, the client in Slack; `south`: the other way round."""
STAFF, APPROVER = "anna", "marta"
CHATS = 3


@dataclass(frozen=True)
class Story:
    """`spread`: seconds over which the mentions appear. `target`, `limit`: of the SLA, in seconds.

    `minute`, `per_minute`: a Telegram group takes so many calls in so many seconds.
    """

    cases: int
    spread: float
    target: int = 8
    limit: int = 20
    warn_at: tuple[int, ...] = (50, 75)
    minute: float = 3.0
    per_minute: int = 60

    @property
    def marks(self) -> dict[str, float]:
        """Seconds from publication of each mark, earliest first."""
        early = {str(percent): self.target * percent / 100 for percent in self.warn_at}
        return {**early, "target": self.target, "limit": self.limit}


def client_of(mention: int) -> str:
    return CLIENTS[mention % len(CLIENTS)]


def temperament(mention: int) -> Temperament:
    """Nobody touches the silent ones, so all their warnings fire; a slow one is approved after its target."""
    return {3: "silent", 5: "slow"}.get(mention % 8, "prompt")  # type: ignore[return-value]


def review(mention: int) -> str:
    return f"mention {mention} of all: cold coffee"


def mention_in(text: str) -> int | None:
    found = re.match(r"mention (\d+) of all", text)
    return int(found.group(1)) if found else None


def reply(mention: int) -> str:
    """With what a careless hand would change on the way: quotes, markup, space, a second line."""
    return f'Reply to {mention}: "sorry" & <b>thanks</b>,\n  see you — ваша кофейня №{mention}'


def chat(mention: int, number: int) -> str:
    return f"chat {number} about {mention}"


def acknowledged(mention: int, number: int) -> str:
    return f"answer {number} about {mention}"


def number_in(text: str) -> int | None:
    found = re.match(r"(?:chat|answer) (\d+) about", text)
    return int(found.group(1)) if found else None


def room(client: str, side: str) -> str:
    """telegram:… or slack:…, no two of them the same."""
    number = CLIENTS.index(client)
    in_telegram = (side == "staff") != (client == "south")
    name = f"{number}{'1' if side == 'staff' else '2'}"
    return f"telegram:-10000000{name}" if in_telegram else f"slack:main/C0CHAOS{name}"


def side_of(address: str) -> str:
    sides = {room(client, side): side for client in CLIENTS for side in ("staff", "client")}
    return sides[address]
