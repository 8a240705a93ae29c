"""Errors by what to do next, not by where they came from.

DeskError
├── Retry          later, by itself; `after` seconds where the other side named a time
│   └── BadAnswer  the other side answered, but not in its own language (HTML, cut JSON, wrong types)
├── NeedsLogin     the token or password is no longer good: a person renews it
├── Refused        a definite no to this very request: a person changes it, a second attempt may follow
├── Gone           the thing asked for is not there any more
├── Unsure         it may have happened: read back before any second attempt
├── Broken         a room that cannot be written to: a person lets the bot in again
├── Moved          a room with a new address
├── StaleVersion   somebody was first
└── NotAllowed     this person may not, or the case's state does not admit it
"""

from __future__ import annotations

from collections.abc import Callable

_hide: Callable[[str], str] = str


def hide_with(hide: Callable[[str], str]) -> None:
    """What every reason passes through before it is shown, stored or logged: servers repeat our own secrets to us."""
    global _hide
    _hide = hide


def told(error: BaseException) -> str:
    """What an error says, without secrets; its name where it says nothing."""
    return _storable(_hide(str(error)) or repr(error))


def _storable(reason: str) -> str:
    """Without what no database takes: NUL, and halves of surrogate pairs, which a server's JSON may hold."""
    return reason.replace("\0", "").encode("utf-8", "replace").decode()


class DeskError(Exception):
    """Base of all errors the desk knows how to go on from. `str()` is for the person who can mend it."""

    def __init__(self, reason: str = "") -> None:
        self.reason = _storable(_hide(reason))
        super().__init__(self.reason)


class Retry(DeskError):
    """Nothing happened; try again in `after` seconds, or with back-off where it is None."""

    def __init__(self, reason: str = "", after: float | None = None, rate_limited: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.rate_limited = rate_limited


class BadAnswer(Retry):
    """An answer that is not what the platform's papers promise."""


class NeedsLogin(DeskError):
    """The account's credentials were refused."""


class Refused(DeskError):
    """The request was understood and declined; nothing was changed. `code` is the vendor's."""

    def __init__(self, reason: str = "", code: str = "") -> None:
        super().__init__(reason)
        self.code = code


class Gone(DeskError):
    """The mention, reply, message or topic does not exist any more. `what` says which."""

    def __init__(self, reason: str = "", what: str = "") -> None:
        super().__init__(reason)
        self.what = what


class Unsure(DeskError):
    """The request left us and no answer came back: it may have taken effect."""


class Broken(DeskError):
    """The room cannot be written to until a person mends it (bot removed, channel archived, token revoked)."""


class Moved(DeskError):
    """The room lives at another address now (Telegram: group upgraded to a supergroup)."""

    def __init__(self, reason: str, new: str) -> None:
        super().__init__(reason)
        self.new = new


class NotAllowed(DeskError):
    """`key` names the sentence in handlers/words that explains it; `args` fill it."""

    def __init__(self, key: str, **details: object) -> None:
        super().__init__(key)
        self.key = key
        self.details = details


class StaleVersion(NotAllowed):
    """The press belongs to a version or state that is past."""
