"""What a platform answered, and what an unsuccessful answer means for the desk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from collectors.records import first_fault
from collectors.waits import wait_seconds
from desk.errors import BadAnswer, DeskError, Gone, NeedsLogin, Refused, Retry, Unsure

T = TypeVar("T")


class Mode(NamedTuple):
    """What an exchange that went wrong means: `lost` without an answer, `unreadable` with one."""

    lost: type[DeskError]
    unreadable: type[DeskError]


READ = Mode(lost=Retry, unreadable=BadAnswer)
WRITE = Mode(lost=Unsure, unreadable=Unsure)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes
    url: str
    mode: Mode
    title: str

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300 or self.status == HTTPStatus.NOT_MODIFIED

    def parse(self, shape: type[T] | TypeAdapter[T]) -> T:
        """The JSON body as `shape`; anything else raises the mode's `unreadable`."""
        adapter = shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)
        try:
            return adapter.validate_json(self.body)
        except ValidationError as error:
            raise self.mode.unreadable(f"{self.title}: {self._fault(error)}") from None

    def _fault(self, error: ValidationError) -> str:
        if self.body.lstrip()[:1] == b"<":
            return "answered a web page instead of JSON"
        return f"answered something else than its papers say: {first_fault(error)}"


class Verdict(NamedTuple):
    """All that is needed to say what an unsuccessful status means."""

    reason: str
    code: str
    answer: Answer
    now: datetime


Maker = Callable[[Verdict], DeskError]


def needs_login(verdict: Verdict) -> DeskError:
    return NeedsLogin(verdict.reason)


def refused(verdict: Verdict) -> DeskError:
    return Refused(verdict.reason, code=verdict.code)


def gone(verdict: Verdict) -> DeskError:
    return Gone(verdict.reason)


def later(verdict: Verdict) -> DeskError:
    return Retry(verdict.reason, after=wait_seconds(verdict.answer.headers, verdict.now), rate_limited=True)


def unsure(verdict: Verdict) -> DeskError:
    return Unsure(verdict.reason)


def lost(verdict: Verdict) -> DeskError:
    if verdict.answer.mode.lost is Retry:
        return Retry(verdict.reason, after=wait_seconds(verdict.answer.headers, verdict.now))
    return verdict.answer.mode.lost(verdict.reason)


def moved(verdict: Verdict) -> DeskError:
    where = httpx.URL(verdict.answer.url).join(verdict.answer.headers.get("location", ""))
    return Refused(f"{verdict.reason}: moved to {where.scheme}://{where.host}; set that address in the settings")


def elsewhere(verdict: Verdict) -> DeskError:
    """After a POST a 302 or 303 may be "done, look there"."""
    return lost(verdict) if verdict.answer.mode is WRITE else moved(verdict)


STATUS: dict[int, Maker] = {
    301: moved,
    302: elsewhere,
    303: elsewhere,
    307: moved,
    308: moved,
    401: needs_login,
    403: refused,
    404: gone,
    408: lost,
    410: gone,
    420: later,
    425: later,
    429: later,
    # "Client closed the connection" (nginx, Yandex): what we sent may have been carried out.
    499: lost,
}
FAMILY: dict[int, Maker] = {3: moved, 4: refused, 5: lost}
