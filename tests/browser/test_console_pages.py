"""Every page in both languages: usable by everybody, and on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from .conftest import PATIENCE

if TYPE_CHECKING:
    from playwright.async_api import Page

    from .bank import Bank
    from .conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]

PHONE: Final = 390
OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

MOVED: Final = """() => Promise.allSettled(document.getAnimations()
    .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime)).map((one) => one.finished))"""


def pages_of(bank: Bank) -> dict[str, tuple[str, ...]]:
    """The pages by who looks at them."""
    return {
        "rm": (
            "/customers",
            f"/customers/{bank.customer_id}",
            "/complaints",
            f"/complaints/{bank.complaint_id}",
        ),
        "marketer": (
            "/segments",
            f"/segments/{bank.segment_id}",
            "/campaigns",
            f"/campaigns/{bank.campaigns[0]}",
        ),
        "operator": ("/operations",),
    }


async def violations(page: Page) -> list[str]:
    """What axe finds on the page that keeps somebody from using it."""
    response: dict[str, Any] = (await Axe().run(page)).response
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in response["violations"]
        if found["impact"] in {"serious", "critical"}
        for node in found["nodes"]
    ]


async def settle(page: Page) -> None:
    """Wait until the page has what it asked for."""
    await expect(page.locator(".ant-spin-spinning")).to_have_count(0, timeout=PATIENCE)
    await page.evaluate(MOVED)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("user", ["rm", "marketer", "operator"])
async def test_no_page_shuts_anybody_out(house: House, bank: Bank, user: str, language: str) -> None:
    found = {}
    async with house.visitor(user, language=language) as visitor:
        for path in pages_of(bank)[user]:
            await visitor.visit(path)
            await settle(visitor.page)
            if broken := await violations(visitor.page):
                found[path] = broken
    assert found == {}


@pytest.mark.parametrize("user", ["rm", "marketer", "operator"])
async def test_no_page_is_wider_than_a_phone(house: House, bank: Bank, user: str) -> None:
    wide = {}
    async with house.visitor(user, language="en", width=PHONE) as visitor:
        for path in pages_of(bank)[user]:
            await visitor.visit(path)
            await settle(visitor.page)
            if (pixels := await visitor.page.evaluate(OVERFLOW)) > 0:
                wide[path] = pixels
    assert wide == {}


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_log_in_pages_shut_nobody_out(house: House, language: str) -> None:
    async with house.visitor(language=language) as stranger:
        await stranger.page.goto(stranger.url)
        await stranger.page.locator("h1").wait_for()
        assert await violations(stranger.page) == []
        await stranger.page.locator('a[href^="/auth/login"]').click()
        await stranger.page.locator("input[name=username]").wait_for()
        assert await violations(stranger.page) == []
