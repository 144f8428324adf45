"""What the benchmarks run on: PostgreSQL and Kafka of their own, one migrated database, processes that end with them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncpg
import httpx

from kehu_chassis import migrations
from kehu_chassis.crypto import create_key_file
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.provision import ensure_database, ensure_schema, role_name
from kehu_chassis.testing.servers import KafkaServer, PostgresServer, free_port
from kehu_chassis.testing.tokens import AUDIENCE, ISSUER, TestIssuer

__all__ = ["ROOT", "House", "open_house"]

ROOT = Path(__file__).parents[1]


@dataclass
class House:
    """The servers that run, and the issuer whose tokens they take."""

    folder: Path
    postgres: PostgresServer
    kafka: KafkaServer
    issuer: TestIssuer
    jwks_url: str
    database: str = "kehu"

    @property
    def superuser_dsn(self) -> str:
        """The database of the services, for PostgreSQL's superuser."""
        return f"{self.postgres.dsn.rsplit('/', 1)[0]}/{self.database}"

    def dsn(self, schema: str, role: str) -> str:
        """The database as a role of a schema."""
        return self.superuser_dsn.replace("postgres@", f"{role_name(schema, role)}@")

    async def migrate(self, definition: ServiceDefinition) -> None:
        """Make a service's schema."""
        server = await asyncpg.connect(self.postgres.dsn)
        await ensure_database(server, self.database)
        await server.close()
        connection = await asyncpg.connect(self.superuser_dsn)
        await ensure_schema(connection, definition.schema)
        await connection.close()
        await asyncio.to_thread(
            migrations.upgrade,
            self.dsn(definition.schema, "owner"),
            schema=definition.schema,
            folder=definition.migrations,
        )

    async def analyze(self) -> None:
        """Renew the planner's statistics of all tables; plans that were made before are made anew."""
        connection = await asyncpg.connect(self.superuser_dsn)
        await connection.execute("ANALYZE")
        await connection.close()

    def environment(self, schema: str, role: str, port: int) -> dict[str, str]:
        """Settings of a service's process."""
        prefix = schema.upper()
        return {
            "KEHU_ENVIRONMENT": "demo",
            "KEHU_ISSUER": ISSUER,
            "KEHU_AUDIENCE": AUDIENCE,
            "KEHU_JWKS_URL": self.jwks_url,
            "KEHU_KEY_FILE": str(self.folder / "keys.json"),
            "KEHU_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            f"{prefix}_DATABASE_DSN": self.dsn(schema, role),
            f"{prefix}_PORT": str(port),
            f"{prefix}_WORKER_PORT": str(free_port()),
        }

    @contextmanager
    def process(
        self, *arguments: str, env: Mapping[str, str], ready: str | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A Python process with its log in the folder; ended on exit."""
        path = self.folder / f"{arguments[-1]}-{time.monotonic_ns()}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], env={**os.environ, **env}, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
            )
            try:
                if ready is not None:
                    _wait_for(ready, process, path)
                yield process
            finally:
                process.terminate()
                process.wait(timeout=30)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-2000:]}")


@contextmanager
def _published(issuer: TestIssuer) -> Iterator[str]:
    """The issuer's keys at an address, as a service fetches them."""
    document = json.dumps(asyncio.run(issuer.key_set())).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def open_house() -> Iterator[House]:
    """Start everything; durable as in production, so that a commit costs what it costs."""
    issuer = TestIssuer()
    with tempfile.TemporaryDirectory(prefix="kehu-bench-") as name, _published(issuer) as jwks_url:
        folder = Path(name)
        folder.chmod(0o755)
        create_key_file(folder / "keys.json")
        postgres = PostgresServer(folder / "postgres", free_port(), settings={"max_connections": "200"})
        kafka = KafkaServer(folder / "kafka", free_port(), ROOT / ".local" / "jars", controller_port=free_port())
        postgres.start()
        try:
            kafka.start()
            try:
                yield House(folder, postgres, kafka, issuer, jwks_url)
            finally:
                kafka.stop()
        finally:
            postgres.stop()
