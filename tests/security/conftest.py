"""A gateway as it runs, a process of its own, before services that note what reaches them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kehu_chassis.crypto import create_wrapping_key_file
from kehu_chassis.testing.databases import ServiceDatabase, copied_database, ensure_template
from kehu_chassis.testing.servers import free_port
from kehu_gateway.main import DEFINITION

CONSOLE: Final = (
    '<!doctype html><html><head><meta property="csp-nonce" nonce="__CSP_NONCE__">'
    '<script type="module" nonce="__CSP_NONCE__" src="/assets/app-1a2b3c.js"></script></head><body></body></html>'
)
SECONDS: Final = 1.0
"""In which a head, and then a body, has to reach the gateway of these tests."""
PATIENCE: Final = 90.0


@dataclass
class Seen:
    """A request that reached a service."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Gateway:
    """A gateway's process. `seen` is what came through to the services."""

    port: int
    database: ServiceDatabase
    folder: Path
    seen: list[Seen] = field(default_factory=list)
    log: Path = Path()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def talk(self, *pieces: bytes, pause: float = 0.0, patience: float = PATIENCE) -> bytes:
        """Send pieces over one connection, and give all that comes back until the gateway closes it.

        Raises:
            TimeoutError: it did not close within `patience` seconds.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            return await asyncio.wait_for(_exchange(reader, writer, pieces, pause), patience)
        finally:
            writer.close()

    async def token(self, user: str = "rm") -> str:
        """An access token of a demo user."""
        form = {"grant_type": "password", "client_id": "kehu", "username": user, "password": f"{user}-demo"}
        async with self.client() as client:
            answer = await client.post("/oauth2/token", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        """A client of it."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE, trust_env=False)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: tuple[bytes, ...], pause: float
) -> bytes:
    async def send() -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    sending = asyncio.create_task(send())
    answer = bytearray()
    try:
        while chunk := await reader.read(65_536):
            answer += chunk
    except (BrokenPipeError, ConnectionResetError):
        # It closed while we were still sending: what it said before is there.
        pass
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return bytes(answer)


@asynccontextmanager
async def open_services(seen: list[Seen]) -> AsyncIterator[str]:
    """All four services in one: they answer everything with an empty list, and note it."""

    async def answer(request: web.Request) -> web.Response:
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.raw_headers]
        seen.append(Seen(request.method, request.raw_path, headers, await request.read()))
        return web.json_response({"items": [], "next_cursor": None})

    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def settings_of(gateway: Gateway, services: str) -> dict[str, str]:
    """The environment of a gateway's process: these variables, and no other."""
    folder = gateway.folder
    (folder / "dist" / "assets").mkdir(parents=True)
    (folder / "dist" / "index.html").write_text(CONSOLE)
    (folder / "dist" / "assets" / "app-1a2b3c.js").write_text("export const greeting = 'hello';\n" * 100)
    (folder / "clients").mkdir()
    create_wrapping_key_file(folder / "webhook-keys.json", "webhook-1")
    key = Ed25519PrivateKey.generate()
    (folder / "issuer.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {
        "KEHU_ENVIRONMENT": "demo",
        "KEHU_ISSUER": gateway.url,
        "KEHU_JWKS_URL": f"{gateway.url}/oauth2/jwks",
        "GATEWAY_DATABASE_DSN": gateway.database.dsn("api"),
        "GATEWAY_PORT": str(gateway.port),
        "GATEWAY_PUBLIC_URL": gateway.url,
        "GATEWAY_CONSOLE": str(folder / "dist"),
        "GATEWAY_SESSION_KEY": "k" * 48,
        "GATEWAY_WEBHOOK_KEY_FILE": str(folder / "webhook-keys.json"),
        "GATEWAY_ISSUER_KEY_FILE": str(folder / "issuer.pem"),
        "GATEWAY_CLIENT_SECRETS": str(folder / "clients"),
        "GATEWAY_HEAD_TIMEOUT": str(SECONDS),
        "GATEWAY_BODY_TIMEOUT": str(SECONDS),
        "GATEWAY_LOGIN_ATTEMPTS_OF_ADDRESS": "1000",
        **{f"GATEWAY_{name}_URL": services for name in ("CUSTOMER", "SEGMENTATION", "COMPLAINTS", "CAMPAIGNS")},
    }


async def _ready(gateway: Gateway, process: asyncio.subprocess.Process) -> None:
    until = time.monotonic() + PATIENCE
    async with gateway.client() as client:
        while True:
            assert process.returncode is None, gateway.log.read_text()
            assert time.monotonic() < until, gateway.log.read_text()
            with suppress(httpx.TransportError):
                if (await client.get("/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
async def running_gateway(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One for all tests of a process; `gateway` is it with nothing seen yet."""
    template = await ensure_template(postgres, DEFINITION.schema, DEFINITION.migrations)
    folder = tmp_path_factory.mktemp("gateway")
    async with copied_database(postgres, DEFINITION.schema, template) as database:
        gateway = Gateway(free_port(), database, folder, log=folder / "log")
        async with open_services(gateway.seen) as services:
            with gateway.log.open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "kehu_gateway", "api",
                    env=settings_of(gateway, services), stdout=log, stderr=log,
                )  # fmt: skip
            try:
                await _ready(gateway, process)
                yield gateway
            finally:
                process.terminate()
                await process.wait()


@pytest.fixture
def gateway(running_gateway: Gateway) -> Gateway:
    """The running gateway, with nothing seen yet."""
    running_gateway.seen.clear()
    return running_gateway


@pytest.fixture
async def rm(gateway: Gateway) -> Any:
    """The token of a relationship manager, as a header's line."""
    return f"Authorization: Bearer {await gateway.token()}\r\n".encode()
