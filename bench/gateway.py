"""GET one customer through the gateway, against the same request straight to the service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.cases import CASES, prepare
from bench.house import House
from bench.load import load
from bench.pace import Pace
from bench.report import Measurement
from bench.services import reads, serving
from kehu_chassis.crypto import create_wrapping_key_file
from kehu_chassis.testing.servers import free_port
from kehu_gateway.main import DEFINITION

__all__ = ["gateway", "measure"]

CUSTOMER = CASES[0]
LIMITS = {
    f"GATEWAY_{whose}_{what}": "1000000" for whose in ("PERSON", "SYSTEM", "ADDRESS") for what in ("RATE", "BURST")
}
"""Rate limits are counted as always, and out of the load's reach."""


@contextmanager
def gateway(house: House, ports: Mapping[str, int]) -> Iterator[int]:
    """A gateway in front of services by name; gives its port."""
    asyncio.run(house.migrate(DEFINITION))
    console = house.folder / "console"
    console.mkdir(exist_ok=True)
    (console / "index.html").write_text("<!doctype html>")
    webhook_keys = house.folder / "webhook-keys.json"
    if not webhook_keys.exists():
        create_wrapping_key_file(webhook_keys, "webhook-1")
    port = free_port()
    environment = {
        **house.environment("gateway", "api", port),
        **LIMITS,
        "GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "GATEWAY_CONSOLE": str(console),
        "GATEWAY_SESSION_KEY": "a key that seals nothing in a benchmark",
        "GATEWAY_WEBHOOK_KEY_FILE": str(webhook_keys),
        # One caller at one address asks as fast as it can: that is what is measured.
        **{f"GATEWAY_{who}_{what}": "1000000" for who in ("PERSON", "SYSTEM", "ADDRESS") for what in ("RATE", "BURST")},
        **{f"GATEWAY_{name.upper()}_URL": f"http://127.0.0.1:{at}" for name, at in ports.items()},
    }
    ready = f"http://127.0.0.1:{port}/health/ready"
    with house.process("-m", "kehu_gateway", "api", env=environment, ready=ready):
        yield port


def measure(house: House, pace: Pace) -> list[Measurement]:
    """Through the gateway and past it, in turn: one customer (a kilobyte) and a list of fifty."""
    prepared = asyncio.run(prepare(house, CUSTOMER))
    found = []
    with serving(house, CUSTOMER) as service, gateway(house, {"customer": service}) as through:
        for work, request in reads(CUSTOMER, prepared.one, CUSTOMER.token(house)).items():
            rates: dict[int, list[float]] = {through: [], service: []}
            for port in rates:
                load(port, pace.warm_up, [request])
            for _ in range(pace.rounds):
                for port, measured in rates.items():
                    measured.append(load(port, pace.seconds, [request]).rate)
            found.append(
                Measurement(
                    f"gateway: {work}",
                    "requests/s",
                    rates[through],
                    "the same request to the service",
                    rates[service],
                    ">= 0.5",
                )
            )
    return found
