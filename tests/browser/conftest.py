"""A suite with a little bank in it, a browser, and people who log in with it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from kehu_local.plan import Plan, choose_ports
from kehu_local.testing import SuiteProcess, free_ports

if TYPE_CHECKING:
    from .bank import Bank

ROOT: Final = Path(__file__).parents[2]
BROWSER: Final = ROOT / ".local" / "browser"
PATIENCE: Final = 60_000
"""Milliseconds until something must be seen: much, since the machine may have a lot to do."""

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOCALES: Final = {"zh": "zh-CN", "en": "en-GB"}


class Visitor:
    """Somebody at a browser of their own. What the browser complains of is kept in `complaints`."""

    def __init__(self, context: BrowserContext, page: Page, url: str) -> None:
        self.context = context
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: ConsoleMessage) -> None:
        # The browser itself notes each answer that is no success: those are for the pages to tell.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    async def log_in(self, user: str, password: str | None = None, *, path: str = "/") -> None:
        """Through the page that a person begins with, and the issuer's form."""
        await self.page.goto(f"{self.url}{path}")
        await self.page.locator('a[href^="/auth/login"]').click()
        await self.page.locator("input[name=username]").fill(user)
        await self.page.locator("input[type=password]").fill(password or f"{user}-demo")
        await self.page.locator("button[type=submit]").click()

    async def visit(self, path: str) -> None:
        """Open a page and wait for its title."""
        await self.page.goto(f"{self.url}{path}")
        await self.page.locator("main h1").wait_for()


class House:
    """Lets visitors in, each with cookies of their own."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    @asynccontextmanager
    async def visitor(
        self, user: str | None = None, *, language: str = "zh", width: int = 1280, path: str = "/"
    ) -> AsyncIterator[Visitor]:
        """Somebody new; logged in already when a user is named. Nothing may have been complained of at the end."""
        context = await self._browser.new_context(
            locale=LOCALES[language], viewport={"width": width, "height": 900}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE)
        async with context:
            visitor = Visitor(context, await context.new_page(), self._url)
            if user is not None:
                await visitor.log_in(user, path=path)
                await visitor.page.locator("main h1").wait_for()
            yield visitor
            assert visitor.complaints == []


@pytest.fixture(scope="package")
def plan() -> Iterator[Plan]:
    """A suite on ports of its own, empty."""
    with tempfile.TemporaryDirectory(prefix="kehu-browser-") as folder:
        data = Path(folder) / "data"
        ports = free_ports(choose_ports([], 0))
        chosen = [part for name, number in ports.items() for part in ("--port", f"{name}={number}")]
        command = [sys.executable, "-m", "kehu_local", "up", "--data", str(data), "--no-demo", "--quiet", *chosen]
        process = SuiteProcess(command, data, ports)
        try:
            process.start()
            process.wait_for_line("are ready")
            yield Plan.load(ROOT, data)
            assert process.interrupt() == 0, process.text
        finally:
            process.clean_up()


@pytest.fixture(scope="package")
async def bank(plan: Plan) -> Bank:
    """What the suite knows."""
    # Imported here: conftest files are loaded for tests that need no suite, too.
    from .bank import open_bank  # noqa: PLC0415

    return await open_bank(plan)


def browser_path() -> str:
    """Where the browser is. Without one the tests fail, so that nobody takes them for passed."""
    path = BROWSER.read_text(encoding="utf-8").strip() if BROWSER.exists() else ""
    if not Path(path).is_file():
        pytest.fail("There is no browser for the console's tests: run `make browser`.", pytrace=False)
    return path


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """The browser whose path `make browser` has written down."""
    path = browser_path()
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        await browser.close()


@pytest.fixture
def house(browser: Browser, plan: Plan, bank: Bank) -> House:  # noqa: ARG001  What is looked at has to be there first.
    """Where the tests send their visitors."""
    return House(browser, plan.gateway_url)
