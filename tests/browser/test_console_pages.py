"""Every page in both languages: usable by everybody, and on a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .looks import OVERFLOW, PHONE, settle, violations

if TYPE_CHECKING:
    from .bank import Bank
    from .conftest import House

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


def pages_of(bank: Bank) -> dict[str, tuple[str, ...]]:
    """The pages by who looks at them."""
    return {
        "rm": (
            "/today",
            "/customers",
            f"/customers/{bank.customer_id}",
            "/complaints",
            f"/complaints/{bank.complaint_id}",
        ),
        "marketer": (
            "/today",
            "/segments",
            f"/segments/{bank.segment_id}",
            "/campaigns",
            f"/campaigns/{bank.campaign_id}",
        ),
        "operator": ("/operations",),
        "auditor": ("/audit",),
    }


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("user", ["rm", "marketer", "operator", "auditor"])
async def test_no_page_shuts_anybody_out(house: House, bank: Bank, user: str, language: str) -> None:
    found = {}
    async with house.visitor(user, language=language) as visitor:
        for path in pages_of(bank)[user]:
            await visitor.visit(path)
            await settle(visitor.page)
            if broken := await violations(visitor.page):
                found[path] = broken
    assert found == {}


@pytest.mark.parametrize("user", ["rm", "marketer", "operator", "auditor"])
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
