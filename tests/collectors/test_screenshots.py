"""Pictures of pages: drawn whole by a browser that reaches nothing by itself, read politely, and never inside."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors import screenshots
from collectors.net import FOREIGN, Inside
from collectors.readback import Got
from collectors.screenshots import LONGEST, TOGETHER, WIDTH, Carrier, Screenshots, find_browser, lacking
from desk.errors import Refused, Retry
from tests.collectors.test_readback import HOST, PAGE, Site, page, to

needs_browser = pytest.mark.skipif(not find_browser(), reason="no Chromium here (on Debian: apt-get install chromium)")

FILLING = "<p>Words about the cafe, of no use to anybody here.</p>" * 4
SVG = "<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'>"
RED = f"{SVG}<rect width='900' height='900' fill='red'/></svg>"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser among other tests takes ten seconds to start: how long a desk would wait for it is not judged here."""
    for limit in ("STARTS", "LOADS", "DRAWS"):
        monkeypatch.setattr(screenshots, limit, 60_000)
    monkeypatch.setattr(screenshots, "WHOLE", 100.0)


def css(text: str) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(text.encode()), headers={"content-type": "text/css"})


def html(body: str) -> httpx.Response:
    return page(f"<html><body>{FILLING}{body}</body></html>")


async def taken(site: Site, url: str = PAGE) -> bytes:
    async with httpx.AsyncClient(transport=httpx.MockTransport(site)) as http:
        return await Screenshots(http).take(url)


def size(jpeg: bytes) -> tuple[int, int]:
    """Width and height by the frame header (ITU T.81, B.2.2)."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    height, width = struct.unpack(">HH", jpeg[at + 5 : at + 9])
    return width, height


@needs_browser
async def test_a_page_is_drawn_with_what_it_loads() -> None:
    body = "<link rel=stylesheet href=/look.css><img src=/cup.svg>"
    cup = httpx.Response(200, stream=httpx.ByteStream(RED.encode()), headers={"content-type": "image/svg+xml"})
    whole = Site({PAGE: html(body), f"{HOST}/look.css": css("body{background:navy}"), f"{HOST}/cup.svg": cup})
    bare = Site({PAGE: html(body)})
    one, other = await taken(whole), await taken(bare)
    assert one[:3] == other[:3] == b"\xff\xd8\xff"
    assert size(one)[0] == WIDTH
    assert one != other
    assert whole.paths[:2] == [f"{HOST}/robots.txt", PAGE]
    assert whole.paths.count(PAGE) == 1, "a page is read once"
    assert set(whole.paths[2:]) >= {f"{HOST}/look.css", f"{HOST}/cup.svg"}
    assert all(request.extensions.get(FOREIGN) for request in whole.asked)
    assert {request.headers["user-agent"].split()[0] for request in whole.asked} == {"Replydesk"}


@needs_browser
async def test_a_long_page_is_drawn_from_where_the_address_points() -> None:
    tall = html("<div style='height:9000px'></div><p id=review>Cold coffee</p><div style='height:900px'></div>")
    assert size(await taken(Site({PAGE: tall})))[1] == LONGEST
    assert size(await taken(Site({PAGE: tall}), f"{PAGE}#review"))[1] < LONGEST


@needs_browser
async def test_a_page_sends_nothing_and_stays_what_it_is() -> None:
    """Its scripts run, and post, leave and look inside the network in vain."""
    script = """<script>
        fetch('/steal', {method: 'POST', body: 'x'});
        fetch('http://10.0.0.7/admin').then(() => fetch('/reached'));
        setTimeout(() => { location.href = '/elsewhere' }, 50);
        fetch('/ran');
    </script>"""
    inside = Inside("10.0.0.7 is inside")
    site = Site({PAGE: html(script), "http://10.0.0.7/admin": inside, f"{HOST}/elsewhere": html("Elsewhere")})
    assert await taken(site)
    assert f"{HOST}/ran" in site.paths
    assert {request.method for request in site.asked} == {"GET"}
    assert not {f"{HOST}/reached", f"{HOST}/elsewhere", f"{HOST}/steal"} & set(site.paths)


@needs_browser
@pytest.mark.parametrize(
    "script",
    [
        "setTimeout(() => { location.href = '/elsewhere' }, 50)",
        "window.open('/other'); setTimeout(() => window.open('/another'), 50)",
        "Object.defineProperty(document.documentElement, 'scrollHeight', {get: () => 'none'})",
    ],
    ids=["leaves", "opens windows", "lies about its size"],
)
async def test_whatever_a_page_does_it_is_itself_in_the_picture(script: str, caplog: pytest.LogCaptureFixture) -> None:
    """And not the browser's own page about what it could not reach."""
    site = Site({PAGE: html(f"<script>{script}</script>")})
    assert await taken(site) == await taken(Site({PAGE: html("")}))
    assert site.paths == [f"{HOST}/robots.txt", PAGE]
    assert not caplog.records


@needs_browser
async def test_a_script_that_never_ends_does_not_hold_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshots, "WHOLE", 3.0)
    async with asyncio.timeout(120):
        with pytest.raises(Retry, match="no picture within"):
            await taken(Site({PAGE: html("<script>setTimeout(() => { for (;;); }, 100)</script>")}))


async def test_waiting_for_a_browser_is_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screenshots, "lacking", lambda named: ("", ""))
    monkeypatch.setattr(screenshots, "WAITS", 0.05)
    monkeypatch.setattr(Screenshots, "_page", lambda self, url: asyncio.sleep(60))
    async with httpx.AsyncClient() as http:
        shots = Screenshots(http)
        drawing = [asyncio.create_task(shots.take(PAGE)) for _ in range(screenshots.AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(Retry, match="busy") as busy:
            await shots.take(PAGE)
        assert busy.value.rate_limited
        for task in drawing:
            task.cancel()
        await asyncio.wait(drawing)


class Asked:
    """A request of a page, as playwright hands it over, and whether it was answered."""

    method, headers = "GET", {}  # type: ignore[var-annotated]

    def __init__(self, number: int) -> None:
        self.url = f"{HOST}/{number}.png"
        self.request = self
        self.answered = False

    def is_navigation_request(self) -> bool:
        return False

    async def fulfill(self, **_: Any) -> None:
        self.answered = True

    async def abort(self) -> None:
        pass


async def test_what_a_page_asks_for_at_once_is_not_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else all of it would be on its way before any of it is counted."""
    monkeypatch.setattr(screenshots, "MOST_BYTES", 1000)
    reading, most = 0, 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await asyncio.sleep(0.01)
        reading -= 1
        return httpx.Response(200, stream=httpx.ByteStream(b"x" * 400))

    asked: list[Any] = [Asked(number) for number in range(50)]
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        carrier = Carrier(http, Got(PAGE, 200, httpx.Headers(), b""))
        await asyncio.gather(*(carrier.answer(one) for one in asked))
    assert most == TOGETHER
    assert 3 <= sum(one.answered for one in asked) <= 3 + TOGETHER


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[int]]]:
    """A server of this machine, and how often somebody came."""
    came: list[int] = []
    server = await asyncio.start_server(lambda _, writer: (came.append(1), writer.close()), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], came


@needs_browser
async def test_a_page_reaches_no_server_of_this_machine_by_any_other_way() -> None:
    async with listening() as (port, came):
        body = f"""<script>
            new WebSocket('ws://127.0.0.1:{port}/');
            navigator.sendBeacon('http://127.0.0.1:{port}/', 'x');
            new RTCPeerConnection({{iceServers: [{{urls: 'turn:127.0.0.1:{port}?transport=tcp', username: 'a',
                credential: 'b'}}]}}).createDataChannel('x');
            new EventSource('http://127.0.0.1:{port}/');
        </script><link rel=preconnect href=http://127.0.0.1:{port}>"""
        site = Site({PAGE: html(body), f"http://127.0.0.1:{port}/": Inside("127.0.0.1 is inside")})
        assert await taken(site)
        assert came == []


class Heard(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: list[bytes] = []

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.came.append(data)


@needs_browser
async def test_a_page_sends_no_datagram_and_asks_for_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    noted = tmp_path / "net.json"
    monkeypatch.setattr(screenshots, "FLAGS", (*screenshots.FLAGS, f"--log-net-log={noted}"))
    loop = asyncio.get_running_loop()
    transport, heard = await loop.create_datagram_endpoint(Heard, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    script = f"""<link rel=dns-prefetch href=//one.named.example><script>
        const turn = {{username: 'a', credential: 'b'}};
        const peer = new RTCPeerConnection({{iceServers: [{{urls: 'stun:127.0.0.1:{port}'}},
            {{urls: 'stun:two.named.example'}}, {{urls: 'turn:three.named.example?transport=tcp', ...turn}}]}});
        peer.createDataChannel('x');
        peer.createOffer().then(offer => peer.setLocalDescription(offer));
        new WebTransport('https://127.0.0.1:{port}/').ready.catch(() => 0);
    </script>"""
    assert await taken(Site({PAGE: html(script)}))
    transport.close()
    assert heard.came == []
    assert re.findall(r'"hostname":"[^"]*named\.example', noted.read_text()) == []


@pytest.mark.parametrize(
    ("pages", "error", "words"),
    [
        ({f"{HOST}/robots.txt": page("User-agent: *\nDisallow: /", content_type="text/plain")}, Refused, "robots"),
        ({PAGE: httpx.Response(403)}, Refused, "turned_away"),
        ({PAGE: httpx.Response(503)}, Retry, "no_answer"),
        ({PAGE: to(f"{HOST}/login")}, Refused, "login"),
        ({PAGE: Inside("board.example stands for 10.0.0.1")}, Refused, "10.0.0.1"),
        ({PAGE: httpx.ConnectError("refused")}, Retry, "ConnectError"),
    ],
    ids=["robots.txt", "forbidden", "away", "for those logged in", "inside", "no connection"],
)
async def test_a_page_that_may_not_be_read_is_not_drawn(
    monkeypatch: pytest.MonkeyPatch, pages: dict[str, httpx.Response | Exception], error: type, words: str
) -> None:
    monkeypatch.setattr(screenshots, "lacking", lambda named: ("", ""))
    with pytest.raises(error, match=words):
        await taken(Site(pages))


async def test_without_a_browser_it_is_said_what_to_install() -> None:
    what, mend = lacking("no-such-browser")
    assert what == "there is no browser no-such-browser"
    assert "apt-get install chromium" in mend
    with pytest.raises(Refused, match="no-such-browser"):
        await Screenshots(httpx.AsyncClient(), "no-such-browser").take(PAGE)


@needs_browser
async def test_a_browser_that_does_not_start_is_tried_again() -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(Site({PAGE: html("")}))) as http:
        with pytest.raises(Retry, match="the browser"):
            await Screenshots(http, "/bin/false").take(PAGE)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Page.goto: net::ERR_ABORTED at https://board.example/u/anna\nCall log:", "net::ERR_ABORTED"),
        ("BrowserType.launch: Target page, context or browser has been closed", "BrowserType.launch"),
    ],
)
def test_what_failed_is_said_without_the_address(message: str, said: str) -> None:
    assert screenshots._said(message) == said
