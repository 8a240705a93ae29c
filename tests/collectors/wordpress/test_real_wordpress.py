"""The same round trip on a real WordPress, started by whoever runs the test."""

from __future__ import annotations

import json
import os
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from collectors.http import client
from collectors.wordpress import Cursor, Settings, WordPress
from desk.errors import Gone, NeedsLogin, Refused, Unsure
from desk.mention import Mention

READY = os.environ.get("REPLYDESK_WORDPRESS", "")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not READY, reason="REPLYDESK_WORDPRESS names no file with a site's url, user, app_password, post"
    ),
]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Real:
    """A site and its visitors, each from an address of their own: a site lets one write every 15 seconds."""

    site: dict[str, str]
    http: httpx.AsyncClient
    press: WordPress

    def connected(self, **changes: object) -> WordPress:
        given = {"api_base": self.site["url"], "user": self.site["user"], "app_password": self.site["app_password"]}
        return WordPress(Settings.model_validate({**given, **changes}), "bank", "bank-site", self.http, utc_now)

    async def visitor_writes(self, text: str, parent: str = "0") -> str:
        form = {
            "comment_post_ID": str(self.site["post"]),
            "author": "Айгуль",
            "email": f"{uuid.uuid4().hex}@example.test",
            "comment": text,
            "comment_parent": parent,
        }
        address = ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(local_address=address)) as browser:
            answer = await browser.post(self.site["url"] + "/wp-comments-post.php", data=form)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"].rpartition("comment-")[2]

    async def read(self, cursor: str | None = None) -> dict[str, Mention]:
        batch = await self.press.read(cursor, utc_now() - timedelta(hours=1))
        return {m.key.external_id: m for m in batch.mentions}

    async def cursor(self) -> str:
        return (await self.press.read(None, utc_now() - timedelta(hours=1))).cursor

    async def mention(self, text: str) -> Mention:
        number = await self.visitor_writes(f"{text} {uuid.uuid4().hex[:6]}")
        return (await self.read())[number]

    async def as_admin(self, method: str, path: str, **body: object) -> None:
        """What the site's owner does in its own pages, here by program as the same editor."""
        pair = (self.site["user"], self.site["app_password"])
        url = f"{self.site['url']}/wp-json/wp/v2/{path}"
        (await self.http.request(method, url, auth=pair, json=body)).raise_for_status()


@pytest.fixture
async def real() -> AsyncIterator[Real]:
    site = json.loads(Path(READY).read_text())
    async with client() as http:
        bench = Real(site, http, None)  # type: ignore[arg-type]
        bench.press = bench.connected()
        yield bench


async def test_from_a_visitors_comment_to_a_deleted_reply(real: Real) -> None:
    mention = await real.mention("Карту заблокировали!")
    assert mention.author.name == "Айгуль"
    assert mention.published_at is not None
    assert abs(mention.published_at - utc_now()) < timedelta(minutes=2), "the site's own zone is Almaty"

    posted = await real.press.reply(mention, f"Разбираемся {uuid.uuid4().hex}", "k1")
    seen = await real.press.look(mention)
    assert seen.mention is not None
    assert seen.mention.fingerprint == mention.fingerprint
    assert [r.external_id for r in seen.replies] == [posted.external_id]
    assert posted.visible

    await real.press.edit(mention, posted.external_id, "Исправлено")
    assert [r.text for r in (await real.press.look(mention)).replies] == ["Исправлено"]

    await real.press.delete(mention, posted.external_id)
    await real.press.delete(mention, posted.external_id)
    assert (await real.press.look(mention)).replies == ()


TEXTS = [
    'Сказали "завтра" и it\'s',
    "«ёлочки» и „лапки“",
    "так -- и так --- и так – или так —",
    "подождите... ещё…",
    "2 x 2 и 10x5, 6' 2\", 1/2, (c) (tm) :) ;-)",
    "5 < 6 & 7 > 3, &amp; <b>не жирный</b> <script>alert(1)</script>",
    "строка\nвторая\n\nабзац\n\n\nещё  два   пробела ",
    "😡👎🏽 👨‍👩‍👧",
    "https://example.com/?a=1&b=2 и a@example.test",
    "[shortcode] %s {x} \\ \\n ` $1",
    "я" * 10_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=[t[:20] for t in TEXTS])
async def test_an_approved_text_stands_there_to_the_letter(real: Real, text: str) -> None:
    mention = await real.mention("Плохо")
    await real.press.reply(mention, text, "k")
    (reply,) = (await real.press.look(mention)).replies

    assert real.press.same(text, reply.text)
    assert not real.press.same(text + " нет", reply.text)


@pytest.mark.parametrize("text", TEXTS[:4], ids=[t[:20] for t in TEXTS[:4]])
async def test_a_text_is_the_same_as_shown_to_those_without_rights(real: Real, text: str) -> None:
    mention = await real.mention("Плохо")
    await real.press.reply(mention, text, "k")
    url = f"{real.site['url']}/wp-json/wp/v2/comments?parent={mention.key.external_id}"
    rendered = (await real.http.get(url)).json()[0]["content"]["rendered"]

    from collectors.text import plain

    assert real.press.same(text, plain(rendered))


async def test_the_same_reply_twice_stands_once(real: Real) -> None:
    mention = await real.mention("Дважды")
    await real.press.reply(mention, "Ответ", "k")

    with pytest.raises(Unsure):
        await real.press.reply(mention, "Ответ", "k")
    assert len((await real.press.look(mention)).replies) == 1


async def test_an_edit_and_a_deletion_by_the_author_are_seen(real: Real) -> None:
    mention = await real.mention("Плохо")
    number = mention.key.external_id
    cursor = await real.cursor()
    await real.as_admin("PUT", f"comments/{number}", content="Ещё хуже")
    batch = await real.press.read(cursor, utc_now())
    assert {m.key.external_id: m.text for m in batch.mentions}[number] == "Ещё хуже"

    await real.as_admin("DELETE", f"comments/{number}?force=true")
    gone = await real.press.read(batch.cursor, utc_now())
    assert {m.key.external_id: m.deleted for m in gone.mentions} == {number: True}
    assert (await real.press.look(mention)).mention is None


@pytest.mark.parametrize("force", ["true", "false"])
async def test_a_vanished_comment_takes_no_reply_though_wordpress_would(real: Real, force: str) -> None:
    mention = await real.mention("Исчезну")
    await real.as_admin("DELETE", f"comments/{mention.key.external_id}?force={force}")

    with pytest.raises(Gone):
        await real.press.reply(mention, "Поздно", "k")


async def test_our_own_replies_are_no_mentions(real: Real) -> None:
    mention = await real.mention("Плохо")
    posted = await real.press.reply(mention, "Мы отвечаем", "k")

    assert posted.external_id not in await real.read()


async def test_a_comment_under_our_reply_is_a_mention_with_its_parent(real: Real) -> None:
    mention = await real.mention("Плохо")
    posted = await real.press.reply(mention, "Мы отвечаем", "k")
    number = await real.visitor_writes(f"Не помогло {uuid.uuid4().hex[:6]}", posted.external_id)

    assert (await real.read())[number].parent_id == posted.external_id


async def test_a_comment_approved_late_is_found(real: Real) -> None:
    mention = await real.mention("Подожду")
    number = mention.key.external_id
    await real.as_admin("PUT", f"comments/{number}", status="hold")
    cursor = await real.cursor()
    assert number not in await real.read()
    await real.as_admin("PUT", f"comments/{number}", status="approved")

    assert number in await real.read(cursor)


async def test_a_comment_that_waits_is_known_until_it_is_approved(real: Real) -> None:
    mention = await real.mention("Подожду долго")
    number = mention.key.external_id
    await real.as_admin("PUT", f"comments/{number}", status="hold")
    cursor = await real.cursor()
    assert Cursor.model_validate_json(cursor).known[int(number)] == ""
    await real.as_admin("PUT", f"comments/{number}", status="approved", date_gmt="2020-01-01T00:00:00")

    assert number in await real.read(cursor)


@pytest.mark.parametrize("status", ["spam", "trash", "hold"])
async def test_a_reply_that_moderators_put_away_is_still_found(real: Real, status: str) -> None:
    mention = await real.mention("Плохо")
    posted = await real.press.reply(mention, f"Разбираемся {uuid.uuid4().hex}", "k1")
    await real.as_admin("PUT", f"comments/{posted.external_id}", status=status)
    (reply,) = (await real.press.look(mention)).replies

    assert (reply.external_id, reply.standing) == (posted.external_id, "waiting" if status == "hold" else "refused")


async def test_a_wrong_password_needs_a_person(real: Real) -> None:
    press = real.connected(app_password=SecretStr("no"))

    with pytest.raises(NeedsLogin):
        await press.read(None, utc_now())


async def test_too_long_a_reply_is_refused_and_the_longest_is_taken(real: Real) -> None:
    mention = await real.mention("Длинно")
    longest = real.press.card.longest
    assert longest is not None
    text = "я" * (longest // 2)

    with pytest.raises(Refused):
        await real.press.reply(mention, text + "яя", "k")
    assert (await real.press.reply(mention, text, "k")).visible


async def test_the_other_address_of_the_api_works_too(real: Real) -> None:
    real.press._pretty = False
    mention = await real.mention("По другому адресу")
    posted = await real.press.reply(mention, "Ответ", "k")

    assert (await real.press.look(mention)).replies[0].external_id == posted.external_id


@pytest.mark.parametrize("text", ["😡", 'Он сказал "нет" -- <b>и всё</b> & 5 < 6 :)', "очень длинно " * 800])
async def test_a_visitors_words_are_read(real: Real, text: str) -> None:
    mention = await real.mention(text)

    assert len(mention.text) >= len(text) * 0.8
