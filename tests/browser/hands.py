"""The demo as its own processes, a browser, and the hands of the people in the three faces of the page."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from playwright.async_api import BrowserContext, Locator, Page, ViewportSize, async_playwright, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000
"""Milliseconds. Telegram's budget of one group spaces the desk's messages: the last of a busy minute takes a while."""


def browser() -> str:
    """Path of an installed Chromium, "" where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), "")


@asynccontextmanager
async def demo(speed: float, zone: str = "") -> AsyncIterator[str]:
    """`make demo` on a free port; gives the address it prints. It has to end well when it is asked to."""
    command = [sys.executable, "-m", "bot", "demo", "--port", "0", "--speed", str(speed)]
    env = {**os.environ, **({"TZ": zone} if zone else {})}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=env
    )
    try:
        yield await _address(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        ended = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, ended


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(90):
        while line := (await process.stdout.readline()).decode():
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                return found[0]
    raise AssertionError("the demo ended before it printed its address")


@asynccontextmanager
async def window(address: str, size: tuple[int, int] = (1600, 950), zone: str = "UTC") -> AsyncIterator[People]:
    """The page in a browser of its own. An error in the page's scripts fails at the end."""
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=browser(), args=FLAGS, chromium_sandbox=False)
        viewport: ViewportSize = {"width": size[0], "height": size[1]}
        context = await opened.new_context(viewport=viewport, timezone_id=zone, locale="en-GB")
        context.set_default_timeout(PATIENCE)
        faults: list[str] = []
        context.on("weberror", lambda error: faults.append(str(error.error)))
        yield await _look(context, address)
        await opened.close()
        assert faults == []


async def _look(context: BrowserContext, address: str) -> People:
    page = await context.new_page()
    await page.goto(address)
    await expect(page.get_by_test_id("live")).to_have_text("live")
    return People(page)


@dataclass(frozen=True, slots=True)
class People:
    """Whoever sits before the page. Cases are named by number, buttons by what stands on them."""

    page: Page

    async def another(self) -> People:
        """A second window on the same page."""
        return await _look(self.page.context, self.page.url)

    async def look_away(self) -> None:
        """The window shows what it shows now, until `look_back`: a screen that did not refresh."""
        await self.page.route("**/ui/state", lambda route: route.abort())

    async def look_back(self) -> None:
        """From the next change on."""
        await self.page.unroute("**/ui/state")

    @property
    def site(self) -> Locator:
        return self.page.get_by_test_id("site")

    @property
    def staff(self) -> Locator:
        return self.page.get_by_test_id("telegram")

    @property
    def client(self) -> Locator:
        return self.page.get_by_test_id("slack")

    async def review(self, author: str, stars: int, text: str, lang: str = "ru", send: bool = True) -> None:
        await self.page.get_by_test_id(f"site-stars-{stars}").click()
        await self.page.get_by_test_id("site-author").fill(author)
        await self.page.get_by_test_id("site-lang").select_option(lang)
        await self.page.get_by_test_id("site-text").fill(text)
        if send:
            await self.page.get_by_test_id("site-submit").click()

    def review_of(self, author: str) -> Locator:
        return self.site.locator(".review", has=self.page.locator(".head b", has_text=author))

    # staff, in Telegram

    async def be_staff(self, name: str) -> None:
        await self.page.get_by_test_id("tg-as").select_option(label=name)

    async def open_topic(self, case: int) -> None:
        name = self.page.locator("b", has_text=re.compile(rf"#{case}\b"))
        await self.staff.locator(".topic", has=name).click()
        await expect(self.staff.locator(".room .title")).to_contain_text(f"#{case} ")

    def bubble(self, text: str | re.Pattern[str]) -> Locator:
        """The newest message of the open topic that shows the text."""
        return self.staff.locator(".bubble", has_text=text).last

    def staff_button(self, label: str) -> Locator:
        return self.staff.locator(".keys").get_by_text(label, exact=True).last

    async def type_staff(self, text: str) -> None:
        await self.page.get_by_test_id("tg-input").fill(text)
        await self.page.get_by_test_id("tg-send").click()

    # the client, in Slack

    async def be_client(self, name: str) -> None:
        await self.page.get_by_test_id("sl-as").select_option(label=name)

    async def open_thread(self, case: int) -> None:
        post = self.client.locator(".post", has_text=re.compile(rf"#{case}\b"))
        await post.locator(".summary").first.click()
        await expect(self.page.get_by_test_id("sl-thread")).to_be_visible()

    def post(self, text: str | re.Pattern[str]) -> Locator:
        """The newest message of the open thread that shows the text."""
        return self.client.locator(".post", has_text=text).last

    def client_button(self, label: str) -> Locator:
        return self.client.locator(".bk-actions").get_by_text(label, exact=True).last

    async def type_client(self, text: str) -> None:
        await self.page.get_by_test_id("sl-input").fill(text)
        await self.page.get_by_test_id("sl-send").click()

    @property
    def modal(self) -> Locator:
        return self.page.get_by_test_id("sl-modal")

    async def fill_modal(self, text: str) -> None:
        await self.modal.locator("textarea").fill(text)
        await self.page.get_by_test_id("sl-modal-submit").click()
