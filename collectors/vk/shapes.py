"""Posts and comments as VK describes them, and where they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import AliasChoices, BaseModel, Field

from collectors.records import readable
from collectors.text import tidy
from collectors.vk.calls import TITLE
from desk.errors import Gone

SITE = "https://vk.com"
ADDRESS = re.compile(r"-?\d{1,19}(_\d{1,19}){1,3}", re.ASCII)
CALLED = re.compile(r"\[(?:id|club|public|event)\d+(?::[^\]|]*)?\|([^\]|]*)\]")
"""How VK writes a person or community called by name: [id5|Anna]."""


class Spot(NamedTuple):
    """Where a post or comment stands. `root`: the comment whose thread it is in; `comment` 0: the post itself."""

    owner: int
    post: int
    root: int = 0
    comment: int = 0

    @classmethod
    def of(cls, external_id: str) -> Spot:
        if not ADDRESS.fullmatch(external_id):
            raise Gone(f"{TITLE}: there is no post or comment with this id", what="mention")
        owner, post, *rest = (int(part) for part in external_id.split("_"))
        return cls(owner, post, *({0: (0, 0), 1: (0, *rest), 2: tuple(rest)}[len(rest)]))

    @property
    def external_id(self) -> str:
        return "_".join(str(part) for part in (self.owner, self.post, self.root, self.comment) if part)

    @property
    def url(self) -> str:
        query = [f"{name}={part}" for name, part in (("reply", self.comment), ("thread", self.root)) if part]
        return f"{SITE}/wall{self.owner}_{self.post}" + (f"?{'&'.join(query)}" if query else "")

    @property
    def thread(self) -> int:
        """The comment under which answers to this one stand; 0 under the post."""
        return self.root or self.comment

    @property
    def above(self) -> Spot | None:
        if not self.comment:
            return None
        return Spot(self.owner, self.post, 0, self.root)


class Count(BaseModel):
    count: int = 0


class Thread(BaseModel):
    count: int = 0
    items: list[Any] = []


class Item(BaseModel):
    """A post or a comment: VK describes both alike."""

    id: int = Field(ge=1)
    owner: int = Field(0, alias="owner_id")
    author: int = Field(0, alias="from_id")
    post: int = Field(0, alias="post_id")
    parents: list[int] = Field([], alias="parents_stack")
    seconds: int = Field(alias="date", ge=0, le=253_402_300_799)
    text: str = ""
    deleted: bool = Field(False, validation_alias=AliasChoices("deleted", "is_deleted"))
    target: int = Field(0, alias="reply_to_comment")
    attachments: list[Any] = []
    comments: Count = Count()
    views: Count | None = None
    thread: Thread = Thread()

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    @property
    def words(self) -> str:
        return spoken(self.text)

    @property
    def answered(self) -> int:
        """The comment it answers; 0 where it answers the post."""
        return self.target or (self.parents[-1] if self.parents else 0)

    @property
    def media(self) -> tuple[str, ...]:
        return tuple(url for url in map(_address, self.attachments) if url)


class Person(BaseModel):
    """`name` of a community, the other two of a human being."""

    id: int
    name: str = ""
    first: str = Field("", alias="first_name")
    last: str = Field("", alias="last_name")


class Listing(BaseModel):
    items: list[Any]
    profiles: list[Person] = []
    groups: list[Person] = []
    level: int | None = Field(None, alias="current_level_count")
    next: str = Field("", alias="next_from")

    def read(self) -> tuple[list[Item], str]:
        return readable(self.items, Item, TITLE)

    def searched(self) -> list[Item]:
        """Those among which one is looked for."""
        return readable(self.items, Item, TITLE, searched=True)[0]

    @property
    def people(self) -> dict[int, str]:
        """Names by id; communities have theirs negative."""
        return {p.id: f"{p.first} {p.last}" for p in self.profiles} | {-g.id: g.name for g in self.groups}


class Found(NamedTuple):
    spot: Spot
    item: Item
    people: Mapping[int, str]


def spoken(text: str) -> str:
    return tidy(CALLED.sub(r"\1", text))


def profile(number: int) -> str:
    return f"{SITE}/{'id' if number > 0 else 'club'}{abs(number)}" if number else ""


def _address(attachment: Any) -> str:
    """Where a picture, link or file stands; "" for what has no address of its own."""
    if not isinstance(attachment, dict):
        return ""
    thing = attachment.get(attachment.get("type", ""))
    if not isinstance(thing, dict):
        return ""
    sizes = [size for size in thing.get("sizes") or [] if isinstance(size, dict)]
    largest = max(sizes, key=lambda size: size.get("width") or 0, default=thing)
    return str(largest.get("url") or "")
