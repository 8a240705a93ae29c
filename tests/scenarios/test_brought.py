"""Mentions that people bring: by a command, by forwarding, by Slack's shortcut; told when it is a case already."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web

from desk.mention import MentionKey
from sandbox import world
from tests.collectors.wordpress.fake import OWN, Site
from tests.conftest import NewStore
from tests.faults.odd import odd
from tests.scenarios.conftest import Opened
from tests.scenarios.people import SlackSide, TelegramSide
from tests.scenarios.world import WHOLE, World

PLAY = "https://play.google.com/store/apps/details?id=kz.acme.coffee&reviewId={review}"
WORDS = "Sorry, Dina"

BLOG = """
[[clients.brands.sources]]
key = "acme-blog"
platform = "wordpress"
api_base = "{url}"
user = "brand"
app_password = "env:BLOG_PASSWORD"
every = "1s"
"""

TWO_WAYS = pytest.mark.parametrize(
    ("staff", "client"), [("telegram", "slack"), ("slack", "telegram")], ids=["telegram-slack", "slack-telegram"]
)


async def add(side: TelegramSide | SlackSide, who: str, text: str) -> None:
    """The command, as it is typed in the room itself."""
    if isinstance(side, TelegramSide):
        side.face.write(side.ids[who], side.room, f"/add {text}")
    else:
        side.face.write(world.TEAM, side.ids[who], side.channel, f"@desk add {text}")


async def told(w: World, side: TelegramSide | SlackSide, who: str, words: str) -> None:
    """Somebody is answered: in Telegram under their message, in Slack to them alone."""

    def heard() -> bool:
        return any(words in text for text in (side.room_texts() if side.messenger == "telegram" else side.private(who)))

    await w.until(heard, what=words)


async def approved(w: World, case: int) -> None:
    await w.staff.press("anna", case, "Take")
    await w.placed(case)
    await w.staff.reply("anna", case, WORDS)
    await w.until(lambda: "Send to client" in w.staff.buttons(case))
    await w.staff.press("anna", case, "Send to client")
    await w.client.press("marta", case, "Approve")


@TWO_WAYS
@pytest.mark.parametrize("seen", [True, False], ids=["seen by a poll", "never polled"])
async def test_a_link_to_a_platform_of_the_brand_is_answered_there(
    desk: Opened, staff: str, client: str, seen: bool
) -> None:
    async with desk(staff=staff, client=client, rush=True, every="1s" if seen else "1h") as w:
        await w.until(
            lambda: any(call.method == "reviews.list" for call in w.sandbox.site.calls), what="the first poll"
        )
        review = w.review(4, "Good, but the coffee was cold")
        if seen:
            await w.until(lambda: _stored(w, review))
        await add(w.staff, "anna", PLAY.format(review=review))
        await told(w, w.staff, "anna", "a case for Acme Coffee is on its way")
        await w.staff.thread(1)
        await w.until(lambda: any("Good, but the coffee was cold" in text for text in w.staff.texts(1)))
        case = await w.case(1)
        assert case.mention.rating == 4
        assert case.mention.author.name == "Dina"
        await approved(w, 1)
        await w.state(1, "answered")
        assert w.posts(review) == [WORDS]
        await add(w.client, "marta", PLAY.format(review=review) + " See this one")
        await told(w, w.client, "marta", "This is case #1 already")


async def _stored(w: World, review: str) -> bool:
    async with w.app.store.write(scope=WHOLE) as unit:
        return await unit.mention(MentionKey("acme-coffee", "google_play", world.PACKAGE, review)) is not None


@dataclass
class Blog:
    """A WordPress site on a socket. Its list shows no comment until it is told to; `listed`: how often it did."""

    site: Site = field(default_factory=Site)
    lists: bool = False
    listed: int = 0

    async def serve(self, request: web.Request) -> web.Response:
        asked = httpx.Request(request.method, str(request.url), headers=request.headers, content=await request.read())
        answer = self.site.serve(asked)
        if "after" in request.query:
            self.listed += self.lists
            return web.json_response(answer.json() if self.lists else [])
        return web.Response(status=answer.status_code, body=answer.content, content_type="application/json")

    @property
    def replies(self) -> list[tuple[int, str]]:
        return [(one["parent"], one["raw"]) for one in self.site.comments.values() if one["author"] == OWN]


async def test_a_link_to_a_site_of_the_brands_own_is_its_comment_and_stands_once(
    desk: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOG_PASSWORD", "app pass word")
    blog = Blog()
    async with odd(blog.serve) as server, desk(rush=True, sources=BLOG.format(url=server.url)) as w:
        number = blog.site.publish("The coffee was cold", datetime.now(UTC))
        await add(w.staff, "anna", f"{server.url}/reviews/#comment-{number} Look")
        await w.staff.thread(1)
        await w.until(lambda: any("The coffee was cold" in text for text in w.staff.texts(1)))
        key = (await w.case(1)).mention.key
        assert key == MentionKey("acme-coffee", "wordpress", server.url.removeprefix("http://"), number)
        # The poll reads it now, and one that is new, whose case comes after whatever was read with it.
        fresh = blog.site.publish("The tea was cold too", datetime.now(UTC))
        blog.lists = True
        await w.until(lambda: blog.listed > 1)
        await w.staff.thread(2)
        assert (await w.case(2)).mention.key == key._replace(external_id=fresh)
        await approved(w, 1)
        await w.state(1, "answered")
        assert blog.replies == [(int(number), WORDS)]
        assert await w.case(3) is None


@TWO_WAYS
async def test_any_other_link_or_text_is_answered_by_hand(desk: Opened, staff: str, client: str) -> None:
    async with desk(staff=staff, client=client, rush=True) as w:
        link = "https://otzovik.com/review_1.html?a=1&b=<2>".replace("<2>", "2")
        await add(w.staff, "anna", f"{link} Cold & late, 2 < 3")
        await w.staff.thread(1)
        await w.until(lambda: any("Cold & late, 2 < 3" in text for text in w.staff.texts(1)))
        case = await w.case(1)
        assert (case.mention.url, case.mention.site) == (link, "otzovik.com")
        await approved(w, 1)
        await w.state(1, "manual")
        await add(w.client, "oleg", link)
        await told(w, w.client, "oleg", "This is case #1 already")
        await add(w.client, "marta", "Somebody shouted in the shop at Dostyk 5")
        await w.staff.thread(2)
        await add(w.client, "vera", "https://irecommend.ru/2")
        await told(w, w.client, "vera", "staff team and approvers")
        await add(w.staff, "dana", "")
        await told(w, w.staff, "dana", "send a link or a text")
        assert await w.case(3) is None


async def test_a_link_as_long_as_a_message_is_a_case_on_either_store_and_stands_once(
    desk: Opened, new_postgres: NewStore
) -> None:
    """PostgreSQL indexes no value of more than 2,704 bytes."""
    link = f"https://news.example/{random.Random(1).randbytes(1_900).hex()}"
    async with desk(rush=True, database=await new_postgres()) as w:
        await add(w.staff, "anna", f"{link} Cold coffee")
        await told(w, w.staff, "anna", "a case for Acme Coffee is on its way")
        await w.staff.thread(1)
        assert (await w.case(1)).mention.url == link
        await add(w.staff, "anna", f"{link[:-1]}x Another page")
        await w.staff.thread(2)
        await add(w.staff, "anna", link)
        await told(w, w.staff, "anna", "This is case #1 already")


async def test_texts_that_begin_alike_are_cases_of_their_own(desk: Opened) -> None:
    async with desk(rush=True) as w:
        greeting = "Good day, dear friends of our page about food in Almaty! " * 5
        for number, words in enumerate(("The coffee was cold", "They were rude"), 1):
            await add(w.staff, "anna", greeting + words)
            await w.staff.thread(number)
            assert (await w.case(number)).mention.text.endswith(words)


async def test_a_forwarded_message_becomes_a_case_once(desk: Opened) -> None:
    async with desk(staff="telegram", client="slack", rush=True) as w:
        face, room = w.sandbox.telegram, w.staff.room
        for turn in ("first", "again"):
            post = "https://t.me/almaty_food/77"
            face.forward(w.staff.ids["anna"], room, "Acme's coffee is cold", "Almaty food", origin_url=post)
            if turn == "first":
                await w.staff.thread(1)
        case = await w.case(1)
        assert (case.mention.url, case.mention.author.name) == ("https://t.me/almaty_food/77", "Almaty food")
        await told(w, w.staff, "anna", "This is case #1 already")
        face.forward(w.staff.ids["dana"], room, "They were rude to me", "Egor")
        await w.staff.thread(2)
        assert (await w.case(2)).mention.author.name == "Egor"
        # In a case's topic a forward is talk about it, and a stranger's brings nothing.
        face.forward(w.staff.ids["dana"], room, "Look at this", "Egor", thread_id=await w.staff.thread(1))
        face.add_user(1999, "Nina")
        face.join(room, 1999)
        face.forward(1999, room, "Cheap coffee here", "Spam")
        face.forward(w.staff.ids["anna"], room, "The last one", "Dina")
        await w.staff.thread(3)
        assert (await w.case(3)).mention.text == "The last one"


async def test_the_shortcut_makes_a_case_of_a_message(desk: Opened) -> None:
    async with desk(staff="slack", client="telegram", rush=True) as w:
        face, anna, channel = w.sandbox.slack, w.staff.ids["anna"], w.staff.channel
        link = face.write(world.TEAM, anna, channel, "Look: https://otzovik.com/review_9.html cold again &amp; late")
        words = face.write(world.TEAM, w.staff.ids["dana"], channel, "A guest was angry at Dostyk 5 :rage:")
        assert (await face.shortcut(world.TEAM, anna, channel, link, "make_case"))["acked"]
        await w.staff.thread(1)
        case = await w.case(1)
        assert case.mention.url == "https://otzovik.com/review_9.html"
        assert "cold again" in case.mention.text
        await face.shortcut(world.TEAM, anna, channel, words, "make_case")
        await w.staff.thread(2)
        assert (await w.case(2)).mention.text == "A guest was angry at Dostyk 5 😡"
        await face.shortcut(world.TEAM, w.staff.ids["dana"], channel, link, "make_case")
        await told(w, w.staff, "dana", "This is case #1 already")
        await face.shortcut(world.TEAM, w.staff.ids["vera"], channel, words, "make_case")
        await told(w, w.staff, "vera", "staff team and approvers")
