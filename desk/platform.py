"""What a platform can do, and what it promises the desk."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from desk.mention import Mention, MentionKey, OfficialReply

Unit = Literal["characters", "bytes", "graphemes", "weighted"]


class ByHand(NamedTuple):
    """What a person must know who posts a reply there: `rule_…` in handlers/words.

    `said`: from memory alone, and shown so. `answer_at`: the page where a company answers, "" where none is known.
    """

    rules: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    answer_at: str = ""


@dataclass(frozen=True, slots=True)
class PlatformCard:
    """Abilities and limits of one platform; buttons, length checks, docs and schedules read it.

    `grace`: how long after acceptance a reply may be missing from the list of our replies.
    `every`, `floor`: default and shortest poll interval. `pace`: requests a minute for one account.
    `one_reply`: the platform keeps a single reply, a second one replaces it. `delete_first`: it does so only after the
    old one was deleted; it must be able to delete and to look.
    `moderated`: its moderators may see a reply before the public does. `links`: replies may hold web addresses.
    `lost`: what it would leave out of a text, taking it for markup.
    `shortest`, `longest`: of a reply in `unit`, counted by `measure` where the unit is the platform's own;
    `bytes_at_most`: a second limit beside it.
    `hosts`: addresses by which a link is recognised. `calls`: what the platform names its own notifications, where the
    desk takes them. `by_hand`: shown to staff where no program can reply.
    """

    name: str
    title: str
    can_reply: bool = False
    can_edit: bool = False
    can_delete: bool = False
    can_look: bool = False
    one_reply: bool = False
    delete_first: bool = False
    pushed: bool = False
    moderated: bool = False
    links: bool = True
    lost: re.Pattern[str] | None = None
    shortest: int = 1
    longest: int | None = None
    unit: Unit = "characters"
    measure: Callable[[str], int] | None = None
    bytes_at_most: int | None = None
    every: timedelta = timedelta(minutes=5)
    floor: timedelta = timedelta(minutes=1)
    pace: int = 60
    grace: timedelta = timedelta(seconds=30)
    history: timedelta | None = None
    hosts: tuple[str, ...] = ()
    calls: str = ""
    notes: tuple[str, ...] = ()
    by_hand: ByHand = field(default_factory=ByHand)


MEASURES: dict[Unit, Callable[[str], int]] = {
    "characters": len,
    "bytes": lambda text: len(text.encode()),
}
ADDRESS = re.compile(r"https?://|www\.|\b[\w-]+\.(?:com|ru|kz|org|net|io|рф)\b", re.IGNORECASE)


LOST = 50
"""Characters shown of what would be left out."""


class Problem(NamedTuple):
    """Why a text cannot be published as it is; `key` names the sentence in handlers/words."""

    key: str
    details: dict[str, object]


def problems(text: str, card: PlatformCard) -> list[Problem]:
    """What must be mended before a text may go to a client. Reports, never trims (contract §4)."""
    length, longest, most = length_of(text, card), card.longest, card.bytes_at_most
    size = len(text.encode("utf-8", "surrogatepass"))
    shown = {"platform": card.title, "length": length}
    bytes_shown = {"platform": card.title, "length": size, "longest": most}
    lost = card.lost.search(text) if card.lost else None
    words: dict[str, object] = {"platform": card.title, "lost": lost[0][:LOST] if lost else ""}
    found = [
        (not text.strip(), Problem("text_empty", {})),
        (0 < length < card.shortest, Problem("text_too_short", {**shown, "shortest": card.shortest})),
        (longest is not None and length > longest, Problem("text_too_long", {**shown, "longest": longest})),
        (most is not None and size > most, Problem("text_too_many_bytes", bytes_shown)),
        (not card.links and bool(ADDRESS.search(text)), Problem("text_has_links", {"platform": card.title})),
        (lost is not None, Problem("text_would_lose", words)),
    ]
    return [problem for holds, problem in found if holds]


def length_of(text: str, card: PlatformCard) -> int:
    """In the unit of the card."""
    return (card.measure or MEASURES[card.unit])(text)


class Batch(NamedTuple):
    """One poll. `cursor` is opaque and is stored together with the mentions, never before them. `first`: mentions of a
    part of the account that is read for the first time, a place added to it for one."""

    mentions: list[Mention]
    cursor: str
    note: str = ""
    first: frozenset[MentionKey] = frozenset()


class Look(NamedTuple):
    """A mention read again. `mention` is None when it is gone; `replies` are those of the brand's account."""

    mention: Mention | None
    replies: tuple[OfficialReply, ...] = ()


class Posted(NamedTuple):
    """The platform accepted a reply. `visible` False: it waits for the platform's moderators."""

    external_id: str
    at: datetime
    url: str = ""
    visible: bool = True


class Platform(Protocol):
    """One account on one platform. Every method may raise desk.errors; times are aware UTC.

    Calls that write raise Refused, NeedsLogin, Gone or Retry only when the platform certainly changed nothing,
    and Unsure whenever the request may have taken effect.
    """

    card: PlatformCard
    account: str
    """The account's name in the keys of its mentions."""

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        """Mentions created or changed after `cursor` (with overlap), or after `since` on the first poll.

        Repeats are allowed and expected; the brand's own items are left out; deletions come as `deleted=True`
        where the platform tells them.
        """
        ...

    async def look(self, mention: Mention) -> Look:
        """The mention as it stands now, with the brand's replies under it (all of them, newest last)."""
        ...

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        """Publish `text`, to the letter. `key` is stable per case and version, for platforms that take one."""
        ...

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        """Replace the text of our reply."""
        ...

    async def delete(self, mention: Mention, reply_id: str) -> None:
        """Remove our reply. A reply that is already gone is success."""
        ...

    def same(self, ours: str, theirs: str) -> bool:
        """Whether `theirs`, as this platform shows texts, is our text `ours`."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class Listens(Protocol):
    """A platform that can be waited for. `listens`: this account is."""

    listens: bool

    async def wait(self) -> bool:
        """Ask what is new, and wait for it a while. True: the source is to be read. Raises desk.errors."""
        ...
