"""What each role comes to the console for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from .conftest import PATIENCE

if TYPE_CHECKING:
    from .bank import Bank
    from .conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


async def test_a_manager_finds_a_customer_by_name_and_sees_everything_of_them(house: House, bank: Bank) -> None:
    async with house.visitor("rm", language="en", path="/today") as rm:
        await rm.page.get_by_role("searchbox").fill(bank.name)
        await rm.page.keyboard.press("Enter")
        row = rm.page.get_by_role("row").filter(has_text=bank.name)
        await expect(row).to_contain_text("北京海淀支行", timeout=PATIENCE)
        await row.get_by_role("link").click()
        await expect(rm.page.locator("main h1")).to_have_text(bank.name, timeout=PATIENCE)
        for section in ("Profile", "Holdings", "Tier and segments", "Complaints", "Campaigns"):
            await expect(rm.page.locator(".ant-card-head-title", has_text=section)).to_be_visible(timeout=PATIENCE)
        await expect(rm.page.get_by_text("李明", exact=True)).to_be_visible(timeout=PATIENCE)
        await rm.page.get_by_role("tab", name="Timeline").click()
        await expect(rm.page.get_by_text("Complaint received").first).to_be_visible(timeout=PATIENCE)


async def test_a_handler_accepts_a_case_and_sees_both_clocks(house: House, bank: Bank) -> None:
    async with house.visitor("handler", language="en", path=f"/complaints/{bank.complaint_id}") as handler:
        main = handler.page.locator("main")
        await expect(main.get_by_text("Statutory clock").first).to_be_visible(timeout=PATIENCE)
        await expect(main.get_by_text("Internal clock").first).to_be_visible(timeout=PATIENCE)
        await main.get_by_role("button", name="Accept").click()
        await handler.page.get_by_role("dialog").get_by_role("button", name="OK").click()
        await expect(main.get_by_role("button", name="Investigate")).to_be_visible(timeout=PATIENCE)


async def test_a_handler_is_shown_no_section_that_is_closed_to_handlers(house: House, bank: Bank) -> None:
    async with house.visitor("handler", language="en", path=f"/customers/{bank.customer_id}") as handler:
        titles = handler.page.locator("main .ant-card-head-title")
        await expect(titles.filter(has_text="Holdings")).to_be_visible(timeout=PATIENCE)
        assert not {"Tier and segments", "Campaigns"} & set(await titles.all_inner_texts())


async def test_a_marketer_is_told_why_someone_belongs_to_a_segment(house: House, bank: Bank) -> None:
    async with house.visitor("marketer", language="en", path=f"/segments/{bank.segment_id}") as marketer:
        await marketer.page.get_by_role("button", name="Explain").first.click()
        drawer = marketer.page.get_by_role("dialog")
        await expect(drawer.get_by_text("kind = individual")).to_be_visible(timeout=PATIENCE)


async def test_an_operator_sees_every_service(house: House) -> None:
    async with house.visitor("operator", language="en") as operator:
        await expect(operator.page).to_have_url(f"{operator.url}/operations", timeout=PATIENCE)
        for service in ("Customer", "Segmentation", "Complaints", "Campaigns"):
            card = operator.page.locator(".ant-card", has=operator.page.get_by_text(service, exact=True)).first
            await expect(card.locator(".ant-card-head").get_by_text("OK", exact=True)).to_be_visible(timeout=PATIENCE)


async def test_an_auditor_sees_who_did_what_and_leaves_a_row_too(house: House) -> None:
    async with house.visitor("auditor", language="en") as auditor:
        main = auditor.page.locator("main")
        await auditor.page.get_by_role("navigation").get_by_role("link", name="Audit").click()
        await main.get_by_label("Service").click()
        await auditor.page.locator(".ant-select-item-option", has_text="Complaints").click()
        await main.get_by_role("button", name="Search").click()
        received = main.get_by_role("row").filter(has_text="Received")
        await expect(received.first).to_contain_text("handler", timeout=PATIENCE)
        await main.get_by_role("button", name="Search").click()
        await expect(main.get_by_role("row").filter(has_text="Read the audit").first).to_contain_text(
            "auditor", timeout=PATIENCE
        )


async def test_a_page_whose_file_is_gone_loads_anew_once_and_then_says_so(house: House) -> None:
    missing = "**/assets/complaints-page-*.js"
    async with house.visitor("rm", language="en") as rm:
        loads: list[str] = []
        rm.page.on("load", lambda page: loads.append(page.url))
        await rm.page.route(missing, lambda route: route.fulfill(status=404))
        await rm.page.get_by_role("menuitem", name="Complaints").click()
        told = rm.page.get_by_role("alert")
        await expect(told).to_contain_text("could not be shown", timeout=PATIENCE)
        assert loads == [f"{rm.url}/complaints"]
        await rm.page.unroute(missing)
        await told.get_by_role("button", name="Reload").click()
        await expect(rm.page.locator("main h1")).to_have_text("Complaints", timeout=PATIENCE)
        assert any("dynamically imported module" in complaint for complaint in rm.complaints)
        rm.complaints.clear()
