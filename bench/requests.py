"""GET one, list and POST of a customer, each against the one-file peer with the same statements."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from bench.house import House
from bench.report import Measurement
from bench.statements import CUSTOMER, record
from kehu_chassis.testing.plugin import free_port
from kehu_chassis.testing.tokens import ISSUER
from kehu_customer.main import DEFINITION

__all__ = ["measure"]

LOAD = Path(__file__).with_name("load.py")


def _request(method: str, path: str, token: str, body: dict[str, object] | None = None, **headers: str) -> str:
    content = "" if body is None else json.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join(lines) + "\r\n\r\n" + content


def load(port: int, seconds: float, requests: list[str]) -> dict[str, float]:
    """Run the load generator and give its result; every answer must be a success."""
    done = subprocess.run(
        [sys.executable, str(LOAD), str(port), str(seconds)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout)
    statuses = json.loads(done.stdout)["statuses"]
    if set(statuses) - {"200", "201"}:
        raise RuntimeError(f"refused: {statuses}")
    return result


def _posts(token: str, count: int) -> list[str]:
    return [
        _request("POST", "/api/v1/customers", token, CUSTOMER, Idempotency_Key=uuid4().hex)  # type: ignore[arg-type]
        for _ in range(count)
    ]


def _in_turn(ports: tuple[int, int], seconds: float, rounds: int, token: str, path: str | None) -> list[list[float]]:
    rates: list[list[float]] = [[], []]
    for port in ports:
        load(port, 1.0, [_request("GET", path, token)] if path else _posts(token, 10_000))
    for _ in range(rounds):
        for place, port in enumerate(ports):
            requests = [_request("GET", path, token)] if path else _posts(token, int(6_000 * seconds))
            rates[place].append(load(port, seconds, requests)["rate"])
    return rates


def measure(house: House, *, seconds: float, rounds: int) -> list[Measurement]:
    """Ours and the peer in turn, on the same database."""
    asyncio.run(house.migrate(DEFINITION))
    statements = house.folder / "statements.pickle"
    customer_id, recorded = asyncio.run(record(house.dsn("customer", "api"), house.folder / "keys.json"))
    statements.write_bytes(recorded)
    token = house.issuer.token(["system"], expires_in=3600)
    ours, peer = free_port(), free_port()
    peer_environment = {
        "PEER_PORT": str(peer),
        "PEER_DSN": house.dsn("customer", "api"),
        "PEER_JWKS": house.jwks_url,
        "PEER_ISSUER": ISSUER,
        "PEER_STATEMENTS": str(statements),
    }
    with (
        house.process(
            "-m",
            "kehu_customer",
            "api",
            env=house.environment("customer", "api", ours),
            ready=f"http://127.0.0.1:{ours}/health/ready",
        ),
        house.process("-m", "bench.peer_http", env=peer_environment, ready=f"http://127.0.0.1:{peer}/openapi.json"),
    ):
        read = _in_turn((ours, peer), seconds, rounds, token, f"/api/v1/customers/{customer_id}")
        written = _in_turn((ours, peer), seconds, rounds, token, None)
    one_file = "one file of FastAPI + asyncpg"
    return [
        Measurement("GET one customer", "requests/s", read[0], one_file, read[1], ">= 0.8"),
        Measurement("POST a customer, committed", "requests/s", written[0], one_file, written[1], ">= 0.6"),
    ]
