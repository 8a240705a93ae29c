"""One look at the page of a reply posted by hand: whether it stands there, and how politely that is found out."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from collectors.http import client
from collectors.net import FOREIGN, Inside
from collectors.readback import PageReader
from handlers.words.catalogue import has

HOST = "https://board.example"
PAGE = f"{HOST}/review/1"
TEXT = "Dina, we are sorry.\n\nThe machine “is” mended — come again!"
FILLING = "<p>Words that others wrote about the cafe, of no use to anybody here, but many of them.</p>" * 3
SHOWN = f'<html><body>{FILLING}<div>Dina, we are&nbsp;sorry.<br>The machine <b>"is"</b> mended - come again!</div>'
OTHER = f"<html><body>{FILLING}<div>Nobody answered yet</div>"

Answers = Callable[[httpx.Request], httpx.Response]


def page(content: str | bytes = SHOWN, status: int = 200, **headers: str) -> httpx.Response:
    shown = {"content-type": "text/html", **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = content.encode() if isinstance(content, str) else content
    return httpx.Response(status, stream=httpx.ByteStream(raw), headers=shown)


def to(address: str) -> httpx.Response:
    return httpx.Response(302, headers={"location": address})


@dataclass
class Site:
    """A site by its addresses; what is not listed is a 404, robots.txt too."""

    pages: dict[str, httpx.Response | Exception]
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.pages.get(str(request.url), httpx.Response(404))
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def paths(self) -> list[str]:
        return [str(request.url) for request in self.asked]

    async def shows(self, url: str = PAGE, text: str = TEXT) -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self)) as http:
            return await PageReader(http).shows(url, text)


def site(there: httpx.Response | Exception | None = None, robots: str | httpx.Response | Exception = "") -> Site:
    said = httpx.Response(200, text=robots) if isinstance(robots, str) else robots
    return Site({PAGE: page() if there is None else there, f"{HOST}/robots.txt": said})


# what a page shows


async def test_a_text_that_stands_on_the_page_is_seen_however_the_site_sets_it() -> None:
    assert await site().shows() == "seen"


async def test_a_text_that_is_not_there_or_was_changed_is_absent() -> None:
    assert await site(page(OTHER)).shows() == "absent"
    assert await site(page(SHOWN.replace("mended", "sold"))).shows() == "absent"


async def test_words_in_a_script_are_not_on_the_page() -> None:
    assert await site(page(f"{FILLING}<script>{TEXT}</script>")).shows() == "absent"


async def test_a_page_that_a_browser_has_to_put_together_is_not_said_to_lack_the_text() -> None:
    assert await site(page("<html><body><div id=app></div><script>load()</script>")).shows() == "no_text"


APOLOGY = "Простите, Дина"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (APOLOGY.encode(), "text/html"),
        (APOLOGY.encode("cp1251"), "text/html; charset=windows-1251"),
        (b"<meta charset='windows-1251'>" + APOLOGY.encode("cp1251"), "text/html"),
        (APOLOGY.encode(), "text/html; charset=made-up"),
        (APOLOGY.encode(), "text/html; charset=idna"),
        (APOLOGY.encode(), ""),
        (APOLOGY.replace("ите", "и\u00adте").encode(), "text/html"),
    ],
    ids=[
        "utf-8",
        "named by the server",
        "named in the page",
        "named wrongly",
        "named oddly",
        "not named",
        "hyphens for the end of a line",
    ],
)
async def test_letters_are_read_as_the_site_writes_them(content: bytes, kind: str) -> None:
    assert await site(page(content, content_type=kind)).shows(text=APOLOGY) == "seen"


async def test_a_packed_page_is_unpacked() -> None:
    assert await site(page(gzip.compress(SHOWN.encode()), content_encoding="gzip")).shows() == "seen"


async def test_a_picture_is_not_said_to_lack_the_text() -> None:
    assert await site(page(b"\x89PNG" + bytes(range(256)) * 9, content_type="image/png")).shows() == "no_text"


# how it is asked


async def test_one_look_is_one_robots_txt_and_one_page_by_a_reader_with_a_name_and_a_purpose() -> None:
    asked = site()
    await asked.shows()

    assert asked.paths == [f"{HOST}/robots.txt", PAGE]
    for request in asked.asked:
        assert request.method == "GET"
        assert request.headers["user-agent"].startswith("Replydesk (looks once whether a reply")
        assert "cookie" not in request.headers


async def test_every_request_is_marked_as_one_to_a_foreign_address() -> None:
    asked = site(to(f"{HOST}/other"))
    await asked.shows()

    assert len(asked.asked) == 3
    assert all(request.extensions[FOREIGN] is True for request in asked.asked)


@pytest.mark.parametrize(
    "robots",
    [
        "User-agent: *\nDisallow: /review/",
        "User-agent: Replydesk\nDisallow: /\n\nUser-agent: *\nAllow: /",
        httpx.Response(401),
        httpx.Response(403),
        "\ufeffUser-agent: *\nDisallow: /review/",
        "User-agent: *\nDisallow: /*/1",
        "User-agent: *\nDisallow: /re*1$",
        "User-agent: *\nAllow: /\nDisallow: /review/",
        "User-agent: *\nDisallow: /admin/\n\nUser-agent: Otherbot\nDisallow:\n\nUser-agent: *\nDisallow: /review/",
        "User-agent: *\n\nDisallow: /review/",
        "User-agent: Otherbot\nUser-agent: *\nCrawl-delay: 3\nDisallow : /%72eview # no robots",
    ],
    ids=[
        "to all",
        "to us by name",
        "kept behind a login",
        "kept from us",
        "after a mark of byte order",
        "with a star",
        "to its end",
        "below what is allowed",
        "in a second part",
        "after an empty line",
        "among other words",
    ],
)
async def test_a_page_that_robots_txt_forbids_is_not_asked_for(robots: str | httpx.Response) -> None:
    asked = site(robots=robots)

    assert await asked.shows() == "robots"
    assert asked.paths == [f"{HOST}/robots.txt"]


@pytest.mark.parametrize(
    "robots",
    [
        "User-agent: *\nDisallow: /admin/",
        "User-agent: Otherbot\nDisallow: /",
        "User-agent: *\nDisallow: /\nAllow: /\n\nUser-agent: Replydesk\nAllow: /",
        httpx.Response(404),
        "<html>no such page</html>",
        "User-agent: *\nDisallow: /\nAllow: /review/",
        "User-agent: *\nDisallow: /review\nAllow: /review",
        "User-agent: *\nDisallow: /*/2\nDisallow: /review$\nDisallow: /*.pdf$",
        "User-agent: *\nDisallow: /\n\nUser-agent: Replydesk\nDisallow:",
        "Disallow: /",
        "User-agent: *\nDisallow: /" + "*a" * 5_000,
    ],
    ids=[
        "another path",
        "another reader",
        "allowed by name",
        "no such file",
        "not such a file",
        "this path allowed",
        "this path allowed too",
        "stars elsewhere",
        "nothing forbidden by name",
        "to nobody",
        "stars without end",
    ],
)
async def test_a_page_that_robots_txt_does_not_forbid_is_read(robots: str | httpx.Response) -> None:
    assert await site(robots=robots).shows() == "seen"


@pytest.mark.parametrize("robots", [httpx.Response(503), httpx.Response(429), httpx.ConnectError("played")])
async def test_while_nobody_knows_what_robots_txt_says_the_page_is_left_alone(
    robots: httpx.Response | Exception,
) -> None:
    asked = site(robots=robots)

    assert await asked.shows() == "no_answer"
    assert PAGE not in asked.paths


# where it cannot be read


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (page(status=401), "login"),
        (to(f"{HOST}/login?next=/review/1"), "login"),
        (to("https://passport.board.example/auth"), "login"),
        (to("/showcaptcha?back=1"), "turned_away"),
        (page(status=403), "turned_away"),
        (page(status=429), "turned_away"),
        (page(status=451), "turned_away"),
        (to("ftp://board.example/1"), "turned_away"),
        (to(PAGE), "turned_away"),
        (page(status=404), "no_page"),
        (page(status=410), "no_page"),
        (page(status=500), "no_answer"),
        (httpx.ConnectError("played"), "no_answer"),
        (httpx.ReadTimeout("played"), "no_answer"),
        (httpx.RemoteProtocolError("played"), "no_answer"),
        (page(b"not packed at all", content_encoding="gzip"), "no_answer"),
        (page("x" * (1024 * 1024 + 1)), "too_long"),
        (Inside("board.example stands for 10.0.0.1"), "inside"),
    ],
    ids=lambda value: "" if isinstance(value, str) else repr(value)[:40],
)
async def test_a_page_that_cannot_be_read_says_why_in_words(there: httpx.Response | Exception, why: str) -> None:
    asked = site(there)

    assert await asked.shows() == why
    assert has(f"cause_page_{why}")
    assert asked.paths.count(f"{HOST}/robots.txt") == 1


async def test_robots_txt_and_a_page_of_no_words_have_their_words_too() -> None:
    assert has("cause_page_robots")
    assert has("cause_page_no_text")


async def test_a_page_packed_into_little_is_not_unpacked_into_much() -> None:
    bomb = gzip.compress(b"x" * (64 * 1024 * 1024))

    assert await site(page(bomb, content_encoding="gzip")).shows() == "too_long"


@pytest.mark.parametrize(
    "url", ["http://", "https://[broken", "https://8.8.8.8:99999999/", "http://xn--/", "http://./"]
)
async def test_an_address_that_is_none_is_no_answer(url: str) -> None:
    async with client() as http:
        assert await PageReader(http).shows(url, TEXT) == "no_answer"


async def test_a_redirect_to_an_author_is_no_login() -> None:
    asked = site(to(f"{HOST}/author/blogging/1"))
    asked.pages[f"{HOST}/author/blogging/1"] = page()

    assert await asked.shows() == "seen"


async def test_a_redirect_to_another_host_asks_that_hosts_robots_txt_first() -> None:
    asked = site(to("https://other.example/1"))
    asked.pages["https://other.example/1"] = page()
    asked.pages["https://other.example/robots.txt"] = httpx.Response(200, text="User-agent: *\nDisallow: /")

    assert await asked.shows() == "robots"
    assert asked.paths == [f"{HOST}/robots.txt", PAGE, "https://other.example/robots.txt"]


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "10.0.0.1", "169.254.169.254", "[::1]:9"])
async def test_nothing_inside_the_network_is_asked(host: str) -> None:
    async with client() as http:
        assert await PageReader(http).shows(f"http://{host}/secret", TEXT) == "inside"
