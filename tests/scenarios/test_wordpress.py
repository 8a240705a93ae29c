"""The whole way of a comment on a real WordPress, started by whoever runs the test: found, answered, read back."""

from __future__ import annotations

import json
import os
import random
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.text import fold, fold_typography, plain
from tests.scenarios.conftest import Opened
from tests.scenarios.world import WHOLE, World

READY = os.environ.get("REPLYDESK_WORDPRESS", "")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not READY, reason="REPLYDESK_WORDPRESS names no file with a site's url, user, app_password, post"
    ),
]

SOURCE = """
[[clients.brands.sources]]
key = "acme-site"
platform = "wordpress"
api_base = "{url}"
user = "{user}"
app_password = "env:WORDPRESS_PASSWORD"
post = [{post}]
every = "1s"
"""

REPLY = 'Айгуль, карта "разблокирована" -- комиссия 5 < 6 % & возвращена. Простите нас!'
BETTER = "Айгуль, карта разблокирована, деньги на счёте. Простите нас!"


class Site:
    """The site as its visitors know it."""

    def __init__(self) -> None:
        self.ready: dict[str, Any] = json.loads(Path(READY).read_text())
        self.url: str = self.ready["url"]

    async def comment(self, text: str) -> str:
        """Through the form under the post, from an address of one's own: a site lets one write every 15 seconds."""
        address = ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
        form = {
            "comment_post_ID": str(self.ready["post"]),
            "author": "Айгуль",
            "email": f"{uuid.uuid4().hex}@example.test",
            "comment": text,
            "comment_parent": "0",
        }
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(local_address=address)) as browser:
            answer = await browser.post(f"{self.url}/wp-comments-post.php", data=form)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["location"].rpartition("comment-")[2])

    async def answers(self, comment: str) -> list[str]:
        """What anybody may read under a comment."""
        async with httpx.AsyncClient() as browser:
            found = await browser.get(f"{self.url}/wp-json/wp/v2/comments", params={"parent": comment})
        return [shown(one["content"]["rendered"]) for one in found.json()]

    async def page(self, comment: str) -> str:
        """The page itself, as shown where a comment's own address leads."""
        async with httpx.AsyncClient(follow_redirects=True) as browser:
            comment_json = (await browser.get(f"{self.url}/wp-json/wp/v2/comments/{comment}")).json()
            return shown((await browser.get(comment_json["link"])).text)


def shown(html: str) -> str:
    """The site writes quotes and dashes in its own typography."""
    return fold(fold_typography(plain(html)))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setenv("WORDPRESS_PASSWORD", made.ready["app_password"])
    return made


async def case_of(w: World, text: str) -> int:
    """Earlier comments of the day are cases too."""

    async def found() -> int:
        async with w.app.store.read(WHOLE) as reader:
            cases = await reader.open_cases()
        return next((case.id for case in cases if text in case.mention.text), 0)

    return await w.until(found, 20.0, "the comment's case")


@pytest.mark.parametrize(("staff", "client"), [("telegram", "slack"), ("slack", "telegram")], ids=["t-s", "s-t"])
async def test_a_visitors_comment_is_answered_on_the_page(desk: Opened, site: Site, staff: str, client: str) -> None:
    mark = uuid.uuid4().hex[:8]
    async with desk(staff=staff, client=client, rush=True, sources=SOURCE.format(**site.ready)) as w:
        comment = await site.comment(f"Карту заблокировали без причины! {mark}")
        number = await case_of(w, mark)
        assert (await w.case(number)).to_check, "a comment has no stars"
        await w.until(lambda: any("Please check: this may not be negative" in t for t in w.staff.texts(number)))
        await w.staff.press("anna", number, "Take")
        await w.staff.reply("anna", number, REPLY)
        await w.staff.press("anna", number, "Send to client")
        assert await site.answers(comment) == []
        await w.client.press("marta", number, "Approve")
        case = await w.state(number, "answered", 20.0)
        assert await site.answers(comment) == [shown_text(REPLY)]
        assert shown_text(REPLY) in await site.page(comment)
        assert case.reply.url.startswith(site.url)
        await the_watch_is_content(w, number)


def shown_text(text: str) -> str:
    return fold(fold_typography(text))


async def the_watch_is_content(w: World, number: int) -> None:
    """Reading back sees our reply, to the letter, and no news of the author."""
    before = await w.events(number)
    await w.hasten(f"watch:{number}")

    async def looked() -> bool:
        waiting = await w.app.store.waiting()
        return not any(x.kind == "watch" and (x.state == "running" or x.oldest <= w.app.now()) for x in waiting)

    await w.until(looked, 20.0, "a look at the reply")
    assert await w.events(number) == before
    assert (await w.case(number)).reply.verified


async def test_a_reply_is_corrected_and_deleted_on_the_page(desk: Opened, site: Site) -> None:
    mark = uuid.uuid4().hex[:8]
    async with desk(rush=True, sources=SOURCE.format(**site.ready)) as w:
        comment = await site.comment(f"Где мои деньги? {mark}")
        number = await case_of(w, mark)
        await w.proposed("Разбираемся.", number, comment)
        await w.client.press("marta", number, "Approve")
        await w.state(number, "answered", 20.0)
        assert await site.answers(comment) == ["Разбираемся."]
        await w.staff.press("anna", number, "Edit reply", text=BETTER)
        await w.state(number, "in_work")
        await w.staff.press("anna", number, "Send to client")
        await w.client.press("oleg", number, "Approve")
        await w.state(number, "answered", 20.0)
        assert await site.answers(comment) == [BETTER]
        await w.staff.press("anna", number, "Delete reply", sure="Yes, delete it")
        await w.state(number, "in_work", 20.0)
        assert await site.answers(comment) == []


async def test_a_comment_that_its_site_deletes_is_not_answered(desk: Opened, site: Site) -> None:
    mark = uuid.uuid4().hex[:8]
    async with desk(rush=True, undo="3600s", sources=SOURCE.format(**site.ready)) as w:
        comment = await site.comment(f"Хамят в отделении. {mark}")
        number = await case_of(w, mark)
        await w.proposed("Разбираемся.", number, comment)
        await w.client.press("marta", number, "Approve")
        await w.state(number, "approved")
        pair = (site.ready["user"], site.ready["app_password"])
        async with httpx.AsyncClient(auth=pair) as owner:
            gone = await owner.delete(f"{site.url}/wp-json/wp/v2/comments/{comment}", params={"force": "true"})
        assert gone.status_code == 200
        await w.state(number, "deleted", 20.0)
