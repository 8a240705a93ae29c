"""Mail: the "new review" letters that sites send to a brand, read by IMAP. What they tell of is answered by hand."""

from __future__ import annotations

import asyncio
import base64
import codecs
import email
import hashlib
import imaplib
import re
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import default as modern
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, model_validator

from collectors.http import Now, trusted
from collectors.manual import NoReply, recognise
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
        "A letter whose form is not known, or that tells of several reviews, becomes a mention with all its words, for "
        "staff to look at.",
        "The forms of the sites' letters were written from descriptions, not from their real letters.",
        "The time is the letter's: a site that writes late makes the clock start late.",
        "Where a letter gives no address of the single review, an edited review comes as another mention.",
    ),
)

SECONDS = 15.0
MOST = 50
"""Letters of one poll; the rest waits for the next."""
LARGEST = 1024 * 1024
"""Bytes of a letter that are read: words come before pictures."""
SITES_LONGEST = 50_000
"""Characters of a letter in which a site's form is sought: whatever is longer tells of more than one review."""
NOT_NOW = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT)\b", re.IGNORECASE)
"""RFC 5530 §3: a refusal that says nothing about the user, the password or the folder."""


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
    """How a site's letters look: whose they are, and a pattern for each part, its first group the value.

    `senders`: domains, their subdomains too; with a dot before them only those; or whole addresses.
    """

    site: str
    senders: tuple[str, ...]
    text: str
    author: str = r"(?:Автор|Пользователь|Author|Клиент)\s*:\s*(.+)"
    # "4.8" is the mean of a place, and no review's.
    rating: str = r"(?:Оценка|Рейтинг|Rating|Stars)\s*:?\s*([1-5])(?:[.,]0)?(?![.,]?\d)"


TEXT = "Текст отзыва|Отзыв|Review|Комментарий"
LABELS = "Автор|Пользователь|Клиент|Author|Оценка|Рейтинг|Rating|Stars|Дата|Date|Ответить|Reply|Отписаться|Unsubscribe"
CLOSING = "--|С уважением|Best regards|Вы получили|You received"
# A label stands at the beginning of its line: "a new review:" is the greeting. A text may have paragraphs: it ends
# before an address, the next label or the closing words.
QUOTED = (
    rf"(?s)(?m:^)[^\S\n]*(?:{TEXT})\s*:\s*+(?!https?://|(?:{TEXT}|{LABELS})\s*:)"
    rf"(.+?)(?=\n\n[^\n]*https?://|\n\s*(?:{TEXT}|{LABELS})\s*:|\n\n(?:{CLOSING})|\Z)"
)
FORMS = (
    Form("2gis", ("2gis.com", "2gis.ru", "2gis.kz", "account.2gis.com"), QUOTED),
    # Behind @yandex.ru itself is anybody who has a mailbox there.
    Form("yandex_maps", ("yandex-team.ru", ".yandex.ru", "noreply@yandex.ru", "no-reply@yandex.ru"), QUOTED),
    Form(
        "google_business",
        ("google.com", "business-noreply.google.com"),
        # A line that ends in a quotation: one that is all of it, or has it after a colon or stars.
        r"(?m)^(?=.*[\"»”][^\S\n]*$)(?:.*?[:★☆])??[^\S\n]*[\"«“](.+)[\"»”][^\S\n]*$",
        r"(?m)^(.+?) (?:left|оставил)",
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
ANCHOR = re.compile(r"""<a\b[^<>]{0,999}?\bhref=["'](https?://[^"'<>]{1,4000})["'][^<>]{0,999}>""", re.IGNORECASE)
OF_ONE = re.compile(r"(?:review|response|comment|otzyv)s?[/_=-]?\d{2}", re.IGNORECASE)
"""Addresses of one review; others may be those of a place, with all its reviews."""
NOT_OURS = re.compile(r"unsubscribe|otpis", re.IGNORECASE)
LINK = re.compile(r"https?://[^\s<>\"')\]]+")


class Cursor(BaseModel):
    """IMAP's numbering of the folder, and the last letter read in it (RFC 9051: UIDVALIDITY, UID)."""

    numbering: str = ""
    last: int = 0


class Letter(NamedTuple):
    number: int
    content: bytes


class Fetched(NamedTuple):
    """`cursor`: after them. `note`: on letters that the server has and does not give."""

    letters: list[Letter]
    cursor: Cursor
    note: str = ""


def connect(settings: Settings, brand: str, source: str, http: httpx.AsyncClient, now: Now) -> Mail:
    return Mail(settings, brand, source, now, trusted(http))


class Mail(NoReply):
    card = CARD

    def __init__(self, settings: Settings, brand: str, source: str, now: Now, context: ssl.SSLContext) -> None:
        self.account = f"{settings.user}/{settings.folder}"
        self._settings = settings
        self._brand = brand
        self._source = source
        self._now = now
        self._context = context

    async def read(self, cursor: str | None, since: datetime) -> Batch:
        state = Cursor.model_validate_json(cursor) if cursor else Cursor()
        fetched = await asyncio.to_thread(self._fetched, state, since)
        read = [await asyncio.to_thread(self._mention, letter) for letter in fetched.letters]
        fresh = [m for m in read if cursor or m.published_at is None or m.published_at >= since]
        return Batch(fresh, fetched.cursor.model_dump_json(), fetched.note)

    def _fetched(self, state: Cursor, since: datetime) -> Fetched:
        with self._opened() as box:
            numbering = self._entered(box)
            known = state.last if numbering == state.numbering else 0
            wanted = f"UID {known + 1}:*" if known else f'SINCE "{imap_date(since)}"'
            # "n:*" always gives the last letter, however small its number is.
            numbers = [n for n in self._numbers(box, wanted) if n > known][:MOST]
            given = {n: parts for n in numbers if (parts := self._parts(box, n)) is not None}
        if numbers and not given:
            raise Retry(f"{CARD.title} ({self._settings.host}): the server gives no letter now")
        # What was withheld at the end may be given the next time; what others came after is the letter's own fault.
        last = max(given, default=known)
        withheld = [str(n) for n in numbers if n < last and n not in given]
        note = f"{CARD.title}: the server does not give letter {', '.join(withheld)}" if withheld else ""
        letters = [Letter(n, parts[0]) for n, parts in given.items() if parts]
        return Fetched(letters, Cursor(numbering=numbering, last=last), note)

    @contextmanager
    def _opened(self) -> Iterator[imaplib.IMAP4]:
        """Signed in. Raises NeedsLogin, Retry, and Refused for a folder that is not there."""
        box = self._dialled()
        try:
            self._signed_in(box)
            yield box
        except (imaplib.IMAP4.abort, OSError) as error:
            raise Retry(f"{CARD.title} ({self._settings.host}): the connection broke off") from error
        except imaplib.IMAP4.error as error:
            raise self._refusal(f" ({self._settings.host}): {fold(str(error))[:200]}", error) from error
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
            return imaplib.IMAP4_SSL(known.host, known.port, ssl_context=self._context, timeout=SECONDS)
        except (OSError, imaplib.IMAP4.error) as error:
            raise Retry(f"{CARD.title} ({known.host}): no connection ({type(error).__name__})") from error

    def _signed_in(self, box: imaplib.IMAP4) -> None:
        where = f"{CARD.title} ({self._settings.host})"
        try:
            box.login(self._settings.user, self._settings.password.get_secret_value())
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            # The server's words may repeat the command, and with it the password.
            if NOT_NOW.search(str(error)):
                raise Retry(f"{where}: the server lets nobody in now") from None
            raise NeedsLogin(f"{where}: user or password refused") from None
        except UnicodeEncodeError:
            raise NeedsLogin(f"{where}: user and password must be of Latin letters, digits and signs") from None

    def _entered(self, box: imaplib.IMAP4) -> str:
        """The folder's numbering. Opened for reading only."""
        status, said = box.select(folder_name(self._settings.folder), readonly=True)
        if status != "OK":
            why = f": there is no folder {self._settings.folder}; see the name in the mail program"
            raise self._refusal(why, said)
        _, shown = box.response("UIDVALIDITY")
        return shown[0].decode() if shown and shown[0] else "?"

    def _refusal(self, why: str, said: object) -> Retry | Refused:
        """`said`: the server's own words."""
        if NOT_NOW.search(str(said)):
            return Retry(f"{CARD.title} ({self._settings.host}): the server cannot serve now")
        return Refused(f"{CARD.title}{why}")

    def _numbers(self, box: imaplib.IMAP4, wanted: str) -> list[int]:
        status, shown = box.uid("SEARCH", wanted)
        if status != "OK":
            raise imaplib.IMAP4.error(f"SEARCH: {shown!r}")
        return sorted(int(number) for number in (shown[0] or b"").split())

    def _parts(self, box: imaplib.IMAP4, number: int) -> list[bytes] | None:
        """The letter; an empty list where it was thrown away meanwhile, None where the server does not give it."""
        status, parts = box.uid("FETCH", str(number), f"(BODY.PEEK[]<0.{LARGEST}>)")
        return [part[1] for part in parts if isinstance(part, tuple)] if status == "OK" else None

    def _mention(self, letter: Letter) -> Mention:
        message = _parsed(letter.content)
        words = _words(message)
        sender = _header(message, "From")
        form = _form(sender) if len(words) <= SITES_LONGEST else None
        link = _link(words, form)
        author, text = (_first(form.author, words), _only(form.text, words)) if form else ("", "")
        subject = _header(message, "Subject")
        return Mention(
            key=MentionKey(self._brand, CARD.name, self.account, _identity(message, letter, (link, author, text))),
            source=self._source,
            site=form.site if form and text else "",
            title="" if form and text else subject,
            text=text or words,
            url=link,
            rating=_rating(words, form, text),
            author=Author(name=author),
            published_at=_sent_at(message),
            raw={"from": sender, "subject": subject},
        )


def imap_date(at: datetime) -> str:
    """RFC 9051, date: English months whatever the machine's language."""
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{at.day:02}-{months[at.month - 1]}-{at.year}"


def folder_name(name: str) -> str:
    """As servers know it (RFC 3501 §5.1.3, modified UTF-7), in quotes. A name that is written so already stays."""

    def packed(found: re.Match[str]) -> str:
        return f"&{base64.b64encode(found[0].encode('utf-16-be'), b'+,').decode().rstrip('=')}-"

    known = re.sub(r"[^\x20-\x7e]+", packed, re.sub(r"&(?![A-Za-z0-9+,]*-)", "&-", name))
    return '"' + re.sub(r'(["\\])', r"\\\1", known) + '"'


def _parsed(content: bytes) -> EmailMessage:
    """Of a letter that the library cannot take apart (letters in letters without end) the headers alone."""
    try:
        message = email.message_from_bytes(content, policy=modern)
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError):
        message = BytesHeaderParser(policy=modern).parsebytes(content)
    assert isinstance(message, EmailMessage)
    return message


def _header(message: EmailMessage, name: str) -> str:
    """Its words; as it was sent where the library stumbles over it, for one odd letter would stop all that follow."""
    try:
        return tidy(str(message.get(name, "")))
    except (LookupError, ValueError, TypeError, AttributeError):
        sent = next((str(value) for header, value in message.raw_items() if header.lower() == name.lower()), "")
        return tidy(sent)


def _words(message: EmailMessage) -> str:
    """The letter's words: plain ones if it has them, else those of its HTML, links kept beside their words."""
    words = _part(message, "plain")
    if not words:
        words = plain(ANCHOR.sub(r"\g<0><br><br>\1 ", _part(message, "html")))
    return re.sub(r"\n\s*\n", "\n\n", words.replace("\r\n", "\n"))


def _part(message: EmailMessage, kind: Literal["plain", "html"]) -> str:
    try:
        part = message.get_body((kind,))
        return "" if part is None else tidy(_decoded(part))
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return ""


def _decoded(part: Any) -> str:
    """In the letters it names; in those that most write where it names none, or what nobody knows."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        named = codecs.lookup(part.get_content_charset("ascii")).name
        if named != "ascii":
            return content.decode(named, "replace")
    except (LookupError, ValueError):
        pass
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1251", "replace")


def _form(sender: str) -> Form | None:
    """`sender`: the From header. A name may hold commas: the address stands at its end."""
    ends = re.search(r"<([^<>\s]+)>\s*$", sender)
    address = (ends[1] if ends else parseaddr(sender)[1]).lower()
    return next((form for form in FORMS if _belongs(address, form.senders)), None)


def _belongs(address: str, senders: Iterable[str]) -> bool:
    domain = address.rpartition("@")[2]
    return any(sender in (domain, address) or domain.endswith(f".{sender.removeprefix('.')}") for sender in senders)


def _first(pattern: str, words: str) -> str:
    match = re.search(pattern, words, re.IGNORECASE)
    return tidy(match[1]) if match else ""


def _only(pattern: str, words: str) -> str:
    """What is said once, or always alike. A letter that tells of several reviews is none of the known form."""
    found = {tidy(one) for one in re.findall(pattern, words, re.IGNORECASE)}
    return found.pop() if len(found) == 1 else ""


def _rating(words: str, form: Form | None, text: str) -> int | None:
    """Signs count in a letter of the known form alone: elsewhere they may be anything, and four keep it from staff."""
    if form is None:
        return None
    number, stars = _only(form.rating, words), STARS.search(words)
    if number:
        return int(number)
    return len(stars[1]) if text and stars and len(stars[1]) <= 5 else None


def _link(words: str, form: Form | None) -> str:
    """The first address on the letter's own site that leads somewhere in it, one of a single review before others;
    else none, rather than an address for unsubscribing."""
    if form is None:
        return ""
    links = [link.rstrip(".,") for link in LINK.findall(words)]
    own = [link for link in links if recognise(link) == form.site and _leads(link)]
    return next(filter(OF_ONE.search, own), own[0] if own else "")


def _leads(link: str) -> bool:
    parts = urlsplit(link)
    return bool(parts.path.strip("/") or parts.query) and not NOT_OURS.search(link)


def _identity(message: EmailMessage, letter: Letter, said: tuple[str, str, str]) -> str:
    """Two letters about one review, a reminder for one, are one mention. `said`: (address, author, text); an address
    that may be that of a place is not enough."""
    link, _, text = said
    known = link if OF_ONE.search(link) and text else "\x1f".join(said) if all(said) else ""
    named = known or _header(message, "Message-ID")
    return hashlib.sha256(named.encode() if named else letter.content).hexdigest()[:32]


def _sent_at(message: EmailMessage) -> datetime | None:
    """A date without a zone says nothing; the clock then starts when the letter was found."""
    try:
        at = getattr(message.get("Date"), "datetime", None)
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError):
        return None
