"""YouScan: mentions that a topic of this monitoring service collects from many sites. Reads only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from collectors.hooks import Call, Heed, needs_password
from collectors.http import Ask, Door, Now
from collectors.manual import NoReply, recognise
from collectors.pages import joined
from collectors.records import readable
from collectors.settings import SourceSettings, web_address
from collectors.text import scrubbed, tidy
from desk.errors import Refused
from desk.mention import Author, Kind, Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="youscan",
    title="YouScan",
    every=timedelta(minutes=5),
    floor=timedelta(minutes=1),
    pace=60,
    calls="Webhook of the topic",
    notes=(
        "Replies are posted by hand on the site a mention comes from.",
        "Mentions come minutes or hours after they were published; edits are not told.",
        "A mention in the topic's Bin counts as deleted (the newest 200 of 30 days); spam is left out.",
        "Posts of X come without words and author, only with a link; Reddit and Quora do not come at all.",
        "A rating is rounded to whole stars.",
    ),
)

VENDOR = "https://api.youscan.io/api/external"
PAGE = 200
"""YouScan gives up to 1,000, but so many full texts are more than one answer may hold."""
PAGES = 5
"""With the two calls for the Bin it stays below 10 requests in 10 seconds, YouScan's limit for a user."""
BINNED = timedelta(days=30)
AHEAD = timedelta(days=730)
"""The list ends today unless told otherwise: what is dated later would never be seen."""

PLAN = "402 Payment Required"
REMEDY = "the plan does not include the API: ask YouScan for it, or export the topic and use a source of platform csv"

NO_STARS, STARS = 0, 5
HALF = 0.5

REVIEWS: dict[str, Kind] = {"reviews": "review", "news": "article"}
X = {"x.com", "twitter.com"}
LANGUAGES = {
    "rus": "ru",
    "eng": "en",
    "kaz": "kk",
    "ukr": "uk",
    "bel": "be",
    "uzb": "uz",
    "kir": "ky",
    "tur": "tr",
    "deu": "de",
    "fra": "fr",
    "spa": "es",
    "ita": "it",
    "por": "pt",
    "pol": "pl",
}
"""Three letters to the two that the desk knows."""


class Settings(SourceSettings):
    api_key: SecretStr = Field(title="API key", description="Of a user who may view the topic: profile, API")
    topic_id: int = Field(gt=0, title="Topic", description="Its number, as in the address of the topic's page")
    push_secret: SecretStr | None = Field(
        None,
        min_length=16,
        title="Secret of its calls",
        description="Password in the address its calls are given: https://any:SECRET@desk.example/hooks/KEY",
    )
    own: tuple[str, ...] = Field(
        (), title="Own accounts", description="Names or profile links of the brand; what they write is no mention"
    )


def knock(settings: Settings, call: Call) -> Heed:
    """The topic's webhook: YouScan signs nothing, and any 2xx will do."""
    needs_password(call, settings.push_secret)
    return Heed()


def _link(value: str) -> str:
    """An address people can open, or nothing: sites and their collectors write all sorts of things there."""
    try:
        return web_address(value)
    except ValueError:
        return ""


Words = Annotated[str, BeforeValidator(lambda value: "" if value is None else value), AfterValidator(tidy)]
Link = Annotated[Words, AfterValidator(_link)]
Count = Annotated[int, Field(ge=0)]


class Lenient(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)


class Profile(Lenient):
    id: Words = Field(default="", alias="profileId")
    name: Words = ""
    nickname: Words = ""
    url: Link = ""
    subscribers: Count | None = None


class Engagement(Lenient):
    views: Count | None = None
    engagement: Count | None = None


class Numbered(Lenient):
    id: str = Field(pattern=r"^\d+$")
    seq: int


class Found(Numbered):
    published: AwareDatetime | None = None
    url: Link = ""
    title: Words = ""
    text: Words = ""
    full: Words = Field("", alias="fullText")
    source: Words = ""
    source_type: Words = Field("", alias="sourceType")
    post_type: Words = Field("", alias="postType")
    author: Profile | None = None
    place: Profile | None = Field(None, alias="publicationPlace")
    rating: float | None = Field(None, ge=NO_STARS, le=STARS)
    language: Words = ""
    engagement: Engagement | None = None
    potential: Count | None = Field(None, alias="potentialReach")
    post: Words = Field("", alias="postId")
    parent: Words = Field("", alias="parentPostId")
    image: Words = Field("", alias="imageUrl")
    images: list[Words] | None = None

    @property
    def kind(self) -> Kind:
        return "comment" if self.post_type == "comment" else REVIEWS.get(self.source_type, "post")

    @property
    def words(self) -> str:
        """All of it; of an article only the piece that names the brand."""
        return (self.text or self.full) if self.kind == "article" else (self.full or self.text)

    @property
    def stars(self) -> int | None:
        return max(1, int(self.rating + HALF)) if self.rating else None

    @property
    def site(self) -> str:
        """The platform it stands on, as the desk calls it, else the site's own name."""
        return recognise(self.url) or recognise(f"https://{self.source}") or self.source

    @property
    def address(self) -> str:
        """X's rules take the address away from the collector's clients; the post's number is left to them."""
        if not self.url and self.source in X and self.post.isdigit():
            return f"https://x.com/i/web/status/{self.post}"
        return self.url

    @property
    def reach(self) -> int | None:
        shown = self.engagement or Engagement()
        return next((n for n in (shown.views, self.potential, shown.engagement) if n is not None), None)

    @property
    def media(self) -> tuple[str, ...]:
        return tuple(link for one in self.images or [self.image] if (link := _link(one)))


class Listing(BaseModel):
    mentions: list[Any]


class Cursor(BaseModel):
    """Highest sequence number seen, and the publication from which on mentions count."""

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime
    seq: int = 0

    @classmethod
    def of(cls, stored: str | None, since: datetime) -> Cursor:
        return cls.model_validate_json(stored) if stored else cls(since=since)


def said_by_youscan(body: Any) -> tuple[str, str]:
    return body["message"], body["errorCode"]


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> YouScan:
    return YouScan(settings, brand, source, http, now)


class YouScan(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> None:
        self.account = str(settings.topic_id)
        self._key = settings.api_key.get_secret_value()
        self._own = {name.casefold().rstrip("/") for name in settings.own}
        self._brand = brand
        self._source = source
        self._now = now
        self._door = Door(http, CARD.title, now, said_by_youscan)
        self._mentions = f"{settings.api_base or VENDOR}/topics/{settings.topic_id}/mentions"

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.of(cursor, since)
        found, seq, note = await self._sweep(state)
        mentions = [self._mention(one) for one in found if not self._is_own(one)]
        gone = await self._binned({one.id for one in found}) if cursor else []
        after = Cursor(since=state.since, seq=seq).model_dump_json(exclude_defaults=True)
        return Batch([*mentions, *gone], after, note)

    async def _sweep(self, state: Cursor) -> tuple[list[Found], int, str]:
        """What was saved to the topic after the cursor, in that order: late finds come too, however old they are."""
        found: list[Found] = []
        notes: list[str] = []
        seq = state.seq
        for _ in range(PAGES):
            raw = await self._list(state.since, PAGE, orderBy="seqAsc", **({"sinceSeq": seq} if seq else {}))
            some, note = readable(raw, Found, CARD.title)
            found, notes = [*found, *some], [*notes, note]
            before, seq = seq, max([seq, *map(_seq, raw)])
            if len(raw) < PAGE or seq == before:
                break
        return found, seq, joined(notes)

    async def _binned(self, standing: set[str]) -> list[Mention]:
        since = self._now() - BINNED
        thrown, _ = readable(await self._list(since, PAGE, deleted="true"), Numbered, CARD.title)
        if not thrown or await self._also_stands(max(thrown, key=lambda one: one.seq), since):
            return []
        return [self._deleted(one.id) for one in thrown if one.id not in standing]

    async def _also_stands(self, one: Numbered, since: datetime) -> bool:
        """Whether the plain list has it as well. The papers leave open if the Bin is shown alone or with all the rest,
        and a mention that stands must not be taken for a deleted one."""
        after = await self._list(since, 1, orderBy="seqAsc", sinceSeq=one.seq - 1)
        return [_seq(first) for first in after] == [one.seq]

    async def _list(self, since: datetime, size: int, **more: str | int) -> list[Any]:
        params: dict[str, str | int] = {
            "from": _moment(since),
            "to": _moment(self._now() + AHEAD),
            "htmlSanitize": "false",
            "size": size,
            **more,
        }
        ask = Ask("GET", self._mentions, params=params, headers={"X-API-KEY": self._key})
        try:
            return (await self._door.read(ask)).parse(Listing).mentions
        except Refused as error:
            if PLAN in error.reason:
                raise Refused(f"{error.reason}: {REMEDY}", code=error.code) from None
            raise

    def _is_own(self, found: Found) -> bool:
        author = found.author or Profile()
        return bool(
            self._own & {one.casefold() for one in (author.id, author.name, author.nickname, author.url) if one}
        )

    def _mention(self, found: Found) -> Mention:
        author = found.author or Profile()
        return Mention(
            key=self._of(found.id),
            source=self._source,
            kind=found.kind,
            site=found.site,
            title=found.title,
            text=found.words,
            url=found.address,
            rating=found.stars,
            lang=LANGUAGES.get(found.language, found.language),
            author=Author(author.id, author.name or author.nickname, author.url, author.subscribers),
            published_at=found.published.astimezone(UTC) if found.published else None,
            item=found.place.name if found.place else "",
            reach=found.reach,
            media=found.media,
            parent_id=found.parent,
            raw=scrubbed(found.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"text", "full"})),
        )

    def _deleted(self, number: str) -> Mention:
        return Mention(key=self._of(number), source=self._source, text="", deleted=True)

    def _of(self, number: str) -> MentionKey:
        return MentionKey(self._brand, CARD.name, self.account, number)


def _moment(at: datetime) -> str:
    """With its zone: without one YouScan takes it for the time zone of the key's owner."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seq(record: Any) -> int:
    """Of any record, a readable one or not: one that is not must not be asked for again and again."""
    seq = record.get("seq") if isinstance(record, dict) else None
    return seq if isinstance(seq, int) else 0
