"""RuStore: reviews of the brand's own apps (public API: comment, feedback)."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from collectors.answers import Answer
from collectors.http import Ask, Door, Now
from collectors.login import Grant, Login, Pass
from collectors.pages import Item, Page, joined, newest_first
from collectors.records import QUOTED, readable
from collectors.settings import SourceSettings
from collectors.text import fold, scrubbed, tidy
from desk.errors import BadAnswer, DeskError, Gone, NeedsLogin, Refused
from desk.mention import Author, Mention, MentionKey, OfficialReply, Standing
from desk.platform import Batch, Look, PlatformCard, Posted

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="rustore",
    title="RuStore",
    can_reply=True,
    can_edit=True,
    can_delete=True,
    can_look=True,
    moderated=True,
    longest=500,
    every=timedelta(minutes=5),
    floor=timedelta(minutes=2),
    pace=30,
    grace=timedelta(minutes=2),
    hosts=("rustore.ru/catalog", "apps.rustore.ru"),
    notes=(
        "Moderators see each reply before the public does, an edited one too.",
        "Times without a zone are taken for Moscow's.",
        "Reviews are taken to be listed newest first, as RuStore's papers do not say; a note tells where they are not.",
        "An edit is noticed among the reviews of the last week and the newest 100, later only in open cases.",
        "The login is signed with the time: the desk's clock must be right to a minute.",
        "There is no link to a single review: the link opens the app's page.",
    ),
)

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

VENDOR = "https://public-api.rustore.ru"
LINK = "https://www.rustore.ru/catalog/app/{package}"
OVERLAP = timedelta(days=7)
PAGE = 100
PAGES = 10
"""Pages of our answers that are searched for those under one review."""
LIFE = 900
MOSCOW = timezone(timedelta(hours=3))
DELETED = "DELETED"
STANDINGS: dict[str, Standing] = {"PUBLISHED": "public", "MODERATION": "waiting", "REJECTED": "refused"}


@lru_cache(maxsize=64)
def _key(text: str) -> RSAPrivateKey:
    """RuStore gives the key without the lines around it; both forms are taken. Reading one takes a while."""
    try:
        if "-----BEGIN" in text:
            key = load_pem_private_key(text.encode(), password=None)
        else:
            key = load_der_private_key(base64.b64decode("".join(text.split()), validate=True), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        # `from None`: the library's error may quote the key.
        raise ValueError("is not a private key (PEM, or the base64 text of RuStore Console)") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("is not an RSA key")
    return key


class Settings(SourceSettings):
    package: str = Field(
        pattern=r"^[A-Za-z]\w*(\.[A-Za-z]\w*)+$",
        title="Package name",
        description="The app's id, as in its RuStore address: com.example.app",
    )
    key_id: str = Field(
        min_length=1, coerce_numbers_to_str=True, title="Key ID", description="The API key's id in RuStore Console"
    )
    private_key: SecretStr = Field(
        title="Private key", description="The API key as RuStore Console gave it, usually file:PATH; it needs reviews"
    )

    @field_validator("private_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        _key(value.get_secret_value())
        return value


def _utc(at: datetime) -> datetime:
    try:
        return (at if at.tzinfo else at.replace(tzinfo=MOSCOW)).astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of the calendar") from None


Moment = Annotated[datetime, AfterValidator(_utc)]
Id = Annotated[str, Field(min_length=1, coerce_numbers_to_str=True)]


class Review(BaseModel):
    id: Id = Field(alias="commentId")
    author: str | None = Field(None, alias="userName")
    stars: int | None = Field(None, alias="appRating")
    text: str | None = Field(None, alias="commentText")
    status: str | None = Field(None, alias="commentStatus")
    written: Moment | None = Field(None, alias="commentDate")
    written_iso: Moment | None = Field(None, alias="commentDateIso")
    updated: Moment | None = Field(None, alias="updatedAt")
    updated_iso: Moment | None = Field(None, alias="updatedAtIso")
    version: str | None = Field(None, alias="appVersionName")

    @property
    def at(self) -> datetime | None:
        return self.written_iso or self.written

    @property
    def changed(self) -> datetime | None:
        return max((time for time in (self.at, self.updated_iso or self.updated) if time), default=None)


class Feedback(BaseModel):
    """An answer of the brand's."""

    id: Id
    review: Id = Field(alias="commentId")
    text: str | None = None
    status: str
    date: Moment | None = None


class Envelope(BaseModel):
    code: str
    message: str | None = None


class Listing(BaseModel):
    body: list[Any]

    @field_validator("body", mode="before")
    @classmethod
    def _content(cls, body: Any) -> Any:
        """RuStore answers a list, or a page that holds one."""
        return body.get("content") if isinstance(body, dict) else body


class Body(BaseModel, Generic[T]):
    body: T


class Made(BaseModel):
    id: Id


class Granted(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    jwe: str = Field(min_length=1, repr=False)
    ttl: int = Field(LIFE, gt=0)


def said_by_rustore(body: Any) -> tuple[str, str]:
    return body.get("message") or "", body["code"]


def _signed(ask: Ask, token: str) -> Ask:
    return ask.with_header("Public-Token", token)


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> RuStore:
    return RuStore(settings, brand, source, http, now)


class RuStore:
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = settings.package
        self._settings = settings
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_rustore)
        self._login = Login(self._renew, now, CARD.title, sign=_signed)
        self._base = settings.api_base or VENDOR
        self._app = f"{self._base}/public/v1/application/{quote(settings.package, safe='')}"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        return await newest_first(self._list, cursor, since, now=self._now, overlap=OVERLAP)

    async def look(self, mention: Mention) -> Look:
        review = await self._review(mention.key.external_id)
        return Look(self._mention(review), await self._answers(review)) if review else Look(None)

    async def reply(self, mention: Mention, text: str, key: str) -> Posted:
        number = mention.key.external_id
        ask = Ask("POST", f"{self._app}/feedback", params={"commentId": number}, json={"message": text})
        return await self._say(mention, ask)

    async def edit(self, mention: Mention, reply_id: str, text: str) -> Posted:
        return await self._say(mention, Ask("POST", self._feedback(reply_id), json={"message": text}))

    async def delete(self, mention: Mention, reply_id: str) -> None:
        try:
            await self._login.call(self._write, Ask("DELETE", self._feedback(reply_id)))
        except Gone:
            return
        except Refused:
            if not await self._is_withdrawn(reply_id):
                raise

    def same(self, ours: str, theirs: str) -> bool:
        return fold(ours) == fold(theirs)

    async def close(self) -> None:
        """The HTTP client is shared and belongs to who opened it."""

    async def _renew(self, _last: Pass | None) -> Pass:
        now = self._now()
        key_id, at = self._settings.key_id, now.astimezone(MOSCOW).isoformat(timespec="milliseconds")
        key = _key(self._settings.private_key.get_secret_value())
        signature = key.sign((key_id + at).encode(), PKCS1v15(), SHA512())
        said = {"keyId": key_id, "timestamp": at, "signature": base64.b64encode(signature).decode()}
        try:
            answer = await self._read(Ask("POST", f"{self._base}/public/auth/", json=said))
        except (Refused, Gone) as error:
            raise NeedsLogin(error.reason) from error
        granted = answer.parse(Body[Granted]).body
        return Grant(access_token=granted.jwe, expires_in=granted.ttl, refresh_token="").as_pass(now)

    async def _read(self, ask: Ask) -> Answer:
        return _accepted(await self._door.read(ask), ask)

    async def _write(self, ask: Ask) -> Answer:
        return _accepted(await self._door.write(ask), ask)

    async def _say(self, mention: Mention, ask: Ask) -> Posted:
        try:
            made = (await self._login.call(self._write, ask)).parse(Body[Made]).body
        except Refused as error:
            # RuStore's papers do not say how an answer to a deleted review is refused.
            if await self._is_gone(mention):
                raise Gone(error.reason, what="mention") from error
            raise
        return Posted(made.id, self._now(), mention.url, visible=False)

    async def _is_gone(self, mention: Mention) -> bool:
        try:
            return await self._review(mention.key.external_id) is None
        except DeskError:
            return False

    async def _is_withdrawn(self, reply_id: str) -> bool:
        try:
            answers = (await self._records("feedback", Feedback, id=reply_id))[0]
        except DeskError as error:
            return isinstance(error, Gone)
        return not answers or {answer.status for answer in answers if answer.id == reply_id} == {DELETED}

    async def _review(self, number: str) -> Review | None:
        """None where it is gone. A 404 may be about the app: then the list of all says so too."""
        try:
            reviews, _, _ = await self._records("comment", Review, id=number)
            found = _with_id(reviews, number)
            if reviews and found is None:
                found = await self._search(number)
        except Gone:
            found = await self._search(number)
        return None if found is None or found.status == DELETED else found

    async def _search(self, number: str) -> Review | None:
        """Through the whole list, where RuStore does not pick one out of it."""
        unread = ""
        for page in range(PAGES):
            reviews, note, whole = await self._records("comment", Review, page=page, size=PAGE)
            unread = joined([unread, note])
            found = _with_id(reviews, number)
            if found or (whole < PAGE and not unread):
                return found
        raise BadAnswer(unread or f"{CARD.title}: the review is not among the first {PAGES * PAGE}")

    async def _answers(self, review: Review) -> tuple[OfficialReply, ...]:
        """RuStore lists answers under all reviews together; one cannot be older than what it answers."""
        found: list[Feedback] = []
        for page in range(PAGES):
            shown = await self._raw("feedback", page=page, size=PAGE)
            found += _under(review, shown)
            if len(shown) < PAGE or _all_later_are_older(readable(shown, Feedback, CARD.title)[0], review):
                return _official(found)
        raise BadAnswer(f"{CARD.title}: more than {PAGES * PAGE} answers, this review's are not among the first")

    async def _records(
        self, path: str, shape: type[M], searched: bool = True, **params: str | int
    ) -> tuple[list[M], str, int]:
        """Records, a note on those that cannot be read, and how many there were with them."""
        raw = await self._raw(path, **params)
        return *readable(raw, shape, CARD.title, searched=searched), len(raw)

    async def _raw(self, path: str, **params: str | int) -> list[Any]:
        ask = Ask("GET", f"{self._app}/{path}", params=params)
        return (await self._login.call(self._read, ask)).parse(Listing).body

    async def _list(self, mark: str) -> Page:
        page = int(mark or 0)
        reviews, note, whole = await self._records("comment", Review, searched=False, page=page, size=PAGE)
        items = [Item(review.changed or self._now(), self._mention(review)) for review in reviews]
        if whole < PAGE:
            return Page(items, "", note)
        return Page(items, str(page + 1), joined([note, _wrong_order(reviews)]))

    def _feedback(self, number: str) -> str:
        return f"{self._app}/feedback/{quote(number, safe='')}"

    def _mention(self, review: Review) -> Mention:
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, review.id),
            source=self._source,
            text=tidy(review.text or ""),
            rating=review.stars,
            author=Author(name=tidy(review.author or "")),
            url=LINK.format(package=quote(self.account)),
            published_at=review.at,
            deleted=review.status == DELETED,
            raw=scrubbed(review.model_dump(mode="json", by_alias=True, exclude_none=True)),
        )


def _accepted(answer: Answer, ask: Ask) -> Answer:
    """An error may come with HTTP 200."""
    said = answer.parse(Envelope)
    if said.code.upper() == "OK":
        return answer
    message = said.message or ""
    for secret in ask.secrets:
        message = message.replace(secret, "***")
    raise Refused(f"{CARD.title}: {said.code} {fold(message)[:QUOTED]}".strip(), code=said.code)


def _with_id(reviews: list[Review], number: str) -> Review | None:
    return next((review for review in reviews if review.id == number), None)


def _under(review: Review, answers: list[Any]) -> list[Feedback]:
    """Those under a review. Raises BadAnswer where one cannot be read: it may be the reply that is looked for."""
    found, note = readable([one for one in answers if _may_be_under(review, one)], Feedback, CARD.title, searched=True)
    if note:
        raise BadAnswer(note)
    return found


def _may_be_under(review: Review, answer: Any) -> bool:
    number = answer.get("commentId") if isinstance(answer, dict) else None
    return not isinstance(number, int | str) or str(number) in ("", review.id)


def _official(answers: list[Feedback]) -> tuple[OfficialReply, ...]:
    """Those that stand, newest last. An edit leaves the earlier text in the list as a deleted one."""
    standing = [answer for answer in answers if answer.status != DELETED]
    standing.sort(key=lambda answer: answer.date or datetime.max.replace(tzinfo=UTC))
    return tuple(
        OfficialReply(a.id, tidy(a.text or ""), a.date, standing=STANDINGS.get(a.status, "waiting")) for a in standing
    )


def _all_later_are_older(answers: list[Feedback], review: Review) -> bool:
    dates = [answer.date for answer in answers if answer.date]
    newest_come_first = len(dates) > 1 and dates == sorted(dates, reverse=True)
    return newest_come_first and review.at is not None and dates[-1] < review.at


def _wrong_order(reviews: list[Review]) -> str:
    for times in ([r.at for r in reviews], [r.changed for r in reviews]):
        known = [time for time in times if time]
        if not known or known[0] >= known[-1]:
            return ""
    return f"{CARD.title} lists the oldest reviews first: the newest may be missing"
