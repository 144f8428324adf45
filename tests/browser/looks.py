"""Looks at a page as somebody does who has only a keyboard, a screen reader or a phone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from .conftest import PATIENCE

if TYPE_CHECKING:
    from playwright.async_api import Page

__all__ = ["OVERFLOW", "PHONE", "settle", "violations"]

PHONE: Final = 390
OVERFLOW: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

MOVED: Final = """() => Promise.allSettled(document.getAnimations()
    .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime)).map((one) => one.finished))"""


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
    await expect(page.locator(".ant-spin-spinning, .ant-skeleton")).to_have_count(0, timeout=PATIENCE)
    await page.evaluate(MOVED)
