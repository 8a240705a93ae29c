from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr, ValidationError

from collectors.mail import FORMS, Mail, Settings, imap_date
from desk.errors import DeskError, NeedsLogin, Refused, Retry
from desk.mention import Mention
from tests.collectors.mail.fake import PASSWORD, Box, serving
from tests.collectors.wire import NOW, now

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
        yield Bench(box, Mail(box.settings, "bank", "bank-mail", now))


async def test_a_sites_letter_is_a_mention_on_that_site(bench: Bench) -> None:
    bench.box.deliver(LETTER)
    (mention,) = await bench.read()

    assert (mention.site, mention.rating, mention.author.name) == ("otzovik", 2, "Жанна")
    assert mention.text == "Ждала сорок минут,\nи никто не извинился"
    assert mention.url == "https://otzovik.com/review_77.html"
    assert mention.published_at == NOW


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
    with serving(Box()) as box:
        settings = box.settings
    with pytest.raises(Retry, match="no connection"):
        await Mail(settings, "bank", "bank-mail", now).read(None, SINCE)


def test_a_password_never_goes_out_in_the_open() -> None:
    with pytest.raises(ValidationError, match="in the open") as caught:
        Settings(host="imap.example.com", user="u", password=SecretStr(PASSWORD), security="none")
    assert PASSWORD not in str(caught.value)


def test_dates_are_in_english_in_any_country() -> None:
    assert imap_date(datetime(2026, 5, 3, tzinfo=UTC)) == "03-May-2026"
