"""Coming in and going out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from .conftest import PATIENCE

if TYPE_CHECKING:
    from .conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

SEEN_BY_SCRIPTS = """() => JSON.stringify({
    local: {...localStorage}, session: {...sessionStorage}, cookie: document.cookie })"""


async def test_someone_logs_in_on_the_issuers_page_and_out_again(house: House) -> None:
    async with house.visitor("rm") as rm:
        await expect(rm.page).to_have_url(f"{rm.url}/today", timeout=PATIENCE)
        await rm.page.get_by_role("button", name="退出").click()
        await expect(rm.page.locator('a[href^="/auth/login"]')).to_be_visible(timeout=PATIENCE)
        await rm.page.goto(f"{rm.url}/customers")
        await expect(rm.page.locator('a[href^="/auth/login"]')).to_be_visible(timeout=PATIENCE)


async def test_a_wrong_password_is_refused_in_words(house: House) -> None:
    async with house.visitor() as stranger:
        await stranger.log_in("rm", "not-the-password")
        await expect(stranger.page.get_by_role("alert")).not_to_be_empty(timeout=PATIENCE)
        await stranger.page.goto(stranger.url)
        await expect(stranger.page.locator('a[href^="/auth/login"]')).to_be_visible(timeout=PATIENCE)


async def test_log_in_leads_to_the_page_that_was_asked_for(house: House) -> None:
    async with house.visitor("rm", path="/complaints") as rm:
        await expect(rm.page).to_have_url(f"{rm.url}/complaints", timeout=PATIENCE)


async def test_scripts_can_reach_no_token(house: House) -> None:
    async with house.visitor("rm") as rm:
        seen = await rm.page.evaluate(SEEN_BY_SCRIPTS)
        cookies = await rm.context.cookies()
        assert cookies
        assert all(cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in cookies)
        assert not [cookie for cookie in cookies if cookie["value"] in seen]
        # Every JWT begins so: it is `{"` in base64url.
        assert "eyJ" not in seen


async def test_the_language_is_chosen_and_remembered(house: House) -> None:
    async with house.visitor("rm", language="en") as rm:
        title = rm.page.locator("main h1")
        await expect(title).to_have_text("Today", timeout=PATIENCE)
        await rm.page.get_by_text("中文", exact=True).click()
        await expect(title).to_have_text("今日工作", timeout=PATIENCE)
        await rm.page.reload()
        await expect(title).to_have_text("今日工作", timeout=PATIENCE)
        await expect(rm.page.locator("html")).to_have_attribute("lang", "zh-CN")


async def test_the_issuers_page_speaks_the_language_that_was_chosen(house: House) -> None:
    async with house.visitor(language="en") as stranger:
        await stranger.page.goto(stranger.url)
        await stranger.page.get_by_text("中文", exact=True).click()
        await stranger.page.locator('a[href^="/auth/login"]').click()
        await expect(stranger.page.get_by_label("用户名")).to_be_visible(timeout=PATIENCE)
