from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from time import process_time

import pytest
from pydantic import SecretStr, ValidationError

from collectors.http import client
from collectors.mail import FORMS, Mail, Settings, connect, imap_date
from collectors.net import ssl_context
from desk.errors import DeskError, NeedsLogin, Refused, Retry
from desk.mention import Mention
from tests.collectors.mail.fake import PASSWORD, Box, serving
from tests.collectors.wire import NOW, now, silent_port
from tests.networks.authority import ca_file, server_context

SINCE = NOW - timedelta(days=7)
LETTER = """Здравствуйте!

Автор: Жанна
Оценка: 2
Отзыв: Ждала сорок минут,
и никто не извинился

Ответить: https://otzovik.com/review_77.html
Отписаться: https://otzovik.com/unsubscribe
"""


@dataclass
class Bench:
    box: Box
    mail: Mail

    async def read(self, cursor: str | None = None) -> list[Mention]:
        return (await self.mail.read(cursor, SINCE)).mentions


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    with serving(Box()) as box:
        yield Bench(box, Mail(box.settings, "bank", "bank-mail", now, ssl_context()))


async def test_a_sites_letter_is_a_mention_on_that_site(bench: Bench) -> None:
    bench.box.deliver(LETTER)
    (mention,) = await bench.read()

    assert (mention.site, mention.rating, mention.author.name) == ("otzovik", 2, "Жанна")
    assert mention.text == "Ждала сорок минут,\nи никто не извинился"
    assert mention.url == "https://otzovik.com/review_77.html"
    assert mention.published_at == NOW


async def test_a_companys_own_authority_is_trusted_here_as_everywhere(tmp_path: Path) -> None:
    with serving(Box(), server_context(tmp_path)) as box:
        box.deliver(LETTER)
        settings = box.settings.model_copy(update={"security": "tls"})
        async with client(ca_file=ca_file(tmp_path)) as http:
            (mention,) = (await connect(settings, "bank", "bank-mail", http, now).read(None, SINCE)).mentions
        async with client() as http:
            with pytest.raises(Retry, match="SSLCertVerificationError"):
                await connect(settings, "bank", "bank-mail", http, now).read(None, SINCE)

    assert mention.rating == 2


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.site)
async def test_each_sites_letters_are_known_by_their_sender(bench: Bench, form: object) -> None:
    site, sender = form.site, form.senders[0]  # type: ignore[attr-defined]
    words = 'Жанна оставила отзыв: "Очень долго"' if site == "google_business" else "Отзыв: Очень долго"
    bench.box.deliver(words, sender=f"noreply@mail.{sender}")
    (mention,) = await bench.read()

    assert (mention.site, mention.text) == (site, "Очень долго")


async def test_an_unknown_letter_is_shown_whole(bench: Bench) -> None:
    bench.box.deliver("Somebody wrote about you", sender="robot@forum.test", subject="Weekly news")
    (mention,) = await bench.read()

    assert (mention.site, mention.title, mention.text, mention.rating) == (
        "",
        "Weekly news",
        "Somebody wrote about you",
        None,
    )


async def test_a_known_sites_letter_of_another_form_is_shown_whole(bench: Bench) -> None:
    bench.box.deliver("Ваш тариф заканчивается", subject="Счёт")
    (mention,) = await bench.read()

    assert (mention.site, mention.title, mention.text) == ("", "Счёт", "Ваш тариф заканчивается")


async def test_a_sender_that_only_looks_like_a_site_is_not_it(bench: Bench) -> None:
    bench.box.deliver(LETTER, sender="noreply@otzovik.com.evil.test")

    assert [m.site for m in await bench.read()] == [""]


async def test_a_letter_in_html_gives_its_words_stars_and_link(bench: Bench) -> None:
    page = (
        "<style>p{color:red}</style><p>Оценка ★☆☆☆☆</p><p>Отзыв: Грубят &amp; опаздывают</p>"
        "<a href='x'></a><a href=\"https://2gis.kz/almaty/firm/1/tab/reviews\">Ответить</a>"
    )
    bench.box.deliver(page, sender="noreply@2gis.kz", html=True)
    (mention,) = await bench.read()

    assert (mention.site, mention.rating, mention.text) == ("2gis", 1, "Грубят & опаздывают")
    assert mention.url == "https://2gis.kz/almaty/firm/1/tab/reviews"


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("=?utf-8?b?MtCT0JjQoSwg0L7RgtC30YvQstGL?=", "otzovik"),
        ("Otzovik, reviews", "otzovik"),
        ("noreply@otzovik.com, robot", "otzovik"),
    ],
)
async def test_a_site_is_known_by_its_address_whatever_its_name_holds(bench: Bench, name: str, site: str) -> None:
    bench.box.put(f"From: {name} <noreply@otzovik.com>\n\n".encode() + LETTER.encode())

    assert [m.site for m in await bench.read()] == [site]


@pytest.mark.parametrize(
    ("sender", "site"),
    [
        ("ivan.petrov@yandex.ru", ""),
        ("noreply@yandex.ru", "yandex_maps"),
        ("hello@business.yandex.ru", "yandex_maps"),
        ("noreply@notyandex.ru", ""),
    ],
)
async def test_whoever_has_a_mailbox_there_is_not_the_site(bench: Bench, sender: str, site: str) -> None:
    bench.box.deliver("Отзыв: Очень долго", sender=sender)

    assert [m.site for m in await bench.read()] == [site]


# what a letter says


async def test_a_text_of_several_paragraphs_is_not_cut(bench: Bench) -> None:
    bench.box.deliver(LETTER.replace("минут,\n", "минут.\n\n"))
    (mention,) = await bench.read()

    assert mention.text == "Ждала сорок минут.\n\nи никто не извинился"


@pytest.mark.parametrize(
    "after",
    ["\nДата: 24.11.2026", "\n\nС уважением,\nFlamp", "\n\nОтветить: https://flamp.ru/1", "\nРейтинг: 1"],
)
async def test_a_text_ends_where_the_letter_speaks_again(bench: Bench, after: str) -> None:
    bench.box.deliver(f"Отзыв: Долго{after}", sender="noreply@flamp.ru")

    assert [m.text for m in await bench.read()] == ["Долго"]


@pytest.mark.parametrize("after", ["\n\nОтветить: https://flamp.ru/1", "\nАвтор: Жанна", "\n\nhttps://flamp.ru/1"])
async def test_what_stands_after_an_empty_label_is_no_text(bench: Bench, after: str) -> None:
    words = f"Оценка: 1\nОтзыв:{after}"
    bench.box.deliver(words, sender="noreply@flamp.ru")

    assert [(m.text, m.rating) for m in await bench.read()] == [(words, 1)]


async def test_the_greeting_is_not_taken_for_the_review(bench: Bench) -> None:
    bench.box.deliver(f"Вам оставили новый отзыв:\n\n{LETTER}")
    (mention,) = await bench.read()

    assert mention.text == "Ждала сорок минут,\nи никто не извинился"


async def test_a_letter_on_several_reviews_is_shown_whole(bench: Bench) -> None:
    words = "Отзыв: Вкусно\n\nОтзыв: Меня отравили\n\nhttps://flamp.ru/firm/1"
    bench.box.deliver(words, sender="noreply@flamp.ru", subject="Отзывы за день")
    (mention,) = await bench.read()

    assert (mention.title, mention.text) == ("Отзывы за день", words)


GOOGLES = {
    "nested quotes": ('Жанна оставила отзыв:\n«Кафе "Ромашка" ужасное»', 'Кафе "Ромашка" ужасное', ""),
    "a place in quotes": ("Жанна оставила отзыв о «Акме»: «Долго»", "Долго", ""),
    "an alert": ('Google Alert - "Acme Coffee"\nCourt finds Acme guilty', None, "Новый отзыв"),
    "several lines": ("Жанна оставила отзыв:\n«Долго\nи грубо»", None, "Новый отзыв"),
}


@pytest.mark.parametrize(("words", "text", "title"), GOOGLES.values(), ids=GOOGLES)
async def test_of_googles_letters_only_a_whole_quoted_review_is_taken_out(
    bench: Bench, words: str, text: str | None, title: str
) -> None:
    bench.box.deliver(words, sender="noreply@google.com")
    (mention,) = await bench.read()

    assert (mention.text, mention.title) == (text or words, title)


RATED = {
    "the mean of the place": ("Рейтинг: 4.8\nОценка: 1\nОтзыв: Ужас", 1),
    "whole stars": ("Оценка: 2,0\nОтзыв: Ужас", 2),
    "stars that adorn": ("★★★★★ лучшие места\nОценка: 1\nОтзыв: Ужас", 1),
    "two that differ": ("Рейтинг: 4\nОценка: 1\nОтзыв: Ужас", None),
    "stars alone": ("Оценка ★★☆☆☆\nОтзыв: Ужас", 2),
    "stars of an unknown form": ("Вам написали, это важно ★★★★★\nУжас", None),
    "a number of an unknown form": ("Автор: Жанна\nОценка: 1", 1),
}


@pytest.mark.parametrize(("words", "rating"), RATED.values(), ids=RATED)
async def test_no_other_stars_are_taken_for_those_of_the_review(bench: Bench, words: str, rating: int | None) -> None:
    bench.box.deliver(words, sender="noreply@flamp.ru")

    assert [m.rating for m in await bench.read()] == [rating]


CHARSETS = {
    "none": b"Content-Type: text/plain\n\n" + "Очень долго".encode(),
    "none, windows": b"\n" + "Очень долго".encode("cp1251"),
    "a wrong one": b"Content-Type: text/plain; charset=us-ascii\n\n" + "Очень долго".encode(),
    "one that nobody knows": b"Content-Type: text/plain; charset=utf8mb4\n\n" + "Очень долго".encode(),
    "another": b"Content-Type: text/plain; charset=koi8-r\n\n" + "Очень долго".encode("koi8-r"),
}


@pytest.mark.parametrize("content", CHARSETS.values(), ids=CHARSETS)
async def test_words_are_read_whatever_letters_are_named(bench: Bench, content: bytes) -> None:
    bench.box.put(b"From: a@forum.test\n" + content)

    assert [m.text for m in await bench.read()] == ["Очень долго"]


async def test_where_the_plain_words_are_empty_those_of_the_page_are_read(bench: Bench) -> None:
    letter = EmailMessage()
    letter["From"] = "a@forum.test"
    letter.set_content(" \n")
    letter.add_alternative("<p>Очень <a href='https://forum.test/1'>долго</a></p>", subtype="html")
    bench.box.put(letter.as_bytes())

    assert [m.text for m in await bench.read()] == ["Очень\n\nhttps://forum.test/1 долго"]


async def test_a_huge_letter_does_not_hold_the_desk(bench: Bench) -> None:
    for content in ("x" * 60_000, "<a " * 20_000):
        bench.box.deliver(content, sender="noreply@google.com", html=content.startswith("<"))
    # What the processor worked, not what the clock showed: beside others it may have waited for its turn.
    begun = process_time()

    assert len(await bench.read()) == 2
    assert process_time() - begun < 3


# whether two letters are one


async def test_two_reviews_of_one_place_are_two_mentions(bench: Bench) -> None:
    page = "https://2gis.kz/almaty/firm/1/tab/reviews"
    for author, text in (("Жанна", "Долго"), ("Олег", "Нахамили"), ("Олег", "Снова нахамили")):
        bench.box.deliver(f"Автор: {author}\nОтзыв: {text}\n\nОтветить: {page}", sender="noreply@2gis.kz")

    assert len({m.key for m in await bench.read()}) == 3


async def test_a_sites_letters_of_unknown_form_are_mentions_of_their_own(bench: Bench) -> None:
    for words in ("Ваш тариф заканчивается", "На вас пожаловались"):
        bench.box.deliver(f"{words}\n\nhttps://otzovik.com/review_77.html")

    assert len({m.key for m in await bench.read()}) == 2


async def test_the_sites_front_page_is_no_address_of_a_review(bench: Bench) -> None:
    logo = "https://otzovik.com/\nhttps://otzovik.com/unsubscribe?u=1\nhttps://otzovik.com/company/5\n\n"
    bench.box.deliver(logo + LETTER)
    bench.box.deliver("https://otzovik.com/\n\nОтзыв: Грубо")

    assert [m.url for m in await bench.read()] == ["https://otzovik.com/review_77.html", ""]


async def test_an_edited_review_is_known_by_an_address_of_its_own(bench: Bench) -> None:
    bench.box.deliver(LETTER)
    bench.box.deliver(LETTER.replace("сорок", "пятьдесят"))
    first, second = await bench.read()

    assert first.key == second.key
    assert first.fingerprint != second.fingerprint


async def test_a_reminder_of_the_same_review_is_the_same_mention(bench: Bench) -> None:
    bench.box.deliver(LETTER)
    bench.box.deliver(LETTER, subject="Напоминание")
    first, second = await bench.read()

    assert (first.key, first.fingerprint) == (second.key, second.fingerprint)


async def test_letters_are_read_once_and_nothing_is_marked(bench: Bench) -> None:
    bench.box.deliver(LETTER)
    batch = await bench.mail.read(None, SINCE)
    again = await bench.mail.read(batch.cursor, SINCE)
    bench.box.deliver("New one", sender="a@forum.test")

    assert (len(batch.mentions), again.mentions) == (1, [])
    assert [m.text for m in await bench.read(again.cursor)] == ["New one"]
    assert not [line for line in bench.box.asked if "STORE" in line or line.startswith("SELECT")]
    assert all("PEEK" in line for line in bench.box.asked if "FETCH" in line)


async def test_a_rush_of_letters_is_read_over_several_polls(bench: Bench) -> None:
    for number in range(70):
        bench.box.deliver(f"n{number}", sender="a@forum.test")
    first = await bench.mail.read(None, SINCE)
    second = await bench.mail.read(first.cursor, SINCE)

    assert [m.text for m in [*first.mentions, *second.mentions]] == [f"n{n}" for n in range(70)]


async def test_a_folder_that_was_numbered_anew_is_read_from_the_start_date(bench: Bench) -> None:
    bench.box.deliver(LETTER)
    batch = await bench.mail.read(None, SINCE)
    bench.box.numbering = 8

    assert len(await bench.read(batch.cursor)) == 1
    assert any('SINCE "17-Nov-2026"' in line for line in bench.box.asked)


async def test_on_the_first_poll_letters_from_before_are_left_out(bench: Bench) -> None:
    bench.box.deliver("Old", sender="a@forum.test", Date="Mon, 02 Nov 2026 10:00:00 +0500")

    assert await bench.read() == []


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 24 Nov 2026 10:00:00 -0000"])
async def test_a_letter_without_a_usable_date_counts_from_when_it_was_found(bench: Bench, date: str) -> None:
    bench.box.deliver("Hello", sender="a@forum.test", Date=date)

    assert [m.published_at for m in await bench.read()] == [None]


ODD = {
    "a sender cut short": b"From: <\n\nHi",
    "a sender of no kind": b"From: :; x\n\nHi",
    "a quote left open": b'From: "\n\nHi',
    "an id cut short": b"Message-ID: <\n\nHi",
    "the end of time": b"Date: Fri, 31 Dec 9999 23:59:59 -0500\n\nHi",
    "a letter in a letter in a letter": b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(2_000)
    ),
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
async def test_an_odd_letter_is_shown_and_stops_none_after_it(bench: Bench, content: bytes) -> None:
    bench.box.put(content)
    bench.box.deliver(LETTER)
    odd, review = await bench.read()

    assert (odd.site, review.site) == ("", "otzovik")
    assert odd.text == ("" if b"multipart" in content else "Hi")


async def test_a_letter_thrown_away_meanwhile_is_no_mention(bench: Bench) -> None:
    bench.box.deliver(LETTER)
    bench.box.gone.add(bench.box.deliver("Spam", sender="a@forum.test"))
    batch = await bench.mail.read(None, SINCE)
    again = await bench.mail.read(batch.cursor, SINCE)

    assert [m.site for m in batch.mentions] == ["otzovik"]
    assert (again.mentions, again.note) == ([], "")


async def test_a_letter_that_the_server_does_not_give_is_told_and_the_others_come(bench: Bench) -> None:
    for number in (1, 2, 3, 4):
        bench.box.deliver(f"n{number}", sender="a@forum.test")
    bench.box.says |= {"FETCH 2": "NO broken on disk", "FETCH 4": "NO later"}
    first = await bench.mail.read(None, SINCE)
    del bench.box.says["FETCH 4"]
    second = await bench.mail.read(first.cursor, SINCE)

    assert [m.text for m in first.mentions] == ["n1", "n3"]
    assert first.note == "Mail: the server does not give letter 2"
    assert [m.text for m in second.mentions] == ["n4"], "what was refused at the end is asked for again"


async def test_a_name_of_a_folder_goes_out_as_servers_know_it(bench: Bench) -> None:
    settings = bench.box.settings
    for name, known in FOLDERS.items():
        await Mail(settings.model_copy(update={"folder": name}), "bank", "bank-mail", now, ssl_context()).read(
            None, SINCE
        )
        assert f"EXAMINE {known}" in bench.box.asked


FOLDERS = {
    "Отзывы": '"&BB4EQgQ3BEsEMgRL-"',
    "&BB4EQgQ3BEsEMgRL-": '"&BB4EQgQ3BEsEMgRL-"',
    "R&D/台北": '"R&-D/&U,BTFw-"',
    'of "us"': '"of \\"us\\""',
}


@pytest.mark.parametrize(("user", "password"), [("отзывы@bank.test", "x"), ("desk", "пароль")])
async def test_a_login_that_the_protocol_cannot_say_is_told_as_one(bench: Bench, user: str, password: str) -> None:
    settings = bench.box.settings.model_copy(update={"user": user, "password": SecretStr(password)})
    with pytest.raises(NeedsLogin, match="Latin letters"):
        await Mail(settings, "bank", "bank-mail", now, ssl_context()).read(None, SINCE)


BROKEN = {
    "nothing": b"",
    "no letter": b"\xff\xfe\x00 garbage",
    "odd letters": b"Content-Type: text/plain; charset=nix\n\nHi",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
async def test_a_broken_letter_harms_only_itself(bench: Bench, content: bytes) -> None:
    bench.box.put(content)
    bench.box.deliver(LETTER)

    assert [m.site for m in await bench.read()][-1:] == ["otzovik"]


FAULTS: list[tuple[str, str, type[DeskError], str]] = [
    ("LOGIN", "NO wrong password", NeedsLogin, "refused"),
    ("LOGIN", "", Retry, "broke off"),
    ("EXAMINE", "NO no such folder", Refused, "no folder INBOX"),
    ("SEARCH", "BAD what", Refused, "what"),
    ("SEARCH", "NO not allowed", Refused, "not allowed"),
    ("LOGIN", "NO [UNAVAILABLE] try later", Retry, "lets nobody in now"),
    ("EXAMINE", "NO [INUSE] locked", Retry, "cannot serve now"),
    ("SEARCH", "NO [LIMIT] too much", Retry, "cannot serve now"),
    ("FETCH", "NO [UNAVAILABLE] try later", Retry, "gives no letter now"),
    ("FETCH", "", Retry, "broke off"),
]


@pytest.mark.parametrize(("command", "said", "error", "words"), FAULTS)
async def test_a_server_that_says_no_is_told_to_who_can_mend_it(
    bench: Bench, command: str, said: str, error: type[DeskError], words: str
) -> None:
    bench.box.deliver(LETTER)
    bench.box.says[command] = said

    with pytest.raises(error, match=words) as caught:
        await bench.read()
    assert type(caught.value) is error
    assert PASSWORD not in str(caught.value)


async def test_a_server_that_is_not_there_is_tried_again() -> None:
    box = Box()
    with silent_port() as box.port, pytest.raises(Retry, match="no connection"):
        await Mail(box.settings, "bank", "bank-mail", now, ssl_context()).read(None, SINCE)


def test_a_password_never_goes_out_in_the_open() -> None:
    with pytest.raises(ValidationError, match="in the open") as caught:
        Settings(host="imap.example.com", user="u", password=SecretStr(PASSWORD), security="none")
    assert PASSWORD not in str(caught.value)


def test_dates_are_in_english_in_any_country() -> None:
    assert imap_date(datetime(2026, 5, 3, tzinfo=UTC)) == "03-May-2026"
