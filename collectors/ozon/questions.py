"""Buyers' questions about goods: Ozon's list, info and answers, which have one version only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from collectors.http import Now
from collectors.ozon.calls import TITLE, Calls
from collectors.ozon.shapes import AnswerGiven, AnswerList, AnswerMade, Owner, Question, QuestionList
from collectors.pages import Cursor, Item, Page, newest_first
from collectors.records import readable
from collectors.text import fold, tidy
from desk.errors import BadAnswer, Gone, Refused
from desk.mention import Author, Mention, OfficialReply
from desk.platform import Batch, Look, Posted

ANSWER_PAGES = 10
UNDATED = datetime.max.replace(tzinfo=UTC)
"""For an answer without a time: one that is not published yet is the newest."""


class Questions:
    """`shop`: the seller's name beside answers, "" where it is not known."""

    def __init__(self, calls: Calls, owner: Owner, now: Now, shop: str) -> None:
        self._calls = calls
        self._owner = owner
        self._now = now
        self._shop = _known_by(shop)

    async def read(self, cursor: str | None, since: datetime, overlap: timedelta) -> Batch:
        """Ozon states no order, so all from one time on are asked for, and the list is read to its end."""
        begin = Cursor.of(cursor, since).floor(overlap)
        return await newest_first(partial(self._page, begin), cursor, since, now=self._now, overlap=overlap)

    async def look(self, mention: Mention) -> Look:
        try:
            answer = await self._calls.read("v1/question/info", {"question_id": mention.key.external_id})
        except Gone:
            return Look(None)
        question = answer.parse(Question)
        return Look(self._mention(question), await self._replies_to(question))

    async def reply(self, mention: Mention, text: str) -> Posted:
        said = {**_named(mention), "text": text}
        made = (await self._calls.write("v1/question/answer/create", said)).parse(AnswerMade)
        return Posted(made.answer_id, self._now(), mention.url, visible=False)

    async def delete(self, mention: Mention, reply_id: str) -> None:
        said: dict[str, object] = {"answer_id": reply_id, "sku": int(mention.item or 0)}
        try:
            await self._calls.remove("v1/question/answer/delete", said)
        except Gone as error:
            # Only the list tells: "not found" may also be said of the product.
            if await self._stands(mention, reply_id):
                raise Refused(f"{TITLE}: does not find the answer to delete, yet shows it") from error

    async def _page(self, begin: datetime, last: str) -> Page:
        asked: dict[str, object] = {"filter": {"date_from": _rfc3339(begin), "status": "ALL"}, "last_id": last}
        listing = (await self._calls.read("v1/question/list", asked)).parse(QuestionList)
        raw = listing.questions or []
        questions, note = readable(raw, Question, TITLE)
        items = [Item(question.at, self._mention(question)) for question in questions]
        return Page(items, listing.next_after(last, len(raw)), note)

    async def _replies_to(self, question: Question) -> tuple[OfficialReply, ...]:
        """Of a question that is there: where the list of its answers is not, it must be because there are none."""
        try:
            return await self._replies(self._mention(question))
        except Gone as error:
            if question.answers_count:
                raise BadAnswer(f"{TITLE}: {question.answers_count} answers are not shown") from error
            return ()

    async def _replies(self, mention: Mention) -> tuple[OfficialReply, ...]:
        """The seller's answers, newest last."""
        ours = {answer.id: answer for answer in await self._answers(mention) if self._is_ours(answer)}
        in_order = sorted(ours.values(), key=lambda answer: answer.at or UNDATED)
        return tuple(OfficialReply(a.id, tidy(a.text), a.at, mention.url, a.standing) for a in in_order)

    def _is_ours(self, answer: AnswerGiven) -> bool:
        """In doubt it is: a lost answer of ours, taken for somebody else's, would be sent a second time."""
        author = _known_by(answer.author)
        return not (author and self._shop) or author == self._shop

    async def _answers(self, mention: Mention) -> list[AnswerGiven]:
        """All or none: an answer that cannot be read, or is not reached, may be the one that is looked for."""
        found: list[AnswerGiven] = []
        last = ""
        for _ in range(ANSWER_PAGES):
            asked = {**_named(mention), "last_id": last}
            listing = (await self._calls.read("v1/question/answer/list", asked)).parse(AnswerList)
            shown = listing.answers or []
            found += shown
            last = listing.next_after(last, len(shown))
            if not last:
                return found
        raise BadAnswer(f"{TITLE}: shows more than {ANSWER_PAGES} pages of answers to one question")

    async def _stands(self, mention: Mention, reply_id: str) -> bool:
        try:
            return any(answer.id == reply_id for answer in await self._answers(mention))
        except Gone:
            return False

    def _mention(self, question: Question) -> Mention:
        return Mention(
            key=self._owner.key(question.id),
            source=self._owner.source,
            kind="question",
            text=tidy(question.text),
            author=Author(name=tidy(question.author)),
            url=question.url,
            published_at=question.at,
            item=question.item,
            raw=question.raw,
        )


def _named(mention: Mention) -> dict[str, object]:
    """Ozon wants the product beside the question."""
    return {"question_id": mention.key.external_id, "sku": int(mention.item or 0)}


def _known_by(name: str) -> str:
    return fold(name).casefold()


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
