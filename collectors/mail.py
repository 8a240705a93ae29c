"""Mail: the "new review" letters that sites send to a brand, read by IMAP. What they tell of is answered by hand."""

from __future__ import annotations

import asyncio
import email
import hashlib
import imaplib
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default as modern
from email.utils import parseaddr
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, Field, SecretStr, model_validator

from collectors.http import Now
from collectors.manual import NoReply, recognise
from collectors.net import ssl_context
from collectors.settings import CommonSettings, on_loopback
from collectors.text import fold, plain, tidy
from desk.errors import NeedsLogin, Refused, Retry
from desk.mention import Author, Mention, MentionKey
from desk.platform import Batch, PlatformCard

if TYPE_CHECKING:
    import httpx

CARD = PlatformCard(
    name="mail",
    title="Mail",
    every=timedelta(minutes=2),
    floor=timedelta(minutes=1),
    pace=10,
    notes=(
        "Reads one folder and changes nothing in it: letters stay as unread as they were.",
        "A letter whose form is not known becomes a mention with all its words, for staff to look at.",
        "The forms of the sites' letters were written from descriptions, not from their real letters.",
        "The time is the letter's: a site that writes late makes the clock start late.",
    ),
)

SECONDS = 15.0
MOST = 50
"""Letters of one poll; the rest waits for the next."""
LARGEST = 1024 * 1024
"""Bytes of a letter that are read: words come before pictures."""


class Settings(CommonSettings):
    host: str = Field(pattern=r"^[\w.:-]+$", title="IMAP server", description="imap.example.com")
    port: int = Field(993, ge=1, le=65_535, title="Port", description="993 unless the provider says otherwise")
    user: str = Field(min_length=1, title="User", description="Mostly the whole address")
    password: SecretStr = Field(title="Password", description="An app password where the provider has such")
    folder: str = Field("INBOX", min_length=1, title="Folder", description="Where a rule puts the sites' letters")
    security: Literal["tls", "none"] = Field("tls", title="Encryption", description='"none" only on this very machine')

    @model_validator(mode="after")
    def _not_in_the_open(self) -> Settings:
        if self.security == "none" and not on_loopback(f"http://{self.host}"):
            raise ValueError('security = "none" would send the password in the open')
        return self


class Form(NamedTuple):
    """How a site's letters look: whose they are, and a pattern for each part, its first group the value."""

    site: str
    senders: tuple[str, ...]
    text: str
    author: str = r"(?:Автор|Пользователь|Author|Клиент)\s*:\s*(.+)"
    rating: str = r"(?:Оценка|Рейтинг|Rating|Stars)\s*:?\s*([1-5])\b"


QUOTED = r"(?:Текст отзыва|Отзыв|Review|Комментарий)\s*:\s*\n?(.+?)(?:\n\s*\n|\Z)"
FORMS = (
    Form("2gis", ("2gis.com", "2gis.ru", "2gis.kz", "account.2gis.com"), QUOTED),
    Form("yandex_maps", ("yandex.ru", "yandex-team.ru", "business.yandex.ru"), QUOTED),
    Form(
        "google_business",
        ("google.com", "business-noreply.google.com"),
        r"[\"«“](.+?)[\"»”]",
        r"(.+?) (?:left|оставил)",
    ),
    Form("banki_ru", ("banki.ru",), QUOTED),
    Form("otzovik", ("otzovik.com",), QUOTED),
    Form("irecommend", ("irecommend.ru",), QUOTED),
    Form("flamp", ("flamp.ru",), QUOTED),
    Form("zoon", ("zoon.ru", "zoon.kz"), QUOTED),
    Form("kaspi", ("kaspi.kz",), QUOTED),
    Form("habr_career", ("career.habr.com", "habr.com"), QUOTED),
    Form("trustpilot", ("trustpilot.com",), QUOTED),
)
"""Parsers as data: a site more is a line more."""

STARS = re.compile(r"(★+)(☆*)")
LINK = re.compile(r"https?://[^\s<>\"')\]]+")


class Cursor(BaseModel):
    """IMAP's numbering of the folder, and the last letter read in it (RFC 9051: UIDVALIDITY, UID)."""

    numbering: str = ""
    last: int = 0


class Letter(NamedTuple):
    number: int
    content: bytes


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Mail:
    return Mail(settings, brand, source, now)


class Mail(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, now: Now) -> None:
        self.account = f"{settings.user}/{settings.folder}"
        self._settings = settings
        self._brand = brand
        self._source = source
        self._now = now

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.model_validate_json(cursor) if cursor else Cursor()
        numbering, letters = await asyncio.to_thread(self._letters, state, since)
        read = [self._mention(letter) for letter in letters]
        fresh = [m for m in read if cursor or m.published_at is None or m.published_at >= since]
        last = max((letter.number for letter in letters), default=state.last if numbering == state.numbering else 0)
        return Batch(fresh, Cursor(numbering=numbering, last=last).model_dump_json())

    def _letters(self, state: Cursor, since: datetime) -> tuple[str, list[Letter]]:
        with self._opened() as box:
            numbering = self._entered(box)
            known = state.last if numbering == state.numbering else 0
            wanted = f"UID {known + 1}:*" if known else f'SINCE "{imap_date(since)}"'
            # "n:*" always gives the last letter, however small its number is.
            numbers = [n for n in _numbers(box.uid("SEARCH", wanted)) if n > known][:MOST]
            return numbering, [Letter(n, self._content(box, n)) for n in numbers]

    @contextmanager
    def _opened(self) -> Iterator[imaplib.IMAP4]:
        """Signed in. Raises NeedsLogin, Retry, and Refused for a folder that is not there."""
        box = self._dialled()
        try:
            try:
                box.login(self._settings.user, self._settings.password.get_secret_value())
            except imaplib.IMAP4.abort:
                raise
            except imaplib.IMAP4.error:
                # The server's words may repeat the command, and with it the password.
                raise NeedsLogin(f"{CARD.title} ({self._settings.host}): user or password refused") from None
            yield box
        except (imaplib.IMAP4.abort, OSError) as error:
            raise Retry(f"{CARD.title} ({self._settings.host}): the connection broke off") from error
        except imaplib.IMAP4.error as error:
            raise Refused(f"{CARD.title} ({self._settings.host}): {fold(str(error))[:200]}") from error
        finally:
            with suppress(imaplib.IMAP4.error, OSError):
                box.logout()
            with suppress(OSError):
                box.shutdown()  # logging out of a connection that broke off leaves its socket open

    def _dialled(self) -> imaplib.IMAP4:
        known = self._settings
        try:
            if known.security == "none":
                return imaplib.IMAP4(known.host, known.port, SECONDS)
            return imaplib.IMAP4_SSL(known.host, known.port, ssl_context=ssl_context(), timeout=SECONDS)
        except (OSError, imaplib.IMAP4.error) as error:
            raise Retry(f"{CARD.title} ({known.host}): no connection ({type(error).__name__})") from error

    def _entered(self, box: imaplib.IMAP4) -> str:
        """The folder's numbering. Opened for reading only."""
        status, _ = box.select(f'"{self._settings.folder}"', readonly=True)
        if status != "OK":
            raise Refused(f"{CARD.title}: there is no folder {self._settings.folder}; see the name in the mail program")
        _, shown = box.response("UIDVALIDITY")
        return shown[0].decode() if shown and shown[0] else "?"

    def _content(self, box: imaplib.IMAP4, number: int) -> bytes:
        _, parts = box.uid("FETCH", str(number), f"(BODY.PEEK[]<0.{LARGEST}>)")
        return next((part[1] for part in parts if isinstance(part, tuple)), b"")

    def _mention(self, letter: Letter) -> Mention:
        message = email.message_from_bytes(letter.content, policy=modern)
        assert isinstance(message, EmailMessage)
        words = _words(message)
        form = _form(message)
        link = _link(words, form)
        text = _found(form.text, words) if form else ""
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, _identity(message, link, letter)),
            source=self._source,
            site=form.site if form and text else "",
            title="" if form and text else tidy(str(message.get("Subject", ""))),
            text=text or words,
            url=link,
            rating=_rating(words, form),
            author=Author(name=_found(form.author, words) if form else ""),
            published_at=_sent_at(message),
            raw={"from": tidy(str(message.get("From", ""))), "subject": tidy(str(message.get("Subject", "")))},
        )


def imap_date(at: datetime) -> str:
    """RFC 9051, date: English months whatever the machine's language."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{at.day:02}-{months[at.month - 1]}-{at.year}"


def _numbers(answer: tuple[str, list[bytes | None]]) -> list[int]:
    _, shown = answer
    return sorted(int(number) for number in (shown[0] or b"").split())


def _words(message: EmailMessage) -> str:
    """The letter's words: plain ones if it has them, else those of its HTML, links kept beside their words."""
    try:
        part = message.get_body(("plain", "html"))
        content = "" if part is None else str(part.get_content())
    except (LookupError, ValueError, AttributeError):
        return ""
    if part is None or part.get_content_subtype() != "html":
        return tidy(content)
    return plain(re.sub(r'<a\b[^>]*\bhref="([^"]+)"[^>]*>', r"\g<0><br><br>\1 ", content))


def _form(message: EmailMessage) -> Form | None:
    domain = parseaddr(str(message.get("From", "")))[1].rpartition("@")[2].lower()
    return next((form for form in FORMS if _belongs(domain, form.senders)), None)


def _belongs(domain: str, senders: Iterable[str]) -> bool:
    return any(domain == sender or domain.endswith(f".{sender}") for sender in senders)


def _found(pattern: str, words: str) -> str:
    match = re.search(pattern, words, re.IGNORECASE | re.DOTALL if pattern == QUOTED else re.IGNORECASE)
    return tidy(match.group(1)) if match else ""


def _rating(words: str, form: Form | None) -> int | None:
    if form is None:
        return None
    stars, number = STARS.search(words), _found(form.rating, words)
    if stars and len(stars.group(1)) <= 5:
        return len(stars.group(1))
    return int(number) if number else None


def _link(words: str, form: Form | None) -> str:
    """The first address on the letter's own site; else none, rather than an address for unsubscribing."""
    links = (link.rstrip(".,") for link in LINK.findall(words))
    return next((link for link in links if form is not None and recognise(link) == form.site), "")


def _identity(message: EmailMessage, link: str, letter: Letter) -> str:
    """Two letters about one review, a reminder for one, are one mention."""
    named = link or str(message.get("Message-ID", "")).strip()
    return hashlib.sha256(named.encode() if named else letter.content).hexdigest()[:32]


def _sent_at(message: EmailMessage) -> datetime | None:
    """A date without a zone says nothing; the clock then starts when the letter was found."""
    try:
        at = getattr(message.get("Date"), "datetime", None)
    except (ValueError, TypeError):
        return None
    return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
