"""What Wildberries' answers hold, as far as the desk reads them, and what is kept of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import jwt
from pydantic import AfterValidator, AliasChoices, AwareDatetime, BaseModel, Field

from collectors.text import tidy
from desk.mention import Mention, OfficialReply, Standing

UNKNOWN = "seller"
SHOWN = "wbRu"
STANDINGS: dict[str, Standing] = {SHOWN: "public", "": "public", "rejected": "refused"}

T = TypeVar("T")


class Section(NamedTuple):
    """Reviews or questions: their list, and the call that gives one."""

    many: str
    one: str
    kind: Literal["review", "question"]


REVIEWS = Section("feedbacks", "feedback", "review")
QUESTIONS = Section("questions", "question", "question")


class Shelf(NamedTuple):
    section: Section
    answered: bool

    @property
    def name(self) -> str:
        return f"{self.section.many}:{'answered' if self.answered else 'new'}"


# What is answered meanwhile moves from the first of a pair to the second, and is met there.
SHELVES = tuple(Shelf(section, answered) for section in (REVIEWS, QUESTIONS) for answered in (False, True))

Utc = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]


class Reply(BaseModel):
    text: str
    state: str = ""
    editable: bool = False

    @property
    def standing(self) -> Standing:
        return STANDINGS.get(self.state, "waiting")


class Product(BaseModel):
    number: int | None = Field(None, alias="nmId")
    name: str | None = Field(None, alias="productName")


class Photo(BaseModel):
    full: str = Field("", alias="fullSize")


class Video(BaseModel):
    link: str = ""


class Record(BaseModel):
    """A review or a question; a question has no stars, pros, cons, author and media."""

    id: str = Field(min_length=1)
    at: Utc = Field(alias="createdDate")
    text: str | None = None
    pros: str | None = None
    cons: str | None = None
    stars: int | None = Field(None, alias="productValuation")
    author: str | None = Field(None, alias="userName")
    answer: Reply | None = None
    product: Product | None = Field(None, alias="productDetails")
    photos: list[Photo] | None = Field(None, alias="photoLinks")
    video: Video | None = None
    parent: str | None = Field(None, alias="parentFeedbackId")

    @property
    def words(self) -> str:
        """The text as it is; pros and cons under the names Wildberries shows them by."""
        parts = (("Достоинства: ", self.pros), ("Недостатки: ", self.cons), ("", self.text))
        return "\n".join(name + tidy(part) for name, part in parts if part and tidy(part))

    @property
    def media(self) -> tuple[str, ...]:
        links = [*(photo.full for photo in self.photos or []), self.video.link if self.video else ""]
        return tuple(link for link in links if link)

    @property
    def replies(self) -> tuple[OfficialReply, ...]:
        answer = self.answer
        return (OfficialReply(self.id, tidy(answer.text), standing=answer.standing),) if answer else ()


class Listing(BaseModel):
    records: list[Any] | None = Field(validation_alias=AliasChoices("feedbacks", "questions"))


class Envelope(BaseModel, Generic[T]):
    data: T | None
    error: Literal[False]


class Claims(BaseModel):
    exp: AwareDatetime | None = None
    sid: str = ""
    oid: int | None = None

    @property
    def seller(self) -> str:
        return self.sid or str(self.oid or UNKNOWN)


class Cursor(BaseModel):
    """From when each shelf is read next, and where the reading of those began that took more than this poll; the one to
    begin with, and the day the token's end was told."""

    after: dict[str, AwareDatetime] = {}
    began: dict[str, AwareDatetime] = {}
    turn: str = ""
    told: date | None = None


class Before(NamedTuple):
    """A record as it was before a write, and when it was read."""

    at: datetime
    record: Record


class Swept(NamedTuple):
    """`whole`: the list was read to its end. `limited`: Wildberries wants to be asked for the rest later."""

    mentions: list[Mention]
    after: datetime
    note: str
    whole: bool = False
    limited: bool = False


def claims_of(token: str) -> Claims:
    """What the token says of itself; only Wildberries can tell whether it is true."""
    try:
        return Claims.model_validate(jwt.decode(token, options={"verify_signature": False}))
    except (jwt.PyJWTError, ValueError):
        return Claims()


def section_of(mention: Mention) -> Section:
    return QUESTIONS if mention.kind == QUESTIONS.kind else REVIEWS
