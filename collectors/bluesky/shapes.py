"""What Bluesky's answers hold, as far as the desk reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AliasChoices, AwareDatetime, BaseModel, Field

from collectors.login import Pass

SESSION = timedelta(hours=1)
"""How long an access token is used; where it ended earlier, the server's ExpiredToken renews it."""


class Session(BaseModel):
    access: str = Field(alias="accessJwt", min_length=1, repr=False)
    refresh: str = Field(alias="refreshJwt", min_length=1, repr=False)

    def as_pass(self, now: datetime) -> Pass:
        return Pass(token=self.access, until=now + SESSION, kept={"refresh": self.refresh})


class Me(BaseModel):
    did: str = Field(min_length=1)


class Ref(BaseModel):
    uri: str = Field(pattern=r"^at://[^/]+/[^/]+/[^/]+$")
    cid: str


class ReplyRef(BaseModel):
    root: Ref
    parent: Ref


class Record(BaseModel):
    text: str
    created: str = Field("", alias="createdAt")
    langs: list[str] = []
    reply: ReplyRef | None = None


class Profile(BaseModel):
    did: str = Field(min_length=1)
    handle: str = ""
    name: str = Field("", alias="displayName")


class Picture(BaseModel):
    full: str = Field("", alias="fullsize")


class Embed(BaseModel):
    images: list[Picture] = []


class Post(Ref):
    """A post as lists show it; a notification has the same fields."""

    author: Profile
    record: Record
    indexed: AwareDatetime = Field(alias="indexedAt")
    embed: Embed | None = None
    viewer: dict[str, Any] = {}

    @property
    def at(self) -> datetime:
        return self.indexed.astimezone(UTC)

    @property
    def ref(self) -> Ref:
        return Ref(uri=self.uri, cid=self.cid)

    @property
    def parent(self) -> str:
        return self.record.reply.parent.uri if self.record.reply else ""


class Listing(BaseModel):
    posts: list[Any] = Field(validation_alias=AliasChoices("posts", "notifications"))
    cursor: str = ""


class Shown(BaseModel):
    """A place in a thread: a post, or the note that there is none, or none for us."""

    post: Any = None
    replies: list[Any] = []
    missing: bool = Field(False, alias="notFound")
    blocked: bool = False

    @property
    def below(self) -> list[Any]:
        """The posts right under it."""
        return [reply["post"] for reply in self.replies if isinstance(reply, dict) and "post" in reply]


class Thread(BaseModel):
    thread: Shown


class Written(BaseModel):
    at: AwareDatetime = Field(alias="createdAt")


class Stored(BaseModel):
    uri: str
    value: Written
