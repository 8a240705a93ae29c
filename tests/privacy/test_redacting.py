"""What goes to an AI server with `[ai] redact = true`, and what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.ai import AiServer
from bot.budget import Budget
from bot.config import Ai
from bot.directory import Knowledge
from bot.drafter import OpenAiDrafter
from bot.judge import build_judge
from bot.redacting import Redactor
from desk.mention import Author
from desk.ports import Judge
from storage.store import SqlStore, open_store
from tests.bot.ai_server import KEY, Spoken, listening, says
from tests.desk.world import rules
from tests.storage.helpers import a_case

NAME = "Анна Петрова"
HIDDEN = {
    "phone": "+7 (701) 123-45-67",
    "phone without a plus": "87011234567",
    "phone with points": "8.701.123.45.67",
    "phone that hides": "8\u200b701\u200b123\u200b45\u200b67",
    "short phone": "123-45-67",
    "phone in full-width digits": "＋７７０１１２３４５６７",
    "card": "4400 4301 2345 6789",
    "card in one piece": "4400430123456789",
    "account": "40817810099910004312",
    "e-mail": "anna.petrova+shop@mail.example.kz",
    "e-mail in Cyrillic": "анна@почта.рф",
    "link with a token": "https://shop.example/order?token=abc123",
    "link with a login": "https://anna:pass@shop.example/",
    "link with a long word": "https://shop.example/r/Zx81kQ0pLmN4vT7yBcDe2f",
    "number in a link": "https://wa.me/77011234567",
    "name": NAME,
    "name in small letters": "анна петрова",
    "first name, declined": "Анне",
    "surname, declined": "Петровой",
    "page of the author": "https://site.example/u/anna",
}
LEFT = (
    "Холодный кофе, 2 звезды из 5",
    "Ждал 45 минут, счёт 12 500 тенге",
    "https://example.com/menu",
    "Заказ 1234567",
    "в 2026 году",
)


def redactor() -> Redactor:
    return Redactor([NAME], ["https://site.example/u/anna"])


@pytest.mark.parametrize("what", HIDDEN)
def test_what_names_or_reaches_a_person_is_hidden_and_put_back(what: str) -> None:
    word, one = HIDDEN[what], redactor()
    text = f"Пишу вам, {word}, жду ответа"

    shown = one.hide(text)

    assert word not in shown
    assert len(re.findall(r"\[(?:LINK|EMAIL|CARD|PHONE|AUTHOR)_\d+\]", shown)) == 1
    assert one.restore(shown) == text


SPELLED = {
    "a handle": ("@vera_p", "это vera_p, жду"),
    "a name in brackets": ("Мария (Маша) П.", "Маша из Алматы"),
    "a double name": ("Анна-Мария Водкина", "меня зовут Анна, жду"),
    "a name among signs": ("🌸Анна🌸", "Анна, Алматы"),
    "without its dots": ("Артём", "зовут Артем, жду Артемом"),
    "with its dots": ("Семен", "Семён, жду"),
}


@pytest.mark.parametrize("how", SPELLED)
def test_a_name_is_hidden_however_the_author_spells_it(how: str) -> None:
    name, text = SPELLED[how]
    one = Redactor([name])
    shown = one.hide(text)
    assert not [word for word in ("vera_p", "Маша", "Анна", "Артем", "Семён") if word in shown]
    assert one.restore(shown) == text


@pytest.mark.parametrize("text", LEFT)
def test_what_a_reply_is_about_stays(text: str) -> None:
    assert redactor().hide(text) == text


def test_the_same_word_is_the_same_placeholder_and_another_is_another() -> None:
    one = redactor()
    shown = one.hide({"text": "Звоните 87011234567 или 87017654321", "title": "87011234567", "n": [1, None, True]})
    assert shown == {"text": "Звоните [PHONE_1] или [PHONE_2]", "title": "[PHONE_1]", "n": [1, None, True]}


@pytest.mark.parametrize("spelled", ["[PHONE_1]", "[phone_1]", "[Phone 1]", "[ PHONE-1 ]"])
def test_a_placeholder_is_known_however_a_model_spells_it(spelled: str) -> None:
    one = redactor()
    one.hide("87011234567")
    assert one.restore(f"Перезвоним на {spelled}.") == "Перезвоним на 87011234567."


def test_what_only_looks_like_a_placeholder_stays_what_it_was() -> None:
    one = redactor()
    text = "Мой номер [PHONE_1], то есть 87011234567"
    shown = one.hide(text)
    assert shown == "Мой номер [PHONE_1], то есть [PHONE_2]"
    assert one.restore(shown) == text
    assert one.restore("[CARD_9]") == "[CARD_9]"


def test_switched_off_it_changes_nothing() -> None:
    one = Redactor([NAME], active=False)
    assert one.hide({"text": NAME}) == {"text": NAME}
    assert one.restore("[AUTHOR_1]") == "[AUTHOR_1]"


PIECES = st.one_of(
    st.sampled_from(sorted(HIDDEN.values())),
    st.text(max_size=20),
    st.sampled_from(["[PHONE_1]", "[author 2]", " ", "\n", ", ", "."]),
)


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.text(max_size=15), max_size=3))
def test_hidden_and_put_back_is_the_same_text(text: str, names: list[str]) -> None:
    one = Redactor([NAME, *names])
    assert one.restore(one.hide(text)) == text


@given(
    st.lists(st.sampled_from(sorted(HIDDEN)), min_size=1, max_size=6), st.sampled_from([" ", ", ", "\n", " — ", "; "])
)
def test_nothing_that_is_to_be_hidden_is_left_in_any_company(what: list[str], between: str) -> None:
    words = [HIDDEN[one] for one in what]
    shown = redactor().hide(between.join(words))
    assert not any(word in shown for word in words)


@given(st.from_regex(r"\+?[1-9](?:[ ().-]{0,2}[0-9]){9,13}", fullmatch=True))
def test_no_digits_of_a_phone_are_left(phone: str) -> None:
    shown = redactor().hide(f"тел. {phone} звоните")
    assert not re.search(r"\d{2}", re.sub(r"\[\w+\]", "", shown))


@given(st.from_regex(r"[a-z][a-z0-9._-]{0,10}@[a-z0-9]{1,10}\.[a-z]{2,6}", fullmatch=True))
def test_no_address_is_left(address: str) -> None:
    assert "@" not in redactor().hide(f"Почта: {address}")


# what the server is sent


@pytest.fixture
async def sent(sqlite_url: str) -> AsyncIterator[tuple[AiServer, Spoken]]:
    spoken = Spoken([says("Здравствуйте, [AUTHOR_1]! Перезвоним на [phone 1].")])
    async with AsyncExitStack() as stack:
        store: SqlStore = await open_store(sqlite_url)
        stack.push_async_callback(store.close)
        url = await listening(spoken, stack)
        settings = Ai(base_url=url, api_key=SecretStr(KEY), model="m", redact=True)
        server = AiServer(settings, Budget(store, 100_000))
        stack.push_async_callback(server.close)
        yield server, spoken


def of_anna() -> Any:
    case = a_case()
    text = f"{NAME}: верните деньги на 4400 4301 2345 6789, тел. 87011234567, anna@mail.kz"
    mention = replace(case.mention, text=text, rating=None, author=Author("u9", NAME, "https://site.example/u/anna"))
    return replace(case, mention=mention, reason="Позвоните Анне: 87011234567")


async def test_the_server_is_shown_no_person_and_the_draft_names_one(sent: tuple[AiServer, Spoken]) -> None:
    server, spoken = sent
    drafter = OpenAiDrafter(server, lambda brand: Knowledge(None, "Acme Coffee", {}))

    text = await drafter.suggest(of_anna(), replace(rules(), ai=True))

    assert text.startswith(f"Здравствуйте, {NAME}! Перезвоним на 87011234567.")
    said = json.dumps(spoken.asked, ensure_ascii=False)
    for word in ("Анн", "Петров", "4400", "8701", "mail.kz", "site.example"):
        assert word not in said
    assert "stand for a name or a number" in said


async def test_the_judge_too_shows_no_person(sent: tuple[AiServer, Spoken]) -> None:
    server, spoken = sent
    spoken.answers[:] = [says('{"negative": 0.9}')]
    judge: Judge = build_judge(server)

    verdict = await judge.judge(of_anna().mention, replace(rules(), ai=True))

    assert verdict.tone == "negative"
    said = json.dumps(spoken.asked, ensure_ascii=False)
    assert "верните деньги" in said
    for word in ("Анн", "Петров", "4400", "8701", "mail.kz"):
        assert word not in said
