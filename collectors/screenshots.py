"""Pictures of public pages. The browser draws, and has no way out of its own: all that a page loads passes through the
client that never goes inside, and nothing but reading does."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin

import httpx

from collectors.bodies import LARGEST, MEGABYTE, TooBig, body
from collectors.http import HOPS, REDIRECTS, TOTAL
from collectors.net import FOREIGN, Inside
from collectors.readback import NAME, Got, PageReader, Unread
from desk.errors import Refused, Retry

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Request, Route

WHO = f"{NAME} (takes one picture of a page on which a customer wrote to the brand)"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
NOWHERE = "http://127.0.0.1:9"
"""The browser's proxy, at which nobody listens (RFC 863's port): what is not answered from here fails."""
FLAGS = (
    # WebRTC's own datagrams go by no proxy: under its old name and the one by which newer browsers know it.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    # It asks for names by itself too.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)
WIDTH, HEIGHT, LONGEST = 1280, 1600, 6000
"""Pixels: the window, and as much of the page as is drawn."""
ABOVE = 200
"""Pixels above the spot that the address names."""
LOADS, STARTS, DRAWS = 15_000, 15_000, 15_000
"""Milliseconds for the page with all it asks for, for the browser's start, for the picture."""
SETTLES = 500
WHOLE = 45.0
"""Seconds for all that is asked of the page once the browser runs. A script that never ends answers nothing, and some
questions wait for it for ever."""
MOST, MOST_BYTES, TOGETHER = 300, 40 * 1024 * 1024, 6
"""What one page may load, and how much of it at a time: what is on its way is not counted yet."""
AT_ONCE = 2
"""Browsers: each is a few hundred megabytes."""
WAITS = 120.0
"""Seconds in which one of them should be free: with all that follows below what the engine gives a reading."""
ALREADY_UNDONE = frozenset({"content-encoding", "content-length", "transfer-encoding", "set-cookie"})


def find_browser(named: str = "") -> str:
    """Its path, "" where there is none."""
    return next((path for name in ([named] if named else BROWSERS) if (path := shutil.which(name))), "")


def lacking(named: str = "") -> tuple[str, str]:
    """What stands in the way of taking pictures, and what to do; two empty words where nothing does."""
    if find_spec("playwright") is None:
        return "the package that drives the browser is not installed", "pip install 'replydesk[screenshots]'"
    if not find_browser(named):
        what = f"there is no browser {named}" if named else "no Chromium is installed"
        return what, "install one (on Debian: apt-get install chromium), or name yours in [desk] chromium"
    return "", ""


class Screenshots:
    """`http` stays the caller's to close. `chromium`: the browser's path or name, "" for the one that is installed."""

    def __init__(self, http: httpx.AsyncClient, chromium: str = "") -> None:
        self._http = http
        self._chromium = chromium
        self._pages = PageReader(http, WHO, LARGEST)
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def take(self, url: str) -> bytes:
        """JPEG. Raises Refused where there will be none, Retry where there may be one later."""
        what, mend = lacking(self._chromium)
        if what:
            raise Refused(f"{what}: {mend}")
        await self._free()
        try:
            page, spot = urldefrag(url)
            return await self._drawn(await self._page(page), spot)
        finally:
            self._at_once.release()

    async def _free(self) -> None:
        """That others take long is not this page's fault, and uses up none of its attempts."""
        try:
            async with asyncio.timeout(WAITS):
                await self._at_once.acquire()
        except TimeoutError as error:
            raise Retry("all browsers are busy", rate_limited=True) from error

    async def _page(self, url: str) -> Got:
        """Fetched once, by the rules of one who reads it politely."""
        try:
            async with asyncio.timeout(2 * TOTAL):
                return await self._pages.page(url)
        except Unread as no:
            raise (Retry if str(no) == "no_answer" else Refused)(f"the page was not read ({no})") from no
        except Inside as error:
            raise Refused(str(error)) from error
        except (TooBig, httpx.InvalidURL, ValueError) as error:
            raise Refused(f"the page was not read ({type(error).__name__})") from error
        except (httpx.HTTPError, OSError) as error:
            raise Retry(f"the page was not read ({type(error).__name__})") from error

    async def _drawn(self, got: Got, spot: str) -> bytes:
        from playwright.async_api import Error, async_playwright

        try:
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=find_browser(self._chromium),
                    args=list(FLAGS),
                    proxy={"server": NOWHERE, "bypass": "<-loopback>"},
                    # It draws what strangers wrote: of the desk's environment, secrets and all, it needs nothing else.
                    env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
                    # As root Chromium has no sandbox to offer.
                    chromium_sandbox=not hasattr(os, "geteuid") or os.geteuid() != 0,
                    timeout=STARTS,
                )
                try:
                    async with asyncio.timeout(WHOLE):
                        return await self._picture(browser, got, spot)
                finally:
                    await browser.close()
        except TimeoutError as error:
            raise Retry(f"the browser: no picture within {WHOLE:g} s") from error
        except Error as error:
            raise Retry(f"the browser: {_said(error.message)}") from error

    async def _picture(self, browser: Browser, got: Got, spot: str) -> bytes:
        from playwright.async_api import TimeoutError as TooLong

        window: Any = {"width": WIDTH, "height": HEIGHT}
        context = await browser.new_context(viewport=window, accept_downloads=False, service_workers="block")
        carrier = Carrier(self._http, got)
        await context.route("**/*", carrier.answer)
        page = await context.new_page()
        context.on("page", _shut)
        # What has not come by then is missing in the picture; the text of the page is there.
        with suppress(TooLong):
            await page.goto(f"{got.url}#{spot}" if spot else got.url, wait_until="load", timeout=LOADS)
            await page.wait_for_timeout(SETTLES)
        picture = await _shot(page)
        await context.unroute_all(behavior="ignoreErrors")
        return picture


def _said(message: str) -> str:
    """What failed, without the address: it may name the author, and this is logged."""
    found = re.search(r"net::ERR_\w+", message)
    return found[0] if found else message.partition(":")[0][:60]


async def _shut(window: Page) -> None:
    """Each takes memory, and none is in the picture. It may be gone already, or with the browser."""
    from playwright.async_api import Error

    with suppress(Error):
        await window.close()


async def _shot(page: Page) -> bytes:
    """From a little above where the page stands scrolled to, and no longer than LONGEST. The browser is asked: what a
    page's scripts say of it may be anything."""
    asking = await page.context.new_cdp_session(page)
    sizes = await asking.send("Page.getLayoutMetrics")
    top, height = sizes["cssVisualViewport"]["pageY"], sizes["cssContentSize"]["height"]
    top = max(0, int(top) - ABOVE)
    part: Any = {"x": 0, "y": top, "width": WIDTH, "height": max(1, min(int(height) - top, LONGEST))}
    return await page.screenshot(
        type="jpeg", quality=80, full_page=True, clip=part, animations="disabled", timeout=DRAWS
    )


class Carrier:
    """Answers each request of one page: the page itself from what was read, the rest by reading it."""

    def __init__(self, http: httpx.AsyncClient, got: Got) -> None:
        self._http = http
        self._got = got
        self._served = False
        self._asked = self._bytes = 0
        self._together = asyncio.Semaphore(TOGETHER)

    async def answer(self, route: Route) -> None:
        request = route.request
        if request.is_navigation_request() and _is_window(request):
            await self._itself(route)
            return
        self._asked += 1
        if request.method != "GET" or self._asked > MOST:
            await route.abort()
            return
        try:
            # With the time that it waits: it is not read for a page that is drawn already.
            async with asyncio.timeout(TOTAL), self._together:
                got = await self._read(request.url, request.headers)
        except (Inside, TooBig, TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError, OSError):
            await route.abort()
            return
        await _fulfill(route, got)

    async def _itself(self, route: Route) -> None:
        """Once: a page that leads away from itself stays. Any other error than "aborted" is drawn in its place."""
        if self._served:
            await route.abort("aborted")
            return
        self._served = True
        await _fulfill(route, self._got)

    async def _read(self, url: str, asked: dict[str, str]) -> Got:
        """To the end of its redirects. Raises Inside, TooBig and httpx's errors."""
        if self._bytes > MOST_BYTES:
            raise TooBig(self._bytes // MEGABYTE)
        headers = {"User-Agent": WHO, "Accept": asked.get("accept", "*/*")}
        if "referer" in asked:
            headers["Referer"] = asked["referer"]
        for _ in range(HOPS):
            request = self._http.build_request("GET", url, headers=headers, extensions={FOREIGN: True})
            response = await self._http.send(request, stream=True, follow_redirects=False)
            try:
                content = await body(response, LARGEST)
            finally:
                await response.aclose()
            self._bytes += len(content)
            there = response.headers.get("location")
            if response.status_code not in REDIRECTS or there is None:
                return Got(url, response.status_code, response.headers, content)
            url = urljoin(url, there)
        raise ValueError("redirected too often")


def _is_window(request: Request) -> bool:
    """Whether it is the page itself that goes there, or a window it opens, which has no frame before it is answered."""
    from playwright.async_api import Error

    try:
        return request.frame.parent_frame is None
    except Error:
        return True


async def _fulfill(route: Route, got: Got) -> None:
    kept = {name: value for name, value in got.headers.items() if name not in ALREADY_UNDONE}
    await route.fulfill(status=got.status, headers=kept, body=got.content)
