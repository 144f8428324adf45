"""The customer 360 with four live services, against its slowest section asked for alone."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from bench.cases import CASES, prepare, register
from bench.gateway import gateway
from bench.house import House
from bench.load import load, raw_request
from bench.pace import Pace
from bench.report import Measurement
from bench.services import serving
from kehu_contracts.access import Role
from kehu_gateway.overview.service import SECTIONS

__all__ = ["measure"]


def measure(house: House, pace: Pace) -> list[Measurement]:
    """The whole and each section in turn, all of them through the gateway."""
    customer = asyncio.run(prepare(house, CASES[0])).one
    for case in CASES[1:]:
        asyncio.run(register(house, case, customer))
    token = house.issuer.token([Role.AUDITOR], expires_in=7200)
    root = f"/api/v1/customers/{customer}"
    with ExitStack() as stack:
        ports = {case.name: stack.enter_context(serving(house, case)) for case in CASES}
        through = stack.enter_context(gateway(house, ports))
        asked = {name: raw_request("GET", f"{root}/{resource}", token) for name, (_, resource) in SECTIONS.items()}
        asked["overview"] = raw_request("GET", f"{root}/overview", token)
        took: dict[str, list[float]] = {name: [] for name in asked}
        for request in asked.values():
            load(through, pace.warm_up, [request])
        for _ in range(pace.rounds):
            for name, request in asked.items():
                took[name].append(load(through, pace.seconds, [request], connections=1).p95_ms)
    whole = took.pop("overview")
    slowest = max(took, key=lambda name: sorted(took[name])[len(took[name]) // 2])
    return [
        Measurement(
            "360: p95",
            "ms",
            whole,
            f"its slowest section ({slowest})",
            took[slowest],
            "<= 3",
            notes="one caller, four services behind the gateway",
        )
    ]
