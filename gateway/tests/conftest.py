"""A gateway on a database of its own, in front of one small server that plays all four services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kehu_chassis.clock import FixedClock
from kehu_chassis.crypto import create_wrapping_key_file
from kehu_chassis.database import Database
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.testing.databases import ServiceDatabase
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.http import TestApp, open_test_app, test_settings
from kehu_contracts.access import Role
from kehu_gateway.main import DEFINITION
from kehu_gateway.settings import Settings

from .partners import LOOPBACK, Hooks, Partner

PUBLIC_URL = "https://gateway.test"
CLIENT_SECRET = "a-long-secret-of-core-banking"
INDEX = (
    '<!doctype html><html><head><meta property="csp-nonce" nonce="__CSP_NONCE__">'
    '<script type="module" nonce="__CSP_NONCE__" src="/assets/app-1a2b3c.js"></script></head><body></body></html>'
)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION


@dataclass
class Services:
    """The four services: answers by path, and what was asked."""

    answers: dict[str, Answer | Any] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    address: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw = request.raw_path
        self.seen.append(
            (request.method, raw, {k.lower(): v for k, v in request.headers.items()}, await request.read())
        )
        told = self.answers.get(request.path)
        if callable(told):
            response: web.StreamResponse = await told(request)
            return response
        if told is None:
            return web.json_response({"code": "not_found"}, status=404)
        return web.json_response(told)


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    played = Services()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", played.answer)
    # A fake that never answers is not waited for.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    played.address = f"http://{host}:{port}"
    yield played
    await runner.cleanup()


def new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def console_files(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "assets" / "app-1a2b3c.js").write_text("export const greeting = 'hello';\n" * 100)
    (folder / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return folder


@pytest.fixture
def webhook_key_file(tmp_path: Path) -> Path:
    path = tmp_path / "webhook-keys.json"
    create_wrapping_key_file(path, "webhook-1")
    return path


@pytest.fixture
def gateway_settings(
    tmp_path: Path, console_files: Path, services: Services, service_database: ServiceDatabase, webhook_key_file: Path
) -> dict[str, Any]:
    secrets = tmp_path / "clients"
    secrets.mkdir()
    (secrets / "core-banking").write_text(CLIENT_SECRET + "\n")
    key_file = tmp_path / "issuer.pem"
    key_file.write_bytes(new_key())
    return {
        "database_dsn": service_database.dsn("api"),
        "public_url": PUBLIC_URL,
        "issuer": PUBLIC_URL,
        "console": console_files,
        "session_key": "k" * 48,
        "webhook_key_file": webhook_key_file,
        "issuer_key_file": key_file,
        "client_secrets": secrets,
        "upstream_timeout": 0.5,
        "section_timeout": 0.5,
        "max_body_bytes": 10_000,
        **{f"{name}_url": services.address for name in ("customer", "segmentation", "complaints", "campaigns")},
    }


OpenGateway = Callable[..., Awaitable[TestApp]]


@pytest.fixture
async def open_gateway(
    gateway_settings: dict[str, Any], database: Database, clock: FixedClock
) -> AsyncIterator[OpenGateway]:
    """Opens a gateway, with some settings other than usual."""
    async with AsyncExitStack() as stack:

        async def opened(**changed: Any) -> TestApp:
            values = {**gateway_settings, **changed}
            settings = test_settings(Settings, values.pop("database_dsn"), **values)
            return await stack.enter_async_context(
                open_test_app(DEFINITION, database=database, settings=settings, clock=clock)
            )

        yield opened


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> TestApp:
    return await open_gateway()


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    made = Partner()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def hooks_of(
    open_gateway: OpenGateway, worker_database: Database, deliver: Deliver, clock: FixedClock
) -> Callable[..., Awaitable[Hooks]]:
    async def made(allowed: tuple[Any, ...], **settings: Any) -> Hooks:
        app = await open_gateway(webhook_networks=allowed, **settings)
        app.runtime.verifier = app.issuer.verifier()
        operator = await app.client(Role.OPERATOR, subject="operator")
        return Hooks(app, operator, worker_database, deliver, clock, allowed)

    return made


@pytest.fixture
async def hooks(hooks_of: Callable[..., Awaitable[Hooks]]) -> Hooks:
    return await hooks_of(LOOPBACK)


def browser_of(app: TestApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app.app), base_url=PUBLIC_URL)


@pytest.fixture
async def browser(gateway: TestApp) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_of(gateway) as client:
        yield client


async def log_in(browser: httpx.AsyncClient, user: str = "rm", return_to: str = "/customers") -> httpx.Response:
    """Go through the whole log-in as a browser does; the last answer is the callback's page."""
    to_issuer = await browser.get("/auth/login", params={"return_to": return_to})
    form_at = to_issuer.headers["location"]
    assert (await browser.get(form_at)).status_code == 200
    back = await browser.post(form_at, data={"username": user, "password": f"{user}-demo"})
    assert back.status_code == 303, back.text
    return await browser.get(back.headers["location"])


async def token_of(browser: httpx.AsyncClient, user: str = "rm") -> str:
    form = {"grant_type": "password", "client_id": "kehu", "username": user, "password": f"{user}-demo"}
    response = await browser.post("/oauth2/token", data=form)
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@dataclass(frozen=True)
class Steps:
    """The steps of a log-in, for tests of the gateway."""

    log_in: Callable[..., Awaitable[httpx.Response]] = log_in
    token_of: Callable[..., Awaitable[str]] = token_of
    query_of: Callable[[str], dict[str, str]] = query_of
    browser_of: Callable[[TestApp], httpx.AsyncClient] = browser_of
    new_key: Callable[[], bytes] = new_key


@pytest.fixture
def steps() -> Steps:
    return Steps()
