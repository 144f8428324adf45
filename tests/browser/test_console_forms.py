"""What people write in the console, as they write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from .bank import CUSTOMERS
from .conftest import PATIENCE
from .looks import OVERFLOW, PHONE, settle, violations

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from .bank import Bank
    from .conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


async def choose(page: Page, label: str, option: str, *, typed: str = "") -> None:
    """Choose from a list of a form: open it by keyboard, narrow it by typing, take what fits."""
    dialog = page.get_by_role("dialog")
    box = dialog.get_by_label(label, exact=True)
    await box.focus()
    await page.keyboard.press("ArrowDown")
    if typed:
        await box.press_sequentially(typed)
    shown = page.locator(".ant-select-dropdown:not(.ant-select-dropdown-hidden)")
    await shown.locator(".ant-select-item-option", has_text=option).first.click(timeout=PATIENCE)
    await dialog.locator(".ant-modal-title").click()
    await expect(shown).to_have_count(0, timeout=PATIENCE)


async def press(dialog: Locator, name: str = "OK") -> None:
    await dialog.get_by_role("button", name=name, exact=True).click()


async def test_a_complaint_is_taken_in_and_carried_to_its_end(house: House, bank: Bank) -> None:
    async with house.visitor("handler", language="en", path="/complaints") as handler:
        page, dialog = handler.page, handler.page.get_by_role("dialog")
        await page.get_by_role("button", name="Take in a complaint").click()
        await press(dialog)
        told = dialog.get_by_label("What the complainant says")
        await expect(told).to_have_attribute("aria-invalid", "true", timeout=PATIENCE)
        await told.fill("Charged twice for one transfer.")
        await choose(page, "Category", "Fees and charges")
        await choose(page, "Customer", bank.name, typed=bank.name)
        await dialog.get_by_label("About a member of staff").check()
        await choose(page, "Works in", "北京海淀支行", typed="海淀")
        await choose(page, "Person complained about", "李明")
        await press(dialog)
        await expect(dialog.get_by_text(re.compile(r"CP\d{14}"))).to_be_visible(timeout=PATIENCE)
        for clock in ("CN-2020-3.15d", "INTERNAL"):
            await expect(dialog.locator(".ant-tag", has_text=clock)).to_be_visible(timeout=PATIENCE)
        await dialog.get_by_role("link", name="Open the case").click()
        await expect(page.locator("main").get_by_text("李明", exact=True)).to_be_visible(timeout=PATIENCE)
        async with house.visitor("rm", language="en", path=page.url.removeprefix(handler.url)) as accused:
            main = accused.page.locator("main")
            await expect(main.get_by_text("This case is about you")).to_be_visible(timeout=PATIENCE)
            await expect(main.get_by_text("Charged twice")).to_have_count(0)
            await expect(main.get_by_role("button", name="Accept", exact=True)).to_have_count(0)
        for step in ("Accept", "Investigate", "Decide", "Notify the customer", "Close"):
            await page.locator("main").get_by_role("button", name=step, exact=True).click()
            if step == "Decide":
                await choose(page, "Outcome", "Not upheld")
            if step == "Notify the customer":
                await choose(page, "Channel", "Phone")
            await press(dialog)
            await expect(dialog).to_have_count(0, timeout=PATIENCE)
        await expect(page.locator("main .ant-tag", has_text="Closed").first).to_be_visible(timeout=PATIENCE)


async def test_a_consent_is_recorded_and_withdrawn(house: House, bank: Bank) -> None:
    async with house.visitor("rm", language="en", path=f"/customers/{bank.customer_id}") as rm:
        page, dialog = rm.page, rm.page.get_by_role("dialog")
        card = page.locator(".ant-card", has=page.get_by_text("Consents", exact=True)).last
        for button, status in (("Record a consent", "Granted"), ("Withdraw", "Withdrawn")):
            await card.get_by_role("button", name=button).first.click()
            await dialog.get_by_label("Notice version").fill("2026-01")
            await dialog.get_by_label("Proof").fill("Form 4711")
            await press(dialog)
            await expect(card.get_by_text(f"Marketing · SMS · {status}")).to_be_visible(timeout=PATIENCE)
        await card.get_by_role("button", name="Ledger").click()
        await expect(dialog.get_by_role("cell", name="Form 4711")).to_have_count(2, timeout=PATIENCE)


async def test_a_contact_is_written_down(house: House, bank: Bank) -> None:
    async with house.visitor("rm", language="en", path=f"/customers/{bank.customer_id}") as rm:
        await rm.page.get_by_role("tab", name="Timeline").click()
        await rm.page.get_by_role("button", name="Record a contact").click()
        dialog = rm.page.get_by_role("dialog")
        await dialog.get_by_label("Note").fill("Asked about time deposits.")
        await press(dialog)
        await expect(rm.page.get_by_text("Asked about time deposits.")).to_be_visible(timeout=PATIENCE)


async def test_a_segment_is_begun_published_and_explained(house: House) -> None:
    async with house.visitor("marketer", language="en", path="/segments") as marketer:
        page, dialog = marketer.page, marketer.page.get_by_role("dialog")
        await page.get_by_role("button", name="New segment").click()
        await dialog.get_by_label("Code", exact=True).fill("PEOPLE")
        await dialog.get_by_label("Name", exact=True).fill("Individuals with an account")
        await choose(page, "Condition on", "Kind of customer")
        await choose(page, "Value", "individual")
        await dialog.get_by_role("button", name="Add a group").click()
        await press(dialog, "Save as draft")
        await expect(dialog.get_by_text("Another segment has this code")).to_be_visible(timeout=PATIENCE)
        await dialog.get_by_label("Code", exact=True).fill("ACCOUNTS")
        await press(dialog, "Save as draft")
        await expect(page.locator("main h1")).to_have_text("Individuals with an account", timeout=PATIENCE)
        for line in ("All of", "kind in individual", "Any of", "holdings ≥ 1"):
            await expect(page.locator("main").get_by_text(line, exact=True)).to_be_visible(timeout=PATIENCE)
        await page.get_by_role("button", name="Publish").click()
        await page.get_by_role("tooltip").get_by_role("button", name="OK").click()
        await page.get_by_role("button", name="Explain").first.click(timeout=PATIENCE)
        await expect(dialog.get_by_text("holdings ≥ 1")).to_be_visible(timeout=PATIENCE)
        # A marketer sees numbers of customers, and no way to a page that is closed to marketers.
        await expect(page.locator("a[href^='/customers/']")).to_have_count(0)


async def test_a_campaign_is_planned_by_one_and_approved_by_another(house: House) -> None:
    ends = datetime.now(UTC) + timedelta(days=30)
    async with house.visitor("marketer", language="en", path="/campaigns") as maker:
        page, dialog = maker.page, maker.page.get_by_role("dialog")
        await page.get_by_role("button", name="Plan a campaign").click()
        for label, text in {
            "Code": "AUTUMN",
            "Name": "Autumn deposits",
            "Objective": "More time deposits",
            "Product": "TD-12M",
            "Message": "保本 {{ product }}",
        }.items():
            await dialog.get_by_label(label, exact=True).fill(text)
        await choose(page, "In any of", "个人客户")
        await dialog.get_by_label("Ends", exact=True).fill(f"{ends:%Y-%m-%d} 18:00")
        await page.keyboard.press("Enter")
        await press(dialog, "Save as draft")
        message = dialog.get_by_label("Message", exact=True)
        await expect(message).to_have_attribute("aria-invalid", "true", timeout=PATIENCE)
        await message.fill("{{ salutation }}: {{ product }}")
        await press(dialog, "Save as draft")
        await page.get_by_role("button", name="Submit for review").click(timeout=PATIENCE)
        await expect(page.get_by_text("In review")).to_be_visible(timeout=PATIENCE)
        forecast = page.get_by_role("table", name="Decisions if launched now")
        await expect(forecast).to_contain_text(f"Sum{CUSTOMERS}", timeout=PATIENCE)
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
        path = page.url.removeprefix(maker.url)
        session = await (await page.request.get(f"{maker.url}/auth/session")).json()
        refused = await page.request.post(
            f"{maker.url}/api/v1{path}/approvals",
            data={"note": None},
            headers={"X-CSRF-Token": session["csrf_token"], "Origin": maker.url},
        )
        assert (refused.status, (await refused.json())["status"]) == (403, 403)
    async with house.visitor("compliance", language="en", path="/today") as reviewer:
        await reviewer.page.get_by_role("link", name="Autumn deposits").click()
        await reviewer.page.get_by_role("button", name="Approve").click()
        await reviewer.page.get_by_role("tooltip").get_by_role("button", name="OK").click()
        await expect(reviewer.page.get_by_text("Running", exact=True)).to_be_visible(timeout=PATIENCE)
        await expect(reviewer.page.locator(".ant-card-head-title", has_text="Funnel")).to_be_visible(timeout=PATIENCE)


def forms_of(user: str, bank: Bank) -> list[tuple[str, str]]:
    """Where each form is, and the button that opens it."""
    if user == "rm":
        customer = f"/customers/{bank.customer_id}"
        return [(customer, "Take in a complaint"), (customer, "Record a consent")]
    return [("/segments", "New segment"), ("/campaigns", "Plan a campaign")]


@pytest.mark.parametrize("width", [1280, PHONE])
@pytest.mark.parametrize("user", ["rm", "marketer"])
async def test_every_form_is_used_by_keyboard_and_shuts_nobody_out(
    house: House, bank: Bank, user: str, width: int
) -> None:
    async with house.visitor(user, language="en", width=width) as visitor:
        page = visitor.page
        for path, button in forms_of(user, bank):
            await visitor.visit(path)
            opener = page.get_by_role("button", name=button)
            await opener.focus()
            await page.keyboard.press("Enter")
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_be_visible(timeout=PATIENCE)
            await settle(page)
            assert await violations(page) == []
            assert await page.evaluate(OVERFLOW) <= 0
            for _ in range(3):
                await page.keyboard.press("Tab")
            assert await dialog.evaluate("(window) => window.contains(document.activeElement)")
            await page.keyboard.press("Escape")
            await expect(dialog).to_have_count(0, timeout=PATIENCE)
            await expect(opener).to_be_focused(timeout=PATIENCE)
