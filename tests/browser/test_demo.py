"""`make demo` as a person plays it, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.hands import PATIENCE, People

pytestmark = [pytest.mark.browser, pytest.mark.integration]
expect.set_options(timeout=PATIENCE)

REVIEW = "The coffee was cold & nobody <answered>. Двадцать минут в очереди!"
REPLY = "Dina, we are sorry: the machine is repaired. Your next coffee is on us."


async def test_a_review_becomes_a_posted_reply(people: People) -> None:
    await people.review("Dina", 1, REVIEW)
    await people.open_topic(1)
    await expect(people.bubble("#1 ★1 · Acme Coffee · Google Play")).to_contain_text(REVIEW)
    await people.staff_button("Take").click()
    await expect(people.staff.get_by_test_id("toast")).to_have_text("It is yours now")

    await people.type_staff(f"/reply {REPLY} Promised.")
    await expect(people.bubble("Version 1 · Anna")).to_contain_text(f"{REPLY} Promised.")
    await people.staff_button("Send to client").click()
    await people.open_thread(1)
    await expect(people.post("Proposed reply, version 1")).to_contain_text(f"{REPLY} Promised.")

    await people.client_button("Edit").click()
    await expect(people.modal.locator("textarea")).to_have_value(f"{REPLY} Promised.")
    await people.fill_modal(REPLY)
    await expect(people.post("version 2")).to_contain_text(REPLY)
    await people.client_button("Approve").click()
    await expect(people.post("version 2")).to_contain_text("Approved: Marta. It goes out at")
    await people.client_button("Post now").click()

    official = people.review_of("Dina").get_by_test_id("site-reply").locator("p")
    await expect(official).to_have_text(REPLY)
    await expect(people.post("version 2")).to_contain_text("Posted: ")
    await expect(people.bubble("Version 2 · edited by the client: Marta")).to_contain_text("Answered: ")
    await expect(people.staff_button("Edit reply")).to_be_visible()


async def test_client_talks_and_asks_for_changes_and_a_late_press_is_told_so(people: People) -> None:
    await people.review("Timur", 2, REVIEW)
    await people.open_topic(1)
    await expect(people.staff_button("Take")).to_be_visible()
    anna = await people.another()
    await anna.open_topic(1)
    await anna.look_away()

    await people.be_staff("Dana")
    await people.type_staff(f"/reply {REPLY}")
    await expect(people.bubble("Version 1 · Dana")).to_be_visible()
    await anna.staff_button("Take").click()
    await anna.look_back()
    await people.type_staff("This one is mine")
    alert = anna.page.get_by_test_id("tg-alert")
    await expect(alert).to_contain_text(re.compile(r"out of date, the newest is version 1.*\(Dana\)"))

    await people.staff_button("Send to client").click()
    await people.open_thread(1)
    await people.type_client("Is the machine really repaired? R&D asks <today>")
    await people.client_button("Ask for changes").click()
    await people.fill_modal("  ")
    await expect(people.modal.locator(".error")).to_have_text("Please say why, in a few words")
    await people.fill_modal("Leave the machine out, please")
    await expect(people.modal).to_have_count(0)
    await expect(people.post("Proposed reply, version 1")).to_contain_text("We are working on the reply")

    await expect(people.bubble("Version 1 · Dana")).to_contain_text("The client asks: Leave the machine out, please")
    await expect(people.bubble("Client, Marta:")).to_contain_text("Is the machine really repaired? R&D asks <today>")
    await expect(people.staff_button("Write reply")).to_be_visible()

    await people.page.reload()
    await expect(people.staff.locator(".room .title")).to_contain_text("#1 ★2 Acme Coffee")
    await expect(people.post("Proposed reply, version 1")).to_be_visible()
