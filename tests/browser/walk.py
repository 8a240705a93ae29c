"""`python -m tests.browser.walk`: plays one case in the demo and takes the pictures of docs/walk.md."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from playwright.async_api import Locator, expect

from tests.browser.hands import PATIENCE, People, browser, demo, window

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
ZONE = "Asia/Almaty"
STEP, WHOLE = (1600, 720), (1430, 820)
"""Width and height of the window: for one face, and for the picture of the whole page."""

CASE = 2
OTHERS = (
    ("Нұрлан Ә.", 1, "Қосымша қазақша мүлдем жұмыс істемейді: тілін ауыстырсаң, өзі жабылып қалады.", "kk"),
    ("Лена", 5, "Всё нравится, кофе топ ☕️", "ru"),
)
LATER = (
    ("Тимур", 2, "После обновления исчезли все бонусы, было 4 200. В поддержке молчат третий день.", "ru"),
    ("Виктория М.", 1, "В круассане волос. И это всё?! Больше ни ногой.", "ru"),
)
REVIEW = "My pickup order was “ready” for 40 minutes. It wasn't: the staff hadn't even seen it."
FIRST = "Daniel, we are sorry. The pickup screen at Dostyk 5 was down; your order is refunded, and coffee is on us."
SECOND = "Daniel, we are sorry: your order never reached the bar. It is refunded, and your next coffee is on us."
THIRD = "Daniel, we are sorry: your order never reached the bar. It is refunded, and the next coffee is on us."


class Album:
    """Numbers the pictures in the order in which they are taken."""

    def __init__(self, folder: Path, people: People) -> None:
        self._folder, self._people, self._taken = folder, people, 0

    async def take(self, name: str, of: Locator) -> None:
        """One face of the page, without what merely passes."""
        self._taken += 1
        await self._still()
        await of.screenshot(path=self._folder / f"{self._taken:02}-{name}.png", animations="disabled")

    async def take_all(self) -> None:
        page = self._people.page
        await page.set_viewport_size({"width": WHOLE[0], "height": WHOLE[1]})
        await self._still()
        await page.screenshot(path=self._folder / "sandbox.png", animations="disabled")
        await page.set_viewport_size({"width": STEP[0], "height": STEP[1]})

    async def _still(self) -> None:
        page = self._people.page
        await page.mouse.move(0, 0)
        await page.evaluate("document.activeElement.blur()")
        await expect(page.get_by_test_id("toast")).to_have_count(0)


async def walk(folder: Path) -> None:
    expect.set_options(timeout=PATIENCE)
    folder.mkdir(parents=True, exist_ok=True)
    async with demo(speed=0.01, zone=ZONE) as address, window(address, STEP, ZONE) as people:
        album = Album(folder, people)
        # A gradient makes a picture of a topic two thirds larger.
        await people.page.add_style_tag(content=".room { background: #d5e3e6 }")
        await review(people, album)
        await propose(people, album)
        await change(people, album)
        await settle(people, album)


async def review(people: People, album: Album) -> None:
    for other in OTHERS:
        await people.review(*other)
    await people.open_topic(1)
    await people.review("Daniel K.", 1, REVIEW, "en", send=False)
    await album.take("review", people.site)
    await people.page.get_by_test_id("site-submit").click()
    await people.open_topic(CASE)
    await expect(people.staff_button("Take")).to_be_visible()
    await album.take("card", people.staff)


async def propose(people: People, album: Album) -> None:
    await people.staff_button("Take").click()
    await people.type_staff(f"/reply {FIRST}")
    await expect(people.staff_button("Send to client")).to_be_visible()
    await expect(people.staff_button("Take")).to_have_count(0)
    await album.take("version", people.staff)
    await people.staff_button("Send to client").click()
    for later in LATER:
        await people.review(*later)
    await people.open_thread(CASE)
    await expect(people.client_button("Approve")).to_be_visible()
    await album.take("proposal", people.client)


async def change(people: People, album: Album) -> None:
    await people.type_client("Daniel wrote to us as well; his refund went out at noon.")
    await people.client_button("Ask for changes").click()
    await people.modal.locator("textarea").fill("Please say nothing of the screen, it was the kitchen.")
    await album.take("changes", people.client)
    await people.page.get_by_test_id("sl-modal-submit").click()
    await expect(people.bubble("is waiting for you")).to_be_visible()
    await album.take("told", people.staff)
    await people.type_staff(f"/reply {SECOND}")
    await expect(people.bubble("Version 2 · Anna")).to_be_visible()
    await people.staff_button("Send to client").click()
    await expect(people.post("Proposed reply, version 2")).to_be_visible()
    await expect(people.staff_button("Take back")).to_be_visible()
    await expect(people.staff.get_by_test_id("tg-unread")).to_have_count(len(LATER), timeout=3 * PATIENCE)
    await album.take_all()


async def settle(people: People, album: Album) -> None:
    await people.client_button("Edit").click()
    await people.modal.locator("textarea").fill(THIRD)
    await album.take("edit", people.client)
    await people.page.get_by_test_id("sl-modal-submit").click()
    await people.be_client("Oleg")
    await expect(people.post("version 3")).to_be_visible()
    await people.client_button("Approve").click()
    await expect(people.client_button("Post now")).to_be_visible()
    await expect(people.post("Proposed reply, version 2").get_by_text("Approve", exact=True)).to_have_count(0)
    await album.take("approved", people.client)
    await people.client_button("Post now").click()
    official = people.review_of("Daniel K.").get_by_test_id("site-reply")
    await expect(official).to_be_visible()
    await official.scroll_into_view_if_needed()
    await album.take("posted", people.site)
    await expect(people.bubble("Answered: ")).to_be_visible()
    await album.take("answered", people.staff)


if __name__ == "__main__":
    if not browser():
        sys.exit("The walk needs a Chromium (on Debian: apt-get install chromium).")
    asyncio.run(walk(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES))
