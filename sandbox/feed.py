"""Invented customers who write, correct and withdraw reviews while the demo runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.site import ReviewSite, SiteError

REVIEWS = Path(__file__).parent / "data" / "reviews.jsonl"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a customer does. `at` is seconds from the start of the feed at speed 1.

    `key` names the review for later steps of the same customer; `do` is leave, edit or delete.
    """

    at: float
    do: str
    key: str
    author: str = ""
    stars: int = 0
    text: str = ""
    lang: str = ""


def load(path: Path = REVIEWS) -> list[Step]:
    """The steps in the order in which they happen."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return sorted((Step(**json.loads(line)) for line in lines if line.strip()), key=lambda step: step.at)


class Feed:
    """Plays steps on a site. `speed` 60 plays a minute in a second; `sleep` takes seconds."""

    def __init__(
        self,
        site: ReviewSite,
        package: str,
        speed: float = 1.0,
        steps: Iterable[Step] | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._site, self._package, self._speed, self._sleep = site, package, speed, sleep
        self._steps = load() if steps is None else list(steps)
        self._ids: dict[str, str] = {}

    async def run(self) -> None:
        """Plays all steps, then returns."""
        passed = 0.0
        for step in self._steps:
            if step.at > passed:
                await self._sleep((step.at - passed) / self._speed)
                passed = step.at
            self.play(step)

    def play(self, step: Step) -> None:
        """Does one step at once. A step on a review that a person deleted meanwhile does nothing."""
        if step.do == "leave":
            self._ids[step.key] = self._site.leave(self._package, step.author, step.stars, step.text, lang=step.lang)
            return
        try:
            self._change(step, self._ids[step.key])
        except SiteError:
            return

    def _change(self, step: Step, review_id: str) -> None:
        if step.do == "edit":
            self._site.edit_review(review_id, step.stars, step.text)
        else:
            self._site.delete_review(review_id)
