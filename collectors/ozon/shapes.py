"""Reviews and questions as Ozon describes them, with what stands under them."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from collectors.manual import stands_at
from collectors.text import scrubbed
from desk.mention import MentionKey, Standing

NAME = "ozon"
HOSTS = ("ozon.ru", "ozon.kz")
PRODUCT = "https://www.ozon.ru/product/{sku}/"
STANDINGS: dict[str, Standing] = {
    "PUBLISHED": "public",
    "": "public",  # older servers tell no state: what they list counts as shown
    "MODERATION_FAILED": "refused",
    "DUPLICATE": "refused",
}

Utc = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]


class Owner(NamedTuple):
    """Whose items are read, and by which source."""

    brand: str
    source: str
    account: str

    def key(self, number: str) -> MentionKey:
        return MentionKey(self.brand, NAME, self.account, number)


class Record(BaseModel):
    id: str = Field(min_length=1)
    sku: int = 0
    text: str = ""
    at: Utc = Field(alias="published_at")
    status: str = ""

    @property
    def item(self) -> str:
        return str(self.sku or "")

    @property
    def raw(self) -> Any:
        return scrubbed(self.model_dump(mode="json", by_alias=True, exclude_none=True))


class File(BaseModel):
    url: str = ""


class Review(Record):
    rating: int | None = None
    order_status: str = ""
    comments_amount: int = 0
    photos_amount: int = 0
    videos_amount: int = 0
    is_rating_participant: bool | None = None
    photos: list[File] = []
    videos: list[File] = []

    @property
    def media(self) -> tuple[str, ...]:
        """Ozon gives addresses of pictures with single reviews only, not in the list."""
        return tuple(file.url for file in (*self.photos, *self.videos) if file.url)

    @property
    def url(self) -> str:
        return f"{PRODUCT.format(sku=self.sku)}?reviewUuid={quote(self.id, safe='')}"


class Comment(BaseModel):
    id: str = Field(min_length=1)
    text: str = ""
    at: Utc | None = Field(None, alias="published_at")
    is_owner: bool = False
    is_published: bool | None = None
    is_rejected: bool = False

    @property
    def standing(self) -> Standing:
        if self.is_rejected:
            return "refused"
        return "waiting" if self.is_published is False else "public"


class Question(Record):
    author: str = Field("", alias="author_name")
    answers_count: int = 0
    link: str = Field("", alias="question_link")
    product: str = Field("", alias="product_url")

    @property
    def url(self) -> str:
        """Its own page, else the product's. Of what Ozon gives, only what leads to Ozon is shown to people."""
        given = (link.strip() for link in (self.link, self.product))
        return next((link for link in given if stands_at(link, HOSTS)), PRODUCT.format(sku=self.sku))


class AnswerGiven(BaseModel):
    """An answer to a question, by anybody."""

    id: str = Field(min_length=1)
    text: str = ""
    author: str = Field("", alias="author_name")
    at: Utc | None = Field(None, alias="published_at")
    state: str = Field("", alias="status_publication")

    @property
    def standing(self) -> Standing:
        return STANDINGS.get(self.state, "waiting")


class ReviewList(BaseModel):
    reviews: list[Any]
    last_id: str = ""
    has_next: bool = False


class CommentList(BaseModel):
    comments: list[Comment]


class CommentMade(BaseModel):
    comment_id: str = Field(min_length=1)


class Listing(BaseModel):
    """A page of questions or answers. Older servers do not say whether more follows: an empty page ends those."""

    last_id: str = ""
    has_next: bool = True

    def next_after(self, last: str, shown: int) -> str:
        """The mark of the page after the one asked for by `last`; "" where there is none."""
        return self.last_id if self.has_next and shown and self.last_id != last else ""


class QuestionList(Listing):
    questions: list[Any] | None


class AnswerList(Listing):
    answers: list[AnswerGiven] | None


class AnswerMade(BaseModel):
    answer_id: str = Field(min_length=1)
