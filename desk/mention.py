"""What was said about a brand, where, by whom."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

Kind = Literal["review", "question", "comment", "post", "article"]

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A publication time further ahead than this is not believed (contract §4, Clock)."""


class MentionKey(NamedTuple):
    """Identity of a mention. For `webhook` the account is the source's key (contract §4)."""

    brand: str
    platform: str
    account: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Author:
    id: str = ""
    name: str = ""
    url: str = ""
    followers: int | None = None
    kind: str = ""


Standing = Literal["public", "waiting", "refused"]


@dataclass(frozen=True, slots=True)
class OfficialReply:
    """An answer by the brand's own account under a mention, as the platform shows it.

    `standing`: "waiting" for the platform's moderators, or "refused" by them; neither is public. `reason`: theirs, in
    the platform's words, where it tells one.
    """

    external_id: str
    text: str
    at: datetime | None = None
    url: str = ""
    standing: Standing = "public"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """One item on a platform, unjudged. Times are aware UTC; `published_at` is None where the platform gives none."""

    key: MentionKey
    source: str
    text: str
    kind: Kind = "review"
    site: str = ""
    title: str = ""
    url: str = ""
    rating: int | None = None
    lang: str = ""
    author: Author = field(default_factory=Author)
    published_at: datetime | None = None
    last_modified_only: bool = False
    place: str = ""
    item: str = ""
    reach: int | None = None
    media: tuple[str, ...] = ()
    parent_id: str = ""
    parent_url: str = ""
    deleted: bool = False
    replies: tuple[OfficialReply, ...] = ()
    raw: dict[str, Any] = field(default_factory=dict)

    @property
    def platform_shown(self) -> str:
        """The site people know it by: a mention pushed through `webhook` may stand on 2gis."""
        return self.site or self.key.platform

    @property
    def fingerprint(self) -> str:
        """Changes when title, text or stars change, and only then: reading twice is harmless, an edit is seen."""
        whole = "\x1f".join((self.title, self.text, str(self.rating)))
        return hashlib.sha256(whole.encode()).hexdigest()[:32]

    def edited(self, other: Mention) -> Mention:
        """This mention with what a later reading says; publication stays as first seen (contract §4: Clock)."""
        return replace(other, published_at=self.published_at or other.published_at)


class ClockStart(NamedTuple):
    at: datetime
    note: Literal["", "no_time", "future", "last_modified"]


def clock_start(mention: Mention, found_at: datetime) -> ClockStart:
    """When the reaction clock starts: publication, or discovery where publication is missing or in the future."""
    if mention.published_at is None:
        return ClockStart(found_at, "no_time")
    if mention.published_at > found_at + CLOCK_TOLERANCE:
        return ClockStart(found_at, "future")
    return ClockStart(mention.published_at, "last_modified" if mention.last_modified_only else "")
