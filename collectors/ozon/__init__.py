"""Ozon: reviews of and questions about the seller's goods (Seller API), answered as the seller."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, SecretStr

from collectors.http import Now
from collectors.links import link_to, only
from collectors.ozon.calls import TITLE, Calls
from collectors.ozon.questions import Questions
from collectors.ozon.reviews import Reviews
from collectors.ozon.shapes import HOSTS, NAME, Owner
from collectors.pages import joined, newest_first
from collectors.settings import SourceSettings
from collectors.text import fold
from desk.errors import Gone, Refused
from desk.mention import Mention
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name=NAME,
    title=TITLE,
    can_reply=True,
    can_delete=True,
    can_look=True,
    moderated=True,
    links=False,
    shortest=2,
    longest=1000,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=120,
    grace=timedelta(hours=1),
    hosts=HOSTS,
    notes=(
        "Needs the paid plan 'Review management' or Premium Pro, and an API key with a role for reviews.",
        "Which plan and role questions need is not certain; Premium Plus was named. Where Ozon refuses them, reviews "
        "are read all the same, and a note says so.",
        "Ozon names no author of a review; what buyers write under a review is not read as a mention.",
        "Ozon does not mark which answer to a question is the seller's. With `shop` it is told by that name; if Ozon "
        "shows another, our answers are not found, and a lost one may be sent twice. Without `shop` every answer "
        "counts as ours: staff are asked before one is posted beside another's.",
        "A reply cannot be edited, only deleted and written anew; Ozon's moderators may refuse it.",
        "Replies that wait for moderators may be missing from Ozon's list, so a lost one is sent again after an hour.",
        "Older papers know no state of an answer to a question: one that is listed without a state counts as shown.",
        "Whether Ozon takes a second answer to a question is not certain.",
        "Ozon states no longest reply to a review: 1,000 characters and the ban on links and contacts are from "
        "experience. An answer to a question may hold more by its papers, but is held to the same.",
        "A review or question edited more than a day after its publication is noticed only when its case is looked at "
        "again.",
        "In what order and how many at once Ozon lists questions is not certain: the desk reads all of the last days.",
        "The link of a question is Ozon's own, or leads to the product; brought by hand, it is not known again.",
    ),
)

OVERLAP = timedelta(days=1)


class Settings(SourceSettings):
    client_id: str = Field(
        pattern=r"^\d{1,20}$", title="Client ID", description="The seller's number, from Settings, API keys"
    )
    api_key: SecretStr = Field(
        min_length=8,
        title="API key",
        description="Made in Settings, API keys; its role must allow reviews, and questions where they are read",
    )
    questions: bool = Field(True, title="Questions", description="Whether buyers' questions are read beside reviews")
    shop: str = Field(
        "",
        title="Name of the shop",
        description="As Ozon shows it beside answers to questions; if absent, every answer counts as the shop's",
    )


class Cursor(BaseModel):
    """Of reviews and of questions, each as pages.Cursor."""

    reviews: str | None = None
    questions: str | None = None

    @classmethod
    def of(cls, stored: str | None) -> Cursor:
        """Before questions were read, what was stored was the cursor of reviews itself."""
        state = cls.model_validate_json(stored) if stored else cls()
        return state if state.reviews else cls(reviews=stored)


def item(settings: Settings, url: str) -> str | None:
    return only(r"([0-9A-Za-z-]+)", link_to(CARD.hosts, url).value("reviewUuid"))


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Ozon:
    return Ozon(settings, brand, source, http, now)


class Ozon:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.client_id
        self._now = now
        calls = Calls(http, settings.api_base, settings.client_id, settings.api_key, now)
        owner = Owner(brand, source, self.account)
        self._reviews = Reviews(calls, owner, now)
        self._questions = Questions(calls, owner, now, settings.shop)
        self._asks_for_questions = settings.questions

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        last = Cursor.of(cursor)
        reviews = await newest_first(self._reviews.page, last.reviews, since, now=self._now, overlap=OVERLAP)
        questions = await self._read_questions(last.questions, since)
        after = Cursor(reviews=reviews.cursor, questions=questions.cursor or None)
        mentions = [*reviews.mentions, *questions.mentions]
        return Batch(mentions, after.model_dump_json(exclude_defaults=True), joined([reviews.note, questions.note]))

    async def look(self, mention: Mention) -> Look:
        return await self._part(mention).look(mention)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        return await self._part(mention).reply(mention, text)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        raise Refused("Ozon has no way to edit a reply; delete it and answer again")

    async def delete(self, mention: Mention, reply_id: str) -> None:
        await self._part(mention).delete(mention, reply_id)

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    def _part(self, mention: Mention) -> Reviews | Questions:
        return self._questions if mention.kind == "question" else self._reviews

    async def _read_questions(self, cursor: str | None, since: datetime) -> Batch:
        """A plan may hold reviews alone: they must not be lost for questions that Ozon does not give."""
        if not self._asks_for_questions:
            return Batch([], cursor or "")
        try:
            return await self._questions.read(cursor, since, OVERLAP)
        except (Refused, Gone) as error:
            return Batch([], cursor or "", f"questions are not read: {error.reason}")
