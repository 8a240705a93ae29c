"""The net between a collector and a fake site: passes calls on, or plays a fault instead."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from tests.contracts.papers import Papers, papers_of_fake

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

Serve = Callable[[httpx.Request], httpx.Response]
Fault = Callable[[httpx.Request, Serve], httpx.Response]
When = Callable[[httpx.Request], bool]


def now() -> datetime:
    return NOW


def answers(status: int, body: bytes | str = b"", **headers: str) -> Fault:
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, _serve: httpx.Response(status, content=body, headers=shown)


def raises(error: Callable[[str], Exception]) -> Fault:
    def fault(_request: httpx.Request, _serve: Serve) -> httpx.Response:
        raise error("played by a test")

    return fault


def takes_effect_then(error: Callable[[str], Exception]) -> Fault:
    def fault(request: httpx.Request, serve: Serve) -> httpx.Response:
        serve(request)
        raise error("played by a test")

    return fault


def anything(_request: httpx.Request) -> bool:
    return True


@contextmanager
def silent_port() -> Iterator[int]:
    """A port at which nobody listens, and which is held: one that was let go may be another's a moment later."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@dataclass
class Wire:
    serve: Serve
    seen: list[httpx.Request] = field(default_factory=list)
    _faults: list[tuple[When, Fault]] = field(default_factory=list)
    papers: Papers | None = field(init=False)
    """What requests are checked by: the platform's own, None where a test breaks the rules on purpose."""
    strays: list[httpx.Request] = field(default_factory=list)
    """Requests to servers that the papers do not speak of."""

    def __post_init__(self) -> None:
        self.papers = papers_of_fake(self.serve)

    def fails(self, fault: Fault, when: When = anything) -> None:
        self._faults.append((when, fault))

    def heals(self) -> None:
        self._faults.clear()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._pass_on))

    def _pass_on(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        self._check(request)
        fault = next((fault for when, fault in self._faults if when(request)), None)
        return fault(request, self.serve) if fault else self.serve(request)

    def _check(self, request: httpx.Request) -> None:
        if self.papers is None:
            return
        if not self.papers.concern(request):
            self.strays.append(request)
            return
        faults = self.papers.faults(request)
        assert not faults, "a request that the platform's papers forbid: " + "; ".join(faults)
